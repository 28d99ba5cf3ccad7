/*
 * model.h: a mapped model as the dialects and the command see it.  Inside
 * the engine only; hosts see maas.h.
 *
 * Ownership: what is returned lives as long as the model.
 * Threads:   a model does not change; reentrant.
 */

#ifndef MAAS_API_MODEL_H
#define MAAS_API_MODEL_H

#include "maas.h"
#include "graph/graph.h"
#include "proto/port.h"
#include "repo/meta.h"


const maas_port_t *maas_model_inputs(const maas_model_t *m, size_t *n);
const maas_port_t *maas_model_outputs(const maas_model_t *m, size_t *n);
const maas_meta_t *maas_model_meta(const maas_model_t *m);
const maas_limits_t *maas_model_limits(const maas_model_t *m);

/* MAAS_DIGEST bytes that differ when the image does. */
const uint8_t *maas_model_digest(const maas_model_t *m);

/*
 * Checks a tensor against input i: dtype, rank, fixed dims, elements.  The
 * text names input, what came and what was expected.
 */
maas_status_t maas_model_check_input(const maas_model_t *m, size_t i,
    const maas_tensor_t *t, maas_err_t *err);


/*
 * One run: inputs in the order of maas_model_inputs(), all present.  Plans
 * when these shapes have no plan yet.  The run holds its outputs until
 * released.  Any thread; cancel may be NULL.
 */
typedef struct maas_run_s  maas_run_t;

maas_status_t maas_model_run(maas_model_t *m, const maas_tensor_t *in,
    maas_team_t *team, const atomic_bool *cancel, maas_run_t **run,
    maas_err_t *err);

/*
 * Output i; keys (of maps) may be NULL: the 1-D tensor of map keys.  An
 * output may be an input of the run: in[] and its data must live until the
 * run is released.
 */
void maas_run_output(const maas_run_t *run, size_t i, maas_tensor_t *t,
    maas_tensor_t *keys);
void maas_run_release(maas_run_t *run);

/* Estimated ns on one thread; UINT64_MAX when there is no plan. */
uint64_t maas_model_cost(maas_model_t *m, const maas_tensor_t *in);


/*
 * The axis along which requests may be merged; -1: they may not, or
 * maas_model_batch_check() has not answered yet.  Any thread.
 */
int maas_model_batch_axis(const maas_model_t *m);

/*
 * For each output, a bit for each axis that is as long as the padded inputs;
 * NULL: requests of several lengths may not be merged, or
 * maas_model_pad_check() has not answered yet.  Any thread.
 */
const uint8_t *maas_model_pads(const maas_model_t *m);


/* Catalog look-up, for dialects. */
typedef struct {
    maas_str_t      name;
    int64_t         version;
    maas_model_t   *model;          /* NULL: unavailable */
    const char     *reason;
    void           *user;
    maas_stats_t   *stats;
} maas_entry_t;

/* Is there a model of this name, in whatever state? */
bool maas_catalog_has(const maas_catalog_t *c, maas_str_t name);

/*
 * version: integer, label, or empty (label `stable`, else the highest).
 * MAAS_ENOENT with the text that a client should read.
 */
maas_status_t maas_catalog_find(const maas_catalog_t *c, maas_str_t name,
    maas_str_t version, const maas_entry_t **e, maas_err_t *err);

/* Names in order of addition; versions of a name ascending.  NULL: end. */
const maas_entry_t *maas_catalog_next(const maas_catalog_t *c,
    const maas_entry_t *after);

/* Does it draw random numbers, which no two engines draw alike? */
bool maas_model_random(const maas_model_t *m);

#endif
