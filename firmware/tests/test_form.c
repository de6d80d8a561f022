/* Fields of a form: as browsers write them, and as they must not be. */
#include "edgeflow/form.h"

#include <stdlib.h>

#include "check.h"

static char found[33];

static ef_status field(const char *form, const char *name) {
    const size_t size = strlen(form);
    char *copy = malloc(size + 1);
    memcpy(copy, form, size);
    const ef_status status = ef_form_field(copy, size, name, found, sizeof found);
    free(copy);
    return status;
}

static void test_fields(void) {
    static const char form[] = "ssid=My+home%20%26%20%C3%BC&password=&name=attic&names=x&name=second";
    CHECK(field(form, "ssid") == EF_OK && strcmp(found, "My home & \xc3\xbc") == 0);
    CHECK(field(form, "password") == EF_OK && found[0] == '\0');
    CHECK(field(form, "name") == EF_OK && strcmp(found, "attic") == 0);
    CHECK(field(form, "names") == EF_OK && strcmp(found, "x") == 0);
    CHECK_EQUAL(field(form, "sid"), EF_ERROR_TYPE);
    CHECK_EQUAL(field("", "ssid"), EF_ERROR_TYPE);
    CHECK_EQUAL(field("ssid", "ssid"), EF_ERROR_TYPE);
    CHECK(field("&&ssid=a%2b%2B", "ssid") == EF_OK && strcmp(found, "a++") == 0);
}

static void test_what_must_not_be(void) {
    static const char *const wrong[] = {"a=%", "a=%4", "a=%4g", "a=%g4", "a=%00", "a=x%0Ay", "a=x\ny", "a=%&b=41"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQUAL(field(wrong[i], "a"), EF_ERROR_SHAPE);
        CHECK(found[0] == '\0');
    }
    CHECK_EQUAL(field("a=12345678901234567890123456789012", "a"), EF_OK);
    CHECK_EQUAL(field("a=123456789012345678901234567890123", "a"), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_form_field("a=1", 3, "a", found, 0), EF_ERROR_LENGTH);
}

static void test_any_bytes(void) {
    uint32_t random = 13;
    int good = 0;
    for (int i = 0; i < 200000; i++) {
        char form[40];
        const size_t size = next_random(&random) % sizeof form;
        for (size_t at = 0; at < size; at++) {
            const uint32_t drawn = next_random(&random);
            form[at] = drawn & 0x300 ? "a=&%4+bF"[drawn % 8] : (char)drawn;
        }
        char *copy = malloc(size + 1);
        memcpy(copy, form, size);
        good += ef_form_field(copy, size, "a", found, sizeof found) == EF_OK;
        CHECK(memchr(found, '\0', sizeof found) != NULL);
        free(copy);
    }
    CHECK(good > 1000);
}

int main(void) {
    test_fields();
    test_what_must_not_be();
    test_any_bytes();
    return finish("form");
}
