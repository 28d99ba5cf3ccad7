/*
 * rl_dqn.c: deep Q-learning: a network learns what actions are worth from
 * steps that it remembers, towards a copy of itself that is renewed from time
 * to time.  Mnih et al., "Human-level control through deep reinforcement
 * learning", 2015; double: van Hasselt et al., 2016.  Loss of Huber, Adam.
 * See rl.h.
 *
 * Episodes that were cut off are no ends: only terminal states are worth 0.
 */

#include <stdio.h>

#include "train/optim.h"
#include "train/rl_net.h"


#define DQN_MEMORY  (1 << 22)           /* steps that may be remembered */
#define DQN_OBS     (1 << 26)           /* numbers of a batch */

typedef struct {
    maas_rl_param_t    common;
    maas_param_ints_t  hidden;
    int64_t            batch;
    int64_t            replay;
    int64_t            warmup;
    int64_t            every;
    int64_t            target;
    bool               twice;           /* "double" */
    double             clip;
    int64_t            check;
    double             stop;
} dqn_param_t;

typedef struct {
    maas_rl_state_t  from, to;
    float            reward;
    int16_t          action;
    bool             terminal;
} dqn_step_t;

typedef struct {
    maas_rl_job_t        *j;
    const dqn_param_t    *p;
    const maas_rl_env_t  *e;
    maas_team_t          *team;         /* NULL: the network is small */
    maas_rl_models_t      m;
    maas_weights_t        w;
    float                *copy, *best, *moment[MAAS_OPTIM_MOMENTS];
    maas_rl_net_t        *net, *target;
    maas_fitnet_t        *fit;
    maas_optim_t          optim;
    dqn_step_t           *memory;
    int64_t               n_memory;     /* steps in it */
    int64_t               step;         /* of all episodes */
    int64_t               updates;
    /* A batch. */
    const dqn_step_t    **pick;
    float                *obs, *next, *mask, *goal;
    int                  *wise;         /* best next actions, double */
    float                *seen;         /* observations of a policy */
    int64_t               n_seen;
    double                loss;         /* since it was told last */
    int64_t               n_loss;
    maas_rl_score_t       score;        /* best one so far */
    bool                  scored;
} dqn_t;


/* -- choices ------------------------------------------------------------- */

static int
dqn_first_best(const float *v, int n)
{
    int  best = 0;

    for (int a = 1; a < n; a++) {
        best = v[a] > v[best] ? a : best;
    }

    return best;
}


static maas_status_t
dqn_act(dqn_t *d, const maas_random_t *r, int64_t i, double epsilon,
    const maas_rl_state_t *s, int *action)
{
    const float  *v;

    if (epsilon > 0 && maas_random_unit(r, MAAS_RL_DRAW(i)) < epsilon) {
        *action = (int) maas_random_below(r, MAAS_RL_DRAW(i) + 1,
                                          (uint64_t) d->e->n_action);
        return MAAS_OK;
    }

    d->e->row->observe(d->e, s, d->obs);
    MAAS_TRY(maas_rl_net_run(d->net, d->obs, 1, d->team, &v, d->j->err));
    *action = dqn_first_best(v, d->e->n_action);

    return MAAS_OK;
}


/* As many at a time as there is room for. */
static maas_status_t
dqn_policy(void *ctx, const maas_rl_state_t *s, int64_t n, int *action,
    maas_err_t *err)
{
    dqn_t        *d = ctx;
    int64_t       part;
    const float  *v;

    for (int64_t i = 0; i < n; i += part) {
        part = maas_min(n - i, d->n_seen);

        for (int64_t k = 0; k < part; k++) {
            d->e->row->observe(d->e, &s[i + k], d->seen + k * d->e->n_obs);
        }

        MAAS_TRY(maas_rl_net_run(d->net, d->seen, part, d->team, &v, err));

        for (int64_t k = 0; k < part; k++) {
            action[i + k] = dqn_first_best(v + k * d->e->n_action,
                                           d->e->n_action);
        }
    }

    return MAAS_OK;
}


/* -- a step of the optimiser --------------------------------------------- */

static maas_status_t
dqn_update(dqn_t *d, float loss)
{
    double          sum = 0, scale = 1;
    unsigned        fp;
    const float    *g;
    maas_optim_k_t  coef;
    maas_optim_pt   kernel;

    for (uint32_t i = 0; i < d->w.n; i++) {
        g = maas_fitnet_grad(d->fit, i);

        for (int64_t k = 0; g != NULL && k < d->w.seg[i].count; k++) {
            sum += (double) g[k] * g[k];
        }
    }

    if (!isfinite(sum) || !isfinite(loss)) {
        return maas_err(d->j->err, MAAS_EINVAL, "dqn: diverged at step %lld: "
                        "the %s is no finite number; smaller rewards or a "
                        "smaller \"learning_rate\" may help",
                        (long long) d->step, isfinite(sum) ? "loss"
                                                           : "gradient");
    }

    if (d->p->clip > 0) {
        scale = maas_min(1, d->p->clip / (sqrt(sum) + 1e-6));
    }

    d->updates++;
    maas_optim_coef(&d->optim, d->updates, d->optim.common.rate, scale, true,
                    &coef);
    kernel = maas_optim_kernel(d->j->k, d->optim.row->kernel(&d->optim));
    fp = maas_fp_enter();

    for (uint32_t i = 0; i < d->w.n; i++) {
        g = maas_fitnet_grad(d->fit, i);

        if (g != NULL) {
            kernel(d->w.data + d->w.seg[i].off, g,
                   d->moment[0] + d->w.seg[i].off,
                   d->moment[1] + d->w.seg[i].off, d->w.seg[i].count, &coef);
        }
    }

    maas_fp_leave(fp);
    return MAAS_OK;
}


/* goal[i] = reward + discount * what the next state is worth. */
static maas_status_t
dqn_goals(dqn_t *d)
{
    int           n_action = d->e->n_action;
    double        next;
    const float  *v;

    if (d->p->twice) {
        MAAS_TRY(maas_rl_net_run(d->net, d->next, d->p->batch, d->team, &v,
                                 d->j->err));

        for (int64_t i = 0; i < d->p->batch; i++) {
            d->wise[i] = dqn_first_best(v + i * n_action, n_action);
        }
    }

    MAAS_TRY(maas_rl_net_run(d->target, d->next, d->p->batch, d->team, &v,
                             d->j->err));

    for (int64_t i = 0; i < d->p->batch; i++, v += n_action) {
        next = v[d->p->twice ? d->wise[i] : dqn_first_best(v, n_action)];
        d->goal[i] = d->pick[i]->reward;

        if (!d->pick[i]->terminal) {
            d->goal[i] += (float) (d->p->common.discount * next);
        }
    }

    return MAAS_OK;
}


static maas_status_t
dqn_learn(dqn_t *d)
{
    int64_t              n = d->p->batch, width = d->e->n_obs;
    maas_random_t        r = maas_random(d->j->seed, MAAS_RL_REPLAY, 0);
    maas_tensor_t        in[2] = { { 0 } };
    maas_fitnet_run_t    run = { .in = in, .team = d->team,
                                 .step = d->updates };

    memset(d->mask, 0, (size_t) (n * d->e->n_action) * sizeof(float));

    for (int64_t i = 0; i < n; i++) {
        d->pick[i] = &d->memory[maas_random_below(
                                    &r, (uint64_t) (d->updates * n + i),
                                    (uint64_t) d->n_memory)];
        d->e->row->observe(d->e, &d->pick[i]->from, d->obs + i * width);
        d->e->row->observe(d->e, &d->pick[i]->to, d->next + i * width);
        d->mask[i * d->e->n_action + d->pick[i]->action] = 1;
    }

    MAAS_TRY(dqn_goals(d));

    in[0] = (maas_tensor_t) { .data = d->obs, .dtype = MAAS_F32, .rank = 2,
                              .dims = { n, width },
                              .bytes = (size_t) (n * width) * 4 };
    in[1] = (maas_tensor_t) { .data = d->mask, .dtype = MAAS_F32, .rank = 2,
                              .dims = { n, d->e->n_action },
                              .bytes = (size_t) (n * d->e->n_action) * 4 };
    run.target = (maas_tensor_t) { .data = d->goal, .dtype = MAAS_F32,
                                   .rank = 2, .dims = { n, 1 },
                                   .bytes = (size_t) n * 4 };
    MAAS_TRY(maas_fitnet_run(d->fit, &run, d->j->err));
    d->loss += run.loss;
    d->n_loss++;

    return dqn_update(d, run.loss);
}


/* -- episodes ------------------------------------------------------------ */

static maas_status_t
dqn_step(dqn_t *d)
{
    const dqn_param_t  *p = d->p;

    d->step++;

    if (d->step >= p->warmup && d->step % p->every == 0) {
        MAAS_TRY(dqn_learn(d));
    }

    if (d->step % p->target == 0) {
        memcpy(d->copy, d->w.data, (size_t) d->w.total * sizeof(float));
    }

    return MAAS_OK;
}


static maas_status_t
dqn_told(dqn_t *d, int64_t episode, double sum, int64_t steps)
{
    char            text[120] = "";
    int64_t         told = d->j->seen.n;
    maas_status_t   rc;

    if (d->n_loss != 0) {
        snprintf(text, sizeof(text), ",\"loss\":%.9g",
                 d->loss / (double) d->n_loss);
    }

    rc = maas_rl_seen(d->j, episode, sum, steps, text);

    if (d->j->seen.n <= told) {
        d->loss = 0;
        d->n_loss = 0;
    }

    return rc;
}


static maas_status_t
dqn_episode(dqn_t *d, int64_t episode)
{
    double                sum = 0, epsilon = maas_rl_explore(d->j, episode);
    int                   action;
    int64_t               k = 0;
    dqn_step_t           *m;
    maas_random_t         r, act;
    maas_rl_state_t       s;
    maas_rl_result_t      got = { 0 };
    const maas_rl_env_t  *e = d->e;

    r = maas_random(d->j->seed, MAAS_RL_LEARN, (uint32_t) episode);
    act = maas_random(d->j->seed, MAAS_RL_ACT, (uint32_t) episode);
    e->row->reset(e, &r, &s);

    while (k < e->max_steps && !got.terminal) {
        if (d->j->cancel != NULL && atomic_load(d->j->cancel)) {
            return maas_err(d->j->err, MAAS_ECANCEL, "stopped at step %lld",
                            (long long) d->step);
        }

        MAAS_TRY(dqn_act(d, &act, k, epsilon, &s, &action));

        m = &d->memory[d->step % d->p->replay];
        m->from = s;
        got = e->row->step(e, &r, k++, action, &s);
        m->to = s;
        m->action = (int16_t) action;
        m->reward = (float) got.reward;
        m->terminal = got.terminal;
        d->n_memory = maas_min(d->n_memory + 1, d->p->replay);
        sum += got.reward;

        MAAS_TRY(dqn_step(d));
    }

    return dqn_told(d, episode, sum, k);
}


/* Keeps the best weights; *stop: they are good enough. */
static maas_status_t
dqn_check(dqn_t *d, bool *stop)
{
    maas_rl_score_t  s;

    MAAS_TRY(maas_rl_evaluate(d->j, MAAS_RL_CHECK, d->p->common.evaluate,
                              dqn_policy, d, &s));

    if (!d->scored || s.mean > d->score.mean) {
        d->scored = true;
        d->score = s;
        memcpy(d->best, d->w.data, (size_t) d->w.total * sizeof(float));
    }

    *stop = s.mean >= d->p->stop;

    return MAAS_OK;
}


static maas_status_t
dqn_episodes(dqn_t *d)
{
    bool      stop = false;
    int64_t   n = d->p->common.episodes;

    for (int64_t i = 0; i < n && !stop; i++) {
        MAAS_TRY(dqn_episode(d, i));

        if (d->p->check != 0 && ((i + 1) % d->p->check == 0 || i + 1 == n)) {
            MAAS_TRY(dqn_check(d, &stop));
        }
    }

    if (d->scored) {
        memcpy(d->w.data, d->best, (size_t) d->w.total * sizeof(float));
    }

    return MAAS_OK;
}


/* -- making and ending --------------------------------------------------- */

static maas_status_t
dqn_batch(dqn_t *d)
{
    size_t         n = (size_t) d->p->batch, width = (size_t) d->e->n_obs;
    int64_t        all;
    maas_arena_t  *a = d->j->arena;

    if (!maas_mul_i64(d->p->batch, d->e->n_obs, &all) || all > DQN_OBS) {
        return maas_err(d->j->err, MAAS_ELIMIT, "dqn: a batch of %lld "
                        "observations of %lld numbers is too large",
                        (long long) d->p->batch, (long long) d->e->n_obs);
    }

    d->n_seen = maas_max(1, maas_min(d->p->common.evaluate,
                                     DQN_OBS / d->e->n_obs));
    d->memory = maas_arena_array(a, (size_t) d->p->replay,
                                 sizeof(*d->memory));
    d->pick = maas_arena_array(a, n, sizeof(*d->pick));
    d->obs = maas_arena_array(a, n * width, sizeof(float));
    d->next = maas_arena_array(a, n * width, sizeof(float));
    d->mask = maas_arena_array(a, n * (size_t) d->e->n_action,
                               sizeof(float));
    d->goal = maas_arena_array(a, n, sizeof(float));
    d->wise = maas_arena_array(a, n, sizeof(*d->wise));
    d->seen = maas_arena_array(a, (size_t) d->n_seen * width, sizeof(float));

    return d->memory != NULL && d->pick != NULL && d->obs != NULL
           && d->next != NULL && d->mask != NULL && d->goal != NULL
           && d->wise != NULL && d->seen != NULL
           ? MAAS_OK : maas_err_nomem(d->j->err);
}


static maas_status_t
dqn_weights(dqn_t *d)
{
    maas_rl_job_t  *j = d->j;

    MAAS_TRY(maas_rl_models(j, &d->p->hidden, &d->m));
    MAAS_TRY(maas_weights_create(&d->w, j->arena, j->host, d->m.chosen,
                                 d->m.seg, d->m.n_seg, j->err));
    d->copy = maas_weights_buffer(&d->w);
    d->best = maas_weights_buffer(&d->w);
    d->moment[0] = maas_weights_buffer(&d->w);
    d->moment[1] = maas_weights_buffer(&d->w);

    if (d->copy == NULL || d->best == NULL || d->moment[0] == NULL
        || d->moment[1] == NULL)
    {
        return maas_err_nomem(j->err);
    }

    memcpy(d->copy, d->w.data, (size_t) d->w.total * sizeof(float));

    return MAAS_OK;
}


static maas_status_t
dqn_create(dqn_t *d)
{
    json_t              *huber;
    maas_loss_t          loss;
    maas_rl_job_t       *j = d->j;
    maas_status_t        rc;
    maas_fitnet_spec_t   spec = { .weights = &d->w, .loss = &loss,
                                  .host = j->host, .k = j->k, .train = true };

    MAAS_TRY(dqn_weights(d));
    MAAS_TRY(dqn_batch(d));
    MAAS_TRY(maas_optim_parse(j->arena, NULL, &d->optim, j->err));
    d->optim.common.rate = d->p->common.rate;

    huber = json_string("huber");
    if (huber == NULL) {
        return maas_err_nomem(j->err);
    }

    rc = maas_loss_parse(j->arena, huber, &loss, j->err);
    json_decref(huber);
    MAAS_TRY(rc);

    spec.model = d->m.chosen;
    MAAS_TRY(maas_fitnet_create(&d->fit, &spec, j->err));
    MAAS_TRY(maas_rl_net_create(&d->net, j, d->m.values, &d->w, d->w.data));

    return maas_rl_net_create(&d->target, j, d->m.values, &d->w, d->copy);
}


static maas_status_t
dqn_finish(dqn_t *d)
{
    float            *data;
    maas_rl_job_t    *j = d->j;
    maas_rl_score_t   s;

    MAAS_TRY(maas_rl_evaluate(j, MAAS_RL_TEST, d->p->common.evaluate,
                              dqn_policy, d, &s));
    maas_rl_put_score(j, &s);
    maas_rl_put(j->training, "updates", (double) d->updates);

    data = maas_arena_dup(j->arena, d->w.data,
                          (size_t) d->w.total * sizeof(float));

    return data == NULL ? maas_err_nomem(j->err)
           : maas_weights_model(&d->w, j->arena, d->m.served, data,
                                &j->result, j->err);
}


static maas_status_t
dqn_train(maas_rl_job_t *j)
{
    dqn_t                 d = { .j = j, .e = &j->env };
    dqn_param_t           p = *(const dqn_param_t *) j->param;
    maas_status_t         rc;
    static const int64_t  hidden[] = { 64, 64 };

    if (p.hidden.v == NULL) {
        p.hidden.v = hidden;
        p.hidden.n = maas_nelts(hidden);
    }

    p.warmup = maas_max(p.warmup, 1);
    d.p = &p;

    rc = dqn_create(&d);

    if (rc == MAAS_OK) {
        /* Threads are worth it from some 10^7 operations a batch. */
        d.team = d.w.total > 5000000 / p.batch ? j->team : NULL;
        rc = dqn_episodes(&d);
    }

    if (rc == MAAS_OK) {
        rc = dqn_finish(&d);
    }

    maas_rl_net_destroy(d.net);
    maas_rl_net_destroy(d.target);
    maas_fitnet_destroy(d.fit);
    maas_weights_drop(&d.w, d.copy);
    maas_weights_drop(&d.w, d.best);
    maas_weights_drop(&d.w, d.moment[0]);
    maas_weights_drop(&d.w, d.moment[1]);
    maas_weights_destroy(&d.w);

    return rc;
}


static const maas_param_t  dqn_params[] = {
    MAAS_RL_PARAMS(600, 0.002),
    { .name = "hidden", .type = MAAS_PARAM_INTS, .min = 1, .max = 1 << 16,
      .off = offsetof(dqn_param_t, hidden),
      .about = "units of the layers; [64,64]" },
    MAAS_RL_INT(dqn_param_t, batch, "batch_size", 64, 1, 1 << 16,
                "steps of an update"),
    MAAS_RL_INT(dqn_param_t, replay, "replay", 50000, 1, DQN_MEMORY,
                "steps that are remembered"),
    MAAS_RL_INT(dqn_param_t, warmup, "warmup", 500, 0, 1 << 30,
                "steps before the first update"),
    MAAS_RL_INT(dqn_param_t, every, "train_every", 2, 1, 1 << 20,
                "steps from one update to the next"),
    MAAS_RL_INT(dqn_param_t, target, "target_every", 256, 1, 1 << 30,
                "steps from one copy of the network to the next"),
    { .name = "double", .type = MAAS_PARAM_BOOL, .def = 1,
      .off = offsetof(dqn_param_t, twice),
      .about = "the network chooses the next action, its copy says what it "
               "is worth" },
    MAAS_RL_NUMBER(dqn_param_t, clip, "clip_norm", 10, 0, 1e300, false,
                   "the gradient is cut to this norm; 0: not"),
    MAAS_RL_INT(dqn_param_t, check, "evaluate_every", 10, 0, 1 << 30,
                "episodes after which the policy is tried; the best is kept; "
                "0: the last is"),
    MAAS_RL_NUMBER(dqn_param_t, stop, "stop_at", 1e300, -1e300, 1e300, false,
                   "mean return of a trial that ends the training")
};

const maas_rl_agent_row_t  maas_rl_dqn = {
    .name = "dqn",
    .about = "a network, learned from steps that it remembers",
    .param = dqn_params,
    .n_param = maas_nelts(dqn_params),
    .param_size = sizeof(dqn_param_t),
    .epsilon = { 1, 0.04, 150 },
    .train = dqn_train
};
