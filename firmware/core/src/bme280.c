#include "edgeflow/bme280.h"

#define ID 0xD0u
#define CHIP 0x60u
#define CALIBRATION 0x88u /* 26 bytes: t1 to p9, one unused, h1 */
#define CALIBRATION_HUMIDITY 0xE1u
#define CONTROL_HUMIDITY 0xF2u
#define STATUS 0xF3u
#define MEASURING 0x08u
#define LOADING 0x01u /* the chip copies its calibration */
#define CONTROL 0xF4u
#define DATA 0xF7u
#define ONCE 0x01u   /* oversampling: none */
#define FORCED 0x25u /* temperature and pressure once each, then sleep */
#define SKIPPED_AIR 0x80000
#define SKIPPED_HUMIDITY 0x8000
#define COLDEST (-40 * 5120) /* of what the chip can measure */
#define WARMEST (85 * 5120)
#define LEAST_HPA 300.0f
#define MOST_HPA 1100.0f
#define MOST_PARTS ((int64_t)1 << 36) /* 1/65536 Pa: beyond, squares leave 64 bits */

static uint16_t u16(const uint8_t *from) {
    return (uint16_t)(from[1] << 8 | from[0]);
}

static int16_t s16(const uint8_t *from) {
    return (int16_t)u16(from);
}

/* The sign bit of a number of 12 bits. */
static int16_t s12(uint16_t bits) {
    return (int16_t)(bits & 0x800u ? (int32_t)bits - 0x1000 : (int32_t)bits);
}

static void take_calibration(ef_bme280 *chip, const uint8_t air[26], const uint8_t wet[7]) {
    chip->t1 = u16(air);
    chip->t2 = s16(air + 2);
    chip->t3 = s16(air + 4);
    chip->p1 = u16(air + 6);
    int16_t *const rest[] = {&chip->p2, &chip->p3, &chip->p4, &chip->p5, &chip->p6, &chip->p7, &chip->p8, &chip->p9};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        *rest[i] = s16(air + 8 + 2u * i);
    }
    chip->h1 = air[25];
    chip->h2 = s16(wet);
    chip->h3 = wet[2];
    chip->h4 = s12((uint16_t)(wet[3] << 4 | (wet[4] & 0x0Fu)));
    chip->h5 = s12((uint16_t)(wet[5] << 4 | wet[4] >> 4));
    chip->h6 = (int8_t)wet[6];
}

ef_status ef_bme280_init(ef_bme280 *chip, const ef_register_bus *bus) {
    uint8_t id = 0, status = 0, air[26], wet[7];
    *chip = (ef_bme280){.bus = *bus};
    if (!bus->read(bus->device, ID, &id, 1) || !bus->read(bus->device, STATUS, &status, 1)) {
        return EF_ERROR_FLASH;
    }
    if (id != CHIP) {
        return EF_ERROR_TYPE;
    }
    if (status & LOADING) {
        return EF_ERROR_BUSY;
    }
    const bool read = bus->read(bus->device, CALIBRATION, air, sizeof air) &&
                      bus->read(bus->device, CALIBRATION_HUMIDITY, wet, sizeof wet);
    if (!read) {
        return EF_ERROR_FLASH;
    }
    take_calibration(chip, air, wet);
    return chip->t1 != 0 && chip->p1 != 0 ? EF_OK : EF_ERROR_NOT_FINITE;
}

ef_status ef_bme280_begin(const ef_bme280 *chip) {
    const ef_register_bus *bus = &chip->bus;
    /* Humidity's control counts only once the other one is written. */
    const bool told = bus->write(bus->device, CONTROL_HUMIDITY, ONCE) && bus->write(bus->device, CONTROL, FORCED);
    return told ? EF_OK : EF_ERROR_FLASH;
}

/* Temperature in 1/5120 degrees, on which the others depend. */
static int64_t fine_temperature(const ef_bme280 *chip, int32_t raw) {
    const int64_t off = (raw >> 3) - ((int64_t)chip->t1 << 1);
    const int64_t half = (raw >> 4) - (int64_t)chip->t1;
    return ((off * chip->t2) >> 11) + ((((half * half) >> 12) * chip->t3) >> 14);
}

/* In hPa; 0 for what no calibration of a working chip makes. */
static float pressure(const ef_bme280 *chip, int32_t raw, int32_t fine) {
    int64_t one = (int64_t)fine - 128000;
    int64_t two = one * one * chip->p6 + one * chip->p5 * 131072 + (int64_t)chip->p4 * 34359738368;
    one = ((int64_t)1 << 47) + ((one * one * chip->p3) >> 8) + one * chip->p2 * 4096;
    if (one <= 0 || one > INT64_MAX / chip->p1) {
        return 0.0f;
    }
    one = (one * chip->p1) >> 33;
    two = (int64_t)(1048576 - raw) * 2147483648 - two;
    if (one == 0 || two < 0 || two > INT64_MAX / 3125 || two * 3125 / one > MOST_PARTS) {
        return 0.0f;
    }
    int64_t value = two * 3125 / one;
    one = ((int64_t)chip->p9 * (value >> 13) * (value >> 13)) >> 25;
    two = ((int64_t)chip->p8 * value) >> 19;
    value = ((value + one + two) >> 8) + (int64_t)chip->p7 * 16;
    return (float)value / 25600.0f;
}

/* In per cent. */
static float humidity(const ef_bme280 *chip, int32_t raw, int32_t fine) {
    const int64_t off = (int64_t)fine - 76800;
    const int64_t one = ((((int64_t)raw * 16384) - (int64_t)chip->h4 * 1048576 - chip->h5 * off) + 16384) >> 15;
    const int64_t slope = ((((off * chip->h6) >> 10) * (((off * chip->h3) >> 11) + 32768)) >> 10) + 2097152;
    int64_t value = one * ((slope * chip->h2 + 8192) >> 14);
    value -= ((((value >> 15) * (value >> 15)) >> 7) * chip->h1) >> 4;
    value = value < 0 ? 0 : value;
    value = value > 419430400 ? 419430400 : value;
    return (float)(value >> 12) / 1024.0f;
}

static ef_status compensate(const ef_bme280 *chip, const uint8_t data[8], ef_air *air) {
    const int32_t raw_pressure = data[0] << 12 | data[1] << 4 | data[2] >> 4;
    const int32_t raw_temperature = data[3] << 12 | data[4] << 4 | data[5] >> 4;
    const int32_t raw_humidity = data[6] << 8 | data[7];
    if (raw_temperature == SKIPPED_AIR || raw_pressure == SKIPPED_AIR || raw_humidity == SKIPPED_HUMIDITY) {
        return EF_ERROR_NOT_FINITE;
    }
    const int64_t fine = fine_temperature(chip, raw_temperature);
    if (fine < COLDEST || fine > WARMEST) {
        return EF_ERROR_NOT_FINITE;
    }
    const float force = pressure(chip, raw_pressure, (int32_t)fine);
    if (force < LEAST_HPA || force > MOST_HPA) {
        return EF_ERROR_NOT_FINITE;
    }
    *air = (ef_air){(float)((fine * 5 + 128) >> 8) * 0.01f, humidity(chip, raw_humidity, (int32_t)fine), force};
    return EF_OK;
}

ef_status ef_bme280_finish(const ef_bme280 *chip, ef_air *air) {
    const ef_register_bus *bus = &chip->bus;
    uint8_t status = 0, data[8];
    if (!bus->read(bus->device, STATUS, &status, 1)) {
        return EF_ERROR_FLASH;
    }
    if (status & MEASURING) {
        return EF_ERROR_BUSY;
    }
    return bus->read(bus->device, DATA, data, sizeof data) ? compensate(chip, data, air) : EF_ERROR_FLASH;
}
