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

/* --- by a kernel --- */

static int has_kernel(Operation *self, Py_ssize_t count)
{
    const Kernel *kernel = self->kernel;
    return kernel != NULL && self->evaluate == self->its_evaluate && self->partials == self->its_partials &&
           count > 0 &&
           (kernel->count == count || kernel->count == 0 ||
            (kernel->count == PAIRS && count > 2 && count % 2 == 0));
}

/* Put operands into a node from `at` on, and their numbers where there is room for them: in the place of the slopes. */
static void put_operands(Node *x, Py_ssize_t at, PyObject *const *args, Py_ssize_t count)
{
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < count; i++) {
        record.operands[at + i] = Py_NewRef(args[i]);
        record.slopes[at + i] = number_of(args[i]);
        track_with(x, args[i]);
    }
}

/* The result of a kernel for a node with these operands, which is stolen. */
static PyObject *computed(const Kernel *kernel, Node *x, int how)
{
    Record record = record_of(x);
    double data = x->data = kernel->value(record.slopes, record.count);
    if (how == PLAIN) {
        kernel->slopes(data, record.slopes, record.count, record.slopes, record.nothing);
        return (PyObject *)x;
    }
    Py_DECREF(x);
    return how == NUMBER ? PyFloat_FromDouble(data) : result_leaf(data);
}

static PyObject *by_kernel(Operation *self, PyObject *const *args, Py_ssize_t count, int how)
{
    Node *x = roomy_node((PyObject *)self, count);
    if (x == NULL)
        return NULL;
    put_operands(x, 0, args, count);
    return computed(self->kernel, x, how);
}

/* Whether they are lists of floats and Values, and there are some of both or Values alone. */
static int are_factors(PyObject *w, PyObject *x, Py_ssize_t half)
{
    if (!PyList_CheckExact(w) || !PyList_CheckExact(x) || PyList_GET_SIZE(w) != half || PyList_GET_SIZE(x) != half)
        return 0;
    int one = kind_of(&PyList_GET_ITEM(w, 0), half), other = kind_of(&PyList_GET_ITEM(x, 0), half);
    return (one == VALUES && other <= VALUES) || (other == VALUES && one == FLOATS);
}

/* dot_of_lists(w, x): `functions.dot_of_lists`, the hottest of all. Lists may change while a node is made. */
PyObject *dot_of_lists(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    Operation *dot = (Operation *)core.operations[DOT];
    Py_ssize_t half = given == 2 && PyList_CheckExact(args[0]) ? PyList_GET_SIZE(args[0]) : 0;
    int how = ambient();
    Node *x = NULL;
    if (how == PLAIN && has_kernel(dot, 2 * half))
        x = roomy_node((PyObject *)dot, 2 * half);
    if (x != NULL && are_factors(args[0], args[1], half)) {
        put_operands(x, 0, &PyList_GET_ITEM(args[0], 0), half);
        put_operands(x, half, &PyList_GET_ITEM(args[1], 0), half);
        return computed(dot->kernel, x, how);
    }
    Py_XDECREF(x);
    return plainly(core.dot_of_lists, args, given);
}

/* --- by the rules --- */

static PyObject *tuple_of(PyObject *const *items, Py_ssize_t count)
{
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
    return tuple;
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

static PyObject *evaluated(Operation *self, PyObject *const *numbers, Py_ssize_t count)
{
    PyObject *rule = Py_XNewRef(self->evaluate);
    if (rule == NULL)
        return PyErr_Format(PyExc_AttributeError, "evaluate");
    PyObject *data = PyObject_Vectorcall(rule, numbers, count, NULL);
    Py_DECREF(rule);
    return data;
}

/* Each rule gives one local gradient: a tuple of them, or NULL, with an error if a rule had one. They take the places
   of the numbers: a rule may find the tuple meanwhile, by way of the collector, and read it. */
static PyObject *read_each(PyObject *rules, PyObject *given)
{
    Py_ssize_t count = PyTuple_GET_SIZE(rules), size = PyTuple_GET_SIZE(given);
    PyObject *gradients = count == size - 1 ? PyTuple_GetSlice(given, 1, size) : NULL;
    for (Py_ssize_t i = 0; gradients != NULL && i < count; i++) {
        PyObject *gradient = PyObject_Vectorcall(PyTuple_GET_ITEM(rules, i), &PyTuple_GET_ITEM(given, 0), size, NULL);
        if (gradient == NULL)
            Py_CLEAR(gradients);
        else
            Py_SETREF(PyTuple_GET_ITEM(gradients, i), gradient);
    }
    return gradients;
}

/* One rule gives them all, as a list, a tuple, or one by one. Or NULL, without an error for anything else. */
static PyObject *read_all(PyObject *rule, PyObject *given)
{
    PyObject *gradients = NULL, *result = PyObject_Call(rule, given, NULL);
    if (result != NULL && (PyList_CheckExact(result) || PyTuple_CheckExact(result) || PyGen_CheckExact(result)))
        gradients = PySequence_Tuple(result);
    Py_XDECREF(result);
    return gradients;
}

/* Whether local gradients are what any reading of the rules gives: floats, one for each operand, and none of them a zero
   that only a reading with Values tells from a structural one. */
static int are_plain(Operation *self, PyObject *gradients, PyObject *const *args, Py_ssize_t count)
{
    int found = are_slopes(gradients, count);
    for (Py_ssize_t i = 0; found && i < count && self->scales != Py_False; i++) {
        PyObject *slope = PyTuple_GET_ITEM(gradients, i);
        found = (PyFloat_AS_DOUBLE(slope) != 0.0 || slope == core.nothing) &&
                !(PyFloat_CheckExact(args[i]) && PyFloat_AS_DOUBLE(args[i]) == 0.0);
    }
    return found;
}

/* The local gradients, by the rules; by the plain function, where they are out of the ordinary. */
static PyObject *gradients_of(Operation *self, PyObject *const *args, Py_ssize_t count, PyObject *given)
{
    PyObject *rules = Py_XNewRef(self->partials), *gradients = NULL; /* NULL: evaluate has deleted them */
    int is_float = PyFloat_CheckExact(PyTuple_GET_ITEM(given, 0));
    if (is_float && rules != NULL && PyTuple_CheckExact(rules))
        gradients = read_each(rules, given);
    else if (is_float && rules != NULL && PyCallable_Check(rules))
        gradients = read_all(rules, given);
    Py_XDECREF(rules);
    if (gradients != NULL && are_plain(self, gradients, args, count))
        return gradients;
    Py_XDECREF(gradients);
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_ArithmeticError) && !PyErr_ExceptionMatches(PyExc_ValueError))
            return NULL;
        PyErr_Clear(); /* a reading with Values answers that */
    }
    PyObject *operands = tuple_of(args, count), *numbers = PyTuple_GetSlice(given, 1, count + 1);
    gradients = NULL;
    if (operands != NULL && numbers != NULL)
        gradients = PyObject_CallFunctionObjArgs(core.local_gradients, self, PyTuple_GET_ITEM(given, 0), operands,
                                                 numbers, NULL);
    Py_XDECREF(operands);
    Py_XDECREF(numbers);
    return gradients;
}

static PyObject *recorded(Operation *self, PyObject *const *args, Py_ssize_t count, PyObject *given, double data)
{
    PyObject *gradients = gradients_of(self, args, count, given);
    Node *x = gradients == NULL ? NULL : new_node(data);
    if (x != NULL && lay_out(x, (PyObject *)self, args, count, gradients) < 0)
        Py_CLEAR(x);
    Py_XDECREF(gradients);
    return (PyObject *)x;
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
            result = how == PLAIN ? recorded(self, args, count, given, data) : result_leaf(data);
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
