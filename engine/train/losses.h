/*
 * losses: what training makes small.  Rows of a table, written into a graph
 * as nodes of ops/train_loss.c.
 *
 * A last Sigmoid (binary_crossentropy) or Softmax (categorical_crossentropy)
 * of the model is left out of the loss, which takes what goes into it: the
 * same function, but finite everywhere.  A model that ends otherwise gives
 * logits to them.
 *
 * Ownership: the arena's.
 * Threads:   one thread.
 */

#ifndef MAAS_LOSSES_H
#define MAAS_LOSSES_H

#include "graph/pass/pass.h"
#include "train/params.h"


typedef enum {
    MAAS_TARGET_NUMBERS = 0,    /* float32 of the result's shape */
    MAAS_TARGET_BINARY,         /* the same, 0 or 1 (or between) */
    MAAS_TARGET_SIGNS,          /* the same, 0 or 1, or -1 and 1 */
    MAAS_TARGET_CLASSES         /* int64 classes, or float32 as NUMBERS */
} maas_target_kind_t;

typedef struct maas_loss_row_s  maas_loss_row_t;

typedef struct {
    const maas_loss_row_t  *row;
    double                  delta;
    double                  smoothing;
    const json_t           *class_weight;   /* "balanced", list or object */
} maas_loss_t;

struct maas_loss_row_s {
    const char          *name;
    const char          *alias;         /* "mse"; NULL: none */
    const char          *about;
    const maas_param_t  *param;
    uint8_t              n_param;
    maas_target_kind_t   target;
    const char          *kind;          /* of maas.Loss; NULL: SoftmaxLoss */
    const char          *folds;         /* last operator that is left out */
};

extern const maas_loss_row_t  maas_loss_rows[];

/* A name or an object.  Errors begin with "loss". */
maas_status_t maas_loss_parse(maas_arena_t *a, const json_t *spec,
    maas_loss_t *l, maas_err_t *err);

/*
 * Appends the loss of value `result` (inferred) for target: a scalar, the
 * mean over the batch.  weight: of each item, float32 [N], or MAAS_NOVAL.
 */
maas_status_t maas_loss_emit(maas_pass_t *p, const maas_loss_t *l,
    maas_vid_t result, maas_vid_t target, maas_vid_t weight,
    maas_vid_t *loss);

#endif
