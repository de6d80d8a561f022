/*
 * Letters that an arm near the link spells in Morse code: a push, out and back, is a dot, a wave of three a dash. One link sees when
 * an arm moves, not where to, so no sign language is read. A letter ends with two seconds of silence, a word with four and a
 * half; the next word begins when the room was calm for five. E and T are one stroke, which a chair or a door makes too: they
 * count only within a word.
 */
#include "edgeflow_strokes.h"

#define LETTER 620
#define CONFIDENCE 621
#define WORD_GAP 622
#define REJECTED 623

#define TURN 4           /* steps that a hand may rest within a dot or a dash */
#define LETTER_ENDS 20   /* steps of silence */
#define WORD_ENDS 45
#define SHORTEST 4       /* steps of a dot; less is noise */
#define DASH 17          /* steps from which on it is a dash */
#define LONGEST 35       /* of a dash; who moves for longer does not spell */
#define CLEAR 6.0f       /* steps from the border between both that are certain */
#define MOST_MARKS 4     /* of a letter */
#define STIRS 0.25f      /* of the motion score: somebody walks, or breathes beside the antenna */
#define CALM_S 5.0f      /* without that before a letter */
#define PRESENT_S 60.0f  /* since the core last knew of somebody: interference has rhythms too */

static const char letters[] = "??ETIANMSURWDKGOHVF?L?PJBXCYZQ??"; /* by marks: a 1, then 0 for each dot and 1 for each dash */

static ef_strokes strokes;
static ef_clock clock;
static int32_t mark, silent = WORD_ENDS, marks, code;
static float calm, absent = PRESENT_S, sure;
static bool meant, wrong, word;

static void forget(void) {
    mark = marks = 0;
    code = 1;
    sure = 1.0f;
    wrong = false;
}

static void end_mark(int32_t length) {
    const bool dash = length >= DASH;
    marks++;
    wrong = wrong || length < SHORTEST || length > LONGEST || marks > MOST_MARKS;
    code = wrong ? code : 2 * code + dash;
    sure = ef_min(sure, ef_clamp(ef_abs((float)length - (DASH - 0.5f)) / CLEAR, 0.0f, 1.0f));
}

static void end_letter(void) {
    meant = meant && (word || marks > 1);
    if (meant && !wrong && letters[code] != '?') {
        word = true;
        csi_emit_event(LETTER, (float)letters[code]);
        csi_emit_event(CONFIDENCE, sure);
    } else if (meant) {
        csi_emit_event(REJECTED, (float)marks);
    }
    forget();
}

/* A tenth of a second in which the arm moved, or did not. */
static void follow(bool stroke) {
    if (stroke) {
        if (mark == 0 && marks == 0) {
            meant = word || (calm >= CALM_S && absent < PRESENT_S);
        }
        mark += mark > 0 ? silent + 1 : 1;
        silent = 0;
        return;
    }
    silent++;
    if (mark > 0 && silent > TURN) {
        end_mark(mark);
        mark = 0;
    }
    if (marks > 0 && silent == LETTER_ENDS) {
        end_letter();
    }
    if (word && silent == WORD_ENDS) {
        word = false;
        csi_emit_event(WORD_GAP, WORD_ENDS * EF_STROKE_STEP_S * 1000.0f);
    }
}

EF_EXPORT(on_init) void on_init(void) {
    forget();
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float passed = ef_clock_step(&clock);
    if (clock.gap) {
        forget();
        word = false;
        ef_strokes_begin(&strokes);
    }
    calm = csi_get_motion_energy() > STIRS ? 0.0f : calm + passed;
    absent = csi_get_presence() ? 0.0f : ef_min(absent + passed, PRESENT_S);
    float level = 0.0f;
    for (int32_t steps = ef_strokes_step(&strokes, passed, &level); steps > 0; steps--) {
        follow(level > 0.5f);
    }
    ef_strokes_add(&strokes, subcarriers);
}
