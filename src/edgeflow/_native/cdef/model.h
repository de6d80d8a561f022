typedef struct ef_model_info {
    uint8_t kind;
    uint8_t dtype;
    uint16_t steps;
    uint16_t features;
    uint16_t horizon;
    uint16_t hidden;
    uint32_t version;
    uint32_t parameters;
    uint32_t arena_bytes;
    uint32_t file_bytes;
    uint32_t crc32;
    uint64_t multiply_adds;
    uint64_t activations;
    uint8_t sha256[32];
    char name[33];
    bool reference;
    ...;
} ef_model_info;
typedef struct ef_model {
    ef_model_info info;
    const uint8_t *payload;
    uint32_t payload_bytes;
    uint32_t test_offset;
    uint32_t test_bytes;
    ...;
} ef_model;
typedef struct ef_self_test {
    bool present;
    float tolerance;
    float error;
    ...;
} ef_self_test;
ef_status ef_model_parse(const uint8_t *bytes, size_t count, ef_model *model);
ef_status ef_model_run(const ef_model *model, const float *input, float *output, void *arena, size_t arena_bytes);
ef_status ef_model_self_test(const ef_model *model, void *arena, size_t arena_bytes, ef_self_test *result);
ef_status ef_model_step(const ef_model *model, const float *input, float *state, float *output, void *arena,
                        size_t arena_bytes);
