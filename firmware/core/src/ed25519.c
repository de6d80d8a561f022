#include "edgeflow/ed25519.h"

#include <string.h>

#include "ed25519_field.h"

/* A point of -x^2 + y^2 = 1 + d x^2 y^2 as (x : y : z : t) with t = x y / z. */
typedef struct point {
    field x, y, z, t;
} point;

static const field two_d = {{0x26B2F159u, 0xEBD69B94u, 0x8283B156u, 0x00E0149Au, 0xEEF3D130u, 0x198E80F2u, 0x56DFFCE7u,
                             0x2406D9DCu}};
static const point base = {
    .x = {{0x8F25D51Au, 0xC9562D60u, 0x9525A7B2u, 0x692CC760u, 0xFDD6DC5Cu, 0xC0A4E231u, 0xCD6E53FEu, 0x216936D3u}},
    .y = {{0x66666658u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u}},
    .z = {{1}},
    .t = {{0xA5B7DDA3u, 0x6DDE8AB3u, 0x775152F5u, 0x20F09F80u, 0x64ABE37Du, 0x66EA4E8Eu, 0xD78B7665u, 0x67875F0Fu}},
};
static const uint32_t order[8] = {0x5CF5D3EDu, 0x5812631Au, 0xA2F79CD6u, 0x14DEF9DEu, 0, 0, 0, 0x10000000u};

/* x = e f, y = g h, t = e h, z = f g */
static void join(point *sum, const field *e, const field *f, const field *g, const field *h) {
    field_multiply(&sum->x, e, f);
    field_multiply(&sum->y, g, h);
    field_multiply(&sum->t, e, h);
    field_multiply(&sum->z, f, g);
}

/* RFC 8032, 5.1.4: holds for every two points. */
static void add(point *sum, const point *p, const point *q) {
    field a, b, c, d;
    field_subtract(&a, &p->y, &p->x);
    field_subtract(&b, &q->y, &q->x);
    field_multiply(&a, &a, &b);
    field_add(&b, &p->y, &p->x);
    field_add(&c, &q->y, &q->x);
    field_multiply(&b, &b, &c);
    field_multiply(&c, &p->t, &q->t);
    field_multiply(&c, &c, &two_d);
    field_multiply(&d, &p->z, &q->z);
    field_add(&d, &d, &d);
    field e, f, g;
    field_subtract(&e, &b, &a);
    field_subtract(&f, &d, &c);
    field_add(&g, &d, &c);
    field_add(&b, &b, &a);
    join(sum, &e, &f, &g, &b);
}

static void twice(point *sum, const point *p) {
    field a, b, c, e, g, h;
    field_multiply(&a, &p->x, &p->x);
    field_multiply(&b, &p->y, &p->y);
    field_multiply(&c, &p->z, &p->z);
    field_add(&c, &c, &c);
    field_add(&h, &a, &b);
    field_add(&e, &p->x, &p->y);
    field_multiply(&e, &e, &e);
    field_subtract(&e, &h, &e);
    field_subtract(&g, &a, &b);
    field_add(&c, &c, &g);
    join(sum, &e, &c, &g, &h);
}

/* The point that 32 bytes name; false where there is none, or these are not the bytes that name it. */
static bool decode(point *p, const uint8_t bytes[32]) {
    static const field one = {{1}};
    bool odd = (bytes[31] & 0x80u) != 0;
    if (!field_get(&p->y, bytes)) {
        return false;
    }
    field square, u, v;
    field_multiply(&square, &p->y, &p->y);
    field_subtract(&u, &square, &one);
    field_multiply(&v, &square, &two_d); /* u / v = (y^2 - 1) / (d y^2 + 1), both doubled */
    field_add(&v, &v, &one);
    field_add(&v, &v, &one);
    field_add(&u, &u, &u);
    if (!field_root_of_ratio(&p->x, &u, &v) || (odd && field_is_zero(&p->x))) {
        return false;
    }
    if (field_is_odd(&p->x) != odd) {
        static const field zero = {{0}};
        field_subtract(&p->x, &zero, &p->x);
    }
    p->z = one;
    field_multiply(&p->t, &p->x, &p->y);
    return true;
}

static void encode(uint8_t bytes[32], const point *p) {
    field inverse, x, y;
    field_invert(&inverse, &p->z);
    field_multiply(&x, &p->x, &inverse);
    field_multiply(&y, &p->y, &inverse);
    field_put(bytes, &y);
    bytes[31] |= (uint8_t)(field_is_odd(&x) ? 0x80u : 0u);
}

/* Eight times a point of small order is the neutral one: x = 0 (and then y = z, for y = -z is of order 2). */
static bool is_small(const point *p) {
    point eight;
    twice(&eight, p);
    twice(&eight, &eight);
    twice(&eight, &eight);
    return field_is_zero(&eight.x);
}

static bool decode_key(point *key, const uint8_t bytes[32]) {
    return decode(key, bytes) && !is_small(key);
}

static void negate(point *p) {
    static const field zero = {{0}};
    field_subtract(&p->x, &zero, &p->x);
    field_subtract(&p->t, &zero, &p->t);
}

static unsigned bit(const uint32_t *word, unsigned i) {
    return (word[i / 32u] >> (i % 32u)) & 1u;
}

/* 512 bits modulo the order. */
static void reduce(uint32_t scalar[8], const uint8_t digest[64]) {
    uint32_t wide[16];
    words_get(wide, digest, 16);
    memset(scalar, 0, 32);
    for (unsigned i = 512; i-- > 0;) {
        uint32_t carry = bit(wide, i);
        for (unsigned j = 0; j < 8; j++) {
            uint32_t high = scalar[j] >> 31;
            scalar[j] = (scalar[j] << 1) | carry;
            carry = high;
        }
        (void)words_reduce(scalar, order);
    }
}

/* sum = [s] base + [k] other, both below 2^253, by their bits at the same time. */
static void multiply_both(point *sum, const uint32_t s[8], const uint32_t k[8], const point *other) {
    static const point neutral = {.y = {{1}}, .z = {{1}}};
    point both;
    const point *const choice[4] = {NULL, &base, other, &both};
    add(&both, &base, other);
    *sum = neutral;
    for (unsigned i = 253; i-- > 0;) {
        twice(sum, sum);
        const point *next = choice[bit(s, i) | (bit(k, i) << 1)];
        if (next != NULL) {
            add(sum, sum, next);
        }
    }
}

static bool get_scalar(uint32_t scalar[8], const uint8_t bytes[32]) {
    words_get(scalar, bytes, 8);
    return !words_reduce(scalar, order);
}

void ef_ed25519_begin(ef_ed25519 *check, const uint8_t signature[64], const uint8_t public_key[32]) {
    memcpy(check->signature, signature, sizeof check->signature);
    memcpy(check->public_key, public_key, sizeof check->public_key);
    ef_sha512_begin(&check->hash);
    ef_sha512_update(&check->hash, signature, 32);
    ef_sha512_update(&check->hash, public_key, 32);
}

void ef_ed25519_update(ef_ed25519 *check, const void *bytes, size_t count) {
    ef_sha512_update(&check->hash, bytes, count);
}

bool ef_ed25519_end(ef_ed25519 *check) {
    uint8_t digest[EF_SHA512_BYTES];
    uint32_t s[8], k[8];
    point key, sum;
    ef_sha512_end(&check->hash, digest);
    if (!get_scalar(s, check->signature + 32) || !decode_key(&key, check->public_key)) {
        return false;
    }
    reduce(k, digest);
    negate(&key);
    multiply_both(&sum, s, k, &key);
    encode(digest, &sum);
    return memcmp(digest, check->signature, 32) == 0;
}

bool ef_ed25519_verify(const uint8_t signature[64], const uint8_t *message, size_t length,
                       const uint8_t public_key[32]) {
    ef_ed25519 check;
    ef_ed25519_begin(&check, signature, public_key);
    ef_ed25519_update(&check, message, length);
    return ef_ed25519_end(&check);
}

bool ef_ed25519_is_key(const uint8_t public_key[32]) {
    point key;
    return decode_key(&key, public_key);
}
