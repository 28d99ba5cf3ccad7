/*
 * ranks_norm: batch normalization whose batch is shared among processes: see
 * ops/norm_ranks.c.
 *
 * Threads: one thread.
 */

#ifndef MAAS_RANKS_NORM_H
#define MAAS_RANKS_NORM_H

#include "graph/pass/pass.h"


/*
 * Cuts every maas.BatchNormTrain of the graph and its gradient where sums of
 * all processes are needed; *n: how many sums, in each of two directions.
 * After the autodiff; types are to be inferred again.
 */
maas_status_t maas_ranks_norm(maas_pass_t *p, uint32_t *n);

#endif
