/* ledger-report - the month for the funding programme, the statement for a project, the shares, the
 * inference services. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledgerd/flow/command_line.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/expire.h"
#include "ledgerd/flow/report.h"
#include "ledgerd/flow/session.h"
#include "reports/output.h"
#include "reports/render.h"

struct report_kind {
    struct command_spec spec;
    json_t *(*gather)(struct store *store, const struct command_line *line, struct instant now,
                      struct error *err);
    render_fn *text;
    render_fn *csv;
};

static json_t *monthly_gather(struct store *store, const struct command_line *line,
                              struct instant now, struct error *err)
{
    const char *share = command_line_text(line, "share", NULL);
    const char *project = command_line_text(line, "project", NULL);
    json_t *document = report_month(store, line->arguments[0].as.month, now, err);
    if (document != NULL && (share != NULL || project != NULL) &&
        report_month_excerpt(document, share, project, err) < 0) {
        json_decref(document);
        return NULL;
    }
    return document;
}

static json_t *statement_gather(struct store *store, const struct command_line *line,
                                struct instant now, struct error *err)
{
    return report_statement(store, line->arguments[0].text, line->arguments[1].as.month, now, err);
}

static json_t *shares_gather(struct store *store, const struct command_line *line,
                             struct instant now, struct error *err)
{
    return report_shares(store, (int)line->arguments[0].as.number, now, err);
}

static json_t *services_gather(struct store *store, const struct command_line *line,
                               struct instant now, struct error *err)
{
    json_t *document = report_month(store, line->arguments[0].as.month, now, err);
    if (document != NULL && report_month_services(document, err) < 0) {
        json_decref(document);
        return NULL;
    }
    return document;
}

static const struct option_spec monthly_options[] = {
    {"share", 0, "S", WORD_TEXT, "this share and its projects alone", false},
    {"project", 0, "P", WORD_TEXT, "this project alone", false},
    {0},
};

static const struct option_spec common_options[] = {
    {"format", 0, "F", WORD_TEXT, "text (default), csv or json", false},
    {"lang", 0, "L", WORD_TEXT, "language of text: en", false},
    {"output", 'o', "FILE", WORD_TEXT, "write to FILE, which is replaced as a whole or not at all",
     false},
    {"config", 'c', "FILE", WORD_TEXT, "configuration instead of /etc/ledger/ledgerd.conf", false},
    {"now", 0, "T", WORD_INSTANT, "pretend that it is T (in a sandbox only)", false},
    {"help", 'h', NULL, WORD_FLAG, "show this help", false},
    {0},
};

static const struct report_kind kinds[] = {
    {{"monthly",
      NULL,
      {{"YYYY-MM", WORD_MONTH, false, false}},
      monthly_options,
      "the month: shares against the promise, every project, its users and classes"},
     monthly_gather,
     month_text,
     month_csv},
    {{"statement",
      NULL,
      {{"PROJECT", WORD_TEXT, false, false}, {"YYYY-MM", WORD_MONTH, false, false}},
      NULL,
      "a project's month: its account, grants, classes, users and days"},
     statement_gather,
     statement_text,
     statement_csv},
    {{"shares",
      NULL,
      {{"FY", WORD_YEAR, false, false}},
      NULL,
      "supply, granted and used of each share in a fiscal year, month by month"},
     shares_gather,
     shares_text,
     shares_csv},
    {{"services",
      NULL,
      {{"YYYY-MM", WORD_MONTH, false, false}},
      NULL,
      "inference services: recovery, idle hours, break-even prices, GPU hours by share"},
     services_gather,
     services_text,
     services_csv},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void help_write(struct strbuf *out)
{
    strbuf_add_string(out, "usage: ledger-report REPORT [arguments] [options]\n\n");
    for (size_t i = 0; i < KINDS; i++) {
        strbuf_add_string(out, "  ");
        command_synopsis(&kinds[i].spec, out);
        strbuf_printf(out, "\n      %s\n", kinds[i].spec.summary);
    }
    strbuf_add_string(out, "\nEvery report takes --format text|csv|json, -o FILE, -c FILE and "
                           "--now T; LEDGER_DB names the database.\n");
}

static const struct report_kind *kind_find(const char *word, struct error *err)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].spec.noun, word) == 0) {
            return &kinds[i];
        }
    }
    error_set(err, ERROR_ARGUMENT, "'%.60s' is no report: ledger-report --help lists them", word);
    return NULL;
}

/* What cannot be rendered is said before the database is asked. */
static int options_check(const struct command_line *line, struct error *err)
{
    const char *format = command_line_text(line, "format", "text");
    const char *language = command_line_text(line, "lang", "en");
    if (strcmp(format, "html") == 0 || strcmp(format, "pdf") == 0) {
        return error_set(err, ERROR_ARGUMENT, "--format %s: not yet: it is text, csv or json",
                         format);
    }
    if (strcmp(format, "text") != 0 && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0) {
        return error_set(err, ERROR_ARGUMENT, "--format: '%s' is not text, csv or json", format);
    }
    if (strcmp(language, "en") != 0) {
        return error_set(err, ERROR_ARGUMENT, "--lang %s: not yet: it is en", language);
    }
    if (line->spec->options == monthly_options && command_line_has(line, "share") &&
        command_line_has(line, "project")) {
        return error_set(err, ERROR_ARGUMENT, "--share and --project exclude each other");
    }
    return 0;
}

static json_t *document_gather(const struct report_kind *kind, const struct command_line *line,
                               struct error *err)
{
    struct session_options options = {
        .conf_path = command_line_text(line, "config", NULL),
        .pretended = command_line_instant(line, "now", INSTANT_NONE),
        .role = STORE_REPORT,
    };
    struct session session = {0};
    if (session_open(&options, &session, err) < 0) {
        return NULL;
    }
    expire_for_reader(session.store, session.conf.database_url, session.now);
    json_t *document = kind->gather(session.store, line, session.now, err);
    session_close(&session);
    return document;
}

static int document_render(const struct report_kind *kind, const struct command_line *line,
                           const json_t *document, struct strbuf *out, struct error *err)
{
    const char *format = command_line_text(line, "format", "text");
    if (strcmp(format, "json") == 0) {
        return document_write(document, out, err);
    }
    render_fn *render = strcmp(format, "csv") == 0 ? kind->csv : kind->text;
    render(document, out);
    return out->failed ? error_set(err, ERROR_INTERNAL, "out of memory for the report") : 0;
}

static int report_run(const struct report_kind *kind, int count, char *const *words,
                      struct error *err)
{
    struct command_line line = {0};
    struct strbuf out = STRBUF_INIT;
    json_t *document = NULL;
    int result = command_line_parse(&kind->spec, common_options, count, words, &line, err);
    if (result == 0 && line.wants_help) {
        command_help("ledger-report", &kind->spec, common_options, &out);
        result = output_write(NULL, &out, err);
    } else if (result == 0) {
        result = options_check(&line, err);
        document = result == 0 ? document_gather(kind, &line, err) : NULL;
        result = document == NULL || document_render(kind, &line, document, &out, err) < 0
                     ? -1
                     : output_write(command_line_text(&line, "output", NULL), &out, err);
    }
    json_decref(document);
    strbuf_release(&out);
    return result;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    const struct report_kind *kind = NULL;
    struct strbuf out = STRBUF_INIT;

    if (argc < 2) {
        error_set(&err, ERROR_ARGUMENT, "a report is missing: ledger-report --help lists them");
    } else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_write(&out);
        output_write(NULL, &out, &err);
    } else if (strcmp(argv[1], "--version") == 0) {
        strbuf_add_string(&out, "ledger-report " LEDGER_VERSION "\n");
        output_write(NULL, &out, &err);
    } else if ((kind = kind_find(argv[1], &err)) != NULL) {
        report_run(kind, argc - 2, argv + 2, &err);
    }
    strbuf_release(&out);
    if (err.code != ERROR_NONE) {
        fprintf(stderr, "ledger-report: %s%s%s\n", kind != NULL ? kind->spec.noun : "",
                kind != NULL ? ": " : "", err.text);
    }
    return error_exit_status(&err);
}
