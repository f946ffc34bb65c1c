/* introspect - POST /v1/tokens/introspect: whose token is this? For a gateway, whose users show it
 * theirs. */
#include <jansson.h>
#include <string.h>

#include "ledgerd/core/role.h"
#include "ledgerd/flow/access_token.h"
#include "ledgerd/flow/catalog_access.h"
#include "ledgerd/http/hold_input.h"
#include "ledgerd/http/route.h"

/* Of every role but gateway-user nothing is told: a gateway must not take such a token for its
 * user's. */
static void write_answer(const struct catalog_token *token, struct strbuf *out)
{
    if (token == NULL || token->roles != ROLE_GATEWAY_USER) {
        strbuf_add_string(out, "{\"active\":false}\n");
        return;
    }
    strbuf_add_string(out, "{\"active\":true,\"project\":");
    strbuf_add_json_string(out, token->row->project);
    strbuf_add_string(out, ",\"user\":");
    strbuf_add_json_string(out, token->row->user);
    strbuf_printf(out, ",\"role\":\"%s\",\"name\":", role_text(ROLE_GATEWAY_USER));
    strbuf_add_json_string(out, token->row->name);
    strbuf_add_string(out, "}\n");
}

static void answer(struct engine *engine, const char *text, struct reply *reply)
{
    unsigned char sha256[ACCESS_SHA256_BYTES];
    bool is_token = access_token_hash(text, strlen(text), sha256);
    struct engine_reading reading;

    reply_json(reply, 200);
    engine_enter(engine, &reading);
    write_answer(is_token ? catalog_access_find(reading.view->catalog, sha256) : NULL,
                 &reply->body);
    engine_leave(engine, &reading);
}

void handle_introspect(struct request *request, struct reply *reply)
{
    struct error err = {0};
    json_t *body = hold_input_body(request, false, &err);
    const char *text = json_string_value(json_object_get(body, "token"));

    if (body == NULL) {
        reply_error(reply, &err);
    } else if (text == NULL) {
        reply_problem(reply, 400, "bad_argument", "token: must be a string");
    } else {
        answer(request->service->engine, text, reply);
    }
    json_decref(body);
}
