/*
 * New firmware: header first, checked before anything is erased; then the image in pieces; then its digest, and only then
 * the order to boot it. What writes and boots is behind a port: ESP-IDF's functions on a board, NOR flash in memory in
 * tests and virtual nodes.
 *
 *      begin -> header: length, signature, board, counter -> open, write ... -> digest -> close -> select -> restart
 *           the new image is PENDING -> self-test -> VALID, or the boot loader goes back to the one before
 *
 * With each image its header is kept (the slot's note), so that the node knows the counter of what it runs. That holds only
 * where the image bears the version of its header, so another one is refused.
 */
#ifndef EDGEFLOW_OTA_H
#define EDGEFLOW_OTA_H

#include "edgeflow/checksum.h"
#include "edgeflow/ota_image.h"

#define EF_OTA_CHUNK_BYTES 1024u
#define EF_OTA_MOST_MS 600000u /* an upload that takes longer is ended */
#define EF_OTA_DESCRIBED_AT 32u /* in an image: magic, and from the 16th byte on its version */
#define EF_OTA_DESCRIBED_BYTES 48u
#define EF_OTA_PSK_LEAST 16u   /* characters of the key that an upload shows */
#define EF_OTA_PSK_MOST 64u

typedef struct ef_ota_port {
    void *context;
    uint32_t (*room)(void *context);                                           /* bytes that an image may have */
    ef_status (*open)(void *context);                                          /* begin to write the other slot */
    ef_status (*write)(void *context, const uint8_t *bytes, uint32_t count);   /* goes on where the last one ended */
    ef_status (*close)(void *context, const uint8_t note[EF_OTA_HEADER_BYTES]); /* EF_ERROR_MODEL: it would not boot */
    ef_status (*select)(void *context);                                        /* boot it next */
    void (*drop)(void *context);                                               /* forget what was opened */
    bool (*note)(void *context, bool running, uint8_t note[EF_OTA_HEADER_BYTES]); /* of this slot, or the other one */
    ef_ota_state (*state)(void *context, bool running);
} ef_ota_port;

typedef struct ef_ota_rules {
    const ef_ota_port *port;
    uint16_t chip;
    const char *board, *version; /* of what runs */
    const uint8_t *public_key;   /* NULL: none was provisioned */
    bool takes_unsigned;         /* without a public key take anything that boots; for development */
} ef_ota_rules;

typedef enum ef_ota_failure {
    EF_OTA_FINE = 0,
    EF_OTA_NOT_ALLOWED,    /* no key was provisioned, or another was shown */
    EF_OTA_NO_PUBLIC_KEY,  /* nothing to check signatures with */
    EF_OTA_BAD_SIZE,       /* empty, larger than the slot, or not what the header says */
    EF_OTA_UNSIGNED,       /* an image without a header */
    EF_OTA_BAD_HEADER,
    EF_OTA_UNKNOWN_KEY,    /* signed with a key that the node does not have */
    EF_OTA_BAD_SIGNATURE,
    EF_OTA_OTHER_BOARD,
    EF_OTA_DOWNGRADE,      /* a counter below that of what runs */
    EF_OTA_NOT_CONFIRMED,  /* what runs is itself on trial */
    EF_OTA_BUSY,           /* another upload, or about to restart */
    EF_OTA_FLASH_FAILED,
    EF_OTA_BAD_DIGEST,
    EF_OTA_BAD_IMAGE,      /* the boot loader would not take it */
    EF_OTA_INCOMPLETE,     /* the connection ended */
    EF_OTA_TIMED_OUT,
    EF_OTA_NOTHING_BEFORE, /* to roll back to */
    EF_OTA_OTHER_VERSION,  /* the image calls itself otherwise than its header */
    EF_OTA_FAILURES
} ef_ota_failure;

const char *ef_ota_word(ef_ota_failure failure); /* such as "bad_signature"; "" for none */
int ef_ota_http(ef_ota_failure failure);         /* 200, 400, 403, 408, 409 or 500 */

typedef enum ef_ota_phase { EF_OTA_IDLE, EF_OTA_HEADER, EF_OTA_IMAGE, EF_OTA_SELECTED } ef_ota_phase;

typedef struct ef_ota {
    ef_ota_rules rules;
    ef_ota_phase phase;
    ef_ota_failure failure; /* of the last upload */
    uint32_t total, left;   /* of the body */
    bool bare;              /* an image without a header */
    uint8_t header[EF_OTA_HEADER_BYTES];
    uint32_t header_bytes;
    ef_ota_image image;
    uint8_t description[EF_OTA_DESCRIBED_BYTES]; /* of the image, by ESP-IDF, up to its version */
    ef_sha256 hash;
} ef_ota;

/* Whether what runs has still to show that it works. */
bool ef_ota_on_trial(const ef_ota_port *port);

/* What the rules point to stays. */
void ef_ota_init(ef_ota *ota, const ef_ota_rules *rules);

/* One upload. After any failure it is over, and the slot that was written is not booted. */
EF_MUST_CHECK ef_ota_failure ef_ota_begin(ef_ota *ota, size_t bytes);
EF_MUST_CHECK ef_ota_failure ef_ota_write(ef_ota *ota, const uint8_t *bytes, size_t count);
EF_MUST_CHECK ef_ota_failure ef_ota_finish(ef_ota *ota);
void ef_ota_abort(ef_ota *ota, ef_ota_failure why);

/* Where a body comes from. receive: bytes read, 0 at the end of the connection, below 0 when nothing came in time. */
typedef struct ef_ota_source {
    void *context;
    int (*receive)(void *context, uint8_t *to, size_t most);
    uint32_t (*now_ms)(void *context);
} ef_ota_source;

/* All of the above, in pieces of EF_OTA_CHUNK_BYTES. */
EF_MUST_CHECK ef_ota_failure ef_ota_receive(ef_ota *ota, size_t bytes, const ef_ota_source *source,
                                            uint8_t chunk[EF_OTA_CHUNK_BYTES]);

/* Whether the image before may be booted again; `possible`: the boot loader could. */
EF_MUST_CHECK ef_ota_failure ef_ota_may_go_back(const ef_ota *ota, bool possible);

/* The counter of what runs; 0 where it came without a header. */
uint32_t ef_ota_counter(const ef_ota *ota);

/* What only the platform knows, for the status. Texts, none NULL. */
typedef struct ef_ota_place {
    const char *date, *time, *running, *next; /* of the build; labels of partitions */
    const char *previous_version;             /* in the other slot */
    uint32_t sequence;                        /* of the boot record */
    bool can_go_back, has_psk;
} ef_ota_place;

#define EF_OTA_STATUS_BYTES 768u

/* GET /ota/status, a JSON object with its end. Returns its length; 0: it does not fit. */
size_t ef_ota_status(const ef_ota *ota, const ef_ota_place *place, char *to, size_t most);

#endif
