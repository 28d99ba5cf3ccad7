/*
 * planchain.c: which steps of a plan run as one, by bands of rows (chain.h).
 *
 * A step may be linked to the next one when that alone reads its output, once,
 * as what it goes through by rows.  Runs of links become chains where it
 * pays: what is between the steps would leave the second cache, and the rows
 * of a band and the weights, which each band reads again, stay in it.  A run
 * that does not fit is cut at its smallest link.  The choice knows shapes
 * alone.
 *
 * An output that took the place of an operand does so no more where a step
 * before it in its chain reads that operand: other rows of it are still
 * wanted when some are written.
 *
 * Ownership: what is made here lies in the builder's memory.
 * Threads:   one thread builds a plan.
 */

#include "graph/chain.h"
#include "graph/planframe.h"


#define CHAIN_ROOM    (512 << 10)   /* bytes of rows, in the second cache */
#define CHAIN_CACHE   (1024 << 10)  /* of rows and weights */
#define CHAIN_LEAST   (1024 << 10)  /* of an output, all images */
#define CHAIN_STEPS   3             /* more share the room without gain */
#define CHAIN_UNITS   8             /* for some threads */
#define CHAIN_RUN     64            /* links that are looked at together */

typedef struct {
    uint32_t  *uses;            /* by step: readers of its output ... */
    uint32_t  *reader;          /* ... and the first of them */
    uint32_t  *reads;           /* by storage, while going through steps */
    uint32_t  *next;
    bool      *part;            /* by storage: a slice, or has slices */
    uint32_t   n_part;
} chain_scan_t;


static maas_operand_t *
chain_operand(const plan_build_t *b, uint32_t step, int i)
{
    return &b->plan->operand[b->plan->step[step].operand + (uint32_t) i];
}


static maas_operand_t *
chain_out(const plan_build_t *b, uint32_t step)
{
    return chain_operand(b, step, b->plan->step[step].n_in);
}


static bool
chain_part(const chain_scan_t *c, uint64_t storage)
{
    return storage < c->n_part && c->part[storage];
}


/* A piece of this plan's arena. */
static bool
chain_arena(const plan_build_t *b, const maas_operand_t *o)
{
    return o->at == MAAS_AT_ARENA && o->index == b->plan->level;
}


/* -- readers ------------------------------------------------------------- */

/* From the last step to the first: who reads what each writes. */
static void
chain_readers(const plan_build_t *b, chain_scan_t *c)
{
    const maas_operand_t    *o;
    const maas_plan_step_t  *s;

    for (uint32_t i = b->plan->n_step; i-- > 0; /* void */ ) {
        s = &b->plan->step[i];

        for (int j = s->n_in; j < s->n_in + s->n_out; j++) {
            o = chain_operand(b, i, j);

            if (chain_arena(b, o)) {
                c->uses[i] = c->reads[o->off];
                c->reader[i] = c->next[o->off];
                c->reads[o->off] = 0;
            }
        }

        for (int j = 0; j < s->n_in; j++) {
            o = chain_operand(b, i, j);

            if (chain_arena(b, o)) {
                c->reads[o->off]++;
                c->next[o->off] = i;
            }
        }
    }
}


static maas_status_t
chain_scan(plan_build_t *b, chain_scan_t *c)
{
    uint32_t     n = b->plan->n_step + 1, m = b->n_storage + 1;
    maas_plan_t  *p = b->plan;

    c->uses = maas_arena_array(&b->tmp, n, sizeof(*c->uses));
    c->reader = maas_arena_array(&b->tmp, n, sizeof(*c->reader));
    c->reads = maas_arena_array(&b->tmp, m, sizeof(*c->reads));
    c->next = maas_arena_array(&b->tmp, m, sizeof(*c->next));
    c->part = maas_arena_array(&b->tmp, m, sizeof(*c->part));

    if (c->uses == NULL || c->reader == NULL || c->reads == NULL
        || c->next == NULL || c->part == NULL)
    {
        return maas_err_nomem(b->err);
    }

    c->n_part = b->n_storage;

    for (uint32_t i = 0; i < b->n_storage; i++) {
        c->reads[i] = b->storage_refs[i] != 0 ? 2 : 0;
        c->part[i] = c->part[i] || b->storage[i].into != 0;

        if (b->storage[i].into != 0) {
            c->part[b->storage[i].into - 1] = true;
        }
    }

    for (uint32_t i = 0; i < p->n_out; i++) {
        if (chain_arena(b, &p->out[i])) {
            c->reads[p->out[i].off] = 2;
        }
    }

    chain_readers(b, c);
    return MAAS_OK;
}


/* -- links --------------------------------------------------------------- */

/* The step as a kernel sees it; t: room for its tensors. */
static void
chain_step(const plan_build_t *b, uint32_t i, maas_step_t *s,
    maas_tensor_t *t)
{
    const maas_node_t       *n;
    const maas_operand_t    *o;
    const maas_plan_step_t  *ps = &b->plan->step[i];

    n = &b->src->graph[ps->graph]->node[ps->node];
    memset(s, 0, sizeof(*s));

    for (int j = 0; j < ps->n_in + ps->n_out; j++) {
        o = chain_operand(b, i, j);
        memset(&t[j], 0, sizeof(t[j]));
        t[j].dtype = o->dtype;
        t[j].rank = o->rank;
        t[j].format = o->format;
        t[j].bytes = o->bytes;
        memcpy(t[j].dims, o->dims, sizeof(t[j].dims));
    }

    s->attr = n->attr;
    s->k = b->src->k;
    s->in = t;
    s->out = t + ps->n_in;
    s->post = n->post;
    s->n_in = ps->n_in;
    s->n_formal = (uint16_t) (ps->n_in - (n->n_in - n->n_formal));
    s->n_out = ps->n_out;
    s->n_post = n->n_post;
    s->kernel = ps->kernel < n->op->n_kernel ? &n->op->kernel[ps->kernel]
                                             : NULL;
}


/* Can it go by rows at all? */
static bool
chain_able(const plan_build_t *b, uint32_t i)
{
    const maas_node_t       *n;
    const maas_plan_step_t  *s = &b->plan->step[i];

    n = &b->src->graph[s->graph]->node[s->node];

    return s->kernel < n->op->n_kernel
           && n->op->kernel[s->kernel].rows != NULL && s->n_out == 1
           && s->n_in > 0 && s->units > 0 && s->shared == UINT64_MAX
           && chain_out(b, i)->format == MAAS_FMT_C16
           && chain_out(b, i)->rank >= 3 && chain_out(b, i)->rank <= 4;
}


/* Is step i + 1 alone in reading what step i writes? */
static bool
chain_linked(const plan_build_t *b, const chain_scan_t *c, uint32_t i)
{
    const maas_operand_t  *out = chain_out(b, i);
    const maas_operand_t  *in = chain_operand(b, i + 1, 0);

    return chain_arena(b, out) && c->uses[i] == 1 && c->reader[i] == i + 1
           && !chain_part(c, out->off) && memcmp(out, in, sizeof(*out)) == 0
           && out->delta == 0
           && (b->src->chains == MAAS_CHAINS_ALL
               || out->bytes >= CHAIN_LEAST);
}


/* -- making one ---------------------------------------------------------- */

/* Bytes of constants that a band reads. */
static uint64_t
chain_weights(const plan_build_t *b, uint32_t first, uint32_t n)
{
    uint64_t               bytes = 0;
    const maas_operand_t  *o;

    for (uint32_t i = 0; i < n; i++) {
        for (int j = 1; j < b->plan->step[first + i].n_in; j++) {
            o = chain_operand(b, first + i, j);
            bytes += o->at == MAAS_AT_IMAGE || o->at == MAAS_AT_PLAN
                     ? o->bytes : 0;
        }
    }

    return bytes;
}


/* The fewest bands of an image whose rows fit; false: none do. */
static bool
chain_fit(const plan_build_t *b, maas_chain_t *c, const maas_step_t *s,
    uint64_t weights)
{
    int64_t  rows = c->step[c->n - 1].rows.out, lo = 1, hi = rows, mid;

    if (b->src->chains == MAAS_CHAINS_ALL) {
        maas_chain_bands(c, s, rows);
        return true;
    }

    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        maas_chain_bands(c, s, mid);

        if (c->scratch <= CHAIN_ROOM) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }

    if (c->images < CHAIN_UNITS && rows >= CHAIN_UNITS) {
        lo = maas_max(lo, (CHAIN_UNITS + c->images - 1) / c->images);
        lo += lo % 2 != 0 && lo < rows;
    }

    maas_chain_bands(c, s, lo);

    return c->scratch <= CHAIN_ROOM && c->scratch + weights <= CHAIN_CACHE;
}


/* Does the output lie where a step of its chain reads something else? */
static bool
chain_overwrites(const plan_build_t *b, uint32_t first, uint32_t last)
{
    const maas_operand_t  *o, *out = chain_out(b, last);

    if (!chain_arena(b, out)) {
        return false;
    }

    for (uint32_t i = first; i <= last; i++) {
        for (int j = 0; j < b->plan->step[i].n_in; j++) {
            o = chain_operand(b, i, j);

            /* What is linked goes to scratch; an operand may be replaced. */
            if (chain_arena(b, o) && o->off == out->off
                && (j == 0 ? i == first : i != last))
            {
                return true;
            }
        }
    }

    return false;
}


/* Would a place of its own for the output take more than is saved? */
static bool
chain_larger(const plan_build_t *b, uint32_t first, uint32_t last)
{
    uint64_t  saved = 0;

    for (uint32_t i = first; i < last; i++) {
        saved += chain_out(b, i)->bytes;
    }

    return b->src->chains != MAAS_CHAINS_ALL
           && b->storage[chain_out(b, last)->off].bytes > saved;
}


/* What is written to the output's storage from its step on goes to another. */
static maas_status_t
chain_apart(plan_build_t *b, uint32_t last)
{
    int32_t          to;
    uint64_t         from = chain_out(b, last)->off;
    maas_plan_t     *p = b->plan;
    maas_operand_t  *o = chain_out(b, last);

    MAAS_TRY(plan_storage(b, b->storage[from].bytes, last, &to));
    b->storage[to].last = b->storage[from].last;
    b->storage[from].last = last;
    b->storage_refs[to] = b->storage_refs[from];
    b->storage_refs[from] = 0;

    for ( /* void */ ; o < p->operand + p->n_operand; o++) {
        if (chain_arena(b, o) && o->off == from) {
            o->off = (uint64_t) to;
        }
    }

    for (uint32_t i = 0; i < p->n_out; i++) {
        if (chain_arena(b, &p->out[i]) && p->out[i].off == from) {
            p->out[i].off = (uint64_t) to;
        }
    }

    return MAAS_OK;
}


/* All that the steps touch lives through all of them. */
static void
chain_lives(plan_build_t *b, uint32_t first, uint32_t last)
{
    maas_storage_t        *s;
    const maas_operand_t  *o;

    for (uint32_t i = first; i <= last; i++) {
        for (int j = 0; j < b->plan->step[i].n_in + 1; j++) {
            o = chain_operand(b, i, j);

            if (chain_arena(b, o)) {
                s = &b->storage[o->off];
                s->first = maas_min(s->first, first);
                s->last = maas_max(s->last, last);
            }
        }
    }
}


/* The outputs between the steps need no place but their rows'. */
static void
chain_rows(plan_build_t *b, const maas_chain_t *c, uint32_t first)
{
    maas_operand_t  *o;

    for (int i = 0; i + 1 < c->n; i++) {
        o = chain_out(b, first + (uint32_t) i);
        o->at = MAAS_AT_CHAIN;
        o->index = 0;
        o->off = 0;
        *chain_operand(b, first + (uint32_t) i + 1, 0) = *o;
    }
}


static maas_status_t
chain_make(plan_build_t *b, const chain_scan_t *scan, const maas_chain_t *c,
    uint32_t first, bool *made)
{
    uint32_t           last = first + c->n - 1;
    maas_plan_step_t  *s = &b->plan->step[first];

    *made = false;

    if (chain_overwrites(b, first, last)) {
        if (b->plan->cut || chain_part(scan, chain_out(b, last)->off)
            || chain_larger(b, first, last))
        {
            return MAAS_OK;
        }

        MAAS_TRY(chain_apart(b, last));
    }

    chain_rows(b, c, first);
    chain_lives(b, first, last);

    s->chain = (uint32_t) c->n;
    s->units = c->images * c->bands;
    s->scratch = c->scratch;
    b->plan->scratch = maas_max(b->plan->scratch, s->scratch);

    for (int i = 1; i < c->n; i++) {
        s[i].chain = MAAS_CHAINED;
        s[i].units = 0;
        s[i].scratch = 0;
        s->cost += s[i].cost;
        s[i].cost = 0;
    }

    *made = true;
    return MAAS_OK;
}


/* -- runs of links ------------------------------------------------------- */

/* Steps [first, last], each linked to the next: as one, if it pays. */
static maas_status_t
chain_try(plan_build_t *b, const chain_scan_t *scan, uint32_t first,
    uint32_t last, bool *made)
{
    uint32_t        n = last - first + 1, tensors = 0;
    maas_step_t     s[MAAS_CHAIN_MAX];
    maas_chain_t    c;
    maas_tensor_t  *t;

    *made = false;

    if (n > (b->src->chains == MAAS_CHAINS_ALL ? MAAS_CHAIN_MAX
                                               : CHAIN_STEPS))
    {
        return MAAS_OK;
    }

    for (uint32_t i = first; i <= last; i++) {
        tensors += b->plan->step[i].n_in + 1u;
    }

    t = maas_arena_array(&b->tmp, tensors, sizeof(*t));
    if (t == NULL) {
        return maas_err_nomem(b->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        chain_step(b, first + i, &s[i], t);
        t += s[i].n_in + 1;
    }

    if (!maas_chain_rows(&c, s, (int) n)) {
        return MAAS_OK;
    }

    for (uint32_t i = 0; i + 1 < n; i++) {
        if (c.step[i].rows.whole) {
            return MAAS_OK;
        }
    }

    if (!chain_fit(b, &c, s, chain_weights(b, first, n))) {
        return MAAS_OK;
    }

    return chain_make(b, scan, &c, first, made);
}


static maas_status_t
chain_split(plan_build_t *b, const chain_scan_t *scan, uint32_t first,
    uint32_t last)
{
    bool      made;
    uint32_t  cut = first;

    if (first >= last) {
        return MAAS_OK;
    }

    MAAS_TRY(chain_try(b, scan, first, last, &made));

    if (made) {
        return MAAS_OK;
    }

    for (uint32_t i = first; i < last; i++) {
        if (chain_out(b, i)->bytes < chain_out(b, cut)->bytes) {
            cut = i;
        }
    }

    MAAS_TRY(chain_split(b, scan, first, cut));
    return chain_split(b, scan, cut + 1, last);
}


/* Storages that no operand names any more; seen: those that are slices. */
static void
chain_drop(plan_build_t *b, bool *seen)
{
    maas_plan_t  *p = b->plan;

    for (uint32_t i = 0; i < p->n_operand; i++) {
        if (chain_arena(b, &p->operand[i])) {
            seen[p->operand[i].off] = true;
        }
    }

    for (uint32_t i = 0; i < p->n_out; i++) {
        if (chain_arena(b, &p->out[i])) {
            seen[p->out[i].off] = true;
        }
    }

    for (uint32_t i = 0; i < p->n_step; i++) {
        if (p->step[i].shared != UINT64_MAX) {
            seen[p->step[i].shared] = true;
        }
    }

    for (uint32_t i = 0; i < b->n_storage; i++) {
        if (!seen[i] && b->storage_refs[i] == 0) {
            p->tensor_bytes += b->storage[i].bytes;
            b->storage[i].bytes = 0;
        }
    }
}


maas_status_t
plan_chains(plan_build_t *b)
{
    bool          *seen;
    uint32_t       i, j, n = b->plan->n_step;
    chain_scan_t   c;

    if (b->src->chains == MAAS_CHAINS_OFF || n < 2) {
        return MAAS_OK;
    }

    MAAS_TRY(chain_scan(b, &c));

    for (i = 0; i < n; i = j + 1) {
        for (j = i; j + 1 < n && j - i < CHAIN_RUN && chain_able(b, j)
                    && chain_able(b, j + 1) && chain_linked(b, &c, j); j++)
        {
            /* void */
        }

        MAAS_TRY(chain_split(b, &c, i, j));
    }

    seen = maas_arena_array(&b->tmp, b->n_storage + 1, sizeof(*seen));
    if (seen == NULL) {
        return maas_err_nomem(b->err);
    }

    memcpy(seen, c.part, c.n_part * sizeof(*seen));
    chain_drop(b, seen);
    return MAAS_OK;
}
