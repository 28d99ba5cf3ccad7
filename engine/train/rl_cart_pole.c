/*
 * rl_cart_pole.c: a pole on a cart that is pushed to the left or right.
 * Equations of Barto, Sutton and Anderson, "Neuronlike adaptive elements that
 * can solve difficult learning control problems", 1983, with friction, by
 * Euler's method.  See rl.h.
 */

#include "train/rl.h"


#define CART_PI  3.141592653589793

typedef struct {
    maas_rl_env_param_t  common;
    double               gravity;
    double               cart, pole;            /* kg */
    double               length;                /* half the pole, m */
    double               force;                 /* N */
    double               dt;                    /* s */
    double               angle;                 /* limits */
    double               position;
    double               start;
    double               rub_cart, rub_pole;
} cart_param_t;

#define CART_NUMBER(m, n, d, lo, op, text)                                    \
    { .name = n, .type = MAAS_PARAM_NUMBER, .off = offsetof(cart_param_t, m), \
      .def = d, .min = lo, .max = 1e6, .open = op, .about = text }

static const maas_param_t  cart_params[] = {
    MAAS_RL_MAX_STEPS(500),
    CART_NUMBER(gravity, "gravity", 9.8, 0, true, "m/s2"),
    CART_NUMBER(cart, "cart_mass", 1, 0, true, "kg"),
    CART_NUMBER(pole, "pole_mass", 0.1, 0, true, "kg"),
    CART_NUMBER(length, "half_length", 0.5, 0, true, "of the pole, m"),
    CART_NUMBER(force, "force", 10, 0, true, "of a push, N"),
    CART_NUMBER(dt, "time_step", 0.02, 0, true, "s"),
    { .name = "angle_limit", .type = MAAS_PARAM_NUMBER, .def = 12,
      .off = offsetof(cart_param_t, angle), .min = 0, .max = 90,
      .open = true, .about = "degrees; beyond, the pole has fallen" },
    CART_NUMBER(position, "position_limit", 2.4, 0, true,
                "m; beyond, the track has ended"),
    CART_NUMBER(start, "start_range", 0.05, 0, false,
                "each number of the state starts within so much of 0"),
    CART_NUMBER(rub_cart, "cart_friction", 0, 0, false,
                "of cart and track; 0.0005 in 1983"),
    CART_NUMBER(rub_pole, "pole_friction", 0, 0, false,
                "of pole and cart; 0.000002 in 1983")
};

static const char *const  cart_actions[] = { "left", "right" };

static const char *const  cart_features[] = {
    "position", "velocity", "angle", "angular_velocity"
};


static maas_status_t
cart_setup(maas_rl_env_t *e, maas_arena_t *a, maas_err_t *err)
{
    (void) a;
    (void) err;

    e->n_obs = 4;
    e->n_action = 2;
    e->action = cart_actions;
    e->feature = cart_features;

    return MAAS_OK;
}


static void
cart_reset(const maas_rl_env_t *e, const maas_random_t *r,
    maas_rl_state_t *s)
{
    const cart_param_t  *p = e->param;

    for (int i = 0; i < 4; i++) {
        s->x[i] = (2 * maas_random_unit(r, (uint64_t) i) - 1) * p->start;
    }
}


/*
 * a'' = (g sin a - cos a (F + m l a'^2 sin a - u sgn x') / M
 *        - v a' / (m l)) / (l (4/3 - m cos^2 a / M)),
 * x'' = (F + m l (a'^2 sin a - a'' cos a) - u sgn x') / M,
 * with masses m of the pole and M of both, frictions u and v.
 */
static maas_rl_result_t
cart_step(const maas_rl_env_t *e, const maas_random_t *r, int64_t t,
    int action, maas_rl_state_t *s)
{
    const cart_param_t  *p = e->param;
    double               mass = p->cart + p->pole, ml = p->pole * p->length;
    double               force = action == 1 ? p->force : -p->force;
    double               x = s->x[0], v = s->x[1], a = s->x[2], w = s->x[3];
    double               sina = sin(a), cosa = cos(a), push, acc, turn;
    maas_rl_result_t     out = { .reward = 1 };

    (void) r;
    (void) t;

    push = (force + ml * w * w * sina
            - p->rub_cart * (v > 0 ? 1 : v < 0 ? -1 : 0)) / mass;
    turn = (p->gravity * sina - cosa * push - p->rub_pole * w / ml)
           / (p->length * (4.0 / 3 - p->pole * cosa * cosa / mass));
    acc = push - ml * turn * cosa / mass;

    s->x[0] = x + p->dt * v;
    s->x[1] = v + p->dt * acc;
    s->x[2] = a + p->dt * w;
    s->x[3] = w + p->dt * turn;

    out.terminal = !(fabs(s->x[0]) <= p->position)
                   || !(fabs(s->x[2]) <= p->angle * CART_PI / 180);
    return out;
}


static void
cart_observe(const maas_rl_env_t *e, const maas_rl_state_t *s, float *obs)
{
    (void) e;

    for (int i = 0; i < 4; i++) {
        obs[i] = (float) s->x[i];
    }
}


const maas_rl_env_row_t  maas_rl_cart_pole = {
    .name = "cart_pole",
    .about = "a pole that is to be kept upright: 1 a step until it falls",
    .param = cart_params,
    .n_param = maas_nelts(cart_params),
    .param_size = sizeof(cart_param_t),
    .setup = cart_setup,
    .reset = cart_reset,
    .step = cart_step,
    .observe = cart_observe
};
