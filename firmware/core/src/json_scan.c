#include "edgeflow/json_scan.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define DEEPEST 8u

static bool ends(const ef_json *json) {
    return json->at >= json->size;
}

static char here(const ef_json *json) {
    return ends(json) ? '\0' : json->text[json->at];
}

static void skip_space(ef_json *json) {
    while (!ends(json) && (here(json) == ' ' || here(json) == '\t' || here(json) == '\n' || here(json) == '\r')) {
        json->at++;
    }
}

static bool take(ef_json *json, char wanted) {
    skip_space(json);
    if (ends(json) || here(json) != wanted) {
        return false;
    }
    json->at++;
    return true;
}

static bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

static bool is_hex(char character) {
    return is_digit(character) || (character >= 'a' && character <= 'f') || (character >= 'A' && character <= 'F');
}

static bool scan_escape(ef_json *json) {
    const char which = here(json);
    if (ends(json) || which == '\0' || strchr("\"\\/bfnrtu", which) == NULL) {
        return false;
    }
    json->at++;
    for (int i = 0; which == 'u' && i < 4; i++) {
        if (!is_hex(here(json))) {
            return false;
        }
        json->at++;
    }
    return true;
}

/* From behind the first quote to behind the last one. */
static bool scan_string(ef_json *json) {
    while (!ends(json)) {
        const char character = json->text[json->at++];
        if (character == '"') {
            return true;
        }
        if ((unsigned char)character < 0x20u || (character == '\\' && !scan_escape(json))) {
            return false;
        }
    }
    return false;
}

/* Digits into a number, as far as a double holds them; returns how many there were. */
static size_t scan_digits(ef_json *json, double *number) {
    const size_t first = json->at;
    while (is_digit(here(json))) {
        *number = *number * 10.0 + (here(json) - '0');
        json->at++;
    }
    return json->at - first;
}

static bool scan_exponent(ef_json *json, int *exponent) {
    if (here(json) != 'e' && here(json) != 'E') {
        return true;
    }
    json->at++;
    const bool negative = here(json) == '-';
    json->at += here(json) == '-' || here(json) == '+';
    double size = 0.0;
    if (scan_digits(json, &size) == 0) {
        return false;
    }
    *exponent = size > 400.0 ? 400 : (int)size;
    *exponent = negative ? -*exponent : *exponent;
    return true;
}

static double scaled(double number, int exponent) {
    for (; exponent > 0 && isfinite(number); exponent--) {
        number *= 10.0;
    }
    double divisor = 1.0;
    for (; exponent < 0 && number > 0.0; exponent++) {
        divisor *= 10.0;
        if (divisor > 1e300) {
            number /= divisor;
            divisor = 1.0;
        }
    }
    return number / divisor;
}

static bool scan_number(ef_json *json, double *number) {
    const bool negative = here(json) == '-';
    json->at += negative;
    const bool zero = here(json) == '0';
    double value = 0.0;
    int exponent = 0;
    const size_t whole = scan_digits(json, &value);
    if (whole == 0 || (zero && whole > 1)) {
        return false;
    }
    size_t parts = 0;
    if (here(json) == '.') {
        json->at++;
        parts = scan_digits(json, &value);
        if (parts == 0) {
            return false;
        }
    }
    if (!scan_exponent(json, &exponent)) {
        return false;
    }
    /* More than 300 digits behind the point would need more than a double has in front of it. */
    value = scaled(value, exponent - (parts > 300 ? 300 : (int)parts));
    *number = negative ? -value : value;
    return parts <= 300 && isfinite(value);
}

static bool scan_word(ef_json *json, const char *word) {
    const size_t size = strlen(word);
    if (json->size - json->at < size || memcmp(json->text + json->at, word, size) != 0) {
        return false;
    }
    json->at += size;
    return true;
}

/* A value that is neither object nor array. */
static bool scan_plain(ef_json *json, double *number) {
    switch (here(json)) {
    case '"':
        json->at++;
        return scan_string(json);
    case 't':
        return scan_word(json, "true");
    case 'f':
        return scan_word(json, "false");
    case 'n':
        return scan_word(json, "null");
    default:
        return scan_number(json, number);
    }
}

typedef struct nest {
    char closes[DEEPEST];
    unsigned depth;
} nest;

static bool scan_key(ef_json *json) {
    return take(json, '"') && scan_string(json) && take(json, ':');
}

/* Where a value must come: into what opens, to the first value within. */
static bool scan_or_enter(ef_json *json, nest *in) {
    double number;
    for (;;) {
        skip_space(json);
        const char opened = here(json);
        if (opened != '{' && opened != '[') {
            return scan_plain(json, &number);
        }
        if (in->depth == DEEPEST) {
            return false;
        }
        const char closes = opened == '{' ? '}' : ']';
        json->at++;
        in->closes[in->depth++] = closes;
        skip_space(json);
        if (here(json) == closes) {
            return true;
        }
        if (opened == '{' && !scan_key(json)) {
            return false;
        }
    }
}

static bool scan_value(ef_json *json) {
    nest in = {.depth = 0};
    if (!scan_or_enter(json, &in)) {
        return false;
    }
    while (in.depth > 0) {
        const char closes = in.closes[in.depth - 1u];
        if (take(json, closes)) {
            in.depth--;
        } else if (!take(json, ',') || (closes == '}' && !scan_key(json)) || !scan_or_enter(json, &in)) {
            return false;
        }
    }
    return true;
}

ef_status ef_json_open(ef_json *json, const char *text, size_t size) {
    *json = (ef_json){.text = text, .size = size};
    skip_space(json);
    const size_t first = json->at;
    json->status = EF_ERROR_TYPE;
    if (here(json) != '{' || !scan_value(json)) {
        return EF_ERROR_TYPE;
    }
    skip_space(json);
    if (!ends(json)) {
        return EF_ERROR_TYPE;
    }
    json->at = first + 1u;
    json->status = EF_OK;
    return EF_OK;
}

bool ef_json_next(ef_json *json, ef_json_member *member) {
    if (json->status != EF_OK) {
        return false;
    }
    (void)take(json, ',');
    if (!take(json, '"')) {
        return false;
    }
    member->key = json->text + json->at;
    (void)scan_string(json);
    member->key_size = (size_t)(json->text + json->at - member->key) - 1u;
    (void)take(json, ':');
    skip_space(json);
    member->kind = is_digit(here(json)) || here(json) == '-' ? EF_JSON_NUMBER : EF_JSON_OTHER;
    member->number = 0.0;
    if (member->kind == EF_JSON_NUMBER) {
        (void)scan_number(json, &member->number);
    } else {
        (void)scan_value(json);
    }
    return true;
}

ef_status ef_json_number(const char *text, size_t size, double *number) {
    ef_json json = {.text = text, .size = size};
    skip_space(&json);
    const bool read = scan_number(&json, number);
    skip_space(&json);
    return read && ends(&json) ? EF_OK : EF_ERROR_TYPE;
}

bool ef_json_is(const ef_json_member *member, const char *key) {
    return member->key_size == strlen(key) && memcmp(member->key, key, member->key_size) == 0;
}
