/* storage_scram.h: SCRAM users that a node is formatted with (KIP-900).
 *
 * An argument is MECHANISM=[name=N,password=P,...]; values may stand in double quotes. Also known:
 * iterations, salt and saltedpassword, the last two in base64.
 * Thread: any.   Errors: one line, in the words of Apache Kafka. */
#ifndef BNB_NODE_STORAGE_SCRAM_H
#define BNB_NODE_STORAGE_SCRAM_H

#include "base/arena.h"
#include "base/err.h"
#include "protocol/messages.h"

/* Fills the record, whose bytes lie in arena. 0; ERR_INVALID; ERR_NOMEM. */
int storage_scram_parse(struct arena *arena, const char *argument,
                        struct user_scram_credential_record *record, struct err_message *message);
/* As the bootstrap line of `storage format` shows it. */
void storage_scram_print(const struct user_scram_credential_record *record);

#endif
