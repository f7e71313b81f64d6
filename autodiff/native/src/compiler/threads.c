/* Threads that share the chunks of a run. They are started when they are first wanted and stay: to start one takes as
   long as some hundred rows. Between runs each spins a little, since the next run is often near, then sleeps.

   They serve one run at a time; another that is begun meanwhile goes without them. Where other processes take the cores a
   run may wait long for a thread that was put aside in the middle of a chunk: what was lost so is made up for by runs
   without them that take PAID_BACK times as long, so that in the long run it stays below some 4 %.

   Threads know nothing of Python, get no signals, and end with the process. The child of a fork has none, and starts its
   own. On Windows there are none. */

#include "compiler.h"

#ifdef _WIN32

int64_t claim(int64_t *next) { return (*next)++; }

void share_chunks(Rows *rows, double *const *blocks, int count) { run_chunks(rows, blocks[0], 1); }

#else

#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { SPINS = 2000, STACK = 1 << 20, PAID_BACK = 25 }; /* a spin takes some 40 ns */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    int threads;   /* that were started */
    int is_busy;   /* whether a run has them */
    Rows *rows;    /* that more may join; or NULL */
    double *const *blocks;
    int joined, wanted; /* how many have joined in, and may */
    int active;         /* those that have not left */
    unsigned turn;      /* goes up with each run */
    double debt;        /* seconds that runs are to take without threads first */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .begun = PTHREAD_COND_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

int64_t claim(int64_t *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }

static void rest(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Wait for a run after that of a turn: spinning, then asleep. The lock is held afterwards. */
static void wait_for_turn(unsigned turn)
{
    for (int i = 0; i < SPINS && __atomic_load_n(&pool.turn, __ATOMIC_ACQUIRE) == turn; i++)
        rest();
    pthread_mutex_lock(&pool.lock);
    while (pool.turn == turn)
        pthread_cond_wait(&pool.begun, &pool.lock);
}

static void *serve(void *unused)
{
    for (unsigned turn = 0;;) {
        wait_for_turn(turn);
        turn = pool.turn;
        Rows *rows = pool.joined < pool.wanted ? pool.rows : NULL;
        double *v = rows == NULL ? NULL : pool.blocks[++pool.joined];
        __atomic_add_fetch(&pool.active, rows != NULL, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&pool.lock);
        if (rows == NULL)
            continue;
        run_chunks(rows, v, 0);
        pthread_mutex_lock(&pool.lock);
        if (__atomic_sub_fetch(&pool.active, 1, __ATOMIC_RELEASE) == 0)
            pthread_cond_signal(&pool.ended);
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

static void renew_in_child(void)
{
    memset(&pool, 0, sizeof pool);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.begun, NULL);
    pthread_cond_init(&pool.ended, NULL);
}

static void have_forks_renew(void) { pthread_atfork(NULL, NULL, renew_in_child); }

/* Start threads until there are so many, or no more can be; the lock is held. */
static void start_threads(int count)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_once(&once, have_forks_renew);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's own threads */
    for (pthread_t thread; pool.threads < count; pool.threads++)
        if (pthread_create(&thread, &attributes, serve, NULL) != 0)
            break;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

/* Offer a run to the threads; whether they are free. */
static int begin(Rows *rows, double *const *blocks, int helpers)
{
    pthread_mutex_lock(&pool.lock);
    int is_free = !pool.is_busy && pool.debt <= 0.0;
    if (is_free) {
        start_threads(helpers);
        pool.is_busy = 1;
        pool.rows = rows;
        pool.blocks = blocks;
        pool.joined = 0;
        pool.wanted = helpers;
        __atomic_store_n(&pool.turn, pool.turn + 1, __ATOMIC_RELEASE);
        pthread_cond_broadcast(&pool.begun);
    }
    pthread_mutex_unlock(&pool.lock);
    return is_free;
}

/* Wait until all that have joined in have left. False in the child of a fork meanwhile: they are not there. */
static int end(void)
{
    pthread_mutex_lock(&pool.lock);
    int was_busy = pool.is_busy;
    pool.rows = NULL;
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < SPINS && __atomic_load_n(&pool.active, __ATOMIC_ACQUIRE); i++)
        rest();
    pthread_mutex_lock(&pool.lock);
    while (pool.active)
        pthread_cond_wait(&pool.ended, &pool.lock);
    pool.is_busy = 0;
    pthread_mutex_unlock(&pool.lock);
    return was_busy;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Note what a run lost by its threads, or how long one took without. */
static void settle(double lost)
{
    pthread_mutex_lock(&pool.lock);
    pool.debt = lost > 0.0 ? PAID_BACK * (lost < 1.0 ? lost : 1.0) : pool.debt < -lost ? 0.0 : pool.debt + lost;
    pthread_mutex_unlock(&pool.lock);
}

void share_chunks(Rows *rows, double *const *blocks, int count)
{
    double begun = now();
    int is_shared = count > 1 && begin(rows, blocks, count - 1);
    int64_t mine = run_chunks(rows, blocks[0], 1);
    double alone = now() - begun;
    if (is_shared && !end()) {
        rows->next = 0;
        run_chunks(rows, blocks[0], 1);
    }
    if (is_shared && mine > 0)
        settle(now() - begun - alone * (double)(rows->chunks + rows->chunks / 8) / (double)mine); /* less may be chance */
    else if (count > 1)
        settle(-alone);
}

#endif
