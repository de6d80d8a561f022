/* The chip as a model of its registers, beside the data sheet's formulas in double precision (BST-BME280-DS002, 8.1). */
#include "edgeflow/bme280.h"

#include <math.h>

#include "check.h"

typedef struct world {
    uint8_t registers[256];
    int answers; /* transfers until the bus is gone; -1: never */
    uint8_t humidity_counts; /* control of humidity, latched by the other one */
    int forced;
} world;

static bool alive(world *chip) {
    return chip->answers < 0 || chip->answers-- > 0;
}

static bool read_registers(void *device, uint8_t at, uint8_t *to, size_t size) {
    world *chip = device;
    if (!alive(chip) || at + size > sizeof chip->registers) {
        return false;
    }
    memcpy(to, chip->registers + at, size);
    return true;
}

static bool write_register(void *device, uint8_t at, uint8_t value) {
    world *chip = device;
    if (!alive(chip)) {
        return false;
    }
    chip->registers[at] = value;
    if (at == 0xF4) {
        chip->humidity_counts = chip->registers[0xF2];
        chip->forced += (value & 3u) == 1u;
    }
    return true;
}

typedef struct calibration {
    uint16_t t1, p1;
    int16_t t2, t3, p[8], h2, h4, h5;
    uint8_t h1, h3;
    int8_t h6;
} calibration;

static void put(world *chip, uint8_t at, int value) {
    chip->registers[at] = (uint8_t)value;
    chip->registers[at + 1] = (uint8_t)((unsigned)value >> 8);
}

static ef_register_bus power_on(world *chip, const calibration *own) {
    *chip = (world){.answers = -1};
    chip->registers[0xD0] = 0x60;
    put(chip, 0x88, own->t1);
    put(chip, 0x8A, own->t2);
    put(chip, 0x8C, own->t3);
    put(chip, 0x8E, own->p1);
    for (uint8_t i = 0; i < 8; i++) {
        put(chip, (uint8_t)(0x90 + 2 * i), own->p[i]);
    }
    chip->registers[0xA1] = own->h1;
    put(chip, 0xE1, own->h2);
    chip->registers[0xE3] = own->h3;
    chip->registers[0xE4] = (uint8_t)((unsigned)own->h4 >> 4);
    chip->registers[0xE5] = (uint8_t)(((unsigned)own->h4 & 15u) | ((unsigned)own->h5 & 15u) << 4);
    chip->registers[0xE6] = (uint8_t)((unsigned)own->h5 >> 4);
    chip->registers[0xE7] = (uint8_t)own->h6;
    return (ef_register_bus){chip, read_registers, write_register};
}

static void measure(world *chip, uint32_t t, uint32_t p, uint32_t h) {
    const uint8_t data[] = {(uint8_t)(p >> 12), (uint8_t)(p >> 4), (uint8_t)(p << 4), (uint8_t)(t >> 12),
                            (uint8_t)(t >> 4), (uint8_t)(t << 4), (uint8_t)(h >> 8), (uint8_t)h};
    memcpy(chip->registers + 0xF7, data, sizeof data);
}

static double fine_of(const calibration *own, double raw) {
    const double one = (raw / 16384.0 - own->t1 / 1024.0) * own->t2;
    const double off = raw / 131072.0 - own->t1 / 8192.0;
    return one + off * off * own->t3;
}

static double pressure_of(const calibration *own, double raw, double fine) {
    const int16_t *p = own->p; /* p[0] is called P2 */
    double one = fine / 2.0 - 64000.0;
    double two = one * one * p[4] / 32768.0 + one * p[3] * 2.0;
    two = two / 4.0 + p[2] * 65536.0;
    one = (p[1] * one * one / 524288.0 + p[0] * one) / 524288.0;
    one = (1.0 + one / 32768.0) * own->p1;
    double value = (1048576.0 - raw - two / 4096.0) * 6250.0 / one;
    return (value + (p[7] * value * value / 2147483648.0 + value * p[6] / 32768.0 + p[5]) / 16.0) / 100.0;
}

static double humidity_of(const calibration *own, double raw, double fine) {
    double value = fine - 76800.0;
    value = (raw - (own->h4 * 64.0 + own->h5 / 16384.0 * value)) *
            (own->h2 / 65536.0 * (1.0 + own->h6 / 67108864.0 * value * (1.0 + own->h3 / 67108864.0 * value)));
    value *= 1.0 - own->h1 * value / 524288.0;
    return fmin(fmax(value, 0.0), 100.0);
}

/* Temperature and pressure: the worked example of Bosch's BMP280 data sheet, which has the same formulas. */
static const calibration usual = {
    .t1 = 27504, .t2 = 26435, .t3 = -1000, .p1 = 36477, .p = {-10685, 3024, 2855, 140, -7, 15500, -14600, 6000},
    .h1 = 75, .h2 = 355, .h3 = 0, .h4 = 340, .h5 = 50, .h6 = 30,
};

static void test_the_worked_example(void) {
    world chip;
    ef_bme280 own;
    ef_air air;
    const ef_register_bus bus = power_on(&chip, &usual);
    measure(&chip, 519888, 415148, 28000);
    CHECK_EQUAL(ef_bme280_init(&own, &bus), EF_OK);
    CHECK_EQUAL(ef_bme280_begin(&own), EF_OK);
    CHECK(chip.forced == 1 && chip.humidity_counts == 1 && chip.registers[0xF4] >> 2 == 9);
    CHECK_EQUAL(ef_bme280_finish(&own, &air), EF_OK);
    CHECK(fabsf(air.temperature - 25.08f) < 1e-4f);
    CHECK(fabsf(air.pressure - 1006.53f) < 0.01f);
    CHECK(fabs(air.humidity - humidity_of(&usual, 28000, fine_of(&usual, 519888))) < 0.02);
}

static int varied(uint32_t *random, int middle, int spread) {
    return middle + (int)(next_random(random) % (2u * (uint32_t)spread + 1u)) - spread;
}

static calibration drawn(uint32_t *r) {
    calibration own = usual;
    own.t1 = (uint16_t)varied(r, 27800, 800);
    own.t2 = (int16_t)varied(r, 26500, 500);
    own.t3 = (int16_t)varied(r, 0, 1100);
    own.p1 = (uint16_t)varied(r, 36800, 1200);
    own.p[0] = (int16_t)varied(r, -10600, 300);
    own.p[1] = (int16_t)varied(r, 3024, 30);
    own.p[2] = (int16_t)varied(r, 6000, 4000);
    own.p[3] = (int16_t)varied(r, 0, 200);
    own.p[5] = (int16_t)varied(r, 12700, 2800);
    own.p[6] = (int16_t)varied(r, -12400, 2200);
    own.p[7] = (int16_t)varied(r, 5000, 1000);
    own.h2 = (int16_t)varied(r, 365, 20);
    own.h4 = (int16_t)varied(r, 320, 30);
    own.h5 = (int16_t)varied(r, 0, 60);
    own.h6 = (int8_t)varied(r, 30, 2);
    return own;
}

static void test_the_published_formulas_over_many_chips(void) {
    uint32_t random = 5;
    int seen = 0;
    for (int i = 0; i < 20000; i++) {
        const calibration its = drawn(&random);
        /* Odd numbers: the even one in the middle means that nothing was measured. */
        const uint32_t t = (uint32_t)varied(&random, 500000, 130000) | 1u, p = (uint32_t)varied(&random, 400000, 200000) | 1u;
        const uint32_t h = (uint32_t)varied(&random, 30000, 14000) | 1u;
        world chip;
        ef_bme280 own;
        ef_air air;
        const ef_register_bus bus = power_on(&chip, &its);
        measure(&chip, t, p, h);
        CHECK_EQUAL(ef_bme280_init(&own, &bus), EF_OK);
        const double fine = fine_of(&its, t), hpa = pressure_of(&its, p, fine);
        const ef_status read = ef_bme280_finish(&own, &air);
        const bool clear = fine > -39.9 * 5120 && fine < 84.9 * 5120 && hpa > 300.5 && hpa < 1099.5;
        if (clear && CHECK(read == EF_OK)) {
            seen++;
            CHECK(fabs(air.temperature - fine / 5120.0) < 0.011);
            CHECK(fabs(air.pressure - hpa) < 0.02);
            CHECK(fabs(air.humidity - humidity_of(&its, h, fine)) < 0.05);
        }
    }
    CHECK(seen > 5000);
}

static void test_who_is_there(void) {
    world chip;
    ef_bme280 own;
    ef_register_bus bus = power_on(&chip, &usual);
    chip.registers[0xD0] = 0x58; /* BMP280 */
    CHECK_EQUAL(ef_bme280_init(&own, &bus), EF_ERROR_TYPE);
    for (int answers = 0; answers < 4; answers++) {
        bus = power_on(&chip, &usual);
        chip.answers = answers;
        CHECK_EQUAL(ef_bme280_init(&own, &bus), EF_ERROR_FLASH);
    }
    bus = power_on(&chip, &usual);
    chip.registers[0xF3] = 0x01;
    CHECK_EQUAL(ef_bme280_init(&own, &bus), EF_ERROR_BUSY);
    memset(chip.registers + 0x88, 0, 24);
    chip.registers[0xF3] = 0;
    CHECK_EQUAL(ef_bme280_init(&own, &bus), EF_ERROR_NOT_FINITE);
}

static void test_no_measurement(void) {
    static const struct { uint32_t t, p, h; } skipped[] = {
        {0x80000, 415148, 28000}, {519888, 0x80000, 28000}, {519888, 415148, 0x8000}, {0, 415148, 28000},
        {0xFFFFF, 415148, 28000}, {519888, 0, 28000}, {519888, 0xFFFFF, 28000},
    };
    world chip;
    ef_bme280 own;
    const ef_air before = {1.0f, 2.0f, 3.0f};
    ef_air air = before;
    const ef_register_bus bus = power_on(&chip, &usual);
    CHECK_EQUAL(ef_bme280_init(&own, &bus), EF_OK);
    for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++) {
        measure(&chip, skipped[i].t, skipped[i].p, skipped[i].h);
        CHECK_EQUAL(ef_bme280_finish(&own, &air), EF_ERROR_NOT_FINITE);
    }
    chip.registers[0xF3] = 0x08;
    CHECK_EQUAL(ef_bme280_finish(&own, &air), EF_ERROR_BUSY);
    chip.registers[0xF3] = 0;
    for (int answers = 0; answers < 2; answers++) {
        chip.answers = answers;
        CHECK_EQUAL(ef_bme280_finish(&own, &air), EF_ERROR_FLASH);
        chip.answers = answers;
        CHECK_EQUAL(ef_bme280_begin(&own), EF_ERROR_FLASH);
    }
    CHECK(memcmp(&air, &before, sizeof air) == 0);
}

/* A bus that says anything: no number leaves its type, and what is read can be. */
static void test_any_bytes(void) {
    uint32_t random = 11;
    for (int i = 0; i < 200000; i++) {
        world chip = {.answers = -1};
        ef_bme280 own;
        ef_air air;
        for (size_t at = 0x88; at < 256; at++) {
            const uint32_t drawn_byte = next_random(&random);
            chip.registers[at] = drawn_byte & 0x700 ? (uint8_t)drawn_byte : drawn_byte & 0x800 ? 0xFF : 0x80;
        }
        chip.registers[0xD0] = 0x60;
        chip.registers[0xF3] = 0;
        const ef_register_bus bus = {&chip, read_registers, write_register};
        if (ef_bme280_init(&own, &bus) == EF_OK && ef_bme280_finish(&own, &air) == EF_OK) {
            CHECK(air.temperature >= -40.0f && air.temperature <= 85.0f);
            CHECK(air.humidity >= 0.0f && air.humidity <= 100.0f);
            CHECK(air.pressure >= 300.0f && air.pressure <= 1100.0f);
        }
    }
}

int main(void) {
    test_the_worked_example();
    test_the_published_formulas_over_many_chips();
    test_who_is_there();
    test_no_measurement();
    test_any_bytes();
    return finish("bme280");
}
