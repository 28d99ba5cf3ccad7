/*
 * meta: what a model's bytes mean, from model.json and labels.txt beside
 * the model file.  A pointer-free block inside the image; strings are
 * offsets from its start.
 */

#ifndef MAAS_META_H
#define MAAS_META_H

#include "tensor/tensor.h"


/* The largest side of an image, and what sides may be multiples of. */
#define MAAS_META_SIDE      (1 << 20)
#define MAAS_META_MULTIPLE  4096

/* What padding may cost, in percent of the elements without. */
#define MAAS_META_PERCENT   10000


typedef struct {
    uint32_t  off;              /* from the start of the maas_meta_t */
    uint32_t  len;
} maas_meta_str_t;

typedef enum {
    MAAS_PREP_NONE = 0,
    MAAS_PREP_IMAGE
} maas_prep_kind_t;

typedef enum {
    MAAS_FIT_STRETCH = 0,       /* to width x height */
    MAAS_FIT_CROP,              /* shorter side to `resize`, centre crop */
    MAAS_FIT_PAD,               /* longer side fits, rest is `pad` */
    MAAS_FIT_SCALE              /* sides of 0 keep the aspect */
} maas_fit_t;

typedef enum {
    MAAS_LAYOUT_NCHW = 0,
    MAAS_LAYOUT_NHWC,
    MAAS_LAYOUT_FLAT            /* [N, H*W*C] */
} maas_image_layout_t;

typedef enum {
    MAAS_COLOR_RGB = 0,
    MAAS_COLOR_BGR,
    MAAS_COLOR_GRAY
} maas_color_t;

/* value = (pixel * scale - mean[c]) / std[c], pixel in 0..255 */
typedef struct {
    uint8_t   kind;             /* maas_prep_kind_t */
    uint8_t   fit;
    uint8_t   layout;
    uint8_t   color;
    uint8_t   invert;           /* pixel = 255 - pixel first */
    uint8_t   pad;
    uint8_t   reserved[2];
    uint32_t  input;            /* index of the model's input */
    int32_t   width, height;    /* of the tensor; 0: of the image */
    int32_t   resize;           /* shorter side before the crop; 0: none */
    int32_t   longest;          /* SCALE: bound of sides of 0; 0: none */
    int32_t   multiple;         /* SCALE: these are rounded to one of it */
    float     scale;
    float     mean[4];
    float     std[4];
} maas_prep_t;

typedef enum {
    MAAS_MEANS_RAW = 0,
    MAAS_MEANS_CLASSES,         /* scores along one axis, see below */
    MAAS_MEANS_REGRESSION,
    MAAS_MEANS_EMBEDDING,
    MAAS_MEANS_CTC              /* scores of labels and a blank, by step */
} maas_meaning_t;

typedef enum {
    MAAS_ORDER_NTC = 0,         /* rows, steps, classes */
    MAAS_ORDER_TNC
} maas_order_t;

/*
 * Inputs that are made longer when requests of several lengths run together;
 * n_pads 0: only equal shapes do.
 */
#define MAAS_META_PADS  16

typedef struct {
    uint32_t  input;            /* index of the model's input */
    uint32_t  mask;             /* 1: what is `value` here is left out */
    double    value;            /* behind the end; fits the input's type */
} maas_meta_pad_t;

typedef struct {
    uint32_t         size;      /* of the block with its strings */
    uint32_t         n_labels;
    uint32_t         labels;    /* offset of n_labels maas_meta_str_t */
    maas_prep_t      prep;
    uint8_t          meaning;   /* maas_meaning_t of output `output` */
    uint8_t          softmax;   /* scores are logits: show probabilities */
    uint8_t          merge_repeats; /* CTC: equal neighbours are one */
    uint8_t          order;     /* CTC: maas_order_t */
    int32_t          blank;     /* CTC: its index; -1: the last one */
    uint32_t         output;    /* index of the model's output */
    uint32_t         top_k;     /* 0: all */
    int32_t          batch_axis;    /* -1: the model does not batch */
    maas_meta_str_t  platform;      /* "onnx" */
    maas_meta_str_t  description;
    int64_t          profile_max;   /* largest batch planned ahead; 0: 1 */
    uint32_t         n_features;    /* names of the columns of prep.input */
    uint32_t         features;      /* offset of n_features maas_meta_str_t */
    uint32_t         n_pads;
    int32_t          pad_axis;      /* the one that is padded */
    uint32_t         pad_multiple;  /* padded lengths are one of it; 0: 1 */
    uint32_t         pad_percent;   /* elements with padding: at most so many
                                       percent of those without */
    double           tolerance;     /* of a padded row to its single run, of
                                       its largest value; 0: every bit */
    maas_meta_pad_t  pad[MAAS_META_PADS];   /* ascending by input */
} maas_meta_t;

static inline maas_str_t
maas_meta_str(const maas_meta_t *m, maas_meta_str_t s)
{
    return (maas_str_t) { (const char *) m + s.off, s.len };
}

static inline maas_str_t
maas_meta_label(const maas_meta_t *m, uint32_t i)
{
    const maas_meta_str_t  *l;

    l = (const maas_meta_str_t *) ((const char *) m + m->labels);
    return maas_meta_str(m, l[i]);
}

/*
 * The axis of the classes of an output of so many dimensions, rank > 0: the
 * last, before those behind the second that are 1, as networks have them that
 * end in a pooling: [N,1000,1,1].
 */
static inline int
maas_meta_class_axis(const int64_t *dims, int rank)
{
    while (rank > 2 && dims[rank - 1] == 1) {
        rank--;
    }

    return rank - 1;
}

static inline maas_str_t
maas_meta_feature(const maas_meta_t *m, uint32_t i)
{
    const maas_meta_str_t  *f;

    f = (const maas_meta_str_t *) ((const char *) m + m->features);
    return maas_meta_str(m, f[i]);
}

/* How input i is padded; NULL: it is not. */
static inline const maas_meta_pad_t *
maas_meta_pad(const maas_meta_t *m, size_t input)
{
    for (uint32_t i = 0; i < m->n_pads; i++) {
        if (m->pad[i].input == input) {
            return &m->pad[i];
        }
    }

    return NULL;
}

/* Names of the model's inputs and outputs, for model.json to refer to. */
typedef struct {
    const maas_str_t  *in;
    size_t             n_in;
    const maas_str_t  *out;
    size_t             n_out;
} maas_meta_names_t;

/*
 * Parses model.json (NULL: defaults) and labels.txt (NULL: none; one label
 * a line) into a block from host memory.  Unknown keys are refused with
 * their name and the list of known ones.
 */
maas_status_t maas_meta_parse(maas_meta_t **out, const maas_host_t *host,
    const char *json, size_t json_len, const char *labels,
    size_t labels_len, const maas_meta_names_t *names, maas_err_t *err);

/* Every offset inside, every string inside, enums in range. */
maas_status_t maas_meta_check(const maas_meta_t *m, size_t size,
    uint32_t n_in, uint32_t n_out, maas_err_t *err);

#endif
