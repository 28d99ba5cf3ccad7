/*
 * rnn_grad_body.h: the way back through time of one block of batch rows;
 * included by rnn_grad_run.c for float and for double.
 *
 *   REAL        the type
 *   RG(name)    the name with the type's suffix
 *   RG(sigmoid), RG(tanh)    in place, n values
 *   RG(add)     y += x, a row
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


/* -- RNN ----------------------------------------------------------------- */

static void
RG(rnn)(const rg_t *g, REAL *dh)
{
    REAL        *da, *d;
    const REAL  *pre;

    for (int64_t t = g->seq - 1; t >= 0; t--) {
        for (int64_t r = 0; r < g->nb; r++) {
            d = dh + r * g->hid;
            da = (REAL *) g->da + RG_AT(g, t, r) * g->hid;
            pre = (const REAL *) g->pre + RG_AT(g, t, r) * g->hid;
            RG(row_dy)(g, d, t, r);

            if (g->relu) {
                for (int64_t j = 0; j < g->hid; j++) {
                    da[j] = pre[j] > 0 ? d[j] : 0;
                }

                continue;
            }

            memcpy(da, pre, (size_t) g->hid * sizeof(REAL));
            RG(tanh)(g, da, g->hid);

            for (int64_t j = 0; j < g->hid; j++) {
                da[j] = d[j] * (1 - da[j] * da[j]);
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

            if (!g->saved) {
                RG(sigmoid)(g, a, 3 * h);
                RG(tanh)(g, a + 3 * h, h);
            }

            RG(cell)(g, cells + ((t + 1) * g->nb + r) * h, a,
                     cells + (t * g->nb + r) * h);
        }
    }
}


static void
RG(lstm)(const rg_t *g, REAL *dh)
{
    REAL         *cells = g->cells, *dc = dh + g->nb * g->hid, *a, *c;
    int64_t       h = g->hid;

    RG(lstm_forward)(g);
    RG(begin)(g, dc, g->dyc, true);

    for (int64_t t = g->seq - 1; t >= 0; t--) {
        for (int64_t r = 0; r < g->nb; r++) {
            RG(row_dy)(g, dh + r * h, t, r);
            RG(row_last)(g, dc + r * h, g->dyc, t + 1, r);
            a = (REAL *) g->da + RG_AT(g, t, r) * 4 * h;
            c = cells + ((t + 1) * g->nb + r) * h;
            RG(tanh)(g, c, h);
            RG(cell_back)(g, a, dh + r * h, dc + r * h,
                          cells + (t * g->nb + r) * h, c);
        }

        RG(back)(g, dh, (REAL *) g->da + RG_AT(g, t, 0) * 4 * h, 0,
                 g->gates, false);
    }

    RG(end)(g, dc, g->dyc, g->dc0);
}


/* -- GRU: gates z r h, of linear_before_reset ---------------------------- */

static void
RG(gru_row)(const rg_t *g, REAL *dh, int64_t at)
{
    REAL         *x = (REAL *) g->da + at * 3 * g->hid;
    REAL         *y = (REAL *) g->dah + at * 3 * g->hid;
    REAL          z, r, n, dn;
    int64_t       h = g->hid;
    const REAL   *px = (const REAL *) g->pre + at * 3 * h;
    const REAL   *ph = (const REAL *) g->rec + at * 3 * h;
    const REAL   *last = (const REAL *) g->hprev + at * h;

    for (int64_t j = 0; j < 2 * h; j++) {
        x[j] = px[j] + ph[j];
    }

    RG(sigmoid)(g, x, 2 * h);

    for (int64_t j = 0; j < h; j++) {
        x[2 * h + j] = px[2 * h + j] + x[h + j] * ph[2 * h + j];
    }

    RG(tanh)(g, x + 2 * h, h);

    for (int64_t j = 0; j < h; j++) {
        z = x[j];
        r = x[h + j];
        n = x[2 * h + j];
        dn = dh[j] * (1 - z) * (1 - n * n);

        x[j] = y[j] = dh[j] * (last[j] - n) * z * (1 - z);
        x[h + j] = y[h + j] = dn * ph[2 * h + j] * r * (1 - r);
        x[2 * h + j] = dn;
        y[2 * h + j] = dn * r;
        dh[j] *= z;
    }
}


/*
 * Without linear_before_reset: n = tanh(px + ph), where ph has gone through
 * (r last) R.  First up to dn, then what comes back through that product.
 */
static void
RG(reset_row)(const rg_t *g, const REAL *dh, int64_t at)
{
    REAL         *x = (REAL *) g->da + at * 3 * g->hid;
    int64_t       h = g->hid;
    const REAL   *px = (const REAL *) g->pre + at * 3 * h;
    const REAL   *ph = (const REAL *) g->rec + at * 3 * h;

    for (int64_t j = 0; j < 3 * h; j++) {
        x[j] = px[j] + ph[j];
    }

    RG(sigmoid)(g, x, 2 * h);
    RG(tanh)(g, x + 2 * h, h);

    /* n is needed once more: it waits in the place of dQ. */
    for (int64_t j = 0; j < h; j++) {
        ((REAL *) g->dah)[at * 3 * h + j] = x[2 * h + j];
        x[2 * h + j] = dh[j] * (1 - x[j])
                       * (1 - x[2 * h + j] * x[2 * h + j]);
    }
}


static void
RG(reset_back)(const rg_t *g, REAL *dh, const REAL *drh, int64_t at)
{
    REAL         *x = (REAL *) g->da + at * 3 * g->hid;
    REAL         *y = (REAL *) g->dah + at * 3 * g->hid;
    REAL          z, r;
    int64_t       h = g->hid;
    const REAL   *last = (const REAL *) g->hprev + at * h;

    for (int64_t j = 0; j < h; j++) {
        z = x[j];
        r = x[h + j];
        x[j] = dh[j] * (last[j] - y[j]) * z * (1 - z);
        x[h + j] = drh[j] * last[j] * r * (1 - r);
        dh[j] = dh[j] * z + drh[j] * r;
    }

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
