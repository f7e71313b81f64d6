/* Nests of sums: v[out] = v[start] + v[a] * v[b] + ..., run after run.

   Blocks of up to 4 rows (turns of j) by 4 vectors (of turns of i) of outputs are kept in registers while run after run
   is added to them. What must be transposed first is, in registers; inner products take W outputs at a time, each a
   vector of partial sums, and these are transposed as well and then added. The rest goes one by one.

   A strong sum is taken for a plain one until a nan comes up. Only the sign of a zero can differ: a computed zero must
   not be -0.0, which says that there is nothing, so 0.0 is added last. */

#if W == 1
#define UNROLL
#elif defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#ifdef __GNUC__
#define APART static __attribute__((noinline)) /* with registers of its own */
#else
#define APART static
#endif

#define MOST_ROWS 4
#define MOST_VECTORS 4

typedef struct { /* runs that follow one another in a nest */
    const Nest *nest;
    double *v;
    const Run *run, *end;
    int is_packed;      /* whether there are runs of form PACK */
    const Affine *from; /* what they are added to: the start, or the outputs so far */
    int64_t active;     /* rows in the block */
    double last;        /* added last: -0.0 changes nothing */
} Sums;

static inline int64_t place_of(const Affine *x, int64_t h, int64_t j) { return x->at + h * x->h + j * x->j; }

static inline int64_t length_of(const Run *run, int64_t active)
{
    return run->length == ACTIVE_LANES ? active : run->length;
}

static inline double last_of(const Nest *nest) { return nest->is_strong ? 0.0 : -0.0; }

/* --- transposes --- */

/* W vectors, each a row of a square. */
INLINED void transpose_square(V *x)
{
#if W == 8
    __m512d y[8];
    UNROLL for (int i = 0; i < 8; i += 2) {
        y[i] = _mm512_unpacklo_pd((__m512d)x[i], (__m512d)x[i + 1]);
        y[i + 1] = _mm512_unpackhi_pd((__m512d)x[i], (__m512d)x[i + 1]);
    }
    __m512d z[8];
    UNROLL for (int i = 0; i < 2; i++) {
        z[i] = _mm512_shuffle_f64x2(y[i], y[i + 2], 0x88);
        z[i + 2] = _mm512_shuffle_f64x2(y[i], y[i + 2], 0xdd);
        z[i + 4] = _mm512_shuffle_f64x2(y[i + 4], y[i + 6], 0x88);
        z[i + 6] = _mm512_shuffle_f64x2(y[i + 4], y[i + 6], 0xdd);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        x[i] = (V)_mm512_shuffle_f64x2(z[i], z[i + 4], 0x88);
        x[i + 4] = (V)_mm512_shuffle_f64x2(z[i], z[i + 4], 0xdd);
    }
#elif W == 4
    __m256d y[4];
    UNROLL for (int i = 0; i < 4; i += 2) {
        y[i] = _mm256_unpacklo_pd((__m256d)x[i], (__m256d)x[i + 1]);
        y[i + 1] = _mm256_unpackhi_pd((__m256d)x[i], (__m256d)x[i + 1]);
    }
    UNROLL for (int i = 0; i < 2; i++) {
        x[i] = (V)_mm256_permute2f128_pd(y[i], y[i + 2], 0x20);
        x[i + 2] = (V)_mm256_permute2f128_pd(y[i], y[i + 2], 0x31);
    }
#elif W == 2
    V low = {x[0][0], x[1][0]}, high = {x[0][1], x[1][1]};
    x[0] = low;
    x[1] = high;
#else
    (void)x;
#endif
}

/* A square, or as many of its rows and columns as there are. */
INLINED void transpose_some(double *to, int64_t to_step, const double *from, int64_t from_step, int64_t rows,
                            int64_t columns)
{
    V x[W];
    UNROLL for (int i = 0; i < W; i++)
        x[i] = load_some(from + (i < rows ? i : 0) * from_step, columns);
    transpose_square(x);
    UNROLL for (int i = 0; i < W; i++)
        if (i < columns)
            store_some(to + i * to_step, x[i], rows);
}

/* to[c * to_step + r] = from[r * from_step + c], for all rows r and columns c. */
APART void transpose(double *to, int64_t to_step, const double *from, int64_t from_step, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r += W)
        for (int64_t c = 0; c < columns; c += W) {
            double *target = to + c * to_step + r;
            const double *source = from + r * from_step + c;
            if (r + W <= rows && c + W <= columns)
                transpose_some(target, to_step, source, from_step, W, W);
            else
                transpose_some(target, to_step, source, from_step, rows - r, columns - c);
        }
}

/* What the runs of form PACK read, put in step: the numbers of b for each term side by side. */
APART void pack(const Sums *s)
{
    int64_t count = s->nest->loops[2];
    for (const Run *run = s->run; run < s->end; run++) {
        if (run->form != FORM_PACK || run->is_by_rows)
            continue;
        const double *from = s->v + run->b.at;
        double *to = s->v + run->packed;
        int64_t length = length_of(run, s->active);
        if (run->b.k == 1)
            transpose(to, run->packed_k, from, run->b.i, count, length);
        else
            for (int64_t k = 0; k < length; k++)
                for (int64_t i = 0; i < count; i++)
                    to[k * run->packed_k + i] = from[k * run->b.k + i * run->b.i];
    }
}

/* --- tiles: blocks of outputs in registers --- */

typedef struct { /* of a tile; all but the rest are known to the compiler */
    int rows, vectors, is_ragged;
    int64_t rest; /* so many numbers are of use in the last vector of a ragged one */
} Shape;

#define IS_REST (is.is_ragged && c == is.vectors - 1)
#define LOAD(address) (IS_REST ? load_some((address) + W * c, is.rest) : load((address) + W * c))
#define EACH_ROW UNROLL for (int r = 0; r < is.rows; r++)
#define EACH_VECTOR UNROLL for (int c = 0; c < is.vectors; c++)

typedef struct { /* of a run, as a tile meets them */
    const double *a, *b;
    int64_t a_j, b_j, a_k, b_k, length;
    const int32_t *pairs;
} Terms;

INLINED Terms terms_of(const Sums *s, const Run *run, int64_t h, int64_t j, int64_t i)
{
    const double *a = s->v + place_of(&run->a, h, j) + i * run->a.i;
    int64_t length = length_of(run, s->active);
    if (run->form == FORM_PACK)
        return (Terms){a, s->v + run->packed + i, run->a.j, 0, run->a.k, run->packed_k, length, NULL};
    const double *b = s->v + place_of(&run->b, h, j) + i * run->b.i;
    return (Terms){a, b, run->a.j, run->b.j, run->a.k, run->b.k, length, run->pairs};
}

/* Add one term to the outputs: from factors that stand side by side as the outputs do (IS_A, IS_B) come vectors, the
   others are the same for a row. Rows may share b. */
enum { IS_A = 1, IS_B = 2, IS_SHARED = 4 };

INLINED void add_term(V (*x)[MOST_VECTORS], const Shape is, const int kind, const Terms t)
{
    const double *a = t.a, *b = t.b;
    V z[MOST_VECTORS];
    EACH_ROW
    {
        V y = splat(*a);
        EACH_VECTOR
        {
            if (r == 0 || !(kind & IS_SHARED))
                z[c] = kind & IS_B ? LOAD(b) : splat(*b);
            x[r][c] = fused(kind & IS_A ? LOAD(a) : y, z[c], x[r][c]);
        }
        a += t.a_j;
        b += kind & IS_SHARED ? 0 : t.b_j;
    }
}

INLINED void add_terms(V (*x)[MOST_VECTORS], const Shape is, const int kind, Terms t)
{
    if (t.pairs == NULL)
        for (; t.length > 0; t.length--, t.a += t.a_k, t.b += t.b_k)
            add_term(x, is, kind, t);
    else
        for (; t.length > 0; t.length--, t.pairs += 2) {
            Terms pair = t;
            pair.a += t.pairs[0];
            pair.b += t.pairs[1];
            add_term(x, is, kind, pair);
        }
}

/* The outputs of the rows from turn j on, from turn i on. */
INLINED void tile(const Shape is, const Sums *s, int64_t h, int64_t j, int64_t i)
{
    V x[MOST_ROWS][MOST_VECTORS];
    const double *from = s->v + place_of(s->from, h, j) + i * s->from->i;
    EACH_ROW
    {
        EACH_VECTOR
            x[r][c] = s->from->i == 0 ? splat(*from) : LOAD(from);
        from += s->from->j;
    }
    for (const Run *run = s->run; run < s->end; run++) {
        Terms t = terms_of(s, run, h, j, i);
        if (run->form == FORM_BOTH)
            add_terms(x, is, IS_A | IS_B, t);
        else if (run->form != FORM_UPDATE && run->form != FORM_PACK)
            add_terms(x, is, 0, t);
        else if (t.b_j == 0)
            add_terms(x, is, IS_B | IS_SHARED, t);
        else
            add_terms(x, is, IS_B, t);
    }
    double *to = s->v + place_of(&s->nest->out, h, j) + i;
    V last = splat(s->last);
    EACH_ROW
    {
        EACH_VECTOR
        {
            if (IS_REST)
                store_some(to + W * c, x[r][c] + last, is.rest);
            else
                store(to + W * c, x[r][c] + last);
        }
        to += s->nest->out.j;
    }
}

typedef void Tile(const Sums *s, int64_t h, int64_t j, int64_t i, int64_t rest);

#define TILE(rows, vectors, is_ragged)                                                                                 \
    APART void tile_##rows##_##vectors##_##is_ragged(const Sums *s, int64_t h, int64_t j, int64_t i, int64_t rest)     \
    {                                                                                                                  \
        tile((Shape){rows, vectors, is_ragged, rest}, s, h, j, i);                                                     \
    }
#define TILES(vectors, is_ragged)                                                                                      \
    TILE(1, vectors, is_ragged)                                                                                        \
    TILE(2, vectors, is_ragged)                                                                                        \
    TILE(3, vectors, is_ragged)                                                                                        \
    TILE(4, vectors, is_ragged)                                                                                        \
    static Tile *const tiles_##vectors##_##is_ragged[] = {                                                             \
        tile_1_##vectors##_##is_ragged, tile_2_##vectors##_##is_ragged, tile_3_##vectors##_##is_ragged,                \
        tile_4_##vectors##_##is_ragged};
TILES(1, 0)
TILES(1, 1)
TILES(2, 0)
TILES(2, 1)
#if W == 8 /* there are registers for them */
TILES(4, 0)
#endif

static void row_of_tiles(const Sums *s, int64_t rows, int64_t h, int64_t j, int64_t begin, int64_t end)
{
    int64_t i = begin;
#if W == 8
    for (; i + 4 * W <= end; i += 4 * W)
        tiles_4_0[rows - 1](s, h, j, i, W);
#endif
    for (; i + 2 * W <= end; i += 2 * W)
        tiles_2_0[rows - 1](s, h, j, i, W);
    int64_t rest = end - i;
    if (rest > W)
        tiles_2_1[rows - 1](s, h, j, i, rest - W);
    else if (rest == W)
        tiles_1_0[rows - 1](s, h, j, i, W);
    else if (rest > 0)
        tiles_1_1[rows - 1](s, h, j, i, rest);
}

/* Runs of the forms that tiles take, for turns of i from `begin` to `end`. */
static void add_tiles(const Sums *s, int64_t begin, int64_t end)
{
    const int64_t *loops = s->nest->loops;
    if (s->is_packed)
        pack(s);
    for (int64_t h = 0; h < loops[0]; h++)
        for (int64_t j = 0, rows; j < loops[1]; j += rows) {
            int64_t left = loops[1] - j;
            rows = left == 5 || left == 6 ? 3 : left < MOST_ROWS ? left : MOST_ROWS; /* rather than 4 and 1, 4 and 2 */
            row_of_tiles(s, rows, h, j, begin, end);
        }
}

/* --- inner products --- */

/* x for the first n of at least one, y beyond. */
INLINED V first_else(int64_t n, V x, V y)
{
#if W > 2
    return choose((M)first(n), x, y);
#elif W == 2
    return n >= W ? x : (V){x[0], y[1]};
#else
    return x;
#endif
}

/* For each of `count` outputs W of its partial sums, those from `part` on. */
INLINED void partial_sums(V *x, const Run *run, const double *a, const double *b, int64_t length, int64_t part,
                          int64_t count, const int is_shared)
{
    UNROLL for (int r = 0; r < W; r++)
        x[r] = splat(-0.0);
    for (int64_t k = part; k < length; k += PARTS) {
        int64_t left = length - k;
        V y = run->a.k == 0 ? splat(*a) : load_some(a + k, left);
        UNROLL for (int r = 0; r < W; r++) {
            if (r >= count)
                break;
            if (!is_shared)
                y = run->a.k == 0 ? splat(a[r * run->a.i]) : load_some(a + r * run->a.i + k, left);
            x[r] = first_else(left, fused(y, load_some(b + r * run->b.i + k, left), x[r]), x[r]);
        }
    }
}

/* The totals of partial sums, for W outputs. */
INLINED V inner_products(const Run *run, const double *a, const double *b, int64_t length, int64_t count)
{
    V x[PARTS / W][W];
    UNROLL for (int n = 0; n < PARTS / W; n++) {
        if (run->a.i == 0)
            partial_sums(x[n], run, a, b, length, n * W, count, 1);
        else
            partial_sums(x[n], run, a, b, length, n * W, count, 0);
        transpose_square(x[n]);
    }
#define PART(p) x[(p) / W][(p) % W]
    return ((PART(0) + PART(4)) + (PART(2) + PART(6))) + ((PART(1) + PART(5)) + (PART(3) + PART(7)));
#undef PART
}

APART void add_inner_products(const Sums *s)
{
    const Run *run = s->run;
    int64_t length = length_of(run, s->active);
    const int64_t *loops = s->nest->loops;
    for (int64_t h = 0; h < loops[0]; h++)
        for (int64_t j = 0; j < loops[1]; j++) {
            const double *a = s->v + place_of(&run->a, h, j), *b = s->v + place_of(&run->b, h, j);
            const double *from = s->v + place_of(s->from, h, j);
            double *to = s->v + place_of(&s->nest->out, h, j);
            for (int64_t i = 0; i < loops[2]; i += W) {
                int64_t count = loops[2] - i < W ? loops[2] - i : W;
                V total = inner_products(run, a + i * run->a.i, b + i * run->b.i, length, count);
                V start = s->from->i == 0 ? splat(*from) : load_some(from + i, count);
                store_some(to + i, (start + total) + splat(s->last), count);
            }
        }
}

/* --- one by one --- */

/* Some outputs of a run of form DOT, side by side: one alone waits for each of its products. */
INLINED void dots(double *to, const double *from, int64_t from_i, const Run *run, const double *a, const double *b,
                  int64_t length, const int count, double last)
{
    double total[4];
    UNROLL for (int i = 0; i < count; i++)
        total[i] = from[i * from_i];
    for (int64_t k = 0; k < length; k++) {
        const double *x = a + (run->pairs ? run->pairs[2 * k] : k * run->a.k);
        const double *y = b + (run->pairs ? run->pairs[2 * k + 1] : k * run->b.k);
        UNROLL for (int i = 0; i < count; i++)
            total[i] = fma(x[i * run->a.i], y[i * run->b.i], total[i]);
    }
    UNROLL for (int i = 0; i < count; i++)
        to[i] = total[i] + last;
}

static double carefully(double total, const Run *run, const double *a, const double *b, int64_t length)
{
    double parts[PARTS] = {-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0};
    for (int64_t k = 0; k < length; k++) {
        double x = a[run->pairs ? run->pairs[2 * k] : k * run->a.k];
        double y = b[run->pairs ? run->pairs[2 * k + 1] : k * run->b.k];
        double *to = run->form == FORM_INNER ? &parts[k % PARTS] : &total;
        *to = run->is_swapped ? plus_strongly(*to, y, x) : plus_strongly(*to, x, y);
    }
    if (run->form != FORM_INNER)
        return total;
    return total + (((parts[0] + parts[4]) + (parts[2] + parts[6])) + ((parts[1] + parts[5]) + (parts[3] + parts[7])));
}

APART void add_one_by_one(const Sums *s, int is_careful)
{
    const Run *run = s->run;
    const int64_t *loops = s->nest->loops;
    int64_t length = length_of(run, s->active), from_i = s->from->i, a_i = run->a.i, b_i = run->b.i;
    for (int64_t h = 0; h < loops[0]; h++)
        for (int64_t j = 0; j < loops[1]; j++) {
            const double *a = s->v + place_of(&run->a, h, j), *b = s->v + place_of(&run->b, h, j);
            const double *from = s->v + place_of(s->from, h, j);
            double *to = s->v + place_of(&s->nest->out, h, j);
            int64_t i = 0;
            for (; i + 4 <= loops[2] && !is_careful; i += 4)
                dots(to + i, from + i * from_i, from_i, run, a + i * a_i, b + i * b_i, length, 4, s->last);
            for (; i < loops[2]; i++)
                if (is_careful)
                    to[i] = carefully(from[i * from_i], run, a + i * a_i, b + i * b_i, length);
                else
                    dots(to + i, from + i * from_i, from_i, run, a + i * a_i, b + i * b_i, length, 1, s->last);
        }
}

/* --- nests --- */

/* Put the starts in the place of the outputs. */
static void begin(const Sums *s)
{
    const int64_t *loops = s->nest->loops;
    for (int64_t h = 0; h < loops[0]; h++)
        for (int64_t j = 0; j < loops[1]; j++)
            for (int64_t i = 0; i < loops[2]; i++)
                s->v[place_of(&s->nest->out, h, j) + i] = s->v[place_of(s->from, h, j) + i * s->from->i];
}

static void add_carefully(const Nest *nest, double *v, int64_t active)
{
    Sums s = {nest, v, nest->runs, NULL, 0, &nest->start, active, -0.0};
    begin(&s);
    s.from = &nest->out;
    for (; s.run < nest->runs + nest->count; s.run++)
        add_one_by_one(&s, 1);
}

/* Whether outputs side by side read both factors side by side, or the same. */
static inline int is_for_tiles(const Run *run)
{
    return run->form != FORM_INNER && (run->form != FORM_DOT || (run->a.i == 0 && run->b.i == 0 && !run->pairs));
}

static inline void add_sums(const Nest *nest, double *v, int64_t active)
{
    const Run *end = nest->runs + nest->count;
    Sums s = {nest, v, nest->runs, nest->runs, 0, &nest->start, active, last_of(nest)};
    if (s.from->i != 0 && s.from->i != 1) {
        begin(&s);
        s.from = &nest->out;
    }
    do {
        for (s.is_packed = 0; s.end < end && is_for_tiles(s.end); s.end++)
            s.is_packed |= s.end->form == FORM_PACK;
        if (s.end > s.run || s.run == end)
            add_tiles(&s, 0, nest->loops[2]);
        else if (s.end++->form == FORM_INNER)
            add_inner_products(&s);
        else
            add_one_by_one(&s, 0);
        s.from = &nest->out;
        s.run = s.end;
    } while (s.run < end);
}
