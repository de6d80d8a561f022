/*
 * Gestures of an arm near the link, by the rhythm of their strokes: one link sees when an arm moves, not where to. How far groups
 * of subcarriers went within a fifth of a second is brought to between 0 and 1, and what lies between two silences is compared
 * with four templates by dynamic time warping. One stroke is no gesture: who sits down or shuts a door makes one too.
 */
#include "edgeflow_statistics.h"
#include "edgeflow_strokes.h"

#define GESTURE 1

#define STEPS 80          /* steps that are kept */
#define LONGEST 58        /* steps of a gesture */
#define SILENCE 18        /* steps that end it; longer than its pauses */
#define TURN 4            /* steps that a hand may rest at the end of a stroke, which are filled */
#define BAND 5            /* steps that a gesture and its template may be apart, as is usual in dynamic time warping */
#define ACCEPT 0.2f       /* mean distance of a step; half the steps of an unrelated one are apart */
#define CLEARER 0.05f     /* and that much nearer than any other template */
#define FORBIDDEN 1e9f
#define STIRS 0.25f       /* of the motion score: somebody walks, or breathes beside the antenna */
#define CALM_S 5.0f       /* without that before a gesture */
#define PRESENT_S 60.0f   /* since the core last knew of somebody: interference has rhythms too */

typedef struct pattern {
    int32_t parts;
    int32_t lengths[5]; /* steps of strokes and pauses in turn, beginning with a stroke */
} pattern;

static const pattern patterns[] = {
    {3, {10, 12, 10}},        /* 1: two pushes, each out and back, a second apart */
    {5, {10, 12, 10, 12, 10}}, /* 2: three pushes */
    {3, {10, 12, 24}},        /* 3: a push, then a wave of three */
    {3, {24, 12, 10}},        /* 4: a wave, then a push */
};
#define PATTERNS ((int32_t)(sizeof patterns / sizeof *patterns))

EF_RING(levels, STEPS);
static ef_strokes strokes;
static int32_t active, silent;
static float calm, absent = PRESENT_S;
static bool meant;
static ef_clock clock;
static float gesture[LONGEST], best, second;
static int32_t gesture_length, compared = PATTERNS, which;

static int32_t length_of(const pattern *own) {
    int32_t length = 0;
    for (int32_t i = 0; i < own->parts; i++) {
        length += own->lengths[i];
    }
    return length;
}

static int32_t draw(const pattern *own, float *shape) {
    int32_t at = 0;
    for (int32_t part = 0; part < own->parts; part++) {
        for (int32_t i = 0; i < own->lengths[part]; i++) {
            shape[at++] = part & 1 ? 0.0f : 1.0f;
        }
    }
    return at;
}

static float strongest(int32_t from, int32_t to) {
    float most = 0.0f;
    for (int32_t i = from; i <= to; i++) {
        most = ef_max(most, ef_ring_at(&levels, i));
    }
    return most;
}

/* Of the step, or the smaller of what surrounds it: pauses are longer than the turns that this fills. */
static float seen(int32_t at) {
    return ef_max(ef_ring_at(&levels, at), ef_min(strongest(at - TURN + 1, at - 1), strongest(at + 1, at + TURN - 1)));
}

/* One row of the table: the best ways that end at this step of the gesture, within the band. */
static void extend(float *row, int32_t low, int32_t high, float level, const float *shape) {
    float diagonal = row[low - 1];
    row[low - 1] = FORBIDDEN;
    for (int32_t j = low; j <= high; j++) {
        const float best = ef_min(ef_min(row[j - 1], row[j]), diagonal);
        diagonal = row[j];
        row[j] = best + ef_abs(level - shape[j - 1]);
    }
}

/* Mean distance of a step along the best way through both, within a band about the diagonal. */
static float warp(const pattern *own) {
    static float row[LONGEST + 1], shape[LONGEST];
    const int32_t total = draw(own, shape);
    for (int32_t j = 0; j <= total; j++) {
        row[j] = j == 0 ? 0.0f : FORBIDDEN;
    }
    for (int32_t i = 1; i <= gesture_length; i++) {
        const int32_t middle = i * total / gesture_length;
        const int32_t low = middle > BAND ? middle - BAND : 1;
        const int32_t high = middle + BAND < total ? middle + BAND : total;
        extend(row, low, high, gesture[i - 1], shape);
    }
    return row[total] / (float)(gesture_length > total ? gesture_length : total);
}

static void begin_to_compare(int32_t length) {
    const int32_t first = levels.count - SILENCE - length;
    for (int32_t i = 0; i < length; i++) {
        gesture[i] = seen(first + i);
    }
    gesture_length = length;
    compared = which = 0;
    best = second = 1.0f;
}

/* One pattern a step, so that no frame takes long. */
static void compare_next(void) {
    const pattern *own = &patterns[compared++];
    const int32_t total = length_of(own), apart = gesture_length > total ? gesture_length - total : total - gesture_length;
    const float far = apart <= 2 * BAND ? warp(own) : 1.0f;
    second = ef_min(second, ef_max(best, far));
    which = far < best ? compared : which;
    best = ef_min(best, far);
    if (compared == PATTERNS && best < ACCEPT && second - best > CLEARER) {
        csi_emit_event(GESTURE, (float)which);
    }
}

/* What is too long is no gesture, and counts on until it is over. */
static void follow(float level) {
    ef_ring_push(&levels, level);
    if (compared < PATTERNS) {
        compare_next();
    }
    const bool stroke = level > 0.5f;
    silent = stroke ? 0 : silent + 1;
    meant = active > 0 ? meant : calm >= CALM_S && absent < PRESENT_S;
    active = active > 0 || stroke ? active + 1 : 0;
    if (active > 0 && silent >= SILENCE) {
        if (meant && active - silent <= LONGEST && ef_ring_full(&levels)) {
            begin_to_compare(active - silent);
        }
        active = 0;
    }
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float passed = ef_clock_step(&clock);
    if (clock.gap) {
        active = 0;
        compared = PATTERNS;
        ef_strokes_begin(&strokes);
    }
    calm = csi_get_motion_energy() > STIRS ? 0.0f : calm + passed;
    absent = csi_get_presence() ? 0.0f : ef_min(absent + passed, PRESENT_S);
    float level = 0.0f;
    for (int32_t steps = ef_strokes_step(&strokes, passed, &level); steps > 0; steps--) {
        follow(level);
    }
    ef_strokes_add(&strokes, subcarriers);
}
