/*
 * Values of an ONNX file replaced: what is read again has the new values and
 * shapes, all other bytes are there as they were; external data come in, or
 * are refused by name.
 *
 * With arguments IN OUT NAME every element of NAME is doubled, and 1 added,
 * for a test that looks at the bytes with another reader.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/onnx.h"
#include "formats/onnx_patch.h"
#include "pbwrite.h"
#include "tap.h"


static const int64_t  dims_n4[] = { -1, 4 };
static const int64_t  dims_44[] = { 4, 4 };
static float          eye[16];


typedef struct {
    maas_arena_t       arena;
    maas_folder_t      folder;
    maas_onnx_opts_t   opts;
    maas_buf_t         out;
    maas_raw_model_t  *m;
    maas_raw_model_t  *back;
    maas_err_t         err;
} patch_run_t;


static bool
begin(patch_run_t *t, const void *p, size_t n, const char *folder)
{
    memset(t, 0, sizeof(*t));
    maas_arena_init(&t->arena, &maas_host_libc, 0);
    maas_buf_init(&t->out, &maas_host_libc);
    t->opts.folder = &t->folder;

    return maas_folder_init(&t->folder, &maas_host_libc, folder, &t->err)
           == MAAS_OK
           && maas_onnx_read(&t->m, &t->arena, p, n, &t->opts, &t->err)
              == MAAS_OK;
}


static void
end(patch_run_t *t)
{
    maas_buf_destroy(&t->out);
    maas_arena_destroy(&t->arena);
    maas_folder_close(&t->folder);
}


/* x W + b, with fields that nobody knows; ext: the values are elsewhere. */
static pb_t
sample(int ext)
{
    pb_t  g = pb_new(), t, e, m;

    pb_str(&g, 2, "sample");
    pb_put(&g, 1, pb_node("Gemm", "dense", "x W b", "h"));
    pb_put(&g, 1, pb_node("Relu", "relu", "h", "y"));

    t = pb_tensor("W", 1, 2, dims_44);

    if (ext) {
        e = pb_new();
        pb_str(&e, 1, "location");
        pb_str(&e, 2, "w.bin");
        pb_put(&t, 13, e);
        pb_int(&t, 14, 1);

    } else {
        pb_bytes(&t, 9, eye, sizeof(eye));
    }

    pb_str(&t, 12, "weights of the layer");
    pb_put(&g, 5, t);
    pb_put(&g, 5, pb_floats("b", 1, dims_44, eye, 4));
    pb_put(&g, 11, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 12, pb_port("y", 1, 2, dims_n4));
    pb_put(&g, 13, pb_port("h", 1, 2, dims_n4));
    pb_str(&g, 777, "of a later version");

    m = pb_model(g, 8, 17);
    pb_str(&m, 6, "documentation of the model");
    pb_str(&m, 888, "of a later version, too");
    return m;
}


static maas_tensor_t
floats(float *v, int rank, int64_t a, int64_t b)
{
    maas_tensor_t  t = { .data = v, .dtype = MAAS_F32, .rank = (uint8_t) rank,
                         .dims = { a, b } };

    t.bytes = (size_t) (rank == 1 ? a : a * b) * sizeof(float);
    return t;
}


static bool
patched(patch_run_t *t, pb_t b, const maas_onnx_patch_t *p)
{
    maas_onnx_patch_t  with = *p;

    with.model = t->m;

    return maas_onnx_patch(b.data, b.len, &with, &t->out, &t->err) == MAAS_OK
           && maas_onnx_read(&t->back, &t->arena, t->out.data, t->out.len,
                             NULL, &t->err) == MAAS_OK;
}


static void
fine(const patch_run_t *t, bool good, const char *what)
{
    if (!ok(good, "%s", what)) {
        printf("# %s\n", t->err.text);
    }
}


static void
test_values(void)
{
    pb_t               b = sample(0);
    float              w[16];
    patch_run_t        t;
    maas_onnx_value_t  v = { maas_str("W"), floats(w, 2, 4, 4) };
    maas_onnx_patch_t  none = { .n_value = 0 },
                       one = { .value = &v, .n_value = 1 };

    for (int i = 0; i < 16; i++) {
        w[i] = (float) i / 7;
    }

    ok(begin(&t, b.data, b.len, NULL), "a model");
    ok(patched(&t, b, &none) && t.out.len == b.len
       && memcmp(t.out.data, b.data, b.len) == 0,
       "nothing replaced: the same bytes");

    t.out.len = 0;
    fine(&t, patched(&t, b, &one), "W replaced");
    ok(t.out.len == b.len, "  as many bytes");
    ok(memcmp(t.back->graph.init[0].t.data, w, sizeof(w)) == 0,
       "  its new values");
    ok(memcmp(t.back->graph.init[1].t.data, eye, 16) == 0, "  b is as before");

    ok(memmem(t.out.data, t.out.len, "weights of the layer", 20) != NULL
       && memmem(t.out.data, t.out.len, "of a later version, too", 23) != NULL
       && memmem(t.out.data, t.out.len, "documentation of", 16) != NULL,
       "  texts and unknown fields stay");

    end(&t);
    maas_buf_destroy(&b);
}


static void
test_shapes(void)
{
    pb_t               b = sample(0);
    float              w[12] = { 1 }, c[3] = { 2 };
    maas_str_t         drop = maas_str("h");
    patch_run_t        t;
    maas_onnx_dim_t    dim = { maas_str("y"), 1, 3 };
    maas_onnx_value_t  v[] = { { maas_str("W"), floats(w, 2, 4, 3) },
                               { maas_str("b"), floats(c, 1, 3, 0) } };
    maas_onnx_patch_t  p = { .value = v, .n_value = 2, .dim = &dim,
                             .n_dim = 1, .drop = &drop, .n_drop = 1 };

    fine(&t, begin(&t, b.data, b.len, NULL) && patched(&t, b, &p),
         "a new shape");
    ok(t.back->graph.init[0].t.dims[1] == 3
       && t.back->graph.init[1].t.dims[0] == 3, "  of the values");
    ok(t.back->graph.out[0].dims[0] == -1 && t.back->graph.out[0].dims[1] == 3
       && maas_str_is(t.back->graph.out[0].sym[0], "N"),
       "  of the output, its batch as it was");
    ok(memmem(t.out.data, t.out.len, "of a later version", 18) != NULL,
       "  unknown fields stay");

    end(&t);
    maas_buf_destroy(&b);
}


static void
test_external(void)
{
    pb_t               b = sample(1), n, a, c;
    char               dir[] = "/tmp/maas_patch.XXXXXX", path[64];
    FILE              *f;
    patch_run_t        t;
    maas_onnx_patch_t  p = { .n_value = 0 };

    ok(mkdtemp(dir) != NULL, "a folder");
    snprintf(path, sizeof(path), "%s/w.bin", dir);
    f = fopen(path, "wb");
    ok(f != NULL && fwrite(eye, 1, sizeof(eye), f) == sizeof(eye)
       && fclose(f) == 0, "a file beside the model");

    fine(&t, begin(&t, b.data, b.len, dir) && patched(&t, b, &p),
         "external data come in");
    ok(memcmp(t.back->graph.init[0].t.data, eye, sizeof(eye)) == 0
       && memmem(t.out.data, t.out.len, "w.bin", 5) == NULL,
       "  the file is not needed any more");
    end(&t);
    maas_buf_destroy(&b);

    /* The same in an attribute. */
    n = pb_node("Constant", "c", "", "k");
    c = pb_tensor("inner", 1, 1, dims_44);
    a = pb_new();
    pb_str(&a, 1, "location");
    pb_str(&a, 2, "w.bin");
    pb_put(&c, 13, a);
    pb_int(&c, 14, 1);
    a = pb_new();
    pb_str(&a, 1, "value");
    pb_put(&a, 5, c);
    pb_int(&a, 20, 4);
    pb_put(&n, 5, a);
    b = pb_new();
    pb_put(&b, 1, n);
    pb_put(&b, 12, pb_port("k", 1, 1, dims_44));
    b = pb_model(b, 8, 17);

    ok(begin(&t, b.data, b.len, dir), "external data in an attribute");
    p.model = t.m;
    ok(maas_onnx_patch(b.data, b.len, &p, &t.out, &t.err)
       == MAAS_EUNSUPPORTED, "  are refused");
    has_str(t.err.text, "tensor 'inner' are in another file", "  by name");
    end(&t);
    maas_buf_destroy(&b);

    unlink(path);
    rmdir(dir);
}


static void
test_refused(void)
{
    pb_t               b = sample(0);
    float              w[16] = { 0 };
    patch_run_t        t;
    maas_onnx_value_t  v = { maas_str("V"), floats(w, 2, 4, 4) };
    maas_onnx_patch_t  p = { .value = &v, .n_value = 1 };

    ok(begin(&t, b.data, b.len, NULL), "a model");
    p.model = t.m;
    ok(maas_onnx_patch(b.data, b.len, &p, &t.out, &t.err) == MAAS_ENOENT,
       "a name that is not there");
    has_str(t.err.text, "no float32 initializer 'V'", "  is told");

    v.name = maas_str("W");
    v.t.dims[0] = 5;
    ok(maas_onnx_patch(b.data, b.len, &p, &t.out, &t.err) == MAAS_EINVAL,
       "a shape without its bytes");
    v.t.dims[0] = 4;

    for (size_t i = 1; i < b.len; i++) {
        t.out.len = 0;
        (void) maas_onnx_patch(b.data, i, &p, &t.out, &t.err);
    }

    ok(1, "every shorter file is read to its end, not beyond");

    end(&t);
    maas_buf_destroy(&b);
}


static char *
slurp(const char *path, size_t *n)
{
    FILE  *f = fopen(path, "rb");
    char  *p = malloc(1 << 20);

    *n = f != NULL && p != NULL ? fread(p, 1, 1 << 20, f) : 0;

    if (f != NULL) {
        fclose(f);
    }

    return p;
}


static int
rewrite(const char *in, const char *out, const char *name)
{
    int                r = 1;
    char              *p;
    FILE              *f;
    float             *v;
    size_t             n;
    patch_run_t        t;
    maas_onnx_value_t  value = { { name, strlen(name) }, { 0 } };
    maas_onnx_patch_t  patch = { .value = &value, .n_value = 1 };

    p = slurp(in, &n);

    if (p == NULL || !begin(&t, p, n, NULL)) {
        return 1;
    }

    patch.model = t.m;

    for (uint32_t i = 0; i < t.m->graph.n_init; i++) {
        if (maas_str_eq(t.m->graph.init[i].name, value.name)) {
            value.t = t.m->graph.init[i].t;
        }
    }

    v = malloc(value.t.bytes + 1);
    if (v == NULL) {
        return 1;
    }

    memcpy(v, value.t.data, value.t.bytes);

    for (size_t i = 0; i < value.t.bytes / sizeof(float); i++) {
        v[i] = v[i] * 2 + 1;
    }

    value.t.data = v;

    if (maas_onnx_patch(p, n, &patch, &t.out, &t.err) == MAAS_OK) {
        f = fopen(out, "wb");
        r = f == NULL || fwrite(t.out.data, 1, t.out.len, f) != t.out.len;
        r |= f != NULL && fclose(f) != 0;

    } else {
        fprintf(stderr, "%s\n", t.err.text);
    }

    end(&t);
    free(v);
    free(p);
    return r;
}


int
main(int argc, char **argv)
{
    for (int i = 0; i < 16; i++) {
        eye[i] = (float) (i % 5 == 0);
    }

    if (argc == 4) {
        return rewrite(argv[1], argv[2], argv[3]);
    }

    test_values();
    test_shapes();
    test_external();
    test_refused();

    return done();
}
