typedef struct ef_sha512 {
    ...;
} ef_sha512;
void ef_sha512_begin(ef_sha512 *hash);
void ef_sha512_update(ef_sha512 *hash, const void *bytes, size_t count);
void ef_sha512_end(ef_sha512 *hash, uint8_t *digest);
typedef struct ef_ed25519 {
    ...;
} ef_ed25519;
bool ef_ed25519_verify(const uint8_t *signature, const uint8_t *message, size_t length, const uint8_t *public_key);
void ef_ed25519_begin(ef_ed25519 *check, const uint8_t *signature, const uint8_t *public_key);
void ef_ed25519_update(ef_ed25519 *check, const void *bytes, size_t count);
bool ef_ed25519_end(ef_ed25519 *check);
bool ef_ed25519_is_key(const uint8_t *public_key);
