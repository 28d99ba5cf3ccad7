/*
 * Tensors in external files and sparse tensors: by the numbers of a run, and
 * by what is refused.  Files are made in a folder of the test's own.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/onnx.h"
#include "onnx_run.h"


static char           root[] = "/tmp/maas_onnx.XXXXXX";
static const int64_t  dims_n4[] = { -1, 4 };
static const int64_t  dims_14[] = { 1, 4 };
static const float    ramp[8] = { 10, 20, 30, 40, 50, 60, 70, 80 };


static const char *
at(const char *name)
{
    static char  path[4][512];
    static int   i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof(path[i]), "%s/%s", root, name);
    return path[i];
}


static void
put(const char *name, const void *p, size_t n)
{
    FILE  *f = fopen(at(name), "w");

    fwrite(p, 1, n, f);
    fclose(f);
}


/* -- external files ------------------------------------------------------ */

static void
entry(pb_t *t, const char *key, const char *value)
{
    pb_t  e = pb_new();

    pb_str(&e, 1, key);
    pb_str(&e, 2, value);
    pb_put(t, 13, e);
}


/* TensorProto w, float32[1,4], in a file; NULL: the key is not there. */
static pb_t
external(const char *file, const char *offset, const char *length)
{
    pb_t  t = pb_tensor("w", 1, 2, dims_14);

    if (file != NULL) {
        entry(&t, "location", file);
    }

    if (offset != NULL) {
        entry(&t, "offset", offset);
    }

    if (length != NULL) {
        entry(&t, "length", length);
    }

    pb_int(&t, 14, 1);
    return t;
}


/* y = x + w */
static pb_t
plus(pb_t w, int sparse)
{
    pb_t  g = pb_new();

    pb_put(&g, 11, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 12, pb_port("y", 1, 2, dims_n4));
    pb_put(&g, sparse ? 15 : 5, w);
    pb_put(&g, 1, pb_node("Add", "plus", "x w", "y"));
    return pb_model(g, 8, 17);
}


static void
test_external(void)
{
    pb_t                n, g;
    static const float  first[4] = { 11, 18, 33, 36 };
    static const float  later[4] = { 31, 38, 53, 56 };
    char                odd[33];

    put("w.bin", ramp, sizeof(ramp));
    mkdir(at("sub"), 0755);
    put("sub/w.bin", ramp, sizeof(ramp));
    symlink("sub/w.bin", at("inside"));

    run_is(plus(external("w.bin", NULL, NULL), 0), root, 0, first,
           "without offset and length");
    run_is(plus(external("w.bin", "8", "16"), 0), root, 0, later,
           "with both");
    run_is(plus(external("sub/w.bin", "0", NULL), 0), root, 0, first,
           "in a folder below");
    run_is(plus(external("./sub/w.bin", "0", NULL), 0), root, 0, first,
           "with a dot");
    run_is(plus(external("inside", "8", NULL), 0), root, 0, later,
           "by a link that stays inside");

    /* Not aligned: copied. */
    memcpy(odd + 1, ramp, 32);
    put("odd.bin", odd, sizeof(odd));
    run_is(plus(external("odd.bin", "1", "16"), 0), root, 0, first,
           "at an odd offset");

    /* A Constant's value. */
    n = pb_node("Constant", "k", "", "w");
    g = pb_new();
    pb_str(&g, 1, "value");
    pb_put(&g, 5, external("w.bin", "8", NULL));
    pb_int(&g, 20, 4);
    n = pb_with(n, g);
    g = pb_new();
    pb_put(&g, 11, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 12, pb_port("y", 1, 2, dims_n4));
    pb_put(&g, 1, n);
    pb_put(&g, 1, pb_node("Add", "plus", "x w", "y"));
    run_is(pb_model(g, 8, 17), root, 0, later, "of a Constant node");
}


static const struct {
    const char     *file, *offset, *length;
    maas_status_t   rc;
    const char     *text;
} bad_files[] = {
    { "w.bin", "20", NULL, MAAS_ETRUNC, "initializer 'w': file 'w.bin' "
      "is too short: 16 bytes at offset 20 are needed, but it has 32" },
    { "w.bin", "33", NULL, MAAS_ETRUNC, "too short" },
    { "w.bin", "9223372036854775807", NULL, MAAS_ETRUNC, "too short" },
    { "w.bin", "99999999999999999999", NULL, MAAS_EINVAL,
      "'offset' of its external data is '99999999999999999999'; a number "
      "of bytes is expected" },
    { "w.bin", "-4", NULL, MAAS_EINVAL, "a number of bytes" },
    { "w.bin", "", NULL, MAAS_EINVAL, "a number of bytes" },
    { "w.bin", "0", "12", MAAS_EINVAL, "12 bytes of file 'w.bin' are "
      "given, but its shape and type need 16" },
    { "w.bin", "0", "0x10", MAAS_EINVAL, "'length'" },
    { NULL, "0", NULL, MAAS_EINVAL, "no 'location' names the file" },
    { "absent", NULL, NULL, MAAS_ENOENT,
      "file 'absent' cannot be read: No such file" },
    { "empty", NULL, NULL, MAAS_ETRUNC, "but it has 0" },
    { "/etc/passwd", NULL, NULL, MAAS_EINVAL, "an absolute path" },
    { "../w.bin", NULL, NULL, MAAS_EINVAL, "a path with '..'" },
    { "sub/../w.bin", NULL, NULL, MAAS_EINVAL, "a path with '..'" },
    { "sub/..", NULL, NULL, MAAS_EINVAL, "a path with '..'" },
    { "outside", NULL, NULL, MAAS_EINVAL,
      "file 'outside' is a symbolic link that leads out" },
    { "away/passwd", NULL, NULL, MAAS_EINVAL, "leads out" },
    { "sub", NULL, NULL, MAAS_EINVAL, "is no regular file" },
    { "fifo", NULL, NULL, MAAS_EINVAL, "is no regular file" },
    { ".", NULL, NULL, MAAS_EINVAL, "file '.'" },
    { "w.bin/x", NULL, NULL, MAAS_ENOENT, "cannot be read" }
};


static void
test_external_refused(void)
{
    pb_t         t;
    char         name[5000];

    symlink("/etc/passwd", at("outside"));
    symlink("/etc", at("away"));
    mkfifo(at("fifo"), 0600);
    put("empty", "", 0);

    for (size_t i = 0; i < maas_nelts(bad_files); i++) {
        run_refused(plus(external(bad_files[i].file, bad_files[i].offset,
                                  bad_files[i].length), 0), root,
                    bad_files[i].rc, bad_files[i].text, bad_files[i].text);
    }

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    run_refused(plus(external(name, NULL, NULL), 0), root, MAAS_EINVAL,
                "its path is too long", "a path that is too long");

    t = external(NULL, NULL, NULL);
    pb_put(&t, 13, ({
        pb_t  e = pb_new();

        pb_str(&e, 1, "location");
        pb_bytes(&e, 2, "w.bin\0x", 7);
        e;
    }));
    run_refused(plus(t, 0), root, MAAS_EINVAL, "a name with a NUL",
                "a name with a NUL in it");

    t = external("w.bin", NULL, NULL);
    pb_bytes(&t, 9, ramp, 16);
    run_refused(plus(t, 0), root, MAAS_EINVAL, "given twice, here and in an "
                "external file", "data here and there");

    t = pb_tensor("w", 8, 2, dims_14);
    entry(&t, "location", "w.bin");
    pb_int(&t, 14, 1);
    run_refused(plus(t, 0), root, MAAS_EINVAL, "strings cannot lie",
                "strings");
}


static void
test_checksum(void)
{
    pb_t                t;
    char                hex[2 * MAAS_SHA1 + 1];
    uint8_t             sha[MAAS_SHA1];
    static const float  want[4] = { 11, 18, 33, 36 };

    maas_sha1("abc", 3, sha);
    maas_hex(hex, sha, MAAS_SHA1);
    is_str(hex, "a9993e364706816aba3e25717850c26c9cd0d89d",
           "SHA-1 of abc (FIPS 180)");

    maas_sha1(ramp, sizeof(ramp), sha);
    maas_hex(hex, sha, MAAS_SHA1);
    t = external("w.bin", NULL, NULL);
    entry(&t, "checksum", hex);
    run_is(plus(t, 0), root, 0, want, "the right checksum");

    hex[3] = hex[3] == '0' ? '1' : '0';
    t = external("w.bin", NULL, NULL);
    entry(&t, "checksum", hex);
    run_refused(plus(t, 0), root, MAAS_EINVAL, "initializer 'w': file "
                "'w.bin' has SHA-1", "another checksum");
}


/* -- sparse -------------------------------------------------------------- */

static pb_t
indices(int rank, const int64_t *dims, const int64_t *v, size_t n)
{
    pb_t  t = pb_tensor("", 7, rank, dims);

    pb_bytes(&t, 9, v, n * sizeof(int64_t));
    return t;
}


/* Values n of ramp at the indices, in [1,4]. */
static pb_t
sparse(size_t n, pb_t where)
{
    pb_t     s = pb_new();
    int64_t  dims[1] = { (int64_t) n };

    pb_put(&s, 1, pb_floats("w", 1, dims, ramp, n));
    pb_put(&s, 2, where);
    pb_int(&s, 3, 1);
    pb_int(&s, 3, 4);
    return s;
}


static void
test_sparse(void)
{
    pb_t                  n, g, a;
    static const float    want[4] = { 1, 8, 3, 16 };
    static const int64_t  two[] = { 2 }, two2[] = { 2, 2 };
    static const int64_t  flat[] = { 1, 3 }, pairs[] = { 0, 1, 0, 3 };

    run_is(plus(sparse(2, indices(1, two, flat, 2)), 1), NULL, 0, want,
           "linear indices");
    run_is(plus(sparse(2, indices(2, two2, pairs, 4)), 1), NULL, 0, want,
           "an index an axis");
    run_is(plus(sparse(0, indices(1, (int64_t[]) { 0 }, flat, 0)), 1), NULL,
           0, run_x, "no values");

    n = pb_node("Constant", "k", "", "w");
    a = pb_new();
    pb_str(&a, 1, "sparse_value");
    pb_put(&a, 22, sparse(2, indices(2, two2, pairs, 4)));
    pb_int(&a, 20, 11);
    n = pb_with(n, a);
    g = pb_new();
    pb_put(&g, 11, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 12, pb_port("y", 1, 2, dims_n4));
    pb_put(&g, 1, n);
    pb_put(&g, 1, pb_node("Add", "plus", "x w", "y"));
    run_is(pb_model(g, 8, 17), NULL, 0, want, "of a Constant node");
}


/* Five elements: those of index 1 and 3 are the two of v. */
static pb_t
sparse_model(int dtype, pb_t v)
{
    pb_t  s, g;

    s = pb_new();
    pb_put(&s, 1, v);
    pb_put(&s, 2, indices(1, (int64_t[]) { 2 }, (int64_t[]) { 1, 3 }, 2));
    pb_int(&s, 3, 5);
    g = pb_new();
    pb_put(&g, 12, pb_port("w", dtype, 1, (int64_t[]) { 5 }));
    pb_put(&g, 15, s);
    return pb_model(g, 8, 17);
}


/* Each dtype with the bytes 1, 2, 3, ... as its values; and strings. */
static void
test_sparse_dtypes(void)
{
    pb_t               v, m;
    char               bytes[64];
    size_t             size;
    maas_err_t         err;
    maas_arena_t       a;
    maas_status_t      rc;
    maas_tensor_t     *t;
    maas_raw_model_t  *raw;

    for (int d = 1; d < MAAS_DTYPES; d++) {
        if (maas_dtypes[d].name == NULL || maas_dtypes[d].block_elems > 1) {
            continue;
        }

        size = maas_dtype_size((maas_dtype_t) d);
        v = pb_tensor("w", d, 1, (int64_t[]) { 2 });

        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = d == MAAS_BOOL ? 1 : (char) (i + 1);
        }

        if (d == MAAS_STRING) {
            pb_str(&v, 6, "one");
            pb_str(&v, 6, "three");
        } else {
            pb_bytes(&v, 9, bytes, 2 * size);
        }

        m = sparse_model(d, v);
        maas_arena_init(&a, &maas_host_libc, 0);
        rc = maas_onnx_read(&raw, &a, m.data, m.len, NULL, &err);
        t = rc == MAAS_OK ? &raw->graph.init[0].t : NULL;

        if (d == MAAS_STRING) {
            ok(t != NULL && maas_string_check(t)
               && maas_str_is(maas_tensor_str(t, 0), "")
               && maas_str_is(maas_tensor_str(t, 1), "one")
               && maas_str_is(maas_tensor_str(t, 2), "")
               && maas_str_is(maas_tensor_str(t, 3), "three")
               && maas_str_is(maas_tensor_str(t, 4), ""), "strings");
        } else {
            ok(t != NULL && t->dtype == d && t->bytes == 5 * size
               && memcmp((char *) t->data + size, bytes, size) == 0
               && memcmp((char *) t->data + 3 * size, bytes + size, size) == 0
               && memcmp(t->data, (char[8]) { 0 }, size) == 0,
               "%s", maas_dtype_name((maas_dtype_t) d));
        }

        maas_arena_destroy(&a);
        maas_buf_destroy(&m);
    }
}


static const struct {
    int64_t      v[4];
    int          rank;
    const char  *text;
} wrong[] = {
    { { 3, 1 }, 1, "sparse initializer 'w': index 1 does not ascend: "
      "element 1 follows element 3" },
    { { 1, 1 }, 1, "does not ascend" },
    { { 1, 4 }, 1, "index 1 is 4; it has 4 elements" },
    { { -1, 2 }, 1, "index 0 is -1" },
    { { 0, 1, 1, 0 }, 2, "index 1 is 1 on axis 0, which has 1" },
    { { 0, 1, 0, -3 }, 2, "index 1 is -3 on axis 1, which has 4" }
};


static void
test_sparse_refused(void)
{
    pb_t                    s;
    maas_err_t              err;
    maas_arena_t            a;
    maas_raw_model_t       *raw;
    maas_onnx_opts_t        opts = { NULL, 1 << 20 };
    static const int64_t    two[] = { 2 }, two2[] = { 2, 2 };

    for (size_t i = 0; i < maas_nelts(wrong); i++) {
        s = sparse(2, indices(wrong[i].rank, wrong[i].rank == 1 ? two : two2,
                              wrong[i].v, 2 * (size_t) wrong[i].rank));
        run_refused(plus(s, 1), NULL, MAAS_EINVAL, wrong[i].text,
                    wrong[i].text);
    }

    s = sparse(2, indices(1, (int64_t[]) { 3 }, (int64_t[]) { 0, 1, 2 }, 3));
    run_refused(plus(s, 1), NULL, MAAS_EINVAL, "its indices are int64[3]; "
                "int64[2] or int64[2,2] is expected", "too many indices");

    s = pb_new();
    pb_put(&s, 1, pb_floats("w", 1, two, ramp, 2));
    run_refused(plus(s, 1), NULL, MAAS_EINVAL, "sparse initializer 'w' has "
                "no indices", "no indices");

    s = pb_new();
    pb_put(&s, 1, pb_floats("w", 1, two, ramp, 2));
    pb_put(&s, 2, indices(1, two, (int64_t[]) { 0, 1 }, 2));
    pb_int(&s, 3, INT64_MAX / 2);
    pb_int(&s, 3, 3);
    run_refused(plus(s, 1), NULL, MAAS_EINVAL, "negative or overflows",
                "a shape that overflows");

    s = pb_new();
    pb_put(&s, 1, pb_floats("w", 1, two, ramp, 2));
    pb_put(&s, 2, indices(1, two, (int64_t[]) { 0, 1 }, 2));
    pb_int(&s, 3, (int64_t) 1 << 30);
    run_refused(plus(s, 1), NULL, MAAS_ELIMIT, "written out it takes "
                "4294967296 bytes, but all sparse tensors of a model may "
                "take 2147483648 more", "4 GB out of 60 bytes");

    s = pb_new();
    pb_put(&s, 1, pb_floats("w", 1, two, ramp, 2));
    pb_put(&s, 2, indices(1, two, (int64_t[]) { 0, 1 }, 2));
    pb_int(&s, 3, 1 << 19);
    s = plus(s, 1);
    maas_arena_init(&a, &maas_host_libc, 0);
    ok(maas_onnx_read(&raw, &a, s.data, s.len, &opts, &err) == MAAS_ELIMIT,
       "a budget of its own: %s", err.text);
    maas_arena_destroy(&a);
    maas_buf_destroy(&s);
}


/* -- the image knows its files ------------------------------------------- */

static void
write_model(const char *name, pb_t b)
{
    put(name, b.data, b.len);
    maas_buf_destroy(&b);
}


static void
test_identity(void)
{
    int               fd;
    char              path[512];
    void             *image = NULL, *again = NULL;
    size_t            size, size2;
    maas_err_t        err;
    maas_compile_t    spec = { .path = path };
    struct timespec   old[2] = { { 1000000000, 5 }, { 1000000000, 5 } };

    snprintf(path, sizeof(path), "%s", at("model.onnx"));
    write_model("model.onnx", plus(external("w.bin", "8", NULL), 0));

    if (!ok(maas_compile(&spec, &image, &size, &err) == MAAS_OK
            && maas_image_write(root, "x.maas", image, size, &fd, &err)
               == MAAS_OK, "compiled"))
    {
        printf("# %s\n", err.text);
        return;
    }

    ok(maas_image_fresh(fd, path) && maas_image_is_of(image, path),
       "the image is of its files");
    ok(maas_image_verify(image, size, &err) == MAAS_OK, "and verifies");

    utimensat(AT_FDCWD, at("w.bin"), old, 0);
    ok(!maas_image_fresh(fd, path) && !maas_image_is_of(image, path),
       "not when the time of an external file is another");
    ok(maas_compile(&spec, &again, &size2, &err) == MAAS_OK && size2 == size
       && memcmp(image, again, size) != 0, "which gives another image");
    maas_image_free(image);
    image = again;

    ok(maas_image_is_of(image, path), "of the files as they are");
    put("w.bin", ramp, 28);
    utimensat(AT_FDCWD, at("w.bin"), old, 0);
    ok(!maas_image_is_of(image, path), "another size");
    unlink(at("w.bin"));
    ok(!maas_image_is_of(image, path), "no file");
    maas_image_free(image);
    close(fd);

    ok(maas_compile(&spec, &image, &size, &err) == MAAS_ENOENT
       && strstr(err.text, "model.onnx: initializer 'w': file 'w.bin' cannot "
                           "be read"), "%s", err.text);

    write_model("model.onnx", plus(pb_floats("w", 2, dims_14, ramp, 4), 0));
    ok(maas_compile(&spec, &image, &size, &err) == MAAS_OK
       && maas_image_write(root, "x.maas", image, size, &fd, &err) == MAAS_OK
       && maas_image_fresh(fd, path), "a model without files is fresh");
    maas_image_free(image);

    ok(!maas_image_fresh(-1, path), "no descriptor");
    close(fd);
    fd = open(path, O_RDONLY);
    ok(!maas_image_fresh(fd, path), "no image");
    close(fd);
}


int
main(void)
{
    char        command[600];
    maas_err_t  err;

    if (maas_init(NULL, &err) != MAAS_OK || mkdtemp(root) == NULL) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }

    test_external();
    test_external_refused();
    test_checksum();
    test_sparse();
    test_sparse_dtypes();
    test_sparse_refused();
    test_identity();

    snprintf(command, sizeof(command), "rm -rf %s", root);

    return done() | (system(command) != 0);
}
