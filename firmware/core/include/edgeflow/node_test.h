/* What a node tests of itself before new firmware is kept. */
#ifndef EDGEFLOW_NODE_TEST_H
#define EDGEFLOW_NODE_TEST_H

#include "edgeflow/csi_ring.h"
#include "edgeflow/csi_state.h"

/* Frames of a made-up channel through ring and core, whose rate and count must come out. Uses both up. */
bool ef_node_test_sensing(ef_csi *csi, ef_csi_ring *ring);

#endif
