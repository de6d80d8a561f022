/*
 * People who pass a link across a doorway: each makes the change between frames rise and fall. Two rises within three seconds are
 * told as two who went through together.
 */
#include "edgeflow_change.h"
#include "edgeflow_filter.h"

#define TAILGATE 230
#define SINGLE 231
#define MULTIPLE 232

#define SMOOTH_S 0.3f
#define NOISE_S 10.0f
#define SETTLE_S 2.0f
#define OUTLIER 9.0f     /* times the noise: what is more teaches no more, so that a passage is not learnt as noise */
#define BEGINS 5.0f      /* times the scatter of the change while nobody passes */
#define DIPS 0.4f        /* of the peak: below, the next rise is another one */
#define TOGETHER_S 3.0f  /* between two rises */
#define SHORTEST_S 0.3f
#define LONGEST_S 10.0f  /* who is there longer does not pass */

static ef_change frames;
static ef_smooth power, noise;
static float quiet, lasted, extreme, since_peak, gap; /* extreme: the peak while it rises, the dip while it falls */
static int32_t rises;
static bool falling, passing;

static void begin(float level) {
    passing = true;
    falling = false;
    quiet = lasted = since_peak = gap = 0.0f;
    extreme = level;
    rises = 1;
}

static void finish(void) {
    passing = false;
    const float walked = lasted - quiet;
    if (walked < SHORTEST_S || walked > LONGEST_S) {
        return;
    }
    if (rises == 1) {
        csi_emit_event(SINGLE, 1000.0f * walked);
    } else {
        csi_emit_event(TAILGATE, (float)rises);
        csi_emit_event(MULTIPLE, 1000.0f * gap);
    }
}

static void follow(float level, float floor, float passed) {
    since_peak += passed;
    if (!falling && level > extreme) {
        extreme = level;
        since_peak = 0.0f;
    } else if (!falling && level < DIPS * extreme) {
        falling = true;
        extreme = level;
    } else if (falling && level < extreme) {
        extreme = level;
    } else if (falling && level > floor && DIPS * level > extreme) {
        falling = false;
        extreme = level;
        gap = since_peak;
        since_peak = 0.0f;
        rises++;
    }
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float change = ef_change_step(&frames, subcarriers), passed = frames.passed;
    const float level = ef_smooth_step(&power, change, passed, SMOOTH_S);
    const float floor = BEGINS * ef_sqrt(noise.value);
    if (passing) {
        lasted += passed;
        quiet = level > floor ? 0.0f : quiet + passed;
        follow(level, floor, passed);
        if (quiet > TOGETHER_S) {
            finish();
        }
    } else if (noise.seconds > NOISE_S && level > floor) {
        begin(level);
    } else {
        const float most = noise.seconds > SETTLE_S ? OUTLIER * noise.value : change * change;
        ef_smooth_step(&noise, ef_min(change * change, most), passed, NOISE_S);
    }
}
