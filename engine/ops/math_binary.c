/*
 * math_binary: arithmetic of two or more tensors with broadcasting: Add Sub
 * Mul Div Mod, BitShift, and the variadic Min Max Sum Mean.
 *
 * float32 rows go through the kernel table, the rest through loops made
 * from one template.  Integers wrap around; a division by zero gives 0 and
 * the least value divided by -1 stays what it is: no input traps.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md and docs/Broadcasting.md.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/grads.h"
#include "ops/ops_common.h"


/* n results; sa and sb are 0 or 1.  y may be a or b. */
typedef void (*bin_row_pt)(void *y, const void *a, int64_t sa, const void *b,
    int64_t sb, int64_t n);

typedef struct {
    int         fn;             /* maas_binary_t for float32 */
    bin_row_pt  row[MAAS_DTYPES];
} bin_t;


/* -- rows ---------------------------------------------------------------- */

#define BIN_LOOP(name, D, type, expr)                                         \
    MAAS_ROW_INLINE                                                           \
    name##_##D##_loop(type *y, const type *a, int64_t sa, const type *b,      \
        int64_t sb, int64_t n)                                                \
    {                                                                         \
        const type  a0 = a[0], b0 = b[0];                                     \
                                                                              \
        MAAS_ROW_LOOP                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            const type  v = MAAS_ROW_AT(a, a0, sa, i);                        \
            const type  w = MAAS_ROW_AT(b, b0, sb, i);                        \
                                                                              \
            y[i] = (type) (expr);                                             \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void                                                               \
    name##_##D(void *y, const void *a, int64_t sa, const void *b, int64_t sb, \
        int64_t n)                                                            \
    {                                                                         \
        MAAS_ROWS_2(name##_##D##_loop, y, a, sa, b, sb, n);                   \
    }

#define BIN_ENTRY(name, D, type)  [MAAS_##D] = name##_##D,

#define ADD_INT(name, D, type)  BIN_LOOP(name, D, type,                       \
                                         (uint64_t) v + (uint64_t) w)
#define SUB_INT(name, D, type)  BIN_LOOP(name, D, type,                       \
                                         (uint64_t) v - (uint64_t) w)
#define MUL_INT(name, D, type)  BIN_LOOP(name, D, type,                       \
                                         (uint64_t) v * (uint64_t) w)
/* C's division truncates toward zero, as ONNX asks. */
#define DIV_SINT(name, D, type)  BIN_LOOP(name, D, type, w == 0 ? 0           \
                                 : w == -1 ? (type) (0 - (uint64_t) v) : v / w)
#define DIV_UINT(name, D, type)  BIN_LOOP(name, D, type, w == 0 ? 0 : v / w)
#define MIN_INT(name, D, type)   BIN_LOOP(name, D, type, v < w ? v : w)
#define MAX_INT(name, D, type)   BIN_LOOP(name, D, type, v > w ? v : w)
/* fmod = 0: the sign of the divisor; fmod = 1: of the dividend. */
#define MOD_SINT(name, D, type)  BIN_LOOP(name, D, type,                      \
                                 w == 0 || w == -1 ? 0                        \
                                 : v % w != 0 && ((v % w < 0) != (w < 0))     \
                                 ? v % w + w : v % w)
#define MOD_UINT(name, D, type)  BIN_LOOP(name, D, type, w == 0 ? 0 : v % w)
#define FMOD_SINT(name, D, type) BIN_LOOP(name, D, type,                      \
                                 w == 0 || w == -1 ? 0 : v % w)

BIN_LOOP(add, F64, double, v + w)
MAAS_T_INT(ADD_INT, add)
BIN_LOOP(sub, F64, double, v - w)
MAAS_T_INT(SUB_INT, sub)
BIN_LOOP(mul, F64, double, v * w)
MAAS_T_INT(MUL_INT, mul)
BIN_LOOP(div, F64, double, v / w)
MAAS_T_SINT(DIV_SINT, div)
MAAS_T_UINT(DIV_UINT, div)
/* NaN in either operand is the result. */
BIN_LOOP(min, F64, double, v < w || v != v ? v : w)
MAAS_T_INT(MIN_INT, min)
BIN_LOOP(max, F64, double, v > w || v != v ? v : w)
MAAS_T_INT(MAX_INT, max)
MAAS_T_SINT(MOD_SINT, mod)
MAAS_T_UINT(MOD_UINT, mod)
BIN_LOOP(fmod, F32, float, fmodf(v, w))
BIN_LOOP(fmod, F64, double, fmod(v, w))
MAAS_T_SINT(FMOD_SINT, fmod)
MAAS_T_UINT(MOD_UINT, fmod)

#define SHL_UINT(name, D, type)  BIN_LOOP(name, D, type,                      \
                                 w >= 8 * sizeof(type) ? 0 : (uint64_t) v << w)
#define SHR_UINT(name, D, type)  BIN_LOOP(name, D, type,                      \
                                 w >= 8 * sizeof(type) ? 0 : (uint64_t) v >> w)

MAAS_T_UINT(SHL_UINT, shl)
MAAS_T_UINT(SHR_UINT, shr)

#define BIN_TABLE(name, FN)                                                   \
    static const bin_t  name##_bin = {                                        \
        MAAS_B_##FN,                                                          \
        { BIN_ENTRY(name, F64, double) MAAS_T_INT(BIN_ENTRY, name) }          \
    };

BIN_TABLE(add, ADD)
BIN_TABLE(sub, SUB)
BIN_TABLE(mul, MUL)
BIN_TABLE(div, DIV)
BIN_TABLE(min, MIN)
BIN_TABLE(max, MAX)

static const bin_t  mod_bin = {
    -1, { MAAS_T_INT(BIN_ENTRY, mod) }
};

static const bin_t  fmod_bin = {
    -1, { MAAS_T_FLOAT(BIN_ENTRY, fmod) MAAS_T_INT(BIN_ENTRY, fmod) }
};

static const bin_t  shl_bin = { -1, { MAAS_T_UINT(BIN_ENTRY, shl) } };
static const bin_t  shr_bin = { -1, { MAAS_T_UINT(BIN_ENTRY, shr) } };


/* -- two tensors to one -------------------------------------------------- */

typedef struct {
    void       *y;
    const void *a;
    const void *b;
    size_t      size;
    bin_row_pt  row;
    void      (*f32)(float *y, const float *a, int sa, const float *b, int sb,
                     int64_t n);
} bin_ctx_t;


static void
bin_row(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    bin_ctx_t  *c = ctx;

    c->row((char *) c->y + at * c->size,
           (const char *) c->a + off[0] * c->size, stride[0],
           (const char *) c->b + off[1] * c->size, stride[1], n);
}


static void
bin_row_f32(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    bin_ctx_t  *c = ctx;

    c->f32((float *) c->y + at, (const float *) c->a + off[0],
           (int) stride[0], (const float *) c->b + off[1], (int) stride[1], n);
}


/* Elements [lo, hi) of y = a op b. */
static maas_status_t
bin_apply(const maas_step_t *s, maas_slot_t *slot, const bin_t *f,
    const maas_tensor_t *y, const maas_tensor_t *a, const maas_tensor_t *b,
    int64_t lo, int64_t hi)
{
    maas_bc_t       bc;
    bin_ctx_t       ctx;
    maas_bc_row_pt  row;

    ctx.y = y->data;
    ctx.a = a->data;
    ctx.b = b->data;
    ctx.size = maas_dtype_size(y->dtype);
    ctx.row = f->row[y->dtype];
    ctx.f32 = NULL;
    row = bin_row;

    if (y->dtype == MAAS_F32 && f->fn >= 0) {
        ctx.f32 = s->k->binary[f->fn];
        row = bin_row_f32;

    } else if (ctx.row == NULL) {
        return maas_err_dtype(slot, y->dtype);
    }

    maas_bc_init(&bc, y->dims, y->rank);
    maas_bc_add(&bc, a->dims, a->rank);
    maas_bc_add(&bc, b->dims, b->rank);
    maas_bc_close(&bc);
    maas_bc_run(&bc, lo, hi, row, &ctx);

    return MAAS_OK;
}


static maas_status_t
bin_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    const bin_t *f)
{
    int64_t  lo, hi;

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);

    return bin_apply(s, slot, f, &s->out[0], &s->in[0], &s->in[1], lo, hi);
}


/*
 * One or more inputs.  Each unit runs through all of them while it is in
 * the cache; the first two are read before anything is written, so that the
 * output may lie over either, but not over a later one.
 */
static maas_status_t
var_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    const bin_t *f)
{
    size_t         size;
    int64_t        lo, hi, from, to, n;
    maas_tensor_t  *y = &s->out[0];

    n = maas_tensor_count(y);
    size = maas_dtype_size(y->dtype);

    if (s->n_formal == 1) {
        maas_unit_range(first, last, n, &lo, &hi);

        if (y->data != s->in[0].data && hi > lo) {
            memcpy((char *) y->data + (size_t) lo * size,
                   (const char *) s->in[0].data + (size_t) lo * size,
                   (size_t) (hi - lo) * size);
        }

        return MAAS_OK;
    }

    maas_unit_range(first, last, n, &lo, &hi);

    for (from = lo; from < hi; from = to) {
        to = maas_min(from + MAAS_UNIT, hi);

        MAAS_TRY(bin_apply(s, slot, f, y, &s->in[0], &s->in[1], from, to));

        for (int i = 2; i < s->n_formal; i++) {
            MAAS_TRY(bin_apply(s, slot, f, y, y, &s->in[i], from, to));
        }
    }

    return MAAS_OK;
}


static bool
var_setup(maas_setup_t *u)
{
    return maas_setup_elements(u, 0.3 * maas_max(u->n_formal, 1));
}


static maas_status_t
mean_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t  lo, hi;

    MAAS_TRY(var_run(s, slot, first, last, &add_bin));

    if (s->n_formal == 1) {
        return MAAS_OK;
    }

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);

    if (s->out[0].dtype == MAAS_F32) {
        float   n = s->n_formal;
        float  *y = (float *) s->out[0].data + lo;

        s->k->binary[MAAS_B_DIV](y, y, 1, &n, 0, maas_max(hi - lo, 0));

    } else {
        double  n = s->n_formal;
        double  *y = (double *) s->out[0].data + lo;

        div_F64(y, y, 1, &n, 0, hi - lo);
    }

    return MAAS_OK;
}


#define BIN_RUN(id, body, f, setup, mask)                                     \
    static maas_status_t                                                      \
    id##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,          \
        int64_t last)                                                         \
    {                                                                         \
        return body(s, slot, first, last, f);                                 \
    }                                                                         \
                                                                              \
    BIN_KERNEL(id, setup, mask)

#define BIN_KERNEL(id, setup, mask)                                           \
    static const maas_kernel_row_t  id##_kernel[] = {                         \
        { #id ".rows", MAAS_CPU_REF, mask, 0, setup, id##_run }               \
    };

/*
 * As a post-op of either input, when the operation commutes, else of the
 * first alone.  The kernel table computes result op operand.
 */
#define BIN_POST(name, FN, commutes)                                          \
    static bool                                                               \
    name##_post(const maas_node_t *n, int through, const void *const *data,   \
        maas_post_t *out)                                                     \
    {                                                                         \
        (void) data;                                                          \
                                                                              \
        *out = (maas_post_t) { .kind = MAAS_POST_BINARY, .fn = MAAS_B_##FN,   \
                               .operand = through == 0 ? 1 : 0 };             \
        return n->n_in == 2 && (through == 0 || commutes);                    \
    }

BIN_POST(add, ADD, true)
BIN_POST(sub, SUB, false)
BIN_POST(mul, MUL, true)
BIN_POST(div, DIV, false)
BIN_POST(min, MIN, true)
BIN_POST(max, MAX, true)

#define NO_post  NULL

BIN_RUN(add, bin_run, &add_bin, maas_setup_cheap, 3)
BIN_RUN(sub, bin_run, &sub_bin, maas_setup_cheap, 3)
BIN_RUN(mul, bin_run, &mul_bin, maas_setup_cheap, 3)
BIN_RUN(div, bin_run, &div_bin, maas_setup_cheap, 3)
BIN_RUN(min, var_run, &min_bin, var_setup, 3)
BIN_RUN(max, var_run, &max_bin, var_setup, 3)
BIN_RUN(sum, var_run, &add_bin, var_setup, 3)
BIN_KERNEL(mean, var_setup, 3)


/* -- Mod and BitShift ---------------------------------------------------- */

typedef struct {
    int64_t  value;             /* fmod, or direction: 0 left, 1 right */
} flag_attr_t;

static const maas_attr_row_t  mod_attrs[] = {
    { .name = "fmod", .type = MAAS_ATTR_INT,
      .off = offsetof(flag_attr_t, value), .min = 0, .max = 1 }
};

static const char *const  shift_words[] = { "LEFT", "RIGHT", NULL };

static const maas_attr_row_t  shift_attrs[] = {
    { .name = "direction", .type = MAAS_ATTR_STRING, .required = true,
      .off = offsetof(flag_attr_t, value), .words = shift_words }
};


static maas_status_t
mod_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    const flag_attr_t  *at = s->attr;

    return bin_run(s, slot, first, last, at->value ? &fmod_bin : &mod_bin);
}


static maas_status_t
shift_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    const flag_attr_t  *at = s->attr;

    return bin_run(s, slot, first, last, at->value ? &shr_bin : &shl_bin);
}


BIN_KERNEL(mod, maas_setup_math, 3)
BIN_KERNEL(shift, maas_setup_cheap, 3)


/* -- inference ----------------------------------------------------------- */

static maas_status_t
bin_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(maas_infer_broadcast(c, 0, c->n_in, dims, &rank));
    maas_infer_set(c, 0, c->in[0].type->dtype, rank, dims);

    return MAAS_OK;
}


/* Shape arithmetic truncates as C does; symbols are not negative. */
static maas_dim_t
dim_div(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    if (maas_dim_known(a) && maas_dim_known(b)) {
        return b == 0 ? MAAS_DIM_NONE : b == -1 ? maas_dim_sub(s, 0, a) : a / b;
    }

    if (maas_dim_known(b) && b <= 0) {
        return MAAS_DIM_NONE;
    }

    return maas_dim_div(s, a, b);
}


typedef maas_dim_t (*dim_fn_pt)(maas_syms_t *s, maas_dim_t a, maas_dim_t b);

/*
 * Contents of small integer tensors of equal size, or with a single
 * element on one side; then the order of elements is that of the larger.
 */
static maas_status_t
ival_infer(maas_infer_t *c, dim_fn_pt fn)
{
    int          n, m;
    int64_t      count = 1;
    maas_dim_t  *v = c->out[0].ival;

    MAAS_TRY(bin_infer(c));

    if (c->in[0].ival == NULL || c->in[0].n_ival < 0) {
        return MAAS_OK;
    }

    n = c->in[0].n_ival;
    memcpy(v, c->in[0].ival, (size_t) n * sizeof(maas_dim_t));

    for (int i = 1; i < c->n_in; i++) {
        const maas_dim_t  *w = c->in[i].ival;

        if (w == NULL || c->in[i].n_ival < 0) {
            return MAAS_OK;
        }

        m = c->in[i].n_ival;

        if (n != m && n != 1 && m != 1) {
            return MAAS_OK;
        }

        for (int j = maas_max(n, m) - 1; j >= 0 && n * m > 0; j--) {
            v[j] = fn(c->syms, v[n == 1 ? 0 : j], w[m == 1 ? 0 : j]);
        }

        n = n * m == 0 ? 0 : maas_max(n, m);
    }

    for (int i = 0; i < c->out[0].type.rank; i++) {
        count = maas_dim_known(c->out[0].type.dims[i])
                ? count * c->out[0].type.dims[i] : -1;

        if (count < 0 || count > MAAS_IVAL_MAX) {
            return MAAS_OK;
        }
    }

    if (count == n) {
        c->out[0].n_ival = n;
    }

    return MAAS_OK;
}


#define IVAL_INFER(id, fn)                                                    \
    static maas_status_t                                                      \
    id##_infer(maas_infer_t *c)                                               \
    {                                                                         \
        return ival_infer(c, fn);                                             \
    }

IVAL_INFER(add, maas_dim_add)
IVAL_INFER(sub, maas_dim_sub)
IVAL_INFER(mul, maas_dim_mul)
IVAL_INFER(div, dim_div)
IVAL_INFER(min, maas_dim_min)
IVAL_INFER(max, maas_dim_max)


static maas_status_t
mod_infer(maas_infer_t *c)
{
    const flag_attr_t  *at = c->attr;

    if (at->value == 0 && maas_dtypes[c->in[0].type->dtype].is_float) {
        return maas_err(c->err, MAAS_EINVAL,
                        "fmod must be 1 for %s, but it is 0",
                        maas_dtype_name(c->in[0].type->dtype));
    }

    return bin_infer(c);
}


/* -- formals and cases --------------------------------------------------- */

static const maas_formal_t  num_in[] = {
    { "A", MAAS_D_NUM, 'T', 0 }, { "B", MAAS_D_NUM, 'T', 0 }
};
static const maas_formal_t  num_out[] = { { "C", MAAS_D_NUM, 'T', 0 } };

static const maas_formal_t  shift_in[] = {
    { "X", MAAS_D_UINT, 'T', 0 }, { "Y", MAAS_D_UINT, 'T', 0 }
};
static const maas_formal_t  shift_out[] = { { "Z", MAAS_D_UINT, 'T', 0 } };

static const maas_formal_t  vnum_in[] = {
    { "data_0", MAAS_D_NUM, 'T', MAAS_VARIADIC }
};
static const maas_formal_t  vnum_out[] = { { "out", MAAS_D_NUM, 'T', 0 } };

static const maas_formal_t  vreal_in[] = {
    { "data_0", MAAS_D_FLOAT, 'T', MAAS_VARIADIC }
};
static const maas_formal_t  vreal_out[] = { { "out", MAAS_D_FLOAT, 'T', 0 } };

static const maas_case_t  bin_cases[] = {
    { "| f32[2,3,5] f32[2,3,5]", NULL },
    { "| f32[2,3,17] f32[17]", NULL },
    { "| f32[2,3,4,5] =f32[3,1,1]", NULL },
    { "| f32[3,1] f32[1,4]", NULL },
    { "| f32[] f32[33]:nan", NULL },
    { "| f32[] f32[]", NULL },
    { "| f32[0,3] f32[3]", NULL },
    { "| f32[129,130] f32[129,1]", NULL },
    { "| f64[7]:inf f64[7]", NULL },
    { "| i32[4]{-7,7,-2147483648,5} i32[4]{2,-2,-1,0}", NULL },
    { "| i8[37] i8[37]", NULL },
    { "| u64[2,1] u64[3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  bin_bad[] = {
    { "| f32[2,3] f32[4]", "broadcast" },
    { "| f32[2] bool[2]", "bool" },
    { "| f32[2] f64[2]", "float64" },
    { NULL, NULL }
};

static const maas_case_t  mod_cases[] = {
    { "| i32[4]{-7,7,-7,7} i32[4]{3,-3,-3,0}", NULL },
    { "fmod=1 | i64[4]{-7,7,-9223372036854775808,7} i64[4]{3,-3,-1,3}", NULL },
    { "fmod=1 | f32[19] f32[]", NULL },
    { "fmod=1 | f64[2,1]:inf f64[3]", NULL },
    { "| u8[0] u8[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  mod_bad[] = {
    { "| f32[2] f32[2]", "fmod must be 1" },
    { "fmod=2 | i32[2] i32[2]", "fmod" },
    { NULL, NULL }
};

static const maas_case_t  shift_cases[] = {
    { "direction=LEFT | u8[4]{1,2,3,255} u8[4]{1,7,8,4}", NULL },
    { "direction=RIGHT | u64[3]{1,16,255} u64[]{4}", NULL },
    { NULL, NULL }
};

static const maas_case_t  shift_bad[] = {
    { "direction=UP | u8[2] u8[2]", "direction" },
    { "direction=LEFT | i8[2] i8[2]", "int8" },
    { NULL, NULL }
};

static const maas_case_t  var_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[2,3,5] f32[5]", NULL },
    { "| f32[1,17] f32[3,1] f32[] f32[3,17]:nan", NULL },
    { "| f64[4] f64[] f64[4]", NULL },
    { "| f32[0] f32[]", NULL },
    { "| f32[200,200] f32[200] f32[200,1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  var_bad[] = {
    { "| f32[2] f32[3]", "broadcast" },
    { "| str[2]", "string" },
    { NULL, NULL }
};


/* -- rows of the registry ------------------------------------------------ */

#define BIN_ROW(NAME, SINCE, FIRST, id, io, post, up, how, d, c, b)           \
    .name = NAME, .domain = "", .since = SINCE, .first = FIRST,               \
    .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(io##_in, io##_out),  \
    .upgrade = up, .infer = how, MAAS_KERNELS(id##_kernel),                   \
    .as_post = post##_post, .grad = d, .cases = c, .bad = b

const maas_op_t  maas_ops_math_binary[] = {

    { BIN_ROW("Add", 14, 6, add, num, add, maas_upgrade_axis, add_infer,
              maas_grad_add, bin_cases, bin_bad),
      .blocked = maas_add_blocked },
    { BIN_ROW("Sub", 14, 6, sub, num, sub, maas_upgrade_axis, sub_infer,
              maas_grad_sub, bin_cases, bin_bad),
      .blocked = maas_sub_blocked },
    { BIN_ROW("Mul", 14, 6, mul, num, mul, maas_upgrade_axis, mul_infer,
              maas_grad_mul, bin_cases, bin_bad),
      .blocked = maas_mul_blocked },
    { BIN_ROW("Div", 14, 6, div, num, div, maas_upgrade_axis, div_infer,
              maas_grad_div, bin_cases, bin_bad),
      .blocked = maas_div_blocked },

    { BIN_ROW("Mod", 13, 10, mod, num, NO, NULL, mod_infer, NULL, mod_cases,
              mod_bad),
      MAAS_ATTRS(mod_attrs, flag_attr_t) },
    { BIN_ROW("BitShift", 11, 11, shift, shift, NO, NULL, bin_infer, NULL,
              shift_cases, shift_bad),
      MAAS_ATTRS(shift_attrs, flag_attr_t) },

    { BIN_ROW("Min", 13, 6, min, vnum, min, NULL, min_infer,
              maas_grad_extreme, var_cases, var_bad) },
    { BIN_ROW("Max", 13, 6, max, vnum, max, NULL, max_infer,
              maas_grad_extreme, var_cases, var_bad) },
    { BIN_ROW("Sum", 13, 6, sum, vreal, add, NULL, bin_infer,
              maas_grad_add, var_cases, var_bad) },
    { BIN_ROW("Mean", 13, 6, mean, vreal, NO, NULL, bin_infer,
              maas_grad_mean, var_cases, var_bad) },

    { .name = NULL }
};
