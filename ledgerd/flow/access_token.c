/* access_token - see access_token.h. */
#include "ledgerd/flow/access_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "ledgerd/core/role.h"
#include "ledgerd/core/usage.h"
#include "ledgerd/flow/project_find.h"

enum { RANDOM_BYTES = 32, DETAIL_BYTES = ROLES_TEXT_BYTES + 1024 };

static const char prefix[] = "ldg_";
enum { PREFIX_BYTES = sizeof prefix - 1 };

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool access_token_hash(const char *text, size_t length, unsigned char sha256[ACCESS_SHA256_BYTES])
{
    unsigned size = 0;

    if (length != ACCESS_TOKEN_LENGTH || memcmp(text, prefix, PREFIX_BYTES) != 0 ||
        strspn(text + PREFIX_BYTES, base64url) < length - PREFIX_BYTES) {
        return false;
    }
    return EVP_Digest(text, length, sha256, &size, EVP_sha256(), NULL) == 1 &&
           size == ACCESS_SHA256_BYTES;
}

static int make_text(char token[ACCESS_TOKEN_BYTES], struct error *err)
{
    unsigned char bytes[RANDOM_BYTES];
    unsigned char text[RANDOM_BYTES * 2];

    if (RAND_priv_bytes(bytes, sizeof bytes) != 1) {
        return error_set(err, ERROR_INTERNAL, "the cryptographic library has no random bytes");
    }
    EVP_EncodeBlock(text, bytes, sizeof bytes); /* 43 characters and a "=" */
    memcpy(token, prefix, PREFIX_BYTES);
    for (size_t i = PREFIX_BYTES; i < ACCESS_TOKEN_LENGTH; i++) {
        char c = (char)text[i - PREFIX_BYTES];
        token[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    token[ACCESS_TOKEN_LENGTH] = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
    return 0;
}

static int check_name(const char *name, struct error *err)
{
    if (name == NULL || *name == '\0' ||
        !usage_is_clean(name, strlen(name), ACCESS_TOKEN_NAME_BYTES_MAX)) {
        return error_set(err, ERROR_ARGUMENT, "a token's name is plain text of at most %d bytes",
                         ACCESS_TOKEN_NAME_BYTES_MAX);
    }
    return 0;
}

static int check_request(const struct access_token_request *request, struct error *err)
{
    unsigned roles;

    if (manual_check(&request->act, err) != 0 || check_name(request->name, err) != 0) {
        return -1;
    }
    if (roles_parse(request->roles, &roles) != 0) {
        return error_set(err, ERROR_ARGUMENT,
                         "'%.100s': roles are submit, ingest, read:PROJECT, report and admin, each "
                         "once, joined by '+', or gateway-user alone",
                         request->roles);
    }
    if ((roles == ROLE_GATEWAY_USER) != (request->project != NULL)) {
        return error_set(err, ERROR_ARGUMENT,
                         roles == ROLE_GATEWAY_USER
                             ? "a gateway-user is of a project: --project is missing"
                             : "--project is for gateway-user alone: others name theirs, as in "
                               "read:PROJECT");
    }
    if (request->user != NULL &&
        (request->project == NULL ||
         !usage_is_clean(request->user, strlen(request->user), USAGE_NAME_BYTES))) {
        return error_set(err, ERROR_ARGUMENT,
                         "--user is plain text of at most %d bytes, and for gateway-user alone",
                         USAGE_NAME_BYTES);
    }
    return 0;
}

/* A project that the token names must be there; a service has no users, but can be read. */
static int check_project(struct store *store, const char *project, bool has_users,
                         struct error *err)
{
    struct project_rows rows;
    bool is_service;

    if (project_find(store, project, &rows, err) != 0) {
        return -1;
    }
    is_service = rows.rows[0].is_service;
    project_rows_release(&rows);
    return is_service && has_users
               ? error_set_reason(err, ERROR_REFUSED, "is_service",
                                  "'%s' is an inference service: it has no users", project)
               : 0;
}

static int check_projects(struct store *store, const struct access_token_request *request,
                          struct error *err)
{
    const char *words = request->roles;
    struct role_word word;

    if (request->project != NULL) {
        return check_project(store, request->project, true, err);
    }
    while (role_take(&words, &word) == 1) {
        if (word.role == ROLE_READ && check_project(store, word.project, false, err) != 0) {
            return -1;
        }
    }
    return 0;
}

struct creating {
    const struct access_token_request *request;
    const unsigned char *sha256;
};

static int record_create(struct store *store, const struct access_token_request *request,
                         struct error *err)
{
    char detail[DETAIL_BYTES];

    snprintf(detail, sizeof detail, "roles %s%s%s%s%s", request->roles,
             request->project != NULL ? ", project " : "",
             request->project != NULL ? request->project : "",
             request->user != NULL ? ", user " : "", request->user != NULL ? request->user : "");
    return manual_record(store, &request->act, "token create", request->name, detail, NULL, err);
}

static int create(struct store *store, void *context, struct error *err)
{
    const struct creating *creating = context;
    const struct access_token_request *request = creating->request;
    const struct access_token_row row = {
        .name = (char *)request->name,
        .roles = (char *)request->roles,
        .project = (char *)request->project,
        .user = (char *)(request->user != NULL ? request->user : ""),
        .created_at = request->act.now,
        .created_by = (char *)request->act.actor,
    };
    bool added;

    if (check_projects(store, request, err) != 0 ||
        store_add_access_token(store, &row, creating->sha256, &added, err) != 0) {
        return -1;
    }
    if (!added) {
        return error_set_reason(err, ERROR_REFUSED, "token_exists",
                                "there is, or was, a token '%s': every token has a name of its own",
                                request->name);
    }
    return record_create(store, request, err);
}

int access_token_create(struct store *store, const struct access_token_request *request,
                        char token[ACCESS_TOKEN_BYTES], struct error *err)
{
    unsigned char sha256[ACCESS_SHA256_BYTES];
    char text[ACCESS_TOKEN_BYTES];
    struct creating creating = {.request = request, .sha256 = sha256};
    int result;

    if (check_request(request, err) != 0 || make_text(text, err) != 0) {
        return -1;
    }
    result = access_token_hash(text, ACCESS_TOKEN_LENGTH, sha256)
                 ? store_transact(store, STORE_BOOKING, create, &creating, err)
                 : error_set(err, ERROR_INTERNAL, "the cryptographic library failed to hash");
    if (result == 0) {
        memcpy(token, text, sizeof text);
    }
    OPENSSL_cleanse(text, sizeof text);
    return result;
}

struct revoking {
    const struct access_token_request *request;
    bool changed;
};

static int revoke(struct store *store, void *context, struct error *err)
{
    struct revoking *revoking = context;
    const struct access_token_request *request = revoking->request;
    struct access_token_rows rows;
    bool is_known;

    if (store_read_access_tokens(store, request->name, &rows, err) != 0) {
        return -1;
    }
    is_known = rows.count > 0;
    access_token_rows_release(&rows);
    if (!is_known) {
        return error_set_reason(err, ERROR_REFUSED, "unknown_token", "there is no token '%s'",
                                request->name);
    }
    if (store_revoke_access_token(store, request->name, request->act.now, request->act.actor,
                                  &revoking->changed, err) != 0) {
        return -1;
    }
    return revoking->changed
               ? manual_record(store, &request->act, "token revoke", request->name, "", NULL, err)
               : 0;
}

int access_token_revoke(struct store *store, const struct access_token_request *request,
                        bool *unchanged, struct error *err)
{
    struct revoking revoking = {.request = request};

    if (manual_check(&request->act, err) != 0 || check_name(request->name, err) != 0 ||
        store_transact(store, STORE_BOOKING, revoke, &revoking, err) != 0) {
        return -1;
    }
    *unchanged = !revoking.changed;
    return 0;
}

static int read_list(struct store *store, void *context, struct error *err)
{
    access_token_rows_release(context); /* of an attempt that was rolled back */
    return store_read_access_tokens(store, NULL, context, err);
}

int access_token_list(struct store *store, struct access_token_rows *rows, struct error *err)
{
    struct access_token_rows list = {0};

    if (store_transact(store, STORE_UNLOCKED, read_list, &list, err) != 0) {
        return -1;
    }
    *rows = list;
    return 0;
}
