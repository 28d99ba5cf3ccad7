/*
 * train_estimator: an estimator of a specification: the rows as a matrix of
 * doubles, fit() once, then its nodes as a model.  See train_run.h and
 * estimator.h.
 */

#include <stdio.h>

#include "train/estimator.h"
#include "train/train_run.h"


typedef struct {
    maas_train_t            *t;
    const maas_estimator_t  *e;
    maas_task_kind_t         task;
    maas_fit_job_t           f;
    maas_build_t            *build;
    uint64_t                 start;
} train_est_t;


static void
est_progress(void *ctx, uint64_t done, uint64_t of)
{
    train_est_t         *n = ctx;
    maas_train_event_t   e = { .kind = MAAS_TRAIN_FIT, .done = done,
                               .of = of };

    if (n->t->job->event != NULL) {
        n->t->job->event(n->t->job->ctx, &e);
    }
}


/* What the estimator can do with the target that there is. */
static maas_status_t
est_task(train_est_t *n)
{
    uint32_t                   can = n->e->tasks;
    const maas_data_info_t  *i = n->t->info;
    static const maas_task_kind_t  alone[] = {
        MAAS_TASK_CLUSTERING, MAAS_TASK_OUTLIERS
    };

    if (i->n_target_column == 0) {
        for (size_t k = 0; k < maas_nelts(alone); k++) {
            if (can >> alone[k] & 1) {
                n->task = alone[k];
                return MAAS_OK;
            }
        }

        return maas_err(n->t->err, MAAS_EINVAL, "data: %s needs a "
                        "\"target\"", n->e->name);
    }

    /* Integers are classes for what cannot do numbers. */
    if ((can >> MAAS_TASK_CLASSIFICATION & 1) && i->n_class != 0
        && (i->class_name != NULL || !(can >> MAAS_TASK_REGRESSION & 1)))
    {
        n->task = MAAS_TASK_CLASSIFICATION;
        return MAAS_OK;
    }

    if ((can >> MAAS_TASK_REGRESSION & 1) && i->class_name == NULL) {
        n->task = MAAS_TASK_REGRESSION;
        return MAAS_OK;
    }

    return maas_err(n->t->err, MAAS_EINVAL, "data: %s cannot learn \"%.*s\"",
                    n->e->name, (int) maas_min(i->target.len, 100u),
                    i->target.data);
}


static maas_status_t
est_matrix(train_est_t *n)
{
    double                    *x, *y = NULL;
    int32_t                   *label = NULL;
    int64_t                    rows = n->t->rows.n_train;
    maas_train_t              *t = n->t;
    const maas_data_info_t  *i = t->info;

    x = maas_arena_array(&t->arena, (size_t) rows * (size_t) i->n_feature
                         + 1, sizeof(*x));
    if (x == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_data_matrix(t->source, t->rows.train, rows, x, t->err));

    if (n->task == MAAS_TASK_REGRESSION) {
        y = maas_arena_array(&t->arena, (size_t) rows
                             * (size_t) i->n_target + 1, sizeof(*y));
        if (y == NULL) {
            return maas_err_nomem(t->err);
        }

        MAAS_TRY(maas_data_numbers(t->source, t->rows.train, rows, y,
                                     t->err));

    } else if (n->task == MAAS_TASK_CLASSIFICATION) {
        label = maas_arena_array(&t->arena, (size_t) rows + 1,
                                 sizeof(*label));
        if (label == NULL) {
            return maas_err_nomem(t->err);
        }

        MAAS_TRY(maas_data_labels(t->source, t->rows.train, rows, label,
                                    t->err));
    }

    n->f.x = x;
    n->f.n = rows;
    n->f.p = i->n_feature;
    n->f.y = y;
    n->f.n_target = i->n_target;
    n->f.label = label;
    n->f.n_class = i->n_class;
    n->f.class_name = i->class_name;
    n->f.class_int = i->class_int;

    return MAAS_OK;
}


static maas_status_t
est_fit(train_est_t *n)
{
    void                      *param;
    maas_train_t              *t = n->t;
    const int64_t              dims[2] = { -1, t->info->n_feature };
    static const char *const   skip[] = { "type", NULL };

    param = maas_arena_alloc(&t->arena, n->e->param_size + 1u);
    n->build = maas_build_create(&t->arena);

    if (param == NULL || n->build == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_params_parse(&t->arena, t->job->spec->model, n->e->param,
                               n->e->n_param, skip, "model", param,
                               t->err));
    n->f.param = param;
    n->f.seed = (uint64_t) t->job->spec->seed;
    n->f.threads = t->job->threads;
    n->f.team = t->job->team;
    n->f.cancel = t->job->cancel;
    n->f.progress = est_progress;
    n->f.progress_ctx = n;
    n->f.build = n->build;
    n->f.in = maas_build_input(n->build, "features", MAAS_F32, 2, dims);
    n->f.arena = &t->arena;
    n->f.host = t->job->host;
    n->f.summary = &t->training;
    n->f.err = t->err;
    n->start = maas_now_ns();

    return n->e->fit(&n->f, n->task);
}


/* Outputs as estimator.h names and types them; probabilities come first, as
 * model.json means the first one. */
static maas_status_t
est_outputs(train_est_t *n)
{
    int64_t                    one[1] = { -1 }, two[2] = { -1, -1 };
    const maas_data_info_t  *i = n->t->info;

    switch (n->task) {

    case MAAS_TASK_REGRESSION:
        two[1] = i->n_target;
        maas_build_output(n->build, n->f.out[0], MAAS_F32, 2, two);
        break;

    case MAAS_TASK_CLASSIFICATION:
        two[1] = i->n_class;
        maas_build_output(n->build, n->f.out[1], MAAS_F32, 2, two);
        maas_build_output(n->build, n->f.out[0], i->class_name != NULL
                          ? MAAS_STRING : MAAS_I64, 1, one);
        n->t->classes = true;
        break;

    default:
        if (n->task == MAAS_TASK_OUTLIERS) {
            two[1] = 1;
        }

        maas_build_output(n->build, n->f.out[0], MAAS_I64, 1, one);

        if (n->f.out[1].len != 0) {
            maas_build_output(n->build, n->f.out[1], MAAS_F32, 2, two);
        }
    }

    return maas_build_done(n->build, &n->t->model, n->t->err);
}


maas_status_t
maas_train_estimator(maas_train_t *t)
{
    train_est_t   n = { .t = t };
    const json_t *type = json_object_get(t->job->spec->model, "type");

    n.e = maas_estimator_find((maas_str_t) { json_string_value(type),
                                             json_string_length(type) });

    if (n.e->tasks == 1u << MAAS_TASK_TRANSFORM) {
        return maas_err(t->err, MAAS_EINVAL, "model: \"%s\" is a step of a "
                        "pipeline", n.e->name);
    }

    if (t->job->spec->pipeline != NULL) {
        return maas_err(t->err, MAAS_EUNSUPPORTED, "\"pipeline\" is not "
                        "served by this build");
    }

    MAAS_TRY(est_task(&n));
    MAAS_TRY(est_matrix(&n));
    MAAS_TRY(est_fit(&n));
    MAAS_TRY(est_outputs(&n));

    maas_train_put(&t->training, "seconds",
                   (double) (maas_now_ns() - n.start) / 1e9);
    maas_train_put(&t->training, "threads", t->job->threads);

    return t->training.failed ? maas_err_nomem(t->err) : MAAS_OK;
}
