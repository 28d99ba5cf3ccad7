/*
 * multipart/form-data of maas_pass: a part is an input by its name, as JSON,
 * text, .npy, CSV, raw bytes or an image, by its type or else by its first
 * bytes.  Images are gathered over all parts and become a batch; their parts
 * may have any name that is no other input's.
 *
 * Ownership: all hangs on the call; images point into the body.
 * Threads:   a call belongs to one thread at a time.
 */

#include "media/image.h"
#include "proto/multipart.h"
#include "proto/pass_stages.h"


typedef enum {
    FORM_TEXT = 0,              /* JSON; of a string input the string */
    FORM_JSON,
    FORM_RAW,
    FORM_NPY,
    FORM_CSV,
    FORM_IMAGE
} form_kind_t;


/* Which input is fed by images; -1: none. */
static int
form_image_input(const maas_proto_model_t *m)
{
    for (size_t i = 0; i < m->n_in; i++) {
        if (maas_proto_takes_image(m, i)) {
            return (int) i;
        }
    }

    return -1;
}


/* Clients do not know the type of every file: its name tells more. */
static maas_str_t
form_type(const maas_part_t *part)
{
    size_t                    i, n = part->filename.len;
    const char               *name = part->filename.data;
    static const char *const  types[][2] = {
        { ".csv", "text/csv" },
        { ".json", "application/json" },
        { ".npy", "application/x-npy" },
        { ".txt", "text/plain" }
    };
    maas_str_t                type = maas_media_type(part->type);

    if (type.len != 0 && !maas_media_is(type, "application/octet-stream")) {
        return type;
    }

    for (i = 0; i < maas_nelts(types); i++) {
        size_t  len = strlen(types[i][0]);

        if (n > len
            && maas_media_is((maas_str_t) { name + n - len, len },
                             types[i][0]))
        {
            return (maas_str_t) { types[i][1], strlen(types[i][1]) };
        }
    }

    return type;
}


static maas_status_t
form_kind(const maas_part_t *part, int image, form_kind_t *kind,
    maas_err_t *err)
{
    maas_str_t  type = form_type(part);
    bool        picture = maas_image_sniff(part->data, part->len) != NULL;
    bool        raw = maas_media_is(type, "application/octet-stream");

    if (maas_media_is(type, "application/x-npy")
        || ((raw || type.len == 0) && part->len >= 6
            && memcmp(part->data, "\x93NUMPY", 6) == 0))
    {
        *kind = FORM_NPY;

    } else if (maas_media_is(type, "text/csv")) {
        *kind = FORM_CSV;

    } else if ((type.len > 6
                && maas_media_is((maas_str_t) { type.data, 6 }, "image/"))
               || (image >= 0 && picture))
    {
        *kind = FORM_IMAGE;

    } else if (raw) {
        *kind = FORM_RAW;

    } else if (type.len == 0 || maas_media_is(type, "text/plain")) {
        *kind = FORM_TEXT;

    } else if (maas_pass_is_json(type, NULL, 0)) {
        *kind = FORM_JSON;

    } else {
        return maas_err(err, MAAS_EMEDIA, "part \"%.*s\": Content-Type "
                        "\"%.*s\" is not accepted; a part may be text/plain, "
                        "application/json, application/octet-stream, "
                        "application/x-npy, text/csv%s",
                        (int) maas_min(part->name.len, 64), part->name.data,
                        (int) maas_min(type.len, 64), type.data,
                        image >= 0 ? ", image/jpeg, image/png" : "");
    }

    return MAAS_OK;
}


static maas_status_t
form_json(maas_proto_call_t *c, const maas_part_t *part, maas_err_t *err)
{
    maas_json_t  j;

    maas_json_init(&j, part->data, part->len, err);
    MAAS_TRY(maas_proto_json_named(c, &j, part->name, true, err));

    return maas_json_end(&j);
}


/* A table with a name of its own has the columns of all inputs. */
static maas_status_t
form_table(maas_proto_call_t *c, const maas_part_t *part, maas_err_t *err)
{
    for (size_t i = 0; i < c->route.m->n_in; i++) {
        if (c->in[i].data != NULL) {
            return maas_err(err, MAAS_EINVAL, "the table \"%.*s\" has the "
                            "columns of all inputs, and \"%.*s\" is given "
                            "besides",
                            (int) maas_min(part->name.len, 64),
                            part->name.data,
                            (int) maas_min(c->route.m->in[i].name.len, 64),
                            c->route.m->in[i].name.data);
        }
    }

    if (!maas_pass_takes_csv(c->route.m)) {
        return maas_proto_unknown_input(c, part->name, err);
    }

    return maas_pass_csv(c, -1, part->type, part->data, part->len, err);
}


static maas_status_t
form_input(maas_proto_call_t *c, const maas_part_t *part, form_kind_t kind,
    maas_err_t *err)
{
    int                        i;
    const maas_proto_model_t  *m = c->route.m;

    i = maas_proto_port(m->in, m->n_in, part->name);

    if (i < 0) {
        return kind == FORM_CSV
               ? form_table(c, part, err)
               : maas_proto_unknown_input(c, part->name, err);
    }

    if (c->in[i].data != NULL) {
        return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is given twice",
                        (int) maas_min(part->name.len, 64), part->name.data);
    }

    if (m->in[i].kind != MAAS_KIND_TENSOR
        || m->in[i].dtype == MAAS_NODTYPE)
    {
        return maas_err(err, MAAS_EUNSUPPORTED, "input \"%.*s\" is no tensor "
                        "and can't be given",
                        (int) maas_min(part->name.len, 64), part->name.data);
    }

    switch (kind) {

    case FORM_NPY:
        return maas_pass_npy(c, (size_t) i, part->data, part->len, err);

    case FORM_CSV:
        return maas_pass_csv(c, i, part->type, part->data, part->len, err);

    case FORM_RAW:
        return maas_proto_raw_input(c, (size_t) i, part->data, part->len,
                                    err);

    case FORM_TEXT:
        if (m->in[i].dtype == MAAS_STRING) {
            return maas_proto_raw_input(c, (size_t) i, part->data, part->len,
                                        err);
        }

        return form_json(c, part, err);

    default:
        return form_json(c, part, err);
    }
}


/* An image, into the batch. */
static maas_status_t
form_image(maas_proto_call_t *c, const maas_part_t *part, int image,
    maas_proto_images_t *list, maas_err_t *err)
{
    int                        i;
    maas_str_t                 s = { part->data, part->len };
    const maas_proto_model_t  *m = c->route.m;

    i = maas_proto_port(m->in, m->n_in, part->name);

    if (image < 0 || (i >= 0 && i != image)) {
        return maas_err(err, MAAS_EMEDIA, "part \"%.*s\" is an image, and "
                        "this model does not take one there (model.json: "
                        "input.image)", (int) maas_min(part->name.len, 64),
                        part->name.data);
    }

    return maas_proto_image_add(c, list, s, err);
}


maas_status_t
maas_pass_form(maas_proto_call_t *c, maas_err_t *err)
{
    int                  image = form_image_input(c->route.m);
    maas_part_t          part;
    form_kind_t          kind = FORM_TEXT;
    maas_multipart_t     m;
    maas_proto_images_t  list = { 0 };

    MAAS_TRY(maas_multipart_init(&m, c->req.content_type, c->body,
                                 c->body_len, err));

    for ( ;; ) {
        MAAS_TRY(maas_multipart_next(&m, c->arena, &part, err));

        if (part.data == NULL) {
            break;
        }

        /* What a browser sends where no file was chosen. */
        if (part.len == 0 && part.filename.data != NULL
            && part.filename.len == 0)
        {
            continue;
        }

        MAAS_TRY(form_kind(&part, image, &kind, err));

        MAAS_TRY(kind == FORM_IMAGE
                 ? form_image(c, &part, image, &list, err)
                 : form_input(c, &part, kind, err));
    }

    if (list.n == 0) {
        return MAAS_OK;
    }

    if (c->in[image].data != NULL) {
        return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is given as an "
                        "image and otherwise",
                        (int) maas_min(c->route.m->in[image].name.len, 64),
                        c->route.m->in[image].name.data);
    }

    return maas_proto_images(c, (size_t) image, list.v, list.n, err);
}
