/*
 * The container that a sensing module travels in: header, manifest, WebAssembly, signature, test vectors.
 * docs/reference/csi-modules.md has the bytes. Nothing is copied; what is returned points into the image.
 */
#ifndef EDGEFLOW_MODULE_CONTAINER_H
#define EDGEFLOW_MODULE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

#define EF_RVF_HEADER_BYTES 32u
#define EF_RVF_MANIFEST_BYTES 96u
#define EF_RVF_SIGNATURE_BYTES 64u
#define EF_RVF_LEAST_BYTES 136u
#define EF_RVF_MOST_WASM 131072u
#define EF_RVF_MOST_BYTES 135360u /* 4 KB of it for test vectors */
#define EF_RVF_FLAG_SIGNED 1u
#define EF_RVF_FLAG_VECTORS 2u
#define EF_RVF_FLAG_ED25519 4u /* the signature is one; without it, it is the reference's hash, which anybody can make */
#define EF_RVF_NAME_BYTES 32u
#define EF_RVF_VERSION_AT 28u /* in the header: what counts where the signature is Ed25519, else 0 */
#define EF_MODULE_API 1u

/* Why a container is refused, in the order of the checks. */
typedef enum ef_rvf_fault {
    EF_RVF_GOOD = 0,
    EF_RVF_SHORT,
    EF_RVF_MAGIC,
    EF_RVF_VERSION,
    EF_RVF_MANIFEST,
    EF_RVF_WASM_LENGTH,
    EF_RVF_SIGNATURE_LENGTH,
    EF_RVF_TOTAL,
    EF_RVF_NAME,
    EF_RVF_API,
    EF_RVF_HASH,
    EF_RVF_NO_WASM,
    EF_RVF_FLAGS, /* they contradict the lengths, or are unknown */
    EF_RVF_LIMITS /* capabilities that do not exist, or min_subcarriers above max */
} ef_rvf_fault;

typedef struct ef_rvf {
    char name[EF_RVF_NAME_BYTES]; /* ends within; any other bytes may be in it */
    uint16_t api;
    uint32_t capabilities, max_frame_us; /* 0: the default */
    uint16_t max_events_per_second;      /* 0: unlimited */
    uint16_t memory_limit_kb;            /* 0: the default */
    uint16_t event_schema;
    uint8_t hash[32]; /* SHA-256 of the WebAssembly */
    uint16_t min_subcarriers, max_subcarriers; /* 0: any */
    uint16_t flags;
    uint32_t version; /* of the module, signed with it; 0: none was given */
    const uint8_t *image, *wasm, *signature, *vectors; /* signature: NULL where there is none */
    uint32_t wasm_bytes, vector_bytes;
} ef_rvf;

EF_MUST_CHECK ef_rvf_fault ef_rvf_open(const uint8_t *image, size_t count, ef_rvf *rvf);

/* The checks of size, magic, version and lengths alone: of the first EF_RVF_HEADER_BYTES of `count` that are to come. */
EF_MUST_CHECK ef_rvf_fault ef_rvf_check_header(const uint8_t header[EF_RVF_HEADER_BYTES], size_t count);

/* The fault in words, for answers and logs. */
const char *ef_rvf_say(ef_rvf_fault fault);

/* Whether it carries a real signature, and that of this key, over all before it. */
bool ef_rvf_has_signature(const ef_rvf *rvf);
EF_MUST_CHECK bool ef_rvf_is_signed_by(const ef_rvf *rvf, const uint8_t public_key[32]);

#endif
