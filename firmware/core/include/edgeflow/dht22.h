/* DHT22 (AM2302): 40 bits, each a low of 50 us and a high of 26 to 28 us for 0 or 70 us for 1; big-endian, checked by a sum. */
#ifndef EDGEFLOW_DHT22_H
#define EDGEFLOW_DHT22_H

#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

#define EF_DHT22_BITS 40u
#define EF_DHT22_INTERVAL_MS 2000u /* between two readings (Aosong, AM2302 data sheet) */

typedef struct ef_air {
    float temperature; /* degrees Celsius */
    float humidity;    /* per cent */
    float pressure;    /* hPa; 0 where the sensor has none */
} ef_air;

/* high_us: how long the line was high, for each bit. EF_ERROR_LENGTH for another number of bits or a pulse that is none,
 * EF_ERROR_CRC for a wrong sum, EF_ERROR_NOT_FINITE for what the sensor cannot measure (-40 to 80 degrees, 0 to 100 per cent). */
EF_MUST_CHECK ef_status ef_dht22_decode(const uint16_t *high_us, size_t bits, ef_air *air);

#endif
