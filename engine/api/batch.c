/*
 * batch.c: several calls in one run.  The inputs are joined along the batch
 * axis, the outputs are handed out as views of their rows; a copy is made
 * only where rows do not lie together (an axis behind others, strings,
 * padding).  Where model.json allows it, calls of several lengths are padded
 * to the longest, and their outputs cut back: batch_pad.c.
 *
 * Ownership: the joint run is shared: the last of its calls to be destroyed
 *            releases it.  Views point into it.
 * Threads:   maas_calls_run() has all the calls; afterwards each goes its
 *            own way.  maas_call_cancel() from any thread.
 */

#include "api/call.h"


struct maas_joint_s {
    const maas_host_t  *host;
    atomic_uint         refs;
    atomic_uint         live;           /* members that are not cancelled */
    atomic_bool         cancel;         /* none is */
    atomic_bool         counted;
    maas_run_t         *run;
    maas_tensor_t      *in;             /* joined inputs, and their memory */
    void               *block;
    uint64_t            rows;
    int64_t             length;         /* padded to; 0: there is no padding */
    uint32_t            calls;
    int                 axis;
};

/* Calls that make one run. */
typedef struct {
    size_t    n;
    int       axis;
    uint64_t  rows;
    int64_t   longest;                  /* 0: their shapes are the same */
} joint_set_t;


/* -- what may be joined -------------------------------------------------- */

static uint64_t
joint_hash(uint64_t h, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        h = (h ^ (v >> 8 * i & 0xff)) * 0x100000001b3;
    }

    return h;
}


/* Equal but for the rows, and for what is padded? */
static bool
joint_fits(const maas_call_t *a, const maas_call_t *b, int axis, bool pads)
{
    int                   skip;
    const maas_meta_t    *meta = a->c.route.m->meta;
    const maas_tensor_t  *s, *t;

    if (a->model != b->model) {
        return false;
    }

    for (size_t i = 0; i < a->c.route.m->n_in; i++) {
        s = &a->c.in[i];
        t = &b->c.in[i];

        if (s->dtype != t->dtype || s->rank != t->rank
            || s->format != t->format)
        {
            return false;
        }

        skip = pads && maas_meta_pad(meta, i) != NULL ? meta->pad_axis : axis;

        for (int d = 0; d < s->rank; d++) {
            if (d != axis && d != skip && s->dims[d] != t->dims[d]) {
                return false;
            }
        }
    }

    return true;
}


/* Rows of all inputs, which have to agree; 0: the call runs alone. */
static uint64_t
joint_rows(const maas_call_t *call, int axis)
{
    uint64_t              rows = 0;
    const maas_tensor_t  *t = call->c.in;

    for (size_t i = 0; i < call->c.route.m->n_in; i++, t++) {
        if (axis < 0 || axis >= t->rank || t->format != 0
            || (i != 0 && (uint64_t) t->dims[axis] != rows))
        {
            return 0;
        }

        rows = (uint64_t) t->dims[axis];
    }

    return rows <= UINT32_MAX ? rows : 0;
}


uint64_t
maas_call_timeout(const maas_call_t *call)
{
    return call->c.timeout_us;
}


void
maas_call_needs(const maas_call_t *call, maas_call_needs_t *needs)
{
    int                   axis, skip;
    int64_t               n, length;
    uint64_t              rows, h = 0xcbf29ce484222325;
    const maas_meta_t    *meta;
    const maas_tensor_t  *t = call->c.in;

    memset(needs, 0, sizeof(*needs));
    needs->rows = 1;
    needs->timeout_us = call->c.timeout_us;
    needs->priority = call->c.priority;

    if (!call->decoded || call->model == NULL) {
        return;
    }

    meta = call->c.route.m->meta;
    axis = maas_model_batch_axis(call->model);
    rows = joint_rows(call, axis);
    length = rows != 0 ? maas_pad_length(call) : 0;
    h = joint_hash(h, (uintptr_t) call->model);
    h = joint_hash(h, length != 0);

    for (size_t i = 0; i < call->c.route.m->n_in; i++, t++) {
        n = t->format == 0 ? maas_tensor_count(t) : 1;
        needs->weight += (uint64_t) n;
        h = joint_hash(h, t->rank);
        skip = length != 0 && maas_meta_pad(meta, i) != NULL ? meta->pad_axis
                                                           : axis;

        for (int d = 0; d < t->rank; d++) {
            h = joint_hash(h, d == axis || d == skip ? 0
                              : (uint64_t) t->dims[d]);
        }
    }

    if (rows != 0) {
        needs->rows = (uint32_t) rows;
        needs->kind = h != 0 ? h : 1;
        needs->length = (uint32_t) length;
        needs->percent = length != 0 ? meta->pad_percent : 0;
    }
}


/* -- life ---------------------------------------------------------------- */

void
maas_joint_release(maas_joint_t *j)
{
    const maas_host_t  *host;

    if (j == NULL || atomic_fetch_sub(&j->refs, 1) != 1) {
        return;
    }

    host = j->host;
    maas_run_release(j->run);
    maas_free(host, j->block);
    maas_free(host, j->in);
    maas_free(host, j);
}


static void
joint_leave(maas_call_t *call, maas_joint_t *j)
{
    if (!atomic_exchange(&call->left, true)
        && atomic_fetch_sub(&j->live, 1) == 1)
    {
        atomic_store(&j->cancel, true);
    }
}


/*
 * Either this sees the joint run or joint_attach() sees the cancel, or both:
 * `left` lets one of them count.
 */
void
maas_call_cancel(maas_call_t *call)
{
    maas_joint_t  *j;

    atomic_store(&call->cancel, true);
    j = atomic_load(&call->joint);

    if (j != NULL) {
        joint_leave(call, j);
    }
}


static void
joint_attach(maas_call_t *call, maas_joint_t *j)
{
    atomic_store(&call->joint, j);

    if (atomic_load(&call->cancel)) {
        joint_leave(call, j);
    }
}


bool
maas_joint_first(maas_joint_t *j)
{
    return !atomic_exchange(&j->counted, true);
}


uint64_t
maas_joint_rows(const maas_joint_t *j)
{
    return j->rows;
}


/* -- inputs -------------------------------------------------------------- */

/* Bytes of a row's part that lies together, and how often there is one. */
static size_t
joint_span(const maas_tensor_t *t, int axis, size_t *outer)
{
    size_t  n = maas_dtype_size(t->dtype);

    *outer = 1;

    for (int d = 0; d < t->rank; d++) {
        if (d < axis) {
            *outer *= (size_t) t->dims[d];
        } else if (d > axis) {
            n *= (size_t) t->dims[d];
        }
    }

    return n;
}


/* rows of t, from row `first` on, to or from an own tensor. */
static void
joint_copy(const maas_tensor_t *t, int axis, uint64_t first, uint64_t rows,
    char *own, bool in)
{
    size_t   outer, span = joint_span(t, axis, &outer);
    size_t   step = span * (size_t) t->dims[axis];
    char    *at = (char *) t->data + first * span;

    span *= rows;

    for (size_t i = 0; i < outer && span != 0; i++) {
        memcpy(in ? at + i * step : own + i * span,
               in ? own + i * span : at + i * step, span);
    }
}


/* Shapes of the joined inputs, and the memory that they take. */
static bool
joint_shape(maas_joint_t *j, const maas_call_t *call, size_t *total)
{
    int64_t               n;
    uint64_t              most;
    maas_tensor_t        *t = j->in;
    const maas_meta_t    *meta = call->c.route.m->meta;

    *total = 0;
    most = call->c.route.m->max_elements;
    most = most > INT64_MAX / j->calls ? INT64_MAX : most * j->calls;

    for (size_t i = 0; i < call->c.route.m->n_in; i++, t++) {
        *t = call->c.in[i];
        t->dims[j->axis] = (int64_t) j->rows;

        if (j->length != 0 && maas_meta_pad(meta, i) != NULL) {
            t->dims[meta->pad_axis] = j->length;
        }

        n = maas_dims_count(t->dims, t->rank);

        if (n < 0 || (uint64_t) n > most
            || !maas_dtype_bytes(t->dtype, n, &t->bytes)
            || t->bytes > SIZE_MAX / 2 - *total)
        {
            return false;
        }

        *total += maas_align(t->bytes, MAAS_ALIGN) + MAAS_ALIGN;
    }

    return true;
}


/* Elements before row `first` of the part of a joined tensor. */
static size_t
joint_offset(const maas_tensor_t *all, int axis, uint64_t first)
{
    size_t  outer;

    return joint_span(all, axis, &outer) * first;
}


/* Input i of all calls, one behind the other. */
static void
joint_fill(maas_joint_t *j, maas_call_t **call, size_t n, size_t i)
{
    uint64_t                rows, at = 0;
    maas_tensor_t          *t = &j->in[i];
    const maas_tensor_t    *own;
    const maas_meta_pad_t  *pad = NULL;

    if (j->length != 0) {
        pad = maas_meta_pad(call[0]->c.route.m->meta, i);
    }

    if (pad != NULL) {
        maas_pad_fill(t, pad->value);
    }

    for (size_t k = 0; k < n; k++) {
        own = &call[k]->c.in[i];
        rows = (uint64_t) own->dims[j->axis];

        if (pad == NULL) {
            joint_copy(t, j->axis, at, rows, own->data, true);

        } else {
            maas_pad_copy((char *) t->data + joint_offset(t, j->axis, at),
                          t->dims, own->data, own->dims, own->dims, t->rank,
                          maas_dtype_size(t->dtype));
        }

        at += rows;
    }
}


static bool
joint_gather(maas_joint_t *j, maas_call_t **call, size_t n)
{
    char           *p;
    size_t          total, n_in = call[0]->c.route.m->n_in;
    maas_tensor_t  *t;

    j->in = maas_calloc(j->host, n_in, sizeof(maas_tensor_t));

    if (j->in == NULL || !joint_shape(j, call[0], &total)) {
        return false;
    }

    j->block = maas_alloc(j->host, total + MAAS_ALIGN);
    if (j->block == NULL) {
        return false;
    }

    p = (char *) maas_align((uintptr_t) j->block, MAAS_ALIGN);

    for (size_t i = 0; i < n_in; i++) {
        t = &j->in[i];
        t->data = p;
        p += maas_align(t->bytes, MAAS_ALIGN) + MAAS_ALIGN;
        joint_fill(j, call, n, i);
    }

    return true;
}


/* -- outputs ------------------------------------------------------------- */

static maas_status_t
joint_strings(maas_call_t *call, const maas_tensor_t *all, uint64_t first,
    maas_tensor_t *t, maas_err_t *err)
{
    size_t           len, bytes;
    int64_t          n = maas_tensor_count(t);
    uint32_t        *own;
    const char      *text;
    const uint32_t  *off = all->data;

    /* Strings are handed out along axis 0 only: these lie together. */
    text = (const char *) (off + maas_tensor_count(all) + 1);
    off += first * (uint64_t) (t->dims[0] != 0 ? n / t->dims[0] : 0);
    len = off[n] - off[0];

    if (!maas_string_bytes(n, len, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "an output is too large");
    }

    own = maas_proto_alloc(&call->c, bytes, err);
    if (own == NULL) {
        return MAAS_ENOMEM;
    }

    for (int64_t i = 0; i <= n; i++) {
        own[i] = off[i] - off[0];
    }

    memcpy(own + n + 1, text + off[0], len);
    t->data = own;
    t->bytes = bytes;

    return MAAS_OK;
}


/* Axes of output i that are as long as what is padded; none: 0. */
static unsigned
joint_axes(const maas_joint_t *j, const maas_call_t *call, size_t i)
{
    return j->length != 0 ? maas_model_pads(call->model)[i] : 0;
}


/* The shape of output i of one call; is there padding to be cut off? */
static bool
joint_dims(const maas_call_t *call, const maas_joint_t *j,
    const maas_tensor_t *all, size_t i, maas_tensor_t *t)
{
    bool      cut = false;
    int64_t   own = 0;
    unsigned  axes = joint_axes(j, call, i);

    *t = *all;
    t->dims[j->axis] = call->c.in[0].dims[j->axis];

    if (axes != 0) {
        own = maas_pad_length(call);
    }

    for (int d = 0; d < t->rank; d++) {
        if (axes >> d & 1) {
            cut = cut || own != t->dims[d];
            t->dims[d] = own;
        }
    }

    return cut;
}


/* Rows of output i for one call. */
static maas_status_t
joint_part(maas_call_t *call, const maas_joint_t *j, const maas_tensor_t *all,
    uint64_t first, size_t i, maas_tensor_t *t, maas_err_t *err)
{
    bool       cut = joint_dims(call, j, all, i, t);
    void      *own;
    size_t     outer, span, size = maas_dtype_size(all->dtype);
    uint64_t   rows = (uint64_t) t->dims[j->axis];

    if (t->dtype == MAAS_STRING) {
        return joint_strings(call, all, first, t, err);
    }

    span = joint_span(all, j->axis, &outer);
    t->bytes = span * rows * outer;

    if (outer == 1 && !cut) {
        t->data = (char *) all->data + span * first;
        return MAAS_OK;
    }

    if (cut) {
        t->bytes = size * (size_t) maas_tensor_count(t);
    }

    own = maas_proto_alloc(&call->c, t->bytes, err);
    if (own == NULL) {
        return MAAS_ENOMEM;
    }

    if (cut) {
        maas_pad_copy(own, t->dims, (char *) all->data + span * first,
                      all->dims, t->dims, t->rank, size);
    } else {
        joint_copy(all, j->axis, first, rows, own, false);
    }

    t->data = own;

    return MAAS_OK;
}


/* Does every output have the rows of the inputs, and their length? */
static bool
joint_check(const maas_joint_t *j, const maas_call_t *call)
{
    unsigned       axes;
    maas_tensor_t  t, keys;

    for (size_t i = 0; i < call->c.route.m->n_out; i++) {
        maas_run_output(j->run, i, &t, &keys);
        axes = joint_axes(j, call, i);

        if (t.format != 0 || t.rank <= j->axis
            || (t.dtype == MAAS_STRING && j->axis != 0)
            || (uint64_t) t.dims[j->axis] != j->rows || axes >> t.rank != 0)
        {
            return false;
        }

        for (int d = 0; d < t.rank; d++) {
            if ((axes >> d & 1) && t.dims[d] != j->length) {
                return false;
            }
        }
    }

    return true;
}


static maas_status_t
joint_result(maas_call_t *call, maas_joint_t *j, uint64_t first,
    maas_err_t *err)
{
    size_t          n = call->c.route.m->n_out;
    maas_tensor_t   all, *out, *keys;

    out = maas_arena_array(&call->arena, n + 1, sizeof(maas_tensor_t));
    keys = maas_arena_array(&call->arena, n + 1, sizeof(maas_tensor_t));

    if (out == NULL || keys == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < n; i++) {
        maas_run_output(j->run, i, &all, &keys[i]);
        MAAS_TRY(joint_part(call, j, &all, first, i, &out[i], err));
    }

    call->c.out = out;
    call->c.keys = keys;
    call->ran = true;
    call->batch = j->calls;

    return MAAS_OK;
}


/* -- run ----------------------------------------------------------------- */

static void
joint_finish(maas_joint_t *j, maas_call_t **call, size_t n, uint64_t start,
    uint64_t ns)
{
    uint64_t       first = 0;
    maas_err_t     err;
    maas_status_t  rc;

    for (size_t i = 0; i < n; i++) {
        err.text[0] = '\0';
        call[i]->run_ns = start;
        call[i]->compute_ns = ns;

        rc = atomic_load(&call[i]->cancel)
             ? maas_err(&err, MAAS_ECANCEL, "the call was cancelled")
             : joint_result(call[i], j, first, &err);

        maas_call_set_error(call[i], rc, 0, err.text);
        first += (uint64_t) call[i]->c.in[0].dims[j->axis];
    }
}


/* False: nothing has come of it, each runs alone. */
static bool
joint_run(maas_call_t **call, const joint_set_t *set, maas_team_t *team)
{
    bool           ok;
    size_t         n = set->n;
    uint64_t       start;
    maas_err_t     err;
    maas_joint_t  *j = maas_calloc(call[0]->host, 1, sizeof(maas_joint_t));

    if (j == NULL) {
        return false;
    }

    j->host = call[0]->host;
    j->rows = set->rows;
    j->axis = set->axis;
    j->calls = (uint32_t) n;

    if (set->longest != 0) {
        j->length = maas_pad_round(call[0]->c.route.m->meta, set->longest);
    }

    atomic_init(&j->refs, n + 1);
    atomic_init(&j->live, n);

    for (size_t i = 0; i < n; i++) {
        joint_attach(call[i], j);
    }

    start = maas_now_ns();

    ok = joint_gather(j, call, n)
         && maas_model_run(call[0]->model, j->in, team, &j->cancel, &j->run,
                           &err) == MAAS_OK;

    if (ok && joint_check(j, call[0])) {
        joint_finish(j, call, n, start, maas_now_ns() - start);

    } else {
        ok = false;
    }

    maas_joint_release(j);
    return ok;
}


/* How many of the calls, from the first on, make one run. */
static void
joint_set(maas_call_t **call, size_t n, joint_set_t *set)
{
    bool                 pads;
    int64_t              length;
    uint64_t             more, most, own, longest;
    const maas_meta_t   *meta = call[0]->c.route.m->meta;

    set->n = 1;
    set->axis = maas_model_batch_axis(call[0]->model);
    set->rows = joint_rows(call[0], set->axis);
    set->longest = 0;

    if (set->rows == 0 || call[0]->c.route.m->n_in == 0) {
        return;
    }

    most = meta != NULL && meta->profile_max > 0
           ? (uint64_t) meta->profile_max : UINT32_MAX;

    length = maas_pad_length(call[0]);
    pads = length != 0;
    longest = (uint64_t) length;
    own = set->rows * longest;

    for (size_t i = 1; i < n; i++) {
        more = joint_rows(call[i], set->axis);

        if (more == 0 || set->rows + more > most
            || !joint_fits(call[0], call[i], set->axis, pads))
        {
            break;
        }

        if (pads) {
            length = maas_pad_length(call[i]);

            if (length == 0) {
                break;
            }

            longest = maas_max(longest, (uint64_t) length);
            own += more * (uint64_t) length;

            if (maas_pad_wastes(meta, longest * (set->rows + more), own)) {
                break;
            }
        }

        set->rows += more;
        set->longest = (int64_t) longest;
        set->n++;
    }
}


/* Those that have still something to run come first. */
static size_t
joint_sort(maas_call_t **call, size_t n)
{
    size_t        ready = 0;
    maas_call_t  *c;

    for (size_t i = 0; i < n; i++) {
        c = call[i];

        if (atomic_load(&c->cancel)) {
            maas_call_set_error(c, MAAS_ECANCEL, 0, "the call was cancelled");

        } else if (c->err.status == MAAS_OK && c->decoded
                   && c->model != NULL)
        {
            call[i] = call[ready];
            call[ready++] = c;

        } else {
            (void) maas_call_run(c, NULL);
        }
    }

    return ready;
}


void
maas_calls_run(maas_call_t **call, size_t n, maas_team_t *team)
{
    joint_set_t  set;

    if (n == 1) {
        (void) maas_call_run(call[0], team);
        return;
    }

    n = joint_sort(call, n);

    while (n != 0) {
        joint_set(call, n, &set);

        if (set.n == 1 || !joint_run(call, &set, team)) {
            for (size_t i = 0; i < set.n; i++) {
                (void) maas_call_run(call[i], team);
            }
        }

        call += set.n;
        n -= set.n;
    }
}
