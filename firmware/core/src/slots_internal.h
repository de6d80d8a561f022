/* What the files of the slots share. */
#ifndef EDGEFLOW_SLOTS_INTERNAL_H
#define EDGEFLOW_SLOTS_INTERNAL_H

#include "edgeflow/slots.h"

#define EF_RECORD_BYTES 32u

/* What the two sectors of an id hold. */
typedef enum ef_record_find { EF_RECORD_FOUND, EF_RECORD_BLANK, EF_RECORD_DAMAGED } ef_record_find;

/* Read the record that counts; `sector` is the one it lies in (1 when there is none, so that 0 is written first). */
EF_MUST_CHECK ef_status ef_record_read(const ef_slots *slots, uint8_t id, ef_slot_record *record, unsigned *sector,
                                       ef_record_find *found);

/* Write `record` with the next sequence into the other sector and read it back; the id's record becomes it then. */
EF_MUST_CHECK ef_status ef_record_write(ef_slots *slots, uint8_t id, const ef_slot_record *record);

uint32_t ef_slot_offset(const ef_slots *slots, uint8_t id);

/* A slot (A or B) whose model parses. */
bool ef_slot_usable(const ef_slots *slots, uint8_t id, uint8_t slot);

#endif
