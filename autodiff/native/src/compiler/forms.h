/* Forms: how numbers stand together, in arguments or in a result. `calls/entries.py` describes them. */

#ifndef AUTODIFF_FORMS_H
#define AUTODIFF_FORMS_H

#include "compiler.h"

#define KINDS(X) X(number) X(truth) X(array) X(sequence) X(mapping) X(same) X(watched) X(rows) X(listed)

#define KIND_OF(name) IS_##name,
enum { KINDS(KIND_OF) KIND_COUNT };
enum { MOST_AXES = 4, MOST_COLUMNS = 16, DEEPEST = 100, ROWS_UNKNOWN = -1 };

typedef struct Form {
    int kind;
    int axes;
    Py_ssize_t shape[MOST_AXES]; /* of an array, or of a row of rows */
    Py_ssize_t count;            /* of parts, or of the numbers in such an array */
    PyObject *held;              /* a class, shape, keys or a thing; whoever reads a description keeps it */
    struct Form *parts;          /* NULL where all are single numbers */
} Form;

typedef struct { /* how many numbers there are for all rows, of each row, and in how many columns these are */
    int64_t shared, varying, columns;
} Room;

typedef struct { /* the numbers of a call, as far as they have been taken */
    double *to;   /* where the next one goes */
    int64_t rows;
    int count; /* of columns */
    Column columns[MOST_COLUMNS];
    Py_buffer views[MOST_COLUMNS]; /* of the arrays that columns lie in; without obj it is memory of their own */
} Taken;

int form_read(Form *form, PyObject *described, int depth); /* -1 with an error; it is to be freed in any case */
void form_free(Form *form);
void form_measure(const Form *form, Room *room);
int arrays_look_up(void); /* whether numpy has been imported: then arrays have forms */
int is_numpy_array(PyObject *x); /* and of no subclass */

/* Whether x has the form, or the items have those of its parts: then their numbers are where they belong. There is
   never an error. No Python code runs, but such as an error that is cleared may bring about, after which it is over. */
int form_take(const Form *form, PyObject *x, Taken *taken);
int form_take_parts(const Form *form, PyObject *const *items, Taken *taken);
void taken_release(Taken *taken);

/* A new object of the form, around the numbers from *from on, which moves behind them. */
PyObject *form_build(const Form *form, const double **from);

/* Whether they are one object, or equal texts, or equal ints. */
static inline int is_same(PyObject *x, PyObject *y)
{
    int is_plain = Py_TYPE(x) == Py_TYPE(y) && (PyUnicode_CheckExact(x) || PyLong_CheckExact(x));
    return x == y || (is_plain && PyObject_RichCompareBool(x, y, Py_EQ) == 1);
}

#endif
