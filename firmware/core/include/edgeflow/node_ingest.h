/* What a node posts to a collector ("seed"): feature vectors while somebody is there, and heartbeats. */
#ifndef EDGEFLOW_NODE_INGEST_H
#define EDGEFLOW_NODE_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EF_INGEST_VALUES 8u
#define EF_INGEST_URL_BYTES 96u
#define EF_INGEST_BODY_BYTES 128u
#define EF_INGEST_TIMEOUT_MS 3000

typedef enum ef_ingest_kind { EF_INGEST_NOTHING, EF_INGEST_HEARTBEAT, EF_INGEST_VECTOR } ef_ingest_kind;

typedef struct ef_ingest {
    uint64_t heartbeat_us, vector_us; /* when it was last due; 0: never */
} ef_ingest;

/* Where to post to: http://, a host, and what follows it. False: another kind of address, or too long. */
bool ef_ingest_url(const char *seed_url, char to[EF_INGEST_URL_BYTES]);

/* What is due, and note that. The first heartbeat is at once; vectors only while somebody is there. */
ef_ingest_kind ef_ingest_due(ef_ingest *ingest, uint16_t heartbeat_s, uint16_t ingest_s, bool present, uint64_t now_us);

/* node * 1e6 + 1e5 (heartbeat) or 2e5 (vector) + seconds since the start, modulo 1e5. */
uint32_t ef_ingest_id(ef_ingest_kind kind, uint8_t node, uint64_t now_us);

/* {"vectors":[[id,[8 numbers]]]}, each held within 0 and 1, with four digits. Returns its length without the end. */
size_t ef_ingest_body(uint32_t id, const float values[EF_INGEST_VALUES], char to[EF_INGEST_BODY_BYTES]);

#endif
