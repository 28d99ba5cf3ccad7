/*
 * lstm_body: one row of an LSTM between its products, forward and back, in
 * plain C; a template over the type of the numbers.  The includer defines
 * REAL and LSTM(name).  Of float it is the reference kernel; of double what
 * operators use, as float64 has no kernels of its own.
 *
 * a: n numbers of each gate, after its function, in the order i, o, f, c~.
 * Nothing is allocated and nothing kept; rows are independent.
 */


/* c = f * last + i * c~ */
static inline void
LSTM(cell)(REAL *c, const REAL *a, const REAL *last, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        c[j] = a[2 * n + j] * last[j] + a[j] * a[3 * n + j];
    }
}


/*
 * From dL/dh and dL/dc: a becomes dL/d(gates before their functions), dc that
 * of the step before.  th: tanh(c).
 */
static inline void
LSTM(back)(REAL *a, const REAL *dh, REAL *dc, const REAL *last,
    const REAL *th, int64_t n)
{
    REAL  i, o, f, w, d;

    for (int64_t j = 0; j < n; j++) {
        i = a[j];
        o = a[n + j];
        f = a[2 * n + j];
        w = a[3 * n + j];
        d = dc[j] + dh[j] * o * (1 - th[j] * th[j]);

        a[j] = d * w * i * (1 - i);
        a[n + j] = dh[j] * th[j] * o * (1 - o);
        a[2 * n + j] = d * last[j] * f * (1 - f);
        a[3 * n + j] = d * i * (1 - w * w);
        dc[j] = d * f;
    }
}


#undef REAL
#undef LSTM
