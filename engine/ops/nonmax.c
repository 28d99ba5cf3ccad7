/*
 * NonMaxSuppression: of each image and class the boxes of the best scores
 * that don't cover each other by more than iou_threshold.  A row of the
 * output is [image, class, box]; rows are in the order of images, classes
 * and falling scores, equal scores in the order of boxes.
 *
 * Boxes are tried from a heap, so that n of them cost n + k log n when k
 * are looked at.  How many rows there are only the data tell: extent() counts
 * them, run() finds them again.
 *
 * Ownership: heap and chosen boxes lie in the scratch of a thread.
 * Threads:   one unit, for rows follow each other.
 */

#include <math.h>

#include "ops/ops_common.h"


typedef struct {
    int64_t  center;
} nms_attr_t;

typedef struct {
    float    x0, y0, x1, y1;
    float    area;
} nms_box_t;

/* Boxes side by side; what is not there has no area. */
#define NMS_LANES  8

typedef struct {
    float    x0[NMS_LANES], y0[NMS_LANES], x1[NMS_LANES], y1[NMS_LANES];
    float    area[NMS_LANES];
} nms_group_t;

/* A run over all images and classes. */
typedef struct {
    const maas_tensor_t  *boxes;
    const maas_tensor_t  *scores;
    int64_t               most;         /* of a class */
    float                 iou;
    bool                  limited;
    float                 limit;        /* scores above it */
    bool                  center;
    int32_t              *heap;
    nms_group_t          *kept;
    int64_t              *out;          /* NULL: count only */
    int64_t               room;
    int64_t               n;            /* rows */
} nms_t;

static inline int64_t
nms_groups(int64_t boxes)
{
    return (boxes + NMS_LANES - 1) / NMS_LANES;
}


static maas_status_t
nms_scalar(maas_infer_t *c, int i, const char *name)
{
    int64_t             n;
    const maas_type_t  *t;

    if (!maas_infer_has(c, i)) {
        return MAAS_OK;
    }

    t = c->in[i].type;
    n = t->rank == 1 && maas_dim_known(t->dims[0]) ? t->dims[0] : 1;

    if (t->rank > 1 || n != 1) {
        return maas_err(c->err, MAAS_EINVAL, "%s is not one number", name);
    }

    return MAAS_OK;
}


static maas_status_t
nms_infer(maas_infer_t *c)
{
    maas_dim_t          d, dims[2] = { MAAS_DIM_NONE, 3 };
    const int64_t      *extent = maas_infer_extent(c);
    const maas_type_t  *boxes = c->in[0].type, *scores = c->in[1].type;

    if (boxes->rank != 3 || scores->rank != 3) {
        return maas_err(c->err, MAAS_EINVAL, "boxes and scores have ranks %d "
                        "and %d, expected 3 and 3", boxes->rank,
                        scores->rank);
    }

    MAAS_TRY(maas_infer_merge(c, boxes->dims[2], 4, &d,
                              "the last axis of boxes, and 4"));
    MAAS_TRY(maas_infer_merge(c, boxes->dims[0], scores->dims[0], &d,
                              "the images of boxes and of scores"));
    MAAS_TRY(maas_infer_merge(c, boxes->dims[1], scores->dims[2], &d,
                              "the number of boxes and of scores"));

    if (maas_dim_known(d) && d > INT32_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "%lld boxes, at most %d "
                        "are supported", (long long) d, INT32_MAX);
    }

    MAAS_TRY(nms_scalar(c, 2, "max_output_boxes_per_class"));
    MAAS_TRY(nms_scalar(c, 3, "iou_threshold"));
    MAAS_TRY(nms_scalar(c, 4, "score_threshold"));

    if (extent != NULL) {
        dims[0] = extent[0];
    }

    maas_infer_set(c, 0, MAAS_I64, 2, dims);
    return extent != NULL ? MAAS_OK : MAAS_INFER_EXTENT;
}


static size_t
nms_scratch(const maas_setup_t *u)
{
    int64_t  n = u->in[0].dims[1];

    return (size_t) nms_groups(n) * sizeof(nms_group_t)
           + (size_t) n * sizeof(int32_t);
}


static bool
nms_setup(maas_setup_t *u)
{
    u->scratch = nms_scratch(u);
    u->cost = 100 + (double) maas_tensor_count(&u->in[1]) * 2
              + (double) u->out[0].dims[0] * 100;
    return true;
}


/* -- boxes --------------------------------------------------------------- */

/* A NaN makes an area that is not above 0, wherever it stands. */
#define NMS_MIN(a, b)  ((a) < (b) ? (a) : (b))
#define NMS_MAX(a, b)  ((a) > (b) ? (a) : (b))

static nms_box_t
nms_box(const nms_t *v, const float *p)
{
    float      w, h;
    nms_box_t  b;

    if (v->center) {
        w = p[2] / 2;
        h = p[3] / 2;
        b = (nms_box_t) { p[0] - w, p[1] - h, p[0] + w, p[1] + h, 0 };

    } else {
        b = (nms_box_t) { NMS_MIN(p[1], p[3]), NMS_MIN(p[0], p[2]),
                          NMS_MAX(p[1], p[3]), NMS_MAX(p[0], p[2]), 0 };
    }

    b.area = (b.x1 - b.x0) * (b.y1 - b.y0);
    return b;
}


/*
 * Intersection over union of one of them with b above the threshold; never
 * with an empty box.
 */
static bool
nms_covered(const nms_group_t *g, int64_t n, const nms_box_t *b,
    float threshold)
{
    int  any = 0;

    if (!(b->area > 0)) {
        return false;
    }

    for (int64_t i = 0; i < n && any == 0; i++, g++) {
        for (int j = 0; j < NMS_LANES; j++) {
            float  w = NMS_MIN(b->x1, g->x1[j]) - NMS_MAX(b->x0, g->x0[j]);
            float  h = NMS_MIN(b->y1, g->y1[j]) - NMS_MAX(b->y0, g->y0[j]);
            float  both = w * h;
            float  all = b->area + g->area[j] - both;

            any |= (w > 0) & (h > 0) & (g->area[j] > 0) & (all > 0)
                   & (both / all > threshold);
        }
    }

    return any != 0;
}


static void
nms_keep(nms_group_t *g, int64_t at, const nms_box_t *b)
{
    int  j = (int) (at % NMS_LANES);

    g += at / NMS_LANES;

    if (j == 0) {
        memset(g, 0, sizeof(*g));
    }

    g->x0[j] = b->x0;
    g->y0[j] = b->y0;
    g->x1[j] = b->x1;
    g->y1[j] = b->y1;
    g->area[j] = b->area;
}


/* -- the heap: the best score is the root -------------------------------- */

/* NaN is below every number. */
static inline bool
nms_before(const float *score, int32_t i, int32_t j)
{
    bool  nan = score[i] != score[i], other = score[j] != score[j];

    if (nan || other) {
        return nan == other ? i < j : other;
    }

    return score[i] == score[j] ? i < j : score[i] > score[j];
}


static void
nms_sift(int32_t *h, int64_t n, int64_t at, int32_t item, const float *score)
{
    int64_t  next;

    while ((next = 2 * at + 1) < n) {
        if (next + 1 < n && nms_before(score, h[next + 1], h[next])) {
            next++;
        }

        if (!nms_before(score, h[next], item)) {
            break;
        }

        h[at] = h[next];
        at = next;
    }

    h[at] = item;
}


static int64_t
nms_heap(const nms_t *v, const float *score, int64_t boxes)
{
    int64_t  n = 0;

    for (int64_t i = 0; i < boxes; i++) {
        if (!v->limited || score[i] > v->limit) {
            v->heap[n++] = (int32_t) i;
        }
    }

    for (int64_t i = n / 2 - 1; i >= 0; i--) {
        nms_sift(v->heap, n, i, v->heap[i], score);
    }

    return n;
}


/* -- all of them --------------------------------------------------------- */

static void
nms_row(nms_t *v, int64_t image, int64_t class, int64_t box)
{
    int64_t  *y;

    if (v->out != NULL && v->n < v->room) {
        y = v->out + 3 * v->n;
        y[0] = image;
        y[1] = class;
        y[2] = box;
    }

    v->n++;
}


static void
nms_class(nms_t *v, int64_t image, int64_t class)
{
    int32_t       best;
    int64_t       left, kept = 0;
    int64_t       boxes = v->boxes->dims[1];
    nms_box_t     b;
    const float  *at = (const float *) v->boxes->data + image * boxes * 4;
    const float  *score = (const float *) v->scores->data
                          + (image * v->scores->dims[1] + class) * boxes;

    left = nms_heap(v, score, boxes);

    while (left > 0 && kept < v->most) {
        best = v->heap[0];
        left--;
        nms_sift(v->heap, left, 0, v->heap[left], score);
        b = nms_box(v, at + 4 * (int64_t) best);

        if (!nms_covered(v->kept, nms_groups(kept), &b, v->iou)) {
            nms_keep(v->kept, kept++, &b);
            nms_row(v, image, class, best);
        }
    }
}


/* Input i: a number, or what its absence means. */
static double
nms_number(const maas_step_t *s, int i, double absent)
{
    const maas_tensor_t  *t = &s->in[i];

    if (i >= s->n_formal || t->dtype == MAAS_NODTYPE) {
        return absent;
    }

    return t->dtype == MAAS_I64 ? (double) *(const int64_t *) t->data
                                : (double) *(const float *) t->data;
}


static maas_status_t
nms_all(nms_t *v, const maas_step_t *s, maas_slot_t *slot)
{
    double  most = nms_number(s, 2, 0), iou = nms_number(s, 3, 0);

    if (!(iou >= 0 && iou <= 1)) {
        return maas_err(slot->err, MAAS_EINVAL, "iou_threshold is %g, "
                        "expected 0 to 1", iou);
    }

    v->boxes = &s->in[0];
    v->scores = &s->in[1];
    v->most = most > INT32_MAX ? INT32_MAX : (int64_t) fmax(most, 0);
    v->iou = (float) iou;
    v->limit = (float) nms_number(s, 4, 0);
    v->limited = s->n_formal > 4 && s->in[4].dtype != MAAS_NODTYPE;
    v->center = ((const nms_attr_t *) s->attr)->center != 0;
    v->kept = slot->scratch;
    v->heap = (int32_t *) (v->kept + nms_groups(v->boxes->dims[1]));

    for (int64_t b = 0; b < v->scores->dims[0]; b++) {
        for (int64_t c = 0; c < v->scores->dims[1]; c++) {
            nms_class(v, b, c);
        }
    }

    return MAAS_OK;
}


static maas_status_t
nms_extent(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    nms_t  v = { 0 };

    (void) first;
    (void) last;

    MAAS_TRY(nms_all(&v, s, slot));
    *(int64_t *) s->out[0].data = v.n;

    return MAAS_OK;
}


static maas_status_t
nms_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    nms_t  v = { .out = s->out[0].data, .room = s->out[0].dims[0] };

    (void) first;
    (void) last;

    return nms_all(&v, s, slot);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  nms_in[] = {
    { "boxes", MAAS_D(F32), 0, 0 },
    { "scores", MAAS_D(F32), 0, 0 },
    { "max_output_boxes_per_class", MAAS_D(I64), 0, MAAS_OPT },
    { "iou_threshold", MAAS_D(F32), 0, MAAS_OPT },
    { "score_threshold", MAAS_D(F32), 0, MAAS_OPT }
};

static const maas_formal_t  nms_out[] = {
    { "selected_indices", MAAS_D(I64), 0, 0 }
};

static const maas_attr_row_t  nms_attrs[] = {
    { .name = "center_point_box", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(nms_attr_t, center) }
};

static const maas_kernel_row_t  nms_kernel[] = {
    { .id = "nonmax.heap", .setup = nms_setup, .run = nms_run }
};

static const maas_case_t  nms_cases[] = {
    { "| f32[2,50,4] f32[2,3,50] =i64[1]{7} =f32[1]{0.3}", NULL },
    { "| f32[1,200,4]:prob f32[1,2,200] i64[]{200} f32[]{0.5} f32[]{0.2}",
      NULL },
    { "center_point_box=1 | f32[1,90,4]:prob f32[1,1,90]:nan i64[1]{20} "
      "f32[1]{0.1}", NULL },
    { "| f32[1,3,4]{0,0,1,1,1,1,0,0,0,0,1,1} f32[1,1,3]{0.5,0.5,0.5} "
      "i64[1]{9} f32[1]{1}", NULL },
    { "| f32[1,30,4]:nan f32[1,1,30]:inf i64[1]{20} - f32[1]{-1}", NULL },
    { "| f32[1,5,4] f32[1,1,5]", NULL },
    { "| f32[1,5,4] f32[1,1,5] i64[1]{-3}", NULL },
    { "| f32[1,0,4] f32[1,2,0] i64[1]{5}", NULL },
    { "| f32[0,3,4] f32[0,2,3] i64[1]{5}", NULL },
    { "| =f32[1,5,4] =f32[1,1,5] =i64[1]{5} =f32[1]{0.5} =f32[1]{0}", NULL },
    { NULL, NULL }
};

static const maas_case_t  nms_bad[] = {
    { "| f32[1,5,4] f32[1,5]", "ranks 3 and 2, expected 3 and 3" },
    { "| f32[1,5,3] f32[1,1,5]", "the last axis of boxes" },
    { "| f32[1,5,4] f32[1,1,6]", "the number of boxes and of scores" },
    { "| f32[1,5,4] f32[2,1,5]", "the images of boxes" },
    { "| f32[1,5,4] f32[1,1,5] i64[2]{1,1}", "is not one number" },
    { "| f32[1,5,4] f32[1,1,5] i64[1]{1} f32[1]{1.5}",
      "iou_threshold is 1.5, expected 0 to 1" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_nonmax[] = {
    {
        .name = "NonMaxSuppression", .domain = "", .since = 11, .first = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(nms_in, nms_out),
        MAAS_ATTRS(nms_attrs, nms_attr_t),
        .infer = nms_infer,
        MAAS_KERNELS(nms_kernel),
        .extent = nms_extent, .n_extent = 1, .extent_scratch = nms_scratch,
        .cases = nms_cases, .bad = nms_bad
    },
    { .name = NULL }
};
