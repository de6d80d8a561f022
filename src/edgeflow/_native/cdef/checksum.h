uint32_t ef_crc32(uint32_t crc, const void *bytes, size_t count);
uint16_t ef_crc16(const void *bytes, size_t count);
typedef struct ef_sha256 {
    uint32_t state[8];
    uint64_t count;
    uint8_t block[64];
} ef_sha256;
void ef_sha256_begin(ef_sha256 *hash);
void ef_sha256_update(ef_sha256 *hash, const void *bytes, size_t count);
void ef_sha256_end(ef_sha256 *hash, uint8_t *digest);
