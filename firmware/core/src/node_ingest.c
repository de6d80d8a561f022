#include "edgeflow/node_ingest.h"

#include <string.h>

#define SCHEME "http://"
#define PATH "/api/v1/store/ingest"
#define SECOND_US 1000000u
#define STEPS 10000u /* of a value */

static size_t put(char *to, size_t at, const char *text) {
    size_t length = strlen(text);
    memcpy(to + at, text, length);
    return at + length;
}

static size_t put_number(char *to, size_t at, uint32_t number, unsigned least_digits) {
    char digits[10];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0 || count < least_digits);
    while (count > 0) {
        to[at++] = digits[--count];
    }
    return at;
}

static size_t put_value(char *to, size_t at, float value) {
    float held = value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f; /* NaN is 0 */
    uint32_t steps = (uint32_t)(held * (float)STEPS + 0.5f);
    at = put_number(to, at, steps / STEPS, 1);
    to[at++] = '.';
    return put_number(to, at, steps % STEPS, 4);
}

bool ef_ingest_url(const char *seed_url, char to[EF_INGEST_URL_BYTES]) {
    size_t length = 0, scheme = strlen(SCHEME);
    if (strncmp(seed_url, SCHEME, scheme) != 0) {
        return false;
    }
    while (length < EF_INGEST_URL_BYTES && seed_url[length] != '\0') {
        length++;
    }
    while (length > scheme && seed_url[length - 1u] == '/') {
        length--;
    }
    if (length == scheme || length + sizeof PATH > EF_INGEST_URL_BYTES) {
        return false;
    }
    memcpy(to, seed_url, length);
    memcpy(to + length, PATH, sizeof PATH);
    return true;
}

static bool is_due(uint64_t *last_us, uint16_t seconds, uint64_t now_us) {
    if (*last_us != 0 && now_us - *last_us < (uint64_t)seconds * SECOND_US) {
        return false;
    }
    *last_us = now_us > 0 ? now_us : 1u;
    return true;
}

ef_ingest_kind ef_ingest_due(ef_ingest *ingest, uint16_t heartbeat_s, uint16_t ingest_s, bool present, uint64_t now_us) {
    if (is_due(&ingest->heartbeat_us, heartbeat_s, now_us)) {
        return EF_INGEST_HEARTBEAT;
    }
    return present && is_due(&ingest->vector_us, ingest_s, now_us) ? EF_INGEST_VECTOR : EF_INGEST_NOTHING;
}

uint32_t ef_ingest_id(ef_ingest_kind kind, uint8_t node, uint64_t now_us) {
    uint32_t of_kind = kind == EF_INGEST_HEARTBEAT ? 100000u : kind == EF_INGEST_VECTOR ? 200000u : 0;
    return node * 1000000u + of_kind + (uint32_t)(now_us / SECOND_US % 100000u);
}

size_t ef_ingest_body(uint32_t id, const float values[EF_INGEST_VALUES], char to[EF_INGEST_BODY_BYTES]) {
    size_t at = put(to, 0, "{\"vectors\":[[");
    at = put_number(to, at, id, 1);
    for (unsigned i = 0; i < EF_INGEST_VALUES; i++) {
        at = put(to, at, i == 0 ? ",[" : ",");
        at = put_value(to, at, values[i]);
    }
    at = put(to, at, "]]]}");
    to[at] = '\0';
    return at;
}
