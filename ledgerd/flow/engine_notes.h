/* engine_notes - what this process has committed that its view has not read yet. Internal to the
 * engine.
 *
 * A note carries the number of the transaction that made it. It is added to the view in use, and to
 * every later one whose snapshot does not see that transaction; it goes with the first that does.
 * So nothing counts twice and nothing is missed, whenever the view was read.
 */
#ifndef LEDGERD_FLOW_ENGINE_NOTES_H
#define LEDGERD_FLOW_ENGINE_NOTES_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/core/points.h"
#include "ledgerd/flow/engine_view.h"
#include "ledgerd/store/store_snapshot.h"

enum { ENGINE_NOTES_MAX = 64 * 1024 }; /* more are dropped: checks then miss them for one look */

struct engine_note;

struct engine_notes {
    pthread_mutex_t mutex; /* guards everything here, and who adds to a view */
    struct engine_view_owner *view;
    struct engine_view_owner *leaving; /* replaced, but readers may still use it */
    struct store_snapshot seen;        /* by the reading that `view` stands for */
    size_t count;
    struct engine_note *first;
};

void engine_notes_init(struct engine_notes *notes);
void engine_notes_release(struct engine_notes *notes);

/* The project and the user hold that much more (or less) since the transaction committed. */
void engine_notes_add(struct engine_notes *notes, int64_t transaction, const char *project,
                      const char *user, struct points held);

/* The book was read again as of `snapshot` (taken over): `view` is about to be published in place
 * of the one before, or is that one, found to be as the book is. Between the call and
 * engine_notes_published both may be in use. */
void engine_notes_read(struct engine_notes *notes, struct engine_view_owner *view,
                       struct store_snapshot *snapshot);
void engine_notes_published(struct engine_notes *notes);

#endif
