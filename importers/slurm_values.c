/* slurm_values - the words and numbers of Slurm's accounting, see slurm_job.h. */
#include <string.h>

#include "importers/slurm_job.h"
#include "ledgerd/base/parse.h"

/* Every state that a row can be in. What is between jobs that wait and jobs that ran is what was
 * used. */
static const struct state {
    const char *word;
    enum slurm_phase phase;
    const char *outcome;
} states[] = {
    {"COMPLETED", SLURM_ENDED, "completed"},
    {"FAILED", SLURM_ENDED, "failed"},
    {"CANCELLED", SLURM_ENDED, "cancelled"},
    {"TIMEOUT", SLURM_ENDED, "timeout"},
    {"RUNNING", SLURM_RUNNING, ""},
    {"PENDING", SLURM_PENDING, ""},
    {"OUT_OF_MEMORY", SLURM_ENDED, "out_of_memory"},
    {"NODE_FAIL", SLURM_ENDED, "node_fail"},
    {"PREEMPTED", SLURM_ENDED, "preempted"},
    {"REQUEUED", SLURM_ENDED, "requeued"},
    {"BOOT_FAIL", SLURM_ENDED, "boot_fail"},
    {"DEADLINE", SLURM_ENDED, "deadline"},
    {"REVOKED", SLURM_ENDED, "revoked"},
    {"SUSPENDED", SLURM_RUNNING, ""},
    {"COMPLETING", SLURM_RUNNING, ""},
    {"CONFIGURING", SLURM_RUNNING, ""},
    {"SIGNALING", SLURM_RUNNING, ""},
    {"STAGE_OUT", SLURM_RUNNING, ""},
    {"STOPPED", SLURM_RUNNING, ""},
    {"RESIZING", SLURM_RESIZED, ""},
    {"REQUEUE_HOLD", SLURM_PENDING, ""},
    {"REQUEUE_FED", SLURM_PENDING, ""},
    {"RESV_DEL_HOLD", SLURM_PENDING, ""},
    {"SPECIAL_EXIT", SLURM_PENDING, ""},
};

int slurm_state_parse(struct scan_text text, enum slurm_phase *phase, const char **outcome)
{
    const char *space = memchr(text.bytes, ' ', text.length);
    size_t length = space != NULL ? (size_t)(space - text.bytes) : text.length;

    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strlen(states[i].word) == length && memcmp(states[i].word, text.bytes, length) == 0) {
            *phase = states[i].phase;
            *outcome = states[i].outcome;
            return 0;
        }
    }
    return -1;
}

int slurm_state_number(uint64_t number, enum slurm_phase *phase, const char **outcome)
{
    /* enum job_states of slurm.h: base states in the low byte, flags above. */
    static const char *const bases[] = {
        "PENDING", "RUNNING",   "SUSPENDED", "COMPLETED", "CANCELLED", "FAILED",
        "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE",  "OUT_OF_MEMORY",
    };
    static const struct {
        uint64_t bit;
        const char *word;
    } flags[] = {
        {UINT64_C(1) << 10, "REQUEUED"}, /* JOB_REQUEUE: a row that was closed by requeueing */
        {UINT64_C(1) << 13, "RESIZING"}, /* JOB_RESIZING */
    };
    const char *word = NULL;

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if ((number & flags[i].bit) != 0) {
            word = flags[i].word;
        }
    }
    if (word == NULL && (number & 0xff) < sizeof bases / sizeof *bases) {
        word = bases[number & 0xff];
    }
    return word == NULL ? -1
                        : slurm_state_parse((struct scan_text){word, strlen(word)}, phase, outcome);
}

/* NO_VAL and INFINITE of 32 and 64 bits, and what signed printing makes of them. */
static bool is_no_value(struct scan_text text)
{
    static const char *const none[] = {"4294967294",           "4294967295", "18446744073709551614",
                                       "18446744073709551615", "-2",         "-1"};

    if (text.length < 2 || (text.bytes[0] != '-' && text.length < 10)) {
        return false;
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (slurm_text_is(text, none[i])) {
            return true;
        }
    }
    return false;
}

int slurm_time_parse(struct time_reader *times, struct scan_text text, struct slurm_time *time)
{
    struct instant at;

    if (text.length == 0) {
        time->given = SLURM_ABSENT;
        return 0;
    }
    if (text.bytes[0] == 'U' || text.bytes[0] == 'N' || slurm_text_is(text, "0") ||
        is_no_value(text)) {
        time->given = SLURM_UNKNOWN;
        return slurm_text_is(text, "Unknown") || slurm_text_is(text, "None") ||
                       slurm_text_is(text, "NONE") || slurm_text_is(text, "N/A") ||
                       text.bytes[0] == '0' || is_no_value(text)
                   ? 0
                   : -1;
    }
    if (time_any(times, text.bytes, text.length, &at) != 0 &&
        time_epoch(text.bytes, text.length, &at) != 0) {
        return -1;
    }
    *time = (struct slurm_time){SLURM_GIVEN, at};
    return 0;
}

int slurm_number_parse(struct scan_text text, struct slurm_number *number)
{
    number->given = false;
    if (text.length == 0 || is_no_value(text)) {
        return 0;
    }
    if (parse_u64(text.bytes, text.length, UINT32_MAX, &number->value) != 0) {
        return -1;
    }
    number->given = true;
    return 0;
}

/* Digits up to one of `stops` or the end. */
static int eat_digits(struct scan_text *text, uint64_t *value)
{
    size_t digits = 0;

    while (digits < text->length && text->bytes[digits] >= '0' && text->bytes[digits] <= '9') {
        digits++;
    }
    if (parse_u64(text->bytes, digits, UINT32_MAX, value) != 0) {
        return -1;
    }
    text->bytes += digits;
    text->length -= digits;
    return 0;
}

static bool eat_char(struct scan_text *text, char c)
{
    if (text->length == 0 || text->bytes[0] != c) {
        return false;
    }
    text->bytes++;
    text->length--;
    return true;
}

int slurm_duration_parse(struct scan_text text, struct slurm_number *seconds)
{
    uint64_t part, days = 0, total;

    seconds->given = false;
    if (text.length == 0 || slurm_text_is(text, "INVALID") || slurm_text_is(text, "Unknown")) {
        return 0;
    }
    if (eat_digits(&text, &part) != 0) {
        return -1;
    }
    if (eat_char(&text, '-')) {
        days = part;
        if (eat_digits(&text, &part) != 0) {
            return -1;
        }
    }
    total = part;
    for (int colons = 0; eat_char(&text, ':'); colons++) {
        if (colons == 2 || eat_digits(&text, &part) != 0 || part > 59) {
            return -1;
        }
        total = total * 60 + part;
    }
    if (eat_char(&text, '.') && eat_digits(&text, &part) != 0) { /* a second's part is cut off */
        return -1;
    }
    if (text.length != 0) {
        return -1;
    }
    *seconds = (struct slurm_number){true, days * 86400 + total};
    return 0;
}

int slurm_limit_parse(struct scan_text text, struct slurm_number *minutes)
{
    struct slurm_number seconds;

    minutes->given = false;
    if (slurm_text_is(text, "UNLIMITED") || slurm_text_is(text, "Partition_Limit")) {
        return 0;
    }
    if (memchr(text.bytes, ':', text.length) == NULL) {
        return slurm_number_parse(text, minutes);
    }
    if (slurm_duration_parse(text, &seconds) != 0) {
        return -1;
    }
    *minutes = (struct slurm_number){seconds.given, seconds.given ? seconds.value / 60 : 0};
    return 0;
}

/* A decimal from billionths below 10^21, in its one form: without trailing zeros. */
static struct decimal from_billionths(unsigned __int128 billionths)
{
    uint64_t whole = (uint64_t)(billionths / 1000000000),
             rest = (uint64_t)(billionths % 1000000000);
    unsigned scale = rest == 0 ? 0 : DECIMAL_FRACTION_DIGITS;
    uint64_t unit = rest == 0 ? 1 : 1000000000;

    while (scale > 0 && rest % 10 == 0) {
        rest /= 10;
        unit /= 10;
        scale--;
    }
    return (struct decimal){(unsigned __int128)whole * unit + rest, scale};
}

/* mantissa (< 10^15) * 2^shift / 10^scale as a decimal of nine fraction digits, half to even. */
static int scaled_decimal(uint64_t mantissa, unsigned scale, int shift, struct decimal *value)
{
    unsigned __int128 numerator, divisor = 1, quotient, rest;

    while (scale > 0 && mantissa % 10 == 0) {
        mantissa /= 10;
        scale--;
    }
    if (scale == 0 && shift < 0 && (mantissa & ((UINT64_C(1) << -shift) - 1)) == 0) {
        return decimal_from_u64(mantissa >> -shift, value);
    }
    if (scale == 0 && shift == 0) {
        return decimal_from_u64(mantissa, value);
    }
    numerator = (unsigned __int128)mantissa * 1000000000;
    for (; scale > 0; scale--) {
        divisor *= 10;
    }
    numerator <<= shift > 0 ? shift : 0;
    divisor <<= shift < 0 ? -shift : 0;
    quotient = numerator / divisor;
    rest = numerator % divisor;
    if (rest * 2 > divisor || (rest * 2 == divisor && (quotient & 1) != 0)) {
        quotient++;
    }
    if (quotient / 1000000000 >= UINT64_C(1000000000000)) {
        return -1;
    }
    *value = from_billionths(quotient);
    return 0;
}

/* Digits with at most six behind a point, as mantissa and scale. */
static int eat_decimal(struct scan_text *text, uint64_t *mantissa, unsigned *scale)
{
    const char *start = text->bytes;
    bool point = false;

    *mantissa = 0;
    *scale = 0;
    for (; text->length > 0; text->bytes++, text->length--) {
        char c = text->bytes[0];
        if (c == '.' && !point && text->bytes > start) {
            point = true;
        } else if (c >= '0' && c <= '9') {
            if (*mantissa > UINT64_C(99999999999999) || *scale == 6) {
                return -1;
            }
            *mantissa = *mantissa * 10 + (uint64_t)(c - '0');
            *scale += point;
        } else {
            break;
        }
    }
    return text->bytes == start || (point && *scale == 0) ? -1 : 0;
}

int slurm_memory_parse(struct scan_text text, struct slurm_quantity *gib)
{
    static const char units[] = "KMGTP"; /* each 1024 of the one before; G is 2^0 GiB */
    const char *unit;
    uint64_t mantissa;
    unsigned scale;
    int shift = -10;

    gib->given = false;
    if (text.length == 0 || is_no_value(text)) {
        return 0;
    }
    if (text.length > 1 && is_no_value((struct scan_text){text.bytes, text.length - 1})) {
        return 0; /* no value, with the unit behind it */
    }
    if (eat_decimal(&text, &mantissa, &scale) != 0) {
        return -1;
    }
    if (text.length == 1 && text.bytes[0] != '\0' &&
        (unit = strchr(units, text.bytes[0])) != NULL) {
        shift = (int)(unit - units) * 10 - 20;
    } else if (text.length != 0) {
        return -1;
    }
    if (scaled_decimal(mantissa, scale, shift, &gib->value) != 0) {
        return -1;
    }
    gib->given = true;
    return 0;
}

static int count_parse(struct scan_text text, struct slurm_quantity *quantity)
{
    uint64_t count;

    if (is_no_value(text)) {
        return 0;
    }
    if (parse_u64(text.bytes, text.length, UINT32_MAX, &count) != 0 ||
        decimal_from_u64(count, &quantity->value) != 0) {
        return -1;
    }
    quantity->given = true;
    return 0;
}

/* Add a typed entry to the sum of those seen. */
static int typed_parse(struct scan_text text, struct slurm_quantity *sum)
{
    struct slurm_quantity one = {0};

    if (count_parse(text, &one) != 0) {
        return -1;
    }
    if (!one.given) {
        return 0;
    }
    if (sum->given &&
        decimal_from_u64((unsigned long long)(sum->value.mantissa + one.value.mantissa),
                         &one.value) != 0) {
        return -1;
    }
    *sum = one;
    return 0;
}

int slurm_tres_add(struct slurm_tres *tres, struct scan_text name, struct scan_text count)
{
    static const char typed[] = "gres/gpu:";

    if (slurm_text_is(name, "cpu")) {
        return count_parse(count, &tres->cpu);
    }
    if (slurm_text_is(name, "mem")) {
        return slurm_memory_parse(count, &tres->mem_gib);
    }
    if (slurm_text_is(name, "node")) {
        return count_parse(count, &tres->node);
    }
    if (slurm_text_is(name, "gres/gpu")) {
        return count_parse(count, &tres->gpu);
    }
    if (name.length >= sizeof typed - 1 && memcmp(name.bytes, typed, sizeof typed - 1) == 0) {
        return typed_parse(count, &tres->gpu_typed);
    }
    return 0;
}

int slurm_tres_parse(struct scan_text text, struct slurm_tres *tres)
{
    const char *at = text.bytes, *end = text.bytes + text.length;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));

        if (equals == NULL ||
            slurm_tres_add(tres, (struct scan_text){at, (size_t)(equals - at)},
                           (struct scan_text){equals + 1, (size_t)(stop - equals - 1)}) != 0) {
            return -1;
        }
        at = comma != NULL ? comma + 1 : end;
    }
    return 0;
}
