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

static Block *new_block(Py_ssize_t count)
{
    Block *block = PyMem_Malloc(sizeof(Block) + count * (sizeof(double) + sizeof(PyObject *) + 1));
    if (block == NULL)
        return (Block *)PyErr_NoMemory();
    block->op = block->gradients = NULL;
    block->count = count;
    memset(block_operands(block), 0, count * (sizeof(PyObject *) + 1));
    return block;
}

static void free_block(Block *block)
{
    PyObject **operands = block_operands(block);
    for (Py_ssize_t i = 0; i < block->count; i++)
        Py_XDECREF(operands[i]);
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
        Py_XDECREF(first);
    if (count > 1)
        Py_XDECREF(second);
}

static int number_of(PyObject *op)
{
    if (op == Py_None)
        return NO_OP;
    int number = PyObject_TypeCheck(op, core.operation) ? ((Operation *)op)->number : NO_OP;
    return number == NO_OP ? OTHER_OP : number;
}

static int are_slopes(PyObject *gradients, Py_ssize_t count)
{
    int found = PyTuple_CheckExact(gradients) && PyTuple_GET_SIZE(gradients) == count;
    for (Py_ssize_t i = 0; found && i < count; i++) {
        PyObject *gradient = PyTuple_GET_ITEM(gradients, i);
        found = PyFloat_CheckExact(gradient) || gradient == core.nothing;
    }
    return found;
}

/* Make room in a node for what it is made from; what it was made from before is lost, not let go of. */
int room_for(Node *x, PyObject *op, Py_ssize_t count, int has_slopes)
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
    else
        x->operands[0] = x->operands[1] = NULL;
    return 0;
}

/* Lay out a node anew, with local gradients of any kind. What it held is let go of when it is whole: that may run any
   code. */
int lay_out(Node *x, PyObject *op, PyObject *const *operands, Py_ssize_t count, PyObject *gradients)
{
    int has_slopes = are_slopes(gradients, count);
    Node before = *x;
    if (room_for(x, op, count, has_slopes) < 0)
        return -1;
    if (!has_slopes)
        x->block->gradients = Py_NewRef(gradients);
    if (!x->is_tracked && (!has_slopes || x->op == OTHER_OP))
        track(x);
    Record record = record_of(x);
    for (Py_ssize_t i = 0; i < count; i++) {
        record.operands[i] = Py_NewRef(operands[i]);
        track_with(x, operands[i]);
    }
    for (Py_ssize_t i = 0; i < count && has_slopes; i++) {
        record.slopes[i] = PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(gradients, i));
        record.nothing[i] = PyTuple_GET_ITEM(gradients, i) == core.nothing;
    }
    let_go(&before);
    return 0;
}

/* A node with room for so many operands and their slopes, which are still to be put there. */
Node *roomy_node(PyObject *op, Py_ssize_t count)
{
    Node *x = new_node(0.0);
    if (x != NULL && room_for(x, op, count, 1) < 0)
        Py_CLEAR(x);
    return x;
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
    else {
        if (kind != core.value && PyType_IsSubtype(kind, core.traced))
            Py_XDECREF((PyObject *)((Traced *)x)->owner);
        kind->tp_free(x);
    }
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
