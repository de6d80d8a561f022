/*
 * A climate node without its hardware: what it reads, tells and moves, and when. The caller owns sensors, motor, clock and the
 * connection; it asks what is due, and tells what happened. One task at a time.
 *
 * Readings wait in memory that the caller gave, oldest first, until the broker confirmed them: one message is under way at a
 * time, so that they arrive in order; what arrives twice has the same sequence.
 */
#ifndef EDGEFLOW_CLIMATE_NODE_H
#define EDGEFLOW_CLIMATE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/climate_settings.h"
#include "edgeflow/dht22.h"
#include "edgeflow/outbox.h"
#include "edgeflow/sound.h"
#include "edgeflow/status.h"
#include "edgeflow/window_drive.h"

#define EF_CLIMATE_NAME 64u /* characters of a device's name, at most */
#define EF_CLIMATE_TOPIC (EF_CLIMATE_NAME + 32u)
#define EF_CLIMATE_PAYLOAD 512u
#define EF_CLIMATE_OFFLINE "offline" /* the last will, retained, on the topic of the status */

typedef enum ef_climate_kind {
    EF_CLIMATE_TEMPERATURE,
    EF_CLIMATE_HUMIDITY,
    EF_CLIMATE_PRESSURE,
    EF_CLIMATE_WINDOW,   /* where the window is, once it rests */
    EF_CLIMATE_STALLED,  /* 0 or 1 */
    EF_CLIMATE_FAILURES, /* of the sensor, since the start */
    EF_CLIMATE_KINDS
} ef_climate_kind;

typedef enum ef_climate_topic {
    EF_CLIMATE_TOPIC_STATUS,
    EF_CLIMATE_TOPIC_CONTROL,
    EF_CLIMATE_TOPIC_CONFIG,
    EF_CLIMATE_TOPIC_ACK,
    EF_CLIMATE_TOPIC_AUDIO,
    EF_CLIMATE_TOPIC_OVERRIDE /* what a person says, taken as a control; the bare position will do */
} ef_climate_topic;

typedef enum ef_climate_under_way {
    EF_CLIMATE_IDLE,
    EF_CLIMATE_SAYS_STATUS,
    EF_CLIMATE_SAYS_ACK,
    EF_CLIMATE_SAYS_READING
} ef_climate_under_way;

typedef enum ef_climate_taken {
    EF_CLIMATE_IGNORED,    /* of no topic of this node */
    EF_CLIMATE_REFUSED,    /* it makes no sense */
    EF_CLIMATE_MOVES,
    EF_CLIMATE_CONFIGURED  /* keep the settings */
} ef_climate_taken;

typedef struct ef_climate_report {
    float last;
    uint64_t told_ms;
    uint32_t sequence;
    bool told;
} ef_climate_report;

typedef struct ef_climate_node {
    char name[EF_CLIMATE_NAME + 1u];
    uint32_t boot;
    ef_climate_settings settings;
    ef_drive drive;
    ef_outbox outbox;
    ef_climate_report reports[EF_CLIMATE_KINDS];
    uint64_t start_ms, air_due_ms, audio_due_ms, moved_ms, sent_ms;
    int64_t unix_offset_ms; /* Unix time less the caller's */
    bool has_time, online, owes_status, owes_ack;
    bool waits_to_move; /* to wanted, once the motor knows where it is */
    float wanted;
    ef_climate_under_way under_way;
    uint32_t sent_number, popped; /* which message of the outbox is under way; how many arrived */
    uint32_t failures, failing;   /* of the sensor: in all, and since it last spoke */
    uint32_t repeats, refused;    /* messages sent again for want of an answer; commands that made no sense */
    const char *refused_key;      /* of the last configuration; "" for none */
    uint32_t config_version;      /* of the last configuration that named one, for its answer; 0 for none */
    uint32_t audio_sequence, audio_missed;
} ef_climate_node;

typedef struct ef_climate_message {
    char topic[EF_CLIMATE_TOPIC], payload[EF_CLIMATE_PAYLOAD];
    size_t size; /* of the payload */
    bool retain;
} ef_climate_message;

/* 1 to 64 letters, digits and _ . : -, the first a letter or digit. */
bool ef_climate_is_name(const char *name);

#define EF_CLIMATE_READING_BYTES 19u /* that a reading takes in the outbox */

/* memory: of the outbox, the caller's, at least for one reading. now_ms never goes back. EF_ERROR_LENGTH: a name that
 * is empty, too long, or not of letters, digits and _ . : - (the first a letter or digit). EF_ERROR_SPACE: no memory. EF_ERROR_UNSUPPORTED:
 * of the motor. A stepper begins to look for its end switch. */
EF_MUST_CHECK ef_status ef_climate_init(ef_climate_node *node, const char *name, uint32_t boot,
                                        const ef_climate_settings *settings, uint8_t *memory, size_t size, uint64_t now_ms);

/* What the clock says at this moment; readings from before are told with their right time too. */
void ef_climate_set_time(ef_climate_node *node, int64_t unix_ms, uint64_t now_ms);

/* Sensors */
bool ef_climate_wants_air(const ef_climate_node *node, uint64_t now_ms);
/* What came of it; air is read only with EF_OK. EF_ERROR_BUSY is no failure: it is asked again. */
void ef_climate_air(ef_climate_node *node, ef_status status, const ef_air *air, uint64_t now_ms);

/* Motor: let it move up to now; returns what it is told, in its units. */
float ef_climate_motor(ef_climate_node *node, uint64_t now_ms);

/* Connection */
void ef_climate_connected(ef_climate_node *node); /* topics of control, override and configuration are the caller's to subscribe */
void ef_climate_lost(ef_climate_node *node);
/* The next message to send at QoS 1; false: none, or one is under way. */
bool ef_climate_next(ef_climate_node *node, ef_climate_message *message, uint64_t now_ms);
void ef_climate_confirmed(ef_climate_node *node);
/* Something came on a topic. */
ef_climate_taken ef_climate_take(ef_climate_node *node, const char *topic, const char *payload, size_t size);
void ef_climate_write_topic(const ef_climate_node *node, ef_climate_topic topic, char to[EF_CLIMATE_TOPIC]);

/* Sound: recorded when wanted, which is while somebody hears; told as a head, the samples in base64 in as many pieces as one likes, and EF_CLIMATE_AUDIO_TAIL. */
#define EF_CLIMATE_AUDIO_TAIL "\"}"
bool ef_climate_wants_audio(const ef_climate_node *node, uint64_t now_ms);
/* Writes the head; returns its length. 0: nobody hears it, or it does not fit; the stretch is given up and counted. */
size_t ef_climate_audio_head(ef_climate_node *node, const ef_sound *sound, uint32_t rate, char *to, size_t most, uint64_t now_ms);

/* Milliseconds until something is due by itself; 0: now. While the window moves, at most 20. */
uint32_t ef_climate_wait_ms(const ef_climate_node *node, uint64_t now_ms);

#endif
