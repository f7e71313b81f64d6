/* The interpreter of nests for AVX2. */

#if defined(__GNUC__) && defined(__x86_64__)

#include "compiler.h"

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define MACHINE avx2
#define W 4
#include "machine.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif
