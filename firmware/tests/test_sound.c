/* Frames to samples, volume beside the formula in double precision, and base64 beside RFC 4648. */
#include "edgeflow/sound.h"

#include <math.h>

#include "check.h"

#define SAMPLES 4000u

static int16_t buffer[SAMPLES];
static int32_t frames[SAMPLES];

static double formula(const int16_t *samples, size_t count) {
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        squares += (double)samples[i] * samples[i];
    }
    const double rms = sqrt(squares / (double)count);
    return fmin(fmax(20.0 * log10(fmax(rms, 1.0) / 32768.0), -80.0), 0.0);
}

static ef_sound fresh(size_t capacity) {
    return (ef_sound){.samples = buffer, .capacity = capacity};
}

static void test_volume_is_the_formula(void) {
    uint32_t random = 3;
    for (int round = 0; round < 300; round++) {
        ef_sound sound = fresh(1 + next_random(&random) % SAMPLES);
        const int32_t loudest = (int32_t)(1u << next_random(&random) % 31);
        for (size_t i = 0; i < sound.capacity; i++) {
            frames[i] = (int32_t)(next_random(&random) % (2u * (uint32_t)loudest)) - loudest;
        }
        CHECK_EQUAL(ef_sound_take(&sound, frames, sound.capacity), sound.capacity);
        CHECK(ef_sound_is_full(&sound));
        CHECK(fabs((double)ef_sound_volume(&sound) - formula(buffer, sound.count)) < 2e-5);
    }
}

static void test_ends_of_the_scale(void) {
    ef_sound sound = fresh(SAMPLES);
    CHECK(ef_sound_volume(&sound) == EF_SOUND_SILENCE_DBFS);
    for (size_t i = 0; i < SAMPLES; i++) {
        frames[i] = INT32_MIN;
    }
    CHECK_EQUAL(ef_sound_take(&sound, frames, SAMPLES), SAMPLES);
    CHECK(ef_sound_volume(&sound) == 0.0f && buffer[0] == INT16_MIN);
    ef_sound_clear(&sound);
    memset(frames, 0, sizeof frames);
    CHECK_EQUAL(ef_sound_take(&sound, frames, SAMPLES), SAMPLES);
    CHECK(ef_sound_volume(&sound) == EF_SOUND_SILENCE_DBFS);
}

static void test_noise_has_no_offset(void) {
    static const struct { int32_t frame; int16_t sample; } rows[] = {
        {65535, 0}, {-65535, 0}, {65536, 1}, {-65536, -1}, {INT32_MAX, INT16_MAX}, {INT32_MIN, INT16_MIN}, {0x12345600, 0x1234},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ef_sound sound = fresh(1);
        CHECK_EQUAL(ef_sound_take(&sound, &rows[i].frame, 1), 1);
        CHECK_EQUAL(buffer[0], rows[i].sample);
    }
}

static void test_a_full_buffer_takes_no_more(void) {
    ef_sound sound = fresh(10);
    CHECK_EQUAL(ef_sound_take(&sound, frames, 7), 7);
    CHECK(!ef_sound_is_full(&sound));
    CHECK_EQUAL(ef_sound_take(&sound, frames, 7), 3);
    CHECK(ef_sound_is_full(&sound));
    CHECK_EQUAL(ef_sound_take(&sound, frames, 7), 0);
    ef_sound_clear(&sound);
    CHECK(!ef_sound_is_full(&sound) && sound.squares == 0);
}

/* RFC 4648, section 10. */
static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
static const char *const coded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

static void check_coded(const uint8_t *data, size_t size, size_t part, const char *wanted) {
    ef_base64 state = {0};
    char found[16] = {0};
    size_t count = 0;
    for (size_t i = 0; i < size; i += part) {
        count += ef_base64_push(&state, data + i, size - i < part ? size - i : part, found + count);
    }
    count += ef_base64_end(&state, found + count);
    CHECK_EQUAL(count, strlen(wanted));
    CHECK(memcmp(found, wanted, count) == 0);
    CHECK_EQUAL(ef_base64_end(&state, found), 0);
}

static void test_base64_in_any_pieces(void) {
    for (size_t i = 0; i < 7; i++) {
        for (size_t part = 1; part < 8; part++) {
            check_coded((const uint8_t *)plain[i], strlen(plain[i]), part, coded[i]);
        }
    }
    const uint8_t all[] = {0x00, 0x10, 0x83, 0xFB, 0xFF, 0xBF};
    check_coded(all, sizeof all, 4, "ABCD+/+/");
}

int main(void) {
    test_volume_is_the_formula();
    test_ends_of_the_scale();
    test_noise_has_no_offset();
    test_a_full_buffer_takes_no_more();
    test_base64_in_any_pieces();
    return finish("sound");
}
