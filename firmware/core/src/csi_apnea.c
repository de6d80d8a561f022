/*
 * Somebody who breathed and does not. The direction in which the modes breathed is kept; when nothing moves along it any more
 * while nothing else moved either, the breath has stopped. Who left would have moved, and what moves ends the watch.
 */
#include <string.h>

#include "csi_internal.h"

#define PIECE 60u           /* samples: 15 s */
#define TRIED 9u            /* frequencies of the band */
#define CLEAR_PIECE 50.0f   /* power of a breath within a piece, in units of the noise, so that none is none */
#define NOISE_PIECE 10.0f   /* what noise reaches in one of a thousand */
#define STOPPED 0.12f       /* of the usual power: a third of the depth */
#define RESUMED 0.3f
#define MOVED 2.0f          /* times the score of somebody who only breathes */
#define LEARNING 6u         /* cycles with a breath before it is watched */
#define CYCLES 2u           /* in a row without one */
#define WATCH_US 40000000u  /* after the last rate that was told */
#define LONGEST_US 90000000u

/* The largest power within the band in the newest piece, of a sum of modes. */
static float newest_power(ef_csi *csi, const float *factor) {
    float most = 0.0f;
    for (size_t slice = EF_CSI_SLICES / 2u; slice < EF_CSI_SLICES; slice++) {
        ef_csi_gather(csi, factor, 2, slice);
    }
    float *piece = csi->buffer + csi->span - PIECE;
    ef_csi_straighten(piece, PIECE);
    const float low = csi->options.breathing_low_hz, step = (csi->options.breathing_high_hz - low) / (float)(TRIED - 1u);
    for (size_t i = 0; i < TRIED; i++) {
        const float radians = 4.0f * EF_CSI_PI / EF_CSI_TICK_RATE * (low + step * (float)i);
        const float power = ef_csi_power_at(piece, PIECE, radians) / (float)PIECE;
        most = power > most ? power : most;
    }
    return most;
}

static float power_of_breath(ef_csi *csi) {
    float factor[EF_CSI_MODES];
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        factor[m] = csi->apnea.direction[m] * csi->weight[m];
    }
    return newest_power(csi, factor);
}

/* Who turned over, and somebody else, breathes in another direction. */
static bool nothing_breathes(ef_csi *csi) {
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        float factor[EF_CSI_MODES] = {0};
        factor[m] = csi->weight[m];
        if (newest_power(csi, factor) > NOISE_PIECE) {
            return false;
        }
    }
    return true;
}

static void learn(ef_csi *csi, float power) {
    ef_csi_apnea *apnea = &csi->apnea;
    apnea->usual += (apnea->learnt == 0 ? 1.0f : 0.2f) * (power - apnea->usual);
    apnea->learnt = (uint8_t)(apnea->learnt < LEARNING ? apnea->learnt + 1u : LEARNING);
    apnea->score += (apnea->learnt == 1 ? 1.0f : 0.2f) * (csi->score - apnea->score);
    apnea->told_us = csi->time_us;
}

/* Whoever moves may leave. */
void ef_csi_apnea_tick(ef_csi *csi) {
    if (csi->score > csi->threshold && csi->score > MOVED * csi->apnea.score) {
        csi->apnea = (ef_csi_apnea){0};
    }
}

void ef_csi_apnea_cycle(ef_csi *csi) {
    ef_csi_apnea *apnea = &csi->apnea;
    const bool told = csi->breathing.bpm > 0.0f;
    if (told && apnea->missed == 0) {
        memcpy(apnea->direction, csi->best, sizeof apnea->direction);
    }
    if (csi->span < 2u * PIECE || (!told && apnea->learnt == 0)) {
        return;
    }
    const float power = power_of_breath(csi);
    const bool known = apnea->learnt == LEARNING && apnea->usual > CLEAR_PIECE;
    const bool missing = known && power < STOPPED * apnea->usual && nothing_breathes(csi);
    if (apnea->stopped) {
        const bool over = power > RESUMED * apnea->usual || csi->time_us - apnea->since_us > LONGEST_US;
        *apnea = over ? (ef_csi_apnea){0} : *apnea;
        return;
    }
    apnea->missed = (uint8_t)(missing ? apnea->missed + 1u : 0u);
    if (apnea->missed >= CYCLES) {
        apnea->stopped = true;
        apnea->since_us = csi->time_us;
    } else if (!missing && told) {
        learn(csi, power);
    } else if (csi->time_us - apnea->told_us > WATCH_US) {
        *apnea = (ef_csi_apnea){0};
    }
}
