/*
 * block_body: plain C kernels over blocks of 16 channels; a template (see
 * gemm_body.h).  kernels.h tells what they compute.
 *
 * Pixels at the border of a window take the taps that lie inside; the
 * others are left out of the chain.
 */


/* A pixel of a row of one block; x: its first tap. */
static void
MAAS_K(conv16_pixel)(const maas_conv16_t *c, int64_t pixel, const float *x,
    const float *w, float *acc)
{
    float         v;
    int64_t       a, b, t, i, l, run, skip;
    const float  *p, *q;

    for (a = 0; a < c->na; a++) {
        run = a + 1 < c->na ? c->run : c->last;
        q = w + a * c->wa + c->b0 * c->nc * run * MAAS_C16;
        skip = a == 0 ? c->skip : 0;
        q -= (a == 0 ? 0 : c->skip) * MAAS_C16;

        for (b = 0; b < c->nb; b++) {
            for (t = 0; t < c->nc; t++) {
                if ((c->left && pixel == 0 && t == 0)
                    || (c->right && pixel + 1 == c->cols && t + 1 == c->nc))
                {
                    q += (run - skip) * MAAS_C16;
                    continue;
                }

                p = x + a * c->xa + b * c->xb + t * c->xc;

                for (i = skip; i < run; i++) {
                    v = p[i];

                    for (l = 0; l < MAAS_C16; l++) {
                        acc[l] = MAAS_MADD(v, q[l], acc[l]);
                    }

                    q += MAAS_C16;
                }
            }
        }
    }
}


static float
MAAS_K(limit)(float v, float lo, float hi)
{
    v = lo > v ? lo : v;

    return hi < v ? hi : v;
}


void
MAAS_K(conv16)(const maas_conv16_t *c)
{
    float         acc[MAAS_C16], *y;
    int64_t       n, r, p, l, at;
    const float  *w = c->w;

    for (n = 0; n < c->n; n += MAAS_C16, w += c->wblock) {
        for (r = 0; r < c->rows; r++) {
            for (p = 0; p < c->cols; p++) {
                at = n / MAAS_C16 * c->yblock + r * c->yrow + p * MAAS_C16;
                y = c->y + at;

                for (l = 0; l < MAAS_C16; l++) {
                    acc[l] = c->sums ? y[l]
                             : c->bias != NULL && n + l < c->n
                             ? c->bias[n + l] : 0;
                }

                MAAS_K(conv16_pixel)(c, p, c->x + r * c->xrow + p * c->xcol,
                                     w, acc);

                for (l = 0; l < MAAS_C16; l++) {
                    if (c->add != NULL && !c->more) {
                        acc[l] += c->add[at + l];
                    }

                    y[l] = c->clip && !c->more
                           ? MAAS_K(limit)(acc[l], c->lo, c->hi) : acc[l];
                }
            }
        }
    }
}


void
MAAS_K(wgrad16)(const maas_wgrad16_t *c)
{
    float         acc[MAAS_C16], v;
    int64_t       i, b, r, p, l;
    const float  *x, *dy;

    for (i = 0; i < c->n; i++) {
        for (b = 0; b < c->blocks; b++) {
            memset(acc, 0, sizeof(acc));

            for (r = 0; r < c->rows; r++) {
                x = c->x + i * c->xnext + r * c->xrow;
                dy = c->dy + b * c->yblock + r * c->yrow;

                for (p = 0; p < c->cols; p++, dy += MAAS_C16) {
                    v = x[p * c->xcol];

                    for (l = 0; l < MAAS_C16; l++) {
                        acc[l] = MAAS_MADD(v, dy[l], acc[l]);
                    }
                }
            }

            for (l = 0; l < MAAS_C16; l++) {
                c->dw[i * c->dwrow + b * MAAS_C16 + l] += acc[l];
            }
        }
    }
}


void
MAAS_K(dwgrad16)(const maas_win16_t *c, float *dw, const float *dy)
{
    float         acc[2][MAAS_C16], *a;
    int64_t       t, oy, ox, iy, ix, l;
    const float  *x, *d;

    for (t = 0; t < c->kh * c->kw; t++) {
        memset(acc, 0, sizeof(acc));

        for (oy = c->y0; oy < c->y1; oy++) {
            iy = oy * c->sh - c->ph + t / c->kw * c->dh;

            for (ox = 0; ox < c->ow && iy >= 0 && iy < c->ih; ox++) {
                ix = ox * c->sw - c->pw + t % c->kw * c->dw;

                if (ix < 0 || ix >= c->iw) {
                    continue;
                }

                x = c->x + (iy * c->iw + ix) * MAAS_C16;
                d = dy + (oy * c->ow + ox) * MAAS_C16;
                a = acc[ox % 2];

                for (l = 0; l < MAAS_C16; l++) {
                    a[l] = MAAS_MADD(x[l], d[l], a[l]);
                }
            }
        }

        for (l = 0; l < MAAS_C16; l++) {
            dw[t * MAAS_C16 + l] += acc[0][l] + acc[1][l];
        }
    }
}


/* Taps [*lo, *hi) of n, d apart, that start at `at` and lie in [0, size). */
static void
MAAS_K(taps)(int64_t at, int64_t n, int64_t d, int64_t size, int64_t *lo,
    int64_t *hi)
{
    for (*lo = 0; *lo < n && at + *lo * d < 0; (*lo)++) { /* void */ }
    for (*hi = n; *hi > *lo && at + (*hi - 1) * d >= size; (*hi)--) {
        /* void */
    }
}


static void
MAAS_K(win16)(const maas_win16_t *c, bool max)
{
    float         acc[MAAS_C16];
    int64_t       oy, ox, ky, kx, l, iy, ix, k0, k1, x0, x1;
    const float  *p, *w;

    for (oy = c->y0; oy < c->y1; oy++) {
        iy = oy * c->sh - c->ph;
        MAAS_K(taps)(iy, c->kh, c->dh, c->ih, &k0, &k1);

        for (ox = 0; ox < c->ow; ox++) {
            ix = ox * c->sw - c->pw;
            MAAS_K(taps)(ix, c->kw, c->dw, c->iw, &x0, &x1);

            for (l = 0; l < MAAS_C16; l++) {
                acc[l] = max ? -INFINITY : c->bias[l];
            }

            for (ky = k0; ky < k1; ky++) {
                for (kx = x0; kx < x1; kx++) {
                    p = c->x + ((iy + ky * c->dh) * c->iw + ix + kx * c->dw)
                               * MAAS_C16;
                    w = c->w + (ky * c->kw + kx) * MAAS_C16;

                    for (l = 0; l < MAAS_C16; l++) {
                        acc[l] = !max ? MAAS_MADD(p[l], w[l], acc[l])
                                 : acc[l] > p[l] || acc[l] != acc[l] ? acc[l]
                                 : p[l];
                    }
                }
            }

            for (l = 0; l < MAAS_C16; l++) {
                c->y[(oy * c->ow + ox) * MAAS_C16 + l] =
                    c->clip ? MAAS_K(limit)(acc[l], c->lo, c->hi) : acc[l];
            }
        }
    }
}


void
MAAS_K(dwconv16)(const maas_win16_t *c)
{
    MAAS_K(win16)(c, false);
}


void
MAAS_K(maxpool16)(const maas_win16_t *c)
{
    MAAS_K(win16)(c, true);
}


void
MAAS_K(maxgrad16)(const maas_win16_t *c, float *dx, const float *dy,
    bool add)
{
    float     left, v;
    int64_t   oy, ox, ky, kx, l, iy, ix, k0, k1, x0, x1, at, to;

    for (oy = 0; oy < c->oh; oy++) {
        iy = oy * c->sh - c->ph;
        MAAS_K(taps)(iy, c->kh, c->dh, c->ih, &k0, &k1);

        for (ox = 0; ox < c->ow; ox++) {
            ix = ox * c->sw - c->pw;
            MAAS_K(taps)(ix, c->kw, c->dw, c->iw, &x0, &x1);

            for (l = 0; l < MAAS_C16; l++) {
                at = (oy * c->ow + ox) * MAAS_C16 + l;
                left = dy[at];

                for (ky = k0; ky < k1; ky++) {
                    for (kx = x0; kx < x1; kx++) {
                        to = ((iy + ky * c->dh) * c->iw + ix + kx * c->dw)
                             * MAAS_C16 + l;
                        v = 0;

                        if (c->x[to] == c->y[at] || c->x[to] != c->x[to]) {
                            v = left;
                            left = 0;
                        }

                        dx[to] = add ? dx[to] + v : v;
                    }
                }
            }
        }
    }
}


void
MAAS_K(lanes16)(float *y, const float *x, int64_t n, int64_t count)
{
    int64_t  i, l;

    for (i = 0; i < n; i++) {
        for (l = 0; l < count; l++) {
            y[i * MAAS_C16 + l] = x[i * MAAS_C16 + l];
        }
    }
}


void
MAAS_K(weave16)(float *y, int64_t ystep, const float *x, int64_t xstep,
    int64_t n, int64_t count)
{
    int64_t  b, i, l;

    for (b = 0; b < count; b++) {
        for (i = 0; i < n; i++) {
            for (l = 0; l < MAAS_C16; l++) {
                y[b * ystep + i * MAAS_C16 + l] =
                    x[l % 4 * xstep + i * MAAS_C16 + b * 4 + l / 4];
            }
        }
    }
}


void
MAAS_K(blend)(float *restrict y, const float *const *x, const float *w,
    int rows, bool add, int64_t n)
{
    int64_t               i;
    const float *restrict p;

    for (int r = 0; r < rows; r++) {
        p = x[r];

        for (i = 0; i < n && (add || r > 0); i++) {
            y[i] += w[r] * p[i];
        }

        for ( /* void */ ; i < n; i++) {
            y[i] = w[r] * p[i];
        }
    }
}


void
MAAS_K(taps16)(float *y, const float *x, const maas_tap_t *t, int64_t n)
{
    float         acc[MAAS_C16];
    int64_t       l;
    const float  *p;

    for ( /* void */ ; n > 0; n--, t++, y += MAAS_C16) {
        p = x + (int64_t) t->at[0] * MAAS_C16;

        for (l = 0; l < MAAS_C16; l++) {
            acc[l] = t->w[0] * p[l];
        }

        for (int j = 1; j < t->n; j++) {
            p = x + (int64_t) t->at[j] * MAAS_C16;

            for (l = 0; l < MAAS_C16; l++) {
                acc[l] += t->w[j] * p[l];
            }
        }

        memcpy(y, acc, sizeof(acc));
    }
}


/* Pixel i goes to sum i % 4; sums 0 and 2, 1 and 3 are joined, then all. */
void
MAAS_K(sum16)(float *y, const float *x, int64_t n, float f)
{
    float    s[4];
    int64_t  i, l;

    for (l = 0; l < MAAS_C16; l++) {
        s[0] = s[1] = s[2] = s[3] = 0;

        for (i = 0; i < n; i++) {
            s[i % 4] += x[i * MAAS_C16 + l];
        }

        y[l] = ((s[0] + s[2]) + (s[1] + s[3])) * f;
    }
}


void
MAAS_K(affine16)(float *y, const float *x, const float *a, const float *b,
    int64_t n, float lo, float hi)
{
    int64_t  i;

    for (i = 0; i < n * MAAS_C16; i++) {
        y[i] = MAAS_K(limit)(MAAS_MADD(x[i], a[i % MAAS_C16],
                                       b[i % MAAS_C16]), lo, hi);
    }
}


/* -- Winograd, a float at a time ----------------------------------------- */

#define W_INL             static inline
#define WV                float
#define WL                1
#define W_LOAD(p)         (*(p))
#define W_STORE(p, v)     (*(p) = (v))
#define W_ZERO()          0.0f
#define W_ADD(a, b)       ((a) + (b))
#define W_SUB(a, b)       ((a) - (b))
#define W_FMA(a, c, b)    MAAS_MADD(a, c, b)
#define W_SET1(c)         (c)
#define W_LIMIT(v, a, b)  MAAS_K(limit)(v, a, b)

#include "kernels/wino_body.h"
