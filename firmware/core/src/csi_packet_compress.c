/* Lossless frames: each pair predicted from those before it, the rest in adaptive Rice code, null pairs left out. */
#include "csi_packet_wire.h"
#include "edgeflow/checksum.h"
#include "edgeflow/csi_packet.h"

enum { HEADER = 32, HEAD_PAIRS = 2, PREDICTORS = 3, ESCAPE = 16, START = 8, KEYS_PER_STREAM = 2 };

typedef struct predictor {
    unsigned kind;
    int last[2], before[2];
} predictor;

typedef struct bits {
    uint8_t *at;
    size_t count, most;        /* bytes */
    uint32_t pending, waiting; /* bits that make no byte yet, and how many */
    uint32_t state, k;
} bits;

typedef struct code {
    const uint8_t *from;
    size_t count, most; /* bits */
    uint32_t state, k;
} code;

static int half_of(int step) {
    return (step + 512) / 2 - 256; /* rounded down */
}

static int guess(const predictor *it, unsigned part) {
    int step = it->last[part] - it->before[part];
    return it->last[part] + (it->kind == 0 ? 0 : it->kind == 1 ? half_of(step) : step);
}

static void advance(predictor *it, unsigned part, int value) {
    it->before[part] = it->last[part];
    it->last[part] = value;
}

static int wrapped(int value) {
    return (int8_t)(uint8_t)value;
}

static uint32_t size_of(int rest) {
    int found = wrapped(rest);
    return (uint32_t)(found < 0 ? -found : found);
}

/* The smallest k for which 2^k is at least 0.69 times the mean that the state keeps; the last one is near it. */
static unsigned parameter(uint32_t state, unsigned k) {
    while ((128u << k) < 11u * state) {
        k++;
    }
    while (k > 0 && (64u << k) >= 11u * state) {
        k--;
    }
    return k;
}

static bool is_set(const uint8_t *map, unsigned place) {
    return (map[place >> 3] >> (place & 7u) & 1u) != 0;
}

/* Whether a pair is not coded. */
static bool left_out(const uint8_t *null, unsigned flags, unsigned place) {
    return is_set(null, place) || ((flags & EF_CSI_FLAG_HEAD) != 0 && place < HEAD_PAIRS);
}

static bool write_bits(bits *to, uint32_t value, unsigned width) {
    to->pending = to->pending << width | value;
    to->waiting += width;
    while (to->waiting >= 8u) {
        if (to->count >= to->most) {
            return false;
        }
        to->waiting -= 8u;
        to->at[to->count++] = (uint8_t)(to->pending >> to->waiting);
    }
    return true;
}

static bool write_number(bits *to, uint32_t number) {
    unsigned k = to->k = parameter(to->state, to->k), ones = number >> k;
    to->state += number - (to->state >> 3);
    if (ones >= ESCAPE) {
        return write_bits(to, 0xFFFFu << 8 | number, ESCAPE + 8);
    }
    return write_bits(to, ((2u << ones) - 2u) << k | (number & ((1u << k) - 1u)), ones + 1u + k);
}

static bool read_bits(code *from, unsigned width, uint32_t *value) {
    if (from->count + width > from->most) {
        return false;
    }
    *value = 0;
    while (width-- > 0) {
        *value = *value << 1 | (from->from[from->count >> 3] >> (7u - (from->count & 7u)) & 1u);
        from->count++;
    }
    return true;
}

/* One number has one code: the escape is refused where it was not needed. */
static bool read_number(code *from, uint32_t *number) {
    unsigned k = from->k = parameter(from->state, from->k), ones = 0;
    uint32_t bit = 0, low = 0;
    while (ones < ESCAPE) {
        if (!read_bits(from, 1, &bit)) {
            return false;
        }
        if (bit == 0) {
            break;
        }
        ones++;
    }
    if (!read_bits(from, ones < ESCAPE ? k : 8u, &low)) {
        return false;
    }
    *number = ones < ESCAPE ? (uint32_t)ones << k | low : low;
    from->state += *number - (from->state >> 3);
    return *number <= 255u && (ones < ESCAPE || low >> k >= ESCAPE);
}

static unsigned best_predictor(const int8_t *pairs, unsigned count, const uint8_t *null, unsigned flags) {
    predictor it = {0};
    uint32_t sums[PREDICTORS] = {0};
    for (unsigned i = 0; i < 2u * count; i++) {
        if (left_out(null, flags, i / 2u)) {
            i++;
            continue;
        }
        int off = pairs[i] - it.last[i & 1u], step = it.last[i & 1u] - it.before[i & 1u];
        sums[0] += size_of(off);
        sums[1] += size_of(off - half_of(step));
        sums[2] += size_of(off - step);
        advance(&it, i & 1u, pairs[i]);
    }
    unsigned best = sums[1] < sums[0] ? 1u : 0u;
    return sums[2] < sums[best] ? 2u : best;
}

/* Bytes written; `most` + 1 when they would be more than `most`. Flags get the predictor. */
static size_t write_pairs(const int8_t *pairs, unsigned count, const uint8_t *null, unsigned *flags, uint8_t *to, size_t most) {
    predictor it = {.kind = best_predictor(pairs, count, null, *flags)};
    bits out = {.at = to, .most = most, .state = START};
    for (unsigned i = 0; i < 2u * count; i++) {
        if (left_out(null, *flags, i / 2u)) {
            i++;
            continue;
        }
        int rest = wrapped(pairs[i] - guess(&it, i & 1u));
        if (!write_number(&out, (uint32_t)(rest < 0 ? -2 * rest - 1 : 2 * rest))) {
            return most + 1u;
        }
        advance(&it, i & 1u, pairs[i]);
    }
    *flags |= it.kind << 2;
    return write_bits(&out, 0, -out.waiting & 7u) ? out.count : most + 1u;
}

static bool read_pairs(const uint8_t *data, size_t length, const uint8_t *null, unsigned flags, int8_t *pairs, unsigned count) {
    predictor it = {.kind = flags >> 2 & 3u};
    code in = {.from = data, .most = 8u * length, .state = START};
    uint32_t number = 0;
    for (unsigned i = 0; i < 2u * count; i++) {
        if (left_out(null, flags, i / 2u)) {
            continue;
        }
        if (!read_number(&in, &number)) {
            return false;
        }
        int rest = number & 1u ? -(int)(number >> 1) - 1 : (int)(number >> 1);
        pairs[i] = (int8_t)wrapped(guess(&it, i & 1u) + rest);
        advance(&it, i & 1u, pairs[i]);
    }
    return read_bits(&in, (unsigned)(-in.count & 7u), &number) && number == 0 && in.count == in.most;
}

static void map_null(const int8_t *pairs, unsigned count, uint8_t *null) {
    memset(null, 0, (count + 7u) / 8u);
    for (unsigned i = 0; i < count; i++) {
        if (pairs[2u * i] == 0 && pairs[2u * i + 1u] == 0) {
            null[i >> 3] = (uint8_t)(null[i >> 3] | 1u << (i & 7u));
        }
    }
}

static size_t head_bytes(unsigned pairs) {
    return 2u * (pairs < HEAD_PAIRS ? pairs : HEAD_PAIRS);
}

static bool same_stream(const ef_csi_key *key, const ef_csi_key *wanted) {
    return key->held && key->node == wanted->node && key->source == wanted->source && key->antennas == wanted->antennas &&
           key->pairs == wanted->pairs;
}

/* The place for a keyframe: of its stream the oldest when it has `most` there, else a free one, else the oldest of all. */
static ef_csi_key *place_for(ef_csi_keys *keys, const ef_csi_key *wanted, unsigned most) {
    ef_csi_key *own = NULL, *any = &keys->keys[0];
    unsigned owned = 0;
    for (unsigned i = 0; i < EF_CSI_KEYS; i++) {
        ef_csi_key *key = &keys->keys[i];
        if (same_stream(key, wanted)) {
            if (key->sequence == wanted->sequence) {
                return key;
            }
            owned++;
            own = own == NULL || key->used < own->used ? key : own;
        }
        if (any->held && (!key->held || key->used < any->used)) {
            any = key;
        }
    }
    return owned >= most ? own : any;
}

static void hold(ef_csi_keys *keys, const ef_csi_key *wanted, const int8_t *pairs, unsigned most) {
    ef_csi_key *key = place_for(keys, wanted, most);
    *key = *wanted;
    key->held = true;
    key->used = ++keys->clock;
    memset(key->head, 0, sizeof key->head);
    memcpy(key->head, pairs, head_bytes(wanted->pairs));
    map_null(pairs, wanted->pairs, key->null);
}

void ef_csi_keys_clear(ef_csi_keys *keys) {
    memset(keys, 0, sizeof *keys);
}

static bool fits(const ef_csi_key *key, const int8_t *pairs) {
    for (unsigned i = 0; i < key->pairs; i++) {
        if (is_set(key->null, i) && (pairs[2u * i] != 0 || pairs[2u * i + 1u] != 0)) {
            return false;
        }
    }
    return true;
}

/* The keyframe that the next frame of a stream can lean on. */
static const ef_csi_key *usable(const ef_csi_keys *keys, const ef_csi_key *wanted, const int8_t *pairs, uint32_t interval_us) {
    for (unsigned i = 0; i < EF_CSI_KEYS; i++) {
        const ef_csi_key *key = &keys->keys[i];
        uint32_t distance = wanted->sequence - key->sequence;
        if (same_stream(key, wanted) && wanted->time_us >= key->time_us && wanted->time_us - key->time_us < interval_us &&
            distance > 0u && distance <= 0xFFFFu && fits(key, pairs)) {
            return key;
        }
    }
    return NULL;
}

static size_t write_leaning(const ef_csi_key *key, const int8_t *pairs, unsigned *flags, uint8_t *to) {
    *flags = memcmp(pairs, key->head, head_bytes(key->pairs)) == 0 ? EF_CSI_FLAG_HEAD : 0u;
    return write_pairs(pairs, key->pairs, key->null, flags, to, 2u * key->pairs - 1u);
}

static size_t write_key(const int8_t *pairs, unsigned count, unsigned *flags, uint8_t *to) {
    size_t map = (count + 7u) / 8u, whole = 2u * count;
    *flags = EF_CSI_FLAG_KEY;
    if (map < whole) {
        map_null(pairs, count, to);
        size_t coded = write_pairs(pairs, count, to, flags, to + map, whole - 1u - map);
        if (map + coded < whole) {
            return map + coded;
        }
    }
    *flags = EF_CSI_FLAG_KEY | EF_CSI_FLAG_STORED;
    memcpy(to, pairs, whole);
    return whole;
}

static void put_header(uint8_t *to, const ef_csi_raw_packet *frame, const ef_csi_key *stream, unsigned flags, uint32_t distance,
                       size_t length) {
    uint8_t *at = put_magic(to, MAGIC_COMPRESSED);
    *at++ = frame->node;
    *at++ = (uint8_t)flags;
    at = ef_put16(ef_put16(at, frame->subcarriers), (uint16_t)frame->frequency_mhz);
    *at++ = frame->antennas;
    *at++ = stream->source;
    at = ef_put16(ef_put32(at, frame->sequence), (uint16_t)distance);
    *at++ = (uint8_t)frame->rssi;
    *at++ = (uint8_t)frame->noise_floor;
    at = ef_put16(at, ef_crc16(frame->pairs, 2u * stream->pairs));
    ef_put64(ef_put16(at, (uint16_t)length), stream->time_us);
}

static unsigned count_pairs(unsigned antennas, unsigned subcarriers) {
    unsigned pairs = antennas * subcarriers;
    return antennas <= EF_CSI_PACKET_MAX_ANTENNAS && pairs <= EF_CSI_PACKET_MAX_PAIRS ? pairs : 0u;
}

size_t ef_csi_compress(ef_csi_keys *keys, const ef_csi_raw_packet *frame, uint64_t time_us, uint8_t source, uint32_t interval_us,
                       uint8_t *to, size_t room) {
    unsigned pairs = count_pairs(frame->antennas, frame->subcarriers), flags = 0;
    if (pairs == 0 || frame->frequency_mhz > 0xFFFFu || room < HEADER + 2u * pairs) {
        return 0;
    }
    const ef_csi_key stream = {.node = frame->node, .source = source, .antennas = frame->antennas, .pairs = (uint16_t)pairs,
                               .sequence = frame->sequence, .time_us = time_us};
    const ef_csi_key *key = usable(keys, &stream, frame->pairs, interval_us);
    size_t length = key == NULL ? 2u * pairs : write_leaning(key, frame->pairs, &flags, to + HEADER);
    uint32_t distance = key == NULL ? 0u : frame->sequence - key->sequence;
    if (length >= 2u * pairs) {
        distance = 0;
        length = write_key(frame->pairs, pairs, &flags, to + HEADER);
        hold(keys, &stream, frame->pairs, 1);
    }
    put_header(to, frame, &stream, flags, distance, length);
    return HEADER + length;
}

/* Flags and distance do not contradict each other. */
static bool consistent(unsigned flags, unsigned distance) {
    bool key = (flags & EF_CSI_FLAG_KEY) != 0;
    if ((flags & ~0x1Fu) != 0 || (flags >> 2 & 3u) >= PREDICTORS || key != (distance == 0)) {
        return false;
    }
    return (flags & EF_CSI_FLAG_HEAD) != 0 ? !key : key || (flags & EF_CSI_FLAG_STORED) == 0;
}

ef_status ef_csi_decode_compressed(const uint8_t *bytes, size_t count, ef_csi_compressed_packet *packet) {
    if (count < HEADER) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_COMPRESSED)) {
        return EF_ERROR_TYPE;
    }
    packet->node = bytes[4];
    packet->flags = bytes[5];
    packet->subcarriers = ef_get16(bytes + 6);
    packet->frequency_mhz = ef_get16(bytes + 8);
    packet->antennas = bytes[10];
    packet->source = bytes[11];
    packet->sequence = ef_get32(bytes + 12);
    packet->distance = ef_get16(bytes + 16);
    packet->rssi = (int8_t)bytes[18];
    packet->noise_floor = (int8_t)bytes[19];
    packet->check = ef_get16(bytes + 20);
    packet->length = ef_get16(bytes + 22);
    packet->time_us = get64(bytes + 24);
    packet->data = bytes + HEADER;
    if (count != (size_t)HEADER + packet->length || count_pairs(packet->antennas, packet->subcarriers) == 0) {
        return EF_ERROR_LENGTH;
    }
    return consistent(packet->flags, packet->distance) ? EF_OK : EF_ERROR_UNSUPPORTED;
}

static ef_csi_key *find(ef_csi_keys *keys, const ef_csi_key *wanted) {
    for (unsigned i = 0; i < EF_CSI_KEYS; i++) {
        if (same_stream(&keys->keys[i], wanted) && keys->keys[i].sequence == wanted->sequence) {
            return &keys->keys[i];
        }
    }
    return NULL;
}

static bool expand_key(const ef_csi_compressed_packet *packet, int8_t *pairs, unsigned count) {
    size_t map = (count + 7u) / 8u;
    if ((packet->flags & EF_CSI_FLAG_STORED) != 0) {
        if (packet->length == 2u * count) {
            memcpy(pairs, packet->data, packet->length);
        }
        return packet->length == 2u * count;
    }
    return packet->length >= map && read_pairs(packet->data + map, packet->length - map, packet->data, packet->flags, pairs, count);
}

ef_status ef_csi_expand(ef_csi_keys *keys, const ef_csi_compressed_packet *packet, int8_t *pairs, size_t room) {
    unsigned count = count_pairs(packet->antennas, packet->subcarriers);
    const ef_csi_key stream = {.node = packet->node, .source = packet->source, .antennas = packet->antennas,
                               .pairs = (uint16_t)count, .sequence = packet->sequence - packet->distance,
                               .time_us = packet->time_us};
    if (count == 0 || room < count) {
        return EF_ERROR_SPACE;
    }
    memset(pairs, 0, 2u * (size_t)count);
    bool is_key = (packet->flags & EF_CSI_FLAG_KEY) != 0, read;
    if (is_key) {
        read = expand_key(packet, pairs, count);
    } else {
        ef_csi_key *key = find(keys, &stream);
        if (key == NULL) {
            return EF_ERROR_STATE;
        }
        key->used = ++keys->clock;
        if ((packet->flags & EF_CSI_FLAG_HEAD) != 0) {
            memcpy(pairs, key->head, head_bytes(count));
        }
        read = read_pairs(packet->data, packet->length, key->null, packet->flags, pairs, count);
    }
    if (!read || ef_crc16(pairs, 2u * (size_t)count) != packet->check) {
        return EF_ERROR_CRC;
    }
    if (is_key) {
        hold(keys, &stream, pairs, KEYS_PER_STREAM);
    }
    return EF_OK;
}
