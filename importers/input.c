/* input - see input.h. Memory is a window that holds everything from the start and never fills. */
#include "importers/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WINDOW_FIRST_BYTES = 1024 * 1024,
    /* Room for the longest item, what stands around it and the start of the next. */
    WINDOW_MAX_BYTES = IMPORT_ITEM_BYTES + WINDOW_FIRST_BYTES,
};

struct input {
    int fd;              /* -1: memory, or a reader */
    input_read_fn *read; /* NULL: there is none */
    void *context;
    bool owns_fd;
    bool ended; /* read() said so */
    char *path;
    char *buffer;       /* owned; NULL for memory */
    const char *window; /* buffer, or the caller's memory */
    size_t start, end;  /* of the bytes at hand in window */
    size_t capacity;
    uint64_t consumed; /* bytes dropped before `start` */
    uint64_t size;
};

struct input *input_open(const char *path, struct error *err)
{
    struct input *input = calloc(1, sizeof *input);
    struct stat status;

    if (input == NULL || (input->path = strdup(path)) == NULL ||
        (input->buffer = malloc(WINDOW_FIRST_BYTES)) == NULL) {
        error_set(err, ERROR_INTERNAL, "%s: out of memory", path);
        input_close(input);
        return NULL;
    }
    input->window = input->buffer;
    input->capacity = WINDOW_FIRST_BYTES;
    input->owns_fd = strcmp(path, "-") != 0;
    input->fd = input->owns_fd ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (input->fd < 0 || fstat(input->fd, &status) != 0) {
        error_set(err, ERROR_INPUT, "%s: cannot be read: %s", path, strerror(errno));
        input_close(input);
        return NULL;
    }
    if (S_ISDIR(status.st_mode)) {
        error_set(err, ERROR_INPUT, "%s: is a folder, not a file", path);
        input_close(input);
        return NULL;
    }
    input->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    return input;
}

struct input *input_from_reader(const char *name, input_read_fn *read, void *context,
                                struct error *err)
{
    struct input *input = calloc(1, sizeof *input);

    if (input == NULL || (input->path = strdup(name)) == NULL ||
        (input->buffer = malloc(WINDOW_FIRST_BYTES)) == NULL) {
        error_set(err, ERROR_INTERNAL, "%s: out of memory", name);
        input_close(input);
        return NULL;
    }
    input->fd = -1;
    input->read = read;
    input->context = context;
    input->window = input->buffer;
    input->capacity = WINDOW_FIRST_BYTES;
    return input;
}

struct input *input_from_memory(const char *bytes, size_t length)
{
    struct input *input = calloc(1, sizeof *input);

    if (input == NULL) {
        return NULL;
    }
    input->fd = -1;
    input->ended = true;
    input->window = bytes;
    input->end = length;
    input->size = length;
    return input;
}

void input_close(struct input *input)
{
    if (input == NULL) {
        return;
    }
    if (input->owns_fd && input->fd >= 0) {
        close(input->fd);
    }
    free(input->buffer);
    free(input->path);
    free(input);
}

uint64_t input_bytes_read(const struct input *input)
{
    return input->buffer == NULL ? input->consumed : input->consumed + (input->end - input->start);
}

uint64_t input_size(const struct input *input)
{
    return input->size;
}

uint64_t input_offset(const struct input *input)
{
    return input->consumed;
}

const char *input_window(const struct input *input, size_t *length)
{
    *length = input->end - input->start;
    return input->window + input->start;
}

void input_consume(struct input *input, size_t length)
{
    input->start += length;
    input->consumed += length;
}

/* Room behind the bytes at hand, so that `want` fit: moved to the front first, then grown. */
static int make_room(struct input *input, size_t want, struct error *err)
{
    size_t capacity = input->capacity;
    char *grown;

    if (input->start > 0) {
        memmove(input->buffer, input->buffer + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }
    while (capacity < want) {
        capacity *= 2;
    }
    if (capacity == input->capacity) {
        return 0;
    }
    capacity = capacity < WINDOW_MAX_BYTES ? capacity : WINDOW_MAX_BYTES;
    grown = realloc(input->buffer, capacity);
    if (grown == NULL) {
        return error_set(err, ERROR_INTERNAL, "%s: out of memory", input->path);
    }
    input->buffer = grown;
    input->window = grown;
    input->capacity = capacity;
    return 0;
}

static ssize_t read_file(struct input *input, char *buffer, size_t size, struct error *err)
{
    ssize_t got;

    do {
        got = read(input->fd, buffer, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        error_set(err, ERROR_INPUT, "%s: reading failed after byte %llu: %s", input->path,
                  (unsigned long long)input_bytes_read(input), strerror(errno));
    }
    return got;
}

static enum input_status read_some(struct input *input, struct error *err)
{
    char *to = input->buffer + input->end;
    size_t room = input->capacity - input->end;
    ssize_t got = input->read != NULL ? input->read(input->context, to, room, err)
                                      : read_file(input, to, room, err);

    if (got < 0) {
        return INPUT_FAILED;
    }
    if (got == 0) {
        input->ended = true;
        return INPUT_END;
    }
    input->end += (size_t)got;
    return INPUT_OK;
}

enum input_status input_want(struct input *input, size_t want, struct error *err)
{
    enum input_status status = INPUT_OK;

    while (status == INPUT_OK && input->end - input->start < want) {
        if (input->ended) {
            return INPUT_END;
        }
        if (want > WINDOW_MAX_BYTES) {
            return INPUT_FULL;
        }
        if (input->capacity - input->start < want || input->end == input->capacity) {
            if (make_room(input, want, err) != 0) {
                return INPUT_FAILED;
            }
        }
        status = read_some(input, err);
    }
    return status;
}

enum input_status input_line(struct input *input, size_t from, size_t *end, struct error *err)
{
    size_t searched = from;

    for (;;) {
        size_t length;
        const char *window = input_window(input, &length);
        const char *newline = NULL;
        enum input_status status;

        if (searched < length) {
            newline = memchr(window + searched, '\n', length - searched);
        }
        if (newline != NULL) {
            *end = (size_t)(newline - window);
            return *end - from > IMPORT_ITEM_BYTES ? INPUT_FULL : INPUT_OK;
        }
        searched = length > from ? length : from;
        if (searched - from > IMPORT_ITEM_BYTES) {
            return INPUT_FULL;
        }
        status = input_want(input, searched + 1, err);
        if (status == INPUT_END) {
            input_window(input, &length);
            *end = length;
            return length > from ? INPUT_OK : INPUT_END;
        }
        if (status != INPUT_OK) {
            return status;
        }
    }
}

enum input_status input_skip_line(struct input *input, struct error *err)
{
    for (;;) {
        size_t length;
        const char *window = input_window(input, &length);
        const char *newline = length > 0 ? memchr(window, '\n', length) : NULL;
        enum input_status status;

        if (newline != NULL) {
            input_consume(input, (size_t)(newline - window) + 1);
            return INPUT_OK;
        }
        input_consume(input, length);
        status = input_want(input, 1, err);
        if (status != INPUT_OK) {
            return status;
        }
    }
}
