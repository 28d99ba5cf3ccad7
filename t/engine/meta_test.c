/*
 * meta: every key of model.json, labels.txt, the texts of mistakes, and
 * blocks that lie.
 */

#include <math.h>
#include <stdlib.h>

#include "repo/meta.h"
#include "engine/tap.h"


static maas_err_t  err;

static const maas_str_t         ins[] = { { "x", 1 }, { "im:0", 4 } };
static const maas_str_t         outs[] = { { "boxes", 5 }, { "p", 1 } };
static const maas_meta_names_t  names = { ins, 2, outs, 2 };


static maas_meta_t *
parse(const char *json, const char *labels)
{
    maas_meta_t  *m = NULL;

    err.text[0] = '\0';
    if (maas_meta_parse(&m, &maas_host_libc, json,
                        json != NULL ? strlen(json) : 0, labels,
                        labels != NULL ? strlen(labels) : 0, &names, &err)
        != MAAS_OK)
    {
        return NULL;
    }

    return m;
}


static void
test_defaults(void)
{
    maas_meta_t  *m = parse(NULL, NULL);

    ok(m != NULL && m->prep.kind == MAAS_PREP_NONE
       && m->meaning == MAAS_MEANS_RAW && m->n_labels == 0
       && m->batch_axis == 0 && m->prep.std[2] == 1 && m->prep.scale == 1,
       "defaults");
    ok(maas_str_is(maas_meta_str(m, m->platform), "onnx"), "platform");
    ok(maas_meta_check(m, m->size, 2, 2, &err) == MAAS_OK, "checks");
    free(m);

    m = parse("{}", "cat\r\ndog\n\nb\xc3\xa4r");
    ok(m != NULL && m->n_labels == 4 && m->meaning == MAAS_MEANS_CLASSES
       && m->top_k == 5, "labels mean classes");
    ok(maas_str_is(maas_meta_label(m, 0), "cat")
       && maas_str_is(maas_meta_label(m, 1), "dog")
       && maas_meta_label(m, 2).len == 0
       && maas_str_is(maas_meta_label(m, 3), "b\xc3\xa4r"), "labels");
    ok(maas_meta_check(m, m->size, 2, 2, &err) == MAAS_OK, "checks");
    free(m);

    m = parse(NULL, "\xef\xbb\xbfone\n");
    ok(m != NULL && m->n_labels == 1
       && maas_str_is(maas_meta_label(m, 0), "one"), "a byte order mark");
    free(m);

    m = parse(NULL, "");
    ok(m != NULL && m->n_labels == 0, "empty labels.txt");
    free(m);
}


static void
test_features(void)
{
    maas_meta_t  *m;

    m = parse("{\"input\": {\"name\": \"im:0\", \"features\": [\"a b\","
              " \"\\u00e4\", \"c\"]}}", "cat\ndog");
    ok(m != NULL && m->n_features == 3 && m->prep.input == 1
       && m->prep.kind == MAAS_PREP_NONE, "features");
    ok(maas_str_is(maas_meta_feature(m, 0), "a b")
       && maas_str_is(maas_meta_feature(m, 1), "\xc3\xa4")
       && maas_str_is(maas_meta_feature(m, 2), "c")
       && maas_str_is(maas_meta_label(m, 1), "dog"), "their names");
    ok(maas_meta_check(m, m->size, 2, 2, &err) == MAAS_OK, "checks");

    m->n_features = 1000;
    ok(maas_meta_check(m, m->size, 2, 2, &err) == MAAS_ETRUNC, "too many");
    m->n_features = 3;
    m->features = m->size - 4;
    ok(maas_meta_check(m, m->size, 2, 2, &err) == MAAS_ETRUNC, "outside");
    m->features = m->labels + 1;
    ok(maas_meta_check(m, m->size, 2, 2, &err) == MAAS_ETRUNC, "unaligned");
    free(m);

    is_int(parse("{\"input\": {\"features\": []}}", NULL) != NULL, 0, "none");
    has_str(err.text, "must be an array of 1 to 65536 names", "none: text");
    parse("{\"input\": {\"features\": {\"a\": 1}}}", NULL);
    has_str(err.text, "must be an array", "no array");
    parse("{\"input\": {\"features\": [\"a\", 3]}}", NULL);
    has_str(err.text, "input.features[1] must be a string", "a number");
    parse("{\"input\": {\"features\": [\"a\", \"b\", \"a\"]}}", NULL);
    has_str(err.text, "input.features[2] must be a string that is not empty "
            "and not there twice", "twice");
    parse("{\"input\": {\"features\": [\"\"]}}", NULL);
    has_str(err.text, "input.features[0]", "empty");
}


static void
test_all(void)
{
    maas_meta_t  *m;

    m = parse("{\"description\": \"d\\u00e4\","
              " \"input\": {\"name\": \"im:0\", \"image\": {"
              "  \"width\": 224, \"height\": 192, \"fit\": \"crop\","
              "  \"resize\": 256, \"layout\": \"NHWC\", \"color\": \"bgr\","
              "  \"invert\": true, \"pad\": 114, \"scale\": 0.5,"
              "  \"mean\": [1, 2.5, 3], \"std\": 4}},"
              " \"output\": {\"name\": \"p\", \"meaning\": \"classes\","
              "  \"softmax\": true, \"top_k\": 0},"
              " \"batch\": {\"axis\": null, \"max\": 32}}", NULL);

    ok(m != NULL, "all keys %s", err.text);
    if (m == NULL) {
        return;
    }

    ok(m->prep.kind == MAAS_PREP_IMAGE && m->prep.input == 1
       && m->prep.width == 224 && m->prep.height == 192
       && m->prep.fit == MAAS_FIT_CROP && m->prep.resize == 256
       && m->prep.layout == MAAS_LAYOUT_NHWC
       && m->prep.color == MAAS_COLOR_BGR && m->prep.invert == 1
       && m->prep.pad == 114 && m->prep.scale == 0.5f, "image");
    ok(m->prep.mean[0] == 1 && m->prep.mean[1] == 2.5f
       && m->prep.mean[2] == 3 && m->prep.std[0] == 4
       && m->prep.std[3] == 4, "mean and std");
    ok(m->output == 1 && m->meaning == MAAS_MEANS_CLASSES && m->softmax == 1
       && m->top_k == 0 && m->batch_axis == -1 && m->profile_max == 32,
       "output and batch");
    ok(maas_str_is(maas_meta_str(m, m->description), "d\xc3\xa4"),
       "description");
    ok(maas_meta_check(m, m->size, 2, 2, &err) == MAAS_OK, "checks");
    ok(maas_meta_check(m, m->size, 1, 2, &err) == MAAS_EINVAL, "%s",
       err.text);
    free(m);
}


static void
test_ctc(void)
{
    maas_meta_t  *m;

    m = parse("{\"input\": {\"image\": {\"height\": 48,"
              "  \"fit\": \"scale\", \"longest\": 2000, \"multiple\": 8}},"
              " \"output\": {\"meaning\": \"ctc\"}}", "a\nb\n");
    ok(m != NULL && m->meaning == MAAS_MEANS_CTC && m->blank == 0
       && m->merge_repeats == 1 && m->order == MAAS_ORDER_NTC
       && m->prep.fit == MAAS_FIT_SCALE && m->prep.longest == 2000
       && m->prep.multiple == 8 && m->prep.width == 0,
       "ctc and its defaults; scale %s", err.text);
    ok(m == NULL || maas_meta_check(m, m->size, 1, 1, &err) == MAAS_OK,
       "checks");
    free(m);

    m = parse("{\"output\": {\"meaning\": \"ctc\", \"blank\": -1,"
              " \"merge_repeats\": false, \"order\": \"tnc\","
              " \"softmax\": true}}", "a\nb\n");
    ok(m != NULL && m->blank == -1 && m->merge_repeats == 0
       && m->order == MAAS_ORDER_TNC && m->softmax == 1,
       "ctc, all keys %s", err.text);
    free(m);

    m = parse("{\"output\": {\"meaning\": \"ctc\", \"blank\": -2}}", "a");
    ok(m == NULL && strstr(err.text, "from -1"), "%s", err.text);
    m = parse("{\"output\": {\"meaning\": \"ctc\","
              " \"order\": \"CTN\"}}", "a");
    ok(m == NULL && strstr(err.text, "NTC, TNC"), "%s", err.text);
}


static void
test_pad(void)
{
    maas_meta_t            *m;
    const maas_meta_pad_t  *p;

    m = parse("{\"batch\": {\"pad\": {\"values\": {\"x\": 0}}}}", NULL);
    ok(m != NULL && m->n_pads == 1 && m->pad_axis == 1
       && m->pad_multiple == 1 && m->pad_percent == 110 && m->tolerance == 0
       && !m->pad[0].mask, "pad and its defaults %s", err.text);
    ok(maas_meta_check(m, m->size, 1, 1, &err) == MAAS_OK, "checks");
    ok(maas_meta_pad(m, 0) == &m->pad[0] && maas_meta_pad(m, 1) == NULL,
       "by input");
    free(m);

    m = parse("{\"batch\": {\"axis\": 1, \"pad\": {\"axis\": 2,"
              " \"values\": {\"im:0\": -1.5, \"x\": 7}, \"limit\": 2,"
              " \"multiple\": 16, \"tolerance\": 1e-5,"
              " \"mask\": \"x\"}}}", NULL);
    ok(m != NULL && m->batch_axis == 1 && m->pad_axis == 2 && m->n_pads == 2
       && m->pad_multiple == 16 && m->pad_percent == 200
       && m->tolerance == 1e-5, "all keys %s", err.text);
    p = m->pad;
    ok(p[0].input == 0 && p[0].value == 7 && p[0].mask == 1
       && p[1].input == 1 && p[1].value == -1.5 && p[1].mask == 0,
       "values in the order of the inputs");
    ok(maas_meta_check(m, m->size, 2, 1, &err) == MAAS_OK, "checks");
    ok(maas_meta_check(m, m->size, 1, 1, &err) == MAAS_EINVAL, "%s",
       err.text);

    m->pad_axis = 1;
    ok(maas_meta_check(m, m->size, 2, 1, &err) == MAAS_EINVAL, "one axis");
    m->pad_axis = 2;
    m->n_pads = 1000;
    ok(maas_meta_check(m, m->size, 2, 1, &err) == MAAS_EINVAL, "too many");
    m->n_pads = 2;
    m->pad[1].input = 0;
    ok(maas_meta_check(m, m->size, 2, 1, &err) == MAAS_EINVAL, "twice");
    m->pad[1].input = 1;
    m->tolerance = NAN;
    ok(maas_meta_check(m, m->size, 2, 1, &err) == MAAS_EINVAL, "NaN");
    free(m);

    m = parse("{\"batch\": {\"axis\": 1,"
              " \"pad\": {\"values\": {\"x\": 0}}}}", NULL);
    ok(m != NULL && m->pad_axis == 0, "axis 0 where the batch has 1");
    free(m);
}


static const char *const  bad[][2] = {
    { "", "model.json: line 1" },
    { "{", "model.json: line 1" },
    { "{\"a\": 1, \"a\": 2}", "duplicate" },
    { "[]", "must be an object" },
    { "{\"discription\": \"\"}",
      "unknown key \"discription\"; known are: description, input" },
    { "{\"description\": 1}", "description must be a string" },
    { "{\"input\": 1}", "input must be an object" },
    { "{\"input\": {\"nmae\": 1}}", "known are: name, image" },
    { "{\"input\": {\"name\": 1}}", "input.name must be a string" },
    { "{\"input\": {\"name\": \"y\"}}",
      "no input \"y\"; it has: \"x\", \"im:0\"" },
    { "{\"output\": {\"name\": \"x\"}}", "it has: \"boxes\", \"p\"" },
    { "{\"input\": {\"image\": []}}", "input.image must be an object" },
    { "{\"input\": {\"image\": {\"width\": -1}}}",
      "image.width must be an integer from 0" },
    { "{\"input\": {\"image\": {\"height\": 2.5}}}", "integer" },
    { "{\"input\": {\"image\": {\"pad\": 256}}}", "0 to 255" },
    { "{\"input\": {\"image\": {\"layout\": \"HWC\"}}}",
      "one of: NCHW, NHWC, flat" },
    { "{\"input\": {\"image\": {\"fit\": 3}}}", "stretch, crop, pad, scale" },
    { "{\"input\": {\"image\": {\"resize\": 3}}}", "crop" },
    { "{\"input\": {\"image\": {\"std\": 0}}}", "nonzero" },
    { "{\"input\": {\"image\": {\"std\": [1, 1, 1e-60]}}}", "nonzero" },
    { "{\"input\": {\"image\": {\"scale\": 1e300}}}", "float32" },
    { "{\"input\": {\"image\": {\"mean\": [1, 2]}}}", "array of 3" },
    { "{\"input\": {\"image\": {\"mean\": [1, \"2\", 3]}}}", "numbers" },
    { "{\"input\": {\"image\": {\"longest\": 9}}}",
      "longest and multiple go with \"fit\": \"scale\" only" },
    { "{\"input\": {\"image\": {\"multiple\": 9}}}", "scale" },
    { "{\"input\": {\"image\": {\"fit\": \"scale\","
      " \"multiple\": 9000}}}", "from 0 to 4096" },
    { "{\"input\": {\"image\": {\"fit\": \"scale\","
      " \"width\": 9, \"height\": 9}}}", "the other follows" },
    { "{\"output\": {\"meaning\": \"class\"}}",
      "raw, classes, regression, embedding, ctc" },
    { "{\"output\": {\"meaning\": \"ctc\"}}",
      "needs a labels.txt" },
    { "{\"output\": {\"blank\": 1}}",
      "blank goes with \"meaning\": \"ctc\" only" },
    { "{\"output\": {\"merge_repeats\": true}}", "merge_repeats goes" },
    { "{\"output\": {\"order\": \"TNC\"}}", "order goes" },
    { "{\"output\": {\"softmax\": 1}}", "true or false" },
    { "{\"output\": {\"softmax\": true}}", "goes with" },
    { "{\"output\": {\"top_k\": -1}}", "integer" },
    { "{\"batch\": {\"axis\": 8}}", "from -1 to 7" },
    { "{\"batch\": {\"max\": 1e9}}", "integer" },
    { "{\"batch\": {\"pad\": 1}}", "batch.pad must be an object" },
    { "{\"batch\": {\"pad\": {}}}", "such as {\"input_ids\": 0}" },
    { "{\"batch\": {\"pad\": {\"value\": 1}}}",
      "known are: axis, values, mask" },
    { "{\"batch\": {\"pad\": {\"values\": {}}}}", "1 to 16 inputs" },
    { "{\"batch\": {\"pad\": {\"values\": {\"y\": 0}}}}",
      "batch.pad.values: the model has no input \"y\"; it has: \"x\"" },
    { "{\"batch\": {\"pad\": {\"values\": {\"x\": \"0\"}}}}",
      "that of \"x\" must be a number from -2^53" },
    { "{\"batch\": {\"pad\": {\"values\": {\"x\": 1e16}}}}", "2^53" },
    { "{\"batch\": {\"pad\": {\"axis\": 0,"
      " \"values\": {\"x\": 0}}}}", "lies along the same axis" },
    { "{\"batch\": {\"axis\": null, \"pad\": {"
      " \"values\": {\"x\": 0}}}}", "lies along none" },
    { "{\"batch\": {\"pad\": {\"limit\": 0.5,"
      " \"values\": {\"x\": 0}}}}", "limit must be a number from 1 to" },
    { "{\"batch\": {\"pad\": {\"multiple\": 0,"
      " \"values\": {\"x\": 0}}}}", "from 1 to 4096" },
    { "{\"batch\": {\"pad\": {\"tolerance\": -1,"
      " \"values\": {\"x\": 0}}}}", "tolerance must be a number" },
    { "{\"batch\": {\"pad\": {\"mask\": \"im:0\","
      " \"values\": {\"x\": 0}}}}", "\"im:0\" is not among" },
    { "{\"batch\": {\"pad\": {\"mask\": 0,"
      " \"values\": {\"x\": 0}}}}", "must be the name of an input" },
};


static void
test_bad(void)
{
    for (size_t i = 0; i < maas_nelts(bad); i++) {
        maas_meta_t  *m = parse(bad[i][0], NULL);

        if (!ok(m == NULL && strstr(err.text, bad[i][1]) != NULL, "%s: %s",
                bad[i][0], err.text))
        {
            free(m);
        }
    }
}


/* Any byte of a block may be anything: the check must notice or be right. */
static void
test_lies(void)
{
    size_t        size;
    uint64_t      sum = 0;
    maas_meta_t  *m = parse("{\"description\": \"abc\", \"batch\": {\"pad\":"
                            " {\"values\": {\"x\": 0}}}}", "one\ntwo\n");
    uint8_t      *copy;

    size = m->size;
    copy = malloc(size);

    for (size_t i = 0; i < size; i++) {
        for (int v = 0; v < 256; v += 5) {
            maas_meta_t  *c = (maas_meta_t *) copy;

            memcpy(copy, m, size);
            copy[i] = (uint8_t) v;

            if (maas_meta_check(c, size, 1, 1, NULL) != MAAS_OK) {
                continue;
            }

            for (uint32_t k = 0; k < c->n_labels; k++) {
                maas_str_t  s = maas_meta_label(c, k);

                for (size_t b = 0; b < s.len; b++) {
                    sum += (uint8_t) s.data[b];
                }
            }

            sum += maas_meta_str(c, c->description).len;
            sum += maas_meta_pad(c, 0) != NULL;
        }
    }

    ok(sum != 0, "blocks with any byte changed stay inside");

    for (size_t n = 0; n < size; n++) {
        if (maas_meta_check(m, n, 1, 1, NULL) == MAAS_OK) {
            ok(0, "a block cut to %zu of %zu bytes is taken", n, size);
            break;
        }
    }

    ok(maas_meta_check(m, size, 1, 1, NULL) == MAAS_OK, "the whole is");
    free(copy);
    free(m);
}


int
main(void)
{
    test_defaults();
    test_features();
    test_all();
    test_ctc();
    test_pad();
    test_bad();
    test_lies();
    return done();
}
