/* The connection to the access point, kept for ever with pauses that grow; or a network of its own, to be set up over. */
#ifndef CLIMATE_NODE_WIFI_H
#define CLIMATE_NODE_WIFI_H

#include <stdbool.h>

void wifi_join(const char *ssid, const char *password);
void wifi_open_own(const char *name, const char *password);

/* An address was given and not lost since. */
bool wifi_is_online(void);

#endif
