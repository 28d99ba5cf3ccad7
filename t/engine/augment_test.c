/*
 * augment: changed images are what the formulas say, the same for the same
 * seed, epoch and row.
 */

#include <math.h>
#include <stdlib.h>

#include "engine/tap.h"
#include "train/augment.h"


enum { H = 5, W = 7, C = 3, IMAGE = H * W * C };


static void
test_flips(void)
{
    int                   bad = 0, v;
    float                 planar[IMAGE], moved[IMAGE];
    uint8_t               in[IMAGE], out[IMAGE], back[IMAGE];
    maas_augment_t        a = { .flip_horizontal = 1 };
    maas_augment_image_t  im = { MAAS_U8, false, H, W, C, 0 };

    for (int i = 0; i < IMAGE; i++) {
        in[i] = (uint8_t) (i * 37 % 251);
    }

    for (int i = 0; i < IMAGE; i++) {
        planar[i] = in[i % (H * W) * C + i / (H * W)];
    }

    maas_augment_apply(&a, &im, 1, 2, 3, in, out, NULL);

    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W * C; x++) {
            v = in[(y * W + W - 1 - x / C) * C + x % C];
            bad += out[y * W * C + x] != v;
        }
    }

    ok(bad == 0, "a flip");
    a.flip_vertical = 1;
    maas_augment_apply(&a, &im, 1, 2, 3, in, out, NULL);
    maas_augment_apply(&a, &im, 1, 2, 3, out, back, NULL);
    ok(memcmp(in, back, IMAGE) == 0, "two flips, twice, are none");

    im.dtype = MAAS_F32;
    im.planar = true;
    im.range = 255;
    maas_augment_apply(&a, &im, 1, 2, 3, planar, moved, NULL);
    bad = 0;

    for (int i = 0; i < IMAGE; i++) {
        bad += moved[i] != out[i % (H * W) * C + i / (H * W)];
    }

    ok(bad == 0, "floats in planes are flipped alike");

    a = (maas_augment_t) { 0 };
    ok(maas_augment_none(&a), "nothing is to be done");
    im = (maas_augment_image_t) { MAAS_U8, false, H, W, C, 0 };
    maas_augment_apply(&a, &im, 1, 2, 3, in, out, NULL);
    ok(memcmp(in, out, IMAGE) == 0, "and nothing is done");
}


/* Where is the one white pixel? */
static int
white(const uint8_t *p)
{
    for (int i = 0; i < H * W; i++) {
        if (p[i * C] == 255) {
            return i;
        }
    }

    return -1;
}


static void
test_moves(void)
{
    int                   at, bad = 0, seen[5][5] = { { 0 } }, n = 0;
    double                sum = 0, sq = 0;
    uint8_t               in[IMAGE] = { 0 }, out[IMAGE], tmp[IMAGE];
    maas_augment_t        a = { .crop = 2 };
    maas_augment_image_t  im = { MAAS_U8, false, H, W, C, 0 };

    memset(in + (2 * W + 3) * C, 255, C);

    for (uint64_t row = 0; row < 2000; row++) {
        maas_augment_apply(&a, &im, 1, 0, row, in, out, NULL);
        at = white(out);

        if (at < 0 || abs(at / W - 2) > 2 || abs(at % W - 3) > 2) {
            bad++;
            continue;
        }

        seen[at / W][at % W - 1]++;
    }

    for (int i = 0; i < 25; i++) {
        n += seen[i / 5][i % 5] > 40 && seen[i / 5][i % 5] < 130;
    }

    ok(bad == 0 && n == 25, "crops: every place, about as often");

    a = (maas_augment_t) { .rotate = 180 };
    n = 0;

    for (uint64_t row = 0; row < 50; row++) {
        maas_augment_apply(&a, &im, 1, 0, row, in, out, tmp);
        n += out[(2 * W + 3) * C] >= 254;
    }

    is_int(n, 50, "the middle stays where it is, however it is turned");

    a = (maas_augment_t) { .noise = 0.1, .brightness = 0.5 };
    memset(in, 100, IMAGE);
    n = 0;

    for (uint64_t row = 0; row < 400; row++) {
        maas_augment_apply(&a, &im, 1, 0, row, in, out, NULL);

        for (int i = 0; i < IMAGE; i++) {
            sum += out[i];
            sq += (double) out[i] * out[i];
            n++;
        }
    }

    sum /= n;
    sq = sqrt(sq / n - sum * sum);
    ok(fabs(sum - 100) < 4, "brightness and noise: the mean stays, %g", sum);
    ok(fabs(sq - sqrt(25.5 * 25.5 + 50. * 50 / 3)) < 3,
       "the deviation is that of both, %g", sq);
}


static void
test_same(void)
{
    int                   other = 0;
    uint8_t               in[IMAGE], out[IMAGE], more[IMAGE], tmp[IMAGE];
    maas_augment_t        a = { 0.5, 0.5, 30, 1, 0.2, 0.05, 0.3 };
    maas_augment_image_t  im = { MAAS_U8, false, H, W, C, 0 };

    for (int i = 0; i < IMAGE; i++) {
        in[i] = (uint8_t) (i * 91 % 255);
    }

    maas_augment_apply(&a, &im, 1, 2, 3, in, out, tmp);
    maas_augment_apply(&a, &im, 1, 2, 3, in, more, tmp);
    ok(memcmp(out, more, IMAGE) == 0, "the same seed, epoch and row");
    maas_augment_apply(&a, &im, 2, 2, 3, in, more, tmp);
    other += memcmp(out, more, IMAGE) != 0;
    maas_augment_apply(&a, &im, 1, 3, 3, in, more, tmp);
    other += memcmp(out, more, IMAGE) != 0;
    maas_augment_apply(&a, &im, 1, 2, 4, in, more, tmp);
    other += memcmp(out, more, IMAGE) != 0;
    is_int(other, 3, "another of each gives another image");
}


int
main(void)
{
    test_flips();
    test_moves();
    test_same();

    return done();
}
