#include "edgeflow/host_boot.h"

#include <string.h>

#include "edgeflow/checksum.h"

#define HEADER_BYTES 24u
#define MOST_SEGMENTS 16u
#define HASHED_AT 23u

typedef struct records {
    uint8_t bytes[2][EF_OTA_ENTRY_BYTES];
    ef_ota_entry entry[2];
    bool holds[2];
    ef_ota_entry chosen;
    int active;
} records;

static uint32_t word_at(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static bool is_hashed_right(const uint8_t *bytes, uint32_t length) {
    ef_sha256 hash;
    uint8_t digest[EF_SHA256_BYTES];
    ef_sha256_begin(&hash);
    ef_sha256_update(&hash, bytes, length);
    ef_sha256_end(&hash, digest);
    return memcmp(digest, bytes + length, sizeof digest) == 0;
}

uint32_t ef_host_image_length(const uint8_t *bytes, uint32_t most) {
    if (most < HEADER_BYTES || bytes[0] != EF_OTA_IMAGE_MAGIC || bytes[1] == 0 || bytes[1] > MOST_SEGMENTS) {
        return 0;
    }
    uint32_t at = HEADER_BYTES;
    uint8_t sum = 0xEF;
    for (unsigned segment = 0; segment < bytes[1]; segment++) {
        if (most - at < 8u || word_at(bytes + at + 4u) > most - at - 8u) {
            return 0;
        }
        uint32_t end = at + 8u + word_at(bytes + at + 4u);
        for (at += 8u; at < end; at++) {
            sum ^= bytes[at];
        }
    }
    uint32_t length = (at | 15u) + 1u; /* the checksum is the last byte of a line of 16 */
    uint32_t hash = bytes[HASHED_AT] != 0 ? EF_SHA256_BYTES : 0;
    if (length > most || hash > most - length || bytes[length - 1u] != sum) {
        return 0;
    }
    return hash == 0 || is_hashed_right(bytes, length) ? length + hash : 0;
}

static bool would_boot(const ef_host_boot *boot, int slot) {
    const ef_flash *flash = boot->slot[slot];
    return ef_host_image_length(flash->map(flash->context), flash->size - flash->sector_size) > 0;
}

static void read_records(const ef_host_boot *boot, records *found) {
    const ef_flash *data = boot->data;
    for (uint32_t i = 0; i < 2; i++) {
        if (data->read(data->context, i * data->sector_size, found->bytes[i], EF_OTA_ENTRY_BYTES) != EF_OK) {
            memset(found->bytes[i], 0xFF, EF_OTA_ENTRY_BYTES);
        }
        found->holds[i] = ef_ota_entry_get(found->bytes[i], &found->entry[i]);
    }
    found->active = ef_ota_entry_active(found->bytes[0], found->bytes[1], &found->chosen);
}

static ef_status write_record(ef_host_boot *boot, int which, uint32_t sequence, ef_ota_state state) {
    const ef_flash *data = boot->data;
    uint8_t bytes[EF_OTA_ENTRY_BYTES];
    uint32_t offset = (uint32_t)which * data->sector_size;
    ef_ota_entry_put(bytes, &(ef_ota_entry){.sequence = sequence, .state = state});
    ef_status done = data->erase(data->context, offset);
    return done == EF_OK ? data->program(data->context, offset, bytes, sizeof bytes) : done;
}

static int slot_of(uint32_t sequence) {
    return (int)((sequence - 1u) % 2u);
}

/* In the loader's words: never written, or written off. */
static bool is_out(const ef_ota_entry *entry) {
    return entry->sequence == UINT32_MAX || entry->state == EF_OTA_INVALID || entry->state == EF_OTA_ABORTED;
}

/* The slot to try first; -1: none is named. A write that fails is the power's end, and comes again. */
static int choose(ef_host_boot *boot, bool *initial) {
    records found;
    read_records(boot, &found);
    for (int i = 0; i < 2; i++) {
        if (found.entry[i].state == EF_OTA_PENDING) {
            (void)write_record(boot, i, found.entry[i].sequence, EF_OTA_ABORTED);
        }
    }
    read_records(boot, &found);
    if (is_out(&found.entry[0]) && is_out(&found.entry[1])) {
        *initial = !found.holds[0] && !found.holds[1];
        return 0;
    }
    if (found.active < 0) {
        return -1;
    }
    if (found.chosen.state == EF_OTA_NEW) {
        (void)write_record(boot, found.active, found.chosen.sequence, EF_OTA_PENDING);
    }
    return slot_of(found.chosen.sequence);
}

int ef_host_boot_start(ef_host_boot *boot) {
    bool initial = false;
    int first = choose(boot, &initial);
    int second = first == 1 ? 0 : 1;
    first = first < 0 ? 0 : first;
    boot->open = false;
    boot->running = would_boot(boot, first) ? first : would_boot(boot, second) ? second : -1;
    if (initial && boot->running >= 0) {
        (void)write_record(boot, 0, (uint32_t)boot->running + 1u, EF_OTA_VALID);
    }
    return boot->running;
}

/* The record of a slot that counts most, or -1. */
static int record_of(const records *found, int slot) {
    int best = -1;
    for (int i = 0; i < 2; i++) {
        if (found->holds[i] && slot_of(found->entry[i].sequence) == slot &&
            (best < 0 || found->entry[i].sequence > found->entry[best].sequence)) {
            best = i;
        }
    }
    return best;
}

ef_status ef_host_boot_keep(ef_host_boot *boot) {
    records found;
    read_records(boot, &found);
    if (found.active < 0 || found.chosen.state == EF_OTA_VALID) {
        return EF_OK;
    }
    return write_record(boot, found.active, found.chosen.sequence, EF_OTA_VALID);
}

bool ef_host_boot_can_go_back(const ef_host_boot *boot) {
    records found;
    read_records(boot, &found);
    int other = 1 - found.active;
    if (found.active < 0 || !found.holds[other] || is_out(&found.entry[other])) {
        return false;
    }
    int slot = slot_of(found.entry[other].sequence);
    return slot != boot->running && would_boot(boot, slot);
}

ef_status ef_host_boot_give_up(ef_host_boot *boot) {
    records found;
    if (!ef_host_boot_can_go_back(boot)) {
        return EF_ERROR_STATE;
    }
    read_records(boot, &found);
    return write_record(boot, found.active, found.chosen.sequence, EF_OTA_INVALID);
}

uint32_t ef_host_boot_sequence(const ef_host_boot *boot) {
    records found;
    read_records(boot, &found);
    return found.active < 0 ? 0 : found.chosen.sequence;
}

static const ef_flash *other_slot(const ef_host_boot *boot) {
    return boot->slot[boot->running == 0 ? 1 : 0];
}

static uint32_t room(void *context) {
    const ef_flash *flash = other_slot(context);
    return flash->size - flash->sector_size;
}

static ef_status open_slot(void *context) {
    ef_host_boot *boot = context;
    boot->written = boot->erased = 0;
    boot->open = true;
    return boot->running < 0 ? EF_ERROR_STATE : EF_OK;
}

static ef_status put_word(ef_host_boot *boot) {
    const ef_flash *flash = other_slot(boot);
    uint32_t at = (boot->written - 1u) & ~3u;
    if (at >= boot->erased) {
        ef_status erased = flash->erase(flash->context, boot->erased);
        if (erased != EF_OK) {
            return erased;
        }
        boot->erased += flash->sector_size;
    }
    return flash->program(flash->context, at, boot->word, sizeof boot->word);
}

static ef_status write_slot(void *context, const uint8_t *bytes, uint32_t count) {
    ef_host_boot *boot = context;
    ef_status done = EF_OK;
    if (!boot->open || count > room(boot) - boot->written) {
        return EF_ERROR_SPACE;
    }
    for (uint32_t i = 0; i < count && done == EF_OK; i++) {
        boot->word[boot->written++ % 4u] = bytes[i];
        if (boot->written % 4u == 0) {
            done = put_word(boot);
        }
    }
    return done;
}

static ef_status put_note(ef_host_boot *boot, const uint8_t note[EF_OTA_HEADER_BYTES]) {
    const ef_flash *flash = other_slot(boot);
    uint32_t at = flash->size - flash->sector_size;
    ef_status done = flash->erase(flash->context, at);
    return done == EF_OK ? flash->program(flash->context, at, note, EF_OTA_HEADER_BYTES) : done;
}

static ef_status close_slot(void *context, const uint8_t note[EF_OTA_HEADER_BYTES]) {
    ef_host_boot *boot = context;
    ef_status done = EF_OK;
    if (boot->written % 4u != 0) {
        memset(boot->word + boot->written % 4u, 0xFF, 4u - boot->written % 4u);
        done = put_word(boot);
    }
    boot->open = false;
    if (done == EF_OK) {
        done = would_boot(boot, 1 - boot->running) ? put_note(boot, note) : EF_ERROR_MODEL;
    }
    return done;
}

/* The smallest sequence above the one that counts which names the slot; into the record that does not count. */
static ef_status select_slot(void *context) {
    ef_host_boot *boot = context;
    records found;
    read_records(boot, &found);
    uint32_t sequence = found.active < 0 ? 1u : found.chosen.sequence + 1u;
    if (slot_of(sequence) != 1 - boot->running) {
        sequence++;
    }
    return write_record(boot, found.active == 0 ? 1 : 0, sequence, EF_OTA_NEW);
}

static void drop(void *context) {
    ef_host_boot *boot = context;
    boot->open = false;
}

static bool read_note(void *context, bool running, uint8_t note[EF_OTA_HEADER_BYTES]) {
    const ef_host_boot *boot = context;
    if (boot->running < 0) {
        return false;
    }
    const ef_flash *flash = boot->slot[running ? boot->running : 1 - boot->running];
    return flash->read(flash->context, flash->size - flash->sector_size, note, EF_OTA_HEADER_BYTES) == EF_OK;
}

static ef_ota_state read_state(void *context, bool running) {
    const ef_host_boot *boot = context;
    records found;
    read_records(boot, &found);
    int which = boot->running < 0 ? -1 : record_of(&found, running ? boot->running : 1 - boot->running);
    return which < 0 ? EF_OTA_UNDEFINED : found.entry[which].state;
}

void ef_host_boot_open(ef_host_boot *boot, const ef_flash *data, const ef_flash *slot_0, const ef_flash *slot_1) {
    *boot = (ef_host_boot){
        .port = {.context = boot,
                 .room = room,
                 .open = open_slot,
                 .write = write_slot,
                 .close = close_slot,
                 .select = select_slot,
                 .drop = drop,
                 .note = read_note,
                 .state = read_state},
        .data = data,
        .slot = {slot_0, slot_1},
        .running = -1,
    };
}
