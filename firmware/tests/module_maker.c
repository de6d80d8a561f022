#include "module_maker.h"

#include <string.h>

#include "../core/src/little_endian.h"
#include "edgeflow/checksum.h"
#include "edgeflow/module_container.h"

const uint8_t endless_wasm[MODULE_WASM_BYTES] = {
    0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 11, 1, 7, 'o', 'n', '_', 'i', 'n',
    'i', 't', 0, 0, 10, 9, 1, 7, 0, 3, 0x40, 12, 0, 11, 11,
};

const uint8_t module_key[32] = {
    0x03, 0xA1, 0x07, 0xBF, 0xF3, 0xCE, 0x10, 0xBE, 0x1D, 0x70, 0xDD, 0x18, 0xE7, 0x4B, 0xC0, 0x99,
    0x67, 0xE4, 0xD6, 0x30, 0x9B, 0xA5, 0x0D, 0x5F, 0x1D, 0xDC, 0x86, 0x64, 0x12, 0x55, 0x31, 0xB8,
};

/* Made by another implementation with the private key 00 01 ... 1F. */
const uint8_t module_signature[64] = {
    0x26, 0x14, 0xC7, 0x7C, 0x0C, 0x11, 0x91, 0x67, 0x7B, 0xBF, 0x93, 0x21, 0x49, 0x72, 0x8D, 0xEC,
    0x9C, 0x23, 0x17, 0x4B, 0xF0, 0xD0, 0x24, 0x2D, 0x3C, 0x5A, 0x61, 0x60, 0x99, 0xB2, 0xF3, 0xCD,
    0xF1, 0x9A, 0xF0, 0xB3, 0xB4, 0x37, 0xA0, 0x85, 0x7E, 0x31, 0xDA, 0x46, 0xB7, 0x5D, 0x16, 0x9F,
    0xD9, 0x64, 0x58, 0x7E, 0x81, 0x6F, 0x43, 0x53, 0x02, 0x06, 0x1C, 0xD9, 0x9B, 0xFC, 0x08, 0x09,
};

size_t make_module(const uint8_t *wasm, size_t count, uint8_t *to) {
    const size_t total = EF_RVF_HEADER_BYTES + EF_RVF_MANIFEST_BYTES + count + EF_RVF_SIGNATURE_BYTES;
    ef_sha256 sum;
    memset(to, 0, total);
    uint8_t *at = ef_put16(ef_put16(ef_put32(to, 0x01465652), 1), 5);
    at = ef_put32(ef_put32(ef_put32(at, EF_RVF_MANIFEST_BYTES), (uint32_t)count), EF_RVF_SIGNATURE_BYTES);
    ef_put32(ef_put32(at, 0), (uint32_t)total);
    at = to + EF_RVF_HEADER_BYTES;
    memcpy(at, "wdp-test-endless", 16);
    at = ef_put32(ef_put32(ef_put16(at + 32, 1), 0x7F), 2000);
    ef_put16(ef_put16(ef_put16(at, 4), 32), 1);
    ef_sha256_begin(&sum);
    ef_sha256_update(&sum, wasm, count);
    ef_sha256_end(&sum, to + EF_RVF_HEADER_BYTES + 48);
    memcpy(to + EF_RVF_HEADER_BYTES + 84, "EdgeFlow", 8);
    memcpy(to + EF_RVF_HEADER_BYTES + EF_RVF_MANIFEST_BYTES, wasm, count);
    memcpy(to + total - EF_RVF_SIGNATURE_BYTES, module_signature, EF_RVF_SIGNATURE_BYTES);
    return total;
}
