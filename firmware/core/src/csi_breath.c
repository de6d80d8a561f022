/* A breath over time: what the modes do along its direction, a sample every quarter of a second. */
#include "csi_internal.h"

#define PIECES 4u
#define MOST_PIECE 0.5f    /* of its power in one quarter of the window: a rhythm goes on, a door or a cat does not */
#define LEAST_PIECE 0.05f  /* of the strongest quarter's power in the weakest */
#define MOST_KNOWN 0.7f    /* two who breathe beat: a rate that was told before may sway more */
#define LEAST_KNOWN 0.01f
#define LATE_SAMPLES 160u  /* 40 s */
#define LATE_POWER 20.0f   /* of a peak whose late rate is as uncertain as it can have changed */
#define TRIED 5u           /* frequencies about the one that is known */
#define TRIED_STEP_HZ 0.01f

static float radians_of(float hz) {
    return 4.0f * EF_CSI_PI / EF_CSI_TICK_RATE * hz;
}

static void gather(ef_csi *csi) {
    float factor[EF_CSI_MODES], middle = 0.0f;
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        factor[m] = csi->direction[m] * csi->weight[m];
    }
    for (size_t slice = 0; slice < EF_CSI_SLICES; slice++) {
        ef_csi_gather(csi, factor, 2, slice);
    }
    for (size_t i = 0; i < csi->span; i++) {
        middle += csi->buffer[i];
    }
    for (size_t i = 0; i < csi->span; i++) {
        csi->buffer[i] -= middle / (float)csi->span;
    }
}

bool ef_csi_breath_goes_on(ef_csi *csi, float hz) {
    gather(csi);
    const size_t count = csi->span / PIECES;
    float most = 0.0f, least = 0.0f, sum = 0.0f;
    for (size_t i = 0; i < PIECES; i++) {
        const float power = ef_csi_power_at(csi->buffer + i * count, count, radians_of(hz));
        most = power > most ? power : most;
        least = i == 0 || power < least ? power : least;
        sum += power;
    }
    const bool known = csi->breathing.bpm > 0.0f;
    return most < (known ? MOST_KNOWN : MOST_PIECE) * sum && least > (known ? LEAST_KNOWN : LEAST_PIECE) * most;
}

/* The rate of the last part of the window, from what was gathered before; of the whole where that has too much noise. */
float ef_csi_breath_of_late(ef_csi *csi, ef_csi_peak peak) {
    const size_t count = csi->span < LATE_SAMPLES ? csi->span : LATE_SAMPLES;
    float *late = csi->buffer + csi->span - count, power[TRIED];
    size_t most = 1;
    ef_csi_window(late, count);
    for (size_t i = 0; i < TRIED; i++) {
        const float tried = peak.hz + TRIED_STEP_HZ * ((float)i - 0.5f * (float)(TRIED - 1u));
        power[i] = ef_csi_power_at(late, count, radians_of(tried));
        most = i > 0 && i + 1u < TRIED && power[i] > power[most] ? i : most;
    }
    const float away = TRIED_STEP_HZ * (ef_csi_refined(power, most) - 0.5f * (float)(TRIED - 1u));
    return peak.hz + away * peak.power / (peak.power + LATE_POWER);
}
