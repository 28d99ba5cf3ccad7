/*
 * Agents under pressure: each allocation refused in turn, a cancel, mistakes
 * in specifications.
 */

#include "refuser.h"
#include "rl_learn.h"


static void
check_refused(const char *what, const char *json)
{
    int          bad = 0;
    long         n;
    learn_t      l, all;
    refuser_t    r = { 0 };
    maas_host_t  host = refuser_host(&r);

    memset(&l, 0, sizeof(l));
    learn_on(&l, json, 1, &host, NULL);
    forget(&l);
    n = r.n;
    bad += l.rc != MAAS_OK || r.live != 0;
    learn(&all, json, 1);

    for (long k = 1; k <= n; k++) {
        r = (refuser_t) { .refuse = k };
        memset(&l, 0, sizeof(l));
        learn_on(&l, json, 1, &host, NULL);
        /* A pass that gets no memory may do without. */
        if (l.rc != MAAS_ENOMEM
            && !(l.rc == MAAS_OK && l.onnx.len == all.onnx.len
                 && memcmp(l.onnx.data, all.onnx.data, l.onnx.len) == 0))
        {
            printf("# %ld: %d %s\n", k, l.rc, l.err.text);
            bad++;
        }

        forget(&l);
        bad += r.live != 0;
    }

    forget(&all);
    ok(bad == 0 && n > 10, "%s: each of %ld allocations refused", what, n);
}


static void
test_refused(void)
{
    learn_t             l;
    static atomic_bool  cancel = true;

    check_refused("q_learning", "{\"type\":\"q_learning\",\"environment\":"
                  "\"grid_world\",\"episodes\":20,\"learning_rate_power\":"
                  "0.5,\"evaluate_episodes\":3}");
    check_refused("dqn", "{" CART ",\"episodes\":3,\"warmup\":20,"
                  "\"hidden\":[8],\"batch_size\":4,\"replay\":50,"
                  "\"evaluate_every\":2,\"evaluate_episodes\":3}");

    memset(&l, 0, sizeof(l));
    l.cancel = &cancel;
    learn_on(&l, "{" CART "}", 1, &maas_host_libc, NULL);
    is_int(l.rc, MAAS_ECANCEL, "a cancel ends it");
    forget(&l);
}


/* -- mistakes ------------------------------------------------------------ */

static const struct {
    const char  *json;
    const char  *text;
} wrong[] = {
    { "{\"environment\":\"cart_pole\"}", "model: it must be a name, or an" },
    { "{\"type\":\"dqm\",\"environment\":\"cart_pole\"}",
      "agent: unknown type \"dqm\"; did you mean \"dqn\"?" },
    { "{\"type\":\"dqn\"}", "dqn: \"environment\" is missing" },
    { "{\"type\":\"dqn\",\"environment\":\"cartpole\"}",
      "environment: unknown type \"cartpole\"; did you mean \"cart_pole\"?" },
    { "{\"type\":\"dqn\",\"environment\":\"chess\"}", "there are cliff_walk" },
    { "{\"type\":\"dqn\",\"environment\":7}", "environment must be a name" },
    { "{\"type\":\"dqn\",\"environment\":{\"type\":\"cart_pole\","
      "\"gravty\":1}}", "cart_pole: unknown key \"gravty\"; did you mean "
      "\"gravity\"?" },
    { "{\"type\":\"dqn\",\"environment\":{\"type\":\"cart_pole\","
      "\"cart_mass\":0}}", "\"cart_mass\" is 0" },
    { "{" CART ",\"episodes\":0}", "dqn: \"episodes\" is 0, expected" },
    { "{" CART ",\"epsilon\":1.5}", "\"epsilon\" must be a number from 0 to" },
    { "{" CART ",\"epsilon\":-0.1}", "\"epsilon\" must be a number from 0" },
    { "{" CART ",\"epsilon\":\"x\"}", "\"epsilon\" must be a number from 0" },
    { "{" CART ",\"epsilon\":{\"start\":2}}", "epsilon: \"start\" is 2" },
    { "{" CART ",\"epsilon\":{\"end\":1}}", "epsilon: \"start\" is missing" },
    { "{" CART ",\"epsilon\":{\"start\":1,\"end\":0,\"decay\":"
      "\"exponential\"}}", "above 0" },
    { "{" CART ",\"discount\":1.1}", "\"discount\" is 1.1" },
    { "{" CART ",\"learning_rate\":0}", "\"learning_rate\" is 0" },
    { "{" CART ",\"hiden\":[3]}", "did you mean \"hidden\"?" },
    { "{" CART ",\"hidden\":[0]}", "\"hidden\"" },
    { "{" CART ",\"hidden\":[65536,65536]}", "layer 2 of 65536 times 65536" },
    { "{\"type\":\"sarsa\",\"environment\":\"cart_pole\"}",
      "sarsa learns a table, but states of cart_pole have no numbers" },
    { "{\"type\":\"sarsa\",\"environment\":{\"type\":\"grid_world\","
      "\"map\":[\"..G\",\"..\"]}}", "row 2 of \"map\" has 2 cells, the first "
      "one 3" },
    { "{\"type\":\"sarsa\",\"environment\":{\"type\":\"grid_world\","
      "\"map\":[\"..G\",\"..?\"]}}", "row 2 of \"map\", column 3: expected" },
    { "{\"type\":\"sarsa\",\"environment\":{\"type\":\"grid_world\","
      "\"map\":[\"#G\"]}}", "neither a start (S) nor a free cell" },
    { "{\"type\":\"sarsa\",\"environment\":{\"type\":\"grid_world\","
      "\"map\":[\"\"]}}", "neither a start" },
    { "{\"type\":\"sarsa\",\"environment\":{\"type\":\"grid_world\","
      "\"step_reward\":1e299,\"map\":[\"S.G\"]}}", "worth no finite number" },
    { "{\"type\":\"dqn\",\"warmup\":0,\"environment\":{\"type\":"
      "\"grid_world\",\"step_reward\":1e39,\"map\":[\"S.G\"]}}",
      "dqn: diverged at step 2: the loss is no finite number" }
};


static void
test_wrong(void)
{
    learn_t  l;

    for (size_t i = 0; i < maas_nelts(wrong); i++) {
        memset(&l, 0, sizeof(l));
        learn_on(&l, wrong[i].json, 1, &maas_host_libc, NULL);
        ok(l.rc != MAAS_OK && strncmp(l.err.text, "model: ", 7) == 0,
           "%s", wrong[i].json);
        has_str(l.err.text, wrong[i].text, "  says why");
        forget(&l);
    }
}


int
main(void)
{
    if (maas_init(NULL, NULL) != MAAS_OK) {
        return 1;
    }

    test_refused();
    test_wrong();

    return done();
}
