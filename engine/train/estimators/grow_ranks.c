/*
 * grow_ranks.c: the trees of a forest, grown by one process or shared among
 * several: rank r grows trees r, r + n, ..., which are functions of the seed
 * and their number; then each rank has all of them, and goes on as if it had
 * grown them alone.
 *
 * Ownership: trees belong to the caller, from job->host.
 * Threads:   a tree is grown by one thread; exchanges by the caller's.
 */

#include "train/estimators/grow.h"


typedef struct {
    const maas_ranks_t  *r;
    maas_crew_pt         fn;
    void                *arg;
} ranks_own_t;

/* What a tree is besides its lists. */
typedef struct {
    uint32_t  n_node, n_weight, depth, pad;
    double    right;
} ranks_head_t;


static maas_status_t
ranks_tree(void *arg, int slot, int64_t unit)
{
    const ranks_own_t  *o = arg;

    return o->fn(o->arg, slot, o->r->rank + unit * o->r->n);
}


/* Room for a tree that another rank has grown. */
static maas_status_t
ranks_room(const maas_fit_job_t *f, maas_grown_t *t, const ranks_head_t *h)
{
    t->depth = h->depth;
    t->right = h->right;

    return (h->n_node == 0
            || maas_grown_node(f->host, t, h->n_node) != UINT32_MAX)
           && (h->n_weight == 0
               || maas_grown_weight(f->host, t, h->n_weight) != UINT32_MAX)
           ? MAAS_OK : maas_err_nomem(f->err);
}


static maas_status_t
ranks_share(const maas_fit_job_t *f, maas_grown_t *tree, int64_t trees)
{
    int             root;
    maas_ranks_t   *r = f->ranks;
    ranks_head_t    h;
    maas_status_t   rc = MAAS_OK;

    for (int64_t i = 0; i < trees; i++) {
        root = (int) (i % r->n);
        h = (ranks_head_t) { tree[i].n_node, tree[i].n_weight,
                             tree[i].depth, 0, tree[i].right };
        maas_ranks_share(r, root, &h, sizeof(h));

        if (root != r->rank && rc == MAAS_OK) {
            rc = ranks_room(f, &tree[i], &h);
        }
    }

    MAAS_TRY(maas_ranks_meet(r, rc, NULL, 0, f->err));

    for (int64_t i = 0; i < trees; i++) {
        root = (int) (i % r->n);
        maas_ranks_share(r, root, tree[i].node,
                         tree[i].n_node * sizeof(*tree->node));
        maas_ranks_share(r, root, tree[i].weight,
                         tree[i].n_weight * sizeof(*tree->weight));
    }

    return MAAS_OK;
}


maas_status_t
maas_grow_trees(maas_crew_t *c, maas_crew_pt fn, void *arg,
    maas_grown_t *tree, int64_t trees)
{
    int64_t         own;
    ranks_own_t     o = { c->f->ranks, fn, arg };
    maas_status_t   rc;

    if (o.r == NULL) {
        return maas_crew_run(c, fn, arg, trees, 0, (uint64_t) trees);
    }

    own = (trees - o.r->rank + o.r->n - 1) / o.r->n;
    rc = maas_crew_run(c, ranks_tree, &o, maas_max(own, 0), 0,
                       (uint64_t) maas_max(own, 0));
    MAAS_TRY(maas_ranks_meet(c->f->ranks, rc, NULL, 0, c->f->err));

    return ranks_share(c->f, tree, trees);
}
