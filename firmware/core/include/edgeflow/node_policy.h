/* What a sensing node decides without its hardware: when to send, what to hear, when to sleep, which firmware to keep. */
#ifndef EDGEFLOW_NODE_POLICY_H
#define EDGEFLOW_NODE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EF_SEND_INTERVAL_US 20000u
#define EF_SEND_BACKOFF_US 100000u

/* Sending: at most one frame each 20 ms, and nothing for 100 ms after the network had no memory left. */
typedef struct ef_send_gate {
    uint64_t last_us, blocked_until_us;
    bool sent;
} ef_send_gate;

typedef enum ef_send_result { EF_SEND_DONE, EF_SEND_NO_MEMORY, EF_SEND_FAILED } ef_send_result;

bool ef_send_may_send(const ef_send_gate *gate, uint64_t now_us);  /* anything */
bool ef_send_frame_due(const ef_send_gate *gate, uint64_t now_us); /* a frame */
void ef_send_told(ef_send_gate *gate, ef_send_result result, bool frame, uint64_t now_us);

/* Hopping: home, a foreign channel, home, the next foreign one ... Datagrams leave while at home. */
#define EF_HOP_CHANNELS 6u
#define EF_HOP_LEAST_MS 10u

typedef struct ef_hop {
    uint8_t home; /* 0: not connected, so that only the list is visited */
    uint8_t channels[EF_HOP_CHANNELS];
    uint8_t count, step;
} ef_hop;

bool ef_is_channel(uint8_t channel); /* 1 to 14, 36 to 177 */

/* The channels to visit; wrong ones and repetitions are left out, and what is beyond six. */
void ef_hop_set(ef_hop *hop, const uint8_t *channels, size_t count);
void ef_hop_set_home(ef_hop *hop, uint8_t home);
bool ef_hop_is_active(const ef_hop *hop); /* there is more than one channel to hear */
uint8_t ef_hop_next(ef_hop *hop);         /* 0: none known */

/* Duty: awake for the first `percent` of each period. */
bool ef_duty_is_awake(uint8_t percent, uint32_t period_ms, uint64_t now_us);
/* Microseconds until that changes; UINT64_MAX: never. */
uint64_t ef_duty_left_us(uint8_t percent, uint32_t period_ms, uint64_t now_us);

/* Reconnecting: 0.5 s, doubled up to a minute, a quarter of it random, for ever. Milliseconds to wait. */
uint32_t ef_reconnect_ms(uint32_t failures, uint32_t random);

/* First boot of new firmware. */
typedef struct ef_node_test {
    bool sensing; /* the core reproduces what it must */
    bool storage; /* settings can be read */
    bool network; /* an address was given, and the socket opens */
    bool service; /* the next firmware can come in */
} ef_node_test;

typedef enum ef_boot_verdict { EF_BOOT_SETTLED, EF_BOOT_WAIT, EF_BOOT_KEEP, EF_BOOT_ROLL_BACK } ef_boot_verdict;

/* pending: the boot loader waits for a verdict. possible: there is something to roll back to. Network and service have
 * patience_ms from the start; the rest is known at once. */
ef_boot_verdict ef_boot_decide(const ef_node_test *test, bool pending, bool possible, uint32_t uptime_ms,
                               uint32_t patience_ms);

/* "Bearer <key>", compared in a time that tells only the length of what came in. */
bool ef_bearer_matches(const char *authorization, const char *key);

#endif
