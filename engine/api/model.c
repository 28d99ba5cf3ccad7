/*
 * model.c: a mapped image, its plans and its runs.
 *
 * Plans are found by a key: the dims of all inputs at the root, the contents
 * that chose it below.  One thread plans at a time in a model (a second one
 * that wants the same plan waits and finds it); look-ups are not held up by
 * planning.  Each plan keeps the contexts that are idle; a run takes one, or
 * makes one.
 *
 * Ownership: the model owns image view, plans and idle contexts; a run owns
 *            its contexts until it is released.
 * Threads:   any; `lock` guards plans, lists and ticks, `planning` is held
 *            while a plan is made.
 */

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "api/model_priv.h"


#define MODEL_ELEMENTS  (64ull << 20)
#define MODEL_PLANS     16
#define MODEL_MEMORY    (8ull << 30)


static _Atomic(uint64_t)  memory_budget;
static _Atomic(uint64_t)  memory_used;


void
maas_memory_budget(uint64_t bytes)
{
    atomic_store(&memory_budget, bytes);
}


/* -- opening and closing ------------------------------------------------- */

static maas_status_t
model_ports(maas_model_t *m, maas_err_t *err)
{
    size_t                  n = m->image->n_in + m->image->n_out;
    maas_port_t            *to;
    const maas_img_port_t  *p;

    m->port = maas_arena_array(&m->image->mem, n + 1, sizeof(maas_port_t));
    if (m->port == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < n; i++) {
        p = &m->image->port[i];
        to = &m->port[i];
        to->name = maas_image_str(m->image, p->name);
        to->kind = p->kind;
        to->dtype = p->dtype;
        to->rank = p->rank;

        for (int d = 0; d < MAAS_RANK_MAX; d++) {
            to->dims[d] = d < p->rank ? p->dims[d] : 0;
            to->sym[d] = d < p->rank ? maas_image_str(m->image, p->sym[d])
                                     : maas_str("");
        }
    }

    return MAAS_OK;
}


static maas_status_t
model_meta(maas_model_t *m, maas_err_t *err)
{
    size_t       size;
    const void  *p = maas_image_section(m->image, MAAS_SEC_META, &size);

    MAAS_TRY(maas_meta_check(p, size, m->image->n_in, m->image->n_out,
                             err));
    m->meta = p;
    return MAAS_OK;
}


static void
model_limits(maas_model_t *m, const maas_limits_t *limits)
{
    if (limits != NULL) {
        m->limits = *limits;
    }

    if (m->limits.max_elements == 0) {
        m->limits.max_elements = MODEL_ELEMENTS;
    }

    if (m->limits.max_plans == 0) {
        m->limits.max_plans = MODEL_PLANS;
    }

    if (m->limits.max_memory == 0) {
        m->limits.max_memory = MODEL_MEMORY;
    }
}


/* Of the profile: every open dimension 1.  *out NULL: there is none. */
maas_status_t
model_profile_plan(maas_model_t *m, maas_plan_t **out, maas_err_t *err)
{
    bool            known = true;
    size_t          len;
    int64_t         key[MODEL_KEY_MAX];
    maas_status_t   rc = MAAS_OK;
    maas_tensor_t  *in;

    *out = NULL;

    in = maas_calloc(m->src.host, m->image->n_in + 1, sizeof(*in));
    if (in == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < m->image->n_in && known; i++) {
        in[i].dtype = m->port[i].dtype;
        in[i].rank = maas_max(m->port[i].rank, 0);

        for (int d = 0; d < in[i].rank; d++) {
            in[i].dims[d] = m->port[i].dims[d] < 0 ? 1 : m->port[i].dims[d];
        }

        known = m->port[i].rank >= 0
                && maas_tensor_size(&in[i], 0, &in[i].bytes);
    }

    if (known && model_key(m, in, key, &len)) {
        rc = maas_plan_make(out, &m->src, in, err);
    }

    if (*out != NULL) {
        (*out)->key = maas_arena_dup(&(*out)->mem, key, maas_max(len, 8u));
        (*out)->key_len = len;
        rc = (*out)->key == NULL ? maas_err_nomem(err) : MAAS_OK;
    }

    maas_free(m->src.host, in);
    return rc;
}


static bool
model_same_plan(const maas_plan_t *p, const maas_plan_t *q)
{
    return p->key_len == q->key_len && p->n_step == q->n_step
           && p->n_operand == q->n_operand && p->n_out == q->n_out
           && p->arena_bytes == q->arena_bytes && p->scratch == q->scratch
           && p->const_bytes == q->const_bytes && !q->cut
           && memcmp(p->key, q->key, p->key_len) == 0
           && (p->n_step == 0
               || memcmp(p->step, q->step,
                         p->n_step * sizeof(maas_plan_step_t)) == 0)
           && (p->n_operand == 0
               || memcmp(p->operand, q->operand,
                         p->n_operand * sizeof(maas_operand_t)) == 0)
           && memcmp(p->out, q->out, p->n_out * sizeof(maas_operand_t)) == 0
           && (p->const_bytes == 0
               || memcmp(p->consts, q->consts, p->const_bytes) == 0);
}


/*
 * Kernels trust a plan: steps of other shapes than the nodes give would write
 * anywhere.  So the stored plan has to be the one that planning gives here.
 */
static maas_status_t
model_stored_plan(maas_model_t *m, maas_err_t *err)
{
    maas_plan_t    *p, *q;
    maas_status_t   rc;

    /* Steps name kernels of the level they were chosen at. */
    if (m->image->header->cpu != maas_cpu_in_use()) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_image_plan(&p, m->image, m->src.host, err));

    if (p == NULL) {
        return MAAS_OK;
    }

    rc = model_profile_plan(m, &q, err);

    /* These limits may be narrower than the compiler's. */
    if (rc == MAAS_ELIMIT) {
        maas_plan_release(p, m->src.host);
        return MAAS_OK;
    }

    if (rc == MAAS_OK && (q == NULL || !model_same_plan(p, q))) {
        rc = maas_err(err, MAAS_ETRUNC, "image: its plan is not the plan of "
                      "its graph: compile the model again");
    }

    maas_plan_release(q, m->src.host);

    if (rc != MAAS_OK) {
        maas_plan_release(p, m->src.host);
        return rc;
    }

    p->next = m->plans;
    m->plans = p;
    m->n_plan++;

    return MAAS_OK;
}


static maas_status_t
model_setup(maas_model_t *m, const void *p, size_t size,
    const maas_limits_t *limits, maas_err_t *err)
{
    m->src.host = maas_host_default();
    m->src.k = maas_kernels(maas_cpu_in_use());
    m->bytes = size;
    model_limits(m, limits);

    MAAS_TRY(maas_image_load(&m->image, m->src.host, p, size, err));

    m->src.graph = m->image->graph;
    m->src.n_graph = m->image->n_graph;
    m->src.max_elements = maas_max(m->limits.max_elements * 16,
                                   (uint64_t) 1 << 20);
    m->src.max_bytes = m->limits.max_memory;

    MAAS_TRY(model_ports(m, err));
    MAAS_TRY(model_meta(m, err));

    return model_stored_plan(m, err);
}


maas_status_t
maas_model_open(maas_model_t **out, const void *image, size_t size,
    const maas_limits_t *limits, maas_err_t *err)
{
    maas_model_t   *m;
    maas_status_t   rc;

    m = maas_calloc(maas_host_default(), 1, sizeof(maas_model_t));
    if (m == NULL) {
        return maas_err_nomem(err);
    }

    atomic_init(&m->refs, 1);
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->planning, NULL);

    rc = model_setup(m, image, size, limits, err);

    if (rc != MAAS_OK) {
        maas_model_release(m);
        return rc;
    }

    *out = m;
    return MAAS_OK;
}


maas_status_t
maas_model_map(maas_model_t **out, int fd, const maas_limits_t *limits,
    maas_err_t *err)
{
    void          *p;
    struct stat    st;
    maas_status_t  rc;

    if (fstat(fd, &st) != 0 || st.st_size <= 0) {
        return maas_err(err, MAAS_EIO, "the image cannot be read");
    }

    p = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return maas_err(err, MAAS_EIO, "the image cannot be mapped");
    }

    rc = maas_model_open(out, p, st.st_size, limits, err);

    if (rc != MAAS_OK) {
        munmap(p, st.st_size);
        return rc;
    }

    (*out)->mapped = p;
    return MAAS_OK;
}


void
maas_model_retain(maas_model_t *m)
{
    atomic_fetch_add(&m->refs, 1);
}


/* The plan, its children and the contexts they keep. */
static void
model_drop_plan(maas_model_t *m, maas_plan_t *p)
{
    maas_plan_t     *child;
    maas_run_ctx_t  *c;

    p->dropped = true;

    while ((child = p->children) != NULL) {
        p->children = child->next;
        model_drop_plan(m, child);
    }

    while ((c = p->idle) != NULL) {
        p->idle = c->next;
        model_ctx_free(m, c);
    }

    maas_plan_release(p, m->src.host);
}


void
maas_model_release(maas_model_t *m)
{
    maas_plan_t  *p;

    if (m == NULL || atomic_fetch_sub(&m->refs, 1) != 1) {
        return;
    }

    while ((p = m->plans) != NULL) {
        m->plans = p->next;
        model_drop_plan(m, p);
    }

    maas_image_unload(m->image, m->src.host);

    if (m->mapped != NULL) {
        munmap(m->mapped, m->bytes);
    }

    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->planning);
    maas_free(maas_host_default(), m);
}


/* -- memory -------------------------------------------------------------- */

/* Takes bytes of both budgets, or none. */
static bool
model_charge(maas_model_t *m, uint64_t bytes)
{
    uint64_t  budget = atomic_load(&memory_budget);

    if (atomic_fetch_add(&m->memory, bytes) + bytes > m->limits.max_memory) {
        atomic_fetch_sub(&m->memory, bytes);
        return false;
    }

    if (atomic_fetch_add(&memory_used, bytes) + bytes > budget
        && budget != 0)
    {
        atomic_fetch_sub(&memory_used, bytes);
        atomic_fetch_sub(&m->memory, bytes);
        return false;
    }

    return true;
}


static void
model_uncharge(maas_model_t *m, uint64_t bytes)
{
    atomic_fetch_sub(&m->memory, bytes);
    atomic_fetch_sub(&memory_used, bytes);
}


static uint64_t
ctx_tree_bytes(const maas_run_ctx_t *c)
{
    uint64_t  n = c->bytes;

    for (const maas_run_ctx_t *k = c->children; k != NULL; k = k->next) {
        n += ctx_tree_bytes(k);
    }

    return n;
}


void
model_ctx_free(maas_model_t *m, maas_run_ctx_t *c)
{
    model_uncharge(m, ctx_tree_bytes(c));
    maas_ctx_destroy(c, m->src.host);
}


/* Gives back the idle contexts of every plan.  Under the lock. */
static void
model_trim(maas_model_t *m)
{
    maas_run_ctx_t  *c;

    for (maas_plan_t *p = m->plans; p != NULL; p = p->next) {
        while ((c = p->idle) != NULL) {
            p->idle = c->next;
            model_ctx_free(m, c);
        }
    }
}


maas_status_t
model_ctx_make(maas_model_t *m, maas_plan_t *p, maas_run_ctx_t *parent,
    uint32_t slots, maas_run_ctx_t **out, maas_err_t *err)
{
    uint64_t       bytes = maas_ctx_bytes(p, slots);
    maas_status_t  rc;

    if (!model_charge(m, bytes)) {
        pthread_mutex_lock(&m->lock);
        model_trim(m);
        pthread_mutex_unlock(&m->lock);

        if (!model_charge(m, bytes)) {
            return maas_err(err, MAAS_ENOMEM,
                            "%llu bytes of working memory are not to be had "
                            "now: the budget is spent",
                            (unsigned long long) bytes);
        }
    }

    rc = maas_ctx_create(out, &m->src, p, parent, slots, err);
    if (rc != MAAS_OK) {
        model_uncharge(m, bytes);
    }

    return rc;
}


/* -- plans --------------------------------------------------------------- */

/* Moves the plan to the newest tick and returns it with a reference. */
static maas_plan_t *
model_find(maas_model_t *m, maas_plan_t *list, const void *key, size_t len)
{
    for (maas_plan_t *p = list; p != NULL; p = p->next) {
        if (p->key_len == len && memcmp(p->key, key, len) == 0) {
            p->used = ++m->tick;
            atomic_fetch_add(&p->refs, 1);
            return p;
        }
    }

    return NULL;
}


/* Drops the least recently used plan of a full list.  Under the lock. */
static void
model_evict(maas_model_t *m, maas_plan_t **list, uint32_t *n)
{
    maas_plan_t  **at, **oldest = list, *p;

    if (*n < m->limits.max_plans) {
        return;
    }

    for (at = list; *at != NULL; at = &(*at)->next) {
        if ((*at)->used < (*oldest)->used) {
            oldest = at;
        }
    }

    p = *oldest;
    *oldest = p->next;
    (*n)--;
    model_drop_plan(m, p);
}


static maas_status_t
model_make(maas_model_t *m, maas_plan_t *parent, const maas_tensor_t *in,
    const void *key, size_t len, maas_plan_t **out, maas_err_t *err)
{
    uint32_t      *n;
    maas_plan_t   *p, **list;
    maas_status_t  rc;

    rc = parent == NULL ? maas_plan_make(&p, &m->src, in, err)
                        : maas_plan_child(&p, &m->src, parent, key, err);
    if (rc != MAAS_OK) {
        return rc;
    }

    p->key = maas_arena_dup(&p->mem, key, maas_max(len, 1u));
    if (p->key == NULL) {
        maas_plan_release(p, m->src.host);
        return maas_err_nomem(err);
    }

    p->key_len = len;

    pthread_mutex_lock(&m->lock);

    /* A parent that was dropped meanwhile lends its child to this run. */
    if (parent == NULL || !parent->dropped) {
        list = parent != NULL ? &parent->children : &m->plans;
        n = parent != NULL ? &parent->n_child : &m->n_plan;
        model_evict(m, list, n);
        p->next = *list;
        *list = p;
        (*n)++;
        p->used = ++m->tick;
        atomic_fetch_add(&p->refs, 1);

    } else {
        /* Nor may it keep children: they hold it, and nobody drops it. */
        p->dropped = true;
    }

    pthread_mutex_unlock(&m->lock);

    *out = p;
    return MAAS_OK;
}


/* A plan with a reference; made when it is not there. */
maas_status_t
model_plan(maas_model_t *m, maas_plan_t *parent, const maas_tensor_t *in,
    const void *key, size_t len, maas_plan_t **out, maas_err_t *err)
{
    maas_status_t  rc = MAAS_OK;

    pthread_mutex_lock(&m->lock);
    *out = model_find(m, parent != NULL ? parent->children : m->plans, key,
                      len);
    pthread_mutex_unlock(&m->lock);

    if (*out != NULL) {
        return MAAS_OK;
    }

    pthread_mutex_lock(&m->planning);

    pthread_mutex_lock(&m->lock);
    *out = model_find(m, parent != NULL ? parent->children : m->plans, key,
                      len);
    pthread_mutex_unlock(&m->lock);

    if (*out == NULL) {
        rc = model_make(m, parent, in, key, len, out, err);
    }

    pthread_mutex_unlock(&m->planning);
    return rc;
}


/* What a plan depends on of one tensor; false: no room. */
static bool
model_key_tensor(const maas_tensor_t *t, int64_t *key, size_t *n)
{
    if (*n + t->rank + 3 > MODEL_KEY_MAX) {
        return false;
    }

    key[(*n)++] = t->rank;

    /* Text sizes the storage of what is made of it. */
    if (t->dtype == MAAS_STRING) {
        key[(*n)++] = (int64_t) t->bytes;
    }

    for (int d = 0; d < t->rank; d++) {
        key[(*n)++] = t->dims[d];
    }

    return true;
}


bool
model_key(const maas_model_t *m, const maas_tensor_t *in, int64_t *key,
    size_t *len)
{
    size_t               n = 0;
    const maas_items_t  *l;

    for (uint32_t i = 0; i < m->image->n_in; i++) {
        if (in[i].format != MAAS_FMT_ITEMS) {
            if (!model_key_tensor(&in[i], key, &n)) {
                return false;
            }

            continue;
        }

        l = in[i].data;

        if (n + 2 > MODEL_KEY_MAX) {
            return false;
        }

        key[n++] = (int64_t) l->n << 8 | l->inner << 1 | l->has;

        for (uint32_t j = 0; j < l->n; j++) {
            key[n++] = l->item[j].dtype;

            if (!model_key_tensor(&l->item[j], key, &n)) {
                return false;
            }
        }
    }

    *len = n * sizeof(int64_t);
    return true;
}


uint64_t
maas_model_cost(maas_model_t *m, const maas_tensor_t *in)
{
    size_t        len;
    int64_t       key[MODEL_KEY_MAX];
    uint64_t      cost = UINT64_MAX;
    maas_plan_t  *p;

    if (!model_key(m, in, key, &len)) {
        return cost;
    }

    pthread_mutex_lock(&m->lock);

    for (p = m->plans; p != NULL; p = p->next) {
        if (p->key_len == len && memcmp(p->key, key, len) == 0) {
            /* A cut hides what follows; idle: memory is there, too. */
            cost = p->cut || p->idle == NULL ? UINT64_MAX
                                             : (uint64_t) p->cost;
            break;
        }
    }

    pthread_mutex_unlock(&m->lock);
    return cost;
}


/* -- what others ask ----------------------------------------------------- */

const maas_port_t *
maas_model_inputs(const maas_model_t *m, size_t *n)
{
    *n = m->image->n_in;
    return m->port;
}


const maas_port_t *
maas_model_outputs(const maas_model_t *m, size_t *n)
{
    *n = m->image->n_out;
    return m->port + m->image->n_in;
}


const maas_meta_t *
maas_model_meta(const maas_model_t *m)
{
    return m->meta;
}


const maas_limits_t *
maas_model_limits(const maas_model_t *m)
{
    return &m->limits;
}


size_t
maas_model_image_bytes(const maas_model_t *m)
{
    return m->bytes;
}


size_t
maas_model_memory(const maas_model_t *m)
{
    return atomic_load(&m->memory);
}
