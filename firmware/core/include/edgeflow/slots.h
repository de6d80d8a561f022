/*
 * Where models live in flash, and which one runs: per model id two slots (A, B) and a switch record.
 *
 * The record lies twice, in two sectors that are written in turn ({sequence, ..., crc32}; the valid one with the higher
 * sequence counts). Writing a model touches the slot that is not in use. So whatever write the power is cut at, the
 * record read at the next start names a slot whose bytes are whole.
 *
 *      write into the other slot -> verify -> activate (TRIAL) -> confirm (CONFIRMED)
 *                                                            \-> roll back, or restart: the slot before
 *
 * Partitions: `control` has 2 sectors per id, `slot[0]` and `slot[1]` each have `count` equal shares of whole sectors.
 */
#ifndef EDGEFLOW_SLOTS_H
#define EDGEFLOW_SLOTS_H

#include "edgeflow/flash.h"
#include "edgeflow/model.h"

#define EF_MAX_MODELS 8u

enum { EF_SLOT_A = 0, EF_SLOT_B = 1, EF_SLOT_FILE = 2 /* the reference file from SPIFFS */, EF_SLOT_NONE = 255 };
enum { EF_RECORD_EMPTY = 0, EF_RECORD_TRIAL = 1, EF_RECORD_CONFIRMED = 2 };

typedef struct ef_slot_record {
    uint32_t sequence;
    uint8_t state;    /* EF_RECORD_... */
    uint8_t active;   /* EF_SLOT_... that answers */
    uint8_t previous; /* EF_SLOT_... to go back to */
    uint32_t file_crc32; /* of the reference file that was there when the record was written; 0 for none */
} ef_slot_record;

typedef struct ef_slots {
    const ef_flash *control;
    const ef_flash *slot[2];
    uint8_t count; /* model ids, 1..EF_MAX_MODELS */
    ef_slot_record record[EF_MAX_MODELS];
    /* of an upload under way */
    uint8_t upload_id; /* EF_SLOT_NONE while there is none */
    uint8_t upload_slot;
    uint32_t upload_bytes;
    uint32_t upload_crc32;
    uint32_t upload_next; /* offset expected next */
    bool upload_complete; /* verified and ready to be activated */
} ef_slots;

/* Read the records. Never writes. EF_ERROR_FLASH or EF_ERROR_SPACE when the partitions cannot hold `count` ids. */
EF_MUST_CHECK ef_status ef_slots_open(ef_slots *slots, const ef_flash *control, const ef_flash *slot_a,
                                      const ef_flash *slot_b, uint8_t count);

/*
 * At start: settle what an interruption left, and say which slot answers. A TRIAL that was never confirmed goes back to
 * the slot before; a reference file that is newer than the record (other CRC) wins for id 0; a slot whose model does not
 * parse is passed over for the other one. `file` is the parsed reference file or NULL, `file_crc32` that of its bytes.
 * Returns EF_ERROR_NO_MODEL when nothing works; `*active` is then EF_SLOT_NONE.
 */
EF_MUST_CHECK ef_status ef_slots_start(ef_slots *slots, uint8_t id, const ef_model *file, uint32_t file_crc32,
                                       uint8_t *active);

/* Bytes that a model of one id may have. */
uint32_t ef_slots_capacity(const ef_slots *slots);

/* Map the model in a slot and parse it. */
EF_MUST_CHECK ef_status ef_slots_model(const ef_slots *slots, uint8_t id, uint8_t slot, ef_model *model);

/* Begin an upload into the slot of `id` that is not in use. Any upload before it is forgotten. Erases nothing yet. */
EF_MUST_CHECK ef_status ef_slots_begin(ef_slots *slots, uint8_t id, uint32_t bytes, uint32_t crc32);

/*
 * Write the next bytes; erases a sector when it is reached, and writes a record first where none names what answers.
 * `offset` must be upload_next (EF_ERROR_STATE otherwise).
 */
EF_MUST_CHECK ef_status ef_slots_write(ef_slots *slots, uint32_t offset, const uint8_t *bytes, uint32_t count);

/* All bytes are there: check the whole against its CRC-32 and parse it. */
EF_MUST_CHECK ef_status ef_slots_finish(ef_slots *slots, ef_model *model);

/* Forget an upload. */
void ef_slots_abort(ef_slots *slots);

/* Switch to the finished upload: the record says TRIAL. */
EF_MUST_CHECK ef_status ef_slots_activate(ef_slots *slots, uint8_t id, uint32_t file_crc32);

/* The record says CONFIRMED. */
EF_MUST_CHECK ef_status ef_slots_confirm(ef_slots *slots, uint8_t id);

/*
 * Back to the slot before, as CONFIRMED; the slot left stays as the one to go back to (two calls are none). An upload that
 * was begun into the slot before is forgotten.
 */
EF_MUST_CHECK ef_status ef_slots_roll_back(ef_slots *slots, uint8_t id);

#endif
