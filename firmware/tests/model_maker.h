/* Small model files for tests, right to the last byte; their weights come from a seed. */
#ifndef EDGEFLOW_MODEL_MAKER_H
#define EDGEFLOW_MODEL_MAKER_H

#include <stddef.h>
#include <stdint.h>

#include "edgeflow/model.h"

typedef struct made_model {
    uint8_t *bytes; /* of malloc, exactly count long, so that a read behind it is seen */
    size_t count;
} made_model;

enum { MADE_REFERENCE, MADE_LSTM, MADE_LSTM_INT8, MADE_LAYERS, MADE_LAYERS_INT8, MADE_KINDS };

/* A model of a kind with its self-test vector (MADE_REFERENCE has none). */
made_model make_model(int kind, uint32_t seed);

/* Compute payload CRC-32, SHA-256 and header CRC-32 anew, as someone who lies on purpose does. */
void seal(made_model *model);

void free_model(made_model *model);

#endif
