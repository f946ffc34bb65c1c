/* risk - see risk.h. */
#include "contrib/slurm/hook/risk.h"

__extension__ typedef unsigned __int128 wide;

enum { SECONDS_AN_HOUR = 3600 };

int64_t risk_estimate(const struct risk_options *options, const struct ledger_shape *shape)
{
    int64_t seconds = shape->seconds >= 0 ? shape->seconds : options->seconds;
    wide whole = shape->exclusive ? (wide)shape->nodes * (wide)options->node_hour_micro : 0;
    wide hourly;
    wide each;
    wide all;

    /* Counts have 40 bits and prices 63: the sum has 104, so multiplications may overflow. */
    hourly = (wide)shape->gpus * (wide)options->gpu_hour_micro +
             (wide)shape->cpus * (wide)options->cpu_hour_micro;
    hourly = whole > hourly ? whole : hourly;
    if (__builtin_mul_overflow(hourly, (wide)seconds, &each) ||
        __builtin_mul_overflow(each, (wide)shape->parts, &all)) {
        return INT64_MAX;
    }
    all = all / SECONDS_AN_HOUR + (all % SECONDS_AN_HOUR != 0);
    return all > (wide)INT64_MAX ? INT64_MAX : (int64_t)all;
}

bool risk_take(const struct risk_options *options, int64_t *spent_micro, int64_t estimate_micro)
{
    int64_t spent;

    if (__builtin_add_overflow(*spent_micro, estimate_micro, &spent)) {
        spent = INT64_MAX;
    }
    if (options->budget_micro != -1 && spent > options->budget_micro) {
        return false;
    }
    *spent_micro = spent;
    return true;
}
