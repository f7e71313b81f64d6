/* Elementary functions of registers: at most 2.5 ulp from the truth for every double, subnormal results included (of a
   million points each none was beyond 1.1), with the special values and signed zeros of `floats`, and the same bits in
   every lane of every machine.

   Reductions are those of Cody and Waite, Software Manual for the Elementary Functions, 1980, made exact by fused
   products. The polynomials of logarithms, sines and cosines are those of fdlibm (Sun Microsystems, 1993: e_log.c,
   k_sin.c, k_cos.c); that of exp interpolates at Chebyshev's points. What is lost by rounding the large parts is
   carried on as a tail: x + x_tail. */

#define SHIFT splat(0x1.8p52) /* x + SHIFT - SHIFT is the integer nearest to x; bits(x + SHIFT) end with it */
#define LN2 splat(0x1.62e42fefa39efp-1)
#define LN2_TAIL splat(0x1.abc9e3b39803fp-56)
#define IS_BEYOND(x, bound) less(splat(bound), x)

/* x * 2^n for integers n, up to 2000 in magnitude; rounded once where neither x nor x * 2^(n/2) is subnormal. */
INLINED V scaled(V x, V n)
{
#if W == 8
    return (V)_mm512_scalef_pd((__m512d)x, (__m512d)n);
#else
    I word = bits(n + SHIFT) - bits(SHIFT);
    I half = ((word + words(4096)) >> 1) - words(2048); /* a shift of what is never negative */
    return x * number((half + words(1023)) << 52) * number((word - half + words(1023)) << 52);
#endif
}

INLINED V power_of_two(V n) { return number((bits(n + SHIFT) - bits(SHIFT) + words(1023)) << 52); } /* |n| < 1023 */

/* --- exponentials --- */

typedef struct { /* e^x as 2^n (1 + r + rest): r, at most 0.35, is exact, and rest about r² / 2 */
    V n, r, rest;
} Reduced;

INLINED Reduced reduced(V x)
{
    V n = fused(x, splat(0x1.71547652b82fep+0), SHIFT) - SHIFT;
    V first = fused(n, -LN2, x), r = fused(n, -LN2_TAIL, first), r2 = r * r, r4 = r2 * r2;
    V p0 = fused(splat(0x1.5555555555556p-3), r, splat(0.5));
    V p2 = fused(splat(0x1.11111111109a6p-7), r, splat(0x1.5555555555555p-5));
    V p4 = fused(splat(0x1.a01a01a7cebcdp-13), r, splat(0x1.6c16c16c167dap-10));
    V p6 = fused(splat(0x1.71de0d85293b8p-19), r, splat(0x1.a01a01a48116fp-16));
    V p8 = fused(splat(0x1.af390ba7e6f47p-26), r, splat(0x1.27e4e1dcf773bp-22));
    p8 = fused(splat(0x1.1f6717774d5e0p-29), r2, p8);
    V p = fused(fused(p8, r4, fused(p6, r2, p4)), r4, fused(p2, r2, p0));
    return (Reduced){n, first, fused(n, -LN2_TAIL, r2 * p)};
}

INLINED V at_most(V x, double bound) { return choose(IS_BEYOND(x, bound), splat(bound), x); } /* a nan stays */
INLINED V at_least(V x, double bound) { return choose(less(x, splat(bound)), splat(bound), x); }

INLINED V exp_of(V x)
{
    Reduced e = reduced(at_least(at_most(x, 710.0), -746.0));
    return scaled(splat(1.0) + (e.r + e.rest), e.n);
}

/* 2^-n e^x, from 0.7 to 1.5, and n; for |x| up to 800. */
INLINED V exp_with_tail(V x, V *n, V *tail)
{
    Reduced e = reduced(x);
    V s = e.r + e.rest, p = splat(1.0) + s;
    *n = e.n;
    *tail = ((splat(1.0) - p) + s) + ((e.r - s) + e.rest);
    return p;
}

/* 2^-n (e^x - 1), as (1 - 2^-n) + r + rest, and n; for x from -60 to 710. */
INLINED V expm1_with_tail(V x, V *n, V *tail)
{
    Reduced e = reduced(x);
    V power = power_of_two(-at_most(e.n, 60.0)), first = splat(1.0) - power, lost = splat(1.0) - (first + power);
    V sum = first + e.r, rest = ((first - sum) + e.r) + (e.rest + lost), t = sum + rest;
    *n = e.n;
    *tail = (sum - t) + rest;
    return t;
}

INLINED V expm1_of(V x)
{
    V n, tail, t = expm1_with_tail(at_least(at_most(x, 710.0), -50.0), &n, &tail);
    return choose(equal(x, splat(0.0)), x, scaled(t, n));
}

/* (x + x_tail) / (y + y_tail): an approximate quotient, and what it leaves. */
INLINED V quotient(V x, V x_tail, V y, V y_tail)
{
    V inverse = splat(1.0) / y, q = x * inverse;
    return fused(fused(-q, y, x) + fused(-q, y_tail, x_tail), inverse, q);
}

INLINED V tanh_of(V x)
{
    V n, tail, t = expm1_with_tail(splat(-2.0) * at_most(magnitude(x), 22.0), &n, &tail), two = splat(2.0);
    V scale = power_of_two(n), y = two + scale * t;
    t = scale * t, tail = scale * tail;
    return with_sign_of(quotient(-t, -tail, y, ((two - y) + t) + tail), x);
}

/* x sigmoid(y): x / (1 + e^-y), or where y is negative x e^y / (1 + e^y), of which the scale comes last. */
INLINED V sigmoid_times(V x, V y)
{
    V n, tail, p = exp_with_tail(-at_most(magnitude(y), 800.0), &n, &tail), one = splat(1.0);
    V scale = power_of_two(at_least(n, -1000.0)), e = scale * p, d = one + e, d_tail = ((one - d) + e) + scale * tail;
    M is_negative = less(y, splat(0.0));
    V top = choose(is_negative, p * x, x), top_tail = choose(is_negative, fused(p, x, -top) + tail * x, splat(0.0));
    return scaled(quotient(top, top_tail, d, d_tail), choose(is_negative, n, splat(0.0)));
}

INLINED V sigmoid_of(V x) { return sigmoid_times(splat(1.0), x); }

INLINED V silu_of(V x)
{
    V out = with_sign_of(sigmoid_times(at_least(x, -800.0), x), x);
    return choose(less(magnitude(x), splat(INFINITY)), out, x * truth(IS_BEYOND(x, 0.0))); /* nan for -inf * 0 */
}

/* --- logarithms --- */

typedef struct { /* 2^k (1 + f), from √½ to √2 */
    V k, f;
} Split;

INLINED Split split(V x)
{
    I root_half = words(0x3fe6a09e667f3bcd), word = bits(x) + (words(0x3ff0000000000000) - root_half);
    V k = number((word >> 52) + bits(SHIFT)) - splat(0x1.8p52 + 1023.0);
    return (Split){k, number((word & words(0x000fffffffffffff)) + root_half) - splat(1.0)};
}

/* k ln 2 + log(1 + f) + tail, as k ln 2 + (f - (f²/2 - s (f²/2 + R(s²)))) with s = f / (2 + f). */
INLINED V log_of_split(V k, V f, V tail)
{
    V s = f / (splat(2.0) + f), z = s * s, w = z * z, half = splat(0.5) * f * f;
    V odd = fused(w, splat(1.479819860511658591e-01), splat(1.818357216161805012e-01));
    V even = fused(w, splat(1.531383769920937332e-01), splat(2.222219843214978396e-01));
    odd = fused(w, fused(w, odd, splat(2.857142874366239149e-01)), splat(6.666666666666735130e-01));
    V rest = fused(z, odd, w * fused(w, even, splat(3.999999999940941908e-01)));
    return fused(k, LN2, f - (half - fused(s, half + rest, fused(k, LN2_TAIL, tail))));
}

INLINED V log_of(V x)
{
    M is_tiny = less(x, splat(0x1p-1022));
    Split y = split(choose(is_tiny, x * splat(0x1p54), x));
    V out = log_of_split(y.k - choose(is_tiny, splat(54.0), splat(0.0)), y.f, splat(0.0));
    out = choose(less(x, splat(INFINITY)), out, x);
    return choose(less(splat(0.0), x), out, choose(equal(x, splat(0.0)), splat(-INFINITY), splat(NAN)));
}

/* log(1 + x + tail), for x > -1. */
INLINED V log1p_with_tail(V x, V tail)
{
    V u = splat(1.0) + x, whole = u - splat(1.0), lost = ((splat(1.0) - (u - whole)) + (x - whole)) + tail;
    Split y = split(u);
    V scale = power_of_two(-at_most(y.k, 60.0)), f = fused(lost, scale, y.f), rest = fused(lost, scale, y.f - f);
    return log_of_split(y.k, f, fused(-rest, f, rest)); /* 1 - f is about 1 / (1 + f) */
}

INLINED V log1p_of(V x)
{
    V out = log1p_with_tail(x, splat(0.0));
    out = choose(equal(x, splat(0.0)) | equal(x, splat(INFINITY)), x, out);
    return choose(less(splat(-1.0), x), out, choose(equal(x, splat(-1.0)), splat(-INFINITY), splat(NAN)));
}

/* From 40 on it is x to the last bit. */
INLINED V softplus_of(V x)
{
    V n, tail, p = exp_with_tail(at_least(at_most(x, 40.0), -746.0), &n, &tail);
    return choose(IS_BEYOND(x, 40.0), x, log1p_with_tail(scaled(p, n), scaled(tail, n)));
}

/* --- sines and cosines --- */

typedef struct { /* an angle from -π/4 to π/4, and how many quarter turns were taken away, modulo 4 */
    V y, tail;
    I turns;
} Angle;

/* Numbers from 2^30 on, and nan, one by one. */
static Angle with_huge(const V *x, Angle angle)
{
    double numbers[W], y[W], tail[W];
    uint64_t turns[W];
    memcpy(numbers, x, sizeof numbers);
    memcpy(y, &angle.y, sizeof y);
    memcpy(tail, &angle.tail, sizeof tail);
    memcpy(turns, &angle.turns, sizeof turns);
    for (int i = 0; i < W; i++)
        if (!(fabs(numbers[i]) < 0x1p30))
            y[i] = huge_angle(numbers[i], &tail[i], &turns[i]);
    memcpy(&angle.turns, turns, sizeof turns);
    return (Angle){load(y), load(tail), angle.turns};
}

/* π/2 in three parts: the first product leaves an exact difference, of the second the rounding is kept. */
INLINED Angle reduced_angle(V x)
{
    V shifted = fused(x, splat(0x1.45f306dc9c883p-1), SHIFT), n = shifted - SHIFT, part = splat(0x1.1a62633145c07p-54);
    V high = fused(n, splat(-0x1.921fb54442d18p+0), x), low = n * part, y = high - low, back = y - high;
    V tail = (high - (y - back)) - (low + back) - fused(n, part, -low);
    Angle angle = {y, fused(n, splat(0x1.f1976b7ed8fbcp-110), tail), bits(shifted)};
    return RARELY(!all(less(magnitude(x), splat(0x1p30)))) ? with_huge(&x, angle) : angle;
}

INLINED V sine(V y, V tail)
{
    V z = y * y, cube = z * y;
    V p = fused(z, splat(1.58969099521155010221e-10), splat(-2.50507602534068634195e-08));
    p = fused(z, fused(z, p, splat(2.75573137070700676789e-06)), splat(-1.98412698298579493134e-04));
    p = fused(z, p, splat(8.33333333332248946124e-03));
    V rest = z * fused(-cube, p, splat(0.5) * tail) - tail;
    return y - fused(cube, splat(1.66666666666666324348e-01), rest);
}

INLINED V cosine(V y, V tail)
{
    V z = y * y, half = splat(0.5) * z, near = splat(1.0) - half;
    V p = fused(z, splat(-1.13596475577881948265e-11), splat(2.08757232129817482790e-09));
    p = fused(z, fused(z, p, splat(-2.75573143513906633035e-07)), splat(2.48015872894767294178e-05));
    p = fused(z, fused(z, p, splat(-1.38888888888741095749e-03)), splat(4.16666666666666019037e-02));
    return near + (((splat(1.0) - near) - half) + fused(z * z, p, -(y * tail)));
}

/* Which one it is by the last bit of the quarter turns, and its sign by the bit before. */
INLINED V turned(Angle angle, uint64_t more)
{
    I turns = angle.turns + words(more);
    M is_odd = same(turns & words(1), words(1));
    V out = choose(is_odd, cosine(angle.y, angle.tail), sine(angle.y, angle.tail));
    return number(bits(out) ^ ((turns & words(2)) << 62));
}

INLINED V sin_of(V x) { return choose(equal(x, splat(0.0)), x, turned(reduced_angle(x), 0)); }
INLINED V cos_of(V x) { return turned(reduced_angle(x), 1); }
