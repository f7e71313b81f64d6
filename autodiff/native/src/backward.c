/* Topological order, and the sweeps over it: the backward pass, gradients and tangents.

   All are of ordinary nodes: Values whose operands are Values and floats, and, to sweep over them, whose local
   gradients are floats. That is seen to before anything changes; for all else the plain function is called. Nodes are
   borrowed meanwhile: no Python code runs that could let go of one, and what the collector counts is made first. */

#include "core.h"

/* --- nodes, as many as there may be --- */

/* Here and below, -1 says that there is no memory, and sets no error. */

typedef struct {
    Node **items;
    Py_ssize_t count, room;
} Nodes;

static int append(Nodes *nodes, Node *x)
{
    if (nodes->count == nodes->room) {
        Py_ssize_t room = nodes->room ? 2 * nodes->room : 64;
        Node **items = PyMem_Realloc(nodes->items, room * sizeof(Node *));
        if (items == NULL)
            return -1;
        nodes->items = items;
        nodes->room = room;
    }
    nodes->items[nodes->count++] = x;
    return 0;
}

static void unmark(const Nodes *nodes)
{
    for (Py_ssize_t i = 0; i < nodes->count; i++)
        if (nodes->items[i] != NULL)
            nodes->items[i]->is_marked = 0;
}

/* --- topological order --- */

typedef struct {
    Nodes order;
    Nodes stack; /* a node stands there to be entered, and then, under a NULL, to be placed: see `graph.py` */
    int is_lazy; /* whether the local gradients of a node are not as many floats as it has operands */
} Walk;

static inline int is_lazy(Node *x) { return x->is == IN_A_BLOCK && x->block->gradients != NULL; }

/* What becomes of a walk: 1, 0 where it meets what is out of the ordinary, or -1. */
static int enter_node(Walk *walk, Node *x)
{
    if (append(&walk->stack, x) < 0 || append(&walk->stack, NULL) < 0)
        return -1;
    x->is_marked = 1;
    walk->is_lazy |= is_lazy(x);
    Record record = record_of(x);
    for (Py_ssize_t i = record.count; i-- > 0;) { /* so that the first is entered first */
        PyObject *operand = record.operands[i];
        if (PyFloat_CheckExact(operand))
            continue;
        if (!is_value(operand))
            return 0;
        Node *y = (Node *)operand;
        if (!y->is_marked && operand_count(y) > 0 && append(&walk->stack, y) < 0)
            return -1;
    }
    return 1;
}

static int walk_from(Walk *walk, Node *root)
{
    int found = 1;
    if (operand_count(root) > 0 && append(&walk->stack, root) < 0)
        return -1;
    while (walk->stack.count > 0 && found > 0) {
        Node **top = walk->stack.items + walk->stack.count - 1;
        if (*top != NULL) {
            walk->stack.count--;
            if (!(*top)->is_marked)
                found = enter_node(walk, *top);
        }
        else if (append(&walk->order, top[-1]) < 0)
            found = -1;
        else
            walk->stack.count -= 2;
    }
    return found;
}

static void end_walk(Walk *walk)
{
    unmark(&walk->order);
    unmark(&walk->stack);
    PyMem_Free(walk->stack.items);
    PyMem_Free(walk->order.items);
}

static void mark_all(PyObject *list, int mark)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        if (is_value(PyList_GET_ITEM(list, i)))
            ((Node *)PyList_GET_ITEM(list, i))->is_marked = mark;
}

static int fill(PyObject *list, const Nodes *nodes)
{
    for (Py_ssize_t i = 0; i < nodes->count; i++)
        if (PyList_Append(list, (PyObject *)nodes->items[i]) < 0)
            return -1;
    return 1;
}

/* The order of the roots as a list that is empty before; the nodes in another list are left out. */
static int put_in_order(PyObject *order, PyObject *roots, PyObject *without)
{
    Walk walk = {0};
    int found = 1;
    mark_all(without, 1);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(roots) && found > 0; i++) {
        PyObject *root = PyTuple_GET_ITEM(roots, i);
        found = is_value(root) ? walk_from(&walk, (Node *)root) : 0;
    }
    if (found > 0)
        found = fill(order, &walk.order);
    end_walk(&walk);
    mark_all(without, 0);
    return found;
}

/* ordered(roots, without): `graph.ordered`, of a tuple and a set. */
static PyObject *ordered(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyTuple_CheckExact(args[0]) || !PyAnySet_CheckExact(args[1]))
        return PyObject_Vectorcall(core.ordered, args, count, NULL);
    PyObject *without = PySequence_List(args[1]), *order = PyList_New(0);
    int found = without == NULL || order == NULL ? -1 : put_in_order(order, args[0], without);
    Py_XDECREF(without);
    if (found > 0)
        return order;
    Py_XDECREF(order);
    return found < 0 ? PyErr_NoMemory() : PyObject_Vectorcall(core.ordered, args, count, NULL);
}

/* --- what a sweep is given --- */

static int is_ordinary(PyObject *node)
{
    if (!is_value(node) || is_lazy((Node *)node))
        return 0;
    Record record = record_of((Node *)node);
    for (Py_ssize_t i = 0; i < record.count; i++)
        if (!PyFloat_CheckExact(record.operands[i]) && !is_value(record.operands[i]))
            return 0;
    return 1;
}

static int is_ordinary_order(PyObject *order)
{
    if (!PyList_CheckExact(order))
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(order); i++)
        if (!is_ordinary(PyList_GET_ITEM(order, i)))
            return 0;
    return 1;
}

/* Whether it is a dict of floats by Value. */
static int are_by_value(PyObject *numbers)
{
    PyObject *x, *number;
    Py_ssize_t i = 0;
    if (!PyDict_CheckExact(numbers))
        return 0;
    while (PyDict_Next(numbers, &i, &x, &number))
        if (!is_value(x) || !PyFloat_CheckExact(number))
            return 0;
    return 1;
}

/* The leaves among the operands of a node that are not marked yet; it marks them. */
static int append_leaves(PyObject *leaves, Node *x)
{
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < record.count; i++) {
        Node *operand = (Node *)record.operands[i];
        if (PyFloat_CheckExact(operand) || operand->is_marked || operand_count(operand) > 0)
            continue;
        if (PyList_Append(leaves, (PyObject *)operand) < 0)
            return -1;
        operand->is_marked = 1;
    }
    return 0;
}

/* leaves_below(order): `graph.leaves_below`. */
static PyObject *leaves_below(PyObject *module, PyObject *order)
{
    PyObject *leaves = PyList_New(0);
    if (leaves == NULL || !is_ordinary_order(order)) {
        Py_XDECREF(leaves);
        return leaves == NULL ? NULL : PyObject_CallOneArg(core.leaves_below, order);
    }
    int failed = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(order) && !failed; i++)
        failed = append_leaves(leaves, (Node *)PyList_GET_ITEM(order, i)) < 0;
    mark_all(leaves, 0);
    if (failed)
        Py_CLEAR(leaves);
    return leaves;
}

static Node **nodes_in(PyObject *list) { return (Node **)((PyListObject *)list)->ob_item; }

/* --- the backward sweep --- */

/* Whether a local gradient is a structural zero. Those of a dot are told from products of 0 only now: the other factor
   is the constant 0. */
static inline int is_nothing(Node *x, const Record *record, Py_ssize_t i)
{
    if (record->nothing[i])
        return 1;
    if (record->slopes[i] != 0.0 || x->op != DOT)
        return 0;
    return PyFloat_CheckExact(record->operands[(i + record->count / 2) % record->count]);
}

static inline void start_from(Node *root, double seed)
{
    if (seed != 0.0) { /* else nothing is passed on */
        root->grad += seed;
        root->is_reached = 1;
    }
}

static void start_from_all(PyObject *seeds)
{
    PyObject *root, *seed;
    Py_ssize_t i = 0;
    while (PyDict_Next(seeds, &i, &root, &seed))
        start_from((Node *)root, PyFloat_AS_DOUBLE(seed));
}

static void clear(Node *const *nodes, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        nodes[i]->grad = 0.0;
        nodes[i]->is_reached = 0;
    }
}

/* Give each operand its share of the gradient of each node, from the last node to the first. A node that nothing was
   passed on to passes nothing on, not even 0 times infinity. */
static void sweep_back(Node *const *order, Py_ssize_t count)
{
    while (count-- > 0) {
        Node *x = order[count];
        if (!x->is_reached)
            continue;
        double upstream = x->grad;
        Record record = record_of(x);
        for (Py_ssize_t i = 0; i < record.count; i++) {
            Node *operand = (Node *)record.operands[i];
            if (PyFloat_CheckExact(operand) || is_nothing(x, &record, i))
                continue;
            operand->grad += upstream * record.slopes[i];
            operand->is_reached = 1;
        }
    }
}

/* add_gradients(order, seeds): `backprop.add_gradients`. */
static PyObject *add_gradients(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !is_ordinary_order(args[0]) || !are_by_value(args[1]))
        return PyObject_Vectorcall(core.add_gradients, args, count, NULL);
    clear(nodes_in(args[0]), PyList_GET_SIZE(args[0]));
    start_from_all(args[1]);
    sweep_back(nodes_in(args[0]), PyList_GET_SIZE(args[0]));
    Py_RETURN_NONE;
}

static int passed_from(Node *root, double seed)
{
    Walk walk = {0};
    int found = walk_from(&walk, root);
    if (walk.is_lazy && found > 0)
        found = 0;
    if (found > 0) {
        clear(walk.order.items, walk.order.count);
        start_from(root, seed);
        sweep_back(walk.order.items, walk.order.count);
    }
    end_walk(&walk);
    return found;
}

/* Passes take turns, also with those that are Python's, in other threads: `method` acquires or releases their lock. */
static int take_turns(PyObject *method)
{
    PyObject *result = PyObject_CallNoArgs(method);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* pass_from(root, gradient): `backprop.pass_from`. */
static PyObject *pass_from(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    int how = count == 2 && is_value(args[0]) && PyFloat_CheckExact(args[1]) ? ambient() : SPECIAL;
    if (how == SPECIAL)
        return PyObject_Vectorcall(core.pass_from, args, count, NULL);
    if (how < 0 || take_turns(core.acquire) < 0)
        return NULL;
    int done = passed_from((Node *)args[0], PyFloat_AS_DOUBLE(args[1]));
    if (take_turns(core.release) < 0)
        return NULL;
    if (done > 0)
        Py_RETURN_NONE;
    return done < 0 ? PyErr_NoMemory() : PyObject_Vectorcall(core.pass_from, args, count, NULL);
}

#define FUNCTION(name, doc) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, doc}

PyMethodDef backward_functions[] = {
    FUNCTION(ordered, "A topological order of roots, without some nodes and those that lead nowhere else."),
    {"leaves_below", leaves_below, METH_O, "The leaves that the nodes of a topological order were made from."},
    FUNCTION(add_gradients, "Sweep in reverse over a topological order, from seeds."),
    FUNCTION(pass_from, "Run the backward pass from one root."),
    {NULL, NULL, 0, NULL},
};
