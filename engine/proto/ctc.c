/*
 * Scores of characters by step as text, greedily: see ctc.h.  A class is
 * called by a line of labels.txt; where the file has one line less than
 * there are classes, the blank has none.
 *
 * Ownership: text hangs on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#include <math.h>

#include "proto/ctc.h"


typedef struct {
    int64_t  rows;
    int64_t  steps;
    int64_t  classes;
    int64_t  row;               /* elements from a row to the next */
    int64_t  step;
    int64_t  blank;
} ctc_shape_t;


static void
ctc_shape(const maas_meta_t *meta, const maas_tensor_t *t, ctc_shape_t *s)
{
    bool  one = t->rank == 2, swap = meta->order == MAAS_ORDER_TNC;

    s->classes = t->dims[t->rank - 1];
    s->rows = one ? 1 : t->dims[swap ? 1 : 0];
    s->steps = one ? t->dims[0] : t->dims[swap ? 0 : 1];
    s->row = one ? 0 : s->classes * (swap ? 1 : s->steps);
    s->step = s->classes * (!one && swap ? s->rows : 1);
    s->blank = meta->blank >= 0 ? meta->blank : s->classes - 1;
}


bool
maas_ctc_is(const maas_meta_t *meta, size_t i, const maas_tensor_t *t)
{
    int64_t      n;
    ctc_shape_t  s;

    if (meta == NULL || meta->meaning != MAAS_MEANS_CTC || meta->output != i
        || t->rank < 2 || t->rank > 3 || !maas_dtypes[t->dtype].is_float)
    {
        return false;
    }

    ctc_shape(meta, t, &s);
    n = meta->n_labels;

    return s.classes > 0 && s.blank < s.classes
           && (n == s.classes || n == s.classes - 1);
}


int64_t
maas_ctc_rows(const maas_meta_t *meta, const maas_tensor_t *t)
{
    ctc_shape_t  s;

    ctc_shape(meta, t, &s);
    return s.rows;
}


static maas_str_t
ctc_label(const maas_meta_t *meta, const ctc_shape_t *s, int64_t index)
{
    if (meta->n_labels < s->classes && index > s->blank) {
        index--;
    }

    return maas_meta_label(meta, (uint32_t) index);
}


double
maas_ctc_row(const maas_meta_t *meta, const maas_tensor_t *t, int64_t row,
    maas_buf_t *text)
{
    double              sum = 0;
    int64_t             n = 0, last = -1;
    maas_str_t          label;
    ctc_shape_t         s;
    maas_proto_class_t  best;

    ctc_shape(meta, t, &s);

    for (int64_t i = 0; i < s.steps; i++) {
        maas_proto_classes(t, row * s.row + i * s.step, s.classes,
                           meta->softmax, &best, 1);

        if (best.index != s.blank
            && (best.index != last || !meta->merge_repeats))
        {
            label = ctc_label(meta, &s, best.index);
            maas_buf_add(text, label.data, label.len);
            sum += best.score;
            n++;
        }

        last = best.index;
    }

    return n != 0 ? sum / (double) n : 0;
}


static void
ctc_put_row(maas_proto_call_t *c, size_t i, int64_t row, maas_buf_t *text)
{
    char        *p;
    double       score;
    maas_buf_t  *b = &c->text;

    text->len = 0;
    score = maas_ctc_row(c->route.m->meta, &c->out[i], row, text);
    b->failed |= text->failed;

    maas_buf_puts(b, "\"text\":");
    maas_buf_json(b, text->data, text->len);
    maas_buf_puts(b, ",\"score\":");

    if (!isfinite(score)) {
        maas_buf_puts(b, "null");
        return;
    }

    p = maas_buf_reserve(b, MAAS_NUM_TEXT);
    if (p != NULL) {
        b->len += (size_t) (maas_num_put_f32(p, (float) score) - p);
    }
}


maas_status_t
maas_ctc_encode(maas_proto_call_t *c, size_t i, maas_err_t *err)
{
    int64_t      rows = maas_ctc_rows(c->route.m->meta, &c->out[i]);
    maas_buf_t   text, *b = &c->text;

    maas_buf_init(&text, c->host);

    if (rows == 1) {
        ctc_put_row(c, i, 0, &text);

    } else {
        maas_buf_puts(b, "\"results\":[");

        for (int64_t row = 0; row < rows; row++) {
            maas_buf_puts(b, row != 0 ? ",{" : "{");
            ctc_put_row(c, i, row, &text);
            maas_buf_puts(b, "}");
        }

        maas_buf_puts(b, "]");
    }

    maas_buf_destroy(&text);

    return b->failed ? maas_err_nomem(err) : MAAS_OK;
}
