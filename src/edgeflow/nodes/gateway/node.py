"""The node that shows frames to the outside."""

from typing import Any, ClassVar

from edgeflow.core.graph import Role
from edgeflow.errors import ConfigError
from edgeflow.nodes.base import Node
from edgeflow.nodes.gateway.interfaces.base import Interface

__all__ = ["GatewayNode"]


class GatewayNode(Node):
    """Hands every frame to its interfaces; attach them in ``configure``."""

    role: ClassVar[Role] = Role.GATEWAY

    def __init__(self, **options: Any) -> None:
        self.interfaces: list[Interface] = []
        super().__init__(**options)

    @property
    def takes_jpeg(self) -> bool:
        """True when every interface takes pictures as JPEG."""
        return bool(self.interfaces) and all(each.takes_jpeg for each in self.interfaces)

    def add_interface(self, interface: Interface) -> None:
        """Attach a protocol, for example ``WebInterface()``."""
        if not isinstance(interface, Interface):
            raise ConfigError(
                f"{type(interface).__name__} is not a gateway interface",
                hint="subclass edgeflow.nodes.gateway.interfaces.base.Interface",
            )
        self.interfaces.append(interface)
