/*
 * Inputs that nobody gave: seeded random tensors of the declared shapes,
 * with contents that the model can work with.  What an integer input
 * indexes is read from the graph in the image: a Gather whose table is
 * constant, behind operators that only move or cast.
 *
 * Memory: tensors stay until the command ends.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/cli.h"
#include "formats/model_image.h"
#include "graph/op.h"


static uint64_t
fill_next(uint64_t *s)
{
    uint64_t  z = *s += UINT64_C(0x9e3779b97f4a7c15);      /* splitmix64 */

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}


/* "NAME=1,3,224,224": sets the dims of the input of that name. */
static maas_status_t
fill_shape(const cli_model_t *m, const char *arg,
    int64_t (*dims)[MAAS_RANK_MAX],
    int *rank, maas_err_t *err)
{
    int                 i, r = 0;
    char               *end;
    size_t              n;
    const char         *eq = strrchr(arg, '='), *p;
    const maas_port_t  *in = maas_model_inputs(m->m, &n);

    i = eq != NULL ? cli_port(in, n, arg, (size_t) (eq - arg))
                   : n == 1 ? 0 : -1;
    if (i < 0) {
        return maas_err(err, MAAS_EINVAL,
                        "--shape %.100s: expected the name of an input "
                        "before '=', the first is \"%.*s\"", arg,
                        n != 0 ? (int) maas_min(in[0].name.len, 64) : 0,
                        n != 0 ? in[0].name.data : "");
    }

    for (p = eq != NULL ? eq + 1 : arg; *p != '\0'; r++) {
        dims[i][r % MAAS_RANK_MAX] = strtoll(p, &end, 10);

        if (end == p || (*end != ',' && *end != '\0') || r >= MAAS_RANK_MAX
            || dims[i][r] < 0)
        {
            return maas_err(err, MAAS_EINVAL,
                            "--shape %.100s: expected NAME=1,3,224,224", arg);
        }

        p = end + (*end == ',');
    }

    rank[i] = r;
    return MAAS_OK;
}


static bool
fill_moves(const maas_op_t *op)
{
    static const char *const  names[] = {
        "Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten",
        "Transpose", "Expand"
    };

    for (size_t i = 0; i < maas_nelts(names); i++) {
        if (strcmp(op->name, names[i]) == 0) {
            return true;
        }
    }

    return false;
}


/* Rows of the table that value v indexes, 0 when it indexes none. */
static int64_t
fill_table(const maas_graph_t *g, maas_vid_t v, int depth)
{
    int64_t  rows;

    for (uint32_t i = 0; i < g->n_node && depth < 16; i++) {
        const maas_node_t  *n = &g->node[i];

        if (n->n_in == 0) {
            continue;
        }

        if (n->n_in > 1 && n->in[1] == v && strcmp(n->op->name, "Gather") == 0
            && g->value[n->in[0]].role == MAAS_ROLE_CONST)
        {
            return maas_max(g->value[n->in[0]].type.dims[0], 1);
        }

        if (n->in[0] == v && fill_moves(n->op) && n->out[0] != MAAS_NOVAL) {
            rows = fill_table(g, n->out[0], depth + 1);
            if (rows != 0) {
                return rows;
            }
        }
    }

    return 0;
}


static void
fill_int(maas_tensor_t *t, int64_t i, int64_t v)
{
    switch (maas_dtype_size(t->dtype)) {

    case 1:
        ((int8_t *) t->data)[i] = (int8_t) v;
        break;

    case 2:
        ((int16_t *) t->data)[i] = (int16_t) v;
        break;

    case 4:
        ((int32_t *) t->data)[i] = (int32_t) v;
        break;

    default:
        ((int64_t *) t->data)[i] = v;
    }
}


static void
fill_values(maas_tensor_t *t, int64_t rows, bool mask, uint64_t *seed)
{
    int64_t  n = maas_tensor_count(t);

    for (int64_t i = 0; i < n; i++) {
        uint64_t  r = fill_next(seed);
        double    f = (double) (r >> 11) * 0x1p-52 - 1;

        switch (t->dtype) {

        case MAAS_F32:
            ((float *) t->data)[i] = mask ? 1 : (float) f;
            break;

        case MAAS_F64:
            ((double *) t->data)[i] = mask ? 1 : f;
            break;

        case MAAS_F16:
            ((uint16_t *) t->data)[i] = maas_f32_to_f16(mask ? 1 : (float) f);
            break;

        case MAAS_BF16:
            ((uint16_t *) t->data)[i] = maas_f32_to_bf16(mask ? 1 : (float) f);
            break;

        case MAAS_U8:
            fill_int(t, i, mask ? 1 : (int64_t) (r % (uint64_t)
                           (rows > 0 && rows < 256 ? rows : 256)));
            break;

        case MAAS_BOOL:
            fill_int(t, i, 1);
            break;

        default:
            fill_int(t, i, rows > 0 ? (int64_t) (r % (uint64_t) rows) : 1);
        }
    }
}


static maas_status_t
fill_one(const maas_port_t *port, const int64_t *dims, int rank,
    int64_t rows, uint64_t *seed, maas_tensor_t *t, maas_err_t *err)
{
    char        name[64];
    int64_t     n;

    memset(t, 0, sizeof(*t));
    t->dtype = port->dtype;

    if (rank < 0 && port->rank < 0) {
        return maas_err(err, MAAS_EINVAL,
                        "input \"%.*s\" has no declared rank: give --shape",
                        (int) port->name.len, port->name.data);
    }

    t->rank = (uint8_t) (rank >= 0 ? rank : port->rank);

    for (int d = 0; d < t->rank; d++) {
        t->dims[d] = rank >= 0 ? dims[d]
                               : port->dims[d] < 0 ? 1 : port->dims[d];
    }

    n = maas_dims_count(t->dims, t->rank);

    if (t->dtype == MAAS_STRING) {
        if (n < 0 || n > 1 << 20 || !maas_string_bytes(n, 0, &t->bytes)) {
            return maas_err(err, MAAS_ELIMIT, "too many strings");
        }

        t->data = calloc(1, t->bytes + 1);
        return t->data == NULL ? maas_err_nomem(err) : MAAS_OK;
    }

    if (n < 0 || !maas_dtype_bytes(t->dtype, n, &t->bytes)) {
        return maas_err(err, MAAS_ELIMIT, "input \"%.*s\" is too large",
                        (int) port->name.len, port->name.data);
    }

    t->data = aligned_alloc(MAAS_ALIGN, maas_align(t->bytes + 1, MAAS_ALIGN));
    if (t->data == NULL) {
        return maas_err_nomem(err);
    }

    snprintf(name, sizeof(name), "%.*s", (int) maas_min(port->name.len, 63),
             port->name.data);
    fill_values(t, rows, strcasestr(name, "mask") != NULL, seed);
    return MAAS_OK;
}


maas_status_t
cli_fill(const cli_model_t *m, const cli_list_t *shapes, uint64_t seed,
    maas_tensor_t *in, maas_err_t *err)
{
    int                *rank;
    size_t              n;
    int64_t             rows, (*dims)[MAAS_RANK_MAX];
    maas_image_t       *image;
    maas_status_t       rc;
    const maas_port_t  *port = maas_model_inputs(m->m, &n);

    dims = calloc(n + 1, sizeof(*dims));
    rank = calloc(n + 1, sizeof(*rank));
    if (dims == NULL || rank == NULL) {
        free(dims);
        free(rank);
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < n; i++) {
        rank[i] = -1;
    }

    rc = maas_image_load(&image, maas_host_default(), m->image, m->size, err);
    if (rc != MAAS_OK) {
        goto done;
    }

    for (size_t i = 0; i < shapes->n && rc == MAAS_OK; i++) {
        rc = fill_shape(m, shapes->v[i], dims, rank, err);
    }

    for (size_t i = 0; i < n && rc == MAAS_OK; i++) {
        if (in[i].data != NULL) {
            continue;
        }

        rows = maas_dtypes[port[i].dtype].is_int
               ? fill_table(image->graph[0], image->graph[0]->in[i], 0) : 0;

        rc = fill_one(&port[i], dims[i], rank[i], rows, &seed, &in[i], err);

        if (rc == MAAS_OK) {
            rc = maas_model_check_input(m->m, i, &in[i], err);
        }
    }

    maas_image_unload(image, maas_host_default());

done:

    free(dims);
    free(rank);
    return rc;
}
