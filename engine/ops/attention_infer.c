/*
 * attention_infer: shapes of Attention, with symbols where they are not
 * known; see attention.c.
 *
 * Ownership: nothing is kept.  Threads: reentrant.
 */

#include "ops/attention.h"


/* Rows, heads and columns of a head of Q, K or V. */
typedef struct {
    maas_dim_t  b, h, s, d;
} att_dims_t;


static maas_status_t
att_input(maas_infer_t *c, int i, int64_t heads, att_dims_t *v)
{
    static const char *const  name[] = { "Q", "K", "V" };
    const maas_type_t        *t = c->in[i].type;

    if (t->rank != c->in[ATT_Q].type->rank || (t->rank != 3 && t->rank != 4))
    {
        return maas_err(c->err, MAAS_EINVAL, "%s has rank %d, expected 3 or "
                        "4, the same for Q, K and V", name[i], t->rank);
    }

    v->b = t->dims[0];

    if (t->rank == 4) {
        v->h = t->dims[1];
        v->s = t->dims[2];
        v->d = t->dims[3];
        return MAAS_OK;
    }

    if (heads == 0) {
        return maas_err(c->err, MAAS_EINVAL, "%s has rank 3: attributes "
                        "q_num_heads and kv_num_heads are expected",
                        name[i]);
    }

    if (maas_dim_known(t->dims[2]) && t->dims[2] % heads != 0) {
        return maas_err(c->err, MAAS_EINVAL, "%s: %lld columns do not divide "
                        "into %lld heads", name[i], (long long) t->dims[2],
                        (long long) heads);
    }

    v->h = heads;
    v->s = t->dims[1];
    v->d = maas_dim_div(c->syms, t->dims[2], heads);
    return MAAS_OK;
}


/* Past keys or values [B, heads, P, D]. */
static maas_status_t
att_past(maas_infer_t *c, int i, const att_dims_t *v, maas_dim_t *past)
{
    maas_dim_t          d;
    const maas_type_t  *t = c->in[i].type;

    if (t->rank != 4) {
        return maas_err(c->err, MAAS_EINVAL, "%s has rank %d, expected 4",
                        i == ATT_PAST_K ? "past_key" : "past_value",
                        t->rank);
    }

    MAAS_TRY(maas_infer_merge(c, t->dims[0], v->b, &d,
                              "the batch of past and present"));
    MAAS_TRY(maas_infer_merge(c, t->dims[1], v->h, &d,
                              "the heads of past and present"));
    MAAS_TRY(maas_infer_merge(c, t->dims[3], v->d, &d,
                              "the columns of past and present"));

    return maas_infer_merge(c, t->dims[2], *past, past,
                            "the rows of past_key and past_value");
}


/* The mask broadcasts to [B, heads, S, T]; its rows may be shorter. */
static maas_status_t
att_mask(maas_infer_t *c, const att_dims_t *q, maas_dim_t total)
{
    char                text[2][MAAS_DIMS_TEXT];
    maas_dim_t          d, want[4] = { q->b, q->h, q->s, total };
    const maas_type_t  *m = c->in[ATT_MASK].type;

    if (m->dtype != MAAS_BOOL && m->dtype != c->in[ATT_Q].type->dtype) {
        return maas_err(c->err, MAAS_EINVAL, "attn_mask is %s, expected bool "
                        "or the type of Q (%s)", maas_dtype_name(m->dtype),
                        maas_dtype_name(c->in[ATT_Q].type->dtype));
    }

    for (int i = 0; i < m->rank && m->rank <= 4; i++) {
        d = want[4 - m->rank + i];

        if (m->dims[i] == 1 || !maas_dim_known(m->dims[i])
            || !maas_dim_known(d) || m->dims[i] == d
            || (i == m->rank - 1 && m->dims[i] < d))
        {
            continue;
        }

        return maas_err(c->err, MAAS_EINVAL,
                        "attn_mask of shape %s does not broadcast to %s",
                        maas_dims_text(text[0], m->dims, m->rank),
                        maas_dims_text(text[1], want, 4));
    }

    if (m->rank < 1 || m->rank > 4) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attn_mask has rank %d, expected 1 to 4", m->rank);
    }

    return MAAS_OK;
}


static maas_status_t
att_lengths(maas_infer_t *c, const att_dims_t *q)
{
    maas_dim_t          d;
    const maas_type_t  *t = c->in[ATT_LENGTHS].type;

    if (t->rank != 1) {
        return maas_err(c->err, MAAS_EINVAL, "nonpad_kv_seqlen has rank %d, "
                        "expected 1", t->rank);
    }

    return maas_infer_merge(c, t->dims[0], q->b, &d,
                            "the batch and nonpad_kv_seqlen");
}


/* Of the dropout: see train_dropout.c. */
static maas_status_t
att_key(maas_infer_t *c)
{
    const maas_type_t  *t = c->in[ATT_KEY].type;
    const att_attr_t   *a = c->attr;

    if (t->rank != 1 || (maas_dim_known(t->dims[0]) && t->dims[0] != 2
                         && t->dims[0] != 4))
    {
        return maas_err(c->err, MAAS_EINVAL, "the key must have the shape "
                        "[2] or [4]");
    }

    if (!(a->ratio >= 0 && a->ratio < 1)) {
        return maas_err(c->err, MAAS_EINVAL, "ratio is %g, expected at least "
                        "0 and less than 1", (double) a->ratio);
    }

    return MAAS_OK;
}


static maas_status_t
att_agree(maas_infer_t *c, att_dims_t *q, att_dims_t *k, att_dims_t *v)
{
    maas_dim_t  d;

    MAAS_TRY(maas_infer_merge(c, q->b, k->b, &q->b, "the batch of Q and K"));
    MAAS_TRY(maas_infer_merge(c, q->b, v->b, &q->b, "the batch of Q and V"));
    MAAS_TRY(maas_infer_merge(c, k->h, v->h, &k->h, "the heads of K and V"));
    MAAS_TRY(maas_infer_merge(c, k->s, v->s, &k->s, "the rows of K and V"));
    MAAS_TRY(maas_infer_merge(c, q->d, k->d, &d,
                              "the size of a head of Q and K"));

    if (maas_dim_known(q->h) && maas_dim_known(k->h)
        && (k->h == 0 || q->h % k->h != 0))
    {
        return maas_err(c->err, MAAS_EINVAL, "%lld heads of Q do not divide "
                        "among %lld of K and V", (long long) q->h,
                        (long long) k->h);
    }

    return MAAS_OK;
}


static void
att_outputs(maas_infer_t *c, const att_dims_t *q, const att_dims_t *k,
    const att_dims_t *v, maas_dim_t total)
{
    int                 rank = c->in[ATT_Q].type->rank;
    maas_dtype_t        t = c->in[ATT_Q].type->dtype;
    maas_dim_t          y[4] = { q->b, q->h, q->s, v->d };

    if (rank == 3) {
        y[1] = q->s;
        y[2] = maas_dim_mul(c->syms, q->h, v->d);
    }

    maas_infer_set(c, 0, t, rank, y);

    if (c->n_out > 1) {
        maas_infer_set(c, 1, t, 4,
                       (maas_dim_t[]) { q->b, k->h, total, k->d });
    }

    if (c->n_out > 2) {
        maas_infer_set(c, 2, t, 4,
                       (maas_dim_t[]) { q->b, k->h, total, v->d });
    }

    if (c->n_out > 3) {
        maas_infer_set(c, 3, t, 4,
                       (maas_dim_t[]) { q->b, q->h, q->s, total });
    }
}


maas_status_t
att_infer(maas_infer_t *c)
{
    att_dims_t         q, k, v;
    maas_dim_t         total, past = MAAS_DIM_NONE;
    const att_attr_t  *a = c->attr;

    MAAS_TRY(att_input(c, ATT_Q, a->q_heads, &q));
    MAAS_TRY(att_input(c, ATT_K, a->kv_heads, &k));
    MAAS_TRY(att_input(c, ATT_V, a->kv_heads, &v));
    MAAS_TRY(att_agree(c, &q, &k, &v));

    if (maas_infer_has(c, ATT_PAST_K) != maas_infer_has(c, ATT_PAST_V)) {
        return maas_err(c->err, MAAS_EINVAL, "one of past_key and past_value "
                        "is given, expected both or neither");
    }

    total = k.s;

    if (maas_infer_has(c, ATT_PAST_K)) {
        MAAS_TRY(att_past(c, ATT_PAST_K, &k, &past));
        MAAS_TRY(att_past(c, ATT_PAST_V, &v, &past));
        total = maas_dim_add(c->syms, past, k.s);
    }

    if (maas_infer_has(c, ATT_MASK)) {
        MAAS_TRY(att_mask(c, &q, total));
    }

    if (maas_infer_has(c, ATT_LENGTHS)) {
        MAAS_TRY(att_lengths(c, &q));
    }

    if (maas_infer_has(c, ATT_KEY)) {
        MAAS_TRY(att_key(c));
    }

    att_outputs(c, &q, &k, &v, total);
    return MAAS_OK;
}
