#!/bin/bash
# Builds the firmware, and flashes it when FLASH_FIRMWARE=1; flash errors end the container with their status.
set -euo pipefail
. "${IDF_PATH:-/opt/esp/idf}/export.sh" >/dev/null
project=${ESP_PROJECT:-/project/esp32/model_client}
idf.py -C "$project" build
if [ "${FLASH_FIRMWARE:-0}" = 1 ]; then
    idf.py -C "$project" -p "${SERIAL_PORT:-/dev/ttyACM0}" -b "${IDF_BAUD:-921600}" flash
elif [ "${FLASH_SPIFFS_DEFAULT:-0}" = 1 ]; then
    idf.py -C "$project" -p "${SERIAL_PORT:-/dev/ttyACM0}" -b "${IDF_BAUD:-921600}" model-flash
fi
