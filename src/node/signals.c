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

/* As in Java: what whoever started us has ignored (nohup) stays ignored. */
static void signals_take(int number)
{
    struct sigaction before;
    struct sigaction stop = {.sa_handler = signals_stop};
    if (sigaction(number, NULL, &before) != 0 || before.sa_handler != SIG_IGN) {
        sigaction(number, &stop, NULL);
    }
}

void signals_watch(struct node *node)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    signalled = node;
    signals_take(SIGTERM);
    signals_take(SIGINT);
    signals_take(SIGHUP);
    sigaction(SIGPIPE, &ignore, NULL);
}
