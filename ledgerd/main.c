/* ledgerd - the daemon of the book of usage points. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "importers/threads_puller.h"
#include "ledgerd/base/conf.h"
#include "ledgerd/base/conf_address.h"
#include "ledgerd/base/log.h"
#include "ledgerd/base/parse.h"
#include "ledgerd/flow/engine.h"
#include "ledgerd/flow/expirer.h"
#include "ledgerd/flow/sealer.h"
#include "ledgerd/flow/session.h"
#include "ledgerd/http/server.h"

struct options {
    const char *conf_path;
    size_t listen_count;
    struct conf_address listen[CONF_LISTEN_MAX];
    const char *unix_path;
    struct instant now; /* INSTANT_NONE: the real time */
    bool help;
};

static const char USAGE[] =
    "usage: ledgerd [-c FILE] [--listen HOST:PORT]... [--unix PATH] [--now T]\n"
    "\n"
    "  -c, --config FILE    configuration; default /etc/ledger/ledgerd.conf if it is there\n"
    "      --listen H:P     listen there instead of where the configuration says; may be "
    "repeated;\n"
    "                       port 0 takes a free one. Beyond loopback callers must show a token\n"
    "      --unix PATH      listen on a Unix socket as well\n"
    "      --now T          pretend that the process starts at T (RFC 3339); sandbox databases "
    "only\n"
    "  -h, --help           this text\n"
    "\n"
    "LEDGER_DB (a libpq conninfo or URI) overrides the configured database, LEDGER_NOW is --now.\n";

static int take_listen(struct options *options, const char *text, struct error *err)
{
    if (options->listen_count == CONF_LISTEN_MAX ||
        conf_address_parse(text, &options->listen[options->listen_count]) != 0) {
        return error_set(err, ERROR_ARGUMENT, "--listen %s: not HOST:PORT, or one too many", text);
    }
    options->listen_count++;
    return 0;
}

static int take_now(struct options *options, const char *text, struct error *err)
{
    if (parse_rfc3339(text, strlen(text), &options->now) != 0) {
        return error_set(err, ERROR_ARGUMENT, "--now %s: not an RFC 3339 time with offset", text);
    }
    return 0;
}

static int take_option(struct options *options, int letter, const char *word, struct error *err)
{
    switch (letter) {
    case 'c':
        options->conf_path = optarg;
        return 0;
    case 'l':
        return take_listen(options, optarg, err);
    case 'u':
        options->unix_path = optarg;
        return 0;
    case 'n':
        return take_now(options, optarg, err);
    case 'h':
        options->help = true;
        return 0;
    default:
        return error_set(err, ERROR_ARGUMENT,
                         "%s: not an option, or its value is missing (see --help)", word);
    }
}

static int parse_options(int argc, char **argv, struct options *options, struct error *err)
{
    static const struct option table[] = {
        {"config", required_argument, NULL, 'c'}, {"listen", required_argument, NULL, 'l'},
        {"unix", required_argument, NULL, 'u'},   {"now", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int letter;

    *options = (struct options){.now = INSTANT_NONE};
    opterr = 0;
    while ((letter = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
        if (take_option(options, letter, argv[optind - 1], err) != 0) {
            return -1;
        }
    }
    if (optind < argc) {
        return error_set(err, ERROR_ARGUMENT, "%s: ledgerd takes no arguments (see --help)",
                         argv[optind]);
    }
    return 0;
}

/* Lay what the command line says over the configuration. */
static int overlay_options(const struct options *options, struct conf *conf, struct error *err)
{
    if (options->listen_count > 0) {
        memcpy(conf->listen, options->listen, sizeof(conf->listen));
        conf->listen_count = options->listen_count;
    }
    if (options->unix_path != NULL) {
        char *path = strdup(options->unix_path);
        if (path == NULL) {
            return error_set(err, ERROR_INTERNAL, "out of memory");
        }
        free(conf->unix_path);
        conf->unix_path = path;
    }
    log_configure(conf->log_level, conf->log_json);
    return 0;
}

/* Read the configuration, look at the database once (its schema must be this program's), set the
 * clock. */
static int open_session(const struct options *options, struct session *session, struct error *err)
{
    const struct session_options wanted = {
        .conf_path = options->conf_path, .pretended = options->now, .role = STORE_REPORT};

    return session_open(&wanted, session, err) != 0 ? -1
                                                    : overlay_options(options, &session->conf, err);
}

/* Signals are taken by sigwait alone: block them before any thread exists. */
static void block_signals(sigset_t *signals)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* A reverse proxy that ends TLS on this machine needs loopback alone, so this is meant for people.
 */
static void warn_of_plain_tokens(const struct conf *conf)
{
    if (conf_listens_beyond(conf) && conf->http_tls_key[0] == '\0') {
        log_event(LOG_LEVEL_WARNING, "listening-without-tls", "why",
                  "tokens cross the network readable: set [http] tls_certificate and tls_key",
                  NULL);
    }
}

static void announce(const struct server *server)
{
    for (size_t i = 0; server_address(server, i) != NULL; i++) {
        log_event(LOG_LEVEL_INFO, "listening", "address", server_address(server, i), NULL);
    }
    sd_notify(0, "READY=1");
}

static void wait_for_end(const sigset_t *signals)
{
    int number = 0;

    while (sigwait(signals, &number) != 0) {
    }
    log_event(LOG_LEVEL_INFO, "stopping", "signal", number == SIGTERM ? "TERM" : "INT", NULL);
    sd_notify(0, "STOPPING=1");
}

int main(int argc, char **argv)
{
    struct options options;
    struct session session = {0};
    struct engine *engine = NULL;
    struct expirer *expirer = NULL;
    struct sealer *sealer = NULL;
    struct server *server = NULL;
    struct pullers *pullers = NULL;
    struct error err = {0};
    sigset_t signals;

    if (parse_options(argc, argv, &options, &err) != 0) {
        goto done;
    }
    if (options.help) {
        fputs(USAGE, stdout);
        return 0;
    }
    block_signals(&signals);
    if (open_session(&options, &session, &err) != 0) {
        goto done;
    }
    const struct conf *conf = &session.conf;
    engine = engine_create(conf->database_url, conf->http_max_staleness_us, &err);
    if (engine == NULL) {
        goto done;
    }
    expirer = expirer_start(conf->database_url, &err);
    if (expirer == NULL) {
        goto done;
    }
    sealer = sealer_start(conf->database_url, &err);
    if (sealer == NULL) {
        goto done;
    }
    warn_of_plain_tokens(conf);
    server = server_start(conf, conf->database_url, engine, &err);
    if (server == NULL) {
        goto done;
    }
    pullers = pullers_start(conf, conf->database_url, engine_pulls(engine), &err);
    if (pullers == NULL) {
        goto done;
    }
    announce(server);
    wait_for_end(&signals);

done:
    pullers_stop(pullers);
    server_stop(server);
    sealer_stop(sealer);
    expirer_stop(expirer);
    engine_destroy(engine);
    session_close(&session);
    if (err.code != ERROR_NONE) {
        fprintf(stderr, "ledgerd: %s\n", err.text);
    }
    return error_exit_status(&err);
}
