/*
 * How many. Somebody is one; more are counted only when other parts of the movement breathe clearly, each at a rate of its own.
 * Persons who move, or breathe alike, are not told apart.
 */
#include "csi_internal.h"

#define CLEAR_RATIO 25.0f /* 14 dB */
#define APART_HZ 0.03f

static bool same_breath(float one, float other) {
    const float low = one < other ? one : other, high = one < other ? other : one;
    for (float times = 1.0f; times <= 3.0f; times += 1.0f) {
        const float away = high - times * low;
        if (away < APART_HZ && away > -APART_HZ) {
            return true;
        }
    }
    return false;
}

static bool is_new(const ef_csi *csi, float frequency) {
    for (size_t i = 0; i < csi->persons; i++) {
        if (same_breath(frequency, csi->person_bpm[i] / 60.0f)) {
            return false;
        }
    }
    return true;
}

void ef_csi_persons_end(ef_csi *csi) {
    csi->persons = 0;
    if (!(csi->breathing.bpm > 0.0f)) {
        return;
    }
    csi->person_bpm[csi->persons++] = csi->breathing.bpm;
    for (size_t part = 0; part < EF_CSI_PARTS && csi->persons < EF_CSI_MAX_PERSONS; part++) {
        if (csi->found_ratio[part] >= CLEAR_RATIO && is_new(csi, csi->found_hz[part])) {
            csi->person_bpm[csi->persons++] = 60.0f * csi->found_hz[part];
        }
    }
}
