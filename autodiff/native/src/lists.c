/* Data and grads of lists of Values, which optimisers read and assign.

   A list may be changed by any Python code that runs: none does while its items are in use. */

#include "core.h"

/* numbers_of(values, name): the data of each, or the grad, a new list. */
static PyObject *numbers_of(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !PyList_CheckExact(args[0]))
        return plainly(core.numbers_of, args, given);
    Py_ssize_t count = PyList_GET_SIZE(args[0]);
    PyObject *numbers = PyList_New(count);
    int found = numbers != NULL && PyList_GET_SIZE(args[0]) == count; /* still: the collector may have run */
    for (Py_ssize_t i = 0; i < count && found; i++) {
        double *number = number_named(PyList_GET_ITEM(args[0], i), args[1]);
        PyObject *item = number == NULL ? NULL : PyFloat_FromDouble(*number);
        found = item != NULL;
        PyList_SET_ITEM(numbers, i, item);
    }
    if (found)
        return numbers;
    Py_XDECREF(numbers);
    return plainly(core.numbers_of, args, given);
}

/* Whether nothing ambient may refuse an assignment, and they are lists of one length, of Values and of floats. */
static int may_be_assigned(PyObject *values, PyObject *name, PyObject *numbers)
{
    int how = ambient();
    int found = (how == PLAIN || how == UNRECORDED) && PyList_CheckExact(values) && PyList_CheckExact(numbers) &&
                PyList_GET_SIZE(values) == PyList_GET_SIZE(numbers);
    for (Py_ssize_t i = 0; found && i < PyList_GET_SIZE(values); i++)
        found = number_named(PyList_GET_ITEM(values, i), name) != NULL &&
                PyFloat_CheckExact(PyList_GET_ITEM(numbers, i));
    return found;
}

/* assign_numbers(values, name, numbers): assign one to the data, or the grad, of each. */
static PyObject *assign_numbers(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 3 || !may_be_assigned(args[0], args[1], args[2]))
        return plainly(core.assign_numbers, args, given);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++)
        *number_named(PyList_GET_ITEM(args[0], i), args[1]) = PyFloat_AS_DOUBLE(PyList_GET_ITEM(args[2], i));
    Py_RETURN_NONE;
}

/* descend_by(values, rates): take rate * grad from the data of each. One that stands there twice moves once. */
static PyObject *descend_by(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !may_be_assigned(args[0], core.str_data, args[1]))
        return plainly(core.descend_by, args, given);
    Py_ssize_t count = PyList_GET_SIZE(args[0]);
    Node **nodes = (Node **)&PyList_GET_ITEM(args[0], 0);
    double *moved = PyMem_Malloc(count * sizeof(double));
    if (moved == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        moved[i] = nodes[i]->data - PyFloat_AS_DOUBLE(PyList_GET_ITEM(args[1], i)) * nodes[i]->grad;
    for (Py_ssize_t i = 0; i < count; i++)
        nodes[i]->data = moved[i];
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
