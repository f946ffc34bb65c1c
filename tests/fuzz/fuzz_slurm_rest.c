/* What slurmrestd may answer, of any bytes: refused, or rows that can be used. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "importers/slurm_rest_site_pull.h"
#include "importers/slurm_rest_token.h"
#include "importers/slurm_rest_version.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

struct rest { /* bytes that are still to be read */
    const uint8_t *bytes;
    size_t length;
};

static ssize_t read_rest(void *context, void *buffer, size_t size, struct error *err)
{
    struct rest *rest = context;
    size_t got = rest->length < size ? rest->length : size;

    (void)err;
    memcpy(buffer, rest->bytes, got);
    rest->bytes += got;
    rest->length -= got;
    return (ssize_t)got;
}

static void must(int holds)
{
    if (!holds) {
        abort();
    }
}

static void read_site(const uint8_t *bytes, size_t length)
{
    struct slurm_site_list list = {0};
    struct error err = {0};

    for (int kind = 0; kind < 3; kind++) {
        struct rest rest = {bytes, length};
        int result = kind == 0   ? slurm_rest_read_associations(&list, "c", read_rest, &rest, &err)
                     : kind == 1 ? slurm_rest_read_partitions(&list, read_rest, &rest, &err)
                                 : slurm_rest_read_nodes(&list, read_rest, &rest, &err);

        must(result == 0 || err.code != ERROR_NONE);
    }
    for (size_t i = 0; i < list.site.partition_count; i++) {
        const struct slurm_partition_row *row = &list.site.partitions[i];

        must(row->partition[0] != '\0' && row->default_seconds >= -1 && row->max_seconds >= -1);
        must(row->mem_per_cpu != 0 && row->mem_per_node != 0);
    }
    slurm_site_list_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char version[SLURM_REST_VERSION_BYTES], *text = strndup((const char *)bytes, length);
    struct strbuf user = STRBUF_INIT;
    const char *token;
    size_t part;

    slurm_rest_version_choose((const char *)bytes, length, version, NULL);
    if (text != NULL) {
        slurm_rest_version_split(text, &part, version);
        must(part <= strlen(text));
    }
    if (slurm_rest_token_find((const char *)bytes, length, &token, &part) == 0) {
        must(part > 0 && memchr(token, '\n', part) == NULL);
        slurm_rest_token_user(token, part, &user);
        must(strpbrk(user.data, " \r\n") == NULL);
    }
    read_site(bytes, length);
    strbuf_release(&user);
    free(text);
    return 0;
}
