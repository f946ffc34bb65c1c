/* tls - see tls.h. libmicrohttpd's own word on a bad file is "failed", so they are looked at first.
 */
#include "ledgerd/http/tls.h"

#include <errno.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ledgerd/base/log.h"

enum { PEM_BYTES_MAX = 1024 * 1024 }; /* a chain has some kilobytes */

/* The file's text, to be freed; NULL on error. */
static char *read_text(const char *setting, const char *path, struct error *err)
{
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? malloc(PEM_BYTES_MAX + 1) : NULL;

    if (text == NULL) {
        error_set(err, ERROR_INPUT, "[http] %s %s: cannot be read: %s", setting, path,
                  strerror(errno));
        if (file != NULL) {
            fclose(file);
        }
        return NULL;
    }
    size_t length = fread(text, 1, PEM_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || length > PEM_BYTES_MAX || memchr(text, '\0', length) != NULL) {
        error_set(err, ERROR_INPUT, "[http] %s %s: cannot be read, or holds no PEM", setting, path);
        OPENSSL_cleanse(text, length);
        free(text);
        return NULL;
    }
    text[length] = '\0';
    return text;
}

static void warn_of_open_key(const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && (status.st_mode & S_IROTH) != 0) {
        log_event(LOG_LEVEL_WARNING, "tls-key-exposed", "path", path, "why",
                  "everybody on this machine can read it", NULL);
    }
}

/* No passphrase is ever asked for. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static int check_pair(const struct conf *conf, const struct tls *tls, struct error *err)
{
    BIO *certificate_text = BIO_new_mem_buf(tls->certificate, -1);
    BIO *key_text = BIO_new_mem_buf(tls->key, -1);
    X509 *certificate = certificate_text != NULL
                            ? PEM_read_bio_X509(certificate_text, NULL, no_passphrase, NULL)
                            : NULL;
    EVP_PKEY *key = key_text != NULL ? PEM_read_bio_PrivateKey(key_text, NULL, no_passphrase, NULL)
                                     : NULL;
    int result = 0;

    if (certificate == NULL) {
        result = error_set(err, ERROR_INPUT, "[http] tls_certificate %s: holds no certificate",
                           conf->http_tls_certificate);
    } else if (key == NULL) {
        result = error_set(err, ERROR_INPUT,
                           "[http] tls_key %s: holds no private key, or one with a passphrase",
                           conf->http_tls_key);
    } else if (X509_check_private_key(certificate, key) != 1) {
        result = error_set(err, ERROR_INPUT, "[http] tls_key %s: is not the key of %s",
                           conf->http_tls_key, conf->http_tls_certificate);
    }
    EVP_PKEY_free(key);
    X509_free(certificate);
    BIO_free(key_text);
    BIO_free(certificate_text);
    return result;
}

int tls_load(const struct conf *conf, struct tls *tls, struct error *err)
{
    *tls = (struct tls){0};
    if (conf->http_tls_certificate[0] == '\0' || conf->http_tls_key[0] == '\0') {
        return 0;
    }
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
        return error_set(err, ERROR_ARGUMENT,
                         "[http] tls_certificate: this machine's libmicrohttpd was built without "
                         "TLS");
    }
    tls->certificate = read_text("tls_certificate", conf->http_tls_certificate, err);
    tls->key = tls->certificate != NULL ? read_text("tls_key", conf->http_tls_key, err) : NULL;
    if (tls->key == NULL || check_pair(conf, tls, err) != 0) {
        tls_release(tls);
        return -1;
    }
    warn_of_open_key(conf->http_tls_key);
    return 0;
}

void tls_release(struct tls *tls)
{
    if (tls->key != NULL) {
        OPENSSL_cleanse(tls->key, strlen(tls->key));
    }
    free(tls->key);
    free(tls->certificate);
    *tls = (struct tls){0};
}
