/* tokens - one call of a language model, as gateways and model servers tell of it.
 *
 * The parsers fill a token_usage, tokens_normalise makes a usage record of it.  How sources count
 * differs in what they count twice: cached tokens may be inside the prompt or beside it, and one
 * parser knows which.  Here they are apart already: input, cached and cache_write are disjoint,
 * output includes reasoning.
 */
#ifndef IMPORTERS_TOKENS_H
#define IMPORTERS_TOKENS_H

#include "importers/format.h"

struct token_count {
    bool given;
    uint64_t value;
};

/* The counts of one usage object. */
struct token_counts {
    struct token_count input;       /* read by the model anew */
    struct token_count cached;      /* read from its cache */
    struct token_count cache_write; /* written to its cache, where that is counted apart */
    struct token_count output;
    bool has_audio;
    struct decimal audio_seconds;
};

enum { TOKEN_ATTRIBUTES_MAX = 8 };

struct token_usage {
    struct scan_text id, model, project, user;
    struct instant start, end; /* INSTANT_NONE if not told; one stands for both */
    struct token_counts counts;
    enum usage_basis basis;
    size_t attribute_count;
    struct {
        const char *name; /* static */
        struct scan_text value;
    } attributes[TOKEN_ATTRIBUTES_MAX];
};

void token_usage_init(struct token_usage *usage);

/* Keep a text as an attribute; "" is not kept. */
void token_attribute(struct token_usage *usage, const char *name, struct scan_text value);

/* Source and id into importer->record, if the id is fit to be one: what is bad later goes to
 * quarantine under its own name. True if it is. */
bool tokens_identify(struct importer *importer, struct scan_text id);

/* Make the item: a record, or bad (no_identity, no_time, bad_interval, malformed). Returns 1. */
int tokens_normalise(struct importer *importer, const struct token_usage *usage,
                     struct import_item *item);

/* --- counts (token_counts.c) --------------------------------------------------------------- */

enum counts_status {
    COUNTS_BAD = -1, /* `what` says which count cannot be right */
    COUNTS_NONE = 0, /* no count that we know */
    COUNTS_READ = 1,
};

struct counts_error {
    char text[160];
};

/* Read a usage object of any provider: OpenAI (chat, completions, embeddings, responses,
 * transcriptions), Anthropic, Google, Bedrock, Cohere. */
enum counts_status token_counts_read(struct scan_doc *doc, uint32_t usage,
                                     struct token_counts *counts, struct counts_error *what);

/* A token, or a member, that counts; a member is not given if absent or null. Integers, or integers
 * as text (OTLP writes 64-bit numbers so). 0, or -1 for anything else. */
int token_count_read(struct scan_doc *doc, uint32_t token, const char *key,
                     struct token_count *count, struct counts_error *what);
int token_count_member(struct scan_doc *doc, uint32_t object, const char *key,
                       struct token_count *count, struct counts_error *what);

/* Take cached (and written) tokens out of an input that includes them. 0, or -1 if they are more.
 */
int token_counts_split(struct token_counts *counts, struct counts_error *what);

/* --- small readers for all JSON formats (token_counts.c) ------------------------------------ */

/* The text of a string member that is not empty, else { "", 0 }. */
struct scan_text token_text(struct scan_doc *doc, uint32_t object, const char *key);

/* The first of these that is not empty. */
struct scan_text token_text_or(struct scan_text a, struct scan_text b);

/* A number of seconds since 1970 as JSON number, or a text that is a time. 0 (not set if absent or
 * null), -1. */
int token_time(struct time_reader *times, struct scan_doc *doc, uint32_t token, struct instant *t);

#endif
