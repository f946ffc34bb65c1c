/* hold_waiting - work that waits may hold no more of a project than its cluster's section allows;
 * see hold_placing.h.
 *
 * A site that holds at submission keeps a project's queue from locking up what its running work
 * needs: beyond pending_share of what the project has available and held, a job that is submitted
 * holds nothing, and is held when it starts (slurm_keep.h).
 */
#include <string.h>

#include "ledgerd/flow/hold_placing.h"
#include "ledgerd/store/store_keep.h"

enum { WHOLE_PPM = 1000 * 1000 };

static int64_t share_ppm(const struct placing *placing, const struct hold_request *request)
{
    const struct conf *conf = placing->desk->conf;
    const struct conf_source *section = NULL;

    if (request->is_waiting && request->source != NULL && conf != NULL) {
        section = conf_source_find(conf, request->source);
    }
    return section != NULL ? section->pending_share_ppm : WHOLE_PPM;
}

bool placing_needs_waiting(const struct placing *placing, const struct asked *asked)
{
    return share_ppm(placing, asked->request) < WHOLE_PPM;
}

int placing_read_waiting(struct placing *placing, struct store *store, struct error *err)
{
    const char *projects[HOLD_GROUP_MAX];
    struct points sums[HOLD_GROUP_MAX];
    bool is_asked = false;

    for (size_t i = 0; i < placing->count; i++) {
        const struct asked *asked = &placing->asked[i];

        is_asked = is_asked || (!asked->is_known && asked->place != NULL &&
                                placing_needs_waiting(placing, asked));
    }
    if (!is_asked) {
        return 0;
    }
    for (size_t i = 0; i < placing->place_count; i++) {
        projects[i] = placing->places[i].name;
    }
    if (store_keep_waiting(store, projects, placing->place_count, placing->now, sums, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < placing->place_count; i++) {
        placing->places[i].waiting = sums[i];
    }
    return 0;
}

bool placing_is_capped(const struct placing *placing, const struct asked *asked,
                       struct points available, struct points held, struct points points)
{
    int64_t ppm = share_ppm(placing, asked->request);
    __int128 all = (__int128)available.micro + held.micro;
    __int128 wanted = (__int128)asked->place->waiting.micro + points.micro;

    return ppm < WHOLE_PPM && wanted * WHOLE_PPM > all * ppm;
}
