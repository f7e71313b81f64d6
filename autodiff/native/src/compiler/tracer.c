/* Tracers: the numbers of a trace, and operations on them, noted where all is ordinary.

   That is: the trace records all operations now, with their gradients, and the operands are its tracers, leaves and
   numbers. For all else Python is asked, as ever (`Trace.apply`), and notes the same. */

#include "compiler.h"

#include <string.h>
#include <structmember.h>

/* --- owners --- */

enum { RECORDING = 0, READING = 3, IS_SETTLED = 6, MODE_COUNT = 7 }; /* items of `modes.Mode` */

static int is_under_way(Owner *owner)
{
    return owner->guard != NULL && ((PyWeakReference *)owner->guard)->wr_object != Py_None;
}

/* Whether the trace of an owner records all operations now, with their gradients; -1: an error. */
int is_recording(Owner *owner)
{
    PyObject *mode;
    if (owner == NULL || !is_under_way(owner))
        return 0;
    if (PyContextVar_Get(core.mode, Py_None, &mode) < 0)
        return -1;
    int found = PyTuple_Check(mode) && PyTuple_GET_SIZE(mode) == MODE_COUNT &&
                PyTuple_GET_ITEM(mode, RECORDING) == Py_True && PyTuple_GET_ITEM(mode, READING) == owner->trace &&
                PyTuple_GET_ITEM(mode, IS_SETTLED) == Py_True;
    Py_DECREF(mode);
    return found;
}

static PyObject *owner_close(PyObject *self, PyObject *nothing)
{
    Owner *owner = (Owner *)self;
    owner->trace = owner->nodes = NULL;
    Py_CLEAR(owner->guard);
    Py_RETURN_NONE;
}

/* open(guard, trace, nodes): note operations in the list while the trace is under way. It lasts at least as long as
   what the weak reference refers to. */
static PyObject *owner_open(PyObject *self, PyObject *args)
{
    Owner *owner = (Owner *)self;
    PyObject *guard, *trace, *nodes;
    if (!PyArg_ParseTuple(args, "OOO!:open", &guard, &trace, &PyList_Type, &nodes))
        return NULL;
    if (!PyWeakref_CheckRef(guard))
        return PyErr_Format(PyExc_TypeError, "open takes a weak reference, got %.100s", Py_TYPE(guard)->tp_name);
    owner->trace = trace;
    owner->nodes = nodes;
    Py_XSETREF(owner->guard, Py_NewRef(guard));
    Py_RETURN_NONE;
}

static void owner_dealloc(PyObject *self)
{
    PyTypeObject *kind = Py_TYPE(self);
    Py_CLEAR(((Owner *)self)->guard);
    kind->tp_free(self);
    Py_DECREF(kind);
}

static PyMethodDef owner_methods[] = {
    {"open", owner_open, METH_VARARGS, "Note operations without asking the trace."},
    {"close", owner_close, METH_NOARGS, "Leave operations to the trace."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot owner_slots[] = {
    {Py_tp_doc, "The mark that the tracers of one trace share."},
    {Py_tp_dealloc, owner_dealloc},
    {Py_tp_methods, owner_methods},
    {0, NULL},
};

static PyType_Spec owner_spec = {
    .name = "autodiff.native.core.Owner",
    .basicsize = sizeof(Owner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = owner_slots,
};

/* --- tracers --- */

static PyMemberDef traced_members[] = {
    {"number", T_DOUBLE, offsetof(Traced, node.data), READONLY, "The number at this call."},
    {"owner", T_OBJECT_EX, offsetof(Traced, owner), READONLY, "Whose number it is."},
    {"index", T_LONGLONG, offsetof(Traced, index), 0, "The slot, once there is a program."},
    {"is_optional", T_BOOL, offsetof(Traced, node.is_optional), 0, "Whether it may be nothing at a run."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot traced_slots[] = {
    {Py_tp_doc, "The storage of a tracer."},
    {Py_tp_dealloc, node_dealloc},
    {Py_tp_traverse, node_traverse},
    {Py_tp_clear, node_clear},
    {Py_tp_members, traced_members},
    {0, NULL},
};

static PyType_Spec traced_spec = {
    .name = "autodiff.native.core.Traced",
    .basicsize = sizeof(Traced),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = traced_slots,
};

static Traced *new_tracer(PyTypeObject *kind, Owner *owner)
{
    Traced *x = PyObject_GC_New(Traced, kind);
    if (x == NULL)
        return NULL;
    memset((char *)x + sizeof(PyObject), 0, sizeof(Traced) - sizeof(PyObject));
    x->owner = (Owner *)Py_NewRef((PyObject *)owner);
    return x;
}

/* Put an operand there, and its number: whether it is a tracer of the owner, a leaf or a number; else -1 for an error,
   which is how large ints come. A number of a leaf is read at every run, or a constant. */
static int put(Record *record, Py_ssize_t i, PyObject *x, Owner *owner)
{
    PyObject *operand = NULL;
    if (is_traced(x) ? ((Traced *)x)->owner == owner : is_value(x) && operand_count((Node *)x) == 0)
        operand = Py_NewRef(x);
    else if (x == core.nothing)
        operand = Py_NewRef(core.not_taken);
    else if (is_float(x) || PyLong_CheckExact(x) || PyBool_Check(x))
        operand = PyNumber_Float(x);
    if (operand == NULL)
        return 0;
    record->operands[i] = operand;
    record->slopes[i] = PyFloat_CheckExact(operand) ? PyFloat_AS_DOUBLE(operand) : ((Node *)operand)->data;
    return 1;
}

static Node *with_operands(PyTypeObject *kind, PyObject *op, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t first = 0;
    while (first < count && !is_traced(args[first]))
        first++;
    Owner *owner = first < count ? ((Traced *)args[first])->owner : NULL;
    if (is_recording(owner) <= 0)
        return NULL;
    Node *x = (Node *)new_tracer(kind, owner);
    int done = x != NULL && room_for(x, op, count, 1) == 0;
    Record record = done ? record_of(x) : (Record){0};
    for (Py_ssize_t i = 0; i < count && done; i++)
        done = put(&record, i, args[i], owner);
    if (done)
        return x;
    Py_XDECREF((PyObject *)x);
    if (PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_Clear();
    return NULL;
}

Node *tracer_of(PyObject *op, PyObject *const *args, Py_ssize_t count)
{
    return with_operands(core.tracer, op, args, count);
}

/* Have the collector know a tracer that may be part of a cycle. */
static void track_tracer(Node *x)
{
    Record record = record_of(x);
    if (x->op == OTHER_OP)
        track_with(x, x->block->op);
    for (Py_ssize_t i = 0; i < record.count; i++)
        track_with(x, record.operands[i]);
}

/* `TracedAdjoints.note_choice` */
static int is_optional_choice(Node *x)
{
    Record record = record_of(x);
    for (Py_ssize_t i = 1; i < record.count; i++)
        if (record.operands[i] == core.not_taken ||
            (is_traced(record.operands[i]) && ((Node *)record.operands[i])->is_optional))
            return 1;
    return 0;
}

PyObject *noted(Node *x)
{
    Owner *owner = ((Traced *)x)->owner;
    track_tracer(x);
    if (x->op != OTHER_OP && core.operations[x->op] == core.where)
        x->is_optional = (char)is_optional_choice(x);
    int is_open = is_under_way(owner); /* what evaluated it may have ended the trace */
    if (is_open && PyList_Append(owner->nodes, (PyObject *)x) == 0)
        return (PyObject *)x;
    Py_DECREF((PyObject *)x);
    return is_open ? NULL : PyErr_Format(PyExc_RuntimeError, "a trace ended while it noted an operation");
}

/* `Trace.compare`: it is > that asks for the < of the other two. A condition is not compared with 0: it is that. */
PyObject *condition_of(PyObject *left, PyObject *right, int which)
{
    int is_swapped = which == Py_GT || which == Py_GE;
    PyObject *operands[] = {is_swapped ? right : left, is_swapped ? left : right};
    if (core.condition == NULL || right == core.nothing || (which == Py_NE && Py_TYPE(left) == core.condition))
        return NULL;
    Node *x = with_operands(core.condition, core.comparisons[which], operands, 2);
    if (x == NULL)
        return NULL;
    double y = x->slopes[0], z = x->slopes[1];
    x->data = which == Py_EQ ? y == z : which == Py_NE ? y != z : which == Py_LT || which == Py_GT ? y < z : y <= z;
    return noted(x);
}

/* --- functions --- */

static int put_operands(Node *x, PyObject *operands)
{
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < record.count; i++) {
        PyObject *operand = PyTuple_GET_ITEM(operands, i);
        if (!PyFloat_CheckExact(operand) && !is_node(operand)) {
            PyErr_Format(PyExc_TypeError, "an operand is a Value or a float, got %.100s", Py_TYPE(operand)->tp_name);
            return -1;
        }
        record.operands[i] = Py_NewRef(operand);
    }
    return 0;
}

/* traced(kind, number, op, operands, owner): a tracer of a kind, which no trace has noted. */
static PyObject *traced(PyObject *module, PyObject *args)
{
    PyTypeObject *kind;
    PyObject *op, *operands, *owner;
    double number;
    if (!PyArg_ParseTuple(args, "O!dOO!O!:traced", &PyType_Type, &kind, &number, &op, &PyTuple_Type, &operands,
                          core.owner, &owner))
        return NULL;
    if (kind != core.tracer && kind != core.condition)
        return PyErr_Format(PyExc_TypeError, "%.100s is no class of tracers", kind->tp_name);
    Node *x = (Node *)new_tracer(kind, (Owner *)owner);
    if (x == NULL || room_for(x, op, PyTuple_GET_SIZE(operands), 1) < 0 || put_operands(x, operands) < 0) {
        Py_XDECREF((PyObject *)x);
        return NULL;
    }
    x->data = number;
    track_tracer(x);
    return (PyObject *)x;
}

static int is_class_of_tracers(PyTypeObject *kind)
{
    return PyType_IsSubtype(kind, core.traced) && kind->tp_basicsize == sizeof(Traced) && !kind->tp_dictoffset &&
           !kind->tp_weaklistoffset;
}

/* bind_tracers(tracer, condition, where, sum, strong_mul, not_taken, (less, less_equal, equal, not_equal)) */
static PyObject *bind_tracers(PyObject *module, PyObject *args)
{
    static const int by_which[] = {0, 1, 2, 3, 0, 1}; /* Py_LT, ... */
    PyObject *kinds[2], *where, *sum, *strong_mul, *not_taken, *compare[4];
    if (!PyArg_ParseTuple(args, "O!O!OOOO!(OOOO):bind_tracers", &PyType_Type, &kinds[0], &PyType_Type, &kinds[1],
                          &where, &sum, &strong_mul, &PyFloat_Type, &not_taken, &compare[0], &compare[1], &compare[2],
                          &compare[3]))
        return NULL;
    if (!is_class_of_tracers((PyTypeObject *)kinds[0]) || !is_class_of_tracers((PyTypeObject *)kinds[1]))
        return PyErr_Format(PyExc_TypeError, "bind_tracers expects classes without room for more than a tracer");
    core.tracer = (PyTypeObject *)Py_NewRef(kinds[0]); /* for good, as all that the core knows */
    core.condition = (PyTypeObject *)Py_NewRef(kinds[1]);
    core.tracer->tp_dealloc = core.condition->tp_dealloc = node_dealloc; /* past Python's own, as of Value */
    for (int which = 0; which < 6; which++)
        core.comparisons[which] = Py_NewRef(compare[by_which[which]]);
    core.zero = PyFloat_FromDouble(0.0);
    core.one = PyFloat_FromDouble(1.0);
    core.minus_one = PyFloat_FromDouble(-1.0);
    core.where = Py_NewRef(where);
    core.sum = Py_NewRef(sum);
    core.strong_mul = Py_NewRef(strong_mul);
    core.not_taken = Py_NewRef(not_taken);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

PyMethodDef trace_functions[] = {
    {"traced", traced, METH_VARARGS, "A tracer of an operation, not noted."},
    {"bind_tracers", bind_tracers, METH_VARARGS, "Hand in the classes of tracers, and what goes with them."},
    {"reverse_traced", reverse_traced, METH_VARARGS, "The adjoints of a reverse sweep over tracers."},
    {"instructions", instructions, METH_VARARGS, "The instructions of nodes, as arrays."},
    {"strangers", strangers, METH_O, "The operands of tracers that are Values and no tracers."},
    {NULL, NULL, 0, NULL},
};

int add_tracer_types(PyObject *module)
{
    if (core.owner == NULL)
        core.owner = (PyTypeObject *)PyType_FromSpec(&owner_spec);
    if (core.traced == NULL)
        core.traced = (PyTypeObject *)PyType_FromSpecWithBases(&traced_spec, (PyObject *)core.node);
    if (core.owner == NULL || core.traced == NULL)
        return -1;
    return PyModule_AddType(module, core.owner) < 0 || PyModule_AddType(module, core.traced) < 0 ? -1 : 0;
}
