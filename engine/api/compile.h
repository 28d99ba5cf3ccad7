/*
 * compile.h: inside the engine: the compiler's parts that the command and
 * tests use besides maas_compile() of maas.h.
 *
 * Ownership: an image belongs to the caller (maas_image_free()).
 * Threads:   reentrant.
 */

#ifndef MAAS_API_COMPILE_H
#define MAAS_API_COMPILE_H

#include "api/model.h"


/*
 * Compiles a graph that is in memory already: passes, packing, image, plan
 * of the profile.  The graph is changed.  meta NULL: defaults; source: the
 * digest of the files, NULL: zeros.  Free with maas_image_free().
 */
maas_status_t maas_compile_graph(maas_graph_t *g, const maas_compile_t *spec,
    void **image, size_t *size, maas_err_t *err);

/* The same over a model file's bytes (dir: its folder, or NULL). */
maas_status_t maas_compile_bytes(const void *p, size_t n, const char *dir,
    const maas_compile_t *spec, void **image, size_t *size,
    maas_err_t *err);

/* Do model.json and labels.txt fit the model? */
maas_status_t maas_compile_check(const maas_graph_t *g,
    const maas_meta_t *meta, maas_err_t *err);

/*
 * Was the image made of what lies at path now?  By digest of the model file,
 * model.json and labels.txt.  The image has been verified before.
 */
bool maas_image_is_of(const void *image, const char *path);

/*
 * What `maas inspect` prints: inputs, outputs, sections, constants with
 * their formats; plan: each step's kernel, format and offset at the shapes
 * given (in NULL: every open dimension 1).
 */
typedef struct {
    bool                  plan;
    bool                  json;
    const maas_tensor_t  *in;
} maas_describe_t;

maas_status_t maas_model_describe(maas_model_t *m,
    const maas_describe_t *how, maas_buf_t *b, maas_err_t *err);

/* Plan of these input shapes: FLOP (2 per multiply-add) and arena bytes. */
maas_status_t maas_model_figures(maas_model_t *m, const maas_tensor_t *in,
    double *flops, uint64_t *arena, uint64_t *tensors, maas_err_t *err);


/* -- profile ------------------------------------------------------------- */

/* Steps that run as one, a chain, have one row: kernel "chain". */
typedef struct {
    size_t                index;    /* in the run */
    char                  name[96]; /* of the node, or of the chain's nodes */
    const maas_tensor_t  *out;      /* first output of the last, or NULL */
    const char           *kernel;
    uint64_t              ns;
    double                cost;     /* ns, as the planner believed */
    double                flops;
} maas_step_time_t;

typedef struct {
    size_t   runs;
    void   (*seen)(void *ctx, const maas_step_time_t *s);
    void    *ctx;
} maas_profile_t;

/*
 * Runs on this thread, with seen() after every step.  What it shows is
 * valid until the next call of seen().  team: as for a run; may be NULL.
 */
maas_status_t maas_model_profile(maas_model_t *m, const maas_tensor_t *in,
    maas_team_t *team, const maas_profile_t *how, maas_err_t *err);

#endif
