/*
 * rl_tabular.c: agents with a table of what each action is worth in each
 * state.  See rl.h.
 *
 *   q_learning   Watkins, "Learning from delayed rewards", 1989:
 *                Q(s,a) += rate (r + discount max Q(s',.) - Q(s,a))
 *   sarsa        Rummery and Niranjan, 1994: Q(s',a') of the action a' that
 *                is taken next, in place of the maximum
 *
 * Sutton and Barto, "Reinforcement Learning", 2nd edition, 2018, sections
 * 6.4 and 6.5.  The table is float64 while it is learned, float32 in the
 * model.
 */

#include "train/build.h"
#include "train/rl.h"


#define TAB_MAX  (1 << 26)              /* numbers in a table */

typedef struct {
    maas_rl_param_t  common;
    double           power;
    double           initial;
} tab_param_t;

typedef struct {
    maas_rl_job_t      *j;
    const tab_param_t  *p;
    const maas_rl_env_t  *e;
    double             *q;              /* [states][actions] */
    int64_t            *visits;         /* the same; NULL: not counted */
    float              *served;
    int                 n_action;
    bool                sarsa;
    double              epsilon;        /* of this episode */
} tab_t;


/* -- choices ------------------------------------------------------------- */

static double
tab_best(const tab_t *t, const maas_rl_state_t *s)
{
    double         best = -INFINITY;
    const double  *q = t->q + s->cell * t->n_action;

    for (int a = 0; a < t->n_action; a++) {
        best = q[a] > best ? q[a] : best;
    }

    return best;
}


/* Step i of the episode; among equal ones one at random. */
static int
tab_act(const tab_t *t, const maas_random_t *r, int64_t i,
    const maas_rl_state_t *s)
{
    int            n = 0, pick;
    double         best;
    const double  *q = t->q + s->cell * t->n_action;

    if (t->epsilon > 0
        && maas_random_unit(r, MAAS_RL_DRAW(i)) < t->epsilon)
    {
        return (int) maas_random_below(r, MAAS_RL_DRAW(i) + 1,
                                       (uint64_t) t->n_action);
    }

    best = tab_best(t, s);

    for (int a = 0; a < t->n_action; a++) {
        n += q[a] == best;
    }

    pick = n <= 1 ? 0 : (int) maas_random_below(r, MAAS_RL_DRAW(i) + 2,
                                                (uint64_t) n);
    for (int a = 0; ; a++) {
        if (a == t->n_action - 1 || (q[a] == best && pick-- == 0)) {
            return a;
        }
    }
}


/* -- learning ------------------------------------------------------------ */

static double
tab_rate(tab_t *t, int64_t i)
{
    if (t->visits == NULL) {
        return t->p->common.rate;
    }

    return t->p->common.rate * pow((double) ++t->visits[i], -t->p->power);
}


static maas_status_t
tab_episode(tab_t *t, int64_t episode)
{
    int                   a, next = 0;
    double                sum = 0, target;
    int64_t               i, k = 0;
    maas_random_t         act, r;
    maas_rl_state_t       s, from;
    maas_rl_result_t      got = { 0 };
    const maas_rl_env_t  *e = t->e;

    r = maas_random(t->j->seed, MAAS_RL_LEARN, (uint32_t) episode);
    act = maas_random(t->j->seed, MAAS_RL_ACT, (uint32_t) episode);
    t->epsilon = maas_rl_explore(t->j, episode);

    e->row->reset(e, &r, &s);
    a = tab_act(t, &act, 0, &s);

    while (k < e->max_steps && !got.terminal) {
        from = s;
        got = e->row->step(e, &r, k++, a, &s);
        sum += got.reward;
        i = from.cell * t->n_action + a;
        target = 0;

        if (t->sarsa) {
            next = tab_act(t, &act, k, &s);
        }

        if (!got.terminal) {
            target = t->sarsa ? t->q[s.cell * t->n_action + next]
                              : tab_best(t, &s);
        }

        target = got.reward + t->p->common.discount * target;
        t->q[i] += tab_rate(t, i) * (target - t->q[i]);

        a = t->sarsa ? next : tab_act(t, &act, k, &s);
    }

    return maas_rl_seen(t->j, episode, sum, k, "");
}


/* -- what was learned ---------------------------------------------------- */

static maas_status_t
tab_policy(void *ctx, const maas_rl_state_t *s, int64_t n, int *action,
    maas_err_t *err)
{
    tab_t        *t = ctx;
    const float  *q;

    (void) err;

    for (int64_t i = 0; i < n; i++) {
        q = t->served + s[i].cell * t->n_action;
        action[i] = 0;

        for (int a = 1; a < t->n_action; a++) {
            action[i] = q[a] > q[action[i]] ? a : action[i];
        }
    }

    return MAAS_OK;
}


static maas_status_t
tab_model(tab_t *t)
{
    int64_t              dims[2] = { -1, t->n_action };
    int64_t              shape[2] = { t->e->n_state, t->n_action };
    maas_str_t           in[2], values, action, q = maas_str("values");
    maas_build_t        *b = maas_build_create(t->j->arena);
    maas_raw_attr_t      attr[2];
    maas_build_node_t    n = { .attr = attr, .out = &q, .n_out = 1 };

    if (b == NULL) {
        return maas_err_nomem(t->j->err);
    }

    in[1] = maas_build_input(b, "state", MAAS_I64, 1, dims);
    in[0] = maas_build_floats(b, "q", t->served, 2, shape);

    attr[0] = maas_build_attr_int("axis", 0);
    n.op = "Gather";
    n.in = in;
    n.n_in = 2;
    n.n_attr = 1;
    values = maas_build_node(b, &n);

    q = maas_str("action");
    attr[0] = maas_build_attr_int("axis", 1);
    attr[1] = maas_build_attr_int("keepdims", 0);
    n.op = "ArgMax";
    n.in = &values;
    n.n_in = 1;
    n.n_attr = 2;
    action = maas_build_node(b, &n);

    maas_build_output(b, values, MAAS_F32, 2, dims);
    maas_build_output(b, action, MAAS_I64, 1, dims);

    return maas_build_done(b, &t->j->result, t->j->err);
}


static maas_status_t
tab_create(tab_t *t)
{
    int64_t         n;
    maas_rl_job_t  *j = t->j;

    if (t->e->n_state == 0) {
        return maas_err(j->err, MAAS_EINVAL, "%s learns a table, but states "
                        "of %s have no numbers; dqn learns there",
                        j->row->name, t->e->row->name);
    }

    if (!maas_mul_i64(t->e->n_state, t->n_action, &n) || n > TAB_MAX) {
        return maas_err(j->err, MAAS_ELIMIT, "%s: a table of %lld states is "
                        "too large", j->row->name,
                        (long long) t->e->n_state);
    }

    t->q = maas_arena_array(j->arena, (size_t) n, sizeof(double));
    t->served = maas_arena_array(j->arena, (size_t) n, sizeof(float));

    if (t->p->power > 0) {
        t->visits = maas_arena_array(j->arena, (size_t) n, sizeof(int64_t));
    }

    if (t->q == NULL || t->served == NULL
        || (t->p->power > 0 && t->visits == NULL))
    {
        return maas_err_nomem(j->err);
    }

    for (int64_t i = 0; i < n; i++) {
        t->q[i] = t->p->initial;
    }

    return MAAS_OK;
}


static maas_status_t
tab_finish(tab_t *t)
{
    for (int64_t i = 0; i < t->e->n_state * t->n_action; i++) {
        t->served[i] = (float) t->q[i];

        if (!isfinite(t->served[i])) {
            return maas_err(t->j->err, MAAS_EINVAL, "%s: state %lld, action "
                            "\"%s\" is worth no finite number; rewards may "
                            "be too large", t->j->row->name,
                            (long long) (i / t->n_action),
                            t->e->action[i % t->n_action]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
tab_train(maas_rl_job_t *j)
{
    tab_t            t = { .j = j, .p = j->param, .e = &j->env };
    maas_rl_score_t  score;

    t.n_action = j->env.n_action;
    t.sarsa = j->row == &maas_rl_sarsa;
    MAAS_TRY(tab_create(&t));

    for (int64_t i = 0; i < t.p->common.episodes; i++) {
        MAAS_TRY(tab_episode(&t, i));
    }

    MAAS_TRY(tab_finish(&t));
    MAAS_TRY(maas_rl_evaluate(j, MAAS_RL_TEST, t.p->common.evaluate,
                              tab_policy, &t, &score));
    maas_rl_put_score(j, &score);

    return tab_model(&t);
}


/* -- the agents ---------------------------------------------------------- */

static const maas_param_t  tab_params[] = {
    MAAS_RL_PARAMS(500, 0.5),
    MAAS_RL_NUMBER(tab_param_t, power, "learning_rate_power", 0, 0, 1, false,
                   "the rate is divided by the visits of state and action, "
                   "to this power; 0: constant"),
    MAAS_RL_NUMBER(tab_param_t, initial, "initial", 0, -1e300, 1e300, false,
                   "what an action is worth at first")
};

const maas_rl_agent_row_t  maas_rl_q_learning = {
    .name = "q_learning",
    .about = "a table, learned towards the best action that follows",
    .param = tab_params,
    .n_param = maas_nelts(tab_params),
    .param_size = sizeof(tab_param_t),
    .epsilon = { 0.1, 0.1, 0 },
    .train = tab_train
};

const maas_rl_agent_row_t  maas_rl_sarsa = {
    .name = "sarsa",
    .about = "a table, learned towards the action that is taken next",
    .param = tab_params,
    .n_param = maas_nelts(tab_params),
    .param_size = sizeof(tab_param_t),
    .epsilon = { 0.1, 0.1, 0 },
    .train = tab_train
};
