/* projects - GET /v1/projects, a project, its balance and its transfers. */
#include <inttypes.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/balance_document.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/engine_position.h"
#include "ledgerd/flow/project.h"
#include "ledgerd/http/portal.h"
#include "ledgerd/http/route.h"
#include "ledgerd/store/store_portal.h"

static void write_project(const struct catalog_project *project, struct strbuf *out)
{
    strbuf_add_string(out, "{\"project\":");
    strbuf_add_json_string(out, project->id);
    strbuf_add_string(out, ",\"name\":");
    strbuf_add_json_string(out, project->name);
    strbuf_add_string(out, ",\"share\":");
    strbuf_add_json_string(out, project->share);
    strbuf_printf(out, ",\"kind\":\"%s\",\"state\":\"%s\"",
                  project->is_service ? "service" : "project",
                  project->is_closed ? "closed" : "open");
}

/* The first project at or behind `i` that lies behind the cursor and in the scope. */
static size_t next_project(const struct catalog *catalog, const struct role_scope *scope,
                           const char *cursor, size_t i)
{
    for (; i < catalog->project_count; i++) {
        const char *id = catalog->projects[i].id;
        if ((cursor == NULL || strcmp(id, cursor) > 0) && role_scope_has(scope, id)) {
            break;
        }
    }
    return i;
}

/* A page of the catalog's projects, which are sorted by id: the cursor is the last id of the page
 * before. */
void handle_projects(struct request *request, struct reply *reply)
{
    struct engine_catalog *borrowed = engine_catalog_borrow(request->service->engine);
    const struct catalog *catalog = engine_catalog_of(borrowed);
    const char *cursor = request_argument(request, "cursor");
    struct strbuf *out = &reply->body;
    struct error err = {0};
    const char *last = NULL;
    int limit = 0;
    int count = 0;

    if (portal_limit(request, &limit, &err) != 0) {
        reply_error(reply, &err);
        engine_catalog_return(borrowed);
        return;
    }
    reply_json(reply, 200);
    strbuf_add_string(out, "{\"projects\":[");
    size_t i = next_project(catalog, request->scope, cursor, 0);
    for (; i < catalog->project_count && count < limit;
         i = next_project(catalog, request->scope, cursor, i + 1)) {
        const struct catalog_project *project = &catalog->projects[i];
        strbuf_add_string(out, count++ > 0 ? "," : "");
        write_project(project, out);
        strbuf_add_char(out, '}');
        last = project->id;
    }
    strbuf_add_string(out, "],\"next\":");
    strbuf_add_json_string(out, i < catalog->project_count ? last : NULL);
    strbuf_add_string(out, "}\n");
    engine_catalog_return(borrowed);
}

/* What is held at this moment, from memory. */
static void write_held(struct engine *engine, const char *id, struct strbuf *out)
{
    struct engine_reading reading;
    struct points held = POINTS_ZERO;
    char text[POINTS_TEXT_BYTES];

    engine_enter(engine, &reading);
    const struct catalog_project *project = catalog_project(reading.view->catalog, id);
    if (project != NULL) {
        held = engine_position(reading.view, project, clock_now()).held;
    }
    engine_leave(engine, &reading);
    strbuf_printf(out, ",\"held\":\"%s\"", points_format(held, text));
}

static int read_project(struct request *request, struct reply *reply, const struct catalog *catalog,
                        const struct catalog_project *project, struct error *err)
{
    struct project_details details = {0};
    struct strbuf *out = &reply->body;

    (void)catalog;
    if (project_show(request->store, project->id, &details, err) != 0) {
        return -1;
    }
    reply_json(reply, 200);
    write_project(project, out);
    write_held(request->service->engine, project->id, out);
    strbuf_add_string(out, ",\"aliases\":[");
    for (size_t i = 0; i < details.aliases.count; i++) {
        strbuf_add_string(out, i > 0 ? ",{\"source\":" : "{\"source\":");
        strbuf_add_json_string(out, details.aliases.pairs[i].first);
        strbuf_add_string(out, ",\"name\":");
        strbuf_add_json_string(out, details.aliases.pairs[i].second);
        strbuf_add_char(out, '}');
    }
    strbuf_add_string(out, "],\"members\":[");
    for (size_t i = 0; i < details.members.count; i++) {
        strbuf_add_string(out, i > 0 ? ",{\"user\":" : "{\"user\":");
        strbuf_add_json_string(out, details.members.pairs[i].first);
        strbuf_printf(out, ",\"role\":\"%s\"}", details.members.pairs[i].second);
    }
    strbuf_add_string(out, "]}\n");
    project_details_release(&details);
    return 0;
}

void handle_project(struct request *request, struct reply *reply)
{
    portal_answer(request, reply, read_project);
}

static int read_balance(struct request *request, struct reply *reply, const struct catalog *catalog,
                        const struct catalog_project *project, struct error *err)
{
    struct balance_sheet sheet;

    if (balance_read(request->store, project->id, clock_now(), &sheet, err) != 0) {
        return -1;
    }
    reply_json(reply, 200);
    json_t *document = balance_document(&sheet, &catalog->zone);
    int result = document_write(document, &reply->body, err);
    json_decref(document);
    balance_sheet_release(&sheet);
    return result;
}

void handle_project_balance(struct request *request, struct reply *reply)
{
    portal_answer(request, reply, read_balance);
}

struct transfer_page {
    struct portal_transfer_query query;
    const struct catalog *catalog;
    const struct role_scope *scope;
    struct strbuf *out;
    int count;
    int64_t last;
};

/* An account's name; of another project that the caller may not see, that it is one. */
static void write_account(const struct transfer_page *page, const char *name)
{
    static const char prefix[] = "project/";
    bool is_hidden = strncmp(name, prefix, sizeof(prefix) - 1) == 0 &&
                     !role_scope_has(page->scope, name + sizeof(prefix) - 1);

    strbuf_add_json_string(page->out, is_hidden ? "project" : name);
}

static int write_transfer(void *context, const struct portal_transfer *row, struct error *err)
{
    struct transfer_page *page = context;
    struct strbuf *out = page->out;
    char month[2][MONTH_TEXT_BYTES];
    char points[POINTS_TEXT_BYTES];
    char booked_at[INSTANT_TEXT_BYTES];

    (void)err;
    if (page->count++ == page->query.limit - 1) {
        return 0; /* one more than the page: there is a next one */
    }
    strbuf_printf(out,
                  "%s{\"transfer\":%" PRId64 ",\"entry\":%" PRId64
                  ",\"month\":\"%s\",\"belongs_to\":\"%s\",\"kind\":\"%s\"",
                  page->count > 1 ? "," : "", row->transfer_id, row->entry_id,
                  month_format(row->month, month[0]), month_format(row->belongs_to, month[1]),
                  row->kind);
    strbuf_add_string(out, ",\"debit\":");
    write_account(page, row->debit_account);
    strbuf_add_string(out, ",\"credit\":");
    write_account(page, row->credit_account);
    strbuf_printf(out, ",\"points\":\"%s\",\"source\":", points_format(row->points, points));
    strbuf_add_json_string(out, row->source[0] != '\0' ? row->source : NULL);
    strbuf_printf(out, ",\"charges\":%" PRId64 ",\"grant\":", row->charges);
    if (row->grant_id != 0) {
        strbuf_printf(out, "%" PRId64, row->grant_id);
    } else {
        strbuf_add_string(out, "null");
    }
    strbuf_printf(out, ",\"booked_at\":\"%s\"}",
                  zone_format(&page->catalog->zone, row->booked_at, booked_at));
    page->last = row->transfer_id;
    return 0;
}

static int read_transfer_page(struct store *store, void *context, struct error *err)
{
    struct transfer_page *page = context;

    page->count = 0;
    strbuf_clear(page->out);
    strbuf_add_string(page->out, "{\"transfers\":[");
    return store_read_transfers(store, &page->query, write_transfer, page, err);
}

/* Months that [from, to) touches, the page's size plus one, and the cursor. */
static int read_transfer_query(const struct request *request, const struct calendar *calendar,
                               const struct catalog_project *project,
                               struct portal_transfer_query *query, struct error *err)
{
    const char *cursor = request_argument(request, "cursor");
    struct period period;
    uint64_t after = 0;

    if (portal_period(request, calendar, clock_now(), &period, err) != 0 ||
        portal_limit(request, &query->limit, err) != 0) {
        return -1;
    }
    if (cursor != NULL && parse_u64(cursor, strlen(cursor), INT64_MAX, &after) != 0) {
        return error_set(err, ERROR_ARGUMENT, "cursor: not one that an earlier page gave");
    }
    query->limit++;
    query->after = (int64_t)after;
    query->account = project->account;
    query->first = calendar_month_of(calendar, period.from);
    query->last = calendar_month_of(calendar, (struct instant){period.to.us - 1});
    return 0;
}

static int read_transfers(struct request *request, struct reply *reply,
                          const struct catalog *catalog, const struct catalog_project *project,
                          struct error *err)
{
    struct transfer_page page = {.catalog = catalog, .scope = request->scope, .out = &reply->body};

    if (read_transfer_query(request, &catalog->calendar, project, &page.query, err) != 0) {
        return -1;
    }
    reply_json(reply, 200);
    if (store_transact(request->store, STORE_UNLOCKED, read_transfer_page, &page, err) != 0) {
        return -1;
    }
    if (page.count == page.query.limit) {
        strbuf_printf(page.out, "],\"next\":\"%" PRId64 "\"}\n", page.last);
    } else {
        strbuf_add_string(page.out, "],\"next\":null}\n");
    }
    return 0;
}

void handle_project_transfers(struct request *request, struct reply *reply)
{
    portal_answer(request, reply, read_transfers);
}
