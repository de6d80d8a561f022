/* Pushes frames of a made room, for csi_cost.py to count what one costs: csi_cost RATE FRAMES SUBCARRIERS TIER. */
#include <stdlib.h>

#include "edgeflow/csi_state.h"

static ef_csi csi;

int main(int count, char **arguments) {
    if (count != 5) {
        return 2;
    }
    const unsigned long rate = strtoul(arguments[1], NULL, 10), frames = strtoul(arguments[2], NULL, 10);
    const uint16_t bins = (uint16_t)strtoul(arguments[3], NULL, 10);
    ef_csi_options options = ef_csi_default_options();
    options.tier = (uint8_t)strtoul(arguments[4], NULL, 10);
    int8_t pairs[2 * EF_CSI_MAX_SUBCARRIERS] = {0};
    uint32_t random = 1;
    if (rate == 0 || bins > EF_CSI_MAX_SUBCARRIERS || ef_csi_init(&csi, &options) != EF_OK) {
        return 2;
    }
    for (unsigned long i = 0; i < frames; i++) {
        for (size_t k = 0; k < bins; k++) {
            random = random * 1664525u + 1013904223u;
            const bool guard = k % 64 < 6 || k % 64 > 58 || k % 64 == 32;
            pairs[2 * k] = (int8_t)(guard ? 0 : 20 + (int)(random >> 28));
            pairs[2 * k + 1] = (int8_t)(guard ? 0 : 10 + (int)((random >> 20) & 7));
        }
        const ef_csi_frame frame = {.time_us = 1000000u + (uint64_t)i * 1000000u / rate, .pairs = pairs, .subcarriers = bins};
        if (ef_csi_push(&csi, &frame) != EF_OK) {
            return 1;
        }
    }
    return 0;
}
