/* Dot and sum of lists; steps of optimisers, on lists of leaves.

   A list may be changed by whatever Python code runs. So its items are read, and references to them taken, before
   anything is done that could run some. */

#include "core.h"

/* --- numbers of a list --- */

static int is_list(PyObject *x) { return PyList_CheckExact(x) || PyTuple_CheckExact(x); }

/* Read ordinary numbers: the operands, new references, and what they hold. How many were read: less than all, where one
   is out of the ordinary, or an error occurred. */
static Py_ssize_t read_numbers(PyObject *list, PyObject **operands, double *numbers)
{
    PyObject **items = PySequence_Fast_ITEMS(list);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(list), i = 0;
    for (; i < count; i++) {
        PyObject *x = operands[i] = items[i];
        if (is_value(x))
            numbers[i] = ((Node *)Py_NewRef(x))->data;
        else if (PyFloat_CheckExact(x))
            numbers[i] = PyFloat_AS_DOUBLE(Py_NewRef(x));
        else if (read_operand(&operands[i], &numbers[i]) <= 0)
            break;
    }
    return i;
}

static int is_any_a_value(PyObject *const *operands, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (is_value(operands[i]))
            return 1;
    return 0;
}

/* --- dot and sum --- */

/* Free a block of which so many operands have been read. */
static void free_unread(Block *block, Py_ssize_t read)
{
    while (read-- > 0)
        Py_DECREF(block_operands(block)[read]);
    PyMem_Free(block);
}

/* None for the table, or the error that occurred. */
static PyObject *not_ordinary(Block *block, Py_ssize_t read)
{
    free_unread(block, read);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *result(int how, int op, Block *block, double data)
{
    if (how == PLAIN)
        return block_node(op, block, data);
    free_block(block);
    return result_leaf(data);
}

/* Each factor is the other's local gradient, and a constant 0 a structural zero. */
static double dot_of(Block *block)
{
    Py_ssize_t half = block->count / 2;
    double *of_w = block->slopes, *of_x = block->slopes + half;
    uint8_t *nothing = block_nothing(block);
    Sum sum = nothing_yet;
    for (Py_ssize_t i = 0; i < half; i++) {
        add_to(&sum, of_x[i] * of_w[i]);
        nothing[i] = of_w[i] == 0.0 && PyFloat_CheckExact(block_operands(block)[half + i]);
        nothing[half + i] = of_x[i] == 0.0 && PyFloat_CheckExact(block_operands(block)[i]);
    }
    return total_of(&sum);
}

/* dot_of_lists(w, x): the node of dot(w, x), of two lists of one length with a Value among them. */
static PyObject *dot_of_lists(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !is_list(args[0]) || !is_list(args[1]))
        Py_RETURN_NONE;
    int how = ambient();
    if (how < 0)
        return NULL;
    Py_ssize_t half = PySequence_Fast_GET_SIZE(args[0]);
    if (how == SPECIAL || half != PySequence_Fast_GET_SIZE(args[1]))
        Py_RETURN_NONE;
    Block *block = new_block(2 * half);
    if (block == NULL)
        return NULL;
    PyObject **operands = block_operands(block);
    Py_ssize_t read = read_numbers(args[0], operands, block->slopes + half);
    if (read == half)
        read += read_numbers(args[1], operands + half, block->slopes);
    if (read < block->count || !is_any_a_value(operands, read))
        return not_ordinary(block, read);
    double data = dot_of(block);
    return result(how, DOT, block, data);
}

static double sum_of(Block *block)
{
    Sum sum = nothing_yet;
    for (Py_ssize_t i = 0; i < block->count; i++) {
        add_to(&sum, block->slopes[i]);
        block->slopes[i] = 1.0;
    }
    return total_of(&sum);
}

/* sum_of_list(numbers): the node of sum(numbers), of a list with a Value in it. */
static PyObject *sum_of_list(PyObject *module, PyObject *list)
{
    int how = ambient();
    if (how < 0)
        return NULL;
    if (how == SPECIAL || !is_list(list))
        Py_RETURN_NONE;
    Block *block = new_block(PySequence_Fast_GET_SIZE(list));
    if (block == NULL)
        return NULL;
    Py_ssize_t read = read_numbers(list, block_operands(block), block->slopes);
    if (read < block->count || !is_any_a_value(block_operands(block), read))
        return not_ordinary(block, read);
    double data = sum_of(block);
    return result(how, SUM, block, data);
}

/* --- steps of optimisers --- */

/* Whether it is a list of Values, whose numbers nothing ambient wants left alone. -1: an error. */
static int may_be_changed(PyObject *values)
{
    int how = ambient();
    if (how < 0 || how == SPECIAL || !is_list(values))
        return how < 0 ? -1 : 0;
    PyObject **items = PySequence_Fast_ITEMS(values);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(values); i++)
        if (!is_value(items[i]))
            return 0;
    return 1;
}

/* zero_grads(values): set the grad of each to 0.0. True if it was done. */
static PyObject *zero_grads(PyObject *module, PyObject *values)
{
    int found = may_be_changed(values);
    if (found <= 0)
        return found < 0 ? NULL : Py_NewRef(Py_None);
    PyObject **items = PySequence_Fast_ITEMS(values);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(values); i++)
        ((Node *)items[i])->grad = 0.0;
    Py_RETURN_TRUE;
}

/* The data of Values after a step, at these rates, or NULL: a float for each is expected. */
static double *moved(PyObject *values, PyObject *rates)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    if (!is_list(rates) || PySequence_Fast_GET_SIZE(rates) != count)
        return NULL;
    PyObject **items = PySequence_Fast_ITEMS(values), **rate = PySequence_Fast_ITEMS(rates);
    double *data = PyMem_Malloc(count * sizeof(double));
    for (Py_ssize_t i = 0; data != NULL && i < count; i++) {
        if (!PyFloat_CheckExact(rate[i])) {
            PyMem_Free(data);
            return NULL;
        }
        data[i] = ((Node *)items[i])->data - PyFloat_AS_DOUBLE(rate[i]) * ((Node *)items[i])->grad;
    }
    return data;
}

/* descend(values, rates): take rate * grad from the data of each. True if it was done. */
static PyObject *descend(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    int found = given == 2 ? may_be_changed(args[0]) : 0;
    if (found < 0)
        return NULL;
    double *data = found ? moved(args[0], args[1]) : NULL;
    if (data == NULL)
        Py_RETURN_NONE;
    PyObject **items = PySequence_Fast_ITEMS(args[0]);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(args[0]); i++)
        ((Node *)items[i])->data = data[i];
    PyMem_Free(data);
    Py_RETURN_TRUE;
}

#define WITH_MORE_ARGUMENTS(f) ((PyCFunction)(void (*)(void))(f))

PyMethodDef list_functions[] = {
    {"dot_of_lists", WITH_MORE_ARGUMENTS(dot_of_lists), METH_FASTCALL, "The node of a dot of two lists, or None."},
    {"sum_of_list", sum_of_list, METH_O, "The node of the sum of a list, or None."},
    {"zero_grads", zero_grads, METH_O, "Set the grad of each to 0.0: True, or None."},
    {"descend", WITH_MORE_ARGUMENTS(descend), METH_FASTCALL, "Take rate * grad from the data of each: True, or None."},
    {NULL, NULL, 0, NULL},
};
