/* ask - a question as the members of POST /v1/holds. Members that say nothing are left out. */
#include "ledger_client.h"

#include <string.h>

#include "contrib/slurm/client/text.h"

static void add_name(struct text *out, const char *name)
{
    text_add(out, out->length > 0 && out->bytes[out->length - 1] != '{' ? ",\"" : "\"");
    text_add(out, name);
    text_add(out, "\":");
}

static void add_string(struct text *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        add_name(out, name);
        text_add_json(out, value);
    }
}

static void add_count(struct text *out, const char *name, int64_t value)
{
    add_name(out, name);
    text_printf(out, "\"%lld\"", (long long)value);
}

static void add_number(struct text *out, const char *name, int64_t value)
{
    add_name(out, name);
    text_printf(out, "%lld", (long long)value);
}

static void add_flag(struct text *out, const char *name, bool value)
{
    if (value) {
        add_name(out, name);
        text_add(out, "true");
    }
}

static void add_meters(struct text *out, const struct ledger_shape *shape)
{
    char gib[LEDGER_QUANTITY_BYTES];

    add_name(out, "meters");
    text_add(out, "{");
    if (shape->gpus > 0) {
        add_count(out, "gpu", shape->gpus);
    }
    add_count(out, "cpu", shape->cpus);
    if (shape->memory_mib > 0) {
        ledger_mem_gib(shape->memory_mib, gib);
        add_string(out, "mem_gib", gib);
    }
    add_count(out, "node", shape->nodes);
    text_add(out, "}");
}

static void add_shape(struct text *out, const struct ledger_shape *shape)
{
    add_count(out, "nodes", shape->nodes);
    add_flag(out, "exclusive", shape->exclusive);
    add_flag(out, "mem_default", shape->mem_default || shape->mem_whole);
    add_flag(out, "mem_whole", shape->mem_whole);
    add_flag(out, "mem_per_cpu", shape->mem_per_cpu);
    add_meters(out, shape);
    if (shape->parts != 1) {
        add_number(out, "parts", shape->parts);
    }
    if (shape->at_once > 0) {
        add_number(out, "at_once", shape->at_once);
    }
}

int ledger_ask_json(const struct ledger_ask *ask, char *text, size_t size)
{
    bool modifies = ask->modifies != NULL && ask->modifies[0] != '\0';
    struct text out;

    text_init(&out, text, size);
    text_add(&out, "{");
    add_string(&out, "cluster", ask->cluster);
    add_string(&out, "user", ask->user);
    if (ask->uid >= 0) {
        add_number(&out, "uid", ask->uid);
    }
    if (ask->shape.seconds >= 0) {
        add_count(&out, "seconds", ask->shape.seconds);
    }
    add_flag(&out, "unlimited", ask->shape.unlimited);
    if (modifies) {
        add_string(&out, "modifies", ask->modifies);
    } else {
        add_string(&out, "account", ask->account);
        add_string(&out, "qos", ask->qos);
        add_string(&out, "partition", ask->partition);
        add_shape(&out, &ask->shape);
    }
    add_string(&out, "ttl", ask->ttl);
    if (!modifies && ask->key != NULL && ask->key[0] != '\0') {
        add_name(&out, "ref");
        text_add(&out, "{");
        add_string(&out, "kind", "slurm");
        add_string(&out, "id", ask->key);
        text_add(&out, "}");
    }
    text_add(&out, "}");
    return out.failed ? -1 : (int)out.length;
}
