/*
 * Checks the gradient of every operator that has one, on its cases, in
 * float64 against central differences: for L = sum of w * y over all float
 * outputs, w random, every element of every float input is moved by h to
 * both sides.  Where the two sides disagree (a kink, a tie) the element is
 * left out; a case that leaves out more than half is no check and fails.
 *
 * Then the same gradient in float32 at every CPU level, against that of
 * float64.  MAAS_CASES=Op runs one operator.
 *
 * Tolerances: with h = 1e-5 |x|, central differences are off by h^2 f'''/6
 * and by rounding, 1e-16 L / h: 1e-6 of the largest gradient is two orders
 * above both.  float32: 2e-5 of the largest, some 300 roundings; and, for
 * what magnifies them (a recurrent network over many steps), 100 times what
 * one rounding of every input to float32 changes, measured in float64.
 */

#include "graph/grad.h"
#include "train/autodiff.h"
#include "train/net.h"
#include "case_dsl.h"
#include "tap.h"


#define GRAD_ELEMENTS  60           /* of an input that are moved */

typedef struct {
    const maas_kernels_t  *k;
    maas_dtype_t           dtype;   /* of floats */
    bool                   params;  /* inputs but the first are parameters */
    case_t                 c;
    maas_arena_t           a;
    maas_graph_t          *g;
    maas_net_t            *net;
    uint32_t               n_in;
    uint32_t               n_out;   /* L, then the gradients */
    maas_tensor_t          in[CASE_INPUTS_MAX + 8];
    maas_tensor_t          out[CASE_INPUTS_MAX + 8];
    bool                   moved[CASE_INPUTS_MAX];  /* has a gradient */
    double                 shaken[CASE_INPUTS_MAX + 8]; /* by gradient */
    char                   text[400];
} grad_case_t;


static bool
is_float(const maas_tensor_t *t)
{
    return t->dtype == MAAS_F32 || t->dtype == MAAS_F64;
}


static double
get(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_F64 ? ((double *) t->data)[i]
                                : (double) ((float *) t->data)[i];
}


static void
set(maas_tensor_t *t, int64_t i, double v)
{
    if (t->dtype == MAAS_F64) {
        ((double *) t->data)[i] = v;

    } else {
        ((float *) t->data)[i] = (float) v;
    }
}


static void
convert(grad_case_t *q, maas_tensor_t *t)
{
    maas_tensor_t  to = *t;
    int64_t        n = maas_tensor_count(t);

    if (!is_float(t)) {
        return;
    }

    to.dtype = q->dtype;
    to.bytes = n * maas_dtype_size(to.dtype);
    to.data = maas_arena_alloc(&q->a, to.bytes + MAAS_ALIGN);

    /* Values that both dtypes have. */
    for (int64_t i = 0; i < n; i++) {
        set(&to, i, (double) (float) get(t, i));
    }

    *t = to;
}


/* L = sum over the float outputs of w * y: nodes of the graph. */
static bool
grad_loss(grad_case_t *q, maas_pass_t *p, maas_vid_t *loss)
{
    maas_vid_t     w, term, in[2], prod, out = MAAS_NOVAL;
    maas_graph_t  *g = q->g;
    maas_type_t    t;

    for (uint32_t i = 0; i < g->n_out; i++) {
        t = g->value[g->out[i]].type;

        if (t.dtype != q->dtype || t.rank < 0) {
            continue;
        }

        w = maas_graph_value(g, maas_str("w"));
        g->value[w].type = t;
        g->value[w].role = MAAS_ROLE_INPUT;
        g->in = maas_arena_dup(g->arena, g->in, (g->n_in + 1) * sizeof(w));
        g->in[g->n_in++] = w;

        in[0] = g->out[i];
        in[1] = w;

        if (maas_pass_emit(p, "", "Mul", NULL, 0, in, 2, NULL, &prod)
            != MAAS_OK
            || maas_pass_emit(p, "", "ReduceSum", NULL, 0, &prod, 1, NULL,
                              &term) != MAAS_OK)
        {
            return false;
        }

        in[0] = term;
        in[1] = maas_graph_const(g, maas_str(""), &(maas_tensor_t) {
            .dtype = MAAS_I64, .rank = 1, .data = (void *) "" });

        if (maas_pass_emit(p, "", "Reshape", NULL, 0, in, 2, NULL, &term)
            != MAAS_OK)
        {
            return false;
        }

        if (out != MAAS_NOVAL) {
            in[0] = out;
            in[1] = term;

            if (maas_pass_emit(p, "", "Add", NULL, 0, in, 2, NULL, &term)
                != MAAS_OK)
            {
                return false;
            }
        }

        out = term;
    }

    *loss = out;
    return out != MAAS_NOVAL;
}


static void
grad_inputs(grad_case_t *q)
{
    uint32_t  n = 0;

    for (uint32_t i = 0; i < q->c.n_in; i++) {
        if (!q->c.in[i].absent && !q->c.in[i].constant) {
            q->in[n++] = q->c.in[i].t;
        }
    }
}


/* As in training, where weights may be packed in every run. */
static void
grad_params(grad_case_t *q)
{
    uint32_t       k = 0;
    maas_value_t  *v;
    maas_graph_t  *g = q->g;

    for (uint32_t i = 0; i < g->n_in; i++) {
        v = &g->value[g->in[i]];

        if (i > 0 && i < q->n_in && v->type.dtype == q->dtype) {
            v->role = MAAS_ROLE_PARAM;
            v->data = q->in[i].data;
            v->bytes = q->in[i].bytes;
            continue;
        }

        q->in[k] = q->in[i];
        g->in[k++] = g->in[i];
    }

    q->n_in -= g->n_in - k;
    g->n_in = k;
}


static maas_status_t
grad_graph(grad_case_t *q, maas_err_t *err)
{
    uint32_t          n = 0;
    maas_vid_t        loss, wrt[CASE_INPUTS_MAX], d[CASE_INPUTS_MAX];
    maas_vid_t       *out;
    maas_pass_t       p = { 0 };
    maas_pass_opts_t  opts = { .host = &maas_host_libc, .k = q->k,
                               .fold_budget = 1 << 24 };

    MAAS_TRY(maas_graph_import(&q->g, &q->a, case_model(&q->c, CASE_PLAIN),
                               err));
    MAAS_TRY(maas_graph_infer(q->g, err));

    q->n_in = q->g->n_in;
    p.g = q->g;
    p.err = err;

    if (!grad_loss(q, &p, &loss)) {
        return maas_err(err, MAAS_EINVAL, "no float output");
    }

    MAAS_TRY(maas_graph_infer(q->g, err));

    for (uint32_t i = 0; i < q->n_in; i++) {
        if (q->g->value[q->g->in[i]].type.dtype == q->dtype) {
            wrt[n++] = q->g->in[i];
        }
    }

    MAAS_TRY(maas_autodiff(q->g, loss, wrt, n, d, err));

    out = maas_arena_array(&q->a, n + 1, sizeof(maas_vid_t));
    out[0] = loss;
    q->n_out = 1;
    n = 0;

    for (uint32_t i = 0; i < q->n_in; i++) {
        if (q->g->value[q->g->in[i]].type.dtype == q->dtype) {
            q->moved[i] = d[n] != MAAS_NOVAL;

            if (d[n] != MAAS_NOVAL) {
                out[q->n_out++] = d[n];
            }

            n++;
        }
    }

    q->g->out = out;
    q->g->n_out = q->n_out;
    q->g->declared = NULL;

    if (q->params) {
        grad_params(q);
    }

    MAAS_TRY(maas_passes_run(q->g, &opts, err));

    return maas_net_create(&q->net, q->g, q->k, &maas_host_libc, err);
}


/* The weights of the loss come behind the inputs of the case. */
static void
grad_feed(grad_case_t *q)
{
    uint64_t            seed = 12345;
    maas_tensor_t      *t;
    const maas_type_t  *type;

    for (uint32_t i = q->n_in; i < q->g->n_in; i++) {
        t = &q->in[i];
        type = &q->g->value[q->g->in[i]].type;
        memset(t, 0, sizeof(*t));
        t->dtype = q->dtype;
        t->rank = type->rank;
        memcpy(t->dims, type->dims, sizeof(int64_t) * type->rank);
        t->bytes = maas_tensor_count(t) * maas_dtype_size(t->dtype);
        t->data = maas_arena_alloc(&q->a, t->bytes + MAAS_ALIGN);

        for (int64_t k = 0; k < maas_tensor_count(t); k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            set(t, k, (double) (float) ((double) (seed >> 40) / (1 << 23)
                                        - 1));
        }
    }
}


static bool
grad_open(grad_case_t *q, const maas_op_t *op, const char *args,
    const maas_kernels_t *k, maas_dtype_t dtype, bool params)
{
    maas_err_t  err = { 0 };

    memset(q, 0, sizeof(*q));
    maas_arena_init(&q->a, &maas_host_libc, 0);
    q->k = k;
    q->dtype = dtype;
    q->params = params;

    if (!case_parse(&q->c, &q->a, op, args)) {
        snprintf(q->text, sizeof(q->text), "%s", q->c.error);
        return false;
    }

    for (uint32_t i = 0; i < q->c.n_in; i++) {
        if (!q->c.in[i].absent) {
            q->c.in[i].constant = q->c.in[i].constant
                                  || !is_float(&q->c.in[i].t);

            const maas_formal_t  *f = &op->in[maas_min(i, op->n_in - 1u)];

            /* Resize takes scales and roi as float32 alone. */
            if (!q->c.in[i].constant || ((f->dtypes >> q->dtype & 1)
                                         && strcmp(f->name, "roi") != 0))
            {
                convert(q, &q->c.in[i].t);
            }
        }
    }

    grad_inputs(q);

    if (grad_graph(q, &err) != MAAS_OK) {
        snprintf(q->text, sizeof(q->text), "%.300s", err.text);
        return false;
    }

    grad_feed(q);

    if (maas_net_run(q->net, q->in, NULL, q->out, &err) != MAAS_OK) {
        snprintf(q->text, sizeof(q->text), "run: %.300s", err.text);
        return false;
    }

    return true;
}


static void
grad_close(grad_case_t *q)
{
    maas_net_destroy(q->net);
    maas_arena_destroy(&q->a);
}


/* The gradients, kept from the runs to come. */
static void
grad_keep(grad_case_t *q, maas_tensor_t *d)
{
    for (uint32_t i = 0; i < q->n_out; i++) {
        d[i] = q->out[i];
        d[i].data = maas_arena_dup(&q->a, d[i].data, d[i].bytes + 1);
    }
}


static double
grad_at(grad_case_t *q, uint32_t i, int64_t e, double v, bool *ok)
{
    double         old = get(&q->in[i], e);
    maas_err_t     err;

    set(&q->in[i], e, v);
    *ok = maas_net_run(q->net, q->in, NULL, q->out, &err) == MAAS_OK;
    set(&q->in[i], e, old);

    return *ok ? get(&q->out[0], 0) : NAN;
}


/* Input i, whose gradient is d.  Counts what could be judged. */
static bool
grad_input(grad_case_t *q, uint32_t i, const maas_tensor_t *d, int *judged,
    int *skipped)
{
    bool     ok[3];
    double   x, h, lo, hi, mid, want, left, right, scale = 0;
    int64_t  n = maas_tensor_count(&q->in[i]), step;

    if (d->rank != q->in[i].rank
        || memcmp(d->dims, q->in[i].dims, d->rank * sizeof(int64_t)) != 0)
    {
        snprintf(q->text, sizeof(q->text), "the gradient of input %u has "
                 "another shape", i);
        return false;
    }

    for (int64_t e = 0; e < n; e++) {
        scale = fmax(scale, fabs(get(d, e)));
    }

    step = maas_max(n / GRAD_ELEMENTS, 1);

    for (int64_t e = 0; e < n; e += step) {
        x = get(&q->in[i], e);
        h = 1e-5 * fmax(1, fabs(x));
        lo = grad_at(q, i, e, x - h, &ok[0]);
        mid = grad_at(q, i, e, x, &ok[1]);
        hi = grad_at(q, i, e, x + h, &ok[2]);
        want = (hi - lo) / (2 * h);
        left = (mid - lo) / h;
        right = (hi - mid) / h;

        if (!ok[0] || !ok[1] || !ok[2] || !isfinite(want)
            || fabs(left - right) > 1e-3 * fmax(1, fabs(want)))
        {
            (*skipped)++;
            continue;
        }

        (*judged)++;

        if (!(fabs(get(d, e) - want)
              <= 1e-6 * fmax(1, fmax(scale, fabs(mid)))))
        {
            snprintf(q->text, sizeof(q->text), "input %u, element %lld: "
                     "%.10g, by differences %.10g", i, (long long) e,
                     get(d, e), want);
            return false;
        }
    }

    return true;
}


/* What a rounding of every input changes in each gradient. */
static void
grad_shake(grad_case_t *q, const maas_tensor_t *d)
{
    double      diff;
    uint64_t    seed = 99;
    maas_err_t  err;

    for (uint32_t i = 0; i < q->g->n_in; i++) {
        for (int64_t e = 0; is_float(&q->in[i])
                            && e < maas_tensor_count(&q->in[i]); e++)
        {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            set(&q->in[i], e, get(&q->in[i], e)
                              * (1 + (seed >> 63 ? 6e-8 : -6e-8)));
        }
    }

    if (maas_net_run(q->net, q->in, NULL, q->out, &err) != MAAS_OK) {
        return;
    }

    for (uint32_t i = 1; i < q->n_out; i++) {
        for (int64_t e = 0; e < maas_tensor_count(&d[i]); e++) {
            diff = fabs(get(&q->out[i], e) - get(&d[i], e));
            q->shaken[i] = diff > q->shaken[i] ? diff : q->shaken[i];
        }
    }
}


static bool
grad_f64(grad_case_t *q, maas_tensor_t *d)
{
    int       judged = 0, skipped = 0;
    uint32_t  k = 1;

    grad_keep(q, d);

    for (uint32_t i = 0; i < q->n_in; i++) {
        if (q->moved[i] && !grad_input(q, i, &d[k++], &judged, &skipped)) {
            return false;
        }
    }

    if (skipped > judged) {
        snprintf(q->text, sizeof(q->text), "only %d of %d elements could be "
                 "judged", judged, judged + skipped);
        return false;
    }

    grad_shake(q, d);
    return true;
}


static bool
grad_f32(grad_case_t *q, const grad_case_t *ref, const maas_tensor_t *d)
{
    double  scale, a, b;

    for (uint32_t i = 1; i < ref->n_out; i++) {
        scale = 1e-3;

        for (int64_t e = 0; e < maas_tensor_count(&d[i]); e++) {
            scale = fmax(scale, fabs(get(&d[i], e)));
        }

        for (int64_t e = 0; e < maas_tensor_count(&d[i]); e++) {
            a = get(&q->out[i], e);
            b = get(&d[i], e);

            if (isfinite(b) && !(fabs(a - b) <= 2e-5 * scale
                                              + 100 * ref->shaken[i])) {
                snprintf(q->text, sizeof(q->text), "float32 at %s: gradient "
                         "%u, element %lld: %.8g, in float64 %.8g",
                         maas_cpu_name(q->k->level), i, (long long) e, a, b);
                return false;
            }
        }
    }

    return true;
}


/* Does the case speak of finite floats at all? */
static bool
grad_fits(const maas_op_t *op, const char *args)
{
    bool          fits = false;
    case_t        c;
    maas_arena_t  a;

    maas_arena_init(&a, &maas_host_libc, 0);

    if (strstr(args, ":nan") == NULL && strstr(args, ":inf") == NULL
        && strstr(args, ":denormal") == NULL && strstr(args, ":zero") == NULL
        && case_parse(&c, &a, op, args))
    {
        for (uint32_t i = 0; i < c.n_in; i++) {
            fits = fits || (!c.in[i].absent && !c.in[i].constant
                            && is_float(&c.in[i].t)
                            && maas_tensor_count(&c.in[i].t) != 0);
        }

        for (uint32_t i = 0; i < c.n_in; i++) {
            fits = fits && (c.in[i].absent
                            || (c.in[i].t.dtype != MAAS_F16
                                && c.in[i].t.dtype != MAAS_BF16));
        }
    }

    maas_arena_destroy(&a);
    return fits;
}


/* False: it says nothing about the gradient. */
static bool
grad_case(const maas_op_t *op, const char *args)
{
    bool            good;
    grad_case_t     q, r;
    maas_tensor_t   d[CASE_INPUTS_MAX + 1];

    good = grad_open(&q, op, args, maas_kernels(MAAS_CPU_REF), MAAS_F64,
                     false);

    if (strcmp(q.text, "no float output") == 0
        || strstr(q.text, "no gradient with") != NULL
        || (good && !isfinite(get(&q.out[0], 0))))
    {
        grad_close(&q);
        return false;
    }

    good = good && grad_f64(&q, d);
    ok(good, "%s %s%s%s", op->name, args, good ? "" : ": ", q.text);

    for (int i = 2 * MAAS_CPU_REF; good && i < 2 * (int) maas_cpu_host() + 2;
         i++)
    {
        if (i % 2 && op->pack == NULL) {
            continue;
        }

        good = grad_open(&r, op, args, maas_kernels(i / 2), MAAS_F32, i % 2)
               && grad_f32(&r, &q, d);

        /* Cast: to float64, whatever the input is */
        good = good || strcmp(r.text, "no float output") == 0;
        ok(good, "%s %s, float32, %s%s%s%s", op->name, args,
           maas_cpu_name(i / 2), i % 2 ? ", parameters" : "",
           good ? "" : ": ", r.text);
        grad_close(&r);
    }

    grad_close(&q);
    return true;
}


int
main(void)
{
    int               n;
    const char       *only = getenv("MAAS_CASES");
    const maas_op_t  *op = NULL;

    while ((op = maas_op_next(op)) != NULL) {
        if (op->grad == NULL || op->grad == maas_grad_zero
            || (only != NULL && strcmp(only, op->name) != 0))
        {
            continue;
        }

        n = 0;

        for (const maas_case_t *c = op->cases; c->args != NULL; c++) {
            if (grad_fits(op, c->args)) {
                n += grad_case(op, c->args);
            }
        }

        ok(n > 0, "%s has cases for its gradient", op->name);
    }

    return done();
}
