/* The writer of a trace: `instructions` of trace/writer.py.

   Slots of constants are below 0 until it is known how many there are: number i is in -1 - i. */

#include "compiler.h"

#include <string.h>

typedef struct {
    PyObject *slots, *constants, *opcodes, *own; /* of Values from outside; by the bits of numbers; of primitives */
    PyObject *parts[5]; /* bytes: opcodes, starts, operands, slots of roots, numbers */
    int64_t inputs, constant_count, operand_count;
    int16_t code_by_number[OTHER_OP]; /* -1: not looked up yet */
} Writer;

enum { CODES, STARTS, OPERANDS, ROOTS, NUMBERS };

#define PART(kind, which) ((kind *)PyBytes_AS_STRING(writer->parts[which]))

/* What a dict has for a key, or the next number, which it has from then on; -1 with an error. The key is stolen. */
static int64_t numbered(PyObject *dict, PyObject *key, int64_t next)
{
    PyObject *new = PyLong_FromLongLong(next), *found = key && new ? PyDict_SetDefault(dict, key, new) : NULL;
    int64_t number = found == NULL ? -1 : PyLong_AsLongLong(found);
    Py_XDECREF(key);
    Py_XDECREF(new);
    return number;
}

/* The slot of a constant; 0 with an error. */
static int32_t constant(Writer *writer, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    int64_t i = numbered(writer->constants, PyLong_FromUnsignedLongLong(bits), writer->constant_count);
    if (i == writer->constant_count) {
        if ((i + 1) * 8 > PyBytes_GET_SIZE(writer->parts[NUMBERS]) &&
            _PyBytes_Resize(&writer->parts[NUMBERS], 16 * i) < 0)
            return 0;
        PART(double, NUMBERS)[writer->constant_count++] = number;
    }
    return (int32_t)(-1 - i);
}

/* The slot of an operand: 0 with an error. */
static int32_t slot_of(Writer *writer, PyObject *x)
{
    if (is_traced(x))
        return (int32_t)((Traced *)x)->index;
    PyObject *slot = is_node(x) ? PyDict_GetItemWithError(writer->slots, x) : NULL;
    if (slot != NULL || PyErr_Occurred())
        return slot == NULL ? 0 : (int32_t)PyLong_AsLong(slot);
    return constant(writer, is_node(x) ? ((Node *)x)->data : PyFloat_AsDouble(x));
}

/* The opcode of a node: -1 with an error. */
static int code_of(Writer *writer, Node *x)
{
    PyObject *op = x->op == OTHER_OP ? x->block->op : core.operations[x->op];
    int known = x->op == OTHER_OP ? -1 : writer->code_by_number[x->op];
    PyObject *found = known < 0 ? PyDict_GetItemWithError(writer->opcodes, op) : NULL;
    if (found != NULL)
        known = (int)PyLong_AsLong(found);
    else if (known < 0 && !PyErr_Occurred())
        known = (int)numbered(writer->own, Py_NewRef(op),
                              PyDict_GET_SIZE(writer->opcodes) + PyDict_GET_SIZE(writer->own));
    if (known > UINT16_MAX) {
        PyErr_SetString(PyExc_OverflowError, "more operations than a program can have");
        return -1;
    }
    if (x->op != OTHER_OP)
        writer->code_by_number[x->op] = (int16_t)known;
    return known;
}

/* Write the instruction of node i. */
static int add(Writer *writer, int64_t i, PyObject *node)
{
    Record record = record_of((Node *)node);
    int code = code_of(writer, (Node *)node);
    if (code < 0)
        return -1;
    PART(uint16_t, CODES)[i] = (uint16_t)code;
    for (Py_ssize_t k = 0; k < record.count; k++) {
        int32_t slot = slot_of(writer, record.operands[k]);
        if (slot == 0 && PyErr_Occurred())
            return -1;
        PART(int32_t, OPERANDS)[writer->operand_count++] = slot;
    }
    PART(int64_t, STARTS)[i + 1] = writer->operand_count;
    if (!is_traced(node))
        return numbered(writer->slots, Py_NewRef(node), writer->inputs + i) < 0 ? -1 : 0;
    ((Traced *)node)->index = writer->inputs + i;
    return 0;
}

/* Give slots their final place. */
static void place(Writer *writer, int which)
{
    int32_t *slots = PART(int32_t, which), first = (int32_t)(writer->inputs);
    for (Py_ssize_t i = 0; i < PyBytes_GET_SIZE(writer->parts[which]) / 4; i++)
        slots[i] = slots[i] < 0 ? first - 1 - slots[i]
                                : slots[i] + (slots[i] < first ? 0 : (int32_t)writer->constant_count);
}

/* The number of operands of all; -1 with an error where one is no node that an operation made. */
static int64_t operands_of(PyObject *nodes)
{
    int64_t count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes); i++) {
        PyObject *x = PyList_GET_ITEM(nodes, i);
        if (!is_node(x) || ((Node *)x)->op == NO_OP) {
            PyErr_SetString(PyExc_TypeError, "expected nodes that operations made");
            return -1;
        }
        count += operand_count((Node *)x);
    }
    return count;
}

static int write_all(Writer *writer, PyObject *nodes, PyObject *roots)
{
    Py_ssize_t count = PyList_GET_SIZE(nodes);
    int64_t operands = operands_of(nodes);
    if (operands < 0)
        return -1;
    if (writer->inputs < 0 || writer->inputs > INT32_MAX || writer->inputs + count + operands > INT32_MAX / 2) {
        PyErr_SetString(PyExc_OverflowError, "more numbers than a program can have");
        return -1;
    }
    Py_ssize_t sizes[] = {2 * count, 8 * count + 8, (Py_ssize_t)operands * 4, 4 * PyList_GET_SIZE(roots), 64};
    for (int i = 0; i < 5; i++)
        if ((writer->parts[i] = PyBytes_FromStringAndSize(NULL, sizes[i])) == NULL)
            return -1;
    PART(int64_t, STARTS)[0] = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (add(writer, i, PyList_GET_ITEM(nodes, i)) < 0)
            return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(roots) && !PyErr_Occurred(); i++)
        PART(int32_t, ROOTS)[i] = slot_of(writer, PyList_GET_ITEM(roots, i));
    if (PyErr_Occurred())
        return -1;
    place(writer, OPERANDS);
    place(writer, ROOTS);
    return _PyBytes_Resize(&writer->parts[NUMBERS], 8 * writer->constant_count);
}

/* instructions(nodes, roots, slots, inputs, opcodes): five arrays as bytes, and the primitives that have no opcode. */
PyObject *instructions(PyObject *module, PyObject *args)
{
    Writer writer = {.constants = PyDict_New(), .own = PyDict_New()};
    PyObject *nodes, *roots, *result = NULL, **parts = writer.parts;
    memset(writer.code_by_number, -1, sizeof writer.code_by_number);
    if (PyArg_ParseTuple(args, "O!O!O!LO!:instructions", &PyList_Type, &nodes, &PyList_Type, &roots, &PyDict_Type,
                         &writer.slots, &writer.inputs, &PyDict_Type, &writer.opcodes) &&
        writer.constants && writer.own && write_all(&writer, nodes, roots) == 0)
        result = Py_BuildValue("OOOOON", parts[0], parts[1], parts[2], parts[3], parts[4], PyDict_Keys(writer.own));
    for (int i = 0; i < 5; i++)
        Py_XDECREF(parts[i]);
    Py_XDECREF(writer.constants);
    Py_XDECREF(writer.own);
    return result;
}

/* strangers(nodes): the operands of tracers that are Values and no tracers, each once, in the order of first use. */
PyObject *strangers(PyObject *module, PyObject *nodes)
{
    PyObject *met = PyList_CheckExact(nodes) ? PyDict_New() : PyErr_Format(PyExc_TypeError, "strangers takes a list");
    for (Py_ssize_t i = 0; met != NULL && i < PyList_GET_SIZE(nodes); i++) {
        Node *x = (Node *)PyList_GET_ITEM(nodes, i);
        Record record = is_traced((PyObject *)x) ? record_of(x) : (Record){0};
        for (Py_ssize_t k = 0; met != NULL && k < record.count; k++)
            if (!PyFloat_CheckExact(record.operands[k]) && !is_traced(record.operands[k]) &&
                PyDict_SetItem(met, record.operands[k], Py_None) < 0)
                Py_CLEAR(met);
    }
    PyObject *list = met == NULL ? NULL : PyDict_Keys(met);
    Py_XDECREF(met);
    return list;
}
