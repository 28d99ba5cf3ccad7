/*
 * pack_qconv.c: convolutions of 8-bit numbers over blocked activations, which
 * layout.c chose, get their weights in panels:
 *
 *   maas.QConvBlocked(x, sx, zx, w, sw, zw, sy, zy, B), or QConvLimited...
 *   maas.ConvIntegerBlocked(x, w, zx, zw)
 *     = maas.QConv(x, panels, zx, sx, sw, sy, zy, B)
 *
 * The zero points of the weights are taken away while packing, so that a
 * weight is the sum of one to three numbers of int8.  A maas.QAddBlocked that
 * alone reads what such a convolution made becomes its second rounding, and so
 * does the scale to which a maas.QConcatBlocked brings it: the same bits.
 */

#include "graph/pass/pass.h"


/* The panels of a constant, made once for all its readers. */
typedef struct {
    maas_vid_t  w, zw, to;
    int64_t     group;
} pq_row_t;

#define PQ_IN  8


static int32_t
pq_byte(const maas_value_t *v, int64_t i)
{
    return v->type.dtype == MAAS_I8 ? ((const int8_t *) v->data)[i]
                                    : ((const uint8_t *) v->data)[i];
}


/* Numbers of int8 that make a weight less its zero point. */
static int64_t
pq_passes(const maas_pass_t *p, maas_vid_t w, maas_vid_t zw)
{
    int32_t              v, lo = 0, hi = 0, zero = 0;
    int64_t              n, each, zeros = 0;
    const maas_value_t  *c = &p->g->value[w], *z = NULL;

    if (zw != MAAS_NOVAL) {
        z = &p->g->value[zw];
        zeros = maas_dims_count(z->type.dims, z->type.rank);
    }

    n = maas_dims_count(c->type.dims, c->type.rank);
    each = n / c->type.dims[0];

    for (int64_t i = 0; i < n; i++) {
        if (zeros > 0 && i % each == 0) {
            zero = pq_byte(z, i / each % zeros);
        }

        v = pq_byte(c, i) - zero;
        lo = maas_min(lo, v);
        hi = maas_max(hi, v);
    }

    return hi > 254 ? 3 : hi > 127 || lo < -128 ? 2 : 1;
}


/* Runs the PackQConv node n, whatever the size of what it makes. */
static maas_status_t
pq_fold(maas_pass_t *p, maas_node_t *n)
{
    maas_value_t      *v = &p->g->value[n->out[0]];
    maas_tensor_t      in[2] = { { 0 } }, out = { .dtype = MAAS_I8,
                                                  .rank = 2 };
    maas_infer_in_t    from[2] = { { 0 } };
    maas_infer_out_t   to = { 0 };
    maas_infer_t       c = { .node = n, .attr = n->attr, .n_in = n->n_in,
                             .n_out = 1, .in = from, .out = &to,
                             .syms = p->g->syms, .err = p->err };

    for (int i = 0; i < n->n_in; i++) {
        from[i].type = &p->g->value[n->in[i]].type;
        in[i] = maas_value_tensor(&p->g->value[n->in[i]]);
    }

    MAAS_TRY(n->op->infer(&c));
    memcpy(out.dims, to.type.dims, sizeof(out.dims));

    if (!maas_mul_size((size_t) out.dims[0], (size_t) out.dims[1],
                       &out.bytes))
    {
        return maas_err_nomem(p->err);
    }

    MAAS_TRY(maas_node_eval(n, p->k, in, &out, p->g->arena, p->host,
                            p->err));

    v->type = to.type;
    v->role = MAAS_ROLE_CONST;
    v->data = out.data;
    v->bytes = out.bytes;
    maas_pass_delete(n);

    return MAAS_OK;
}


static maas_status_t
pq_panels(maas_pass_t *p, pq_row_t *row, int64_t passes, pq_row_t *done,
    uint32_t *n_done)
{
    maas_vid_t       in[] = { row->w, row->zw };
    maas_raw_attr_t  attr[] = {
        maas_pass_int("group", row->group), maas_pass_int("passes", passes)
    };

    for (uint32_t i = 0; i < *n_done; i++) {
        if (done[i].w == row->w && done[i].zw == row->zw
            && done[i].group == row->group)
        {
            row->to = done[i].to;
            return MAAS_OK;
        }
    }

    MAAS_TRY(maas_pass_emit(p, "maas", "PackQConv", attr, maas_nelts(attr),
                            in, row->zw != MAAS_NOVAL ? 2 : 1, NULL,
                            &row->to));
    MAAS_TRY(pq_fold(p, &p->g->node[p->g->n_node - 1]));
    p->g->value[row->to].name = p->g->value[row->w].name;
    done[(*n_done)++] = *row;

    return MAAS_OK;
}


static bool
pq_is(const maas_node_t *n, const char *op)
{
    return n->op != NULL && strcmp(n->op->domain, "maas") == 0
           && strcmp(n->op->name, op) == 0;
}


/* A list or word attribute of node n, as QConv has it too. */
static maas_vid_t
pq_in(const maas_node_t *n, int i)
{
    return i < n->n_formal ? n->in[i] : MAAS_NOVAL;
}


static maas_status_t
pq_node(maas_pass_t *p, uint32_t i, pq_row_t *done, uint32_t *n_done)
{
    bool                linear = !pq_is(&p->g->node[i],
                                        "ConvIntegerBlocked");
    int64_t             passes, low = -128, high = 255;
    pq_row_t            row = { 0 };
    maas_node_t         n = p->g->node[i];
    maas_vid_t          in[PQ_IN];
    const maas_type_t  *w;

    row.w = n.in[linear ? 3 : 1];
    row.zw = pq_in(&n, linear ? 5 : 3);
    row.group = 1;
    (void) maas_pass_attr_int(&n, "group", &row.group);
    (void) maas_pass_attr_int(&n, "low", &low);
    (void) maas_pass_attr_int(&n, "high", &high);

    passes = pq_passes(p, row.w, row.zw);
    MAAS_TRY(pq_panels(p, &row, passes, done, n_done));
    w = &p->g->value[row.w].type;

    maas_raw_attr_t  attr[] = {
        maas_pass_attr_word(&n, "auto_pad"),
        maas_pass_attr_list(&n, "dilations"), maas_pass_attr_list(&n, "pads"),
        maas_pass_attr_list(&n, "strides"),
        { .name = maas_str("kernel_shape"), .type = MAAS_ATTR_INTS,
          .n = (size_t) w->rank - 2, .ints = w->dims + 2 },
        maas_pass_int("group", row.group), maas_pass_int("oc", w->dims[0]),
        maas_pass_int("icg", w->dims[1]), maas_pass_int("passes", passes),
        maas_pass_int("low", low), maas_pass_int("high", high)
    };

    in[0] = n.in[0];
    in[1] = row.to;
    in[2] = n.in[2];

    for (int j = 3; j < PQ_IN; j++) {
        in[j] = MAAS_NOVAL;
    }

    if (linear) {
        in[3] = n.in[1];
        in[4] = n.in[4];
        in[5] = n.in[6];
        in[6] = n.in[7];
        in[7] = pq_in(&n, 8);

    } else {
        in[2] = pq_in(&n, 2);
    }

    return maas_pass_become(p, i, "maas", "QConv", attr, maas_nelts(attr), in,
                            PQ_IN);
}


/* -- what is rounded again ----------------------------------------------- */

/* A member of an attribute struct of the pass's own. */
static void
pq_set(maas_node_t *n, const char *name, const void *v, size_t bytes)
{
    const void  *at = maas_pass_attr(n, name);

    if (at != NULL) {
        memcpy((char *) n->attr + ((const char *) at - (const char *) n->attr),
               v, bytes);
    }
}


static void
pq_set_int(maas_node_t *n, const char *name, int64_t v)
{
    pq_set(n, name, &v, sizeof(v));
}


static int64_t
pq_int(const maas_node_t *n, const char *name)
{
    int64_t  v = 0;

    (void) maas_pass_attr_int(n, name, &v);
    return v;
}


/*
 * The convolution that makes v, for one reader alone, rounded once to numbers
 * of y's type with this zero point; or NULL.
 */
static maas_node_t *
pq_maker(const maas_pass_t *p, maas_vid_t v, maas_vid_t y, int64_t zero)
{
    maas_node_t         *n;
    const maas_value_t  *z;

    if (v == MAAS_NOVAL || p->producer[v] == MAAS_NONODE || p->uses[v] != 1
        || maas_pass_is_output(p->g, v)
        || p->g->value[v].type.dtype != p->g->value[y].type.dtype)
    {
        return NULL;
    }

    n = &p->g->node[p->producer[v]];

    if (!pq_is(n, "QConv") || pq_int(n, "again") != 0 || n->n_in != PQ_IN
        || n->in[5] == MAAS_NOVAL)
    {
        return NULL;
    }

    z = maas_pass_const(p->g, n->in[6]);
    return z != NULL && pq_byte(z, 0) == zero ? n : NULL;
}


/* The node with an attribute struct that may be written. */
static maas_status_t
pq_own(const maas_pass_t *p, maas_node_t *n)
{
    n->attr = maas_arena_dup(p->g->arena, n->attr, n->attr_bytes);

    return n->attr != NULL ? MAAS_OK : maas_err_nomem(p->err);
}


static maas_status_t
pq_add(maas_pass_t *p, uint32_t i)
{
    static const char *const  zeros[] = { "za", "zb" };
    static const char *const  scales[] = { "fa", "fb" };
    maas_node_t              *add = &p->g->node[i], *conv = NULL, n;
    maas_vid_t               *in;
    int                       j;

    if (add->in[0] == add->in[1]) {
        return MAAS_OK;
    }

    for (j = 0; j < 2; j++) {
        conv = pq_maker(p, add->in[j], add->out[0], pq_int(add, zeros[j]));

        if (conv != NULL) {
            break;
        }
    }

    if (conv == NULL) {
        return MAAS_OK;
    }

    n = *conv;
    MAAS_TRY(pq_own(p, &n));
    pq_set_int(&n, "again", 1);
    pq_set(&n, "fsum", maas_pass_attr(add, scales[j]), sizeof(float));
    pq_set(&n, "fadd", maas_pass_attr(add, scales[!j]), sizeof(float));
    pq_set_int(&n, "add_zero", pq_int(add, zeros[!j]));
    pq_set_int(&n, "z_zero", pq_int(add, "zero"));
    pq_set_int(&n, "z_low", pq_int(add, "low"));
    pq_set_int(&n, "z_high", pq_int(add, "high"));

    in = maas_arena_array(p->g->arena, PQ_IN + 1, sizeof(*in));
    if (in == NULL) {
        return maas_err_nomem(p->err);
    }

    memcpy(in, conv->in, PQ_IN * sizeof(*in));
    in[PQ_IN] = add->in[!j];
    n.in = in;
    n.n_in = n.n_formal = PQ_IN + 1;
    n.out = add->out;
    maas_pass_delete(conv);
    *add = n;
    p->producer[n.out[0]] = i;

    return MAAS_OK;
}


/* An input that comes by another scale is brought to it by its maker. */
static maas_status_t
pq_concat(maas_pass_t *p, uint32_t i)
{
    bool          is_signed;
    float        *scale;
    int64_t      *from, zero;
    maas_node_t  *concat = &p->g->node[i], *conv;

    MAAS_TRY(pq_own(p, concat));
    scale = (float *) maas_list_floats(concat->attr,
                                       maas_pass_attr(concat, "scale"));
    from = (int64_t *) maas_list_ints(concat->attr,
                                      maas_pass_attr(concat, "from"));
    zero = pq_int(concat, "zero");
    is_signed = pq_int(concat, "signed") != 0;

    for (int j = 0; j < concat->n_in; j++) {
        if (scale[j] == 1 && from[j] == zero) {
            continue;
        }

        conv = pq_maker(p, concat->in[j], concat->out[0], from[j]);
        if (conv == NULL) {
            continue;
        }

        MAAS_TRY(pq_own(p, conv));
        pq_set_int(conv, "again", 1);
        pq_set(conv, "fsum", &scale[j], sizeof(float));
        pq_set_int(conv, "z_zero", zero);
        pq_set_int(conv, "z_low", is_signed ? -128 : 0);
        pq_set_int(conv, "z_high", is_signed ? 127 : 255);
        scale[j] = 1;
        from[j] = zero;
    }

    return MAAS_OK;
}


static maas_status_t
pq_again(maas_pass_t *p)
{
    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (pq_is(&p->g->node[i], "QAddBlocked")) {
            MAAS_TRY(pq_add(p, i));

        } else if (pq_is(&p->g->node[i], "QConcatBlocked")) {
            MAAS_TRY(pq_concat(p, i));
        }
    }

    return maas_pass_sort(p);
}


static maas_status_t
pq_run(maas_pass_t *p)
{
    uint32_t   n = p->g->n_node, n_done = 0;
    pq_row_t  *done;

    done = maas_arena_array(p->g->arena, n + 1, sizeof(*done));
    if (done == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        if (pq_is(&p->g->node[i], "QConvBlocked")
            || pq_is(&p->g->node[i], "QConvLimitedBlocked")
            || pq_is(&p->g->node[i], "ConvIntegerBlocked"))
        {
            MAAS_TRY(pq_node(p, i, done, &n_done));
        }
    }

    MAAS_TRY(maas_pass_sort(p));
    return pq_again(p);
}


const maas_pass_row_t  maas_pass_pack_qconv = {
    .name = "pack_qconv", .run = pq_run, .needs_types = true, .always = true
};
