/*
 * Writing a dataset, first half: cells into blocks, blocks into the spill
 * file; see dataset_writer.h.  Blocks are bounded by the budget; dictionaries
 * by a constant, so that what becomes text does not depend on the budget.
 *
 * Ownership: see dataset.h.
 * Threads:   one writer, one thread.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "train/dataset_writer.h"


#define DSW_SHARE_MAX  (1u << 20)       /* bytes of a block */
#define DSW_ROWS_MIN   64


/* -- files --------------------------------------------------------------- */

int
maas_dataset_nameless(const char *dir)
{
    int     fd;
    char   *temp;
    size_t  n = strlen(dir);

    fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0
        || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
    {
        return fd;
    }

    temp = malloc(n + sizeof("/.maas.XXXXXX"));
    if (temp == NULL) {
        errno = ENOMEM;
        return -1;
    }

    memcpy(temp, dir, n);
    memcpy(temp + n, "/.maas.XXXXXX", sizeof("/.maas.XXXXXX"));
    fd = mkostemp(temp, O_CLOEXEC);

    if (fd >= 0) {
        unlink(temp);
    }

    free(temp);
    return fd;
}


bool
maas_dataset_pwrite(int fd, const void *p, size_t n, uint64_t off)
{
    ssize_t      k;
    const char  *s = p;

    while (n != 0) {
        k = pwrite(fd, s, n, (off_t) off);

        if (k < 0 && errno == EINTR) {
            continue;
        }

        if (k <= 0) {
            errno = k == 0 ? ENOSPC : errno;
            return false;
        }

        s += k;
        n -= (size_t) k;
        off += (uint64_t) k;
    }

    return true;
}


bool
maas_dataset_pread(int fd, void *p, size_t n, uint64_t off)
{
    char     *s = p;
    ssize_t   k;

    while (n != 0) {
        k = pread(fd, s, n, (off_t) off);

        if (k < 0 && errno == EINTR) {
            continue;
        }

        if (k <= 0) {
            errno = k == 0 ? EIO : errno;
            return false;
        }

        s += k;
        n -= (size_t) k;
        off += (uint64_t) k;
    }

    return true;
}


static maas_status_t
write_failed(maas_dataset_writer_t *w)
{
    return maas_err(&w->err, MAAS_EIO, "cannot write %s: %s", w->path,
                    strerror(errno));
}


/* -- blocks -------------------------------------------------------------- */

static bool
write_spill(maas_dataset_writer_t *w, const void *p, size_t n)
{
    if (!maas_dataset_pwrite(w->spill, p, n, w->n_spill)) {
        return false;
    }

    w->n_spill += n;
    return true;
}


maas_status_t
maas_dataset_flush(maas_dataset_writer_t *w, dsw_column_t *c)
{
    dsw_block_t  b = { 0 };

    if (c->n == 0) {
        return MAAS_OK;
    }

    if (w->spill < 0) {
        w->spill = maas_dataset_nameless(w->dir);
        if (w->spill < 0) {
            return write_failed(w);
        }
    }

    b.off = w->n_spill;
    b.rows = c->n;
    b.form = c->form;
    b.bits = c->bits;
    b.text = c->text.len;
    maas_buf_add(&c->block, &b, sizeof(b));

    if (c->block.failed || c->text.failed) {
        return maas_err_nomem(&w->err);
    }

    if (!write_spill(w, c->data, c->n * c->item)
        || (b.bits && !write_spill(w, c->present, maas_bitmap_bytes(c->n)))
        || !write_spill(w, c->text.data, b.text))
    {
        return write_failed(w);
    }

    c->n = 0;
    c->text.len = 0;
    c->bits = false;
    return MAAS_OK;
}


/* Room for one more row of this form; NULL: an error. */
static char *
write_room(maas_dataset_writer_t *w, dsw_column_t *c, dsw_form_t form)
{
    if (maas_unlikely(w->err.status != MAAS_OK)) {
        return NULL;
    }

    if (maas_unlikely(c->rows != w->rows && !w->by_column)) {
        (void) maas_err(&w->err, MAAS_EINTERNAL, "column \"%.*s\" was put "
                        "twice in row %lld", (int) maas_min(c->name.len, 80),
                        c->name.data, (long long) w->rows);
        return NULL;
    }

    if (maas_unlikely(c->n == c->cap || c->form != form)) {
        if (maas_dataset_flush(w, c) != MAAS_OK) {
            return NULL;
        }

        c->form = (uint8_t) form;
    }

    c->rows++;
    w->n_put++;

    return c->data + (size_t) c->n++ * c->item;
}


/* The row that was taken last has no value. */
static void
write_absent(dsw_column_t *c)
{
    uint32_t  i = c->n - 1;

    if (!c->bits) {
        memset(c->present, 0xff, maas_bitmap_bytes(c->cap));
        c->bits = true;
    }

    c->present[i / 64] &= ~((uint64_t) 1 << (i % 64));
    c->missing++;
}


static void
write_missing(maas_dataset_writer_t *w, dsw_column_t *c)
{
    char      *p;
    double     nan = __builtin_nan("");
    int32_t    code = -1;
    uint32_t   none = DSW_NONE;

    p = write_room(w, c, c->form);
    if (p == NULL) {
        return;
    }

    if (c->form == DSW_CODES) {
        memcpy(p, &code, sizeof(code));
        c->missing++;

    } else if (c->form == DSW_TEXT) {
        memcpy(p, &none, sizeof(none));
        c->missing++;

    } else if (c->kind == MAAS_COL_NUMBER && c->form == DSW_ITEMS) {
        memcpy(p, &nan, sizeof(nan));
        c->missing++;

    } else {
        memset(p, 0, c->item);
        write_absent(c);
    }
}


/* -- cells --------------------------------------------------------------- */

static maas_status_t
write_kind(maas_dataset_writer_t *w, const dsw_column_t *c, const char *what)
{
    if (w->err.status != MAAS_OK) {
        return w->err.status;
    }

    return maas_err(&w->err, MAAS_EINVAL, "column \"%.*s\" is %s, and row "
                    "%lld gives %s", (int) maas_min(c->name.len, 80),
                    c->name.data, maas_col_kind_name(c->kind),
                    (long long) w->rows, what);
}


void
maas_dataset_put_number(maas_dataset_writer_t *w, int column, double v)
{
    char          *p;
    dsw_column_t  *c = &w->column[column];

    if (c->kind == MAAS_COL_INTEGER && !c->fixed) {
        c->kind = MAAS_COL_NUMBER;
    }

    if (c->kind != MAAS_COL_NUMBER) {
        (void) write_kind(w, c, "a number");
        return;
    }

    if (v != v) {
        write_missing(w, c);
        return;
    }

    p = write_room(w, c, DSW_ITEMS);
    if (p != NULL) {
        memcpy(p, &v, sizeof(v));
    }
}


void
maas_dataset_put_integer(maas_dataset_writer_t *w, int column, int64_t v)
{
    char          *p;
    double         d = (double) v;
    dsw_column_t  *c = &w->column[column];

    if (c->kind != MAAS_COL_INTEGER && c->kind != MAAS_COL_NUMBER) {
        (void) write_kind(w, c, "an integer");
        return;
    }

    /* A number stays one; integers of a later number are kept as such. */
    p = write_room(w, c, c->kind == MAAS_COL_INTEGER ? DSW_INT64 : DSW_ITEMS);
    if (p != NULL) {
        memcpy(p, c->kind == MAAS_COL_INTEGER ? (void *) &v : (void *) &d, 8);
    }
}


void
maas_dataset_put_bool(maas_dataset_writer_t *w, int column, bool v)
{
    char          *p;
    dsw_column_t  *c = &w->column[column];

    if (c->kind != MAAS_COL_BOOL) {
        (void) write_kind(w, c, "true or false");
        return;
    }

    p = write_room(w, c, DSW_ITEMS);
    if (p != NULL) {
        *p = v;
    }
}


static void
write_code(maas_dataset_writer_t *w, dsw_column_t *c, uint32_t code,
    size_t len)
{
    char  *p = write_room(w, c, DSW_CODES);

    if (p != NULL) {
        memcpy(p, &code, sizeof(code));
        c->last = code;
        c->n_text += len;
        ((int64_t *) c->dict.count.data)[code]++;
    }
}


static void
write_text(maas_dataset_writer_t *w, dsw_column_t *c, maas_str_t v)
{
    char      *p;
    uint32_t   len = (uint32_t) v.len;

    if (v.len >= DSW_NONE) {
        (void) write_kind(w, c, "more than 4 GB");
        return;
    }

    p = write_room(w, c, DSW_TEXT);
    if (p == NULL) {
        return;
    }

    memcpy(p, &len, sizeof(len));
    maas_buf_add(&c->text, v.data, v.len);
    c->n_text += v.len;

    if (c->text.len >= c->share) {
        (void) maas_dataset_flush(w, c);
    }
}


void
maas_dataset_put_text(maas_dataset_writer_t *w, int column, maas_str_t v)
{
    uint32_t       code;
    dsw_column_t  *c = &w->column[column];

    if (c->kind != MAAS_COL_CATEGORY && c->kind != MAAS_COL_TEXT) {
        (void) write_kind(w, c, "text");
        return;
    }

    if (!c->coded) {
        write_text(w, c, v);
        return;
    }

    if (c->dict.n != 0 && maas_str_eq(dsw_string(&c->dict, c->last), v)) {
        write_code(w, c, c->last, v.len);
        return;
    }

    code = maas_dataset_dict_code(w, &c->dict, v, !c->closed);

    if (code != DSW_NONE) {
        write_code(w, c, code, v.len);

    } else if (c->closed) {
        (void) write_kind(w, c, "a class that it does not have");

    } else if (c->fixed) {
        (void) maas_err(&w->err, MAAS_ELIMIT, "column \"%.*s\" is to be a "
                        "category and has more than %u values",
                        (int) maas_min(c->name.len, 80), c->name.data,
                        c->dict.n);

    } else if (w->err.status == MAAS_OK) {
        c->coded = false;
        write_text(w, c, v);
    }
}


void
maas_dataset_put_code(maas_dataset_writer_t *w, int column, int32_t v)
{
    dsw_column_t  *c = &w->column[column];

    if (c->kind != MAAS_COL_CATEGORY || !c->coded || v < 0
        || (uint32_t) v >= c->dict.n)
    {
        (void) write_kind(w, c, "the code of a class that it does not have");
        return;
    }

    write_code(w, c, (uint32_t) v, dsw_string(&c->dict, (uint32_t) v).len);
}


void
maas_dataset_put_item(maas_dataset_writer_t *w, int column, const void *item)
{
    char          *p;
    dsw_column_t  *c = &w->column[column];

    if (c->kind != MAAS_COL_TENSOR) {
        (void) write_kind(w, c, "a tensor");
        return;
    }

    p = write_room(w, c, DSW_ITEMS);
    if (p != NULL) {
        memcpy(p, item, c->item);
    }
}


void
maas_dataset_put_missing(maas_dataset_writer_t *w, int column)
{
    write_missing(w, &w->column[column]);
}


void
maas_dataset_by_column(maas_dataset_writer_t *w)
{
    w->by_column = true;
}


maas_status_t
maas_dataset_end_row(maas_dataset_writer_t *w, maas_err_t *err)
{
    if (maas_unlikely(w->n_put != w->n_column)) {
        for (int i = 0; i < w->n_column; i++) {
            if (w->column[i].rows == w->rows) {
                write_missing(w, &w->column[i]);
            }
        }
    }

    w->n_put = 0;
    w->rows++;

    if (maas_unlikely(w->err.status != MAAS_OK)) {
        return maas_err(err, w->err.status, "%s", w->err.text);
    }

    if (maas_unlikely(w->rows > MAAS_DATASET_ROWS)) {
        return maas_err(err, MAAS_ELIMIT, "more than 2^48 rows");
    }

    return MAAS_OK;
}


void
maas_dataset_note(maas_dataset_writer_t *w, int column, maas_str_t s)
{
    w->column[column].note = maas_arena_str(&w->mem, s.data, s.len);

    if (w->column[column].note.data == NULL) {
        (void) maas_err_nomem(&w->err);
    }
}


/* -- a writer ------------------------------------------------------------ */

/* What an item is, and how many of them a block has. */
static maas_status_t
write_item(maas_dataset_writer_t *w, dsw_column_t *c,
    const maas_column_spec_t *s, bool text)
{
    if (s->kind == MAAS_COL_TENSOR) {
        c->dtype = s->dtype;
        c->rank = s->rank;
        c->image = s->image;
        memcpy(c->dims, s->dims, sizeof(c->dims));

        if (!maas_tensor_item(s->dtype, s->rank, s->dims, &c->width,
                              &c->item))
        {
            return maas_err(&w->err, MAAS_EINVAL, "column \"%.*s\": no tensor "
                            "of this type and shape can be stored",
                            (int) maas_min(s->name.len, 80), s->name.data);
        }

    } else {
        c->dtype = (uint8_t) maas_col_kind_dtype(s->kind);
        c->item = text ? sizeof(uint32_t) : maas_dtype_size(c->dtype);
    }

    c->coded = text && !(s->fixed && s->kind == MAAS_COL_TEXT);
    c->form = !text ? s->kind == MAAS_COL_INTEGER ? DSW_INT64 : DSW_ITEMS
              : c->coded ? DSW_CODES : DSW_TEXT;
    c->cap = (uint32_t) maas_max(c->share / c->item / 64 * 64, DSW_ROWS_MIN);

    if (s->kind == MAAS_COL_TENSOR) {
        c->cap = (uint32_t) maas_max(c->share / c->item, 1);
    }

    return MAAS_OK;
}


static maas_status_t
write_column(maas_dataset_writer_t *w, dsw_column_t *c,
    const maas_column_spec_t *s, size_t share)
{
    bool      text = s->kind == MAAS_COL_TEXT || s->kind == MAAS_COL_CATEGORY;
    uint32_t  code;

    c->kind = s->kind;
    c->fixed = s->fixed;
    c->width = 1;
    c->share = share;
    c->closed = s->n_class != 0;
    c->name = maas_arena_str(&w->mem, s->name.data, s->name.len);
    maas_buf_init(&c->text, w->host);
    maas_buf_init(&c->block, w->host);
    maas_buf_init(&c->dict.bytes, w->host);
    maas_buf_init(&c->dict.end, w->host);
    maas_buf_init(&c->dict.count, w->host);
    MAAS_TRY(write_item(w, c, s, text));

    c->data = maas_alloc(w->host, c->cap * c->item);
    c->present = text ? NULL
                      : maas_alloc(w->host, maas_bitmap_bytes(c->cap));

    if (c->name.data == NULL || c->data == NULL
        || (!text && c->present == NULL))
    {
        return maas_err_nomem(&w->err);
    }

    for (uint32_t i = 0; i < s->n_class; i++) {
        code = maas_dataset_dict_code(w, &c->dict, s->class_name[i], true);

        if (code != i) {
            return maas_err(&w->err, MAAS_EINVAL, "column \"%.*s\": class %u "
                            "is there twice, or too many",
                            (int) maas_min(s->name.len, 80), s->name.data, i);
        }
    }

    return MAAS_OK;
}


static maas_status_t
write_folder(maas_dataset_writer_t *w, const char *path)
{
    size_t       n;
    const char  *slash = strrchr(path, '/');

    w->path = maas_arena_dup(&w->mem, path, strlen(path) + 1);
    n = slash == NULL ? 1 : slash == path ? 1 : (size_t) (slash - path);
    w->dir = maas_arena_dup(&w->mem, slash == NULL ? "." : path, n + 1);

    if (w->path == NULL || w->dir == NULL) {
        return maas_err_nomem(&w->err);
    }

    w->dir[n] = '\0';
    return MAAS_OK;
}


static int
write_names_order(const void *a, const void *b)
{
    const maas_str_t *const  *x = a, *const  *y = b;
    size_t  n = maas_min((*x)->len, (*y)->len);
    int     d = n == 0 ? 0 : memcmp((*x)->data, (*y)->data, n);

    return d != 0 ? d : (*x)->len < (*y)->len ? -1 : (*x)->len > (*y)->len;
}


/* Each name once. */
static maas_status_t
write_names(maas_dataset_writer_t *w, const maas_column_spec_t *column,
    int n)
{
    maas_status_t       rc = MAAS_OK;
    const maas_str_t  **name;

    name = maas_calloc(w->host, (size_t) n + 1, sizeof(*name));
    if (name == NULL) {
        return maas_err_nomem(&w->err);
    }

    for (int i = 0; i < n; i++) {
        name[i] = &column[i].name;
    }

    qsort(name, (size_t) n, sizeof(*name), write_names_order);

    for (int i = 0; i < n && rc == MAAS_OK; i++) {
        if (name[i]->len == 0) {
            rc = maas_err(&w->err, MAAS_EINVAL, "a column has no name");

        } else if (i != 0 && maas_str_eq(*name[i - 1], *name[i])) {
            rc = maas_err(&w->err, MAAS_EINVAL, "two columns are called "
                          "\"%.*s\"", (int) maas_min(name[i]->len, 80),
                          name[i]->data);
        }
    }

    maas_free(w->host, name);
    return rc;
}


maas_status_t
maas_dataset_create(maas_dataset_writer_t **out, const maas_host_t *host,
    const char *path, const maas_column_spec_t *column, int n_column,
    size_t budget, maas_err_t *err)
{
    size_t                  share;
    maas_status_t           rc;
    maas_dataset_writer_t  *w;

    if (n_column < 1 || n_column > MAAS_DATASET_COLUMNS) {
        return maas_err(err, MAAS_ELIMIT, "%d columns: a dataset has 1 to %d",
                        n_column, MAAS_DATASET_COLUMNS);
    }

    w = maas_calloc(host, 1, sizeof(*w));
    if (w == NULL) {
        return maas_err_nomem(err);
    }

    budget = budget == 0 ? MAAS_DATASET_BUDGET : budget;
    share = maas_min(budget / (size_t) n_column, DSW_SHARE_MAX);
    w->host = host;
    w->spill = -1;
    w->dict_left = MAAS_DATASET_DICT;
    maas_arena_init(&w->mem, host, 0);
    w->column = maas_calloc(host, (size_t) n_column, sizeof(dsw_column_t));

    rc = w->column == NULL ? maas_err_nomem(&w->err) : write_folder(w, path);
    if (rc == MAAS_OK) {
        rc = write_names(w, column, n_column);
    }

    for (int i = 0; i < n_column && rc == MAAS_OK; i++) {
        w->n_column++;
        rc = write_column(w, &w->column[i], &column[i], share);
    }

    if (rc == MAAS_OK && access(w->dir, W_OK | X_OK) != 0) {
        rc = write_failed(w);
    }

    if (rc != MAAS_OK) {
        (void) maas_err(err, rc, "%s", w->err.text);
        maas_dataset_discard(w);
        return rc;
    }

    *out = w;
    return MAAS_OK;
}


void
maas_dataset_discard(maas_dataset_writer_t *w)
{
    if (w == NULL) {
        return;
    }

    for (int i = 0; i < w->n_column; i++) {
        maas_dataset_dict_free(w, &w->column[i].dict);
        maas_buf_destroy(&w->column[i].text);
        maas_buf_destroy(&w->column[i].block);
        maas_free(w->host, w->column[i].data);
        maas_free(w->host, w->column[i].present);
    }

    if (w->spill >= 0) {
        close(w->spill);
    }

    maas_free(w->host, w->column);
    maas_free(w->host, w->scratch);
    maas_arena_destroy(&w->mem);
    maas_free(w->host, w);
}
