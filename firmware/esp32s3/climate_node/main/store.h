/* What a climate node keeps in flash: who it is, its broker, and the last configuration it was told. */
#ifndef CLIMATE_NODE_STORE_H
#define CLIMATE_NODE_STORE_H

#include <stdbool.h>

#include "edgeflow/climate_settings.h"

typedef struct store_identity {
    char name[65];
    char broker[128]; /* mqtt://host or mqtts://host; empty: none */
    char user[64], password[64];
} store_identity;

/* After nvs_flash_init. A name that was never given is made of the chip's address. */
void store_load(store_identity *identity, ef_climate_settings *settings);

/* A text of the node's namespace, or of the network's (ssid, password); false: flash does not take it. */
bool store_keep(bool network, const char *key, const char *text);
void store_keep_settings(const ef_climate_settings *settings);

#endif
