/* What a module may ask of its host. */
#include <string.h>

#include "edgeflow/modules.h"

static bool may(const ef_module_call *call, uint32_t capability) {
    return (call->capabilities & capability) != 0;
}

static float one_of(const ef_module_call *call, uint32_t capability, const float *values, int32_t at) {
    return may(call, capability) && at >= 0 && (uint32_t)at < call->inputs->subcarriers ? values[at] : 0.0f;
}

float ef_module_phase(const ef_module_call *call, int32_t subcarrier) {
    return one_of(call, EF_MODULE_PHASE, call->inputs->phases, subcarrier);
}

float ef_module_amplitude(const ef_module_call *call, int32_t subcarrier) {
    return one_of(call, EF_MODULE_AMPLITUDE, call->inputs->amplitudes, subcarrier);
}

float ef_module_variance(const ef_module_call *call, int32_t subcarrier) {
    return one_of(call, EF_MODULE_VARIANCE, call->inputs->variances, subcarrier);
}

float ef_module_breathing(const ef_module_call *call) {
    return may(call, EF_MODULE_VITALS) ? call->inputs->breathing_bpm : 0.0f;
}

float ef_module_heart(const ef_module_call *call) {
    return may(call, EF_MODULE_VITALS) ? call->inputs->heart_bpm : 0.0f;
}

float ef_module_motion(const ef_module_call *call) {
    return may(call, EF_MODULE_VITALS) ? call->inputs->motion_energy : 0.0f;
}

int32_t ef_module_presence(const ef_module_call *call) {
    return may(call, EF_MODULE_VITALS) ? call->inputs->presence : 0;
}

int32_t ef_module_persons(const ef_module_call *call) {
    return may(call, EF_MODULE_VITALS) ? call->inputs->persons : 0;
}

int32_t ef_module_timestamp(const ef_module_call *call) {
    int32_t wrapped;
    memcpy(&wrapped, &call->inputs->time_ms, sizeof wrapped);
    return wrapped;
}

void ef_module_emit(ef_module_call *call, int32_t id, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const bool finite = (bits & 0x7F800000u) != 0x7F800000u;
    if (may(call, EF_MODULE_TELLS) && finite && id >= 0 && id <= UINT16_MAX && call->count < EF_MODULE_EVENTS) {
        call->events[call->count++] = (ef_csi_event){(uint16_t)id, value};
    }
}

int32_t ef_module_history(const ef_module_call *call, uint8_t *memory, size_t bytes, uint32_t at, int32_t most) {
    const uint32_t held = call->inputs->history_length <= EF_MODULE_HISTORY ? call->inputs->history_length : EF_MODULE_HISTORY;
    const uint32_t given = most < 0 ? 0u : (uint32_t)most < held ? (uint32_t)most : held;
    const uint64_t size = (uint64_t)given * sizeof(float);
    if (!may(call, EF_MODULE_SEES_HISTORY) || given == 0 || at + size > bytes) {
        return 0;
    }
    memcpy(memory + at, call->inputs->history + (held - given), (size_t)size);
    return (int32_t)given;
}

void ef_module_write_log(ef_module_call *call, const uint8_t *memory, size_t bytes, uint32_t at, int32_t length) {
    const uint32_t size = length < 0 ? 0u : (uint32_t)length < EF_MODULE_LOG_BYTES ? (uint32_t)length : EF_MODULE_LOG_BYTES;
    if (!may(call, EF_MODULE_LOGS) || size == 0 || (uint64_t)at + size > bytes) {
        return;
    }
    for (uint32_t i = 0; i < size; i++) {
        const uint8_t byte = memory[at + i];
        call->log[i] = byte >= ' ' && byte <= '~' ? (char)byte : '.';
    }
    call->log[size] = '\0';
    call->log_bytes = size;
}
