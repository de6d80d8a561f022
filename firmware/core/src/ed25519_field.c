#include "ed25519_field.h"

#include "little_endian.h"

static const uint32_t prime[8] = {0xFFFFFFEDu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu,
                                  0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0x7FFFFFFFu};

void words_get(uint32_t *word, const uint8_t *bytes, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        word[i] = ef_get32(bytes + 4u * i);
    }
}

bool words_reduce(uint32_t word[8], const uint32_t other[8]) {
    uint32_t rest[8], borrow = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t step = (uint64_t)word[i] - other[i] - borrow;
        rest[i] = (uint32_t)step;
        borrow = (uint32_t)(step >> 63);
    }
    for (unsigned i = 0; i < 8 && borrow == 0; i++) {
        word[i] = rest[i];
    }
    return borrow == 0;
}

static uint32_t add_small(uint32_t word[8], uint64_t value) {
    for (unsigned i = 0; i < 8; i++) {
        value += word[i];
        word[i] = (uint32_t)value;
        value >>= 32;
    }
    return (uint32_t)value;
}

/* 2^256 is 38 modulo p. After the second carry so little is left that there is no third. */
static void fold(uint32_t word[8], uint64_t carry) {
    carry = add_small(word, carry * 38u);
    (void)add_small(word, carry * 38u);
}

void field_add(field *sum, const field *a, const field *b) {
    uint64_t carry = 0;
    for (unsigned i = 0; i < 8; i++) {
        carry += (uint64_t)a->word[i] + b->word[i];
        sum->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    fold(sum->word, carry);
}

static uint32_t take_small(uint32_t word[8], uint32_t value) {
    for (unsigned i = 0; i < 8; i++) {
        uint64_t step = (uint64_t)word[i] - value;
        word[i] = (uint32_t)step;
        value = (uint32_t)(step >> 63);
    }
    return value;
}

void field_subtract(field *difference, const field *a, const field *b) {
    uint32_t borrow = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t step = (uint64_t)a->word[i] - b->word[i] - borrow;
        difference->word[i] = (uint32_t)step;
        borrow = (uint32_t)(step >> 63);
    }
    borrow = take_small(difference->word, 38u * borrow);
    (void)take_small(difference->word, 38u * borrow);
}

void field_multiply(field *product, const field *a, const field *b) {
    uint32_t wide[16] = {0};
    for (unsigned i = 0; i < 8; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; j < 8; j++) {
            carry += (uint64_t)a->word[i] * b->word[j] + wide[i + j];
            wide[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        wide[i + 8] = (uint32_t)carry;
    }
    uint64_t carry = 0;
    for (unsigned i = 0; i < 8; i++) {
        carry += (uint64_t)wide[i + 8] * 38u + wide[i];
        product->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    fold(product->word, carry);
}

/* power = a^(2^squarings) * b */
static void raise(field *power, const field *a, unsigned squarings, const field *b) {
    field value = *a;
    for (unsigned i = 0; i < squarings; i++) {
        field_multiply(&value, &value, &value);
    }
    field_multiply(power, &value, b);
}

/* power = a^(2^252 - 3), which is a^((p - 5) / 8): from a^(2^n - 1) for n = 1, 2, 4, 5, 10, ... 250. */
static void raise_to_root(field *power, const field *a) {
    field x, y;
    raise(&x, a, 1, a);
    raise(&x, &x, 2, &x);
    raise(&x, &x, 1, a);
    raise(&x, &x, 5, &x);
    raise(&y, &x, 10, &x);
    raise(&y, &y, 20, &y);
    raise(&y, &y, 10, &x);
    raise(&x, &y, 50, &y);
    raise(&x, &x, 100, &x);
    raise(&x, &x, 50, &y);
    raise(power, &x, 2, a);
}

/* p - 2 = 8 (2^252 - 3) + 3 */
void field_invert(field *inverse, const field *a) {
    field power, cube;
    raise_to_root(&power, a);
    raise(&cube, a, 1, a);
    raise(inverse, &power, 3, &cube);
}

bool field_is_zero(const field *a) {
    uint8_t bytes[32], any = 0;
    field_put(bytes, a);
    for (unsigned i = 0; i < 32; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

bool field_is_odd(const field *a) {
    uint8_t bytes[32];
    field_put(bytes, a);
    return (bytes[0] & 1u) != 0;
}

void field_put(uint8_t bytes[32], const field *a) {
    field value = *a;
    while (words_reduce(value.word, prime)) { /* at most twice: 2^256 is 2 p + 38 */
    }
    for (unsigned i = 0; i < 8; i++) {
        ef_put32(bytes + 4u * i, value.word[i]);
    }
}

bool field_get(field *a, const uint8_t bytes[32]) {
    words_get(a->word, bytes, 8);
    a->word[7] &= 0x7FFFFFFFu;
    return !words_reduce(a->word, prime);
}

static bool is_same(const field *a, const field *b) {
    field difference;
    field_subtract(&difference, a, b);
    return field_is_zero(&difference);
}

/* u v^3 (u v^7)^((p - 5) / 8), and that times the root of -1 where its square is the ratio's negative. */
bool field_root_of_ratio(field *root, const field *u, const field *v) {
    static const field root_of_minus_one = {{0x4A0EA0B0u, 0xC4EE1B27u, 0xAD2FE478u, 0x2F431806u, 0x3DFBD7A7u,
                                             0x2B4D0099u, 0x4FC1DF0Bu, 0x2B832480u}};
    field v3, square, minus = {{0}};
    raise(&v3, v, 1, v);
    raise(&square, &v3, 1, v);
    field_multiply(&square, &square, u);
    raise_to_root(&square, &square);
    field_multiply(&square, &square, &v3);
    field_multiply(root, &square, u);
    field_multiply(&square, root, root);
    field_multiply(&square, &square, v);
    if (is_same(&square, u)) {
        return true;
    }
    field_subtract(&minus, &minus, u);
    field_multiply(root, root, &root_of_minus_one);
    return is_same(&square, &minus);
}
