/* The models that answer: chosen at start, switched by ACTIVATE and ROLL_BACK, run one at a time. */
#include "rpc_internal.h"

static void place(ef_rpc *rpc, uint8_t id, uint8_t slot) {
    ef_rpc_resident *resident = &rpc->resident[id];
    resident->slot = slot;
    resident->status = EF_OK;
    if (slot == EF_SLOT_NONE) {
        resident->status = EF_ERROR_NO_MODEL;
    } else if (slot == EF_SLOT_FILE) {
        resident->model = rpc->file;
    } else {
        resident->status = ef_slots_model(rpc->board.slots, id, slot, &resident->model);
    }
    if (resident->status != EF_OK) {
        memset(&resident->model, 0, sizeof resident->model);
        resident->slot = EF_SLOT_NONE;
    }
}

void ef_rpc_choose_models(ef_rpc *rpc) {
    const ef_rpc_board *board = &rpc->board;
    ef_status read = EF_ERROR_NO_MODEL;
    if (board->file != NULL && board->file_bytes > 0) {
        read = ef_model_parse(board->file, board->file_bytes, &rpc->file);
        rpc->has_file = read == EF_OK;
        rpc->file_crc32 = rpc->has_file ? ef_crc32(0, board->file, board->file_bytes) : 0;
    }
    for (uint8_t id = 0; id < rpc->ids; id++) {
        uint8_t slot = id == 0 && rpc->has_file ? EF_SLOT_FILE : EF_SLOT_NONE;
        if (board->slots != NULL &&
            ef_slots_start(board->slots, id, rpc->has_file ? &rpc->file : NULL, rpc->file_crc32, &slot) != EF_OK) {
            slot = EF_SLOT_NONE;
        }
        place(rpc, id, slot);
    }
    if (rpc->resident[0].slot == EF_SLOT_NONE) {
        rpc->resident[0].status = read; /* says what is wrong with the file, when there is one */
    }
}

bool ef_rpc_runnable(const ef_rpc *rpc, uint8_t id) {
    const ef_rpc_resident *resident = &rpc->resident[id];
    return resident->slot != EF_SLOT_NONE && resident->model.info.arena_bytes <= rpc->board.memory.arena_bytes;
}

uint8_t ef_rpc_answering(const ef_rpc *rpc) {
    uint8_t count = 0;
    for (uint8_t id = 0; id < rpc->ids; id++) {
        count = (uint8_t)(count + ef_rpc_runnable(rpc, id));
    }
    return count;
}

ef_status ef_rpc_model(ef_rpc *rpc, uint8_t id, ef_reply *reply, const ef_model **model) {
    if (id >= rpc->ids) {
        return EF_ERROR_NO_MODEL;
    }
    const ef_rpc_resident *resident = &rpc->resident[id];
    if (resident->slot == EF_SLOT_NONE) {
        return resident->status;
    }
    *model = &resident->model;
    if (!ef_rpc_runnable(rpc, id)) {
        reply->detail = resident->model.info.arena_bytes;
        return EF_ERROR_MEMORY;
    }
    return EF_OK;
}

/* The record of `id` names another slot now. */
void ef_rpc_switch(ef_rpc *rpc, uint8_t id) {
    rpc->stream[id] = (ef_rpc_stream){0};
    place(rpc, id, rpc->board.slots->record[id].active);
}

uint32_t ef_rpc_charge(ef_rpc *rpc, const ef_model *model, uint32_t steps, uint64_t since_us) {
    const ef_port *port = rpc->board.port;
    ef_rpc_statistics *statistics = &rpc->statistics;
    if (port->computed != NULL) {
        port->computed(port->context, &model->info, steps);
    }
    uint64_t took = ef_rpc_now(rpc) - since_us;
    uint32_t compute_us = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    statistics->inferences++;
    statistics->compute_us += took;
    statistics->busiest_us = compute_us > statistics->busiest_us ? compute_us : statistics->busiest_us;
    return compute_us;
}

ef_status ef_rpc_run(ef_rpc *rpc, const ef_model *model, const float *input, float *output, uint32_t *compute_us) {
    const ef_rpc_memory *memory = &rpc->board.memory;
    uint64_t since = ef_rpc_now(rpc);
    ef_status status = ef_model_run(model, input, output, memory->arena, memory->arena_bytes);
    *compute_us = status == EF_OK ? ef_rpc_charge(rpc, model, model->info.steps, since) : 0;
    return status;
}

bool ef_rpc_end_trials(ef_rpc *rpc) {
    ef_slots *slots = rpc->board.slots;
    bool ended = false;
    for (uint8_t id = 0; slots != NULL && id < rpc->ids; id++) {
        ef_rpc_resident *resident = &rpc->resident[id];
        if (slots->record[id].state != EF_RECORD_TRIAL || ef_rpc_now(rpc) < resident->confirm_by_us) {
            continue;
        }
        ended = true;
        ef_status status = ef_slots_roll_back(slots, id);
        if (status == EF_OK) {
            rpc->statistics.roll_backs++;
            ef_rpc_switch(rpc, id);
        } else if (status == EF_ERROR_STATE) {
            status = ef_slots_confirm(slots, id); /* what was there before broke meanwhile */
        }
        if (status != EF_OK) {
            resident->confirm_by_us = ef_rpc_now(rpc) + 1000000u; /* the flash fails: once more in a second */
        }
    }
    return ended;
}
