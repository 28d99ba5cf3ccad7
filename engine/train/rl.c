/*
 * rl.c: what agents have in common: their tables, specification, chances,
 * what is told, and the score of a policy.  See rl.h.
 *
 * Ownership: what is parsed lies in the job's arena.
 * Threads:   reentrant.
 */

#include <stdio.h>

#include "train/rl.h"


static const char *const  rl_decays[] = { "linear", "exponential", NULL };

const maas_param_t  maas_rl_epsilon_params[] = {
    { .name = "start", .type = MAAS_PARAM_NUMBER, .required = true,
      .off = offsetof(maas_rl_epsilon_t, start), .min = 0, .max = 1,
      .about = "chance in the first episode" },
    { .name = "end", .type = MAAS_PARAM_NUMBER, .def = 0.05,
      .off = offsetof(maas_rl_epsilon_t, end), .min = 0, .max = 1,
      .about = "chance it comes down to" },
    { .name = "episodes", .type = MAAS_PARAM_INT,
      .off = offsetof(maas_rl_epsilon_t, episodes), .min = 0, .max = 1 << 30,
      .about = "until then; 0: all" },
    { .name = "decay", .type = MAAS_PARAM_WORD,
      .off = offsetof(maas_rl_epsilon_t, decay), .words = rl_decays,
      .about = "by differences or by factors" }
};

const size_t  maas_rl_n_epsilon = maas_nelts(maas_rl_epsilon_params);

const maas_rl_env_row_t *const  maas_rl_env_rows[] = {
    &maas_rl_cliff_walk,
    &maas_rl_grid_world,
    &maas_rl_cart_pole,
    NULL
};


const maas_rl_agent_row_t *const  maas_rl_agent_rows[] = {
    &maas_rl_q_learning,
    &maas_rl_sarsa,
    &maas_rl_dqn,
    NULL
};


void
maas_rl_put(maas_buf_t *b, const char *name, double v)
{
    maas_buf_puts(b, b->len != 0 ? "," : "");

    if (isfinite(v)) {
        maas_buf_printf(b, "\"%s\":%.9g", name, v);

    } else {
        maas_buf_printf(b, "\"%s\":null", name);
    }
}


void
maas_rl_put_score(maas_rl_job_t *j, const maas_rl_score_t *s)
{
    maas_rl_put(j->metrics, "return", s->mean);
    maas_rl_put(j->metrics, "return_deviation", s->deviation);
    maas_rl_put(j->metrics, "return_min", s->low);
    maas_rl_put(j->metrics, "steps", s->steps);
}


/* -- specifications ------------------------------------------------------ */

static maas_status_t
rl_type(const json_t *spec, const char *what, maas_str_t *type,
    maas_err_t *err)
{
    const json_t  *v = json_is_object(spec) ? json_object_get(spec, "type")
                                            : spec;

    if (!json_is_string(v)) {
        return maas_err(err, MAAS_EINVAL, "%s must be a name, or an object "
                        "with a \"type\"", what);
    }

    *type = (maas_str_t) { json_string_value(v), json_string_length(v) };

    return MAAS_OK;
}


static maas_status_t
rl_unknown(const char *what, const maas_near_t *guess, const char *list,
    maas_err_t *err)
{
    char  near[MAAS_NEAR_TEXT];

    return maas_err(err, MAAS_EINVAL, "%s: unknown type \"%.*s\"%s", what,
                    (int) maas_min(guess->word.len, 60u), guess->word.data,
                    guess->best.data != NULL ? maas_near_text(guess, near)
                                             : list);
}


maas_status_t
maas_rl_env_parse(maas_arena_t *a, const json_t *spec, maas_rl_env_t *e,
    maas_err_t *err)
{
    void                      *param;
    maas_near_t                guess = { 0 };
    const maas_rl_env_row_t   *r = NULL;
    static const char *const   skip[] = { "type", NULL };

    memset(e, 0, sizeof(*e));
    MAAS_TRY(rl_type(spec, "environment", &guess.word, err));

    for (int i = 0; (r = maas_rl_env_rows[i]) != NULL; i++) {
        if (maas_str_is(guess.word, r->name)) {
            break;
        }

        maas_near(&guess, (maas_str_t) { r->name, strlen(r->name) });
    }

    if (r == NULL) {
        return rl_unknown("environment", &guess, "; there are cliff_walk, "
                          "grid_world and cart_pole", err);
    }

    param = maas_arena_alloc(a, r->param_size);
    if (param == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(maas_params_parse(a, json_is_object(spec) ? spec : NULL,
                               r->param, r->n_param, skip, r->name, param,
                               err));
    e->row = r;
    e->param = param;
    e->max_steps = ((const maas_rl_env_param_t *) param)->max_steps;

    return r->setup(e, a, err);
}


const maas_rl_agent_row_t *
maas_rl_agent_find(maas_str_t name)
{
    for (int i = 0; maas_rl_agent_rows[i] != NULL; i++) {
        if (maas_str_is(name, maas_rl_agent_rows[i]->name)) {
            return maas_rl_agent_rows[i];
        }
    }

    return NULL;
}


/* A number: constant. */
static maas_status_t
rl_epsilon(maas_rl_job_t *j, const json_t *spec)
{
    double              v;
    maas_rl_epsilon_t  *e = &j->epsilon;

    if (json_is_object(spec)) {
        MAAS_TRY(maas_params_parse(j->arena, spec, maas_rl_epsilon_params,
                                   maas_rl_n_epsilon, NULL, "epsilon", e,
                                   j->err));

        return e->decay == 0 || (e->start > 0 && e->end > 0) ? MAAS_OK
               : maas_err(j->err, MAAS_EINVAL, "epsilon: an exponential "
                          "decay needs a \"start\" and an \"end\" above 0");
    }

    if (spec == NULL || json_is_null(spec)) {
        *e = j->row->epsilon;
        return MAAS_OK;
    }

    v = json_is_number(spec) ? json_number_value(spec) : -1;
    *e = (maas_rl_epsilon_t) { .start = v, .end = v };

    return v >= 0 && v <= 1 ? MAAS_OK
           : maas_err(j->err, MAAS_EINVAL, "\"epsilon\" must be a number "
                      "from 0 to 1, or an object like {\"start\":1,\"end\""
                      ":0.05}");
}


static maas_status_t
rl_parse(maas_rl_job_t *j)
{
    void                       *param;
    maas_str_t                  type;
    maas_near_t                 guess = { 0 };
    const maas_rl_param_t      *p;
    static const char *const    skip[] = { "type", NULL };

    MAAS_TRY(rl_type(j->model, "it", &type, j->err));
    j->row = maas_rl_agent_find(type);

    if (j->row == NULL) {
        guess.word = type;

        for (int i = 0; maas_rl_agent_rows[i] != NULL; i++) {
            maas_near(&guess, (maas_str_t) {
                maas_rl_agent_rows[i]->name,
                strlen(maas_rl_agent_rows[i]->name)
            });
        }

        return rl_unknown("agent", &guess, "; there are q_learning, sarsa "
                          "and dqn", j->err);
    }

    param = maas_arena_alloc(j->arena, j->row->param_size);
    if (param == NULL) {
        return maas_err_nomem(j->err);
    }

    MAAS_TRY(maas_params_parse(j->arena, j->model, j->row->param,
                               j->row->n_param, skip, j->row->name, param,
                               j->err));
    j->param = param;
    p = param;
    MAAS_TRY(rl_epsilon(j, p->epsilon));

    return maas_rl_env_parse(j->arena, p->environment, &j->env, j->err);
}


/* -- episodes ------------------------------------------------------------ */

double
maas_rl_explore(const maas_rl_job_t *j, int64_t e)
{
    double                    at;
    int64_t                   n;
    const maas_rl_param_t    *p = j->param;
    const maas_rl_epsilon_t  *s = &j->epsilon;

    n = s->episodes != 0 ? s->episodes : p->episodes - 1;

    if (e >= n) {
        return s->end;
    }

    at = (double) e / (double) n;

    return s->decay == 0 ? s->start + (s->end - s->start) * at
                         : s->start * pow(s->end / s->start, at);
}


maas_status_t
maas_rl_seen(maas_rl_job_t *j, int64_t episode, double reward, int64_t steps,
    const char *what)
{
    char                    text[400];
    int                     n;
    const maas_rl_param_t  *p = j->param;
    int64_t                 of = p->episodes, group = (of + 99) / 100;

    j->seen.sum += reward;
    j->seen.steps += (double) steps;
    j->seen.all += reward;
    j->seen.all_steps += (double) steps;
    j->seen.n++;
    j->seen.n_all++;

    if (j->cancel != NULL && atomic_load(j->cancel)) {
        return maas_err(j->err, MAAS_ECANCEL, "stopped in episode %lld",
                        (long long) episode + 1);
    }

    if ((episode + 1) % group != 0 && episode + 1 != of) {
        return MAAS_OK;
    }

    n = snprintf(text, sizeof(text), "{\"episode\":%lld,\"return\":%.9g,"
                 "\"steps\":%.9g,\"epsilon\":%.9g%s}",
                 (long long) episode + 1, j->seen.sum / (double) j->seen.n,
                 j->seen.steps / (double) j->seen.n,
                 maas_rl_explore(j, episode), what);
    n = (int) maas_min((size_t) n, sizeof(text) - 1);

    maas_buf_puts(j->history, j->history->len != 0 ? "," : "");
    maas_buf_add(j->history, text, (size_t) n);

    if (j->told != NULL) {
        j->told(j->ctx, episode + 1, of, (maas_str_t) { text, (size_t) n });
    }

    j->seen.sum = j->seen.steps = 0;
    j->seen.n = 0;

    return MAAS_OK;
}


/* -- score --------------------------------------------------------------- */

typedef struct {
    maas_rl_state_t  *state;
    double           *sum;
    int              *action;
    bool             *over;
} rl_many_t;


static maas_status_t
rl_play(const maas_rl_job_t *j, uint32_t stream, int64_t n,
    maas_rl_policy_pt policy, void *ctx, const rl_many_t *m, double *steps)
{
    int64_t               left = n;
    maas_random_t         r;
    maas_rl_result_t      got;
    const maas_rl_env_t  *e = &j->env;

    for (int64_t i = 0; i < n; i++) {
        r = maas_random(j->seed, stream, (uint32_t) i);
        e->row->reset(e, &r, &m->state[i]);
        m->sum[i] = 0;
        m->over[i] = false;
    }

    for (int64_t t = 0; t < e->max_steps && left != 0; t++) {
        if (j->cancel != NULL && atomic_load(j->cancel)) {
            return maas_err(j->err, MAAS_ECANCEL, "stopped while the policy "
                            "was tried");
        }

        MAAS_TRY(policy(ctx, m->state, n, m->action, j->err));

        for (int64_t i = 0; i < n; i++) {
            if (m->over[i]) {
                continue;
            }

            r = maas_random(j->seed, stream, (uint32_t) i);
            got = e->row->step(e, &r, t, m->action[i], &m->state[i]);
            m->sum[i] += got.reward;
            m->over[i] = got.terminal;
            left -= got.terminal;
            *steps += 1;
        }
    }

    return MAAS_OK;
}


static void
rl_score(const double *sum, int64_t n, double steps, maas_rl_score_t *s)
{
    *s = (maas_rl_score_t) { .low = sum[0], .steps = steps / (double) n };

    for (int64_t i = 0; i < n; i++) {
        s->mean += sum[i];
        s->low = maas_min(s->low, sum[i]);
    }

    s->mean /= (double) n;

    for (int64_t i = 0; i < n; i++) {
        s->deviation += (sum[i] - s->mean) * (sum[i] - s->mean) / (double) n;
    }

    s->deviation = sqrt(s->deviation);
}


maas_status_t
maas_rl_evaluate(const maas_rl_job_t *j, uint32_t stream, int64_t n,
    maas_rl_policy_pt policy, void *ctx, maas_rl_score_t *score)
{
    double         steps = 0;
    rl_many_t      m;
    maas_arena_t   a;
    maas_status_t  rc;

    maas_arena_init(&a, j->host, 0);
    m.state = maas_arena_array(&a, (size_t) n, sizeof(*m.state));
    m.sum = maas_arena_array(&a, (size_t) n, sizeof(*m.sum));
    m.action = maas_arena_array(&a, (size_t) n, sizeof(*m.action));
    m.over = maas_arena_array(&a, (size_t) n, sizeof(*m.over));

    if (m.state == NULL || m.sum == NULL || m.action == NULL
        || m.over == NULL)
    {
        rc = maas_err_nomem(j->err);

    } else {
        rc = rl_play(j, stream, n, policy, ctx, &m, &steps);
    }

    if (rc == MAAS_OK) {
        rl_score(m.sum, n, steps, score);
    }

    maas_arena_destroy(&a);
    return rc;
}


/* -- training ------------------------------------------------------------ */

maas_status_t
maas_rl_train(maas_rl_job_t *j, maas_err_t *err)
{
    uint64_t       start = maas_now_ns();
    maas_status_t  rc;

    j->err = err;
    memset(&j->seen, 0, sizeof(j->seen));

    rc = rl_parse(j);

    if (rc == MAAS_OK) {
        rc = j->row->train(j);
    }

    if (rc != MAAS_OK) {
        return maas_err_prefix(err, "model");
    }

    maas_rl_put(j->metrics, "training_return",
                j->seen.all / (double) maas_max(j->seen.n_all, 1));
    maas_buf_printf(j->training, "%s\"agent\":\"%s\",\"environment\":\"%s\"",
                    j->training->len != 0 ? "," : "", j->row->name,
                    j->env.row->name);
    maas_rl_put(j->training, "episodes", (double) j->seen.n_all);
    maas_rl_put(j->training, "steps", j->seen.all_steps);
    maas_rl_put(j->training, "seconds",
                (double) (maas_now_ns() - start) / 1e9);

    return j->metrics->failed || j->training->failed || j->history->failed
           ? maas_err_nomem(err) : MAAS_OK;
}
