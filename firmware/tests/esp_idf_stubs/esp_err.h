#ifndef ESP_ERR_H
#define ESP_ERR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
typedef int esp_err_t;
#define ESP_OK 0
#define ESP_FAIL -1
const char *esp_err_to_name(esp_err_t code);
#define ESP_ERROR_CHECK(x)                                                                                            \
    do {                                                                                                               \
        esp_err_t checked_ = (x);                                                                                      \
        if (checked_ != ESP_OK) {                                                                                      \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)
#endif
