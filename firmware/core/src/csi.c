/* The door: checks, one stream out of many, time, and what is told. */
#include <string.h>

#include "csi_internal.h"

#define LONGEST_GAP_US 2000000u /* behind it everything starts anew */
#define LATE_IN_A_ROW 8u        /* then it is the clock that went back */
#define STREAM_WINDOW 200u
#define LEVEL_EVERY 8u
#define LEVEL_FRAMES 64.0f /* of these */
#define REVISED 1000u           /* frames between two looks at which subcarriers count */

_Static_assert(sizeof(ef_csi) <= EF_CSI_STATE_BUDGET, "the state is above its budget");

ef_csi_options ef_csi_default_options(void) {
    return (ef_csi_options){
        .tier = 2,
        .top_subcarriers = 8,
        .calibration_frames = 1200,
        .presence_sigma = 3.0f,
        .fall_threshold = 50.0f,
        .breathing_low_hz = 0.1f,
        .breathing_high_hz = 0.5f,
        .heart_low_hz = 0.8f,
        .heart_high_hz = 2.0f,
    };
}

static bool is_band(float low, float high, float least, float most) {
    return low >= least && high <= most && low < high;
}

ef_status ef_csi_init(ef_csi *csi, const ef_csi_options *options) {
    const bool known = options->tier >= 1 && options->tier <= 2 && options->top_subcarriers >= 1 &&
                       options->top_subcarriers <= EF_CSI_MAX_TOP && options->presence_threshold >= 0.0f &&
                       options->presence_sigma >= 0.0f && options->fall_threshold > 0.0f &&
                       is_band(options->breathing_low_hz, options->breathing_high_hz, 0.05f, 1.0f) &&
                       is_band(options->heart_low_hz, options->heart_high_hz, 0.5f, 3.5f);
    if (!known) {
        return EF_ERROR_UNSUPPORTED;
    }
    memset(csi, 0, sizeof *csi);
    csi->options = *options;
    ef_csi_calibrate(csi);
    return EF_OK;
}

static bool is_length(uint16_t subcarriers) {
    return subcarriers == 52 || subcarriers == 64 || subcarriers == 128 || subcarriers == 192;
}

/* Everything that came from earlier frames of the stream is forgotten; what was learnt of the room stays. */
static void restart(ef_csi *csi, const ef_csi_frame *frame) {
    csi->time_us = frame->time_us;
    csi->subcarriers = frame->subcarriers;
    csi->used = 0;
    csi->late = 0;
    csi->valid = csi->tops = 0;
    csi->started = true;
    csi->noise = csi->common = csi->power = csi->nearby = csi->score = 0.0f;
    csi->present = false;
    csi->leader = 0;
    memset(csi->level, 0, sizeof csi->level);
    memset(csi->variance, 0, sizeof csi->variance);
    memset(csi->persistent, 0, sizeof csi->persistent);
    ef_csi_grid_reset(csi);
}

static ef_csi_stream *stream_of(ef_csi *csi, const ef_csi_frame *frame) {
    ef_csi_stream *least = &csi->streams[csi->stream == 0 ? 1 : 0];
    for (size_t i = 0; i < EF_CSI_STREAMS; i++) {
        ef_csi_stream *own = &csi->streams[i];
        if (own->subcarriers == frame->subcarriers && own->source == frame->source) {
            return own;
        }
        least = i != csi->stream && own->seen < least->seen ? own : least;
    }
    if (csi->streams[csi->stream].subcarriers == 0) {
        least = &csi->streams[csi->stream];
    }
    *least = (ef_csi_stream){.subcarriers = frame->subcarriers, .source = frame->source};
    return least;
}

/* The stream with most frames is the one that is measured; another must have twice as many to take its place. */
static bool belongs(ef_csi *csi, const ef_csi_frame *frame) {
    ef_csi_stream *own = stream_of(csi, frame);
    const size_t index = (size_t)(own - csi->streams);
    own->seen++;
    if (++csi->window >= STREAM_WINDOW) {
        csi->window = 0;
        for (size_t i = 0; i < EF_CSI_STREAMS; i++) {
            csi->streams[i].seen /= 2u;
        }
    }
    const uint16_t measured = csi->streams[csi->stream].seen;
    if (index != csi->stream && own->seen > 2u * measured + EF_CSI_SETTLE) {
        csi->stream = (uint8_t)index;
        csi->started = false;
    }
    return index == csi->stream;
}

/* Late frames are refused, until there are so many that the clock itself must have gone back. */
static bool is_late(ef_csi *csi, const ef_csi_frame *frame) {
    if (!csi->started || frame->time_us > csi->time_us) {
        csi->late = 0;
        return false;
    }
    if (++csi->late < LATE_IN_A_ROW) {
        return true;
    }
    csi->started = false;
    return false;
}

/* True while the first frames decide which subcarriers count, and when those have changed. */
static bool settling(ef_csi *csi) {
    if (csi->used < EF_CSI_SETTLE) {
        return true;
    }
    if (csi->used > EF_CSI_SETTLE && csi->used % REVISED != 0) {
        return false;
    }
    const bool changed = ef_csi_choose(csi);
    csi->used = csi->valid < EF_CSI_GROUPS ? 0 : changed ? EF_CSI_SETTLE : csi->used;
    return changed;
}

static void begin_measuring(ef_csi *csi, const ef_csi_frame *frame) {
    ef_csi_measure(csi, frame);
    memcpy(csi->mean, csi->amplitude, sizeof csi->mean);
    memset(csi->change, 0, sizeof csi->change);
    ef_csi_grid_reset(csi);
}

static void use(ef_csi *csi, const ef_csi_frame *frame, float elapsed) {
    csi->used++;
    if (csi->used <= EF_CSI_SETTLE) {
        ef_csi_take_level(csi, frame, 1.0f / (float)csi->used);
    } else if (csi->used % LEVEL_EVERY == 0) {
        ef_csi_take_level(csi, frame, 1.0f / LEVEL_FRAMES);
    }
    if (settling(csi)) {
        if (csi->used == EF_CSI_SETTLE) {
            begin_measuring(csi, frame);
        }
        return;
    }
    ef_csi_measure(csi, frame);
    ef_csi_motion_frame(csi, elapsed);
    memcpy(csi->newest, frame->pairs, 2u * frame->subcarriers);
    csi->learning += csi->calibrated ? 0u : 1u;
    ef_csi_grid_frame(csi);
}

ef_status ef_csi_push(ef_csi *csi, const ef_csi_frame *frame) {
    csi->frames++;
    if (!is_length(frame->subcarriers)) {
        csi->refused++;
        return EF_ERROR_LENGTH;
    }
    if (!ef_csi_has_structure(frame)) {
        csi->refused++;
        return EF_ERROR_CRC;
    }
    if (is_late(csi, frame)) {
        csi->refused++;
        return EF_ERROR_STATE;
    }
    if (!belongs(csi, frame)) {
        return EF_OK;
    }
    if (!csi->started || frame->time_us - csi->time_us > LONGEST_GAP_US) {
        restart(csi, frame);
    }
    const float elapsed = (float)(frame->time_us - csi->time_us) * 1e-6f;
    if (elapsed > 0.0f) {
        csi->interval += csi->used < 2 ? elapsed - csi->interval : (elapsed - csi->interval) / 64.0f;
    }
    csi->time_us = frame->time_us;
    csi->rssi = frame->rssi;
    use(csi, frame, elapsed);
    return EF_OK;
}
