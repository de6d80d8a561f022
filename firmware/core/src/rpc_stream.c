/* Streams: the host sends only what is new, the board keeps the last T steps, or the recurrent state. */
#include "model_parts.h"
#include "rpc_internal.h"

enum { MODE_WINDOW = 0, MODE_STATEFUL = 1 };

static float *floats_of(const ef_rpc *rpc, const ef_rpc_stream *stream) {
    return rpc->board.memory.window + stream->first;
}

static uint64_t floats_needed(const ef_model_info *info, uint8_t mode, uint8_t dtype) {
    uint64_t scales = dtype == EF_DTYPE_INT8 ? info->features : 0;
    uint64_t kept = mode == MODE_WINDOW ? 2u * (uint64_t)info->steps * info->features
                                        : 2u * (uint64_t)info->hidden + info->features;
    return scales + kept;
}

/* The end of the stream that covers any of [first, first + floats); first where none does. */
static uint64_t blocked_until(const ef_rpc *rpc, uint64_t first, uint64_t floats) {
    for (uint8_t id = 0; id < rpc->ids; id++) {
        const ef_rpc_stream *other = &rpc->stream[id];
        uint64_t end = (uint64_t)other->first + other->floats;
        if (other->open && first < end && other->first < first + floats) {
            return end;
        }
    }
    return first;
}

static ef_status allocate(ef_rpc *rpc, ef_rpc_stream *stream, uint64_t floats) {
    uint64_t first = 0, until;
    while ((until = blocked_until(rpc, first, floats)) != first) {
        first = until;
    }
    if (first + floats > rpc->board.memory.window_bytes / sizeof(float)) {
        return EF_ERROR_MEMORY;
    }
    stream->first = (uint32_t)first;
    stream->floats = (uint32_t)floats;
    memset(floats_of(rpc, stream), 0, (size_t)floats * sizeof(float));
    return EF_OK;
}

static ef_status check_options(const ef_model_info *info, const ef_request *request, ef_reply *reply) {
    uint8_t mode = request->payload[0], dtype = request->payload[1];
    if (mode > MODE_STATEFUL || dtype > EF_DTYPE_INT8 || (mode == MODE_STATEFUL && info->kind != EF_KIND_LSTM)) {
        return EF_ERROR_UNSUPPORTED;
    }
    reply->detail = dtype == EF_DTYPE_INT8 ? 4u + 4u * info->features : 4u;
    if (request->frame.length != reply->detail) {
        return EF_ERROR_LENGTH;
    }
    const float *scales = (const float *)(const void *)(request->payload + 4);
    return dtype != EF_DTYPE_INT8 || ef_all_finite(scales, info->features) ? EF_OK : EF_ERROR_NOT_FINITE;
}

ef_status ef_rpc_stream_open(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    const ef_model *model = NULL;
    ef_status status = ef_rpc_model(rpc, request->frame.model, reply, &model);
    if (status == EF_OK) {
        status = check_options(&model->info, request, reply);
    }
    if (status != EF_OK) {
        return status;
    }
    const ef_model_info *info = &model->info;
    ef_rpc_stream *stream = &rpc->stream[request->frame.model];
    uint8_t mode = request->payload[0], dtype = request->payload[1];
    uint64_t floats = floats_needed(info, mode, dtype);
    *stream = (ef_rpc_stream){.mode = mode, .dtype = dtype};
    reply->detail = (uint32_t)(floats * sizeof(float));
    if (8u + 4u * (uint32_t)info->horizon > rpc->max_payload || allocate(rpc, stream, floats) != EF_OK) {
        return EF_ERROR_MEMORY;
    }
    stream->open = true;
    memcpy(floats_of(rpc, stream), request->payload + 4, request->frame.length - 4u);
    uint8_t *at = ef_put16(reply->payload, info->steps);
    at = ef_put16(at, info->features);
    at = ef_put16(at, info->horizon);
    ef_put16(at, 0);
    reply->length = 8;
    return EF_OK;
}

/* The step's values as floats, at `to`. */
static ef_status take_step(const float *scales, const ef_rpc_stream *stream, const ef_request *request,
                           uint32_t features, float *to) {
    if (stream->dtype == EF_DTYPE_FLOAT32) {
        memcpy(to, request->payload, features * sizeof(float));
    } else {
        for (uint32_t i = 0; i < features; i++) {
            to[i] = (float)(int8_t)request->payload[i] * scales[i];
        }
    }
    return ef_all_finite(to, features) ? EF_OK : EF_ERROR_NOT_FINITE;
}

static void count_step(ef_rpc_stream *stream, uint16_t steps) {
    stream->next = (uint16_t)((stream->next + 1u) % steps);
    stream->seen = (uint16_t)(stream->seen < steps ? stream->seen + 1u : steps);
}

/* Every step lies in the ring twice, T rows apart, so that the last T always lie in order somewhere. */
static ef_status step_window(ef_rpc *rpc, const ef_model *model, ef_rpc_stream *stream, const ef_request *request,
                             float *output, uint32_t *compute_us) {
    uint32_t steps = model->info.steps, features = model->info.features;
    const float *scales = floats_of(rpc, stream);
    float *ring = floats_of(rpc, stream) + (stream->dtype == EF_DTYPE_INT8 ? features : 0);
    float *second = ring + (size_t)(stream->next + steps) * features;
    ef_status status = take_step(scales, stream, request, features, second);
    if (status != EF_OK) {
        /* That row lies outside the last T: nothing reads it before the next step replaces it. */
        return status;
    }
    memcpy(ring + (size_t)stream->next * features, second, features * sizeof(float));
    count_step(stream, model->info.steps);
    if (stream->seen < steps) {
        return EF_OK;
    }
    return ef_rpc_run(rpc, model, ring + (size_t)stream->next * features, output, compute_us);
}

static ef_status step_state(ef_rpc *rpc, const ef_model *model, ef_rpc_stream *stream, const ef_request *request,
                            float *output, uint32_t *compute_us) {
    const ef_rpc_memory *memory = &rpc->board.memory;
    uint32_t features = model->info.features;
    const float *scales = floats_of(rpc, stream);
    float *state = floats_of(rpc, stream) + (stream->dtype == EF_DTYPE_INT8 ? features : 0);
    float *input = state + 2u * (size_t)model->info.hidden;
    ef_status status = take_step(scales, stream, request, features, input);
    if (status != EF_OK) {
        return status;
    }
    uint64_t since = ef_rpc_now(rpc);
    bool full = stream->seen + 1u >= model->info.steps;
    status = ef_model_step(model, input, state, full ? output : NULL, memory->arena, memory->arena_bytes);
    if (status == EF_OK) {
        count_step(stream, model->info.steps);
        *compute_us = ef_rpc_charge(rpc, model, 1, since);
    }
    return status;
}

ef_status ef_rpc_stream_step(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    const ef_model *model = NULL;
    ef_status status = ef_rpc_model(rpc, request->frame.model, reply, &model);
    if (status != EF_OK) {
        return status;
    }
    ef_rpc_stream *stream = &rpc->stream[request->frame.model];
    if (!stream->open) {
        return EF_ERROR_STATE;
    }
    uint32_t width = stream->dtype == EF_DTYPE_INT8 ? 1u : 4u, compute_us = 0;
    if (request->frame.length != width * model->info.features) {
        reply->detail = model->info.features;
        return EF_ERROR_SHAPE;
    }
    float *output = (float *)(void *)(reply->payload + 8);
    status = (stream->mode == MODE_WINDOW ? step_window : step_state)(rpc, model, stream, request, output, &compute_us);
    uint8_t *at = ef_put16(reply->payload, stream->seen);
    ef_put32(ef_put16(at, 0), compute_us);
    reply->length = 8u + (stream->seen == model->info.steps ? 4u * (uint32_t)model->info.horizon : 0);
    return status;
}

ef_status ef_rpc_stream_close(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    (void)reply;
    if (request->frame.model >= rpc->ids) {
        return EF_ERROR_NO_MODEL;
    }
    rpc->stream[request->frame.model] = (ef_rpc_stream){0};
    return EF_OK;
}
