/*
 * Images as an input: JPEG and PNG bytes, one or a batch of them, prepared as
 * model.json says.  They come as a body, as parts of a form, or in JSON as
 * {"b64": "..."} (all dialects that read inputs with json_inputs.c).
 *
 * Ownership: tensors hang on the call, bytes out of base64 in its arena.
 * Threads:   a call belongs to one thread at a time; never the event loop,
 *            for a small file may hold a large picture.
 */

#include "media/image.h"
#include "proto/proto.h"


#define IMAGES_PIXELS  ((uint64_t) 64 * 1024 * 1024)
#define IMAGES_MAX     1024


bool
maas_proto_takes_image(const maas_proto_model_t *m, size_t i)
{
    return m->meta != NULL && m->meta->prep.kind == MAAS_PREP_IMAGE
           && m->meta->prep.input == i;
}


static maas_status_t
images_prefix(size_t i, size_t n, maas_status_t rc, maas_err_t *err)
{
    return rc == MAAS_OK || rc == MAAS_ENOMEM || n == 1 ? rc
           : maas_err_prefix(err, "image %zu", i);
}


/* The shape that all of them have, with their number in front. */
static maas_status_t
images_shape(const maas_prep_t *prep, const maas_str_t *img, size_t n,
    maas_tensor_t *t, maas_err_t *err)
{
    int                rank;
    char               came[MAAS_DIMS_TEXT], want[MAAS_DIMS_TEXT];
    int64_t            dims[MAAS_RANK_MAX];
    maas_status_t      rc;
    maas_image_size_t  size;

    for (size_t i = 0; i < n; i++) {
        rc = maas_image_size(img[i].data, img[i].len, IMAGES_PIXELS, &size,
                             err);

        if (rc == MAAS_OK) {
            rc = maas_image_dims(prep, &size, dims, &rank, err);
        }

        MAAS_TRY(images_prefix(i, n, rc, err));

        if (i == 0) {
            t->rank = (uint8_t) rank;
            memcpy(t->dims, dims, (size_t) rank * sizeof(int64_t));

        } else if (memcmp(t->dims, dims, (size_t) rank * sizeof(int64_t))
                   != 0)
        {
            return maas_err(err, MAAS_EINVAL, "image %zu makes a tensor %s, "
                            "the first one %s: a batch needs images of one "
                            "size", i, maas_dims_text(came, dims, rank),
                            maas_dims_text(want, t->dims, rank));
        }
    }

    t->dims[0] = (int64_t) n;
    return MAAS_OK;
}


/* In place: element i is read before anything at it is written. */
static void
images_halve(maas_tensor_t *t, maas_dtype_t dtype)
{
    float      f;
    int64_t    n = maas_tensor_count(t);
    uint16_t  *half = t->data;

    for (int64_t i = 0; i < n; i++) {
        memcpy(&f, (char *) t->data + i * 4, sizeof(f));
        half[i] = dtype == MAAS_F16 ? maas_f32_to_f16(f)
                                    : maas_f32_to_bf16(f);
    }

    t->bytes /= 2;
    t->dtype = (uint8_t) dtype;
}


/* Prepared as float32 or uint8; 16-bit floats are converted behind that. */
maas_status_t
maas_proto_images(maas_proto_call_t *c, size_t in, const maas_str_t *img,
    size_t n, maas_err_t *err)
{
    size_t              bytes;
    uint8_t             dtype = c->route.m->in[in].dtype;
    maas_tensor_t       t = { 0 }, one;
    maas_status_t       rc;
    const maas_prep_t  *prep = &c->route.m->meta->prep;

    if (n > IMAGES_MAX) {
        return maas_err(err, MAAS_ELIMIT, "%zu images; at most %d are taken",
                        n, IMAGES_MAX);
    }

    MAAS_TRY(images_shape(prep, img, n, &t, err));
    MAAS_TRY(maas_proto_shape(c, in, t.dims, t.rank, err));

    t.dtype = dtype == MAAS_U8 ? MAAS_U8 : MAAS_F32;

    if (!maas_dtype_bytes(t.dtype, maas_dims_count(t.dims, t.rank),
                          &t.bytes))
    {
        return maas_err(err, MAAS_ELIMIT, "the images are too large");
    }

    t.data = maas_proto_alloc(c, t.bytes, err);
    if (t.data == NULL) {
        return MAAS_ENOMEM;
    }

    one = t;
    one.dims[0] = 1;
    bytes = t.bytes / n;
    one.bytes = bytes;

    for (size_t i = 0; i < n; i++) {
        one.data = (char *) t.data + i * bytes;
        rc = maas_image_prepare(c->host, img[i].data, img[i].len,
                                IMAGES_PIXELS, prep, &one, err);
        MAAS_TRY(images_prefix(i, n, rc, err));
    }

    if (dtype == MAAS_F16 || dtype == MAAS_BF16) {
        images_halve(&t, dtype);
    }

    c->in[in] = t;
    return MAAS_OK;
}


/* -- JSON ---------------------------------------------------------------- */

bool
maas_proto_json_is_image(const maas_proto_call_t *c, const maas_json_t *j,
    size_t i)
{
    bool         first = true, more = false;
    maas_json_t  ahead = *j;

    ahead.err = NULL;

    if (!maas_proto_takes_image(c->route.m, i)) {
        return false;
    }

    if (maas_json_peek(&ahead) == '['
        && (maas_json_item(&ahead, &first, &more) != MAAS_OK || !more))
    {
        return false;
    }

    return maas_json_peek(&ahead) == '{';
}


/* {"b64": "..."} */
maas_status_t
maas_proto_json_b64(maas_proto_call_t *c, maas_json_t *j, maas_str_t *s,
    maas_err_t *err)
{
    bool         good, first = true;
    char        *p;
    maas_str_t   key, text;
    maas_buf_t   b;

    MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

    if (key.data == NULL || !maas_str_is(key, "b64")) {
        return maas_json_fail(j, "an image is {\"b64\": \"...\"}, its bytes "
                              "as base64");
    }

    MAAS_TRY(maas_json_string(j, c->arena, &text));

    maas_buf_init(&b, c->host);
    good = maas_json_get_b64(&b, text);

    p = good && !b.failed ? maas_arena_dup(c->arena, b.len ? b.data : "",
                                           b.len + (b.len == 0)) : NULL;
    *s = (maas_str_t) { p, b.len };
    maas_buf_destroy(&b);

    if (!good) {
        return maas_json_fail(j, "the string of \"b64\" is not base64");
    }

    if (p == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

    return key.data == NULL ? MAAS_OK
           : maas_json_fail(j, "a second key beside \"b64\"");
}


maas_status_t
maas_proto_image_add(maas_proto_call_t *c, maas_proto_images_t *list,
    maas_str_t s, maas_err_t *err)
{
    size_t       cap;
    maas_str_t  *v;

    if (list->n == list->cap) {
        cap = list->cap != 0 ? list->cap * 2 : 8;

        if (list->n >= IMAGES_MAX) {
            return maas_err(err, MAAS_ELIMIT, "more than %d images",
                            IMAGES_MAX);
        }

        v = maas_arena_array(c->arena, cap, sizeof(maas_str_t));
        if (v == NULL) {
            return maas_err_nomem(err);
        }

        if (list->n != 0) {
            memcpy(v, list->v, list->n * sizeof(maas_str_t));
        }

        list->v = v;
        list->cap = cap;
    }

    list->v[list->n++] = s;
    return MAAS_OK;
}


maas_status_t
maas_proto_json_images(maas_proto_call_t *c, maas_json_t *j, size_t i,
    maas_err_t *err)
{
    bool                 first = true, more = true;
    maas_str_t           s;
    maas_status_t        rc;
    maas_proto_images_t  list = { 0 };
    const maas_port_t   *port = &c->route.m->in[i];

    if (maas_json_peek(j) == '{') {
        MAAS_TRY(maas_proto_json_b64(c, j, &s, err));
        MAAS_TRY(maas_proto_image_add(c, &list, s, err));
        more = false;
    }

    while (more) {
        MAAS_TRY(maas_json_item(j, &first, &more));

        if (more) {
            MAAS_TRY(maas_proto_json_b64(c, j, &s, err));
            MAAS_TRY(maas_proto_image_add(c, &list, s, err));
        }
    }

    rc = maas_proto_images(c, i, list.v, list.n, err);
    return maas_proto_input_rc(port, rc, err);
}
