/*
 * A model without an engine, for tests and fuzzers of the dialects: outputs
 * are its inputs.  Included once; it defines the maas_model_*() and
 * maas_run_*() that api/call*.c needs, so that none of the real ones is
 * linked.
 */

#ifndef MAAS_FAKE_MODEL_H
#define MAAS_FAKE_MODEL_H

#include <stdlib.h>

#include "api/model.h"


#define FAKE_PORTS  40

struct maas_model_s {
    const char     *name;
    int             refs;
    size_t          n_in, n_out;
    maas_port_t     in[FAKE_PORTS], out[FAKE_PORTS];
    maas_meta_t    *meta;
    maas_limits_t   limits;
    maas_tensor_t   keys;           /* of output 0, a map */
    maas_status_t   fails;          /* status of every run */
};

struct maas_run_s {
    const maas_model_t   *m;
    const maas_tensor_t  *in;
};


void
maas_model_retain(maas_model_t *m)
{
    m->refs++;
}


void
maas_model_release(maas_model_t *m)
{
    m->refs--;
}


const maas_port_t *
maas_model_inputs(const maas_model_t *m, size_t *n)
{
    *n = m->n_in;
    return m->in;
}


const maas_port_t *
maas_model_outputs(const maas_model_t *m, size_t *n)
{
    *n = m->n_out;
    return m->out;
}


const maas_meta_t *
maas_model_meta(const maas_model_t *m)
{
    return m->meta;
}


const maas_limits_t *
maas_model_limits(const maas_model_t *m)
{
    return &m->limits;
}


const uint8_t *
maas_model_digest(const maas_model_t *m)
{
    static const uint8_t  digest[MAAS_DIGEST];

    (void) m;

    return digest;
}


maas_status_t
maas_model_check_input(const maas_model_t *m, size_t i,
    const maas_tensor_t *t, maas_err_t *err)
{
    bool                bad;
    size_t              bytes;
    volatile char       sum = 0;
    const maas_port_t  *p = &m->in[i];

    bad = t->data == NULL || t->dtype != p->dtype
          || (p->rank >= 0 && t->rank != p->rank);

    for (int d = 0; !bad && p->rank >= 0 && d < t->rank; d++) {
        bad = p->dims[d] >= 0 && t->dims[d] != p->dims[d];
    }

    if (bad) {
        return maas_err(err, MAAS_EINTERNAL, "a dialect let input %zu pass",
                        i);
    }

    /* Touch what the tensor claims to have: the sanitizer watches. */
    if (t->dtype == MAAS_STRING) {
        if (!maas_string_check(t)) {
            return maas_err(err, MAAS_EINTERNAL, "bad string tensor");
        }

    } else if (!maas_dtype_bytes(t->dtype, maas_dims_count(t->dims, t->rank),
                                 &bytes) || bytes != t->bytes)
    {
        return maas_err(err, MAAS_EINTERNAL, "bytes do not match the shape");
    }

    for (size_t k = 0; k < t->bytes; k++) {
        sum += ((const char *) t->data)[k];
    }

    return MAAS_OK;
}


maas_status_t
maas_model_run(maas_model_t *m, const maas_tensor_t *in, maas_team_t *team,
    const atomic_bool *cancel, maas_run_t **run, maas_err_t *err)
{
    (void) team;

    if (atomic_load(cancel)) {
        return maas_err(err, MAAS_ECANCEL, "cancelled");
    }

    if (m->fails != MAAS_OK) {
        return maas_err(err, m->fails, "node \"Secret_7\" in /srv/x.onnx");
    }

    *run = malloc(sizeof(maas_run_t));
    (*run)->m = m;
    (*run)->in = in;

    return MAAS_OK;
}


void
maas_run_output(const maas_run_t *run, size_t i, maas_tensor_t *t,
    maas_tensor_t *keys)
{
    *t = run->in[i % run->m->n_in];

    memset(keys, 0, sizeof(*keys));

    if (i == 0) {
        *keys = run->m->keys;
    }
}


void
maas_run_release(maas_run_t *run)
{
    free(run);
}


size_t
maas_model_image_bytes(const maas_model_t *m)
{
    (void) m;

    return 3000;
}


size_t
maas_model_memory(const maas_model_t *m)
{
    (void) m;

    return 30;
}


size_t
maas_model_rested(const maas_model_t *m)
{
    (void) m;

    return 9;
}


int
maas_model_batch_axis(const maas_model_t *m)
{
    (void) m;

    return -1;
}


const uint8_t *
maas_model_pads(const maas_model_t *m)
{
    (void) m;

    return NULL;
}


uint64_t
maas_model_cost(maas_model_t *m, const maas_tensor_t *in)
{
    (void) m;
    (void) in;

    return 1000;
}


/* -- the models of the tests --------------------------------------------- */

static void
fake_port(maas_port_t *p, const char *name, maas_dtype_t dtype, int rank,
    const int64_t *dims)
{
    memset(p, 0, sizeof(*p));
    p->name = (maas_str_t) { name, strlen(name) };
    p->dtype = (uint8_t) dtype;
    p->rank = (int8_t) rank;

    for (int d = 0; d < rank; d++) {
        p->dims[d] = dims[d];

        if (dims[d] < 0 && d == 0) {
            p->sym[d] = maas_str("batch");
        }
    }
}


#define FAKE_DIMS(...)                                                        \
    (int) (sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t)),            \
    (int64_t[]) { __VA_ARGS__ }

static maas_model_t   fake_models[40];
static size_t         fake_n;
static maas_str_t     fake_names[40];


static maas_model_t *
fake_model(const char *name, maas_meta_t *meta)
{
    maas_model_t  *m = &fake_models[fake_n];

    fake_names[fake_n++] = (maas_str_t) { name, strlen(name) };
    m->name = name;
    m->meta = meta;
    m->limits.max_elements = 1000;

    return m;
}


/* One input x, one output y. */
static maas_model_t *
fake_one(const char *name, maas_dtype_t dtype, int rank, const int64_t *dims,
    maas_meta_t *meta)
{
    maas_model_t  *m = fake_model(name, meta);

    m->n_in = 1;
    m->n_out = 1;
    fake_port(&m->in[0], "x", dtype, rank, dims);
    fake_port(&m->out[0], "y", dtype, rank, dims);

    return m;
}


static maas_meta_t *
fake_meta(void)
{
    maas_meta_t  *meta = calloc(1, sizeof(maas_meta_t) + 256);

    meta->size = sizeof(maas_meta_t);

    return meta;
}


/* Labels "cat" and "dog", softmax, the two best. */
static maas_meta_t *
fake_classes(void)
{
    char             *base;
    maas_meta_t      *meta = fake_meta();
    maas_meta_str_t  *l;

    base = (char *) meta;
    meta->meaning = MAAS_MEANS_CLASSES;
    meta->softmax = 1;
    meta->top_k = 2;
    meta->n_labels = 2;
    meta->labels = sizeof(maas_meta_t);
    l = (maas_meta_str_t *) (base + meta->labels);
    l[0] = (maas_meta_str_t) { sizeof(maas_meta_t) + 64, 3 };
    l[1] = (maas_meta_str_t) { sizeof(maas_meta_t) + 67, 3 };
    memcpy(base + sizeof(maas_meta_t) + 64, "catdog", 6);
    meta->size = sizeof(maas_meta_t) + 70;

    return meta;
}


static maas_meta_t *
fake_image(void)
{
    maas_meta_t  *meta = fake_meta();

    meta->prep.kind = MAAS_PREP_IMAGE;
    meta->prep.width = 2;
    meta->prep.height = 2;
    meta->prep.scale = 1;

    for (int i = 0; i < 4; i++) {
        meta->prep.std[i] = 1;
    }

    return meta;
}


static void
fake_add(maas_catalog_t *c, maas_model_t *m, int64_t version)
{
    maas_catalog_add(c, (maas_str_t) { m->name, strlen(m->name) }, version, m,
                     NULL, m, NULL);
}


static const char  *fake_id_names[MAAS_DTYPES] = {
    [MAAS_F32] = "id_float32", [MAAS_U8] = "id_uint8", [MAAS_I8] = "id_int8",
    [MAAS_U16] = "id_uint16", [MAAS_I16] = "id_int16",
    [MAAS_I32] = "id_int32", [MAAS_I64] = "id_int64",
    [MAAS_STRING] = "id_string", [MAAS_BOOL] = "id_bool",
    [MAAS_F16] = "id_float16", [MAAS_F64] = "id_float64",
    [MAAS_U32] = "id_uint32", [MAAS_U64] = "id_uint64",
    [MAAS_BF16] = "id_bfloat16"
};


static void
fake_fill_more(maas_catalog_t *c)
{
    maas_model_t          *m;
    static const uint32_t  keys[] = { 0, 2, 4, 'n' | 'o' << 8 | 'u' << 16
                                      | (uint32_t) 'i' << 24 };

    m = fake_one("digits", MAAS_F32, FAKE_DIMS(-1, 4), fake_classes());
    fake_add(c, m, 1);

    m = fake_one("zip", MAAS_F32, FAKE_DIMS(-1, 2), fake_meta());
    m->out[0].kind = MAAS_KIND_SEQUENCE_MAP;
    m->keys = (maas_tensor_t) { (void *) (uintptr_t) keys, 16, MAAS_STRING,
                                1, 0, { 2 } };
    fake_add(c, m, 1);

    fake_add(c, fake_one("scalar", MAAS_F32, 0, NULL, NULL), 1);
    fake_add(c, fake_one("image", MAAS_F32, FAKE_DIMS(-1, 3, 2, 2),
                         fake_image()), 1);
    fake_add(c, fake_one("cube", MAAS_U8, FAKE_DIMS(-1, 2, 2),
                         fake_meta()), 1);
    fake_add(c, fake_one("free", MAAS_F32, -1, NULL, NULL), 1);
    fake_add(c, fake_one("open", MAAS_F32, FAKE_DIMS(-1, -1, -1), NULL), 1);

    m = fake_one("rows", MAAS_F32, FAKE_DIMS(-1, 2), fake_meta());
    m->meta->profile_max = 8;
    fake_add(c, m, 1);

    fake_add(c, fake_one("fixed", MAAS_F32, FAKE_DIMS(2, 2), NULL), 1);

    m = fake_model("score", fake_meta());
    m->n_in = 2;
    m->n_out = 2;
    m->meta->meaning = MAAS_MEANS_REGRESSION;
    m->meta->output = 1;
    fake_port(&m->in[0], "a", MAAS_I32, FAKE_DIMS(-1));
    fake_port(&m->in[1], "b", MAAS_F32, FAKE_DIMS(-1, 1));
    fake_port(&m->out[0], "s", MAAS_I32, FAKE_DIMS(-1));
    fake_port(&m->out[1], "t", MAAS_F32, FAKE_DIMS(-1, 1));
    fake_add(c, m, 1);

    m = fake_one("text", MAAS_STRING, FAKE_DIMS(-1), NULL);
    m->out[0].name = maas_str("y_bytes");
    fake_add(c, m, 1);

    m = fake_one("fails", MAAS_F32, FAKE_DIMS(-1), NULL);
    m->fails = MAAS_EINTERNAL;
    fake_add(c, m, 1);

    m = fake_one("many", MAAS_F32, FAKE_DIMS(-1), NULL);
    m->n_out = FAKE_PORTS;

    for (int i = 0; i < FAKE_PORTS; i++) {
        static char  names[FAKE_PORTS][16];

        snprintf(names[i], sizeof(names[i]), "y%d", i);
        fake_port(&m->out[i], names[i], MAAS_F32, FAKE_DIMS(-1));
    }

    fake_add(c, m, 1);
}


__attribute__((unused))
static void
fake_fill(maas_catalog_t *c)
{
    maas_model_t  *m;

    m = fake_one("add", MAAS_F32, FAKE_DIMS(-1, 2), fake_meta());
    fake_add(c, m, 3);
    fake_add(c, m, 1);
    maas_catalog_add(c, maas_str("add"), 7, NULL, "/srv/add/7: no such op",
                     NULL, NULL);
    maas_catalog_label(c, maas_str("add"), maas_str("canary"), 1, NULL);

    m = fake_model("two", fake_meta());
    m->n_in = 2;
    m->n_out = 2;
    fake_port(&m->in[0], "a", MAAS_F32, FAKE_DIMS(-1, 2));
    fake_port(&m->in[1], "b", MAAS_I64, FAKE_DIMS(-1));
    fake_port(&m->out[0], "s", MAAS_F32, FAKE_DIMS(-1, 2));
    fake_port(&m->out[1], "t", MAAS_I64, FAKE_DIMS(-1));
    fake_add(c, m, 1);

    for (int i = 0; i < MAAS_DTYPES; i++) {
        if (fake_id_names[i] != NULL) {
            fake_add(c, fake_one(fake_id_names[i], i, FAKE_DIMS(-1),
                                 fake_meta()), 1);
        }
    }

    fake_fill_more(c);

    maas_catalog_add(c, maas_str("down"), 1, NULL, "/srv/down: bad", NULL,
                     NULL);
}


__attribute__((unused))
static void
fake_free(void)
{
    for (size_t i = 0; i < fake_n; i++) {
        free(fake_models[i].meta);
    }
}

#endif
