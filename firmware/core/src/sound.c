#include "edgeflow/sound.h"

#include <math.h>

#define FULL_SCALE 32768.0f

size_t ef_sound_take(ef_sound *sound, const int32_t *frames, size_t count) {
    const size_t room = sound->capacity - sound->count, taken = count < room ? count : room;
    for (size_t i = 0; i < taken; i++) {
        const int32_t sample = frames[i] / 65536; /* towards zero, so that noise has no offset */
        sound->samples[sound->count++] = (int16_t)sample;
        sound->squares += (uint64_t)((int64_t)sample * sample);
    }
    return taken;
}

bool ef_sound_is_full(const ef_sound *sound) {
    return sound->count == sound->capacity;
}

void ef_sound_clear(ef_sound *sound) {
    sound->count = 0;
    sound->squares = 0;
}

float ef_sound_volume(const ef_sound *sound) {
    if (sound->count == 0) {
        return EF_SOUND_SILENCE_DBFS;
    }
    const float mean = (float)((double)sound->squares / (double)sound->count);
    const float power = mean < 1.0f ? 1.0f : mean;
    const float volume = 10.0f * log10f(power / (FULL_SCALE * FULL_SCALE));
    return volume < EF_SOUND_SILENCE_DBFS ? EF_SOUND_SILENCE_DBFS : volume > 0.0f ? 0.0f : volume;
}

static void write_four(const uint8_t from[3], char *to) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    to[0] = digits[from[0] >> 2];
    to[1] = digits[(from[0] & 3u) << 4 | from[1] >> 4];
    to[2] = digits[(from[1] & 15u) << 2 | from[2] >> 6];
    to[3] = digits[from[2] & 63u];
}

size_t ef_base64_push(ef_base64 *state, const uint8_t *data, size_t size, char *to) {
    size_t written = 0;
    for (size_t i = 0; i < size; i++) {
        state->left[state->held++] = data[i];
        if (state->held == 3) {
            write_four(state->left, to + written);
            written += 4;
            state->held = 0;
        }
    }
    return written;
}

size_t ef_base64_end(ef_base64 *state, char *to) {
    const uint8_t held = state->held;
    if (held == 0) {
        return 0;
    }
    for (uint8_t i = held; i < 3; i++) {
        state->left[i] = 0;
    }
    write_four(state->left, to);
    to[3] = '=';
    to[2] = held == 1 ? '=' : to[2];
    state->held = 0;
    return 4;
}
