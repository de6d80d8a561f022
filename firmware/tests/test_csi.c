/* Sensing from channel state: made rooms with a known truth, and what must be refused. */
#include "check.h"
#include "edgeflow/csi_state.h"

#define BINS 64u

static ef_csi csi;

typedef struct room {
    uint64_t time_us;
    double seconds;
    uint32_t random;
    double breath_hz, depth; /* of the amplitudes */
    double second_hz;        /* of somebody else, as deep, seen by other subcarriers */
    double heart_hz;         /* of the first, a quarter as deep: a heart that is easy to see */
    double sway;             /* of somebody who moves about */
    double haste;            /* times as fast as a stroll */
    uint32_t interval_us;
    int8_t pairs[2 * EF_CSI_MAX_SUBCARRIERS];
} room;

static double noise(room *it) {
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += (double)(next_random(&it->random) & 0xffff) / 65536.0 - 0.5;
    }
    return 1.7 * sum;
}

/* Sine of a turn, by its parabola: near enough for a chest. */
static double wave(double turns) {
    const double t = turns - (double)(int32_t)turns, half = t < 0.5 ? t : t - 0.5;
    return (t < 0.5 ? 16.0 : -16.0) * half * (0.5 - half);
}

static double gain_of(uint64_t time_us) {
    return (time_us / 700000u) % 2u == 0 ? 1.0 : 1.6;
}

static void make(room *it, size_t bins) {
    const double beat = it->heart_hz > 0 ? 0.25 * wave(it->heart_hz * it->seconds) : 0;
    const double breath = it->depth * (wave(it->breath_hz * it->seconds) + beat), gain = gain_of(it->time_us);
    const double second = it->second_hz > 0 ? it->depth * wave(it->second_hz * it->seconds) : 0;
    memset(it->pairs, 0, sizeof it->pairs);
    for (size_t i = 6; i < bins; i++) {
        if (i % BINS < 6 || i % BINS > 58 || i % BINS == 32) {
            continue;
        }
        const double place = (double)(i % BINS) / BINS;
        const double moving = it->sway <= 0 ? 0 : it->sway * wave(place + it->haste * it->seconds * 1.7 + 0.3 * wave(it->seconds * 0.9));
        const double level = 20 * (1 + 0.4 * wave(place)) * (1 + breath * wave(0.2 + 2 * place) + second * wave(0.6 + 3 * place) + moving);
        it->pairs[2 * i] = (int8_t)(level * gain * wave(place * 3) + noise(it));
        it->pairs[2 * i + 1] = (int8_t)(level * gain * wave(place * 3 + 0.25) + noise(it));
    }
}

static ef_status push(room *it, uint16_t bins, uint8_t source) {
    const ef_csi_frame frame = {.time_us = it->time_us, .pairs = it->pairs, .subcarriers = bins, .source = source};
    return ef_csi_push(&csi, &frame);
}

static void live(room *it, double seconds) {
    for (const double end = it->seconds + seconds; it->seconds < end; it->seconds += it->interval_us * 1e-6) {
        make(it, BINS);
        CHECK_EQUAL(push(it, BINS, 1), EF_OK);
        it->time_us += it->interval_us;
    }
}

static ef_csi_vitals told(uint64_t time_us) {
    ef_csi_vitals vitals;
    ef_csi_get_vitals(&csi, time_us, &vitals);
    return vitals;
}

static room start(uint32_t interval_us) {
    const ef_csi_options options = ef_csi_default_options();
    CHECK_EQUAL(ef_csi_init(&csi, &options), EF_OK);
    return (room){.time_us = 5000000, .random = 7, .interval_us = interval_us, .haste = 1};
}

static void test_options_out_of_range(void) {
    ef_csi_options options = ef_csi_default_options();
    options.tier = 3;
    CHECK_EQUAL(ef_csi_init(&csi, &options), EF_ERROR_UNSUPPORTED);
    options = ef_csi_default_options();
    options.top_subcarriers = 33;
    CHECK_EQUAL(ef_csi_init(&csi, &options), EF_ERROR_UNSUPPORTED);
    options = ef_csi_default_options();
    options.breathing_high_hz = options.breathing_low_hz;
    CHECK_EQUAL(ef_csi_init(&csi, &options), EF_ERROR_UNSUPPORTED);
    options.breathing_high_hz = 0.0f / 0.0f * 1.0f;
    CHECK_EQUAL(ef_csi_init(&csi, &options), EF_ERROR_UNSUPPORTED);
}

static void test_empty_then_walking_then_empty(void) {
    room it = start(20000);
    live(&it, 60);
    ef_csi_vitals vitals = told(it.time_us);
    CHECK(vitals.calibrated);
    CHECK(!vitals.presence && !vitals.motion && vitals.persons == 0);
    CHECK(!(vitals.breathing_bpm > 0) && !(vitals.heart_bpm > 0));
    CHECK(vitals.frame_rate > 49 && vitals.frame_rate < 51);
    it.sway = 0.3;
    live(&it, 6);
    vitals = told(it.time_us);
    CHECK(vitals.presence && vitals.motion && vitals.persons == 1);
    CHECK(!(vitals.breathing_bpm > 0));
    it.sway = 0;
    live(&it, 20);
    CHECK(!told(it.time_us).presence);
}

static void test_breathing_at_rates(void) {
    static const uint32_t intervals[] = {100000, 50000, 35088, 20000};
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        for (double bpm = 8; bpm <= 30; bpm += 11) {
            room it = start(intervals[i]);
            it.breath_hz = bpm / 60;
            it.depth = 0.08;
            live(&it, 60);
            const ef_csi_vitals vitals = told(it.time_us);
            CHECK(vitals.breathing_bpm > bpm - 0.5 && vitals.breathing_bpm < bpm + 0.5);
            CHECK(vitals.presence && !vitals.motion && vitals.persons == 1);
        }
    }
}

static void test_zero_crossings_and_tiers(void) {
    ef_csi_options options = ef_csi_default_options();
    for (int tier = 1; tier <= 2; tier++) {
        room it = start(50000);
        options.tier = (uint8_t)tier;
        options.zero_crossing = true;
        CHECK_EQUAL(ef_csi_init(&csi, &options), EF_OK);
        it.breath_hz = 0.25;
        it.depth = 0.08;
        live(&it, 60);
        const float bpm = told(it.time_us).breathing_bpm;
        CHECK(tier == 1 ? !(bpm > 0) : bpm > 14.5f && bpm < 15.5f);
        CHECK(tier == 1 || told(it.time_us).presence);
    }
}

static void test_two_who_breathe_apart(void) {
    room it = start(20000);
    it.breath_hz = 0.2;
    it.depth = 0.08;
    it.second_hz = 0.34;
    live(&it, 80);
    const ef_csi_vitals vitals = told(it.time_us);
    CHECK_EQUAL(vitals.persons, 2);
    CHECK(vitals.person_bpm[0] + vitals.person_bpm[1] > 31.4f && vitals.person_bpm[0] + vitals.person_bpm[1] < 33.4f);
}

static void test_a_heart_that_can_be_seen(void) {
    room it = start(20000);
    it.breath_hz = 0.21;
    it.depth = 0.1;
    live(&it, 60);
    CHECK(!(told(it.time_us).heart_bpm > 0));
    it.heart_hz = 1.15;
    live(&it, 40);
    const float bpm = told(it.time_us).heart_bpm;
    CHECK(bpm > 64 && bpm < 74);
}

/* Half the frames without anything in them, some twice, some too late: the rest is enough. */
static void test_a_bad_link(void) {
    room it = start(20000), null = {0};
    it.breath_hz = 0.3;
    it.depth = 0.08;
    for (int i = 0; i < 60 * 50; i++) {
        make(&it, BINS);
        CHECK_EQUAL(push(&it, BINS, 1), EF_OK);
        null.time_us = it.time_us + 9000;
        CHECK_EQUAL(push(&null, BINS, 1), EF_ERROR_CRC);
        if (i > 0 && i % 5 == 0) {
            CHECK_EQUAL(push(&it, BINS, 1), EF_ERROR_STATE);
        }
        const uint32_t gap = i % 50 == 49 ? 600000 : it.interval_us;
        it.time_us += gap;
        it.seconds += gap * 1e-6;
    }
    const float bpm = told(it.time_us).breathing_bpm;
    CHECK(bpm > 17.5f && bpm < 18.5f);
}

static void test_values_expire(void) {
    room it = start(20000);
    it.breath_hz = 0.25;
    it.depth = 0.1;
    live(&it, 50);
    CHECK(told(it.time_us).breathing_bpm > 14);
    const ef_csi_vitals later = told(it.time_us + 4000000);
    CHECK(!later.presence && later.degraded && !(later.breathing_bpm > 0) && later.persons == 0);
    it.time_us += 5000000;
    live(&it, 3);
    CHECK(!(told(it.time_us).breathing_bpm > 0));
}

static void test_somebody_is_there_at_the_start(void) {
    room it = start(20000);
    it.sway = 0.3;
    live(&it, 30);
    CHECK(told(it.time_us).calibrated && told(it.time_us).presence);
    it.sway = 0;
    live(&it, 15);
    CHECK(!told(it.time_us).presence);
}

static void test_a_calibration_is_kept(void) {
    room it = start(20000);
    ef_csi_calibration learnt, again;
    CHECK(!ef_csi_get_calibration(&csi, &learnt));
    live(&it, 40);
    CHECK(ef_csi_get_calibration(&csi, &learnt));
    it = start(20000);
    ef_csi_set_calibration(&csi, &learnt);
    CHECK(told(it.time_us).calibrated && ef_csi_get_calibration(&csi, &again));
    CHECK(again.threshold > learnt.threshold - 1e-6f && again.threshold < learnt.threshold + 1e-6f);
    learnt.deviation = 0.0f / 0.0f;
    ef_csi_calibrate(&csi);
    ef_csi_set_calibration(&csi, &learnt);
    CHECK(!told(it.time_us).calibrated);
}

/* Somebody strolls for a while, or moves faster for a moment, and is still. */
static void stop(room *it, double haste, double seconds, double still) {
    it->breath_hz = 0.25;
    it->depth = 0.01;
    live(it, 20);
    it->sway = 0.3;
    it->haste = haste;
    live(it, seconds);
    it->sway = 0;
    live(it, still);
}

static void test_a_fall_is_told_eight_seconds_later(void) {
    static const uint32_t intervals[] = {20000, 10000};
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        room it = start(intervals[i]);
        stop(&it, 7, 0.8, 7.5);
        const uint64_t fell = it.time_us - 7500000u;
        CHECK(!told(it.time_us).fall && told(it.time_us).fall_us == 0);
        live(&it, 1.5);
        const ef_csi_vitals vitals = told(it.time_us);
        CHECK(vitals.fall);
        CHECK(vitals.fall_us > fell - 600000u && vitals.fall_us < fell + 600000u);
        live(&it, 4);
        CHECK(!told(it.time_us).fall && told(it.time_us).fall_us == vitals.fall_us);
    }
}

static void test_who_stops_or_moves_on_did_not_fall(void) {
    room it = start(20000);
    stop(&it, 1, 6, 20);
    CHECK(told(it.time_us).fall_us == 0);
    stop(&it, 7, 0.8, 2);
    it.sway = 0.3;
    it.haste = 1;
    live(&it, 20);
    CHECK(told(it.time_us).fall_us == 0);
}

static void test_the_threshold_of_falls_governs(void) {
    static const float thresholds[] = {1.0f, 10.0f, 1000.0f};
    for (size_t i = 0; i < 3; i++) {
        for (double haste = 1; haste <= 7; haste += 6) {
            room it = start(20000);
            csi.options.fall_threshold = thresholds[i];
            stop(&it, haste, 0.8, 10);
            CHECK((told(it.time_us).fall_us > 0) == (i == 0 || (i == 1 && haste > 1)));
        }
    }
}

static void test_falls_need_frames_and_tier_2(void) {
    room it = start(50000);
    stop(&it, 7, 0.8, 12);
    CHECK(told(it.time_us).fall_us == 0);
    it = start(20000);
    csi.options.tier = 1;
    stop(&it, 7, 0.8, 12);
    CHECK(told(it.time_us).fall_us == 0);
}

static void test_frames_that_are_refused(void) {
    room it = start(20000);
    live(&it, 2);
    make(&it, BINS);
    CHECK_EQUAL(push(&it, 63, 1), EF_ERROR_LENGTH);
    CHECK_EQUAL(push(&it, 0, 1), EF_ERROR_LENGTH);
    it.time_us -= 40000;
    CHECK_EQUAL(push(&it, BINS, 1), EF_ERROR_STATE);
    it.time_us += 40000;
    memset(it.pairs, 0, sizeof it.pairs);
    CHECK_EQUAL(push(&it, BINS, 1), EF_ERROR_CRC);
    CHECK_EQUAL(told(it.time_us).refused, 4);
}

static void test_a_clock_that_goes_back(void) {
    room it = start(20000);
    live(&it, 10);
    it.time_us = 1000;
    make(&it, BINS);
    for (int i = 0; i < 7; i++) {
        CHECK_EQUAL(push(&it, BINS, 1), EF_ERROR_STATE);
        it.time_us += it.interval_us;
    }
    live(&it, 5);
    CHECK(!told(it.time_us).degraded);
}

static void test_other_lengths_and_senders_are_kept_apart(void) {
    room it = start(20000), other = {.random = 99, .sway = 0.5, .interval_us = 20000};
    for (int i = 0; i < 50 * 20; i++) {
        make(&it, BINS);
        CHECK_EQUAL(push(&it, BINS, 1), EF_OK);
        other.time_us = it.time_us + 7000;
        other.seconds = it.seconds;
        make(&other, 128);
        if (i % 3 == 0) {
            CHECK_EQUAL(push(&other, 128, 1), EF_OK);
            CHECK_EQUAL(push(&other, BINS, 2), EF_OK);
        }
        it.time_us += it.interval_us;
        it.seconds += 0.02;
    }
    const ef_csi_vitals vitals = told(it.time_us);
    CHECK(!vitals.presence && !vitals.degraded);
    CHECK(vitals.frame_rate > 49 && vitals.frame_rate < 51);
}

/* Arbitrary frames at arbitrary times: nothing breaks, and what is told stays within its ranges. */
static void test_arbitrary_frames(uint32_t rounds) {
    static const uint16_t lengths[] = {52, 64, 128, 192, 64, 64, 65, 0};
    uint32_t random = 12345;
    room it = start(20000);
    for (uint32_t i = 0; i < rounds; i++) {
        for (size_t j = 0; j < sizeof it.pairs; j++) {
            it.pairs[j] = (int8_t)next_random(&random);
        }
        const uint32_t kind = next_random(&random);
        it.time_us += kind % 997 == 0 ? (uint64_t)next_random(&random) << 31 : kind % 50000;
        it.time_us -= kind % 89 == 0 ? 300000 : 0;
        (void)push(&it, lengths[(kind >> 20) % 8 & (kind % 3 == 0 ? 7 : 1)], (uint8_t)(kind % 7 == 0));
        if (i % 64 == 0) {
            const ef_csi_vitals vitals = told(kind % 5 == 0 ? 0 : it.time_us);
            CHECK(vitals.persons <= EF_CSI_MAX_PERSONS && vitals.motion_score >= 0 && vitals.motion_score < 1e6f);
            CHECK(vitals.breathing_bpm >= 0 && vitals.breathing_bpm < 40 && vitals.heart_bpm >= 0 && vitals.heart_bpm < 130);
            CHECK(vitals.presence_confidence >= 0 && vitals.presence_confidence <= 1);
        }
    }
}

static void test_what_is_shown_of_a_frame(void) {
    room it = start(20000);
    float values[EF_CSI_MAX_SUBCARRIERS];
    uint16_t top[EF_CSI_MAX_TOP];
    CHECK_EQUAL(ef_csi_amplitudes(&csi, values, 192), 0);
    it.sway = 0.2;
    live(&it, 5);
    CHECK_EQUAL(ef_csi_amplitudes(&csi, values, 192), BINS);
    CHECK(values[0] < 1e-6f && values[32] < 1e-6f && values[10] > 0.2f && values[10] < 5.0f);
    CHECK_EQUAL(ef_csi_variances(&csi, values, 10), 10);
    CHECK_EQUAL(ef_csi_phases(&csi, values, 192), BINS);
    for (size_t i = 0; i < BINS; i++) {
        CHECK(values[i] > -10.0f && values[i] < 10.0f);
    }
    CHECK_EQUAL(ef_csi_phases(&csi, values, 7), 7);
    CHECK_EQUAL(ef_csi_top(&csi, top, EF_CSI_MAX_TOP), 8);
    CHECK(top[0] >= 6 && top[0] < 59 && top[0] != 32);
}

int main(int count, char **arguments) {
    CHECK(sizeof(ef_csi) <= EF_CSI_STATE_BUDGET);
    test_options_out_of_range();
    test_empty_then_walking_then_empty();
    test_breathing_at_rates();
    test_zero_crossings_and_tiers();
    test_two_who_breathe_apart();
    test_a_heart_that_can_be_seen();
    test_a_bad_link();
    test_values_expire();
    test_somebody_is_there_at_the_start();
    test_a_calibration_is_kept();
    test_a_fall_is_told_eight_seconds_later();
    test_who_stops_or_moves_on_did_not_fall();
    test_the_threshold_of_falls_governs();
    test_falls_need_frames_and_tier_2();
    test_frames_that_are_refused();
    test_a_clock_that_goes_back();
    test_other_lengths_and_senders_are_kept_apart();
    test_what_is_shown_of_a_frame();
    test_arbitrary_frames(rounds_of(count, arguments, 2000, 20000, 500000));
    return finish("csi");
}
