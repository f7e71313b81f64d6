/* The call of a primitive on Values and numbers: by its kernel, if it has one; else by rules, which Python reads. */

#include "core.h"

/* Whether it is as the package made it, and has a kernel for so many operands. */
static int has_kernel(Operation *self, Py_ssize_t count)
{
    const Kernel *kernel = self->kernel;
    if (kernel == NULL || self->evaluate != self->its_evaluate ||
        self->partials != self->its_partials || self->arity != self->its_arity)
        return 0;
    if (kernel->count == PAIRS)
        return count > 2 && count % 2 == 0;
    return count > 0 && (kernel->count == count || kernel->count == 0);
}

enum { NUMBERS, VALUES, OTHERS }; /* numbers alone; Values, too; anything else, too */

static int kind_of(PyObject *const *args, Py_ssize_t count)
{
    int kind = NUMBERS;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (is_value(args[i]))
            kind = VALUES;
        else if (!PyFloat_CheckExact(args[i]) && !PyLong_CheckExact(args[i]) && !PyBool_Check(args[i]))
            return OTHERS;
    }
    return kind;
}

/* Put operands into a node from `at` on, floats for ints and bools, and their numbers where there is room for them: in
   the place of the slopes. */
static int put_operands(Node *x, Py_ssize_t at, PyObject *const *args, Py_ssize_t count)
{
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *operand = PyLong_Check(args[i]) ? PyNumber_Float(args[i]) : Py_NewRef(args[i]);
        if (operand == NULL)
            return -1;
        record.operands[at + i] = operand;
        record.slopes[at + i] = is_value(operand) ? ((Node *)operand)->data : PyFloat_AS_DOUBLE(operand);
    }
    return 0;
}

enum { NUMBER = SPECIAL + 1 }; /* how the result of numbers alone is recorded: not at all, it is a float */

/* The result of a kernel for a node with these operands, which is stolen. */
static PyObject *computed(const Kernel *kernel, Node *x, int how)
{
    Record record = record_of(x);
    double data = x->data = kernel->value(record.slopes, record.count);
    if (how == PLAIN) {
        kernel->slopes(data, record.slopes, record.count, record.slopes, record.nothing);
        for (Py_ssize_t i = 0; i < record.count; i++)
            track_with(x, record.operands[i]); /* only now: an int that is too large leaves a node half-made */
        return (PyObject *)x;
    }
    Py_DECREF(x);
    return how == NUMBER ? PyFloat_FromDouble(data) : result_leaf(data);
}

PyObject *operation_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Operation *self = (Operation *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    int kind = names == NULL && Py_TYPE(self) == core.primitive ? kind_of(args, count) : OTHERS;
    int how = kind == VALUES ? ambient() : kind == NUMBERS ? NUMBER : SPECIAL;
    if (how < 0)
        return NULL;
    if (how == SPECIAL || !has_kernel(self, count))
        return call_as_method(core.apply, callable, args, count, names);
    Node *x = roomy_node(callable, count);
    if (x != NULL && put_operands(x, 0, args, count) == 0)
        return computed(self->kernel, x, how);
    Py_XDECREF(x);
    return NULL;
}

/* dot_of_lists(w, x): `functions.dot_of_lists`, the hottest of all. Lists may change while the node is made. */
PyObject *dot_of_lists(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    Operation *dot = (Operation *)core.operations[DOT];
    int are_lists = given == 2 && PyList_CheckExact(args[0]) && PyList_CheckExact(args[1]);
    Py_ssize_t half = are_lists ? PyList_GET_SIZE(args[0]) : 0;
    Node *x = NULL;
    if (ambient() == PLAIN && are_lists && has_kernel(dot, 2 * half))
        x = roomy_node((PyObject *)dot, 2 * half);
    if (x == NULL || PyList_GET_SIZE(args[0]) != half || PyList_GET_SIZE(args[1]) != half) {
        Py_XDECREF(x);
        return plainly(core.dot_of_lists, args, given);
    }
    PyObject **left = &PyList_GET_ITEM(args[0], 0), **right = &PyList_GET_ITEM(args[1], 0);
    int kind = kind_of(left, half), other = kind_of(right, half);
    if (kind == OTHERS || other == OTHERS || kind + other == 2 * NUMBERS || put_operands(x, 0, left, half) < 0 ||
        put_operands(x, half, right, half) < 0) {
        Py_DECREF(x);
        return plainly(core.dot_of_lists, args, given);
    }
    return computed(dot->kernel, x, PLAIN);
}
