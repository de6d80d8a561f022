/* Updates: what is taken, what is refused and why, and that nothing is erased before. */
#include <stdlib.h>

#include "edgeflow/ed25519.h"
#include "little_endian.h"
#include "ota_world.h"

/* Of version 2, counter 5, by the key of the secret 00 01 02 ... 1f. */
static const uint8_t public_key[32] = {0x03, 0xa1, 0x07, 0xbf, 0xf3, 0xce, 0x10, 0xbe, 0x1d, 0x70, 0xdd,
                                       0x18, 0xe7, 0x4b, 0xc0, 0x99, 0x67, 0xe4, 0xd6, 0x30, 0x9b, 0xa5,
                                       0x0d, 0x5f, 0x1d, 0xdc, 0x86, 0x64, 0x12, 0x55, 0x31, 0xb8};
static const uint8_t signature[64] = {
    0xab, 0x83, 0xcf, 0xd7, 0xbd, 0x16, 0x99, 0xdd, 0x76, 0xf0, 0xa9, 0xa0, 0x6b, 0x4a, 0xe5, 0xba,
    0xfa, 0x16, 0x7d, 0x88, 0x21, 0xc9, 0xd6, 0xb3, 0x89, 0x77, 0xca, 0x93, 0x25, 0xae, 0x6b, 0xb1,
    0xef, 0x2b, 0xde, 0x39, 0x91, 0x0a, 0x10, 0x03, 0x56, 0xd4, 0x81, 0xcf, 0xf4, 0x45, 0x65, 0x08,
    0xac, 0xbf, 0x6d, 0x82, 0x94, 0x9e, 0x24, 0x69, 0xb4, 0x57, 0x5f, 0xaa, 0xa8, 0xb0, 0xd6, 0x01};

static void signed_body(uint8_t body[OTA_BODY_BYTES]) {
    ota_body(body, '2', 5);
    ef_ota_key_id(public_key, body + 16);
    memcpy(body + EF_OTA_SIGNED_BYTES, signature, sizeof signature);
}

static void open_world(ota_world *world, const uint8_t *key, bool takes_unsigned) {
    ota_blank(world);
    CHECK_EQUAL(ota_start(world), '1');
    world->ota.rules.public_key = key;
    world->ota.rules.takes_unsigned = takes_unsigned;
}

static ef_ota_failure push(ota_world *world, const uint8_t *body, size_t bytes, size_t piece) {
    ef_ota_failure failure = ef_ota_begin(&world->ota, bytes);
    for (size_t at = 0; at < bytes && failure == EF_OTA_FINE; at += piece) {
        failure = ef_ota_write(&world->ota, body + at, bytes - at < piece ? bytes - at : piece);
    }
    return failure == EF_OTA_FINE ? ef_ota_finish(&world->ota) : failure;
}

static void test_a_signed_image_in_any_pieces(void) {
    uint8_t body[OTA_BODY_BYTES];
    signed_body(body);
    for (size_t piece = 1; piece <= sizeof body; piece = piece * 3u + 1u) {
        ota_world world;
        open_world(&world, public_key, false);
        CHECK_EQUAL(push(&world, body, sizeof body, piece), EF_OTA_FINE);
        CHECK_EQUAL(ef_ota_begin(&world.ota, sizeof body), EF_OTA_BUSY);
        CHECK_EQUAL(ota_start(&world), '2');
        CHECK_EQUAL(ef_ota_counter(&world.ota), 5);
        CHECK_EQUAL(ef_host_boot_keep(&world.boot), EF_OK);
        CHECK_EQUAL(ota_start(&world), '2');
        /* Back would be below the counter. */
        CHECK_EQUAL(ef_ota_may_go_back(&world.ota, true), EF_OTA_DOWNGRADE);
    }
}

/* Refused before a byte is erased, and the running image stays. */
static void refused(ota_world *world, const uint8_t *body, size_t bytes, ef_ota_failure why) {
    uint64_t before = world->power.erases + world->power.words;
    CHECK_EQUAL(push(world, body, bytes, 50), why);
    CHECK_EQUAL(world->ota.failure, why);
    CHECK_EQUAL(world->ota.phase, EF_OTA_IDLE);
    CHECK_EQUAL(world->power.erases + world->power.words, before);
    CHECK_EQUAL(ota_start(world), '1');
    world->ota.rules.public_key = public_key;
    world->ota.rules.takes_unsigned = false;
}

static void changed(unsigned at, uint8_t value, ef_ota_failure why) {
    uint8_t body[OTA_BODY_BYTES];
    ota_world world;
    signed_body(body);
    body[at] = value;
    open_world(&world, public_key, false);
    refused(&world, body, sizeof body, why);
}

static void test_a_header_that_was_touched(void) {
    changed(0, 'X', EF_OTA_BAD_HEADER);
    changed(0, EF_OTA_IMAGE_MAGIC, EF_OTA_UNSIGNED);
    changed(4, 193, EF_OTA_BAD_HEADER);
    changed(120, 1, EF_OTA_BAD_HEADER);
    changed(24, '\n', EF_OTA_BAD_HEADER);
    changed(24, 0, EF_OTA_BAD_HEADER);
    changed(26, 'x', EF_OTA_BAD_HEADER);
    changed(16, 0, EF_OTA_UNKNOWN_KEY);
    for (unsigned at = 6; at < EF_OTA_HEADER_BYTES; at += 7) {
        uint8_t body[OTA_BODY_BYTES];
        ota_world world;
        signed_body(body);
        body[at] ^= 0x20;
        open_world(&world, public_key, false);
        CHECK(push(&world, body, sizeof body, 64) != EF_OTA_FINE);
        CHECK_EQUAL(world.boot.erased, 0);
        CHECK_EQUAL(ota_start(&world), '1');
    }
}

static void test_what_is_not_for_this_node(void) {
    uint8_t body[OTA_BODY_BYTES];
    ota_world world;
    signed_body(body);
    open_world(&world, NULL, false);
    refused(&world, body, sizeof body, EF_OTA_NO_PUBLIC_KEY);
    open_world(&world, public_key, false);
    world.ota.rules.board = "climate_node";
    refused(&world, body, sizeof body, EF_OTA_OTHER_BOARD);
    world.ota.rules.chip = 5;
    refused(&world, body, sizeof body, EF_OTA_OTHER_BOARD);
    refused(&world, body, sizeof body - 1u, EF_OTA_BAD_SIZE);
    refused(&world, body, 0, EF_OTA_BAD_SIZE);
    refused(&world, body, EF_OTA_HEADER_BYTES - 1u, EF_OTA_INCOMPLETE);
    refused(&world, body + EF_OTA_HEADER_BYTES, OTA_IMAGE_BYTES, EF_OTA_UNSIGNED);
    CHECK_EQUAL(ef_ota_begin(&world.ota, OTA_SLOT_BYTES + EF_OTA_HEADER_BYTES), EF_OTA_BAD_SIZE);
}

static void test_an_image_that_was_touched(void) {
    uint8_t body[OTA_BODY_BYTES];
    for (unsigned at = EF_OTA_HEADER_BYTES; at < sizeof body; at += 97) {
        ota_world world;
        signed_body(body);
        body[at] ^= 1;
        open_world(&world, public_key, false);
        CHECK_EQUAL(push(&world, body, sizeof body, 100), EF_OTA_BAD_DIGEST);
        CHECK_EQUAL(ota_start(&world), '1');
    }
}

static void test_an_image_that_calls_itself_otherwise(void) {
    uint8_t body[OTA_BODY_BYTES];
    for (size_t piece = 1; piece <= sizeof body; piece = piece * 5u + 1u) {
        ota_world world;
        open_world(&world, NULL, true);
        ota_body(body, '3', 5);
        body[24] = '2'; /* its header, and not the image */
        CHECK_EQUAL(push(&world, body, sizeof body, piece), EF_OTA_OTHER_VERSION);
        CHECK_EQUAL(ef_ota_http(EF_OTA_OTHER_VERSION), 400);
        CHECK(strcmp(ef_ota_word(world.ota.failure), "other_version") == 0);
        CHECK_EQUAL(ota_start(&world), '1');
        body[24] = '3';
        CHECK_EQUAL(push(&world, body, sizeof body, piece), EF_OTA_FINE);
        CHECK_EQUAL(ota_start(&world), '3');
    }
}

static void test_a_counter_below(void) {
    ota_world world;
    open_world(&world, NULL, true);
    CHECK_EQUAL(ota_push(&world, '2', 7, 64), EF_OTA_FINE);
    CHECK_EQUAL(ota_start(&world), '2');
    CHECK_EQUAL(ota_push(&world, '3', 8, 64), EF_OTA_NOT_CONFIRMED);
    CHECK_EQUAL(ef_host_boot_keep(&world.boot), EF_OK);
    CHECK_EQUAL(ota_push(&world, '3', 6, 64), EF_OTA_DOWNGRADE);
    CHECK_EQUAL(ota_push(&world, '3', 7, 64), EF_OTA_FINE);
    CHECK_EQUAL(ota_start(&world), '3');
    CHECK_EQUAL(ef_host_boot_keep(&world.boot), EF_OK);
    CHECK_EQUAL(ef_ota_may_go_back(&world.ota, ef_host_boot_can_go_back(&world.boot)), EF_OTA_FINE);
    CHECK_EQUAL(ef_host_boot_give_up(&world.boot), EF_OK);
    CHECK_EQUAL(ota_start(&world), '2');
    CHECK_EQUAL(ef_ota_may_go_back(&world.ota, ef_host_boot_can_go_back(&world.boot)), EF_OTA_NOTHING_BEFORE);
}

static void test_an_image_without_a_header(void) {
    uint8_t image[OTA_IMAGE_BYTES];
    ota_world world;
    ota_image(image, '2');
    open_world(&world, NULL, true);
    CHECK_EQUAL(push(&world, image, sizeof image, 1), EF_OTA_FINE);
    CHECK_EQUAL(ota_start(&world), '2');
    CHECK_EQUAL(ef_ota_counter(&world.ota), 0);
    open_world(&world, NULL, true);
    image[200] ^= 1;
    CHECK_EQUAL(push(&world, image, sizeof image, 64), EF_OTA_BAD_IMAGE);
    CHECK_EQUAL(ota_start(&world), '1');
}

typedef struct line {
    const uint8_t *bytes;
    size_t left, piece;
    int end;          /* what receive says when nothing is left */
    uint32_t now, step;
} line;

static int line_receive(void *context, uint8_t *to, size_t most) {
    line *from = context;
    size_t count = from->piece < most ? from->piece : most;
    count = count < from->left ? count : from->left;
    memcpy(to, from->bytes, count);
    from->bytes += count;
    from->left -= count;
    return count > 0 ? (int)count : from->end;
}

static uint32_t line_now(void *context) {
    line *from = context;
    return from->now += from->step;
}

static ef_ota_failure receive(ota_world *world, line *from, size_t bytes) {
    uint8_t chunk[EF_OTA_CHUNK_BYTES];
    const ef_ota_source source = {.context = from, .receive = line_receive, .now_ms = line_now};
    return ef_ota_receive(&world->ota, bytes, &source, chunk);
}

static void test_a_line_that_ends(void) {
    uint8_t body[OTA_BODY_BYTES];
    ota_world world;
    signed_body(body);
    for (size_t most = 0; most < sizeof body; most += 61) {
        open_world(&world, public_key, false);
        line closed = {.bytes = body, .left = most, .piece = 300};
        CHECK_EQUAL(receive(&world, &closed, sizeof body), EF_OTA_INCOMPLETE);
        line silent = {.bytes = body, .left = most, .piece = 300, .end = -1};
        CHECK_EQUAL(receive(&world, &silent, sizeof body), EF_OTA_TIMED_OUT);
        CHECK_EQUAL(ota_start(&world), '1');
    }
    open_world(&world, public_key, false);
    line slow = {.bytes = body, .left = sizeof body, .piece = 1, .now = UINT32_MAX - 5u, .step = EF_OTA_MOST_MS / 1000u};
    CHECK_EQUAL(receive(&world, &slow, sizeof body), EF_OTA_TIMED_OUT);
    line good = {.bytes = body, .left = sizeof body, .piece = 2000, .now = UINT32_MAX - 5u, .step = 1};
    CHECK_EQUAL(receive(&world, &good, sizeof body), EF_OTA_FINE);
    CHECK_EQUAL(ota_start(&world), '2');
}

static void test_the_status(void) {
    ota_world world;
    char text[EF_OTA_STATUS_BYTES];
    ef_ota_place place = {.date = "Jan  1 2026", .time = "00:00:00", .running = "ota_0", .next = "ota_1",
                          .previous_version = "\"\\\n<b>", .sequence = 4294967295u, .has_psk = true};
    open_world(&world, public_key, false);
    size_t length = ef_ota_status(&world.ota, &place, text, sizeof text);
    CHECK(strcmp(text, "{\"version\":\"1\",\"date\":\"Jan  1 2026\",\"time\":\"00:00:00\",\"running_partition\":\"ota_0\","
                       "\"next_partition\":\"ota_1\",\"max_size\":1792,\"accepts\":true,\"signed_only\":true,"
                       "\"key_id\":\"56475aa75463474c\",\"board\":\"csi_node\",\"chip\":9,\"state\":\"valid\","
                       "\"pending\":false,\"counter\":0,\"sequence\":4294967295,\"previous_version\":\"___<b>\","
                       "\"previous_state\":\"undefined\",\"rollback\":false,\"last_failure\":\"\"}") == 0);
    CHECK_EQUAL(length, strlen(text));
    for (size_t most = 0; most <= length; most++) {
        char *exact = malloc(most + 1u);
        CHECK_EQUAL(ef_ota_status(&world.ota, &place, exact, most), 0);
        free(exact);
    }
    CHECK_EQUAL(ef_ota_begin(&world.ota, 0), EF_OTA_BAD_SIZE);
    CHECK(ef_ota_status(&world.ota, &place, text, sizeof text) > 0 && strstr(text, "\"last_failure\":\"bad_size\"}") != NULL);
    world.ota.rules.takes_unsigned = true;
    CHECK_EQUAL(ota_push(&world, '2', 0, 64), EF_OTA_UNKNOWN_KEY);
    world.ota.rules.public_key = NULL;
    CHECK_EQUAL(ota_push(&world, '2', 0, 64), EF_OTA_FINE);
    CHECK_EQUAL(ota_start(&world), '2');
    CHECK(ef_ota_status(&world.ota, &place, text, sizeof text) > 0 && strstr(text, "\"pending\":true") != NULL &&
          strstr(text, "\"accepts\":false") != NULL);
    CHECK_EQUAL(ota_start(&world), '1');
    CHECK(ef_ota_status(&world.ota, &place, text, sizeof text) > 0 &&
          strstr(text, "\"last_failure\":\"aborted\"}") != NULL);
}

static void test_words_and_answers(void) {
    for (int failure = EF_OTA_NOT_ALLOWED; failure < EF_OTA_FAILURES; failure++) {
        CHECK(strlen(ef_ota_word((ef_ota_failure)failure)) > 3);
        CHECK(ef_ota_http((ef_ota_failure)failure) >= 400);
    }
    CHECK(ef_ota_word(EF_OTA_FAILURES)[0] == '\0' && ef_ota_http(EF_OTA_FINE) == 200);
}

static void test_records_are_those_of_esp_idf(void) {
    uint8_t bytes[EF_OTA_ENTRY_BYTES];
    ef_ota_entry entry = {.sequence = 1, .state = EF_OTA_UNDEFINED};
    ef_ota_entry_put(bytes, &entry);
    CHECK_EQUAL(ef_get32(bytes + 28), 0x4743989A); /* as otatool.py writes it */
    CHECK(ef_ota_entry_get(bytes, &entry) && entry.sequence == 1 && entry.state == EF_OTA_UNDEFINED);
    for (unsigned bit = 0; bit < 32; bit++) {
        bytes[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
        CHECK(!ef_ota_entry_get(bytes, &entry));
        bytes[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
    }
}

/* Bodies of noise behind a header that starts right, and images of noise for the boot loader. */
static void test_noise(unsigned rounds) {
    uint32_t random = 99;
    uint8_t body[OTA_BODY_BYTES];
    for (unsigned round = 0; round < rounds; round++) {
        ota_world world;
        open_world(&world, round % 2u ? public_key : NULL, round % 2u == 0);
        ota_body(body, '2', 5);
        for (unsigned flips = 0; flips < 1u + round % 5u; flips++) {
            uint32_t at = next_random(&random) % (round % 3u ? EF_OTA_HEADER_BYTES + 40u : OTA_BODY_BYTES);
            body[at] = (uint8_t)next_random(&random);
        }
        size_t bytes = round % 7u ? sizeof body : next_random(&random) % sizeof body;
        ef_ota_failure failure = push(&world, body, bytes, 1u + next_random(&random) % 500u);
        char version = ota_start(&world);
        CHECK(version == (failure == EF_OTA_FINE ? (char)body[EF_OTA_HEADER_BYTES + 32] : '1'));
        uint8_t *exact = malloc(OTA_IMAGE_BYTES);
        memcpy(exact, body + EF_OTA_HEADER_BYTES, OTA_IMAGE_BYTES);
        exact[0] = EF_OTA_IMAGE_MAGIC;
        exact[1] = (uint8_t)(next_random(&random) % 20u);
        ef_put32(exact + 28, round % 2u ? next_random(&random) : next_random(&random) % OTA_IMAGE_BYTES);
        CHECK(ef_host_image_length(exact, OTA_IMAGE_BYTES) <= OTA_IMAGE_BYTES);
        free(exact);
    }
}

int main(int count, char **arguments) {
    test_a_signed_image_in_any_pieces();
    test_a_header_that_was_touched();
    test_what_is_not_for_this_node();
    test_an_image_that_was_touched();
    test_an_image_that_calls_itself_otherwise();
    test_a_counter_below();
    test_an_image_without_a_header();
    test_a_line_that_ends();
    test_the_status();
    test_words_and_answers();
    test_records_are_those_of_esp_idf();
    test_noise(is_exhaustive(count, arguments) ? 100000 : 1000);
    return finish("test_ota");
}
