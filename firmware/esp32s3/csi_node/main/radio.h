/* What the radio hears and when: channel state of frames into the ring, channel hops, sleep. */
#ifndef CSI_NODE_RADIO_H
#define CSI_NODE_RADIO_H

#include "edgeflow/csi_ring.h"
#include "edgeflow/node_settings.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* After the station was started. Frames go into `ring`, of which `reader` is told. All of it stays. */
void radio_start(const ef_node_settings *settings, ef_csi_ring *ring, TaskHandle_t reader);

/* The access point's channel; 0 while there is none, and then nothing hops. */
void radio_set_home(uint8_t channel);

/* Datagrams reach the access point now. */
bool radio_is_home(void);

/* Microseconds on the clock that the access point gives all its stations; 0 when there is none. */
uint64_t radio_shared_us(void);

#endif
