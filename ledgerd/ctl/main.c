/* ledgerctl - everything that a person or a script does with the book from a shell. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "ledgerd/ctl/verbs.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/flow/expire.h"

enum { ACTOR_BYTES = 256 };

static int print(const char *text, size_t length, struct error *err)
{
    if (fwrite(text, 1, length, stdout) != length || fflush(stdout) != 0) {
        return error_set(err, ERROR_INTERNAL, "standard output cannot be written");
    }
    return 0;
}

static int print_result(const struct command *command, const struct verb *verb, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int result = 0;
    if (verb->show == NULL || command_line_has(&command->line, "json")) {
        result = document_write(command->document, &text, err);
    } else {
        verb->show(command->document, &text);
    }
    if (result == 0) {
        result = print(text.data, text.length, err);
    }
    strbuf_release(&text);
    return result;
}

static int help_print(const struct verb *verb, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    command_help("ledgerctl", &verb->spec, command_common_options, &text);
    int result = print(text.data, text.length, err);
    strbuf_release(&text);
    return result;
}

static int list_print(const char *noun, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    verbs_help(noun, &text);
    int result = print(text.data, text.length, err);
    strbuf_release(&text);
    return result;
}

static const char *unix_user(char *out, size_t size)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[4096];
    if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != NULL &&
        found->pw_name[0] != '\0') {
        snprintf(out, size, "%s", found->pw_name);
    } else {
        snprintf(out, size, "uid:%lu", (unsigned long)getuid());
    }
    return out;
}

static void act_fill(struct command *command, char *actor)
{
    const struct command_line *line = &command->line;
    command->act = (struct manual_act){
        .actor = command_line_text(line, "actor", unix_user(actor, ACTOR_BYTES)),
        .note = command_line_text(line, "note", ""),
        .ref = command_line_text(line, "ref", ""),
        .now = command->session.now,
    };
}

/* Whoever reads or writes the book first posts what has expired until now. */
static int expiries_post(const struct verb *verb, const struct command *command, struct error *err)
{
    const struct session *session = &command->session;
    if (verb->role == STORE_DAEMON) {
        return expire_due(session->store, session->now, err);
    }
    if (verb->role == STORE_REPORT) {
        expire_for_reader(session->store, session->conf.database_url, session->now);
    }
    return 0;
}

static int verb_run(const struct verb *verb, struct command *command, struct error *err)
{
    struct session_options options = {
        .conf_path = command_line_text(&command->line, "config", NULL),
        .pretended = command_line_instant(&command->line, "now", INSTANT_NONE),
        .role = verb->role,
    };
    char actor[ACTOR_BYTES];
    if (session_open(&options, &command->session, err) < 0) {
        return -1;
    }
    act_fill(command, actor);
    int result = expiries_post(verb, command, err);
    if (result == 0) {
        result = verb->run(command, err);
    }
    catalog_destroy(command->catalog);
    session_close(&command->session);
    return result;
}

/* Run the verb and print what it says; the exit status. */
static int verb_call(const struct verb *verb, int count, char *const *words, struct error *err)
{
    struct command command = {0};
    int result = command_line_parse(&verb->spec, command_common_options, count, words,
                                    &command.line, err);
    if (result == 0 && command.line.wants_help) {
        return help_print(verb, err) < 0 ? error_exit_status(err) : 0;
    }
    if (result == 0) {
        result = verb_run(verb, &command, err);
    }
    if (command.document != NULL) {
        struct error printing = {0};
        if (print_result(&command, verb, &printing) < 0 && result == 0) {
            *err = printing;
            result = -1;
        }
        json_decref(command.document);
    }
    return result < 0 ? error_exit_status(err) : command.status;
}

static bool is_word(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static void complain(const struct verb *verb, const struct error *err)
{
    if (verb == NULL) {
        fprintf(stderr, "ledgerctl: %s\n", err->text);
    } else if (verb->spec.verb == NULL) {
        fprintf(stderr, "ledgerctl: %s: %s\n", verb->spec.noun, err->text);
    } else {
        fprintf(stderr, "ledgerctl: %s %s: %s\n", verb->spec.noun, verb->spec.verb, err->text);
    }
}

int main(int argc, char **argv)
{
    struct error err = {0};
    const struct verb *verb = NULL;
    int taken = 0;
    int status;

    if (argc < 2) {
        fprintf(stderr, "ledgerctl: a verb is missing: ledgerctl --help lists them\n");
        return 2;
    }
    if (is_word(argv[1], "--help", "-h")) {
        status = list_print(NULL, &err) < 0 ? error_exit_status(&err) : 0;
    } else if (strcmp(argv[1], "--version") == 0) {
        status = puts("ledgerctl " LEDGER_VERSION) < 0 ? 4 : 0;
    } else if ((verb = verb_find(argc - 1, argv + 1, &taken, &err)) != NULL) {
        status = verb_call(verb, argc - 1 - taken, argv + 1 + taken, &err);
    } else if (argc == 3 && is_word(argv[2], "--help", "-h") && verbs_is_noun(argv[1])) {
        err = (struct error){0};
        status = list_print(argv[1], &err) < 0 ? error_exit_status(&err) : 0;
    } else {
        status = error_exit_status(&err);
    }
    if (err.code != ERROR_NONE) {
        complain(verb, &err);
    }
    return status;
}
