/*
 * dataset_format.h: the file behind dataset.h, for the files of train/ that
 * read and write it.
 *
 *   header | data of each column | classes | strings | table
 *
 * Every offset is from the start of the file; 0 is "none".  Parts that hold
 * numbers are aligned to 64.  All numbers are little-endian.
 *
 * Threads: plain records.
 */

#ifndef MAAS_DATASET_FORMAT_H
#define MAAS_DATASET_FORMAT_H

#include "train/dataset.h"


#define MAAS_DATASET_MAGIC  "MAASDAT1"
#define MAAS_DATASET_ABI    1
#define MAAS_DATASET_ROWS   (INT64_C(1) << 48)      /* at most */
#define MAAS_DATASET_ITEM   (INT64_C(1) << 32)      /* bytes of a tensor */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are mapped");

typedef struct {
    char      magic[8];
    uint32_t  abi;
    uint32_t  n_column;
    uint64_t  rows;
    uint64_t  size;             /* of the file */
    uint64_t  strings;          /* names and notes */
    uint64_t  n_strings;
    uint64_t  table;            /* n_column maas_dsf_column_t */
    uint64_t  zero[5];
    uint8_t   digest[MAAS_DIGEST];  /* of all, this being zero */
} maas_dsf_header_t;

typedef struct {
    uint64_t          name, note;       /* in strings */
    uint32_t          n_name, n_note;
    uint8_t           kind, dtype, rank, image;
    uint32_t          n_class;
    int64_t           dims[MAAS_RANK_MAX];
    uint64_t          data;
    uint64_t          present;
    uint64_t          count;            /* int64, n_class */
    uint64_t          value;            /* int64, n_class */
    uint64_t          off;              /* uint64, rows or classes + 1 */
    uint64_t          bytes;
    uint64_t          n_bytes;
    maas_col_stats_t  stats;
} maas_dsf_column_t;

struct maas_dataset_s {
    const maas_host_t        *host;
    const char               *base;
    size_t                    size;
    bool                      mapped;
    const maas_dsf_header_t  *header;
    maas_column_t            *column;
};

static inline size_t
maas_bitmap_bytes(int64_t rows)
{
    return (size_t) ((rows + 63) / 64) * sizeof(uint64_t);
}


static inline bool
maas_bit(const uint64_t *bits, int64_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}


/* The dtype of data of a kind; TEXT: MAAS_STRING, TENSOR: none. */
maas_dtype_t maas_col_kind_dtype(maas_col_kind_t kind);

/* The sum of elements and bytes of an item; false: too large, no such type. */
bool maas_tensor_item(maas_dtype_t dtype, int rank, const int64_t *dims,
    size_t *width, size_t *item);

#endif
