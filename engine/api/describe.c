/*
 * describe.c: what `maas inspect` prints, as text or JSON: ports, sections,
 * constants, and the steps of a plan with kernel, format and offset.
 *
 * Ownership: text goes into the caller's buffer.
 * Threads:   one thread.
 */

#include <stdlib.h>

#include "api/compile.h"
#include "api/model_priv.h"


typedef struct {
    maas_model_t           *m;
    const maas_describe_t  *how;
    maas_buf_t             *b;
} describe_t;


static void
describe_name(describe_t *d, maas_str_t s)
{
    if (d->how->json) {
        maas_buf_json(d->b, s.data, s.len);
    } else {
        maas_buf_printf(d->b, "%.*s", (int) s.len, s.data);
    }
}


/* What is no tensor says so, before the dtype of its tensors. */
static void
describe_kind(describe_t *d, const maas_port_t *p)
{
    bool         json = d->how->json;
    maas_buf_t  *b = d->b;

    if (p->kind == MAAS_KIND_TENSOR) {
        return;
    }

    maas_buf_printf(b, json ? "\"kind\":\"%s\"," : "%s of ",
                    maas_kind_name(p->kind));

    if (p->kind == MAAS_KIND_OPTIONAL && p->inner != MAAS_KIND_TENSOR) {
        maas_buf_printf(b, json ? "\"inner\":\"%s\"," : "%s of ",
                        maas_kind_name(p->inner));
    }

    if (p->key != MAAS_NODTYPE) {
        maas_buf_printf(b, json ? "\"keys\":\"%s\"," : "%s to ",
                        maas_dtype_name(p->key));
    }
}


static void
describe_port(describe_t *d, const maas_port_t *p, const char *what)
{
    maas_buf_t  *b = d->b;

    if (d->how->json) {
        maas_buf_puts(b, "{\"name\":");
        describe_name(d, p->name);
        maas_buf_puts(b, ",");
        describe_kind(d, p);
        maas_buf_printf(b, "\"dtype\":\"%s\",\"shape\":[",
                        maas_dtype_name(p->dtype));
    } else {
        maas_buf_printf(b, "%-8s", what);
        describe_name(d, p->name);
        maas_buf_puts(b, "  ");
        describe_kind(d, p);
        maas_buf_printf(b, "%s[", maas_dtype_name(p->dtype));
    }

    for (int i = 0; i < p->rank; i++) {
        maas_buf_puts(b, i ? "," : "");

        if (p->dims[i] >= 0) {
            maas_buf_printf(b, "%lld", (long long) p->dims[i]);
        } else if (d->how->json) {
            maas_buf_puts(b, "-1");
        } else {
            describe_name(d, p->sym[i].len ? p->sym[i] : maas_str("?"));
        }
    }

    maas_buf_puts(b, p->rank < 0 && !d->how->json ? "?" : "");
    maas_buf_puts(b, d->how->json ? "]}" : "]\n");
}


static void
describe_ports(describe_t *d)
{
    size_t              n_in, n_out;
    const maas_port_t  *in = maas_model_inputs(d->m, &n_in);
    const maas_port_t  *out = maas_model_outputs(d->m, &n_out);

    maas_buf_puts(d->b, d->how->json ? "\"inputs\":[" : "");

    for (size_t i = 0; i < n_in; i++) {
        maas_buf_puts(d->b, d->how->json && i ? "," : "");
        describe_port(d, &in[i], "input");
    }

    maas_buf_puts(d->b, d->how->json ? "],\"outputs\":[" : "");

    for (size_t i = 0; i < n_out; i++) {
        maas_buf_puts(d->b, d->how->json && i ? "," : "");
        describe_port(d, &out[i], "output");
    }

    maas_buf_puts(d->b, d->how->json ? "]," : "");
}


static void
describe_header(describe_t *d)
{
    maas_buf_t               *b = d->b;
    const maas_img_header_t  *h = d->m->image->header;
    char                      hex[2 * MAAS_DIGEST + 1];

    maas_hex(hex, h->source, MAAS_DIGEST);

    if (d->how->json) {
        maas_buf_printf(b, "\"abi\":%u,\"cpu\":\"%s\",\"numerics\":\"%s\","
                        "\"bytes\":%llu,\"source\":\"%s\",\"sections\":{",
                        h->abi, maas_cpu_name(h->cpu),
                        h->numerics ? "fast" : "exact",
                        (unsigned long long) h->size, hex);
    } else {
        maas_buf_printf(b, "image   format %u, %s, %s, %llu bytes\n"
                        "source  %s\n", h->abi, maas_cpu_name(h->cpu),
                        h->numerics ? "fast" : "exact",
                        (unsigned long long) h->size, hex);
    }

    for (int i = 0; i < MAAS_SECTIONS; i++) {
        if (d->how->json) {
            maas_buf_printf(b, "%s\"%s\":%llu", i ? "," : "",
                            maas_section_name(i),
                            (unsigned long long) h->section[i].size);
        } else {
            maas_buf_printf(b, "section %-8s at %-10llu %llu bytes\n",
                            maas_section_name(i),
                            (unsigned long long) h->section[i].off,
                            (unsigned long long) h->section[i].size);
        }
    }

    maas_buf_puts(b, d->how->json ? "}," : "");
}


/* External data files: lines of maas_folder_lines() behind a path. */
static void
describe_files(describe_t *d)
{
    char        *name;
    bool         first = true;
    size_t       n;
    maas_buf_t  *b = d->b;
    const char  *p = maas_image_section(d->m->image, MAAS_SEC_FILES, &n);
    const char  *end = p + n;
    uint64_t     size;

    maas_buf_puts(b, d->how->json ? "\"files\":[" : "");

    for (p += n != 0 ? strlen(p) + 1 : 0; p < end; p += strlen(p) + 1) {
        size = strtoull(p, &name, 10);
        name = strchr(name + (*name == ' '), ' ');
        name = name != NULL ? name + 1 : "";

        if (d->how->json) {
            maas_buf_puts(b, first ? "{\"name\":" : ",{\"name\":");
            maas_buf_json(b, name, strlen(name));
            maas_buf_printf(b, ",\"bytes\":%llu}",
                            (unsigned long long) size);
        } else {
            maas_buf_printf(b, "file    %s, %llu bytes\n", name,
                            (unsigned long long) size);
        }

        first = false;
    }

    maas_buf_puts(b, d->how->json ? "]," : "");
}


static void
describe_constants(describe_t *d)
{
    bool                 first = true;
    char                 dims[MAAS_DIMS_TEXT];
    maas_buf_t          *b = d->b;
    const maas_graph_t  *g;
    const maas_value_t  *v;

    maas_buf_puts(b, d->how->json ? "\"constants\":[" : "");

    for (uint32_t i = 0; i < d->m->src.n_graph; i++) {
        g = d->m->src.graph[i];

        for (uint32_t j = 0; j < g->n_value; j++) {
            v = &g->value[j];
            if (v->role != MAAS_ROLE_CONST) {
                continue;
            }

            maas_dims_text(dims, v->type.dims, v->type.rank);

            if (d->how->json) {
                maas_buf_puts(b, first ? "{\"name\":" : ",{\"name\":");
                describe_name(d, v->name);
                maas_buf_printf(b, ",\"dtype\":\"%s\",\"shape\":%s,"
                                "\"format\":\"%s\",\"offset\":%llu,"
                                "\"bytes\":%zu}",
                                maas_dtype_name(v->type.dtype), dims,
                                maas_format_name(v->type.format),
                                (unsigned long long) ((const char *) v->data
                                                      - d->m->image->base),
                                v->bytes);
            } else {
                maas_buf_puts(b, "const   ");
                describe_name(d, v->name.len ? v->name : maas_str("-"));
                maas_buf_printf(b, "  %s%s %s at %llu, %zu bytes\n",
                                maas_dtype_name(v->type.dtype), dims,
                                maas_format_name(v->type.format),
                                (unsigned long long) ((const char *) v->data
                                                      - d->m->image->base),
                                v->bytes);
            }

            first = false;
        }
    }

    maas_buf_puts(b, d->how->json ? "]" : "");
}


/* -- the plan ------------------------------------------------------------ */

static void
describe_place(describe_t *d, const maas_operand_t *o)
{
    static const char *const  at[] = { "absent", "arena", "input", "image",
                                       "plan", "chain" };
    uint64_t             off = o->off;
    char                 dims[MAAS_DIMS_TEXT];
    const maas_value_t  *v;

    if (o->at == MAAS_AT_IMAGE) {
        v = &d->m->src.graph[o->index]->value[o->off];
        off = (const char *) v->data - d->m->image->base;
    } else if (o->at == MAAS_AT_INPUT) {
        off = o->index;
    }

    maas_dims_text(dims, o->dims, o->rank);

    maas_buf_printf(d->b, d->how->json
                    ? "{\"at\":\"%s\",\"offset\":%llu,\"format\":\"%s\","
                      "\"dtype\":\"%s\",\"shape\":%s}"
                    : "%s:%llu %s %s%s", at[o->at],
                    (unsigned long long) off, maas_format_name(o->format),
                    maas_dtype_name(o->dtype), dims);
}


static void
describe_step(describe_t *d, const maas_plan_t *p, uint32_t i)
{
    maas_buf_t              *b = d->b;
    const char              *kernel;
    const maas_node_t       *n;
    const maas_plan_step_t  *s = &p->step[i];

    n = &d->m->src.graph[s->graph]->node[s->node];
    kernel = maas_plan_kernel(n, s);

    if (d->how->json) {
        maas_buf_printf(b, "%s{\"op\":\"%s\",\"kernel\":\"%s\",\"node\":",
                        i ? "," : "", n->op->name, kernel);
        describe_name(d, n->name);
        maas_buf_printf(b, ",\"units\":%lld,\"posts\":%d,",
                        (long long) s->units, n->n_post);

        if (s->chain != 0) {
            maas_buf_printf(b, "\"chain\":%d,",
                            s->chain == MAAS_CHAINED ? 0 : (int) s->chain);
        }

        maas_buf_puts(b, "\"operands\":[");

    } else {
        maas_buf_printf(b, "step %-4u %-20s %-20s units %lld, posts %d", i,
                        n->op->name, kernel, (long long) s->units,
                        n->n_post);

        if (s->chain == MAAS_CHAINED) {
            maas_buf_puts(b, ", chained\n");
        } else if (s->chain != 0) {
            maas_buf_printf(b, ", chain of %u\n", s->chain);
        } else {
            maas_buf_puts(b, "\n");
        }
    }

    for (int j = 0; j < s->n_in + s->n_out; j++) {
        if (d->how->json) {
            maas_buf_puts(b, j ? "," : "");
        } else {
            maas_buf_puts(b, j < s->n_in ? "            in  "
                                         : "            out ");
        }

        describe_place(d, &p->operand[s->operand + j]);
        maas_buf_puts(b, d->how->json ? "" : "\n");
    }

    maas_buf_puts(b, d->how->json ? "]}" : "");
}


static void
describe_plan(describe_t *d, const maas_plan_t *p)
{
    maas_buf_t  *b = d->b;

    if (d->how->json) {
        maas_buf_printf(b, ",\"plan\":{\"flops\":%.0f,\"arena_bytes\":%llu,"
                        "\"tensor_bytes\":%llu,\"cut\":%s,\"steps\":[",
                        p->flops, (unsigned long long) p->arena_bytes,
                        (unsigned long long) p->tensor_bytes,
                        p->cut ? "true" : "false");
    } else {
        maas_buf_printf(b, "plan    %u steps, %.0f flop, arena %llu bytes "
                        "for %llu of tensors\n", p->n_step, p->flops,
                        (unsigned long long) p->arena_bytes,
                        (unsigned long long) p->tensor_bytes);
    }

    for (uint32_t i = 0; i < p->n_step; i++) {
        describe_step(d, p, i);
    }

    if (d->how->json) {
        maas_buf_puts(b, "]}");
    } else if (p->cut) {
        maas_buf_puts(b, "dynamic: the rest is planned when the contents "
                      "of ");
        describe_place(d, &p->need);
        maas_buf_puts(b, " are known\n");
    }
}


static maas_status_t
describe_shapes(maas_model_t *m, maas_tensor_t *in, maas_err_t *err)
{
    size_t  bytes;

    for (uint32_t i = 0; i < m->image->n_in; i++) {
        if (m->port[i].rank < 0) {
            return maas_err(err, MAAS_EINVAL,
                            "input '%.*s' has no declared rank: give its "
                            "shape", (int) m->port[i].name.len,
                            m->port[i].name.data);
        }

        memset(&in[i], 0, sizeof(in[i]));
        in[i].dtype = m->port[i].dtype;
        in[i].rank = m->port[i].rank;

        for (int k = 0; k < in[i].rank; k++) {
            in[i].dims[k] = m->port[i].dims[k] < 0 ? 1 : m->port[i].dims[k];
        }

        if (!maas_tensor_size(&in[i], 0, &bytes)) {
            return maas_err(err, MAAS_ELIMIT, "input %u is too large", i);
        }

        in[i].bytes = bytes;
    }

    return MAAS_OK;
}


/* A plan of its own: the model's cache is not touched. */
static maas_status_t
describe_make(maas_model_t *m, const maas_tensor_t *in, maas_plan_t **p,
    maas_err_t *err)
{
    maas_status_t   rc = MAAS_OK;
    maas_tensor_t  *own;

    own = maas_calloc(m->src.host, m->image->n_in + 1, sizeof(*own));
    if (own == NULL) {
        return maas_err_nomem(err);
    }

    if (in == NULL) {
        rc = describe_shapes(m, own, err);
        in = own;
    }

    if (rc == MAAS_OK) {
        rc = maas_plan_make(p, &m->src, in, err);
    }

    maas_free(m->src.host, own);
    return rc;
}


maas_status_t
maas_model_figures(maas_model_t *m, const maas_tensor_t *in, double *flops,
    uint64_t *arena, uint64_t *tensors, maas_err_t *err)
{
    maas_plan_t  *p;

    MAAS_TRY(describe_make(m, in, &p, err));

    *flops = p->flops;
    *arena = p->arena_bytes;
    *tensors = p->tensor_bytes;
    maas_plan_release(p, m->src.host);

    return MAAS_OK;
}


maas_status_t
maas_model_describe(maas_model_t *m, const maas_describe_t *how,
    maas_buf_t *b, maas_err_t *err)
{
    describe_t    d = { m, how, b };
    maas_plan_t  *p;

    maas_buf_puts(b, how->json ? "{" : "");
    describe_ports(&d);
    describe_header(&d);
    describe_files(&d);
    describe_constants(&d);

    if (how->plan) {
        MAAS_TRY(describe_make(m, how->in, &p, err));
        describe_plan(&d, p);
        maas_plan_release(p, m->src.host);
    }

    maas_buf_puts(b, how->json ? "}\n" : "");
    return b->failed ? maas_err_nomem(err) : MAAS_OK;
}
