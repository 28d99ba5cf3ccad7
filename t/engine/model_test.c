/*
 * Images, plans and runs: equal bits at two addresses, from a batch and a
 * single row, on one thread and several; weights packed and once; no
 * allocation in a run; hostile images; refused allocations.
 */

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>

#include "alloc_hook.h"
#include "api/compile.h"
#include "api/model_priv.h"
#include "graph/pass/pass.h"
#include "tap.h"


#define CORPUS  "t/fuzz/corpus/onnx/"


typedef struct {
    void          *image;
    size_t         size;
    maas_model_t  *m;
} loaded_t;


static bool
load_file(const char *path, const char *off, loaded_t *l)
{
    maas_err_t      err = { 0 };
    maas_compile_t  spec = { .path = path, .passes_off = off };

    memset(l, 0, sizeof(*l));

    if (maas_compile(&spec, &l->image, &l->size, &err) != MAAS_OK
        || maas_model_open(&l->m, l->image, l->size, NULL, &err) != MAAS_OK)
    {
        printf("# %s: %s\n", path, err.text);
        return false;
    }

    return true;
}


static void
unload(loaded_t *l)
{
    maas_model_release(l->m);
    maas_image_free(l->image);
}


/* Inputs with every open dimension `open`, filled by a small generator. */
static maas_tensor_t *
make_inputs(const maas_model_t *m, int64_t open, uint32_t seed)
{
    size_t              n;
    const maas_port_t  *p = maas_model_inputs(m, &n);
    maas_tensor_t      *in = calloc(n + 1, sizeof(*in));

    for (size_t i = 0; i < n; i++) {
        in[i].dtype = p[i].dtype;
        in[i].rank = p[i].rank;

        for (int d = 0; d < p[i].rank; d++) {
            in[i].dims[d] = p[i].dims[d] < 0 ? open : p[i].dims[d];
        }

        /* A damaged image may declare anything. */
        if (!maas_tensor_size(&in[i], 0, &in[i].bytes)
            || in[i].bytes > 1 << 24)
        {
            in[i].rank = 0;
            in[i].bytes = 16;
        }

        in[i].data = aligned_alloc(64, maas_align(in[i].bytes + 1, 64));
        memset(in[i].data, 0, in[i].bytes);

        for (size_t k = 0; in[i].dtype == MAAS_F32
             && k < in[i].bytes / 4; k++)
        {
            seed = seed * 1664525u + 1013904223u;
            ((float *) in[i].data)[k] = (int) (seed >> 8) / 8388608.0f - 1;
        }
    }

    return in;
}


static void
free_inputs(const maas_model_t *m, maas_tensor_t *in)
{
    size_t  n;

    (void) maas_model_inputs(m, &n);

    for (size_t i = 0; i < n; i++) {
        free(in[i].data);
    }

    free(in);
}


/* A copy of output 0. */
static void *
run_once(maas_model_t *m, const maas_tensor_t *in, maas_team_t *team,
    maas_tensor_t *t)
{
    void        *copy;
    maas_err_t   err = { 0 };
    maas_run_t  *run;

    if (maas_model_run(m, in, team, NULL, &run, &err) != MAAS_OK) {
        printf("# run: %s\n", err.text);
        return NULL;
    }

    maas_run_output(run, 0, t, NULL);
    copy = malloc(t->bytes + 1);
    memcpy(copy, t->data, t->bytes);
    maas_run_release(run);

    return copy;
}


static void
test_two_addresses(const char *path)
{
    int             fd;
    void           *a, *b, *ya, *yb;
    loaded_t        l;
    maas_err_t      err = { 0 };
    maas_model_t   *ma, *mb;
    maas_tensor_t  *in, ta, tb;

    if (!ok(load_file(path, NULL, &l), "%s compiles", path)) {
        return;
    }

    fd = memfd_create("image", 0);
    ok(write(fd, l.image, l.size) == (ssize_t) l.size, "image written");

    ok(maas_model_map(&ma, fd, NULL, &err) == MAAS_OK
       && maas_model_map(&mb, fd, NULL, &err) == MAAS_OK,
       "mapped read-only twice");
    a = ma->mapped;
    b = mb->mapped;
    ok(a != b, "at two addresses");

    in = make_inputs(ma, 2, 7);
    ya = run_once(ma, in, NULL, &ta);
    yb = run_once(mb, in, NULL, &tb);
    ok(ya != NULL && yb != NULL && ta.bytes == tb.bytes
       && memcmp(ya, yb, ta.bytes) == 0, "equal bits at both");

    free(ya);
    free(yb);
    free_inputs(ma, in);
    maas_model_release(ma);
    maas_model_release(mb);
    close(fd);
    unload(&l);
}


/* Row i of a batch is the single run, bit for bit; so are N threads. */
static void
test_batch_and_threads(const char *path)
{
    bool            same = true;
    void           *y, *row, *yt;
    size_t          in_row, out_row;
    loaded_t        l;
    maas_team_t    *team;
    maas_tensor_t  *in, one, t, tr, tt;
    const int64_t   batch = 5;

    if (!ok(load_file(path, NULL, &l), "%s compiles", path)) {
        return;
    }

    in = make_inputs(l.m, batch, 11);
    y = run_once(l.m, in, NULL, &t);

    in_row = in[0].bytes / batch;
    out_row = t.bytes / batch;

    for (int64_t i = 0; i < batch; i++) {
        one = in[0];
        one.dims[0] = 1;
        one.bytes = in_row;
        one.data = aligned_alloc(64, maas_align(in_row, 64));
        memcpy(one.data, (char *) in[0].data + i * in_row, in_row);

        row = run_once(l.m, &one, NULL, &tr);
        same = same && row != NULL && tr.bytes == out_row
               && memcmp(row, (char *) y + i * out_row, out_row) == 0;
        free(row);
        free(one.data);
    }

    ok(same, "%s: each row of a batch of 5 equals the single run", path);

    team = maas_team_create(maas_host_default(), 3, (void (*)(void *)) free,
                            NULL);
    yt = run_once(l.m, in, team, &tt);
    ok(yt != NULL && memcmp(yt, y, t.bytes) == 0,
       "%s: the same bits with a team", path);
    maas_team_destroy(team);

    free(y);
    free(yt);
    free_inputs(l.m, in);
    unload(&l);
}


static void
test_no_allocation(const char *path)
{
    long            before, maps;
    void           *brk;
    loaded_t        l;
    maas_err_t      err = { 0 };
    maas_run_t     *run;
    maas_tensor_t  *in;

    if (!ok(load_file(path, NULL, &l), "%s compiles", path)) {
        return;
    }

    in = make_inputs(l.m, 3, 5);

    for (int i = 0; i < 2; i++) {
        if (maas_model_run(l.m, in, NULL, NULL, &run, &err) == MAAS_OK) {
            maas_run_release(run);
        }
    }

    maps = alloc_maps();
    brk = sbrk(0);
    before = atomic_load(&alloc_count);

    for (int i = 0; i < 20; i++) {
        if (maas_model_run(l.m, in, NULL, NULL, &run, &err) == MAAS_OK) {
            maas_run_release(run);
        }
    }

    is_int(atomic_load(&alloc_count) - before, 0,
           "no malloc in 20 runs after the second");
    ok(sbrk(0) == brk && alloc_maps() == maps, "no mmap and no brk");

    free_inputs(l.m, in);
    unload(&l);
}


/* The same on a member of a team, which lends others for its steps. */
typedef struct {
    maas_task_t           task;
    maas_model_t         *m;
    const maas_tensor_t  *in;
    long                  grown;
    bool                  moved;
    atomic_bool           done;
} counted_t;


static void
counted_run(maas_task_t *t, maas_team_t *team)
{
    long         before = 0, maps = 0;
    void        *brk = NULL;
    counted_t   *c = (counted_t *) t;
    maas_err_t   err;
    maas_run_t  *run;

    for (int i = 0; i < 22; i++) {
        if (i == 2) {
            maps = alloc_maps();
            brk = sbrk(0);
            before = atomic_load(&alloc_count);
        }

        if (maas_model_run(c->m, c->in, team, NULL, &run, &err) == MAAS_OK) {
            maas_run_release(run);
        }
    }

    c->grown = atomic_load(&alloc_count) - before;
    c->moved = sbrk(0) != brk || alloc_maps() != maps;
    atomic_store(&c->done, true);
}


static void
test_no_allocation_in_team(const char *path)
{
    loaded_t        l;
    counted_t       c = { .task.run = counted_run };
    maas_team_t    *team;
    maas_tensor_t  *in;

    if (!ok(load_file(path, NULL, &l), "%s compiles", path)) {
        return;
    }

    in = make_inputs(l.m, 64, 5);
    c.m = l.m;
    c.in = in;

    team = maas_team_create(maas_host_default(), 3, (void (*)(void *)) free,
                            NULL);
    usleep(1000);
    maas_team_submit(team, &c.task);

    while (!atomic_load(&c.done)) {
        usleep(1000);
    }

    is_int(c.grown, 0, "no malloc on any thread of a team");
    ok(!c.moved, "no mmap and no brk");

    maas_team_destroy(team);
    free_inputs(l.m, in);
    unload(&l);
}


static void
test_weights_once(void)
{
    int                  packed = 0, plain = 0;
    loaded_t             l;
    const maas_graph_t  *g;

    if (!ok(load_file(CORPUS "mlp.onnx", NULL, &l), "mlp.onnx compiles")) {
        return;
    }

    g = l.m->src.graph[0];

    for (uint32_t i = 0; i < g->n_value; i++) {
        if (g->value[i].role == MAAS_ROLE_CONST && g->value[i].type.rank == 2)
        {
            packed += g->value[i].type.format == MAAS_FMT_P16;
            plain += g->value[i].type.format == MAAS_FMT_PLAIN;
        }
    }

    ok(packed > 0 && plain == 0,
       "matrices are in the image packed (%d) and only so (%d plain)",
       packed, plain);

    unload(&l);
}


/* Any image that was damaged is refused or runs; nothing else. */
static void
test_hostile(const char *path)
{
    char           *copy;
    size_t          refused = 0, n = 0, step;
    loaded_t        l;
    maas_err_t      err;
    maas_run_t     *run;
    maas_plan_t    *p;
    maas_model_t   *m;
    maas_tensor_t  *in;

    if (!ok(load_file(path, NULL, &l), "%s compiles", path)) {
        return;
    }

    copy = aligned_alloc(4096, maas_align(l.size, 4096));
    step = maas_max(l.size / 4000, (size_t) 1);

    for (size_t i = 0; i < l.size; i += step, n++) {
        memcpy(copy, l.image, l.size);
        copy[i] ^= (char) (1u << (i % 8));

        if (maas_model_open(&m, copy, l.size, NULL, &err) != MAAS_OK) {
            refused++;
            continue;
        }

        in = make_inputs(m, 2, 3);
        if (maas_plan_make(&p, &m->src, in, &err) == MAAS_OK) {
            maas_plan_release(p, m->src.host);
        }

        if (maas_model_run(m, in, NULL, NULL, &run, &err) == MAAS_OK) {
            maas_run_release(run);
        }

        free_inputs(m, in);
        maas_model_release(m);
    }

    ok(refused > 0, "%s: %zu of %zu damaged images refused, none crashed",
       path, refused, n);

    for (size_t i = 0; i < l.size; i += 97) {
        if (maas_model_open(&m, l.image, i, NULL, &err) == MAAS_OK) {
            ok(0, "an image cut at %zu was accepted", i);
            maas_model_release(m);
        }
    }

    ok(maas_image_verify(l.image, l.size, &err) == MAAS_OK, "verify: whole");
    memcpy(copy, l.image, l.size);
    copy[l.size - 1] ^= 1;
    ok(maas_image_verify(copy, l.size, &err) == MAAS_ETRUNC
       && strstr(err.text, "checksum") != NULL, "verify: one bit off");

    free(copy);
    unload(&l);
}


static void
test_refused_runs(const char *path)
{
    int             clean = 0;
    loaded_t        l;
    maas_err_t      err;
    maas_run_t     *run;
    maas_model_t   *m;
    maas_tensor_t  *in;

    if (!ok(load_file(path, NULL, &l), "%s compiles", path)) {
        return;
    }

    in = make_inputs(l.m, 2, 9);

    for (int k = 1; k < 400; k++) {
        atomic_store(&alloc_fail_at, k);

        if (maas_model_open(&m, l.image, l.size, NULL, &err) == MAAS_OK) {
            if (maas_model_run(m, in, NULL, NULL, &run, &err) == MAAS_OK) {
                maas_run_release(run);
            } else {
                clean++;
            }

            maas_model_release(m);
        } else {
            clean++;
        }

        if (atomic_exchange(&alloc_fail_at, 0) > 0) {
            break;
        }
    }

    ok(clean > 3, "load and plan: %d refused allocations, each an error",
       clean);

    free_inputs(l.m, in);
    unload(&l);
}


static void
test_refused_compiles(const char *path)
{
    int             clean = 0;
    void           *image;
    size_t          size;
    maas_err_t      err;
    maas_compile_t  spec = { .path = path };

    for (int k = 1; k < 2000; k += 3) {
        atomic_store(&alloc_fail_at, k);

        if (maas_compile(&spec, &image, &size, &err) == MAAS_OK) {
            maas_image_free(image);
        } else {
            clean++;
        }

        if (atomic_exchange(&alloc_fail_at, 0) > 0) {
            break;
        }
    }

    ok(clean > 5, "compile: %d refused allocations, each an error", clean);
}


/* Every pass switched off by itself: the same answer to 1e-5. */
static void
test_passes(const char *path)
{
    float           *y, *z;
    double           worst;
    loaded_t         l, k;
    maas_tensor_t   *in, ty, tz;

    if (!ok(load_file(path, NULL, &l), "%s compiles", path)) {
        return;
    }

    in = make_inputs(l.m, 2, 21);
    y = run_once(l.m, in, NULL, &ty);

    for (int i = 0; maas_pass_order[i] != NULL; i++) {
        if (maas_pass_order[i]->always) {
            continue;
        }

        if (!ok(load_file(path, maas_pass_order[i]->name, &k),
                "%s without %s", path, maas_pass_order[i]->name))
        {
            continue;
        }

        z = run_once(k.m, in, NULL, &tz);
        worst = z == NULL || ty.bytes != tz.bytes ? INFINITY : 0;

        for (size_t j = 0; ty.dtype == MAAS_F32 && worst < INFINITY
             && j < ty.bytes / 4; j++)
        {
            worst = fmax(worst, fabs(y[j] - z[j]) / fmax(1, fabs(y[j])));
        }

        ok(worst <= 1e-5, "%s without %s: largest difference %g", path,
           maas_pass_order[i]->name, worst);
        free(z);
        unload(&k);
    }

    free(y);
    free_inputs(l.m, in);
    unload(&l);
}


static void
test_plan_cache(void)
{
    loaded_t        l;
    maas_err_t      err = { 0 };
    maas_run_t     *run;
    maas_tensor_t  *in;

    if (!ok(load_file(CORPUS "mlp.onnx", NULL, &l), "mlp.onnx compiles")) {
        return;
    }

    for (int64_t n = 1; n < 200; n++) {
        in = make_inputs(l.m, n, 1);

        if (maas_model_run(l.m, in, NULL, NULL, &run, &err) == MAAS_OK) {
            maas_run_release(run);
        }

        free_inputs(l.m, in);
    }

    ok(l.m->n_plan <= 16, "200 shapes leave %u plans", l.m->n_plan);
    unload(&l);
}


/* Strings of any length: a plan for each power of two of bytes. */
static void
test_plans_of_texts(void)
{
    size_t          got = 0;
    loaded_t        l;
    uint32_t       *off;
    maas_err_t      err = { 0 };
    maas_run_t     *run;
    maas_tensor_t   in = { 0 };

    if (!ok(load_file(CORPUS "texts.onnx", NULL, &l),
            "texts.onnx compiles"))
    {
        return;
    }

    in.dtype = MAAS_STRING;
    in.rank = 1;
    in.dims[0] = 1;

    for (uint32_t n = 1; n <= 1000; n++) {
        in.bytes = 2 * sizeof(uint32_t) + n;
        off = malloc(in.bytes);
        off[0] = 0;
        off[1] = n;
        memset(off + 2, 'a', n);
        in.data = off;

        if (maas_model_run(l.m, &in, NULL, NULL, &run, &err) == MAAS_OK) {
            maas_run_release(run);
            got++;
        }

        free(off);
    }

    ok(got == 1000, "1000 texts run: %s", err.text);
    ok(l.m->n_plan <= 6, "1000 texts leave %u plans", l.m->n_plan);
    unload(&l);
}


int
main(void)
{
    static const char *const  models[] = {
        CORPUS "mlp.onnx", "conf/models/digits/model.onnx"
    };

    static const char *const  corpus[] = {
        CORPUS "conv.onnx", CORPUS "if.onnx", CORPUS "old.onnx",
        CORPUS "shape.onnx", CORPUS "strings.onnx", CORPUS "loop.onnx",
        CORPUS "scan.onnx", CORPUS "extent.onnx"
    };

    maas_init(NULL, NULL);

    for (size_t i = 0; i < maas_nelts(models); i++) {
        test_two_addresses(models[i]);
        test_batch_and_threads(models[i]);
        test_no_allocation(models[i]);
        test_no_allocation_in_team(models[i]);
        test_hostile(models[i]);
        test_refused_runs(models[i]);
    test_refused_compiles(models[i]);
        test_passes(models[i]);
    }

    for (size_t i = 0; i < maas_nelts(corpus); i++) {
        test_hostile(corpus[i]);
    }

    test_weights_once();
    test_plan_cache();
    test_plans_of_texts();

    return done();
}
