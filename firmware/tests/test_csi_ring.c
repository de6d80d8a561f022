/* The ring between the cores: full, empty, wrapped, and with a writer and a reader at once. */
#include "edgeflow/csi_ring.h"

#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "edgeflow/csi_state.h"

#define FRAMES 20000u

static ef_csi_ring ring;

static ef_csi_frame frame_of(const int8_t *pairs, uint64_t number, uint16_t subcarriers) {
    return (ef_csi_frame){.time_us = number, .pairs = pairs, .subcarriers = subcarriers, .rssi = -40, .noise_floor = -90,
                          .channel = 6, .source = 7};
}

static void test_what_goes_in_comes_out_in_order(void) {
    int8_t pairs[2u * EF_CSI_MAX_SUBCARRIERS];
    ef_csi_frame out;
    ef_csi_ring_init(&ring);
    CHECK(!ef_csi_ring_peek(&ring, &out));
    ef_csi_ring_pop(&ring); /* nothing there: nothing happens */
    for (unsigned i = 0; i < 3u * EF_CSI_RING_SLOTS + 1u; i++) {
        memset(pairs, (int)i, sizeof pairs);
        ef_csi_frame in = frame_of(pairs, i, i % 2u == 0 ? 64 : EF_CSI_MAX_SUBCARRIERS);
        CHECK(ef_csi_ring_push(&ring, &in));
        memset(pairs, 99, sizeof pairs); /* the ring has its own copy */
        CHECK(ef_csi_ring_peek(&ring, &out));
        CHECK_EQUAL(out.time_us, i);
        CHECK_EQUAL(out.subcarriers, in.subcarriers);
        CHECK_EQUAL(out.pairs[2u * out.subcarriers - 1u], (int8_t)i);
        CHECK(out.rssi == -40 && out.noise_floor == -90 && out.channel == 6 && out.source == 7);
        ef_csi_ring_pop(&ring);
    }
    CHECK_EQUAL(ef_csi_ring_dropped(&ring), 0);
}

static void test_a_full_ring_keeps_the_oldest(void) {
    int8_t pairs[128] = {0};
    ef_csi_frame out;
    ef_csi_ring_init(&ring);
    for (unsigned i = 0; i < EF_CSI_RING_SLOTS + 3u; i++) {
        ef_csi_frame in = frame_of(pairs, i, 64);
        CHECK(ef_csi_ring_push(&ring, &in) == (i < EF_CSI_RING_SLOTS));
    }
    CHECK_EQUAL(ef_csi_ring_dropped(&ring), 3);
    CHECK(ef_csi_ring_peek(&ring, &out) && out.time_us == 0);
}

static void test_lengths_that_do_not_fit_are_dropped(void) {
    int8_t pairs[2u * (EF_CSI_MAX_SUBCARRIERS + 1u)] = {0};
    ef_csi_frame out, none = frame_of(pairs, 0, 0), long_one = frame_of(pairs, 0, EF_CSI_MAX_SUBCARRIERS + 1u);
    ef_csi_ring_init(&ring);
    CHECK(!ef_csi_ring_push(&ring, &none) && !ef_csi_ring_push(&ring, &long_one));
    CHECK(!ef_csi_ring_peek(&ring, &out));
    CHECK_EQUAL(ef_csi_ring_dropped(&ring), 2);
}

static void *write_frames(void *unused) {
    int8_t pairs[128];
    for (uint64_t i = 1; i <= FRAMES; i++) {
        memset(pairs, (int8_t)i, sizeof pairs);
        ef_csi_frame in = frame_of(pairs, i, 64);
        ef_csi_ring_push(&ring, &in);
    }
    return unused;
}

static void test_a_writer_and_a_reader_at_once(void) {
    pthread_t writer;
    uint64_t last = 0, seen = 0;
    ef_csi_ring_init(&ring);
    if (!CHECK(pthread_create(&writer, NULL, write_frames, NULL) == 0)) {
        return;
    }
    while (seen + ef_csi_ring_dropped(&ring) < FRAMES) {
        ef_csi_frame out;
        if (!ef_csi_ring_peek(&ring, &out)) {
            sched_yield();
            continue;
        }
        CHECK(out.time_us > last);
        CHECK(out.pairs[0] == (int8_t)out.time_us && out.pairs[127] == (int8_t)out.time_us);
        last = out.time_us;
        seen++;
        ef_csi_ring_pop(&ring);
    }
    pthread_join(writer, NULL);
    CHECK_EQUAL(seen + ef_csi_ring_dropped(&ring), FRAMES);
    CHECK(seen >= EF_CSI_RING_SLOTS);
}

int main(void) {
    CHECK(sizeof(ef_csi) + sizeof(ef_csi_ring) <= EF_CSI_STATE_BUDGET);
    test_what_goes_in_comes_out_in_order();
    test_a_full_ring_keeps_the_oldest();
    test_lengths_that_do_not_fit_are_dropped();
    test_a_writer_and_a_reader_at_once();
    return finish("csi ring");
}
