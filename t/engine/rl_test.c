/*
 * Reinforcement learning: environments beside their formulas, agents beside
 * dynamic programming, policies as models that the engine runs.
 *
 *     rl_test JSON     walks at random on a cart, for t/train/rl.t
 */

#include <math.h>
#include <semaphore.h>
#include <stdlib.h>

#include "api/compile.h"
#include "rl_learn.h"


/* -- policies as models -------------------------------------------------- */

typedef struct {
    void          *image;
    maas_model_t  *m;
} served_t;


static bool
serve(served_t *s, const learn_t *l)
{
    size_t           size;
    maas_err_t       err = { 0 };
    maas_compile_t   spec = { 0 };

    s->m = NULL;

    if (maas_compile_bytes(l->onnx.data, l->onnx.len, NULL, &spec, &s->image,
                           &size, &err) != MAAS_OK
        || maas_model_open(&s->m, s->image, size, NULL, &err) != MAAS_OK)
    {
        printf("# %s\n", err.text);
    }

    return ok(s->m != NULL, "  the engine opens the policy");
}


static void
unserve(served_t *s)
{
    maas_model_release(s->m);
    maas_image_free(s->image);
}


/* One input of n rows; values n x n_action, action n; either may be NULL. */
static bool
ask(const served_t *s, maas_tensor_t in, float *values, int64_t *action)
{
    maas_err_t      err;
    maas_run_t     *run;
    maas_tensor_t   y;

    if (maas_model_run(s->m, &in, NULL, NULL, &run, &err) != MAAS_OK) {
        printf("# %s\n", err.text);
        return false;
    }

    maas_run_output(run, 0, &y, NULL);
    if (values != NULL) {
        memcpy(values, y.data, y.bytes);
    }

    maas_run_output(run, 1, &y, NULL);
    if (action != NULL) {
        memcpy(action, y.data, y.bytes);
    }

    maas_run_release(run);
    return true;
}


static int64_t
ask_cell(const served_t *s, int64_t cell, float *values)
{
    int64_t        action = -1;
    _Alignas(64) int64_t  x[8] = { cell };
    maas_tensor_t  in = { .data = x, .dtype = MAAS_I64, .rank = 1,
                          .dims = { 1 }, .bytes = sizeof(int64_t) };

    return ask(s, in, values, &action) ? action : -1;
}


/* -- cliff walk ---------------------------------------------------------- */

/* Rules of the example, written down again: 4 rows of 12. */
static int64_t
cliff_next(int64_t cell, int64_t action, double *reward)
{
    int64_t  row = cell / 12, col = cell % 12;

    row += action == 2 ? row < 3 : action == 0 ? -(row > 0) : 0;
    col += action == 1 ? col < 11 : action == 3 ? -(col > 0) : 0;

    if (row == 3 && col > 0 && col < 11) {
        *reward = -100;
        return 36;
    }

    *reward = -1;
    return row * 12 + col;
}


/* Steps of the served policy; edge: cells right above the cliff. */
static int
cliff_walk(const served_t *s, int *edge, double *sum)
{
    int      n = 0;
    double   reward;
    int64_t  cell = 36;

    *edge = 0;
    *sum = 0;

    while (cell != 47 && n < 200) {
        cell = cliff_next(cell, ask_cell(s, cell, NULL), &reward);
        *edge += cell > 24 && cell < 35;
        *sum += reward;
        n++;
    }

    return n;
}


static void
check_cliff_moves(const maas_rl_env_t *e)
{
    int               wrong = 0;
    double            r;
    maas_random_t     g = maas_random(1, 2, 3);
    maas_rl_state_t   s;
    maas_rl_result_t  got;

    for (int64_t cell = 0; cell < 37; cell++) {
        for (int a = 0; a < 4; a++) {
            s.cell = cell;
            got = e->row->step(e, &g, 5, a, &s);
            wrong += s.cell != cliff_next(cell, a, &r) || got.reward != r
                     || got.terminal != (s.cell == 47);
        }
    }

    is_int(wrong, 0, "cliff_walk: every move is that of the example");
}


static void
test_cliff(void)
{
    int        steps, edge;
    double     sum, online;
    learn_t    q, s;
    served_t   m;

    for (uint64_t seed = 1; seed <= 3; seed++) {
        if (!learn(&q, "{\"type\":\"q_learning\",\"environment\":"
                   "\"cliff_walk\",\"discount\":1,\"epsilon\":0.1,"
                   "\"episodes\":500}", seed)
            || !serve(&m, &q))
        {
            return;
        }

        steps = cliff_walk(&m, &edge, &sum);
        online = metric(&q, "training_return");
        ok(steps == 13 && sum == -13 && edge == 10,
           "seed %d: Q-learning walks along the edge, 13 steps",
           (int) seed);
        ok(metric(&q, "return") == -13 && metric(&q, "steps") == 13,
           "  which is its greedy return");
        unserve(&m);

        if (!learn(&s, "{\"type\":\"sarsa\",\"environment\":\"cliff_walk\","
                   "\"discount\":1,\"epsilon\":0.1,\"episodes\":500}", seed)
            || !serve(&m, &s))
        {
            return;
        }

        steps = cliff_walk(&m, &edge, &sum);
        ok(steps > 13 && steps < 30 && sum == -steps && edge <= 2,
           "seed %d: SARSA keeps away from it, %d steps, %d at the edge",
           (int) seed, steps, edge);
        ok(metric(&s, "training_return") > online + 5,
           "  and gets more while it learns: %.1f, %.1f",
           metric(&s, "training_return"), online);
        unserve(&m);
        forget(&s);

        if (seed == 1) {
            check_cliff_moves(&q.j.env);
        }

        forget(&q);
    }
}


/* -- grid world ---------------------------------------------------------- */

typedef struct {
    const char  *map;           /* width x height */
    int          w, h;
    double       slip, step, discount;
    bool         random;        /* the value of a policy that is */
} world_t;


static int
world_move(const world_t *w, int cell, int action)
{
    static const int  dr[] = { -1, 0, 1, 0 }, dc[] = { 0, 1, 0, -1 };
    int  r = cell / w->w + dr[action], c = cell % w->w + dc[action];

    return r < 0 || r >= w->h || c < 0 || c >= w->w
           || w->map[r * w->w + c] == '#' ? cell : r * w->w + c;
}


static double
world_arrive(const world_t *w, const double *v, int cell)
{
    return w->step + (w->map[cell] == 'G' ? 1 : w->map[cell] == 'X' ? -1
                      : w->discount * v[cell]);
}


/* Value iteration: q of each action. */
static void
world_solve(const world_t *w, double *v, double *q)
{
    for (int k = 0; k < 5000; k++) {
        for (int c = 0; c < w->w * w->h; c++) {
            for (int a = 0; a < 4; a++) {
                q[4 * c + a] =
                    (1 - w->slip) * world_arrive(w, v, world_move(w, c, a))
                    + w->slip / 2 * world_arrive(w, v, world_move(w, c,
                                                             (a + 1) % 4))
                    + w->slip / 2 * world_arrive(w, v, world_move(w, c,
                                                             (a + 3) % 4));
            }
        }

        for (int c = 0; c < w->w * w->h; c++) {
            v[c] = w->random ? (q[4 * c] + q[4 * c + 1] + q[4 * c + 2]
                                + q[4 * c + 3]) / 4
                   : fmax(fmax(q[4 * c], q[4 * c + 1]),
                          fmax(q[4 * c + 2], q[4 * c + 3]));
        }
    }
}


static void
check_world(const world_t *w, const char *json, double limit,
    const char *what)
{
    int        wrong = 0;
    float      got[4];
    double     v[64] = { 0 }, q[256], far = 0, took;
    learn_t    l;
    served_t   m;

    world_solve(w, v, q);

    if (!learn(&l, json, 7) || !serve(&m, &l)) {
        return;
    }

    for (int c = 0; c < w->w * w->h; c++) {
        if (strchr("#GX", w->map[c]) != NULL) {
            continue;
        }

        /* The action that it takes is one of the best, within the limit. */
        took = q[4 * c + ask_cell(&m, c, got)];

        for (int a = 0; a < 4; a++) {
            wrong += took < q[4 * c + a] - 2 * limit;
            far = fmax(far, fabs(got[a] - q[4 * c + a]));
        }
    }

    ok(far <= limit && wrong == 0, "%s: the values of dynamic "
       "programming, %.2g off", what, far);
    unserve(&m);
    forget(&l);
}


static void
test_grid(void)
{
    double   v[64] = { 0 }, q[256];
    world_t  book = { "...G.#.X....", 4, 3, 0.2, -0.04, 1 };
    world_t  chance = { "...G.#.X....", 4, 3, 0.2, -0.04, 0.9, true };
    world_t  plain = { "....." ".###." "...#G" ".X...", 5, 4, 0, -0.1, 0.9 };

    /* Russell and Norvig, figure of the utilities of the 4x3 world. */
    static const double  want[] = { 0.812, 0.868, 0.918, 0, 0.762, 0, 0.660,
                                    0, 0.705, 0.655, 0.611, 0.388 };

    world_solve(&book, v, q);
    for (int c = 0; c < 12; c++) {
        if (want[c] != 0 && !(fabs(v[c] - want[c]) < 6e-4)) {
            ok(0, "cell %d is worth %g, %g in the book", c, v[c], want[c]);
        }
    }

    check_world(&plain, "{\"type\":\"q_learning\",\"environment\":{\"type\":"
                "\"grid_world\",\"slip\":0,\"step_reward\":-0.1,\"map\":["
                "\".....\",\".###.\",\"...#G\",\".X...\"]},\"discount\":0.9,"
                "\"epsilon\":1,\"learning_rate\":1,\"episodes\":3000}", 1e-6,
                "a map, no slips");
    check_world(&book, "{\"type\":\"q_learning\",\"environment\":{\"type\":"
                "\"grid_world\",\"map\":[\"...G\",\".#.X\",\"....\"]},"
                "\"discount\":1,\"epsilon\":1,\"learning_rate\":1,"
                "\"learning_rate_power\":0.75,\"episodes\":60000}", 0.02,
                "the 4x3 world");
    check_world(&chance, "{\"type\":\"sarsa\",\"environment\":{\"type\":"
                "\"grid_world\",\"map\":[\"...G\",\".#.X\",\"....\"]},"
                "\"discount\":0.9,\"epsilon\":1,\"learning_rate\":1,"
                "\"learning_rate_power\":0.8,\"episodes\":60000}", 0.02,
                "SARSA at random: that policy");
    check_world(&plain, "{\"type\":\"q_learning\",\"environment\":{\"type\":"
                "\"grid_world\",\"slip\":0,\"step_reward\":-0.1,\"map\":["
                "\".....\",\".###.\",\"...#G\",\".X...\"],\"max_steps\":5},"
                "\"discount\":0.9,\"epsilon\":1,\"learning_rate\":1,"
                "\"episodes\":20000}", 1e-6, "episodes cut off after 5 steps "
                "are no ends");
}


/* -- cart-pole ----------------------------------------------------------- */

/* The usual formula, without friction. */
static bool
cart_step(double s[4], int64_t action)
{
    double  f = action == 1 ? 10 : -10, c = cos(s[2]), n = sin(s[2]);
    double  t = (f + 0.05 * s[3] * s[3] * n) / 1.1;
    double  a = (9.8 * n - c * t) / (0.5 * (4.0 / 3 - 0.1 * c * c / 1.1));

    s[0] += 0.02 * s[1];
    s[1] += 0.02 * (t - 0.05 * a * c / 1.1);
    s[2] += 0.02 * s[3];
    s[3] += 0.02 * a;

    return fabs(s[0]) > 2.4 || fabs(s[2]) > 12 * M_PI / 180;
}


/* The served policy on 100 poles that the agent has never seen. */
static double
cart_return(const served_t *m)
{
    bool            over[100] = { 0 };
    double          s[100][4], sum = 0;
    int64_t         action[100];
    maas_random_t   g = maas_random(99, 98, 97);
    _Alignas(64) float  x[100][4];
    maas_tensor_t   in = { .data = x, .dtype = MAAS_F32, .rank = 2,
                           .dims = { 100, 4 }, .bytes = sizeof(x) };

    for (int i = 0; i < 400; i++) {
        s[i / 4][i % 4] = 0.1 * maas_random_unit(&g, (uint64_t) i) - 0.05;
    }

    for (int t = 0; t < 500; t++) {
        for (int i = 0; i < 400; i++) {
            x[i / 4][i % 4] = (float) s[i / 4][i % 4];
        }

        if (!ask(m, in, NULL, action)) {
            return NAN;
        }

        for (int i = 0; i < 100; i++) {
            if (!over[i]) {
                sum += 1;
                over[i] = cart_step(s[i], action[i]);
            }
        }
    }

    return sum / 100;
}


static void
test_cart(void)
{
    double    got;
    learn_t   l;
    served_t  m;

    if (!learn(&l, "{" CART ",\"stop_at\":300}", 1) || !serve(&m, &l)) {
        return;
    }

    ok(metric(&l, "return") >= 195, "cart-pole by dqn: a mean of %.1f of 100 "
       "episodes, at least 195", metric(&l, "return"));
    got = cart_return(&m);
    ok(got >= 195, "  served: %.1f on 100 other ones", got);
    has_str(l.history.data, "\"loss\":", "  the history has losses");
    unserve(&m);
    forget(&l);
}


static void
test_dqn_cells(void)
{
    int        steps;
    float      x[6] = { 0 };
    int64_t    action, cell = 3;
    learn_t    l;
    served_t   m;
    maas_tensor_t  in = { .data = x, .dtype = MAAS_F32, .rank = 2,
                          .dims = { 1, 6 }, .bytes = sizeof(x) };

    /* Without hidden layers and without its own choice of actions. */
    if (!learn(&l, "{\"type\":\"dqn\",\"environment\":{\"type\":"
               "\"grid_world\",\"slip\":0,\"map\":[\".#G\",\"S..\"]},"
               "\"episodes\":60,\"hidden\":[],\"learning_rate\":0.02,"
               "\"double\":false,\"target_every\":50,\"warmup\":0,"
               "\"batch_size\":16,\"train_every\":1,\"epsilon\":0.3}", 4)
        || !serve(&m, &l))
    {
        return;
    }

    for (steps = 0; steps < 3; steps++) {
        memset(x, 0, sizeof(x));
        x[cell] = 1;

        if (!ask(&m, in, NULL, &action)) {
            break;
        }

        cell += action == 1 ? 1 : action == 0 ? -3 : 0;
        if (cell < 0 || cell > 5) {
            break;
        }
    }

    ok(cell == 2, "dqn finds its way among cells, by observations of one "
       "number each");
    unserve(&m);
    forget(&l);
}


/* -- the same bits ------------------------------------------------------- */

#define WIDE  "{" CART ",\"hidden\":[256,256],\"batch_size\":256,"            \
              "\"warmup\":100,\"episodes\":20,\"train_every\":4,"             \
              "\"evaluate_every\":0,\"evaluate_episodes\":4}"


static void
learn_task(maas_task_t *task, maas_team_t *team)
{
    learn_t  *l = (learn_t *) task;

    learn_on(l, WIDE, 5, &maas_host_libc, team);
}


static void
learn_over(void *ctx)
{
    sem_post(ctx);
}


static void
test_bits(void)
{
    sem_t         over;
    learn_t       a, b, c;
    maas_team_t  *team;

    if (!learn(&a, WIDE, 5) || !learn(&b, WIDE, 6)) {
        return;
    }

    memset(&c, 0, sizeof(c));
    c.task.run = learn_task;
    sem_init(&over, 0, 0);
    team = maas_team_create(&maas_host_libc, 3, learn_over, &over);
    maas_team_submit(team, &c.task);

    while (sem_wait(&over) != 0 || maas_team_reap(team) == NULL) {
        /* void */
    }

    maas_team_destroy(team);

    ok(c.rc == MAAS_OK && a.onnx.len == c.onnx.len
       && memcmp(a.onnx.data, c.onnx.data, a.onnx.len) == 0,
       "dqn: three threads learn the same bits");
    ok(a.onnx.len == b.onnx.len
       && memcmp(a.onnx.data, b.onnx.data, a.onnx.len) != 0,
       "  another seed learns others");
    forget(&a);
    forget(&b);
    forget(&c);
}


/* Lines of episode, step, action, the state after it, the end. */
static int
cart_trace(const char *text)
{
    int               action;
    json_t           *json = json_loads(text, JSON_DECODE_ANY, NULL);
    maas_err_t        err;
    maas_arena_t      a;
    maas_rl_env_t     e;
    maas_random_t     r;
    maas_rl_state_t   s;
    maas_rl_result_t  got;

    maas_arena_init(&a, &maas_host_libc, 0);

    if (maas_rl_env_parse(&a, json, &e, &err) != MAAS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }

    for (uint32_t i = 0; i < 50; i++) {
        r = maas_random(3, MAAS_RL_LEARN, i);
        e.row->reset(&e, &r, &s);
        got.terminal = false;
        printf("%u -1 0 %.17g %.17g %.17g %.17g 0\n", i, s.x[0], s.x[1],
               s.x[2], s.x[3]);

        for (int64_t t = 0; t < e.max_steps && !got.terminal; t++) {
            action = (int) maas_random_below(&r, 5000 + (uint64_t) t, 2);
            got = e.row->step(&e, &r, t, action, &s);
            printf("%u %lld %d %.17g %.17g %.17g %.17g %d\n", i,
                   (long long) t, action, s.x[0], s.x[1], s.x[2], s.x[3],
                   got.terminal);
        }
    }

    maas_arena_destroy(&a);
    json_decref(json);
    return 0;
}


int
main(int argc, char **argv)
{
    if (maas_init(NULL, NULL) != MAAS_OK) {
        return 1;
    }

    if (argc > 1) {
        return cart_trace(argv[1]);
    }

    test_cliff();
    test_grid();
    test_cart();
    test_dqn_cells();
    test_bits();

    return done();
}
