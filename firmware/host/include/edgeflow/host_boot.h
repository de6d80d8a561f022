/*
 * What ESP-IDF does for updates, on NOR flash in memory: its boot loader with rollback, and the functions of its
 * app_update component behind ef_ota_port. Two slots, no factory image. The same records, written in the same order.
 */
#ifndef EDGEFLOW_HOST_BOOT_H
#define EDGEFLOW_HOST_BOOT_H

#include "edgeflow/host_flash.h"
#include "edgeflow/ota.h"

typedef struct ef_host_boot {
    ef_ota_port port;
    const ef_flash *data;    /* otadata: two sectors */
    const ef_flash *slot[2]; /* the last sector of each holds its note */
    int running;             /* 0 or 1; -1 before the start, or when nothing boots */
    uint32_t written, erased; /* of the slot that is open */
    uint8_t word[4];          /* bytes that do not fill a word yet */
    bool open;
} ef_host_boot;

/* Must not move afterwards. */
void ef_host_boot_open(ef_host_boot *boot, const ef_flash *data, const ef_flash *slot_0, const ef_flash *slot_1);

/* The boot loader, at each start: which slot runs, or -1. */
int ef_host_boot_start(ef_host_boot *boot);

/* esp_ota_mark_app_valid_cancel_rollback, esp_ota_mark_app_invalid_rollback_and_reboot without the restart,
 * esp_ota_check_rollback_is_possible. EF_ERROR_STATE: not possible. */
EF_MUST_CHECK ef_status ef_host_boot_keep(ef_host_boot *boot);
EF_MUST_CHECK ef_status ef_host_boot_give_up(ef_host_boot *boot);
bool ef_host_boot_can_go_back(const ef_host_boot *boot);

/* Of the record that counts; 0: none. */
uint32_t ef_host_boot_sequence(const ef_host_boot *boot);

/* Whether an image of ESP-IDF is whole: segments, checksum, and the SHA-256 behind them. Its length, or 0. */
uint32_t ef_host_image_length(const uint8_t *bytes, uint32_t most);

#endif
