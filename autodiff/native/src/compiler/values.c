/* Operations one by one, for what machines do not have in registers: with the bits of `floats`, which are those of
   Python's own functions. */

#include "compiler.h"

#include <stdlib.h>
#include <string.h>

/* --- lengths, step by step as math.hypot takes them (vector_norm, in CPython's mathmodule.c) --- */

typedef struct { /* of squares, above 1.0, and what rounding has taken off */
    double total, products, sums;
} Squares;

/* Add x * y, with nothing lost. */
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

static double products(const Operands *x, int64_t count, int is_strong)
{
    double total = operand(x, 0);
    for (int64_t k = 1; k + 1 < count; k += 2) {
        double y = operand(x, k), z = operand(x, k + 1);
        total = is_strong ? plus_strongly(total, y, z) : fma(y, z, total);
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
    X(norm, norm(all, count)) X(products, products(all, count, 0)) X(strong_products, products(all, count, 1))

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
