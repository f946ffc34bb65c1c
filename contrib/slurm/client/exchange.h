/* exchange - one request and one answer over a Unix socket, within one deadline. */
#ifndef CONTRIB_SLURM_CLIENT_EXCHANGE_H
#define CONTRIB_SLURM_CLIENT_EXCHANGE_H

#include "ledger_client.h"

/* Send the request's bytes and read the answer. Whatever goes wrong makes an answer that says so.
 */
void exchange(const struct ledger_client *client, const char *request, size_t length,
              struct ledger_answer *answer);

/* Fill *answer with "no decision", and why. */
void answer_trouble(struct ledger_answer *answer, enum ledger_trouble trouble, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

#endif
