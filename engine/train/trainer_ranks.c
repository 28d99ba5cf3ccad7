/*
 * trainer_ranks: the loop of training as one of several processes.  Each
 * takes its part of every batch; sums of losses and gradients are those of
 * the batch, so all make the same steps and take the same decisions.  Rank 0
 * alone reads and writes checkpoints.
 *
 * Threads: the trainer's.
 */

#include "train/trainer.h"


#define RANKS_SUMS  9           /* numbers of maas_fit_sums_t */


/* Meets the others; sums: of this rank, are added to `to` as those of all. */
maas_status_t
maas_trainer_meet(maas_trainer_t *t, maas_status_t rc,
    const maas_fit_sums_t *s, maas_fit_sums_t *to, maas_err_t *err)
{
    bool    stop = t->o.cancel != NULL && *t->o.cancel;
    double  v[RANKS_SUMS + 1] = { s->loss, (double) s->items, s->hits,
                                  s->judged, s->absolute, s->square,
                                  s->count, s->sum, s->sum2, stop };

    MAAS_TRY(maas_ranks_meet(t->o.ranks, rc, v, RANKS_SUMS + 1, err));

    to->loss += v[0];
    to->items += (int64_t) v[1];
    to->hits += v[2];
    to->judged += v[3];
    to->absolute += v[4];
    to->square += v[5];
    to->count += v[6];
    to->sum += v[7];
    to->sum2 += v[8];
    t->stop = v[RANKS_SUMS] != 0;
    t->loss = v[1] > 0 ? (float) (v[0] / v[1]) : t->loss;

    return MAAS_OK;
}


/*
 * A meeting goes before: another rank may have failed, or wait elsewhere.
 * That all are at the same node is seen by its number and the square.
 */
maas_status_t
maas_trainer_sum(void *ctx, int64_t id, double *x, int64_t n,
    maas_err_t *err)
{
    double           v[2] = { (double) id, (double) (id * id) };
    maas_status_t    rc;
    maas_trainer_t  *t = ctx;
    maas_ranks_t    *r = t->o.ranks;

    rc = maas_ranks_meet(r, MAAS_OK, v, 2, &t->met);

    if (rc == MAAS_OK && (v[0] != (double) id * r->n
                          || v[1] != (double) (id * id) * r->n))
    {
        rc = maas_ranks_meet(r, maas_err(&t->met, MAAS_EINVAL, "ranks run "
                             "the steps of a batch in another order: their "
                             "processors differ too much"), NULL, 0, &t->met);
    }

    if (rc != MAAS_OK) {
        *err = t->met;
        return rc;
    }

    if (t->absent) {
        memset(x, 0, (size_t) n * sizeof(*x));
    }

    maas_ranks_sum_f64(r, x, n);
    return MAAS_OK;
}


/* After the parts of a step: the gradient of all of it. */
maas_status_t
maas_trainer_exchange(maas_trainer_t *t, maas_status_t rc,
    const maas_fit_sums_t *s, maas_err_t *err)
{
    MAAS_TRY(maas_trainer_meet(t, rc, s, &t->st.train, err));
    maas_ranks_sum(t->o.ranks, t->sum, t->o.weights->total);

    return MAAS_OK;
}


/*
 * Weights and moments as rank 0 has them: machines of another CPU level round
 * the same step differently.
 */
void
maas_trainer_align(maas_trainer_t *t)
{
    size_t  bytes = (size_t) t->o.weights->total * sizeof(float);

    maas_ranks_share(t->o.ranks, 0, t->o.weights->data, bytes);

    for (int i = 0; i < MAAS_OPTIM_MOMENTS; i++) {
        if (t->moment[i] != NULL) {
            maas_ranks_share(t->o.ranks, 0, t->moment[i], bytes);
        }
    }
}


/* rc: of reading a checkpoint, on rank 0. */
maas_status_t
maas_trainer_follow(maas_trainer_t *t, maas_status_t rc, maas_err_t *err)
{
    MAAS_TRY(maas_ranks_meet(t->o.ranks, rc, NULL, 0, err));
    maas_ranks_share(t->o.ranks, 0, &t->st, sizeof(t->st));

    if (t->best != NULL) {
        maas_ranks_share(t->o.ranks, 0, t->best,
                         (size_t) t->o.weights->total * sizeof(float));
    }

    maas_trainer_align(t);
    return MAAS_OK;
}
