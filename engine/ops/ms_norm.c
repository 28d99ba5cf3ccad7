/*
 * ms_norm: the normalisations that ONNX Runtime's optimiser writes:
 * SimplifiedLayerNormalization, SkipLayerNormalization, its simplified
 * form and EmbedLayerNormalization of com.microsoft.  They become additions,
 * gathers and LayerNormalization or RMSNormalization.
 *
 * Spec: ONNX Runtime, docs/ContribOperators.md.
 */

#include "ops/ops_common.h"


typedef struct {
    float    epsilon;
    int64_t  axis;
    int64_t  stash_type;
    int64_t  mask_index_type;
} msn_attr_t;


/* Makes n the normalisation `op` of `in`; epsilon is 1e-12 by default. */
static maas_status_t
msn_become(maas_import_t *im, maas_raw_node_t *n, maas_str_t op,
    float epsilon, const maas_str_t *in, uint32_t n_in)
{
    maas_raw_attr_t  *a;

    n->op = op;
    n->domain = maas_str("");

    for (uint32_t i = 0; i < n_in; i++) {
        n->in[i] = in[i];
    }

    n->n_in = n_in;

    if (maas_raw_attr(n, "epsilon") == NULL) {
        MAAS_TRY(maas_raw_attr_int(im, n, "epsilon", 0));
        a = maas_raw_attr(n, "epsilon");
        a->type = MAAS_ATTR_FLOAT;
        a->f = epsilon;
    }

    return MAAS_OK;
}


static maas_status_t
simplified_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) im;
    (void) opset;
    (void) err;

    n->op = maas_str("RMSNormalization");
    n->domain = maas_str("");
    return MAAS_OK;
}


/* in + skip [+ bias], under the name of output 3 when it is wanted. */
static maas_status_t
skip_sum(maas_import_t *im, maas_raw_node_t *n, uint32_t bias,
    maas_str_t *sum)
{
    bool        more = maas_raw_has(n, bias);
    maas_str_t  last, in[2] = { n->in[0], n->in[1] };

    last = n->n_out > 3 && n->out[3].len != 0 ? n->out[3]
                                               : maas_raw_fresh(im);
    *sum = more ? maas_raw_fresh(im) : last;

    if (sum->data == NULL || last.data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit(im, "Add", in, 2, sum, 1, NULL, 0));

    if (more) {
        in[0] = *sum;
        in[1] = n->in[bias];
        *sum = last;
        MAAS_TRY(maas_raw_emit(im, "Add", in, 2, sum, 1, NULL, 0));
    }

    n->n_out = maas_min(n->n_out, 3);
    return MAAS_OK;
}


/* input, skip, gamma, beta, bias; the simplified form has no beta. */
static maas_status_t
skip_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    bool        plain = maas_str_is(n->op, "SkipLayerNormalization");
    maas_str_t  in[3];

    (void) opset;

    if (!plain && n->n_out > 2 && n->out[2].len != 0) {
        n->out[1] = n->out[2];          /* mean, inv_std_var */
    }

    if (!plain && n->n_out > 1 && n->out[1].len != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "outputs mean and inv_std_var are not served");
    }

    MAAS_TRY(skip_sum(im, n, plain ? 4 : 3, &in[0]));
    in[1] = n->in[2];
    in[2] = plain && maas_raw_has(n, 3) ? n->in[3] : maas_str("");

    if (plain) {
        return msn_become(im, n, maas_str("LayerNormalization"), 1e-12f, in,
                          3);
    }

    n->n_out = 1;
    return msn_become(im, n, maas_str("RMSNormalization"), 1e-12f, in, 2);
}


/* -- EmbedLayerNormalization --------------------------------------------- */

enum {
    EMBED_IDS, EMBED_SEGMENTS, EMBED_WORD, EMBED_POSITION, EMBED_SEGMENT,
    EMBED_GAMMA, EMBED_BETA, EMBED_MASK, EMBED_POSITIONS
};


/* op(x, ints) to a new name. */
static maas_status_t
embed_emit(maas_import_t *im, const char *op, maas_str_t x, int64_t v,
    const maas_raw_attr_t *attr, uint32_t n_attr, maas_str_t *out)
{
    maas_raw_node_t  u = { .n_in = 1, .in = &x };

    *out = maas_raw_fresh(im);
    if (out->data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_input_ints(im, &u, 1, &v, 1, false));

    return maas_raw_emit(im, op, u.in, u.n_in, out, 1, attr, n_attr);
}


/* Rows of the position embedding: those asked for, or the first S. */
static maas_status_t
embed_positions(maas_import_t *im, const maas_raw_node_t *n, maas_str_t *out)
{
    int64_t          zero = 0;
    maas_str_t       in[3], length;
    maas_raw_node_t  u = { .n_in = 1, .in = in };
    maas_raw_attr_t  start = { .name = maas_str("start"), .i = 1,
                               .type = MAAS_ATTR_INT };

    length = maas_raw_fresh(im);
    *out = maas_raw_fresh(im);
    if (length.data == NULL || out->data == NULL) {
        return MAAS_ENOMEM;
    }

    in[0] = n->in[EMBED_POSITION];

    if (maas_raw_has(n, EMBED_POSITIONS)) {
        in[1] = n->in[EMBED_POSITIONS];
        return maas_raw_emit(im, "Gather", in, 2, out, 1, NULL, 0);
    }

    MAAS_TRY(maas_raw_emit(im, "Shape", &n->in[EMBED_IDS], 1, &length, 1,
                           &start, 1));
    MAAS_TRY(maas_raw_input_ints(im, &u, 1, &zero, 1, false));
    MAAS_TRY(maas_raw_input_ints(im, &u, 3, &zero, 1, false));
    u.in[2] = length;

    return maas_raw_emit(im, "Slice", u.in, u.n_in, out, 1, NULL, 0);
}


/* Output 1: how many tokens of each row the mask has. */
static maas_status_t
embed_mask(maas_import_t *im, maas_raw_node_t *n)
{
    maas_str_t       x, out;
    maas_raw_attr_t  keep = { .name = maas_str("keepdims"), .i = 0,
                              .type = MAAS_ATTR_INT };
    maas_raw_attr_t  to = { .name = maas_str("to"), .i = MAAS_I32,
                            .type = MAAS_ATTR_INT };

    if (n->n_out < 2 || n->out[1].len == 0) {
        return MAAS_OK;
    }

    if (maas_raw_has(n, EMBED_MASK)) {
        MAAS_TRY(embed_emit(im, "ReduceSum", n->in[EMBED_MASK], 1, &keep, 1,
                            &x));

    } else {
        /* The ids times 0, so that it has their batch. */
        x = maas_raw_fresh(im);
        out = maas_raw_fresh(im);
        if (x.data == NULL || out.data == NULL) {
            return MAAS_ENOMEM;
        }

        MAAS_TRY(maas_raw_emit(im, "Cast", &n->in[EMBED_IDS], 1, &out, 1,
                               &(maas_raw_attr_t) { .name = maas_str("to"),
                                                    .i = MAAS_I64,
                                                    .type = MAAS_ATTR_INT },
                               1));
        MAAS_TRY(embed_emit(im, "Mul", out, 0, NULL, 0, &x));
        MAAS_TRY(embed_emit(im, "ReduceSum", x, 1, &keep, 1, &out));
        x = out;
    }

    return maas_raw_emit(im, "Cast", &x, 1, &n->out[1], 1, &to, 1);
}


static maas_status_t
embed_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_str_t  in[3], sum, part;

    (void) opset;
    (void) err;

    MAAS_TRY(embed_mask(im, n));

    sum = maas_raw_fresh(im);
    part = maas_raw_fresh(im);
    if (sum.data == NULL || part.data == NULL) {
        return MAAS_ENOMEM;
    }

    in[0] = n->in[EMBED_WORD];
    in[1] = n->in[EMBED_IDS];
    MAAS_TRY(maas_raw_emit(im, "Gather", in, 2, &sum, 1, NULL, 0));

    if (maas_raw_has(n, EMBED_SEGMENTS) && maas_raw_has(n, EMBED_SEGMENT)) {
        in[0] = n->in[EMBED_SEGMENT];
        in[1] = n->in[EMBED_SEGMENTS];
        MAAS_TRY(maas_raw_emit(im, "Gather", in, 2, &part, 1, NULL, 0));
        in[0] = sum;
        in[1] = part;
        sum = maas_raw_fresh(im);
        MAAS_TRY(maas_raw_emit(im, "Add", in, 2, &sum, 1, NULL, 0));
    }

    MAAS_TRY(embed_positions(im, n, &in[1]));
    in[0] = sum;
    sum = n->n_out > 2 && n->out[2].len != 0 ? n->out[2]
                                              : maas_raw_fresh(im);
    if (sum.data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit(im, "Add", in, 2, &sum, 1, NULL, 0));

    in[0] = sum;
    in[1] = n->in[EMBED_GAMMA];
    in[2] = n->in[EMBED_BETA];
    n->n_out = 1;
    maas_raw_attr_drop(n, "mask_index_type");

    return msn_become(im, n, maas_str("LayerNormalization"), 1e-12f, in, 3);
}


/* -- rows ---------------------------------------------------------------- */

#define MSN_T(name)    { name, MAAS_D_FLOAT, 'T', 0 }
#define MSN_OPT(name)  { name, MAAS_D_FLOAT, 'T', MAAS_OPT }
#define MSN_INT        (MAAS_D(I32) | MAAS_D(I64))

static const maas_formal_t  simplified_in[] = {
    MSN_T("X"), MSN_T("scale")
};

static const maas_formal_t  simplified_out[] = {
    MSN_T("Y"), { "inv_std_var", MAAS_D(F32), 0, MAAS_OPT }
};

static const maas_formal_t  skip_in[] = {
    MSN_T("input"), MSN_T("skip"), MSN_T("gamma"), MSN_OPT("beta"),
    MSN_OPT("bias")
};

static const maas_formal_t  skip_simple_in[] = {
    MSN_T("input"), MSN_T("skip"), MSN_T("gamma"), MSN_OPT("bias")
};

static const maas_formal_t  skip_out[] = {
    MSN_T("output"),
    { "mean", MAAS_D(F32), 0, MAAS_OPT },
    { "inv_std_var", MAAS_D(F32), 0, MAAS_OPT },
    MSN_OPT("input_skip_bias_sum")
};

static const maas_formal_t  embed_in[] = {
    { "input_ids", MSN_INT, 0, 0 },
    { "segment_ids", MSN_INT, 0, MAAS_OPT },
    MSN_T("word_embedding"), MSN_T("position_embedding"),
    MSN_OPT("segment_embedding"), MSN_T("gamma"), MSN_T("beta"),
    { "mask", MSN_INT, 0, MAAS_OPT },
    { "position_ids", MSN_INT, 0, MAAS_OPT }
};

static const maas_formal_t  embed_out[] = {
    MSN_T("output"),
    { "mask_index", MAAS_D(I32), 0, MAAS_OPT },
    MSN_OPT("embedding_sum")
};

#define MSN_EPSILON                                                           \
    { .name = "epsilon", .type = MAAS_ATTR_FLOAT, .f = 1e-12f,                \
      .off = offsetof(msn_attr_t, epsilon) }

static const maas_attr_row_t  skip_attrs[] = { MSN_EPSILON };

static const maas_attr_row_t  simplified_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .i = -1,
      .off = offsetof(msn_attr_t, axis) },
    { .name = "epsilon", .type = MAAS_ATTR_FLOAT, .f = 1e-5f,
      .off = offsetof(msn_attr_t, epsilon) },
    { .name = "stash_type", .type = MAAS_ATTR_INT, .i = 1,
      .off = offsetof(msn_attr_t, stash_type) }
};

static const maas_attr_row_t  embed_attrs[] = {
    MSN_EPSILON,
    { .name = "mask_index_type", .type = MAAS_ATTR_INT,
      .off = offsetof(msn_attr_t, mask_index_type) }
};

static const maas_case_t  simplified_cases[] = {
    { "| f32[2,5,33] =f32[33]", NULL },
    { NULL, NULL }
};

static const maas_case_t  simplified_bad[] = {
    { "| f32[2,3] f32[4]", "does not broadcast" },
    { NULL, NULL }
};

static const maas_case_t  skip_cases[] = {
    { "| f32[2,3,8] f32[2,3,8] =f32[8]", NULL },
    { "epsilon=0.1 | f32[2,3,8] f32[2,3,8] f32[8] f32[8] f32[8]", NULL },
    { "| f16[2,3,8] f16[2,3,8] f16[8] f16[8]", NULL },
    { NULL, NULL }
};

static const maas_case_t  skip_bad[] = {
    { "| f32[2,3] f32[2,4] f32[3]", "broadcast" },
    { NULL, NULL }
};

static const maas_case_t  skip_simple_cases[] = {
    { "| f32[2,3,8] f32[2,3,8] =f32[8]", NULL },
    { "| f32[2,3,8] f32[3,8] f32[8] f32[8]", NULL },
    { NULL, NULL }
};

static const maas_case_t  embed_cases[] = {
    { "| i32[2,3]{0,1,2,3,1,0} i32[2,3]{0,0,1,1,1,0} f32[4,8] f32[5,8] "
      "f32[2,8] f32[8] f32[8]", NULL },
    { "| i32[2,2]{0,1,2,3} - f32[4,8] f32[5,8] - f32[8] f32[8] - "
      "i32[2,2]{4,3,2,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  embed_bad[] = {
    { "| i32[1,2]{0,9} - f32[4,8] f32[5,8] - f32[8] f32[8]",
      "index 9 is out of range" },
    { NULL, NULL }
};

#define MSN_ROW(NAME, D, up, i, o, at, c, b)                                  \
    { .name = NAME, .domain = D, .since = 2, .until = 1, .first = 1,          \
      .infer = maas_infer_same, MAAS_IO(i, o), MAAS_ATTRS(at, msn_attr_t),    \
      .upgrade = up, .cases = c, .bad = b }

const maas_op_t  maas_ops_ms_norm[] = {

    MSN_ROW("SimplifiedLayerNormalization", "com.microsoft",
            simplified_upgrade, simplified_in, simplified_out,
            simplified_attrs, simplified_cases, simplified_bad),
    MSN_ROW("SkipLayerNormalization", "com.microsoft", skip_upgrade, skip_in,
            skip_out, skip_attrs, skip_cases, skip_bad),
    MSN_ROW("SkipSimplifiedLayerNormalization", "com.microsoft", skip_upgrade,
            skip_simple_in, skip_out, skip_attrs, skip_simple_cases,
            skip_bad),
    MSN_ROW("EmbedLayerNormalization", "com.microsoft", embed_upgrade,
            embed_in, embed_out, embed_attrs, embed_cases, embed_bad),

    { .name = NULL }
};
