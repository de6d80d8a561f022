#include "edgeflow/node_policy.h"

#include <string.h>

#define RECONNECT_FIRST_MS 500u
#define RECONNECT_DOUBLINGS 7u
#define RECONNECT_MOST_MS 60000u
#define BEARER "Bearer "

bool ef_send_may_send(const ef_send_gate *gate, uint64_t now_us) {
    return now_us >= gate->blocked_until_us;
}

bool ef_send_frame_due(const ef_send_gate *gate, uint64_t now_us) {
    return ef_send_may_send(gate, now_us) && (!gate->sent || now_us - gate->last_us >= EF_SEND_INTERVAL_US);
}

void ef_send_told(ef_send_gate *gate, ef_send_result result, bool frame, uint64_t now_us) {
    if (result == EF_SEND_NO_MEMORY) {
        gate->blocked_until_us = now_us + EF_SEND_BACKOFF_US;
    } else if (result == EF_SEND_DONE && frame) {
        gate->last_us = now_us;
        gate->sent = true;
    }
}

bool ef_is_channel(uint8_t channel) {
    return (channel >= 1 && channel <= 14) || (channel >= 36 && channel <= 177);
}

void ef_hop_set(ef_hop *hop, const uint8_t *channels, size_t count) {
    hop->count = 0;
    hop->step = 0;
    for (size_t i = 0; i < count && hop->count < EF_HOP_CHANNELS; i++) {
        bool known = hop->count > 0 && memchr(hop->channels, channels[i], hop->count) != NULL;
        if (ef_is_channel(channels[i]) && !known) {
            hop->channels[hop->count++] = channels[i];
        }
    }
}

void ef_hop_set_home(ef_hop *hop, uint8_t home) {
    hop->home = home;
    hop->step = 0;
}

static uint8_t foreign(const ef_hop *hop, uint8_t index) {
    for (uint8_t i = 0; i < hop->count; i++) {
        if (hop->channels[i] != hop->home && index-- == 0) {
            return hop->channels[i];
        }
    }
    return 0;
}

static uint8_t foreigners(const ef_hop *hop) {
    uint8_t count = 0;
    for (uint8_t i = 0; i < hop->count; i++) {
        count += hop->channels[i] != hop->home;
    }
    return count;
}

bool ef_hop_is_active(const ef_hop *hop) {
    return foreigners(hop) + (hop->home != 0) > 1;
}

uint8_t ef_hop_next(ef_hop *hop) {
    uint8_t others = foreigners(hop);
    if (others == 0) {
        return hop->home;
    }
    uint8_t round = hop->home == 0 ? others : (uint8_t)(2u * others);
    uint8_t step = hop->step;
    hop->step = (uint8_t)((step + 1u) % round);
    if (hop->home == 0) {
        return foreign(hop, step);
    }
    return step % 2u == 0 ? foreign(hop, step / 2u) : hop->home;
}

static uint64_t awake_us(uint8_t percent, uint32_t period_ms) {
    return (uint64_t)period_ms * percent * 10u;
}

bool ef_duty_is_awake(uint8_t percent, uint32_t period_ms, uint64_t now_us) {
    return percent >= 100 || period_ms == 0 || now_us % (period_ms * 1000ull) < awake_us(percent, period_ms);
}

uint64_t ef_duty_left_us(uint8_t percent, uint32_t period_ms, uint64_t now_us) {
    if (percent == 0 || percent >= 100 || period_ms == 0) {
        return UINT64_MAX;
    }
    uint64_t within = now_us % (period_ms * 1000ull);
    uint64_t end = ef_duty_is_awake(percent, period_ms, now_us) ? awake_us(percent, period_ms) : period_ms * 1000ull;
    return end - within;
}

uint32_t ef_reconnect_ms(uint32_t failures, uint32_t random) {
    uint32_t doublings = failures < RECONNECT_DOUBLINGS ? failures : RECONNECT_DOUBLINGS;
    uint32_t most = RECONNECT_FIRST_MS << doublings;
    most = most < RECONNECT_MOST_MS ? most : RECONNECT_MOST_MS;
    return most - random % (most / 4u);
}

ef_boot_verdict ef_boot_decide(const ef_node_test *test, bool pending, bool possible, uint32_t uptime_ms,
                               uint32_t patience_ms) {
    if (!pending) {
        return EF_BOOT_SETTLED;
    }
    bool sound = test->sensing && test->storage;
    if (sound && test->network && test->service) {
        return EF_BOOT_KEEP;
    }
    if (sound && uptime_ms < patience_ms) {
        return EF_BOOT_WAIT;
    }
    return possible ? EF_BOOT_ROLL_BACK : EF_BOOT_KEEP;
}

bool ef_bearer_matches(const char *authorization, const char *key) {
    if (authorization == NULL || key == NULL || key[0] == '\0' || strncmp(authorization, BEARER, strlen(BEARER)) != 0) {
        return false;
    }
    const char *given = authorization + strlen(BEARER);
    size_t length = strlen(given), wanted = strlen(key);
    volatile uint8_t different = (uint8_t)(length != wanted);
    for (size_t i = 0; i < length; i++) {
        different = (uint8_t)(different | (uint8_t)(given[i] ^ key[i % wanted]));
    }
    return different == 0;
}
