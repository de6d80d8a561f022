/* SET_BAUD with its way back, and RESTART: what changes the line once the reply is out. */
#include "rpc_internal.h"

#define LEAST_BAUD 9600u
#define MOST_BAUD 5000000u
#define BAUD_TRIAL_US 2000000u

ef_status ef_rpc_set_baud(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    uint32_t baud = ef_get32(request->payload);
    if (rpc->board.port->set_baud == NULL || baud < LEAST_BAUD || baud > MOST_BAUD) {
        return EF_ERROR_UNSUPPORTED;
    }
    rpc->baud_next = baud;
    ef_put32(reply->payload, baud);
    reply->length = 4;
    return EF_OK;
}

ef_status ef_rpc_restart(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    (void)request;
    (void)reply;
    if (rpc->board.port->restart == NULL) {
        return EF_ERROR_UNSUPPORTED;
    }
    rpc->restarting = true;
    return EF_OK;
}

static void switch_baud(ef_rpc *rpc, uint32_t baud, bool on_trial) {
    const ef_port *port = rpc->board.port;
    if (port->set_baud(port->context, baud)) {
        rpc->baud = baud;
        rpc->baud_on_trial = on_trial;
        rpc->baud_until_us = ef_rpc_now(rpc) + BAUD_TRIAL_US;
    }
}

void ef_rpc_after_reply(ef_rpc *rpc) {
    const ef_port *port = rpc->board.port;
    if (rpc->restarting) {
        port->restart(port->context);
    } else if (rpc->baud_next != 0) {
        switch_baud(rpc, rpc->baud_next, rpc->baud_next != rpc->board.identity->baud);
        rpc->baud_next = 0;
    }
}

bool ef_rpc_watch_line(ef_rpc *rpc) {
    if (!rpc->baud_on_trial || ef_rpc_now(rpc) < rpc->baud_until_us) {
        return false;
    }
    rpc->baud_on_trial = false;
    switch_baud(rpc, rpc->board.identity->baud, false);
    return true;
}
