/* Nests written into a table: nests/table.py, with loops.py, which finds them, and sums.py, which writes sums as runs of
   terms. All of it takes linear time. */

#include "nests.h"

enum { LONE = 12, LONE_OF_REST = 2, LONE_PAIRS = 24 };     /* so many are as fast in a flat list */
enum { FEW_A_RUN = 6 };                                    /* terms: where runs are shorter, pairs are listed */
enum { PACKED_ROWS = 3, PACKED_OUTPUTS = 4 };              /* the fewest for which a copy of shared factors pays */
enum { FEW_TERMS = 2 };                                    /* that one total adds up as fast as eight partial ones */
enum { HEAD_COUNT = 8, MOST_LISTED = 1 << (31 - HEAD_COUNT), FLAT_COUNT = 1 };

typedef struct { /* instructions that are one nest, and where the operands of three of them begin */
    int64_t first, inner, outer, at, beside, below;
    int phase;
} Repeated;

/* --- words --- */

/* The array with room for so many items; NULL without memory, and then it is as it was. */
static void *grown(void *array, int64_t *size, int64_t needed, size_t item)
{
    if (needed <= *size)
        return array;
    int64_t larger = 2 * needed + 256;
    void *moved = PyMem_RawRealloc(array, larger * item);
    if (moved != NULL)
        *size = larger;
    return moved;
}

/* Room for so many words at the end, which are used then; NULL without memory. */
static int32_t *words_more(Table *table, int64_t count)
{
    int32_t *words = table->is_out_of_memory ? NULL : grown(table->words, &table->size, table->used + count, 4);
    if (words == NULL) {
        table->is_out_of_memory = 1;
        return NULL;
    }
    table->words = words;
    table->used += count;
    return words + table->used - count;
}

void table_write(Table *table, const int64_t *words, int64_t count)
{
    int32_t *to = words_more(table, count);
    for (int64_t i = 0; to != NULL && i < count; i++)
        to[i] = (int32_t)words[i];
}

static void write_entry(Table *table)
{
    int64_t *entries = grown(table->entries, &table->entry_size, table->entry_count + 1, 8);
    if (entries == NULL) {
        table->is_out_of_memory = 1;
        return;
    }
    table->entries = entries;
    entries[table->entry_count++] = table->used;
}

static void write_place(Table *table, const Affine *place)
{
    table_write(table, (int64_t[]){place->at, place->h, place->j, place->i}, 4);
}

void table_free(Table *table)
{
    PyMem_RawFree(table->words);
    PyMem_RawFree(table->entries);
}

/* --- instructions --- */

static int64_t operands_of(const Instructions *x, int64_t t) { return x->starts[t + 1] - x->starts[t]; }
static int is_lane(const Instructions *x, int64_t address) { return address >= x->lanes_at; }

static int operation_at(const Instructions *x, const Repeated *nest) { return operation_of[x->codes[nest->first]]; }

static int is_products(int operation) { return operation == OP_products || operation == OP_strong_products; }
static int is_strong(int operation) { return operation == OP_strong_products || operation == OP_strong_mul; }

static void loops_of(const Instructions *x, const Repeated *nest, int64_t *loops)
{
    int in_lanes = nest->phase == IN_LANES;
    loops[0] = in_lanes ? nest->outer : 1;
    loops[1] = in_lanes ? nest->inner : nest->outer;
    loops[2] = in_lanes ? x->lanes : nest->inner;
}

static Affine out_of(const Instructions *x, const Repeated *nest)
{
    int64_t at = x->outs[nest->first];
    return nest->phase == IN_LANES ? (Affine){at, x->lanes * nest->inner, x->lanes, 1, 0}
                                   : (Affine){at, 0, nest->inner, 1, 0};
}

/* Where operand j is. */
static Affine place(const Instructions *x, const Repeated *nest, int64_t j)
{
    int64_t at = x->operands[nest->at + j];
    int64_t inner = x->operands[nest->beside + j] - at, outer = x->operands[nest->below + j] - at;
    return nest->phase == IN_LANES ? (Affine){at, outer, inner, is_lane(x, at), 0} : (Affine){at, 0, outer, inner, 0};
}

/* --- flat lists --- */

/* Whether a nest is better written as single instructions. */
static int is_short(const Instructions *x, const Repeated *nest)
{
    int64_t size = nest->inner * nest->outer, operands = operands_of(x, nest->first);
    if (nest->phase != SHARED || operands >= MOST_LISTED)
        return 0;
    switch (operation_at(x, nest)) {
    case OP_products:
    case OP_strong_products:
        return size <= 2 * LONE_PAIRS / operands;
    case OP_mul:
    case OP_strong_mul:
    case OP_add:
    case OP_sub:
    case OP_div:
        return size <= LONE;
    default:
        return size <= LONE_OF_REST;
    }
}

static void write_instructions(Table *table, const Instructions *x, const Repeated *nest)
{
    int64_t size = nest->inner * nest->outer;
    if (table->open_flat < 0) {
        table->open_flat = table->used;
        table_write(table, (int64_t[]){FLAT, 0, x->outs[nest->first]}, 3);
    }
    for (int64_t t = nest->first; t < nest->first + size; t++) {
        int64_t count = operands_of(x, t);
        int32_t *to = words_more(table, 1 + count);
        if (to == NULL)
            return;
        to[0] = (int32_t)(x->codes[t] + (count << HEAD_COUNT));
        memcpy(to + 1, x->operands + x->starts[t], 4 * count);
    }
    table->words[table->open_flat + FLAT_COUNT] += (int32_t)size;
}

/* --- element-wise nests --- */

/* The steps after two loops have become one, so many times. */
static Affine joined(Affine moved, int joins)
{
    if (joins > 0)
        moved.j = joins == 1 ? moved.h : 0;
    if (joins > 0)
        moved.h = 0;
    return moved;
}

/* Whether every step of the loop j goes on where the loop i ends: then they are one loop. */
static int goes_on(const Instructions *x, const Repeated *nest, const int64_t *loops, int joins)
{
    if ((loops[0] == 1 && loops[1] == 1) || joined(out_of(x, nest), joins).j != loops[2])
        return 0;
    for (int64_t j = 0; j < operands_of(x, nest->first); j++) {
        Affine moved = joined(place(x, nest, j), joins);
        if (moved.j != moved.i * loops[2])
            return 0;
    }
    return 1;
}

static void write_head(Table *table, int64_t kind, int64_t mark, const int64_t *loops, Affine out)
{
    table_write(table, (int64_t[]){kind, mark, loops[0], loops[1], loops[2], out.at, out.h, out.j}, 8);
}

static void write_elementwise(Table *table, const Instructions *x, const Repeated *nest)
{
    int64_t loops[3], operands = operands_of(x, nest->first);
    int joins = 0;
    loops_of(x, nest, loops);
    while (joins < 2 && goes_on(x, nest, loops, joins)) {
        loops[2] *= loops[1];
        loops[1] = loops[0];
        loops[0] = 1;
        joins++;
    }
    write_head(table, x->codes[nest->first], operands, loops, joined(out_of(x, nest), joins));
    for (int64_t j = 0; j < operands; j++) {
        Affine moved = joined(place(x, nest, j), joins);
        write_place(table, &moved);
    }
}

/* --- sums --- */

/* Whether both factors of the term at j and of the next one move alike from instruction to instruction. */
static int steps_alike(const Instructions *x, const Repeated *nest, int64_t j)
{
    const int32_t *at = x->operands + nest->at, *beside = x->operands + nest->beside,
                  *below = x->operands + nest->below;
    for (int64_t i = j; i < j + 2; i++) {
        int64_t step = (int64_t)at[i + 2] - at[i];
        if ((int64_t)beside[i + 2] - beside[i] != step || (int64_t)below[i + 2] - below[i] != step ||
            is_lane(x, at[i]) != is_lane(x, at[i + 2]))
            return 0;
    }
    return 1;
}

/* The step from a factor to the same factor of the next term. */
static int64_t step(const Instructions *x, const Repeated *nest, int64_t j)
{
    return (int64_t)x->operands[nest->at + j + 2] - x->operands[nest->at + j];
}

/* Whether the terms at i and j are as far from those after them. */
static int same_step(const Instructions *x, const Repeated *nest, int64_t i, int64_t j)
{
    return step(x, nest, i) == step(x, nest, j) && step(x, nest, i + 1) == step(x, nest, j + 1);
}

/* How many terms from j on advance by the same steps, within a sum and from one sum to the next. */
static int64_t run_length(const Instructions *x, const Repeated *nest, int64_t j, int64_t most)
{
    int64_t length = 1;
    for (int64_t last = j; length < most; length++, last += 2)
        if (!steps_alike(x, nest, last) || !same_step(x, nest, j, last))
            break;
    return length;
}

/* How many terms from j on step alike from instruction to instruction, and how many affine runs they are. */
static int64_t alike_terms(const Instructions *x, const Repeated *nest, int64_t j, int64_t most, int64_t *parts)
{
    int64_t length = 1, since = 1;
    *parts = 1;
    for (int64_t last = j; length < most && steps_alike(x, nest, last); length++, last += 2) {
        int goes_on = since == 1 || same_step(x, nest, last - 2, last);
        since = goes_on ? since + 1 : 1;
        *parts += !goes_on;
    }
    return length;
}

/* Whether the factors change places, so that the loop i moves b, and by 1 if it moves one of them by 1. */
static int swap(Affine *a, Affine *b)
{
    int is_swapped = (a->i != 0 && b->i == 0) || (a->i != 0 && a->i != 1 && b->i == 1);
    Affine first = *a;
    if (is_swapped) {
        *a = *b;
        *b = first;
    }
    return is_swapped;
}

static int form_of_list(const Affine *a, const Affine *b)
{
    if (b->i != 1 || a->i > 1 || a->i < 0)
        return FORM_DOT;
    return a->i == 0 ? FORM_UPDATE : FORM_BOTH;
}

static int form_of(const Repeated *nest, const Affine *a, const Affine *b, int has_many)
{
    int form = form_of_list(a, b), in_lanes = nest->phase == IN_LANES;
    if (form != FORM_DOT)
        return form;
    if (in_lanes && a->i == 0 && b->i == 0)
        return FORM_SPREAD;
    if (!in_lanes && a->i == 0 && b->i != 0 && b->j == 0 && nest->outer >= PACKED_ROWS && nest->inner >= PACKED_OUTPUTS)
        return FORM_PACK;
    return has_many && b->k == 1 && (a->k == 0 || a->k == 1) ? FORM_INNER : FORM_DOT;
}

static void write_run(Table *table, int64_t form, int64_t length, Affine a, Affine b)
{
    table_write(table, (int64_t[]){form, length, a.at, a.h, a.j, a.i, a.k, b.at, b.h, b.j, b.i, b.k}, 12);
}

/* Write terms that follow no steps as a list. */
static void write_listed(Table *table, const Instructions *x, const Repeated *nest, int64_t j, int64_t length)
{
    Affine a = place(x, nest, j), b = place(x, nest, j + 1);
    a.at = b.at = 0;
    int is_swapped = swap(&a, &b);
    write_run(table, form_of_list(&a, &b) + SWAPPED * is_swapped + LISTED, length, a, b);
    const int32_t *pairs = x->operands + nest->at + j;
    int32_t *to = words_more(table, 2 * length);
    for (int64_t k = 0; to != NULL && k < length; k++) {
        to[2 * k] = pairs[2 * k + is_swapped];
        to[2 * k + 1] = pairs[2 * k + !is_swapped];
    }
}

/* The place of a factor of a run; the step k of a total goes from lane to lane. */
static Affine factor(const Instructions *x, const Repeated *nest, int64_t j, int64_t length)
{
    Affine a = place(x, nest, j);
    a.k = nest->phase == TOTAL ? is_lane(x, a.at) : length > 1 ? step(x, nest, j) : 0;
    return a;
}

/* Write the run of so many terms from j on, in the form that its steps allow. */
static void write_in_step(Table *table, const Instructions *x, const Repeated *nest, int64_t j, int64_t length)
{
    Affine a = factor(x, nest, j, length), b = factor(x, nest, j + 1, length);
    int is_swapped = swap(&a, &b), is_total = nest->phase == TOTAL;
    int form = form_of(nest, &a, &b, is_total || length > FEW_TERMS);
    write_run(table, form + SWAPPED * is_swapped, is_total ? ACTIVE_LANES : length, a, b);
}

/* Write the terms, whose factors begin at operand j, as runs; how many these are. */
static int64_t write_runs(Table *table, const Instructions *x, const Repeated *nest, int64_t j, int64_t left)
{
    int64_t runs = 0, alike = 0, parts = 0; /* terms ahead that step alike, and in how many runs */
    while (left > 0) {
        int64_t length;
        if (alike == 0)
            alike = alike_terms(x, nest, j, left, &parts);
        if (parts > 2 && alike < FEW_A_RUN * parts) {
            length = alike;
            write_listed(table, x, nest, j, length);
        } else {
            length = run_length(x, nest, j, left);
            if (length == 2 && left > 3 && run_length(x, nest, j + 2, left - 1) > 2)
                length = 1;
            write_in_step(table, x, nest, j, length);
        }
        alike -= length;
        parts--;
        left -= length;
        j += 2 * length;
        runs++;
    }
    return runs;
}

/* Whether operand j is at this address in every sum of a nest: in the first, and no loop moves it. */
static int all_at(const Instructions *x, const Repeated *nest, int64_t j, int64_t address)
{
    const int32_t *v = x->operands + j;
    return v[nest->at] == address && v[nest->beside] == address && v[nest->below] == address;
}

static void write_sum(Table *table, const Instructions *x, const Repeated *given)
{
    Repeated nest = *given;
    if (nest.inner == 1 && nest.phase != IN_LANES) { /* one loop: the inner one */
        nest.inner = nest.outer;
        nest.beside = nest.below;
        nest.outer = 1;
        nest.below = nest.at;
    }
    int operation = operation_at(x, &nest);
    int64_t loops[3], from = 0, first = is_products(operation), terms = (operands_of(x, nest.first) - first) / 2;
    if (operation == OP_products && terms > 1 && all_at(x, &nest, 0, x->one - 2) && all_at(x, &nest, 1, x->one)) {
        from = 2; /* 1 * x is the start, unless that would let a -0.0 through */
        first = 3;
        terms--;
    }
    Affine start = place(x, &nest, from);
    if (nest.phase == TOTAL)
        start.at = NO_START;
    loops_of(x, &nest, loops);
    write_head(table, SUM, is_strong(operation), loops, out_of(x, &nest));
    write_place(table, &start);
    int64_t count_at = table->used;
    table_write(table, (int64_t[]){0}, 1);
    int64_t runs = write_runs(table, x, &nest, first, terms);
    if (!table->is_out_of_memory)
        table->words[count_at] = (int32_t)runs;
}

/* --- nests --- */

static void write_nest(Table *table, const Instructions *x, const Repeated *nest)
{
    int is_listed = is_short(x, nest);
    if (nest->phase > SHARED && table->shared_end < 0) {
        table->shared_end = table->used;
        table->open_flat = -1;
    }
    if (table->open_flat < 0 || !is_listed)
        write_entry(table);
    if (is_listed) {
        write_instructions(table, x, nest);
        return;
    }
    table->open_flat = -1;
    if (is_products(operation_at(x, nest)) || nest->phase == TOTAL)
        write_sum(table, x, nest);
    else
        write_elementwise(table, x, nest);
}

/* --- loops --- */

/* Whether two instructions could be steps of one loop. */
static int alike(const Instructions *x, int64_t t, int64_t u)
{
    int64_t count = operands_of(x, t);
    const int32_t *a = x->operands + x->starts[t], *b = x->operands + x->starts[u];
    if (x->codes[t] != x->codes[u] || operands_of(x, u) != count)
        return 0;
    for (int64_t j = 0; j < count; j++)
        if (is_lane(x, a[j]) != is_lane(x, b[j]))
            return 0;
    return 1;
}

/* Whether operands move from t to u as they do from v to w. */
static int moves_alike(const Instructions *x, int64_t t, int64_t u, int64_t v, int64_t w)
{
    const int32_t *a = x->operands + x->starts[t], *b = x->operands + x->starts[u];
    const int32_t *c = x->operands + x->starts[v], *d = x->operands + x->starts[w];
    for (int64_t j = 0; j < operands_of(x, t); j++)
        if ((int64_t)b[j] - a[j] != (int64_t)d[j] - c[j])
            return 0;
    return 1;
}

static int in_step(const Instructions *x, int64_t t) { return moves_alike(x, t, t + 1, t + 1, t + 2); }

/* How many instructions from t on, before the end, are steps of one loop. */
static int64_t in_a_row(const Instructions *x, int64_t t, int64_t end)
{
    if (t + 1 >= end || !alike(x, t, t + 1))
        return 1;
    int64_t length = 2;
    while (t + length < end && alike(x, t, t + length) && in_step(x, t + length - 2))
        length++;
    if (length == 2 && t + 3 < end && alike(x, t + 1, t + 2) && alike(x, t + 1, t + 3) && in_step(x, t + 1))
        return 1; /* any two are in step: leave the second to a longer row that it begins */
    return length;
}

/* Whether the row at u, as long as those before it, goes on with so many from t on. */
static int is_next_row(const Instructions *x, int64_t t, int64_t inner, int64_t outer, int64_t u)
{
    return alike(x, t, u) && (inner == 1 || moves_alike(x, t, t + 1, u, u + 1)) &&
           (outer == 1 || moves_alike(x, u - 2 * inner, u - inner, u - inner, u));
}

static Repeated repeated(const Instructions *x, int64_t first, int64_t inner, int64_t outer)
{
    int64_t beside = x->starts[first + (inner > 1)], below = x->starts[first + (outer > 1 ? inner : 0)];
    return (Repeated){first, inner, outer, x->starts[first], beside, below, x->phases[first]};
}

/* Write the nests of a group: rows of instructions in step, and rows of rows. */
void table_write_group(Table *table, const Instructions *x, int64_t t, int64_t end)
{
    int64_t length = in_a_row(x, t, end);
    while (t < end) {
        int64_t first = t, inner = length, outer = 0;
        do {
            outer++;
            t += inner;
            length = t < end ? in_a_row(x, t, end) : 0;
        } while (length == inner && is_next_row(x, first, inner, outer, t));
        Repeated nest = repeated(x, first, inner, outer);
        write_nest(table, x, &nest);
    }
}

void table_end(Table *table)
{
    if (table->shared_end < 0)
        table->shared_end = table->used;
}
