/* Nodes: what Python reads and assigns.

   Numbers and tuples are made when they are asked for, so that `x.operands` is a new tuple, equal to the last, each
   time. What is assigned is checked then and there. */

#include "core.h"

/* --- data and grad --- */

/* Where it is, by its name: "data" or "grad". */
static double *number_at(PyObject *self, const char *name)
{
    return *name == 'd' ? &((Node *)self)->data : &((Node *)self)->grad;
}

static PyObject *get_number(PyObject *self, void *name) { return PyFloat_FromDouble(*number_at(self, name)); }

static int refuse_deletion(PyObject *given, const char *name)
{
    if (given == NULL)
        PyErr_Format(PyExc_AttributeError, "%s of a Value cannot be deleted", name);
    return given == NULL ? -1 : 0;
}

static int set_number(PyObject *self, PyObject *given, void *name)
{
    if (refuse_deletion(given, name) < 0)
        return -1;
    int how = ambient();
    PyObject *taken = NULL;
    if ((how == PLAIN || how == UNRECORDED) && is_float(given))
        taken = Py_NewRef(given);
    else if (how >= 0)
        taken = PyObject_CallFunction(core.assign, "OsO", self, name, given);
    double number = taken == NULL ? -1.0 : PyFloat_AsDouble(taken);
    Py_XDECREF(taken);
    if (number == -1.0 && PyErr_Occurred())
        return -1;
    *number_at(self, name) = number;
    return 0;
}

/* --- label --- */

static PyObject *get_label(PyObject *self, void *closure)
{
    PyObject *label = ((Node *)self)->label;
    return label == NULL ? PyUnicode_FromString("") : Py_NewRef(label);
}

static int set_label(PyObject *self, PyObject *given, void *closure)
{
    Node *x = (Node *)self;
    if (refuse_deletion(given, "label") < 0)
        return -1;
    if (!PyUnicode_Check(given)) {
        Py_XDECREF(PyObject_CallOneArg(core.refuse_label, given)); /* raises */
        return -1;
    }
    if (!PyUnicode_CheckExact(given))
        track_with(x, given);
    PyObject *label = PyUnicode_GET_LENGTH(given) ? Py_NewRef(given) : NULL;
    Py_XSETREF(x->label, label);
    return 0;
}

/* --- how it was made --- */

static PyObject *op_of(Node *x) /* borrowed */
{
    if (x->op == NO_OP)
        return Py_None;
    return x->op == OTHER_OP ? x->block->op : core.operations[x->op];
}

static PyObject *get_op(PyObject *self, void *closure) { return Py_NewRef(op_of((Node *)self)); }

/* An empty tuple for each of the operands, and what is to be put there. To make a tuple may set off a collection, which
   may run any code, and that may lay out the node anew: then once more. */
static PyObject *tuple_for(Node *x, Record *record)
{
    for (;;) {
        Py_ssize_t count = operand_count(x);
        PyObject *tuple = PyTuple_New(count);
        if (tuple == NULL)
            return NULL;
        *record = record_of(x);
        if (record->count == count)
            return tuple;
        Py_DECREF(tuple);
    }
}

static PyObject *get_operands(PyObject *self, void *closure)
{
    if (((Node *)self)->is == FORGOTTEN)
        return Py_NewRef(core.forgotten);
    Record record;
    PyObject *operands = tuple_for((Node *)self, &record);
    for (Py_ssize_t i = 0; operands != NULL && i < record.count; i++)
        PyTuple_SET_ITEM(operands, i, Py_NewRef(record.operands[i]));
    return operands;
}

static PyObject *get_local_gradients(PyObject *self, void *closure)
{
    Node *x = (Node *)self;
    Record record;
    PyObject *gradients = tuple_for(x, &record);
    if (gradients != NULL && x->is == IN_A_BLOCK && x->block->gradients != NULL) {
        Py_DECREF(gradients);
        return Py_NewRef(x->block->gradients);
    }
    for (Py_ssize_t i = 0; gradients != NULL && i < record.count; i++) {
        PyObject *slope = is_nothing(x, &record, i) ? Py_NewRef(core.nothing) : PyFloat_FromDouble(record.slopes[i]);
        if (slope == NULL)
            Py_CLEAR(gradients);
        else
            PyTuple_SET_ITEM(gradients, i, slope);
    }
    return gradients;
}

static int check_operands(PyObject *operands)
{
    if (!PyTuple_Check(operands)) {
        PyErr_Format(PyExc_TypeError, "operands are a tuple of Values and floats, got %.100s",
                     Py_TYPE(operands)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(operands); i++) {
        PyObject *operand = PyTuple_GET_ITEM(operands, i);
        if (!PyFloat_CheckExact(operand) && !is_node(operand)) {
            PyErr_Format(PyExc_TypeError, "an operand is a Value or a float, got %.100s", Py_TYPE(operand)->tp_name);
            return -1;
        }
    }
    return 0;
}

/* Say anew how a node was made; NULL for what stays. */
int remake(Node *x, PyObject *op, PyObject *operands, PyObject *gradients)
{
    if (operands != NULL && check_operands(operands) < 0)
        return -1;
    if (is_traced((PyObject *)x)) {
        PyErr_SetString(PyExc_AttributeError, "how a traced number was made is not assigned");
        return -1;
    }
    int result = -1;
    op = Py_NewRef(op == NULL ? op_of(x) : op);
    operands = operands == NULL ? get_operands((PyObject *)x, NULL) : Py_NewRef(operands);
    gradients = gradients == NULL ? get_local_gradients((PyObject *)x, NULL) : Py_NewRef(gradients);
    if (operands != NULL && gradients != NULL)
        result = lay_out(x, op, &PyTuple_GET_ITEM(operands, 0), PyTuple_GET_SIZE(operands), gradients);
    if (result == 0 && operands == core.forgotten && x->is == PLAINLY_LAID_OUT)
        x->is = FORGOTTEN;
    Py_DECREF(op);
    Py_XDECREF(operands);
    Py_XDECREF(gradients);
    return result;
}

static int set_op(PyObject *self, PyObject *given, void *name)
{
    return refuse_deletion(given, name) < 0 ? -1 : remake((Node *)self, given, NULL, NULL);
}

static int set_operands(PyObject *self, PyObject *given, void *name)
{
    return refuse_deletion(given, name) < 0 ? -1 : remake((Node *)self, NULL, given, NULL);
}

static int set_local_gradients(PyObject *self, PyObject *given, void *name)
{
    return refuse_deletion(given, name) < 0 ? -1 : remake((Node *)self, NULL, NULL, given);
}

#define ATTRIBUTE(name, getter, setter, doc) {#name, getter, setter, doc, #name}

PyGetSetDef node_attributes[] = {
    ATTRIBUTE(data, get_number, set_number, "The number, a float."),
    ATTRIBUTE(grad, get_number, set_number, "d(root)/d(self) from `backward`, a float; accumulates in leaves."),
    ATTRIBUTE(label, get_label, set_label, "The name shown in drawings and repr."),
    ATTRIBUTE(op, get_op, set_op, "The Primitive that made it, None for a leaf."),
    ATTRIBUTE(operands, get_operands, set_operands,
              "What it was made from, in order: Values, and constants as floats."),
    ATTRIBUTE(local_gradients, get_local_gradients, set_local_gradients,
              "d(self)/d(operand), floats, in the order of the operands."),
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- by name --- */

PyObject *node_getattro(PyObject *self, PyObject *name)
{
    double *number = number_named(self, name);
    if (number != NULL)
        return PyFloat_FromDouble(*number);
    PyObject *found = PyObject_GenericGetAttr(self, name);
    if (found == NULL && core.missing != Py_None && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        found = PyObject_CallFunctionObjArgs(core.missing, self, name, NULL); /* raises, with advice */
    }
    return found;
}

int node_setattro(PyObject *self, PyObject *name, PyObject *given)
{
    double *number = number_named(self, name);
    int how = number != NULL && given != NULL && is_float(given) ? ambient() : SPECIAL;
    if (how == PLAIN || how == UNRECORDED) {
        *number = PyFloat_AS_DOUBLE(given);
        return 0;
    }
    return how < 0 ? -1 : PyObject_GenericSetAttr(self, name, given);
}
