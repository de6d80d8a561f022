#include "edgeflow/node_test.h"

#define SUBCARRIERS 64u
#define FRAMES 100u
#define INTERVAL_US 50000u
#define RATE_HZ 20.0f

/* A flat channel with a slope of phase, and a little noise that is the same everywhere. */
static void make(int8_t *pairs, uint32_t *state) {
    for (unsigned k = 0; k < SUBCARRIERS; k++) {
        *state = *state * 1664525u + 1013904223u;
        int noise = (int)(*state >> 30);
        pairs[2u * k] = (int8_t)(10 + (int)(k % 8u) + noise);
        pairs[2u * k + 1u] = (int8_t)(24 - (int)(k % 8u) + noise);
    }
}

static bool pass(ef_csi *csi, ef_csi_ring *ring, uint32_t number, uint32_t *state) {
    int8_t pairs[2u * SUBCARRIERS];
    make(pairs, state);
    const ef_csi_frame in = {.time_us = (number + 1ull) * INTERVAL_US, .pairs = pairs, .subcarriers = SUBCARRIERS,
                             .rssi = -50, .noise_floor = -90, .channel = 6};
    ef_csi_frame out;
    bool through = ef_csi_ring_push(ring, &in) && ef_csi_ring_peek(ring, &out) && ef_csi_push(csi, &out) == EF_OK;
    ef_csi_ring_pop(ring);
    return through;
}

bool ef_node_test_sensing(ef_csi *csi, ef_csi_ring *ring) {
    const ef_csi_options options = ef_csi_default_options();
    uint32_t state = 1;
    ef_csi_ring_init(ring);
    if (ef_csi_init(csi, &options) != EF_OK) {
        return false;
    }
    for (uint32_t i = 0; i < FRAMES; i++) {
        if (!pass(csi, ring, i, &state)) {
            return false;
        }
    }
    ef_csi_vitals vitals;
    ef_csi_get_vitals(csi, FRAMES * (uint64_t)INTERVAL_US, &vitals);
    return vitals.frames == FRAMES && vitals.refused == 0 && vitals.frame_rate > 0.95f * RATE_HZ &&
           vitals.frame_rate < 1.05f * RATE_HZ;
}
