/* The call of a primitive on Values and numbers.

   A kernel computes it, where there is one; else the rules do, which are Python functions of floats. They may do
   anything meanwhile: reassign themselves, change lists and Values, raise. So whatever they are given is held on to, and
   the node that is being made is known to nobody until it is whole. */

#include "core.h"

/* --- operands --- */

enum { FLOATS, VALUES, WHOLE_NUMBERS, OTHERS }; /* floats alone; Values, too; ints or bools, too; anything else, too */

static int kind_of(PyObject *const *args, Py_ssize_t count)
{
    int is_any_value = 0, is_any_whole = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (is_value(args[i]))
            is_any_value = 1;
        else if (PyLong_CheckExact(args[i]) || PyBool_Check(args[i]))
            is_any_whole = 1;
        else if (!PyFloat_CheckExact(args[i]))
            return OTHERS;
    }
    return is_any_whole ? WHOLE_NUMBERS : is_any_value ? VALUES : FLOATS;
}

enum { NUMBER = SPECIAL + 1 }; /* how the result of floats alone is recorded: not at all, it is a float */

static double number_of(PyObject *operand)
{
    return is_value(operand) ? ((Node *)operand)->data : PyFloat_AS_DOUBLE(operand);
}

/* --- the node that is being made --- */

/* One on these operands, with neither data nor slopes yet. */
static Node *unfinished(Operation *self, PyObject *const *args, Py_ssize_t count)
{
    Node *x = new_node(0.0);
    if (x != NULL && note(x, (PyObject *)self, args, count, 1) < 0)
        Py_CLEAR(x);
    return x;
}

static PyObject *finished(Node *x, double data)
{
    x->data = data;
    track_with_all(x);
    return (PyObject *)x;
}

/* --- by a kernel --- */

static int has_kernel(Operation *self, Py_ssize_t count)
{
    const Kernel *kernel = self->kernel;
    return kernel != NULL && self->evaluate == self->its_evaluate && self->partials == self->its_partials &&
           (kernel->count == count || (kernel->count == 0 && count > 0));
}

static PyObject *by_kernel(Operation *self, PyObject *const *args, Py_ssize_t count, int how)
{
    const Kernel *kernel = self->kernel;
    Node *x = unfinished(self, args, count);
    if (x == NULL)
        return NULL;
    Record record = record_of(x);
    double *numbers = record.slopes; /* there is room for them, before there are slopes */
    for (Py_ssize_t i = 0; i < count; i++)
        numbers[i] = number_of(args[i]);
    double data = kernel->value(numbers, count);
    if (how == PLAIN) {
        kernel->slopes(data, numbers, count, record.slopes, record.nothing);
        return finished(x, data);
    }
    Py_DECREF(x);
    return how == NUMBER ? PyFloat_FromDouble(data) : result_leaf(data);
}

/* --- by the rules --- */

/* After an error in a rule: 0 for one that its reading with Values answers, -1 for any other. */
static int is_answered(void)
{
    if (!PyErr_ExceptionMatches(PyExc_ArithmeticError) && !PyErr_ExceptionMatches(PyExc_ValueError))
        return -1;
    PyErr_Clear();
    return 0;
}

/* Each rule gives one local gradient. 1 if all are floats, 0 if not, -1 with an error. So do the next two. */
static int read_each(PyObject *rules, PyObject *const *given, Record record)
{
    for (Py_ssize_t i = 0; i < record.count; i++) {
        PyObject *gradient = PyObject_Vectorcall(PyTuple_GET_ITEM(rules, i), given, record.count + 1, NULL);
        if (gradient == NULL)
            return is_answered();
        int found = read_slope(gradient, &record.slopes[i], &record.nothing[i]);
        Py_DECREF(gradient);
        if (!found)
            return 0;
    }
    return 1;
}

/* One rule gives them all, as a list, a tuple, or one by one. */
static int read_all(PyObject *rule, PyObject *const *given, Record record)
{
    PyObject *result = PyObject_Vectorcall(rule, given, record.count + 1, NULL);
    PyObject *gradients = NULL;
    if (result != NULL && (PyList_CheckExact(result) || PyTuple_CheckExact(result) || PyGen_CheckExact(result)))
        gradients = PySequence_Tuple(result);
    Py_XDECREF(result);
    if (gradients == NULL)
        return PyErr_Occurred() ? is_answered() : 0;
    int found = are_slopes(gradients, record.count) && read_slopes(gradients, record);
    Py_DECREF(gradients);
    return found;
}

/* Whether a slope may be a structural zero that only a reading with Values tells from a zero that was computed. */
static int is_subtle(Record record)
{
    for (Py_ssize_t i = 0; i < record.count; i++)
        if ((record.slopes[i] == 0.0 && !record.nothing[i]) ||
            (PyFloat_CheckExact(record.operands[i]) && PyFloat_AS_DOUBLE(record.operands[i]) == 0.0))
            return 1;
    return 0;
}

static int read_rules(Operation *self, PyObject *const *given, Record record)
{
    int found = 0;
    PyObject *rules = Py_XNewRef(self->partials);
    if (rules == NULL)
        return 0; /* evaluate has deleted them */
    if (!PyTuple_CheckExact(rules))
        found = PyCallable_Check(rules) ? read_all(rules, given, record) : 0;
    else if (PyTuple_GET_SIZE(rules) == record.count)
        found = read_each(rules, given, record);
    Py_DECREF(rules);
    return found > 0 && self->scales != Py_False && is_subtle(record) ? 0 : found;
}

static PyObject *tuple_of(PyObject *const *items, Py_ssize_t count)
{
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
    return tuple;
}

/* The plain way: whatever local gradients the table gives. */
static int read_plainly(Operation *self, PyObject *given, Node *x)
{
    Record record = record_of(x);
    PyObject *operands = tuple_of(record.operands, record.count), *gradients = NULL;
    PyObject *numbers = PyTuple_GetSlice(given, 1, record.count + 1), *data = PyTuple_GET_ITEM(given, 0);
    if (operands != NULL && numbers != NULL)
        gradients = PyObject_CallFunctionObjArgs(core.local_gradients, self, data, operands, numbers, NULL);
    int found = gradients == NULL ? -1 : remake(x, NULL, NULL, gradients);
    Py_XDECREF(gradients);
    Py_XDECREF(operands);
    Py_XDECREF(numbers);
    return found;
}

static PyObject *recorded(Operation *self, PyObject *const *args, PyObject *given, double data)
{
    Node *x = unfinished(self, args, PyTuple_GET_SIZE(given) - 1);
    if (x == NULL)
        return NULL;
    int found = 0;
    if (PyFloat_CheckExact(PyTuple_GET_ITEM(given, 0)))
        found = read_rules(self, &PyTuple_GET_ITEM(given, 0), record_of(x));
    if (found == 0)
        found = read_plainly(self, given, x);
    if (found < 0) {
        Py_DECREF(x);
        return NULL;
    }
    return finished(x, data);
}

static PyObject *evaluated(Operation *self, PyObject *const *numbers, Py_ssize_t count)
{
    PyObject *rule = Py_XNewRef(self->evaluate);
    if (rule == NULL)
        return PyErr_Format(PyExc_AttributeError, "evaluate");
    PyObject *data = PyObject_Vectorcall(rule, numbers, count, NULL);
    Py_DECREF(rule);
    return data;
}

/* What rules are given: room for the value, and the numbers. */
static PyObject *given_to_rules(PyObject *const *args, Py_ssize_t count)
{
    PyObject *given = PyTuple_New(count + 1);
    for (Py_ssize_t i = 0; given != NULL && i <= count; i++) {
        PyObject *item = i == 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(number_of(args[i - 1]));
        if (item == NULL)
            Py_CLEAR(given);
        else
            PyTuple_SET_ITEM(given, i, item);
    }
    return given;
}

static PyObject *by_rules(Operation *self, PyObject *const *args, Py_ssize_t count, int how)
{
    if (how == NUMBER)
        return evaluated(self, args, count);
    PyObject *given = given_to_rules(args, count), *result = NULL;
    PyObject *value = given == NULL ? NULL : evaluated(self, &PyTuple_GET_ITEM(given, 1), count);
    if (value != NULL) {
        Py_SETREF(PyTuple_GET_ITEM(given, 0), value);
        double data = PyFloat_AsDouble(value);
        if (data != -1.0 || !PyErr_Occurred())
            result = how == PLAIN ? recorded(self, args, given, data) : result_leaf(data);
    }
    Py_XDECREF(given);
    return result;
}

/* --- the call --- */

/* The call with floats in the place of ints and bools. */
static PyObject *with_floats(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *operands = tuple_of(args, count), *result = NULL;
    for (Py_ssize_t i = 0; operands != NULL && i < count; i++) {
        PyObject *operand = PyLong_Check(args[i]) ? PyNumber_Float(args[i]) : Py_NewRef(args[i]);
        if (operand == NULL)
            Py_CLEAR(operands);
        else
            PyTuple_SetItem(operands, i, operand);
    }
    if (operands != NULL)
        result = operation_vectorcall(self, &PyTuple_GET_ITEM(operands, 0), count, NULL);
    Py_XDECREF(operands);
    return result;
}

/* Whether it is a primitive as the package makes them, asked for as many operands as it takes. */
static int takes(Operation *self, Py_ssize_t count)
{
    int overflow;
    if (Py_TYPE(self) != core.primitive || !self->evaluate || !self->arity)
        return 0;
    return self->arity == Py_None ||
           (PyLong_CheckExact(self->arity) && PyLong_AsLongAndOverflow(self->arity, &overflow) == count);
}

PyObject *operation_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Operation *self = (Operation *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    int kind = names == NULL && takes(self, count) ? kind_of(args, count) : OTHERS;
    if (kind == WHOLE_NUMBERS)
        return with_floats(callable, args, count);
    int how = kind == VALUES ? ambient() : kind == FLOATS ? NUMBER : SPECIAL;
    if (how < 0)
        return NULL;
    if (how == SPECIAL)
        return call_as_method(core.apply, callable, args, count, names);
    if (has_kernel(self, count))
        return by_kernel(self, args, count, how);
    if (Py_EnterRecursiveCall(" in a primitive"))
        return NULL;
    PyObject *result = by_rules(self, args, count, how);
    Py_LeaveRecursiveCall();
    return result;
}
