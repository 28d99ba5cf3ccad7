/*
 * formals.c: a node's inputs and outputs against the formals of its
 * operator: numbers, presence, kinds and dtypes.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#include <stdio.h>

#include "graph/import.h"


static const maas_formal_t *
formal_at(const maas_formal_t *f, uint32_t n, uint32_t i)
{
    if (i < n) {
        return &f[i];
    }

    return n != 0 && (f[n - 1].flags & MAAS_VARIADIC) ? &f[n - 1] : NULL;
}


static maas_status_t
formals_side(const maas_formal_t *f, uint32_t n_formal, const maas_str_t *name,
    uint32_t n, const char *what, maas_err_t *err)
{
    bool      variadic;
    uint32_t  need = 0;

    variadic = n_formal != 0 && (f[n_formal - 1].flags & MAAS_VARIADIC);

    for (uint32_t i = 0; i < n_formal; i++) {
        if (!(f[i].flags & MAAS_OPT)) {
            need = i + 1;
        }
    }

    if (n < need) {
        return maas_err(err, MAAS_EINVAL, "%s '%s' is missing: it has %u %ss, "
                        "at least %u are expected", what, f[n].name, n, what,
                        need);
    }

    if (n > n_formal && !variadic) {
        return maas_err(err, MAAS_EINVAL, "it has %u %ss, at most %u %s "
                        "expected", n, what, n_formal,
                        n_formal == 1 ? "is" : "are");
    }

    for (uint32_t i = 0; i < n; i++) {
        if (name[i].len == 0 && what[0] == 'i'
            && !(formal_at(f, n_formal, i)->flags & MAAS_OPT))
        {
            return maas_err(err, MAAS_EINVAL, "%s %u '%s' is missing", what, i,
                            formal_at(f, n_formal, i)->name);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_formals_count(const maas_op_t *op, const maas_raw_node_t *n,
    maas_err_t *err)
{
    uint32_t  n_in = n->n_in, n_out = n->n_out;

    while (n_in > op->n_in && n->in[n_in - 1].len == 0) {
        n_in--;
    }

    while (n_out > op->n_out && n->out[n_out - 1].len == 0) {
        n_out--;
    }

    if (n_in > UINT16_MAX / 2 || n_out > UINT16_MAX / 2) {
        return maas_err(err, MAAS_ELIMIT, "it has %u inputs and %u outputs",
                        n_in, n_out);
    }

    MAAS_TRY(formals_side(op->in, op->n_in, n->in, n_in, "input", err));

    return formals_side(op->out, op->n_out, n->out, n_out, "output", err);
}


static void
formal_text(uint32_t set, char *out, size_t size)
{
    size_t  len = 0;

    out[0] = '\0';

    for (int d = 1; d < MAAS_DTYPES; d++) {
        if ((set & (1u << d)) && maas_dtypes[d].name != NULL && len < size) {
            len += snprintf(out + len, size - len, "%s%s", len ? ", " : "",
                            maas_dtypes[d].name);
        }
    }
}


static maas_status_t
formal_dtype(const maas_formal_t *f, uint32_t i, const maas_type_t *t,
    maas_err_t *err)
{
    char      text[256];
    uint32_t  set = f->dtypes;

    if (!(f->flags & MAAS_ANYKIND) && t->kind != MAAS_KIND_TENSOR) {
        return maas_err(err, MAAS_EINVAL,
                        "input %u '%s' is no tensor; a tensor is expected", i,
                        f->name);
    }

    if (set & MAAS_D(F32)) {
        set |= MAAS_D_HALF;
    }

    if (t->dtype == MAAS_NODTYPE || (set & (1u << t->dtype))) {
        return MAAS_OK;
    }

    formal_text(f->dtypes, text, sizeof(text));

    return maas_err(err, MAAS_EUNSUPPORTED,
                    "input %u '%s' is %s; expected %s", i, f->name,
                    maas_dtype_name(t->dtype), text);
}


maas_status_t
maas_formals_types(const maas_op_t *op, const maas_type_t *const *type,
    uint32_t n, maas_err_t *err)
{
    uint8_t               var;
    uint32_t              first[256];
    const maas_formal_t  *f;

    memset(first, 0xff, sizeof(first));

    for (uint32_t i = 0; i < n; i++) {
        f = formal_at(op->in, op->n_in, i);
        if (f == NULL || type[i] == NULL) {
            continue;
        }

        MAAS_TRY(formal_dtype(f, i, type[i], err));

        var = (uint8_t) f->var;
        if (var == 0 || (f->flags & MAAS_HETERO)
            || type[i]->dtype == MAAS_NODTYPE)
        {
            continue;
        }

        if (first[var] == UINT32_MAX) {
            first[var] = i;

        } else if (type[first[var]]->dtype != type[i]->dtype) {
            return maas_err(err, MAAS_EINVAL, "inputs %u and %u have to be "
                            "of one type, but they are %s and %s", first[var],
                            i, maas_dtype_name(type[first[var]]->dtype),
                            maas_dtype_name(type[i]->dtype));
        }
    }

    return MAAS_OK;
}
