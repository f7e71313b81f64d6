/* Programs being made from others, by passes. */

#ifndef AUTODIFF_BUILDER_H
#define AUTODIFF_BUILDER_H

#include "compiler.h"

#define CODE(name) opcode_of[OP_##name]

/* A program being made from another, as by `programs.Builder`: constants have slots below 0 until it is finished. There
   is room for all that a pass may write: twice the instructions, two operands for one and three for an instruction. */
typedef struct {
    Program made;
    int32_t *place;          /* for each slot of the other, its slot in this one */
    uint8_t *marks;          /* for each slot of the other, 0 at first */
    int32_t *constant_table; /* by the bits of a constant, its number + 1 */
    int64_t constant_room;   /* half the size of that, a power of two */
    int has_no_memory;       /* there was none for a constant: what is made is to be thrown away */
} Builder;

static inline uint64_t hashed(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* Whether a slot holds this constant, to the last bit. */
static inline int is_number(const Builder *build, int32_t slot, double number)
{
    return slot < 0 && memcmp(&build->made.numbers[-1 - slot], &number, sizeof number) == 0;
}

/* Where the operands of the next instruction are to be written. */
static inline int32_t *operands_here(Builder *build) { return build->made.operands + build->made.operand_count; }

/* The slot of another instruction, whose operands have been written. */
static inline int32_t builder_add(Builder *build, int code, int64_t operands)
{
    Program *made = &build->made;
    made->codes[made->count++] = (uint16_t)code;
    made->starts[made->count] = made->operand_count += operands;
    return (int32_t)(made->inputs + made->count - 1);
}

/* program.c */
int32_t builder_constant(Builder *build, double number);          /* its slot */
void builder_constants(Builder *build, const Program *given);     /* those of the other program, and their places */
int32_t *placed(Builder *build, const int32_t *x, int64_t count); /* operands, written where the next are, by place */
/* What a pass makes of a program; NotImplemented where that is left to Python. The pass gives -1 with an error. */
PyObject *rewritten(PyObject *from, int (*pass)(Builder *build, const Program *given));

#endif
