/* ask_input - see ask_input.h. */
#include "ledgerd/http/ask_input.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/pull_board.h"

enum member_type { MEMBER_TEXT, MEMBER_NUMBER, MEMBER_FLAG };

struct member {
    const char *name;
    enum member_type type;
    size_t offset; /* in struct slurm_ask */
    int64_t max;   /* of a number */
};

static const struct member members[] = {
    {"cluster", MEMBER_TEXT, offsetof(struct slurm_ask, cluster), 0},
    {"account", MEMBER_TEXT, offsetof(struct slurm_ask, account), 0},
    {"partition", MEMBER_TEXT, offsetof(struct slurm_ask, partition), 0},
    {"modifies", MEMBER_TEXT, offsetof(struct slurm_ask, modifies), 0},
    {"uid", MEMBER_NUMBER, offsetof(struct slurm_ask, uid), SLURM_UID_MAX},
    {"nodes", MEMBER_NUMBER, offsetof(struct slurm_ask, nodes), SLURM_COUNT_MAX},
    {"parts", MEMBER_NUMBER, offsetof(struct slurm_ask, parts), SLURM_COUNT_MAX},
    {"at_once", MEMBER_NUMBER, offsetof(struct slurm_ask, at_once), SLURM_COUNT_MAX},
    {"exclusive", MEMBER_FLAG, offsetof(struct slurm_ask, is_exclusive), 0},
    {"mem_default", MEMBER_FLAG, offsetof(struct slurm_ask, is_mem_default), 0},
    {"mem_per_cpu", MEMBER_FLAG, offsetof(struct slurm_ask, is_mem_per_cpu), 0},
    {"mem_whole", MEMBER_FLAG, offsetof(struct slurm_ask, is_mem_whole), 0},
    {"unlimited", MEMBER_FLAG, offsetof(struct slurm_ask, is_unlimited), 0},
};

static const struct member *find_member(const char *name)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

static void *place_of(const struct member *member, struct slurm_ask *ask)
{
    return (char *)ask + member->offset;
}

static int put_text(const struct member *member, const char *value, struct slurm_ask *ask)
{
    *(const char **)place_of(member, ask) = value;
    return 0;
}

static int put_number(const struct member *member, const char *value, struct slurm_ask *ask,
                      struct error *err)
{
    uint64_t number;

    if (parse_u64(value, strlen(value), (uint64_t)member->max, &number) != 0) {
        return error_set(err, ERROR_ARGUMENT, "%s: '%.40s' is no number from 0 to %" PRId64,
                         member->name, value, member->max);
    }
    *(int64_t *)place_of(member, ask) = (int64_t)number;
    return 0;
}

static int put_flag(const struct member *member, const char *value, struct slurm_ask *ask,
                    struct error *err)
{
    bool is_true = strcmp(value, "true") == 0;

    if (!is_true && strcmp(value, "false") != 0) {
        return error_set(err, ERROR_ARGUMENT, "%s: must be true or false", member->name);
    }
    *(bool *)place_of(member, ask) = is_true;
    return 0;
}

static int put(const struct member *member, const char *value, struct slurm_ask *ask,
               struct error *err)
{
    switch (member->type) {
    case MEMBER_NUMBER:
        return put_number(member, value, ask, err);
    case MEMBER_FLAG:
        return put_flag(member, value, ask, err);
    case MEMBER_TEXT:
        break;
    }
    return put_text(member, value, ask);
}

int ask_input_argument(const char *name, const char *value, struct slurm_ask *ask, bool *known,
                       struct error *err)
{
    const struct member *member = find_member(name);

    *known = member != NULL;
    return member != NULL ? put(member, value, ask, err) : 0;
}

int ask_input_member(const char *name, const json_t *value, struct slurm_ask *ask, bool *known,
                     struct error *err)
{
    const struct member *member = find_member(name);
    char digits[24];

    *known = member != NULL;
    if (member == NULL) {
        return 0;
    }
    if (member->type == MEMBER_FLAG && json_is_boolean(value)) {
        return put(member, json_is_true(value) ? "true" : "false", ask, err);
    }
    if (member->type == MEMBER_NUMBER && json_is_integer(value)) {
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return put(member, digits, ask, err);
    }
    if (member->type != MEMBER_FLAG && json_is_string(value)) {
        return put(member, json_string_value(value), ask, err);
    }
    return error_set(err, ERROR_ARGUMENT, "%s: must be %s", member->name,
                     member->type == MEMBER_TEXT     ? "a string"
                     : member->type == MEMBER_NUMBER ? "a whole number"
                                                     : "true or false");
}

void ask_want_news(const struct service *service, const struct slurm_ask *ask,
                   enum decide_reason reason)
{
    char source[USAGE_SOURCE_BYTES + 1];

    snprintf(source, sizeof source, "slurm:%s", ask->cluster);
    if ((reason == DECIDE_UNKNOWN_USER || reason == DECIDE_UNKNOWN_PROJECT) &&
        conf_source_find(service->conf, source) != NULL) {
        pull_board_ask(engine_pulls(service->engine), source);
    }
}
