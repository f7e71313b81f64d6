/* Operators and comparisons: their rules are those of the table, written out.

   An operand that is a constant 0 makes the other one's local gradient a structural zero. */

#include "core.h"

/* --- modes --- */

/* A mode is a named tuple: recording, checking, sourcing, reading, ... `now` says which counts here, if one does. */
int mode_of(PyObject *mode)
{
    PyObject *now = PyObject_CallNoArgs(core.now);
    if (now == NULL)
        return -1;
    int found = SPECIAL;
    if (now == Py_None)
        found = PLAIN;
    else if (PyTuple_Check(now) && PyTuple_GET_SIZE(now) >= 4 && PyTuple_GET_ITEM(now, 0) == Py_False &&
             PyTuple_GET_ITEM(now, 1) == Py_False && PyTuple_GET_ITEM(now, 2) == Py_False &&
             PyTuple_GET_ITEM(now, 3) == Py_None)
        found = UNRECORDED;
    Py_DECREF(now);
    return found;
}

/* --- operands --- */

/* Read an operand: 1, and a new reference, if it is an ordinary one; an int becomes a float. 0 if it is not. */
int read_operand(PyObject **operand, double *number)
{
    PyObject *x = *operand;
    if (is_value(x))
        *number = ((Node *)x)->data;
    else if (PyFloat_CheckExact(x))
        *number = PyFloat_AS_DOUBLE(x);
    else if (PyLong_CheckExact(x)) {
        *number = PyLong_AsDouble(x);
        if (*number == -1.0 && PyErr_Occurred()) {
            PyErr_Clear(); /* too large: the plain function says so */
            return 0;
        }
        *operand = PyFloat_FromDouble(*number);
        return *operand == NULL ? -1 : 1;
    }
    else
        return 0;
    Py_INCREF(x);
    return 1;
}

typedef struct {
    PyObject *left, *right; /* owned */
    double x, y;
} Pair;

static void free_pair(Pair *pair)
{
    Py_DECREF(pair->left);
    Py_DECREF(pair->right);
}

/* Read both operands: how the result is to be recorded. Where that is SPECIAL, or an error, there is no pair. */
static int read_pair(Pair *pair, PyObject *left, PyObject *right)
{
    pair->left = left;
    pair->right = right;
    int found = read_operand(&pair->left, &pair->x);
    if (found <= 0)
        return found < 0 ? -1 : SPECIAL;
    found = read_operand(&pair->right, &pair->y);
    if (found <= 0) {
        Py_DECREF(pair->left);
        return found < 0 ? -1 : SPECIAL;
    }
    found = ambient();
    if (found < 0 || found == SPECIAL)
        free_pair(pair);
    return found;
}

static inline int is_zero_constant(PyObject *operand, double number)
{
    return number == 0.0 && PyFloat_CheckExact(operand);
}

/* --- results --- */

/* The node of a binary operation; it takes the pair over. */
static PyObject *recorded(int how, int op, Pair *pair, double data, const double slopes[2], const int nothing[2])
{
    if (how == UNRECORDED) {
        free_pair(pair);
        return result_leaf(data);
    }
    Node *x = new_node(data);
    if (x == NULL) {
        free_pair(pair);
        return NULL;
    }
    x->op = (uint16_t)op;
    x->count = 2;
    x->operands[0] = pair->left;
    x->operands[1] = pair->right;
    for (int i = 0; i < 2; i++) {
        x->slopes[i] = slopes[i];
        x->nothing[i] = (uint8_t)nothing[i];
        track_with(x, x->operands[i]);
    }
    return (PyObject *)x;
}

/* What the plain operator makes of operands that are out of the ordinary. */
static PyObject *plainly(int how, int op, PyObject *left, PyObject *right)
{
    if (how < 0)
        return NULL;
    PyObject *given[] = {core.operations[op], left, right};
    return PyObject_Vectorcall(core.operate, given, 3, NULL);
}

/* --- operators --- */

PyObject *node_add(PyObject *left, PyObject *right)
{
    Pair pair;
    int how = read_pair(&pair, left, right);
    if (how < 0 || how == SPECIAL)
        return plainly(how, ADD, left, right);
    return recorded(how, ADD, &pair, pair.x + pair.y, (double[]){1.0, 1.0}, (int[]){0, 0});
}

PyObject *node_subtract(PyObject *left, PyObject *right)
{
    Pair pair;
    int how = read_pair(&pair, left, right);
    if (how < 0 || how == SPECIAL)
        return plainly(how, SUB, left, right);
    return recorded(how, SUB, &pair, pair.x - pair.y, (double[]){1.0, -1.0}, (int[]){0, 0});
}

PyObject *node_multiply(PyObject *left, PyObject *right)
{
    Pair pair;
    int how = read_pair(&pair, left, right);
    if (how < 0 || how == SPECIAL)
        return plainly(how, MUL, left, right);
    double x = pair.x, y = pair.y;
    int nothing[] = {is_zero_constant(pair.right, y), is_zero_constant(pair.left, x)};
    return recorded(how, MUL, &pair, x * y, (double[]){y, x}, nothing);
}

PyObject *node_divide(PyObject *left, PyObject *right)
{
    Pair pair;
    int how = read_pair(&pair, left, right);
    if (how < 0 || how == SPECIAL)
        return plainly(how, DIV, left, right);
    double x = pair.x, y = pair.y, data = x / y;
    if (y == 0.0) { /* `floats` knows */
        free_pair(&pair);
        return plainly(how, DIV, left, right);
    }
    int nothing[] = {is_zero_constant(pair.right, 1.0 / y), is_zero_constant(pair.left, x)};
    return recorded(how, DIV, &pair, data, (double[]){1.0 / y, -data / y}, nothing);
}

double logarithm(double x) { return x > 0.0 ? log(x) : x == 0.0 ? -Py_HUGE_VAL : x != x ? x : Py_NAN; }

PyObject *node_power(PyObject *left, PyObject *right, PyObject *modulus)
{
    if (modulus != Py_None)
        Py_RETURN_NOTIMPLEMENTED;
    Pair pair;
    int how = read_pair(&pair, left, right);
    if (how < 0 || how == SPECIAL)
        return plainly(how, POW, left, right);
    double x = pair.x, y = pair.y, data = pow(x, y);
    double slopes[] = {y * pow(x, y - 1.0), data * logarithm(x)};
    int is_subtle = x == 0.0 || y == 0.0 || (PyFloat_CheckExact(pair.left) && (slopes[0] == 0.0 || slopes[1] == 0.0));
    if (is_subtle) { /* a slope may be a structural zero: the table knows */
        free_pair(&pair);
        return plainly(how, POW, left, right);
    }
    return recorded(how, POW, &pair, data, slopes, (int[]){0, 0});
}

/* A kernel's, and the plain operator is the call of the primitive itself. */
PyObject *node_negative(PyObject *operand) { return PyObject_Vectorcall(core.operations[NEG], &operand, 1, NULL); }

/* --- comparisons --- */

/* Python's own comparison of floats with an int is exact, however large it is. */
static PyObject *compared_with_int(double x, PyObject *other, int which)
{
    PyObject *number = PyFloat_FromDouble(x);
    if (number == NULL)
        return NULL;
    PyObject *result = PyObject_RichCompare(number, other, which);
    Py_DECREF(number);
    return result;
}

/* A comparison asks no one but a mode with a reading. */
PyObject *node_compare(PyObject *self, PyObject *other, int which)
{
    int how = is_value(self) ? ambient() : SPECIAL;
    if (how < 0)
        return NULL;
    if (how != SPECIAL) {
        double x = ((Node *)self)->data;
        if (is_value(other))
            Py_RETURN_RICHCOMPARE(x, ((Node *)other)->data, which);
        if (PyFloat_CheckExact(other))
            Py_RETURN_RICHCOMPARE(x, PyFloat_AS_DOUBLE(other), which);
        if (PyLong_Check(other))
            return compared_with_int(x, other, which);
    }
    static const char *const symbols[] = {"<", "<=", "==", "!=", ">", ">="}; /* by Py_LT, ... */
    return PyObject_CallFunction(core.compare, "sOO", symbols[which], self, other);
}
