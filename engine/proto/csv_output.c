/*
 * Outputs as CSV: a row a sample, a column an element.  Columns are called
 * as the output is, or by their place ("y.0", "y.1"), label ("y.cat") or
 * key in a map.  With ?top= an output that means classes is its best ones:
 * label and score.
 *
 * Ownership: the call's text.
 * Threads:   a call belongs to one thread at a time.
 */

#include "proto/csv.h"
#include "proto/pass_stages.h"


typedef struct {
    maas_proto_call_t   *c;
    maas_proto_class_t  *k;         /* of the output that is ranked */
    size_t               ranked;    /* its index; SIZE_MAX: none */
    int64_t              top;
    int64_t              rows;
} csv_out_t;


/* Elements of a row of output i. */
static int64_t
csv_out_width(const maas_tensor_t *t)
{
    int64_t  n = 1;

    for (int d = 1; d < t->rank; d++) {
        n *= t->dims[d];
    }

    return n;
}


static maas_status_t
csv_out_rows(csv_out_t *o, maas_err_t *err)
{
    int64_t              rows;
    maas_proto_call_t   *c = o->c;
    const maas_port_t   *port = c->route.m->out;

    for (size_t i = 0; i < c->route.m->n_out; i++) {
        rows = c->out[i].rank == 0 ? 1 : c->out[i].dims[0];

        if (i == 0) {
            o->rows = rows;

        } else if (rows != o->rows) {
            c->http = 406;
            return maas_err(err, MAAS_EINVAL, "text/csv needs outputs of as "
                            "many rows: \"%.*s\" has %lld, \"%.*s\" has %lld",
                            (int) maas_min(port[0].name.len, 64),
                            port[0].name.data, (long long) o->rows,
                            (int) maas_min(port[i].name.len, 64),
                            port[i].name.data, (long long) rows);
        }
    }

    return MAAS_OK;
}


/* -- names --------------------------------------------------------------- */

/* The name that was gathered, in quotes if it must be. */
static void
csv_out_end_name(csv_out_t *o, maas_buf_t *name)
{
    maas_csv_put(&o->c->text, (maas_str_t) { name->data, name->len });
    o->c->text.failed = o->c->text.failed || name->failed;
    name->len = 0;
}


static void
csv_out_name(csv_out_t *o, maas_buf_t *name, size_t i, int64_t k, int64_t n)
{
    char                  text[MAAS_CLASS_TEXT];
    maas_str_t            s = { NULL, 0 };
    const maas_port_t    *port = &o->c->route.m->out[i];

    maas_buf_add(name, port->name.data, port->name.len);

    if (n != 1) {
        if (o->c->out[i].rank == 2) {
            s = maas_proto_class_label(o->c, i, k, text);
        }

        if (s.data != NULL) {
            maas_buf_add(name, ".", 1);
            maas_buf_add(name, s.data, s.len);

        } else {
            maas_buf_printf(name, ".%lld", (long long) k);
        }
    }

    csv_out_end_name(o, name);
}


static void
csv_out_head(csv_out_t *o, maas_buf_t *name)
{
    int64_t      n;
    bool         first = true;
    maas_buf_t  *b = &o->c->text;

    for (size_t i = 0; i < o->c->route.m->n_out; i++) {
        n = i == o->ranked ? o->top : csv_out_width(&o->c->out[i]);

        for (int64_t k = 0; k < n; k++) {
            maas_buf_puts(b, first ? "" : ",");
            first = false;

            if (i != o->ranked) {
                csv_out_name(o, name, i, k, n);

            } else if (n == 1) {
                maas_buf_puts(b, "label,score");

            } else {
                maas_buf_printf(b, "label.%lld,score.%lld", (long long) k,
                                (long long) k);
            }
        }
    }

    maas_buf_puts(b, "\n");
}


/* -- values -------------------------------------------------------------- */

static void
csv_out_classes(csv_out_t *o, size_t i, int64_t row)
{
    char                  text[MAAS_CLASS_TEXT];
    int64_t               n;
    maas_str_t            label;
    maas_buf_t           *b = &o->c->text;
    maas_tensor_t         score = { .rank = 0 };
    const maas_tensor_t  *t = &o->c->out[i];

    n = maas_proto_class_count(t);
    maas_proto_classes(t, row * n, n, o->c->route.m->meta->softmax, o->k,
                       o->top);

    for (int64_t k = 0; k < o->top; k++) {
        float  f = (float) o->k[k].score;

        maas_buf_puts(b, k == 0 ? "" : ",");
        label = maas_proto_class_label(o->c, i, o->k[k].index, text);

        if (label.data != NULL) {
            maas_csv_put(b, label);

        } else {
            maas_buf_printf(b, "%lld", (long long) o->k[k].index);
        }

        score.dtype = t->dtype == MAAS_F64 ? MAAS_F64 : MAAS_F32;
        score.data = t->dtype == MAAS_F64 ? (void *) &o->k[k].score : &f;
        maas_buf_puts(b, ",");
        maas_json_put_elements(b, &score, 0, 1, MAAS_JSON_TOKENS);
    }
}


static void
csv_out_row(csv_out_t *o, int64_t row)
{
    int64_t               n;
    bool                  first = true;
    maas_buf_t           *b = &o->c->text;
    const maas_tensor_t  *t;

    for (size_t i = 0; i < o->c->route.m->n_out; i++) {
        t = &o->c->out[i];
        n = i == o->ranked ? o->top : csv_out_width(t);

        if (n == 0) {
            continue;
        }

        maas_buf_puts(b, first ? "" : ",");
        first = false;

        if (i == o->ranked) {
            csv_out_classes(o, i, row);

        } else if (t->dtype != MAAS_STRING) {
            maas_json_put_elements(b, t, row * n, n, MAAS_JSON_TOKENS);

        } else {
            for (int64_t k = 0; k < n; k++) {
                maas_buf_puts(b, k == 0 ? "" : ",");
                maas_csv_put(b, maas_tensor_str(t, row * n + k));
            }
        }
    }

    maas_buf_puts(b, "\n");
}


maas_status_t
maas_pass_put_csv(maas_proto_call_t *c, bool header, maas_err_t *err)
{
    size_t            out;
    maas_buf_t        name;
    csv_out_t         o = { .c = c, .ranked = SIZE_MAX };
    maas_pass_ask_t  *ask = c->ctx;

    MAAS_TRY(csv_out_rows(&o, err));

    if (ask->has_top && maas_pass_is_classes(c, &out)
        && c->out[out].rank >= 2
        && c->out[out].dims[0] * maas_proto_class_count(&c->out[out])
           == maas_tensor_count(&c->out[out]))
    {
        o.ranked = out;
        o.top = maas_pass_top(c, maas_proto_class_count(&c->out[out]));

        o.k = maas_proto_alloc(c, (size_t) o.top * sizeof(maas_proto_class_t),
                               err);
        if (o.k == NULL) {
            return MAAS_ENOMEM;
        }
    }

    if (header) {
        maas_buf_init(&name, c->host);
        csv_out_head(&o, &name);
        maas_buf_destroy(&name);
    }

    for (int64_t row = 0; row < o.rows && !c->text.failed; row++) {
        csv_out_row(&o, row);
    }

    c->type = header ? maas_str("text/csv; charset=utf-8; header=present")
                     : maas_str("text/csv; charset=utf-8; header=absent");

    return c->text.failed ? maas_err_nomem(err) : MAAS_OK;
}
