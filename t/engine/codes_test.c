/*
 * Weights of 8 bits that a graph dequantises, and tensors that go to 8 bits
 * and back.  Beside every network there is one whose weights are float32, as
 * the formula of DequantizeLinear gives them: under `numerics exact` both
 * give the same bits, at each CPU level (a child process each), for one row
 * and three; the image holds the 8 bits and no DequantizeLinear; and with
 * the passes off, which converts in every run, the same bits again.
 */


#include "api/compile.h"
#include "api/model_priv.h"
#include "graph_build.h"
#include "levels.h"
#include "tap.h"


typedef enum { CONV, MATMUL, GEMM, PARTS }  kind_t;

typedef struct {
    const char  *name;
    kind_t       kind;
    int64_t      c, m, group, taps, size;   /* of Conv; k and n of products */
    bool         axis;                      /* a scale for each column */
    bool         raised;                    /* uint8 */
    bool         kept;                      /* in panels of 8 bits */
} weight_t;

static const weight_t  weights[] = {
    { "1x1", CONV, 192, 160, 1, 1, 9, true, false, true },
    { "1x1, one scale, uint8", CONV, 160, 136, 1, 1, 7, false, true, true },
    { "3x3", CONV, 72, 88, 1, 3, 9, true, false, true },
    { "3x3, long chain", CONV, 512, 48, 1, 3, 5, true, true, true },
    { "5x5, few inputs", CONV, 4, 176, 1, 5, 12, true, false, true },
    { "3x3, groups of blocks", CONV, 96, 96, 2, 3, 8, true, false, true },
    { "1x1, groups", CONV, 240, 240, 3, 1, 6, true, false, true },
    { "1x1 of one pixel", CONV, 240, 100, 1, 1, 1, true, false, true },
    { "MatMul", MATMUL, 130, 200, 0, 0, 0, true, false, true },
    { "MatMul, one scale", MATMUL, 700, 100, 0, 0, 0, false, true, true },
    { "Gemm", GEMM, 260, 150, 0, 0, 0, true, false, true },
    { "MatMul, side by side", PARTS, 160, 144, 0, 0, 0, true, false, true },
    { "scales along k", MATMUL, 200, 130, 0, 0, 1, true, false, false },
};

enum { EIGHT, PLAIN };


static maas_raw_attr_t *
attr_of(maas_raw_node_t *n, const char *name, maas_attr_type_t type)
{
    maas_raw_attr_t  *a = &n->attr[n->n_attr++];

    *a = (maas_raw_attr_t) { .name = { name, strlen(name) }, .type = type };
    return a;
}


static void
attr_int1(maas_raw_node_t *n, const char *name, int64_t v)
{
    attr_of(n, name, MAAS_ATTR_INT)->i = v;
}


/* A weight of these dims, dequantised or as float32. */
static maas_str_t
weight(build_t *b, const weight_t *w, int rank, const int64_t *dims, int axis,
    int form)
{
    int64_t           n = maas_dims_count(dims, rank), inner = 1, channels;
    float            *f, *scale;
    uint8_t          *q, *zero;
    maas_str_t        out;
    maas_dtype_t      t = w->raised ? MAAS_U8 : MAAS_I8;
    maas_raw_node_t  *dq;

    channels = w->axis ? dims[axis] : 1;

    for (int d = axis + 1; d < rank; d++) {
        inner *= dims[d];
    }

    f = malloc((size_t) n * sizeof(float));
    scale = malloc((size_t) channels * sizeof(float));
    q = malloc((size_t) n);
    zero = malloc((size_t) channels);

    for (int64_t i = 0; i < channels; i++) {
        scale[i] = 0.001f + (float) rnd(b, 1000) * 3e-6f;
        zero[i] = (uint8_t) rnd(b, 256);
    }

    for (int64_t i = 0; i < n; i++) {
        int64_t  c = w->axis ? i / inner % channels : 0;

        q[i] = (uint8_t) rnd(b, 256);
        f[i] = (float) (w->raised ? q[i] - zero[c]
                                  : (int8_t) q[i] - (int8_t) zero[c])
               * scale[c];
    }

    if (form == PLAIN) {
        out = constant(b, MAAS_F32, rank, dims, f);

    } else {
        out = new_name(b);
        dq = node(b, "DequantizeLinear", out, 3,
                  constant(b, t, rank, dims, q),
                  constant(b, MAAS_F32, w->axis, &channels, scale),
                  constant(b, t, w->axis, &channels, zero));
        attr_int1(dq, "axis", axis);
    }

    free(f);
    free(scale);
    free(q);
    free(zero);
    return out;
}


/* Through uint8 and back. */
static maas_str_t
round_trip(build_t *b, maas_str_t x)
{
    float       scale = 0.031f;
    uint8_t     zero = 119;
    maas_str_t  s, z, q = new_name(b), y = new_name(b);

    s = constant(b, MAAS_F32, 0, NULL, &scale);
    z = constant(b, MAAS_U8, 0, NULL, &zero);
    node(b, "QuantizeLinear", q, 3, x, s, z);
    node(b, "DequantizeLinear", y, 3, q, s, z);
    return y;
}


static maas_str_t
net_conv(build_t *b, const weight_t *w, maas_str_t x, int form)
{
    int64_t           dims[] = { w->m, w->c / w->group, w->taps, w->taps };
    int64_t          *pads;
    maas_str_t        y = new_name(b), z = new_name(b);
    maas_raw_attr_t  *a;
    maas_raw_node_t  *n;

    n = node(b, "Conv", y, 2, x, weight(b, w, 4, dims, 0, form));
    attr_int1(n, "group", w->group);
    pads = maas_arena_array(b->a, 4, sizeof(*pads));

    for (int i = 0; i < 4; i++) {
        pads[i] = w->taps / 2;
    }

    a = attr_of(n, "pads", MAAS_ATTR_INTS);
    a->ints = pads;
    a->n = 4;
    node(b, "Relu", z, 1, y);
    return round_trip(b, z);
}


static maas_str_t
net_product(build_t *b, const weight_t *w, maas_str_t x, int form)
{
    int64_t           dims[] = { w->c, w->m }, turned[] = { w->m, w->c };
    maas_str_t        y = new_name(b), v[3];
    maas_raw_node_t  *n;

    if (w->kind == GEMM) {
        n = node(b, "Gemm", y, 2, x, weight(b, w, 2, turned, 0, form));
        attr_int1(n, "transB", 1);
        return round_trip(b, y);
    }

    if (w->kind == MATMUL) {
        node(b, "MatMul", y, 2, x, weight(b, w, 2, dims, w->size == 0,
                                          form));
        return round_trip(b, y);
    }

    for (int i = 0; i < 3; i++) {
        v[i] = new_name(b);
        node(b, "MatMul", v[i], 2, x, weight(b, w, 2, dims, 1, form));
    }

    n = node(b, "Concat", y, 3, v[0], v[1], v[2]);
    attr_int1(n, "axis", 1);
    return round_trip(b, y);
}


static maas_raw_model_t *
net_model(maas_arena_t *a, const weight_t *w, int form)
{
    build_t     *b = model_begin(a, 5);
    maas_str_t   x = new_name(b), y;

    port(&b->g->in[b->g->n_in++], x, w->c);
    b->g->in[0].rank = w->kind == CONV ? 4 : 2;
    b->g->in[0].dims[1] = w->c;
    b->g->in[0].dims[2] = b->g->in[0].dims[3] = w->size;

    y = round_trip(b, x);
    y = w->kind == CONV ? net_conv(b, w, y, form)
                        : net_product(b, w, y, form);
    port(&b->g->out[b->g->n_out++], y, -1);
    return model_end(b);
}


/* Does the graph hold 8-bit panels, and nothing that dequantises? */
static bool
holds(const maas_graph_t *g)
{
    bool  panels = false;

    for (uint32_t i = 0; i < g->n_node; i++) {
        if (strcmp(g->node[i].op->name, "DequantizeLinear") == 0
            || strcmp(g->node[i].op->name, "QuantizeLinear") == 0)
        {
            return false;
        }
    }

    for (uint32_t i = 0; i < g->n_value; i++) {
        panels = panels || g->value[i].type.format == MAAS_FMT_P16Q8;
    }

    return panels;
}


/* The output, or NULL; eight: the image has 8-bit panels. */
static float *
net_run(const weight_t *w, int form, const char *off, int64_t rows,
    int64_t *n, bool *eight)
{
    int64_t         count;
    void           *image = NULL;
    float          *y = NULL, *x;
    size_t          size;
    maas_err_t      err = { 0 };
    maas_run_t     *run = NULL;
    maas_arena_t    a;
    maas_graph_t   *g;
    maas_model_t   *m = NULL;
    maas_tensor_t   in = { .dtype = MAAS_F32, .rank = w->kind == CONV ? 4 : 2,
                           .dims = { rows, w->c, w->size, w->size } }, t;
    maas_compile_t  spec = { .name = "codes", .passes_off = off };

    maas_arena_init(&a, maas_host_default(), 0);
    count = maas_dims_count(in.dims, in.rank);
    in.bytes = (size_t) count * sizeof(float);
    in.data = x = maas_arena_alloc(&a, in.bytes);

    for (int64_t i = 0; i < count; i++) {
        x[i] = (float) (i * 7919 % 2003) / 700.0f - 1.4f;
    }

    if (maas_graph_import(&g, &a, net_model(&a, w, form), &err) == MAAS_OK
        && maas_compile_graph(g, &spec, &image, &size, &err) == MAAS_OK
        && maas_model_open(&m, image, size, NULL, &err) == MAAS_OK
        && maas_model_run(m, &in, NULL, NULL, &run, &err) == MAAS_OK)
    {
        *eight = holds(g);
        maas_run_output(run, 0, &t, NULL);
        *n = maas_tensor_count(&t);
        y = malloc(t.bytes + 1);
        memcpy(y, t.data, t.bytes);
        maas_run_release(run);

    } else {
        printf("# %s: %s\n", w->name, err.text);
    }

    maas_model_release(m);
    maas_image_free(image);
    maas_arena_destroy(&a);
    return y;
}


static int
test_weight(const weight_t *w, int64_t rows)
{
    int      bad;
    bool     eight = false, none = false, ignored = false;
    float   *a, *b, *c;
    int64_t  na = 0, nb = 0, nc = 0;

    a = net_run(w, EIGHT, NULL, rows, &na, &eight);
    b = net_run(w, PLAIN, NULL, rows, &nb, &none);
    c = net_run(w, EIGHT, "fold,fuse_qdq", rows, &nc, &ignored);

    bad = a == NULL || b == NULL || na != nb || na == 0 || none
          || eight != w->kept || memcmp(a, b, (size_t) na * sizeof(float));

    /* Unfolded weights keep a convolution from being blocked. */
    if (w->kind != CONV) {
        bad = bad || c == NULL || na != nc
              || memcmp(a, c, (size_t) na * sizeof(float));
    }

    if (bad) {
        printf("# %s, %lld rows at %s: %s\n", w->name, (long long) rows,
               maas_cpu_name(maas_cpu_in_use()),
               eight == w->kept ? "other bits" : "the weights' form");
    }

    free(a);
    free(b);
    free(c);
    return bad;
}


/* In a process of its own: the level is chosen once. */
static int
test_level(const char *cpu)
{
    int  bad = 0;

    maas_init(cpu, NULL);

    for (size_t i = 0; i < maas_nelts(weights); i++) {
        bad += test_weight(&weights[i], 1);
        bad += test_weight(&weights[i], 3);
    }

    bad += test_weight(&weights[8], 40);
    fflush(stdout);
    return bad;
}


int
main(void)
{
    at_levels(test_level,
              "8-bit weights give the bits of float32 ones");

    return done();
}
