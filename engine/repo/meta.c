/*
 * model.json and labels.txt -> maas_meta_t; meta_check.c checks one that came
 * out of an image.  docs/ describe the keys; every object here refuses keys
 * that it does not know, so that a typing error is not a silent default.
 *
 * Ownership: the block is the caller's, from its host memory; jansson's
 * tree lives inside maas_meta_parse().
 */

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <strings.h>

#include "repo/meta_priv.h"


#define META_LABELS_MAX  (1 << 20)
#define META_FEATURES    (1 << 16)
#define META_TOP_K       5


/* What lies behind the block; owned by jansson's tree and the caller. */
typedef struct {
    maas_str_t     description;
    const json_t  *features;
    const char    *labels;
    size_t         labels_len;
} meta_text_t;


static const char *const  meta_fits[] = { "stretch", "crop", "pad", "scale",
                                             NULL };
static const char *const  meta_layouts[] = { "NCHW", "NHWC", "flat", NULL };
static const char *const  meta_colors[] = { "RGB", "BGR", "GRAY", NULL };
static const char *const  meta_meanings[] = {
    "raw", "classes", "regression", "embedding", "ctc", NULL
};
static const char *const  meta_orders[] = { "NTC", "TNC", NULL };


static void
meta_list(const char *const *words, char *out, size_t n)
{
    size_t  len = 0;

    out[0] = '\0';

    for (size_t i = 0; words[i] != NULL && len < n; i++) {
        len += (size_t) snprintf(out + len, n - len, "%s%s",
                                 i == 0 ? "" : ", ", words[i]);
    }
}


maas_status_t
meta_keys(const meta_at_t *at, const char *const *known)
{
    char         list[256], near[MAAS_NEAR_TEXT];
    size_t       i;
    json_t      *value;
    const char  *key;
    maas_near_t  m;

    if (!json_is_object(at->object)) {
        return maas_err(at->err, MAAS_EINVAL, "%s must be an object",
                        at->where);
    }

    json_object_foreach((json_t *) at->object, key, value) {
        for (i = 0; known[i] != NULL && strcmp(known[i], key) != 0; i++) {
            /* void */
        }

        if (known[i] == NULL) {
            meta_list(known, list, sizeof(list));
            m = (maas_near_t) { .word = { key, strlen(key) } };

            for (i = 0; known[i] != NULL; i++) {
                maas_near(&m, (maas_str_t) { known[i], strlen(known[i]) });
            }

            return maas_err(at->err, MAAS_EINVAL,
                            "%s has an unknown key \"%.60s\"; known are: %s%s",
                            at->where, key, list, maas_near_text(&m, near));
        }
    }

    return MAAS_OK;
}


maas_status_t
meta_int(const meta_at_t *at, const char *key, int64_t min, int64_t max,
    int64_t *out)
{
    const json_t  *v = json_object_get(at->object, key);

    if (v == NULL) {
        return MAAS_OK;
    }

    if (!json_is_integer(v) || json_integer_value(v) < min
        || json_integer_value(v) > max)
    {
        return maas_err(at->err, MAAS_EINVAL,
                        "%s.%s must be an integer from %lld to %lld",
                        at->where, key, (long long) min, (long long) max);
    }

    *out = json_integer_value(v);
    return MAAS_OK;
}


static maas_status_t
meta_bool(const meta_at_t *at, const char *key, uint8_t *out)
{
    const json_t  *v = json_object_get(at->object, key);

    if (v == NULL) {
        return MAAS_OK;
    }

    if (!json_is_boolean(v)) {
        return maas_err(at->err, MAAS_EINVAL, "%s.%s must be true or false",
                        at->where, key);
    }

    *out = json_is_true(v);
    return MAAS_OK;
}


static maas_status_t
meta_word(const meta_at_t *at, const char *key, const char *const *words,
    uint8_t *out)
{
    char           list[128];
    const json_t  *v = json_object_get(at->object, key);

    if (v == NULL) {
        return MAAS_OK;
    }

    for (size_t i = 0; json_is_string(v) && words[i] != NULL; i++) {
        if (strcasecmp(words[i], json_string_value(v)) == 0) {
            *out = (uint8_t) i;
            return MAAS_OK;
        }
    }

    meta_list(words, list, sizeof(list));
    return maas_err(at->err, MAAS_EINVAL, "%s.%s must be one of: %s",
                    at->where, key, list);
}


/* A number for all channels, or one each. */
static maas_status_t
meta_channels(const meta_at_t *at, const char *key, int channels, bool nonzero,
    float *out)
{
    size_t         n;
    double         x;
    const json_t  *v = json_object_get(at->object, key);

    if (v == NULL) {
        return MAAS_OK;
    }

    n = json_is_array(v) ? json_array_size(v) : 1;
    if (n != 1 && n != (size_t) channels) {
        return maas_err(at->err, MAAS_EINVAL,
                        "%s.%s must be a number or an array of %d", at->where,
                        key, channels);
    }

    for (size_t i = 0; i < 4; i++) {
        const json_t  *e = v;

        if (json_is_array(v)) {
            e = json_array_get(v, i < n ? i : n - 1);
        }

        x = json_is_number(e) ? json_number_value(e) : NAN;

        if (!isfinite((float) x) || (nonzero && (float) x == 0)) {
            return maas_err(at->err, MAAS_EINVAL,
                            "%s.%s must hold %snumbers of float32", at->where,
                            key, nonzero ? "nonzero " : "");
        }

        out[i] = (float) x;
    }

    return MAAS_OK;
}


maas_status_t
meta_name(const meta_at_t *at, const char *key, maas_str_t name,
    const maas_str_t *names, size_t n, const char *what, uint32_t *out)
{
    char    list[200];
    size_t  len = 0;

    for (size_t i = 0; i < n; i++) {
        if (maas_str_eq(names[i], name)) {
            *out = (uint32_t) i;
            return MAAS_OK;
        }
    }

    list[0] = '\0';
    for (size_t i = 0; i < n && len < sizeof(list); i++) {
        len += (size_t) snprintf(list + len, sizeof(list) - len, "%s\"%.*s\"",
                                 i == 0 ? "" : ", ", (int) names[i].len,
                                 names[i].data);
    }

    return maas_err(at->err, MAAS_EINVAL,
                    "%s.%s: the model has no %s \"%.*s\"; it has: %s",
                    at->where, key, what, (int) maas_min(name.len, 60u),
                    name.data, list);
}


/* "name": which of the model's inputs or outputs is meant. */
static maas_status_t
meta_port(const meta_at_t *at, const maas_str_t *names, size_t n,
    const char *what, uint32_t *out)
{
    maas_str_t     name;
    const json_t  *v = json_object_get(at->object, "name");

    if (v == NULL) {
        return MAAS_OK;
    }

    if (!json_is_string(v)) {
        return maas_err(at->err, MAAS_EINVAL, "%s.name must be a string",
                        at->where);
    }

    name.data = json_string_value(v);
    name.len = json_string_length(v);

    return meta_name(at, "name", name, names, n, what, out);
}


/* Sizes of the tensor, and which of them go together. */
static maas_status_t
meta_sizes(const meta_at_t *at, maas_prep_t *p)
{
    int64_t        v;
    maas_status_t  rc = MAAS_OK;

    static const struct {
        const char  *key;
        size_t       off;
        int64_t      max;
    } rows[] = {
        { "width", offsetof(maas_prep_t, width), MAAS_META_SIDE },
        { "height", offsetof(maas_prep_t, height), MAAS_META_SIDE },
        { "resize", offsetof(maas_prep_t, resize), MAAS_META_SIDE },
        { "longest", offsetof(maas_prep_t, longest), MAAS_META_SIDE },
        { "multiple", offsetof(maas_prep_t, multiple), MAAS_META_MULTIPLE }
    };

    for (size_t i = 0; i < maas_nelts(rows) && rc == MAAS_OK; i++) {
        v = 0;
        rc = meta_int(at, rows[i].key, 0, rows[i].max, &v);
        *(int32_t *) ((char *) p + rows[i].off) = (int32_t) v;
    }

    if (rc == MAAS_OK && p->resize != 0 && p->fit != MAAS_FIT_CROP) {
        return maas_err(at->err, MAAS_EINVAL,
                        "%s.resize goes with \"fit\": \"crop\" only",
                        at->where);
    }

    if (rc == MAAS_OK && (p->longest != 0 || p->multiple != 0)
        && p->fit != MAAS_FIT_SCALE)
    {
        return maas_err(at->err, MAAS_EINVAL, "%s: longest and multiple go "
                        "with \"fit\": \"scale\" only", at->where);
    }

    if (rc == MAAS_OK && p->width != 0 && p->height != 0
        && p->fit == MAAS_FIT_SCALE)
    {
        return maas_err(at->err, MAAS_EINVAL, "%s: with \"fit\": \"scale\" "
                        "give width or height; the other follows",
                        at->where);
    }

    return rc;
}


static maas_status_t
meta_image(const json_t *o, maas_prep_t *p, maas_err_t *err)
{
    int                        channels;
    float                      scale[4];
    int64_t                    v;
    meta_at_t                  at = { "model.json: input.image", o, err };
    static const char *const   keys[] = {
        "width", "height", "fit", "resize", "layout", "color", "invert",
        "pad", "scale", "mean", "std", "longest", "multiple", NULL
    };

    MAAS_TRY(meta_keys(&at, keys));

    p->kind = MAAS_PREP_IMAGE;

    v = 0;
    MAAS_TRY(meta_int(&at, "pad", 0, 255, &v));
    p->pad = (uint8_t) v;

    MAAS_TRY(meta_word(&at, "fit", meta_fits, &p->fit));
    MAAS_TRY(meta_word(&at, "layout", meta_layouts, &p->layout));
    MAAS_TRY(meta_word(&at, "color", meta_colors, &p->color));
    MAAS_TRY(meta_bool(&at, "invert", &p->invert));
    MAAS_TRY(meta_sizes(&at, p));

    channels = p->color == MAAS_COLOR_GRAY ? 1 : 3;
    scale[0] = p->scale;

    MAAS_TRY(meta_channels(&at, "scale", 1, false, scale));
    MAAS_TRY(meta_channels(&at, "mean", channels, false, p->mean));
    MAAS_TRY(meta_channels(&at, "std", channels, true, p->std));

    p->scale = scale[0];
    return MAAS_OK;
}


/* Names of columns: an array of different strings, none of them empty. */
static maas_status_t
meta_features(const json_t *list, maas_meta_t *m, maas_err_t *err)
{
    size_t         i, n = json_array_size(list);
    json_t        *seen = json_object();
    maas_status_t  rc = MAAS_OK;

    if (seen == NULL) {
        return maas_err_nomem(err);
    }

    for (i = 0; i < n && rc == MAAS_OK; i++) {
        const char  *name = json_string_value(json_array_get(list, i));

        if (name == NULL || *name == '\0'
            || json_object_get(seen, name) != NULL)
        {
            rc = maas_err(err, MAAS_EINVAL, "model.json: input.features[%zu] "
                          "must be a string that is not empty and not there "
                          "twice", i);

        } else if (json_object_set_new(seen, name, json_true()) != 0) {
            rc = maas_err(err, MAAS_EINVAL, "model.json: input.features[%zu] "
                          "is not UTF-8", i);
        }
    }

    json_decref(seen);
    m->n_features = (uint32_t) n;

    if (rc == MAAS_OK && (n == 0 || n > META_FEATURES)) {
        rc = maas_err(err, MAAS_EINVAL, "model.json: input.features must be "
                      "an array of 1 to %d names", META_FEATURES);
    }

    return rc;
}


static maas_status_t
meta_input(const json_t *o, maas_meta_t *m, meta_text_t *text,
    const maas_meta_names_t *names, maas_err_t *err)
{
    const json_t              *image;
    meta_at_t                  at = { "model.json: input", o, err };
    static const char *const   keys[] = {
        "name", "image", "features", NULL
    };

    MAAS_TRY(meta_keys(&at, keys));
    MAAS_TRY(meta_port(&at, names->in, names->n_in, "input",
                       &m->prep.input));

    text->features = json_object_get(o, "features");

    if (text->features != NULL) {
        MAAS_TRY(meta_features(text->features, m, err));
    }

    image = json_object_get(o, "image");

    return image == NULL ? MAAS_OK : meta_image(image, &m->prep, err);
}


/* How scores by step become text. */
static maas_status_t
meta_ctc(const meta_at_t *at, maas_meta_t *m)
{
    int64_t                   v = 0;
    static const char *const  keys[] = { "blank", "merge_repeats", "order" };

    for (size_t i = 0; i < maas_nelts(keys); i++) {
        if (m->meaning != MAAS_MEANS_CTC
            && json_object_get(at->object, keys[i]) != NULL)
        {
            return maas_err(at->err, MAAS_EINVAL,
                            "%s.%s goes with \"meaning\": \"ctc\" only",
                            at->where, keys[i]);
        }
    }

    m->merge_repeats = m->meaning == MAAS_MEANS_CTC;
    MAAS_TRY(meta_int(at, "blank", -1, INT32_MAX, &v));
    m->blank = (int32_t) v;
    MAAS_TRY(meta_bool(at, "merge_repeats", &m->merge_repeats));

    return meta_word(at, "order", meta_orders, &m->order);
}


static maas_status_t
meta_output(const json_t *o, maas_meta_t *m, const maas_meta_names_t *names,
    maas_err_t *err)
{
    int64_t                    k;
    meta_at_t                  at = { "model.json: output", o, err };
    static const char *const   keys[] = {
        "name", "meaning", "softmax", "top_k", "blank", "merge_repeats",
        "order", NULL
    };

    MAAS_TRY(meta_keys(&at, keys));
    MAAS_TRY(meta_port(&at, names->out, names->n_out, "output", &m->output));
    MAAS_TRY(meta_word(&at, "meaning", meta_meanings, &m->meaning));
    MAAS_TRY(meta_bool(&at, "softmax", &m->softmax));

    k = m->top_k;
    MAAS_TRY(meta_int(&at, "top_k", 0, INT32_MAX, &k));
    m->top_k = (uint32_t) k;

    if (m->softmax && m->meaning != MAAS_MEANS_CLASSES
        && m->meaning != MAAS_MEANS_CTC)
    {
        return maas_err(err, MAAS_EINVAL, "%s.softmax goes with \"meaning\": "
                        "\"classes\" or \"ctc\" only", at.where);
    }

    return meta_ctc(&at, m);
}


/* Fills m but for what needs room behind it. */
static maas_status_t
meta_json(const json_t *root, maas_meta_t *m, meta_text_t *text,
    const maas_meta_names_t *names, maas_err_t *err)
{
    const json_t              *v;
    meta_at_t                  at = { "model.json", root, err };
    static const char *const   keys[] = {
        "description", "input", "output", "batch", NULL
    };

    MAAS_TRY(meta_keys(&at, keys));

    v = json_object_get(root, "description");
    if (v != NULL) {
        if (!json_is_string(v)) {
            return maas_err(err, MAAS_EINVAL,
                            "model.json.description must be a string");
        }

        text->description.data = json_string_value(v);
        text->description.len = json_string_length(v);
    }

    v = json_object_get(root, "input");
    if (v != NULL) {
        MAAS_TRY(meta_input(v, m, text, names, err));
    }

    v = json_object_get(root, "output");
    if (v != NULL) {
        MAAS_TRY(meta_output(v, m, names, err));
    }

    v = json_object_get(root, "batch");

    return v == NULL ? MAAS_OK : meta_batch(v, m, names, err);
}


/* The next line without its end; false after the last. */
static bool
meta_line(const char **p, const char *end, maas_str_t *line)
{
    const char  *nl;

    if (*p == end) {
        return false;
    }

    nl = memchr(*p, '\n', (size_t) (end - *p));
    line->data = *p;
    line->len = (size_t) ((nl != NULL ? nl : end) - *p);
    *p = nl != NULL ? nl + 1 : end;

    if (line->len != 0 && line->data[line->len - 1] == '\r') {
        line->len--;
    }

    return true;
}


static maas_meta_str_t
meta_put(maas_meta_t *m, uint32_t *at, maas_str_t s)
{
    maas_meta_str_t  ref = { *at, (uint32_t) s.len };

    if (s.len != 0) {
        memcpy((char *) m + *at, s.data, s.len);
    }

    *at += (uint32_t) s.len;
    return ref;
}


/* Lines of labels.txt and bytes of everything behind the block. */
static maas_status_t
meta_measure(maas_meta_t *head, const meta_text_t *text, size_t *size,
    maas_err_t *err)
{
    maas_str_t   line;
    const char  *p;

    head->n_labels = 0;

    for (p = text->labels;
         p != NULL && meta_line(&p, text->labels + text->labels_len, &line); )
    {
        if (++head->n_labels > META_LABELS_MAX) {
            return maas_err(err, MAAS_ELIMIT,
                            "labels.txt has more than %d lines",
                            META_LABELS_MAX);
        }

        if (!maas_utf8_valid(line.data, line.len)) {
            return maas_err(err, MAAS_EINVAL, "labels.txt: line %u is not "
                            "UTF-8; save the file as UTF-8", head->n_labels);
        }
    }

    *size = sizeof(*head)
            + ((size_t) head->n_labels + head->n_features)
              * sizeof(maas_meta_str_t)
            + head->platform.len + text->description.len + text->labels_len;

    for (size_t i = 0; i < head->n_features; i++) {
        *size += json_string_length(json_array_get(text->features, i));
    }

    *size = maas_align(*size, 8);

    if (text->labels_len > UINT32_MAX / 2
        || text->description.len > UINT32_MAX / 2 || *size > UINT32_MAX)
    {
        return maas_err(err, MAAS_ELIMIT,
                        "model.json and labels.txt are too large");
    }

    return MAAS_OK;
}


static maas_status_t
meta_pack(maas_meta_t **out, const maas_host_t *host, maas_meta_t *head,
    const meta_text_t *text, maas_err_t *err)
{
    size_t            size = 0;
    uint32_t          at, i = 0;
    maas_str_t        s;
    const char       *p;
    const json_t     *v;
    maas_meta_t      *m;
    maas_meta_str_t  *ref;

    MAAS_TRY(meta_measure(head, text, &size, err));

    m = maas_calloc(host, 1, size);
    if (m == NULL) {
        return maas_err_nomem(err);
    }

    *m = *head;
    m->size = (uint32_t) size;
    m->labels = sizeof(*m);
    m->features = m->labels + m->n_labels * (uint32_t) sizeof(*ref);

    ref = (maas_meta_str_t *) ((char *) m + m->labels);
    at = m->features + m->n_features * (uint32_t) sizeof(*ref);
    m->platform = meta_put(m, &at, maas_str("onnx"));
    m->description = meta_put(m, &at, text->description);

    for (p = text->labels;
         p != NULL && meta_line(&p, text->labels + text->labels_len, &s); )
    {
        ref[i++] = meta_put(m, &at, s);
    }

    for (uint32_t k = 0; k < m->n_features; k++) {
        v = json_array_get(text->features, k);
        s = (maas_str_t) { json_string_value(v), json_string_length(v) };
        ref[i++] = meta_put(m, &at, s);
    }

    *out = m;
    return MAAS_OK;
}


static json_t *
meta_load(const char *json, size_t len, maas_err_t *err)
{
    json_t        *root;
    json_error_t   e;

    root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL) {
        (void) maas_err(err, MAAS_EINVAL, "model.json: line %d, column %d: %s",
                        e.line, e.column, e.text);
    }

    return root;
}


maas_status_t
maas_meta_parse(maas_meta_t **out, const maas_host_t *host, const char *json,
    size_t json_len, const char *labels, size_t labels_len,
    const maas_meta_names_t *names, maas_err_t *err)
{
    json_t         *root = NULL;
    maas_meta_t     head;
    meta_text_t     text = { { "", 0 }, NULL, labels, labels_len };
    maas_status_t   rc = MAAS_OK;

    memset(&head, 0, sizeof(head));
    head.prep.scale = 1;
    head.top_k = META_TOP_K;
    head.platform.len = 4;

    for (int i = 0; i < 4; i++) {
        head.prep.std[i] = 1;
    }

    if (labels != NULL) {
        head.meaning = MAAS_MEANS_CLASSES;

        if (labels_len >= 3 && memcmp(labels, "\xef\xbb\xbf", 3) == 0) {
            text.labels += 3;
            text.labels_len -= 3;
        }

    } else {
        text.labels_len = 0;
    }

    if (json != NULL) {
        root = meta_load(json, json_len, err);
        if (root == NULL) {
            return MAAS_EINVAL;
        }

        rc = meta_json(root, &head, &text, names, err);
    }

    if (rc == MAAS_OK && head.meaning == MAAS_MEANS_CTC && labels == NULL) {
        rc = maas_err(err, MAAS_EINVAL, "model.json: output.meaning \"ctc\" "
                      "needs a labels.txt with the text of each class");
    }

    if (rc == MAAS_OK) {
        rc = meta_pack(out, host, &head, &text, err);
    }

    json_decref(root);
    return rc;
}
