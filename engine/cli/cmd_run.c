/*
 * maas run: a model once, on files, into files or onto stdout.
 *
 * Ownership: the model and its tensors, until the command ends.
 * Threads:   the main thread, which hands runs to a team.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "proto/ctc.h"


#define RUN_SHOWN  8            /* elements of an output */


static const char  run_help[] =
    "usage: maas run MODEL [--input NAME=FILE]... [--output-dir DIR]\n"
    "                [--threads N] [--numerics exact|fast] [--json]\n\n"
    "MODEL is an .onnx file, a folder of versions, or an image.  FILE is .npy,\n"
    ".pb (TensorProto), .json, a JPEG or PNG where model.json prepares images,\n"
    "or raw little-endian bytes.  NAME may contain \"=\" (the last one counts),\n"
    "and may be left out where the model has one input.\n"
    "With --output-dir, each output becomes an .npy file, and outputs.json\n"
    "says which: {\"output name\": \"file.npy\"}.\n";


/* -- files --------------------------------------------------------------- */

/* NumPy's '|S' array: bytes padded with zeros to the longest. */
static void
run_npy_strings(maas_buf_t *b, const maas_tensor_t *t)
{
    int      len;
    char     dict[400], dims[MAAS_DIMS_TEXT];
    size_t   wide = 1;
    int64_t  n = maas_tensor_count(t);

    for (int64_t i = 0; i < n; i++) {
        wide = maas_max(wide, maas_tensor_str(t, i).len);
    }

    maas_dims_text(dims, t->dims, t->rank);
    dims[strlen(dims) - 1] = '\0';
    len = snprintf(dict, sizeof(dict),
                   "{'descr': '|S%zu', 'fortran_order': False, "
                   "'shape': (%s%s), }", wide, dims + 1,
                   t->rank == 1 ? "," : "");

    while ((10 + len + 1) % 64 != 0) {
        dict[len++] = ' ';
    }

    dict[len++] = '\n';
    maas_buf_add(b, "\x93NUMPY\x01\0", 8);
    maas_buf_add(b, (char[]) { (char) len, (char) (len >> 8) }, 2);
    maas_buf_add(b, dict, (size_t) len);

    for (int64_t i = 0; i < n; i++) {
        char       *p = maas_buf_reserve(b, wide);
        maas_str_t  s = maas_tensor_str(t, i);

        if (p == NULL) {
            return;
        }

        memset(p, 0, wide);
        memcpy(p, s.data, s.len);
        b->len += wide;
    }
}


/* A name for a file, of what the output is called. */
static void
run_file_name(const maas_port_t *out, size_t i, char *name, size_t size)
{
    bool    plain = true;
    size_t  len = maas_min(out[i].name.len, 60u);

    for (size_t k = 0; k < len; k++) {
        char  c = out[i].name.data[k];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
            || (c >= 'A' && c <= 'Z') || c == '_' || c == '-'
            || (c == '.' && k != 0))
        {
            name[k] = c;
        } else {
            name[k] = '_';
            plain = false;
        }
    }

    if (plain && len == out[i].name.len && len != 0) {
        snprintf(name + len, size - len, ".npy");
    } else {
        snprintf(name + len, size - len, ".%zu.npy", i);
    }
}


static maas_status_t
run_save(const char *dir, const maas_port_t *out, size_t n,
    const maas_run_t *run, maas_err_t *err)
{
    char            name[128], path[4096];
    maas_buf_t      b, map;
    maas_tensor_t   t, keys;
    maas_status_t   rc = MAAS_OK;

    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        return maas_err(err, MAAS_EIO, "%s: %s", dir, strerror(errno));
    }

    maas_buf_init(&map, maas_host_default());
    maas_buf_puts(&map, "{");

    for (size_t i = 0; i < n && rc == MAAS_OK; i++) {
        maas_run_output(run, i, &t, &keys);
        run_file_name(out, i, name, sizeof(name));
        snprintf(path, sizeof(path), "%.3900s/%s", dir, name);

        maas_buf_init(&b, maas_host_default());

        if (t.dtype == MAAS_STRING) {
            run_npy_strings(&b, &t);
        } else {
            rc = maas_npy_write(&b, &t, err);
        }

        if (rc == MAAS_OK && b.failed) {
            rc = maas_err_nomem(err);
        }

        if (rc == MAAS_OK) {
            rc = cli_write(path, b.data, b.len, err);
        }

        maas_buf_destroy(&b);

        maas_buf_puts(&map, i == 0 ? "" : ", ");
        maas_buf_json(&map, out[i].name.data, out[i].name.len);
        maas_buf_puts(&map, ": ");
        maas_buf_json(&map, name, strlen(name));
    }

    maas_buf_puts(&map, "}\n");
    snprintf(path, sizeof(path), "%.3900s/outputs.json", dir);

    if (rc == MAAS_OK) {
        rc = cli_write(path, map.data, map.len, err);
    }

    maas_buf_destroy(&map);
    return rc;
}


/* -- stdout -------------------------------------------------------------- */

static void
run_json_output(maas_buf_t *b, const maas_port_t *port,
    const maas_tensor_t *t, const maas_tensor_t *keys)
{
    char  dims[MAAS_DIMS_TEXT];

    maas_buf_puts(b, "{\"name\":");
    maas_buf_json(b, port->name.data, port->name.len);
    maas_buf_printf(b, ",\"dtype\":\"%s\",\"shape\":%s,\"data\":",
                    maas_dtype_name(t->dtype),
                    maas_dims_text(dims, t->dims, t->rank));

    if (keys->data == NULL) {
        maas_json_put_nested(b, t, 0, 0, MAAS_JSON_TOKENS);

    } else {
        int64_t  rows = keys->dims[0] != 0
                        ? maas_tensor_count(t) / keys->dims[0] : 0;

        for (int64_t r = 0; r < rows; r++) {
            maas_buf_puts(b, r == 0 ? "[" : ",");
            maas_json_put_map(b, t, keys, r, MAAS_JSON_TOKENS);
        }

        maas_buf_puts(b, rows == 0 ? "[]" : "]");
    }

    maas_buf_puts(b, "}");
}


static void
run_text_output(maas_buf_t *b, const maas_port_t *port,
    const maas_tensor_t *t)
{
    char     dims[MAAS_DIMS_TEXT];
    int64_t  n = maas_tensor_count(t);

    maas_buf_printf(b, "%.*s: %s %s", (int) port->name.len, port->name.data,
                    maas_dtype_name(t->dtype),
                    maas_dims_text(dims, t->dims, t->rank));

    for (int64_t i = 0; i < n && i < RUN_SHOWN; i++) {
        maas_buf_puts(b, i == 0 ? " = " : ", ");
        cli_put_value(b, t, i);
    }

    maas_buf_puts(b, n > RUN_SHOWN ? ", ...\n" : "\n");
}


/* The best classes of the first row, as model.json has them. */
static void
run_classes(maas_buf_t *b, const maas_meta_t *meta, const maas_tensor_t *t)
{
    double        sum = 0, top = -INFINITY;
    float         last = INFINITY;
    int64_t       n, done = -1;
    uint32_t      k;
    const float  *v = t->data;

    if (meta->meaning != MAAS_MEANS_CLASSES || t->dtype != MAAS_F32
        || t->rank == 0 || maas_tensor_count(t) == 0)
    {
        return;
    }

    n = t->dims[maas_meta_class_axis(t->dims, t->rank)];

    for (int64_t i = 0; i < n; i++) {
        top = fmax(top, (double) v[i]);
    }

    for (int64_t i = 0; i < n; i++) {
        sum += exp((double) v[i] - top);
    }

    for (k = 0; k < (meta->top_k != 0 ? meta->top_k : 5) && k < n; k++) {
        int64_t  best = -1;

        for (int64_t i = 0; i < n; i++) {
            if ((v[i] < last || (v[i] == last && i > done))
                && (best < 0 || v[i] > v[best]))
            {
                best = i;
            }
        }

        if (best < 0) {
            return;
        }

        last = v[best];
        done = best;
        maas_buf_printf(b, "  %8.5f  ", meta->softmax
                        ? exp((double) last - top) / sum : (double) last);

        if ((uint64_t) best < meta->n_labels) {
            maas_str_t  s = maas_meta_label(meta, (uint32_t) best);

            maas_buf_printf(b, "%.*s\n", (int) s.len, s.data);
        } else {
            maas_buf_printf(b, "class %lld\n", (long long) best);
        }
    }
}


/* A line for each row, as model.json has it. */
static void
run_ctc(maas_buf_t *b, const maas_meta_t *meta, const maas_tensor_t *t)
{
    double      score;
    int64_t     rows = maas_ctc_rows(meta, t);
    maas_buf_t  text;

    maas_buf_init(&text, b->host);

    for (int64_t row = 0; row < rows; row++) {
        text.len = 0;
        score = maas_ctc_row(meta, t, row, &text);
        maas_buf_printf(b, "  %8.5f  ", score);
        maas_buf_json(b, text.data, text.len);
        maas_buf_puts(b, "\n");
        b->failed |= text.failed;
    }

    maas_buf_destroy(&text);
}


static maas_status_t
run_print(const cli_model_t *m, const maas_port_t *out, size_t n,
    const maas_run_t *run, bool json, maas_err_t *err)
{
    maas_buf_t          b;
    maas_tensor_t       t, keys;
    const maas_meta_t  *meta = maas_model_meta(m->m);

    maas_buf_init(&b, maas_host_default());
    maas_buf_puts(&b, json ? "{\"outputs\":[" : "");

    for (size_t i = 0; i < n; i++) {
        maas_run_output(run, i, &t, &keys);

        if (json) {
            maas_buf_puts(&b, i == 0 ? "" : ",");
            run_json_output(&b, &out[i], &t, &keys);
            continue;
        }

        run_text_output(&b, &out[i], &t);

        if (maas_ctc_is(meta, i, &t)) {
            run_ctc(&b, meta, &t);

        } else if (meta->output == i) {
            run_classes(&b, meta, &t);
        }
    }

    maas_buf_puts(&b, json ? "]}\n" : "");

    return cli_print(&b, err);
}


static maas_status_t
run_inputs(const cli_model_t *m, const cli_list_t *inputs, maas_tensor_t *in,
    maas_err_t *err)
{
    char                text[160];
    size_t              n;
    const maas_port_t  *port = maas_model_inputs(m->m, &n);

    for (size_t i = 0; i < inputs->n; i++) {
        MAAS_TRY(cli_input(m, inputs->v[i], in, err));
    }

    for (size_t i = 0; i < n; i++) {
        if (in[i].dtype == MAAS_NODTYPE) {
            cli_port_text(&port[i], text, sizeof(text));
            return maas_err(err, MAAS_EINVAL,
                            "input \"%.*s\" (%s) is not given: --input "
                            "%.*s=FILE", (int) port[i].name.len,
                            port[i].name.data, text, (int) port[i].name.len,
                            port[i].name.data);
        }
    }

    return MAAS_OK;
}


static maas_status_t
run_model(cli_model_t *m, const cli_list_t *inputs, const char *dir,
    int64_t threads, bool json, maas_err_t *err)
{
    size_t              n_in, n_out;
    cli_job_t           job = { .m = m->m, .n = 1, .threads = (int) threads };
    maas_status_t       rc;
    maas_tensor_t      *in;
    const maas_port_t  *out;

    (void) maas_model_inputs(m->m, &n_in);
    out = maas_model_outputs(m->m, &n_out);

    in = calloc(n_in + 1, sizeof(*in));
    if (in == NULL) {
        return maas_err_nomem(err);
    }

    job.in = in;
    rc = run_inputs(m, inputs, in, err);

    if (rc == MAAS_OK) {
        cli_progress_begin("running");
        rc = cli_job_run(&job, err);
        cli_progress_end();
    }

    if (rc == MAAS_OK && dir != NULL) {
        rc = run_save(dir, out, n_out, job.run, err);
    }

    if (rc == MAAS_OK && (dir == NULL || json)) {
        rc = run_print(m, out, n_out, job.run, json, err);
    }

    cli_job_end(&job);
    free(in);
    return rc;
}


int
cmd_run(int argc, char **argv)
{
    int            rc;
    bool           json = false;
    int64_t        threads = 1;
    cli_list_t     rest = { 0 }, inputs = { 0 };
    const char    *dir = NULL, *numerics = "exact";
    maas_err_t     err;
    cli_model_t    m;
    cli_option_t   opts[] = {
        { "--input", CLI_MANY, &inputs },
        { "--output-dir", CLI_TEXT, &dir },
        { "--threads", CLI_INT, &threads },
        { "--numerics", CLI_TEXT, &numerics },
        { "--json", CLI_FLAG, &json },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, run_help);
    if (rc != -1) {
        return rc;
    }

    if (rest.n != 1) {
        return cli_usage(rest.n == 0 ? "which model?"
                                     : "one model at a time; inputs go with "
                                       "--input NAME=FILE");
    }

    if (threads > 256) {
        return cli_usage("--threads: at most 256");
    }

    if (cli_model_load(&m, rest.v[0], numerics, false, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    rc = run_model(&m, &inputs, dir, threads, json, &err) == MAAS_OK
         ? CLI_OK : cli_fail("%s", err.text);

    cli_model_free(&m);
    return rc;
}
