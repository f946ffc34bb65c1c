/* role - see role.h. */
#include "ledgerd/core/role.h"

#include <stddef.h>
#include <string.h>

static const struct {
    enum role role;
    const char *text;
} names[] = {
    {ROLE_SUBMIT, "submit"}, {ROLE_INGEST, "ingest"}, {ROLE_GATEWAY_USER, "gateway-user"},
    {ROLE_READ, "read"},     {ROLE_REPORT, "report"}, {ROLE_ADMIN, "admin"},
};

enum { NAMES = sizeof names / sizeof names[0] };

static const char read_prefix[] = "read:";
enum { READ_PREFIX_BYTES = sizeof read_prefix - 1 };

/* The project of read:<project>, whose id has the characters that project add allows. */
static int take_read(const char *word, size_t length, struct role_word *taken)
{
    const char *project = word + READ_PREFIX_BYTES;
    size_t bytes = length - READ_PREFIX_BYTES;

    if (bytes == 0 || bytes > ROLE_PROJECT_BYTES) {
        return -1;
    }
    taken->role = ROLE_READ;
    memcpy(taken->project, project, bytes);
    taken->project[bytes] = '\0';
    return 1;
}

static int take_name(const char *word, size_t length, struct role_word *taken)
{
    for (size_t i = 0; i < NAMES; i++) {
        if (names[i].role != ROLE_READ && strlen(names[i].text) == length &&
            memcmp(names[i].text, word, length) == 0) {
            taken->role = names[i].role;
            taken->project[0] = '\0';
            return 1;
        }
    }
    return -1;
}

int role_take(const char **text, struct role_word *word)
{
    const char *start = *text;
    size_t length = strcspn(start, "+");

    if (*start == '\0') {
        return 0;
    }
    /* "submit+" ends in a word that is empty, which is none. */
    *text = start + length + (start[length] == '+' && start[length + 1] != '\0');
    return length > READ_PREFIX_BYTES && memcmp(start, read_prefix, READ_PREFIX_BYTES) == 0
               ? take_read(start, length, word)
               : take_name(start, length, word);
}

/* True if the words before `end` have read:<project>. */
static bool reads_before(const char *text, const char *end, const char *project)
{
    struct role_word word;

    while (text < end && role_take(&text, &word) == 1) {
        if (word.role == ROLE_READ && strcmp(word.project, project) == 0) {
            return true;
        }
    }
    return false;
}

int roles_parse(const char *text, unsigned *roles)
{
    const char *at = text;
    const char *start = at;
    struct role_word word;
    unsigned taken = 0;
    int result;

    if (strlen(text) > ROLES_TEXT_BYTES) {
        return -1;
    }
    for (; (result = role_take(&at, &word)) == 1; start = at) {
        bool is_again = word.role == ROLE_READ ? reads_before(text, start, word.project)
                                               : (taken & word.role) != 0;
        if (is_again) {
            return -1;
        }
        taken |= word.role;
    }
    if (result != 0 || taken == 0 ||
        ((taken & ROLE_GATEWAY_USER) != 0 && taken != ROLE_GATEWAY_USER)) {
        return -1;
    }
    *roles = taken;
    return 0;
}

bool roles_read(const char *text, const char *project)
{
    return reads_before(text, text + strlen(text), project);
}

bool role_scope_has(const struct role_scope *scope, const char *project)
{
    return scope == NULL || roles_read(scope->words, project);
}

const char *role_text(enum role role)
{
    for (size_t i = 0; i < NAMES; i++) {
        if (names[i].role == role) {
            return names[i].text;
        }
    }
    return "";
}
