/* A model comes over the line into the free slot, is tried, and can be read back. */
#include "rpc_internal.h"

#define CHUNK_BYTES 4096u /* one sector: an upload never holds up a request for longer than one erase */

static ef_status owned(const ef_rpc *rpc, uint8_t id) {
    if (id >= rpc->ids) {
        return EF_ERROR_NO_MODEL;
    }
    uint8_t uploading = rpc->board.slots->upload_id;
    if (uploading == EF_SLOT_NONE) {
        return EF_ERROR_STATE;
    }
    return uploading == id ? EF_OK : EF_ERROR_BUSY;
}

ef_status ef_rpc_upload_begin(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    ef_slots *slots = rpc->board.slots;
    uint32_t bytes = ef_get32(request->payload), crc32 = ef_get32(request->payload + 4);
    ef_status status = ef_slots_begin(slots, request->frame.model, bytes, crc32);
    if (status != EF_OK) {
        reply->detail = status == EF_ERROR_SPACE ? ef_slots_capacity(slots) : 0;
        return status;
    }
    uint32_t most = (rpc->max_payload - 4u) & ~3u;
    ef_put32(reply->payload, most < CHUNK_BYTES ? most : CHUNK_BYTES);
    ef_put32(reply->payload + 4, slots->upload_slot);
    reply->length = 8;
    return EF_OK;
}

ef_status ef_rpc_upload_data(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    ef_slots *slots = rpc->board.slots;
    uint32_t offset = ef_get32(request->payload);
    ef_status status = owned(rpc, request->frame.model);
    if (status == EF_OK) {
        status = ef_slots_write(slots, offset, request->payload + 4, request->frame.length - 4u);
        reply->detail = status == EF_ERROR_FLASH ? offset : slots->upload_next;
    }
    if (status == EF_OK) {
        ef_put32(reply->payload, slots->upload_next);
        reply->length = 4;
    }
    return status;
}

/* Whether it runs here: memory, and its own test vector; zeros where it has none. */
static ef_status try_out(ef_rpc *rpc, const ef_model *model, ef_self_test *test, ef_reply *reply,
                         uint32_t *compute_us) {
    const ef_rpc_memory *memory = &rpc->board.memory;
    *compute_us = 0;
    if (model->info.arena_bytes > memory->arena_bytes) {
        reply->detail = model->info.arena_bytes;
        return EF_ERROR_MEMORY;
    }
    uint64_t since = ef_rpc_now(rpc);
    ef_status status = ef_model_self_test(model, memory->arena, memory->arena_bytes, test);
    if (test->present) {
        *compute_us = ef_rpc_charge(rpc, model, model->info.steps, since);
        memcpy(&reply->detail, &test->error, 4);
    }
    return status;
}

ef_status ef_rpc_upload_end(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    ef_slots *slots = rpc->board.slots;
    ef_model model;
    ef_self_test test = {false, 0.0f, 0.0f};
    uint32_t compute_us;
    ef_status status = owned(rpc, request->frame.model);
    if (status != EF_OK) {
        return status;
    }
    status = ef_slots_finish(slots, &model);
    reply->detail = status == EF_ERROR_STATE ? slots->upload_next : 0;
    if (status == EF_OK) {
        status = try_out(rpc, &model, &test, reply, &compute_us);
    }
    if (status != EF_OK) {
        if (status != EF_ERROR_STATE) {
            ef_slots_abort(slots);
        }
        return status;
    }
    ef_put32(reply->payload, test.present);
    memcpy(reply->payload + 4, &test.error, 4);
    memcpy(reply->payload + 8, &test.tolerance, 4);
    ef_put32(reply->payload + 12, compute_us);
    reply->length = 16;
    return EF_OK;
}

ef_status ef_rpc_upload_abort(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    (void)reply;
    ef_status status = owned(rpc, request->frame.model);
    if (status == EF_OK) {
        ef_slots_abort(rpc->board.slots);
    }
    return status == EF_ERROR_STATE ? EF_OK : status;
}

static ef_status answer_record(ef_rpc *rpc, uint8_t id, ef_reply *reply) {
    const ef_slot_record *record = &rpc->board.slots->record[id];
    reply->payload[0] = record->active;
    reply->payload[1] = record->state;
    ef_put16(reply->payload + 2, 0);
    reply->length = 4;
    return EF_OK;
}

ef_status ef_rpc_activate(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    ef_slots *slots = rpc->board.slots;
    uint8_t id = request->frame.model;
    uint32_t within_ms = ef_get32(request->payload), compute_us;
    ef_model model;
    ef_self_test test = {false, 0.0f, 0.0f};
    ef_status status = owned(rpc, id);
    if (status == EF_OK) {
        status = slots->upload_complete ? ef_slots_model(slots, id, slots->upload_slot, &model) : EF_ERROR_STATE;
    }
    if (status == EF_OK) {
        status = try_out(rpc, &model, &test, reply, &compute_us);
    }
    if (status == EF_OK) {
        status = ef_slots_activate(slots, id, id == 0 ? rpc->file_crc32 : 0);
    }
    if (status != EF_OK) {
        return status;
    }
    rpc->statistics.swaps++;
    rpc->resident[id].confirm_by_us = ef_rpc_now(rpc) + 1000u * (uint64_t)within_ms;
    ef_rpc_switch(rpc, id);
    status = within_ms == 0 ? ef_slots_confirm(slots, id) : EF_OK;
    return status == EF_OK ? answer_record(rpc, id, reply) : status;
}

ef_status ef_rpc_confirm(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    uint8_t id = request->frame.model;
    if (id >= rpc->ids) {
        return EF_ERROR_NO_MODEL;
    }
    ef_status status = ef_slots_confirm(rpc->board.slots, id);
    return status == EF_OK ? answer_record(rpc, id, reply) : status;
}

ef_status ef_rpc_roll_back(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    uint8_t id = request->frame.model;
    if (id >= rpc->ids) {
        return EF_ERROR_NO_MODEL;
    }
    ef_status status = ef_slots_roll_back(rpc->board.slots, id);
    if (status != EF_OK) {
        return status;
    }
    rpc->statistics.roll_backs++;
    ef_rpc_switch(rpc, id);
    return answer_record(rpc, id, reply);
}

static ef_status read_slot(const ef_rpc *rpc, const ef_request *request, uint32_t offset, uint32_t *count,
                           uint8_t *to) {
    const ef_slots *slots = rpc->board.slots;
    if (slots == NULL || request->payload[0] > EF_SLOT_B) {
        return EF_ERROR_UNSUPPORTED;
    }
    uint32_t size = ef_slots_capacity(slots), left = offset < size ? size - offset : 0;
    const ef_flash *flash = slots->slot[request->payload[0]];
    *count = *count < left ? *count : left;
    if (*count == 0) {
        return EF_OK;
    }
    return flash->read(flash->context, request->frame.model * size + offset, to, *count);
}

ef_status ef_rpc_read(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    uint32_t offset = ef_get32(request->payload + 4), count = ef_get32(request->payload + 8);
    if (request->frame.model >= rpc->ids) {
        return EF_ERROR_NO_MODEL;
    }
    reply->detail = offset;
    count = count < rpc->max_payload ? count : rpc->max_payload;
    ef_status status = EF_OK;
    if (request->payload[0] == EF_SLOT_FILE) {
        size_t left = offset < rpc->board.file_bytes ? rpc->board.file_bytes - offset : 0;
        count = count < left ? count : (uint32_t)left;
        if (count > 0) {
            memcpy(reply->payload, rpc->board.file + offset, count);
        }
    } else {
        status = read_slot(rpc, request, offset, &count, reply->payload);
    }
    reply->length = count;
    return status;
}
