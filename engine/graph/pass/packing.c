/*
 * packing.c: constants that an operator wants packed get a maas.Pack node,
 * which is folded at once: the image holds the packed form alone.  One
 * constant packed the same way for several nodes is packed once.  Before a
 * parameter that is trained the node stays, where the operator cannot do
 * without: products pack what they read themselves, block by block.
 */

#include "graph/pass/pass.h"


typedef struct {
    maas_vid_t   from;
    maas_vid_t   to;
    maas_pack_t  how;
} packing_row_t;


static maas_raw_attr_t
packing_int(const char *name, int64_t i)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .i = i,
                               .type = MAAS_ATTR_INT };
}


/* Runs the Pack node: bytes by the panels, not by the dims. */
static maas_status_t
packing_fold(maas_pass_t *p, maas_node_t *n, const maas_pack_t *how)
{
    maas_value_t   *v = &p->g->value[n->out[0]];
    maas_tensor_t   in, out;

    in = maas_value_tensor(&p->g->value[n->in[0]]);
    out = in;
    out.format = how->format;

    if (!maas_mul_size(maas_p16_elems(how->k, how->n) * sizeof(float),
                       how->groups, &out.bytes))
    {
        return maas_err_nomem(p->err);
    }

    MAAS_TRY(maas_node_eval(n, p->k, &in, &out, p->g->arena, p->host,
                            p->err));

    v->role = MAAS_ROLE_CONST;
    v->type.format = how->format;
    v->data = out.data;
    v->bytes = out.bytes;
    maas_pass_delete(n);

    return MAAS_OK;
}


static maas_status_t
packing_make(maas_pass_t *p, const maas_pack_t *how, maas_vid_t from,
    maas_vid_t *to)
{
    maas_type_t      type = p->g->value[from].type;
    maas_node_t     *n;
    maas_raw_attr_t  attr[] = {
        packing_int("format", how->format),
        packing_int("groups", how->groups),
        packing_int("k", how->k),
        packing_int("n", how->n),
        packing_int("gs", how->gs),
        packing_int("ks", how->ks),
        packing_int("ns", how->ns),
        packing_int("taps", maas_max(how->taps, 1)),
        packing_int("winograd", how->winograd),
        packing_int("flip", how->flip)
    };

    type.format = how->format;

    MAAS_TRY(maas_pass_emit(p, "maas", "Pack", attr, maas_nelts(attr),
                            &from, 1, &type, to));

    n = &p->g->node[p->g->n_node - 1];
    p->g->value[*to].name = p->g->value[from].name;

    return p->g->value[from].role == MAAS_ROLE_CONST
           ? packing_fold(p, n, how) : MAAS_OK;
}


static bool
packing_same(const maas_pack_t *a, const maas_pack_t *b)
{
    return a->format == b->format && a->groups == b->groups && a->k == b->k
           && a->n == b->n && a->gs == b->gs && a->ks == b->ks
           && a->ns == b->ns && a->taps == b->taps
           && a->winograd == b->winograd && a->flip == b->flip;
}


/* Packs input i of node `node` where the operator says so. */
static maas_status_t
packing_input(maas_pass_t *p, uint32_t node, int i, packing_row_t *done,
    uint32_t *n_done, uint32_t max_done)
{
    maas_vid_t          from, to;
    maas_node_t        *n = &p->g->node[node];
    maas_pack_t         how = { 0 };
    const maas_type_t  *type[8];

    from = n->in[i];

    for (int j = 0; j < 8; j++) {
        type[j] = j < n->n_formal && n->in[j] != MAAS_NOVAL
                  ? &p->g->value[n->in[j]].type : NULL;
    }

    how.input = i;

    if (!maas_pass_weight(p->g, from)
        || type[i]->dtype != MAAS_F32 || !n->op->pack(n, type, &how)
        || how.groups < 1 || how.k < 1 || how.n < 1
        || (!how.needed && maas_pass_const(p->g, from) == NULL))
    {
        return MAAS_OK;
    }

    for (uint32_t j = 0; j < *n_done; j++) {
        if (done[j].from == from && packing_same(&done[j].how, &how)) {
            n->in[i] = done[j].to;
            return MAAS_OK;
        }
    }

    to = MAAS_NOVAL;

    if (p->g->value[from].codes != NULL && how.eight) {
        MAAS_TRY(maas_codes_pack(p, &how, from, &to));
    }

    /* Where it goes back to float32 in every run, a product packs it then. */
    if (to == MAAS_NOVAL && p->g->value[from].codes != NULL && !how.needed) {
        return MAAS_OK;
    }

    if (to == MAAS_NOVAL) {
        MAAS_TRY(packing_make(p, &how, from, &to));
    }

    p->g->node[node].in[i] = to;

    if (*n_done < max_done) {
        done[(*n_done)++] = (packing_row_t) { from, to, how };
    }

    return MAAS_OK;
}


maas_status_t
maas_pass_pack_node(maas_pass_t *p, uint32_t i)
{
    uint32_t  none = 0;

    if (p->g->node[i].op->pack == NULL) {
        return MAAS_OK;
    }

    for (int j = 0; j < p->g->node[i].n_formal && j < 8; j++) {
        if (p->g->node[i].in[j] != MAAS_NOVAL) {
            MAAS_TRY(packing_input(p, i, j, NULL, &none, 0));
        }
    }

    return MAAS_OK;
}


static maas_status_t
packing_run(maas_pass_t *p)
{
    uint32_t        n = p->g->n_node, n_done = 0;
    maas_node_t    *node;
    packing_row_t  *done;

    done = maas_arena_array(p->g->arena, n * 2 + 1, sizeof(*done));
    if (done == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        node = &p->g->node[i];

        if (node->op == NULL || node->op->pack == NULL) {
            continue;
        }

        for (int j = 0; j < p->g->node[i].n_formal && j < 8; j++) {
            if (p->g->node[i].in[j] != MAAS_NOVAL) {
                MAAS_TRY(packing_input(p, i, j, done, &n_done, n * 2));
            }
        }
    }

    MAAS_TRY(maas_codes_restore(p));
    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_pack = {
    .name = "pack", .run = packing_run, .needs_types = true
};
