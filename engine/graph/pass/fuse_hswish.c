/*
 * fuse_hswish.c: HardSwish as it is spelled below opset 14:
 *
 *   x * Clip(x + 3, 0, 6) / 6, with the factors in any order
 *   x * HardSigmoid(x) with alpha 1/6 and beta 1/2
 *
 * x has two readers there, so no operator before it could take these as
 * post-ops; one it can.  What is left without readers is taken away by the
 * pass of dead nodes.
 */

#include <math.h>

#include "graph/pass/pass.h"


/* v is the constant f, but for its last bits. */
static bool
hswish_is(const maas_pass_t *p, maas_vid_t v, double f)
{
    float  c;

    return maas_pass_scalar(p->g, v, &c)
           && fabs((double) c - f) <= 1e-6 * fabs(f);
}


/* Clip(x + 3, 0, 6), six times what x is multiplied by. */
static bool
hswish_clip(const maas_pass_t *p, const maas_node_t *n, maas_vid_t *x)
{
    const maas_node_t  *add;

    if (!maas_pass_is(n, "Clip") || n->n_in != 3
        || !hswish_is(p, n->in[1], 0) || !hswish_is(p, n->in[2], 6))
    {
        return false;
    }

    add = maas_pass_maker(p, n->in[0], "Add");

    for (int i = 0; add != NULL && add->n_post == 0 && i < 2; i++) {
        if (hswish_is(p, add->in[1 - i], 3)) {
            *x = add->in[i];
            return true;
        }
    }

    return false;
}


static bool
hswish_sigmoid(const maas_node_t *n, maas_vid_t *x)
{
    float  alpha, beta;

    if (!maas_pass_is(n, "HardSigmoid")) {
        return false;
    }

    memcpy(&alpha, maas_pass_attr(n, "alpha"), sizeof(alpha));
    memcpy(&beta, maas_pass_attr(n, "beta"), sizeof(beta));
    *x = n->in[0];

    return fabs((double) alpha - 1.0 / 6) <= 1e-6 && beta == 0.5f;
}


/* The node that alone reads v. */
static const maas_node_t *
hswish_next(const maas_pass_t *p, maas_vid_t v)
{
    const maas_node_t  *n;

    n = maas_pass_is_output(p->g, v) ? NULL : maas_pass_only_user(p, v);

    return n != NULL && n->op != NULL && n->n_post == 0 ? n : NULL;
}


/* Is n the product of v and x? */
static bool
hswish_times(const maas_node_t *n, maas_vid_t v, maas_vid_t x)
{
    return n != NULL && maas_pass_is(n, "Mul")
           && n->in[n->in[0] == v] == x;
}


/* Is n a sixth of v? */
static bool
hswish_sixth(const maas_pass_t *p, const maas_node_t *n, maas_vid_t v)
{
    return n != NULL
           && ((maas_pass_is(n, "Div") && n->in[0] == v
                && hswish_is(p, n->in[1], 6))
               || (maas_pass_is(n, "Mul")
                   && hswish_is(p, n->in[n->in[0] == v], 1.0 / 6)));
}


/* The last node of the formula, n its first but one. */
static const maas_node_t *
hswish_end(const maas_pass_t *p, const maas_node_t *n, maas_vid_t *x)
{
    maas_vid_t          v = n->out[0];
    const maas_node_t  *next = hswish_next(p, v), *end;

    if (hswish_sigmoid(n, x)) {
        return hswish_times(next, v, *x) ? next : NULL;
    }

    if (next == NULL || !hswish_clip(p, n, x)) {
        return NULL;
    }

    end = hswish_next(p, next->out[0]);

    if ((hswish_times(next, v, *x) && hswish_sixth(p, end, next->out[0]))
        || (hswish_sixth(p, next, v) && hswish_times(end, next->out[0], *x)))
    {
        return end;
    }

    return NULL;
}


static maas_status_t
hswish_run(maas_pass_t *p)
{
    maas_vid_t          x;
    const maas_type_t  *in, *out;
    const maas_node_t  *n, *end;

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        n = &p->g->node[i];
        end = n->op != NULL && n->n_post == 0 && n->n_out == 1
              ? hswish_end(p, n, &x) : NULL;

        if (end == NULL) {
            continue;
        }

        /* A constant of more axes would have given x those. */
        in = &p->g->value[x].type;
        out = &p->g->value[end->out[0]].type;

        if (in->dtype == MAAS_F32 && in->rank == out->rank) {
            MAAS_TRY(maas_pass_become(p, (uint32_t) (end - p->g->node), "",
                                      "HardSwish", NULL, 0, &x, 1));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_hswish = {
    .name = "fuse_hswish", .run = hswish_run, .needs_types = true
};
