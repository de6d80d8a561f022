"""One connection per broker for all who only publish."""

import asyncio
from dataclasses import dataclass

from edgeflow.comms.mqtt.client import MqttClient
from edgeflow.comms.mqtt.options import MqttOptions

__all__ = ["SharedClient", "share"]


@dataclass(slots=True, eq=False)
class _Shared:
    loop: asyncio.AbstractEventLoop
    client: MqttClient
    users: int = 0


@dataclass(slots=True)
class SharedClient:
    """A share in a client."""

    shared: _Shared | None

    @property
    def client(self) -> MqttClient:
        """The client; not to be stopped by one user."""
        if self.shared is None:
            raise RuntimeError("this share was released")
        return self.shared.client

    async def release(self, drain: float = 0.5) -> None:
        """Give the share back; the last one stops the client. Idempotent."""
        shared, self.shared = self.shared, None
        if shared is None:
            return
        shared.users -= 1
        if shared.users == 0:
            _clients.remove(shared)
            await shared.client.stop(drain)


_clients: list[_Shared] = []


async def share(options: MqttOptions) -> SharedClient:
    """Return a share in the client of this event loop with these very options.

    Raises:
        ConfigError, MissingExtraError: as ``MqttClient.start``.
    """
    loop = asyncio.get_running_loop()
    for shared in _clients:
        if shared.loop is loop and shared.client.options == options:
            shared.users += 1
            return SharedClient(shared)
    shared = _Shared(loop, MqttClient(options), users=1)
    _clients.append(shared)
    try:
        await shared.client.start()
    except BaseException:
        _clients.remove(shared)
        raise
    return SharedClient(shared)
