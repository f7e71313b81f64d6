/* Topological order and the backward pass. */

#include "core.h"

PyMethodDef backward_functions[] = {
    {NULL, NULL, 0, NULL},
};
