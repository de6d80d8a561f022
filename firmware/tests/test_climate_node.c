/* A node's days: when it reads and tells, what waits while nobody listens, what it takes, and noise. */
#include "edgeflow/climate_node.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"

static ef_climate_node node;
static ef_climate_message message;
static uint8_t memory[4096];
static uint64_t now;

static void begin(size_t size) {
    const ef_climate_settings settings = ef_climate_default_settings(EF_MOTOR_SERVO);
    now = 1000000;
    CHECK_EQUAL(ef_climate_init(&node, "attic", 7, &settings, memory, size, now), EF_OK);
}

static void air(float temperature, float humidity) {
    const ef_air read = {temperature, humidity, 0.0f};
    ef_climate_air(&node, EF_OK, &read, now);
}

static bool next_is(const char *topic, const char *payload) {
    return CHECK(ef_climate_next(&node, &message, now)) && CHECK(strcmp(message.topic, topic) == 0) &&
           CHECK(strcmp(message.payload, payload) == 0) && CHECK(message.size == strlen(payload));
}

static void say(const char *topic, const char *payload) {
    if (next_is(topic, payload)) {
        ef_climate_confirmed(&node);
    } else {
        fprintf(stderr, "%s %s; wanted %s %s\n", message.topic, message.payload, topic, payload);
    }
}

static void go_online(void) {
    ef_climate_connected(&node);
    CHECK(next_is("device/attic/status", "online") && message.retain);
    ef_climate_confirmed(&node);
}

static void test_readings_as_they_are_told(void) {
    begin(sizeof memory);
    go_online();
    air(21.5f, 48.25f);
    say("sensor/attic/temperature", "{\"value\":21.50,\"sequence\":0,\"boot\":7}");
    CHECK(!message.retain);
    say("sensor/attic/humidity", "{\"value\":48.25,\"sequence\":0,\"boot\":7}");
    CHECK(!ef_climate_next(&node, &message, now));
    now += 2000;
    air(-3.456f, 48.3f);
    ef_climate_set_time(&node, 1700000000123, now + 5000);
    say("sensor/attic/temperature", "{\"value\":-3.46,\"sequence\":1,\"boot\":7,\"time\":1699999995.123}");
    CHECK(!ef_climate_next(&node, &message, now));
}

static void test_a_change_or_time_is_told(void) {
    begin(sizeof memory);
    CHECK(ef_climate_wants_air(&node, now));
    for (int i = 0; i < 90; i++, now += 2000) {
        CHECK(ef_climate_wants_air(&node, now));
        air(20.0f + (i == 10 ? 0.2f : 0.05f), 50.0f);
        CHECK(!ef_climate_wants_air(&node, now) && !ef_climate_wants_air(&node, now + 1999));
    }
    /* Temperature: first, changed and back, 60 s after each; humidity: first and after 60 and 120 s. */
    CHECK_EQUAL(node.reports[EF_CLIMATE_TEMPERATURE].sequence, 5);
    CHECK_EQUAL(node.reports[EF_CLIMATE_HUMIDITY].sequence, 3);
}

static void test_what_waits_comes_in_order(void) {
    begin(sizeof memory);
    node.settings.temperature_change = node.settings.humidity_change = 0.0f;
    for (uint32_t i = 0; i < 50; i++, now += 2000) {
        air((float)i, 50.0f);
        CHECK(!ef_climate_next(&node, &message, now));
    }
    ef_climate_connected(&node);
    CHECK(ef_climate_next(&node, &message, now));
    CHECK(!ef_climate_next(&node, &message, now)); /* one at a time */
    ef_climate_lost(&node);
    go_online();
    char wanted[64];
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(wanted, sizeof wanted, "{\"value\":%u.00,\"sequence\":%u,\"boot\":7}", i, i);
        if (i == 20) { /* it is sent, and the connection breaks before the answer */
            CHECK(next_is("sensor/attic/temperature", wanted));
            ef_climate_lost(&node);
            CHECK(!ef_climate_next(&node, &message, now));
            go_online();
        }
        say("sensor/attic/temperature", wanted);
        snprintf(wanted, sizeof wanted, "{\"value\":50.00,\"sequence\":%u,\"boot\":7}", i);
        say("sensor/attic/humidity", wanted);
    }
    CHECK_EQUAL(node.outbox.messages, 0);
    node.settings.audio_seconds = 0.0f;
    CHECK_EQUAL(ef_climate_wait_ms(&node, now - 1000), 1000);
}

static void test_a_message_without_an_answer_is_repeated(void) {
    begin(sizeof memory);
    go_online();
    air(20.0f, 50.0f);
    CHECK(ef_climate_next(&node, &message, now));
    CHECK(!ef_climate_next(&node, &message, now + 14999));
    CHECK(ef_climate_next(&node, &message, now + 15000));
    CHECK(strcmp(message.topic, "sensor/attic/temperature") == 0);
    CHECK_EQUAL(node.repeats, 1);
}

static void test_what_gave_way_while_it_was_under_way_takes_no_other_with_it(void) {
    begin(2 * EF_CLIMATE_READING_BYTES);
    go_online();
    air(20.0f, 50.0f);
    CHECK(next_is("sensor/attic/temperature", "{\"value\":20.00,\"sequence\":0,\"boot\":7}"));
    now += 2000;
    air(30.0f, 50.0f); /* the oldest gives way */
    ef_climate_confirmed(&node);
    say("sensor/attic/humidity", "{\"value\":50.00,\"sequence\":0,\"boot\":7}");
    say("sensor/attic/temperature", "{\"value\":30.00,\"sequence\":1,\"boot\":7}");
    CHECK_EQUAL(node.outbox.dropped, 1);
}

static void test_a_sensor_that_fails_is_tried_again(void) {
    static const uint32_t pauses[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    begin(sizeof memory);
    for (size_t i = 0; i < 8; i++) {
        ef_climate_air(&node, i % 2 ? EF_ERROR_CRC : EF_ERROR_FLASH, NULL, now);
        CHECK(!ef_climate_wants_air(&node, now + pauses[i] - 1) && ef_climate_wants_air(&node, now + pauses[i]));
        now += pauses[i];
    }
    const ef_air nothing = {NAN, 50.0f, 0.0f};
    ef_climate_air(&node, EF_OK, &nothing, now);
    ef_climate_air(&node, EF_ERROR_BUSY, NULL, now);
    CHECK_EQUAL(node.failures, 9);
    air(20.0f, 50.0f);
    CHECK(node.failing == 0 && node.reports[EF_CLIMATE_TEMPERATURE].sequence == 1);
    go_online();
    say("sensor/attic/sensor_failures", "{\"value\":1.00,\"sequence\":0,\"boot\":7}");
}

static ef_climate_taken take(const char *topic, const char *payload) {
    return ef_climate_take(&node, topic, payload, strlen(payload));
}

static void run_motor(unsigned seconds) {
    for (unsigned i = 0; i < 50 * seconds; i++, now += 20) {
        ef_climate_motor(&node, now);
    }
}

static void test_the_window_goes_where_it_is_told(void) {
    begin(sizeof memory);
    CHECK_EQUAL(take("window/attic/control", "{\"device_id\":\"attic\",\"position\":62.5,\"features_used\":{\"position\":3}}"),
                EF_CLIMATE_MOVES);
    CHECK(ef_climate_wait_ms(&node, now) == 0);
    air(20.0f, 50.0f);
    node.settings.audio_seconds = 0.0f;
    CHECK_EQUAL(ef_climate_wait_ms(&node, now), 20);
    run_motor(5);
    CHECK(node.drive.position == 62.5f);
    static const char *const wrong[] = {
        "", "50", "{}", "{\"position\":101}", "{\"position\":-1}", "{\"position\":\"50\"}", "{\"position\":null}", "{\"position\":1e999}",
        "{\"position\":50", "[50]", "{\"position\":50,\"position\":true}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQUAL(take("window/attic/control", wrong[i]), EF_CLIMATE_REFUSED);
    }
    CHECK_EQUAL(node.refused, sizeof wrong / sizeof *wrong);
    CHECK_EQUAL(take("window/attic/override", "101"), EF_CLIMATE_REFUSED);
    CHECK_EQUAL(take("window/attic/override", "40 41"), EF_CLIMATE_REFUSED);
    CHECK_EQUAL(take("window/cellar/control", "{\"position\":1}"), EF_CLIMATE_IGNORED);
    run_motor(5);
    CHECK(node.drive.position == 62.5f);
    CHECK_EQUAL(node.reports[EF_CLIMATE_WINDOW].sequence, 1);
    CHECK_EQUAL(take("window/attic/override", " 40.5\n"), EF_CLIMATE_MOVES);
    run_motor(5);
    CHECK(node.drive.position == 40.5f);
    CHECK_EQUAL(take("window/attic/override", "{\"position\":10,\"person\":\"ann\"}"), EF_CLIMATE_MOVES);
    run_motor(5);
    CHECK(node.drive.position == 10.0f);
}

static void test_a_stepper_moves_once_it_knows_where_it_is(void) {
    const ef_climate_settings settings = ef_climate_default_settings(EF_MOTOR_STEPPER);
    begin(sizeof memory);
    CHECK_EQUAL(ef_climate_init(&node, "attic", 7, &settings, memory, sizeof memory, now), EF_OK);
    CHECK_EQUAL(take("window/attic/control", "{\"position\":30}"), EF_CLIMATE_MOVES);
    run_motor(2);
    CHECK_EQUAL(node.drive.state, EF_DRIVE_HOMING);
    ef_drive_end_switch(&node.drive);
    run_motor(20);
    CHECK(node.drive.state == EF_DRIVE_RESTING && node.drive.position == 30.0f);
    node.drive.state = EF_DRIVE_STALLED;
    run_motor(1);
    CHECK_EQUAL(node.reports[EF_CLIMATE_STALLED].sequence, 2);
    CHECK_EQUAL(take("window/attic/control", "{\"position\":40}"), EF_CLIMATE_MOVES);
    CHECK_EQUAL(node.drive.state, EF_DRIVE_HOMING);
    ef_drive_end_switch(&node.drive);
    run_motor(20);
    CHECK(node.drive.position == 40.0f);
}

static void test_settings_are_taken_as_a_whole_or_not_at_all(void) {
    begin(sizeof memory);
    go_online();
    CHECK_EQUAL(take("device/attic/config", "{\"read_seconds\":10,\"highest\":80,\"colour\":[1]}"), EF_CLIMATE_CONFIGURED);
    CHECK(node.settings.read_seconds == 10.0f && node.drive.options.highest == 80.0f);
    say("device/attic/config/ack",
        "{\"read_seconds\":10.000,\"report_seconds\":60.000,\"audio_seconds\":30.000,\"temperature_change\":0.100,"
        "\"humidity_change\":0.500,\"closed\":500.000,\"open\":2400.000,\"lowest\":0.000,\"highest\":80.000,\"speed\":40.000,"
        "\"acceleration\":40.000,\"stall_seconds\":0.000,\"stall_distance\":10.000,\"refused\":\"\"}");
    static const struct { const char *payload, *refused; } wrong[] = {
        {"{\"read_seconds\":1}", "read_seconds"}, {"{\"report_seconds\":5,\"speed\":0}", "speed"}, {"{\"highest\":\"80\"}", "highest"},
        {"{\"lowest\":90}", "motor"}, {"{\"closed\":2400}", "motor"}, {"read_seconds=4", "json"}, {"{\"open\":1e300}", "open"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const ef_climate_settings before = node.settings;
        CHECK_EQUAL(take("device/attic/config", wrong[i].payload), EF_CLIMATE_REFUSED);
        CHECK(memcmp(&before, &node.settings, sizeof before) == 0 && strcmp(node.refused_key, wrong[i].refused) == 0);
    }
    CHECK(ef_climate_next(&node, &message, now) && strstr(message.payload, "\"refused\":\"open\"") != NULL);
    ef_climate_lost(&node); /* and the answer with it */
    go_online();
    CHECK(ef_climate_next(&node, &message, now) && strcmp(message.topic, "device/attic/config/ack") == 0);
}

static void test_an_answer_names_the_version_that_it_answers(void) {
    static const struct { const char *payload, *begin; } cases[] = {
        {"{\"version\":7,\"speed\":20}", "{\"version\":7,\"read_seconds\":"},
        {"{\"speed\":0,\"version\":4294967295}", "{\"version\":4294967295,\"read_seconds\":"}, /* refused, too */
        {"{\"speed\":20}", "{\"read_seconds\":"},
        {"{\"version\":\"7\"}", "{\"read_seconds\":"},
        {"{\"version\":-1}", "{\"read_seconds\":"},
        {"{\"version\":4294967296}", "{\"read_seconds\":"},
        {"version=8", "{\"read_seconds\":"},
    };
    begin(sizeof memory);
    go_online();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(take("device/attic/config", cases[i].payload) >= EF_CLIMATE_REFUSED);
        CHECK(ef_climate_next(&node, &message, now) && strstr(message.payload, cases[i].begin) == message.payload);
        ef_climate_confirmed(&node);
    }
}

static void test_limits_that_close_in_bring_the_window_in(void) {
    begin(sizeof memory);
    CHECK_EQUAL(take("window/attic/control", "{\"position\":100}"), EF_CLIMATE_MOVES);
    run_motor(5);
    CHECK_EQUAL(take("device/attic/config", "{\"highest\":70}"), EF_CLIMATE_CONFIGURED);
    float last = node.drive.position;
    for (int i = 0; i < 250; i++, now += 20) {
        ef_climate_motor(&node, now);
        CHECK(node.drive.position <= last && last - node.drive.position <= 0.81f);
        last = node.drive.position;
    }
    CHECK(last == 70.0f);
}

static void test_the_longest_answer_fits(void) {
    begin(sizeof memory);
    go_online();
    CHECK_EQUAL(take("device/attic/config",
                     "{\"version\":4294967295,\"read_seconds\":3600,\"report_seconds\":86400,\"audio_seconds\":86400,\"temperature_change\":100,\"humidity_change\":100,"
                     "\"closed\":-1000000,\"open\":1000000,\"lowest\":99.125,\"highest\":100,\"speed\":1000,\"acceleration\":10000,"
                     "\"stall_seconds\":60,\"stall_distance\":100}"), EF_CLIMATE_CONFIGURED);
    CHECK_EQUAL(take("device/attic/config", "{\"version\":4294967295,\"temperature_change\":-1}"), EF_CLIMATE_REFUSED);
    CHECK(ef_climate_next(&node, &message, now) && message.payload[message.size - 1] == '}');
}

static void test_sound_is_told_while_somebody_hears(void) {
    int16_t samples[32000] = {0};
    const ef_sound sound = {.samples = samples, .capacity = 32000, .count = 32000};
    char head[128], small[20];
    begin(sizeof memory);
    CHECK(!ef_climate_wants_audio(&node, now));
    go_online();
    CHECK(ef_climate_wants_audio(&node, now));
    ef_climate_lost(&node); /* while it was recorded */
    CHECK_EQUAL(ef_climate_audio_head(&node, &sound, 16000, head, sizeof head, now), 0);
    go_online();
    CHECK(node.audio_missed == 1 && !ef_climate_wants_audio(&node, now + 29999) && ef_climate_wants_audio(&node, now + 30000));
    const size_t size = ef_climate_audio_head(&node, &sound, 16000, head, sizeof head, now);
    CHECK(size == strlen(head) && strcmp(head, "{\"sample_rate\":16000,\"duration\":2.000,\"sequence\":0,\"boot\":7,\"data\":\"") == 0);
    CHECK_EQUAL(ef_climate_audio_head(&node, &sound, 16000, small, sizeof small, now), 0);
    CHECK_EQUAL(node.audio_sequence, 1);
    node.settings.audio_seconds = 0.0f;
    CHECK(!ef_climate_wants_audio(&node, now + 100000));
}

static void test_names(void) {
    static const char longest[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl";
    static const char *const wrong[] = {"", "_a", "a/b", "a+", "a#", "a b", "\xc3\xa9", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm"};
    const ef_climate_settings settings = ef_climate_default_settings(EF_MOTOR_SERVO);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQUAL(ef_climate_init(&node, wrong[i], 0, &settings, memory, 64, 0), EF_ERROR_LENGTH);
    }
    CHECK_EQUAL(ef_climate_init(&node, longest, 0, &settings, memory, 18, 0), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_climate_init(&node, longest, 0, &settings, memory, 64, 0), EF_OK);
    ef_climate_connected(&node);
    CHECK(ef_climate_next(&node, &message, 0) && strlen(message.topic) == 64 + strlen("device//status"));
}

static void test_hostile_bytes(int rounds) {
    static const char *const seeds[] = {
        "{\"position\":50.5}", "{\"read_seconds\":5,\"lowest\":10,\"highest\":90}", "{\"closed\":1000,\"open\":2000,\"speed\":1e2}",
    };
    uint32_t random = 77;
    int taken = 0;
    begin(sizeof memory);
    ef_climate_connected(&node);
    for (int i = 0; i < rounds; i++, now += 50) {
        const char *seed = seeds[next_random(&random) % 3];
        const size_t size = strlen(seed) - (next_random(&random) % 8 == 0);
        char *copy = malloc(size);
        memcpy(copy, seed, size);
        for (uint32_t changes = next_random(&random) % 3; changes > 0; changes--) {
            copy[next_random(&random) % size] = (char)(next_random(&random) & 1u ? next_random(&random) & 0xFF : '0' + next_random(&random) % 10);
        }
        taken += ef_climate_take(&node, i & 1 ? "window/attic/control" : "device/attic/config", copy, size) > EF_CLIMATE_REFUSED;
        free(copy);
        const ef_drive_options *its = &node.drive.options;
        const float told = ef_climate_motor(&node, now);
        CHECK(isfinite(told) && node.settings.read_seconds >= 2.0f && its->lowest < its->highest);
        CHECK(node.drive.position >= 0.0f && node.drive.position <= 100.0f);
        if (ef_climate_next(&node, &message, now)) {
            CHECK(message.size < sizeof message.payload && message.payload[message.size] == '\0');
            ef_climate_confirmed(&node);
        }
    }
    CHECK(taken > rounds / 200);
}

int main(int count, char **arguments) {
    test_readings_as_they_are_told();
    test_a_change_or_time_is_told();
    test_what_waits_comes_in_order();
    test_a_message_without_an_answer_is_repeated();
    test_what_gave_way_while_it_was_under_way_takes_no_other_with_it();
    test_a_sensor_that_fails_is_tried_again();
    test_the_window_goes_where_it_is_told();
    test_a_stepper_moves_once_it_knows_where_it_is();
    test_settings_are_taken_as_a_whole_or_not_at_all();
    test_an_answer_names_the_version_that_it_answers();
    test_limits_that_close_in_bring_the_window_in();
    test_the_longest_answer_fits();
    test_sound_is_told_while_somebody_hears();
    test_names();
    test_hostile_bytes((int)rounds_of(count, arguments, 10000, 200000, 200000));
    return finish("climate_node");
}
