/*
 * boost_loss.c: what boosting makes small, and its first and second
 * derivative by the raw scores:
 *   squared   (f - y)^2 / 2                       f - y           1
 *   binary    log(1 + e^f) - y f                  s - y           s (1 - s)
 *   softmax   log(sum_j e^f_j) - f_label          s_k - [label]   s_k (1 - s_k)
 * with s the sigmoid or the softmax; times the weight of the row.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant; rows are independent.
 */

#include <math.h>

#include "train/estimators/boost.h"


#define LOSS_RARE  1e-15        /* share of a class that has no rows */


static inline double
loss_weight(const maas_boost_state_t *s, uint32_t i)
{
    return s->weight != NULL ? s->weight[i] : 1;
}


/* -- start --------------------------------------------------------------- */

static void
start_mean(const maas_boost_state_t *s, uint32_t n, double *base)
{
    double  w, sum;

    for (int k = 0; k < s->k; k++) {
        base[k] = 0;
        sum = 0;

        for (uint32_t i = 0; i < n; i++) {
            w = loss_weight(s, i);
            sum += w;

            if (w <= 0) {
                continue;
            }

            base[k] += w / sum * (s->y[(size_t) k * s->n + i] - base[k]);
        }
    }
}


void
maas_boost_start(const maas_boost_state_t *s, uint32_t n_train, double *base)
{
    double  sum = 0, mean = 0, w;

    if (s->loss == MAAS_BOOST_SQUARED) {
        start_mean(s, n_train, base);
        return;
    }

    memset(base, 0, (size_t) s->k * sizeof(double));

    for (uint32_t i = 0; i < n_train; i++) {
        w = loss_weight(s, i);
        sum += w;

        if (s->loss == MAAS_BOOST_BINARY) {
            base[0] += s->label[i] != 0 ? w : 0;
        } else {
            base[s->label[i]] += w;
        }
    }

    for (int k = 0; k < s->k; k++) {
        w = maas_min(maas_max(base[k] / sum, LOSS_RARE), 1 - LOSS_RARE);
        base[k] = s->loss == MAAS_BOOST_BINARY ? log(w / (1 - w)) : log(w);
        mean += base[k] / s->k;
    }

    for (int k = 0; s->loss == MAAS_BOOST_SOFTMAX && k < s->k; k++) {
        base[k] -= mean;
    }
}


/* -- gradients ----------------------------------------------------------- */

static void
gradients_softmax(const maas_boost_state_t *s, uint32_t i)
{
    double              w = loss_weight(s, i), top, sum = 0, p;
    const size_t        n = s->n;
    const double       *f = s->raw + i;
    maas_boost_pair_t  *gh = s->gh + i;

    top = f[0];

    for (int k = 1; k < s->k; k++) {
        top = maas_max(top, f[(size_t) k * n]);
    }

    for (int k = 0; k < s->k; k++) {
        p = exp(f[(size_t) k * n] - top);
        sum += p;
        gh[(size_t) k * n] = (maas_boost_pair_t) { (float) p, 0 };
    }

    for (int k = 0; k < s->k; k++) {
        p = (double) gh[(size_t) k * n][0] / sum;
        gh[(size_t) k * n] = (maas_boost_pair_t) {
            (float) (w * (p - (s->label[i] == (uint32_t) k))),
            (float) (w * p * (1 - p))
        };
    }
}


void
maas_boost_gradients(const maas_boost_state_t *s, uint32_t first,
    uint32_t last)
{
    float   w;
    double  p, g;
    size_t  at;

    switch (s->loss) {

    case MAAS_BOOST_SQUARED:

        for (int k = 0; k < s->k; k++) {
            for (uint32_t i = first; i < last; i++) {
                at = (size_t) k * s->n + i;
                w = (float) loss_weight(s, i);
                s->gh[at] = (maas_boost_pair_t) {
                    w * (float) (s->raw[at] - s->y[at]), w
                };
            }
        }

        return;

    case MAAS_BOOST_BINARY:

        for (uint32_t i = first; i < last; i++) {
            p = 1 / (1 + exp(-s->raw[i]));
            g = loss_weight(s, i);
            s->gh[i] = (maas_boost_pair_t) {
                (float) (g * (p - (s->label[i] != 0))),
                (float) (g * p * (1 - p))
            };
        }

        return;

    default:

        for (uint32_t i = first; i < last; i++) {
            gradients_softmax(s, i);
        }
    }
}


/* -- losses -------------------------------------------------------------- */

static double
loss_row(const maas_boost_state_t *s, uint32_t i)
{
    double         d, f, sum = 0, top;
    const double  *raw = s->raw + i;

    switch (s->loss) {

    case MAAS_BOOST_SQUARED:

        for (int k = 0; k < s->k; k++) {
            d = raw[(size_t) k * s->n] - s->y[(size_t) k * s->n + i];
            sum += d * d / 2;
        }

        return sum;

    case MAAS_BOOST_BINARY:
        f = s->label[i] != 0 ? -raw[0] : raw[0];
        return f > 0 ? f + log1p(exp(-f)) : log1p(exp(f));

    default:
        top = raw[0];

        for (int k = 1; k < s->k; k++) {
            top = maas_max(top, raw[(size_t) k * s->n]);
        }

        for (int k = 0; k < s->k; k++) {
            sum += exp(raw[(size_t) k * s->n] - top);
        }

        return log(sum) + top - raw[(size_t) s->label[i] * s->n];
    }
}


double
maas_boost_loss(const maas_boost_state_t *s, uint32_t first, uint32_t last)
{
    double  w, sum = 0, all = 0;

    for (uint32_t i = first; i < last; i++) {
        w = loss_weight(s, i);
        sum += w * loss_row(s, i);
        all += w;
    }

    return all > 0 ? sum / all : 0;
}
