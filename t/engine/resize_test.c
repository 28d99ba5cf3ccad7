/*
 * Resize over blocked activations against the plain form, to the bit.  A
 * network of a convolution, a Resize drawn from a seed (all modes, both
 * ways of giving extents, crops, antialias, axes, policies, extents of 1,
 * more and fewer images), what may follow it in one step, and at times
 * another convolution, is beside one that gets the first convolution's
 * result as its input, where Resize stays plain.  With bands of rows
 * wherever they can be and with none, on one thread and on a team, each image
 * alone, at each CPU level (a child process each).  What has no blocked form
 * stays plain; wrong scales and sizes are named.
 *
 * MAAS_SEEDS, MAAS_SEED: how many networks, and from which.
 */

#include <math.h>

#include "blocked_net.h"
#include "levels.h"
#include "tap.h"
#include "team_job.h"


#define AXES  4

/* What is drawn. */
typedef struct {
    uint64_t   seed;
    int        rank;
    int64_t    in[AXES];
    int64_t    out[AXES];           /* of sizes, and of what is added */
    float      scale[AXES];
    float      roi[2 * AXES];
    bool       scales, spatial, late, open;
    int        mode, coordinates, nearest, policy;
    bool       antialias, exclude;
    int        post;
    bool       before, tail;
    bool       blocked;             /* it has that form */
} draw_t;

static const char *const  modes[] = { "nearest", "linear", "cubic" };
static const char *const  coordinates[] = {
    "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
    "half_pixel_symmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"
};
static const char *const  nearests[] = { "round_prefer_floor",
    "round_prefer_ceil", "floor", "ceil" };
static const char *const  policies[] = { "stretch", "not_larger",
                                         "not_smaller" };

enum { NONE, RELU, ADD_ALL, ADD_CHANNEL, PLANE, SCALAR_RELU, RELU_ADD, POSTS };


/* -- drawing ------------------------------------------------------------- */

static void
draw_extents(draw_t *d, build_t *b)
{
    static const float    scales[] = { 2, 2, 4, 1, 3, 0.5f, 1.5f, 0.37f,
                                       2.6f, 1.01f, 1 };
    static const int64_t  channels[] = { 1, 5, 16, 20, 33, 48 };

    d->rank = rnd(b, 5) ? 4 : 3;
    d->in[0] = rnd(b, 3) ? 1 : 3;
    d->in[1] = channels[rnd(b, maas_nelts(channels))];

    for (int i = 0; i < d->rank; i++) {
        if (i > 1) {
            d->in[i] = rnd(b, 8) ? 2 + rnd(b, 18) : 1;
            d->scale[i] = scales[rnd(b, maas_nelts(scales))];
        } else {
            d->scale[i] = 1;
        }

        d->roi[i] = i > 1 ? (float) rnd(b, 8) / 10 - 0.2f : 0;
        d->roi[d->rank + i] = i > 1 ? (float) rnd(b, 8) / 10 + 0.5f : 1;
    }
}


/* What out of all this has no blocked form, or another one. */
static void
draw_odd(draw_t *d, build_t *b)
{
    d->blocked = true;

    switch (rnd(b, 12)) {

    case 0:
        if (!d->spatial && !d->scales && d->policy == 0) {
            d->out[1] += 3;
            d->blocked = false;
        }
        break;

    case 1:
        if (!d->spatial && d->scales) {
            d->scale[1] = 1.001f;
            d->blocked = false;
        }
        break;

    case 2:
        if (!d->spatial && !d->scales && d->coordinates == 6) {
            d->roi[1] = 0.1f;
            d->blocked = false;
        }
        break;

    case 3:
        if (!d->spatial && !d->scales && d->policy == 0) {
            d->out[0] += 1;
        }
        break;

    case 4:
        d->late = d->spatial && !d->scales && d->policy == 0;
        break;
    }

    if (d->policy != 0 && !d->spatial) {
        d->out[1] += d->seed % 3;
        d->blocked = false;
    }
}


static draw_t
draw(uint64_t seed, maas_arena_t *a)
{
    draw_t    d = { .seed = seed };
    build_t  *b = model_begin(a, seed);

    draw_extents(&d, b);
    d.mode = rnd(b, 3);
    d.coordinates = rnd(b, 7);
    d.nearest = rnd(b, 4);
    d.scales = rnd(b, 2);
    d.spatial = rnd(b, 2);
    d.policy = d.scales || rnd(b, 6) ? 0 : 1 + rnd(b, 2);
    d.antialias = d.coordinates != 6 && rnd(b, 5) == 0;
    d.exclude = rnd(b, 4) == 0;
    d.post = rnd(b, POSTS);
    d.before = rnd(b, 3);
    d.tail = rnd(b, 2);
    d.open = rnd(b, 2);

    for (int i = 0; i < d.rank; i++) {
        d.out[i] = d.scales || i < 2
                   ? (int64_t) floorf((float) d.in[i] * d.scale[i])
                   : 1 + (int64_t) rnd(b, 40);
        d.out[i] = maas_max(d.out[i], 1);

        if (d.scales && i > 1 && floorf((float) d.in[i] * d.scale[i]) < 1) {
            d.scale[i] = 1;
            d.out[i] = d.in[i];
        }

        if (d.scales && i > 1 && d.coordinates == 6) {
            d.roi[d.rank + i] = d.roi[i] + 1;
        }
    }

    draw_odd(&d, b);

    /* What is added has the extents that come out. */
    if (d.policy != 0 || d.out[0] != d.in[0] || d.out[1] != d.in[1]
        || d.late || (d.scales && d.coordinates == 6))
    {
        d.post = d.post == ADD_ALL || d.post == RELU_ADD ? RELU : d.post;
    }

    if (d.out[1] != d.in[1] || (d.policy != 0 && !d.spatial)) {
        d.post = NONE;
        d.tail = false;
    }

    d.tail = d.tail && d.rank == 4;
    return d;
}


/* -- the network --------------------------------------------------------- */

static void
word(maas_raw_node_t *n, const char *name, const char *value)
{
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_STRING,
        .s = { value, strlen(value) }
    };
}


static void
real(maas_raw_node_t *n, const char *name, float v)
{
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_FLOAT, .f = v
    };
}


/* The inputs behind X, of all axes or of the spatial ones. */
static maas_raw_node_t *
resize(const draw_t *d, build_t *b, maas_str_t x, maas_str_t y,
    maas_str_t late)
{
    int               from = d->spatial ? 2 : 0;
    int64_t           n = d->rank - from, two = 2 * n, sizes[AXES], *axes;
    float             roi[2 * AXES];
    maas_str_t        none = maas_str(""), extents;
    maas_raw_node_t  *r;

    for (int i = 0; i < n; i++) {
        sizes[i] = d->out[from + i];
        roi[i] = d->roi[from + i];
        roi[n + i] = d->roi[d->rank + from + i];
    }

    extents = d->late ? late
              : d->scales ? constant(b, MAAS_F32, 1, &n, d->scale + from)
              : constant(b, MAAS_I64, 1, &n, sizes);

    r = node(b, "Resize", y, d->scales ? 3 : 4, x,
             d->coordinates == 6 ? constant(b, MAAS_F32, 1, &two, roi) : none,
             d->scales ? extents : none, extents);
    r->attr = maas_arena_array(b->a, 16, sizeof(*r->attr));
    word(r, "mode", modes[d->mode]);
    word(r, "coordinate_transformation_mode", coordinates[d->coordinates]);
    word(r, "nearest_mode", nearests[d->nearest]);
    word(r, "keep_aspect_ratio_policy", policies[d->policy]);
    attr_int(r, "antialias", d->antialias);
    attr_int(r, "exclude_outside", d->exclude);
    real(r, "cubic_coeff_a", d->seed % 2 ? -0.5f : -0.75f);
    real(r, "extrapolation_value", 1.5f);

    if (d->spatial) {
        axes = maas_arena_array(b->a, n, sizeof(*axes));

        for (int i = 0; i < n; i++) {
            axes[i] = d->seed % 3 ? from + i : i - n;
        }

        r->attr[r->n_attr++] = (maas_raw_attr_t) {
            .name = maas_str("axes"), .type = MAAS_ATTR_INTS, .ints = axes,
            .n = (uint32_t) n
        };
    }

    return r;
}


/* What comes after the Resize; other: a value of the same extents. */
static maas_str_t
behind(const draw_t *d, build_t *b, maas_str_t r, maas_str_t other)
{
    float        half = 0.4f;
    int64_t      dims[] = { d->in[1], 1, 1 };
    maas_str_t   t = new_name(b), u = new_name(b);

    switch (d->post) {

    case NONE:
        return r;

    case RELU:
        node(b, "Relu", t, 1, r);
        return t;

    case ADD_ALL:
        if (d->seed % 2) {
            node(b, "Add", t, 2, r, other);
        } else {
            node(b, "Mul", t, 2, other, r);
        }
        return t;

    case ADD_CHANNEL:
        node(b, "Mul", t, 2, r, floats_of(b, d->rank - 1, dims, 0.8f, 0));
        return t;

    case PLANE:
        node(b, "GlobalMaxPool", u, 1, r);
        node(b, "Mul", t, 2, r, u);
        return t;

    case SCALAR_RELU:
        node(b, "Sub", u, 2, r, constant(b, MAAS_F32, 0, NULL, &half));
        node(b, "LeakyRelu", t, 1, u);
        return t;

    default:
        node(b, "Sigmoid", u, 1, r);
        node(b, "Sub", t, 2, u, other);
        return t;
    }
}


/*
 * from: the network behind the first convolutions, whose inputs are their
 * results; else all of it, and these are outputs.
 */
static maas_raw_model_t *
model(maas_arena_t *a, const draw_t *d, bool behind_alone)
{
    bool               adds = d->post == ADD_ALL || d->post == RELU_ADD;
    int64_t            dims[AXES] = { d->in[0], 3, d->in[2], d->in[3] };
    int64_t            end[AXES] = { d->in[0], 3, d->out[2], d->out[3] };
    build_t           *b = model_begin(a, d->seed);
    maas_str_t         x = new_name(b), z = new_name(b), y = new_name(b);
    maas_str_t         late = new_name(b), t;
    maas_raw_port_t   *p;
    maas_raw_graph_t  *g = b->g;
    maas_raw_model_t  *m;

    dims[1] = end[1] = behind_alone ? d->in[1] : 3;
    image(&g->in[g->n_in++], x, d->rank, dims, d->open);

    if (adds) {
        image(&g->in[g->n_in++], z, d->rank, end, false);
        g->in[0].dims[0] = d->in[0];
    }

    if (d->late) {
        p = image(&g->in[g->n_in++], late, 1,
                  (int64_t []) { d->rank - 2 }, false);
        p->dtype = MAAS_I64;
        p->dims[0] = d->rank - 2;
    }

    if (!behind_alone) {
        x = conv(b, x, d->rank, 3, d->in[1], 3);
        image(&g->out[g->n_out++], x, -1, NULL, true);

        if (adds) {
            z = conv(b, z, d->rank, 3, d->in[1], 3);
            image(&g->out[g->n_out++], z, -1, NULL, true);
        }

    } else {
        (void) conv(b, x, d->rank, 3, d->in[1], 3);     /* the same draws */

        if (adds) {
            (void) conv(b, z, d->rank, 3, d->in[1], 3);
        }

        g->n_node = 0;
    }

    if (d->before) {                /* read by the Resize alone */
        t = new_name(b);
        node(b, "Abs", t, 1, x);
        x = t;
    }

    resize(d, b, x, y, late);
    y = behind(d, b, y, z);

    if (d->tail) {
        y = conv(b, y, d->rank, d->in[1], 20, 3);
    }

    image(&g->out[g->n_out++], y, -1, NULL, true);
    m = model_end(b);
    m->opset->version = 19;
    return m;
}


/* -- comparing ----------------------------------------------------------- */

/* Resize as a step behind another one, band by band. */
static uint32_t
banded(const maas_model_t *m)
{
    uint32_t                 n = 0;
    const maas_node_t       *node;
    const maas_plan_step_t  *s;

    for (const maas_plan_t *p = m->plans; p != NULL; p = p->next) {
        for (uint32_t i = 0; i < p->n_step; i++) {
            s = &p->step[i];
            node = &m->src.graph[s->graph]->node[s->node];
            n += s->chain == MAAS_CHAINED
                 && strcmp(node->op->name, "ResizeBlocked") == 0;
        }
    }

    return n;
}


/* The last image alone, where images stay apart, is the last of all. */
static const char *
alone(const draw_t *d, maas_model_t *m, const maas_tensor_t *in,
    const maas_run_t *all, uint32_t last, maas_err_t *err)
{
    int             n = d->post == ADD_ALL || d->post == RELU_ADD ? 2 : 1;
    bool            ok;
    maas_run_t     *run;
    maas_tensor_t   one[3], a, b;

    if (!d->open || n > 1 || d->in[0] == 1 || d->out[0] != d->in[0]
        || d->policy != 0 || (!d->spatial && !d->scales))
    {
        return NULL;
    }

    memcpy(one, in, sizeof(one));

    for (int i = 0; i < n; i++) {
        one[i].bytes /= (size_t) d->in[0];
        one[i].data = (char *) in[i].data + one[i].bytes * (d->in[0] - 1);
        one[i].dims[0] = 1;
    }

    if (maas_model_run(m, one, NULL, NULL, &run, err) != MAAS_OK) {
        return err->text;
    }

    maas_run_output(all, last, &a, NULL);
    maas_run_output(run, last, &b, NULL);
    ok = memcmp((char *) a.data + a.bytes - b.bytes, b.data, b.bytes) == 0;
    maas_run_release(run);
    return ok ? NULL : "an image alone gives other bits";
}


static const char *
net_compare(const draw_t *d, open_t *o, open_t *plain, maas_arena_t *a,
    maas_team_t *team, maas_err_t *err)
{
    int             adds = d->post == ADD_ALL || d->post == RELU_ADD;
    int64_t         dims[AXES] = { d->in[0], 3, d->in[2], d->in[3] };
    int64_t         end[AXES] = { d->in[0], 3, d->out[2], d->out[3] };
    int64_t         sizes[2] = { d->out[2], d->out[3] };
    job_t           j;
    maas_run_t     *got, *want;
    const char     *bad;
    maas_tensor_t   in[3], mid[3];

    fill(a, &in[0], d->rank, dims);
    fill(a, &in[1], d->rank, end);
    in[1 + adds] = mid[1 + adds] = (maas_tensor_t) {
        .dtype = MAAS_I64, .rank = 1, .dims = { d->rank - 2 },
        .bytes = (size_t) (d->rank - 2) * sizeof(int64_t), .data = sizes
    };

    if (maas_model_run(o->m, in, NULL, NULL, &got, err) != MAAS_OK) {
        return err->text;
    }

    for (int i = 0; i <= adds; i++) {
        maas_run_output(got, i, &mid[i], NULL);
    }

    if (maas_model_run(plain->m, mid, NULL, NULL, &want, err) != MAAS_OK) {
        return err->text;
    }

    bad = same(got, 1 + adds, want, 0) ? alone(d, o->m, in, got, 1 + adds,
                                               err)
          : "blocked and plain differ";

    if (bad == NULL) {
        if (job_run(team, &j, o->m, in) != MAAS_OK) {
            bad = "a run on a team failed";

        } else {
            bad = same(j.run, 1 + adds, want, 0) ? NULL
                  : "a team gives other bits";
            maas_run_release(j.run);
        }
    }

    maas_run_release(got);
    maas_run_release(want);
    return bad;
}


static const char *
net_try(uint64_t seed, maas_team_t *team, uint32_t *blocked, uint32_t *bands,
    maas_err_t *err)
{
    draw_t         d;
    open_t         o, plain;
    const char    *bad = NULL;
    maas_arena_t   a;

    maas_arena_init(&a, maas_host_default(), 0);
    d = draw(seed, &a);

    for (int i = 0; i < 2 && bad == NULL; i++) {
        if (!net_begin(&o, &a, model(&a, &d, false),
                       i == 0 ? MAAS_CHAINS_OFF : MAAS_CHAINS_ALL, err)
            || !net_begin(&plain, &a, model(&a, &d, true), MAAS_CHAINS_OFF,
                          err))
        {
            return err->text;
        }

        if (nodes_of(plain.m, "Resize") != 1) {
            bad = "the form beside it is not plain";

        } else if (nodes_of(o.m, d.blocked ? "ResizeBlocked" : "Resize")
                   != 1)
        {
            /* Nothing to do is no step at all. */
            bad = nodes_of(o.m, "Resize") + nodes_of(o.m, "ResizeBlocked")
                  == 0 ? NULL
                  : d.blocked ? "no blocked form" : "a blocked form";
        }

        if (bad == NULL) {
            bad = net_compare(&d, &o, &plain, &a, team, err);
        }

        *blocked += nodes_of(o.m, "ResizeBlocked");
        *bands += banded(o.m) != 0;
        net_close(&o);
        net_close(&plain);
    }

    if (bad != NULL) {
        printf("# rank %d %s %s %s, %s, %lldx%lld to %lldx%lld\n", d.rank,
               modes[d.mode], coordinates[d.coordinates],
               nearests[d.nearest], d.scales ? "scales" : "sizes",
               (long long) d.in[2], (long long) d.in[3],
               (long long) d.out[2], (long long) d.out[3]);
    }

    maas_arena_destroy(&a);
    return bad;
}


static int
test_level(const char *level)
{
    int           failed = 0;
    uint32_t      blocked = 0, bands = 0;
    uint64_t      first, n;
    maas_err_t    err;
    maas_team_t  *team;
    const char   *bad, *seeds = getenv("MAAS_SEEDS"),
                 *from = getenv("MAAS_SEED");

    maas_init(level, NULL);
    first = from != NULL ? strtoull(from, NULL, 10) : 1;
    n = seeds != NULL ? strtoull(seeds, NULL, 10)
        : strcmp(level, "ref") == 0 || strcmp(level, "v2") == 0 ? 20 : 80;

    team = maas_team_create(maas_host_default(), 3, job_notify, NULL);

    for (uint64_t seed = first; seed < first + n && failed < 10; seed++) {
        bad = net_try(seed, team, &blocked, &bands, &err);

        if (bad != NULL) {
            printf("# %s, seed %llu: %s\n", level, (unsigned long long) seed,
                   bad);
            failed++;
        }
    }

    maas_team_destroy(team);
    printf("# %s: %u of %llu blocked, %u by bands\n", level, blocked / 2,
           (unsigned long long) n, bands);
    fflush(stdout);
    return failed != 0 || blocked < n || bands < n / 4;
}


/* -- errors -------------------------------------------------------------- */

/* A blocked Resize of an image of h x 1; text: NULL: it is served. */
static void
refuse(draw_t d, int64_t h, const char *text, const char *what)
{
    bool           served;
    open_t         o = { NULL };
    int64_t        dims[] = { 1, 3, h, 1 }, sizes[] = { d.out[2], d.out[3] };
    maas_err_t     err = { .text = "" };
    maas_run_t    *run = NULL;
    maas_arena_t   a;
    maas_tensor_t  in[2];

    d.rank = 4;
    d.in[0] = d.in[2] = d.in[3] = 1;
    d.in[1] = 16;
    d.spatial = d.open = true;

    maas_arena_init(&a, maas_host_default(), 0);
    fill(&a, &in[0], 4, dims);
    in[1] = (maas_tensor_t) { .dtype = MAAS_I64, .rank = 1, .dims = { 2 },
                              .bytes = sizeof(sizes), .data = sizes };

    served = net_begin(&o, &a, model(&a, &d, false), MAAS_CHAINS_AUTO, &err)
             && nodes_of(o.m, "ResizeBlocked") == 1
             && maas_model_run(o.m, in, NULL, NULL, &run, &err) == MAAS_OK;
    maas_run_release(run);

    ok(text == NULL ? served : !served && strstr(err.text, text) != NULL,
       "%s: %s", what, err.text);
    net_close(&o);
    maas_arena_destroy(&a);
}


static void
test_refused(void)
{
    draw_t  d = { .scales = true, .scale = { 1, 1, 2, 2 } };

    refuse(d, 5, NULL, "scales of 2");
    d.scale[2] = 0;
    refuse(d, 5, "scales[0] is 0, expected more than 0", "0");
    d.scale[2] = -1;
    refuse(d, 5, "scales[0] is -1, expected more than 0", "below 0");
    d.scale[2] = NAN;
    refuse(d, 5, "nan, expected more than 0", "NaN");
    d.scale[2] = INFINITY;
    refuse(d, 5, "scales[0] is inf", "infinity");
    d.scale[2] = 1e6f;
    refuse(d, 5000, "axis 2 of 5000 elements cannot become 5000000000",
           "too many rows");

    d = (draw_t) { .late = true, .out = { 1, 1, 3, 4 } };
    refuse(d, 5, NULL, "sizes that a run gives");
    d.out[2] = -1;
    refuse(d, 5, "sizes[0] is -1, expected 0 or more", "fewer than none");
    d.out[2] = INT64_MAX;
    refuse(d, 5, "sizes[0] is 9223372036854775807", "more than can be");
    d.out[2] = 0;
    refuse(d, 5, NULL, "none");
}


int
main(void)
{
    at_levels(test_level, "blocked and plain Resize give the same bits");

    maas_init(NULL, NULL);
    test_refused();
    return done();
}
