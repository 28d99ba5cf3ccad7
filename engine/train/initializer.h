/*
 * initializer: first values of weights.  Element i of weight number w is a
 * function of (seed, w, i), so that a network starts alike wherever it is
 * trained.
 *
 *   glorot   limit sqrt(6 / (fan_in + fan_out)), deviation
 *            sqrt(2 / (fan_in + fan_out)): Glorot and Bengio, 2010
 *   he       sqrt(6 / fan_in), sqrt(2 / fan_in): He et al., 2015
 *   lecun    sqrt(3 / fan_in), sqrt(1 / fan_in): LeCun et al., 1998
 *   normal, uniform   deviation 0.05, limit 0.05
 *   orthogonal        rows or columns of length 1, at right angles: Saxe et
 *                     al., 2013
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#ifndef MAAS_INITIALIZER_H
#define MAAS_INITIALIZER_H

#include "base/base.h"


typedef enum {
    MAAS_INIT_GLOROT_UNIFORM = 0,
    MAAS_INIT_GLOROT_NORMAL,
    MAAS_INIT_HE_UNIFORM,
    MAAS_INIT_HE_NORMAL,
    MAAS_INIT_LECUN_UNIFORM,
    MAAS_INIT_LECUN_NORMAL,
    MAAS_INIT_ZEROS,
    MAAS_INIT_ONES,
    MAAS_INIT_NORMAL,
    MAAS_INIT_UNIFORM,
    MAAS_INIT_ORTHOGONAL
} maas_init_kind_t;

/* By kind, NULL-terminated: words of a parameter table. */
extern const char *const  maas_init_words[];

typedef struct {
    maas_init_kind_t    kind;
    int64_t             rows;       /* ORTHOGONAL: of the matrix */
    int64_t             cols;       /* rows * cols elements in all */
    double              fan_in;
    double              fan_out;
    uint64_t            seed;
    uint32_t            weight;     /* number of the weight */
    const maas_host_t  *host;       /* ORTHOGONAL: scratch */
} maas_init_t;

maas_status_t maas_init_fill(const maas_init_t *in, float *w,
    maas_err_t *err);

#endif
