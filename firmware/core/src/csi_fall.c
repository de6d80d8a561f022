/*
 * Falls. The pattern of normalised amplitudes turns while somebody moves, the faster the faster they are. Who falls is at the
 * end of it two or three times as fast as who walks or sits down, stops within a tenth of a second, and stays down. So the
 * turning before the end of a movement is held against the stillness after it, over eight seconds:
 *
 *      a = sqrt(w0 w1) / 0.25 s * (REST / r0)^0.3 * (REST / r1)^0.2 * (REST / r2)^0.75      rad/s^2
 *
 * w0, w1: turning in the last quarter of a second before the end, and the one before that, rad/s; r0, r1, r2: turning from 0.4
 * to 0.8, 0.8 to 2 and 4 to 8 s after it. The exponents are those of a logistic regression on simulated rooms.
 */
#include <string.h>

#include "csi_internal.h"

#define SLOT_US 50000u
#define SLOT_S 0.05f
#define LEAST_PAIR 0.014f  /* seconds between two frames that are compared: nearer ones show noise */
#define CLEAN 0.5f         /* frames that are rougher than this share of the usual are left out */
#define LONGEST_PAIR 0.045f
#define LOWEST_MEAN 0.027f /* above, frames are too far apart to follow a fall */
#define LONGEST_GAP 10u    /* slots without a frame; behind it everything starts anew */
#define SLOW_SLOTS EF_CSI_FALL_PAST /* that patterns are compared over when somebody rests */
#define CODE 16384.0f
#define MOST 3.9f
#define DOWN 0.05f         /* the noise follows what is quieter fast, what is louder slowly */
#define UP 0.01f
#define NOISE 1.1f         /* times the noise: what is not taken for movement */
#define FLOOR 0.1f         /* of the noise: less movement cannot be told */
#define AHEAD 10u          /* slots before the end of a movement that are looked at */
#define AFTER 160u         /* and behind it */
#define RIVALS 8u          /* slots within which only the sharpest end counts */
#define ENDS 1.8f          /* movement before over movement after */
#define STOP_S 0.25f
#define REST 0.12f         /* rad/s: somebody who breathes */
#define COOLDOWN_US 30000000u
#define HOLD_US 3000000u /* long enough for a packet a second, two of which are lost */

/* The logarithm to the base 2, to 0.01. */
static float logarithm(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const float exponent = (float)(bits >> 23) - 127.0f;
    const float part = (float)(bits & 0x7fffffu) * (1.0f / 8388608.0f);
    return exponent + part * (1.3465f - 0.3465f * part);
}

bool ef_csi_fall_told(const ef_csi *csi, uint64_t now) {
    return csi->fall.told_us > 0 && now - csi->fall.told_us < HOLD_US;
}

void ef_csi_fall_reset(ef_csi *csi) {
    const uint64_t told = csi->fall.told_us, fell = csi->fall.fell_us;
    csi->fall = (ef_csi_fall){.told_us = told, .fell_us = fell};
}

static float middle(float a, float b, float c) {
    const float low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

static uint16_t coded(float energy) {
    return (uint16_t)(ef_csi_sqrt(energy < MOST ? energy : MOST) * CODE);
}

/* Mean energy of slots, counted back from the newest: the last `oldest` without the last `newest`. */
static float energy_of(const ef_csi_fall *fall, const uint16_t *ring, size_t oldest, size_t newest) {
    float sum = 0.0f;
    for (size_t back = oldest; back > newest; back--) {
        const float root = ring[(fall->head + EF_CSI_FALL_SLOTS - back) % EF_CSI_FALL_SLOTS];
        sum += root * root;
    }
    return sum / ((float)(oldest - newest) * CODE * CODE);
}

/* How sharply a movement ends so many slots ago; 0 where none does. */
static float sharpness(const ef_csi_fall *fall, size_t back) {
    const float noise = fall->noise;
    const float resting = NOISE * noise * fall->share;
    const float before = energy_of(fall, fall->slow, back + AHEAD, back) - resting;
    const float behind = energy_of(fall, fall->slow, back - 3u, back - 23u) - resting;
    if (before < noise) {
        return 0.0f;
    }
    const float ratio = (before + noise) / ((behind > 0.0f ? behind : 0.0f) + noise);
    return ratio > ENDS ? ratio : 0.0f;
}

static bool is_sharpest(const ef_csi_fall *fall, size_t back) {
    const float own = sharpness(fall, back);
    for (size_t away = 1; own > 0.0f && away <= RIVALS; away++) {
        if (sharpness(fall, back + away) >= own || sharpness(fall, back - away) > own) {
            return false;
        }
    }
    return own > 0.0f;
}

/* Turning in rad/s, as a logarithm, from a mean energy over pairs of patterns so many seconds apart. */
static float turning(const ef_csi_fall *fall, float energy, float seconds, float noise) {
    const float least = FLOOR * fall->noise, moved = energy - noise;
    return 0.5f * logarithm(moved > least ? moved : least) - logarithm(seconds);
}

/* Over that of somebody who breathes; an empty room is no stiller than that. */
static float resting(const ef_csi_fall *fall, size_t first, size_t last) {
    const float energy = energy_of(fall, fall->slow, AFTER - first, AFTER - last);
    const float own = turning(fall, energy, SLOW_SLOTS * SLOT_S, NOISE * fall->noise * fall->share) - logarithm(REST);
    return own > 0.0f ? own : 0.0f;
}

static float striking(const ef_csi_fall *fall, size_t oldest, size_t newest) {
    const float energy = energy_of(fall, fall->fast, AFTER + oldest, AFTER + newest);
    return turning(fall, energy, fall->pair_s, NOISE * fall->noise);
}

static void judge(ef_csi *csi) {
    ef_csi_fall *fall = &csi->fall;
    if (fall->filled < EF_CSI_FALL_SLOTS || fall->pair_s > LOWEST_MEAN || !is_sharpest(fall, AFTER)) {
        return;
    }
    float strength = 0.5f * (striking(fall, 5, 0) + striking(fall, 10, 5)) - logarithm(STOP_S);
    strength -= 0.3f * resting(fall, 8, 16) + 0.2f * resting(fall, 16, 40) + 0.75f * resting(fall, 80, 160);
    if (strength > logarithm(csi->options.fall_threshold) && (fall->told_us == 0 || csi->time_us - fall->told_us > COOLDOWN_US)) {
        fall->told_us = csi->time_us;
        fall->fell_us = csi->time_us - AFTER * SLOT_US;
    }
}

static void follow_noise(ef_csi_fall *fall, float energy) {
    const float most = 3.0f * fall->noise, own = fall->filled < 2u * RIVALS || energy < most ? energy : most;
    fall->noise += (own - fall->noise) * (fall->filled == 0 ? 1.0f : own < fall->noise ? DOWN : UP);
}

static void put(ef_csi *csi, float fast, float slow) {
    ef_csi_fall *fall = &csi->fall;
    fall->fast[fall->head] = coded(middle(fast, fall->last_fast[0], fall->last_fast[1]));
    fall->slow[fall->head] = coded(middle(slow, fall->last_slow[0], fall->last_slow[1]));
    fall->last_fast[1] = fall->last_fast[0];
    fall->last_fast[0] = fast;
    fall->last_slow[1] = fall->last_slow[0];
    fall->last_slow[0] = slow;
    follow_noise(fall, fast);
    fall->head = (uint8_t)((fall->head + 1u) % EF_CSI_FALL_SLOTS);
    fall->filled = (uint8_t)(fall->filled < EF_CSI_FALL_SLOTS ? fall->filled + 1u : fall->filled);
    judge(csi);
}

/* The pattern of a slot is held against that of some slots before. */
static void close_slot(ef_csi *csi, uint64_t slots) {
    ef_csi_fall *fall = &csi->fall;
    float *past = fall->past[fall->turn], slow = 0.0f;
    const float each = 1.0f / fall->in_slot;
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        const float mean = fall->sums[g] * each, step = mean - past[g];
        slow += step * step;
        past[g] = mean;
    }
    fall->turn = (uint8_t)((fall->turn + 1u) % EF_CSI_FALL_PAST);
    fall->share += 0.05f * (each - fall->share);
    const float fast = fall->pairs > 0 ? fall->squares / (fall->pairs * EF_CSI_GROUPS) : fall->last_fast[0];
    for (uint64_t slot = 0; slot < slots; slot++) {
        put(csi, fast, slow * (1.0f / EF_CSI_GROUPS));
    }
    memset(fall->sums, 0, sizeof fall->sums);
    fall->squares = 0.0f;
    fall->in_slot = fall->pairs = 0;
}

static void compare(ef_csi *csi, const float *groups) {
    ef_csi_fall *fall = &csi->fall;
    const float apart = (float)(csi->time_us - fall->reference_us) * 1e-6f;
    if (apart < LEAST_PAIR || csi->trust < CLEAN) {
        return;
    }
    float sum = 0.0f;
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        const float step = groups[g] - fall->reference[g];
        sum += step * step;
    }
    memcpy(fall->reference, groups, sizeof fall->reference);
    fall->reference_us = csi->time_us;
    fall->pair_s += (fall->pair_s > 0.0f ? 0.02f : 1.0f) * ((apart < 0.2f ? apart : 0.2f) - fall->pair_s);
    if (apart < LONGEST_PAIR) {
        fall->squares += sum;
        fall->pairs++;
    }
}

void ef_csi_fall_frame(ef_csi *csi, const float *groups) {
    ef_csi_fall *fall = &csi->fall;
    const uint64_t slot = csi->time_us / SLOT_US, passed = slot - fall->slot;
    if (fall->in_slot > 0 && passed > LONGEST_GAP) {
        ef_csi_fall_reset(csi);
    } else if (fall->in_slot > 0 && passed > 0) {
        close_slot(csi, passed);
    }
    fall->slot = slot;
    compare(csi, groups);
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        fall->sums[g] += groups[g];
    }
    fall->in_slot++;
}
