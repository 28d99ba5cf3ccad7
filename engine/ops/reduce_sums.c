/*
 * reduce_sums.c: sums of many float32 rows by blocks of RED_BLOCK, and these
 * in pairs, so that the error grows with the logarithm of their number.  The
 * shape of the tree is that of the number alone: not of threads, nor of the
 * columns of a unit.
 *
 * Ownership: sums lie on the stack, 12 KB.  Threads: reentrant.
 */

#include "ops/reduce_walk.h"


#define RED_DEPTH  24
#define RED_COLS   128

/* The sums of open pairs, the last one at the end. */
typedef struct {
    int      n;
    int64_t  blocks;            /* so far */
    _Alignas(MAAS_ALIGN) float  sum[RED_DEPTH][RED_COLS];
} red_tree_t;


/* The last sum is whole; pairs of equal size become one. */
static void
red_tree_close(const maas_kernels_t *k, red_tree_t *t, int64_t cols)
{
    for (int64_t b = ++t->blocks; b % 2 == 0; b /= 2) {
        t->n--;
        k->fold[MAAS_R_SUM](t->sum[t->n - 1], t->sum[t->n], 0, 1, cols);
    }
}


/* cols columns from x on; their sums to y. */
static void
red_tree(const maas_step_t *s, const red_walk_t *w, int fn, float *y,
    const float *x, int64_t cols)
{
    float      *sum = NULL;
    int64_t     off = 0, in = 0, idx[MAAS_RANK_MAX] = { 0 }, block, rows;
    red_tree_t  t;

    t.n = 0;
    t.blocks = 0;
    block = maas_max(w->count >> (RED_DEPTH - 2), RED_BLOCK);

    do {
        if (in == 0) {
            sum = t.sum[t.n++];
            memset(sum, 0, (size_t) cols * sizeof(float));
        }

        rows = maas_min(w->red[0] - idx[0], block - in);
        s->k->fold[fn](sum, x + off, w->rstride[0], rows, cols);
        in += rows;

        if (in == block) {
            red_tree_close(s->k, &t, cols);
            in = 0;
        }
    } while (red_skip(w, rows, idx, &off));

    while (t.n > 1) {
        t.n--;
        s->k->fold[MAAS_R_SUM](t.sum[t.n - 1], t.sum[t.n], 0, 1, cols);
    }

    memcpy(y, t.sum[0], (size_t) cols * sizeof(float));
}


void
red_outer_sums(const maas_step_t *s, const red_walk_t *w, int fn, int64_t lo,
    int64_t hi)
{
    int64_t  n;

    for (int64_t i = lo; i < hi; i += n) {
        n = maas_min(w->kept[0] - i % w->kept[0], hi - i);
        n = maas_min(n, RED_COLS);
        red_tree(s, w, fn, (float *) s->out[0].data + i,
                 (const float *) s->in[0].data + red_offset(w, i), n);
    }
}
