/* Documents that are JSON and those that are not, numbers beside strtod, and noise. */
#include "edgeflow/json_scan.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"

/* A copy without a byte behind it, so that reading on is seen. */
static char *exact(const char *text, size_t size) {
    char *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, text, size);
    return copy;
}

static ef_status open_text(const char *text, size_t size) {
    ef_json json;
    char *copy = exact(text, size);
    const ef_status status = ef_json_open(&json, copy, size);
    free(copy);
    return status;
}

static void test_what_is_an_object(void) {
    static const char *const good[] = {
        "{}", " {\t}\r\n", "{\"a\":1}", "{\"a\" : -0.5e+3 , \"b\":null}", "{\"a\":{\"b\":[1,2,{\"c\":[]}]},\"d\":\"\\u00fF\\n\"}",
        "{\"a\":[[[[[[[]]]]]]]}", "{\"\":true,\"\":false}", "{\"\xc3\xa9\":0}",
    };
    static const char *const bad[] = {
        "", "{", "}", "[]", "1", "{}x", "{}{}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\":01}", "{\"a\":1.}",
        "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":1e+}", "{\"a\":-}", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":1e309}",
        "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"}", "{\"a\":tru}", "{\"a\":[1}", "{\"a\":{]}", "{\"a\":[1,]}",
        "{\"a\":[[[[[[[[]]]]]]]]}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":\"\\", "{\"a\":nul",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_EQUAL(open_text(good[i], strlen(good[i])), EF_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!CHECK(open_text(bad[i], strlen(bad[i])) == EF_ERROR_TYPE)) {
            fprintf(stderr, "%s\n", bad[i]);
        }
    }
    CHECK_EQUAL(open_text("{\"a\0b\":1}", 9), EF_ERROR_TYPE);
    CHECK_EQUAL(open_text("{}\0", 3), EF_ERROR_TYPE);
}

static void test_members_in_their_order(void) {
    static const char text[] = "{\"first\":1.5,\"object\":{\"first\":9},\"text\":\"first\",\"list\":[4,5],\"last\":-2e3}";
    static const char *const keys[] = {"first", "object", "text", "list", "last"};
    ef_json json;
    ef_json_member member;
    CHECK_EQUAL(ef_json_open(&json, text, sizeof text - 1), EF_OK);
    for (size_t i = 0; i < 5; i++) {
        CHECK(ef_json_next(&json, &member) && ef_json_is(&member, keys[i]) && !ef_json_is(&member, "firs"));
        CHECK_EQUAL(member.kind, i % 4 == 0 ? EF_JSON_NUMBER : EF_JSON_OTHER);
        CHECK(i % 4 != 0 || member.number == (i == 0 ? 1.5 : -2000.0));
    }
    CHECK(!ef_json_next(&json, &member));
}

static void test_numbers_beside_strtod(void) {
    uint32_t random = 31;
    for (int i = 0; i < 50000; i++) {
        char text[64];
        const double drawn = (double)(int32_t)next_random(&random) / (double)(1u << next_random(&random) % 31);
        const int digits = (int)(next_random(&random) % 17), power = (int)(next_random(&random) % 560) - 280;
        const int size = i % 2 ? snprintf(text, sizeof text, "{\"v\":%.*fe%d}", digits % 8, drawn, power)
                               : snprintf(text, sizeof text, "{\"v\":%.*e}", digits, drawn);
        ef_json json;
        ef_json_member member;
        CHECK_EQUAL(ef_json_open(&json, text, (size_t)size), EF_OK);
        CHECK(ef_json_next(&json, &member));
        const double wanted = strtod(text + 5, NULL);
        if (!CHECK(fabs(member.number - wanted) <= fabs(wanted) * 1e-13 + 1e-300)) {
            fprintf(stderr, "%s %.17g\n", text, member.number);
        }
    }
}

static void test_a_number_alone(void) {
    static const char *const wrong[] = {"", " ", "-", "1 2", "1,", "{}", "\"1\"", "01", "1e999", "nan", "+1"};
    double number = 0.0;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *copy = exact(wrong[i], strlen(wrong[i]));
        CHECK_EQUAL(ef_json_number(copy, strlen(wrong[i]), &number), EF_ERROR_TYPE);
        free(copy);
    }
    CHECK(ef_json_number(" -12.5e1\r\n", 10, &number) == EF_OK && number == -125.0);
    CHECK(ef_json_number("12", 1, &number) == EF_OK && number == 1.0);
}

static void test_any_bytes(int rounds) {
    static const char pieces[] = "{}[]\",:0123456789eE+-.tfn \\u\"\"{}:,";
    uint32_t random = 41;
    int opened = 0;
    for (int i = 0; i < rounds; i++) {
        char text[24];
        const size_t size = next_random(&random) % sizeof text;
        for (size_t at = 0; at < size; at++) {
            text[at] = pieces[next_random(&random) % (sizeof pieces - 1)];
        }
        if (size > 1 && i % 2) {
            memcpy(text, "{\"", 2);
        }
        char *copy = exact(text, size);
        ef_json json;
        ef_json_member member;
        if (ef_json_open(&json, copy, size) == EF_OK) {
            opened++;
            while (ef_json_next(&json, &member)) {
                CHECK(isfinite(member.number) && member.key >= copy && member.key + member.key_size < copy + size);
            }
        }
        free(copy);
    }
    CHECK(opened > rounds / 20000);
}

int main(int count, char **arguments) {
    test_what_is_an_object();
    test_members_in_their_order();
    test_numbers_beside_strtod();
    test_a_number_alone();
    test_any_bytes((int)rounds_of(count, arguments, 40000, 400000, 400000));
    return finish("json_scan");
}
