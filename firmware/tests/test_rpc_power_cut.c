/*
 * A swap over the line, with the power cut at every operation of the flash: the old or the new model answers all the
 * while and after the restart, and the next swap works.
 */
#include "check.h"
#include "line.h"
#include "versioned_model.h"

enum { INFER = 0x03, CONFIRM = 0x14, ROLL_BACK = 0x15, VALUES = 32, HORIZON = 3 };

static const made_shape shape = {8, 4, 3, 8};
static line it, kept;

static float forecast[5][HORIZON]; /* by version */

static void expect(uint32_t version) {
    static _Alignas(8) uint8_t file[8192], arena[65536];
    float input[VALUES] = {0.5f, -1.0f};
    ef_model model;
    uint32_t bytes = make_container(file, shape, version, true);
    CHECK_EQUAL(ef_model_parse(file, bytes, &model), EF_OK);
    CHECK_EQUAL(ef_model_run(&model, input, forecast[version], arena, sizeof arena), EF_OK);
}

/* Version of the container that answers like the board: one of the two, else 0. */
static uint32_t answering(uint32_t one, uint32_t other) {
    float input[1 + VALUES] = {0.0f, 0.5f, -1.0f};
    heard_reply reply;
    CHECK_EQUAL(line_ask(&it, INFER, 0, input, sizeof input, &reply), 0);
    CHECK_EQUAL(reply.frame.length, 8 + sizeof forecast[0]);
    if (memcmp(reply.payload + 8, forecast[one], sizeof forecast[0]) == 0) {
        return one;
    }
    return memcmp(reply.payload + 8, forecast[other], sizeof forecast[0]) == 0 ? other : 0;
}

static int swap_to(uint32_t version, uint32_t within_ms) {
    static _Alignas(8) uint8_t file[8192];
    return line_swap(&it, 0, file, make_container(file, shape, version, true), within_ms);
}

static void confirmed_swap(void) {
    if (swap_to(2, 3000) == 0) {
        CHECK(answering(1, 2) == 2);
        line_ask(&it, CONFIRM, 0, NULL, 0, NULL);
    }
}

static void abandoned_swap(void) {
    swap_to(2, 3000);
    line_pass(&it, 3500000);
}

static void swap_and_back(void) {
    if (swap_to(2, 0) == 0) {
        line_ask(&it, ROLL_BACK, 0, NULL, 0, NULL);
    }
}

static void restore(void) {
    memcpy(it.control, kept.control, sizeof it.control);
    memcpy(it.slot, kept.slot, sizeof it.slot);
    line_power_on(&it);
    line_settle(&it);
}

static uint64_t operations_of(void (*act)(void)) {
    restore();
    act();
    return it.board.power.words + it.board.power.erases;
}

static void check_cut(void (*act)(void), int64_t after, uint8_t manner) {
    restore();
    it.board.power.left = after;
    it.board.power.manner = manner;
    it.board.power.noise = (uint32_t)(after + 1);
    act();
    CHECK(it.board.power.lost);
    CHECK(answering(1, 2) != 0);
    line_power_on(&it);
    line_settle(&it);
    uint32_t version = answering(1, 2);
    CHECK(version != 0);
    line_power_on(&it);
    line_settle(&it);
    CHECK_EQUAL(answering(1, 2), version);
    if (after % 8 == 0) {
        CHECK_EQUAL(swap_to(4, 0), 0);
        CHECK_EQUAL(answering(4, 4), 4);
    }
}

static uint64_t check_act(void (*act)(void), bool every_manner, uint64_t stride) {
    uint64_t operations = operations_of(act);
    CHECK(operations > 0);
    for (uint64_t after = 0; after < operations; after += stride) {
        for (uint64_t manner = EF_CUT_BEFORE; manner <= EF_CUT_GARBAGE; manner++) {
            if (every_manner || (after + operations) % 3 == manner) {
                check_cut(act, (int64_t)after, (uint8_t)manner);
            }
        }
    }
    return operations;
}

int main(int count, char **arguments) {
    bool every = is_exhaustive(count, arguments);
    uint64_t stride = is_brief(count, arguments) ? 5 : 1; /* five and three manners: each has its turn */
    for (uint32_t version = 1; version <= 4; version++) {
        expect(version);
    }
    CHECK(memcmp(forecast[1], forecast[2], sizeof forecast[0]) != 0);
    line_open(&it, 3);
    CHECK_EQUAL(swap_to(9, 0), 0);
    CHECK_EQUAL(swap_to(1, 0), 0);
    kept = it;
    uint64_t points = check_act(confirmed_swap, every, stride) + check_act(abandoned_swap, every, stride);
    points += check_act(swap_and_back, every, stride);
    printf("power cut at %llu operations\n", (unsigned long long)points);
    return finish("power cut over the line");
}
