/*
 * A whole board in memory: the RPC on two byte rings, flash in the caller's bytes, a clock that the caller sets and that
 * work moves on by its price. One thread at a time.
 */
#ifndef EDGEFLOW_HOST_BOARD_H
#define EDGEFLOW_HOST_BOARD_H

#include "edgeflow/host_flash.h"
#include "edgeflow/rpc_state.h"

#define EF_HOST_CHARGES 64u

/* What work costs in time, in nanoseconds. Zeros: nothing. */
typedef struct ef_host_price {
    double multiply_add[2]; /* by dtype of the weights */
    double activation;
    double run; /* each run of a model, whatever it does */
    double program_word;
    double erase;
} ef_host_price;

/* One run of a model, or one step of it. */
typedef struct ef_host_charge {
    uint64_t multiply_adds;
    uint64_t activations;
    uint32_t steps;
    uint8_t dtype;
} ef_host_charge;

typedef struct ef_host_area {
    uint8_t *bytes; /* 4-byte aligned; NULL for none */
    uint32_t size;
    uint32_t *wear; /* erases by sector; NULL where nobody counts */
} ef_host_area;

typedef struct ef_host_plan {
    ef_host_area control, slot_a, slot_b; /* all three or none */
    uint32_t sector_size;
    uint8_t models;
    const uint8_t *file; /* reference model file, 4-byte aligned; NULL for none */
    uint32_t file_bytes;
    ef_board_identity identity;
    ef_host_price price;
    uint16_t window;
    uint32_t window_bytes; /* stated to the host, and the size of the receive ring */
    uint32_t max_payload;
    uint32_t arena_bytes;
    uint32_t stream_bytes;
} ef_host_plan;

typedef struct ef_host_ring {
    uint8_t *bytes;
    size_t size, head, used;
} ef_host_ring;

typedef struct ef_host_board {
    ef_host_plan plan;
    ef_host_power power;
    ef_host_flash flash[3]; /* control, A, B */
    ef_slots slots;
    ef_port port;
    ef_rpc rpc;
    ef_host_ring incoming, outgoing;
    uint64_t now_us;     /* as set by the caller */
    double worked_ns;    /* since then, by the price list */
    uint64_t priced_words, priced_erases;
    ef_host_charge charge[EF_HOST_CHARGES];
    uint32_t charges;    /* kept in `charge`; what does not fit goes into the last one */
    uint32_t baud_wanted; /* 0: none since the last call */
    bool restart_wanted;
    uint64_t overrun;    /* bytes that found the receive ring full */
    uint64_t choked;     /* bytes that found the transmit ring full */
} ef_host_board;

/* Bytes that ef_host_board_open needs behind the board itself, for a plan. */
size_t ef_host_board_memory(const ef_host_plan *plan);

/* Power on. `memory` has ef_host_board_memory bytes, 8-byte aligned; all the plan points to must outlive the board. */
EF_MUST_CHECK ef_status ef_host_board_open(ef_host_board *board, const ef_host_plan *plan, void *memory,
                                           uint64_t now_us);

/* Bytes from the line; returns how many found room. The rest is lost, as on a real UART. */
size_t ef_host_board_feed(ef_host_board *board, const uint8_t *bytes, size_t count);

/* One ef_rpc_step at the given time, or at the one that work has reached where that is later. False: nothing to do, or the transmit ring has no room for a reply. */
bool ef_host_board_step(ef_host_board *board, uint64_t now_us);

/* Take what the board wrote; returns how many bytes. */
size_t ef_host_board_take(ef_host_board *board, uint8_t *to, size_t most);

#endif
