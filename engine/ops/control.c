/*
 * Control flow: If.  The row only: the planner puts the chosen branch in
 * its place once the condition is known; infer() says what both branches
 * agree on until then.
 */

#include "graph/op.h"


/* What holds whichever branch is taken. */
static void
if_merge(const maas_graph_t *g, const maas_type_t *a, const maas_graph_t *h,
    const maas_type_t *b, maas_syms_t *syms, maas_type_t *out)
{
    bool  shared = g->syms == syms && h->syms == syms;

    out->rank = -1;

    if (a->rank < 0 || a->rank != b->rank || a->dtype != b->dtype
        || a->kind != b->kind || a->dtype == MAAS_NODTYPE)
    {
        return;
    }

    *out = *a;
    out->format = MAAS_FMT_PLAIN;

    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]
            || (!shared && !maas_dim_known(a->dims[i])))
        {
            out->dims[i] = MAAS_DIM_NONE;
        }
    }
}


static maas_status_t
if_infer(maas_infer_t *c)
{
    const bool          *cond = c->in[0].data;
    maas_graph_t       **body = c->node->body;
    const maas_graph_t  *g, *h;

    if (c->node->n_body != 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%d branches, expected then_branch and else_branch",
                        c->node->n_body);
    }

    if (c->in[0].type->rank > 1
        || (c->in[0].type->rank == 1
            && maas_dim_known(c->in[0].type->dims[0])
            && c->in[0].type->dims[0] != 1))
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "the condition is not one element");
    }

    for (int i = 0; i < 2; i++) {
        if (body[i]->n_out != (uint32_t) c->n_out) {
            return maas_err(c->err, MAAS_EINVAL, "%s has %u outputs, the "
                            "node has %d",
                            i == 0 ? "then_branch" : "else_branch",
                            body[i]->n_out, c->n_out);
        }
    }

    g = body[cond != NULL && !*cond];
    h = body[cond != NULL ? !*cond : 1];

    for (int i = 0; i < c->n_out; i++) {
        if_merge(g, &g->value[g->out[i]].type, h, &h->value[h->out[i]].type,
                 c->syms, &c->out[i].type);
    }

    return cond != NULL ? MAAS_OK : MAAS_INFER_NEED(c, 0);
}


static const maas_formal_t  if_in[] = {
    { "cond", MAAS_D(BOOL), 0, 0 }
};

static const maas_formal_t  if_out[] = {
    { "outputs", MAAS_D_ALL, 0,
      MAAS_VARIADIC | MAAS_HETERO | MAAS_ANYKIND }
};

static const maas_attr_row_t  if_attrs[] = {
    { .name = "then_branch", .type = MAAS_ATTR_GRAPH, .required = true },
    { .name = "else_branch", .type = MAAS_ATTR_GRAPH, .required = true }
};

static const maas_case_t  if_bad[] = {
    { "| bool[]", "then_branch" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_control[] = {
    {
        .name = "If", .domain = "", .since = 16, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_CONTROL,
        MAAS_IO(if_in, if_out),
        .attr = if_attrs, .n_attr = maas_nelts(if_attrs),
        .infer = if_infer,
        .bad = if_bad
    },
    { .name = NULL }
};
