/*
 * Optimisers and schedules beside PyTorch's (t/data/optim.json, made by
 * t/data/make_optim.py), at every level of this CPU, with equal bits.
 */

#include <math.h>
#include <stdlib.h>

#include "tap.h"
#include "train/optim.h"


#define N  5

static json_t  *file;


static double
number(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}


typedef struct {
    maas_optim_t           o;
    maas_schedule_t        s;
    maas_schedule_state_t  st;
    float                  p[N], m[N], v[N];
} opt_run_t;


static bool
run_begin(opt_run_t *r, maas_arena_t *a, const json_t *c)
{
    maas_err_t  err;

    memset(r, 0, sizeof(*r));

    if (maas_optim_parse(a, json_object_get(c, "optimizer"), &r->o, &err)
        != MAAS_OK
        || maas_schedule_parse(a, json_object_get(c, "schedule"), &r->s,
                               &err) != MAAS_OK)
    {
        printf("# %s\n", err.text);
        return false;
    }

    maas_schedule_begin(&r->st);

    for (int i = 0; i < N; i++) {
        r->p[i] = (float) number(json_object_get(file, "start"), i);
        r->v[i] = (float) r->o.first;
    }

    return true;
}


static void
run_step(opt_run_t *r, const maas_kernels_t *k, int t)
{
    float           g[N];
    double          lr, sum = 0, scale = 1;
    maas_optim_k_t  coef;

    for (int i = 0; i < N; i++) {
        g[i] = (float) (number(json_object_get(file, "a"), i) * r->p[i]
                        + sin(0.7 * t + i) / 2);
        sum += (double) g[i] * g[i];
    }

    if (r->o.common.clip_norm > 0) {
        scale = fmin(1, r->o.common.clip_norm / (sqrt(sum) + 1e-6));
    }

    lr = maas_schedule_rate(&r->s, &r->st, r->o.common.rate, (t - 1) / 10,
                            (double) ((t - 1) % 10 + 1) / 10, 10);
    maas_optim_coef(&r->o, t, lr, scale, true, &coef);

    /* In two pieces: the split must not show. */
    maas_optim_kernel(k, r->o.row->kernel(&r->o))(r->p, g, r->m, r->v, 3,
                                                  &coef);
    maas_optim_kernel(k, r->o.row->kernel(&r->o))(r->p + 3, g + 3, r->m + 3,
                                                  r->v + 3, N - 3, &coef);

    if (t % 10 == 0) {
        maas_schedule_epoch(&r->s, &r->st, r->o.common.rate,
                            number(json_object_get(file, "watch"),
                                   (size_t) t / 10 - 1));
    }
}


static void
compare(const json_t *c, const maas_kernels_t *k, float *end)
{
    char           step[8];
    double         d, worst = 0;
    opt_run_t      r;
    maas_arena_t   a;
    const json_t  *want;

    maas_arena_init(&a, &maas_host_libc, 0);

    if (!ok(run_begin(&r, &a, c), "it is read")) {
        return;
    }

    for (int t = 1; t <= 100; t++) {
        run_step(&r, k, t);
        snprintf(step, sizeof(step), "%d", t);
        want = json_object_get(json_object_get(c, "steps"), step);

        for (int i = 0; want != NULL && i < N; i++) {
            d = fabs(r.p[i] - number(want, i)) / (fabs(number(want, i)) + 1);
            worst = fmax(worst, d);
        }
    }

    ok(worst < 1e-6, "%s: within %.1g of PyTorch after 100 steps",
       maas_cpu_name(k->level), worst);
    memcpy(end, r.p, sizeof(r.p));
    maas_arena_destroy(&a);
}


static void
against_torch(void)
{
    float          end[2][N];
    char          *text;
    const json_t  *c, *cases = json_object_get(file, "cases");

    ok(json_array_size(cases) > 20, "there are cases");

    for (size_t i = 0; i < json_array_size(cases); i++) {
        c = json_array_get(cases, i);
        text = json_dumps(json_object_get(c, "schedule") != NULL
                          ? json_object_get(c, "schedule")
                          : json_object_get(c, "optimizer"),
                          JSON_ENCODE_ANY | JSON_COMPACT);
        printf("# %s\n", text);
        free(text);

        for (int l = 0; l < MAAS_CPU_LEVELS; l++) {
            if (maas_kernels(l) == NULL) {
                continue;
            }

            compare(c, maas_kernels(l), end[l != 0]);
            ok(l == 0 || memcmp(end[0], end[1], sizeof(end[0])) == 0,
               "the same bits as the reference");
        }
    }
}


/* -- odd values ---------------------------------------------------------- */

static void
penalties(void)
{
    float           p[] = { 2, -2, 0 }, g[] = { 1, 1, 1 };
    maas_optim_k_t  c = { .scale = 0.5f, .clip = INFINITY, .l1 = 0.25f,
                          .lr = 1 };

    maas_optim_kernel(maas_kernels(0), MAAS_K_SGD)(p, g, NULL, NULL, 3, &c);
    ok(p[0] == 1.25f && p[1] == -2.25f && p[2] == -0.5f,
       "L1 pulls towards 0 and leaves 0 alone");

    g[0] = NAN;
    maas_optim_kernel(maas_kernels(0), MAAS_K_SGD)(p, g, NULL, NULL, 1, &c);
    ok(isnan(p[0]), "NaN is not clipped away");
}


static void
warmup(void)
{
    maas_err_t             err;
    maas_arena_t           a;
    maas_schedule_t        s;
    maas_schedule_state_t  st;
    json_t                *o = json_loads("{\"type\":\"cosine\",\"warmup\":2,"
                                          "\"warmup_from\":0.5}", 0, NULL);

    maas_arena_init(&a, &maas_host_libc, 0);
    is_int(maas_schedule_parse(&a, o, &s, &err), MAAS_OK, "a warm-up");
    maas_schedule_begin(&st);
    ok(fabs(maas_schedule_rate(&s, &st, 1, 0, 0.5, 10) - 0.625) < 1e-12,
       "  grows by steps");
    ok(fabs(maas_schedule_rate(&s, &st, 1, 1, 1, 10)
            - (1 + cos(M_PI / 10)) / 2) < 1e-12, "  and ends");
    json_decref(o);
    maas_arena_destroy(&a);
}


static void
refused(void)
{
    maas_err_t       err;
    maas_arena_t     a;
    maas_optim_t     o;
    maas_schedule_t  s;
    json_t          *v;

    static const struct {
        const char  *spec;
        const char  *text;
    } bad[] = {
        { "\"adm\"", "optimizer: unknown type \"adm\"; did you mean "
          "\"adam\"?" },
        { "3", "expected a name" },
        { "{\"type\":\"adam\",\"lr\":1}", "unknown key \"lr\"" },
        { "{\"type\":\"adam\",\"learning_rat\":1}",
          "did you mean \"learning_rate\"?" },
        { "{\"type\":\"adam\",\"learning_rate\":0}",
          "\"learning_rate\" is 0, expected a number above 0" },
        { "{\"type\":\"sgd\",\"momentum\":1}", "\"momentum\" is 1" },
        { "{\"type\":\"sgd\",\"nesterov\":true}", "needs \"momentum\"" }
    };

    maas_arena_init(&a, &maas_host_libc, 0);

    for (size_t i = 0; i < maas_nelts(bad); i++) {
        v = json_loads(bad[i].spec, JSON_DECODE_ANY, NULL);
        is_int(maas_optim_parse(&a, v, &o, &err), MAAS_EINVAL, bad[i].spec);
        has_str(err.text, bad[i].text, "  says why");
        json_decref(v);
    }

    v = json_loads("\"cosin\"", JSON_DECODE_ANY, NULL);
    is_int(maas_schedule_parse(&a, v, &s, &err), MAAS_EINVAL, "a schedule");
    has_str(err.text, "did you mean \"cosine\"?", "  says why");
    json_decref(v);
    maas_arena_destroy(&a);
}


int
main(void)
{
    file = json_load_file("t/data/optim.json", 0, NULL);
    if (file == NULL) {
        printf("Bail out! t/data/optim.json cannot be read\n");
        return 1;
    }

    against_torch();
    penalties();
    warmup();
    refused();
    json_decref(file);

    return done();
}
