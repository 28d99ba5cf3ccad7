/*
 * Layers: what each makes has the shape that inference finds, runs, and
 * starts with the values that were asked for; faults name the layer.
 */

#include <math.h>
#include <stdlib.h>

#include "graph/graph.h"
#include "graph/infer.h"
#include "tap.h"
#include "train/layer.h"


typedef struct {
    const char  *in;            /* shape behind the batch; i: int64 */
    const char  *layers;
    const char  *out;           /* shape, or what an error holds */
} layer_case_t;


static void
layer_input(maas_layers_t *l, const char *in)
{
    char  *end;

    l->at.dtype = *in == 'i' ? MAAS_I64 : MAAS_F32;
    in += *in == 'i';
    l->at.rank = 1;
    l->at.dims[0] = -1;

    while (*in != '\0') {
        l->at.dims[l->at.rank++] = strtoll(in, &end, 10);
        in = end + (*end == ',');
    }

    l->at.value = maas_build_input(l->build, "x", l->at.dtype, l->at.rank,
                                   l->at.dims);
}


static maas_status_t
layer_make(maas_layers_t *l, maas_arena_t *a, const layer_case_t *c,
    const maas_raw_model_t **m, maas_err_t *err)
{
    json_t         *list;
    maas_status_t   rc;

    memset(l, 0, sizeof(*l));
    maas_arena_init(a, &maas_host_libc, 0);
    l->build = maas_build_create(a);
    l->arena = a;
    l->host = &maas_host_libc;
    l->seed = 42;
    l->err = err;
    layer_input(l, c->in);

    list = json_loads(c->layers, JSON_REJECT_DUPLICATES, NULL);
    if (list == NULL) {
        return maas_err(err, MAAS_EINTERNAL, "bad JSON in the test");
    }

    rc = maas_layers_build(l, list);
    json_decref(list);

    if (rc != MAAS_OK) {
        return rc;
    }

    maas_build_output(l->build, l->at.value, l->at.dtype, l->at.rank,
                      l->at.dims);
    return maas_build_done(l->build, m, err);
}


static void
layer_good(const layer_case_t *c)
{
    char                     got[MAAS_DIMS_TEXT], find[MAAS_DIMS_TEXT];
    maas_err_t               err = { 0 };
    maas_arena_t             a;
    maas_graph_t            *g = NULL;
    maas_status_t            rc;
    maas_layers_t            l;
    const maas_type_t       *t;
    const maas_raw_model_t  *m;

    rc = layer_make(&l, &a, c, &m, &err);

    if (rc == MAAS_OK) {
        (void) maas_layer_shape(&l, got);
        rc = maas_graph_import(&g, &a, m, &err);
    }

    if (rc == MAAS_OK) {
        rc = maas_graph_infer(g, &err);
    }

    if (!ok(rc == MAAS_OK, "%s", c->layers)) {
        printf("# %s\n", err.text);
        maas_arena_destroy(&a);
        return;
    }

    is_str(got, c->out, "  its shape");

    t = &g->value[g->out[0]].type;
    l.at.rank = t->rank;
    memcpy(l.at.dims, t->dims, sizeof(l.at.dims));
    is_str(maas_layer_shape(&l, find), c->out, "  as inference finds it");

    maas_arena_destroy(&a);
}


static void
layer_bad(const layer_case_t *c)
{
    maas_err_t               err = { 0 };
    maas_arena_t             a;
    maas_status_t            rc;
    maas_layers_t            l;
    const maas_raw_model_t  *m;

    rc = layer_make(&l, &a, c, &m, &err);
    ok(rc == MAAS_EINVAL || rc == MAAS_ELIMIT, "%s is refused", c->layers);
    has_str(err.text, c->out, "  with its reason");
    maas_arena_destroy(&a);
}


static const layer_case_t  good[] = {
    { "4", "[{'type':'dense','units':3,'activation':'relu'}]", "[N,3]" },
    { "5,4", "[{'type':'dense','units':3,'use_bias':false}]", "[N,5,3]" },
    { "4", "[{'type':'dense','units':8,'activation':'gelu'},"
           "{'type':'dense','units':1,'activation':'sigmoid'}]", "[N,1]" },
    { "3,8,8", "[{'type':'conv2d','filters':5,'kernel_size':3}]",
      "[N,5,6,6]" },
    { "3,8,9", "[{'type':'conv2d','filters':5,'kernel_size':[3,2],"
      "'padding':'same','strides':2}]", "[N,5,4,5]" },
    { "4,8,8", "[{'type':'conv2d','filters':8,'kernel_size':3,'padding':1,"
      "'groups':4,'dilation_rate':2}]", "[N,8,6,6]" },
    { "2,10", "[{'type':'conv1d','filters':3,'kernel_size':3,"
      "'padding':'same'}]", "[N,3,10]" },
    { "3,8,8", "[{'type':'maxpool'}]", "[N,3,4,4]" },
    { "3,7,7", "[{'type':'avgpool','pool_size':3,'strides':2,"
      "'padding':'same'}]", "[N,3,4,4]" },
    { "3,9", "[{'type':'maxpool','pool_size':2}]", "[N,3,4]" },
    { "3,8,8", "[{'type':'global_avgpool'},{'type':'dropout','rate':0.5}]",
      "[N,3]" },
    { "3,8", "[{'type':'global_maxpool'}]", "[N,3]" },
    { "3,8,8", "[{'type':'batch_norm'},{'type':'flatten'}]", "[N,192]" },
    { "6", "[{'type':'reshape','target_shape':[2,-1]},"
      "{'type':'permute','dims':[2,1]},{'type':'layer_norm'}]", "[N,3,2]" },
    { "i7", "[{'type':'embedding','input_dim':10,'output_dim':4},"
      "{'type':'position_embedding'}]", "[N,7,4]" },
    { "7,4", "[{'type':'simple_rnn','units':3}]", "[N,3]" },
    { "7,4", "[{'type':'lstm','units':3,'return_sequences':true},"
      "{'type':'gru','units':5,'go_backwards':true}]", "[N,5]" },
    { "7,4", "[{'type':'bidirectional','layer':{'type':'lstm','units':3,"
      "'return_sequences':true}}]", "[N,7,6]" },
    { "7,4", "[{'type':'bidirectional','layer':{'type':'gru','units':3},"
      "'merge_mode':'sum'}]", "[N,3]" },
    { "7,4", "[{'type':'bidirectional','merge_mode':'ave','layer':"
      "{'type':'simple_rnn','units':3,'return_sequences':true,"
      "'activation':'relu'}}]", "[N,7,3]" },
    { "7,4", "[{'type':'self_attention','heads':2,'causal':true}]",
      "[N,7,4]" },
    { "7,4", "[{'type':'transformer','heads':2,'units':8,'dropout':0.1,"
      "'norm':'pre'},{'type':'transformer','heads':4,'units':8}]",
      "[N,7,4]" },
    { "8,4,4", "[{'type':'residual','layers':[{'type':'conv2d','filters':8,"
      "'kernel_size':3,'padding':'same'},{'type':'batch_norm'}],"
      "'activation':'relu'}]", "[N,8,4,4]" },
    { "8,4,4", "[{'type':'residual','layers':[{'type':'conv2d','filters':2,"
      "'kernel_size':3,'padding':1,'strides':2}],'shortcut':[{'type':"
      "'conv2d','filters':2,'kernel_size':1,'strides':2}]}]",
      "[N,2,2,2]" },
    { "3,4,4", "[{'type':'normalize','scale':0.0039,'mean':[0.5,0.4,0.3],"
      "'std':0.2}]", "[N,3,4,4]" },
    { "4", "[{'type':'activation','function':'leaky_relu','alpha':0.3},"
      "{'type':'activation','function':'mish'},"
      "{'type':'activation','function':'swish'},"
      "{'type':'activation','function':'hard_sigmoid'},"
      "{'type':'activation','function':'hard_swish'},"
      "{'type':'activation','function':'elu'},"
      "{'type':'activation','function':'selu'},"
      "{'type':'activation','function':'softplus'},"
      "{'type':'activation','function':'softsign'},"
      "{'type':'activation','function':'exponential'},"
      "{'type':'activation','function':'log_softmax'},"
      "{'type':'activation','function':'linear'},"
      "{'type':'activation','function':'tanh'},"
      "{'type':'activation','function':'softmax'}]", "[N,4]" },
};

static const layer_case_t  bad[] = {
    { "4", "[]", "at least one layer" },
    { "4", "[3]", "layers[0] must be an object" },
    { "4", "[{'units':3}]", "layers[0] has no \"type\"" },
    { "4", "[{'type':'dens','units':3}]",
      "layers[0]: unknown layer \"dens\"; did you mean \"dense\"?" },
    { "4", "[{'type':'flatten'},{'type':'dense','unit':3}]",
      "layers[1] (dense): unknown key \"unit\"; did you mean \"units\"?" },
    { "4", "[{'type':'dense'}]", "layers[0] (dense): \"units\"" },
    { "4", "[{'type':'dense','units':3,'activation':'rellu'}]",
      "did you mean \"relu\"?" },
    { "4", "[{'type':'conv2d','filters':3,'kernel_size':3}]",
      "layers[0] (conv2d): takes an image [N,C,H,W], got [N,4]" },
    { "3,4,4", "[{'type':'conv2d','filters':3,'kernel_size':5}]",
      "layers[0] (conv2d): a window of 5 does not fit into [N,3,4,4]" },
    { "3,4,4", "[{'type':'conv2d','filters':3,'kernel_size':[3,3,3]}]",
      "\"kernel_size\" has 3 numbers, expected 1 or 2" },
    { "3,4,4", "[{'type':'conv2d','filters':4,'kernel_size':3,'groups':2}]",
      "2 groups" },
    { "3,4,4", "[{'type':'conv2d','filters':4,'kernel_size':3,"
      "'padding':'full'}]", "\"padding\" must be" },
    { "4", "[{'type':'dense','units':9000000},{'type':'dense',"
      "'units':9000000}]", "layers[1] (dense): 9000000 times 9000000" },
    { "4", "[{'type':'embedding','input_dim':10,'output_dim':4}]",
      "takes int64, got float32" },
    { "i4", "[{'type':'dense','units':4}]", "takes float32, got int64" },
    { "4", "[{'type':'lstm','units':4}]", "takes a sequence [N,T,F]" },
    { "4,6", "[{'type':'bidirectional','layer':{'type':'dense','units':4}}]",
      "\"layer\" must be a simple_rnn" },
    { "4,6", "[{'type':'bidirectional','layer':{'type':'lstm','unit':4}}]",
      "layer: unknown key \"unit\"" },
    { "4,6", "[{'type':'self_attention','heads':4}]",
      "6 features cannot be divided among 4 heads" },
    { "4", "[{'type':'residual','layers':[{'type':'dense','units':5}]}]",
      "the layers make [N,5], which cannot be added to [N,4]" },
    { "4", "[{'type':'residual','layers':[{'type':'dense','units':0}]}]",
      "layers[0] (residual): layers[0] (dense): \"units\" is 0" },
    { "6", "[{'type':'reshape','target_shape':[4,-1]}]",
      "[N,6] cannot have the shape [4,?]" },
    { "6", "[{'type':'permute','dims':[2]}]", "must name each of the axes" },
    { "6", "[{'type':'dropout','rate':1}]", "\"rate\" is 1" },
    { "6", "[{'type':'activation','function':'relu','alpha':2}]",
      "\"relu\" has no \"alpha\"" },
    { "6", "[{'type':'dense','units':2,'name':'a'},"
      "{'type':'dense','units':2,'name':'a'}]", "are called 'a.weight'" },
    { "3,4", "[{'type':'normalize','mean':[1,2]}]",
      "\"mean\" has 2 numbers, expected 1 or 3" },
};


/* Apostrophes stand for quotes. */
static layer_case_t
quoted(const layer_case_t *c, char *text)
{
    layer_case_t  out = *c;

    strcpy(text, c->layers);

    for (char *p = text; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }

    out.layers = text;
    return out;
}


/* -- first values -------------------------------------------------------- */

static void
init_moments(maas_init_kind_t kind, double want, const char *name)
{
    float        *w = malloc(20000 * sizeof(float));
    double        mean = 0, var = 0;
    maas_err_t    err;
    maas_init_t   in = { .kind = kind, .rows = 100, .cols = 200,
                         .fan_in = 100, .fan_out = 200, .seed = 7,
                         .host = &maas_host_libc };

    is_int(maas_init_fill(&in, w, &err), MAAS_OK, name);

    for (int i = 0; i < 20000; i++) {
        mean += w[i] / 20000;
        var += (double) w[i] * w[i] / 20000;
    }

    ok(fabs(mean) < 0.03 * want + 1e-9, "  its mean is near 0");
    ok(fabs(sqrt(var) - want) < 0.02 * want, "  its deviation is %g", want);
    free(w);
}


static void
init_orthogonal(int64_t rows, int64_t cols)
{
    float        *w = malloc((size_t) (rows * cols) * sizeof(float));
    double        s, worst = 0;
    int64_t       n = rows < cols ? rows : cols;
    maas_err_t    err;
    maas_init_t   in = { .kind = MAAS_INIT_ORTHOGONAL, .rows = rows,
                         .cols = cols, .seed = 3, .host = &maas_host_libc };

    is_int(maas_init_fill(&in, w, &err), MAAS_OK, "orthogonal");

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            s = i == j ? -1 : 0;

            for (int64_t k = 0; k < (rows < cols ? cols : rows); k++) {
                s += rows < cols
                     ? (double) w[i * cols + k] * w[j * cols + k]
                     : (double) w[k * cols + i] * w[k * cols + j];
            }

            worst = fmax(worst, fabs(s));
        }
    }

    ok(worst < 1e-6, "  %lld x %lld: within %g of a unit matrix",
       (long long) rows, (long long) cols, worst);
    free(w);
}


static const maas_raw_init_t *
weight(const maas_raw_model_t *m, const char *name)
{
    for (uint32_t i = 0; i < m->graph.n_init; i++) {
        if (maas_str_is(m->graph.init[i].name, name)) {
            return &m->graph.init[i];
        }
    }

    return NULL;
}


static void
weights(void)
{
    const float             *v;
    maas_err_t               err;
    maas_arena_t             a;
    maas_layers_t            l;
    const maas_raw_init_t   *w;
    const maas_raw_model_t  *m;
    layer_case_t             c = { "7,4",
        "[{\"type\":\"lstm\",\"units\":3},{\"type\":\"dense\",\"units\":2,"
        "\"name\":\"head\",\"trainable\":false},{\"type\":\"dense\","
        "\"units\":2},{\"type\":\"batch_norm\"}]", NULL };

    is_int(layer_make(&l, &a, &c, &m, &err), MAAS_OK, "names of weights");
    is_int(l.n_weight, 11, "weights are listed");
    ok(maas_str_is(l.weight[0].name, "lstm_1.weight")
       && l.weight[0].trainable && l.weight[0].decay, "the kernel decays");
    ok(maas_str_is(l.weight[2].name, "lstm_1.bias")
       && l.weight[2].trainable && !l.weight[2].decay, "the bias does not");
    ok(maas_str_is(l.weight[3].name, "head.weight")
       && !l.weight[3].trainable, "what is frozen is not trained");
    ok(maas_str_is(l.weight[5].name, "dense_2.weight")
       && l.weight[5].trainable, "layers are counted by type");
    ok(maas_str_is(l.weight[9].name, "batch_norm_1.running_mean")
       && !l.weight[9].trainable, "statistics are not trained");

    w = weight(m, "lstm_1.bias");
    v = w != NULL ? w->t.data : NULL;
    ok(v != NULL && v[5] == 0 && v[6] == 1 && v[8] == 1 && v[9] == 0
       && v[18] == 0, "the forget gate starts open");

    w = weight(m, "lstm_1.recurrent");
    v = w != NULL ? w->t.data : NULL;
    ok(v != NULL && v[0] != v[9], "gates start differently");

    maas_arena_destroy(&a);
}


int
main(void)
{
    char          text[2048];
    layer_case_t  c;

    for (size_t i = 0; i < maas_nelts(good); i++) {
        c = quoted(&good[i], text);
        layer_good(&c);
    }

    for (size_t i = 0; i < maas_nelts(bad); i++) {
        c = quoted(&bad[i], text);
        layer_bad(&c);
    }

    init_moments(MAAS_INIT_GLOROT_UNIFORM, sqrt(2.0 / 300), "glorot_uniform");
    init_moments(MAAS_INIT_GLOROT_NORMAL, sqrt(2.0 / 300), "glorot_normal");
    init_moments(MAAS_INIT_HE_UNIFORM, sqrt(2.0 / 100), "he_uniform");
    init_moments(MAAS_INIT_HE_NORMAL, sqrt(2.0 / 100), "he_normal");
    init_moments(MAAS_INIT_LECUN_UNIFORM, sqrt(1.0 / 100), "lecun_uniform");
    init_moments(MAAS_INIT_LECUN_NORMAL, sqrt(1.0 / 100), "lecun_normal");
    init_moments(MAAS_INIT_NORMAL, 0.05, "normal");
    init_moments(MAAS_INIT_UNIFORM, 0.05 / sqrt(3), "uniform");
    init_orthogonal(20, 20);
    init_orthogonal(7, 30);
    init_orthogonal(30, 7);
    weights();

    return done();
}
