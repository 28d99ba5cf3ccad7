/*
 * Spellings of attention, layer normalisation, Gelu and dynamically
 * quantised products, as exporters write them: the passes find them (the
 * graph then has the operator, and not its parts), near misses are left
 * alone, and a model gives the same numbers with the passes and without, on
 * each CPU level and for one row and three.
 */

#include <math.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "graph/pass/pass.h"
#include "graph_build.h"
#include "levels.h"
#include "tap.h"


#define SEQ    6
#define HEADS  4
#define HEAD   8
#define WIDTH  (HEADS * HEAD)
#define OFF    "cse,fuse_norm,fuse_gelu,fuse_swish,fuse_attention,"          \
               "fuse_parts,fuse_qmatmul,postop,pack"

typedef maas_str_t (*spell_pt)(build_t *b, maas_str_t x, int how);

typedef struct {
    const char  *name;
    spell_pt     spell;
    int          how;
    const char  *op;            /* what it becomes */
    int          count;         /* of it; 0: a near miss */
    const char  *gone;          /* an operator that is not there any more */
    bool         exact;         /* to the bit */
} spelling_t;


static maas_str_t
op2(build_t *b, const char *op, maas_str_t x, maas_str_t y)
{
    maas_str_t  out = new_name(b);

    node(b, op, out, 2, x, y);
    return out;
}


static maas_str_t
op1(build_t *b, const char *op, maas_str_t x)
{
    maas_str_t  out = new_name(b);

    node(b, op, out, 1, x);
    return out;
}


static maas_str_t
number(build_t *b, float f)
{
    return constant(b, MAAS_F32, 0, NULL, &f);
}


static maas_str_t
with_ints(build_t *b, const char *op, maas_str_t x, const char *name,
    const int64_t *v, uint32_t n)
{
    maas_str_t        out = new_name(b);
    maas_raw_node_t  *at = node(b, op, out, 1, x);

    at->attr[at->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_INTS,
        .ints = maas_arena_dup(b->a, v, n * sizeof(*v)), .n = n
    };

    return out;
}


static maas_str_t
linear(build_t *b, maas_str_t x)
{
    return op2(b, "Add", op2(b, "MatMul", x,
                             random_floats(b, 2, WIDTH, WIDTH)),
               random_floats(b, 1, 1, WIDTH));
}


/* -- spellings ----------------------------------------------------------- */

/* 0: Pow; 1: two Sub and Mul; 2: no beta; 3: the wrong axis. */
static maas_str_t
spell_norm(build_t *b, maas_str_t x, int how)
{
    int64_t     axis = how == 3 ? 1 : -1;
    maas_str_t  d, e, v;

    d = op2(b, "Sub", x, with_ints(b, "ReduceMean", x, "axes", &axis, 1));
    e = how == 1 ? op2(b, "Sub", x, with_ints(b, "ReduceMean", x, "axes",
                                              &axis, 1)) : d;
    v = how == 1 ? op2(b, "Mul", e, e) : op2(b, "Pow", e, number(b, 2));
    v = with_ints(b, "ReduceMean", v, "axes", &axis, 1);
    v = op1(b, "Sqrt", op2(b, "Add", v, number(b, 1e-5f)));
    v = op2(b, "Mul", op2(b, "Div", d, v), random_floats(b, 1, 1, WIDTH));

    return how == 2 ? v : op2(b, "Add", random_floats(b, 1, 1, WIDTH), v);
}


/* Erf: 0 to 2, by the order of the factors; 3: a near miss; 4: with Mul. */
static maas_str_t
spell_gelu(build_t *b, maas_str_t x, int how)
{
    maas_str_t  p, half = number(b, 0.5f);

    p = how == 4 ? op2(b, "Mul", x, number(b, (float) M_SQRT1_2))
                 : op2(b, "Div", x, number(b, how == 3 ? 1.5f : 1.41421354f));
    p = op2(b, "Add", op1(b, "Erf", p), number(b, 1));

    if (how == 1) {
        return op2(b, "Mul", op2(b, "Mul", x, half), p);
    }

    if (how == 2) {
        return op2(b, "Mul", x, op2(b, "Mul", p, half));
    }

    return op2(b, "Mul", op2(b, "Mul", x, p), half);
}


/* Tanh: the cube as Pow (0) or Mul (1); 2: a near miss. */
static maas_str_t
spell_tanh(build_t *b, maas_str_t x, int how)
{
    maas_str_t  c;

    c = how == 1 ? op2(b, "Mul", x, op2(b, "Mul", x, x))
                 : op2(b, "Pow", x, number(b, how == 2 ? 2 : 3));
    c = op2(b, "Add", x, op2(b, "Mul", number(b, 0.044715f), c));
    c = op2(b, "Mul", number(b, 0.7978845608f), c);
    c = op2(b, "Add", number(b, 1), op1(b, "Tanh", c));

    return op2(b, "Mul", op2(b, "Mul", number(b, 0.5f), x), c);
}


/*
 * 0: / 6 at the end; 1: times 1 / 6, inside; 2: HardSigmoid; near misses: 3:
 * another addend, 4: of another value, 5: HardSigmoid of another slope.
 */
static maas_str_t
spell_hswish(build_t *b, maas_str_t x, int how)
{
    maas_str_t        c = new_name(b), y = op1(b, "Relu", x);
    maas_raw_node_t  *n;

    if (how == 2 || how == 5) {
        n = node(b, "HardSigmoid", c, 1, x);
        n->attr[n->n_attr++] = (maas_raw_attr_t) {
            .name = maas_str("alpha"), .type = MAAS_ATTR_FLOAT,
            .f = how == 2 ? 1.0f / 6 : 0.2f
        };
        return op2(b, "Mul", c, x);
    }

    node(b, "Clip", c, 3, op2(b, "Add", how == 4 ? y : x,
                              number(b, how == 3 ? 2 : 3)),
         number(b, 0), number(b, 6));

    return how == 1 ? op2(b, "Mul", op2(b, "Mul", number(b, 1.0f / 6), c), x)
                    : op2(b, "Div", op2(b, "Mul", x, c), number(b, 6));
}


/*
 * 0: x * Sigmoid(x); 1: Sigmoid(1.7 * x) * x; 2: x is a product with a number
 * itself; near misses: 3: of another value, 4: Sigmoid has another reader.
 */
static maas_str_t
spell_swish(build_t *b, maas_str_t x, int how)
{
    maas_str_t  s, y = op1(b, "Relu", x);

    if (how == 1) {
        s = op1(b, "Sigmoid", op2(b, "Mul", number(b, 1.7f), x));
        return op2(b, "Mul", s, x);
    }

    x = how == 2 ? op2(b, "Mul", x, number(b, 2)) : x;
    s = op1(b, "Sigmoid", how == 3 ? y : x);
    y = op2(b, "Mul", x, s);

    return how == 4 ? op2(b, "Add", y, s) : y;
}


static maas_str_t
heads_of(build_t *b, maas_str_t x, const int64_t *perm)
{
    int64_t     shape[4] = { 0, 0, HEADS, HEAD }, four = 4;
    maas_str_t  y;

    y = op2(b, "Reshape", linear(b, x), constant(b, MAAS_I64, 1, &four,
                                                 shape));
    return perm != NULL ? with_ints(b, "Transpose", y, "perm", perm, 4) : y;
}


/* A step sees itself and those before it; the first sees nothing. */
static maas_str_t
where_seen(build_t *b, maas_str_t s, bool seen)
{
    uint8_t        m[SEQ * SEQ];
    maas_str_t     out = new_name(b), mask, far = number(b, -1e9f);
    const int64_t  dims[4] = { 1, 1, SEQ, SEQ };

    for (int i = 0; i < SEQ * SEQ; i++) {
        m[i] = (i % SEQ <= i / SEQ && i / SEQ != 0) == seen;
    }

    mask = constant(b, MAAS_BOOL, 4, dims, m);
    node(b, "Where", out, 3, mask, seen ? s : far, seen ? far : s);
    return out;
}


/*
 * 0: Div, mask; 1: Mul, no mask; 2: factors at Q and K, K transposed twice;
 * 3: the scores are read once more; 4: softmax over the wrong axis.
 */
static maas_str_t
spell_attention(build_t *b, maas_str_t x, int how)
{
    int64_t           back[3] = { 0, 0, WIDTH }, three = 3;
    maas_str_t        q, k, v, s, o;
    const int64_t     swap[4] = { 0, 2, 1, 3 }, keys[4] = { 0, 2, 3, 1 };
    const int64_t     last[4] = { 0, 1, 3, 2 };
    maas_raw_node_t  *n;

    q = heads_of(b, x, swap);
    k = heads_of(b, x, how == 2 ? swap : keys);
    v = heads_of(b, x, swap);

    if (how == 2) {
        q = op2(b, "Mul", q, number(b, 0.6f));
        k = op2(b, "Mul", with_ints(b, "Transpose", k, "perm", last, 4),
                number(b, 0.6f));
    }

    s = op2(b, "MatMul", q, k);

    if (how != 2) {
        s = how == 1 ? op2(b, "Mul", s, number(b, 0.35f))
                     : op2(b, "Div", s, number(b, 2.828427f));
    }

    if (how == 5 || how == 6) {
        s = where_seen(b, s, how == 5);

    } else if (how != 1) {
        s = op2(b, "Add", s, random_floats(b, 2, SEQ, SEQ));
    }

    o = new_name(b);
    n = node(b, "Softmax", o, 1, s);
    attr_int(n, "axis", how == 4 ? 2 : 3);

    s = op2(b, "MatMul", o, v);

    if (how == 3) {
        s = op2(b, "Add", s, op2(b, "MatMul", o, v));
        s = op2(b, "Add", s, op2(b, "MatMul", op1(b, "Neg", o), v));
    }

    s = with_ints(b, "Transpose", s, "perm", swap, 4);
    return op2(b, "Reshape", s, constant(b, MAAS_I64, 1, &three, back));
}


/*
 * 0: one scale; 1: one for each column and zero points; 2: no Cast behind
 * it; 3: uint8 weights; 4: two products of one tensor.
 */
static maas_str_t
spell_quantized(build_t *b, maas_str_t x, int how)
{
    float             scale[WIDTH];
    int8_t            w[WIDTH * WIDTH], zero[WIDTH];
    int64_t           dims[2] = { WIDTH, WIDTH }, width = WIDTH;
    maas_str_t        out[3], y, z;
    maas_dtype_t      t = how == 3 ? MAAS_U8 : MAAS_I8;
    maas_raw_node_t  *n;

    for (int i = 0; i < WIDTH * WIDTH; i++) {
        w[i] = (int8_t) rnd(b, 256);
    }

    for (int i = 0; i < WIDTH; i++) {
        zero[i] = how == 1 || how == 3 ? (int8_t) rnd(b, 9) : 0;
        scale[i] = 0.001f * (float) (1 + rnd(b, 9));
    }

    for (int i = 0; i < 3; i++) {
        out[i] = new_name(b);
    }

    n = node(b, "DynamicQuantizeLinear", out[0], 1, x);
    n->n_out = 3;
    n->out = maas_arena_dup(b->a, out, sizeof(out));

    z = constant(b, t, how == 1 ? 1 : 0, how == 1 ? &width : NULL, zero);
    y = new_name(b);
    node(b, "MatMulInteger", y, 4, out[0], constant(b, t, 2, dims, w),
         out[2], z);
    x = y;
    y = new_name(b);

    if (how == 2) {
        x = op2(b, "Add", x, x);
    }

    n = node(b, "Cast", y, 1, x);
    attr_int(n, "to", 1);

    z = how == 1 ? constant(b, MAAS_F32, 1, &width, scale)
                 : op2(b, "Mul", out[1], number(b, 0.004f));
    return op2(b, "Add", op2(b, "Mul", y, z), random_floats(b, 1, 1, WIDTH));
}


/*
 * QLinearMatMul of codes.  0: one scale, one zero point; 1: for each column;
 * 2: to int8, by uint8; 3: the scale of Y is no constant.
 */
static maas_str_t
spell_linear(build_t *b, maas_str_t x, int how)
{
    float         scale[WIDTH], sx = 0.04f, sy = 0.9f;
    int8_t        w[WIDTH * WIDTH], zero[WIDTH], zx = 101, zy = -7;
    int64_t       dims[2] = { WIDTH, WIDTH }, width = WIDTH;
    maas_str_t    q, y, v[3], z;
    maas_dtype_t  t = how == 2 ? MAAS_U8 : MAAS_I8;
    maas_dtype_t  to = how == 2 ? MAAS_I8 : MAAS_U8;

    for (int i = 0; i < WIDTH * WIDTH; i++) {
        w[i] = (int8_t) rnd(b, 256);
    }

    for (int i = 0; i < WIDTH; i++) {
        zero[i] = (int8_t) rnd(b, 90);
        scale[i] = 0.001f * (float) (1 + rnd(b, 9));
    }

    q = new_name(b);
    y = new_name(b);
    v[0] = constant(b, MAAS_F32, 0, NULL, &sx);
    v[1] = constant(b, MAAS_U8, 0, NULL, &zx);
    node(b, "QuantizeLinear", q, 3, x, v[0], v[1]);

    v[2] = constant(b, MAAS_F32, 0, NULL, &sy);
    z = constant(b, to, 0, NULL, &zy);

    if (how == 3) {
        v[2] = new_name(b);
        node(b, "ReduceMax", v[2], 1, op1(b, "Exp", x));
        attr_int(&b->g->node[b->g->n_node - 1], "keepdims", 0);
    }

    node(b, "QLinearMatMul", y, 8, q, v[0], v[1],
         constant(b, t, 2, dims, w),
         constant(b, MAAS_F32, how == 1, &width, scale),
         constant(b, t, how == 1, &width, zero), v[2], z);
    x = new_name(b);
    node(b, "DequantizeLinear", x, 3, y, v[2], z);
    return op2(b, "Mul", x, number(b, 2));
}


/* [rows, WIDTH] by a matrix, transposed, and a bias. */
static maas_str_t
gemm_of(build_t *b, maas_str_t x)
{
    maas_str_t        out = new_name(b);
    maas_raw_node_t  *n;

    n = node(b, "Gemm", out, 3, x, random_floats(b, 2, WIDTH, WIDTH),
             random_floats(b, 1, 1, WIDTH));
    attr_int(n, "transB", 1);
    return out;
}


static maas_str_t
cut_thirds(build_t *b, maas_str_t x, maas_str_t *part)
{
    maas_raw_node_t  *n;

    for (int i = 0; i < 3; i++) {
        part[i] = new_name(b);
    }

    n = node(b, "Split", part[0], 1, x);
    attr_int(n, "axis", -1);
    n->n_out = 3;
    n->out = maas_arena_dup(b->a, part, 3 * sizeof(*part));
    return part[2];
}


/* x W + b in thirds. */
static maas_str_t
cut_of(build_t *b, maas_str_t x, maas_str_t *part)
{
    x = op2(b, "Add", op2(b, "MatMul", x, random_floats(b, 2, WIDTH,
                                                        3 * WIDTH)),
            random_floats(b, 1, 1, 3 * WIDTH));

    return cut_thirds(b, x, part);
}


/* [rows, 3 WIDTH] of a Gemm, reshaped to blocks of SEQ rows, in thirds. */
static maas_str_t
cut_apart(build_t *b, maas_str_t x, maas_str_t *part, bool turned)
{
    int64_t           flat[2] = { -1, WIDTH }, two = 2, three = 3;
    int64_t           back[3] = { -1, SEQ, 3 * WIDTH };
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *n;

    x = op2(b, "Reshape", x, constant(b, MAAS_I64, 1, &two, flat));
    n = node(b, "Gemm", y, 3, x,
             turned ? random_floats(b, 2, 3 * WIDTH, WIDTH)
                    : random_floats(b, 2, WIDTH, 3 * WIDTH),
             random_floats(b, 1, 1, 3 * WIDTH));
    attr_int(n, "transB", turned);
    x = op2(b, "Reshape", y, constant(b, MAAS_I64, 1, &three, back));

    return cut_thirds(b, x, part);
}


/*
 * 0: three products of x; 1: one of them without a bias; 2: two, and one of
 * another input; 3: two matrices, each for two inputs; 4: a Split; 5: what
 * reads them is a post-op; 6: Gemm; 7: one of three has a post-op; 8: a Split
 * behind the Reshape of a Gemm; 9: B of it lies transposed.
 */
static maas_str_t
spell_parts(build_t *b, maas_str_t x, int how)
{
    int64_t           flat[2] = { -1, WIDTH }, two = 2;
    maas_str_t        v[4], w[2], y;
    maas_raw_node_t  *n;

    if (how == 6) {
        x = op2(b, "Reshape", x, constant(b, MAAS_I64, 1, &two, flat));
    }

    v[0] = how == 6 ? gemm_of(b, x) : linear(b, x);
    v[1] = how == 6 ? gemm_of(b, x)
           : how == 1 ? op2(b, "MatMul", x, random_floats(b, 2, WIDTH, WIDTH))
           : linear(b, x);
    v[2] = how == 6 ? gemm_of(b, x)
           : linear(b, how == 2 ? op1(b, "Neg", x) : x);
    v[3] = v[0];

    for (int i = 0; how == 3 && i < 2; i++) {
        w[i] = random_floats(b, 2, WIDTH, WIDTH);
    }

    for (int i = 0; how == 3 && i < 4; i++) {
        v[i] = op2(b, "MatMul", i < 2 ? x : op1(b, "Neg", x), w[i % 2]);
    }

    if (how == 4) {
        cut_of(b, x, v);
        v[3] = v[1];
    }

    if (how >= 8) {
        v[3] = cut_apart(b, x, v, how == 9);
    }

    for (int i = 0; how == 5 && i < 4; i++) {
        v[i] = op1(b, "Relu", v[i]);
    }

    v[1] = how == 7 ? op1(b, "Relu", v[1]) : v[1];
    y = new_name(b);
    n = node(b, "Concat", y, 4, v[0], v[1], v[2], v[3]);
    attr_int(n, "axis", -1);
    return y;
}


/* Weights of 8 bits that are dequantised, more than are always folded. */
static maas_str_t
spell_weights(build_t *b, maas_str_t x, int how)
{
    float          scale = 0.004f;
    int64_t        dims[2] = { WIDTH, 4096 };
    static int8_t  w[WIDTH * 4096], zero;
    maas_dtype_t   t = how == 1 ? MAAS_U8 : MAAS_I8;
    maas_str_t     y = new_name(b);

    for (size_t i = 0; i < sizeof(w); i++) {
        w[i] = (int8_t) rnd(b, 256);
    }

    zero = how == 1 ? 7 : -3;
    node(b, "DequantizeLinear", y, 3, constant(b, t, 2, dims, w),
         constant(b, MAAS_F32, 0, NULL, &scale),
         constant(b, t, 0, NULL, &zero));
    return op2(b, "MatMul", x, y);
}


/* A matrix by a vector: the last axis of the result are the rows. */
static maas_str_t
spell_vector(build_t *b, maas_str_t x, int how)
{
    maas_str_t  y = op2(b, "MatMul", x, random_floats(b, 1, 1, WIDTH));

    y = op1(b, "Relu", op2(b, "Add", y, random_floats(b, 1, 1, SEQ)));
    return how == 0 ? y : op2(b, "Mul", random_floats(b, 2, 1, SEQ), y);
}


static const spelling_t  spellings[] = {
    { "norm", spell_norm, 0, "LayerNormalization", 1, "Sqrt" },
    { "norm, Mul", spell_norm, 1, "LayerNormalization", 1, "Sub" },
    { "norm, no beta", spell_norm, 2, "LayerNormalization", 1, "Div" },
    { "norm, other axis", spell_norm, 3, "LayerNormalization", 0 },
    { "gelu", spell_gelu, 0, "Gelu", 1, "Erf" },
    { "gelu, half first", spell_gelu, 1, "Gelu", 1, "Erf" },
    { "gelu, half inside", spell_gelu, 2, "Gelu", 1, "Erf" },
    { "gelu, other divisor", spell_gelu, 3, "Gelu", 0 },
    { "gelu, factor", spell_gelu, 4, "Gelu", 1, "Mul" },
    { "hswish", spell_hswish, 0, "HardSwish", 1, "Clip" },
    { "hswish, sixth inside", spell_hswish, 1, "HardSwish", 1, "Mul" },
    { "hswish, HardSigmoid", spell_hswish, 2, "HardSwish", 1, "HardSigmoid" },
    { "hswish, other addend", spell_hswish, 3, "HardSwish", 0 },
    { "hswish, other value", spell_hswish, 4, "HardSwish", 0 },
    { "hswish, other slope", spell_hswish, 5, "HardSwish", 0 },
    { "swish", spell_swish, 0, "Swish", 1, "Sigmoid" },
    { "swish, alpha", spell_swish, 1, "Swish", 1, "Sigmoid" },
    { "swish, of a product", spell_swish, 2, "Swish", 1, "Sigmoid" },
    { "swish, other value", spell_swish, 3, "Swish", 0 },
    { "swish, two readers", spell_swish, 4, "Swish", 0 },
    { "gelu, tanh", spell_tanh, 0, "Gelu", 1, "Tanh" },
    { "gelu, tanh, products", spell_tanh, 1, "Gelu", 1, "Tanh" },
    { "gelu, tanh, a square", spell_tanh, 2, "Gelu", 0 },
    { "attention", spell_attention, 0, "Attention", 1, "Softmax" },
    { "attention, no mask", spell_attention, 1, "Attention", 1, "Reshape" },
    { "attention, factors", spell_attention, 2, "Attention", 1, "Transpose" },
    { "attention, scores in use", spell_attention, 3, "Attention", 0 },
    { "attention, what is seen", spell_attention, 5, "Attention", 1,
      "Where" },
    { "attention, what is hidden", spell_attention, 6, "Attention", 1,
      "Where" },
    { "attention, other axis", spell_attention, 4, "Attention", 0 },
    { "parts", spell_parts, 0, "MatMulParts", 1, NULL, true },
    { "parts, a bias less", spell_parts, 1, "MatMulParts", 1, NULL, true },
    { "parts, two share", spell_parts, 2, "MatMulParts", 1, NULL, true },
    { "parts, shared matrices", spell_parts, 3, "MatMulParts", 2, NULL,
      true },
    { "parts, cut", spell_parts, 4, "MatMulParts", 1, "Split", true },
    { "parts, post-ops", spell_parts, 5, "MatMulParts", 0, NULL, true },
    { "parts, Gemm", spell_parts, 6, "MatMulParts", 1, "Gemm", true },
    { "parts, cut behind a Reshape", spell_parts, 8, "MatMulParts", 1,
      "Split", true },
    { "parts, cut, transposed", spell_parts, 9, "MatMulParts", 1, "Split",
      true },
    { "parts, a post-op", spell_parts, 7, "MatMulParts", 1, NULL, true },
    { "attention, products", spell_attention, 0, "MatMulParts", 1,
      "Transpose" },
    { "weights, int8", spell_weights, 0, "MatMul", 2, "DequantizeLinear",
      true },
    { "weights, uint8", spell_weights, 1, "MatMul", 2, "DequantizeLinear",
      true },
    { "vector", spell_vector, 0, "MatMul", 2, NULL, true },
    { "vector, two post-ops", spell_vector, 1, "MatMul", 2, NULL, true },
    { "quantised", spell_quantized, 0, "QMatMul", 1, "Cast", true },
    { "quantised, the range", spell_quantized, 0, "DynamicRange", 1,
      "DynamicQuantizeLinear", true },
    { "quantised, columns", spell_quantized, 1, "QMatMul", 1, "Cast", true },
    { "quantised, sums in use", spell_quantized, 2, "QMatMul", 1,
      "MatMulInteger", true },
    { "quantised, uint8", spell_quantized, 3, "QMatMul", 1, "Cast", true },
    { "linear codes", spell_linear, 0, "QMatMul", 1, "QLinearMatMul", true },
    { "linear codes, columns", spell_linear, 1, "QMatMul", 1,
      "QLinearMatMul", true },
    { "linear codes, int8", spell_linear, 2, "QMatMul", 1, "QLinearMatMul",
      true },
    { "linear codes, a scale that is made", spell_linear, 3, "QLinearMatMul",
      1, "QMatMul", true },
};


/* -- models -------------------------------------------------------------- */

static maas_raw_model_t *
fusion_model(maas_arena_t *a, const spelling_t *s)
{
    build_t     *b = model_begin(a, 77 + (uint64_t) s->how);
    maas_str_t   x = new_name(b), y;

    port(&b->g->in[b->g->n_in++], x, WIDTH);
    b->g->in[0].rank = 3;
    b->g->in[0].dims[1] = SEQ;
    b->g->in[0].dims[2] = WIDTH;

    y = s->spell(b, linear(b, x), s->how);
    port(&b->g->out[b->g->n_out++], y, -1);

    return model_end(b);
}


static int
fusion_count(const maas_graph_t *g, const char *op)
{
    int  n = 0;

    for (uint32_t i = 0; i < g->n_node; i++) {
        n += strcmp(g->node[i].op->name, op) == 0;
    }

    return n;
}


static void
test_found(const spelling_t *s)
{
    maas_err_t         err = { 0 };
    maas_arena_t       a;
    maas_graph_t      *g;
    maas_pass_opts_t   opts = { .host = maas_host_default(),
                                .k = maas_kernels(maas_cpu_in_use()),
                                .fold_budget = 1 << 24, .fast = true,
                                .off = "postop" };

    maas_arena_init(&a, maas_host_default(), 0);

    if (maas_graph_import(&g, &a, fusion_model(&a, s), &err) != MAAS_OK
        || maas_passes_run(g, &opts, &err) != MAAS_OK)
    {
        ok(0, "%s: %s", s->name, err.text);

    } else {
        ok(fusion_count(g, s->op) == s->count
           && (s->gone == NULL || fusion_count(g, s->gone) == 0),
           "%s: %d %s", s->name, s->count, s->op);
    }

    maas_arena_destroy(&a);
}


/* The output of one run; NULL with a reason in err. */
static float *
fusion_run(const spelling_t *s, const char *off, int64_t rows, int64_t *n,
    maas_err_t *err)
{
    void           *image = NULL;
    float          *y = NULL, *x;
    size_t          size;
    maas_run_t     *run = NULL;
    maas_arena_t    a;
    maas_graph_t   *g;
    maas_model_t   *m = NULL;
    maas_tensor_t   in = { .dtype = MAAS_F32, .rank = 3,
                           .dims = { rows, SEQ, WIDTH } };
    maas_tensor_t   t;
    maas_compile_t  spec = { .name = "fusion", .passes_off = off };

    maas_arena_init(&a, maas_host_default(), 0);
    in.bytes = (size_t) (rows * SEQ * WIDTH) * sizeof(float);
    in.data = x = maas_arena_alloc(&a, in.bytes);

    for (int64_t i = 0; i < rows * SEQ * WIDTH; i++) {
        x[i] = (float) (i * 7919 % 2003) / 700.0f - 1.4f;
    }

    if (maas_graph_import(&g, &a, fusion_model(&a, s), err) == MAAS_OK
        && maas_compile_graph(g, &spec, &image, &size, err) == MAAS_OK
        && maas_model_open(&m, image, size, NULL, err) == MAAS_OK
        && maas_model_run(m, &in, NULL, NULL, &run, err) == MAAS_OK)
    {
        maas_run_output(run, 0, &t, NULL);
        *n = maas_tensor_count(&t);
        y = malloc(t.bytes + 1);
        memcpy(y, t.data, t.bytes);
        maas_run_release(run);
    }

    maas_model_release(m);
    maas_image_free(image);
    maas_arena_destroy(&a);
    return y;
}


static bool
test_same(const spelling_t *s, int64_t rows)
{
    bool         good;
    float       *a, *b;
    int64_t      n = 0, m = 0;
    maas_err_t   err = { 0 };

    a = fusion_run(s, OFF, rows, &n, &err);
    b = fusion_run(s, NULL, rows, &m, &err);
    good = a != NULL && b != NULL && n == m && n > 0;

    for (int64_t i = 0; good && i < n; i++) {
        good = s->exact ? a[i] == b[i]
                        : fabsf(a[i] - b[i]) <= 2e-5f * fmaxf(1, fabsf(a[i]));

        if (!good) {
            printf("# [%lld] %.9g without the passes, %.9g with them\n",
                   (long long) i, a[i], b[i]);
        }
    }

    if (!good) {
        printf("# %s, %lld rows at %s: %s\n", s->name, (long long) rows,
               maas_cpu_name(maas_cpu_in_use()), err.text);
    }

    free(a);
    free(b);
    return good;
}


/* In a process of its own: the level is chosen once. */
static int
test_level(const char *cpu)
{
    int  bad = 0;

    maas_init(cpu, NULL);

    for (size_t i = 0; i < maas_nelts(spellings); i++) {
        bad += !test_same(&spellings[i], 1);
        bad += !test_same(&spellings[i], 3);
    }

    fflush(stdout);
    return bad;
}


int
main(void)
{
    at_levels(test_level,
              "the same with the passes and without");

    for (size_t i = 0; i < maas_nelts(spellings); i++) {
        test_found(&spellings[i]);
    }

    return done();
}
