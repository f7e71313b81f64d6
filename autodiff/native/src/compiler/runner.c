/* The type core.Runner: a program ready to run, from its nests. Numbers come and go in buffers of doubles.

   Runner(table, numbers, header, reduction, threads, machine=None, few=None): the table, the numbers and the header of
   `nests.schema.Nests`; the reduction is None, "sum" or "mean"; the machine one of those that `machines()` names; `few`
   a function that makes a runner of the same program in fewer lanes. */

#include "compiler.h"

#define LONG 2e5   /* operations, some 50 microseconds, for which the lock of the interpreter is let go, */
#define SHARED 1e6 /* and for which threads pay */

PyTypeObject *runner_type;

enum { MOST_BLOCKS = sizeof((Runner *)0)->blocks / sizeof(double *), FEW_ROWS = 8 };

/* --- buffers --- */

int take_buffer(PyObject *from, Py_buffer *buffer, const char *format, int64_t count, int to_write)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (to_write ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(from, buffer, flags) < 0)
        return -1;
    const char *found = buffer->format == NULL ? "B" : buffer->format;
    int is_long = *format == 'q' && strcmp(found, "l") == 0 && buffer->itemsize == sizeof(int64_t);
    if (strcmp(found, format) != 0 && !is_long)
        PyErr_Format(PyExc_TypeError, "expected a buffer of format '%s', got '%s'", format, found);
    else if (count >= 0 && buffer->len != count * buffer->itemsize)
        PyErr_Format(PyExc_ValueError, "expected %lld numbers, got %zd", (long long)count, buffer->len / buffer->itemsize);
    else
        return 0;
    PyBuffer_Release(buffer);
    return -1;
}

/* The same bytes, which nobody can change. */
static PyObject *frozen(PyObject *from, const char *format, Py_ssize_t *count)
{
    Py_buffer buffer;
    if (take_buffer(from, &buffer, format, -1, 0) < 0)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(buffer.buf, buffer.len);
    *count = buffer.len / buffer.itemsize;
    PyBuffer_Release(&buffer);
    return bytes;
}

/* --- machines --- */

/* The machine of a name, or with None the best; NULL with an error. */
static const Machine *machine_named(PyObject *name)
{
    for (const Machine *const *machine = machines_here(); *machine != NULL; machine++)
        if (name == Py_None ||
            (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, (*machine)->name) == 0))
            return *machine;
    PyErr_Format(PyExc_ValueError, "machines() names the machines there are, got %R", name);
    return NULL;
}

static PyObject *machines_(PyObject *module, PyObject *unused)
{
    PyObject *names = PyList_New(0);
    for (const Machine *const *machine = machines_here(); *machine != NULL && names != NULL; machine++) {
        PyObject *name = PyUnicode_FromString((*machine)->name);
        if (name == NULL || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

/* evaluate(opcode, numbers, machine=None): the result of one operation, with the bits that it has in a program. */
static PyObject *evaluate(PyObject *module, PyObject *args)
{
    int code;
    PyObject *numbers, *name = Py_None;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(args, "iO|O:evaluate", &code, &numbers, &name))
        return NULL;
    const Machine *machine = machine_named(name);
    if (machine == NULL || take_buffer(numbers, &buffer, "d", -1, 0) < 0)
        return NULL;
    int64_t count = buffer.len / (Py_ssize_t)sizeof(double);
    int operation = operation_with(code, count);
    double x = operation < 0 ? 0.0 : machine->evaluate(operation, buffer.buf, count);
    PyBuffer_Release(&buffer);
    if (operation < 0)
        return PyErr_Format(PyExc_ValueError, "no operation has the opcode %d and so many operands", code);
    return PyFloat_FromDouble(x);
}

/* --- a runner --- */

static void runner_dealloc(PyObject *object)
{
    Runner *self = (Runner *)object;
    PyTypeObject *kind = Py_TYPE(object);
    for (int i = 0; i < self->block_count; i++)
        block_free(self->blocks[i]);
    plan_free(self->plan);
    Py_XDECREF(self->kept);
    Py_XDECREF(self->few);
    kind->tp_free(object);
    Py_DECREF(kind);
}

static int reduction_named(PyObject *name)
{
    if (name == Py_None)
        return STACKED;
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "sum") == 0)
        return SUMMED;
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "mean") == 0)
        return AVERAGED;
    PyErr_Format(PyExc_ValueError, "expected None, 'sum' or 'mean', got %R", name);
    return -1;
}

static int read_nests(Runner *self, PyObject *table, PyObject *numbers, PyObject *header)
{
    Py_ssize_t words, count, head;
    PyObject *kept_table = frozen(table, "i", &words);
    PyObject *kept_numbers = kept_table == NULL ? NULL : frozen(numbers, "d", &count);
    PyObject *kept_header = kept_numbers == NULL ? NULL : frozen(header, "q", &head);
    if (kept_header != NULL && head != H_COUNT)
        PyErr_Format(PyExc_ValueError, "expected a header of %d words, got %zd", H_COUNT, head);
    else if (kept_header != NULL)
        self->plan = plan_new((const int64_t *)PyBytes_AS_STRING(kept_header),
                              (const int32_t *)PyBytes_AS_STRING(kept_table), words,
                              (const double *)PyBytes_AS_STRING(kept_numbers), count);
    if (self->plan != NULL)
        self->kept = PyTuple_Pack(2, kept_table, kept_numbers);
    Py_XDECREF(kept_table);
    Py_XDECREF(kept_numbers);
    Py_XDECREF(kept_header);
    return self->kept == NULL ? -1 : 0;
}

static PyObject *runner_new(PyTypeObject *kind, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"table", "numbers", "header", "reduction", "threads", "machine", "few", NULL};
    PyObject *table, *numbers, *header, *reduction = Py_None, *machine = Py_None, *few = Py_None;
    int threads = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|OiOO:Runner", names, &table, &numbers, &header, &reduction,
                                     &threads, &machine, &few))
        return NULL;
    Runner *self = (Runner *)kind->tp_alloc(kind, 0);
    if (self == NULL)
        return NULL;
    self->threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
    self->reduction = reduction_named(reduction);
    self->machine = machine_named(machine);
    self->few = few == Py_None ? NULL : Py_NewRef(few);
    if (self->reduction < 0 || self->machine == NULL || read_nests(self, table, numbers, header) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

double *runner_take(Runner *self)
{
    if (self->block_count)
        return self->blocks[--self->block_count];
    double *v = block_new(self->plan);
    return v == NULL ? (double *)PyErr_NoMemory() : v;
}

void runner_give(Runner *self, double *v)
{
    if (self->block_count < MOST_BLOCKS)
        self->blocks[self->block_count++] = v;
    else
        block_free(v);
}

/* --- runs --- */

int is_long(double work) { return work >= LONG; }

int runner_run(Runner *self, double *v, double *out)
{
    if (!is_long(self->plan->work))
        return run_one(self->machine, self->plan, v, out);
    int holds;
    Py_BEGIN_ALLOW_THREADS
    holds = run_one(self->machine, self->plan, v, out);
    Py_END_ALLOW_THREADS
    return PyErr_CheckSignals() < 0 ? -1 : holds;
}

/* Answer signals in the middle of a run, whose thread has let go of the lock; whether to stop, with an error. */
static int answer_signals(Rows *rows)
{
    PyEval_RestoreThread(rows->thread);
    int failed = PyErr_CheckSignals() < 0;
    rows->thread = PyEval_SaveThread();
    return failed;
}

/* Run all chunks, and add up the sums of each, if any; by so many threads. */
static void run_shared(Rows *rows, double *const *blocks, int threads, double *parts, double *out)
{
    rows->out = parts;
    share_chunks(rows, blocks, threads);
    if (rows->reduction != STACKED && !rows->stopped)
        rows_reduce(rows, parts, out);
}

/* Take blocks for more threads, as many as there is memory for. */
static int take_blocks(Runner *self, double **blocks, int threads)
{
    int taken = 1;
    for (; taken < threads; taken++)
        if ((blocks[taken] = runner_take(self)) == NULL) {
            PyErr_Clear();
            break;
        }
    return taken;
}

/* A new reference to the runner for few rows, which is made the first time; NULL with an error. */
static Runner *runner_for_few(Runner *self)
{
    if (!Py_IS_TYPE(self->few, runner_type)) {
        PyObject *made = PyObject_CallNoArgs(self->few);
        if (made == NULL)
            return NULL;
        Py_SETREF(self->few, made);
    }
    const Plan *plan = Py_IS_TYPE(self->few, runner_type) ? ((Runner *)self->few)->plan : NULL;
    if (plan == NULL || ((Runner *)self->few)->reduction != self->reduction || plan->inputs != self->plan->inputs ||
        plan->varying != self->plan->varying || plan->output_width != self->plan->output_width)
        return (Runner *)PyErr_Format(PyExc_TypeError, "expected a runner of the same program for few rows");
    return (Runner *)Py_NewRef(self->few);
}

/* A block takes its time however few rows there are in it: for few of them there are narrower ones, with the same bits.
   One row of digits takes 5.7 us so, else 12. */
static int run_few_rows(Runner *self, const double *v, const Column *columns, int count, int64_t rows, double *out,
                        uint8_t *holds)
{
    Runner *few = runner_for_few(self);
    double *own = few == NULL ? NULL : runner_take(few);
    int found = -1;
    if (own != NULL) {
        few->machine->copy(own, v, few->plan->inputs);
        found = runner_run_rows(few, own, columns, count, rows, out, holds);
        runner_give(few, own);
    }
    Py_XDECREF(few);
    return found;
}

int runner_run_rows(Runner *self, double *v, const Column *columns, int count, int64_t rows, double *out, uint8_t *holds)
{
    const Plan *plan = self->plan;
    if (self->few != NULL && rows <= FEW_ROWS && plan->varying && plan->lanes > FEW_ROWS)
        return run_few_rows(self, v, columns, count, rows, out, holds);
    double work = plan->work + plan->work_of_row * (double)rows, *blocks[MOST_THREADS] = {v}, *parts = out;
    Rows run = {self->machine, plan, columns, count, self->reduction, .rows = rows, .inputs = v, .holds = holds};
    rows_plan(&run);
    if (self->reduction != STACKED && run.chunks > 1) {
        parts = PyMem_Malloc((size_t)(run.chunks * plan->output_width + 1) * sizeof(double));
        if (parts == NULL)
            return PyErr_NoMemory(), -1;
    }
    int threads = run.chunks < self->threads ? (int)run.chunks : self->threads;
    threads = take_blocks(self, blocks, work < SHARED ? 1 : threads);
    if (!is_long(work))
        run_shared(&run, blocks, threads, parts, out);
    else {
        run.pause = answer_signals;
        run.thread = PyEval_SaveThread();
        run_shared(&run, blocks, threads, parts, out);
        PyEval_RestoreThread(run.thread);
    }
    while (--threads > 0)
        runner_give(self, blocks[threads]);
    if (parts != out)
        PyMem_Free(parts);
    return run.stopped || (is_long(work) && PyErr_CheckSignals() < 0) ? -1 : !run.failed;
}

/* --- methods --- */

/* Copy the numbers of the inputs that rows share to the beginning of a block; NULL with an error. */
static double *block_with(Runner *self, PyObject *numbers)
{
    Py_buffer given;
    if (take_buffer(numbers, &given, "d", self->plan->inputs, 0) < 0)
        return NULL;
    double *v = runner_take(self);
    if (v != NULL)
        self->machine->copy(v, given.buf, self->plan->inputs); /* memcpy of glibc may take 20 times as long: see copy */
    PyBuffer_Release(&given);
    return v;
}

static PyObject *run(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Runner *self = (Runner *)object;
    Py_buffer out;
    if (count != 2 || self->plan->varying)
        return PyErr_Format(PyExc_TypeError, "expected run(numbers, out) of a program without rows");
    double *v = block_with(self, args[0]);
    if (v == NULL)
        return NULL;
    int holds = take_buffer(args[1], &out, "d", self->plan->output_width, 1);
    if (holds == 0) {
        holds = runner_run(self, v, out.buf);
        PyBuffer_Release(&out);
    }
    runner_give(self, v);
    return holds < 0 ? NULL : PyBool_FromLong(holds);
}

static int run_rows_into(Runner *self, double *v, PyObject *const *args)
{
    const Plan *plan = self->plan;
    Py_buffer rows, out, holds;
    int found = -1;
    if (take_buffer(args[3], &holds, "B", -1, 1) < 0)
        return -1;
    int64_t width = plan->output_width, count = holds.len;
    if (count < 1)
        PyErr_SetString(PyExc_ValueError, "there are no rows");
    else if (take_buffer(args[1], &rows, "d", count * plan->varying, 0) == 0) {
        if (take_buffer(args[2], &out, "d", self->reduction == STACKED ? count * width : width, 1) == 0) {
            Column column = {rows.buf, plan->varying};
            memset(holds.buf, 1, (size_t)count);
            found = runner_run_rows(self, v, &column, plan->varying > 0, count, out.buf, holds.buf);
            PyBuffer_Release(&out);
        }
        PyBuffer_Release(&rows);
    }
    PyBuffer_Release(&holds);
    return found;
}

static PyObject *run_rows(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4)
        return PyErr_Format(PyExc_TypeError, "expected run_rows(shared, rows, out, holds)");
    double *v = block_with((Runner *)object, args[0]);
    int holds = v == NULL ? -1 : run_rows_into((Runner *)object, v, args);
    if (v != NULL)
        runner_give((Runner *)object, v);
    return holds < 0 ? NULL : PyBool_FromLong(holds);
}

/* The row-major copy of rows that stand in lanes. */
static void lay_row_by_row(const Plan *plan, double *v)
{
    for (int64_t lane = 0; lane < plan->lanes; lane++)
        for (int64_t i = 0; i < plan->varying; i++)
            v[plan->rows_at + lane * plan->row_width + i] = v[plan->lanes_at + i * plan->lanes + lane];
}

/* perform(memory, active, careful): do what the nests say to memory: those of rows with active rows in lanes, and those
   that rows share with 0. For tests. */
static PyObject *perform(PyObject *object, PyObject *args)
{
    Runner *self = (Runner *)object;
    PyObject *memory;
    Py_buffer buffer;
    int active, careful;
    if (!PyArg_ParseTuple(args, "Oip:perform", &memory, &active, &careful))
        return NULL;
    if (active < 0 || active > self->plan->lanes)
        return PyErr_Format(PyExc_ValueError, "expected up to %lld rows, got %d", (long long)self->plan->lanes, active);
    if (take_buffer(memory, &buffer, "d", self->plan->memory_size, 1) < 0)
        return NULL;
    double *v = runner_take(self);
    if (v != NULL) {
        memcpy(v, buffer.buf, (size_t)buffer.len);
        if (active)
            lay_row_by_row(self->plan, v);
        self->machine->interpret(self->plan, v, active > 0, active > 0 ? active : 1, careful);
        memcpy(buffer.buf, v, (size_t)buffer.len);
        block_free(v); /* its constants may be others now */
    }
    PyBuffer_Release(&buffer);
    return v == NULL ? NULL : Py_NewRef(Py_None);
}

static PyObject *work_of(PyObject *self, void *unused)
{
    const Plan *plan = ((Runner *)self)->plan;
    return Py_BuildValue("dd", plan->work, plan->work_of_row);
}

static PyObject *machine_of(PyObject *object, void *unused)
{
    return PyUnicode_FromString(((Runner *)object)->machine->name);
}

#define FAST(function) (PyCFunction)(void (*)(void)) function

static PyMethodDef methods[] = {
    {"run", FAST(run), METH_FASTCALL, "Run on the numbers of all inputs, fill `out`, and tell whether all guards hold."},
    {"run_rows", FAST(run_rows), METH_FASTCALL, "Run on many rows, fill `out` and `holds`; whether all guards hold."},
    {"perform", perform, METH_VARARGS, "Do what the nests say to memory."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"machine", machine_of, NULL, "The name of its machine.", NULL},
    {"work", work_of, NULL, "About how many operations a run takes, and each row.", NULL},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Runner(table, numbers, header, reduction, threads, machine=None, few=None)\n--\n\nNests ready to run."},
    {Py_tp_new, runner_new},
    {Py_tp_dealloc, runner_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "autodiff.native.core.Runner",
    .basicsize = sizeof(Runner),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static PyMethodDef functions[] = {
    {"machines", machines_, METH_NOARGS, "The names of the instruction sets that this processor has, the best first."},
    {"evaluate", evaluate, METH_VARARGS, "The result of one operation, by its opcode."},
    {NULL, NULL, 0, NULL},
};

int add_runner(PyObject *module)
{
    if (runner_type == NULL && (runner_type = (PyTypeObject *)PyType_FromSpec(&spec)) == NULL)
        return -1;
    return PyModule_AddType(module, runner_type) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
