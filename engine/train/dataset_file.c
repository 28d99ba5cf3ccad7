/*
 * Opening a dataset: mapping, checks of every offset, columns as views.
 * Codes, offsets of strings and indices are checked where they are used, so
 * that opening does not read the data.
 *
 * Ownership: see dataset.h.
 * Threads:   an open dataset is immutable.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "train/dataset_format.h"


static const char *const  kind_names[MAAS_COL_KINDS] = {
    "number", "integer", "bool", "category", "text", "tensor"
};


const char *
maas_col_kind_name(maas_col_kind_t kind)
{
    return kind < MAAS_COL_KINDS ? kind_names[kind] : "unknown";
}


bool
maas_col_kind_find(maas_str_t name, maas_col_kind_t *kind)
{
    for (int i = 0; i < MAAS_COL_KINDS; i++) {
        if (maas_str_is(name, kind_names[i])) {
            *kind = (maas_col_kind_t) i;
            return true;
        }
    }

    return false;
}


maas_dtype_t
maas_col_kind_dtype(maas_col_kind_t kind)
{
    static const uint8_t  dtype[MAAS_COL_KINDS] = {
        MAAS_F64, MAAS_I64, MAAS_BOOL, MAAS_I32, MAAS_STRING, MAAS_NODTYPE
    };

    return dtype[kind];
}


bool
maas_tensor_item(maas_dtype_t dtype, int rank, const int64_t *dims,
    size_t *width, size_t *item)
{
    int64_t  n;

    if (dtype >= MAAS_DTYPES || !(MAAS_D_FIXED >> dtype & 1) || rank < 0
        || rank > MAAS_RANK_MAX)
    {
        return false;
    }

    n = maas_dims_count(dims, rank);

    if (n < 1 || n > MAAS_DATASET_ITEM || !maas_dtype_bytes(dtype, n, item)
        || *item > (size_t) MAAS_DATASET_ITEM)
    {
        return false;
    }

    *width = (size_t) n;
    return true;
}


/* -- checks -------------------------------------------------------------- */

static maas_status_t
file_bad(maas_err_t *err, const char *what, uint64_t i)
{
    return maas_err(err, MAAS_ETRUNC, "not a whole dataset: %s %llu", what,
                    (unsigned long long) i);
}


/* n things of `each` bytes at off, inside of the file and aligned. */
static bool
file_part(const maas_dataset_t *ds, uint64_t off, uint64_t n, size_t each,
    const void **p)
{
    uint64_t  bytes;

    if (__builtin_mul_overflow(n, (uint64_t) each, &bytes)
        || off > ds->size || bytes > ds->size - off
        || (each > 1 && off % sizeof(uint64_t) != 0))
    {
        return false;
    }

    *p = ds->base + off;
    return true;
}


static bool
file_string(const maas_dataset_t *ds, uint64_t off, uint32_t n, maas_str_t *s)
{
    const maas_dsf_header_t  *h = ds->header;

    if (off > h->n_strings || n > h->n_strings - off) {
        return false;
    }

    *s = (maas_str_t) { ds->base + h->strings + off, n };
    return true;
}


/* Classes and strings of a column. */
static bool
file_lists(const maas_dataset_t *ds, const maas_dsf_column_t *r,
    maas_column_t *c)
{
    uint64_t  n = c->kind == MAAS_COL_TEXT ? ds->header->rows : r->n_class;

    c->n_class = r->n_class;

    if (r->n_class > MAAS_DATASET_CLASSES
        || !file_part(ds, r->count, r->n_class, 8,
                      (const void **) &c->count)
        || (c->kind == MAAS_COL_INTEGER
            && !file_part(ds, r->value, r->n_class, 8,
                          (const void **) &c->value))
        || (c->kind == MAAS_COL_BOOL && r->n_class != 0 && r->n_class != 2)
        || ((c->kind == MAAS_COL_NUMBER || c->kind == MAAS_COL_TEXT
             || c->kind == MAAS_COL_TENSOR) && r->n_class != 0))
    {
        return false;
    }

    if (c->kind != MAAS_COL_TEXT && c->kind != MAAS_COL_CATEGORY) {
        return true;
    }

    c->n_bytes = r->n_bytes;

    return file_part(ds, r->off, n + 1, 8, (const void **) &c->off)
           && file_part(ds, r->bytes, r->n_bytes, 1,
                        (const void **) &c->bytes);
}


static bool
file_column(const maas_dataset_t *ds, const maas_dsf_column_t *r,
    maas_column_t *c)
{
    uint64_t  rows = ds->header->rows;

    if (r->kind >= MAAS_COL_KINDS || r->rank > MAAS_RANK_MAX
        || !file_string(ds, r->name, r->n_name, &c->name)
        || !file_string(ds, r->note, r->n_note, &c->note))
    {
        return false;
    }

    c->kind = r->kind;
    c->stats = r->stats;
    c->width = 1;

    if (r->kind == MAAS_COL_TENSOR) {
        c->dtype = r->dtype;
        c->rank = r->rank;
        memcpy(c->dims, r->dims, sizeof(c->dims));

        if (!maas_tensor_item(r->dtype, r->rank, r->dims, &c->width,
                              &c->item))
        {
            return false;
        }

        c->image = r->image && r->dtype == MAAS_U8 && r->rank == 3;

    } else {
        c->dtype = (uint8_t) maas_col_kind_dtype(r->kind);
        c->item = maas_dtype_size(c->dtype);
    }

    if (r->present != 0
        && !file_part(ds, r->present, (rows + 63) / 64, 8,
                      (const void **) &c->present))
    {
        return false;
    }

    if (c->item != 0 && (r->data % MAAS_ALIGN != 0
                         || !file_part(ds, r->data, rows, c->item, &c->data)))
    {
        return false;
    }

    return file_lists(ds, r, c);
}


static maas_status_t
file_header(maas_dataset_t *ds, maas_err_t *err)
{
    const maas_dsf_header_t  *h = (const maas_dsf_header_t *) ds->base;

    if (ds->size < sizeof(*h)
        || memcmp(h->magic, MAAS_DATASET_MAGIC, sizeof(h->magic)) != 0)
    {
        return maas_err(err, MAAS_EINVAL, "not a dataset: it does not begin "
                        "with %s (\"maas dataset import\" makes one)",
                        MAAS_DATASET_MAGIC);
    }

    if (h->abi != MAAS_DATASET_ABI) {
        return maas_err(err, MAAS_EUNSUPPORTED, "a dataset of version %u; %d "
                        "is read: import it again", h->abi, MAAS_DATASET_ABI);
    }

    if (h->size != ds->size) {
        return maas_err(err, MAAS_ETRUNC, "not a whole dataset: it has %zu "
                        "bytes, and was written with %llu", ds->size,
                        (unsigned long long) h->size);
    }

    if (h->rows > MAAS_DATASET_ROWS) {
        return file_bad(err, "count of rows", h->rows);
    }

    if (h->n_column > MAAS_DATASET_COLUMNS) {
        return file_bad(err, "count of columns", h->n_column);
    }

    ds->header = h;
    return MAAS_OK;
}


static maas_status_t
file_load(maas_dataset_t *ds, maas_err_t *err)
{
    const void               *p;
    const maas_dsf_column_t  *r;
    const maas_dsf_header_t  *h;

    MAAS_TRY(file_header(ds, err));
    h = ds->header;

    if (!file_part(ds, h->strings, h->n_strings, 1, &p)) {
        return file_bad(err, "strings at", h->strings);
    }

    if (!file_part(ds, h->table, h->n_column, sizeof(*r), (const void **) &r))
    {
        return file_bad(err, "table at", h->table);
    }

    ds->column = maas_calloc(ds->host, (size_t) h->n_column + 1,
                             sizeof(maas_column_t));
    if (ds->column == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < h->n_column; i++) {
        if (!file_column(ds, &r[i], &ds->column[i])) {
            return file_bad(err, "column", i);
        }
    }

    return MAAS_OK;
}


/* -- open ---------------------------------------------------------------- */

static maas_status_t
file_view(maas_dataset_t **out, const maas_host_t *host, const void *p,
    size_t size, bool mapped, maas_err_t *err)
{
    maas_status_t    rc;
    maas_dataset_t  *ds;

    ds = maas_calloc(host, 1, sizeof(*ds));
    if (ds == NULL) {
        if (mapped) {
            munmap((void *) (uintptr_t) p, size);
        }

        return maas_err_nomem(err);
    }

    ds->host = host;
    ds->base = p;
    ds->size = size;
    ds->mapped = mapped;

    rc = file_load(ds, err);
    if (rc != MAAS_OK) {
        maas_dataset_close(ds);
        return rc;
    }

    *out = ds;
    return MAAS_OK;
}


maas_status_t
maas_dataset_view(maas_dataset_t **out, const maas_host_t *host,
    const void *p, size_t size, maas_err_t *err)
{
    return file_view(out, host, p, size, false, err);
}


maas_status_t
maas_dataset_open(maas_dataset_t **out, const maas_host_t *host,
    const char *path, maas_err_t *err)
{
    int            fd, e;
    void          *p;
    struct stat    st;
    maas_status_t  rc;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return maas_err(err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "%s: %s", path, strerror(errno));
    }

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return maas_err(err, MAAS_EIO, "%s: not a file", path);
    }

    if ((size_t) st.st_size < sizeof(maas_dsf_header_t)) {
        close(fd);
        return maas_err(err, MAAS_EINVAL, "%s: not a dataset: %lld bytes "
                        "(\"maas dataset import\" makes one)", path,
                        (long long) st.st_size);
    }

    p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    e = errno;
    close(fd);

    if (p == MAP_FAILED) {
        return maas_err(err, MAAS_EIO, "%s: %s", path, strerror(e));
    }

    rc = file_view(out, host, p, (size_t) st.st_size, true, err);
    if (rc != MAAS_OK) {
        (void) maas_err_prefix(err, "%s", path);
    }

    return rc;
}


void
maas_dataset_close(maas_dataset_t *ds)
{
    if (ds != NULL) {
        if (ds->mapped) {
            munmap((void *) (uintptr_t) ds->base, ds->size);
        }

        maas_free(ds->host, ds->column);
        maas_free(ds->host, ds);
    }
}


int64_t
maas_dataset_rows(const maas_dataset_t *ds)
{
    return (int64_t) ds->header->rows;
}


int
maas_dataset_columns(const maas_dataset_t *ds)
{
    return (int) ds->header->n_column;
}


const maas_column_t *
maas_dataset_column(const maas_dataset_t *ds, int i)
{
    return &ds->column[i];
}


size_t
maas_dataset_bytes(const maas_dataset_t *ds)
{
    return ds->size;
}


const uint8_t *
maas_dataset_digest(const maas_dataset_t *ds)
{
    return ds->header->digest;
}


maas_status_t
maas_dataset_verify(const maas_dataset_t *ds, maas_err_t *err)
{
    uint8_t             got[MAAS_DIGEST];
    maas_sha_t         *sha;
    maas_dsf_header_t   h = *ds->header;

    memset(h.digest, 0, sizeof(h.digest));

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(err);
    }

    maas_sha_update(sha, &h, sizeof(h));
    maas_sha_update(sha, ds->base + sizeof(h), ds->size - sizeof(h));
    maas_sha_final(sha, got);

    return memcmp(got, ds->header->digest, sizeof(got)) == 0 ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "the dataset's content is not what "
                      "was written: its digest differs");
}


maas_status_t
maas_dataset_find(const maas_dataset_t *ds, maas_str_t name, int *column,
    maas_err_t *err)
{
    int          n = maas_dataset_columns(ds);
    char         text[MAAS_NEAR_TEXT], list[240] = "";
    size_t       at = 0;
    maas_near_t  near = { .word = name };

    for (int i = 0; i < n; i++) {
        if (maas_str_eq(ds->column[i].name, name)) {
            *column = i;
            return MAAS_OK;
        }
    }

    for (int i = 0; i < n; i++) {
        maas_near(&near, ds->column[i].name);

        if (at < 160) {
            at += (size_t) snprintf(list + at, sizeof(list) - at, "%s\"%.*s\"",
                                    i == 0 ? "" : ", ",
                                    (int) maas_min(ds->column[i].name.len, 40),
                                    ds->column[i].name.data);
        }
    }

    return maas_err(err, MAAS_ENOENT, "no column is called \"%.*s\"%s (the "
                    "dataset has %s%s)", (int) maas_min(name.len, 80),
                    name.data, maas_near_text(&near, text),
                    n == 0 ? "none" : list, at >= 160 ? ", ..." : "");
}


/* -- values -------------------------------------------------------------- */

bool
maas_column_has(const maas_column_t *c, int64_t r)
{
    double   v;
    int32_t  code;

    if (c->kind == MAAS_COL_NUMBER) {
        v = ((const double *) c->data)[r];
        return v == v;
    }

    if (c->kind == MAAS_COL_CATEGORY) {
        code = ((const int32_t *) c->data)[r];
        return code >= 0 && (uint32_t) code < c->n_class;
    }

    return c->present == NULL || maas_bit(c->present, r);
}


static maas_str_t
column_string(const maas_column_t *c, uint64_t i)
{
    uint64_t  from = c->off[i], to = c->off[i + 1];

    if (from > to || to > c->n_bytes) {
        return (maas_str_t) { "", 0 };
    }

    return (maas_str_t) { c->bytes + from, (size_t) (to - from) };
}


maas_str_t
maas_column_text(const maas_column_t *c, int64_t r)
{
    if (!maas_column_has(c, r)) {
        return (maas_str_t) { NULL, 0 };
    }

    if (c->kind == MAAS_COL_CATEGORY) {
        return column_string(c, (uint64_t) ((const int32_t *) c->data)[r]);
    }

    return c->kind == MAAS_COL_TEXT ? column_string(c, (uint64_t) r)
                                    : (maas_str_t) { NULL, 0 };
}


maas_str_t
maas_column_class(const maas_column_t *c, uint32_t k, char tmp[32])
{
    switch (c->kind) {

    case MAAS_COL_CATEGORY:
        return column_string(c, k);

    case MAAS_COL_BOOL:
        return k == 0 ? maas_str("false") : maas_str("true");

    default:
        return (maas_str_t) { tmp, (size_t) (maas_num_put_i64(tmp,
                                                              c->value[k])
                                             - tmp) };
    }
}
