/* engine_metrics_pull - one request for a model server's /metrics. */
#ifndef IMPORTERS_ENGINE_METRICS_PULL_H
#define IMPORTERS_ENGINE_METRICS_PULL_H

#include <stdbool.h>

#include "ledgerd/base/error.h"
#include "ledgerd/base/strbuf.h"

/* True if the text begins as a URL of http or https does. */
bool engine_metrics_is_url(const char *text);

/* Append what the URL answers to *body: at most ENGINE_TEXT_BYTES, within 30 seconds, without
 * following redirections or a proxy. ERROR_UNAVAILABLE, or ERROR_ARGUMENT for no URL. */
int engine_metrics_fetch(const char *url, struct strbuf *body, struct error *err);

#endif
