/*
 * Runs a module in WASM3 behind the node's own port: run_module CONTAINER INPUTS, where INPUTS is a row of u64 (microseconds)
 * and ef_module_inputs. Prints an event a line (microseconds, id, the value's bits), at its end the state of the slot.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module_wasm3.h"

enum { NATIVE_STACK = 48 * 1024, THREAD_STACK = 8 << 20, PAINT = 0xA5 };

typedef struct node {
    module_wasm3 engine;
    ef_modules modules;
    uint8_t *arena, *stack;
    const char *container, *inputs;
    int failed;
} node;

static bool on_load(void *context, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb, uint32_t pending) {
    return module_wasm3_load(&((node *)context)->engine, slot, wasm, bytes, memory_kb, pending);
}

static ef_module_end on_call(void *context, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                             ef_module_call *call) {
    return module_wasm3_call(&((node *)context)->engine, slot, entry, argument, fuel, call);
}

static void on_unload(void *context, uint32_t slot) {
    module_wasm3_unload(&((node *)context)->engine, slot);
}

static uint64_t no_clock(void *context) {
    (void)context;
    return 0;
}

static void on_tell(void *context, const ef_csi_events_packet *events) {
    (void)context;
    for (unsigned i = 0; i < events->count; i++) {
        uint32_t bits;
        memcpy(&bits, &events->events[i].value, sizeof bits);
        printf("%" PRIu64 " %u %" PRIu32 "\n", events->time_us, events->events[i].id, bits);
    }
}

static void on_log(void *context, uint32_t slot, const char *line) {
    (void)context;
    (void)slot;
    printf("log %s\n", line);
}

static uint8_t *read_file(const char *path, size_t *count) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        const long size = ftell(file);
        *count = size > 0 ? (size_t)size : 0u;
        bytes = malloc(*count + 1u);
        rewind(file);
        if (bytes != NULL && fread(bytes, 1, *count, file) != *count) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

static int run_frames(node *own) {
    size_t count = 0;
    uint8_t *rows = read_file(own->inputs, &count);
    const size_t row = sizeof(uint64_t) + sizeof(ef_module_inputs);
    for (size_t at = 0; rows != NULL && at + row <= count; at += row) {
        uint64_t now_us;
        ef_module_inputs inputs;
        memcpy(&now_us, rows + at, sizeof now_us);
        memcpy(&inputs, rows + at + sizeof now_us, sizeof inputs);
        if (at == 0 && ef_modules_start(&own->modules, 0, &inputs) != EF_OK) {
            break;
        }
        ef_modules_frame(&own->modules, &inputs, now_us);
    }
    free(rows);
    return rows == NULL;
}

static int run_container(node *own) {
    size_t count = 0;
    uint32_t slot = 0;
    ef_rvf_fault fault;
    uint8_t *image = read_file(own->container, &count);
    if (image == NULL) {
        return 1;
    }
    const ef_module_refusal refusal = ef_modules_load(&own->modules, image, count, &slot, &fault);
    free(image); /* the node's buffer is used again, too */
    if (refusal != EF_MODULE_TAKEN) {
        printf("refused %s\n", ef_module_say(refusal));
        return 0;
    }
    const int failed = run_frames(own);
    const ef_module *module = &own->modules.slots[slot];
    printf("state %s frames %" PRIu32 " errors %" PRIu32 " faults %" PRIu32 " pending %" PRIu32 "\n",
           ef_module_state_name(module->state), module->frame_count, module->error_count, module->budget_faults,
           module->pending);
    return failed | (ef_modules_unload(&own->modules, slot) != EF_OK);
}

static void *run(void *context) {
    node *own = context;
    own->failed = run_container(own);
    return NULL;
}

/* Bytes of the stack that were written to. */
static size_t used(const node *own) {
    size_t clean = 0;
    while (clean < THREAD_STACK && own->stack[clean] == PAINT) {
        clean++;
    }
    return THREAD_STACK - clean;
}

static int run_on_own_stack(node *own) {
    pthread_attr_t attributes;
    pthread_t thread;
    memset(own->stack, PAINT, THREAD_STACK);
    if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstack(&attributes, own->stack, THREAD_STACK) != 0 ||
        pthread_create(&thread, &attributes, run, own) != 0 || pthread_join(thread, NULL) != 0) {
        return 1;
    }
    pthread_attr_destroy(&attributes);
    printf("stack %zu\n", used(own));
    return own->failed;
}

int main(int count, char **arguments) {
    static node own;
    const ef_module_engine engine = {&own, on_load, on_call, on_unload, no_clock, on_tell, on_log};
    if (count != 3 || !module_wasm3_open(&own.engine, NATIVE_STACK)) {
        return 2;
    }
    own.container = arguments[1];
    own.inputs = arguments[2];
    own.arena = malloc(EF_MODULE_ARENA_BYTES);
    own.stack = aligned_alloc(4096, THREAD_STACK);
    if (own.arena == NULL || own.stack == NULL ||
        ef_modules_init(&own.modules, &engine, own.arena, 1, EF_MODULE_ARENA_BYTES, 1, NULL, true) != EF_OK) {
        return 2;
    }
    const int failed = run_on_own_stack(&own);
    module_wasm3_close(&own.engine);
    free(own.arena);
    free(own.stack);
    return failed;
}
