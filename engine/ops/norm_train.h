/*
 * Shared by norm_train.c and norm_train_run.c: the kernels; and what those
 * of norm_ranks.c take of them.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#ifndef MAAS_NORM_TRAIN_H
#define MAAS_NORM_TRAIN_H

#include "ops/norm.h"


/* Of x - shift = d: sums of d, d^2, dy and dy d. */
enum { NT_D, NT_DD, NT_G, NT_GD, NT_SUMS };

/* dx = a dy + b (x - mean) + c */
typedef struct {
    double  a, b, c, mean;
} nt_map_t;


/* Row of n elements at `at`: x is input 1, dy input 0; sum: NT_SUMS. */
void nt_sums(const maas_step_t *s, int64_t at, int64_t n, double shift,
    double *sum);
double nt_mean(const maas_tensor_t *x, int64_t at, int64_t n);
void nt_apply(const maas_step_t *s, int64_t at, int64_t n,
    const nt_map_t *map);

/* Block u of all images: where sums are taken from and their shift. */
void nt_block(const maas_step_t *s, const maas_tensor_t *x,
    const maas_tensor_t *dy, int64_t u, float *shift,
    double sum[NT_SUMS][MAAS_C16]);
void nt_apply16(float *dx, const float *dy, const float *x, int64_t n,
    const nt_map_t *map);

/* Element c of output i, if it is wanted. */
void nt_put(const maas_step_t *s, int i, int64_t c, double v);

/* Outputs 1 and 2, from inputs 3 and 4 and the batch of n elements. */
void nt_running(const maas_step_t *s, int64_t c, double mean, double var,
    double n);

/* Units: channels, or blocks of 16. */
bool nt_setup(maas_setup_t *u);
maas_status_t nt_run_batch(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t nt_run_batch16(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t nt_run_frozen(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t nt_run_train(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t nt_run_train16(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* Units: groups. */
bool nt_setup_group(maas_setup_t *u);
maas_status_t nt_run_group(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

#endif
