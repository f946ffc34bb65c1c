/* usage - POST /v1/usage: records come in, their fates go out, and what was booked is durable
 * before the answer. Posts that wait together are booked together (ingest_group.h). */
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/flow/ingest_group.h"
#include "ledgerd/http/route.h"
#include "ledgerd/http/workers.h"

struct usage_post { /* collects what ingest tells of the records */
    struct strbuf fates;
    struct strbuf conflict; /* detail of a conflict */
    bool has_conflict;
};

static void note_fate(void *context, const struct ingest_item *item)
{
    struct usage_post *post = context;
    struct strbuf *out = &post->fates;

    if (item->fate == INGEST_BOOKED || item->fate == INGEST_AMENDED) {
        return;
    }
    strbuf_printf(out, "%s{\"record\":%llu,\"source\":", out->length > 0 ? "," : "",
                  (unsigned long long)item->line);
    strbuf_add_json_string(out, item->source);
    strbuf_add_string(out, ",\"id\":");
    strbuf_add_json_string(out, item->id);
    strbuf_printf(out, ",\"fate\":\"%s\",\"reason\":", ingest_fate_text(item->fate));
    strbuf_add_json_string(out, item->reason[0] != '\0' ? item->reason : NULL);
    strbuf_add_string(out, ",\"detail\":");
    strbuf_add_json_string(out, item->detail[0] != '\0' ? item->detail : NULL);
    strbuf_add_char(out, '}');
    if (strcmp(item->reason, "conflict") == 0) {
        post->has_conflict = true;
        strbuf_clear(&post->conflict);
        strbuf_add_string(&post->conflict, item->detail);
    }
}

static void write_counts(struct strbuf *out, const struct ingest_counts *counts,
                         const struct strbuf *fates)
{
    char points[POINTS_TEXT_BYTES];

    strbuf_printf(
        out,
        "{\"read\":%llu,\"booked\":%llu,\"amended\":%llu,\"duplicate\":%llu,\"quarantined\":%llu,"
        "\"skipped\":%llu,\"points\":\"%s\",\"seconds\":%lld.%06lld,\"records\":[%s]}\n",
        (unsigned long long)counts->read, (unsigned long long)counts->booked,
        (unsigned long long)counts->amended, (unsigned long long)counts->duplicate,
        (unsigned long long)counts->quarantined, (unsigned long long)counts->skipped,
        points_format(counts->points, points), (long long)(counts->elapsed_us / 1000000),
        (long long)(counts->elapsed_us % 1000000), fates->data);
}

static void count_records(struct metrics *metrics, const struct ingest_counts *counts)
{
    atomic_fetch_add(&metrics->records_booked, counts->booked);
    atomic_fetch_add(&metrics->records_amended, counts->amended);
    atomic_fetch_add(&metrics->records_duplicate, counts->duplicate);
    atomic_fetch_add(&metrics->records_quarantined, counts->quarantined);
}

enum body_kind { BODY_DOCUMENT, BODY_LINES, BODY_UNKNOWN };

/* What the media type says that the body is; none at all is JSON. */
static enum body_kind body_kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum body_kind kind;
    } types[] = {{"application/json", BODY_DOCUMENT},
                 {"application/x-ndjson", BODY_LINES},
                 {"application/cloudevents+json", BODY_DOCUMENT},
                 {"application/cloudevents-batch+json", BODY_DOCUMENT}};

    if (type == NULL) {
        return BODY_DOCUMENT;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t length = strlen(types[i].type);
        if (strncasecmp(type, types[i].type, length) == 0 && strchr("; \t", type[length]) != NULL) {
            return types[i].kind;
        }
    }
    return BODY_UNKNOWN;
}

/* A document that cannot be read as a whole is refused as a whole: its sender is there to mend it,
 * so nothing of it is kept in quarantine. */
static bool check_body(const struct request *request, struct reply *reply)
{
    enum body_kind kind = body_kind_of(request_header(request, "Content-Type"));
    json_error_t where;
    char text[300];

    if (kind == BODY_UNKNOWN) {
        reply_problem(
            reply, 415, "unsupported_media_type",
            "send application/json, application/x-ndjson or application/cloudevents+json");
        return false;
    }
    if (kind == BODY_LINES) {
        return true;
    }
    json_t *document = json_loadb(request->body.data, request->body.length, JSON_REJECT_DUPLICATES,
                                  &where);
    if (document == NULL) {
        snprintf(text, sizeof(text), "the body is no JSON document: line %d: %s", where.line,
                 where.text);
        reply_problem(reply, 400, "bad_input", text);
        return false;
    }
    json_decref(document);
    return true;
}

static void answer_post(struct reply *reply, const struct usage_post *post,
                        const struct ingest_counts *counts)
{
    if (post->has_conflict && counts->read == 1) {
        reply_problem(reply, 409, "conflict", post->conflict.data);
        return;
    }
    reply_json(reply, 200);
    write_counts(&reply->body, counts, &post->fates);
}

/* Book what has come together; each of them has its own answer. */
static void book_posts(struct store *store, struct request **requests, struct ingest_body *bodies,
                       size_t count)
{
    struct service *service = requests[0]->service;
    struct engine_catalog *catalog = engine_catalog_borrow(service->engine);
    const struct ingest_options options = {
        .format = "ledger",
        .source = "",
        .conf = service->conf,
        .catalog = engine_catalog_of(catalog),
        .now = clock_now(),
        .item = note_fate,
        .expects_new = !atomic_load(&service->usage_repeats),
    };
    uint64_t repeats = 0;

    ingest_group(store, bodies, count, &options);
    for (size_t i = 0; i < count; i++) {
        if (bodies[i].err.code != ERROR_NONE) {
            reply_error(&requests[i]->reply, &bodies[i].err);
        } else {
            answer_post(&requests[i]->reply, bodies[i].context, &bodies[i].counts);
        }
        count_records(&service->metrics, &bodies[i].counts);
        repeats += bodies[i].counts.read - bodies[i].counts.booked;
    }
    atomic_store(&service->usage_repeats, repeats > 0);
    engine_wake(service->engine);
    engine_catalog_return(catalog);
}

void handle_usage_posts(struct request *first, struct reply *reply)
{
    struct request *booking[WORKERS_GROUP_MAX];
    struct ingest_body bodies[WORKERS_GROUP_MAX];
    struct usage_post posts[WORKERS_GROUP_MAX];
    size_t count = 0;

    (void)reply; /* the first request's: each has its own */
    for (struct request *request = first; request != NULL; request = request->next) {
        if (check_body(request, &request->reply)) {
            posts[count] = (struct usage_post){.fates = STRBUF_INIT, .conflict = STRBUF_INIT};
            bodies[count] = (struct ingest_body){.bytes = request->body.data,
                                                 .length = request->body.length,
                                                 .context = &posts[count]};
            booking[count++] = request;
        }
    }
    if (count > 0) {
        book_posts(first->store, booking, bodies, count);
    }
    for (size_t i = 0; i < count; i++) {
        strbuf_release(&posts[i].fates);
        strbuf_release(&posts[i].conflict);
    }
}
