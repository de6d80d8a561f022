#!/bin/sh
# Makes the file of passwords, hashed, from the environment and the lists of devices; then the broker.
# passwords: as "edgeflow devices credentials" writes it, hashed.
# devices: a line a device, "id password"; ids as in topics, none of them a service's name.
# MQTT_TLS=1: TLS only, with the files of "edgeflow devices certificates" in tls.
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
if [ -f "$config/passwords" ]; then
    if grep -qE '^(backend|ml|edgeflow|operator):' "$config/passwords"; then
        echo "passwords: a device has the name of a service" >&2
        exit 1
    fi
    cat "$config/passwords" >>"$run/plain"
fi
twice=$(cut -d: -f1 "$run/plain" | sort | uniq -d)
[ -z "$twice" ] || { echo "devices: $twice is in passwords, too" >&2; exit 1; }
mv "$run/plain" "$run/passwords"
cp "$config/mosquitto.conf" "$run/mosquitto.conf"
if [ "${MQTT_TLS:-0}" = 1 ]; then
    mkdir -p "$run/tls"
    for file in ca.pem server.pem server.key; do
        cp "$config/tls/$file" "$run/tls/$file" || { echo "tls: edgeflow devices certificates makes $file" >&2; exit 1; }
    done
    {
        echo "listener ${MQTT_TLS_PORT:-8883}"
        echo "certfile $run/tls/server.pem"
        echo "keyfile $run/tls/server.key"
        echo "tls_version tlsv1.2"
        grep -v '^listener ' "$config/mosquitto.conf"
    } >"$run/mosquitto.conf"
fi
if [ "$(id -u)" = 0 ]; then
    chown -R mosquitto "$run"
fi
exec mosquitto -c "$run/mosquitto.conf"
