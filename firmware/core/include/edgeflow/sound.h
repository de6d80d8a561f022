/* Sound of a room: frames of an I2S microphone to 16 bits, two seconds of it, its volume, and base64 without a second copy. */
#ifndef EDGEFLOW_SOUND_H
#define EDGEFLOW_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EF_SOUND_SILENCE_DBFS (-80.0f)

/* A buffer that the caller owns, of so many samples; it is full once that many came, and begins anew when it was taken. */
typedef struct ef_sound {
    int16_t *samples;
    size_t capacity, count;
    uint64_t squares; /* sum over the samples */
} ef_sound;

/* Take frames of 32 bits, the upper 24 of them a sample; returns how many were taken until the buffer was full. */
size_t ef_sound_take(ef_sound *sound, const int32_t *frames, size_t count);
bool ef_sound_is_full(const ef_sound *sound);
void ef_sound_clear(ef_sound *sound);

/* 20 log10 of the root mean square (at least 1) over 32768, -80 to 0. */
float ef_sound_volume(const ef_sound *sound);

/* Base64 in pieces, so that 64,000 bytes never need 85,000 more. */
typedef struct ef_base64 {
    uint8_t left[3];
    uint8_t held;
} ef_base64;

/* Writes 4 characters for each 3 bytes; `to` has room for 4 * ((size + 2) / 3). Returns how many were written. */
size_t ef_base64_push(ef_base64 *state, const uint8_t *data, size_t size, char *to);
size_t ef_base64_end(ef_base64 *state, char *to); /* at most 4 */

#endif
