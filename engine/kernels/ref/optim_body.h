/*
 * optim_body: the updates of optimisers; a template: MAAS_ISA is set.  Plain
 * loops that the compiler turns into vectors.  See kernels/koptim.h.
 *
 * Ownership: none.
 * Threads:   reentrant; ranges split the elements.
 */


static inline float
MAAS_K(optim_grad)(float p, float g, const maas_optim_k_t *c)
{
    g *= c->scale;
    g = g > c->clip ? c->clip : g;
    g = g < -c->clip ? -c->clip : g;
    g += c->l2 * p;

    return g + c->l1 * (float) ((p > 0.0f) - (p < 0.0f));
}


#define OPTIM(op, step)                                                       \
    static void                                                               \
    MAAS_K(optim_##op)(float *restrict p, const float *restrict grad,         \
        float *restrict m, float *restrict v, int64_t n,                      \
        const maas_optim_k_t *coef)                                           \
    {                                                                         \
        const maas_optim_k_t  c = *coef;                                      \
                                                                              \
        (void) m;                                                             \
        (void) v;                                                             \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            const float  g = MAAS_K(optim_grad)(p[i], grad[i], &c);           \
                                                                              \
            step;                                                             \
        }                                                                     \
    }

OPTIM(sgd,
      p[i] -= c.lr * g)
OPTIM(momentum,
      m[i] = c.b1 * m[i] + c.c1 * g;
      p[i] -= c.lr * m[i])
OPTIM(nesterov,
      m[i] = c.b1 * m[i] + c.c1 * g;
      p[i] -= c.lr * (g + c.b1 * m[i]))
OPTIM(adam,
      m[i] = c.b1 * m[i] + c.a1 * g;
      v[i] = c.b2 * v[i] + c.a2 * g * g;
      p[i] = p[i] * c.keep - c.lr * (m[i] / (sqrtf(v[i]) / c.c2 + c.eps)))
OPTIM(rmsprop,
      v[i] = c.b2 * v[i] + c.a2 * g * g;
      p[i] -= c.lr * (g / (sqrtf(v[i]) + c.eps)))
OPTIM(rmsprop_momentum,
      v[i] = c.b2 * v[i] + c.a2 * g * g;
      m[i] = c.b1 * m[i] + g / (sqrtf(v[i]) + c.eps);
      p[i] -= c.lr * m[i])
OPTIM(adagrad,
      v[i] += g * g;
      p[i] -= c.lr * (g / (sqrtf(v[i]) + c.eps)))

#undef OPTIM

#define OPTIM_TABLE_(isa)  maas_k_optim_##isa
#define OPTIM_TABLE(isa)   OPTIM_TABLE_(isa)

const maas_optim_pt  OPTIM_TABLE(MAAS_ISA)[MAAS_K_OPTIMS] = {
    [MAAS_K_SGD] = MAAS_K(optim_sgd),
    [MAAS_K_MOMENTUM] = MAAS_K(optim_momentum),
    [MAAS_K_NESTEROV] = MAAS_K(optim_nesterov),
    [MAAS_K_ADAM] = MAAS_K(optim_adam),
    [MAAS_K_RMSPROP] = MAAS_K(optim_rmsprop),
    [MAAS_K_RMSPROP_MOMENTUM] = MAAS_K(optim_rmsprop_momentum),
    [MAAS_K_ADAGRAD] = MAAS_K(optim_adagrad)
};
