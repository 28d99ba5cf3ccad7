/*
 * random: RandomUniform, RandomNormal, both with -Like, Bernoulli and
 * Multinomial, by a generator without a state: number i of a node is a
 * function of the attribute 'seed', of the name of the node's output and of
 * i, so that no order of threads changes a bit, and two nodes differ.
 * Equal requests get equal answers: a run draws what every run draws.
 *
 * The function is Philox4x32 with 10 rounds, four numbers of 32 bits a
 * block: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#include <math.h>

#include "ops/ml_common.h"
#include "ops/move.h"


typedef struct {
    int64_t      dtype;
    int64_t      stream;
    int64_t      samples;
    float        seed;
    float        a;             /* low, mean */
    float        b;             /* high, scale */
    maas_list_t  shape;
} random_attr_t;

typedef struct {
    uint32_t  key[2];
} random_gen_t;

#define RANDOM_TYPES  (MAAS_D_FLOAT | MAAS_D_HALF)


/* -- the generator ------------------------------------------------------- */

static random_gen_t
random_begin(const random_attr_t *a)
{
    uint32_t      bits;
    uint64_t      h;
    random_gen_t  g;

    memcpy(&bits, &a->seed, sizeof(bits));
    h = maas_ml_mix(maas_ml_mix(0, bits), (uint64_t) a->stream);
    g.key[0] = (uint32_t) h;
    g.key[1] = (uint32_t) (h >> 32);

    return g;
}


static void
random_block(const random_gen_t *g, uint64_t block, uint32_t out[4])
{
    uint32_t  k0 = g->key[0], k1 = g->key[1];
    uint32_t  c[4] = { (uint32_t) block, (uint32_t) (block >> 32), 0, 0 };
    uint64_t  p, q;

    for (int i = 0; i < 10; i++) {
        p = (uint64_t) c[0] * 0xd2511f53u;
        q = (uint64_t) c[2] * 0xcd9e8d57u;
        c[0] = (uint32_t) (q >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t) q;
        c[2] = (uint32_t) (p >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t) p;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }

    memcpy(out, c, sizeof(c));
}


/* Number i in [0, 1), of 53 bits: two to a block. */
static double
random_uniform(const random_gen_t *g, int64_t i)
{
    uint32_t  r[4], hi, lo;

    random_block(g, (uint64_t) i / 2, r);
    hi = r[i % 2 * 2];
    lo = r[i % 2 * 2 + 1];

    return ((double) (hi >> 5) * 67108864.0 + (lo >> 6))
           / 9007199254740992.0;
}


/* Box and Muller: both numbers of a block make two. */
static double
random_normal(const random_gen_t *g, int64_t i)
{
    double  r, u = random_uniform(g, i & ~(int64_t) 1);
    double  v = 6.283185307179586 * random_uniform(g, i | 1);

    r = sqrt(-2 * log(1 - u));
    return r * (i % 2 ? sin(v) : cos(v));
}


static void
random_put(maas_tensor_t *y, int64_t i, double v)
{
    switch (y->dtype) {
    case MAAS_F64:
        ((double *) y->data)[i] = v;
        break;
    case MAAS_F16:
        ((uint16_t *) y->data)[i] = maas_f32_to_f16((float) v);
        break;
    case MAAS_BF16:
        ((uint16_t *) y->data)[i] = maas_f32_to_bf16((float) v);
        break;
    default:
        ((float *) y->data)[i] = (float) v;
    }
}


static double
random_get(const maas_tensor_t *x, int64_t i)
{
    switch (x->dtype) {
    case MAAS_F64:
        return ((const double *) x->data)[i];
    case MAAS_F16:
        return maas_f16_to_f32(((const uint16_t *) x->data)[i]);
    case MAAS_BF16:
        return maas_bf16_to_f32(((const uint16_t *) x->data)[i]);
    default:
        return ((const float *) x->data)[i];
    }
}


/* -- types --------------------------------------------------------------- */

static maas_status_t
random_dtype(maas_infer_t *c, int dtype, uint32_t types)
{
    if (dtype > 0 && dtype < MAAS_DTYPES && (types >> dtype & 1)) {
        return MAAS_OK;
    }

    return maas_err(c->err, MAAS_EUNSUPPORTED, "dtype %d is not supported",
                    dtype);
}


static maas_status_t
random_infer(maas_infer_t *c)
{
    maas_dim_t            dims[MAAS_RANK_MAX];
    const random_attr_t  *a = c->attr;

    if (a->shape.n > MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "a shape of rank %u, "
                        "expected at most %d", a->shape.n, MAAS_RANK_MAX);
    }

    for (uint32_t i = 0; i < a->shape.n; i++) {
        dims[i] = maas_list_ints(a, &a->shape)[i];

        if (dims[i] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "dimension %u is %lld, "
                            "expected 0 or more", i, (long long) dims[i]);
        }
    }

    MAAS_TRY(random_dtype(c, (int) a->dtype, RANDOM_TYPES));
    maas_infer_set(c, 0, a->dtype, a->shape.n, dims);

    return MAAS_OK;
}


static maas_status_t
random_like_infer(maas_infer_t *c)
{
    int                   dtype;
    const maas_type_t    *x = c->in[0].type;
    const random_attr_t  *a = c->attr;

    dtype = a->dtype != 0 ? (int) a->dtype : x->dtype;
    MAAS_TRY(random_dtype(c, dtype, RANDOM_TYPES));
    maas_infer_set(c, 0, dtype, x->rank, x->dims);

    return MAAS_OK;
}


static maas_status_t
bernoulli_infer(maas_infer_t *c)
{
    int                   dtype;
    const maas_type_t    *x = c->in[0].type;
    const random_attr_t  *a = c->attr;

    dtype = a->dtype != 0 ? (int) a->dtype : x->dtype;
    MAAS_TRY(random_dtype(c, dtype, MAAS_D_FIXED));
    maas_infer_set(c, 0, dtype, x->rank, x->dims);

    return MAAS_OK;
}


static maas_status_t
multinomial_infer(maas_infer_t *c)
{
    maas_dim_t            dims[2];
    const maas_type_t    *x = c->in[0].type;
    const random_attr_t  *a = c->attr;

    if (x->rank != 2 || x->dims[1] == 0) {
        return maas_err(c->err, MAAS_EINVAL, "the input has rank %d; expected "
                        "[batch, classes] with a class", x->rank);
    }

    MAAS_TRY(random_dtype(c, (int) a->dtype, MAAS_D(I32) | MAAS_D(I64)));
    dims[0] = x->dims[0];
    dims[1] = a->samples;
    maas_infer_set(c, 0, a->dtype, 2, dims);

    return MAAS_OK;
}


/* Two nodes of one seed differ: each has the name of its output. */
static maas_status_t
random_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    uint64_t  h;

    (void) opset;

    if (n->n_out == 0) {
        return maas_err(err, MAAS_EINVAL, "the node has no output");
    }

    h = maas_ml_hash(n->out[0]);
    return maas_raw_attr_int(im, n, "stream", (int64_t) (h >> 1));
}


/* -- kernels ------------------------------------------------------------- */

static bool
random_setup(maas_setup_t *u)
{
    int64_t  n = maas_tensor_count(&u->out[0]);

    u->units = n / 4096 + 1;
    u->cost = 100 + 30.0 * (double) n;
    return true;
}


static maas_status_t
uniform_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t               n = maas_tensor_count(&s->out[0]);
    random_gen_t          g = random_begin(s->attr);
    const random_attr_t  *a = s->attr;
    const double          low = a->a, range = (double) a->b - a->a;

    (void) slot;

    for (int64_t i = maas_move_start(n, s->units, first);
         i < maas_move_start(n, s->units, last); i++)
    {
        random_put(&s->out[0], i, low + range * random_uniform(&g, i));
    }

    return MAAS_OK;
}


static maas_status_t
normal_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t               n = maas_tensor_count(&s->out[0]);
    random_gen_t          g = random_begin(s->attr);
    const random_attr_t  *a = s->attr;

    (void) slot;

    for (int64_t i = maas_move_start(n, s->units, first);
         i < maas_move_start(n, s->units, last); i++)
    {
        random_put(&s->out[0], i, a->a + a->b * random_normal(&g, i));
    }

    return MAAS_OK;
}


static void
bernoulli_put(maas_tensor_t *y, int64_t i, bool v)
{
    if (maas_dtypes[y->dtype].is_float) {
        random_put(y, i, v);
        return;
    }

    switch (maas_dtype_size(y->dtype)) {
    case 1:
        ((uint8_t *) y->data)[i] = v;
        break;
    case 2:
        ((uint16_t *) y->data)[i] = v;
        break;
    case 4:
        ((uint32_t *) y->data)[i] = v;
        break;
    default:
        ((uint64_t *) y->data)[i] = v;
    }
}


static maas_status_t
bernoulli_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double        p;
    int64_t       n = maas_tensor_count(&s->out[0]);
    random_gen_t  g = random_begin(s->attr);

    for (int64_t i = maas_move_start(n, s->units, first);
         i < maas_move_start(n, s->units, last); i++)
    {
        p = random_get(&s->in[0], i);

        if (!(p >= 0 && p <= 1)) {
            return maas_err(slot->err, MAAS_EINVAL, "element %lld is %g, "
                            "which is no probability", (long long) i, p);
        }

        bernoulli_put(&s->out[0], i, random_uniform(&g, i) < p);
    }

    return MAAS_OK;
}


static bool
multinomial_setup(maas_setup_t *u)
{
    u->units = maas_max(u->in[0].dims[0], 1);
    u->cost = 100 + 10.0 * (double) maas_tensor_count(&u->in[0])
              * (double) (1 + u->out[0].dims[1]);
    return true;
}


/* exp() of unnormalised logarithms, the largest of which becomes 1. */
static double
multinomial_sum(const maas_tensor_t *x, int64_t at, int64_t n, double *top)
{
    double  sum = 0;

    *top = -INFINITY;

    for (int64_t k = 0; k < n; k++) {
        *top = fmax(*top, random_get(x, at + k));
    }

    for (int64_t k = 0; k < n; k++) {
        sum += exp(random_get(x, at + k) - *top);
    }

    return sum;
}


static int64_t
multinomial_draw(const maas_tensor_t *x, int64_t at, int64_t n, double top,
    double u)
{
    double   p;
    int64_t  best = 0;

    for (int64_t k = 0; k < n; k++) {
        p = exp(random_get(x, at + k) - top);

        if (p > 0) {
            best = k;
            u -= p;

            if (u < 0) {
                break;
            }
        }
    }

    return best;
}


static maas_status_t
multinomial_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double          sum, top;
    int64_t         k, at, n = s->in[0].dims[1], m = s->out[0].dims[1];
    random_gen_t    g = random_begin(s->attr);
    maas_tensor_t  *y = &s->out[0];

    for (int64_t i = first; i < maas_min(last, s->in[0].dims[0]); i++) {
        sum = multinomial_sum(&s->in[0], i * n, n, &top);

        if (!(sum >= 1 && sum < INFINITY)) {
            return maas_err(slot->err, MAAS_EINVAL, "row %lld has no class "
                            "that can be drawn", (long long) i);
        }

        for (int64_t j = 0; j < m; j++) {
            at = i * m + j;
            k = multinomial_draw(&s->in[0], i * n, n, top,
                                 sum * random_uniform(&g, at));

            if (y->dtype == MAAS_I64) {
                ((int64_t *) y->data)[at] = k;
            } else {
                ((int32_t *) y->data)[at] = (int32_t) k;
            }
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define RANDOM_INT(label, member, ...)                                        \
    { .name = label, .type = MAAS_ATTR_INT,                                   \
      .off = offsetof(random_attr_t, member), __VA_ARGS__ }
#define RANDOM_FLOAT(label, member, value)                                    \
    { .name = label, .type = MAAS_ATTR_FLOAT, .f = value,                     \
      .off = offsetof(random_attr_t, member) }
#define RANDOM_SHAPE                                                          \
    { .name = "shape", .type = MAAS_ATTR_INTS, .required = true,              \
      .off = offsetof(random_attr_t, shape) }
#define RANDOM_BOTH                                                           \
    RANDOM_INT("stream", stream), RANDOM_FLOAT("seed", seed, 0)
#define RANDOM_UNIFORM                                                        \
    RANDOM_FLOAT("low", a, 0), RANDOM_FLOAT("high", b, 1)
#define RANDOM_NORMAL                                                         \
    RANDOM_FLOAT("mean", a, 0), RANDOM_FLOAT("scale", b, 1)

static const maas_attr_row_t  uniform_attrs[] = {
    RANDOM_BOTH, RANDOM_UNIFORM, RANDOM_INT("dtype", dtype, .i = MAAS_F32),
    RANDOM_SHAPE
};

static const maas_attr_row_t  normal_attrs[] = {
    RANDOM_BOTH, RANDOM_NORMAL, RANDOM_INT("dtype", dtype, .i = MAAS_F32),
    RANDOM_SHAPE
};

static const maas_attr_row_t  uniform_like_attrs[] = {
    RANDOM_BOTH, RANDOM_UNIFORM, RANDOM_INT("dtype", dtype)
};

static const maas_attr_row_t  normal_like_attrs[] = {
    RANDOM_BOTH, RANDOM_NORMAL, RANDOM_INT("dtype", dtype)
};

static const maas_attr_row_t  bernoulli_attrs[] = {
    RANDOM_BOTH, RANDOM_INT("dtype", dtype)
};

static const maas_attr_row_t  multinomial_attrs[] = {
    RANDOM_BOTH, RANDOM_INT("dtype", dtype, .i = MAAS_I32),
    RANDOM_INT("sample_size", samples, .i = 1, .min = 1, .max = INT32_MAX)
};

static const maas_kernel_row_t  uniform_kernel[] = {
    { "random_uniform.philox", MAAS_CPU_REF, 0, 0, random_setup, uniform_run }
};

static const maas_kernel_row_t  normal_kernel[] = {
    { "random_normal.philox", MAAS_CPU_REF, 0, 0, random_setup, normal_run }
};

static const maas_kernel_row_t  bernoulli_kernel[] = {
    { "bernoulli.philox", MAAS_CPU_REF, 0, 0, random_setup, bernoulli_run }
};

static const maas_kernel_row_t  multinomial_kernel[] = {
    { "multinomial.philox", MAAS_CPU_REF, 0, 0, multinomial_setup,
      multinomial_run }
};

static const maas_formal_t  like_in[] = {
    { "input", MAAS_D_FIXED, 0, 0 }
};

static const maas_formal_t  float_in[] = { { "input", RANDOM_TYPES, 0, 0 } };
static const maas_formal_t  random_out[] = {
    { "output", MAAS_D_FIXED, 0, 0 }
};

static const maas_case_t  random_cases[] = {
    { "shape=[3,5] |", NULL }, { "shape=[100003] seed=7 |", NULL },
    { "shape=[2,0] dtype=11 |", NULL }, { "shape=[] dtype=10 |", NULL },
    { NULL, NULL }
};

static const maas_case_t  random_bad[] = {
    { "|", "'shape' is required" }, { "shape=[2,-1] |", "dimension 1 is -1" },
    { "shape=[2] dtype=7 |", "dtype 7 is not supported" }, { NULL, NULL }
};

static const maas_case_t  like_cases[] = {
    { "| f32[3,5]", NULL }, { "dtype=11 seed=2 | i64[70001]", NULL },
    { NULL, NULL }
};

static const maas_case_t  like_bad[] = {
    { "| i64[3]", "dtype 7 is not supported" }, { NULL, NULL }
};

static const maas_case_t  bernoulli_cases[] = {
    { "| f32[3,5]:prob", NULL }, { "dtype=7 seed=2 | f64[7]:prob", NULL },
    { "dtype=9 | f32[2]{0.5,1}", NULL }, { NULL, NULL }
};

static const maas_case_t  bernoulli_bad[] = {
    { "| f32[2]{0.5,1.5}", "no probability" }, { NULL, NULL }
};

static const maas_case_t  multinomial_cases[] = {
    { "sample_size=100 | f32[3,5]", NULL },
    { "dtype=7 seed=2 | f64[70,9]", NULL }, { NULL, NULL }
};

static const maas_case_t  multinomial_bad[] = {
    { "| f32[3]", "rank 1; expected [batch, classes]" },
    { "dtype=1 | f32[2,2]", "dtype 1 is not supported" },
    { "| f32[1,2]{nan,nan}", "no class" }, { NULL, NULL }
};

#define RANDOM_ROW(label, opset, inputs, rule, kind, list, good, wrong)       \
    {                                                                         \
        .name = label, .domain = "", .since = opset, .first = 1,              \
        .flags = MAAS_OP_RANDOM | MAAS_OP_REWRITE, inputs                     \
        .out = random_out, .n_out = 1, .infer = rule,                         \
        MAAS_ATTRS(list, random_attr_t), .upgrade = random_upgrade,           \
        MAAS_KERNELS(kind), .cases = good, .bad = wrong                       \
    }
#define RANDOM_IN(in_)  .in = in_, .n_in = 1,

const maas_op_t  maas_ops_random[] = {
    RANDOM_ROW("RandomUniform", 1, , random_infer, uniform_kernel,
               uniform_attrs, random_cases, random_bad),
    RANDOM_ROW("RandomNormal", 1, , random_infer, normal_kernel,
               normal_attrs, random_cases, random_bad),
    RANDOM_ROW("RandomUniformLike", 1, RANDOM_IN(like_in), random_like_infer,
               uniform_kernel, uniform_like_attrs, like_cases, like_bad),
    RANDOM_ROW("RandomNormalLike", 1, RANDOM_IN(like_in), random_like_infer,
               normal_kernel, normal_like_attrs, like_cases, like_bad),
    RANDOM_ROW("Bernoulli", 15, RANDOM_IN(float_in), bernoulli_infer,
               bernoulli_kernel, bernoulli_attrs, bernoulli_cases,
               bernoulli_bad),
    RANDOM_ROW("Multinomial", 7, RANDOM_IN(float_in), multinomial_infer,
               multinomial_kernel, multinomial_attrs, multinomial_cases,
               multinomial_bad),
    { .name = NULL }
};
