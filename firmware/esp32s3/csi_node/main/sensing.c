#include "sensing.h"

#include <stdatomic.h>
#include <string.h>

#include "edgeflow/csi_packet.h"
#include "edgeflow/csi_state.h"
#include "edgeflow/node_test.h"
#include "edgeflow/node_turn.h"
#include "esp_log.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "module_task.h"
#include "radio.h"
#include "sdkconfig.h"
#include "sender.h"

#define STACK_BYTES 8192
#define KEYFRAME_US 1000000u
#define PRIORITY 5
#define CORE 1
#define BATCH 4u /* frames between two pauses, in which the idle task feeds its watchdog */
#define IDLE_MS 20

static const char *TAG = "sensing";
static const ef_node_settings *node;
static ef_csi_ring *frames;
static ef_csi csi;
static ef_csi_keys keyframes;
static bool measures; /* tier 1 and 2 */
static uint32_t sequence;
static uint16_t feature_sequence;
static uint64_t vitals_us, offered_us;
static atomic_uint told_version; /* odd while `told` is written */
static _Atomic uint32_t told[EF_INGEST_VALUES + 1u];

static uint32_t frequency_of(uint8_t channel) {
    if (channel == 14) {
        return 2484;
    }
    return channel >= 1 && channel <= 13 ? 2407u + 5u * channel : channel >= 36 ? 5000u + 5u * channel : 0;
}

static bool compresses(void) {
#if CONFIG_EDGEFLOW_COMPRESS
    return node->edge_tier >= 1;
#else
    return false;
#endif
}

static void send_frame(const ef_csi_frame *frame, uint64_t now_us) {
    static uint8_t packet[EF_CSI_PACKET_MAX_BYTES];
    const ef_csi_raw_packet raw = {
        .node = node->node_id,
        .antennas = 1,
        .subcarriers = frame->subcarriers,
        .frequency_mhz = frequency_of(frame->channel),
        .sequence = sequence++,
        .rssi = frame->rssi,
        .noise_floor = frame->noise_floor,
        .pairs = frame->pairs,
    };
    if (!sender_frame_due(now_us)) {
        return;
    }
    const size_t room = sizeof packet;
    const size_t count =
        compresses() ? ef_csi_compress(&keyframes, &raw, frame->time_us, frame->source, KEYFRAME_US, packet, room)
                     : ef_csi_encode_raw(&raw, packet, room);
    if (!sender_send(packet, count, true, now_us)) {
        ef_csi_keys_clear(&keyframes); /* no frame leans on one that was not sent */
    }
}

static void send_vitals(const ef_csi_vitals *vitals, uint64_t now_us) {
    uint8_t packet[32];
    const ef_csi_vitals_packet values = {
        .node = node->node_id,
        .flags = (uint8_t)((vitals->presence ? 1 : 0) | (vitals->fall ? 2 : 0) | (vitals->motion ? 4 : 0)),
        .breathing = (uint16_t)ef_csi_fixed(vitals->breathing_bpm, 100, UINT16_MAX),
        .heart = ef_csi_fixed(vitals->heart_bpm, 10000, UINT32_MAX),
        .rssi = vitals->rssi,
        .persons = vitals->persons,
        .motion_energy = vitals->motion_score,
        .presence_score = vitals->presence_score,
        .uptime_ms = (uint32_t)(now_us / 1000u),
    };
    sender_send(packet, ef_csi_encode_vitals(&values, packet, sizeof packet), false, now_us);
}

static float held(float value) {
    return value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
}

static float mean_variance(void) {
    static float variances[EF_CSI_MAX_SUBCARRIERS];
    uint16_t top[EF_CSI_MAX_TOP];
    size_t known = ef_csi_variances(&csi, variances, EF_CSI_MAX_SUBCARRIERS);
    size_t chosen = ef_csi_top(&csi, top, EF_CSI_MAX_TOP);
    float sum = 0.0f;
    for (size_t i = 0; i < chosen; i++) {
        sum += top[i] < known ? variances[top[i]] : 0.0f;
    }
    return chosen > 0 ? sum / (float)chosen : 0.0f;
}

/* For the collector's task, without a lock. */
static void share(const float values[EF_INGEST_VALUES], bool present) {
    unsigned version = atomic_load(&told_version);
    atomic_store(&told_version, version + 1u);
    for (unsigned i = 0; i < EF_INGEST_VALUES; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        atomic_store(&told[i], bits);
    }
    atomic_store(&told[EF_INGEST_VALUES], present);
    atomic_store(&told_version, version + 2u);
}

bool sensing_latest(float values[EF_INGEST_VALUES], bool *present) {
    unsigned version = atomic_load(&told_version);
    for (unsigned i = 0; i < EF_INGEST_VALUES; i++) {
        uint32_t bits = atomic_load(&told[i]);
        memcpy(&values[i], &bits, sizeof bits);
    }
    *present = atomic_load(&told[EF_INGEST_VALUES]) != 0;
    return version % 2u == 0 && version == atomic_load(&told_version);
}

static void send_features(const ef_csi_vitals *vitals, uint64_t now_us) {
    uint8_t packet[48];
    const ef_csi_features_packet features = {
        .node = node->node_id,
        .sequence = feature_sequence++,
        .time_us = (int64_t)now_us,
        .values = {held(vitals->presence_score / 10.0f), held(vitals->motion_score / 10.0f),
                   held(vitals->breathing_bpm / 30.0f), held(vitals->heart_bpm / 120.0f), held(mean_variance()),
                   held((float)vitals->persons / 4.0f), vitals->fall ? 1.0f : 0.0f,
                   held(((float)vitals->rssi + 100.0f) / 100.0f)},
    };
    share(features.values, vitals->presence);
    sender_send(packet, ef_csi_encode_features(&features, packet, sizeof packet), false, now_us);
}

static bool tells_vitals(void) {
#if CONFIG_EDGEFLOW_VITALS_TIER_1
    return node->edge_tier >= 1;
#else
    return node->edge_tier >= 2;
#endif
}

static void tell(uint64_t now_us) {
    if (!measures || !tells_vitals() || now_us - vitals_us < node->vital_interval_ms * 1000ull) {
        return;
    }
    ef_csi_vitals vitals;
    vitals_us = now_us;
    ef_csi_get_vitals(&csi, now_us, &vitals);
    send_vitals(&vitals, now_us);
    send_features(&vitals, now_us);
}

/* To the modules; the time, too, while no frames come. */
static void offer(bool fresh, uint64_t now_us) {
    if (measures && (fresh || now_us - offered_us >= EF_MODULE_TIMER_US)) {
        offered_us = now_us;
        module_task_offer(&csi, now_us, fresh);
    }
}

static void send_events(uint64_t now_us) {
    uint8_t packet[MODULE_PACKET_BYTES];
    const size_t count = module_task_packet(packet);
    if (count > 0) {
        sender_send(packet, count, false, now_us);
    }
}

static void handle(const ef_csi_frame *frame, uint64_t now_us) {
    if (measures) {
        offer(ef_csi_push(&csi, frame) == EF_OK, now_us); /* what it refuses it counts */
    }
#if CONFIG_EDGEFLOW_SEND_RAW
    send_frame(frame, now_us);
#else
    (void)send_frame;
    (void)now_us;
#endif
}

static uint64_t turn_wait_us(void) {
    return ef_turn_wait_us(node->tdm_slot, node->tdm_nodes, node->tdm_nodes > 1 ? radio_shared_us() : 0);
}

static bool may_send(void) {
    return radio_is_home() && turn_wait_us() == 0;
}

/* Frames taken, at most a batch. Those that come while away, or in another's turn, wait, so that they can be sent. */
static unsigned drain(void) {
    unsigned taken = 0;
    ef_csi_frame frame;
    while (taken < BATCH && may_send() && ef_csi_ring_peek(frames, &frame)) {
        handle(&frame, (uint64_t)esp_timer_get_time());
        ef_csi_ring_pop(frames);
        taken++;
    }
    return taken;
}

/* Until a frame comes, or the node's turn. A frame does not wake before that: it waits in the ring. */
static void rest(void) {
    uint64_t wait_ms = (turn_wait_us() + 999u) / 1000u;
    if (wait_ms > 0) {
        vTaskDelay(pdMS_TO_TICKS(wait_ms));
    } else {
        ulTaskNotifyTake(pdTRUE, pdMS_TO_TICKS(IDLE_MS));
    }
}

static void run(void *unused) {
    (void)unused;
    ESP_ERROR_CHECK(esp_task_wdt_add(NULL));
    while (true) {
        unsigned taken = drain();
        if (may_send()) {
            tell((uint64_t)esp_timer_get_time());
            send_events((uint64_t)esp_timer_get_time());
        }
        offer(false, (uint64_t)esp_timer_get_time());
        esp_task_wdt_reset();
        if (taken == BATCH) {
            vTaskDelay(1);
        } else {
            rest();
        }
    }
}

bool sensing_test(ef_csi_ring *ring) {
    return ef_node_test_sensing(&csi, ring);
}

TaskHandle_t sensing_start(const ef_node_settings *settings, ef_csi_ring *ring) {
    const ef_csi_options options = ef_settings_options(settings);
    TaskHandle_t task = NULL;
    node = settings;
    frames = ring;
    ef_csi_ring_init(ring);
    ef_csi_keys_clear(&keyframes);
    measures = settings->edge_tier > 0 && ef_csi_init(&csi, &options) == EF_OK;
    if (settings->edge_tier > 0 && !measures) {
        ESP_LOGE(TAG, "options_refused hint=frames_only");
    }
    if (xTaskCreatePinnedToCore(run, "sensing", STACK_BYTES, NULL, PRIORITY, &task, CORE) != pdPASS) {
        return NULL;
    }
    return task;
}
