/* An I2S microphone that fills a buffer while it is asked for. */
#ifndef CLIMATE_NODE_MICROPHONE_H
#define CLIMATE_NODE_MICROPHONE_H

#include <stdbool.h>

#include "edgeflow/sound.h"

#define MICROPHONE_HZ 16000u

/* False: none was built in, or there is no memory for so many milliseconds of it and their text. */
bool microphone_start(void);

/* Go on recording with what came since; true once the stretch is whole. Call it at least each 60 ms. */
bool microphone_record(void);

/* The stretch that was recorded, and room for its message of so many characters. */
ef_sound *microphone_sound(void);
char *microphone_text(size_t *most);

#endif
