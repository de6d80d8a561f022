/* Containers of modules: the order of the checks, signatures, and hostile bytes. */
#include <stdlib.h>

#include "../core/src/little_endian.h"
#include "check.h"
#include "edgeflow/module_container.h"
#include "edgeflow/checksum.h"
#include "module_maker.h"

enum { BYTES = 32 + 96 + MODULE_WASM_BYTES + 64 };

static void test_a_signed_container_opens(void) {
    uint8_t image[BYTES];
    ef_rvf rvf;
    CHECK_EQUAL(make_module(endless_wasm, MODULE_WASM_BYTES, image), BYTES);
    CHECK_EQUAL(ef_rvf_open(image, BYTES, &rvf), EF_RVF_GOOD);
    CHECK(strcmp(rvf.name, "wdp-test-endless") == 0 && rvf.capabilities == 0x7F && rvf.max_frame_us == 2000);
    CHECK(rvf.max_events_per_second == 4 && rvf.memory_limit_kb == 32 && rvf.event_schema == 1);
    CHECK(rvf.wasm_bytes == MODULE_WASM_BYTES && memcmp(rvf.wasm, endless_wasm, MODULE_WASM_BYTES) == 0);
    CHECK(ef_rvf_is_signed_by(&rvf, module_key));
}

static void test_no_bit_that_is_signed_can_change(void) {
    uint8_t image[BYTES];
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    for (size_t bit = 0; bit < 8u * BYTES; bit += 3) {
        ef_rvf rvf;
        image[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
        const bool taken = ef_rvf_open(image, BYTES, &rvf) == EF_RVF_GOOD && ef_rvf_is_signed_by(&rvf, module_key);
        CHECK(!taken);
        image[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
    }
}

/* What the reference calls a signature: SHA-256 over the public key and the rest. */
static void test_the_references_hash_is_no_signature(void) {
    uint8_t image[BYTES];
    for (unsigned flags = 1; flags <= 5; flags += 4) {
        ef_rvf rvf;
        ef_sha256 sum;
        make_module(endless_wasm, MODULE_WASM_BYTES, image);
        ef_put16(image + 6, (uint16_t)flags);
        ef_sha256_begin(&sum);
        ef_sha256_update(&sum, module_key, 32);
        ef_sha256_update(&sum, image, BYTES - 64u);
        memset(image + BYTES - 64u, 0, 64);
        ef_sha256_end(&sum, image + BYTES - 64u);
        CHECK_EQUAL(ef_rvf_open(image, BYTES, &rvf), EF_RVF_GOOD);
        CHECK_EQUAL(ef_rvf_has_signature(&rvf), flags == 5);
        CHECK(!ef_rvf_is_signed_by(&rvf, module_key));
    }
}

static ef_rvf_fault with(size_t at, uint32_t value, unsigned bytes) {
    uint8_t image[BYTES];
    ef_rvf rvf;
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    if (bytes == 4) {
        ef_put32(image + at, value);
    } else {
        ef_put16(image + at, (uint16_t)value);
    }
    return ef_rvf_open(image, BYTES, &rvf);
}

static void test_checks_in_their_order(void) {
    uint8_t image[BYTES];
    ef_rvf rvf;
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    CHECK_EQUAL(ef_rvf_open(image, 135, &rvf), EF_RVF_SHORT);
    CHECK_EQUAL(with(0, 7, 4), EF_RVF_MAGIC);
    CHECK_EQUAL(with(4, 2, 2), EF_RVF_VERSION);
    CHECK_EQUAL(with(8, 97, 4), EF_RVF_MANIFEST);
    CHECK_EQUAL(with(12, 0, 4), EF_RVF_WASM_LENGTH);
    CHECK_EQUAL(with(12, 131073, 4), EF_RVF_WASM_LENGTH);
    CHECK_EQUAL(with(16, 63, 4), EF_RVF_SIGNATURE_LENGTH);
    CHECK_EQUAL(with(20, UINT32_MAX, 4), EF_RVF_TOTAL); /* the sum would wrap to the right total plus 127 */
    CHECK_EQUAL(with(24, BYTES + 1, 4), EF_RVF_TOTAL);
    CHECK_EQUAL(with(32 + 30, 0x4141, 2), EF_RVF_NAME);
    CHECK_EQUAL(with(32 + 32, 2, 2), EF_RVF_API);
    CHECK_EQUAL(with(32 + 48, 0, 2), EF_RVF_HASH);
    CHECK_EQUAL(with(6, 4, 2), EF_RVF_FLAGS);
    CHECK_EQUAL(with(6, 7, 2), EF_RVF_FLAGS);
    CHECK_EQUAL(with(6, 13, 2), EF_RVF_FLAGS);
    CHECK_EQUAL(with(32 + 34, 0x80, 4), EF_RVF_LIMITS);
    memcpy(image + 128, "text", 4);
    ef_sha256 sum;
    ef_sha256_begin(&sum);
    ef_sha256_update(&sum, image + 128, MODULE_WASM_BYTES);
    ef_sha256_end(&sum, image + 32 + 48);
    CHECK_EQUAL(ef_rvf_open(image, BYTES, &rvf), EF_RVF_NO_WASM);
}

static void test_lengths_that_would_wrap_are_refused(void) {
    uint8_t image[BYTES];
    ef_rvf rvf;
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    ef_put32(image + 20, (uint32_t)0 - 1000u);
    ef_put32(image + 24, BYTES - 1000u);
    CHECK_EQUAL(ef_rvf_open(image, BYTES, &rvf), EF_RVF_TOTAL);
}

static void test_hostile_bytes(unsigned rounds) {
    uint8_t whole[BYTES];
    srand(7);
    for (unsigned round = 0; round < rounds; round++) {
        make_module(endless_wasm, MODULE_WASM_BYTES, whole);
        size_t count = (size_t)rand() % (BYTES + 1);
        for (int changes = rand() % 6; changes > 0; changes--) {
            whole[(size_t)rand() % BYTES] = (uint8_t)rand();
        }
        uint8_t *image = malloc(count + 1); /* of its own size, so that reading on is seen */
        memcpy(image, whole, count);
        ef_rvf rvf;
        if (ef_rvf_open(image, count, &rvf) == EF_RVF_GOOD) {
            CHECK(rvf.wasm + rvf.wasm_bytes <= image + count && rvf.name[31] == '\0');
        }
        free(image);
    }
}

int main(int count, char **arguments) {
    test_a_signed_container_opens();
    test_no_bit_that_is_signed_can_change();
    test_the_references_hash_is_no_signature();
    test_checks_in_their_order();
    test_lengths_that_would_wrap_are_refused();
    test_hostile_bytes(rounds_of(count, arguments, 2000, 20000, 2000000));
    return finish("module_container");
}
