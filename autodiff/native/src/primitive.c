/* The call of a primitive on Values and numbers. */

#include "core.h"

#include <structmember.h>

static PyObject *operation_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    PyObject *given[9] = {self}, *result;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (names == NULL && count <= 8) {
        for (Py_ssize_t i = 0; i < count; i++)
            given[i + 1] = args[i];
        return PyObject_Vectorcall(core.apply, given, count + 1, NULL);
    }
    PyObject *method = PyMethod_New(core.apply, self);
    if (method == NULL)
        return NULL;
    result = PyObject_Vectorcall(method, args, nargsf & ~PY_VECTORCALL_ARGUMENTS_OFFSET, names);
    Py_DECREF(method);
    return result;
}

static PyObject *operation_new(PyTypeObject *kind, PyObject *args, PyObject *kwargs)
{
    Operation *self = (Operation *)kind->tp_alloc(kind, 0);
    if (self != NULL)
        self->vectorcall = operation_vectorcall;
    return (PyObject *)self;
}

static int operation_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Operation *)self)->evaluate);
    Py_VISIT(((Operation *)self)->partials);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int operation_clear(PyObject *self)
{
    Py_CLEAR(((Operation *)self)->evaluate);
    Py_CLEAR(((Operation *)self)->partials);
    return 0;
}

static void operation_dealloc(PyObject *self)
{
    PyTypeObject *kind = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    operation_clear(self);
    kind->tp_free(self);
    Py_DECREF(kind);
}

static PyMemberDef operation_members[] = {
    {"evaluate", T_OBJECT_EX, offsetof(Operation, evaluate), 0, "The value, from floats."},
    {"partials", T_OBJECT_EX, offsetof(Operation, partials), 0, "The rules of the local gradients."},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Operation, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot operation_slots[] = {
    {Py_tp_doc, "An operation that can be called on numbers and Values."},
    {Py_tp_new, operation_new},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, operation_traverse},
    {Py_tp_clear, operation_clear},
    {Py_tp_dealloc, operation_dealloc},
    {Py_tp_members, operation_members},
    {0, NULL},
};

PyType_Spec operation_spec = {
    .name = "autodiff.native.core.Operation",
    .basicsize = sizeof(Operation),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = operation_slots,
};

/* --- the table --- */

static const char *const hot[] = {"", "add", "sub", "mul", "div", "neg", "pow", "dot", "sum"}; /* by number */

/* enter(primitive): number it. */
PyObject *enter(PyObject *module, PyObject *primitive)
{
    if (!PyObject_TypeCheck(primitive, core.operation))
        return PyErr_Format(PyExc_TypeError, "enter takes a primitive, got %.100s", Py_TYPE(primitive)->tp_name);
    Operation *self = (Operation *)primitive;
    PyObject *name = PyObject_GetAttrString(primitive, "name");
    if (name == NULL)
        return NULL;
    int number = NO_OP;
    for (int i = 1; i < FIRST_OTHER && PyUnicode_Check(name); i++)
        if (PyUnicode_CompareWithASCIIString(name, hot[i]) == 0)
            number = i;
    Py_DECREF(name);
    if (number == NO_OP)
        number = self->number ? self->number : core.operation_count < OTHER_OP ? core.operation_count++ : NO_OP;
    if (number != NO_OP) {
        self->number = number;
        Py_XSETREF(core.operations[number], Py_NewRef(primitive));
    }
    Py_RETURN_NONE;
}
