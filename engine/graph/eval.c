/*
 * eval.c: choosing a kernel for a node, and computing one node alone (for
 * constant folding and for what a plan can compute ahead).
 *
 * Ownership: outputs lie in the caller's arena; scratch is given back.
 * Threads:   reentrant.
 */

#include "graph/plan.h"


bool
maas_tensor_size(const maas_tensor_t *t, size_t str_bytes, size_t *bytes)
{
    int64_t  n, dims[MAAS_RANK_MAX];

    if (t->format == MAAS_FMT_P16 && str_bytes != 0) {
        *bytes = str_bytes;
        return true;
    }

    if (t->format == MAAS_FMT_C16 && t->rank > 1) {
        memcpy(dims, t->dims, sizeof(dims));
        dims[1] = dims[1] > INT64_MAX - MAAS_C16
                  ? dims[1] : (dims[1] + MAAS_C16 - 1) / MAAS_C16 * MAAS_C16;
        n = maas_dims_count(dims, t->rank);

    } else {
        n = maas_dims_count(t->dims, t->rank);
    }

    if (n < 0) {
        return false;
    }

    if (t->dtype == MAAS_STRING) {
        return maas_string_bytes(n, str_bytes, bytes);
    }

    /* Of 8-bit panels at least this; an image's are checked by the operator. */
    if (t->format == MAAS_FMT_P16Q8) {
        *bytes = (size_t) n;
        return true;
    }

    return maas_dtype_bytes(t->dtype, n, bytes);
}


const maas_kernel_row_t *
maas_kernel_choose(const maas_node_t *n, const maas_kernels_t *k,
    const maas_tensor_t *in, const maas_tensor_t *out, maas_setup_t *u)
{
    uint32_t                  posts = 0;
    const maas_kernel_row_t  *row;

    for (int i = 0; i < n->n_post; i++) {
        posts |= 1u << n->post[i].kind;
    }

    for (int i = 0; i < n->op->n_kernel; i++) {
        row = &n->op->kernel[i];

        if (row->cpu > k->level || (posts & ~row->post) != 0) {
            continue;
        }

        memset(u, 0, sizeof(maas_setup_t));
        u->attr = n->attr;
        u->in = in;
        u->out = out;
        u->post = n->post;
        u->n_in = n->n_in;
        u->n_formal = n->n_formal;
        u->n_out = n->n_out;
        u->n_post = n->n_post;
        u->units = 1;

        if (row->setup == NULL || row->setup(u)) {
            return row;
        }
    }

    return NULL;
}


static maas_status_t
eval_run(const maas_node_t *n, const maas_kernel_row_t *row,
    const maas_setup_t *u, const maas_kernels_t *k, maas_tensor_t *in,
    maas_tensor_t *out, const maas_host_t *host, maas_err_t *err)
{
    char           *p;
    size_t          shared;
    maas_slot_t     slot = { 0 };
    maas_step_t     s = { 0 };
    maas_status_t   rc;

    shared = maas_align(u->shared, MAAS_ALIGN);

    if (u->scratch > SIZE_MAX / 4
        || (p = maas_alloc(host, shared + u->scratch + 2 * MAAS_ALIGN))
           == NULL)
    {
        return maas_err_nomem(err);
    }

    s.attr = n->attr;
    s.k = k;
    s.in = in;
    s.out = out;
    s.post = n->post;
    s.n_in = n->n_in;
    s.n_formal = n->n_formal;
    s.n_out = n->n_out;
    s.n_post = n->n_post;
    s.units = u->units;
    s.shared = (void *) maas_align((uintptr_t) p, MAAS_ALIGN);

    slot.scratch = (char *) s.shared + shared;
    slot.err = err;

    rc = row->run(&s, &slot, 0, u->units);

    maas_free(host, p);
    return rc;
}


/* What the node is without its outputs and post-ops. */
static maas_setup_t
extent_setup(const maas_node_t *n, const maas_tensor_t *in)
{
    maas_setup_t  u = { 0 };

    u.attr = n->attr;
    u.in = in;
    u.n_in = n->n_formal;
    u.n_formal = n->n_formal;
    u.n_out = n->n_out;
    u.units = 1;

    return u;
}


size_t
maas_extent_scratch(const maas_node_t *n, const maas_tensor_t *in)
{
    maas_setup_t  u = extent_setup(n, in);

    return n->op->extent_scratch != NULL ? n->op->extent_scratch(&u) : 0;
}


maas_status_t
maas_node_extent(const maas_node_t *n, const maas_kernels_t *k,
    const maas_tensor_t *in, int64_t *extent, const maas_host_t *host,
    maas_err_t *err)
{
    maas_setup_t       u = extent_setup(n, in);
    maas_node_t        plain = *n;
    maas_tensor_t      t = { 0 };
    maas_kernel_row_t  row = { .run = n->op->extent };

    t.dtype = MAAS_I64;
    t.rank = 1;
    t.dims[0] = n->op->n_extent;
    t.bytes = n->op->n_extent * sizeof(int64_t);
    t.data = extent;

    plain.n_in = n->n_formal;
    plain.n_out = 1;
    plain.n_post = 0;
    u.scratch = maas_extent_scratch(n, in);

    return eval_run(&plain, &row, &u, k, (maas_tensor_t *) in, &t, host,
                    err);
}


maas_status_t
maas_node_eval(const maas_node_t *n, const maas_kernels_t *k,
    const maas_tensor_t *in, maas_tensor_t *out, maas_arena_t *mem,
    const maas_host_t *host, maas_err_t *err)
{
    char                     *p;
    maas_setup_t              u;
    const maas_kernel_row_t  *row;

    row = maas_kernel_choose(n, k, in, out, &u);
    if (row == NULL) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "no kernel for these types (first input: %s)",
                        n->n_in ? maas_dtype_name(in[0].dtype) : "none");
    }

    for (int i = 0; i < n->n_out; i++) {
        if (out[i].dtype == MAAS_NODTYPE) {
            continue;
        }

        p = maas_arena_alloc(mem, out[i].bytes + 2 * MAAS_ALIGN);
        if (p == NULL) {
            return maas_err_nomem(err);
        }

        out[i].data = (void *) maas_align((uintptr_t) p, MAAS_ALIGN);
    }

    return eval_run(n, row, &u, k, (maas_tensor_t *) in, out, host, err);
}
