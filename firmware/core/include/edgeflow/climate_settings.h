/* What a climate node can be told over the network: a table of keys with ranges, read from JSON as a whole or not at all. */
#ifndef EDGEFLOW_CLIMATE_SETTINGS_H
#define EDGEFLOW_CLIMATE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"
#include "edgeflow/text_writer.h"
#include "edgeflow/window_drive.h"

typedef struct ef_climate_settings {
    float read_seconds;       /* between readings of the air */
    float report_seconds;     /* a value is told at least this often */
    float audio_seconds;      /* between stretches of sound; 0: none */
    float temperature_change; /* told at once from this change on, in degrees */
    float humidity_change;    /* per cent */
    ef_drive_options drive;
} ef_climate_settings;

typedef struct ef_climate_key {
    const char *name;
    uint16_t at; /* of a float within ef_climate_settings */
    float least, most;
} ef_climate_key;

const ef_climate_key *ef_climate_keys(size_t *count);

ef_climate_settings ef_climate_default_settings(ef_motor motor);

/* Take the known numbers of a JSON object; unknown keys are passed over. EF_ERROR_TYPE: no JSON object. EF_ERROR_SHAPE: a value
 * is no number or out of its range, or the motor's contradict each other; `refused` names the first such key, or "motor".
 * Then nothing changes. */
EF_MUST_CHECK ef_status ef_climate_take_settings(ef_climate_settings *settings, const char *text, size_t size,
                                                 const char **refused);

/* All keys and their values, as members of a JSON object without its braces. */
void ef_climate_write_settings(const ef_climate_settings *settings, ef_text *out);

#endif
