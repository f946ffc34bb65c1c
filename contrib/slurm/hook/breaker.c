/* breaker - see breaker.h. */
#include "contrib/slurm/hook/breaker.h"

bool breaker_allows(struct breaker *breaker, int64_t now_us)
{
    if (!breaker->is_open) {
        return true;
    }
    if (breaker->is_probing || now_us < breaker->open_until_us) {
        return false;
    }
    breaker->is_probing = true;
    return true;
}

bool breaker_succeed(struct breaker *breaker)
{
    bool was_open = breaker->is_open;

    *breaker = (struct breaker){0};
    return was_open;
}

/* Questions that were under way when it opened fail after it: they don't make the pause longer. */
bool breaker_fail(struct breaker *breaker, const struct breaker_options *options, int64_t now_us)
{
    if (breaker->failures < options->failures) {
        breaker->failures++;
    }
    if (breaker->failures < options->failures || (breaker->is_open && !breaker->is_probing)) {
        return false;
    }
    breaker->is_open = true;
    breaker->is_probing = false;
    breaker->open_until_us = now_us + options->pause_us;
    return true;
}
