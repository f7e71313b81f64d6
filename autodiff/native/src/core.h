/* The native core: the storage of a Value, and the hottest operations on it.

   Each function here does what a plain Python function of the package means, to the last bit, where everything is
   ordinary: Values, floats and ints, and nothing ambient. For all else it calls that function, which it was handed as a
   hook. So the Python code is the meaning, and this is its speed.

     node.c        nodes: how they are laid out in memory, made and freed
     attributes.c  nodes: what Python reads and assigns
     leaves.c      Value(...), and results that are not recorded
     arithmetic.c  operators and comparisons
     operation.c   primitives: their type, and the table
     primitive.c   primitives: their call on Values and numbers; dot of lists
     kernels.c     rows of the table, with their derivatives
     lists.c       data and grads of lists of Values
     backward.c    topological order and the backward pass
     module.c      the module: types, the table of operations, hooks

   No Python code runs in a loop over nodes, and none is called with a node half-made. The lock of the interpreter
   guards all that is static; free-threaded interpreters and subinterpreters do without the core. */

#ifndef AUTODIFF_CORE_H
#define AUTODIFF_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD < 0 || FLT_EVAL_METHOD == 2 /* as by the x87 of a 32-bit machine */
#error "arithmetic on doubles would not have the bits of Python's"
#endif

#ifdef _MSC_VER
#define THREAD_LOCAL __declspec(thread)
#elif defined(__GLIBC__)
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec"))) /* without a call: 3 ns */
#else
#define THREAD_LOCAL _Thread_local
#endif

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* --- nodes --- */

enum { NO_OP, ADD, SUB, MUL, DIV, NEG, POW, DOT, FIRST_OTHER, OTHER_OP = 255 }; /* OTHER_OP: not of the table */

#define INLINE 2 /* so many operands fit into the node itself */

typedef struct { /* how a node was made, where that does not fit into the node */
    PyObject *op;        /* of OTHER_OP: the operation, any object */
    PyObject *gradients; /* local gradients that are anything but one float for each operand; else NULL: slopes are */
    Py_ssize_t count;    /* of operands */
    double slopes[];     /* followed by the operands, and by a byte for each: whether it gets a structural zero */
} Block;

typedef struct Node {
    PyObject_HEAD
    double data;
    union {
        double grad;
        struct Node *next; /* of a node that waits to be freed, or to be used again */
    };
    PyObject *label; /* NULL: "" */
    union {
        struct {
            PyObject *operands[INLINE];
            double slopes[INLINE];
        };
        Block *block;
    };
    uint16_t op;             /* its number among the operations */
    uint8_t count;           /* of operands, where there is no block */
    uint8_t nothing[INLINE]; /* whether an operand gets a structural zero */
    uint8_t is : 2;          /* one of the three below */
    uint8_t is_tracked : 1;  /* by the collector */
    uint8_t is_marked : 1;   /* met, by a walk over the graph; never while Python code runs */
    uint8_t is_reached : 1;  /* by a gradient, in a sweep */
    char is_optional;        /* of a tracer: an adjoint or a local gradient that may be nothing at a run */
} Node;

enum { PLAINLY_LAID_OUT, IN_A_BLOCK, FORGOTTEN }; /* Node.is: FORGOTTEN is a leaf that an operation made */

static inline PyObject **block_operands(Block *block) { return (PyObject **)(block->slopes + block->count); }
static inline uint8_t *block_nothing(Block *block) { return (uint8_t *)(block_operands(block) + block->count); }

typedef struct { /* how a node was made, wherever it is kept; borrowed from the node */
    Py_ssize_t count;
    PyObject **operands;
    double *slopes;
    uint8_t *nothing;
} Record;

static inline Record record_of(Node *x)
{
    if (x->is == IN_A_BLOCK) {
        Block *block = x->block;
        return (Record){block->count, block_operands(block), block->slopes, block_nothing(block)};
    }
    return (Record){x->count, x->operands, x->slopes, x->nothing};
}

/* Whether it holds its number as a float does: a float, or np.float64, a subclass of it in C. One in Python may have a
   `__float__` of its own. */
static inline int is_float(PyObject *x)
{
    return PyFloat_CheckExact(x) || (PyFloat_Check(x) && !PyType_HasFeature(Py_TYPE(x), Py_TPFLAGS_HEAPTYPE));
}

/* Whether a local gradient is a structural zero. Those of a dot are told only when they are asked for: the other factor
   is the constant 0. */
static inline int is_nothing(Node *x, const Record *record, Py_ssize_t i)
{
    if (record->nothing[i])
        return 1;
    if (record->slopes[i] != 0.0 || x->op != DOT)
        return 0;
    return PyFloat_CheckExact(record->operands[(i + record->count / 2) % record->count]);
}

static inline Py_ssize_t operand_count(Node *x) { return x->is == IN_A_BLOCK ? x->block->count : x->count; }

/* --- operations --- */

#define PAIRS (-1) /* two or more of them: the rules tell the structural zeros of a dot of one */

typedef struct { /* a primitive on doubles, with the bits that `floats` and the rules give */
    const char *name;
    int count; /* of operands, 0 for any number, or PAIRS */
    double (*value)(const double *x, Py_ssize_t count);
    void (*slopes)(double out, const double *x, Py_ssize_t count, double *slopes, uint8_t *nothing); /* in place */
} Kernel;

typedef struct { /* the base class of Primitive */
    PyObject_HEAD
    PyObject *evaluate, *partials, *arity;             /* as of Primitive; NULL before they are assigned */
    PyObject *its_evaluate, *its_partials, *its_arity; /* as they were when it was entered in the table */
    vectorcallfunc vectorcall;
    const Kernel *kernel; /* stands for the rules, while they are those; or NULL */
    int number;           /* its own, or NO_OP for one that is not of the table */
} Operation;

/* --- tracers: see compiler/tracer.c --- */

typedef struct { /* the base of Owner, whose numbers tracers are */
    PyObject_HEAD
    PyObject *guard;         /* a weak reference to what is there while the trace is under way; NULL without one */
    PyObject *trace, *nodes; /* the trace, and the list of its operations; borrowed, as long as the guard refers */
    int is_sweeping;
} Owner;

typedef struct { /* the base of Tracer: a node whose number is not to be known. A Condition hides its operands. */
    Node node;
    Owner *owner;
    int64_t index; /* in a sweep; the slot, in a program */
} Traced;

/* --- what the core knows of the package --- */

/* By the names that `bind` takes: two context variables, NOTHING, a () with a meaning of its own; and the hooks, plain
   functions. All are None before they are bound. Acquire and release are of the lock of a pass. */
#define HANDED_IN(HOOK)                                                                                                \
    HOOK(mode) HOOK(logs) HOOK(nothing) HOOK(forgotten) HOOK(kind_of_mode) HOOK(operate) HOOK(compare) HOOK(apply)     \
    HOOK(local_gradients) HOOK(assign) HOOK(refuse_label) HOOK(missing) HOOK(put) HOOK(dot_of_lists)                   \
    HOOK(numbers_of) HOOK(assign_numbers) HOOK(descend_by) HOOK(ordered) HOOK(leaves_below) HOOK(pass_from)            \
    HOOK(adjoints_at) HOOK(tangents_at) HOOK(acquire) HOOK(release) HOOK(check_from)

#define DECLARED(name) PyObject *name;

typedef struct {
    PyTypeObject *node, *operation; /* our types */
    PyTypeObject *value, *sourced;  /* Value and SourcedValue */
    PyTypeObject *primitive;        /* Primitive, while its calls come here */
    PyTypeObject *owner, *traced;   /* our types, of the compiler */
    PyTypeObject *tracer, *condition; /* Tracer and Condition, once they are bound, and what goes with them: */
    PyObject *where, *sum, *strong_mul, *not_taken, *comparisons[6]; /* by Py_LT, ... */
    PyObject *zero, *one, *minus_one;
    PyObject *empty, *str_data, *str_grad, *type_call;
    PyObject *operations[OTHER_OP]; /* by number */
    int operation_count;
    HANDED_IN(DECLARED)
} Core;

extern Core core;

static inline int is_value(PyObject *x) { return Py_TYPE(x) == core.value || Py_TYPE(x) == core.sourced; }
static inline int is_traced(PyObject *x) { return Py_TYPE(x) == core.tracer || Py_TYPE(x) == core.condition; }
static inline int is_node(PyObject *x) { return is_value(x) || PyType_IsSubtype(Py_TYPE(x), core.node); }

void track(Node *x);

/* Have the collector know a node that holds something which it knows, and so may be part of a cycle. */
static inline void track_with(Node *x, PyObject *held)
{
    int is_ours = is_value(held) || is_traced(held);
    if (!(x->is_tracked || PyFloat_CheckExact(held) || (is_ours && !((Node *)held)->is_tracked)))
        track(x);
}

/* Data and grad, the two that loops read and assign, are found by their names' identity: Python interns names. The way
   through the class takes two to four times as long. NULL: no such name, or no Value. */
static inline double *number_named(PyObject *x, PyObject *name)
{
    if (!is_value(x))
        return NULL;
    return name == core.str_data ? &((Node *)x)->data : name == core.str_grad ? &((Node *)x)->grad : NULL;
}

/* --- modes --- */

enum { PLAIN, UNRECORDED, SPECIAL }; /* as if nothing were ambient; no_grad alone; anything else. -1: an error */

int kind_of_mode(void); /* which of the three, where the mode is not None */

static inline int ambient(void)
{
    PyObject *mode;
    if (PyContextVar_Get(core.mode, Py_None, &mode) < 0)
        return -1;
    int found = mode == Py_None ? PLAIN : kind_of_mode();
    Py_DECREF(mode);
    return found;
}

/* --- between the files --- */

/* node.c. Those that make a node give a new Value, or NULL with an error. */
Node *new_node(double data);
Node *roomy_node(PyObject *op, Py_ssize_t count);
int room_for(Node *x, PyObject *op, Py_ssize_t count, int has_slopes);
int lay_out(Node *x, PyObject *op, PyObject *const *operands, Py_ssize_t count, PyObject *gradients);
void node_dealloc(PyObject *self);
int node_traverse(PyObject *self, visitproc visit, void *arg);
int node_clear(PyObject *self);

/* attributes.c */
extern PyGetSetDef node_attributes[];
int remake(Node *x, PyObject *op, PyObject *operands, PyObject *gradients); /* NULL for what stays */
PyObject *node_getattro(PyObject *self, PyObject *name);
int node_setattro(PyObject *self, PyObject *name, PyObject *given);

/* leaves.c */
PyObject *result_leaf(double data); /* what an operation that is not recorded makes */
PyObject *node_new(PyTypeObject *kind, PyObject *args, PyObject *kwargs);
int node_init(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *value_vectorcall(PyObject *kind, PyObject *const *args, size_t nargsf, PyObject *names);

/* arithmetic.c */
PyObject *node_add(PyObject *left, PyObject *right);
PyObject *node_subtract(PyObject *left, PyObject *right);
PyObject *node_multiply(PyObject *left, PyObject *right);
PyObject *node_divide(PyObject *left, PyObject *right);
double logarithm(double x);
PyObject *node_power(PyObject *left, PyObject *right, PyObject *modulus);
PyObject *node_negative(PyObject *operand);
PyObject *node_compare(PyObject *self, PyObject *other, int which);

/* compiler/tracer.c: a tracer with these operands, and their numbers in the place of slopes, which is still to get its
   number and to be noted. NULL, perhaps with an error, where Python must be asked. */
Node *tracer_of(PyObject *op, PyObject *const *args, Py_ssize_t count);
PyObject *noted(Node *tracer); /* the tracer, which is stolen */
PyObject *condition_of(PyObject *left, PyObject *right, int which);
int is_recording(Owner *owner);
int add_tracer_types(PyObject *module);

/* operation.c, primitive.c, kernels.c */
extern PyType_Spec operation_spec;
PyObject *enter(PyObject *module, PyObject *primitive);
PyObject *dot_of_lists(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *operation_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names);
extern const Kernel kernels[]; /* the last has no name */
double sech(double x);
double gelu(double x);

/* module.c: what the plain function gives, or method, where things are out of the ordinary. NULL with an error, also if
   there was one before. */
PyObject *plainly(PyObject *function, PyObject *const *args, Py_ssize_t count);
PyObject *call_as_method(PyObject *function, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names);

/* the functions of the module, by file */
extern PyMethodDef list_functions[], backward_functions[];

#endif
