/* conf - ledgerd.conf: what the programs are told about this machine (contract section 10).
 *
 * One table in conf.c names every setting with its section, type and default. A section or key that
 * is not in it is an error that names the line; one whose part is not built is refused with "not
 * yet". Read-only after loading.
 */
#ifndef LEDGERD_BASE_CONF_H
#define LEDGERD_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/instant.h"
#include "ledgerd/base/log.h"

#define CONF_PATH "/etc/ledger/ledgerd.conf"

enum {
    CONF_LISTEN_MAX = 16,   /* addresses to listen on */
    CONF_HOST_BYTES = 256,  /* a DNS name has at most 253 */
    CONF_NAMES_MAX = 65536, /* mapped names in all */
};

struct conf_address {
    char host[CONF_HOST_BYTES]; /* name or number, without brackets */
    uint16_t port;              /* 0: any free one */
};

/* Whether callers must say who they are; CONF_AUTH_DEFAULT: see conf_auth_is_required. */
enum conf_auth { CONF_AUTH_DEFAULT, CONF_AUTH_NONE, CONF_AUTH_REQUIRED };

/* A source's own name for something, and what the book calls it. */
enum conf_name_kind { CONF_NAME_CLASS, CONF_NAME_PROJECT };
struct conf_name {
    enum conf_name_kind kind;
    char *source; /* "slurm:CLUSTER", or as [tokens SOURCE] has it */
    char *name;   /* partition or model; Slurm account */
    char *means;  /* class; project */
};

enum conf_pull {                 /* how a source is read */
                 CONF_PULL_NONE, /* not by ledgerd itself */
                 CONF_PULL_SACCT,
                 CONF_PULL_SLURMRESTD,
                 CONF_PULL_FILE,
                 CONF_PULL_HTTP
};

/* What is done to jobs whose project has run dry since they were submitted. */
enum conf_enforce { CONF_ENFORCE_NONE, CONF_ENFORCE_HOLD, CONF_ENFORCE_REQUEUE };

struct conf_source { /* a [slurm …] or [tokens …] section; texts are "" where not given */
    char *name;      /* "slurm:CLUSTER", or as [tokens SOURCE] has it */
    int64_t lag_us;  /* how late its records may come */
    enum conf_pull mode;
    int64_t interval_us; /* between rounds */
    int64_t timeout_us;  /* how long Slurm or the URL may be silent before it is given up */
    char *url;           /* of slurmrestd; of token records */
    char *token_file;    /* with the token that is sent there */
    /* [tokens …] alone: */
    char *path;    /* of the journal that is followed */
    char *format;  /* of its records */
    char *project; /* of records that name none */
    char *user;
    /* [slurm …] alone: */
    int64_t overlap_us;   /* of what one round reads with what was read before */
    char *command;        /* path of sacct; "": found in PATH */
    struct instant since; /* where reading begins; INSTANT_NONE: `lag` before now */
    enum conf_enforce enforce;
    char *enforce_qos;         /* of CONF_ENFORCE_REQUEUE */
    int64_t pending_share_ppm; /* of what a project has, that its pending jobs may hold */
    int64_t pending_ttl_us;    /* how long a pending job keeps its hold; 0: as long as it waits */
};

struct conf {
    char *database_url; /* libpq conninfo or URI; "" leaves all to libpq */
    int database_connections;
    size_t listen_count;
    struct conf_address listen[CONF_LISTEN_MAX];
    char *unix_path; /* "" for none */
    int http_threads;
    int http_max_connections;
    int64_t http_max_body_bytes;
    int64_t http_idle_timeout_us;
    int64_t http_max_staleness_us;
    char *http_tls_certificate; /* file with the chain; "" without TLS */
    char *http_tls_key;         /* file with its private key */
    enum conf_auth auth_mode;
    char *auth_unix_uids;        /* NAME:ROLES,…: peers of the Unix socket; "" for none */
    char *checkpoint_key;        /* file with the private key that signs checkpoints; "" for none */
    char *checkpoint_public_key; /* file with the key that must have signed them; "" for any */
    enum log_level log_level;
    bool log_json;
    size_t name_count;
    struct conf_name *names; /* sorted by kind, source and name */
    size_t source_count;
    struct conf_source *sources; /* in the order of the file */
};

/* Read the settings of the file `path`; of CONF_PATH if path is NULL and that file is there,
 * else take the defaults. The environment's LEDGER_DB replaces the database. ERROR_INPUT names
 * file and line; *conf is then released. */
int conf_load(const char *path, struct conf *conf, struct error *err);

/* The same from text; `name` stands for the file in messages, the environment for nothing. */
int conf_parse(const char *name, const char *text, struct conf *conf, struct error *err);

void conf_release(struct conf *conf);
void conf_source_release(struct conf_source *source); /* what conf_release does to each */

/* What `name` of `source` means by the configuration, or NULL. Valid as long as conf. */
const char *conf_name_find(const struct conf *conf, enum conf_name_kind kind, const char *source,
                           const char *name);

/* The source's section, or NULL if it has none. Valid as long as conf. */
const struct conf_source *conf_source_find(const struct conf *conf, const char *source);

#endif
