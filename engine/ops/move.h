/*
 * move.h: what the operators that only move data share: a strided copy of
 * items of 1, 2, 4 or 8 bytes between two views, the split of work into
 * units, and the contents of small integer tensors for infer().
 *
 * Ownership: nothing is allocated; a maas_move_t lies on the stack.
 * Threads:   everything is reentrant; ranges of positions split a move.
 */

#ifndef MAAS_MOVE_H
#define MAAS_MOVE_H

#include "graph/op.h"


#define MAAS_MOVE_RANK  (2 * MAAS_RANK_MAX)

/* Bytes of output that one work unit writes. */
#define MAAS_MOVE_UNIT  65536

typedef enum {
    MAAS_MOVE_COPY = 0,         /* contiguous runs on both sides */
    MAAS_MOVE_FILL,             /* one item repeated along a run */
    MAAS_MOVE_STRIDED,
    MAAS_MOVE_TILES             /* 64 x 64 tiles of a transposition */
} maas_move_mode_t;

/* Axes from the outermost to the innermost; strides in bytes. */
typedef struct {
    maas_move_mode_t  mode;
    int               rank;
    int               across;   /* tiles: the axis contiguous in the source */
    int64_t           item;     /* bytes; may widen in maas_move_close() */
    int64_t           count;    /* positions: what units divide */
    int64_t           dims[MAAS_MOVE_RANK];
    int64_t           ds[MAAS_MOVE_RANK];
    int64_t           ss[MAAS_MOVE_RANK];
} maas_move_t;

void maas_move_init(maas_move_t *m, maas_dtype_t dtype);
void maas_move_axis(maas_move_t *m, int64_t dim, int64_t ds, int64_t ss);

/* After the last axis: joins axes, chooses the mode, counts positions. */
void maas_move_close(maas_move_t *m);

/* Positions [first, last) of [0, m->count). */
void maas_move_run(const maas_move_t *m, const maas_kernels_t *k, void *dst,
    const void *src, int64_t first, int64_t last);

/* n items with the value at `item`. */
void maas_move_fill(void *dst, const void *item, size_t size, int64_t n);


/* Row-major strides in bytes. */
void maas_move_strides(const maas_tensor_t *t, int64_t *strides);

/* `rows` runs of so many bytes (one or more), ds and ss bytes apart. */
void maas_move_block(void *dst, int64_t ds, const void *src, int64_t ss,
    int64_t bytes, int64_t rows);

/* Units of MAAS_MOVE_UNIT bytes of all outputs, and a cost. */
bool maas_move_setup(maas_setup_t *u);

/* Where unit u of `units` starts among `count` positions. */
static inline int64_t
maas_move_start(int64_t count, int64_t units, int64_t u)
{
    return count / units * u + maas_min(u, count % units);
}


/* Element i of an integer tensor; int64 is cut to +-2^62. */
int64_t maas_move_int(const maas_tensor_t *t, int64_t i);

/* The text that an index error has; EINVAL. */
maas_status_t maas_move_bad_index(maas_slot_t *slot, int64_t index,
    int64_t dim);


/*
 * Contents of an int32 or int64 input in row-major order, elements that are
 * not known as MAAS_DIM_NONE; false when not even their number is known, or
 * when there are more than MAAS_IVAL_MAX.
 */
bool maas_ival_get(const maas_infer_t *c, int i, maas_dim_t *v, int *n);

/* Makes them the contents of output o, if it has an integer type. */
void maas_ival_set(maas_infer_t *c, int o, const maas_dim_t *v, int n);

/*
 * The same for an input that must be a vector (or a scalar) of at most max
 * elements, all known or symbolic.  *n is set (or -1) on MAAS_NEED too.
 */
maas_status_t maas_ival_vector(maas_infer_t *c, int i, const char *what,
    int max, maas_dim_t *v, int *n);

/*
 * Axes of an input, each in [0, rank), as a set of bits; a repeated one is
 * an error.  at[] (or NULL) has the axes in order.
 */
maas_status_t maas_ival_axes(maas_infer_t *c, const maas_dim_t *v, int n,
    int rank, uint32_t *set, int *at);

/* Output 0 has the contents of input 0 in the same order. */
void maas_ival_same(maas_infer_t *c);

/* Product of dims; symbolic ones stay symbolic. */
maas_dim_t maas_ival_product(maas_infer_t *c, const maas_dim_t *dims,
    int rank);

#endif
