/* Kernels: rows of the table once more, with the bits that `floats` and the rules give, and the same structural zeros.

   A NaN need only be a NaN. What Python computes by a way of its own, as hypot, has no kernel; nor has a rule in which
   it matters whether an operand is a constant. */

#include "core.h"

#include <string.h>

/* --- sums --- */

/* A sum as Python's own takes it, from left to right: from Python 3.12 on it keeps what rounding takes off, after
   Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, 1974. */
typedef struct {
    double total, lost;
} Sum;

static const Sum nothing_yet = {-0.0, 0.0}; /* -0.0 changes no number that is added to it */

static inline void add_to(Sum *sum, double x)
{
    double before = sum->total;
    sum->total += x;
#if PY_VERSION_HEX >= 0x030c0000
    if (fabs(before) >= fabs(x))
        sum->lost += (before - sum->total) + x;
    else
        sum->lost += (x - sum->total) + before;
#else
    (void)before;
#endif
}

static inline double total_of(const Sum *sum)
{
    return sum->lost != 0.0 && isfinite(sum->lost) ? sum->total + sum->lost : sum->total;
}

/* --- what rows are written with --- */

static double none(uint8_t *nothing)
{
    *nothing = 1;
    return 0.0;
}

static double nan_or_none(double x, uint8_t *nothing) { return x == x ? none(nothing) : x; }
static double chosen(int is_chosen, double x, uint8_t *nothing) { return is_chosen ? 1.0 : nan_or_none(x, nothing); }

static double taken(int is_beyond, int is_tied, double x, uint8_t *nothing)
{
    return is_tied ? 0.5 : chosen(is_beyond, x, nothing);
}

static double squared(double x) { return x * x; }
static double larger(double x, double y) { return x >= y || x != x ? x : y; }
static double smaller(double x, double y) { return x <= y || x != x ? x : y; }
static double sign_of(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x == 0.0 ? 0.0 : x; }

double sech(double x)
{
    double e = exp(-fabs(x));
    return 2.0 * e / (1.0 + e * e);
}

static double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}

double gelu(double x) { return x * (0.5 * erfc(-x * sqrt(0.5))); }

static double sigmoid_slope(double x) { return squared(0.5 * sech(0.5 * x)); }

static double gelu_slope(double x)
{
    double y = x * x > 1600.0 ? 40.0 : x;
    return 0.5 * erfc(-x * sqrt(0.5)) + y * exp(-0.5 * y * y) / sqrt(2.0 * Py_MATH_PI);
}

/* --- functions of lists --- */

/* The first of the largest, once all have this sign; the first nan, if there is one. */
static double extreme(double sign, const double *x, Py_ssize_t count)
{
    double most = x[0];
    for (Py_ssize_t i = 0; i < count; i++) {
        if (x[i] != x[i])
            return x[i];
        most = sign * x[i] > sign * most ? x[i] : most;
    }
    return most;
}

static double max_value(const double *x, Py_ssize_t count) { return extreme(1.0, x, count); }
static double min_value(const double *x, Py_ssize_t count) { return extreme(-1.0, x, count); }

static void extreme_slopes(double out, const double *x, Py_ssize_t count, double *slopes, uint8_t *nothing)
{
    double tied = 0.0;
    for (Py_ssize_t i = 0; i < count; i++)
        tied += x[i] == out;
    for (Py_ssize_t i = 0; i < count; i++)
        slopes[i] = x[i] == out ? 1.0 / tied : nan_or_none(x[i], &nothing[i]);
}

static double logsumexp_value(const double *x, Py_ssize_t count)
{
    double most = extreme(1.0, x, count);
    if (most - most != 0.0)
        return most;
    Sum rest = {0.0, 0.0};
    for (Py_ssize_t i = 0, is_left_out = 0; i < count; i++)
        if (!is_left_out && x[i] == most)
            is_left_out = 1;
        else
            add_to(&rest, exp(x[i] - most));
    return most + log1p(total_of(&rest));
}

static void logsumexp_slopes(double out, const double *x, Py_ssize_t count, double *slopes, uint8_t *nothing)
{
    double most = extreme(1.0, x, count);
    Sum sum = nothing_yet;
    for (Py_ssize_t i = 0; i < count; i++) {
        slopes[i] = exp(x[i] - most);
        add_to(&sum, slopes[i]);
    }
    double total = total_of(&sum);
    for (Py_ssize_t i = 0; i < count; i++)
        slopes[i] = most == -Py_HUGE_VAL ? none(&nothing[i]) : slopes[i] / total;
}

static double sum_value(const double *x, Py_ssize_t count)
{
    Sum sum = nothing_yet;
    for (Py_ssize_t i = 0; i < count; i++)
        add_to(&sum, x[i]);
    return total_of(&sum);
}

static void sum_slopes(double out, const double *x, Py_ssize_t count, double *slopes, uint8_t *nothing)
{
    for (Py_ssize_t i = 0; i < count; i++)
        slopes[i] = 1.0;
}

static double mean_value(const double *x, Py_ssize_t count) { return sum_value(x, count) / (double)count; }

static void mean_slopes(double out, const double *x, Py_ssize_t count, double *slopes, uint8_t *nothing)
{
    for (Py_ssize_t i = 0; i < count; i++)
        slopes[i] = 1.0 / (double)count;
}

static double dot_value(const double *x, Py_ssize_t count)
{
    Sum sum = nothing_yet;
    for (Py_ssize_t i = 0, half = count / 2; i < half; i++)
        add_to(&sum, x[i] * x[half + i]);
    return total_of(&sum);
}

/* Each factor is the local gradient of the other. */
static void dot_slopes(double out, const double *x, Py_ssize_t count, double *slopes, uint8_t *nothing)
{
    for (Py_ssize_t i = 0, half = count / 2; i < half; i++) {
        double factor = x[i];
        slopes[i] = x[half + i];
        slopes[half + i] = factor;
    }
}

/* --- functions of one, two or three numbers: the value, the slopes --- */

#define ROW(name, value, ...)                                                                                          \
    static double name##_value(const double *at, Py_ssize_t count) { return value; }                                   \
    static void name##_slopes(double out, const double *at, Py_ssize_t count, double *slopes, uint8_t *nothing)        \
    {                                                                                                                  \
        const double given[] = {__VA_ARGS__};                                                                          \
        memcpy(slopes, given, sizeof given);                                                                           \
    }
#define x at[0]
#define y at[1]
#define z at[2]

ROW(neg, -x, -1.0)
ROW(abs, fabs(x), x == 0.0 ? none(nothing) : sign_of(x))
ROW(sign, sign_of(x), none(nothing))
ROW(square, x * x, 2.0 * x)
ROW(reciprocal, 1.0 / x, -out * out)
ROW(sqrt, sqrt(x), 0.5 / out)
ROW(exp, exp(x), out)
ROW(expm1, expm1(x), exp(x))
ROW(log, logarithm(x), 1.0 / x)
ROW(log1p, log1p(x), 1.0 / (1.0 + x))
ROW(sin, sin(x), cos(x))
ROW(cos, cos(x), -sin(x))
ROW(tan, tan(x), 1.0 + out * out)
ROW(sinh, sinh(x), cosh(x))
ROW(cosh, cosh(x), sinh(x))
ROW(tanh, tanh(x), squared(sech(x)))
ROW(sigmoid, sigmoid(x), sigmoid_slope(x))
ROW(softplus, larger(x, 0.0) + log1p(exp(-fabs(x))), sigmoid(x))
ROW(relu, larger(x, 0.0), chosen(x > 0.0, x, nothing))
ROW(silu, x * sigmoid(x), sigmoid(x) + x * sigmoid_slope(x))
ROW(gelu, gelu(x), gelu_slope(x))
ROW(erf, erf(x), 2.0 / sqrt(Py_MATH_PI) * exp(x * x > 900.0 ? -900.0 : -x * x))

ROW(maximum, larger(x, y), taken(x > y, x == y, x, nothing), taken(y > x, x == y, y, nothing + 1))
ROW(minimum, smaller(x, y), taken(x < y, x == y, x, nothing), taken(y < x, x == y, y, nothing + 1))
ROW(softmax, exp(x - y), out, -out)
ROW(log_softmax, x - y, 1.0, -1.0)
ROW(where, x != 0.0 ? y : z, none(nothing), x != 0.0 ? 1.0 : none(nothing + 1), x != 0.0 ? none(nothing + 2) : 1.0)
ROW(clip, smaller(larger(x, y), z), chosen(x >= y && x <= z, x, nothing), chosen(x < y && y <= z, y, nothing + 1),
    chosen(x > z || y > z, z, nothing + 2))

/* --- all of them, by name --- */

#define OF(count, name) {#name, count, name##_value, name##_slopes}

const Kernel kernels[] = {
    OF(1, neg), OF(1, abs), OF(1, sign), OF(1, square), OF(1, reciprocal), OF(1, sqrt), OF(1, exp), OF(1, expm1),
    OF(1, log), OF(1, log1p), OF(1, sin), OF(1, cos), OF(1, tan), OF(1, sinh), OF(1, cosh), OF(1, tanh),
    OF(1, sigmoid), OF(1, softplus), OF(1, relu), OF(1, silu), OF(1, gelu), OF(1, erf), OF(2, maximum),
    OF(2, minimum), OF(2, softmax), OF(2, log_softmax), OF(3, where), OF(3, clip), OF(0, logsumexp), OF(0, sum),
    OF(0, mean), OF(PAIRS, dot),
    {"max", 0, max_value, extreme_slopes}, {"min", 0, min_value, extreme_slopes}, {NULL, 0, NULL, NULL},
};
