/* slurm_rest_token - see slurm_rest_token.h. Nothing is verified here: that is slurmrestd's. */
#include "importers/slurm_rest_token.h"

#include <string.h>

#include "importers/json_scan.h"

static const char NAMED[] = "SLURM_JWT=";
enum { USER_BYTES_MAX = 256 };

static bool is_token_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.=+/", c) != NULL);
}

int slurm_rest_token_find(const char *text, size_t length, const char **token, size_t *token_length)
{
    static const char space[] = " \t\r\n";

    while (length > 0 && memchr(space, text[length - 1], sizeof space - 1) != NULL) {
        length--;
    }
    while (length > 0 && memchr(space, *text, sizeof space - 1) != NULL) {
        text++;
        length--;
    }
    if (length > sizeof NAMED - 1 && memcmp(text, NAMED, sizeof NAMED - 1) == 0) {
        text += sizeof NAMED - 1;
        length -= sizeof NAMED - 1;
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_token_byte(text[i])) {
            return -1;
        }
    }
    *token = text;
    *token_length = length;
    return length > 0 ? 0 : -1;
}

/* The six bits of a character of base64url; -1 if it is none. */
static int sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* Append what base64url text means. OpenSSL's decoder knows the other alphabet alone. */
static int decode(const char *text, size_t length, struct strbuf *out)
{
    unsigned bits = 0, held = 0;

    for (size_t i = 0; i < length; i++) {
        int six = sextet(text[i]);

        if (six < 0) {
            return -1;
        }
        bits = (bits << 6 | (unsigned)six) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            strbuf_add_char(out, (char)(bits >> held & 0xff));
        }
    }
    return out->failed ? -1 : 0;
}

/* A name that can stand in a header. */
static bool is_name(struct scan_text name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (name.bytes[i] <= ' ' || name.bytes[i] >= 0x7f) {
            return false;
        }
    }
    return name.length > 0 && name.length <= USER_BYTES_MAX;
}

int slurm_rest_token_user(const char *token, size_t length, struct strbuf *user)
{
    const char *end = token + length;
    const char *claims = memchr(token, '.', length);
    const char *stop = claims != NULL ? memchr(claims + 1, '.', (size_t)(end - claims - 1)) : NULL;
    struct strbuf text = STRBUF_INIT;
    struct scan_doc doc;
    int result = -1;

    scan_init(&doc);
    if (stop != NULL && decode(claims + 1, (size_t)(stop - claims - 1), &text) == 0 &&
        scan_json_whole(&doc, text.data, text.length) == SCAN_OK) {
        uint32_t name = scan_given(&doc, 0, "sun");

        if (name != SCAN_NONE && scan_type(&doc, name) == SCAN_STRING &&
            is_name(scan_text(&doc, name))) {
            strbuf_add(user, scan_text(&doc, name).bytes, scan_text(&doc, name).length);
            result = user->failed ? -1 : 0;
        }
    }
    scan_release(&doc);
    strbuf_release(&text);
    return result;
}
