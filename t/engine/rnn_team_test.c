/*
 * Recurrent networks whose one unit several threads share: a team of three
 * gives the bits of one thread, and both those of the same network with
 * sequence_lens, whose steps nothing shares; at each CPU level (a child
 * process each), again and again, as threads meet differently each time.
 */


#include "api/compile.h"
#include "graph_build.h"
#include "levels.h"
#include "tap.h"
#include "team_job.h"


#define TRIES  12

typedef struct {
    const char  *op;
    int64_t      gates, hidden, in, batch, seq;
    bool         linear, reverse;
} rnn_t;

/* The last two: rows enough to be shared too, and steps of several blocks. */
static const rnn_t  nets[] = {
    { "LSTM", 4, 128, 48, 1, 9, false, false },
    { "LSTM", 4, 144, 33, 5, 7, false, true },
    { "GRU", 3, 160, 64, 1, 9, false, false },
    { "GRU", 3, 160, 17, 3, 6, true, true },
    { "RNN", 1, 256, 256, 1, 8, false, false },
    { "LSTM", 4, 512, 16, 9, 37, false, true },
    { "GRU", 3, 512, 16, 11, 23, false, false }
};

static maas_raw_model_t *
net_model(maas_arena_t *a, const rnn_t *r, bool lens)
{
    int32_t           len[64];
    int64_t           wide = r->gates * r->hidden, batch = r->batch;
    int64_t           wd[] = { 1, wide, r->in }, rd[] = { 1, wide, r->hidden };
    int64_t           bd[] = { 1, 2 * wide };
    build_t          *b = model_begin(a, 3);
    maas_str_t        x = new_name(b), y = new_name(b), none = maas_str("");
    maas_raw_node_t  *n;
    static const char reverse[] = "reverse";

    port(&b->g->in[b->g->n_in++], x, r->in);
    b->g->in[0].rank = 3;
    b->g->in[0].dims[0] = r->seq;
    b->g->in[0].dims[1] = r->batch;
    b->g->in[0].dims[2] = r->in;

    for (int i = 0; i < 64; i++) {
        len[i] = (int32_t) r->seq;
    }

    n = node(b, r->op, y, 5, x, floats_of(b, 3, wd, 0.2f, 0),
             floats_of(b, 3, rd, 0.1f, 0), floats_of(b, 2, bd, 0.3f, 0),
             lens ? constant(b, MAAS_I32, 1, &batch, len) : none);

    if (r->linear) {
        n->attr[n->n_attr++] = (maas_raw_attr_t) {
            .name = maas_str("linear_before_reset"), .i = 1,
            .type = MAAS_ATTR_INT
        };
    }

    if (r->reverse) {
        n->attr[n->n_attr++] = (maas_raw_attr_t) {
            .name = maas_str("direction"), .type = MAAS_ATTR_STRING,
            .s = { reverse, sizeof(reverse) - 1 }
        };
    }

    port(&b->g->out[b->g->n_out++], y, -1);
    return model_end(b);
}


static maas_model_t *
net_open(const rnn_t *r, bool lens, void **image)
{
    size_t          size;
    maas_err_t      err = { 0 };
    maas_arena_t    a;
    maas_graph_t   *g;
    maas_model_t   *m = NULL;
    maas_compile_t  spec = { .name = "rnn" };

    maas_arena_init(&a, maas_host_default(), 0);

    if (maas_graph_import(&g, &a, net_model(&a, r, lens), &err) != MAAS_OK
        || maas_compile_graph(g, &spec, image, &size, &err) != MAAS_OK
        || maas_model_open(&m, *image, size, NULL, &err) != MAAS_OK)
    {
        printf("# %s: %s\n", r->op, err.text);
    }

    maas_arena_destroy(&a);
    return m;
}


/* A run on a team (NULL: one thread); 0: its output is that of `want`. */
static int
net_differs(maas_model_t *m, const maas_tensor_t *in, maas_team_t *team,
    const maas_tensor_t *want)
{
    int            bad;
    job_t          j = { .rc = MAAS_OK };
    maas_tensor_t  t;

    if (team == NULL) {
        j.rc = maas_model_run(m, in, NULL, NULL, &j.run, &j.err);
    } else {
        (void) job_run(team, &j, m, in);
    }

    if (j.rc != MAAS_OK) {
        printf("# %s\n", j.err.text);
        return 1;
    }

    maas_run_output(j.run, 0, &t, NULL);
    bad = t.bytes != want->bytes || memcmp(t.data, want->data, t.bytes) != 0;
    maas_run_release(j.run);
    return bad;
}


static int
test_net(const rnn_t *r, maas_team_t *team)
{
    int             bad = 0;
    void           *image[2] = { NULL, NULL };
    float          *x;
    int64_t         n = r->seq * r->batch * r->in;
    maas_err_t      err = { 0 };
    maas_run_t     *run = NULL;
    maas_model_t   *m, *apart;
    maas_tensor_t   in = { .dtype = MAAS_F32, .rank = 3,
                           .dims = { r->seq, r->batch, r->in } }, want;

    x = malloc((size_t) n * sizeof(float));

    for (int64_t i = 0; i < n; i++) {
        x[i] = (float) (i * 7919 % 2003) / 700.0f - 1.4f;
    }

    in.bytes = (size_t) n * sizeof(float);
    in.data = x;
    m = net_open(r, false, &image[0]);
    apart = net_open(r, true, &image[1]);

    if (m == NULL || apart == NULL
        || maas_model_run(apart, &in, NULL, NULL, &run, &err) != MAAS_OK)
    {
        bad = 1;

    } else {
        maas_run_output(run, 0, &want, NULL);
        bad = net_differs(m, &in, NULL, &want);

        for (int i = 0; i < TRIES; i++) {
            bad += net_differs(m, &in, team, &want);
        }

        maas_run_release(run);
    }

    if (bad) {
        printf("# %s of %lld: %d runs differ\n", r->op,
               (long long) r->hidden, bad);
    }

    maas_model_release(m);
    maas_model_release(apart);
    maas_image_free(image[0]);
    maas_image_free(image[1]);
    free(x);
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

    for (size_t i = 0; i < maas_nelts(nets); i++) {
        bad += test_net(&nets[i], team);
    }

    maas_team_destroy(team);
    fflush(stdout);
    return bad;
}


int
main(void)
{
    at_levels(test_level,
              "threads that share the steps give the bits of one");

    return done();
}
