/*
 * grow_write.c: grown trees as TreeEnsembleClassifier and
 * TreeEnsembleRegressor of ai.onnx.ml 3.  Nodes of a tree are written as
 * they lie, BRANCH_LEQ and LEAF.
 *
 * Shares of classes become multiples of 2^-24 that sum up to 1 exactly over
 * classes and trees: float32 holds every partial sum of them, so that each
 * runtime gets the same bits in whatever order it adds.  Where leaf values
 * of numbers are averaged they are divided by the number of trees already.
 *
 * Two classes are written as one weight a leaf, of the second class: the
 * form in which runtimes agree, label = share > 0.5, shares 1 - s and s.
 *
 * Ownership: lists are scratch; the build copies them.
 * Threads:   one thread.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <math.h>

#include "train/estimators/grow.h"


typedef struct {
    maas_fit_job_t      *f;
    const maas_grown_t  *t;
    int64_t              trees;
    bool                 classify;
    size_t               n;         /* nodes */
    size_t               m;         /* leaf weights */
    maas_arena_t         arena;
    int64_t             *tree, *id, *feature, *yes, *no, *missing;
    float               *value;
    maas_str_t          *mode;
    int64_t             *wtree, *wid, *wtarget;
    float               *weight;
    bool                 any_missing;
    size_t               n_attr;
    maas_raw_attr_t      attr[20];
} write_t;


static maas_status_t
write_lists(write_t *w)
{
    maas_arena_t  *a = &w->arena;

    for (int64_t i = 0; i < w->trees; i++) {
        w->n += w->t[i].n_node;
        w->m += w->t[i].n_weight;
    }

    if (w->n > INT32_MAX / 2 || w->m > INT32_MAX / 2) {
        return maas_err(w->f->err, MAAS_ELIMIT, "the trees have %zu nodes and "
                        "%zu leaf weights; a model holds up to %d of each: "
                        "limit max_depth, min_samples_leaf or trees", w->n,
                        w->m, INT32_MAX / 2);
    }

    w->tree = maas_arena_array(a, w->n, sizeof(int64_t));
    w->id = maas_arena_array(a, w->n, sizeof(int64_t));
    w->feature = maas_arena_array(a, w->n, sizeof(int64_t));
    w->yes = maas_arena_array(a, w->n, sizeof(int64_t));
    w->no = maas_arena_array(a, w->n, sizeof(int64_t));
    w->missing = maas_arena_array(a, w->n, sizeof(int64_t));
    w->value = maas_arena_array(a, w->n, sizeof(float));
    w->mode = maas_arena_array(a, w->n, sizeof(maas_str_t));
    w->wtree = maas_arena_array(a, w->m, sizeof(int64_t));
    w->wid = maas_arena_array(a, w->m, sizeof(int64_t));
    w->wtarget = maas_arena_array(a, w->m, sizeof(int64_t));
    w->weight = maas_arena_array(a, w->m, sizeof(float));

    return w->tree && w->id && w->feature && w->yes && w->no && w->missing
           && w->value && w->mode && w->wtree && w->wid && w->wtarget
           && w->weight ? MAAS_OK : maas_err_nomem(w->f->err);
}


#define WRITE_UNITS   16777216.0    /* of a probability */
#define WRITE_GOLDEN  0.6180339887498949

/* This tree's units: they sum up to all of them. */
static double
write_units(const write_t *w, int64_t number)
{
    double  t = (double) w->trees, i = (double) number;

    return floor((i + 1) * WRITE_UNITS / t) - floor(i * WRITE_UNITS / t);
}


static void
write_leaf(write_t *w, int64_t number, uint32_t id, size_t m)
{
    bool                        pair = w->f->n_class == 2;
    double                      units, sum = 0, at, last = 0, up;
    const maas_grown_t         *t = &w->t[number];
    const maas_grown_node_t    *n = &t->node[id];
    const maas_grown_weight_t  *v = &t->weight[n->yes];

    units = w->classify ? write_units(w, number) : 0;

    /* Trees round at different places, so that they do not add up. */
    up = WRITE_GOLDEN * (double) (number + 1);
    up -= floor(up);

    for (uint32_t k = 0; k < n->no; k++, v++, m++) {
        w->wtree[m] = number;
        w->wid[m] = id;
        w->wtarget[m] = w->classify && pair ? 0 : v->target;
        w->weight[m] = v->value;

        if (w->classify) {
            sum += (double) v->value;
            at = !pair && k + 1 == n->no ? units : floor(sum * units + up);
            at = maas_min(at, units);
            w->weight[m] = (float) ((at - last) / WRITE_UNITS);
            last = at;
        }
    }
}


static void
write_tree(write_t *w, int64_t number, size_t *node, size_t *weight)
{
    size_t                    i = *node;
    const maas_grown_t       *t = &w->t[number];
    const maas_grown_node_t  *n;

    for (uint32_t j = 0; j < t->n_node; j++, i++) {
        n = &t->node[j];
        w->tree[i] = number;
        w->id[i] = j;

        if (n->feature >= 0) {
            w->mode[i] = maas_str("BRANCH_LEQ");
            w->feature[i] = n->feature;
            w->value[i] = n->threshold;
            w->yes[i] = n->yes;
            w->no[i] = n->no;
            w->missing[i] = n->missing;
            w->any_missing |= n->missing;

        } else {
            w->mode[i] = maas_str("LEAF");
            write_leaf(w, number, j, *weight);
            *weight += n->no;
        }
    }

    *node = i;
}


static void
write_ints(write_t *w, const char *name, const int64_t *v, size_t n)
{
    w->attr[w->n_attr++] = maas_build_attr_ints(name, v, n);
}


static maas_status_t
write_trees(write_t *w)
{
    bool    c = w->classify;
    size_t  node = 0, weight = 0;

    MAAS_TRY(write_lists(w));

    for (int64_t i = 0; i < w->trees; i++) {
        write_tree(w, i, &node, &weight);
    }

    write_ints(w, "nodes_treeids", w->tree, w->n);
    write_ints(w, "nodes_nodeids", w->id, w->n);
    write_ints(w, "nodes_featureids", w->feature, w->n);
    write_ints(w, "nodes_truenodeids", w->yes, w->n);
    write_ints(w, "nodes_falsenodeids", w->no, w->n);

    if (w->any_missing) {
        write_ints(w, "nodes_missing_value_tracks_true", w->missing, w->n);
    }

    w->attr[w->n_attr++] = maas_build_attr_strings("nodes_modes", w->mode,
                                                   w->n);
    w->attr[w->n_attr++] = maas_build_attr_floats("nodes_values", w->value,
                                                  w->n);
    write_ints(w, c ? "class_treeids" : "target_treeids", w->wtree, w->m);
    write_ints(w, c ? "class_nodeids" : "target_nodeids", w->wid, w->m);
    write_ints(w, c ? "class_ids" : "target_ids", w->wtarget, w->m);
    w->attr[w->n_attr++] = maas_build_attr_floats(c ? "class_weights"
                                                    : "target_weights",
                                                  w->weight, w->m);
    return MAAS_OK;
}


static maas_status_t
write_classes(write_t *w)
{
    maas_str_t       in = w->f->in, out[2] = { maas_str("label"),
                                               maas_str("probabilities") };
    maas_fit_job_t  *f = w->f;
    maas_raw_attr_t  labels;

    MAAS_TRY(write_trees(w));
    labels = maas_fit_labels(f);

    if (f->class_name == NULL) {
        labels.name = maas_str("classlabels_int64s");
    }

    w->attr[w->n_attr++] = labels;
    w->attr[w->n_attr++] = maas_build_attr_string("post_transform", "NONE");

    (void) maas_build_node(f->build, &(maas_build_node_t) {
        .op = "TreeEnsembleClassifier", .domain = "ai.onnx.ml", .in = &in,
        .n_in = 1, .out = out, .n_out = 2, .attr = w->attr,
        .n_attr = w->n_attr
    });

    f->out[0] = out[0];
    f->out[1] = out[1];

    return MAAS_OK;
}


maas_status_t
maas_grow_write_classes(maas_fit_job_t *f, const maas_grown_t *t,
    int64_t trees)
{
    write_t        w = { .f = f, .t = t, .trees = trees, .classify = true };
    maas_status_t  rc;

    maas_arena_init(&w.arena, f->host, 0);
    rc = write_classes(&w);
    maas_arena_destroy(&w.arena);

    return rc;
}


static maas_status_t
write_sums(write_t *w, int targets, const double *base, maas_str_t *out)
{
    float           *b;
    maas_str_t       in = w->f->in;
    maas_fit_job_t  *f = w->f;

    MAAS_TRY(write_trees(w));

    if (base != NULL) {
        b = maas_arena_array(&w->arena, (size_t) targets, sizeof(float));
        if (b == NULL) {
            return maas_err_nomem(f->err);
        }

        for (int k = 0; k < targets; k++) {
            b[k] = (float) base[k];
        }

        w->attr[w->n_attr++] = maas_build_attr_floats("base_values", b,
                                                      (size_t) targets);
    }

    w->attr[w->n_attr++] = maas_build_attr_int("n_targets", targets);
    w->attr[w->n_attr++] = maas_build_attr_string("aggregate_function",
                                                  "SUM");
    w->attr[w->n_attr++] = maas_build_attr_string("post_transform", "NONE");

    *out = maas_build_node(f->build, &(maas_build_node_t) {
        .op = "TreeEnsembleRegressor", .domain = "ai.onnx.ml", .in = &in,
        .n_in = 1, .out = out, .n_out = 1, .attr = w->attr,
        .n_attr = w->n_attr
    });

    return MAAS_OK;
}


maas_status_t
maas_grow_write_sums(maas_fit_job_t *f, const maas_grown_t *t, int64_t trees,
    int targets, const double *base, const char *name, maas_str_t *out)
{
    write_t        w = { .f = f, .t = t, .trees = trees };
    maas_status_t  rc;

    *out = name == NULL ? (maas_str_t) { NULL, 0 }
                        : (maas_str_t) { name, strlen(name) };
    maas_arena_init(&w.arena, f->host, 0);
    rc = write_sums(&w, targets, base, out);
    maas_arena_destroy(&w.arena);

    return rc;
}


/* -- what was learned ---------------------------------------------------- */

/*
 * Each tree's gains as shares of its own sum, averaged over trees; false:
 * nobody gained.
 */
static bool
summary_gains(const maas_grown_t *t, int64_t trees, int64_t p, double *sum,
    double *one)
{
    double                    all, total = 0;
    const maas_grown_node_t  *n;

    for (int64_t i = 0; i < trees; i++) {
        memset(one, 0, (size_t) p * sizeof(double));
        all = 0;

        for (uint32_t j = 0; j < t[i].n_node; j++) {
            n = &t[i].node[j];

            if (n->feature >= 0) {
                one[n->feature] += (double) n->gain;
                all += (double) n->gain;
            }
        }

        for (int64_t j = 0; j < p && all > 0; j++) {
            sum[j] += one[j] / all;
        }

        total += all > 0;
    }

    for (int64_t j = 0; j < p && total > 0; j++) {
        sum[j] /= total;
    }

    return total > 0;
}


void
maas_grow_summary(maas_fit_job_t *f, const maas_grown_t *t, int64_t trees)
{
    double       *sum;
    uint32_t      depth = 0;
    uint64_t      nodes = 0;

    for (int64_t i = 0; i < trees; i++) {
        nodes += t[i].n_node;
        depth = maas_max(depth, t[i].depth);
    }

    maas_fit_say_int(f, "trees", trees);
    maas_fit_say_int(f, "nodes", (int64_t) nodes);
    maas_fit_say_int(f, "depth", depth);

    sum = maas_calloc(f->host, 2 * (size_t) f->p, sizeof(double));
    if (sum == NULL) {
        f->summary->failed = true;
        return;
    }

    if (summary_gains(t, trees, f->p, sum, sum + f->p)) {
        maas_fit_say_list(f, "feature_importances", sum, f->p);
    }

    maas_free(f->host, sum);
}
