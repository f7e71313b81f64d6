/* Leaves: Value(...), lists of leaves, and what an operation makes that is not recorded. */

#include "core.h"

/* --- logs --- */

/* Tell the logs that are under way, which is rare, of new leaves: a sequence. */
static int log_leaves(PyObject *leaves)
{
    PyObject *result = PyObject_CallOneArg(core.put, leaves);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int are_logs(void)
{
    PyObject *logs;
    if (PyContextVar_Get(core.logs, core.empty, &logs) < 0)
        return -1;
    int found = !PyTuple_CheckExact(logs) || PyTuple_GET_SIZE(logs) > 0;
    Py_DECREF(logs);
    return found;
}

/* The leaf itself, once the logs know it. It is stolen. */
static PyObject *logged(PyObject *leaf)
{
    int found = leaf == NULL ? 0 : are_logs();
    if (found > 0) {
        PyObject *leaves = PyTuple_Pack(1, leaf);
        found = leaves == NULL ? -1 : log_leaves(leaves);
        Py_XDECREF(leaves);
    }
    if (found < 0)
        Py_CLEAR(leaf);
    return leaf;
}

PyObject *result_leaf(double data)
{
    Node *x = new_node(data);
    if (x == NULL)
        return NULL;
    x->is = FORGOTTEN;
    return logged((PyObject *)x);
}

/* --- storage --- */

/* Node.__new__(kind): a blank leaf. Those of other classes than Value are known to the collector from the start. */
PyObject *node_new(PyTypeObject *kind, PyObject *args, PyObject *kwargs)
{
    if (kind == core.value)
        return (PyObject *)new_node(0.0);
    Node *x = (Node *)kind->tp_alloc(kind, 0);
    if (x != NULL)
        x->is_tracked = 1;
    return (PyObject *)x;
}

/* Node.__init__(node, data=0.0, op=None, operands=(), local_gradients=(), grad=0.0) */
int node_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "op", "operands", "local_gradients", "grad", NULL};
    double data = 0.0, grad = 0.0;
    PyObject *op = Py_None, *operands = core.empty, *gradients = core.empty;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|dOOOd:Node", names, &data, &op, &operands, &gradients, &grad) ||
        remake((Node *)self, op, operands, gradients) < 0)
        return -1;
    ((Node *)self)->data = data;
    ((Node *)self)->grad = grad;
    return 0;
}

/* --- Value(data), Value(data, label), Value(data, label=label) --- */

static int is_label(PyObject *names)
{
    return PyTuple_GET_SIZE(names) == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "label") == 0;
}

/* Whether a call of Value is the ordinary one, with a float and perhaps a label that is a str. */
static int is_ordinary(PyObject *kind, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if ((PyTypeObject *)kind != core.value || count < 1 || (names != NULL && !is_label(names)))
        return 0;
    Py_ssize_t given = count + (names != NULL);
    return given <= 2 && PyFloat_CheckExact(args[0]) && (given == 1 || PyUnicode_CheckExact(args[1])) &&
           ambient() == PLAIN;
}

static PyObject *ordinary_leaf(PyObject *data, PyObject *label)
{
    Node *x = new_node(PyFloat_AS_DOUBLE(data));
    if (x == NULL)
        return NULL;
    if (label != NULL && PyUnicode_GET_LENGTH(label))
        x->label = Py_NewRef(label);
    return logged((PyObject *)x);
}

static PyObject *keywords(PyObject *names, PyObject *const *values)
{
    PyObject *keywords = PyDict_New();
    for (Py_ssize_t i = 0; keywords != NULL && names != NULL && i < PyTuple_GET_SIZE(names); i++)
        if (PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), values[i]) < 0)
            Py_CLEAR(keywords);
    return keywords;
}

PyObject *tuple_of(PyObject *const *items, Py_ssize_t count)
{
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
    return tuple;
}

/* The call of the class Value, and of its subclasses. Whatever is out of the ordinary goes by __new__ and __init__. */
PyObject *value_vectorcall(PyObject *kind, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (is_ordinary(kind, args, count, names))
        return ordinary_leaf(args[0], count + (names != NULL) == 2 ? args[1] : NULL);
    if (PyErr_Occurred())
        return NULL;
    PyObject *result = NULL, *given = tuple_of(args, count), *named = keywords(names, args + count);
    if (given != NULL && named != NULL)
        result = PyType_Type.tp_call(kind, given, named);
    Py_XDECREF(given);
    Py_XDECREF(named);
    return result;
}

/* --- functions of the module --- */

static PyObject *leaves_of_floats(PyObject *numbers) /* a tuple, which nobody changes */
{
    PyObject *leaves = PyList_New(PyTuple_GET_SIZE(numbers));
    if (leaves == NULL)
        return NULL;
    PyObject_GC_UnTrack(leaves); /* a collection may run any code, which is not to find it half empty */
    for (Py_ssize_t i = 0; leaves != NULL && i < PyTuple_GET_SIZE(numbers); i++) {
        PyObject *leaf = (PyObject *)new_node(PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(numbers, i)));
        if (leaf == NULL)
            Py_CLEAR(leaves);
        else
            PyList_SET_ITEM(leaves, i, leaf);
    }
    if (leaves != NULL)
        PyObject_GC_Track(leaves);
    return leaves;
}

static int are_floats(PyObject *numbers)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(numbers); i++)
        if (!PyFloat_CheckExact(PyTuple_GET_ITEM(numbers, i)))
            return 0;
    return 1;
}

/* leaves_of(numbers): a leaf for each of a list of floats. */
static PyObject *leaves_of(PyObject *module, PyObject *given)
{
    int found = ambient();
    if (found < 0)
        return NULL;
    if (found != PLAIN || !PyList_CheckExact(given))
        return PyObject_CallOneArg(core.leaves_of, given);
    PyObject *numbers = PyList_AsTuple(given);
    if (numbers == NULL)
        return NULL;
    PyObject *leaves = are_floats(numbers) ? leaves_of_floats(numbers) : PyObject_CallOneArg(core.leaves_of, numbers);
    if (leaves != NULL && are_floats(numbers) && ((found = are_logs()) < 0 || (found && log_leaves(leaves) < 0)))
        Py_CLEAR(leaves);
    Py_DECREF(numbers);
    return leaves;
}

PyMethodDef leaf_functions[] = {
    {"leaves_of", leaves_of, METH_O, "A leaf for each of a list of floats."},
    {NULL, NULL, 0, NULL},
};
