/*
 * Entity tags.  An answer is a function of the request and the model, so
 * its tag is known before the model runs: a digest of the body, of what else
 * the dialect looks at, of the model's name, version and image, and of the
 * build and the kernels that make the bytes.
 *
 * Ownership: the tag lies in the call.
 * Threads:   that of the decoding; large bodies are on a team thread.
 */

#include <stdio.h>

#include "api/call.h"


/* Each field with its length, so that none runs into the next. */
static void
etag_add(maas_sha_t *sha, maas_str_t s)
{
    uint64_t  n = s.len;

    maas_sha_update(sha, &n, sizeof(n));
    maas_sha_update(sha, s.data, s.len);
}


static void
etag_text(maas_sha_t *sha, const char *s)
{
    etag_add(sha, (maas_str_t) { s, strlen(s) });
}


/*
 * Is the tag in the list of If-None-Match?  The comparison is the weak one,
 * as a compressing filter makes tags weak.
 */
static bool
etag_listed(maas_str_t list, const char *etag)
{
    size_t       n = strlen(etag);
    const char  *p = list.data, *end = list.data + list.len;

    if (maas_str_is(list, "*")) {
        return true;
    }

    while (p != NULL && (size_t) (end - p) >= n) {
        p = memchr(p, '"', (size_t) (end - p));

        if (p == NULL || (size_t) (end - p) < n) {
            return false;
        }

        if (memcmp(p, etag, n) == 0) {
            return true;
        }

        /* Behind the closing quote of this one. */
        p = memchr(p + 1, '"', (size_t) (end - p - 1));
        p = p != NULL ? p + 1 : NULL;
    }

    return false;
}


maas_status_t
maas_call_make_etag(maas_call_t *call)
{
    uint8_t             digest[MAAS_DIGEST];
    maas_sha_t         *sha;
    maas_proto_call_t  *c = &call->c;
    char                version[32];

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(&call->err);
    }

    snprintf(version, sizeof(version), "%lld",
             (long long) c->route.m->version);

    etag_text(sha, maas_build_id());
    etag_text(sha, maas_cpu());
    etag_text(sha, call->proto->name);
    etag_add(sha, c->route.m->name);
    etag_text(sha, version);
    etag_add(sha, (maas_str_t) {
        (const char *) maas_model_digest(call->model), MAAS_DIGEST
    });
    etag_add(sha, c->variant.data != NULL ? c->variant : c->req.path);
    etag_add(sha, c->req.content_type);
    etag_add(sha, c->req.binary_header);
    etag_add(sha, (maas_str_t) { c->body, c->body_len });
    maas_sha_final(sha, digest);

    call->etag[0] = '"';
    maas_hex(call->etag + 1, digest, MAAS_DIGEST / 2);
    memcpy(call->etag + 1 + MAAS_DIGEST, "\"", 2);

    call->unchanged = etag_listed(c->req.if_none_match, call->etag);

    return MAAS_OK;
}
