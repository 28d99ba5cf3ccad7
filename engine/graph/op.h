/*
 * op.h: the contract of an operator.  A file in ops/ exports one const array
 * of rows, `const maas_op_t maas_ops_<file>[]`, closed by a row without a
 * name; a script lists the folder into the registry.  Nothing else needs to
 * be touched to add an operator.
 *
 * A row drives validation, shape inference, kernel choice, documentation,
 * tests and fuzzing.  docs/operators.md has the walk-through.
 */

#ifndef MAAS_OP_H
#define MAAS_OP_H

#include "graph/graph.h"


/* -- formals ------------------------------------------------------------- */

enum {
    MAAS_OPT = 1,               /* may be absent */
    MAAS_VARIADIC = 2,          /* last formal: one or more (OPT: zero) */
    MAAS_HETERO = 4,            /* variadic of mixed types */
    MAAS_ANYKIND = 8            /* not only tensors */
};

typedef struct {
    const char  *name;
    uint32_t     dtypes;        /* set: MAAS_D_* */
    char         var;           /* formals of one letter have one dtype; 0 */
    uint8_t      flags;
} maas_formal_t;


/* -- attributes ---------------------------------------------------------- */

/*
 * Attributes are parsed once, into a struct without pointers.  Lists lie
 * behind the struct; a list member says where, relative to the struct.
 */
typedef struct {
    uint32_t  n;
    uint32_t  off;              /* bytes from the start of the struct */
} maas_list_t;

static inline const int64_t *
maas_list_ints(const void *attr, const maas_list_t *l)
{
    return (const int64_t *) ((const char *) attr + l->off);
}

static inline const float *
maas_list_floats(const void *attr, const maas_list_t *l)
{
    return (const float *) ((const char *) attr + l->off);
}

/* String: n bytes.  Strings: n pairs {uint32 off from the struct, len}. */
static inline maas_str_t
maas_list_string(const void *attr, const maas_list_t *l)
{
    return (maas_str_t) { (const char *) attr + l->off, l->n };
}

static inline maas_str_t
maas_list_strings(const void *attr, const maas_list_t *l, uint32_t i)
{
    const uint32_t  *p = (const uint32_t *) ((const char *) attr + l->off);

    return (maas_str_t) { (const char *) attr + p[2 * i], p[2 * i + 1] };
}

/* Tensor: a header and its data. */
typedef struct {
    uint8_t   dtype;
    uint8_t   rank;
    uint8_t   pad[6];
    int64_t   dims[MAAS_RANK_MAX];
    uint64_t  bytes;
} maas_attr_tensor_t;           /* data follows */

static inline bool
maas_list_tensor(const void *attr, const maas_list_t *l, maas_tensor_t *t)
{
    const maas_attr_tensor_t  *h;

    if (l->n == 0) {
        return false;
    }

    h = (const maas_attr_tensor_t *) ((const char *) attr + l->off);
    t->data = (void *) (h + 1);
    t->bytes = h->bytes;
    t->dtype = h->dtype;
    t->rank = h->rank;
    t->format = 0;
    memcpy(t->dims, h->dims, sizeof(h->dims));
    return true;
}

typedef struct {
    const char         *name;
    uint8_t             type;       /* maas_attr_type_t */
    bool                required;
    uint16_t            off;        /* of the member in the struct */
    int64_t             i;          /* default of an INT */
    float               f;          /* default of a FLOAT */
    /*
     * STRING with a closed set: the member is an int64_t, the index of the
     * value in this NULL-terminated list; .i is the default's index.
     */
    const char *const  *words;
    /* INT: allowed range when max > min. */
    int64_t             min, max;
} maas_attr_row_t;
/*
 * Members by type: INT int64_t, FLOAT float, STRING with words int64_t,
 * all others maas_list_t (n = 0: absent).  GRAPH has no member: bodies
 * become maas_node_t.body in the order of the rows.
 */


/* -- inference ----------------------------------------------------------- */

typedef struct {
    const maas_type_t  *type;       /* NULL: absent */
    /*
     * What is known of the contents: data where they are fully known (a
     * constant, or computed while planning), ival for integer tensors of at
     * most MAAS_IVAL_MAX elements, where each may be symbolic.
     */
    const void         *data;
    const maas_dim_t   *ival;
    int                 n_ival;
    size_t              str_bytes;  /* strings: upper bound of the text;
                                       0 while compiling */
} maas_infer_in_t;

typedef struct {
    maas_type_t   type;
    maas_dim_t   *ival;             /* room for MAAS_IVAL_MAX */
    int           n_ival;           /* set when ival was filled, else -1 */
    size_t        str_bytes;        /* strings: upper bound of the text;
                                       panels: what they take */
    bool          wanted;
} maas_infer_out_t;

#define MAAS_IVAL_MAX  64

typedef struct {
    const maas_node_t       *node;
    const void              *attr;
    int                      n_in;
    int                      n_out;
    const maas_infer_in_t   *in;
    maas_infer_out_t        *out;
    maas_syms_t             *syms;
    maas_err_t              *err;
    int                      need;  /* set by MAAS_INFER_NEED */
    const int64_t           *extent;    /* of the row's extent(); NULL */
} maas_infer_t;

/*
 * infer() sets dtype, rank and dims of every output.  All inputs that are
 * present have a known dtype and rank.  It returns MAAS_OK, an error whose
 * text says what is wrong and what was expected (the caller puts the node's
 * name before it), or MAAS_INFER_NEED(c, i): the *contents* of input i
 * decide and are not known.  While compiling, the outputs then stay as they
 * were set before (rank -1 when nothing was); while planning, the plan is
 * cut, what precedes is run, and infer() is called again.
 * Dims of inputs may be symbolic while compiling: use maas_dim_*().
 */
#define MAAS_NEED  ((maas_status_t) 100)
#define MAAS_INFER_NEED(c, i)  ((c)->need = (i), MAAS_NEED)

/*
 * Of a row with extent(): the numbers that it counted in the inputs' data.
 * NULL: not counted yet; infer() then sets what does not depend on them,
 * with MAAS_DIM_NONE for the dims that do, and returns MAAS_INFER_EXTENT.
 */
#define MAAS_INFER_EXTENT  ((maas_status_t) 101)

static inline const int64_t *
maas_infer_extent(const maas_infer_t *c)
{
    return c->extent;
}


typedef maas_status_t (*maas_infer_pt)(maas_infer_t *c);

/* Helpers for infer(). */
static inline bool
maas_infer_has(const maas_infer_t *c, int i)
{
    return i < c->n_in && c->in[i].type != NULL;
}

/* Output o: type of input i (dtype and dims). */
maas_status_t maas_infer_same(maas_infer_t *c);             /* out0 = in0 */
void maas_infer_set(maas_infer_t *c, int o, maas_dtype_t dtype, int rank,
    const maas_dim_t *dims);

/* Output 0 has dtype and rank of t, but no extent is known yet. */
void maas_infer_rank(maas_infer_t *c, const maas_type_t *t);

/* Multidirectional broadcast of inputs [first, last) into dims and rank. */
maas_status_t maas_infer_broadcast(maas_infer_t *c, int first, int last,
    maas_dim_t *dims, int *rank);

/* Two dims that must be equal: the known one wins; unequal constants fail. */
maas_status_t maas_infer_merge(maas_infer_t *c, maas_dim_t a, maas_dim_t b,
    maas_dim_t *out, const char *what);

/* Axis in [-rank, rank) to [0, rank); the error names it. */
maas_status_t maas_axis(int64_t axis, int rank, int *out, maas_err_t *err);

/*
 * Integer contents of input i (int32 or int64, 1-D or scalar): MAAS_OK with
 * *v and *n, or MAAS_NEED.  v has room for MAAS_IVAL_MAX values.
 */
maas_status_t maas_infer_ints(maas_infer_t *c, int i, maas_dim_t *v, int *n);


/* -- kernels of an operator ---------------------------------------------- */

typedef struct {
    const void           *attr;
    const maas_tensor_t  *in;       /* data: constants only; dtype 0: absent */
    const maas_tensor_t  *out;
    const maas_post_t    *post;
    uint16_t              n_in;     /* with operands of post-ops */
    uint16_t              n_formal;
    uint16_t              n_out;
    uint16_t              n_post;
    /* Set by setup(): */
    int64_t               units;    /* work units; default 1 */
    size_t                scratch;  /* bytes for each thread; default 0 */
    /* Bytes shared by the threads of a step; the first MAAS_ALIGN are 0. */
    size_t                shared;
    double                cost;     /* estimated ns on one thread */
    /*
     * Bit i: besides the row's, out[0] may be in[i], an operand of a post-op
     * that is read before anything is written to that element.
     */
    uint32_t              inplace;
    /*
     * Output 0 is the inputs one after another; run() leaves alone those that
     * lie there already.
     */
    bool                  slices;
    /*
     * The outputs are the bytes of input 0 from cut_at on, one after another:
     * no step is needed where they can stay there.
     */
    bool                  cuts;
    size_t                cut_at;
} maas_setup_t;

typedef struct maas_kernel_row_s  maas_kernel_row_t;

typedef struct {
    const void            *attr;
    const maas_kernels_t  *k;
    maas_tensor_t         *in;
    maas_tensor_t         *out;
    const maas_post_t     *post;
    uint16_t               n_in;
    uint16_t               n_formal;
    uint16_t               n_out;
    uint16_t               n_post;
    int64_t                units;
    void                  *shared;
    const maas_kernel_row_t  *kernel;   /* NULL: none of its operator's */
    uint32_t               chain;       /* steps of the chain it begins */
} maas_step_t;

/*
 * Of several processes that train together: sums x[0 .. n - 1] over all of
 * them, in each.  All call it in the same order; `id` says for which node, so
 * that it is seen where they do not.  Errors of any of them end all.
 */
typedef struct {
    maas_status_t  (*sum)(void *ctx, int64_t id, double *x, int64_t n,
                          maas_err_t *err);
    void            *ctx;
} maas_exchange_t;

typedef struct {
    int          index;             /* of the thread in this step */
    void        *scratch;           /* aligned to MAAS_ALIGN */
    maas_err_t  *err;
    const maas_exchange_t  *exchange;       /* NULL: this process is alone */
    /*
     * -1 when a step begins, and kept for this thread until it ends: which
     * of its contents the scratch holds.  NULL: nothing is kept.
     */
    int64_t     *keep;
} maas_slot_t;

/* Computes units [first, last).  No allocation, no log, no lock. */
typedef maas_status_t (*maas_run_pt)(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/*
 * How a kernel goes by rows of an image: axis 2 of rank 4 (one row where the
 * rank is 3), over blocked activations; input 0 may be plain.  Output row r
 * sees at most `reach` input rows from r * step / per - before on, those that
 * there are.
 */
typedef struct {
    int64_t  in, out;               /* rows of input 0 and of output 0 */
    int64_t  step, before, reach;
    int64_t  per;                   /* 0: 1 */
    size_t   scratch;               /* bytes in all, and ... */
    size_t   scratch_row;           /* ... for each row of input 0 seen */
    bool     whole;                 /* output 0 lies as its tensor does */
} maas_by_rows_t;

/*
 * Output rows [r0, r1) of one image, and where they and what they see lie:
 * row 0 of the image's first plane, of which only those rows need be there;
 * rows follow each other.
 */
typedef struct {
    const float  *x;
    float        *y;
    int64_t       xplane, yplane;   /* floats from a plane to the next */
    int64_t       image;
    int64_t       r0, r1;
} maas_band_t;

struct maas_kernel_row_s {
    const char  *id;                /* stable, unique: "conv.gemmt.p16" */
    maas_cpu_t   cpu;               /* lowest level that has it */
    uint32_t     inplace;           /* bit i: out[0] may be in[i] */
    uint32_t     post;              /* bits: 1 << maas_post_kind_t taken */
    /*
     * Says yes or no for these dtypes, formats, shapes and attributes, and
     * sets units, scratch and cost.  NULL: always, one unit.
     */
    bool       (*setup)(maas_setup_t *u);
    maas_run_pt  run;
    /*
     * Of a kernel that can make some rows alone, with the same bits (NULL:
     * it can not): rows() says how, false: not for these shapes; band()
     * makes them.  slot->keep is -1.
     */
    bool       (*rows)(const maas_setup_t *u, maas_by_rows_t *r);
    void       (*band)(const maas_step_t *s, maas_slot_t *slot,
                       const maas_band_t *b);
};

/*
 * A constant input that the operator wants packed: `groups` matrices of
 * k x n, matrix g's element (i, j) at source element g * gs + i * ks +
 * j * ns.  The compiler puts a maas.Pack node before the input and folds it:
 * the value keeps its dims and has `format`, one packed block a group.
 */
typedef struct {
    int      input;
    uint8_t  format;            /* maas_format_t */
    int64_t  groups, k, n;
    int64_t  gs, ks, ns;
    /*
     * Above 1: i of the source counts channels and, fastest, this many taps;
     * the packed i goes by blocks of 16 channels, taps, channels of a block.
     */
    int64_t  taps;
    /* 2 or 4: Winograd's weights of 3x3 kernels; groups: (this + 2)^2 */
    int64_t  winograd;
    /*
     * The taps of a channel, neighbours in the source, in reverse; ks is then
     * from a channel to the next.
     */
    bool     flip;
    /*
     * The operator has no kernel for the plain form: what is trained is
     * packed in every run too.
     */
    bool     needed;
    /* It takes MAAS_FMT_P16Q8 too. */
    bool     eight;
} maas_pack_t;

/* type[i]: of input i, NULL when absent.  False: leave it plain. */
typedef bool (*maas_pack_pt)(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p);

/*
 * The form of a node that works on blocked activations (MAAS_FMT_C16): an
 * operator of domain maas with the same formals and attributes.
 */
typedef struct {
    const char  *op;
    /*
     * Bit i: input i is blocked.  Given: those that can be had so for
     * nothing; set: those that the form needs so.
     */
    uint32_t     in;
    /* given: bit i: input i is a constant or a parameter */
    uint32_t     constant;
    /* given: contents of constant inputs, else NULL; the type of output 0 */
    const void *const  *data;
    const maas_type_t  *out;
    bool         plain;         /* its outputs are plain all the same */
    bool         first;         /* those but the first are */
    bool         bytes;         /* what is blocked is 8-bit, else float32 */
    bool         fast;          /* given: `numerics fast` */
} maas_blocked_t;

/* False: there is none for these types, or it would not pay. */
typedef bool (*maas_blocked_pt)(const maas_node_t *n,
    const maas_type_t *const *type, maas_blocked_t *b);

/*
 * How the operator would look as a post-op of the node that makes its input
 * `through` (float32): out->kind is UNARY with fn, a, b, or BINARY with fn
 * and `operand`, the index of the other input (the caller finds out how its
 * shape relates).  data[i]: contents of constant inputs, else NULL.  False:
 * not with this input.
 */
typedef bool (*maas_as_post_pt)(const maas_node_t *n, int through,
    const void *const *data, maas_post_t *out);

/*
 * Applies a step's post-ops to rows of its output while they are in the
 * cache.  The block: `rows` rows of `cols` floats, row r at y + r * ld,
 * whose first element is element `at` of the output (row stride in elements
 * of the output: `step`).  For BINARY_CHANNEL the channel of row r is
 * channel + r * channel_step.
 */
typedef struct {
    float    *y;
    int64_t   ld;
    int64_t   rows;
    int64_t   cols;
    int64_t   at;
    int64_t   step;
    int64_t   channel;
    int64_t   channel_step;
    int64_t   col;              /* index of the first column on the last axis */
} maas_post_block_t;

void maas_post_apply(const maas_step_t *s, const maas_post_block_t *b);

/*
 * The same for blocked activations: post-ops from number `first` on, on n
 * pixels of one block of channels, from x to y (which may be x).  at: of the
 * first element in the output; plane: image times blocks, plus the block.
 */
void maas_post_apply16(const maas_step_t *s, int first, float *y,
    const float *x, int64_t n, int64_t at, int64_t plane);


/* -- sequences, maps, optionals ------------------------------------------ */

/*
 * A list: the tensors of a sequence, the keys and the values of a map, what
 * an optional holds.  Lists exist while planning only: operators that make
 * and take them apart say which tensors go where, and no step runs.  An
 * operator that computes on a list gets its tensors as inputs in a row.
 */
typedef struct {
    uint8_t                 kind;       /* maas_kind_t */
    uint8_t                 inner;      /* OPTIONAL: kind of what it holds */
    bool                    has;        /* OPTIONAL: it holds something */
    bool                    absent;
    uint32_t                n;          /* tensors; 1 for a tensor */
    const maas_infer_in_t  *tensor;
} maas_items_in_t;

typedef struct {
    uint32_t  in;
    uint32_t  item;
} maas_pick_t;

typedef struct {
    const maas_node_t      *node;
    const void             *attr;
    int                     n_in;
    const maas_items_in_t  *in;
    maas_err_t             *err;
    int                     need;       /* as in maas_infer_t */

    /* Output 0: a list (or, kind TENSOR, the tensor) of n picks, ... */
    uint8_t                 kind;
    uint8_t                 inner;
    bool                    has;
    uint32_t                n;
    maas_pick_t            *pick;       /* room for all tensors given */
    /* ... or a scalar: its dtype (I64 or BOOL) is set. */
    uint8_t                 dtype;
    int64_t                 value;
} maas_select_t;

/* MAAS_OK, an error, or MAAS_INFER_NEED(c, i). */
typedef maas_status_t (*maas_select_pt)(maas_select_t *c);


/* -- rewriting (upgrade, expand) ----------------------------------------- */

typedef struct maas_import_s  maas_import_t;

/*
 * upgrade() changes a raw node of an older opset into the canonical form
 * of the row (attributes to inputs, renamed operators).  `opset` is the
 * version that the model imports for the node's domain.
 */
typedef maas_status_t (*maas_upgrade_pt)(maas_import_t *im,
    maas_raw_node_t *n, int opset, maas_err_t *err);

maas_raw_attr_t *maas_raw_attr(const maas_raw_node_t *n, const char *name);
void maas_raw_attr_drop(maas_raw_node_t *n, const char *name);
maas_status_t maas_raw_attr_int(maas_import_t *im, maas_raw_node_t *n,
    const char *name, int64_t i);

/* Makes room for input `index`; new ones before it are absent. */
maas_status_t maas_raw_input_room(maas_import_t *im, maas_raw_node_t *n,
    uint32_t index);

/* Sets input `index` to a new constant; missing ones before it are absent. */
maas_status_t maas_raw_input_ints(maas_import_t *im, maas_raw_node_t *n,
    uint32_t index, const int64_t *v, size_t count, bool scalar);
maas_status_t maas_raw_input_float(maas_import_t *im, maas_raw_node_t *n,
    uint32_t index, maas_dtype_t dtype, double v);      /* a scalar */
maas_status_t maas_raw_input_floats(maas_import_t *im, maas_raw_node_t *n,
    uint32_t index, const float *v, size_t count);      /* 1-D float32 */

/* Moves attribute `name` (INTS or INT) to input `index`, if it is there. */
maas_status_t maas_raw_attr_to_input(maas_import_t *im, maas_raw_node_t *n,
    const char *name, uint32_t index);

/* dtype of an input of the node where the importer knows it, else 0. */
maas_dtype_t maas_raw_input_dtype(maas_import_t *im, const maas_raw_node_t *n,
    uint32_t index);
/* rank of an input where known, else -1. */
int maas_raw_input_rank(maas_import_t *im, const maas_raw_node_t *n,
    uint32_t index);

/* Emits a node before the current one (for upgrades that need several). */
maas_status_t maas_raw_emit(maas_import_t *im, const char *op,
    const maas_str_t *in, uint32_t n_in, const maas_str_t *out,
    uint32_t n_out, const maas_raw_attr_t *attr, uint32_t n_attr);
/* The same, behind the current node: it may read the node's outputs. */
maas_status_t maas_raw_emit_after(maas_import_t *im, const char *op,
    const maas_str_t *in, uint32_t n_in, const maas_str_t *out,
    uint32_t n_out, const maas_raw_attr_t *attr, uint32_t n_attr);
/* A name that nothing else has. */
maas_str_t maas_raw_fresh(maas_import_t *im);


/* -- differentiation ----------------------------------------------------- */

typedef struct maas_grad_s  maas_grad_t;

/* Emits nodes that compute the gradients of the inputs: graph/grad.h. */
typedef maas_status_t (*maas_grad_pt)(maas_grad_t *c);


/* -- the row ------------------------------------------------------------- */

enum {
    MAAS_OP_PURE = 1,           /* same inputs, same outputs: may be folded */
    MAAS_OP_RANDOM = 2,
    MAAS_OP_VIEW = 4,           /* out0 is in0 with another shape */
    MAAS_OP_ELEMENTWISE = 8,
    MAAS_OP_SHAPE = 16,         /* reads the shape of in0, not its data */
    MAAS_OP_CONTROL = 32,       /* bodies; graph/ handles it */
    MAAS_OP_INTERNAL = 64,      /* domain maas: never in a foreign file */
    MAAS_OP_REWRITE = 128       /* upgrade() is asked at any opset */
};

/* How graph/ walks the bodies of a control node. */
typedef enum {
    MAAS_CONTROL_NONE = 0,
    MAAS_CONTROL_IF,            /* the branch that input 0 chooses */
    MAAS_CONTROL_LOOP,          /* trips, condition, carried; stacked */
    MAAS_CONTROL_SCAN,          /* carried, slices along axis 0; stacked */
    MAAS_CONTROL_MAP            /* items of sequences; to sequences */
} maas_control_t;

typedef struct {
    const char  *args;          /* attributes and inputs, see t/engine/cases */
    const char  *expect;        /* bad cases: text that the error contains */
} maas_case_t;

struct maas_op_s {
    const char               *name;
    const char               *domain;   /* "" | "ai.onnx.ml" | "maas" | ... */
    int                       since;    /* opset of the canonical form */
    int                       until;    /* last opset that has it; 0: all */
    uint32_t                  flags;
    const maas_formal_t      *in;
    const maas_formal_t      *out;
    uint8_t                   n_in;
    uint8_t                   n_out;
    uint8_t                   n_attr;
    uint16_t                  attr_size;
    const maas_attr_row_t    *attr;
    maas_upgrade_pt           upgrade;  /* NULL: older forms are the same */
    int                       first;    /* oldest opset that upgrade takes */
    maas_infer_pt             infer;
    const maas_kernel_row_t  *kernel;   /* in order of preference */
    uint8_t                   n_kernel;
    /*
     * Where only the inputs' data decide how large the outputs are: writes
     * n_extent numbers (at most MAAS_EXTENT_MAX) to out[0], an int64 tensor.
     * One unit, before the outputs have shapes; infer() then gets the
     * numbers.  The scratch in bytes; NULL: none.
     */
    maas_run_pt               extent;
    uint8_t                   n_extent;
    size_t                  (*extent_scratch)(const maas_setup_t *u);
    maas_select_pt            select;   /* of a list: instead of kernels */
    /* Number of tensors of the sequence that output 0 is; may need. */
    maas_status_t           (*items)(maas_infer_t *c, int64_t *n);
    uint8_t                   control;  /* maas_control_t */
    /* SCAN: inputs that are sliced; backwards: slice or output i from the
     * end.  i counts inputs, then outputs, that are scanned. */
    int                     (*scanned)(const void *attr);
    bool                    (*backwards)(const void *attr, int i, bool out);
    maas_pack_pt              pack;
    maas_blocked_pt           blocked;
    maas_as_post_pt           as_post;
    /* Keys of the maps of output 0 (ZipMap): a constant 1-D tensor. */
    bool                    (*keys)(const maas_node_t *n, maas_tensor_t *t);
    double                  (*flops)(const maas_setup_t *u);
    maas_grad_pt              grad;     /* NULL: cannot be differentiated */
    const maas_case_t        *cases;    /* closed by args = NULL */
    const maas_case_t        *bad;
};

#define MAAS_EXTENT_MAX   4

#define MAAS_IO(i, o)     .in = i, .n_in = maas_nelts(i),                     \
                          .out = o, .n_out = maas_nelts(o)
#define MAAS_KERNELS(k)   .kernel = k, .n_kernel = maas_nelts(k)
#define MAAS_ATTRS(a, t)  .attr = a, .n_attr = maas_nelts(a),                 \
                          .attr_size = sizeof(t)

/* Does a node of it have lists among its values, spread out in steps? */
static inline bool
maas_op_takes_lists(const maas_op_t *op)
{
    return op->items != NULL
           || (op->n_in != 0 && (op->in[op->n_in - 1].flags & MAAS_ANYKIND));
}

/* NULL when unknown.  Domain "" and "ai.onnx" are the same. */
const maas_op_t *maas_op_find(maas_str_t domain, maas_str_t name);

/* "; did you mean "Softmax"?", or "". */
const char *maas_op_near(maas_str_t domain, maas_str_t name,
    char text[MAAS_NEAR_TEXT]);

/* Every row, for documentation and tests. */
const maas_op_t *maas_op_next(const maas_op_t *after);

#endif
