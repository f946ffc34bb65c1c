/* Layouts of the CSV forms. Columns are named as in the JSON document; those of GPU hours are its
 * members of "gpu_hours". */
#include "reports/csv.h"
#include "reports/render.h"

#define SHARE_COLUMNS                                                                           \
    "supply", "granted", "lent", "spent", "held", "accrued", "fraction_of_spent",               \
        "fraction_of_offered", "gpu_hours.nominal", "gpu_hours.available", "gpu_hours.offered", \
        "gpu_hours.granted", "gpu_hours.used", "gpu_hours.service", "gpu_hours.utilisation"

#define PROJECT_COLUMNS                                                                   \
    "opening", "granted", "charged_total", "received", "refunded", "adjusted", "expired", \
        "closing", "accrued"

static const char *const month_columns[] = {"month",
                                            "share",
                                            "project",
                                            "user",
                                            "source",
                                            "class",
                                            "opening",
                                            "granted",
                                            "charged_total",
                                            "received",
                                            "refunded",
                                            "adjusted",
                                            "expired",
                                            "closing",
                                            "accrued",
                                            "points",
                                            "list_points",
                                            "meters",
                                            "supply",
                                            "lent",
                                            "spent",
                                            "held",
                                            "fraction",
                                            "fraction_of_spent",
                                            "fraction_of_offered",
                                            "gpu_hours.nominal",
                                            "gpu_hours.available",
                                            "gpu_hours.offered",
                                            "gpu_hours.granted",
                                            "gpu_hours.used",
                                            "gpu_hours.service",
                                            "gpu_hours.utilisation",
                                            NULL};

static const char *const share_cells[] = {"month", "share", "fraction", SHARE_COLUMNS, NULL};
static const char *const project_cells[] = {"month", "share", "project", PROJECT_COLUMNS, NULL};
static const char *const source_cells[] = {"month", "share", "project", "source", "points", NULL};
static const char *const user_cells[] = {"month", "share", "project", "user", "points", NULL};
static const char *const class_cells[] = {"month",  "share",       "project", "source", "class",
                                          "points", "list_points", "meters",  NULL};

static const struct csv_section month_sections[] = {
    {"share", "shares", NULL, share_cells},
    {"project", "projects", NULL, project_cells},
    {"charged", "projects", "charged", source_cells},
    {"user", "projects", "users", user_cells},
    {"class", "projects", "classes", class_cells},
    {"service", "services", NULL, project_cells},
    {"service_charged", "services", "charged", source_cells},
    {"service_user", "services", "users", user_cells},
    {"service_class", "services", "classes", class_cells},
    {NULL, NULL, NULL, NULL},
};

void month_csv(const json_t *document, struct strbuf *out)
{
    static const struct csv_layout layout = {month_columns, month_sections};
    csv_write(document, &layout, out);
}

static const char *const services_columns[] = {
    "month",       "project", "share",     "source",        "class",
    "kind",        "opening", "received",  "charged_total", "refunded",
    "adjusted",    "closing", "accrued",   "gpu_hours",     "idle_hours",
    "idle_share",  "cost",    "recovered", "recovery",      "points",
    "list_points", "count",   "price",     "break_even",    "break_even_per_million",
    NULL};
static const char *const service_cells[] = {"month",
                                            "project",
                                            "opening",
                                            "received",
                                            "charged_total",
                                            "refunded",
                                            "adjusted",
                                            "closing",
                                            "accrued",
                                            "gpu_hours",
                                            "idle_hours",
                                            "idle_share",
                                            "cost",
                                            "recovered",
                                            "recovery",
                                            "list_points",
                                            "break_even_per_million",
                                            NULL};
static const char *const served_cells[] = {"month",  "project",     "source", "class",
                                           "points", "list_points", NULL};
static const char *const token_cells[] = {"month", "project", "source",     "class", "kind",
                                          "count", "price",   "break_even", NULL};
static const char *const divided_cells[] = {"month",       "project",   "share", "points",
                                            "list_points", "gpu_hours", NULL};

static const struct csv_section services_sections[] = {
    {"service", "services", NULL, service_cells},
    {"served", "services", "served", served_cells},
    {"tokens", "services", "tokens", token_cells},
    {"share", "services", "shares", divided_cells},
    {NULL, NULL, NULL, NULL},
};

void services_csv(const json_t *document, struct strbuf *out)
{
    static const struct csv_layout layout = {services_columns, services_sections};
    csv_write(document, &layout, out);
}

static const char *const statement_columns[] = {
    "month",    "share",   "project", "user",          "source",   "class",
    "day",      "opening", "granted", "charged_total", "received", "refunded",
    "adjusted", "expired", "closing", "accrued",       "points",   "list_points",
    "records",  "meters",  "id",      "remaining",     "from",     "to",
    "state",    NULL};
static const char *const day_cells[] = {"month",  "share",       "project", "day", "source",
                                        "points", "list_points", "records", NULL};
static const char *const grant_cells[] = {"month",     "share", "project", "points", "id",
                                          "remaining", "from",  "to",      "state",  NULL};

static const struct csv_section statement_sections[] = {
    {"project", NULL, NULL, project_cells},
    {"charged", NULL, "charged", source_cells},
    {"user", NULL, "users", user_cells},
    {"class", NULL, "classes", class_cells},
    {"grant", NULL, "grants", grant_cells},
    {"day", NULL, "days", day_cells},
    {NULL, NULL, NULL, NULL},
};

void statement_csv(const json_t *document, struct strbuf *out)
{
    static const struct csv_layout layout = {statement_columns, statement_sections};
    csv_write(document, &layout, out);
}

static const char *const shares_columns[] = {"fiscal_year", "month",     "share",     "fraction",
                                             SHARE_COLUMNS, "remaining", "ungranted", NULL};
static const char *const year_cells[] = {"fiscal_year", "share",     "fraction", SHARE_COLUMNS,
                                         "remaining",   "ungranted", NULL};
static const char *const year_month_cells[] = {"fiscal_year",
                                               "month",
                                               "share",
                                               "fraction",
                                               "granted",
                                               "lent",
                                               "spent",
                                               "held",
                                               "accrued",
                                               "fraction_of_spent",
                                               "fraction_of_offered",
                                               "gpu_hours.nominal",
                                               "gpu_hours.available",
                                               "gpu_hours.offered",
                                               "gpu_hours.granted",
                                               "gpu_hours.used",
                                               "gpu_hours.service",
                                               "gpu_hours.utilisation",
                                               NULL};

static const struct csv_section shares_sections[] = {
    {"share", "shares", NULL, year_cells},
    {"share_month", "shares", "months", year_month_cells},
    {NULL, NULL, NULL, NULL},
};

void shares_csv(const json_t *document, struct strbuf *out)
{
    static const struct csv_layout layout = {shares_columns, shares_sections};
    csv_write(document, &layout, out);
}
