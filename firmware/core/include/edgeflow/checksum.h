/* Checksums of the wire and of the flash. */
#ifndef EDGEFLOW_CHECKSUM_H
#define EDGEFLOW_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of zip and Ethernet (polynomial 0xEDB88320 reflected). Start with 0; pass the result on to go on. */
uint32_t ef_crc32(uint32_t crc, const void *bytes, size_t count);

/* CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xFFFF). */
uint16_t ef_crc16(const void *bytes, size_t count);

#define EF_SHA256_BYTES 32u

typedef struct ef_sha256 {
    uint32_t state[8];
    uint64_t count;
    uint8_t block[64];
} ef_sha256;

void ef_sha256_begin(ef_sha256 *hash);
void ef_sha256_update(ef_sha256 *hash, const void *bytes, size_t count);
void ef_sha256_end(ef_sha256 *hash, uint8_t digest[EF_SHA256_BYTES]);

#endif
