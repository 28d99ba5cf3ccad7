/*
 * dataset: rows and columns on disk, mapped read-only, so that data may be
 * larger than memory.  One file:
 *
 *   header | columns' data, each part aligned to 64 | strings | column table
 *
 * A column is contiguous.  All numbers are little-endian.  A dataset is
 * written once, under no name, and appears whole or not at all.
 * docs/datasets.md describes kinds, importers and the format.
 *
 * Ownership: an open dataset owns its mapping; columns, names and strings
 *            point into it and live until maas_dataset_close().
 * Threads:   an open dataset is immutable: any number of threads may read.
 *            A writer belongs to one thread.
 */

#ifndef MAAS_DATASET_H
#define MAAS_DATASET_H

#include <stdatomic.h>

#include "tensor/tensor.h"


#define MAAS_DATASET_COLUMNS  100000    /* at most */
#define MAAS_DATASET_CLASSES  65536     /* of a category, at most */
#define MAAS_DATASET_VALUES   256       /* of an integer column, counted */
#define MAAS_DATASET_BUDGET   (64u << 20)   /* a writer's blocks, bytes */
#define MAAS_DATASET_DICT     (16u << 20)   /* classes of all columns, bytes */

typedef enum {
    MAAS_COL_NUMBER = 0,        /* float64; missing: NaN */
    MAAS_COL_INTEGER,           /* int64 */
    MAAS_COL_BOOL,              /* uint8: 0, else true */
    MAAS_COL_CATEGORY,          /* int32 code of a class; missing: -1 */
    MAAS_COL_TEXT,              /* bytes, UTF-8 as a rule */
    MAAS_COL_TENSOR,            /* a tensor of one shape and type a row */
    MAAS_COL_KINDS
} maas_col_kind_t;

const char *maas_col_kind_name(maas_col_kind_t kind);   /* "number" */
bool maas_col_kind_find(maas_str_t name, maas_col_kind_t *kind);

/*
 * Of the values that are not missing.  std divides by n, as scikit-learn's
 * StandardScaler does; infinities are counted and left out of the others.
 * NUMBER, INTEGER, BOOL: values; TENSOR: elements; TEXT: lengths in bytes;
 * CATEGORY: nothing but missing.
 */
typedef struct {
    int64_t  missing;           /* rows without a value */
    int64_t  infinite;
    double   min, max;
    double   mean, std;
} maas_col_stats_t;

typedef struct {
    maas_str_t          name;
    maas_str_t          note;       /* why it has its kind; may be empty */
    uint8_t             kind;       /* maas_col_kind_t */
    uint8_t             dtype;      /* TENSOR: of an element; else of data */
    uint8_t             rank;       /* TENSOR: without the rows */
    uint8_t             image;      /* TENSOR: uint8 [H,W,C] of an image */
    int64_t             dims[MAAS_RANK_MAX];
    size_t              width;      /* elements a row; 1 but for TENSOR */
    size_t              item;       /* bytes a row; 0: TEXT */
    const void         *data;       /* rows * item bytes; NULL: TEXT */
    /* Bit r % 64 of word r / 64; NULL: every row has a value. */
    const uint64_t     *present;
    /* CATEGORY: classes in ascending order of bytes, unless the source had
     * an order of its own.  INTEGER of at most MAAS_DATASET_VALUES values:
     * these, ascending.  BOOL: false and true.  Else n_class is 0. */
    uint32_t            n_class;
    const int64_t      *count;      /* rows of each class */
    const int64_t      *value;      /* INTEGER: of each class */
    maas_col_stats_t    stats;
    /* TEXT, and the classes' names: string i is [off[i], off[i + 1]). */
    const uint64_t     *off;
    const char         *bytes;
    uint64_t            n_bytes;
} maas_column_t;

typedef struct maas_dataset_s  maas_dataset_t;

/*
 * Checks header, table and every offset, not the digest.  Whatever the
 * bytes are, no accessor below reads outside of them.
 */
maas_status_t maas_dataset_open(maas_dataset_t **out,
    const maas_host_t *host, const char *path, maas_err_t *err);

/* The same over bytes that the caller keeps; aligned to 64. */
maas_status_t maas_dataset_view(maas_dataset_t **out,
    const maas_host_t *host, const void *p, size_t size, maas_err_t *err);
void maas_dataset_close(maas_dataset_t *ds);    /* NULL is fine */

int64_t maas_dataset_rows(const maas_dataset_t *ds);
int maas_dataset_columns(const maas_dataset_t *ds);
const maas_column_t *maas_dataset_column(const maas_dataset_t *ds, int i);
size_t maas_dataset_bytes(const maas_dataset_t *ds);

/*
 * SHA-256 of schema, statistics and data, made when it was written: equal
 * content, equal digest, wherever it came from.  verify() recomputes it.
 */
const uint8_t *maas_dataset_digest(const maas_dataset_t *ds);
maas_status_t maas_dataset_verify(const maas_dataset_t *ds, maas_err_t *err);

/* MAAS_ENOENT names what there is, and the nearest name. */
maas_status_t maas_dataset_find(const maas_dataset_t *ds, maas_str_t name,
    int *column, maas_err_t *err);


/* -- values -------------------------------------------------------------- */

/* Row r of a column of any kind has a value. */
bool maas_column_has(const maas_column_t *c, int64_t r);

/* TEXT: row r's; CATEGORY: its class's name.  Missing: data NULL, len 0. */
maas_str_t maas_column_text(const maas_column_t *c, int64_t r);

/* Name of class k; integers print into tmp. */
maas_str_t maas_column_class(const maas_column_t *c, uint32_t k,
    char tmp[32]);

/*
 * Rows are named by an array of n indices, NULL: rows first, first + 1, ...
 * An index outside of the dataset is MAAS_EINVAL.
 */
typedef struct {
    const int64_t  *index;
    int64_t         first;
    int64_t         n;
} maas_rows_t;

/*
 * Chosen columns side by side, row-major: NUMBER, INTEGER, BOOL as they are,
 * CATEGORY its code, TENSOR of numbers flattened; missing: NaN.  TEXT is
 * MAAS_EINVAL.  ld: elements from row to row, at least the sum of widths.
 */
size_t maas_dataset_width(const maas_dataset_t *ds, const int *column,
    int n_column);
maas_status_t maas_dataset_numbers(const maas_dataset_t *ds,
    const int *column, int n_column, const maas_rows_t *rows, double *out,
    size_t ld, maas_err_t *err);

/* The same as float32, for networks. */
maas_status_t maas_dataset_floats(const maas_dataset_t *ds,
    const int *column, int n_column, const maas_rows_t *rows, float *out,
    size_t ld, maas_err_t *err);

/* Raw items of one column that is not TEXT, item bytes each. */
maas_status_t maas_dataset_items(const maas_dataset_t *ds, int column,
    const maas_rows_t *rows, void *out, maas_err_t *err);

/* TEXT or CATEGORY: views; missing: len 0. */
maas_status_t maas_dataset_texts(const maas_dataset_t *ds, int column,
    const maas_rows_t *rows, maas_str_t *out, maas_err_t *err);

/*
 * A column as class labels: CATEGORY, BOOL, INTEGER, a NUMBER whose values
 * are all integral, or TEXT of few values.  Classes that no row has are
 * kept in a CATEGORY.  Lists lie in the arena.  More than `limit` classes
 * (0: MAAS_DATASET_CLASSES) are MAAS_ELIMIT.
 */
typedef struct {
    int                column;
    int                n;
    const maas_str_t  *name;        /* of each; NULL: integers */
    const int64_t     *integer;     /* of each, ascending; NULL: names */
    const int64_t     *count;       /* rows of each */
} maas_classes_t;

maas_status_t maas_dataset_classes(const maas_dataset_t *ds, int column,
    int limit, maas_arena_t *a, maas_classes_t *out, maas_err_t *err);

/* Index of each row's class; -1: missing, or none of them. */
maas_status_t maas_dataset_labels(const maas_dataset_t *ds,
    const maas_classes_t *classes, const maas_rows_t *rows, int32_t *out,
    maas_err_t *err);


/* -- splits -------------------------------------------------------------- */

typedef enum {
    MAAS_SPLIT_RANDOM = 0,      /* by seed */
    MAAS_SPLIT_GROUP,           /* rows of a group stay together */
    MAAS_SPLIT_TIME             /* train before validation before test */
} maas_split_by_t;

/*
 * Rows for which `skip` is set (a bitmap as in maas_column_t; NULL: none)
 * are left out.  Shares are of the rest; both may be 0, their sum is < 1.
 */
typedef struct {
    maas_split_by_t   by;
    double            validation, test;
    int               column;       /* GROUP, TIME: of this column */
    int               stratify;     /* RANDOM: equal shares of the classes
                                       of this column; -1: no */
    uint64_t          seed;
    const uint64_t   *skip;
} maas_split_spec_t;

/* Indices ascend; in TIME order they follow the column. */
typedef struct {
    const int64_t  *train, *validation, *test;
    int64_t         n_train, n_validation, n_test;
} maas_split_t;

/*
 * A function of the data and of spec alone.  RANDOM: a class of n rows
 * gives share * n of them, rounded so that the sum is share * all.  GROUP:
 * groups in random order fill test, then validation, up to their share.
 * TIME: numbers, integers or text (ISO 8601 sorts by bytes); rows of equal
 * time stay together, on the later side.
 */
maas_status_t maas_dataset_split(const maas_dataset_t *ds,
    const maas_split_spec_t *spec, maas_arena_t *a, maas_split_t *out,
    maas_err_t *err);

/*
 * Fold i of k (2 <= k): train and validation out of all rows but the test
 * share, which is the same in every fold.  RANDOM and GROUP: every such row
 * is in exactly one validation part.  TIME: the rows lie in k + 1 parts;
 * part i + 1 is validated after training on those before it.
 * spec->validation is not used.
 */
maas_status_t maas_dataset_fold(const maas_dataset_t *ds,
    const maas_split_spec_t *spec, int k, int i, maas_arena_t *a,
    maas_split_t *out, maas_err_t *err);

/* order[0 .. n) in the order of an epoch: a permutation by (seed, epoch). */
void maas_dataset_shuffle(int64_t *order, int64_t n, uint64_t seed,
    uint64_t epoch);


/* -- writing ------------------------------------------------------------- */

typedef struct {
    maas_str_t         name;        /* copied; not empty, each once */
    uint8_t            kind;        /* maas_col_kind_t */
    uint8_t            dtype;       /* TENSOR */
    uint8_t            rank;
    uint8_t            image;
    bool               fixed;       /* never TEXT for CATEGORY or reverse */
    int64_t            dims[MAAS_RANK_MAX];
    /* CATEGORY: classes in this order, copied; others may not be put. */
    const maas_str_t  *class_name;
    uint32_t           n_class;
} maas_column_spec_t;

typedef struct maas_dataset_writer_s  maas_dataset_writer_t;

/*
 * Nothing stands under `path` before commit().  Blocks of cells are bounded
 * by budget (0: MAAS_DATASET_BUDGET); the rest goes to a file without a name
 * in the same folder.
 *
 * Cells are put in any order of columns, each at most once, then the row is
 * ended; cells that were not put are missing.  Errors are sticky: put calls
 * do nothing after one, end_row() and commit() report it.  An INTEGER column
 * that is given a number becomes NUMBER.  A CATEGORY of too many values
 * becomes TEXT, unless it is fixed.
 */
maas_status_t maas_dataset_create(maas_dataset_writer_t **out,
    const maas_host_t *host, const char *path,
    const maas_column_spec_t *column, int n_column, size_t budget,
    maas_err_t *err);

void maas_dataset_put_number(maas_dataset_writer_t *w, int column, double v);
void maas_dataset_put_integer(maas_dataset_writer_t *w, int column,
    int64_t v);
void maas_dataset_put_bool(maas_dataset_writer_t *w, int column, bool v);
void maas_dataset_put_text(maas_dataset_writer_t *w, int column,
    maas_str_t v);                      /* CATEGORY and TEXT */
void maas_dataset_put_code(maas_dataset_writer_t *w, int column, int32_t v);
void maas_dataset_put_item(maas_dataset_writer_t *w, int column,
    const void *item);                  /* TENSOR */
maas_status_t maas_dataset_end_row(maas_dataset_writer_t *w,
    maas_err_t *err);

/*
 * For sources that give one column after another: between create() and
 * commit(), cells of a column are put one behind the other and rows are not
 * ended.  All columns must get as many; missing() puts a cell without value.
 */
void maas_dataset_by_column(maas_dataset_writer_t *w);
void maas_dataset_put_missing(maas_dataset_writer_t *w, int column);

/* A remark that is kept with the column; copied. */
void maas_dataset_note(maas_dataset_writer_t *w, int column, maas_str_t s);

/*
 * Statistics, digest, fsync, and the name: an older file of this name is
 * replaced.  The writer is gone afterwards, whatever the outcome.
 */
maas_status_t maas_dataset_commit(maas_dataset_writer_t *w,
    maas_err_t *err);
void maas_dataset_discard(maas_dataset_writer_t *w);    /* NULL is fine */

/* Chosen rows as a dataset of their own: same columns, same classes. */
maas_status_t maas_dataset_copy(const maas_dataset_t *ds,
    const maas_rows_t *rows, const char *path, size_t budget,
    maas_err_t *err);


/* -- importing ----------------------------------------------------------- */

typedef enum {
    MAAS_IMPORT_AUTO = 0,       /* by name and first bytes */
    MAAS_IMPORT_CSV,            /* also TSV; gzip is seen through */
    MAAS_IMPORT_JSON,           /* [{..},..] rows or {"a":[..],..} columns */
    MAAS_IMPORT_JSONL,          /* an object a line */
    MAAS_IMPORT_NPY,            /* an array; npz: one a column */
    MAAS_IMPORT_IMAGES,         /* a folder or tar, a folder a class */
    MAAS_IMPORT_CIFAR10         /* data_batch_*.bin, or a folder of them */
} maas_import_format_t;

typedef struct {
    maas_str_t  column;
    uint8_t     kind;           /* maas_col_kind_t */
} maas_import_kind_t;

typedef struct {
    maas_import_format_t        format;
    char                        separator;  /* CSV; 0: found out */
    int8_t                      header;     /* CSV; -1: found out, 0, 1 */
    const maas_str_t           *missing;    /* words besides the usual */
    size_t                      n_missing;
    const maas_import_kind_t   *kind;       /* of columns, as told */
    size_t                      n_kind;
    uint32_t                    width, height;  /* of images; 0: as found,
                                                   all alike */
    bool                        gray;
    size_t                      record;     /* bytes of a row of text, at
                                               most; 0: 16 Mi */
    size_t                      budget;
    void                      (*progress)(void *ctx, uint64_t done,
                                          uint64_t of);
    void                       *progress_ctx;
    const atomic_bool          *cancel;     /* NULL, or polled */
} maas_dataset_import_t;

/*
 * Files or folders into the dataset `path`: several NPY files are a column
 * each, several of CIFAR10 follow one another, of other formats there is
 * one.  Errors name file, line and column; then nothing is left behind.
 */
maas_status_t maas_dataset_import(const maas_host_t *host,
    const char *const *source, int n_source, const char *path,
    const maas_dataset_import_t *options, maas_err_t *err);

#endif
