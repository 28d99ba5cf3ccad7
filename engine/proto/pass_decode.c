/*
 * Bodies of maas_pass into tensors, by their type: JSON, raw bytes, an
 * image, .npy, CSV; forms are in pass_form.c.
 *
 * Ownership: raw inputs point into the body, all else hangs on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#define _GNU_SOURCE

#include <stdio.h>

#include "media/image.h"
#include "proto/pass_stages.h"


/* {"inputs": ...}, {"instances": [...]} or {"name": ...} */
static maas_status_t
decode_object(maas_proto_call_t *c, maas_json_t *j, maas_err_t *err)
{
    bool                       first = true, wrapped = false;
    size_t                     n = 0;
    maas_str_t                 key;
    const maas_proto_model_t  *m = c->route.m;

    for ( ;; n++) {
        MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

        if (key.data == NULL) {
            return MAAS_OK;
        }

        if (wrapped) {
            return maas_json_fail(j, "\"%.*s\" beside \"inputs\" or "
                                  "\"instances\"",
                                  (int) maas_min(key.len, 64), key.data);
        }

        if (n == 0 && maas_proto_port(m->in, m->n_in, key) < 0) {

            if (maas_str_is(key, "inputs")) {
                wrapped = true;
                MAAS_TRY(maas_proto_json_columns(c, j, true, err));
                continue;
            }

            if (maas_str_is(key, "instances")) {
                wrapped = true;
                MAAS_TRY(maas_proto_json_rows(c, j, err));
                continue;
            }
        }

        MAAS_TRY(maas_proto_json_named(c, j, key, true, err));
    }
}


/* A request of another dialect, sent to the wrong URL. */
static maas_status_t
decode_dialect(const maas_proto_call_t *c, maas_status_t rc, maas_err_t *err)
{
    static const char  word[] = "\"datatype\"";

    if (rc != MAAS_EINVAL || err == NULL
        || memmem(c->body, c->body_len, word, strlen(word)) == NULL)
    {
        return rc;
    }

    (void) maas_err_suffix(err, "requests of the Open Inference Protocol go to "
                           "a location with \"maas_api kserve\"");
    return rc;
}


static maas_status_t
decode_json(maas_proto_call_t *c, maas_err_t *err)
{
    bool         b64;
    maas_json_t  j;

    maas_json_init(&j, c->body, c->body_len, err);
    MAAS_TRY(maas_proto_json_is_b64(c, &j, &b64));

    MAAS_TRY(maas_json_peek(&j) == '{' && !b64
             ? decode_dialect(c, decode_object(c, &j, err), err)
             : maas_proto_json_only(c, &j, true, err));

    return maas_json_end(&j);
}


static maas_status_t
decode_image(maas_proto_call_t *c, maas_err_t *err)
{
    maas_str_t  s = { c->body, c->body_len };

    return maas_proto_images(c, 0, &s, 1, err);
}


static maas_status_t
decode_body(maas_proto_call_t *c, maas_str_t type, maas_err_t *err)
{
    bool  image = c->route.m->n_in == 1
                  && maas_proto_takes_image(c->route.m, 0);

    if (maas_media_is(type, maas_pass_types[MAAS_PASS_RAW])) {
        return maas_proto_raw_body(c, err);
    }

    if (maas_media_is(type, maas_pass_types[MAAS_PASS_NPY])) {
        return maas_pass_npy(c, 0, c->body, c->body_len, err);
    }

    if (maas_media_is(type, maas_pass_types[MAAS_PASS_CSV])) {
        return maas_pass_csv(c, -1, c->req.content_type, c->body, c->body_len,
                             err);
    }

    if (maas_media_is(type, maas_pass_types[MAAS_PASS_FORM])) {
        return maas_pass_form(c, err);
    }

    /* maas_pass_ask() let a named type through only if it is taken. */
    if (image && (type.len != 0
                  ? !maas_media_is(type, "application/x-www-form-urlencoded")
                  : maas_image_sniff(c->body, c->body_len) != NULL))
    {
        return decode_image(c, err);
    }

    if (c->body_len == 0) {
        return maas_err(err, MAAS_EINVAL, "the body is empty; POST the input, "
                        "for example as JSON");
    }

    return maas_pass_refuse_body(c, err);
}


maas_status_t
maas_pass_decode(maas_proto_call_t *c, maas_err_t *err)
{
    maas_str_t  type = maas_media_type(c->req.content_type);

    MAAS_TRY(maas_pass_is_json(type, c->body, c->body_len)
             ? decode_json(c, err) : decode_body(c, type, err));

    return maas_proto_complete(c, err);
}
