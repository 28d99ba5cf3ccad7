/*
 * Fuzz target: the file of a dataset.  Whatever opens is read through every
 * accessor.
 */

#include <stdlib.h>
#include <string.h>

#include "train/dataset.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_column(const maas_dataset_t *ds, int i, int64_t n)
{
    char                  tmp[32];
    double               *v;
    int32_t               label;
    maas_str_t            s;
    maas_rows_t           rows = { NULL, 0, 1 };
    maas_arena_t          a;
    maas_classes_t        k;
    volatile size_t       sum = 0;
    const maas_column_t  *c = maas_dataset_column(ds, i);

    for (uint32_t x = 0; x < c->n_class; x++) {
        s = maas_column_class(c, x, tmp);
        sum += (s.len != 0 ? (size_t) s.data[s.len - 1] : 0)
               + (size_t) c->count[x];
    }

    maas_arena_init(&a, &maas_host_libc, 0);
    v = c->width < 1 << 16 ? calloc(c->width, sizeof(*v)) : NULL;
    (void) maas_dataset_classes(ds, i, 50, &a, &k, NULL);

    for ( /* void */ ; rows.first < n; rows.first++) {
        s = maas_column_text(c, rows.first);
        sum += s.len != 0 ? (size_t) s.data[s.len - 1] : 0;

        if (v != NULL) {
            (void) maas_dataset_numbers(ds, &i, 1, &rows, v, c->width, NULL);
        }

        if (k.n != 0) {
            (void) maas_dataset_labels(ds, &k, &rows, &label, NULL);

            if (label < -1 || label >= k.n) {
                abort();
            }
        }
    }

    free(v);
    maas_arena_destroy(&a);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void             *p;
    int64_t           n;
    maas_arena_t      a;
    maas_split_t      split;
    maas_dataset_t   *ds;
    maas_split_spec_t  spec = { .validation = 0.3, .stratify = -1 };

    /* The exact size, so that a sanitizer sees an overrun. */
    if (posix_memalign(&p, 64, size != 0 ? size : 1) != 0) {
        return 0;
    }

    memcpy(p, data, size);

    if (maas_dataset_view(&ds, &maas_host_libc, p, size, NULL) == MAAS_OK) {
        n = maas_dataset_rows(ds);

        for (int i = 0; i < maas_dataset_columns(ds) && i < 64; i++) {
            fuzz_column(ds, i, n < 64 ? n : 64);
        }

        if (n < 1000) {
            maas_arena_init(&a, &maas_host_libc, 0);
            spec.by = n % 3;
            (void) maas_dataset_split(ds, &spec, &a, &split, NULL);
            maas_arena_destroy(&a);
        }

        (void) maas_dataset_verify(ds, NULL);
        maas_dataset_close(ds);
    }

    free(p);
    return 0;
}
