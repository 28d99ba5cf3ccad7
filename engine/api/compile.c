/*
 * compile.c: model file -> image.  import, passes, image, plan of the
 * profile, seal.  Linked into the maas command and tests, never into the
 * module: workers map what this makes.
 *
 * Ownership: the image belongs to the caller (maas_image_free()).
 * Threads:   reentrant.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "base/folder.h"
#include "formats/onnx.h"
#include "graph/pass/pass.h"


#define COMPILE_FOLD_BUDGET  (2ull << 30)
#define COMPILE_TEXT_MAX     (16u << 20)    /* model.json, labels.txt */


typedef struct {
    void    *data;
    size_t   size;
    bool     mapped;
} compile_file_t;

/* What stands beside the model file. */
typedef struct {
    compile_file_t  json;
    compile_file_t  labels;
    uint8_t         digest[MAAS_DIGEST];    /* of these and the model */
    const char     *path;                   /* of the model; NULL: bytes */
    maas_folder_t  *folder;                 /* of its external data */
} compile_side_t;


/* -- the graph, from here to the image ----------------------------------- */

static bool
compile_fixed(const maas_graph_t *g)
{
    const maas_type_t  *t;

    for (uint32_t i = 0; i < g->n_in; i++) {
        t = &g->value[g->in[i]].type;

        if (t->rank != 0 && (t->rank < 0 || !maas_dim_known(t->dims[0]))) {
            return false;
        }
    }

    return true;
}


/* Text needs floats by step, and a label for every class. */
static maas_status_t
compile_ctc(const maas_graph_t *g, const maas_meta_t *meta, maas_err_t *err)
{
    int64_t             n, blank;
    const maas_value_t *v = &g->value[g->out[meta->output]];
    const maas_type_t  *t = &v->type;

    if ((t->rank < 0 || t->dtype == MAAS_NODTYPE) && g->declared != NULL) {
        t = &g->declared[meta->output];
    }

    if (t->rank < 0 || t->dtype == MAAS_NODTYPE) {
        return MAAS_OK;
    }

    if ((t->rank != 2 && t->rank != 3) || !maas_dtypes[t->dtype].is_float) {
        return maas_err(err, MAAS_EINVAL, "model.json: output.meaning "
                        "\"ctc\": output \"%.*s\" is %s of rank %d; floats "
                        "of rank 3 (rows, steps, classes) or 2 are expected",
                        (int) maas_min(v->name.len, 60u), v->name.data,
                        maas_dtype_name(t->dtype), t->rank);
    }

    n = t->dims[t->rank - 1];
    blank = meta->blank;

    if (!maas_dim_known(n)) {
        return MAAS_OK;
    }

    if (blank >= n) {
        return maas_err(err, MAAS_EINVAL, "model.json: output.blank is %lld, "
                        "but there are %lld classes", (long long) blank,
                        (long long) n);
    }

    if (meta->n_labels != n && meta->n_labels != n - 1) {
        return maas_err(err, MAAS_EINVAL, "labels.txt has %u lines, but output "
                        "\"%.*s\" has %lld classes: %lld lines are expected, "
                        "or %lld without one for the blank",
                        meta->n_labels, (int) maas_min(v->name.len, 60u),
                        v->name.data, (long long) n, (long long) n,
                        (long long) n - 1);
    }

    return MAAS_OK;
}


/* A name for each element of a sample, where its size is known. */
static maas_status_t
compile_features(const maas_graph_t *g, const maas_meta_t *meta,
    maas_err_t *err)
{
    int64_t              n = 1;
    maas_str_t           name;
    const maas_type_t   *t;

    if (meta->n_features == 0 || meta->prep.input >= g->n_in) {
        return MAAS_OK;
    }

    t = &g->value[g->in[meta->prep.input]].type;
    name = g->value[g->in[meta->prep.input]].name;

    if (t->rank < 0) {
        return MAAS_OK;
    }

    for (int d = 1; d < t->rank; d++) {
        if (!maas_dim_known(t->dims[d])
            || !maas_mul_i64(n, t->dims[d], &n))
        {
            return MAAS_OK;
        }
    }

    return n == meta->n_features ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "model.json: input.features has %u "
                      "names, but a sample of input \"%.*s\" has %lld "
                      "elements", meta->n_features,
                      (int) maas_min(name.len, 64), name.data,
                      (long long) n);
}


static maas_status_t
compile_meta(const maas_graph_t *g, const compile_side_t *side,
    maas_meta_t **out, maas_err_t *err)
{
    maas_str_t         *name;
    maas_status_t       rc;
    maas_meta_names_t   names;

    *out = NULL;

    name = maas_calloc(maas_host_default(), g->n_in + g->n_out + 1,
                       sizeof(*name));
    if (name == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < g->n_in; i++) {
        name[i] = g->value[g->in[i]].name;
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        name[g->n_in + i] = g->value[g->out[i]].name;
    }

    names.in = name;
    names.n_in = g->n_in;
    names.out = name + g->n_in;
    names.n_out = g->n_out;

    rc = maas_meta_parse(out, maas_host_default(),
                         side != NULL ? side->json.data : NULL,
                         side != NULL ? side->json.size : 0,
                         side != NULL ? side->labels.data : NULL,
                         side != NULL ? side->labels.size : 0, &names, err);

    maas_free(maas_host_default(), name);

    if (rc == MAAS_OK) {
        rc = compile_features(g, *out, err);
    }

    if (rc == MAAS_OK && (*out)->meaning == MAAS_MEANS_CTC) {
        rc = compile_ctc(g, *out, err);
    }

    if (rc == MAAS_OK) {
        rc = maas_compile_check(g, *out, err);
    }

    if (rc != MAAS_OK) {
        maas_free(maas_host_default(), *out);
        *out = NULL;
        return rc;
    }

    /* Nothing batches where the first dimension is fixed. */
    if (rc == MAAS_OK && (*out)->batch_axis == 0 && compile_fixed(g)) {
        (*out)->batch_axis = -1;
    }

    return rc;
}


/*
 * With the plan at the profile's shapes: every open dimension 1.  It may be
 * impossible at these shapes alone (a window larger than an input of 1):
 * that is no reason to refuse the model, unless an operator has no kernel at
 * all.
 */
static maas_status_t
compile_seal(maas_buf_t *b, maas_err_t *err)
{
    maas_plan_t    *p = NULL;
    maas_model_t   *m;
    maas_status_t   rc;

    MAAS_TRY(maas_model_open(&m, b->data, b->len, NULL, err));

    rc = model_profile_plan(m, &p, err);

    if (rc != MAAS_ENOMEM && rc != MAAS_EUNSUPPORTED
        && rc != MAAS_EINTERNAL && rc != MAAS_ETRUNC)
    {
        rc = maas_image_seal(b, rc == MAAS_OK ? p : NULL, err);
    }

    maas_plan_release(p, m->src.host);
    maas_model_release(m);
    return rc;
}


static maas_status_t
compile_take(maas_buf_t *b, void **image, size_t *size, maas_err_t *err)
{
    *image = aligned_alloc(4096, maas_align(b->len, 4096));
    if (*image == NULL) {
        return maas_err_nomem(err);
    }

    memcpy(*image, b->data, b->len);
    *size = b->len;

    return MAAS_OK;
}


void
maas_image_free(void *image)
{
    free(image);
}


/* What the image is of: the model's path and its external files. */
static void
compile_files(const compile_side_t *side, maas_buf_t *b)
{
    char  real[PATH_MAX] = "";

    if (side->path != NULL && realpath(side->path, real) == NULL) {
        real[0] = '\0';
    }

    maas_buf_add(b, real, strlen(real) + 1);

    if (side->folder != NULL) {
        maas_folder_lines(side->folder, b);
    }
}


static maas_status_t
compile_graph(maas_graph_t *g, const maas_compile_t *spec,
    const compile_side_t *side, void **image, size_t *size, maas_err_t *err)
{
    maas_buf_t          b, files;
    maas_meta_t        *meta;
    maas_status_t       rc;
    maas_pass_opts_t    opts = { 0 };
    maas_image_spec_t   is = { 0 };

    if (spec->numerics != NULL && strcmp(spec->numerics, "exact") != 0
        && strcmp(spec->numerics, "fast") != 0)
    {
        return maas_err(err, MAAS_EINVAL,
                        "numerics '%s': exact or fast expected",
                        spec->numerics);
    }

    opts.host = maas_host_default();
    opts.k = maas_kernels(maas_cpu_in_use());
    opts.fold_budget = spec->fold_budget ? spec->fold_budget
                                         : COMPILE_FOLD_BUDGET;
    opts.off = spec->passes_off;
    opts.fast = spec->numerics != NULL && strcmp(spec->numerics, "fast") == 0;

    MAAS_TRY(maas_passes_run(g, &opts, err));
    MAAS_TRY(compile_meta(g, side, &meta, err));

    is.graph = g;
    is.meta = meta;
    is.meta_size = meta->size;
    is.cpu = maas_cpu_in_use();
    is.numerics = spec->numerics != NULL
                  && strcmp(spec->numerics, "fast") == 0;

    maas_buf_init(&b, maas_host_default());
    maas_buf_init(&files, maas_host_default());

    if (side != NULL) {
        memcpy(is.source, side->digest, MAAS_DIGEST);
        compile_files(side, &files);
        is.files = &files;
    }

    rc = files.failed ? maas_err_nomem(err) : maas_image_build(&is, &b, err);

    if (rc == MAAS_OK) {
        rc = compile_seal(&b, err);
    }

    if (rc == MAAS_OK) {
        rc = compile_take(&b, image, size, err);
    }

    maas_buf_destroy(&files);
    maas_buf_destroy(&b);
    maas_free(maas_host_default(), meta);

    return rc;
}


maas_status_t
maas_compile_graph(maas_graph_t *g, const maas_compile_t *spec,
    void **image, size_t *size, maas_err_t *err)
{
    return compile_graph(g, spec, NULL, image, size, err);
}


/* -- bytes and files ----------------------------------------------------- */

static maas_status_t
compile_read(const void *p, size_t n, maas_folder_t *folder,
    const maas_compile_t *spec, compile_side_t *side, void **image,
    size_t *size, maas_err_t *err)
{
    maas_arena_t       a;
    maas_graph_t      *g;
    maas_status_t      rc;
    maas_raw_model_t  *raw;
    maas_onnx_opts_t   opts = { folder, spec->fold_budget };

    maas_arena_init(&a, maas_host_default(), 0);

    rc = maas_onnx_read(&raw, &a, p, n, &opts, err);

    if (rc == MAAS_OK) {
        rc = maas_graph_import(&g, &a, raw, err);
    }

    if (rc == MAAS_OK) {
        side->folder = folder;
        rc = compile_graph(g, spec, side, image, size, err);
    }

    maas_arena_destroy(&a);
    return rc;
}


/* External files stay mapped until the image has their bytes. */
static maas_status_t
compile_bytes(const void *p, size_t n, const char *dir,
    const maas_compile_t *spec, compile_side_t *side, void **image,
    size_t *size, maas_err_t *err)
{
    maas_folder_t  folder;
    maas_status_t  rc;

    rc = maas_folder_init(&folder, maas_host_default(), dir, err);

    if (rc == MAAS_OK) {
        rc = compile_read(p, n, &folder, spec, side, image, size, err);
    }

    maas_folder_close(&folder);
    return rc;
}


maas_status_t
maas_compile_bytes(const void *p, size_t n, const char *dir,
    const maas_compile_t *spec, void **image, size_t *size, maas_err_t *err)
{
    compile_side_t  side = { 0 };

    return compile_bytes(p, n, dir, spec, &side, image, size, err);
}


/* Maps a file privately; an empty one is data NULL.  Absent: MAAS_ENOENT. */
static maas_status_t
compile_open(const char *path, size_t max, compile_file_t *f,
    maas_err_t *err)
{
    int          fd;
    struct stat  st;

    memset(f, 0, sizeof(*f));

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1) {
        return maas_err(err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "cannot read %s: %s", path, strerror(errno));
    }

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return maas_err(err, MAAS_EINVAL, "%s is not a regular file", path);
    }

    if ((uint64_t) st.st_size > max) {
        close(fd);
        return maas_err(err, MAAS_EINVAL, "%s has %lld bytes; at most %zu are "
                        "read", path, (long long) st.st_size, max);
    }

    f->size = st.st_size;

    if (f->size != 0) {
        f->data = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, fd, 0);
        f->mapped = f->data != MAP_FAILED;
    }

    close(fd);

    if (f->size != 0 && !f->mapped) {
        f->data = NULL;
        return maas_err_nomem(err);
    }

    return MAAS_OK;
}


static void
compile_close(compile_file_t *f)
{
    if (f->mapped) {
        munmap(f->data, f->size);
    }
}


/* name beside the model file; absent: an empty file. */
static maas_status_t
compile_open_side(const char *model, const char *name, compile_file_t *f,
    maas_err_t *err)
{
    size_t         len;
    maas_err_t     e;
    maas_status_t  rc;
    const char    *slash = strrchr(model, '/');
    char           path[4096];

    len = slash != NULL ? (size_t) (slash - model) + 1 : 0;
    if (len + strlen(name) >= sizeof(path)) {
        return maas_err(err, MAAS_EINVAL, "path too long: %s", model);
    }

    memcpy(path, model, len);
    strcpy(path + len, name);

    rc = compile_open(path, COMPILE_TEXT_MAX, f, &e);

    if (rc == MAAS_ENOENT) {
        memset(f, 0, sizeof(*f));
        return MAAS_OK;
    }

    return rc == MAAS_OK ? rc : maas_err(err, rc, "%s", e.text);
}


static maas_status_t
compile_digest(const compile_file_t *model, compile_side_t *side,
    maas_err_t *err)
{
    uint64_t     size[3] = { model->size, side->json.size,
                             side->labels.size };
    maas_sha_t  *sha = maas_sha_create();

    if (sha == NULL) {
        return maas_err_nomem(err);
    }

    maas_sha_update(sha, size, sizeof(size));
    maas_sha_update(sha, model->data, model->size);
    maas_sha_update(sha, side->json.data, side->json.size);
    maas_sha_update(sha, side->labels.data, side->labels.size);
    maas_sha_final(sha, side->digest);

    return MAAS_OK;
}


/* The model file and what stands beside it, with their digest. */
static maas_status_t
compile_source(const char *path, compile_file_t *model,
    compile_side_t *side, maas_err_t *err)
{
    maas_status_t  rc;

    memset(side, 0, sizeof(*side));
    MAAS_TRY(compile_open(path, SIZE_MAX, model, err));

    rc = compile_open_side(path, "model.json", &side->json, err);

    if (rc == MAAS_OK) {
        rc = compile_open_side(path, "labels.txt", &side->labels, err);
    }

    if (rc == MAAS_OK) {
        rc = compile_digest(model, side, err);
    }

    return rc;
}


static void
compile_source_close(compile_file_t *model, compile_side_t *side)
{
    compile_close(&side->labels);
    compile_close(&side->json);
    compile_close(model);
}


bool
maas_image_is_of(const void *image, const char *path)
{
    bool                       same;
    char                       dir[PATH_MAX];
    size_t                     skip;
    compile_file_t             model = { 0 };
    compile_side_t             side;
    const char                *lines;
    const maas_img_header_t   *h = image;
    const maas_img_section_t  *s = &h->section[MAAS_SEC_FILES];

    same = compile_source(path, &model, &side, NULL) == MAAS_OK
           && memcmp(side.digest, h->source, MAAS_DIGEST) == 0;

    if (same && s->size != 0) {
        lines = (const char *) image + s->off;
        skip = strnlen(lines, s->size - 1) + 1;
        same = maas_folder_of(dir, sizeof(dir), path)
               && maas_folder_same(dir, lines + skip, s->size - skip);
    }

    compile_source_close(&model, &side);

    return same;
}


maas_status_t
maas_compile(const maas_compile_t *spec, void **image, size_t *size,
    maas_err_t *err)
{
    char             dir[PATH_MAX];
    maas_status_t    rc;
    compile_file_t   model = { 0 };
    compile_side_t   side;

    *image = NULL;
    *size = 0;

    if (!maas_folder_of(dir, sizeof(dir), spec->path)) {
        return maas_err(err, MAAS_EINVAL, "path too long: %s", spec->path);
    }

    rc = compile_source(spec->path, &model, &side, err);

    side.path = spec->path;

    if (rc == MAAS_OK) {
        rc = compile_bytes(model.data, model.size, dir, spec, &side, image,
                           size, err);

        if (rc != MAAS_OK) {
            (void) maas_err_prefix(err, "%s", spec->path);
        }
    }

    compile_source_close(&model, &side);
    return rc;
}


maas_status_t
maas_image_verify(const void *image, size_t size, maas_err_t *err)
{
    uint8_t                   digest[MAAS_DIGEST];
    maas_image_t             *im;
    maas_plan_t              *plan;
    maas_status_t             rc;
    const maas_img_header_t  *h = image;
    const maas_host_t        *host = maas_host_default();

    MAAS_TRY(maas_image_load(&im, host, image, size, err));

    rc = maas_image_plan(&plan, im, host, err);
    maas_plan_release(plan, host);
    maas_image_unload(im, host);
    MAAS_TRY(rc);

    if (!maas_image_digest(image, size, digest)) {
        return maas_err_nomem(err);
    }

    if (memcmp(digest, h->payload, MAAS_DIGEST) != 0) {
        return maas_err(err, MAAS_ETRUNC,
                        "image: it is not what was written "
                        "(checksum)");
    }

    return MAAS_OK;
}
