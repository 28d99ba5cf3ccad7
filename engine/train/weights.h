/*
 * weights: what training changes, as one flat buffer of float32 with a
 * segment for each initializer of the model.  Gradients and moments have the
 * same layout.  Segments start on multiples of 16 elements.
 *
 * Ownership: the arena owns the list, weights the buffer.
 * Threads:   one thread, but for updates of disjoint parts.
 */

#ifndef MAAS_WEIGHTS_H
#define MAAS_WEIGHTS_H

#include "graph/graph.h"


typedef struct {
    maas_str_t  name;
    int64_t     off;            /* elements */
    int64_t     count;
    bool        trainable;      /* else: statistics, or frozen */
    bool        still;          /* frozen: a constant of the graphs */
    bool        decay;
} maas_segment_t;

typedef struct {
    const maas_host_t  *host;
    maas_segment_t     *seg;
    uint32_t            n;
    int64_t             total;      /* elements of a buffer */
    float              *data;
} maas_weights_t;

/* A buffer of w->total zeros, aligned to 64; free with maas_weights_drop(). */
float *maas_weights_buffer(const maas_weights_t *w);
void maas_weights_drop(const maas_weights_t *w, float *buffer);

/*
 * seg[]: name, trainable, still and decay are set; the rest is found in the
 * model, whose values are the first ones.  MAAS_ENOENT: no float32
 * initializer is called so.
 */
maas_status_t maas_weights_create(maas_weights_t *w, maas_arena_t *a,
    const maas_host_t *host, const maas_raw_model_t *m, maas_segment_t *seg,
    uint32_t n, maas_err_t *err);
void maas_weights_destroy(maas_weights_t *w);

/* The model with the values of `data` (of w's layout), which it points to. */
maas_status_t maas_weights_model(const maas_weights_t *w, maas_arena_t *a,
    const maas_raw_model_t *m, const float *data,
    const maas_raw_model_t **out, maas_err_t *err);

#endif
