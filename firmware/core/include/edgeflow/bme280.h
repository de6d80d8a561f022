/*
 * BME280 over any bus: forced measurements, compensated by the formulas of Bosch's data sheet (BST-BME280-DS002, 4.2.3, the integer
 * forms). The bus is two functions, so that the same code runs on I2C, SPI and a model of the chip.
 */
#ifndef EDGEFLOW_BME280_H
#define EDGEFLOW_BME280_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/dht22.h"
#include "edgeflow/status.h"

typedef struct ef_register_bus {
    void *device;
    bool (*read)(void *device, uint8_t at, uint8_t *to, size_t size);
    bool (*write)(void *device, uint8_t at, uint8_t value);
} ef_register_bus;

typedef struct ef_bme280 {
    ef_register_bus bus;
    uint16_t t1, p1;
    int16_t t2, t3, p2, p3, p4, p5, p6, p7, p8, p9;
    uint8_t h1, h3;
    int16_t h2, h4, h5;
    int8_t h6;
} ef_bme280;

/* Look who is there, and read its calibration. EF_ERROR_FLASH: the bus does not answer; EF_ERROR_TYPE: another chip;
 * EF_ERROR_BUSY: it has just got its power, try again; EF_ERROR_NOT_FINITE: no calibration. */
EF_MUST_CHECK ef_status ef_bme280_init(ef_bme280 *chip, const ef_register_bus *bus);

/* Begin a measurement; it takes at most EF_BME280_MEASURE_MS. */
#define EF_BME280_MEASURE_MS 10u
EF_MUST_CHECK ef_status ef_bme280_begin(const ef_bme280 *chip);

/* EF_ERROR_BUSY: not done yet. EF_ERROR_NOT_FINITE: the chip skipped it, or says what it cannot measure (-40 to 85 degrees,
 * 300 to 1100 hPa). Then the air stays as it was. */
EF_MUST_CHECK ef_status ef_bme280_finish(const ef_bme280 *chip, ef_air *air);

#endif
