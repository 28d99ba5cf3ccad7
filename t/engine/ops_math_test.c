/*
 * Arithmetic, comparison, reduction, softmax and tree operators from a raw
 * model to its result: import (with upgrades of older opsets), inference
 * and the chosen kernel, in units run backward, against formulas in double.
 */

#include "ops/broadcast.h"
#include "ops_math_harness.h"


/* -- broadcasting -------------------------------------------------------- */

static int64_t  bc_seen[600][2];
static int64_t  bc_rows;


static void
bc_note(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    (void) ctx;

    bc_rows++;

    for (int64_t i = 0; i < n; i++) {
        bc_seen[at + i][0] = off[0] + i * stride[0];
        bc_seen[at + i][1] = off[1] + i * stride[1];
    }
}


static void
test_broadcast(void)
{
    bool           good = true;
    maas_bc_t      b;
    const int64_t  out[] = { 2, 3, 4, 5 }, x[] = { 3, 1, 5 };

    maas_bc_init(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_add(&b, x, 3);
    maas_bc_close(&b);
    is_int(b.rank, 4, "nothing to join");

    for (int64_t at = 0; at < 120; at += 7) {
        maas_bc_run(&b, at, at + 7, bc_note, NULL);
    }

    for (int64_t i = 0; i < 120; i++) {
        good &= bc_seen[i][0] == i
                && bc_seen[i][1] == i / 20 % 3 * 5 + i % 5;
    }

    ok(good, "rows cut anywhere reach every element");

    maas_bc_init(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_add(&b, (int64_t[]) { 3, 1, 1 }, 3);
    maas_bc_close(&b);
    is_int(b.dims[b.rank - 1], 20, "a channel operand: one row a plane");

    maas_bc_init(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_close(&b);
    is_int(b.rank, 1, "equal shapes: one row");

    maas_bc_init(&b, out, 0);
    maas_bc_add(&b, out, 0);
    maas_bc_add(&b, out, 0);
    maas_bc_close(&b);
    bc_rows = 0;
    maas_bc_run(&b, 0, 1, bc_note, NULL);
    is_int(bc_rows, 1, "scalars: one element");
}


/* -- arithmetic ---------------------------------------------------------- */

static void
test_binary(void)
{
    m_t     m;
    float  *x;
    double *want;

    m_begin(&m, "", "Sub");
    x = m_in(&m, MAAS_F32, D(300, 200), NULL);
    (void) m_in(&m, MAAS_F32, D(300, 1), NULL);
    want = malloc(60000 * sizeof(double));
    for (int i = 0; i < 60000; i++) {
        x[i] = (float) sin(i);
        ((float *) m.t[1].data)[i / 200] = (float) (i / 200);
        want[i] = (double) x[i] - i / 200;
    }
    m_is(&m, 14, 60000, want, 1e-6, "Sub over several units");
    free(want);

    m_begin(&m, "", "Div");
    (void) m_in(&m, MAAS_I32, D(4), V(int32_t, 7, -7, INT32_MIN, 5));
    (void) m_in(&m, MAAS_I32, D(4), V(int32_t, 2, 2, -1, 0));
    m_is(&m, 14, 4, V(double, 3, -3, INT32_MIN, 0), 0,
         "integer Div traps on nothing");

    m_begin(&m, "", "Mod");
    (void) m_in(&m, MAAS_I64, D(4), V(int64_t, -7, 7, -7, INT64_MIN));
    (void) m_in(&m, MAAS_I64, D(4), V(int64_t, 3, -3, 0, -1));
    m_is(&m, 13, 4, V(double, 2, -2, 0, 0), 0, "Mod has the divisor's sign");

    m_begin(&m, "", "Pow");
    (void) m_in(&m, MAAS_I32, D(4), V(int32_t, 2, -1, 0, 3));
    (void) m_in(&m, MAAS_I64, D(4), V(int64_t, 10, -3, 0, 5));
    m_is(&m, 15, 4, V(double, 1024, -1, 1, 243), 0, "Pow of integers");

    m_begin(&m, "", "Pow");
    (void) m_in(&m, MAAS_F32, D(3), V(float, 2, -3, 4));
    (void) m_in(&m, MAAS_F64, D(1), V(double, 2));
    m_is(&m, 15, 3, V(double, 4, 9, 16), 1e-6, "Pow of mixed types");

    m_begin(&m, "", "Max");
    (void) m_in(&m, MAAS_F64, D(3), V(double, 1, NAN, 3));
    (void) m_in(&m, MAAS_F64, D(1), V(double, 2));
    (void) m_in(&m, MAAS_F64, D(3), V(double, 0, 0, 9));
    m_is(&m, 13, 3, V(double, 2, NAN, 9), 0, "Max of three keeps NaN");

    m_begin(&m, "", "Mean");
    (void) m_in(&m, MAAS_F32, D(2, 1), V(float, 1, 2));
    (void) m_in(&m, MAAS_F32, D(2), V(float, 3, 5));
    m_is(&m, 13, 4, V(double, 2, 3, 2.5, 3.5), 1e-7, "Mean broadcasts");

    m_begin(&m, "", "BitShift");
    (void) m_in(&m, MAAS_U8, D(3), V(uint8_t, 1, 255, 255));
    (void) m_in(&m, MAAS_U8, D(3), V(uint8_t, 7, 4, 8));
    m_word(&m, "direction", "LEFT");
    m_is(&m, 11, 3, V(double, 128, 240, 0), 0, "BitShift beyond the width");
}


/* Few elements or none, older forms, and what is refused. */
static void
test_binary_forms(void)
{
    m_t  m;

    m_begin(&m, "", "Add");
    (void) m_in(&m, MAAS_F32, D(0, 3), NULL);
    (void) m_in(&m, MAAS_F32, D(3), V(float, 1, 2, 3));
    m_is(&m, 14, 0, NULL, 0, "Add of nothing");

    m_begin(&m, "", "Add");
    (void) m_in(&m, MAAS_F32, D(2, 2, 2), V(float, 0, 1, 2, 3, 4, 5, 6, 7));
    (void) m_in(&m, MAAS_F32, D(2), V(float, 10, 20));
    m_int(&m, "broadcast", 1);
    m_int(&m, "axis", 1);
    m_is(&m, 6, 8, V(double, 10, 11, 22, 23, 14, 15, 26, 27), 0,
         "Add of opset 6 with an axis");

    m_begin(&m, "", "Mul");
    (void) m_in(&m, MAAS_I64, D(2), V(int64_t, 3, 4));
    (void) m_in(&m, MAAS_I64, 0, NULL, V(int64_t, 5));
    m_is(&m, 14, 2, V(double, 15, 20), 0, "Mul agrees with its inference");

    m_begin(&m, "", "Mod");
    (void) m_in(&m, MAAS_F32, D(1), V(float, 1));
    (void) m_in(&m, MAAS_F32, D(1), V(float, 1));
    m_bad(&m, 13, "fmod must be 1", "Mod of floats needs fmod");
}


static void
test_unary(void)
{
    m_t           m;
    const double  x[] = { -2, -0.5, 0, 0.5, 3, NAN, INFINITY, -INFINITY };
    double        want[8];
    struct {
        const char  *op;
        int          opset;
        double     (*f)(double);
    } fn[] = {
        { "Exp", 13, exp }, { "Sqrt", 13, sqrt }, { "Erf", 13, erf },
        { "Floor", 13, floor }, { "Round", 11, rint }, { "Sin", 7, sin },
        { "Atanh", 9, atanh }, { "Tanh", 13, tanh }, { "Abs", 13, fabs }
    };

    for (size_t k = 0; k < 2 * maas_nelts(fn); k++) {
        char   name[60];
        int    j = (int) k / 2;
        float  f[8];

        for (int i = 0; i < 8; i++) {
            f[i] = (float) x[i];
            want[i] = fn[j].f(x[i]);
        }

        m_begin(&m, "", fn[j].op);

        if (k % 2) {
            (void) m_in(&m, MAAS_F64, D(2, 4), x);
        } else {
            (void) m_in(&m, MAAS_F32, D(2, 4), f);
        }

        snprintf(name, sizeof(name), "%s of float%d", fn[j].op,
                 k % 2 ? 64 : 32);
        m_is(&m, fn[j].opset, 8, want, k % 2 ? 1e-15 : 2e-6, name);
    }

    m_begin(&m, "", "Neg");
    (void) m_in(&m, MAAS_I8, D(3), V(int8_t, -128, 5, 0));
    m_is(&m, 13, 3, V(double, -128, -5, 0), 0, "Neg of int8 wraps");

    m_begin(&m, "", "Clip");
    (void) m_in(&m, MAAS_F32, D(4), V(float, -3, 0.5, 3, NAN));
    m_attr(&m, "min", MAAS_ATTR_FLOAT)->f = -1;
    m_attr(&m, "max", MAAS_ATTR_FLOAT)->f = 1;
    m_is(&m, 6, 4, V(double, -1, 0.5, 1, NAN), 0, "Clip of opset 6");

    m_begin(&m, "", "Selu");
    (void) m_in(&m, MAAS_F32, D(3), V(float, -1, 0, 2));
    m_is(&m, 6, 3, V(double, 1.0507009873554805 * 1.6732632423543772
                     * expm1(-1), 0, 2.101401974710961), 1e-6, "Selu");

    m_begin(&m, "", "PRelu");
    (void) m_in(&m, MAAS_F32, D(1, 2, 2), V(float, -1, 2, -3, -4));
    (void) m_in(&m, MAAS_F32, D(2), V(float, 0.5, 2));
    m_is(&m, 6, 4, V(double, -0.5, 2, -6, -8), 0,
         "PRelu of opset 6 has a slope a channel");
}


static void
test_compare(void)
{
    m_t  m;

    m_begin(&m, "", "Less");
    (void) m_in(&m, MAAS_F32, D(3), V(float, 1, NAN, 3));
    (void) m_in(&m, MAAS_F32, D(1), V(float, 2));
    m_is(&m, 13, 3, V(double, 1, 0, 0), 0, "Less is false for NaN");

    m_begin(&m, "", "Where");
    (void) m_in(&m, MAAS_BOOL, D(2, 1), V(uint8_t, 1, 0));
    (void) m_in(&m, MAAS_I64, D(3), V(int64_t, 1, 2, 3));
    (void) m_in(&m, MAAS_I64, 0, NULL, V(int64_t, 9));
    m_is(&m, 16, 6, V(double, 1, 2, 3, 9, 9, 9), 0, "Where broadcasts");

    m_begin(&m, "", "IsInf");
    (void) m_in(&m, MAAS_F32, D(3), V(float, INFINITY, -INFINITY, NAN));
    m_int(&m, "detect_negative", 0);
    m_is(&m, 10, 3, V(double, 1, 0, 0), 0, "IsInf of one sign");

    m_begin(&m, "", "Cast");
    (void) m_in(&m, MAAS_F32, D(5),
                V(float, -1.9f, 1.9f, NAN, 1e20f, -INFINITY));
    m_int(&m, "to", MAAS_I32);
    m_is(&m, 13, 5, V(double, -1, 1, INT32_MIN, INT32_MIN, INT32_MIN), 0,
         "Cast to int32 outside its range");

    m_begin(&m, "", "Cast");
    (void) m_in(&m, MAAS_F32, D(4), V(float, 300, -1, NAN, 2.9f));
    m_int(&m, "to", MAAS_U8);
    m_is(&m, 13, 4, V(double, 44, 255, 0, 2), 0, "Cast to uint8 wraps");

    m_begin(&m, "", "Cast");
    (void) m_in(&m, MAAS_F64, D(2), V(double, 1 + 0x1p-11 + 0x1p-40, 1e9));
    m_int(&m, "to", MAAS_F16);
    m_is(&m, 13, 2, V(double, 1 + 0x1p-10, INFINITY), 0,
         "Cast of float64 to float16 rounds once");

    m_begin(&m, "", "Dropout");
    (void) m_in(&m, MAAS_F32, D(2), V(float, 1, 2));
    m.node.n_out = 2;
    m_attr(&m, "ratio", MAAS_ATTR_FLOAT)->f = 0.5f;
    m_is(&m, 7, 2, V(double, 1, 1), 0, "the mask of Dropout-7 is a float");
}


/* -- reductions ---------------------------------------------------------- */

static void
test_reduce(void)
{
    m_t     m;
    float   x[60];
    double  want[60];

    for (int i = 0; i < 60; i++) {
        x[i] = (float) cos(i);
    }

    memset(want, 0, sizeof(want));
    for (int i = 0; i < 60; i++) {
        want[i / 5 % 4] += (double) x[i] * x[i];
    }
    for (int i = 0; i < 4; i++) {
        want[i] = sqrt(want[i]);
    }
    m_begin(&m, "", "ReduceL2");
    (void) m_in(&m, MAAS_F32, D(3, 4, 5), x);
    m_ints(&m, "axes", 2, V(int64_t, 0, -1));
    m_is(&m, 13, 4, want, 1e-6, "ReduceL2 around a kept dimension");

    memset(want, 0, sizeof(want));
    for (int i = 0; i < 60; i++) {
        want[i / 20 * 5 + i % 5] += x[i] / 4.0;
    }
    m_begin(&m, "", "ReduceMean");
    (void) m_in(&m, MAAS_F32, D(3, 4, 5), x);
    m_ints(&m, "axes", 1, V(int64_t, 1));
    m_int(&m, "keepdims", 0);
    m_is(&m, 11, 15, want, 1e-6, "ReduceMean of a middle dimension");

    for (int i = 0; i < 12; i++) {
        want[i] = 0;
        for (int j = 0; j < 5; j++) {
            want[i] += exp((double) x[i * 5 + j] + 200);
        }
        want[i] = log(want[i]);
    }
    for (int i = 0; i < 60; i++) {
        x[i] += 200;
    }
    m_begin(&m, "", "ReduceLogSumExp");
    (void) m_in(&m, MAAS_F32, D(12, 5), x);
    m_ints(&m, "axes", 1, V(int64_t, 1));
    m_is(&m, 13, 12, want, 1e-6, "ReduceLogSumExp of large values");
}


/* Few elements or none, older forms, and what is refused. */
static void
test_reduce_forms(void)
{
    m_t           m;
    const double  inf = INFINITY;

    m_begin(&m, "", "ReduceLogSumExp");
    (void) m_in(&m, MAAS_F64, D(3), V(double, -inf, -inf, -inf));
    m_is(&m, 13, 1, V(double, -inf), 0, "ReduceLogSumExp of -inf");

    m_begin(&m, "", "ReduceSum");
    (void) m_in(&m, MAAS_I32, D(2, 2), V(int32_t, 1, 2, 3, 4));
    m_ints(&m, "axes", 1, V(int64_t, 0));
    m_is(&m, 11, 2, V(double, 4, 6), 0, "ReduceSum of opset 11");

    m_begin(&m, "", "ReduceSum");
    (void) m_in(&m, MAAS_F32, D(2, 2), V(float, 1, 2, 3, 4));
    (void) m_in(&m, MAAS_I64, D(0), NULL);
    m_int(&m, "noop_with_empty_axes", 1);
    m_is(&m, 13, 4, V(double, 1, 2, 3, 4), 0, "ReduceSum of no axes");

    m_begin(&m, "", "ReduceMax");
    (void) m_in(&m, MAAS_F32, D(2, 0), NULL);
    m_ints(&m, "axes", 1, V(int64_t, 1));
    m_is(&m, 13, 2, V(double, -inf, -inf), 0, "ReduceMax of nothing");

    m_begin(&m, "", "ReduceProd");
    (void) m_in(&m, MAAS_F32, D(2), V(float, 1, 2));
    m_ints(&m, "axes", 2, V(int64_t, 0, -1));
    m_bad(&m, 13, "twice", "an axis twice");

    m_begin(&m, "", "ArgMax");
    (void) m_in(&m, MAAS_F32, D(2, 3), V(float, 1, 3, 3, NAN, 9, NAN));
    m_int(&m, "axis", -1);
    m_is(&m, 13, 2, V(double, 1, 0), 0, "ArgMax takes the first");

    m_begin(&m, "", "ArgMin");
    (void) m_in(&m, MAAS_I8, D(3, 2), V(int8_t, 1, 5, 1, 4, 3, 4));
    m_int(&m, "select_last_index", 1);
    m_is(&m, 12, 2, V(double, 1, 2), 0, "ArgMin takes the last");
}


static void
test_softmax(void)
{
    m_t     m;
    float   x[24];
    double  want[24], sum;

    for (int i = 0; i < 24; i++) {
        x[i] = (float) (3 * sin(i));
    }

    for (int b = 0; b < 2; b++) {
        for (int j = 0; j < 4; j++) {
            sum = 0;
            for (int i = 0; i < 3; i++) {
                sum += exp(x[b * 12 + i * 4 + j]);
            }
            for (int i = 0; i < 3; i++) {
                want[b * 12 + i * 4 + j] = exp(x[b * 12 + i * 4 + j]) / sum;
            }
        }
    }
    m_begin(&m, "", "Softmax");
    (void) m_in(&m, MAAS_F32, D(2, 3, 4), x);
    m_int(&m, "axis", 1);
    m_is(&m, 13, 24, want, 1e-6, "Softmax over one axis");

    for (int b = 0; b < 2; b++) {
        sum = 0;
        for (int i = 0; i < 12; i++) {
            sum += exp(x[b * 12 + i]);
        }
        for (int i = 0; i < 12; i++) {
            want[b * 12 + i] = x[b * 12 + i] - log(sum);
        }
    }
    m_begin(&m, "", "LogSoftmax");
    (void) m_in(&m, MAAS_F32, D(2, 3, 4), x);
    m_is(&m, 11, 24, want, 1e-6, "LogSoftmax of opset 11 flattens at axis 1");

    m_begin(&m, "", "Hardmax");
    (void) m_in(&m, MAAS_F32, D(2, 2), V(float, 1, 1, 0, 2));
    m_is(&m, 13, 4, V(double, 1, 0, 0, 1), 0, "Hardmax");

    m_begin(&m, "", "Hardmax");
    (void) m_in(&m, MAAS_F32, D(2, 4), V(float, 1, NAN, 3, NAN, NAN, 5, 6, 7));
    m_is(&m, 13, 8, V(double, 0, 1, 0, 0, 1, 0, 0, 0), 0,
         "Hardmax takes the first NaN, as ArgMax");

    m_begin(&m, "", "Softmax");
    (void) m_in(&m, MAAS_F64, D(2), V(double, NAN, 1));
    m_is(&m, 13, 2, V(double, NAN, NAN), 0, "Softmax of NaN is NaN");
}


/* -- trees --------------------------------------------------------------- */

/*
 * Two trees: x0 <= 1 ? 1 : (x1 < 2 ? 2 : 4), where NaN is "true" at x0, and
 * x1 > 0 ? 10 : 20.
 */
static void
tree_model(m_t *m, bool classify, const int64_t *target)
{
    static const char *const  modes[] = {
        "BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF", "BRANCH_GT",
        "LEAF", "LEAF"
    };

    m_begin(m, "ai.onnx.ml", classify ? "TreeEnsembleClassifier"
                                      : "TreeEnsembleRegressor");
    m_ints(m, "nodes_treeids", 8, V(int64_t, 0, 0, 0, 0, 0, 1, 1, 1));
    m_ints(m, "nodes_nodeids", 8, V(int64_t, 0, 1, 2, 3, 4, 0, 1, 2));
    m_ints(m, "nodes_featureids", 8, V(int64_t, 0, 0, 1, 0, 0, 1, 0, 0));
    m_ints(m, "nodes_truenodeids", 8, V(int64_t, 1, 0, 3, 0, 0, 1, 0, 0));
    m_ints(m, "nodes_falsenodeids", 8, V(int64_t, 2, 0, 4, 0, 0, 2, 0, 0));
    m_ints(m, "nodes_missing_value_tracks_true", 8,
           V(int64_t, 1, 0, 0, 0, 0, 0, 0, 0));
    m_floats(m, "nodes_values", 8, V(float, 1, 0, 2, 0, 0, 0, 0, 0));
    m_strings(m, "nodes_modes", 8, modes);
    m_ints(m, classify ? "class_treeids" : "target_treeids", 5,
           V(int64_t, 0, 0, 0, 1, 1));
    m_ints(m, classify ? "class_nodeids" : "target_nodeids", 5,
           V(int64_t, 1, 3, 4, 1, 2));
    m_ints(m, classify ? "class_ids" : "target_ids", 5, target);
    m_floats(m, classify ? "class_weights" : "target_weights", 5,
             V(float, 1, 2, 4, 10, 20));
    (void) m_in(m, MAAS_F32, D(4, 2),
                V(float, 0, 1, 5, 1, 5, -3, NAN, 7));
}

static const int64_t  zeros[5];


static void
test_trees(void)
{
    m_t  m;

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    m_floats(&m, "base_values", 1, V(float, 0.5));
    m_is(&m, 1, 4, V(double, 11.5, 12.5, 22.5, 11.5), 0, "a regressor");

    tree_model(&m, false, V(int64_t, 0, 1, 0, 1, 0));
    m_int(&m, "n_targets", 2);
    m_word(&m, "aggregate_function", "MAX");
    m_is(&m, 3, 8, V(double, 1, 10, 0, 10, 20, 2, 1, 10), 0,
         "the greatest leaf of two targets");

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    m_word(&m, "aggregate_function", "AVERAGE");
    m_is(&m, 3, 4, V(double, 5.5, 6, 11, 5.5), 0, "the average of trees");

    tree_model(&m, true, V(int64_t, 0, 1, 2, 1, 2));
    m.node.n_out = 2;
    m_ints(&m, "classlabels_int64s", 3, V(int64_t, 7, 8, 9));
    m_is(&m, 1, 4, V(double, 8, 8, 9, 8), 0, "a classifier of three classes");

    tree_model(&m, true, zeros);
    m.node.n_out = 2;
    m_strings(&m, "classlabels_strings", 2,
              (const char *[]) { "no", "perhaps" });
    if (ok(m_run(&m, 3) == MAAS_OK, "a classifier with names")) {
        ok(maas_str_is(maas_tensor_str(&m.y[0], 3), "perhaps")
           && maas_string_check(&m.y[0]), "its labels");
        ok(m_get(&m.y[1], 0) == -10 && m_get(&m.y[1], 1) == 11,
           "the second score follows from the first");
    } else {
        printf("# %s\n", m.err.text);
    }
    maas_arena_destroy(&m.arena);

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    ((int64_t *) m.attr[4].ints)[0] = 0;
    m_bad(&m, 1, "reached twice", "a node that leads to itself");

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    ((int64_t *) m.attr[3].ints)[0] = 77;
    m_bad(&m, 1, "branches to node 77", "a branch to nowhere");

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    ((int64_t *) m.attr[2].ints)[0] = 5;
    m_bad(&m, 1, "the trees read feature 5", "a feature that is not there");

    tree_model(&m, false, V(int64_t, 0, 0, 0, 0, 1));
    m_int(&m, "n_targets", 1);
    m_bad(&m, 1, "target_ids[4] is 1", "a target beyond the last");
}


int
main(void)
{
    test_broadcast();
    test_binary();
    test_binary_forms();
    test_unary();
    test_compare();
    test_reduce();
    test_reduce_forms();
    test_softmax();
    test_trees();

    return done();
}
