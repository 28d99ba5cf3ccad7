/*
 * Requests of the dialects with the status and a part of the answer that
 * must come back; read by proto_test.c.  The models are those of
 * fake_model.h, whose outputs are their inputs.
 */

#ifndef MAAS_PROTO_CASES_H
#define MAAS_PROTO_CASES_H


typedef struct {
    const char  *dialects;          /* "k", "t", "kt", "p" */
    const char  *target;            /* "POST /models/x", or "POST model" */
    const char  *body;
    int          status;
    const char  *part;              /* of the answer; "!x": not in it */
    const char  *type;              /* Content-Type; NULL: JSON */
    const char  *accept;
    const char  *binary;            /* Inference-Header-Content-Length */
} proto_case_t;

#define K2  "POST /v2/models/"
#define T1  "POST /v1/models/"

static const proto_case_t  cases[] = {

    /* kserve: documents */
    { "k", "GET /v2", "", 200, "\"extensions\":[\"classification\","
      "\"binary_tensor_data\",\"parameters\",\"statistics\","
      "\"model_configuration\"]}" },
    { "k", "GET /v2/", "", 200, "\"name\":\"ngx_maas\"" },
    { "k", "GET ", "", 200, "\"name\":\"ngx_maas\"" },
    { "k", "HEAD /", "", 200, "ngx_maas" },
    { "k", "GET /health/live", "", 200, "{\"live\":true}" },
    { "k", "GET /v2/health/ready", "", 503, "{\"ready\":false}" },
    { "k", "GET /v2/health/x", "", 404, "no route" },
    { "k", "GET /v2/models/add", "", 200, "{\"name\":\"add\",\"versions\":"
      "[\"1\",\"3\",\"7\"],\"platform\":\"onnx\",\"inputs\":[{\"name\":\"x\","
      "\"datatype\":\"FP32\",\"shape\":[-1,2]}]" },
    { "k", "GET /models/add/versions/1", "", 200, "\"name\":\"add\"" },
    { "k", "GET /models/add/versions/canary/ready", "", 200,
      "{\"name\":\"add\",\"ready\":true}" },
    { "k", "GET /models/add/versions/9", "", 404, "no version or label "
      "\\\"9\\\"" },
    { "k", "GET /models/add/versions/7/ready", "", 503,
      "model \\\"add\\\" version 7 is not available\"" },
    { "k", "GET /models/down", "", 503, "not available" },
    { "k", "GET /models/none", "", 404, "unknown model \\\"none\\\"" },
    { "k", "GET /models/hidden", "", 404, "unknown model" },
    { "k", "GET /models/", "", 404, "no route" },
    { "k", "GET /models", "", 404, "no route" },
    { "k", "GET /models/add/versions", "", 404, "no route" },
    { "k", "GET /models/add/x", "", 404, "no route" },
    { "k", "POST /models/add:predict", "{}", 404, "POST models/NAME[" },
    { "k", "POST /models/:predict", "{}", 404, "no route" },
    { "k", "POST /models/add:", "{}", 404, "no route" },
    { "k", "POST /models/add", "{}", 405, "POST /models/add/infer" },
    { "k", "GET /models/add/ready/x", "", 404, "no route" },
    { "k", "GET /models/../../etc/passwd", "", 404, "no route" },
    { "k", "GET /models/add/infer", "", 405, "use POST" },
    { "k", "DELETE /models/add", "", 405, "use GET, HEAD" },
    { "k", "POST /v2", "", 405, "use GET, HEAD" },

    /* kserve: configuration, statistics, repository */
    { "k", "GET /v2/models/add/config", "", 200, "{\"name\":\"add\","
      "\"platform\":\"onnx\",\"backend\":\"ngx_maas\",\"version_policy\":{"
      "\"specific\":{\"versions\":[1,3,7]}},\"max_batch_size\":0,\"input\":[{"
      "\"name\":\"x\",\"data_type\":\"TYPE_FP32\",\"dims\":[-1,2],"
      "\"format\":\"FORMAT_NONE\",\"is_shape_tensor\":false,"
      "\"allow_ragged_batch\":false,\"optional\":false}],\"output\":[{\"name\":"
      "\"y\",\"data_type\":\"TYPE_FP32\",\"dims\":[-1,2],"
      "\"label_filename\":\"\",\"is_shape_tensor\":false}],"
      "\"model_transaction_policy\":{\"decoupled\":false},\"parameters\":{}}"
    },
    { "k", "GET /v2/models/rows/versions/1/config", "", 200,
      "\"max_batch_size\":8,\"input\":[{\"name\":\"x\",\"data_type\":"
      "\"TYPE_FP32\",\"dims\":[2]," },
    { "k", "GET /v2/models/text/config", "", 200, "\"TYPE_STRING\"" },
    { "k", "GET /v2/models/free/config", "", 200, "\"dims\":[-1]" },
    { "k", "GET /v2/models/down/config", "", 503, "not available" },
    { "k", "POST /v2/models/add/config", "", 405, "use GET, HEAD" },
    { "k", "GET /v2/models/none/stats", "", 404, "unknown model" },
    { "k", "GET /v2/models/add/versions/9/stats", "", 404, "no version" },
    { "k", "GET /v2/models/stats", "", 200, "\"name\":\"two\",\"version\":"
      "\"1\"," },
    { "k", "GET /v2/models/stats", "", 200, "!\"down\"" },
    { "k", "GET /v2/models/down/stats", "", 200, "{\"model_stats\":[]}" },
    { "k", "GET /v2/models/add/stats", "", 200, "{\"model_stats\":[{\"name\":"
      "\"add\",\"version\":\"1\",\"last_inference\":0,\"inference_count\":0,"
      "\"execution_count\":0,\"inference_stats\":{\"success\":{\"count\":0,"
      "\"ns\":0},\"fail\":{\"count\":0,\"ns\":0},\"queue\":{\"count\":0,"
      "\"ns\":0},\"compute_input\":{\"count\":0,\"ns\":0},\"compute_infer\":{"
      "\"count\":0,\"ns\":0},\"compute_output\":{\"count\":0,\"ns\":0},"
      "\"cache_hit\":{\"count\":0,\"ns\":0},\"cache_miss\":{\"count\":0,\"ns\":"
      "0}},\"response_stats\":{},\"batch_stats\":[],\"memory_usage\":[{"
      "\"type\":\"CPU\",\"id\":0,\"byte_size\":3021}]},{\"name\":\"add\","
      "\"version\":\"3\"," },
    { "k", "POST /v2/repository/index", "", 200, "[{\"name\":\"add\","
      "\"version\":\"1\",\"state\":\"READY\"},{\"name\":\"add\",\"version\":"
      "\"3\",\"state\":\"READY\"},{\"name\":\"add\",\"version\":\"7\","
      "\"state\":\"UNAVAILABLE\"},{\"name\":\"two\"," },
    { "k", "POST /repository/index", "{\"ready\":false}", 200,
      "\"UNAVAILABLE\"" },
    { "k", "POST /repository/index", " {\"x\":[],\"ready\":true}", 200,
      "!UNAVAILABLE" },
    { "k", "POST /repository/index", "{\"ready\":1}", 400, "where true or "
      "false is" },
    { "k", "POST /repository/index", "{} x", 400, "where the end of the body" },
    { "k", "GET /repository/index", "", 405, "use POST" },
    { "k", "POST /repository/models/add/load", "{}", 403, "only reads" },
    { "k", "POST /repository/models/add/unload", "", 403, "only reads" },
    { "k", "POST /repository/models/add/x", "", 404, "no route" },
    { "k", "POST /repository", "", 404, "no route" },
    { "kt", "POST /v2/repository/index", "", 200, "[{\"name\":\"add\"," },
    { "kt", "GET /v2/models/add/stats", "", 200, "{\"model_stats\":[{" },

    /* kserve: infer */
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2.5]}]}", 200,
      "{\"model_name\":\"add\",\"model_version\":\"3\",\"outputs\":[{\"name\":"
      "\"y\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1.0,2.5]}]}" },
    { "k", K2 "add/versions/1/infer", "{\"id\":\"a\\\"1\",\"inputs\":[{"
      "\"data\":[[1,2],[3,4]],\"shape\":[2,2],\"datatype\":\"FP32\","
      "\"name\":\"x\"}]}", 200, "\"model_version\":\"1\",\"id\":\"a\\\"1\"" },
    { "k", K2 "add/infer", "{\"parameters\":{\"priority\":1},\"inputs\":[{"
      "\"name\":\"x\",\"shape\":[0,2],\"datatype\":\"FP32\",\"data\":[]}]}",
      200, "\"shape\":[0,2],\"data\":[]" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[NaN,-Infinity]}]}", 200,
      "\"data\":[null,null]" },
    { "k", K2 "two/infer", "{\"inputs\":[{\"name\":\"b\",\"shape\":[1],"
      "\"datatype\":\"INT64\",\"data\":[-9223372036854775808]},{\"name\":"
      "\"a\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[0.1,1e-7]}],"
      "\"outputs\":[{\"name\":\"t\"}]}", 200, "\"outputs\":[{\"name\":\"t\","
      "\"datatype\":\"INT64\",\"shape\":[1],\"data\":"
      "[-9223372036854775808]}]}" },
    { "k", K2 "id_string/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[2],"
      "\"datatype\":\"BYTES\",\"data\":[\"a\\n\",\"\"]}]}", 200,
      "\"data\":[\"a\\n\",\"\"]" },
    { "k", K2 "id_bool/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[2],"
      "\"datatype\":\"BOOL\",\"data\":[true,false]}]}", 200,
      "\"data\":[true,false]" },
    { "k", K2 "zip/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[0.25,0.75]}]}", 200, "\"parameters\":{"
      "\"map_keys\":\"[\\\"no\\\",\\\"ui\\\"]\"},\"data\":[0.25,0.75]" },
    { "k", K2 "scalar/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[],"
      "\"datatype\":\"FP32\",\"data\":[3]}]}", 200, "\"shape\":[],\"data\":"
      "[3.0]" },
    { "k", K2 "many/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],"
      "\"datatype\":\"FP32\",\"data\":[3]}]}", 200, "\"name\":\"y39\"" },

    /* kserve: classification; raw values, or probabilities with model.json */
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2.5,4,-3]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":1}}]}", 200,
      "\"datatype\":\"BYTES\",\"shape\":[2,1],\"data\":[\"2.500000:1\","
      "\"4.000000:0\"]}]}" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[NaN,-Infinity]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":9}}]}", 200,
      "\"shape\":[1,2],\"data\":[\"-inf:1\",\"nan:0\"]}]}" },
    { "k", K2 "digits/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],"
      "\"datatype\":\"FP32\",\"data\":[0,3,0,0]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":3}}]}", 200,
      "\"shape\":[1,3],\"data\":[\"0.870049:1:dog\",\"0.043317:0:cat\","
      "\"0.043317:2\"]" },
    { "k", K2 "zip/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[0.25,0.75]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":2}}]}", 200,
      "\"shape\":[1,2],\"data\":[\"0.750000:1:ui\",\"0.250000:0:no\"]}]}"
    },
    { "k", K2 "id_int32/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[3],"
      "\"datatype\":\"INT32\",\"data\":[5,-7,6]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":1}}]}", 200,
      "\"shape\":[3,1],\"data\":[\"5:0\",\"-7:0\",\"6:0\"]}" },
    { "k", K2 "scalar/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[],"
      "\"datatype\":\"FP32\",\"data\":[3]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":5}}]}", 200,
      "\"shape\":[1],\"data\":[\"3.000000:0\"]}" },
    { "k", K2 "fixed/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2,4,3]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":3}}]}", 200,
      "\"shape\":[3],\"data\":[\"4.000000:2\",\"3.000000:3\",\"2.000000:1\"]}"
    },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[0,2],"
      "\"datatype\":\"FP32\",\"data\":[]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":1}}]}", 200,
      "\"shape\":[0,0],\"data\":[]}" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":0}}]}", 200,
      "\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1.0,2.0]" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":-1}}]}", 400,
      "\\\"classification\\\" is negative" },
    { "k", K2 "id_string/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],"
      "\"datatype\":\"BYTES\",\"data\":[\"a\"]}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":1}}]}", 400,
      "BYTES has no classes" },

    /* kserve: parameters that change the meaning, and those that do not */
    { "k", K2 "add/infer", "{\"parameters\":{\"sequence_id\":0,\"sequence_start\":true},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 200, "\"data\":[1.0,2.0]" },
    { "k", K2 "add/infer", "{\"parameters\":{\"sequence_id\":\"\",\"sequence_end\":false},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 200, "\"data\":[1.0,2.0]" },
    { "k", K2 "add/infer", "{\"parameters\":{\"sequence_id\":7},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 400, "sequences are not" },
    { "k", K2 "add/infer", "{\"parameters\":{\"sequence_id\":\"a\"},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 400, "sequences are not" },
    { "k", K2 "add/infer", "{\"parameters\":{\"timeout\":5,\"mine\":{\"a\":[1]}},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 200, "\"data\":[1.0,2.0]" },
    { "k", K2 "add/infer", "{\"parameters\":{\"triton_enable_empty_final_response\":true},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 200, "\"data\":[1.0,2.0]" },
    { "k", K2 "add/infer", "{\"parameters\":{\"triton_x\":1},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 400, "is reserved" },
    { "k", K2 "add/infer", "{\"parameters\":{\"headers\":1},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 400, "is reserved" },
    { "k", K2 "add/infer", "{\"parameters\":{\"binary_data_output\":1},"
      "\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
      "\"data\":[1,2]}]}", 400, "where true or "
      "false is" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}],\"outputs\":[{\"name\":\"y\","
      "\"parameters\":{\"shared_memory_byte_size\":8}}]}", 400,
      "shared memory is not" },
    { "k", K2 "id_float16/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[0],"
      "\"datatype\":\"FP16\",\"parameters\":{\"binary_data_size\":0}}]}", 400,
      "output \\\"y\\\": FP16 has no JSON form; request" },
    { "k", K2 "id_float16/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[0],"
      "\"datatype\":\"FP16\",\"parameters\":{\"binary_data_size\":0}}],"
      "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":2}}]}",
      200, "\"BYTES\",\"shape\":[0,0]" },

    /* kserve: bad requests */
    { "k", K2 "add/infer", "", 400, "an empty body where an object" },
    { "k", K2 "add/infer", "hello", 400, "where an object is expected" },
    { "k", K2 "add/infer", "{}", 400, "lacks \\\"inputs\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":[]}", 400, "missing input \\\"x\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":{}}", 400, "an object where a list" },
    { "k", K2 "add/infer", "{\"inputs\":[],\"inputs\":[]}", 400,
      "\\\"inputs\\\" is given twice" },
    { "k", K2 "add/infer", "{\"inputs\":[]} x", 400, "where the end of the body" },
    { "k", K2 "add/infer", "{\"inputs\":[{}]}", 400, "without \\\"name\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\"}]}", 400,
      "without \\\"shape\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2]}]}",
      400, "without \\\"datatype\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\"}]}", 400, "without \\\"data\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"z\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400, "unknown input "
      "\\\"z\\\"; this model takes \\\"x\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]},{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400, "given twice" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"name\":\"x\"}]}",
      400, "given twice" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP64\",\"data\":[1,2]}]}", 400, "datatype FP64, but the "
      "model takes FP32" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"float\",\"data\":[1,2]}]}", 400, "unknown datatype" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],"
      "\"datatype\":\"FP32\",\"data\":[1,2,3]}]}", 400, "shape [1,3], but the "
      "model takes [?,2]" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[-1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400, "negative dimension" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1.5,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400, "integer is expected" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1,1,1,1,"
      "1,1,1,1],\"datatype\":\"FP32\",\"data\":[1,2]}]}", 400,
      "more than 8 dimensions" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[501,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}]}", 413, "more than 1000" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":"
      "[4611686018427387904,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}", 413,
      "more than 1000" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2,3]}]}", 400, "input \\\"x\\\": 3 "
      "values, but the shape needs 4" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2,3]}]}", 400, "3 values, but the "
      "shape needs 2" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
      "\"datatype\":\"FP32\",\"data\":[[1,2,3,4]]}]}", 400, "nested as [1,4], "
      "but the shape is [2,2]" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],"
      "\"datatype\":\"FP32\",\"data\":[[1,2],[3]]}]}", 400, "ragged" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,1e400]}]}", 400, "1e400 is out of "
      "the range of float32" },
    { "k", K2 "id_int32/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],"
      "\"datatype\":\"INT32\",\"data\":[NaN]}]}", 400, "NaN is no integer" },
    { "k", K2 "id_float16/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],"
      "\"datatype\":\"FP16\",\"data\":[1]}]}", 400, "FP16 has no JSON form" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}],\"outputs\":[{\"name\":\"q\"}]}",
      400, "unknown output \\\"q\\\"" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}],\"outputs\":[{\"name\":\"y\"},"
      "{\"name\":\"y\"}]}", 400, "requested twice" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"data\":[1,2]}],\"outputs\":[{}]}", 400,
      "output without" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"parameters\":{\"shared_memory_region\":\"r\"}}]"
      "}", 400, "shared memory" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":8}}]}", 400,
      "binary_data_size is 8, but 0 bytes are left" },
    { "k", K2 "add/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],"
      "\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":-1}}]}",
      400, "negative" },
    { "k", K2 "add/infer", "{}", 400, "no decimal length", NULL, NULL,
      "12x" },
    { "k", K2 "add/infer", "{}", 400, "is 99, but the body has 2", NULL, NULL,
      "99" },
    { "k", K2 "add/infer", "{}", 400, "no decimal length", NULL, NULL,
      "99999999999999999999999" },
    { "k", K2 "add/infer", "{}", 400, "needs the header",
      "application/octet-stream" },
    { "k", K2 "add/infer", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
      400, "a list where an object" },
    { "k", K2 "add/infer", "{\"z\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
      "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 400,
      "nested deeper than 64" },
    { "k", K2 "fails/infer", "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],"
      "\"datatype\":\"FP32\",\"data\":[1]}]}", 500, "!Secret" },
    { "k", K2 "none/infer", "{}", 404, "unknown model" },
    { "k", K2 "down/infer", "{}", 503, "!/srv" },

    /* tfserving: documents */
    { "t", "GET /v1/models", "", 200, "{\"models\":[\"add\",\"two\"," },
    { "t", "GET /models/add", "", 200, "{\"model_version_status\":[{"
      "\"version\":\"7\",\"state\":\"END\",\"status\":{\"error_code\":"
      "\"UNAVAILABLE\",\"error_message\":\"\"}},{\"version\":\"3\",\"state\":"
      "\"AVAILABLE\",\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}"
      "}" },
    { "t", "GET /models/add", "", 200, "\"name\":\"add\",\"ready\":true}" },
    { "t", "GET /models/down", "", 200, "\"ready\":false}" },
    { "t", "GET /models/add/versions/1", "", 200, "{\"model_version_status\":"
      "[{\"version\":\"1\"," },
    { "t", "GET /models/add/versions/1", "", 200, "!\"version\":\"3\"" },
    { "t", "GET /models/add/labels/canary", "", 200, "\"version\":\"1\"" },
    { "t", "GET /models/add/labels/x", "", 404, "no version or label" },
    { "t", "GET /models/add/versions/9", "", 404, "no version or label" },
    { "t", "GET /models/add/versions/x", "", 404, "no route" },
    { "t", "GET /models/add/labels/1", "", 404, "no route" },
    { "t", "GET /models/add/metadata", "", 200, "\"signature_def\":{"
      "\"serving_default\":{\"inputs\":{\"x\":{\"dtype\":\"DT_FLOAT\","
      "\"tensor_shape\":{\"dim\":[{\"size\":\"-1\",\"name\":\"\"},{\"size\":"
      "\"2\",\"name\":\"\"}],\"unknown_rank\":false}" },
    { "t", "GET /models/none", "", 404, "unknown model" },
    { "t", "GET /", "", 404, "no route" },
    { "t", "GET /models/add:predict", "", 405, "use POST" },
    { "t", "POST /models/add", "", 405, "use GET, HEAD" },
    { "t", "POST /models/add:explain", "", 501, "not supported" },
    { "t", "GET /models/add:classify", "", 405, "use POST" },
    { "t", "POST /models/add:x", "", 404, "no route" },
    { "t", "POST /models/:predict", "", 404, "no route" },
    { "t", "POST /models/add/metadata:predict", "", 404, "no route" },
    { "t", "GET /models/add/labels/", "", 404, "no route" },

    /* tfserving: predict */
    { "t", T1 "add:predict", "{\"instances\":[[1,2],[3,4]]}", 200,
      "{\"predictions\":[[1.0,2.0],[3.0,4.0]]}" },
    { "t", T1 "add/versions/1:PREDICT", "{\"signature_name\":"
      "\"serving_default\",\"instances\":[{\"x\":[1,2]}]}", 200,
      "{\"predictions\":[[1.0,2.0]]}" },
    { "t", T1 "add/labels/canary:predict", "{\"inputs\":[[1,NaN]]}", 200,
      "{\"outputs\":[[1.0,NaN]]}" },
    { "t", T1 "add:predict", "{\"inputs\":{\"x\":[[1,-Infinity]]}}", 200,
      "{\"outputs\":[[1.0,-Infinity]]}" },
    { "t", T1 "two:predict", "{\"instances\":[{\"a\":[1,2],\"b\":3},{\"b\":4,"
      "\"a\":[5,6]}]}", 200, "{\"predictions\":[{\"s\":[1.0,2.0],\"t\":3},"
      "{\"s\":[5.0,6.0],\"t\":4}]}" },
    { "t", T1 "two:predict", "{\"inputs\":{\"a\":[[1,2]],\"b\":[3]}}", 200,
      "{\"outputs\":{\"s\":[[1.0,2.0]],\"t\":[3]}}" },
    { "t", T1 "id_int32:predict", "{\"instances\":[1,2,3]}", 200,
      "{\"predictions\":[1,2,3]}" },
    { "t", T1 "id_string:predict", "{\"instances\":[\"a\",{\"b64\":"
      "\"YWI=\"}]}", 200, "{\"predictions\":[\"a\",\"ab\"]}" },
    { "t", T1 "text:predict", "{\"instances\":[{\"b64\":\"YWI=\"}]}", 200,
      "{\"predictions\":[{\"b64\":\"YWI=\"}]}" },
    { "t", T1 "text:predict", "{\"inputs\":[\"abc\"]}", 200,
      "{\"outputs\":[{\"b64\":\"YWJj\"}]}" },
    { "t", T1 "zip:predict", "{\"instances\":[[0.25,0.75]]}", 200,
      "{\"predictions\":[{\"no\":0.25,\"ui\":0.75}]}" },
    { "t", T1 "zip:predict", "{\"inputs\":[[0.25,0.75]]}", 200,
      "{\"outputs\":[{\"no\":0.25,\"ui\":0.75}]}" },
    { "t", T1 "scalar:predict", "{\"inputs\":5}", 200, "{\"outputs\":5.0}" },
    { "t", T1 "id_float16:predict", "{\"instances\":[0.5]}", 200, "[0.5]" },

    { "t", T1 "add:predict", "{}", 400, "lacks \\\"instances\\\" or" },
    { "t", T1 "add:predict", "[]", 400, "a list where an object" },
    { "t", T1 "add:predict", "{\"instances\":[]}", 400, "empty list" },
    { "t", T1 "add:predict", "{\"instances\":{}}", 400, "an object where a" },
    { "t", T1 "add:predict", "{\"instances\":[[1,2]],\"inputs\":[[1,2]]}",
      400, "more than one of" },
    { "t", T1 "add:predict", "{\"instances\":[[1,2],[3]]}", 400, "ragged" },
    { "t", T1 "add:predict", "{\"instances\":[[1,2,3]]}", 400,
      "shape [1,3], but the model takes [?,2]" },
    { "t", T1 "add:predict", "{\"instances\":[1,2]}", 400, "shape [2], but" },
    { "t", T1 "add:predict", "{\"instances\":[{\"z\":[1,2]}]}", 400,
      "instance 0: unknown input \\\"z\\\"" },
    { "t", T1 "add:predict", "{\"instances\":[{\"x\":[1,2],\"x\":[1,2]}]}",
      400, "given twice" },
    { "t", T1 "add:predict", "{\"instances\":[{\"x\":[1,2]},{}]}", 400,
      "instance 1: missing input \\\"x\\\"" },
    { "t", T1 "add:predict", "{\"instances\":[{\"x\":[1,2]},{\"x\":[1]}]}",
      400, "ragged lists: the list at [1], depth 2" },
    { "t", T1 "add:predict", "{\"instances\":[{\"x\":[1,2]},[1,2]]}", 400,
      "a list where an object" },
    { "t", T1 "add:predict", "{\"signature_name\":\"other\"}", 400,
      "no signature \\\"other\\\"" },
    { "t", T1 "two:predict", "{\"instances\":[[1,2]]}", 400, "2 inputs" },
    { "t", T1 "two:predict", "{\"inputs\":{\"a\":[[1,2]]}}", 400,
      "missing input \\\"b\\\"" },
    { "t", T1 "scalar:predict", "{\"instances\":[1]}", 400, "shape [1]" },
    { "t", T1 "add:predict", "{\"instances\":[[1,2", 400, "end of the body" },
    { "t", T1 "id_int8:predict", "{\"instances\":[1,300]}", 400,
      "element 1: 300 is out of the range of int8" },

    /* words of a path in any case */
    { "t", "GET /V1/Models/add/VERSIONS/1/MetaData", "", 200,
      "\"version\":\"1\"}" },
    { "t", "GET /v1/models/ADD", "", 404, "unknown model" },

    /* tfserving: classify */
    { "t", T1 "digits:classify", "{\"examples\":[{\"x\":[0,3,0,0]},{\"x\":"
      "[9,0,0,0]}]}", 200, "{\"results\":[[[\"dog\",0.8700" },
    { "t", T1 "digits:Classify", "{\"signature_name\":\"serving_default\","
      "\"context\":{},\"examples\":[{\"x\":[0,0,9,0]}]}", 200,
      "{\"results\":[[[\"2\",0.9996" },
    { "t", T1 "zip/versions/1:classify", "{\"examples\":[{\"x\":[0.25,0.75]}]}",
      200, "{\"results\":[[[\"ui\",0.75],[\"no\",0.25]]]}" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":[NaN,Infinity]}]}", 200,
      "{\"results\":[[[\"ui\",Infinity],[\"no\",NaN]]]}" },
    { "t", T1 "zip:classify", "{\"examples\":[{},{\"x\":[1,2]},{}],\"context\":"
      "{\"x\":[4,3]}}", 200, "{\"results\":[[[\"no\",4.0],[\"ui\",3.0]],[["
      "\"ui\",2.0],[\"no\",1.0]],[[\"no\",4.0],[\"ui\",3.0]]]}" },
    { "t", T1 "add:classify", "{\"examples\":[{\"x\":[1,2]}]}", 400,
      "model \\\"add\\\" is no classifier" },
    { "t", T1 "none:classify", "{}", 404, "unknown model" },
    { "t", T1 "down:regress", "{}", 503, "not available" },

    /* tfserving: regress */
    { "t", T1 "id_float32:regress", "{\"examples\":[{\"x\":1.5},{\"x\":[2]},{"
      "\"x\":-Infinity}]}", 200, "{\"results\":[1.5,2.0,-Infinity]}" },
    { "t", T1 "id_int64:regress", "{\"examples\":[{\"x\":7}]}", 200,
      "{\"results\":[7]}" },
    { "t", T1 "score:regress", "{\"context\":{\"b\":[3]},\"examples\":[{\"a\":"
      "1},{\"a\":2,\"b\":4}]}", 200, "{\"results\":[3.0,4.0]}" },
    { "t", T1 "digits:regress", "{\"examples\":[{\"x\":[1,2,3,4]}]}", 400,
      "no regressor: its model.json does not say \\\"meaning\\\": "
      "\\\"regression\\\"; use :classify" },
    { "t", T1 "two:regress", "{\"examples\":[{\"a\":[1,2],\"b\":3}]}", 400,
      "use :predict" },
    { "t", T1 "add:regress", "{\"examples\":[{\"x\":[1,2]}]}", 400,
      "not one number for each example" },
    { "t", T1 "id_string:regress", "{\"examples\":[{\"x\":\"a\"}]}", 400,
      "not one number" },

    /* tfserving: bad examples */
    { "t", T1 "zip:classify", "", 400, "an empty body" },
    { "t", T1 "zip:classify", "{}", 400, "lacks \\\"examples\\\"" },
    { "t", T1 "zip:classify", "{\"examples\":[]}", 400, "an empty list" },
    { "t", T1 "zip:classify", "{\"examples\":{}}", 400, "an object where a" },
    { "t", T1 "zip:classify", "{\"examples\":[1]}", 400, "example 0: JSON, "
      "byte 13: a number where an object" },
    { "t", T1 "zip:classify", "{\"examples\":[],\"examples\":[]}", 400,
      "given twice" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"z\":1}]}", 400,
      "example 0: unknown input \\\"z\\\"; this model takes \\\"x\\\"" },
    { "t", T1 "zip:classify", "{\"context\":{\"z\":1},\"examples\":[{}]}", 400,
      "unknown input \\\"z\\\"" },
    { "t", T1 "zip:classify", "{\"context\":{\"x\":1,\"x\":1},\"examples\":[{}"
      "]}", 400, "twice in the context" },
    { "t", T1 "zip:classify", "{\"context\":3,\"examples\":[{}]}", 400,
      "a number where an object" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":[1,2]},{}]}", 400,
      "example 1: missing input \\\"x\\\"" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":[1,2],\"x\":[1,2]}]}",
      400, "given twice" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":[[1,2]]}]}", 400,
      "a list in a list; a feature is a value or a flat list" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":[1,2]},{\"x\":[1]}]}",
      400, "example 1: input \\\"x\\\": JSON, byte 33: 1 values, but the "
      "examples before have 2" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":[1,2,3]}]}", 400,
      "an example has 3 values, but the model takes [?,2]" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":\"a\"}]}", 400,
      "a string where a value of float32 is expected" },
    { "t", T1 "zip:classify", "{\"signature_name\":\"q\",\"examples\":[]}",
      400, "no signature \\\"q\\\"" },
    { "t", T1 "scalar:regress", "{\"examples\":[{\"x\":1}]}", 400,
      "an example has 1 values, but the model takes []" },
    { "t", T1 "cube:regress", "{\"examples\":[{\"x\":[1,2,3,4]}]}", 400,
      "not one number" },
    { "t", T1 "zip:classify", "{\"examples\":[{\"x\":[]}]}", 400,
      "an example has 0 values" },

    /* both */
    { "kt", "GET /models/add", "", 200, "\"platform\":\"onnx\"" },
    { "kt", "GET /models/add", "", 200, "\"model_version_status\":[" },
    { "kt", "GET /models/add", "", 200, "\"ready\":true" },
    { "kt", "GET /models/down", "", 200, "\"ready\":false" },
    { "kt", "GET /models", "", 200, "{\"models\":[" },
    { "kt", "POST /models/add:predict", "{\"instances\":[[1,2]]}", 200,
      "predictions" },
    { "kt", "POST /models/add/infer", "{}", 400, "lacks" },
    { "kt", "GET /models/none", "", 404, "unknown model" },
    { "kt", "POST /models/add", "", 405, "GET, HEAD" },
    { "kt", "GET /models/add/infer", "", 405, "POST" },

    /* maas_pass */
    { "p", "GET add", "", 200, "{\"model\":\"add\",\"version\":\"3\","
      "\"accepts\":[\"application/json\",\"application/octet-stream\","
      "\"application/x-npy\",\"text/csv\",\"multipart/form-data\"],"
      "\"answers\":[\"application/json\",\"application/octet-stream\","
      "\"application/x-npy\",\"application/x-npz\",\"text/csv\"],"
      "\"inputs\":[{\"name\":\"x\",\"type\":\"float32\",\"shape\":[\"batch\","
      "2]}]" },
    { "p", "GET image", "", 200, "image/png" },
    { "p", "GET free", "", 200, "\"shape\":null" },
    { "p", "PUT add", "", 405, "use GET, HEAD, POST" },
    { "p", "POST none", "[1]", 404, "unknown model" },
    { "p", "POST down", "[1]", 503, "not available" },
    { "p", "POST add", "[[1,2],[3,4]]", 200, "{\"model\":\"add\",\"version\":"
      "\"3\",\"outputs\":{\"y\":[[1.0,2.0],[3.0,4.0]]}}" },
    { "p", "POST add", "[1,2]", 200, "{\"y\":[[1.0,2.0]]}" },
    { "p", "POST add", "{\"inputs\":{\"x\":[1,2]}}", 200, "[[1.0,2.0]]" },
    { "p", "POST add", "{\"inputs\":[1,2]}", 200, "[[1.0,2.0]]" },
    { "p", "POST add", "{\"x\":[[1,2]]}", 200, "[[1.0,2.0]]" },
    { "p", "POST add", "{\"instances\":[[1,2],[3,4]]}", 200, "[3.0,4.0]" },
    { "p", "POST two", "{\"a\":[1,2],\"b\":3}", 200, "\"t\":[3]" },
    { "p", "POST two", "{\"instances\":[{\"a\":[1,2],\"b\":3}]}", 200,
      "\"t\":[3]" },
    { "p", "POST add", " [1,2]", 200, "[[1.0,2.0]]",
      "application/x-www-form-urlencoded" },
    { "p", "POST add", "[1,2]", 200, "[[1.0,2.0]]",
      "application/json; charset=utf-8" },
    { "p", "POST add", "[1,2]", 200, "[[1.0,2.0]]", "application/ld+json" },
    { "p", "POST add", "[1,2]", 200, "[[1.0,2.0]]", "" },
    { "p", "POST cube", "[1,2,3,4]", 200, "[[[1,2],[3,4]]]" },
    { "p", "POST cube", "[[1,2],[3,4]]", 200, "[[[1,2],[3,4]]]" },
    { "p", "POST cube", "abcdefgh", 200, "[[97,98],[99,100]],[[101,",
      "application/octet-stream" },
    { "p", "POST scalar", "5", 200, "{\"y\":5.0}" },
    { "p", "POST free", "[[[1]]]", 200, "{\"y\":[[[1.0]]]}" },
    { "p", "POST id_float16", "[0.5]", 200, "[0.5]" },
    { "p", "POST id_bfloat16", "[0.5]", 200, "[0.5]" },
    { "p", "POST id_string", "hello", 200, "[\"hello\"]",
      "application/octet-stream" },
    { "p", "POST add", "[1,NaN]", 200, "[[1.0,null]]" },
    { "p", "POST zip", "[0.25,0.75]", 200, "{\"y\":[{\"no\":0.25,\"ui\":0.75}"
      "]}" },
    { "p", "POST digits", "[0,0,0,0]", 200, "\"classes\":[{\"label\":\"cat\","
      "\"index\":0,\"score\":0.25},{\"label\":\"dog\",\"index\":1,\"score\":"
      "0.25}]}" },
    { "p", "POST digits", "[-1,NaN,0,3]", 200, "\"score\":null" },
    { "p", "POST digits", "[[0,0,9,0],[0,0,0,9]]", 200, "\"results\":[{"
      "\"classes\":[{\"label\":\"2\",\"index\":2," },
    { "p", "POST cube", "abcd", 200, "abcd", "application/octet-stream",
      "application/octet-stream" },
    { "p", "POST two", "{\"a\":[1,2],\"b\":3}", 406, "none of what this model "
      "answers with: application/json, application/x-npz, text/csv\"",
      NULL, "application/octet-stream" },

    { "p", "POST add", "", 400, "an empty body" },
    { "p", "POST add", "[1,2,3]", 400, "shape [3], but the model takes "
      "[?,2]" },
    { "p", "POST add", "{\"q\":[1,2]}", 400, "unknown input \\\"q\\\"" },
    { "p", "POST add", "{\"x\":[1,2],\"x\":[1,2]}", 400, "given twice" },
    { "p", "POST add", "{\"inputs\":[1,2],\"x\":[1,2]}", 400, "beside" },
    { "p", "POST add", "{}", 400, "missing input \\\"x\\\"" },
    { "p", "POST two", "[1,2]", 400, "2 inputs: give an object" },
    { "p", "POST two", "{\"a\":[1,2]}", 400, "missing input \\\"b\\\"" },
    { "p", "POST two", "abc", 415, "takes application/json, text/csv, "
      "multipart/form-data\"", "application/octet-stream" },
    { "p", "POST cube", "abcde", 400, "5 bytes of data, but [?,2,2] of uint8 "
      "needs a multiple of 4", "application/octet-stream" },
    { "p", "POST add", "abcde", 400, "5 bytes", "application/octet-stream" },
    { "p", "POST open", "abcd", 400, "do not determine",
      "application/octet-stream" },
    { "p", "POST add", "x", 415, "Content-Type \\\"text/plain\\\" is not "
      "accepted; this model takes application/json", "text/plain" },
    { "p", "POST add", "x=1", 415, "x-www-form-urlencoded",
      "application/x-www-form-urlencoded" },
    { "p", "POST add", "x", 415, "not accepted", "image/png" },
    { "p", "POST image", "\xff\xd8\xff\xe0 not a picture", 400, "\"error\"",
      "image/jpeg" },
    { "p", "POST image", "\x89PNG\r\n\x1a\n", 400, "\"error\"", "image/png" },
    { "p", "POST image", "x", 415, "image/jpeg, image/png", "image/gif" },
    { "p", "POST add", "[1,2]]", 400, "where the end of the body" },
    { "p", "POST fails", "[1]", 500, "internal error while" },
};

#endif
