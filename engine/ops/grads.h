/*
 * grads.h: gradients of operators whose rows stand in other files.  A family
 * X.c has its gradients in X_grad.c when they would make X.c too long.
 *
 * Ownership: what is emitted lies in the graph's arena.
 * Threads:   one thread, while a graph is made.
 */

#ifndef MAAS_GRADS_H
#define MAAS_GRADS_H

#include "graph/grad.h"


/* unary_grad.c */
maas_status_t maas_grad_unary(maas_grad_t *c);      /* by the op's name */
maas_status_t maas_grad_clip(maas_grad_t *c);
maas_status_t maas_grad_prelu(maas_grad_t *c);

/* binary_grad.c */
maas_status_t maas_grad_add(maas_grad_t *c);        /* Sum too */
maas_status_t maas_grad_sub(maas_grad_t *c);
maas_status_t maas_grad_mul(maas_grad_t *c);
maas_status_t maas_grad_div(maas_grad_t *c);
maas_status_t maas_grad_pow(maas_grad_t *c);
maas_status_t maas_grad_mean(maas_grad_t *c);
maas_status_t maas_grad_extreme(maas_grad_t *c);    /* Min, Max */
maas_status_t maas_grad_where(maas_grad_t *c);

/* matmul_grad.c */
maas_status_t maas_grad_matmul(maas_grad_t *c);
maas_status_t maas_grad_gemm(maas_grad_t *c);

/* reduce_grad.c */
maas_status_t maas_grad_reduce(maas_grad_t *c);     /* by the op's name */

/* conv_grad.c */
maas_status_t maas_grad_conv(maas_grad_t *c);
maas_status_t maas_grad_convtranspose(maas_grad_t *c);

/* norm_train.c: in both modes; Instance- and GroupNormalization */
maas_status_t maas_grad_batch_norm(maas_grad_t *c);
maas_status_t maas_grad_group_norm(maas_grad_t *c);

/* pool_grad.c: windows and whole planes, by the op's name */
maas_status_t maas_grad_pool(maas_grad_t *c);

/* move_grad.c: what only moves elements */
maas_status_t maas_grad_view(maas_grad_t *c);       /* Reshape and the like */
maas_status_t maas_grad_cast(maas_grad_t *c);
maas_status_t maas_grad_transpose(maas_grad_t *c);
maas_status_t maas_grad_depth(maas_grad_t *c);      /* DepthToSpace */
maas_status_t maas_grad_space(maas_grad_t *c);      /* SpaceToDepth */
maas_status_t maas_grad_concat(maas_grad_t *c);
maas_status_t maas_grad_split(maas_grad_t *c);
maas_status_t maas_grad_expand(maas_grad_t *c);

/* gather_grad.c */
maas_status_t maas_grad_gather(maas_grad_t *c);
maas_status_t maas_grad_slice(maas_grad_t *c);
maas_status_t maas_grad_tile(maas_grad_t *c);

/* softmax_grad.c, norm_grad.c */
maas_status_t maas_grad_softmax(maas_grad_t *c);    /* LogSoftmax too */
maas_status_t maas_grad_layer_norm(maas_grad_t *c);

/* attention_grad.c: ONNX's and the fused one */
maas_status_t maas_grad_attention(maas_grad_t *c);

/* rnn_grad.c */
maas_status_t maas_grad_rnn(maas_grad_t *c);        /* LSTM, GRU too */

#endif
