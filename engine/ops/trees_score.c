/*
 * trees_score: what the sums of a row over the trees become: base values,
 * transforms, the class.  Where the specification is silent (two classes of
 * which one has weights, sizes of base_values) results are those of ONNX
 * Runtime.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <math.h>

#include "ops/trees_score.h"


/* -- transforms ---------------------------------------------------------- */

static double
tree_logistic(double v)
{
    double  p = 1 / (1 + exp(-fabs(v)));

    return v < 0 ? 1 - p : p;
}


/*
 * sqrt(2) times the inverse of erf at 2 v - 1, by Winitzki's closed form
 * with a = 0.147.
 */
static double
tree_probit(double v)
{
    double  x = 2 * v - 1;
    double  l = log((1 - x) * (1 + x));
    double  b = 2 / (M_PI * 0.147) + 0.5 * l;
    double  r = sqrt(-b + sqrt(b * b - l / 0.147));

    return M_SQRT2 * (x < 0 ? -r : r);
}


/* SOFTMAX_ZERO leaves scores of zero out of the sum and of the powers. */
static void
tree_softmax(score_t *s, int64_t n, bool zero)
{
    double  max = s[0].v, sum = 0;

    for (int64_t i = 1; i < n; i++) {
        max = s[i].v > max ? s[i].v : max;
    }

    for (int64_t i = 0; i < n; i++) {
        if (zero && fabs(s[i].v) <= 1e-7) {
            s[i].v *= exp(-max);
            continue;
        }

        s[i].v = exp(s[i].v - max);
        sum += s[i].v;
    }

    for (int64_t i = 0; i < n; i++) {
        s[i].v /= sum;
    }
}


static void
tree_transform(score_t *s, int64_t n, int64_t post)
{
    switch (post) {

    case ML_SOFTMAX:
    case ML_SOFTMAX_ZERO:
        tree_softmax(s, n, post == ML_SOFTMAX_ZERO);
        return;

    case ML_LOGISTIC:
        for (int64_t i = 0; i < n; i++) {
            s[i].v = tree_logistic(s[i].v);
        }

        return;

    case ML_PROBIT:
        for (int64_t i = 0; i < n; i++) {
            s[i].v = tree_probit(s[i].v);
        }
    }
}


/* -- a row's result ------------------------------------------------------ */

void
maas_trees_regress(const trees_attr_t *at, const trees_base_t *b, score_t *s)
{
    int64_t  n = at->targets;

    for (int64_t i = 0; i < n; i++) {
        if (at->aggregate == AGG_AVERAGE) {
            s[i].v /= (double) b->trees;
        }

        if (b->n == n) {
            s[i].v += b->v[i];
        }
    }

    /* One target: the other transforms make no sense and are not applied. */
    if (n > 1 || at->post == ML_PROBIT) {
        tree_transform(s, n, at->post);
    }
}


/* More than two classes: the class, -1 when no leaf had a weight. */
static int64_t
score_multi(const trees_attr_t *at, const trees_base_t *b, score_t *s)
{
    double   best = 0;
    int64_t  class = -1;

    for (int64_t i = 0; i < b->n; i++) {
        s[i].v = s[i].has ? s[i].v + b->v[i] : b->v[i];
        s[i].has = true;
    }

    for (int64_t i = 0; i < at->targets; i++) {
        if (s[i].has && (class < 0 || s[i].v > best)) {
            class = i;
            best = s[i].v;
        }
    }

    tree_transform(s, at->targets, at->post);
    return class;
}


/*
 * Two classes with a score v for the first alone: v belongs to the positive
 * class, and the other one follows from it.
 */
static void
score_second(const trees_attr_t *at, const trees_base_t *b, score_t *s)
{
    double  v = s[0].v;

    if (at->post == ML_PROBIT) {
        s[0].v = tree_probit(v);

    } else if (!at->binary && b->n == 1) {
        s[1].v = 0;

    } else if (at->post == ML_LOGISTIC) {
        s[1].v = tree_logistic(v);
        s[0].v = tree_logistic(-v);

    } else {
        s[1].v = v;
        s[0].v = at->binary && at->positive ? 1 - v : -v;
    }
}


/*
 * Two classes: 1 or 0, and both scores.  What base_values do here is not
 * specified; the second one moves the first class's score to both classes
 * when the second has one, as in ONNX Runtime.
 */
static int64_t
score_pair(const trees_attr_t *at, const trees_base_t *b, score_t *s)
{
    double  v;

    if (b->n == 2 && s[1].has) {
        s[1].v = b->v[1] + s[0].v;
        s[0].v = -s[1].v;

    } else if (b->n > 0) {
        s[0].v += b->v[0];
    }

    v = s[1].has ? s[1].v : s[0].has ? s[0].v : 0;

    if (s[1].has || b->n == 2) {
        s[0].v = s[0].has ? s[0].v : 0;
        tree_transform(s, 2, at->post);

    } else {
        score_second(at, b, s);
    }

    return v > (at->binary && at->positive ? 0.5 : 0);
}


int64_t
maas_trees_classify(const trees_attr_t *at, const trees_base_t *b, score_t *s)
{
    int64_t  class;

    if (at->targets > 2) {
        class = score_multi(at, b, s);
        return maas_max(class, 0);
    }

    if (at->targets == 2) {
        return score_pair(at, b, s);
    }

    if (b->n == 1) {
        s[0].v += b->v[0];
    }

    class = s[0].v > 0;

    if (at->post == ML_PROBIT) {
        tree_transform(s, 1, ML_PROBIT);
    }

    return class;
}
