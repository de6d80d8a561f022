/* Modules made safe: what is refused, and that no bytes harm. That the copies run is shown by running them in both engines. */
#include <stdlib.h>

#include "check.h"
#include "edgeflow/module_prepare.h"
#include "module_maker.h"

enum { ROOM = 4096, CODE_AT = 36 };

static ef_module_work work;

static ef_status prepare(const uint8_t *wasm, size_t count, ef_module_size *size) {
    uint8_t *from = malloc(count + 1), *to = malloc(ROOM);
    memcpy(from, wasm, count);
    const ef_status status = ef_module_prepare(from, count, to, ROOM, &work, size);
    if (status == EF_OK) {
        CHECK(size->bytes > count && size->bytes <= ROOM);
        ef_module_size again; /* the name of the fuel is taken */
        uint8_t *twice = malloc(ROOM);
        CHECK_EQUAL(ef_module_prepare(to, size->bytes, twice, ROOM, &work, &again), EF_ERROR_UNSUPPORTED);
        free(twice);
    }
    free(from);
    free(to);
    return status;
}

static void test_a_loop_is_counted(void) {
    ef_module_size size;
    uint8_t small[ROOM];
    CHECK_EQUAL(prepare(endless_wasm, MODULE_WASM_BYTES, &size), EF_OK);
    CHECK(size.functions == 1 && size.memory_kb == 64 && size.pending >= 12 && size.pending <= 16);
    CHECK_EQUAL(ef_module_prepare(endless_wasm, MODULE_WASM_BYTES, small, size.bytes - 1u, &work, &size), EF_ERROR_SPACE);
}

/* The endless module with another body, given without its length. */
static ef_status with_body(const char *body, size_t count) {
    uint8_t wasm[300];
    ef_module_size size;
    memcpy(wasm, endless_wasm, CODE_AT);
    const uint8_t head[] = {10, (uint8_t)((count + 3u) | 0x80u), (uint8_t)((count + 3u) >> 7u), 1, (uint8_t)(count | 0x80u),
                            (uint8_t)(count >> 7u)};
    memcpy(wasm + CODE_AT, head, sizeof head);
    memcpy(wasm + CODE_AT + sizeof head, body, count);
    return prepare(wasm, CODE_AT + sizeof head + count, &size);
}

static void test_bodies(void) {
    CHECK_EQUAL(with_body("\0\x0B", 2), EF_OK);
    CHECK_EQUAL(with_body("\0\x41\0\x40\0\x1A\x0B", 7), EF_OK);                /* memory.grow, which will be refused */
    CHECK_EQUAL(with_body("\0\x10\0\x0B", 4), EF_ERROR_UNSUPPORTED);           /* recurses */
    CHECK_EQUAL(with_body("\0\x41\0\x11\0\0\x0B", 7), EF_ERROR_UNSUPPORTED);   /* calls through a pointer */
    CHECK_EQUAL(with_body("\0\xFC\x0A\0\0\x0B", 6), EF_ERROR_UNSUPPORTED);     /* copies memory at once */
    CHECK_EQUAL(with_body("\0\xFD\x0C\x0B", 4), EF_ERROR_UNSUPPORTED);         /* vectors */
    CHECK_EQUAL(with_body("\0\x02\x40\x0B", 4), EF_ERROR_MODEL);               /* does not end */
    CHECK_EQUAL(with_body("\0\x0B\x01", 3), EF_ERROR_MODEL);                   /* goes on after its end */
    CHECK_EQUAL(with_body("\1\xFF\xFF\xFF\xFF\x0F\x7F\x0B", 8), EF_ERROR_UNSUPPORTED); /* 2^32 locals */
    CHECK_EQUAL(with_body("\0\x23\0\x1A\x0B", 5), EF_ERROR_MODEL);           /* a global that the copy alone has: its fuel */
    CHECK_EQUAL(with_body("\0\x41\0\x24\0\x0B", 6), EF_ERROR_MODEL);        /* fills it up */
    CHECK_EQUAL(with_body("\0\x41\0\x24\x80\0\x0B", 7), EF_ERROR_MODEL);    /* the same, written longer */
    char deep[201];
    deep[0] = 0;
    for (int i = 0; i < 100; i++) {
        deep[1 + 2 * i] = 0x02;
        deep[2 + 2 * i] = 0x40;
    }
    CHECK_EQUAL(with_body(deep, 181), EF_ERROR_MODEL);
    CHECK_EQUAL(with_body(deep, 201), EF_ERROR_UNSUPPORTED); /* nested too deeply */
}

static void test_sections(void) {
    uint8_t wasm[MODULE_WASM_BYTES];
    ef_module_size size;
    memcpy(wasm, endless_wasm, sizeof wasm);
    wasm[22] = 5; /* pages */
    CHECK_EQUAL(prepare(wasm, sizeof wasm, &size), EF_ERROR_MEMORY);
    wasm[22] = 1;
    wasm[8] = 12; /* a section that WASM3 does not know */
    CHECK_EQUAL(prepare(wasm, sizeof wasm, &size), EF_ERROR_UNSUPPORTED);
    CHECK_EQUAL(prepare(endless_wasm, 8, &size), EF_ERROR_MODEL);
    CHECK_EQUAL(prepare(endless_wasm, CODE_AT, &size), EF_ERROR_MODEL);
}

static void test_hostile_bytes(unsigned rounds) {
    srand(11);
    for (unsigned round = 0; round < rounds; round++) {
        uint8_t wasm[MODULE_WASM_BYTES];
        ef_module_size size;
        memcpy(wasm, endless_wasm, sizeof wasm);
        for (int changes = rand() % 5; changes > 0; changes--) {
            wasm[8 + (size_t)rand() % (sizeof wasm - 8u)] = (uint8_t)rand();
        }
        const size_t count = rand() % 4 == 0 ? 8 + (size_t)rand() % (sizeof wasm - 8u) : sizeof wasm;
        uint8_t *from = malloc(count), *to = malloc(ROOM);
        memcpy(from, wasm, count);
        if (ef_module_prepare(from, count, to, ROOM, &work, &size) == EF_OK) {
            CHECK(size.bytes <= ROOM);
        }
        free(from);
        free(to);
    }
}

int main(int count, char **arguments) {
    test_a_loop_is_counted();
    test_bodies();
    test_sections();
    test_hostile_bytes(rounds_of(count, arguments, 5000, 50000, 5000000));
    return finish("module_prepare");
}
