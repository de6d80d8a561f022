#include "edgeflow/text_writer.h"

#include <math.h>

#define MOST 1e18

static void put(ef_text *out, char character) {
    if (out->used < out->most) {
        out->to[out->used] = character;
    }
    out->used++;
}

void ef_text_put(ef_text *out, const char *text) {
    while (*text != '\0') {
        put(out, *text++);
    }
}

static void put_digits(ef_text *out, uint64_t number, unsigned least) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0 || count < least);
    while (count > 0) {
        put(out, digits[--count]);
    }
}

void ef_text_count(ef_text *out, uint64_t number) {
    put_digits(out, number, 1);
}

void ef_text_decimal(ef_text *out, double number, unsigned decimals) {
    uint64_t scale = 1;
    for (unsigned i = 0; i < decimals && i < 6; i++) {
        scale *= 10u;
    }
    const double size = isfinite(number) ? fabs(number) * (double)scale + 0.5 : 0.0;
    const uint64_t parts = (uint64_t)(size < MOST ? size : MOST);
    if (number < 0.0 && parts > 0) {
        put(out, '-');
    }
    put_digits(out, parts / scale, 1);
    if (scale > 1) {
        put(out, '.');
        put_digits(out, parts % scale, decimals < 6 ? decimals : 6);
    }
}

bool ef_text_end(ef_text *out) {
    const bool fits = out->used < out->most;
    if (out->most > 0) {
        out->to[fits ? out->used : out->most - 1u] = '\0';
    }
    return fits;
}
