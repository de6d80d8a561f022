/*
 * How many. Somebody is one; more are counted only when other parts of the movement breathe clearly, each at a rate of its own.
 * Persons who move, or breathe alike, are not told apart.
 */
#include "csi_internal.h"

#define CLEAR_RATIO 14.0f    /* 11 dB: the first breath is known by then */
#define LEAST_OF_MOST 0.01f /* a window's own side lobes are below */
#define APART_HZ 0.02f      /* what the window can tell apart */
#define HARMONIC_HZ 0.008f

static bool same_breath(float one, float other) {
    const float low = one < other ? one : other, high = one < other ? other : one;
    for (float times = 1.0f; times <= 8.0f; times += 1.0f) {
        const float away = high - times * low, apart = times > 1.0f ? HARMONIC_HZ : APART_HZ;
        if (away < apart && away > -apart) {
            return true;
        }
    }
    return false;
}

static void insert(ef_csi *csi, ef_csi_peak peak) {
    size_t at = csi->peak_count;
    if (at == EF_CSI_PEAKS) {
        at--;
    } else {
        csi->peak_count++;
    }
    for (; at > 0 && csi->peaks[at - 1].ratio < peak.ratio; at--) {
        csi->peaks[at] = csi->peaks[at - 1];
    }
    csi->peaks[at] = csi->peaks[at].ratio > peak.ratio && at + 1u == EF_CSI_PEAKS ? csi->peaks[at] : peak;
}

void ef_csi_peaks_add(ef_csi *csi, float floor) {
    const float *power = csi->own.power;
    float most = 0.0f;
    for (size_t i = 0; i < EF_CSI_BANDS; i++) {
        most = power[i] > most ? power[i] : most;
    }
    for (size_t i = 2; i + 2 < EF_CSI_BANDS; i++) {
        const bool top = power[i] > power[i - 1] && power[i] >= power[i + 1];
        if (top && power[i] > CLEAR_RATIO * floor && power[i] > LEAST_OF_MOST * most) {
            insert(csi, (ef_csi_peak){ef_csi_breathing_frequency(csi, ef_csi_refined(power, i)), power[i] / floor});
        }
    }
}

static bool is_new(const ef_csi *csi, float frequency) {
    for (size_t i = 0; i < csi->persons; i++) {
        if (same_breath(frequency, csi->person_bpm[i] / 60.0f)) {
            return false;
        }
    }
    return true;
}

/* Nobody more is believed in who was not there in the cycles before. */
static void keep_the_least(ef_csi *csi) {
    uint8_t now = csi->persons;
    for (size_t i = EF_CSI_COUNTS; i-- > 0;) {
        const uint8_t before = csi->counted[i];
        csi->persons = before < csi->persons ? before : csi->persons;
        csi->counted[i] = i > 0 ? csi->counted[i - 1] : now;
    }
    csi->persons = csi->persons > 0 ? csi->persons : 1;
}

void ef_csi_persons_end(ef_csi *csi) {
    const size_t count = csi->peak_count;
    csi->persons = csi->peak_count = 0;
    if (!(csi->breathing.bpm > 0.0f)) {
        return;
    }
    csi->person_bpm[csi->persons++] = csi->breathing.bpm;
    for (size_t i = 0; i < count && csi->persons < EF_CSI_MAX_PERSONS; i++) {
        const float frequency = csi->peaks[i].hz;
        if (frequency > csi->options.breathing_low_hz && is_new(csi, frequency)) {
            csi->person_bpm[csi->persons++] = 60.0f * frequency;
        }
    }
    keep_the_least(csi);
}
