/*
 * onnx_scan.c: the bounded walk over an ONNX file that precedes protobuf-c.
 *
 * protobuf-c has no depth limit, inflates empty messages some 65 times and
 * copies every payload.  So the bytes are walked first, with the schema's
 * own descriptors: nesting, lengths, wire types and the number of fields are
 * checked, and a shorter copy is written in which raw_data payloads are
 * extents, runs of unpacked numbers are packed, and documentation is gone.
 * protobuf-c then unpacks the copy, with an allocator that has a budget.
 *
 * Ownership: the copy lives during the call; the message until freed.
 * Threads:   reentrant.
 * Format:    https://protobuf.dev/programming-guides/encoding/
 */

#include "formats/onnx_priv.h"


#define WIRE_VARINT  0
#define WIRE_I64     1
#define WIRE_LEN     2
#define WIRE_I32     5

#define LENGTH_BYTES  5             /* of a length written with padding */

typedef struct {
    const onnx_ctx_t  *c;
    maas_buf_t         buf;
    size_t             fields;
} scan_t;

static maas_status_t scan_message(scan_t *s, maas_reader_t *r,
    const ProtobufCMessageDescriptor *desc, int depth);


static unsigned long long
scan_at(const scan_t *s, const maas_reader_t *r)
{
    return (unsigned long long) (r->pos - s->c->base);
}


static void
scan_varint(scan_t *s, uint64_t v)
{
    int      n = 0;
    uint8_t  b[10];

    do {
        b[n++] = (uint8_t) (v & 0x7f) | (v > 0x7f ? 0x80 : 0);
        v >>= 7;
    } while (v != 0);

    maas_buf_add(&s->buf, b, n);
}


/* Opens a length-delimited field; scan_close() fills its length in. */
static size_t
scan_open(scan_t *s, uint32_t id)
{
    static const uint8_t  zero[LENGTH_BYTES];

    scan_varint(s, (uint64_t) id << 3 | WIRE_LEN);
    maas_buf_add(&s->buf, zero, LENGTH_BYTES);

    return s->buf.len;
}


static maas_status_t
scan_close(scan_t *s, size_t mark)
{
    size_t  len;

    if (s->buf.failed) {
        return maas_err_nomem(s->c->err);
    }

    len = s->buf.len - mark;

    /* protobuf's own bound; it does not hold for what was cut out. */
    if (len > INT32_MAX) {
        return maas_err(s->c->err, MAAS_ELIMIT, "the structure of the model "
                        "takes more than 2 GB without its tensors");
    }

    for (int i = 0; i < LENGTH_BYTES; i++) {
        s->buf.data[mark - LENGTH_BYTES + i] = (char)
                 ((len >> (7 * i) & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
    }

    return MAAS_OK;
}


static int
scan_wire(ProtobufCType type)
{
    switch (type) {

    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_I32;

    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_I64;

    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LEN;

    default:
        return WIRE_VARINT;
    }
}


/* Steps over the value of a field; the bytes of a LEN field go to *p, *n. */
static maas_status_t
scan_value(scan_t *s, maas_reader_t *r, int wire, const uint8_t **p,
    size_t *n)
{
    uint64_t             len;
    unsigned long long   at = scan_at(s, r);

    *p = r->pos;

    switch (wire) {

    case WIRE_VARINT:
        maas_read_varint(r);
        break;

    case WIRE_I64:
        maas_read_bytes(r, 8);
        break;

    case WIRE_I32:
        maas_read_bytes(r, 4);
        break;

    case WIRE_LEN:
        len = maas_read_varint(r);

        if (!r->failed && len > maas_reader_left(r)) {
            return maas_err(s->c->err, MAAS_ETRUNC, "byte %llu: a field of "
                            "%llu bytes, but %zu are left here", at,
                            (unsigned long long) len, maas_reader_left(r));
        }

        *p = maas_read_bytes(r, (size_t) len);
        *n = (size_t) len;
        return r->failed ? maas_err(s->c->err, MAAS_ETRUNC,
                                    "byte %llu: a length is damaged", at)
                         : MAAS_OK;

    default:
        return maas_err(s->c->err, MAAS_EINVAL, "byte %llu: wire type %d is "
                        "not used by ONNX", at, wire);
    }

    if (r->failed) {
        return maas_err(s->c->err, MAAS_ETRUNC,
                        "byte %llu: the file ends inside a number", at);
    }

    *n = (size_t) (r->pos - *p);
    return MAAS_OK;
}


/* Packed numbers: whole items only. */
static maas_status_t
scan_packed(scan_t *s, const ProtobufCFieldDescriptor *f, const uint8_t *p,
    size_t n)
{
    int            wire = scan_wire(f->type);
    maas_reader_t  r;

    maas_reader_init(&r, p, n);

    switch (wire) {

    case WIRE_I32:
        r.failed = n % 4 != 0;
        break;

    case WIRE_I64:
        r.failed = n % 8 != 0;
        break;

    default:
        while (!r.failed && maas_reader_left(&r) != 0) {
            maas_read_varint(&r);
        }
    }

    if (r.failed) {
        return maas_err(s->c->err, MAAS_EINVAL, "byte %llu: the numbers of "
                        "'%s' are cut", (unsigned long long)
                        (p - s->c->base), f->name);
    }

    return MAAS_OK;
}


/*
 * Numbers of a repeated field, packed or one by one (proto2 writes ints and
 * floats so): a run of them becomes one packed field.
 */
static maas_status_t
scan_numbers(scan_t *s, maas_reader_t *r, const ProtobufCFieldDescriptor *f,
    int wire)
{
    size_t          n, mark;
    uint64_t        tag = (uint64_t) f->id << 3 | wire;
    const uint8_t  *p;
    maas_reader_t   peek;

    mark = scan_open(s, f->id);

    for ( ;; ) {
        MAAS_TRY(scan_value(s, r, wire, &p, &n));

        if (wire == WIRE_LEN) {
            MAAS_TRY(scan_packed(s, f, p, n));
        }

        maas_buf_add(&s->buf, p, n);

        peek = *r;
        if (maas_reader_left(r) == 0 || maas_read_varint(&peek) != tag
            || peek.failed)
        {
            break;
        }

        *r = peek;
    }

    return scan_close(s, mark);
}


static maas_status_t
scan_bytes(scan_t *s, const ProtobufCMessageDescriptor *desc,
    const ProtobufCFieldDescriptor *f, const uint8_t *p, size_t n)
{
    size_t         mark;
    onnx_extent_t  x;

    mark = scan_open(s, f->id);

    if (desc == &onnx__tensor_proto__descriptor
        && strcmp(f->name, "raw_data") == 0)
    {
        x.off = (uint64_t) (p - s->c->base);
        x.len = n;
        maas_buf_add(&s->buf, &x, sizeof(x));

    } else {
        maas_buf_add(&s->buf, p, n);
    }

    return scan_close(s, mark);
}


static maas_status_t
scan_field(scan_t *s, maas_reader_t *r,
    const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f,
    int wire, int depth)
{
    size_t          n, mark;
    const uint8_t  *p;
    maas_reader_t   sub;

    if (f->label == PROTOBUF_C_LABEL_REPEATED
        && scan_wire(f->type) != WIRE_LEN
        && (wire == WIRE_LEN || wire == scan_wire(f->type)))
    {
        return scan_numbers(s, r, f, wire);
    }

    if (wire != scan_wire(f->type)) {
        return maas_err(s->c->err, MAAS_EINVAL, "byte %llu: field '%s' of %s "
                        "has wire type %d, expected %d", scan_at(s, r),
                        f->name, desc->short_name, wire, scan_wire(f->type));
    }

    MAAS_TRY(scan_value(s, r, wire, &p, &n));

    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        maas_reader_init(&sub, p, n);
        mark = scan_open(s, f->id);
        MAAS_TRY(scan_message(s, &sub, f->descriptor, depth + 1));
        return scan_close(s, mark);
    }

    if (wire == WIRE_LEN) {
        return scan_bytes(s, desc, f, p, n);
    }

    scan_varint(s, (uint64_t) f->id << 3 | wire);
    maas_buf_add(&s->buf, p, n);
    return MAAS_OK;
}


/* Fields that nothing here reads. */
static bool
scan_unread(const ProtobufCFieldDescriptor *f)
{
    static const char *const  names[] = {
        "doc_string", "denotation", "value_info", "metadata_props",
        "training_info", "quantization_annotation"
    };

    for (size_t i = 0; i < maas_nelts(names); i++) {
        if (strcmp(f->name, names[i]) == 0) {
            return true;
        }
    }

    return false;
}


/* Fields that the schema is too old for, and that are read. */
static const ProtobufCFieldDescriptor *
scan_newer(const ProtobufCMessageDescriptor *desc, uint64_t id)
{
    static const ProtobufCFieldDescriptor  overload[] = {
        { .name = "overload", .id = ONNX_NODE_OVERLOAD,
          .label = PROTOBUF_C_LABEL_OPTIONAL, .type = PROTOBUF_C_TYPE_BYTES },
        { .name = "overload", .id = ONNX_FUNCTION_OVERLOAD,
          .label = PROTOBUF_C_LABEL_OPTIONAL, .type = PROTOBUF_C_TYPE_BYTES }
    };
    static const ProtobufCFieldDescriptor  attribute = {
        .name = "attribute_proto", .id = ONNX_FUNCTION_DEFAULT,
        .label = PROTOBUF_C_LABEL_REPEATED, .type = PROTOBUF_C_TYPE_MESSAGE,
        .descriptor = &onnx__attribute_proto__descriptor
    };

    if (desc == &onnx__node_proto__descriptor && id == ONNX_NODE_OVERLOAD) {
        return &overload[0];
    }

    if (desc == &onnx__function_proto__descriptor) {
        return id == ONNX_FUNCTION_OVERLOAD ? &overload[1]
               : id == ONNX_FUNCTION_DEFAULT ? &attribute : NULL;
    }

    return NULL;
}


/* A message that may come once: protobuf would merge a second one into it. */
static maas_status_t
scan_once(scan_t *s, const maas_reader_t *r,
    const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f,
    uint64_t *seen)
{
    uint64_t  bit;

    if (f->type != PROTOBUF_C_TYPE_MESSAGE
        || f->label == PROTOBUF_C_LABEL_REPEATED)
    {
        return MAAS_OK;
    }

    bit = f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF
              ? UINT64_C(1) << 63 : UINT64_C(1) << ((f - desc->fields) % 63);

    if (*seen & bit) {
        return maas_err(s->c->err, MAAS_EINVAL, "byte %llu: field '%s' of %s "
                        "comes twice", scan_at(s, r), f->name,
                        desc->short_name);
    }

    *seen |= bit;
    return MAAS_OK;
}


static maas_status_t
scan_message(scan_t *s, maas_reader_t *r,
    const ProtobufCMessageDescriptor *desc, int depth)
{
    int                              wire;
    size_t                           n;
    uint64_t                         tag, seen = 0;
    const uint8_t                   *p;
    const ProtobufCFieldDescriptor  *f;

    if (depth > ONNX_DEPTH_MAX) {
        return maas_err(s->c->err, MAAS_ELIMIT, "byte %llu: messages are "
                        "nested deeper than %d", scan_at(s, r),
                        ONNX_DEPTH_MAX);
    }

    while (maas_reader_left(r) != 0) {
        if (++s->fields > ONNX_FIELDS_MAX) {
            return maas_err(s->c->err, MAAS_ELIMIT, "byte %llu: the file has "
                            "more than %d fields", scan_at(s, r),
                            ONNX_FIELDS_MAX);
        }

        tag = maas_read_varint(r);
        wire = (int) (tag & 7);

        if (r->failed || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3) {
            return maas_err(s->c->err, MAAS_EINVAL, "byte %llu: no field of "
                            "%s starts here", scan_at(s, r),
                            desc->short_name);
        }

        f = protobuf_c_message_descriptor_get_field(desc, tag >> 3);
        f = f != NULL ? f : scan_newer(desc, tag >> 3);

        if (f == NULL || scan_unread(f)) {
            MAAS_TRY(scan_value(s, r, wire, &p, &n));
            continue;
        }

        MAAS_TRY(scan_once(s, r, desc, f, &seen));
        MAAS_TRY(scan_field(s, r, desc, f, wire, depth));
    }

    return s->buf.failed ? maas_err_nomem(s->c->err) : MAAS_OK;
}


/* -- the allocator of protobuf-c ----------------------------------------- */

typedef struct {
    size_t  size;
    size_t  pad;
} budget_head_t;


static void *
budget_alloc(void *data, size_t size)
{
    budget_head_t   *h;
    onnx_message_t  *m = data;

    if (size > m->left || m->left - size < sizeof(budget_head_t)) {
        m->refused = true;
        return NULL;
    }

    size += sizeof(budget_head_t);

    h = maas_alloc(m->host, size);
    if (h == NULL) {
        return NULL;
    }

    h->size = size;
    m->left -= size;
    return h + 1;
}


static void
budget_free(void *data, void *p)
{
    budget_head_t   *h;
    onnx_message_t  *m = data;

    if (p != NULL) {
        h = (budget_head_t *) p - 1;
        m->left += h->size;
        maas_free(m->host, h);
    }
}


maas_status_t
maas_onnx_unpack(onnx_message_t *m, const onnx_ctx_t *c,
    const ProtobufCMessageDescriptor *desc)
{
    scan_t         s = { .c = c };
    maas_reader_t  r;
    maas_status_t  rc;

    memset(m, 0, sizeof(*m));
    m->host = c->arena->host;
    m->alloc.alloc = budget_alloc;
    m->alloc.free = budget_free;
    m->alloc.allocator_data = m;

    maas_buf_init(&s.buf, m->host);
    maas_reader_init(&r, c->base, c->size);

    rc = scan_message(&s, &r, desc, 0);

    if (rc == MAAS_OK) {
        /* Real models need 3 to 8 times the bytes of their structure. */
        m->left = (size_t) 16 * 1024 * 1024 + s.buf.len * 12;
        m->msg = protobuf_c_message_unpack(desc, &m->alloc, s.buf.len,
                         s.buf.data != NULL ? (const uint8_t *) s.buf.data
                                            : (const uint8_t *) "");

        if (m->msg == NULL) {
            rc = m->refused
                 ? maas_err(c->err, MAAS_ELIMIT, "the structure of the file "
                            "grows beyond 12 times its size in memory: empty "
                            "messages?")
                 : maas_err_nomem(c->err);
        }
    }

    maas_buf_destroy(&s.buf);
    return rc;
}


void
maas_onnx_free(onnx_message_t *m)
{
    if (m->msg != NULL) {
        protobuf_c_message_free_unpacked(m->msg, &m->alloc);
        m->msg = NULL;
    }
}


/* -- newer fields -------------------------------------------------------- */

size_t
maas_onnx_newer(const ProtobufCMessage *m, uint32_t id)
{
    size_t                           n = 0;
    const ProtobufCFieldDescriptor  *f;

    f = protobuf_c_message_descriptor_get_field(m->descriptor, id);

    if (f != NULL) {
        return f->label == PROTOBUF_C_LABEL_REPEATED
               ? *(const size_t *) ((const char *) m + f->quantifier_offset)
               : 1;
    }

    for (unsigned i = 0; i < m->n_unknown_fields; i++) {
        n += m->unknown_fields[i].tag == id;
    }

    return n;
}


/* The i-th unknown field of a number, without its length. */
static ProtobufCBinaryData
newer_at(const ProtobufCMessage *m, uint32_t id, size_t i)
{
    maas_reader_t                       r;
    ProtobufCBinaryData                 b = { 0, NULL };
    const ProtobufCMessageUnknownField  *u;

    for (unsigned k = 0; k < m->n_unknown_fields; k++) {
        u = &m->unknown_fields[k];

        if (u->tag == id && i-- == 0) {
            maas_reader_init(&r, u->data, u->len);
            b.len = (size_t) maas_read_varint(&r);
            b.data = (uint8_t *) maas_read_bytes(&r, b.len);
            b.len = b.data != NULL ? b.len : 0;
            break;
        }
    }

    return b;
}


ProtobufCBinaryData
maas_onnx_newer_bytes(const ProtobufCMessage *m, uint32_t id)
{
    size_t                           n = maas_onnx_newer(m, id);
    const ProtobufCFieldDescriptor  *f;

    f = protobuf_c_message_descriptor_get_field(m->descriptor, id);

    if (f != NULL) {
        return *(const ProtobufCBinaryData *) ((const char *) m + f->offset);
    }

    return n != 0 ? newer_at(m, id, n - 1) : (ProtobufCBinaryData) { 0 };
}


Onnx__AttributeProto *
maas_onnx_newer_attr(const onnx_ctx_t *c, const ProtobufCMessage *m,
    uint32_t id, size_t i, bool *owned)
{
    ProtobufCBinaryData              b;
    const ProtobufCFieldDescriptor  *f;

    f = protobuf_c_message_descriptor_get_field(m->descriptor, id);
    *owned = f == NULL;

    if (f != NULL) {
        return (*(Onnx__AttributeProto *const *const *)
                ((const char *) m + f->offset))[i];
    }

    b = newer_at(m, id, i);

    return (Onnx__AttributeProto *)
           protobuf_c_message_unpack(&onnx__attribute_proto__descriptor,
                                     &c->message->alloc, b.len,
                                     b.data != NULL ? b.data
                                                    : (const uint8_t *) "");
}
