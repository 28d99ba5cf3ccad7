/*
 * ms_attention: Attention and MultiHeadAttention of com.microsoft, which
 * become ONNX's Attention: the products with the weights and the bias
 * before it, the forms of its mask, past and present in one tensor.
 *
 * Spec: ONNX Runtime, docs/ContribOperators.md.
 */

#include "ops/ops_common.h"


typedef struct {
    int64_t      heads;
    int64_t      causal;
    int64_t      shared;
    int64_t      rotary;
    int64_t      rotary_dim;
    float        scale;
    float        filter;
    maas_list_t  sizes;
} msa_attr_t;

enum {
    MSA_INPUT, MSA_WEIGHTS, MSA_BIAS, MSA_MASK, MSA_PAST, MSA_BIAS_QK,
    MSA_PAST_LENGTH
};

enum {
    MHA_Q, MHA_K, MHA_V, MHA_BIAS, MHA_MASK, MHA_BIAS_QK, MHA_PAST_K,
    MHA_PAST_V
};

/* The inputs of ONNX's Attention. */
enum { TO_Q, TO_K, TO_V, TO_MASK, TO_PAST_K, TO_PAST_V, TO_LENGTHS, TO_N };


/* out = op(in..., ints) with attributes; out: a new name. */
static maas_status_t
msa_emit(maas_import_t *im, const char *op, const maas_str_t *in,
    uint32_t n_in, const int64_t *v, size_t n_v, const maas_raw_attr_t *attr,
    maas_str_t *out)
{
    maas_str_t       room[2] = { in[0], n_in > 1 ? in[1] : in[0] };
    maas_raw_node_t  u = { .n_in = n_in, .in = room };

    *out = maas_raw_fresh(im);
    if (out->data == NULL) {
        return MAAS_ENOMEM;
    }

    if (v != NULL) {
        MAAS_TRY(maas_raw_input_ints(im, &u, n_in, v, n_v, false));
    }

    return maas_raw_emit(im, op, u.in, u.n_in, out, 1, attr, attr != NULL);
}


/* x in three parts of its last axis; sizes NULL: equal ones. */
static maas_status_t
msa_thirds(maas_import_t *im, maas_str_t x, int64_t axis,
    const maas_raw_attr_t *sizes, maas_str_t *out)
{
    maas_str_t       in = x;
    maas_raw_node_t  u = { .n_in = 1, .in = &in };
    maas_raw_attr_t  attr[2] = {
        { .name = maas_str("axis"), .type = MAAS_ATTR_INT, .i = axis },
        { .name = maas_str("num_outputs"), .type = MAAS_ATTR_INT, .i = 3 }
    };

    for (int i = 0; i < 3; i++) {
        out[i] = maas_raw_fresh(im);
        if (out[i].data == NULL) {
            return MAAS_ENOMEM;
        }
    }

    if (sizes != NULL && sizes->n == 3) {
        MAAS_TRY(maas_raw_input_ints(im, &u, 1, sizes->ints, 3, false));
        return maas_raw_emit(im, "Split", u.in, u.n_in, out, 3, attr, 1);
    }

    return maas_raw_emit(im, "Split", u.in, u.n_in, out, 3, attr, 2);
}


/* A mask of tokens: [B, T], [B, S, T] of 0 and 1, or lengths [B]. */
static maas_status_t
msa_mask(maas_import_t *im, const maas_raw_node_t *n, uint32_t index,
    maas_str_t *to, maas_err_t *err)
{
    int              rank;
    int64_t          axes[2] = { 1, 2 };
    maas_str_t       mask;
    maas_raw_attr_t  cast = { .name = maas_str("to"), .type = MAAS_ATTR_INT };

    if (!maas_raw_has(n, index)) {
        return MAAS_OK;
    }

    rank = maas_raw_input_rank(im, n, index);

    if (rank < 1 || rank > 3) {
        return maas_err(err, MAAS_EUNSUPPORTED, "the mask has rank %d; 1 "
                        "(lengths), 2 and 3 are served", rank);
    }

    cast.i = rank == 1 ? MAAS_I64 : MAAS_BOOL;
    MAAS_TRY(msa_emit(im, "Cast", &n->in[index], 1, NULL, 0, &cast, &mask));

    if (rank == 1) {
        to[TO_LENGTHS] = mask;
        return MAAS_OK;
    }

    return msa_emit(im, "Unsqueeze", &mask, 1, axes, rank == 2 ? 2 : 1, NULL,
                    &to[TO_MASK]);
}


/* What is added to the scores, with what the mask hides. */
static maas_status_t
msa_bias(maas_import_t *im, const maas_raw_node_t *n, uint32_t index,
    maas_str_t *to)
{
    maas_str_t       in[3], zero;
    maas_raw_node_t  u = { .n_in = 2, .in = in };

    if (!maas_raw_has(n, index)) {
        return MAAS_OK;
    }

    if (to[TO_MASK].len == 0) {
        to[TO_MASK] = n->in[index];
        return MAAS_OK;
    }

    /* Where(mask, bias, -inf) */
    in[0] = to[TO_MASK];
    in[1] = n->in[index];
    MAAS_TRY(maas_raw_input_float(im, &u, 2,
                                  maas_raw_input_dtype(im, n, index),
                                  -__builtin_inf()));
    zero = maas_raw_fresh(im);
    if (zero.data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit(im, "Where", u.in, u.n_in, &zero, 1, NULL, 0));
    to[TO_MASK] = zero;
    return MAAS_OK;
}


/* Element i of axis 0. */
static maas_status_t
msa_half(maas_import_t *im, maas_str_t x, int64_t i, maas_str_t *out)
{
    maas_str_t       in[2] = { x };
    maas_raw_node_t  u = { .n_in = 1, .in = in };

    *out = maas_raw_fresh(im);
    if (out->data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_input_ints(im, &u, 1, &i, 1, true));

    return maas_raw_emit(im, "Gather", u.in, u.n_in, out, 1, NULL, 0);
}


/* Attributes that ask for more than ONNX's operator does. */
static maas_status_t
msa_refuse(const maas_raw_node_t *n, maas_err_t *err)
{
    const maas_raw_attr_t     *a;
    static const char *const   names[] = {
        "do_rotary", "past_present_share_buffer"
    };

    for (size_t i = 0; i < maas_nelts(names); i++) {
        a = maas_raw_attr(n, names[i]);

        if (a != NULL && a->i != 0) {
            return maas_err(err, MAAS_EUNSUPPORTED,
                            "%s is %lld, which is not served", names[i],
                            (long long) a->i);
        }
    }

    a = maas_raw_attr(n, "num_heads");

    if (a == NULL || a->type != MAAS_ATTR_INT || a->i < 1) {
        return maas_err(err, MAAS_EINVAL,
                        "num_heads is missing, expected 1 or more");
    }

    return MAAS_OK;
}


/* n becomes Attention of the inputs `to`. */
static maas_status_t
msa_become(maas_import_t *im, maas_raw_node_t *n, maas_str_t *to)
{
    int64_t                 heads, causal;
    maas_raw_attr_t        *scale, copy;
    const maas_raw_attr_t  *a;

    heads = maas_raw_attr(n, "num_heads")->i;
    a = maas_raw_attr(n, "unidirectional");
    causal = a != NULL ? a->i : 0;
    scale = maas_raw_attr(n, "scale");

    if (scale != NULL) {
        copy = *scale;
    }

    MAAS_TRY(maas_raw_input_room(im, n, TO_N - 1));
    memcpy(n->in, to, TO_N * sizeof(maas_str_t));
    n->n_in = TO_N;
    n->n_attr = 0;
    n->op = maas_str("Attention");
    n->domain = maas_str("");

    MAAS_TRY(maas_raw_attr_int(im, n, "q_num_heads", heads));
    MAAS_TRY(maas_raw_attr_int(im, n, "kv_num_heads", heads));
    MAAS_TRY(maas_raw_attr_int(im, n, "is_causal", causal));

    if (scale != NULL) {
        MAAS_TRY(maas_raw_attr_int(im, n, "scale", 0));
        *maas_raw_attr(n, "scale") = copy;
    }

    return MAAS_OK;
}


/* -- Attention ----------------------------------------------------------- */

/* Q, K and V: the input times the weights, and the bias. */
static maas_status_t
attention_products(maas_import_t *im, const maas_raw_node_t *n,
    maas_str_t *to)
{
    maas_str_t  in[2], all;

    MAAS_TRY(msa_emit(im, "MatMul", n->in, 2, NULL, 0, NULL, &all));

    if (maas_raw_has(n, MSA_BIAS)) {
        in[0] = all;
        in[1] = n->in[MSA_BIAS];
        MAAS_TRY(msa_emit(im, "Add", in, 2, NULL, 0, NULL, &all));
    }

    return msa_thirds(im, all, -1, maas_raw_attr(n, "qkv_hidden_sizes"), to);
}


/* present = [2, ...]: the two outputs of the new node on a new axis. */
static maas_status_t
attention_present(maas_import_t *im, maas_raw_node_t *n, maas_str_t *to,
    maas_err_t *err)
{
    bool  past = maas_raw_has(n, MSA_PAST);

    if (n->n_out > 1 && n->out[1].len != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED, "output 'present' is not "
                        "served; export without past and present");
    }

    n->n_out = 1;

    if (past) {
        MAAS_TRY(msa_half(im, n->in[MSA_PAST], 0, &to[TO_PAST_K]));
        MAAS_TRY(msa_half(im, n->in[MSA_PAST], 1, &to[TO_PAST_V]));
    }

    return MAAS_OK;
}


static maas_status_t
attention_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_str_t  to[TO_N] = { { "", 0 } };

    (void) opset;

    if (!maas_raw_has(n, MSA_INPUT) || !maas_raw_has(n, MSA_WEIGHTS)) {
        return maas_err(err, MAAS_EINVAL,
                        "input and weights are expected, one is missing");
    }

    MAAS_TRY(msa_refuse(n, err));
    MAAS_TRY(attention_present(im, n, to, err));
    MAAS_TRY(attention_products(im, n, to));
    MAAS_TRY(msa_mask(im, n, MSA_MASK, to, err));
    MAAS_TRY(msa_bias(im, n, MSA_BIAS_QK, to));

    return msa_become(im, n, to);
}


/* -- MultiHeadAttention -------------------------------------------------- */

/* The bias has the three parts one behind the other. */
static maas_status_t
mha_bias(maas_import_t *im, const maas_raw_node_t *n, maas_str_t *to)
{
    maas_str_t  part[3], in[2];

    if (!maas_raw_has(n, MHA_BIAS)) {
        return MAAS_OK;
    }

    MAAS_TRY(msa_thirds(im, n->in[MHA_BIAS], 0, NULL, part));

    for (int i = 0; i < 3; i++) {
        in[0] = to[i];
        in[1] = part[i];
        MAAS_TRY(msa_emit(im, "Add", in, 2, NULL, 0, NULL, &to[i]));
    }

    return MAAS_OK;
}


static maas_status_t
mha_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_str_t  to[TO_N] = { { "", 0 } };

    (void) opset;

    if (!maas_raw_has(n, MHA_K) || !maas_raw_has(n, MHA_V)
        || maas_raw_input_rank(im, n, MHA_Q) != 3
        || maas_raw_input_rank(im, n, MHA_K) != 3)
    {
        return maas_err(err, MAAS_EUNSUPPORTED, "query, key and value of "
                        "rank 3 are served; packed ones are not");
    }

    MAAS_TRY(msa_refuse(n, err));
    memcpy(to, n->in, 3 * sizeof(maas_str_t));
    MAAS_TRY(mha_bias(im, n, to));
    MAAS_TRY(msa_mask(im, n, MHA_MASK, to, err));
    MAAS_TRY(msa_bias(im, n, MHA_BIAS_QK, to));

    if (maas_raw_has(n, MHA_PAST_K) && maas_raw_has(n, MHA_PAST_V)) {
        to[TO_PAST_K] = n->in[MHA_PAST_K];
        to[TO_PAST_V] = n->in[MHA_PAST_V];
    }

    return msa_become(im, n, to);
}


/* -- rows ---------------------------------------------------------------- */

#define MSA_T(name)    { name, MAAS_D_FLOAT, 'T', 0 }
#define MSA_OPT(name)  { name, MAAS_D_FLOAT, 'T', MAAS_OPT }
#define MSA_INTS(name)                                                        \
    { name, MAAS_D(I32) | MAAS_D(I64) | MAAS_D(BOOL), 0, MAAS_OPT }

static const maas_formal_t  attention_in[] = {
    MSA_T("input"), MSA_T("weights"), MSA_OPT("bias"),
    MSA_INTS("mask_index"), MSA_OPT("past"), MSA_OPT("attention_bias")
};

static const maas_formal_t  attention_out[] = {
    MSA_T("output"), MSA_OPT("present")
};

static const maas_formal_t  mha_in[] = {
    MSA_T("query"), MSA_OPT("key"), MSA_OPT("value"), MSA_OPT("bias"),
    MSA_INTS("key_padding_mask"), MSA_OPT("attention_bias"),
    MSA_OPT("past_key"), MSA_OPT("past_value")
};

static const maas_formal_t  mha_out[] = {
    MSA_T("output"), MSA_OPT("present_key"), MSA_OPT("present_value")
};

#define MSA_INT(label, member)                                                \
    { .name = label, .type = MAAS_ATTR_INT,                                   \
      .off = offsetof(msa_attr_t, member) }
#define MSA_FLOAT(label, member)                                              \
    { .name = label, .type = MAAS_ATTR_FLOAT,                                 \
      .off = offsetof(msa_attr_t, member) }

static const maas_attr_row_t  attention_attrs[] = {
    MSA_INT("do_rotary", rotary),
    MSA_FLOAT("mask_filter_value", filter),
    MSA_INT("num_heads", heads),
    MSA_INT("past_present_share_buffer", shared),
    { .name = "qkv_hidden_sizes", .type = MAAS_ATTR_INTS,
      .off = offsetof(msa_attr_t, sizes) },
    MSA_INT("rotary_embedding_dim", rotary_dim),
    MSA_FLOAT("scale", scale),
    MSA_INT("unidirectional", causal)
};

static const maas_attr_row_t  mha_attrs[] = {
    MSA_FLOAT("mask_filter_value", filter),
    MSA_INT("num_heads", heads),
    MSA_FLOAT("scale", scale),
    MSA_INT("unidirectional", causal)
};

static const maas_case_t  attention_cases[] = {
    { "num_heads=2 | f32[2,5,8] =f32[8,24] =f32[24]", NULL },
    { "num_heads=2 unidirectional=1 scale=0.2 | f32[1,5,8] f32[8,24] f32[24] "
      "i32[1,5]{1,1,1,1,0}", NULL },
    { "num_heads=2 | f32[2,5,8] =f32[8,24] =f32[24] i32[2]{3,5}", NULL },
    { "num_heads=2 | f32[1,2,8] =f32[8,24] =f32[24] i32[1,2,2]{1,0,1,1} - "
      "f32[1,2,2,2]", NULL },
    { "num_heads=2 | f32[1,2,8] =f32[8,24] - - f32[2,1,2,3,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  attention_bad[] = {
    { "| f32[2,5,8] =f32[8,24] =f32[24]", "num_heads" },
    { "num_heads=2 do_rotary=1 | f32[2,5,8] =f32[8,24]", "do_rotary" },
    { "num_heads=2 | f32[2,5,8] =f32[8,24] - i32[2,1,5,5]",
      "the mask has rank 4" },
    { NULL, NULL }
};

static const maas_case_t  mha_cases[] = {
    { "num_heads=2 | f32[2,5,8] f32[2,6,8] f32[2,6,8]", NULL },
    { "num_heads=2 | f32[2,5,8] f32[2,6,8] f32[2,6,8] =f32[24] "
      "i32[2,6]{1,1,1,1,0,0,1,1,1,1,1,0} f32[1,2,5,6]", NULL },
    { "num_heads=2 | f32[1,2,8] f32[1,2,8] f32[1,2,8] - - - f32[1,2,3,4] "
      "f32[1,2,3,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  mha_bad[] = {
    { "num_heads=2 | f32[2,5,2,3,4]", "packed ones are not" },
    { "| f32[2,5,8] f32[2,6,8] f32[2,6,8]", "num_heads" },
    { NULL, NULL }
};

#define MSA_ROW(NAME, up, i, o, at, c, b)                                     \
    { .name = NAME, .domain = "com.microsoft", .since = 2, .until = 1,        \
      .first = 1, .infer = maas_infer_same, MAAS_IO(i, o),                    \
      MAAS_ATTRS(at, msa_attr_t), .upgrade = up, .cases = c, .bad = b }

const maas_op_t  maas_ops_ms_attention[] = {

    MSA_ROW("Attention", attention_upgrade, attention_in, attention_out,
            attention_attrs, attention_cases, attention_bad),
    MSA_ROW("MultiHeadAttention", mha_upgrade, mha_in, mha_out, mha_attrs,
            mha_cases, mha_bad),

    { .name = NULL }
};
