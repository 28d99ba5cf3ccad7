/*
 * Convolutions of three axes and depthwise ones of any kernel, whose weights
 * are constant, over blocked activations: beside double loops; a team gives
 * the bits of one thread, and an image alone those that it has among others,
 * at each CPU level (a child process each).
 */

#include "blocked_net.h"
#include "levels.h"
#include "tap.h"
#include "team_job.h"


typedef struct {
    int      nd;
    int64_t  c, oc, group;
    int64_t  in[3], k[3], s[3], d[3], p[6];
} conv_t;

static const conv_t  convs[] = {
    { 3, 18, 20, 1, { 4, 6, 7 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 1, 1, 1, 1, 1, 1 } },
    { 3, 3, 40, 1, { 5, 16, 15 }, { 3, 7, 7 }, { 1, 2, 2 }, { 1, 1, 1 },
      { 1, 3, 3, 1, 3, 3 } },
    { 3, 1, 17, 1, { 5, 9, 8 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 1, 1, 1, 1, 1, 1 } },
    { 3, 33, 34, 1, { 7, 8, 9 }, { 3, 3, 3 }, { 2, 2, 2 }, { 1, 1, 1 },
      { 1, 1, 1, 1, 1, 1 } },
    { 3, 17, 33, 1, { 8, 9, 7 }, { 3, 2, 3 }, { 1, 1, 2 }, { 2, 1, 2 },
      { 2, 0, 3, 1, 1, 2 } },
    { 3, 16, 16, 1, { 1, 5, 4 }, { 2, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 4, 1, 1, 3, 1, 1 } },
    { 3, 40, 24, 1, { 5, 6, 7 }, { 3, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 1, 0, 0, 1, 0, 0 } },
    { 3, 40, 20, 1, { 5, 6, 7 }, { 1, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 0, 1, 1, 0, 1, 1 } },
    { 3, 24, 26, 1, { 5, 6, 7 }, { 1, 1, 3 }, { 1, 1, 2 }, { 1, 1, 1 },
      { 0, 0, 1, 0, 0, 1 } },
    { 3, 24, 68, 1, { 5, 6, 7 }, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 0, 0, 0, 0, 0, 0 } },
    { 3, 24, 68, 1, { 5, 6, 7 }, { 1, 1, 1 }, { 2, 2, 2 }, { 1, 1, 1 },
      { 0, 0, 0, 0, 0, 0 } },
    { 3, 32, 64, 2, { 4, 7, 6 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 1, 1, 1, 1, 1, 1 } },
    { 3, 37, 37, 37, { 4, 9, 17 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 1, 1, 1, 1, 1, 1 } },
    { 3, 18, 18, 18, { 5, 8, 9 }, { 3, 5, 2 }, { 2, 1, 3 }, { 1, 2, 1 },
      { 1, 4, 1, 1, 4, 0 } },
    { 3, 16, 16, 16, { 1, 5, 4 }, { 2, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 4, 1, 1, 3, 1, 1 } },
    { 3, 256, 48, 1, { 2, 4, 4 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 1, 1, 1, 1, 1, 1 } },
    { 2, 33, 33, 33, { 14, 14 }, { 7, 7 }, { 1, 1 }, { 1, 1 },
      { 3, 3, 3, 3 } },
    { 2, 33, 33, 33, { 7, 7 }, { 5, 5 }, { 1, 1 }, { 1, 1 },
      { 2, 2, 2, 2 } },
    { 2, 17, 17, 17, { 9, 30 }, { 3, 11 }, { 2, 2 }, { 1, 1 },
      { 1, 5, 1, 5 } },
    { 2, 16, 16, 16, { 12, 31 }, { 3, 3 }, { 1, 1 }, { 2, 3 },
      { 2, 3, 2, 3 } },
    { 2, 16, 16, 16, { 12, 13 }, { 3, 3 }, { 1, 1 }, { 6, 6 },
      { 6, 6, 6, 6 } },
};


static maas_raw_model_t *
model(maas_arena_t *a, const conv_t *c, const float *w, const float *bias)
{
    int64_t           dims[5] = { 1, c->c, 1, 1, 1 }, out[5];
    build_t          *b = model_begin(a, 5);
    maas_str_t        x = new_name(b), y = new_name(b);
    maas_raw_node_t  *n;

    image(&b->g->in[b->g->n_in++], x, c->nd + 2, dims, true);
    out[0] = c->oc;
    out[1] = c->c / c->group;
    memcpy(out + 2, c->k, sizeof(c->k));

    n = node(b, "Conv", y, 3, x, constant(b, MAAS_F32, c->nd + 2, out, w),
             constant(b, MAAS_F32, 1, out, bias));
    int_list(b, n, "strides", c->nd, c->s);
    int_list(b, n, "dilations", c->nd, c->d);
    int_list(b, n, "pads", 2 * c->nd, c->p);
    attr_int(n, "group", c->group);

    image(&b->g->out[b->g->n_out++], y, -1, NULL, true);
    return model_end(b);
}


/* Output (image, oc, o) by the definition. */
static double
element(const conv_t *c, const float *x, const float *w, int64_t oc,
    const int64_t *o)
{
    double   sum = 0;
    int64_t  t, r, at, pos, taps = 1, pixels = 1, icg = c->c / c->group;

    for (int i = 0; i < c->nd; i++) {
        taps *= c->k[i];
        pixels *= c->in[i];
    }

    x += oc / (c->oc / c->group) * icg * pixels;

    for (t = 0; t < taps; t++) {
        at = 0;
        r = taps;

        for (int i = 0; i < c->nd && at >= 0; i++) {
            r /= c->k[i];
            pos = o[i] * c->s[i] - c->p[i] + t / r % c->k[i] * c->d[i];
            at = pos < 0 || pos >= c->in[i] ? -1 : at * c->in[i] + pos;
        }

        for (int64_t j = 0; j < icg && at >= 0; j++) {
            sum += (double) w[(oc * icg + j) * taps + t]
                   * (double) x[j * pixels + at];
        }
    }

    return sum;
}


static bool
right(const conv_t *c, const maas_tensor_t *in, const maas_tensor_t *out,
    const float *w, const float *bias)
{
    double        v;
    int64_t       o[3], u, n, want, each = maas_tensor_count(in) / 2;
    const float  *x = in->data, *y = out->data;

    for (int i = 0; i < c->nd; i++) {
        want = (c->in[i] + c->p[i] + c->p[c->nd + i]
                - (c->k[i] - 1) * c->d[i] - 1) / c->s[i] + 1;

        if (out->dims[2 + i] != want) {
            return false;
        }
    }

    n = maas_tensor_count(out);

    for (int64_t i = 0; i < n; i++) {
        u = i;

        for (int k = c->nd - 1; k >= 0; k--) {
            o[k] = u % out->dims[2 + k];
            u /= out->dims[2 + k];
        }

        v = element(c, x + u / c->oc * each, w, u % c->oc, o)
            + (double) bias[u % c->oc];

        if (!(fabs(v - (double) y[i]) < 2e-5)) {
            return false;
        }
    }

    return true;
}


/* The second of two images alone. */
static bool
alone(const open_t *o, const maas_tensor_t *in, const maas_tensor_t *all,
    maas_err_t *err)
{
    bool            ok;
    maas_run_t     *run;
    maas_tensor_t   one = *in, b;

    one.dims[0] = 1;
    one.bytes /= 2;
    one.data = (char *) in->data + one.bytes;

    if (maas_model_run(o->m, &one, NULL, NULL, &run, err) != MAAS_OK) {
        return false;
    }

    maas_run_output(run, 0, &b, NULL);
    ok = memcmp((char *) all->data + b.bytes, b.data, b.bytes) == 0;
    maas_run_release(run);
    return ok;
}


static const char *
conv_try(const conv_t *c, maas_team_t *team, maas_err_t *err)
{
    job_t           j;
    float           bias[300], *w;
    open_t          o;
    int64_t         n, dims[5] = { 2, c->c, c->in[0], c->in[1], c->in[2] };
    maas_run_t     *run;
    const char     *bad;
    maas_arena_t    a;
    maas_tensor_t   in, out;

    maas_arena_init(&a, maas_host_default(), 0);
    n = c->oc * c->c / c->group * c->k[0] * c->k[1]
        * (c->nd > 2 ? c->k[2] : 1);
    w = maas_arena_alloc(&a, (size_t) n * sizeof(float));

    for (int64_t i = 0; i < n; i++) {
        w[i] = 0.05f * cosf((float) (i * 13 % 997));
    }

    for (int64_t i = 0; i < c->oc; i++) {
        bias[i] = 0.1f * (float) (i % 7);
    }

    fill(&a, &in, c->nd + 2, dims);

    if (!net_begin(&o, &a, model(&a, c, w, bias), MAAS_CHAINS_ALL, err)) {
        return err->text;
    }

    if (maas_model_run(o.m, &in, NULL, NULL, &run, err) != MAAS_OK
        || job_run(team, &j, o.m, &in) != MAAS_OK)
    {
        return "a run failed";
    }

    maas_run_output(run, 0, &out, NULL);
    bad = nodes_of(o.m, "ConvBlocked") != 1 ? "it is not blocked"
          : !right(c, &in, &out, w, bias) ? "wrong numbers"
          : !same(j.run, 0, run, 0) ? "a team gives other bits"
          : !alone(&o, &in, &out, err) ? "an image alone gives other bits"
          : NULL;

    maas_run_release(run);
    maas_run_release(j.run);
    net_close(&o);
    maas_arena_destroy(&a);
    return bad;
}


static int
test_level(const char *level)
{
    int           failed = 0;
    maas_err_t    err;
    maas_team_t  *team;
    const char   *bad;

    maas_init(level, NULL);
    team = maas_team_create(maas_host_default(), 3, job_notify, NULL);

    for (size_t i = 0; i < maas_nelts(convs); i++) {
        bad = conv_try(&convs[i], team, &err);

        if (bad != NULL) {
            printf("# %s, row %zu: %s\n", level, i, bad);
            failed++;
        }
    }

    maas_team_destroy(team);
    fflush(stdout);
    return failed;
}


int
main(void)
{
    at_levels(test_level, "convolutions of three axes, and depthwise ones");
    return done();
}
