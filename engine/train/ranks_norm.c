/*
 * ranks_norm.c: see ranks_norm.h.
 *
 * Ownership: everything lies in the graph's arena.
 * Threads:   one thread.
 */

#include "train/ranks_norm.h"


typedef struct {
    maas_pass_t    *p;
    maas_vid_t     *sums;       /* by value: those of it, S */
    uint32_t        n;          /* sums so far: the id of the next */
    maas_status_t   rc;
} norm_t;


static maas_vid_t
norm_emit(norm_t *c, const char *op, const maas_raw_attr_t *a, uint32_t n_a,
    const maas_vid_t *in, uint32_t n)
{
    maas_vid_t  v = MAAS_NOVAL;

    if (c->rc == MAAS_OK) {
        c->rc = maas_pass_emit(c->p, "maas", op, a, n_a, in, n, NULL, &v);
    }

    return v;
}


/* Of all processes. */
static maas_vid_t
norm_all(norm_t *c, maas_vid_t sums)
{
    maas_raw_attr_t  a = maas_pass_int("node", c->n++);

    return norm_emit(c, "RanksSum", &a, 1, &sums, 1);
}


static void
norm_attrs(const maas_node_t *n, maas_raw_attr_t a[2])
{
    const float  *epsilon = maas_pass_attr(n, "epsilon");
    const float  *momentum = maas_pass_attr(n, "momentum");

    a[0] = maas_pass_float("epsilon", epsilon != NULL ? *epsilon : 1e-5f);
    a[1] = maas_pass_float("momentum", momentum != NULL ? *momentum : 0.9f);
}


static void
norm_forward(norm_t *c, uint32_t i)
{
    maas_vid_t          in[6];
    const maas_node_t  *n = &c->p->g->node[i];
    maas_raw_attr_t     a[2];

    memcpy(in, n->in, 5 * sizeof(*in));
    norm_attrs(n, a);
    in[5] = norm_all(c, norm_emit(c, "BatchNormSums", a, 2, in, 1));

    if (c->rc == MAAS_OK) {
        c->sums[in[0]] = in[5];
        c->rc = maas_pass_become(c->p, i, "maas", "BatchNormRanks", a, 2, in,
                                 6);
    }
}


static void
norm_backward(norm_t *c, uint32_t i)
{
    maas_vid_t          in[6], of[3];
    const maas_node_t  *n = &c->p->g->node[i];
    maas_raw_attr_t     a[2];

    memcpy(in, n->in, 3 * sizeof(*in));
    norm_attrs(n, a);
    of[0] = in[0];
    of[1] = in[1];
    of[2] = in[3] = c->sums[in[1]];
    in[4] = norm_emit(c, "BatchNormSumsGrad", a, 2, of, 3);
    in[5] = norm_all(c, in[4]);

    if (c->rc == MAAS_OK) {
        c->rc = maas_pass_become(c->p, i, "maas", "BatchNormRanksGrad", a, 2,
                                 in, 6);
    }
}


static bool
norm_is(const maas_node_t *n, const char *op)
{
    return n->op != NULL && strcmp(n->op->domain, "maas") == 0
           && strcmp(n->op->name, op) == 0;
}


maas_status_t
maas_ranks_norm(maas_pass_t *p, uint32_t *n)
{
    norm_t    c = { .p = p };
    uint32_t  nodes = p->g->n_node, values = p->g->n_value;

    c.sums = maas_arena_array(p->g->arena, values + 1, sizeof(*c.sums));
    if (c.sums == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < values; i++) {
        c.sums[i] = MAAS_NOVAL;
    }

    for (uint32_t i = 0; i < nodes && c.rc == MAAS_OK; i++) {
        if (norm_is(&p->g->node[i], "BatchNormTrain")) {
            norm_forward(&c, i);
        }
    }

    for (uint32_t i = 0; i < nodes && c.rc == MAAS_OK; i++) {
        if (norm_is(&p->g->node[i], "BatchNormGrad")
            && c.sums[p->g->node[i].in[1]] != MAAS_NOVAL)
        {
            norm_backward(&c, i);
        }
    }

    *n = c.n;
    MAAS_TRY(c.rc);

    return maas_pass_sort(p);
}
