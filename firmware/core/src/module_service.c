#include "edgeflow/module_service.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "edgeflow/node_policy.h"

enum { OK = 200, BAD_REQUEST = 400, FORBIDDEN = 403, NOT_FOUND = 404, WRONG_METHOD = 405, CONFLICT = 409, TOO_LARGE = 413, FAILED = 500 };

static const char no_container[] = "WebAssembly without a container";

typedef enum route { ROUTE_NONE, ROUTE_UPLOAD, ROUTE_LIST, ROUTE_START, ROUTE_STOP, ROUTE_DELETE } route;

typedef struct text {
    char *to;
    size_t room, used;
    bool full;
} text;

static void put(text *text, const char *format, ...) {
    va_list values;
    va_start(values, format);
    const int size = text->full ? -1 : vsnprintf(text->to + text->used, text->room - text->used, format, values);
    va_end(values);
    if (size < 0 || (size_t)size >= text->room - text->used) {
        text->full = true;
        return;
    }
    text->used += (size_t)size;
}

static void put_quoted(text *text, const char *from, size_t most) {
    put(text, "\"");
    for (size_t i = 0; i < most && from[i] != '\0'; i++) {
        const unsigned char byte = (unsigned char)from[i];
        const bool plain = byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
        put(text, plain ? "%c" : "\\u%04x", byte);
    }
    put(text, "\"");
}

static void put_hash(text *text, const uint8_t hash[32]) {
    put(text, "\"");
    for (unsigned i = 0; i < 32u; i++) {
        put(text, "%02x", hash[i]);
    }
    put(text, "\"");
}

static void put_module(text *text, uint32_t id, const ef_module *module, bool kept) {
    put(text, "%s{\"id\":%u,\"state\":\"%s\",\"name\":", id > 0 ? "," : "", (unsigned)id,
        ef_module_state_name(module->state));
    put_quoted(text, module->manifest.name, EF_RVF_NAME_BYTES);
    put(text, ",\"version\":%u,\"kept\":%s", (unsigned)module->manifest.version, kept ? "true" : "false");
    put(text, ",\"binary_size\":%u,\"caps\":\"0x%04x\",\"hash\":", (unsigned)module->manifest.wasm_bytes,
        (unsigned)module->manifest.capabilities);
    put_hash(text, module->manifest.hash);
    put(text, ",\"frame_count\":%u,\"event_count\":%u,\"error_count\":%u,", (unsigned)module->frame_count,
        (unsigned)module->event_count, (unsigned)module->error_count);
    put(text, "\"mean_us\":%u,\"max_us\":%u,", (unsigned)ef_module_mean_us(module), (unsigned)module->max_us);
    put(text, "\"budget_us\":%u,\"budget_faults\":%u,\"memory_kb\":%u}", (unsigned)module->budget_us,
        (unsigned)module->budget_faults, (unsigned)module->memory_kb);
}

bool ef_module_list(const ef_modules *modules, char *to, size_t room) {
    text list = {to, room, 0, room == 0};
    put(&list, "{\"modules\":[");
    for (uint32_t id = 0; id < modules->count; id++) {
        put_module(&list, id, &modules->slots[id], modules->shelf.place[id].holds);
    }
    put(&list, "],\"loaded\":%u,\"max\":%u}", (unsigned)ef_modules_loaded(modules), (unsigned)modules->count);
    if (list.full && room > 0) {
        to[0] = '\0';
    }
    return !list.full;
}

/* One to three digits up to the end of the path; UINT32_MAX: something else. */
static uint32_t number_at(const char *at, const char *end) {
    uint32_t number = 0;
    if (at == end || end - at > 3) {
        return UINT32_MAX;
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return UINT32_MAX;
        }
        number = number * 10u + (uint32_t)(*at - '0');
    }
    return number;
}

static bool starts(const char *path, const char *end, const char *prefix) {
    const size_t size = strlen(prefix);
    return (size_t)(end - path) > size && memcmp(path, prefix, size) == 0;
}

static bool equals(const char *path, const char *end, const char *whole) {
    return (size_t)(end - path) == strlen(whole) && memcmp(path, whole, (size_t)(end - path)) == 0;
}

static route find_route(const char *path, uint32_t *id, const char **method) {
    const char *end = path + strcspn(path, "?");
    *id = UINT32_MAX;
    *method = "POST";
    if (equals(path, end, "/wasm/upload")) {
        return ROUTE_UPLOAD;
    }
    if (equals(path, end, "/wasm/list")) {
        *method = "GET";
        return ROUTE_LIST;
    }
    if (starts(path, end, "/wasm/start/")) {
        *id = number_at(path + strlen("/wasm/start/"), end);
        return ROUTE_START;
    }
    if (starts(path, end, "/wasm/stop/")) {
        *id = number_at(path + strlen("/wasm/stop/"), end);
        return ROUTE_STOP;
    }
    if (starts(path, end, "/wasm/")) {
        *id = number_at(path + strlen("/wasm/"), end);
        *method = "DELETE";
        return *id == UINT32_MAX ? ROUTE_NONE : ROUTE_DELETE;
    }
    return ROUTE_NONE;
}

int ef_module_allow(const ef_module_request *request, const char *key) {
    uint32_t id;
    const char *method;
    const route found = find_route(request->path, &id, &method);
    if (found == ROUTE_NONE) {
        return NOT_FOUND;
    }
    if (!ef_bearer_matches(request->authorization, key)) {
        return FORBIDDEN;
    }
    if (strcmp(request->method, method) != 0) {
        return WRONG_METHOD;
    }
    if (found != ROUTE_UPLOAD) {
        return OK;
    }
    return request->length == 0 ? BAD_REQUEST : request->length > EF_RVF_MOST_BYTES ? TOO_LARGE : OK;
}

static int say_error(text *answer, int status, const char *reason, const char *more) {
    put(answer, "{\"error\":\"%s%s%s\"}", reason, more[0] == '\0' ? "" : ": ", more);
    return status;
}

static const char *reason_of(int status) {
    switch (status) {
    case BAD_REQUEST:
        return "no module";
    case FORBIDDEN:
        return "no key was provisioned, or this is another";
    case WRONG_METHOD:
        return "another method";
    case TOO_LARGE:
        return "larger than a container may be";
    default:
        return "no such path";
    }
}

static int status_of(ef_module_refusal refusal) {
    switch (refusal) {
    case EF_MODULE_CONTAINER:
        return BAD_REQUEST;
    case EF_MODULE_NO_KEY:
    case EF_MODULE_UNSIGNED:
    case EF_MODULE_FORGED:
        return FORBIDDEN;
    case EF_MODULE_OLDER:
    case EF_MODULE_UNMARKED:
        return CONFLICT;
    default:
        return FAILED;
    }
}

static int say_refusal(text *answer, ef_module_refusal refusal, ef_rvf_fault fault) {
    return say_error(answer, status_of(refusal), ef_module_say(refusal), fault == EF_RVF_GOOD ? "" : ef_rvf_say(fault));
}

static bool is_bare(const uint8_t *body, size_t received) {
    return received >= 4 && memcmp(body, "\0asm", 4) == 0;
}

static int upload(ef_modules *modules, const ef_module_request *request, const ef_module_inputs *inputs, text *answer) {
    uint32_t slot = 0;
    ef_rvf_fault fault;
    if (is_bare(request->body, request->length)) {
        return say_error(answer, FORBIDDEN, no_container, "");
    }
    const ef_module_refusal refusal = ef_modules_load(modules, request->body, request->length, &slot, &fault);
    if (refusal != EF_MODULE_TAKEN) {
        return say_refusal(answer, refusal, fault);
    }
    /* Kept when it has started: what ends the node at once is gone then. */
    const bool started = ef_modules_start(modules, slot, inputs) == EF_OK;
    const bool kept = ef_modules_keep(modules, slot, request->body, (uint32_t)request->length) == EF_OK;
    const ef_module *module = &modules->slots[slot];
    put(answer, "{\"status\":\"ok\",\"format\":\"rvf\",\"module_id\":%u,\"name\":", (unsigned)slot);
    put_quoted(answer, module->manifest.name, EF_RVF_NAME_BYTES);
    put(answer, ",\"version\":%u,\"wasm_size\":%u,\"caps\":\"0x%04x\",", (unsigned)module->manifest.version,
        (unsigned)module->manifest.wasm_bytes, (unsigned)module->manifest.capabilities);
    put(answer, "\"budget_us\":%u,\"started\":%s,\"kept\":%s}", (unsigned)module->budget_us, started ? "true" : "false",
        kept ? "true" : "false");
    return OK;
}

static ef_module_refusal look_at(const ef_module_gate *gate, const ef_module_request *request, size_t received,
                                 ef_rvf_fault *fault) {
    ef_rvf rvf;
    *fault = EF_RVF_GOOD;
    if (received == request->length) {
        return ef_gate_check(gate, request->body, received, &rvf, fault);
    }
    if (received >= EF_RVF_HEADER_BYTES) {
        *fault = ef_rvf_check_header(request->body, request->length);
    }
    return *fault != EF_RVF_GOOD ? EF_MODULE_CONTAINER : gate->free_slots == 0 ? EF_MODULE_FULL : EF_MODULE_TAKEN;
}

int ef_module_refuse(const ef_module_gate *gate, const ef_module_request *request, size_t received, const char *key, char *to,
                     size_t room) {
    text answer = {to, room, 0, room == 0};
    uint32_t id;
    const char *method;
    ef_rvf_fault fault;
    const int status = ef_module_allow(request, key);
    if (status != OK) {
        return say_error(&answer, status, reason_of(status), "");
    }
    if (find_route(request->path, &id, &method) != ROUTE_UPLOAD) {
        return 0;
    }
    if (is_bare(request->body, received)) {
        return say_error(&answer, FORBIDDEN, no_container, "");
    }
    const ef_module_refusal refusal = look_at(gate, request, received, &fault);
    return refusal == EF_MODULE_TAKEN ? 0 : say_refusal(&answer, refusal, fault);
}

static int act(ef_modules *modules, route found, uint32_t id, const ef_module_inputs *inputs, text *answer) {
    const ef_status status = found == ROUTE_START  ? ef_modules_start(modules, id, inputs)
                             : found == ROUTE_STOP ? ef_modules_stop(modules, id)
                                                   : ef_modules_unload(modules, id);
    switch (status) {
    case EF_OK:
        break;
    case EF_ERROR_FLASH:
        return say_error(answer, FAILED, "the flash failed: another state after a restart", "");
    case EF_ERROR_UNSUPPORTED:
        return say_error(answer, FORBIDDEN, "what is kept is refused now", "");
    default:
        return say_error(answer, BAD_REQUEST, status == EF_ERROR_STATE ? "not from this state" : "no such module", "");
    }
    put(answer, "{\"status\":\"ok\",\"action\":\"%s\"}",
        found == ROUTE_START ? "started" : found == ROUTE_STOP ? "stopped" : "unloaded");
    return OK;
}

int ef_module_answer(ef_modules *modules, const ef_module_request *request, const char *key, const ef_module_inputs *inputs,
                     char *to, size_t room) {
    text answer = {to, room, 0, room == 0};
    uint32_t id;
    const char *method;
    const route found = find_route(request->path, &id, &method);
    int status = ef_module_allow(request, key);
    if (status != OK) {
        status = say_error(&answer, status, reason_of(status), "");
    } else if (found == ROUTE_UPLOAD) {
        status = upload(modules, request, inputs, &answer);
    } else if (found == ROUTE_LIST) {
        answer.full = !ef_module_list(modules, to, room);
    } else {
        status = act(modules, found, id, inputs, &answer);
    }
    if (answer.full) {
        if (room > 0) {
            to[0] = '\0';
        }
        return FAILED;
    }
    return status;
}
