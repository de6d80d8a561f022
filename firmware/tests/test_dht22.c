/* The sensor's pulses: its data sheet's example, the cold, what is none, and noise. */
#include "edgeflow/dht22.h"

#include <math.h>

#include "check.h"

static uint16_t pulses[EF_DHT22_BITS];

static void say(const uint8_t bytes[5], uint16_t zero_us, uint16_t one_us) {
    for (size_t i = 0; i < EF_DHT22_BITS; i++) {
        pulses[i] = bytes[i / 8] >> (7 - i % 8) & 1 ? one_us : zero_us;
    }
}

static ef_status read_bytes(const uint8_t bytes[5], ef_air *air) {
    say(bytes, 27, 70);
    return ef_dht22_decode(pulses, EF_DHT22_BITS, air);
}

static void with_sum(uint8_t bytes[5]) {
    bytes[4] = (uint8_t)(bytes[0] + bytes[1] + bytes[2] + bytes[3]);
}

static bool near(float found, float wanted) {
    return fabsf(found - wanted) < 1e-4f;
}

static void test_the_example_of_the_data_sheet(void) {
    static const uint16_t zeros[] = {22, 26, 28, 30, 48}, ones[] = {49, 68, 70, 75, 120};
    const uint8_t bytes[] = {0x02, 0x92, 0x01, 0x0D, 0xA2};
    for (size_t i = 0; i < 5; i++) {
        ef_air air = {0};
        say(bytes, zeros[i], ones[i]);
        CHECK_EQUAL(ef_dht22_decode(pulses, EF_DHT22_BITS, &air), EF_OK);
        CHECK(near(air.humidity, 65.8f) && near(air.temperature, 26.9f) && air.pressure == 0.0f);
    }
}

static void test_below_zero_the_highest_bit_is_a_sign(void) {
    static const struct { uint8_t high, low; float degrees; } cold[] = {
        {0x80, 0x65, -10.1f}, {0x80, 0x01, -0.1f}, {0x80, 0x00, 0.0f}, {0x81, 0x90, -40.0f}, {0x03, 0x20, 80.0f},
    };
    for (size_t i = 0; i < sizeof cold / sizeof *cold; i++) {
        ef_air air = {0};
        uint8_t bytes[5] = {0x03, 0xE8, cold[i].high, cold[i].low, 0};
        with_sum(bytes);
        CHECK_EQUAL(read_bytes(bytes, &air), EF_OK);
        CHECK(near(air.temperature, cold[i].degrees) && near(air.humidity, 100.0f));
    }
}

static void test_what_it_cannot_measure_is_none(void) {
    static const uint8_t wrong[][2] = {{0x81, 0x91}, {0x03, 0x21}, {0x7F, 0xFF}, {0xFF, 0xFF}};
    const ef_air before = {1.0f, 2.0f, 3.0f};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ef_air air = before;
        uint8_t bytes[5] = {0x01, 0x00, wrong[i][0], wrong[i][1], 0};
        with_sum(bytes);
        CHECK_EQUAL(read_bytes(bytes, &air), EF_ERROR_NOT_FINITE);
        CHECK(memcmp(&air, &before, sizeof air) == 0);
    }
    ef_air air = before;
    uint8_t damp[5] = {0x03, 0xE9, 0x00, 0xFF, 0};
    with_sum(damp);
    CHECK_EQUAL(read_bytes(damp, &air), EF_ERROR_NOT_FINITE);
}

static void test_every_wrong_bit_is_noticed(void) {
    const uint8_t bytes[] = {0x02, 0x92, 0x01, 0x0D, 0xA2};
    for (size_t i = 0; i < EF_DHT22_BITS; i++) {
        ef_air air;
        say(bytes, 27, 70);
        pulses[i] = pulses[i] == 27 ? 70 : 27;
        CHECK_EQUAL(ef_dht22_decode(pulses, EF_DHT22_BITS, &air), EF_ERROR_CRC);
    }
}

static void test_pulses_that_are_none(void) {
    const uint8_t bytes[] = {0x02, 0x92, 0x01, 0x0D, 0xA2};
    static const uint16_t wrong[] = {0, 9, 121, UINT16_MAX};
    ef_air air;
    for (size_t i = 0; i < 4 * EF_DHT22_BITS; i++) {
        say(bytes, 27, 70);
        pulses[i / 4] = wrong[i % 4];
        CHECK_EQUAL(ef_dht22_decode(pulses, EF_DHT22_BITS, &air), EF_ERROR_LENGTH);
    }
    say(bytes, 27, 70);
    CHECK_EQUAL(ef_dht22_decode(pulses, EF_DHT22_BITS - 1, &air), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_dht22_decode(pulses, EF_DHT22_BITS + 1, &air), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_dht22_decode(NULL, 0, &air), EF_ERROR_LENGTH);
}

static void test_noise_is_never_out_of_range(void) {
    uint32_t random = 7;
    for (int i = 0; i < 20000; i++) {
        ef_air air = {-100.0f, -1.0f, 0.0f};
        for (size_t bit = 0; bit < EF_DHT22_BITS; bit++) {
            pulses[bit] = (uint16_t)(next_random(&random) % 125);
        }
        if (ef_dht22_decode(pulses, EF_DHT22_BITS, &air) == EF_OK) {
            CHECK(air.temperature >= -40.0f && air.temperature <= 80.0f);
            CHECK(air.humidity >= 0.0f && air.humidity <= 100.0f);
        } else {
            CHECK(air.humidity == -1.0f);
        }
    }
}

int main(void) {
    test_the_example_of_the_data_sheet();
    test_below_zero_the_highest_bit_is_a_sign();
    test_what_it_cannot_measure_is_none();
    test_every_wrong_bit_is_noticed();
    test_pulses_that_are_none();
    test_noise_is_never_out_of_range();
    return finish("dht22");
}
