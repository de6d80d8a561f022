/* SHA-512 after FIPS 180-4. */
#ifndef EDGEFLOW_SHA512_H
#define EDGEFLOW_SHA512_H

#include <stddef.h>
#include <stdint.h>

#define EF_SHA512_BYTES 64u

typedef struct ef_sha512 {
    uint64_t state[8];
    uint64_t count; /* bytes so far */
    uint8_t block[128];
} ef_sha512;

void ef_sha512_begin(ef_sha512 *hash);
void ef_sha512_update(ef_sha512 *hash, const void *bytes, size_t count);
void ef_sha512_end(ef_sha512 *hash, uint8_t digest[EF_SHA512_BYTES]);

#endif
