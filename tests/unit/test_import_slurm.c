/* Slurm's listings: words and numbers, rows with delimiters and newlines in names, shapes of JSON
 * fields. What real and nasty files give stands in tests/data; here are the rules one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "importers/slurm_job.h"
#include "tests/lib/import_text.h"

#define HEADER \
    "JobID|JobIDRaw|Account|JobName|State|Submit|Start|End|ElapsedRaw|AllocTRES|Comment\n"
#define ROW_END "|COMPLETED|1000|1100|1200|90|cpu=2,node=1|"

struct row_case {
    const char *why, *text, *wanted;
};

static void run_rows(enum import_format format, const struct row_case *cases, size_t count,
                     bool attributes)
{
    struct import_options options = import_plain_options(format);
    size_t failures = 0;

    for (size_t i = 0; i < count; i++) {
        const char *got = import_text_of(&options, cases[i].text, strlen(cases[i].text),
                                         attributes);
        if (strcmp(got, cases[i].wanted) != 0) {
            print_error("%s\n  wanted: %s\n  got:    %s\n", cases[i].why, cases[i].wanted, got);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

static struct scan_text text_of(const char *text)
{
    return (struct scan_text){text, strlen(text)};
}

static void durations_are_read_in_all_their_forms(void **state)
{
    static const struct {
        const char *text;
        long long seconds; /* -1: none, -2: refused */
    } cases[] = {
        {"", -1},
        {"INVALID", -1},
        {"00:00:00", 0},
        {"00:01", 1},
        {"01:02:03", 3723},
        {"1-02:03:04", 93784},
        {"10-00", 864000},
        {"02:17.926", 137},
        {"5", 5},
        {"61:00", 3660},
        {"00:60", -2},
        {"1:2:3:4", -2},
        {"1-", -2},
        {"-1", -2},
        {":5", -2},
        {"1:", -2},
        {"1.", -2},
        {"x", -2},
        {"99999999999:00", -2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slurm_number number;
        long long got = slurm_duration_parse(text_of(cases[i].text), &number) != 0 ? -2
                        : number.given ? (long long)number.value
                                       : -1;
        if (got != cases[i].seconds) {
            fail_msg("'%s': wanted %lld, got %lld", cases[i].text, cases[i].seconds, got);
        }
    }
}

static void memory_becomes_gib_exactly_or_to_the_nearest_even(void **state)
{
    static const struct {
        const char *text, *gib; /* "-": none, "!": refused */
    } cases[] = {
        {"480G", "480"},
        {"62.50G", "62.5"},
        {"0", "0"},
        {"1024", "1"},
        {"1000M", "0.9765625"},
        {"512000K", "0.48828125"},
        {"1.5T", "1536"},
        {"2P", "2097152"},
        {"1M", "0.000976562"},
        {"3M", "0.002929688"},
        {"1K", "0.000000954"},
        {"0.01G", "0.01"},
        {"4294967294", "-"},
        {"18446744073709551614M", "-"},
        {"-2", "-"},
        {"", "-"},
        {"4Gn", "!"},
        {"G", "!"},
        {".5G", "!"},
        {"5.G", "!"},
        {"1.2345678G", "!"},
        {"999999999999999P", "!"},
        {"1e3M", "!"},
        {"-5M", "!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slurm_quantity gib;
        char text[DECIMAL_TEXT_BYTES] = "-";
        const char *got = text;

        if (slurm_memory_parse(text_of(cases[i].text), &gib) != 0) {
            got = "!";
        } else if (gib.given) {
            decimal_format(gib.value, text);
        }
        assert_string_equal(got, cases[i].gib);
    }
}

static void memory_is_in_the_one_form_of_decimals(void **state)
{
    struct slurm_quantity gib;
    struct decimal parsed;

    (void)state;
    assert_int_equal(slurm_memory_parse(text_of("64000M"), &gib), 0);
    assert_int_equal(decimal_parse("62.5", 4, &parsed), 0);
    assert_true(decimal_equal(gib.value, parsed));
}

static void states_of_the_database_are_the_words(void **state)
{
    static const struct {
        uint64_t number;
        enum slurm_phase phase;
        const char *outcome;
    } cases[] = {
        {0, SLURM_PENDING, ""},
        {1, SLURM_RUNNING, ""},
        {3, SLURM_ENDED, "completed"},
        {4, SLURM_ENDED, "cancelled"},
        {11, SLURM_ENDED, "out_of_memory"},
        {UINT64_C(1) << 10, SLURM_ENDED, "requeued"},
        {(UINT64_C(1) << 15) | 1, SLURM_RUNNING, ""},
    };
    enum slurm_phase phase;
    const char *outcome;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(slurm_state_number(cases[i].number, &phase, &outcome), 0);
        assert_int_equal(phase, cases[i].phase);
        assert_string_equal(outcome, cases[i].outcome);
    }
    assert_int_equal(slurm_state_number(12, &phase, &outcome), -1);
}

static void rows_with_delimiters_in_names_are_put_right_or_refused(void **state)
{
    static const struct row_case cases[] = {
        {"plain", HEADER "7|7|hp|job" ROW_END "",
         "R 7@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1 "
         "a:account=hp,alloc_tres=cpu=2,node=1,job_name=job"},
        {"in the name", HEADER "7|7|hp|a|b" ROW_END "",
         "R 7@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1 "
         "a:account=hp,alloc_tres=cpu=2,node=1,job_name=a|b"},
        {"only delimiters", HEADER "7|7|hp||||" ROW_END "",
         "R 7@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1 "
         "a:account=hp,alloc_tres=cpu=2,node=1,job_name=|||"},
        {"in the last column", HEADER "7|7|hp|job" ROW_END "x|y",
         "R 7@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1 "
         "a:account=hp,alloc_tres=cpu=2,node=1,job_name=job"},
        {"in two columns", HEADER "7|7|hp|a|b" ROW_END "x|y|z",
         "R 7@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1 "
         "a:account=hp,alloc_tres=cpu=2,node=1,job_name=a|b"},
        {"a name that looks like a row",
         HEADER "7|7|hp|x|COMPLETED|1000|1100|1200|1|cpu=1|y" ROW_END "", "B malformed"},
        {"nothing fits", HEADER "7|7|hp|job|EXPLODED|1|2|3|4|5|6|7|8", "B malformed"},
        {"the row after is read", HEADER "7|7|hp|a|b|DONE\n8|8|hp|c" ROW_END "",
         "B malformed\nR 8@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1 "
         "a:account=hp,alloc_tres=cpu=2,node=1,job_name=c"},
    };

    (void)state;
    run_rows(IMPORT_SACCT, cases, sizeof cases / sizeof *cases, true);
}

#define SEVEN "R 7@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1"
#define EIGHT "R 8@1000 p=hp 1100..1200 o=completed e=90 m:cpu=2,node=1"

static void rows_with_newlines_in_names_are_joined_but_never_with_a_row(void **state)
{
    static const struct row_case cases[] = {
        {"one newline", HEADER "7|7|hp|two\nlines" ROW_END "\n8|8|hp|x" ROW_END "",
         SEVEN "\n" EIGHT},
        {"three newlines and a delimiter", HEADER "7|7|hp|a\n\nb|\nc" ROW_END "", SEVEN},
        {"half a row before a row", HEADER "7|7|hp|half\n8|8|hp|x" ROW_END "",
         "B malformed\n" EIGHT},
        {"half a row at the end", HEADER "7|7|hp|x" ROW_END "\n8|8|h", SEVEN "\nB malformed"},
        {"a newline in the last column", HEADER "7|7|hp|x" ROW_END "one\ntwo\n8|8|hp|x" ROW_END "",
         SEVEN "\n" EIGHT},
        {"a word after half a row", HEADER "7|7|h\nword\n8|8|hp|x" ROW_END "",
         "B malformed\nB malformed\n" EIGHT},
        {"CRLF", "JobID|JobIDRaw|State|Submit|Start|End\r\n7|7|COMPLETED|1000|1100|1200\r\n",
         "R 7@1000 1100..1200 o=completed"},
    };

    (void)state;
    run_rows(IMPORT_SACCT, cases, sizeof cases / sizeof *cases, false);
}

static void columns_that_are_missing_are_made_up_for_by_others_or_not_at_all(void **state)
{
    static const struct row_case cases[] = {
        {"JobID alone, plain", "JobID|State|Submit|Start|End\n7|COMPLETED|1000|1100|1200\n",
         "R 7@1000 1100..1200 o=completed"},
        {"JobID alone, of an array", "JobID|State|Submit|Start|End\n7_1|COMPLETED|1000|1100|1200\n",
         "B no_identity"},
        {"no submit", "JobIDRaw|State|Start|End\n7|COMPLETED|1100|1200\n", "B no_identity"},
        {"no start column", "JobIDRaw|State|Submit|End\n7|COMPLETED|1000|1200\n",
         "B bad_interval 7@1000"},
        {"Elapsed and Timelimit as text",
         "JobIDRaw|State|Submit|Start|End|Elapsed|Timelimit\n7|COMPLETED|1000|1100|1200|00:01:30|1-"
         "00:00:00\n",
         "R 7@1000 1100..1200 o=completed e=90 r=86400"},
        {"no limit",
         "JobIDRaw|State|Submit|Start|End|Timelimit\n7|COMPLETED|1000|1100|1200|UNLIMITED\n8|"
         "COMPLETED|1000|1100|1200|Partition_Limit\n",
         "R 7@1000 1100..1200 o=completed\nR 8@1000 1100..1200 o=completed"},
        {"no AllocTRES",
         "JobIDRaw|State|Submit|Start|End|AllocCPUS|NNodes|ReqMem\n7|COMPLETED|1000|1100|1200|8|2|"
         "4G\n",
         "R 7@1000 1100..1200 o=completed m:cpu=8,mem_gib=4,node=2"},
        {"an empty AllocTRES is not made up for",
         "JobIDRaw|State|Submit|Start|End|AllocCPUS|AllocTRES\n7|COMPLETED|1000|1100|1200|8|\n",
         "R 7@1000 1100..1200 o=completed"},
        {"nothing was allocated, and nodes were not asked for",
         "JobIDRaw|State|Submit|Start|End|ElapsedRaw|AllocTRES\n7|FAILED|1000|1000|1000|0|\n8|"
         "COMPLETED|1000|1000|1032|0|\n",
         "S not_started\nR 8@1000 1000..1032 o=completed e=0"},
        {"no header", "7|7|COMPLETED|1000\n",
         "! the first line is no header of sacct -P: it must name the columns JobIDRaw (or JobID) "
         "and State, and is '7|7|COMPLETED|1000'"},
        {"case and byte order mark",
         "\xef\xbb\xbfjobidraw|STATE|submit|start|end\n7|COMPLETED|1000|1100|1200",
         "R 7@1000 1100..1200 o=completed"},
    };

    (void)state;
    run_rows(IMPORT_SACCT, cases, sizeof cases / sizeof *cases, false);
}

#define TIMES "JobIDRaw|State|Submit|Start|End|ElapsedRaw|Suspended\n"

static void what_a_row_says_of_its_time_is_taken_as_it_is(void **state)
{
    static const struct row_case cases[] = {
        {"running: seen after what it has run", TIMES "7|RUNNING|1000|1100|Unknown|50|00:00:10\n",
         "R 7@1000 1100..1160 running e=50"},
        {"running, elapsed unknown: now", TIMES "7|RUNNING|1000|1100|Unknown||\n",
         "R 7@1000 1100..2000000000 running"},
        {"ended, but not when", TIMES "7|NODE_FAIL|1000|1100|Unknown|50|\n",
         "B bad_interval 7@1000"},
        {"ended before it started", TIMES "7|FAILED|1000|1100|1099|50|\n", "B bad_interval 7@1000"},
        {"never started", TIMES "7|CANCELLED by 5|1000|None|1100|0|\n", "S not_started"},
        {"never started, and yet it ran", TIMES "7|COMPLETED|1000|None|1100|50|\n",
         "B bad_interval 7@1000"},
        {"pending", TIMES "7|PENDING|1000|1100|Unknown|0|\n", "S not_started"},
        {"cancelled with a name", TIMES "7|CANCELLED by alice|1000|1100|1200|100|\n",
         "R 7@1000 1100..1200 o=cancelled e=100"},
        {"a part of a resized job", TIMES "7|RESIZING|1000|1100|1200|100|\n", "B resized"},
        {"being resized", TIMES "7|RESIZING|1000|1100|Unknown|100|\n",
         "R 7@1000 1100..1200 running e=100"},
        {"no such state", TIMES "7|RUN|1000|1100|1200|100|\n", "B malformed 7@1000"},
        {"no such time", TIMES "7|FAILED|1000|1100|Never|100|\n", "B malformed 7@1000"},
    };

    (void)state;
    run_rows(IMPORT_SACCT, cases, sizeof cases / sizeof *cases, false);
}

static void note_unstarted(void *context, const struct import_unstarted *job)
{
    strbuf_printf(context, "%lld@%lld x%d %s %s/%s\n", (long long)job->job_id,
                  (long long)(job->submitted.us / INSTANT_SECOND_US), job->tasks, job->hold,
                  job->account, job->user);
}

/* Slurm tells a start of some that never had one: that of their end. */
static void jobs_that_never_started_are_told_with_the_tasks_they_stand_for(void **state)
{
    static const char text[] =
        "JobID|JobIDRaw|User|Account|State|Submit|Start|End|ElapsedRaw|AllocTRES|NodeList|"
        "AdminComment\n"
        "7|7|u|a|CANCELLED by 5|1000|None|1100|0||None assigned|ledger:hold=k1\n"
        "8_[2-6%2]|8|u|a|CANCELLED by 5|1000|1100|1100|0||None assigned|ledger:hold=k2\n"
        "9|9|u|a|CANCELLED by 5|1000|1100|1100|0|cpu=1|n1|ledger:hold=k3\n"
        "10_[0-9]|10|u|a|PENDING|1000|None|Unknown|0||None assigned|ledger:hold=k4\n"
        "11_[1-3,...]|11|u|a|CANCELLED|1000|None|1100|0||None assigned|ledger:hold=k5\n"
        "8_1|12|u|a|FAILED|1000|None|1100|0||None assigned|\n";
    struct import_options options = import_plain_options(IMPORT_SACCT);
    struct strbuf told = STRBUF_INIT;
    struct error err = {0};
    struct import_item item;
    int records = 0;

    (void)state;
    options.unstarted = note_unstarted;
    options.context = &told;
    struct input *input = input_from_memory(text, strlen(text));
    struct importer *importer = importer_open(input, &options, &err);
    assert_non_null(importer);
    while (importer_next(importer, &item, &err) > 0) {
        records += item.kind == IMPORT_RECORD;
    }
    assert_string_equal(told.data, "7@1000 x1 k1 a/u\n8@1000 x5 k2 a/u\n12@1000 x1  a/u\n");
    assert_int_equal(records, 1);
    importer_close(importer);
    input_close(input);
    strbuf_release(&told);
}

#define COMMENTED "JobIDRaw|State|Submit|Start|End|AdminComment\n"
#define NINE "9|COMPLETED|1000|1100|1200|"

static void the_hold_is_found_among_other_comments(void **state)
{
    static const struct row_case cases[] = {
        {"alone", COMMENTED NINE "ledger:hold=k1\n", "R 9@1000 1100..1200 o=completed h=k1"},
        {"short", COMMENTED NINE "x;ledger:h=k2;y\n", "R 9@1000 1100..1200 o=completed h=k2"},
        {"first counts", COMMENTED NINE "a, ledger:hold=k3 ledger:hold=k4\n",
         "R 9@1000 1100..1200 o=completed h=k3"},
        {"of others", COMMENTED NINE "other:hold=k5;myledger:hold=k6;ledger:hold=\n",
         "R 9@1000 1100..1200 o=completed"},
    };

    (void)state;
    run_rows(IMPORT_SACCT, cases, sizeof cases / sizeof *cases, false);
}

static void naive_times_are_of_the_zone_on_both_sides_of_its_changes(void **state)
{
    static const struct {
        const char *local;
        long long utc;
    } cases[] = {
        /* Europe/Berlin 2027: summer time from 28 March 02:00 to 31 October 03:00. */
        {"2027-01-15T12:00:00", 1800010800}, {"2027-03-28T01:59:59", 1806195599},
        {"2027-03-28T03:00:00", 1806195600}, {"2027-07-01T00:00:00", 1814392800},
        {"2027-10-31T01:59:59", 1824940799}, {"2027-10-31T02:30:00", 1824942600},
        {"2027-10-31T03:00:00", 1824948000}, {"2027-12-01T00:00:00", 1827615600},
        {"2027-07-01T00:00:00", 1814392800}, {"2027-01-15T12:00:00", 1800010800},
    };
    static struct zone berlin;
    struct time_reader reader;
    struct error err = {0};
    struct instant t;

    (void)state;
    assert_int_equal(zone_load("Europe/Berlin", &berlin, &err), 0);
    time_reader_init(&reader, &berlin);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(time_naive(&reader, cases[i].local, strlen(cases[i].local), &t), 0);
        if (t.us != cases[i].utc * INSTANT_SECOND_US) {
            fail_msg("%s: wanted %lld, got %lld", cases[i].local, cases[i].utc,
                     (long long)(t.us / INSTANT_SECOND_US));
        }
    }
}

#define JOB(members) "{\"jobs\":[{\"job_id\":7," members "}]}"
#define JOB_TIME "\"time\":{\"submission\":1000,\"start\":1100,\"end\":1200,\"elapsed\":90}"

static void json_fields_are_read_in_every_shape(void **state)
{
    static const struct row_case cases[] = {
        {"a state as a word", JOB("\"state\":\"COMPLETED\"," JOB_TIME),
         "R 7@1000 1100..1200 o=completed e=90"},
        {"as current", JOB("\"state\":{\"current\":\"COMPLETED\"}," JOB_TIME),
         "R 7@1000 1100..1200 o=completed e=90"},
        {"as a list", JOB("\"state\":{\"current\":[\"CANCELLED\"]}," JOB_TIME),
         "R 7@1000 1100..1200 o=cancelled e=90"},
        {"with flags", JOB("\"state\":[\"LAUNCH_FAILED\",\"FAILED\"]," JOB_TIME),
         "R 7@1000 1100..1200 o=failed e=90"},
        {"completing holds the nodes", JOB("\"state\":[\"COMPLETED\",\"COMPLETING\"]," JOB_TIME),
         "R 7@1000 1100..1190 running e=90"},
        {"requeued and waiting", JOB("\"state\":[\"PENDING\",\"REQUEUED\"]," JOB_TIME),
         "S not_started"},
        {"the number of the database", JOB("\"state\":6," JOB_TIME),
         "R 7@1000 1100..1200 o=timeout e=90"},
        {"an empty list", JOB("\"state\":[]," JOB_TIME), "B malformed 7@1000"},
        {"no state", JOB(JOB_TIME), "B malformed 7@1000"},
        {"limits",
         JOB("\"state\":3,\"time\":{\"submission\":{\"set\":true,\"infinite\":false,\"number\":"
             "1000},\"start\":\"1100\",\"end\":1200,\"limit\":{\"set\":true,\"number\":2}}"),
         "R 7@1000 1100..1200 o=completed r=120"},
        {"no limit",
         JOB("\"state\":3,\"time\":{\"submission\":1000,\"start\":1100,\"end\":1200,\"limit\":{"
             "\"set\":true,\"infinite\":true,\"number\":0}}"),
         "R 7@1000 1100..1200 o=completed"},
        {"a limit of no shape",
         JOB("\"state\":3,\"time\":{\"submission\":1000,\"start\":1100,\"end\":1200,\"limit\":{"
             "\"number\":2}}"),
         "B malformed 7@1000"},
        {"a real number",
         JOB("\"state\":3,\"time\":{\"submission\":1000,\"start\":1100.5,\"end\":1200}"),
         "B malformed 7@1000"},
        {"no submission",
         JOB("\"state\":3,\"time\":{\"submission\":0,\"start\":1100,\"end\":1200}"),
         "B no_identity"},
        {"tres",
         JOB("\"state\":3," JOB_TIME
             ",\"tres\":{\"allocated\":[{\"type\":\"mem\",\"name\":\"\",\"count\":{\"set\":true,"
             "\"number\":1536}},{\"type\":\"cpu\",\"count\":\"4\"},{\"type\":\"gres\",\"name\":"
             "\"gpu:a\",\"count\":1},{\"type\":\"gres\",\"name\":\"gpu:b\",\"count\":2},{\"type\":"
             "\"node\",\"count\":4294967294},{\"type\":\"fs\",\"name\":\"disk\",\"count\":9}]}"),
         "R 7@1000 1100..1200 o=completed e=90 m:cpu=4,gpu=3,mem_gib=1.5"},
        {"tres of no shape",
         JOB("\"state\":3," JOB_TIME ",\"tres\":{\"allocated\":[{\"type\":\"cpu\",\"count\":-5}]}"),
         "B malformed 7@1000"},
        {"a job alone", "{\"job_id\":7,\"state\":3," JOB_TIME "}",
         "R 7@1000 1100..1200 o=completed e=90"},
        {"a list of jobs alone", "[{\"job_id\":7,\"state\":3," JOB_TIME "},5]",
         "R 7@1000 1100..1200 o=completed e=90\nB malformed"},
        {"names from the association",
         JOB("\"state\":3," JOB_TIME
             ",\"account\":\"\",\"association\":{\"account\":\"hp\",\"user\":\"al\"}"),
         "R 7@1000 p=hp u=al 1100..1200 o=completed e=90"},
    };

    (void)state;
    run_rows(IMPORT_SLURM_JSON, cases, sizeof cases / sizeof *cases, false);
}

#define GOOD "{\"job_id\":7,\"state\":3," JOB_TIME "}"
#define GOOD_7 "R 7@1000 1100..1200 o=completed e=90"

static void an_answer_of_slurm_is_followed_to_its_end_or_refused(void **state)
{
    static const struct row_case cases[] = {
        {"errors first",
         "{\"errors\":[{\"error_number\":1007,\"error\":\"bad token\"}],\"jobs\":[]}",
         "! Slurm answered with error 1007: bad token"},
        {"errors last",
         "{\"jobs\":[" GOOD "],\"errors\":[{\"error_number\":{\"set\":true,\"number\":5},"
         "\"description\":\"down\",\"error\":\"x\"}]}",
         GOOD_7 "\n! Slurm answered with error 5: down"},
        {"nothing found", "{\"errors\":[{\"error_number\":9003,\"error\":\"nothing\"}]}", ""},
        {"nothing found and an error",
         "{\"errors\":[{\"error_number\":9003},{\"error_number\":2000}]}",
         "! Slurm answered with error 2000: no text"},
        {"jobs is null", "{\"jobs\":null,\"errors\":[]}", ""},
        {"no list at all", "{\"meta\":{\"jobs\":[]}}", "! the document has no list of jobs"},
        {"two answers", "{\"jobs\":[" GOOD "]}\n{\"jobs\":[" GOOD "]}", GOOD_7 "\n" GOOD_7},
        {"cut in a job", "{\"jobs\":[" GOOD ",{\"job_id\":8",
         GOOD_7 "\n! document cut off at byte 107"},
        {"cut behind a job", "{\"jobs\":[" GOOD, GOOD_7 "\n! document cut off at byte 95"},
        {"cut behind the jobs", "{\"jobs\":[" GOOD "]", GOOD_7 "\n! document cut off at byte 96"},
        {"a bad job among good ones",
         "{\"jobs\":[" GOOD ",{\"job_id\" 8, \"x\":[\"]\"]}," GOOD "]}",
         GOOD_7 "\nB malformed\n" GOOD_7},
        {"a missing comma", "{\"jobs\":[" GOOD " " GOOD "]}",
         GOOD_7 "\n! not JSON at byte 96: a comma or ] expected"},
        {"a comma too many", "{\"jobs\":[" GOOD ",]}",
         GOOD_7 "\n! not JSON at byte 96: a value expected"},
        {"no JSON", "slurmrestd: not found\n",
         "! not JSON at byte 0: a document with a list of jobs expected"},
        {"something behind", "{\"jobs\":[]} HTTP 200",
         "! not JSON at byte 12: a document with a list of jobs expected"},
        {"white space alone", " \n", "! the input is empty where a document is expected"},
        {"nothing", "", "! the input is empty where a document is expected"},
    };

    (void)state;
    run_rows(IMPORT_SLURM_JSON, cases, sizeof cases / sizeof *cases, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_in_all_their_forms),
        cmocka_unit_test(memory_becomes_gib_exactly_or_to_the_nearest_even),
        cmocka_unit_test(memory_is_in_the_one_form_of_decimals),
        cmocka_unit_test(states_of_the_database_are_the_words),
        cmocka_unit_test(rows_with_delimiters_in_names_are_put_right_or_refused),
        cmocka_unit_test(rows_with_newlines_in_names_are_joined_but_never_with_a_row),
        cmocka_unit_test(columns_that_are_missing_are_made_up_for_by_others_or_not_at_all),
        cmocka_unit_test(what_a_row_says_of_its_time_is_taken_as_it_is),
        cmocka_unit_test(jobs_that_never_started_are_told_with_the_tasks_they_stand_for),
        cmocka_unit_test(the_hold_is_found_among_other_comments),
        cmocka_unit_test(naive_times_are_of_the_zone_on_both_sides_of_its_changes),
        cmocka_unit_test(json_fields_are_read_in_every_shape),
        cmocka_unit_test(an_answer_of_slurm_is_followed_to_its_end_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
