/*
 * bitwise: BitwiseAnd BitwiseOr BitwiseXor BitwiseNot, of opset 18.  Signs
 * don't matter to bits, so a type stands for its unsigned twin.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#include "ops/ops_common.h"


typedef void (*bit_row_pt)(void *y, const void *a, int64_t sa, const void *b,
    int64_t sb, int64_t n);

#define BIT_LOOP(name, bits, op)                                              \
    MAAS_ROW_INLINE                                                           \
    name##_loop_##bits(uint##bits##_t *y, const uint##bits##_t *a,            \
        int64_t sa, const uint##bits##_t *b, int64_t sb, int64_t n)           \
    {                                                                         \
        const uint##bits##_t  a0 = a[0], b0 = b[0];                           \
                                                                              \
        MAAS_ROW_LOOP                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            y[i] = (uint##bits##_t) (MAAS_ROW_AT(a, a0, sa, i)                \
                                     op MAAS_ROW_AT(b, b0, sb, i));           \
        }                                                                     \
    }                                                                         \
                                                                              \
    static void                                                               \
    name##_##bits(void *y, const void *a, int64_t sa, const void *b,          \
        int64_t sb, int64_t n)                                                \
    {                                                                         \
        MAAS_ROWS_2(name##_loop_##bits, y, a, sa, b, sb, n);                  \
    }

#define BIT_LOOPS(name, op)                                                   \
    BIT_LOOP(name, 8, op)                                                     \
    BIT_LOOP(name, 16, op)                                                    \
    BIT_LOOP(name, 32, op)                                                    \
    BIT_LOOP(name, 64, op)                                                    \
                                                                              \
    static const bit_row_pt  name##_rows[9] = {                               \
        [1] = name##_8, [2] = name##_16, [4] = name##_32, [8] = name##_64     \
    };

BIT_LOOPS(bit_and, &)
BIT_LOOPS(bit_or, |)
BIT_LOOPS(bit_xor, ^)

typedef struct {
    const maas_step_t  *s;
    size_t              size;
    bit_row_pt          row;
} bit_ctx_t;


static void
bit_row(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    bit_ctx_t          *c = ctx;
    const maas_step_t  *s = c->s;

    c->row((char *) s->out[0].data + (size_t) at * c->size,
           (const char *) s->in[0].data + (size_t) off[0] * c->size,
           stride[0],
           (const char *) s->in[1].data + (size_t) off[1] * c->size,
           stride[1], n);
}


static void
bit_units(const maas_step_t *s, int64_t first, int64_t last,
    const bit_row_pt *rows)
{
    int64_t    lo, hi;
    maas_bc_t  bc;
    bit_ctx_t  ctx = { s, maas_dtype_size(s->out[0].dtype), NULL };

    ctx.row = rows[ctx.size];
    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);
    maas_bc_tensors(&bc, &s->out[0], s->in, 2);
    maas_bc_run(&bc, lo, hi, bit_row, &ctx);
}


#define BIT_OP(name)                                                          \
    static maas_status_t                                                      \
    name##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,        \
        int64_t last)                                                         \
    {                                                                         \
        (void) slot;                                                          \
        bit_units(s, first, last, name##_rows);                               \
        return MAAS_OK;                                                       \
    }                                                                         \
                                                                              \
    static const maas_kernel_row_t  name##_kernel[] = {                       \
        { #name ".rows", MAAS_CPU_REF, 3, 0, maas_setup_cheap, name##_run }   \
    };

BIT_OP(bit_and)
BIT_OP(bit_or)
BIT_OP(bit_xor)

#define BIT_NOT(name, D, type)  MAAS_UN_LOOP(name, D, type, ~v)

MAAS_T_INT(BIT_NOT, bit_not)

static const maas_un_t  bit_not_un = {
    MAAS_UN_ROW, { MAAS_T_INT(MAAS_UN_ENTRY, bit_not) }
};

MAAS_UN_KERNEL(bit_not, maas_setup_cheap)


static maas_status_t
bit_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(maas_infer_broadcast(c, 0, 2, dims, &rank));
    maas_infer_set(c, 0, c->in[0].type->dtype, rank, dims);

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  bit_in[] = {
    { "A", MAAS_D_INT, 'T', 0 }, { "B", MAAS_D_INT, 'T', 0 }
};

static const maas_formal_t  bit_one_in[] = { { "X", MAAS_D_INT, 'T', 0 } };
static const maas_formal_t  bit_out[] = { { "C", MAAS_D_INT, 'T', 0 } };

static const maas_case_t  bit_cases[] = {
    { "| i32[2,3,17] i32[2,3,17]", NULL },
    { "| u8[3,4] u8[4]", NULL },
    { "| i16[3,1] i16[5]", NULL },
    { "| u64[] u64[3]", NULL },
    { "| i64[0] i64[1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  bit_bad[] = {
    { "| i32[2] i32[3]", "broadcast" },
    { "| f32[2] f32[2]", "float32" },
    { NULL, NULL }
};

static const maas_case_t  bit_not_cases[] = {
    { "| i8[3,17]", NULL }, { "| u32[]", NULL }, { "| i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  bit_not_bad[] = {
    { "| bool[2]", "bool" }, { NULL, NULL }
};

#define BIT_ROW(NAME, id, in, how, c, b)                                      \
    { .name = NAME, .domain = "", .since = 18, .first = 18,                   \
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(in, bit_out),      \
      .infer = how, MAAS_KERNELS(id##_kernel), .cases = c, .bad = b }

const maas_op_t  maas_ops_bitwise[] = {

    BIT_ROW("BitwiseAnd", bit_and, bit_in, bit_infer, bit_cases, bit_bad),
    BIT_ROW("BitwiseOr", bit_or, bit_in, bit_infer, bit_cases, bit_bad),
    BIT_ROW("BitwiseXor", bit_xor, bit_in, bit_infer, bit_cases, bit_bad),
    BIT_ROW("BitwiseNot", bit_not, bit_one_in, maas_infer_same,
            bit_not_cases, bit_not_bad),

    { .name = NULL }
};
