/* reconcile_differences - a job that differs, and why, in words. */
#include <string.h>

#include "ledgerd/flow/document.h"
#include "ledgerd/flow/reconcile_read.h"

const char *reconcile_kind_text(enum reconcile_kind kind)
{
    static const char *const texts[RECONCILE_KINDS] = {
        [RECONCILE_MISSING] = "missing",     [RECONCILE_EXTRA] = "extra",
        [RECONCILE_DIFFERENT] = "different", [RECONCILE_UNSETTLED] = "unsettled",
        [RECONCILE_BEHIND] = "behind",       [RECONCILE_UNREADABLE] = "unreadable",
    };

    return kind < RECONCILE_KINDS ? texts[kind] : "";
}

struct listing { /* context of add_difference */
    json_t *list;
    const struct zone *zone;
    struct strbuf why;
};

static const char *show(const struct listing *listing, struct instant t,
                        char text[INSTANT_TEXT_BYTES])
{
    return instant_is_set(t) ? zone_format(listing->zone, t, text) : "no known time";
}

/* --- fields ---------------------------------------------------------------------------------- */

struct field {
    const char *name;
    const char *slurm;
    const char *book;
};

static void add_field(json_t *fields, struct strbuf *why, const struct field *field)
{
    if (strcmp(field->slurm, field->book) == 0) {
        return;
    }
    json_array_append_new(fields, json_pack("{s:s, s:o, s:o}", "field", field->name, "slurm",
                                            document_text(field->slurm), "book",
                                            document_text(field->book)));
    strbuf_printf(why, "%s%s: '%s' in Slurm, '%s' in the book", why->length > 0 ? "; " : "",
                  field->name, field->slurm, field->book);
}

static void add_time(const struct listing *listing, json_t *fields, struct strbuf *why,
                     const char *name, struct instant slurm, struct instant book)
{
    char slurm_text[INSTANT_TEXT_BYTES], book_text[INSTANT_TEXT_BYTES];

    if (instant_compare(slurm, book) != 0) {
        add_field(fields, why,
                  &(struct field){name, show(listing, slurm, slurm_text),
                                  show(listing, book, book_text)});
    }
}

/* What the two sides say differently, as a list and appended to `why`. */
static json_t *compare(const struct listing *listing, const struct reconcile_difference *row,
                       struct strbuf *why)
{
    const struct reconcile_side *slurm = &row->slurm, *book = &row->book;
    const struct field fields[] = {
        {"state", slurm->state, book->state},
        {"account", slurm->account, book->account},
        {"user", slurm->user, book->user},
        {"partition", slurm->partition, book->partition},
        {"qos", slurm->qos, book->qos},
        {"outcome", slurm->outcome, book->outcome},
        {"elapsed_seconds", slurm->elapsed, book->elapsed},
        {"requested_seconds", slurm->requested, book->requested},
        {"meters", slurm->meters, book->meters},
    };
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        add_field(list, why, &fields[i]);
    }
    add_time(listing, list, why, "submitted", slurm->submitted, book->submitted);
    add_time(listing, list, why, "start", slurm->start, book->start);
    add_time(listing, list, why, "end", slurm->end, book->end);
    return list;
}

/* --- reasons --------------------------------------------------------------------------------- */

/* Where the record's own text waits: true, and said. */
static bool say_quarantine(const struct reconcile_difference *row, struct strbuf *why)
{
    if (row->quarantine == 0 || strcmp(row->quarantine_state, "resolved") == 0) {
        return false;
    }
    strbuf_printf(why, "%s%s quarantine, entry %lld (%s): %s", why->length > 0 ? "; " : "",
                  strcmp(row->quarantine_state, "dismissed") == 0 ? "dismissed by hand from" : "in",
                  (long long)row->quarantine, row->quarantine_reason, row->quarantine_detail);
    return true;
}

/* How far the source was read, set against when the job ended. */
static void say_read(const struct listing *listing, const struct reconcile_difference *row,
                     struct strbuf *why)
{
    char end[INSTANT_TEXT_BYTES], through[INSTANT_TEXT_BYTES];

    if (!instant_is_set(row->read_through)) {
        strbuf_add_string(why, "not read yet: this source was never read to a known time");
        return;
    }
    show(listing, row->slurm.end, end);
    show(listing, row->read_through, through);
    if (instant_compare(row->slurm.end, row->read_through) > 0) {
        strbuf_printf(why, "not read yet: it ended at %s, and the source has been read to %s", end,
                      through);
    } else {
        strbuf_printf(why,
                      "the source has been read to %s, and this job, which ended at %s, was not "
                      "among what was read: read that time again",
                      through, end);
    }
}

static void say_missing(const struct listing *listing, const struct reconcile_difference *row,
                        struct strbuf *why)
{
    char start[INSTANT_TEXT_BYTES];

    if (say_quarantine(row, why)) {
        return;
    }
    if (strcmp(row->slurm.state, "running") == 0) {
        strbuf_printf(why, "it runs since %s, and was not seen running yet",
                      show(listing, row->slurm.start, start));
    } else {
        say_read(listing, row, why);
    }
}

static void say_extra(const struct listing *listing, const struct reconcile_difference *row,
                      struct strbuf *why)
{
    char end[INSTANT_TEXT_BYTES];

    show(listing, row->book.end, end);
    if (strcmp(row->book.state, "running") == 0) {
        strbuf_printf(why, "the book saw it running at %s; Slurm lists no such job in this time",
                      end);
    } else {
        strbuf_printf(why,
                      "it ended at %s by the book; Slurm lists no such job that ran in this time: "
                      "purged from its accounting, changed there, or never a job of this cluster",
                      end);
    }
}

static void say_why(const struct listing *listing, const struct reconcile_difference *row,
                    struct strbuf *why)
{
    char time[INSTANT_TEXT_BYTES];

    switch (row->kind) {
    case RECONCILE_MISSING:
        say_missing(listing, row, why);
        break;
    case RECONCILE_EXTRA:
        say_extra(listing, row, why);
        break;
    case RECONCILE_DIFFERENT:
        say_quarantine(row, why);
        break;
    case RECONCILE_UNSETTLED:
        strbuf_printf(why, "still running in the book, which saw it last at %s: ",
                      show(listing, row->book.end, time));
        if (row->quarantine != 0) {
            say_quarantine(row, why);
        } else {
            say_read(listing, row, why);
        }
        break;
    case RECONCILE_BEHIND:
        strbuf_printf(why, "it runs; the book saw it last at %s",
                      show(listing, row->book.end, time));
        break;
    case RECONCILE_UNREADABLE:
        strbuf_printf(why, "Slurm's row cannot be booked: %s", row->detail);
        say_quarantine(row, why);
        break;
    case RECONCILE_KINDS:
        break;
    }
}

static int add_difference(void *context, const struct reconcile_difference *row, struct error *err)
{
    struct listing *listing = context;
    json_t *fields = NULL, *entry;

    strbuf_clear(&listing->why);
    if (row->kind == RECONCILE_DIFFERENT) {
        fields = compare(listing, row, &listing->why);
    }
    say_why(listing, row, &listing->why);
    entry = json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o}", "id", document_text(row->id), "kind",
        reconcile_kind_text(row->kind), "project",
        document_text(row->project[0] != '\0' ? row->project : NULL), "account",
        document_text(row->slurm.account[0] != '\0' ? row->slurm.account : row->book.account),
        "why", document_text(listing->why.data), "fields", fields != NULL ? fields : json_array());
    if (listing->why.failed || json_array_append_new(listing->list, entry) != 0) {
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    return 0;
}

json_t *reconcile_differences(struct store *store, const struct catalog *catalog,
                              const struct reconcile_span *span, int64_t limit, struct error *err)
{
    struct listing listing = {json_array(), &catalog->zone, STRBUF_INIT};

    if (store_reconcile_differences(store, span, limit, add_difference, &listing, err) != 0) {
        json_decref(listing.list);
        listing.list = NULL;
    }
    strbuf_release(&listing.why);
    return listing.list;
}
