/*
 * net: a graph in memory that runs, parameters and all: training plans it
 * once for each batch shape and runs the plan at every step.  A model that
 * is served runs from an image instead (api/).
 *
 * Ownership: a net owns its plans and contexts; the graph, and what the data
 *            of constants and parameters point to, must outlive it and stay
 *            where they are.
 * Threads:   one run at a time; a run's steps are split over the team.
 */

#ifndef MAAS_NET_H
#define MAAS_NET_H

#include "base/team.h"
#include "graph/plan.h"


typedef struct maas_net_s  maas_net_t;

/* g: inferred, after the passes. */
maas_status_t maas_net_create(maas_net_t **out, maas_graph_t *g,
    const maas_kernels_t *k, const maas_host_t *host, maas_err_t *err);
void maas_net_destroy(maas_net_t *n);

/*
 * Runs on in[], one tensor for each input of the graph, and sets out[], one
 * for each output.  Their data lie in the net's memory until the next run.
 * team: NULL, or the one whose member calls this.  The first run at new
 * shapes plans; MAAS_EUNSUPPORTED when shapes depend on contents of the run.
 */
maas_status_t maas_net_run(maas_net_t *n, const maas_tensor_t *in,
    maas_team_t *team, maas_tensor_t *out, maas_err_t *err);

/* Of the runs to come; it must outlive them.  NULL: alone, as at first. */
void maas_net_exchange(maas_net_t *n, const maas_exchange_t *exchange);

/* Operations of a step at the last shapes. */
double maas_net_flops(const maas_net_t *n);

/* One step of a run, for reports. */
typedef struct {
    uint32_t              index;        /* in the plan */
    const maas_node_t    *node;
    const maas_tensor_t  *out;          /* the first; NULL: none */
    const char           *kernel;
    uint64_t              ns;
    double                flops;
} maas_net_step_t;

/* seen() is called after every step of the runs to come; NULL: no more. */
void maas_net_watch(maas_net_t *n,
    void (*seen)(void *ctx, const maas_net_step_t *s), void *ctx);

#endif
