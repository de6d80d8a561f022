/*
 * The board's side of the UART: the reference protocol (META/INFO, INFR/PRED) and the extended one (EFX1), told apart by
 * their magics on the same wire. docs/reference/uart-protocol.md has every message to the byte.
 *
 * One call of ef_rpc_step does at most one message's work. The caller calls it in a loop and sleeps while it says idle.
 */
#ifndef EDGEFLOW_RPC_H
#define EDGEFLOW_RPC_H

#include "edgeflow/checksum.h"
#include "edgeflow/model.h"
#include "edgeflow/slots.h"

#define EF_RPC_MAX_PAYLOAD 32768u /* bytes of one message; boards may state less */
#define EF_RPC_HEADER_BYTES 16u
#define EF_RPC_TRAILER_BYTES 4u

/* The wire and the world. `read` never blocks; `write` blocks until the bytes are with the driver. */
typedef struct ef_port {
    void *context;
    size_t (*read)(void *context, uint8_t *to, size_t most);
    void (*write)(void *context, const uint8_t *from, size_t count);
    uint64_t (*now_us)(void *context); /* monotonic */
    bool (*set_baud)(void *context, uint32_t baud); /* false: not possible. NULL: never possible */
    void (*restart)(void *context);    /* NULL: cannot */
    int32_t (*free_memory)(void *context); /* bytes, -1 unknown. NULL: unknown */
    /* Called after each run of a model, so that a virtual board can charge its time. NULL: nothing to do */
    void (*computed)(void *context, const ef_model_info *info, uint32_t steps);
} ef_port;

typedef struct ef_board_identity {
    uint8_t unique_id[6]; /* MAC */
    char chip[16];
    char firmware[24]; /* name and version */
    uint32_t baud;     /* at start, and the one to fall back to */
} ef_board_identity;

typedef struct ef_rpc_statistics {
    uint32_t requests;       /* messages understood, both protocols */
    uint32_t reference_requests;
    uint32_t inferences;
    uint32_t errors;         /* replies with a status */
    uint32_t crc_errors;     /* headers or payloads that were damaged */
    uint32_t skipped_bytes;  /* between messages */
    uint32_t timeouts;       /* messages whose rest never came */
    uint32_t swaps;
    uint32_t roll_backs;
    uint32_t busiest_us;     /* longest run of a model */
    uint64_t compute_us;     /* sum over all runs */
    uint64_t uptime_us;
} ef_rpc_statistics;

typedef struct ef_rpc_memory {
    uint8_t *receive;     /* one message: at least max_payload + header + trailer, 4-byte aligned */
    size_t receive_bytes;
    uint8_t *transmit;    /* one reply: likewise */
    size_t transmit_bytes;
    void *arena;          /* one run of the largest model, 4-byte aligned */
    size_t arena_bytes;
    float *window;        /* of all streams: scales, then a ring of inputs (2 * steps * features) or the recurrent state */
    size_t window_bytes;
} ef_rpc_memory;

/* What a board is made of; everything must outlive the ef_rpc. */
typedef struct ef_rpc_board {
    const ef_port *port;
    const ef_board_identity *identity;
    ef_slots *slots;       /* opened; NULL on a board without slots */
    const uint8_t *file;   /* reference model file, NULL for none */
    size_t file_bytes;
    ef_rpc_memory memory;
    uint16_t window;       /* requests that a host may have unanswered; receive buffering of the driver must fit them */
    uint32_t window_bytes; /* and their bytes */
} ef_rpc_board;

typedef struct ef_rpc ef_rpc; /* defined in rpc_state.h, so that callers can place it */

/* Choose the models that answer and say so on the wire (BOOTED). Works with no model at all: every request is answered. */
EF_MUST_CHECK ef_status ef_rpc_start(ef_rpc *rpc, const ef_rpc_board *board);

/* Take what has arrived and do at most one message's work. False when there was nothing to do. */
bool ef_rpc_step(ef_rpc *rpc);

const ef_rpc_statistics *ef_rpc_get_statistics(const ef_rpc *rpc);

#endif
