/*
 * Graphs that quantise every tensor: `numerics fast` computes them with
 * integers, `exact` as the graph says, in float32.  Sums of integers round
 * once where float32 arithmetic rounds often, so that a code may be the next
 * one: outputs agree within one quantisation step of the output (its scale),
 * of a chain of two within two.  At every CPU level (a child process each),
 * of one row and of three, a row of the batch equal to the single run.  What
 * can't be taken (scales that are none) gives the bits of `exact`.
 */

#include <math.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "graph_build.h"
#include "levels.h"
#include "tap.h"


typedef enum {
    CONV, DEPTHWISE, FLOAT_BIAS, ADD, BOTTLENECK, CONCAT, FIRE, MAXPOOL,
    AVERAGE, AVERAGE_PLAIN, GEMM, MATMUL, FLATTEN
} kind_t;

typedef enum { NONE, RELU, CLIP }  limit_t;

typedef struct {
    const char   *name;
    kind_t        kind;
    limit_t       limit;
    maas_dtype_t  x, w, y;
    int           zx, zw, zy;           /* zw 1000: by channel */
    float         sy;
    const char   *becomes;              /* an operator of the fast graph */
    int           codes;                /* by which outputs may differ */
    float         sx;                   /* 0: 0.03 */
} net_t;

#define WIDE  1000
#define C     24
#define SIZE  9

static const net_t  nets[] = {
    { "Conv", CONV, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 128, 0.3f,
      "QConv", 1, 0 },
    { "Conv, Relu", CONV, RELU, MAAS_U8, MAAS_I8, MAAS_U8, 0, 0, 0, 0.2f,
      "QConv", 1, 0 },
    { "Conv, Relu, zero point", CONV, RELU, MAAS_I8, MAAS_I8, MAAS_I8, 13, 0,
      20, 0.3f, "QConv", 1, 0 },
    { "Conv, Clip, uint8 weights", CONV, CLIP, MAAS_U8, MAAS_U8, MAAS_U8, 255,
      WIDE, 40, 0.05f, "QConv", 1, 0 },
    { "Conv, mixed types", CONV, CLIP, MAAS_I8, MAAS_U8, MAAS_U8, 0, 128, 40,
      0.05f, "QConv", 1, 0 },
    { "Conv, depthwise", DEPTHWISE, CLIP, MAAS_U8, MAAS_I8, MAAS_U8, 77, 0,
      0, 0.03f, "QConv", 1, 0 },
    { "Conv, float32 bias", FLOAT_BIAS, NONE, MAAS_U8, MAAS_I8, MAAS_I8, 77,
      0, 0, 0.3f, "QConv", 1, 0 },
    { "Add", ADD, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 128, 0.04f,
      "QAdd", 1, 0 },
    { "Add, Relu, int8", ADD, RELU, MAAS_I8, MAAS_I8, MAAS_I8, 20, 0, -100,
      0.03f, "QAdd", 1, 0 },
    { "Conv, Add, Relu", BOTTLENECK, RELU, MAAS_U8, MAAS_I8, MAAS_U8, 128, 0,
      3, 0.3f, "QConv", 2, 0 },
    { "Conv, Add, int8", BOTTLENECK, NONE, MAAS_I8, MAAS_I8, MAAS_I8, 3, 0,
      -3, 0.3f, "QConv", 2, 0 },
    { "Concat", CONCAT, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 128, 0.04f,
      "QConcat", 1, 0 },
    { "Concat, int8", CONCAT, NONE, MAAS_I8, MAAS_I8, MAAS_I8, 12, 0, 7,
      0.05f, "QConcat", 1, 0 },
    { "Conv, Concat", FIRE, RELU, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 1, 0.3f,
      "QConv", 2, 0 },
    { "MaxPool", MAXPOOL, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 120, 0.03f,
      "MaxPool", 0, 0 },
    { "Conv, MaxPool, int8", MAXPOOL, RELU, MAAS_I8, MAAS_I8, MAAS_I8, 9, 0,
      20, 0.3f, "MaxPoolBytes", 1, 0 },
    { "GlobalAveragePool", AVERAGE, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0,
      128, 0.01f, "QAverage", 1, 0 },
    { "GlobalAveragePool, int8", AVERAGE, RELU, MAAS_I8, MAAS_I8, MAAS_I8, 12,
      0, -8, 0.3f, "QAverage", 2, 0 },
    { "GlobalAveragePool to float32", AVERAGE_PLAIN, NONE, MAAS_U8, MAAS_I8,
      MAAS_U8, 120, 0, 128, 0.0003f, "QAverage", 1, 0 },
    { "Gemm", GEMM, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, WIDE, 128, 1,
      "QMatMul", 1, 0 },
    { "MatMul", MATMUL, NONE, MAAS_I8, MAAS_U8, MAAS_I8, 12, 120, 8, 1,
      "QMatMul", 1, 0 },
    { "Conv, Flatten, Gemm", FLATTEN, RELU, MAAS_U8, MAAS_I8, MAAS_U8, 120,
      0, 128, 2, "QMatMul", 3, 0 },
    { "scale 0", CONV, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 128, 0,
      NULL, 0, 0 },
    { "scale below 0", CONV, NONE, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 128,
      -0.3f, NULL, 0, 0 },
    { "scale NaN", CONV, RELU, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 128, NAN,
      NULL, 0, 0 },
    { "scale of X NaN", CONV, RELU, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0, 128,
      0.3f, NULL, 0, NAN },
    { "scale of X infinite", ADD, RELU, MAAS_U8, MAAS_I8, MAAS_U8, 120, 0,
      128, 0.3f, NULL, 0, INFINITY },
};


/* -- models -------------------------------------------------------------- */

static maas_str_t
scalar(build_t *b, maas_dtype_t t, const void *v)
{
    return constant(b, t, 0, NULL, v);
}


static maas_str_t
round_trip(build_t *b, maas_str_t x, float scale, maas_dtype_t t, int zero)
{
    int8_t      z = (int8_t) zero;
    maas_str_t  s, v, q = new_name(b), y = new_name(b);

    s = scalar(b, MAAS_F32, &scale);
    v = scalar(b, t, &z);
    node(b, "QuantizeLinear", q, 3, x, s, v);
    node(b, "DequantizeLinear", y, 3, q, s, v);
    return y;
}


static maas_str_t
weight(build_t *b, const net_t *n, int rank, const int64_t *dims, int axis)
{
    int64_t           count = maas_dims_count(dims, rank), m = dims[axis];
    float             scale[256];
    uint8_t          *q = maas_arena_alloc(b->a, (size_t) count), zero[256];
    maas_str_t        out = new_name(b);
    maas_raw_node_t  *d;

    for (int64_t i = 0; i < count; i++) {
        q[i] = (uint8_t) rnd(b, 256);
    }

    for (int64_t i = 0; i < m; i++) {
        scale[i] = 0.001f + (float) rnd(b, 1000) * 3e-6f;
        zero[i] = n->zw == WIDE ? (uint8_t) rnd(b, 256) : (uint8_t) n->zw;
    }

    d = node(b, "DequantizeLinear", out, 3, constant(b, n->w, rank, dims, q),
             constant(b, MAAS_F32, n->zw != 128, &m, scale),
             constant(b, n->w, n->zw != 128, &m, zero));
    attr_int(d, "axis", axis);
    return out;
}


static maas_str_t
bias(build_t *b, bool plain)
{
    float       f[C];
    int32_t     q[C];
    int64_t     n = C;
    float       s = 0.0001f;
    maas_str_t  out = new_name(b);

    for (int i = 0; i < C; i++) {
        q[i] = (int32_t) rnd(b, 20000) - 10000;
        f[i] = (float) q[i] * s;
    }

    if (plain) {
        return constant(b, MAAS_F32, 1, &n, f);
    }

    node(b, "DequantizeLinear", out, 2, constant(b, MAAS_I32, 1, &n, q),
         scalar(b, MAAS_F32, &s));
    return out;
}


static maas_str_t
limited(build_t *b, maas_str_t x, limit_t limit)
{
    float       lo = -1.1f, hi = 4.3f;
    maas_str_t  y = new_name(b);

    if (limit == RELU) {
        node(b, "Relu", y, 1, x);
    } else if (limit == CLIP) {
        node(b, "Clip", y, 3, x, scalar(b, MAAS_F32, &lo),
             scalar(b, MAAS_F32, &hi));
    }

    return limit == NONE ? x : y;
}


/* Of C to C channels; a scale that is none: 1x1, which is not Winograd's. */
static maas_str_t
conv(build_t *b, const net_t *n, maas_str_t x, limit_t limit)
{
    bool              wise = n->becomes != NULL;
    int64_t           dims[] = { C, n->kind == DEPTHWISE ? 1 : C,
                                 wise ? 3 : 1, wise ? 3 : 1 };
    int64_t          *pads = maas_arena_array(b->a, 4, sizeof(*pads));
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *c;

    for (int i = 0; i < 4; i++) {
        pads[i] = wise;
    }

    c = node(b, "Conv", y, 3, x, weight(b, n, 4, dims, 0),
             bias(b, n->kind == FLOAT_BIAS));
    attr_int(c, "group", n->kind == DEPTHWISE ? C : 1);
    c->attr[c->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("pads"), .type = MAAS_ATTR_INTS, .ints = pads,
        .n = 4
    };

    return limited(b, y, limit);
}


static maas_str_t
pool(build_t *b, maas_str_t x)
{
    int64_t          *k = maas_arena_array(b->a, 4, sizeof(*k));
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *n = node(b, "MaxPool", y, 1, x);

    k[0] = k[1] = 3;
    k[2] = k[3] = 1;
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("kernel_shape"), .type = MAAS_ATTR_INTS, .ints = k,
        .n = 2
    };
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("pads"), .type = MAAS_ATTR_INTS,
        .ints = maas_arena_dup(b->a, (int64_t[]) { 1, 0, 0, 1 }, 32), .n = 4
    };

    return y;
}


static maas_str_t
gemm(build_t *b, const net_t *n, maas_str_t x, int64_t k)
{
    int64_t           dims[] = { C, k };
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *g;

    g = node(b, "Gemm", y, 3, x, weight(b, n, 2, dims, 0), bias(b, false));
    attr_int(g, "transB", 1);
    return y;
}


static maas_str_t
body(build_t *b, const net_t *n, maas_str_t x)
{
    int64_t           dims[] = { C * SIZE, C };
    maas_str_t        y = new_name(b), z;
    maas_raw_node_t  *c;

    switch (n->kind) {
    case CONV:
    case DEPTHWISE:
    case FLOAT_BIAS:
        return conv(b, n, x, n->limit);
    case ADD:
        node(b, "Add", y, 2, round_trip(b, x, 0.017f, n->y, 9), x);
        return limited(b, y, n->limit);
    case BOTTLENECK:
        node(b, "Add", y, 2, round_trip(b, conv(b, n, x, NONE), 0.3f, n->y,
                                        9), x);
        return limited(b, y, n->limit);
    case FIRE:
    case CONCAT:
        z = n->kind == FIRE
            ? round_trip(b, conv(b, n, x, n->limit), 0.2f, n->y, 2)
            : round_trip(b, x, 0.017f, n->y, 9);
        c = node(b, "Concat", y, 2, z,
                 n->kind == FIRE
                 ? round_trip(b, conv(b, n, x, n->limit), 0.3f, n->y, 1)
                 : x);
        attr_int(c, "axis", 1);
        return y;
    case MAXPOOL:
        return pool(b, n->limit == NONE ? x
                    : round_trip(b, conv(b, n, x, n->limit), n->sy, n->y,
                                 n->zy));
    case AVERAGE:
    case AVERAGE_PLAIN:
        node(b, "GlobalAveragePool", y, 1, n->limit == NONE ? x
             : round_trip(b, conv(b, n, x, n->limit), 0.3f, n->y, 3));
        return y;
    case GEMM:
        return gemm(b, n, x, C * SIZE);
    case MATMUL:
        node(b, "MatMul", y, 2, x, weight(b, n, 2, dims, 1));
        return y;
    case FLATTEN:
        z = round_trip(b, conv(b, n, x, n->limit), 0.3f, n->x, n->zx);
        node(b, "Flatten", y, 1, z);
        return gemm(b, n, round_trip(b, y, 0.3f, n->x, n->zx),
                    C * SIZE * SIZE);
    }

    return x;
}


static maas_raw_model_t *
net_model(maas_arena_t *a, const net_t *n)
{
    bool         flat = n->kind == GEMM || n->kind == MATMUL;
    build_t     *b = model_begin(a, (uint64_t) (n - nets) + 5);
    maas_str_t   x = new_name(b), y;

    port(&b->g->in[b->g->n_in++], x, flat ? C * SIZE : C);
    b->g->in[0].rank = flat ? 2 : 4;
    b->g->in[0].dims[2] = b->g->in[0].dims[3] = SIZE;

    y = round_trip(b, x, n->sx != 0 ? n->sx : 0.03f, n->x, n->zx);
    y = body(b, n, y);

    if (n->kind != AVERAGE_PLAIN) {
        y = round_trip(b, y, n->sy, n->y, n->zy);
    }

    port(&b->g->out[b->g->n_out++], y, -1);
    return model_end(b);
}


/* -- runs ---------------------------------------------------------------- */

/* It holds the operator, or, where that is NULL, none of the integers'. */
static bool
holds(const maas_graph_t *g, const char *op)
{
    bool         has = false;
    const char  *name;

    for (uint32_t i = 0; i < g->n_node; i++) {
        name = g->node[i].op->name;
        has = has || (op != NULL ? strcmp(name, op) == 0
                                 : name[0] == 'Q' && name[1] < 'a');
    }

    return has == (op != NULL);
}


static float *
net_run(const net_t *n, bool fast, int64_t rows, int64_t *count, bool *good)
{
    bool            flat = n->kind == GEMM || n->kind == MATMUL;
    void           *image = NULL;
    float          *y = NULL, *x;
    size_t          size;
    maas_err_t      err = { 0 };
    maas_run_t     *run = NULL;
    maas_arena_t    a;
    maas_graph_t   *g;
    maas_model_t   *m = NULL;
    maas_tensor_t   in = { .dtype = MAAS_F32, .rank = flat ? 2 : 4,
                           .dims = { rows, flat ? C * SIZE : C, SIZE,
                                     SIZE } }, t;
    maas_compile_t  spec = { .name = "qlinear",
                             .numerics = fast ? "fast" : "exact" };

    maas_arena_init(&a, maas_host_default(), 0);
    *count = maas_dims_count(in.dims, in.rank);
    in.bytes = (size_t) *count * sizeof(float);
    in.data = x = maas_arena_alloc(&a, in.bytes);

    for (int64_t i = 0; i < *count; i++) {
        x[i] = (float) (i * 7919 % 2003) / 300.0f - 3.4f;
    }

    if (maas_graph_import(&g, &a, net_model(&a, n), &err) == MAAS_OK
        && maas_compile_graph(g, &spec, &image, &size, &err) == MAAS_OK
        && maas_model_open(&m, image, size, NULL, &err) == MAAS_OK
        && maas_model_run(m, &in, NULL, NULL, &run, &err) == MAAS_OK)
    {
        *good = holds(g, fast ? n->becomes : NULL);
        maas_run_output(run, 0, &t, NULL);
        *count = maas_tensor_count(&t);
        y = malloc(t.bytes + 1);
        memcpy(y, t.data, t.bytes);
        maas_run_release(run);

    } else {
        printf("# %s: %s\n", n->name, err.text);
    }

    maas_model_release(m);
    maas_image_free(image);
    maas_arena_destroy(&a);
    return y;
}


static int
differ(const net_t *n, const float *a, const float *b, int64_t count)
{
    int    bad = 0, other = 0;
    float  most = (float) n->codes * n->sy * 1.0001f;

    for (int64_t i = 0; i < count; i++) {
        bad += n->codes == 0 ? memcmp(&a[i], &b[i], sizeof(a[i])) != 0
                             : !(fabsf(a[i] - b[i]) <= most);
        other += a[i] != a[0];
    }

    /* A test of nothing but one number is none. */
    return bad + (other < count / 4 && n->becomes != NULL);
}


static int
test_net(const net_t *n)
{
    int      bad;
    bool     kept = false, taken = false, more = false;
    float   *a, *b, *c;
    int64_t  na, nb, nc;

    a = net_run(n, false, 3, &na, &kept);
    b = net_run(n, true, 3, &nb, &taken);
    c = net_run(n, true, 1, &nc, &more);

    bad = a == NULL || b == NULL || c == NULL || na != nb || nb != 3 * nc
          || !kept || !taken || !more || differ(n, a, b, na) != 0
          || memcmp(b, c, (size_t) nc * sizeof(float)) != 0;

    if (bad) {
        printf("# %s at %s: %d of %lld differ%s\n", n->name,
               maas_cpu_name(maas_cpu_in_use()),
               a != NULL && b != NULL ? differ(n, a, b, na) : -1,
               (long long) na, taken ? "" : ", other operators");
    }

    free(a);
    free(b);
    free(c);
    return bad;
}


static int
test_level(const char *cpu)
{
    int  bad = 0;

    maas_init(cpu, NULL);

    for (size_t i = 0; i < maas_nelts(nets); i++) {
        bad += test_net(&nets[i]);
    }

    fflush(stdout);
    return bad;
}


int
main(void)
{
    at_levels(test_level, "integers differ by a quantisation step at most");

    return done();
}
