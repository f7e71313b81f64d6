/* Registers: V of W doubles, I of W unsigned words of 64 bits, which wrap around, M of W truths. W is 8 (AVX-512),
   4 (AVX2 and FMA), 2 (what every processor of its kind has, through the vectors of gcc and clang), or 1: plain C.

   Registers wider than a machine's own are never written: compilers take them apart badly. What holds for all widths
   alike: + - * / and unary - on V; + - & | ^ ~ << >> on I; & | ~ on M. All else is a function below. */

#ifndef W
#error "W, the number of doubles in a register, is to be defined before"
#endif

#if W > 1
#define INLINED static inline __attribute__((always_inline, unused))
#define RARELY(truth) __builtin_expect(truth, 0)
typedef double V __attribute__((vector_size(8 * W)));
typedef uint64_t I __attribute__((vector_size(8 * W)));
typedef double Unaligned __attribute__((vector_size(8 * W), aligned(8), may_alias));
#else
#define INLINED static inline
#define RARELY(truth) (truth)
typedef double V;
typedef uint64_t I;
#endif

#if W == 8
#include <immintrin.h>
typedef __mmask8 M;
#define MASK_OF(x, relation, y, predicate) _mm512_cmp_pd_mask((__m512d)(x), (__m512d)(y), predicate)
#elif W == 4
#include <immintrin.h>
typedef I M;
#define MASK_OF(x, relation, y, predicate) (M) _mm256_cmp_pd((__m256d)(x), (__m256d)(y), predicate)
#elif W == 2
typedef I M;
#define MASK_OF(x, relation, y, predicate) (M)((x) relation(y))
#if defined(__aarch64__)
#include <arm_neon.h>
#endif
#else
typedef I M; /* all bits, or none */
#define MASK_OF(x, relation, y, predicate) ((x) relation(y) ? ~UINT64_C(0) : 0)
#endif

/* Of a nan all are false but not_equal. The predicates are names of immintrin.h, and read with it alone. */
INLINED M less(V x, V y) { return MASK_OF(x, <, y, _CMP_LT_OQ); }
INLINED M less_equal(V x, V y) { return MASK_OF(x, <=, y, _CMP_LE_OQ); }
INLINED M equal(V x, V y) { return MASK_OF(x, ==, y, _CMP_EQ_OQ); }
INLINED M not_equal(V x, V y) { return MASK_OF(x, !=, y, _CMP_NEQ_UQ); }
INLINED M is_nan(V x) { return not_equal(x, x); }

/* --- W of them, for all functions of one register --- */

#if W == 1
INLINED V splat(double x) { return x; }
INLINED I words(uint64_t x) { return x; }
INLINED V load(const double *from) { return *from; }
INLINED void store(double *to, V x) { *to = x; }
INLINED double first_of(V x) { return x; }
INLINED I bits(V x)
{
    I word;
    memcpy(&word, &x, sizeof word);
    return word;
}
INLINED V number(I word)
{
    V x;
    memcpy(&x, &word, sizeof x);
    return x;
}
#else
INLINED V splat(double x) { return x - (V){0}; } /* x - 0.0 is x, -0.0 too */
INLINED I words(uint64_t x) { return x - (I){0}; }
INLINED V load(const double *from) { return *(const Unaligned *)from; }
INLINED void store(double *to, V x) { *(Unaligned *)to = x; }
INLINED double first_of(V x) { return x[0]; }
INLINED I bits(V x) { return (I)x; }
INLINED V number(I word) { return (V)word; }
#endif

/* --- what instruction sets have in different ways: choose takes x where the mask is true --- */

#if W == 8
INLINED M first(int64_t n) { return (M)(n >= W ? 255 : (1 << n) - 1); }
INLINED V load_some(const double *from, int64_t n) { return (V)_mm512_maskz_loadu_pd(first(n), from); }
INLINED void store_some(double *to, V x, int64_t n) { _mm512_mask_storeu_pd(to, first(n), (__m512d)x); }
INLINED V choose(M mask, V x, V y) { return (V)_mm512_mask_blend_pd(mask, (__m512d)y, (__m512d)x); }
INLINED M same(I x, I y) { return _mm512_cmpeq_epi64_mask((__m512i)x, (__m512i)y); }
INLINED int all(M mask) { return mask == 255; }
INLINED V root(V x) { return (V)_mm512_sqrt_pd((__m512d)x); }
INLINED V fused(V x, V y, V z) { return (V)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)z); }
#elif W == 4
INLINED __m256i first(int64_t n)
{
    static const int64_t masks[2 * W] = {-1, -1, -1, -1, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(masks + W - (n < W ? n : W)));
}
INLINED V load_some(const double *from, int64_t n) { return (V)_mm256_maskload_pd(from, first(n)); }
INLINED void store_some(double *to, V x, int64_t n) { _mm256_maskstore_pd(to, first(n), (__m256d)x); }
INLINED V choose(M mask, V x, V y) { return (V)_mm256_blendv_pd((__m256d)y, (__m256d)x, (__m256d)mask); }
INLINED M same(I x, I y) { return (M)(x == y); }
INLINED int all(M mask) { return _mm256_movemask_pd((__m256d)mask) == 15; }
INLINED V root(V x) { return (V)_mm256_sqrt_pd((__m256d)x); }
INLINED V fused(V x, V y, V z) { return (V)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)z); }
#elif W == 2
INLINED V load_some(const double *from, int64_t n) { return n >= W ? load(from) : (V){n > 0 ? *from : 0.0, 0.0}; }
INLINED void store_some(double *to, V x, int64_t n)
{
    if (n >= W)
        store(to, x);
    else if (n > 0)
        *to = x[0];
}
INLINED V choose(M mask, V x, V y) { return number((mask & bits(x)) | (~mask & bits(y))); }
INLINED M same(I x, I y) { return (M)(x == y); }
INLINED int all(M mask) { return (mask[0] & mask[1]) != 0; }
INLINED V root(V x) { return (V){sqrt(x[0]), sqrt(x[1])}; }
#ifdef __aarch64__
INLINED V fused(V x, V y, V z) { return (V)vfmaq_f64((float64x2_t)z, (float64x2_t)x, (float64x2_t)y); }
#else
INLINED V fused(V x, V y, V z) { return (V){fma(x[0], y[0], z[0]), fma(x[1], y[1], z[1])}; }
#endif
#else
INLINED V load_some(const double *from, int64_t n) { return n > 0 ? *from : 0.0; }
INLINED void store_some(double *to, V x, int64_t n)
{
    if (n > 0)
        *to = x;
}
INLINED V choose(M mask, V x, V y) { return mask ? x : y; }
INLINED M same(I x, I y) { return x == y ? ~UINT64_C(0) : 0; }
INLINED int all(M mask) { return mask != 0; }
INLINED V root(V x) { return sqrt(x); }
INLINED V fused(V x, V y, V z) { return fma(x, y, z); }
#endif

/* --- what follows from those --- */

/* The first n, at most W, of numbers that lie so many apart, and beyond them the first again. Not by way of memory: a
   register would have to wait for W small stores. */
INLINED V load_apart(const double *from, int64_t step, int64_t n)
{
#define AT(k) from[k < n ? k * step : 0]
#if W == 8
    return (V){AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6), AT(7)};
#elif W == 4
    return (V){AT(0), AT(1), AT(2), AT(3)};
#elif W == 2
    return (V){AT(0), AT(1)};
#else
    return AT(0);
#endif
#undef AT
}

INLINED V load_any(const double *from, int64_t step, int64_t n)
{
    if (step == 1)
        return n >= W ? load(from) : load_some(from, n);
    return step == 0 ? splat(*from) : load_apart(from, step, n);
}

INLINED V magnitude(V x) { return number(bits(x) & words(INT64_MAX)); }
INLINED V with_sign_of(V x, V sign) { return number(bits(x) | (bits(sign) & words(UINT64_C(1) << 63))); }
INLINED M is_minus_zero(V x) { return same(bits(x), words(UINT64_C(1) << 63)); }
INLINED V truth(M mask) { return choose(mask, splat(1.0), splat(0.0)); }
