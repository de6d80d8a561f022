/* What a board says of itself: HELLO, MODEL_INFO, STATISTICS, and ECHO. */
#include "rpc_internal.h"

enum {
    CAN_SLOTS = 1,
    CAN_STREAM = 2,
    CAN_INT8 = 4,
    CAN_SET_BAUD = 8,
    CAN_RESTART = 16,
    CAN_LAYERS = 32
};

static uint32_t capabilities(const ef_rpc *rpc) {
    const ef_port *port = rpc->board.port;
    uint32_t can = CAN_INT8 | CAN_LAYERS;
    can |= rpc->board.slots != NULL ? CAN_SLOTS : 0;
    can |= rpc->board.memory.window_bytes > 0 ? CAN_STREAM : 0;
    can |= port->set_baud != NULL ? CAN_SET_BAUD : 0;
    can |= port->restart != NULL ? CAN_RESTART : 0;
    return can;
}

static uint32_t free_memory(const ef_rpc *rpc) {
    const ef_port *port = rpc->board.port;
    int32_t bytes = port->free_memory != NULL ? port->free_memory(port->context) : -1;
    return bytes < 0 ? UINT32_MAX : (uint32_t)bytes;
}

static uint32_t at_most_32(uint64_t value) {
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t count) {
    memcpy(at, bytes, count);
    return at + count;
}

ef_status ef_rpc_hello(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    const ef_rpc_board *board = &rpc->board;
    uint8_t *at = reply->payload;
    (void)request;
    at = ef_put16(at, 1);
    at = ef_put16(at, board->window);
    at = ef_put32(at, board->window_bytes);
    at = ef_put32(at, rpc->max_payload);
    at = ef_put32(at, capabilities(rpc));
    at = put_bytes(at, board->identity->unique_id, 6);
    *at++ = rpc->ids;
    *at++ = 0;
    at = ef_put32(at, rpc->baud);
    at = ef_put32(at, board->slots != NULL ? ef_slots_capacity(board->slots) : 0);
    at = ef_put32(at, at_most_32(board->memory.arena_bytes));
    at = put_bytes(at, board->identity->chip, 16);
    at = put_bytes(at, board->identity->firmware, 24);
    at = ef_put32(at, (uint32_t)((ef_rpc_now(rpc) - rpc->started_us) / 1000u));
    at = ef_put32(at, free_memory(rpc));
    reply->length = (uint32_t)(at - reply->payload);
    return EF_OK;
}

static uint8_t *put_record(const ef_rpc *rpc, uint8_t id, uint8_t *at) {
    const ef_rpc_resident *resident = &rpc->resident[id];
    bool answers = resident->slot != EF_SLOT_NONE;
    uint8_t state = answers ? EF_RECORD_CONFIRMED : EF_RECORD_EMPTY, previous = EF_SLOT_NONE;
    if (rpc->board.slots != NULL) {
        state = rpc->board.slots->record[id].state;
        previous = rpc->board.slots->record[id].previous;
    }
    *at++ = resident->slot;
    *at++ = state;
    *at++ = previous;
    *at++ = answers ? resident->model.info.kind : 0;
    return at;
}

static uint32_t trial_left_ms(const ef_rpc *rpc, uint8_t id) {
    if (rpc->board.slots == NULL || rpc->board.slots->record[id].state != EF_RECORD_TRIAL) {
        return 0;
    }
    uint64_t now = ef_rpc_now(rpc), until = rpc->resident[id].confirm_by_us;
    return until > now ? at_most_32((until - now + 999u) / 1000u) : 0;
}

static uint8_t *put_model(const ef_model_info *info, uint32_t sequence, uint8_t *at) {
    at = ef_put16(at, info->steps);
    at = ef_put16(at, info->features);
    at = ef_put16(at, info->horizon);
    at = ef_put16(at, info->hidden);
    *at++ = info->dtype;
    *at++ = info->reference;
    at = ef_put16(at, 0);
    at = ef_put32(at, info->version);
    at = ef_put32(at, info->parameters);
    at = ef_put32(at, info->file_bytes);
    at = ef_put32(at, info->crc32);
    at = ef_put32(at, sequence);
    at = ef_put32(at, at_most_32(info->multiply_adds));
    at = ef_put32(at, at_most_32(info->activations));
    at = ef_put32(at, info->arena_bytes);
    at = put_bytes(at, info->name, EF_MODEL_NAME_BYTES);
    return put_bytes(at, info->sha256, EF_SHA256_BYTES);
}

ef_status ef_rpc_model_info(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    static const ef_model_info nothing;
    uint8_t id = request->frame.model;
    if (id >= rpc->ids) {
        return EF_ERROR_NO_MODEL;
    }
    bool answers = rpc->resident[id].slot != EF_SLOT_NONE;
    uint32_t sequence = rpc->board.slots != NULL ? rpc->board.slots->record[id].sequence : 0;
    uint8_t *at = put_record(rpc, id, reply->payload);
    at = put_model(answers ? &rpc->resident[id].model.info : &nothing, sequence, at);
    at = ef_put32(at, trial_left_ms(rpc, id));
    at = ef_put32(at, 0);
    reply->length = (uint32_t)(at - reply->payload);
    return EF_OK;
}

ef_status ef_rpc_statistics_of(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    const ef_rpc_statistics *now = ef_rpc_get_statistics(rpc);
    const uint32_t counters[] = {
        now->requests, now->reference_requests, now->inferences, now->errors,     now->crc_errors,
        now->skipped_bytes, now->timeouts,      now->swaps,      now->roll_backs, now->busiest_us,
    };
    uint8_t *at = reply->payload;
    (void)request;
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        at = ef_put32(at, counters[i]);
    }
    at = ef_put64(at, now->compute_us);
    at = ef_put64(at, now->uptime_us);
    reply->length = (uint32_t)(at - reply->payload);
    return EF_OK;
}

ef_status ef_rpc_echo(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    (void)rpc;
    memcpy(reply->payload, request->payload, request->frame.length);
    reply->length = request->frame.length;
    return EF_OK;
}
