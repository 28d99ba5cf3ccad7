/*
 * image.c: image bytes -> graphs, with every offset checked on the way.
 * The payload's checksum is not read here: that would touch every page; it
 * is checked when the image is written and by `maas verify`.
 *
 * Ownership: see model_image.h.
 * Threads:   one thread loads; the view is immutable then.
 */

#include "formats/model_image.h"
#include "graph/bodies.h"


static const char *const  section_names[MAAS_SECTIONS] = {
    "strings", "graphs", "values", "nodes", "refs", "posts", "attrs",
    "ports", "meta", "files", "plan", "consts"
};

/* Sizes of fixed records; 1: bytes. */
static const size_t  section_record[MAAS_SECTIONS] = {
    1, sizeof(maas_img_graph_t), sizeof(maas_img_value_t),
    sizeof(maas_img_node_t), sizeof(uint32_t), sizeof(maas_post_t), 1,
    sizeof(maas_img_port_t), 1, 1, 1, 1
};


const char *
maas_section_name(maas_section_t s)
{
    return s < MAAS_SECTIONS ? section_names[s] : "unknown";
}


const void *
maas_image_section(const maas_image_t *im, maas_section_t s, size_t *size)
{
    *size = im->header->section[s].size;
    return im->base + im->header->section[s].off;
}


maas_str_t
maas_image_str(const maas_image_t *im, maas_img_str_t s)
{
    size_t       size;
    const char  *p = maas_image_section(im, MAAS_SEC_STRINGS, &size);

    return (maas_str_t) { p + s.off, s.len };
}


static maas_status_t
image_bad(maas_err_t *err, const char *what, uint64_t i)
{
    return maas_err(err, MAAS_ETRUNC, "image: %s %llu does not fit", what,
                    (unsigned long long) i);
}


static bool
image_str_ok(const maas_image_t *im, maas_img_str_t s)
{
    return maas_image_inside(s.off, s.len,
                       im->header->section[MAAS_SEC_STRINGS].size);
}


static uint64_t
image_count(const maas_image_t *im, maas_section_t s)
{
    return im->header->section[s].size / section_record[s];
}


static const void *
image_records(const maas_image_t *im, maas_section_t s, uint64_t i)
{
    return im->base + im->header->section[s].off + i * section_record[s];
}


static maas_status_t
image_header(maas_image_t *im, maas_err_t *err)
{
    const maas_img_header_t   *h = im->header;
    const maas_img_section_t  *s;

    if (im->size < sizeof(*h)
        || memcmp(h->magic, MAAS_IMAGE_MAGIC, sizeof(h->magic)) != 0)
    {
        return maas_err(err, MAAS_EINVAL, "not an image of a model");
    }

    if (h->abi != MAAS_IMAGE_ABI || h->sections != MAAS_SECTIONS) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "image of format %u, but this build reads %u: "
                        "compile the model again", h->abi, MAAS_IMAGE_ABI);
    }

    if (h->size != im->size) {
        return maas_err(err, MAAS_ETRUNC,
                        "image of %llu bytes, but the file has %zu",
                        (unsigned long long) h->size, im->size);
    }

    if (h->cpu > maas_cpu_host()) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "image compiled for a CPU of level %s, but this one "
                        "is %s", maas_cpu_name(h->cpu),
                        maas_cpu_name(maas_cpu_host()));
    }

    for (int i = 0; i < MAAS_SECTIONS; i++) {
        s = &h->section[i];

        if (!maas_image_inside(s->off, s->size, im->size)
            || s->off % MAAS_ALIGN != 0
            || s->size % section_record[i] != 0)
        {
            return maas_err(err, MAAS_ETRUNC,
                            "image: section '%s' lies outside",
                            section_names[i]);
        }
    }

    s = &h->section[MAAS_SEC_FILES];

    if (s->size != 0 && im->base[s->off + s->size - 1] != '\0') {
        return maas_err(err, MAAS_ETRUNC, "image: section 'files' is cut");
    }

    return MAAS_OK;
}


/* -- values -------------------------------------------------------------- */

static maas_status_t
image_value(const maas_image_t *im, maas_value_t *v, uint64_t i,
    uint32_t n_value, maas_err_t *err)
{
    size_t                   bytes;
    maas_tensor_t            t;
    const maas_img_value_t  *r = image_records(im, MAAS_SEC_VALUES, i);

    if (!image_str_ok(im, r->name) || r->rank > MAAS_RANK_MAX
        || r->rank < -1 || r->dtype >= MAAS_DTYPES
        || r->format >= MAAS_FMTS || r->kind > MAAS_KIND_OPTIONAL
        || r->role > MAAS_ROLE_STATE
        || (r->keys != MAAS_NOVAL && r->keys >= n_value))
    {
        return image_bad(err, "value", i);
    }

    v->name = maas_image_str(im, r->name);
    v->type.kind = r->kind;
    v->type.dtype = r->dtype;
    v->type.rank = r->rank;
    v->type.format = r->format;
    v->role = r->role;
    v->keys = r->keys;
    memcpy(v->type.dims, r->dims, sizeof(r->dims));

    if (r->role != MAAS_ROLE_CONST) {
        return MAAS_OK;
    }

    if (!maas_image_inside(r->data, r->bytes,
                     im->header->section[MAAS_SEC_CONSTS].size)
        || r->data % MAAS_ALIGN != 0 || r->rank < 0)
    {
        return image_bad(err, "constant", i);
    }

    v->data = im->base + im->header->section[MAAS_SEC_CONSTS].off + r->data;
    v->bytes = r->bytes;

    t = maas_value_tensor(v);

    if (v->type.dtype == MAAS_NODTYPE || !maas_tensor_size(&t, 0, &bytes)
        || bytes > v->bytes
        || (v->type.dtype == MAAS_STRING && !maas_string_check(&t)))
    {
        return image_bad(err, "constant", i);
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

static maas_status_t
image_node_lists(maas_image_t *im, maas_node_t *n,
    const maas_img_node_t *r, maas_arena_t *a, uint32_t graph,
    maas_err_t *err)
{
    uint32_t         id;
    const uint32_t  *ref;

    n->n_in = r->n_in;
    n->n_formal = r->n_formal;
    n->n_out = r->n_out;
    n->n_post = r->n_post;
    n->n_body = r->n_body;
    n->n_capture = r->n_capture;
    n->in = (maas_vid_t *) image_records(im, MAAS_SEC_REFS, r->in);
    n->out = (maas_vid_t *) image_records(im, MAAS_SEC_REFS, r->out);
    n->post = (maas_post_t *) image_records(im, MAAS_SEC_POSTS, r->post);

    n->body = maas_arena_array(a, r->n_body + 1, sizeof(*n->body));
    if (n->body == NULL) {
        return maas_err_nomem(err);
    }

    ref = image_records(im, MAAS_SEC_REFS, r->body);

    for (int i = 0; i < r->n_body; i++) {
        id = ref[i];

        /* Bodies come later: no cycle of graphs. */
        if (id <= graph || id >= im->n_graph) {
            return image_bad(err, "body", id);
        }

        n->body[i] = im->graph[id];
    }

    return MAAS_OK;
}


static maas_status_t
image_node(maas_image_t *im, maas_node_t *n, uint64_t i, uint32_t graph,
    maas_err_t *err)
{
    uint64_t                refs = image_count(im, MAAS_SEC_REFS);
    maas_str_t              op, domain;
    const maas_img_node_t  *r = image_records(im, MAAS_SEC_NODES, i);

    if (!image_str_ok(im, r->op) || !image_str_ok(im, r->domain)
        || !image_str_ok(im, r->name)
        || !maas_image_inside(r->in, r->n_in, refs)
        || !maas_image_inside(r->out, r->n_out, refs)
        || !maas_image_inside(r->body, r->n_body, refs)
        || !maas_image_inside(r->post, r->n_post,
                              image_count(im, MAAS_SEC_POSTS))
        || !maas_image_inside(r->attr, r->attr_bytes,
                        im->header->section[MAAS_SEC_ATTRS].size)
        || r->attr % 8 != 0 || r->n_formal > r->n_in)
    {
        return image_bad(err, "node", i);
    }

    op = maas_image_str(im, r->op);
    domain = maas_image_str(im, r->domain);

    n->name = maas_image_str(im, r->name);
    n->op = maas_op_find(domain, op);
    if (n->op == NULL) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "image: this build has no operator '%.*s'",
                        (int) op.len, op.data);
    }

    n->attr = im->base + im->header->section[MAAS_SEC_ATTRS].off + r->attr;
    n->attr_bytes = r->attr_bytes;

    if (maas_image_attrs(n->op, n->attr, n->attr_bytes) != MAAS_OK) {
        return image_bad(err, "attributes of node", i);
    }

    return image_node_lists(im, n, r, &im->mem, graph, err);
}


static bool
image_inputs_ok(const maas_graph_t *g, const maas_node_t *n)
{
    int               bodies = 0, need = 0;
    const maas_op_t  *op = n->op;

    for (int j = 0; j < op->n_attr; j++) {
        bodies += op->attr[j].type == MAAS_ATTR_GRAPH;
    }

    for (int j = 0; j < op->n_in; j++) {
        need = op->in[j].flags & MAAS_OPT ? need : j + 1;
    }

    if (n->n_body != bodies || n->n_formal < need) {
        return false;
    }

    for (int j = 0; j < n->n_in; j++) {
        if (n->in[j] == MAAS_NOVAL) {
            if (j < op->n_in && !(op->in[j].flags & MAAS_OPT)) {
                return false;
            }

        } else if (n->in[j] >= g->n_value) {
            return false;
        }
    }

    return true;
}


/* Every output that the operator always has is there; one may be unread. */
static bool
image_outputs_ok(const maas_graph_t *g, const maas_node_t *n)
{
    int               need = 1;
    const maas_op_t  *op = n->op;

    for (int j = 0; j < op->n_out; j++) {
        need = op->out[j].flags & MAAS_OPT ? need : j + 1;
    }

    if (n->n_out < need || n->n_out > 255
        || ((n->n_out == 1 || n->n_post != 0) && n->out[0] == MAAS_NOVAL))
    {
        return false;
    }

    for (int j = 0; j < n->n_out; j++) {
        if (n->out[j] != MAAS_NOVAL
            && (n->out[j] >= g->n_value
                || g->value[n->out[j]].role != MAAS_ROLE_ACT))
        {
            return false;
        }
    }

    return true;
}


static bool
image_posts_ok(const maas_node_t *n)
{
    const maas_post_t  *p = n->post;

    for (int j = 0; j < n->n_post; j++, p++) {
        if (p->kind > MAAS_POST_BINARY_PLANE
            || (p->kind == MAAS_POST_UNARY
                ? p->fn >= MAAS_UNARIES
                : p->fn >= MAAS_BINARIES || p->operand >= n->n_in
                  || n->in[p->operand] == MAAS_NOVAL))
        {
            return false;
        }
    }

    return true;
}


/* Packed constants are as large as their shape says. */
static bool
image_packs_ok(const maas_graph_t *g, const maas_node_t *n)
{
    size_t               bytes;
    maas_pack_t          p;
    const maas_type_t   *type[64] = { NULL };
    const maas_value_t  *v;

    for (int j = 0; j < n->n_formal && j < 64; j++) {
        type[j] = n->in[j] == MAAS_NOVAL ? NULL : &g->value[n->in[j]].type;
    }

    for (int j = 0; j < n->n_formal; j++) {
        if (n->in[j] == MAAS_NOVAL
            || g->value[n->in[j]].type.format == MAAS_FMT_PLAIN
            || (g->value[n->in[j]].type.format == MAAS_FMT_C16
                && g->value[n->in[j]].role != MAAS_ROLE_CONST))
        {
            continue;
        }

        v = &g->value[n->in[j]];
        memset(&p, 0, sizeof(p));
        p.input = j;

        if (j >= 64 || n->op->pack == NULL || v->role != MAAS_ROLE_CONST
            || !n->op->pack(n, type, &p) || p.k < 0 || p.n < 0
            || p.groups < 0
            || (v->type.format == MAAS_FMT_P16Q8 && !p.eight)
            || !maas_mul_size(maas_format_bytes(v->type.format, p.k, p.n),
                              p.groups, &bytes)
            || bytes > v->bytes)
        {
            return false;
        }
    }

    return true;
}


/*
 * What an operator's own code takes for granted: counts of inputs, outputs
 * and bodies, post-ops that there are, packed constants of the right size.
 */
static maas_status_t
image_node_check(const maas_graph_t *g, const maas_node_t *n, uint64_t i,
    maas_err_t *err)
{
    if (!image_inputs_ok(g, n)) {
        return image_bad(err, "input of node", i);
    }

    if (!image_outputs_ok(g, n)) {
        return image_bad(err, "output of node", i);
    }

    if (!image_posts_ok(n)) {
        return image_bad(err, "post-op of node", i);
    }

    if (!image_packs_ok(g, n)) {
        return image_bad(err, "packed input of node", i);
    }

    return MAAS_OK;
}


/* -- graphs -------------------------------------------------------------- */

/* Keys of maps are a constant list of integers or strings. */
static maas_status_t
image_keys(const maas_graph_t *g, uint64_t id, maas_err_t *err)
{
    const maas_value_t  *k;

    for (uint32_t i = 0; i < g->n_value; i++) {
        if (g->value[i].keys == MAAS_NOVAL) {
            continue;
        }

        k = &g->value[g->value[i].keys];

        if (k->role != MAAS_ROLE_CONST || k->type.rank != 1
            || k->type.format != MAAS_FMT_PLAIN
            || (k->type.dtype != MAAS_I64 && k->type.dtype != MAAS_STRING))
        {
            return image_bad(err, "keys in graph", id);
        }
    }

    return MAAS_OK;
}


/* Nodes may read only what inputs, constants and earlier nodes made. */
static maas_status_t
image_order(maas_image_t *im, const maas_graph_t *g, uint64_t id,
    maas_err_t *err)
{
    bool  *made;

    made = maas_arena_array(&im->mem, g->n_value + 1, sizeof(bool));
    if (made == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < g->n_value; i++) {
        made[i] = g->value[i].role == MAAS_ROLE_CONST;
    }

    for (uint32_t i = 0; i < g->n_in; i++) {
        if (g->in[i] >= g->n_value) {
            return image_bad(err, "input of graph", id);
        }

        made[g->in[i]] = true;
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (int j = 0; j < g->node[i].n_in; j++) {
            if (g->node[i].in[j] != MAAS_NOVAL && !made[g->node[i].in[j]]) {
                return image_bad(err, "order of node", i);
            }
        }

        for (int j = 0; j < g->node[i].n_out; j++) {
            if (g->node[i].out[j] != MAAS_NOVAL) {
                if (made[g->node[i].out[j]]) {
                    return image_bad(err, "output of node", i);
                }

                made[g->node[i].out[j]] = true;
            }
        }
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        if (g->out[i] >= g->n_value || !made[g->out[i]]) {
            return image_bad(err, "output of graph", id);
        }
    }

    return MAAS_OK;
}


static maas_status_t
image_graph(maas_image_t *im, uint32_t id, maas_err_t *err)
{
    uint64_t                 refs = image_count(im, MAAS_SEC_REFS);
    maas_graph_t            *g = im->graph[id];
    const maas_img_graph_t  *r = image_records(im, MAAS_SEC_GRAPHS, id);

    if (!maas_image_inside(r->value, r->n_value,
                     image_count(im, MAAS_SEC_VALUES))
        || !maas_image_inside(r->node, r->n_node,
                              image_count(im, MAAS_SEC_NODES))
        || !maas_image_inside(r->in, r->n_in, refs)
        || !maas_image_inside(r->out, r->n_out, refs))
    {
        return image_bad(err, "graph", id);
    }

    g->arena = &im->mem;
    g->n_value = r->n_value;
    g->n_node = r->n_node;
    g->n_in = r->n_in;
    g->n_out = r->n_out;
    g->in = (maas_vid_t *) image_records(im, MAAS_SEC_REFS, r->in);
    g->out = (maas_vid_t *) image_records(im, MAAS_SEC_REFS, r->out);
    g->value = maas_arena_array(&im->mem, r->n_value + 1,
                                sizeof(maas_value_t));
    g->node = maas_arena_array(&im->mem, r->n_node + 1,
                               sizeof(maas_node_t));
    if (g->value == NULL || g->node == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < r->n_value; i++) {
        MAAS_TRY(image_value(im, &g->value[i], r->value + i, r->n_value,
                             err));
    }

    MAAS_TRY(image_keys(g, id, err));

    for (uint32_t i = 0; i < r->n_node; i++) {
        MAAS_TRY(image_node(im, &g->node[i], r->node + i, id, err));
        MAAS_TRY(image_node_check(g, &g->node[i], r->node + i, err));
    }

    return image_order(im, g, id, err);
}


static maas_status_t
image_bodies_check(const maas_image_t *im, maas_err_t *err)
{
    maas_body_t          c;
    const maas_node_t   *n;
    const maas_graph_t  *g;

    for (uint32_t i = 0; i < im->n_graph; i++) {
        g = im->graph[i];

        for (uint32_t j = 0; j < g->n_node; j++) {
            n = &g->node[j];

            for (int k = 0; k < n->n_body; k++) {
                if (maas_body_counts(n, k, &c, err) != MAAS_OK) {
                    return image_bad(err, "body of node", j);
                }
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
image_ports(maas_image_t *im, maas_err_t *err)
{
    uint64_t                n = image_count(im, MAAS_SEC_PORTS);
    const maas_img_port_t  *p;

    im->n_in = im->graph[0]->n_in;
    im->n_out = im->graph[0]->n_out;
    im->port = image_records(im, MAAS_SEC_PORTS, 0);

    if (n != (uint64_t) im->n_in + im->n_out) {
        return image_bad(err, "count of ports", n);
    }

    for (uint64_t i = 0; i < n; i++) {
        p = &im->port[i];

        if (!image_str_ok(im, p->name) || p->rank > MAAS_RANK_MAX
            || p->rank < -1 || p->dtype >= MAAS_DTYPES
            || p->kind > MAAS_KIND_OPTIONAL || p->inner > MAAS_KIND_OPTIONAL
            || p->key >= MAAS_DTYPES)
        {
            return image_bad(err, "port", i);
        }

        for (int d = 0; d < p->rank; d++) {
            if (!image_str_ok(im, p->sym[d]) || p->dims[d] < -1) {
                return image_bad(err, "port", i);
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
image_graphs(maas_image_t *im, maas_err_t *err)
{
    uint64_t  n = image_count(im, MAAS_SEC_GRAPHS), values = 0, nodes = 0;

    if (n == 0 || n > UINT32_MAX) {
        return image_bad(err, "count of graphs", n);
    }

    im->n_graph = (uint32_t) n;
    im->graph = maas_arena_array(&im->mem, n, sizeof(*im->graph));
    if (im->graph == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < n; i++) {
        im->graph[i] = maas_arena_alloc(&im->mem, sizeof(maas_graph_t));
        if (im->graph[i] == NULL) {
            return maas_err_nomem(err);
        }
    }

    for (uint32_t i = 0; i < n; i++) {
        MAAS_TRY(image_graph(im, i, err));

        /* Graphs share no records: what is built is not more than is there. */
        values += im->graph[i]->n_value;
        nodes += im->graph[i]->n_node;

        if (values > image_count(im, MAAS_SEC_VALUES)
            || nodes > image_count(im, MAAS_SEC_NODES))
        {
            return image_bad(err, "graph", i);
        }
    }

    MAAS_TRY(image_bodies_check(im, err));
    return image_ports(im, err);
}


maas_status_t
maas_image_load(maas_image_t **out, const maas_host_t *host, const void *p,
    size_t size, maas_err_t *err)
{
    maas_image_t   *im;
    maas_status_t   rc;

    im = maas_calloc(host, 1, sizeof(maas_image_t));
    if (im == NULL) {
        return maas_err_nomem(err);
    }

    maas_arena_init(&im->mem, host, 0);
    im->base = p;
    im->size = size;
    im->header = p;

    rc = image_header(im, err);

    if (rc == MAAS_OK) {
        rc = image_graphs(im, err);
    }

    if (rc != MAAS_OK) {
        maas_image_unload(im, host);
        return rc;
    }

    *out = im;
    return MAAS_OK;
}


void
maas_image_unload(maas_image_t *im, const maas_host_t *host)
{
    if (im != NULL) {
        maas_arena_destroy(&im->mem);
        maas_free(host, im);
    }
}
