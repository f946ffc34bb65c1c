/* Writing a report. */
#include "reports/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int all_write(int fd, const struct strbuf *text)
{
    size_t written = 0;
    while (written < text->length) {
        ssize_t some = write(fd, text->data + written, text->length - written);
        if (some < 0 && errno != EINTR) {
            return -1;
        }
        written += some > 0 ? (size_t)some : 0;
    }
    return 0;
}

/* A report is as readable as any file that the user makes: mkstemp's 0600 is not asked for. */
static int mode_set(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd, 0666 & ~mask);
}

/* Write beside the file and rename: readers see the old report or the new one, never a half. */
static int file_replace(const char *path, const struct strbuf *text)
{
    char *temporary = NULL;
    int result = -1;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        return -1;
    }
    int fd = mkstemp(temporary);
    if (fd >= 0) {
        result = all_write(fd, text) < 0 || mode_set(fd) < 0 || fsync(fd) < 0 ? -1 : 0;
        result = close(fd) < 0 ? -1 : result;
        result = result < 0 ? -1 : rename(temporary, path);
        if (result < 0) {
            int reason = errno;
            unlink(temporary);
            errno = reason;
        }
    }
    free(temporary);
    return result;
}

static int file_write_through(const char *path, const struct strbuf *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int result = all_write(fd, text);
    int reason = errno;
    close(fd);
    errno = reason;
    return result;
}

/* Only a regular file is replaced. A device or a pipe is written to: renaming over it would take
 * it away from everybody else. A link stays, and the file it names is replaced. */
static int file_write(const char *path, const struct strbuf *text)
{
    struct stat about;
    if (stat(path, &about) < 0) {
        return errno == ENOENT ? file_replace(path, text) : -1;
    }
    if (!S_ISREG(about.st_mode)) {
        return file_write_through(path, text);
    }
    char *target = realpath(path, NULL);
    int result = target == NULL ? -1 : file_replace(target, text);
    int reason = errno;
    free(target);
    errno = reason;
    return result;
}

int output_write(const char *path, const struct strbuf *text, struct error *err)
{
    bool is_stdout = path == NULL || strcmp(path, "-") == 0;
    int result = is_stdout ? all_write(STDOUT_FILENO, text) : file_write(path, text);
    if (result < 0) {
        return error_set(err, ERROR_INPUT, "%s: cannot be written: %s",
                         is_stdout ? "standard output" : path, strerror(errno));
    }
    return 0;
}
