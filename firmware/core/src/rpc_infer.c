/* INFER: one sample, float32 or int8, one answer with its timing. */
#include "rpc_internal.h"

#define TIMING_BYTES 8u

/* q * scale[feature], written behind the room that the reply needs. NULL where there is none for it. */
static const float *widen(ef_rpc *rpc, const ef_model_info *info, const uint8_t *payload, uint32_t values) {
    const ef_rpc_memory *memory = &rpc->board.memory;
    size_t first = EF_FRAME_OVERHEAD + TIMING_BYTES + 4u * (size_t)info->horizon;
    if (first + 4u * (size_t)values > memory->transmit_bytes) {
        return NULL;
    }
    const float *scale = (const float *)(const void *)payload;
    const int8_t *q = (const int8_t *)(payload + 4u * (size_t)info->features);
    float *to = (float *)(void *)(memory->transmit + first);
    for (uint32_t i = 0; i < values; i++) {
        to[i] = (float)q[i] * scale[i % info->features];
    }
    return to;
}

static ef_status input_of(ef_rpc *rpc, const ef_model_info *info, const ef_request *request, ef_reply *reply,
                          const float **input) {
    uint32_t values = (uint32_t)info->steps * info->features, bytes = request->frame.length - 4u;
    uint8_t dtype = request->payload[0];
    if (dtype > EF_DTYPE_INT8) {
        return EF_ERROR_UNSUPPORTED;
    }
    uint32_t expected = dtype == EF_DTYPE_INT8 ? values + 4u * info->features : 4u * values;
    if (bytes != expected) {
        reply->detail = values;
        return EF_ERROR_SHAPE;
    }
    const uint8_t *from = request->payload + 4;
    *input = dtype == EF_DTYPE_INT8 ? widen(rpc, info, from, values) : (const float *)(const void *)from;
    reply->detail = 4u * values;
    return *input != NULL ? EF_OK : EF_ERROR_MEMORY;
}

ef_status ef_rpc_infer(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    const ef_model *model = NULL;
    const float *input = NULL;
    uint32_t compute_us;
    ef_status status = ef_rpc_model(rpc, request->frame.model, reply, &model);
    if (status == EF_OK) {
        status = input_of(rpc, &model->info, request, reply, &input);
    }
    if (status != EF_OK) {
        return status;
    }
    reply->length = TIMING_BYTES + 4u * (uint32_t)model->info.horizon;
    reply->detail = reply->length;
    if (reply->length > rpc->max_payload) {
        return EF_ERROR_MEMORY;
    }
    reply->detail = 0;
    float *output = (float *)(void *)(reply->payload + TIMING_BYTES);
    status = ef_rpc_run(rpc, model, input, output, &compute_us);
    ef_put32(reply->payload, request->queue_us);
    ef_put32(reply->payload + 4, compute_us);
    return status;
}
