/*
 * finetune: an ONNX model as the network of a training: the model as it was
 * imported, some of its float32 initializers as weights, perhaps a new head
 * and low-rank adapters; afterwards its file with these values replaced.
 *
 * Ownership: lists lie in the arena; the source's bytes are held until
 *            maas_finetune_close().
 * Threads:   one thread.
 */

#ifndef MAAS_FINETUNE_H
#define MAAS_FINETUNE_H

#include "base/folder.h"
#include "formats/onnx_patch.h"
#include "train/network.h"


/* Members of "model" of type "finetune". */
typedef struct {
    maas_str_t     source;
    maas_str_t     output;      /* len 0: the first */
    const json_t  *train;
    const json_t  *lora;
    const json_t  *input;
    int64_t        batch_norm;  /* 1: trained */
    bool           head;
    bool           cache;
} maas_finetune_json_t;

extern const maas_param_t  maas_finetune_params[];
extern const size_t        maas_finetune_n_params;
extern const maas_param_t  maas_finetune_lora_params[];
extern const size_t        maas_finetune_n_lora;

/* Names of an initializer's adapters: W + scale A B, perhaps transposed. */
typedef struct {
    uint32_t    init;
    maas_str_t  a, b;
    int64_t     in, out, rank;
    double      scale;
    bool        turned;         /* W is [out, in] */
} maas_finetune_lora_t;

typedef struct {
    maas_arena_t            *arena;
    const maas_host_t       *host;
    maas_err_t              *err;
    maas_finetune_json_t     j;
    const char              *path;
    const void              *data;      /* the file, mapped */
    size_t                   size;
    uint8_t                  digest[MAAS_DIGEST];
    maas_folder_t            folder;
    const maas_raw_model_t  *raw;       /* as it is in the file */

    /* Of the last maas_finetune_build(): */
    maas_raw_model_t        *model;     /* for training */
    const maas_graph_t      *graph;     /* the same, inferred */
    const maas_raw_model_t  *shown;     /* what the new file will be */
    uint64_t                 seed;
    int64_t                  labels;
    uint32_t                 head[2];   /* initializers; UINT32_MAX: none */
    int                      head_axis[2];
    maas_finetune_lora_t    *lora;
    uint32_t                 n_lora;
    maas_segment_t          *seg;
    uint32_t                 n_seg;
} maas_finetune_t;

/*
 * path: of the ONNX file, or a folder with model.onnx in it.  The object is
 * checked; the model is read and its digest taken.
 */
maas_status_t maas_finetune_open(maas_finetune_t **out, maas_arena_t *a,
    const maas_host_t *host, const json_t *model, const char *path,
    maas_err_t *err);
void maas_finetune_close(maas_finetune_t *f);

/*
 * in: shape and type that the data have, as maas_network_build() has it;
 * labels: outputs that a new head gets.  n->model is the model to train.
 */
maas_status_t maas_finetune_build(maas_finetune_t *f, maas_network_t *n,
    const maas_layer_value_t *in, int64_t labels, uint64_t seed);

/* Appends the file with the values of w, which was made of n's segments. */
maas_status_t maas_finetune_write(maas_finetune_t *f,
    const maas_weights_t *w, maas_buf_t *out);


/* -- between its files --------------------------------------------------- */

/* Finds head[]; then their values are new in f->model. */
maas_status_t maas_finetune_head(maas_finetune_t *f);

/* Adapters into f->model; segments of A and B. */
maas_status_t maas_finetune_adapt(maas_finetune_t *f);

/* W with its adapters, in the arena. */
maas_status_t maas_finetune_merge(maas_finetune_t *f,
    const maas_finetune_lora_t *l, const maas_weights_t *w, float **out);

/* Segments of what "train" chooses; g: f->model, inferred. */
maas_status_t maas_finetune_select(maas_finetune_t *f,
    const maas_graph_t *g);

/* Does name equal pattern, or begin with it where it ends in '*'? */
bool maas_finetune_match(maas_str_t name, maas_str_t pattern);

#define MAAS_FINETUNE_SHOW(s)  (int) maas_min((s).len, 120u), (s).data

#endif
