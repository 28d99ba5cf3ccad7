/*
 * post: applies the post-ops of a step to a block of its output, while the
 * producer still has it in the cache.  Each post-op is a row of the kernel
 * table; where the block's rows touch each other, they are one row.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant; blocks of different threads must not overlap.
 */

#include "graph/op.h"


static void
post_unary(const maas_step_t *s, const maas_post_t *p,
    const maas_post_block_t *b)
{
    if (b->ld == b->cols) {
        s->k->unary[p->fn](b->y, b->y, b->rows * b->cols, p->a, p->b);
        return;
    }

    for (int64_t r = 0; r < b->rows; r++) {
        s->k->unary[p->fn](b->y + r * b->ld, b->y + r * b->ld, b->cols, p->a,
                           p->b);
    }
}


static void
post_binary(const maas_step_t *s, const maas_post_t *p,
    const maas_post_block_t *b)
{
    int           step = 1;
    float        *y;
    const float  *x, *v = s->in[p->operand].data;

    for (int64_t r = 0; r < b->rows; r++) {
        y = b->y + r * b->ld;

        switch (p->kind) {

        case MAAS_POST_BINARY:
            x = v + b->at + r * b->step;
            break;

        case MAAS_POST_BINARY_LAST:
            x = v + b->col;
            break;

        case MAAS_POST_BINARY_CHANNEL:
            x = v + b->channel + r * b->channel_step;
            step = 0;
            break;

        default:                /* MAAS_POST_BINARY_SCALAR */
            x = v;
            step = 0;
        }

        s->k->binary[p->fn](y, y, 1, x, step, b->cols);
    }
}


void
maas_post_apply(const maas_step_t *s, const maas_post_block_t *b)
{
    for (int i = 0; i < s->n_post; i++) {
        if (s->post[i].kind == MAAS_POST_UNARY) {
            post_unary(s, &s->post[i], b);

        } else {
            post_binary(s, &s->post[i], b);
        }
    }
}
