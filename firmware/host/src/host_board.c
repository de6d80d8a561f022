#include "edgeflow/host_board.h"

#include <string.h>

#include "host_ring.h"

static size_t rounded(size_t bytes) {
    return (bytes + 7u) & ~(size_t)7u;
}

static size_t message_bytes(const ef_host_plan *plan) {
    return rounded((size_t)plan->max_payload + EF_RPC_HEADER_BYTES + EF_RPC_TRAILER_BYTES);
}

size_t ef_host_board_memory(const ef_host_plan *plan) {
    return 4u * message_bytes(plan) + rounded(plan->arena_bytes) + rounded(plan->stream_bytes) +
           rounded(plan->window_bytes);
}

static size_t port_read(void *context, uint8_t *to, size_t most) {
    ef_host_board *board = context;
    return ef_ring_get(&board->incoming, to, most);
}

static void port_write(void *context, const uint8_t *from, size_t count) {
    ef_host_board *board = context;
    board->choked += count - ef_ring_put(&board->outgoing, from, count);
}

static double price_of_flash(ef_host_board *board) {
    const ef_host_price *price = &board->plan.price;
    uint64_t words = board->power.words - board->priced_words, erases = board->power.erases - board->priced_erases;
    board->priced_words = board->power.words;
    board->priced_erases = board->power.erases;
    return price->program_word * (double)words + price->erase * (double)erases;
}

static uint64_t port_now(void *context) {
    ef_host_board *board = context;
    board->worked_ns += price_of_flash(board);
    return board->now_us + (uint64_t)(board->worked_ns / 1000.0);
}

static bool port_set_baud(void *context, uint32_t baud) {
    ef_host_board *board = context;
    board->baud_wanted = baud;
    return true;
}

static void port_restart(void *context) {
    ef_host_board *board = context;
    board->restart_wanted = true;
}

static void keep_charge(ef_host_board *board, const ef_host_charge *charge) {
    if (board->charges < EF_HOST_CHARGES) {
        board->charge[board->charges++] = *charge;
        return;
    }
    ef_host_charge *last = &board->charge[EF_HOST_CHARGES - 1u];
    last->multiply_adds += charge->multiply_adds;
    last->activations += charge->activations;
    last->steps += charge->steps;
}

static void port_computed(void *context, const ef_model_info *info, uint32_t steps) {
    ef_host_board *board = context;
    const ef_host_price *price = &board->plan.price;
    ef_host_charge charge = {
        .multiply_adds = info->multiply_adds * steps / info->steps,
        .activations = info->activations * steps / info->steps,
        .steps = steps,
        .dtype = info->dtype,
    };
    keep_charge(board, &charge);
    board->worked_ns += price->run + price->activation * (double)charge.activations +
                        price->multiply_add[charge.dtype == EF_DTYPE_INT8] * (double)charge.multiply_adds;
}

static ef_status open_slots(ef_host_board *board) {
    const ef_host_plan *plan = &board->plan;
    const ef_host_area *area[3] = {&plan->control, &plan->slot_a, &plan->slot_b};
    for (unsigned i = 0; i < 3; i++) {
        ef_host_flash_open(&board->flash[i], area[i]->bytes, area[i]->size, plan->sector_size, area[i]->wear,
                           &board->power);
    }
    return ef_slots_open(&board->slots, &board->flash[0].flash, &board->flash[1].flash, &board->flash[2].flash,
                         plan->models);
}

static uint8_t *carve(uint8_t **memory, size_t bytes) {
    uint8_t *start = *memory;
    *memory += rounded(bytes);
    return start;
}

static void lay_out(ef_host_board *board, ef_rpc_board *made, uint8_t *memory) {
    const ef_host_plan *plan = &board->plan;
    size_t message = message_bytes(plan);
    made->memory = (ef_rpc_memory){
        .receive = carve(&memory, message),
        .receive_bytes = (size_t)plan->max_payload + EF_RPC_HEADER_BYTES + EF_RPC_TRAILER_BYTES,
        .transmit = carve(&memory, message),
        .transmit_bytes = message,
        .arena = carve(&memory, plan->arena_bytes),
        .arena_bytes = plan->arena_bytes,
        .window = (float *)(void *)carve(&memory, plan->stream_bytes),
        .window_bytes = plan->stream_bytes,
    };
    board->incoming = (ef_host_ring){.bytes = carve(&memory, plan->window_bytes), .size = plan->window_bytes};
    board->outgoing = (ef_host_ring){.bytes = carve(&memory, 2u * message), .size = 2u * message};
}

ef_status ef_host_board_open(ef_host_board *board, const ef_host_plan *plan, void *memory, uint64_t now_us) {
    memset(board, 0, sizeof *board);
    board->plan = *plan;
    board->power = (ef_host_power){.left = -1, .noise = 1};
    board->now_us = now_us;
    board->port = (ef_port){
        .context = board,
        .read = port_read,
        .write = port_write,
        .now_us = port_now,
        .set_baud = port_set_baud,
        .restart = port_restart,
        .computed = port_computed,
    };
    bool has_slots = plan->control.bytes != NULL;
    if (has_slots) {
        ef_status status = open_slots(board);
        if (status != EF_OK) {
            return status;
        }
    }
    if (plan->window_bytes == 0) {
        return EF_ERROR_MEMORY;
    }
    ef_rpc_board made = {
        .port = &board->port,
        .identity = &board->plan.identity,
        .slots = has_slots ? &board->slots : NULL,
        .file = plan->file,
        .file_bytes = plan->file_bytes,
        .window = plan->window,
        .window_bytes = plan->window_bytes,
    };
    lay_out(board, &made, memory);
    ef_status status = ef_rpc_start(&board->rpc, &made);
    board->worked_ns += price_of_flash(board);
    return status;
}

size_t ef_host_board_feed(ef_host_board *board, const uint8_t *bytes, size_t count) {
    size_t taken = ef_ring_put(&board->incoming, bytes, count);
    board->overrun += count - taken;
    return taken;
}

bool ef_host_board_step(ef_host_board *board, uint64_t now_us) {
    if (board->outgoing.size - board->outgoing.used < message_bytes(&board->plan)) {
        return false;
    }
    uint64_t reached = port_now(board);
    board->now_us = now_us > reached ? now_us : reached;
    board->worked_ns = 0.0;
    bool worked = ef_rpc_step(&board->rpc);
    board->worked_ns += price_of_flash(board);
    return worked;
}

size_t ef_host_board_take(ef_host_board *board, uint8_t *to, size_t most) {
    return ef_ring_get(&board->outgoing, to, most);
}
