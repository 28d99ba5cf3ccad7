/*
 * fuse_swish.c: HardSwish and Swish (SiLU) as they are spelled below opsets
 * 14 and 24:
 *
 *   x * Clip(x + 3, 0, 6) / 6, with the factors in any order
 *   x * HardSigmoid(x) with alpha 1/6 and beta 1/2
 *   x * Sigmoid(x), x * Sigmoid(alpha * x)
 *
 * x has two readers there, so no operator before it could take these as
 * post-ops; one it can.  What is left without readers is taken away by the
 * pass of dead nodes.
 */

#include <math.h>

#include "graph/pass/pass.h"


typedef struct {
    const char  *op;
    maas_vid_t   x;
    float        alpha;         /* of Swish */
} swish_t;


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


/* Is `next` the product of Sigmoid's output and x, n the Sigmoid? */
static bool
swish_times(const maas_pass_t *p, const maas_node_t *n,
    const maas_node_t *next, swish_t *f)
{
    const maas_node_t  *mul;

    f->x = n->in[0];
    f->alpha = 1;

    if (hswish_times(next, n->out[0], f->x)) {
        return true;
    }

    mul = maas_pass_maker(p, n->in[0], "Mul");

    for (int i = 0; mul != NULL && mul->n_post == 0 && i < 2; i++) {
        f->x = mul->in[i];

        if (maas_pass_scalar(p->g, mul->in[1 - i], &f->alpha)
            && hswish_times(next, n->out[0], f->x))
        {
            return true;
        }
    }

    return false;
}


/* The last node of the formula, n its first but one. */
static const maas_node_t *
swish_end(const maas_pass_t *p, const maas_node_t *n, swish_t *f)
{
    maas_vid_t          v = n->out[0];
    const maas_node_t  *next = hswish_next(p, v), *end;

    if (maas_pass_is(n, "Sigmoid")) {
        f->op = "Swish";
        return swish_times(p, n, next, f) ? next : NULL;
    }

    f->op = "HardSwish";

    if (hswish_sigmoid(n, &f->x)) {
        return hswish_times(next, v, f->x) ? next : NULL;
    }

    if (next == NULL || !hswish_clip(p, n, &f->x)) {
        return NULL;
    }

    end = hswish_next(p, next->out[0]);

    if ((hswish_times(next, v, f->x) && hswish_sixth(p, end, next->out[0]))
        || (hswish_sixth(p, next, v)
            && hswish_times(end, next->out[0], f->x)))
    {
        return end;
    }

    return NULL;
}


static maas_status_t
swish_become(maas_pass_t *p, const maas_node_t *end, const swish_t *f)
{
    maas_raw_attr_t  alpha = {
        .name = maas_str("alpha"), .type = MAAS_ATTR_FLOAT, .f = f->alpha
    };

    return maas_pass_become(p, (uint32_t) (end - p->g->node), "", f->op,
                            &alpha, strcmp(f->op, "Swish") == 0 ? 1 : 0,
                            &f->x, 1);
}


static maas_status_t
swish_run(maas_pass_t *p)
{
    swish_t             f;
    const maas_type_t  *in, *out;
    const maas_node_t  *n, *end;

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        n = &p->g->node[i];
        end = n->op != NULL && n->n_post == 0 && n->n_out == 1
              ? swish_end(p, n, &f) : NULL;

        if (end == NULL) {
            continue;
        }

        /* A constant of more axes would have given x those. */
        in = &p->g->value[f.x].type;
        out = &p->g->value[end->out[0]].type;

        if (in->dtype == MAAS_F32 && in->rank == out->rank) {
            MAAS_TRY(swish_become(p, end, &f));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_swish = {
    .name = "fuse_swish", .run = swish_run, .needs_types = true
};
