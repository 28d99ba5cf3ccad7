/*
 * onnx_write.c: maas_raw_model_t -> ModelProto -> bytes.  protobuf-c's
 * structures are made in a scratch arena; they point at the names and the
 * data of the model, so that a tensor is copied once, into the buffer.
 * Fields that are newer than the schema of libonnx travel as unknown fields.
 *
 * Ownership: the scratch arena ends with the call; the buffer is the
 *            caller's.
 * Threads:   reentrant.
 * Format:    https://github.com/onnx/onnx/blob/main/docs/IR.md
 */

#include "formats/onnx_priv.h"
#include "formats/onnx_write.h"


#define WRITE_IR         8
#define WRITE_BYTES_MAX  ((size_t) INT32_MAX)

#define ATTR_SPARSE  ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR
#define ATTR_TYPE    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO

#define SHOW(s)  (int) maas_min((s).len, 120), (s).data

typedef struct {
    maas_arena_t  arena;
    maas_err_t   *err;
    int           depth;
} write_t;

static maas_status_t write_graph(write_t *w, Onnx__GraphProto **out,
    const maas_raw_graph_t *g);


/* -- small things -------------------------------------------------------- */

static void *
write_alloc(write_t *w, size_t n, size_t size)
{
    void  *p = maas_arena_array(&w->arena, maas_max(n, 1u), size);

    if (p == NULL) {
        (void) maas_err_nomem(w->err);
    }

    return p;
}


/* A message of its kind, initialised; leaves the function when refused. */
#define WRITE_NEW(w, p, init)                                                 \
    do {                                                                      \
        (p) = write_alloc(w, 1, sizeof(*(p)));                                \
        if ((p) == NULL) {                                                    \
            return MAAS_ENOMEM;                                               \
        }                                                                     \
        init(p);                                                              \
    } while (0)

#define WRITE_LIST(w, p, n)                                                   \
    do {                                                                      \
        (p) = write_alloc(w, n, sizeof(*(p)));                                \
        if ((p) == NULL) {                                                    \
            return MAAS_ENOMEM;                                               \
        }                                                                     \
    } while (0)

/* An optional field of bytes. */
#define WRITE_STR(m, field, s)                                                \
    ((m)->has_##field = true, (m)->field = write_str(s))


static ProtobufCBinaryData
write_str(maas_str_t s)
{
    return (ProtobufCBinaryData) { s.len, (uint8_t *) s.data };
}


static maas_status_t
write_strs(write_t *w, ProtobufCBinaryData **out, size_t *n_out,
    const maas_str_t *s, size_t n)
{
    WRITE_LIST(w, *out, n);
    *n_out = n;

    for (size_t i = 0; i < n; i++) {
        (*out)[i] = write_str(s[i]);
    }

    return MAAS_OK;
}


/* A field with a length, of a number that the schema may not know. */
static maas_status_t
write_newer(write_t *w, ProtobufCMessage *m, uint32_t id,
    const ProtobufCBinaryData *value, size_t n)
{
    size_t                         k, len;
    uint8_t                       *p;
    ProtobufCMessageUnknownField  *u;

    WRITE_LIST(w, u, m->n_unknown_fields + n);

    if (m->n_unknown_fields != 0) {
        memcpy(u, m->unknown_fields, m->n_unknown_fields * sizeof(*u));
    }

    for (size_t i = 0; i < n; i++) {
        WRITE_LIST(w, p, value[i].len + 10);

        for (k = 0, len = value[i].len; len > 0x7f; len >>= 7) {
            p[k++] = (uint8_t) (len & 0x7f) | 0x80;
        }

        p[k++] = (uint8_t) len;

        if (value[i].len != 0) {
            memcpy(p + k, value[i].data, value[i].len);
        }

        u[m->n_unknown_fields + i] = (ProtobufCMessageUnknownField) {
            .tag = id, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
            .len = k + value[i].len, .data = p
        };
    }

    m->unknown_fields = u;
    m->n_unknown_fields += (unsigned) n;

    return MAAS_OK;
}


/* -- tensors ------------------------------------------------------------- */

static maas_status_t
write_tensor(write_t *w, Onnx__TensorProto **out, maas_str_t name,
    const maas_tensor_t *t)
{
    size_t              bytes;
    int64_t             n;
    Onnx__TensorProto  *p;

    WRITE_NEW(w, p, onnx__tensor_proto__init);

    n = t->rank <= MAAS_RANK_MAX ? maas_dims_count(t->dims, t->rank) : -1;

    if (n < 0 || t->format != 0 || t->dtype >= MAAS_DTYPES
        || maas_dtypes[t->dtype].name == NULL
        || (t->dtype == MAAS_STRING
            ? !maas_string_check(t)
            : !maas_dtype_bytes(t->dtype, n, &bytes) || bytes > t->bytes))
    {
        return maas_err(w->err, MAAS_EINVAL, "tensor '%.*s': its data does "
                        "not have its shape and type", SHOW(name));
    }

    WRITE_LIST(w, p->dims, t->rank);
    memcpy(p->dims, t->dims, t->rank * sizeof(int64_t));
    p->n_dims = t->rank;
    p->has_data_type = true;
    p->data_type = t->dtype;

    if (name.len != 0) {
        WRITE_STR(p, name, name);
    }

    if (t->dtype == MAAS_STRING) {
        WRITE_LIST(w, p->string_data, (size_t) n);
        p->n_string_data = (size_t) n;

        for (int64_t i = 0; i < n; i++) {
            p->string_data[i] = write_str(maas_tensor_str(t, i));
        }

    } else {
        p->has_raw_data = true;
        p->raw_data = (ProtobufCBinaryData) { bytes, t->data };
    }

    *out = p;
    return MAAS_OK;
}


static bool
write_zero(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p[i] != 0) {
            return false;
        }
    }

    return true;
}


/* Elements whose bytes are not all zero, and where they stand in order. */
static maas_status_t
write_sparse(write_t *w, Onnx__SparseTensorProto **out, maas_str_t name,
    const maas_tensor_t *t)
{
    char                     *value;
    size_t                    size = maas_dtype_size(t->dtype);
    int64_t                   n = maas_tensor_count(t), k = 0, *index;
    maas_tensor_t             v = *t, at = { .dtype = MAAS_I64 };
    Onnx__SparseTensorProto  *p;

    if (size == 0 || maas_dtypes[t->dtype].block_elems != 1) {
        return maas_err(w->err, MAAS_EUNSUPPORTED, "attribute '%.*s': a "
                        "sparse tensor of %s is not written", SHOW(name),
                        maas_dtype_name(t->dtype));
    }

    WRITE_NEW(w, p, onnx__sparse_tensor_proto__init);
    WRITE_LIST(w, value, (size_t) n * size);
    WRITE_LIST(w, index, (size_t) n);
    WRITE_LIST(w, p->dims, t->rank);

    memcpy(p->dims, t->dims, t->rank * sizeof(int64_t));
    p->n_dims = t->rank;

    for (int64_t i = 0; i < n; i++) {
        const uint8_t  *from = (const uint8_t *) t->data + (size_t) i * size;

        if (!write_zero(from, size)) {
            memcpy(value + (size_t) k * size, from, size);
            index[k++] = i;
        }
    }

    v.data = value;
    v.bytes = (size_t) k * size;
    at.data = index;
    at.bytes = (size_t) k * sizeof(int64_t);
    v.rank = at.rank = 1;
    v.dims[0] = at.dims[0] = k;

    MAAS_TRY(write_tensor(w, &p->values, maas_str(""), &v));
    MAAS_TRY(write_tensor(w, &p->indices, maas_str(""), &at));

    *out = p;
    return MAAS_OK;
}


/* -- types --------------------------------------------------------------- */

static maas_status_t
write_shape(write_t *w, Onnx__TensorShapeProto **out,
    const maas_raw_port_t *port)
{
    Onnx__TensorShapeProto             *p;
    Onnx__TensorShapeProto__Dimension  *d;

    WRITE_NEW(w, p, onnx__tensor_shape_proto__init);
    WRITE_LIST(w, p->dim, (size_t) port->rank);
    p->n_dim = (size_t) port->rank;

    for (int i = 0; i < port->rank; i++) {
        WRITE_NEW(w, d, onnx__tensor_shape_proto__dimension__init);
        p->dim[i] = d;

        if (port->dims[i] >= 0) {
            d->value_case
                = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = port->dims[i];

        } else if (port->sym[i].len != 0) {
            d->value_case
                = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = write_str(port->sym[i]);
        }
    }

    *out = p;
    return MAAS_OK;
}


static maas_status_t
write_tensor_type(write_t *w, Onnx__TypeProto *p,
    const maas_raw_port_t *port)
{
    Onnx__TypeProto__Tensor  *t;

    WRITE_NEW(w, t, onnx__type_proto__tensor__init);

    t->has_elem_type = port->dtype != MAAS_NODTYPE;
    t->elem_type = port->dtype;

    p->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->tensor_type = t;

    return port->rank >= 0 ? write_shape(w, &t->shape, port) : MAAS_OK;
}


static maas_status_t
write_type(write_t *w, Onnx__TypeProto **out, const maas_raw_port_t *port,
    int kind)
{
    int                         inner = MAAS_KIND_TENSOR;
    Onnx__TypeProto            *p, **next;
    Onnx__TypeProto__Map       *map;
    Onnx__TypeProto__Optional  *opt;
    Onnx__TypeProto__Sequence  *seq;

    WRITE_NEW(w, p, onnx__type_proto__init);
    *out = p;

    switch (kind) {

    case MAAS_KIND_TENSOR:
        return write_tensor_type(w, p, port);

    case MAAS_KIND_SEQUENCE:
    case MAAS_KIND_SEQUENCE_MAP:
        WRITE_NEW(w, seq, onnx__type_proto__sequence__init);
        p->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        p->sequence_type = seq;
        next = &seq->elem_type;
        inner = kind == MAAS_KIND_SEQUENCE_MAP ? MAAS_KIND_MAP : inner;
        break;

    case MAAS_KIND_MAP:
        WRITE_NEW(w, map, onnx__type_proto__map__init);
        p->value_case = ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
        p->map_type = map;
        map->has_key_type = true;
        map->key_type = port->key;
        next = &map->value_type;
        break;

    default:
        WRITE_NEW(w, opt, onnx__type_proto__optional__init);
        p->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
        p->optional_type = opt;
        next = &opt->elem_type;
        inner = port->inner != MAAS_KIND_OPTIONAL ? port->inner : inner;
        break;
    }

    return write_type(w, next, port, inner);
}


static maas_status_t
write_ports(write_t *w, Onnx__ValueInfoProto ***out, size_t *n_out,
    const maas_raw_port_t *port, size_t n)
{
    Onnx__ValueInfoProto  *p;

    WRITE_LIST(w, *out, n);
    *n_out = n;

    for (size_t i = 0; i < n; i++) {
        WRITE_NEW(w, p, onnx__value_info_proto__init);
        (*out)[i] = p;
        WRITE_STR(p, name, port[i].name);

        if (port[i].kind != MAAS_KIND_TENSOR
            || port[i].dtype != MAAS_NODTYPE || port[i].rank >= 0)
        {
            MAAS_TRY(write_type(w, &p->type, &port[i], port[i].kind));
        }
    }

    return MAAS_OK;
}


/* -- attributes ---------------------------------------------------------- */

/* Optional's "type": the reader makes an integer of a type. */
static maas_status_t
write_attr_type(write_t *w, Onnx__AttributeProto *p,
    const maas_raw_attr_t *a)
{
    maas_raw_port_t  t = { .rank = -1, .dtype = a->i & 0xff,
                           .key = a->i >> 16 & 0xff };

    p->type = ATTR_TYPE;

    return write_type(w, &p->tp, &t, (int) (a->i >> 8 & 0xff));
}


static maas_status_t
write_attr_value(write_t *w, Onnx__AttributeProto *p,
    const maas_raw_attr_t *a)
{
    switch (a->type) {

    case MAAS_ATTR_FLOAT:
        p->has_f = true;
        p->f = a->f;
        return MAAS_OK;

    case MAAS_ATTR_INT:
        p->has_i = true;
        p->i = a->i;
        return MAAS_OK;

    case MAAS_ATTR_STRING:
        WRITE_STR(p, s, a->s);
        return MAAS_OK;

    case MAAS_ATTR_TENSOR:
        if (a->sparse) {
            p->type = ATTR_SPARSE;
            return write_sparse(w, &p->sparse_tensor, a->name, &a->t);
        }

        return write_tensor(w, &p->t, maas_str(""), &a->t);

    case MAAS_ATTR_GRAPH:
        return write_graph(w, &p->g, a->g);

    case MAAS_ATTR_FLOATS:
        p->n_floats = a->n;
        p->floats = (float *) a->floats;
        return MAAS_OK;

    case MAAS_ATTR_INTS:
        p->n_ints = a->n;
        p->ints = (int64_t *) a->ints;
        return MAAS_OK;

    case MAAS_ATTR_STRINGS:
        return write_strs(w, &p->strings, &p->n_strings, a->strings, a->n);

    default:
        return maas_err(w->err, MAAS_EINVAL, "attribute '%.*s' has no value",
                        SHOW(a->name));
    }
}


static maas_status_t
write_attr(write_t *w, Onnx__AttributeProto **out, const maas_raw_attr_t *a,
    bool of_type)
{
    Onnx__AttributeProto  *p;

    WRITE_NEW(w, p, onnx__attribute_proto__init);
    *out = p;

    WRITE_STR(p, name, a->name);
    p->has_type = true;
    p->type = (Onnx__AttributeProto__AttributeType) a->type;

    if (a->ref.len != 0) {
        WRITE_STR(p, ref_attr_name, a->ref);
        return MAAS_OK;
    }

    return of_type ? write_attr_type(w, p, a) : write_attr_value(w, p, a);
}


/* -- nodes and graphs ---------------------------------------------------- */

static maas_status_t
write_attrs(write_t *w, Onnx__NodeProto *p, const maas_raw_node_t *n)
{
    bool  of_type;

    WRITE_LIST(w, p->attribute, n->n_attr);
    p->n_attribute = n->n_attr;

    for (uint32_t i = 0; i < n->n_attr; i++) {
        of_type = n->domain.len == 0 && maas_str_is(n->op, "Optional")
                  && maas_str_is(n->attr[i].name, "type")
                  && n->attr[i].type == MAAS_ATTR_INT;

        MAAS_TRY(write_attr(w, &p->attribute[i], &n->attr[i], of_type));
    }

    return MAAS_OK;
}


static maas_status_t
write_node(write_t *w, Onnx__NodeProto **out, const maas_raw_node_t *n)
{
    maas_str_t           name = n->name;
    Onnx__NodeProto     *p;
    ProtobufCBinaryData  overload = write_str(n->overload);

    WRITE_NEW(w, p, onnx__node_proto__init);
    *out = p;

    name = name.len != 0 || n->n_out == 0 ? name : n->out[0];

    if (n->opset != NULL) {
        return maas_err(w->err, MAAS_EUNSUPPORTED, "node '%.*s' (%.*s) has "
                        "opsets of its own; it must stay in its function",
                        SHOW(name), SHOW(n->op));
    }

    MAAS_TRY(write_strs(w, &p->input, &p->n_input, n->in, n->n_in));
    MAAS_TRY(write_strs(w, &p->output, &p->n_output, n->out, n->n_out));

    WRITE_STR(p, op_type, n->op);

    if (n->name.len != 0) {
        WRITE_STR(p, name, n->name);
    }

    if (n->domain.len != 0) {
        WRITE_STR(p, domain, n->domain);
    }

    if (n->overload.len != 0) {
        MAAS_TRY(write_newer(w, &p->base, ONNX_NODE_OVERLOAD, &overload, 1));
    }

    return write_attrs(w, p, n) == MAAS_OK ? MAAS_OK
           : maas_err_prefix(w->err, "node '%.*s' (%.*s)", SHOW(name),
                             SHOW(n->op));
}


static maas_status_t
write_nodes(write_t *w, Onnx__NodeProto ***out, size_t *n_out,
    const maas_raw_node_t *n, size_t n_node)
{
    WRITE_LIST(w, *out, n_node);
    *n_out = n_node;

    for (size_t i = 0; i < n_node; i++) {
        MAAS_TRY(write_node(w, &(*out)[i], &n[i]));
    }

    return MAAS_OK;
}


static maas_status_t
write_graph(write_t *w, Onnx__GraphProto **out, const maas_raw_graph_t *g)
{
    Onnx__GraphProto  *p;

    if (w->depth == ONNX_DEPTH_MAX / 2) {
        return maas_err(w->err, MAAS_ELIMIT, "graphs are nested deeper than "
                        "%d", w->depth);
    }

    w->depth++;

    WRITE_NEW(w, p, onnx__graph_proto__init);
    *out = p;

    WRITE_STR(p, name, g->name);
    MAAS_TRY(write_ports(w, &p->input, &p->n_input, g->in, g->n_in));
    MAAS_TRY(write_ports(w, &p->output, &p->n_output, g->out, g->n_out));
    MAAS_TRY(write_nodes(w, &p->node, &p->n_node, g->node, g->n_node));

    WRITE_LIST(w, p->initializer, g->n_init);
    p->n_initializer = g->n_init;

    for (uint32_t i = 0; i < g->n_init; i++) {
        MAAS_TRY(write_tensor(w, &p->initializer[i], g->init[i].name,
                              &g->init[i].t));
    }

    w->depth--;
    return MAAS_OK;
}


/* -- functions and the model --------------------------------------------- */

static maas_status_t
write_opsets(write_t *w, Onnx__OperatorSetIdProto ***out, size_t *n_out,
    const maas_raw_opset_t *o, size_t n)
{
    Onnx__OperatorSetIdProto  *p;

    WRITE_LIST(w, *out, n);
    *n_out = n;

    for (size_t i = 0; i < n; i++) {
        WRITE_NEW(w, p, onnx__operator_set_id_proto__init);
        (*out)[i] = p;
        WRITE_STR(p, domain, o[i].domain);
        p->has_version = true;
        p->version = o[i].version;
    }

    return MAAS_OK;
}


/* Defaults of attributes are newer than the schema: packed one by one. */
static maas_status_t
write_presets(write_t *w, Onnx__FunctionProto *p, const maas_raw_func_t *f)
{
    ProtobufCBinaryData   *value;
    Onnx__AttributeProto  *a;

    WRITE_LIST(w, value, f->n_preset);

    for (uint32_t i = 0; i < f->n_preset; i++) {
        MAAS_TRY(write_attr(w, &a, &f->preset[i], false));

        value[i].len = protobuf_c_message_get_packed_size(&a->base);
        WRITE_LIST(w, value[i].data, value[i].len);
        (void) protobuf_c_message_pack(&a->base, value[i].data);
    }

    return f->n_preset == 0 ? MAAS_OK
           : write_newer(w, &p->base, ONNX_FUNCTION_DEFAULT, value,
                         f->n_preset);
}


static maas_status_t
write_function(write_t *w, Onnx__FunctionProto **out,
    const maas_raw_func_t *f)
{
    Onnx__FunctionProto  *p;
    ProtobufCBinaryData   overload = write_str(f->overload);

    WRITE_NEW(w, p, onnx__function_proto__init);
    *out = p;

    WRITE_STR(p, name, f->name);
    WRITE_STR(p, domain, f->domain);
    MAAS_TRY(write_strs(w, &p->input, &p->n_input, f->in, f->n_in));
    MAAS_TRY(write_strs(w, &p->output, &p->n_output, f->out, f->n_out));
    MAAS_TRY(write_strs(w, &p->attribute, &p->n_attribute, f->attr,
                        f->n_attr));
    MAAS_TRY(write_opsets(w, &p->opset_import, &p->n_opset_import, f->opset,
                          f->n_opset));
    MAAS_TRY(write_presets(w, p, f));

    if (f->overload.len != 0) {
        MAAS_TRY(write_newer(w, &p->base, ONNX_FUNCTION_OVERLOAD, &overload,
                             1));
    }

    return write_nodes(w, &p->node, &p->n_node, f->node, f->n_node)
           == MAAS_OK ? MAAS_OK
           : maas_err_prefix(w->err, "function '%.*s.%.*s'",
                             SHOW(f->domain), SHOW(f->name));
}


static maas_status_t
write_props(write_t *w, Onnx__ModelProto *m, const maas_onnx_prop_t *prop,
    size_t n)
{
    Onnx__StringStringEntryProto  *p;

    WRITE_LIST(w, m->metadata_props, n);
    m->n_metadata_props = n;

    for (size_t i = 0; i < n; i++) {
        WRITE_NEW(w, p, onnx__string_string_entry_proto__init);
        m->metadata_props[i] = p;
        WRITE_STR(p, key, prop[i].key);
        WRITE_STR(p, value, prop[i].value);
    }

    return MAAS_OK;
}


static maas_status_t
write_model(write_t *w, Onnx__ModelProto *p, const maas_raw_model_t *m)
{
    p->has_ir_version = true;
    p->ir_version = m->ir_version != 0 ? m->ir_version : WRITE_IR;

    if (m->producer.len != 0) {
        WRITE_STR(p, producer_name, m->producer);
    }

    MAAS_TRY(write_opsets(w, &p->opset_import, &p->n_opset_import, m->opset,
                          m->n_opset));

    WRITE_LIST(w, p->functions, m->n_func);
    p->n_functions = m->n_func;

    for (uint32_t i = 0; i < m->n_func; i++) {
        MAAS_TRY(write_function(w, &p->functions[i], &m->func[i]));
    }

    return write_graph(w, &p->graph, &m->graph);
}


static maas_status_t
write_bytes(write_t *w, const Onnx__ModelProto *p, maas_buf_t *out)
{
    char    *to;
    size_t   n = protobuf_c_message_get_packed_size(&p->base);

    if (n > WRITE_BYTES_MAX) {
        return maas_err(w->err, MAAS_ELIMIT, "the model would take %zu "
                        "bytes; a file of the ONNX format holds at most %zu",
                        n, WRITE_BYTES_MAX);
    }

    to = maas_buf_reserve(out, n);
    if (to == NULL) {
        return maas_err_nomem(w->err);
    }

    out->len += protobuf_c_message_pack(&p->base, (uint8_t *) to);
    return MAAS_OK;
}


maas_status_t
maas_onnx_write(const maas_raw_model_t *m, const maas_onnx_prop_t *prop,
    size_t n_prop, maas_buf_t *out, maas_err_t *err)
{
    write_t            w = { .err = err };
    maas_err_t         local;
    maas_status_t      rc;
    Onnx__ModelProto   p = ONNX__MODEL_PROTO__INIT;

    w.err = err != NULL ? err : &local;
    maas_arena_init(&w.arena, out->host, 0);

    rc = write_model(&w, &p, m);

    if (rc == MAAS_OK) {
        rc = write_props(&w, &p, prop, n_prop);
    }

    if (rc == MAAS_OK) {
        rc = write_bytes(&w, &p, out);
    }

    maas_arena_destroy(&w.arena);
    return rc;
}
