/* slurm_rest_version - see slurm_rest_version.h. */
#include "importers/slurm_rest_version.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "importers/json_scan.h"
#include "ledgerd/base/parse.h"

enum { VERSIONS_MAX = 1000 };
static const char PREFIX[] = "v0.0.";

/* The number of "v0.0.38"; -1 if it is no version. */
static int version_number(const char *text, size_t length)
{
    uint64_t number;

    if (length <= sizeof PREFIX - 1 || memcmp(text, PREFIX, sizeof PREFIX - 1) != 0 ||
        parse_u64(text + sizeof PREFIX - 1, length - (sizeof PREFIX - 1), VERSIONS_MAX - 1,
                  &number) != 0) {
        return -1;
    }
    return (int)number;
}

/* The version of a path "/<part>/<version>/jobs", with or without a slash at its end; -1. */
static int path_version(struct scan_text path, const char *part)
{
    static const char jobs[] = "/jobs";
    size_t lead = strlen(part) + 2, tail = sizeof jobs - 1;

    if (path.length > 0 && path.bytes[path.length - 1] == '/') {
        path.length--;
    }
    if (path.length < lead + tail || path.bytes[0] != '/' ||
        memcmp(path.bytes + 1, part, strlen(part)) != 0 || path.bytes[lead - 1] != '/' ||
        memcmp(path.bytes + path.length - tail, jobs, tail) != 0) {
        return -1;
    }
    return version_number(path.bytes + lead, path.length - lead - tail);
}

static int choose(const bool *accounting, const bool *controller)
{
    for (int version = SLURM_REST_KNOWN; version >= 0; version--) {
        if (accounting[version] && controller[version]) {
            return version;
        }
    }
    for (int version = SLURM_REST_KNOWN + 1; version < VERSIONS_MAX; version++) {
        if (accounting[version] && controller[version]) {
            return version;
        }
    }
    return -1;
}

int slurm_rest_version_choose(const char *openapi, size_t length,
                              char version[SLURM_REST_VERSION_BYTES], struct error *err)
{
    bool accounting[VERSIONS_MAX] = {false}, controller[VERSIONS_MAX] = {false};
    struct scan_doc doc;
    uint32_t paths;
    int chosen = -1;

    scan_init(&doc);
    if (scan_json_whole(&doc, openapi, length) == SCAN_OK &&
        (paths = scan_given(&doc, 0, "paths")) != SCAN_NONE &&
        scan_type(&doc, paths) == SCAN_OBJECT) {
        for (uint32_t key = paths + 1; key < doc.tokens[paths].next;
             key = doc.tokens[key + 1].next) {
            struct scan_text path = scan_text(&doc, key);
            int number = path_version(path, "slurmdb");

            if (number >= 0) {
                accounting[number] = true;
            } else if ((number = path_version(path, "slurm")) >= 0) {
                controller[number] = true;
            }
        }
        chosen = choose(accounting, controller);
    }
    scan_release(&doc);
    if (chosen < 0) {
        return error_set(err, ERROR_INPUT,
                         "slurmrestd's /openapi names no version that has both /slurm and "
                         "/slurmdb: name one at the end of url (http://host:6820/v0.0.40)");
    }
    snprintf(version, SLURM_REST_VERSION_BYTES, "%s%d", PREFIX, chosen);
    return 0;
}

void slurm_rest_version_split(const char *url, size_t *base, char version[SLURM_REST_VERSION_BYTES])
{
    size_t end = strlen(url), start;
    int number;

    while (end > 0 && url[end - 1] == '/') {
        end--;
    }
    for (start = end; start > 0 && url[start - 1] != '/';) {
        start--;
    }
    number = version_number(url + start, end - start);
    version[0] = '\0';
    if (number >= 0) {
        snprintf(version, SLURM_REST_VERSION_BYTES, "%s%d", PREFIX, number);
        end = start;
    }
    while (end > 0 && url[end - 1] == '/') {
        end--;
    }
    *base = end;
}
