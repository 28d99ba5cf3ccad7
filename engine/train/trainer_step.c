/*
 * trainer_step: from gradients to new weights.  The weights are cut into
 * pieces, which the members of the team share; sums are made by piece and
 * added in order, so the number of members changes no bit.
 *
 * Threads: the trainer's; pieces on the team.
 */

#include <math.h>

#include "train/trainer.h"


#define PIECE  16384            /* elements */

typedef struct trainer_piece_s {
    uint32_t  seg;
    bool      decay;
    int64_t   off;              /* in the buffers */
    int64_t   local;            /* in the segment */
    int64_t   n;
} trainer_piece_t;

typedef struct {
    maas_trainer_t  *t;
    bool             summed;    /* gradients are in t->sum */
    bool             first;
    float            factor;
    maas_optim_pt    kernel;
    maas_optim_k_t   coef[2];   /* without decay, with it */
} step_job_t;


maas_status_t
maas_trainer_begin(maas_trainer_t *t, maas_err_t *err)
{
    int64_t                n = 0;
    trainer_piece_t       *p;
    const maas_weights_t  *w = t->o.weights;

    for (uint32_t i = 0; i < w->n; i++) {
        n += w->seg[i].trainable ? (w->seg[i].count + PIECE - 1) / PIECE : 0;
    }

    t->piece = maas_arena_array(&t->arena, (size_t) n + 1, sizeof(*p));
    t->partial = maas_arena_array(&t->arena, (size_t) n + 1, sizeof(double));

    if (t->piece == NULL || t->partial == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < w->n; i++) {
        if (!w->seg[i].trainable) {
            continue;
        }

        for (int64_t at = 0; at < w->seg[i].count; at += PIECE) {
            p = &t->piece[t->n_piece++];
            p->seg = i;
            p->decay = w->seg[i].decay;
            p->off = w->seg[i].off + at;
            p->local = at;
            p->n = maas_min(w->seg[i].count - at, PIECE);
        }
    }

    return MAAS_OK;
}


static void
step_split(const maas_trainer_t *t, maas_chunk_pt fn, step_job_t *job)
{
    maas_lease_t  *lease;

    if (t->n_piece == 0) {
        return;
    }

    lease = t->n_piece > 1 ? maas_lease_begin(t->o.team) : NULL;

    if (lease != NULL) {
        maas_lease_run(lease, fn, job, t->n_piece);
        maas_lease_end(lease);

    } else {
        fn(job, 0, 0, t->n_piece);
    }
}


/* NULL: the gradient is zero. */
static const float *
step_grad(const step_job_t *job, const trainer_piece_t *p)
{
    const float  *g;

    if (job->summed) {
        return job->t->sum + p->off;
    }

    g = maas_fitnet_grad(job->t->fit, p->seg);

    return g != NULL ? g + p->local : NULL;
}


/* -- accumulation -------------------------------------------------------- */

static void
step_gather(void *arg, int slot, int64_t first, int64_t last)
{
    float             *sum;
    unsigned           fp = maas_fp_enter();
    const float       *g;
    const step_job_t  *job = arg;

    (void) slot;

    for (int64_t i = first; i < last; i++) {
        const trainer_piece_t  *p = &job->t->piece[i];

        sum = job->t->sum + p->off;
        g = job->factor != 0 ? step_grad(job, p) : NULL;

        for (int64_t k = 0; k < p->n; k++) {
            sum[k] = (job->first ? 0 : sum[k])
                     + (g != NULL ? job->factor * g[k] : 0);
        }
    }

    maas_fp_leave(fp);
}


/* Adds n times the gradient of the last run to the sum; n == 0: nothing. */
maas_status_t
maas_trainer_gather(maas_trainer_t *t, int64_t n, bool first)
{
    step_job_t  job = { .t = t, .first = first, .factor = (float) n };

    step_split(t, step_gather, &job);

    return MAAS_OK;
}


/* -- the step ------------------------------------------------------------ */

static void
step_norm(void *arg, int slot, int64_t first, int64_t last)
{
    unsigned           fp = maas_fp_enter();
    const float       *g;
    const step_job_t  *job = arg;
    maas_trainer_t    *t = job->t;

    (void) slot;

    for (int64_t i = first; i < last; i++) {
        g = step_grad(job, &t->piece[i]);
        t->partial[i] = g != NULL ? (double) t->o.k->reduce[MAAS_R_SUMSQ](
                                        g, t->piece[i].n) : 0;
    }

    maas_fp_leave(fp);
}


static void
step_update(void *arg, int slot, int64_t first, int64_t last)
{
    unsigned           fp = maas_fp_enter();
    const float       *g;
    const step_job_t  *job = arg;
    maas_trainer_t    *t = job->t;
    static const float  zero[PIECE];

    (void) slot;

    for (int64_t i = first; i < last; i++) {
        const trainer_piece_t  *p = &t->piece[i];

        g = step_grad(job, p);
        job->kernel(t->o.weights->data + p->off, g != NULL ? g : zero,
                    t->moment[0] != NULL ? t->moment[0] + p->off : NULL,
                    t->moment[1] != NULL ? t->moment[1] + p->off : NULL,
                    p->n, &job->coef[p->decay]);
    }

    maas_fp_leave(fp);
}


maas_status_t
maas_trainer_update(maas_trainer_t *t, bool summed, int64_t items,
    double rate, maas_err_t *err)
{
    double              scale = summed ? 1 / (double) items : 1;
    step_job_t          job = { .t = t, .summed = summed };
    const maas_optim_t *o = t->o.optim;

    step_split(t, step_norm, &job);
    t->norm = 0;

    for (int64_t i = 0; i < t->n_piece; i++) {
        t->norm += t->partial[i];
    }

    t->norm = sqrt(t->norm) * scale;

    if (!isfinite(t->norm)) {
        return maas_err(err, MAAS_EINVAL, "the gradient is no finite "
                        "number");
    }

    /* torch.nn.utils.clip_grad_norm_ */
    if (o->common.clip_norm > 0) {
        scale *= maas_min(1, o->common.clip_norm / (t->norm + 1e-6));
    }

    t->st.step++;
    job.kernel = maas_optim_kernel(t->o.k, o->row->kernel(o));
    maas_optim_coef(o, t->st.step, rate, scale, false, &job.coef[0]);
    maas_optim_coef(o, t->st.step, rate, scale, true, &job.coef[1]);
    step_split(t, step_update, &job);

    return MAAS_OK;
}
