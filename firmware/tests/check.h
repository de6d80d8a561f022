/* The smallest test harness that says where and what: CHECK goes on after a failure, finish() sums up. */
#ifndef EDGEFLOW_CHECK_H
#define EDGEFLOW_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static _Atomic unsigned long checks_done, checks_failed; /* some tests have threads */

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

/* Both integers are shown when they differ. */
#define CHECK_EQUAL(found, wanted) check_equal((long long)(found), (long long)(wanted), #found, __FILE__, __LINE__)

static inline bool check_that(bool holds, const char *what, const char *file, int line) {
    checks_done++;
    if (!holds && ++checks_failed <= 20) {
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
    }
    return holds;
}

static inline bool check_equal(long long found, long long wanted, const char *what, const char *file, int line) {
    checks_done++;
    if (found != wanted && ++checks_failed <= 20) {
        fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, what, found, wanted);
    }
    return found == wanted;
}

/* The exit status of main. */
static inline int finish(const char *name) {
    printf("%s: %lu checks, %lu failed\n", name, checks_done, checks_failed);
    return checks_failed == 0 && checks_done > 0 ? 0 : 1;
}

static inline bool is_exhaustive(int count, char **arguments) {
    return count > 1 && strcmp(arguments[1], "exhaustive") == 0;
}

/* Where the machine is emulated and chance has had its say elsewhere. */
static inline bool is_brief(int count, char **arguments) {
    return count > 1 && strcmp(arguments[1], "brief") == 0;
}

static inline uint32_t rounds_of(int count, char **arguments, uint32_t brief, uint32_t usual, uint32_t exhaustive) {
    return is_brief(count, arguments) ? brief : is_exhaustive(count, arguments) ? exhaustive : usual;
}

/* xorshift32: the same numbers everywhere. */
static inline uint32_t next_random(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
