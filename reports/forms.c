/* The text forms of the reports: for people, top down from the whole to the single user. */
#include <string.h>

#include "reports/render.h"
#include "reports/text.h"

static const struct text_column point_columns[] = {
    {"share", "share", false},
    {"fraction", "promised", true},
    {"fraction_of_spent", "of spent", true},
    {"spent", "spent", true},
    {"accrued", "accrued", true},
    {"granted", "granted", true},
    {"fiscal_year_to_date.spent", "spent in the year", true},
    {"fiscal_year_to_date.granted", "granted in the year", true},
    {"supply", "supply of the year", true},
    {0},
};

static const struct text_column hour_columns[] = {
    {"share", "share", false},
    {"gpu_hours.nominal", "nominal (all)", true},
    {"gpu_hours.offered", "offered", true},
    {"fraction_of_offered", "of offered", true},
    {"gpu_hours.granted", "granted", true},
    {"gpu_hours.used", "used by jobs", true},
    {"gpu_hours.service", "by services", true},
    {"gpu_hours.utilisation", "used/offered", true},
    {0},
};

static const struct text_column year_columns[] = {
    {"share", "share", false},
    {"fraction", "promised", true},
    {"fiscal_year_to_date.fraction_of_spent", "of spent", true},
    {"fiscal_year_to_date.gpu_hours.offered", "GPU hours offered", true},
    {"fiscal_year_to_date.gpu_hours.granted", "granted", true},
    {"fiscal_year_to_date.gpu_hours.used", "used by jobs", true},
    {"fiscal_year_to_date.gpu_hours.service", "by services", true},
    {"fiscal_year_to_date.gpu_hours.utilisation", "used/offered", true},
    {0},
};

static const struct text_column project_columns[] = {
    {"project", "project", false},
    {"share", "share", false},
    {"opening", "opening", true},
    {"granted", "+ granted", true},
    {"charged_total", "- charged", true},
    {"refunded", "+ refunded", true},
    {"adjusted", "+ adjusted", true},
    {"expired", "- expired", true},
    {"closing", "= closing", true},
    {"accrued", "accrued", true},
    {0},
};

static const struct text_column service_columns[] = {
    {"project", "service", false},
    {"opening", "opening", true},
    {"received", "+ received", true},
    {"charged_total", "- charged", true},
    {"refunded", "+ refunded", true},
    {"adjusted", "+ adjusted", true},
    {"closing", "= closing", true},
    {"gpu_hours", "GPU hours", true},
    {"recovery", "recovery", true},
    {"idle_share", "idle", true},
    {0},
};

static const struct text_column recovery_columns[] = {
    {"project", "service", false},
    {"gpu_hours", "GPU hours", true},
    {"idle_hours", "idle", true},
    {"idle_share", "idle share", true},
    {"cost", "cost", true},
    {"list_points", "list points served", true},
    {"recovered", "recovered", true},
    {"recovery", "recovery", true},
    {"break_even_per_million", "break-even per million", true},
    {0},
};

static const struct text_column user_columns[] = {
    {"user", "user", false}, {"points", "points", true}, {0}};

static const struct text_column class_columns[] = {
    {"source", "source", false},          {"class", "class", false},   {"points", "points", true},
    {"list_points", "list points", true}, {"meters", "meters", false}, {0}};

static void shares_write(const json_t *document, struct strbuf *out)
{
    json_t *shares = text_percentages(json_object_get(document, "shares"));
    if (json_array_size(shares) > 0) {
        text_title("Shares: points", out);
        text_table_write(shares, point_columns, 0, out);
        text_title("Shares: GPU hours of the month", out);
        text_table_write(shares, hour_columns, 0, out);
        text_title("Shares: fiscal year to date", out);
        text_table_write(shares, year_columns, 0, out);
    }
    json_decref(shares);
}

/* Who used what, for each project that used anything. */
static void usage_write(const json_t *projects, struct strbuf *out)
{
    size_t i;
    const json_t *project;
    json_array_foreach(projects, i, project)
    {
        if (json_array_size(json_object_get(project, "classes")) == 0) {
            continue;
        }
        strbuf_printf(out, "\n%s %s\n", text_of(project, "project"), text_of(project, "name"));
        text_table_write(json_object_get(project, "classes"), class_columns, 2, out);
        text_table_write(json_object_get(project, "users"), user_columns, 2, out);
    }
}

void month_text(const json_t *document, struct strbuf *out)
{
    const json_t *projects = json_object_get(document, "projects");
    const json_t *services = json_object_get(document, "services");
    strbuf_printf(out, "Usage points of %s\n", text_of(document, "month"));
    strbuf_printf(out, "policy %s, times of %s, month %s\n", text_of(document, "policy"),
                  text_of(document, "timezone"), text_of(document, "state"));
    shares_write(document, out);
    text_title("Projects", out);
    text_totals_write(projects, project_columns, out);
    if (json_array_size(services) > 0) {
        json_t *rows = text_percentages(services);
        text_title("Services", out);
        text_totals_write(rows, service_columns, out);
        json_decref(rows);
    }
    text_title("Usage", out);
    usage_write(projects, out);
    usage_write(services, out);
    text_completeness_write(document, out);
    strbuf_printf(out, "\ndigest %s\n", text_of(document, "digest"));
}

void statement_text(const json_t *document, struct strbuf *out)
{
    static const struct text_column account[] = {{"opening", "opening", true},
                                                 {"granted", "+ granted", true},
                                                 {"charged_total", "- charged", true},
                                                 {"refunded", "+ refunded", true},
                                                 {"adjusted", "+ adjusted", true},
                                                 {"expired", "- expired", true},
                                                 {"closing", "= closing", true},
                                                 {"accrued", "accrued since", true},
                                                 {0}};
    static const struct text_column grants[] = {{"id", "grant", true},
                                                {"points", "points", true},
                                                {"remaining", "remaining now", true},
                                                {"from", "from", false},
                                                {"to", "to", false},
                                                {"state", "state", false},
                                                {0}};
    static const struct text_column days[] = {{"day", "day", false},
                                              {"source", "source", false},
                                              {"records", "records", true},
                                              {"points", "points", true},
                                              {0}};
    strbuf_printf(out, "Statement of %s for %s\n", text_of(document, "project"),
                  text_of(document, "month"));
    strbuf_printf(out, "%s%sshare %s, times of %s, month %s\n", text_of(document, "name"),
                  text_of(document, "name")[0] != '\0' ? ", " : "", text_of(document, "share"),
                  text_of(document, "timezone"), text_of(document, "state"));
    text_title("Points", out);
    text_fields_write(document, account, out);
    text_title("Grants", out);
    text_list_write(json_object_get(document, "grants"), grants, "none", out);
    text_title("By class", out);
    text_list_write(json_object_get(document, "classes"), class_columns, "nothing was used", out);
    text_title("By user", out);
    text_list_write(json_object_get(document, "users"), user_columns, "nobody used anything", out);
    text_title("By day", out);
    text_list_write(json_object_get(document, "days"), days, "nothing was used", out);
    text_completeness_write(document, out);
    strbuf_printf(out, "\ndigest %s\n", text_of(document, "digest"));
}

void shares_text(const json_t *document, struct strbuf *out)
{
    static const struct text_column year[] = {{"share", "share", false},
                                              {"fraction", "promised", true},
                                              {"fraction_of_spent", "of spent", true},
                                              {"supply", "supply", true},
                                              {"granted", "granted", true},
                                              {"ungranted", "not granted", true},
                                              {"spent", "spent", true},
                                              {"accrued", "accrued", true},
                                              {"remaining", "remaining", true},
                                              {0}};
    static const struct text_column hours[] = {{"share", "share", false},
                                               {"gpu_hours.offered", "offered", true},
                                               {"fraction_of_offered", "of offered", true},
                                               {"gpu_hours.granted", "granted", true},
                                               {"gpu_hours.used", "used by jobs", true},
                                               {"gpu_hours.service", "by services", true},
                                               {"gpu_hours.utilisation", "used/offered", true},
                                               {0}};
    static const struct text_column months[] = {{"month", "month", false},
                                                {"granted", "granted", true},
                                                {"spent", "spent", true},
                                                {"fraction_of_spent", "of spent", true},
                                                {"gpu_hours.offered", "GPU hours offered", true},
                                                {"gpu_hours.used", "used by jobs", true},
                                                {"gpu_hours.service", "by services", true},
                                                {"gpu_hours.utilisation", "used/offered", true},
                                                {0}};
    json_t *shares = text_percentages(json_object_get(document, "shares"));
    size_t i;
    const json_t *share;
    strbuf_printf(out, "Shares of fiscal year %lld\n",
                  (long long)json_integer_value(json_object_get(document, "fiscal_year")));
    strbuf_printf(out, "policy %s, times of %s, as of %s\n", text_of(document, "policy"),
                  text_of(document, "timezone"), text_of(document, "as_of"));
    text_title("Points", out);
    text_table_write(shares, year, 0, out);
    text_title("GPU hours", out);
    text_table_write(shares, hours, 0, out);
    json_array_foreach(shares, i, share)
    {
        text_title(text_of(share, "share"), out);
        text_table_write(json_object_get(share, "months"), months, 0, out);
    }
    json_decref(shares);
}

/* One service: what it served, at which prices it would break even, and for whom its hours were. */
static void service_write(const json_t *service, struct strbuf *out)
{
    static const struct text_column served[] = {{"source", "source", false},
                                                {"class", "model", false},
                                                {"list_points", "list points", true},
                                                {"points", "points", true},
                                                {0}};
    static const struct text_column tokens[] = {{"source", "source", false},
                                                {"class", "model", false},
                                                {"kind", "kind", false},
                                                {"count", "count", true},
                                                {"price", "price per million", true},
                                                {"break_even", "break-even", true},
                                                {0}};
    static const struct text_column shares[] = {{"share", "share", false},
                                                {"list_points", "list points", true},
                                                {"points", "points paid", true},
                                                {"gpu_hours", "GPU hours", true},
                                                {0}};
    text_title(text_of(service, "project"), out);
    if (json_object_get(service, "served") == NULL) {
        strbuf_add_string(out, "not told: the month was closed by an earlier version\n");
        return;
    }
    text_list_write(json_object_get(service, "served"), served, "nothing was served", out);
    if (json_array_size(json_object_get(service, "tokens")) > 0) {
        strbuf_add_char(out, '\n');
        text_table_write(json_object_get(service, "tokens"), tokens, 0, out);
    }
    strbuf_add_char(out, '\n');
    text_totals_write(json_object_get(service, "shares"), shares, out);
}

void services_text(const json_t *document, struct strbuf *out)
{
    json_t *services = text_percentages(json_object_get(document, "services"));
    size_t i;
    const json_t *service;
    strbuf_printf(out, "Inference services in %s\n", text_of(document, "month"));
    strbuf_printf(out, "policy %s, times of %s, month %s\n", text_of(document, "policy"),
                  text_of(document, "timezone"), text_of(document, "state"));
    text_title("Recovery", out);
    text_list_write(services, recovery_columns, "there are no services", out);
    json_array_foreach(services, i, service)
    {
        service_write(service, out);
    }
    json_decref(services);
    text_completeness_write(document, out);
    strbuf_printf(out, "\ndigest of the month %s\n", text_of(document, "digest"));
}
