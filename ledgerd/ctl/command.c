/* What verbs share: common options, the catalog, their result, small files. */
#include "ledgerd/ctl/command.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const struct option_spec command_common_options[] = {
    {"config", 'c', "FILE", WORD_TEXT, "configuration instead of /etc/ledger/ledgerd.conf", false},
    {"json", 0, NULL, WORD_FLAG, "print one JSON document", false},
    {"actor", 0, "NAME", WORD_TEXT, "who does it, for the audit list (default: the Unix user)",
     false},
    {"note", 0, "TEXT", WORD_TEXT, "why, for the audit list", false},
    {"ref", 0, "TEXT", WORD_TEXT, "decision number, for the audit list", false},
    {"now", 0, "T", WORD_INSTANT, "pretend that it is T (in a sandbox only)", false},
    {"help", 'h', NULL, WORD_FLAG, "show this help", false},
    {0},
};

const struct catalog *command_catalog(struct command *command, struct error *err)
{
    if (command->catalog == NULL) {
        command->catalog = catalog_load(command->session.store, err);
    }
    return command->catalog;
}

int command_finish(struct command *command, json_t *document, struct error *err)
{
    if (document == NULL) {
        return error_set(err, ERROR_INTERNAL, "out of memory for the answer");
    }
    json_decref(command->document);
    command->document = document;
    return 0;
}

const char *command_argument(const struct command *command, size_t i)
{
    return command->line.arguments[i].text;
}

static int content_read(int fd, struct strbuf *content)
{
    enum { CHUNK_BYTES = 64 * 1024 };
    for (;;) {
        char *room = strbuf_reserve(content, CHUNK_BYTES);
        if (room == NULL) {
            errno = ENOMEM;
            return -1;
        }
        ssize_t got = read(fd, room, CHUNK_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return (int)got;
        }
        content->length += (size_t)got;
        content->data[content->length] = '\0';
        if (content->length > COMMAND_FILE_BYTES) {
            errno = EFBIG;
            return -1;
        }
    }
}

int command_read_file(const char *path, struct strbuf *content, struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? -1 : content_read(fd, content);
    if (result < 0) {
        error_set(err, ERROR_INPUT, "%s: cannot be read: %s", is_stdin ? "standard input" : path,
                  strerror(errno));
    }
    if (fd >= 0 && !is_stdin) {
        close(fd);
    }
    if (result == 0 && content->length == 0) {
        return error_set(err, ERROR_INPUT, "%s is empty", is_stdin ? "standard input" : path);
    }
    return result;
}

static int write_whole(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t wrote = write(fd, bytes, length);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            return -1;
        }
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return fsync(fd) != 0 && errno != EINVAL && errno != EROFS ? -1 : 0; /* no disk behind a pipe */
}

int command_write_file(const char *path, const struct strbuf *content, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int result = fd >= 0 ? write_whole(fd, content->data, content->length) : -1;
    int number = errno;
    if (fd >= 0 && close(fd) != 0 && result == 0) {
        result = -1;
        number = errno;
    }
    if (result < 0) {
        return error_set(err, ERROR_INPUT, "%s: cannot be written: %s", path, strerror(number));
    }
    return 0;
}

int command_blame_file(const char *path, struct error *err)
{
    if (err->code == ERROR_INPUT) {
        error_prefix(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
    }
    return -1;
}
