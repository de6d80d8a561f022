#include "edgeflow/module_container.h"

#include <string.h>

#include "edgeflow/checksum.h"
#include "edgeflow/ed25519.h"
#include "little_endian.h"

enum { MAGIC = 0x01465652, KNOWN_FLAGS = 7, ALL_CAPABILITIES = 0x7F };

static const uint8_t wasm_magic[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};

const char *ef_rvf_say(ef_rvf_fault fault) {
    static const char *const words[] = {
        "good",
        "shorter than a container",
        "not a container",
        "of another version",
        "its manifest has another length",
        "its module is empty or larger than 128 KB",
        "its signature has another length",
        "its lengths do not add up",
        "its name does not end",
        "made for a newer host",
        "its module has another hash",
        "its module is no WebAssembly",
        "its flags contradict its lengths",
        "its manifest asks for what there is not",
    };
    return (unsigned)fault < sizeof words / sizeof words[0] ? words[fault] : "unknown";
}

ef_rvf_fault ef_rvf_check_header(const uint8_t image[EF_RVF_HEADER_BYTES], size_t count) {
    if (count < EF_RVF_LEAST_BYTES) {
        return EF_RVF_SHORT;
    }
    if (ef_get32(image) != MAGIC) {
        return EF_RVF_MAGIC;
    }
    if (ef_get16(image + 4) != 1u) {
        return EF_RVF_VERSION;
    }
    if (ef_get32(image + 8) != EF_RVF_MANIFEST_BYTES) {
        return EF_RVF_MANIFEST;
    }
    const uint32_t wasm = ef_get32(image + 12), signature = ef_get32(image + 16), vectors = ef_get32(image + 20);
    if (wasm < 1u || wasm > EF_RVF_MOST_WASM) {
        return EF_RVF_WASM_LENGTH;
    }
    if (signature != 0 && signature != EF_RVF_SIGNATURE_BYTES) {
        return EF_RVF_SIGNATURE_LENGTH;
    }
    const uint64_t total = (uint64_t)EF_RVF_HEADER_BYTES + EF_RVF_MANIFEST_BYTES + wasm + signature + vectors;
    return total == ef_get32(image + 24) && total == count && count <= EF_RVF_MOST_BYTES ? EF_RVF_GOOD : EF_RVF_TOTAL;
}

static void read_manifest(const uint8_t *image, ef_rvf *rvf) {
    const uint8_t *at = image + EF_RVF_HEADER_BYTES;
    memset(rvf, 0, sizeof *rvf);
    memcpy(rvf->name, at, EF_RVF_NAME_BYTES);
    rvf->api = ef_get16(at + 32);
    rvf->capabilities = ef_get32(at + 34);
    rvf->max_frame_us = ef_get32(at + 38);
    rvf->max_events_per_second = ef_get16(at + 42);
    rvf->memory_limit_kb = ef_get16(at + 44);
    rvf->event_schema = ef_get16(at + 46);
    memcpy(rvf->hash, at + 48, sizeof rvf->hash);
    rvf->min_subcarriers = ef_get16(at + 80);
    rvf->max_subcarriers = ef_get16(at + 82);
    rvf->flags = ef_get16(image + 6);
    rvf->version = (rvf->flags & EF_RVF_FLAG_ED25519) != 0 ? ef_get32(image + EF_RVF_VERSION_AT) : 0u;
    rvf->image = image;
    rvf->wasm = image + EF_RVF_HEADER_BYTES + EF_RVF_MANIFEST_BYTES;
    rvf->wasm_bytes = ef_get32(image + 12);
    rvf->vector_bytes = ef_get32(image + 20);
    const uint8_t *after = rvf->wasm + rvf->wasm_bytes;
    const uint32_t signature = ef_get32(image + 16);
    rvf->signature = signature != 0 ? after : NULL;
    rvf->vectors = after + signature;
}

static bool has_hash(const ef_rvf *rvf) {
    uint8_t hash[32];
    ef_sha256 sum;
    ef_sha256_begin(&sum);
    ef_sha256_update(&sum, rvf->wasm, rvf->wasm_bytes);
    ef_sha256_end(&sum, hash);
    return memcmp(hash, rvf->hash, sizeof hash) == 0;
}

static bool flags_fit(const ef_rvf *rvf) {
    const bool is_signed = (rvf->flags & EF_RVF_FLAG_SIGNED) != 0;
    const bool vectors = (rvf->flags & EF_RVF_FLAG_VECTORS) != 0;
    return (rvf->flags & ~(unsigned)KNOWN_FLAGS) == 0 && is_signed == (rvf->signature != NULL) &&
           vectors == (rvf->vector_bytes > 0) && (is_signed || (rvf->flags & EF_RVF_FLAG_ED25519) == 0);
}

ef_rvf_fault ef_rvf_open(const uint8_t *image, size_t count, ef_rvf *rvf) {
    const ef_rvf_fault fault = ef_rvf_check_header(image, count);
    if (fault != EF_RVF_GOOD) {
        return fault;
    }
    read_manifest(image, rvf);
    if (rvf->name[EF_RVF_NAME_BYTES - 1u] != '\0') {
        return EF_RVF_NAME;
    }
    if (rvf->api > EF_MODULE_API) {
        return EF_RVF_API;
    }
    if (!has_hash(rvf)) {
        return EF_RVF_HASH;
    }
    if (rvf->wasm_bytes < sizeof wasm_magic || memcmp(rvf->wasm, wasm_magic, sizeof wasm_magic) != 0) {
        return EF_RVF_NO_WASM;
    }
    if (!flags_fit(rvf)) {
        return EF_RVF_FLAGS;
    }
    const bool empty = rvf->max_subcarriers != 0 && rvf->min_subcarriers > rvf->max_subcarriers;
    return empty || (rvf->capabilities & ~(uint32_t)ALL_CAPABILITIES) != 0 ? EF_RVF_LIMITS : EF_RVF_GOOD;
}

bool ef_rvf_has_signature(const ef_rvf *rvf) {
    return rvf->signature != NULL && (rvf->flags & EF_RVF_FLAG_ED25519) != 0;
}

bool ef_rvf_is_signed_by(const ef_rvf *rvf, const uint8_t public_key[32]) {
    const size_t covered = EF_RVF_HEADER_BYTES + EF_RVF_MANIFEST_BYTES + rvf->wasm_bytes;
    return ef_rvf_has_signature(rvf) && ef_ed25519_verify(rvf->signature, rvf->image, covered, public_key);
}
