/* The passes for every backend; each does what the function of its name in compiler/passes does. */

#include "builder.h"

/* --- fold constants --- */

static double number_in(const Builder *build, int32_t slot) { return build->made.numbers[-1 - slot]; }

static int is_unit(const Builder *build, int32_t slot, const Facts *facts, int side)
{
    return facts->has_unit[side] && is_number(build, slot, facts->unit[side]);
}

/* Whether an operation merely hands a slot on, and which. */
static int simplified(const Builder *build, int code, const int32_t *x, int64_t count, int32_t *slot)
{
    const Facts *facts = &facts_of[code];
    const Program *made = &build->made;
    if (count == 2 && is_unit(build, x[1], facts, 1))
        *slot = x[0];
    else if (count == 2 && is_unit(build, x[0], facts, 0))
        *slot = x[1];
    else if (code == CODE(where) && x[0] < 0)
        *slot = number_in(build, x[0]) != 0.0 ? x[1] : x[2];
    else if (code == CODE(where) && x[1] == x[2])
        *slot = x[1];
    else if (code == CODE(detach))
        *slot = x[0];
    else if (count == 1 && facts->is_involution && x[0] >= made->inputs && made->codes[x[0] - made->inputs] == code)
        *slot = made->operands[made->starts[x[0] - made->inputs]];
    else
        return 0;
    return 1;
}

static int all_constant(const int32_t *x, int64_t count)
{
    int32_t both = -1;
    for (int64_t j = 0; j < count; j++)
        both &= x[j];
    return both < 0;
}

/* The value of an operation on constants, by the `evaluate` of its primitive. */
static int evaluated(Builder *build, int code, const int32_t *x, int64_t count, int32_t *slot)
{
    PyObject *evaluate = PyObject_GetAttrString(facts_of[code].primitive, "evaluate");
    PyObject *operands = evaluate == NULL ? NULL : PyTuple_New(count);
    PyObject *value = NULL;
    for (int64_t j = 0; j < count && operands != NULL; j++) {
        PyObject *operand = PyFloat_FromDouble(number_in(build, x[j]));
        if (operand == NULL)
            Py_CLEAR(operands);
        else
            PyTuple_SET_ITEM(operands, j, operand);
    }
    if (operands != NULL)
        value = PyObject_Call(evaluate, operands, NULL);
    double number = value == NULL ? -1.0 : PyFloat_AsDouble(value);
    Py_XDECREF(value);
    Py_XDECREF(operands);
    Py_XDECREF(evaluate);
    if (number == -1.0 && PyErr_Occurred())
        return -1;
    *slot = builder_constant(build, number == number ? number : Py_NAN);
    return 0;
}

static int fold(Builder *build, const Program *given)
{
    int32_t *place = build->place + given->inputs + given->constants;
    builder_constants(build, given);
    for (int64_t i = 0; i < given->count; i++) {
        int code = given->codes[i];
        int64_t count = given->starts[i + 1] - given->starts[i];
        const int32_t *x = placed(build, given->operands + given->starts[i], count);
        if (simplified(build, code, x, count, &place[i]))
            continue;
        if (!all_constant(x, count))
            place[i] = builder_add(build, code, count);
        else if (evaluated(build, code, x, count, &place[i]) < 0)
            return -1;
    }
    return 0;
}

static PyObject *fold_constants(PyObject *module, PyObject *program) { return rewritten(program, fold); }

/* --- share common subexpressions --- */

static uint64_t hash_of(int code, const int32_t *x, int64_t count)
{
    uint64_t hash = (uint64_t)code;
    if (count == 2 && facts_of[code].commutes && x[0] > x[1])
        return hashed(hash << 56 ^ (uint64_t)(uint32_t)x[1] << 28 ^ (uint32_t)x[0]);
    if (count == 2)
        return hashed(hash << 56 ^ (uint64_t)(uint32_t)x[0] << 28 ^ (uint32_t)x[1]);
    for (int64_t j = 0; j < count; j++)
        hash = hashed(hash ^ (uint32_t)x[j]) + 1;
    return hash;
}

static int does_the_same(const Program *made, int64_t i, int code, const int32_t *x, int64_t count)
{
    const int32_t *y = made->operands + made->starts[i];
    if (made->codes[i] != code || made->starts[i + 1] - made->starts[i] != count)
        return 0;
    return memcmp(x, y, count * sizeof *x) == 0 ||
           (count == 2 && facts_of[code].commutes && x[0] == y[1] && x[1] == y[0]);
}

/* A table of instructions. Each is looked for in a few places near the newest of its operands first, which others that
   read it have in the cache; then anywhere, by steps of its own, so that no place is crowded. That takes a third of the
   time of a plain hash table. */
typedef struct {
    uint32_t hash;  /* the rest of it: nearly always tells two apart without a look at them */
    int32_t number; /* + 1; 0 for none */
} Seen;

enum { NEAR = 8 };

/* The entry of an instruction that does the same, or where it is to be. */
static Seen *find(Seen *table, uint64_t mask, const Program *made, int code, const int32_t *x, int64_t count)
{
    uint64_t hash = hash_of(code, x, count);
    uint32_t rest = (uint32_t)(hash >> 32);
    int64_t newest = 0;
    for (int64_t j = 0; j < count; j++)
        newest = x[j] > newest ? x[j] : newest;
    for (uint64_t probe = 0;; probe++) {
        uint64_t at = probe < NEAR ? 2 * (uint64_t)newest + probe : hash + probe * (rest | 1);
        Seen *seen = &table[at & mask];
        if (seen->number == 0)
            seen->hash = rest;
        if (seen->number == 0 || (seen->hash == rest && does_the_same(made, seen->number - 1, code, x, count)))
            return seen;
    }
}

static int share(Builder *build, const Program *given)
{
    int32_t *place = build->place + given->inputs + given->constants;
    uint64_t size = 16;
    while (size < 2 * (uint64_t)given->count)
        size *= 2;
    Seen *table = PyMem_Calloc(size, sizeof *table);
    build->has_no_memory = table == NULL;
    builder_constants(build, given);
    for (int64_t i = 0; i < given->count && table != NULL; i++) {
        int code = given->codes[i];
        int64_t count = given->starts[i + 1] - given->starts[i];
        const int32_t *x = placed(build, given->operands + given->starts[i], count);
        Seen *seen = find(table, size - 1, &build->made, code, x, count);
        if (seen->number == 0) {
            builder_add(build, code, count);
            seen->number = (int32_t)build->made.count;
        }
        place[i] = (int32_t)given->inputs + seen->number - 1;
    }
    PyMem_Free(table);
    return 0;
}

static PyObject *share_common_subexpressions(PyObject *module, PyObject *program) { return rewritten(program, share); }

/* --- drop dead code --- */

static int drop(Builder *build, const Program *given)
{
    uint8_t *alive = build->marks;
    int64_t first = given->inputs + given->constants;
    for (int64_t j = 0; j < given->outputs; j++)
        alive[given->output[j]] = 1;
    for (int64_t j = 0; j < given->guards; j++)
        alive[given->guard[j]] = 1;
    for (int64_t i = given->count - 1; i >= 0; i--)
        for (int64_t j = given->starts[i]; j < given->starts[i + 1] && alive[first + i]; j++)
            alive[given->operands[j]] = 1;
    for (int64_t slot = given->inputs; slot < first; slot++)
        if (alive[slot])
            build->place[slot] = builder_constant(build, given->numbers[slot - given->inputs]);
    for (int64_t i = 0; i < given->count; i++)
        if (alive[first + i]) {
            int64_t count = given->starts[i + 1] - given->starts[i];
            placed(build, given->operands + given->starts[i], count);
            build->place[first + i] = builder_add(build, given->codes[i], count);
        }
    return 0;
}

static PyObject *drop_dead_code(PyObject *module, PyObject *program) { return rewritten(program, drop); }

PyMethodDef pass_functions[] = {
    {"fold_constants", fold_constants, METH_O, "Do operations on constants beforehand."},
    {"share_common_subexpressions", share_common_subexpressions, METH_O, "Do the same to the same once."},
    {"drop_dead_code", drop_dead_code, METH_O, "Leave out what no output and no guard depends on."},
    {NULL, NULL, 0, NULL},
};
