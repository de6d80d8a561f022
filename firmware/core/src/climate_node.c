#include "edgeflow/climate_node.h"

#include <math.h>
#include <string.h>

#include "climate_reading.h"
#include "edgeflow/json_scan.h"

#define RETRY_MS 2000u       /* the first pause after a failure, doubled for each further one */
#define LONGEST_RETRY_MS 60000u
#define ANSWER_MS 15000u     /* a message without an answer for so long is sent again */
#define MOTOR_MS 20u         /* one period of a servo's signal */
#define LONGEST_WAIT_MS 60000u
#define FAILURES_CHANGE 10.0f

static bool is_plain(char character) {
    return (character >= '0' && character <= '9') || (character >= 'A' && character <= 'Z') ||
           (character >= 'a' && character <= 'z');
}

bool ef_climate_is_name(const char *name) {
    const size_t size = strlen(name);
    for (size_t i = 0; i < size && i <= EF_CLIMATE_NAME; i++) {
        if (!is_plain(name[i]) && (i == 0 || strchr("_.:-", name[i]) == NULL)) {
            return false;
        }
    }
    return size > 0 && size <= EF_CLIMATE_NAME;
}

ef_status ef_climate_init(ef_climate_node *node, const char *name, uint32_t boot, const ef_climate_settings *settings,
                          uint8_t *memory, size_t size, uint64_t now_ms) {
    if (!ef_climate_is_name(name)) {
        return EF_ERROR_LENGTH;
    }
    if (size < EF_CLIMATE_READING_BYTES) {
        return EF_ERROR_SPACE;
    }
    *node = (ef_climate_node){.boot = boot, .settings = *settings, .refused_key = ""};
    memcpy(node->name, name, strlen(name) + 1u);
    node->start_ms = node->air_due_ms = node->audio_due_ms = node->moved_ms = now_ms;
    ef_outbox_init(&node->outbox, memory, size);
    const ef_status moves = ef_drive_init(&node->drive, &settings->drive);
    if (moves == EF_OK && settings->drive.motor == EF_MOTOR_STEPPER) {
        ef_drive_home(&node->drive);
    }
    return moves;
}

void ef_climate_set_time(ef_climate_node *node, int64_t unix_ms, uint64_t now_ms) {
    node->unix_offset_ms = unix_ms - (int64_t)now_ms;
    node->has_time = true;
}

static uint64_t milliseconds(float seconds) {
    return (uint64_t)(seconds * 1000.0f);
}

/* Keep a value for telling, if it is new enough. */
static void report(ef_climate_node *node, ef_climate_kind kind, float value, float change, uint64_t now_ms) {
    ef_climate_report *its = &node->reports[kind];
    const bool old = now_ms - its->told_ms >= milliseconds(node->settings.report_seconds);
    if (its->told && !old && fabsf(value - its->last) < change) {
        return;
    }
    const climate_reading reading = {kind, its->sequence, value, now_ms};
    uint8_t bytes[CLIMATE_READING_BYTES];
    climate_reading_pack(&reading, bytes);
    if (ef_outbox_push(&node->outbox, bytes, sizeof bytes) == EF_OK) {
        *its = (ef_climate_report){value, now_ms, its->sequence + 1u, true};
    }
}

bool ef_climate_wants_air(const ef_climate_node *node, uint64_t now_ms) {
    return now_ms >= node->air_due_ms;
}

static uint32_t retry_ms(uint32_t failing) {
    const uint32_t doubled = failing > 5u ? LONGEST_RETRY_MS : RETRY_MS << (failing - 1u);
    return doubled < LONGEST_RETRY_MS ? doubled : LONGEST_RETRY_MS;
}

static void fail(ef_climate_node *node, uint64_t now_ms) {
    node->failures += node->failures < UINT32_MAX;
    node->failing += node->failing < UINT32_MAX;
    node->air_due_ms = now_ms + retry_ms(node->failing);
    report(node, EF_CLIMATE_FAILURES, (float)node->failures, FAILURES_CHANGE, now_ms);
}

void ef_climate_air(ef_climate_node *node, ef_status status, const ef_air *air, uint64_t now_ms) {
    const ef_climate_settings *its = &node->settings;
    if (status == EF_ERROR_BUSY) {
        return;
    }
    if (status != EF_OK || !isfinite(air->temperature) || !isfinite(air->humidity) || !isfinite(air->pressure)) {
        fail(node, now_ms);
        return;
    }
    node->failing = 0;
    node->air_due_ms = now_ms + milliseconds(its->read_seconds);
    report(node, EF_CLIMATE_TEMPERATURE, air->temperature, its->temperature_change, now_ms);
    report(node, EF_CLIMATE_HUMIDITY, air->humidity, its->humidity_change, now_ms);
    if (air->pressure > 0.0f) {
        report(node, EF_CLIMATE_PRESSURE, air->pressure, 1.0f, now_ms);
    }
}

float ef_climate_motor(ef_climate_node *node, uint64_t now_ms) {
    const float seconds = (float)(now_ms - node->moved_ms) * 0.001f;
    node->moved_ms = now_ms;
    const float told = ef_drive_step(&node->drive, seconds);
    const ef_drive_state state = node->drive.state;
    if (node->waits_to_move && state == EF_DRIVE_RESTING) {
        node->waits_to_move = ef_drive_move(&node->drive, node->wanted) != EF_OK;
        return told;
    }
    if (state == EF_DRIVE_RESTING) {
        report(node, EF_CLIMATE_WINDOW, node->drive.position, 0.1f, now_ms);
    }
    if (state == EF_DRIVE_RESTING || state == EF_DRIVE_STALLED) {
        report(node, EF_CLIMATE_STALLED, state == EF_DRIVE_STALLED ? 1.0f : 0.0f, 1.0f, now_ms);
    }
    return told;
}

/* Whatever is under way has no answer, and is sent again. */
static void give_up_waiting(ef_climate_node *node) {
    node->owes_ack = node->owes_ack || node->under_way == EF_CLIMATE_SAYS_ACK;
    node->under_way = EF_CLIMATE_IDLE;
}

void ef_climate_connected(ef_climate_node *node) {
    give_up_waiting(node);
    node->online = node->owes_status = true;
}

void ef_climate_lost(ef_climate_node *node) {
    give_up_waiting(node);
    node->online = false;
}

static uint32_t number_of_first(const ef_climate_node *node) {
    return node->popped + node->outbox.dropped;
}

void ef_climate_confirmed(ef_climate_node *node) {
    if (node->under_way == EF_CLIMATE_SAYS_STATUS) {
        node->owes_status = false;
    } else if (node->under_way == EF_CLIMATE_SAYS_READING && node->sent_number == number_of_first(node)) {
        ef_outbox_pop(&node->outbox); /* unless it gave way to newer ones meanwhile */
        node->popped++;
    }
    node->under_way = EF_CLIMATE_IDLE;
}

static void write_ack(ef_climate_node *node, ef_text *out) {
    ef_text_put(out, "{");
    if (node->config_version > 0u) {
        ef_text_put(out, "\"version\":");
        ef_text_count(out, node->config_version);
        ef_text_put(out, ",");
    }
    ef_climate_write_settings(&node->settings, out);
    ef_text_put(out, ",\"refused\":\"");
    ef_text_put(out, node->refused_key);
    ef_text_put(out, "\"}");
    node->owes_ack = false; /* a configuration that comes meanwhile owes another one */
}

static bool write_reading(const ef_climate_node *node, ef_climate_message *message, ef_text *out) {
    uint8_t bytes[CLIMATE_READING_BYTES];
    climate_reading reading;
    if (ef_outbox_peek(&node->outbox, bytes, sizeof bytes) != sizeof bytes || !climate_reading_unpack(bytes, &reading)) {
        return false;
    }
    climate_reading_topic(node, reading.kind, message->topic);
    climate_reading_write(node, &reading, out);
    return true;
}

static ef_climate_under_way what_is_due(const ef_climate_node *node) {
    return node->owes_status ? EF_CLIMATE_SAYS_STATUS
           : node->owes_ack  ? EF_CLIMATE_SAYS_ACK
           : node->outbox.messages > 0 ? EF_CLIMATE_SAYS_READING
                                       : EF_CLIMATE_IDLE;
}

static bool write_message(ef_climate_node *node, ef_climate_under_way what, ef_climate_message *message, ef_text *out) {
    if (what == EF_CLIMATE_SAYS_STATUS) {
        ef_climate_write_topic(node, EF_CLIMATE_TOPIC_STATUS, message->topic);
        ef_text_put(out, "online");
        message->retain = true;
        return true;
    }
    if (what == EF_CLIMATE_SAYS_ACK) {
        ef_climate_write_topic(node, EF_CLIMATE_TOPIC_ACK, message->topic);
        write_ack(node, out);
        return true;
    }
    node->sent_number = number_of_first(node);
    return write_reading(node, message, out);
}

bool ef_climate_next(ef_climate_node *node, ef_climate_message *message, uint64_t now_ms) {
    if (node->under_way != EF_CLIMATE_IDLE && now_ms - node->sent_ms >= ANSWER_MS) {
        give_up_waiting(node);
        node->repeats++;
    }
    const ef_climate_under_way due = what_is_due(node);
    if (!node->online || node->under_way != EF_CLIMATE_IDLE || due == EF_CLIMATE_IDLE) {
        return false;
    }
    message->retain = false;
    ef_text out = {.to = message->payload, .most = sizeof message->payload};
    const bool written = write_message(node, due, message, &out) && ef_text_end(&out);
    if (!written) { /* no reading of this version: it would block the others */
        ef_outbox_pop(&node->outbox);
        node->popped++;
        return false;
    }
    message->size = out.used;
    node->under_way = due;
    node->sent_ms = now_ms;
    return true;
}

/* -1: none. */
static double position_in(const char *payload, size_t size) {
    ef_json json;
    ef_json_member member;
    double position = -1.0;
    if (ef_json_open(&json, payload, size) != EF_OK) {
        return -1.0;
    }
    while (ef_json_next(&json, &member)) {
        if (ef_json_is(&member, "position")) {
            position = member.kind == EF_JSON_NUMBER ? member.number : -1.0;
        }
    }
    return position;
}

static ef_climate_taken move(ef_climate_node *node, double position) {
    if (!(position >= 0.0 && position <= 100.0)) {
        return EF_CLIMATE_REFUSED;
    }
    if (node->drive.state == EF_DRIVE_STALLED) { /* whoever asks again may have freed it */
        ef_drive_home(&node->drive);
    }
    node->wanted = (float)position;
    node->waits_to_move = ef_drive_move(&node->drive, node->wanted) != EF_OK;
    return EF_CLIMATE_MOVES;
}

/* 0: it names none. */
static uint32_t version_in(const char *payload, size_t size) {
    ef_json json;
    ef_json_member member;
    uint32_t version = 0;
    if (ef_json_open(&json, payload, size) != EF_OK) {
        return 0;
    }
    while (ef_json_next(&json, &member)) {
        const bool fits = member.kind == EF_JSON_NUMBER && member.number >= 1.0 && member.number <= 4294967295.0;
        if (fits && ef_json_is(&member, "version")) {
            version = (uint32_t)member.number;
        }
    }
    return version;
}

static ef_climate_taken configure(ef_climate_node *node, const char *payload, size_t size) {
    const char *refused;
    node->config_version = version_in(payload, size);
    const ef_status taken = ef_climate_take_settings(&node->settings, payload, size, &refused);
    node->refused_key = taken == EF_ERROR_TYPE ? "json" : refused;
    node->owes_ack = true;
    if (taken != EF_OK) {
        return EF_CLIMATE_REFUSED;
    }
    node->drive.options = node->settings.drive;
    /* Its target may be outside of new limits; one that does not know where it is has none yet. */
    const bool placed = ef_drive_move(&node->drive, node->drive.target) == EF_OK;
    node->waits_to_move = node->waits_to_move && !placed;
    return EF_CLIMATE_CONFIGURED;
}

static bool is_topic(const ef_climate_node *node, ef_climate_topic which, const char *topic) {
    char own[EF_CLIMATE_TOPIC];
    ef_climate_write_topic(node, which, own);
    return strcmp(own, topic) == 0;
}

ef_climate_taken ef_climate_take(ef_climate_node *node, const char *topic, const char *payload, size_t size) {
    ef_climate_taken taken = EF_CLIMATE_IGNORED;
    double position;
    if (is_topic(node, EF_CLIMATE_TOPIC_CONTROL, topic)) {
        taken = move(node, position_in(payload, size));
    } else if (is_topic(node, EF_CLIMATE_TOPIC_OVERRIDE, topic)) {
        const bool bare = ef_json_number(payload, size, &position) == EF_OK;
        taken = move(node, bare ? position : position_in(payload, size));
    } else if (is_topic(node, EF_CLIMATE_TOPIC_CONFIG, topic)) {
        taken = configure(node, payload, size);
    }
    node->refused += taken == EF_CLIMATE_REFUSED;
    return taken;
}

bool ef_climate_wants_audio(const ef_climate_node *node, uint64_t now_ms) {
    return node->online && node->settings.audio_seconds > 0.0f && now_ms >= node->audio_due_ms;
}

size_t ef_climate_audio_head(ef_climate_node *node, const ef_sound *sound, uint32_t rate, char *to, size_t most,
                             uint64_t now_ms) {
    ef_text out = {.to = to, .most = most};
    node->audio_due_ms = now_ms + milliseconds(node->settings.audio_seconds);
    ef_text_put(&out, "{\"sample_rate\":");
    ef_text_count(&out, rate);
    ef_text_put(&out, ",\"duration\":");
    ef_text_decimal(&out, rate > 0 ? (double)sound->count / rate : 0.0, 3);
    ef_text_put(&out, ",\"sequence\":");
    ef_text_count(&out, node->audio_sequence);
    ef_text_put(&out, ",\"boot\":");
    ef_text_count(&out, node->boot);
    ef_text_put(&out, ",\"data\":\"");
    if (!node->online || !ef_text_end(&out)) {
        node->audio_missed++;
        return 0;
    }
    node->audio_sequence++;
    return out.used;
}

uint32_t ef_climate_wait_ms(const ef_climate_node *node, uint64_t now_ms) {
    const bool can_send = node->online && node->under_way == EF_CLIMATE_IDLE && what_is_due(node) != EF_CLIMATE_IDLE;
    if (can_send || ef_climate_wants_air(node, now_ms) || ef_climate_wants_audio(node, now_ms)) {
        return 0;
    }
    uint64_t due = now_ms + LONGEST_WAIT_MS;
    due = node->air_due_ms < due ? node->air_due_ms : due;
    due = node->online && node->settings.audio_seconds > 0.0f && node->audio_due_ms < due ? node->audio_due_ms : due;
    due = node->under_way != EF_CLIMATE_IDLE && node->sent_ms + ANSWER_MS < due ? node->sent_ms + ANSWER_MS : due;
    const bool moves = node->drive.state == EF_DRIVE_MOVING || node->drive.state == EF_DRIVE_HOMING;
    due = moves && now_ms + MOTOR_MS < due ? now_ms + MOTOR_MS : due;
    return due > now_ms ? (uint32_t)(due - now_ms) : 0;
}
