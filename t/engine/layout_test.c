/*
 * Blocked activations against plain ones: random networks of convolutions,
 * pools, normalisations, elementwise nodes and concatenations are compiled
 * with the layout pass and without it, at each CPU level (a child process
 * each), and give the same numbers within rounding; and so, within a larger
 * one, under `numerics fast` (Winograd).  Blocked, a row of a batch equals
 * the run of it alone, and a team of three equals one thread, to the bit.
 *
 * MAAS_SEEDS, MAAS_SEED: how many networks, and from which.
 */

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/compile.h"
#include "graph_build.h"
#include "tap.h"
#include "team_job.h"


/* An image value: C channels, the input's extents halved `half` times. */
typedef struct {
    maas_str_t  name;
    int64_t     c;
    int         half;
} img_t;

typedef struct {
    build_t  *b;
    int       n;
    img_t     v[VALS_MAX];
} net_t;


/* -- networks ------------------------------------------------------------ */

static maas_str_t
floats(build_t *b, int rank, int64_t n0, int64_t n1, int64_t n2, int64_t n3,
    float scale, float shift)
{
    return floats_of(b, rank, (int64_t[]) { n0, n1, n2, n3 }, scale, shift);
}


static void
attr_ints(build_t *b, maas_raw_node_t *n, const char *name, int count,
    int64_t v)
{
    int64_t  *list = maas_arena_array(b->a, count, sizeof(*list));

    for (int i = 0; i < count; i++) {
        list[i] = v;
    }

    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_INTS,
        .ints = list, .n = (uint32_t) count
    };
}


static img_t
net_pick(net_t *t)
{
    return t->v[rnd(t->b, 3) ? t->n - 1 - rnd(t->b, maas_min(t->n, 4))
                             : rnd(t->b, t->n)];
}


static maas_str_t
net_add(net_t *t, int64_t c, int half)
{
    img_t  v = { new_name(t->b), c, half };

    if (t->n < VALS_MAX) {
        t->v[t->n++] = v;
    }

    return v.name;
}


static void
net_conv(net_t *t)
{
    static const int  outs[] = { 1, 5, 8, 16, 20, 32, 40, 48, 64, 80 };

    img_t             x = net_pick(t);
    int64_t           group = 1, oc, k, d, s;
    build_t          *b = t->b;
    maas_str_t        y;
    maas_raw_node_t  *n;

    oc = outs[rnd(b, maas_nelts(outs))];
    k = (int64_t []) { 1, 1, 3, 3, 3, 5, 2 }[rnd(b, 7)];
    d = k == 3 && rnd(b, 5) == 0 ? 2 : 1;
    s = k != 2 && x.half < 2 && rnd(b, 3) == 0 ? 2 : 1;

    if (x.c > 1 && rnd(b, 4) == 0) {
        group = oc = x.c;

    } else if (x.c % 32 == 0 && rnd(b, 3) == 0) {
        group = 2;
        oc = (oc + 31) / 32 * 32;

    } else if (x.c % 4 == 0 && rnd(b, 6) == 0) {
        group = 4;
        oc = (oc + 3) / 4 * 4;
        k = d = rnd(b, 2) ? 1 : k;
    }

    y = net_add(t, oc, x.half + (s == 2));
    n = node(b, "Conv", y, 2 + rnd(b, 2), x.name,
             floats(b, 4, oc, x.c / group, k, k,
                    1.5f / sqrtf((float) (x.c / group * k * k)), 0),
             floats(b, 1, oc, 1, 1, 1, 0.3f, 0));
    attr_int(n, "group", group);
    attr_ints(b, n, "strides", 2, s);

    if (k == 2) {
        n->attr[n->n_attr++] = (maas_raw_attr_t) {
            .name = maas_str("auto_pad"), .type = MAAS_ATTR_STRING,
            .s = maas_str("SAME_UPPER")
        };

    } else {
        attr_ints(b, n, "pads", 4, d * (k - 1) / 2);
        attr_ints(b, n, "dilations", 2, d);
    }
}


static void
net_unary(net_t *t)
{
    static const char *const  ops[] = { "Relu", "Sigmoid", "HardSwish",
                                        "LeakyRelu", "Abs", "Clip", "Cos" };
    img_t       x = net_pick(t);
    uint32_t    op = rnd(t->b, 7);
    build_t    *b = t->b;
    maas_str_t  y = net_add(t, x.c, x.half);

    node(b, ops[op], y, op == 5 ? 3 : 1, x.name,
         floats(b, 0, 1, 1, 1, 1, 0.2f, -0.3f),
         floats(b, 0, 1, 1, 1, 1, 0.2f, 0.6f));
}


static void
net_binary(net_t *t)
{
    static const char *const  ops[] = { "Add", "Sub", "Mul", "Add", "Max" };
    img_t        x = net_pick(t), z;
    build_t     *b = t->b;
    maas_str_t   other, y, gap;
    const char  *op = ops[rnd(b, 5)];

    switch (rnd(b, 6)) {

    case 0:
        other = floats(b, 3, x.c, 1, 1, 1, 0.5f, 0.5f);
        break;

    case 1:
        other = floats(b, 4, 1, x.c, 1, 1, 0.5f, 0);
        break;

    case 2:
        other = floats(b, 0, 1, 1, 1, 1, 0.5f, 0.5f);
        break;

    case 3:                     /* one value for each plane */
        gap = new_name(b);
        other = new_name(b);
        node(b, "GlobalAveragePool", gap, 1, x.name);
        node(b, "Sigmoid", other, 1, gap);
        break;

    default:
        other = x.name;

        for (int i = 0; i < t->n; i++) {
            z = t->v[(i + rnd(b, t->n)) % t->n];

            if (z.c == x.c && z.half == x.half) {
                other = z.name;
            }
        }
    }

    y = net_add(t, x.c, x.half);

    if (rnd(b, 2)) {
        node(b, op, y, 2, x.name, other);
    } else {
        node(b, op, y, 2, other, x.name);
    }
}


static void
net_pool(net_t *t)
{
    img_t             x = net_pick(t);
    int64_t           d, s = x.half < 2 && rnd(t->b, 2) ? 2 : 1;
    build_t          *b = t->b;
    maas_str_t        y = net_add(t, x.c, x.half + (s == 2));
    uint32_t          max = rnd(b, 2);
    maas_raw_node_t  *n;

    n = node(b, max ? "MaxPool" : "AveragePool", y, 1, x.name);
    d = rnd(b, 3) == 0 ? 2 : 1;
    attr_ints(b, n, "kernel_shape", 2, 3);
    attr_ints(b, n, "strides", 2, s);
    attr_ints(b, n, "dilations", 2, d);
    attr_ints(b, n, "pads", 4, d);

    if (!max && rnd(b, 2)) {
        attr_int(n, "count_include_pad", 1);
    }
}


static void
net_concat(net_t *t)
{
    img_t             x = net_pick(t), z = net_pick(t);
    maas_str_t        y;
    maas_raw_node_t  *n;

    if (z.half != x.half || x.c + z.c > 160) {
        return;
    }

    y = net_add(t, x.c + z.c, x.half);
    n = node(t->b, "Concat", y, 2, x.name, z.name);
    attr_int(n, "axis", 1);
}


static void
net_norm(net_t *t)
{
    img_t       x = net_pick(t);
    build_t    *b = t->b;
    maas_str_t  y = net_add(t, x.c, x.half);

    node(b, "BatchNormalization", y, 5, x.name,
         floats(b, 1, x.c, 1, 1, 1, 0.3f, 0.8f),
         floats(b, 1, x.c, 1, 1, 1, 0.5f, 0),
         floats(b, 1, x.c, 1, 1, 1, 0.2f, 0),
         floats(b, 1, x.c, 1, 1, 1, 0.3f, 0.7f));
}


/*
 * BatchNormalization, Relu, 1x1 convolution, as in a dense block; at times
 * with the Mul and Add of a network that comes from Caffe.
 */
static void
net_dense(net_t *t)
{
    int64_t     oc = 8 + 8 * rnd(t->b, 10), c;
    img_t       x;
    build_t    *b = t->b;
    maas_str_t  u, v;

    net_norm(t);
    x = t->v[t->n - 1];
    c = x.c;
    u = x.name;

    for (uint32_t i = rnd(b, 3); i > 0; i--) {
        v = new_name(b);
        node(b, rnd(b, 2) ? "Mul" : "Add", v, 2, u,
             rnd(b, 2) ? floats(b, 3, c, 1, 1, 1, 0.5f, 0.5f)
                       : floats(b, 4, 1, c, 1, 1, 0.5f, 0.5f));
        u = v;
    }

    if (rnd(b, 4)) {
        v = new_name(b);
        node(b, "Relu", v, 1, u);
        u = v;
    }

    v = net_add(t, oc, x.half);
    node(b, "Conv", v, 2 + rnd(b, 2), u,
         floats(b, 4, oc, c, 1, 1, 1.5f / sqrtf((float) c), 0),
         floats(b, 1, oc, 1, 1, 1, 0.3f, 0));
}


/* 4-D with every extent but the channels open. */
static void
net_port(maas_raw_port_t *p, maas_str_t name, int64_t c)
{
    memset(p, 0, sizeof(*p));
    p->name = name;
    p->dtype = MAAS_F32;
    p->rank = c < 0 ? -1 : 4;
    p->dims[0] = p->dims[2] = p->dims[3] = -1;
    p->dims[1] = c;
}


static maas_str_t
wide_conv(net_t *t, maas_str_t x, int64_t in, int64_t out)
{
    build_t          *b = t->b;
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *n;

    n = node(b, "Conv", y, 3, x,
             floats(b, 4, out, in, 3, 3, 1.5f / sqrtf((float) in * 9), 0),
             floats(b, 1, out, 1, 1, 1, 0.3f, 0));
    attr_ints(b, n, "pads", 4, 1);
    return y;
}


#define WIDE  14

static maas_str_t
wide_view(net_t *t, maas_str_t x, int64_t c0, int64_t c1)
{
    int64_t      shape[] = { 0, c0, c1, WIDE, WIDE }, n = c1 > 0 ? 5 : 4;
    build_t     *b = t->b;
    maas_str_t   y = new_name(b);

    if (n == 4) {
        shape[2] = WIDE;
    }

    node(b, "Reshape", y, 2, x, constant(b, MAAS_I64, 1, &n, shape));
    return y;
}


/* A 1x1 convolution in groups, whose channels are shuffled after it. */
static maas_str_t
wide_shuffle(net_t *t, maas_str_t x, int64_t in, int64_t out, int64_t group)
{
    static const int64_t  swap[] = { 0, 2, 1, 3, 4 };

    build_t          *b = t->b;
    maas_str_t        u = new_name(b), v = new_name(b), y = new_name(b);
    maas_raw_node_t  *n;

    n = node(b, "Conv", u, 3, x, floats(b, 4, out, in / group, 1, 1, 0.3f, 0),
             floats(b, 1, out, 1, 1, 1, 0.3f, 0));
    attr_int(n, "group", group);
    node(b, "Relu", v, 1, u);

    v = wide_view(t, v, group, out / group);
    n = node(b, "Transpose", y, 1, v);
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("perm"), .type = MAAS_ATTR_INTS,
        .ints = (int64_t *) swap, .n = maas_nelts(swap)
    };

    return wide_view(t, y, out, 0);
}



/*
 * Seed 0: channels and declared extents that F(2x2, 3x3) is taken for, and
 * shuffles.
 */
static maas_raw_model_t *
wide_model(maas_arena_t *a)
{
    net_t       t = { .b = model_begin(a, 1) };
    build_t    *b = t.b;
    maas_str_t  x = net_add(&t, 160, 0), u, v = new_name(b), y = new_name(b);

    net_port(&b->g->in[b->g->n_in++], x, 160);
    b->g->in[0].dims[2] = b->g->in[0].dims[3] = WIDE;

    u = wide_conv(&t, x, 160, 224);
    node(b, "Relu", v, 1, u);
    u = wide_conv(&t, v, 224, 160);
    v = new_name(b);
    node(b, "Add", v, 2, u, x);
    u = wide_shuffle(&t, v, 160, 136, 4);
    u = wide_shuffle(&t, u, 136, 80, 2);
    u = wide_shuffle(&t, u, 80, 60, 4);
    v = new_name(b);
    node(b, "Concat", v, 3, u, x, u);
    attr_int(&b->g->node[b->g->n_node - 1], "axis", 1);
    node(b, "Sigmoid", y, 1, v);
    net_port(&b->g->out[b->g->n_out++], y, -1);

    return model_end(b);
}


static maas_raw_model_t *
net_model(maas_arena_t *a, uint64_t seed)
{
    static const int  ins[] = { 1, 3, 4, 16, 20 };
    static void     (*const  adds[])(net_t *t) = {
        net_conv, net_conv, net_conv, net_conv, net_unary, net_unary,
        net_binary, net_binary, net_pool, net_concat, net_norm, net_dense
    };

    net_t              t = { .b = model_begin(a, seed) };
    build_t           *b = t.b;
    maas_str_t         name;
    uint32_t           n_out;
    maas_raw_model_t  *m;

    if (seed == 0) {
        return wide_model(a);
    }

    name = net_add(&t, ins[rnd(b, 5)], 0);
    net_port(&b->g->in[b->g->n_in++], name, t.v[0].c);

    for (uint32_t i = 3 + rnd(b, 14); i > 0; i--) {
        adds[rnd(b, maas_nelts(adds))](&t);
    }

    n_out = 1 + rnd(b, 3);

    for (uint32_t i = 0; i < n_out; i++) {
        name = t.v[t.n - 1 - (i == 0 ? 0 : rnd(b, t.n))].name;

        if (!is_output(b->g, name)) {
            net_port(&b->g->out[b->g->n_out++], name, -1);
        }
    }

    m = model_end(b);
    m->opset->version = 19;             /* dilations of averages */
    return m;
}


/* -- comparing ----------------------------------------------------------- */

typedef struct {
    maas_model_t  *m;
    void          *image;
} open_t;


static bool
net_open(open_t *o, maas_arena_t *a, uint64_t seed, const char *off,
    const char *numerics, maas_err_t *err)
{
    size_t           size;
    maas_graph_t    *g;
    maas_compile_t   spec = { .name = "net", .passes_off = off,
                              .numerics = numerics };

    memset(o, 0, sizeof(*o));

    return maas_graph_import(&g, a, net_model(a, seed), err) == MAAS_OK
           && maas_compile_graph(g, &spec, &o->image, &size, err) == MAAS_OK
           && maas_model_open(&o->m, o->image, size, NULL, err) == MAAS_OK;
}


static void
net_close(open_t *o)
{
    maas_model_release(o->m);
    maas_image_free(o->image);
}


static bool
near(const maas_tensor_t *a, const maas_tensor_t *b, float tolerance)
{
    float         most = 0;
    int64_t       n = maas_tensor_count(a);
    const float  *x = a->data, *y = b->data;

    if (a->rank != b->rank
        || memcmp(a->dims, b->dims, a->rank * sizeof(int64_t)) != 0)
    {
        return false;
    }

    for (int64_t i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(x[i]));
    }

    for (int64_t i = 0; i < n; i++) {
        if (!(fabsf(x[i] - y[i]) <= tolerance * fmaxf(most, 1))) {
            return false;
        }
    }

    return true;
}


/* Two images at once, then each alone, on one thread and on a team. */
static const char *
net_compare(const open_t *plain, const open_t *blocked, uint32_t n_out,
    float tolerance, maas_team_t *team, const maas_tensor_t *in,
    maas_err_t *err)
{
    job_t           j;
    size_t          size;
    maas_run_t     *want, *got, *one;
    const char     *bad = NULL;
    maas_tensor_t   a, b, c, d, half = *in;

    half.dims[0] = 1;
    half.bytes /= 2;
    half.data = (char *) in->data + half.bytes;

    if (maas_model_run(plain->m, in, NULL, NULL, &want, err) != MAAS_OK
        || maas_model_run(blocked->m, in, NULL, NULL, &got, err) != MAAS_OK
        || maas_model_run(blocked->m, &half, NULL, NULL, &one, err)
           != MAAS_OK)
    {
        return err->text;
    }

    job_run(team, &j, blocked->m, in);
    if (j.rc != MAAS_OK) {
        return "a run on a team failed";
    }

    for (uint32_t i = 0; i < n_out; i++) {
        maas_run_output(want, i, &a, NULL);
        maas_run_output(got, i, &b, NULL);
        maas_run_output(one, i, &c, NULL);
        maas_run_output(j.run, i, &d, NULL);
        size = c.dims[0] == 1 ? (size_t) maas_tensor_count(&c) : 0;

        if (!near(&a, &b, tolerance)) {
            bad = "blocked and plain differ";

        } else if (memcmp((float *) b.data + size, c.data,
                          size * sizeof(float)) != 0)
        {
            bad = "a row of a batch differs from its run alone";

        } else if (memcmp(b.data, d.data,
                          (size_t) maas_tensor_count(&b) * sizeof(float))
                   != 0)
        {
            bad = "a team and one thread differ";
        }
    }

    maas_run_release(want);
    maas_run_release(got);
    maas_run_release(one);
    maas_run_release(j.run);
    return bad;
}


static const char *
net_try(uint64_t seed, bool fast, maas_team_t *team, maas_err_t *err)
{
    static const int64_t  sizes[][2] = { { 7, 7 }, { 13, 9 }, { 30, 28 } };

    open_t             plain, blocked;
    const char        *bad = NULL;
    maas_arena_t       a;
    maas_tensor_t      in = { .dtype = MAAS_F32, .rank = 4 };
    maas_raw_model_t  *raw;

    maas_arena_init(&a, maas_host_default(), 0);
    raw = net_model(&a, seed);

    if (!net_open(&plain, &a, seed, "layout", NULL, err)
        || !net_open(&blocked, &a, seed, NULL, fast ? "fast" : NULL, err))
    {
        return err->text;
    }

    for (size_t i = 0; i < maas_nelts(sizes) && bad == NULL; i++) {
        in.dims[0] = 2;
        in.dims[1] = raw->graph.in[0].dims[1];
        in.dims[2] = seed == 0 ? WIDE : sizes[i][0];
        in.dims[3] = seed == 0 ? WIDE : sizes[i][1];
        in.bytes = (size_t) maas_tensor_count(&in) * sizeof(float);
        in.data = maas_arena_alloc(&a, in.bytes);

        for (int64_t k = 0; k < maas_tensor_count(&in); k++) {
            ((float *) in.data)[k] = sinf((float) (k * 7 % 1000 + seed));
        }

        bad = net_compare(&plain, &blocked, raw->graph.n_out,
                          fast ? 1e-4f : 2e-5f, team, &in, err);
    }

    net_close(&plain);
    net_close(&blocked);
    maas_arena_destroy(&a);
    return bad;
}


/*
 * What a residual block and a concatenation keep: of tensors of 64 channels,
 * r, the 128 channels between (with v in the place of r), then v and both
 * halves in their places.
 */
static void
test_arena(void)
{
    open_t         o;
    net_t          t;
    double         flops;
    size_t         size;
    build_t       *b;
    uint64_t       arena, all, want = 64 * WIDE * WIDE * sizeof(float);
    maas_err_t     err;
    maas_str_t     x, r, u, v, w, y;
    maas_arena_t   a;
    maas_graph_t  *g;
    maas_tensor_t  in = { .dtype = MAAS_F32, .rank = 4,
                          .dims = { 1, 64, WIDE, WIDE } };
    maas_compile_t spec = { .name = "net" };

    maas_arena_init(&a, maas_host_default(), 0);
    t = (net_t) { .b = model_begin(&a, 1) };
    b = t.b;
    x = new_name(b);
    net_port(&b->g->in[b->g->n_in++], x, 64);
    b->g->in[0].dims[2] = b->g->in[0].dims[3] = WIDE;

    r = wide_conv(&t, x, 64, 64);
    u = wide_conv(&t, r, 64, 128);
    v = wide_conv(&t, u, 128, 64);
    w = new_name(b);
    node(b, "Add", w, 2, v, r);
    u = wide_conv(&t, w, 64, 64);
    v = wide_conv(&t, w, 64, 64);
    y = new_name(b);
    attr_int(node(b, "Concat", y, 2, u, v), "axis", 1);
    w = new_name(b);
    node(b, "GlobalAveragePool", w, 1, y);
    net_port(&b->g->out[b->g->n_out++], w, -1);

    in.bytes = want;
    ok(maas_graph_import(&g, &a, model_end(b), &err) == MAAS_OK
       && maas_compile_graph(g, &spec, &o.image, &size, &err) == MAAS_OK
       && maas_model_open(&o.m, o.image, size, NULL, &err) == MAAS_OK
       && maas_model_figures(o.m, &in, &flops, &arena, &all, &err)
          == MAAS_OK, "a residual block and a concatenation");
    printf("# %.2f tensors\n", (double) arena / (double) want);
    ok(arena >= 3 * want && arena < 3 * want + want / 8,
       "lie in three tensors");

    net_close(&o);
    maas_arena_destroy(&a);
}


static int
test_level(const char *level, uint64_t first, uint64_t n)
{
    int           failed = 0;
    maas_err_t    err;
    maas_team_t  *team;
    const char   *bad;

    maas_init(level, NULL);
    team = maas_team_create(maas_host_default(), 3, job_notify, NULL);

    for (uint64_t seed = first - 1; seed < first + n && failed < 10; seed++) {
        for (int fast = 0; fast < 2; fast++) {
            bad = net_try(seed, fast, team, &err);

            if (bad != NULL) {
                printf("# %s, %s, seed %llu: %s\n", level,
                       fast ? "fast" : "exact", (unsigned long long) seed,
                       bad);
                failed++;
            }
        }
    }

    maas_team_destroy(team);
    fflush(stdout);
    return failed;
}


int
main(void)
{
    int          status;
    pid_t        pid;
    uint64_t     seeds, first;
    const char  *n = getenv("MAAS_SEEDS"), *from = getenv("MAAS_SEED");

    first = from != NULL ? maas_max(strtoull(from, NULL, 10), 1u) : 1;

    for (int l = 0; l <= (int) maas_cpu_host(); l++) {
        seeds = n != NULL ? strtoull(n, NULL, 10) : l < 2 ? 40 : 200;
        pid = fork();

        if (pid == 0) {
            _exit(test_level(maas_cpu_name(l), first, seeds) != 0);
        }

        ok(waitpid(pid, &status, 0) == pid && status == 0,
           "%s: blocked networks give what plain ones give",
           maas_cpu_name(l));
    }

    test_arena();
    return done();
}
