"""Keys of an app, all under ``edgeflow/APP/``."""

from urllib.parse import quote, unquote

__all__ = ["Keys", "chunk", "name_of"]


def chunk(name: str) -> str:
    """Return a name as one part of a key or of a path."""
    return quote(name, safe="").replace(".", "%2E") or "%"


def name_of(part: str) -> str:
    """Return the name that ``chunk`` made ``part`` of."""
    return "" if part == "%" else unquote(part)


class Keys:
    """Names of the keys of one app."""

    def __init__(self, app: str) -> None:
        self.prefix = f"edgeflow/{chunk(app)}"
        self.live = f"{self.prefix}/live"

    def inbox(self, peer: str) -> str:
        """Where a broker gets its messages."""
        return f"{self.prefix}/in/{peer}"

    def peer(self, peer: str) -> str:
        """Token of a broker."""
        return f"{self.live}/peer/{peer}"

    def source(self, topic: str, peer: str, source: str) -> str:
        """Token of a source."""
        return f"{self.live}/pub/{chunk(topic)}/{peer}/{source}"

    def member(self, group: str, number: int, stage: str, peer: str) -> str:
        """Token of a member that ``held`` a number or lays ``claim`` to it."""
        return f"{self.live}/member/{chunk(group)}/{number}/{stage}/{peer}"

    def report(self, member: str) -> str:
        """Report of a member."""
        return f"{self.prefix}/board/{chunk(member)}"
