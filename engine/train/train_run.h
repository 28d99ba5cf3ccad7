/*
 * train_run: a specification from data to a new version in the store.
 *
 *   STORE/NAME/VERSION/   model.onnx model.json labels.txt lineage.json
 *   STORE/NAME/.train/    checkpoint, imported data, a lock
 *
 * Ownership: the job is the caller's; all else is freed before run returns.
 * Threads:   maas_train_run() on a member of the team, or without one; one
 *            run of a model at a time, by the lock.
 *
 * Of several ranks the first alone imports, locks, writes and tells; the
 * others open what it imported.  An error of one is met by the caller: see
 * ranks.h.
 */

#ifndef MAAS_TRAIN_RUN_H
#define MAAS_TRAIN_RUN_H

#include "train/dataset_feed.h"
#include "train/finetune.h"
#include "train/network.h"
#include "train/pipeline.h"
#include "train/spec.h"
#include "train/trainer.h"
#include "train/version_write.h"


typedef enum {
    MAAS_TRAIN_IMPORT = 0,      /* done, of: bytes */
    MAAS_TRAIN_BEGIN,           /* everything is ready; text: what is made */
    MAAS_TRAIN_STEP,
    MAAS_TRAIN_EPOCH,           /* text: a JSON object of the epoch */
    MAAS_TRAIN_FIT,             /* an estimator; done, of */
    MAAS_TRAIN_FOLD,            /* a fold is done; text: its JSON object */
    MAAS_TRAIN_EPISODES,        /* an agent; done, of; text: an object */
    MAAS_TRAIN_DONE             /* text: the result, a JSON object */
} maas_train_event_kind_t;

typedef struct {
    maas_train_event_kind_t   kind;
    uint64_t                  done, of;
    maas_str_t                text;
    const maas_trainer_t     *trainer;  /* STEP, EPOCH */
    int64_t                   fold;     /* 0: none; else from 1 */
    bool                      resumed;  /* BEGIN */
} maas_train_event_t;

typedef struct {
    maas_spec_t             *spec;
    const maas_host_t       *host;
    const char              *store;     /* NULL: the specification's */
    bool                     resume;
    int                      threads;
    maas_team_t             *team;      /* carries the call; NULL: alone */
    maas_ranks_t            *ranks;     /* that share it; NULL: alone */
    const atomic_bool       *cancel;
    void                   (*event)(void *ctx, const maas_train_event_t *e);
    void                    *ctx;
    /*
     * A trial measures and writes no version.  folds, of a trial: it learns
     * without the rows of that fold, from 0, which are its validation; 0:
     * the split of the specification.
     */
    bool                     trial;
    int64_t                  folds, fold;
    /*
     * Of trials that run at the same time: a folder below the work folder,
     * of this one's own; NULL: none.  maas_train_part_end() takes it away.
     */
    const char              *part;
    const char              *search;    /* JSON for lineage.json; NULL */

    /* Answers. */
    json_t                  *metrics;   /* of a trial; the caller's */
    bool                     resumable;         /* checkpoints are written */
    int64_t                  version;
    char                     path[3200];        /* of the version */
} maas_train_job_t;

maas_status_t maas_train_run(maas_train_job_t *job, maas_err_t *err);

/*
 * Of the specification, its data and the model that it goes on from: what a
 * run, or a search, is a function of.  Makes the work folder, whose path is
 * job->path then, and imports the data into it.
 */
maas_status_t maas_train_digest(maas_train_job_t *job,
    uint8_t digest[MAAS_DIGEST], maas_err_t *err);
void maas_train_part_end(const maas_train_job_t *job);

/* Do the processes of mpirun share the fitting of such a model? */
bool maas_train_shared(const json_t *model);


/* -- between its files --------------------------------------------------- */

typedef struct {
    maas_train_job_t        *job;
    maas_arena_t             arena;
    const maas_kernels_t    *k;
    const char              *store;
    char                     work[3200];        /* STORE/NAME/.train */
    int                      lock;
    maas_data_t           *source;
    const maas_data_info_t *info;
    maas_data_rows_t       rows;
    char                    *text;      /* the specification; free() */
    uint8_t                  digest[MAAS_DIGEST];
    /* What was learned, for model.json and lineage.json. */
    const maas_raw_model_t  *model;
    maas_weights_t           weights;   /* of a network: what model points to */
    maas_finetune_t         *tune;      /* NULL: the model is a new one */
    const maas_str_t        *feature;   /* of one input of numbers, ... */
    int64_t                  n_feature;         /* ... 0: it is another */
    bool                     classes;   /* output 0 is scores of classes */
    bool                     labels;    /* names of classes are known */
    bool                     softmax;   /* they are logits */
    maas_buf_t               metrics;   /* members: "loss":0.1,... */
    maas_buf_t               training;  /* members */
    maas_buf_t               history;   /* objects with commas between */
    maas_err_t              *err;
} maas_train_t;

/*
 * The steps before a network: fitted to rows, then run on each batch.  Steps
 * and layers are one model; core() cuts the layers out of it.
 */
typedef struct maas_train_pipe_s  maas_train_pipe_t;

maas_status_t maas_train_pipe_fit(maas_train_pipe_t **out, maas_train_t *t,
    maas_build_t *b, const maas_data_rows_t *rows, maas_layer_value_t *value);
maas_status_t maas_train_pipe_core(maas_train_pipe_t *p, maas_train_t *t,
    const maas_raw_model_t *model, const maas_raw_model_t **core);
/* x: n rows of what the steps make. */
maas_status_t maas_train_pipe_run(maas_train_pipe_t *p, maas_train_t *t,
    const int64_t *row, int64_t n, float *x);
void maas_train_pipe_free(maas_train_pipe_t *p, maas_train_t *t);

/* Do columns of features have numbers that float32 cannot hold? */
maas_status_t maas_train_check_range(const maas_train_t *t);

/* Before an estimator; missing: it takes NaN.  In t's arena. */
maas_status_t maas_train_pipe_matrix(maas_pipeline_t *p, maas_train_t *t,
    maas_build_t *b, bool missing);

maas_status_t maas_train_network(maas_train_t *t);
maas_status_t maas_train_estimator(maas_train_t *t);
maas_status_t maas_train_rl(maas_train_t *t);

/* Rows of validation become rows of training. */
maas_status_t maas_train_all_rows(maas_train_t *t);

/* The version's files; sets job->version and job->path. */
maas_status_t maas_train_write(maas_train_t *t);

void maas_train_event(maas_train_t *t, maas_train_event_kind_t kind,
    const maas_trainer_t *trainer, int64_t fold, maas_str_t text);

/* Appends ,"name":value (no comma at the start); null when not finite. */
void maas_train_put(maas_buf_t *b, const char *name, double v);

#endif
