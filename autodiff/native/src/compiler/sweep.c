/* The reverse sweep over tracers: `chain.reverse` with the arithmetic of `TracedAdjoints`.

   What the chain rule multiplies and adds are tracers, which the trace notes: each operation here is one that Python
   code would ask for, in the same order. Local gradients that are constants, or the other operands, are known here; all
   others come from the rules of the table. */

#include "compiler.h"

typedef struct {
    Owner *owner;
    PyObject *rules_read;       /* `sweeps.rules_read`, for what is out of the ordinary */
    Py_ssize_t count, interior; /* of the nodes, of those of the order */
    Traced **nodes;             /* of the order, then inputs that are not in it; borrowed */
    PyObject **adjoints;        /* NULL: nothing is passed on to it yet */
    uint8_t *matters;           /* whether it is an input, or made from one */
    PyObject *leaves;           /* inputs that are no tracers, with their adjoints, None at first */
} Sweep;

/* --- nodes and their adjoints --- */

static int is_float_of(PyObject *x, double number) { return PyFloat_CheckExact(x) && PyFloat_AS_DOUBLE(x) == number; }
static int is_optional(PyObject *x) { return is_traced(x) && ((Node *)x)->is_optional; }
static int is_choice(Node *x) { return x->op != OTHER_OP && core.operations[x->op] == core.where; }

static Py_ssize_t place_of(Sweep *sweep, PyObject *x)
{
    int64_t index = Py_TYPE(x) == core.tracer ? ((Traced *)x)->index : -1;
    return index >= 0 && index < sweep->count && (PyObject *)sweep->nodes[index] == x ? (Py_ssize_t)index : -1;
}

/* The adjoint of a node that matters, borrowed; Py_None where there is none yet, NULL for one that does not matter. */
static PyObject *adjoint_of(Sweep *sweep, PyObject *x)
{
    if (is_value(x))
        return PyDict_GetItemWithError(sweep->leaves, x);
    Py_ssize_t at = place_of(sweep, x);
    if (at < 0 || !sweep->matters[at])
        return NULL;
    return sweep->adjoints[at] == NULL ? Py_None : sweep->adjoints[at];
}

/* Store an adjoint, which is stolen: 0, or -1 with an error. */
static int store(Sweep *sweep, PyObject *x, PyObject *adjoint)
{
    Py_ssize_t at = place_of(sweep, x);
    int result = adjoint == NULL ? -1 : 0;
    if (adjoint != NULL && at < 0) {
        result = PyDict_SetItem(sweep->leaves, x, adjoint);
        Py_DECREF(adjoint);
    }
    else if (adjoint != NULL)
        Py_XSETREF(sweep->adjoints[at], adjoint);
    return result;
}

/* --- the arithmetic of `TracedAdjoints` --- */

static PyObject *marked(PyObject *adjoint)
{
    if (adjoint != NULL && is_traced(adjoint))
        ((Node *)adjoint)->is_optional = 1;
    return adjoint;
}

static PyObject *product(PyObject *adjoint, PyObject *local);

/* An adjoint that may be -0.0 only where it is nothing; steals. */
static PyObject *computed(PyObject *adjoint)
{
    if (adjoint == NULL || is_optional(adjoint) || adjoint == core.nothing)
        return adjoint;
    PyObject *result = PyNumber_Add(adjoint, core.zero);
    Py_DECREF(adjoint);
    return result;
}

/* The product with a local gradient that was chosen: chosen by the same condition. */
static PyObject *product_of_choice(PyObject *adjoint, Node *local)
{
    PyObject *shares[3] = {NULL}, *result = NULL, *condition = record_of(local).operands[0];
    int done = Py_EnterRecursiveCall(" in a choice of choices") == 0;
    if (done) {
        for (int i = 1; i < 3 && done; i++) {
            PyObject *branch = record_of(local).operands[i];
            shares[i] = branch == core.not_taken ? Py_NewRef(core.nothing) : product(adjoint, branch);
            done = shares[i] != NULL;
        }
        Py_LeaveRecursiveCall();
    }
    for (int i = 1; i < 3 && done; i++)
        done = (shares[i] = computed(shares[i])) != NULL;
    if (done)
        result = PyObject_CallFunctionObjArgs(core.where, condition, shares[1], shares[2], NULL);
    Py_XDECREF(shares[1]);
    Py_XDECREF(shares[2]);
    return result;
}

static PyObject *product(PyObject *adjoint, PyObject *local)
{
    if (is_float_of(local, 1.0))
        return Py_NewRef(adjoint);
    if (is_optional(local) && is_choice((Node *)local))
        return product_of_choice(adjoint, (Node *)local);
    if (is_optional(adjoint)) {
        PyObject *given[] = {adjoint, local};
        return marked(PyObject_Vectorcall(core.strong_mul, given, 2, NULL));
    }
    return is_float_of(adjoint, 1.0) ? Py_NewRef(local) : PyNumber_Multiply(adjoint, local);
}

static PyObject *sum(PyObject *total, PyObject *share)
{
    PyObject *result = PyNumber_Add(total, share);
    return is_optional(total) && is_optional(share) ? marked(result) : result;
}

/* --- local gradients --- */

/* The local gradient that needs no rule: a constant, or another operand; NULL where there is none such. Borrowed. */
static PyObject *plain_gradient(Node *x, Record record, Py_ssize_t i)
{
    PyObject *op = core.operations[x->op];
    if (op == core.sum)
        return core.one;
    switch (x->op) {
    case ADD:
        return core.one;
    case SUB:
        return i == 0 ? core.one : core.minus_one;
    case NEG:
        return core.minus_one;
    case MUL:
        return record.count == 2 ? record.operands[1 - i] : NULL;
    case DOT:
        return record.operands[(i + record.count / 2) % record.count];
    default:
        return NULL;
    }
}

/* What Python would read: NOTHING for a plain 0. NULL for neither a Value nor a float. Steals. */
static PyObject *as_gradient(PyObject *given)
{
    if (given == NULL || given == core.nothing || PyObject_TypeCheck(given, core.value))
        return given;
    PyObject *result = !PyFloat_CheckExact(given) ? NULL : Py_NewRef(is_float_of(given, 0.0) ? core.nothing : given);
    Py_DECREF(given);
    return result;
}

/* The local gradients of the operands that count, by their rules; 0, perhaps with an error, where one gives something
   else than Values and floats. */
static int read_rules(PyObject *partials, Node *x, Record record, PyObject **gradients)
{
    Py_ssize_t count = record.count;
    int done = PyTuple_CheckExact(partials) && PyTuple_GET_SIZE(partials) == count;
    PyObject **given = done ? PyMem_Malloc((count + 1) * sizeof(PyObject *)) : NULL;
    if (given == NULL)
        return 0;
    given[0] = (PyObject *)x;
    for (Py_ssize_t i = 0; i < count; i++)
        given[i + 1] = record.operands[i];
    for (Py_ssize_t i = 0; i < count && done; i++)
        if (gradients[i] != NULL) {
            PyObject *rule = Py_NewRef(PyTuple_GET_ITEM(partials, i));
            PyObject *gradient = as_gradient(PyObject_Vectorcall(rule, given, count + 1, NULL));
            Py_DECREF(rule);
            done = gradient != NULL;
            if (done)
                Py_SETREF(gradients[i], gradient);
        }
    PyMem_Free(given);
    return done;
}

/* The same, by `sweeps.rules_read`. */
static int read_again(Sweep *sweep, Node *x, Record record, PyObject **gradients)
{
    PyObject *counts = PyList_New(record.count);
    for (Py_ssize_t i = 0; counts != NULL && i < record.count; i++)
        PyList_SET_ITEM(counts, i, PyBool_FromLong(gradients[i] != NULL));
    PyObject *given = counts == NULL ? NULL : PyObject_CallFunctionObjArgs(sweep->rules_read, x, counts, NULL);
    PyObject *read = given == NULL ? NULL : PySequence_Fast(given, "rules give a sequence");
    int done = read != NULL && PySequence_Fast_GET_SIZE(read) == record.count;
    for (Py_ssize_t i = 0; done && i < record.count; i++)
        if (gradients[i] != NULL)
            Py_SETREF(gradients[i], Py_NewRef(PySequence_Fast_GET_ITEM(read, i)));
    if (read != NULL && !done)
        PyErr_SetString(PyExc_ValueError, "rules give one local gradient for each operand");
    Py_XDECREF(counts);
    Py_XDECREF(given);
    Py_XDECREF(read);
    return done ? 0 : -1;
}

/* Read the local gradients in the place of those that are not NULL. What rules noted that led nowhere is forgotten. */
static int read_gradients(Sweep *sweep, Node *x, Record record, PyObject **gradients)
{
    Operation *op = x->op == OTHER_OP ? NULL : (Operation *)core.operations[x->op];
    if (op != NULL && op->partials == op->its_partials && plain_gradient(x, record, 0) != NULL) {
        for (Py_ssize_t i = 0; i < record.count; i++)
            if (gradients[i] != NULL)
                Py_SETREF(gradients[i], as_gradient(Py_NewRef(plain_gradient(x, record, i))));
        return 0;
    }
    PyObject *nodes = sweep->owner->nodes, *partials = op == NULL ? NULL : Py_XNewRef(op->partials);
    Py_ssize_t before = nodes == NULL ? 0 : PyList_GET_SIZE(nodes);
    int done = partials != NULL && read_rules(partials, x, record, gradients);
    Py_XDECREF(partials);
    if (done)
        return 0;
    if (PyErr_ExceptionMatches(PyExc_ArithmeticError) || PyErr_ExceptionMatches(PyExc_ValueError) ||
        PyErr_ExceptionMatches(PyExc_TypeError))
        PyErr_Clear();
    nodes = sweep->owner->nodes;
    if (PyErr_Occurred() || (nodes != NULL && PyList_SetSlice(nodes, before, PyList_GET_SIZE(nodes), NULL) < 0))
        return -1;
    return read_again(sweep, x, record, gradients);
}

/* --- the sweep --- */

/* Give an operand its share. */
static int pass_on(Sweep *sweep, PyObject *operand, PyObject *upstream, PyObject *gradient)
{
    PyObject *share = product(upstream, gradient);
    if (share == NULL || share == core.nothing) {
        Py_XDECREF(share);
        return share == NULL ? -1 : 0;
    }
    PyObject *total = adjoint_of(sweep, operand);
    if (total == Py_None)
        return store(sweep, operand, share);
    int result = total == NULL ? -1 : store(sweep, operand, sum(total, share));
    Py_DECREF(share);
    return result;
}

/* Have a node pass on its share to each operand that matters. */
static int pass_from(Sweep *sweep, Node *x, PyObject *upstream)
{
    Record record = record_of(x);
    PyObject *some[8] = {NULL}, **gradients = some;
    if (record.count > 8 && (gradients = PyMem_Calloc(record.count, sizeof(PyObject *))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int any = 0, result = 0;
    for (Py_ssize_t i = 0; i < record.count; i++)
        if (!PyFloat_CheckExact(record.operands[i]) && adjoint_of(sweep, record.operands[i]) != NULL) {
            gradients[i] = Py_NewRef(Py_None); /* to be read */
            any = 1;
        }
    if (any)
        result = read_gradients(sweep, x, record, gradients);
    for (Py_ssize_t i = 0; i < record.count; i++) {
        if (result == 0 && gradients[i] != NULL && gradients[i] != core.nothing)
            result = pass_on(sweep, record.operands[i], upstream, gradients[i]);
        Py_XDECREF(gradients[i]);
    }
    if (gradients != some)
        PyMem_Free(gradients);
    return result;
}

static int swept(Sweep *sweep)
{
    Py_ssize_t count = sweep->interior;
    int result = 0;
    while (count-- > 0 && result == 0) {
        PyObject *upstream = sweep->adjoints[count];
        if (upstream != NULL && upstream != core.nothing && sweep->matters[count]) {
            Py_INCREF(upstream);
            result = pass_from(sweep, &sweep->nodes[count]->node, upstream);
            Py_DECREF(upstream);
        }
        if (result == 0 && PyErr_CheckSignals() < 0)
            result = -1;
    }
    return result;
}

/* --- what is swept over --- */

/* Take in a node: 1; 0 where it is not an ordinary tracer of this trace. */
static int take(Sweep *sweep, PyObject *x)
{
    if (Py_TYPE(x) != core.tracer || (sweep->owner != NULL && ((Traced *)x)->owner != sweep->owner))
        return 0;
    sweep->owner = ((Traced *)x)->owner;
    if (place_of(sweep, x) < 0) {
        sweep->nodes[sweep->count] = (Traced *)x;
        ((Traced *)x)->index = sweep->count++;
    }
    return 1;
}

/* Take in a node of the order. A Value that was made from no input gets nothing, and is left out. */
static int take_node(Sweep *sweep, PyObject *x)
{
    if (!is_value(x))
        return take(sweep, x);
    Record record = record_of((Node *)x);
    int matters = adjoint_of(sweep, x) != NULL;
    for (Py_ssize_t i = 0; i < record.count && !matters; i++)
        matters = !PyFloat_CheckExact(record.operands[i]) && adjoint_of(sweep, record.operands[i]) != NULL;
    return !matters;
}

/* Take in an input that is a tracer. */
static int take_input(Sweep *sweep, PyObject *x)
{
    int done = is_value(x) || take(sweep, x);
    if (done && !is_value(x))
        sweep->matters[place_of(sweep, x)] = 1;
    return done;
}

/* `graph.descendants` */
static void spread(Sweep *sweep)
{
    for (Py_ssize_t k = 0; k < sweep->interior; k++) {
        Record record = record_of(&sweep->nodes[k]->node);
        for (Py_ssize_t i = 0; i < record.count && !sweep->matters[k]; i++)
            sweep->matters[k] = adjoint_of(sweep, record.operands[i]) != NULL;
    }
}

/* Take in all: 1; 0, perhaps with an error, where something is out of the ordinary. */
static int prepared(Sweep *sweep, PyObject *order, PyObject *seeds, PyObject *inputs)
{
    if (!PyList_CheckExact(order) || !PyDict_CheckExact(seeds) || !PyList_CheckExact(inputs))
        return 0;
    Py_ssize_t at = 0, count = PyList_GET_SIZE(order), room = count + PyList_GET_SIZE(inputs) + 1;
    PyObject *root, *seed;
    sweep->nodes = PyMem_Calloc(room, sizeof(Traced *));
    sweep->adjoints = PyMem_Calloc(room, sizeof(PyObject *));
    sweep->matters = PyMem_Calloc(room, 1);
    sweep->leaves = PyDict_New();
    int done = sweep->nodes && sweep->adjoints && sweep->matters && sweep->leaves;
    for (Py_ssize_t i = 0; done && i < PyList_GET_SIZE(inputs); i++)
        if (is_value(PyList_GET_ITEM(inputs, i)))
            done = PyDict_SetItem(sweep->leaves, PyList_GET_ITEM(inputs, i), Py_None) == 0;
    for (Py_ssize_t i = 0; i < count && done; i++)
        done = take_node(sweep, PyList_GET_ITEM(order, i));
    sweep->interior = sweep->count;
    for (Py_ssize_t i = 0; done && i < PyList_GET_SIZE(inputs); i++)
        done = take_input(sweep, PyList_GET_ITEM(inputs, i));
    if (done)
        spread(sweep);
    while (done && PyDict_Next(seeds, &at, &root, &seed))
        if (place_of(sweep, root) >= 0 || PyDict_GetItemWithError(sweep->leaves, root) != NULL)
            done = store(sweep, root, Py_NewRef(seed)) == 0;
    return done && sweep->owner != NULL;
}

/* The adjoints of inputs that have one, and of those alone. */
static PyObject *found(Sweep *sweep, PyObject *inputs)
{
    PyObject *adjoints = PyDict_New();
    for (Py_ssize_t i = 0; adjoints != NULL && i < PyList_GET_SIZE(inputs); i++) {
        PyObject *x = PyList_GET_ITEM(inputs, i), *adjoint = adjoint_of(sweep, x);
        if (adjoint != NULL && adjoint != Py_None && PyDict_SetItem(adjoints, x, adjoint) < 0)
            Py_CLEAR(adjoints);
    }
    return adjoints;
}

static void end_sweep(Sweep *sweep)
{
    for (Py_ssize_t i = 0; i < sweep->count && sweep->adjoints != NULL; i++)
        Py_XDECREF(sweep->adjoints[i]);
    PyMem_Free(sweep->nodes);
    PyMem_Free(sweep->adjoints);
    PyMem_Free(sweep->matters);
    Py_XDECREF(sweep->leaves);
}

/* reverse_traced(order, seeds, inputs, rules_read): the adjoints of the inputs that something is passed on
   to. NotImplemented where not all nodes are ordinary, or a sweep is under way. */
PyObject *reverse_traced(PyObject *module, PyObject *args)
{
    PyObject *order, *seeds, *inputs, *result = NULL;
    Sweep sweep = {0};
    if (!PyArg_ParseTuple(args, "OOOO:reverse_traced", &order, &seeds, &inputs, &sweep.rules_read))
        return NULL;
    Py_ssize_t count = PyList_CheckExact(order) ? PyList_GET_SIZE(order) : 0;
    PyObject *last = count > 0 ? PyList_GET_ITEM(order, count - 1) : Py_None;
    Owner *owner = is_traced(last) ? ((Traced *)last)->owner : NULL;
    if (owner == NULL || owner->is_sweeping || is_recording(owner) <= 0)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_NotImplemented);
    Py_INCREF((PyObject *)owner);
    owner->is_sweeping = 1;
    if (prepared(&sweep, order, seeds, inputs))
        result = swept(&sweep) < 0 ? NULL : found(&sweep, inputs);
    else if (!PyErr_Occurred())
        result = Py_NewRef(Py_NotImplemented);
    end_sweep(&sweep);
    owner->is_sweeping = 0;
    Py_DECREF((PyObject *)owner);
    return result;
}
