/* Packets of CSI nodes: every one survives, every cut is refused, and no mutation reads or writes where it must not. */
#include <stdlib.h>

#include "check.h"
#include "edgeflow/csi_packet.h"

enum { PAIRS = 64, ROOM = EF_CSI_PACKET_MAX_BYTES };

static uint32_t randomness = 20261121;

static uint32_t draw(uint32_t below) {
    return next_random(&randomness) % below;
}

/* A frame as a channel makes it: smooth, with null pairs at its edges. */
static void make_frame(int8_t pairs[2 * PAIRS]) {
    int real = (int)draw(40) - 20, imaginary = (int)draw(40) - 20;
    memset(pairs, 0, 2 * PAIRS);
    memcpy(pairs, "\x54\xC0\x04", 3);
    for (int i = 6; i < PAIRS - 6; i++) {
        real += (int)draw(3) - 1;
        imaginary += (int)draw(3) - 1;
        pairs[2 * i] = (int8_t)imaginary;
        pairs[2 * i + 1] = (int8_t)real;
    }
}

static ef_csi_raw_packet frame_of(const int8_t *pairs, uint16_t subcarriers, uint32_t sequence) {
    return (ef_csi_raw_packet){.node = 3, .antennas = 1, .subcarriers = subcarriers, .frequency_mhz = 2437, .sequence = sequence,
                               .rssi = -60, .noise_floor = -95, .pairs = pairs};
}

/* Through memory of exactly its size, so that the sanitizer sees a read beyond it. */
static ef_status decode_any(ef_csi_keys *keys, const uint8_t *bytes, size_t count) {
    uint8_t *exact = malloc(count ? count : 1);
    int8_t pairs[2 * EF_CSI_PACKET_MAX_PAIRS];
    ef_csi_raw_packet raw;
    ef_csi_vitals_packet vitals;
    ef_csi_features_packet features;
    ef_csi_state_packet state;
    ef_csi_events_packet events;
    ef_csi_mesh_packet mesh;
    ef_csi_xor_packet folded;
    ef_csi_compressed_packet compressed;
    ef_status status = EF_ERROR_TYPE;
    memcpy(exact, bytes, count);
    switch (ef_csi_packet_kind(exact, count)) {
    case EF_CSI_KIND_RAW: status = ef_csi_decode_raw(exact, count, &raw); break;
    case EF_CSI_KIND_VITALS: status = ef_csi_decode_vitals(exact, count, &vitals); break;
    case EF_CSI_KIND_FEATURES: status = ef_csi_decode_features(exact, count, &features); break;
    case EF_CSI_KIND_FUSED: status = ef_csi_decode_fused(exact, count, &vitals); break;
    case EF_CSI_KIND_EVENTS: status = ef_csi_decode_events(exact, count, &events); break;
    case EF_CSI_KIND_STATE: status = ef_csi_decode_state(exact, count, &state); break;
    case EF_CSI_KIND_MESH: status = ef_csi_decode_mesh(exact, count, &mesh); break;
    case EF_CSI_KIND_WIDE_EVENTS: status = ef_csi_decode_wide_events(exact, count, &events); break;
    case EF_CSI_KIND_XOR:
        status = ef_csi_decode_xor(exact, count, &folded);
        if (status == EF_OK) {
            int8_t *now = malloc(folded.length), *before = calloc(folded.length, 1);
            ef_csi_expand_xor(&folded, (uint8_t *)before, (uint8_t *)now);
            free(now);
            free(before);
        }
        break;
    case EF_CSI_KIND_COMPRESSED:
        status = ef_csi_decode_compressed(exact, count, &compressed);
        if (status == EF_OK) {
            status = ef_csi_expand(keys, &compressed, pairs, EF_CSI_PACKET_MAX_PAIRS);
        }
        break;
    default: break;
    }
    free(exact);
    return status;
}

static void compress_and_expand(unsigned frames) {
    ef_csi_keys sender, receiver;
    int8_t pairs[2 * PAIRS], found[2 * PAIRS];
    uint8_t packet[ROOM];
    size_t whole = 0, sent = 0;
    unsigned missing = 0, keyframes = 0;
    ef_csi_keys_clear(&sender);
    ef_csi_keys_clear(&receiver);
    for (uint32_t i = 0; i < frames; i++) {
        make_frame(pairs);
        ef_csi_raw_packet raw = frame_of(pairs, i % 3 ? PAIRS : PAIRS / 2, 0xFFFFFFF0u + i);
        size_t size = ef_csi_compress(&sender, &raw, 20000ull * i, 7, 1000000, packet, sizeof packet);
        ef_csi_compressed_packet read;
        CHECK(size > 0);
        CHECK_EQUAL(ef_csi_decode_compressed(packet, size, &read), EF_OK);
        keyframes += read.flags & EF_CSI_FLAG_KEY;
        whole += 20u + 2u * raw.subcarriers;
        sent += size;
        if (i == 100 || i == 101 || draw(10) == 0) {
            continue; /* lost */
        }
        ef_status status = ef_csi_expand(&receiver, &read, found, PAIRS);
        missing += status == EF_ERROR_STATE;
        CHECK(status == EF_OK || (status == EF_ERROR_STATE && (read.flags & EF_CSI_FLAG_KEY) == 0));
        CHECK(status != EF_OK || memcmp(found, pairs, 2u * raw.subcarriers) == 0);
    }
    CHECK(keyframes >= frames / 30 && keyframes < frames / 4);
    CHECK(missing > 0 && missing < frames / 2);
    CHECK(10 * sent < 8 * whole);
}

static void incompressible(void) {
    ef_csi_keys keys;
    int8_t noise[2 * PAIRS], found[2 * PAIRS];
    uint8_t packet[ROOM];
    ef_csi_compressed_packet read;
    ef_csi_keys_clear(&keys);
    for (int i = 0; i < 2 * PAIRS; i++) {
        noise[i] = (int8_t)draw(256);
    }
    ef_csi_raw_packet raw = frame_of(noise, PAIRS, 1);
    CHECK_EQUAL(ef_csi_compress(&keys, &raw, 0, 0, 1000000, packet, 32 + 2 * PAIRS - 1), 0);
    CHECK_EQUAL(ef_csi_compress(&keys, &raw, 0, 0, 1000000, packet, 32 + 2 * PAIRS), 32 + 2 * PAIRS);
    CHECK_EQUAL(ef_csi_decode_compressed(packet, 32 + 2 * PAIRS, &read), EF_OK);
    CHECK_EQUAL(read.flags, EF_CSI_FLAG_KEY | EF_CSI_FLAG_STORED);
    CHECK_EQUAL(ef_csi_expand(&keys, &read, found, PAIRS - 1), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_csi_expand(&keys, &read, found, PAIRS), EF_OK);
    CHECK(memcmp(found, noise, sizeof noise) == 0);
}

static size_t samples(uint8_t packets[12][ROOM], size_t sizes[12]) {
    static int8_t pairs[2 * PAIRS];
    static const uint8_t before[2 * PAIRS], flat[2 * PAIRS] = {1, 1, 1, 1};
    uint8_t payload[EF_CSI_HEALTH_BYTES];
    ef_csi_keys keys;
    ef_csi_vitals_packet vitals = {.node = 1, .flags = 5, .breathing = 1525, .heart = 725000, .motion_energy = 1.0f};
    ef_csi_features_packet features = {.node = 2, .values = {1.0f}};
    ef_csi_state_packet state = {.node = 3, .values = {1.0f}};
    ef_csi_events_packet events = {.node = 4, .count = 8, .events = {{2, 1.0f}}};
    ef_csi_health health = {.node = 9, .frame_rate = 28};
    ef_csi_mesh_packet mesh = {.type = 6, .length = sizeof payload, .payload = payload};
    size_t n = 0;
    make_frame(pairs);
    ef_csi_raw_packet raw = frame_of(pairs, PAIRS, 1);
    ef_csi_keys_clear(&keys);
    ef_csi_write_health(&health, payload);
    sizes[n] = ef_csi_encode_raw(&raw, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_vitals(&vitals, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_fused(&vitals, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_features(&features, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_state(&state, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_events(&events, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_wide_events(&events, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_mesh(&mesh, packets[n], ROOM), n++;
    sizes[n] = ef_csi_encode_xor(1, 6, before, flat, sizeof flat, packets[n], ROOM), n++;
    sizes[n] = ef_csi_compress(&keys, &raw, 0, 0, 1000000, packets[n], ROOM), n++;
    raw.sequence = 2;
    sizes[n] = ef_csi_compress(&keys, &raw, 1, 0, 1000000, packets[n], ROOM), n++;
    return n;
}

static void cuts_and_mutations(unsigned rounds) {
    static uint8_t packets[12][ROOM];
    uint8_t damaged[ROOM];
    size_t sizes[12], n = samples(packets, sizes);
    unsigned taken = 0;
    ef_csi_keys keys;
    ef_csi_keys_clear(&keys);
    for (size_t i = 0; i < n; i++) {
        CHECK(sizes[i] > 0);
        CHECK_EQUAL(decode_any(&keys, packets[i], sizes[i]), EF_OK);
        for (size_t cut = 0; cut < sizes[i]; cut++) {
            CHECK(decode_any(&keys, packets[i], cut) != EF_OK);
        }
    }
    for (unsigned round = 0; round < rounds; round++) {
        size_t i = draw((uint32_t)n), size = sizes[i];
        memcpy(damaged, packets[i], size);
        for (uint32_t flips = 1 + draw(4); flips > 0; flips--) {
            damaged[draw(3) ? draw((uint32_t)size < 33 ? (uint32_t)size : 33) : draw((uint32_t)size)] = (uint8_t)draw(256);
        }
        if (draw(4) == 0) {
            size = draw((uint32_t)size + 1);
        }
        taken += decode_any(&keys, damaged, size) == EF_OK;
    }
    CHECK(taken > 0 && taken < rounds);
}

static void rates(void) {
    CHECK_EQUAL(ef_csi_fixed(15.25f, 100, 65535), 1525);
    CHECK_EQUAL(ef_csi_fixed(1e9f, 100, 65535), 65535);
    CHECK_EQUAL(ef_csi_fixed(-1.0f, 100, 65535), 0);
    CHECK_EQUAL(ef_csi_fixed((float)(0.0f * 1e38f * 1e38f), 100, 65535), 0);
}

int main(int count, char **arguments) {
    compress_and_expand(rounds_of(count, arguments, 500, 2000, 100000));
    incompressible();
    cuts_and_mutations(rounds_of(count, arguments, 20000, 200000, 10000000));
    rates();
    return finish("csi_packet");
}
