/*
 * How many. Somebody is one; more are counted when other directions among the modes breathe too, each at a rate of its own.
 * Persons who move, or breathe alike, are not told apart.
 */
#include "csi_internal.h"

#define APART_HZ 0.016f     /* what the window can tell apart */
#define HARMONIC_HZ 0.003f  /* times its number */
#define HARMONICS 5u
#define HARMONIC_SHARE 0.3f /* of a breath's power in one of its harmonics, at most: more is somebody else */
#define MIXED_HZ 0.01f
#define MIXED_SHARE 0.1f    /* of the weaker of two breaths in their sum and difference */

static float distance(float one, float other) {
    return one > other ? one - other : other - one;
}

static bool is_multiple(float high, float low) {
    for (size_t times = 2; times <= HARMONICS; times++) {
        if (distance(high, (float)times * low) < HARMONIC_HZ * (float)times) {
            return true;
        }
    }
    return false;
}

static bool is_mixture(const ef_csi *csi, ef_csi_peak peak) {
    for (size_t i = 0; i < csi->peak_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const ef_csi_peak one = csi->peaks[i], other = csi->peaks[j];
            const bool there = distance(peak.hz, one.hz + other.hz) < MIXED_HZ ||
                               distance(peak.hz, distance(one.hz, other.hz)) < MIXED_HZ;
            if (there && peak.power < MIXED_SHARE * (one.power < other.power ? one.power : other.power)) {
                return true;
            }
        }
    }
    return false;
}

/* Counts a peak that is nobody else's breath, harmonic or mixture. */
void ef_csi_persons_add(ef_csi *csi, ef_csi_peak peak) {
    for (size_t i = 0; i < csi->peak_count; i++) {
        ef_csi_peak *own = &csi->peaks[i];
        if (distance(own->hz, peak.hz) < APART_HZ ||
            (is_multiple(peak.hz, own->hz) && peak.power < HARMONIC_SHARE * own->power)) {
            return;
        }
        if (is_multiple(own->hz, peak.hz) && own->power < HARMONIC_SHARE * peak.power) {
            *own = peak;
            return;
        }
    }
    if (!is_mixture(csi, peak) && csi->peak_count < EF_CSI_MAX_PERSONS) {
        csi->peaks[csi->peak_count++] = peak;
    }
}

/* The count of most of the last cycles. */
static uint8_t usual_count(const ef_csi *csi) {
    float counts[EF_CSI_COUNTS];
    for (size_t i = 0; i < csi->cycles; i++) {
        counts[i] = csi->counted[i];
    }
    return csi->cycles == 0 ? 0 : (uint8_t)ef_csi_median(counts, csi->cycles);
}

void ef_csi_persons_end(ef_csi *csi) {
    csi->cycles = (uint8_t)(csi->cycles < EF_CSI_COUNTS ? csi->cycles + 1u : EF_CSI_COUNTS);
    for (size_t i = csi->cycles; i-- > 1;) {
        csi->counted[i] = csi->counted[i - 1u];
    }
    csi->counted[0] = csi->peak_count;
    csi->persons = usual_count(csi);
    csi->told = csi->peak_count < csi->persons ? csi->peak_count : csi->persons;
    for (size_t i = 0; i < csi->told; i++) {
        const float own = 60.0f * csi->peaks[i].hz;
        const bool first = csi->breathing.bpm > 0.0f && distance(own, csi->breathing.bpm) < 60.0f * APART_HZ;
        csi->person_bpm[i] = first ? csi->breathing.bpm : own;
    }
}
