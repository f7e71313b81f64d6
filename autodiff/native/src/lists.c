/* Data and grads of lists of Values, which optimisers read and assign.

   A list may be changed by any Python code that runs. So its items are read, and references to them taken, before
   anything is done that could run some. */

#include "core.h"

static int is_list(PyObject *x) { return PyList_CheckExact(x) || PyTuple_CheckExact(x); }

/* What the plain function gives, where things are out of the ordinary; NULL if an error has occurred already. */
static PyObject *plainly(PyObject *function, PyObject *const *args, Py_ssize_t given)
{
    return PyErr_Occurred() ? NULL : PyObject_Vectorcall(function, args, given, NULL);
}

/* Whether it is a list of so many Values. */
static int are_values(PyObject *values, Py_ssize_t count)
{
    if (PySequence_Fast_GET_SIZE(values) != count)
        return 0;
    PyObject **items = PySequence_Fast_ITEMS(values);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_value(items[i]))
            return 0;
    return 1;
}

/* Whether they are lists of one length, of Values and of floats, and nothing ambient may refuse an assignment. */
static int may_be_assigned(PyObject *values, PyObject *numbers)
{
    int how = ambient();
    if (how < 0 || how == SPECIAL || !is_list(values) || !is_list(numbers))
        return 0;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(numbers);
    PyObject **items = PySequence_Fast_ITEMS(numbers);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!PyFloat_CheckExact(items[i]))
            return 0;
    return are_values(values, count);
}

static inline double *number_of(PyObject *value, PyObject *name)
{
    return name == core.str_grad ? &((Node *)value)->grad : &((Node *)value)->data;
}

/* numbers_of(values, name): the data of each, or the grad, a new list. */
static PyObject *numbers_of(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !is_list(args[0]) || (args[1] != core.str_data && args[1] != core.str_grad))
        return plainly(core.numbers_of, args, given);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(args[0]);
    PyObject *numbers = PyList_New(count);
    if (numbers == NULL || !are_values(args[0], count)) { /* by now: the collector may have run */
        Py_XDECREF(numbers);
        return plainly(core.numbers_of, args, given);
    }
    PyObject **items = PySequence_Fast_ITEMS(args[0]);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *number = PyFloat_FromDouble(*number_of(items[i], args[1]));
        if (number == NULL) {
            Py_DECREF(numbers);
            return NULL;
        }
        PyList_SET_ITEM(numbers, i, number);
    }
    return numbers;
}

/* assign_numbers(values, name, numbers): assign one to the data, or the grad, of each. */
static PyObject *assign_numbers(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 3 || (args[1] != core.str_data && args[1] != core.str_grad) || !may_be_assigned(args[0], args[2]))
        return plainly(core.assign_numbers, args, given);
    PyObject **items = PySequence_Fast_ITEMS(args[0]), **numbers = PySequence_Fast_ITEMS(args[2]);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(args[0]); i++)
        *number_of(items[i], args[1]) = PyFloat_AS_DOUBLE(numbers[i]);
    Py_RETURN_NONE;
}

/* descend_by(values, rates): take rate * grad from the data of each. One that stands there twice moves once. */
static PyObject *descend_by(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !may_be_assigned(args[0], args[1]))
        return plainly(core.descend_by, args, given);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(args[0]);
    PyObject **items = PySequence_Fast_ITEMS(args[0]), **rates = PySequence_Fast_ITEMS(args[1]);
    double *moved = PyMem_Malloc(count * sizeof(double));
    if (moved == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        moved[i] = ((Node *)items[i])->data - PyFloat_AS_DOUBLE(rates[i]) * ((Node *)items[i])->grad;
    for (Py_ssize_t i = 0; i < count; i++)
        ((Node *)items[i])->data = moved[i];
    PyMem_Free(moved);
    Py_RETURN_NONE;
}

#define OF_ARGUMENTS(f) (PyCFunction)(void (*)(void))f, METH_FASTCALL

PyMethodDef list_functions[] = {
    {"numbers_of", OF_ARGUMENTS(numbers_of), "The data or the grads of Values."},
    {"assign_numbers", OF_ARGUMENTS(assign_numbers), "Assign data or grads to Values."},
    {"descend_by", OF_ARGUMENTS(descend_by), "Take rate * grad from the data of each Value."},
    {NULL, NULL, 0, NULL},
};
