/* The defaults of main/Kconfig.projbuild; the wire is chosen on the command line. */
#ifndef SDKCONFIG_H
#define SDKCONFIG_H
#define CONFIG_IDF_TARGET_ESP32S3 1
#define CONFIG_FREERTOS_HZ 1000
#ifdef STUB_WIRE_USB
#define CONFIG_EDGEFLOW_WIRE_USB 1
#else
#define CONFIG_EDGEFLOW_WIRE_UART0 1
#define CONFIG_EDGEFLOW_BAUD 115200
#endif
#define CONFIG_EDGEFLOW_MODEL_IDS 4
#define CONFIG_EDGEFLOW_ARENA_BYTES 65536
#define CONFIG_EDGEFLOW_WINDOW_BYTES 32768
#endif
