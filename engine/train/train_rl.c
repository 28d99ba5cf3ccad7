/*
 * train_rl: an agent of a specification: it has no data but what it sees in
 * its environment.  See train_run.h and rl.h.
 *
 * Ownership: all is freed before it returns.
 * Threads:   a member of the team, or none.
 */

#include "train/rl.h"
#include "train/train_run.h"


static void
train_rl_told(void *ctx, int64_t done, int64_t of, maas_str_t text)
{
    maas_train_t        *t = ctx;
    maas_train_event_t   e = { .kind = MAAS_TRAIN_EPISODES,
                               .done = (uint64_t) done,
                               .of = (uint64_t) of, .text = text };

    if (t->job->event != NULL) {
        t->job->event(t->job->ctx, &e);
    }
}


static maas_str_t *
train_rl_names(maas_train_t *t, const char *const *name, int64_t n)
{
    maas_str_t  *s;

    s = maas_arena_array(&t->arena, (size_t) n + 1, sizeof(*s));

    for (int64_t i = 0; s != NULL && i < n; i++) {
        s[i] = (maas_str_t) { name[i], strlen(name[i]) };
    }

    return s;
}


/* What model.json and labels.txt say: actions are classes of values. */
static maas_status_t
train_rl_info(maas_train_t *t, const maas_rl_env_t *e)
{
    maas_data_info_t  *i = maas_arena_alloc(&t->arena, sizeof(*i));

    if (i == NULL) {
        return maas_err_nomem(t->err);
    }

    i->n_class = e->n_action;
    i->class_name = train_rl_names(t, e->action, e->n_action);

    if (e->feature != NULL) {
        t->n_feature = e->n_obs;
        t->feature = train_rl_names(t, e->feature, e->n_obs);
    }

    if (i->class_name == NULL || (t->n_feature != 0 && t->feature == NULL)) {
        return maas_err_nomem(t->err);
    }

    t->info = i;
    t->classes = true;

    return MAAS_OK;
}


/* Members that mean nothing here would be believed to be used. */
static maas_status_t
train_rl_members(maas_train_t *t, const char *agent)
{
    void                      *it;
    json_t                    *o = t->job->spec->json;
    const char                *key;
    static const char *const   used[] = {
        "name", "description", "store", "seed", "model", "search"
    };

    for (it = json_object_iter(o); it != NULL;
         it = json_object_iter_next(o, it))
    {
        bool  found = json_is_null(json_object_iter_value(it));

        key = json_object_iter_key(it);

        for (size_t k = 0; k < maas_nelts(used); k++) {
            found = found || strcmp(key, used[k]) == 0;
        }

        if (!found) {
            return maas_err(t->err, MAAS_EINVAL, "\"%.60s\" means nothing to "
                            "an agent (%s), whose parameters are members of "
                            "\"model\"", key, agent);
        }
    }

    if (t->job->folds != 0) {
        return maas_err(t->err, MAAS_EINVAL, "search: \"folds\" mean nothing "
                        "to an agent (%s), which has no rows", agent);
    }

    return t->job->resume
           ? maas_err(t->err, MAAS_EINVAL, "%s: an agent writes no "
                      "checkpoints to resume from", agent)
           : MAAS_OK;
}


maas_status_t
maas_train_rl(maas_train_t *t)
{
    maas_rl_job_t  j = { .model = t->job->spec->model,
                         .seed = (uint64_t) t->job->spec->seed,
                         .host = t->job->host, .k = t->k,
                         .arena = &t->arena, .team = t->job->team,
                         .cancel = t->job->cancel, .told = train_rl_told,
                         .ctx = t, .metrics = &t->metrics,
                         .training = &t->training, .history = &t->history };

    MAAS_TRY(train_rl_members(t, json_string_value(
                                  json_object_get(j.model, "type"))));

    t->text = maas_spec_text(t->job->spec);
    if (t->text == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_rl_train(&j, t->err));
    t->model = j.result;
    maas_train_put(&t->training, "threads", t->job->threads);

    return train_rl_info(t, &j.env);
}
