/*
 * rnn_grad_body.h: the way back through time of one block of batch rows;
 * included by rnn_grad_run.c for float and for double.
 *
 *   REAL        the type
 *   RG(name)    the name with the type's suffix
 *   RG(tanh)    in place, n values
 *   RG(add)     y += x, a row; RG(mul), RG(sub): y of a and b
 *   RG(rest)    y = 1 - a
 *   RG(sigmoid_back), RG(tanh_back), RG(relu_back)  of d, by what came out
 *   RG(cell), RG(cell_back)  a row of LSTM: lstm_cell and lstm_back of the
 *               kernel table
 *   RG(back)    dh = (accumulate ? dh : 0) + da R, for k gates from `from`
 */

/* What all cells have: the place of row r at time t. */
#define RG_AT(g, t, r)  ((t) * (g)->batch + (g)->n0 + (r))


/* What comes to the last state of row r, when it has so many steps. */
static void
RG(row_last)(const rg_t *g, REAL *d, const void *from, int64_t steps,
    int64_t r)
{
    const REAL  *p = from;

    if (p == NULL || g->lens == NULL || g->lens[g->n0 + r] != steps) {
        return;
    }

    for (int64_t j = 0; j < g->hid; j++) {
        d[j] += p[(g->n0 + r) * g->hid + j];
    }
}


static void
RG(row_dy)(const rg_t *g, REAL *dh, int64_t t, int64_t r)
{
    const REAL  *dy = g->dy;

    RG(row_last)(g, dh, g->dyh, t + 1, r);

    if (dy != NULL && (g->lens == NULL || t < g->lens[g->n0 + r])) {
        dy += RG_AT(g, t, r) * g->hid;

        RG(add)(g, dh, dy);
    }
}


/* back: rows of their own lengths get it at their last step. */
static void
RG(begin)(const rg_t *g, REAL *d, const void *from, bool back)
{
    size_t  n = (size_t) (g->nb * g->hid) * sizeof(REAL);

    if (from != NULL && !(back && g->lens != NULL)) {
        memcpy(d, (const REAL *) from + g->n0 * g->hid, n);

    } else {
        memset(d, 0, n);
    }
}


/* from: of a row without steps. */
static void
RG(end)(const rg_t *g, REAL *d, const void *from, void *to)
{
    for (int64_t r = 0; r < g->nb; r++) {
        RG(row_last)(g, d + r * g->hid, from, 0, r);
    }

    if (to != NULL) {
        memcpy((REAL *) to + g->n0 * g->hid, d,
               (size_t) (g->nb * g->hid) * sizeof(REAL));
    }
}


/* -- RNN: what it makes is all that its gradient wants ------------------- */

static void
RG(rnn)(const rg_t *g, REAL *dh)
{
    REAL        *da, *d;
    const REAL  *y;

    for (int64_t t = g->seq - 1; t >= 0; t--) {
        for (int64_t r = 0; r < g->nb; r++) {
            d = dh + r * g->hid;
            da = (REAL *) g->da + RG_AT(g, t, r) * g->hid;
            y = (const REAL *) g->pre + RG_AT(g, t, r) * g->hid;
            RG(row_dy)(g, d, t, r);

            if (g->relu) {
                RG(relu_back)(g, da, d, y);
            } else {
                RG(tanh_back)(g, da, d, y);
            }
        }

        RG(back)(g, dh, (REAL *) g->da + RG_AT(g, t, 0) * g->hid, 0,
                 g->gates, false);
    }
}


/* -- LSTM: gates i o f c ------------------------------------------------- */

/* Gates into da, cells into g->cells: [seq + 1][nb][hid]. */
static void
RG(lstm_forward)(const rg_t *g)
{
    REAL     *a, *cells = g->cells;
    int64_t   h = g->hid;

    RG(begin)(g, cells, g->c0, false);

    for (int64_t t = 0; t < g->seq; t++) {
        for (int64_t r = 0; r < g->nb; r++) {
            a = (REAL *) g->da + RG_AT(g, t, r) * 4 * h;
            memcpy(a, (const REAL *) g->pre + RG_AT(g, t, r) * 4 * h,
                   (size_t) (4 * h) * sizeof(REAL));
            RG(cell)(g, cells + ((t + 1) * g->nb + r) * h, a,
                     cells + (t * g->nb + r) * h);
        }
    }
}


/*
 * A row with peepholes: i and f have seen the last cell, o the new one, c.
 * Their gradients add up in dp, over the steps.
 */
static void
RG(peep_row)(const rg_t *g, REAL *a, const REAL *dh, REAL *dc,
    const REAL *last, const REAL *c, const REAL *th, REAL *dp)
{
    REAL         i, o, f, w, d, di, dout, df;
    int64_t      h = g->hid;
    const REAL  *q = g->peep;

    for (int64_t j = 0; j < h; j++) {
        i = a[j];
        o = a[h + j];
        f = a[2 * h + j];
        w = a[3 * h + j];

        dout = dh[j] * th[j] * o * (1 - o);
        d = dc[j] + dh[j] * o * (1 - th[j] * th[j]) + dout * q[h + j];
        di = d * w * i * (1 - i);
        df = d * last[j] * f * (1 - f);

        a[j] = di;
        a[h + j] = dout;
        a[2 * h + j] = df;
        a[3 * h + j] = d * i * (1 - w * w);
        dc[j] = d * f + di * q[j] + df * q[2 * h + j];

        dp[j] += di * last[j];
        dp[h + j] += dout * c[j];
        dp[2 * h + j] += df * last[j];
    }
}


/* Step t back of row r; dc: of all rows. */
static void
RG(lstm_row)(const rg_t *g, REAL *dh, REAL *dc, int64_t t, int64_t r)
{
    REAL     *a, *c, *last, *th = dc + g->nb * g->hid, *dp = g->dpeep;
    int64_t   h = g->hid;

    a = (REAL *) g->da + RG_AT(g, t, r) * 4 * h;
    last = (REAL *) g->cells + (t * g->nb + r) * h;
    c = last + g->nb * h;

    if (g->peep == NULL) {
        RG(tanh)(g, c, h);
        RG(cell_back)(g, a, dh + r * h, dc + r * h, last, c);
        return;
    }

    memcpy(th, c, (size_t) h * sizeof(REAL));
    RG(tanh)(g, th, h);
    RG(peep_row)(g, a, dh + r * h, dc + r * h, last, c, th,
                 dp + (g->n0 + r) * 3 * h);
}


static void
RG(lstm)(const rg_t *g, REAL *dh)
{
    REAL     *dc = dh + g->nb * g->hid;
    int64_t   h = g->hid;

    RG(lstm_forward)(g);
    RG(begin)(g, dc, g->dyc, true);

    if (g->peep != NULL) {
        memset((REAL *) g->dpeep + g->n0 * 3 * h, 0,
               (size_t) (g->nb * 3 * h) * sizeof(REAL));
    }

    for (int64_t t = g->seq - 1; t >= 0; t--) {
        for (int64_t r = 0; r < g->nb; r++) {
            RG(row_dy)(g, dh + r * h, t, r);
            RG(row_last)(g, dc + r * h, g->dyc, t + 1, r);
            RG(lstm_row)(g, dh, dc, t, r);
        }

        RG(back)(g, dh, (REAL *) g->da + RG_AT(g, t, 0) * 4 * h, 0,
                 g->gates, false);
    }

    RG(end)(g, dc, g->dyc, g->dc0);
}


/* -- GRU: gates z r n, and what r multiplies, q -------------------------- */

/* dn and the gradient of z, before their functions: what both forms have. */
static void
RG(gru_gates)(const rg_t *g, REAL *x, REAL *room, const REAL *dh,
    const REAL *p, const REAL *last)
{
    int64_t  h = g->hid;

    RG(rest)(g, room, p);
    RG(mul)(g, room, room, dh);
    RG(tanh_back)(g, x + 2 * h, room, p + 2 * h);

    RG(sub)(g, room, last, p + 2 * h);
    RG(mul)(g, room, room, dh);
    RG(sigmoid_back)(g, x, room, p);
}


/* With linear_before_reset: n = tanh(px + r q), q = R last. */
static void
RG(gru_row)(const rg_t *g, REAL *dh, int64_t at)
{
    REAL         *x = (REAL *) g->da + at * 3 * g->hid;
    REAL         *y = (REAL *) g->dah + at * 3 * g->hid;
    int64_t       h = g->hid;
    const REAL   *p = (const REAL *) g->pre + at * 4 * h;
    const REAL   *last = (const REAL *) g->hprev + at * h;

    RG(gru_gates)(g, x, y, dh, p, last);
    RG(mul)(g, y, x + 2 * h, p + 3 * h);
    RG(sigmoid_back)(g, x + h, y, p + h);

    memcpy(y, x, (size_t) (2 * h) * sizeof(REAL));
    RG(mul)(g, y + 2 * h, x + 2 * h, p + h);
    RG(mul)(g, dh, dh, p);
}


/*
 * Without: n = tanh(px + R (r last)).  First up to dn, then what comes back
 * through that product.
 */
static void
RG(reset_row)(const rg_t *g, const REAL *dh, int64_t at)
{
    int64_t  h = g->hid;

    RG(gru_gates)(g, (REAL *) g->da + at * 3 * h, (REAL *) g->dah + at * 3 * h,
                  dh, (const REAL *) g->pre + at * 4 * h,
                  (const REAL *) g->hprev + at * h);
}


static void
RG(reset_back)(const rg_t *g, REAL *dh, const REAL *drh, int64_t at)
{
    REAL         *x = (REAL *) g->da + at * 3 * g->hid;
    REAL         *y = (REAL *) g->dah + at * 3 * g->hid;
    int64_t       h = g->hid;
    const REAL   *p = (const REAL *) g->pre + at * 4 * h;

    RG(mul)(g, y, drh, (const REAL *) g->hprev + at * h);
    RG(sigmoid_back)(g, x + h, y, p + h);
    RG(mul)(g, y, drh, p + h);
    RG(mul)(g, dh, dh, p);
    RG(add)(g, dh, y);

    memcpy(y, x, (size_t) (3 * h) * sizeof(REAL));
}


static void
RG(reset)(const rg_t *g, REAL *dh)
{
    REAL     *da, *drh = dh + g->nb * g->hid;
    int64_t   h = g->hid, r;

    for (int64_t t = g->seq - 1; t >= 0; t--) {
        da = (REAL *) g->da + RG_AT(g, t, 0) * 3 * h;

        for (r = 0; r < g->nb; r++) {
            RG(row_dy)(g, dh + r * h, t, r);
            RG(reset_row)(g, dh + r * h, RG_AT(g, t, r));
        }

        RG(back)(g, drh, da, 2 * h, h, false);

        for (r = 0; r < g->nb; r++) {
            RG(reset_back)(g, dh + r * h, drh + r * h, RG_AT(g, t, r));
        }

        RG(back)(g, dh, da, 0, 2 * h, true);
    }
}


static void
RG(gru)(const rg_t *g, REAL *dh)
{
    for (int64_t t = g->seq - 1; t >= 0; t--) {
        for (int64_t r = 0; r < g->nb; r++) {
            RG(row_dy)(g, dh + r * g->hid, t, r);
            RG(gru_row)(g, dh + r * g->hid, RG_AT(g, t, r));
        }

        RG(back)(g, dh, (REAL *) g->dah + RG_AT(g, t, 0) * 3 * g->hid, 0,
                 g->gates, true);
    }
}


/* -- a block ------------------------------------------------------------- */

static void
RG(block)(const rg_t *g)
{
    REAL  *dh = g->dh;

    RG(begin)(g, dh, g->dyh, true);

    if (g->cell == RNN_CELL_LSTM) {
        RG(lstm)(g, dh);

    } else if (g->cell == RNN_CELL_GRU && g->before) {
        RG(reset)(g, dh);

    } else if (g->cell == RNN_CELL_GRU) {
        RG(gru)(g, dh);

    } else {
        RG(rnn)(g, dh);
    }

    RG(end)(g, dh, g->dyh, g->dh0);
}
