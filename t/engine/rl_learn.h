/*
 * rl_learn.h: an agent learns, and what it learned is written as ONNX.
 */

#ifndef MAAS_RL_LEARN_H
#define MAAS_RL_LEARN_H

#include <math.h>
#include <stdlib.h>

#include "formats/onnx_write.h"
#include "maas.h"
#include "tap.h"
#include "train/rl.h"


#define CART  "\"type\":\"dqn\",\"environment\":\"cart_pole\""

typedef struct {
    maas_task_t      task;
    maas_arena_t     a;
    maas_rl_job_t    j;
    maas_buf_t       metrics, training, history, onnx;
    json_t          *json;
    maas_status_t    rc;
    maas_err_t       err;
    const atomic_bool  *cancel;
} learn_t;


static const maas_kernels_t *
kernels(void)
{
    maas_cpu_t  level = MAAS_CPU_REF;

    (void) maas_cpu_by_name(maas_cpu(), &level);
    return maas_kernels(level);
}


static void
learn_on(learn_t *l, const char *json, uint64_t seed,
    const maas_host_t *host, maas_team_t *team)
{
    maas_arena_init(&l->a, host, 0);
    maas_buf_init(&l->metrics, host);
    maas_buf_init(&l->training, host);
    maas_buf_init(&l->history, host);
    maas_buf_init(&l->onnx, host);
    l->json = json_loads(json, 0, NULL);
    l->err.text[0] = '\0';
    l->j = (maas_rl_job_t) { .model = l->json, .seed = seed, .host = host,
                             .k = kernels(), .arena = &l->a, .team = team,
                             .cancel = l->cancel, .metrics = &l->metrics,
                             .training = &l->training,
                             .history = &l->history };

    l->rc = maas_rl_train(&l->j, &l->err);

    if (l->rc == MAAS_OK) {
        l->rc = maas_onnx_write(l->j.result, NULL, 0, &l->onnx, &l->err);
    }

    if (l->rc == MAAS_OK && l->onnx.failed) {
        l->rc = MAAS_ENOMEM;
    }
}


__attribute__((unused))
static bool
learn(learn_t *l, const char *json, uint64_t seed)
{
    memset(l, 0, sizeof(*l));
    learn_on(l, json, seed, &maas_host_libc, NULL);

    if (l->rc != MAAS_OK) {
        ok(0, "%s is learned", json);
        printf("# %s\n", l->err.text);
    }

    return l->rc == MAAS_OK;
}


static void
forget(learn_t *l)
{
    maas_buf_destroy(&l->metrics);
    maas_buf_destroy(&l->training);
    maas_buf_destroy(&l->history);
    maas_buf_destroy(&l->onnx);
    maas_arena_destroy(&l->a);
    json_decref(l->json);
}


/* A member of the metrics. */
__attribute__((unused))
static double
metric(const learn_t *l, const char *name)
{
    char         key[64];
    const char  *at;

    snprintf(key, sizeof(key), "\"%s\":", name);
    maas_buf_add((maas_buf_t *) &l->metrics, "", 1);
    at = strstr(l->metrics.data, key);
    ((maas_buf_t *) &l->metrics)->len--;

    return at != NULL ? strtod(at + strlen(key), NULL) : NAN;
}

#endif
