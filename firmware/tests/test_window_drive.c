/* Moves of any length in steps of any size: within limits, speed and acceleration, and never past the target. */
#include "edgeflow/window_drive.h"

#include <math.h>

#include "check.h"

#define SLACK 1e-3f

static float uniform(uint32_t *random, float low, float high) {
    return low + (high - low) * (float)(next_random(random) >> 8) / 16777216.0f;
}

static ef_drive made(const ef_drive_options *options) {
    ef_drive drive;
    CHECK_EQUAL(ef_drive_init(&drive, options), EF_OK);
    if (options->motor == EF_MOTOR_STEPPER) {
        ef_drive_home(&drive);
        ef_drive_end_switch(&drive);
        for (int i = 0; i < 1000 && drive.state == EF_DRIVE_MOVING; i++) {
            ef_drive_step(&drive, 0.5f);
        }
        CHECK_EQUAL(drive.state, EF_DRIVE_RESTING);
    }
    return drive;
}

static ef_drive_options drawn(uint32_t *random) {
    ef_drive_options options = ef_drive_default_options(next_random(random) & 1u ? EF_MOTOR_SERVO : EF_MOTOR_STEPPER);
    options.lowest = uniform(random, 0.0f, 40.0f);
    options.highest = uniform(random, 60.0f, 100.0f);
    options.speed = uniform(random, 1.0f, 100.0f);
    options.acceleration = uniform(random, 2.0f, 400.0f);
    return options;
}

/* One step, held to what the options allow. */
static void step(ef_drive *drive, float seconds) {
    const ef_drive_options *its = &drive->options;
    const float before = drive->position, speed = drive->velocity;
    const float out = ef_drive_step(drive, seconds); /* its end switch may be below what is allowed */
    const float told = (out - its->closed) / (its->open - its->closed) * 100.0f;
    CHECK(told >= fminf(its->lowest, before) - SLACK && told <= its->highest + SLACK);
    CHECK(fabsf(drive->velocity) <= its->speed * 1.0001f);
    /* Up to a tick may have been left over from the step before. */
    CHECK(fabsf(drive->velocity - speed) <= its->acceleration * (seconds + 0.0021f) * 1.001f + SLACK);
    CHECK(fabsf(drive->position - before) <= its->speed * (seconds + 0.0021f) * 1.001f + SLACK);
}

/* Until it rests; returns how far it went beyond its target, as seen from where it began. */
static float settle(ef_drive *drive, float seconds, bool varied, uint32_t *random) {
    const float from = drive->position, way = drive->target - from;
    float beyond = 0.0f;
    for (int i = 0; i < 400000 && drive->state == EF_DRIVE_MOVING; i++) {
        step(drive, varied ? uniform(random, 1e-4f, seconds) : seconds);
        const float past = way >= 0.0f ? drive->position - drive->target : drive->target - drive->position;
        beyond = fmaxf(beyond, past);
    }
    CHECK_EQUAL(drive->state, EF_DRIVE_RESTING);
    CHECK(drive->position == drive->target && drive->velocity == 0.0f);
    return beyond;
}

static void test_it_settles_without_overshoot(void) {
    static const float steps[] = {1e-5f, 1e-3f, 0.01f, 0.02f, 0.1f, 0.37f, 1.0f};
    uint32_t random = 17;
    for (int i = 0; i < 700; i++) {
        const float seconds = steps[i % 7];
        ef_drive_options options = drawn(&random);
        if (seconds < 1e-3f) {
            if (i % 70 != 0) {
                continue;
            }
            options.speed = 100.0f;
            options.acceleration = 400.0f;
        }
        ef_drive drive = made(&options);
        CHECK_EQUAL(ef_drive_move(&drive, uniform(&random, -50.0f, 150.0f)), EF_OK);
        CHECK(drive.target >= options.lowest && drive.target <= options.highest);
        CHECK(settle(&drive, seconds, i % 2 == 0, &random) <= SLACK);
    }
}

static void test_targets_and_stops_on_the_way(void) {
    uint32_t random = 23;
    for (int i = 0; i < 300; i++) {
        const ef_drive_options options = drawn(&random);
        ef_drive drive = made(&options);
        for (int turn = 0; turn < 10; turn++) {
            CHECK_EQUAL(ef_drive_move(&drive, uniform(&random, 0.0f, 100.0f)), EF_OK);
            for (uint32_t count = next_random(&random) % 60; count > 0; count--) {
                step(&drive, uniform(&random, 0.001f, 0.2f));
            }
            if (turn % 3 == 0) {
                ef_drive_stop(&drive);
                CHECK(settle(&drive, 0.02f, false, &random) <= options.speed * 0.02f);
            }
            if (turn % 4 == 0) {
                CHECK_EQUAL(ef_drive_move(&drive, drive.position), EF_OK);
            }
        }
        settle(&drive, 0.05f, true, &random);
    }
}

static void test_time_that_is_none(void) {
    const ef_drive_options options = ef_drive_default_options(EF_MOTOR_SERVO);
    ef_drive drive = made(&options);
    CHECK_EQUAL(ef_drive_move(&drive, 50.0f), EF_OK);
    ef_drive_step(&drive, 0.5f);
    const ef_drive before = drive;
    ef_drive_step(&drive, 0.0f);
    ef_drive_step(&drive, -5.0f);
    ef_drive_step(&drive, NAN);
    CHECK(drive.position == before.position && drive.velocity == before.velocity);
    ef_drive_step(&drive, INFINITY);
    CHECK(drive.state == EF_DRIVE_RESTING && drive.position == 50.0f);
}

static void test_options_that_are_none(void) {
    const ef_drive_options good = ef_drive_default_options(EF_MOTOR_SERVO);
    ef_drive_options wrong[10];
    for (size_t i = 0; i < 10; i++) {
        wrong[i] = good;
    }
    wrong[0].closed = wrong[0].open;
    wrong[1].lowest = -1.0f;
    wrong[2].highest = 100.5f;
    wrong[3].lowest = wrong[3].highest;
    wrong[4].speed = 0.0f;
    wrong[5].acceleration = INFINITY;
    wrong[6].open = NAN;
    wrong[7].stall_distance = 0.0f;
    wrong[8].lowest = NAN;
    wrong[9].stall_seconds = NAN;
    for (size_t i = 0; i < 10; i++) {
        ef_drive drive;
        CHECK_EQUAL(ef_drive_init(&drive, &wrong[i]), EF_ERROR_UNSUPPORTED);
    }
    ef_drive drive = made(&good);
    CHECK_EQUAL(ef_drive_move(&drive, NAN), EF_ERROR_NOT_FINITE);
    CHECK_EQUAL(ef_drive_move(&drive, INFINITY), EF_ERROR_NOT_FINITE);
}

static void test_a_stepper_looks_for_its_end(void) {
    ef_drive_options options = ef_drive_default_options(EF_MOTOR_STEPPER);
    options.lowest = 5.0f;
    ef_drive drive;
    CHECK_EQUAL(ef_drive_init(&drive, &options), EF_OK);
    CHECK_EQUAL(ef_drive_move(&drive, 50.0f), EF_ERROR_STATE);
    ef_drive_home(&drive);
    float last = ef_drive_step(&drive, 0.1f);
    for (int i = 0; i < 50; i++) {
        const float now = ef_drive_step(&drive, 0.1f);
        CHECK(now < last && last - now < 4096.0f * 0.1f * 0.1f);
        last = now;
    }
    CHECK_EQUAL(ef_drive_move(&drive, 50.0f), EF_ERROR_STATE);
    ef_drive_end_switch(&drive);
    CHECK(drive.position == 0.0f);
    uint32_t random = 1;
    settle(&drive, 0.01f, false, &random);
    CHECK(drive.position == 5.0f);
    CHECK_EQUAL(ef_drive_move(&drive, 50.0f), EF_OK);
}

static void test_without_a_switch_it_gives_up(void) {
    const ef_drive_options options = ef_drive_default_options(EF_MOTOR_STEPPER);
    ef_drive drive;
    CHECK_EQUAL(ef_drive_init(&drive, &options), EF_OK);
    ef_drive_home(&drive);
    int steps = 0;
    while (drive.state == EF_DRIVE_HOMING && steps < 10000) {
        ef_drive_step(&drive, 0.1f);
        steps++;
    }
    CHECK_EQUAL(drive.state, EF_DRIVE_STALLED);
    CHECK(steps > 700 && steps < 900); /* 200 per cent at 2.5 a second */
    CHECK_EQUAL(ef_drive_move(&drive, 10.0f), EF_ERROR_STATE);
    ef_drive_end_switch(&drive);
    CHECK_EQUAL(drive.state, EF_DRIVE_STALLED);
    ef_drive_home(&drive);
    CHECK_EQUAL(drive.state, EF_DRIVE_HOMING);
}

static void test_a_switch_on_the_way_corrects_lost_steps(void) {
    const ef_drive_options options = ef_drive_default_options(EF_MOTOR_STEPPER);
    ef_drive drive = made(&options);
    CHECK_EQUAL(ef_drive_move(&drive, 60.0f), EF_OK);
    ef_drive_step(&drive, 1.0f);
    ef_drive_end_switch(&drive); /* a bounce while it opens */
    CHECK(drive.position > 1.0f);
    ef_drive_step(&drive, 20.0f);
    CHECK_EQUAL(ef_drive_move(&drive, 0.0f), EF_OK);
    ef_drive_step(&drive, 1.0f);
    ef_drive_end_switch(&drive);
    CHECK(drive.position == 0.0f && drive.state == EF_DRIVE_RESTING);
}

static void test_a_motor_that_does_not_follow_is_let_be(void) {
    ef_drive_options options = ef_drive_default_options(EF_MOTOR_SERVO);
    options.stall_seconds = 0.5f;
    ef_drive drive = made(&options);
    CHECK_EQUAL(ef_drive_move(&drive, 100.0f), EF_OK);
    float out = 0.0f;
    for (int i = 0; i < 300 && drive.state != EF_DRIVE_STALLED; i++) {
        out = ef_drive_step(&drive, 0.01f);
        ef_drive_measured(&drive, fminf(out, 880.0f), 0.01f); /* blocked at a fifth */
    }
    CHECK_EQUAL(drive.state, EF_DRIVE_STALLED);
    CHECK(fabsf(drive.position - 20.0f) < 0.01f && drive.velocity == 0.0f);
    CHECK(fabsf(ef_drive_step(&drive, 1.0f) - 880.0f) < 0.5f);
    CHECK_EQUAL(ef_drive_move(&drive, 50.0f), EF_ERROR_STATE);
    ef_drive_home(&drive);
    CHECK_EQUAL(ef_drive_move(&drive, 0.0f), EF_OK);
    for (int i = 0; i < 300; i++) {
        ef_drive_measured(&drive, ef_drive_step(&drive, 0.01f), 0.01f);
    }
    CHECK(drive.state == EF_DRIVE_RESTING && drive.position == 0.0f);
}

int main(void) {
    test_it_settles_without_overshoot();
    test_targets_and_stops_on_the_way();
    test_time_that_is_none();
    test_options_that_are_none();
    test_a_stepper_looks_for_its_end();
    test_without_a_switch_it_gives_up();
    test_a_switch_on_the_way_corrects_lost_steps();
    test_a_motor_that_does_not_follow_is_let_be();
    return finish("window_drive");
}
