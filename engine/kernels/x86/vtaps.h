/*
 * vtaps: rows and pixels summed by weights, what resizing is made of, for
 * one instruction set; a template over the words of vec_*.h.  The includer
 * defines MAAS_ISA.  Products are rounded before they are added, as in the
 * plain form of Resize.
 */

#define VT_N  (MAAS_C16 / VL)       /* vectors of a pixel */


/* Floats [0, n) of `rows` rows, at most 4: a constant of each call. */
V_INL void
vt_blend(float *y, const float *const *x, const float *w, const int rows,
    const bool add, int64_t n)
{
    V             v, w0, w1, w2, w3;
    int64_t       i;
    const float  *x0 = x[0], *x1 = rows > 1 ? x[1] : x0;
    const float  *x2 = rows > 2 ? x[2] : x0, *x3 = rows > 3 ? x[3] : x0;

    w0 = v_set1(w[0]);
    w1 = rows > 1 ? v_set1(w[1]) : w0;
    w2 = rows > 2 ? v_set1(w[2]) : w0;
    w3 = rows > 3 ? v_set1(w[3]) : w0;

#define VT_SUM(LOAD)                                                          \
    v = v_mul(w0, LOAD(x0));                                                  \
    v = add ? v_add(LOAD(y), v) : v;                                          \
    v = rows > 1 ? v_add(v, v_mul(w1, LOAD(x1))) : v;                         \
    v = rows > 2 ? v_add(v, v_mul(w2, LOAD(x2))) : v;                         \
    v = rows > 3 ? v_add(v, v_mul(w3, LOAD(x3))) : v;

#define VT_WHOLE(p)  v_load((p) + i)
#define VT_PART(p)   v_loadn((p) + i, (int) (n - i))

    for (i = 0; i + VL <= n; i += VL) {
        VT_SUM(VT_WHOLE)
        v_store(y + i, v);
    }

    if (i < n) {
        VT_SUM(VT_PART)
        v_storen(y + i, v, (int) (n - i));
    }
}


V_INL void
vt_rows(float *y, const float *const *x, const float *w, int rows,
    const bool add, int64_t n)
{
    switch (rows) {
    case 1:
        vt_blend(y, x, w, 1, add, n);
        break;
    case 2:
        vt_blend(y, x, w, 2, add, n);
        break;
    case 3:
        vt_blend(y, x, w, 3, add, n);
        break;
    default:
        vt_blend(y, x, w, 4, add, n);
    }
}


void
MAAS_K(blend)(float *y, const float *const *x, const float *w, int rows,
    bool add, int64_t n)
{
    for ( /* void */ ; rows > 0; rows -= 4, x += 4, w += 4, add = true) {
        if (add) {
            vt_rows(y, x, w, rows, true, n);
        } else {
            vt_rows(y, x, w, rows, false, n);
        }
    }
}


/* One pixel of n taps; n above 4 is no constant. */
V_INL void
vt_pixel(float *y, const float *x, const maas_tap_t *t, const int n)
{
    V        v;
    int64_t  at;

    for (int h = 0; h < VT_N; h++) {
        at = (int64_t) t->at[0] * MAAS_C16 + h * VL;
        v = v_load(x + at);

        if (n > 1) {
            v = v_mul(v_set1(t->w[0]), v);
        }

        for (int j = 1; j < n; j++) {
            at = (int64_t) t->at[j] * MAAS_C16 + h * VL;
            v = v_add(v, v_mul(v_set1(t->w[j]), v_load(x + at)));
        }

        v_store(y + h * VL, v);
    }
}


void
MAAS_K(taps16)(float *y, const float *x, const maas_tap_t *t, int64_t n)
{
    for ( /* void */ ; n > 0; n--, t++, y += MAAS_C16) {
        switch (t->n) {
        case 1:
            vt_pixel(y, x, t, 1);
            break;
        case 2:
            vt_pixel(y, x, t, 2);
            break;
        case 4:
            vt_pixel(y, x, t, 4);
            break;
        default:
            vt_pixel(y, x, t, t->n);
        }
    }
}
