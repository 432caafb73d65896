#include <signal.h>
#include <stddef.h>

#include "node/lifecycle.h"
#include "node/node.h"

/* A signal handler is given nothing, so what it works on has to be found here: the one exception to
 * the rule that there is no global state. */
static struct node *volatile signalled;

static void signals_stop(int number)
{
    (void)number;
    struct node *node = signalled;
    if (node != NULL) {
        node_stop(node);
    }
}

void signals_watch(struct node *node)
{
    struct sigaction stop = {.sa_handler = signals_stop};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    signalled = node;
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}
