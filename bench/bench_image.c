/*
 * bench_image: how long the preparation of a picture takes on one thread,
 * from the bytes of a JPEG or PNG to the input tensor that the model.json of
 * a compiled model asks for.
 *
 *     bench_image MODEL_IMAGE PICTURE [SECONDS]
 *
 * Measures for SECONDS (0.1) for each line of standard input, so that other
 * programs can take turns, and prints one line of JSON each time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "formats/model_image.h"
#include "media/image.h"


#define BENCH_RUNS    100000
#define BENCH_PIXELS  (UINT64_C(1) << 26)


typedef struct {
    const maas_prep_t  *prep;
    char               *picture;
    size_t              size;
    maas_tensor_t       t;
    double              ms[BENCH_RUNS];
} bench_t;


static double
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e3 + (double) ts.tv_nsec / 1e6;
}


static void
bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_image: %s: %s\n", what, why);
    exit(1);
}


/* The whole file; aligned as a compiled model must be. */
static char *
bench_file(const char *path, size_t *size)
{
    FILE    *f = fopen(path, "rb");
    long     end = -1;
    char    *p = NULL;

    if (f != NULL && fseek(f, 0, SEEK_END) == 0) {
        end = ftell(f);
    }

    if (end > 0) {
        *size = (size_t) end;
        p = aligned_alloc(4096, (*size + 4095) / 4096 * 4096);
    }

    if (p == NULL || fseek(f, 0, SEEK_SET) != 0
        || fread(p, 1, *size, f) != *size)
    {
        bench_fail(path, "can't be read");
    }

    fclose(f);
    return p;
}


static void
bench_prep(bench_t *b, const char *path)
{
    char               *p;
    size_t              size;
    maas_err_t          err;
    maas_image_t       *im;
    const maas_meta_t  *meta;

    p = bench_file(path, &size);

    if (maas_image_load(&im, &maas_host_libc, p, size, &err) != MAAS_OK) {
        bench_fail(path, err.text);
    }

    meta = maas_image_section(im, MAAS_SEC_META, &size);
    b->prep = &meta->prep;

    if (b->prep->kind != MAAS_PREP_IMAGE) {
        bench_fail(path, "its model.json has no input of kind \"image\"");
    }
}


static void
bench_tensor(bench_t *b, const char *path)
{
    int                rank;
    maas_err_t         err;
    maas_image_size_t  size;

    b->picture = bench_file(path, &b->size);
    b->t.dtype = MAAS_F32;

    if (maas_image_size(b->picture, b->size, BENCH_PIXELS, &size, &err)
        != MAAS_OK
        || maas_image_dims(b->prep, &size, b->t.dims, &rank, &err)
           != MAAS_OK)
    {
        bench_fail(path, err.text);
    }

    b->t.rank = (uint8_t) rank;
    b->t.bytes = sizeof(float);

    for (int i = 0; i < rank; i++) {
        b->t.bytes *= (size_t) b->t.dims[i];
    }

    b->t.data = malloc(b->t.bytes);
    if (b->t.data == NULL) {
        bench_fail(path, "out of memory");
    }
}


static int
bench_order(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


static void
bench_slice(bench_t *b, double seconds)
{
    size_t      n = 0;
    double      start = bench_now(), last = start;
    maas_err_t  err;

    do {
        if (maas_image_prepare(&maas_host_libc, b->picture, b->size,
                               BENCH_PIXELS, b->prep, &b->t, &err)
            != MAAS_OK)
        {
            bench_fail("picture", err.text);
        }

        b->ms[n] = bench_now() - last;
        last += b->ms[n++];

    } while (n < BENCH_RUNS && last - start < seconds * 1e3);

    qsort(b->ms, n, sizeof(*b->ms), bench_order);
    printf("{\"median_ms\":%.6g,\"min_ms\":%.6g,\"runs\":%zu}\n",
           b->ms[n / 2], b->ms[0], n);
    fflush(stdout);
}


int
main(int argc, char **argv)
{
    double          seconds = argc > 3 ? atof(argv[3]) : 0.1;
    static bench_t  b;

    if (argc < 3) {
        fprintf(stderr, "usage: bench_image MODEL_IMAGE PICTURE [SECONDS]\n");
        return 2;
    }

    bench_prep(&b, argv[1]);
    bench_tensor(&b, argv[2]);

    while (getchar() != EOF) {
        bench_slice(&b, seconds);
    }

    return 0;
}
