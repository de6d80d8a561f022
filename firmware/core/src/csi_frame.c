/* One frame: amplitudes without the gain, phases without the offsets of carrier and timing. */
#include <string.h>

#include "csi_internal.h"

#define BLOCK EF_CSI_FIELD
#define FIRST_WORD 6u         /* pairs that the driver and the guard band spoil */
#define WEAK 0.1f             /* of the mean amplitude: below, a subcarrier carries nothing */
#define FEW_CHANGES 4u /* subcarriers that may fade or come back without a new start */

static float amplitude_of(const int8_t *pair) {
    const int32_t square = (int32_t)pair[0] * pair[0] + (int32_t)pair[1] * pair[1];
    return ef_csi_sqrt((float)square);
}

static size_t first_bin(uint16_t subcarriers) {
    return subcarriers < BLOCK ? 0 : FIRST_WORD;
}

/* A frame with a quarter of its subcarriers or fewer has no structure to measure. */
bool ef_csi_has_structure(const ef_csi_frame *frame) {
    uint32_t found = 0;
    for (size_t i = first_bin(frame->subcarriers); i < frame->subcarriers; i++) {
        const int32_t imaginary = frame->pairs[2 * i], real = frame->pairs[2 * i + 1];
        found += imaginary * imaginary + real * real > 1 ? 1u : 0u;
        if (found * 4u > frame->subcarriers) {
            return true;
        }
    }
    return false;
}

void ef_csi_take_level(ef_csi *csi, const ef_csi_frame *frame, float share) {
    for (size_t i = 0; i < frame->subcarriers; i++) {
        csi->level[i] += share * (amplitude_of(frame->pairs + 2 * i) - csi->level[i]);
    }
}

static float mean_level(const ef_csi *csi) {
    float sum = 0.0f;
    uint16_t found = 0;
    for (size_t i = first_bin(csi->subcarriers); i < csi->subcarriers; i++) {
        if (csi->level[i] > 0.0f) {
            sum += csi->level[i];
            found++;
        }
    }
    return found == 0 ? 0.0f : sum / found;
}

static bool is_strong(const ef_csi *csi, size_t bin, float least) {
    return bin >= first_bin(csi->subcarriers) && csi->level[bin] > least;
}

/* Older chips order subcarriers -32 to 31, newer ones 0 to 31 and then -32 to -1: their guard band lies in the middle. */
static bool guard_in_the_middle(const ef_csi *csi, size_t from, float least) {
    uint8_t middle = 0, sides = 0;
    for (size_t i = 0; i < 4; i++) {
        middle += is_strong(csi, from + 30 + i, least);
        sides += is_strong(csi, from + 60 + i, least);
    }
    return middle == 0 && sides > 0;
}

static void list_field(ef_csi *csi, size_t from, float least) {
    ef_csi_field *field = &csi->fields[from / BLOCK];
    const size_t left = csi->subcarriers - from, count = left < BLOCK ? left : BLOCK;
    const size_t turn = count == BLOCK && guard_in_the_middle(csi, from, least) ? BLOCK / 2 : 0;
    *field = (ef_csi_field){.first = (uint8_t)csi->valid};
    for (size_t j = 0; j < count; j++) {
        const size_t bin = from + (j + turn) % count;
        if (is_strong(csi, bin, least)) {
            csi->bins[csi->valid] = (uint8_t)bin;
            csi->place[csi->valid++] = (uint8_t)j;
            field->count++;
            field->sum += (float)j;
            field->squares += (float)(j * j);
        }
    }
}

static size_t changes(const ef_csi *csi, float least) {
    size_t changed = 0, listed = 0;
    for (size_t i = 0; i < csi->subcarriers; i++) {
        changed += is_strong(csi, i, least);
    }
    for (size_t v = 0; v < csi->valid; v++) {
        listed += is_strong(csi, csi->bins[v], least);
    }
    return changed + csi->valid - 2 * listed;
}

bool ef_csi_choose(ef_csi *csi) {
    const float least = WEAK * mean_level(csi);
    if (csi->valid > 0 && changes(csi, least) <= FEW_CHANGES) {
        return false;
    }
    csi->valid = 0;
    for (size_t from = 0; from < csi->subcarriers; from += BLOCK) {
        list_field(csi, from, least);
    }
    memset(csi->amplitude, 0, sizeof csi->amplitude);
    return true;
}

void ef_csi_measure(ef_csi *csi, const ef_csi_frame *frame) {
    float power = 0.0f;
    for (size_t v = 0; v < csi->valid; v++) {
        const size_t bin = csi->bins[v];
        const float amplitude = amplitude_of(frame->pairs + 2 * bin);
        csi->amplitude[bin] = amplitude;
        power += amplitude * amplitude;
    }
    const float scale = power > 0.0f ? ef_csi_sqrt((float)csi->valid / power) : 0.0f;
    for (size_t v = 0; v < csi->valid; v++) {
        csi->amplitude[csi->bins[v]] *= scale;
    }
}

/* Unwraps along the subcarriers of a field and takes the line through the phases away. */
static void straighten(const ef_csi *csi, const ef_csi_field *field, float *to, size_t most) {
    float before = 0.0f, phase = 0.0f, sum = 0.0f, moment = 0.0f;
    const float n = field->count, spread = n * field->squares - field->sum * field->sum;
    const uint8_t *bins = csi->bins + field->first, *place = csi->place + field->first;
    for (size_t v = 0; v < field->count; v++) {
        const int8_t *pair = csi->newest + 2 * bins[v];
        const float angle = ef_csi_atan2((float)pair[0], (float)pair[1]);
        phase += ef_csi_wrap(angle - before);
        before = angle;
        if (bins[v] < most) {
            to[bins[v]] = phase;
        }
        sum += phase;
        moment += phase * (float)place[v];
    }
    const float slope = spread > 0.0f ? (n * moment - field->sum * sum) / spread : 0.0f;
    const float offset = field->count > 0 ? (sum - slope * field->sum) / n : 0.0f;
    for (size_t v = 0; v < field->count; v++) {
        if (bins[v] < most) {
            to[bins[v]] -= offset + slope * (float)place[v];
        }
    }
}

void ef_csi_correct(const ef_csi *csi, float *to, size_t most) {
    for (size_t from = 0; from < csi->subcarriers; from += BLOCK) {
        straighten(csi, &csi->fields[from / BLOCK], to, most);
    }
}

static void insert(ef_csi *csi, float *quality, uint8_t bin, float own) {
    uint8_t at = csi->tops;
    for (; at > 0 && quality[at - 1] < own; at--) {
        if (at < csi->options.top_subcarriers) {
            quality[at] = quality[at - 1];
            csi->top[at] = csi->top[at - 1];
        }
    }
    if (at < csi->options.top_subcarriers) {
        quality[at] = own;
        csi->top[at] = bin;
        csi->tops = (uint8_t)(csi->tops < csi->options.top_subcarriers ? csi->tops + 1u : csi->tops);
    }
}

/* The best subcarrier is the one whose changes survive best from one frame to the next: what it shows is not noise. */
void ef_csi_rank(ef_csi *csi) {
    float quality[EF_CSI_MAX_TOP];
    csi->tops = 0;
    for (size_t v = 0; v < csi->valid; v++) {
        const uint8_t bin = csi->bins[v];
        insert(csi, quality, bin, csi->persistent[bin] / (csi->variance[bin] + EF_CSI_LEAST_NOISE));
    }
}
