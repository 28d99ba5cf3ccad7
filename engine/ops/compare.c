/*
 * compare: Equal Greater Less GreaterOrEqual LessOrEqual, And Or Xor Not,
 * Where, IsNaN and IsInf.  Booleans are bytes of 0 or 1.
 *
 * Comparisons with NaN are false.  Where moves bits, so it is made by
 * element size and takes float16 as it is.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md and docs/Broadcasting.md.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


typedef void (*cmp_row_pt)(uint8_t *y, const void *a, int64_t sa,
    const void *b, int64_t sb, int64_t n);

#define CMP_LOOP(name, D, type, expr)                                         \
    MAAS_ROW_INLINE                                                           \
    name##_##D##_loop(uint8_t *y, const type *a, int64_t sa, const type *b,   \
        int64_t sb, int64_t n)                                                \
    {                                                                         \
        const type  a0 = a[0], b0 = b[0];                                     \
                                                                              \
        MAAS_ROW_LOOP                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            const type  v = MAAS_ROW_AT(a, a0, sa, i);                        \
            const type  w = MAAS_ROW_AT(b, b0, sb, i);                        \
                                                                              \
            y[i] = (expr);                                                    \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void                                                               \
    name##_##D(uint8_t *y, const void *a, int64_t sa, const void *b,          \
        int64_t sb, int64_t n)                                                \
    {                                                                         \
        MAAS_ROWS_2(name##_##D##_loop, y, a, sa, b, sb, n);                   \
    }

#define CMP_EQ(name, D, type)  CMP_LOOP(name, D, type, v == w)
#define CMP_GT(name, D, type)  CMP_LOOP(name, D, type, v > w)
#define CMP_LT(name, D, type)  CMP_LOOP(name, D, type, v < w)
#define CMP_GE(name, D, type)  CMP_LOOP(name, D, type, v >= w)
#define CMP_LE(name, D, type)  CMP_LOOP(name, D, type, v <= w)

MAAS_T_NUM(CMP_EQ, equal)
CMP_LOOP(equal, BOOL, uint8_t, !v == !w)
MAAS_T_NUM(CMP_GT, greater)
MAAS_T_NUM(CMP_LT, less)
MAAS_T_NUM(CMP_GE, greater_equal)
MAAS_T_NUM(CMP_LE, less_equal)
CMP_LOOP(and, BOOL, uint8_t, (v != 0) & (w != 0))
CMP_LOOP(or, BOOL, uint8_t, (v | w) != 0)
CMP_LOOP(xor, BOOL, uint8_t, !v != !w)


/* -- two tensors to one of booleans -------------------------------------- */

typedef struct {
    const maas_step_t  *s;
    size_t              size;
    cmp_row_pt          row;
} cmp_ctx_t;


static void
cmp_row(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    cmp_ctx_t          *c = ctx;
    const maas_step_t  *s = c->s;

    c->row((uint8_t *) s->out[0].data + at,
           (const char *) s->in[0].data + off[0] * c->size, stride[0],
           (const char *) s->in[1].data + off[1] * c->size, stride[1], n);
}


static maas_status_t
cmp_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    const cmp_row_pt *rows)
{
    int64_t    lo, hi;
    maas_bc_t  bc;
    cmp_ctx_t  ctx;

    ctx.s = s;
    ctx.size = maas_dtype_size(s->in[0].dtype);
    ctx.row = rows[s->in[0].dtype];

    if (ctx.row == NULL) {
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);
    maas_bc_tensors(&bc, &s->out[0], s->in, 2);
    maas_bc_run(&bc, lo, hi, cmp_row, &ctx);

    return MAAS_OK;
}


static maas_status_t
cmp_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(maas_infer_broadcast(c, 0, 2, dims, &rank));
    maas_infer_set(c, 0, MAAS_BOOL, rank, dims);

    return MAAS_OK;
}


/* The output is smaller than most inputs: only booleans may lie over them. */
#define CMP_RUN(name, ...)                                                    \
    static const cmp_row_pt  name##_rows[MAAS_DTYPES] = { __VA_ARGS__ };      \
                                                                              \
    static maas_status_t                                                      \
    name##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,        \
        int64_t last)                                                         \
    {                                                                         \
        return cmp_run(s, slot, first, last, name##_rows);                    \
    }

#define CMP_OP(name, mask, ...)                                               \
    CMP_RUN(name, __VA_ARGS__)                                                \
                                                                              \
    static const maas_kernel_row_t  name##_kernel[] = {                       \
        { #name ".rows", MAAS_CPU_REF, mask, 0, maas_setup_cheap,             \
          name##_run }                                                        \
    };

CMP_RUN(equal, MAAS_T_NUM(MAAS_UN_ENTRY, equal)
        MAAS_UN_ENTRY(equal, BOOL, uint8_t))
CMP_OP(greater, 0, MAAS_T_NUM(MAAS_UN_ENTRY, greater))
CMP_OP(less, 0, MAAS_T_NUM(MAAS_UN_ENTRY, less))
CMP_OP(greater_equal, 0, MAAS_T_NUM(MAAS_UN_ENTRY, greater_equal))
CMP_OP(less_equal, 0, MAAS_T_NUM(MAAS_UN_ENTRY, less_equal))
CMP_OP(and, 3, MAAS_UN_ENTRY(and, BOOL, uint8_t))
CMP_OP(or, 3, MAAS_UN_ENTRY(or, BOOL, uint8_t))
CMP_OP(xor, 3, MAAS_UN_ENTRY(xor, BOOL, uint8_t))


/* -- equal strings ------------------------------------------------------- */

static void
equal_text_row(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    const maas_step_t  *s = ((cmp_ctx_t *) ctx)->s;
    uint8_t            *y = (uint8_t *) s->out[0].data + at;

    for (int64_t i = 0; i < n; i++) {
        y[i] = maas_str_eq(maas_tensor_str(&s->in[0], off[0] + i * stride[0]),
                           maas_tensor_str(&s->in[1],
                                           off[1] + i * stride[1]));
    }
}


static bool
equal_text_setup(maas_setup_t *u)
{
    return u->in[0].dtype == MAAS_STRING && maas_setup_elements(u, 20);
}


static maas_status_t
equal_text_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t    lo, hi;
    maas_bc_t  bc;
    cmp_ctx_t  ctx = { .s = s };

    (void) slot;

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);
    maas_bc_tensors(&bc, &s->out[0], s->in, 2);
    maas_bc_run(&bc, lo, hi, equal_text_row, &ctx);

    return MAAS_OK;
}


static const maas_kernel_row_t  equal_kernel[] = {
    { "equal.text", MAAS_CPU_REF, 0, 0, equal_text_setup, equal_text_run },
    { "equal.rows", MAAS_CPU_REF, 0, 0, maas_setup_cheap, equal_run }
};


/* -- one tensor to booleans ---------------------------------------------- */

typedef struct {
    int64_t  negative;
    int64_t  positive;
} isinf_attr_t;

static const maas_attr_row_t  isinf_attrs[] = {
    { .name = "detect_negative", .type = MAAS_ATTR_INT,
      .off = offsetof(isinf_attr_t, negative), .i = 1, .min = 0, .max = 1 },
    { .name = "detect_positive", .type = MAAS_ATTR_INT,
      .off = offsetof(isinf_attr_t, positive), .i = 1, .min = 0, .max = 1 }
};

/* As MAAS_UN_LOOP, but the output is a byte. */
#define TEST_LOOP(name, D, type, expr)                                        \
    static void                                                               \
    name##_##D(void *y, const void *x, int64_t n, double a, double b)         \
    {                                                                         \
        uint8_t     *q = y;                                                   \
        const bool   A = a != 0, B = b != 0;                                  \
        const type  *p = x;                                                   \
                                                                              \
        (void) A;                                                             \
        (void) B;                                                             \
                                                                              \
        MAAS_ROW_LOOP                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            const type  v = p[i];                                             \
                                                                              \
            q[i] = (expr);                                                    \
        }                                                                     \
    }

#define ISNAN(name, D, type)  TEST_LOOP(name, D, type, v != v)
#define ISINF(name, D, type)  TEST_LOOP(name, D, type,                        \
                            (A & (v == -INFINITY)) | (B & (v == INFINITY)))

TEST_LOOP(not, BOOL, uint8_t, !v)
MAAS_T_FLOAT(ISNAN, isnan)
MAAS_T_FLOAT(ISINF, isinf)

static const maas_un_t  not_un = {
    MAAS_UN_ROW, { MAAS_UN_ENTRY(not, BOOL, uint8_t) }
};

static const maas_un_t  isnan_un = {
    MAAS_UN_ROW, { MAAS_T_FLOAT(MAAS_UN_ENTRY, isnan) }
};

static const maas_un_t  isinf_un = {
    MAAS_UN_ROW, { MAAS_T_FLOAT(MAAS_UN_ENTRY, isinf) }
};

MAAS_UN_KERNEL(not, maas_setup_cheap)


static maas_status_t
isnan_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return maas_un_run(s, slot, first, last, &isnan_un, 0, 0);
}


static maas_status_t
isinf_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    const isinf_attr_t  *at = s->attr;

    return maas_un_run(s, slot, first, last, &isinf_un, (double) at->negative,
                       (double) at->positive);
}


static const maas_kernel_row_t  isnan_kernel[] = {
    { "isnan.rows", MAAS_CPU_REF, 0, 0, maas_setup_cheap, isnan_run }
};

static const maas_kernel_row_t  isinf_kernel[] = {
    { "isinf.rows", MAAS_CPU_REF, 0, 0, maas_setup_cheap, isinf_run }
};


static maas_status_t
test_infer(maas_infer_t *c)
{
    maas_infer_set(c, 0, MAAS_BOOL, c->in[0].type->rank, c->in[0].type->dims);
    return MAAS_OK;
}


/* -- Where --------------------------------------------------------------- */

typedef struct {
    const maas_step_t  *s;
} where_ctx_t;

/* One condition for the row takes all of a or of b. */
#define WHERE_ROW(bits)                                                       \
    MAAS_ROW_INLINE                                                           \
    where_loop_##bits(uint##bits##_t *y, const uint##bits##_t *a, int64_t sa, \
        const uint##bits##_t *b, int64_t sb, const uint8_t *c, int64_t n)     \
    {                                                                         \
        const uint##bits##_t  a0 = a[0], b0 = b[0];                           \
                                                                              \
        MAAS_ROW_LOOP                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            const uint##bits##_t  v = MAAS_ROW_AT(a, a0, sa, i);              \
            const uint##bits##_t  w = MAAS_ROW_AT(b, b0, sb, i);              \
            const uint##bits##_t  m = (uint##bits##_t) -(c[i] != 0);          \
                                                                              \
            y[i] = w ^ ((v ^ w) & m);                                         \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void                                                               \
    where_copy_##bits(uint##bits##_t *y, const uint##bits##_t *a, int64_t sa, \
        int64_t n)                                                            \
    {                                                                         \
        const uint##bits##_t  a0 = a[0];                                      \
                                                                              \
        if (sa != 0) {                                                        \
            memmove(y, a, (size_t) n * sizeof(*y));                           \
            return;                                                           \
        }                                                                     \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            y[i] = a0;                                                        \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void                                                               \
    where_##bits(void *ctx, int64_t at, int64_t n, const int64_t *off,        \
        const int64_t *stride)                                                \
    {                                                                         \
        const maas_step_t     *s = ((where_ctx_t *) ctx)->s;                  \
        const uint8_t         *c = (const uint8_t *) s->in[0].data + off[0];  \
        const uint##bits##_t  *a = (const uint##bits##_t *) s->in[1].data     \
                                   + off[1];                                  \
        const uint##bits##_t  *b = (const uint##bits##_t *) s->in[2].data     \
                                   + off[2];                                  \
        uint##bits##_t        *y = (uint##bits##_t *) s->out[0].data + at;    \
                                                                              \
        if (stride[0] == 0) {                                                 \
            where_copy_##bits(y, *c ? a : b, *c ? stride[1] : stride[2], n);  \
                                                                              \
        } else if (stride[1] == 1 && stride[2] == 1) {                        \
            where_loop_##bits(y, a, 1, b, 1, c, n);                           \
                                                                              \
        } else if (stride[1] == 1) {                                          \
            where_loop_##bits(y, a, 1, b, 0, c, n);                           \
                                                                              \
        } else if (stride[2] == 1) {                                          \
            where_loop_##bits(y, a, 0, b, 1, c, n);                           \
                                                                              \
        } else {                                                              \
            where_loop_##bits(y, a, 0, b, 0, c, n);                           \
        }                                                                     \
    }

WHERE_ROW(8)
WHERE_ROW(16)
WHERE_ROW(32)
WHERE_ROW(64)


static maas_status_t
where_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t                      lo, hi;
    maas_bc_t                    bc;
    where_ctx_t                  ctx = { s };
    static const maas_bc_row_pt  rows[9] = {
        [1] = where_8, [2] = where_16, [4] = where_32, [8] = where_64
    };
    maas_bc_row_pt               row = rows[maas_dtype_size(s->out[0].dtype)];

    if (row == NULL) {
        return maas_err_dtype(slot, s->out[0].dtype);
    }

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);
    maas_bc_tensors(&bc, &s->out[0], s->in, 3);
    maas_bc_run(&bc, lo, hi, row, &ctx);

    return MAAS_OK;
}


/* Contents of small integer tensors, where the condition is known. */
static void
where_ival(maas_infer_t *c)
{
    int             n, na, nb;
    int64_t         count = 1;
    const uint8_t  *cond = c->in[0].data;

    if (cond == NULL || c->in[1].ival == NULL || c->in[2].ival == NULL) {
        return;
    }

    for (int i = 0; i < c->in[0].type->rank; i++) {
        if (!maas_dim_known(c->in[0].type->dims[i])
            || !maas_mul_i64(count, c->in[0].type->dims[i], &count))
        {
            return;
        }
    }

    na = c->in[1].n_ival;
    nb = c->in[2].n_ival;
    n = maas_max(na, nb);

    /* Equal sizes, or single elements: no order to work out. */
    if (count > MAAS_IVAL_MAX || c->out[0].type.rank > 1 || na < 1 || nb < 1) {
        return;
    }

    n = maas_max(n, (int) count);

    for (int i = 0; i < n; i++) {
        c->out[0].ival[i] = cond[count == 1 ? 0 : i]
                            ? c->in[1].ival[na == 1 ? 0 : i]
                            : c->in[2].ival[nb == 1 ? 0 : i];
    }

    c->out[0].n_ival = n;
}


static maas_status_t
where_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(maas_infer_broadcast(c, 0, 3, dims, &rank));
    maas_infer_set(c, 0, c->in[1].type->dtype, rank, dims);
    where_ival(c);

    return MAAS_OK;
}


static const maas_kernel_row_t  where_kernel[] = {
    { "where.rows", MAAS_CPU_REF, 6, 0, maas_setup_cheap, where_run }
};


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  num_in[] = {
    { "A", MAAS_D_NUM, 'T', 0 }, { "B", MAAS_D_NUM, 'T', 0 }
};

static const maas_formal_t  equal_in[] = {
    { "A", MAAS_D_NUM | MAAS_D(BOOL) | MAAS_D(STRING), 'T', 0 },
    { "B", MAAS_D_NUM | MAAS_D(BOOL) | MAAS_D(STRING), 'T', 0 }
};

static const maas_formal_t  bool_in[] = {
    { "A", MAAS_D(BOOL), 0, 0 }, { "B", MAAS_D(BOOL), 0, 0 }
};

static const maas_formal_t  not_in[] = { { "X", MAAS_D(BOOL), 0, 0 } };
static const maas_formal_t  real_in[] = { { "X", MAAS_D_FLOAT, 0, 0 } };
static const maas_formal_t  bool_out[] = { { "C", MAAS_D(BOOL), 0, 0 } };

static const maas_formal_t  where_in[] = {
    { "condition", MAAS_D(BOOL),   0, 0 },
    { "X",         MAAS_D_FIXED, 'T', 0 },
    { "Y",         MAAS_D_FIXED, 'T', 0 }
};

static const maas_formal_t  where_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};

static const maas_case_t  cmp_cases[] = {
    { "| f32[2,3,17] f32[2,3,17]:nan", NULL },
    { "| f32[2,3,4] f32[3,1]", NULL },
    { "| i64[5]{1,2,3,4,5} i64[]{3}", NULL },
    { "| u8[33] u8[33]", NULL },
    { "| f64[]:inf f64[]", NULL },
    { "| f32[0] f32[1]", NULL },
    { "| i32[200,100] i32[200,1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  equal_cases[] = {
    { "| f32[2,3,17] f32[2,3,17]:nan", NULL },
    { "| i64[5]{1,2,3,4,5} i64[]{3}", NULL },
    { "| bool[2,3] bool[3]", NULL },
    { "| str[3]{a,bc,a} str[]{a}", NULL },
    { "| str[2,3] str[3]", NULL },
    { "| str[0] str[1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  cmp_bad[] = {
    { "| f32[2] f32[3]", "broadcast" },
    { "| f32[2] i32[2]", "int32" },
    { NULL, NULL }
};

static const maas_case_t  logic_cases[] = {
    { "| bool[3,17] bool[3,17]", NULL },
    { "| bool[2,3,4] bool[4]", NULL },
    { "| bool[] bool[]", NULL },
    { "| bool[0] bool[1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  logic_bad[] = {
    { "| bool[2] bool[3]", "broadcast" },
    { "| i8[2] bool[2]", "int8" },
    { NULL, NULL }
};

static const maas_case_t  not_cases[] = {
    { "| bool[3,17]", NULL },
    { "| bool[]", NULL },
    { "| bool[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  not_bad[] = {
    { "| f32[2]", "float32" },
    { NULL, NULL }
};

static const maas_case_t  test_cases[] = {
    { "| f32[33]:nan", NULL },
    { "| f32[2,17]:inf", NULL },
    { "| f64[7]:inf", NULL },
    { "| f32[]", NULL },
    { "| f32[0,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  isinf_cases[] = {
    { "| f32[33]:inf", NULL },
    { "detect_negative=0 | f32[2,17]:inf", NULL },
    { "detect_positive=0 | f64[7]:inf", NULL },
    { "| f32[]:nan", NULL },
    { "| f32[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  test_bad[] = {
    { "| i32[2]", "int32" },
    { NULL, NULL }
};

static const maas_case_t  where_cases[] = {
    { "| bool[2,3,5] f32[2,3,5] f32[2,3,5]", NULL },
    { "| bool[3,1] f32[17] f32[]", NULL },
    { "| bool[] f64[3] f64[3]", NULL },
    { "| bool[5] f16[5] f16[1]", NULL },
    { "| bool[4] u8[4] u8[4]", NULL },
    { "| bool[0] i64[0] i64[1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  where_bad[] = {
    { "| bool[2] f32[3] f32[3]", "broadcast" },
    { "| i32[2] f32[2] f32[2]", "int32" },
    { NULL, NULL }
};

#define CMP_ROW(NAME, SINCE, FIRST, id, i, o, up, how, c, b)                  \
    .name = NAME, .domain = "", .since = SINCE, .first = FIRST,               \
    .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(i, o),               \
    .upgrade = up, .infer = how, MAAS_KERNELS(id##_kernel), .cases = c,       \
    .bad = b

const maas_op_t  maas_ops_compare[] = {

    { CMP_ROW("Equal", 19, 6, equal, equal_in, bool_out, maas_upgrade_axis,
              cmp_infer, equal_cases, cmp_bad) },
    { CMP_ROW("Greater", 13, 6, greater, num_in, bool_out, maas_upgrade_axis,
              cmp_infer, cmp_cases, cmp_bad) },
    { CMP_ROW("Less", 13, 6, less, num_in, bool_out, maas_upgrade_axis,
              cmp_infer, cmp_cases, cmp_bad) },
    { CMP_ROW("GreaterOrEqual", 16, 12, greater_equal, num_in, bool_out, NULL,
              cmp_infer, cmp_cases, cmp_bad) },
    { CMP_ROW("LessOrEqual", 16, 12, less_equal, num_in, bool_out, NULL,
              cmp_infer, cmp_cases, cmp_bad) },

    { CMP_ROW("And", 7, 6, and, bool_in, bool_out, maas_upgrade_axis,
              cmp_infer, logic_cases, logic_bad) },
    { CMP_ROW("Or", 7, 6, or, bool_in, bool_out, maas_upgrade_axis,
              cmp_infer, logic_cases, logic_bad) },
    { CMP_ROW("Xor", 7, 6, xor, bool_in, bool_out, maas_upgrade_axis,
              cmp_infer, logic_cases, logic_bad) },
    { CMP_ROW("Not", 1, 1, not, not_in, bool_out, NULL, test_infer,
              not_cases, not_bad) },

    { CMP_ROW("IsNaN", 13, 9, isnan, real_in, bool_out, NULL, test_infer,
              test_cases, test_bad) },
    { CMP_ROW("IsInf", 10, 10, isinf, real_in, bool_out, NULL, test_infer,
              isinf_cases, test_bad),
      MAAS_ATTRS(isinf_attrs, isinf_attr_t) },

    { CMP_ROW("Where", 16, 9, where, where_in, where_out, NULL, where_infer,
              where_cases, where_bad), .grad = maas_grad_where },

    { .name = NULL }
};
