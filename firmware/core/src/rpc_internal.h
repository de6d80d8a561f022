/* What the files of the RPC share. */
#ifndef EDGEFLOW_RPC_INTERNAL_H
#define EDGEFLOW_RPC_INTERNAL_H

#include <string.h>

#include "edgeflow/frame.h"
#include "edgeflow/rpc_state.h"
#include "little_endian.h"

#define EF_FRAME_OVERHEAD (EF_FRAME_HEADER_BYTES + EF_FRAME_TRAILER_BYTES)

typedef struct ef_request {
    ef_frame frame;
    const uint8_t *payload; /* 4-byte aligned */
    uint32_t queue_us;
} ef_request;

typedef struct ef_reply {
    uint8_t *payload; /* 4-byte aligned, room for max_payload */
    uint32_t length;
    uint32_t detail; /* of an error */
} ef_reply;

typedef ef_status (*ef_handler)(ef_rpc *rpc, const ef_request *request, ef_reply *reply);

static inline uint64_t ef_rpc_now(const ef_rpc *rpc) {
    return rpc->board.port->now_us(rpc->board.port->context);
}

static inline void ef_rpc_write(const ef_rpc *rpc, size_t count) {
    rpc->board.port->write(rpc->board.port->context, rpc->board.memory.transmit, count);
}

/* receive: bytes in, messages out */
bool ef_rpc_take_in(ef_rpc *rpc);
bool ef_rpc_examine(ef_rpc *rpc);

/* reference protocol: false while the message is not whole */
bool ef_rpc_reference(ef_rpc *rpc, const uint8_t *message, size_t have, size_t *consumed);

/* extended protocol */
void ef_rpc_dispatch(ef_rpc *rpc, const ef_request *request);
void ef_rpc_refuse(ef_rpc *rpc, const ef_frame *frame, uint8_t type, ef_status status, uint32_t detail);
void ef_rpc_announce(ef_rpc *rpc);
uint8_t ef_rpc_answering(const ef_rpc *rpc);

/* models */
void ef_rpc_choose_models(ef_rpc *rpc);
ef_status ef_rpc_model(ef_rpc *rpc, uint8_t id, ef_reply *reply, const ef_model **model);
bool ef_rpc_runnable(const ef_rpc *rpc, uint8_t id);
void ef_rpc_switch(ef_rpc *rpc, uint8_t id);
ef_status ef_rpc_run(ef_rpc *rpc, const ef_model *model, const float *input, float *output, uint32_t *compute_us);
uint32_t ef_rpc_charge(ef_rpc *rpc, const ef_model *model, uint32_t steps, uint64_t since_us);
bool ef_rpc_end_trials(ef_rpc *rpc);

/* the line */
bool ef_rpc_watch_line(ef_rpc *rpc);
void ef_rpc_understood(ef_rpc *rpc);
void ef_rpc_after_reply(ef_rpc *rpc);

/* handlers */
ef_status ef_rpc_hello(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_model_info(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_statistics_of(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_echo(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_infer(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_stream_open(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_stream_step(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_stream_close(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_upload_begin(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_upload_data(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_upload_end(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_upload_abort(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_activate(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_confirm(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_roll_back(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_read(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_set_baud(ef_rpc *rpc, const ef_request *request, ef_reply *reply);
ef_status ef_rpc_restart(ef_rpc *rpc, const ef_request *request, ef_reply *reply);

#endif
