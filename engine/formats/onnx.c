/*
 * onnx.c: ModelProto -> maas_raw_model_t: versions, ports, nodes, attributes
 * and subgraphs as they stand in the file.
 *
 * Ownership: names and lists are copied into the arena; tensors see
 *            onnx_tensor.c; the unpacked message is freed before return.
 * Threads:   reentrant.
 * Format:    https://github.com/onnx/onnx/blob/main/docs/IR.md
 */

#include "formats/onnx_priv.h"


#define EXPAND_BUDGET  ((size_t) 2 << 30)

#define ATTR_SPARSE  11             /* AttributeType.SPARSE_TENSOR */
#define ATTR_TYPE    13             /* AttributeType.TYPE_PROTO */

#define SHOW(s)  (int) maas_min((s).len, 120), (const char *) (s).data

static maas_status_t read_graph(const onnx_ctx_t *c, maas_raw_graph_t *g,
    const Onnx__GraphProto *p, bool top);


static maas_status_t
read_array(const onnx_ctx_t *c, void *out, size_t n, size_t size)
{
    void  *p;

    if (n > UINT32_MAX) {
        return maas_err(c->err, MAAS_ELIMIT, "a list of %zu entries", n);
    }

    p = maas_arena_array(c->arena, n, size);
    if (p == NULL) {
        return maas_err_nomem(c->err);
    }

    memcpy(out, &p, sizeof(p));
    return MAAS_OK;
}


static maas_status_t
read_strings(const onnx_ctx_t *c, maas_str_t **out,
    const ProtobufCBinaryData *p, size_t n)
{
    MAAS_TRY(read_array(c, out, n, sizeof(maas_str_t)));

    for (size_t i = 0; i < n; i++) {
        MAAS_TRY(maas_onnx_str(c, &p[i], &(*out)[i]));
    }

    return MAAS_OK;
}


/* "" and "ai.onnx" are one domain. */
static maas_status_t
read_domain(const onnx_ctx_t *c, const ProtobufCBinaryData *p,
    maas_str_t *out)
{
    if (maas_str_is(onnx_str(p), "ai.onnx")) {
        *out = maas_str("");
        return MAAS_OK;
    }

    return maas_onnx_str(c, p, out);
}


/* -- ports --------------------------------------------------------------- */

static maas_status_t
read_shape(const onnx_ctx_t *c, maas_raw_port_t *port,
    const Onnx__TensorShapeProto *p)
{
    const Onnx__TensorShapeProto__Dimension  *d;

    if (p == NULL) {
        return MAAS_OK;
    }

    if (p->n_dim > MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "'%.*s' has %zu "
                        "dimensions, at most %d are served",
                        SHOW(port->name), p->n_dim, MAAS_RANK_MAX);
    }

    port->rank = (int) p->n_dim;

    for (int i = 0; i < port->rank; i++) {
        d = p->dim[i];
        port->dims[i] = -1;

        if (d->value_case
            == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM)
        {
            MAAS_TRY(maas_onnx_str(c, &d->dim_param, &port->sym[i]));

        } else if (d->value_case
                   == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
        {
            /* Some exporters write -1 for a dimension without a name. */
            if (d->dim_value < -1 || d->dim_value > INT64_MAX / 2) {
                return maas_err(c->err, MAAS_EINVAL, "'%.*s': dimension %d "
                                "is %lld", SHOW(port->name), i,
                                (long long) d->dim_value);
            }

            port->dims[i] = d->dim_value;
        }
    }

    return MAAS_OK;
}


static maas_status_t
read_elem(const onnx_ctx_t *c, maas_raw_port_t *port, int32_t elem)
{
    port->dtype = maas_onnx_dtype(elem);

    if (port->dtype == MAAS_NODTYPE && elem != 0) {
        return maas_err(c->err, MAAS_EUNSUPPORTED,
                        "'%.*s': data type %d is not served%s",
                        SHOW(port->name), (int) elem,
                        maas_onnx_dtype_hint(elem));
    }

    return MAAS_OK;
}


/* The kind of what a sequence or an optional holds decides with it. */
static maas_kind_t
read_kind(maas_kind_t outer, const Onnx__TypeProto *inner)
{
    if (outer == MAAS_KIND_SEQUENCE && inner != NULL
        && inner->value_case == ONNX__TYPE_PROTO__VALUE_MAP_TYPE)
    {
        return MAAS_KIND_SEQUENCE_MAP;
    }

    return outer;
}


/* Of a type around the tensor: the outermost, or in an optional. */
static void
read_level(maas_raw_port_t *port, int level, maas_kind_t kind)
{
    if (level == 0) {
        port->kind = kind;

    } else if (level == 1 && port->kind == MAAS_KIND_OPTIONAL) {
        port->inner = (uint8_t) kind;
    }
}


static maas_status_t
read_type(const onnx_ctx_t *c, maas_raw_port_t *port, const Onnx__TypeProto *p)
{
    /* Outermost kind; the innermost tensor gives dtype and shape. */
    for (int level = 0; p != NULL; level++) {
        switch (p->value_case) {

        case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
            MAAS_TRY(read_elem(c, port, p->tensor_type->elem_type));
            return read_shape(c, port, p->tensor_type->shape);

        case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
            p = p->sequence_type->elem_type;
            read_level(port, level, read_kind(MAAS_KIND_SEQUENCE, p));
            break;

        case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
            port->key = maas_onnx_dtype(p->map_type->key_type);
            p = p->map_type->value_type;
            read_level(port, level, MAAS_KIND_MAP);
            break;

        case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
            p = p->optional_type->elem_type;
            read_level(port, level, MAAS_KIND_OPTIONAL);
            break;

        case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
            return maas_err(c->err, MAAS_EUNSUPPORTED, "'%.*s' is a sparse "
                            "tensor, which is not served", SHOW(port->name));

        default:
            return MAAS_OK;
        }
    }

    return MAAS_OK;
}


static maas_status_t
read_ports(const onnx_ctx_t *c, maas_raw_port_t **out, uint32_t *n_out,
    Onnx__ValueInfoProto **p, size_t n)
{
    MAAS_TRY(read_array(c, out, n, sizeof(maas_raw_port_t)));
    *n_out = (uint32_t) n;

    for (size_t i = 0; i < n; i++) {
        (*out)[i].rank = -1;
        MAAS_TRY(maas_onnx_str(c, &p[i]->name, &(*out)[i].name));
        MAAS_TRY(read_type(c, &(*out)[i], p[i]->type));
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

/* Files older than IR version 2 name no type: the member that is set does. */
static int
read_attr_type(const Onnx__AttributeProto *p)
{
    if (p->has_type) {
        return (int) p->type;
    }

    return p->has_f ? MAAS_ATTR_FLOAT : p->has_i ? MAAS_ATTR_INT
           : p->has_s ? MAAS_ATTR_STRING : p->t ? MAAS_ATTR_TENSOR
           : p->g ? MAAS_ATTR_GRAPH
           : p->sparse_tensor ? ATTR_SPARSE : p->n_floats ? MAAS_ATTR_FLOATS
           : p->n_ints ? MAAS_ATTR_INTS : p->n_strings ? MAAS_ATTR_STRINGS
           : MAAS_ATTR_NONE;
}


static maas_status_t
read_attr_lists(const onnx_ctx_t *c, maas_raw_attr_t *a,
    const Onnx__AttributeProto *p)
{
    size_t       size;
    const void  *list;

    if (a->type == MAAS_ATTR_STRINGS) {
        a->n = p->n_strings;
        return read_strings(c, (maas_str_t **) &a->strings, p->strings, a->n);
    }

    a->n = a->type == MAAS_ATTR_INTS ? p->n_ints : p->n_floats;
    size = a->type == MAAS_ATTR_INTS ? sizeof(int64_t) : sizeof(float);

    list = maas_arena_dup(c->arena, a->type == MAAS_ATTR_INTS
                          ? (void *) p->ints : (void *) p->floats,
                          a->n * size);
    if (list == NULL) {
        return maas_err_nomem(c->err);
    }

    if (a->type == MAAS_ATTR_INTS) {
        a->ints = list;

    } else {
        a->floats = list;
    }

    return MAAS_OK;
}


static maas_status_t
read_attr_sparse(const onnx_ctx_t *c, maas_raw_attr_t *a,
    const Onnx__AttributeProto *p)
{
    if (p->sparse_tensor == NULL) {
        return maas_err(c->err, MAAS_EINVAL, "attribute '%.*s' has no value",
                        SHOW(a->name));
    }

    a->type = MAAS_ATTR_TENSOR;
    a->sparse = true;

    return maas_onnx_sparse(c, p->sparse_tensor, "attribute", a->name, &a->t);
}


static maas_status_t
read_attr_bad(const onnx_ctx_t *c, const Onnx__AttributeProto *p)
{
    static const char *const  names[] = {
        [9] = "a list of tensors", [10] = "a list of graphs",
        [12] = "a list of sparse tensors",
        [13] = "a type", [14] = "a list of types"
    };
    int  type = read_attr_type(p);

    if (type < 9 || type >= (int) maas_nelts(names) || names[type] == NULL) {
        return maas_err(c->err, MAAS_EINVAL, "attribute '%.*s' has no value "
                        "of a known type (type %d)", SHOW(p->name), type);
    }

    return maas_err(c->err, MAAS_EUNSUPPORTED,
                    "attribute '%.*s' is %s, which is not served",
                    SHOW(p->name), names[type]);
}


/* A type is an INT: dtype | kind << 8 | dtype of keys << 16. */
static maas_status_t
read_attr_of_type(const onnx_ctx_t *c, maas_raw_attr_t *a,
    const Onnx__AttributeProto *p)
{
    maas_raw_port_t  t = { .name = a->name, .rank = -1 };

    if (p->tp == NULL) {
        return read_attr_bad(c, p);
    }

    MAAS_TRY(read_type(c, &t, p->tp));
    a->type = MAAS_ATTR_INT;
    a->i = t.dtype | (int64_t) t.kind << 8 | (int64_t) t.key << 16;

    return MAAS_OK;
}


static maas_status_t
read_attr(const onnx_ctx_t *c, maas_raw_attr_t *a,
    const Onnx__AttributeProto *p)
{
    MAAS_TRY(maas_onnx_str(c, &p->name, &a->name));
    a->type = read_attr_type(p);

    if (p->ref_attr_name.len != 0) {
        if (!c->function) {
            return maas_err(c->err, MAAS_EINVAL, "attribute '%.*s' refers to "
                            "an attribute of a function, outside of "
                            "functions", SHOW(a->name));
        }

        return maas_onnx_str(c, &p->ref_attr_name, &a->ref);
    }

    switch ((int) a->type) {

    case MAAS_ATTR_FLOAT:
        a->f = p->f;
        return MAAS_OK;

    case MAAS_ATTR_INT:
        a->i = p->i;
        return MAAS_OK;

    case MAAS_ATTR_STRING:
        return maas_onnx_str(c, &p->s, &a->s);

    case MAAS_ATTR_TENSOR:
        if (p->t == NULL) {
            return read_attr_bad(c, p);
        }

        return maas_onnx_convert(c, p->t, "attribute", a->name, &a->t);

    case MAAS_ATTR_GRAPH:
        if (p->g == NULL) {
            return read_attr_bad(c, p);
        }

        MAAS_TRY(read_array(c, &a->g, 1, sizeof(maas_raw_graph_t)));
        return read_graph(c, a->g, p->g, false);

    case MAAS_ATTR_FLOATS:
    case MAAS_ATTR_INTS:
    case MAAS_ATTR_STRINGS:
        return read_attr_lists(c, a, p);

    case ATTR_TYPE:
        return read_attr_of_type(c, a, p);

    case ATTR_SPARSE:
        return read_attr_sparse(c, a, p);

    default:
        return read_attr_bad(c, p);
    }
}


static maas_status_t
read_node(const onnx_ctx_t *c, maas_raw_node_t *n, const Onnx__NodeProto *p)
{
    maas_str_t           name;
    maas_status_t        rc;
    ProtobufCBinaryData  b;

    b = maas_onnx_newer_bytes(&p->base, ONNX_NODE_OVERLOAD);

    MAAS_TRY(maas_onnx_str(c, &b, &n->overload));
    MAAS_TRY(maas_onnx_str(c, &p->op_type, &n->op));
    MAAS_TRY(read_domain(c, &p->domain, &n->domain));
    MAAS_TRY(maas_onnx_str(c, &p->name, &n->name));

    n->n_in = (uint32_t) p->n_input;
    n->n_out = (uint32_t) p->n_output;
    n->n_attr = (uint32_t) p->n_attribute;

    MAAS_TRY(read_strings(c, &n->in, p->input, p->n_input));
    MAAS_TRY(read_strings(c, &n->out, p->output, p->n_output));
    MAAS_TRY(read_array(c, &n->attr, n->n_attr, sizeof(maas_raw_attr_t)));

    name = n->name.len != 0 || n->n_out == 0 ? n->name : n->out[0];

    for (uint32_t i = 0; i < n->n_attr; i++) {
        rc = read_attr(c, &n->attr[i], p->attribute[i]);

        if (rc != MAAS_OK) {
            return maas_err_prefix(c->err, "node '%.*s' (%.*s)", SHOW(name),
                                   SHOW(n->op));
        }
    }

    return MAAS_OK;
}


/* -- graph and model ----------------------------------------------------- */

static maas_status_t
read_sparse_init(const onnx_ctx_t *c, maas_raw_init_t *init,
    const Onnx__SparseTensorProto *p)
{
    if (p->values != NULL) {
        MAAS_TRY(maas_onnx_str(c, &p->values->name, &init->name));
    }

    return maas_onnx_sparse(c, p, "initializer", init->name, &init->t);
}


static maas_status_t
read_inits(const onnx_ctx_t *c, maas_raw_graph_t *g,
    const Onnx__GraphProto *p)
{
    size_t            n = p->n_initializer + p->n_sparse_initializer;
    maas_raw_init_t  *init;

    MAAS_TRY(read_array(c, &g->init, n, sizeof(maas_raw_init_t)));
    g->n_init = (uint32_t) n;
    init = g->init;

    for (size_t i = 0; i < p->n_initializer; i++, init++) {
        MAAS_TRY(maas_onnx_str(c, &p->initializer[i]->name, &init->name));
        MAAS_TRY(maas_onnx_convert(c, p->initializer[i], "initializer",
                                   init->name, &init->t));
    }

    for (size_t i = 0; i < p->n_sparse_initializer; i++, init++) {
        MAAS_TRY(read_sparse_init(c, init, p->sparse_initializer[i]));
    }

    return MAAS_OK;
}


static maas_status_t
read_graph(const onnx_ctx_t *c, maas_raw_graph_t *g,
    const Onnx__GraphProto *p, bool top)
{
    if (top && p->n_node == 0 && p->n_output == 0) {
        return maas_err(c->err, MAAS_EINVAL, "the graph has no nodes and no "
                        "outputs; is this an ONNX model?");
    }

    MAAS_TRY(maas_onnx_str(c, &p->name, &g->name));
    MAAS_TRY(read_ports(c, &g->in, &g->n_in, p->input, p->n_input));
    MAAS_TRY(read_ports(c, &g->out, &g->n_out, p->output, p->n_output));
    MAAS_TRY(read_inits(c, g, p));

    g->n_node = (uint32_t) p->n_node;
    MAAS_TRY(read_array(c, &g->node, g->n_node, sizeof(maas_raw_node_t)));

    for (uint32_t i = 0; i < g->n_node; i++) {
        MAAS_TRY(read_node(c, &g->node[i], p->node[i]));
    }

    return MAAS_OK;
}


static maas_status_t
read_opset(const onnx_ctx_t *c, maas_raw_opset_t *o, uint32_t i,
    const Onnx__OperatorSetIdProto *p)
{
    MAAS_TRY(read_domain(c, &p->domain, &o[i].domain));
    o[i].version = p->version;

    for (uint32_t j = 0; j < i; j++) {
        if (maas_str_eq(o[j].domain, o[i].domain)
            && o[j].version != o[i].version)
        {
            return maas_err(c->err, MAAS_EINVAL, "opset domain '%.*s' is "
                            "imported as %lld and as %lld",
                            SHOW(o[i].domain), (long long) o[j].version,
                            (long long) o[i].version);
        }
    }

    /* Below the least one, the importer decides for each operator. */
    if (o[i].domain.len == 0
        && (o[i].version < 1 || o[i].version > MAAS_ONNX_OPSET_MAX))
    {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "opset %lld is not "
                        "served; opsets %d to %d are: export the model with "
                        "one of these (opset_version=)",
                        (long long) o[i].version, MAAS_ONNX_OPSET_MIN,
                        MAAS_ONNX_OPSET_MAX);
    }

    return MAAS_OK;
}


static maas_status_t
read_opsets(const onnx_ctx_t *c, maas_raw_opset_t **out, uint32_t *n_out,
    Onnx__OperatorSetIdProto **p, size_t n)
{
    if (n > 256) {
        return maas_err(c->err, MAAS_ELIMIT, "%zu opset imports", n);
    }

    MAAS_TRY(read_array(c, out, n, sizeof(maas_raw_opset_t)));
    *n_out = (uint32_t) n;

    for (uint32_t i = 0; i < *n_out; i++) {
        MAAS_TRY(read_opset(c, *out, i, p[i]));
    }

    return MAAS_OK;
}


/* -- functions ----------------------------------------------------------- */

static maas_status_t
read_presets(const onnx_ctx_t *c, maas_raw_func_t *f,
    const Onnx__FunctionProto *p)
{
    bool                   owned;
    size_t                 n;
    maas_status_t          rc;
    Onnx__AttributeProto  *a;

    n = maas_onnx_newer(&p->base, ONNX_FUNCTION_DEFAULT);

    MAAS_TRY(read_array(c, &f->preset, n, sizeof(maas_raw_attr_t)));
    f->n_preset = (uint32_t) n;

    for (size_t i = 0; i < n; i++) {
        a = maas_onnx_newer_attr(c, &p->base, ONNX_FUNCTION_DEFAULT, i,
                                 &owned);
        if (a == NULL) {
            return maas_err_nomem(c->err);
        }

        rc = read_attr(c, &f->preset[i], a);

        if (owned) {
            protobuf_c_message_free_unpacked(&a->base, &c->message->alloc);
        }

        if (rc != MAAS_OK) {
            return maas_err_prefix(c->err, "default of an attribute");
        }
    }

    return MAAS_OK;
}


static maas_status_t
read_function_body(const onnx_ctx_t *c, maas_raw_func_t *f,
    const Onnx__FunctionProto *p)
{
    onnx_ctx_t  inner = *c;

    inner.function = true;

    MAAS_TRY(read_strings(c, &f->in, p->input, p->n_input));
    MAAS_TRY(read_strings(c, &f->out, p->output, p->n_output));
    MAAS_TRY(read_strings(c, &f->attr, p->attribute, p->n_attribute));
    MAAS_TRY(read_opsets(c, &f->opset, &f->n_opset, p->opset_import,
                         p->n_opset_import));
    MAAS_TRY(read_presets(c, f, p));
    MAAS_TRY(read_array(c, &f->node, p->n_node, sizeof(maas_raw_node_t)));

    f->n_in = (uint32_t) p->n_input;
    f->n_out = (uint32_t) p->n_output;
    f->n_attr = (uint32_t) p->n_attribute;
    f->n_node = (uint32_t) p->n_node;

    for (uint32_t i = 0; i < f->n_node; i++) {
        MAAS_TRY(read_node(&inner, &f->node[i], p->node[i]));
    }

    return MAAS_OK;
}


static maas_status_t
read_function(const onnx_ctx_t *c, maas_raw_func_t *f,
    const Onnx__FunctionProto *p)
{
    ProtobufCBinaryData  b;

    b = maas_onnx_newer_bytes(&p->base, ONNX_FUNCTION_OVERLOAD);

    MAAS_TRY(maas_onnx_str(c, &p->name, &f->name));
    MAAS_TRY(read_domain(c, &p->domain, &f->domain));
    MAAS_TRY(maas_onnx_str(c, &b, &f->overload));

    return read_function_body(c, f, p) == MAAS_OK ? MAAS_OK
           : maas_err_prefix(c->err, "function '%.*s.%.*s'", SHOW(f->domain),
                             SHOW(f->name));
}


static maas_status_t
read_functions(const onnx_ctx_t *c, maas_raw_model_t *m,
    const Onnx__ModelProto *p)
{
    MAAS_TRY(read_array(c, &m->func, p->n_functions,
                        sizeof(maas_raw_func_t)));
    m->n_func = (uint32_t) p->n_functions;

    for (uint32_t i = 0; i < m->n_func; i++) {
        MAAS_TRY(read_function(c, &m->func[i], p->functions[i]));
    }

    return MAAS_OK;
}


static maas_status_t
read_model(const onnx_ctx_t *c, maas_raw_model_t *m,
    const Onnx__ModelProto *p)
{
    if (p->graph == NULL || !p->has_ir_version) {
        return maas_err(c->err, MAAS_EINVAL, "no ONNX model: it has no %s",
                        p->graph == NULL ? "graph" : "ir_version");
    }

    if (p->ir_version < MAAS_ONNX_IR_MIN || p->ir_version > MAAS_ONNX_IR_MAX)
    {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "IR version %lld is not "
                        "served; %d to %d are: export the model with "
                        "another version of onnx", (long long) p->ir_version,
                        MAAS_ONNX_IR_MIN, MAAS_ONNX_IR_MAX);
    }

    m->ir_version = p->ir_version;
    m->platform = maas_str("onnx");

    MAAS_TRY(maas_onnx_str(c, &p->producer_name, &m->producer));
    MAAS_TRY(read_opsets(c, &m->opset, &m->n_opset, p->opset_import,
                         p->n_opset_import));
    MAAS_TRY(read_functions(c, m, p));

    return read_graph(c, &m->graph, p->graph, true);
}


/* The structure of the file is wrong: another format, or half a copy? */
static maas_status_t
read_failed(const onnx_ctx_t *c)
{
    const char  *foreign = maas_onnx_foreign(c->base, c->size);

    if (foreign != NULL) {
        return maas_err(c->err, MAAS_EINVAL, "no ONNX model: it is %s",
                        foreign);
    }

    if (c->err->status == MAAS_ETRUNC) {
        return maas_err_prefix(c->err, "the file of %zu bytes is cut off, "
                               "or damaged; copy it again", c->size);
    }

    return maas_err_prefix(c->err, "no ONNX model, or a damaged one");
}


maas_status_t
maas_onnx_read(maas_raw_model_t **out, maas_arena_t *a, const void *p,
    size_t n, const maas_onnx_opts_t *opts, maas_err_t *err)
{
    size_t             expand = EXPAND_BUDGET;
    maas_err_t         local;
    onnx_ctx_t         c = { .arena = a, .base = p, .size = n,
                             .err = err != NULL ? err : &local,
                             .expand = &expand };
    maas_status_t      rc;
    onnx_message_t     m;
    maas_raw_model_t  *model;

    *out = NULL;
    c.message = &m;

    if (opts != NULL) {
        c.folder = opts->folder;
        expand = opts->expand != 0 ? opts->expand : EXPAND_BUDGET;
    }

    if (n == 0) {
        return maas_err(err, MAAS_ETRUNC, "no ONNX model: it is empty");
    }

    model = maas_arena_alloc(a, sizeof(maas_raw_model_t));
    if (model == NULL) {
        return maas_err_nomem(err);
    }

    rc = maas_onnx_unpack(&m, &c, &onnx__model_proto__descriptor);

    if (rc == MAAS_OK) {
        rc = read_model(&c, model, (const Onnx__ModelProto *) m.msg);

    } else if (rc == MAAS_EINVAL || rc == MAAS_ETRUNC) {
        rc = read_failed(&c);
    }

    maas_onnx_free(&m);

    if (rc == MAAS_OK) {
        *out = model;
    }

    return rc;
}
