/*
 * ms_qlinear: operators of com.microsoft over 8-bit numbers, as static
 * quantisation in operator form writes them.
 *
 * QLinear<op> becomes DequantizeLinear of its inputs, <op>, and
 * maas.Requantize: QuantizeLinear for which integers may take the place of
 * all three, with codes that differ by one at most (no specification says how
 * such an operator rounds between; graph/pass/fuse_qlinear.c does it).  QGemm
 * becomes MatMulInteger, the sum with C, and one product with
 * alpha * a_scale * b_scale / y_scale before it is rounded.
 *
 * Spec: ONNX Runtime, docs/ContribOperators.md.
 */

#include "ops/quant.h"


/* -- QLinear<op> --------------------------------------------------------- */

#define QL_NONE  255

typedef struct {
    const char  *name;
    const char  *op;
    uint8_t      plain;         /* input that is no code, or QL_NONE */
    uint8_t      x[2];          /* inputs with their scale and zero point */
    uint8_t      y;             /* the same of the output */
} ql_row_t;

static const ql_row_t  ql_rows[] = {
    { "QLinearAdd", "Add", QL_NONE, { 0, 3 }, 6 },
    { "QLinearMul", "Mul", QL_NONE, { 0, 3 }, 6 },
    { "QLinearSigmoid", "Sigmoid", QL_NONE, { 0, QL_NONE }, 3 },
    { "QLinearLeakyRelu", "LeakyRelu", QL_NONE, { 0, QL_NONE }, 3 },
    { "QLinearSoftmax", "Softmax", QL_NONE, { 0, QL_NONE }, 3 },
    { "QLinearAveragePool", "AveragePool", QL_NONE, { 0, QL_NONE }, 3 },
    { "QLinearGlobalAveragePool", "GlobalAveragePool", QL_NONE,
      { 0, QL_NONE }, 3 },
    { "QLinearReduceMean", "ReduceMean", QL_NONE, { 0, QL_NONE }, 3 },
    { "QLinearWhere", "Where", 0, { 1, 4 }, 7 }
};


/* Input `to` of n: what p[0], p[1], p[2] (code, scale, zero point) say. */
static maas_status_t
ql_from(maas_import_t *im, maas_raw_node_t *n, uint32_t to, maas_str_t x,
    maas_str_t scale, maas_str_t zero)
{
    maas_str_t  in[] = { x, scale, zero };

    return maas_upgrade_before(im, n, to, "DequantizeLinear", in,
                               zero.len != 0 ? 3 : 2, NULL, 0);
}


static maas_str_t
ql_input(const maas_raw_node_t *n, uint32_t i)
{
    return i < n->n_in ? n->in[i] : (maas_str_t) { NULL, 0 };
}


/* The output of n to codes; type: of them without a zero point. */
static maas_status_t
ql_to(maas_import_t *im, maas_raw_node_t *n, const char *op, maas_str_t scale,
    maas_str_t zero, maas_dtype_t type)
{
    maas_str_t       in[] = { maas_raw_fresh(im), scale, zero };
    maas_raw_attr_t  attr = { .name = maas_str("output_dtype"),
                              .type = MAAS_ATTR_INT, .i = type };

    if (in[0].data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(zero.len != 0
             ? maas_raw_emit_after(im, op, in, 3, n->out, 1, NULL, 0)
             : maas_raw_emit_after(im, op, in, 2, n->out, 1, &attr,
                                   type == MAAS_I8));
    n->out[0] = in[0];
    n->domain = maas_str("");
    return MAAS_OK;
}


static maas_status_t
ql_layout(maas_raw_node_t *n, maas_err_t *err)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, "channels_last");

    if (a != NULL && a->i != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "channels_last is 1, which is not served");
    }

    maas_raw_attr_drop(n, "channels_last");
    return MAAS_OK;
}


/* Softmax says itself of which opset it is. */
static maas_status_t
ql_softmax(maas_import_t *im, maas_raw_node_t *n, maas_err_t *err)
{
    int64_t                 opset = 13;
    const maas_op_t        *row = maas_op_find(maas_str(""), n->op);
    const maas_raw_attr_t  *a = maas_raw_attr(n, "opset");

    opset = a != NULL ? a->i : opset;
    maas_raw_attr_drop(n, "opset");

    if (opset < 1 || opset > INT16_MAX) {
        return maas_err(err, MAAS_EINVAL, "opset is %lld, expected that of "
                        "Softmax", (long long) opset);
    }

    if (maas_raw_attr(n, "axis") == NULL) {
        MAAS_TRY(maas_raw_attr_int(im, n, "axis", -1));
    }

    return row != NULL && row->upgrade != NULL && opset < row->since
           ? row->upgrade(im, n, (int) opset, err) : MAAS_OK;
}


static maas_status_t
ql_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset, maas_err_t *err)
{
    uint32_t         count = 0;
    maas_str_t       in[3];
    maas_dtype_t     type;
    const ql_row_t  *r = ql_rows;

    (void) opset;

    while (!maas_str_is(n->op, r->name)) {
        r++;
    }

    MAAS_TRY(ql_layout(n, err));
    type = maas_raw_input_dtype(im, n, r->x[0]);
    MAAS_TRY(ql_to(im, n, "Requantize", ql_input(n, r->y),
                   ql_input(n, r->y + 1u), type));

    if (r->plain != QL_NONE) {
        count++;
    }

    for (int i = 0; i < 2 && r->x[i] != QL_NONE; i++) {
        for (uint32_t j = 0; j < 3; j++) {
            in[j] = ql_input(n, r->x[i] + j);
        }

        MAAS_TRY(ql_from(im, n, r->x[i], in[0], in[1], in[2]));
        n->in[count++] = n->in[r->x[i]];
    }

    n->n_in = count;
    n->op = (maas_str_t) { r->op, strlen(r->op) };

    if (maas_str_is(n->op, "ReduceMean")) {
        return maas_raw_attr_to_input(im, n, "axes", 1);
    }

    return maas_str_is(n->op, "Softmax") ? ql_softmax(im, n, err) : MAAS_OK;
}


/* Scale and zero point of Y, then each input with its own. */
static maas_status_t
ql_concat_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    uint32_t    count = 0;
    maas_str_t  scale = n->in[0], zero = ql_input(n, 1);

    (void) opset;

    if (n->n_in < 5 || n->n_in % 3 != 2) {
        return maas_err(err, MAAS_EINVAL, "%u inputs, expected two, and three "
                        "for each tensor", n->n_in);
    }

    MAAS_TRY(ql_to(im, n, "Requantize", scale, zero,
                   maas_raw_input_dtype(im, n, 2)));

    for (uint32_t i = 2; i < n->n_in; i += 3) {
        MAAS_TRY(ql_from(im, n, i, n->in[i], n->in[i + 1], n->in[i + 2]));
        n->in[count++] = n->in[i];
    }

    n->n_in = count;
    n->op = maas_str("Concat");
    return MAAS_OK;
}


/* QuantizeLinear and DequantizeLinear as they were before they were ONNX's. */
static maas_status_t
ql_plain_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) im;
    (void) opset;
    (void) err;

    n->domain = maas_str("");
    return MAAS_OK;
}


/* -- QGemm --------------------------------------------------------------- */

enum { QG_A, QG_SA, QG_ZA, QG_B, QG_SB, QG_ZB, QG_C, QG_SY, QG_ZY };


static maas_status_t
qgemm_emit(maas_import_t *im, const char *op, maas_str_t *x, maas_str_t y,
    const maas_raw_attr_t *attr)
{
    maas_str_t  in[] = { *x, y }, out = maas_raw_fresh(im);

    if (out.data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit(im, op, in, y.len != 0 ? 2 : 1, &out, 1, attr,
                           attr != NULL));
    *x = out;
    return MAAS_OK;
}


static maas_status_t
qgemm_turn(maas_import_t *im, maas_raw_node_t *n, uint32_t i,
    const char *name)
{
    static const int64_t    perm[] = { 1, 0 };
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);
    maas_raw_attr_t         by = { .name = maas_str("perm"),
                                   .type = MAAS_ATTR_INTS, .n = 2,
                                   .ints = perm };

    return a == NULL || a->i == 0 ? MAAS_OK
           : qgemm_emit(im, "Transpose", &n->in[i], maas_str(""), &by);
}


/* alpha * a_scale * b_scale / y_scale */
static maas_status_t
qgemm_scale(maas_import_t *im, maas_raw_node_t *n, maas_str_t *scale)
{
    float                   alpha;
    const maas_raw_attr_t  *a = maas_raw_attr(n, "alpha");

    alpha = a != NULL ? a->f : 1;
    *scale = n->in[QG_SA];

    if (alpha != 1) {
        MAAS_TRY(maas_raw_input_float(im, n, QG_SA, MAAS_F32,
                                      (double) alpha));
        MAAS_TRY(qgemm_emit(im, "Mul", scale, n->in[QG_SA], NULL));
    }

    MAAS_TRY(qgemm_emit(im, "Mul", scale, n->in[QG_SB], NULL));

    return maas_raw_has(n, QG_SY)
           ? qgemm_emit(im, "Div", scale, n->in[QG_SY], NULL) : MAAS_OK;
}


static maas_status_t
qgemm_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_str_t       in[4], sums, scale, zero = ql_input(n, QG_ZY);
    maas_raw_attr_t  to = { .name = maas_str("to"), .type = MAAS_ATTR_INT,
                            .i = MAAS_F32 };

    (void) opset;
    (void) err;

    MAAS_TRY(qgemm_turn(im, n, QG_A, "transA"));
    MAAS_TRY(qgemm_turn(im, n, QG_B, "transB"));
    MAAS_TRY(qgemm_scale(im, n, &scale));

    in[0] = n->in[QG_A];
    in[1] = n->in[QG_B];
    in[2] = n->in[QG_ZA];
    in[3] = n->in[QG_ZB];
    sums = maas_raw_fresh(im);
    if (sums.data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit(im, "MatMulInteger", in, 4, &sums, 1, NULL, 0));

    if (maas_raw_has(n, QG_C)) {
        MAAS_TRY(qgemm_emit(im, "Add", &sums, n->in[QG_C], NULL));
    }

    MAAS_TRY(qgemm_emit(im, "Cast", &sums, maas_str(""), &to));

    if (maas_raw_has(n, QG_SY)) {
        MAAS_TRY(maas_raw_input_float(im, n, QG_SY, MAAS_F32, 1));
        MAAS_TRY(ql_to(im, n, "QuantizeLinear", n->in[QG_SY], zero,
                       maas_raw_input_dtype(im, n, QG_A)));
    }

    n->in[0] = sums;
    n->in[1] = scale;
    n->n_in = 2;
    n->n_attr = 0;
    n->op = maas_str("Mul");
    n->domain = maas_str("");
    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

typedef struct {
    int64_t      i[4];
    float        f;
    maas_list_t  word, axes, kernel, pads, strides;
} ql_attr_t;

#define QL_CODE(name, letter)   { name, MAAS_D_Q8, letter, 0 }
#define QL_SCALE(name)          { name, MAAS_D(F32), 0, 0 }
#define QL_ZERO(name, letter)   { name, MAAS_D_Q8, letter, MAAS_OPT }

static const maas_formal_t  ql_binary_in[] = {
    QL_CODE("A", 'A'), QL_SCALE("A_scale"), QL_ZERO("A_zero_point", 'A'),
    QL_CODE("B", 'A'), QL_SCALE("B_scale"), QL_ZERO("B_zero_point", 'A'),
    QL_SCALE("C_scale"), QL_ZERO("C_zero_point", 'A')
};

static const maas_formal_t  ql_unary_in[] = {
    QL_CODE("X", 'A'), QL_SCALE("X_scale"), QL_ZERO("X_zero_point", 'A'),
    QL_SCALE("Y_scale"), QL_ZERO("Y_zero_point", 'A')
};

static const maas_formal_t  ql_where_in[] = {
    { "condition", MAAS_D(BOOL), 0, 0 },
    QL_CODE("X", 'A'), QL_SCALE("x_scale"), QL_ZERO("x_zero_point", 'A'),
    QL_CODE("Y", 'A'), QL_SCALE("y_scale"), QL_ZERO("y_zero_point", 'A'),
    QL_SCALE("z_scale"), QL_ZERO("z_zero_point", 'A')
};

static const maas_formal_t  ql_concat_in[] = {
    QL_SCALE("Y_scale"), QL_CODE("Y_zero_point", 'A'),
    { "inputs", MAAS_D_Q8 | MAAS_D(F32), 0, MAAS_VARIADIC | MAAS_HETERO }
};

static const maas_formal_t  qgemm_in[] = {
    QL_CODE("A", 'A'), QL_SCALE("a_scale"), QL_CODE("a_zero_point", 'A'),
    QL_CODE("B", 'B'), QL_SCALE("b_scale"), QL_CODE("b_zero_point", 'B'),
    { "C", MAAS_D(I32), 0, MAAS_OPT },
    { "y_scale", MAAS_D(F32), 0, MAAS_OPT },
    { "y_zero_point", MAAS_D_Q8, 0, MAAS_OPT }
};

static const maas_formal_t  ql_quantize_in[] = {
    QL_SCALE("x"), QL_SCALE("y_scale"),
    { "y_zero_point", MAAS_D_Q16, 0, MAAS_OPT }
};

static const maas_formal_t  ql_dequantize_in[] = {
    { "x", MAAS_D_Q16 | MAAS_D(I32), 'A', 0 }, QL_SCALE("x_scale"),
    { "x_zero_point", MAAS_D_Q16 | MAAS_D(I32), 'A', MAAS_OPT }
};

static const maas_formal_t  ql_out[] = {
    { "Y", MAAS_D_Q16 | MAAS_D(F32), 0, 0 }
};

#define QL_ATTR(label, kind, member)                                          \
    { .name = label, .type = MAAS_ATTR_##kind,                                \
      .off = offsetof(ql_attr_t, member) }

static const maas_attr_row_t  ql_alpha_attrs[] = { QL_ATTR("alpha", FLOAT, f) };

static const maas_attr_row_t  ql_axis_attrs[] = { QL_ATTR("axis", INT, i[0]) };

static const maas_attr_row_t  ql_softmax_attrs[] = {
    QL_ATTR("axis", INT, i[0]), QL_ATTR("opset", INT, i[1])
};

static const maas_attr_row_t  ql_pool_attrs[] = {
    QL_ATTR("auto_pad", STRING, word), QL_ATTR("ceil_mode", INT, i[0]),
    QL_ATTR("channels_last", INT, i[1]),
    QL_ATTR("count_include_pad", INT, i[2]),
    QL_ATTR("kernel_shape", INTS, kernel), QL_ATTR("pads", INTS, pads),
    QL_ATTR("strides", INTS, strides)
};

static const maas_attr_row_t  ql_global_attrs[] = {
    QL_ATTR("channels_last", INT, i[0])
};

static const maas_attr_row_t  ql_reduce_attrs[] = {
    QL_ATTR("axes", INTS, axes), QL_ATTR("keepdims", INT, i[0])
};

static const maas_attr_row_t  qgemm_attrs[] = {
    QL_ATTR("alpha", FLOAT, f), QL_ATTR("transA", INT, i[0]),
    QL_ATTR("transB", INT, i[1])
};

#define QL_X  "=f32[]{0.03} =u8[]{120}"
#define QL_Y  "=f32[]{0.05} =u8[]{7}"

static const maas_case_t  ql_binary_cases[] = {
    { "| u8[2,3,40] " QL_X " u8[2,3,40] " QL_Y " =f32[]{0.07} =u8[]{90}",
      NULL },
    { "| i8[2,1,40] =f32[]{0.03} =i8[]{-5} =i8[3,1] =f32[]{0.04} - "
      "=f32[]{0.02} =i8[]{9}", NULL },
    { "| i8[40] f32[]{0.03} - i8[40] f32[]{0.04} - f32[]{0.02} -", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_unary_cases[] = {
    { "| u8[2,3,40] " QL_X " =f32[]{0.0039} =u8[]{3}", NULL },
    { "| i8[77] f32[]{0.03} i8[]{3} f32[]{0.01} i8[]{-128}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_leaky_cases[] = {
    { "alpha=0.2 | u8[2,3,40] " QL_X " " QL_Y, NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_softmax_cases[] = {
    { "axis=-1 opset=13 | u8[4,40] " QL_X " =f32[]{0.0039} =u8[]{0}", NULL },
    { "axis=1 opset=11 | i8[2,3,4] =f32[]{0.03} =i8[]{0} =f32[]{0.0039} "
      "=i8[]{-128}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_softmax_bad[] = {
    { "opset=0 | u8[4,40] " QL_X " " QL_Y, "opset is 0" },
    { NULL, NULL }
};

static const maas_case_t  ql_pool_cases[] = {
    { "kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2] | u8[2,20,9,9] " QL_X
      " " QL_Y, NULL },
    { "kernel_shape=[2] count_include_pad=1 pads=[1,1] | i8[2,3,9] "
      "=f32[]{0.03} =i8[]{3} =f32[]{0.02} =i8[]{-7}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_pool_bad[] = {
    { "channels_last=1 kernel_shape=[3,3] | u8[2,9,9,3] " QL_X " " QL_Y,
      "channels_last is 1" },
    { NULL, NULL }
};

static const maas_case_t  ql_global_cases[] = {
    { "| u8[2,20,5,7] " QL_X " =f32[]{0.02} =u8[]{90}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_reduce_cases[] = {
    { "axes=[1] keepdims=0 | u8[2,20,5] " QL_X " =f32[]{0.02} =u8[]{90}",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_where_cases[] = {
    { "| bool[3,40] u8[3,40] " QL_X " u8[1,40] " QL_Y " =f32[]{0.07} "
      "=u8[]{90}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_concat_cases[] = {
    { "axis=1 | =f32[]{0.06} =u8[]{100} u8[2,3,5] " QL_X " u8[2,40,5] " QL_Y,
      NULL },
    { "axis=-1 | =f32[]{0.06} =i8[]{10} i8[2,3] =f32[]{0.03} =i8[]{1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_concat_bad[] = {
    { "axis=1 | f32[]{0.06} u8[] u8[2,3] f32[]", "4 inputs, expected two" },
    { NULL, NULL }
};

#define QG_IN  "u8[7,33] =f32[]{0.03} =u8[]{120} "

static const maas_case_t  qgemm_cases[] = {
    { "| " QG_IN "=i8[33,17] =f32[17]:pos =i8[17] =i32[17] =f32[]{3} "
      "=u8[]{90}", NULL },
    { "transB=1 alpha=0.5 | " QG_IN "=u8[17,33] =f32[]{0.01} =u8[]{128} "
      "=i32[17] =f32[]{3} =u8[]{90}", NULL },
    { "transA=1 | i8[33,7] f32[]{0.03} i8[]{3} i8[33,17] f32[]{0.01} i8[]{0}",
      NULL },
    { "| " QG_IN "=i8[33,17] =f32[]{0.01} =i8[]{0} =i32[7,17]", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_quantize_cases[] = {
    { "| f32[3,17] =f32[]{0.02} =u8[]{128}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ql_dequantize_cases[] = {
    { "axis=0 | u8[3,17] =f32[3]{0.02,1,2} =u8[3]{1,2,3}", NULL },
    { NULL, NULL }
};

#define QL_ROW(NAME, up, i, c, ...)                                           \
    { .name = NAME, .domain = "com.microsoft", .since = 2, .until = 1,        \
      .first = 1, .infer = maas_infer_same, MAAS_IO(i, ql_out),               \
      .upgrade = up, .cases = c, __VA_ARGS__ }

const maas_op_t  maas_ops_ms_qlinear[] = {

    QL_ROW("QLinearAdd", ql_upgrade, ql_binary_in, ql_binary_cases),
    QL_ROW("QLinearMul", ql_upgrade, ql_binary_in, ql_binary_cases),
    QL_ROW("QLinearSigmoid", ql_upgrade, ql_unary_in, ql_unary_cases),
    QL_ROW("QLinearLeakyRelu", ql_upgrade, ql_unary_in, ql_leaky_cases,
           MAAS_ATTRS(ql_alpha_attrs, ql_attr_t)),
    QL_ROW("QLinearSoftmax", ql_upgrade, ql_unary_in, ql_softmax_cases,
           MAAS_ATTRS(ql_softmax_attrs, ql_attr_t), .bad = ql_softmax_bad),
    QL_ROW("QLinearAveragePool", ql_upgrade, ql_unary_in, ql_pool_cases,
           MAAS_ATTRS(ql_pool_attrs, ql_attr_t), .bad = ql_pool_bad),
    QL_ROW("QLinearGlobalAveragePool", ql_upgrade, ql_unary_in,
           ql_global_cases, MAAS_ATTRS(ql_global_attrs, ql_attr_t)),
    QL_ROW("QLinearReduceMean", ql_upgrade, ql_unary_in, ql_reduce_cases,
           MAAS_ATTRS(ql_reduce_attrs, ql_attr_t)),
    QL_ROW("QLinearWhere", ql_upgrade, ql_where_in, ql_where_cases),
    QL_ROW("QLinearConcat", ql_concat_upgrade, ql_concat_in, ql_concat_cases,
           MAAS_ATTRS(ql_axis_attrs, ql_attr_t), .bad = ql_concat_bad),
    QL_ROW("QGemm", qgemm_upgrade, qgemm_in, qgemm_cases,
           MAAS_ATTRS(qgemm_attrs, ql_attr_t)),
    QL_ROW("QuantizeLinear", ql_plain_upgrade, ql_quantize_in,
           ql_quantize_cases, MAAS_ATTRS(ql_axis_attrs, ql_attr_t)),
    QL_ROW("DequantizeLinear", ql_plain_upgrade, ql_dequantize_in,
           ql_dequantize_cases, MAAS_ATTRS(ql_axis_attrs, ql_attr_t)),

    { .name = NULL }
};
