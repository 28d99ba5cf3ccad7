/*
 * proto.h: the contract of a dialect.  A file in proto/ exports one const
 * row, `const maas_proto_t maas_proto_<file>`; a script lists the folder
 * into the registry.  A dialect turns a path into a route, a body into
 * tensors, tensors into a body; it opens nothing, runs nothing and knows
 * neither catalog nor scheduler: whoever drives it (api/) fills in target
 * and result.
 *
 * Ownership: everything hangs on the call: text in its arena, tensors on
 *            its list of blocks.  Inputs may point into the body, which
 *            outlives the call.
 * Threads:   a call belongs to one thread at a time.
 */

#ifndef MAAS_PROTO_H
#define MAAS_PROTO_H

#include "maas.h"
#include "proto/json.h"
#include "proto/port.h"
#include "repo/meta.h"


typedef struct maas_proto_s        maas_proto_t;
typedef struct maas_proto_block_s  maas_proto_block_t;

/* A version of a visible model, for lists. */
typedef struct {
    maas_str_t   name;
    int64_t      version;
    bool         available;
    const char  *reason;            /* of an unavailable one */
    uint64_t     memory;            /* bytes: image, plans, arenas */

    const maas_stats_t  *stats;
} maas_proto_entry_t;

/* What the request is for. */
typedef struct {
    maas_str_t          name;
    int64_t             version;
    const maas_port_t  *in;
    const maas_port_t  *out;
    size_t              n_in;
    size_t              n_out;
    const maas_meta_t  *meta;
    uint64_t            max_elements;
} maas_proto_model_t;

typedef enum {
    MAAS_NEED_NOTHING = 0,
    MAAS_NEED_LIST,                 /* every visible entry */
    MAAS_NEED_NAME,                 /* entries of a name, in any state */
    MAAS_NEED_MODEL                 /* these, and an available version */
} maas_proto_need_t;

/* route() fills the first half, the driver the second. */
typedef struct {
    uint8_t      what;              /* the dialect's own number */
    uint8_t      need;              /* maas_proto_need_t */
    bool         infer;             /* else: a document */
    bool         body;              /* a document that decode() and encode()
                                       make of a body */
    maas_str_t   model;             /* as in the path; len 0: not there */
    maas_str_t   version;           /* integer or label; len 0: not there */
    const char  *allow;             /* with MAAS_EMETHOD: "POST" */

    const maas_proto_t        *proto;
    const maas_proto_model_t  *m;
    const maas_proto_entry_t  *entry;
    size_t                     n_entry;
} maas_proto_route_t;

typedef struct {
    const maas_host_t   *host;
    maas_arena_t        *arena;
    maas_proto_block_t  *blocks;    /* memory of tensors */
    maas_request_t       req;
    maas_proto_route_t   route;
    const char          *body;
    size_t               body_len;
    void                *ctx;       /* the dialect's, from the arena */
    maas_str_t           variant;   /* what else tells answers to one body
                                       apart; len 0: the path */

    /* decode(): what the body asks for besides; 0: nothing */
    uint64_t             timeout_us;
    uint64_t             priority;

    /* decode(): in the order of the model's inputs; data NULL: not given */
    maas_tensor_t       *in;

    /* for encode(); keys[i].data NULL: output i is no map */
    const maas_tensor_t *out;
    const maas_tensor_t *keys;

    /* reply: text, then the parts behind it */
    int                  http;      /* 0: 200, or what the status says */
    maas_str_t           type;
    maas_buf_t           text;
    maas_str_t          *part;
    size_t               n_part;
    size_t               n_header;
    maas_header_t        header[MAAS_REPLY_HEADERS];
} maas_proto_call_t;

/* A JSON document that several dialects write keys into. */
typedef struct {
    maas_buf_t  *b;
    size_t       n;
    const char  *seen[32];
} maas_proto_doc_t;

struct maas_proto_s {
    const char  *name;

    /*
     * path: what follows the location's prefix.  MAAS_ENOENT: no route of
     * this dialect; MAAS_EMETHOD with c->route.allow.
     */
    maas_status_t  (*route)(maas_proto_call_t *c, maas_err_t *err);

    /* c->body -> c->in, all given */
    maas_status_t  (*decode)(maas_proto_call_t *c, maas_err_t *err);

    /* c->out -> c->text, c->part, c->type, c->header */
    maas_status_t  (*encode)(maas_proto_call_t *c, maas_err_t *err);

    /* Keys of the object that answers a document route; c->http if not 200 */
    void           (*document)(maas_proto_call_t *c, maas_proto_doc_t *doc);

    void           (*error)(maas_buf_t *b, int http, const char *text);

    /*
     * An inference whose target is known: what can be said of it without its
     * body; c->http if the status of an error is not its own.  NULL: nothing.
     */
    maas_status_t  (*admit)(maas_proto_call_t *c, maas_err_t *err);
};

extern const maas_proto_t *const  maas_registry_protos[];


/* -- what dialects share ------------------------------------------------- */

/*
 * Does the model take and give rows: batch axis 0, and the first dimension
 * of every input and output open?
 */
bool maas_proto_batches(const maas_proto_model_t *m);

/* GET or HEAD? */
bool maas_proto_is_get(const maas_proto_call_t *c);

/* MAAS_EMETHOD with the methods allowed. */
maas_status_t maas_proto_method(maas_proto_call_t *c, const char *allow,
    maas_err_t *err);

/*
 * The next segment of a path, without slashes; *path moves behind it.  len
 * 0: there is none.
 */
maas_str_t maas_proto_segment(maas_str_t *path);

/* {"error":"..."} */
void maas_proto_error(maas_buf_t *b, int http, const char *text);

/* Starts `"key":` with its comma; false when another dialect wrote it. */
bool maas_proto_key(maas_proto_doc_t *doc, const char *key);

/* Aligned memory that lives as long as the call; not zeroed. */
void *maas_proto_alloc(maas_proto_call_t *c, size_t size, maas_err_t *err);
maas_status_t maas_proto_adopt(maas_proto_call_t *c, void *block,
    maas_err_t *err);
void maas_proto_release(maas_proto_call_t *c);

/* Index of an input or output, -1: none. */
int maas_proto_port(const maas_port_t *ports, size_t n, maas_str_t name);

/* "unknown input "y"; this model takes "x"" */
maas_status_t maas_proto_unknown_input(const maas_proto_call_t *c,
    maas_str_t name, maas_err_t *err);

maas_status_t maas_proto_unknown_port(const char *what, const char *verb,
    const maas_port_t *port, size_t n, maas_str_t name, maas_err_t *err);

/* rc of reading this input; puts its name before the text of err. */
maas_status_t maas_proto_input_rc(const maas_port_t *port, maas_status_t rc,
    maas_err_t *err);

/* All inputs given? Names those that are missing. */
maas_status_t maas_proto_complete(const maas_proto_call_t *c,
    maas_err_t *err);

/* Rank, fixed dimensions and number of elements, before memory is taken. */
maas_status_t maas_proto_shape(const maas_proto_call_t *c, size_t i,
    const int64_t *dims, int rank, maas_err_t *err);

/*
 * Raw little-endian bytes as input i of this shape: in place when aligned,
 * else one copy.  Strings: a uint32 length before each.
 */
maas_status_t maas_proto_raw(maas_proto_call_t *c, size_t i, const char *p,
    size_t len, const int64_t *dims, int rank, maas_err_t *err);

/* Raw bytes as input i; the length gives what is dynamic. */
maas_status_t maas_proto_raw_input(maas_proto_call_t *c, size_t i,
    const char *p, size_t len, maas_err_t *err);

/* The whole body as the only input; the length gives what is dynamic. */
maas_status_t maas_proto_raw_body(maas_proto_call_t *c, maas_err_t *err);

/* Is output i [rows, keys] with its keys? */
bool maas_proto_is_map(const maas_proto_call_t *c, size_t i);

/* A tensor as raw bytes behind the text. */
maas_status_t maas_proto_raw_part(maas_proto_call_t *c,
    const maas_tensor_t *t, size_t *len, maas_err_t *err);

bool maas_proto_header(maas_proto_call_t *c, maas_str_t name,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));


/* -- classes ------------------------------------------------------------- */

typedef struct {
    double   score;
    int64_t  index;
} maas_proto_class_t;

/* Classes of an output of rank > 0 that means such. */
int64_t maas_proto_class_count(const maas_tensor_t *t);

/*
 * The best `top` (at most n) of the n scores from element `first` on, best
 * first, NaN last, equal ones by index; softmax: as probabilities.  Of any
 * type but strings.
 */
void maas_proto_classes(const maas_tensor_t *t, int64_t first, int64_t n,
    bool softmax, maas_proto_class_t *k, int64_t top);

/*
 * The name of class `index` of output i: its label, or its key in a map;
 * data NULL: it has none.  The text may lie in the buffer given.
 */
#define MAAS_CLASS_TEXT  24
maas_str_t maas_proto_class_label(const maas_proto_call_t *c, size_t i,
    int64_t index, char text[MAAS_CLASS_TEXT]);


/* -- JSON inputs --------------------------------------------------------- */

/*
 * A builder of input i, b->expect set and the rest zero.  b->host is NULL
 * when there is nothing to destroy.  guess: likely number of elements.
 */
maas_status_t maas_proto_json_builder(maas_proto_call_t *c,
    maas_json_tensor_t *b, size_t i, int64_t guess, maas_err_t *err);

/* A JSON value as input i.  dims NULL: the nesting gives the shape. */
maas_status_t maas_proto_json_input(maas_proto_call_t *c, maas_json_t *j,
    size_t i, const int64_t *dims, int rank, maas_err_t *err);

/*
 * The two ways to write all inputs: a list of rows (values, or objects with
 * a value for each input), or columns (a value, or an object).  fit: a
 * missing batch dimension is added, flat lists take the model's shape.
 */
maas_status_t maas_proto_json_rows(maas_proto_call_t *c, maas_json_t *j,
    maas_err_t *err);
maas_status_t maas_proto_json_columns(maas_proto_call_t *c, maas_json_t *j,
    bool fit, maas_err_t *err);
/* One sample without its batch dimension, or as a flat list: add it. */
void maas_proto_fit(const maas_proto_call_t *c, size_t i, maas_tensor_t *t);

/* Is {"b64": ...} next, as a value of a model of one string or image? */
maas_status_t maas_proto_json_is_b64(maas_proto_call_t *c,
    const maas_json_t *j, bool *is);
maas_status_t maas_proto_json_only(maas_proto_call_t *c, maas_json_t *j,
    bool fit, maas_err_t *err);
maas_status_t maas_proto_json_named(maas_proto_call_t *c, maas_json_t *j,
    maas_str_t name, bool fit, maas_err_t *err);


/* -- images -------------------------------------------------------------- */

/* A list in the arena. */
typedef struct {
    maas_str_t  *v;
    size_t       n;
    size_t       cap;
} maas_proto_images_t;

/* Does model.json say how images become input i? */
bool maas_proto_takes_image(const maas_proto_model_t *m, size_t i);

maas_status_t maas_proto_image_add(maas_proto_call_t *c,
    maas_proto_images_t *list, maas_str_t s, maas_err_t *err);

/* n JPEG or PNG files, n > 0, as a batch for input i. */
maas_status_t maas_proto_images(maas_proto_call_t *c, size_t i,
    const maas_str_t *img, size_t n, maas_err_t *err);

/* {"b64": ...} or a list of these as input i: is it, read one, read all. */
bool maas_proto_json_is_image(const maas_proto_call_t *c,
    const maas_json_t *j, size_t i);
maas_status_t maas_proto_json_b64(maas_proto_call_t *c, maas_json_t *j,
    maas_str_t *s, maas_err_t *err);
maas_status_t maas_proto_json_images(maas_proto_call_t *c, maas_json_t *j,
    size_t i, maas_err_t *err);

#endif
