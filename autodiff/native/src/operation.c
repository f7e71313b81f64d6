/* The type of primitives, and the table of them. */

#include "core.h"

#include <string.h>
#include <structmember.h>

/* --- the type --- */

static PyObject *operation_new(PyTypeObject *kind, PyObject *args, PyObject *kwargs)
{
    Operation *self = (Operation *)kind->tp_alloc(kind, 0);
    if (self != NULL)
        self->vectorcall = operation_vectorcall;
    return (PyObject *)self;
}

static int operation_traverse(PyObject *self, visitproc visit, void *arg)
{
    Operation *operation = (Operation *)self;
    Py_VISIT(operation->evaluate);
    Py_VISIT(operation->partials);
    Py_VISIT(operation->arity);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int operation_clear(PyObject *self)
{
    Operation *operation = (Operation *)self;
    Py_CLEAR(operation->evaluate);
    Py_CLEAR(operation->partials);
    Py_CLEAR(operation->arity);
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
    {"arity", T_OBJECT_EX, offsetof(Operation, arity), 0, "How many operands, or None when it varies."},
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

static const char *const hot[FIRST_OTHER] = {"", "add", "sub", "mul", "div", "neg", "pow", "dot"}; /* by number */

static int number_by(const char *name)
{
    for (int i = 1; i < FIRST_OTHER; i++)
        if (strcmp(name, hot[i]) == 0)
            return i;
    return core.operation_count < OTHER_OP ? core.operation_count++ : NO_OP;
}

static const Kernel *kernel_by(const char *name)
{
    const Kernel *kernel = kernels;
    while (kernel->name != NULL && strcmp(name, kernel->name) != 0)
        kernel++;
    return kernel->name == NULL ? NULL : kernel;
}

/* enter(primitive): number it, and find its kernel, which stands for the rules that it has now. */
PyObject *enter(PyObject *module, PyObject *primitive)
{
    if (!PyObject_TypeCheck(primitive, core.operation))
        return PyErr_Format(PyExc_TypeError, "enter takes a primitive, got %.100s", Py_TYPE(primitive)->tp_name);
    Operation *self = (Operation *)primitive;
    PyObject *name = PyObject_GetAttrString(primitive, "name");
    const char *text = name == NULL ? NULL : PyUnicode_AsUTF8(name);
    if (text != NULL && self->number == NO_OP) {
        self->number = number_by(text);
        self->kernel = kernel_by(text);
        self->its_evaluate = Py_XNewRef(self->evaluate); /* for good, as is all that the table holds */
        self->its_partials = Py_XNewRef(self->partials);
        self->its_arity = Py_XNewRef(self->arity);
        if (self->number != NO_OP)
            core.operations[self->number] = Py_NewRef(primitive);
    }
    Py_XDECREF(name);
    return text == NULL ? NULL : Py_NewRef(Py_None);
}
