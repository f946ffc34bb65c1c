/* The client against servers that answer, and that misbehave in every way a socket allows: the
 * deadline holds, nothing leaks, and only what ledgerd really said is taken for an answer. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "contrib/slurm/client/json.h"
#include "contrib/slurm/client/reply.h"
#include "ledger_client.h"
#include "tests/hook/fake_ledgerd.h"

#include <cmocka.h>

enum { DEADLINE_US = 50000, OVER_MAX = 5 };

/* Under valgrind the servers need more time to misbehave in. */
static int64_t deadline_us(void)
{
    const char *slowdown = getenv("LEDGER_TEST_SLOWDOWN");

    return DEADLINE_US * (slowdown != NULL ? strtoll(slowdown, NULL, 10) : 1);
}

static struct ledger_ask plain_ask(void)
{
    return (struct ledger_ask){.cluster = "sdli",
                               .uid = 20001,
                               .account = "ml",
                               .key = "sl_00112233445566778899aabbccddeeff",
                               .ttl = "1h",
                               .shape = {.nodes = 1, .cpus = 1, .seconds = 60, .parts = 1}};
}

/* Ask within the deadline: returns the answer, and fails if it took too long. */
static struct ledger_answer ask_at(const char *path, int64_t deadline)
{
    struct ledger_client client = {.socket_path = path, .deadline_us = deadline};
    struct ledger_ask ask = plain_ask();
    struct ledger_answer answer;
    int64_t began = ledger_monotonic_us();
    enum ledger_verdict verdict;

    memset(&answer, 'x', sizeof(answer));
    verdict = ledger_hold(&client, &ask, &answer);
    assert_int_equal(verdict, answer.verdict);
    assert_in_range(ledger_monotonic_us() - began, 0, OVER_MAX * deadline);
    return answer;
}

static void assert_trouble(struct ledger_answer answer, enum ledger_trouble trouble)
{
    assert_int_equal(answer.verdict, LEDGER_UNAVAILABLE);
    if (answer.trouble != trouble) {
        fail_msg("trouble %d, not %d: %s", answer.trouble, trouble, answer.message);
    }
    assert_string_not_equal(answer.message, "");
    assert_string_equal(answer.hold, "");
}

/* --- answers -------------------------------------------------------------------------------- */

static void a_hold_is_asked_for_and_taken(void **state)
{
    static struct fake fake; /* its thread outlives a test that fails */
    struct ledger_answer answer;

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_4096\",\"points\":\"96.000000\",\"parts\":1,"
                                    "\"decision\":{\"violated\":[],\"as_of\":null}}"));
    fake_start(&fake, fake_answer);
    answer = ask_at(fake.path, 10 * deadline_us());
    fake_stop(&fake);
    assert_int_equal(answer.verdict, LEDGER_ALLOWED);
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.hold, "h_4096");
    assert_string_equal(answer.points, "96.000000");
    assert_string_equal(answer.message, "");
    assert_string_equal(
        fake_request(&fake),
        "POST /v1/holds HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n"
        "Content-Type: application/json\r\n"
        "Idempotency-Key: sl_00112233445566778899aabbccddeeff\r\nContent-Length: 181\r\n\r\n"
        "{\"cluster\":\"sdli\",\"uid\":20001,\"seconds\":\"60\",\"account\":\"ml\",\"nodes\":\"1\","
        "\"meters\":{\"cpu\":\"1\",\"node\":\"1\"},\"ttl\":\"1h\","
        "\"ref\":{\"kind\":\"slurm\",\"id\":\"sl_00112233445566778899aabbccddeeff\"}}");
}

static void every_status_has_its_meaning(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum ledger_verdict verdict;
        enum ledger_trouble trouble;
        const char *message;
    } cases[] = {
        {200, "{\"hold\":\"h_1\"}", LEDGER_ALLOWED, LEDGER_TROUBLE_NONE, ""},
        {201, "{\"hold\":\"h_1\",\"user_message\":\"low\",\"downgraded_to\":\"low\"}",
         LEDGER_ALLOWED, LEDGER_TROUBLE_NONE, "low"},
        {201, "{\"points\":\"1\"}", LEDGER_UNAVAILABLE, LEDGER_MALFORMED, NULL},
        {402, "{\"detail\":\"long\",\"user_message\":\"short\",\"decision\":{}}", LEDGER_REFUSED,
         LEDGER_TROUBLE_NONE, "short"},
        {402, "{\"detail\":\"long\",\"decision\":{}}", LEDGER_REFUSED, LEDGER_TROUBLE_NONE, "long"},
        {402, "{}", LEDGER_REFUSED, LEDGER_TROUBLE_NONE,
         "the ledger refuses this, and does not say why"},
        {403, "{\"detail\":\"closed\",\"decision\":{}}", LEDGER_REFUSED, LEDGER_TROUBLE_NONE,
         "closed"},
        {403, "{\"user_message\":\"closed\"}", LEDGER_REFUSED, LEDGER_TROUBLE_NONE, "closed"},
        {403, "{\"detail\":\"role submit is needed\",\"decision\":null}", LEDGER_UNAVAILABLE,
         LEDGER_DENIED, "role submit is needed"},
        {401, "{\"detail\":\"who?\"}", LEDGER_UNAVAILABLE, LEDGER_DENIED, "who?"},
        {404, "{\"detail\":\"no such project\"}", LEDGER_REFUSED, LEDGER_TROUBLE_NONE,
         "no such project"},
        {400, "{\"detail\":\"unreadable\"}", LEDGER_REFUSED, LEDGER_TROUBLE_NONE, "unreadable"},
        {503, "{\"user_message\":\"stale\"}", LEDGER_UNAVAILABLE, LEDGER_BUSY, "stale"},
        {500, "<html>", LEDGER_UNAVAILABLE, LEDGER_BUSY, ""},
        {429, "{}", LEDGER_UNAVAILABLE, LEDGER_BUSY, ""},
        {301, "{}", LEDGER_UNAVAILABLE, LEDGER_MALFORMED, NULL},
        {402, "<html>", LEDGER_UNAVAILABLE, LEDGER_MALFORMED, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *bytes = fake_http(cases[i].status, cases[i].body);
        struct ledger_answer answer = {.verdict = LEDGER_UNAVAILABLE, .trouble = LEDGER_MALFORMED};

        assert_int_equal(reply_read(bytes, strlen(bytes), &answer),
                         cases[i].message == NULL ? -1 : 1);
        if (answer.verdict != cases[i].verdict || answer.trouble != cases[i].trouble ||
            (cases[i].message != NULL && strcmp(answer.message, cases[i].message) != 0)) {
            fail_msg("%d %s: verdict %d trouble %d '%s'", cases[i].status, cases[i].body,
                     answer.verdict, answer.trouble, answer.message);
        }
    }
}

/* --- misbehaviour --------------------------------------------------------------------------- */

static void nobody_listens(void **state)
{
    static struct fake fake;

    (void)state;
    fake_listen(&fake, 1);
    close(fake.listener);
    assert_trouble(ask_at(fake.path, deadline_us()), LEDGER_AWAY); /* refused */
    unlink(fake.path);
    assert_trouble(ask_at(fake.path, deadline_us()), LEDGER_AWAY); /* not there */
    assert_trouble(ask_at("/dev/null", deadline_us()), LEDGER_AWAY);
    assert_trouble(ask_at("/tmp/a-path-that-is-longer-than-the-hundred-and-eight-bytes-that-the-"
                          "address-of-a-unix-socket-has-room-for/socket",
                          deadline_us()),
                   LEDGER_AWAY);
    rmdir(fake.folder);
}

/* The queue of those who wait to be accepted is full: connect itself would wait. */
static void a_full_queue_does_not_hold_us(void **state)
{
    static struct fake fake;
    int waiting[8];
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)state;
    fake_listen(&fake, 0);
    memcpy(address.sun_path, fake.path, strlen(fake.path) + 1);
    for (size_t i = 0; i < 8; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }
    assert_trouble(ask_at(fake.path, deadline_us()), LEDGER_TIMEOUT);
    for (size_t i = 0; i < 8; i++) {
        close(waiting[i]);
    }
    fake_unlisten(&fake);
}

static void never_answers(struct fake *fake, int connection)
{
    fake_read(fake, connection);
    while (!fake->stopping) {
        usleep(1000);
    }
}

static void never_reads(struct fake *fake, int connection)
{
    (void)connection;
    while (!fake->stopping) {
        usleep(1000);
    }
}

static void drips(struct fake *fake, int connection)
{
    fake_read(fake, connection);
    for (size_t i = 0; i < fake->length && !fake->stopping; i++) {
        if (send(connection, fake->bytes + i, 1, MSG_NOSIGNAL) != 1) {
            return;
        }
        usleep((useconds_t)(deadline_us() / 20));
    }
}

static void closes_at_once(struct fake *fake, int connection)
{
    (void)fake;
    (void)connection;
}

static void answers_without_end(struct fake *fake, int connection)
{
    static const char lines[] = "X-More: and more\r\n";

    fake_read(fake, connection);
    (void)!send(connection, "HTTP/1.1 200 OK\r\n", 17, MSG_NOSIGNAL);
    while (!fake->stopping && send(connection, lines, sizeof(lines) - 1, MSG_NOSIGNAL) > 0) {
    }
}

static void misbehaviour_is_trouble(void **state)
{
    static const struct {
        void (*serve)(struct fake *fake, int connection);
        const char *bytes;
        enum ledger_trouble trouble;
    } cases[] = {
        {never_answers, "", LEDGER_TIMEOUT},
        {never_reads, "", LEDGER_TIMEOUT},
        {drips, "HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{\"hold\":\"h_1\"}",
         LEDGER_TIMEOUT},
        {closes_at_once, "", LEDGER_AWAY},
        {answers_without_end, "", LEDGER_MALFORMED},
        {fake_answer, "", LEDGER_AWAY},
        {fake_answer, "HTTP/1.1 201 Cre", LEDGER_MALFORMED},
        {fake_answer, "HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{\"hold\":\"h_",
         LEDGER_MALFORMED},
        {fake_answer, "\x01\x02garbage\xff\xfe\r\n\r\n", LEDGER_MALFORMED},
        {fake_answer, "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", LEDGER_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct fake fake;

        fake_says(&fake, cases[i].bytes);
        fake_start(&fake, cases[i].serve);
        assert_trouble(ask_at(fake.path, deadline_us()), cases[i].trouble);
        fake_stop(&fake);
    }
}

static void a_huge_answer_is_not_read_to_its_end(void **state)
{
    static struct fake fake;
    char *body = malloc(200000);

    (void)state;
    memset(body, ' ', 200000);
    memcpy(body, "HTTP/1.1 200 OK\r\nContent-Length: 199000\r\n\r\n", 43);
    fake.bytes = body;
    fake.length = 200000;
    fake_start(&fake, fake_answer);
    assert_trouble(ask_at(fake.path, deadline_us()), LEDGER_MALFORMED);
    fake_stop(&fake);
    free(body);
}

/* Sending to who has left raises a signal, which would end slurmctld. */
static void a_server_that_leaves_kills_nobody(void **state)
{
    static struct fake fake;

    (void)state;
    fake_start(&fake, closes_at_once);
    for (int i = 0; i < 500; i++) {
        assert_trouble(ask_at(fake.path, deadline_us()), LEDGER_AWAY);
    }
    fake_stop(&fake);
}

static void drips_fast(struct fake *fake, int connection)
{
    fake_read(fake, connection);
    for (size_t i = 0; i < fake->length; i++) {
        (void)!send(connection, fake->bytes + i, 1, MSG_NOSIGNAL);
    }
}

static void an_answer_in_pieces_is_an_answer(void **state)
{
    static struct fake fake;
    struct ledger_answer answer;

    (void)state;
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_77\"}"));
    fake_start(&fake, drips_fast);
    answer = ask_at(fake.path, 20 * deadline_us());
    fake_stop(&fake);
    assert_int_equal(answer.verdict, LEDGER_ALLOWED);
    assert_string_equal(answer.hold, "h_77");
}

/* ledgerd may answer before it has read everything, and close. */
static void answers_unread(struct fake *fake, int connection)
{
    (void)!send(connection, fake->bytes, fake->length, MSG_NOSIGNAL);
    shutdown(connection, SHUT_RDWR);
    usleep(20000);
}

static void an_early_answer_is_read(void **state)
{
    static struct fake fake;
    struct ledger_answer answer;

    (void)state;
    fake_says(&fake, fake_http(503, "{\"detail\":\"ending\"}"));
    fake_start(&fake, answers_unread);
    answer = ask_at(fake.path, 10 * deadline_us());
    fake_stop(&fake);
    assert_int_equal(answer.verdict, LEDGER_UNAVAILABLE);
    assert_true(answer.trouble == LEDGER_BUSY || answer.trouble == LEDGER_AWAY);
}

static void on_alarm(int number)
{
    (void)number;
}

/* A signal every millisecond must neither end the wait nor start it anew. */
static void signals_do_not_move_the_deadline(void **state)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {.it_interval = {0, 1000}, .it_value = {0, 1000}};
    struct itimerval never = {0};
    static struct fake fake;
    int64_t began;

    (void)state;
    fake_says(&fake, "");
    fake_start(&fake, never_answers);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    began = ledger_monotonic_us();
    assert_trouble(ask_at(fake.path, deadline_us()), LEDGER_TIMEOUT);
    setitimer(ITIMER_REAL, &never, NULL);
    assert_true(ledger_monotonic_us() - began >= deadline_us());
    fake_stop(&fake);
}

static int open_descriptors(void)
{
    int count = 0;

    for (int i = 0; i < 256; i++) {
        count += fcntl(i, F_GETFD) != -1;
    }
    return count;
}

static void no_descriptor_is_left_open(void **state)
{
    static struct fake fake;
    int before = open_descriptors();

    (void)state;
    misbehaviour_is_trouble(NULL);
    nobody_listens(NULL);
    fake_says(&fake, fake_http(201, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    for (int i = 0; i < 20; i++) {
        ask_at(fake.path, 10 * deadline_us());
    }
    fake_stop(&fake);
    assert_int_equal(open_descriptors(), before);
}

/* --- what is sent --------------------------------------------------------------------------- */

static void names_that_do_not_fit_are_refused_unasked(void **state)
{
    struct ledger_client client = {.socket_path = "/nowhere", .deadline_us = deadline_us()};
    struct ledger_ask ask = plain_ask();
    struct ledger_answer answer;
    char *partitions = malloc(100000);

    (void)state;
    memset(partitions, 'p', 99999);
    partitions[99999] = '\0';
    ask.partition = partitions;
    assert_int_equal(ledger_hold(&client, &ask, &answer), LEDGER_REFUSED);
    assert_string_equal(answer.message, "the names of account, QOS and partitions are too long");
    free(partitions);
}

static void a_key_cannot_bring_headers_along(void **state)
{
    static const char *const keys[] = {"a\r\nX: y", "a b", "", "\xc3\xa4", "a%2F"};
    static struct fake fake;
    struct ledger_client client = {.deadline_us = deadline_us()};
    struct ledger_ask ask = plain_ask();
    struct ledger_answer answer;

    (void)state;
    fake_says(&fake, fake_http(200, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    client.socket_path = fake.path;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        ask.key = keys[i];
        assert_int_equal(ledger_hold(&client, &ask, &answer), LEDGER_UNAVAILABLE);
        assert_int_equal(ledger_release(&client, keys[i], &answer), LEDGER_UNAVAILABLE);
    }
    assert_int_equal(fake.connections, 0);
    fake_stop(&fake);
}

static void release_and_modify_say_what_they_must(void **state)
{
    static struct fake fake;
    struct ledger_client client = {.deadline_us = 10 * deadline_us()};
    struct ledger_ask ask = plain_ask();
    struct ledger_answer answer;

    (void)state;
    fake_says(&fake, fake_http(200, "{\"hold\":\"h_1\"}"));
    fake_start(&fake, fake_answer);
    client.socket_path = fake.path;
    assert_int_equal(ledger_release(&client, "sdli/12@7", &answer), LEDGER_ALLOWED);
    assert_memory_equal(fake_request(&fake), "POST /v1/holds/key:sdli%2F12@7/release HTTP/1.1\r\n",
                        40);
    assert_int_equal(ledger_modify(&client, &ask, &answer), LEDGER_UNAVAILABLE);
    ask.modifies = "12_3";
    assert_int_equal(ledger_modify(&client, &ask, &answer), LEDGER_ALLOWED);
    assert_null(strstr(fake_request(&fake), "Idempotency-Key"));
    assert_non_null(strstr(fake_request(&fake), "\"modifies\":\"12_3\""));
    fake_stop(&fake);
}

static void keys_are_random_and_plain(void **state)
{
    char first[LEDGER_KEY_BYTES];
    char second[LEDGER_KEY_BYTES];

    (void)state;
    assert_int_equal(ledger_key_make(first), 0);
    assert_int_equal(ledger_key_make(second), 0);
    assert_int_equal(strlen(first), 35);
    assert_int_equal(strncmp(first, "sl_", 3), 0);
    assert_int_equal(strspn(first + 3, "0123456789abcdef"), 32);
    assert_string_not_equal(first, second);
}

/* --- the reader of answers ------------------------------------------------------------------ */

static void heads_that_mean_two_things_are_none(void **state)
{
    static const struct {
        const char *bytes;
        int result;
    } cases[] = {
        {"HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{\"hold\":\"h_1\"}", 1},
        {"HTTP/1.1 201 Created\r\ncontent-LENGTH:14 \r\n\r\n{\"hold\":\"h_1\"}", 1},
        {"HTTP/1.0 201\r\nContent-Length: 14\r\n\r\n{\"hold\":\"h_1\"}", 1},
        {"HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{\"hold\":\"h_1\"", 0},
        {"HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r", 0},
        {"", 0},
        {"HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{\"hold\":\"h_1\"}x", -1},
        {"HTTP/1.1 201 Created\r\n\r\n{\"hold\":\"h_1\"}", -1},
        {"HTTP/1.1 201 Created\r\nContent-Length: 14\r\nContent-Length: "
         "14\r\n\r\n{\"hold\":\"h_1\"}",
         -1},
        {"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -1},
        {"HTTP/1.1 201 Created\r\nContent-Length: 14\r\n X: y\r\n\r\n{\"hold\":\"h_1\"}", -1},
        {"HTTP/1.1 201 Created\r\nContent-Length: +14\r\n\r\n{\"hold\":\"h_1\"}", -1},
        {"HTTP/1.1 201 Created\r\nContent-Length: 1 4\r\n\r\n{\"hold\":\"h_1\"}", -1},
        {"HTTP/1.1 201 Created\r\nContent-Length: \r\n\r\n", -1},
        {"HTTP/1.1 201 Created\r\nContent-Length: 99999999999999999999\r\n\r\n", -1},
        {"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", -1},
        {"HTTP/1.1 20 Created\r\nContent-Length: 0\r\n\r\n", -1},
        {"HTTP/2.0 201 Created\r\nContent-Length: 14\r\n\r\n{\"hold\":\"h_1\"}", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ledger_answer answer;
        if (reply_read(cases[i].bytes, strlen(cases[i].bytes), &answer) != cases[i].result) {
            fail_msg("not %d: %s", cases[i].result, cases[i].bytes);
        }
    }
}

static void only_json_is_read_as_json(void **state)
{
    static const struct {
        const char *text;
        const char *hold; /* NULL: no JSON, or not what is wanted */
    } cases[] = {
        {"{}", ""},
        {" { \"hold\" : \"h\" , \"a\":[1,-0.5e+3,true,false,null,{\"b\":[[]]}]} ", "h"},
        {"{\"hold\":null}", ""},
        {"{\"a\":{\"hold\":\"inner\"},\"hold\":\"outer\"}", "outer"},
        {"{\"hold\":\"\\u00e9\\ud83d\\ude00\\n\\u0007\\u0085\xe2\x80\xae.\"}",
         "\xc3\xa9\xf0\x9f\x98\x80    ."},
        {"{\"hold\":\"h\",\"hold\":\"i\"}", NULL},
        {"{\"hold\":1}", NULL},
        {"{\"hold\":\"\\ud83d\"}", NULL},
        {"{\"hold\":\"\\udc00\"}", NULL},
        {"{\"hold\":\"\xff\"}", NULL},
        {"{\"hold\":\"\xc0\x80\"}", NULL},
        {"{\"hold\":\"\n\"}", NULL},
        {"{\"hold\":\"\\x\"}", NULL},
        {"{\"hold\":\"h\"", NULL},
        {"{\"hold\":\"h\"}}", NULL},
        {"{\"hold\":\"h\",}", NULL},
        {"{\"a\":01}", NULL},
        {"{\"a\":1.}", NULL},
        {"{\"a\":+1}", NULL},
        {"{\"a\":tru}", NULL},
        {"{\"a\":[1,]}", NULL},
        {"{a:1}", NULL},
        {"[]", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char hold[64];
        struct json_member member = {"hold", hold, sizeof(hold), false};
        int result = json_read(cases[i].text, strlen(cases[i].text), &member, 1);

        if (result != (cases[i].hold == NULL ? -1 : 0) ||
            (result == 0 && strcmp(hold, cases[i].hold) != 0)) {
            fail_msg("%s: %d '%s'", cases[i].text, result, hold);
        }
    }
}

static void depth_is_bounded(void **state)
{
    enum { DEEP = 100000 };
    char *text = malloc(2 * DEEP + 16);
    struct json_member member = {"hold", NULL, 0, false};

    (void)state;
    for (int depth = 1; depth <= DEEP; depth = depth < 40 ? depth + 1 : depth * 10) {
        size_t length = (size_t)snprintf(text, 16, "{\"a\":");
        memset(text + length, '[', (size_t)depth);
        memset(text + length + depth, ']', (size_t)depth);
        memcpy(text + length + 2 * depth, "}", 2);
        assert_int_equal(json_read(text, strlen(text), &member, 1),
                         depth < JSON_DEPTH_MAX ? 0 : -1);
    }
    free(text);
}

static void long_messages_end_with_a_whole_character(void **state)
{
    char body[4096] = "{\"user_message\":\"";
    struct ledger_answer answer;
    const char *bytes;

    (void)state;
    for (int i = 0; i < 400; i++) {
        strcat(body, "\xe7\x82\xb9"); /* three bytes: 511 is no multiple of it */
    }
    strcat(body, "\"}");
    bytes = fake_http(402, body);
    assert_int_equal(reply_read(bytes, strlen(bytes), &answer), 1);
    assert_int_equal(strlen(answer.message), 510);
    assert_string_equal(answer.message + 507, "\xe7\x82\xb9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_is_asked_for_and_taken),
        cmocka_unit_test(every_status_has_its_meaning),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(a_full_queue_does_not_hold_us),
        cmocka_unit_test(misbehaviour_is_trouble),
        cmocka_unit_test(a_huge_answer_is_not_read_to_its_end),
        cmocka_unit_test(a_server_that_leaves_kills_nobody),
        cmocka_unit_test(an_answer_in_pieces_is_an_answer),
        cmocka_unit_test(an_early_answer_is_read),
        cmocka_unit_test(signals_do_not_move_the_deadline),
        cmocka_unit_test(no_descriptor_is_left_open),
        cmocka_unit_test(names_that_do_not_fit_are_refused_unasked),
        cmocka_unit_test(a_key_cannot_bring_headers_along),
        cmocka_unit_test(release_and_modify_say_what_they_must),
        cmocka_unit_test(keys_are_random_and_plain),
        cmocka_unit_test(heads_that_mean_two_things_are_none),
        cmocka_unit_test(only_json_is_read_as_json),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(long_messages_end_with_a_whole_character),
    };

    return cmocka_run_group_tests_name("ledger_client", tests, NULL, NULL);
}
