/* The configuration file: every mistake is found and named by its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledgerd/base/conf.h"
#include "ledgerd/base/conf_address.h"
#include "ledgerd/base/ini.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void defaults_are_those_of_the_contract(void **state)
{
    struct conf conf;

    (void)state;
    assert_int_equal(conf_parse("x", "", &conf, NULL), 0);
    assert_string_equal(conf.database_url, "");
    assert_int_equal(conf.database_connections, 4);
    assert_int_equal(conf.listen_count, 1);
    assert_string_equal(conf.listen[0].host, "127.0.0.1");
    assert_int_equal(conf.listen[0].port, 8080);
    assert_string_equal(conf.unix_path, "");
    assert_int_equal(conf.http_threads, 1);
    assert_int_equal(conf.http_max_connections, 2000);
    assert_int_equal(conf.http_max_body_bytes, 8388608);
    assert_int_equal(conf.http_idle_timeout_us, 30000000);
    assert_int_equal(conf.http_max_staleness_us, 60000000);
    assert_int_equal(conf.log_level, LOG_LEVEL_INFO);
    assert_false(conf.log_json);
    conf_release(&conf);
    conf_release(&conf);
}

static void settings_are_read(void **state)
{
    static const char text[] = "; a comment\r\n"
                               "  # another\n"
                               "[database]\n"
                               "url = host=/run/pg password=a;b#c = d\r\n"
                               "\tconnections=7\n"
                               "[ http ]\n"
                               "listen = 127.0.0.1:1, [::1]:0 localhost:65535\n"
                               "unix=/run/l.sock\n"
                               "max_staleness = 90s\n"
                               "[log]\nlevel=debug\nformat=json\n"
                               "[auth]\nmode = none\n"
                               "[slurm sdli]\n"
                               "partition.gpu-long = gpu\n"
                               "account.geo.phys = hp270032\n"
                               "[tokens gateway:sdli]\n"
                               "model.llama3:8b = meta/llama-3-8b\n"
                               "model.gpu-long = m";
    struct conf conf;
    struct error err;

    (void)state;
    assert_int_equal(conf_parse("x", text, &conf, &err), 0);
    assert_string_equal(conf.database_url, "host=/run/pg password=a;b#c = d");
    assert_int_equal(conf.database_connections, 7);
    assert_int_equal(conf.listen_count, 3);
    assert_string_equal(conf.listen[1].host, "::1");
    assert_int_equal(conf.listen[2].port, 65535);
    assert_string_equal(conf.unix_path, "/run/l.sock");
    assert_int_equal(conf.http_max_staleness_us, 90000000);
    assert_int_equal(conf.log_level, LOG_LEVEL_DEBUG);
    assert_true(conf.log_json);
    assert_string_equal(conf_name_find(&conf, CONF_NAME_CLASS, "slurm:sdli", "gpu-long"), "gpu");
    assert_string_equal(conf_name_find(&conf, CONF_NAME_PROJECT, "slurm:sdli", "geo.phys"),
                        "hp270032");
    assert_string_equal(conf_name_find(&conf, CONF_NAME_CLASS, "gateway:sdli", "llama3:8b"),
                        "meta/llama-3-8b");
    assert_string_equal(conf_name_find(&conf, CONF_NAME_CLASS, "gateway:sdli", "gpu-long"), "m");
    assert_null(conf_name_find(&conf, CONF_NAME_PROJECT, "slurm:sdli", "gpu-long"));
    assert_null(conf_name_find(&conf, CONF_NAME_CLASS, "slurm:other", "gpu-long"));
    conf_release(&conf);
}

static void sources_have_their_lag(void **state)
{
    static const char text[] = "[slurm a]\n[slurm b]\nlag = 2d\n[tokens gateway:c]\nmodel.x = y\n"
                               "[tokens d]\nlag = 0s\n[slurm a]\naccount.x = y\n";
    static const struct {
        const char *source;
        int64_t lag_seconds;
    } rows[] = {{"slurm:a", 86400}, {"slurm:b", 2 * 86400}, {"gateway:c", 3600}, {"d", 0}};
    struct conf conf;
    struct error err;

    (void)state;
    assert_int_equal(conf_parse("x", text, &conf, &err), 0);
    assert_int_equal(conf.source_count, COUNT(rows));
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct conf_source *source = conf_source_find(&conf, rows[i].source);

        assert_non_null(source);
        assert_int_equal(source->lag_us, rows[i].lag_seconds * 1000000);
    }
    assert_null(conf_source_find(&conf, "a"));
    conf_release(&conf);
}

static void tokens_are_pulled_as_their_section_says(void **state)
{
    static const char text[] =
        "[tokens gateway:a]\n"
        "[tokens gateway:b]\nmode = file\npath = /var/log/b.jsonl\nformat = envoy\ninterval = 2s\n"
        "project = h1\nuser = u1\naggregate = none\n"
        "[tokens c]\nmode = http\nurl = https://c/usage\ntoken_file = /etc/t\ntimeout = 9s\n";
    struct conf conf;
    struct error err;

    (void)state;
    assert_int_equal(conf_parse("x", text, &conf, &err), 0);
    assert_int_equal(conf.sources[0].mode, CONF_PULL_NONE);
    assert_int_equal(conf.sources[0].interval_us, 10000000);
    assert_int_equal(conf.sources[0].timeout_us, 60000000);
    assert_string_equal(conf.sources[0].format, "ledger");
    assert_int_equal(conf.sources[1].mode, CONF_PULL_FILE);
    assert_string_equal(conf.sources[1].path, "/var/log/b.jsonl");
    assert_string_equal(conf.sources[1].format, "envoy");
    assert_int_equal(conf.sources[1].interval_us, 2000000);
    assert_string_equal(conf.sources[1].project, "h1");
    assert_string_equal(conf.sources[1].user, "u1");
    assert_int_equal(conf.sources[2].mode, CONF_PULL_HTTP);
    assert_string_equal(conf.sources[2].url, "https://c/usage");
    assert_string_equal(conf.sources[2].token_file, "/etc/t");
    assert_int_equal(conf.sources[2].timeout_us, 9000000);
    conf_release(&conf);
}

static void clusters_are_pulled_as_their_section_says(void **state)
{
    static const char text[] =
        "[slurm a]\n[slurm b]\nmode = slurmrestd\ninterval = 2s\n"
        "overlap = 0s\ntimeout = 9s\ncommand = /opt/bin/sacct\nurl = http://x:1\n"
        "token_file = /t\nsince = 2027-06-01T00:00:00+09:00\n"
        "enforce = requeue:low\npending_share = 0.25\npending_ttl = 3d\n"
        "[slurm c]\nmode = sacct\nenforce = hold\npending_share = 1.0\n";
    const struct conf_source *source;
    struct conf conf;
    struct error err;

    (void)state;
    assert_int_equal(conf_parse("x", text, &conf, &err), 0);
    source = conf_source_find(&conf, "slurm:a");
    assert_int_equal(source->mode, CONF_PULL_NONE);
    assert_int_equal(source->interval_us, 60 * INSTANT_SECOND_US);
    assert_int_equal(source->overlap_us, 3600 * INSTANT_SECOND_US);
    assert_int_equal(source->timeout_us, 300 * INSTANT_SECOND_US);
    assert_string_equal(source->command, "");
    assert_string_equal(source->url, "");
    assert_string_equal(source->token_file, "");
    assert_false(instant_is_set(source->since));
    assert_int_equal(source->enforce, CONF_ENFORCE_NONE);
    assert_string_equal(source->enforce_qos, "");
    assert_int_equal(source->pending_share_ppm, 1000000);
    assert_int_equal(source->pending_ttl_us, 0);
    source = conf_source_find(&conf, "slurm:b");
    assert_int_equal(source->mode, CONF_PULL_SLURMRESTD);
    assert_int_equal(source->interval_us, 2 * INSTANT_SECOND_US);
    assert_int_equal(source->overlap_us, 0);
    assert_int_equal(source->timeout_us, 9 * INSTANT_SECOND_US);
    assert_string_equal(source->command, "/opt/bin/sacct");
    assert_string_equal(source->url, "http://x:1");
    assert_string_equal(source->token_file, "/t");
    assert_int_equal(source->since.us, INT64_C(1811775600) * INSTANT_SECOND_US);
    assert_int_equal(source->enforce, CONF_ENFORCE_REQUEUE);
    assert_string_equal(source->enforce_qos, "low");
    assert_int_equal(source->pending_share_ppm, 250000);
    assert_int_equal(source->pending_ttl_us, 3 * 86400 * INSTANT_SECOND_US);
    source = conf_source_find(&conf, "slurm:c");
    assert_int_equal(source->mode, CONF_PULL_SACCT);
    assert_int_equal(source->enforce, CONF_ENFORCE_HOLD);
    assert_int_equal(source->pending_share_ppm, 1000000);
    conf_release(&conf);
}

static void mistakes_are_named_by_their_line(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"[database]\n\nurll = x\n", "x.conf:3: section [database] has no setting 'urll'"},
        {"[databse]\n", "x.conf:1: unknown section [databse]"},
        {"[slurm]\n", "x.conf:1: unknown section [slurm]"},
        {"[slurm ]\n", "x.conf:1: unknown section [slurm]"},
        {"url = x\n", "x.conf:1: section [] has no setting 'url'"},
        {"[http]\nthreads = 0\n", "x.conf:2: threads must be"},
        {"[http]\nthreads = -1\n", "x.conf:2: threads must be"},
        {"[http]\nthreads = 1 ; one\n", "x.conf:2: threads must be"},
        {"[http]\nidle_timeout = 30\n", "x.conf:2: idle_timeout must be a duration"},
        {"[http]\nidle_timeout = 0s\n", "x.conf:2: idle_timeout must be a duration"},
        {"[http]\nlisten = 8080\n", "x.conf:2: listen must be HOST:PORT"},
        {"[http]\nlisten = a:1\nlisten = b:2\n", "x.conf:3: listen is set twice"},
        {"[http]\n[log]\nlevel = loud\n", "x.conf:3: level must be"},
        {"[log]\nformat = xml\n", "x.conf:2: format must be"},
        {"[http\nthreads = 1\n", "x.conf:1: a section is written [name]"},
        {"[http]\nthreads\n", "x.conf:2: neither"},
        {"[http]\n= 5\n", "x.conf:2: no key"},
        {"[auth]\njwks = /k\n", "x.conf:2: jwks is not yet possible"},
        {"[auth]\nissuer = i\n", "x.conf:2: issuer is not yet possible"},
        {"[auth]\naudience = a\n", "x.conf:2: audience is not yet possible"},
        {"[auth]\nmode = maybe\n", "x.conf:2: mode must be required or none"},
        {"[slurm a]\ninterval = 0s\n", "x.conf:2: interval must be a duration"},
        {"[slurm a]\ninterval = 2d\n", "x.conf:2: interval must be a duration"},
        {"[slurm a]\noverlap = 367d\n", "x.conf:2: overlap must be a duration"},
        {"[slurm a]\nmode = sreport\n", "x.conf:2: mode must be sacct or slurmrestd"},
        {"[slurm a]\nsince = 2027-06-01\n", "x.conf:2: since must be an RFC 3339 time"},
        {"[slurm a]\nenforce = requeue:\n", "x.conf:2: enforce must be none, hold or"},
        {"[slurm a]\nenforce = kill\n", "x.conf:2: enforce must be none, hold or"},
        {"[slurm a]\npending_share = 1.000001\n", "x.conf:2: pending_share must be a fraction"},
        {"[slurm a]\npending_share = 0.1234567\n", "x.conf:2: pending_share must be a fraction"},
        {"[slurm a]\npending_share = .5\n", "x.conf:2: pending_share must be a fraction"},
        {"[slurm a]\npending_share = 0.\n", "x.conf:2: pending_share must be a fraction"},
        {"[tokens a]\npending_ttl = 1h\n", "x.conf:2: section [tokens a] has no setting"},
        {"[slurm a]\nlag = 2\n", "x.conf:2: lag must be a duration"},
        {"[slurm a]\nlag = 367d\n", "x.conf:2: lag must be a duration"},
        {"[tokens a]\nmode = sacct\n", "x.conf:2: mode must be file or http"},
        {"[slurm a]\nmode = file\n", "x.conf:2: mode must be sacct or slurmrestd"},
        {"[slurm a]\npath = x\n", "x.conf:2: section [slurm a] has no setting 'path'"},
        {"[tokens a]\ninterval = 2d\n", "x.conf:2: interval must be a duration"},
        {"[tokens a]\naggregate = hour\n", "x.conf:2: aggregate must be none or minute"},
        {"[tokens a]\naggregate = minute\n", "x.conf:2: aggregate minute is not yet possible"},
        {"[slurm a]\nmodel.x = y\n", "x.conf:2: section [slurm a] has no setting 'model.x'"},
        {"[slurm a]\npartition. = y\n", "x.conf:2: section [slurm a] has no setting 'partition.'"},
        {"[slurm a]\npartition.x =\n", "x.conf:2: partition.x must not be empty"},
        {"[slurm a]\npartition.x = 1\npartition.x = 2\n", "x.conf: 'x' of slurm:a is mapped twice"},
    };
    struct conf conf;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(conf_parse("x.conf", rows[i].text, &conf, &err), -1);
        assert_int_equal(err.code, ERROR_INPUT);
        if (strncmp(err.text, rows[i].message, strlen(rows[i].message)) != 0) {
            fail_msg("wanted '%s...', got '%s'", rows[i].message, err.text);
        }
    }
}

static void overlong_lines_are_refused_not_cut(void **state)
{
    static char text[2 * INI_LINE_BYTES];
    struct conf conf;
    struct error err;

    (void)state;
    strcpy(text, "[database]\nurl = ");
    memset(text + strlen(text), 'x', INI_LINE_BYTES);
    assert_int_equal(conf_parse("x.conf", text, &conf, &err), -1);
    assert_non_null(strstr(err.text, "x.conf:2: the line is longer than"));
}

static void files_and_the_environment(void **state)
{
    char path[] = "/tmp/test_conf.XXXXXX";
    int file = mkstemp(path);
    FILE *stream = fdopen(file, "w");
    struct conf conf;
    struct error err;

    (void)state;
    fputs("[database]\nurl = from-file\n", stream);
    fclose(stream);
    unsetenv("LEDGER_DB");
    assert_int_equal(conf_load(path, &conf, &err), 0);
    assert_string_equal(conf.database_url, "from-file");
    conf_release(&conf);
    setenv("LEDGER_DB", "from-environment", 1);
    assert_int_equal(conf_load(path, &conf, &err), 0);
    assert_string_equal(conf.database_url, "from-environment");
    conf_release(&conf);
    remove(path);
    assert_int_equal(conf_load(path, &conf, &err), -1);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(conf_load("/", &conf, &err), -1);
    assert_int_equal(err.code, ERROR_INPUT);
    conf_release(&conf);
    unsetenv("LEDGER_DB");
}

static void only_loopback_is_loopback(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } rows[] = {{"127.0.0.1:1", true},
                {"127.9.9.9:1", true},
                {"localhost:1", true},
                {"LOCALHOST:1", true},
                {"[::1]:1", true},
                {"0.0.0.0:1", false},
                {"[::]:1", false},
                {"10.0.0.1:1", false},
                {"128.0.0.1:1", false},
                {"localhost.example.org:1", false},
                {"[::ffff:10.0.0.1]:1", false},
                {"*:1", false}};
    static const char *const bad[] = {"",        "host",     ":1",   "host:",  "host:65536",
                                      "host:-1", "::1:8080", "[]:1", "host:1x"};
    struct conf_address address;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(conf_address_parse(rows[i].text, &address), 0);
        assert_int_equal(conf_address_is_loopback(&address), rows[i].loopback);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(conf_address_parse(bad[i], &address), -1);
    }
}

static void who_listens_beyond_loopback_asks_who_calls(void **state)
{
    static const struct {
        const char *text;
        int result;
        bool required;
    } rows[] = {
        {"", 0, false},
        {"[http]\nlisten =\nunix = /run/l.sock\n", 0, false},
        {"[http]\nlisten = [::1]:1 localhost:2\n", 0, false},
        {"[auth]\nmode = none\n", 0, false},
        {"[auth]\nmode = required\n", 0, true},
        {"[http]\nlisten = 127.0.0.1:1 0.0.0.0:1\n", 0, true},
        {"[http]\nlisten = [::]:1\n[auth]\nmode = required\n", 0, true},
        {"[http]\nlisten = ledger.example.org:1\n", 0, true},
        {"[http]\nlisten = 192.0.2.1:1\n[auth]\nmode = none\n", -1, false},
        {"[http]\ntls_key = /k\n", -1, false},
        {"[http]\ntls_certificate = /c\n", -1, false},
        {"[http]\ntls_certificate = /c\ntls_key = /k\n", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err = {0};
        struct conf conf;
        bool required = false;

        assert_int_equal(conf_parse("x.conf", rows[i].text, &conf, &err), 0);
        assert_int_equal(conf_auth_is_required(&conf, &required, &err), rows[i].result);
        assert_int_equal(required, rows[i].required);
        assert_int_equal(err.code, rows[i].result == 0 ? ERROR_NONE : ERROR_ARGUMENT);
        conf_release(&conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(sources_have_their_lag),
        cmocka_unit_test(clusters_are_pulled_as_their_section_says),
        cmocka_unit_test(tokens_are_pulled_as_their_section_says),
        cmocka_unit_test(mistakes_are_named_by_their_line),
        cmocka_unit_test(overlong_lines_are_refused_not_cut),
        cmocka_unit_test(files_and_the_environment),
        cmocka_unit_test(only_loopback_is_loopback),
        cmocka_unit_test(who_listens_beyond_loopback_asks_who_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
