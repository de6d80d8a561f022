/* Layers of small classifiers (kind 2): the table's checks, and their run from one buffer to the other. */
#include "edgeflow/activation.h"
#include "model_parts.h"

enum { DENSE = 1, CONV1D = 2, MAX_POOL = 3, AVERAGE_POOL = 4, GLOBAL_AVERAGE_POOL = 5, FLATTEN = 6 };
enum { NONE = 0, RELU = 1, SIGMOID = 2, TANH = 3, SOFTMAX = 4 };
enum { MAX_LAYERS = 32, MAX_VALUES = 65535, ROW_BYTES = 32 };

typedef struct layer {
    uint8_t op, activation, stride, padding;
    uint32_t steps_in, channels_in, steps_out, channels_out, kernel;
    uint32_t offset, bytes; /* of the weights */
    float input_scale;
} layer;

/* What one layer works on. */
typedef struct layer_run {
    const layer *at;
    bool int8;
    const float *input;
    float *output;
    int8_t *quantised; /* the input in int8 */
    const float *scales, *bias, *weights;
    const int8_t *int8_weights;
} layer_run;

static layer layer_at(const ef_model *model, uint32_t number) {
    const uint8_t *row = model->payload + 4u + ROW_BYTES * number;
    layer l = {row[0], row[1], row[2], row[3], 0, 0, 0, 0, 0, 0, 0, 0.0f};
    l.steps_in = ef_u16_at(row + 4);
    l.channels_in = ef_u16_at(row + 6);
    l.steps_out = ef_u16_at(row + 8);
    l.channels_out = ef_u16_at(row + 10);
    l.kernel = ef_u16_at(row + 12);
    l.offset = ef_u32_at(row + 16);
    l.bytes = ef_u32_at(row + 20);
    l.input_scale = ef_float(ef_u32_at(row + 24));
    return l;
}

static bool zeros_are_zero(const ef_model *model, uint32_t number) {
    const uint8_t *row = model->payload + 4u + ROW_BYTES * number;
    return ef_u16_at(row + 14) == 0 && ef_u32_at(row + 28) == 0;
}

static bool has_weights(const layer *l) {
    return l->op == DENSE || l->op == CONV1D;
}

/* Values that one output is a sum of. */
static uint32_t fan_in(const layer *l) {
    return l->op == DENSE ? l->steps_in * l->channels_in : l->kernel * l->channels_in;
}

static bool window_fits(const layer *l) {
    bool pads = l->op == CONV1D && l->padding < l->kernel;
    if (l->kernel < 1 || l->stride < 1 || !(pads || l->padding == 0)) {
        return false;
    }
    uint32_t room = l->steps_in + 2u * l->padding;
    uint32_t channels = l->op == CONV1D ? l->channels_out : l->channels_in;
    return l->kernel <= room && l->kernel * l->channels_in <= MAX_VALUES &&
           l->steps_out == (room - l->kernel) / l->stride + 1u && l->channels_out == channels;
}

static bool shape_fits(const layer *l) {
    uint32_t values = l->steps_in * l->channels_in, given = l->steps_out * l->channels_out;
    if (values < 1 || values > MAX_VALUES || given < 1 || given > MAX_VALUES) {
        return false;
    }
    if (l->op == CONV1D || l->op == MAX_POOL || l->op == AVERAGE_POOL) {
        return window_fits(l);
    }
    uint32_t channels = l->op == DENSE     ? l->channels_out
                        : l->op == FLATTEN ? values
                                           : l->channels_in;
    bool unused = l->kernel == 0 && l->stride == 0 && l->padding == 0;
    return unused && l->steps_out == 1 && l->channels_out == channels;
}

static bool scale_fits(const layer *l, bool int8) {
    bool used = int8 && has_weights(l);
    return used ? ef_is_finite(l->input_scale) && l->input_scale > 0.0f : l->input_scale == 0.0f;
}

/* `first` is the offset behind the table, `bytes` the end of the model's own part. */
static ef_status check_weights(const ef_model *model, const layer *l, uint32_t first, uint32_t bytes) {
    bool int8 = model->info.dtype == EF_DTYPE_INT8;
    if (!scale_fits(l, int8)) {
        return EF_ERROR_MODEL;
    }
    if (!has_weights(l)) {
        return l->offset == 0 && l->bytes == 0 ? EF_OK : EF_ERROR_MODEL;
    }
    uint64_t weights = (uint64_t)l->channels_out * fan_in(l), out = l->channels_out;
    uint64_t wanted = int8 ? 8u * out + ((weights + 3u) & ~(uint64_t)3u) : 4u * (weights + out);
    if (l->bytes != wanted || l->offset % 4u != 0 || l->offset < first || l->offset > bytes ||
        l->bytes > bytes - l->offset) {
        return EF_ERROR_LENGTH;
    }
    size_t floats = (size_t)(int8 ? 2u * out : weights + out);
    return ef_all_finite(ef_floats_at(model, l->offset), floats) ? EF_OK : EF_ERROR_NOT_FINITE;
}

static void count_layer(ef_model_info *info, const layer *l) {
    uint32_t given = l->steps_out * l->channels_out;
    if (has_weights(l)) {
        info->parameters += l->channels_out * (fan_in(l) + 1u);
        info->multiply_adds += (uint64_t)given * fan_in(l);
    }
    if (l->activation >= SIGMOID) {
        info->activations += given;
    }
}

static uint32_t larger(uint32_t left, uint32_t right) {
    return left > right ? left : right;
}

static ef_status check_layer(ef_model *model, uint32_t number, const uint32_t shape[2]) {
    layer l = layer_at(model, number);
    bool known = l.op >= DENSE && l.op <= FLATTEN && l.activation <= SOFTMAX;
    if (!known) {
        return EF_ERROR_UNSUPPORTED;
    }
    bool joins = l.steps_in == shape[0] && l.channels_in == shape[1];
    return zeros_are_zero(model, number) && joins && shape_fits(&l) ? EF_OK : EF_ERROR_MODEL;
}

static uint32_t arena_of(const ef_model_info *info, uint32_t widest) {
    uint32_t buffers = 2u * widest * (uint32_t)sizeof(float);
    return info->dtype == EF_DTYPE_INT8 ? buffers + ef_pad4(widest) : buffers;
}

ef_status ef_layers_parse(ef_model *model, uint32_t bytes) {
    ef_model_info *info = &model->info;
    uint32_t count = bytes >= 4u ? ef_u32_at(model->payload) : 0;
    if (count < 1 || count > MAX_LAYERS || bytes < 4u + ROW_BYTES * count) {
        return EF_ERROR_LENGTH;
    }
    uint32_t shape[2] = {info->steps, info->features};
    uint32_t widest = shape[0] * shape[1];
    for (uint32_t number = 0; number < count; number++) {
        ef_status status = check_layer(model, number, shape);
        layer l = layer_at(model, number);
        if (status == EF_OK) {
            status = check_weights(model, &l, 4u + ROW_BYTES * count, bytes);
        }
        if (status != EF_OK) {
            return status;
        }
        shape[0] = l.steps_out;
        shape[1] = l.channels_out;
        widest = larger(widest, shape[0] * shape[1]);
        count_layer(info, &l);
    }
    info->arena_bytes = arena_of(info, widest);
    return shape[0] * shape[1] == info->horizon && widest == info->hidden ? EF_OK : EF_ERROR_SHAPE;
}

static void weighted_sum(const layer_run *run, uint32_t out, uint32_t weights_from, uint32_t input_from,
                         uint32_t count, float *to) {
    uint32_t row = out * fan_in(run->at) + weights_from;
    if (run->int8) {
        int32_t sum = ef_dot_int8(run->int8_weights + row, run->quantised + input_from, count);
        *to = run->scales[out] * (float)sum + run->bias[out];
        return;
    }
    float sum = run->bias[out];
    for (uint32_t i = 0; i < count; i++) {
        sum += run->weights[row + i] * run->input[input_from + i];
    }
    *to = sum;
}

static void dense(const layer_run *run) {
    for (uint32_t out = 0; out < run->at->channels_out; out++) {
        weighted_sum(run, out, 0, 0, fan_in(run->at), run->output + out);
    }
}

/* A window that reaches over an end is cut to what is there: the rest would be products with zero. */
static void conv1d(const layer_run *run) {
    const layer *l = run->at;
    for (uint32_t step = 0; step < l->steps_out; step++) {
        uint32_t from = step * l->stride; /* in the padded input */
        uint32_t skipped = from < l->padding ? l->padding - from : 0;
        uint32_t end = from + l->kernel;
        end = end > l->steps_in + l->padding ? l->steps_in + l->padding : end;
        uint32_t first = from + skipped;
        uint32_t rows = end > first ? end - first : 0;
        for (uint32_t out = 0; out < l->channels_out; out++) {
            weighted_sum(run, out, skipped * l->channels_in, (first - l->padding) * l->channels_in,
                         rows * l->channels_in, run->output + step * l->channels_out + out);
        }
    }
}

static float pooled(const layer_run *run, uint32_t from, uint32_t kernel, uint32_t channel) {
    const float *at = run->input + from * run->at->channels_in + channel;
    bool largest = run->at->op == MAX_POOL;
    float value = *at;
    for (uint32_t i = 1; i < kernel; i++) {
        float next = at[i * run->at->channels_in];
        value = !largest ? value + next : next > value ? next : value;
    }
    return largest ? value : value / (float)kernel;
}

static void pool(const layer_run *run) {
    const layer *l = run->at;
    uint32_t kernel = l->op == GLOBAL_AVERAGE_POOL ? l->steps_in : l->kernel;
    for (uint32_t step = 0; step < l->steps_out; step++) {
        for (uint32_t channel = 0; channel < l->channels_out; channel++) {
            run->output[step * l->channels_out + channel] = pooled(run, step * l->stride, kernel, channel);
        }
    }
}

static void softmax(float *values, uint32_t count) {
    float largest = values[0], sum = 0.0f;
    for (uint32_t i = 1; i < count; i++) {
        largest = values[i] > largest ? values[i] : largest;
    }
    for (uint32_t i = 0; i < count; i++) {
        values[i] = ef_exp(values[i] - largest);
        sum += values[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        values[i] /= sum;
    }
}

static float activated(uint8_t activation, float value) {
    switch (activation) {
    case RELU:
        return value < 0.0f ? 0.0f : value;
    case SIGMOID:
        return ef_sigmoid(value);
    case TANH:
        return ef_tanh(value);
    default:
        return value;
    }
}

static void activate(const layer *l, float *values) {
    if (l->activation == SOFTMAX) {
        for (uint32_t step = 0; step < l->steps_out; step++) {
            softmax(values + step * l->channels_out, l->channels_out);
        }
    } else if (l->activation != NONE) {
        for (uint32_t i = 0; i < l->steps_out * l->channels_out; i++) {
            values[i] = activated(l->activation, values[i]);
        }
    }
}

static void find_weights(const ef_model *model, layer_run *run) {
    const layer *l = run->at;
    const float *block = ef_floats_at(model, l->offset);
    if (run->int8) {
        run->scales = block;
        run->bias = block + l->channels_out;
        run->int8_weights = (const int8_t *)(run->bias + l->channels_out);
        ef_quantise_by(run->input, l->input_scale, run->quantised, l->steps_in * l->channels_in);
    } else {
        run->weights = block;
        run->bias = block + (size_t)l->channels_out * fan_in(l);
    }
}

static void run_layer(const ef_model *model, layer_run *run) {
    const layer *l = run->at;
    if (has_weights(l)) {
        find_weights(model, run);
    }
    if (l->op == DENSE) {
        dense(run);
    } else if (l->op == CONV1D) {
        conv1d(run);
    } else if (l->op == FLATTEN) {
        memcpy(run->output, run->input, (size_t)l->steps_in * l->channels_in * sizeof(float));
    } else {
        pool(run);
    }
    activate(l, run->output);
}

void ef_layers_run(const ef_model *model, const float *input, float *output, void *arena) {
    float *buffer[2] = {arena, (float *)arena + model->info.hidden};
    layer_run run = {NULL, model->info.dtype == EF_DTYPE_INT8, input, NULL, (int8_t *)(buffer[1] + model->info.hidden),
                     NULL, NULL, NULL, NULL};
    uint32_t count = ef_u32_at(model->payload);
    for (uint32_t number = 0; number < count; number++) {
        layer l = layer_at(model, number);
        run.at = &l;
        run.output = buffer[number % 2u];
        run_layer(model, &run);
        run.input = run.output;
    }
    memcpy(output, run.input, model->info.horizon * sizeof(float));
}
