"""Where the sockets of topics are: ``RUN_DIR/app/topics/topic/publisher.sock``."""

import contextlib
import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from edgeflow.errors import CommsError, ConfigError

__all__ = ["connect", "leave", "listen", "live_topics", "sockets_in", "topic_folder"]

MAX_FOLDER_NAME = 120
MAX_SOCKET_PATH = 107
"""Bytes of a path in ``sockaddr_un`` (108) without the final zero."""

_HINT = "set EDGEFLOW_RUN_DIR to a writable folder on a local file system"
_ATTEMPTS = 3
_NAME_FILE = "name"
_SUFFIX = ".sock"


def topic_folder(run_dir: Path, app: str, topic: str) -> Path:
    """Return the folder of the sockets of all publishers of ``topic``; creates nothing."""
    return run_dir / _encode(app) / "topics" / _encode(topic)


def listen(folder: Path, topic: str, backlog: int) -> tuple[socket.socket, Path]:
    """Return a listening socket with a name of its own in ``folder``, and its path.

    The name appears when connections are accepted, never before.

    Raises:
        ConfigError: the run folder belongs to somebody else.
        CommsError: the socket cannot be created there.
    """
    try:
        for _ in range(_ATTEMPTS):
            _make_private(folder)
            with contextlib.suppress(FileNotFoundError):  # its last publisher just removed it
                return _bind(folder, topic, backlog)
    except OSError as error:
        raise CommsError(f"cannot listen in {folder}: {error}", hint=_HINT) from error
    raise CommsError(f"cannot listen in {folder}: it is removed again and again", hint=_HINT)


def _bind(folder: Path, topic: str, backlog: int) -> tuple[socket.socket, Path]:
    identity = f"{os.getpid()}-{secrets.token_hex(4)}"
    if _is_hashed(topic):
        (folder / _NAME_FILE).write_text(topic, encoding="utf-8")
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _short(folder) as base:
            server.bind(f"{base}/{identity}.new")
        server.listen(backlog)
        server.setblocking(False)
        path = folder / f"{identity}{_SUFFIX}"
        (folder / f"{identity}.new").rename(path)
    except BaseException:
        server.close()
        raise
    return server, path


def leave(server: socket.socket, path: Path) -> None:
    """Undo ``listen``; the folder goes with its last publisher."""
    with contextlib.suppress(OSError):
        path.unlink()
        path.parent.rmdir()
    server.close()


def connect(folder: Path, name: str) -> socket.socket | None:
    """Return a non-blocking connection to one publisher, or None when it is not there.

    The socket file of a dead publisher is removed.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.setblocking(False)
    try:
        with _short(folder) as base:
            client.connect(f"{base}/{name}")
        return client
    except ConnectionRefusedError:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    except OSError:  # gone since it was listed, or its backlog is full: the next scan tells
        pass
    client.close()
    return None


def sockets_in(folder: Path) -> list[str]:
    """Return the names of the sockets of publishers, dead ones included."""
    try:
        return [name for name in os.listdir(folder) if name.endswith(_SUFFIX)]  # noqa: PTH208 - names only, and often
    except OSError:
        return []


def live_topics(run_dir: Path, app: str) -> list[str]:
    """Return the topics that have a publisher, sorted."""
    topics = run_dir / _encode(app) / "topics"
    try:
        folders = [entry for entry in topics.iterdir() if entry.is_dir()]
    except OSError:
        return []
    return sorted(_decode(folder) for folder in folders if _is_live(folder))


def _is_live(folder: Path) -> bool:
    for name in sockets_in(folder):
        client = connect(folder, name)
        if client is not None:
            client.close()
            return True
    return False


def _encode(name: str) -> str:
    if not name:
        raise ConfigError("the name of an app or topic is empty", hint="give it a name")
    quoted = quote(name, safe="")
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) <= MAX_FOLDER_NAME:
        return quoted
    return f"{quoted[:80]}~{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def _is_hashed(name: str) -> bool:
    return unquote(_encode(name)) != name


def _decode(folder: Path) -> str:
    try:
        return (folder / _NAME_FILE).read_text(encoding="utf-8")
    except OSError:
        return unquote(folder.name)


def _make_private(folder: Path) -> None:
    """Create ``folder`` and those above it for this user only."""
    topics = folder.parent
    for part in (topics.parent.parent, topics.parent, topics, folder):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = topics.parent.parent.stat().st_uid
    if owner not in (os.getuid(), 0):
        raise ConfigError(
            f"the run folder {topics.parent.parent} belongs to user {owner}",
            hint="set EDGEFLOW_RUN_DIR to a folder of your own",
        )


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Yield a path of ``folder`` short enough for a socket address."""
    if len(os.fsencode(folder)) + 48 <= MAX_SOCKET_PATH:
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
