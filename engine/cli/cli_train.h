/*
 * cli_train.h: what maas train and maas tune share.
 *
 * Ownership: the caller's.
 * Threads:   the main thread; a run is on a team.
 */

#ifndef MAAS_CLI_TRAIN_H
#define MAAS_CLI_TRAIN_H

#include <stdatomic.h>

#include "base/base.h"


/* Every row that a specification may name, as JSON on stdout. */
int cli_train_describe(void);

/*
 * From now on SIGINT and SIGTERM set the flag that is returned, and a full
 * disk is an error text.
 */
const atomic_bool *cli_train_signals(void);

/* run() on a member of a team of so many threads; of 1: without a team. */
maas_status_t cli_train_on_team(int threads,
    maas_status_t (*run)(void *ctx, maas_team_t *team, maas_err_t *err),
    void *ctx, maas_err_t *err);

#endif
