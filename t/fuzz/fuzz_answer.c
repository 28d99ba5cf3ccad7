/*
 * Fuzz target: outputs of any shape and contents on their way to the client:
 * classes, text by CTC, numbers.  Five bytes choose what the output means and
 * its type, how the answer is asked for, how many labels of the largest
 * shape there are, and two the shape; the rest are the elements, 0 where
 * there are too few.  What is answered as JSON is JSON.
 */

#include <stdio.h>

#include "maas.h"
#include "proto/json.h"
#include "../engine/fake_model.h"


#define ANSWER_BYTES  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char *const  meaning[] = {
    "{\"output\":{\"meaning\":\"classes\",\"softmax\":true,\"top_k\":2}}",
    "{\"output\":{\"meaning\":\"classes\"}}",
    "{\"output\":{\"meaning\":\"ctc\"}}",
    "{\"output\":{\"meaning\":\"ctc\",\"softmax\":true,\"blank\":0,"
    "\"merge_repeats\":false,\"order\":\"TNC\"}}",
    "{\"output\":{\"meaning\":\"regression\"}}",
    "{\"output\":{\"meaning\":\"embedding\"}}",
    "{}"
};

static const maas_dtype_t  types[] = {
    MAAS_F32, MAAS_F64, MAAS_F16, MAAS_BF16, MAAS_I64, MAAS_U8, MAAS_BOOL,
    MAAS_I16, MAAS_U64
};

static const char *const  accepts[] = {
    "application/json", "text/csv", "application/x-npy",
    "application/x-npz", "application/octet-stream", "text/csv; header=absent"
};

/* JSON escapes, none, and one that is long. */
static const char  labels[] = "a\n\"b\"\n\\\n\xc3\xa9\n \nlong enough to be "
                              "longer than what is kept in place\n7\n8\n";

static maas_catalog_t  *catalog[4];     /* of 0, 3, 4, 8 labels */


static void
answer_model(maas_catalog_t *c, size_t k, const char *json, size_t n_label)
{
    char                *name = malloc(16);
    size_t               n = 0;
    maas_err_t           err;
    maas_meta_t         *meta;
    maas_model_t        *m = calloc(1, sizeof(*m));
    const char          *end = labels;
    maas_meta_names_t    names;
    static maas_str_t    in = maas_str("x"), out = maas_str("y");

    names = (maas_meta_names_t) { &in, 1, &out, 1 };

    while (n < n_label) {
        end = strchr(end, '\n') + 1;
        n++;
    }

    if (maas_meta_parse(&meta, &maas_host_libc, json, strlen(json),
                        n_label != 0 ? labels : NULL,
                        (size_t) (end - labels), &names, &err) != MAAS_OK)
    {
        fprintf(stderr, "%s: %s\n", json, err.text);
        abort();
    }

    snprintf(name, 16, "m%zu", k);
    m->name = name;
    m->meta = meta;
    m->limits.max_elements = ANSWER_BYTES;
    m->n_in = 1;
    m->n_out = 1;
    fake_port(&m->in[0], "x", types[k % maas_nelts(types)], -1, NULL);
    fake_port(&m->out[0], "y", types[k % maas_nelts(types)], -1, NULL);
    fake_add(c, m, 1);
}


static maas_catalog_t *
answer_catalog(size_t i)
{
    static const size_t  n_label[] = { 0, 3, 4, 8 };

    if (catalog[i] == NULL) {
        catalog[i] = maas_catalog_create(&maas_host_libc);

        for (size_t k = 0; k < maas_nelts(meaning) * maas_nelts(types); k++) {
            const char  *json = meaning[k / maas_nelts(types)];

            /* Text by CTC is refused without labels. */
            answer_model(catalog[i], k,
                         i == 0 && strstr(json, "ctc") != NULL ? "{}" : json,
                         n_label[i]);
        }
    }

    return catalog[i];
}


/* Rank and dimensions, of two bytes: { 1, 0, 3, 4, 2, 8, 1, 5 } each. */
static bool
answer_shape(maas_tensor_t *t, unsigned how)
{
    static const uint8_t  extent[] = { 1, 0, 3, 4, 2, 8, 1, 5 };

    t->rank = (uint8_t) (how % 5);
    how /= 5;

    for (int d = 0; d < t->rank; d++) {
        t->dims[d] = extent[how & 7];
        how >>= 3;
    }

    return maas_dtype_bytes(t->dtype, maas_dims_count(t->dims, t->rank),
                            &t->bytes)
           && t->bytes <= ANSWER_BYTES;
}


static void
answer_body(maas_buf_t *b, const maas_tensor_t *t, bool kserve, unsigned how,
    char header[24])
{
    maas_err_t  err;

    if (!kserve) {
        if (maas_npy_write(b, t, &err) != MAAS_OK) {
            abort();
        }

        return;
    }

    maas_buf_puts(b, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"");
    maas_buf_puts(b, maas_dtypes[t->dtype].oip);
    maas_buf_puts(b, "\",\"shape\":[");

    for (int d = 0; d < t->rank; d++) {
        maas_buf_printf(b, "%s%d", d != 0 ? "," : "", (int) t->dims[d]);
    }

    maas_buf_printf(b, "],\"parameters\":{\"binary_data_size\":%zu}}]",
                    t->bytes);

    if (how % 4 != 0) {
        maas_buf_printf(b, ",\"outputs\":[{\"name\":\"y\",\"parameters\":{%s",
                        how % 4 == 3 ? "\"binary_data\":true}}]" : "");

        if (how % 4 != 3) {
            maas_buf_printf(b, "\"classification\":%u}}]", how / 4);
        }
    }

    maas_buf_puts(b, "}");
    snprintf(header, 24, "%zu", b->len);
    maas_buf_add(b, t->data, t->bytes);
}


static void
answer_check(const maas_reply_t *r)
{
    size_t       n = 0;
    maas_json_t  j;

    for (size_t i = 0; i < r->n_parts; i++) {
        n += r->part[i].len;
    }

    if (n != r->length || r->status < 200 || r->status == 500) {
        fprintf(stderr, "status %d: %.*s\n", r->status,
                (int) r->part[0].len, r->part[0].data);
        abort();
    }

    if (maas_str_is(r->content_type, "application/json")) {
        maas_json_init(&j, r->part[0].data, r->part[0].len, NULL);

        if (maas_json_skip(&j) != MAAS_OK || maas_json_end(&j) != MAAS_OK) {
            fprintf(stderr, "%.*s\n", (int) r->part[0].len, r->part[0].data);
            abort();
        }
    }
}


static void
answer_ask(const uint8_t *data, maas_tensor_t *t)
{
    bool                kserve = data[1] & 1;
    char                name[16], path[48], header[24] = "";
    maas_buf_t          body;
    maas_api_t          api = { .n_dialects = 1, .detail = true };
    maas_call_t        *call;
    const char         *dialect = kserve ? "kserve" : "pass", *accept;
    maas_request_t      req = { .method = maas_str("POST") };

    snprintf(name, sizeof(name), "m%zu",
             data[0] % (maas_nelts(meaning) * maas_nelts(types)));
    snprintf(path, sizeof(path), "/models/%s/infer", name);
    accept = accepts[data[1] / 2 % maas_nelts(accepts)];
    maas_buf_init(&body, &maas_host_libc);
    answer_body(&body, t, kserve, data[1] / 2, header);

    api.dialects = &dialect;
    req.accept = (maas_str_t) { accept, strlen(accept) };
    req.content_type = kserve ? maas_str("application/octet-stream")
                              : maas_str("application/x-npy");
    req.binary_header = (maas_str_t) { header, strlen(header) };

    if (kserve) {
        req.path = (maas_str_t) { path, strlen(path) };
    } else {
        req.model = (maas_str_t) { name, strlen(name) };
    }

    call = maas_call_create(&maas_host_libc, &api,
                            answer_catalog(data[2] % 4));

    if (maas_call_route(call, &req) == MAAS_ACT_INFER) {
        maas_call_body(call, body.data, body.len);

        if (maas_call_decode(call) == MAAS_OK) {
            (void) maas_call_run(call, NULL);
        }
    }

    answer_check(maas_call_encode(call));
    maas_call_destroy(call);
    maas_buf_destroy(&body);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          n = size - 5;
    maas_tensor_t   t = { 0 };

    if (size < 5) {
        return 0;
    }

    t.dtype = types[data[0] % (maas_nelts(meaning) * maas_nelts(types))
                    % maas_nelts(types)];

    if (!answer_shape(&t, data[3] | data[4] << 8)) {
        return 0;
    }

    t.data = calloc(t.bytes + 1, 1);
    memcpy(t.data, data + 5, n < t.bytes ? n : t.bytes);

    if (t.dtype == MAAS_BOOL) {
        for (size_t i = 0; i < t.bytes; i++) {
            ((uint8_t *) t.data)[i] &= 1;
        }
    }

    answer_ask(data, &t);
    free(t.data);

    return 0;
}
