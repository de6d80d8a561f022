/* A model file on its way into the slot that is not in use. */
#include <string.h>

#include "edgeflow/checksum.h"
#include "slots_internal.h"

static bool in_use(const ef_slot_record *record, uint8_t slot) {
    return record->active == slot || (record->state == EF_RECORD_TRIAL && record->previous == slot);
}

/* The slot to write: a free one, rather the one that no roll back leads to. */
static uint8_t target(const ef_slot_record *record) {
    uint8_t choice = EF_SLOT_NONE;
    for (uint8_t slot = EF_SLOT_A; slot <= EF_SLOT_B; slot++) {
        if (!in_use(record, slot) && (choice == EF_SLOT_NONE || record->previous == choice)) {
            choice = slot;
        }
    }
    return choice;
}

ef_status ef_slots_begin(ef_slots *slots, uint8_t id, uint32_t bytes, uint32_t crc32) {
    ef_slots_abort(slots);
    if (id >= slots->count) {
        return EF_ERROR_NO_MODEL;
    }
    if (bytes == 0 || bytes > ef_slots_capacity(slots)) {
        return EF_ERROR_SPACE;
    }
    uint8_t slot = target(&slots->record[id]);
    if (slot == EF_SLOT_NONE) {
        return EF_ERROR_STATE;
    }
    slots->upload_id = id;
    slots->upload_slot = slot;
    slots->upload_bytes = bytes;
    slots->upload_crc32 = crc32;
    slots->upload_next = 0;
    slots->upload_complete = false;
    return EF_OK;
}

/*
 * Where a start passed over what the record in flash names, the next one would look through the slots again and find
 * this upload, never activated: before its first byte the record names what answers.
 */
static ef_status settle_record(ef_slots *slots, uint8_t id) {
    ef_slot_record kept, next = slots->record[id];
    ef_record_find found;
    unsigned sector;
    if (ef_record_read(slots, id, &kept, &sector, &found) != EF_OK) {
        return EF_ERROR_FLASH;
    }
    if (found == EF_RECORD_BLANK || (found == EF_RECORD_FOUND && kept.active == next.active)) {
        return EF_OK;
    }
    if (kept.active == EF_SLOT_FILE) {
        next.file_crc32 = 0; /* the file is gone; should it come back, it is a new one */
    }
    return ef_record_write(slots, id, &next);
}

/* Whole words of one sector, erased first when they start it. */
static ef_status program_piece(const ef_flash *flash, uint32_t offset, const uint8_t *bytes, uint32_t count) {
    if (offset % flash->sector_size == 0 && flash->erase(flash->context, offset) != EF_OK) {
        return EF_ERROR_FLASH;
    }
    uint32_t words = count & ~3u;
    if (words > 0 && flash->program(flash->context, offset, bytes, words) != EF_OK) {
        return EF_ERROR_FLASH;
    }
    if (count > words) {
        uint8_t last[4] = {0xFFu, 0xFFu, 0xFFu, 0xFFu};
        memcpy(last, bytes + words, count - words);
        return flash->program(flash->context, offset + words, last, 4);
    }
    return EF_OK;
}

ef_status ef_slots_write(ef_slots *slots, uint32_t offset, const uint8_t *bytes, uint32_t count) {
    if (slots->upload_id == EF_SLOT_NONE || offset != slots->upload_next || slots->upload_complete) {
        return EF_ERROR_STATE;
    }
    uint32_t left = slots->upload_bytes - offset;
    if (count > left || (count % 4u != 0 && count != left)) {
        return EF_ERROR_LENGTH;
    }
    const ef_flash *flash = slots->slot[slots->upload_slot];
    ef_slot_record *record = &slots->record[slots->upload_id];
    if (record->previous == slots->upload_slot) {
        record->previous = EF_SLOT_NONE; /* in memory only: what is overwritten is nothing to go back to */
    }
    if (offset == 0 && settle_record(slots, slots->upload_id) != EF_OK) {
        return EF_ERROR_FLASH;
    }
    uint32_t base = ef_slot_offset(slots, slots->upload_id), done = 0;
    while (done < count) {
        uint32_t at = offset + done, room = flash->sector_size - at % flash->sector_size;
        uint32_t piece = count - done < room ? count - done : room;
        if (program_piece(flash, base + at, bytes + done, piece) != EF_OK) {
            return EF_ERROR_FLASH;
        }
        done += piece;
    }
    slots->upload_next += count;
    return EF_OK;
}

static ef_status check_bytes(const ef_slots *slots) {
    const ef_flash *flash = slots->slot[slots->upload_slot];
    uint32_t base = ef_slot_offset(slots, slots->upload_id), crc = 0, piece;
    for (uint32_t done = 0; done < slots->upload_bytes; done += piece) {
        uint8_t bytes[128];
        piece = slots->upload_bytes - done < sizeof bytes ? slots->upload_bytes - done : (uint32_t)sizeof bytes;
        if (flash->read(flash->context, base + done, bytes, piece) != EF_OK) {
            return EF_ERROR_FLASH;
        }
        crc = ef_crc32(crc, bytes, piece);
    }
    return crc == slots->upload_crc32 ? EF_OK : EF_ERROR_CRC;
}

ef_status ef_slots_finish(ef_slots *slots, ef_model *model) {
    if (slots->upload_id == EF_SLOT_NONE || slots->upload_next != slots->upload_bytes) {
        return EF_ERROR_STATE;
    }
    slots->upload_complete = false;
    ef_status status = check_bytes(slots);
    if (status == EF_OK) {
        status = ef_slots_model(slots, slots->upload_id, slots->upload_slot, model);
    }
    if (status == EF_OK && model->info.file_bytes > slots->upload_bytes) {
        status = EF_ERROR_LENGTH; /* it parses thanks to bytes that an older upload left behind it */
    }
    slots->upload_complete = status == EF_OK;
    return status;
}

void ef_slots_abort(ef_slots *slots) {
    slots->upload_id = EF_SLOT_NONE;
    slots->upload_complete = false;
}
