/* Dot and sum of lists; steps of optimisers, on lists of leaves.

   A list may be changed by any Python code that runs. So its items are read, and references to them taken, before
   anything is done that could run some. */

#include "core.h"

static int is_list(PyObject *x) { return PyList_CheckExact(x) || PyTuple_CheckExact(x); }

/* What the plain function gives, where things are out of the ordinary; NULL if an error has occurred already. */
static PyObject *plainly(PyObject *function, PyObject *const *args, Py_ssize_t given)
{
    return PyErr_Occurred() ? NULL : PyObject_Vectorcall(function, args, given, NULL);
}

/* --- numbers of a list --- */

typedef struct { /* operands and their numbers, in a block that is being filled in */
    Block *block;
    Py_ssize_t count; /* of those that were read */
    int is_any_a_value;
} Reading;

/* Read all numbers of a list, the numbers apart from the operands, or fail where one is out of the ordinary. */
static int read_list(Reading *reading, PyObject *list, double *numbers)
{
    PyObject **items = PySequence_Fast_ITEMS(list), **operands = block_operands(reading->block) + reading->count;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(list);
    for (Py_ssize_t i = 0; i < count; i++, reading->count++) {
        PyObject *x = operands[i] = items[i];
        if (is_value(x)) {
            numbers[i] = ((Node *)Py_NewRef(x))->data;
            reading->is_any_a_value = 1;
        }
        else if (PyFloat_CheckExact(x))
            numbers[i] = PyFloat_AS_DOUBLE(Py_NewRef(x));
        else if (read_operand(&operands[i], &numbers[i]) <= 0)
            return 0;
    }
    return 1;
}

static void give_up(Reading *reading)
{
    while (reading->count-- > 0)
        Py_DECREF(block_operands(reading->block)[reading->count]);
    PyMem_Free(reading->block);
}

/* The result of an operation on what was read, whose local gradients stand in the block by now. */
static PyObject *result_of(int how, int op, Block *block, double data)
{
    if (how == PLAIN)
        return block_node(op, block, data);
    free_block(block);
    return result_leaf(data);
}

/* --- dot and sum --- */

/* Each factor is the local gradient of the other. A constant 0 is a structural zero. */
static double dot_of(Block *block)
{
    Py_ssize_t half = block->count / 2;
    double *x = block->slopes, *w = block->slopes + half;
    PyObject **operands = block_operands(block);
    uint8_t *nothing = block_nothing(block);
    Sum sum = nothing_yet;
    for (Py_ssize_t i = 0; i < half; i++) {
        add_to(&sum, w[i] * x[i]);
        nothing[i] = x[i] == 0.0 && PyFloat_CheckExact(operands[half + i]);
        nothing[half + i] = w[i] == 0.0 && PyFloat_CheckExact(operands[i]);
    }
    return total_of(&sum);
}

/* dot_of_lists(w, x): the node of dot(w, x). */
static PyObject *dot_of_lists(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    int how = ambient();
    if (how < 0 || how == SPECIAL || given != 2 || !is_list(args[0]) || !is_list(args[1]))
        return plainly(core.dot_of_lists, args, given);
    Py_ssize_t half = PySequence_Fast_GET_SIZE(args[0]);
    Block *block = half == PySequence_Fast_GET_SIZE(args[1]) ? new_block(2 * half) : NULL;
    if (block == NULL)
        return plainly(core.dot_of_lists, args, given);
    Reading reading = {block, 0, 0};
    if (!read_list(&reading, args[0], block->slopes + half) || !read_list(&reading, args[1], block->slopes) ||
        !reading.is_any_a_value) {
        give_up(&reading);
        return plainly(core.dot_of_lists, args, given);
    }
    double data = dot_of(block);
    return result_of(how, DOT, block, data);
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

/* sum_of_list(numbers): the node of sum(numbers). */
static PyObject *sum_of_list(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    int how = ambient();
    Block *block = NULL;
    if (how >= 0 && how != SPECIAL && given == 1 && is_list(args[0]))
        block = new_block(PySequence_Fast_GET_SIZE(args[0]));
    if (block == NULL)
        return plainly(core.sum_of_list, args, given);
    Reading reading = {block, 0, 0};
    if (!read_list(&reading, args[0], block->slopes) || !reading.is_any_a_value) {
        give_up(&reading);
        return plainly(core.sum_of_list, args, given);
    }
    double data = sum_of(block);
    return result_of(how, SUM, block, data);
}

/* --- steps of optimisers --- */

/* Whether it is a list of Values, whose numbers nothing ambient wants left alone. */
static int may_be_changed(PyObject *values)
{
    int how = ambient();
    if (how < 0 || how == SPECIAL || !is_list(values))
        return 0;
    PyObject **items = PySequence_Fast_ITEMS(values);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(values); i++)
        if (!is_value(items[i]))
            return 0;
    return 1;
}

/* zero_grads_of(values): set the grad of each to 0.0. */
static PyObject *zero_grads_of(PyObject *module, PyObject *values)
{
    if (!may_be_changed(values))
        return plainly(core.zero_grads_of, &values, 1);
    PyObject **items = PySequence_Fast_ITEMS(values);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(values); i++)
        ((Node *)items[i])->grad = 0.0;
    Py_RETURN_NONE;
}

/* The data of Values after a step, to be freed; NULL, or an error, unless the rates are a float for each. */
static double *moved(PyObject *values, PyObject *rates)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    if (!is_list(rates) || PySequence_Fast_GET_SIZE(rates) != count)
        return NULL;
    double *data = PyMem_Malloc(count * sizeof(double));
    if (data == NULL)
        return (double *)PyErr_NoMemory();
    PyObject **items = PySequence_Fast_ITEMS(values), **rate = PySequence_Fast_ITEMS(rates);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyFloat_CheckExact(rate[i])) {
            PyMem_Free(data);
            return NULL;
        }
        data[i] = ((Node *)items[i])->data - PyFloat_AS_DOUBLE(rate[i]) * ((Node *)items[i])->grad;
    }
    return data;
}

/* descend_by(values, rates): take rate * grad from the data of each. */
static PyObject *descend_by(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    double *data = given == 2 && may_be_changed(args[0]) ? moved(args[0], args[1]) : NULL;
    if (data == NULL)
        return plainly(core.descend_by, args, given);
    PyObject **items = PySequence_Fast_ITEMS(args[0]);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(args[0]); i++)
        ((Node *)items[i])->data = data[i];
    PyMem_Free(data);
    Py_RETURN_NONE;
}

#define OF_ARGUMENTS(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL

PyMethodDef list_functions[] = {
    {"dot_of_lists", OF_ARGUMENTS(dot_of_lists), "The node of a dot of lists."},
    {"sum_of_list", OF_ARGUMENTS(sum_of_list), "The node of the sum of a list."},
    {"zero_grads_of", zero_grads_of, METH_O, "Set the grad of each Value to 0.0."},
    {"descend_by", OF_ARGUMENTS(descend_by), "Take rate * grad from the data of each Value."},
    {NULL, NULL, 0, NULL},
};
