/* Leaves: Value(...), and what an operation makes that is not recorded. */

#include "core.h"

/* The leaf itself, which is stolen, once the logs that are under way know of it: there rarely are any. */
static PyObject *logged(Node *leaf)
{
    PyObject *logs, *result = NULL;
    if (leaf == NULL || PyContextVar_Get(core.logs, core.empty, &logs) < 0) {
        Py_XDECREF((PyObject *)leaf);
        return NULL;
    }
    if (PyTuple_CheckExact(logs) && PyTuple_GET_SIZE(logs) == 0)
        result = Py_NewRef(Py_None);
    else
        result = PyObject_CallFunction(core.put, "((O))", leaf);
    Py_DECREF(logs);
    if (result == NULL)
        Py_CLEAR(leaf);
    Py_XDECREF(result);
    return (PyObject *)leaf;
}

PyObject *result_leaf(double data)
{
    Node *x = new_node(data);
    if (x == NULL)
        return NULL;
    x->is = FORGOTTEN;
    return logged(x);
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

/* --- Value(data), Value(data, label) --- */

/* The number and the label of an ordinary call of Value: a float or an int, and perhaps a str. Or NULL. */
static Node *ordinary_leaf(PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 2 || (!is_float(args[0]) && !PyLong_CheckExact(args[0])) ||
        (count == 2 && !PyUnicode_CheckExact(args[1])))
        return NULL;
    int mode = ambient();
    if (mode != PLAIN && mode != UNRECORDED) /* inside no_grad a leaf is what it is elsewhere */
        return NULL;
    double data = PyFloat_AsDouble(args[0]);
    if (data == -1.0 && PyErr_Occurred()) {
        PyErr_Clear(); /* too large an int: __init__ says so */
        return NULL;
    }
    Node *x = new_node(data);
    if (x != NULL && count == 2 && PyUnicode_GET_LENGTH(args[1]))
        x->label = Py_NewRef(args[1]);
    return x;
}

/* The call of the class Value, and of its subclasses. Whatever is out of the ordinary goes by __new__ and __init__. */
PyObject *value_vectorcall(PyObject *kind, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Node *x = names == NULL && (PyTypeObject *)kind == core.value ? ordinary_leaf(args, count) : NULL;
    if (x != NULL || PyErr_Occurred())
        return logged(x);
    return call_as_method(core.type_call, kind, args, count, names);
}
