/*
 * RotaryEmbedding-23, and com.microsoft's, which becomes it.
 *
 * A head of d columns has its first r columns turned in pairs: (i, i + r/2),
 * or (2i, 2i + 1) when interleaved, by the angle whose cosine and sine lie
 * in the caches, by position (position_ids) or by row [B, S, r/2].
 *
 * Ownership: nothing is allocated.  Threads: rows are independent.
 * Spec: github.com/onnx/onnx, docs/Operators.md, RotaryEmbedding.
 */

#include "ops/move.h"
#include "ops/ops_common.h"


enum { ROT_X, ROT_COS, ROT_SIN, ROT_IDS };

typedef struct {
    int64_t  interleaved;
    int64_t  heads;
    int64_t  columns;           /* that turn; 0: all */
    int64_t  scale;             /* of com.microsoft, and the next: unused */
    int64_t  packed;
    float    factor;
} rot_attr_t;

typedef struct {
    int64_t  b, s, h, d, r;
    int64_t  image, row, head;  /* strides */
} rot_geom_t;


static void
rot_geom(rot_geom_t *g, const rot_attr_t *a, const maas_tensor_t *x)
{
    bool  flat = x->rank == 3;

    g->b = x->dims[0];
    g->h = flat ? a->heads : x->dims[1];
    g->s = flat ? x->dims[1] : x->dims[2];
    g->d = flat ? x->dims[2] / g->h : x->dims[3];
    g->r = a->columns != 0 ? a->columns : g->d;
    g->image = g->s * g->h * g->d;
    g->row = flat ? g->h * g->d : g->d;
    g->head = flat ? g->d : g->s * g->d;
}


static maas_status_t
rot_cache(maas_infer_t *c, int i, maas_dim_t b, maas_dim_t s, maas_dim_t half)
{
    int                 want = maas_infer_has(c, ROT_IDS) ? 2 : 3;
    maas_dim_t          d;
    const char         *name = i == ROT_COS ? "cos_cache" : "sin_cache";
    const maas_type_t  *t = c->in[i].type;

    if (t->rank != want) {
        return maas_err(c->err, MAAS_EINVAL, "%s has rank %d, expected %d "
                        "%s position_ids", name, t->rank, want,
                        want == 2 ? "with" : "without");
    }

    MAAS_TRY(maas_infer_merge(c, t->dims[want - 1], half, &d,
                              "the columns of the caches, and half of those "
                              "that turn"));

    if (want == 3) {
        MAAS_TRY(maas_infer_merge(c, t->dims[0], b, &d,
                                  "the batch of X and the caches"));
        MAAS_TRY(maas_infer_merge(c, t->dims[1], s, &d,
                                  "the rows of X and the caches"));
    }

    return MAAS_OK;
}


static maas_status_t
rot_infer(maas_infer_t *c)
{
    maas_dim_t          b, s, d, half;
    const rot_attr_t   *a = c->attr;
    const maas_type_t  *x = c->in[ROT_X].type;

    if (x->rank != 3 && x->rank != 4) {
        return maas_err(c->err, MAAS_EINVAL, "X has rank %d, expected 3 or 4",
                        x->rank);
    }

    if (x->rank == 3 && (a->heads == 0 || (maas_dim_known(x->dims[2])
                                           && x->dims[2] % a->heads != 0)))
    {
        return maas_err(c->err, MAAS_EINVAL, "X has rank 3: num_heads that "
                        "divides its columns is expected, it is %lld",
                        (long long) a->heads);
    }

    b = x->dims[0];
    s = x->dims[x->rank - 2];
    d = x->rank == 4 ? x->dims[3]
                     : maas_dim_div(c->syms, x->dims[2], a->heads);

    if (a->columns % 2 != 0
        || (maas_dim_known(d) && (a->columns > d
                                  || (a->columns == 0 && d % 2 != 0))))
    {
        return maas_err(c->err, MAAS_EINVAL, "%lld columns of %lld are to "
                        "turn, expected an even number of them",
                        (long long) (a->columns ? a->columns : d),
                        (long long) d);
    }

    half = a->columns ? a->columns / 2 : maas_dim_div(c->syms, d, 2);
    MAAS_TRY(rot_cache(c, ROT_COS, b, s, half));
    MAAS_TRY(rot_cache(c, ROT_SIN, b, s, half));

    return maas_infer_same(c);
}


static bool
rot_setup(maas_setup_t *u)
{
    rot_geom_t  g;

    rot_geom(&g, u->attr, &u->in[0]);
    u->units = maas_max(maas_min(g.b * g.s,
                                 maas_tensor_count(&u->in[0]) / 4096), 1);
    u->cost = 50 + (double) maas_tensor_count(&u->in[0]);
    return true;
}


/* The line of the caches for row p; false: an index outside of them. */
static bool
rot_line(const maas_step_t *s, int64_t p, int64_t rows, int64_t *line,
    int64_t *id)
{
    const maas_tensor_t  *ids = &s->in[ROT_IDS];

    *line = p;

    if (s->n_formal <= ROT_IDS || ids->dtype == MAAS_NODTYPE) {
        return true;
    }

    /* One number is where the first row is (com.microsoft). */
    *id = maas_tensor_count(ids) == 1 ? maas_move_int(ids, 0) + p % rows
                                      : maas_move_int(ids, p);
    *line = *id;

    return *id >= 0 && *id < s->in[ROT_COS].dims[0];
}


#define ROT_ROW(D, type)                                                      \
    static void                                                               \
    rot_row_##D(const maas_step_t *s, const rot_geom_t *g, int64_t at,        \
        int64_t line)                                                         \
    {                                                                         \
        type              *y = (type *) s->out[0].data + at, a, b;            \
        int64_t            half = g->r / 2, i, j, k;                          \
        const type        *x = (const type *) s->in[ROT_X].data + at;         \
        const type        *c = (const type *) s->in[ROT_COS].data             \
                               + line * half;                                 \
        const type        *n = (const type *) s->in[ROT_SIN].data             \
                               + line * half;                                 \
        const rot_attr_t  *attr = s->attr;                                    \
                                                                              \
        for (int64_t h = 0; h < g->h; h++, x += g->head, y += g->head) {      \
            for (k = 0; k < half; k++) {                                      \
                i = attr->interleaved ? 2 * k : k;                            \
                j = attr->interleaved ? 2 * k + 1 : k + half;                 \
                a = x[i];                                                     \
                b = x[j];                                                     \
                y[i] = c[k] * a - n[k] * b;                                   \
                y[j] = n[k] * a + c[k] * b;                                   \
            }                                                                 \
                                                                              \
            if (y != x) {                                                     \
                memcpy(y + g->r, x + g->r,                                    \
                       (size_t) (g->d - g->r) * sizeof(type));                \
            }                                                                 \
        }                                                                     \
    }

ROT_ROW(F32, float)
ROT_ROW(F64, double)


static maas_status_t
rot_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t     p, to, at, line, id = 0;
    rot_geom_t  g;

    rot_geom(&g, s->attr, &s->in[0]);
    p = maas_move_start(g.b * g.s, s->units, first);
    to = maas_move_start(g.b * g.s, s->units, last);

    for (; p < to; p++) {
        if (!rot_line(s, p, g.s, &line, &id)) {
            return maas_err(slot->err, MAAS_EINVAL, "position %lld is out of "
                            "range [0, %lld]", (long long) id,
                            (long long) s->in[ROT_COS].dims[0] - 1);
        }

        at = p / g.s * g.image + p % g.s * g.row;

        if (s->in[0].dtype == MAAS_F32) {
            rot_row_F32(s, &g, at, line);

        } else {
            rot_row_F64(s, &g, at, line);
        }
    }

    return MAAS_OK;
}


/* com.microsoft: input, position_ids, cos_cache, sin_cache. */
static maas_status_t
rot_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset, maas_err_t *err)
{
    int                     rank;
    maas_str_t              ids;
    const maas_raw_attr_t  *packed, *heads, *columns;

    (void) opset;

    packed = maas_raw_attr(n, "is_packed_batching");
    heads = maas_raw_attr(n, "num_heads");
    columns = maas_raw_attr(n, "rotary_embedding_dim");

    if (packed != NULL && packed->i != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "is_packed_batching is 1, which is not served");
    }

    if (n->n_in < 4) {
        return maas_err(err, MAAS_EINVAL, "it has %u inputs, expected 4",
                        n->n_in);
    }

    rank = maas_raw_input_rank(im, n, 0);

    if (rank == 3 && (heads == NULL || heads->i == 0)) {
        if (columns != NULL && columns->i != 0) {
            return maas_err(err, MAAS_EINVAL,
                            "rotary_embedding_dim needs num_heads");
        }

        return maas_err(err, MAAS_EUNSUPPORTED, "num_heads is not given; it "
                        "is expected for an input of rank 3");
    }

    ids = n->in[1];
    n->in[1] = n->in[2];
    n->in[2] = n->in[3];
    n->in[3] = ids;
    n->domain = maas_str("");
    maas_raw_attr_drop(n, "is_packed_batching");
    maas_raw_attr_drop(n, "scale");

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define ROT_T(name)  { name, MAAS_D_FLOAT, 'T', 0 }

static const maas_formal_t  rot_in[] = {
    ROT_T("X"), ROT_T("cos_cache"), ROT_T("sin_cache"),
    { "position_ids", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  rot_ms_in[] = {
    ROT_T("input"), { "position_ids", MAAS_D(I64), 0, 0 },
    ROT_T("cos_cache"), ROT_T("sin_cache")
};

static const maas_formal_t  rot_out[] = { ROT_T("Y") };

#define ROT_INT(label, member)                                                \
    { .name = label, .type = MAAS_ATTR_INT, .min = 0, .max = INT32_MAX,       \
      .off = offsetof(rot_attr_t, member) }

static const maas_attr_row_t  rot_attrs[] = {
    ROT_INT("interleaved", interleaved), ROT_INT("num_heads", heads),
    ROT_INT("rotary_embedding_dim", columns)
};

static const maas_attr_row_t  rot_ms_attrs[] = {
    ROT_INT("interleaved", interleaved), ROT_INT("num_heads", heads),
    ROT_INT("rotary_embedding_dim", columns),
    ROT_INT("is_packed_batching", packed),
    { .name = "scale", .type = MAAS_ATTR_FLOAT, .f = 1,
      .off = offsetof(rot_attr_t, factor) }
};

static const maas_kernel_row_t  rot_kernels[] = {
    { "rotary.rows", MAAS_CPU_REF, 1, 0, rot_setup, rot_run }
};

static const maas_case_t  rot_cases[] = {
    { "| f32[2,3,5,8] f32[10,4] f32[10,4] i64[2,5]{0,1,2,3,4,5,6,7,8,9}",
      NULL },
    { "interleaved=1 | f32[2,3,5,8] f32[2,5,4] f32[2,5,4]", NULL },
    { "num_heads=2 rotary_embedding_dim=4 | f32[2,3,16] f32[2,3,2] "
      "f32[2,3,2]", NULL },
    { "| f64[1,2,3,4] f64[1,3,2] f64[1,3,2]", NULL },
    { "| f16[1,2,3,4] f16[1,3,2] f16[1,3,2]", NULL },
    { "| f32[0,2,3,4] f32[0,3,2] f32[0,3,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  rot_bad[] = {
    { "| f32[1,1,2,4] f32[3,2] f32[3,2] i64[1,2]{0,3}",
      "position 3 is out of range [0, 2]" },
    { "| f32[1,2,4] f32[1,2,2] f32[1,2,2]", "num_heads" },
    { "| f32[1,1,2,5] f32[1,2,2] f32[1,2,2]", "an even number" },
    { "| f32[1,1,2,4] f32[2,2] f32[2,2]", "without position_ids" },
    { NULL, NULL }
};

static const maas_case_t  rot_ms_cases[] = {
    { "| f32[2,3,5,8] i64[1]{2} f32[10,4] f32[10,4]", NULL },
    { "num_heads=2 | f32[1,3,16] i64[1,3]{2,0,1} f32[10,4] f32[10,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  rot_ms_bad[] = {
    { "is_packed_batching=1 | f32[1,3,16] i64[1,3] f32[10,4] f32[10,4]",
      "is_packed_batching" },
    { "| f32[1,3,16] i64[1,3] f32[10,8] f32[10,8]", "num_heads" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_rotary[] = {
    {
        .name = "RotaryEmbedding", .domain = "", .since = 23, .first = 23,
        .flags = MAAS_OP_PURE,
        MAAS_IO(rot_in, rot_out),
        MAAS_ATTRS(rot_attrs, rot_attr_t),
        .infer = rot_infer,
        MAAS_KERNELS(rot_kernels),
        .cases = rot_cases, .bad = rot_bad
    },
    {
        .name = "RotaryEmbedding", .domain = "com.microsoft", .since = 2,
        .until = 1, .first = 1,
        MAAS_IO(rot_ms_in, rot_out),
        MAAS_ATTRS(rot_ms_attrs, rot_attr_t),
        .upgrade = rot_upgrade, .infer = maas_infer_same,
        .cases = rot_ms_cases, .bad = rot_ms_bad
    },
    { .name = NULL }
};
