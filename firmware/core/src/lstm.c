/* The LSTM forecaster, in float32 and with int8 weights. */
#include "edgeflow/activation.h"
#include "model_parts.h"

/* Where the parts of the weights lie; row r of gate g of unit j is r = g * hidden + j. */
typedef struct float_weights {
    const float *input, *recurrent, *bias, *head, *head_bias;
} float_weights;

typedef struct int8_weights {
    const float *input_scale, *scale_input, *scale_recurrent, *bias, *scale_head, *head_bias;
    const int8_t *input, *recurrent, *head;
} int8_weights;

static float_weights float_weights_of(const ef_model *model) {
    uint32_t hidden = model->info.hidden;
    float_weights w;
    w.input = ef_floats_at(model, 0);
    w.recurrent = w.input + 4u * hidden * model->info.features;
    w.bias = w.recurrent + 4u * hidden * hidden;
    w.head = w.bias + 4u * hidden;
    w.head_bias = w.head + model->info.horizon * hidden;
    return w;
}

static uint32_t int8_floats(const ef_model_info *info) {
    return info->features + 12u * info->hidden + 2u * info->horizon;
}

static int8_weights int8_weights_of(const ef_model *model) {
    uint32_t hidden = model->info.hidden, features = model->info.features;
    int8_weights w;
    w.input_scale = ef_floats_at(model, 0);
    w.scale_input = w.input_scale + features;
    w.scale_recurrent = w.scale_input + 4u * hidden;
    w.bias = w.scale_recurrent + 4u * hidden;
    w.scale_head = w.bias + 4u * hidden;
    w.head_bias = w.scale_head + model->info.horizon;
    w.input = (const int8_t *)(w.head_bias + model->info.horizon);
    w.recurrent = w.input + ef_pad4(4u * hidden * features);
    w.head = w.recurrent + 4u * hidden * hidden;
    return w;
}

static uint32_t int8_bytes(const ef_model_info *info) {
    uint32_t hidden = info->hidden;
    return 4u * int8_floats(info) + ef_pad4(4u * hidden * info->features) + 4u * hidden * hidden +
           ef_pad4(info->horizon * hidden);
}

static void describe(ef_model_info *info) {
    uint32_t hidden = info->hidden, features = info->features;
    info->parameters = 4u * hidden * (features + hidden + 1u) + info->horizon * (hidden + 1u);
    info->multiply_adds = (uint64_t)info->steps * (4u * hidden * (features + hidden)) + info->horizon * hidden;
    info->activations = (uint64_t)info->steps * (5u * hidden);
    uint32_t state = 2u * hidden * (uint32_t)sizeof(float);
    uint32_t copy = info->dtype == EF_DTYPE_INT8 ? ef_pad4(hidden) + ef_pad4(features)
                                                 : hidden * (uint32_t)sizeof(float);
    info->arena_bytes = state + copy;
}

ef_status ef_lstm_parse(ef_model *model, uint32_t bytes) {
    ef_model_info *info = &model->info;
    describe(info);
    if (info->dtype == EF_DTYPE_FLOAT32) {
        if (bytes != 4u * info->parameters) {
            return EF_ERROR_LENGTH;
        }
        return ef_all_finite(ef_floats_at(model, 0), info->parameters) ? EF_OK : EF_ERROR_NOT_FINITE;
    }
    if (bytes != int8_bytes(info)) {
        return EF_ERROR_LENGTH;
    }
    if (!ef_all_finite(ef_floats_at(model, 0), int8_floats(info))) {
        return EF_ERROR_NOT_FINITE;
    }
    return ef_all_positive(ef_floats_at(model, 0), info->features) ? EF_OK : EF_ERROR_MODEL;
}

static void update(float *state, uint32_t hidden, uint32_t unit, const float gate[4]) {
    float *cell = state + hidden + unit;
    *cell = ef_sigmoid(gate[1]) * *cell + ef_sigmoid(gate[0]) * ef_tanh(gate[2]);
    state[unit] = ef_sigmoid(gate[3]) * ef_tanh(*cell);
}

/* Four rows at once: their sums do not wait for each other. */
static void add_products(float sum[4], const float *row, size_t stride, const float *values, uint32_t count) {
    const float *second = row + stride, *third = second + stride, *fourth = third + stride;
    float a = sum[0], b = sum[1], c = sum[2], d = sum[3];
    for (uint32_t i = 0; i < count; i++) {
        float value = values[i];
        a += row[i] * value;
        b += second[i] * value;
        c += third[i] * value;
        d += fourth[i] * value;
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

static void float_step(const ef_model *model, const float *input, float *state, float *before) {
    float_weights w = float_weights_of(model);
    uint32_t hidden = model->info.hidden, features = model->info.features;
    memcpy(before, state, hidden * sizeof(float));
    for (uint32_t unit = 0; unit < hidden; unit++) {
        float gate[4];
        for (uint32_t g = 0; g < 4; g++) {
            gate[g] = w.bias[g * hidden + unit];
        }
        add_products(gate, w.input + unit * features, (size_t)hidden * features, input, features);
        add_products(gate, w.recurrent + unit * hidden, (size_t)hidden * hidden, before, hidden);
        update(state, hidden, unit, gate);
    }
}

/* The same in int8: sums of four rows, each times its own scale. */
static void add_scaled(float sum[4], const float *scale, const int8_t *row, const int8_t *values, uint32_t hidden,
                       uint32_t count) {
    const int8_t *second = row + (size_t)hidden * count, *third = second + (size_t)hidden * count;
    const int8_t *fourth = third + (size_t)hidden * count;
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (uint32_t i = 0; i < count; i++) {
        int32_t value = values[i];
        a += row[i] * value;
        b += second[i] * value;
        c += third[i] * value;
        d += fourth[i] * value;
    }
    sum[0] += scale[0] * (float)a;
    sum[1] += scale[hidden] * (float)b;
    sum[2] += scale[2u * hidden] * (float)c;
    sum[3] += scale[3u * hidden] * (float)d;
}

static void int8_step(const ef_model *model, const float *input, float *state, int8_t *before) {
    int8_weights w = int8_weights_of(model);
    uint32_t hidden = model->info.hidden, features = model->info.features;
    int8_t *quantised = before + ef_pad4(hidden);
    ef_quantise_unit(state, before, hidden);
    ef_quantise(input, w.input_scale, quantised, features);
    for (uint32_t unit = 0; unit < hidden; unit++) {
        float gate[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        add_scaled(gate, w.scale_input + unit, w.input + unit * features, quantised, hidden, features);
        add_scaled(gate, w.scale_recurrent + unit, w.recurrent + unit * hidden, before, hidden, hidden);
        for (uint32_t g = 0; g < 4; g++) {
            gate[g] += w.bias[g * hidden + unit];
        }
        update(state, hidden, unit, gate);
    }
}

static void advance(const ef_model *model, const float *input, float *state, void *scratch) {
    if (model->info.dtype == EF_DTYPE_INT8) {
        int8_step(model, input, state, scratch);
    } else {
        float_step(model, input, state, scratch);
    }
}

static void float_head(const ef_model *model, const float *state, float *output) {
    float_weights w = float_weights_of(model);
    uint32_t hidden = model->info.hidden;
    for (uint32_t row = 0; row < model->info.horizon; row++) {
        float sum = w.head_bias[row];
        for (uint32_t i = 0; i < hidden; i++) {
            sum += w.head[row * hidden + i] * state[i];
        }
        output[row] = sum;
    }
}

static void int8_head(const ef_model *model, const float *state, float *output, int8_t *quantised) {
    int8_weights w = int8_weights_of(model);
    uint32_t hidden = model->info.hidden;
    ef_quantise_unit(state, quantised, hidden);
    for (uint32_t row = 0; row < model->info.horizon; row++) {
        float sum = (float)ef_dot_int8(w.head + row * hidden, quantised, hidden);
        output[row] = w.scale_head[row] * sum + w.head_bias[row];
    }
}

static void answer(const ef_model *model, const float *state, float *output, void *scratch) {
    if (model->info.dtype == EF_DTYPE_INT8) {
        int8_head(model, state, output, scratch);
    } else {
        float_head(model, state, output);
    }
}

void ef_lstm_run(const ef_model *model, const float *input, float *output, void *arena) {
    float *state = arena;
    float *scratch = state + 2u * model->info.hidden;
    memset(state, 0, 2u * model->info.hidden * sizeof(float));
    for (uint32_t step = 0; step < model->info.steps; step++) {
        advance(model, input + (size_t)step * model->info.features, state, scratch);
    }
    answer(model, state, output, scratch);
}

void ef_lstm_step(const ef_model *model, const float *input, float *state, float *output, void *arena) {
    float *scratch = (float *)arena + 2u * model->info.hidden;
    advance(model, input, state, scratch);
    if (output != NULL) {
        answer(model, state, output, scratch);
    }
}
