/* The formats of token records, rule by rule: outer forms of JSON, bodies, event streams, logs,
 * spans, records, CSV. What real and nasty files give stands in tests/data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/import_text.h"

struct text_case {
    const char *why, *text, *wanted;
};

static void run_with(const struct import_options *options, const struct text_case *cases,
                     size_t count)
{
    size_t failures = 0;

    for (size_t i = 0; i < count; i++) {
        const char *got = import_text_of(options, cases[i].text, strlen(cases[i].text), true);
        if (strcmp(got, cases[i].wanted) != 0) {
            print_error("%s\n  wanted: %s\n  got:    %s\n", cases[i].why, cases[i].wanted, got);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

static void run(enum import_format format, const struct text_case *cases, size_t count)
{
    struct import_options options = import_plain_options(format);

    run_with(&options, cases, count);
}

#define RUN(format, cases) run(format, cases, sizeof(cases) / sizeof *(cases))

/* A record in one line, and what it gives. */
#define REC(id) \
    "{\"id\":\"" id "\",\"created\":\"1970-01-01T00:01:40Z\",\"meters\":{\"gpu\":\"1.5\"}}"
#define GOT(id) "R " id " 100..100 m:gpu=1.5"

static void every_outer_form_gives_the_same_items(void **state)
{
    static const struct text_case cases[] = {
        {"lines", REC("a") "\n" REC("b") "\n", GOT("a") "\n" GOT("b")},
        {"lines, the last without end", REC("a") "\r\n\r\n" REC("b"), GOT("a") "\n" GOT("b")},
        {"an array", "[" REC("a") "," REC("b") "]", GOT("a") "\n" GOT("b")},
        {"an array over lines", " [\n" REC("a") "\n,\n" REC("b") "\n]\n", GOT("a") "\n" GOT("b")},
        {"an empty array", "[]", ""},
        {"documents over lines",
         "{\n\"id\":\"a\",\n\"created\":\"1970-01-01T00:01:40Z\"\n}\n{\n\"id\":\"b\",\"created\":"
         "\n\"1970-01-01T00:01:41Z\"}",
         "R a 100..100\nR b 101..101"},
        {"arrays and lines", "[" REC("a") "]\n" REC("b") "\n[" REC("c") "]",
         GOT("a") "\n" GOT("b") "\n" GOT("c")},
        {"a byte order mark", "\xef\xbb\xbf" REC("a"), GOT("a")},
        {"nothing", "", ""},
        {"white space", " \n\t\n", ""},
    };

    (void)state;
    RUN(IMPORT_LEDGER, cases);
}

static void what_is_broken_does_not_take_its_neighbours_along(void **state)
{
    static const struct text_case cases[] = {
        {"a line that is no JSON", REC("a") "\nhello\n" REC("b"),
         GOT("a") "\nB malformed\n" GOT("b")},
        {"a line cut off in a string", "{\"id\":\"x\n" REC("b"), "B malformed\n" GOT("b")},
        {"a line cut off behind a comma", "{\"id\":\"x\",\n" REC("b"), "B malformed\n" GOT("b")},
        {"a line cut off behind a colon", "{\"id\":\n" REC("b") "\n" REC("c"),
         "B malformed\n" GOT("b") "\n" GOT("c")},
        {"a line cut off in a list", "{\"meters\":[\n" REC("b") "\n" REC("c"),
         "B malformed\n" GOT("b") "\n" GOT("c")},
        {"the last line cut off", REC("a") "\n{\"id\":\"b\"", GOT("a") "\nB malformed"},
        {"two values in a line", REC("a") " " REC("b") "\n" REC("c"), "B malformed\n" GOT("c")},
        {"a bad element", "[" REC("a") ",{\"id\":nil,\"x\":\"}\"}," REC("b") "]",
         GOT("a") "\nB malformed\n" GOT("b")},
        {"elements that are no objects", "[1,\"x\",null," REC("a") "]",
         "B malformed\nB malformed\nB malformed\n" GOT("a")},
        {"an array cut off", "[" REC("a") "," REC("b"),
         GOT("a") "\n" GOT("b") "\n! document cut off at byte 134"},
        {"an array cut off in an element", "[" REC("a") ",{\"id\"",
         GOT("a") "\n! document cut off at byte 73"},
        {"a document cut off", "{\n\"id\":\"a\",\n\"meters\"", "! document cut off at byte 20"},
    };

    (void)state;
    RUN(IMPORT_LEDGER, cases);
}

#define WITH(members) "{\"id\":\"a\",\"created\":\"1970-01-01T00:01:40Z\"," members "}"

static void a_record_is_taken_word_by_word_or_refused(void **state)
{
    static const struct text_case cases[] = {
        {"all fields",
         "{\"source\":\"g:x\",\"id\":\"a\",\"project\":\"p\",\"user\":\"u\",\"class\":\"c\","
         "\"start\":\"1970-01-01T09:01:40+09:00\",\"end\":\"1970-01-01T00:03:20.5Z\",\"state\":"
         "\"running\",\"outcome\":\"o\",\"elapsed_seconds\":90,\"requested_seconds\":\"0.25\","
         "\"submitted\":\"1970-01-01T00:00:00Z\",\"qos\":\"q\",\"meters\":{\"gpu\":4,\"cpu\":"
         "\"72\"},\"hold\":\"k\",\"basis\":\"estimated\",\"seen\":\"1970-01-01T00:00:00Z\","
         "\"attributes\":{\"n\":1,\"b\":true,\"t\":\"x\",\"z\":null}}",
         "R a s=g:x p=p u=u c=c 100..200.500000 running o=o e=90 r=0.25 q=q h=k b=estimated "
         "m:cpu=72,gpu=4 a:b=true,n=1,t=x"},
        {"a real", WITH("\"meters\":{\"gpu\":1.5}"), "B malformed a"},
        {"a real of a whole number", WITH("\"elapsed_seconds\":90.0"), "B malformed a"},
        {"an exponent", WITH("\"meters\":{\"gpu\":\"1e3\"}"), "B malformed a"},
        {"a negative", WITH("\"meters\":{\"gpu\":-1}"), "B malformed a"},
        {"too many digits", WITH("\"meters\":{\"gpu\":\"0.1234567890\"}"), "B malformed a"},
        {"too large", WITH("\"meters\":{\"gpu\":1000000000000}"), "B malformed a"},
        {"a meter twice", WITH("\"meters\":{\"gpu\":1,\"gpu\":1}"), "B malformed a"},
        {"a field twice", WITH("\"user\":\"x\",\"user\":\"x\""), "B malformed a"},
        {"the id twice", WITH("\"id\":\"b\""), "B malformed a"},
        {"an unknown field", WITH("\"usr\":\"x\""), "B malformed a"},
        {"null is not given", WITH("\"user\":null,\"meters\":null,\"elapsed_seconds\":null"),
         "R a 100..100"},
        {"an attribute that is a list", WITH("\"attributes\":{\"x\":[1]}"), "B malformed a"},
        {"a state of no kind", WITH("\"state\":\"done\""), "B malformed a"},
        {"a number as text", WITH("\"user\":5"), "B malformed a"},
        {"a time of no kind", WITH("\"end\":\"soon\""), "B malformed a"},
        {"the end before the start",
         "{\"id\":\"a\",\"start\":\"1970-01-02T00:00:00Z\",\"end\":\"1970-01-01T00:00:00Z\"}",
         "B bad_interval a"},
        {"no end", "{\"id\":\"a\",\"start\":\"1970-01-02T00:00:00Z\"}", "B bad_interval a"},
        {"no time", "{\"id\":\"a\"}", "B no_time a"},
        {"no id", "{\"created\":\"1970-01-01T00:01:40Z\"}", "B no_identity"},
        {"an empty id", "{\"id\":\"\",\"created\":\"1970-01-01T00:01:40Z\"}", "B no_identity"},
        {"an id with a newline", "{\"id\":\"a\\nb\",\"created\":\"1970-01-01T00:01:40Z\"}",
         "B no_identity"},
        {"escapes", WITH("\"us\\u0065r\":\"\\u65e5\\n\\u0000\""), "B malformed a"},
        {"escapes in names", WITH("\"us\\u0065r\":\"\\u65e5\\\"\""), "R a u=日\" 100..100"},
        {"not UTF-8", WITH("\"user\":\"\xff\""), "B malformed a"},
    };

    (void)state;
    RUN(IMPORT_LEDGER, cases);
}

static void names_that_a_record_lacks_come_from_the_command_line(void **state)
{
    static const struct text_case cases[] = {
        {"none", WITH("\"user\":\"\""), "R a p=given u=someone 100..100"},
        {"its own", WITH("\"project\":\"mine\",\"user\":\"me\""), "R a p=mine u=me 100..100"},
    };
    struct import_options options = import_plain_options(IMPORT_LEDGER);

    (void)state;
    options.project = "given";
    options.user = "someone";
    run_with(&options, cases, sizeof cases / sizeof *cases);
    options.source = NULL;
    assert_string_equal(import_text_of(&options, cases[0].text, strlen(cases[0].text), false),
                        "B no_identity a");
}

#define EVENT(version, data) \
    "{\"specversion\":\"" version "\",\"source\":\"g:x\",\"id\":\"e\",\"type\":\"t\"," data "}"
#define DATA \
    "\"data\":{\"id\":\"inner\",\"created\":\"1970-01-01T00:01:40Z\",\"meters\":{\"gpu\":1}}"

static void cloudevents_name_their_record_in_the_envelope(void **state)
{
    static const struct text_case cases[] = {
        {"an event", EVENT("1.0", DATA), "R e s=g:x 100..100 m:gpu=1"},
        {"a batch", "[" EVENT("1.0", DATA) "," EVENT("1.0", DATA) "]",
         "R e s=g:x 100..100 m:gpu=1\nR e s=g:x 100..100 m:gpu=1"},
        {"another version", EVENT("0.3", DATA), "B malformed e"},
        {"no data", EVENT("1.0", "\"data_base64\":\"e30=\""), "B malformed e"},
        {"bad data", EVENT("1.0", "\"data\":{\"meters\":{\"gpu\":1.5}}"), "B malformed e"},
        {"data with what no record has", EVENT("1.0", "\"data\":{\"gpus\":1}"), "B malformed e"},
    };

    (void)state;
    RUN(IMPORT_LEDGER, cases);
}

#define BODY(usage) "{\"id\":\"a\",\"created\":100,\"model\":\"m\",\"usage\":" usage "}"

static void bodies_of_all_providers_are_counted_without_counting_twice(void **state)
{
    static const struct text_case cases[] = {
        {"chat",
         BODY("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_"
              "tokens\":4}}"),
         "R a c=m 100..100 m:cached_input_tokens=4,input_tokens=6,output_tokens=5"},
        {"DeepSeek",
         BODY("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":4,"
              "\"prompt_cache_miss_tokens\":6}"),
         "R a c=m 100..100 m:cached_input_tokens=4,input_tokens=6,output_tokens=5"},
        {"Mistral", BODY("{\"prompt_tokens\":10,\"completion_tokens\":5,\"num_cached_tokens\":10}"),
         "R a c=m 100..100 m:cached_input_tokens=10,input_tokens=0,output_tokens=5"},
        {"embeddings", BODY("{\"prompt_tokens\":10,\"total_tokens\":10}"),
         "R a c=m 100..100 m:input_tokens=10"},
        {"responses",
         BODY("{\"input_tokens\":10,\"output_tokens\":5,\"input_tokens_details\":{\"cached_"
              "tokens\":4}}"),
         "R a c=m 100..100 m:cached_input_tokens=4,input_tokens=6,output_tokens=5"},
        {"Anthropic",
         BODY("{\"input_tokens\":10,\"output_tokens\":5,\"cache_read_input_tokens\":400,\"cache_"
              "creation_input_tokens\":7}"),
         "R a c=m 100..100 "
         "m:cache_write_input_tokens=7,cached_input_tokens=400,input_tokens=10,output_tokens=5"},
        {"Google",
         "{\"responseId\":\"a\",\"createTime\":\"1970-01-01T00:01:40Z\",\"modelVersion\":\"m\","
         "\"usageMetadata\":{\"promptTokenCount\":10,\"cachedContentTokenCount\":4,"
         "\"toolUsePromptTokenCount\":1,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":3}}",
         "R a c=m 100..100 m:cached_input_tokens=4,input_tokens=7,output_tokens=8"},
        {"Bedrock", BODY("{\"inputTokens\":10,\"outputTokens\":5,\"cacheReadInputTokens\":4}"),
         "R a c=m 100..100 m:cached_input_tokens=4,input_tokens=10,output_tokens=5"},
        {"Cohere",
         BODY("{\"billed_units\":{\"input_tokens\":1,\"output_tokens\":2},\"tokens\":{\"input_"
              "tokens\":10,\"output_tokens\":5}}"),
         "R a c=m 100..100 m:input_tokens=10,output_tokens=5"},
        {"a recording", BODY("{\"type\":\"duration\",\"seconds\":7.25}"),
         "R a c=m 100..100 m:audio_seconds=7.25"},
        {"a recording of no length", BODY("{\"type\":\"duration\"}"), "B malformed a"},
        {"more cached than read",
         BODY("{\"prompt_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":4}}"),
         "B malformed a"},
        {"counts of no name", BODY("{\"tokens_used\":5}"), "B malformed a"},
        {"a log line around it",
         "{\"custom_id\":\"x\",\"response\":{\"body\":" BODY(
             "{\"prompt_tokens\":1}") "},\"error\":null}",
         "R a c=m 100..100 m:input_tokens=1"},
        {"an error without usage", "{\"id\":\"a\",\"error\":{\"message\":\"x\"},\"usage\":null}",
         "S error_body"},
        {"an error that used tokens is booked",
         "{\"id\":\"a\",\"created\":100,\"error\":{\"message\":\"x\"},\"usage\":{\"prompt_tokens\":"
         "1}}",
         "R a 100..100 m:input_tokens=1"},
        {"a time of no kind", "{\"id\":\"a\",\"created\":-5,\"usage\":{\"prompt_tokens\":1}}",
         "B malformed a"},
        {"no time", "{\"id\":\"a\",\"usage\":{\"prompt_tokens\":1}}", "B no_time a"},
    };

    (void)state;
    RUN(IMPORT_OPENAI, cases);
}

#define CHUNK(rest) "data: {\"id\":\"a\",\"created\":100,\"model\":\"m\"," rest "}\n\n"
#define CLOSING(usage) CHUNK("\"choices\":[],\"usage\":" usage)
#define TEXT(index, rest) CHUNK("\"choices\":[{\"index\":" index ",\"delta\":{}}]" rest)
#define DONE "data: [DONE]\n\n"

static void streams_are_counted_once_however_they_tell(void **state)
{
    static const struct text_case cases[] = {
        {"closing usage",
         TEXT("0", ",\"usage\":null") CLOSING("{\"prompt_tokens\":10,\"completion_tokens\":5}")
             DONE,
         "R a c=m 100..100 m:input_tokens=10,output_tokens=5"},
        {"several of them",
         CLOSING("{\"prompt_tokens\":10,\"completion_tokens\":5}")
             CLOSING("{\"prompt_tokens\":10,\"completion_tokens\":6}") DONE,
         "R a c=m 100..100 m:input_tokens=10,output_tokens=11"},
        {"running totals of two choices",
         TEXT("0", ",\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1}")
             TEXT("1", ",\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2}")
                 TEXT("0", ",\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3}") DONE,
         "R a c=m 100..100 m:input_tokens=10,output_tokens=5"},
        {"an aborted stream with running totals",
         TEXT("0",
              ",\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1}") "data: {\"id\":\"a\",",
         "R a c=m 100..100 b=partial m:input_tokens=10,output_tokens=1"},
        {"timings",
         TEXT("0", ",\"timings\":{\"prompt_n\":11,\"cache_n\":7,\"predicted_n\":1}")
             TEXT("0", ",\"timings\":{\"prompt_n\":11,\"cache_n\":7,\"predicted_n\":4}") DONE,
         "R a c=m 100..100 m:cached_input_tokens=7,input_tokens=11,output_tokens=4"},
        {"usage counts more than timings",
         TEXT("0", ",\"timings\":{\"prompt_n\":1,\"predicted_n\":1}")
             CLOSING("{\"prompt_tokens\":10,\"completion_tokens\":5}") DONE,
         "R a c=m 100..100 m:input_tokens=10,output_tokens=5"},
        {"events of responses",
         "event: response.created\ndata: "
         "{\"type\":\"response.created\",\"response\":{\"id\":\"a\",\"created_at\":100,\"model\":"
         "\"m\",\"usage\":null}}\n\nevent: response.completed\ndata: "
         "{\"type\":\"response.completed\",\"response\":{\"id\":\"a\",\"created_at\":100,\"usage\":"
         "{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":5}}"
         "}\n",
         "R a c=m 100..100 m:cached_input_tokens=4,input_tokens=6,output_tokens=5"},
        {"events of messages",
         "data: "
         "{\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"model\":\"m\",\"created\":100,"
         "\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}"
         "\n\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":5}}\n\ndata: "
         "{\"type\":\"message_stop\"}\n\n",
         "R a c=m 100..100 m:cached_input_tokens=4,input_tokens=10,output_tokens=5"},
        {"two streams",
         CLOSING("{\"prompt_tokens\":1,\"completion_tokens\":2}") DONE
         "data: "
         "{\"id\":\"b\",\"created\":200,\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n" DONE,
         "R a c=m 100..100 m:input_tokens=1,output_tokens=2\nR b 200..200 m:input_tokens=3"},
        {"two streams, the first aborted",
         CLOSING("{\"prompt_tokens\":1,\"completion_tokens\":2}") "data: "
                                                                  "{\"id\":\"b\",\"created\":200,"
                                                                  "\"choices\":[],\"usage\":{"
                                                                  "\"prompt_tokens\":3}}\n\n",
         "R a c=m 100..100 m:input_tokens=1,output_tokens=2\nR b 200..200 m:input_tokens=3"},
        {"a broken chunk", "data: {\"id\":\"a\" nonsense\n\n" CLOSING("{\"prompt_tokens\":1}") DONE,
         "B malformed a"},
        {"a count that is none", CLOSING("{\"prompt_tokens\":-1}") DONE, "B malformed a"},
        {"an error", "data: {\"error\":{\"message\":\"x\"}}\n\n", "S error_body"},
        {"no usage", TEXT("0", "") DONE, "S no_usage"},
        {"only the end", ": hello\n\n" DONE, ""},
        {"no id", "data: {\"created\":100,\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n",
         "B no_identity"},
        {"CRLF, no space, a byte order mark",
         "\xef\xbb\xbf"
         "data:{\"id\":\"a\",\"created\":100,\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"
         "\r\n\r\ndata:[DONE]\r\n",
         "R a 100..100 m:input_tokens=1"},
    };

    (void)state;
    RUN(IMPORT_OPENAI, cases);
}

#define ENVOY(rest)                                                                               \
    "{\"x-request-id\":\"a\",\"start_time\":\"1970-01-01T00:01:40.000Z\",\"duration\":1500," rest \
    "}"

static void log_lines_of_envoy_are_calls_if_they_count(void **state)
{
    static const struct text_case cases[] = {
        {"a call",
         ENVOY("\"gen_ai.request.model\":\"alias\",\"gen_ai.response.model\":\"m\",\"gen_ai.usage."
               "input_tokens\":10,\"gen_ai.usage.cached_input_tokens\":4,\"gen_ai.usage.output_"
               "tokens\":\"5\",\"x-ledger-project\":\"p\",\"x-ledger-user\":\"u\""),
         "R a p=p u=u c=m 100..101.500000 m:cached_input_tokens=4,input_tokens=6,output_tokens=5 "
         "a:requested_model=alias"},
        {"dashes",
         ENVOY("\"gen_ai.request.model\":\"-\",\"gen_ai.usage.input_tokens\":\"-\",\"gen_ai.usage."
               "output_tokens\":\"-\""),
         "S no_usage"},
        {"a dash among counts",
         ENVOY("\"gen_ai.request.model\":\"-\",\"gen_ai.usage.input_tokens\":1,\"gen_ai.usage."
               "output_tokens\":\"-\""),
         "R a 100..101.500000 m:input_tokens=1"},
        {"more cached than read",
         ENVOY("\"gen_ai.usage.input_tokens\":1,\"gen_ai.usage.cached_input_tokens\":4"),
         "B malformed a"},
        {"no time", "{\"x-request-id\":\"a\",\"gen_ai.usage.input_tokens\":1}", "B no_time a"},
    };

    (void)state;
    RUN(IMPORT_ENVOY, cases);
}

#define LITELLM(rest)                                                   \
    "{\"request_id\":\"a\",\"model\":\"m\",\"startTime\":\"1970-01-01 " \
    "00:01:40.5\",\"prompt_tokens\":10,\"completion_tokens\":5," rest "}"

static void logs_of_litellm_are_read_in_both_shapes(void **state)
{
    static const struct text_case cases[] = {
        {"metadata in a string",
         LITELLM("\"team_id\":\"t\",\"end_user\":\"e\",\"metadata\":\"{\\\"usage_object\\\":{"
                 "\\\"prompt_tokens_details\\\":{\\\"cached_tokens\\\":4}}}\""),
         "R a p=t u=e c=m 100.500000..100.500000 "
         "m:cached_input_tokens=4,input_tokens=6,output_tokens=5"},
        {"metadata as an object",
         LITELLM("\"user\":\"u\",\"metadata\":{\"user_api_key_team_id\":\"t\",\"usage_object\":{"
                 "\"cache_read_input_tokens\":4,\"cache_creation_input_tokens\":1}}"),
         "R a p=t u=u c=m 100.500000..100.500000 "
         "m:cache_write_input_tokens=1,cached_input_tokens=4,input_tokens=5,output_tokens=5"},
        {"metadata that is no JSON", LITELLM("\"metadata\":\"{\""),
         "R a c=m 100.500000..100.500000 m:input_tokens=10,output_tokens=5"},
        {"times as numbers",
         "{\"id\":\"a\",\"startTime\":100.25,\"endTime\":101,\"prompt_tokens\":1}",
         "R a 100.250000..101 m:input_tokens=1"},
        {"a failure",
         "{\"id\":\"a\",\"status\":\"failure\",\"startTime\":100,\"prompt_tokens\":0,\"completion_"
         "tokens\":0}",
         "S error_body"},
        {"a failure that used tokens is booked",
         "{\"id\":\"a\",\"status\":\"failure\",\"startTime\":100,\"prompt_tokens\":3,\"completion_"
         "tokens\":0}",
         "R a 100..100 m:input_tokens=3,output_tokens=0"},
        {"no counts", "{\"id\":\"a\",\"startTime\":100}", "S no_usage"},
    };
    static struct zone tokyo;
    struct import_options options = import_plain_options(IMPORT_LITELLM);
    struct error err = {0};

    (void)state;
    assert_int_equal(zone_load("Asia/Tokyo", &tokyo, &err), 0);
    options.zone = &tokyo; /* and still naive times are UTC */
    run_with(&options, cases, sizeof cases / sizeof *cases);
}

#define SPAN(id, rest)  \
    "{\"spanId\":\"" id \
    "\",\"startTimeUnixNano\":\"100000000000\",\"endTimeUnixNano\":101500000000," rest "}"
#define COUNTED                                                                                 \
    "\"attributes\":[{\"key\":\"gen_ai.usage.input_tokens\",\"value\":{\"intValue\":\"10\"}},{" \
    "\"key\":\"gen_ai.usage.output_tokens\",\"value\":{\"intValue\":5}}]"

static void spans_are_found_wherever_they_are(void **state)
{
    static const struct text_case cases[] = {
        {"one", SPAN("a", COUNTED), "R a 100..101.500000 m:input_tokens=10,output_tokens=5"},
        {"many in a document",
         "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" SPAN("a", COUNTED) "," SPAN(
             "b", "\"name\":\"GET\"") "]},{\"spans\":[]}]},{\"scopeSpans\":[]},{},{\"scopeSpans\":["
                                      "{\"spans\":[" SPAN("c", COUNTED) ",7]}]}]}\n" SPAN("d",
                                                                                          COUNTED),
         "R a 100..101.500000 m:input_tokens=10,output_tokens=5\nS no_usage\nR c 100..101.500000 "
         "m:input_tokens=10,output_tokens=5\nB malformed\nR d 100..101.500000 "
         "m:input_tokens=10,output_tokens=5"},
        {"no spans in a document", "{\"resourceSpans\":[]}", ""},
        {"attributes as an object",
         "{\"context\":{\"span_id\":\"0xa\"},\"start_time\":\"1970-01-01T00:01:40Z\","
         "\"attributes\":{\"llm.token_count.prompt\":10,\"llm.token_count.prompt_details.cache_"
         "read\":4,\"llm.model_name\":\"m\",\"user.id\":\"u\"}}",
         "R 0xa u=u c=m 100..100 m:cached_input_tokens=4,input_tokens=6"},
        {"attributes as members",
         "{\"gen_ai.response.id\":\"a\",\"start_time\":\"1970-01-01T00:01:40Z\",\"gen_ai.usage."
         "prompt_tokens\":3,\"gen_ai.request.model\":\"m\"}",
         "R a c=m 100..100 m:input_tokens=3 a:requested_model=m"},
        {"the answer's own JSON",
         "{\"attributes\":[{\"key\":\"llm.token_count.prompt\",\"value\":{\"intValue\":\"3\"}},{"
         "\"key\":\"output.value\",\"value\":{\"stringValue\":\"{\\\"id\\\":\\\"a\\\","
         "\\\"created\\\":100}\"}}]}",
         "R a 100..100 m:input_tokens=3"},
        {"a count that is none",
         SPAN("a", "\"attributes\":[{\"key\":\"gen_ai.usage.input_tokens\",\"value\":{"
                   "\"doubleValue\":1.5}}]"),
         "B malformed a"},
        {"no id", "{\"start_time\":\"1970-01-01T00:01:40Z\",\"gen_ai.usage.input_tokens\":3}",
         "B no_identity"},
    };

    (void)state;
    RUN(IMPORT_OTEL, cases);
}

#define COLUMNS "id,created,meters.gpu,attributes.note\n"

static void csv_is_read_by_its_header(void **state)
{
    static const struct text_case cases[] = {
        {"plain", COLUMNS "a,1970-01-01T00:01:40Z,1.5,x\n", "R a 100..100 m:gpu=1.5 a:note=x"},
        {"empty cells are not given", COLUMNS "a,1970-01-01T00:01:40Z,,\n", "R a 100..100"},
        {"naive times", COLUMNS "a,1970-01-01 00:01:40,1,\n", "R a 100..100 m:gpu=1"},
        {"quotes", COLUMNS "\"a,\"\"b\"\"\",\"1970-01-01T00:01:40Z\",\"1\",\"\"\n",
         "R a,\"b\" 100..100 m:gpu=1"},
        {"a newline in quotes",
         COLUMNS "a,1970-01-01T00:01:40Z,1,\"x\ny\"\nb,1970-01-01T00:01:40Z,1,\n",
         "R a 100..100 m:gpu=1 a:note=x\xef\xbf\xbdy\nR b 100..100 m:gpu=1"},
        {"CRLF, blank lines, no last end",
         "id,created\r\n\r\na,1970-01-01T00:01:40Z\r\n\r\nb,1970-01-01T00:01:41Z",
         "R a 100..100\nR b 101..101"},
        {"a quote inside", COLUMNS "a\"b\",1970-01-01T00:01:40Z,1,\nb,1970-01-01T00:01:40Z,1,\n",
         "B malformed\nR b 100..100 m:gpu=1"},
        {"text behind a quote", COLUMNS "\"a\"b,1970-01-01T00:01:40Z,1,\n", "B malformed"},
        {"a quote that never closes",
         COLUMNS "\"a,1970-01-01T00:01:40Z,1,\nb,1970-01-01T00:01:40Z,1,\n",
         "B malformed\nR b 100..100 m:gpu=1"},
        {"too few cells", COLUMNS "a,1970-01-01T00:01:40Z\n", "B malformed"},
        {"too many cells", COLUMNS "a,1970-01-01T00:01:40Z,1,x,y\n", "B malformed"},
        {"a bad cell names the record", COLUMNS "a,1970-01-01T00:01:40Z,many,x\n", "B malformed a"},
        {"an unknown column", "id,gpus\na,1\n",
         "! the header names a column that usage records do not have: 'gpus' (columns are fields "
         "of a record, meters.NAME and attributes.NAME)"},
        {"meters without a name", "id,meters\na,1\n",
         "! the header names a column that usage records do not have: 'meters' (columns are fields "
         "of a record, meters.NAME and attributes.NAME)"},
        {"a column twice", "id,meters.gpu,meters.gpu\na,1,1\n",
         "! the header names column gpu twice"},
        {"nothing", "", "! the input is empty where a header line is expected"},
        {"a byte order mark", "\xef\xbb\xbfid,created\na,1970-01-01T00:01:40Z\n", "R a 100..100"},
    };

    (void)state;
    RUN(IMPORT_CSV, cases);
}

static void names_of_the_formats_are_those_of_the_contract(void **state)
{
    static const char *const names[] = {"sacct",   "json",  "ledger", "openai",
                                        "litellm", "envoy", "otel",   "csv"};
    enum import_format format;
    const char *mapping;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(import_format_parse(names[i], &format, &mapping), 0);
        assert_string_equal(import_format_text(format), names[i]);
    }
    assert_int_equal(import_format_parse("xml", &format, &mapping), -1);
    assert_int_equal(import_format_parse("mapping:", &format, &mapping), -1);
    assert_int_equal(import_format_parse("mapping", &format, &mapping), -1);
    assert_int_equal(import_format_parse("mapping:/a.json", &format, &mapping), 0);
    assert_int_equal(format, IMPORT_MAPPING);
    assert_string_equal(mapping, "/a.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_outer_form_gives_the_same_items),
        cmocka_unit_test(what_is_broken_does_not_take_its_neighbours_along),
        cmocka_unit_test(a_record_is_taken_word_by_word_or_refused),
        cmocka_unit_test(names_that_a_record_lacks_come_from_the_command_line),
        cmocka_unit_test(cloudevents_name_their_record_in_the_envelope),
        cmocka_unit_test(bodies_of_all_providers_are_counted_without_counting_twice),
        cmocka_unit_test(streams_are_counted_once_however_they_tell),
        cmocka_unit_test(log_lines_of_envoy_are_calls_if_they_count),
        cmocka_unit_test(logs_of_litellm_are_read_in_both_shapes),
        cmocka_unit_test(spans_are_found_wherever_they_are),
        cmocka_unit_test(csv_is_read_by_its_header),
        cmocka_unit_test(names_of_the_formats_are_those_of_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
