/* The interpreter of nests for any processor: with vectors of two numbers where the compiler has them. */

#include "compiler.h"

#define MACHINE baseline
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define W 2
#else
#define W 1
#endif
#include "machine.h"
