/*
 * SHA-256 and SHA-1 by libcrypto, which nginx links anyway, and hexadecimal
 * text.
 *
 * Ownership: maas_sha_final() frees what maas_sha_create() made.
 * Threads:   one digest, one thread.
 */

#include <openssl/evp.h>

#include "base/base.h"


maas_sha_t *
maas_sha_create(void)
{
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }

    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return NULL;
    }

    return (maas_sha_t *) ctx;
}


void
maas_sha_update(maas_sha_t *s, const void *p, size_t n)
{
    if (n != 0) {
        EVP_DigestUpdate((EVP_MD_CTX *) s, p, n);
    }
}


void
maas_sha_final(maas_sha_t *s, uint8_t out[MAAS_DIGEST])
{
    unsigned int  n = MAAS_DIGEST;

    EVP_DigestFinal_ex((EVP_MD_CTX *) s, out, &n);
    EVP_MD_CTX_free((EVP_MD_CTX *) s);
}


bool
maas_sha1(const void *p, size_t n, uint8_t out[MAAS_SHA1])
{
    unsigned int  len = MAAS_SHA1;

    return EVP_Digest(p != NULL ? p : "", n, out, &len, EVP_sha1(), NULL)
           == 1;
}


void
maas_hex(char *out, const uint8_t *p, size_t n)
{
    static const char  digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }

    *out = '\0';
}
