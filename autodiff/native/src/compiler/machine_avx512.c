/* The interpreter of nests for AVX-512. */

#if defined(__GNUC__) && defined(__x86_64__)

#include "compiler.h"

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"))),            \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
#endif

#define MACHINE avx512
#define W 8
#include "machine.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif
