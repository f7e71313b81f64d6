/* Re-rolling: what slots.c, table.c and reroll.c share. See `autodiff.compiler.nests`, whose names these are. */

#ifndef AUTODIFF_NESTS_H
#define AUTODIFF_NESTS_H

#include "compiler.h"

enum { SHARED, IN_LANES, TOTAL }; /* phases */

typedef struct { /* instructions in their final order; operands and outs are addresses */
    const uint16_t *codes;
    const int64_t *starts;
    const int32_t *operands, *outs;
    const uint8_t *phases;
    int64_t lanes_at, lanes, one;
} Instructions;

typedef struct { /* nests as words */
    int32_t *words;
    int64_t used, size;
    int64_t *entries; /* where each nest begins */
    int64_t entry_count, entry_size;
    int64_t shared_end;  /* where those end that are the same for all rows; -1 before it is known */
    int64_t open_flat;   /* the flat list that the next short nest goes on; -1 for none */
    int is_out_of_memory; /* and holds less than was written */
} Table;

/* slots.c */
enum { STANDARD = 3 };     /* constants: -0.0, 0.0 and 1.0 */
enum { LENGTH_BITS = 16 }; /* of a key */

typedef struct { /* a program, with more constants and products, and what is known about it */
    Program program;
    const uint8_t *varying, *expected;
    int64_t first, slots;
    uint8_t *lane, *used, *is_output, *tainted, *watched; /* of each slot */
    int32_t *level;
    uint8_t *phase; /* of each instruction, */
    uint64_t *key;  /* and what it is sorted by: from the top its phase and level, class, and length */
    int64_t inputs, varying_count, one, totals_at, totals, lanes_at, lanes, size; /* where numbers stand */
    void *blocks[64]; /* what is to be freed */
    int block_count, is_out_of_memory;
} Known;

void *take(Known *k, int64_t count, size_t item);
void know(Known *k, int reduce);

/* table.c */
void table_write(Table *table, const int64_t *words, int64_t count);
void table_write_group(Table *table, const Instructions *x, int64_t begin, int64_t end); /* of which nests are made */
void table_end(Table *table);
void table_free(Table *table);

#endif
