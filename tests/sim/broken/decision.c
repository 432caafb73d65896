/* A broken product: markers commit what the coordinator of transactions was told to abort. */
#include "coordinator/transaction/transaction.h"

const struct transaction_markers *__real_transaction_next_markers(
    struct transaction_coordinator *coordinator);
const struct transaction_markers *__wrap_transaction_next_markers(
    struct transaction_coordinator *coordinator);

const struct transaction_markers *__wrap_transaction_next_markers(
    struct transaction_coordinator *coordinator)
{
    const struct transaction_markers *markers = __real_transaction_next_markers(coordinator);
    if (markers != NULL) {
        ((struct transaction_markers *)markers)->commit = true;
    }
    return markers;
}
