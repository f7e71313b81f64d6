/* Nodes: how they are laid out in memory, made and freed.

   A node of one or two operands is one block of memory: data and grad as doubles, the operands, their local gradients,
   the number of its operation in the table. */

#include "core.h"

#include <string.h>

/* --- memory --- */

#define KEPT 8192 /* freed nodes that are kept for the next ones: 0.75 MB */

static Node *kept;
static int kept_count;

static Node *allocated(void)
{
    if (kept == NULL)
        return PyObject_GC_New(Node, core.value);
    Node *x = kept;
    kept = x->next;
    kept_count--;
    PyObject_Init((PyObject *)x, core.value);
    return x;
}

/* A Value without operands, unknown to the collector: nodes of operations of the table on such are part of no cycle,
   and cost it nothing. */
Node *new_node(double data)
{
    Node *x = allocated();
    if (x == NULL)
        return NULL;
    memset((char *)x + sizeof(PyObject), 0, sizeof(Node) - sizeof(PyObject));
    x->data = data;
    return x;
}

void track(Node *x)
{
    x->is_tracked = 1;
    if (!PyObject_GC_IsTracked((PyObject *)x)) /* else __del__ kept it alive, when it was of a subclass */
        PyObject_GC_Track(x);
}

Block *new_block(Py_ssize_t count)
{
    Block *block = PyMem_Malloc(sizeof(Block) + count * (sizeof(double) + sizeof(PyObject *) + 1));
    if (block == NULL)
        return (Block *)PyErr_NoMemory();
    block->op = block->gradients = NULL;
    block->count = count;
    memset(block_nothing(block), 0, count);
    return block;
}

void free_block(Block *block)
{
    PyObject **operands = block_operands(block);
    for (Py_ssize_t i = 0; i < block->count; i++)
        Py_DECREF(operands[i]);
    Py_XDECREF(block->op);
    Py_XDECREF(block->gradients);
    PyMem_Free(block);
}

/* --- how a node was made --- */

/* Make it a leaf, and let go of what it held when it is whole again. */
static void let_go(Node *x)
{
    Block *block = x->is == IN_A_BLOCK ? x->block : NULL;
    PyObject *first = x->operands[0], *second = x->operands[1];
    int count = x->count;
    x->is = PLAINLY_LAID_OUT;
    x->count = 0;
    x->op = NO_OP;
    if (block != NULL)
        free_block(block);
    if (count > 0)
        Py_DECREF(first);
    if (count > 1)
        Py_DECREF(second);
}

static int number_of(PyObject *op)
{
    if (op == Py_None)
        return NO_OP;
    int number = PyObject_TypeCheck(op, core.operation) ? ((Operation *)op)->number : NO_OP;
    return number == NO_OP ? OTHER_OP : number;
}

int read_slope(PyObject *gradient, double *slope, uint8_t *nothing)
{
    if (!PyFloat_CheckExact(gradient) && gradient != core.nothing)
        return 0;
    *slope = PyFloat_AS_DOUBLE(gradient);
    *nothing = gradient == core.nothing;
    return 1;
}

int read_slopes(PyObject *gradients, Record to)
{
    for (Py_ssize_t i = 0; i < to.count; i++)
        if (!read_slope(PyTuple_GET_ITEM(gradients, i), &to.slopes[i], &to.nothing[i]))
            return 0;
    return 1;
}

int are_slopes(PyObject *gradients, Py_ssize_t count)
{
    double slope;
    uint8_t nothing;
    int found = PyTuple_CheckExact(gradients) && PyTuple_GET_SIZE(gradients) == count;
    for (Py_ssize_t i = 0; found && i < count; i++)
        found = read_slope(PyTuple_GET_ITEM(gradients, i), &slope, &nothing);
    return found;
}

/* Note in a node what it is made from, without its slopes; what it was made from before is lost, not let go of. */
int note(Node *x, PyObject *op, PyObject *const *operands, Py_ssize_t count, int has_slopes)
{
    int number = number_of(op), is_inline = has_slopes && count <= INLINE && number != OTHER_OP;
    Block *block = is_inline ? NULL : new_block(count);
    if (block == NULL && !is_inline)
        return -1;
    x->is = is_inline ? PLAINLY_LAID_OUT : IN_A_BLOCK;
    x->count = is_inline ? (uint8_t)count : 0;
    x->op = (uint16_t)number;
    if (block != NULL) {
        block->op = number == OTHER_OP ? Py_NewRef(op) : NULL;
        x->block = block;
    }
    PyObject **noted = record_of(x).operands;
    for (Py_ssize_t i = 0; i < count; i++)
        noted[i] = Py_NewRef(operands[i]);
    return 0;
}

void track_with_all(Node *x)
{
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < record.count && !x->is_tracked; i++)
        track_with(x, record.operands[i]);
    if (x->is == IN_A_BLOCK && (x->block->op != NULL || x->block->gradients != NULL) && !x->is_tracked)
        track(x);
}

/* Lay out a node anew, with local gradients of any kind. What it held is let go of when it is whole: that may run any
   code. */
int lay_out(Node *x, PyObject *op, PyObject *const *operands, Py_ssize_t count, PyObject *gradients)
{
    int has_slopes = are_slopes(gradients, count);
    Node before = *x;
    if (note(x, op, operands, count, has_slopes) < 0)
        return -1;
    if (has_slopes)
        read_slopes(gradients, record_of(x));
    else
        x->block->gradients = Py_NewRef(gradients);
    track_with_all(x);
    let_go(&before);
    return 0;
}

/* --- nodes of operations of the table --- */

/* It takes the block over. */
PyObject *block_node(int op, Block *block, double data)
{
    Node *x = new_node(data);
    if (x == NULL) {
        free_block(block);
        return NULL;
    }
    x->op = (uint16_t)op;
    x->is = IN_A_BLOCK;
    x->block = block;
    track_with_all(x);
    return (PyObject *)x;
}

/* --- the end of a node --- */

/* A chain is taken apart by iteration, however long it is: what goes meanwhile waits. Each thread has its own: what a
   node held may run any code when it goes, which lets other threads run. */
static THREAD_LOCAL struct {
    Node *waiting;
    int is_under_way;
} freeing;

static void freed(Node *x)
{
    PyTypeObject *kind = Py_TYPE(x);
    let_go(x);
    Py_CLEAR(x->label);
    if (kind == core.value && kept_count < KEPT) {
        x->next = kept;
        kept = x;
        kept_count++;
    }
    else
        kind->tp_free(x);
    Py_DECREF(kind);
}

void node_dealloc(PyObject *self)
{
    Node *x = (Node *)self;
    PyObject_GC_UnTrack(self);
    if (freeing.is_under_way) {
        x->next = freeing.waiting;
        freeing.waiting = x;
        return;
    }
    freeing.is_under_way = 1;
    freed(x);
    while (freeing.waiting != NULL) {
        x = freeing.waiting;
        freeing.waiting = x->next;
        freed(x);
    }
    freeing.is_under_way = 0;
}

int node_traverse(PyObject *self, visitproc visit, void *arg)
{
    Node *x = (Node *)self;
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < record.count; i++)
        Py_VISIT(record.operands[i]);
    if (x->is == IN_A_BLOCK) {
        Py_VISIT(x->block->op);
        Py_VISIT(x->block->gradients);
    }
    Py_VISIT(x->label);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

int node_clear(PyObject *self)
{
    Node *x = (Node *)self;
    let_go(x);
    Py_CLEAR(x->label);
    return 0;
}
