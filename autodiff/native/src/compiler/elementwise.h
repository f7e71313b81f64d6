/* Operations number by number: one alone, and loops over the innermost loop of a nest. */

/* In registers: x, y and z are the operands, -0.0 is nothing. */
#define IN_REGISTERS(X)                                                                                                \
    X(add, x + y) X(sub, x - y) X(mul, x * y) X(div, x / y) X(neg, -x) X(abs, magnitude(x)) X(square, x * x)           \
    X(sign, signum(x)) X(reciprocal, splat(1.0) / x) X(sqrt, root(x)) X(exp, exp_of(x)) X(expm1, expm1_of(x))          \
    X(log, log_of(x)) X(log1p, log1p_of(x)) X(sin, sin_of(x)) X(cos, cos_of(x)) X(tanh, tanh_of(x))                    \
    X(sigmoid, sigmoid_of(x)) X(softplus, softplus_of(x)) X(silu, silu_of(x))                                          \
    X(relu, choose(less(x, splat(0.0)), splat(0.0), x)) X(leaky_relu, choose(less(splat(0.0), x), x, y * x))           \
    X(maximum, larger(x, y)) X(minimum, smaller(x, y)) X(clip, smaller(larger(x, y), z))                               \
    X(where, choose(not_equal(x, splat(0.0)), y, z)) X(softmax, exp_of(x - y)) X(log_softmax, x - y)                   \
    X(less, truth(less(x, y))) X(less_equal, truth(less_equal(x, y))) X(equal, truth(equal(x, y)))                     \
    X(not_equal, truth(not_equal(x, y))) X(detach, x) X(nothing, truth(is_minus_zero(x)))                              \
    X(strong_mul, choose(is_minus_zero(x), x, splat(0.0) + x * y))

INLINED V signum(V x) { return choose(equal(x, splat(0.0)) | is_nan(x), x + splat(0.0), with_sign_of(splat(1.0), x)); }
INLINED V larger(V x, V y) { return choose(less_equal(y, x) | is_nan(x), x, y); }
INLINED V smaller(V x, V y) { return choose(less_equal(x, y) | is_nan(x), x, y); }

/* --- any number of operands --- */

INLINED int is_of_many(int operation)
{
    return operation == OP_logsumexp || operation == OP_max || operation == OP_min;
}

/* W numbers of the kth operand of a nest, or fewer; of operands that no nest has, one. */
INLINED V operands_of(const Operands *all, int64_t k, int64_t n)
{
    if (!all->places)
        return splat(operand(all, k));
    return load_any(operand_at(all, all->places + k), all->places[k].i, n);
}

/* The first of the largest, or smallest; the first nan, if there is one. */
static V extreme(int is_min, const Operands *all, int64_t count, int64_t n)
{
    V most = operands_of(all, 0, n);
    for (int64_t k = 1; k < count; k++) {
        V x = operands_of(all, k, n);
        M is_better = (is_min ? less(x, most) : less(most, x)) | (is_nan(x) & ~is_nan(most));
        most = choose(is_better, x, most);
    }
    return most;
}

static V logsumexp(const Operands *all, int64_t count, int64_t n)
{
    V most = extreme(0, all, count, n), rest = splat(0.0), left_out = splat(0.0);
    for (int64_t k = 0; k < count; k++) {
        V x = operands_of(all, k, n);
        M is_first = equal(x, most) & equal(left_out, splat(0.0));
        left_out = choose(is_first, splat(1.0), left_out);
        rest = rest + choose(is_first, splat(0.0), exp_of(x - most));
    }
    return choose(less(magnitude(most), splat(INFINITY)), most + log1p_of(rest), most);
}

/* The same of one number alone, in less time. */
static double extreme_alone(int is_min, const Operands *all, int64_t count)
{
    double most = operand(all, 0);
    for (int64_t k = 0; k < count; k++) {
        double x = operand(all, k);
        if (x != x)
            return x;
        most = (is_min ? x < most : x > most) ? x : most;
    }
    return most;
}

/* W operands at a time, whose exponentials are added in the same order. */
static double logsumexp_alone(const Operands *all, int64_t count)
{
    double most = extreme_alone(0, all, count), rest = 0.0;
    int is_left_out = 0;
    for (int64_t k = 0; k < count; k += W) {
        double x[W] = {0.0}, terms[W];
        int64_t n = count - k < W ? count - k : W;
        for (int64_t i = 0; i < n; i++)
            x[i] = operand(all, k + i);
        store(terms, exp_of(load(x) - splat(most)));
        for (int64_t i = 0; i < n; i++)
            if (!is_left_out && x[i] == most)
                is_left_out = 1;
            else
                rest += terms[i];
    }
    return fabs(most) < INFINITY ? most + first_of(log1p_of(splat(rest))) : most;
}

static V of_many(int operation, const Operands *all, int64_t count, int64_t n)
{
    if (operation == OP_logsumexp)
        return n == 1 ? splat(logsumexp_alone(all, count)) : logsumexp(all, count, n);
    int is_min = operation == OP_min;
    return n == 1 ? splat(extreme_alone(is_min, all, count)) : extreme(is_min, all, count, n);
}

/* --- one alone --- */

static double evaluate_at(int operation, const Operands *all, int64_t count)
{
    if (is_of_many(operation))
        return first_of(of_many(operation, all, count, 1));
    V x = splat(operand(all, 0)), y = splat(operand(all, count > 1)), z = splat(operand(all, count > 2 ? 2 : 0));
    switch (operation) {
#define CASE(name, value)                                                                                              \
    case OP_##name:                                                                                                    \
        return first_of(value);
        IN_REGISTERS(CASE)
#undef CASE
    }
    return one_by_one(operation, all, count);
}

static double evaluate(int operation, const double *x, int64_t count)
{
    Operands all = {.v = x};
    return evaluate_at(operation, &all, count);
}

/* --- loops --- */

typedef struct { /* the operands of a loop; unless it has three, the rest are the first */
    const double *at[3];
    int64_t step[3]; /* 0 or 1 */
} Row;

/* Steps of 0 are taken out of the loop by the compiler. */
#define LOOP(name, value)                                                                                              \
    static void loop_##name(double *to, const Row *row, int64_t count)                                                 \
    {                                                                                                                  \
        const double *a = row->at[0], *b = row->at[1], *c = row->at[2];                                                \
        const int64_t is_a = row->step[0], is_b = row->step[1], is_c = row->step[2];                                   \
        V x = splat(*a), y = splat(*b), z = splat(*c);                                                                 \
        int64_t i = 0;                                                                                                 \
        for (; i + W <= count; i += W) {                                                                               \
            x = is_a ? load(a + i) : x, y = is_b ? load(b + i) : y, z = is_c ? load(c + i) : z;                        \
            store(to + i, value);                                                                                      \
        }                                                                                                              \
        if (i == count)                                                                                                \
            return;                                                                                                    \
        x = is_a ? load_some(a + i, count - i) : x;                                                                    \
        y = is_b ? load_some(b + i, count - i) : y;                                                                    \
        z = is_c ? load_some(c + i, count - i) : z;                                                                    \
        (void)x, (void)y, (void)z;                                                                                     \
        store_some(to + i, value, count - i);                                                                          \
    }
IN_REGISTERS(LOOP)

#define ENTRY(name, value) [OP_##name] = loop_##name,
static void (*const loops[OP_COUNT])(double *to, const Row *row, int64_t count) = {IN_REGISTERS(ENTRY)};

enum { CHUNK = 128 }; /* so many numbers that stand apart are brought together at a time */

static void loop_apart(int operation, int operands, double *to, const Row *row, int64_t count)
{
    double room[3][CHUNK];
    for (int64_t from = 0; from < count; from += CHUNK) {
        int64_t n = count - from < CHUNK ? count - from : CHUNK;
        Row chunk;
        for (int k = 0; k < 3; k++) {
            const double *at = row->at[k] + from * row->step[k];
            int is_apart = k < operands && row->step[k] != 0 && row->step[k] != 1;
            for (int64_t i = 0; is_apart && i < n; i += W)
                store(room[k] + i, load_apart(at + i * row->step[k], row->step[k], n - i));
            chunk.at[k] = is_apart ? room[k] : at;
            chunk.step[k] = is_apart ? 1 : row->step[k];
        }
        for (int k = operands; k < 3; k++)
            chunk.at[k] = chunk.at[0], chunk.step[k] = chunk.step[0];
        loops[operation](to + from, &chunk, n);
    }
}

/* So many turns of the inner loop, for one of the outer two; `to` and what all->i says is the first. */
static void loop_in_step(const Nest *nest, double *to, const Operands *all, int64_t count)
{
    int is_apart = 0;
    Row row;
    for (int k = 0; k < 3; k++) {
        const Affine *at = all->places + (k < nest->count ? k : 0);
        row.at[k] = operand_at(all, at);
        row.step[k] = at->i;
        is_apart |= at->i != 0 && at->i != 1;
    }
    if (is_apart)
        loop_apart(nest->operation, nest->count, to, &row, count);
    else
        loops[nest->operation](to, &row, count);
}

static void loop_of_many(const Nest *nest, double *to, Operands *all, int64_t count)
{
    for (int64_t i = 0; i < count; i += W, all->i += W)
        store_some(to + i, of_many(nest->operation, all, nest->count, count - i), count - i);
}

/* An ELEMENTWISE nest, of whose inner loop `count` turns are taken, from one on. */
static void elementwise(const Nest *nest, double *v, int64_t from, int64_t count)
{
    Operands all = {v, NULL, nest->operands, 0, 0, 0};
    for (all.h = 0; all.h < nest->loops[0]; all.h++)
        for (all.j = 0; all.j < nest->loops[1]; all.j++) {
            double *to = v + nest->out.at + all.h * nest->out.h + all.j * nest->out.j + from;
            all.i = from;
            if (loops[nest->operation])
                loop_in_step(nest, to, &all, count);
            else if (is_of_many(nest->operation))
                loop_of_many(nest, to, &all, count);
            else
                for (int64_t i = 0; i < count; i++, all.i++)
                    to[i] = one_by_one(nest->operation, &all, nest->count);
        }
}
