/* How well the phases of a frame agree with those of the frames before: falls when the link is disturbed. Events of core: 2. */
#include "edgeflow_csi.h"

#define COHERENCE 2
#define EVERY_MS 1000u
#define FORGET 0.1f

static float last[EF_MAX_SUBCARRIERS];
static float smooth = 1.0f;
static int32_t known;
static uint32_t told;

/* cos by its series to the sixth power: within 0.03 over half a turn. */
static float cosine(float angle) {
    const float turn = 6.2831853f;
    while (angle > 3.1415927f) {
        angle -= turn;
    }
    while (angle < -3.1415927f) {
        angle += turn;
    }
    const float square = angle * angle;
    const float value = 1.0f - square * (0.5f - square * (0.0416667f - square * 0.0013889f));
    return value < -1.0f ? -1.0f : value;
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    float sum = 0.0f;
    int32_t used = 0;
    for (int32_t i = 0; i < subcarriers && i < EF_MAX_SUBCARRIERS; i++) {
        const float phase = csi_get_phase(i);
        if (csi_get_amplitude(i) > 0.0f) {
            sum += cosine(phase - last[i]);
            used++;
        }
        last[i] = phase;
    }
    if (known == subcarriers && used > 0) {
        smooth += FORGET * (sum / (float)used - smooth);
    }
    known = subcarriers;
    const uint32_t now = (uint32_t)csi_get_timestamp();
    if (now - told >= EVERY_MS) {
        told = now;
        csi_emit_event(COHERENCE, smooth);
    }
}
