/*
 * number: decimal text to binary and back, for JSON and CSV: correctly
 * rounded both ways, and no locale matters.
 *
 * Threads: reentrant.
 */

#ifndef MAAS_NUMBER_H
#define MAAS_NUMBER_H

#include "base/base.h"


typedef enum {
    MAAS_NUM_FINITE = 0,
    MAAS_NUM_NAN,
    MAAS_NUM_INF
} maas_num_kind_t;

/* A number as written: w * 10^exp10, cut after 19 digits. */
typedef struct {
    const char  *text;
    size_t       len;
    uint64_t     w;
    int64_t      exp10;
    bool         neg;
    bool         cut;           /* w is too small by less than 1 */
    bool         integer;       /* neither fraction nor exponent */
    uint8_t      kind;          /* maas_num_kind_t */
} maas_num_t;

/* Behind the number as JSON has it, or NULL when there is none at p. */
const char *maas_num_read(const char *p, const char *end, maas_num_t *num);

/* As people write it, besides: "+1", "007", ".5", "5."; no names. */
const char *maas_num_scan(const char *p, const char *end, maas_num_t *num);

/* The nearest value, ties to even; an overflow is infinity. */
double maas_num_f64(const maas_num_t *num);
float maas_num_f32(const maas_num_t *num);

/* False when out of range or no integer. */
bool maas_num_i64(const maas_num_t *num, int64_t *v);
bool maas_num_u64(const maas_num_t *num, uint64_t *v);

/* At most this many bytes are written, or touched, for any number. */
#define MAAS_NUM_TEXT  32

/*
 * The shortest decimal that reads back as the same value; integers end in
 * ".0".  Finite values only.  Behind the last byte written.
 */
char *maas_num_put_f32(char *p, float v);
char *maas_num_put_f64(char *p, double v);
char *maas_num_put_u64(char *p, uint64_t v);
char *maas_num_put_i64(char *p, int64_t v);

/* ceil(10^k * 2^(127 - floor(log2(10^k)))), high and low halves. */
#define MAAS_NUM_POW10_MIN  -292
#define MAAS_NUM_POW10_MAX  324

extern const uint64_t
    maas_num_pow10[MAAS_NUM_POW10_MAX - MAAS_NUM_POW10_MIN + 1][2];

#endif
