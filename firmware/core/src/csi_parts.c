/*
 * What the groups of subcarriers do together. A chest moves all of them at once, each by its own factor, and noise moves each
 * alone: the directions in which the groups vary most, in units of their noise, gather the breath and leave the noise behind.
 */
#include <string.h>

#include "csi_internal.h"

#define MEMORY_SECONDS 20.0f
#define LEAST_DEVIATION 1e-4f

void ef_csi_parts_reset(ef_csi *csi) {
    memset(csi->filter, 0, sizeof csi->filter);
    memset(csi->covariance, 0, sizeof csi->covariance);
    memset(csi->tick_noise, 0, sizeof csi->tick_noise);
    csi->covered = 0;
}

static void band_pass(ef_csi *csi, const float *groups, float *to) {
    float b0, a1, a2;
    ef_csi_band_pass(0.8f * csi->options.breathing_low_hz, 1.2f * csi->options.breathing_high_hz, &b0, &a1, &a2);
    float *x1 = csi->filter[0], *x2 = csi->filter[1], *y1 = csi->filter[2], *y2 = csi->filter[3];
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        const float x = groups[g];
        if (csi->covered == 0) {
            x1[g] = x2[g] = x;
        }
        to[g] = b0 * (x - x2[g]) - a1 * y1[g] - a2 * y2[g];
        x2[g] = x1[g];
        x1[g] = x;
        y2[g] = y1[g];
        y1[g] = to[g];
    }
}

void ef_csi_parts_tick(ef_csi *csi, const float *groups) {
    float passed[EF_CSI_GROUPS];
    band_pass(csi, groups, passed);
    csi->covered = (uint16_t)(csi->covered < UINT16_MAX ? csi->covered + 1u : csi->covered);
    const float first = 1.0f / csi->covered, usual = ef_csi_share(EF_CSI_TICK_S, MEMORY_SECONDS);
    const float share = first > usual ? first : usual;
    for (size_t g = 0, at = 0; g < EF_CSI_GROUPS; g++) {
        const float step = groups[g] - csi->last[g];
        csi->tick_noise[g] += share * (0.5f * step * step - csi->tick_noise[g]);
        for (size_t other = g; other < EF_CSI_GROUPS; other++, at++) {
            csi->covariance[at] += share * (passed[g] * passed[other] - csi->covariance[at]);
        }
    }
}

void ef_csi_parts_begin(ef_csi *csi) {
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        csi->weight[g] = 1.0f / (ef_csi_sqrt(csi->tick_noise[g]) + LEAST_DEVIATION);
    }
    for (size_t part = 0; part < EF_CSI_PARTS; part++) {
        float *own = csi->direction[part];
        for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
            /* Never at right angles to what it looks for, for long: the last answer, and a little of everything. */
            own[g] += (g * (part + 3u)) % 7u < 3u ? 0.05f : -0.05f;
        }
    }
}

static float dot(const float *one, const float *other) {
    float sum = 0.0f;
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        sum += one[g] * other[g];
    }
    return sum;
}

static void multiply(const ef_csi *csi, const float *from, float *to) {
    memset(to, 0, EF_CSI_GROUPS * sizeof *to);
    for (size_t g = 0, at = 0; g < EF_CSI_GROUPS; g++) {
        for (size_t other = g; other < EF_CSI_GROUPS; other++, at++) {
            const float value = csi->covariance[at] * csi->weight[g] * csi->weight[other];
            to[g] += value * from[other];
            to[other] += other == g ? 0.0f : value * from[g];
        }
    }
}

/* The power method, kept off the directions of the parts before. */
void ef_csi_parts_turn(ef_csi *csi, size_t part) {
    float turned[EF_CSI_GROUPS];
    multiply(csi, csi->direction[part], turned);
    for (size_t before = 0; before < part; before++) {
        const float shared = dot(turned, csi->direction[before]);
        for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
            turned[g] -= shared * csi->direction[before][g];
        }
    }
    const float length = ef_csi_sqrt(dot(turned, turned));
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        csi->direction[part][g] = length > 0.0f ? turned[g] / length : 0.0f;
    }
}
