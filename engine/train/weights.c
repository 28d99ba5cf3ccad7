/*
 * weights.c: see weights.h.
 *
 * Ownership: the arena owns the list, weights the buffer.
 * Threads:   one thread, but for updates of disjoint parts.
 */

#include <stdlib.h>

#include "train/weights.h"


#define WEIGHTS_STEP  16        /* elements: 64 bytes */


float *
maas_weights_buffer(const maas_weights_t *w)
{
    char    *p, *q;
    size_t   bytes = (size_t) w->total * sizeof(float);

    p = maas_alloc(w->host, bytes + 2 * MAAS_ALIGN);
    if (p == NULL) {
        return NULL;
    }

    /* What was taken lies in front of what is given. */
    q = (char *) maas_align((uintptr_t) p + sizeof(void *), MAAS_ALIGN);
    memcpy(q - sizeof(void *), &p, sizeof(void *));
    memset(q, 0, bytes);

    return (float *) q;
}


void
maas_weights_drop(const maas_weights_t *w, float *buffer)
{
    void  *p;

    if (buffer != NULL) {
        memcpy(&p, (char *) buffer - sizeof(void *), sizeof(void *));
        maas_free(w->host, p);
    }
}


static const maas_raw_init_t *
weights_find(const maas_raw_model_t *m, maas_str_t name)
{
    for (uint32_t i = 0; i < m->graph.n_init; i++) {
        if (maas_str_eq(m->graph.init[i].name, name)) {
            return &m->graph.init[i];
        }
    }

    return NULL;
}


maas_status_t
maas_weights_create(maas_weights_t *w, maas_arena_t *a,
    const maas_host_t *host, const maas_raw_model_t *m, maas_segment_t *seg,
    uint32_t n, maas_err_t *err)
{
    const maas_raw_init_t  *init;

    memset(w, 0, sizeof(*w));
    w->host = host;
    w->n = n;
    w->seg = maas_arena_dup(a, seg, maas_max(n, 1u) * sizeof(*seg));

    if (w->seg == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < n; i++) {
        init = weights_find(m, seg[i].name);

        if (init == NULL || init->t.dtype != MAAS_F32) {
            return maas_err(err, MAAS_ENOENT, "the model has no float32 "
                            "weight '%.*s'", (int) maas_min(seg[i].name.len,
                            120u), seg[i].name.data);
        }

        w->seg[i].off = w->total;
        w->seg[i].count = maas_tensor_count(&init->t);

        if (__builtin_add_overflow(w->total, (int64_t) maas_align(
                                       (size_t) w->seg[i].count,
                                       WEIGHTS_STEP), &w->total)
            || w->total > INT64_MAX / 64)
        {
            return maas_err(err, MAAS_ELIMIT, "too many weights");
        }
    }

    w->data = maas_weights_buffer(w);
    if (w->data == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < n; i++) {
        init = weights_find(m, seg[i].name);
        memcpy(w->data + w->seg[i].off, init->t.data,
               (size_t) w->seg[i].count * sizeof(float));
    }

    return MAAS_OK;
}


void
maas_weights_destroy(maas_weights_t *w)
{
    maas_weights_drop(w, w->data);
    memset(w, 0, sizeof(*w));
}


maas_status_t
maas_weights_model(const maas_weights_t *w, maas_arena_t *a,
    const maas_raw_model_t *m, const float *data,
    const maas_raw_model_t **out, maas_err_t *err)
{
    maas_raw_model_t  *copy = maas_arena_dup(a, m, sizeof(*m));

    if (copy == NULL) {
        return maas_err_nomem(err);
    }

    copy->graph.init = maas_arena_dup(a, m->graph.init, maas_max(
                                          m->graph.n_init, 1u)
                                      * sizeof(*m->graph.init));
    if (copy->graph.init == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < copy->graph.n_init; i++) {
        for (uint32_t k = 0; k < w->n; k++) {
            if (maas_str_eq(copy->graph.init[i].name, w->seg[k].name)) {
                copy->graph.init[i].t.data = (void *) (data + w->seg[k].off);
            }
        }
    }

    *out = copy;
    return MAAS_OK;
}
