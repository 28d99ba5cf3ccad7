/*
 * schedule.c: the rows of schedules of the learning rate.  See optim.h.
 * Epochs are counted from 0; the formulas are those of PyTorch's StepLR,
 * ExponentialLR, CosineAnnealingLR and ReduceLROnPlateau (mode "min",
 * threshold "rel"), stepped once an epoch.
 */

#include <math.h>

#include "train/optim.h"


#define SCHED_FAR  1e300

#define SCHED_NUMBER(m, n, d, lo, hi, op, text)                               \
    { .name = n, .type = MAAS_PARAM_NUMBER, .def = d,                         \
      .off = offsetof(maas_schedule_t, m), .min = lo, .max = hi, .open = op,  \
      .about = text }

#define SCHED_INT(m, n, d, lo, text)                                          \
    { .name = n, .type = MAAS_PARAM_INT, .def = d,                            \
      .off = offsetof(maas_schedule_t, m), .min = lo, .max = 1 << 30,         \
      .about = text }


const maas_param_t  maas_schedule_common[] = {
    SCHED_NUMBER(warmup, "warmup", 0, 0, SCHED_FAR, false,
                 "epochs in which the rate grows to its value; 0.5 is half "
                 "an epoch"),
    SCHED_NUMBER(warm_from, "warmup_from", 0, 0, 1, false,
                 "share of the rate that it grows from")
};

const size_t  maas_schedule_n_common = maas_nelts(maas_schedule_common);


static double
constant_share(const maas_schedule_t *s, const maas_schedule_state_t *st,
    double e, double n)
{
    (void) s;
    (void) st;
    (void) e;
    (void) n;

    return 1;
}


static const maas_param_t  step_params[] = {
    SCHED_INT(step_size, "step_size", 10, 1, "epochs of one rate"),
    SCHED_NUMBER(gamma, "gamma", 0.1, 0, 1, true, "factor after them")
};


static double
step_share(const maas_schedule_t *s, const maas_schedule_state_t *st,
    double e, double n)
{
    (void) st;
    (void) n;

    return pow(s->gamma, floor(e / (double) s->step_size));
}


static const maas_param_t  exponential_params[] = {
    SCHED_NUMBER(gamma, "gamma", 0.95, 0, 1, true, "factor of every epoch")
};


static double
exponential_share(const maas_schedule_t *s, const maas_schedule_state_t *st,
    double e, double n)
{
    (void) st;
    (void) n;

    return pow(s->gamma, e);
}


/* Loshchilov and Hutter, 2017, without restarts. */
static const maas_param_t  cosine_params[] = {
    SCHED_INT(epochs, "epochs", 0, 0, "until the least; 0: all epochs"),
    SCHED_NUMBER(min_rate, "min_factor", 0, 0, 1, false,
                 "the least, as a share of the rate")
};


static double
cosine_share(const maas_schedule_t *s, const maas_schedule_state_t *st,
    double e, double n)
{
    (void) st;

    n = s->epochs != 0 ? (double) s->epochs : n;
    e = maas_min(e, n);

    return s->min_rate
           + (1 - s->min_rate) * (1 + cos(M_PI * e / maas_max(n, 1))) / 2;
}


static const maas_param_t  plateau_params[] = {
    SCHED_NUMBER(factor, "factor", 0.1, 0, 1, true, "of the new rate"),
    SCHED_INT(patience, "patience", 10, 0,
              "epochs without progress that are let pass"),
    SCHED_NUMBER(threshold, "threshold", 1e-4, 0, 1, false,
                 "progress is more than this share of the best"),
    SCHED_INT(cooldown, "cooldown", 0, 0, "epochs after a new rate"),
    SCHED_NUMBER(min_rate, "min_factor", 0, 0, 1, false,
                 "the least, as a share of the rate")
};


static double
plateau_share(const maas_schedule_t *s, const maas_schedule_state_t *st,
    double e, double n)
{
    (void) s;
    (void) e;
    (void) n;

    return st->factor;
}


#define SCHED_PARAMS(a)  .param = a, .n_param = maas_nelts(a)

const maas_schedule_row_t  maas_schedule_rows[] = {

    { .name = "constant", .about = "one rate", .share = constant_share },

    { .name = "step", .about = "a factor every so many epochs",
      SCHED_PARAMS(step_params), .share = step_share },

    { .name = "exponential", .about = "a factor every epoch",
      SCHED_PARAMS(exponential_params), .share = exponential_share },

    { .name = "cosine", .about = "half a wave of the cosine",
      SCHED_PARAMS(cosine_params), .share = cosine_share },

    { .name = "reduce_on_plateau",
      .about = "a factor when the monitored value makes no progress",
      SCHED_PARAMS(plateau_params), .share = plateau_share },

    { .name = NULL }
};


static maas_status_t
sched_find(const char *name, const maas_schedule_row_t **row,
    maas_err_t *err)
{
    char         near[MAAS_NEAR_TEXT];
    maas_near_t  guess = { .word = { name, strlen(name) } };

    for (const maas_schedule_row_t *r = maas_schedule_rows; r->name != NULL;
         r++)
    {
        if (strcmp(r->name, name) == 0) {
            *row = r;
            return MAAS_OK;
        }

        maas_near(&guess, (maas_str_t) { r->name, strlen(r->name) });
    }

    return maas_err(err, MAAS_EINVAL, "schedule: unknown type \"%.60s\"%s",
                    name, guess.best.data != NULL
                    ? maas_near_text(&guess, near)
                    : "; there are constant, step, exponential, cosine and "
                      "reduce_on_plateau");
}


maas_status_t
maas_schedule_parse(maas_arena_t *a, const json_t *spec, maas_schedule_t *s,
    maas_err_t *err)
{
    size_t                      n = maas_schedule_n_common;
    maas_param_t                all[16];
    const json_t               *type;
    const maas_schedule_row_t  *row = NULL;
    static const char *const    skip[] = { "type", NULL };

    type = json_is_object(spec) ? json_object_get(spec, "type") : spec;

    if (spec != NULL && type != NULL && !json_is_string(type)) {
        return maas_err(err, MAAS_EINVAL, "schedule: expected a name, or an "
                        "object like {\"type\":\"cosine\"}");
    }

    MAAS_TRY(sched_find(type != NULL ? json_string_value(type) : "constant",
                        &row, err));

    memset(s, 0, sizeof(*s));
    memcpy(all, maas_schedule_common, n * sizeof(*all));

    if (row->n_param != 0) {
        memcpy(all + n, row->param, row->n_param * sizeof(*all));
    }

    MAAS_TRY(maas_params_parse(a, json_is_object(spec) ? spec : NULL, all,
                               n + row->n_param, skip, "schedule", s, err));
    s->row = row;

    return MAAS_OK;
}


void
maas_schedule_begin(maas_schedule_state_t *st)
{
    *st = (maas_schedule_state_t) { .factor = 1, .best = INFINITY };
}


double
maas_schedule_rate(const maas_schedule_t *s, const maas_schedule_state_t *st,
    double rate, int64_t epoch, double done, int64_t epochs)
{
    double  at = (double) epoch + done;

    rate *= s->row->share(s, st, (double) epoch, (double) epochs);

    if (at < s->warmup) {
        rate *= s->warm_from + (1 - s->warm_from) * at / s->warmup;
    }

    return rate;
}


void
maas_schedule_epoch(const maas_schedule_t *s, maas_schedule_state_t *st,
    double rate, double value)
{
    (void) rate;

    if (s->row->share != plateau_share) {
        return;
    }

    if (value < st->best * (1 - s->threshold)) {
        st->best = value;
        st->bad = 0;

    } else {
        st->bad++;
    }

    if (st->cool > 0) {
        st->cool--;
        st->bad = 0;
    }

    if (st->bad > s->patience) {
        st->factor = maas_max(st->factor * s->factor, s->min_rate);
        st->cool = s->cooldown;
        st->bad = 0;
    }
}
