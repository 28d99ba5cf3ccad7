/*
 * knear_v2: products with a few vectors, built for this level: the plain
 * loops of kernels/ref/near_body.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <string.h>

#include "kernels/knear.h"


#define MAAS_ISA  v2

#include "kernels/ref/near_body.h"
