/*
 * Random nests: what graph_build.h draws, with Loop, Scan, sequences and
 * NonZero among it.  How often a Loop goes round is a constant or computed
 * by the run; its body may give what it was given, what it captures or a
 * constant, and lists cross bodies as they are.
 *
 * Ownership: everything lies in the arena.
 */

#ifndef MAAS_GRAPH_LOOPS_H
#define MAAS_GRAPH_LOOPS_H

#include "graph_build.h"


#define LOOPS_DEPTH  2

static maas_str_t
loops_scalar(build_t *b, maas_dtype_t dtype, int64_t i, float f)
{
    bool  on = i != 0;

    return constant(b, dtype, 0, NULL, dtype == MAAS_I64 ? (void *) &i
                    : dtype == MAAS_BOOL ? (void *) &on : (void *) &f);
}


static maas_str_t
loops_node(build_t *b, const char *op, maas_str_t x, maas_str_t y)
{
    maas_str_t  out = new_name(b);

    node(b, op, out, y.len != 0 ? 2 : 1, x, y);
    return out;
}


static maas_str_t
loops_sum(build_t *b, maas_str_t x)
{
    maas_str_t  out = new_name(b);

    attr_int(node(b, "ReduceSum", out, 1, x), "keepdims", 0);
    return out;
}


static maas_str_t
loops_cast(build_t *b, maas_str_t x, maas_dtype_t to)
{
    maas_str_t  out = new_name(b);

    attr_int(node(b, "Cast", out, 1, x), "to", to);
    return out;
}


/* An int64 from 0 to n - 1 that the contents of x decide. */
static maas_str_t
loops_count(build_t *b, maas_str_t x, int64_t n)
{
    maas_str_t  t = loops_sum(b, x);

    t = loops_node(b, "Mul", t, loops_scalar(b, MAAS_F32, 0, 3.7f));
    t = loops_node(b, "Tanh", t, maas_str(""));
    t = loops_node(b, "Abs", t, maas_str(""));
    t = loops_node(b, "Mul", t, loops_scalar(b, MAAS_F32, 0,
                                             (float) n - 0.01f));

    return loops_cast(b, t, MAAS_I64);
}


/* A value that a scalar was added to. */
static void
loops_add_scalar(build_t *b, maas_str_t scalar)
{
    val_t  x = pick(b, 0), y = add_val(b, x.cols, false);

    node(b, "Add", y.name, 2, x.name,
         loops_node(b, "Tanh", scalar, maas_str("")));
}


static void
loops_outs(build_t *b, maas_raw_node_t *n, const val_t *y, uint32_t n_y)
{
    n->n_out = n_y;
    n->out = maas_arena_array(b->a, n_y + 1, sizeof(maas_str_t));

    for (uint32_t i = 0; i < n_y; i++) {
        n->out[i] = y[i].name;
    }
}


/* An output of a body; what is one already gets another name. */
static void
loops_out(build_t *k, maas_str_t name)
{
    for (uint32_t i = 0; i < k->g->n_out; i++) {
        if (maas_str_eq(k->g->out[i].name, name)) {
            name = loops_node(k, "Identity", name, maas_str(""));
            break;
        }
    }

    port(&k->g->out[k->g->n_out++], name, -1);
}


/* What is carried on: most often new, else as it came, or from outside. */
static void
loops_carry(build_t *k, const build_t *b, val_t in)
{
    val_t  v = in;

    switch (rnd(k, 6)) {
    case 0:
        break;
    case 1:
        v = pick((build_t *) b, in.cols);
        v = v.cols == in.cols ? v : in;
        break;
    default:
        v = pick(k, in.cols);
        v = v.cols == in.cols ? v : in;
        v.name = loops_node(k, "Tanh", v.name, maas_str(""));
    }

    loops_out(k, v.name);
}


static build_t *
loops_body(const build_t *b)
{
    build_t  *k = maas_arena_dup(b->a, b, sizeof(*b));

    k->g = new_graph(b->a);
    k->depth++;
    return k;
}


static void
loops_nodes(build_t *k)
{
    for (uint32_t i = rnd(k, 5); i > 0; i--) {
        add_node(k);
    }
}


/* x: [T, N, cols]; scanned, or summed. */
static void
loops_scan(build_t *b, maas_str_t x, int64_t cols)
{
    bool              scanned = rnd(b, 2);
    val_t             init = pick(b, rnd(b, 2) ? cols : 0), out[2], in;
    int64_t          *back = maas_arena_array(b->a, 1, sizeof(*back));
    build_t          *k = loops_body(b);
    maas_raw_node_t  *n;

    in = add_val(k, init.cols, false);
    port(&k->g->in[k->g->n_in++], in.name, init.cols);
    port(&k->g->in[k->g->n_in++], add_val(k, cols, false).name, cols);
    loops_nodes(k);

    if (cols == init.cols && rnd(b, 3) == 0) {
        loops_out(k, k->g->in[1].name);
    } else {
        loops_carry(k, b, in);
    }

    if (scanned) {
        loops_out(k, pick(k, 0).name);
    }

    out[0] = add_val(b, init.cols, false);
    out[1].name = new_name(b);
    n = node(b, "Scan", out[0].name, 2, init.name, x);
    loops_outs(b, n, out, scanned ? 2 : 1);
    attr_int(n, "num_scan_inputs", 1);
    attr_graph(n, "body", k->g);

    back[0] = rnd(b, 2);
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("scan_input_directions"), .type = MAAS_ATTR_INTS,
        .n = 1, .ints = back
    };

    if (scanned) {
        loops_add_scalar(b, loops_sum(b, out[1].name));
    }
}


/* Scans what was put together: the slices are views of it. */
static void
loops_add_scan(build_t *b)
{
    uint32_t          n_x = 1 + rnd(b, 3);
    val_t             x = pick(b, 0), y;
    maas_str_t        t[3], s = new_name(b), one = ints(b, 1, 0, 0);
    maas_raw_node_t  *n;

    for (uint32_t i = 0; i < n_x; i++) {
        y = pick(b, x.cols);
        y = y.cols == x.cols ? y : x;
        t[i] = loops_node(b, "Unsqueeze", y.name, one);
    }

    n = node(b, "Concat", s, n_x, t[0], n_x > 1 ? t[1] : t[0],
             n_x > 2 ? t[2] : t[0]);
    attr_int(n, "axis", 0);

    loops_scan(b, n_x == 1 && rnd(b, 2) ? t[0] : s, x.cols);
}


/* M, the condition, and what the body says of it. */
static void
loops_often(build_t *b, maas_str_t *m, maas_str_t *cond)
{
    static const maas_str_t  none = { "", 0 };

    switch (rnd(b, 4)) {
    case 0: case 1:
        *m = loops_scalar(b, MAAS_I64, rnd(b, 5), 0);
        break;
    default:
        *m = loops_count(b, pick(b, 0).name, 5);
    }

    *cond = rnd(b, 3) ? none
            : rnd(b, 4) ? loops_scalar(b, MAAS_BOOL, 1, 0)
            : loops_node(b, "Greater", loops_sum(b, pick(b, 0).name),
                         loops_scalar(b, MAAS_F32, 0, 0.0517f));
}


static maas_str_t
loops_cond(build_t *k, maas_str_t in)
{
    switch (rnd(k, 4)) {
    case 0:
        return in;
    case 1:
        return loops_scalar(k, MAAS_BOOL, 1, 0);
    case 2:
        return loops_node(k, "Identity", in, maas_str(""));
    default:
        return loops_node(k, "Less", loops_sum(k, pick(k, 0).name),
                          loops_scalar(k, MAAS_F32, 0, 0.7317f));
    }
}


static void
loops_body_inputs(build_t *k, const val_t *init, uint32_t n, val_t *in)
{
    maas_raw_port_t  *p;

    for (uint32_t i = 0; i < n + 2; i++) {
        p = port(&k->g->in[k->g->n_in++], i < 2 ? new_name(k)
                 : (in[i - 2] = add_val(k, init[i - 2].cols, false)).name,
                 i < 2 ? 1 : init[i - 2].cols);

        if (i < 2) {
            p->dtype = i == 0 ? MAAS_I64 : MAAS_BOOL;
            p->rank = 0;
        }
    }

    if (rnd(k, 2)) {
        loops_add_scalar(k, loops_cast(k, k->g->in[0].name, MAAS_F32));
    }
}


/* List inputs and outputs are the last of those that are carried. */
static void
loops_add_loop(build_t *b)
{
    val_t             init[2], in[2], out[6], s[2];
    build_t          *k = loops_body(b);
    uint32_t          n_init = 1 + rnd(b, 2), n_scan = rnd(b, 3), i;
    maas_str_t        m, cond;
    maas_raw_node_t  *n;

    for (i = 0; i < n_init; i++) {
        init[i] = i != 0 && rnd(b, 3) == 0 ? init[0] : pick(b, 0);
    }

    loops_often(b, &m, &cond);
    loops_body_inputs(k, init, n_init, in);
    loops_nodes(k);

    port(&k->g->out[k->g->n_out++], loops_cond(k, k->g->in[1].name), -1)
        ->dtype = MAAS_BOOL;

    for (i = 0; i < n_init; i++) {
        loops_carry(k, b, in[i]);
    }

    for (i = 0; i < n_init; i++) {
        out[i].name = rnd(b, 5) ? add_val(b, init[i].cols, false).name
                                : maas_str("");
    }

    for (i = 0; i < n_scan; i++) {
        s[i] = pick(k, 0);
        loops_out(k, s[i].name);
        s[i].name = out[n_init + i].name = rnd(b, 5) ? new_name(b)
                                                     : maas_str("");
    }

    n = node(b, "Loop", m, 2 + n_init, m, cond, init[0].name,
             init[n_init - 1].name);
    loops_outs(b, n, out, n_init + n_scan);
    attr_graph(n, "body", k->g);

    for (i = 0; i < n_scan; i++) {
        if (s[i].name.len == 0) {
            continue;
        }

        if (rnd(b, 2)) {
            loops_scan(b, s[i].name, s[i].cols);
        } else {
            loops_add_scalar(b, loops_sum(b, s[i].name));
        }
    }
}


/* A sequence that bodies capture and a Loop makes longer. */
static maas_str_t
loops_longer(build_t *b, maas_str_t seq, int64_t cols)
{
    val_t             v, out[1];
    build_t          *k = loops_body(b);
    maas_str_t        m, cond;
    maas_raw_node_t  *n;
    maas_raw_port_t  *p;

    loops_often(b, &m, &cond);
    loops_body_inputs(k, NULL, 0, NULL);
    p = port(&k->g->in[k->g->n_in++], new_name(k), -1);
    p->kind = MAAS_KIND_SEQUENCE;
    loops_nodes(k);

    if (rnd(b, 2)) {
        v = add_val(k, cols, false);
        node(k, "SequenceAt", v.name, 2, rnd(b, 2) ? seq : p->name,
             loops_scalar(k, MAAS_I64, 0, 0));
    }

    v = pick(k, cols);
    v.name = v.cols == cols ? v.name : b->val[0].name;

    port(&k->g->out[k->g->n_out++], loops_cond(k, k->g->in[1].name), -1)
        ->dtype = MAAS_BOOL;
    port(&k->g->out[k->g->n_out++], rnd(b, 4) && v.cols == cols
         ? loops_node(k, "SequenceInsert", p->name, v.name) : p->name, -1)
        ->kind = MAAS_KIND_SEQUENCE;

    out[0].name = new_name(b);
    n = node(b, "Loop", out[0].name, 3, m, cond, seq);
    loops_outs(b, n, out, 1);
    attr_graph(n, "body", k->g);

    return out[0].name;
}


static void
loops_add_list(build_t *b)
{
    val_t             x = pick(b, 0), y = pick(b, x.cols), z;
    maas_str_t        seq, at;
    maas_raw_node_t  *n;

    y = y.cols == x.cols ? y : x;
    seq = loops_node(b, "SequenceConstruct", x.name, y.name);

    if (b->depth < LOOPS_DEPTH && rnd(b, 2)) {
        seq = loops_longer(b, seq, x.cols);
        loops_add_scalar(b, loops_cast(b, loops_node(b, "SequenceLength",
                                       seq, maas_str("")), MAAS_F32));
    }

    switch (rnd(b, 3)) {
    case 0:
        if (2 * x.cols <= 40) {
            z = add_val(b, 2 * x.cols, false);
            n = node(b, "ConcatFromSequence", z.name, 1,
                     loops_node(b, "SequenceConstruct", y.name, x.name));
            attr_int(n, "axis", 1);
        }
        /* Fall through. */
    case 1:
        z = add_val(b, x.cols, false);
        node(b, "SequenceAt", z.name, 2, seq,
             loops_scalar(b, MAAS_I64, -(int64_t) rnd(b, 3), 0));
        break;
    default:
        at = loops_count(b, pick(b, 0).name, 2);
        z = add_val(b, x.cols, false);
        node(b, "SequenceAt", z.name, 2, seq, at);
    }
}


/* How many elements, and where, only a run can tell. */
static void
loops_add_nonzero(build_t *b)
{
    maas_str_t  t = new_name(b);

    node(b, "Greater", t, 2, pick(b, 0).name,
         loops_scalar(b, MAAS_F32, 0, 0.1371f));
    t = loops_node(b, "NonZero", t, maas_str(""));
    t = loops_sum(b, loops_cast(b, t, MAAS_F32));
    loops_add_scalar(b, loops_node(b, "Mul", t,
                                   loops_scalar(b, MAAS_F32, 0, 0.0019f)));
}


__attribute__((unused))
static void
loops_more(build_t *b)
{
    if (b->g->n_node > 300 || b->n_val > VALS_MAX - 40) {
        return;
    }

    switch (rnd(b, 5)) {
    case 0: case 1:
        if (b->depth < LOOPS_DEPTH) {
            loops_add_loop(b);
        }
        return;
    case 2:
        if (b->depth < LOOPS_DEPTH) {
            loops_add_scan(b);
        }
        return;
    case 3:
        loops_add_list(b);
        return;
    default:
        loops_add_nonzero(b);
    }
}

#endif
