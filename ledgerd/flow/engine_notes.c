/* engine_notes - see engine_notes.h. */
#include "ledgerd/flow/engine_notes.h"

#include <stdlib.h>
#include <string.h>

struct engine_note {
    struct engine_note *next;
    int64_t transaction;
    int64_t micro;
    const char *user; /* in text, behind the project */
    char text[];
};

static struct engine_note *note_create(int64_t transaction, const char *project, const char *user,
                                       struct points held)
{
    size_t project_bytes = strlen(project) + 1;
    size_t user_bytes = strlen(user) + 1;
    struct engine_note *note = malloc(sizeof(*note) + project_bytes + user_bytes);

    if (note == NULL) {
        return NULL;
    }
    note->transaction = transaction;
    note->micro = held.micro;
    memcpy(note->text, project, project_bytes);
    memcpy(note->text + project_bytes, user, user_bytes);
    note->user = note->text + project_bytes;
    return note;
}

static void apply(struct engine_view_owner *view, const struct engine_note *note, int64_t micro)
{
    engine_held_add(&view->held, view->view.catalog, note->text, note->user, micro);
}

void engine_notes_init(struct engine_notes *notes)
{
    *notes = (struct engine_notes){0};
    pthread_mutex_init(&notes->mutex, NULL);
}

void engine_notes_release(struct engine_notes *notes)
{
    while (notes->first != NULL) {
        struct engine_note *next = notes->first->next;
        free(notes->first);
        notes->first = next;
    }
    store_snapshot_release(&notes->seen);
    pthread_mutex_destroy(&notes->mutex);
}

void engine_notes_add(struct engine_notes *notes, int64_t transaction, const char *project,
                      const char *user, struct points held)
{
    struct engine_note *note = note_create(transaction, project, user, held);

    if (note == NULL) {
        return; /* the next look at the book shows it */
    }
    pthread_mutex_lock(&notes->mutex);
    if (notes->leaving != NULL) {
        apply(notes->leaving, note, note->micro);
    }
    if (notes->count < ENGINE_NOTES_MAX && !store_snapshot_sees(&notes->seen, transaction)) {
        apply(notes->view, note, note->micro);
        note->next = notes->first;
        notes->first = note;
        notes->count++;
        note = NULL;
    }
    pthread_mutex_unlock(&notes->mutex);
    free(note);
}

/* Drop the notes that the snapshot sees and lay the others over the view. A view that stays has
 * them already: from it the dropped ones are taken off. */
static void carry_over(struct engine_notes *notes, struct engine_view_owner *view)
{
    bool stays = view == notes->view;

    for (struct engine_note **at = &notes->first; *at != NULL;) {
        struct engine_note *note = *at;
        if (!store_snapshot_sees(&notes->seen, note->transaction)) {
            if (!stays) {
                apply(view, note, note->micro);
            }
            at = &note->next;
            continue;
        }
        if (stays) {
            apply(view, note, -note->micro);
        }
        *at = note->next;
        notes->count--;
        free(note);
    }
}

void engine_notes_read(struct engine_notes *notes, struct engine_view_owner *view,
                       struct store_snapshot *snapshot)
{
    pthread_mutex_lock(&notes->mutex);
    store_snapshot_release(&notes->seen);
    notes->seen = *snapshot;
    *snapshot = (struct store_snapshot){0};
    carry_over(notes, view);
    if (view != notes->view) {
        notes->leaving = notes->view;
        notes->view = view;
    }
    pthread_mutex_unlock(&notes->mutex);
}

void engine_notes_published(struct engine_notes *notes)
{
    pthread_mutex_lock(&notes->mutex);
    notes->leaving = NULL;
    pthread_mutex_unlock(&notes->mutex);
}
