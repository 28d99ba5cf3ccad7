/*
 * fit_body: kfit.h, for the level MAAS_ISA.  A tile of FIT_HIGH rows and
 * FIT_WIDE vectors of products stays in registers over all rows.  fit_v:
 * FIT_LANES doubles, at most MAAS_FIT_PAD; FIT_ADD(s, a, v): s + a v, a
 * a number; FIT_MLA(s, u, v): s + u v.
 */

#define FIT_PASTE(a, b)  a##_##b
#define FIT_NAME(a, b)   FIT_PASTE(a, b)


static inline __attribute__((always_inline)) void
fit_tile(const maas_fit_product_t *c, int64_t i0, int64_t j0,
    const int wide, const bool weighted)
{
    fit_v          s[FIT_HIGH][FIT_WIDE], v[FIT_WIDE];
    double        *g = c->g + i0 * c->ldg + j0;
    const double  *a = c->a + i0, *b = c->b + j0;

#pragma GCC unroll 8
    for (int i = 0; i < FIT_HIGH; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) {
            memcpy(&s[i][j], g + i * c->ldg + j * FIT_LANES, sizeof(fit_v));
        }
    }

    for (int64_t r = 0; r < c->m; r++, a += c->lda, b += c->ldb) {
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) {
            memcpy(&v[j], b + j * FIT_LANES, sizeof(fit_v));

            if (weighted) {
                v[j] = v[j] * c->h[r];
            }
        }

#pragma GCC unroll 8
        for (int i = 0; i < FIT_HIGH; i++) {
#pragma GCC unroll 4
            for (int j = 0; j < wide; j++) {
                s[i][j] = FIT_ADD(s[i][j], a[i], v[j]);
            }
        }
    }

#pragma GCC unroll 8
    for (int i = 0; i < FIT_HIGH; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < wide; j++) {
            memcpy(g + i * c->ldg + j * FIT_LANES, &s[i][j], sizeof(fit_v));
        }
    }
}


static inline __attribute__((always_inline)) void
fit_tiles(const maas_fit_product_t *c, const bool weighted)
{
    int64_t  j;

    for (int64_t i = 0; i < c->ni; i += FIT_HIGH) {
        j = c->upper ? i / FIT_LANES * FIT_LANES : 0;

        for ( ; j + FIT_WIDE * FIT_LANES <= c->nj; j += FIT_WIDE * FIT_LANES)
        {
            fit_tile(c, i, j, FIT_WIDE, weighted);
        }

        for ( ; j < c->nj; j += FIT_LANES) {
            fit_tile(c, i, j, 1, weighted);
        }
    }
}


void FIT_NAME(maas_k_f64_products, MAAS_ISA)(const maas_fit_product_t *c);
void FIT_NAME(maas_k_f64_columns, MAAS_ISA)(const maas_fit_columns_t *c);
void FIT_NAME(maas_k_f64_centre, MAAS_ISA)(double *to, int64_t ld,
    const double *x, int64_t m, int64_t p, const double *mean,
    const double *scale, const double *w);
void FIT_NAME(maas_k_f64_dots, MAAS_ISA)(double *y, int64_t ldy,
    const double *x, int64_t m, int64_t p, const double *w);


void
FIT_NAME(maas_k_f64_products, MAAS_ISA)(const maas_fit_product_t *c)
{
    if (c->h != NULL) {
        fit_tiles(c, true);

    } else {
        fit_tiles(c, false);
    }
}


static void
fit_sums(double *restrict sum, const double *restrict x,
    const double *restrict shift, double w, int64_t p)
{
    for (int64_t j = 0; j < p; j++) {
        sum[j] += w * (x[j] - shift[j]);
    }
}


static void
fit_squares(double *restrict sum, double *restrict square,
    const double *restrict x, const double *restrict shift, double w,
    int64_t p)
{
    double  d;

    for (int64_t j = 0; j < p; j++) {
        d = x[j] - shift[j];
        sum[j] += w * d;
        square[j] += w * d * d;
    }
}


void
FIT_NAME(maas_k_f64_columns, MAAS_ISA)(const maas_fit_columns_t *c)
{
    double         w;
    int64_t        k;
    const double  *x = c->x;

    for (int64_t i = 0; i < c->m; i++, x += c->p) {
        k = c->group != NULL ? c->group[i] : 0;
        w = c->weight != NULL ? c->weight[i] : 1;

        if (c->square == NULL) {
            fit_sums(c->sum + k * c->ld, x, c->shift + k * c->ld_shift, w,
                     c->p);

        } else {
            fit_squares(c->sum + k * c->ld, c->square + k * c->ld, x,
                        c->shift + k * c->ld_shift, w, c->p);
        }
    }
}


static void
fit_row(double *restrict to, const double *restrict x,
    const double *restrict mean, const double *restrict scale, double w,
    int64_t p)
{
    for (int64_t j = 0; j < p; j++) {
        to[j] = (x[j] - mean[j]) * scale[j] * w;
    }
}


void
FIT_NAME(maas_k_f64_centre, MAAS_ISA)(double *to, int64_t ld,
    const double *x, int64_t m, int64_t p, const double *mean,
    const double *scale, const double *w)
{
    for (int64_t i = 0; i < m; i++) {
        fit_row(to + i * ld, x + i * p, mean, scale, w != NULL ? w[i] : 1,
                p);
    }
}


static inline __attribute__((always_inline)) void
fit_dots(double *y, int64_t ldy, const double *x, const int rows, int64_t p,
    const double *w)
{
    double  sum;
    fit_v   s[4] = { { 0 } }, a, b;

    for (int64_t j = 0; j < p; j += FIT_LANES) {
        memcpy(&b, w + j, sizeof(b));

#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            memcpy(&a, x + r * p + j, sizeof(a));
            s[r] = FIT_MLA(s[r], a, b);
        }
    }

    for (int r = 0; r < rows; r++) {
        sum = 0;

#pragma GCC unroll 8
        for (int l = 0; l < FIT_LANES; l++) {
            sum += s[r][l];
        }

        y[r * ldy] = sum;
    }
}


void
FIT_NAME(maas_k_f64_dots, MAAS_ISA)(double *y, int64_t ldy, const double *x,
    int64_t m, int64_t p, const double *w)
{
    int64_t  i;

    for (i = 0; i + 4 <= m; i += 4) {
        fit_dots(y + i * ldy, ldy, x + i * p, 4, p, w);
    }

    for ( ; i < m; i++) {
        fit_dots(y + i * ldy, ldy, x + i * p, 1, p, w);
    }
}
