typedef struct ef_board_identity {
    uint8_t unique_id[6];
    char chip[16];
    char firmware[24];
    uint32_t baud;
} ef_board_identity;
typedef struct ef_rpc_statistics {
    uint32_t requests;
    uint32_t reference_requests;
    uint32_t inferences;
    uint32_t errors;
    uint32_t crc_errors;
    uint32_t skipped_bytes;
    uint32_t timeouts;
    uint32_t swaps;
    uint32_t roll_backs;
    uint32_t busiest_us;
    uint64_t compute_us;
    ...;
} ef_rpc_statistics;
typedef struct ef_rpc {
    ef_rpc_statistics statistics;
    uint32_t baud;
    ...;
} ef_rpc;
typedef struct ef_host_power {
    int64_t left;
    uint8_t manner;
    bool lost;
    uint32_t noise;
    uint64_t words;
    uint64_t erases;
    ...;
} ef_host_power;
typedef struct ef_host_price {
    double multiply_add[2];
    double activation;
    double run;
    double program_word;
    double erase;
} ef_host_price;
typedef struct ef_host_charge {
    uint64_t multiply_adds;
    uint64_t activations;
    uint32_t steps;
    uint8_t dtype;
    ...;
} ef_host_charge;
typedef struct ef_host_area {
    uint8_t *bytes;
    uint32_t size;
    uint32_t *wear;
    ...;
} ef_host_area;
typedef struct ef_host_plan {
    ef_host_area control;
    ef_host_area slot_a;
    ef_host_area slot_b;
    uint32_t sector_size;
    uint8_t models;
    const uint8_t *file;
    uint32_t file_bytes;
    ef_board_identity identity;
    ef_host_price price;
    uint16_t window;
    uint32_t window_bytes;
    uint32_t max_payload;
    uint32_t arena_bytes;
    uint32_t stream_bytes;
    ...;
} ef_host_plan;
typedef struct ef_host_board {
    ef_host_power power;
    ef_rpc rpc;
    uint64_t now_us;
    double worked_ns;
    ef_host_charge charge[64];
    uint32_t charges;
    uint32_t baud_wanted;
    bool restart_wanted;
    uint64_t overrun;
    ...;
} ef_host_board;
size_t ef_host_board_memory(const ef_host_plan *plan);
ef_status ef_host_board_open(ef_host_board *board, const ef_host_plan *plan, void *memory, uint64_t now_us);
size_t ef_host_board_feed(ef_host_board *board, const uint8_t *bytes, size_t count);
bool ef_host_board_step(ef_host_board *board, uint64_t now_us);
size_t ef_host_board_take(ef_host_board *board, uint8_t *to, size_t most);
