/*
 * Shared by the files of pooling: kernels over blocked activations.
 */

#ifndef MAAS_POOL_H
#define MAAS_POOL_H

#include "ops/window.h"


/* pool_blocked.c */
bool pool_blocked_setup(maas_setup_t *u);
bool averagepool_blocked_setup(maas_setup_t *u);
maas_status_t maxpool_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t averagepool_blocked_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);
bool global_blocked_setup(maas_setup_t *u);
maas_status_t globalaverage_blocked_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);

#endif
