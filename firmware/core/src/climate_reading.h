/* A reading as it waits in the outbox: kind, sequence, value and when it was measured, little-endian. */
#ifndef EDGEFLOW_CLIMATE_READING_H
#define EDGEFLOW_CLIMATE_READING_H

#include "edgeflow/climate_node.h"

#define CLIMATE_READING_BYTES 17u

typedef struct climate_reading {
    ef_climate_kind kind;
    uint32_t sequence;
    float value;
    uint64_t at_ms; /* of the caller's clock */
} climate_reading;

void climate_reading_pack(const climate_reading *reading, uint8_t to[CLIMATE_READING_BYTES]);
bool climate_reading_unpack(const uint8_t from[CLIMATE_READING_BYTES], climate_reading *reading);
void climate_reading_topic(const ef_climate_node *node, ef_climate_kind kind, char to[EF_CLIMATE_TOPIC]);
void climate_reading_write(const ef_climate_node *node, const climate_reading *reading, ef_text *out);

#endif
