/*
 * wino_body: Winograd's transforms F(2x2, 3x3) and F(4x4, 3x3) over blocks
 * of 16 channels; a template over few words: WV a vector of WL floats,
 * W_LOAD, W_STORE, W_ZERO, W_ADD, W_SUB, W_FMA(a, c, b) = a * c + b with a
 * constant c, W_SET1, W_LIMIT(v, lo, hi).  The same words at every level with
 * fused multiply-adds, so that these agree to the bit.
 *
 * A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks
 * (2015); the points are 0, 1, -1, 2, -2 and infinity.
 */


/* y = B' d, of m + 2 values that lie `s` apart. */
W_INL void
MAAS_K(wino_in)(WV *y, const WV *d, const int s, const int m)
{
    WV  a, b, c, e;

    if (m == 2) {
        y[0] = W_SUB(d[0], d[2 * s]);
        y[s] = W_ADD(d[s], d[2 * s]);
        y[2 * s] = W_SUB(d[2 * s], d[s]);
        y[3 * s] = W_SUB(d[s], d[3 * s]);
        return;
    }

    a = W_FMA(d[2 * s], -4.0f, d[4 * s]);
    b = W_FMA(d[s], -4.0f, d[3 * s]);
    c = W_SUB(d[4 * s], d[2 * s]);
    e = W_SUB(d[3 * s], d[s]);

    y[0] = W_FMA(d[0], 4.0f, W_FMA(d[2 * s], -5.0f, d[4 * s]));
    y[5 * s] = W_FMA(d[s], 4.0f, W_FMA(d[3 * s], -5.0f, d[5 * s]));
    y[s] = W_ADD(a, b);
    y[2 * s] = W_SUB(a, b);
    y[3 * s] = W_FMA(e, 2.0f, c);
    y[4 * s] = W_FMA(e, -2.0f, c);
}


/* y = A' d: m values, from m + 2. */
W_INL void
MAAS_K(wino_out)(WV *y, const WV *d, const int s, const int m)
{
    WV  p, q, r, t;

    p = W_ADD(d[s], d[2 * s]);
    q = W_SUB(d[s], d[2 * s]);

    if (m == 2) {
        y[0] = W_ADD(d[0], p);
        y[s] = W_SUB(q, d[3 * s]);
        return;
    }

    r = W_ADD(d[3 * s], d[4 * s]);
    t = W_SUB(d[3 * s], d[4 * s]);

    y[0] = W_ADD(W_ADD(d[0], p), r);
    y[s] = W_FMA(t, 2.0f, q);
    y[2 * s] = W_FMA(r, 4.0f, p);
    y[3 * s] = W_ADD(W_FMA(t, 8.0f, q), d[5 * s]);
}


W_INL void
MAAS_K(wino_from)(const maas_wino16_t *t, float *v, const float *plane,
    const int m)
{
    WV            d[36], x[36];
    bool          in;
    const int     n = m + 2;
    int64_t       y0 = t->y0, x0 = t->x0;
    const float  *p = plane + (y0 * t->w + x0) * MAAS_C16;

    in = y0 >= 0 && x0 >= 0 && y0 + n <= t->h && x0 + n <= t->w;

    for (int h = 0; h < MAAS_C16; h += WL) {
        if (in) {
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    d[i * n + j] = W_LOAD(p + (i * t->w + j) * MAAS_C16 + h);
                }
            }

        } else {
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    d[i * n + j] = y0 + i >= 0 && y0 + i < t->h
                                   && x0 + j >= 0 && x0 + j < t->w
                                   ? W_LOAD(p + (i * t->w + j) * MAAS_C16 + h)
                                   : W_ZERO();
                }
            }
        }

        for (int j = 0; j < n; j++) {
            MAAS_K(wino_in)(x + j, d + j, n, m);
        }

        for (int i = 0; i < n; i++) {
            MAAS_K(wino_in)(d + i * n, x + i * n, 1, m);
        }

        for (int i = 0; i < n * n; i++) {
            W_STORE(v + i * t->step + h, d[i]);
        }
    }
}


/*
 * rows x cols of m x m outputs; whole: all of them.  What is read from t
 * and the bias is read before anything is stored, as a store may change it.
 */
W_INL void
MAAS_K(wino_to)(const maas_wino16_t *t, float *plane, const float *v,
    const int m, int64_t rows, int64_t cols, const bool whole)
{
    WV            d[36], x[36], y[4], bias, lo, hi;
    bool          clip = t->clip;
    const int     n = m + 2;
    int64_t       at;
    const float  *add = t->add;

    lo = W_SET1(t->lo);
    hi = W_SET1(t->hi);

    for (int h = 0; h < MAAS_C16; h += WL) {
        bias = W_LOAD(t->bias + h);

        for (int i = 0; i < n * n; i++) {
            d[i] = W_LOAD(v + i * t->step + h);
        }

        for (int j = 0; j < n; j++) {
            MAAS_K(wino_out)(x + j, d + j, n, m);
        }

#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            if (!whole && i >= rows) {
                break;
            }

            MAAS_K(wino_out)(y, x + i * n, 1, m);

#pragma GCC unroll 4
            for (int j = 0; j < m; j++) {
                if (!whole && j >= cols) {
                    break;
                }

                at = ((t->y0 + i) * t->w + t->x0 + j) * MAAS_C16 + h;
                y[j] = W_ADD(y[j], bias);

                if (add != NULL) {
                    y[j] = W_ADD(y[j], W_LOAD(add + at));
                }

                W_STORE(plane + at, clip ? W_LIMIT(y[j], lo, hi) : y[j]);
            }
        }
    }
}


W_INL void
MAAS_K(wino_out_of)(const maas_wino16_t *t, float *plane, const float *v,
    const int m)
{
    int64_t  rows, cols;

    rows = maas_min(t->h - t->y0, m);
    cols = maas_min(t->w - t->x0, m);

    if (rows == m && cols == m) {
        MAAS_K(wino_to)(t, plane, v, m, m, m, true);

    } else {
        MAAS_K(wino_to)(t, plane, v, m, rows, cols, false);
    }
}


void
MAAS_K(winoin16)(const maas_wino16_t *t, float *v, const float *plane)
{
    if (t->m == 2) {
        MAAS_K(wino_from)(t, v, plane, 2);

    } else {
        MAAS_K(wino_from)(t, v, plane, 4);
    }
}


void
MAAS_K(winoout16)(const maas_wino16_t *t, float *plane, const float *v)
{
    if (t->m == 2) {
        MAAS_K(wino_out_of)(t, plane, v, 2);

    } else {
        MAAS_K(wino_out_of)(t, plane, v, 4);
    }
}
