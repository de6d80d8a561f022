/* Which slot answers: reading the partitions, and settling at start what an interruption left. */
#include "edgeflow/slots.h"

#include <string.h>

#include "slots_internal.h"

uint32_t ef_slots_capacity(const ef_slots *slots) {
    uint32_t least = slots->slot[0]->size < slots->slot[1]->size ? slots->slot[0]->size : slots->slot[1]->size;
    uint32_t sector = slots->slot[0]->sector_size;
    return least / slots->count / sector * sector;
}

uint32_t ef_slot_offset(const ef_slots *slots, uint8_t id) {
    return id * ef_slots_capacity(slots);
}

static bool whole_sectors(const ef_flash *flash) {
    return flash->sector_size >= EF_RECORD_BYTES && flash->sector_size % 4u == 0 &&
           flash->size % flash->sector_size == 0;
}

static ef_status check_partitions(const ef_slots *slots) {
    if (slots->count == 0 || slots->count > EF_MAX_MODELS) {
        return EF_ERROR_SPACE;
    }
    if (!whole_sectors(slots->control) || !whole_sectors(slots->slot[0]) || !whole_sectors(slots->slot[1]) ||
        slots->slot[0]->sector_size != slots->slot[1]->sector_size) {
        return EF_ERROR_FLASH;
    }
    bool fits = slots->control->size / slots->control->sector_size >= 2u * slots->count;
    return fits && ef_slots_capacity(slots) > 0 ? EF_OK : EF_ERROR_SPACE;
}

ef_status ef_slots_open(ef_slots *slots, const ef_flash *control, const ef_flash *slot_a, const ef_flash *slot_b,
                        uint8_t count) {
    memset(slots, 0, sizeof *slots);
    slots->control = control;
    slots->slot[0] = slot_a;
    slots->slot[1] = slot_b;
    slots->count = count;
    slots->upload_id = EF_SLOT_NONE;
    ef_status status = check_partitions(slots);
    for (uint8_t id = 0; status == EF_OK && id < count; id++) {
        ef_record_find found;
        unsigned sector;
        status = ef_record_read(slots, id, &slots->record[id], &sector, &found);
    }
    return status;
}

ef_status ef_slots_model(const ef_slots *slots, uint8_t id, uint8_t slot, ef_model *model) {
    if (id >= slots->count || slot > EF_SLOT_B) {
        return EF_ERROR_NO_MODEL;
    }
    const ef_flash *flash = slots->slot[slot];
    const uint8_t *bytes = flash->map(flash->context);
    if (bytes == NULL) {
        return EF_ERROR_FLASH;
    }
    return ef_model_parse(bytes + ef_slot_offset(slots, id), ef_slots_capacity(slots), model);
}

bool ef_slot_usable(const ef_slots *slots, uint8_t id, uint8_t slot) {
    ef_model model;
    return ef_slots_model(slots, id, slot, &model) == EF_OK;
}

/* What the record asks for, before anybody looked whether it works. False: it stays as it is. */
static bool settle(ef_slot_record *record, bool has_file, uint32_t file_crc32) {
    bool trial = record->state == EF_RECORD_TRIAL;
    if (has_file && record->file_crc32 != file_crc32) {
        uint8_t before = trial && record->previous != EF_SLOT_FILE ? record->previous : record->active;
        record->previous = before == EF_SLOT_FILE ? EF_SLOT_NONE : before;
        record->active = EF_SLOT_FILE;
        record->file_crc32 = file_crc32;
    } else if (trial) {
        uint8_t tried = record->active;
        record->active = record->previous;
        record->previous = tried;
    } else {
        return false;
    }
    record->state = record->active == EF_SLOT_NONE ? EF_RECORD_EMPTY : EF_RECORD_CONFIRMED;
    return true;
}

static bool works(const ef_slots *slots, uint8_t id, uint8_t slot, bool has_file) {
    return slot == EF_SLOT_FILE ? has_file : ef_slot_usable(slots, id, slot);
}

/* The record in memory gets a slot that works, whatever it asked for. */
static void pass_over(ef_slots *slots, uint8_t id, bool has_file) {
    ef_slot_record *record = &slots->record[id];
    const uint8_t order[] = {record->active, record->previous, EF_SLOT_FILE, EF_SLOT_A, EF_SLOT_B};
    uint8_t active = EF_SLOT_NONE;
    for (unsigned i = 0; i < sizeof order && active == EF_SLOT_NONE; i++) {
        if (works(slots, id, order[i], has_file)) {
            active = order[i];
        }
    }
    if (record->previous == active || !works(slots, id, record->previous, has_file)) {
        record->previous = EF_SLOT_NONE;
    }
    record->active = active;
    record->state = active == EF_SLOT_NONE ? EF_RECORD_EMPTY : EF_RECORD_CONFIRMED;
}

/* Nothing was ever switched here, or a trial without anything before it ended: no slot answers, on purpose. */
static bool rests(const ef_slot_record *record, ef_record_find found) {
    return record->active == EF_SLOT_NONE && found != EF_RECORD_DAMAGED;
}

ef_status ef_slots_start(ef_slots *slots, uint8_t id, const ef_model *file, uint32_t file_crc32, uint8_t *active) {
    *active = EF_SLOT_NONE;
    if (id >= slots->count) {
        return EF_ERROR_NO_MODEL;
    }
    ef_slot_record *record = &slots->record[id];
    ef_record_find found;
    unsigned sector;
    bool has_file = id == 0 && file != NULL;
    if (ef_record_read(slots, id, record, &sector, &found) != EF_OK) {
        found = EF_RECORD_DAMAGED;
    }
    if (settle(record, has_file, file_crc32) && found == EF_RECORD_FOUND) {
        /* When it cannot be written, the next start settles the same again. */
        ef_status written = ef_record_write(slots, id, record);
        (void)written;
    }
    if (!rests(record, found)) {
        pass_over(slots, id, has_file);
    } else if (record->previous == EF_SLOT_FILE && !has_file) {
        record->previous = EF_SLOT_NONE;
    }
    *active = record->active;
    return *active == EF_SLOT_NONE ? EF_ERROR_NO_MODEL : EF_OK;
}
