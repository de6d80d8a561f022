/* The connection to the broker. What comes is handed over in a queue, so that the node belongs to one task. */
#ifndef CLIMATE_NODE_BROKER_H
#define CLIMATE_NODE_BROKER_H

#include <stdbool.h>

#include "edgeflow/climate_node.h"
#include "store.h"

typedef enum broker_event_kind { BROKER_CONFIRMED, BROKER_CAME } broker_event_kind;

typedef struct broker_event {
    broker_event_kind kind;
    int id;   /* of the message that was confirmed */
    char topic[EF_CLIMATE_TOPIC], payload[EF_CLIMATE_PAYLOAD];
    size_t size;
} broker_event;

/* False: no client. The node's topics are subscribed on every connection. */
bool broker_start(const store_identity *identity, const ef_climate_node *node);

/* How often the connection came or went: odd while there is one. */
uint32_t broker_changes(void);

/* Wait at most so long; false: nothing came. */
bool broker_wait(broker_event *event, uint32_t milliseconds);

/* At QoS 1; returns its id, -1 if it was not taken. */
int broker_send(const ef_climate_message *message);

/* Sound, at QoS 0: a copy until it is confirmed would take as much memory again. */
bool broker_send_sound(const char *topic, const char *text, size_t size);

#endif
