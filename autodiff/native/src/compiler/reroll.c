/* Re-rolling: nests/reroll.py. The instructions of a program are sorted, their results get addresses in that order, and
   the table of their nests is written; then what the interpreter needs beside it. All of it takes linear time, but for
   the sort of totals. */

#include "nests.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

typedef struct { /* an order of the instructions, and what follows from it */
    int32_t *order;
    int64_t *groups; /* where each group of it begins, of which nests are made; and the end */
    int64_t group_count;
    int32_t *places;    /* the address of each slot */
    int lengths_differ; /* within a group */
    Table table;
} Candidate;

/* --- the order of the instructions --- */

/* Sort by the bits of the keys from one on, stably, by as many at a time as DIGIT_BITS. */
static int32_t *sorted(const uint64_t *key, int bit, int32_t *order, int32_t *spare, int64_t count)
{
    for (; bit < 64; bit += DIGIT_BITS) {
        int64_t starts[DIGITS + 1] = {0};
        for (int64_t t = 0; t < count; t++)
            starts[(key[t] >> bit) % DIGITS + 1]++;
        if (starts[(key[0] >> bit) % DIGITS + 1] == count)
            continue; /* all are alike */
        for (int i = 0; i < DIGITS; i++)
            starts[i + 1] += starts[i];
        for (int64_t i = 0; i < count; i++)
            spare[starts[(key[order[i]] >> bit) % DIGITS]++] = order[i];
        int32_t *former = order;
        order = spare;
        spare = former;
    }
    return order;
}

/* Sort by phase and level, by class, and perhaps by length. */
static void sort(Known *k, Candidate *c, int by_length)
{
    int64_t count = k->program.count;
    int32_t *order = take(k, count, 4), *spare = take(k, count, 4);
    c->groups = take(k, count + 1, 8);
    if (k->is_out_of_memory)
        return;
    for (int64_t i = 0; i < count; i++)
        order[i] = (int32_t)i;
    c->order = count == 0 ? order : sorted(k->key, by_length ? 0 : LENGTH_BITS, order, spare, count);
    for (int64_t i = 0; i < count; i++) {
        uint64_t differs = i == 0 ? ~(uint64_t)0 : k->key[c->order[i]] ^ k->key[c->order[i - 1]];
        if (differs >> LENGTH_BITS != 0 || (by_length && differs != 0))
            c->groups[c->group_count++] = i;
        else if (differs != 0)
            c->lengths_differ = 1;
    }
    c->groups[c->group_count] = count;
}

/* --- addresses --- */

/* The addresses of inputs and constants; those that are 0, -0 or 1 are at their standard addresses. */
static void place_given(const Known *k, int32_t *places)
{
    const Program *p = &k->program;
    int64_t shared = 0, wide = k->lanes_at;
    for (int64_t i = 0; i < p->inputs; i++) {
        places[i] = (int32_t)(k->varying[i] ? wide : shared);
        wide += k->varying[i] ? k->lanes : 0;
        shared += !k->varying[i];
    }
    for (int64_t i = 0; i < p->constants; i++) {
        int64_t at = i, end = p->constants;
        for (int64_t s = end - STANDARD; s < end; s++)
            at = memcmp(&p->numbers[s], &p->numbers[i], 8) == 0 ? s : at;
        places[p->inputs + i] = (int32_t)(k->inputs + at);
    }
}

/* How many operands step by +1 from instruction t to u, less those that step by -1. */
static int64_t vote(const Known *k, const int32_t *places, int32_t t, int32_t u)
{
    const Program *p = &k->program;
    const int32_t *xs = p->operands + p->starts[t], *ys = p->operands + p->starts[u];
    int64_t count = p->starts[t + 1] - p->starts[t], votes = 0;
    if (p->codes[t] != p->codes[u] || p->starts[u + 1] - p->starts[u] != count)
        return 0;
    for (int64_t j = 0; j < count; j++) {
        int64_t x = places[xs[j]], step = places[ys[j]] - x, unit = x >= k->lanes_at ? k->lanes : 1;
        votes += (step == unit) - (step == -unit);
    }
    return votes;
}

typedef struct { /* of a total: what it is sorted by */
    int32_t code, x, y, t;
} Factors;

static int compare_factors(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    for (int i = 0; i < 4; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

/* Sort totals by their factors: nobody reads them but the caller, so their order is free. */
static void sort_totals(Known *k, Candidate *c, int64_t begin, int64_t end)
{
    Factors *factors = take(k, end - begin, sizeof(Factors));
    if (factors == NULL)
        return;
    for (int64_t i = begin; i < end; i++) {
        int32_t t = c->order[i];
        const int32_t *operands = k->program.operands + k->program.starts[t + 1] - 2;
        factors[i - begin] = (Factors){k->program.codes[t], c->places[operands[0]], c->places[operands[1]], t};
    }
    qsort(factors, end - begin, sizeof(Factors), compare_factors);
    for (int64_t i = begin; i < end; i++)
        c->order[i] = factors[i - begin].t;
}

/* Give addresses to results, group by group; a group is reversed where more steps of its operands are -1 than +1. */
static void place_results(Known *k, Candidate *c)
{
    int64_t next[] = {k->one + 1, k->lanes_at + k->lanes * k->varying_count, k->totals_at};
    for (int64_t g = 0; g < c->group_count; g++) {
        int64_t begin = c->groups[g], end = c->groups[g + 1], votes = 0;
        int phase = k->phase[c->order[begin]];
        if (phase == TOTAL)
            sort_totals(k, c, begin, end);
        for (int64_t i = begin; i + 1 < end; i++)
            votes += vote(k, c->places, c->order[i], c->order[i + 1]);
        for (int64_t i = begin, j = end - 1; votes < 0 && i < j; i++, j--) {
            int32_t t = c->order[i];
            c->order[i] = c->order[j];
            c->order[j] = t;
        }
        for (int64_t i = begin; i < end; i++) {
            c->places[k->first + c->order[i]] = (int32_t)next[phase];
            next[phase] += phase == IN_LANES ? k->lanes : 1;
        }
    }
}

/* --- candidates --- */

static void write_table(Known *k, Candidate *c)
{
    const Program *p = &k->program;
    uint16_t *codes = take(k, p->count, 2);
    int64_t *starts = take(k, p->count + 1, 8), used = 0;
    int32_t *operands = take(k, p->operand_count, 4), *outs = take(k, p->count, 4);
    uint8_t *phases = take(k, p->count, 1);
    if (k->is_out_of_memory)
        return;
    for (int64_t i = 0; i < p->count; i++) {
        int32_t t = c->order[i];
        codes[i] = p->codes[t];
        phases[i] = k->phase[t];
        outs[i] = c->places[k->first + t];
        for (int64_t j = p->starts[t]; j < p->starts[t + 1]; j++)
            operands[used++] = c->places[p->operands[j]];
        starts[i + 1] = used;
    }
    Instructions x = {codes, starts, operands, outs, phases, k->lanes_at, k->lanes, k->one};
    c->table.shared_end = c->table.open_flat = -1;
    for (int64_t g = 0; g < c->group_count; g++)
        table_write_group(&c->table, &x, c->groups[g], c->groups[g + 1]);
    table_end(&c->table);
    k->is_out_of_memory |= c->table.is_out_of_memory;
}

static void make_candidate(Known *k, Candidate *c, int by_length)
{
    c->places = take(k, k->slots, 4);
    sort(k, c, by_length);
    if (k->is_out_of_memory)
        return;
    place_given(k, c->places);
    place_results(k, c);
    write_table(k, c);
}

/* --- what stands behind the nests --- */

static int is_lane_at_last(const Known *k, int64_t slot)
{
    return slot < k->first ? k->lane[slot] : k->phase[slot - k->first] == IN_LANES;
}

/* Runs of outputs in step; how many. */
static int64_t write_copies(Table *table, const Known *k, const int32_t *places)
{
    const int32_t *outputs = k->program.output;
    int64_t runs = 0, length, end = k->program.outputs;
    for (int64_t i = 0; i < end; i += length, runs++) {
        int64_t at = places[outputs[i]], step = 1, lane = is_lane_at_last(k, outputs[i]);
        for (length = 1; i + length < end; length++) {
            int64_t next = places[outputs[i + length]];
            if (is_lane_at_last(k, outputs[i + length]) != lane)
                break;
            if (length == 1)
                step = next - at;
            else if (next != at + length * step)
                break;
        }
        table_write(table, (int64_t[]){at, step, length, lane}, 4);
    }
    return runs;
}

static void write_rest(const Known *k, Candidate *c, int64_t *header)
{
    Table *table = &c->table;
    const Program *p = &k->program;
    header[H_OUTPUTS] = table->used;
    header[H_OUTPUT_RUNS] = write_copies(table, k, c->places);
    header[H_OUTPUT_WIDTH] = p->outputs;
    header[H_GUARDS] = table->used;
    header[H_GUARD_COUNT] = p->guards;
    for (int64_t i = 0; i < p->guards; i++) {
        int64_t at = c->places[p->guard[i]];
        table_write(table, (int64_t[]){at, is_lane_at_last(k, p->guard[i]), k->expected[i]}, 3);
    }
    header[H_WATCHED] = table->used;
    for (int64_t x = 0; x < k->slots; x++)
        if (k->watched[x]) {
            table_write(table, (int64_t[]){c->places[x], is_lane_at_last(k, x)}, 2);
            header[H_WATCHED_COUNT]++;
        }
}

static void write_header(const Known *k, const Candidate *c, int64_t *header)
{
    const Program *p = &k->program;
    header[H_SHARED_END] = c->table.shared_end;
    header[H_LANES_END] = c->table.used; /* so far */
    header[H_INPUTS] = k->inputs;
    header[H_VARYING] = k->varying_count;
    header[H_LANES_AT] = k->lanes_at;
    header[H_LANES] = k->lanes;
    header[H_TOTALS] = k->totals_at;
    header[H_TOTAL_COUNT] = k->totals;
    header[H_TOTAL_STARTS] = k->totals_at + k->totals;
    header[H_SIZE] = k->size;
    for (int64_t t = 0; t < p->count; t++) {
        int operation = operation_of[p->codes[t]];
        if (operation == OP_strong_products || (operation == OP_strong_mul && k->phase[t] == TOTAL))
            header[H_STRONG] = 1;
    }
}

/* What memory holds at first, up to the lanes: constants, and what totals start from. */
static void write_numbers(const Known *k, const Candidate *c, double *numbers)
{
    const Program *p = &k->program;
    memcpy(numbers + k->inputs, p->numbers, 8 * p->constants);
    for (int64_t t = 0; t < p->count; t++) {
        if (k->phase[t] != TOTAL)
            continue;
        int32_t start = p->operands[p->starts[t]];
        int is_given = p->starts[t + 1] - p->starts[t] > 2;
        double otherwise = operation_of[p->codes[t]] == OP_strong_mul ? 0.0 : -0.0;
        numbers[c->places[k->first + t] + k->totals] = is_given ? p->numbers[start - p->inputs] : otherwise;
    }
}

/* --- for Python --- */

/* Whether all fits into the numbers of a table; else the plain function's error. */
static int check_sizes(const Known *k, PyObject *module)
{
    int64_t most = 0;
    for (int64_t t = 0; t < k->program.count; t++) {
        int64_t length = k->program.starts[t + 1] - k->program.starts[t];
        most = length > most ? length : most;
    }
    PyObject *result = PyObject_CallMethod(module, "check_sizes", "LLL", (long long)k->size, (long long)most,
                                           (long long)k->program.count);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* The better of two candidates: sums of different lengths may come from one loop or from several; the shorter table
   tells. */
static Candidate *roll(Known *k, Candidate *candidates, int64_t *header)
{
    Candidate *chosen = candidates;
    make_candidate(k, &candidates[0], 0);
    if (!k->is_out_of_memory && candidates[0].lengths_differ)
        make_candidate(k, &candidates[1], 1);
    if (k->is_out_of_memory)
        return NULL;
    if (candidates[0].lengths_differ && candidates[1].table.used < candidates[0].table.used)
        chosen++;
    write_header(k, chosen, header);
    write_rest(k, chosen, header);
    return chosen->table.is_out_of_memory ? NULL : chosen;
}

static int put(PyObject *parts, int i, PyObject *part) { return part == NULL ? -1 : PyTuple_SetItem(parts, i, part); }

/* The Nests of the module; of the slots that the program came with, so many. */
static PyObject *nests_given(Known *k, Candidate *c, const int64_t *header, int64_t slots, PyObject *module)
{
    const Table *table = &c->table;
    int64_t outputs = k->program.outputs;
    double *numbers = take(k, k->lanes_at, 8);
    char *shared = take(k, outputs, 1);
    if (k->is_out_of_memory)
        return PyErr_NoMemory();
    write_numbers(k, c, numbers);
    for (int64_t i = 0; i < outputs; i++)
        shared[i] = !k->lane[k->program.output[i]];
    memmove(c->places + k->first - STANDARD, c->places + k->first, 4 * (k->slots - k->first));
    PyObject *kind = PyObject_GetAttrString(module, "Nests"), *parts = PyTuple_New(6), *result = NULL;
    if (kind != NULL && parts != NULL && put(parts, 0, array_given("i", table->words, 4 * table->used)) == 0 &&
        put(parts, 1, array_given("d", numbers, 8 * k->lanes_at)) == 0 &&
        put(parts, 2, array_given("q", header, 8 * H_COUNT)) == 0 &&
        put(parts, 3, array_given("q", table->entries, 8 * table->entry_count)) == 0 &&
        put(parts, 4, array_given("i", c->places, 4 * slots)) == 0 &&
        put(parts, 5, PyBytes_FromStringAndSize(shared, outputs)) == 0)
        result = PyObject_Call(kind, parts, NULL);
    Py_XDECREF(kind);
    Py_XDECREF(parts);
    return result;
}

static PyObject *rolled(Known *k, int reduce, PyObject *module)
{
    Candidate candidates[2] = {{0}, {0}}, *chosen = NULL;
    int64_t header[H_COUNT] = {0}, slots = k->program.inputs + k->program.constants + k->program.count;
    PyObject *result = NULL;
    know(k, reduce);
    if (!k->is_out_of_memory && check_sizes(k, module) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    chosen = k->is_out_of_memory ? NULL : roll(k, candidates, header);
    Py_END_ALLOW_THREADS
    result = chosen == NULL ? PyErr_NoMemory() : nests_given(k, chosen, header, slots, module);
    table_free(&candidates[0].table);
    table_free(&candidates[1].table);
    return result;
}

/* reroll(program, reduce=False, lanes=32) */
static PyObject *reroll(PyObject *self, PyObject *args)
{
    PyObject *program, *module, *result = NULL;
    int reduce = 0;
    short lanes = 32;
    Known k = {0};
    if (!PyArg_ParseTuple(args, "O|ph:reroll", &program, &reduce, &lanes))
        return NULL;
    int is_read = program_read(&k.program, program);
    if (is_read != 0)
        return is_read < 0 ? NULL : Py_NewRef(Py_NotImplemented);
    k.lanes = lanes;
    k.varying = (uint8_t *)PyBytes_AS_STRING(PyTuple_GET_ITEM(program, 1));
    k.expected = (uint8_t *)PyBytes_AS_STRING(PyTuple_GET_ITEM(program, 8));
    if ((module = PyImport_ImportModule("autodiff.compiler.nests.reroll")) != NULL)
        result = rolled(&k, reduce, module);
    Py_XDECREF(module);
    for (int i = 0; i < k.block_count; i++)
        PyMem_RawFree(k.blocks[i]);
    program_free(&k.program);
    return result;
}

PyMethodDef reroll_functions[] = {
    {"reroll", reroll, METH_VARARGS, "The nests of a program."},
    {NULL, NULL, 0, NULL},
};
