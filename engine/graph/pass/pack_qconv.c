/*
 * pack_qconv.c: convolutions of 8-bit numbers over blocked activations, which
 * layout.c chose, get their weights in panels:
 *
 *   maas.QConvBlocked(x, sx, zx, w, sw, zw, sy, zy, B), or QConvLimited...
 *   maas.ConvIntegerBlocked(x, w, zx, zw)
 *     = maas.QConv(x, panels, zx, sx, sw, sy, zy, B)
 *
 * The zero points of the weights are taken away while packing, so that a
 * weight is the sum of one to three numbers of int8.
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
static maas_raw_attr_t
pq_list(const maas_node_t *n, const char *name)
{
    const maas_list_t  *l = maas_pass_attr(n, name);
    maas_raw_attr_t     a = { .name = { name, strlen(name) },
                              .type = MAAS_ATTR_INTS };

    if (l != NULL && l->n != 0) {
        a.ints = maas_list_ints(n->attr, l);
        a.n = l->n;
    }

    return a;
}


static maas_raw_attr_t
pq_word(const maas_node_t *n, const char *name)
{
    int64_t          i = 0;
    const char      *word = "";
    maas_raw_attr_t  a = { .name = { name, strlen(name) },
                           .type = MAAS_ATTR_STRING };

    (void) maas_pass_attr_int(n, name, &i);

    for (int j = 0; j < n->op->n_attr; j++) {
        if (strcmp(n->op->attr[j].name, name) == 0) {
            word = n->op->attr[j].words[i];
        }
    }

    a.s = (maas_str_t) { word, strlen(word) };
    return a;
}


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
        pq_word(&n, "auto_pad"), pq_list(&n, "dilations"),
        pq_list(&n, "pads"), pq_list(&n, "strides"),
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

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_pack_qconv = {
    .name = "pack_qconv", .run = pq_run, .needs_types = true, .always = true
};
