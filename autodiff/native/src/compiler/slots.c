/* What is known of a program before its instructions are sorted: nests/slots.py and nests/totals.py. */

#include "nests.h"

static const int64_t MOST_BYTES = 256 << 20; /* of lanes; beyond it they are made narrower */
enum { MOST_TOLD_APART = 0xFFFF, MOST_BITS = 62, ALIGNED = 8 };

/* So many zeros, freed in the end. Where there is no memory, `is_out_of_memory` says so. */
void *take(Known *k, int64_t count, size_t item)
{
    void *block = PyMem_RawCalloc(count + 1, item);
    if (block == NULL)
        k->is_out_of_memory = 1;
    else
        k->blocks[k->block_count++] = block;
    return block;
}

/* --- the program, with more constants, and products for totals --- */

static void *larger(Known *k, void *array, int64_t count, size_t item)
{
    void *moved = PyMem_Realloc(array, count * item);
    if (moved == NULL)
        k->is_out_of_memory = 1;
    return moved == NULL ? array : moved;
}

static void move(int32_t *slots, int64_t count, int64_t first)
{
    for (int64_t i = 0; i < count; i++)
        slots[i] += slots[i] >= first ? STANDARD : 0;
}

/* Put -0.0, 0.0 and 1.0 behind the constants. */
static void add_standard(Known *k)
{
    static const double standard[STANDARD] = {-0.0, 0.0, 1.0};
    Program *p = &k->program;
    int64_t first = p->inputs + p->constants;
    p->numbers = larger(k, p->numbers, p->constants + STANDARD, 8);
    if (k->is_out_of_memory)
        return;
    memcpy(p->numbers + p->constants, standard, sizeof standard);
    p->constants += STANDARD;
    move(p->operands, p->operand_count, first);
    move(p->output, p->outputs, first);
    move(p->guard, p->guards, first);
}

static int is_product_kind(int operation)
{
    return operation == OP_mul || operation == OP_strong_mul || operation == OP_products ||
           operation == OP_strong_products;
}

/* Whether an instruction is one product, or 0 + x * y, whose zero a total may begin with. */
static int is_product(const Program *p, int64_t t)
{
    int64_t count = p->starts[t + 1] - p->starts[t];
    if (!is_product_kind(operation_of[p->codes[t]]) || count == 2)
        return is_product_kind(operation_of[p->codes[t]]);
    int64_t constant = p->operands[p->starts[t]] - p->inputs;
    return count == 3 && constant >= 0 && constant < p->constants && p->numbers[constant] == 0.0;
}

/* Whether an output varies from row to row, and is no product. */
static int needs_one(const Known *k, int64_t slot)
{
    return k->lane[slot] && (slot < k->first || k->used[slot] || !is_product(&k->program, slot - k->first));
}

/* Each output that varies from row to row becomes a product, of 1 and what it was if need be. */
static void add_products(Known *k)
{
    Program *p = &k->program;
    int32_t *product = take(k, k->slots, 4); /* the slot of the product that an output becomes, if any */
    p->codes = larger(k, p->codes, p->count + p->outputs, 2);
    p->starts = larger(k, p->starts, p->count + p->outputs + 1, 8);
    p->operands = larger(k, p->operands, p->operand_count + 2 * p->outputs, 4);
    for (int64_t i = 0; !k->is_out_of_memory && i < p->outputs; i++) {
        int32_t x = p->output[i];
        if (product[x] == 0 && needs_one(k, x)) {
            product[x] = (int32_t)(k->first + p->count);
            k->used[x] = k->lane[product[x]] = k->is_output[product[x]] = 1;
            p->codes[p->count++] = (uint16_t)opcode_of[OP_mul];
            p->operands[p->operand_count++] = (int32_t)k->first - 1;
            p->operands[p->operand_count++] = x;
            p->starts[p->count] = p->operand_count;
        }
        if (product[x] != 0)
            p->output[i] = product[x];
    }
    k->slots = k->first + p->count;
}

/* --- what is known of slots and instructions --- */

/* Which slots are lanes, outputs, and operands or guards. */
static void look(Known *k)
{
    const Program *p = &k->program;
    k->first = p->inputs + p->constants;
    k->slots = k->first + p->count;
    k->lane = take(k, k->slots + p->outputs, 1); /* with room for products */
    k->used = take(k, k->slots + p->outputs, 1);
    k->is_output = take(k, k->slots + p->outputs, 1);
    if (k->is_out_of_memory)
        return;
    memcpy(k->lane, k->varying, p->inputs);
    for (int64_t t = 0; t < p->count; t++)
        for (int64_t j = p->starts[t]; j < p->starts[t + 1]; j++) {
            k->used[p->operands[j]] = 1;
            k->lane[k->first + t] |= k->lane[p->operands[j]];
        }
    for (int64_t i = 0; i < p->guards; i++)
        k->used[p->guard[i]] = 1;
    for (int64_t i = 0; i < p->outputs; i++)
        k->is_output[p->output[i]] = 1;
}

/* The level of each slot, counted from the shared numbers in lanes, and whether a nan there must be looked for: one from
   a strong sum of plain products may be wrong, and an operand that chooses may swallow it. */
static void analyse(Known *k)
{
    const Program *p = &k->program;
    for (int64_t t = 0; t < p->count; t++) {
        int64_t out = k->first + t, start = p->starts[t];
        uint64_t choosing = facts_of[p->codes[t]].choosing;
        int32_t deepest = 0;
        k->tainted[out] = operation_of[p->codes[t]] == OP_strong_products;
        for (int64_t j = start; j < p->starts[t + 1]; j++) {
            int32_t x = p->operands[j];
            if (k->lane[x] == k->lane[out] && k->level[x] > deepest)
                deepest = k->level[x];
            k->tainted[out] |= k->tainted[x];
            k->watched[x] |= k->tainted[x] & (choosing >> (j - start < MOST_BITS ? j - start : MOST_BITS) & 1);
        }
        k->level[out] = deepest + 1;
    }
}

/* The phase of each instruction, and what it is sorted by. */
static void sort_out(Known *k, int reduce)
{
    const Program *p = &k->program;
    for (int64_t t = 0; t < p->count; t++) {
        int64_t x = k->first + t, length = p->starts[t + 1] - p->starts[t];
        int operation = operation_of[p->codes[t]], in_lanes = k->lane[x];
        int is_total = reduce && in_lanes && k->is_output[x] && !k->used[x] && is_product_kind(operation);
        uint64_t phase = is_total ? TOTAL : in_lanes ? IN_LANES : SHARED, level = is_total ? 0 : k->level[x];
        uint64_t class_ = operation == OP_strong_products ? opcode_of[OP_products] : p->codes[t];
        k->phase[t] = (uint8_t)phase;
        k->key[t] = phase << 62 | level << 24 | class_ << LENGTH_BITS |
                    (length < MOST_TOLD_APART ? length : MOST_TOLD_APART);
    }
}

static int64_t aligned(int64_t address) { return (address + ALIGNED - 1) / ALIGNED * ALIGNED; }

/* Where numbers stand: shared inputs, constants, shared results, totals, what these start from; lanes. */
static void measure(Known *k)
{
    int64_t counts[3] = {0, 0, 0};
    for (int64_t t = 0; t < k->program.count; t++)
        counts[k->phase[t]]++;
    for (int64_t i = 0; i < k->program.inputs; i++)
        k->varying_count += k->varying[i] != 0;
    int64_t wide = k->varying_count + counts[IN_LANES];
    k->inputs = k->program.inputs - k->varying_count;
    k->one = k->inputs + k->program.constants - 1;
    k->totals = counts[TOTAL];
    k->totals_at = k->one + 1 + counts[SHARED];
    k->lanes_at = aligned(k->totals_at + 2 * k->totals);
    while (k->lanes > ALIGNED && wide * k->lanes * 8 > MOST_BYTES)
        k->lanes /= 2;
    k->size = aligned(k->lanes_at + wide * k->lanes);
}

void know(Known *k, int reduce)
{
    add_standard(k);
    if (!k->is_out_of_memory)
        look(k);
    if (reduce && !k->is_out_of_memory)
        add_products(k);
    int64_t count = k->program.count;
    k->tainted = take(k, k->slots, 1);
    k->watched = take(k, k->slots, 1);
    k->level = take(k, k->slots, 4);
    k->phase = take(k, count, 1);
    k->key = take(k, count, 8);
    if (k->is_out_of_memory)
        return;
    analyse(k);
    sort_out(k, reduce);
    measure(k);
}
