#ifndef FREERTOS_SEMPHR_H
#define FREERTOS_SEMPHR_H
#include "freertos/FreeRTOS.h"
typedef struct stub_semaphore *SemaphoreHandle_t;
SemaphoreHandle_t xSemaphoreCreateMutex(void);
SemaphoreHandle_t xSemaphoreCreateBinary(void);
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks);
BaseType_t xSemaphoreGiveFromISR(SemaphoreHandle_t semaphore, BaseType_t *woken);
BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore);
#endif
