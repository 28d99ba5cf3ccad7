/*
 * Shared by norm_train.c and norm_train_run.c: the kernels.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#ifndef MAAS_NORM_TRAIN_H
#define MAAS_NORM_TRAIN_H

#include "ops/norm.h"


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
