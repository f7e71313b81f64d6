/* Plans: a table of nests decoded once into records, with every word of it checked. What a plan says to read or write
   lies in its block of memory, so that a wrong table is an error here and no crash later.

   A block has the memory of the table; after that the rows of a block once more, row by row; then room for copies. */

#include "compiler.h"

/* The words of a table: nests/schema.py says what each is. */
enum { FLAT_COUNT = 1, FLAT_OUT = 2, FLAT_FIRST = 3, HEAD_COUNT = 8 };
enum { OPERANDS = 1, LOOPS = 2, OUT = 5, FIRST_OPERAND = 8, OPERAND = 4 };
enum { STRONG = 1, START = 8, RUNS = 12, FIRST_RUN = 13 };
enum { FORM = 0, LENGTH = 1, A = 2, B = 7, RUN_WORDS = 12, PAIR = 2 };

enum {
    ALIGNED = 8,          /* numbers: a line of the cache */
    MOST_LANES = 4096,    /* of a block */
    LEAST_STRIPS = 1024,  /* turns; fewer stay in the nearest cache between two nests */
    MOST_STRIPS = 64,     /* nests: each is compared with all before it */
    MOST_COPIED = 8,      /* times the memory of a table */
    WORK_OF_FUNCTION = 8, /* operations that an elementary function takes the time of */
};

typedef struct {
    const int32_t *table;
    int64_t words, at, end; /* of the table; the word that is read next; where the nests end */
    int64_t size;           /* of the memory that the table speaks of */
    Plan *plan;
    Run *runs; /* the next free one of each */
    Affine *places;
    int32_t *flat;
    int64_t room;      /* where copies begin, */
    int64_t most;      /* and where the copies of any nest end */
    const char *wrong; /* the first thing that is */
} Reader;

static int refuse(Reader *reader, const char *what)
{
    if (reader->wrong == NULL)
        reader->wrong = what;
    return 0;
}

/* The next words of the nests, so many of them; NULL where the nests end before. */
static const int32_t *next(Reader *reader, int64_t words)
{
    const int32_t *found = reader->table + reader->at;
    if (reader->wrong != NULL || words > reader->end - reader->at) {
        refuse(reader, "a nest ends in the middle");
        return NULL;
    }
    reader->at += words;
    return found;
}

static int read_operation(Reader *reader, int64_t code, int64_t count)
{
    int operation = operation_with(code, count);
    if (operation < 0)
        refuse(reader, "no operation has such an opcode and so many operands");
    return operation < 0 ? 0 : operation;
}

/* --- records, and whether their addresses are in memory --- */

typedef struct {
    int64_t least, most;
} Span; /* of addresses */

static const int64_t FAR = INT64_C(1) << 31; /* beyond all memory; words have 32 bits, so no sum of spans overflows */

static Span widened(Span span, int64_t step, int64_t turns)
{
    int64_t length = step * (turns - 1);
    span.least += length < 0 ? length : 0;
    span.most += length > 0 ? length : 0;
    return (Span){span.least < -FAR ? -FAR : span.least, span.most > FAR ? FAR : span.most};
}

static Span span_of(const Nest *nest, const Affine *place)
{
    Span span = widened((Span){place->at, place->at}, place->h, nest->loops[0]);
    return widened(widened(span, place->j, nest->loops[1]), place->i, nest->loops[2]);
}

static int check(Reader *reader, Span span)
{
    return span.least >= 0 && span.most < reader->size ? 1 : refuse(reader, "an address is outside of memory");
}

static Affine place_at(const int32_t *words) { return (Affine){words[0], words[1], words[2], words[3], 0}; }

static Affine factor_at(const int32_t *words) { return (Affine){words[0], words[1], words[2], words[3], words[4]}; }

static double turns_of(const Nest *nest)
{
    return (double)nest->loops[0] * (double)nest->loops[1] * (double)nest->loops[2];
}

static void read_loops(Reader *reader, Nest *nest, const int32_t *words)
{
    for (int i = 0; i < 3; i++) {
        nest->loops[i] = words[LOOPS + i];
        if (nest->loops[i] < 1)
            refuse(reader, "a loop has no turns");
    }
    nest->out = (Affine){words[OUT], words[OUT + 1], words[OUT + 2], 1, 0};
    check(reader, span_of(nest, &nest->out));
    if (turns_of(nest) > (double)reader->size)
        refuse(reader, "a nest has more results than memory");
}

/* About how many plain operations one takes. */
static double work_of(int operation, int64_t count)
{
    int is_plain = operation <= OP_neg || operation >= OP_less || operation == OP_square || operation == OP_where ||
                   operation == OP_maximum || operation == OP_minimum || operation == OP_relu;
    return is_plain || count > 2 ? (double)count : WORK_OF_FUNCTION;
}

/* These read a nest whose first word comes next, and tell the work of it. */
static double read_flat(Reader *reader, Nest *nest)
{
    double work = 0.0;
    const int32_t *words = next(reader, FLAT_FIRST);
    if (words == NULL || words[FLAT_COUNT] < 1)
        return refuse(reader, "a list of instructions is empty");
    nest->count = words[FLAT_COUNT];
    nest->out = (Affine){words[FLAT_OUT], 0, 0, 1, 0};
    nest->loops[0] = nest->loops[1] = 1;
    nest->loops[2] = nest->count;
    nest->flat = reader->flat;
    check(reader, span_of(nest, &nest->out));
    for (int32_t i = 0; i < nest->count; i++) {
        const int32_t *head = next(reader, 1);
        int32_t count = head == NULL ? 0 : *head >> HEAD_COUNT;
        const int32_t *operands = next(reader, count < 0 ? 0 : count);
        if (operands == NULL)
            break;
        int operation = read_operation(reader, *head & (MOST_OPCODES - 1), count);
        *reader->flat++ = operation | (int32_t)((uint32_t)count << HEAD_COUNT);
        for (int32_t n = 0; n < count; n++) {
            check(reader, (Span){operands[n], operands[n]});
            *reader->flat++ = operands[n];
        }
        work += work_of(operation, count);
    }
    return work;
}

static double read_elementwise(Reader *reader, Nest *nest)
{
    const int32_t *words = next(reader, FIRST_OPERAND);
    if (words == NULL)
        return 0.0;
    nest->kind = ELEMENTWISE;
    nest->count = words[OPERANDS];
    nest->operation = read_operation(reader, words[0], nest->count);
    nest->operands = reader->places;
    read_loops(reader, nest, words);
    for (int32_t i = 0; i < nest->count; i++) {
        const int32_t *place = next(reader, OPERAND);
        if (place == NULL)
            break;
        *reader->places = place_at(place);
        check(reader, span_of(nest, reader->places++));
    }
    return turns_of(nest) * work_of(nest->operation, nest->count);
}

/* Whether a run has the steps of its form, which the interpreter relies on. */
static int has_its_steps(const Run *run)
{
    const Affine *a = &run->a, *b = &run->b;
    switch (run->form) {
    case FORM_UPDATE:
        return a->i == 0 && b->i == 1;
    case FORM_BOTH:
        return a->i == 1 && b->i == 1;
    case FORM_DOT:
        return 1;
    case FORM_SPREAD:
        return a->i == 0 && b->i == 0 && run->pairs == NULL;
    case FORM_PACK:
        return a->i == 0 && run->pairs == NULL;
    case FORM_INNER:
        return b->k == 1 && (a->k == 0 || a->k == 1) && run->pairs == NULL;
    default:
        return 0;
    }
}

static void check_run(Reader *reader, const Nest *nest, const Run *run, int64_t turns)
{
    Span a = span_of(nest, &run->a), b = span_of(nest, &run->b);
    if (run->pairs == NULL) {
        check(reader, widened(a, run->a.k, turns));
        check(reader, widened(b, run->b.k, turns));
        return;
    }
    for (int64_t k = 0; k < PAIR * run->length; k += PAIR) {
        check(reader, (Span){a.least + run->pairs[k], a.most + run->pairs[k]});
        check(reader, (Span){b.least + run->pairs[k + 1], b.most + run->pairs[k + 1]});
    }
}

/* Whether b is the numbers of rows, one for each row: then they stand in step in the row-major copy. */
static int is_of_rows(const Plan *plan, const Nest *nest, const Run *run)
{
    int64_t shift = run->b.at - plan->lanes_at;
    return run->length == ACTIVE_LANES && plan->varying && shift >= 0 && shift % plan->lanes == 0 &&
           run->b.i == plan->lanes && run->b.k == 1 && shift / plan->lanes + nest->loops[2] <= plan->varying;
}

/* Where the copy of b goes, from `at` on; where the next copy may begin. Where b cannot be copied once for all turns,
   the run is a DOT, which has the same bits. */
static int64_t pack(const Reader *reader, const Nest *nest, Run *run, int64_t turns, int64_t at)
{
    const Plan *plan = reader->plan;
    int64_t size = turns * nest->loops[2];
    if (run->b.j != 0 || (run->b.h != 0 && nest->loops[0] > 1) || size > MOST_COPIED * (reader->size + ALIGNED)) {
        run->form = FORM_DOT;
        return at;
    }
    run->is_by_rows = is_of_rows(plan, nest, run);
    run->packed = run->is_by_rows ? plan->rows_at + (run->b.at - plan->lanes_at) / plan->lanes : at;
    run->packed_k = run->is_by_rows ? plan->row_width : nest->loops[2];
    return run->is_by_rows ? at : at + size;
}

static double read_run(Reader *reader, const Nest *nest, int64_t *room)
{
    const int32_t *words = next(reader, RUN_WORDS);
    if (words == NULL)
        return 0.0;
    Run *run = reader->runs++;
    int is_listed = (words[FORM] & LISTED) != 0;
    run->form = words[FORM] & FORMS;
    run->is_swapped = (words[FORM] & SWAPPED) != 0;
    run->length = words[LENGTH];
    run->a = factor_at(words + A);
    run->b = factor_at(words + B);
    int64_t turns = run->length == ACTIVE_LANES && !is_listed ? reader->plan->lanes : run->length;
    run->pairs = is_listed && turns > 0 ? next(reader, PAIR * turns) : NULL;
    if (turns < 1 || (is_listed && run->pairs == NULL))
        return refuse(reader, "a run has no terms");
    if (!has_its_steps(run))
        return refuse(reader, "a run has other steps than its form");
    check_run(reader, nest, run, turns);
    if (run->form == FORM_PACK)
        *room = pack(reader, nest, run, turns, *room);
    return (double)turns;
}

static double read_sum(Reader *reader, Nest *nest)
{
    double terms = 1.0;
    int64_t room = reader->room;
    const int32_t *words = next(reader, FIRST_RUN);
    if (words == NULL)
        return 0.0;
    nest->is_strong = words[STRONG] != 0;
    nest->count = words[RUNS] < 0 ? 0 : words[RUNS];
    nest->runs = reader->runs;
    read_loops(reader, nest, words);
    nest->start = words[START] == NO_START ? nest->out : place_at(words + START);
    check(reader, span_of(nest, &nest->start));
    for (int32_t i = 0; i < nest->count && reader->wrong == NULL; i++)
        terms += read_run(reader, nest, &room);
    reader->most = room > reader->most ? room : reader->most;
    return turns_of(nest) * terms;
}

/* Read all nests; those that all rows share end at a word. */
static void read_nests(Reader *reader, int64_t shared_end)
{
    Plan *plan = reader->plan;
    Nest *nest = plan->nests;
    int is_met = 0;
    for (; reader->at < reader->end && reader->wrong == NULL; nest++) {
        if (reader->at == shared_end) {
            plan->shared = nest - plan->nests;
            is_met = 1;
        }
        nest->kind = reader->table[reader->at];
        nest->strips = 1;
        double work = nest->kind == FLAT  ? read_flat(reader, nest)
                      : nest->kind == SUM ? read_sum(reader, nest)
                                          : read_elementwise(reader, nest);
        if (is_met)
            plan->work_of_row += work / (double)plan->lanes;
        else
            plan->work += work;
    }
    plan->count = nest - plan->nests;
    if (shared_end == reader->end)
        plan->shared = plan->count;
    else if (!is_met)
        refuse(reader, "a nest ends in the middle");
}

/* --- strips: long nests that may be run a strip of each at a time, while it is near --- */

/* Whether so many numbers from `at` on by a step meet those that stand side by side at `out`, but one by one. */
static int meets(int64_t at, int64_t step, int64_t out, int64_t count)
{
    int64_t last = at + step * (count - 1);
    int64_t least = step < 0 ? last : at, most = step < 0 ? at : last;
    return !(step == 1 && at == out) && least < out + count && most >= out;
}

static int may_be_in_strips(const Nest *nest)
{
    if (nest->kind == FLAT || nest->loops[0] != 1 || nest->loops[1] != 1 || nest->loops[2] < LEAST_STRIPS)
        return 0;
    if (nest->kind == ELEMENTWISE)
        return nest->count <= 3 && facts_of[opcode_of[nest->operation]].arity > 0 && nest->operation != OP_pow;
    for (int32_t i = 0; i < nest->count; i++) {
        const Run *run = nest->runs + i;
        if (run->form > FORM_BOTH || run->pairs != NULL || run->length == ACTIVE_LANES)
            return 0;
    }
    return nest->start.i == 0 || nest->start.i == 1;
}

/* Whether a nest reads other numbers at `out` than the one in step with its own result. */
static int reads_out_of_step(const Nest *nest, int64_t out)
{
    int64_t count = nest->loops[2];
    if (nest->kind == SUM && meets(nest->start.at, nest->start.i, out, count))
        return 1;
    for (int32_t i = 0; i < nest->count; i++) {
        if (nest->kind == ELEMENTWISE && meets(nest->operands[i].at, nest->operands[i].i, out, count))
            return 1;
        const Run *run = nest->kind == SUM ? nest->runs + i : NULL;
        for (int64_t k = 0; run != NULL && k < run->length; k++)
            if (meets(run->a.at + k * run->a.k, run->a.i, out, count) ||
                meets(run->b.at + k * run->b.k, run->b.i, out, count))
                return 1;
    }
    return 0;
}

/* How many nests from this one on, and before `end`, may run strip by strip together. */
static int32_t strips_from(const Nest *nest, const Nest *end)
{
    int32_t count = 0;
    while (nest + count < end && count < MOST_STRIPS) {
        const Nest *next = nest + count;
        if (!may_be_in_strips(next) || next->loops[2] != nest->loops[2])
            break;
        for (int32_t i = 0; i < count; i++)
            if (reads_out_of_step(next, nest[i].out.at))
                return count;
        count++;
    }
    return count;
}

static void find_strips(Plan *plan)
{
    for (int64_t i = 0; i < plan->count; i += plan->nests[i].strips) {
        int32_t count = strips_from(plan->nests + i, plan->nests + (i < plan->shared ? plan->shared : plan->count));
        plan->nests[i].strips = count > 1 ? count : 1;
    }
}

/* --- the header, and what stands behind the nests --- */

/* Whether a part is there, of a whole that has so many. */
static int is_part(int64_t at, int64_t count, int64_t whole)
{
    return at >= 0 && count >= 0 && count <= whole && at <= whole - count;
}

/* Records of so many words that stand in the table at a word of the header. */
static const int32_t *records(Reader *reader, int64_t at, int64_t count, int64_t words)
{
    if (is_part(0, count, reader->words) && is_part(at, words * count, reader->words))
        return reader->table + at;
    refuse(reader, "what follows the nests is outside of the table");
    return NULL;
}

/* Check a number of each row, or one that all rows share: its address, and `lane`. */
static void check_rows(Reader *reader, Span span, int64_t lane)
{
    if (lane < 0 || lane > 1)
        refuse(reader, "what follows the nests is not of rows");
    check(reader, widened(span, lane, reader->plan->lanes));
}

static void read_rest(Reader *reader, const int64_t *header)
{
    Plan *plan = reader->plan;
    int64_t width = 0;
    plan->output_runs = header[H_OUTPUT_RUNS];
    plan->guard_count = header[H_GUARD_COUNT];
    plan->watched_count = header[H_WATCHED_COUNT];
    plan->outputs = records(reader, header[H_OUTPUTS], plan->output_runs, COPIES);
    plan->guards = records(reader, header[H_GUARDS], plan->guard_count, GUARD);
    plan->watched = records(reader, header[H_WATCHED], plan->watched_count, WATCHED);
    if (reader->wrong != NULL)
        return;
    for (const int32_t *q = plan->outputs; q < plan->outputs + COPIES * plan->output_runs; q += COPIES) {
        check_rows(reader, widened((Span){q[0], q[0]}, q[1], q[2]), q[3]);
        width += q[2] < 1 ? refuse(reader, "outputs are none") : q[2];
    }
    for (const int32_t *q = plan->guards; q < plan->guards + GUARD * plan->guard_count; q += GUARD)
        check_rows(reader, (Span){q[0], q[0]}, q[1]);
    for (const int32_t *q = plan->watched; q < plan->watched + WATCHED * plan->watched_count; q += WATCHED)
        check_rows(reader, (Span){q[0], q[0]}, q[1]);
    if (width != plan->output_width)
        refuse(reader, "it has another number of outputs");
}

static void read_header(Reader *reader, const int64_t *header)
{
    Plan *plan = reader->plan;
    int64_t lanes = plan->lanes = header[H_LANES], size = reader->size;
    plan->inputs = header[H_INPUTS];
    plan->varying = header[H_VARYING];
    plan->lanes_at = header[H_LANES_AT];
    plan->totals = header[H_TOTALS];
    plan->total_count = header[H_TOTAL_COUNT];
    plan->total_starts = header[H_TOTAL_STARTS];
    plan->output_width = header[H_OUTPUT_WIDTH];
    plan->is_strong = header[H_STRONG];
    if (size < 0 || size >= FAR || !is_part(0, plan->given, size) || lanes < 1 || lanes > MOST_LANES ||
        (plan->varying && lanes % ALIGNED) || !is_part(0, plan->varying, size / lanes) ||
        !is_part(plan->lanes_at, plan->varying * lanes, size) || !is_part(0, plan->inputs, size) ||
        !is_part(plan->totals, plan->total_count, size) || !is_part(plan->total_starts, plan->total_count, size) ||
        !is_part(0, reader->end, reader->words) || !is_part(0, header[H_SHARED_END], reader->end))
        refuse(reader, "its header is not of this table and memory");
}

/* --- plans --- */

static int64_t aligned(int64_t count) { return (count + ALIGNED - 1) / ALIGNED * ALIGNED; }

/* Room for as many records as so many words can be. What is never written to takes no memory. */
static int make_room(Reader *reader)
{
    Plan *plan = reader->plan;
    size_t words = (size_t)reader->end;
    plan->memory[0] = plan->nests = PyMem_RawCalloc(words / FLAT_FIRST + 1, sizeof(Nest));
    plan->memory[1] = reader->runs = PyMem_RawCalloc(words / RUN_WORDS + 1, sizeof(Run));
    plan->memory[2] = reader->places = PyMem_RawCalloc(words / OPERAND + 1, sizeof(Affine));
    plan->memory[3] = reader->flat = PyMem_RawCalloc(words + 1, sizeof(int32_t));
    plan->rows_at = aligned(reader->size);
    plan->row_width = aligned(plan->varying);
    reader->room = reader->most = plan->rows_at + (plan->varying ? plan->row_width * plan->lanes : 0);
    return plan->nests != NULL && reader->runs != NULL && reader->places != NULL && reader->flat != NULL;
}

/* The table and the numbers, of which the plan has addresses, are kept by the caller. ValueError: the table is wrong. */
Plan *plan_new(const int64_t *header, const int32_t *table, int64_t words, const double *numbers, int64_t count)
{
    Plan *plan = PyMem_RawCalloc(1, sizeof(Plan));
    if (plan == NULL)
        return (Plan *)PyErr_NoMemory();
    Reader reader = {.table = table, .words = words, .end = header[H_LANES_END], .size = header[H_SIZE], .plan = plan};
    plan->numbers = numbers;
    plan->given = count;
    read_header(&reader, header);
    if (reader.wrong == NULL && !make_room(&reader)) {
        plan_free(plan);
        return (Plan *)PyErr_NoMemory();
    }
    if (reader.wrong == NULL) {
        read_nests(&reader, header[H_SHARED_END]);
        read_rest(&reader, header);
    }
    if (reader.wrong != NULL) {
        plan_free(plan);
        PyErr_Format(PyExc_ValueError, "a table of nests is wrong: %s", reader.wrong);
        return NULL;
    }
    find_strips(plan);
    plan->memory_size = reader.size;
    plan->size = aligned(reader.most) + ALIGNED; /* vectors are read a little beyond the ends */
    return plan;
}

void plan_free(Plan *plan)
{
    for (size_t i = 0; plan != NULL && i < sizeof plan->memory / sizeof *plan->memory; i++)
        PyMem_RawFree(plan->memory[i]);
    PyMem_RawFree(plan);
}
