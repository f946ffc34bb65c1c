/* auth_uids - see auth_uids.h. */
#include "ledgerd/http/auth_uids.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"

enum { ENTRY_BYTES = 256 + 1 + ROLES_TEXT_BYTES, PASSWD_BYTES = 16 * 1024 };

#define UID_MAX_USED (UINT32_MAX - 1) /* -1 is nobody's */

static int find_user(const char *name, uid_t *uid, struct error *err)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[PASSWD_BYTES];
    uint64_t number;

    if (parse_u64(name, strlen(name), UID_MAX_USED, &number) == 0) {
        *uid = (uid_t)number;
        return 0;
    }
    int failure = getpwnam_r(name, &entry, buffer, sizeof(buffer), &found);
    if (found == NULL) {
        return error_set(err, ERROR_ARGUMENT, "[auth] unix_uids: %s '%.100s'%s%s",
                         failure == 0 ? "the system knows no user" : "cannot look up", name,
                         failure == 0 ? "" : ": ", failure == 0 ? "" : strerror(failure));
    }
    *uid = found->pw_uid;
    return 0;
}

/* One NAME:ROLES; the name ends at the first colon, roles may have more of them. */
static int read_entry(char *entry, struct auth_uid *uid, struct error *err)
{
    char *colon = strchr(entry, ':');

    if (colon == NULL || colon == entry || colon[1] == '\0') {
        return error_set(err, ERROR_ARGUMENT,
                         "[auth] unix_uids: '%.100s' is no NAME:ROLES, such as slurm:submit",
                         entry);
    }
    *colon = '\0';
    if (roles_parse(colon + 1, &uid->roles) != 0 || (uid->roles & ROLE_GATEWAY_USER) != 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "[auth] unix_uids: '%.100s' of %.100s: roles are submit, ingest, "
                         "read:PROJECT, report and admin, joined by '+'",
                         colon + 1, entry);
    }
    memcpy(uid->words, colon + 1, strlen(colon + 1) + 1);
    return find_user(entry, &uid->uid, err);
}

static int add_entry(const char *text, size_t length, struct auth_uids *uids, struct error *err)
{
    char entry[ENTRY_BYTES + 1];
    struct auth_uid *grown = realloc(uids->uids, (uids->count + 1) * sizeof(*grown));

    if (grown == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    uids->uids = grown;
    if (length > ENTRY_BYTES) {
        return error_set(err, ERROR_ARGUMENT, "[auth] unix_uids: '%.40s...' is too long", text);
    }
    memcpy(entry, text, length);
    entry[length] = '\0';
    if (read_entry(entry, &grown[uids->count], err) != 0) {
        return -1;
    }
    if (auth_uids_find(uids, grown[uids->count].uid) != NULL) {
        return error_set(err, ERROR_ARGUMENT, "[auth] unix_uids: '%.100s' is named twice", entry);
    }
    uids->count++;
    return 0;
}

int auth_uids_parse(const char *text, struct auth_uids *uids, struct error *err)
{
    *uids = (struct auth_uids){0};
    while (*(text += strspn(text, " \t,")) != '\0') {
        size_t length = strcspn(text, " \t,");

        if (add_entry(text, length, uids, err) != 0) {
            auth_uids_release(uids);
            return -1;
        }
        text += length;
    }
    return 0;
}

void auth_uids_release(struct auth_uids *uids)
{
    free(uids->uids);
    *uids = (struct auth_uids){0};
}

const struct auth_uid *auth_uids_find(const struct auth_uids *uids, uid_t uid)
{
    for (size_t i = 0; i < uids->count; i++) {
        if (uids->uids[i].uid == uid) {
            return &uids->uids[i];
        }
    }
    return NULL;
}
