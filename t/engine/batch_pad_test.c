/*
 * Calls of several lengths in one run: padded to the longest and cut back,
 * with the bits of their own runs; which models may, and which say why not.
 */

#include <pthread.h>

#include "batch_calls.h"


/* -- lengths ------------------------------------------------------------- */

/* Calls of 1 to 3 rows and 5 to 8 columns: padded, and cut back. */
static void
test_lengths(pb_t b, const char *json, const char *name)
{
    loaded_t           l;
    request_t          r[CALLS], one;
    maas_call_t       *call[CALLS];
    maas_err_t         err = { 0 };
    maas_call_info_t   info;
    maas_call_needs_t  needs;
    uint64_t           kind = 0;
    int                equal = 0, joint = 0, kinds = 0;

    if (!ok(load_json(&l, b, json), "%s", name)) {
        return;
    }

    ok(maas_model_batch_check(l.m, NULL, &err) == MAAS_OK
       && maas_model_pads(l.m) == NULL
       && maas_model_pad_check(l.m, NULL, &err) == MAAS_OK
       && maas_model_pads(l.m) != NULL, "%s: may be padded %s", name,
       err.text);
    ok(maas_model_pad_check(l.m, NULL, &err) == MAAS_OK, "%s: still", name);

    for (int i = 0; i < CALLS; i++) {
        prepare(&r[i], &l, 1 + i % 3, 5 + i % 4, 100 + i, i % 2, 0);
        call[i] = r[i].call;
        maas_call_needs(call[i], &needs);
        kinds += i == 0 || needs.kind != kind;
        kind = needs.kind;
        equal += needs.length == 5 + (uint32_t) i % 4
                 && needs.percent == 300;
    }

    ok(equal == CALLS && kinds == 1, "%s: needs", name);
    maas_calls_run(call, CALLS, NULL);
    equal = 0;

    for (int i = 0; i < CALLS; i++) {
        r[i].reply = maas_call_encode(r[i].call);
        maas_call_info(r[i].call, &info);
        joint += info.batch == CALLS;

        prepare(&one, &l, 1 + i % 3, 5 + i % 4, 100 + i, i % 2, 0);
        maas_call_run(one.call, NULL);
        one.reply = maas_call_encode(one.call);
        equal += r[i].reply->status == 200
                 && same_reply(r[i].reply, one.reply);
        finish(&one);
    }

    ok(equal == CALLS, "%s: equal to single runs bit for bit", name);
    ok(joint == CALLS, "%s: in one run", name);

    for (int i = 0; i < CALLS; i++) {
        finish(&r[i]);
    }

    unload(&l);
}


#define PAD(more)  "{\"batch\":{\"pad\":{\"limit\":3,\"values\":{\"x\":"   \
                   more "}}}"

/* y[n,s,t] = sum of x[n,s,d] * x[n,t,d] over d: two axes to be cut. */
static pb_t
products(void)
{
    pb_t                  attr = pb_new();
    static const int64_t  in[] = { -1, -1, 2 }, out[] = { -1, -1, -1 };

    pb_str(&attr, 1, "equation");
    pb_str(&attr, 4, "nsd,ntd->nst");
    pb_int(&attr, 20, 3);

    return one_node(with(pb_node("Einsum", "e", "x x", "y"), attr), 1, 3, in,
                    1, 3, out);
}


static void
not_padded(pb_t b, const char *json, const char *text)
{
    loaded_t           l;
    request_t          r;
    maas_err_t         err = { 0 };
    maas_call_needs_t  needs;

    if (!ok(load_json(&l, b, json), "%s: loads", text)) {
        return;
    }

    ok(maas_model_batch_check(l.m, NULL, &err) == MAAS_OK, "%s: rows", text);

    if (!ok(maas_model_pad_check(l.m, NULL, &err) == MAAS_EUNSUPPORTED
            && strstr(err.text, text) != NULL, "not padded: %s", text))
    {
        printf("# %s\n", err.text);
    }

    prepare(&r, &l, 1, 3, 1, false, 0);
    maas_call_needs(r.call, &needs);
    ok(needs.kind != 0 && needs.length == 0, "equal shapes run together");
    finish(&r);
    unload(&l);
}


static void
test_pads(void)
{
    loaded_t              l;
    static const int64_t  n2[] = { -1, -1, 2 }, n[] = { -1, -1 };

    test_lengths(one_node(pb_node("Exp", "e", "x", "y"), 1, 3, n2, 1, 3, n2),
                 PAD("0}"), "padding");
    test_lengths(one_node(pb_node("Exp", "e", "x", "y"), 1, 3, n2, 1, 3, n2),
                 PAD("-2.5}, \"multiple\":16"), "padding, 16 at a time");
    test_lengths(one_node(pb_node("Exp", "e", "x", "y"), 1, 3, n2, 1, 3, n2),
                 "{\"batch\":{\"axis\":1,\"pad\":{\"limit\":3,"
                 "\"values\":{\"x\":1}}}}", "padding along axis 0");
    test_lengths(products(), PAD("0}"), "padding along two axes");
    test_lengths(one_node(pb_node("Neg", "e", "x", "y"), 7, 2, n, 7, 2, n),
                 PAD("-7}"), "padding of numbers");
    test_lengths(one_node(with(pb_node("Softmax", "s", "x", "y"),
                               pb_attr_int("axis", 1)), 1, 2, n, 1, 2, n),
                 PAD("-1e15}"), "padding that weighs nothing");

    not_padded(one_node(with(pb_node("Softmax", "s", "x", "y"),
                             pb_attr_int("axis", 1)), 1, 2, n, 1, 2, n),
               PAD("0}"), "of a row that is padded from 37 to 61 is off by");
    not_padded(one_node(with(pb_node("Concat", "c", "x x", "y"),
                             pb_attr_int("axis", 1)), 1, 2, n, 1, 2, n),
               PAD("0}"), "axis 1 of output 'y' is neither fixed nor as long");

    if (ok(load_json(&l, one_node(pb_node("NonZero", "z", "x", "y"), 1, 2, n,
                                  7, 2, n), PAD("0}")), "no batch"))
    {
        ok(maas_model_pad_check(l.m, NULL, NULL) == MAAS_OK
           && maas_model_pads(l.m) == NULL, "where rows depend: no padding");
        unload(&l);
    }
}


/* What does not fit the model is refused when it is compiled. */
static void
test_pads_wrong(void)
{
    loaded_t              l;
    static const int64_t  n4[] = { -1, 4 }, n[] = { -1, -1 };

    printf("# three refusals follow\n");
    ok(!load_json(&l, one_node(pb_node("Exp", "e", "x", "y"), 1, 2, n4, 1, 2,
                               n4), PAD("0}")), "a fixed length");
    ok(!load_json(&l, one_node(pb_node("Neg", "e", "x", "y"), 6, 2, n, 6, 2,
                               n), PAD("0.5}")), "0.5 for int32");
    ok(!load_json(&l, one_node(pb_node("Neg", "e", "x", "y"), 6, 2, n, 6, 2,
                               n), PAD("4294967296}")), "2^32 for int32");
}


static void *
check_both(void *m)
{
    (void) maas_model_batch_check(m, NULL, NULL);
    (void) maas_model_pad_check(m, NULL, NULL);
    return NULL;
}


/* Two threads find out about padding while calls come. */
static void
test_meanwhile(void)
{
    int                   good = 0, rounds = 0;
    loaded_t              l;
    pthread_t             thread[2];
    request_t             r[3];
    maas_call_t          *call[3];
    maas_call_needs_t     needs;
    static const int64_t  n2[] = { -1, -1, 2 };

    if (!ok(load_json(&l, one_node(pb_node("Exp", "e", "x", "y"), 1, 3, n2, 1,
                                   3, n2), PAD("0}")), "meanwhile"))
    {
        return;
    }

    for (int i = 0; i < 2; i++) {
        pthread_create(&thread[i], NULL, check_both, l.m);
    }

    do {
        needs.length = 0;

        for (int i = 0; i < 3; i++) {
            prepare(&r[i], &l, 1, 4 + i, 7, false, 0);
            call[i] = r[i].call;
            maas_call_needs(call[i], &needs);
        }

        maas_calls_run(call, 3, NULL);
        rounds++;

        for (int i = 0; i < 3; i++) {
            r[i].reply = maas_call_encode(r[i].call);
            good += r[i].reply->status == 200;
            finish(&r[i]);
        }
    } while (needs.length == 0 && rounds < 100000);

    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
    }

    ok(good == 3 * rounds && needs.length != 0,
       "calls before, while and after it is known");
    unload(&l);
}


int
main(void)
{
    maas_err_t  err;

    if (maas_init(NULL, &err) != MAAS_OK) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }

    test_pads();
    test_pads_wrong();
    test_meanwhile();

    return done();
}
