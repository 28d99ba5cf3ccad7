/*
 * pass_stages.h: the stages of maas_pass: what is asked (pass_ask.c), bodies
 * into tensors (pass_decode.c, pass_form.c, csv_input.c, npy_input.c),
 * tensors into answers (pass_encode.c, csv_output.c, npz.c).  Private to
 * proto/.
 *
 * Ownership: all hangs on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#ifndef MAAS_PASS_STAGES_H
#define MAAS_PASS_STAGES_H

#include "proto/negotiate.h"
#include "proto/proto.h"


typedef enum {
    MAAS_PASS_JSON = 0,
    MAAS_PASS_RAW,
    MAAS_PASS_NPY,
    MAAS_PASS_NPZ,
    MAAS_PASS_CSV,
    MAAS_PASS_FORM,             /* bodies only */
    MAAS_PASS_JPEG,
    MAAS_PASS_PNG,
    MAAS_PASS_TYPES
} maas_pass_type_t;

extern const char *const  maas_pass_types[MAAS_PASS_TYPES];

/* What the request asks for; c->ctx. */
typedef struct {
    uint8_t   out;              /* maas_pass_type_t */
    bool      csv_header;
    bool      base64;
    bool      has_top;
    uint32_t  top;              /* 0: all */
} maas_pass_ask_t;


/* Query, Accept and Content-Type, before there is a body. */
maas_status_t maas_pass_ask(maas_proto_call_t *c, maas_err_t *err);

/* Types of bodies and of answers, in order of preference; how many. */
size_t maas_pass_accepts(const maas_proto_model_t *m,
    uint8_t out[MAAS_PASS_TYPES]);
size_t maas_pass_answers(const maas_proto_model_t *m,
    uint8_t out[MAAS_PASS_TYPES]);

/* "a, b"; quoted: "\"a\",\"b\"" */
void maas_pass_list(maas_buf_t *b, const uint8_t *types, size_t n,
    bool quoted);

/* MAAS_EMEDIA with what is taken. */
maas_status_t maas_pass_refuse_body(maas_proto_call_t *c, maas_err_t *err);

/* Is it said to be JSON, or nothing, and looks so? */
bool maas_pass_is_json(maas_str_t type, const char *p, size_t len);

maas_status_t maas_pass_decode(maas_proto_call_t *c, maas_err_t *err);
maas_status_t maas_pass_form(maas_proto_call_t *c, maas_err_t *err);
maas_status_t maas_pass_encode(maas_proto_call_t *c, maas_err_t *err);

/* Does the model say that this output holds scores, and does it? */
bool maas_pass_is_classes(const maas_proto_call_t *c, size_t *out);

/* How many classes are to be shown of n. */
int64_t maas_pass_top(const maas_proto_call_t *c, int64_t n);


/* -- forms of data ------------------------------------------------------- */

bool maas_pass_takes_csv(const maas_proto_model_t *m);

/*
 * Rows as all inputs, or as input `only` if that is not -1; type: the
 * media type with its parameter header.
 */
maas_status_t maas_pass_csv(maas_proto_call_t *c, int only, maas_str_t type,
    const char *p, size_t len, maas_err_t *err);

/* Rows of all outputs, which must have as many. */
maas_status_t maas_pass_put_csv(maas_proto_call_t *c, bool header,
    maas_err_t *err);

/* A .npy file as input i, in its type and order, or converted to these. */
maas_status_t maas_pass_npy(maas_proto_call_t *c, size_t i, const char *p,
    size_t len, maas_err_t *err);

/* All outputs as the files of a .npz archive. */
maas_status_t maas_pass_put_npz(maas_proto_call_t *c, maas_err_t *err);

#endif
