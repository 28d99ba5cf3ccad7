/*
 * image_write.c: graph -> image bytes.  Records are gathered section by
 * section in growing buffers, then laid out; constants are copied once.
 *
 * Ownership: the caller owns the resulting buffer.
 * Threads:   one thread.
 */

#include "formats/model_image.h"


/* Where a constant's bytes went: bodies clone constants of the graph. */
typedef struct {
    const void  *data;
    uint64_t     bytes;
    uint64_t     off;
} image_const_t;

typedef struct {
    maas_buf_t   sec[MAAS_SECTIONS];
    maas_buf_t   consts;        /* image_const_t */
    maas_err_t  *err;
} image_writer_t;


static maas_img_str_t
image_put_str(image_writer_t *w, maas_str_t s)
{
    maas_img_str_t  r;

    r.off = (uint32_t) w->sec[MAAS_SEC_STRINGS].len;
    r.len = (uint32_t) s.len;
    maas_buf_add(&w->sec[MAAS_SEC_STRINGS], s.data, s.len);

    return r;
}


static void
image_pad(maas_buf_t *b, size_t align)
{
    static const char  zero[4096];
    size_t             pad = maas_align(b->len, align) - b->len;

    maas_buf_add(b, zero, pad);
}


static uint32_t
image_put_refs(image_writer_t *w, const uint32_t *v, uint32_t n)
{
    maas_buf_t  *b = &w->sec[MAAS_SEC_REFS];
    uint32_t     first = (uint32_t) (b->len / sizeof(uint32_t));

    maas_buf_add(b, v, n * sizeof(uint32_t));
    return first;
}


/* The offset of a constant: the same bytes are in the image once. */
static uint64_t
image_put_const(image_writer_t *w, const maas_value_t *v)
{
    size_t          n = w->consts.len / sizeof(image_const_t);
    maas_buf_t     *b = &w->sec[MAAS_SEC_CONSTS];
    image_const_t  *c = (image_const_t *) w->consts.data, add;

    for (size_t i = 0; i < n; i++) {
        if (c[i].data == v->data && c[i].bytes == v->bytes) {
            return c[i].off;
        }
    }

    image_pad(b, MAAS_ALIGN);

    add = (image_const_t) { v->data, v->bytes, b->len };
    maas_buf_add(&w->consts, &add, sizeof(add));
    maas_buf_add(b, v->data, v->bytes);

    return add.off;
}


static void
image_put_value(image_writer_t *w, const maas_value_t *v)
{
    maas_img_value_t  r;

    memset(&r, 0, sizeof(r));
    r.name = image_put_str(w, v->name);
    r.keys = v->keys;
    r.kind = v->type.kind;
    r.dtype = v->type.dtype;
    r.rank = v->type.rank;
    r.format = v->type.format;
    r.role = v->role;

    for (int i = 0; i < v->type.rank; i++) {
        r.dims[i] = maas_dim_known(v->type.dims[i]) ? v->type.dims[i] : -1;
    }

    if (v->role == MAAS_ROLE_CONST) {
        r.data = image_put_const(w, v);
        r.bytes = v->bytes;
    }

    maas_buf_add(&w->sec[MAAS_SEC_VALUES], &r, sizeof(r));
}


static void
image_put_node(image_writer_t *w, const maas_node_t *n, uint32_t *bodies)
{
    maas_buf_t       *attrs = &w->sec[MAAS_SEC_ATTRS];
    maas_buf_t       *posts = &w->sec[MAAS_SEC_POSTS];
    maas_img_node_t   r;

    memset(&r, 0, sizeof(r));
    r.op = image_put_str(w, (maas_str_t) { n->op->name,
                                           strlen(n->op->name) });
    r.domain = image_put_str(w, (maas_str_t) { n->op->domain,
                                               strlen(n->op->domain) });
    r.name = image_put_str(w, n->name);

    image_pad(attrs, 8);
    r.attr = attrs->len;
    r.attr_bytes = n->attr_bytes;
    maas_buf_add(attrs, n->attr, n->attr_bytes);

    r.in = image_put_refs(w, n->in, n->n_in);
    r.out = image_put_refs(w, n->out, n->n_out);
    r.post = (uint32_t) (posts->len / sizeof(maas_post_t));
    maas_buf_add(posts, n->post, n->n_post * sizeof(maas_post_t));

    r.body = (uint32_t) (w->sec[MAAS_SEC_REFS].len / sizeof(uint32_t));
    for (int i = 0; i < n->n_body; i++) {
        image_put_refs(w, bodies, 1);
        (*bodies)++;
    }

    r.n_in = n->n_in;
    r.n_formal = n->n_formal;
    r.n_out = n->n_out;
    r.n_post = n->n_post;
    r.n_body = n->n_body;
    r.n_capture = n->n_capture;

    maas_buf_add(&w->sec[MAAS_SEC_NODES], &r, sizeof(r));
}


/*
 * Breadth first: a graph's bodies are numbered in the order of its nodes,
 * behind all graphs that are already waiting.
 */
static maas_status_t
image_put_graphs(image_writer_t *w, const maas_graph_t *main,
    maas_arena_t *tmp)
{
    uint32_t              n = 1, cap = 64, bodies;
    maas_img_graph_t      r;
    const maas_graph_t   *g, **queue, **more;

    queue = maas_arena_array(tmp, cap, sizeof(*queue));
    if (queue == NULL) {
        return maas_err_nomem(w->err);
    }

    queue[0] = main;

    for (uint32_t i = 0; i < n; i++) {
        g = queue[i];
        bodies = n;

        memset(&r, 0, sizeof(r));
        r.value = w->sec[MAAS_SEC_VALUES].len / sizeof(maas_img_value_t);
        r.node = w->sec[MAAS_SEC_NODES].len / sizeof(maas_img_node_t);
        r.n_value = g->n_value;
        r.n_node = g->n_node;
        r.n_in = g->n_in;
        r.n_out = g->n_out;
        r.in = image_put_refs(w, g->in, g->n_in);
        r.out = image_put_refs(w, g->out, g->n_out);
        maas_buf_add(&w->sec[MAAS_SEC_GRAPHS], &r, sizeof(r));

        for (uint32_t j = 0; j < g->n_value; j++) {
            image_put_value(w, &g->value[j]);
        }

        for (uint32_t j = 0; j < g->n_node; j++) {
            for (int k = 0; k < g->node[j].n_body; k++) {
                if (n == cap) {
                    more = maas_arena_array(tmp, cap * 2, sizeof(*queue));
                    if (more == NULL) {
                        return maas_err_nomem(w->err);
                    }

                    memcpy(more, queue, cap * sizeof(*queue));
                    queue = more;
                    cap *= 2;
                }

                queue[n++] = g->node[j].body[k];
            }

            image_put_node(w, &g->node[j], &bodies);
        }
    }

    return MAAS_OK;
}


static void
image_put_port(image_writer_t *w, const maas_graph_t *g, maas_vid_t id,
    const maas_type_t *declared)
{
    char                 text[64];
    maas_img_port_t      r;
    const maas_type_t   *t = &g->value[id].type;

    /* What inference leaves open, the model's file may say. */
    if (declared != NULL && (t->dtype == MAAS_NODTYPE || t->rank < 0)) {
        t = declared;
    }

    memset(&r, 0, sizeof(r));
    r.name = image_put_str(w, g->value[id].name);
    r.kind = t->kind;
    r.inner = declared != NULL ? declared->inner : t->inner;
    r.key = declared != NULL ? declared->key : t->key;
    r.dtype = t->dtype;
    r.rank = t->rank;

    for (int i = 0; i < t->rank; i++) {
        r.dims[i] = t->dims[i];

        if (!maas_dim_known(r.dims[i])) {
            maas_dim_text(g->syms, r.dims[i], text, sizeof(text));
            r.sym[i] = image_put_str(w, (maas_str_t) { text,
                                                       strlen(text) });
            r.dims[i] = -1;
        }
    }

    maas_buf_add(&w->sec[MAAS_SEC_PORTS], &r, sizeof(r));
}


static maas_status_t
image_layout(image_writer_t *w, const maas_image_spec_t *spec,
    maas_buf_t *b)
{
    maas_img_header_t  h;

    memset(&h, 0, sizeof(h));
    memcpy(h.magic, MAAS_IMAGE_MAGIC, sizeof(h.magic));
    h.abi = MAAS_IMAGE_ABI;
    h.cpu = spec->cpu;
    h.numerics = spec->numerics;
    h.sections = MAAS_SECTIONS;
    memcpy(h.source, spec->source, MAAS_DIGEST);

    maas_buf_add(b, &h, sizeof(h));

    for (int i = 0; i < MAAS_SECTIONS; i++) {
        image_pad(b, i == MAAS_SEC_CONSTS ? 4096 : MAAS_ALIGN);
        h.section[i].off = b->len;
        h.section[i].size = w->sec[i].len;
        maas_buf_add(b, w->sec[i].data, w->sec[i].len);

        if (w->sec[i].failed) {
            return maas_err_nomem(w->err);
        }
    }

    if (b->failed) {
        return maas_err_nomem(w->err);
    }

    h.size = b->len;
    memcpy(b->data, &h, sizeof(h));
    return MAAS_OK;
}


maas_status_t
maas_image_build(const maas_image_spec_t *spec, maas_buf_t *b,
    maas_err_t *err)
{
    maas_arena_t         tmp;
    maas_status_t        rc;
    image_writer_t       w;
    const maas_graph_t  *g = spec->graph;

    memset(&w, 0, sizeof(w));
    w.err = err;

    for (int i = 0; i < MAAS_SECTIONS; i++) {
        maas_buf_init(&w.sec[i], b->host);
    }

    maas_buf_init(&w.consts, b->host);
    maas_arena_init(&tmp, b->host, 0);
    rc = image_put_graphs(&w, g, &tmp);
    maas_arena_destroy(&tmp);

    if (rc == MAAS_OK) {
        for (uint32_t i = 0; i < g->n_in; i++) {
            image_put_port(&w, g, g->in[i], NULL);
        }

        for (uint32_t i = 0; i < g->n_out; i++) {
            image_put_port(&w, g, g->out[i],
                           g->declared != NULL ? &g->declared[i] : NULL);
        }

        maas_buf_add(&w.sec[MAAS_SEC_META], spec->meta, spec->meta_size);

        if (spec->files != NULL) {
            maas_buf_add(&w.sec[MAAS_SEC_FILES], spec->files->data,
                         spec->files->len);
        }

        w.sec[MAAS_SEC_CONSTS].failed |= w.consts.failed;
        rc = image_layout(&w, spec, b);
    }

    for (int i = 0; i < MAAS_SECTIONS; i++) {
        maas_buf_destroy(&w.sec[i]);
    }

    maas_buf_destroy(&w.consts);
    return rc;
}


/* -- sealing ------------------------------------------------------------- */

static void
image_put_plan(maas_buf_t *b, const maas_plan_t *p)
{
    maas_img_plan_t  r;

    memset(&r, 0, sizeof(r));
    r.n_key = p->key_len;
    r.n_step = p->n_step;
    r.n_operand = p->n_operand;
    r.n_out = p->n_out;
    r.const_bytes = p->const_bytes;
    r.arena_bytes = p->arena_bytes;
    r.tensor_bytes = p->tensor_bytes;
    r.scratch = p->scratch;
    r.cost = p->cost;
    r.flops = p->flops;

    maas_buf_add(b, &r, sizeof(r));
    maas_buf_add(b, p->key, p->key_len);
    image_pad(b, 8);
    maas_buf_add(b, p->step, p->n_step * sizeof(maas_plan_step_t));
    maas_buf_add(b, p->operand, p->n_operand * sizeof(maas_operand_t));
    maas_buf_add(b, p->out, p->n_out * sizeof(maas_operand_t));
    image_pad(b, MAAS_ALIGN);
    maas_buf_add(b, p->consts, p->const_bytes);
}


bool
maas_image_digest(const void *image, size_t size, uint8_t out[MAAS_DIGEST])
{
    maas_sha_t         *sha = maas_sha_create();
    maas_img_header_t   h;

    if (sha == NULL) {
        return false;
    }

    memcpy(&h, image, sizeof(h));
    memset(h.payload, 0, sizeof(h.payload));

    maas_sha_update(sha, &h, sizeof(h));
    maas_sha_update(sha, (const char *) image + sizeof(h), size - sizeof(h));
    maas_sha_final(sha, out);

    return true;
}


maas_status_t
maas_image_seal(maas_buf_t *b, const maas_plan_t *plan, maas_err_t *err)
{
    maas_img_header_t   *h;
    maas_img_section_t   s = { 0, 0 };

    if (plan != NULL && !plan->cut && plan->n_list == 0) {
        image_pad(b, MAAS_ALIGN);
        s.off = b->len;
        image_put_plan(b, plan);
        s.size = b->len - s.off;
    }

    if (b->failed) {
        return maas_err_nomem(err);
    }

    h = (maas_img_header_t *) b->data;

    if (s.size != 0) {
        h->section[MAAS_SEC_PLAN] = s;
        h->flops = plan->flops;
    }

    h->size = b->len;

    return maas_image_digest(b->data, b->len, h->payload)
           ? MAAS_OK : maas_err_nomem(err);
}
