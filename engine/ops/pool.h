/*
 * Shared by the files of pooling.
 */

#ifndef MAAS_POOL_H
#define MAAS_POOL_H

#include "ops/window.h"


/*
 * pool.c: leaves out taps at both ends of a window that lie outside of the
 * input at every output: kernel_shape is a number in a file, of which the
 * work should not depend.  What counts pads needs the geometry before.
 */
void maas_pool_trim(maas_window_t *w);

/*
 * pool.c: taps of output position o on axis d that an average counts, with
 * the pads or without; the product of those of row o over the other axes.
 */
int64_t maas_pool_count(const maas_window_t *w, int d, int64_t o, bool pads);
int64_t maas_pool_count_row(const maas_window_t *w, int64_t o, bool pads);

/*
 * pool_rows.c: maxima or sums (op: MAX or SUM) of one plane; bytes of scratch.
 */
size_t maas_pool_scratch(const maas_window_t *w);
void maas_pool_rows(const maas_window_t *w, const maas_kernels_t *k,
    maas_reduce_t op, float *y, const float *x, float *scratch);

/*
 * pool_blocked.c: the window over a plane of blocks of 16 channels; p: what is
 * read, its x, y and rows not set; full: what an average counts.
 */
void pool_blocked_geom(maas_win16_t *p, maas_window_t *full, const void *attr,
    const maas_tensor_t *x, const maas_tensor_t *y);
bool pool_blocked_setup(maas_setup_t *u);
bool averagepool_blocked_setup(maas_setup_t *u);
maas_status_t maxpool_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t averagepool_blocked_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);
bool pool_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r);
bool averagepool_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r);
void maxpool_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b);
void averagepool_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b);
bool global_blocked_setup(maas_setup_t *u);
maas_status_t globalaverage_blocked_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);

/* qpool.c: of 8-bit numbers */
bool qpool_setup(maas_setup_t *u);
maas_status_t qpool_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

#endif
