/*
 * near_body: knear.h, for the level MAAS_ISA.  Four rows at a time against
 * the eight sums of a panel, which stay in registers.
 */

#define NEAR_PASTE(a, b)  a##_##b
#define NEAR_NAME(a, b)   NEAR_PASTE(a, b)

#define NEAR_ROWS  4


static inline __attribute__((always_inline)) void
near_rows(double *y, int64_t ldy, const double *x, int64_t rows, int64_t p,
    const double *t)
{
    double  s[NEAR_ROWS][MAAS_NEAR_PANEL] = { { 0 } };

    for (int64_t j = 0; j < p; j++) {
        for (int64_t r = 0; r < rows; r++) {
            for (int v = 0; v < MAAS_NEAR_PANEL; v++) {
                s[r][v] += x[r * p + j] * t[j * MAAS_NEAR_PANEL + v];
            }
        }
    }

    for (int64_t r = 0; r < rows; r++) {
        for (int v = 0; v < MAAS_NEAR_PANEL; v++) {
            y[r * ldy + v] = s[r][v];
        }
    }
}


void NEAR_NAME(maas_k_f64_near, MAAS_ISA)(double *y, int64_t ldy,
    const double *x, int64_t m, int64_t p, const double *t, int64_t panels);


void
NEAR_NAME(maas_k_f64_near, MAAS_ISA)(double *y, int64_t ldy, const double *x,
    int64_t m, int64_t p, const double *t, int64_t panels)
{
    int64_t  i;

    for (int64_t k = 0; k < panels; k++, y += MAAS_NEAR_PANEL) {
        for (i = 0; i + NEAR_ROWS <= m; i += NEAR_ROWS) {
            near_rows(y + i * ldy, ldy, x + i * p, NEAR_ROWS, p, t);
        }

        for ( ; i < m; i++) {
            near_rows(y + i * ldy, ldy, x + i * p, 1, p, t);
        }

        t += p * MAAS_NEAR_PANEL;
    }
}
