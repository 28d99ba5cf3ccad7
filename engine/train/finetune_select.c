/*
 * finetune_select.c: which initializers are weights: float32 with a gradient
 * path to the output, and of these the ones that "train" chooses.  See
 * finetune.h.
 */

#include "graph/grad.h"
#include "train/finetune.h"


#define SHOW(s)      MAAS_FINETUNE_SHOW(s)
#define SELECT_NONE  UINT32_MAX

/* What an initializer is to a BatchNormalization. */
enum {
    SELECT_SCALE = 1,           /* or bias */
    SELECT_STATISTIC
};

typedef struct {
    maas_finetune_t     *f;
    const maas_graph_t  *g;
    uint32_t             n;         /* initializers: the first values */
    bool                *path;      /* by value: the output depends on it */
    uint32_t            *block;     /* by value: node without a gradient */
    uint8_t             *norm;      /* by initializer */
    uint32_t            *layer;     /* by initializer: counted from 1 */
    uint32_t             n_layer;
    bool                *chosen;
    bool                *statistic;
} select_t;


bool
maas_finetune_match(maas_str_t name, maas_str_t pattern)
{
    if (pattern.len != 0 && pattern.data[pattern.len - 1] == '*') {
        return name.len >= pattern.len - 1
               && memcmp(name.data, pattern.data, pattern.len - 1) == 0;
    }

    return maas_str_eq(name, pattern);
}


/* -- what may be trained ------------------------------------------------- */

static maas_status_t
select_room(select_t *s)
{
    maas_arena_t  *a = s->f->arena;

    s->path = maas_arena_array(a, s->g->n_value + 1, sizeof(bool));
    s->block = maas_arena_array(a, s->g->n_value + 1, sizeof(uint32_t));
    s->norm = maas_arena_array(a, s->n + 1, 1);
    s->layer = maas_arena_array(a, s->n + 1, sizeof(uint32_t));
    s->chosen = maas_arena_array(a, s->n + 1, sizeof(bool));
    s->statistic = maas_arena_array(a, s->n + 1, sizeof(bool));

    if (s->path == NULL || s->block == NULL || s->norm == NULL
        || s->layer == NULL || s->chosen == NULL || s->statistic == NULL)
    {
        return maas_err_nomem(s->f->err);
    }

    for (uint32_t i = 0; i < s->g->n_value; i++) {
        s->block[i] = SELECT_NONE;
    }

    return MAAS_OK;
}


/* As maas_autodiff() walks, from the output back. */
static void
select_node(select_t *s, uint32_t i)
{
    bool                on = false;
    uint32_t            block = SELECT_NONE;
    const maas_node_t  *n = &s->g->node[i];

    for (int k = 0; k < n->n_out; k++) {
        if (n->out[k] != MAAS_NOVAL && s->path[n->out[k]]) {
            on = true;
            block = maas_min(block, s->block[n->out[k]]);
        }
    }

    if (!on || n->op->grad == maas_grad_zero) {
        return;
    }

    if (n->op->grad == NULL || n->n_body != 0) {
        block = i;
    }

    for (int k = 0; k < n->n_in; k++) {
        if (n->in[k] != MAAS_NOVAL
            && (s->g->value[n->in[k]].type.dtype == MAAS_F32
                || s->g->value[n->in[k]].type.dtype == MAAS_F64))
        {
            s->path[n->in[k]] = true;
            s->block[n->in[k]] = maas_min(s->block[n->in[k]], block);
        }
    }

    for (int k = 1; k < 5 && maas_pass_is(n, "BatchNormalization")
                    && k < n->n_in; k++)
    {
        if (n->in[k] < s->n) {
            s->norm[n->in[k]] = k < 3 ? SELECT_SCALE : SELECT_STATISTIC;
        }
    }
}


static bool
select_adapted(const select_t *s, uint32_t i)
{
    for (uint32_t k = 0; k < s->f->n_lora; k++) {
        if (s->f->lora[k].init == i) {
            return true;
        }
    }

    return false;
}


/* Scalars are constants of a formula, like the epsilon of a norm. */
static bool
select_candidate(const select_t *s, uint32_t i)
{
    const maas_type_t  *t = &s->g->value[i].type;

    return s->path[i] && t->dtype == MAAS_F32 && t->rank > 0
           && i < s->f->raw->graph.n_init && !select_adapted(s, i)
           && (s->norm[i] == 0 || (s->norm[i] == SELECT_SCALE
                                   && s->f->j.batch_norm == 1));
}


/* -- layers -------------------------------------------------------------- */

/* Nodes with weights, in order; an Add of a bias belongs to the one before. */
static void
select_layers(select_t *s)
{
    bool                any, bias;
    const maas_node_t  *n;

    for (uint32_t i = 0; i < s->g->n_node; i++) {
        n = &s->g->node[i];
        any = false;
        bias = maas_pass_is(n, "Add") && s->n_layer != 0;

        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] < s->n && select_candidate(s, n->in[k])) {
                any = true;
                bias = bias && s->g->value[n->in[k]].type.rank == 1;
            }
        }

        s->n_layer += any && !bias;

        for (int k = 0; any && k < n->n_in; k++) {
            if (n->in[k] < s->n) {
                s->layer[n->in[k]] = s->n_layer;
            }
        }
    }
}


/* -- the choice ---------------------------------------------------------- */

static maas_status_t
select_unknown(const select_t *s, maas_str_t word)
{
    char         near[MAAS_NEAR_TEXT];
    maas_str_t   name;
    maas_near_t  guess = { .word = word };

    /* "conv3*" is near to "conv1.weight" by its beginning. */
    guess.word.len -= word.len != 0 && word.data[word.len - 1] == '*';

    for (uint32_t i = 0; i < s->n; i++) {
        name = s->g->value[i].name;

        if (maas_finetune_match(name, word)) {
            return maas_err(s->f->err, MAAS_EINVAL, "model: \"train\": "
                            "'%.*s' cannot be trained: %s", SHOW(name),
                            s->g->value[i].type.dtype != MAAS_F32
                            ? "it is not float32"
                            : s->norm[i] != 0 ? "it belongs to a "
                            "BatchNormalization, and \"batch_norm\" is "
                            "\"frozen\"" : select_adapted(s, i)
                            ? "it has an adapter" : !s->path[i]
                            ? "no gradient leads from the output to it"
                            : "it is a single number");
        }

        if (select_candidate(s, i)) {
            name.len = guess.word.len != word.len
                       ? maas_min(name.len, guess.word.len) : name.len;
            maas_near(&guess, name);
        }
    }

    return maas_err(s->f->err, MAAS_EINVAL, "model: \"train\": the model has "
                    "no weight '%.*s'%s", SHOW(word), guess.best.data != NULL
                    ? maas_near_text(&guess, near) : "");
}


static maas_status_t
select_name(select_t *s, const json_t *v)
{
    bool        any = false;
    maas_str_t  word = { json_string_value(v), json_string_length(v) };

    if (!json_is_string(v)) {
        return maas_err(s->f->err, MAAS_EINVAL, "model: \"train\": a list of "
                        "names is expected");
    }

    for (uint32_t i = 0; i < s->n; i++) {
        if (select_candidate(s, i)
            && maas_finetune_match(s->g->value[i].name, word))
        {
            any = s->chosen[i] = true;
        }
    }

    return any ? MAAS_OK : select_unknown(s, word);
}


static maas_status_t
select_last(select_t *s, const json_t *v)
{
    json_int_t  last = json_integer_value(json_object_get(v, "last"));

    if (json_object_size(v) != 1 || last < 1) {
        return maas_err(s->f->err, MAAS_EINVAL, "model: \"train\": an object "
                        "must be {\"last\":N} with N of at least 1");
    }

    for (uint32_t i = 0; i < s->n; i++) {
        s->chosen[i] = select_candidate(s, i)
                       && (json_int_t) s->layer[i] + last > s->n_layer;
    }

    return MAAS_OK;
}


static maas_status_t
select_choose(select_t *s)
{
    const json_t  *v = s->f->j.train;
    const char    *word = json_string_value(v);

    if (json_is_object(v)) {
        return select_last(s, v);
    }

    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            MAAS_TRY(select_name(s, json_array_get(v, i)));
        }

        return MAAS_OK;
    }

    if (v != NULL && (word == NULL || (strcmp(word, "all") != 0
                                       && strcmp(word, "none") != 0)))
    {
        return maas_err(s->f->err, MAAS_EINVAL, "model: \"train\" must be "
                        "\"all\", \"none\", {\"last\":N} or a list of names");
    }

    for (uint32_t i = 0; i < s->n; i++) {
        s->chosen[i] = select_candidate(s, i)
                       && (word != NULL ? strcmp(word, "all") == 0
                                        : s->f->n_lora == 0);
    }

    return MAAS_OK;
}


static maas_status_t
select_blocked(const select_t *s, uint32_t i)
{
    const maas_node_t  *n;

    if (s->block[i] == SELECT_NONE) {
        return MAAS_OK;
    }

    n = &s->g->node[s->block[i]];

    return maas_err(s->f->err, MAAS_EUNSUPPORTED, "model: '%.*s' cannot be "
                    "trained: node '%.*s' (%s), between it and the output, "
                    "has no gradient; choose weights behind it by \"train\"",
                    SHOW(s->g->value[i].name), SHOW(n->name), n->op->name);
}


/* -- segments ------------------------------------------------------------ */

/* Running statistics go with the scale that is trained. */
static void
select_statistics(select_t *s)
{
    const maas_node_t  *n;

    for (uint32_t i = 0; i < s->g->n_node; i++) {
        n = &s->g->node[i];

        if (maas_pass_is(n, "BatchNormalization") && n->n_in >= 5
            && n->in[1] < s->n && s->chosen[n->in[1]]
            && n->in[3] < s->n && n->in[4] < s->n)
        {
            s->statistic[n->in[3]] = s->statistic[n->in[4]] = true;
        }
    }
}


static maas_status_t
select_segments(select_t *s)
{
    maas_segment_t   *seg;
    maas_finetune_t  *f = s->f;

    seg = maas_arena_array(f->arena, (size_t) s->n + f->n_seg + 1,
                           sizeof(*seg));
    if (seg == NULL) {
        return maas_err_nomem(f->err);
    }

    if (f->n_seg != 0) {
        memcpy(seg, f->seg, f->n_seg * sizeof(*seg));
    }

    f->seg = seg;

    for (uint32_t i = 0; i < s->n; i++) {
        if (!s->chosen[i] && !s->statistic[i]) {
            continue;
        }

        if (s->chosen[i]) {
            MAAS_TRY(select_blocked(s, i));
        }

        f->seg[f->n_seg++] = (maas_segment_t) {
            .name = f->model->graph.init[i].name,
            .trainable = s->chosen[i],
            .decay = s->g->value[i].type.rank > 1
        };
    }

    return f->n_seg != 0 ? MAAS_OK
           : maas_err(f->err, MAAS_EINVAL, "model: there is nothing to "
                      "train: no float32 weight is chosen that the output "
                      "depends on");
}


maas_status_t
maas_finetune_select(maas_finetune_t *f, const maas_graph_t *g)
{
    select_t  s = { .f = f, .g = g, .n = f->model->graph.n_init };

    MAAS_TRY(select_room(&s));
    s.path[g->out[0]] = true;

    for (uint32_t i = g->n_node; i-- > 0; ) {
        select_node(&s, i);
    }

    select_layers(&s);
    MAAS_TRY(select_choose(&s));

    for (int i = 0; i < 2; i++) {
        if (f->head[i] != UINT32_MAX) {
            s.chosen[f->head[i]] = true;
        }
    }

    if (f->j.batch_norm == 1) {
        select_statistics(&s);
    }

    return select_segments(&s);
}
