/* Compiled programs: how they are made, decoded, and run. Each function does what a plain Python function of
   `autodiff.compiler` does, to the last bit; a law holds each pair to that.

     program.c    programs as arrays, read from Python and given back; builder.h: those that passes make
     passes.c     the passes for every backend, sums.c those for loops
     slots.c      what is known of slots, reroll.c instructions in step as nests, table.c nests as words
     values.c     operations on numbers one by one, with the bits of `floats`; angles.c, of huge angles
     plan.c       a table decoded, once
     machine.h    the interpreter of nests, compiled for each instruction set by machine_*.c, on
                  vectors.h (registers), functions.h (exp and its kin), elementwise.h, runs.h (sums)
     run.c        runs: of one set of numbers, of many rows in chunks; threads.c shares the chunks out
     runner.c     a program ready to run, for Python; bound.c binds it to arrays
     forms.c      how numbers stand together: arguments taken apart, results built
     calls.c      the call of a compiled function
     tracer.c     numbers of a trace, writer.c the program that they are, sweep.c their derivatives

   What decides the bits of a result is written once, and is the same for every instruction set, lane, and number of
   threads. `a fused product` is fma(x, y, total): one rounding. */

#ifndef AUTODIFF_COMPILER_H
#define AUTODIFF_COMPILER_H

#include "../core.h"

/* --- operations --- */

/* Those of `programs.opcodes`, by name. Opcodes are Python's: `operations` of a plan are these. */
#define OPERATIONS(X)                                                                                                  \
    X(add) X(sub) X(mul) X(div) X(neg) X(pow) X(mod) X(floordiv) X(abs) X(sign) X(floor) X(ceil) X(round) X(square)    \
    X(reciprocal) X(exp) X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p) X(sqrt) X(cbrt) X(sin) X(cos) X(tan)        \
    X(arcsin) X(arccos) X(arctan) X(arctan2) X(hypot) X(arcsin_slope) X(cosine) X(sinh) X(cosh) X(tanh) X(arcsinh)     \
    X(arccosh) X(arctanh) X(sech) X(erf) X(erfc) X(sigmoid) X(softplus) X(relu) X(leaky_relu) X(elu) X(silu) X(gelu)   \
    X(maximum) X(minimum) X(clip) X(where) X(sum) X(mean) X(prod) X(dot) X(norm) X(logsumexp) X(softmax)               \
    X(log_softmax) X(max) X(min) X(less) X(less_equal) X(equal) X(not_equal) X(detach) X(nothing) X(strong_mul)        \
    X(products) X(strong_products)

#define NUMBERED(name) OP_##name,
enum { OPERATIONS(NUMBERED) OP_COUNT };

#define MOST_OPCODES 256
extern int16_t operation_of[MOST_OPCODES]; /* by opcode, -1 for none; `bind_opcodes` fills it in (program.c) */
extern int16_t opcode_of[OP_COUNT];        /* the other way */

/* --- programs: see programs/program.py --- */

typedef struct {
    int64_t inputs, constants, count, outputs, guards; /* how many of each; count: of instructions */
    int64_t operand_count;
    double *numbers; /* of the constants */
    uint16_t *codes;
    int64_t *starts;
    int32_t *operands, *output, *guard;
} Program;

typedef struct { /* about the primitive of an opcode; see primitives/primitive.py */
    PyObject *primitive;
    int arity, parity; /* -1 for any */
    int commutes, is_involution, has_unit[2];
    double unit[2];
    unsigned long long choosing; /* a bit for each operand that only chooses */
} Facts;

extern Facts facts_of[MOST_OPCODES];

/* --- nests: see nests/schema.py, whose words these are --- */

enum { FLAT = 1000, SUM = 1001 }; /* kinds; 1002 to 1009 are left for gather, scatter and loops over programs */
enum { FORM_UPDATE, FORM_BOTH, FORM_DOT, FORM_PACK, FORM_SPREAD, FORM_INNER };
enum { FORMS = 15, SWAPPED = 16, LISTED = 32 };
enum { ACTIVE_LANES = 0, NO_START = -1 };
enum { PARTS = 8 }; /* partial sums of an INNER run */

typedef enum {
    H_SHARED_END, H_LANES_END, H_INPUTS, H_VARYING, H_LANES_AT, H_LANES, H_OUTPUTS, H_OUTPUT_RUNS, H_GUARDS,
    H_GUARD_COUNT, H_STRONG, H_WATCHED, H_WATCHED_COUNT, H_TOTALS, H_OUTPUT_WIDTH, H_TOTAL_COUNT, H_TOTAL_STARTS,
    H_SIZE, H_COUNT
} HeaderWord;

/* --- plans: a table decoded once, for all instruction sets --- */

typedef struct { /* an address that loops move */
    int64_t at, h, j, i, k;
} Affine;

typedef struct { /* terms of a sum */
    Affine a, b;
    int64_t length; /* ACTIVE_LANES: the rows of the block */
    const int32_t *pairs; /* of a listed run: addresses to be added to a and b; else NULL */
    int form, is_swapped;
    int is_by_rows;  /* PACK: what would be copied stands in the row-major copy already, and packed leads there */
    int64_t packed;  /* PACK: where the copy of b goes, */
    int64_t packed_k; /* and its step from term to term; its step i is 1 */
} Run;

typedef struct {
    int32_t kind;      /* FLAT, SUM, or ELEMENTWISE */
    int32_t operation; /* of an ELEMENTWISE */
    int32_t count;     /* of operands, runs, or instructions */
    int32_t strips;    /* how many nests from here on run strip by strip: they read one another number by number */
    int is_strong;
    int64_t loops[3];       /* h, j, i */
    Affine out, start;      /* start.at == NO_START never occurs: it is `out` then */
    const Affine *operands; /* of an ELEMENTWISE */
    const Run *runs;        /* of a SUM */
    const int32_t *flat;    /* of a FLAT: for each instruction operation | count << 8, and addresses */
} Nest;

enum { ELEMENTWISE = 999 };

typedef struct {
    Nest *nests;
    int64_t shared, count; /* nests of the part that all rows share; of all */
    int64_t inputs, varying, lanes_at, lanes;
    int64_t rows_at, row_width; /* rows of the block once more, row by row, each padded to a multiple of 8 */
    int64_t totals, total_count, total_starts, output_width, is_strong;
    const int32_t *outputs, *guards, *watched; /* words of the table */
    int64_t output_runs, guard_count, watched_count;
    int64_t memory_size;   /* of what the table speaks of, in numbers, */
    int64_t size;          /* and of a block of memory: with rows_at, and room for copies */
    const double *numbers; /* what it holds at first, so many of them */
    int64_t given;
    double work; /* about how many operations a run takes, and a row */
    double work_of_row;
    void *memory[8]; /* what is to be freed */
} Plan;

/* --- machines: instruction sets --- */

typedef struct {
    const char *name;
    int width; /* of a register, in numbers */
    void (*interpret)(const Plan *plan, double *v, int in_lanes, int64_t active, int careful);
    void (*lay_lanes)(const Plan *plan, double *v, int64_t active); /* from rows_at, the last row again beyond */
    int (*copy)(double *to, const double *from, int64_t count);      /* whether there is a nan among them */
    double (*evaluate)(int operation, const double *x, int64_t count); /* one alone: the bits that a lane has */
} Machine;

const Machine *const *machines_here(void); /* those that this processor has, the best first; NULL at the end (run.c) */

/* --- between the files --- */

/* program.c: errors as Python exceptions. `program_read` makes copies, and checks every slot, start and code; 1 for a
   program with primitives of a user's own, which is left to Python. */
int operation_with(int64_t code, int64_t count); /* that has this opcode and so many operands; -1 for none */
int program_read(Program *program, PyObject *from);
PyObject *program_given(const Program *program, PyObject *like); /* a Program with varying, ... of `like` */
void program_free(Program *program);
PyObject *array_given(const char *kind, const void *numbers, int64_t size); /* an array.array; the size in bytes */

/* values.c: operations that are the same on every machine, one by one; angles.c */
typedef struct { /* where operands stand: v[0], v[1], ...; or at listed addresses; or at those of a nest, after turns */
    const double *v;
    const int32_t *listed;
    const Affine *places;
    int64_t h, j, i;
} Operands;

static inline const double *operand_at(const Operands *all, const Affine *at)
{
    return all->v + at->at + all->h * at->h + all->j * at->j + all->i * at->i;
}

static inline double operand(const Operands *all, int64_t k)
{
    return all->places ? *operand_at(all, all->places + k) : all->v[all->listed ? all->listed[k] : k];
}

/* The total and the next pair of a strong sum. */
static inline double plus_strongly(double total, double x, double y)
{
    return x == 0.0 && signbit(x) ? total : fma(x, y, total) + 0.0; /* computed, so never -0.0 */
}

double one_by_one(int operation, const Operands *all, int64_t count);
double huge_angle(double x, double *tail, uint64_t *turns);

/* plan.c */
Plan *plan_new(const int64_t *header, const int32_t *table, int64_t words, const double *numbers, int64_t count);
void plan_free(Plan *plan);

/* run.c: without Python, and without its lock */
enum { STACKED, SUMMED, AVERAGED }; /* what becomes of the outputs of many rows */

enum { COPIES = 4, GUARD = 3, WATCHED = 2 }; /* words of the records behind the nests */

/* Copy numbers that stand in step; whether there is a nan among them. */
int copy_in_step(const Machine *machine, double *to, const double *from, int64_t step, int64_t count);
int is_watched_nan(const Plan *plan, const double *v, int64_t rows);
int guards_hold(const Plan *plan, const double *v, int64_t row);

typedef struct {
    const double *at;
    int64_t width; /* of a row; rows stand one after the other */
} Column;

double *block_new(const Plan *plan); /* aligned, with the numbers of the plan; NULL without memory */
void block_free(double *v);
int run_one(const Machine *machine, const Plan *plan, double *v, double *out); /* inputs are in v; whether guards hold */

typedef struct Rows { /* a run over many rows, in chunks, each of which is summed by itself */
    const Machine *machine;
    const Plan *plan;
    const Column *columns;
    int column_count, reduction;
    int64_t rows, chunk, chunks; /* how many; rows of a chunk; how many chunks */
    const double *inputs;        /* that rows share */
    double *out;                 /* of each row, or the sums of each chunk */
    uint8_t *holds;              /* for each row whether its guards hold; NULL where nobody asks */
    int64_t next;                /* the first chunk that no thread has claimed */
    volatile int failed;         /* whether a guard did */
    volatile int stopped;        /* whether all threads are to leave the rest */
    int (*pause)(struct Rows *); /* called now and then by the thread that began; whether to stop. Or NULL */
    PyThreadState *thread;
} Rows;

void rows_plan(Rows *rows);                            /* chunks, by the number of rows alone */
int64_t run_chunks(Rows *rows, double *v, int may_pause); /* claims one chunk after the other; how many */
void rows_reduce(const Rows *rows, const double *parts, double *out); /* the sums of chunks, added in their order */

/* threads.c */
enum { MOST_THREADS = 64 };
int64_t claim(int64_t *next);
void share_chunks(Rows *rows, double *const *blocks, int count); /* by so many threads, the caller's among them */

/* runner.c: a program ready to run. A block of memory belongs to one run at a time; they are pooled. */
typedef struct {
    PyObject_HEAD
    Plan *plan;
    const Machine *machine;
    int reduction, threads; /* STACKED, SUMMED or AVERAGED */
    int block_count;
    double *blocks[64]; /* that no run has now */
    PyObject *kept;     /* the table and the numbers */
    PyObject *few;      /* the runner for up to FEW_ROWS rows, or until then a function that makes it; NULL */
} Runner;

extern PyTypeObject *runner_type;
int add_runner(PyObject *module); /* the type, and the functions */
int add_bound(PyObject *module);  /* bound.c: the type Bound */
int is_long(double work);         /* whether the lock of the interpreter is let go for so many operations */
/* Take a buffer of numbers of a format, and of so many unless it is -1. TypeError, ValueError or BufferError. */
int take_buffer(PyObject *from, Py_buffer *buffer, const char *format, int64_t count, int to_write);
double *runner_take(Runner *self); /* a block; NULL with an error */
void runner_give(Runner *self, double *v);
/* Inputs are in v; they release the lock of the interpreter where a run is long. Whether guards hold; -1 with an error,
   such as that of an interrupt. `holds` has a byte for each row; NULL where there are no guards. */
int runner_run(Runner *self, double *v, double *out);
int runner_run_rows(Runner *self, double *v, const Column *columns, int count, int64_t rows, double *out, uint8_t *holds);

/* arrays.c: arrays of numpy whose numbers are read at every run, though a shape, strides or a dtype may be set in place. */
typedef struct {
    PyObject *array, *dtype;
    Py_buffer *bound; /* as it was */
} Watched;

int watch_array(Watched *watched, PyObject *x, Py_buffer *bound); /* whether it is such an array */
int is_as_bound(const Watched *watched);

/* sweep.c, writer.c */
PyObject *reverse_traced(PyObject *module, PyObject *args);
PyObject *instructions(PyObject *module, PyObject *args);
PyObject *strangers(PyObject *module, PyObject *nodes);

/* calls.c */
int add_calls(PyObject *module); /* the types Calls and Entry, and the functions */

/* the functions of the module, by file; each has an entry of its own in module.c */
extern PyMethodDef program_functions[], pass_functions[], sum_functions[], reroll_functions[], trace_functions[];

#endif
