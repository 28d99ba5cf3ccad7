/*
 * poststep.c: post-ops as a step of their own, for the shapes and types
 * where no kernel of the producer takes them into its epilogue.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include "graph/plan.h"


/* Rows of the last axis; for channels, rows are planes of [N, C, ...]. */
static int64_t
poststep_cols(const maas_step_t *s)
{
    int64_t               n = 1;
    const maas_tensor_t  *y = &s->out[0];

    for (int i = 0; i < s->n_post; i++) {
        if (s->post[i].kind == MAAS_POST_BINARY_CHANNEL) {
            for (int d = 2; d < y->rank; d++) {
                n *= y->dims[d];
            }

            return n;
        }
    }

    return y->rank == 0 ? 1 : y->dims[y->rank - 1];
}


int64_t
maas_post_units(const maas_node_t *n, const maas_tensor_t *out)
{
    int64_t      cols;
    maas_step_t  s = { 0 };

    s.out = (maas_tensor_t *) out;
    s.post = n->post;
    s.n_post = n->n_post;

    cols = poststep_cols(&s);
    return cols == 0 ? 0 : maas_tensor_count(out) / cols;
}


maas_status_t
maas_post_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t            cols = poststep_cols(s);
    int64_t            channels = s->out[0].rank > 1 ? s->out[0].dims[1] : 1;
    maas_post_block_t  b = { 0 };

    (void) slot;

    for (int64_t r = first; r < last; r++) {
        b.y = (float *) s->out[0].data + r * cols;
        b.ld = cols;
        b.rows = 1;
        b.cols = cols;
        b.at = r * cols;
        b.step = cols;
        b.channel = r % channels;

        maas_post_apply(s, &b);
    }

    return MAAS_OK;
}
