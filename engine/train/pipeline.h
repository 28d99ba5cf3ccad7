/*
 * pipeline: from columns of a dataset to the matrix that an estimator learns
 * from, by steps that learn from the same rows and are written as ONNX nodes
 * before the estimator's: imputing, scaling, one-hot, TF-IDF, PCA.
 *
 * While it is fitted, the data are blocks: one of all numeric features and
 * one for each column of text.  A step works on the columns that it names,
 * or on all that it fits.  Categories that no step encodes are encoded
 * one-hot.  At the end the blocks stand side by side.
 *
 * The model has one input "X" [N,p] when all features are numbers, else an
 * input [N,1] for each feature, called as its column: float32 for numbers,
 * strings for text.
 *
 * Ownership: everything lies in the arena.
 * Threads:   one thread, which may be a member of the team.
 */

#ifndef MAAS_PIPELINE_H
#define MAAS_PIPELINE_H

#include "train/dataset.h"
#include "train/estimator.h"


typedef struct {
    const maas_dataset_t  *ds;
    const int             *column;      /* features */
    int                    n_column;
    maas_rows_t            rows;        /* to learn from */
    const json_t          *steps;       /* an array of objects, or NULL */

    uint64_t               seed;
    int                    threads;
    maas_team_t           *team;
    maas_ranks_t          *ranks;       /* that fit the same; NULL: alone */
    const atomic_bool     *cancel;
    maas_build_t          *build;
    maas_arena_t          *arena;
    const maas_host_t     *host;
    maas_buf_t            *summary;     /* as in maas_fit_job_t; NULL */

    /* Answers. */
    double                *x;           /* n x p, as the steps made it */
    int64_t                n, p;
    maas_str_t             value;       /* in build: float32 [N,p] */
    const maas_str_t      *feature;     /* names of the p columns */
    bool                   matrix;      /* the model's input is "X" ... */
    const maas_str_t      *input;       /* ... of these features */
    int64_t                n_input;
    bool                   missing;     /* x holds NaN */
} maas_pipeline_t;

maas_status_t maas_pipeline_fit(maas_pipeline_t *p, maas_err_t *err);

/*
 * The inputs of rows for the model that was written: one tensor "X", or one
 * for each feature.  in[]: n_column of them at most; *n_in is set.
 */
maas_status_t maas_pipeline_inputs(const maas_dataset_t *ds,
    const int *column, int n_column, const maas_rows_t *rows,
    maas_arena_t *a, maas_tensor_t *in, int *n_in, maas_err_t *err);


/* -- steps --------------------------------------------------------------- */

typedef struct {
    bool               text;
    int64_t            width;
    double            *x;               /* n x width */
    maas_str_t        *s;               /* text: n, missing: len 0 */
    const maas_str_t  *name;            /* of each column */
    maas_str_t         value;           /* float32 [N,width]; string [N,1] */
} maas_pipe_block_t;

typedef struct {
    maas_pipeline_t    *p;
    maas_pipe_block_t  *block;
    int                 n_block;
    int                 cap_block;
    const void         *param;          /* the row's struct */
    const char         *where;          /* "pipeline[1] (scale)" */
    maas_err_t         *err;
} maas_pipe_t;

typedef struct {
    const char          *name;
    const char          *about;
    const maas_param_t  *param;
    uint8_t              n_param;
    uint16_t             param_size;
    maas_status_t      (*fit)(maas_pipe_t *c);
} maas_pipe_row_t;

/* Each closed by a row without a name. */
extern const maas_pipe_row_t  maas_pipe_number_rows[];
extern const maas_pipe_row_t  maas_pipe_category_rows[];
extern const maas_pipe_row_t  maas_pipe_text_rows[];

/* Every step but the estimators that transform. */
const maas_pipe_row_t *maas_pipe_next(const maas_pipe_row_t *after);

/*
 * Is column `name` among those that the step names (none: all)?  After a
 * step has asked for all blocks, maas_pipe_named() finds names that no block
 * has.
 */
bool maas_pipe_takes(const maas_param_texts_t *columns, maas_str_t name);
maas_status_t maas_pipe_named(const maas_pipe_t *c,
    const maas_param_texts_t *columns, bool text, bool number);

/* A new block at the end; NULL: no memory. */
maas_pipe_block_t *maas_pipe_add(maas_pipe_t *c);

/* Order of bytes: below 0, 0 or above. */
int maas_pipe_order(maas_str_t a, maas_str_t b);

/* "color=red"; without memory the column alone. */
maas_str_t maas_pipe_name(maas_arena_t *a, maas_str_t column,
    maas_str_t value);

/* One-hot encoding of text block b, which becomes a block of numbers. */
maas_status_t maas_pipe_one_hot(maas_pipe_t *c, int b);

#endif
