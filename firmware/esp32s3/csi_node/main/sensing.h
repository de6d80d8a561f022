/* The task on core 1: frames out of the ring, through the core, vitals and frames to the host. */
#ifndef CSI_NODE_SENSING_H
#define CSI_NODE_SENSING_H

#include "edgeflow/csi_ring.h"
#include "edgeflow/node_ingest.h"
#include "edgeflow/node_settings.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

/* Whether the core measures frames of a known kind as it must. Before sensing_start. */
bool sensing_test(ef_csi_ring *ring);

/* Both stay. NULL: no memory for the task. */
TaskHandle_t sensing_start(const ef_node_settings *settings, ef_csi_ring *ring);

/* The newest features, from any task; zeros before the first ones. False: they are being written; ask again. */
bool sensing_latest(float values[EF_INGEST_VALUES], bool *present);

#endif
