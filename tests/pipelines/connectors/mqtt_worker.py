"""A process that is killed: writes each message down, then acknowledges it.

Arguments: port, file. Prints ``ready`` once it is connected.
"""

import asyncio
import sys
from pathlib import Path

from edgeflow.pipelines.connectors.mqtt import MqttConnector, MqttRoute


async def main(port: str, path: Path) -> None:
    options = MqttConnector.Options(host="127.0.0.1", port=int(port), reconnect_interval=0.1)
    route = MqttRoute(filter="numbers/+", pipeline="p", serializer="raw")
    connector = MqttConnector("worker", options, (route,))
    await connector.start()
    await connector._client.wait_connected(20)
    print("ready", flush=True)
    with path.open("a", buffering=1) as written:
        async for message in connector.iter_messages():
            mark = "again" if message.metadata["duplicate"] else "first"
            written.write(f"{message.payload.decode()} {mark}\n")
            await asyncio.sleep(0.001)
            await connector.acknowledge(message)


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
