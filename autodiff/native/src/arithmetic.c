/* Operators and comparisons: their rules are those of the table, written out.

   An operand that is a constant 0 makes the other one's local gradient a structural zero. */

#include "core.h"

/* --- what is ambient, and operands --- */

int kind_of_mode(void)
{
    PyObject *kind = PyObject_CallNoArgs(core.kind_of_mode);
    int found = kind == NULL ? -1 : (int)PyLong_AsLong(kind);
    Py_XDECREF(kind);
    return found;
}

/* Read the number of a Value, a float, np.float64, an int or a bool: whether it is one. */
static inline int read_number(PyObject *x, double *number)
{
    if (is_value(x) || is_float(x)) {
        *number = is_value(x) ? ((Node *)x)->data : PyFloat_AS_DOUBLE(x);
        return 1;
    }
    int is_int = PyLong_CheckExact(x) || PyBool_Check(x);
    *number = is_int ? PyLong_AsDouble(x) : 0.0;
    if (*number != -1.0 || !PyErr_Occurred())
        return is_int;
    PyErr_Clear(); /* too large: the plain function says so */
    return 0;
}

/* --- rules --- */

typedef struct {
    double x, y;
    int is_constant_x, is_constant_y; /* no Value: the constant 0 makes the other's slope a structural zero */
} Pair;

typedef struct {
    double data, slopes[2];
    int nothing[2];
} Result;

/* Each gives the result of plain arithmetic; or 0, where it is not as plain as that. */
typedef int (*Rule)(const Pair *pair, Result *result);

static int add(const Pair *at, Result *result)
{
    *result = (Result){at->x + at->y, {1.0, 1.0}, {0, 0}};
    return 1;
}

static int subtract(const Pair *at, Result *result)
{
    *result = (Result){at->x - at->y, {1.0, -1.0}, {0, 0}};
    return 1;
}

static int multiply(const Pair *at, Result *result)
{
    double x = at->x, y = at->y;
    *result = (Result){x * y, {y, x}, {y == 0.0 && at->is_constant_y, x == 0.0 && at->is_constant_x}};
    return 1;
}

static int divide(const Pair *at, Result *result)
{
    double x = at->x, y = at->y, data = x / y, slope = 1.0 / y;
    *result = (Result){data, {slope, -data / y}, {0, x == 0.0 && at->is_constant_x}};
    return y != 0.0 && slope != 0.0;
}

double logarithm(double x) { return x > 0.0 ? log(x) : x == 0.0 ? -Py_HUGE_VAL : x != x ? x : Py_NAN; }

static int power(const Pair *at, Result *result)
{
    double x = at->x, y = at->y, data = pow(x, y);
    *result = (Result){data, {y * pow(x, y - 1.0), data * logarithm(x)}, {0, 0}};
    int has_zero = result->slopes[0] == 0.0 || result->slopes[1] == 0.0;
    return x != 0.0 && y != 0.0 && !(has_zero && at->is_constant_x);
}

/* --- operators --- */

/* What a node notes of it, a new reference: a Value, or a float. */
static inline PyObject *operand_of(PyObject *x, double number)
{
    return is_value(x) || PyFloat_CheckExact(x) ? Py_NewRef(x) : PyFloat_FromDouble(number);
}

static PyObject *recorded(int op, PyObject *left, PyObject *right, const Pair *pair, const Result *result)
{
    Node *node = new_node(result->data);
    if (node == NULL)
        return NULL;
    node->op = (uint16_t)op;
    for (int i = 0; i < 2; i++) {
        PyObject *operand = i == 0 ? operand_of(left, pair->x) : operand_of(right, pair->y);
        if (operand == NULL) {
            Py_DECREF(node);
            return NULL;
        }
        node->operands[i] = operand;
        node->slopes[i] = result->slopes[i];
        node->nothing[i] = (uint8_t)result->nothing[i];
        node->count++;
        track_with(node, operand);
    }
    return (PyObject *)node;
}

/* The result where something is out of the ordinary, perhaps that an operand is a tracer. */
static PyObject *operated_plainly(int op, Rule rule, PyObject *left, PyObject *right)
{
    PyObject *given[] = {core.operations[op], left, right};
    Result result;
    Node *x = tracer_of(given[0], given + 1, 2);
    Pair pair = x == NULL ? (Pair){0} : (Pair){x->slopes[0], x->slopes[1], 0, 0};
    if (x != NULL && rule(&pair, &result)) {
        x->data = result.data;
        return noted(x);
    }
    Py_XDECREF((PyObject *)x);
    return plainly(core.operate, given, 3);
}

static inline PyObject *operated(int op, Rule rule, PyObject *left, PyObject *right)
{
    Pair pair = {0.0, 0.0, !is_value(left), !is_value(right)};
    Result result;
    int how = read_number(left, &pair.x) && read_number(right, &pair.y) ? ambient() : SPECIAL;
    if (how < 0)
        return NULL;
    if (how != SPECIAL && rule(&pair, &result))
        return how == PLAIN ? recorded(op, left, right, &pair, &result) : result_leaf(result.data);
    return operated_plainly(op, rule, left, right);
}

PyObject *node_add(PyObject *left, PyObject *right) { return operated(ADD, add, left, right); }
PyObject *node_subtract(PyObject *left, PyObject *right) { return operated(SUB, subtract, left, right); }
PyObject *node_multiply(PyObject *left, PyObject *right) { return operated(MUL, multiply, left, right); }
PyObject *node_divide(PyObject *left, PyObject *right) { return operated(DIV, divide, left, right); }

PyObject *node_power(PyObject *left, PyObject *right, PyObject *modulus)
{
    if (modulus != Py_None)
        Py_RETURN_NOTIMPLEMENTED;
    return operated(POW, power, left, right);
}

/* A kernel's, and the plain operator is the call of the primitive itself. */
PyObject *node_negative(PyObject *operand) { return PyObject_Vectorcall(core.operations[NEG], &operand, 1, NULL); }

/* --- comparisons --- */

/* A comparison asks no one but a mode with a reading. One with an int is exact, as Python's: a large one is its. */
PyObject *node_compare(PyObject *self, PyObject *other, int which)
{
    static const char *const symbols[] = {"<", "<=", "==", "!=", ">", ">="}; /* by Py_LT, ... */
    double y = 0.0;
    int is_exact = read_number(other, &y) && (!PyLong_Check(other) || fabs(y) < 9007199254740992.0);
    int how = is_exact && is_value(self) ? ambient() : SPECIAL;
    if (how == PLAIN || how == UNRECORDED)
        Py_RETURN_RICHCOMPARE(((Node *)self)->data, y, which);
    int is_known = is_exact || is_traced(other);
    PyObject *condition = how == SPECIAL && is_known ? condition_of(self, other, which) : NULL;
    if (how < 0 || condition != NULL || PyErr_Occurred())
        return condition;
    return PyObject_CallFunction(core.compare, "sOO", symbols[which], self, other);
}
