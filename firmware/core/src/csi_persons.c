/*
 * How many. Somebody is one; more are counted only when groups of subcarriers breathe clearly and at different rates. Persons
 * who move, or breathe alike, are not told apart.
 */
#include "csi_internal.h"

#define CLEAR_RATIO 15.8f /* 12 dB */
#define LEAST_GROUPS 3u
#define APART_HZ 0.045f

typedef struct cluster {
    float sum;
    uint8_t groups;
} cluster;

static bool same_breath(float one, float other) {
    const float low = one < other ? one : other, high = one < other ? other : one;
    for (float times = 1.0f; times <= 3.0f; times += 1.0f) {
        const float away = high - times * low;
        if (away < APART_HZ && away > -APART_HZ) {
            return true;
        }
    }
    return false;
}

static size_t gather(const ef_csi *csi, cluster *clusters) {
    size_t found = 0;
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        if (csi->clear[g] < CLEAR_RATIO) {
            continue;
        }
        const float own = ef_csi_breathing_frequency(csi, csi->peak[g]);
        size_t at = 0;
        while (at < found && !same_breath(clusters[at].sum / clusters[at].groups, own)) {
            at++;
        }
        if (at == EF_CSI_MAX_PERSONS) {
            continue;
        }
        if (at == found) {
            clusters[found++] = (cluster){0.0f, 0};
        }
        clusters[at].sum += own;
        clusters[at].groups++;
    }
    return found;
}

void ef_csi_persons_end(ef_csi *csi) {
    cluster clusters[EF_CSI_MAX_PERSONS];
    const size_t found = gather(csi, clusters);
    csi->persons = 0;
    if (!(csi->breathing.bpm > 0.0f)) {
        return;
    }
    csi->person_bpm[csi->persons++] = csi->breathing.bpm;
    for (size_t i = 0; i < found && csi->persons < EF_CSI_MAX_PERSONS; i++) {
        const float frequency = clusters[i].sum / clusters[i].groups;
        if (clusters[i].groups >= LEAST_GROUPS && !same_breath(frequency, csi->breathing.bpm / 60.0f)) {
            csi->person_bpm[csi->persons++] = 60.0f * frequency;
        }
    }
}
