/* The reference protocol: META and INFR, answered as the original firmware answers them. */
#include "rpc_internal.h"

static void answer_info(ef_rpc *rpc) {
    uint8_t *at = rpc->board.memory.transmit;
    const ef_model_info *info = &rpc->resident[0].model.info;
    bool runs = ef_rpc_runnable(rpc, 0);
    memcpy(at, "INFO", 4);
    at = ef_put16(at + 4, runs ? info->steps : 0);
    at = ef_put16(at, runs ? info->features : 0);
    at = ef_put16(at, runs ? info->horizon : 0);
    ef_put16(at, runs ? info->hidden : 0);
    ef_rpc_write(rpc, 12);
}

static void answer_forecast(ef_rpc *rpc, uint32_t count) {
    memcpy(rpc->board.memory.transmit, "PRED", 4);
    ef_put32(rpc->board.memory.transmit + 4, count);
    ef_rpc_write(rpc, 8u + 4u * (size_t)count);
}

static void forecast(ef_rpc *rpc, const uint8_t *payload) {
    const ef_model *model = &rpc->resident[0].model;
    float *output = (float *)(void *)(rpc->board.memory.transmit + 8);
    uint32_t compute_us;
    ef_status status = ef_rpc_run(rpc, model, (const float *)(const void *)payload, output, &compute_us);
    rpc->statistics.errors += status != EF_OK;
    answer_forecast(rpc, status == EF_OK ? model->info.horizon : 0);
}

/* Values that the model takes; 0 where it cannot be asked this way. */
static uint32_t values_expected(const ef_rpc *rpc) {
    const ef_rpc_memory *memory = &rpc->board.memory;
    const ef_model_info *info = &rpc->resident[0].model.info;
    uint64_t values = ef_rpc_runnable(rpc, 0) ? (uint64_t)info->steps * info->features : 0;
    bool fits = 8u + 4u * values <= memory->receive_bytes && 8u + 4u * (size_t)info->horizon <= memory->transmit_bytes;
    return fits ? (uint32_t)values : 0;
}

static bool infer(ef_rpc *rpc, const uint8_t *message, size_t have, size_t *consumed) {
    if (have < 8u) {
        return false;
    }
    uint32_t count = ef_get32(message + 4), expected = values_expected(rpc);
    *consumed = 8u;
    if (count != expected || expected == 0) {
        rpc->statistics.errors++;
        answer_forecast(rpc, 0);
        return true;
    }
    *consumed += 4u * (size_t)count;
    if (have < *consumed) {
        return false;
    }
    forecast(rpc, message + 8);
    return true;
}

bool ef_rpc_reference(ef_rpc *rpc, const uint8_t *message, size_t have, size_t *consumed) {
    if (message[0] == 'M') {
        answer_info(rpc);
        *consumed = 4;
    } else if (!infer(rpc, message, have, consumed)) {
        return false;
    }
    rpc->statistics.requests++;
    rpc->statistics.reference_requests++;
    return true;
}
