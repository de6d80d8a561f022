/* The switch: to a finished upload, for good, and back. */
#include "slots_internal.h"

ef_status ef_slots_activate(ef_slots *slots, uint8_t id, uint32_t file_crc32) {
    if (id >= slots->count || slots->upload_id != id || !slots->upload_complete) {
        return EF_ERROR_STATE;
    }
    const ef_slot_record *record = &slots->record[id];
    bool trial = record->state == EF_RECORD_TRIAL;
    ef_slot_record next = {
        .state = EF_RECORD_TRIAL,
        .active = slots->upload_slot,
        .previous = trial ? record->previous : record->active,
        .file_crc32 = file_crc32,
    };
    ef_status status = ef_record_write(slots, id, &next);
    if (status == EF_OK) {
        ef_slots_abort(slots);
    }
    return status;
}

ef_status ef_slots_confirm(ef_slots *slots, uint8_t id) {
    if (id >= slots->count || slots->record[id].state != EF_RECORD_TRIAL) {
        return EF_ERROR_STATE;
    }
    ef_slot_record next = slots->record[id];
    next.state = EF_RECORD_CONFIRMED;
    return ef_record_write(slots, id, &next);
}

ef_status ef_slots_roll_back(ef_slots *slots, uint8_t id) {
    if (id >= slots->count) {
        return EF_ERROR_NO_MODEL;
    }
    ef_slot_record next = slots->record[id];
    uint8_t to = next.previous;
    bool nothing = to == EF_SLOT_NONE;
    if (nothing ? next.state != EF_RECORD_TRIAL : to <= EF_SLOT_B && !ef_slot_usable(slots, id, to)) {
        return EF_ERROR_STATE;
    }
    next.previous = next.active;
    next.active = to;
    next.state = nothing ? EF_RECORD_EMPTY : EF_RECORD_CONFIRMED;
    if (slots->upload_id == id && slots->upload_slot == to) {
        ef_slots_abort(slots); /* begun, and nothing written yet: from now on that slot answers */
    }
    return ef_record_write(slots, id, &next);
}
