/* error - a code and a sentence, made where the facts are.
 *
 * A function that can fail takes `struct error *err` last and returns -1 (or NULL) after filling
 * it; on success it leaves *err alone. Library code passes an error up and never prints it: the
 * entry point (a command's main, an HTTP handler) reports it once. The code decides the exit status
 * and the HTTP status, the sentence is for the operator.
 */
#ifndef LEDGERD_BASE_ERROR_H
#define LEDGERD_BASE_ERROR_H

enum error_code {
    ERROR_NONE = 0,
    ERROR_REFUSED,     /* a rule says no: not enough points, over a pool, unknown project */
    ERROR_ARGUMENT,    /* the caller's words are off */
    ERROR_INPUT,       /* a file or document is malformed or unreadable */
    ERROR_UNAVAILABLE, /* database or network away, stale, or a schema newer than the program */
    ERROR_VERIFY,      /* the book does not prove itself */
    ERROR_INTERNAL,    /* out of memory, a broken invariant, an operating system call that failed */
};

enum { ERROR_TEXT_BYTES = 1024 }; /* a sentence with numbers; longer text is cut */

struct error {
    enum error_code code;
    char reason[40]; /* stable snake_case code for machines ("unknown_project"); may be "" */
    char text[ERROR_TEXT_BYTES];
};

/* Fill *err (if not NULL) with a code and a formatted sentence; the reason becomes "".
 * Always returns -1, so that `return error_set(...)` reads well. */
int error_set(struct error *err, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a reason code (a string of at most 39 bytes). */
int error_set_reason(struct error *err, enum error_code code, const char *reason,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Put "prefix: " before the text of an error that is being passed up. Always returns -1. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* it sees one file at a time, and has to be told that these return -1 \
                           */
#define error_set(...) (error_set(__VA_ARGS__), -1)
#define error_set_reason(...) (error_set_reason(__VA_ARGS__), -1)
#define error_prefix(...) (error_prefix(__VA_ARGS__), -1)
#endif

/* The exit status of contract section 1: 0 none, 1 refused, 2 argument, 3 input, 4 unavailable or
 * internal, 5 verification failed. */
int error_exit_status(const struct error *err);

#endif
