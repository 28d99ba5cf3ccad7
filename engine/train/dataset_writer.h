/*
 * dataset_writer.h: a dataset on its way: private to dataset_write.c, which
 * takes cells, and dataset_commit.c, which makes the file.
 *
 * Each column fills a block in memory; full blocks go to the spill file.  A
 * block in the spill file is what block_t says: `rows` items (or lengths),
 * then the presence bits, then the bytes of text.
 *
 * Ownership: the writer owns all of it.
 * Threads:   one.
 */

#ifndef MAAS_DATASET_WRITER_H
#define MAAS_DATASET_WRITER_H

#include "train/dataset_format.h"


typedef enum {
    DSW_ITEMS = 0,              /* items of the column's size, bits */
    DSW_INT64,                  /* of a NUMBER: integers, bits */
    DSW_CODES,                  /* int32 of the dictionary as first seen */
    DSW_TEXT                    /* uint32 lengths, DSW_NONE: missing; bytes */
} dsw_form_t;

#define DSW_NONE  UINT32_MAX

typedef struct {
    uint64_t  off;              /* in the spill file */
    uint32_t  rows;
    uint8_t   form;             /* dsw_form_t */
    bool      bits;             /* presence bits are there */
    size_t    text;             /* bytes of text */
} dsw_block_t;

/* Strings by number of first sight. */
typedef struct {
    maas_buf_t   bytes;
    maas_buf_t   end;           /* size_t: of each string */
    maas_buf_t   count;         /* int64_t: rows of each string */
    uint32_t    *slot;          /* number + 1; 0: free */
    uint32_t     n_slot;        /* a power of two */
    uint32_t     n;
} dsw_dict_t;

typedef struct {
    maas_str_t   name;
    maas_str_t   note;
    uint8_t      kind;
    uint8_t      dtype, rank, image;
    bool         fixed;
    bool         coded;         /* CATEGORY, TEXT: blocks are codes */
    bool         closed;        /* no class but those given */
    uint8_t      form;          /* of the block in memory */
    bool         bits;          /* the block has a row without a value */
    int64_t      dims[MAAS_RANK_MAX];
    size_t       width, item;   /* of what is stored: 4 for text */
    uint32_t     cap, n;        /* rows of the block */
    size_t       share;         /* bytes of text until a block is full */
    int64_t      rows;          /* in all */
    int64_t      missing;
    char        *data;
    uint64_t    *present;
    maas_buf_t   text;
    maas_buf_t   block;         /* dsw_block_t */
    dsw_dict_t   dict;
    uint32_t     last;          /* the code found last */
    uint64_t     n_text;        /* bytes of text of all rows */
} dsw_column_t;

struct maas_dataset_writer_s {
    const maas_host_t  *host;
    maas_arena_t        mem;
    char               *path;
    char               *dir;
    dsw_column_t       *column;
    int                 n_column;
    int                 n_put;          /* cells of this row */
    int64_t             rows;
    bool                by_column;
    size_t              dict_left;      /* bytes that dictionaries may take */
    int                 spill;          /* -1: not needed yet */
    uint64_t            n_spill;
    char               *scratch;        /* one block, when it was spilled */
    size_t              n_scratch;
    maas_err_t          err;
};

static inline maas_str_t
dsw_string(const dsw_dict_t *d, uint32_t i)
{
    const size_t  *end = (const size_t *) d->end.data;
    size_t         from = i == 0 ? 0 : end[i - 1];

    return (maas_str_t) { d->bytes.data + from, end[i] - from };
}


static inline const dsw_block_t *
dsw_blocks(const dsw_column_t *c, size_t *n)
{
    *n = c->block.len / sizeof(dsw_block_t);

    return (const dsw_block_t *) c->block.data;
}


/* A file without a name in the folder of path; -1 with errno. */
int maas_dataset_nameless(const char *dir);

/* All n bytes at `off`; false with errno. */
bool maas_dataset_pwrite(int fd, const void *p, size_t n, uint64_t off);
bool maas_dataset_pread(int fd, void *p, size_t n, uint64_t off);

/* Puts what is in memory behind the other blocks. */
maas_status_t maas_dataset_flush(maas_dataset_writer_t *w, dsw_column_t *c);

/*
 * The string's number, DSW_NONE: there is no more room.  add: it may be new.
 */
uint32_t maas_dataset_dict_code(maas_dataset_writer_t *w, dsw_dict_t *d,
    maas_str_t s, bool add);
void maas_dataset_dict_free(maas_dataset_writer_t *w, dsw_dict_t *d);

/*
 * Statistics, and the values of an integer column, of column c of n rows
 * whose data lies in memory.  value and count: room for
 * MAAS_DATASET_VALUES; *n_value 0: too many.
 */
void maas_dataset_stats(maas_column_t *c, int64_t rows, int64_t *value,
    int64_t *count, uint32_t *n_value);

#endif
