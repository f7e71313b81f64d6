/* The module autodiff.native.core: its types, the table of operations, and the hooks it is bound to. */

#include "compiler/compiler.h"

Core core;

/* --- the plain functions --- */

PyObject *plainly(PyObject *function, PyObject *const *args, Py_ssize_t count)
{
    return PyErr_Occurred() ? NULL : PyObject_Vectorcall(function, args, count, NULL);
}

PyObject *call_as_method(PyObject *function, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *method = PyMethod_New(function, self);
    PyObject *result = method == NULL ? NULL : PyObject_Vectorcall(method, args, count, names);
    Py_XDECREF(method);
    return result;
}

/* --- the type of nodes --- */

static Py_hash_t node_hash(PyObject *self) { return PyBaseObject_Type.tp_hash(self); } /* by identity */

static PyType_Slot node_slots[] = {
    {Py_tp_doc, "Node(data=0.0, op=None, operands=(), local_gradients=())\n--\n\nThe storage of a Value."},
    {Py_tp_new, node_new},
    {Py_tp_init, node_init},
    {Py_tp_dealloc, node_dealloc},
    {Py_tp_traverse, node_traverse},
    {Py_tp_clear, node_clear},
    {Py_tp_getset, node_attributes},
    {Py_tp_getattro, node_getattro},
    {Py_tp_setattro, node_setattro},
    {Py_tp_richcompare, node_compare},
    {Py_tp_hash, node_hash},
    {Py_nb_add, node_add},
    {Py_nb_subtract, node_subtract},
    {Py_nb_multiply, node_multiply},
    {Py_nb_true_divide, node_divide},
    {Py_nb_power, node_power},
    {Py_nb_negative, node_negative},
    {0, NULL},
};

static PyType_Spec node_spec = {
    .name = "autodiff.native.core.Node",
    .basicsize = sizeof(Node),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = node_slots,
};

/* --- binding --- */

#define BOUND(name) {#name, &core.name},

static const struct {
    const char *name;
    void *place; /* of a PyObject * in core */
} bindings[] = {{"value", &core.value}, {"sourced", &core.sourced}, HANDED_IN(BOUND)};

#define BINDINGS ((Py_ssize_t)(sizeof bindings / sizeof *bindings))

/* One that has room for more, or less, than a node could not be made of a freed node. */
static int is_class_of_nodes(PyObject *given, int has_room)
{
    PyTypeObject *kind = (PyTypeObject *)given;
    return PyType_Check(given) && PyType_IsSubtype(kind, core.node) &&
           (has_room || (kind->tp_basicsize == sizeof(Node) && !kind->tp_dictoffset && !kind->tp_weaklistoffset));
}

static int check_bindings(PyObject *given)
{
    for (Py_ssize_t i = 0; i < BINDINGS; i++)
        if (given == NULL || PyDict_GetItemString(given, bindings[i].name) == NULL) {
            PyErr_Format(PyExc_TypeError, "bind expects %s", bindings[i].name);
            return -1;
        }
    if (!is_class_of_nodes(PyDict_GetItemString(given, "value"), 0) ||
        !is_class_of_nodes(PyDict_GetItemString(given, "sourced"), 1) ||
        !PyFloat_Check(PyDict_GetItemString(given, "nothing"))) {
        PyErr_SetString(PyExc_TypeError, "bind expects Value to have no room for more than a node, NOTHING a float");
        return -1;
    }
    return 0;
}

/* bind(value=..., ...): the package, as the core knows it, and the hooks. Former ones are kept: they may be running. */
static PyObject *bind(PyObject *module, PyObject *args, PyObject *kwargs)
{
    if (check_bindings(kwargs) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < BINDINGS; i++)
        *(PyObject **)bindings[i].place = Py_NewRef(PyDict_GetItemString(kwargs, bindings[i].name));
    core.value->tp_dealloc = node_dealloc; /* past Python's own, which has slots and a __dict__ in mind */
    Py_RETURN_NONE;
}

/* answer_calls(kind, whether): have calls of the class Value, or of primitives, go to the core directly, by vectorcall.
   Below Python 3.12 a class does not inherit that, and from then on loses it when its __call__ is assigned. */
static PyObject *answer_calls(PyObject *module, PyObject *args)
{
    PyTypeObject *kind;
    int whether;
    if (!PyArg_ParseTuple(args, "O!p:answer_calls", &PyType_Type, &kind, &whether))
        return NULL;
    if (kind == core.value) {
        kind->tp_vectorcall = whether ? value_vectorcall : NULL;
        kind = Py_TYPE(kind);
    }
    else if (!PyType_IsSubtype(kind, core.operation))
        return PyErr_Format(PyExc_TypeError, "%.100s is neither Value nor a class of primitives", kind->tp_name);
    else
        Py_XSETREF(core.primitive, whether ? (PyTypeObject *)Py_NewRef((PyObject *)kind) : NULL);
    if (kind != &PyType_Type) {
        if (whether)
            kind->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        else
            kind->tp_flags &= ~Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified(kind);
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"bind", (PyCFunction)(void (*)(void))bind, METH_VARARGS | METH_KEYWORDS, "Hand in the package and the hooks."},
    {"answer_calls", answer_calls, METH_VARARGS, "Have calls of a class go to the core directly, or not."},
    {"dot_of_lists", (PyCFunction)(void (*)(void))dot_of_lists, METH_FASTCALL, "The node of dot(w, x), of lists."},
    {"enter", enter, METH_O, "Enter a primitive in the table of operations."},
    {NULL, NULL, 0, NULL},
};

/* --- the module --- */

#ifndef SOURCES
#define SOURCES ""
#endif

static PyMethodDef *const functions_of_files[] = {
    list_functions,
    backward_functions,
    program_functions,
    pass_functions,
    sum_functions,
    trace_functions,
    reroll_functions,
};

static int prepare(void)
{
    for (Py_ssize_t i = 0; i < BINDINGS; i++)
        *(PyObject **)bindings[i].place = Py_NewRef(Py_None);
    for (int i = 0; i < OTHER_OP; i++)
        core.operations[i] = Py_NewRef(Py_None);
    core.operation_count = FIRST_OTHER;
    core.empty = PyTuple_New(0);
    core.type_call = PyObject_GetAttrString((PyObject *)&PyType_Type, "__call__");
    core.str_data = PyUnicode_InternFromString("data");
    core.str_grad = PyUnicode_InternFromString("grad");
    core.operation = (PyTypeObject *)PyType_FromSpec(&operation_spec);
    if (PyErr_Occurred())
        return -1;
    core.node = (PyTypeObject *)PyType_FromSpec(&node_spec);
    return core.node == NULL ? -1 : 0;
}

/* All that is static belongs to the main interpreter. A second import into it finds the same types. */
static int execute(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "the native core serves the main interpreter alone");
        return -1;
    }
    if (core.node == NULL && prepare() < 0)
        return -1;
    for (size_t i = 0; i < sizeof functions_of_files / sizeof *functions_of_files; i++)
        if (PyModule_AddFunctions(module, functions_of_files[i]) < 0)
            return -1;
    if (PyModule_AddType(module, core.node) < 0 || PyModule_AddType(module, core.operation) < 0 ||
        add_runner(module) < 0 || add_bound(module) < 0 || add_tracer_types(module) < 0 || add_calls(module) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "sources", SOURCES);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "autodiff.native.core",
    .m_doc = "The storage of a Value, and the hottest operations on it.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_core(void) { return PyModuleDef_Init(&definition); }
