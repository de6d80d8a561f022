/* Messages that wait: random pushes and pops beside a plain list, and sizes that do not fit. */
#include "edgeflow/outbox.h"

#include "check.h"

#define MOST_LISTED 512

typedef struct { uint8_t bytes[300]; uint16_t size; } listed;

static listed model[MOST_LISTED];
static size_t model_count, model_bytes;
static uint32_t model_dropped;

static void model_pop(void) {
    model_bytes -= model[0].size + 2u;
    memmove(model, model + 1, --model_count * sizeof *model);
}

static void model_push(const uint8_t *bytes, uint16_t size, size_t room) {
    while (model_bytes + size + 2u > room) {
        model_pop();
        model_dropped++;
    }
    memcpy(model[model_count].bytes, bytes, size);
    model[model_count++].size = size;
    model_bytes += size + 2u;
}

static void compare(const ef_outbox *outbox) {
    uint8_t found[300];
    const size_t size = ef_outbox_peek(outbox, found, sizeof found);
    CHECK_EQUAL(outbox->messages, model_count);
    CHECK_EQUAL(outbox->dropped, model_dropped);
    CHECK_EQUAL(outbox->used, model_bytes);
    CHECK_EQUAL(size, model_count > 0 ? model[0].size : 0);
    CHECK(size == 0 || memcmp(found, model[0].bytes, size) == 0);
}

static void test_it_is_a_list_that_forgets_its_oldest(void) {
    static const size_t rooms[] = {1, 2, 3, 4, 17, 100, 301, 302, 1000};
    static uint8_t memory[1000], bytes[300];
    uint32_t random = 99;
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) {
        ef_outbox outbox;
        ef_outbox_init(&outbox, memory, rooms[r]);
        model_count = model_bytes = model_dropped = 0;
        for (int i = 0; i < 5000; i++) {
            const uint32_t what = next_random(&random);
            const uint16_t size = (uint16_t)(what >> 8) % (what & 4u ? 12 : 300);
            memset(bytes, (int)(next_random(&random) & 0xFF), size);
            if (what % 3 == 0) {
                ef_outbox_pop(&outbox);
                if (model_count > 0) {
                    model_pop();
                }
            } else if (size > 0 && size + 2u <= rooms[r]) {
                CHECK_EQUAL(ef_outbox_push(&outbox, bytes, size), EF_OK);
                model_push(bytes, size, rooms[r]);
            } else {
                CHECK_EQUAL(ef_outbox_push(&outbox, bytes, size), EF_ERROR_SPACE);
            }
            compare(&outbox);
        }
    }
}

static void test_what_does_not_fit_stays(void) {
    uint8_t memory[64], found[8];
    ef_outbox outbox;
    ef_outbox_init(&outbox, memory, sizeof memory);
    CHECK_EQUAL(ef_outbox_push(&outbox, "123456789", 9), EF_OK);
    CHECK_EQUAL(ef_outbox_peek(&outbox, found, sizeof found), 0);
    CHECK_EQUAL(outbox.messages, 1);
    CHECK_EQUAL(ef_outbox_push(&outbox, memory, UINT16_MAX), EF_ERROR_SPACE);
    CHECK_EQUAL(outbox.messages, 1);
    ef_outbox_pop(&outbox);
    ef_outbox_pop(&outbox);
    CHECK_EQUAL(outbox.messages, 0);
    CHECK_EQUAL(outbox.used, 0);
}

static void test_no_memory_takes_nothing(void) {
    ef_outbox outbox;
    ef_outbox_init(&outbox, NULL, 0);
    CHECK_EQUAL(ef_outbox_push(&outbox, "a", 1), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_outbox_peek(&outbox, NULL, 0), 0);
    ef_outbox_pop(&outbox);
}

int main(void) {
    test_it_is_a_list_that_forgets_its_oldest();
    test_what_does_not_fit_stays();
    test_no_memory_takes_nothing();
    return finish("outbox");
}
