/* project_usage - GET /v1/projects/{p}/usage: a project's charges by day or month, user, class and
 * source. */
#include <inttypes.h>
#include <string.h>

#include "ledgerd/base/clock.h"
#include "ledgerd/http/portal.h"
#include "ledgerd/http/route.h"
#include "ledgerd/store/store_report.h"

struct usage_page {
    struct report_usage_query query;
    struct strbuf *out;
    size_t count;
};

/* The argument `by`: words separated by commas. Without it: by month. */
static int read_by(const char *text, struct report_usage_query *query, struct error *err)
{
    const struct {
        const char *word;
        bool *flag;
    } words[] = {{"day", &query->by_day},
                 {"month", &query->by_month},
                 {"user", &query->by_user},
                 {"class", &query->by_class},
                 {"source", &query->by_source}};
    const char *at = text == NULL ? "month" : text;

    while (*at != '\0') {
        size_t length = strcspn(at, ",");
        size_t i = 0;
        while (i < sizeof(words) / sizeof(words[0]) &&
               (strlen(words[i].word) != length || memcmp(words[i].word, at, length) != 0)) {
            i++;
        }
        if (i == sizeof(words) / sizeof(words[0])) {
            return error_set(err, ERROR_ARGUMENT,
                             "by: '%.*s' is none of day, month, user, class, source",
                             (int)(length < 40 ? length : 40), at);
        }
        *words[i].flag = true;
        at += length + (at[length] == ',');
    }
    return query->by_day && query->by_month
               ? error_set(err, ERROR_ARGUMENT, "by: day and month exclude each other")
               : 0;
}

static int write_line(void *context, const struct report_usage_line *row, struct error *err)
{
    struct usage_page *page = context;
    struct strbuf *out = page->out;
    char points[POINTS_TEXT_BYTES];
    char list_points[POINTS_TEXT_BYTES];

    (void)err;
    strbuf_printf(out, "%s{\"points\":\"%s\",\"list_points\":\"%s\",\"records\":%" PRId64,
                  page->count++ > 0 ? "," : "", points_format(row->points, points),
                  points_format(row->list_points, list_points), row->records);
    if (page->query.by_day || page->query.by_month) {
        strbuf_printf(out, ",\"%s\":\"%s\"", page->query.by_day ? "day" : "month", row->period);
    }
    if (page->query.by_user) {
        strbuf_add_string(out, ",\"user\":");
        strbuf_add_json_string(out, row->user);
    }
    if (page->query.by_source) {
        strbuf_add_string(out, ",\"source\":");
        strbuf_add_json_string(out, row->source);
    }
    if (page->query.by_class) {
        strbuf_add_string(out, ",\"class\":");
        strbuf_add_json_string(out, row->klass);
    }
    strbuf_add_char(out, '}');
    return 0;
}

static void begin_page(struct usage_page *page, const struct zone *zone)
{
    char from[INSTANT_TEXT_BYTES];
    char to[INSTANT_TEXT_BYTES];

    page->count = 0;
    strbuf_clear(page->out);
    strbuf_add_string(page->out, "{\"project\":");
    strbuf_add_json_string(page->out, page->query.project);
    strbuf_printf(page->out, ",\"from\":\"%s\",\"to\":\"%s\",\"usage\":[",
                  zone_format(zone, page->query.from, from), zone_format(zone, page->query.to, to));
}

struct usage_work {
    struct usage_page page;
    const struct zone *zone;
};

static int read_lines(struct store *store, void *context, struct error *err)
{
    struct usage_work *work = context;

    begin_page(&work->page, work->zone);
    return store_report_usage_lines(store, &work->page.query, write_line, &work->page, err);
}

static int read_usage(struct request *request, struct reply *reply, const struct catalog *catalog,
                      const struct catalog_project *project, struct error *err)
{
    const struct calendar *calendar = &catalog->calendar;
    struct usage_work work = {.zone = &catalog->zone};
    struct report_usage_query *query = &work.page.query;
    struct period period;

    if (read_by(request_argument(request, "by"), query, err) != 0 ||
        portal_period(request, calendar, clock_now(), &period, err) != 0) {
        return -1;
    }
    work.page.out = &reply->body;
    query->project = project->id;
    query->zone = catalog->zone.name;
    query->from = period.from;
    query->to = period.to;
    query->first = calendar_month_of(calendar, period.from);
    query->last = calendar_month_of(calendar, (struct instant){period.to.us - 1});
    reply_json(reply, 200);
    if (store_transact(request->store, STORE_UNLOCKED, read_lines, &work, err) != 0) {
        return -1;
    }
    strbuf_add_string(&reply->body, "]}\n");
    return 0;
}

void handle_project_usage(struct request *request, struct reply *reply)
{
    portal_answer(request, reply, read_usage);
}
