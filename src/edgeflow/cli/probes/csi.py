"""CSI nodes: whether they and this machine reach each other."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeflow.cli.probes.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from edgeflow.sensing.reaching import Interface, Sender, WayBack

__all__ = ["Asked", "csi"]

ISOLATION = (
    "switch off AP isolation (client isolation) and whatever keeps WiFi and Ethernet apart "
    "at the router, or bring this machine into the WiFi network of the node"
)
MUCH_LOSS = 0.1
UFW = Path("/etc/ufw/ufw.conf")
FIREWALLD = Path("/run/firewalld")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look at.

    Attributes:
        node: its address; None listens to whomever.
        host: to bind; None for loopback, or all interfaces if the node is elsewhere.
        port: that nodes send to; ``ota_port``: where they answer.
        seconds: to listen.
    """

    node: str | None = None
    host: str | None = None
    port: int = 5005
    ota_port: int = 8032
    seconds: float = 5.0

    @property
    def bound(self) -> str:
        """The address to bind."""
        if self.host is not None:
            return self.host
        return "127.0.0.1" if self.node is None or _is_loopback(self.node) else "0.0.0.0"


def csi(asked: Asked) -> Iterator[Finding]:
    """Yield what is found, the verdict last."""
    from edgeflow.sensing.reaching import interfaces, is_free, listen, neighbours, way_back

    yield _core()
    known = interfaces()
    yield _networks(known)
    if asked.node is not None:
        yield _route(asked.node, known)
    yield from _firewall(asked)
    free = is_free(asked.bound, asked.port)
    yield _port(asked, free=free)
    senders = listen(asked.bound, [*neighbours(asked.port)], asked.seconds)
    yield from _packets(asked, senders, known)
    if asked.node is not None:
        back = way_back(asked.node, asked.ota_port)
        yield _back(asked, back)
        yield _verdict(asked, senders, back, listened=free)


def _core() -> Finding:
    from edgeflow.errors import EdgeFlowError

    try:
        from edgeflow._native.csi import CsiProcessor

        CsiProcessor()
    except EdgeFlowError as error:
        return fail("sensing core", error.message, error.hint or "pip install 'edgeflow[mcu]'")
    return ok("sensing core", "compiled")


def _networks(known: "list[Interface]") -> Finding:
    told = []
    for each in known:
        kind = ", wireless" if each.wireless else ""
        lacks = "" if each.broadcast or each.network.is_loopback else ", no broadcast"
        told.append(f"{each.network} on {each.name}{kind}{lacks}")
    if not told:
        return warn("networks", "this system does not tell its networks", "see ip address")
    return ok("networks", "; ".join(told))


def _route(node: str, known: "list[Interface]") -> Finding:
    from edgeflow.sensing.reaching import route_to

    own = route_to(node)
    if own is None:
        return fail("network of the node", f"there is no way to {node}", "join its network")
    mine = [each for each in known if str(each.network.ip) == own]
    provision = f"edgeflow provision --target-ip {own}"
    if not mine or _is_loopback(own) or _is_in(node, mine[0]):
        where = f" on {mine[0].name}, in one network" if mine else ""
        return ok("network of the node", f"{node} is reached from {own}{where}; {provision}")
    detail = f"{node} is not in {mine[0].network.network}, where this machine is ({mine[0].name})"
    advice = f"put both into one network, or let the router pass UDP; then {provision}"
    return warn("network of the node", detail, advice)


def _is_in(node: str, interface: "Interface") -> bool:
    import socket

    try:
        return ipaddress.IPv4Address(socket.gethostbyname(node)) in interface.network.network
    except (OSError, ValueError):
        return False


def _firewall(asked: Asked) -> Iterator[Finding]:
    if _is_loopback(asked.bound):
        return
    try:
        ufw = "ENABLED=yes" in UFW.read_text(errors="replace")
    except OSError:
        ufw = False
    if ufw:
        yield warn("firewall", "ufw is active", f"sudo ufw allow {asked.port}/udp")
    if FIREWALLD.exists():
        advice = f"sudo firewall-cmd --add-port={asked.port}/udp --permanent; then --reload"
        yield warn("firewall", "firewalld is active", advice)


def _port(asked: Asked, *, free: bool) -> Finding:
    place = f"{asked.bound}:{asked.port}"
    if free:
        return ok("UDP port", f"{place} is free")
    return warn("UDP port", f"{place} is taken: nothing can be heard there from here",
                f"end its owner (ss -lunp 'sport = :{asked.port}'), or ask it: edgeflow csi "
                "listen --http-port 8000 tells nodes at /api/csi/nodes")  # fmt: skip


def _packets(asked: Asked, senders: "list[Sender]", known: "list[Interface]") -> Iterator[Finding]:
    for each in senders[:16]:
        if each.node is None:
            yield warn("packets", f"{each.address} sends {each.packets} datagrams to port "
                       f"{each.port} that are no packets of nodes", "is that a node?")  # fmt: skip
        else:
            yield _sender(asked, each, known)
    if not senders:
        detail = f"none to {asked.bound}:{asked.port} within {asked.seconds:g} s"
        more = "name it: --node ADDRESS" if asked.node is None else "see below"
        advice = f"is the node on, and in the WiFi network? Its serial log says so; {more}"
        yield warn("packets", detail, advice)


def _sender(asked: Asked, each: "Sender", known: "list[Interface]") -> Finding:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(each.kinds.items()))
    detail = f"node {each.node} at {each.address}: {each.rate:.1f} packets/s ({kinds})"
    if each.port != asked.port:
        detail += f" to port {each.port}, not {asked.port}"
        advice = f"edgeflow provision --target-port {asked.port}, or listen --port {each.port}"
        return fail("packets", detail, advice)
    if _is_for_all(each.to, known):
        advice = "WiFi sends that slowly and without repeats: --target-ip of this machine"
        return warn("packets", f"{detail}, sent to everybody ({each.to})", advice)
    if each.loss.loss > MUCH_LOSS:
        advice = "bring the node nearer to the access point; or the channel is full"
        return warn("packets", f"{detail}, {each.loss.loss:.0%} lost", advice)
    return ok("packets", detail)


def _is_for_all(to: str, known: "list[Interface]") -> bool:
    """Return whether an address is that of everybody, or of a group."""
    if not to:
        return False
    broadcasts = {str(each.network.network.broadcast_address) for each in known}
    return to in broadcasts | {"255.255.255.255"} or ipaddress.IPv4Address(to).is_multicast


def _back(asked: Asked, back: "WayBack") -> Finding:
    place = f"{asked.node}:{asked.ota_port}"
    if back.state == "answers":
        return ok("way back", f"{place} answers, firmware {back.version or 'without version'}")
    if back.state == "refused":
        return warn("way back", f"{asked.node} is there, without updates at port {asked.ota_port}",
                    "its firmware has no update server, or it is off")  # fmt: skip
    if back.state == "odd":
        return warn("way back", f"{place} answers, but not as a node ({back.detail})",
                    "is that the address of a node?")  # fmt: skip
    return fail("way back", f"{place} does not answer ({back.detail})",
                "updates cannot reach it; see below")  # fmt: skip


def _verdict(asked: Asked, senders: "list[Sender]", back: "WayBack", *, listened: bool) -> Finding:
    name, node = "both ways", f"{asked.node}"
    came = [each for each in senders if each.node is not None and _is_from(each, node)]
    right = any(each.port == asked.port for each in came)
    there = back.state in ("answers", "refused")
    if right and there:
        return ok(name, f"{node} and this machine reach each other")
    if came and there:
        return fail(name, f"{node} sends to another port", "see packets")
    if came:
        return fail(name, f"packets come from {node}, and nothing goes back", ISOLATION)
    if there and not listened:
        return warn(name, f"{node} can be reached; whether it sends was not seen", "see UDP port")
    if there:
        return fail(name, f"{node} can be reached, and nothing comes from it",
                    "what is its --target-ip and --target-port? If they are right, the router or "
                    f"a firewall drops UDP: {ISOLATION}")  # fmt: skip
    return fail(name, f"{node} and this machine do not reach each other",
                f"is it on, and is that its address? If so, {ISOLATION}")  # fmt: skip


def _is_from(sender: "Sender", node: str) -> bool:
    import socket

    try:
        return sender.address == socket.gethostbyname(node)
    except OSError:
        return False


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
