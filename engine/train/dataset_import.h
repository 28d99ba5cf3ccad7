/*
 * dataset_import.h: what the importers share: text that is read piece by
 * piece, and cells whose kinds are found out.
 *
 * Ownership: each object owns what it opened until it is closed.
 * Threads:   one thread.
 */

#ifndef MAAS_DATASET_IMPORT_H
#define MAAS_DATASET_IMPORT_H

#include "train/dataset.h"


#define MAAS_IMPORT_RECORD  (16u << 20)     /* bytes of a row of text */
#define MAAS_IMPORT_FILE    (256u << 20)    /* bytes of an image file */

/* One import. */
typedef struct {
    const maas_host_t    *host;
    const char *const    *source;
    int                   n_source;
    const char           *path;
    const maas_dataset_import_t  *o;
    maas_err_t           *err;
} maas_import_job_t;

maas_status_t maas_import_csv(maas_import_job_t *j);
maas_status_t maas_import_json(maas_import_job_t *j, bool lines);
maas_status_t maas_import_npy(maas_import_job_t *j);
maas_status_t maas_import_images(maas_import_job_t *j);
maas_status_t maas_import_cifar(maas_import_job_t *j);

/* MAAS_ECANCEL when it is to end. */
maas_status_t maas_import_tick(maas_import_job_t *j, uint64_t done,
    uint64_t of);


/* -- text ---------------------------------------------------------------- */

/* A file, gzip or not, of which [pos, end) is in memory. */
typedef struct {
    maas_import_job_t  *job;
    const char         *path;
    int                 fd;
    void               *gz;         /* gzFile */
    char               *buf;
    size_t              cap;
    size_t              limit;      /* of what is kept at a time */
    char               *pos, *end;
    uint64_t            taken;      /* bytes read so far, unpacked */
    uint64_t            size;       /* of the file */
    bool                eof;        /* nothing comes behind end */
} maas_text_t;

maas_status_t maas_text_open(maas_text_t *t, maas_import_job_t *j,
    const char *path, size_t limit);
void maas_text_close(maas_text_t *t);
maas_status_t maas_text_rewind(maas_text_t *t);

/*
 * Reads behind end; [pos, end) is kept and moves, pos and end with it.
 * MAAS_ELIMIT when that is `limit` bytes already: the caller words it.
 */
maas_status_t maas_text_more(maas_text_t *t);


/* -- cells --------------------------------------------------------------- */

typedef enum {
    CELL_NONE = 0,              /* nothing seen but missing values */
    CELL_BOOL,
    CELL_INTEGER,
    CELL_NUMBER,
    CELL_TEXT,
    CELL_LIST                   /* numbers of a shape */
} maas_cell_t;

typedef struct {
    maas_str_t  name;
    int8_t      told;           /* maas_col_kind_t; -1: found out */
    uint8_t     cell;           /* maas_cell_t so far */
    uint8_t     made;           /* maas_col_kind_t of the writer's column */
    bool        mixed;          /* other values beside text were seen */
    char        note[160];
    char        sample[44];     /* the first text */
    uint64_t    line;           /* where it was */
    uint64_t    first;          /* line of the first value */
    int8_t      rank;           /* LIST */
    int64_t     dims[MAAS_RANK_MAX];
} maas_cell_column_t;

/*
 * Kinds are guessed from the beginning; where a later cell does not fit, the
 * rest is only looked at, and all is done once more: redo says so.
 */
typedef struct {
    maas_import_job_t      *job;
    const char             *path;       /* of the source */
    maas_arena_t            mem;
    maas_cell_column_t     *column;
    int                     n, cap;
    maas_dataset_writer_t  *w;          /* NULL: looking only */
    bool                    by_column;
    bool                    redo;
    uint64_t                line;       /* of the cell, for messages */
    const char             *what;       /* "line", "row" */
} maas_cells_t;

void maas_cells_init(maas_cells_t *c, maas_import_job_t *j,
    const char *path);
void maas_cells_close(maas_cells_t *c);

/* Finds or adds a column; a name that is new while writing needs a redo. */
maas_status_t maas_cells_column(maas_cells_t *c, maas_str_t name,
    int *column);

/* Columns that options name must be there; then cells are written. */
maas_status_t maas_cells_begin(maas_cells_t *c);

/* Text of CSV: kinds and missing values are found out. */
maas_status_t maas_cells_put(maas_cells_t *c, int column, maas_str_t s,
    bool quoted);

/* Values that have their kind. */
maas_status_t maas_cells_text(maas_cells_t *c, int column, maas_str_t s);
maas_status_t maas_cells_integer(maas_cells_t *c, int column, int64_t v);
maas_status_t maas_cells_number(maas_cells_t *c, int column, double v);
maas_status_t maas_cells_bool(maas_cells_t *c, int column, bool v);
maas_status_t maas_cells_list(maas_cells_t *c, int column, int rank,
    const int64_t *dims, const double *v);
maas_status_t maas_cells_missing(maas_cells_t *c, int column);

maas_status_t maas_cells_row(maas_cells_t *c);      /* the row ends */

/* Writes the dataset, or sets *again: rewind and put everything again. */
maas_status_t maas_cells_end(maas_cells_t *c, bool *again);

#endif
