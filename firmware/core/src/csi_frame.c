/* One frame: amplitudes without the gain, phases without the offsets of carrier and timing. */
#include <string.h>

#include "csi_internal.h"

#define BLOCK 64u             /* subcarriers of one training field */
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

/* A frame with a quarter of its subcarriers or fewer, or with next to no amplitude, has no structure to measure. */
bool ef_csi_has_structure(const ef_csi_frame *frame) {
    const size_t from = first_bin(frame->subcarriers);
    uint32_t found = 0, sum = 0;
    for (size_t i = from; i < frame->subcarriers; i++) {
        const int32_t imaginary = frame->pairs[2 * i], real = frame->pairs[2 * i + 1];
        const uint32_t size = (uint32_t)((imaginary < 0 ? -imaginary : imaginary) + (real < 0 ? -real : real));
        found += size > 0 ? 1u : 0u;
        sum += size;
    }
    return found * 4u > frame->subcarriers && sum > found;
}

void ef_csi_measure(ef_csi *csi, const ef_csi_frame *frame) {
    for (size_t i = 0; i < frame->subcarriers; i++) {
        csi->amplitude[i] = amplitude_of(frame->pairs + 2 * i);
    }
}

static float mean_level(const ef_csi *csi, size_t from) {
    float sum = 0.0f;
    uint16_t found = 0;
    for (size_t i = from; i < csi->subcarriers; i++) {
        if (csi->level[i] > 0.0f) {
            sum += csi->level[i];
            found++;
        }
    }
    return found == 0 ? 0.0f : sum / found;
}

bool ef_csi_choose(ef_csi *csi) {
    const size_t from = first_bin(csi->subcarriers);
    const float least = WEAK * mean_level(csi, from);
    uint8_t mask[sizeof csi->mask] = {0};
    uint16_t valid = 0, changed = 0;
    for (size_t i = from; i < csi->subcarriers; i++) {
        const bool counts = csi->level[i] > least;
        mask[i / 8] |= (uint8_t)(counts << (i % 8));
        valid += counts;
        changed += counts != ef_csi_is_valid(csi, i);
    }
    if (changed <= FEW_CHANGES) {
        return false;
    }
    memcpy(csi->mask, mask, sizeof mask);
    csi->valid = valid;
    return true;
}

void ef_csi_normalise(ef_csi *csi) {
    float power = 0.0f;
    for (size_t i = 0; i < csi->subcarriers; i++) {
        if (ef_csi_is_valid(csi, i)) {
            power += csi->amplitude[i] * csi->amplitude[i];
        }
    }
    const float scale = power > 0.0f ? ef_csi_sqrt((float)csi->valid / power) : 0.0f;
    for (size_t i = 0; i < csi->subcarriers; i++) {
        csi->amplitude[i] = ef_csi_is_valid(csi, i) ? csi->amplitude[i] * scale : 0.0f;
    }
}

/* Older chips order subcarriers -32 to 31, newer ones 0 to 31 and then -32 to -1: their guard band lies in the middle. */
static bool guard_in_the_middle(const ef_csi *csi, size_t from) {
    uint8_t middle = 0, sides = 0;
    for (size_t i = 0; i < 4; i++) {
        middle += ef_csi_is_valid(csi, from + 30 + i);
        sides += ef_csi_is_valid(csi, from + 60 + i);
    }
    return middle == 0 && sides > 0;
}

typedef struct line {
    float n, k, kk, p, kp;
} line;

static void fit(const line *sums, float *offset, float *slope) {
    const float spread = sums->n * sums->kk - sums->k * sums->k;
    *slope = spread > 0.0f ? (sums->n * sums->kp - sums->k * sums->p) / spread : 0.0f;
    *offset = sums->n > 0.0f ? (sums->p - *slope * sums->k) / sums->n : 0.0f;
}

/* The phase next to `before` that is the same angle. */
static float unwrapped(float phase, float before) {
    const float turns = (phase - before) / (2.0f * EF_CSI_PI);
    return phase - 2.0f * EF_CSI_PI * (float)(int32_t)(turns + (turns < 0.0f ? -0.5f : 0.5f));
}

typedef struct field {
    size_t from, count, turn;
} field;

static size_t bin_of(const field *of, size_t place) {
    return of->from + (place + of->turn) % of->count;
}

/* Unwraps along the subcarriers of one training field, in the order of frequency; sums for the line through the phases. */
static line unwrap(const ef_csi *csi, const int8_t *pairs, const field *of, float *to) {
    line sums = {0};
    float before = 0.0f;
    for (size_t j = 0; j < of->count; j++) {
        const size_t i = bin_of(of, j);
        if (!ef_csi_is_valid(csi, i)) {
            continue;
        }
        const float k = (float)j, phase = ef_csi_atan2((float)pairs[2 * i], (float)pairs[2 * i + 1]);
        before = sums.n > 0.0f ? unwrapped(phase, before) : phase;
        to[j] = before;
        sums.n += 1.0f;
        sums.k += k;
        sums.kk += k * k;
        sums.p += before;
        sums.kp += k * before;
    }
    return sums;
}

static float straighten(ef_csi *csi, const int8_t *pairs, const field *of) {
    float fresh[BLOCK], offset, slope, moved = 0.0f;
    const line sums = unwrap(csi, pairs, of, fresh);
    fit(&sums, &offset, &slope);
    for (size_t j = 0; j < of->count; j++) {
        const size_t i = bin_of(of, j);
        if (ef_csi_is_valid(csi, i)) {
            const float phase = fresh[j] - offset - slope * (float)j;
            const float step = ef_csi_clip(phase - csi->phase[i], -EF_CSI_PI, EF_CSI_PI);
            moved += step * step;
            csi->phase[i] = phase;
        }
    }
    return moved;
}

float ef_csi_correct(ef_csi *csi, const int8_t *pairs) {
    float moved = 0.0f;
    for (size_t from = 0; from < csi->subcarriers; from += BLOCK) {
        const size_t left = csi->subcarriers - from;
        field of = {from, left < BLOCK ? left : BLOCK, 0};
        of.turn = of.count == BLOCK && guard_in_the_middle(csi, from) ? BLOCK / 2 : 0;
        moved += straighten(csi, pairs, &of);
    }
    return csi->valid > 0 ? moved / csi->valid : 0.0f;
}

void ef_csi_rank(ef_csi *csi) {
    float quality[EF_CSI_MAX_TOP];
    uint8_t found = 0;
    for (uint16_t i = 0; i < csi->subcarriers; i++) {
        if (!ef_csi_is_valid(csi, i)) {
            continue;
        }
        const float own = csi->persistent[i] / (csi->variance[i] + EF_CSI_LEAST_NOISE);
        uint8_t at = found;
        for (; at > 0 && quality[at - 1] < own; at--) {
            if (at < csi->options.top_subcarriers) {
                quality[at] = quality[at - 1];
                csi->top[at] = csi->top[at - 1];
            }
        }
        if (at < csi->options.top_subcarriers) {
            quality[at] = own;
            csi->top[at] = i;
            found = (uint8_t)(found < csi->options.top_subcarriers ? found + 1 : found);
        }
    }
    csi->tops = found;
}
