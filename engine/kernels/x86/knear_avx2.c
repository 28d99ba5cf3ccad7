/*
 * knear_avx2: products with a few vectors, built for this level: the plain
 * loops of kernels/ref/near_body.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <string.h>

#include "kernels/knear.h"


#define MAAS_ISA  avx2

#include "kernels/ref/near_body.h"
