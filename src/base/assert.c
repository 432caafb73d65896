#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: a belief of this program does not hold: %s\n", file, line, condition);
    fflush(stderr);
    abort();
}
