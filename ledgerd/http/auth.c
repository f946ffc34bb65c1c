/* auth - see auth.h. */
#include "ledgerd/http/auth.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/conf_address.h"
#include "ledgerd/base/log.h"
#include "ledgerd/core/role.h"
#include "ledgerd/flow/access_token.h"
#include "ledgerd/flow/catalog_access.h"
#include "ledgerd/http/auth_failures.h"
#include "ledgerd/http/auth_uids.h"
#include "ledgerd/http/bearer.h"
#include "ledgerd/http/route.h"

enum { PEER_TEXT_BYTES = INET6_ADDRSTRLEN + 8, NEEDS_BYTES = 200 };

struct auth {
    bool is_required;
    struct auth_uids uids;
    struct auth_failures *failures;
};

enum shown { SHOWN_NOTHING, SHOWN_BAD, SHOWN_GOOD };

struct caller {
    enum shown shown;
    unsigned roles;
    char words[ROLES_TEXT_BYTES + 1]; /* with read:<project> of all that it may see */
};

struct auth *auth_create(const struct conf *conf, struct error *err)
{
    struct auth *auth = calloc(1, sizeof(*auth));

    if (auth == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    auth->failures = auth_failures_create();
    if (auth->failures == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
    }
    if (auth->failures == NULL || conf_auth_is_required(conf, &auth->is_required, err) != 0 ||
        auth_uids_parse(conf->auth_unix_uids, &auth->uids, err) != 0) {
        auth_destroy(auth);
        return NULL;
    }
    return auth;
}

void auth_destroy(struct auth *auth)
{
    if (auth == NULL) {
        return;
    }
    auth_uids_release(&auth->uids);
    auth_failures_destroy(auth->failures);
    free(auth);
}

bool auth_is_required(const struct auth *auth)
{
    return auth->is_required;
}

/* --- who it is -------------------------------------------------------------------------------- */

struct credentials {
    unsigned count; /* of Authorization lines */
    const char *value;
};

/* Two of them could mean one caller here and another to a proxy in front. */
static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct credentials *credentials = context;

    (void)kind;
    if (strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0) {
        credentials->count++;
        credentials->value = value;
    }
    return MHD_YES;
}

/* What its token says; the text lives no longer than the reading. */
static void take_token(const struct catalog_token *token, struct caller *caller)
{
    bool is_user = token->roles == ROLE_GATEWAY_USER;

    caller->shown = SHOWN_GOOD;
    caller->roles = token->roles;
    snprintf(caller->words, sizeof(caller->words), "%s%s", is_user ? "read:" : "",
             is_user ? token->row->project : token->row->roles);
}

static void look_up(struct engine *engine, const char *value, struct caller *caller)
{
    unsigned char sha256[ACCESS_SHA256_BYTES];
    struct engine_reading reading;
    size_t length = 0;
    const char *text = value != NULL ? bearer_token(value, &length) : NULL;

    caller->shown = SHOWN_BAD;
    if (text == NULL || !access_token_hash(text, length, sha256)) {
        return;
    }
    engine_enter(engine, &reading);
    const struct catalog_token *token = catalog_access_find(reading.view->catalog, sha256);
    if (token != NULL) {
        take_token(token, caller);
    }
    engine_leave(engine, &reading);
}

static const struct sockaddr *address_of(const struct request *request)
{
    return MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
        ->client_addr;
}

/* The uid behind a Unix socket, as it was when it connected. False of any other peer. */
static bool read_uid(const struct request *request, uid_t *uid)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (address_of(request)->sa_family != AF_UNIX ||
        getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        return false;
    }
    *uid = peer.uid;
    return true;
}

static void take_uid(const struct auth *auth, const struct request *request, struct caller *caller)
{
    const struct auth_uid *found = NULL;
    uid_t uid;

    if (read_uid(request, &uid)) {
        found = auth_uids_find(&auth->uids, uid);
    }
    if (found != NULL) {
        caller->shown = SHOWN_GOOD;
        caller->roles = found->roles;
        memcpy(caller->words, found->words, strlen(found->words) + 1);
    }
}

static void find_caller(const struct auth *auth, const struct request *request,
                        struct caller *caller)
{
    struct credentials credentials = {0};

    caller->shown = SHOWN_NOTHING;
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at_header, &credentials);
    if (credentials.count == 0) {
        take_uid(auth, request, caller);
    } else if (credentials.count == 1) {
        look_up(request->service->engine, credentials.value, caller);
    } else {
        caller->shown = SHOWN_BAD;
    }
}

/* --- refusing --------------------------------------------------------------------------------- */

static struct auth_peer peer_of_six(const struct in6_addr *address)
{
    struct auth_peer peer = {.kind = AF_INET6};
    uint32_t four;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        memcpy(&four, &address->s6_addr[12], sizeof(four));
        return (struct auth_peer){.kind = AF_INET, .value = four};
    }
    memcpy(&peer.value, address->s6_addr, sizeof(peer.value)); /* its /64 */
    return peer;
}

/* Whom to count a failure for, and its text for the log. */
static struct auth_peer find_peer(const struct request *request, char text[PEER_TEXT_BYTES])
{
    const struct sockaddr *address = address_of(request);
    uid_t uid;

    if (read_uid(request, &uid)) {
        snprintf(text, PEER_TEXT_BYTES, "uid:%lu", (unsigned long)uid);
        return (struct auth_peer){.kind = AF_UNIX, .value = uid};
    }
    snprintf(text, PEER_TEXT_BYTES, "unknown");
    if (address->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof(four));
        inet_ntop(AF_INET, &four.sin_addr, text, PEER_TEXT_BYTES);
        return (struct auth_peer){.kind = AF_INET, .value = four.sin_addr.s_addr};
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, address, sizeof(six));
        inet_ntop(AF_INET6, &six.sin6_addr, text, PEER_TEXT_BYTES);
        return peer_of_six(&six.sin6_addr);
    }
    return (struct auth_peer){.kind = AF_UNSPEC};
}

/* One line a window, of the first that failed in it. */
static void log_failure(const char *peer, enum shown shown, const struct auth_failure *failure)
{
    char before[24];

    snprintf(before, sizeof(before), "%" PRIu64, failure->before);
    log_event(LOG_LEVEL_WARNING, "caller-unknown", "peer", peer, "why",
              shown == SHOWN_BAD ? "its token is none that counts" : "it shows no token",
              "failures-before", failure->before > 0 ? before : NULL, NULL);
}

/* The reply: a problem document, but without a body where a proxy asks. */
static void refuse(struct request *request, unsigned status, const char *code, const char *detail)
{
    struct reply *reply = &request->reply;

    request->is_refused = true;
    if (request->route->handle == handle_authz) {
        authz_deny(reply, status == 429 ? 401 : status, code, detail);
    } else {
        reply_problem(reply, status, code, detail);
    }
}

static void refuse_unknown(struct auth *auth, struct request *request, enum shown shown)
{
    char peer_text[PEER_TEXT_BYTES];
    struct auth_failure failure;
    struct auth_peer peer = find_peer(request, peer_text);

    auth_failures_note(auth->failures, peer, clock_monotonic_us(), &failure);
    if (failure.is_first) {
        log_failure(peer_text, shown, &failure);
    }
    if (failure.retry_after_seconds > 0) {
        char seconds[16];
        snprintf(seconds, sizeof(seconds), "%d", failure.retry_after_seconds);
        refuse(request, 429, "too_many_failures",
               "too many callers from there could not say who they are: wait, and look at the "
               "token");
        reply_header(&request->reply, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
        atomic_fetch_add(&request->service->metrics.callers_limited, 1);
        return;
    }
    refuse(request, 401, "unauthorized",
           shown == SHOWN_BAD
               ? "the Authorization header has no token that counts: it is wrong, or was revoked"
               : "this needs a token: Authorization: Bearer ldg_... (ledgerctl token create)");
    reply_header(&request->reply, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                 shown == SHOWN_BAD ? "Bearer realm=\"ledger\", error=\"invalid_token\""
                                    : "Bearer realm=\"ledger\"");
    atomic_fetch_add(&request->service->metrics.callers_unknown, 1);
}

static void refuse_role(struct request *request)
{
    unsigned roles = request->route->roles;
    char needs[NEEDS_BYTES];
    size_t used = 0;

    needs[0] = '\0';
    for (unsigned role = 1; role <= ROLES_ALL; role <<= 1) {
        if ((roles & role) != 0 && used < sizeof(needs)) {
            used += (size_t)snprintf(needs + used, sizeof(needs) - used, "%s%s",
                                     used > 0 ? ", " : "", role_text((enum role)role));
        }
    }
    char detail[NEEDS_BYTES + 64];
    snprintf(detail, sizeof(detail),
             "the caller's roles do not reach that, but one of these does: %s", needs);
    refuse(request, 403, "forbidden", detail);
    atomic_fetch_add(&request->service->metrics.callers_forbidden, 1);
}

/* --- letting through -------------------------------------------------------------------------- */

/* By roles of projects alone it sees these projects alone. */
static void set_scope(struct request *request, const struct caller *caller, unsigned roles)
{
    if ((roles & ~(unsigned)ROLES_OF_PROJECTS) == 0) {
        memcpy(request->scope_kept.words, caller->words, strlen(caller->words) + 1);
        request->scope = &request->scope_kept;
    }
}

bool auth_admit(struct request *request)
{
    struct auth *auth = request->service->auth;
    unsigned wanted = request->route->roles;
    struct caller caller;

    if (!auth->is_required || wanted == ROLES_NOT_ASKED) {
        return true;
    }
    find_caller(auth, request, &caller);
    if (caller.shown != SHOWN_GOOD) {
        refuse_unknown(auth, request, caller.shown);
    } else if ((caller.roles & wanted) == 0) {
        refuse_role(request);
    } else {
        set_scope(request, &caller, caller.roles & wanted);
    }
    return !request->is_refused;
}
