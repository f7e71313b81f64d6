/* Angles of huge numbers: what whole quarter turns leave of them, after Payne and Hanek, Radian Reduction for
   Trigonometric Functions, 1983. Of the product of a number with 2/π just the bits around the point are made: those far
   above it are whole turns. */

#include "compiler.h"

#include <string.h>

/* The bits of 2/π below the point, after a word of zeros. */
static const uint32_t two_over_pi[] = {
    0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
    0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484, 0xe99c7026,
    0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f,
    0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1,
    0x1f8d5d08, 0x56033046, 0xfc7b6bab,
};

enum { WORDS = 6, LAST = 32 * (WORDS - 1) }; /* of 32 bits, of a product */

/* The lowest bits of the product of a mantissa and the bits of 2/π from one on; the least significant word first. */
static void multiply(uint32_t *product, uint64_t mantissa, int bit)
{
    memset(product, 0, WORDS * sizeof *product);
    for (int j = 0; j < 2; j++) {
        uint64_t factor = mantissa >> 32 * j & 0xffffffff, carry = 0;
        for (int k = 0; j + k < WORDS; k++) {
            int at = bit + LAST - 32 * k;
            uint64_t both = (uint64_t)two_over_pi[at / 32] << 32 | two_over_pi[at / 32 + 1];
            uint64_t sum = (both << at % 32 >> 32) * factor + product[j + k] + carry;
            product[j + k] = (uint32_t)sum;
            carry = sum >> 32;
        }
    }
}

static void shift_left(uint64_t *words, int count)
{
    words[0] = words[0] << count | words[1] >> (64 - count);
    words[1] = words[1] << count | words[2] >> (64 - count);
    words[2] <<= count;
}

/* x minus the nearest multiple of π/2, as a sum, and which multiple it is, modulo 4; for |x| >= 2^30. */
double huge_angle(double x, double *tail, uint64_t *turns)
{
    uint64_t word, words[3];
    uint32_t product[WORDS];
    memcpy(&word, &x, sizeof word);
    int exponent = (int)(word >> 52 & 2047), zeros = 0;
    if (exponent == 2047) /* infinite, or nan */
        return x - x;
    /* The mantissa is whole, times 2^(exponent - 1075), and so the first bit that counts gives multiples of 2. */
    multiply(product, (word & 0x000fffffffffffff) | 0x0010000000000000, exponent - 1075 - 2 + 32);
    for (int k = 0; k < 3; k++)
        words[k] = (uint64_t)product[5 - 2 * k] << 32 | product[4 - 2 * k];
    int is_short = (int)(words[0] >> 61 & 1); /* of the nearest multiple, by what all bits but two leave to it */
    *turns = (words[0] >> 62) + (uint64_t)is_short;
    *turns = x < 0.0 ? 0 - *turns : *turns;
    shift_left(words, 2);
    for (int k = 0; k < 3 && is_short; k++)
        words[k] = ~words[k];
    for (; !(words[0] >> 63); zeros++) /* no double is closer than 2^-62 to a multiple */
        shift_left(words, 1);
    double scale = ldexp(is_short != (x < 0.0) ? -1.0 : 1.0, -53 - zeros), high = scale * (double)(words[0] >> 11);
    double low = scale * 0x1p-53 * (double)((words[0] & 2047) << 42 | words[1] >> 22);
    double y = high * 0x1.921fb54442d18p+0; /* π/2, and its tail */
    double rest = fma(high, 0x1.921fb54442d18p+0, -y) + (high * 0x1.1a62633145c07p-54 + low * 0x1.921fb54442d18p+0);
    *tail = rest - ((y + rest) - y);
    return y + rest;
}
