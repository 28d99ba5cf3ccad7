/*
 * model_image.h: a compiled model as one block of bytes: offsets, no pointers.
 *
 *   header | section table | sections, each aligned to 64 (constants: 4096)
 *
 * Sections are arrays of fixed records, or bytes that records point into.
 * docs/image.md describes them.  All numbers are little-endian.
 *
 * Ownership: an image view points into the bytes, which must outlive it; its
 *            own tables lie in its arena.
 * Threads:   a view is immutable.
 */

#ifndef MAAS_MODEL_IMAGE_H
#define MAAS_MODEL_IMAGE_H

#include "graph/plan.h"


#define MAAS_IMAGE_MAGIC  "MAASIMG1"
#define MAAS_IMAGE_ABI    7

typedef enum {
    MAAS_SEC_STRINGS = 0,       /* bytes */
    MAAS_SEC_GRAPHS,            /* maas_img_graph_t; 0 is the main graph */
    MAAS_SEC_VALUES,            /* maas_img_value_t */
    MAAS_SEC_NODES,             /* maas_img_node_t */
    MAAS_SEC_REFS,              /* uint32_t: lists of values and graphs */
    MAAS_SEC_POSTS,             /* maas_post_t */
    MAAS_SEC_ATTRS,             /* bytes, each block aligned to 8 */
    MAAS_SEC_PORTS,             /* maas_img_port_t: inputs, then outputs */
    MAAS_SEC_META,              /* one maas_meta_t with its strings */
    MAAS_SEC_FILES,             /* path of the model, then lines of
                                   maas_folder_lines(); each with its NUL */
    MAAS_SEC_PLAN,              /* maas_img_plan_t and its arrays; optional */
    MAAS_SEC_CONSTS,            /* bytes, each block aligned to 64 */
    MAAS_SECTIONS
} maas_section_t;

const char *maas_section_name(maas_section_t s);

typedef struct {
    uint64_t  off;
    uint64_t  size;
} maas_img_section_t;

typedef struct {
    char                magic[8];
    uint32_t            abi;
    uint32_t            cpu;            /* maas_cpu_t it was compiled for */
    uint32_t            numerics;       /* 0 exact, 1 fast */
    uint32_t            sections;
    uint64_t            size;
    uint8_t             source[MAAS_DIGEST];    /* of the model's files */
    uint8_t             payload[MAAS_DIGEST];   /* of all but this */
    double              flops;          /* of the source graph, batch 1 */
    maas_img_section_t  section[MAAS_SECTIONS];
} maas_img_header_t;

typedef struct {
    uint32_t  off;
    uint32_t  len;
} maas_img_str_t;

typedef struct {
    uint32_t  value, n_value;           /* first, count */
    uint32_t  node, n_node;
    uint32_t  in, n_in;                 /* first ref, count */
    uint32_t  out, n_out;
} maas_img_graph_t;

typedef struct {
    maas_img_str_t  name;
    uint64_t        data;               /* in CONSTS */
    uint64_t        bytes;
    int64_t         dims[MAAS_RANK_MAX];    /* -1: dynamic */
    uint32_t        keys;               /* value of the graph, or NOVAL */
    uint8_t         kind;
    uint8_t         dtype;
    int8_t          rank;
    uint8_t         format;
    uint8_t         role;
    uint8_t         pad[7];
} maas_img_value_t;

typedef struct {
    maas_img_str_t  op, domain, name;
    uint64_t        attr;               /* in ATTRS */
    uint32_t        attr_bytes;
    uint32_t        in, out, post, body;    /* first */
    uint16_t        n_in, n_formal, n_out, n_post, n_body, n_capture;
    uint16_t        pad[2];
} maas_img_node_t;

typedef struct {
    maas_img_str_t  name;
    maas_img_str_t  sym[MAAS_RANK_MAX];
    int64_t         dims[MAAS_RANK_MAX];
    uint8_t         kind;
    uint8_t         dtype;
    int8_t          rank;
    uint8_t         inner;              /* OPTIONAL: kind that it holds */
    uint8_t         key;                /* dtype of a map's keys */
    uint8_t         pad[3];
} maas_img_port_t;

/* A plan that needs no run to be made; arrays follow in this order. */
typedef struct {
    uint32_t  n_key;                    /* bytes */
    uint32_t  n_step, n_operand, n_out;
    uint64_t  const_bytes, arena_bytes, tensor_bytes, scratch;
    double    cost, flops;
} maas_img_plan_t;


typedef struct {
    maas_arena_t              mem;
    const maas_img_header_t  *header;
    const char               *base;
    size_t                    size;
    maas_graph_t            **graph;
    uint32_t                  n_graph;
    const maas_img_port_t    *port;
    uint32_t                  n_in, n_out;
} maas_image_t;

/*
 * Checks header, sections and every offset, looks operators up, and builds
 * the graphs whose constants point into the bytes.
 */
maas_status_t maas_image_load(maas_image_t **out, const maas_host_t *host,
    const void *p, size_t size, maas_err_t *err);
void maas_image_unload(maas_image_t *im, const maas_host_t *host);

maas_str_t maas_image_str(const maas_image_t *im, maas_img_str_t s);
const void *maas_image_section(const maas_image_t *im, maas_section_t s,
    size_t *size);

/*
 * The stored plan as a maas_plan_t whose arrays lie in the image; *out is
 * NULL when there is none.
 */
maas_status_t maas_image_plan(maas_plan_t **out, const maas_image_t *im,
    const maas_host_t *host, maas_err_t *err);


/* Writing. */
typedef struct {
    const maas_graph_t  *graph;
    const void          *meta;
    size_t               meta_size;
    maas_cpu_t           cpu;
    uint32_t             numerics;
    uint8_t              source[MAAS_DIGEST];
    const maas_buf_t    *files;         /* section FILES; NULL: empty */
} maas_image_spec_t;

maas_status_t maas_image_build(const maas_image_spec_t *spec, maas_buf_t *b,
    maas_err_t *err);

/* SHA-256 of an image but for the checksum itself; false: no memory. */
bool maas_image_digest(const void *image, size_t size,
    uint8_t out[MAAS_DIGEST]);

/* Adds the plan (NULL: none), sizes and checksum: the last step. */
maas_status_t maas_image_seal(maas_buf_t *b, const maas_plan_t *plan,
    maas_err_t *err);

/* Do n things from `first` on lie among `total`? */
static inline bool
maas_image_inside(uint64_t first, uint64_t n, uint64_t total)
{
    return first <= total && n <= total - first;
}

/* Lists inside, enums in range; for the reader of images alone. */
maas_status_t maas_image_attrs(const maas_op_t *op, const void *attr,
    uint32_t bytes);

#endif
