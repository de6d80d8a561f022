/* Start and step: the order in which a board does things. */
#include "edgeflow/rpc.h"

#include "rpc_internal.h"

#define LEAST_PAYLOAD 256u /* every reply but the data of the host's own asking fits */

static size_t smaller(size_t left, size_t right) {
    return left < right ? left : right;
}

static bool aligned(const void *at) {
    return at != NULL && (uintptr_t)at % 4u == 0;
}

static ef_status check_board(const ef_rpc_board *board) {
    const ef_rpc_memory *memory = &board->memory;
    if (!aligned(memory->receive) || !aligned(memory->transmit) || (uintptr_t)memory->arena % 4u != 0 ||
        (uintptr_t)memory->window % 4u != 0 || (memory->window == NULL && memory->window_bytes > 0) ||
        smaller(memory->receive_bytes, memory->transmit_bytes) < LEAST_PAYLOAD + EF_FRAME_OVERHEAD) {
        return EF_ERROR_MEMORY;
    }
    return board->identity->baud > 0 ? EF_OK : EF_ERROR_UNSUPPORTED;
}

ef_status ef_rpc_start(ef_rpc *rpc, const ef_rpc_board *board) {
    ef_status status = check_board(board);
    if (status != EF_OK) {
        return status;
    }
    memset(rpc, 0, sizeof *rpc);
    rpc->board = *board;
    size_t room = smaller(board->memory.receive_bytes, board->memory.transmit_bytes) - EF_FRAME_OVERHEAD;
    rpc->max_payload = (uint32_t)smaller(room, EF_RPC_MAX_PAYLOAD);
    rpc->ids = board->slots != NULL ? board->slots->count : 1;
    rpc->baud = board->identity->baud;
    rpc->started_us = ef_rpc_now(rpc);
    ef_rpc_choose_models(rpc);
    ef_rpc_announce(rpc);
    return EF_OK;
}

bool ef_rpc_step(ef_rpc *rpc) {
    if (rpc->restarting) {
        return false;
    }
    rpc->statistics.uptime_us = ef_rpc_now(rpc) - rpc->started_us;
    bool took = ef_rpc_take_in(rpc);
    bool ended = ef_rpc_end_trials(rpc);
    bool fell_back = ef_rpc_watch_line(rpc);
    bool worked = ef_rpc_examine(rpc);
    return took || ended || fell_back || worked;
}

const ef_rpc_statistics *ef_rpc_get_statistics(const ef_rpc *rpc) {
    return &rpc->statistics;
}
