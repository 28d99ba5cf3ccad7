/*
 * bench_json: MB/s of JSON both ways on one core, in thread CPU time.  A
 * 1x3x224x224 image as nested lists with the digits that clients write, read
 * into a float32 tensor and written in the shortest form; Jansson does the
 * same through its tree.  Prints one line of JSON; each figure is the best
 * of alternated runs.
 *
 *     bench_json [SECONDS]
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/json.h"


#define BENCH_N  (3 * 224 * 224)


typedef struct {
    const char  *name;
    const char  *fmt;
    const char  *comma;
    double       scale;             /* of [0, 1) */
    double       from;
    bool         last;              /* channels last: lists of 3 numbers */
} bench_text_t;


static const bench_text_t  bench_texts[] = {
    { "7 digits", "%.7f", ",", 1, 0, false },
    { "6 digits, spaces", "%.6f", ", ", 1, 0, false },
    { "9 digits", "%.9g", ",", 5, -2.5, false },
    { "17 digits", "%.17g", ",", 5, -2.5, false },
    { "exponents", "%.8e", ",", 5, -2.5, false },
    { "bytes", "%.0f", ",", 255, 0, false },
    { "bytes, spaces", "%.0f", ", ", 255, 0, false },
    { "bytes, RGB", "%.0f", ",", 255, 0, true },
    { "bytes, RGB, spaces", "%.0f", ", ", 255, 0, true },
};


typedef struct {
    const bench_text_t  *what;
    char                *text;
    size_t               len;
    int                  dims[4];
    float               *values;
    double               best[4];   /* MB/s: read, write; of Jansson */
    size_t               out[2];    /* bytes written */
    bool                 same;
} bench_t;


static double
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}


static void
bench_fail(const char *what)
{
    fprintf(stderr, "bench_json: %s\n", what);
    exit(1);
}


static void
bench_make(bench_t *b)
{
    int        row, plane;
    char      *p;
    double     v;
    uint64_t   seed = 88172645463325252u;

    b->dims[0] = 1;
    b->dims[1] = b->what->last ? 224 : 3;
    b->dims[2] = 224;
    b->dims[3] = b->what->last ? 3 : 224;
    row = b->dims[3];
    plane = row * 224;
    b->text = malloc(BENCH_N * 32);
    b->values = malloc(BENCH_N * sizeof(float));

    if (b->text == NULL || b->values == NULL) {
        bench_fail("out of memory");
    }

    p = b->text;

    for (int i = 0; i < BENCH_N; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        v = (double) (seed >> 11) / (double) (UINT64_C(1) << 53);
        v = v * b->what->scale + b->what->from;
        b->values[i] = (float) v;

        p += i % BENCH_N == 0 ? sprintf(p, "[") : 0;
        p += i % plane == 0 ? sprintf(p, "[") : 0;
        p += i % row == 0 ? sprintf(p, "[") : 0;
        p += sprintf(p, b->what->fmt, v);
        p += (i + 1) % row == 0 ? sprintf(p, "]") : 0;
        p += (i + 1) % plane == 0 ? sprintf(p, "]") : 0;
        p += sprintf(p, "%s", i + 1 < BENCH_N ? b->what->comma : "]");
    }

    *p++ = '\0';
    memmove(b->text + 1, b->text, (size_t) (p - b->text));
    b->text[0] = '[';
    b->text[p - b->text] = ']';
    b->len = (size_t) (p - b->text) + 1;
}


static double
read_ours(bench_t *b)
{
    void                *block;
    double               start = bench_now();
    maas_err_t           err;
    maas_json_t          j;
    maas_tensor_t        t;
    maas_json_tensor_t   r = { .host = &maas_host_libc, .limit = 1 << 24,
                               .expect = -1, .dtype = MAAS_F32 };

    maas_json_init(&j, b->text, b->len, &err);

    if (maas_json_tensor_init(&r, BENCH_N, &err) != MAAS_OK
        || maas_json_tensor_read(&r, &j, false) != MAAS_OK
        || maas_json_tensor_done(&r, &t, &block, &err) != MAAS_OK
        || t.rank != 4 || t.bytes != BENCH_N * sizeof(float))
    {
        bench_fail(err.text);
    }

    start = bench_now() - start;
    memcpy(b->values, t.data, t.bytes);
    maas_free(&maas_host_libc, block);

    return start;
}


static double
write_ours(bench_t *b)
{
    double         start = bench_now();
    maas_buf_t     buf;
    maas_tensor_t  t = { .dtype = MAAS_F32, .rank = 4, .data = b->values,
                         .dims = { 1, b->dims[1], 224, b->dims[3] },
                         .bytes = BENCH_N * sizeof(float) };

    maas_buf_init(&buf, &maas_host_libc);
    maas_json_put_nested(&buf, &t, 0, 0, MAAS_JSON_NULL);
    b->out[0] = buf.len;
    maas_buf_destroy(&buf);

    return bench_now() - start;
}


/* Numbers of nested lists, into a flat array. */
static float *
tree_floats(const json_t *v, float *p)
{
    if (!json_is_array(v)) {
        *p++ = (float) json_number_value(v);
        return p;
    }

    for (size_t i = 0; i < json_array_size(v); i++) {
        p = tree_floats(json_array_get(v, i), p);
    }

    return p;
}


static double
read_jansson(bench_t *b)
{
    float   *values = malloc(BENCH_N * sizeof(float));
    double   start = bench_now();
    json_t  *v;

    v = json_loadb(b->text, b->len, 0, NULL);

    if (v == NULL || tree_floats(v, values) != values + BENCH_N) {
        bench_fail("Jansson did not read it");
    }

    json_decref(v);
    start = bench_now() - start;
    b->same &= memcmp(values, b->values, BENCH_N * sizeof(float)) == 0;
    free(values);

    return start;
}


static json_t *
tree_make(const float **p, const int *dims, int depth)
{
    json_t  *v = json_array();

    for (int i = 0; i < dims[depth]; i++) {
        json_array_append_new(v, depth == 3
                              ? json_real((double) *(*p)++)
                              : tree_make(p, dims, depth + 1));
    }

    return v;
}


static double
write_jansson(bench_t *b)
{
    char         *text;
    double        start = bench_now();
    json_t       *v;
    const float  *p = b->values;

    v = tree_make(&p, b->dims, 0);
    text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(9));

    if (text == NULL) {
        bench_fail("Jansson did not write it");
    }

    b->out[1] = strlen(text);
    free(text);
    json_decref(v);

    return bench_now() - start;
}


static void
bench_run(bench_t *b, double seconds)
{
    double  end, s[4];

    b->same = true;

    for (end = bench_now() + seconds; bench_now() < end; /* void */ ) {
        s[0] = (double) b->len / read_ours(b);
        s[1] = write_ours(b);
        s[1] = (double) b->out[0] / s[1];
        s[2] = (double) b->len / read_jansson(b);
        s[3] = write_jansson(b);
        s[3] = (double) b->out[1] / s[3];

        for (int i = 0; i < 4; i++) {
            b->best[i] = maas_max(b->best[i], s[i] / 1e6);
        }
    }
}


int
main(int argc, char **argv)
{
    double  seconds = argc > 1 ? atof(argv[1]) : 2;
    size_t  n = maas_nelts(bench_texts);

    printf("{\"jansson\": \"%s\", \"rows\": [", jansson_version_str());

    for (size_t i = 0; i < n; i++) {
        bench_t  b = { .what = &bench_texts[i] };

        bench_make(&b);
        bench_run(&b, seconds / (double) n);

        printf("%s{\"text\": \"%s\", \"bytes\": %zu, \"same\": %s, "
               "\"read\": %.1f, \"write\": %.1f, \"jansson_read\": %.1f, "
               "\"jansson_write\": %.1f, \"out\": %zu}", i != 0 ? ", " : "",
               b.what->name, b.len, b.same ? "true" : "false", b.best[0],
               b.best[1], b.best[2], b.best[3], b.out[0]);

        free(b.text);
        free(b.values);
    }

    printf("]}\n");

    return 0;
}
