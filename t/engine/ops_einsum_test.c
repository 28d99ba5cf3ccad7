/*
 * Einsum against loops over every label: matrix products, plain loops, the
 * ellipsis and the implicit output.
 */

#include <math.h>

#include "ops_shape_harness.h"


/* Letters only: every label a loop, the sum in float64. */
static double
naive_einsum(const char *eq, const call_t *c, const int64_t *dim,
    const int64_t *at_out)
{
    char        sums[64] = "";
    double      acc = 0, v;
    int64_t     at[128] = { 0 }, n = 1, rest;
    const char  *out = strstr(eq, "->") + 2;

    for (int i = 0; out[i]; i++) {
        at[(int) out[i]] = at_out[i];
    }

    for (const char *p = eq; *p != '-'; p++) {
        if (*p != ',' && !strchr(out, *p) && !strchr(sums, *p)) {
            sums[strlen(sums) + 1] = 0;
            sums[strlen(sums)] = *p;
            n *= dim[(int) *p];
        }
    }

    for (int64_t i = 0; i < n; i++) {
        const char  *p = eq;

        rest = i;

        for (int j = 0; sums[j]; j++) {
            at[(int) sums[j]] = rest % dim[(int) sums[j]];
            rest /= dim[(int) sums[j]];
        }

        v = 1;

        for (int o = 0; o < c->n_in; o++, p++) {
            int64_t  off = 0;

            for (int d = 0; *p != ',' && *p != '-'; p++, d++) {
                off = off * c->in[o].dims[d]
                      + (c->in[o].dims[d] == 1 ? 0 : at[(int) *p]);
            }

            v *= c->in[o].dtype == MAAS_F32
                 ? ((float *) c->in[o].data)[off]
                 : (double) ((int32_t *) c->in[o].data)[off];
        }

        acc += v;
    }

    return acc;
}


static bool
one_einsum(const char *eq, maas_dtype_t dtype, const int64_t *dim,
    int *kernel)
{
    bool         good;
    call_t       c;
    double       want, got;
    int64_t      dims[8], a[8];
    const char  *p = eq;

    call_init(&c, "Einsum", 1);
    call_list(&c, "equation", eq, strlen(eq), 1);

    for (int d = 0; ; p++) {
        if (*p == ',' || *p == '-') {
            maas_tensor_t  *t = call_in(&c, dtype, d, dims);

            for (int64_t i = 0; i < maas_tensor_count(t); i++) {
                if (dtype == MAAS_F32) {
                    ((float *) t->data)[i] = (float) rnd(-99, 99) / 64;
                } else {
                    ((int32_t *) t->data)[i] = rnd(-9, 9);
                }
            }

            d = 0;

            if (*p == '-') {
                break;
            }

            continue;
        }

        dims[d++] = dim[(int) *p];
    }

    good = call_run(&c) == MAAS_OK;
    *kernel = c.kernel;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        want = naive_einsum(eq, &c, dim, a);
        got = dtype == MAAS_F32 ? ((float *) c.out[0].data)[i]
                                : (double) ((int32_t *) c.out[0].data)[i];
        good = fabs(want - got) <= 1e-4 * (1 + fabs(want));
    }

    if (c.err.text[0]) {
        printf("# %s\n", c.err.text);
    }

    call_done(&c);
    return good;
}


static void
test_einsum(void)
{
    int      k;
    bool     good;
    int64_t  dim[128] = { 0 };

    static const struct {
        const char  *eq;
        int          kernel;    /* 0: matrix products */
    } list[] = {
        { "ij,jk->ik", 0 }, { "ij,jk->ki", 0 }, { "ji,kj->ik", 0 },
        { "bij,bjk->bik", 0 }, { "bihd,bjhd->bhij", 0 },
        { "bhij,bjhd->bihd", 0 }, { "abij,jica->bc", 0 },
        { "iaj,kja->ik", 0 }, { "abc,dc->dab", 0 }, { "abc,dc->adb", 0 },
        { "iij,jk->ik", 0 }, { "ij->ji", 1 }, { "ii->i", 1 },
        { "ii->", 1 }, { "ij->", 1 }, { "ij,ij->ij", 1 },
        { "bij,bij->b", 1 }, { "i,j->ij", 1 }, { "ija,jk->ik", 1 },
        { "ij,jk,kl->il", 1 }, { "i,i->", 1 }, { "ij,j->i", 1 },
        { "a,b,c,d->dacb", 1 }
    };

    for (size_t i = 0; i < maas_nelts(list); i++) {
        good = true;

        for (int j = 0; good && j < 6; j++) {
            for (int ch = 'a'; ch <= 'z'; ch++) {
                dim[ch] = rnd(1, j < 3 ? 4 : 9);
            }

            good = one_einsum(list[i].eq, MAAS_F32, dim, &k)
                   && k == list[i].kernel
                   && one_einsum(list[i].eq, MAAS_I32, dim, &k) && k == 1;
        }

        ok(good, "einsum %s", list[i].eq);
    }

    dim['i'] = 300;
    dim['j'] = 700;
    dim['k'] = 301;
    dim['b'] = 2;
    ok(one_einsum("ij,jk->ik", MAAS_F32, dim, &k) && k == 0,
       "einsum in several blocks of rows, columns and sum");
    dim['i'] = 30;
    ok(one_einsum("bji,kbj->bki", MAAS_F32, dim, &k) && k == 0,
       "einsum whose blocks are all copied");
    dim['j'] = 0;
    ok(one_einsum("ij,jk->ik", MAAS_F32, dim, &k) && k == 1,
       "einsum over an empty sum");
}


static void
test_ellipsis(void)
{
    call_t   c;
    int64_t  a[] = { 2, 1, 4, 5 }, b[] = { 3, 5, 6 };
    char     dims[MAAS_DIMS_TEXT];

    call_init(&c, "Einsum", 1);
    call_list(&c, "equation", "...ij, ...jk -> ...ik", 21, 1);
    call_in(&c, MAAS_F32, 4, a);
    call_in(&c, MAAS_F32, 3, b);
    ok(call_infer(&c) == MAAS_OK, "einsum with an ellipsis");
    is_str(maas_dims_text(dims, c.iout[0].type.dims, c.iout[0].type.rank),
           "[2,3,4,6]", "the ellipsis broadcasts");
    call_done(&c);

    call_init(&c, "Einsum", 1);
    call_list(&c, "equation", "ba", 2, 1);
    call_in(&c, MAAS_F32, 2, b);
    ok(call_infer(&c) == MAAS_OK, "einsum without an output term");
    is_str(maas_dims_text(dims, c.iout[0].type.dims, c.iout[0].type.rank),
           "[5,3]", "its letters come in the order of the alphabet");
    call_done(&c);
}


int
main(void)
{
    test_einsum();
    test_ellipsis();

    return done();
}
