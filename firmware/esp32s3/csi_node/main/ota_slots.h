/* The core's updates on ESP-IDF's slots, and a guard for the first start of new firmware. */
#ifndef CSI_NODE_OTA_SLOTS_H
#define CSI_NODE_OTA_SLOTS_H

#include "edgeflow/ota.h"

extern const ef_ota_port ota_slots;

/* Of the boot record that counts; 0: none. */
uint32_t ota_slots_sequence(void);

/* Whether the boot loader waits for what this firmware says of itself. */
bool ota_slots_on_trial(void);

/* On trial: restart after so long, which the boot loader takes for a failure, unless the guard is ended before. */
void ota_guard_begin(uint32_t seconds);
void ota_guard_end(void);

#endif
