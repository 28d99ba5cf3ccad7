/*
 * The ONNX reader and the importer: what they accept, the texts of what
 * they refuse, and that hostile bytes and refused allocations do no harm.
 * Models are written by hand here; mnist_8 is used when it is beside the
 * checkout.
 */

#include <stdlib.h>
#include <unistd.h>

#include "formats/onnx.h"
#include "graph/import.h"
#include "pbwrite.h"
#include "tap.h"


static const int64_t  dims_n4[] = { -1, 4 };
static const int64_t  dims_14[] = { 1, 4 };
static const float    ones[] = { 1, 1, 1, 1 };


/* A host that counts, and refuses the allocation number `refuse`. */
typedef struct {
    long    n;
    long    refuse;
    long    live;
    size_t  bytes;
} test_host_t;


static void *
test_alloc(void *ctx, size_t size)
{
    test_host_t  *h = ctx;

    if (h->refuse != 0 && ++h->n == h->refuse) {
        return NULL;
    }

    h->live++;
    h->bytes += size;
    return malloc(size != 0 ? size : 1);
}


static void
test_free(void *ctx, void *p)
{
    test_host_t  *h = ctx;

    h->live -= p != NULL;
    free(p);
}


/* -- loading ------------------------------------------------------------- */

typedef struct {
    maas_status_t      rc;
    maas_err_t         err;
    maas_arena_t       arena;
    maas_raw_model_t  *raw;
    maas_graph_t      *g;
} load_t;


static void
load_bytes(load_t *l, const maas_host_t *host, const void *p, size_t n)
{
    memset(l, 0, sizeof(*l));
    maas_arena_init(&l->arena, host, (size_t) 1 << 28);

    l->rc = maas_onnx_read(&l->raw, &l->arena, p, n, NULL, &l->err);

    if (l->rc == MAAS_OK) {
        l->rc = maas_graph_import(&l->g, &l->arena, l->raw, &l->err);
    }

    if (l->rc == MAAS_OK) {
        l->rc = maas_graph_infer(l->g, &l->err);
    }
}


/* Loads and frees the bytes; the caller frees the arena. */
static void
load(load_t *l, pb_t b)
{
    load_bytes(l, &maas_host_libc, b.data, b.len);
    maas_buf_destroy(&b);
}


static void
refused(pb_t b, maas_status_t rc, const char *text, const char *what)
{
    load_t  l;

    load(&l, b);

    if (ok(l.rc == rc, "%s: status %d", what, rc)) {
        has_str(l.err.text, text, what);

    } else {
        printf("# got %d: %s\n", l.rc, l.err.text);
    }

    maas_arena_destroy(&l.arena);
}


/* x[N,4] -> Add w -> t -> Relu -> y, without its nodes. */
static pb_t
graph_ports(void)
{
    pb_t  g = pb_new();

    pb_put(&g, 11, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 12, pb_port("y", 1, 2, dims_n4));
    pb_put(&g, 5, pb_floats("w", 2, dims_14, ones, 4));
    return g;
}


static pb_t
graph_plain(void)
{
    pb_t  g = graph_ports();

    pb_put(&g, 1, pb_node("Add", "a", "x w", "t"));
    pb_put(&g, 1, pb_node("Relu", "b", "t", "y"));
    return g;
}


/* -- what is accepted ---------------------------------------------------- */

static void
test_plain(void)
{
    load_t         l;
    maas_value_t  *y;

    load(&l, pb_model(graph_plain(), 8, 17));

    if (ok(l.rc == MAAS_OK, "a small model loads")) {
        is_int(l.g->n_node, 2, "two nodes");
        is_int(l.g->n_in, 1, "one input");
        is_int(l.g->value[l.g->in[0]].role, MAAS_ROLE_INPUT, "its role");

        y = &l.g->value[l.g->out[0]];
        is_int(y->type.rank, 2, "the output's rank");
        is_int(y->type.dims[1], 4, "the output's width");
        ok(y->type.dims[0] == l.g->value[l.g->in[0]].type.dims[0],
           "the output's batch is the input's symbol");

    } else {
        printf("# %s\n", l.err.text);
    }

    maas_arena_destroy(&l.arena);
}


/* The second node first; an initializer listed as input; outputs of both. */
static void
test_order(void)
{
    pb_t    g = graph_ports();
    load_t  l;

    pb_put(&g, 11, pb_port("w", 1, 2, dims_14));
    pb_put(&g, 12, pb_port("w", 1, 2, dims_14));
    pb_put(&g, 12, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 1, pb_node("Relu", "b", "t", "y"));
    pb_put(&g, 1, pb_node("Add", "a", "x w", "t"));

    load(&l, pb_model(g, 4, 9));

    if (ok(l.rc == MAAS_OK, "nodes in reverse order load")) {
        ok(strcmp(l.g->node[0].op->name, "Add") == 0, "and are sorted");
        is_int(l.g->n_in, 1, "an initializer is no input");
        is_int(l.g->n_out, 3, "an input and a constant may be outputs");
        is_int(l.g->value[l.g->out[1]].role, MAAS_ROLE_CONST,
               "the constant output");
        ok(l.g->out[2] == l.g->in[0], "the input output");

    } else {
        printf("# %s\n", l.err.text);
    }

    maas_arena_destroy(&l.arena);
}


static pb_t
attr_list(const char *name, int type)
{
    pb_t   a = pb_new();

    pb_str(&a, 1, name);
    pb_int(&a, 20, type);

    switch (type) {

    case 1:
        pb_float(&a, 2, 1.5f);
        break;

    case 2:
        pb_int(&a, 3, -7);
        break;

    case 3:
        pb_str(&a, 4, "word");
        break;

    case 6:
        pb_float(&a, 7, 1);
        pb_float(&a, 7, 2);
        break;

    case 7:
        pb_int(&a, 8, 3);
        pb_int(&a, 8, -4);
        pb_int(&a, 8, 5);
        break;

    case 8:
        pb_str(&a, 9, "one");
        pb_bytes(&a, 9, "t\0o", 3);
        break;
    }

    return a;
}


static void
test_constants(void)
{
    static const struct {
        const char  *attr;
        int          type;
        int          dtype;
        int          rank;
    } row[] = {
        { "value_float", 1, MAAS_F32, 0 },
        { "value_int", 2, MAAS_I64, 0 },
        { "value_string", 3, MAAS_STRING, 0 },
        { "value_floats", 6, MAAS_F32, 1 },
        { "value_ints", 7, MAAS_I64, 1 },
        { "value_strings", 8, MAAS_STRING, 1 }
    };
    pb_t           g, n;
    load_t         l;
    maas_tensor_t  t;

    for (size_t i = 0; i < maas_nelts(row); i++) {
        g = pb_new();
        n = pb_node("Constant", "c", "", "y");
        pb_put(&n, 5, attr_list(row[i].attr, row[i].type));
        pb_put(&g, 1, n);
        pb_put(&g, 12, pb_port("y", row[i].dtype, 0, NULL));
        load(&l, pb_model(g, 8, 13));

        if (ok(l.rc == MAAS_OK, "Constant: %s", row[i].attr)) {
            t = maas_value_tensor(&l.g->value[l.g->out[0]]);
            is_int(t.dtype, row[i].dtype, "its dtype");
            is_int(t.rank, row[i].rank, "its rank");

            if (row[i].type == 7) {
                ok(((int64_t *) t.data)[1] == -4 && t.dims[0] == 3,
                   "ints, one by one in the file");
            }

            if (row[i].type == 8) {
                ok(maas_tensor_str(&t, 1).len == 3
                   && memcmp(maas_tensor_str(&t, 1).data, "t\0o", 3) == 0,
                   "a string keeps its NUL");
            }

        } else {
            printf("# %s\n", l.err.text);
        }

        maas_arena_destroy(&l.arena);
    }
}


/* Names are bytes: slashes, quotes, NUL. */
static void
test_names(void)
{
    pb_t                g = pb_new(), n = pb_new(), port;
    load_t              l;
    static const char   odd[] = "a/b:{\"\0c";

    port = pb_port("x", 1, 2, dims_14);
    pb_put(&g, 11, port);
    port = pb_new();
    pb_bytes(&port, 1, odd, sizeof(odd) - 1);
    pb_put(&g, 12, port);
    pb_str(&n, 1, "x");
    pb_bytes(&n, 2, odd, sizeof(odd) - 1);
    pb_str(&n, 4, "Relu");
    pb_put(&g, 1, n);

    load(&l, pb_model(g, 8, 17));

    if (ok(l.rc == MAAS_OK, "odd names load")) {
        ok(maas_str_eq(l.g->value[l.g->out[0]].name,
                       (maas_str_t) { odd, sizeof(odd) - 1 }),
           "and keep every byte");

    } else {
        printf("# %s\n", l.err.text);
    }

    maas_arena_destroy(&l.arena);
}


/* -- bodies -------------------------------------------------------------- */

static pb_t
body(const char *op, const char *in, const char *out)
{
    pb_t  g = pb_new(), port = pb_new();

    pb_str(&port, 1, out);
    pb_put(&g, 12, port);
    pb_put(&g, 1, pb_node(op, "", in, out));
    return g;
}


static pb_t
graph_if(const char *then_in, const char *then_out, const char *else_in)
{
    pb_t  g = graph_ports(), n, a;

    pb_put(&g, 11, pb_port("c", 9, 0, NULL));
    pb_put(&g, 1, pb_node("Relu", "r", "x", "t"));

    n = pb_node("If", "choice", "c", "y");
    a = pb_new();
    pb_str(&a, 1, "then_branch");
    pb_int(&a, 20, 5);
    pb_put(&a, 6, body("Add", then_in, then_out));
    pb_put(&n, 5, a);
    a = pb_new();
    pb_str(&a, 1, "else_branch");
    pb_int(&a, 20, 5);
    pb_put(&a, 6, body("Mul", else_in, "else_out"));
    pb_put(&n, 5, a);
    pb_put(&g, 1, n);
    return g;
}


static void
test_bodies(void)
{
    load_t         l;
    maas_node_t   *n;

    if (maas_op_find(maas_str(""), maas_str("If")) == NULL) {
        ok(1, "bodies # SKIP If is not in this build");
        return;
    }

    load(&l, pb_model(graph_if("x w", "then_out", "w t"), 8, 13));

    if (ok(l.rc == MAAS_OK, "If with captures loads")) {
        n = &l.g->node[1];
        is_int(n->n_in, 3, "condition and two captures");
        is_int(n->n_body, 2, "two bodies");
        is_int(n->body[0]->n_in, 2, "inputs of the first body");
        is_int(n->body[1]->n_in, 2, "inputs of the second body");
        ok(maas_str_eq(n->body[0]->value[n->body[0]->in[1]].name,
                       n->body[1]->value[n->body[1]->in[1]].name),
           "in one order");
        ok(n->body[0]->syms == l.g->syms, "symbols are shared");

    } else {
        printf("# %s\n", l.err.text);
    }

    maas_arena_destroy(&l.arena);

    refused(pb_model(graph_if("x w", "t", "w t"), 8, 13), MAAS_EINVAL,
            "hides a tensor", "a body's output hides an outer one");
    refused(pb_model(graph_if("x nothing", "o", "w t"), 8, 13), MAAS_EINVAL,
            "'nothing' is made by no node", "a body reads what is nowhere");
    refused(pb_model(graph_if("x y", "o", "w t"), 8, 13), MAAS_EINVAL,
            "cycle", "a body reads what its node makes");
}


/* -- what is refused ----------------------------------------------------- */

static void
test_refused_versions(void)
{
    pb_t  g, n;

    refused(pb_new(), MAAS_ETRUNC, "empty", "no bytes");
    refused(pb_model(graph_plain(), 8, 25), MAAS_EUNSUPPORTED,
            "opset 25 is not served; opsets 6 to 24", "a newer opset");
    refused(pb_model(graph_plain(), 8, 5), MAAS_EUNSUPPORTED,
            "node 'a' (Add, opset 5): this opset is not served; 6 to 24 are",
            "an older opset");
    refused(pb_model(graph_plain(), 13, 17), MAAS_EUNSUPPORTED,
            "IR version 13 is not served", "a newer IR");

    g = graph_ports();
    pb_put(&g, 1, pb_node("Frobnicate", "f", "x", "y"));
    refused(pb_model(g, 8, 17), MAAS_EUNSUPPORTED,
            "node 'f' (Frobnicate, opset 17): this operator is not served",
            "an unknown operator");

    g = graph_ports();
    n = pb_node("Thing", "", "x", "y");
    pb_str(&n, 7, "com.example");
    pb_put(&g, 1, n);
    refused(pb_model(g, 8, 17), MAAS_EUNSUPPORTED,
            "node 'y' (com.example.Thing", "an unknown domain");
}


static void
test_refused_links(void)
{
    pb_t  g;

    g = graph_ports();
    pb_put(&g, 1, pb_node("Relu", "b", "t", "y"));
    refused(pb_model(g, 8, 17), MAAS_EINVAL,
            "node 'b' (Relu, opset 17): tensor 't' is made by no node",
            "a missing input");

    g = graph_ports();
    pb_put(&g, 1, pb_node("Add", "a", "x y", "t"));
    pb_put(&g, 1, pb_node("Relu", "b", "t", "y"));
    refused(pb_model(g, 8, 17), MAAS_EINVAL, "cycle", "a cycle");

    g = graph_plain();
    pb_put(&g, 1, pb_node("Relu", "c", "x", "t"));
    refused(pb_model(g, 8, 17), MAAS_EINVAL,
            "output 't': another tensor has this name", "a name made twice");

    g = graph_plain();
    pb_put(&g, 12, pb_port("z", 1, 2, dims_n4));
    refused(pb_model(g, 8, 17), MAAS_EINVAL, "output 'z'",
            "an output that nobody makes");
}


static void
test_refused_nodes(void)
{
    pb_t  g, n;

    g = graph_ports();
    pb_put(&g, 1, pb_node("Add", "a", "x", "y"));
    refused(pb_model(g, 8, 17), MAAS_EINVAL, "at least 2 are expected",
            "too few inputs");

    g = graph_ports();
    pb_put(&g, 1, pb_node("Relu", "a", "x w", "y"));
    refused(pb_model(g, 8, 17), MAAS_EINVAL, "at most 1 is expected",
            "too many inputs");

    g = graph_ports();
    n = pb_node("Relu", "a", "x", "y");
    pb_put(&n, 5, pb_attr_int("slope", 1));
    pb_put(&g, 1, n);
    refused(pb_model(g, 8, 17), MAAS_EINVAL, "'slope' is not known",
            "an unknown attribute");
}


static void
test_refused_parts(void)
{
    pb_t  g, n, m, f;

    g = graph_ports();
    pb_put(&g, 5, pb_floats("short", 2, dims_14, ones, 3));
    refused(pb_model(g, 8, 17), MAAS_EINVAL, "initializer 'short': 4 elements "
            "by its shape [1,4], but 3 in the data", "a shape that lies");

    g = graph_plain();
    n = pb_tensor("far", 1, 2, dims_14);
    f = pb_new();
    pb_str(&f, 1, "location");
    pb_str(&f, 2, "weights.bin");
    pb_put(&n, 13, f);
    pb_int(&n, 14, 1);
    pb_put(&g, 5, n);
    refused(pb_model(g, 8, 17), MAAS_ENOENT, "initializer 'far': its data is "
            "in file 'weights.bin', but the model came without a folder",
            "external data of bytes in memory");

    n = pb_node("Relu", "r", "a", "b");
    pb_put(&n, 5, ({
        pb_t  a = pb_attr_int("alpha", 1);

        pb_str(&a, 21, "slope");
        a;
    }));
    g = graph_plain();
    pb_put(&g, 1, n);
    refused(pb_model(g, 8, 17), MAAS_EINVAL, "refers to an attribute of a "
            "function, outside of functions", "a reference in the graph");

    m = pb_model(graph_plain(), 8, 17);
    pb_put(&m, 7, graph_plain());
    refused(m, MAAS_EINVAL, "field 'graph' of ModelProto comes twice",
            "two graphs");
}


static void
test_unused_domain(void)
{
    pb_t    m = pb_model(graph_plain(), 8, 17), o = pb_new();
    load_t  l;

    pb_str(&o, 1, "com.nobody.uses");
    pb_int(&o, 2, 99);
    pb_put(&m, 8, o);
    load(&l, m);
    ok(l.rc == MAAS_OK, "an opset domain that nobody uses");
    maas_arena_destroy(&l.arena);
}


/* -- hostile bytes ------------------------------------------------------- */

static void
test_nesting(void)
{
    pb_t  b = pb_new(), outer;

    /* sequence(sequence(...)) as the type of an input */
    for (int i = 0; i < 200; i++) {
        outer = pb_new();
        pb_put(&outer, i % 2 ? 4 : 1, b);
        b = outer;
    }

    outer = pb_new();
    pb_str(&outer, 1, "x");
    pb_put(&outer, 2, b);
    b = pb_new();
    pb_put(&b, 11, outer);
    refused(pb_model(b, 8, 17), MAAS_ELIMIT, "nested deeper than 64",
            "deep nesting");
}


static void
test_empties(void)
{
    pb_t         g = graph_plain(), m;
    load_t       l;
    test_host_t  h = { 0 };
    maas_host_t  host = { test_alloc, test_free, &h };

    /* 6 MB of empty initializers: two bytes each. */
    for (int i = 0; i < 3 * 1024 * 1024; i++) {
        maas_buf_add(&g, "\x2a\0", 2);
    }

    m = pb_model(g, 8, 17);
    load_bytes(&l, &host, m.data, m.len);
    ok(l.rc == MAAS_ELIMIT, "6 MB of empty messages are refused");
    printf("# %s\n", l.err.text);
    ok(h.bytes < (size_t) 600 << 20, "with a bound on memory");
    maas_arena_destroy(&l.arena);
    is_int(h.live, 0, "and nothing is left");
    maas_buf_destroy(&m);
}


/* Every result is fine but a crash, a leak or a silent success. */
static void
torture(const char *name, const char *p, size_t n)
{
    char         *copy = malloc(n);
    load_t        l;
    size_t        cut, oks = 0;
    test_host_t   h = { 0 };
    maas_host_t   host = { test_alloc, test_free, &h };

    for (cut = 0; cut < n; cut += n > 4096 ? 97 : 1) {
        memcpy(copy, p, cut);
        load_bytes(&l, &host, copy, cut);
        oks += l.rc == MAAS_OK;
        maas_arena_destroy(&l.arena);
    }

    ok(h.live == 0, "%s: truncated anywhere (%zu still load)", name, oks);

    srand(7);
    oks = 0;

    for (int i = 0; i < 600; i++) {
        memcpy(copy, p, n);
        cut = (size_t) rand() % n;
        copy[cut] ^= (char) (1 << rand() % 8);
        load_bytes(&l, &host, copy, n);
        oks += l.rc == MAAS_OK;

        if (l.rc != MAAS_OK && l.err.text[0] == '\0') {
            ok(0, "an error without a text at byte %zu", cut);
        }

        maas_arena_destroy(&l.arena);
    }

    ok(h.live == 0, "%s: flipped bits (%zu still load)", name, oks);
    free(copy);
}


static void
refusals(const char *name, const char *p, size_t n)
{
    long         k;
    load_t       l;
    test_host_t  h = { 0 };
    maas_host_t  host = { test_alloc, test_free, &h };

    for (k = 1; k < 100000; k++) {
        h.n = 0;
        h.refuse = k;
        load_bytes(&l, &host, p, n);
        maas_arena_destroy(&l.arena);

        if (l.rc == MAAS_OK || h.live != 0 || l.rc != MAAS_ENOMEM) {
            break;
        }
    }

    ok(l.rc == MAAS_OK && h.live == 0,
       "%s: each of %ld allocations refused", name, k - 1);
    if (l.rc != MAAS_OK) {
        printf("# %d, %ld live: %s\n", l.rc, h.live, l.err.text);
    }
}


static void
test_hostile(void)
{
    pb_t          m = pb_model(graph_plain(), 8, 17);
    char         *p;
    FILE         *f;
    size_t        n;
    const char   *path = "../shared/models/mnist_8.onnx";

    torture("a small model", m.data, m.len);
    refusals("a small model", m.data, m.len);
    maas_buf_destroy(&m);

    f = fopen(path, "rb");
    if (f == NULL) {
        ok(1, "mnist_8 # SKIP %s is not there", path);
        return;
    }

    p = malloc(1 << 20);
    n = fread(p, 1, 1 << 20, f);
    fclose(f);
    torture("mnist_8", p, n);
    refusals("mnist_8", p, n);
    free(p);
}


int
main(void)
{
    test_plain();
    test_order();
    test_constants();
    test_names();
    test_bodies();
    test_refused_versions();
    test_refused_links();
    test_refused_nodes();
    test_refused_parts();
    test_unused_domain();
    test_nesting();
    test_empties();
    test_hostile();

    return done();
}
