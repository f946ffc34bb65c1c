/* token_journal_files_pull - see token_journal_files_pull.h. */
#include "importers/token_journal_files_pull.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIES = 5 }; /* when files are renamed while they are opened */

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* A path's last part, and the folder that it is in ("." if it names none; free() it). */
static const char *split_path(const char *path, char **folder)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        *folder = strdup(".");
        return path;
    }
    *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    return slash + 1;
}

/* Open a file that belongs to the journal; what is gone meanwhile, or is no plain file, is left
 * out. */
static int add_file(struct journal_files *files, const char *folder, const char *name,
                    enum journal_kind kind, struct error *err)
{
    struct journal_file file = {.kind = kind, .fd = -1};

    if (files->count == JOURNAL_FILES_MAX) {
        return error_set(err, ERROR_INPUT, "%s: more than %d files of one journal", folder,
                         JOURNAL_FILES_MAX);
    }
    if (files->count == files->capacity) {
        size_t capacity = files->capacity * 2 + 8;
        struct journal_file *grown = realloc(files->files, capacity * sizeof *grown);

        if (grown == NULL) {
            return no_memory(err);
        }
        files->files = grown;
        files->capacity = capacity;
    }
    if (asprintf(&file.path, "%s/%s", folder, name) < 0) {
        return no_memory(err);
    }
    file.fd = open(file.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    file.number = errno;
    if (file.fd < 0 && stat(file.path, &file.status) != 0 && lstat(file.path, &file.status) != 0) {
        file.number = ENOENT;
    }
    if ((file.fd < 0 && file.number == ENOENT) ||
        (file.fd >= 0 && (fstat(file.fd, &file.status) != 0 || !S_ISREG(file.status.st_mode)))) {
        if (file.fd >= 0) {
            close(file.fd);
        }
        free(file.path);
        return 0;
    }
    files->files[files->count++] = file;
    return 0;
}

static int list(const char *folder, const char *journal, struct journal_files *files,
                struct error *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int result = 0;

    if (dir == NULL) {
        return error_set(err, ERROR_INPUT, "%s: cannot be read: %s", folder, strerror(errno));
    }
    while (result == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        enum journal_kind kind = journal_kind_of(journal, entry->d_name);

        if (kind != JOURNAL_OTHER) {
            result = add_file(files, folder, entry->d_name, kind, err);
        }
    }
    if (result == 0 && errno != 0) {
        result = error_set(err, ERROR_INPUT, "%s: cannot be read: %s", folder, strerror(errno));
    }
    closedir(dir);
    return result;
}

/* True if every name still leads to the file that was opened under it. */
static bool is_unmoved(const struct journal_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct journal_file *file = &files->files[i];
        struct stat now;

        if (file->fd >= 0 && (stat(file->path, &now) != 0 || now.st_dev != file->status.st_dev ||
                              now.st_ino != file->status.st_ino)) {
            return false;
        }
    }
    return true;
}

static int compare_files(const void *a, const void *b)
{
    const struct journal_file *x = a, *y = b;
    const struct timespec *s = &x->status.st_mtim, *t = &y->status.st_mtim;

    if ((x->kind == JOURNAL_CURRENT) != (y->kind == JOURNAL_CURRENT)) {
        return x->kind == JOURNAL_CURRENT ? 1 : -1;
    }
    if (s->tv_sec != t->tv_sec) {
        return s->tv_sec < t->tv_sec ? -1 : 1;
    }
    if (s->tv_nsec != t->tv_nsec) {
        return s->tv_nsec < t->tv_nsec ? -1 : 1;
    }
    return strcmp(x->path, y->path);
}

/* List them until no rename came between. */
static int list_unmoved(const char *folder, const char *journal, struct journal_files *files,
                        struct error *err)
{
    for (int i = 0; i < TRIES; i++) {
        if (list(folder, journal, files, err) != 0) {
            return -1;
        }
        if (is_unmoved(files)) {
            return 0;
        }
        journal_files_close(files);
    }
    return list(folder, journal, files, err);
}

int journal_files_open(const char *path, struct journal_files *files, struct error *err)
{
    char *folder;
    const char *journal = split_path(path, &folder);
    int result = folder == NULL ? no_memory(err) : list_unmoved(folder, journal, files, err);

    free(folder);
    if (result != 0) {
        journal_files_close(files);
        return -1;
    }
    if (files->count > 0) {
        qsort(files->files, files->count, sizeof *files->files, compare_files);
    }
    return 0;
}

void journal_files_close(struct journal_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->files[i].fd >= 0) {
            close(files->files[i].fd);
        }
        free(files->files[i].path);
    }
    free(files->files);
    files->files = NULL;
    files->count = files->capacity = 0;
}

bool journal_files_have_current(const struct journal_files *files)
{
    return files->count > 0 && files->files[files->count - 1].kind == JOURNAL_CURRENT;
}
