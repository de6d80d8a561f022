/*
 * The host of sensing modules: slots that are loaded from containers, started, called for each frame and once a second, and
 * watched. The engine that runs WebAssembly is a port: WASM3 on the node, wasmtime on a computer. One task uses it at a time:
 * the port holds a lock around calls from several tasks.
 *
 *      empty -- load --> loaded -- start --> running <-- start/stop --> stopped
 *                                               \-- 10 times over its time, or 100 traps --> error -- start --> running
 *      at the node's start: kept -- its turn --> running or stopped
 *                           disabled, where the node did not outlive it twice -- start --> running
 */
#ifndef EDGEFLOW_MODULES_H
#define EDGEFLOW_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/csi.h"
#include "edgeflow/csi_packet.h"
#include "edgeflow/module_gate.h"
#include "edgeflow/module_prepare.h"
#include "edgeflow/module_shelf.h"

#define EF_MODULE_DEFAULT_SLOTS 4u
#define EF_MODULE_ARENA_BYTES 163840u /* of one slot, where memory is plenty: holds the largest prepared module */
#define EF_MODULE_MEMORY_KB 64u       /* where the manifest says 0 */
#define EF_MODULE_MOST_MEMORY_KB 160u
#define EF_MODULE_BUDGET_US 10000u /* where the manifest says 0 */
#define EF_MODULE_LEAST_BUDGET_US 100u
#define EF_MODULE_MOST_BUDGET_US 15000u
#define EF_MODULE_FUEL_PER_US 40u /* instructions; an interpreter at 160 MHz makes some 10, so that what trusts its time ends first */
#define EF_MODULE_MOST_FAULTS 10u
#define EF_MODULE_MOST_TRAPS 100u
#define EF_MODULE_EVENTS 16u /* of one call */
#define EF_MODULE_TOLD 16u   /* ids whose last value is known; a module has ten */
#define EF_MODULE_REPEAT_MS 1000u
#define EF_MODULE_TIMER_US 1000000u
#define EF_MODULE_HISTORY 256u
#define EF_MODULE_LOG_BYTES 127u
#define EF_MODULE_NOT_BEGUN UINT64_MAX
#define EF_MODULE_MOST_TRIES 2u
#define EF_MODULE_SETTLE_US 10000000u /* so long the node outlives a module before it is trusted again */

enum {
    EF_MODULE_PHASE = 1,
    EF_MODULE_AMPLITUDE = 2,
    EF_MODULE_VARIANCE = 4,
    EF_MODULE_VITALS = 8,
    EF_MODULE_SEES_HISTORY = 16,
    EF_MODULE_TELLS = 32,
    EF_MODULE_LOGS = 64
};

/* What modules see of a frame. It does not change while they are called. */
typedef struct ef_module_inputs {
    uint32_t time_ms; /* since the start; wraps */
    uint32_t subcarriers, history_length;
    float breathing_bpm, heart_bpm, motion_energy; /* as of the last second; a rate of 0: no reading */
    int32_t presence, persons;
    float phases[EF_CSI_MAX_SUBCARRIERS], amplitudes[EF_CSI_MAX_SUBCARRIERS], variances[EF_CSI_MAX_SUBCARRIERS];
    float history[EF_MODULE_HISTORY]; /* phase of the best subcarrier, oldest first */
} ef_module_inputs;

/* Gathers the inputs: after each frame that ef_csi_push took. Another task may copy `inputs` while it holds the port's lock. */
typedef struct ef_module_feed {
    ef_module_inputs inputs;
    uint64_t vitals_us;
    bool started;
} ef_module_feed;

void ef_module_feed_frame(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us);
/* While no frames come: the time and what is left of the vitals; `subcarriers` is 0. */
void ef_module_feed_tick(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us);

/* One call of a module: what it may see, what it told. The functions below are the host API of an engine. */
typedef struct ef_module_call {
    const ef_module_inputs *inputs;
    uint32_t capabilities;
    uint32_t count; /* of events */
    ef_csi_event events[EF_MODULE_EVENTS];
    uint32_t log_bytes;
    char log[EF_MODULE_LOG_BYTES + 1u]; /* the last line */
} ef_module_call;

float ef_module_phase(const ef_module_call *call, int32_t subcarrier);
float ef_module_amplitude(const ef_module_call *call, int32_t subcarrier);
float ef_module_variance(const ef_module_call *call, int32_t subcarrier);
float ef_module_breathing(const ef_module_call *call);
float ef_module_heart(const ef_module_call *call);
float ef_module_motion(const ef_module_call *call);
int32_t ef_module_presence(const ef_module_call *call);
int32_t ef_module_persons(const ef_module_call *call);
int32_t ef_module_timestamp(const ef_module_call *call);
void ef_module_emit(ef_module_call *call, int32_t id, float value);

/* `memory` is the module's, `at` and `most` are what it gave: nothing beyond `bytes` is touched, whatever they are. */
int32_t ef_module_history(const ef_module_call *call, uint8_t *memory, size_t bytes, uint32_t at, int32_t most);
void ef_module_write_log(ef_module_call *call, const uint8_t *memory, size_t bytes, uint32_t at, int32_t length);

typedef enum ef_module_entry { EF_MODULE_ON_INIT, EF_MODULE_ON_FRAME, EF_MODULE_ON_TIMER } ef_module_entry;
typedef enum ef_module_end {
    EF_MODULE_DONE,
    EF_MODULE_ABSENT,  /* it does not export that */
    EF_MODULE_TRAPPED, /* its memory, a division, its stack, its own wish */
    EF_MODULE_ENDLESS  /* out of fuel */
} ef_module_end;

typedef struct ef_module_engine {
    void *context;
    /* The bytes stay until unload. `memory_kb` at most; `pending` as ef_module_prepare has it. */
    bool (*load)(void *context, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb, uint32_t pending);
    ef_module_end (*call)(void *context, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                          ef_module_call *call);
    void (*unload)(void *context, uint32_t slot);
    uint64_t (*clock_us)(void *context); /* what calls are measured by */
    void (*tell)(void *context, const ef_csi_events_packet *events);
    void (*log)(void *context, uint32_t slot, const char *text);
} ef_module_engine;

typedef enum ef_module_state {
    EF_MODULE_EMPTY,
    EF_MODULE_LOADED,
    EF_MODULE_RUNNING,
    EF_MODULE_STOPPED,
    EF_MODULE_ERROR,
    EF_MODULE_KEPT,    /* in flash, waits for its turn since the node's start */
    EF_MODULE_DISABLED /* in flash, and not run: it ended the node, or is refused now */
} ef_module_state;

typedef struct ef_module_told {
    uint16_t id;
    bool known;
    float value;
    uint32_t time_ms;
} ef_module_told;

typedef struct ef_module {
    ef_module_state state;
    ef_rvf manifest; /* its pointers are NULL */
    uint32_t budget_us, memory_kb, prepared_bytes, pending;
    uint32_t frame_count, skipped_count; /* skipped: not of its numbers of subcarriers */
    uint32_t event_count, suppressed_count, limited_count;
    uint32_t error_count, budget_faults;
    uint8_t faults_in_row[3]; /* by entry; a quick timer excuses no slow frame */
    uint32_t last_us, max_us, calls;
    uint64_t total_us;
    uint32_t second_ms, in_second; /* events of the second that began then */
    ef_module_told told[EF_MODULE_TOLD];
} ef_module;

typedef struct ef_modules {
    ef_module_engine engine;
    ef_module slots[EF_MODULE_SLOTS];
    ef_module_work work;
    ef_module_call call;
    ef_module_gate gate;
    ef_module_shelf shelf;
    uint32_t waiting, trial; /* slots by bit: to be started, started and not yet outlived */
    uint64_t trial_us;       /* since when; EF_MODULE_NOT_BEGUN */
    uint8_t *arena;          /* count times arena_bytes */
    uint32_t count, arena_bytes;
    uint8_t node;
    uint16_t sequence;
    uint64_t timer_us;
    bool timed;
} ef_modules;

const char *ef_module_state_name(ef_module_state state);

/* Older versions are refused, and nothing is kept, until gate.allows_older is set, and ef_modules_restore called.
 * key: of 32 bytes, or NULL: then nothing is loaded, unless unsigned modules are accepted. Both stay, and so does the arena of
 * `count` (1 to EF_MODULE_SLOTS) times `arena_bytes`, each of which holds a prepared module. */
EF_MUST_CHECK ef_status ef_modules_init(ef_modules *modules, const ef_module_engine *engine, uint8_t *arena, uint32_t count,
                                        uint32_t arena_bytes, uint8_t node, const uint8_t *key, bool accepts_unsigned);

/* Into the first empty slot; its version is remembered. `fault` says more of EF_MODULE_CONTAINER. */
EF_MUST_CHECK ef_module_refusal ef_modules_load(ef_modules *modules, const uint8_t *image, size_t count, uint32_t *slot,
                                                ef_rvf_fault *fault);

/* Bring back what a flash holds, at the node's start: ef_modules_revive starts it, in its time. The flash stays. `crashed`: the
 * node ended by itself before; a slot whose start it did not outlive EF_MODULE_MOST_TRIES times is disabled. */
EF_MUST_CHECK ef_status ef_modules_restore(ef_modules *modules, const ef_flash *flash, bool crashed);
/* All that wait at once; after a crash, one by one who was there. Then, when the node has outlived them, forget their tries. */
void ef_modules_revive(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us);
/* Keep what was loaded into a slot from this container over a restart. EF_ERROR_SPACE: there is no room for it. */
EF_MUST_CHECK ef_status ef_modules_keep(ef_modules *modules, uint32_t slot, const uint8_t *image, uint32_t count);

/* EF_ERROR_NO_MODEL: no such slot, or empty. EF_ERROR_STATE: not from this state. EF_ERROR_UNSUPPORTED: what is in flash is
 * refused. EF_ERROR_FLASH: done, but not for the next start of the node. Starting calls on_init, and forgets faults. */
EF_MUST_CHECK ef_status ef_modules_start(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs);
EF_MUST_CHECK ef_status ef_modules_stop(ef_modules *modules, uint32_t slot);
EF_MUST_CHECK ef_status ef_modules_unload(ef_modules *modules, uint32_t slot);

/* Give a frame to all that run; before it, once a second, their timer. */
void ef_modules_frame(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us);
/* The timer alone, so that it goes on when no frames come. */
void ef_modules_tick(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us);

uint32_t ef_modules_loaded(const ef_modules *modules);
uint32_t ef_module_mean_us(const ef_module *module);

#endif
