/* token_http_pull - see token_http_pull.h. */
#include "importers/token_http_pull.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "importers/json_scan.h"
#include "importers/slurm_rest_http_pull.h"
#include "ledgerd/base/clock.h"
#include "ledgerd/store/store_token.h"

enum {
    LIMIT_RECORDS = 1000,
    ANSWER_BYTES = 64 * 1024 * 1024,
    ROUND_ANSWERS_MAX = 10000, /* then the next round goes on */
    WHOLE_TIMES = 10,          /* of `timeout`, for one answer */
};

struct token_http {
    const struct conf_source *source;
    const struct tokens_feed *feed;
    struct scan_doc doc;
};

/* One answer, cut into its records and what stands beside them. */
struct answer {
    struct strbuf body;
    size_t records_from, records_to; /* the list's bytes, or the lines' */
    bool by_line;
    char cursor[STORE_CURSOR_BYTES + 1];
    bool has_more;
};

struct token_http *token_http_open(const struct conf_source *source, const struct tokens_feed *feed,
                                   struct error *err)
{
    struct token_http *http;

    if (source->url[0] == '\0') {
        error_set(err, ERROR_ARGUMENT, "[tokens %s]: mode http wants an url", source->name);
        return NULL;
    }
    if (strcmp(source->format, "csv") == 0) {
        error_set(err, ERROR_ARGUMENT, "[tokens %s]: mode http wants records in JSON, not csv",
                  source->name);
        return NULL;
    }
    http = calloc(1, sizeof *http);
    if (http == NULL) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    http->source = source;
    http->feed = feed;
    scan_init(&http->doc);
    return http;
}

void token_http_close(struct token_http *http)
{
    if (http != NULL) {
        scan_release(&http->doc);
        free(http);
    }
}

/* --- an answer ---------------------------------------------------------------------------------
 */

static int bad_answer(const struct token_http *http, const char *what, struct error *err)
{
    return error_set(err, ERROR_UNAVAILABLE, "the answer of %.200s %s", http->source->url, what);
}

/* The cursor, and whether there is more, of the object that was scanned last. */
static int take_cursor(struct token_http *http, struct answer *answer, struct error *err)
{
    uint32_t cursor = scan_given(&http->doc, 0, "cursor");
    uint32_t more = scan_given(&http->doc, 0, "more");
    struct scan_text text;

    if (cursor == SCAN_NONE || scan_type(&http->doc, cursor) != SCAN_STRING) {
        return bad_answer(http, "has no cursor, or was cut off", err);
    }
    text = scan_text(&http->doc, cursor);
    if (text.length > STORE_CURSOR_BYTES || memchr(text.bytes, '\0', text.length) != NULL) {
        return bad_answer(http, "has a cursor that cannot be kept", err);
    }
    if (more != SCAN_NONE && scan_type(&http->doc, more) != SCAN_TRUE &&
        scan_type(&http->doc, more) != SCAN_FALSE) {
        return bad_answer(http, "does not say whether there is more", err);
    }
    memcpy(answer->cursor, text.bytes, text.length);
    answer->cursor[text.length] = '\0';
    answer->has_more = more != SCAN_NONE && scan_type(&http->doc, more) == SCAN_TRUE;
    return 0;
}

/* {"records":[…],…}: true if the whole body is that. */
static bool is_document(struct token_http *http, struct answer *answer)
{
    uint32_t list;

    if (scan_json_whole(&http->doc, answer->body.data, answer->body.length) != SCAN_OK) {
        return false;
    }
    list = scan_given(&http->doc, 0, "records");
    if (list == SCAN_NONE || scan_type(&http->doc, list) != SCAN_ARRAY) {
        return false;
    }
    answer->records_from = http->doc.tokens[list].start;
    answer->records_to = answer->records_from + http->doc.tokens[list].length;
    return true;
}

/* A record a line, and the cursor in the last one. */
static int cut_lines(struct token_http *http, struct answer *answer, struct error *err)
{
    const char *data = answer->body.data, *newline;
    size_t length = answer->body.length, line;

    while (length > 0 && strchr(" \t\r\n", data[length - 1]) != NULL) {
        length--;
    }
    newline = length > 0 ? memrchr(data, '\n', length) : NULL;
    line = newline != NULL ? (size_t)(newline - data) + 1 : 0;
    if (scan_json_whole(&http->doc, data + line, length - line) != SCAN_OK) {
        return bad_answer(http, "has no cursor, or was cut off", err);
    }
    answer->records_from = 0;
    answer->records_to = line;
    answer->by_line = true;
    return take_cursor(http, answer, err);
}

static int cut_answer(struct token_http *http, struct answer *answer, struct error *err)
{
    return is_document(http, answer) ? take_cursor(http, answer, err)
                                     : cut_lines(http, answer, err);
}

/* An input_read_fn on an answer. */
static ssize_t read_records(void *context, void *buffer, size_t size, struct error *err)
{
    struct answer *answer = context;
    size_t left = answer->records_to - answer->records_from;

    (void)err;
    size = left < size ? left : size;
    memcpy(buffer, answer->body.data + answer->records_from, size);
    answer->records_from += size;
    return (ssize_t)size;
}

/* --- asking ------------------------------------------------------------------------------------
 */

/* What is added to the url. */
static int write_query(const struct token_http *http, const char *cursor, struct strbuf *path,
                       struct error *err)
{
    strbuf_printf(path, "%climit=%d", strchr(http->source->url, '?') != NULL ? '&' : '?',
                  LIMIT_RECORDS);
    if (*cursor != '\0') {
        char *escaped = curl_easy_escape(NULL, cursor, 0);

        strbuf_add_string(path, "&cursor=");
        strbuf_add_string(path, escaped != NULL ? escaped : "");
        path->failed = path->failed || escaped == NULL;
        curl_free(escaped);
    }
    return path->failed ? error_set(err, ERROR_INTERNAL, "out of memory") : 0;
}

static int ask(const struct token_http *http, struct rest_client *client, const char *cursor,
               struct answer *answer, struct error *err)
{
    struct strbuf path = STRBUF_INIT;
    int status = write_query(http, cursor, &path, err);

    if (status == 0) {
        strbuf_clear(&answer->body);
        status = rest_client_fetch(client, path.data, ANSWER_BYTES, &answer->body, err);
    }
    strbuf_release(&path);
    return status;
}

/* Ask once from the cursor on, book what comes, and move the cursor. */
static int read_answer(struct token_http *http, struct store *store, struct rest_client *client,
                       const char *cursor, struct answer *answer, struct error *err)
{
    const struct tokens_feed *feed = http->feed;

    answer->by_line = false;
    if (ask(http, client, cursor, answer, err) != 0 || cut_answer(http, answer, err) != 0) {
        return -1;
    }
    if (answer->has_more && strcmp(cursor, answer->cursor) == 0) {
        return bad_answer(http, "has more, but its cursor stands still", err);
    }
    if (answer->records_to > answer->records_from &&
        feed->take(feed->context, store, http->source->url, answer->by_line, read_records, answer,
                   err) != 0) {
        return -1;
    }
    return strcmp(cursor, answer->cursor) == 0
               ? 0
               : store_cursor_write(store, http->source->name, answer->cursor, clock_now(), err);
}

static int read_all(struct token_http *http, struct store *store, struct rest_client *client,
                    bool *is_whole, struct error *err)
{
    struct answer *answer = calloc(1, sizeof *answer);
    char *cursor = NULL;
    int status;

    if (answer == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    strbuf_init(&answer->body);
    answer->has_more = true;
    status = store_cursor_read(store, http->source->name, &cursor, err);
    for (int i = 0; status == 0 && answer->has_more && i < ROUND_ANSWERS_MAX; i++) {
        status = read_answer(http, store, client, cursor, answer, err);
        free(cursor);
        cursor = strdup(answer->cursor);
        if (status == 0 && cursor == NULL) {
            status = error_set(err, ERROR_INTERNAL, "out of memory");
        }
    }
    *is_whole = status == 0 && !answer->has_more;
    free(cursor);
    strbuf_release(&answer->body);
    free(answer);
    return status;
}

int token_http_read(struct token_http *http, struct store *store, bool *is_whole, struct error *err)
{
    const struct rest_client_options options = {
        .url = http->source->url,
        .token_file = http->source->token_file,
        .idle_us = http->source->timeout_us,
        .whole_us = WHOLE_TIMES * http->source->timeout_us,
        .peer = "the gateway",
        .is_bearer = true,
        .stop = http->feed->stop,
    };
    struct rest_client *client = rest_client_open(&options, err);
    int status = client != NULL ? read_all(http, store, client, is_whole, err) : -1;

    rest_client_close(client);
    return status;
}
