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


/* -- blocked activations ------------------------------------------------- */

#define POST_PIXELS  16         /* of a repeated vector of channels */


/* c values from v on, and zeros, for each of `n` pixels. */
static void
post_repeat(float *row, const float *v, int64_t c, int64_t n)
{
    for (int64_t i = 0; i < MAAS_C16; i++) {
        row[i] = i < c ? v[i] : 0;
    }

    for (int64_t i = MAAS_C16; i < n * MAAS_C16; i++) {
        row[i] = row[i - MAAS_C16];
    }
}


/* The operand is a value for each channel: of the layer, or of the image. */
static void
post_channels16(const maas_step_t *s, const maas_post_t *p, float *y,
    const float *x, int64_t n, int64_t plane)
{
    float         row[POST_PIXELS * MAAS_C16];
    int64_t       c, len, channels, blocks;
    const float  *v = s->in[p->operand].data;

    channels = s->out[0].dims[1];
    blocks = (channels + MAAS_C16 - 1) / MAAS_C16;
    c = plane % blocks * MAAS_C16;

    post_repeat(row, v + c + (p->kind == MAAS_POST_BINARY_PLANE
                              ? plane / blocks * channels : 0),
                channels - c, maas_min(n, POST_PIXELS));

    for (int64_t i = 0; i < n; i += len) {
        len = maas_min(n - i, POST_PIXELS);
        s->k->binary[p->fn](y + i * MAAS_C16, x + i * MAAS_C16, 1, row, 1,
                            len * MAAS_C16);
    }
}


void
maas_post_apply16(const maas_step_t *s, int first, float *y, const float *x,
    int64_t n, int64_t at, int64_t plane)
{
    const maas_post_t  *p;

    for (int i = first; i < s->n_post; i++, x = y) {
        p = &s->post[i];

        switch (p->kind) {

        case MAAS_POST_UNARY:
            s->k->unary[p->fn](y, x, n * MAAS_C16, p->a, p->b);
            break;

        case MAAS_POST_BINARY:
            s->k->binary[p->fn](y, x, 1,
                                (const float *) s->in[p->operand].data + at,
                                1, n * MAAS_C16);
            break;

        case MAAS_POST_BINARY_SCALAR:
            s->k->binary[p->fn](y, x, 1, s->in[p->operand].data, 0,
                                n * MAAS_C16);
            break;

        default:                /* CHANNEL, PLANE; LAST is not taken */
            post_channels16(s, p, y, x, n, plane);
        }
    }
}
