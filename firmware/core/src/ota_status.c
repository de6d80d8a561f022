#include <string.h>

#include "edgeflow/ota.h"

typedef struct writer {
    char *to;
    size_t most, used; /* used may pass most: it did not fit */
} writer;

static void put(writer *out, char character) {
    if (out->used < out->most) {
        out->to[out->used] = character;
    }
    out->used++;
}

static void put_plain(writer *out, const char *text) {
    while (*text != '\0') {
        put(out, *text++);
    }
}

static void put_name(writer *out, const char *name) {
    put(out, out->used == 0 ? '{' : ',');
    put(out, '"');
    put_plain(out, name);
    put_plain(out, "\":");
}

/* Texts may come from an image: what would need an escape becomes an underscore. */
static void put_text(writer *out, const char *name, const char *text) {
    put_name(out, name);
    put(out, '"');
    for (; *text != '\0'; text++) {
        put(out, *text >= ' ' && *text <= '~' && *text != '"' && *text != '\\' ? *text : '_');
    }
    put(out, '"');
}

static void put_number(writer *out, const char *name, uint32_t number) {
    char digits[11];
    size_t at = sizeof digits - 1u;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0);
    put_name(out, name);
    put_plain(out, digits + at);
}

static void put_bool(writer *out, const char *name, bool value) {
    put_name(out, name);
    put_plain(out, value ? "true" : "false");
}

static void put_key_id(writer *out, const uint8_t *public_key) {
    static const char hex[] = "0123456789abcdef";
    uint8_t id[EF_OTA_KEY_ID_BYTES];
    char text[2 * EF_OTA_KEY_ID_BYTES + 1] = "";
    if (public_key != NULL) {
        ef_ota_key_id(public_key, id);
        for (unsigned i = 0; i < EF_OTA_KEY_ID_BYTES; i++) {
            text[2 * i] = hex[id[i] >> 4];
            text[2 * i + 1] = hex[id[i] & 15u];
        }
        text[2 * EF_OTA_KEY_ID_BYTES] = '\0';
    }
    put_text(out, "key_id", text);
}

static const char *state_word(ef_ota_state state) {
    static const char *const words[] = {"new", "pending", "valid", "invalid", "aborted"};
    return state >= EF_OTA_NEW && state <= EF_OTA_ABORTED ? words[state] : "undefined";
}

/* Of the last upload; else of an image that was booted and did not stay. */
static const char *failure_word(const ef_ota *ota, ef_ota_state other) {
    if (ota->failure != EF_OTA_FINE) {
        return ef_ota_word(ota->failure);
    }
    return other == EF_OTA_ABORTED || other == EF_OTA_INVALID ? state_word(other) : "";
}

size_t ef_ota_status(const ef_ota *ota, const ef_ota_place *place, char *to, size_t most) {
    const ef_ota_rules *rules = &ota->rules;
    ef_ota_state state = rules->port->state(rules->port->context, true);
    ef_ota_state other = rules->port->state(rules->port->context, false);
    bool checks = rules->public_key != NULL, trial = ef_ota_on_trial(rules->port);
    writer out = {.to = to, .most = most};
    put_text(&out, "version", rules->version);
    put_text(&out, "date", place->date);
    put_text(&out, "time", place->time);
    put_text(&out, "running_partition", place->running);
    put_text(&out, "next_partition", place->next);
    put_number(&out, "max_size", rules->port->room(rules->port->context));
    put_bool(&out, "accepts", place->has_psk && (checks || rules->takes_unsigned) && !trial);
    put_bool(&out, "signed_only", checks || !rules->takes_unsigned);
    put_key_id(&out, rules->public_key);
    put_text(&out, "board", rules->board);
    put_number(&out, "chip", rules->chip);
    put_text(&out, "state", state_word(state));
    put_bool(&out, "pending", trial);
    put_number(&out, "counter", ef_ota_counter(ota));
    put_number(&out, "sequence", place->sequence);
    put_text(&out, "previous_version", place->previous_version);
    put_text(&out, "previous_state", state_word(other));
    put_bool(&out, "rollback", ef_ota_may_go_back(ota, place->can_go_back) == EF_OTA_FINE);
    put_text(&out, "last_failure", failure_word(ota, other));
    put(&out, '}');
    put(&out, '\0');
    return out.used <= out.most ? out.used - 1u : 0;
}
