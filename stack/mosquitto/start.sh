#!/bin/sh
# Makes the file of passwords, hashed, from the environment and the list of devices; then the broker.
# devices: a line a device, "id password"; ids as in topics, none of them a service's name.
set -eu
config=${MOSQUITTO_CONFIG:-/mosquitto/config}
run=${MOSQUITTO_RUN:-/mosquitto/run}
mkdir -p "$run"
umask 077
{
    printf 'backend:%s\n' "${MQTT_BACKEND_PASSWORD:?is not set}"
    printf 'ml:%s\n' "${MQTT_ML_PASSWORD:?is not set}"
    printf 'edgeflow:%s\n' "${MQTT_EDGEFLOW_PASSWORD:?is not set}"
    printf 'operator:%s\n' "${MQTT_OPERATOR_PASSWORD:?is not set}"
    if [ -f "$config/devices" ]; then
        while read -r id password rest; do
            case "$id" in
            '' | '#'*) continue ;;
            backend | ml | edgeflow | operator)
                echo "devices: $id is the name of a service" >&2
                exit 1
                ;;
            *[!A-Za-z0-9_.-]*)
                echo "devices: $id is no id of a device" >&2
                exit 1
                ;;
            esac
            [ -n "$password" ] && [ -z "$rest" ] || { echo "devices: $id needs one password" >&2; exit 1; }
            printf '%s:%s\n' "$id" "$password"
        done <"$config/devices"
    fi
} >"$run/plain"
mosquitto_passwd -U "$run/plain"
mv "$run/plain" "$run/passwords"
if [ "$(id -u)" = 0 ]; then
    chown mosquitto "$run" "$run/passwords"
fi
exec mosquitto -c "$config/mosquitto.conf"
