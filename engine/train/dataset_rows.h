/*
 * dataset_rows.h: between the files of dataset_feed: what a source of rows
 * is made of.
 *
 * Ownership: a source owns what it opened.
 * Threads:   one thread.
 */

#ifndef MAAS_DATASET_ROWS_H
#define MAAS_DATASET_ROWS_H

#include "train/augment.h"
#include "train/dataset.h"
#include "train/dataset_feed.h"


typedef struct {
    maas_str_t          path;
    maas_param_texts_t  target;
    maas_param_texts_t  features;
    const json_t       *split;
    const json_t       *augment;
} source_json_t;

typedef struct {
    double      validation;
    double      test;
    int64_t     by;
    maas_str_t  column;
    bool        stratify;
} source_split_t;

struct maas_data_s {
    maas_data_spec_t    spec;
    maas_dataset_t       *ds;
    source_json_t         j;
    source_split_t        split;
    int                  *feature;
    int                  *target;
    maas_classes_t        classes;
    maas_data_info_t    info;
    uint64_t             *skip;         /* rows without a target; or NULL */
    maas_augment_t        augment;
    bool                  augmented;
    /* Of the feed: */
    bool                  integers;
    bool                  labels;       /* y: int64 classes */
    bool                  zero_one;     /* y: float32, class 1 of two */
    int64_t               each;         /* y: int64, n_target a row, of so
                                           many classes; 0: it is not */
    const double         *factor;
    int64_t               cap;          /* rows that the scratch holds */
    double               *wide;
    uint8_t              *pixels;
    int32_t              *code;
    uint8_t              *copy[2];      /* one image each */
};

#endif
