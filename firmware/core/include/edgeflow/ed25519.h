/*
 * Ed25519 signatures after RFC 8032, verified only. Cofactorless: the encoding of [S]B - [k]A must be the signature's R,
 * byte for byte, so that an R in another encoding is refused too. Refused as well: S not below the group's order, a key
 * that is not the one encoding of a point, and keys of small order. No memory but the stack (EF_ED25519_STACK); the time
 * depends on the inputs, which are public.
 */
#ifndef EDGEFLOW_ED25519_H
#define EDGEFLOW_ED25519_H

#include <stdbool.h>

#include "edgeflow/sha512.h"
#include "edgeflow/status.h"

#define EF_ED25519_KEY_BYTES 32u
#define EF_ED25519_SIGNATURE_BYTES 64u
#define EF_ED25519_STACK 2048u /* bytes at most of any function here, with all it calls */

EF_MUST_CHECK bool ef_ed25519_verify(const uint8_t signature[64], const uint8_t *message, size_t length,
                                     const uint8_t public_key[32]);

/* A message in pieces. */
typedef struct ef_ed25519 {
    uint8_t signature[EF_ED25519_SIGNATURE_BYTES];
    uint8_t public_key[EF_ED25519_KEY_BYTES];
    ef_sha512 hash;
} ef_ed25519;

void ef_ed25519_begin(ef_ed25519 *check, const uint8_t signature[64], const uint8_t public_key[32]);
void ef_ed25519_update(ef_ed25519 *check, const void *bytes, size_t count);
EF_MUST_CHECK bool ef_ed25519_end(ef_ed25519 *check);

/* Whether a key can verify anything: a point in its one encoding, and not of small order. */
EF_MUST_CHECK bool ef_ed25519_is_key(const uint8_t public_key[32]);

#endif
