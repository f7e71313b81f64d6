/* The interpreter of nests. Each machine_*.c includes it for an instruction set, with MACHINE, its name, and W, the
   numbers of a register, defined. */

#include "vectors.h"

#include "functions.h"

#include "elementwise.h"

#include "runs.h"

/* --- flat lists --- */

/* The commonest instructions are done right here; their own jump at the end of each is predicted better than one that
   all share. */
enum { OTHERWISE, QUICK_ADD, QUICK_SUB, QUICK_MUL, QUICK_DIV, QUICK_NEG, QUICK_STRONG_MUL, QUICK_PRODUCTS };

static const uint8_t quick[OP_COUNT] = {
    [OP_add] = QUICK_ADD, [OP_sub] = QUICK_SUB, [OP_mul] = QUICK_MUL,
    [OP_div] = QUICK_DIV, [OP_neg] = QUICK_NEG, [OP_strong_mul] = QUICK_STRONG_MUL,
    [OP_products] = QUICK_PRODUCTS,
};

/* The start and the pairs at these addresses, added up. */
static double sum_at(const double *v, const int32_t *at, int64_t count, int is_strong)
{
    double total = v[at[0]];
    for (int64_t n = 1; n < count; n += 2) {
        double x = v[at[n]], y = v[at[n + 1]];
        total = is_strong ? plus_strongly(total, x, y) : fma(x, y, total);
    }
    return total;
}

APART double evaluate_otherwise(int operation, const double *v, const int32_t *at, int64_t count)
{
    if (operation == OP_strong_products)
        return sum_at(v, at, count, 1);
    return evaluate_at(operation, &(Operands){.v = v, .listed = at}, count);
}

#ifdef __GNUC__
#define NEXT goto *labels[quick[*q & 255]]
#else
#define NEXT continue
#endif
#define DONE(count)                                                                                                    \
    {                                                                                                                  \
        *to++ = x;                                                                                                     \
        q += (count) + 1;                                                                                              \
        if (to == end)                                                                                                 \
            return;                                                                                                    \
        NEXT;                                                                                                          \
    }

static void run_flat(const Nest *nest, double *v)
{
    const int32_t *q = nest->flat;
    double x, *to = v + nest->out.at, *end = to + nest->count;
#ifdef __GNUC__
    static const void *const labels[] = {&&other, &&add, &&sub, &&mul, &&div, &&neg, &&strong_mul, &&products};
    NEXT;
#endif
    for (;;)
        switch (quick[*q & 255]) {
        case QUICK_ADD:
        add:
            x = v[q[1]] + v[q[2]];
            DONE(2)
        case QUICK_SUB:
        sub:
            x = v[q[1]] - v[q[2]];
            DONE(2)
        case QUICK_MUL:
        mul:
            x = v[q[1]] * v[q[2]];
            DONE(2)
        case QUICK_DIV:
        div:
            x = v[q[1]] / v[q[2]];
            DONE(2)
        case QUICK_NEG:
        neg:
            x = -v[q[1]];
            DONE(1)
        case QUICK_STRONG_MUL:
        strong_mul:
            x = v[q[1]];
            x = x == 0.0 && signbit(x) ? x : 0.0 + x * v[q[2]];
            DONE(2)
        case QUICK_PRODUCTS:
        products:
            x = *q >> 8 == 3 ? fma(v[q[2]], v[q[3]], v[q[1]]) : sum_at(v, q + 1, *q >> 8, 0);
            DONE(*q >> 8)
        default:
        other:
            x = evaluate_otherwise(*q & 255, v, q + 1, *q >> 8);
            DONE(*q >> 8)
        }
}

/* --- nests --- */

enum { STRIP = 512 }; /* numbers: what the nests of a strip write stays in the first cache */

static void run_nest(const Nest *nest, double *v, int64_t active, int careful)
{
    if (nest->kind == ELEMENTWISE)
        elementwise(nest, v, 0, nest->loops[2]);
    else if (nest->kind == FLAT)
        run_flat(nest, v);
    else if (careful && nest->is_strong)
        add_carefully(nest, v, active);
    else
        add_sums(nest, v, active);
}

static void run_strips(const Nest *nest, double *v)
{
    int64_t count = nest->loops[2];
    for (int64_t from = 0; from < count; from += STRIP) {
        int64_t end = count - from < STRIP ? count : from + STRIP;
        for (const Nest *each = nest; each < nest + nest->strips; each++)
            if (each->kind == SUM) {
                Sums s = {each, v, each->runs, each->runs + each->count, 0, &each->start, 1, last_of(each)};
                add_tiles(&s, from, end);
            }
            else
                elementwise(each, v, from, end - from);
    }
}

static void interpret(const Plan *plan, double *v, int in_lanes, int64_t active, int careful)
{
    const Nest *nest = plan->nests + (in_lanes ? plan->shared : 0);
    const Nest *end = plan->nests + (in_lanes ? plan->count : plan->shared);
    while (nest < end)
        if (nest->strips > 1 && !careful) {
            run_strips(nest, v);
            nest += nest->strips;
        }
        else
            run_nest(nest++, v, active, careful);
}

/* --- numbers moved --- */

/* glibc's memcpy of 19 kB takes 19 times as long where the destination lies 8 bytes above the source modulo a page. */
static int copy(double *to, const double *from, int64_t count)
{
    int64_t i = 0;
    M nans = is_nan(splat(0.0));
    for (; i + W <= count; i += W) {
        V x = load(from + i);
        nans |= is_nan(x);
        store(to + i, x);
    }
    int found = !all(~nans);
    for (; i < count; i++) {
        found |= from[i] != from[i];
        to[i] = from[i];
    }
    return found;
}

static void lay_lanes(const Plan *plan, double *v, int64_t active)
{
    double *rows = v + plan->rows_at;
    for (int64_t row = active; row < plan->lanes; row++)
        copy(rows + row * plan->row_width, rows + (active - 1) * plan->row_width, plan->varying);
    transpose(v + plan->lanes_at, plan->lanes, rows, plan->row_width, plan->lanes, plan->varying);
}

#define RECORD_(name) machine_##name
#define RECORD(name) RECORD_(name)
#define NAME_(name) #name
#define NAME(name) NAME_(name)

const Machine RECORD(MACHINE) = {NAME(MACHINE), W, interpret, lay_lanes, copy, evaluate};
