/*
 * cse.c: of pure nodes that compute the same from the same inputs, one is
 * left: three quantisations of one tensor, the mask that each layer makes.
 * Small constants that are equal become one before.
 */

#include "graph/pass/pass.h"


static bool
cse_may(const maas_node_t *n)
{
    return n->op != NULL && (n->op->flags & MAAS_OP_PURE)
           && !(n->op->flags & MAAS_OP_RANDOM)
           && n->n_body == 0 && n->n_in != 0;
}


static uint64_t
cse_mix(uint64_t h, const void *p, size_t n)
{
    const unsigned char  *b = p;

    for (size_t i = 0; i < n; i++) {
        h = (h ^ b[i]) * 1099511628211u;
    }

    return h;
}


static uint64_t
cse_hash(const maas_node_t *n)
{
    uint64_t  h = 14695981039346656037u;

    h = cse_mix(h, &n->op, sizeof(n->op));
    h = cse_mix(h, n->in, n->n_in * sizeof(maas_vid_t));
    return cse_mix(h, n->attr, n->attr_bytes);
}


static bool
cse_same(const maas_node_t *a, const maas_node_t *b)
{
    return a->op == b->op && a->n_in == b->n_in
           && a->n_formal == b->n_formal && a->attr_bytes == b->attr_bytes
           && a->n_post == 0 && b->n_post == 0
           && memcmp(a->in, b->in, a->n_in * sizeof(maas_vid_t)) == 0
           && (a->attr_bytes == 0
               || memcmp(a->attr, b->attr, a->attr_bytes) == 0);
}


/* Small constants that are equal count as one. */
#define CSE_BYTES  256


static uint64_t
cse_const_hash(const maas_value_t *v)
{
    uint64_t  h = 14695981039346656037u;

    h = cse_mix(h, &v->type.dtype, sizeof(v->type.dtype));
    h = cse_mix(h, v->type.dims,
                (size_t) v->type.rank * sizeof(v->type.dims[0]));
    return cse_mix(h, v->data, v->bytes);
}


static bool
cse_const_same(const maas_value_t *a, const maas_value_t *b)
{
    return a->type.dtype == b->type.dtype && a->type.rank == b->type.rank
           && a->bytes == b->bytes
           && memcmp(a->type.dims, b->type.dims,
                     (size_t) a->type.rank * sizeof(a->type.dims[0])) == 0
           && memcmp(a->data, b->data, a->bytes) == 0;
}


static uint32_t *
cse_table(maas_pass_t *p, uint32_t n, uint32_t *mask)
{
    uint32_t  size = 64;

    while (size < n * 2) {
        size *= 2;
    }

    *mask = size - 1;
    return maas_arena_array(p->g->arena, size, sizeof(uint32_t));
}


/* alias[v]: the first constant that is equal to constant v, or v. */
static maas_status_t
cse_consts(maas_pass_t *p, maas_vid_t *alias)
{
    uint32_t             at, mask, *slot;
    const maas_value_t  *v;

    slot = cse_table(p, p->g->n_value, &mask);
    if (slot == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < p->g->n_value; i++) {
        v = maas_pass_const(p->g, i);
        alias[i] = i;

        if (v == NULL || v->type.rank < 0 || v->bytes > CSE_BYTES
            || v->bytes == 0 || v->data == NULL
            || v->type.kind != MAAS_KIND_TENSOR
            || !(MAAS_D_NUM & 1u << v->type.dtype))
        {
            continue;
        }

        at = (uint32_t) cse_const_hash(v) & mask;

        while (slot[at] != 0
               && !cse_const_same(&p->g->value[slot[at] - 1], v))
        {
            at = (at + 1) & mask;
        }

        if (slot[at] == 0) {
            slot[at] = i + 1;
        }

        alias[i] = slot[at] - 1;
    }

    return MAAS_OK;
}


/*
 * Readers of b's outputs are to read a's; false: an output of the graph is
 * among them, or a does not make one that b makes.
 */
static bool
cse_replace(const maas_pass_t *p, const maas_node_t *a, const maas_node_t *b,
    maas_vid_t *alias)
{
    for (int j = 0; j < b->n_out; j++) {
        if (b->out[j] != MAAS_NOVAL
            && (j >= a->n_out || a->out[j] == MAAS_NOVAL
                || maas_pass_is_output(p->g, b->out[j])))
        {
            return false;
        }
    }

    for (int j = 0; j < b->n_out; j++) {
        if (b->out[j] != MAAS_NOVAL) {
            alias[b->out[j]] = a->out[j];
        }
    }

    return true;
}


/* Nodes stand in an order that can be run: inputs are merged before. */
static maas_status_t
cse_run(maas_pass_t *p)
{
    uint32_t      at, mask, *slot;
    maas_vid_t   *alias;
    maas_node_t  *n;

    slot = cse_table(p, p->g->n_node, &mask);
    alias = maas_arena_array(p->g->arena, p->g->n_value + 1, sizeof(*alias));
    if (slot == NULL || alias == NULL) {
        return maas_err_nomem(p->err);
    }

    MAAS_TRY(cse_consts(p, alias));

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        n = &p->g->node[i];

        for (int j = 0; j < n->n_in; j++) {
            n->in[j] = n->in[j] == MAAS_NOVAL ? MAAS_NOVAL : alias[n->in[j]];
        }

        if (!cse_may(n)) {
            continue;
        }

        at = (uint32_t) cse_hash(n) & mask;

        while (slot[at] != 0 && !cse_same(&p->g->node[slot[at] - 1], n)) {
            at = (at + 1) & mask;
        }

        if (slot[at] == 0) {
            slot[at] = i + 1;

        } else if (cse_replace(p, &p->g->node[slot[at] - 1], n, alias)) {
            maas_pass_delete(n);
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_cse = {
    .name = "cse", .run = cse_run
};
