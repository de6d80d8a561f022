/* The scheduler, for the task of sensing.c: frames come while it pauses, and what it sends is looked at. */
#include <setjmp.h>

#include "check.h"
#include "edgeflow/csi_packet.h"
#include "edgeflow/node_turn.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "module_task.h"
#include "radio.h"
#include "sender.h"
#include "sensing.h"

#define RUN_US 20000000u
#define FRAME_US 50000u

static TaskFunction_t code;
static jmp_buf done;
static ef_csi_ring ring;
static uint64_t clock_us = 1000000, end_us, frame_us;
static unsigned made, raw, vitals, features, since_pause, most_since_pause, fed;
static bool home = true, shared;
static uint8_t slot, nodes = 1;
static uint32_t last_sequence;
static uint32_t noise = 1;
static unsigned offered, silences, events;
static unsigned compressed, saved, refused;
static ef_csi_keys keys; /* of the host */

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}
int64_t esp_timer_get_time(void) {
    return (int64_t)clock_us;
}
bool radio_is_home(void) {
    return home;
}
uint64_t radio_shared_us(void) {
    return shared ? clock_us : 0;
}
esp_err_t esp_task_wdt_add(TaskHandle_t task) {
    return task == NULL ? ESP_OK : ESP_FAIL;
}
esp_err_t esp_task_wdt_reset(void) {
    fed++;
    return ESP_OK;
}
BaseType_t xTaskCreatePinnedToCore(TaskFunction_t task, const char *name, uint32_t stack, void *parameters, UBaseType_t priority,
                                   TaskHandle_t *handle, BaseType_t core) {
    CHECK(core == 1 && stack >= 8192 && parameters == NULL && priority > 0 && name != NULL);
    code = task;
    *handle = (TaskHandle_t)(void *)&ring;
    return pdPASS;
}
void module_task_offer(const ef_csi *csi, uint64_t now_us, bool fresh) {
    CHECK(csi != NULL && now_us == clock_us);
    offered += fresh;
    silences += !fresh;
}
size_t module_task_packet(uint8_t to[MODULE_PACKET_BYTES]) {
    const ef_csi_events_packet told = {.node = 9, .count = 1, .events = {{300, 1.0f}}};
    return offered % 10u == 9u ? ef_csi_encode_wide_events(&told, to, MODULE_PACKET_BYTES) : 0;
}
bool sender_frame_due(uint64_t now_us) {
    (void)now_us;
    return true;
}
/* A frame as the host has it, whichever way it was sent. */
static bool frame_of(const void *bytes, size_t count, ef_csi_raw_packet *frame) {
    static int8_t pairs[128];
    ef_csi_compressed_packet packet;
    if (ef_csi_packet_kind(bytes, count) == EF_CSI_KIND_RAW) {
        return ef_csi_decode_raw(bytes, count, frame) == EF_OK;
    }
    if (ef_csi_decode_compressed(bytes, count, &packet) != EF_OK || ef_csi_expand(&keys, &packet, pairs, 64) != EF_OK) {
        return false;
    }
    compressed++;
    saved += 20u + sizeof pairs - count;
    CHECK(packet.time_us <= clock_us && packet.time_us + 3000000u > clock_us);
    *frame = (ef_csi_raw_packet){.node = packet.node,
                                 .subcarriers = packet.subcarriers,
                                 .frequency_mhz = packet.frequency_mhz,
                                 .sequence = packet.sequence,
                                 .rssi = packet.rssi,
                                 .pairs = pairs};
    return true;
}
bool sender_send(const void *bytes, size_t count, bool frame, uint64_t now_us) {
    ef_csi_raw_packet packet;
    ef_csi_kind kind = ef_csi_packet_kind(bytes, count);
    CHECK(ef_turn_is_mine(slot, nodes, radio_shared_us()));
    CHECK(home && now_us == clock_us && frame == (kind == EF_CSI_KIND_RAW || kind == EF_CSI_KIND_COMPRESSED));
    vitals += kind == EF_CSI_KIND_VITALS;
    events += kind == EF_CSI_KIND_WIDE_EVENTS;
    features += kind == EF_CSI_KIND_FEATURES;
    if (frame && refused > 0) {
        refused--;
        last_sequence++;
        return false;
    }
    if (frame && CHECK(frame_of(bytes, count, &packet))) {
        CHECK(packet.node == 9 && packet.subcarriers == 64 && packet.frequency_mhz == 2437 && packet.rssi == -50);
        CHECK(packet.pairs[0] >= 20 && packet.pairs[127] <= 23);
        CHECK(raw == 0 || packet.sequence == last_sequence + 1u);
        last_sequence = packet.sequence;
        raw++;
        since_pause++;
    }
    return true;
}

/* Time passes only in pauses. */
static void pass(uint64_t us) {
    int8_t pairs[128];
    clock_us += us;
    most_since_pause = since_pause > most_since_pause ? since_pause : most_since_pause;
    since_pause = 0;
    for (; frame_us <= clock_us; frame_us += FRAME_US) {
        for (unsigned i = 0; i < sizeof pairs; i++) {
            pairs[i] = (int8_t)(20 + next_random(&noise) % 4u);
        }
        const ef_csi_frame frame = {.time_us = frame_us, .pairs = pairs, .subcarriers = 64, .rssi = -50, .channel = 6};
        made += ef_csi_ring_push(&ring, &frame);
    }
    if (clock_us >= end_us) {
        longjmp(done, 1);
    }
}
void vTaskDelay(TickType_t ticks) {
    CHECK(ticks > 0);
    pass(ticks * 1000u);
}
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks) {
    CHECK(clear == pdTRUE && ticks > 0 && ticks < 1000);
    pass(ticks * 1000u);
    return 0;
}

static void run_for(uint64_t us) {
    end_us = clock_us + us;
    if (setjmp(done) == 0) {
        code(NULL);
    }
}

static void test_every_frame_and_a_vitals_packet_each_second(void) {
    frame_us = clock_us;
    run_for(RUN_US);
    CHECK(made >= RUN_US / FRAME_US && made - raw <= 2);
    CHECK(vitals >= 19 && vitals <= 21);
    CHECK_EQUAL(features, vitals);
    CHECK(offered > 0 && raw - offered <= 1 && events >= offered / 10u); /* modules see what is taken, and are heard */
    CHECK(fed > 500);
}

static void test_frames_wait_while_away_and_leave_in_batches(void) {
    home = false;
    unsigned before = raw, told = vitals;
    run_for(2000000);
    CHECK(raw == before && vitals == told);
    CHECK(silences >= 1 && silences <= 3); /* time goes on for modules */
    CHECK(ef_csi_ring_dropped(&ring) > 0); /* two seconds are more than the ring holds */
    home = true;
    most_since_pause = 0;
    run_for(100000);
    CHECK(raw >= before + EF_CSI_RING_SLOTS);
    CHECK(most_since_pause <= 4);
}

static void test_the_newest_features_are_told_to_whoever_asks(void) {
    float values[EF_INGEST_VALUES] = {-1.0f};
    bool present = true;
    CHECK(sensing_latest(values, &present));
    CHECK(!present && values[0] >= 0.0f && values[0] <= 1.0f);
    CHECK(values[7] > 0.49f && values[7] < 0.51f); /* -50 dBm */
}

static void test_all_frames_leave_in_the_turn_of_the_node(ef_node_settings *settings) {
    unsigned sent = raw, told = vitals, dropped = ef_csi_ring_dropped(&ring);
    settings->tdm_slot = slot = 2;
    settings->tdm_nodes = nodes = 19;
    shared = true;
    run_for(RUN_US);
    CHECK(raw - sent >= RUN_US / FRAME_US - 3);
    CHECK(vitals - told >= 18 && vitals - told <= 21);
    CHECK_EQUAL(ef_csi_ring_dropped(&ring), dropped);
    shared = false; /* no access point gives the time: nobody waits */
    sent = raw;
    run_for(1000000);
    CHECK(raw - sent >= 19);
}

static void test_tier_0_sends_frames_as_they_are_and_the_others_smaller(ef_node_settings *settings) {
    TaskHandle_t task;
    CHECK(compressed == raw && saved > compressed * 40u);
    refused = 25; /* a keyframe among them: the next frame must not lean on it */
    run_for(RUN_US);
    CHECK(refused == 0 && compressed == raw);
    settings->edge_tier = 0;
    task = sensing_start(settings, &ring);
    const unsigned before = compressed, told = vitals;
    raw = 0; /* numbers begin anew */
    run_for(1000000);
    CHECK(task != NULL && compressed == before && raw >= 19 && vitals == told);
}

int main(void) {
    static ef_node_settings settings;
    ef_settings_default(&settings);
    settings.node_id = 9;
    CHECK(sensing_test(&ring));
    CHECK(sensing_start(&settings, &ring) != NULL);
    test_every_frame_and_a_vitals_packet_each_second();
    test_frames_wait_while_away_and_leave_in_batches();
    test_the_newest_features_are_told_to_whoever_asks();
    test_all_frames_leave_in_the_turn_of_the_node(&settings);
    test_tier_0_sends_frames_as_they_are_and_the_others_smaller(&settings);
    return finish("sensing task");
}
