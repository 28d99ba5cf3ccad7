/*
 * Images into a dataset: SOURCE/CLASS/FILE, in a folder or in a tar archive
 * (ustar, GNU's long names, pax paths; gzip is seen through).  Columns:
 * "image", uint8 [H,W,C], and "label".  Names that begin with a dot are
 * passed over.
 *
 * Ownership: everything is freed before return.
 * Threads:   reentrant.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/image.h"
#include "train/dataset_import.h"


#define TAR_BLOCK  512
#define TAR_NAME   4096

typedef struct {
    maas_import_job_t      *job;
    maas_dataset_writer_t  *w;
    maas_prep_t             prep;
    maas_tensor_t           t;          /* of one image */
    char                    first[256]; /* the file that gave the size */
    int64_t                 n;
} images_t;


/* The columns, as the first image says. */
static maas_status_t
images_begin(images_t *s, const char *name, const maas_image_size_t *size)
{
    int                  rank;
    maas_column_spec_t   spec[2] = {
        { .name = maas_str("image"), .kind = MAAS_COL_TENSOR,
          .dtype = MAAS_U8, .rank = 3, .image = 1 },
        { .name = maas_str("label"), .kind = MAAS_COL_CATEGORY,
          .fixed = true }
    };

    s->prep.kind = MAAS_PREP_IMAGE;
    s->prep.fit = MAAS_FIT_STRETCH;
    s->prep.layout = MAAS_LAYOUT_NHWC;
    s->prep.color = s->job->o->gray ? MAAS_COLOR_GRAY : MAAS_COLOR_RGB;
    s->prep.scale = 1;
    s->prep.width = (int32_t) s->job->o->width;
    s->prep.height = (int32_t) s->job->o->height;
    s->prep.width = s->prep.width != 0 ? s->prep.width
                                       : (int32_t) size->width;
    s->prep.height = s->prep.height != 0 ? s->prep.height
                                         : (int32_t) size->height;

    for (int i = 0; i < 4; i++) {
        s->prep.std[i] = 1;
    }

    MAAS_TRY(maas_image_dims(&s->prep, size, s->t.dims, &rank, s->job->err));
    s->t.dtype = MAAS_U8;
    s->t.rank = (uint8_t) rank;

    if (!maas_dtype_bytes(MAAS_U8, maas_dims_count(s->t.dims, rank),
                          &s->t.bytes))
    {
        return maas_err(s->job->err, MAAS_ELIMIT, "images of %ux%u are too "
                        "large", size->width, size->height);
    }

    s->t.data = maas_alloc(s->job->host, s->t.bytes);
    if (s->t.data == NULL) {
        return maas_err_nomem(s->job->err);
    }

    snprintf(s->first, sizeof(s->first), "%s", name);
    memcpy(spec[0].dims, s->t.dims + 1, 3 * sizeof(int64_t));

    return maas_dataset_create(&s->w, s->job->host, s->job->path, spec, 2,
                               s->job->o->budget, s->job->err);
}


static maas_status_t
images_add(images_t *s, const char *name, maas_str_t label, const void *p,
    size_t n)
{
    maas_status_t      rc;
    maas_image_size_t  size;

    rc = maas_image_size(p, n, 0, &size, s->job->err);

    if (rc == MAAS_OK && s->w == NULL) {
        rc = images_begin(s, name, &size);
    }

    if (rc == MAAS_OK && s->job->o->width == 0
        && ((int32_t) size.width != s->prep.width
            || (int32_t) size.height != s->prep.height))
    {
        rc = maas_err(s->job->err, MAAS_EINVAL, "the image is %ux%u, and %s "
                      "is %dx%d: say --size WIDTHxHEIGHT", size.width,
                      size.height, s->first, s->prep.width, s->prep.height);
    }

    if (rc == MAAS_OK) {
        rc = maas_image_prepare(s->job->host, p, n, 0, &s->prep, &s->t,
                                s->job->err);
    }

    if (rc != MAAS_OK) {
        return maas_err_prefix(s->job->err, "%s", name);
    }

    maas_dataset_put_item(s->w, 0, s->t.data);
    maas_dataset_put_text(s->w, 1, label);
    s->n++;

    return maas_dataset_end_row(s->w, s->job->err);
}


/* -- folders ------------------------------------------------------------- */

typedef struct {
    char   **v;
    size_t   n, cap;
} names_t;


static void
names_free(names_t *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i]);
    }

    free(l->v);
}


static int
names_order(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}


/* What is in a folder, in order. */
static maas_status_t
names_read(names_t *l, const char *path, maas_err_t *err)
{
    DIR            *dir = opendir(path);
    char          **v;
    struct dirent  *e;

    memset(l, 0, sizeof(*l));

    if (dir == NULL) {
        return maas_err(err, MAAS_EIO, "%s: %s", path, strerror(errno));
    }

    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.') {
            continue;
        }

        if (l->n == l->cap) {
            v = realloc(l->v, (l->cap * 2 + 64) * sizeof(*v));
            if (v == NULL) {
                break;
            }

            l->v = v;
            l->cap = l->cap * 2 + 64;
        }

        l->v[l->n] = strdup(e->d_name);
        if (l->v[l->n] == NULL) {
            break;
        }

        l->n++;
    }

    closedir(dir);

    if (e != NULL) {
        return maas_err_nomem(err);
    }

    if (l->n != 0) {
        qsort(l->v, l->n, sizeof(*l->v), names_order);
    }

    return MAAS_OK;
}


static maas_status_t
images_file(images_t *s, const char *path, maas_str_t label)
{
    int            fd, e;
    char          *p = NULL;
    size_t         at = 0, size;
    ssize_t        n = 1;
    struct stat    st;
    maas_status_t  rc;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    e = errno;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0) {
            close(fd);
        }

        return maas_err(s->job->err, MAAS_EIO, "%s: %s", path,
                        fd < 0 ? strerror(e) : "neither an image nor a "
                        "folder of them (SOURCE/CLASS/IMAGE is read)");
    }

    size = (size_t) st.st_size;
    rc = size > MAAS_IMPORT_FILE
         ? maas_err(s->job->err, MAAS_ELIMIT, "%s: %zu bytes; at most %u are "
                    "read", path, size, MAAS_IMPORT_FILE) : MAAS_OK;

    if (rc == MAAS_OK) {
        p = maas_alloc(s->job->host, size + 1);
        rc = p == NULL ? maas_err_nomem(s->job->err) : MAAS_OK;
    }

    while (rc == MAAS_OK && at < size && n > 0) {
        n = read(fd, p + at, size - at);
        at += n > 0 ? (size_t) n : 0;
    }

    close(fd);

    if (rc == MAAS_OK) {
        rc = images_add(s, path, label, p, at);
    }

    maas_free(s->job->host, p);
    return rc;
}


static maas_status_t
images_class(images_t *s, const char *root, const char *class,
    uint64_t done, uint64_t of)
{
    int            n;
    char           path[4096];
    names_t        files;
    maas_str_t     label = { class, strlen(class) };
    maas_status_t  rc;

    n = snprintf(path, sizeof(path), "%s/%s", root, class);
    if (n >= (int) sizeof(path)) {
        return maas_err(s->job->err, MAAS_ELIMIT, "%s: the path is too long",
                        root);
    }

    rc = names_read(&files, path, s->job->err);

    for (size_t i = 0; i < files.n && rc == MAAS_OK; i++) {
        if (snprintf(path + n, sizeof(path) - (size_t) n, "/%s", files.v[i])
            >= (int) sizeof(path) - n)
        {
            rc = maas_err(s->job->err, MAAS_ELIMIT, "%s/%s: a path is too "
                          "long", root, class);
            break;
        }

        rc = images_file(s, path, label);

        if (rc == MAAS_OK) {
            rc = maas_import_tick(s->job, done * 1000 + 1000 * i / files.n,
                                  of * 1000);
        }
    }

    names_free(&files);
    return rc;
}


static maas_status_t
images_folder(images_t *s, const char *root)
{
    char           path[4096];
    names_t        classes;
    struct stat    st;
    maas_status_t  rc;

    rc = names_read(&classes, root, s->job->err);

    for (size_t i = 0; i < classes.n && rc == MAAS_OK; i++) {
        snprintf(path, sizeof(path), "%s/%s", root, classes.v[i]);

        if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
            rc = maas_err(s->job->err, MAAS_EINVAL, "%s is no folder: images "
                          "lie in a folder for each class, as in "
                          "%s/CLASS/IMAGE.png", path, root);
            break;
        }

        rc = images_class(s, root, classes.v[i], i, classes.n);
    }

    names_free(&classes);
    return rc;
}


/* -- tar ----------------------------------------------------------------- */

typedef struct {
    images_t     *s;
    maas_text_t   text;
    char          name[TAR_NAME];
    bool          named;        /* by a record before */
    uint64_t      at;           /* of the record, for messages */
} tar_t;


static maas_status_t
tar_bad(tar_t *t, const char *what)
{
    return maas_err(t->s->job->err, MAAS_EINVAL, "%s: not a whole tar "
                    "archive: %s at byte %llu", t->text.path, what,
                    (unsigned long long) t->at);
}


/* n bytes in one piece; *p NULL: the archive ends here. */
static maas_status_t
tar_take(tar_t *t, uint64_t n, const char **p)
{
    maas_status_t  rc;
    maas_text_t   *x = &t->text;

    *p = NULL;

    while ((uint64_t) (x->end - x->pos) < n && !x->eof) {
        rc = maas_text_more(x);

        if (rc == MAAS_ELIMIT) {
            return maas_err(t->s->job->err, MAAS_ELIMIT, "%s: %s has more "
                            "than %zu bytes", x->path, t->name, x->limit);
        }

        MAAS_TRY(rc);
    }

    if ((uint64_t) (x->end - x->pos) >= n) {
        *p = x->pos;
        x->pos += n;
        t->at += n;
    }

    return MAAS_OK;
}


/* Octal, or 256-based where the first bit is set. */
static bool
tar_number(const char *p, size_t n, uint64_t *v)
{
    size_t  i = 0;

    *v = 0;

    if ((uint8_t) p[0] & 0x80) {
        for (i = 1; i < n; i++) {
            if (*v >> 48 != 0) {
                return false;
            }

            *v = *v << 8 | (uint8_t) p[i];
        }

        return true;
    }

    while (i < n && p[i] == ' ') {
        i++;
    }

    for ( /* void */ ; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
        *v = *v * 8 + (uint64_t) (p[i] - '0');
    }

    return i == n || p[i] == ' ' || p[i] == '\0';
}


static bool
tar_checked(const char *h)
{
    uint64_t  want, sum = 0;

    for (int i = 0; i < TAR_BLOCK; i++) {
        sum += i >= 148 && i < 156 ? ' ' : (uint8_t) h[i];
    }

    return tar_number(h + 148, 8, &want) && want == sum;
}


static void
tar_name(tar_t *t, const char *p, size_t n)
{
    n = strnlen(p, n);
    n = maas_min(n, sizeof(t->name) - 1);
    memcpy(t->name, p, n);
    t->name[n] = '\0';
}


/* "LENGTH path=NAME\n" among the lines of a pax header. */
static void
tar_pax(tar_t *t, const char *p, size_t n)
{
    size_t       len, i;
    const char  *end = p + n;

    while (p < end) {
        for (len = i = 0; p + i < end && p[i] >= '0' && p[i] <= '9' && i < 9;
             i++)
        {
            len = len * 10 + (size_t) (p[i] - '0');
        }

        if (len <= i + 1 || len > (size_t) (end - p)) {
            return;
        }

        if (len > i + 7 && memcmp(p + i, " path=", 6) == 0) {
            tar_name(t, p + i + 6, len - i - 7);
            t->named = true;
        }

        p += len;
    }
}


/* The folder that a file lies in is its class. */
static maas_status_t
tar_file(tar_t *t, const char *p, size_t n)
{
    char        *slash = strrchr(t->name, '/'), *class;
    maas_str_t   label;

    if (slash == NULL) {
        return maas_err(t->s->job->err, MAAS_EINVAL, "%s: %s lies in no "
                        "folder: images lie in a folder for each class",
                        t->text.path, t->name);
    }

    if (slash[1] == '.') {
        return MAAS_OK;
    }

    class = slash;

    while (class > t->name && class[-1] != '/') {
        class--;
    }

    label = (maas_str_t) { class, (size_t) (slash - class) };

    if (label.len == 0 || maas_str_is(label, ".")) {
        return maas_err(t->s->job->err, MAAS_EINVAL, "%s: %s lies in no "
                        "folder: images lie in a folder for each class",
                        t->text.path, t->name);
    }

    return images_add(t->s, t->name, label, p, n);
}


static maas_status_t
tar_record(tar_t *t, const char *h)
{
    char         type = h[156], prefix[160];
    uint64_t     size;
    const char  *p;

    if (!tar_checked(h) || !tar_number(h + 124, 12, &size)
        || size > (uint64_t) 1 << 48)
    {
        return tar_bad(t, "a bad header");
    }

    if (!t->named) {
        tar_name(t, h, 100);

        if (memcmp(h + 257, "ustar", 6) == 0 && h[345] != '\0') {
            snprintf(prefix, sizeof(prefix), "%.155s", h + 345);
            snprintf(t->name, sizeof(t->name), "%s/%.100s", prefix, h);
        }
    }

    MAAS_TRY(tar_take(t, maas_align(size, TAR_BLOCK), &p));

    if (p == NULL) {
        return tar_bad(t, "a file ends too early");
    }

    switch (type) {

    case 'L':
        tar_name(t, p, (size_t) size);
        t->named = true;
        return MAAS_OK;

    case 'x':
        tar_pax(t, p, (size_t) size);
        return MAAS_OK;

    case '0':
    case '\0':
    case '7':
        t->named = false;
        return tar_file(t, p, (size_t) size);

    default:
        t->named = type == 'g' ? t->named : false;
        return MAAS_OK;
    }
}


static maas_status_t
images_tar(images_t *s, const char *path)
{
    const char     *p;
    tar_t          *t;
    maas_status_t   rc;
    static const char  zero[TAR_BLOCK];

    t = maas_calloc(s->job->host, 1, sizeof(*t));
    if (t == NULL) {
        return maas_err_nomem(s->job->err);
    }

    t->s = s;
    rc = maas_text_open(&t->text, s->job, path,
                        MAAS_IMPORT_FILE + TAR_BLOCK);

    while (rc == MAAS_OK) {
        rc = tar_take(t, TAR_BLOCK, &p);

        if (rc != MAAS_OK || p == NULL || memcmp(p, zero, TAR_BLOCK) == 0) {
            break;
        }

        rc = tar_record(t, p);
    }

    if (rc == MAAS_OK && p == NULL && t->at == 0) {
        rc = tar_bad(t, "it is empty");
    }

    maas_text_close(&t->text);
    maas_free(s->job->host, t);
    return rc;
}


/* -- all ----------------------------------------------------------------- */

maas_status_t
maas_import_images(maas_import_job_t *j)
{
    images_t       s = { .job = j };
    struct stat    st;
    maas_status_t  rc;

    if (stat(j->source[0], &st) != 0) {
        return maas_err(j->err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "%s: %s", j->source[0], strerror(errno));
    }

    rc = S_ISDIR(st.st_mode) ? images_folder(&s, j->source[0])
                             : images_tar(&s, j->source[0]);

    if (rc == MAAS_OK && s.n == 0) {
        rc = maas_err(j->err, MAAS_EINVAL, "%s: there is no image (of "
                      "CLASS/IMAGE.png or .jpg)", j->source[0]);
    }

    maas_free(j->host, s.t.data);

    if (rc != MAAS_OK) {
        maas_dataset_discard(s.w);
        return rc;
    }

    return maas_dataset_commit(s.w, j->err);
}
