/*
 * pow: Pow of two tensors with broadcasting, of equal or of mixed types.
 *
 * float32 rows go through the kernel table, but for the exponents 2 and 3,
 * which are products; the rest is computed in int64 or float64.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md#Pow and docs/Broadcasting.md.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


#define POW_CHUNK  256

/* Powers of integers wrap around; 1 / x^n truncates to 0 unless |x| is 1. */
static int64_t
pow_int(int64_t x, int64_t n)
{
    uint64_t  y = 1, b = (uint64_t) x;

    if (n < 0) {
        return x == 1 ? 1 : x == -1 ? (n & 1 ? -1 : 1) : 0;
    }

    for (; n > 0; n >>= 1, b *= b) {
        if (n & 1) {
            y *= b;
        }
    }

    return (int64_t) y;
}


/*
 * Mixed types: chunks of both operands are brought to int64 (integers only)
 * or float64, and the result to the type of the base.
 */
static void
pow_mixed(void *y, const void *a, int at, int64_t sa, const void *b, int bt,
    int64_t sb, int64_t n)
{
    bool     ints = maas_dtypes[at].is_int && maas_dtypes[bt].is_int;
    int64_t  m;
    size_t   as = maas_dtype_size(at), bs = maas_dtype_size(bt);

    union {
        int64_t  i[POW_CHUNK];
        double   d[POW_CHUNK];
    } v, w;

    for (int64_t i = 0; i < n; i += m) {
        m = maas_min(n - i, POW_CHUNK);

        maas_cast_row(&v, ints ? MAAS_I64 : MAAS_F64,
                      (const char *) a + i * sa * as, at, sa ? m : 1);
        maas_cast_row(&w, ints ? MAAS_I64 : MAAS_F64,
                      (const char *) b + i * sb * bs, bt, sb ? m : 1);

        /* Backward, so that v[0] of a scalar base is overwritten last. */
        for (int64_t j = m - 1; j >= 0; j--) {
            if (ints) {
                v.i[j] = pow_int(v.i[j * sa], w.i[j * sb]);

            } else {
                v.d[j] = pow(v.d[j * sa], w.d[j * sb]);
            }
        }

        maas_cast_row((char *) y + i * as, at, &v, ints ? MAAS_I64 : MAAS_F64,
                      m);
    }
}


static void
pow_cube(float *y, const float *x, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i * stride] * x[i * stride] * x[i * stride];
    }
}


typedef struct {
    const maas_step_t  *s;
} pow_ctx_t;


static void
pow_row(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    pow_ctx_t            *c = ctx;
    const maas_tensor_t  *y, *a, *b;

    y = &c->s->out[0];
    a = &c->s->in[0];
    b = &c->s->in[1];

    if (a->dtype == MAAS_F32 && b->dtype == MAAS_F32) {
        float        *q = (float *) y->data + at;
        const float  *v = (const float *) a->data + off[0];
        const float  *w = (const float *) b->data + off[1];

        if (stride[1] == 0 && *w == 2) {
            c->s->k->binary[MAAS_B_MUL](q, v, (int) stride[0], v,
                                        (int) stride[0], n);
            return;
        }

        if (stride[1] == 0 && *w == 3) {
            pow_cube(q, v, stride[0], n);
            return;
        }

        c->s->k->binary[MAAS_B_POW](q, v, (int) stride[0], w, (int) stride[1],
                                    n);
        return;
    }

    pow_mixed((char *) y->data + at * maas_dtype_size(y->dtype),
              (const char *) a->data + off[0] * maas_dtype_size(a->dtype),
              a->dtype, stride[0],
              (const char *) b->data + off[1] * maas_dtype_size(b->dtype),
              b->dtype, stride[1], n);
}


static maas_status_t
pow_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t    lo, hi;
    maas_bc_t  bc;
    pow_ctx_t  ctx = { s };

    (void) slot;

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);
    maas_bc_tensors(&bc, &s->out[0], s->in, 2);
    maas_bc_run(&bc, lo, hi, pow_row, &ctx);

    return MAAS_OK;
}


static maas_status_t
pow_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(maas_infer_broadcast(c, 0, c->n_in, dims, &rank));
    maas_infer_set(c, 0, c->in[0].type->dtype, rank, dims);

    return MAAS_OK;
}


/* -- row of the registry ------------------------------------------------- */

#define POW_BASE  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64))

static const maas_kernel_row_t  pow_kernel[] = {
    { "pow.rows", MAAS_CPU_REF, 1, 0, maas_setup_libm, pow_run }
};

static const maas_formal_t  pow_in[] = {
    { "X", POW_BASE, 'T', 0 }, { "Y", MAAS_D_NUM, 0, 0 }
};
static const maas_formal_t  pow_out[] = { { "Z", POW_BASE, 'T', 0 } };

static const maas_case_t  pow_cases[] = {
    { "| f32[3,7]:pos f32[3,7]", NULL },
    { "| f32[33] =f32[]{2}", NULL },
    { "| f32[5] =i64[]{3}", NULL },
    { "| f64[5]:pos f32[5]", NULL },
    { "| i32[4]{2,-1,0,3} i64[4]{10,-3,0,40}", NULL },
    { "| i64[]{2} i8[300]", NULL },
    { "| f32[0] f32[]", NULL },
    { NULL, NULL }
};

static const maas_case_t  pow_bad[] = {
    { "| u8[2] f32[2]", "uint8" },
    { "| f32[2] f32[3]", "broadcast" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_pow[] = {

    { .name = "Pow", .domain = "", .since = 15, .first = 6,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(pow_in, pow_out),
      .upgrade = maas_upgrade_axis, .infer = pow_infer,
      MAAS_KERNELS(pow_kernel), .grad = maas_grad_pow, .cases = pow_cases,
      .bad = pow_bad },

    { .name = NULL }
};
