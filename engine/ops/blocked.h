/*
 * blocked: what the operators over blocked activations share (domain maas;
 * graph/pass/layout.c puts them in).  A blocked tensor [N, C, ...] lies as
 * [N][(C + 15) / 16][...][16]; see MAAS_FMT_C16.
 *
 * Ownership: plain values.  Threads: reentrant.
 */

#ifndef MAAS_BLOCKED_H
#define MAAS_BLOCKED_H

#include "graph/op.h"


static inline int64_t
maas_blocks(int64_t channels)
{
    return (channels + MAAS_C16 - 1) / MAAS_C16;
}


/* Pixels of a plane: all axes behind the channels. */
static inline int64_t
maas_pixels(const maas_tensor_t *t)
{
    int64_t  n = 1;

    for (int i = 2; i < t->rank; i++) {
        n *= t->dims[i];
    }

    return n;
}


/* Planes of 16 channels: images times blocks. */
static inline int64_t
maas_planes16(const maas_tensor_t *t)
{
    return t->dims[0] * maas_blocks(t->dims[1]);
}


/*
 * A plane of so many rows is two units at least, for two threads, in every
 * operator: each then reads the rows that it wrote.
 */
#define MAAS_HALVES  14

/* Parts of a plane of rows x cols, some `pixels` each. */
static inline int64_t
maas_blocked_parts(int64_t rows, int64_t cols, int64_t pixels)
{
    int64_t  each = maas_max(pixels / maas_max(cols, (int64_t) 1),
                             (int64_t) 1);

    return maas_max((rows + each - 1) / each,
                    (int64_t) (rows < MAAS_HALVES ? 1 : 2));
}


/*
 * Unit u of images x parts of a plane x blocks of channels, blocks fastest:
 * a thread's units are the same rows of all channels, as in a convolution,
 * so that it reads what it wrote.  The plane; *part: which of `parts`.
 */
static inline int64_t
maas_unit16(int64_t u, int64_t blocks, int64_t parts, int64_t *part)
{
    *part = u / blocks % parts;

    return u / (blocks * parts) * blocks + u % blocks;
}


/*
 * The blocked form of an operator with one input, where that is blocked
 * already: a window over a plane or a row.
 */
static inline bool
maas_blocked_window(const maas_node_t *n, const maas_type_t *const *type,
    const char *op, maas_blocked_t *b)
{
    if (!(b->in & 1) || n->n_out != 1 || n->n_post != 0
        || (type[0]->rank != 3 && type[0]->rank != 4))
    {
        return false;
    }

    b->op = op;
    b->in = 1;
    return true;
}


/* binary_blocked.c: of two values whose extents may differ. */
bool maas_add_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b);
bool maas_sub_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b);
bool maas_mul_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b);
bool maas_div_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b);


/* Sets the format of output 0 after the plain operator's infer(). */
static inline maas_status_t
maas_blocked_out(maas_infer_t *c, maas_status_t rc)
{
    if (rc == MAAS_OK) {
        c->out[0].type.format = MAAS_FMT_C16;
    }

    return rc;
}

#endif
