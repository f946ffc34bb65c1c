/* engine_metrics_pull - see engine_metrics_pull.h. */
#include "importers/engine_metrics_pull.h"

#include <curl/curl.h>
#include <string.h>

#include "importers/engine_metrics.h"

enum { CONNECT_SECONDS = 10, WHOLE_SECONDS = 30, STATUS_OK = 200 };

bool engine_metrics_is_url(const char *text)
{
    return strncmp(text, "http://", strlen("http://")) == 0 ||
           strncmp(text, "https://", strlen("https://")) == 0;
}

/* Called by curl with bytes of the answer; less than all of them ends it. */
static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct strbuf *body = context;
    size_t length = size * count;

    if (body->length + length > ENGINE_TEXT_BYTES) {
        return 0;
    }
    strbuf_add(body, bytes, length);
    return body->failed ? 0 : length;
}

static void set_up(CURL *easy, const char *url, struct strbuf *body, char *why)
{
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)WHOLE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
}

int engine_metrics_fetch(const char *url, struct strbuf *body, struct error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode code;
    CURL *easy = curl_easy_init();

    if (easy == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    set_up(easy, url, body, why);
    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    if (code == CURLE_URL_MALFORMAT) {
        return error_set(err, ERROR_ARGUMENT, "'%.200s' is no URL", url);
    }
    if (code == CURLE_WRITE_ERROR) {
        return error_set(err, ERROR_UNAVAILABLE, "%.200s: the answer is larger than %d bytes", url,
                         ENGINE_TEXT_BYTES);
    }
    if (code != CURLE_OK) {
        return error_set(err, ERROR_UNAVAILABLE, "%.200s: %s", url,
                         why[0] != '\0' ? why : curl_easy_strerror(code));
    }
    return status == STATUS_OK
               ? 0
               : error_set(err, ERROR_UNAVAILABLE, "%.200s: HTTP status %ld", url, status);
}
