/* Small model files for tests: an LSTM with weights drawn from the version, so that every version answers otherwise. */
#ifndef EDGEFLOW_VERSIONED_MODEL_H
#define EDGEFLOW_VERSIONED_MODEL_H

#include "edgeflow/model.h"

typedef struct made_shape {
    uint16_t steps, features, horizon, hidden;
} made_shape;

/* Both write a file to 4-byte aligned memory and return its bytes. */
uint32_t make_reference(uint8_t *to, made_shape shape, uint32_t version);
uint32_t make_container(uint8_t *to, made_shape shape, uint32_t version, bool self_test);

/* The same container with a self-test vector that no run fits. */
uint32_t make_failing_container(uint8_t *to, made_shape shape, uint32_t version);

#endif
