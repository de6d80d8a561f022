/*
 * NOR flash in memory that the caller owns (a file mapped by Python, an array of a test): programming only clears bits,
 * erasing sets a sector to 0xFF, every erase is counted, and the power can be cut at a given operation.
 */
#ifndef EDGEFLOW_HOST_FLASH_H
#define EDGEFLOW_HOST_FLASH_H

#include <stdbool.h>

#include "edgeflow/flash.h"

/* How the operation that the cut hits leaves the flash. */
enum {
    EF_CUT_BEFORE = 0, /* untouched */
    EF_CUT_HALF = 1,   /* a word with some of its bits cleared; a sector with some of its bytes erased */
    EF_CUT_GARBAGE = 2 /* a word with other bits cleared as well; a sector of noise */
};

/* The supply that several flashes share. */
typedef struct ef_host_power {
    int64_t left;   /* programmed words and erases until the cut; below zero: never */
    uint8_t manner; /* EF_CUT_... */
    bool lost;      /* since the cut every operation fails */
    uint32_t noise; /* state of the generator behind half-done operations; not 0 */
    uint64_t words;  /* programmed so far */
    uint64_t erases; /* of all flashes on this supply */
} ef_host_power;

typedef struct ef_host_flash {
    ef_flash flash; /* what the core gets */
    uint8_t *bytes;
    uint32_t *wear; /* erases by sector; NULL where nobody counts */
    ef_host_power *power;
} ef_host_flash;

/* `bytes` is 4-byte aligned. The flash must not move afterwards: its own address is the context. */
void ef_host_flash_open(ef_host_flash *host, uint8_t *bytes, uint32_t size, uint32_t sector_size, uint32_t *wear,
                        ef_host_power *power);

#endif
