/* Arrays of numpy that a run is bound to, and whether each has its memory, shape, strides and dtype still.

   These are read where numpy keeps them: 2 ns an array; to ask it for a buffer again takes 100 ns, twice as long as a
   short run. The start of an array is laid out like this in every numpy since 1.7, whose C API reads it by macros. */

#include "forms.h"

typedef struct {
    PyObject_HEAD
    char *data;
    int axes;
    Py_ssize_t *lengths, *strides;
    PyObject *base, *dtype;
} Array;

/* An axis of one place has any stride, and so has each where there are no numbers. */
static int has_form(const Array *x, const Py_buffer *bound)
{
    int same = x->data == bound->buf && x->axes == bound->ndim;
    for (int i = 0; i < bound->ndim && same; i++)
        same = x->lengths[i] == bound->shape[i] &&
               (bound->len == 0 || bound->shape[i] == 1 || x->strides[i] == bound->strides[i]);
    return same;
}

int watch_array(Watched *watched, PyObject *x, Py_buffer *bound)
{
    if (!is_numpy_array(x) || !has_form((Array *)x, bound))
        return 0;
    *watched = (Watched){x, Py_NewRef(((Array *)x)->dtype), bound};
    return 1;
}

int is_as_bound(const Watched *watched)
{
    const Array *x = (Array *)watched->array;
    return x->dtype == watched->dtype && has_form(x, watched->bound);
}
