/*
 * The writer of ONNX: what is written reads back the same: every dtype,
 * subgraphs, functions with defaults and overloads, sparse attributes, and
 * all the models of the corpus and of the ONNX test suite that are there.
 *
 * With arguments IN OUT it writes the model anew, for tests that look at the
 * bytes with other readers.
 */

#include <dirent.h>
#include <stdlib.h>

#include "formats/onnx.h"
#include "formats/onnx_write.h"
#include "onnx_run.h"
#include "raw_same.h"
#include "tap.h"


static const int64_t  dims_n4[] = { -1, 4 };
static const int64_t  dims_14[] = { 1, 4 };
static const float    ones[] = { 1, 1, 1, 1 };


typedef struct {
    maas_arena_t       arena;
    maas_buf_t         bytes;
    maas_raw_model_t  *m;
    maas_raw_model_t  *back;
    maas_err_t         err;
} trip_t;


/* read -> write -> read; false: where it ended is in err. */
static bool
trip(trip_t *t, const void *p, size_t n)
{
    memset(t, 0, sizeof(*t));
    maas_arena_init(&t->arena, &maas_host_libc, 0);
    maas_buf_init(&t->bytes, &maas_host_libc);

    return maas_onnx_read(&t->m, &t->arena, p, n, NULL, &t->err) == MAAS_OK
           && maas_onnx_write(t->m, NULL, 0, &t->bytes, &t->err) == MAAS_OK
           && maas_onnx_read(&t->back, &t->arena, t->bytes.data,
                             t->bytes.len, NULL, &t->err) == MAAS_OK;
}


static void
trip_end(trip_t *t)
{
    maas_buf_destroy(&t->bytes);
    maas_arena_destroy(&t->arena);
}


/* Frees the bytes. */
static void
same(pb_t b, const char *what)
{
    trip_t  t;

    if (!ok(trip(&t, b.data, b.len) && raw_same(t.m, t.back), "%s", what)) {
        printf("# %s\n", t.err.text);
    }

    trip_end(&t);
    maas_buf_destroy(&b);
}


static pb_t
graph_plain(void)
{
    pb_t  g = pb_new();

    pb_str(&g, 2, "plain");
    pb_put(&g, 11, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 12, pb_port("y", 1, 2, dims_n4));
    pb_put(&g, 5, pb_floats("w", 2, dims_14, ones, 4));
    pb_put(&g, 1, pb_node("Add", "a", "x w", "t"));
    pb_put(&g, 1, pb_node("Relu", "b", "t", "y"));
    return g;
}


/* Two elements of each dtype, an empty tensor and a scalar of it. */
static void
test_dtypes(void)
{
    pb_t                  g = graph_plain(), t;
    char                  name[32];
    static const int64_t  two[] = { 2 }, none[] = { 3, 0 };
    static const uint8_t  data[16] = { 1, 0, 1 };

    for (int d = 1; d < MAAS_DTYPES; d++) {
        if (maas_dtypes[d].name == NULL) {
            continue;
        }

        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof(name), "w%d.%d", d, k);
            t = pb_tensor(name, d, k == 0 ? 1 : k == 1 ? 2 : 0,
                          k == 0 ? two : none);

            if (d == MAAS_STRING) {
                for (int i = 0; i < (k == 0 ? 2 : k == 1 ? 0 : 1); i++) {
                    pb_bytes(&t, 6, "a\0b", i == 0 ? 3 : 0);
                }

            } else if (k != 1) {
                size_t  n;

                (void) maas_dtype_bytes(d, k == 0 ? 2 : 1, &n);
                pb_bytes(&t, 9, data, n);
            }

            pb_put(&g, 5, t);
        }
    }

    same(pb_model(g, 8, 17), "tensors of every dtype");
}


/* AttributeProto with values of one list. */
static pb_t
attr_list(const char *name, int type)
{
    pb_t  a = pb_new();

    pb_str(&a, 1, name);
    pb_int(&a, 20, type);

    if (type == 6) {
        pb_float(&a, 7, 1.5f);
        pb_float(&a, 7, -0.0f);

    } else if (type == 7) {
        pb_int(&a, 8, -1);
        pb_int(&a, 8, INT64_MIN);

    } else if (type == 8) {
        pb_bytes(&a, 9, "", 0);
        pb_bytes(&a, 9, "x\0y", 3);
    }

    return a;
}


static pb_t
attr_tensor(void)
{
    pb_t  a = pb_new();

    pb_str(&a, 1, "value");
    pb_put(&a, 5, pb_floats("", 2, dims_14, ones, 4));
    pb_int(&a, 20, 4);
    return a;
}


static pb_t
attr_sparse(void)
{
    pb_t                  a = pb_new(), s = pb_new(), i;
    static const int64_t  two[] = { 2 }, at[] = { 1, 3 };

    i = pb_tensor("", 7, 1, two);
    pb_bytes(&i, 9, at, sizeof(at));

    pb_put(&s, 1, pb_floats("", 1, two, ones, 2));
    pb_put(&s, 2, i);
    pb_int(&s, 3, 1);
    pb_int(&s, 3, 4);
    pb_str(&a, 1, "sparse_value");
    pb_put(&a, 22, s);
    pb_int(&a, 20, 11);
    return a;
}


/* Optional's type: optional(sequence(float)) is a sequence of float here. */
static pb_t
attr_type(void)
{
    pb_t  a = pb_new(), tensor = pb_new(), type = pb_new(), seq = pb_new();
    pb_t  outer = pb_new();

    pb_int(&tensor, 1, 1);
    pb_put(&type, 1, tensor);
    pb_put(&seq, 1, type);
    pb_put(&outer, 4, seq);
    pb_str(&a, 1, "type");
    pb_put(&a, 14, outer);
    pb_int(&a, 20, 13);
    return a;
}


static void
test_attributes(void)
{
    pb_t  g = graph_plain(), n = pb_node("Any", "n", "x - w", "p q");

    pb_put(&n, 5, attr_list("floats", 6));
    pb_put(&n, 5, attr_list("ints", 7));
    pb_put(&n, 5, attr_list("strings", 8));
    pb_put(&n, 5, pb_attr_int("i", -7));
    pb_put(&n, 5, pb_attr_float("f", 0.1f));
    pb_put(&n, 5, attr_list("empty", 6));
    pb_put(&n, 5, attr_tensor());
    pb_put(&g, 1, n);
    pb_put(&g, 1, pb_with(pb_node("Constant", "c", "", "c"), attr_sparse()));
    pb_put(&g, 1, pb_with(pb_node("Optional", "o", "", "o"), attr_type()));

    same(pb_model(g, 10, 21), "attributes of every type");
}


static void
test_subgraph(void)
{
    pb_t  g = graph_plain(), body = pb_new(), deep = graph_plain();
    pb_t  n = pb_node("If", "if", "c", "z");

    pb_str(&body, 2, "then");
    pb_put(&body, 12, pb_port("z", 1, 0, NULL));
    pb_put(&body, 1, pb_with(pb_node("If", "inner", "c", "z"),
                             pb_attr_graph("then_branch", deep)));
    pb_put(&n, 5, pb_attr_graph("then_branch", body));
    pb_put(&g, 1, n);

    same(pb_model(g, 8, 17), "subgraphs in subgraphs");
}


static void
test_function(void)
{
    pb_t  m = pb_model(graph_plain(), 10, 21), f, n;

    f = pb_func("twice", "a", "b", 21);
    pb_str(&f, 6, "must");
    n = pb_with(pb_node("LeakyRelu", "l", "a", "b"),
                pb_attr_ref("alpha", 1, "alpha"));
    pb_str(&n, 8, "over");
    pb_put(&f, 7, n);
    pb_put(&f, 11, pb_attr_float("alpha", 0.25f));
    pb_put(&f, 11, pb_attr_int("beta", 3));
    pb_str(&f, 13, "two");
    pb_put(&m, 25, f);
    pb_put(&m, 25, pb_func("other", "a b", "c d", 20));

    same(m, "functions, defaults, overloads");
}


/* Sequences, maps and optionals as inputs. */
static pb_t
port_of(const char *name, int kind)
{
    pb_t  p = pb_new(), tensor = pb_new(), type = pb_new(), in = pb_new();
    pb_t  outer = pb_new(), map = pb_new();

    pb_int(&tensor, 1, kind == 5 ? 1 : 7);
    pb_put(&type, 1, tensor);

    if (kind == 5) {
        pb_int(&in, 1, 8);
    }

    pb_put(&in, kind == 5 ? 2 : 1, type);
    pb_put(&outer, (uint32_t) kind, in);

    if (kind == 5) {                    /* sequence(map) */
        pb_put(&map, 1, outer);
        outer = pb_new();
        pb_put(&outer, 4, map);

    } else {
        maas_buf_destroy(&map);
    }

    pb_str(&p, 1, name);
    pb_put(&p, 2, outer);
    return p;
}


static void
test_kinds(void)
{
    pb_t  g = graph_plain(), bare = pb_new();

    pb_put(&g, 11, port_of("s", 4));
    pb_put(&g, 11, port_of("m", 5));
    pb_put(&g, 11, port_of("o", 9));
    pb_str(&bare, 1, "untyped");
    pb_put(&g, 12, bare);

    same(pb_model(g, 8, 17), "sequences, maps, optionals");
}


/* -- files --------------------------------------------------------------- */

static char *
slurp(const char *path, size_t *n)
{
    FILE  *f = fopen(path, "rb");
    char  *p = NULL;
    long   size;

    if (f == NULL) {
        return NULL;
    }

    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) > 0) {
        rewind(f);
        p = aligned_alloc(64, maas_align((size_t) size, 64));
        *n = p != NULL ? fread(p, 1, (size_t) size, f) : 0;
    }

    fclose(f);
    return p;
}


/* 1: the same; 0: not read in the first place; -1: lost something. */
static int
file_same(const char *path)
{
    int      r = 0;
    char    *p;
    size_t   n;
    trip_t   t;

    p = slurp(path, &n);
    if (p == NULL) {
        return 0;
    }

    if (trip(&t, p, n)) {
        r = raw_same(t.m, t.back) ? 1 : -1;

    } else if (t.m != NULL && t.m->graph.n_out != 0) {
        r = -1;
    }

    if (r < 0) {
        printf("# %s: %s\n", path, t.err.text);
    }

    trip_end(&t);
    free(p);
    return r;
}


static void
test_folder(const char *dir, const char *suffix, int least)
{
    int             n = 0, bad = 0, r;
    DIR            *d = opendir(dir);
    char            path[1024];
    struct dirent  *e;

    if (d == NULL) {
        ok(1, "# SKIP %s is not there", dir);
        return;
    }

    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s%s", dir, e->d_name, suffix);
            r = file_same(path);
            n += r == 1;
            bad += r < 0;
        }
    }

    closedir(d);
    ok(bad == 0 && n >= least, "%d models of %s", n, dir);
}


static void
test_files(void)
{
    char         path[1024];
    const char  *cases = getenv("MAAS_ONNX_CASES");

    test_folder("t/fuzz/corpus/onnx", "", 10);

    cases = cases != NULL ? cases : "/usr/share/libonnx-testdata/data";
    snprintf(path, sizeof(path), "%s/node", cases);
    test_folder(path, "/model.onnx", 500);
    snprintf(path, sizeof(path), "%s/simple", cases);
    test_folder(path, "/model.onnx", 10);
}


/* -- what is refused ----------------------------------------------------- */

static void
test_refused(void)
{
    trip_t             t;
    pb_t               b = pb_model(graph_plain(), 8, 17);
    maas_onnx_prop_t   prop = { maas_str("author"), maas_str("a test") };

    if (!ok(trip(&t, b.data, b.len), "a small model")) {
        return;
    }

    t.bytes.len = 0;
    ok(maas_onnx_write(t.m, &prop, 1, &t.bytes, &t.err) == MAAS_OK
       && memmem(t.bytes.data, t.bytes.len, "a test", 6) != NULL,
       "properties are written");

    t.m->graph.init[0].t.bytes = 8;
    ok(maas_onnx_write(t.m, NULL, 0, &t.bytes, &t.err) == MAAS_EINVAL,
       "a tensor without its bytes");
    has_str(t.err.text, "tensor 'w': its data does not have its shape",
            "it is named");

    /* Nothing behind it is read: sizes come first. */
    t.m->graph.init[0].t.dims[0] = 1 << 28;
    t.m->graph.init[0].t.bytes = (size_t) 4 << 30;
    ok(maas_onnx_write(t.m, NULL, 0, &t.bytes, &t.err) == MAAS_ELIMIT,
       "more than the format holds");
    has_str(t.err.text, "at most 2147483647", "the limit is named");

    trip_end(&t);
    maas_buf_destroy(&b);
}


static int
rewrite(const char *in, const char *out)
{
    int      r = 1;
    char    *p;
    FILE    *f;
    size_t   n;
    trip_t   t;

    p = slurp(in, &n);

    if (p != NULL && trip(&t, p, n)) {
        f = fopen(out, "wb");
        r = f == NULL || fwrite(t.bytes.data, 1, t.bytes.len, f)
                         != t.bytes.len;
        r |= f != NULL && fclose(f) != 0;
    }

    return r;
}


int
main(int argc, char **argv)
{
    if (argc == 3) {
        return rewrite(argv[1], argv[2]);
    }

    test_dtypes();
    test_attributes();
    test_subgraph();
    test_function();
    test_kinds();
    test_files();
    test_refused();

    return done();
}
