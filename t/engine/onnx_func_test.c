/*
 * Functions of a model: what their calls become, checked by the numbers of a
 * run, and what is refused.
 */

#include "onnx_run.h"


static const int64_t  dims_n4[] = { -1, 4 };


/* x -> y, without nodes. */
static pb_t
ports(void)
{
    pb_t  g = pb_new();

    pb_put(&g, 11, pb_port("x", 1, 2, dims_n4));
    pb_put(&g, 12, pb_port("y", 1, 2, dims_n4));
    return g;
}


/* A model of one node and one or two functions. */
static pb_t
model(pb_t node, pb_t f1, pb_t *f2)
{
    pb_t  g = ports(), m, set = pb_new();

    pb_put(&g, 1, node);
    m = pb_model(g, 8, 17);
    pb_str(&set, 1, "local");
    pb_int(&set, 2, 1);
    pb_put(&m, 8, set);
    pb_put(&m, 25, f1);

    if (f2 != NULL) {
        pb_put(&m, 25, *f2);
    }

    return m;
}


static pb_t
add(pb_t f, pb_t node)
{
    pb_put(&f, 7, node);
    return f;
}


/* y = leaky(x, alpha) + x */
static pb_t
leaky_plus(void)
{
    pb_t  f = pb_func("LeakyPlus", "a", "b", 17);

    pb_str(&f, 6, "slope");
    f = add(f, pb_with(pb_node("LeakyRelu", "leaky", "a", "t"),
                       pb_attr_ref("alpha", 1, "slope")));
    return add(f, pb_node("Add", "plus", "t a", "b"));
}


static void
test_attributes(void)
{
    pb_t                f;
    static const float  half[4] = { 2, -3, 6, -6 };
    static const float  none[4] = { 2, -2.02f, 6, -4.04f };
    static const float  tenth[4] = { 1, -0.5f, 3, -1 };

    run_is(model(pb_with(pb_call("LeakyPlus", "c", "x", "y"),
                         pb_attr_float("slope", 0.5f)), leaky_plus(), NULL),
           NULL, 0, half, "a reference takes what the call gives");

    run_is(model(pb_call("LeakyPlus", "c", "x", "y"), leaky_plus(), NULL),
           NULL, 0, none, "or nothing: the operator's own default");

    f = pb_func("Leaky", "a", "b", 17);
    pb_put(&f, 11, pb_attr_float("slope", 0.25f));
    f = add(f, pb_with(pb_node("LeakyRelu", "leaky", "a", "b"),
                       pb_attr_ref("alpha", 1, "slope")));
    run_is(model(pb_call("Leaky", "c", "x", "y"), f, NULL), NULL, 0, tenth,
           "or the function's default");

    f = pb_func("Leaky", "a", "b", 17);
    pb_put(&f, 11, pb_attr_float("slope", 9));
    f = add(f, pb_with(pb_node("LeakyRelu", "leaky", "a", "b"),
                       pb_attr_ref("alpha", 1, "slope")));
    run_is(model(pb_with(pb_call("Leaky", "c", "x", "y"),
                         pb_attr_float("slope", 0.25f)), f, NULL), NULL, 0,
           tenth, "which the call overrides");

    run_refused(model(pb_with(pb_call("LeakyPlus", "c", "x", "y"),
                              pb_attr_float("slop", 1)), leaky_plus(), NULL),
                NULL, MAAS_EINVAL, "node 'c' (function local.LeakyPlus): "
                "attribute 'slop' is not known to the function",
                "an attribute that the function does not know");

    run_refused(model(pb_with(pb_call("LeakyPlus", "c", "x", "y"),
                              pb_attr_int("slope", 1)), leaky_plus(), NULL),
                NULL, MAAS_EINVAL, "node 'c/leaky' (LeakyRelu, opset 17): "
                "attribute 'alpha' is an int; a float is expected",
                "an attribute of another type");
}


/* The same function twice in a row, inner names alike; and in a function. */
static void
test_nesting(void)
{
    pb_t                f, g, m, set;
    static const float  want[4] = { 4, -4.5f, 12, -9 };

    g = pb_func("Twice", "a", "b", 17);
    pb_put(&g, 11, pb_attr_float("k", 0.5f));
    g = add(g, pb_with(pb_call("LeakyPlus", "", "a", "t"),
                       pb_attr_ref("slope", 1, "k")));
    g = add(g, pb_with(pb_call("LeakyPlus", "", "t", "b"),
                       pb_attr_ref("slope", 1, "k")));
    run_is(model(pb_call("Twice", "c", "x", "y"), leaky_plus(), &g), NULL, 0,
           want, "a function in a function, twice");

    /* Names of the graph that a function's could meet. */
    f = ports();
    pb_put(&f, 1, pb_node("Identity", "c/t", "x", "c/t"));
    pb_put(&f, 1, pb_with(pb_call("LeakyPlus", "c", "c/t", "t"),
                          pb_attr_float("slope", 0.5f)));
    pb_put(&f, 1, pb_with(pb_call("LeakyPlus", "c", "t", "y"),
                          pb_attr_float("slope", 0.5f)));
    m = pb_model(f, 8, 17);
    set = pb_new();
    pb_str(&set, 1, "local");
    pb_int(&set, 2, 1);
    pb_put(&m, 8, set);
    pb_put(&m, 25, leaky_plus());
    run_is(m, NULL, 0, want, "two calls of one name, and names that meet");
}


static pb_t
branch(const char *op, const char *attr, const char *in, const char *out)
{
    pb_t  g = pb_new(), port = pb_new();

    pb_str(&port, 1, out);
    pb_put(&g, 12, port);
    pb_put(&g, 1, attr == NULL ? pb_node(op, "inner", in, out)
                  : pb_with(pb_node(op, "inner", in, out),
                            pb_attr_ref(attr, 1, "slope")));
    return g;
}


/* If in a function: captures a formal input, refers to an attribute. */
static void
test_bodies(void)
{
    pb_t                f, n, g, m, set;
    static const float  yes[4] = { 1, -1, 3, -2 };
    static const float  no[4] = { 1, 4, 9, 16 };

    for (int c = 0; c < 2; c++) {
        f = pb_func("Choose", "cond a", "b", 17);
        pb_str(&f, 6, "slope");
        n = pb_node("If", "choice", "cond", "b");
        n = pb_with(n, pb_attr_graph("then_branch",
                                     branch("LeakyRelu", "alpha", "a", "o")));
        n = pb_with(n, pb_attr_graph("else_branch",
                                     branch("Mul", NULL, "a a", "o")));
        f = add(f, n);

        g = ports();
        pb_put(&g, 11, pb_port("c", 9, 0, NULL));
        pb_put(&g, 1, pb_with(pb_call("Choose", "f", "c x", "y"),
                              pb_attr_float("slope", 0.5f)));
        m = pb_model(g, 8, 17);
        set = pb_new();
        pb_str(&set, 1, "local");
        pb_int(&set, 2, 1);
        pb_put(&m, 8, set);
        pb_put(&m, 25, f);
        run_is(m, NULL, c, c ? yes : no, c ? "If in a function: then"
                                           : "If in a function: else");
    }

    /* A call in a branch of the model's own graph. */
    g = ports();
    pb_put(&g, 11, pb_port("c", 9, 0, NULL));
    n = pb_node("If", "choice", "c", "y");
    f = pb_new();
    set = pb_new();
    pb_str(&set, 1, "o");
    pb_put(&f, 12, set);
    pb_put(&f, 1, pb_node("Mul", "m", "x x", "t"));
    pb_put(&f, 1, pb_call("Sum2", "s", "t x", "o"));
    n = pb_with(n, pb_attr_graph("then_branch", f));
    n = pb_with(n, pb_attr_graph("else_branch",
                                 branch("Relu", NULL, "x", "o")));
    pb_put(&g, 1, n);
    m = pb_model(g, 8, 17);
    set = pb_new();
    pb_str(&set, 1, "local");
    pb_int(&set, 2, 1);
    pb_put(&m, 8, set);
    pb_put(&m, 25, add(pb_func("Sum2", "p q", "r", 17),
                       pb_node("Add", "", "p q", "r")));
    run_is(m, NULL, 1, (const float[]) { 2, 2, 12, 12 },
           "a call in a branch of the graph");
}


/* Branches of two outputs, of which the node names none, one or the last. */
static void
test_unnamed(void)
{
    pb_t                n, g, b, port;
    static const struct {
        const char  *out;
        float        want[4];
    } row[] = {
        { "y", { 1, 0, 3, 0 } }, { "y -", { 1, 0, 3, 0 } },
        { "- y", { -1, 2, -3, 4 } }
    };

    for (size_t i = 0; i < maas_nelts(row); i++) {
        n = pb_node("If", "choice", "c", row[i].out);

        for (int k = 0; k < 2; k++) {
            b = pb_new();
            port = pb_new();
            pb_str(&port, 1, "p");
            pb_put(&b, 12, port);
            port = pb_new();
            pb_str(&port, 1, "q");
            pb_put(&b, 12, port);
            pb_put(&b, 1, pb_node(k ? "Abs" : "Relu", "", "x", "p"));
            pb_put(&b, 1, pb_node("Neg", "", "x", "q"));
            n = pb_with(n, pb_attr_graph(k ? "else_branch" : "then_branch",
                                         b));
        }

        g = ports();
        pb_put(&g, 11, pb_port("c", 9, 0, NULL));
        pb_put(&g, 1, n);
        run_is(pb_model(g, 8, 17), NULL, 1, row[i].want, row[i].out);
    }
}


/* Softmax changed with opset 13: axis 1 of [1,4] flattened or not. */
static void
test_opsets(void)
{
    pb_t   f, set;
    ran_t  r;

    f = pb_func("Old", "a", "b", 11);
    f = add(f, pb_with(pb_node("Unsqueeze", "u", "a", "t"), ({
        pb_t  a = pb_new();

        pb_str(&a, 1, "axes");
        pb_int(&a, 8, 0);
        pb_int(&a, 20, 7);
        a;
    })));
    f = add(f, pb_node("Flatten", "", "t", "b"));
    run_in(&r, model(pb_call("Old", "c", "x", "y"), f, NULL), NULL, 0);
    ok(r.rc == MAAS_OK && r.n == 4, "a function of an older opset than the "
       "model's: %s", r.err.text);

    f = pb_func("New", "a", "b", 99);
    f = add(f, pb_node("Relu", "", "a", "b"));
    run_refused(model(pb_call("New", "c", "x", "y"), f, NULL), NULL,
                MAAS_EUNSUPPORTED, "function 'local.New': opset 99 is not "
                "served", "an opset that is not served");

    f = pb_new();
    pb_str(&f, 1, "Bare");
    pb_names(&f, 4, "a");
    pb_names(&f, 5, "b");
    pb_str(&f, 10, "local");
    set = pb_node("Relu", "r", "a", "b");
    pb_put(&f, 7, set);
    run_refused(model(pb_call("Bare", "c", "x", "y"), f, NULL), NULL,
                MAAS_EINVAL, "the function does not import an opset of "
                "domain ''", "a function that imports nothing");
}


/* Optional inputs, unused outputs, outputs that are inputs. */
static void
test_formals(void)
{
    pb_t                f;
    static const float  clip[4] = { 1, 0, 3, 0 };

    f = add(pb_func("Clip2", "a lo hi", "b", 17),
            pb_node("Relu", "", "a", "t"));
    f = add(f, pb_node("Clip", "", "t lo hi", "b"));
    run_is(model(pb_call("Clip2", "c", "x", "y"), f, NULL), NULL, 0, clip,
           "inputs that the call leaves out are absent");

    f = add(pb_func("Two", "a", "b c", 17), pb_node("Relu", "", "a", "b"));
    f = add(f, pb_node("Abs", "", "a", "c"));
    run_is(model(pb_call("Two", "c", "x", "y"), f, NULL), NULL, 0, clip,
           "an output that the call leaves out");

    f = add(pb_func("Two", "a", "b c", 17), pb_node("Abs", "", "a", "b"));
    f = add(f, pb_node("Relu", "", "a", "c"));
    run_is(model(pb_call("Two", "c", "x", "- y"), f, NULL), NULL, 0, clip,
           "the first one left out");

    f = add(pb_func("Same", "a", "b b a", 17), pb_node("Relu", "", "a", "b"));
    run_is(model(pb_call("Same", "c", "x", "p y"), f, NULL), NULL, 0, clip,
           "one tensor as two outputs");

    f = add(pb_func("Same", "a", "b b a", 17), pb_node("Relu", "", "a", "b"));
    run_is(model(pb_call("Same", "c", "x", "p q y"), f, NULL), NULL, 0, run_x,
           "an input as an output");

    f = add(pb_func("One", "a", "b", 17), pb_node("Relu", "", "a", "b"));
    run_refused(model(pb_call("One", "c", "x x", "y"), f, NULL), NULL,
                MAAS_EINVAL, "the call has 2 inputs and 1 outputs, but the "
                "function has 1 and 1", "too many inputs");

    f = add(pb_func("Bad", "a", "b", 17), pb_node("Relu", "", "a", "t"));
    run_refused(model(pb_call("Bad", "c", "x", "y"), f, NULL), NULL,
                MAAS_EINVAL, "output 'b' is made by no node",
                "an output that nothing makes");

    f = add(pb_func("Bad", "a", "b", 17), pb_node("Add", "", "a x", "b"));
    run_refused(model(pb_call("Bad", "c", "x", "y"), f, NULL), NULL,
                MAAS_EINVAL, "tensor 'x' is made by no node or input of the "
                "function", "a name of the graph is none of the function's");

    f = add(pb_func("Bad", "a", "b", 17), pb_node("Relu", "", "a", "a"));
    run_refused(model(pb_call("Bad", "c", "x", "y"), f, NULL), NULL,
                MAAS_EINVAL, "output 'a': another tensor has this name",
                "a node that makes an input");
}


static void
test_cycles(void)
{
    pb_t  f, g;

    f = add(pb_func("Self", "a", "b", 17), pb_call("Self", "", "a", "b"));
    run_refused(model(pb_call("Self", "c", "x", "y"), f, NULL), NULL,
                MAAS_EINVAL, "cycle: local.Self -> local.Self",
                "a function that calls itself");

    f = add(pb_func("Ping", "a", "b", 17), pb_call("Pong", "", "a", "b"));
    g = add(pb_func("Pong", "a", "b", 17),
            pb_with(pb_with(pb_node("If", "", "a", "b"),
                            pb_attr_graph("then_branch",
                                          branch("Relu", NULL, "a", "o"))),
                    pb_attr_graph("else_branch", ({
        pb_t  body = pb_new(), port = pb_new();

        pb_str(&port, 1, "o");
        pb_put(&body, 12, port);
        pb_put(&body, 1, pb_call("Ping", "", "a", "o"));
        body;
    }))));
    run_refused(model(pb_call("Ping", "c", "x", "y"), f, &g), NULL,
                MAAS_EINVAL, "cycle: local.Ping -> local.Pong -> local.Ping",
                "two functions, by way of a branch");

    f = add(pb_func("One", "a", "b", 17), pb_node("Relu", "", "a", "b"));
    g = add(pb_func("One", "a", "b", 17), pb_node("Abs", "", "a", "b"));
    run_refused(model(pb_call("One", "c", "x", "y"), f, &g), NULL,
                MAAS_EINVAL, "function 'local.One' is given twice",
                "two functions of one name");
}


/* Overloads are other functions. */
static void
test_overloads(void)
{
    pb_t                f, g, n;
    static const float  abs[4] = { 1, 2, 3, 4 };

    f = add(pb_func("Act", "a", "b", 17), pb_node("Relu", "", "a", "b"));
    g = add(pb_func("Act", "a", "b", 17), pb_node("Abs", "", "a", "b"));
    pb_str(&g, 13, "two");
    n = pb_call("Act", "c", "x", "y");
    pb_str(&n, 8, "two");
    run_is(model(n, f, &g), NULL, 0, abs, "an overload");
}


/* 40 levels of two calls each: 2^40 nodes. */
static void
test_bomb(void)
{
    pb_t   m, f;
    char   name[16], next[16];
    ran_t  r;

    m = model(pb_call("F0", "c", "x", "y"),
              add(pb_func("Leaf", "a", "b", 17),
                  pb_node("Relu", "", "a", "b")), NULL);

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "F%d", i);
        snprintf(next, sizeof(next), "F%d", i + 1);
        f = pb_func(name, "a", "b", 17);
        f = add(f, pb_call(i == 39 ? "Leaf" : next, "", "a", "t"));
        f = add(f, pb_call(i == 39 ? "Leaf" : next, "", "t", "b"));
        pb_put(&m, 25, f);
    }

    run_in(&r, m, NULL, 0);
    ok(r.rc == MAAS_ELIMIT, "doubling is bounded: %s", r.err.text);

    m = model(pb_call("F0", "c", "x", "y"),
              add(pb_func("F80", "a", "b", 17),
                  pb_node("Relu", "", "a", "b")), NULL);

    for (int i = 0; i < 80; i++) {
        snprintf(name, sizeof(name), "F%d", i);
        snprintf(next, sizeof(next), "F%d", i + 1);
        pb_put(&m, 25, add(pb_func(name, "a", "b", 17),
                           pb_call(next, "", "a", "b")));
    }

    run_in(&r, m, NULL, 0);
    ok(r.rc == MAAS_ELIMIT && strstr(r.err.text, "deeper than 64"),
       "80 calls deep: refused");
}


int
main(void)
{
    maas_err_t  err;

    if (maas_init(NULL, &err) != MAAS_OK) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }

    test_attributes();
    test_nesting();
    test_bodies();
    test_unnamed();
    test_opsets();
    test_formals();
    test_cycles();
    test_overloads();
    test_bomb();

    return done();
}
