/*
 * Add, Sub, Mul and Div of two blocked activations whose extents are not
 * known while compiling, against the plain operators, to the bit: extents
 * that are equal and extents of 1 for either, in all combinations, operands
 * that are one value, what may follow in the same step, with bands of rows
 * and without, on one thread and on a team, at each CPU level (a child
 * process each).  What is behind such a sum keeps its blocked form; where
 * the extents are known to be equal it is a post-op.
 */

#include "blocked_net.h"
#include "levels.h"
#include "tap.h"
#include "team_job.h"


typedef struct {
    const char  *op;
    int          rank;
    int64_t      c;
    uint32_t     ones;              /* bit i, 4 + i: axis i of a, of b is 1 */
    bool         twice;             /* a with itself, from two sides */
    int          post;
    bool         tail, known;
} pair_t;

static const int64_t  extents[] = { 3, 0, 9, 7 };


static void
dims_of(const pair_t *p, int side, int64_t channels, int64_t *dims)
{
    for (int i = 0; i < 4; i++) {
        dims[i] = p->ones >> (4 * side + i) & 1 ? 1 : extents[i];
    }

    dims[1] = channels;
}


/* inner: of what is behind the convolutions, which are its inputs. */
static maas_raw_model_t *
model(maas_arena_t *a, const pair_t *p, bool inner)
{
    float              half = 0.5f;
    int64_t            dims[4], scale[] = { p->c, 1, 1 };
    build_t           *b = model_begin(a, 3);
    maas_str_t         x[2], y, u, v;
    maas_raw_graph_t  *g = b->g;

    for (int i = 0; i < 2; i++) {
        dims_of(p, i, inner ? p->c : 3, dims);
        x[i] = new_name(b);
        image(&g->in[g->n_in++], x[i], p->rank, dims, !p->known);
        u = conv(b, x[i], p->rank, 3, p->c, 3);

        if (inner) {
            g->n_node = 0;
        } else {
            x[i] = u;
            image(&g->out[g->n_out++], u, -1, NULL, true);
        }
    }

    y = new_name(b);
    node(b, p->op, y, 2, x[0], p->twice ? x[0] : x[1]);

    if (p->post > 0) {
        u = new_name(b);
        node(b, "LeakyRelu", u, 1, y);
        y = u;
    }

    if (p->post > 1) {
        u = new_name(b);
        v = new_name(b);
        node(b, "Mul", u, 2, y, floats_of(b, p->rank - 1, scale, 0.8f, 0));
        node(b, "Sub", v, 2, u, constant(b, MAAS_F32, 0, NULL, &half));
        y = v;
    }

    if (p->tail) {
        y = conv(b, y, p->rank, p->c, 20, 3);
    }

    image(&g->out[g->n_out++], y, -1, NULL, true);
    return model_end(b);
}


static const char *
compare(const pair_t *p, const open_t *o, const open_t *plain,
    maas_arena_t *a, maas_team_t *team, maas_err_t *err)
{
    job_t           j;
    int64_t         dims[4];
    maas_run_t     *got, *want;
    const char     *bad;
    maas_tensor_t   in[2], mid[2];

    for (int i = 0; i < 2; i++) {
        dims_of(p, i, 3, dims);
        fill(a, &in[i], p->rank, dims);
    }

    if (maas_model_run(o->m, in, NULL, NULL, &got, err) != MAAS_OK) {
        return err->text;
    }

    maas_run_output(got, 0, &mid[0], NULL);
    maas_run_output(got, 1, &mid[1], NULL);

    if (maas_model_run(plain->m, mid, NULL, NULL, &want, err) != MAAS_OK
        || job_run(team, &j, o->m, in) != MAAS_OK)
    {
        return "a run failed";
    }

    bad = !same(got, 2, want, 0) ? "blocked and plain differ"
          : !same(j.run, 2, want, 0) ? "a team gives other bits" : NULL;

    maas_run_release(got);
    maas_run_release(want);
    maas_run_release(j.run);
    return bad;
}


static const char *
net_try(const pair_t *p, maas_team_t *team, maas_err_t *err)
{
    char          form[16];
    open_t        o, plain;
    const char   *bad = NULL;
    maas_arena_t  a;

    maas_arena_init(&a, maas_host_default(), 0);
    snprintf(form, sizeof(form), "%sBlocked", p->op);

    for (int i = 0; i < 2 && bad == NULL; i++) {
        if (!net_begin(&o, &a, model(&a, p, false),
                       i == 0 ? MAAS_CHAINS_OFF : MAAS_CHAINS_ALL, err)
            || !net_begin(&plain, &a, model(&a, p, true), MAAS_CHAINS_OFF,
                          err))
        {
            return err->text;
        }

        bad = nodes_of(o.m, form) != (p->twice || p->known ? 0 : 1)
              ? "another form than expected"
              : nodes_of(plain.m, form) != 0 ? "the other is not plain"
              : compare(p, &o, &plain, &a, team, err);

        net_close(&o);
        net_close(&plain);
    }

    maas_arena_destroy(&a);
    return bad;
}


static int
test_level(const char *level)
{
    static const char *const  ops[] = { "Add", "Sub", "Mul", "Div" };

    int           failed = 0;
    pair_t        p;
    uint32_t      n = 0;
    maas_err_t    err;
    maas_team_t  *team;
    const char   *bad;

    maas_init(level, NULL);
    team = maas_team_create(maas_host_default(), 3, job_notify, NULL);

    /* Every axis: as it is, 1 on either side, or on both. */
    for (uint32_t ones = 0; ones < 256 && failed < 10; ones++) {
        p = (pair_t) { .op = ops[n % 4], .rank = n % 5 == 0 ? 3 : 4,
                       .c = (int64_t []) { 16, 5, 33 }[n % 3], .ones = ones,
                       .twice = ones == 0 && n > 0, .post = n % 3,
                       .tail = n % 2 && n % 5 != 0 };

        /* Channels are the same; rank 3 has no fourth axis. */
        if ((ones & 0x22) != 0 || (p.rank == 3 && (ones & 0x88) != 0)) {
            continue;
        }

        bad = net_try(&p, team, &err);
        n++;

        if (bad != NULL) {
            printf("# %s, %s, rank %d, %lld channels, ones %02x: %s\n",
                   level, p.op, p.rank, (long long) p.c, (unsigned) ones,
                   bad);
            failed++;
        }
    }

    for (int i = 0; i < 12 && failed < 10; i++) {
        p = (pair_t) { .op = ops[i % 4], .rank = 4, .c = 20, .twice = i < 4,
                       .known = i >= 4 && i < 8, .post = i % 3, .tail = true };
        bad = net_try(&p, team, &err);

        if (bad != NULL) {
            printf("# %s, %s: %s\n", level, p.op, bad);
            failed++;
        }
    }

    maas_team_destroy(team);
    fflush(stdout);
    return failed;
}


/* -- what is behind ------------------------------------------------------ */

/*
 * A pyramid's sum, a convolution, values for channels by its mean, and their
 * sum: of two images whose extents nothing relates.
 */
static void
test_behind(void)
{
    open_t         o;
    int64_t        dims[] = { 1, 3, 8, 8 };
    build_t       *b;
    maas_str_t     x[2], y, t[4];
    maas_err_t     err = { .text = "" };
    maas_arena_t   a;

    maas_arena_init(&a, maas_host_default(), 0);
    b = model_begin(&a, 1);

    for (int i = 0; i < 2; i++) {
        x[i] = new_name(b);
        image(&b->g->in[b->g->n_in++], x[i], 4, dims, true);
        x[i] = conv(b, x[i], 4, 3, 24, 3);
    }

    for (int i = 0; i < 4; i++) {
        t[i] = new_name(b);
    }

    node(b, "Add", t[0], 2, x[0], x[1]);
    y = conv(b, t[0], 4, 24, 24, 3);
    node(b, "GlobalAveragePool", t[1], 1, y);
    node(b, "Mul", t[2], 2, y, t[1]);
    node(b, "Add", t[3], 2, y, t[2]);
    y = conv(b, t[3], 4, 24, 24, 3);
    image(&b->g->out[b->g->n_out++], y, -1, NULL, true);

    ok(net_begin(&o, &a, model_end(b), MAAS_CHAINS_AUTO, &err),
       "a sum of open extents%s", err.text);
    ok(nodes_of(o.m, "AddBlocked") == 1 && nodes_of(o.m, "Mul") == 0
       && nodes_of(o.m, "Add") == 0 && nodes_of(o.m, "FromBlocked") == 1
       && nodes_of(o.m, "ToBlocked") == 0,
       "and all behind it are blocked");
    net_close(&o);
    maas_arena_destroy(&a);
}


/* Extents that do not go together are named. */
static void
test_refused(void)
{
    open_t         o;
    pair_t         p = { .op = "Add", .rank = 4, .c = 16 };
    int64_t        dims[2][4] = { { 1, 3, 9, 7 }, { 1, 3, 4, 7 } };
    maas_err_t     err = { .text = "" };
    maas_run_t    *run;
    maas_arena_t   a;
    maas_tensor_t  in[2];

    maas_arena_init(&a, maas_host_default(), 0);
    fill(&a, &in[0], 4, dims[0]);
    fill(&a, &in[1], 4, dims[1]);

    ok(net_begin(&o, &a, model(&a, &p, false), MAAS_CHAINS_AUTO, &err)
       && maas_model_run(o.m, in, NULL, NULL, &run, &err) == MAAS_EINVAL
       && strstr(err.text, "shapes do not broadcast: 9 against 4") != NULL,
       "extents that differ: %s", err.text);
    net_close(&o);
    maas_arena_destroy(&a);
}


int
main(void)
{
    at_levels(test_level, "pairs of blocked values give the plain bits");

    maas_init(NULL, NULL);
    test_behind();
    test_refused();
    return done();
}
