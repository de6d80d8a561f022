/* The switch record: 32 bytes at the start of one of two sectors, the one that does not hold the current one. */
#include <string.h>

#include "edgeflow/checksum.h"
#include "little_endian.h"
#include "slots_internal.h"

#define RECORD_MAGIC 0x52534645u /* "EFSR" */

static uint32_t sector_offset(const ef_slots *slots, uint8_t id, unsigned sector) {
    return (2u * id + sector) * slots->control->sector_size;
}

static void encode(uint8_t id, const ef_slot_record *record, uint8_t bytes[EF_RECORD_BYTES]) {
    memset(bytes, 0, EF_RECORD_BYTES);
    ef_put32(bytes, RECORD_MAGIC);
    ef_put32(bytes + 4, record->sequence);
    bytes[8] = id;
    bytes[9] = record->state;
    bytes[10] = record->active;
    bytes[11] = record->previous;
    ef_put32(bytes + 12, record->file_crc32);
    ef_put32(bytes + 28, ef_crc32(0, bytes, 28));
}

static bool known_slot(uint8_t slot) {
    return slot <= EF_SLOT_FILE || slot == EF_SLOT_NONE;
}

static bool decode(uint8_t id, const uint8_t bytes[EF_RECORD_BYTES], ef_slot_record *record) {
    if (ef_get32(bytes) != RECORD_MAGIC || ef_get32(bytes + 28) != ef_crc32(0, bytes, 28) || bytes[8] != id) {
        return false;
    }
    record->sequence = ef_get32(bytes + 4);
    record->state = bytes[9];
    record->active = bytes[10];
    record->previous = bytes[11];
    record->file_crc32 = ef_get32(bytes + 12);
    return record->state <= EF_RECORD_CONFIRMED && known_slot(record->active) && known_slot(record->previous);
}

static bool blank(const uint8_t bytes[EF_RECORD_BYTES]) {
    for (unsigned i = 0; i < EF_RECORD_BYTES; i++) {
        if (bytes[i] != 0xFFu) {
            return false;
        }
    }
    return true;
}

ef_status ef_record_read(const ef_slots *slots, uint8_t id, ef_slot_record *record, unsigned *sector,
                         ef_record_find *found) {
    bool any = false, all_blank = true;
    *record = (ef_slot_record){.active = EF_SLOT_NONE, .previous = EF_SLOT_NONE};
    *sector = 1;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t bytes[EF_RECORD_BYTES];
        ef_slot_record read;
        const ef_flash *flash = slots->control;
        if (flash->read(flash->context, sector_offset(slots, id, i), bytes, EF_RECORD_BYTES) != EF_OK) {
            return EF_ERROR_FLASH;
        }
        all_blank = all_blank && blank(bytes);
        if (decode(id, bytes, &read) && (!any || (int32_t)(read.sequence - record->sequence) > 0)) {
            *record = read;
            *sector = i;
            any = true;
        }
    }
    *found = any ? EF_RECORD_FOUND : all_blank ? EF_RECORD_BLANK : EF_RECORD_DAMAGED;
    return EF_OK;
}

ef_status ef_record_write(ef_slots *slots, uint8_t id, const ef_slot_record *record) {
    const ef_flash *flash = slots->control;
    ef_slot_record current, next = *record;
    ef_record_find found;
    unsigned sector;
    if (ef_record_read(slots, id, &current, &sector, &found) != EF_OK) {
        return EF_ERROR_FLASH;
    }
    uint8_t bytes[EF_RECORD_BYTES], back[EF_RECORD_BYTES];
    uint32_t offset = sector_offset(slots, id, 1u - sector);
    next.sequence = current.sequence + 1u;
    encode(id, &next, bytes);
    if (flash->erase(flash->context, offset) != EF_OK ||
        flash->program(flash->context, offset, bytes, EF_RECORD_BYTES) != EF_OK ||
        flash->read(flash->context, offset, back, EF_RECORD_BYTES) != EF_OK ||
        memcmp(bytes, back, EF_RECORD_BYTES) != 0) {
        return EF_ERROR_FLASH;
    }
    slots->record[id] = next;
    return EF_OK;
}
