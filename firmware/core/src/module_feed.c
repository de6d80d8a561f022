/* Gathers what modules see. */
#include <string.h>

#include "edgeflow/modules.h"

static void read_vitals(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us) {
    ef_csi_vitals vitals;
    ef_csi_get_vitals(csi, time_us, &vitals);
    feed->vitals_us = time_us;
    feed->inputs.breathing_bpm = vitals.breathing_bpm;
    feed->inputs.heart_bpm = vitals.heart_bpm;
    feed->inputs.motion_energy = vitals.motion_score;
    feed->inputs.presence = vitals.presence;
    feed->inputs.persons = vitals.persons;
}

static void remember(ef_module_inputs *inputs, float phase) {
    if (inputs->history_length >= EF_MODULE_HISTORY) {
        memmove(inputs->history, inputs->history + 1, (EF_MODULE_HISTORY - 1u) * sizeof(float));
        inputs->history_length = EF_MODULE_HISTORY - 1u;
    }
    inputs->history[inputs->history_length++] = phase;
}

static void keep_time(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us) {
    feed->inputs.time_ms = (uint32_t)(time_us / 1000u);
    if (!feed->started || time_us - feed->vitals_us >= EF_MODULE_TIMER_US) {
        feed->started = true;
        read_vitals(feed, csi, time_us);
    }
}

void ef_module_feed_tick(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us) {
    keep_time(feed, csi, time_us);
    feed->inputs.subcarriers = 0;
}

void ef_module_feed_frame(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us) {
    ef_module_inputs *inputs = &feed->inputs;
    uint16_t best = 0;
    keep_time(feed, csi, time_us);
    const size_t amplitudes = ef_csi_amplitudes(csi, inputs->amplitudes, EF_CSI_MAX_SUBCARRIERS);
    const size_t phases = ef_csi_phases(csi, inputs->phases, EF_CSI_MAX_SUBCARRIERS);
    const size_t variances = ef_csi_variances(csi, inputs->variances, EF_CSI_MAX_SUBCARRIERS);
    const bool whole = phases == amplitudes && variances == amplitudes;
    inputs->subcarriers = whole ? (uint32_t)amplitudes : 0u;
    const bool known = ef_csi_top(csi, &best, 1) > 0 && best < inputs->subcarriers;
    if (inputs->subcarriers > 0) {
        remember(inputs, known ? inputs->phases[best] : 0.0f);
    }
}
