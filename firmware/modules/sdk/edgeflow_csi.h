/*
 * What a sensing module may ask of its host: WASM3 on a node, wasmtime on a computer. Import module "csi", host API 1.
 *
 * A module exports any of on_init(), on_frame(subcarriers) and on_timer(), which comes once a second, with EF_EXPORT. Frames come
 * at 10 to 50 a second and some get lost: measure time by csi_get_timestamp(), never by counting frames. What is out of range, or
 * not among the capabilities of the manifest, is 0. Memory is what the module declares statically: there is no heap.
 */
#ifndef EDGEFLOW_CSI_MODULE_H
#define EDGEFLOW_CSI_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#define EF_IMPORT(name) __attribute__((import_module("csi"), import_name(#name))) extern
#define EF_EXPORT(name) __attribute__((export_name(#name)))

#define EF_MAX_SUBCARRIERS 192
#define EF_MAX_HISTORY 256

/* Of the newest frame: phase without common offset and slope (rad), normalised amplitude, running variance of the amplitude. */
EF_IMPORT(csi_get_phase) float csi_get_phase(int32_t subcarrier);
EF_IMPORT(csi_get_amplitude) float csi_get_amplitude(int32_t subcarrier);
EF_IMPORT(csi_get_variance) float csi_get_variance(int32_t subcarrier);

/* Vitals, as of the last second. A rate of 0 means: no reading. */
EF_IMPORT(csi_get_bpm_breathing) float csi_get_bpm_breathing(void);
EF_IMPORT(csi_get_bpm_heartrate) float csi_get_bpm_heartrate(void);
EF_IMPORT(csi_get_presence) int32_t csi_get_presence(void);
EF_IMPORT(csi_get_motion_energy) float csi_get_motion_energy(void);
EF_IMPORT(csi_get_n_persons) int32_t csi_get_n_persons(void);

/* The corrected phase of the best subcarrier, one value per frame, oldest first; returns how many were written. */
EF_IMPORT(csi_get_phase_history) int32_t csi_get_phase_history(float *to, int32_t most);

/* At most 16 events a call; a value within 5 % of the one told is not told again within a second, unless that is at most 0.001.
 * What a call told before a trap is dropped. */
EF_IMPORT(csi_emit_event) void csi_emit_event(int32_t type, float value);
EF_IMPORT(csi_log) void csi_log(const char *text, int32_t length);

/* Milliseconds since the node started; wraps after 49 days, so subtract as uint32_t. */
EF_IMPORT(csi_get_timestamp) int32_t csi_get_timestamp(void);

#endif
