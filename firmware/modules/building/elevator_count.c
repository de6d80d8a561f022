/*
 * A cabin: its doors change the pattern of amplitudes at once and for good, and people in it change the variance. How variance
 * becomes a number of people depends on the cabin; steps of a doubling over the empty one are assumed.
 */
#include "edgeflow_math.h"
#include "edgeflow_room.h"

#define COUNT 330
#define OPEN 331
#define CLOSE 332
#define OVERLOAD 333

#define MOST 12
#define FULL 10
#define FAST_S 1.0f
#define SLOW_S 8.0f
#define JUMP 0.35f   /* relative change of the pattern */
#define QUIET_S 60.0f
#define SETTLE_S 5.0f

static ef_clock frames, seconds;
static ef_smooth fast[EF_MAX_SUBCARRIERS], slow[EF_MAX_SUBCARRIERS], quiet;
static float variance, jump, since_jump;
static bool open, overloaded;
static int32_t told;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float step = ef_clock_step(&frames);
    float off = 0.0f, all = 0.0f;
    variance = 0.0f;
    for (int32_t i = 0; i < subcarriers && i < EF_MAX_SUBCARRIERS; i++) {
        const float amplitude = csi_get_amplitude(i);
        const float now = ef_smooth_step(&fast[i], amplitude, step, FAST_S);
        const float before = ef_smooth_step(&slow[i], amplitude, step, SLOW_S);
        off += ef_abs(now - before);
        all += before;
        variance += csi_get_variance(i);
    }
    jump = all > 0.0f ? off / all : 0.0f;
}

static int32_t people(void) {
    int32_t count = 0;
    for (float level = 2.0f * quiet.value; quiet.seconds >= QUIET_S && variance > level && count < MOST; level *= 2.0f) {
        count++;
    }
    return count;
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float step = ef_clock_step(&seconds);
    since_jump += step;
    if (csi_get_presence() == 0) {
        ef_smooth_step(&quiet, variance, step, QUIET_S);
    }
    if (jump > JUMP && since_jump > SETTLE_S) {
        since_jump = 0.0f;
        open = !open;
        csi_emit_event(open ? OPEN : CLOSE, 1.0f);
    }
    const int32_t count = csi_get_presence() != 0 ? people() : 0;
    if (count != told && since_jump > SETTLE_S) {
        told = count;
        csi_emit_event(COUNT, (float)count);
    }
    if ((count >= FULL) != overloaded) {
        overloaded = count >= FULL;
        if (overloaded) {
            csi_emit_event(OVERLOAD, (float)count);
        }
    }
}
