/*
 * fuse_gelu.c: Gelu as it is spelled below opset 20:
 *
 *   x * (1 + Erf(x / sqrt(2))) * 0.5
 *   x * (1 + Tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) * 0.5
 *
 * with the factors in any order.  What is left without readers is taken
 * away by the pass of dead nodes.
 */

#include <math.h>

#include "graph/pass/pass.h"


static bool
gelu_near(float a, double b)
{
    return fabs((double) a - b) <= 1e-4 * fabs(b);
}


/* v = f * x or x / (1 / f), f a constant; *x is the other operand. */
static bool
gelu_is_times(const maas_pass_t *p, maas_vid_t v, double f, maas_vid_t *x)
{
    float               c;
    const maas_node_t  *n = maas_pass_maker(p, v, "Mul");

    for (int i = 0; n != NULL && i < 2; i++) {
        if (maas_pass_scalar(p->g, n->in[i], &c) && gelu_near(c, f)) {
            *x = n->in[1 - i];
            return true;
        }
    }

    n = maas_pass_maker(p, v, "Div");
    if (n != NULL && maas_pass_scalar(p->g, n->in[1], &c)
        && gelu_near(c, 1 / f))
    {
        *x = n->in[0];
        return true;
    }

    return false;
}


/* v = x^3, as Pow or Mul */
static bool
gelu_is_cube(const maas_pass_t *p, maas_vid_t v, maas_vid_t x)
{
    float               e;
    const maas_node_t  *n = maas_pass_maker(p, v, "Pow"), *m;

    if (n != NULL) {
        return n->in[0] == x && maas_pass_scalar(p->g, n->in[1], &e)
               && e == 3;
    }

    n = maas_pass_maker(p, v, "Mul");

    for (int i = 0; n != NULL && i < 2; i++) {
        m = maas_pass_maker(p, n->in[i], "Mul");

        if (n->in[1 - i] == x && m != NULL && m->in[0] == x
            && m->in[1] == x)
        {
            return true;
        }
    }

    return false;
}


/* v = Erf or Tanh of what the formula has there; *x, and which it is. */
static bool
gelu_is_curve(const maas_pass_t *p, maas_vid_t v, maas_vid_t *x, bool *tanh)
{
    maas_vid_t          sum, cube;
    const maas_node_t  *n = maas_pass_maker(p, v, "Erf");

    *tanh = n == NULL;

    if (n != NULL) {
        return gelu_is_times(p, n->in[0], M_SQRT1_2, x);
    }

    n = maas_pass_maker(p, v, "Tanh");
    if (n == NULL
        || !gelu_is_times(p, n->in[0], M_2_SQRTPI * M_SQRT1_2, &sum))
    {
        return false;
    }

    n = maas_pass_maker(p, sum, "Add");

    for (int i = 0; n != NULL && i < 2; i++) {
        *x = n->in[i];

        if (gelu_is_times(p, n->in[1 - i], 0.044715, &cube)
            && gelu_is_cube(p, cube, *x))
        {
            return true;
        }
    }

    return false;
}


/* The Mul that alone reads v, and its other operand. */
static const maas_node_t *
gelu_next(const maas_pass_t *p, maas_vid_t v, maas_vid_t *other)
{
    const maas_node_t  *n;

    n = maas_pass_is_output(p->g, v) ? NULL : maas_pass_only_user(p, v);
    if (n == NULL || !maas_pass_is(n, "Mul") || n->n_post != 0) {
        return NULL;
    }

    *other = n->in[n->in[0] == v];
    return n;
}


/* The Mul that has all three factors: x, v and 1/2. */
static const maas_node_t *
gelu_end(const maas_pass_t *p, maas_vid_t v, maas_vid_t x)
{
    float               half;
    maas_vid_t          other, of;
    const maas_node_t  *n = gelu_next(p, v, &other);

    if (n == NULL) {
        return NULL;
    }

    if (other != x && gelu_is_times(p, other, 0.5, &of) && of == x) {
        return n;
    }

    if (other == x) {
        n = gelu_next(p, n->out[0], &other);
        return n != NULL && maas_pass_scalar(p->g, other, &half)
               && half == 0.5f ? n : NULL;
    }

    if (!maas_pass_scalar(p->g, other, &half) || half != 0.5f) {
        return NULL;
    }

    n = gelu_next(p, n->out[0], &other);
    return n != NULL && other == x ? n : NULL;
}


static maas_status_t
gelu_node(maas_pass_t *p, const maas_node_t *add)
{
    bool                tanh;
    float               one;
    maas_vid_t          x;
    const maas_node_t  *end = NULL;
    maas_raw_attr_t     attr = { .name = maas_str("approximate"),
                                 .type = MAAS_ATTR_STRING };

    for (int i = 0; i < 2 && end == NULL; i++) {
        if (maas_pass_scalar(p->g, add->in[1 - i], &one) && one == 1
            && gelu_is_curve(p, add->in[i], &x, &tanh)
            && p->g->value[x].type.dtype == MAAS_F32)
        {
            end = gelu_end(p, add->out[0], x);
        }
    }

    if (end == NULL) {
        return MAAS_OK;
    }

    attr.s = tanh ? maas_str("tanh") : maas_str("none");
    return maas_pass_become(p, (uint32_t) (end - p->g->node), "", "Gelu",
                            &attr, 1, &x, 1);
}


static maas_status_t
gelu_run(maas_pass_t *p)
{
    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (maas_pass_is(&p->g->node[i], "Add") && p->g->node[i].n_post == 0)
        {
            MAAS_TRY(gelu_node(p, &p->g->node[i]));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_gelu = {
    .name = "fuse_gelu", .run = gelu_run, .needs_types = true
};
