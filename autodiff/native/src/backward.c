/* Topological order, and the sweeps over it: the backward pass, gradients and tangents.

   All are of ordinary nodes: Values whose operands are Values and floats, and whose local gradients are floats; and
   where it is their order alone that matters, of tracers, too. That is seen to before anything changes; for all else
   the plain function is called. Nodes are borrowed meanwhile: no Python
   code runs that could let go of one, and what the collector counts is made first.

   What may fail gives 1, or 0: where it meets what is out of the ordinary, or with an error. */

#include "core.h"

/* --- nodes, as many as there may be --- */

typedef struct {
    Node **items;
    Py_ssize_t count, room;
} Nodes;

static int append(Nodes *nodes, Node *x)
{
    if (nodes->count == nodes->room) {
        Py_ssize_t room = nodes->room ? 2 * nodes->room : 64;
        Node **items = PyMem_Realloc(nodes->items, room * sizeof(Node *));
        if (items == NULL) {
            PyErr_NoMemory();
            return 0;
        }
        nodes->items = items;
        nodes->room = room;
    }
    nodes->items[nodes->count++] = x;
    return 1;
}

/* Append a node that is not marked yet, and mark it. */
static int append_once(Nodes *nodes, PyObject *x)
{
    if (!((Node *)x)->is_marked)
        ((Node *)x)->is_marked = append(nodes, (Node *)x);
    return ((Node *)x)->is_marked;
}

/* Whether its local gradients are not as many floats as it has operands. */
static inline int is_lazy(Node *x) { return x->is == IN_A_BLOCK && x->block->gradients != NULL; }

/* Those that a walk over a graph meets: Values, and tracers. */
static inline int is_met(PyObject *x) { return is_value(x) || is_traced(x); }

/* What a condition was made from is hidden: it is a leaf. */
static inline int is_leaf(PyObject *x) { return operand_count((Node *)x) == 0 || Py_TYPE(x) == core.condition; }

/* Append the operands of a Value. */
static int append_operands(Nodes *nodes, PyObject *x)
{
    int done = is_value(x) && !is_lazy((Node *)x);
    Record record = done ? record_of((Node *)x) : (Record){0};
    for (Py_ssize_t i = 0; i < record.count && done; i++)
        if (!PyFloat_CheckExact(record.operands[i]))
            done = is_value(record.operands[i]) && append_once(nodes, record.operands[i]);
    return done;
}

/* Append the leaves among the operands of a node. */
static int append_leaves(Nodes *nodes, PyObject *x)
{
    int done = is_met(x) && !is_lazy((Node *)x);
    Record record = done && Py_TYPE(x) != core.condition ? record_of((Node *)x) : (Record){0};
    for (Py_ssize_t i = 0; i < record.count && done; i++) {
        PyObject *operand = record.operands[i];
        if (!PyFloat_CheckExact(operand))
            done = is_met(operand) && (!is_leaf(operand) || append_once(nodes, operand));
    }
    return done;
}

static void unmark(const Nodes *nodes)
{
    for (Py_ssize_t i = 0; i < nodes->count; i++)
        if (nodes->items[i] != NULL)
            nodes->items[i]->is_marked = 0;
}

static int fill(PyObject *list, const Nodes *nodes)
{
    int done = 1;
    for (Py_ssize_t i = 0; i < nodes->count && done; i++)
        done = PyList_Append(list, (PyObject *)nodes->items[i]) == 0;
    return done;
}

/* What a function gives: its result, which is stolen, where all was ordinary. */
static PyObject *given(int done, PyObject *result, PyObject *plain, PyObject *const *args, Py_ssize_t count)
{
    if (done)
        return result;
    Py_XDECREF(result);
    return plainly(plain, args, count);
}

/* --- topological order --- */

typedef struct {
    Nodes order;
    Nodes stack; /* a node stands there to be entered, and then, under a NULL, to be placed: see `graph.py` */
    int takes_tracers;
} Walk;

static int enter_node(Walk *walk, Node *x)
{
    if (is_lazy(x) || !append(&walk->stack, x) || !append(&walk->stack, NULL))
        return 0;
    x->is_marked = 1;
    Record record = record_of(x);
    for (Py_ssize_t i = record.count; i-- > 0;) { /* so that the first is entered first */
        PyObject *operand = record.operands[i];
        if (PyFloat_CheckExact(operand))
            continue;
        if (!is_value(operand) && !(walk->takes_tracers && is_traced(operand)))
            return 0;
        Node *y = (Node *)operand;
        if (y->is_marked || is_leaf(operand))
            continue;
        if (!append(&walk->stack, y))
            return 0;
        for (int j = 0; j < y->count; j++)
            PREFETCH(y->operands[j]); /* they lie anywhere in memory, and are what is looked at next */
    }
    return 1;
}

static int walk_from(Walk *walk, PyObject *root)
{
    int done = is_value(root) || (walk->takes_tracers && is_traced(root));
    if (done && !is_leaf(root))
        done = append(&walk->stack, (Node *)root);
    while (walk->stack.count > 0 && done) {
        Node **top = walk->stack.items + walk->stack.count - 1;
        if (*top == NULL) {
            done = append(&walk->order, top[-1]);
            walk->stack.count -= done ? 2 : 0;
        }
        else {
            walk->stack.count--;
            if (!(*top)->is_marked)
                done = enter_node(walk, *top);
        }
    }
    return done;
}

static void end_walk(Walk *walk)
{
    unmark(&walk->order);
    unmark(&walk->stack);
    PyMem_Free(walk->order.items);
    PyMem_Free(walk->stack.items);
}

static void mark_all(PyObject *list, int mark)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        if (is_met(PyList_GET_ITEM(list, i)))
            ((Node *)PyList_GET_ITEM(list, i))->is_marked = mark;
}

/* ordered(roots, without): `graph.ordered`, of a tuple and a set. */
static PyObject *ordered(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyTuple_CheckExact(args[0]) || !PyAnySet_CheckExact(args[1]))
        return plainly(core.ordered, args, count);
    PyObject *without = PySequence_List(args[1]), *order = PyList_New(0);
    int done = without != NULL && order != NULL;
    if (done) {
        Walk walk = {.takes_tracers = 1};
        mark_all(without, 1);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[0]) && done; i++)
            done = walk_from(&walk, PyTuple_GET_ITEM(args[0], i));
        done = done && fill(order, &walk.order);
        end_walk(&walk);
        mark_all(without, 0);
    }
    Py_XDECREF(without);
    return given(done, order, core.ordered, args, count);
}

/* leaves_below(order): `graph.leaves_below`. */
static PyObject *leaves_below(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Nodes below = {0};
    PyObject *leaves = PyList_New(0);
    int done = leaves != NULL && count == 1 && PyList_CheckExact(args[0]);
    for (Py_ssize_t i = 0; done && i < PyList_GET_SIZE(args[0]); i++)
        done = append_leaves(&below, PyList_GET_ITEM(args[0], i));
    unmark(&below);
    done = done && fill(leaves, &below);
    PyMem_Free(below.items);
    return given(done, leaves, core.leaves_below, args, count);
}

/* --- the sweeps --- */

static void clear(const Nodes *nodes)
{
    for (Py_ssize_t i = 0; i < nodes->count; i++) {
        nodes->items[i]->grad = -0.0; /* which changes no number that is added to it */
        nodes->items[i]->is_reached = 0;
    }
}

typedef void Sweep(Node *const *order, Py_ssize_t count);

/* Give each operand its share of the gradient of each node, from the last node to the first. A node that nothing was
   passed on to passes nothing on, not even 0 times infinity. */
static void sweep_back(Node *const *order, Py_ssize_t count)
{
    while (count-- > 0) {
        Node *x = order[count];
        double upstream = x->grad;
        x->grad = upstream + 0.0; /* a grad is never -0.0 */
        if (!x->is_reached)
            continue;
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

/* Give each node its share of the tangent of each operand, from the first node to the last; the tangents stand in the
   place of the grads. */
static void sweep_on(Node *const *order, Py_ssize_t count)
{
    for (Py_ssize_t k = 0; k < count; k++) {
        Node *x = order[k];
        if (x->is_reached) /* its tangent was given */
            continue;
        Record record = record_of(x);
        for (Py_ssize_t i = 0; i < record.count; i++) {
            Node *operand = (Node *)record.operands[i];
            if (PyFloat_CheckExact(operand) || !operand->is_reached || is_nothing(x, &record, i))
                continue;
            x->grad += operand->grad * record.slopes[i];
            x->is_reached = 1;
        }
    }
}

/* --- the backward pass --- */

static int passed_from(PyObject *root, double seed)
{
    Walk walk = {0};
    int done = walk_from(&walk, root);
    if (done) {
        clear(&walk.order);
        if (seed != 0.0) { /* else nothing is passed on */
            ((Node *)root)->grad += seed;
            ((Node *)root)->is_reached = 1;
        }
        sweep_back(walk.order.items, walk.order.count);
    }
    end_walk(&walk);
    return done;
}

/* Let go of the result of a call: whether there is one, or an error. */
static int discard(PyObject *result)
{
    Py_XDECREF(result);
    return result != NULL;
}

/* pass_from(root, gradient): `backprop.pass_from`. It waits for a pass of Python's in another thread to end. None
   begins while it runs, for no Python code does. */
static PyObject *pass_from(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyFloat_CheckExact(args[1]))
        return plainly(core.pass_from, args, count);
    int how = ambient();
    if (how < 0 || (how == SPECIAL && !discard(PyObject_Vectorcall(core.check_from, args, 2, NULL))) ||
        !discard(PyObject_CallNoArgs(core.acquire)) || !discard(PyObject_CallNoArgs(core.release)))
        return NULL;
    int done = passed_from(args[0], PyFloat_AS_DOUBLE(args[1]));
    return given(done, Py_NewRef(Py_None), core.pass_from, args, count);
}

/* --- sweeps that change no grad --- */

/* All the nodes that a sweep changes or reads. */
static int gather(Nodes *nodes, PyObject *order, PyObject *starts, PyObject *asked)
{
    PyObject *x, *number;
    Py_ssize_t at = 0;
    int done = PyList_CheckExact(order) && PyDict_CheckExact(starts) && PyList_CheckExact(asked);
    for (Py_ssize_t i = 0; done && i < PyList_GET_SIZE(order); i++)
        done = append_operands(nodes, PyList_GET_ITEM(order, i)) && append_once(nodes, PyList_GET_ITEM(order, i));
    while (done && PyDict_Next(starts, &at, &x, &number))
        done = PyFloat_CheckExact(number) && is_value(x) && append_once(nodes, x);
    for (Py_ssize_t i = 0; done && i < PyList_GET_SIZE(asked); i++)
        done = is_value(PyList_GET_ITEM(asked, i)) && append_once(nodes, PyList_GET_ITEM(asked, i));
    unmark(nodes);
    return done;
}

/* Sweep from these starts, over grads that are -0.0, and list what those asked for have: NOTHING, if not reached. */
static int sweep_and_list(PyObject *told, Sweep *sweep, PyObject *order, PyObject *starts, PyObject *asked)
{
    PyObject *x, *number;
    Py_ssize_t at = 0;
    while (PyDict_Next(starts, &at, &x, &number)) {
        ((Node *)x)->grad = PyFloat_AS_DOUBLE(number);
        ((Node *)x)->is_reached = 1;
    }
    sweep((Node **)((PyListObject *)order)->ob_item, PyList_GET_SIZE(order));
    int done = 1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(asked) && done; i++) {
        Node *one = (Node *)PyList_GET_ITEM(asked, i);
        number = one->is_reached ? PyFloat_FromDouble(one->grad + 0.0) : Py_NewRef(core.nothing); /* never -0.0 */
        done = number != NULL && PyList_Append(told, number) == 0;
        Py_XDECREF(number);
    }
    return done;
}

static PyObject *swept_aside(PyObject *const *args, Py_ssize_t count, Sweep *sweep, PyObject *plain)
{
    Nodes nodes = {0};
    PyObject *told = PyList_New(0);
    int done = told != NULL && count == 3 && gather(&nodes, args[0], args[1], args[2]);
    double *grads = done ? PyMem_Malloc(nodes.count * sizeof(double)) : NULL;
    if (done && grads == NULL)
        PyErr_NoMemory();
    done = grads != NULL;
    if (done) {
        for (Py_ssize_t i = 0; i < nodes.count; i++)
            grads[i] = nodes.items[i]->grad;
        clear(&nodes);
        done = sweep_and_list(told, sweep, args[0], args[1], args[2]);
        for (Py_ssize_t i = 0; i < nodes.count; i++)
            nodes.items[i]->grad = grads[i];
    }
    PyMem_Free(grads);
    PyMem_Free(nodes.items);
    return given(done, told, plain, args, count);
}

/* adjoints_at(order, seeds, nodes): `chain.adjoints_at`. */
static PyObject *adjoints_at(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    return swept_aside(args, count, sweep_back, core.adjoints_at);
}

/* tangents_at(order, tangents, nodes): `chain.tangents_at`. */
static PyObject *tangents_at(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    return swept_aside(args, count, sweep_on, core.tangents_at);
}

#define FUNCTION(name, doc) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, doc}

PyMethodDef backward_functions[] = {
    FUNCTION(ordered, "A topological order of roots, without some nodes and those that lead nowhere else."),
    FUNCTION(leaves_below, "The leaves that the nodes of a topological order were made from."),
    FUNCTION(pass_from, "Run the backward pass from one root."),
    FUNCTION(adjoints_at, "The upstream gradients of some nodes, from seeds; no grad changes."),
    FUNCTION(tangents_at, "The tangents of some nodes, from others; no grad changes."),
    {NULL, NULL, 0, NULL},
};
