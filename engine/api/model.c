/*
 * model.c: a mapped image, its plans and its runs.
 *
 * Plans and where they are kept: plancache.c; what they may cost: budget.c.
 * Each plan keeps the contexts that are idle; a run takes one, or makes one.
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
#define MODEL_STALE     (10ull * 1000 * 1000 * 1000)


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
        to->inner = p->inner;
        to->key = p->key;
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


/* These limits may be narrower than the compiler's: runs will say so. */
static bool
model_narrow(const maas_model_t *m, maas_status_t rc)
{
    return rc == MAAS_ELIMIT
           || (rc == MAAS_ENOMEM && atomic_load(&m->refused) != 0);
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

    rc = maas_image_plan(&p, m->image, m->src.host, err);

    if (rc != MAAS_OK || p == NULL) {
        return model_narrow(m, rc) ? MAAS_OK : rc;
    }

    rc = model_profile_plan(m, &q, err);

    if (model_narrow(m, rc)) {
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

    /* The plan of the warm-up counts as asked for again. */
    p->hits = 1;
    p->seen_ns = maas_now_ns();
    p->next = m->plans;
    m->plans = p;
    m->n_plan++;

    return MAAS_OK;
}


static maas_status_t
model_setup(maas_model_t *m, const void *p, size_t size,
    const maas_limits_t *limits, maas_err_t *err)
{
    m->src.host = &m->host;
    m->stale_ns = MODEL_STALE;
    m->src.k = maas_kernels(maas_cpu_in_use());
    m->bytes = size;
    model_limits(m, limits);

    MAAS_TRY(maas_image_load(&m->image, maas_host_default(), p, size, err));

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
    model_join(m);

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


void
maas_model_release(maas_model_t *m)
{
    maas_plan_t  *p;

    if (m == NULL || atomic_fetch_sub(&m->refs, 1) != 1) {
        return;
    }

    model_leave(m);

    while ((p = m->plans) != NULL) {
        m->plans = p->next;
        model_drop_plan(m, p);
    }

    maas_image_unload(m->image, maas_host_default());

    if (m->mapped != NULL) {
        munmap(m->mapped, m->bytes);
    }

    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->planning);
    maas_free(maas_host_default(), atomic_load(&m->pads));
    maas_free(maas_host_default(), m);
}


/* -- keys ---------------------------------------------------------------- */

/*
 * Room for m more numbers: when there is none, the key so far is replaced by
 * its SHA-256, so that lists of any length have keys of their own.
 */
static bool
model_key_room(int64_t *key, size_t *n, size_t m)
{
    uint8_t      digest[MAAS_DIGEST];
    maas_sha_t  *sha;

    if (*n + m <= MODEL_KEY_MAX) {
        return true;
    }

    sha = maas_sha_create();
    if (sha == NULL) {
        return false;
    }

    maas_sha_update(sha, key, *n * sizeof(int64_t));
    maas_sha_final(sha, digest);
    memcpy(key, digest, sizeof(digest));
    *n = sizeof(digest) / sizeof(int64_t);

    return true;
}


/* What a plan depends on of one tensor; false: no memory. */
static bool
model_key_tensor(const maas_tensor_t *t, int64_t *key, size_t *n)
{
    if (!model_key_room(key, n, (size_t) t->rank + 3)) {
        return false;
    }

    key[(*n)++] = t->rank;

    /* Text sizes the storage of what is made of it. */
    if (t->dtype == MAAS_STRING) {
        key[(*n)++] = (int64_t) maas_tensor_text_room(t);
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

        if (!model_key_room(key, &n, 2)) {
            return false;
        }

        key[n++] = (int64_t) l->n << 8 | l->inner << 1 | l->has;

        for (uint32_t j = 0; j < l->n; j++) {
            if (!model_key_room(key, &n, 2)) {
                return false;
            }

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

bool
maas_model_random(const maas_model_t *m)
{
    const maas_graph_t  *g;

    for (uint32_t i = 0; i < m->image->n_graph; i++) {
        g = m->image->graph[i];

        for (uint32_t j = 0; j < g->n_node; j++) {
            if (g->node[j].op->flags & MAAS_OP_RANDOM) {
                return true;
            }
        }
    }

    return false;
}


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


const uint8_t *
maas_model_digest(const maas_model_t *m)
{
    return m->image->header->payload;
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


size_t
maas_model_rested(const maas_model_t *m)
{
    return atomic_load(&m->rested);
}
