/* slurm_rest_token - what slurmrestd wants to know of who asks: a JSON Web Token, and whose it is.
 */
#ifndef IMPORTERS_SLURM_REST_TOKEN_H
#define IMPORTERS_SLURM_REST_TOKEN_H

#include <stddef.h>

#include "ledgerd/base/strbuf.h"

/* The token in a file's text, as `scontrol token` prints it ("SLURM_JWT=…") or alone: its bytes
 * within the text. 0, or -1 if there is none or it has bytes that no token has. */
int slurm_rest_token_find(const char *text, size_t length, const char **token,
                          size_t *token_length);

/* The user that a token is of (its claim "sun"), which slurmrestd 22.05 wants beside it; appended.
 * 0, or -1 with nothing appended: it is no JSON Web Token or does not say. */
int slurm_rest_token_user(const char *token, size_t length, struct strbuf *user);

#endif
