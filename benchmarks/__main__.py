"""``python -m benchmarks [NAME ...] [--quick] [--json FILE]``: all benchmarks, or some."""

import sys

from benchmarks import (
    codecs,
    fan_out,
    in_process,
    mjpeg,
    same_host,
    sensor_to_action,
    through_redis,
)
from benchmarks.climate import clients, ingest, queries
from benchmarks.climate import latency as climate_latency
from benchmarks.csi import compression, core, latency, parse
from benchmarks.csi import crowd as csi_crowd
from benchmarks.inference import growth, serving
from benchmarks.mcu import crowd, swaps, wire
from benchmarks.report import main
from benchmarks.scale import study

BENCHMARKS = {
    "same_host": same_host.run,
    "through_redis": through_redis.run,
    "in_process": in_process.run,
    "fan_out": fan_out.run,
    "mjpeg": mjpeg.run,
    "codecs": codecs.run,
    "inference": serving.run,
    "inference_growth": growth.run,
    "sensor_to_action": sensor_to_action.run,
    "mcu_wire": wire.run,
    "mcu_swap": swaps.run,
    "mcu_boards": crowd.run,
    "csi_core": core.run,
    "csi_nodes": csi_crowd.run,
    "csi_latency": latency.run,
    "csi_parse": parse.run,
    "csi_compression": compression.run,
    "climate_ingest": ingest.run,
    "climate_clients": clients.run,
    "climate_latency": climate_latency.run,
    "climate_queries": queries.run,
    "scale": study.run,
}

if __name__ == "__main__":
    sys.exit(main(BENCHMARKS))
