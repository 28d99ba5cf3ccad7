/*
 * QLinearConv and ConvInteger by constant weights, which become maas.QConv,
 * beside sums in 64 bits that are rounded by nearbyintf(): the same bytes at
 * every CPU level (a child process each), on a team of three, and with the
 * pass off that chooses blocks of channels (qconv.c computes then).  Kernels
 * that a level chooses from are in kernels_qconv_test.c.
 */

#include <math.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "graph_build.h"
#include "levels.h"
#include "tap.h"
#include "team_job.h"


typedef struct {
    const char   *name;
    int64_t       batch, c, h, w, oc, group, kh, kw;
    int64_t       s[2], d[2], pads[4];
    maas_dtype_t  x, k, y;
    int           zx, zw, zy;           /* raw bytes; zw 1000: by channel */
    bool          bias;
} conv_t;

#define WIDE  1000

static const conv_t  convs[] = {
    { "1x1", 1, 32, 9, 11, 48, 1, 1, 1, { 1, 1 }, { 1, 1 }, { 0 },
      MAAS_U8, MAAS_I8, MAAS_U8, 128, 0, 0, true },
    { "1x1, odd channels, batch", 3, 37, 7, 5, 21, 1, 1, 1, { 1, 1 },
      { 1, 1 }, { 0 }, MAAS_I8, MAAS_I8, MAAS_I8, 250, 3, 255, true },
    { "1x1, strides", 2, 20, 9, 8, 70, 1, 1, 1, { 2, 3 }, { 1, 1 }, { 0 },
      MAAS_U8, MAAS_U8, MAAS_I8, 255, 128, 7, false },
    { "3x3", 1, 16, 30, 29, 33, 1, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 0, 0, 128, true },
    { "3x3, many bands", 1, 64, 61, 47, 40, 1, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 77, 0, 128, true },
    { "3x3, strides, asymmetric pads", 2, 19, 15, 13, 64, 1, 3, 3, { 2, 2 },
      { 1, 1 }, { 0, 1, 2, 0 }, MAAS_U8, MAAS_U8, MAAS_U8, 13, WIDE, 255,
      true },
    { "3x3, dilations", 1, 40, 17, 19, 17, 1, 3, 3, { 1, 1 }, { 2, 3 },
      { 2, 3, 2, 3 }, MAAS_I8, MAAS_U8, MAAS_U8, 0, 0, 9, true },
    { "3x3, wide weights", 1, 23, 8, 9, 18, 1, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 200, 100, 9, true },
    { "7x7 of 3 planes", 2, 3, 40, 37, 40, 1, 7, 7, { 2, 2 }, { 1, 1 },
      { 3, 3, 3, 3 }, MAAS_U8, MAAS_I8, MAAS_U8, 114, 0, 3, true },
    { "planes, dilated", 1, 2, 12, 13, 5, 1, 2, 3, { 1, 2 }, { 1, 2 },
      { 0, 1, 1, 0 }, MAAS_I8, MAAS_U8, MAAS_I8, 3, 255, 3, false },
    { "one plane", 1, 1, 9, 8, 16, 1, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 255, 0, 0, true },
    { "four planes", 1, 4, 9, 8, 50, 1, 3, 1, { 1, 1 }, { 1, 1 },
      { 1, 0, 1, 0 }, MAAS_I8, MAAS_I8, MAAS_U8, 255, 0, 0, true },
    { "depthwise 3x3", 2, 40, 15, 17, 40, 40, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 119, 0, 60, true },
    { "depthwise 3x3, strides", 1, 33, 15, 17, 33, 33, 3, 3, { 2, 2 },
      { 1, 1 }, { 1, 1, 1, 1 }, MAAS_I8, MAAS_I8, MAAS_I8, 119, WIDE, 60,
      true },
    { "depthwise 5x5", 1, 16, 13, 12, 16, 16, 5, 5, { 1, 1 }, { 1, 1 },
      { 2, 2, 2, 2 }, MAAS_U8, MAAS_U8, MAAS_U8, 0, 0, 60, true },
    { "depthwise 2x4, dilated", 1, 20, 13, 12, 20, 20, 2, 4, { 1, 1 },
      { 3, 2 }, { 1, 2, 0, 1 }, MAAS_U8, MAAS_U8, MAAS_U8, 9, 128, 60, true },
    { "groups of blocks", 1, 64, 9, 9, 96, 2, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 128, 0, 128, true },
    { "small groups", 2, 32, 9, 9, 32, 8, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 128, WIDE, 128, true },
    { "odd groups", 1, 45, 9, 9, 35, 5, 1, 3, { 1, 2 }, { 1, 1 },
      { 0, 1, 0, 1 }, MAAS_I8, MAAS_I8, MAAS_U8, 30, 0, 128, false },
    { "a multiplier", 1, 12, 9, 9, 36, 12, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 128, 0, 128, true },
    { "one pixel", 4, 100, 1, 1, 50, 1, 1, 1, { 1, 1 }, { 1, 1 }, { 0 },
      MAAS_U8, MAAS_I8, MAAS_U8, 128, 0, 128, true },
    { "a long row", 1, 24, 1, 1500, 19, 1, 1, 5, { 1, 1 }, { 1, 1 },
      { 0, 2, 0, 2 }, MAAS_U8, MAAS_I8, MAAS_U8, 128, 0, 128, true },
    { "large weights", 1, 256, 7, 7, 256, 1, 3, 3, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, MAAS_U8, MAAS_I8, MAAS_U8, 5, 0, 128, true },
};

/* What a model is made of. */
typedef struct {
    uint8_t  *x, *k, *zw;
    int32_t  *bias;
    float    *sw, sx, sy;
    int64_t   nx, nk, oh, ow;
} data_t;

enum { LINEAR, INTEGER };


static int
byte(maas_dtype_t t, uint8_t v)
{
    return t == MAAS_I8 ? (int8_t) v : v;
}


static data_t
data_of(const conv_t *c, build_t *b)
{
    data_t  d = { .sx = 0.02f };

    d.nx = c->batch * c->c * c->h * c->w;
    d.nk = c->oc * (c->c / c->group) * c->kh * c->kw;
    d.x = maas_arena_alloc(b->a, (size_t) d.nx);
    d.k = maas_arena_alloc(b->a, (size_t) d.nk);
    d.zw = maas_arena_alloc(b->a, (size_t) c->oc);
    d.bias = maas_arena_array(b->a, (size_t) c->oc, sizeof(int32_t));
    d.sw = maas_arena_array(b->a, (size_t) c->oc, sizeof(float));
    d.sy = 0.04f * sqrtf((float) (d.nk / c->oc));
    d.oh = (c->h + c->pads[0] + c->pads[2] - (c->kh - 1) * c->d[0] - 1)
           / c->s[0] + 1;
    d.ow = (c->w + c->pads[1] + c->pads[3] - (c->kw - 1) * c->d[1] - 1)
           / c->s[1] + 1;

    for (int64_t i = 0; i < d.nx; i++) {
        d.x[i] = rnd(b, 5) == 0 ? 255 * (uint8_t) rnd(b, 2)
                                : (uint8_t) rnd(b, 256);
    }

    for (int64_t i = 0; i < d.nk; i++) {
        d.k[i] = rnd(b, 5) == 0 ? 127 + (uint8_t) rnd(b, 2)
                                : (uint8_t) rnd(b, 256);
    }

    for (int64_t i = 0; i < c->oc; i++) {
        d.zw[i] = c->zw == WIDE ? (uint8_t) rnd(b, 256) : (uint8_t) c->zw;
        d.bias[i] = (int32_t) rnd(b, 20000) - 10000;
        d.sw[i] = 0.001f + (float) rnd(b, 1000) * 3e-6f;
    }

    return d;
}


/* Sum of one output element. */
static int64_t
sum_at(const conv_t *c, const data_t *d, int64_t n, int64_t oc, int64_t oy,
    int64_t ox)
{
    int64_t  sum = 0, i, ky, kx, y, x, at, icg = c->c / c->group;
    int64_t  first = oc / (c->oc / c->group) * icg;

    for (i = 0; i < icg; i++) {
        for (ky = 0; ky < c->kh; ky++) {
            for (kx = 0; kx < c->kw; kx++) {
                y = oy * c->s[0] - c->pads[0] + ky * c->d[0];
                x = ox * c->s[1] - c->pads[1] + kx * c->d[1];

                if (y < 0 || y >= c->h || x < 0 || x >= c->w) {
                    continue;
                }

                at = ((oc * icg + i) * c->kh + ky) * c->kw + kx;
                sum += (byte(c->x, d->x[((n * c->c + first + i) * c->h + y)
                                        * c->w + x])
                        - byte(c->x, (uint8_t) c->zx))
                       * (byte(c->k, d->k[at]) - byte(c->k, d->zw[oc]));
            }
        }
    }

    return sum;
}


static int
wrong_at(const conv_t *c, const data_t *d, int form, const void *y,
    int64_t at, int64_t oc, int64_t sum)
{
    float  f, lo = c->y == MAAS_I8 ? -128 : 0, hi = lo + 255;
    int    zy = byte(c->y, (uint8_t) c->zy);

    if (form == INTEGER) {
        return ((const int32_t *) y)[at] != (int32_t) sum;
    }

    sum += c->bias ? d->bias[oc] : 0;
    f = nearbyintf((float) sum * (d->sx * d->sw[oc] / d->sy)) + (float) zy;
    f = fminf(fmaxf(f, lo), hi);

    return (float) byte(c->y, ((const uint8_t *) y)[at]) != f;
}


static int
wrong(const conv_t *c, const data_t *d, int form, const void *y)
{
    int      bad = 0;
    int64_t  at = 0;

    for (int64_t n = 0; n < c->batch; n++) {
        for (int64_t oc = 0; oc < c->oc; oc++) {
            for (int64_t i = 0; i < d->oh * d->ow; i++, at++) {
                bad += wrong_at(c, d, form, y, at, oc,
                                sum_at(c, d, n, oc, i / d->ow, i % d->ow));
            }
        }
    }

    return bad;
}


static void
attr_list(maas_raw_node_t *n, const char *name, const int64_t *v, size_t count)
{
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_INTS,
        .ints = v, .n = count
    };
}


static maas_raw_model_t *
net_model(build_t *b, const conv_t *c, const data_t *d, int form)
{
    uint8_t           zx = (uint8_t) c->zx, zy = (uint8_t) c->zy;
    int64_t           k[] = { c->oc, c->c / c->group, c->kh, c->kw };
    maas_str_t        x = new_name(b), y = new_name(b), w, vx, vw, vy;
    maas_raw_node_t  *n;

    port(&b->g->in[b->g->n_in++], x, c->c);
    b->g->in[0].dtype = c->x;
    b->g->in[0].rank = 4;
    b->g->in[0].dims[2] = c->h;
    b->g->in[0].dims[3] = c->w;
    port(&b->g->out[b->g->n_out++], y, -1)->dtype =
        form == INTEGER ? MAAS_I32 : c->y;

    w = constant(b, c->k, 4, k, d->k);
    vx = constant(b, c->x, 0, NULL, &zx);
    vw = constant(b, c->k, c->zw == WIDE, k, d->zw);
    vy = constant(b, c->y, 0, NULL, &zy);

    if (form == INTEGER) {
        n = node(b, "ConvInteger", y, 4, x, w, vx, vw);
    } else {
        n = node(b, "QLinearConv", y, c->bias ? 9 : 8, x,
                 constant(b, MAAS_F32, 0, NULL, &d->sx), vx, w,
                 constant(b, MAAS_F32, 1, k, d->sw), vw,
                 constant(b, MAAS_F32, 0, NULL, &d->sy), vy,
                 constant(b, MAAS_I32, 1, k, d->bias));
    }

    attr_int(n, "group", c->group);
    attr_list(n, "strides", c->s, 2);
    attr_list(n, "dilations", c->d, 2);
    attr_list(n, "pads", c->pads, 4);

    return model_end(b);
}


/* By panels, or not where the pass is off. */
static bool
in_panels(const maas_graph_t *g)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (strcmp(g->node[i].op->name, "QConv") == 0) {
            return true;
        }
    }

    return false;
}


static int
run_model(const conv_t *c, const data_t *d, maas_model_t *m, int form,
    maas_team_t *team, maas_err_t *err)
{
    int            bad = 1;
    job_t          job;
    maas_tensor_t  in = { .data = d->x, .bytes = (size_t) d->nx, .rank = 4,
                          .dtype = c->x,
                          .dims = { c->batch, c->c, c->h, c->w } }, y;

    if (job_run(team, &job, m, &in) == MAAS_OK) {
        maas_run_output(job.run, 0, &y, NULL);
        bad = maas_tensor_count(&y) != c->batch * c->oc * d->oh * d->ow
              || wrong(c, d, form, y.data);
        maas_run_release(job.run);

    } else {
        *err = job.err;
    }

    return bad;
}


static int
test_conv(const conv_t *c, int form, const char *off, maas_team_t *team)
{
    int             bad = 1;
    void           *image = NULL;
    data_t          d;
    size_t          size;
    build_t        *b;
    maas_err_t      err = { 0 };
    maas_arena_t    a;
    maas_graph_t   *g;
    maas_model_t   *m = NULL;
    maas_compile_t  spec = { .name = "qconv", .passes_off = off };

    maas_arena_init(&a, maas_host_default(), 0);
    b = model_begin(&a, (uint64_t) (c - convs) + 3);
    d = data_of(c, b);

    if (maas_graph_import(&g, &a, net_model(b, c, &d, form), &err) == MAAS_OK
        && maas_compile_graph(g, &spec, &image, &size, &err) == MAAS_OK
        && maas_model_open(&m, image, size, NULL, &err) == MAAS_OK)
    {
        bad = in_panels(g) != (off == NULL);
        bad += run_model(c, &d, m, form, team, &err);
    }

    if (bad) {
        printf("# %s, %s%s at %s: %s\n", c->name,
               form == INTEGER ? "ConvInteger" : "QLinearConv",
               off != NULL ? ", no blocks" : "",
               maas_cpu_name(maas_cpu_in_use()), err.text);
    }

    maas_model_release(m);
    maas_image_free(image);
    maas_arena_destroy(&a);
    return bad;
}


/* In a process of its own: the level is chosen once. */
static int
test_level(const char *cpu)
{
    int           bad = 0;
    maas_team_t  *team;

    maas_init(cpu, NULL);
    team = maas_team_create(maas_host_default(), 3, job_notify, NULL);

    if (team == NULL) {
        printf("# no team\n");
        return 1;
    }

    for (size_t i = 0; i < maas_nelts(convs); i++) {
        for (int form = LINEAR; form <= INTEGER; form++) {
            bad += test_conv(&convs[i], form, NULL, team);
        }

        bad += test_conv(&convs[i], LINEAR, "layout", team);
    }

    maas_team_destroy(team);
    fflush(stdout);
    return bad;
}


int
main(void)
{
    at_levels(test_level, "convolutions of 8-bit numbers are exact");

    return done();
}
