/*
 * finetune.c: a model's file -> what is trained -> the file with new values.
 * See finetune.h.
 *
 * Ownership: lists lie in the arena; the source's bytes are held until
 *            maas_finetune_close().
 * Threads:   one thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/onnx.h"
#include "graph/op.h"
#include "train/finetune.h"


#define SHOW(s)  MAAS_FINETUNE_SHOW(s)

static const char *const  finetune_norms[] = { "frozen", "train", NULL };

const maas_param_t  maas_finetune_params[] = {
    { .name = "source", .type = MAAS_PARAM_TEXT, .required = true,
      .off = offsetof(maas_finetune_json_t, source),
      .about = "an ONNX file, or the folder of a version" },
    { .name = "output", .type = MAAS_PARAM_TEXT,
      .off = offsetof(maas_finetune_json_t, output),
      .about = "that the loss is of; the first" },
    { .name = "train", .type = MAAS_PARAM_JSON,
      .off = offsetof(maas_finetune_json_t, train),
      .about = "all, none, {\"last\":N} layers, or a list of names of "
               "weights, or of their beginnings and *; all, with lora none" },
    { .name = "batch_norm", .type = MAAS_PARAM_WORD,
      .off = offsetof(maas_finetune_json_t, batch_norm),
      .words = finetune_norms,
      .about = "train: BatchNormalization learns, and its statistics move" },
    { .name = "head", .type = MAAS_PARAM_BOOL,
      .off = offsetof(maas_finetune_json_t, head),
      .about = "the last MatMul or Gemm and its bias begin anew, with as "
               "many outputs as the target has classes or numbers" },
    { .name = "lora", .type = MAAS_PARAM_JSON,
      .off = offsetof(maas_finetune_json_t, lora),
      .about = "low-rank adapters of MatMul and Gemm" },
    { .name = "input", .type = MAAS_PARAM_JSON,
      .off = offsetof(maas_finetune_json_t, input),
      .about = "\"shape\" of a row, where the model leaves it open" },
    { .name = "cache", .type = MAAS_PARAM_BOOL, .def = 1,
      .off = offsetof(maas_finetune_json_t, cache),
      .about = "what lies before the first weight that is trained runs once "
               "for each row" }
};

const size_t  maas_finetune_n_params = maas_nelts(maas_finetune_params);


/* -- the source ---------------------------------------------------------- */

static maas_status_t
finetune_map(maas_finetune_t *f, const char *path)
{
    int          fd;
    char         file[4096];
    struct stat  st;

    snprintf(file, sizeof(file), "%s", path);

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        snprintf(file, sizeof(file), "%.4000s/model.onnx", path);
    }

    f->path = maas_arena_str(f->arena, file, strlen(file)).data;
    if (f->path == NULL) {
        return maas_err_nomem(f->err);
    }

    fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0) {
        maas_err(f->err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                 "%.300s: %s", file, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }

        return f->err->status;
    }

    f->size = (size_t) st.st_size;
    f->data = f->size != 0 && S_ISREG(st.st_mode)
              ? mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, fd, 0)
              : MAP_FAILED;
    close(fd);

    if (f->data == MAP_FAILED) {
        f->data = NULL;
        return maas_err(f->err, MAAS_EINVAL, "%.300s: not a model", file);
    }

    return MAAS_OK;
}


static maas_status_t
finetune_read(maas_finetune_t *f, const char *path)
{
    char              folder[4096];
    maas_raw_model_t  *m;
    maas_sha_t        *sha;
    maas_onnx_opts_t   opts = { .folder = &f->folder };

    MAAS_TRY(finetune_map(f, path));

    if (!maas_folder_of(folder, sizeof(folder), f->path)) {
        return maas_err(f->err, MAAS_EINVAL, "the path is too long");
    }

    MAAS_TRY(maas_folder_init(&f->folder, f->host, folder, f->err));

    if (maas_onnx_read(&m, f->arena, f->data, f->size, &opts, f->err)
        != MAAS_OK)
    {
        return maas_err_prefix(f->err, "%.200s", f->path);
    }

    f->raw = m;

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(f->err);
    }

    maas_sha_update(sha, f->data, f->size);

    for (const maas_file_t *x = f->folder.first; x != NULL; x = x->next) {
        maas_sha_update(sha, x->data, x->size);
    }

    maas_sha_final(sha, f->digest);

    return MAAS_OK;
}


maas_status_t
maas_finetune_open(maas_finetune_t **out, maas_arena_t *a,
    const maas_host_t *host, const json_t *model, const char *path,
    maas_err_t *err)
{
    maas_status_t             rc;
    maas_finetune_t          *f = maas_arena_alloc(a, sizeof(*f));
    static const char *const  skip[] = { "type", NULL };

    *out = NULL;

    if (f == NULL) {
        return maas_err_nomem(err);
    }

    memset(f, 0, sizeof(*f));
    f->arena = a;
    f->host = host;
    f->err = err;

    MAAS_TRY(maas_params_parse(a, model, maas_finetune_params,
                               maas_finetune_n_params, skip, "model", &f->j,
                               err));
    rc = finetune_read(f, path);

    if (rc != MAAS_OK) {
        maas_finetune_close(f);
        return maas_err_prefix(err, "model: \"source\"");
    }

    *out = f;
    return MAAS_OK;
}


void
maas_finetune_close(maas_finetune_t *f)
{
    if (f == NULL) {
        return;
    }

    if (f->data != NULL) {
        munmap((void *) f->data, f->size);
        f->data = NULL;
    }

    if (f->folder.host != NULL) {
        maas_folder_close(&f->folder);
        f->folder.host = NULL;
    }
}


/* -- the model that is trained ------------------------------------------- */

static maas_status_t
finetune_output(maas_finetune_t *f, maas_raw_graph_t *g)
{
    char         near[MAAS_NEAR_TEXT];
    uint32_t     at = 0;
    maas_near_t  guess = { .word = f->j.output };

    for (uint32_t i = 0; f->j.output.len != 0; i++) {
        if (i == g->n_out) {
            return maas_err(f->err, MAAS_EINVAL, "model: there is no output "
                            "'%.*s'%s", SHOW(f->j.output),
                            guess.best.data != NULL
                            ? maas_near_text(&guess, near) : "");
        }

        if (maas_str_eq(g->out[i].name, f->j.output)) {
            at = i;
            break;
        }

        maas_near(&guess, g->out[i].name);
    }

    if (g->n_out == 0) {
        return maas_err(f->err, MAAS_EINVAL, "model: it has no output");
    }

    /* Its shape will be inferred. */
    g->out = maas_arena_dup(f->arena, &g->out[at], sizeof(*g->out));
    g->n_out = 1;

    if (g->out == NULL) {
        return maas_err_nomem(f->err);
    }

    g->out[0].rank = -1;
    return MAAS_OK;
}


/* A copy whose lists may be changed; one output, inputs without values. */
static maas_status_t
finetune_copy(maas_finetune_t *f)
{
    uint32_t           n = 0;
    maas_raw_port_t   *in;
    maas_raw_model_t  *m = maas_arena_dup(f->arena, f->raw, sizeof(*m));
    maas_raw_graph_t  *g;

    if (m == NULL) {
        return maas_err_nomem(f->err);
    }

    g = &m->graph;
    g->init = maas_arena_array(f->arena, g->n_init + 1, sizeof(*g->init));
    g->node = maas_arena_array(f->arena, g->n_node + 1, sizeof(*g->node));
    in = maas_arena_array(f->arena, g->n_in + 1, sizeof(*in));

    if (g->init == NULL || g->node == NULL || in == NULL) {
        return maas_err_nomem(f->err);
    }

    if (g->n_init != 0) {
        memcpy(g->init, f->raw->graph.init, g->n_init * sizeof(*g->init));
    }

    if (g->n_node != 0) {
        memcpy(g->node, f->raw->graph.node, g->n_node * sizeof(*g->node));
    }

    for (uint32_t i = 0; i < g->n_in; i++) {
        bool  value = false;

        for (uint32_t k = 0; k < g->n_init; k++) {
            value = value || maas_str_eq(g->init[k].name, g->in[i].name);
        }

        if (!value) {
            in[n++] = g->in[i];
        }
    }

    g->in = in;
    g->n_in = n;
    f->model = m;

    return finetune_output(f, g);
}


/* -- inputs -------------------------------------------------------------- */

static maas_status_t
finetune_shape(maas_finetune_t *f, maas_raw_port_t *p,
    const maas_layer_value_t *in)
{
    char                have[MAAS_DIMS_TEXT], need[MAAS_DIMS_TEXT];
    int64_t             want = maas_dims_count(in->dims + 1, in->rank - 1);
    struct { maas_param_ints_t shape; int64_t type; }  o = { { 0 }, 0 };

    MAAS_TRY(maas_params_parse(f->arena, f->j.input,
                               maas_network_input_params,
                               maas_network_n_input, NULL, "model: input",
                               &o, f->err));

    if (p->rank > 0 && p->dims[0] >= 0) {
        return maas_err(f->err, MAAS_EUNSUPPORTED, "model: input '%.*s' has "
                        "a fixed batch of %lld: export it with an open first "
                        "axis", SHOW(p->name), (long long) p->dims[0]);
    }

    if (o.shape.n >= MAAS_RANK_MAX
        || (o.shape.n != 0 && p->rank >= 0
            && p->rank != (int) o.shape.n + 1))
    {
        return maas_err(f->err, MAAS_EINVAL, "model: input: \"shape\" has "
                        "%zu numbers, but a row of '%.*s' has %d axes",
                        o.shape.n, SHOW(p->name), p->rank - 1);
    }

    if (p->rank < 1) {
        p->rank = o.shape.n != 0 ? (int) o.shape.n + 1 : in->rank;
        memset(p->dims, 0xff, sizeof(p->dims));
    }

    /* One symbol for the batch, so that it is known where it goes. */
    p->dims[0] = -1;
    p->sym[0] = p->sym[0].len != 0 ? p->sym[0] : maas_str("N");

    for (int i = 1; i < p->rank; i++) {
        if (o.shape.n != 0) {
            p->dims[i] = o.shape.v[i - 1];

        } else if (p->dims[i] < 0 && p->rank == in->rank) {
            p->dims[i] = in->dims[i];
        }
    }

    if (maas_dims_count(p->dims + 1, p->rank - 1) != want) {
        return maas_err(f->err, MAAS_EINVAL, "model: a row of input '%.*s' "
                        "is %s, a row of the data %s%s", SHOW(p->name),
                        maas_dims_text(need, p->dims + 1, p->rank - 1),
                        maas_dims_text(have, in->dims + 1, in->rank - 1),
                        o.shape.n == 0 ? "; \"input\":{\"shape\":[...]} says "
                        "how it is meant" : "");
    }

    return MAAS_OK;
}


static maas_status_t
finetune_node(maas_finetune_t *f, const char *op, maas_str_t x,
    maas_str_t y, maas_str_t out, const maas_raw_attr_t *attr)
{
    maas_raw_graph_t  *g = &f->model->graph;
    maas_str_t         in[2] = { x, y };
    maas_raw_node_t   *n = &g->node[g->n_node++];

    *n = (maas_raw_node_t) { .op = { op, strlen(op) }, .name = out,
                             .n_in = y.len != 0 ? 2 : 1, .n_out = 1,
                             .n_attr = 1 };
    n->domain = maas_str("");
    n->in = maas_arena_dup(f->arena, in, sizeof(in));
    n->out = maas_arena_dup(f->arena, &out, sizeof(out));
    n->attr = maas_arena_dup(f->arena, attr, sizeof(*attr));

    return n->in != NULL && n->out != NULL && n->attr != NULL
           ? MAAS_OK : maas_err_nomem(f->err);
}


/* Columns at ... of the rows are input p. */
static maas_status_t
finetune_part(maas_finetune_t *f, const maas_raw_port_t *p, uint8_t dtype,
    int64_t *at)
{
    char               text[40];
    int64_t           *v, n = p->dims[1];
    maas_str_t         name, part = p->name;
    maas_raw_init_t   *init;
    maas_raw_attr_t    axis = { .name = maas_str("axis"), .i = 1,
                                .type = MAAS_ATTR_INT };
    maas_raw_attr_t    to = { .name = maas_str("to"),
                              .type = MAAS_ATTR_INT };
    maas_raw_graph_t  *g = &f->model->graph;

    snprintf(text, sizeof(text), "maas.columns.%lld", (long long) *at);
    name = maas_arena_str(f->arena, text, strlen(text));
    v = maas_arena_array(f->arena, (size_t) n + 1, sizeof(*v));

    if (name.data == NULL || v == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < n; i++) {
        v[i] = (*at)++;
    }

    init = &g->init[g->n_init++];
    *init = (maas_raw_init_t) { .name = name, .t = { .data = v,
                                .dtype = MAAS_I64, .rank = 1, .dims = { n },
                                .bytes = (size_t) n * sizeof(*v) } };

    if (p->dtype != dtype) {
        snprintf(text, sizeof(text), "maas.part.%lld", (long long) *at);
        part = maas_arena_str(f->arena, text, strlen(text));
        /* TensorProto.DataType */
        to.i = p->dtype == MAAS_F32 ? 1 : p->dtype == MAAS_I32 ? 6 : 7;
        MAAS_TRY(finetune_node(f, "Cast", part, maas_str(""), p->name, &to));
    }

    return finetune_node(f, "Gather", maas_str("maas.features"), name, part,
                         &axis);
}


/* Several inputs, or one of int32: their columns side by side in a row. */
static maas_status_t
finetune_parts(maas_finetune_t *f, const maas_layer_value_t *in)
{
    int64_t            at = 0, all, sum = 0;
    uint8_t            dtype = MAAS_I64;
    maas_raw_port_t   *p, row = { .name = maas_str("maas.features"),
                                  .rank = 2, .dims = { -1 },
                                  .sym = { maas_str("N") } };
    maas_raw_graph_t  *g = &f->model->graph;
    maas_raw_init_t   *init;
    maas_raw_node_t   *node;

    all = maas_dims_count(in->dims + 1, in->rank - 1);

    for (uint32_t i = 0; i < g->n_in; i++) {
        p = &g->in[i];

        if (p->rank != 2 || (p->dtype != MAAS_F32 && p->dtype != MAAS_I32
                             && p->dtype != MAAS_I64))
        {
            return maas_err(f->err, MAAS_EUNSUPPORTED, "model: input '%.*s' "
                            "is no float32 or integer [N,columns], which "
                            "each of several inputs must be", SHOW(p->name));
        }

        dtype = p->dtype == MAAS_F32 ? MAAS_F32 : dtype;
        p->dims[1] = p->dims[1] >= 0 ? p->dims[1] : all / g->n_in;
        sum += p->dims[1];
    }

    if (sum != all) {
        return maas_err(f->err, MAAS_EINVAL, "model: a row of the data has "
                        "%lld columns, its %u inputs take %lld",
                        (long long) all, g->n_in, (long long) sum);
    }

    init = maas_arena_array(f->arena, g->n_init + g->n_in, sizeof(*init));
    node = maas_arena_array(f->arena, g->n_node + 2 * (size_t) g->n_in,
                            sizeof(*node));

    if (init == NULL || node == NULL) {
        return maas_err_nomem(f->err);
    }

    memcpy(init, g->init, g->n_init * sizeof(*init));
    memcpy(node, g->node, g->n_node * sizeof(*node));
    g->init = init;
    g->node = node;

    for (uint32_t i = 0; i < g->n_in; i++) {
        MAAS_TRY(finetune_part(f, &g->in[i], dtype, &at));
    }

    row.dtype = dtype;
    row.dims[1] = all;
    g->in[0] = row;
    g->n_in = 1;

    return MAAS_OK;
}


static maas_status_t
finetune_input(maas_finetune_t *f, const maas_layer_value_t *in)
{
    maas_raw_graph_t  *g = &f->model->graph;

    if (g->n_in == 0) {
        return maas_err(f->err, MAAS_EINVAL, "model: it has no input");
    }

    return g->n_in == 1 && (g->in[0].dtype == MAAS_F32
                            || g->in[0].dtype == MAAS_I64)
           ? finetune_shape(f, &g->in[0], in) : finetune_parts(f, in);
}


/* -- building ------------------------------------------------------------ */

static maas_status_t
finetune_out(maas_finetune_t *f, const maas_graph_t *g,
    maas_layer_value_t *out)
{
    const maas_value_t  *v = &g->value[g->out[0]];

    out->value = f->model->graph.out[0].name;
    out->dtype = v->type.dtype;
    out->rank = v->type.rank;

    if (out->dtype != MAAS_F32 || out->rank < 1) {
        return maas_err(f->err, MAAS_EUNSUPPORTED, "model: output '%.*s' is "
                        "no float32 with the batch on axis 0",
                        SHOW(out->value));
    }

    out->dims[0] = -1;

    for (int i = 1; i < out->rank; i++) {
        out->dims[i] = v->type.dims[i];

        if (!maas_dim_known(out->dims[i])) {
            return maas_err(f->err, MAAS_EUNSUPPORTED, "model: axis %d of "
                            "output '%.*s' is open", i, SHOW(out->value));
        }
    }

    return MAAS_OK;
}


static const char *
finetune_last(const maas_graph_t *g)
{
    const maas_node_t  *n;

    for (uint32_t i = 0; i < g->n_node; i++) {
        n = &g->node[i];

        if (n->n_out != 0 && n->out[0] == g->out[0]) {
            return n->op->name;
        }
    }

    return "";
}


/* The model as it will be written: all inputs, the output that counts. */
static maas_status_t
finetune_show(maas_finetune_t *f)
{
    maas_raw_model_t  *m = maas_arena_dup(f->arena, f->raw, sizeof(*m));

    if (m == NULL) {
        return maas_err_nomem(f->err);
    }

    m->graph.n_out = 1;
    m->graph.out = f->model->graph.out;
    m->graph.n_in = f->model->graph.n_in;
    m->graph.in = maas_arena_dup(f->arena, f->model->graph.in,
                                 (m->graph.n_in + 1)
                                 * sizeof(*m->graph.in));
    f->shown = m;

    return m->graph.in != NULL ? MAAS_OK : maas_err_nomem(f->err);
}


maas_status_t
maas_finetune_build(maas_finetune_t *f, maas_network_t *n,
    const maas_layer_value_t *in, int64_t labels, uint64_t seed)
{
    maas_graph_t           *g;
    const maas_raw_port_t  *p;

    memset(n, 0, sizeof(*n));
    f->labels = labels;
    f->seed = seed;
    f->head[0] = f->head[1] = UINT32_MAX;
    f->n_lora = f->n_seg = 0;

    MAAS_TRY(finetune_copy(f));
    MAAS_TRY(finetune_show(f));
    MAAS_TRY(f->j.head ? maas_finetune_head(f) : MAAS_OK);
    MAAS_TRY(f->j.lora != NULL ? maas_finetune_adapt(f) : MAAS_OK);
    MAAS_TRY(finetune_input(f, in));

    if (maas_graph_import(&g, f->arena, f->model, f->err) != MAAS_OK
        || maas_graph_infer(g, f->err) != MAAS_OK)
    {
        return maas_err_prefix(f->err, "model");
    }

    f->graph = g;
    MAAS_TRY(maas_finetune_select(f, g));
    MAAS_TRY(finetune_out(f, g, &n->out));

    p = &f->model->graph.in[0];
    n->in.value = p->name;
    n->in.dtype = p->dtype;
    n->in.rank = p->rank;
    memcpy(n->in.dims, p->dims, sizeof(n->in.dims));
    n->in.dims[0] = -1;

    n->model = f->model;
    n->seg = f->seg;
    n->n_seg = f->n_seg;
    n->last = finetune_last(g);

    for (uint32_t i = 0; i < f->n_seg; i++) {
        for (uint32_t k = 0; k < f->model->graph.n_init; k++) {
            if (f->seg[i].trainable
                && maas_str_eq(f->model->graph.init[k].name, f->seg[i].name))
            {
                n->n_weight += maas_tensor_count(
                                   &f->model->graph.init[k].t);
            }
        }
    }

    return MAAS_OK;
}


/* -- the result ---------------------------------------------------------- */

/* Values of g that depend on w, in order of the nodes; returns how many. */
static size_t
finetune_after(const maas_raw_graph_t *g, maas_str_t w, maas_str_t *value)
{
    bool    on;
    size_t  n = 0;

    for (uint32_t i = 0; i < g->n_node; i++) {
        on = false;

        for (uint32_t k = 0; k < g->node[i].n_in; k++) {
            on = on || maas_str_eq(g->node[i].in[k], w);

            for (size_t j = 0; j < n; j++) {
                on = on || maas_str_eq(g->node[i].in[k], value[j]);
            }
        }

        for (uint32_t k = 0; on && k < g->node[i].n_out; k++) {
            value[n++] = g->node[i].out[k];
        }
    }

    return n;
}


/* Values of the model that depend on the head: their shapes are others. */
static maas_status_t
finetune_stale(maas_finetune_t *f, maas_onnx_patch_t *p, maas_onnx_dim_t *dim)
{
    int64_t                  old;
    maas_str_t              *drop;
    size_t                   n, room = 1;
    const maas_raw_graph_t  *g = &f->raw->graph;

    if (f->head[0] == UINT32_MAX) {
        return MAAS_OK;
    }

    old = g->init[f->head[0]].t.dims[f->head_axis[0]];

    if (old == f->labels) {
        return MAAS_OK;
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        room += g->node[i].n_out;
    }

    drop = maas_arena_array(f->arena, room, sizeof(*drop));
    if (drop == NULL) {
        return maas_err_nomem(f->err);
    }

    n = finetune_after(g, g->init[f->head[0]].name, drop);
    p->drop = drop;
    p->n_drop = n;

    for (uint32_t i = 0; i < g->n_out; i++) {
        for (size_t j = 0; j < n; j++) {
            if (maas_str_eq(g->out[i].name, drop[j]) && g->out[i].rank > 0
                && g->out[i].dims[g->out[i].rank - 1] == old)
            {
                dim[p->n_dim++] = (maas_onnx_dim_t) { drop[j],
                                          g->out[i].rank - 1, f->labels };
            }
        }
    }

    /* Files of old list their initializers as inputs. */
    for (int i = 0; i < 2; i++) {
        if (f->head[i] != UINT32_MAX) {
            dim[p->n_dim++] = (maas_onnx_dim_t) {
                g->init[f->head[i]].name, f->head_axis[i], f->labels };
        }
    }

    p->dim = dim;
    return MAAS_OK;
}


maas_status_t
maas_finetune_write(maas_finetune_t *f, const maas_weights_t *w,
    maas_buf_t *out)
{
    float                   *merged;
    uint32_t                 n = f->raw->graph.n_init;
    maas_onnx_dim_t         *dim;
    maas_onnx_value_t       *value;
    maas_onnx_patch_t        p = { .model = f->raw };
    const maas_raw_graph_t  *g = &f->model->graph;

    value = maas_arena_array(f->arena, w->n + (size_t) f->n_lora + 1,
                             sizeof(*value));
    dim = maas_arena_array(f->arena, f->raw->graph.n_out + 2, sizeof(*dim));

    if (value == NULL || dim == NULL) {
        return maas_err_nomem(f->err);
    }

    p.value = value;

    for (uint32_t i = 0; i < w->n; i++) {
        for (uint32_t k = 0; k < n; k++) {
            if (maas_str_eq(g->init[k].name, w->seg[i].name)) {
                value[p.n_value] = (maas_onnx_value_t) { w->seg[i].name,
                                                         g->init[k].t };
                value[p.n_value++].t.data = w->data + w->seg[i].off;
            }
        }
    }

    for (uint32_t i = 0; i < f->n_lora; i++) {
        MAAS_TRY(maas_finetune_merge(f, &f->lora[i], w, &merged));
        value[p.n_value] = (maas_onnx_value_t) {
                               g->init[f->lora[i].init].name,
                               g->init[f->lora[i].init].t };
        value[p.n_value++].t.data = merged;
    }

    MAAS_TRY(finetune_stale(f, &p, dim));

    return maas_onnx_patch(f->data, f->size, &p, out, f->err);
}
