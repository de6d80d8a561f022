/* Numbers at the top of a JSON object, found without copying it: strict, no deeper than 8, and nothing is read beyond its end. */
#ifndef EDGEFLOW_JSON_SCAN_H
#define EDGEFLOW_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

typedef enum ef_json_kind { EF_JSON_NUMBER, EF_JSON_OTHER } ef_json_kind;

typedef struct ef_json_member {
    const char *key; /* as it is written, without quotes; not ended */
    size_t key_size;
    ef_json_kind kind;
    double number; /* finite */
} ef_json_member;

typedef struct ef_json {
    const char *text;
    size_t size, at;
    ef_status status;
} ef_json;

/* EF_ERROR_TYPE: it is no whole JSON object. Checks all of it, so that what follows cannot fail. */
EF_MUST_CHECK ef_status ef_json_open(ef_json *json, const char *text, size_t size);

/* The next member; false after the last one. Members of objects and arrays within are passed over. */
bool ef_json_next(ef_json *json, ef_json_member *member);

/* A text that is one number, with space around it. EF_ERROR_TYPE: it is something else. */
EF_MUST_CHECK ef_status ef_json_number(const char *text, size_t size, double *number);

bool ef_json_is(const ef_json_member *member, const char *key);

#endif
