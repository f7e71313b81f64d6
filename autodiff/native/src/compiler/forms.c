/* Forms: read from a description, once; arguments matched against one and flattened; results built by one.

   What lists and dicts hold is borrowed while they are taken: no Python code runs as long as things match. */

#include "forms.h"

#include <string.h>

/* --- numpy, which is not needed --- */

static struct {
    PyTypeObject *type, *integer, *floating;
    PyObject *float64, *empty, *str_dtype;
} arrays;

int arrays_look_up(void)
{
    PyObject *name = arrays.type == NULL ? PyUnicode_FromString("numpy") : NULL;
    PyObject *numpy = name == NULL ? NULL : PyImport_GetModule(name);
    if (numpy != NULL && (arrays.str_dtype = PyUnicode_InternFromString("dtype")) != NULL &&
        (arrays.float64 = PyObject_CallMethod(numpy, "dtype", "O", &PyFloat_Type)) != NULL &&
        (arrays.empty = PyObject_GetAttrString(numpy, "empty")) != NULL &&
        (arrays.integer = (PyTypeObject *)PyObject_GetAttrString(numpy, "integer")) != NULL &&
        (arrays.floating = (PyTypeObject *)PyObject_GetAttrString(numpy, "floating")) != NULL)
        arrays.type = (PyTypeObject *)PyObject_GetAttrString(numpy, "ndarray");
    PyErr_Clear(); /* it may be half imported */
    Py_XDECREF(numpy);
    Py_XDECREF(name);
    return arrays.type != NULL;
}

int is_numpy_array(PyObject *x) { return arrays_look_up() && Py_TYPE(x) == arrays.type; }

/* --- what a form is made of --- */

#define NAMED(name) #name,
static const char *const kind_names[KIND_COUNT] = {KINDS(NAMED)};

static int refused(const char *why)
{
    PyErr_Format(PyExc_ValueError, "no form: %s", why);
    return -1;
}

static int shape_read(Form *form)
{
    if (arrays.type == NULL || !PyTuple_Check(form->held) || PyTuple_GET_SIZE(form->held) > MOST_AXES)
        return refused("a shape has a few axes");
    form->axes = (int)PyTuple_GET_SIZE(form->held);
    form->count = 1;
    for (int i = 0; i < form->axes; i++) {
        Py_ssize_t length = form->shape[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(form->held, i));
        if (length < 0 || (length && form->count > PY_SSIZE_T_MAX / 16 / length))
            return refused("an array fits into memory");
        form->count *= length;
    }
    return 0;
}

static int parts_read(Form *form, PyObject *parts, int depth)
{
    int are_numbers = form->kind == IS_sequence;
    form->parts = PyTuple_GET_SIZE(parts) ? PyMem_Calloc(PyTuple_GET_SIZE(parts), sizeof(Form)) : NULL;
    if (form->parts == NULL && PyTuple_GET_SIZE(parts))
        return refused("there is no memory");
    while (form->count < PyTuple_GET_SIZE(parts)) {
        Form *part = form->parts + form->count++;
        if (form_read(part, PyTuple_GET_ITEM(parts, form->count - 1), depth + 1) < 0)
            return -1;
        are_numbers = are_numbers && part->kind == IS_number;
    }
    if (are_numbers) {
        PyMem_Free(form->parts);
        form->parts = NULL;
    }
    return 0;
}

/* Whether it is the class of lists, or one of tuples. */
static int is_list_or_tuple(PyObject *kind)
{
    return kind == (PyObject *)&PyList_Type ||
           (PyType_Check(kind) && PyType_IsSubtype((PyTypeObject *)kind, &PyTuple_Type));
}

int form_read(Form *form, PyObject *described, int depth)
{
    PyObject *name, *parts;
    if (depth > DEEPEST || !PyArg_ParseTuple(described, "UOO!", &name, &form->held, &PyTuple_Type, &parts))
        return refused("it is too deep, or not described as one");
    for (; PyUnicode_CompareWithASCIIString(name, kind_names[form->kind]) != 0; form->kind++)
        if (form->kind == KIND_COUNT - 1)
            return refused("there is no such kind");
    if (form->kind == IS_array || form->kind == IS_rows)
        return shape_read(form);
    if (parts_read(form, parts, depth) < 0)
        return -1;
    int is_sound = form->kind == IS_sequence ? is_list_or_tuple(form->held)
                   : form->kind == IS_mapping ? PyTuple_Check(form->held) && PyTuple_GET_SIZE(form->held) == form->count
                   : form->kind == IS_watched ? PyTuple_Check(form->held) && PyTuple_GET_SIZE(form->held) % 2 == 1
                                              : form->count == (form->kind == IS_listed);
    return is_sound ? 0 : refused("it does not hold what its kind does");
}

void form_free(Form *form)
{
    for (Py_ssize_t i = 0; form->parts != NULL && i < form->count; i++)
        form_free(form->parts + i);
    PyMem_Free(form->parts);
}

void form_measure(const Form *form, Room *room)
{
    Room row = {0};
    if (form->kind == IS_number || form->kind == IS_truth)
        room->shared++;
    else if (form->kind == IS_rows) {
        room->varying += form->count;
        room->columns++;
    }
    else if (form->kind == IS_listed) {
        form_measure(form->parts, &row);
        room->varying += row.shared;
        room->columns += 1 + row.columns * MOST_COLUMNS; /* too many: there are no rows in a row */
    }
    else if (form->parts == NULL)
        room->shared += form->count;
    else
        for (Py_ssize_t i = 0; i < form->count; i++)
            form_measure(form->parts + i, room);
}

/* --- arguments --- */

/* A number of numpy's own kinds. */
static int take_scalar(PyObject *x, double *to)
{
    PyTypeObject *kind = Py_TYPE(x);
    if (arrays.type == NULL || PyType_HasFeature(kind, Py_TPFLAGS_HEAPTYPE) ||
        !(PyType_IsSubtype(kind, arrays.integer) || PyType_IsSubtype(kind, arrays.floating)))
        return 0;
    PyObject *number = PyNumber_Float(x);
    if (number != NULL)
        *to = PyFloat_AS_DOUBLE(number);
    PyErr_Clear();
    Py_XDECREF(number);
    return number != NULL;
}

static inline int take_number(PyObject *x, double *to)
{
    if (is_float(x)) {
        *to = PyFloat_AS_DOUBLE(x);
        return 1;
    }
    if (!PyLong_CheckExact(x))
        return take_scalar(x, to);
    *to = PyLong_AsDouble(x);
    if (*to != -1.0 || !PyErr_Occurred())
        return 1;
    PyErr_Clear(); /* too large: the plain way says so */
    return 0;
}

int form_take_parts(const Form *form, PyObject *const *items, Taken *taken)
{
    int found = 1;
    for (Py_ssize_t i = 0; i < form->count && found; i++)
        found = form->parts == NULL ? take_number(items[i], taken->to++) : form_take(form->parts + i, items[i], taken);
    return found;
}

/* A list, or a tuple of some class. */
static int take_sequence(const Form *form, PyObject *x, Taken *taken)
{
    if ((PyObject *)Py_TYPE(x) != form->held || Py_SIZE(x) != form->count)
        return 0;
    PyObject *const *items = PyList_CheckExact(x) ? ((PyListObject *)x)->ob_item : ((PyTupleObject *)x)->ob_item;
    return form_take_parts(form, items, taken);
}

static int take_mapping(const Form *form, PyObject *x, Taken *taken)
{
    PyObject *key, *item;
    Py_ssize_t at = 0, i = 0;
    if (!PyDict_CheckExact(x) || PyDict_GET_SIZE(x) != form->count)
        return 0;
    for (; i < form->count && PyDict_Next(x, &at, &key, &item); i++)
        if (!is_same(key, PyTuple_GET_ITEM(form->held, i)) || !form_take(form->parts + i, item, taken))
            return 0;
    return 1;
}

/* A view of an array of float64: after the first axis, where it is skipped, of the form's shape. */
static int view_array(const Form *form, PyObject *x, int skipped, Py_buffer *view)
{
    if (Py_TYPE(x) != arrays.type)
        return 0;
    PyObject *dtype = PyObject_GetAttr(x, arrays.str_dtype);
    Py_XDECREF(dtype); /* x has it still */
    if (dtype != arrays.float64 || PyObject_GetBuffer(x, view, PyBUF_STRIDES) < 0) {
        PyErr_Clear();
        return 0;
    }
    int found = view->ndim == form->axes + skipped;
    for (int i = 0; i < form->axes && found; i++)
        found = view->shape[i + skipped] == form->shape[i];
    if (!found)
        PyBuffer_Release(view);
    return found;
}

/* Whether its numbers stand side by side in C order, each where a double may stand. */
static int is_plain(const Py_buffer *view)
{
    return (uintptr_t)view->buf % sizeof(double) == 0 && PyBuffer_IsContiguous(view, 'C');
}

/* Put the numbers of a view into memory in C order, those from this axis on; where the next one goes. */
static double *gather(const Py_buffer *view, const char *at, int axis, double *to)
{
    if (axis == view->ndim) {
        memcpy(to, at, sizeof(double));
        return to + 1;
    }
    for (Py_ssize_t i = 0; i < view->shape[axis]; i++)
        to = gather(view, at + i * view->strides[axis], axis + 1, to);
    return to;
}

static int take_array(const Form *form, PyObject *x, Taken *taken)
{
    Py_buffer view;
    if (!view_array(form, x, 0, &view))
        return 0;
    if (is_plain(&view))
        memcpy(taken->to, view.buf, form->count * sizeof(double));
    else
        gather(&view, view.buf, 0, taken->to);
    taken->to += form->count;
    PyBuffer_Release(&view);
    return 1;
}

/* Whether a list or dict holds the very things that it held before; of a dict, its keys and then its values. */
static int holds(PyObject *holder, PyObject *before)
{
    PyObject *key, *item;
    Py_ssize_t count = PyList_GET_SIZE(before), half = count / 2, at = 0, i = 0;
    if (PyList_CheckExact(holder))
        return PyList_GET_SIZE(holder) == count &&
               (count == 0 || memcmp(((PyListObject *)holder)->ob_item, ((PyListObject *)before)->ob_item,
                                     count * sizeof(PyObject *)) == 0);
    if (!PyDict_CheckExact(holder) || 2 * PyDict_GET_SIZE(holder) != count)
        return 0;
    for (; i < half && PyDict_Next(holder, &at, &key, &item); i++)
        if (key != PyList_GET_ITEM(before, i) || item != PyList_GET_ITEM(before, i + half))
            return 0;
    return 1;
}

static int is_as_watched(PyObject *watched, PyObject *x)
{
    int found = x == PyTuple_GET_ITEM(watched, 0);
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(watched) && found; i += 2)
        found = PyList_CheckExact(PyTuple_GET_ITEM(watched, i + 1)) &&
                holds(PyTuple_GET_ITEM(watched, i), PyTuple_GET_ITEM(watched, i + 1));
    return found;
}

/* Another column, of so many rows, where that is as many as the others have. */
static int add_column(Taken *taken, Py_ssize_t rows, double *at, int64_t width)
{
    if (taken->rows == ROWS_UNKNOWN)
        taken->rows = rows;
    taken->columns[taken->count++] = (Column){at, width};
    return taken->rows == rows && rows > 0;
}

/* Memory of its own for the numbers of a column, in the place of its view; NULL without memory. */
static double *own_memory(Py_buffer *view, Py_ssize_t count)
{
    view->obj = NULL;
    return view->buf = PyMem_Malloc(count * sizeof(double));
}

static int take_rows(const Form *form, PyObject *x, Taken *taken)
{
    Py_buffer *view = taken->views + taken->count, given;
    if (!view_array(form, x, 1, view))
        return 0;
    Py_ssize_t rows = view->shape[0];
    if (!is_plain(view)) {
        given = *view;
        double *memory = own_memory(view, given.len / (Py_ssize_t)sizeof(double));
        if (memory != NULL)
            gather(&given, given.buf, 0, memory);
        PyBuffer_Release(&given);
    }
    return add_column(taken, rows, view->buf, form->count) && view->buf != NULL;
}

static int take_listed(const Form *form, PyObject *x, Taken *taken)
{
    Room row = {0};
    form_measure(form->parts, &row);
    if (!PyList_CheckExact(x) || PyList_GET_SIZE(x) > PY_SSIZE_T_MAX / 16 / (row.shared + 1))
        return 0;
    Py_buffer *view = taken->views + taken->count;
    double *to = taken->to, *memory = taken->to = own_memory(view, PyList_GET_SIZE(x) * row.shared);
    int found = memory != NULL && add_column(taken, PyList_GET_SIZE(x), memory, row.shared);
    for (Py_ssize_t i = 0; found && i < taken->rows; i++)
        found = form_take(form->parts, PyList_GET_ITEM(x, i), taken);
    taken->to = to;
    return found;
}

void taken_release(Taken *taken)
{
    while (taken->count > 0) {
        Py_buffer *view = taken->views + --taken->count;
        if (view->obj == NULL)
            PyMem_Free(view->buf);
        else
            PyBuffer_Release(view);
    }
}

int form_take(const Form *form, PyObject *x, Taken *taken)
{
    switch (form->kind) {
    case IS_number:
        return take_number(x, taken->to++);
    case IS_array:
        return take_array(form, x, taken);
    case IS_sequence:
        return take_sequence(form, x, taken);
    case IS_mapping:
        return take_mapping(form, x, taken);
    case IS_same:
        return is_same(x, form->held);
    case IS_watched:
        return is_as_watched(form->held, x);
    case IS_rows:
        return take_rows(form, x, taken);
    case IS_listed:
        return take_listed(form, x, taken);
    default:
        return 0;
    }
}

/* --- results --- */

static PyObject *new_array(PyObject *shape, const double *from, Py_ssize_t count)
{
    Py_buffer view;
    PyObject *array = PyObject_CallOneArg(arrays.empty, shape);
    if (array == NULL || PyObject_GetBuffer(array, &view, PyBUF_WRITABLE) < 0) {
        Py_XDECREF(array);
        return NULL;
    }
    memcpy(view.buf, from, count * sizeof(double));
    PyBuffer_Release(&view);
    return array;
}

static PyObject *build_sequence(const Form *form, const double **from)
{
    int is_list = form->held == (PyObject *)&PyList_Type;
    PyObject *made = is_list ? PyList_New(form->count) : PyTuple_New(form->count);
    for (Py_ssize_t i = 0; i < form->count && made != NULL; i++) {
        PyObject *item = form->parts == NULL ? PyFloat_FromDouble(*(*from)++) : form_build(form->parts + i, from);
        if (item == NULL)
            Py_CLEAR(made);
        else if (is_list)
            PyList_SET_ITEM(made, i, item);
        else
            PyTuple_SET_ITEM(made, i, item);
    }
    return made;
}

static PyObject *build_mapping(const Form *form, const double **from)
{
    PyObject *made = PyDict_New();
    for (Py_ssize_t i = 0; i < form->count && made != NULL; i++) {
        PyObject *item = form_build(form->parts + i, from);
        if (item == NULL || PyDict_SetItem(made, PyTuple_GET_ITEM(form->held, i), item) < 0)
            Py_CLEAR(made);
        Py_XDECREF(item);
    }
    return made;
}

PyObject *form_build(const Form *form, const double **from)
{
    switch (form->kind) {
    case IS_number:
        return PyFloat_FromDouble(*(*from)++);
    case IS_truth:
        return PyBool_FromLong(*(*from)++ != 0.0);
    case IS_array:
        *from += form->count;
        return new_array(form->held, *from - form->count, form->count);
    case IS_sequence:
        return build_sequence(form, from);
    case IS_mapping:
        return build_mapping(form, from);
    default:
        return Py_NewRef(form->held);
    }
}
