#include "edgeflow/dht22.h"

#define SHORTEST_US 10u
#define ONE_US 48u /* between the pulses of 0 and 1 */
#define LONGEST_US 120u

static ef_status gather(const uint16_t *high_us, uint8_t bytes[5]) {
    for (size_t i = 0; i < EF_DHT22_BITS; i++) {
        if (high_us[i] < SHORTEST_US || high_us[i] > LONGEST_US) {
            return EF_ERROR_LENGTH;
        }
        bytes[i / 8u] = (uint8_t)(bytes[i / 8u] << 1 | (high_us[i] > ONE_US));
    }
    return EF_OK;
}

ef_status ef_dht22_decode(const uint16_t *high_us, size_t bits, ef_air *air) {
    uint8_t bytes[5] = {0};
    if (bits != EF_DHT22_BITS) {
        return EF_ERROR_LENGTH;
    }
    const ef_status gathered = gather(high_us, bytes);
    if (gathered != EF_OK) {
        return gathered;
    }
    if ((uint8_t)(bytes[0] + bytes[1] + bytes[2] + bytes[3]) != bytes[4]) {
        return EF_ERROR_CRC;
    }
    const uint16_t humidity = (uint16_t)(bytes[0] << 8 | bytes[1]);
    const uint16_t size = (uint16_t)((bytes[2] & 0x7Fu) << 8 | bytes[3]);
    const float sign = bytes[2] & 0x80u ? -0.1f : 0.1f; /* sign and magnitude, no two's complement */
    const ef_air read = {sign * (float)size, 0.1f * (float)humidity, 0.0f};
    if (humidity > 1000u || read.temperature < -40.0f || read.temperature > 80.0f) {
        return EF_ERROR_NOT_FINITE;
    }
    *air = read;
    return EF_OK;
}
