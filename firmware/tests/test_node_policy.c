/* What a node decides: sending, hopping, sleeping, reconnecting, keeping its firmware. */
#include "edgeflow/node_policy.h"

#include "check.h"

static void test_frames_keep_their_distance_from_the_last_sent_one(void) {
    ef_send_gate gate = {0};
    CHECK(ef_send_frame_due(&gate, 5));
    ef_send_told(&gate, EF_SEND_FAILED, true, 5); /* a failure does not count */
    CHECK(ef_send_frame_due(&gate, 6));
    ef_send_told(&gate, EF_SEND_DONE, true, 6);
    CHECK(!ef_send_frame_due(&gate, 6 + EF_SEND_INTERVAL_US - 1u));
    CHECK(ef_send_may_send(&gate, 7)); /* vitals are no frames */
    ef_send_told(&gate, EF_SEND_DONE, false, 7);
    CHECK(ef_send_frame_due(&gate, 6 + EF_SEND_INTERVAL_US));
}

static void test_no_memory_silences_everything_for_100_ms(void) {
    ef_send_gate gate = {0};
    ef_send_told(&gate, EF_SEND_NO_MEMORY, false, 1000);
    CHECK(!ef_send_may_send(&gate, 1000) && !ef_send_frame_due(&gate, 1000));
    CHECK(!ef_send_may_send(&gate, 1000 + EF_SEND_BACKOFF_US - 1u));
    CHECK(ef_send_may_send(&gate, 1000 + EF_SEND_BACKOFF_US) && ef_send_frame_due(&gate, 1000 + EF_SEND_BACKOFF_US));
}

static void check_hops(ef_hop *hop, const char *wanted) {
    for (size_t i = 0; wanted[i] != '\0'; i++) {
        CHECK_EQUAL(ef_hop_next(hop), wanted[i] == 'b' ? 11 : wanted[i] - '0');
    }
}

static void test_hops_come_home_between_the_others(void) {
    const uint8_t channels[] = {1, 6, 6, 0, 15, 11, 255};
    ef_hop hop = {0};
    CHECK(!ef_hop_is_active(&hop) && ef_hop_next(&hop) == 0);
    ef_hop_set(&hop, channels, sizeof channels);
    CHECK_EQUAL(hop.count, 3);
    CHECK(ef_hop_is_active(&hop));
    check_hops(&hop, "16b16b1");
    ef_hop_set_home(&hop, 6);
    check_hops(&hop, "16b616b6");
    ef_hop_set_home(&hop, 4);
    check_hops(&hop, "1464b414");
}

static void test_one_channel_is_no_hopping(void) {
    const uint8_t six = 6, many[] = {1, 2, 3, 4, 5, 6, 7, 8};
    ef_hop hop = {0};
    ef_hop_set(&hop, &six, 1);
    CHECK(!ef_hop_is_active(&hop));
    check_hops(&hop, "66");
    ef_hop_set_home(&hop, 6);
    CHECK(!ef_hop_is_active(&hop));
    check_hops(&hop, "66");
    ef_hop_set_home(&hop, 1);
    CHECK(ef_hop_is_active(&hop));
    check_hops(&hop, "6161");
    ef_hop_set(&hop, many, sizeof many);
    CHECK_EQUAL(hop.count, EF_HOP_CHANNELS);
}

static void test_the_duty_is_what_it_says(void) {
    for (unsigned percent = 10; percent <= 100; percent += 15) {
        unsigned awake = 0;
        for (uint64_t ms = 0; ms < 20000; ms += 10) {
            awake += ef_duty_is_awake((uint8_t)percent, 10000, ms * 1000u);
        }
        CHECK_EQUAL(awake, percent * 20u);
    }
    CHECK(ef_duty_is_awake(100, 10000, 9999999) && ef_duty_is_awake(10, 0, 5));
}

static void test_the_duty_says_when_it_changes(void) {
    uint64_t now = 0;
    CHECK_EQUAL(ef_duty_left_us(30, 10000, 0), 3000000);
    CHECK_EQUAL(ef_duty_left_us(30, 10000, 2999999), 1);
    CHECK_EQUAL(ef_duty_left_us(30, 10000, 3000000), 7000000);
    CHECK(ef_duty_left_us(100, 10000, 5) == UINT64_MAX && ef_duty_left_us(30, 0, 5) == UINT64_MAX);
    for (int i = 0; i < 10; i++) {
        bool awake = ef_duty_is_awake(70, 4000, now);
        now += ef_duty_left_us(70, 4000, now);
        CHECK(ef_duty_is_awake(70, 4000, now) != awake);
    }
}

static void test_reconnecting_slows_down_and_never_ends(void) {
    uint32_t state = 1;
    for (uint32_t failures = 0; failures < 1000; failures++) {
        uint32_t full = failures < 7 ? 500u << failures : 60000u;
        uint32_t wait = ef_reconnect_ms(failures, next_random(&state));
        CHECK(wait <= full && wait > full - full / 4u);
    }
    CHECK_EQUAL(ef_reconnect_ms(UINT32_MAX, 0), 60000);
}

static void test_new_firmware_stays_once_it_has_shown_everything(void) {
    ef_node_test all = {true, true, true, true}, offline = all, broken = all;
    offline.network = false;
    broken.sensing = false;
    CHECK_EQUAL(ef_boot_decide(&all, true, true, 0, 1000), EF_BOOT_KEEP);
    CHECK_EQUAL(ef_boot_decide(&offline, true, true, 999, 1000), EF_BOOT_WAIT);
    CHECK_EQUAL(ef_boot_decide(&offline, true, true, 1000, 1000), EF_BOOT_ROLL_BACK);
    CHECK_EQUAL(ef_boot_decide(&offline, true, false, 1000, 1000), EF_BOOT_KEEP);
    CHECK_EQUAL(ef_boot_decide(&broken, true, true, 0, 1000), EF_BOOT_ROLL_BACK);
    CHECK_EQUAL(ef_boot_decide(&broken, false, true, 0, 1000), EF_BOOT_SETTLED);
}

static void test_only_the_whole_key_is_the_key(void) {
    CHECK(ef_bearer_matches("Bearer secret", "secret"));
    const char *wrong[] = {NULL, "", "Bearer ", "Bearer secre", "Bearer secretsecret", "Bearer Secret", "Bearer  secret",
                           "bearer secret", "secret", "Basic secret"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK(!ef_bearer_matches(wrong[i], "secret"));
    }
    CHECK(!ef_bearer_matches("Bearer ", "") && !ef_bearer_matches("Bearer x", NULL));
}

int main(void) {
    test_frames_keep_their_distance_from_the_last_sent_one();
    test_no_memory_silences_everything_for_100_ms();
    test_hops_come_home_between_the_others();
    test_one_channel_is_no_hopping();
    test_the_duty_is_what_it_says();
    test_the_duty_says_when_it_changes();
    test_reconnecting_slows_down_and_never_ends();
    test_new_firmware_stays_once_it_has_shown_everything();
    test_only_the_whole_key_is_the_key();
    return finish("node policy");
}
