/* What an ef_rpc is made of, so that callers can place it. Only the core reads and writes it. */
#ifndef EDGEFLOW_RPC_STATE_H
#define EDGEFLOW_RPC_STATE_H

#include "edgeflow/rpc.h"

/* One model id. `status` says why nothing answers under it. */
typedef struct ef_rpc_resident {
    ef_model model; /* valid where slot is not EF_SLOT_NONE */
    ef_status status;
    uint8_t slot;
    uint64_t confirm_by_us; /* end of the trial; counts while the record says TRIAL */
} ef_rpc_resident;

/* One stream. Its floats lie in the board's window memory: scales (int8), then the ring or the recurrent state. */
typedef struct ef_rpc_stream {
    bool open;
    uint8_t mode;
    uint8_t dtype;
    uint16_t seen; /* steps, at most T */
    uint16_t next; /* step of the ring that is written next */
    uint32_t first; /* float of the window memory where it starts */
    uint32_t floats;
} ef_rpc_stream;

struct ef_rpc {
    ef_rpc_board board;
    ef_rpc_statistics statistics;
    ef_model file;
    bool has_file;
    uint32_t file_crc32;
    uint8_t ids;
    uint32_t max_payload;
    ef_rpc_resident resident[EF_MAX_MODELS];
    ef_rpc_stream stream[EF_MAX_MODELS];
    /* receiving: bytes [head, used) of board.memory.receive are not dealt with yet */
    size_t head;
    size_t used;
    uint8_t looked_twice; /* bytes at head that were part of a message already */
    uint8_t waiting;      /* for what: 0 nothing, 1 the rest of a header, 2 the rest of a payload */
    uint64_t waiting_us;  /* since when */
    uint64_t read_us;     /* when bytes came last */
    /* the line */
    uint32_t baud;
    uint32_t baud_next; /* to switch to once the reply is out; 0 for none */
    bool baud_on_trial; /* nothing was understood at this rate yet */
    uint64_t baud_until_us;
    uint32_t garbage;     /* count of what was no message, at the last look */
    uint64_t doubt_us;    /* since when nothing but that came; 0: no doubt */
    bool restarting;
    uint64_t started_us;
};

#endif
