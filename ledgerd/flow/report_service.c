/* Gathering what services served, and the arithmetic of their recovery. */
#include "ledgerd/flow/report_service.h"

#include <stdlib.h>
#include <string.h>

#include "ledgerd/base/parse.h"
#include "ledgerd/flow/document.h"
#include "ledgerd/store/store_report_service.h"

enum { MILLION = 1000000, COUNT_PLACES = 9, COUNT_UNITS = 1000000000 };

static const struct rounding to_micro = {.places = 6, .mode = ROUNDING_HALF_EVEN};

struct served_class { /* one (source, class) */
    char *source;
    char *klass;
    struct points points;
    struct points list_points;
};

struct served_tokens { /* one kind of token of a class */
    char *source;
    char *klass;
    char *kind;
    struct exact count;
    const struct decimal *price; /* of the card in force at the month's end; NULL if it has none */
};

struct service {
    const struct report_project *project;
    const struct report_service_use *use;  /* NULL: no GPU hours and no list points in the year */
    struct points list_points;             /* of the tokens that it served */
    struct points cost_list;               /* list points of what it used itself */
    struct points returned;                /* refunded to those whom it served */
    struct points refunded;                /* to the service itself */
    struct points paid[REPORT_SHARES_MAX]; /* by each share, less what was refunded to it */
    size_t class_count;
    struct served_class *classes;
    size_t token_count;
    struct served_tokens *tokens;
    struct exact worth; /* of its tokens at their prices, in points */
    struct exact count; /* of all of its tokens */
};

struct services {
    const struct report_shares *shares;
    const struct report_projects *projects;
    const struct ratecard *card; /* in force at the month's end; NULL if none is */
    size_t count;
    struct service *services;
};

static int overflow(const char *service, struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "service %s: its sums do not fit", service);
}

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory for the services");
}

static int add(const struct service *service, struct points *sum, struct points more,
               struct error *err)
{
    return points_add(*sum, more, sum) == POINTS_OK ? 0
                                                    : overflow(service->project->project->id, err);
}

static struct service *service_of(const struct services *all, const struct catalog_project *known)
{
    for (size_t i = 0; known != NULL && i < all->count; i++) {
        if (all->services[i].project->project == known) {
            return &all->services[i];
        }
    }
    return NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct served_class *class_of(struct service *service, const char *source, const char *klass)
{
    for (size_t i = 0; i < service->class_count; i++) {
        struct served_class *known = &service->classes[i];
        if (strcmp(known->source, source) == 0 && strcmp(known->klass, klass) == 0) {
            return known;
        }
    }
    struct served_class *more = reallocarray(service->classes, service->class_count + 1,
                                             sizeof *more);
    if (more == NULL) {
        return NULL;
    }
    service->classes = more;
    more[service->class_count] = (struct served_class){.source = strdup(source),
                                                       .klass = strdup(klass)};
    struct served_class *made = &more[service->class_count++];
    return made->source != NULL && made->klass != NULL ? made : NULL;
}

static struct served_tokens *tokens_of(struct service *service, const struct report_served *row)
{
    for (size_t i = 0; i < service->token_count; i++) {
        struct served_tokens *known = &service->tokens[i];
        if (strcmp(known->source, row->source) == 0 && strcmp(known->klass, row->klass) == 0 &&
            strcmp(known->kind, row->meter) == 0) {
            return known;
        }
    }
    struct served_tokens *more = reallocarray(service->tokens, service->token_count + 1,
                                              sizeof *more);
    if (more == NULL) {
        return NULL;
    }
    service->tokens = more;
    more[service->token_count] = (struct served_tokens){
        .source = strdup(row->source), .klass = strdup(row->klass), .kind = strdup(row->meter)};
    struct served_tokens *made = &more[service->token_count++];
    exact_init(&made->count);
    return made->source != NULL && made->klass != NULL && made->kind != NULL ? made : NULL;
}

/* A decimal of up to 18 digits before the point and nine behind it, either sign. */
static int count_add(struct exact *sum, const char *text)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    const char *point = strchr(digits, '.');
    size_t length = point != NULL ? (size_t)(point - digits) : strlen(digits);
    char fraction[COUNT_PLACES + 1] = "000000000";
    uint64_t whole;
    uint64_t rest;
    struct exact part;
    struct exact units;

    if (point != NULL) {
        size_t places = strlen(point + 1);
        memcpy(fraction, point + 1, places < COUNT_PLACES ? places : COUNT_PLACES);
    }
    if (parse_u64(digits, length, INT64_MAX, &whole) != 0 ||
        parse_u64(fraction, COUNT_PLACES, COUNT_UNITS, &rest) != 0) {
        return -1;
    }
    exact_init(&part);
    exact_init(&units);
    exact_set_i64(&part, (int64_t)rest);
    exact_divide_i64(&part, COUNT_UNITS);
    exact_set_i64(&units, (int64_t)whole);
    exact_add(&part, &units);
    exact_multiply_i64(&part, text[0] == '-' ? -1 : 1);
    exact_add(sum, &part);
    exact_release(&units);
    exact_release(&part);
    return 0;
}

static int count_take(struct service *service, const struct report_served *row, struct error *err)
{
    struct served_tokens *tokens = tokens_of(service, row);
    if (tokens == NULL) {
        return no_memory(err);
    }
    if (count_add(&tokens->count, row->count) != 0 || count_add(&service->count, row->count) != 0) {
        return error_set(err, ERROR_INTERNAL, "service %s: meter %s cannot be read: %s",
                         service->project->project->id, row->meter, row->count);
    }
    return 0;
}

static int points_take(struct service *service, const struct report_served *row, struct error *err)
{
    struct served_class *klass = class_of(service, row->source, row->klass);
    if (klass == NULL) {
        return no_memory(err);
    }
    return add(service, &klass->points, row->points, err) != 0 ||
                   add(service, &klass->list_points, row->list_points, err) != 0
               ? -1
               : add(service, &service->list_points, row->list_points, err);
}

/* What a service uses of its own is served to nobody; what it uses is its cost. */
static int served_take(void *context, const struct report_served *row, struct error *err)
{
    const struct services *all = context;
    const struct catalog *catalog = all->shares->catalog;
    struct service *own = row->service[0] != '\0'
                              ? service_of(all, catalog_project(catalog, row->service))
                              : NULL;
    struct service *served = service_of(all, catalog_service(catalog, row->source, row->klass));
    bool is_count = row->meter[0] != '\0';
    if (own != NULL && !is_count && add(own, &own->cost_list, row->list_points, err) != 0) {
        return -1;
    }
    if (served == NULL || served == own) {
        return 0;
    }
    return is_count ? count_take(served, row, err) : points_take(served, row, err);
}

static ptrdiff_t share_index(const struct report_shares *shares, const char *share)
{
    for (size_t i = 0; i < shares->share_count; i++) {
        if (strcmp(shares->shares[i].share, share) == 0) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

static int move_take(void *context, const struct report_service_move *row, struct error *err)
{
    const struct services *all = context;
    struct service *service = service_of(all, catalog_project(all->shares->catalog, row->service));
    ptrdiff_t share = share_index(all->shares, row->share);
    struct points back;
    if (service == NULL) {
        return 0;
    }
    if (share >= 0 && add(service, &service->paid[share], row->points, err) != 0) {
        return -1;
    }
    if (!row->is_refund) {
        return 0;
    }
    if (!row->is_served) {
        return add(service, &service->refunded, row->points, err);
    }
    return points_subtract(POINTS_ZERO, row->points, &back) != POINTS_OK
               ? overflow(row->service, err)
               : add(service, &service->returned, back, err);
}

/* --- prices ----------------------------------------------------------------------------------- */

static const struct decimal *price_of(const struct ratecard *card, const struct served_tokens *of)
{
    int number = card != NULL ? ratecard_match(card, of->source, of->klass) : -1;
    const struct ratecard_rule *rule = number >= 0 ? &card->rules[number] : NULL;
    for (size_t i = 0; rule != NULL && i < rule->per_million_count; i++) {
        if (strcmp(rule->per_million[i].meter, of->kind) == 0) {
            return &rule->per_million[i].price;
        }
    }
    return NULL;
}

static void service_price(struct service *service, const struct ratecard *card)
{
    struct exact worth;
    exact_init(&worth);
    for (size_t i = 0; i < service->token_count; i++) {
        struct served_tokens *tokens = &service->tokens[i];
        tokens->price = price_of(card, tokens);
        if (tokens->price != NULL) {
            exact_set(&worth, &tokens->count);
            exact_multiply_decimal(&worth, *tokens->price);
            exact_divide_i64(&worth, MILLION);
            exact_add(&service->worth, &worth);
        }
    }
    exact_release(&worth);
}

/* --- the document ----------------------------------------------------------------------------- */

static json_t *exact_document(const struct exact *value)
{
    struct points rounded;
    return exact_round(value, to_micro, &rounded) == POINTS_OK ? document_points(rounded) : NULL;
}

/* part / whole; null where whole is not above zero. */
static json_t *ratio_document(struct points part, struct points whole)
{
    char text[HOURS_TEXT_BYTES];
    return whole.micro > 0 ? json_string(fraction_format(part.micro, whole.micro, text))
                           : json_null();
}

/* "12", "12.5": counts are whole in practice and exact in any case. */
static json_t *count_document(const struct exact *count)
{
    struct points rounded;
    char text[POINTS_TEXT_BYTES];
    if (exact_round(count, to_micro, &rounded) != POINTS_OK) {
        return NULL;
    }
    points_format(rounded, text);
    size_t length = strlen(text);
    while (text[length - 1] == '0') {
        length--;
    }
    length -= text[length - 1] == '.';
    return json_stringn(text, length);
}

/* cost x price / worth, `price` NULL standing for 10^6; null where worth is not above zero. */
static json_t *break_even(struct points cost, const struct decimal *price,
                          const struct exact *worth)
{
    struct exact value;
    if (exact_sign(worth) <= 0) {
        return json_null();
    }
    exact_init(&value);
    exact_set_points(&value, cost);
    exact_multiply_decimal(&value, price != NULL ? *price : (struct decimal){MILLION, 0});
    exact_divide(&value, worth);
    json_t *document = exact_document(&value);
    exact_release(&value);
    return document;
}

/* See the header: GPU hours x (1 - list / cost_list). */
static int idle_set(const struct service *service, struct hours gpu, json_t *document)
{
    struct points list = service->list_points;
    struct points whole = service->cost_list;
    struct exact hours;
    int result;
    if (whole.micro <= 0) { /* the hours have no price: they are idle or they are not */
        whole = (struct points){1};
        list = (struct points){list.micro > 0 ? 1 : 0};
    }
    struct points idle = {list.micro < whole.micro ? whole.micro - list.micro : 0};
    if (list.micro <= 0) {
        idle = whole;
    }
    exact_init(&hours);
    exact_set_points(&hours, (struct points){gpu.micro});
    exact_multiply_i64(&hours, idle.micro);
    exact_divide_i64(&hours, whole.micro);
    result = json_object_set_new(document, "idle_hours", exact_document(&hours));
    result |= json_object_set_new(document, "idle_share",
                                  gpu.micro > 0 ? ratio_document(idle, whole) : json_null());
    exact_release(&hours);
    return result;
}

static json_t *classes_document(const struct service *service)
{
    json_t *list = json_array();
    for (size_t i = 0; i < service->class_count; i++) {
        const struct served_class *klass = &service->classes[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:o}", "source", klass->source, "class",
                                        klass->klass, "points", document_points(klass->points),
                                        "list_points", document_points(klass->list_points)));
    }
    return list;
}

static json_t *tokens_document(const struct service *service, struct points cost)
{
    json_t *list = json_array();
    for (size_t i = 0; i < service->token_count; i++) {
        const struct served_tokens *tokens = &service->tokens[i];
        char price[DECIMAL_TEXT_BYTES];
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:o, s:s?, s:o}", "source", tokens->source, "class",
                      tokens->klass, "kind", tokens->kind, "count", count_document(&tokens->count),
                      "price", tokens->price != NULL ? decimal_format(*tokens->price, price) : NULL,
                      "break_even",
                      tokens->price != NULL ? break_even(cost, tokens->price, &service->worth)
                                            : json_null()));
    }
    return list;
}

static json_t *shares_document(const struct service *service, const struct report_shares *shares)
{
    size_t month = shares->month_count - 1;
    json_t *list = json_array();
    for (size_t s = 0; s < shares->share_count; s++) {
        char hours[HOURS_TEXT_BYTES] = "0.000000";
        struct points points = POINTS_ZERO;
        if (service->use != NULL) {
            hours_format(service->use->divided[month][s], hours);
            points = service->use->list[month][s];
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:o, s:s}", "share", shares->shares[s].share,
                                        "points", document_points(service->paid[s]), "list_points",
                                        document_points(points), "gpu_hours", hours));
    }
    return list;
}

static int service_add(const struct service *service, const struct report_shares *shares,
                       json_t *document, struct error *err)
{
    const struct report_project *project = service->project;
    char gpu_text[HOURS_TEXT_BYTES];
    struct hours gpu = {0};
    struct points recovered;
    struct points cost;
    if (service->use != NULL) {
        gpu = service->use->whole[shares->month_count - 1];
    }
    if (points_subtract(project->received, service->returned, &recovered) != POINTS_OK ||
        points_subtract(project->charged, service->refunded, &cost) != POINTS_OK) {
        return overflow(project->project->id, err);
    }
    json_t *more = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "gpu_hours", hours_format(gpu, gpu_text),
        "list_points", document_points(service->list_points), "recovered",
        document_points(recovered), "cost", document_points(cost), "recovery",
        ratio_document(recovered, cost), "break_even_per_million",
        break_even(cost, NULL, &service->count), "served", classes_document(service), "tokens",
        tokens_document(service, cost), "shares", shares_document(service, shares));
    int result = more == NULL || idle_set(service, gpu, more) != 0 ||
                         json_object_update(document, more) != 0
                     ? no_memory(err)
                     : 0;
    json_decref(more);
    return result;
}

/* --- all of them ------------------------------------------------------------------------------ */

static void services_release(struct services *all)
{
    for (size_t i = 0; i < all->count; i++) {
        struct service *service = &all->services[i];
        for (size_t c = 0; c < service->class_count; c++) {
            free(service->classes[c].source);
            free(service->classes[c].klass);
        }
        for (size_t t = 0; t < service->token_count; t++) {
            free(service->tokens[t].source);
            free(service->tokens[t].klass);
            free(service->tokens[t].kind);
            exact_release(&service->tokens[t].count);
        }
        free(service->classes);
        free(service->tokens);
        exact_release(&service->worth);
        exact_release(&service->count);
    }
    free(all->services);
}

static int services_begin(struct services *all, struct error *err)
{
    const struct report_shares *shares = all->shares;
    all->services = calloc(all->projects->count + 1, sizeof *all->services);
    if (all->services == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < all->projects->count; i++) {
        const struct report_project *project = &all->projects->projects[i];
        if (!project->project->is_service) {
            continue;
        }
        struct service *service = &all->services[all->count++];
        service->project = project;
        exact_init(&service->worth);
        exact_init(&service->count);
        for (size_t u = 0; u < shares->service_count; u++) {
            if (shares->services[u].service == project->project) {
                service->use = &shares->services[u];
            }
        }
    }
    struct period month = calendar_month(&shares->catalog->calendar, all->projects->month);
    all->card = ratecards_at(&shares->catalog->cards, (struct instant){month.to.us - 1});
    return 0;
}

static int services_read(struct store *store, struct services *all, struct error *err)
{
    struct month month = all->projects->month;
    if (all->count > 0 && (store_report_served(store, month, served_take, all, err) < 0 ||
                           store_report_service_moves(store, month, move_take, all, err) < 0)) {
        return -1;
    }
    for (size_t i = 0; i < all->count; i++) {
        service_price(&all->services[i], all->card);
    }
    return 0;
}

int report_services_add(struct store *store, const struct report_shares *shares,
                        const struct report_projects *projects, json_t *services, struct error *err)
{
    struct services all = {.shares = shares, .projects = projects};
    int result = services_begin(&all, err) != 0 || services_read(store, &all, err) != 0 ? -1 : 0;
    size_t i;
    json_t *document;
    json_array_foreach(services, i, document)
    {
        const char *id = json_string_value(json_object_get(document, "project"));
        const struct service *service = service_of(&all, catalog_project(shares->catalog, id));
        if (result == 0 && service != NULL) {
            result = service_add(service, shares, document, err);
        }
    }
    services_release(&all);
    return result;
}
