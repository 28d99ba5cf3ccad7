/*
 * Writing a dataset, second half: the blocks of each column become one
 * contiguous part of the file, then statistics and classes, the table, the
 * digest, and only then a name.
 *
 * Ownership: see dataset.h.
 * Threads:   one writer, one thread.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/dataset_writer.h"


#define OUT_BUFFER  (256u << 10)

/* The file on its way. */
typedef struct {
    maas_dataset_writer_t  *w;
    maas_err_t             *err;
    int                     fd;
    char                   *temp;       /* its name; "": it has none */
    size_t                  n_temp;
    char                   *buf;
    size_t                  n;
    uint64_t                off;        /* of what comes next */
    maas_dsf_column_t      *rec;
    maas_dsf_header_t       head;
    void                   *map;
    size_t                  n_map;
} out_t;

/* A block of a column, wherever it lies. */
typedef struct {
    dsw_form_t       form;
    uint32_t         rows;
    const char      *data;
    const uint64_t  *bits;              /* NULL: all */
    const char      *text;
} out_block_t;

typedef maas_status_t (*out_block_pt)(out_t *o, dsw_column_t *c,
    const out_block_t *b, void *ctx);


static maas_status_t
out_failed(out_t *o)
{
    return maas_err(o->err, MAAS_EIO, "cannot write %s: %s", o->w->path,
                    strerror(errno));
}


static maas_status_t
out_flush(out_t *o)
{
    if (!maas_dataset_pwrite(o->fd, o->buf, o->n, o->off - o->n)) {
        return out_failed(o);
    }

    o->n = 0;
    return MAAS_OK;
}


static maas_status_t
out_put(out_t *o, const void *p, size_t n)
{
    if (n > OUT_BUFFER - o->n) {
        MAAS_TRY(out_flush(o));

        if (n >= OUT_BUFFER) {
            if (!maas_dataset_pwrite(o->fd, p, n, o->off)) {
                return out_failed(o);
            }

            o->off += n;
            return MAAS_OK;
        }
    }

    if (n != 0) {
        memcpy(o->buf + o->n, p, n);
    }

    o->n += n;
    o->off += n;
    return MAAS_OK;
}


/* The next part begins here. */
static maas_status_t
out_part(out_t *o, uint64_t *at)
{
    static const char  zero[MAAS_ALIGN];

    MAAS_TRY(out_put(o, zero, maas_align(o->off, MAAS_ALIGN) - o->off));
    *at = o->off;

    return MAAS_OK;
}


/* -- blocks -------------------------------------------------------------- */

static maas_status_t
out_read(out_t *o, const dsw_column_t *c, const dsw_block_t *b,
    out_block_t *out)
{
    char    *p;
    size_t   data = b->rows * c->item, n;

    n = data + (b->bits ? maas_bitmap_bytes(b->rows) : 0) + b->text;

    if (n > o->w->n_scratch) {
        p = maas_alloc(o->w->host, n);
        if (p == NULL) {
            return maas_err_nomem(o->err);
        }

        maas_free(o->w->host, o->w->scratch);
        o->w->scratch = p;
        o->w->n_scratch = n;
    }

    p = o->w->scratch;

    if (!maas_dataset_pread(o->w->spill, p, n, b->off)) {
        return maas_err(o->err, MAAS_EIO, "cannot read back what was written "
                        "for %s: %s", o->w->path, strerror(errno));
    }

    out->form = b->form;
    out->rows = b->rows;
    out->data = p;
    out->bits = NULL;
    out->text = p + n - b->text;

    /* The column's own bits are free: nothing of it is in memory. */
    if (b->bits) {
        memcpy(c->present, p + data, maas_bitmap_bytes(b->rows));
        out->bits = c->present;
    }

    return MAAS_OK;
}


static maas_status_t
out_blocks(out_t *o, dsw_column_t *c, out_block_pt fn, void *ctx)
{
    size_t              n;
    out_block_t         b;
    const dsw_block_t  *block = dsw_blocks(c, &n);

    /* All of it lies in the spill file, or all of it in memory. */
    for (size_t i = 0; i < n; i++) {
        MAAS_TRY(out_read(o, c, &block[i], &b));
        MAAS_TRY(fn(o, c, &b, ctx));
    }

    if (c->n == 0) {
        return MAAS_OK;
    }

    b = (out_block_t) { c->form, c->n, c->data, c->bits ? c->present : NULL,
                        c->text.data };

    return fn(o, c, &b, ctx);
}


/* -- columns ------------------------------------------------------------- */

static maas_status_t
out_items(out_t *o, dsw_column_t *c, const out_block_t *b, void *ctx)
{
    double          v[64];
    uint32_t        n;
    const int64_t  *x = (const int64_t *) (const void *) b->data;

    (void) ctx;

    if (c->kind != MAAS_COL_NUMBER || b->form != DSW_INT64) {
        return out_put(o, b->data, b->rows * c->item);
    }

    for (uint32_t i = 0; i < b->rows; i += n) {
        n = maas_min(b->rows - i, 64);

        for (uint32_t k = 0; k < n; k++) {
            v[k] = b->bits != NULL && !maas_bit(b->bits, i + k)
                   ? __builtin_nan("") : (double) x[i + k];
        }

        MAAS_TRY(out_put(o, v, n * sizeof(double)));
    }

    return MAAS_OK;
}


static maas_status_t
out_codes(out_t *o, dsw_column_t *c, const out_block_t *b, void *ctx)
{
    int32_t         v[64];
    uint32_t        n;
    const int32_t  *rank = ctx, *x = (const int32_t *) (const void *) b->data;

    (void) c;

    for (uint32_t i = 0; i < b->rows; i += n) {
        n = maas_min(b->rows - i, 64);

        for (uint32_t k = 0; k < n; k++) {
            v[k] = x[i + k] < 0 ? -1 : rank[x[i + k]];
        }

        MAAS_TRY(out_put(o, v, n * sizeof(int32_t)));
    }

    return MAAS_OK;
}


static maas_status_t
out_ends(out_t *o, dsw_column_t *c, const out_block_t *b, void *ctx)
{
    uint32_t         len;
    uint64_t        *end = ctx;
    const uint32_t  *x = (const uint32_t *) (const void *) b->data;

    for (uint32_t i = 0; i < b->rows; i++) {
        len = x[i] == DSW_NONE ? 0
              : b->form == DSW_TEXT ? x[i]
              : (uint32_t) dsw_string(&c->dict, x[i]).len;
        *end += len;
        MAAS_TRY(out_put(o, end, sizeof(*end)));
    }

    return MAAS_OK;
}


static maas_status_t
out_texts(out_t *o, dsw_column_t *c, const out_block_t *b, void *ctx)
{
    size_t           n = 0;
    maas_str_t       s;
    const uint32_t  *x = (const uint32_t *) (const void *) b->data;

    (void) ctx;

    for (uint32_t i = 0; i < b->rows; i++) {
        if (x[i] == DSW_NONE) {
            continue;
        }

        if (b->form == DSW_TEXT) {
            n += x[i];
            continue;
        }

        s = dsw_string(&c->dict, x[i]);
        MAAS_TRY(out_put(o, s.data, s.len));
    }

    return out_put(o, b->text, n);
}


typedef struct {
    uint64_t  word;
    uint32_t  n;
} out_bits_t;


static maas_status_t
out_bits(out_t *o, dsw_column_t *c, const out_block_t *b, void *ctx)
{
    bool             has;
    out_bits_t      *t = ctx;
    const uint32_t  *x = (const uint32_t *) (const void *) b->data;

    (void) c;

    for (uint32_t i = 0; i < b->rows; i++) {
        has = b->form == DSW_CODES || b->form == DSW_TEXT
              ? x[i] != DSW_NONE : b->bits == NULL || maas_bit(b->bits, i);
        t->word |= (uint64_t) has << t->n++;

        if (t->n == 64) {
            MAAS_TRY(out_put(o, &t->word, sizeof(t->word)));
            *t = (out_bits_t) { 0 };
        }
    }

    return MAAS_OK;
}


static maas_status_t
out_present(out_t *o, dsw_column_t *c, maas_dsf_column_t *r)
{
    out_bits_t  t = { 0 };

    if (c->missing == 0 || r->kind == MAAS_COL_NUMBER
        || r->kind == MAAS_COL_CATEGORY)
    {
        return MAAS_OK;
    }

    MAAS_TRY(out_part(o, &r->present));
    MAAS_TRY(out_blocks(o, c, out_bits, &t));

    return t.n == 0 ? MAAS_OK : out_put(o, &t.word, sizeof(t.word));
}


static maas_status_t
out_text(out_t *o, dsw_column_t *c, maas_dsf_column_t *r)
{
    uint64_t  end = 0;

    MAAS_TRY(out_part(o, &r->off));
    MAAS_TRY(out_put(o, &end, sizeof(end)));
    MAAS_TRY(out_blocks(o, c, out_ends, &end));
    MAAS_TRY(out_part(o, &r->bytes));
    r->n_bytes = end;

    return out_blocks(o, c, out_texts, NULL);
}


/* -- classes ------------------------------------------------------------- */

static int
out_class_order(const void *a, const void *b, void *ctx)
{
    const dsw_dict_t  *d = ctx;
    maas_str_t         x = dsw_string(d, *(const uint32_t *) a);
    maas_str_t         y = dsw_string(d, *(const uint32_t *) b);
    size_t             n = maas_min(x.len, y.len);
    int                k = n == 0 ? 0 : memcmp(x.data, y.data, n);

    return k != 0 ? k : x.len < y.len ? -1 : x.len > y.len;
}


/* Codes by first sight -> classes in order; their names and counts. */
static maas_status_t
out_category(out_t *o, dsw_column_t *c, maas_dsf_column_t *r)
{
    uint32_t       n = c->dict.n, *order;
    int32_t       *rank;
    uint64_t       end = 0;
    maas_str_t     s;
    maas_arena_t  *a = &o->w->mem;

    order = maas_arena_array(a, (size_t) n + 1, sizeof(*order));
    rank = maas_arena_array(a, (size_t) n + 1, sizeof(*rank));

    if (order == NULL || rank == NULL) {
        return maas_err_nomem(o->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }

    if (!c->closed) {
        qsort_r(order, n, sizeof(*order), out_class_order, &c->dict);
    }

    for (uint32_t i = 0; i < n; i++) {
        rank[order[i]] = (int32_t) i;
    }

    r->n_class = n;
    MAAS_TRY(out_part(o, &r->data));
    MAAS_TRY(out_blocks(o, c, out_codes, rank));
    MAAS_TRY(out_part(o, &r->count));

    for (uint32_t i = 0; i < n; i++) {
        MAAS_TRY(out_put(o, (int64_t *) c->dict.count.data + order[i],
                         sizeof(int64_t)));
    }

    MAAS_TRY(out_part(o, &r->off));
    MAAS_TRY(out_put(o, &end, sizeof(end)));

    for (uint32_t i = 0; i < n; i++) {
        end += dsw_string(&c->dict, order[i]).len;
        MAAS_TRY(out_put(o, &end, sizeof(end)));
    }

    MAAS_TRY(out_part(o, &r->bytes));
    r->n_bytes = end;

    for (uint32_t i = 0; i < n; i++) {
        s = dsw_string(&c->dict, order[i]);
        MAAS_TRY(out_put(o, s.data, s.len));
    }

    return MAAS_OK;
}


/* What repeats is a category; what mostly does not is text. */
static maas_col_kind_t
out_kind(const out_t *o, const dsw_column_t *c)
{
    int64_t  n = o->w->rows - c->missing;

    if ((c->kind != MAAS_COL_CATEGORY && c->kind != MAAS_COL_TEXT)
        || c->fixed || c->closed)
    {
        return c->kind;
    }

    return !c->coded || (n >= 32 && c->dict.n > n / 2) ? MAAS_COL_TEXT
                                                       : MAAS_COL_CATEGORY;
}


static maas_status_t
out_column(out_t *o, dsw_column_t *c, maas_dsf_column_t *r)
{
    /* Nothing was ever seen: an integer would say too much. */
    if (c->kind == MAAS_COL_INTEGER && !c->fixed && c->missing == c->rows) {
        c->kind = MAAS_COL_NUMBER;
    }

    r->kind = (uint8_t) out_kind(o, c);
    r->dtype = c->dtype;
    r->rank = c->rank;
    r->image = c->image;
    memcpy(r->dims, c->dims, sizeof(r->dims));
    r->stats.missing = c->missing;

    if (c->block.len != 0) {
        if (maas_dataset_flush(o->w, c) != MAAS_OK) {
            return maas_err(o->err, o->w->err.status, "%s", o->w->err.text);
        }
    }

    switch (r->kind) {

    case MAAS_COL_TEXT:
        MAAS_TRY(out_text(o, c, r));
        break;

    case MAAS_COL_CATEGORY:
        MAAS_TRY(out_category(o, c, r));
        break;

    default:
        MAAS_TRY(out_part(o, &r->data));
        MAAS_TRY(out_blocks(o, c, out_items, NULL));
    }

    return out_present(o, c, r);
}


/* -- what is computed from the data -------------------------------------- */

static maas_status_t
out_map(out_t *o)
{
    MAAS_TRY(out_flush(o));

    if (o->map != NULL) {
        munmap(o->map, o->n_map);
    }

    o->n_map = o->off;
    o->map = mmap(NULL, o->n_map, PROT_READ, MAP_SHARED, o->fd, 0);

    if (o->map == MAP_FAILED) {
        o->map = NULL;
        return out_failed(o);
    }

    return MAAS_OK;
}


static maas_status_t
out_stats(out_t *o, maas_dsf_column_t *r)
{
    size_t          item;
    int64_t         missing = r->stats.missing;
    int64_t         value[MAAS_DATASET_VALUES], count[MAAS_DATASET_VALUES];
    uint32_t        n;
    const char     *base = o->map;
    maas_column_t   c = { .kind = r->kind, .width = 1 };

    c.dtype = r->kind == MAAS_COL_TENSOR
              ? r->dtype : (uint8_t) maas_col_kind_dtype(r->kind);
    c.data = base + r->data;
    c.off = (const uint64_t *) (const void *) (base + r->off);
    c.present = r->present == 0 ? NULL
                : (const uint64_t *) (const void *) (base + r->present);

    if (r->kind == MAAS_COL_TENSOR) {
        (void) maas_tensor_item(r->dtype, r->rank, r->dims, &c.width, &item);
    }

    maas_dataset_stats(&c, o->w->rows, value, count, &n);
    r->stats = c.stats;
    r->stats.missing = missing;

    if (r->kind != MAAS_COL_INTEGER && r->kind != MAAS_COL_BOOL) {
        return MAAS_OK;
    }

    r->n_class = n;
    MAAS_TRY(out_part(o, &r->count));
    MAAS_TRY(out_put(o, count, n * sizeof(*count)));

    if (r->kind == MAAS_COL_INTEGER) {
        MAAS_TRY(out_part(o, &r->value));
        MAAS_TRY(out_put(o, value, n * sizeof(*value)));
    }

    return MAAS_OK;
}


static maas_status_t
out_strings(out_t *o)
{
    uint64_t       at;
    dsw_column_t  *c;

    MAAS_TRY(out_part(o, &o->head.strings));
    at = o->off;

    for (int i = 0; i < o->w->n_column; i++) {
        c = &o->w->column[i];
        o->rec[i].name = o->off - at;
        o->rec[i].n_name = (uint32_t) c->name.len;
        MAAS_TRY(out_put(o, c->name.data, c->name.len));
        o->rec[i].note = o->off - at;
        o->rec[i].n_note = (uint32_t) c->note.len;
        MAAS_TRY(out_put(o, c->note.data, c->note.len));
    }

    o->head.n_strings = o->off - at;
    return MAAS_OK;
}


/* The header is written again with the digest of all. */
static maas_status_t
out_seal(out_t *o)
{
    maas_sha_t  *sha;

    memcpy(o->head.magic, MAAS_DATASET_MAGIC, sizeof(o->head.magic));
    o->head.abi = MAAS_DATASET_ABI;
    o->head.n_column = (uint32_t) o->w->n_column;
    o->head.rows = (uint64_t) o->w->rows;
    o->head.size = o->off;
    MAAS_TRY(out_map(o));

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(o->err);
    }

    maas_sha_update(sha, &o->head, sizeof(o->head));
    maas_sha_update(sha, (char *) o->map + sizeof(o->head),
                    o->n_map - sizeof(o->head));
    maas_sha_final(sha, o->head.digest);

    if (!maas_dataset_pwrite(o->fd, &o->head, sizeof(o->head), 0)) {
        return out_failed(o);
    }

    return MAAS_OK;
}


/* Columns that were given one after another are of one length. */
static maas_status_t
out_rows(out_t *o)
{
    maas_dataset_writer_t  *w = o->w;
    const dsw_column_t     *c = &w->column[0];

    if (!w->by_column) {
        return MAAS_OK;
    }

    w->rows = c->rows;

    for (int i = 1; i < w->n_column; i++) {
        if (w->column[i].rows != w->rows) {
            return maas_err(o->err, MAAS_EINVAL, "column \"%.*s\" has %lld "
                            "rows, column \"%.*s\" has %lld",
                            (int) maas_min(c->name.len, 80), c->name.data,
                            (long long) w->rows,
                            (int) maas_min(w->column[i].name.len, 80),
                            w->column[i].name.data,
                            (long long) w->column[i].rows);
        }
    }

    return w->rows <= MAAS_DATASET_ROWS ? MAAS_OK
           : maas_err(o->err, MAAS_ELIMIT, "more than 2^48 rows");
}


static maas_status_t
out_all(out_t *o)
{
    maas_dataset_writer_t  *w = o->w;

    MAAS_TRY(out_rows(o));
    MAAS_TRY(out_put(o, &o->head, sizeof(o->head)));

    for (int i = 0; i < w->n_column; i++) {
        MAAS_TRY(out_column(o, &w->column[i], &o->rec[i]));
    }

    MAAS_TRY(out_map(o));

    for (int i = 0; i < w->n_column; i++) {
        MAAS_TRY(out_stats(o, &o->rec[i]));
    }

    MAAS_TRY(out_strings(o));
    MAAS_TRY(out_part(o, &o->head.table));
    MAAS_TRY(out_put(o, o->rec, (size_t) w->n_column * sizeof(*o->rec)));

    return out_seal(o);
}


/* -- the name ------------------------------------------------------------ */

static maas_status_t
out_open(out_t *o)
{
    o->fd = open(o->w->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);

    if (o->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR
                      || errno == EINVAL))
    {
        snprintf(o->temp, o->n_temp, "%s.XXXXXX", o->w->path);
        o->fd = mkostemp(o->temp, O_CLOEXEC);

        if (o->fd < 0) {
            o->temp[0] = '\0';

        } else {
            (void) fchmod(o->fd, 0644);
        }
    }

    return o->fd < 0 ? out_failed(o) : MAAS_OK;
}


/* A name of our own, then over the one that is there. */
static maas_status_t
out_link(out_t *o)
{
    char  self[64];

    if (fsync(o->fd) != 0) {
        return out_failed(o);
    }

    snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);

    if (o->temp[0] == '\0') {
        if (linkat(AT_FDCWD, self, AT_FDCWD, o->w->path, AT_SYMLINK_FOLLOW)
            == 0)
        {
            return MAAS_OK;
        }

        for (int i = 0; errno == EEXIST && i < 100; i++) {
            snprintf(o->temp, o->n_temp, "%s.%ld.%d", o->w->path,
                     (long) getpid(), i);

            if (linkat(AT_FDCWD, self, AT_FDCWD, o->temp, AT_SYMLINK_FOLLOW)
                == 0)
            {
                break;
            }

            o->temp[0] = '\0';
        }
    }

    if (o->temp[0] == '\0' || rename(o->temp, o->w->path) != 0) {
        return out_failed(o);
    }

    o->temp[0] = '\0';
    return MAAS_OK;
}


/* The name itself survives a power cut, where the file system can. */
static void
out_sync(const out_t *o)
{
    int  fd = open(o->w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void) fsync(fd);
        close(fd);
    }
}


maas_status_t
maas_dataset_commit(maas_dataset_writer_t *w, maas_err_t *err)
{
    out_t          o = { .w = w, .err = err, .fd = -1 };
    maas_status_t  rc = MAAS_OK;

    o.n_temp = strlen(w->path) + 64;
    o.temp = maas_arena_alloc(&w->mem, o.n_temp);
    o.buf = maas_alloc(w->host, OUT_BUFFER);
    o.rec = maas_arena_array(&w->mem, (size_t) w->n_column, sizeof(*o.rec));

    if (w->err.status != MAAS_OK) {
        rc = maas_err(err, w->err.status, "%s", w->err.text);

    } else if (o.temp == NULL || o.buf == NULL || o.rec == NULL) {
        rc = maas_err_nomem(err);
    }

    if (rc == MAAS_OK) {
        rc = out_open(&o);
    }

    if (rc == MAAS_OK) {
        rc = out_all(&o);
    }

    if (rc == MAAS_OK) {
        rc = out_link(&o);
    }

    if (rc == MAAS_OK) {
        out_sync(&o);
    }

    if (o.temp != NULL && o.temp[0] != '\0') {
        unlink(o.temp);
    }

    if (o.map != NULL) {
        munmap(o.map, o.n_map);
    }

    if (o.fd >= 0) {
        close(o.fd);
    }

    maas_free(w->host, o.buf);
    maas_dataset_discard(w);
    return rc;
}
