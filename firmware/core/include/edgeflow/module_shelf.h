/*
 * Where modules stay over a restart: a flash partition with a record, written in turn into its first two sectors, and eight
 * equal shares, one for each slot. A share is a header of 16 bytes {magic, bytes, crc32 of the container, crc32 of these} and
 * the container; the header is written last. So whatever write the power is cut at, a share holds a whole container or none,
 * and a record is whole or the one before counts.
 *
 * The record has what is remembered of each slot, for the container of that CRC-32, and the gate's marks.
 */
#ifndef EDGEFLOW_MODULE_SHELF_H
#define EDGEFLOW_MODULE_SHELF_H

#include "edgeflow/flash.h"
#include "edgeflow/module_gate.h"

#define EF_MODULE_SLOTS 8u

typedef enum ef_shelf_state { EF_SHELF_RUNS = 0, EF_SHELF_STOPPED = 1, EF_SHELF_DISABLED = 2 } ef_shelf_state;

typedef struct ef_shelf_place {
    bool holds;
    uint32_t crc32; /* of the container */
    uint8_t state;  /* EF_SHELF_... */
    uint8_t tries;  /* starts of the node that did not last since it did last */
} ef_shelf_place;

typedef struct ef_module_shelf {
    const ef_flash *flash; /* NULL: nothing is kept */
    uint32_t share_bytes, sequence;
    uint8_t sector; /* of the record that counts */
    ef_shelf_place place[EF_MODULE_SLOTS];
} ef_module_shelf;

/* Read what is there, the marks into the gate. Never writes. EF_ERROR_SPACE: the partition is too small. EF_ERROR_FLASH. */
EF_MUST_CHECK ef_status ef_shelf_open(ef_module_shelf *shelf, const ef_flash *flash, ef_module_gate *gate);

/* The container of a slot within the mapped flash, or NULL. */
const uint8_t *ef_shelf_find(const ef_module_shelf *shelf, uint32_t slot, uint32_t *bytes);

/* Keep a container in a slot, and the marks as they are now. EF_ERROR_SPACE: it is larger than a share. */
EF_MUST_CHECK ef_status ef_shelf_put(ef_module_shelf *shelf, const ef_module_gate *gate, uint32_t slot, const uint8_t *image,
                                     uint32_t bytes);

/* Forget what a slot holds. */
EF_MUST_CHECK ef_status ef_shelf_drop(ef_module_shelf *shelf, uint32_t slot);

/* Write states, tries and marks. */
EF_MUST_CHECK ef_status ef_shelf_write(ef_module_shelf *shelf, const ef_module_gate *gate);

#endif
