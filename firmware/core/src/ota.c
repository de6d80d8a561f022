#include "edgeflow/ota.h"

#include <string.h>

#include "little_endian.h"

#define DESCRIPTION_MAGIC 0xABCD5432u
#define VERSION_IN_DESCRIPTION 16u

const char *ef_ota_word(ef_ota_failure failure) {
    static const char *const words[EF_OTA_FAILURES] = {
        [EF_OTA_FINE] = "",
        [EF_OTA_NOT_ALLOWED] = "not_allowed",
        [EF_OTA_NO_PUBLIC_KEY] = "no_public_key",
        [EF_OTA_BAD_SIZE] = "bad_size",
        [EF_OTA_UNSIGNED] = "unsigned",
        [EF_OTA_BAD_HEADER] = "bad_header",
        [EF_OTA_UNKNOWN_KEY] = "unknown_key",
        [EF_OTA_BAD_SIGNATURE] = "bad_signature",
        [EF_OTA_OTHER_BOARD] = "other_board",
        [EF_OTA_DOWNGRADE] = "downgrade",
        [EF_OTA_NOT_CONFIRMED] = "not_confirmed",
        [EF_OTA_BUSY] = "busy",
        [EF_OTA_FLASH_FAILED] = "flash_failed",
        [EF_OTA_BAD_DIGEST] = "bad_digest",
        [EF_OTA_BAD_IMAGE] = "bad_image",
        [EF_OTA_INCOMPLETE] = "incomplete",
        [EF_OTA_TIMED_OUT] = "timed_out",
        [EF_OTA_NOTHING_BEFORE] = "nothing_before",
        [EF_OTA_OTHER_VERSION] = "other_version",
    };
    return failure < EF_OTA_FAILURES ? words[failure] : "";
}

int ef_ota_http(ef_ota_failure failure) {
    switch (failure) {
    case EF_OTA_FINE:
        return 200;
    case EF_OTA_NOT_ALLOWED:
    case EF_OTA_NO_PUBLIC_KEY:
    case EF_OTA_UNSIGNED:
    case EF_OTA_UNKNOWN_KEY:
    case EF_OTA_BAD_SIGNATURE:
        return 403;
    case EF_OTA_TIMED_OUT:
        return 408;
    case EF_OTA_DOWNGRADE:
    case EF_OTA_NOT_CONFIRMED:
    case EF_OTA_BUSY:
    case EF_OTA_NOTHING_BEFORE:
        return 409;
    case EF_OTA_FLASH_FAILED:
        return 500;
    default:
        return 400;
    }
}

void ef_ota_init(ef_ota *ota, const ef_ota_rules *rules) {
    *ota = (ef_ota){.rules = *rules};
}

void ef_ota_abort(ef_ota *ota, ef_ota_failure why) {
    if (ota->phase == EF_OTA_IMAGE) {
        ota->rules.port->drop(ota->rules.port->context);
    }
    ota->phase = EF_OTA_IDLE;
    ota->failure = why;
}

static ef_ota_failure fail(ef_ota *ota, ef_ota_failure why) {
    ef_ota_abort(ota, why);
    return why;
}

static ef_ota_failure flash_failed(ef_ota *ota, ef_status status) {
    return fail(ota, status == EF_ERROR_MODEL ? EF_OTA_BAD_IMAGE : EF_OTA_FLASH_FAILED);
}

/* A cut of the power in the middle of an erase can take the state from a record, and leave the rest. What came with a
 * header has had one. */
bool ef_ota_on_trial(const ef_ota_port *port) {
    uint8_t note[EF_OTA_HEADER_BYTES];
    ef_ota_image image;
    const ef_ota_state state = port->state(port->context, true);
    return state == EF_OTA_PENDING || (state == EF_OTA_UNDEFINED && port->note(port->context, true, note) &&
                                       ef_ota_image_parse(note, &image) == EF_OK);
}

uint32_t ef_ota_counter(const ef_ota *ota) {
    uint8_t note[EF_OTA_HEADER_BYTES];
    ef_ota_image image;
    bool known = ota->rules.port->note(ota->rules.port->context, true, note);
    /* Another version was put here by other means than ours, and has no counter. */
    known = known && ef_ota_image_parse(note, &image) == EF_OK && strcmp(image.version, ota->rules.version) == 0;
    return known ? image.counter : 0;
}

static ef_ota_failure why_not(const ef_ota *ota, size_t bytes) {
    const ef_ota_port *port = ota->rules.port;
    if (ota->rules.public_key == NULL && !ota->rules.takes_unsigned) {
        return EF_OTA_NO_PUBLIC_KEY;
    }
    if (ef_ota_on_trial(port)) {
        return EF_OTA_NOT_CONFIRMED;
    }
    return bytes == 0 || bytes > (size_t)port->room(port->context) + EF_OTA_HEADER_BYTES ? EF_OTA_BAD_SIZE : EF_OTA_FINE;
}

ef_ota_failure ef_ota_begin(ef_ota *ota, size_t bytes) {
    if (ota->phase != EF_OTA_IDLE) {
        return EF_OTA_BUSY;
    }
    ota->failure = why_not(ota, bytes);
    if (ota->failure != EF_OTA_FINE) {
        return ota->failure;
    }
    ota->phase = EF_OTA_HEADER;
    ota->total = ota->left = (uint32_t)bytes;
    ota->header_bytes = 0;
    ota->bare = false;
    memset(ota->description, 0, sizeof ota->description);
    ef_sha256_begin(&ota->hash);
    return EF_OTA_FINE;
}

static ef_ota_failure check_signature(const ef_ota *ota) {
    uint8_t id[EF_OTA_KEY_ID_BYTES];
    if (ota->rules.public_key == NULL) {
        return EF_OTA_FINE;
    }
    ef_ota_key_id(ota->rules.public_key, id);
    if (memcmp(id, ota->image.key_id, sizeof id) != 0) {
        return EF_OTA_UNKNOWN_KEY;
    }
    return ef_ota_image_is_signed(ota->header, ota->rules.public_key) ? EF_OTA_FINE : EF_OTA_BAD_SIGNATURE;
}

/* Who signed it comes before what it says. */
static ef_ota_failure check_header(ef_ota *ota) {
    const ef_ota_rules *rules = &ota->rules;
    if (ef_ota_image_parse(ota->header, &ota->image) != EF_OK) {
        return EF_OTA_BAD_HEADER;
    }
    ef_ota_failure failure = check_signature(ota);
    if (failure != EF_OTA_FINE) {
        return failure;
    }
    if (ota->image.bytes != ota->left || ota->image.bytes > rules->port->room(rules->port->context)) {
        return EF_OTA_BAD_SIZE;
    }
    if (ota->image.chip != rules->chip || strcmp(ota->image.board, rules->board) != 0) {
        return EF_OTA_OTHER_BOARD;
    }
    return ota->image.counter < ef_ota_counter(ota) ? EF_OTA_DOWNGRADE : EF_OTA_FINE;
}

static ef_ota_failure check_bare(ef_ota *ota) {
    const ef_ota_rules *rules = &ota->rules;
    memset(ota->header, 0xFF, sizeof ota->header); /* as a note: none */
    ota->bare = true;
    if (rules->public_key != NULL || !rules->takes_unsigned) {
        return EF_OTA_UNSIGNED;
    }
    return ota->left > rules->port->room(rules->port->context) ? EF_OTA_BAD_SIZE : EF_OTA_FINE;
}

static ef_ota_failure open_slot(ef_ota *ota, ef_ota_failure failure) {
    if (failure != EF_OTA_FINE) {
        return fail(ota, failure);
    }
    ef_status opened = ota->rules.port->open(ota->rules.port->context);
    if (opened != EF_OK) {
        return flash_failed(ota, opened);
    }
    ota->phase = EF_OTA_IMAGE;
    return EF_OTA_FINE;
}

/* Take what belongs to the header; `*used` of the bytes. */
static ef_ota_failure take_header(ef_ota *ota, const uint8_t *bytes, size_t count, size_t *used) {
    *used = 0;
    if (ota->header_bytes == 0 && bytes[0] == EF_OTA_IMAGE_MAGIC) {
        return open_slot(ota, check_bare(ota));
    }
    size_t missing = EF_OTA_HEADER_BYTES - ota->header_bytes;
    *used = count < missing ? count : missing;
    memcpy(ota->header + ota->header_bytes, bytes, *used);
    ota->header_bytes += (uint32_t)*used;
    ota->left -= (uint32_t)*used;
    return *used < missing ? EF_OTA_FINE : open_slot(ota, check_header(ota));
}

/* Keep what of the next bytes of the image is its description. */
static void take_description(ef_ota *ota, const uint8_t *bytes, size_t count) {
    const uint32_t first = ota->total - (ota->bare ? 0u : EF_OTA_HEADER_BYTES) - ota->left;
    for (uint32_t at = first < EF_OTA_DESCRIBED_AT ? EF_OTA_DESCRIBED_AT : first;
         at < EF_OTA_DESCRIBED_AT + EF_OTA_DESCRIBED_BYTES && at - first < count; at++) {
        ota->description[at - EF_OTA_DESCRIBED_AT] = bytes[at - first];
    }
}

static bool has_its_version(const ef_ota *ota) {
    return ef_get32(ota->description) == DESCRIPTION_MAGIC &&
           memcmp(ota->description + VERSION_IN_DESCRIPTION, ota->image.version, EF_OTA_NAME_BYTES) == 0;
}

ef_ota_failure ef_ota_write(ef_ota *ota, const uint8_t *bytes, size_t count) {
    size_t used = 0;
    if (ota->phase != EF_OTA_HEADER && ota->phase != EF_OTA_IMAGE) {
        return EF_OTA_BUSY;
    }
    if (count > ota->left) {
        return fail(ota, EF_OTA_BAD_SIZE);
    }
    if (ota->phase == EF_OTA_HEADER && count > 0) {
        ef_ota_failure failure = take_header(ota, bytes, count, &used);
        if (failure != EF_OTA_FINE) {
            return failure;
        }
    }
    if (used == count) {
        return EF_OTA_FINE;
    }
    take_description(ota, bytes + used, count - used);
    ef_sha256_update(&ota->hash, bytes + used, count - used);
    ef_status written = ota->rules.port->write(ota->rules.port->context, bytes + used, (uint32_t)(count - used));
    if (written != EF_OK) {
        return flash_failed(ota, written);
    }
    ota->left -= (uint32_t)(count - used);
    return EF_OTA_FINE;
}

ef_ota_failure ef_ota_finish(ef_ota *ota) {
    const ef_ota_port *port = ota->rules.port;
    uint8_t digest[EF_SHA256_BYTES];
    if (ota->phase != EF_OTA_HEADER && ota->phase != EF_OTA_IMAGE) {
        return EF_OTA_BUSY;
    }
    if (ota->left > 0 || ota->phase == EF_OTA_HEADER) {
        return fail(ota, EF_OTA_INCOMPLETE);
    }
    ef_sha256_end(&ota->hash, digest);
    if (!ota->bare && memcmp(digest, ota->image.digest, sizeof digest) != 0) {
        return fail(ota, EF_OTA_BAD_DIGEST);
    }
    if (!ota->bare && !has_its_version(ota)) {
        return fail(ota, EF_OTA_OTHER_VERSION);
    }
    ef_status closed = port->close(port->context, ota->header);
    ota->phase = EF_OTA_HEADER; /* closed: nothing to drop */
    if (closed == EF_OK) {
        closed = port->select(port->context);
    }
    if (closed != EF_OK) {
        return flash_failed(ota, closed);
    }
    ota->phase = EF_OTA_SELECTED;
    return EF_OTA_FINE;
}

ef_ota_failure ef_ota_receive(ef_ota *ota, size_t bytes, const ef_ota_source *source,
                              uint8_t chunk[EF_OTA_CHUNK_BYTES]) {
    uint32_t begun_ms = source->now_ms(source->context);
    ef_ota_failure failure = ef_ota_begin(ota, bytes);
    while (failure == EF_OTA_FINE && ota->left > 0) {
        size_t most = ota->left < EF_OTA_CHUNK_BYTES ? ota->left : EF_OTA_CHUNK_BYTES;
        int count = source->receive(source->context, chunk, most);
        if (count < 0 || source->now_ms(source->context) - begun_ms > EF_OTA_MOST_MS) {
            return fail(ota, EF_OTA_TIMED_OUT);
        }
        if (count == 0) {
            return fail(ota, EF_OTA_INCOMPLETE);
        }
        failure = ef_ota_write(ota, chunk, (size_t)count);
    }
    return failure == EF_OTA_FINE ? ef_ota_finish(ota) : failure;
}

ef_ota_failure ef_ota_may_go_back(const ef_ota *ota, bool possible) {
    const ef_ota_port *port = ota->rules.port;
    uint8_t note[EF_OTA_HEADER_BYTES];
    ef_ota_image image = {.counter = 0};
    if (ota->phase != EF_OTA_IDLE) {
        return EF_OTA_BUSY;
    }
    if (!possible) {
        return EF_OTA_NOTHING_BEFORE;
    }
    bool known = port->note(port->context, false, note) && ef_ota_image_parse(note, &image) == EF_OK;
    return (known ? image.counter : 0) < ef_ota_counter(ota) ? EF_OTA_DOWNGRADE : EF_OTA_FINE;
}
