/*
 * Requests to maas_pass with their types, the status and a part of the
 * answer; read by pass_test.c.  The models are those of fake_model.h, whose
 * outputs are their inputs, and three more: "table" (x [N,3], features),
 * "mixed" (age float, n int, ok bool, city string) and "pair" (image and
 * number).
 */

#ifndef MAAS_PASS_CASES_H
#define MAAS_PASS_CASES_H


typedef struct {
    const char  *target;            /* "model?args" */
    const char  *type;              /* Content-Type; NULL: JSON */
    const char  *accept;
    const char  *body;
    int          status;
    const char  *part;              /* of the answer; "=x": all of it */
} pass_case_t;

#define CSV   "text/csv"
#define FORM  "multipart/form-data; boundary=XX"
#define PART(head, body)  "--XX\r\nContent-Disposition: form-data; " head     \
                          "\r\n\r\n" body "\r\n"
#define END   "--XX--\r\n"

static const pass_case_t  cases[] = {

    /* query */
    { "digits?top=1", NULL, NULL, "[1,5,2,3]", 200, "\"classes\":[{\"label\":"
      "\"dog\",\"index\":1,\"score\":0.83" },
    { "digits?top=1", NULL, NULL, "[1,5,2,3]", 200, "}]}" },
    { "digits?x=y&top=%31&&z", NULL, NULL, "[1,5,2,3]", 200, "\"dog\"" },
    { "digits?top=0", NULL, NULL, "[1,5,2,3]", 200, "\"index\":0" },
    { "digits?top=900", NULL, NULL, "[1,5,2,3]", 200, "\"index\":0" },
    { "digits?top=x", NULL, NULL, "[1]", 400, "\\\"top\\\" must be a number of "
      "classes, 0 for all, for example top=3" },
    { "digits?top=-1", NULL, NULL, "[1]", 400, "must be a number" },
    { "digits?top=", NULL, NULL, "[1]", 400, "must be a number" },
    { "digits?top", NULL, NULL, "[1]", 400, "must be a number" },
    { "digits?top=1%00", NULL, NULL, "[1]", 400, "must be a number" },
    { "digits?top=9999999999", NULL, NULL, "[1]", 400, "must be a number" },
    { "digits?top=1&top=2", NULL, NULL, "[1]", 400, "given twice" },
    { "add?top=1", NULL, NULL, "[1]", 400, "whose output means classes" },
    { "add?encoding=list", NULL, NULL, "[1,2]", 200, "[[1.0,2.0]]" },
    { "add?encoding=base64", NULL, NULL, "[1,2]", 200, "{\"y\":{\"type\":"
      "\"float32\",\"shape\":[1,2],\"b64\":\"AACAPwAAAEA=\"}}" },
    { "digits?encoding=base64", NULL, NULL, "[0,0,0,0]", 200, "\"b64\":\"AAAA"
      "AAAAAAAAAAAAAAAAAA==\"" },
    { "zip?encoding=base64", NULL, NULL, "[0,0]", 200, "\"keys\":[\"no\","
      "\"ui\"],\"b64\":\"" },
    { "text?encoding=base64", NULL, NULL, "[\"a\"]", 200, "[\"a\"]" },
    { "add?encoding=hex", NULL, NULL, "[1,2]", 400, "\\\"list\\\" or "
      "\\\"base64\\\"" },
    { "add?encoding=list&encoding=list", NULL, NULL, "[1,2]", 400, "twice" },
    { "add?encodin=hex", NULL, NULL, "[1,2]", 200, "1.0" },

    /* Accept */
    { "add", NULL, "text/csv", "[1,2]", 200, "=y.0,y.1\n1.0,2.0\n" },
    { "add", NULL, "text/csv; header=absent", "[[1,2],[3,4]]", 200,
      "=1.0,2.0\n3.0,4.0\n" },
    { "add", NULL, "*/*", "[1,2]", 200, "{\"model\"" },
    { "add", NULL, "text/*", "[1,2]", 200, "=y.0,y.1\n1.0,2.0\n" },
    { "add", NULL, "application/*", "[1,2]", 200, "{\"model\"" },
    { "add", NULL, "text/csv, */*", "[1,2]", 200, "y.0" },
    { "add", NULL, "text/csv;q=0.5, */*;q=0.9", "[1,2]", 200, "{\"model\"" },
    { "add", NULL, "application/json;q=0, text/csv;q=0.1", "[1,2]", 200,
      "y.0" },
    { "add", NULL, "application/json;q=0.5,text/csv; q=0.50", "[1,2]", 200,
      "{\"model\"" },
    { "add", NULL, "text/html, application/xml;q=0.9, */*;q=0.8", "[1,2]", 200,
      "{\"model\"" },
    { "add", NULL, "application/json;q=1.5, text/csv;q=0.1", "[1,2]", 200,
      "y.0" },
    { "add", NULL, "image/png", "[1,2]", 406, "Accept \\\"image/png\\\" allows "
      "none of what this model answers with: application/json, application/"
      "octet-stream, application/x-npy, application/x-npz, text/csv\"" },
    { "add", NULL, "application/json;q=0", "[1,2]", 406, "allows none" },
    { "add", NULL, "json", "[1,2]", 406, "allows none" },
    { "text", NULL, "application/x-npy", "[\"a\"]", 406, "with: application/"
      "json, application/octet-stream, text/csv\"" },

    /* CSV: answers */
    { "two", NULL, "text/csv", "{\"a\":[1,2],\"b\":3}", 200,
      "=s.0,s.1,t\n1.0,2.0,3\n" },
    { "two", NULL, "text/csv", "{\"a\":[[1,2],[3,4]],\"b\":[3]}", 406,
      "\\\"s\\\" has 2, \\\"t\\\" has 1" },
    { "zip", NULL, "text/csv", "[[0.25,0.75]]", 200,
      "=y.no,y.ui\n0.25,0.75\n" },
    { "digits", NULL, "text/csv", "[1,5,2,NaN]", 200,
      "=y.cat,y.dog,y.2,y.3\n1.0,5.0,2.0,NaN\n" },
    { "digits?top=1", NULL, "text/csv", "[[0,9,0,0],[0,0,9,0]]", 200,
      "=label,score\ndog,0.9996299\n2,0.9996299\n" },
    { "digits?top=2", NULL, "text/csv", "[0,9,0,0]", 200,
      "label.0,score.0,label.1,score.1\ndog,0.9996299,cat,0.0001" },
    { "scalar", NULL, "text/csv", "5", 200, "=y\n5.0\n" },
    { "cube", NULL, "text/csv", "[1,2,3,4]", 200, "=y.0,y.1,y.2,y.3\n1,2,3,4\n"
    },
    { "text", NULL, "text/csv", "[\"a,b\",\"\",\"x\\\"y\",\"l\\nm\"]", 200,
      "=y_bytes\n\"a,b\"\n\"\"\n\"x\"\"y\"\n\"l\nm\"\n" },
    { "id_bool", NULL, "text/csv", "[true,false]", 200, "=y\ntrue\nfalse\n" },

    /* CSV: bodies */
    { "add", CSV, NULL, "1,2\n3,4\n", 200, "[[1.0,2.0],[3.0,4.0]]" },
    { "add", CSV, NULL, "1,2\r\n\r\n3,4", 200, "[[1.0,2.0],[3.0,4.0]]" },
    { "add", CSV, NULL, "\xef\xbb\xbf \"1\" ,2\n", 400, "quote inside" },
    { "add", CSV, NULL, "\xef\xbb\xbf" "1, 2 \n", 200, "[[1.0,2.0]]" },
    { "add", CSV, NULL, "\"1\",\"2\"\n", 200, "[[1.0,2.0]]" },
    { "add", CSV, NULL, "a,b\n1,2\n", 200, "[[1.0,2.0]]" },
    { "add", CSV, NULL, "x.1,x.0\n1,2\n", 200, "[[2.0,1.0]]" },
    { "add", CSV ";header=present", NULL, "0,0\n1,2\n", 200, "[[1.0,2.0]]" },
    { "add", CSV ";header=\"absent\"", NULL, "1,2\n", 200, "[[1.0,2.0]]" },
    { "add", CSV, NULL, "+1,.5\n-1.,-.5e1\n", 200,
      "[[1.0,0.5],[-1.0,-5.0]]" },
    { "add", CSV, CSV ";header=absent", "nan,\nNA,inf\n-inf,-Infinity\n", 200,
      "=NaN,NaN\nNaN,Infinity\n-Infinity,-Infinity\n" },
    { "id_float64", CSV, NULL, "1\n2\n", 200, "[1.0,2.0]" },
    { "id_int64", CSV, NULL, "9223372036854775807\n", 200,
      "[9223372036854775807]" },
    { "id_bool", CSV, NULL, "True\nfalse\n1\n", 200, "[true,false,true]" },
    { "id_string", CSV ";header=absent", NULL, "\"a \"\"b\"\"\"\n c\n\"\"\n",
      200, "[\"a \\\"b\\\"\",\" c\",\"\"]" },
    { "cube", CSV, NULL, "1,2,3,4\n5,6,7,8\n", 200,
      "[[[1,2],[3,4]],[[5,6],[7,8]]]" },
    { "free", CSV, NULL, "1,2,3\n4,5,6\n", 200, "[[1.0,2.0,3.0],[4" },
    { "scalar", CSV, NULL, "5\n", 200, "{\"y\":5.0}" },
    { "two", CSV, NULL, "1,2,3\n4,5,6\n", 200, "\"s\":[[1.0,2.0],[4.0,5.0]],"
      "\"t\":[3,6]" },
    { "two", CSV, NULL, "b,a.1,a.0\n3,2,1\n", 200, "[[1.0,2.0]],\"t\":[3]" },
    { "table", CSV, NULL, "long,wide,high\n1,2,3\n", 200, "[[1.0,2.0,3.0]]" },
    { "table", CSV, NULL, "high,long,wide\n1,2,3\n", 200, "[[2.0,3.0,1.0]]" },
    { "table", CSV, NULL, "1,2,3\n", 200, "[[1.0,2.0,3.0]]" },
    { "mixed", CSV, CSV ";header=absent", "age,city,n,ok\n1.5,Ulm,7,false\n",
      200, "=1.5,7,false,Ulm\n" },
    { "mixed", CSV, CSV ";header=absent", "1.5,7,True,\"U,lm\"\n", 200,
      "=1.5,7,true,\"U,lm\"\n" },

    { "add", CSV, NULL, "", 400, "CSV: the body is empty" },
    { "add", CSV, NULL, "\n\n", 400, "CSV: the body is empty" },
    { "add", CSV, NULL, "a,b\n", 400, "there is no row" },
    { "add", CSV, NULL, "1,2,3\n", 400, "CSV, line 1: 3 columns, but the model "
      "takes 2: \\\"x.0\\\" to \\\"x.1\\\"\"" },
    { "add", CSV, NULL, "1;2\n", 400, "1 column, but the model takes 2: "
      "\\\"x.0\\\" to \\\"x.1\\\" (they are separated by commas)" },
    { "add", CSV, NULL, "1,2\n3\n", 400, "CSV, line 2: 1 fields, the first "
      "line has 2" },
    { "add", CSV, NULL, "1,2\n3,4,5\n", 400, "line 2: 3 fields" },
    { "add", CSV, NULL, "1,2\n3,x\n", 400, "CSV, line 2, column 2: \\\"x\\\" is "
      "no value of float32" },
    { "add", CSV, NULL, "p,q\n1,2\n\n3,1e400\n", 400, "CSV, line 4, column 2 "
      "(q): \\\"1e400\\\" is no value of float32" },
    { "add", CSV, NULL, "1,[2]\n3,4\n5,[6]", 400, "line 3, column 2" },
    { "add", CSV ";header=absent", NULL, "1,+-2\n", 400, "no value" },
    { "add", CSV ";header=absent", NULL, "1,.\n", 400, "no value" },
    { "add", CSV ";header=absent", NULL, "1,0x10\n", 400, "no value" },
    { "add", CSV ";header=maybe", NULL, "1,2\n", 400, "\\\"present\\\" or "
      "\\\"absent\\\"" },
    { "add", CSV, NULL, "1,\"2\n", 400, "CSV, line 1: a field in quotes does "
      "not end" },
    { "add", CSV, NULL, "1,\"2\"3\n", 400, "text behind the closing quote" },
    { "add", CSV, NULL, "x.0,x.2\n1,2\n", 400, "unknown column \\\"x.2\\\"; "
      "this model takes \\\"x.0\\\" to \\\"x.1\\\"" },
    { "add", CSV, NULL, "x.0,x.0\n1,2\n", 400, "repeated column \\\"x.0\\\"" },
    { "add", CSV, NULL, "x.0,x.00\n1,2\n", 400, "unknown column" },
    { "table", CSV, NULL, "long,wide,deep\n1,2,3\n", 400, "unknown column "
      "\\\"deep\\\"; this model takes \\\"long\\\", \\\"wide\\\", \\\"high\\\""
    },
    { "two", CSV, NULL, "1,2\n", 400, "takes 3: \\\"a.0\\\" to \\\"a.1\\\", "
      "\\\"b\\\"" },
    { "two", CSV, NULL, "c,d,e\n1,2,3\n", 400, "unknown column \\\"c\\\"" },
    { "id_int8", CSV, NULL, "128\n", 400, "\\\"128\\\" is no value of int8" },
    { "id_int8", CSV ";header=absent", NULL, "\"\"\n", 400, "\\\"\\\" is no "
      "value of int8" },
    { "scalar", CSV, NULL, "5\n6\n", 400, "a single value, and there are 2" },
    { "add", CSV ";header=absent", NULL, "1,2,\n", 400, "3 columns" },
    { "open", CSV, NULL, "1\n", 415, "not accepted" },

    /* forms */
    { "add", FORM, NULL, PART("name=\"x\"", "[1,2]") END, 200, "[[1.0,2.0]]" },
    { "add", FORM, NULL, "\r\n" PART("name=x", "[1,2]") END "epilogue", 200,
      "[[1.0,2.0]]" },
    { "add", "Multipart/Form-Data; charset=x; Boundary=\"XX\"", NULL,
      PART("name=\"x\"", "[[1,2],[3,4]]") END, 200, "[3.0,4.0]" },
    { "add", FORM, NULL, "--XX \t\r\ncontent-disposition:form-data;name=\"x\""
      "\r\ncontent-transfer-encoding: binary\r\n\r\n[1,2]\r\n" END, 200,
      "[[1.0,2.0]]" },
    { "two", FORM, NULL, PART("name=\"b\"", "3") PART("name=\"a\"", "[1,2]")
      END, 200, "\"s\":[[1.0,2.0]],\"t\":[3]" },
    { "two", FORM, NULL, PART("name=\"b\"; filename=\"b.csv\"\r\nContent-Type:"
      " text/csv", "3\n4") PART("name=\"a\"\r\nContent-Type: text/csv; "
      "header=present", "a.1,a.0\n1,2\n3,4\n") END, 200,
      "[[2.0,1.0],[4.0,3.0]],\"t\":[3,4]" },
    { "id_string", FORM, NULL, PART("name=\"x\"", "[no JSON]") END, 200,
      "[\"[no JSON]\"]" },
    { "id_string", FORM, NULL, PART("name=\"x\"", "") END, 200, "[\"\"]" },
    { "id_string", FORM, NULL, PART("name=\"x\"\r\nContent-Type: application/"
      "json", "[\"a\",\"b\"]") END, 200, "[\"a\",\"b\"]" },
    { "id_uint8", FORM, NULL, PART("name=\"x\"\r\nContent-Type: application/"
      "octet-stream", "ab\r\n--X\r\n") END, 200, "[97,98,13,10,45,45,88,13,10"
      "]" },
    { "id_bool", FORM, NULL, PART("name=\"x\"", " true ") END, 200, "[true]" },
    { "add", FORM, NULL, PART("name=\"q\"; filename=\"\"", "")
      PART("name=\"x\"", "[1,2]") END, 200, "[[1.0,2.0]]" },
    { "two", FORM, NULL, PART("name=\"file\"; filename=\"t.CSV\"\r\nContent-"
      "Type: application/octet-stream", "b,a.0,a.1\n1,2,3\n") END, 200,
      "[[2.0,3.0]],\"t\":[1]" },
    { "add", FORM, NULL, PART("name=\"x\"; filename=\"x.json\"\r\nContent-"
      "Type: application/octet-stream", "[1,2]") END, 200, "[[1.0,2.0]]" },
    { "two", FORM, NULL, PART("name=b", "1") PART("name=t; filename=t.csv",
      "1,2,3\n") END, 400, "the table \\\"t\\\" has the columns of all "
      "inputs, and \\\"b\\\" is given besides" },
    { "two", FORM, NULL, PART("name=t; filename=t.csv", "1,2,3\n")
      PART("name=b", "1") END, 400, "given twice" },

    { "add", FORM, NULL, "", 400, "does not begin with \\\"--XX\\\"" },
    { "add", FORM, NULL, "preamble\r\n" END, 400, "does not begin" },
    { "add", "multipart/form-data", NULL, END, 400, "needs a parameter "
      "boundary" },
    { "add", "multipart/form-data; boundary=", NULL, END, 400, "boundary" },
    { "add", "multipart/form-data; boundary=\"a;b\"", NULL, END, 400,
      "boundary" },
    { "add", "multipart/form-data; boundary=aaaaaaaaaabbbbbbbbbbccccccccccdddd"
      "ddddddeeeeeeeeeeffffffffffggggggggggh", NULL, END, 400, "boundary" },
    { "add", FORM, NULL, END, 400, "missing input \\\"x\\\"" },
    { "add", FORM, NULL, "--XX", 400, "no line end behind a boundary" },
    { "add", FORM, NULL, "--XXY\r\n", 400, "no line end behind a boundary" },
    { "add", FORM, NULL, "--XX\r\n", 400, "ends inside the headers" },
    { "add", FORM, NULL, "--XX\r\n\r\n[1,2]\r\n" END, 400, "no Content-"
      "Disposition: form-data; name=" },
    { "add", FORM, NULL, PART("name=\"\"", "") END, 400, "has no name" },
    { "add", FORM, NULL, PART("filename=\"x\"", "") END, 400, "has no name" },
    { "add", FORM, NULL, "--XX\r\nContent-Disposition: attachment; name=x\r\n"
      "\r\n\r\n" END, 400, "is not form-data" },
    { "add", FORM, NULL, PART("name=x\r\nContent-Disposition: form-data; "
      "name=x", "") END, 400, "two Content-Dispositions" },
    { "add", FORM, NULL, PART("name=x\r\n: y", "") END, 400, "without a name "
      "and a colon" },
    { "add", FORM, NULL, PART("name=x\r\nContent-Transfer-Encoding: base64",
      "") END, 400, "may only be binary" },
    { "add", FORM, NULL, PART("name=x\r\nContent-Type: video/mp4", "") END,
      415, "part \\\"x\\\": Content-Type \\\"video/mp4\\\" is not accepted" },
    { "add", FORM, NULL, PART("name=x", "[1,2]"), 400, "does not end with the "
      "boundary: the body is cut off" },
    { "add", FORM, NULL, PART("name=x", "[1,2") END, 400, "input \\\"x\\\": "
      "JSON, byte 4" },
    { "add", FORM, NULL, PART("name=x", "[1,2] 3") END, 400, "where the end of the body"
    },
    { "add", FORM, NULL, PART("name=x", "[1,2]") PART("name=x", "[1,2]") END,
      400, "given twice" },
    { "add", FORM, NULL, PART("name=y", "[1,2]") END, 400, "unknown input "
      "\\\"y\\\"; this model takes \\\"x\\\"" },
    { "two", FORM, NULL, PART("name=a", "[1,2]") END, 400, "missing input "
      "\\\"b\\\"" },
    { "add", FORM, NULL, PART("name=x\r\nContent-Type: image/png", "") END,
      415, "is an image, and this model does not take one there" },
    { "add", FORM, NULL, PART("name=x\r\nContent-Type: application/x-npy",
      "[]") END, 400, "input \\\"x\\\": npy: the file does not start" },
    { "image", FORM, NULL, PART("name=x\r\nContent-Type: image/png", "zzz")
      END, 400, "not an image" },

    /* types of bodies */
    { "add", "text/plain", NULL, "x", 415, "Content-Type \\\"text/plain\\\" is "
      "not accepted; this model takes application/json, application/octet-"
      "stream, application/x-npy, text/csv, multipart/form-data" },
    { "image", "image/gif", NULL, "x", 415, "image/jpeg, image/png" },
    { "text", "application/x-npy", NULL, "x", 415, "not accepted" },
    { "add", "application/x-npy", NULL, "", 400, "does not start with" },

    /* images in JSON */
    { "image", NULL, NULL, "{\"b64\":\"!\"}", 400, "is not base64" },
    { "image", NULL, NULL, "{\"x\":{\"b64\":\"AAAA\"}}", 400, "not an image" },
    { "image", NULL, NULL, "[{\"b64\":\"AAAA\"},3]", 400, "where" },
    { "image", NULL, NULL, "[{\"b65\":\"AAAA\"}]", 400, "an image is {\\\"b64"
      "\\\": " },
    { "image", NULL, NULL, "{\"b64\":\"AAAA\",\"x\":1}", 400, "second key" },
    { "add", NULL, NULL, "{\"b64\":\"AAAA\"}", 400, "unknown input" },
    { "id_string", NULL, NULL, "{\"b64\":\"YWI=\"}", 200, "[\"ab\"]" }
};

#endif
