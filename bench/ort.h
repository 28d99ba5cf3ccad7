/*
 * ort.h: ONNX Runtime by its C interface, for the peers of the benchmarks.
 *
 * The library is the one of npm's onnxruntime-node, which comes without a
 * header: calls are named here by their place in the table of functions,
 * whose first version is frozen.
 */

#ifndef MAAS_BENCH_ORT_H
#define MAAS_BENCH_ORT_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define API_VERSION  1

/* Places in the table. */
enum {
    GET_ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION = 7, RUN = 9,
    CREATE_OPTIONS = 10, SET_MODE = 13, SET_SEVERITY = 22, SET_LEVEL = 23,
    SET_INTRA = 24, SET_INTER = 25, OUTPUT_COUNT = 31, INPUT_NAME = 36,
    OUTPUT_NAME = 37, TENSOR_OF_DATA = 49, TENSOR_DATA = 51,
    ELEMENT_TYPE = 60, RANK_OF = 61, DIMS_OF = 62, TYPE_AND_SHAPE = 65,
    CPU_MEMORY = 69, DEFAULT_ALLOCATOR = 78
};

typedef void *(*call_pt)();

typedef struct {
    const void  *(*get)(uint32_t version);
    const char  *(*version)(void);
} base_t;

static const call_pt  *api;
static const char     *ort_version, *ort_program;


static void
fail(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s: %s\n", ort_program, what, text);
    exit(1);
}


static void
check(void *status, const char *what)
{
    if (status != NULL) {
        fail(what, (const char *) api[GET_ERROR_MESSAGE](status));
    }
}


static void
ort_open(const char *library, const char *program)
{
    void           *lib;
    const base_t   *(*base)(void);

    ort_program = program;
    lib = dlopen(library, RTLD_NOW);

    if (lib == NULL) {
        fail(library, dlerror());
    }

    base = (const base_t *(*)(void)) dlsym(lib, "OrtGetApiBase");
    ort_version = base()->version();
    api = base()->get(API_VERSION);
}


/* All optimisations, one thread between operators. */
static void *
ort_session(const char *model, int threads)
{
    void  *env, *options, *session;

    check(api[CREATE_ENV](3, "bench", &env), "environment");
    check(api[CREATE_OPTIONS](&options), "options");
    check(api[SET_MODE](options, 0), "mode");
    check(api[SET_SEVERITY](options, 3), "severity");
    check(api[SET_LEVEL](options, 99), "level");
    check(api[SET_INTRA](options, threads), "threads");
    check(api[SET_INTER](options, 1), "threads");
    check(api[CREATE_SESSION](env, model, options, &session), model);

    return session;
}

#endif
