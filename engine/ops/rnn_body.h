/*
 * The loop over time of one unit; a template.  The includer defines RNN_T,
 * the element; RNN(name), a name with its suffix; and these functions:
 *
 *   RNN(input)(u, m, a, lda, c, ldc): c = bias + a * W, m rows
 *   RNN(recur)(u, gate, n, m, a, c, ldc, bias, add): n gates from `gate` on
 *   RNN(act)(u, act, x, n), RNN(clip)(u, x, n): in place
 *   RNN(mul), RNN(add)(u, y, a, b, n); RNN(rest)(u, y, a, n): y = 1 - a
 *   RNN(cell)(u, c, p): c = f * c + i * g, a row of LSTM's gates
 *
 * Batch row b of the unit has its gates of step t at gx + (b * tb + t) *
 * gates, where t counts from the first step of the block; in a reversed
 * row shorter than the block they end where the block ends.
 */


/* Gates of the inputs of steps [s0, s0 + n). */
static void
RNN(gates)(RNN(unit_t) *u, int64_t s0, int64_t n)
{
    RNN_T             *c;
    int64_t            b, i, t, m;
    const RNN_T       *x;
    const rnn_geom_t  *g = u->g;

    x = (const RNN_T *) u->s->in[RNN_X].data + u->b0 * g->xb;

    if (u->uniform && n < u->mb) {
        for (i = 0; i < n && s0 + i < u->len[0]; i++) {
            t = u->reverse ? u->len[0] - 1 - s0 - i : s0 + i;
            RNN(input)(u, u->mb, x + t * g->xt, g->xb,
                       u->gx + (u->reverse ? n - 1 - i : i) * g->gates,
                       g->tb * g->gates);
        }

        return;
    }

    for (b = 0; b < u->mb; b++) {
        m = maas_max(maas_min(s0 + n, u->len[b]) - s0, 0);
        t = u->reverse ? u->len[b] - s0 - m : s0;
        c = u->gx + b * g->tb * g->gates;

        if (m < n) {
            memset(c, 0, (size_t) (n * g->gates) * sizeof(RNN_T));
        }

        if (m > 0) {
            RNN(input)(u, m, x + b * g->xb + t * g->xt, g->xt,
                       c + (u->reverse ? n - m : 0) * g->gates, g->gates);
        }
    }
}


static void
RNN(cell_rnn)(RNN(unit_t) *u, RNN_T *gates, int64_t ld, int64_t step)
{
    int64_t  b, n = u->g->hid;
    RNN_T   *p;

    if (!u->made) {
        RNN(recur)(u, 0, 1, u->mb, u->h, gates, ld, NULL, true);
    }

    for (b = 0; b < u->mb; b++) {
        if (step >= u->len[b]) {
            continue;
        }

        p = gates + b * ld;
        RNN(clip)(u, p, n);
        RNN(act)(u, 0, p, n);
        memcpy(u->h + b * n, p, (size_t) n * sizeof(RNN_T));
    }
}


/* Gates z, r, h: up to what the last one's product takes; c is room. */
static void
RNN(gru_reset)(RNN(unit_t) *u, RNN_T *gates, int64_t ld)
{
    RNN_T    *p, *t, *c = u->c;
    int64_t   n = u->g->hid;

    for (int64_t b = 0; b < u->mb; b++) {
        p = gates + b * ld;
        t = u->tmp + b * n;
        RNN(clip)(u, p, 2 * n);
        RNN(act)(u, 0, p, 2 * n);

        if (u->a->linear_before_reset) {
            RNN(mul)(u, c, p + n, t, n);
            RNN(add)(u, p + 2 * n, p + 2 * n, c, n);

        } else {
            RNN(mul)(u, t, p + n, u->h + b * n, n);
        }
    }
}


static void
RNN(gru_state)(RNN(unit_t) *u, RNN_T *gates, int64_t ld, int64_t step)
{
    RNN_T    *p, *h, *c = u->c;
    int64_t   n = u->g->hid;

    for (int64_t b = 0; b < u->mb; b++) {
        if (step >= u->len[b]) {
            continue;
        }

        p = gates + b * ld;
        h = u->h + b * n;
        RNN(clip)(u, p + 2 * n, n);
        RNN(act)(u, 1, p + 2 * n, n);

        /* (1 - z) * n + z * h */
        RNN(rest)(u, c, p, n);
        RNN(mul)(u, c, c, p + 2 * n, n);
        RNN(mul)(u, h, p, h, n);
        RNN(add)(u, h, c, h, n);
    }
}


static void
RNN(cell_gru)(RNN(unit_t) *u, RNN_T *gates, int64_t ld, int64_t step)
{
    bool     linear = u->a->linear_before_reset != 0;
    int64_t  n = u->g->hid;

    /* Whole panels of two gates follow each other. */
    if (u->made) {
        /* void */

    } else if (n % MAAS_P16 == 0) {
        RNN(recur)(u, 0, 2, u->mb, u->h, gates, ld, NULL, true);

    } else {
        RNN(recur)(u, 0, 1, u->mb, u->h, gates, ld, NULL, true);
        RNN(recur)(u, 1, 1, u->mb, u->h, gates + n, ld, NULL, true);
    }

    if (linear && !u->made) {
        RNN(recur)(u, 2, 1, u->mb, u->h, u->tmp, n, u->bias + u->g->gates,
                   false);
    }

    RNN(gru_reset)(u, gates, ld);

    if (!linear) {
        RNN(recur)(u, 2, 1, u->mb, u->tmp, gates + 2 * n, ld, NULL, true);
    }

    RNN(gru_state)(u, gates, ld, step);
}


/* One row; gates i, o, f, c; peepholes i, o, f. */
static void
RNN(row_lstm)(RNN(unit_t) *u, RNN_T *p, RNN_T *h, RNN_T *c, RNN_T *t)
{
    int64_t       n = u->g->hid;
    const RNN_T  *q = u->peep;

    if (q != NULL) {
        RNN(mul)(u, t, q, c, n);
        RNN(add)(u, p, p, t, n);
        RNN(mul)(u, t, q + 2 * n, c, n);
        RNN(add)(u, p + 2 * n, p + 2 * n, t, n);
    }

    RNN(clip)(u, p, q == NULL ? 4 * n : n);

    if (q != NULL) {
        RNN(clip)(u, p + 2 * n, 2 * n);
        RNN(act)(u, 0, p, n);
        RNN(act)(u, 0, p + 2 * n, n);

    } else {
        RNN(act)(u, 0, p, 3 * n);
    }

    RNN(act)(u, 1, p + 3 * n, n);

    if (u->a->input_forget) {
        RNN(rest)(u, p + 2 * n, p, n);
    }

    RNN(cell)(u, c, p);

    if (q != NULL) {
        RNN(mul)(u, t, q + n, c, n);
        RNN(add)(u, p + n, p + n, t, n);
        RNN(clip)(u, p + n, n);
        RNN(act)(u, 0, p + n, n);
    }

    memcpy(t, c, (size_t) n * sizeof(RNN_T));
    RNN(act)(u, 2, t, n);
    RNN(mul)(u, h, p + n, t, n);
}


static void
RNN(cell_lstm)(RNN(unit_t) *u, RNN_T *gates, int64_t ld, int64_t step)
{
    int64_t  b, n = u->g->hid;

    if (!u->made) {
        RNN(recur)(u, 0, 4, u->mb, u->h, gates, ld, NULL, true);
    }

    for (b = 0; b < u->mb; b++) {
        if (step < u->len[b]) {
            RNN(row_lstm)(u, gates + b * ld, u->h + b * n, u->c + b * n,
                          u->tmp + b * n);
        }
    }
}


/* h of the rows that are still running, to Y. */
static void
RNN(store)(RNN(unit_t) *u, int64_t step)
{
    RNN_T             *y;
    int64_t            b, t;
    const rnn_geom_t  *g = u->g;

    if (u->s->out[0].dtype == MAAS_NODTYPE || u->s->out[0].data == NULL) {
        return;
    }

    y = (RNN_T *) u->s->out[0].data + u->dir * g->yd + u->b0 * g->yb;

    for (b = 0; b < u->mb; b++) {
        if (step < u->len[b]) {
            t = u->reverse ? u->len[b] - 1 - step : step;
            memcpy(y + b * g->yb + t * g->yt, u->h + b * g->hid,
                   (size_t) g->hid * sizeof(RNN_T));

        } else {
            memset(y + b * g->yb + step * g->yt, 0,
                   (size_t) g->hid * sizeof(RNN_T));
        }
    }
}


/*
 * Gates of a step after their functions; 0 where a row has ended.  Behind
 * those of GRU what its reset gate multiplies, with linear_before_reset.
 */
static void
RNN(save)(RNN(unit_t) *u, const RNN_T *gates, int64_t ld, int64_t step)
{
    bool                 gru = u->g->cell == RNN_CELL_GRU;
    RNN_T               *p;
    size_t               size = (size_t) u->g->gates * sizeof(RNN_T);
    size_t               rest = (size_t) u->g->hid * sizeof(RNN_T);
    int64_t              wide = 4 * u->g->hid;
    const rnn_geom_t    *g = u->g;
    const maas_step_t   *s = u->s;

    if (s->n_out <= RNN_SAVED || s->out[RNN_SAVED].dtype == MAAS_NODTYPE
        || s->out[RNN_SAVED].data == NULL)
    {
        return;
    }

    p = (RNN_T *) s->out[RNN_SAVED].data
        + ((step * g->dirs + u->dir) * g->batch + u->b0) * wide;

    for (int64_t b = 0; b < u->mb; b++, p += wide) {
        if (step >= u->len[b]) {
            memset(p, 0, (size_t) wide * sizeof(RNN_T));
            continue;
        }

        memcpy(p, gates + b * ld, size);

        if (gru && u->a->linear_before_reset) {
            memcpy(p + g->gates, u->tmp + b * g->hid, rest);

        } else if (gru) {
            memset(p + g->gates, 0, rest);
        }
    }
}


/* Bias of the gates; behind it the one of GRU's linear_before_reset. */
static void
RNN(biases)(RNN(unit_t) *u)
{
    bool               last;
    int64_t            i, n = u->g->gates, h = u->g->hid;
    const RNN_T       *b;

    memset(u->bias, 0, (size_t) (n + h) * sizeof(RNN_T));

    if (!rnn_has(u->s->in, u->s->n_formal, RNN_B)) {
        return;
    }

    b = (const RNN_T *) u->s->in[RNN_B].data + u->dir * 2 * n;

    for (i = 0; i < n; i++) {
        last = u->a->linear_before_reset && u->g->cell == RNN_CELL_GRU
               && i >= n - h;
        u->bias[i] = b[i] + (last ? 0 : b[n + i]);

        if (last) {
            u->bias[i + h] = b[n + i];
        }
    }
}


/* State rows to (load) or from (!load) input i or output o. */
static void
RNN(state)(RNN(unit_t) *u, const maas_tensor_t *t, bool has, RNN_T *state,
    bool load)
{
    RNN_T             *p;
    size_t             n = (size_t) u->g->hid * sizeof(RNN_T);
    const rnn_geom_t  *g = u->g;

    for (int64_t b = 0; b < u->mb; b++) {
        if (has) {
            p = (RNN_T *) t->data + u->dir * g->hd + (u->b0 + b) * g->hb;
            memcpy(load ? state + b * g->hid : p,
                   load ? p : state + b * g->hid, n);

        } else if (load) {
            memset(state + b * g->hid, 0, n);
        }
    }
}


static void
RNN(begin)(RNN(unit_t) *u)
{
    const maas_step_t  *s = u->s;

    RNN(biases)(u);
    RNN(state)(u, &s->in[RNN_H0], rnn_has(s->in, s->n_formal, RNN_H0), u->h,
               true);
    RNN(state)(u, &s->in[RNN_C0], rnn_has(s->in, s->n_formal, RNN_C0), u->c,
               true);
}


/* Step s0 + i of a block of n. */
static void
RNN(step)(RNN(unit_t) *u, int64_t s0, int64_t i, int64_t n)
{
    const rnn_geom_t  *g = u->g;
    RNN_T             *at = u->gx + (u->reverse ? n - 1 - i : i) * g->gates;

    if (g->cell == RNN_CELL_RNN) {
        RNN(cell_rnn)(u, at, g->tb * g->gates, s0 + i);

    } else if (g->cell == RNN_CELL_GRU) {
        RNN(cell_gru)(u, at, g->tb * g->gates, s0 + i);
        RNN(save)(u, at, g->tb * g->gates, s0 + i);

    } else {
        RNN(cell_lstm)(u, at, g->tb * g->gates, s0 + i);
        RNN(save)(u, at, g->tb * g->gates, s0 + i);
    }

    RNN(store)(u, s0 + i);
}


/* The last states, to the outputs. */
static void
RNN(end)(RNN(unit_t) *u)
{
    const maas_step_t  *s = u->s;

    for (int i = 1; i < s->n_out && i < 3; i++) {
        RNN(state)(u, &s->out[i], s->out[i].dtype != MAAS_NODTYPE
                                  && s->out[i].data != NULL,
                   i == 1 ? u->h : u->c, false);
    }
}


static void
RNN(unit)(RNN(unit_t) *u)
{
    int64_t            n;
    const rnn_geom_t  *g = u->g;

    RNN(begin)(u);

    for (int64_t s0 = 0; s0 < g->seq; s0 += g->tb) {
        n = maas_min(g->tb, g->seq - s0);
        RNN(gates)(u, s0, n);

        for (int64_t i = 0; i < n; i++) {
            RNN(step)(u, s0, i, n);
        }
    }

    RNN(end)(u);
}
