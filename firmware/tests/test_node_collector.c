/* Nodes that take turns, and what they post to a collector. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "edgeflow/node_ingest.h"
#include "edgeflow/node_turn.h"

static void test_turns_do_not_overlap_and_all_get_theirs(void) {
    for (unsigned nodes = 2; nodes <= 255; nodes += 23) {
        uint32_t turn = ef_turn_us((uint8_t)nodes), cycle = turn * nodes;
        unsigned had[256] = {0};
        CHECK(turn <= EF_TURN_MOST_US && cycle <= EF_TURN_CYCLE_US && turn > 0);
        for (uint64_t us = 7; us < 7 + 2u * (uint64_t)cycle; us += 53) {
            unsigned now = 0;
            for (unsigned slot = 0; slot < nodes; slot++) {
                bool mine = ef_turn_is_mine((uint8_t)slot, (uint8_t)nodes, us);
                had[slot] += mine;
                now += mine;
            }
            CHECK(now <= 1);
        }
        for (unsigned slot = 0; slot < nodes; slot++) {
            CHECK(had[slot] > 0);
        }
    }
}

static void test_a_wait_ends_with_the_begin_of_the_turn(void) {
    uint32_t state = 5;
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t nodes = (uint8_t)(2u + next_random(&state) % 254u), slot = (uint8_t)(next_random(&state) % nodes);
        uint64_t now = 1u + ((uint64_t)next_random(&state) << 20);
        uint64_t wait = ef_turn_wait_us(slot, nodes, now);
        CHECK(wait < EF_TURN_CYCLE_US);
        CHECK(ef_turn_is_mine(slot, nodes, now + wait));
        CHECK(wait == 0 || !ef_turn_is_mine(slot, nodes, now + wait - 1u));
    }
}

static void test_who_is_alone_or_has_no_clock_does_not_wait(void) {
    CHECK(ef_turn_is_mine(0, 1, 99999) && ef_turn_is_mine(3, 1, 5) && ef_turn_is_mine(0, 0, 5));
    CHECK(ef_turn_is_mine(3, 4, 0));
    CHECK(ef_turn_is_mine(9, 4, 12345)); /* a slot that is none */
}

static void test_addresses_of_collectors(void) {
    char to[EF_INGEST_URL_BYTES];
    CHECK(ef_ingest_url("http://10.0.0.2:8080//", to));
    CHECK(strcmp(to, "http://10.0.0.2:8080/api/v1/store/ingest") == 0);
    CHECK(ef_ingest_url("http://seed.local/base", to) && strcmp(to, "http://seed.local/base/api/v1/store/ingest") == 0);
    const char *wrong[] = {"", "http://", "http:///", "https://seed", "seed:80", "ftp://x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK(!ef_ingest_url(wrong[i], to));
    }
    char full[64] = "http://";
    memset(full + 7, 'a', 56); /* the longest that a setting holds */
    CHECK(ef_ingest_url(full, to) && strlen(to) == 63 + 20);
    char beyond[128] = "http://";
    memset(beyond + 7, 'a', 120);
    CHECK(!ef_ingest_url(beyond, to));
}

static void test_heartbeats_always_and_vectors_while_somebody_is_there(void) {
    ef_ingest ingest = {0};
    unsigned beats = 0, vectors = 0;
    for (uint64_t s = 0; s < 600; s++) {
        for (unsigned i = 0; i < 4; i++) {
            ef_ingest_kind kind = ef_ingest_due(&ingest, 30, 5, s >= 300, s * 1000000u + i * 250000u);
            beats += kind == EF_INGEST_HEARTBEAT;
            vectors += kind == EF_INGEST_VECTOR;
            CHECK(kind != EF_INGEST_VECTOR || s >= 300);
        }
    }
    CHECK_EQUAL(beats, 20);
    CHECK(vectors >= 58 && vectors <= 60);
}

static void test_numbers_of_vectors(void) {
    CHECK_EQUAL(ef_ingest_id(EF_INGEST_HEARTBEAT, 7, 12000000u), 7100012);
    CHECK_EQUAL(ef_ingest_id(EF_INGEST_VECTOR, 255, 100001ull * 1000000u), 255200001);
    CHECK_EQUAL(ef_ingest_id(EF_INGEST_NOTHING, 1, 0), 1000000);
}

static void test_bodies(void) {
    char to[EF_INGEST_BODY_BYTES];
    const float values[8] = {0.0f, 1.0f, 0.5f, 0.12345f, -3.0f, 7.0f, NAN, 0.00004f};
    const char *wanted = "{\"vectors\":[[7100012,[0.0000,1.0000,0.5000,0.1235,0.0000,1.0000,0.0000,0.0000]]]}";
    CHECK_EQUAL(ef_ingest_body(7100012, values, to), strlen(wanted));
    CHECK(strcmp(to, wanted) == 0);
    const float ones[8] = {1, 1, 1, 1, 1, 1, 1, INFINITY};
    CHECK(ef_ingest_body(UINT32_MAX, ones, to) < EF_INGEST_BODY_BYTES);
}

int main(void) {
    test_turns_do_not_overlap_and_all_get_theirs();
    test_a_wait_ends_with_the_begin_of_the_turn();
    test_who_is_alone_or_has_no_clock_does_not_wait();
    test_addresses_of_collectors();
    test_heartbeats_always_and_vectors_while_somebody_is_there();
    test_numbers_of_vectors();
    test_bodies();
    return finish("node collector");
}
