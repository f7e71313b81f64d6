/* Operations one by one, for what machines do not have in registers: with the bits of `floats`, which are those of
   Python's own functions. */

#include "compiler.h"

#include <stdlib.h>
#include <string.h>

/* --- lengths, as `math.hypot` takes them: the same bits --- */

typedef struct { /* of squares, above 1.0, and what rounding has taken off */
    double total, products, sums;
} Squares;

/* x² or, negated, what is to be taken away; exact, after Dekker, A Floating-Point Technique for Extending the Available
   Precision, 1971. */
static void add_product(Squares *squares, double x, double y)
{
    double high = x * y, sum = squares->total + high;
    squares->products += fma(x, y, -high);
    squares->sums += high - (sum - squares->total);
    squares->total = sum;
}

/* The root of the squares of numbers divided by a scale; the root is corrected once by what its square leaves. */
static double norm_of(const Operands *x, int64_t count, double largest, double unit)
{
    int exponent;
    frexp(largest / unit, &exponent);
    if (exponent < -1023) /* 2^-exponent would overflow */
        return DBL_MIN * norm_of(x, count, largest, unit * DBL_MIN);
    double scale = ldexp(1.0, -exponent);
    Squares squares = {1.0, 0.0, 0.0};
    for (int64_t k = 0; k < count; k++) {
        double y = operand(x, k) / unit * scale;
        add_product(&squares, y, y);
    }
    double length = sqrt(squares.total - 1.0 + (squares.products + squares.sums));
    add_product(&squares, -length, length);
    length += (squares.total - 1.0 + (squares.products + squares.sums)) / (2.0 * length);
    return length / scale;
}

static double norm(const Operands *x, int64_t count)
{
    double largest = 0.0;
    int is_broken = 0;
    for (int64_t k = 0; k < count; k++) {
        double y = fabs(operand(x, k));
        is_broken |= y != y;
        largest = y > largest ? y : largest;
    }
    if (is_broken && largest != INFINITY)
        return NAN;
    return count == 1 || largest == 0.0 || largest == INFINITY ? largest : norm_of(x, count, largest, 1.0);
}

static double length_of(double x, double y)
{
    const double both[] = {x, y};
    return norm(&(Operands){.v = both}, 2);
}

/* --- remainders and digits, as Python has them --- */

static double modulo(double x, double y)
{
    double rest = fmod(x, y);
    if (rest == 0.0)
        return copysign(0.0, y);
    return (y < 0.0) != (rest < 0.0) ? rest + y : rest;
}

static double floor_divide(double x, double y)
{
    if (y == 0.0)
        return x / y;
    double rest = fmod(x, y), quotient = (x - rest) / y;
    if (rest != 0.0 && (y < 0.0) != (rest < 0.0))
        quotient -= 1.0;
    if (quotient == 0.0)
        return copysign(0.0, x / y);
    double whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1.0 : whole;
}

/* x in decimal digits, of which printf rounds the exact expansion, halves to even, and read again. */
static double rounded(double x, double digits)
{
    char text[800];
    if (x - x != 0.0)
        return x;
    if (digits - digits != 0.0)
        return NAN;
    digits = trunc(digits);
    if (digits == 0.0)
        return copysign(rint(x), x);
    if (digits > 323.0) /* it has no more */
        return x;
    if (digits > 0.0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, x);
        return copysign(strtod(text, NULL), x);
    }
    snprintf(text, sizeof text, "%.320e", fabs(x)); /* all digits */
    char *end = strchr(text, 'e');
    int place = digits < -400.0 ? 400 : -(int)digits, kept = atoi(end + 1) - place;
    if (kept >= 0)
        snprintf(text, sizeof text, "%.*e", kept, x);
    else if (kept == -1 && (text[0] > '5' || (text[0] == '5' && text + 1 + strcspn(text + 1, "123456789") < end)))
        snprintf(text, sizeof text, "1e%d", place);
    else
        return copysign(0.0, x);
    return copysign(strtod(text, NULL), x);
}

static double divided(double x, double length) { return length != 0.0 ? x / length : 0.0; }

/* --- any number of operands --- */

static double product(const Operands *x, int64_t count)
{
    double total = operand(x, 0);
    for (int64_t k = 1; k < count; k++)
        total *= operand(x, k);
    return total;
}

static double sum(const Operands *x, int64_t count)
{
    double total = operand(x, 0);
    for (int64_t k = 1; k < count; k++)
        total += operand(x, k);
    return total;
}

static double dot(const Operands *x, int64_t half)
{
    double total = -0.0;
    for (int64_t k = 0; k < half; k++)
        total = fma(operand(x, k), operand(x, half + k), total);
    return total;
}

static double products(const Operands *x, int64_t count)
{
    double total = operand(x, 0);
    for (int64_t k = 1; k + 1 < count; k += 2)
        total = fma(operand(x, k), operand(x, k + 1), total);
    return total;
}

static double strong_products(const Operands *x, int64_t count)
{
    double total = operand(x, 0);
    for (int64_t k = 1; k + 1 < count; k += 2) {
        double y = operand(x, k), z = operand(x, k + 1);
        if (y == 1.0)
            total += z;
        else if (y != 0.0 || !signbit(y))
            total = fma(y, z, total) + 0.0;
    }
    return total;
}

/* --- all of them --- */

#define ONE_BY_ONE(X)                                                                                                  \
    X(pow, pow(x, y)) X(mod, modulo(x, y)) X(floordiv, floor_divide(x, y)) X(floor, floor(x)) X(ceil, ceil(x))         \
    X(round, rounded(x, y)) X(exp2, exp2(x)) X(log2, log2(x)) X(log10, log10(x)) X(cbrt, cbrt(x)) X(tan, tan(x))       \
    X(arcsin, asin(x)) X(arccos, acos(x)) X(arctan, atan(x)) X(arctan2, atan2(x, y)) X(hypot, length_of(x, y))         \
    X(arcsin_slope, 1.0 / sqrt((1.0 - x) * (1.0 + x))) X(cosine, divided(x, length_of(x, y))) X(sinh, sinh(x))         \
    X(cosh, cosh(x)) X(arcsinh, asinh(x)) X(arccosh, acosh(x)) X(arctanh, atanh(x)) X(sech, sech(x)) X(erf, erf(x))    \
    X(erfc, erfc(x)) X(elu, x > 0.0 ? x : y * expm1(x)) X(gelu, gelu(x)) X(prod, product(all, count))                  \
    X(sum, sum(all, count)) X(mean, sum(all, count) / (double)count) X(dot, dot(all, count / 2))                       \
    X(norm, norm(all, count)) X(products, products(all, count)) X(strong_products, strong_products(all, count))

double one_by_one(int operation, const Operands *all, int64_t count)
{
    double x = operand(all, 0), y = operand(all, count > 1);
    switch (operation) {
#define CASE(name, value)                                                                                              \
    case OP_##name:                                                                                                    \
        return value;
        ONE_BY_ONE(CASE)
    }
    return NAN;
}

/* --- angles of huge numbers --- */

/* The bits of 2/π below the point, after a word of zeros. */
static const uint32_t two_over_pi[] = {
    0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
    0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484, 0xe99c7026,
    0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f,
    0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1,
    0x1f8d5d08, 0x56033046, 0xfc7b6bab,
};

enum { TERMS = 6 }; /* words of a product */

/* x minus the nearest multiple of π/2, and which one, modulo 4, for |x| >= 2^30: of the product of x and 2/π just the
   words that count (Payne and Hanek, Radian Reduction for Trigonometric Functions, 1983). */
double huge_angle(double x, double *tail, uint64_t *turns)
{
    uint64_t word, carry = 0, product[TERMS] = {0}; /* the most significant word last */
    memcpy(&word, &x, sizeof word);
    int exponent = (int)(word >> 52 & 2047);
    if (exponent == 2047)
        return x - x;
    int at = exponent - 1075 - 2 + 32; /* the first bit that counts: it stands for 2, in quarter turns */
    uint64_t factor[2] = {word & 0xffffffff, (word >> 32 & 0xfffff) | 0x100000};
    for (int i = 0; i < TERMS; i++) { /* words of 32 bits of 2/π from that bit on, the least significant first */
        int from = at + 32 * (TERMS - 1 - i);
        uint64_t both = (uint64_t)two_over_pi[from / 32] << 32 | two_over_pi[from / 32 + 1];
        uint64_t digit = both << from % 32 >> 32;
        for (int j = 0; j < 2 && i + j < TERMS; j++) {
            uint64_t low = digit * factor[j];
            for (int k = i + j; k < TERMS; k++, low = (low >> 32) + carry) {
                uint64_t sum = product[k] + (low & 0xffffffff);
                product[k] = sum & 0xffffffff, carry = sum >> 32;
            }
        }
    }
    uint64_t top = product[5] << 32 | product[4], middle = product[3] << 32 | product[2];
    uint64_t bottom = product[1] << 32 | product[0];
    *turns = (top >> 62) + (top >> 61 & 1);
    int is_below = (int)(top >> 61 & 1);
    top = top << 2 | middle >> 62, middle = middle << 2 | bottom >> 62, bottom <<= 2;
    if (is_below) /* short of the nearest multiple */
        bottom = ~bottom, middle = ~middle, top = ~top;
    int zeros = 0;
    for (; !(top >> 63) && zeros < 120; zeros++)
        top = top << 1 | middle >> 63, middle = middle << 1 | bottom >> 63, bottom <<= 1;
    double scale = ldexp((is_below != (x < 0.0)) ? -1.0 : 1.0, -53 - zeros);
    double high = scale * (double)(top >> 11), low = scale * 0x1p-53 * (double)((top & 2047) << 42 | middle >> 22);
    if (x < 0.0)
        *turns = 0 - *turns;
    double pi_high = 0x1.921fb54442d18p+0, y = high * pi_high;
    double rest = fma(high, pi_high, -y) + (high * 0x1.1a62633145c07p-54 + low * pi_high), sum = y + rest;
    *tail = rest - (sum - y);
    return sum;
}
