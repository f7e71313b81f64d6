/* Programs as arrays, read from Python and given back; and programs being written, by passes.

   Nothing that is read is trusted: slots, starts and opcodes of a program are looked at once, here. */

#include "builder.h"

int16_t operation_of[MOST_OPCODES], opcode_of[OP_COUNT];
Facts facts_of[MOST_OPCODES];
static PyObject *type_of_arrays;

/* --- opcodes --- */

#define NAMED(name) #name,
static const char *const names[] = {OPERATIONS(NAMED)};

static int16_t operation_named(const char *name)
{
    for (int16_t i = 0; i < OP_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static int facts_read(Facts *facts, const char **name, PyObject *row)
{
    PyObject *unit[2];
    if (!PyTuple_Check(row)) {
        PyErr_SetString(PyExc_TypeError, "bind_opcodes expects a tuple for each opcode");
        return -1;
    }
    if (!PyArg_ParseTuple(row, "sOiippOOK:bind_opcodes", name, &facts->primitive, &facts->arity, &facts->parity,
                          &facts->commutes, &facts->is_involution, &unit[0], &unit[1], &facts->choosing))
        return -1;
    for (int side = 0; side < 2; side++) {
        facts->has_unit[side] = unit[side] != Py_None;
        facts->unit[side] = facts->has_unit[side] ? PyFloat_AsDouble(unit[side]) : 0.0;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* bind_opcodes(rows): a row for each opcode, in order: the name of its primitive, the primitive, how many operands it
   has or -1, their parity or -1, whether it commutes, whether it undoes itself, its units on the left and on the right,
   bits for operands that choose. Former primitives are kept: they may be running. */
static PyObject *bind_opcodes(PyObject *module, PyObject *rows)
{
    Facts facts[MOST_OPCODES] = {0};
    int16_t operations[MOST_OPCODES], opcodes[OP_COUNT];
    const char *name;
    if (!PyTuple_Check(rows) || PyTuple_GET_SIZE(rows) > MOST_OPCODES)
        return PyErr_Format(PyExc_TypeError, "bind_opcodes expects a tuple of at most %d opcodes", MOST_OPCODES);
    memset(operations, -1, sizeof operations);
    memset(opcodes, -1, sizeof opcodes);
    for (int16_t code = 0; code < PyTuple_GET_SIZE(rows); code++) {
        if (facts_read(&facts[code], &name, PyTuple_GET_ITEM(rows, code)) < 0)
            return NULL;
        operations[code] = operation_named(name);
        if (operations[code] < 0)
            return PyErr_Format(PyExc_ValueError, "no machine runs %s", name);
        opcodes[operations[code]] = code;
    }
    for (int i = 0; i < OP_COUNT; i++)
        if (opcodes[i] < 0)
            return PyErr_Format(PyExc_ValueError, "bind_opcodes got no opcode for %s", names[i]);
    for (int code = 0; code < PyTuple_GET_SIZE(rows); code++)
        Py_INCREF(facts[code].primitive);
    memcpy(facts_of, facts, sizeof facts);
    memcpy(operation_of, operations, sizeof operations);
    memcpy(opcode_of, opcodes, sizeof opcodes);
    Py_RETURN_NONE;
}

int operation_with(int64_t code, int64_t count)
{
    if (code < 0 || code >= MOST_OPCODES || count < 1)
        return -1;
    const Facts *facts = &facts_of[code];
    int fits = facts->arity >= 0 ? count == facts->arity : facts->parity < 0 || (count & 1) == facts->parity;
    return fits ? operation_of[code] : -1;
}

/* --- programs, read and given back --- */

enum { INPUTS, VARYING, CONSTANTS, CODES, STARTS, OPERANDS, OUTPUTS, GUARDS, EXPECTED, PRIMITIVES, FIELDS };

static int refuse(const char *fault)
{
    PyErr_Format(PyExc_ValueError, "expected a program that can run, got one %s", fault);
    return -1;
}

/* A copy of an array of this kind of numbers, with room for one more. */
static void *read_array(PyObject *from, const char *kind, Py_ssize_t size, int64_t *count)
{
    Py_buffer view;
    if (PyObject_GetBuffer(from, &view, PyBUF_CONTIG_RO | PyBUF_FORMAT) < 0)
        return NULL;
    char *copy = NULL;
    if (view.format == NULL || strcmp(view.format, kind) != 0 || view.itemsize != size)
        refuse("whose arrays have numbers of another kind");
    else if ((copy = PyMem_Calloc(1, view.len + size)) == NULL)
        PyErr_NoMemory();
    else if (view.len > 0)
        memcpy(copy, view.buf, view.len);
    *count = view.len / size;
    PyBuffer_Release(&view);
    return copy;
}

static int check_slots(const int32_t *slots, int64_t count, int64_t end)
{
    int32_t found = 0;
    for (int64_t i = 0; i < count; i++)
        found |= slots[i] < 0 || slots[i] >= end;
    return found ? refuse("which reads a slot that it has not, or not yet") : 0;
}

static int check(const Program *program, int64_t starts)
{
    int64_t first = program->inputs + program->constants, slots = first + program->count;
    if (program->inputs < 0 || slots > INT32_MAX / 4)
        return refuse("with too many slots");
    if (starts != program->count + 1 || program->starts[0] != 0 ||
        program->starts[program->count] != program->operand_count)
        return refuse("whose instructions do not share out the operands");
    for (int64_t i = 0; i < program->count; i++) {
        int64_t start = program->starts[i], stop = program->starts[i + 1];
        if (start > stop || stop > program->operand_count)
            return refuse("whose instructions do not share out the operands");
        if (operation_with(program->codes[i], stop - start) < 0)
            return refuse("with an operation that is not known, or of too many numbers or too few");
        if (check_slots(program->operands + start, stop - start, first + i) < 0)
            return -1;
    }
    if (check_slots(program->output, program->outputs, slots) < 0)
        return -1;
    return check_slots(program->guard, program->guards, slots);
}

static int read_parts(Program *program, PyObject *from)
{
    PyObject **fields = &PyTuple_GET_ITEM(from, 0);
    int64_t starts;
    int overflow;
    program->inputs = PyLong_AsLongLongAndOverflow(fields[INPUTS], &overflow);
    if (overflow)
        return refuse("with too many slots");
    if ((program->inputs == -1 && PyErr_Occurred()) ||
        !(program->numbers = read_array(fields[CONSTANTS], "d", 8, &program->constants)) ||
        !(program->codes = read_array(fields[CODES], "H", 2, &program->count)) ||
        !(program->starts = read_array(fields[STARTS], "q", 8, &starts)) ||
        !(program->operands = read_array(fields[OPERANDS], "i", 4, &program->operand_count)) ||
        !(program->output = read_array(fields[OUTPUTS], "i", 4, &program->outputs)) ||
        !(program->guard = read_array(fields[GUARDS], "i", 4, &program->guards)))
        return -1;
    if (!PyBytes_Check(fields[VARYING]) || PyBytes_GET_SIZE(fields[VARYING]) != program->inputs ||
        !PyBytes_Check(fields[EXPECTED]) || PyBytes_GET_SIZE(fields[EXPECTED]) != program->guards)
        return refuse("with bytes for other inputs or guards");
    return check(program, starts);
}

int program_read(Program *program, PyObject *from)
{
    *program = (Program){0};
    if (!PyTuple_Check(from) || PyTuple_GET_SIZE(from) != FIELDS) {
        PyErr_Format(PyExc_TypeError, "expected a Program, got %.100s", Py_TYPE(from)->tp_name);
        return -1;
    }
    PyObject *primitives = PyTuple_GET_ITEM(from, PRIMITIVES);
    if (!PyTuple_Check(primitives) || PyTuple_GET_SIZE(primitives) > 0)
        return 1;
    int failed = read_parts(program, from);
    if (failed)
        program_free(program);
    return failed;
}

void program_free(Program *program)
{
    void *parts[] = {program->numbers,  program->codes,  program->starts,
                     program->operands, program->output, program->guard};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        PyMem_Free(parts[i]);
    *program = (Program){0};
}

PyObject *array_given(const char *kind, const void *numbers, int64_t size)
{
    if (type_of_arrays == NULL) {
        PyObject *module = PyImport_ImportModule("array");
        type_of_arrays = module == NULL ? NULL : PyObject_GetAttrString(module, "array");
        Py_XDECREF(module);
    }
    PyObject *view = PyMemoryView_FromMemory((char *)numbers, (Py_ssize_t)size, PyBUF_READ);
    PyObject *array = view == NULL || type_of_arrays == NULL ? NULL : PyObject_CallFunction(type_of_arrays, "s", kind);
    PyObject *none = array == NULL ? NULL : PyObject_CallMethod(array, "frombytes", "O", view); /* the only copy */
    if (none == NULL)
        Py_CLEAR(array);
    Py_XDECREF(none);
    Py_XDECREF(view);
    return array;
}

PyObject *program_given(const Program *program, PyObject *like)
{
    const struct {
        int field;
        const char *kind;
        const void *numbers;
        int64_t size;
    } arrays[] = {
        {CONSTANTS, "d", program->numbers, program->constants * 8},
        {CODES, "H", program->codes, program->count * 2},
        {STARTS, "q", program->starts, program->count * 8 + 8},
        {OPERANDS, "i", program->operands, program->operand_count * 4},
        {OUTPUTS, "i", program->output, program->outputs * 4},
        {GUARDS, "i", program->guard, program->guards * 4},
    };
    PyObject *fields = PyTuple_New(FIELDS), *result = NULL;
    if (fields == NULL)
        return NULL;
    for (int i = 0; i < FIELDS; i++)
        PyTuple_SET_ITEM(fields, i, Py_NewRef(PyTuple_GET_ITEM(like, i)));
    int made = 1;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && made; i++) {
        PyObject *array = array_given(arrays[i].kind, arrays[i].numbers, arrays[i].size);
        made = array != NULL && PyTuple_SetItem(fields, arrays[i].field, array) == 0;
    }
    if (made)
        result = PyObject_Call((PyObject *)Py_TYPE(like), fields, NULL);
    Py_DECREF(fields);
    return result;
}

/* --- programs being written --- */

static int builder_new(Builder *build, const Program *given)
{
    int64_t count = given->count, slots = given->inputs + given->constants + count;
    *build = (Builder){.constant_room = 8};
    while (build->constant_room < given->constants + 2)
        build->constant_room *= 2;
    Program *made = &build->made;
    made->inputs = given->inputs;
    made->outputs = given->outputs;
    made->guards = given->guards;
    if (!(made->numbers = PyMem_Calloc(build->constant_room, 8)) ||
        !(build->constant_table = PyMem_Calloc(2 * build->constant_room, 4)) ||
        !(made->codes = PyMem_Malloc(2 * count * 2 + 1)) || !(made->starts = PyMem_Malloc((2 * count + 1) * 8)) ||
        !(made->operands = PyMem_Malloc((2 * given->operand_count + 3 * count + 1) * 4)) ||
        !(made->output = PyMem_Malloc(made->outputs * 4 + 1)) || !(made->guard = PyMem_Malloc(made->guards * 4 + 1)) ||
        !(build->place = PyMem_Calloc(slots + 1, 4)) || !(build->marks = PyMem_Calloc(slots + 1, 1))) {
        PyErr_NoMemory();
        return -1;
    }
    made->starts[0] = 0;
    for (int32_t i = 0; i < given->inputs; i++)
        build->place[i] = i;
    return 0;
}

static void builder_free(Builder *build)
{
    program_free(&build->made);
    PyMem_Free(build->place);
    PyMem_Free(build->marks);
    PyMem_Free(build->constant_table);
}

/* The place in the table of a constant that is there, or is to be. */
static int32_t *place_of_constant(const Builder *build, double number)
{
    uint64_t bits, mask = 2 * (uint64_t)build->constant_room - 1;
    memcpy(&bits, &number, sizeof bits);
    uint64_t at = hashed(bits) & mask;
    while (build->constant_table[at] != 0 &&
           memcmp(&build->made.numbers[build->constant_table[at] - 1], &number, sizeof number) != 0)
        at = (at + 1) & mask;
    return &build->constant_table[at];
}

/* Twice the room for constants. */
static int make_room(Builder *build)
{
    int64_t room = 2 * build->constant_room;
    double *numbers = PyMem_Realloc(build->made.numbers, room * 8);
    build->made.numbers = numbers == NULL ? build->made.numbers : numbers;
    int32_t *table = numbers == NULL ? NULL : PyMem_Calloc(2 * room, 4);
    if (table == NULL)
        return -1;
    PyMem_Free(build->constant_table);
    build->constant_table = table;
    build->constant_room = room;
    for (int32_t i = 0; i < build->made.constants; i++)
        *place_of_constant(build, numbers[i]) = i + 1;
    return 0;
}

int32_t builder_constant(Builder *build, double number)
{
    Program *made = &build->made;
    if (made->constants == build->constant_room && make_room(build) < 0) {
        build->has_no_memory = 1;
        return -1;
    }
    int32_t *place = place_of_constant(build, number);
    if (*place == 0) {
        made->numbers[made->constants++] = number;
        *place = (int32_t)made->constants;
    }
    return -*place;
}

void builder_constants(Builder *build, const Program *given)
{
    for (int64_t i = 0; i < given->constants; i++)
        build->place[given->inputs + i] = builder_constant(build, given->numbers[i]);
}

int32_t *placed(Builder *build, const int32_t *x, int64_t count)
{
    int32_t *here = operands_here(build);
    for (int64_t j = 0; j < count; j++)
        here[j] = build->place[x[j]];
    return here;
}

/* The final slot: inputs, then constants, then instructions. */
static inline int32_t final(const Program *made, int32_t slot)
{
    if (slot < 0)
        return (int32_t)made->inputs - 1 - slot;
    return slot < made->inputs ? slot : slot + (int32_t)made->constants;
}

static void builder_finish(Builder *build, const Program *given)
{
    Program *made = &build->made;
    for (int64_t j = 0; j < made->operand_count; j++)
        made->operands[j] = final(made, made->operands[j]);
    for (int64_t j = 0; j < made->outputs; j++)
        made->output[j] = final(made, build->place[given->output[j]]);
    for (int64_t j = 0; j < made->guards; j++)
        made->guard[j] = final(made, build->place[given->guard[j]]);
}

PyObject *rewritten(PyObject *from, int (*pass)(Builder *build, const Program *given))
{
    Program given;
    int left_to_python = program_read(&given, from);
    if (left_to_python != 0)
        return left_to_python < 0 ? NULL : Py_NewRef(Py_NotImplemented);
    Builder build;
    PyObject *result = NULL;
    int failed = builder_new(&build, &given) < 0 || pass(&build, &given) < 0;
    if (!failed && build.has_no_memory)
        PyErr_NoMemory();
    else if (!failed) {
        builder_finish(&build, &given);
        result = program_given(&build.made, from);
    }
    builder_free(&build);
    program_free(&given);
    return result;
}

PyMethodDef program_functions[] = {
    {"bind_opcodes", bind_opcodes, METH_O, "Hand in the table of operations of programs."},
    {NULL, NULL, 0, NULL},
};
