/* Calls of a compiled function that run in C, from the arguments to the result.

   An entry stands for the calls whose arguments have one form. It has the versions of the function for these, in order:
   each is a program ready to run, the leaf Values whose data are its last inputs, and the form of its result. Where
   something is out of the ordinary, or no entry serves, a call goes the plain way, `Compiled.__call__`, which is the
   meaning of all this, and where entries are made. A prepared call has, in their place, a function that repeats it. */

#include "forms.h"

#include <structmember.h>

typedef struct { /* what is held is borrowed from the description */
    Runner *runner;
    PyObject *leaves, *differentiated; /* tuples of Values; grads of the latter get the outputs after the first */
    int is_built;                      /* by the form of the result; else `finish` makes it of a list or array */
    Form result;
    PyObject *finish;
} Version;

typedef struct {
    PyObject_HEAD
    PyObject *described, *names; /* of the last arguments, those that are given by keyword */
    Form given;                  /* a sequence */
    int has_rows, is_backward, in_arrays;
    char is_used;
    Py_ssize_t count;
    Version *versions;
} Entry;

typedef struct { /* the base class of Compiled and Prepared */
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *served; /* a list of entries, those used more often first; of a prepared call, what repeats it; or NULL */
} Calls;

static PyTypeObject *entry_type, *calls_type;

/* --- entries --- */

static int are_values(PyObject *values)
{
    Py_ssize_t i = 0;
    while (i < PyTuple_GET_SIZE(values) && is_value(PyTuple_GET_ITEM(values, i)))
        i++;
    return i == PyTuple_GET_SIZE(values);
}

/* Whether a version's program takes and gives just the numbers that there are. */
static int fits(const Entry *entry, const Version *version)
{
    const Plan *plan = version->runner->plan;
    Room given = {0}, result = {0};
    form_measure(&entry->given, &given);
    form_measure(&version->result, &result);
    int64_t width = entry->is_backward ? 1 + PyTuple_GET_SIZE(version->differentiated)
                    : version->is_built ? result.shared : plan->output_width;
    return entry->given.kind == IS_sequence &&
           given.shared + PyTuple_GET_SIZE(version->leaves) == plan->inputs && given.varying == plan->varying &&
           given.columns <= MOST_COLUMNS && (given.columns > 0) == entry->has_rows && width == plan->output_width &&
           !(version->is_built && entry->has_rows && version->runner->reduction == STACKED);
}

/* Leaves an error where it is none. */
static void version_read(const Entry *entry, Version *version, PyObject *described)
{
    PyObject *result;
    if (!PyArg_ParseTuple(described, "O!O!O!OO", runner_type, &version->runner, &PyTuple_Type, &version->leaves,
                          &PyTuple_Type, &version->differentiated, &result, &version->finish))
        return;
    version->is_built = result != Py_None;
    if (version->is_built && form_read(&version->result, result, 0) < 0)
        return;
    if (!fits(entry, version))
        PyErr_SetString(PyExc_ValueError, "a version has other numbers than its program");
}

static int versions_read(Entry *entry, PyObject *versions)
{
    Py_ssize_t count = PyTuple_GET_SIZE(versions);
    entry->versions = PyMem_Calloc(count + 1, sizeof(Version));
    if (entry->versions == NULL)
        PyErr_NoMemory();
    while (!PyErr_Occurred() && entry->count < count) {
        PyObject *described = PyTuple_GET_ITEM(versions, entry->count);
        version_read(entry, entry->versions + entry->count++, described);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Entry(arguments, names, has_rows, is_backward, in_arrays, versions): see `calls/entries.py`. */
static PyObject *entry_new(PyTypeObject *kind, PyObject *args, PyObject *kwargs)
{
    PyObject *given, *versions;
    Entry *self = (Entry *)kind->tp_alloc(kind, 0);
    if (self == NULL)
        return NULL;
    int has_arrays = arrays_look_up();
    self->described = Py_NewRef(args);
    if (!PyArg_ParseTuple(args, "OO!pppO!:Entry", &given, &PyTuple_Type, &self->names, &self->has_rows,
                          &self->is_backward, &self->in_arrays, &PyTuple_Type, &versions) ||
        form_read(&self->given, given, 0) < 0 || versions_read(self, versions) < 0)
        Py_CLEAR(self);
    else
        self->in_arrays &= has_arrays;
    return (PyObject *)self;
}

static int entry_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Entry *)self)->described);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void entry_dealloc(PyObject *self)
{
    Entry *entry = (Entry *)self;
    PyTypeObject *kind = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    for (Py_ssize_t i = 0; i < entry->count; i++)
        form_free(&entry->versions[i].result);
    PyMem_Free(entry->versions);
    form_free(&entry->given);
    Py_XDECREF(entry->described);
    kind->tp_free(self);
    Py_DECREF(kind);
}

static PyMemberDef entry_members[] = {
    {"is_used", T_BOOL, offsetof(Entry, is_used), 0, "Whether it has served a call since this was set to False."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot entry_slots[] = {
    {Py_tp_doc, "Calls of one form, which run in C."},
    {Py_tp_new, entry_new},
    {Py_tp_traverse, entry_traverse},
    {Py_tp_dealloc, entry_dealloc},
    {Py_tp_members, entry_members},
    {0, NULL},
};

static PyType_Spec entry_spec = {
    .name = "autodiff.native.core.Entry",
    .basicsize = sizeof(Entry),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = entry_slots,
};

/* --- a call --- */

enum { SERVED, FAILED, OTHER_FORM, NO_VERSION }; /* FAILED: with an error, or the plain way is to be gone */

/* All numbers of a call, into the memory of a version. */
static int take_all(const Entry *entry, const Version *version, PyObject *const *args, Taken *taken)
{
    if (!form_take_parts(&entry->given, args, taken) || !are_values(version->leaves)) /* a class may be assigned */
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(version->leaves); i++)
        *taken->to++ = ((Node *)PyTuple_GET_ITEM(version->leaves, i))->data;
    return 1;
}

/* Add the outputs after the first to the grads. It waits for a pass of Python's in another thread to end; none begins
   while it runs, for no Python code does. */
static PyObject *add_to_grads(const Version *version, const double *out)
{
    PyObject *acquired = PyObject_CallNoArgs(core.acquire);
    PyObject *released = acquired == NULL ? NULL : PyObject_CallNoArgs(core.release);
    Py_XDECREF(acquired);
    Py_XDECREF(released);
    if (released == NULL || !are_values(version->differentiated))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(version->differentiated); i++)
        ((Node *)PyTuple_GET_ITEM(version->differentiated, i))->grad += out[i + 1];
    return PyFloat_FromDouble(out[0]);
}

static PyObject *result_of(const Entry *entry, const Version *version, const double *out, Py_ssize_t count)
{
    if (entry->is_backward)
        return add_to_grads(version, out);
    if (version->is_built)
        return form_build(&version->result, &out);
    PyObject *length = PyLong_FromSsize_t(count);
    Form flat = entry->in_arrays ? (Form){.kind = IS_array, .held = length, .count = count}
                                 : (Form){.kind = IS_sequence, .held = (PyObject *)&PyList_Type, .count = count};
    PyObject *numbers = length == NULL ? NULL : form_build(&flat, &out);
    PyObject *result = numbers == NULL ? NULL : PyObject_CallOneArg(version->finish, numbers);
    Py_XDECREF(numbers);
    Py_XDECREF(length);
    return result;
}

enum { FEW = 64 };

/* Run on what was taken. `out` is `few`, or memory that is to be freed, or NULL. */
static int run(const Entry *entry, const Version *version, double *v, const Taken *taken, double **out, int64_t *count)
{
    Runner *runner = version->runner;
    *count = runner->plan->output_width;
    if (entry->has_rows && runner->reduction == STACKED) {
        if (*count > PY_SSIZE_T_MAX / 16 / taken->rows)
            return FAILED;
        *count *= taken->rows;
    }
    if (*count > FEW && (*out = PyMem_RawMalloc(*count * sizeof(double))) == NULL)
        return FAILED;
    int holds = !entry->has_rows ? runner_run(runner, v, *out)
                                 : runner_run_rows(runner, v, taken->columns, taken->count, taken->rows, *out, NULL);
    return holds < 0 ? FAILED : holds || entry->has_rows ? SERVED : NO_VERSION;
}

static int serve_by(const Entry *entry, const Version *version, PyObject *const *args, PyObject **result)
{
    int64_t count;
    double few[FEW], *out = few, *v = runner_take(version->runner);
    if (v == NULL)
        return FAILED;
    Taken taken;
    taken.to = v;
    taken.rows = ROWS_UNKNOWN;
    taken.count = 0;
    int outcome = take_all(entry, version, args, &taken) ? run(entry, version, v, &taken, &out, &count) : OTHER_FORM;
    taken_release(&taken);
    runner_give(version->runner, v);
    if (outcome == SERVED && (*result = result_of(entry, version, out, (Py_ssize_t)count)) == NULL)
        outcome = FAILED;
    if (out != few)
        PyMem_RawFree(out);
    return outcome;
}

/* By the first version whose guards hold. */
static int serve(Entry *entry, PyObject *const *args, PyObject **result)
{
    int outcome = NO_VERSION;
    for (Py_ssize_t i = 0; i < entry->count && outcome == NO_VERSION; i++)
        outcome = serve_by(entry, entry->versions + i, args, result);
    entry->is_used |= outcome == SERVED;
    return outcome;
}

static int is_for(PyObject *item, Py_ssize_t count, PyObject *names, int is_backward)
{
    const Entry *entry = (Entry *)item;
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    int found = Py_IS_TYPE(item, entry_type) && entry->is_backward == is_backward &&
                entry->given.count == count + named && PyTuple_GET_SIZE(entry->names) == named;
    for (Py_ssize_t i = 0; i < named && found; i++)
        found = is_same(PyTuple_GET_ITEM(names, i), PyTuple_GET_ITEM(entry->names, i));
    return found;
}

static Py_ssize_t entry_count(PyObject *served)
{
    return served != NULL && PyList_CheckExact(served) ? PyList_GET_SIZE(served) : 0;
}

/* The result of a call; NULL with an error, or where it is to go the plain way. After each entry the list is looked at
   anew: it is Python's. */
static PyObject *serve_call(Calls *self, PyObject *const *args, Py_ssize_t count, PyObject *names, int is_backward)
{
    PyObject *result = NULL, *list = self->served;
    int outcome = OTHER_FORM, how = entry_count(list) == 0 ? SPECIAL : ambient();
    if (how < 0 || how == SPECIAL)
        return NULL;
    for (Py_ssize_t i = 0; i < entry_count(list = self->served) && outcome == OTHER_FORM; i++) {
        PyObject *entry = PyList_GET_ITEM(list, i);
        if (!is_for(entry, count, names, is_backward))
            continue;
        Py_INCREF(entry);
        outcome = serve((Entry *)entry, args, &result);
        if (outcome == SERVED && i > 0 && list == self->served && i < PyList_GET_SIZE(list)) { /* one up */
            PyObject *before = PyList_GET_ITEM(list, i - 1);
            PyList_SET_ITEM(list, i - 1, PyList_GET_ITEM(list, i));
            PyList_SET_ITEM(list, i, before);
        }
        Py_DECREF(entry);
    }
    return result;
}

/* None where a prepared call is done by what repeats it, such as a Bound; NULL likewise. */
static PyObject *repeat(Calls *self)
{
    int how = ambient();
    if (how < 0 || how == SPECIAL)
        return NULL;
    PyObject *run = Py_NewRef(self->served), *done = PyObject_CallNoArgs(run);
    int is_done = done != NULL && PyObject_IsTrue(done) == 1;
    Py_XDECREF(done);
    Py_DECREF(run);
    return is_done ? Py_NewRef(Py_None) : NULL;
}

static int has_run(const Calls *self) { return self->served != NULL && !PyList_CheckExact(self->served); }

static PyObject *calls_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    int is_repeated = count == 0 && names == NULL && has_run((Calls *)self);
    PyObject *result = is_repeated ? repeat((Calls *)self) : serve_call((Calls *)self, args, count, names, 0);
    if (result != NULL || PyErr_Occurred())
        return result;
    PyObject *plain = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__call__");
    result = plain == NULL ? NULL : call_as_method(plain, self, args, count, names);
    Py_XDECREF(plain);
    return result;
}

/* --- the base of Compiled --- */

static PyObject *calls_served_backward(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *result = serve_call((Calls *)self, args, count, names, 1);
    return result == NULL && !PyErr_Occurred() ? Py_NewRef(Py_NotImplemented) : result;
}

static PyObject *calls_serve_by(PyObject *self, PyObject *served)
{
    if (!PyList_CheckExact(served) && !PyCallable_Check(served))
        return PyErr_Format(PyExc_TypeError, "calls are served by a list of entries, or a function, got %R", served);
    Py_XSETREF(((Calls *)self)->served, Py_NewRef(served));
    ((Calls *)self)->vectorcall = calls_vectorcall;
    Py_RETURN_NONE;
}

static int calls_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Calls *)self)->served);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int calls_clear(PyObject *self)
{
    Py_CLEAR(((Calls *)self)->served);
    return 0;
}

static void calls_dealloc(PyObject *self)
{
    PyTypeObject *kind = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    calls_clear(self);
    kind->tp_free(self);
    Py_DECREF(kind);
}

static PyMemberDef calls_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Calls, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef calls_methods[] = {
    {"serve_by", calls_serve_by, METH_O, "Have calls served by the entries in a list, or repeated by a function."},
    {"served_backward", (PyCFunction)(void (*)(void))calls_served_backward, METH_FASTCALL | METH_KEYWORDS,
     "The result of a call of `backward`; NotImplemented where it is to go the plain way."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot calls_slots[] = {
    {Py_tp_doc, "What can be called, and has what serves calls in C."},
    {Py_tp_traverse, calls_traverse},
    {Py_tp_clear, calls_clear},
    {Py_tp_dealloc, calls_dealloc},
    {Py_tp_members, calls_members},
    {Py_tp_methods, calls_methods},
    {0, NULL},
};

static PyType_Spec calls_spec = {
    .name = "autodiff.native.core.Calls",
    .basicsize = sizeof(Calls),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = calls_slots,
};

/* serve_calls(kind): have calls of a class derived from Calls come here before they go to its __call__, the plain way. */
static PyObject *serve_calls(PyObject *module, PyObject *kind)
{
    if (!PyType_Check(kind) || !PyType_IsSubtype((PyTypeObject *)kind, calls_type) ||
        ((PyTypeObject *)kind)->tp_call == NULL)
        return PyErr_Format(PyExc_TypeError, "%R is no class derived from Calls whose objects can be called", kind);
    ((PyTypeObject *)kind)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    PyType_Modified((PyTypeObject *)kind);
    return Py_NewRef(kind);
}

static PyMethodDef functions[] = {
    {"serve_calls", serve_calls, METH_O, "Have calls of a class served by what its objects have for it."},
    {NULL, NULL, 0, NULL},
};

int add_calls(PyObject *module)
{
    if (calls_type == NULL) {
        entry_type = (PyTypeObject *)PyType_FromSpec(&entry_spec);
        calls_type = entry_type == NULL ? NULL : (PyTypeObject *)PyType_FromSpec(&calls_spec);
    }
    if (calls_type == NULL || PyModule_AddFunctions(module, functions) < 0 || PyModule_AddType(module, entry_type) < 0)
        return -1;
    return PyModule_AddType(module, calls_type);
}
