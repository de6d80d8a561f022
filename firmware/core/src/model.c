/* Parsing of both model files, and running whatever kind they hold. */
#include "edgeflow/checksum.h"
#include "model_parts.h"

enum {
    AT_VERSION = 4,
    AT_HEADER_BYTES = 6,
    AT_PAYLOAD_BYTES = 8,
    AT_PAYLOAD_CRC = 12,
    AT_SHA256 = 16,
    AT_KIND = 48,
    AT_DTYPE = 49,
    AT_FLAGS = 50,
    AT_DIMENSIONS = 52,
    AT_MODEL_VERSION = 60,
    AT_PARAMETERS = 64,
    AT_TEST_OFFSET = 68,
    AT_TEST_BYTES = 72,
    AT_OWN_BYTES = 76,
    AT_NAME = 80,
    AT_ZEROS = 112,
    AT_HEADER_CRC = 124
};

static ef_status read_dimensions(ef_model_info *info, const uint8_t *at) {
    info->steps = ef_u16_at(at);
    info->features = ef_u16_at(at + 2);
    info->horizon = ef_u16_at(at + 4);
    info->hidden = ef_u16_at(at + 6);
    uint32_t widest = info->kind == EF_KIND_LAYERS ? UINT16_MAX : EF_MAX_HIDDEN;
    bool fits = info->steps >= 1 && info->steps <= EF_MAX_STEPS && info->features >= 1 &&
                info->features <= EF_MAX_FEATURES && info->horizon >= 1 && info->horizon <= EF_MAX_HORIZON &&
                info->hidden >= 1 && info->hidden <= widest;
    return fits ? EF_OK : EF_ERROR_SHAPE;
}

static void hash_payload(const ef_model *model, uint8_t digest[EF_SHA256_BYTES]) {
    ef_sha256 hash;
    ef_sha256_begin(&hash);
    ef_sha256_update(&hash, model->payload, model->payload_bytes);
    ef_sha256_end(&hash, digest);
}

static ef_status parse_reference(const uint8_t *bytes, size_t count, ef_model *model) {
    if (count < EF_REFERENCE_HEADER_BYTES) {
        return EF_ERROR_LENGTH;
    }
    ef_model_info *info = &model->info;
    info->kind = EF_KIND_LSTM;
    info->dtype = EF_DTYPE_FLOAT32;
    info->reference = true;
    ef_status status = read_dimensions(info, bytes + 4);
    if (status != EF_OK) {
        return status;
    }
    uint32_t hidden = info->hidden;
    model->payload = bytes + EF_REFERENCE_HEADER_BYTES;
    model->payload_bytes = 4u * (4u * hidden * (info->features + hidden + 1u) + info->horizon * (hidden + 1u));
    info->file_bytes = EF_REFERENCE_HEADER_BYTES + model->payload_bytes;
    if (info->file_bytes > count) {
        return EF_ERROR_LENGTH;
    }
    status = ef_lstm_parse(model, model->payload_bytes);
    if (status == EF_OK) {
        info->crc32 = ef_crc32(0, model->payload, model->payload_bytes);
        hash_payload(model, info->sha256);
    }
    return status;
}

/* Bytes of the UTF-8 sequence at `at`, 0 where there is none; `left` bytes may be looked at. */
static uint32_t utf8_length(const uint8_t *at, uint32_t left) {
    if (at[0] < 0x80u) {
        return at[0] >= 0x20u && at[0] != 0x7Fu;
    }
    uint32_t length = at[0] >= 0xF0u ? 4u : at[0] >= 0xE0u ? 3u : 2u;
    if (at[0] < 0xC2u || at[0] > 0xF4u || length > left) {
        return 0;
    }
    uint8_t lowest = at[0] == 0xE0u ? 0xA0u : at[0] == 0xF0u ? 0x90u : 0x80u;
    uint8_t highest = at[0] == 0xEDu ? 0x9Fu : at[0] == 0xF4u ? 0x8Fu : 0xBFu;
    if (at[1] < lowest || at[1] > highest) {
        return 0;
    }
    for (uint32_t i = 2; i < length; i++) {
        if ((at[i] & 0xC0u) != 0x80u) {
            return 0;
        }
    }
    return length;
}

static ef_status read_name(ef_model_info *info, const uint8_t *at) {
    uint32_t end = 0;
    while (end < EF_MODEL_NAME_BYTES && at[end] != 0) {
        uint32_t length = utf8_length(at + end, EF_MODEL_NAME_BYTES - end);
        if (length == 0) {
            return EF_ERROR_MODEL;
        }
        end += length;
    }
    for (uint32_t i = end; i < EF_MODEL_NAME_BYTES; i++) {
        if (at[i] != 0) {
            return EF_ERROR_MODEL;
        }
    }
    memcpy(info->name, at, EF_MODEL_NAME_BYTES);
    return EF_OK;
}

static bool all_zero(const uint8_t *at, uint32_t count) {
    uint8_t any = 0;
    for (uint32_t i = 0; i < count; i++) {
        any |= at[i];
    }
    return any == 0;
}

static ef_status read_header(const uint8_t *bytes, size_t count, ef_model *model) {
    if (count < EF_MODEL_HEADER_BYTES) {
        return EF_ERROR_LENGTH;
    }
    if (ef_crc32(0, bytes, AT_HEADER_CRC) != ef_u32_at(bytes + AT_HEADER_CRC)) {
        return EF_ERROR_CRC;
    }
    ef_model_info *info = &model->info;
    info->kind = bytes[AT_KIND];
    info->dtype = bytes[AT_DTYPE];
    if (ef_u16_at(bytes + AT_VERSION) != 1 || ef_u16_at(bytes + AT_FLAGS) != 0 || info->dtype > EF_DTYPE_INT8 ||
        info->kind < EF_KIND_LSTM || info->kind > EF_KIND_LAYERS) {
        return EF_ERROR_UNSUPPORTED;
    }
    if (ef_u16_at(bytes + AT_HEADER_BYTES) != EF_MODEL_HEADER_BYTES || !all_zero(bytes + AT_ZEROS, 12)) {
        return EF_ERROR_MODEL;
    }
    model->payload = bytes + EF_MODEL_HEADER_BYTES;
    model->payload_bytes = ef_u32_at(bytes + AT_PAYLOAD_BYTES);
    if (model->payload_bytes % 4u != 0 || model->payload_bytes > count - EF_MODEL_HEADER_BYTES ||
        model->payload_bytes > UINT32_MAX - EF_MODEL_HEADER_BYTES) {
        return EF_ERROR_LENGTH;
    }
    info->file_bytes = EF_MODEL_HEADER_BYTES + model->payload_bytes;
    info->version = ef_u32_at(bytes + AT_MODEL_VERSION);
    info->crc32 = ef_u32_at(bytes + AT_PAYLOAD_CRC);
    memcpy(info->sha256, bytes + AT_SHA256, EF_SHA256_BYTES);
    ef_status status = read_name(info, bytes + AT_NAME);
    return status == EF_OK ? read_dimensions(info, bytes + AT_DIMENSIONS) : status;
}

static ef_status check_payload(const ef_model *model) {
    uint8_t digest[EF_SHA256_BYTES];
    if (ef_crc32(0, model->payload, model->payload_bytes) != model->info.crc32) {
        return EF_ERROR_CRC;
    }
    hash_payload(model, digest);
    return memcmp(digest, model->info.sha256, sizeof digest) == 0 ? EF_OK : EF_ERROR_CRC;
}

/* The self-test vector lies behind the model's own part, and is a tolerance, an input and an output. */
static ef_status read_test(const uint8_t *bytes, ef_model *model) {
    const ef_model_info *info = &model->info;
    uint32_t own = ef_u32_at(bytes + AT_OWN_BYTES);
    model->test_offset = ef_u32_at(bytes + AT_TEST_OFFSET);
    model->test_bytes = ef_u32_at(bytes + AT_TEST_BYTES);
    if (own > model->payload_bytes || own % 4u != 0) {
        return EF_ERROR_LENGTH;
    }
    if (model->test_bytes == 0) {
        return model->test_offset == 0 ? EF_OK : EF_ERROR_MODEL;
    }
    uint32_t expected = 4u + 4u * info->steps * info->features + 4u * info->horizon;
    if (model->test_bytes != expected || model->test_offset % 4u != 0 || model->test_offset < own ||
        model->test_offset > model->payload_bytes || expected > model->payload_bytes - model->test_offset) {
        return EF_ERROR_LENGTH;
    }
    const float *test = ef_floats_at(model, model->test_offset);
    if (!ef_all_finite(test, expected / 4u)) {
        return EF_ERROR_NOT_FINITE;
    }
    return test[0] >= 0.0f ? EF_OK : EF_ERROR_MODEL;
}

static ef_status parse_container(const uint8_t *bytes, size_t count, ef_model *model) {
    ef_status status = read_header(bytes, count, model);
    if (status == EF_OK) {
        status = check_payload(model);
    }
    if (status == EF_OK) {
        status = read_test(bytes, model);
    }
    if (status == EF_OK) {
        uint32_t own = ef_u32_at(bytes + AT_OWN_BYTES);
        status = model->info.kind == EF_KIND_LSTM ? ef_lstm_parse(model, own) : ef_layers_parse(model, own);
    }
    if (status == EF_OK && model->info.parameters != ef_u32_at(bytes + AT_PARAMETERS)) {
        status = EF_ERROR_MODEL;
    }
    if (status == EF_OK && model->test_bytes > 0) {
        model->info.arena_bytes += model->info.horizon * (uint32_t)sizeof(float);
    }
    return status;
}

ef_status ef_model_parse(const uint8_t *bytes, size_t count, ef_model *model) {
    memset(model, 0, sizeof *model);
    if (count < 4u) {
        return EF_ERROR_LENGTH;
    }
    if ((uintptr_t)bytes % 4u != 0) {
        return EF_ERROR_MEMORY;
    }
    ef_status status = EF_ERROR_MODEL;
    if (ef_u32_at(bytes) == EF_REFERENCE_MAGIC) {
        status = parse_reference(bytes, count, model);
    } else if (ef_u32_at(bytes) == EF_MODEL_MAGIC) {
        status = parse_container(bytes, count, model);
    }
    if (status != EF_OK) {
        memset(model, 0, sizeof *model);
    }
    return status;
}

static ef_status check_arena(const ef_model *model, const void *arena, size_t arena_bytes) {
    if (model->payload == NULL) {
        return EF_ERROR_NO_MODEL;
    }
    bool fits = arena != NULL && (uintptr_t)arena % 4u == 0 && arena_bytes >= model->info.arena_bytes;
    return fits ? EF_OK : EF_ERROR_MEMORY;
}

ef_status ef_model_run(const ef_model *model, const float *input, float *output, void *arena, size_t arena_bytes) {
    ef_status status = check_arena(model, arena, arena_bytes);
    if (status != EF_OK) {
        return status;
    }
    if (!ef_all_finite(input, (size_t)model->info.steps * model->info.features)) {
        return EF_ERROR_NOT_FINITE;
    }
    if (model->info.kind == EF_KIND_LSTM) {
        ef_lstm_run(model, input, output, arena);
    } else {
        ef_layers_run(model, input, output, arena);
    }
    return ef_all_finite(output, model->info.horizon) ? EF_OK : EF_ERROR_NOT_FINITE;
}

static float largest_difference(const float *left, const float *right, uint32_t count) {
    float largest = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        float difference = left[i] - right[i];
        difference = difference < 0.0f ? -difference : difference;
        largest = difference > largest ? difference : largest;
    }
    return largest;
}

ef_status ef_model_self_test(const ef_model *model, void *arena, size_t arena_bytes, ef_self_test *result) {
    ef_self_test found = {false, 0.0f, 0.0f};
    ef_status status = check_arena(model, arena, arena_bytes);
    if (status == EF_OK && model->test_bytes > 0) {
        const float *test = ef_floats_at(model, model->test_offset);
        const float *expected = test + 1 + (size_t)model->info.steps * model->info.features;
        uint32_t output_bytes = model->info.horizon * (uint32_t)sizeof(float);
        float *output = (float *)(void *)((uint8_t *)arena + model->info.arena_bytes - output_bytes);
        found.present = true;
        found.tolerance = test[0];
        status = ef_model_run(model, test + 1, output, arena, arena_bytes);
        found.error = largest_difference(output, expected, status == EF_OK ? model->info.horizon : 0);
        if (status == EF_OK && found.error > found.tolerance) {
            status = EF_ERROR_SELF_TEST;
        }
    }
    if (result != NULL) {
        *result = found;
    }
    return status;
}

ef_status ef_model_step(const ef_model *model, const float *input, float *state, float *output, void *arena,
                        size_t arena_bytes) {
    ef_status status = check_arena(model, arena, arena_bytes);
    if (status != EF_OK) {
        return status;
    }
    if (model->info.kind != EF_KIND_LSTM) {
        return EF_ERROR_UNSUPPORTED;
    }
    if (!ef_all_finite(input, model->info.features)) {
        return EF_ERROR_NOT_FINITE;
    }
    ef_lstm_step(model, input, state, output, arena);
    bool finite = output == NULL || ef_all_finite(output, model->info.horizon);
    return finite ? EF_OK : EF_ERROR_NOT_FINITE;
}
