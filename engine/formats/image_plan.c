/*
 * image_plan.c: the plan that lies in an image, as a maas_plan_t.  Steps and
 * operands stay where they are; what they refer to is checked here.
 *
 * Ownership: the caller owns the plan, which points into the image; that
 *            must outlive it.
 * Threads:   reentrant; a plan does not change afterwards.
 */

#include "formats/model_image.h"


static maas_status_t
iplan_bad(maas_err_t *err, const char *what, uint64_t i)
{
    return maas_err(err, MAAS_ETRUNC, "image: plan: %s %llu does not fit",
                    what, (unsigned long long) i);
}


static maas_status_t
iplan_operand(const maas_image_t *im, const maas_plan_t *p,
    const maas_operand_t *o, uint64_t i, maas_err_t *err)
{
    bool           ok;
    size_t         bytes;
    maas_tensor_t  t = { 0 };

    if (o->at == MAAS_AT_NONE) {
        return MAAS_OK;
    }

    switch (o->at) {
    case MAAS_AT_ARENA:
        ok = o->index == 0
             && maas_image_inside(o->off, o->bytes, p->arena_bytes)
             && maas_image_inside(o->delta, o->bytes, p->arena_bytes - o->off);
        break;
    case MAAS_AT_INPUT:
        ok = o->index < im->n_in && o->delta <= INT64_MAX;
        break;
    case MAAS_AT_IMAGE:
        ok = o->index < im->n_graph
             && o->off < im->graph[o->index]->n_value
             && im->graph[o->index]->value[o->off].role == MAAS_ROLE_CONST
             && maas_image_inside(o->delta, o->bytes,
                             im->graph[o->index]->value[o->off].bytes);
        break;
    case MAAS_AT_CHAIN:
        ok = o->index == 0 && o->off == 0 && o->delta == 0;
        break;
    case MAAS_AT_PLAN:
        ok = o->index == 0 && maas_image_inside(o->off, o->bytes,
                                           p->const_bytes);
        break;
    default:
        ok = false;
    }

    if (!ok || o->dtype >= MAAS_DTYPES || o->dtype == MAAS_NODTYPE
        || o->rank > MAAS_RANK_MAX || o->format >= MAAS_FMTS)
    {
        return iplan_bad(err, "operand", i);
    }

    t.dtype = o->dtype;
    t.rank = o->rank;
    t.format = o->format;
    memcpy(t.dims, o->dims, sizeof(t.dims));

    if (!maas_tensor_size(&t, 0, &bytes) || bytes > o->bytes) {
        return iplan_bad(err, "shape of operand", i);
    }

    return MAAS_OK;
}


static maas_status_t
iplan_step(const maas_image_t *im, const maas_plan_t *p, uint64_t i,
    maas_err_t *err)
{
    bool                     lists;
    const maas_node_t       *n;
    const maas_plan_step_t  *s = &p->step[i];

    if (s->graph >= im->n_graph || s->node >= im->graph[s->graph]->n_node) {
        return iplan_bad(err, "step", i);
    }

    n = &im->graph[s->graph]->node[s->node];

    if (s->kernel == MAAS_KERNEL_POST
        && (n->n_post == 0 || i == 0 || s[-1].graph != s->graph
            || s[-1].node != s->node))
    {
        return iplan_bad(err, "post-op step", i);
    }

    /* Steps of iterations, and those over lists, have counts of their own. */
    lists = n->op->control != MAAS_CONTROL_NONE
            || maas_op_takes_lists(n->op);

    if ((!lists && (s->n_in != n->n_in || s->n_out != n->n_out))
        || s->units < 0
        || !maas_image_inside(s->operand, (uint64_t) s->n_in + s->n_out,
                         p->n_operand)
        || (s->kernel != MAAS_KERNEL_POST && s->kernel >= n->op->n_kernel)
        || (s->chain != 0 && s->chain != MAAS_CHAINED
            && !maas_image_inside(i, s->chain, p->n_step))
        || s->scratch > p->scratch
        || !(s->cost >= 0 && s->cost <= 1e18)
        || (s->shared != UINT64_MAX && s->shared > p->arena_bytes))
    {
        return iplan_bad(err, "step", i);
    }

    return MAAS_OK;
}


static maas_status_t
iplan_fill(maas_plan_t *p, const maas_image_t *im, maas_err_t *err)
{
    size_t                  size;
    uint64_t                at;
    const char             *base;
    const maas_img_plan_t  *r;

    base = maas_image_section(im, MAAS_SEC_PLAN, &size);
    r = (const maas_img_plan_t *) base;

    if (size < sizeof(*r)) {
        return iplan_bad(err, "header", 0);
    }

    p->n_step = r->n_step;
    p->n_operand = r->n_operand;
    p->n_out = r->n_out;
    p->const_bytes = r->const_bytes;
    p->arena_bytes = r->arena_bytes;
    p->tensor_bytes = r->tensor_bytes;
    p->scratch = r->scratch;
    p->cost = r->cost;
    p->flops = r->flops;
    p->key_len = r->n_key;

    at = sizeof(*r);
    p->key = (uint8_t *) base + at;
    at = maas_align(at + r->n_key, 8);
    p->step = (maas_plan_step_t *) (base + at);
    at += (uint64_t) r->n_step * sizeof(maas_plan_step_t);
    p->operand = (maas_operand_t *) (base + at);
    at += (uint64_t) r->n_operand * sizeof(maas_operand_t);
    p->out = (maas_operand_t *) (base + at);
    at = maas_align(at + (uint64_t) r->n_out * sizeof(maas_operand_t),
                    MAAS_ALIGN);
    p->consts = (void *) (base + at);

    if (!maas_image_inside(at, r->const_bytes, size) || r->n_out != im->n_out
        || r->scratch > (1ull << 40) || r->arena_bytes > (1ull << 40))
    {
        return iplan_bad(err, "size", size);
    }

    for (uint32_t i = 0; i < p->n_operand; i++) {
        MAAS_TRY(iplan_operand(im, p, &p->operand[i], i, err));
    }

    for (uint32_t i = 0; i < p->n_out; i++) {
        MAAS_TRY(iplan_operand(im, p, &p->out[i], i, err));
    }

    for (uint32_t i = 0; i < p->n_step; i++) {
        MAAS_TRY(iplan_step(im, p, i, err));
    }

    return MAAS_OK;
}


maas_status_t
maas_image_plan(maas_plan_t **out, const maas_image_t *im,
    const maas_host_t *host, maas_err_t *err)
{
    maas_plan_t    *p;
    maas_status_t   rc;

    *out = NULL;

    if (im->header->section[MAAS_SEC_PLAN].size == 0) {
        return MAAS_OK;
    }

    p = maas_calloc(host, 1, sizeof(maas_plan_t));
    if (p == NULL) {
        return maas_err_nomem(err);
    }

    atomic_init(&p->refs, 1);
    maas_arena_init(&p->mem, host, 0);

    rc = iplan_fill(p, im, err);

    if (rc != MAAS_OK) {
        maas_plan_release(p, host);
        return rc;
    }

    *out = p;
    return MAAS_OK;
}
