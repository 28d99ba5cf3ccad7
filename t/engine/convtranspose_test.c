/*
 * ConvTranspose over blocked inputs against the plain operator, within
 * rounding: kernels as large as their stride and others (which stay plain),
 * few channels and many, in one and two dimensions, what may follow in the
 * same step; a team gives the bits of one thread, and an image alone those
 * that it has among others, at each CPU level (a child process each).
 */

#include "blocked_net.h"
#include "levels.h"
#include "tap.h"
#include "team_job.h"


typedef struct {
    int          rank;
    int64_t      c, oc, k[2], s[2], pad;
    bool         bias;
    int          post;              /* 0: none ... 3 */
    const char  *form;
} up_t;

static const up_t  ups[] = {
    { 4, 24, 24, { 2, 2 }, { 2, 2 }, 0, true, 1, "ConvTransposeBlocked" },
    { 4, 24, 1, { 2, 2 }, { 2, 2 }, 0, true, 2, "ConvTransposePlanes" },
    { 4, 16, 4, { 2, 2 }, { 2, 2 }, 0, false, 0, "ConvTransposePlanes" },
    { 4, 33, 5, { 3, 1 }, { 3, 1 }, 0, true, 1, "ConvTransposePlanes" },
    { 4, 5, 40, { 1, 3 }, { 1, 3 }, 0, false, 2, "ConvTransposeBlocked" },
    { 4, 40, 72, { 4, 4 }, { 4, 4 }, 0, true, 3, "ConvTransposeBlocked" },
    { 4, 20, 8, { 2, 2 }, { 2, 2 }, 0, true, 3, "ConvTransposeBlocked" },
    { 4, 20, 1, { 4, 4 }, { 4, 4 }, 0, false, 1, "ConvTransposePlanes" },
    { 3, 24, 20, { 2, 1 }, { 2, 1 }, 0, true, 2, "ConvTransposeBlocked" },
    { 3, 17, 3, { 4, 1 }, { 4, 1 }, 0, true, 1, "ConvTransposePlanes" },
    { 4, 20, 6, { 2, 2 }, { 2, 2 }, 0, true, 1, "ConvTranspose" },
    { 4, 20, 24, { 3, 3 }, { 2, 2 }, 0, true, 1, "ConvTranspose" },
    { 4, 20, 24, { 2, 2 }, { 2, 2 }, 1, true, 1, "ConvTranspose" },
};


/* inner: of what is behind the convolution, whose result is its input. */
static maas_raw_model_t *
model(maas_arena_t *a, const up_t *u, bool inner)
{
    int                nd = u->rank - 2;
    int64_t            dims[] = { 1, inner ? u->c : 3, 1, 1 };
    int64_t            pads[] = { u->pad, u->pad, u->pad, u->pad };
    int64_t            channels[] = { u->oc, 1, 1 };
    build_t           *b = model_begin(a, 5);
    maas_str_t         x = new_name(b), y = new_name(b), t, v;
    maas_raw_node_t   *n;
    maas_raw_graph_t  *g = b->g;

    image(&g->in[g->n_in++], x, u->rank, dims, true);
    t = conv(b, x, u->rank, 3, u->c, 3);

    if (inner) {
        g->n_node = 0;
    } else {
        x = t;
        image(&g->out[g->n_out++], t, -1, NULL, true);
    }

    t = floats_of(b, u->rank, (int64_t []) { u->c, u->oc, u->k[0], u->k[1] },
                  1 / sqrtf((float) u->c), 0);
    n = node(b, "ConvTranspose", y, u->bias ? 3 : 2, x, t,
             floats_of(b, 1, channels, 0.5f, 0));
    int_list(b, n, "strides", nd, u->s);
    int_list(b, n, "pads", 2 * nd, pads);

    if (u->post & 1) {
        t = new_name(b);
        node(b, "Add", t, 2, y,
             floats_of(b, u->rank - 1, channels, 0.8f, 0));
        y = t;
    }

    if (u->post > 0) {
        t = new_name(b);
        node(b, u->post & 1 ? "Sigmoid" : "Relu", t, 1, y);
        y = t;
    }

    if (u->post == 3) {             /* another one of the same extents */
        t = new_name(b);
        v = new_name(b);
        node(b, "Abs", v, 1, y);
        node(b, "Sub", t, 2, y, v);
        y = t;
    }

    image(&g->out[g->n_out++], y, -1, NULL, true);
    return model_end(b);
}


static bool
near(const maas_run_t *x, uint32_t i, const maas_run_t *y, uint32_t j)
{
    maas_tensor_t  a, b;

    maas_run_output(x, i, &a, NULL);
    maas_run_output(y, j, &b, NULL);

    if (a.rank != b.rank
        || memcmp(a.dims, b.dims, a.rank * sizeof(*a.dims)) != 0)
    {
        return false;
    }

    for (int64_t k = 0; k < maas_tensor_count(&a); k++) {
        if (!(fabsf(((float *) a.data)[k] - ((float *) b.data)[k]) < 1e-5f)) {
            return false;
        }
    }

    return true;
}


/* The last of three images alone. */
static const char *
alone(const open_t *o, const maas_tensor_t *in, const maas_run_t *all,
    maas_err_t *err)
{
    bool            ok;
    maas_run_t     *run;
    maas_tensor_t   one = *in, a, b;

    one.dims[0] = 1;
    one.bytes /= 3;
    one.data = (char *) in->data + 2 * one.bytes;

    if (maas_model_run(o->m, &one, NULL, NULL, &run, err) != MAAS_OK) {
        return err->text;
    }

    maas_run_output(all, 1, &a, NULL);
    maas_run_output(run, 1, &b, NULL);
    ok = memcmp((char *) a.data + 2 * b.bytes, b.data, b.bytes) == 0;
    maas_run_release(run);
    return ok ? NULL : "an image alone gives other bits";
}


static const char *
compare(const up_t *u, const open_t *o, const open_t *plain,
    maas_arena_t *a, maas_team_t *team, int64_t h, int64_t w,
    maas_err_t *err)
{
    job_t           j;
    int64_t         dims[] = { 3, 3, h, w };
    maas_run_t     *got, *want;
    const char     *bad;
    maas_tensor_t   in, mid;

    fill(a, &in, u->rank, dims);

    if (maas_model_run(o->m, &in, NULL, NULL, &got, err) != MAAS_OK) {
        return err->text;
    }

    maas_run_output(got, 0, &mid, NULL);

    if (maas_model_run(plain->m, &mid, NULL, NULL, &want, err) != MAAS_OK
        || job_run(team, &j, o->m, &in) != MAAS_OK)
    {
        return "a run failed";
    }

    bad = !near(got, 1, want, 0) ? "blocked and plain differ"
          : !same(j.run, 1, got, 1) ? "a team gives other bits"
          : alone(o, &in, got, err);

    maas_run_release(got);
    maas_run_release(want);
    maas_run_release(j.run);
    return bad;
}


static const char *
net_try(const up_t *u, maas_team_t *team, maas_err_t *err)
{
    static const int64_t  sizes[][2] = { { 1, 1 }, { 5, 7 }, { 33, 30 } };

    open_t         o, plain;
    const char    *bad;
    maas_arena_t   a;

    maas_arena_init(&a, maas_host_default(), 0);

    if (!net_begin(&o, &a, model(&a, u, false), MAAS_CHAINS_ALL, err)
        || !net_begin(&plain, &a, model(&a, u, true), MAAS_CHAINS_OFF, err))
    {
        return err->text;
    }

    bad = nodes_of(o.m, u->form) != 1 ? "another form than expected"
          : nodes_of(plain.m, "ConvTranspose") != 1
          ? "the other is not plain" : NULL;

    for (size_t i = 0; i < maas_nelts(sizes) && bad == NULL; i++) {
        if (i > 0 || u->pad == 0) {
            bad = compare(u, &o, &plain, &a, team, sizes[i][0], sizes[i][1],
                          err);
        }
    }

    net_close(&o);
    net_close(&plain);
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

    for (size_t i = 0; i < maas_nelts(ups); i++) {
        bad = net_try(&ups[i], team, &err);

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
    at_levels(test_level, "ConvTranspose of blocked inputs and of plain ones");
    return done();
}
