"""EdgeFlow: one platform from sensor to decision.

The public names are loaded on first use, so ``import edgeflow`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeflow.app import EdgeApp
    from edgeflow.comms.brokers import DualRedisBroker, RedisBroker
    from edgeflow.core.frame import Frame
    from edgeflow.core.qos import QoS

__version__ = "0.3.0"
__all__ = ["DualRedisBroker", "EdgeApp", "Frame", "QoS", "RedisBroker", "__version__"]

_HOMES = {
    "EdgeApp": "edgeflow.app",
    "RedisBroker": "edgeflow.comms.brokers",
    "DualRedisBroker": "edgeflow.comms.brokers",
    "Frame": "edgeflow.core.frame",
    "QoS": "edgeflow.core.qos",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'edgeflow' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
