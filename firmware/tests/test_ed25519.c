/* Signatures: the vectors of RFC 8032, and what must never be taken for one. */
#include <stdlib.h>

#include "check.h"
#include "edgeflow/ed25519.h"

typedef struct vector {
    const char *key, *message, *signature;
} vector;

static const vector vectors[] = {
    {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
     "655141438e7a100b"},
    {"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
     "b00d291612bb0c00"},
    {"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
     "c027beceea1ec40a"},
    {"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
     "2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17a"
     "d9bef1177331a704"},
};

static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/* All points of small order, and encodings beyond the canonical one of these. */
static const char *const no_keys[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* y = 3 + p */
    "0200000000000000000000000000000000000000000000000000000000000000", /* on no point */
};

static size_t unhex(uint8_t *to, const char *text) {
    size_t count = strlen(text) / 2u;
    for (size_t i = 0; i < count; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        to[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return count;
}

static void check_vector(const vector *given, unsigned stride) {
    uint8_t key[32], message[64], signature[64];
    unhex(key, given->key);
    size_t length = unhex(message, given->message);
    unhex(signature, given->signature);
    CHECK(ef_ed25519_verify(signature, message, length, key));
    CHECK(ef_ed25519_is_key(key));
    for (unsigned bit = 0; bit < 512; bit += stride) {
        signature[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
        CHECK(!ef_ed25519_verify(signature, message, length, key));
        signature[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
    }
    for (unsigned bit = 0; bit < 256; bit += stride) {
        key[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
        CHECK(!ef_ed25519_verify(signature, message, length, key));
        key[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
    }
    for (size_t i = 0; i < length; i++) {
        message[i] ^= 1u;
        CHECK(!ef_ed25519_verify(signature, message, length, key));
        message[i] ^= 1u;
    }
    CHECK(ef_ed25519_verify(signature, message, length, key));
}

static void check_pieces(const vector *given, size_t piece) {
    uint8_t key[32], message[64], signature[64];
    unhex(key, given->key);
    size_t length = unhex(message, given->message);
    unhex(signature, given->signature);
    ef_ed25519 check;
    ef_ed25519_begin(&check, signature, key);
    for (size_t at = 0; at < length; at += piece) {
        ef_ed25519_update(&check, message + at, length - at < piece ? length - at : piece);
    }
    CHECK(ef_ed25519_end(&check));
}

/* S + L and S + 2 L ... fulfil the same equation. */
static void check_malleable(const vector *given) {
    uint8_t key[32], message[64], signature[64], step[32];
    unhex(key, given->key);
    size_t length = unhex(message, given->message);
    unhex(signature, given->signature);
    unhex(step, order);
    for (unsigned times = 0; times < 14; times++) {
        unsigned carry = 0;
        for (unsigned i = 0; i < 32; i++) {
            carry += (unsigned)signature[32 + i] + step[i];
            signature[32 + i] = (uint8_t)carry;
            carry >>= 8;
        }
        CHECK(!ef_ed25519_verify(signature, message, length, key));
    }
}

/* With a key of small order, R = [S]B holds for every eighth message at least. */
static void check_small(const char *text) {
    uint8_t key[32], signature[64] = {0}, message = 0;
    unhex(key, text);
    CHECK(!ef_ed25519_is_key(key));
    unhex(signature, "5866666666666666666666666666666666666666666666666666666666666666");
    signature[32] = 1;
    do {
        CHECK(!ef_ed25519_verify(signature, &message, 1, key));
    } while (++message != 64);
}

static void check_noise(unsigned rounds) {
    uint32_t random = 77;
    uint8_t bytes[128];
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)(next_random(&random) >> 7);
        }
        CHECK(!ef_ed25519_verify(bytes, bytes + 96, 32, bytes + 64));
        memset(bytes + 32, 0xFF, 32);
        CHECK(!ef_ed25519_verify(bytes, bytes + 96, 32, bytes + 64));
    }
}

int main(int count, char **arguments) {
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        check_vector(&vectors[i], is_brief(count, arguments) ? 29 : 3);
        check_malleable(&vectors[i]);
        for (size_t piece = 1; piece < 70; piece += 13) {
            check_pieces(&vectors[i], piece);
        }
    }
    for (size_t i = 0; i < sizeof no_keys / sizeof no_keys[0]; i++) {
        check_small(no_keys[i]);
    }
    check_noise(rounds_of(count, arguments, 20, 200, 20000));
    return finish("test_ed25519");
}
