/*
 * NumPy's arrays into a dataset: each .npy file, and each member of an .npz
 * archive, is a column; their first dimensions agree.  Of rank 1: numbers,
 * integers, bools or texts ('<U', '|S'); of a higher rank: a tensor a row.
 * Files are mapped; packed members are unpacked into a file without a name.
 *
 * Ownership: everything is freed before return.
 * Threads:   reentrant.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/folder.h"
#include "train/dataset_import.h"
#include "train/dataset_writer.h"


#define ZIP_CENTRAL   0x02014b50
#define ZIP_LOCAL     0x04034b50
#define ZIP_END       0x06054b50
#define ZIP_END64     0x06064b50
#define ZIP_MEMBERS   4096
#define NPY_STRIDE    (64u << 10)       /* rows between two ticks */

typedef struct {
    void    *p;
    size_t   n;
} npy_map_t;

typedef struct {
    maas_str_t     name;
    maas_tensor_t  t;
    bool           fortran;
    int            text;        /* 4: UCS-4, 1: bytes; 0: no text */
    size_t         chars;       /* of an element */
} npy_column_t;

typedef struct {
    maas_import_job_t      *job;
    maas_arena_t            mem;
    const char             *path;
    char                   *dir;        /* of the dataset */
    npy_map_t              *map;
    int                     n_map;
    npy_column_t           *column;
    int                     n;
    maas_dataset_writer_t  *w;
} npy_t;


static maas_status_t
npy_map(npy_t *s, int fd, size_t size)
{
    void  *p;

    if (s->n_map == ZIP_MEMBERS) {
        return maas_err(s->job->err, MAAS_ELIMIT, "%s: more than %d arrays",
                        s->path, ZIP_MEMBERS);
    }

    p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        return maas_err(s->job->err, MAAS_EIO, "%s: %s", s->path,
                        strerror(errno));
    }

    s->map[s->n_map++] = (npy_map_t) { p, size };
    return MAAS_OK;
}


/* -- arrays -------------------------------------------------------------- */

/* '<U5', '|S5': n texts of a fixed width. */
static maas_status_t
npy_text(npy_t *s, npy_column_t *c, const maas_npy_t *h)
{
    size_t      n = 0, i = 2;
    int64_t     bytes;
    maas_str_t  d = h->descr;

    while (i < d.len && d.data[i] >= '0' && d.data[i] <= '9' && n < 1 << 20) {
        n = n * 10 + (size_t) (d.data[i++] - '0');
    }

    c->text = d.data[1] == 'U' ? 4 : 1;
    c->chars = n;

    if (d.len < 3 || i != d.len || n >= 1 << 20
        || (d.data[0] == '>' && c->text == 4))
    {
        return maas_err(s->job->err, MAAS_EUNSUPPORTED, "npy: type '%.*s' is "
                        "not read", (int) maas_min(d.len, 32), d.data);
    }

    if (h->rank != 1) {
        return maas_err(s->job->err, MAAS_EUNSUPPORTED, "npy: texts of %d "
                        "dimensions; of one they are read", h->rank);
    }

    if (!maas_mul_i64(h->dims[0], (int64_t) n * c->text, &bytes)
        || (size_t) bytes != h->bytes)
    {
        return maas_err(s->job->err, MAAS_ETRUNC, "npy: the shape does not "
                        "fit %zu bytes of data", h->bytes);
    }

    c->t.data = (void *) (uintptr_t) h->data;
    c->t.rank = 1;
    c->t.dims[0] = h->dims[0];
    return MAAS_OK;
}


static maas_status_t
npy_add(npy_t *s, maas_str_t name, const void *p, size_t n)
{
    char           text[32];
    maas_npy_t     h;
    npy_column_t  *c = &s->column[s->n];

    if (s->n == ZIP_MEMBERS) {
        return maas_err(s->job->err, MAAS_ELIMIT, "%s: more than %d arrays",
                        s->path, ZIP_MEMBERS);
    }

    c->name = name;
    MAAS_TRY(maas_npy_open(p, n, &h, s->job->err));

    if (h.descr.len > 1 && (h.descr.data[1] == 'U' || h.descr.data[1] == 'S'))
    {
        MAAS_TRY(npy_text(s, c, &h));

    } else {
        MAAS_TRY(maas_npy_view(p, n, &c->t, &c->fortran, s->job->err));
    }

    if (c->t.rank == 0 || c->t.dims[0] == 0) {
        return maas_err(s->job->err, MAAS_EINVAL, "\"%.*s\" has no rows: its "
                        "shape is %s", (int) maas_min(name.len, 80),
                        name.data, c->t.rank == 0 ? "()" : "(0, ..)");
    }

    if (s->n != 0 && c->t.dims[0] != s->column[0].t.dims[0]) {
        snprintf(text, sizeof(text), "%lld", (long long) c->t.dims[0]);
        return maas_err(s->job->err, MAAS_EINVAL, "\"%.*s\" has %s rows, "
                        "\"%.*s\" has %lld", (int) maas_min(name.len, 80),
                        name.data, text,
                        (int) maas_min(s->column[0].name.len, 80),
                        s->column[0].name.data,
                        (long long) s->column[0].t.dims[0]);
    }

    s->n++;
    return MAAS_OK;
}


/* -- archives ------------------------------------------------------------ */

typedef struct {
    maas_str_t  name;
    unsigned    method;         /* 0 stored, 8 deflated */
    unsigned    flags;
    uint64_t    size, packed, local;
    uint32_t    crc;
} zip_member_t;


static maas_status_t
zip_bad(npy_t *s, const char *what)
{
    return maas_err(s->job->err, MAAS_EINVAL, "%s: not a whole .npz archive: "
                    "%s", s->path, what);
}


/* Where the central directory is; its end is searched from behind. */
static maas_status_t
zip_directory(npy_t *s, const npy_map_t *m, uint64_t *off, uint64_t *n)
{
    uint64_t        size;
    const uint8_t  *p = m->p;
    maas_reader_t   r;

    for (size_t i = m->n < 22 ? 0 : m->n - 22; m->n >= 22; i--) {
        maas_reader_init(&r, p + i, m->n - i);

        if (maas_read_u32(&r) == ZIP_END) {
            maas_read_bytes(&r, 6);
            *n = maas_read_u16(&r);
            size = maas_read_u32(&r);
            *off = maas_read_u32(&r);

            if (*off != UINT32_MAX && *n != UINT16_MAX && size != UINT32_MAX) {
                return MAAS_OK;
            }

            /* The locator of the larger record stands before this one. */
            if (i < 20) {
                break;
            }

            maas_reader_init(&r, p + i - 20, 20);
            maas_read_u64(&r);
            size = maas_read_u64(&r);

            if (size > m->n || m->n - size < 56) {
                break;
            }

            maas_reader_init(&r, p + size, 56);

            if (maas_read_u32(&r) != ZIP_END64) {
                break;
            }

            maas_read_bytes(&r, 28);
            *n = maas_read_u64(&r);
            maas_read_u64(&r);
            *off = maas_read_u64(&r);
            return MAAS_OK;
        }

        if (i == 0 || m->n - i > 22 + 65535) {
            break;
        }
    }

    return zip_bad(s, "there is no directory");
}


/* Sizes of 64 bits in the extra field, in this order. */
static void
zip_extra(maas_reader_t *r, zip_member_t *z)
{
    unsigned       id, n;
    const uint8_t *p;
    maas_reader_t  e;

    while (maas_reader_left(r) >= 4) {
        id = maas_read_u16(r);
        n = maas_read_u16(r);
        p = maas_read_bytes(r, n);

        if (p == NULL || id != 1) {
            continue;
        }

        maas_reader_init(&e, p, n);
        z->size = z->size == UINT32_MAX ? maas_read_u64(&e) : z->size;
        z->packed = z->packed == UINT32_MAX ? maas_read_u64(&e) : z->packed;
        z->local = z->local == UINT32_MAX ? maas_read_u64(&e) : z->local;
    }
}


static maas_status_t
zip_member(npy_t *s, maas_reader_t *r, zip_member_t *z)
{
    size_t          name, extra, comment;
    const uint8_t  *p;
    maas_reader_t   e;

    if (maas_read_u32(r) != ZIP_CENTRAL) {
        return zip_bad(s, "a record of the directory is none");
    }

    maas_read_u32(r);
    z->flags = maas_read_u16(r);
    z->method = maas_read_u16(r);
    maas_read_u32(r);
    z->crc = maas_read_u32(r);
    z->packed = maas_read_u32(r);
    z->size = maas_read_u32(r);
    name = maas_read_u16(r);
    extra = maas_read_u16(r);
    comment = maas_read_u16(r);
    maas_read_u64(r);
    z->local = maas_read_u32(r);
    z->name.data = (const char *) maas_read_bytes(r, name);
    z->name.len = name;
    p = maas_read_bytes(r, extra);
    maas_read_bytes(r, comment);

    if (r->failed) {
        return zip_bad(s, "the directory ends too early");
    }

    maas_reader_init(&e, p, extra);
    zip_extra(&e, z);
    return MAAS_OK;
}


/* A deflated member into a file without a name, which is mapped. */
static maas_status_t
zip_inflate(npy_t *s, const zip_member_t *z, const uint8_t *p)
{
    int             fd, rc = Z_OK;
    size_t          room, n;
    uint64_t        in = 0, out = 0;
    uint8_t         piece[64 << 10];
    z_stream        zs = { 0 };
    maas_status_t   status = MAAS_OK;

    fd = maas_dataset_nameless(s->dir);
    if (fd < 0) {
        return maas_err(s->job->err, MAAS_EIO, "cannot unpack %s: %s",
                        s->path, strerror(errno));
    }

    if (inflateInit2(&zs, -MAX_WBITS) != Z_OK) {
        close(fd);
        return maas_err_nomem(s->job->err);
    }

    while (rc == Z_OK && status == MAAS_OK) {
        if (zs.avail_in == 0 && in < z->packed) {
            room = (size_t) maas_min(z->packed - in, UINT64_C(1) << 30);
            zs.next_in = (uint8_t *) (uintptr_t) p + in;
            zs.avail_in = (unsigned) room;
            in += room;
        }

        zs.next_out = piece;
        zs.avail_out = sizeof(piece);
        rc = inflate(&zs, Z_NO_FLUSH);
        n = sizeof(piece) - zs.avail_out;

        if (out + n > z->size) {
            rc = Z_DATA_ERROR;

        } else if (n != 0 && !maas_dataset_pwrite(fd, piece, n, out)) {
            status = maas_err(s->job->err, MAAS_EIO, "cannot unpack %s: %s",
                              s->path, strerror(errno));
        }

        out += n;
    }

    inflateEnd(&zs);

    if (status == MAAS_OK && (rc != Z_STREAM_END || out != z->size)) {
        status = zip_bad(s, "a packed array is damaged");
    }

    if (status == MAAS_OK) {
        status = npy_map(s, fd, (size_t) z->size);
    }

    close(fd);
    return status;
}


static maas_status_t
zip_add(npy_t *s, const npy_map_t *m, zip_member_t *z)
{
    const void     *p;
    maas_str_t      name;
    maas_reader_t   r;
    const uint8_t  *base = m->p;

    if (z->name.len < 5
        || memcmp(z->name.data + z->name.len - 4, ".npy", 4) != 0)
    {
        return zip_bad(s, "a member is no .npy file");
    }

    if ((z->flags & 1) || (z->method != 0 && z->method != 8)) {
        return zip_bad(s, "a member is encrypted, or packed in a way that is "
                       "not read");
    }

    if (z->local > m->n) {
        return zip_bad(s, "a member begins behind the end");
    }

    maas_reader_init(&r, base + z->local, m->n - z->local);

    if (maas_read_u32(&r) != ZIP_LOCAL || maas_read_bytes(&r, 22) == NULL) {
        return zip_bad(s, "a member has no header");
    }

    maas_read_bytes(&r, maas_read_u16(&r) + (size_t) maas_read_u16(&r));
    p = maas_read_bytes(&r, z->packed);

    if (p == NULL || r.failed || (z->method == 0 && z->size != z->packed)
        || z->size == 0)
    {
        return zip_bad(s, "a member ends too early");
    }

    if (z->method == 8) {
        MAAS_TRY(zip_inflate(s, z, p));
        p = s->map[s->n_map - 1].p;
    }

    if ((uint32_t) crc32_z(0, p, z->size) != z->crc) {
        return zip_bad(s, "the checksum of a member is wrong");
    }

    name = maas_arena_str(&s->mem, z->name.data, z->name.len - 4);
    if (name.data == NULL) {
        return maas_err_nomem(s->job->err);
    }

    return npy_add(s, name, p, z->size);
}


static maas_status_t
zip_read(npy_t *s, npy_map_t m)
{
    uint64_t       off = 0, n = 0;
    zip_member_t   z;
    maas_reader_t  r;

    MAAS_TRY(zip_directory(s, &m, &off, &n));

    if (off > m.n) {
        return zip_bad(s, "the directory begins behind the end");
    }

    maas_reader_init(&r, (const uint8_t *) m.p + off, m.n - off);

    for (uint64_t i = 0; i < n; i++) {
        MAAS_TRY(zip_member(s, &r, &z));
        MAAS_TRY(zip_add(s, &m, &z));
    }

    return n != 0 ? MAAS_OK : zip_bad(s, "it is empty");
}


/* -- files --------------------------------------------------------------- */

static maas_status_t
npy_file(npy_t *s, const char *path)
{
    int          fd;
    size_t       n;
    npy_map_t    m;
    maas_str_t   name;
    struct stat  st;
    const char  *base = strrchr(path, '/');
    maas_status_t  rc;

    s->path = path;
    fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0) {
        n = (size_t) errno;

        if (fd >= 0) {
            close(fd);
        }

        return maas_err(s->job->err, n == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "%s: %s", path, strerror((int) n));
    }

    if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        close(fd);
        return maas_err(s->job->err, MAAS_EINVAL, "%s: %s", path,
                        S_ISREG(st.st_mode) ? "the file is empty"
                                            : "not a file");
    }

    rc = npy_map(s, fd, (size_t) st.st_size);
    close(fd);
    MAAS_TRY(rc);
    m = s->map[s->n_map - 1];

    if (m.n >= 4 && memcmp(m.p, "PK\3\4", 4) == 0) {
        return zip_read(s, m);
    }

    base = base == NULL ? path : base + 1;
    n = strlen(base);
    n -= n > 4 && strcmp(base + n - 4, ".npy") == 0 ? 4 : 0;
    name = maas_arena_str(&s->mem, base, n);

    if (name.data == NULL) {
        return maas_err_nomem(s->job->err);
    }

    return npy_add(s, name, m.p, m.n);
}


/* -- rows ---------------------------------------------------------------- */

static void
npy_spec(const npy_column_t *c, maas_column_spec_t *spec)
{
    spec->name = c->name;
    spec->dtype = c->t.dtype;
    spec->rank = (uint8_t) (c->t.rank - 1);
    memcpy(spec->dims, c->t.dims + 1, spec->rank * sizeof(int64_t));
    spec->image = c->t.dtype == MAAS_U8 && c->t.rank == 4
                  && (c->t.dims[3] == 1 || c->t.dims[3] == 3);
    spec->kind = c->text != 0 ? MAAS_COL_CATEGORY
                 : c->t.rank > 1 ? MAAS_COL_TENSOR
                 : c->t.dtype == MAAS_BOOL ? MAAS_COL_BOOL
                 : maas_dtypes[c->t.dtype].is_int && c->t.dtype != MAAS_U64
                   ? MAAS_COL_INTEGER : MAAS_COL_NUMBER;
}


static maas_status_t
npy_put_text(npy_t *s, int i, const char *p)
{
    char                 *q, *text;
    size_t                n = 0;
    uint32_t              u;
    const npy_column_t   *c = &s->column[i];

    if (c->text == 1) {
        for (n = c->chars; n != 0 && p[n - 1] == '\0'; n--) { /* void */ }

        if (n != 0) {
            maas_dataset_put_text(s->w, i, (maas_str_t) { p, n });
        }

        return MAAS_OK;
    }

    text = q = maas_alloc(s->job->host, c->chars * 4 + 1);
    if (q == NULL) {
        return maas_err_nomem(s->job->err);
    }

    for (size_t k = 0; k < c->chars; k++) {
        memcpy(&u, p + k * 4, 4);

        if (u == 0) {
            break;
        }

        u = u > 0x10ffff ? 0xfffd : u;

        if (u < 0x80) {
            *q++ = (char) u;

        } else if (u < 0x800) {
            *q++ = (char) (0xc0 | u >> 6);
            *q++ = (char) (0x80 | (u & 63));

        } else if (u < 0x10000) {
            *q++ = (char) (0xe0 | u >> 12);
            *q++ = (char) (0x80 | (u >> 6 & 63));
            *q++ = (char) (0x80 | (u & 63));

        } else {
            *q++ = (char) (0xf0 | u >> 18);
            *q++ = (char) (0x80 | (u >> 12 & 63));
            *q++ = (char) (0x80 | (u >> 6 & 63));
            *q++ = (char) (0x80 | (u & 63));
        }
    }

    if (q != text) {
        maas_dataset_put_text(s->w, i, (maas_str_t) { text,
                                                      (size_t) (q - text) });
    }

    maas_free(s->job->host, text);
    return MAAS_OK;
}


/* A number of rank 1, which need not be aligned. */
static void
npy_put_number(npy_t *s, int i, const char *p)
{
    union {
        float     f32;
        double    f64;
        int8_t    i8;
        int16_t   i16;
        int32_t   i32;
        int64_t   i64;
        uint8_t   u8;
        uint16_t  u16;
        uint32_t  u32;
        uint64_t  u64;
    } v = { .u64 = 0 };

    memcpy(&v, p, maas_dtype_size(s->column[i].t.dtype));

    switch (s->column[i].t.dtype) {
    case MAAS_F32:
        maas_dataset_put_number(s->w, i, v.f32);
        break;
    case MAAS_F16:
        maas_dataset_put_number(s->w, i, maas_f16_to_f32(v.u16));
        break;
    case MAAS_U64:
        maas_dataset_put_number(s->w, i, (double) v.u64);
        break;
    case MAAS_I8:
        maas_dataset_put_integer(s->w, i, v.i8);
        break;
    case MAAS_I16:
        maas_dataset_put_integer(s->w, i, v.i16);
        break;
    case MAAS_I32:
        maas_dataset_put_integer(s->w, i, v.i32);
        break;
    case MAAS_I64:
        maas_dataset_put_integer(s->w, i, v.i64);
        break;
    case MAAS_U8:
        maas_dataset_put_integer(s->w, i, v.u8);
        break;
    case MAAS_U16:
        maas_dataset_put_integer(s->w, i, v.u16);
        break;
    case MAAS_U32:
        maas_dataset_put_integer(s->w, i, v.u32);
        break;
    case MAAS_BOOL:
        maas_dataset_put_bool(s->w, i, v.u8 != 0);
        break;
    default:
        maas_dataset_put_number(s->w, i, v.f64);
    }
}


/* Row r of an array in Fortran order, into item. */
static void
npy_fortran(const npy_column_t *c, int64_t r, char *item)
{
    size_t          size = maas_dtype_size(c->t.dtype);
    int64_t         at, k, n, stride, count;
    const char     *p = c->t.data;
    const int64_t  *dims = c->t.dims;

    count = maas_dims_count(dims + 1, c->t.rank - 1);

    for (int64_t i = 0; i < count; i++, item += size) {
        at = r;
        n = i;
        stride = maas_dims_count(dims, c->t.rank);

        for (int d = c->t.rank - 1; d > 0; d--) {
            k = n % dims[d];
            n /= dims[d];
            stride /= dims[d];
            at += k * stride;
        }

        memcpy(item, p + (size_t) at * size, size);
    }
}


static maas_status_t
npy_rows(npy_t *s, char *item)
{
    size_t         size;
    int64_t        rows = s->column[0].t.dims[0];
    npy_column_t  *c;

    for (int64_t r = 0; r < rows; r++) {
        for (int i = 0; i < s->n; i++) {
            c = &s->column[i];

            if (c->text != 0) {
                size = c->chars * (size_t) c->text;
                MAAS_TRY(npy_put_text(s, i, (char *) c->t.data
                                            + (size_t) r * size));
                continue;
            }

            size = c->t.bytes / (size_t) rows;

            if (c->fortran) {
                npy_fortran(c, r, item);
                maas_dataset_put_item(s->w, i, item);

            } else if (c->t.rank > 1) {
                maas_dataset_put_item(s->w, i, (char *) c->t.data
                                               + (size_t) r * size);
            } else {
                npy_put_number(s, i, (char *) c->t.data + (size_t) r * size);
            }
        }

        MAAS_TRY(maas_dataset_end_row(s->w, s->job->err));

        if (r % NPY_STRIDE == 0) {
            MAAS_TRY(maas_import_tick(s->job, (uint64_t) r,
                                      (uint64_t) rows));
        }
    }

    return MAAS_OK;
}


static maas_status_t
npy_write(npy_t *s)
{
    char                *item;
    size_t               most = 1;
    maas_status_t        rc;
    maas_column_spec_t  *spec;

    spec = maas_arena_array(&s->mem, (size_t) s->n, sizeof(*spec));
    if (spec == NULL) {
        return maas_err_nomem(s->job->err);
    }

    for (int i = 0; i < s->n; i++) {
        npy_spec(&s->column[i], &spec[i]);

        if (s->column[i].fortran) {
            most = maas_max(most, s->column[i].t.bytes
                                  / (size_t) s->column[i].t.dims[0]);
        }
    }

    MAAS_TRY(maas_dataset_create(&s->w, s->job->host, s->job->path, spec,
                                 s->n, s->job->o->budget, s->job->err));

    item = maas_alloc(s->job->host, most);
    rc = item == NULL ? maas_err_nomem(s->job->err) : npy_rows(s, item);
    maas_free(s->job->host, item);

    if (rc != MAAS_OK) {
        maas_dataset_discard(s->w);
        return rc;
    }

    return maas_dataset_commit(s->w, s->job->err);
}


maas_status_t
maas_import_npy(maas_import_job_t *j)
{
    npy_t          s = { .job = j };
    maas_status_t  rc = MAAS_OK;

    maas_arena_init(&s.mem, j->host, 0);
    s.dir = maas_arena_alloc(&s.mem, strlen(j->path) + 2);
    s.map = maas_arena_array(&s.mem, ZIP_MEMBERS, sizeof(*s.map));
    s.column = maas_arena_array(&s.mem, ZIP_MEMBERS + 1, sizeof(*s.column));

    if (s.map == NULL || s.column == NULL || s.dir == NULL
        || !maas_folder_of(s.dir, strlen(j->path) + 2, j->path))
    {
        rc = maas_err_nomem(j->err);
    }

    for (int i = 0; i < j->n_source && rc == MAAS_OK; i++) {
        rc = npy_file(&s, j->source[i]);

        if (rc != MAAS_OK && strstr(j->err->text, s.path) == NULL) {
            (void) maas_err_prefix(j->err, "%s", s.path);
        }
    }

    if (rc == MAAS_OK) {
        rc = npy_write(&s);
    }

    for (int i = 0; i < s.n_map; i++) {
        munmap(s.map[i].p, s.map[i].n);
    }

    maas_arena_destroy(&s.mem);
    return rc;
}
