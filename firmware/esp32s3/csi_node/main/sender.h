/* Datagrams to the host. One task uses it. */
#ifndef CSI_NODE_SENDER_H
#define CSI_NODE_SENDER_H

#include <stdbool.h>

#include "edgeflow/node_policy.h"

/* False: the address is none, or there is no socket. */
bool sender_open(const char *address, uint16_t port);

/* A frame waits for its turn, everything waits while the network has no memory: then false, and nothing was sent. */
bool sender_send(const void *bytes, size_t count, bool frame, uint64_t now_us);

/* Whether sender_send would try. */
bool sender_frame_due(uint64_t now_us);

#endif
