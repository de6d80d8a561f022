#!/bin/sh
# Serves the board at SERIAL_PORT; UART_BAUD and IDF_BAUD are read from the environment by the server itself.
set -eu
exec edgeflow mcu serve --port "${SERIAL_PORT:-/dev/ttyACM0}" --http-host 0.0.0.0 --http-port "${PORT:-8080}" "$@"
