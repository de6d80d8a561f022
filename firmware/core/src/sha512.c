/* SHA-512 after FIPS 180-4. The message schedule is kept as a ring of 16 words, so that a block needs 128 bytes of stack. */
#include "edgeflow/sha512.h"

#include <string.h>

static const uint64_t round_constant[80] = {
    0x428A2F98D728AE22u, 0x7137449123EF65CDu, 0xB5C0FBCFEC4D3B2Fu, 0xE9B5DBA58189DBBCu,
    0x3956C25BF348B538u, 0x59F111F1B605D019u, 0x923F82A4AF194F9Bu, 0xAB1C5ED5DA6D8118u,
    0xD807AA98A3030242u, 0x12835B0145706FBEu, 0x243185BE4EE4B28Cu, 0x550C7DC3D5FFB4E2u,
    0x72BE5D74F27B896Fu, 0x80DEB1FE3B1696B1u, 0x9BDC06A725C71235u, 0xC19BF174CF692694u,
    0xE49B69C19EF14AD2u, 0xEFBE4786384F25E3u, 0x0FC19DC68B8CD5B5u, 0x240CA1CC77AC9C65u,
    0x2DE92C6F592B0275u, 0x4A7484AA6EA6E483u, 0x5CB0A9DCBD41FBD4u, 0x76F988DA831153B5u,
    0x983E5152EE66DFABu, 0xA831C66D2DB43210u, 0xB00327C898FB213Fu, 0xBF597FC7BEEF0EE4u,
    0xC6E00BF33DA88FC2u, 0xD5A79147930AA725u, 0x06CA6351E003826Fu, 0x142929670A0E6E70u,
    0x27B70A8546D22FFCu, 0x2E1B21385C26C926u, 0x4D2C6DFC5AC42AEDu, 0x53380D139D95B3DFu,
    0x650A73548BAF63DEu, 0x766A0ABB3C77B2A8u, 0x81C2C92E47EDAEE6u, 0x92722C851482353Bu,
    0xA2BFE8A14CF10364u, 0xA81A664BBC423001u, 0xC24B8B70D0F89791u, 0xC76C51A30654BE30u,
    0xD192E819D6EF5218u, 0xD69906245565A910u, 0xF40E35855771202Au, 0x106AA07032BBD1B8u,
    0x19A4C116B8D2D0C8u, 0x1E376C085141AB53u, 0x2748774CDF8EEB99u, 0x34B0BCB5E19B48A8u,
    0x391C0CB3C5C95A63u, 0x4ED8AA4AE3418ACBu, 0x5B9CCA4F7763E373u, 0x682E6FF3D6B2B8A3u,
    0x748F82EE5DEFB2FCu, 0x78A5636F43172F60u, 0x84C87814A1F0AB72u, 0x8CC702081A6439ECu,
    0x90BEFFFA23631E28u, 0xA4506CEBDE82BDE9u, 0xBEF9A3F7B2C67915u, 0xC67178F2E372532Bu,
    0xCA273ECEEA26619Cu, 0xD186B8C721C0C207u, 0xEADA7DD6CDE0EB1Eu, 0xF57D4F7FEE6ED178u,
    0x06F067AA72176FBAu, 0x0A637DC5A2C898A6u, 0x113F9804BEF90DAEu, 0x1B710B35131C471Bu,
    0x28DB77F523047D84u, 0x32CAAB7B40C72493u, 0x3C9EBE0A15C9BEBCu, 0x431D67C49C100D4Cu,
    0x4CC5D4BECB3E42B6u, 0x597F299CFC657E2Au, 0x5FCB6FAB3AD6FAECu, 0x6C44198C4A475817u,
};

static uint64_t rotate(uint64_t value, unsigned by) {
    return (value >> by) | (value << (64u - by));
}

static uint64_t big_endian(const uint8_t *at) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value = (value << 8) | at[i];
    }
    return value;
}

static void put_big_endian(uint8_t *at, uint64_t value) {
    for (unsigned i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (56u - 8u * i));
    }
}

/* The schedule's word i, in the place of word i - 16. */
static uint64_t schedule(uint64_t word[16], unsigned i) {
    uint64_t a = word[(i + 1u) & 15u], b = word[(i + 14u) & 15u];
    uint64_t s0 = rotate(a, 1) ^ rotate(a, 8) ^ (a >> 7);
    uint64_t s1 = rotate(b, 19) ^ rotate(b, 61) ^ (b >> 6);
    return word[i & 15u] += s0 + word[(i + 9u) & 15u] + s1;
}

static void compress(uint64_t state[8], const uint8_t block[128]) {
    uint64_t word[16], v[8];
    memcpy(v, state, sizeof v);
    for (unsigned i = 0; i < 80; i++) {
        uint64_t next = i < 16 ? (word[i] = big_endian(block + 8u * i)) : schedule(word, i);
        uint64_t s1 = rotate(v[4], 14) ^ rotate(v[4], 18) ^ rotate(v[4], 41);
        uint64_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint64_t first = v[7] + s1 + choice + round_constant[i] + next;
        uint64_t s0 = rotate(v[0], 28) ^ rotate(v[0], 34) ^ rotate(v[0], 39);
        uint64_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += first;
        v[0] = first + s0 + majority;
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

void ef_sha512_begin(ef_sha512 *hash) {
    static const uint64_t initial[8] = {0x6A09E667F3BCC908u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu,
                                        0xA54FF53A5F1D36F1u, 0x510E527FADE682D1u, 0x9B05688C2B3E6C1Fu,
                                        0x1F83D9ABFB41BD6Bu, 0x5BE0CD19137E2179u};
    memcpy(hash->state, initial, sizeof initial);
    hash->count = 0;
}

void ef_sha512_update(ef_sha512 *hash, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    while (count > 0) {
        size_t used = (size_t)(hash->count % 128u);
        size_t take = count < 128u - used ? count : 128u - used;
        memcpy(hash->block + used, at, take);
        hash->count += take;
        at += take;
        count -= take;
        if (used + take == 128u) {
            compress(hash->state, hash->block);
        }
    }
}

/* Lengths of 2^61 bytes and more, whose upper 64 bits would be set, are beyond any message here. */
void ef_sha512_end(ef_sha512 *hash, uint8_t digest[EF_SHA512_BYTES]) {
    uint8_t length[16] = {0};
    put_big_endian(length + 8, hash->count * 8u);
    size_t used = (size_t)(hash->count % 128u);
    memset(hash->block + used, 0, 128u - used);
    hash->block[used] = 0x80;
    if (used >= 112u) {
        compress(hash->state, hash->block);
        memset(hash->block, 0, 112u);
    }
    memcpy(hash->block + 112, length, sizeof length);
    compress(hash->state, hash->block);
    for (unsigned i = 0; i < 8; i++) {
        put_big_endian(digest + 8u * i, hash->state[i]);
    }
}
