/*
 * near_body: knear.h, for the level MAAS_ISA.  Four rows at a time against
 * the eight sums of a panel, which stay in registers.
 *
 * Ownership: none.
 * Threads:   reentrant; ranges split the rows.
 */

#define NEAR_PASTE(a, b)  a##_##b
#define NEAR_NAME(a, b)   NEAR_PASTE(a, b)

#define NEAR_ROWS  4

/* One element of each of the eight vectors; the compiler splits it. */
typedef double  near_v __attribute__((vector_size(64)));


static inline __attribute__((always_inline)) void
near_rows(double *y, int64_t ldy, const double *x, const int rows, int64_t p,
    const double *t)
{
    near_v  s[NEAR_ROWS] = { { 0 } }, v;

    for (int64_t j = 0; j < p; j++) {
        memcpy(&v, t + j * MAAS_NEAR_PANEL, sizeof(v));

#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            s[r] += x[r * p + j] * v;
        }
    }

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        memcpy(y + r * ldy, &s[r], sizeof(v));
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
