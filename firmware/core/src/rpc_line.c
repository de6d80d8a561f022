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

static uint32_t garbage(const ef_rpc *rpc) {
    return rpc->statistics.skipped_bytes + rpc->statistics.crc_errors;
}

void ef_rpc_understood(ef_rpc *rpc) {
    rpc->baud_on_trial = false;
    rpc->doubt_us = 0;
    rpc->garbage = garbage(rpc);
}

/* A host that died at a fast rate comes back at the one it knows: whatever it says then is no message here. */
static bool in_doubt(ef_rpc *rpc, uint64_t now) {
    uint32_t found = garbage(rpc);
    if (found == rpc->garbage) {
        return false;
    }
    rpc->garbage = found;
    if (rpc->doubt_us == 0) {
        rpc->doubt_us = now;
    }
    return now - rpc->doubt_us >= BAUD_TRIAL_US;
}

bool ef_rpc_watch_line(ef_rpc *rpc) {
    uint32_t first = rpc->board.identity->baud;
    if (rpc->baud == first) {
        return false;
    }
    uint64_t now = ef_rpc_now(rpc);
    if (rpc->baud_on_trial ? now < rpc->baud_until_us : !in_doubt(rpc, now)) {
        return false;
    }
    rpc->baud_on_trial = false;
    rpc->doubt_us = 0;
    switch_baud(rpc, first, false);
    return true;
}
