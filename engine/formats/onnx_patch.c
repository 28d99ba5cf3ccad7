/*
 * onnx_patch.c: see onnx_patch.h.
 *
 * The fields of the file are copied one after the other as the bytes that
 * they are; only what leads to a replaced value is written anew.  So nothing
 * depends on whether a schema knows the rest.
 *
 * Threads: reentrant.
 * Format:  ModelProto in onnx.proto;
 *          https://protobuf.dev/programming-guides/encoding/
 */

#include "formats/onnx_patch.h"


#define SHOW(s)  (int) maas_min((s).len, 120u), (s).data

#define PATCH_LEN    2          /* wire type */
#define PATCH_DEPTH  64
#define PATCH_ROOM   5          /* bytes of a length */

/* Numbers of fields. */
enum {
    MODEL_GRAPH = 7, MODEL_FUNCTION = 25,
    GRAPH_NODE = 1, GRAPH_INIT = 5, GRAPH_IN = 11, GRAPH_OUT = 12,
    GRAPH_VALUE = 13, GRAPH_SPARSE = 15,
    TENSOR_DIMS = 1, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14,
    VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_SHAPE = 2,
    SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2
};

typedef struct {
    const maas_onnx_patch_t  *patch;
    maas_buf_t               *out;
    maas_err_t               *err;
    size_t                    done;     /* values that were replaced */
} patch_t;

typedef struct {
    uint32_t        id;
    int             wire;
    const uint8_t  *start;      /* with its tag */
    size_t          whole;
    const uint8_t  *p;          /* PATCH_LEN: what it holds */
    size_t          n;
    uint64_t        v;          /* of a varint */
} patch_field_t;


/* -- fields -------------------------------------------------------------- */

/* false: no field is left, or r->failed. */
static bool
patch_next(maas_reader_t *r, patch_field_t *f)
{
    uint64_t  tag, n;

    if (r->failed || maas_reader_left(r) == 0) {
        return false;
    }

    memset(f, 0, sizeof(*f));
    f->start = r->pos;
    tag = maas_read_varint(r);
    f->id = (uint32_t) (tag >> 3);
    f->wire = (int) (tag & 7);

    switch (f->wire) {

    case 0:
        f->v = maas_read_varint(r);
        break;

    case 1:
        maas_read_bytes(r, 8);
        break;

    case PATCH_LEN:
        n = maas_read_varint(r);
        f->n = (size_t) maas_min(n, (uint64_t) SIZE_MAX);
        f->p = maas_read_bytes(r, f->n);
        break;

    case 5:
        maas_read_bytes(r, 4);
        break;

    default:
        r->failed = true;
    }

    f->whole = (size_t) (r->pos - f->start);
    return !r->failed;
}


static bool
patch_is(const patch_field_t *f, uint32_t id)
{
    return f->id == id && f->wire == PATCH_LEN;
}


static maas_status_t
patch_end(const patch_t *c, const maas_reader_t *r)
{
    if (r->failed) {
        return maas_err(c->err, MAAS_EINVAL, "the model's bytes are damaged");
    }

    return c->out->failed ? maas_err_nomem(c->err) : MAAS_OK;
}


static void
patch_copy(patch_t *c, const patch_field_t *f)
{
    maas_buf_add(c->out, f->start, f->whole);
}


static int
patch_varint(uint8_t *b, uint64_t v)
{
    int  n = 0;

    do {
        b[n++] = (uint8_t) ((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v != 0);

    return n;
}


static void
patch_put(patch_t *c, uint64_t v)
{
    uint8_t  b[10];

    maas_buf_add(c->out, b, (size_t) patch_varint(b, v));
}


/* A message of a length that is known when it is closed. */
static size_t
patch_open(patch_t *c, uint32_t id)
{
    static const uint8_t  zero[PATCH_ROOM];

    patch_put(c, (uint64_t) id << 3 | PATCH_LEN);
    maas_buf_add(c->out, zero, PATCH_ROOM);

    return c->out->len;
}


static maas_status_t
patch_close(patch_t *c, size_t mark)
{
    int      k;
    char    *at;
    size_t   len;
    uint8_t  b[10];

    if (c->out->failed) {
        return maas_err_nomem(c->err);
    }

    len = c->out->len - mark;

    if (len > INT32_MAX) {
        return maas_err(c->err, MAAS_ELIMIT, "the model takes %zu bytes, at "
                        "most %d are possible", len, INT32_MAX);
    }

    k = patch_varint(b, len);
    at = c->out->data + mark;
    memcpy(at - PATCH_ROOM, b, (size_t) k);
    memmove(at - PATCH_ROOM + k, at, len);
    c->out->len -= (size_t) (PATCH_ROOM - k);

    return MAAS_OK;
}


/* The text in a field of a message; the last one counts. */
static maas_str_t
patch_text(const uint8_t *p, size_t n, uint32_t id)
{
    maas_str_t     s = maas_str("");
    maas_reader_t  r;
    patch_field_t  f;

    maas_reader_init(&r, p, n);

    while (patch_next(&r, &f)) {
        if (patch_is(&f, id)) {
            s = (maas_str_t) { (const char *) f.p, f.n };
        }
    }

    return s;
}


/* -- external data ------------------------------------------------------- */

typedef enum {
    KIND_END = 0,
    KIND_GRAPH,
    KIND_NODE,
    KIND_ATTR,
    KIND_SPARSE,
    KIND_FUNC,
    KIND_TENSOR
} patch_kind_t;

/* Which fields of a message hold messages that may hold tensors. */
static const struct {
    uint8_t  kind, id, inner;
} patch_inner[] = {
    { KIND_GRAPH, GRAPH_NODE, KIND_NODE },
    { KIND_GRAPH, GRAPH_INIT, KIND_TENSOR },
    { KIND_GRAPH, GRAPH_SPARSE, KIND_SPARSE },
    { KIND_NODE, 5, KIND_ATTR },
    { KIND_ATTR, 5, KIND_TENSOR },
    { KIND_ATTR, 6, KIND_GRAPH },
    { KIND_ATTR, 10, KIND_TENSOR },
    { KIND_ATTR, 11, KIND_GRAPH },
    { KIND_ATTR, 22, KIND_SPARSE },
    { KIND_ATTR, 23, KIND_SPARSE },
    { KIND_SPARSE, 1, KIND_TENSOR },
    { KIND_SPARSE, 2, KIND_TENSOR },
    { KIND_FUNC, 7, KIND_NODE },
    { KIND_FUNC, 11, KIND_ATTR },
    { KIND_END, 0, 0 }
};


static bool
patch_external(const uint8_t *p, size_t n)
{
    bool           external = false;
    maas_reader_t  r;
    patch_field_t  f;

    maas_reader_init(&r, p, n);

    while (patch_next(&r, &f)) {
        if (f.id == TENSOR_LOCATION && f.wire == 0) {
            external = f.v == 1;
        }
    }

    return external;
}


/* What is copied as it is must not point to other files. */
static maas_status_t
patch_check(const patch_t *c, int kind, const uint8_t *p, size_t n,
    int depth)
{
    maas_reader_t  r;
    patch_field_t  f;

    if (kind == KIND_TENSOR) {
        maas_str_t  name = patch_text(p, n, TENSOR_NAME);

        return !patch_external(p, n) ? MAAS_OK
               : maas_err(c->err, MAAS_EUNSUPPORTED, "the data of tensor "
                          "'%.*s' are in another file; only those of "
                          "initializers of the main graph can be written "
                          "into a new version", SHOW(name));
    }

    if (depth == PATCH_DEPTH) {
        return maas_err(c->err, MAAS_ELIMIT, "graphs are nested more than "
                        "%d deep", PATCH_DEPTH);
    }

    maas_reader_init(&r, p, n);

    while (patch_next(&r, &f)) {
        for (int i = 0; patch_inner[i].kind != KIND_END; i++) {
            if (patch_inner[i].kind == kind
                && patch_is(&f, patch_inner[i].id))
            {
                MAAS_TRY(patch_check(c, patch_inner[i].inner, f.p, f.n,
                                     depth + 1));
            }
        }
    }

    return patch_end(c, &r);
}


/* -- tensors ------------------------------------------------------------- */

/* Payloads: float, int32, string, int64, raw, double, uint64. */
static bool
patch_payload(uint32_t id)
{
    return (id >= 4 && id <= 7) || (id >= 9 && id <= 11)
           || id == TENSOR_EXTERNAL || id == TENSOR_LOCATION;
}


/* A TensorProto with the value of t; all but its payload stays. */
static maas_status_t
patch_tensor(patch_t *c, const uint8_t *p, size_t n, const maas_tensor_t *t)
{
    size_t         mark = patch_open(c, GRAPH_INIT);
    maas_reader_t  r;
    patch_field_t  f;

    for (int i = 0; i < t->rank; i++) {
        patch_put(c, TENSOR_DIMS << 3);
        patch_put(c, (uint64_t) t->dims[i]);
    }

    maas_reader_init(&r, p, n);

    while (patch_next(&r, &f)) {
        if (f.id != TENSOR_DIMS && !patch_payload(f.id)) {
            patch_copy(c, &f);
        }
    }

    MAAS_TRY(patch_end(c, &r));
    patch_put(c, TENSOR_RAW << 3 | PATCH_LEN);
    patch_put(c, t->bytes);
    maas_buf_add(c->out, t->data, t->bytes);

    return patch_close(c, mark);
}


static const maas_raw_init_t *
patch_read(const maas_raw_model_t *m, maas_str_t name)
{
    for (uint32_t i = 0; i < m->graph.n_init; i++) {
        if (maas_str_eq(m->graph.init[i].name, name)) {
            return &m->graph.init[i];
        }
    }

    return NULL;
}


static maas_status_t
patch_value(const patch_t *c, const maas_onnx_value_t *v)
{
    size_t                  bytes;
    const maas_raw_init_t  *was = patch_read(c->patch->model, v->name);
    int64_t                 n = maas_dims_count(v->t.dims, v->t.rank);

    if (was == NULL || was->t.dtype != v->t.dtype) {
        return maas_err(c->err, MAAS_ENOENT, "the model has no %s "
                        "initializer '%.*s'", maas_dtype_name(v->t.dtype),
                        SHOW(v->name));
    }

    if (n < 0 || v->t.dtype == MAAS_STRING
        || !maas_dtype_bytes(v->t.dtype, n, &bytes) || bytes != v->t.bytes)
    {
        return maas_err(c->err, MAAS_EINVAL, "initializer '%.*s': its data "
                        "do not have its shape", SHOW(v->name));
    }

    return MAAS_OK;
}


static maas_status_t
patch_init(patch_t *c, const patch_field_t *f)
{
    maas_str_t              name = patch_text(f->p, f->n, TENSOR_NAME);
    const maas_raw_init_t  *was;

    for (size_t i = 0; i < c->patch->n_value; i++) {
        if (maas_str_eq(c->patch->value[i].name, name)) {
            c->done++;
            return patch_tensor(c, f->p, f->n, &c->patch->value[i].t);
        }
    }

    if (!patch_external(f->p, f->n)) {
        patch_copy(c, f);
        return MAAS_OK;
    }

    was = patch_read(c->patch->model, name);

    return was != NULL && was->t.dtype != MAAS_STRING
           ? patch_tensor(c, f->p, f->n, &was->t)
           : patch_check(c, KIND_TENSOR, f->p, f->n, 0);
}


/* -- declared shapes ----------------------------------------------------- */

static maas_status_t
patch_dim(patch_t *c, const patch_field_t *dim, int64_t v)
{
    size_t         mark = patch_open(c, SHAPE_DIM);
    maas_reader_t  r;
    patch_field_t  f;

    patch_put(c, DIM_VALUE << 3);
    patch_put(c, (uint64_t) v);
    maas_reader_init(&r, dim->p, dim->n);

    while (patch_next(&r, &f)) {
        if (f.id != DIM_VALUE && f.id != DIM_PARAM) {
            patch_copy(c, &f);
        }
    }

    MAAS_TRY(patch_end(c, &r));
    return patch_close(c, mark);
}


/* ValueInfoProto.type.tensor_type.shape.dim[axis], from the outside in. */
static maas_status_t
patch_port(patch_t *c, uint32_t id, const uint8_t *p, size_t n, int level,
    const maas_onnx_dim_t *dim)
{
    int                    axis = 0;
    size_t                 mark = patch_open(c, id);
    maas_reader_t          r;
    patch_field_t          f;
    static const uint32_t  way[] = { VALUE_TYPE, TYPE_TENSOR, TENSOR_SHAPE,
                                     SHAPE_DIM };

    maas_reader_init(&r, p, n);

    while (patch_next(&r, &f)) {
        if (!patch_is(&f, way[level])) {
            patch_copy(c, &f);

        } else if (level < 3) {
            MAAS_TRY(patch_port(c, way[level], f.p, f.n, level + 1, dim));

        } else if (axis++ == dim->axis) {
            MAAS_TRY(patch_dim(c, &f, dim->dim));

        } else {
            patch_copy(c, &f);
        }
    }

    MAAS_TRY(patch_end(c, &r));
    return patch_close(c, mark);
}


static maas_status_t
patch_info(patch_t *c, const patch_field_t *f)
{
    maas_str_t                name = patch_text(f->p, f->n, VALUE_NAME);
    const maas_onnx_patch_t  *o = c->patch;

    for (size_t i = 0; f->id == GRAPH_VALUE && i < o->n_drop; i++) {
        if (maas_str_eq(o->drop[i], name)) {
            return MAAS_OK;
        }
    }

    for (size_t i = 0; i < o->n_dim; i++) {
        if (maas_str_eq(o->dim[i].name, name)) {
            return patch_port(c, f->id, f->p, f->n, 0, &o->dim[i]);
        }
    }

    patch_copy(c, f);
    return MAAS_OK;
}


/* -- the model ----------------------------------------------------------- */

static maas_status_t
patch_graph(patch_t *c, const patch_field_t *graph)
{
    size_t         mark = patch_open(c, MODEL_GRAPH);
    maas_reader_t  r;
    patch_field_t  f;

    maas_reader_init(&r, graph->p, graph->n);

    while (patch_next(&r, &f)) {
        if (patch_is(&f, GRAPH_INIT)) {
            MAAS_TRY(patch_init(c, &f));

        } else if (patch_is(&f, GRAPH_IN) || patch_is(&f, GRAPH_OUT)
                   || patch_is(&f, GRAPH_VALUE))
        {
            MAAS_TRY(patch_info(c, &f));

        } else {
            if (patch_is(&f, GRAPH_NODE) || patch_is(&f, GRAPH_SPARSE)) {
                MAAS_TRY(patch_check(c, f.id == GRAPH_NODE ? KIND_NODE
                                     : KIND_SPARSE, f.p, f.n, 0));
            }

            patch_copy(c, &f);
        }
    }

    MAAS_TRY(patch_end(c, &r));
    return patch_close(c, mark);
}


maas_status_t
maas_onnx_patch(const void *p, size_t n, const maas_onnx_patch_t *patch,
    maas_buf_t *out, maas_err_t *err)
{
    size_t         from = out->len;
    patch_t        c = { .patch = patch, .out = out, .err = err };
    maas_reader_t  r;
    patch_field_t  f;

    for (size_t i = 0; i < patch->n_value; i++) {
        MAAS_TRY(patch_value(&c, &patch->value[i]));
    }

    maas_reader_init(&r, p, n);

    while (patch_next(&r, &f)) {
        if (patch_is(&f, MODEL_GRAPH)) {
            MAAS_TRY(patch_graph(&c, &f));
            continue;
        }

        if (patch_is(&f, MODEL_FUNCTION)) {
            MAAS_TRY(patch_check(&c, KIND_FUNC, f.p, f.n, 0));
        }

        patch_copy(&c, &f);
    }

    MAAS_TRY(patch_end(&c, &r));

    /* Sparse initializers and constants of functions have names as well. */
    if (c.done < patch->n_value) {
        return maas_err(err, MAAS_ENOENT, "%zu of %zu values have no dense "
                        "initializer in the file", patch->n_value - c.done,
                        patch->n_value);
    }

    return out->len - from <= INT32_MAX ? MAAS_OK
           : maas_err(err, MAAS_ELIMIT, "the model takes %zu bytes, at most "
                      "%d are possible", out->len - from, INT32_MAX);
}
