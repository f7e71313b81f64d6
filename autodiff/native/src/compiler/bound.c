/* The type core.Bound: a run bound to the memory of arrays, where numbers are read and results are put; outputs may replace
   the numbers that were read, once all is well. It tells whether all guards hold, and the arrays are what they were.

   Bound(runner, parts, columns, rows, out, updates): `parts` are buffers, one after the other the numbers of the inputs
   that rows share; `columns` those of rows, side by side in a row, of which there are `rows`, 0 for none; `out` is for the
   outputs; each of `updates` is a buffer and the first of the outputs that it gets, or gets of each row. */

#include "compiler.h"
#include <structmember.h>

typedef struct {
    double *to;
    const double *from;
    int64_t count, step;
} Copy;

typedef struct {
    double *to;
    int64_t first, count; /* of the outputs, or those of a row */
} Update;

typedef struct {
    PyObject_HEAD
    Runner *runner;
    double *v;
    Copy *sources, *results; /* before a run, into v; after it, out of v */
    Column *columns;
    Update *updates;
    Py_buffer *buffers;
    Watched *watched;
    int64_t rows;
    double *out;
    int source_count, result_count, column_count, update_count, buffer_count, watched_count;
    int is_running;
    vectorcallfunc vectorcall;
} Bound;

static PyTypeObject *bound_type;

/* --- one run --- */

static int copy_all(const Machine *machine, const Copy *copies, int count)
{
    int nans = 0;
    for (const Copy *copy = copies; copy < copies + count; copy++)
        nans |= copy_in_step(machine, copy->to, copy->from, copy->step, copy->count);
    return nans;
}

/* Replace what was read by outputs. */
static void update(const Bound *self)
{
    int64_t width = self->runner->plan->output_width;
    for (const Update *to = self->updates; to < self->updates + self->update_count; to++)
        for (int64_t row = 0; row < (self->runner->reduction == STACKED && self->rows ? self->rows : 1); row++)
            self->runner->machine->copy(to->to + row * to->count, self->out + row * width + to->first, to->count);
}

/* Results go straight where they belong: there is no guard, or nothing is replaced. */
static int run_straight(const Bound *self)
{
    const Plan *plan = self->runner->plan;
    const Machine *machine = self->runner->machine;
    machine->interpret(plan, self->v, 0, 1, 0);
    int nans = copy_all(machine, self->results, self->result_count);
    if (plan->is_strong && (nans || is_watched_nan(plan, self->v, 1))) {
        machine->interpret(plan, self->v, 0, 1, 1);
        copy_all(machine, self->results, self->result_count);
    }
    return guards_hold(plan, self->v, 0);
}

/* Whether the arrays are what they were and all guards hold: else nothing was replaced. -1: an error, such as an interrupt;
   then nothing, either. */
static int run_bound(Bound *self)
{
    Runner *runner = self->runner;
    int holds;
    for (int i = 0; i < self->watched_count; i++)
        if (!is_as_bound(self->watched + i))
            return 0;
    copy_all(runner->machine, self->sources, self->source_count);
    if (self->rows)
        holds = runner_run_rows(runner, self->v, self->columns, self->column_count, self->rows, self->out, NULL);
    else if (runner->plan->guard_count == 0 && !is_long(runner->plan->work))
        return run_straight(self);
    else
        holds = runner_run(runner, self->v, self->out);
    if (holds == 1)
        update(self);
    return holds;
}

static PyObject *bound_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Bound *self = (Bound *)object;
    if (PyVectorcall_NARGS(nargsf) || names != NULL)
        return PyErr_Format(PyExc_TypeError, "a bound run takes no arguments: it has them");
    if (self->is_running)
        return PyErr_Format(PyExc_RuntimeError, "a prepared call is for one thread at a time; prepare one for each");
    self->is_running = 1;
    int holds = run_bound(self);
    self->is_running = 0;
    return holds < 0 ? NULL : PyBool_FromLong(holds);
}

/* --- binding --- */

/* The memory of a buffer, which is held; NULL with an error. */
static double *hold(Bound *self, PyObject *from, int64_t count, int to_write)
{
    Py_buffer *buffer = self->buffers + self->buffer_count;
    if (take_buffer(from, buffer, "d", count, to_write) < 0)
        return NULL;
    self->buffer_count++;
    return buffer->buf;
}

/* The memory of numbers that are read at every run: that of an array is watched. */
static double *hold_input(Bound *self, PyObject *from)
{
    double *numbers = hold(self, from, -1, 0);
    if (numbers != NULL)
        self->watched_count += watch_array(self->watched + self->watched_count, from, self->buffers + self->buffer_count - 1);
    return numbers;
}

static int64_t held_count(const Bound *self)
{
    return self->buffers[self->buffer_count - 1].len / (int64_t)sizeof(double);
}

static int bind_parts(Bound *self, PyObject *parts)
{
    int64_t at = 0, inputs = self->runner->plan->inputs;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(parts); i++) {
        double *from = hold_input(self, PyTuple_GET_ITEM(parts, i));
        if (from == NULL)
            return -1;
        if (held_count(self) > inputs - at)
            break;
        self->sources[self->source_count++] = (Copy){self->v + at, from, held_count(self), 1};
        at += held_count(self);
    }
    if (self->source_count == PyTuple_GET_SIZE(parts) && at == inputs)
        return 0;
    PyErr_Format(PyExc_ValueError, "expected parts of %lld numbers", (long long)inputs);
    return -1;
}

static int bind_columns(Bound *self, PyObject *columns)
{
    int64_t width = 0, varying = self->runner->plan->varying;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(columns); i++) {
        double *from = hold_input(self, PyTuple_GET_ITEM(columns, i));
        if (from == NULL)
            return -1;
        int64_t each = self->rows ? held_count(self) / self->rows : 0;
        self->columns[self->column_count++] = (Column){from, each};
        if (each * self->rows != held_count(self))
            width = varying + 1;
        width += each;
    }
    if (width == varying)
        return 0;
    PyErr_Format(PyExc_ValueError, "expected rows of %lld numbers", (long long)varying);
    return -1;
}

static int bind_updates(Bound *self, PyObject *updates)
{
    int64_t width = self->runner->plan->output_width;
    int64_t rows = self->rows && self->runner->reduction == STACKED ? self->rows : 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(updates); i++) {
        PyObject *array;
        long long first;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(updates, i), "OL", &array, &first))
            return -1;
        double *to = hold(self, array, -1, 1);
        if (to == NULL)
            return -1;
        int64_t count = held_count(self) / rows;
        if (count * rows != held_count(self) || first < 0 || first > width || count > width - first) {
            PyErr_Format(PyExc_ValueError, "expected an update by some of %lld outputs", (long long)width);
            return -1;
        }
        self->updates[self->update_count++] = (Update){to, first, count};
    }
    return 0;
}

/* Where an output goes, and after how many more another place begins. */
static double *place_of(const Bound *self, int64_t output, int64_t *until)
{
    double *found = self->out + output;
    *until = self->runner->plan->output_width - output;
    for (const Update *to = self->updates; to < self->updates + self->update_count; to++) {
        int64_t end = to->first + to->count;
        if (output >= to->first && output < end) {
            *until = end - output;
            return to->to + (output - to->first);
        }
        if (to->first > output && to->first - output < *until)
            *until = to->first - output;
    }
    return found;
}

/* The copies that put each output in its place. */
static int bind_results(Bound *self)
{
    const Plan *plan = self->runner->plan;
    int64_t output = 0, until;
    self->results = PyMem_Calloc((size_t)(plan->output_runs + 2 * self->update_count + 1), sizeof(Copy));
    if (self->results == NULL)
        return PyErr_NoMemory(), -1;
    for (const int32_t *q = plan->outputs; q < plan->outputs + COPIES * plan->output_runs; q += COPIES)
        for (int64_t n = 0, count; n < q[2]; n += count, output += count) {
            double *to = place_of(self, output, &until);
            count = until < q[2] - n ? until : q[2] - n;
            self->results[self->result_count++] = (Copy){to, self->v + q[0] + n * q[1], count, q[1]};
        }
    return 0;
}

static int make_room(Bound *self, size_t parts, size_t columns, size_t updates)
{
    self->sources = PyMem_Calloc(parts + 1, sizeof(Copy));
    self->columns = PyMem_Calloc(columns + 1, sizeof(Column));
    self->updates = PyMem_Calloc(updates + 1, sizeof(Update));
    self->buffers = PyMem_Calloc(parts + columns + updates + 1, sizeof(Py_buffer));
    self->watched = PyMem_Calloc(parts + columns + 1, sizeof(Watched));
    self->v = runner_take(self->runner);
    if (self->sources && self->columns && self->updates && self->buffers && self->watched && self->v)
        return 0;
    return PyErr_NoMemory(), -1;
}

static void bound_dealloc(PyObject *object)
{
    Bound *self = (Bound *)object;
    PyTypeObject *kind = Py_TYPE(object);
    while (self->watched_count > 0)
        Py_DECREF(self->watched[--self->watched_count].dtype);
    while (self->buffer_count > 0)
        PyBuffer_Release(self->buffers + --self->buffer_count);
    if (self->v != NULL)
        runner_give(self->runner, self->v);
    PyMem_Free(self->sources);
    PyMem_Free(self->results);
    PyMem_Free(self->columns);
    PyMem_Free(self->updates);
    PyMem_Free(self->buffers);
    PyMem_Free(self->watched);
    Py_XDECREF(self->runner);
    kind->tp_free(object);
    Py_DECREF(kind);
}

static PyObject *bound_new(PyTypeObject *kind, PyObject *args, PyObject *kwargs)
{
    PyObject *runner, *parts, *columns, *out, *updates;
    long long rows;
    if (!PyArg_ParseTuple(args, "O!O!O!LOO!:Bound", runner_type, &runner, &PyTuple_Type, &parts, &PyTuple_Type, &columns,
                          &rows, &out, &PyTuple_Type, &updates))
        return NULL;
    if (rows < 0 || rows > INT32_MAX)
        return PyErr_Format(PyExc_ValueError, "expected up to %d rows, got %lld", INT32_MAX, rows);
    Bound *self = (Bound *)kind->tp_alloc(kind, 0);
    if (self == NULL)
        return NULL;
    self->runner = (Runner *)Py_NewRef(runner);
    self->vectorcall = bound_vectorcall;
    self->rows = rows;
    int64_t width = self->runner->plan->output_width;
    int64_t outputs = self->rows && self->runner->reduction == STACKED ? self->rows * width : width;
    if (make_room(self, PyTuple_GET_SIZE(parts), PyTuple_GET_SIZE(columns), PyTuple_GET_SIZE(updates)) < 0 ||
        bind_parts(self, parts) < 0 || bind_columns(self, columns) < 0 || bind_updates(self, updates) < 0 ||
        (self->out = hold(self, out, outputs, 1)) == NULL || bind_results(self) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Bound, vectorcall), READONLY, NULL},
    {NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_doc, "Bound(runner, parts, columns, rows, out, updates)\n--\n\nA run bound to the memory of arrays."},
    {Py_tp_new, bound_new},
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, bound_members},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "autodiff.native.core.Bound",
    .basicsize = sizeof(Bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = bound_slots,
};

int add_bound(PyObject *module)
{
    if (bound_type == NULL && (bound_type = (PyTypeObject *)PyType_FromSpec(&bound_spec)) == NULL)
        return -1;
    return PyModule_AddType(module, bound_type);
}
