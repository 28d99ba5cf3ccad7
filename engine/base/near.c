/*
 * near.c: of the words that are known, which one was meant?  A typing error
 * is one byte too many, missing, wrong, or two in the wrong order; upper and
 * lower case count as the same.
 *
 * Ownership: words belong to the caller, who keeps them until the text is
 *            made.
 * Threads:   reentrant.
 */

#include <stdio.h>

#include "base/base.h"


#define NEAR_LEN  64            /* longer words are never near */


static char
near_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}


/* Optimal string alignment, three rows at a time. */
static unsigned
near_distance(maas_str_t a, maas_str_t b)
{
    char      x, y;
    unsigned  row[3][NEAR_LEN + 1], *two = row[0], *one = row[1];
    unsigned  *now = row[2], *t, v;

    for (size_t k = 0; k <= b.len; k++) {
        one[k] = (unsigned) k;
        two[k] = 0;
    }

    for (size_t i = 1; i <= a.len; i++) {
        now[0] = (unsigned) i;
        x = near_lower(a.data[i - 1]);

        for (size_t k = 1; k <= b.len; k++) {
            y = near_lower(b.data[k - 1]);
            v = one[k - 1] + (x != y);
            v = maas_min(v, one[k] + 1);
            v = maas_min(v, now[k - 1] + 1);

            if (i > 1 && k > 1 && x == near_lower(b.data[k - 2])
                && near_lower(a.data[i - 2]) == y)
            {
                v = maas_min(v, two[k - 2] + 1);
            }

            now[k] = v;
        }

        t = two;
        two = one;
        one = now;
        now = t;
    }

    return one[b.len];
}


void
maas_near(maas_near_t *n, maas_str_t known)
{
    size_t    longer = maas_max(n->word.len, known.len);
    unsigned  cost;

    if (n->word.len == 0 || known.len == 0 || longer > NEAR_LEN) {
        return;
    }

    cost = near_distance(n->word, known);

    /* A third of the word may be wrong; of a short one, its case. */
    if (cost <= longer / 3 && (n->best.data == NULL || cost < n->cost)) {
        n->best = known;
        n->cost = cost;
    }
}


const char *
maas_near_text(const maas_near_t *n, char text[MAAS_NEAR_TEXT])
{
    text[0] = '\0';

    if (n->best.data != NULL) {
        snprintf(text, MAAS_NEAR_TEXT, "; did you mean \"%.*s\"?",
                 (int) n->best.len, n->best.data);
    }

    return text;
}
