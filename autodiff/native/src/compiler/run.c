/* Runs: a plan on one set of numbers, or on many rows, block by block. Nothing here is of Python, nor needs its lock.

   Strong sums are taken for plain ones first: that differs only where there is a nan. Where one comes up, in an output or
   in a number that is watched because its nan might not reach the outputs, the run is repeated carefully. */

#include "compiler.h"

enum {
    MOST_CHUNKS = 16,             /* each is summed by itself, so that sums are the same for any number of threads, */
    LEAST_BLOCKS = 2,             /* and has as many blocks at least: to add up the sums takes time, too */
    LINE = 64,                    /* bytes */
};
#define WORK_BETWEEN_PAUSES 5e7 /* operations: some 10 ms */

/* --- machines --- */

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

extern const Machine machine_avx512, machine_avx2, machine_baseline;

static const Machine *const machines[] = {&machine_avx512, &machine_avx2, &machine_baseline, NULL};

static int has_bits(unsigned word, unsigned bits) { return (word & bits) == bits; }

/* Whether processor and system have what a machine needs. They are asked directly: what compilers offer for it is not
   filled in by all of them. */
static int is_here(const Machine *machine)
{
    const unsigned SAVES = 1u << 27, FMA = 1u << 12, AVX2 = 1u << 5, AVX512FDQ = 3u << 16, AVX512BWVL = 3u << 30;
    const unsigned WIDE = 0x06, WIDEST = 0xe6; /* registers that the system saves */
    unsigned a, b, c, d, state, high;
    if (machine == &machine_baseline)
        return 1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_bits(c, SAVES | FMA) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    __asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
    if (machine == &machine_avx2)
        return has_bits(state, WIDE) && has_bits(b, AVX2);
    return has_bits(state, WIDEST) && has_bits(b, AVX2) && has_bits(b, AVX512FDQ) && has_bits(b, AVX512BWVL);
}
#else
extern const Machine machine_baseline;

static const Machine *const machines[] = {&machine_baseline, NULL};

static int is_here(const Machine *machine) { return 1; }
#endif

const Machine *const *machines_here(void)
{
    const Machine *const *machine = machines;
    while (!is_here(*machine)) /* what the first can do that is here, all that follow can */
        machine++;
    return machine;
}

/* --- blocks of memory --- */

double *block_new(const Plan *plan)
{
    char *memory = PyMem_RawCalloc((size_t)plan->size * sizeof(double) + LINE + sizeof(void *), 1);
    if (memory == NULL)
        return NULL;
    char *aligned = memory + sizeof(void *) + LINE - 1;
    aligned -= (uintptr_t)aligned % LINE;
    ((void **)aligned)[-1] = memory;
    memcpy(aligned, plan->numbers, (size_t)plan->given * sizeof(double));
    return (double *)aligned;
}

void block_free(double *v)
{
    if (v != NULL)
        PyMem_RawFree(((void **)v)[-1]);
}

/* --- what is read of a block --- */

int copy_in_step(const Machine *machine, double *to, const double *from, int64_t step, int64_t count)
{
    if (step == 1)
        return machine->copy(to, from, count);
    int nans = 0;
    for (int64_t i = 0; i < count; i++) {
        double x = from[i * step];
        nans |= x != x;
        to[i] = x;
    }
    return nans;
}

/* Copy the outputs of so many rows of a block, one row after the other; whether there is a nan among them. */
static int write_outputs(const Machine *machine, const Plan *plan, const double *v, int64_t rows, double *out)
{
    int nans = 0;
    for (const int32_t *q = plan->outputs; q < plan->outputs + COPIES * plan->output_runs; q += COPIES) {
        for (int64_t row = 0; row < rows; row++)
            nans |= copy_in_step(machine, out + row * plan->output_width, v + q[0] + row * q[3], q[1], q[2]);
        out += q[2];
    }
    return nans;
}

int is_watched_nan(const Plan *plan, const double *v, int64_t rows)
{
    for (const int32_t *q = plan->watched; q < plan->watched + WATCHED * plan->watched_count; q += WATCHED)
        for (int64_t row = 0; row < (q[1] ? rows : 1); row++)
            if (v[q[0] + row] != v[q[0] + row])
                return 1;
    return 0;
}

int guards_hold(const Plan *plan, const double *v, int64_t row)
{
    for (const int32_t *q = plan->guards; q < plan->guards + GUARD * plan->guard_count; q += GUARD)
        if ((v[q[0] + row * q[1]] != 0.0) != (q[2] != 0))
            return 0;
    return 1;
}

/* --- one set of numbers --- */

int run_one(const Machine *machine, const Plan *plan, double *v, double *out)
{
    machine->interpret(plan, v, 0, 1, 0);
    int nans = write_outputs(machine, plan, v, 1, out);
    if (plan->is_strong && (nans || is_watched_nan(plan, v, 1))) {
        machine->interpret(plan, v, 0, 1, 1);
        write_outputs(machine, plan, v, 1, out);
    }
    return guards_hold(plan, v, 0);
}

/* --- many rows --- */

void rows_plan(Rows *rows)
{
    int64_t lanes = rows->plan->lanes, blocks = (rows->rows + lanes - 1) / lanes;
    int64_t evenly = (blocks + MOST_CHUNKS - 1) / MOST_CHUNKS;
    int64_t blocks_of_chunk = evenly < LEAST_BLOCKS ? LEAST_BLOCKS : evenly;
    rows->chunk = blocks_of_chunk * lanes;
    rows->chunks = (blocks + blocks_of_chunk - 1) / blocks_of_chunk;
}

/* Put rows into memory, row by row and in lanes. */
static void lay_rows(const Rows *rows, double *v, int64_t first, int64_t active)
{
    const Plan *plan = rows->plan;
    for (int64_t row = 0; row < active; row++) {
        double *to = v + plan->rows_at + row * plan->row_width;
        for (const Column *column = rows->columns; column < rows->columns + rows->column_count; column++) {
            rows->machine->copy(to, column->at + (first + row) * column->width, column->width);
            to += column->width;
        }
    }
    if (plan->varying)
        rows->machine->lay_lanes(plan, v, active);
}

/* Note for each row of a block whether its guards hold; whether they do for all. */
static int note_guards(const Rows *rows, const double *v, int64_t first, int64_t active)
{
    int hold = 1;
    for (int64_t row = 0; row < active && rows->plan->guard_count; row++) {
        int holds = guards_hold(rows->plan, v, row);
        hold &= holds;
        if (rows->holds != NULL)
            rows->holds[first + row] = (uint8_t)holds;
    }
    return hold;
}

/* Run the rows of a chunk; whether a nan came up that only care can judge. */
static int run_chunk(Rows *rows, double *v, int64_t chunk, int careful, int may_pause)
{
    const Plan *plan = rows->plan;
    const Machine *machine = rows->machine;
    int64_t first = chunk * rows->chunk, end = first + rows->chunk < rows->rows ? first + rows->chunk : rows->rows;
    int nans = 0, hold = 1, is_stacked = rows->reduction == STACKED;
    double work = 0.0;
    if (!is_stacked)
        machine->copy(v + plan->totals, v + plan->total_starts, plan->total_count);
    for (; first < end && !rows->stopped; first += plan->lanes) {
        int64_t active = plan->lanes < end - first ? plan->lanes : end - first;
        lay_rows(rows, v, first, active);
        machine->interpret(plan, v, 1, active, careful);
        if (is_stacked)
            nans |= write_outputs(machine, plan, v, active, rows->out + first * plan->output_width);
        if (plan->is_strong && !careful)
            nans |= is_watched_nan(plan, v, active);
        hold &= note_guards(rows, v, first, active);
        work += plan->work_of_row * (double)active;
        if (may_pause && rows->pause != NULL && work > WORK_BETWEEN_PAUSES) {
            rows->stopped |= rows->pause(rows);
            work = 0.0;
        }
    }
    if (!is_stacked)
        nans |= write_outputs(machine, plan, v, 1, rows->out + chunk * plan->output_width);
    if (nans && plan->is_strong && !careful)
        return 1; /* its guards were not told by the right numbers */
    if (!hold)
        rows->failed = 1;
    return 0;
}

int64_t run_chunks(Rows *rows, double *v, int may_pause)
{
    int is_ready = 0, is_careful = 0;
    int64_t count = 0;
    const Plan *plan = rows->plan;
    const Machine *machine = rows->machine;
    for (int64_t chunk; !rows->stopped && (chunk = claim(&rows->next)) < rows->chunks;) {
        if (!is_ready) {
            if (v != rows->inputs)
                machine->copy(v, rows->inputs, plan->inputs);
            machine->interpret(plan, v, 0, 1, 0);
            is_ready = 1;
        }
        count++;
        if (!run_chunk(rows, v, chunk, 0, may_pause))
            continue;
        if (!is_careful)
            machine->interpret(plan, v, 0, 1, 1);
        is_careful = 1;
        run_chunk(rows, v, chunk, 1, may_pause);
    }
    return count;
}

/* Whether an output, at this address, is a total over the rows; else it is the same for all of them. */
static int is_total(const Plan *plan, int64_t at) { return at >= plan->totals && at < plan->totals + plan->total_count; }

/* Divide numbers; by a power of two with a product, which has the same bits, and takes a tenth of the time. */
static void divide(double *x, int64_t count, double by)
{
    int exponent;
    double factor = 1.0 / by;
    if (frexp(by, &exponent) == 0.5)
        for (int64_t i = 0; i < count; i++)
            x[i] *= factor;
    else
        for (int64_t i = 0; i < count; i++)
            x[i] /= by;
}

void rows_reduce(const Rows *rows, const double *parts, double *out)
{
    const Plan *plan = rows->plan;
    int64_t width = plan->output_width;
    double count = (double)rows->rows;
    if (out != parts)
        rows->machine->copy(out, parts, width);
    for (int64_t chunk = 1; chunk < rows->chunks; chunk++)
        for (int64_t i = 0; i < width; i++)
            out[i] += parts[chunk * width + i];
    for (const int32_t *q = plan->outputs; q < plan->outputs + COPIES * plan->output_runs; q += COPIES) {
        int are_totals = is_total(plan, q[0]) && is_total(plan, q[0] + (int64_t)(q[2] - 1) * q[1]);
        if (are_totals && rows->reduction == AVERAGED)
            divide(out, q[2], count);
        for (int32_t n = 0; n < q[2] && !are_totals; n++) {
            if (!is_total(plan, q[0] + (int64_t)n * q[1]))
                out[n] = rows->reduction == SUMMED ? parts[n] * count : parts[n];
            else if (rows->reduction == AVERAGED)
                out[n] /= count;
        }
        out += q[2];
        parts += q[2];
    }
}
