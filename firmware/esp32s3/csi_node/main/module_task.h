/* Modules in a task of their own on core 1, below the sensing task: what they do delays no frame and no vitals. */
#ifndef CSI_NODE_MODULE_TASK_H
#define CSI_NODE_MODULE_TASK_H

#include "edgeflow/csi.h"
#include "edgeflow/module_service.h"
#include "edgeflow/node_settings.h"

#define MODULE_PACKET_BYTES 128u /* of the events of one call */

/* The settings stay. False: no memory, or this build has no modules; then the rest does nothing. */
bool module_task_start(const ef_node_settings *settings);

/* For the sensing task: after each frame that was taken, and now and then while none comes. Never waits. */
void module_task_offer(const ef_csi *csi, uint64_t now_us, bool fresh);
/* The oldest packet of events that waits to be sent, 0 for none. */
size_t module_task_packet(uint8_t to[MODULE_PACKET_BYTES]);

/* For the server's task: most bytes of a container, where to put them, and the answer in JSON with its status. */
size_t module_task_room(void);
uint8_t *module_task_buffer(void);
int module_task_answer(const ef_module_request *request, const char **json);
/* A copy of what decides on containers, without waiting for modules. False: there are none here. */
bool module_task_gate(ef_module_gate *gate);

#endif
