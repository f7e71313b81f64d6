/* Dot and sum of lists; data and grads of lists of Values, which optimisers read and assign.

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
        if (!read_number(items[i], &numbers[i]) || (operands[i] = operand_of(items[i], numbers[i])) == NULL)
            return 0;
        reading->is_any_a_value |= is_value(operands[i]);
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

/* --- data and grads of lists --- */

/* Whether it is a list of so many Values. */
static int are_values(PyObject *values, Py_ssize_t count)
{
    if (PySequence_Fast_GET_SIZE(values) != count)
        return 0;
    PyObject **items = PySequence_Fast_ITEMS(values);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_value(items[i]))
            return 0;
    return 1;
}

/* Whether they are lists of one length, of Values and of floats, and nothing ambient may refuse an assignment. */
static int may_be_assigned(PyObject *values, PyObject *numbers)
{
    int how = ambient();
    if (how < 0 || how == SPECIAL || !is_list(values) || !is_list(numbers))
        return 0;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(numbers);
    PyObject **items = PySequence_Fast_ITEMS(numbers);
    for (Py_ssize_t i = 0; i < count; i++)
        if (!PyFloat_CheckExact(items[i]))
            return 0;
    return are_values(values, count);
}

static inline double *number_of(PyObject *value, PyObject *name)
{
    return name == core.str_grad ? &((Node *)value)->grad : &((Node *)value)->data;
}

/* numbers_of(values, name): the data of each, or the grad, a new list. */
static PyObject *numbers_of(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !is_list(args[0]) || (args[1] != core.str_data && args[1] != core.str_grad))
        return plainly(core.numbers_of, args, given);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(args[0]);
    PyObject *numbers = PyList_New(count);
    if (numbers == NULL || !are_values(args[0], count)) { /* by now: the collector may have run */
        Py_XDECREF(numbers);
        return plainly(core.numbers_of, args, given);
    }
    PyObject **items = PySequence_Fast_ITEMS(args[0]);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *number = PyFloat_FromDouble(*number_of(items[i], args[1]));
        if (number == NULL) {
            Py_DECREF(numbers);
            return NULL;
        }
        PyList_SET_ITEM(numbers, i, number);
    }
    return numbers;
}

/* assign_numbers(values, name, numbers): assign one to the data, or the grad, of each. */
static PyObject *assign_numbers(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 3 || (args[1] != core.str_data && args[1] != core.str_grad) || !may_be_assigned(args[0], args[2]))
        return plainly(core.assign_numbers, args, given);
    PyObject **items = PySequence_Fast_ITEMS(args[0]), **numbers = PySequence_Fast_ITEMS(args[2]);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(args[0]); i++)
        *number_of(items[i], args[1]) = PyFloat_AS_DOUBLE(numbers[i]);
    Py_RETURN_NONE;
}

/* descend_by(values, rates): take rate * grad from the data of each. One that stands there twice moves once. */
static PyObject *descend_by(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !may_be_assigned(args[0], args[1]))
        return plainly(core.descend_by, args, given);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(args[0]);
    PyObject **items = PySequence_Fast_ITEMS(args[0]), **rates = PySequence_Fast_ITEMS(args[1]);
    double *moved = PyMem_Malloc(count * sizeof(double));
    if (moved == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        moved[i] = ((Node *)items[i])->data - PyFloat_AS_DOUBLE(rates[i]) * ((Node *)items[i])->grad;
    for (Py_ssize_t i = 0; i < count; i++)
        ((Node *)items[i])->data = moved[i];
    PyMem_Free(moved);
    Py_RETURN_NONE;
}

#define OF_ARGUMENTS(f) (PyCFunction)(void (*)(void))f, METH_FASTCALL

PyMethodDef list_functions[] = {
    {"dot_of_lists", OF_ARGUMENTS(dot_of_lists), "The node of a dot of lists."},
    {"sum_of_list", OF_ARGUMENTS(sum_of_list), "The node of the sum of a list."},
    {"numbers_of", OF_ARGUMENTS(numbers_of), "The data or the grads of Values."},
    {"assign_numbers", OF_ARGUMENTS(assign_numbers), "Assign data or grads to Values."},
    {"descend_by", OF_ARGUMENTS(descend_by), "Take rate * grad from the data of each Value."},
    {NULL, NULL, 0, NULL},
};
