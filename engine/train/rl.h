/*
 * rl: reinforcement learning: environments and agents that learn to act in
 * them.  Both are rows of tables: specifications, documentation and tests
 * read them.  What an agent learned is a model like any other.
 *
 * Whatever is random is a function of (seed, stream, episode, step), so that
 * a run gives the same bits on any number of threads.
 *
 * Ownership: what is parsed or learned lies in the job's arena.
 * Threads:   reentrant.
 */

#ifndef MAAS_RL_H
#define MAAS_RL_H

#include <stdatomic.h>

#include "base/random.h"
#include "base/team.h"
#include "graph/raw.h"
#include "kernels/kernels.h"
#include "train/params.h"


/* -- environments -------------------------------------------------------- */

/* Streams of a seed; the sub-stream is the episode. */
enum {
    MAAS_RL_LEARN = 0x726c0001u,        /* episodes of learning */
    MAAS_RL_ACT,                        /* choices of the agent */
    MAAS_RL_REPLAY,                     /* what it remembers */
    MAAS_RL_CHECK,                      /* greedy episodes on the way */
    MAAS_RL_TEST                        /* greedy episodes at the end */
};

/* An episode begins with numbers 0 .. 15 of its stream; step t = 0, 1, ...
 * takes those from MAAS_RL_DRAW(t), four at most. */
#define MAAS_RL_DRAW(t)  (16 + 4 * (uint64_t) (t))

typedef union {
    double   x[4];              /* cart_pole: x, x', angle, angle' */
    int64_t  cell;              /* worlds of cells: row * width + column */
} maas_rl_state_t;

typedef struct {
    double  reward;
    bool    terminal;           /* nothing comes after */
} maas_rl_result_t;

typedef struct maas_rl_env_row_s  maas_rl_env_row_t;

/* An environment with its parameters; constant once it is parsed. */
typedef struct {
    const maas_rl_env_row_t  *row;
    const void               *param;
    const void               *world;        /* of the row */
    int64_t                   max_steps;    /* of an episode */
    int64_t                   n_state;      /* 0: they have no numbers */
    int64_t                   n_obs;        /* float32 of an observation */
    int                       n_action;
    const char *const        *action;       /* their names */
    const char *const        *feature;      /* of the observation, or NULL */
} maas_rl_env_t;

struct maas_rl_env_row_s {
    const char          *name;
    const char          *about;
    const maas_param_t  *param;             /* the first is max_steps */
    uint8_t              n_param;
    uint16_t             param_size;
    /* Sets e's members from e->param. */
    maas_status_t      (*setup)(maas_rl_env_t *e, maas_arena_t *a,
                                maas_err_t *err);
    /* Functions of their arguments: r is the stream of the episode. */
    void               (*reset)(const maas_rl_env_t *e,
                                const maas_random_t *r, maas_rl_state_t *s);
    maas_rl_result_t   (*step)(const maas_rl_env_t *e,
                               const maas_random_t *r, int64_t t, int action,
                               maas_rl_state_t *s);
    void               (*observe)(const maas_rl_env_t *e,
                                  const maas_rl_state_t *s, float *obs);
};

/* Members of every environment's parameters, at the front of the struct. */
typedef struct {
    int64_t  max_steps;
} maas_rl_env_param_t;

#define MAAS_RL_MAX_STEPS(n)                                                  \
    { .name = "max_steps", .type = MAAS_PARAM_INT, .def = n, .min = 1,        \
      .max = 1 << 30, .off = offsetof(maas_rl_env_param_t, max_steps),        \
      .about = "steps after which an episode is cut off" }

/* Closed by NULL. */
extern const maas_rl_env_row_t *const  maas_rl_env_rows[];
extern const maas_rl_env_row_t         maas_rl_cliff_walk;
extern const maas_rl_env_row_t         maas_rl_grid_world;
extern const maas_rl_env_row_t         maas_rl_cart_pole;

/* "cart_pole", or {"type":"cart_pole",...}. */
maas_status_t maas_rl_env_parse(maas_arena_t *a, const json_t *spec,
    maas_rl_env_t *e, maas_err_t *err);


/* -- agents -------------------------------------------------------------- */

typedef struct {
    double   start, end;
    int64_t  episodes;          /* from start to end; 0: all of them */
    int64_t  decay;             /* 0: linear, 1: exponential */
} maas_rl_epsilon_t;

/* Members of every agent's parameters, at the front of the struct. */
typedef struct {
    const json_t  *environment;
    const json_t  *epsilon;
    int64_t        episodes;
    int64_t        evaluate;            /* greedy episodes at the end */
    double         rate;
    double         discount;
} maas_rl_param_t;

#define MAAS_RL_NUMBER(s, m, n, d, lo, hi, op, text)                          \
    { .name = n, .type = MAAS_PARAM_NUMBER, .off = offsetof(s, m),            \
      .def = d, .min = lo, .max = hi, .open = op, .about = text }

#define MAAS_RL_INT(s, m, n, d, lo, hi, text)                                 \
    { .name = n, .type = MAAS_PARAM_INT, .off = offsetof(s, m), .def = d,     \
      .min = lo, .max = hi, .about = text }

#define MAAS_RL_PARAMS(n, lr)                                                 \
    { .name = "environment", .type = MAAS_PARAM_JSON, .required = true,       \
      .off = offsetof(maas_rl_param_t, environment),                          \
      .about = "a name, or an object with \"type\" and parameters" },         \
    MAAS_RL_INT(maas_rl_param_t, episodes, "episodes", n, 1, 1 << 30,         \
                "to learn from"),                                             \
    MAAS_RL_NUMBER(maas_rl_param_t, rate, "learning_rate", lr, 0, 1, true,    \
                   "size of a step"),                                         \
    MAAS_RL_NUMBER(maas_rl_param_t, discount, "discount", 0.99, 0, 1, false,  \
                   "what a reward is worth a step later"),                    \
    { .name = "epsilon", .type = MAAS_PARAM_JSON,                             \
      .off = offsetof(maas_rl_param_t, epsilon),                              \
      .about = "chance of an action at random: a number, or an object" },     \
    MAAS_RL_INT(maas_rl_param_t, evaluate, "evaluate_episodes", 100, 1,       \
                1 << 20, "of the policy that was learned")

typedef struct maas_rl_agent_row_s  maas_rl_agent_row_t;

typedef struct {
    /* Given. */
    const json_t         *model;        /* {"type":"dqn",...} */
    uint64_t              seed;
    const maas_host_t    *host;
    const maas_kernels_t *k;
    maas_arena_t         *arena;
    maas_team_t          *team;         /* carries the call; NULL: alone */
    const atomic_bool    *cancel;       /* NULL, or polled: MAAS_ECANCEL */
    /* A JSON object about some episodes, some 100 times a run. */
    void                (*told)(void *ctx, int64_t done, int64_t of,
                                maas_str_t text);
    void                 *ctx;

    /* Answers; members of JSON objects, and objects with commas between. */
    const maas_rl_agent_row_t  *row;
    maas_rl_env_t               env;
    const maas_raw_model_t     *result;
    maas_buf_t                 *metrics;
    maas_buf_t                 *training;
    maas_buf_t                 *history;

    /* Between the files of rl. */
    const void           *param;
    maas_rl_epsilon_t     epsilon;
    struct {
        double   sum, steps;            /* since it was told last */
        double   all, all_steps;        /* of all episodes */
        int64_t  n, n_all;
    } seen;
    maas_err_t           *err;
} maas_rl_job_t;

/*
 * The model that is served:
 *   in    "state" int64 [N] (tabular), or "observation" float32 [N,n_obs]
 *   out   "values" float32 [N,n_action]: what each action is worth
 *         "action" int64 [N]: the best, the first of equal ones
 */
struct maas_rl_agent_row_s {
    const char          *name;
    const char          *about;
    const maas_param_t  *param;
    uint8_t              n_param;
    uint16_t             param_size;
    maas_rl_epsilon_t    epsilon;       /* when nothing is said */
    maas_status_t      (*train)(maas_rl_job_t *j);
};

/* Closed by NULL. */
extern const maas_rl_agent_row_t *const  maas_rl_agent_rows[];
extern const maas_rl_agent_row_t         maas_rl_q_learning;
extern const maas_rl_agent_row_t         maas_rl_sarsa;
extern const maas_rl_agent_row_t         maas_rl_dqn;

extern const maas_param_t  maas_rl_epsilon_params[];
extern const size_t        maas_rl_n_epsilon;

/* NULL when unknown. */
const maas_rl_agent_row_t *maas_rl_agent_find(maas_str_t name);

/* Errors begin with "model". */
maas_status_t maas_rl_train(maas_rl_job_t *j, maas_err_t *err);


/* -- between the files of rl --------------------------------------------- */

/* The chance of an action at random in episode e = 0, 1, ... */
double maas_rl_explore(const maas_rl_job_t *j, int64_t e);

/* Counts an episode, and says what was seen when it is time; what: more
 * members of the object (",\"loss\":1"), or "". */
maas_status_t maas_rl_seen(maas_rl_job_t *j, int64_t episode, double reward,
    int64_t steps, const char *what);

/* Actions for n states. */
typedef maas_status_t (*maas_rl_policy_pt)(void *ctx,
    const maas_rl_state_t *s, int64_t n, int *action, maas_err_t *err);

typedef struct {
    double  mean, deviation, low;       /* of the sums of rewards */
    double  steps;                      /* mean */
} maas_rl_score_t;

/* n episodes of a stream at once, without exploring. */
maas_status_t maas_rl_evaluate(const maas_rl_job_t *j, uint32_t stream,
    int64_t n, maas_rl_policy_pt policy, void *ctx, maas_rl_score_t *score);

/* ,"name":value */
void maas_rl_put(maas_buf_t *b, const char *name, double v);

/* Of the policy that was learned, among the metrics. */
void maas_rl_put_score(maas_rl_job_t *j, const maas_rl_score_t *s);

#endif
