/* role - what a caller of ledgerd may do, as words: "submit+ingest", "read:hp270001" (contract
 * section 7).
 *
 * Two roles are of projects and see nothing else: read:<project>, of which there may be several,
 * and gateway-user, whose one project stands beside the words and which is joined with no other.
 */
#ifndef LEDGERD_CORE_ROLE_H
#define LEDGERD_CORE_ROLE_H

#include <stdbool.h>

enum role {
    ROLE_SUBMIT = 1 << 0,       /* check, hold, settle, release, introspect */
    ROLE_INGEST = 1 << 1,       /* post usage */
    ROLE_GATEWAY_USER = 1 << 2, /* asks the gateway for answers, and here for its own project */
    ROLE_READ = 1 << 3,         /* reads one project */
    ROLE_REPORT = 1 << 4,       /* reads everything */
    ROLE_ADMIN = 1 << 5,        /* everything */
};

enum {
    ROLES_ALL = (1 << 6) - 1,
    ROLES_OF_PROJECTS = ROLE_READ | ROLE_GATEWAY_USER,
    ROLE_PROJECT_BYTES = 128, /* of a project's id */
    ROLES_TEXT_BYTES = 1024,  /* of the words, joined */
};

struct role_word { /* one word of the list */
    enum role role;
    char project[ROLE_PROJECT_BYTES + 1]; /* of ROLE_READ, else "" */
};

/* Take the next word off the text, which moves behind it: 1; 0 at the end; -1 if the word is no
 * role. */
int role_take(const char **text, struct role_word *word);

/* The words as a set of enum role. -1, with *roles untouched, if there are none, one is no role or
 * there twice, gateway-user is joined with others, or the text is longer than ROLES_TEXT_BYTES. */
int roles_parse(const char *text, unsigned *roles);

/* True if the words have read:<project>. */
bool roles_read(const char *text, const char *project);

/* The projects that a caller may know of: those of its words read:<project>. */
struct role_scope {
    char words[ROLES_TEXT_BYTES + 1];
};

/* True if the scope has the project; NULL has them all. */
bool role_scope_has(const struct role_scope *scope, const char *project);

/* The role's word, without a project: "gateway-user", "read". */
const char *role_text(enum role role);

#endif
