/*
 * A model in memory: parsed from the container EFM1 or from the reference file LST0, checked once, run many times.
 * docs/model_format.md has both formats to the byte. Nothing is copied: a model points into the bytes it was parsed
 * from (mapped flash or RAM, 4-byte aligned), which must stay until it is no longer used.
 */
#ifndef EDGEFLOW_MODEL_H
#define EDGEFLOW_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

#define EF_MODEL_MAGIC 0x314D4645u /* "EFM1" */
#define EF_MODEL_HEADER_BYTES 128u
#define EF_REFERENCE_MAGIC 0x3054534Cu /* "LST0" */
#define EF_REFERENCE_HEADER_BYTES 16u
#define EF_MODEL_NAME_BYTES 32u

#define EF_MAX_STEPS 4096u
#define EF_MAX_FEATURES 1024u
#define EF_MAX_HORIZON 4096u
#define EF_MAX_HIDDEN 1024u

enum { EF_KIND_LSTM = 1, EF_KIND_LAYERS = 2 };
enum { EF_DTYPE_FLOAT32 = 0, EF_DTYPE_INT8 = 1 };

typedef struct ef_model_info {
    uint8_t kind;
    uint8_t dtype;      /* of the weights */
    uint16_t steps;     /* T: time steps of an input */
    uint16_t features;  /* F: values per time step */
    uint16_t horizon;   /* H: values of an answer */
    uint16_t hidden;    /* of the LSTM; widest layer of EF_KIND_LAYERS */
    uint32_t version;   /* the user's own number */
    uint32_t parameters;
    uint32_t arena_bytes; /* scratch memory that one run needs */
    uint32_t file_bytes;  /* header and payload */
    uint32_t crc32;       /* of the payload */
    uint64_t multiply_adds; /* of one run, for cost models */
    uint64_t activations;   /* sigmoid and tanh calls of one run */
    uint8_t sha256[32];     /* of the payload */
    char name[EF_MODEL_NAME_BYTES + 1];
    bool reference; /* came from an LST0 file: no self-test vector, version or name */
} ef_model_info;

typedef struct ef_model {
    ef_model_info info;
    const uint8_t *payload;
    uint32_t payload_bytes;
    uint32_t test_offset; /* into the payload; 0 bytes where there is none */
    uint32_t test_bytes;
} ef_model;

typedef struct ef_self_test {
    bool present;
    float tolerance; /* stated by the file: largest absolute error */
    float error;     /* found */
} ef_self_test;

/*
 * Check a container or a reference file (told apart by the magic) and describe it. Every bound is checked here: sizes,
 * dimensions, CRC-32, SHA-256, layer table, finite weights and scales. Bytes after the file's own end are ignored.
 * EF_ERROR_MEMORY: the bytes are not 4-byte aligned. On an error the model is all zeros.
 */
EF_MUST_CHECK ef_status ef_model_parse(const uint8_t *bytes, size_t count, ef_model *model);

/*
 * Run once. input: float32[steps * features], row-major; output: float32[horizon]. The arena is 4-byte aligned and at
 * least info.arena_bytes long. Stack use does not grow with the model. EF_ERROR_NOT_FINITE: input or answer holds NaN
 * or infinity (the answer is in output all the same).
 */
EF_MUST_CHECK ef_status ef_model_run(const ef_model *model, const float *input, float *output, void *arena,
                                     size_t arena_bytes);

/* Run the embedded test vector; EF_ERROR_SELF_TEST when it is missed. EF_OK without one. `result` may be NULL. */
EF_MUST_CHECK ef_status ef_model_self_test(const ef_model *model, void *arena, size_t arena_bytes,
                                           ef_self_test *result);

/*
 * One time step of a recurrent model with its state kept: state is float32[2 * hidden] (h then c), zeros at the start;
 * output may be NULL. EF_ERROR_UNSUPPORTED for models without a state.
 */
EF_MUST_CHECK ef_status ef_model_step(const ef_model *model, const float *input, float *state, float *output,
                                      void *arena, size_t arena_bytes);

#endif
