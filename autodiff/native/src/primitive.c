/* The call of a primitive on Values and numbers: by its kernel, if it has one; else by its rules, which are functions
   of floats, in Python. These may do anything meanwhile: the node that is being made is known to nobody. */

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
        else if (!is_float(args[i]) && !PyLong_CheckExact(args[i]) && !PyBool_Check(args[i]))
            return OTHERS;
    }
    return kind;
}

/* Put operands into a node from `at` on, floats for other numbers, and their numbers where there is room for them: in
   the place of the slopes. */
static int put_operands(Node *x, Py_ssize_t at, PyObject *const *args, Py_ssize_t count)
{
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *operand = is_value(args[i]) ? Py_NewRef(args[i]) : PyNumber_Float(args[i]);
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

/* --- by rules --- */

static int has_rules(Operation *self, Py_ssize_t count)
{
    int overflow; /* an arity too large for a long is no count, and no error */
    return self->evaluate != NULL && self->partials != NULL && PyTuple_CheckExact(self->partials) &&
           PyTuple_GET_SIZE(self->partials) == count && self->arity != NULL && PyLong_CheckExact(self->arity) &&
           PyLong_AsLongAndOverflow(self->arity, &overflow) == count;
}

/* What rules are given: room for the value, and the numbers that stand in the place of slopes. */
static PyObject *given_to_rules(Record record)
{
    PyObject *given = PyTuple_New(record.count + 1);
    for (Py_ssize_t i = 0; given != NULL && i <= record.count; i++) {
        PyObject *item = i == 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(record.slopes[i - 1]);
        if (item == NULL)
            Py_CLEAR(given);
        else
            PyTuple_SET_ITEM(given, i, item);
    }
    return given;
}

static int is_zero(PyObject *x) { return PyFloat_CheckExact(x) && PyFloat_AS_DOUBLE(x) == 0.0; }

/* A list of local gradients; NULL, perhaps with an error, where one is no float, or may be a structural zero. */
static PyObject *read_rules(Operation *self, PyObject *given, Record record)
{
    PyObject *rules = Py_XNewRef(self->partials), *gradients = has_rules(self, record.count) ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; gradients != NULL && i < record.count; i++) {
        PyObject *rule = PyTuple_GET_ITEM(rules, i), *const *args = &PyTuple_GET_ITEM(given, 0);
        PyObject *gradient = PyObject_Vectorcall(rule, args, record.count + 1, NULL);
        int is_plain = gradient != NULL && PyFloat_CheckExact(gradient) && !is_zero(gradient);
        if (!(is_plain || (gradient != NULL && gradient == core.nothing)) || is_zero(record.operands[i]) ||
            PyList_Append(gradients, gradient) < 0)
            Py_CLEAR(gradients);
        Py_XDECREF(gradient);
    }
    Py_XDECREF(rules);
    return gradients;
}

/* The local gradients; by the table's careful reading, where that answers what a rule raises, too. */
static PyObject *gradients_of(Operation *self, PyObject *given, Node *x)
{
    PyObject *gradients = read_rules(self, given, record_of(x)), *result = NULL;
    if (gradients != NULL)
        result = PyList_AsTuple(gradients);
    else if (PyErr_ExceptionMatches(PyExc_ArithmeticError) || PyErr_ExceptionMatches(PyExc_ValueError))
        PyErr_Clear();
    Py_XDECREF(gradients);
    PyObject *operands = result == NULL && !PyErr_Occurred() ? PyObject_GetAttrString((PyObject *)x, "operands") : NULL;
    if (operands != NULL)
        result = PyObject_CallFunctionObjArgs(core.local_gradients, self, given, operands, NULL);
    Py_XDECREF(operands);
    return result;
}

/* The result of rules for a node with these operands. */
static PyObject *by_rules(Operation *self, Node *x, PyObject *given, int how)
{
    PyObject *evaluate = Py_NewRef(self->evaluate), *gradients = NULL;
    PyObject *value = PyObject_Vectorcall(evaluate, &PyTuple_GET_ITEM(given, 1), operand_count(x), NULL);
    Py_DECREF(evaluate);
    if (value == NULL || how == NUMBER)
        return value;
    Py_SETREF(PyTuple_GET_ITEM(given, 0), value);
    x->data = PyFloat_AsDouble(value);
    if (x->data != -1.0 || !PyErr_Occurred())
        gradients = gradients_of(self, given, x);
    int result = gradients == NULL ? -1 : remake(x, NULL, NULL, gradients);
    Py_XDECREF(gradients);
    return result < 0 ? NULL : Py_NewRef((PyObject *)x);
}

/* --- tracers --- */

/* Whether it takes so many operands, as far as a trace need know. */
static int may_take(Operation *self, Py_ssize_t count)
{
    int overflow;
    if (self->evaluate == NULL || self->arity == NULL || count == 0)
        return 0;
    return self->arity == Py_None ||
           (PyLong_CheckExact(self->arity) && PyLong_AsLongAndOverflow(self->arity, &overflow) == count);
}

/* The number that `evaluate` gives; -1.0 with an error. */
static double evaluated(Operation *self, Record record)
{
    PyObject *given = given_to_rules(record), *evaluate = Py_NewRef(self->evaluate);
    PyObject *value = NULL;
    if (given != NULL)
        value = PyObject_Vectorcall(evaluate, &PyTuple_GET_ITEM(given, 1), record.count, NULL);
    double number = value == NULL ? -1.0 : PyFloat_AsDouble(value);
    Py_DECREF(evaluate);
    Py_XDECREF(given);
    Py_XDECREF(value);
    return number;
}

/* What a trace notes of a call, its number computed as ever; NULL, perhaps with an error, where Python is to be
   asked. */
static PyObject *traced(Operation *self, PyObject *const *args, Py_ssize_t count)
{
    Node *x = may_take(self, count) ? tracer_of((PyObject *)self, args, count) : NULL;
    if (x == NULL)
        return NULL;
    Record record = record_of(x);
    x->data = has_kernel(self, count) ? self->kernel->value(record.slopes, count) : evaluated(self, record);
    if (x->data == -1.0 && PyErr_Occurred()) {
        Py_DECREF((PyObject *)x);
        return NULL;
    }
    return noted(x);
}

/* --- the call --- */

static PyObject *ruled(Operation *self, Node *x, int how)
{
    PyObject *given = given_to_rules(record_of(x)), *result = NULL;
    if (given != NULL && Py_EnterRecursiveCall(" in a primitive") == 0) {
        result = by_rules(self, x, given, how);
        Py_LeaveRecursiveCall();
    }
    Py_XDECREF(given);
    Py_DECREF(x);
    return result;
}

PyObject *operation_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Operation *self = (Operation *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    int kind = names == NULL && Py_TYPE(self) == core.primitive ? kind_of(args, count) : OTHERS;
    int how = kind == VALUES ? ambient() : kind == NUMBERS ? NUMBER : SPECIAL;
    if (how < 0)
        return NULL;
    if (kind == OTHERS && names == NULL && Py_TYPE(self) == core.primitive) {
        PyObject *tracer = traced(self, args, count);
        if (tracer != NULL || PyErr_Occurred())
            return tracer;
    }
    int is_kernel = has_kernel(self, count);
    if (how == SPECIAL || !(is_kernel || (how != UNRECORDED && has_rules(self, count))))
        return call_as_method(core.apply, callable, args, count, names);
    Node *x = roomy_node(callable, count);
    if (x == NULL || put_operands(x, 0, args, count) < 0) {
        Py_XDECREF(x);
        return NULL;
    }
    return is_kernel ? computed(self->kernel, x, how) : ruled(self, x, how);
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
