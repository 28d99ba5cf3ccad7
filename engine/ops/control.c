/*
 * Control flow: If, Loop, Scan, SequenceMap.  The planner puts the branch
 * that is chosen, or all iterations, in the place of the node; infer() says
 * what holds until then.  What iterations give is put together by the one
 * kernel that is here.
 */

#include "graph/bodies.h"
#include "graph/import.h"
#include "ops/ops_common.h"


/* What holds whichever branch is taken. */
static void
if_merge(const maas_graph_t *g, const maas_type_t *a, const maas_graph_t *h,
    const maas_type_t *b, maas_syms_t *syms, maas_type_t *out)
{
    bool  shared = g->syms == syms && h->syms == syms;

    out->rank = -1;

    if (a->rank < 0 || a->rank != b->rank || a->dtype != b->dtype
        || a->kind != b->kind || a->dtype == MAAS_NODTYPE)
    {
        return;
    }

    *out = *a;
    out->format = MAAS_FMT_PLAIN;

    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]
            || (!shared && !maas_dim_known(a->dims[i])))
        {
            out->dims[i] = MAAS_DIM_NONE;
        }
    }
}


static maas_status_t
if_infer(maas_infer_t *c)
{
    const bool          *cond = c->in[0].data;
    maas_graph_t       **body = c->node->body;
    const maas_graph_t  *g, *h;

    if (c->node->n_body != 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%d branches, expected then_branch and else_branch",
                        c->node->n_body);
    }

    /* Exports have it of any rank: [1, 1] where a score is compared. */
    for (int i = 0; i < c->in[0].type->rank; i++) {
        if (maas_dim_known(c->in[0].type->dims[i])
            && c->in[0].type->dims[i] != 1)
        {
            return maas_err(c->err, MAAS_EINVAL,
                            "the condition must be one element, but its "
                            "dimension %d is %lld", i,
                            (long long) c->in[0].type->dims[i]);
        }
    }

    for (int i = 0; i < 2; i++) {
        if (body[i]->n_out != (uint32_t) c->n_out) {
            return maas_err(c->err, MAAS_EINVAL, "%s has %u outputs, the "
                            "node has %d",
                            i == 0 ? "then_branch" : "else_branch",
                            body[i]->n_out, c->n_out);
        }
    }

    g = body[cond != NULL && !*cond];
    h = body[cond != NULL ? !*cond : 1];

    for (int i = 0; i < c->n_out; i++) {
        if_merge(g, &g->value[g->out[i]].type, h, &h->value[h->out[i]].type,
                 c->syms, &c->out[i].type);
    }

    return cond != NULL ? MAAS_OK : MAAS_INFER_NEED(c, 0);
}


/* -- iterations ---------------------------------------------------------- */

typedef struct {
    int64_t      scanned;
    maas_list_t  in_axes, in_back, out_axes, out_back;
} scan_attr_t;


/* Outputs: the carried values, then what the iterations gave, stacked. */
static maas_status_t
loop_infer(maas_infer_t *c)
{
    maas_body_t          n;
    maas_type_t         *t;
    const maas_type_t   *in;
    const maas_graph_t  *b = c->node->body[0];

    MAAS_TRY(maas_body_counts(c->node, 0, &n, c->err));

    for (int i = 0; i < c->n_out; i++) {
        t = &c->out[i].type;
        *t = b->value[b->out[n.cond + i]].type;

        if (i < (int) n.carried) {
            /* No iteration: the initial value is what comes out. */
            in = &b->value[b->in[(n.cond ? 2 : 0) + i]].type;

            if (in->kind == t->kind) {
                *t = *in;
            }

            continue;
        }

        if (t->rank < 0 || t->rank == MAAS_RANK_MAX) {
            t->rank = -1;
            continue;
        }

        memmove(t->dims + 1, t->dims, t->rank * sizeof(maas_dim_t));
        t->dims[0] = MAAS_DIM_NONE;
        t->rank++;
    }

    return MAAS_OK;
}


/* Sequences of what the body gives. */
static maas_status_t
map_infer(maas_infer_t *c)
{
    const maas_graph_t  *b = c->node->body[0];

    for (int i = 0; i < c->n_out; i++) {
        c->out[i].type = b->value[b->out[i]].type;
        c->out[i].type.kind = MAAS_KIND_SEQUENCE;
    }

    return MAAS_OK;
}


static int
scan_scanned(const void *attr)
{
    const scan_attr_t  *a = attr;

    return (int) maas_min(a->scanned, (int64_t) UINT16_MAX);
}


static bool
scan_backwards(const void *attr, int i, bool out)
{
    const scan_attr_t  *a = attr;
    const maas_list_t  *l = out ? &a->out_back : &a->in_back;

    return (uint32_t) i < l->n && maas_list_ints(attr, l)[i] == 1;
}


static bool
stack_setup(maas_setup_t *u)
{
    if (u->out[0].dtype == MAAS_STRING) {
        return false;
    }

    u->units = u->n_in;
    u->cost = (double) u->out[0].bytes * 0.1 + 20.0 * u->n_in;
    return true;
}


static maas_status_t
stack_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char    *y = s->out[0].data;
    size_t   bytes;

    (void) slot;

    for (int64_t i = first; i < last; i++) {
        bytes = s->in[i].bytes;

        if (bytes != 0) {
            memcpy(y + (size_t) i * bytes, s->in[i].data, bytes);
        }
    }

    return MAAS_OK;
}


/* -- axes of Scan -------------------------------------------------------- */

/*
 * What is scanned along another axis than the first is transposed before or
 * after: the planner slices the first axis alone.
 */
static maas_status_t
scan_move(maas_import_t *im, maas_str_t *name, int64_t axis, bool out)
{
    maas_str_t        fresh = maas_raw_fresh(im);
    maas_raw_attr_t   a[2] = { 0 };

    if (fresh.data == NULL) {
        return MAAS_ENOMEM;
    }

    a[0].name = maas_str("from");
    a[0].type = MAAS_ATTR_INT;
    a[0].i = out ? 0 : axis;
    a[1].name = maas_str("to");
    a[1].type = MAAS_ATTR_INT;
    a[1].i = out ? axis : 0;

    MAAS_TRY(out
             ? maas_raw_emit_after(im, "MoveAxis", &fresh, 1, name, 1, a, 2)
             : maas_raw_emit(im, "MoveAxis", name, 1, &fresh, 1, a, 2));
    *name = fresh;

    return MAAS_OK;
}


/* names: the last `axes->n` of them are scanned. */
static maas_status_t
scan_axes(maas_import_t *im, maas_raw_node_t *n, const char *attr,
    maas_str_t *names, uint32_t n_name, bool out, maas_err_t *err)
{
    uint32_t                first;
    const maas_raw_attr_t  *a = maas_raw_attr(n, attr);

    if (a == NULL || a->type != MAAS_ATTR_INTS) {
        return MAAS_OK;
    }

    if (a->n > n_name) {
        return maas_err(err, MAAS_EINVAL, "%s has %zu axes for %u values",
                        attr, a->n, n_name);
    }

    first = n_name - (uint32_t) a->n;

    for (size_t i = 0; i < a->n; i++) {
        if (a->ints[i] != 0 && names[first + i].len != 0) {
            MAAS_TRY(scan_move(im, &names[first + i], a->ints[i], out));
        }
    }

    maas_raw_attr_drop(n, attr);
    return MAAS_OK;
}


/* Ports of a body, of names alone. */
static maas_status_t
scan_ports(maas_import_t *im, maas_raw_port_t **ports, uint32_t n)
{
    *ports = maas_arena_array(im->arena, n + 1, sizeof(maas_raw_port_t));
    if (*ports == NULL) {
        return MAAS_ENOMEM;
    }

    for (uint32_t i = 0; i < n; i++) {
        (*ports)[i].rank = -1;
        (*ports)[i].name = maas_raw_fresh(im);

        if ((*ports)[i].name.data == NULL) {
            return MAAS_ENOMEM;
        }
    }

    return MAAS_OK;
}


/* The Scan of one element of the batch, whose values are ports of g. */
static maas_status_t
scan_inner(maas_import_t *im, const maas_raw_node_t *n, maas_raw_graph_t *g,
    maas_raw_node_t *inner)
{
    static maas_raw_opset_t  nine[1] = { { { "", 0 }, 9 } };

    *inner = *n;
    inner->opset = nine;
    inner->n_opset = 1;
    inner->n_in = n->n_in - 1;
    inner->in = maas_arena_array(im->arena, inner->n_in, sizeof(maas_str_t));
    inner->out = maas_arena_array(im->arena, n->n_out + 1,
                                  sizeof(maas_str_t));
    MAAS_TRY(scan_ports(im, &g->in, inner->n_in));
    MAAS_TRY(scan_ports(im, &g->out, n->n_out));
    if (inner->in == NULL || inner->out == NULL) {
        return MAAS_ENOMEM;
    }

    for (uint32_t i = 0; i < inner->n_in; i++) {
        inner->in[i] = g->in[i].name;
    }

    for (uint32_t i = 0; i < n->n_out; i++) {
        inner->out[i] = g->out[i].name;
    }

    if (maas_raw_attr(inner, "directions") != NULL) {
        maas_raw_attr(inner, "directions")->name =
            maas_str("scan_input_directions");
    }

    return MAAS_OK;
}


/*
 * Opset 8: every value has a batch in front.  The node becomes the body of a
 * Scan over the batch, which carries nothing: states and slices of one
 * element go in as its slices, and what the inner one gives is stacked.
 */
static maas_status_t
scan_batch(maas_import_t *im, maas_raw_node_t *n, maas_err_t *err)
{
    maas_raw_attr_t   *a;
    maas_raw_node_t   *inner;
    maas_raw_graph_t  *g;

    if (n->n_in < 2 || n->in[0].len != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED, "%s", n->n_in < 2
                        ? "no value is scanned"
                        : "input sequence_lens of opset 8 is not served; "
                          "export with opset 9 or later");
    }

    g = maas_arena_array(im->arena, 1, sizeof(*g));
    inner = maas_arena_array(im->arena, 1, sizeof(*inner));
    a = maas_arena_array(im->arena, 2, sizeof(*a));
    if (g == NULL || inner == NULL || a == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(scan_inner(im, n, g, inner));

    g->name = n->name;
    g->n_in = inner->n_in;
    g->n_out = n->n_out;
    g->n_node = 1;
    g->node = inner;

    a[0].name = maas_str("body");
    a[0].type = MAAS_ATTR_GRAPH;
    a[0].g = g;
    a[1].name = maas_str("num_scan_inputs");
    a[1].type = MAAS_ATTR_INT;
    a[1].i = inner->n_in;

    n->in++;
    n->n_in--;
    n->attr = a;
    n->n_attr = 2;

    return MAAS_OK;
}


static maas_status_t
scan_rewrite(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    if (opset == 8) {
        return scan_batch(im, n, err);
    }

    MAAS_TRY(scan_axes(im, n, "scan_input_axes", n->in, n->n_in, false,
                       err));
    return scan_axes(im, n, "scan_output_axes", n->out, n->n_out, true, err);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  if_in[] = {
    { "cond", MAAS_D(BOOL), 0, 0 }
};

static const maas_formal_t  if_out[] = {
    { "outputs", MAAS_D_ALL, 0,
      MAAS_VARIADIC | MAAS_HETERO | MAAS_ANYKIND }
};

static const maas_attr_row_t  if_attrs[] = {
    { .name = "then_branch", .type = MAAS_ATTR_GRAPH, .required = true },
    { .name = "else_branch", .type = MAAS_ATTR_GRAPH, .required = true }
};

static const maas_case_t  if_bad[] = {
    { "| bool[]", "then_branch" },
    { NULL, NULL }
};


static const maas_formal_t  loop_in[] = {
    { "M", MAAS_D(I64), 0, MAAS_OPT },
    { "cond", MAAS_D(BOOL), 0, MAAS_OPT },
    { "v_initial", MAAS_D_ALL, 0,
      MAAS_OPT | MAAS_VARIADIC | MAAS_HETERO | MAAS_ANYKIND }
};

static const maas_formal_t  scan_in[] = {
    { "initial_state_and_scan_inputs", MAAS_D_ALL, 0,
      MAAS_VARIADIC | MAAS_HETERO }
};

static const maas_formal_t  map_in[] = {
    { "input_sequence", MAAS_D_ALL, 0,
      MAAS_VARIADIC | MAAS_HETERO | MAAS_ANYKIND }
};

static const maas_attr_row_t  body_attrs[] = {
    { .name = "body", .type = MAAS_ATTR_GRAPH, .required = true }
};

#define SCAN_LIST(label, member)                                              \
    { .name = label, .type = MAAS_ATTR_INTS,                                  \
      .off = offsetof(scan_attr_t, member) }

static const maas_attr_row_t  scan_attrs[] = {
    { .name = "body", .type = MAAS_ATTR_GRAPH, .required = true },
    { .name = "num_scan_inputs", .type = MAAS_ATTR_INT, .required = true,
      .off = offsetof(scan_attr_t, scanned), .min = 1, .max = 32767 },
    SCAN_LIST("scan_input_axes", in_axes),
    SCAN_LIST("scan_input_directions", in_back),
    SCAN_LIST("scan_output_axes", out_axes),
    SCAN_LIST("scan_output_directions", out_back)
};

static const maas_kernel_row_t  loop_kernels[] = {
    { "loop.stack", MAAS_CPU_REF, 0, 0, stack_setup, stack_run }
};

static const maas_case_t  loop_bad[] = {
    { "| i64[]", "body" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_control[] = {
    {
        .name = "If", .domain = "", .since = 16, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_CONTROL,
        .control = MAAS_CONTROL_IF,
        MAAS_IO(if_in, if_out),
        .attr = if_attrs, .n_attr = maas_nelts(if_attrs),
        .infer = if_infer,
        .bad = if_bad
    },
    {
        .name = "Loop", .domain = "", .since = 16, .first = 1,
        .flags = MAAS_OP_CONTROL, .control = MAAS_CONTROL_LOOP,
        MAAS_IO(loop_in, if_out),
        .attr = body_attrs, .n_attr = 1,
        .infer = loop_infer,
        MAAS_KERNELS(loop_kernels),
        .bad = loop_bad
    },
    {
        .name = "Scan", .domain = "", .since = 16, .first = 8,
        .flags = MAAS_OP_CONTROL | MAAS_OP_REWRITE,
        .control = MAAS_CONTROL_SCAN,
        .scanned = scan_scanned, .backwards = scan_backwards,
        MAAS_IO(scan_in, if_out),
        MAAS_ATTRS(scan_attrs, scan_attr_t), .upgrade = scan_rewrite,
        .infer = loop_infer,
        MAAS_KERNELS(loop_kernels),
        .bad = loop_bad
    },
    {
        .name = "SequenceMap", .domain = "", .since = 17,
        .flags = MAAS_OP_CONTROL, .control = MAAS_CONTROL_MAP,
        MAAS_IO(map_in, if_out),
        .attr = body_attrs, .n_attr = 1,
        .infer = map_infer,
        .bad = loop_bad
    },
    { .name = NULL }
};
