/*
 * train_write: the files of a version.  See train_run.h.
 *
 * lineage.json says where the version is from: specification, data with
 * their digest, code, seed, metrics, time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "formats/onnx_write.h"
#include "maas.h"
#include "train/train_run.h"


static maas_status_t
write_buf(maas_train_t *t, maas_version_t *v, const char *name,
    maas_buf_t *b)
{
    if (b->failed) {
        return maas_err_nomem(t->err);
    }

    return maas_version_put(v, name, b->data, b->len, t->err);
}


static maas_status_t
write_onnx(maas_train_t *t, maas_version_t *v, maas_buf_t *b)
{
    const maas_spec_t  *s = t->job->spec;
    maas_onnx_prop_t    prop[] = {
        { maas_str("name"), s->name },
        { maas_str("description"), s->description }
    };

    if (t->tune != NULL) {
        MAAS_TRY(maas_finetune_write(t->tune, &t->weights, b));
        return write_buf(t, v, "model.onnx", b);
    }

    MAAS_TRY(maas_onnx_write(t->model, prop, s->description.len != 0 ? 2 : 1,
                             b, t->err));

    return write_buf(t, v, "model.onnx", b);
}


/* -- model.json ---------------------------------------------------------- */

static void
write_input(const maas_train_t *t, maas_buf_t *b)
{
    const maas_raw_port_t     *in = &t->model->graph.in[0];
    const maas_data_info_t  *i = t->info;

    maas_buf_puts(b, "\"input\":{\"name\":");
    maas_buf_json(b, in->name.data, in->name.len);

    if (i->image && in->rank == 4) {
        maas_buf_printf(b, ",\"image\":{\"width\":%lld,\"height\":%lld,"
                        "\"color\":\"%s\",\"layout\":\"NCHW\","
                        "\"scale\":0.00392156862745098}",
                        (long long) i->width, (long long) i->height,
                        i->channels == 1 ? "GRAY" : "RGB");

    } else if (t->n_feature != 0) {
        maas_buf_puts(b, ",\"features\":[");

        for (int64_t k = 0; k < t->n_feature; k++) {
            maas_buf_puts(b, k == 0 ? "" : ",");
            maas_buf_json(b, t->feature[k].data, t->feature[k].len);
        }

        maas_buf_puts(b, "]");
    }

    maas_buf_puts(b, "}");
}


static maas_status_t
write_model_json(maas_train_t *t, maas_version_t *v, maas_buf_t *b)
{
    const maas_spec_t      *s = t->job->spec;
    const maas_raw_port_t  *out = &t->model->graph.out[0];

    b->len = 0;
    maas_buf_puts(b, "{");

    if (s->description.len != 0) {
        maas_buf_puts(b, "\"description\":");
        maas_buf_json(b, s->description.data, s->description.len);
        maas_buf_puts(b, ",");
    }

    write_input(t, b);

    if (t->classes) {
        maas_buf_puts(b, ",\"output\":{\"name\":");
        maas_buf_json(b, out->name.data, out->name.len);
        maas_buf_printf(b, ",\"meaning\":\"classes\"%s}",
                        t->softmax ? ",\"softmax\":true" : "");

    } else {
        maas_buf_puts(b, ",\"output\":{\"meaning\":\"regression\"}");
    }

    maas_buf_puts(b, "}\n");
    return write_buf(t, v, "model.json", b);
}


static maas_status_t
write_labels(maas_train_t *t, maas_version_t *v, maas_buf_t *b)
{
    const maas_data_info_t  *i = t->info;

    if (!t->classes || i->n_class == 0) {
        return MAAS_OK;
    }

    b->len = 0;

    for (int k = 0; k < i->n_class; k++) {
        if (i->class_name != NULL) {
            maas_buf_add(b, i->class_name[k].data, i->class_name[k].len);
            maas_buf_puts(b, "\n");

        } else {
            maas_buf_printf(b, "%lld\n", (long long) i->class_int[k]);
        }
    }

    return write_buf(t, v, "labels.txt", b);
}


/* -- lineage.json -------------------------------------------------------- */

static void
write_data(const maas_train_t *t, maas_buf_t *b)
{
    char           hex[2 * MAAS_DIGEST + 1];
    const char    *path;

    if (t->job->spec->data == NULL) {
        return;
    }

    path = json_string_value(json_object_get(t->job->spec->data, "path"));
    maas_hex(hex, t->info->digest, MAAS_DIGEST);

    maas_buf_puts(b, ",\"data\":{\"path\":");
    maas_buf_json(b, path, strlen(path));
    maas_buf_printf(b, ",\"digest\":\"%s\",\"rows\":%lld,\"train\":%lld,"
                    "\"validation\":%lld,\"test\":%lld}", hex,
                    (long long) t->info->rows, (long long) t->rows.n_train,
                    (long long) t->rows.n_validation,
                    (long long) t->rows.n_test);
}


/* The model that it is made of. */
static void
write_source(const maas_train_t *t, maas_buf_t *b)
{
    char  hex[2 * MAAS_DIGEST + 1];

    if (t->tune != NULL) {
        maas_hex(hex, t->tune->digest, MAAS_DIGEST);
        maas_buf_puts(b, ",\"source\":{\"path\":");
        maas_buf_json(b, t->tune->path, strlen(t->tune->path));
        maas_buf_printf(b, ",\"digest\":\"%s\"}", hex);
    }
}


static maas_status_t
write_lineage(maas_train_t *t, maas_version_t *v, maas_buf_t *b)
{
    char       when[32];
    time_t     now = time(NULL);
    struct tm  tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);

    b->len = 0;
    maas_buf_printf(b, "{\"name\":\"%.*s\",\"created\":\"%s\","
                    "\"maas\":\"%s\",\"build\":\"%s\",\"cpu\":\"%s\","
                    "\"seed\":%lld", (int) t->job->spec->name.len,
                    t->job->spec->name.data, when, MAAS_VERSION,
                    maas_build_id(), maas_cpu(),
                    (long long) t->job->spec->seed);
    write_data(t, b);
    write_source(t, b);
    maas_buf_printf(b, ",\"training\":{%.*s},\"metrics\":{%.*s}",
                    (int) t->training.len, t->training.data,
                    (int) t->metrics.len, t->metrics.data);

    if (t->job->search != NULL) {
        maas_buf_puts(b, ",\"search\":");
        maas_buf_puts(b, t->job->search);
    }

    maas_buf_puts(b, ",\"history\":[");
    maas_buf_add(b, t->history.data, t->history.len);
    maas_buf_puts(b, "],\"specification\":");
    maas_buf_puts(b, t->text);
    maas_buf_puts(b, "}\n");

    return write_buf(t, v, "lineage.json", b);
}


static maas_status_t
write_files(maas_train_t *t, maas_version_t *v, maas_buf_t *b)
{
    MAAS_TRY(write_onnx(t, v, b));
    MAAS_TRY(write_model_json(t, v, b));
    MAAS_TRY(write_labels(t, v, b));
    MAAS_TRY(write_lineage(t, v, b));

    return maas_version_end(v, &t->job->version, t->err);
}


maas_status_t
maas_train_write(maas_train_t *t)
{
    maas_buf_t      b;
    maas_status_t   rc;
    maas_version_t  v;

    MAAS_TRY(maas_version_begin(&v, t->store, t->job->spec->name, t->err));

    maas_buf_init(&b, t->job->host);
    rc = write_files(t, &v, &b);

    if (rc == MAAS_OK) {
        snprintf(t->job->path, sizeof(t->job->path), "%s/%lld", v.model,
                 (long long) t->job->version);

        b.len = 0;
        maas_buf_puts(&b, "{\"path\":");
        maas_buf_json(&b, t->job->path, strlen(t->job->path));
        maas_buf_printf(&b, ",\"version\":%lld,\"training\":{%.*s},"
                        "\"metrics\":{%.*s}}", (long long) t->job->version,
                        (int) t->training.len, t->training.data,
                        (int) t->metrics.len, t->metrics.data);
        maas_train_event(t, MAAS_TRAIN_DONE, NULL, 0,
                         (maas_str_t) { b.data, b.len });
    }

    maas_version_drop(&v);
    maas_buf_destroy(&b);

    return rc;
}
