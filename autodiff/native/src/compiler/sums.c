/* The passes for loops; each does what the function of its name in compiler/passes does. */

#include "builder.h"

static const double ONE = 1.0, NEGATIVE_ONE = -1.0, NOTHING = -0.0;

/* --- multiply out powers --- */

static int multiply_out(Builder *build, const Program *given)
{
    int32_t *place = build->place + given->inputs + given->constants;
    builder_constants(build, given);
    for (int64_t i = 0; i < given->count; i++) {
        int code = given->codes[i];
        int64_t count = given->starts[i + 1] - given->starts[i];
        int32_t *x = placed(build, given->operands + given->starts[i], count);
        if (code == CODE(pow) && is_number(build, x[1], 2.0)) {
            code = CODE(mul);
            x[1] = x[0];
        }
        else if (code == CODE(pow) && is_number(build, x[1], NEGATIVE_ONE)) {
            code = CODE(div);
            x[1] = x[0];
            x[0] = builder_constant(build, ONE);
        }
        place[i] = builder_add(build, code, count);
    }
    return 0;
}

static PyObject *multiply_out_powers(PyObject *module, PyObject *program) { return rewritten(program, multiply_out); }

/* --- uses --- */

enum { ONCE = 1, MORE = 2, FOLDED = 4, STRONG = 8 }; /* marks */

static void mark_uses(uint8_t *marks, const Program *given)
{
    for (int64_t j = 0; j < given->operand_count; j++)
        marks[given->operands[j]] |= marks[given->operands[j]] ? MORE : ONCE;
    for (int64_t j = 0; j < given->outputs; j++)
        marks[given->output[j]] |= MORE;
    for (int64_t j = 0; j < given->guards; j++)
        marks[given->guard[j]] |= MORE;
}

/* --- flatten sums --- */

typedef struct {
    int32_t one, nothing; /* slots of constants */
    int32_t *user;        /* of a sum that goes on: the instruction that does; it is never the first, so 0 for others */
} Flattening;

static int is_sum(int code)
{
    return code == CODE(add) || code == CODE(sum) || code == CODE(mean) || code == CODE(dot);
}

/* Find the sums that go on: the left operand of one addition, and nothing else. */
static void mark_what_goes_on(const Builder *build, const Program *given, int32_t *user)
{
    int64_t first = given->inputs + given->constants;
    mark_uses(build->marks, given);
    for (int64_t i = 0; i < given->count; i++) {
        int32_t x = given->codes[i] == CODE(add) ? given->operands[given->starts[i]] : 0;
        if (x >= first && build->marks[x] == ONCE && is_sum(given->codes[x - first]) &&
            given->codes[x - first] != CODE(mean))
            user[x - first] = (int32_t)i;
    }
}

/* Write the pairs that an operation adds up, and give the end of them. */
static int32_t *write_pairs(const Builder *build, const Flattening *flat, const Program *given, int64_t i, int32_t *to)
{
    const int32_t *x = given->operands + given->starts[i];
    int64_t count = given->starts[i + 1] - given->starts[i], half = count / 2;
    int is_dot = given->codes[i] == CODE(dot);
    for (int64_t j = 0; j < (is_dot ? half : count); j++) {
        *to++ = is_dot ? build->place[x[j]] : flat->one;
        *to++ = build->place[x[is_dot ? half + j : j]];
    }
    return to;
}

/* Where the sum that ends with instruction i begins. */
static int64_t head_of(const Flattening *flat, const Program *given, int64_t i)
{
    int64_t first = given->inputs + given->constants, x = given->operands[given->starts[i]] - first;
    while (x >= 0 && flat->user[x] == i) {
        i = x;
        x = given->operands[given->starts[i]] - first;
    }
    return i;
}

/* The slot of the sum that ends with instruction i. */
static int32_t add_sum(Builder *build, const Flattening *flat, const Program *given, int64_t i)
{
    int64_t head = head_of(flat, given, i);
    int32_t *operands = operands_here(build), *end = operands;
    *end++ = flat->nothing;
    end = write_pairs(build, flat, given, head, end);
    while (head != i) {
        head = flat->user[head];
        *end++ = flat->one;
        *end++ = build->place[given->operands[given->starts[head] + 1]];
    }
    if (operands[1] == flat->one && operands[2] < 0) { /* a constant that comes first is the start */
        end -= 2;
        memmove(operands, operands + 2, (end - operands) * sizeof *operands);
    }
    return builder_add(build, CODE(products), end - operands);
}

static int flatten(Builder *build, const Program *given)
{
    int32_t *place = build->place + given->inputs + given->constants;
    builder_constants(build, given);
    Flattening flat;
    flat.one = builder_constant(build, ONE); /* the first of the two, as in Python */
    flat.nothing = builder_constant(build, NOTHING);
    flat.user = PyMem_Calloc(given->count + 1, sizeof *flat.user);
    if (flat.user == NULL)
        build->has_no_memory = 1;
    else
        mark_what_goes_on(build, given, flat.user);
    for (int64_t i = 0; i < given->count && flat.user != NULL; i++) {
        int64_t count = given->starts[i + 1] - given->starts[i];
        if (flat.user[i])
            continue;
        if (!is_sum(given->codes[i])) {
            placed(build, given->operands + given->starts[i], count);
            place[i] = builder_add(build, given->codes[i], count);
            continue;
        }
        place[i] = add_sum(build, &flat, given, i);
        if (given->codes[i] == CODE(mean)) {
            operands_here(build)[0] = place[i];
            operands_here(build)[1] = builder_constant(build, (double)count);
            place[i] = builder_add(build, CODE(div), 2);
        }
    }
    PyMem_Free(flat.user);
    return 0;
}

static PyObject *flatten_sums(PyObject *module, PyObject *program) { return rewritten(program, flatten); }

/* --- fold products --- */

/* Whether a slot holds a constant that is not 0. */
static int is_constant(const Program *given, int32_t x)
{
    return given->inputs <= x && x < given->inputs + given->constants && given->numbers[x - given->inputs] != 0.0;
}

/* Whether a pair of a plain sum is 1 and a term that is added as it is. */
static int is_term(const Program *given, const int32_t *pair)
{
    return is_constant(given, pair[0]) && given->numbers[pair[0] - given->inputs] == ONE;
}

/* The product that a pair of a sum hands on, as it is, and that is used nowhere else: the first of its two operands.
   NULL if there is none. */
static const int32_t *product_of(const uint8_t *marks, const Program *given, const int32_t *pair, int *code)
{
    int64_t i = pair[1] - given->inputs - given->constants;
    if (i < 0 || (marks[pair[1]] & (ONCE | MORE)) != ONCE || !is_term(given, pair))
        return NULL;
    *code = given->codes[i];
    return *code == CODE(mul) || *code == CODE(strong_mul) ? given->operands + given->starts[i] : NULL;
}

/* Whether a sum becomes strong: it has strong products, and its pairs so far mean the same in a strong sum. */
static int becomes_strong(const uint8_t *marks, const Program *given, const int32_t *pair, const int32_t *end)
{
    int found = 0, code = 0;
    for (; pair < end; pair += 2) {
        if (!is_constant(given, pair[0]))
            return 0;
        found |= product_of(marks, given, pair, &code) != NULL && code == CODE(strong_mul);
    }
    return found;
}

/* Whether a product goes into a sum. A plain one goes into a strong sum only with a constant other than 0, which is its
   first factor there: 0 * inf would be nothing, and is nan. */
static int is_folded(const Program *given, int code, const int32_t *factors, int is_strong)
{
    if (code == CODE(strong_mul))
        return is_strong;
    return !is_strong || is_constant(given, factors[0]) || is_constant(given, factors[1]);
}

static void mark_products(uint8_t *marks, const Program *given)
{
    int64_t first = given->inputs + given->constants;
    mark_uses(marks, given);
    for (int64_t i = 0; i < given->count; i++) {
        const int32_t *pair = given->operands + given->starts[i] + 1, *end = given->operands + given->starts[i + 1];
        if (given->codes[i] != CODE(products))
            continue;
        int is_strong = becomes_strong(marks, given, pair, end), code = 0;
        for (; pair < end; pair += 2) {
            const int32_t *factors = product_of(marks, given, pair, &code);
            if (factors != NULL && is_folded(given, code, factors, is_strong))
                marks[pair[1]] |= FOLDED;
        }
        marks[first + i] |= is_strong ? STRONG : 0;
    }
}

/* Write a pair of a sum: a product that is folded into it, or what it was. In a strong sum a term comes before its 1. */
static void write_pair(const Builder *build, const Program *given, const int32_t *pair, int is_strong, int32_t *to)
{
    int code = 0, is_folded = build->marks[pair[1]] & FOLDED;
    const int32_t *x = is_folded ? product_of(build->marks, given, pair, &code) : pair;
    int is_swapped = is_folded ? code == CODE(mul) && is_constant(given, x[1]) && !is_constant(given, x[0])
                               : is_strong && is_term(given, pair);
    to[0] = build->place[x[is_swapped]];
    to[1] = build->place[x[!is_swapped]];
}

static int fold_into_sums(Builder *build, const Program *given)
{
    int64_t first = given->inputs + given->constants;
    const uint8_t *marks = build->marks;
    builder_constants(build, given);
    mark_products(build->marks, given);
    for (int64_t i = 0; i < given->count; i++) {
        const int32_t *x = given->operands + given->starts[i];
        int64_t count = given->starts[i + 1] - given->starts[i];
        int is_strong = (marks[first + i] & STRONG) != 0;
        if (marks[first + i] & FOLDED)
            continue;
        int32_t *operands = placed(build, x, count);
        for (int64_t j = 1; j < count && given->codes[i] == CODE(products); j += 2)
            write_pair(build, given, x + j, is_strong, operands + j);
        build->place[first + i] = builder_add(build, is_strong ? CODE(strong_products) : given->codes[i], count);
    }
    return 0;
}

static PyObject *fold_products(PyObject *module, PyObject *program) { return rewritten(program, fold_into_sums); }

/* --- shorten sums --- */

/* Make a sum of one or two pairs a shorter operation, in place, and give how many operands that has. */
static int64_t shorten_one(const Builder *build, int *code, int32_t *x, int64_t count)
{
    int is_plain = *code == CODE(products), from_nothing = is_number(build, x[0], NOTHING);
    int one = is_plain ? 1 : 2, term = 3 - one; /* where they are in a pair of 1 and a term that is added as it is */
    int at = is_number(build, x[one], ONE) ? 0 : 2;
    if (count == 5 && from_nothing && is_number(build, x[at + one], ONE)) {
        x[0] = x[at + term]; /* that term is the start */
        memmove(x + 1, x + 3 - at, 2 * sizeof *x);
        from_nothing = is_number(build, x[0], NOTHING);
        count = 3;
    }
    int is_added = is_number(build, x[one], ONE), is_subtracted = is_plain && is_number(build, x[1], NEGATIVE_ONE);
    if (count != 3 || !(from_nothing || is_added || is_subtracted))
        return count;
    if (from_nothing && is_subtracted) {
        *code = CODE(neg);
        x[0] = x[2];
        return 1;
    }
    if (from_nothing)
        *code = is_plain ? CODE(mul) : CODE(strong_mul);
    else
        *code = is_added ? CODE(add) : CODE(sub);
    if (from_nothing) {
        x[0] = x[1];
        x[1] = x[2];
    }
    else
        x[1] = x[is_added ? term : 2];
    return 2;
}

static int shorten(Builder *build, const Program *given)
{
    int32_t *place = build->place + given->inputs + given->constants;
    builder_constants(build, given);
    for (int64_t i = 0; i < given->count; i++) {
        int code = given->codes[i];
        int64_t count = given->starts[i + 1] - given->starts[i];
        int32_t *x = placed(build, given->operands + given->starts[i], count);
        if ((code == CODE(products) || code == CODE(strong_products)) && (count == 3 || count == 5))
            count = shorten_one(build, &code, x, count);
        place[i] = builder_add(build, code, count);
    }
    return 0;
}

static PyObject *shorten_sums(PyObject *module, PyObject *program) { return rewritten(program, shorten); }

PyMethodDef sum_functions[] = {
    {"multiply_out_powers", multiply_out_powers, METH_O, "Compute x ** 2 as x * x, and x ** -1 as 1 / x."},
    {"flatten_sums", flatten_sums, METH_O, "Make each sum one operation."},
    {"fold_products", fold_products, METH_O, "Make products pairs of the sums that use them."},
    {"shorten_sums", shorten_sums, METH_O, "Make sums of one or two terms the operations that they were."},
    {NULL, NULL, 0, NULL},
};
