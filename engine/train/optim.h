/*
 * optim: optimisers and schedules of the learning rate.  Both are tables of
 * rows: specifications, documentation and tests read them.
 *
 * The formulas are those of torch.optim and torch.optim.lr_scheduler (their
 * documentation), computed in float32 with coefficients rounded once.
 *
 * Ownership: nothing is kept but what the caller's structures hold.
 * Threads:   reentrant.
 */

#ifndef MAAS_OPTIM_H
#define MAAS_OPTIM_H

#include "kernels/koptim.h"
#include "train/params.h"


/* -- optimisers ---------------------------------------------------------- */

#define MAAS_OPTIM_MOMENTS  2

typedef struct maas_optim_row_s  maas_optim_row_t;

/* Members that every optimiser has. */
typedef struct {
    double   rate;              /* "learning_rate" */
    double   l1;
    double   l2;
    double   clip_value;        /* 0: none */
    double   clip_norm;         /* 0: none */
    int64_t  accumulate;        /* batches a step */
} maas_optim_common_t;

typedef struct {
    maas_optim_common_t      common;
    const maas_optim_row_t  *row;
    double                   momentum;
    double                   dampening;
    double                   beta1, beta2;
    double                   epsilon;
    double                   decay;         /* adamw, lr_decay of adagrad */
    double                   first;         /* adagrad: v at the start */
    bool                     nesterov;
} maas_optim_t;

struct maas_optim_row_s {
    const char          *name;
    const char          *about;
    const maas_param_t  *param;             /* members of maas_optim_t */
    uint8_t              n_param;
    double               rate;              /* default */
    /* The kernel; which moments it has: bit 0 m, bit 1 v. */
    maas_optim_kernel_t (*kernel)(const maas_optim_t *o);
    /* Coefficients of step t (1, 2, ...) at learning rate lr. */
    void               (*coef)(const maas_optim_t *o, int64_t t, double lr,
                               maas_optim_k_t *c);
};

extern const maas_optim_row_t  maas_optim_rows[];   /* closed by no name */
extern const maas_param_t      maas_optim_common[];
extern const size_t            maas_optim_n_common;

/* "adam", or an object; NULL: adam.  Errors begin with "optimizer". */
maas_status_t maas_optim_parse(maas_arena_t *a, const json_t *spec,
    maas_optim_t *o, maas_err_t *err);

/* Bit 0: m, bit 1: v. */
unsigned maas_optim_moments(const maas_optim_t *o);

/*
 * Coefficients of step t; scale: of the gradient, with what clipping by
 * norm makes of it.  decay: L1, L2 and weight decay apply.
 */
void maas_optim_coef(const maas_optim_t *o, int64_t t, double lr,
    double scale, bool decay, maas_optim_k_t *c);


/* -- schedules ----------------------------------------------------------- */

typedef struct maas_schedule_row_s  maas_schedule_row_t;

typedef struct {
    const maas_schedule_row_t  *row;
    int64_t                     step_size;  /* epochs */
    double                      gamma;
    double                      min_rate;
    int64_t                     epochs;     /* cosine; 0: all */
    int64_t                     patience;
    double                      factor;
    double                      threshold;
    int64_t                     cooldown;
    double                      warmup;     /* epochs */
    double                      warm_from;  /* share of the rate */
} maas_schedule_t;

/* What a checkpoint keeps of a schedule that looks back. */
typedef struct {
    double   factor;            /* the rate, as a share of the first */
    double   best;              /* INFINITY: none yet */
    int64_t  bad;
    int64_t  cool;
} maas_schedule_state_t;

struct maas_schedule_row_s {
    const char          *name;
    const char          *about;
    const maas_param_t  *param;
    uint8_t              n_param;
    /* The share of the first rate in epoch e, of n in all. */
    double             (*share)(const maas_schedule_t *s,
                                const maas_schedule_state_t *st, double e,
                                double n);
};

extern const maas_schedule_row_t  maas_schedule_rows[];
extern const maas_param_t         maas_schedule_common[];
extern const size_t               maas_schedule_n_common;

/* "cosine", or an object; NULL: constant. */
maas_status_t maas_schedule_parse(maas_arena_t *a, const json_t *spec,
    maas_schedule_t *s, maas_err_t *err);

void maas_schedule_begin(maas_schedule_state_t *st);

/*
 * The rate of a step: epoch (0, 1, ...) and the share of it that is done
 * with this step, (0, 1]; only the warm-up goes by steps.
 */
double maas_schedule_rate(const maas_schedule_t *s,
    const maas_schedule_state_t *st, double rate, int64_t epoch, double done,
    int64_t epochs);

/* After an epoch, with the value that is watched; less is better. */
void maas_schedule_epoch(const maas_schedule_t *s, maas_schedule_state_t *st,
    double rate, double value);

#endif
