/*
 * Parameters of a specification: defaults, every type, and the texts of
 * what is refused.
 */

#include "tap.h"
#include "train/params.h"


typedef struct {
    int64_t               units;
    double                rate;
    bool                  bias;
    int64_t               kind;
    maas_str_t            title;
    maas_param_ints_t     size;
    maas_param_numbers_t  betas;
    maas_param_texts_t    names;
    const json_t         *loss;
} sample_t;

static const char *const  kinds[] = { "relu", "tanh", "sigmoid", NULL };
static const char *const  skip[] = { "type", NULL };

static const maas_param_t  rows[] = {
    { "units", MAAS_PARAM_INT, .required = true,
      .off = offsetof(sample_t, units), .min = 1, .max = 1000,
      .about = "neurons of the layer" },
    { "rate", MAAS_PARAM_NUMBER, .off = offsetof(sample_t, rate),
      .def = 0.5, .min = 0, .max = 1e300, .open = true },
    { "bias", MAAS_PARAM_BOOL, .off = offsetof(sample_t, bias), .def = 1 },
    { "activation", MAAS_PARAM_WORD, .off = offsetof(sample_t, kind),
      .def = 2, .words = kinds },
    { "title", MAAS_PARAM_TEXT, .off = offsetof(sample_t, title) },
    { "size", MAAS_PARAM_INTS, .off = offsetof(sample_t, size), .min = 1,
      .max = 9 },
    { "betas", MAAS_PARAM_NUMBERS, .off = offsetof(sample_t, betas),
      .min = -1e300, .max = 1 },
    { "names", MAAS_PARAM_TEXTS, .off = offsetof(sample_t, names) },
    { "loss", MAAS_PARAM_JSON, .off = offsetof(sample_t, loss) }
};

static maas_arena_t  arena;


static maas_status_t
parse(const char *text, sample_t *s, json_t **j, maas_err_t *err)
{
    *j = json_loads(text, JSON_DECODE_ANY, NULL);

    return maas_params_parse(&arena, *j, rows, maas_nelts(rows), skip,
                             "layers[2] (dense)", s, err);
}


static void
test_all(void)
{
    json_t      *j;
    sample_t     s;
    maas_err_t   err = { 0 };

    is_int(parse("{\"units\": 3.0, \"type\": \"dense\"}", &s, &j, &err),
           MAAS_OK, "required alone");
    ok(s.units == 3 && s.rate == 0.5 && s.bias && s.kind == 2
       && s.title.len == 0 && s.size.n == 0 && s.loss == NULL, "defaults");
    json_decref(j);

    is_int(parse("{\"units\": 7, \"rate\": 2, \"bias\": false, \"activation\""
                 ": \"tanh\", \"title\": \"a\", \"size\": [1, 2.0], "
                 "\"betas\": 0.5, \"names\": [\"x\", \"yy\"], \"loss\": {}}",
                 &s, &j, &err), MAAS_OK, "all");
    ok(s.units == 7 && s.rate == 2 && !s.bias && s.kind == 1, "values");
    ok(maas_str_is(s.title, "a") && s.size.n == 2 && s.size.v[1] == 2
       && s.betas.n == 1 && s.betas.v[0] == 0.5 && s.names.n == 2
       && maas_str_is(s.names.v[1], "yy"), "lists");
    ok(s.loss == json_object_get(j, "loss"), "JSON is borrowed");
    json_decref(j);

    is_int(parse("{\"units\": 1, \"rate\": null, \"names\": []}", &s, &j,
                 &err), MAAS_OK, "null");
    ok(s.rate == 0.5 && s.names.n == 0, "null is the default");
    json_decref(j);
}


static void
test_none(void)
{
    sample_t    s;
    maas_err_t  err = { 0 };

    is_int(maas_params_parse(&arena, NULL, rows + 1, maas_nelts(rows) - 1,
                             NULL, NULL, &s, &err), MAAS_OK, "no object");
    ok(s.rate == 0.5 && s.kind == 2, "its defaults");

    is_int(maas_params_parse(&arena, NULL, rows, 1, NULL, NULL, &s, &err),
           MAAS_EINVAL, "none where one is required");
    is_str(err.text, "\"units\" is missing: neurons of the layer",
           "no place, no prefix");
    is_int(maas_params_parse(&arena, NULL, rows, 1, NULL, "x", &s, NULL),
           MAAS_EINVAL, "nobody reads the text");
}


static void
test_refused(void)
{
    static const struct {
        const char  *json;
        const char  *text;
    } bad[] = {
        { "{\"unit\": 3}",
          "layers[2] (dense): unknown key \"unit\"; did you mean \"units\"?" },
        { "{\"zzz\": 3}", "unknown key \"zzz\"; there are units, rate, bias, "
          "activation, title, size, betas, names, loss" },
        { "{}", "layers[2] (dense): \"units\" is missing: neurons of the "
          "layer" },
        { "{\"units\": 3.5}", "\"units\" is 3.5, expected an integer from 1 "
          "to 1000" },
        { "{\"units\": 0}", "\"units\" is 0, expected an integer from 1 to "
          "1000" },
        { "{\"units\": 1e30}", "\"units\" is 1e+30, expected an integer" },
        { "{\"units\": true}", "\"units\" is true, expected an integer" },
        { "{\"units\": 1, \"rate\": 0}",
          "\"rate\" is 0, expected a number above 0" },
        { "{\"units\": 1, \"rate\": \"fast\"}",
          "\"rate\" is the text \"fast\", expected a number above 0" },
        { "{\"units\": 1, \"bias\": 1}",
          "\"bias\" is 1, expected true or false" },
        { "{\"units\": 1, \"activation\": \"rleu\"}",
          "\"activation\" is the text \"rleu\", expected \"relu\", \"tanh\" "
          "or \"sigmoid\"; did you mean \"relu\"?" },
        { "{\"units\": 1, \"activation\": 2}",
          "\"activation\" is 2, expected \"relu\", \"tanh\" or \"sigmoid\"" },
        { "{\"units\": 1, \"title\": []}",
          "\"title\" is a list, expected a text" },
        { "{\"units\": 1, \"size\": [1, 10]}",
          "\"size\"[1] is 10, expected an integer from 1 to 9" },
        { "{\"units\": 1, \"size\": {}}",
          "\"size\" is an object, expected an integer" },
        { "{\"units\": 1, \"betas\": [2]}",
          "\"betas\"[0] is 2, expected a number of at most 1" },
        { "{\"units\": 1, \"names\": [1]}",
          "\"names\"[0] is 1, expected a text" },
        { "[1]", "layers[2] (dense): expected an object, found a list" }
    };
    json_t      *j;
    sample_t     s;
    maas_err_t   err;

    for (size_t i = 0; i < maas_nelts(bad); i++) {
        err.text[0] = '\0';
        ok(parse(bad[i].json, &s, &j, &err) == MAAS_EINVAL, "%s is refused",
           bad[i].json);
        has_str(err.text, bad[i].text, bad[i].json);
        json_decref(j);
    }
}


int
main(void)
{
    maas_arena_init(&arena, &maas_host_libc, 0);

    test_all();
    test_none();
    test_refused();

    maas_arena_destroy(&arena);
    return done();
}
