"""Who may enter a mosquitto: its file of passwords, and the rules that hold devices apart."""

import base64
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgeflow.errors import ConfigError

__all__ = ["DEVICE_RULES", "PasswordFile", "hash_password", "is_password", "write_rules"]

USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""A device's id, without the colon that ends a name in the file."""
SERVICES = frozenset({"backend", "ml", "edgeflow", "operator"})
DEVICE_RULES = (
    "pattern write sensor/%u/+",
    "pattern write device/%u/status",
    "pattern write device/%u/config/ack",
    "pattern read device/%u/config",
    "pattern read window/%u/control",
    "pattern read window/%u/override",
)
"""A device speaks for itself, and hears what is meant for it; ``%u`` is who logged in."""
SECRET_BYTES = 24
SALT_BYTES, ROUNDS, MOST_ROUNDS = 12, 1000, 1_000_000
MAX_FILE = 16 << 20
_SALT64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def hash_password(password: str, salt: bytes = b"", rounds: int = ROUNDS) -> str:
    """``$7$rounds$salt$hash`` as mosquitto 2 reads it: PBKDF2 with SHA-512."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${_base64(salt)}${_base64(digest)}"


def is_password(password: str, hashed: str) -> bool:
    """Whether a password is that of a ``$7$`` hash; False for any other kind."""
    parts = hashed.split("$")
    if len(parts) != 5 or parts[:2] != ["", "7"] or not parts[2].isascii():
        return False
    if not parts[2].isdecimal() or not 0 < int(parts[2][:9]) <= MOST_ROUNDS:
        return False
    if any(_SALT64.fullmatch(part) is None or len(part) % 4 for part in parts[3:]):
        return False
    salt = base64.b64decode(parts[3])
    return hmac.compare_digest(hash_password(password, salt, int(parts[2])), hashed)


class PasswordFile:
    """Users and hashes, a line each, as ``mosquitto_passwd`` writes them.

    Changes are whole or not at all, one program at a time; only the owner may read the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def users(self) -> dict[str, str]:
        """Hashes by user.

        Raises:
            ConfigError: it is no such file.
        """
        if not self.path.exists():
            return {}
        if self.path.stat().st_size > MAX_FILE:
            raise ConfigError(f"{self.path}: more than {MAX_FILE} bytes")
        found: dict[str, str] = {}
        for number, line in enumerate(self.path.read_text("utf-8", "replace").splitlines(), 1):
            user, colon, hashed = line.partition(":")
            if not line.strip():
                continue
            if not colon or not user or not hashed.startswith("$"):
                raise ConfigError(
                    f"{self.path}:{number}: no user and hash",
                    hint="mosquitto_passwd -U hashes a file of plain passwords",
                )
            found[user] = hashed
        return found

    def issue(self, devices: Sequence[str]) -> dict[str, str]:
        """Give each device a new secret, and return them: they are kept nowhere.

        Raises:
            ConfigError: what no device may be called, or the file is none of passwords.
        """
        for device in devices:
            _check(device)
        fresh = {device: secrets.token_urlsafe(SECRET_BYTES) for device in devices}
        with self._changing() as users:
            users |= {device: hash_password(secret) for device, secret in fresh.items()}
        return fresh

    def revoke(self, devices: Sequence[str]) -> None:
        """Let devices in no more.

        Raises:
            ConfigError: one has no credentials; nothing was changed.
        """
        with self._changing() as users:
            for device in devices:
                if users.pop(device, None) is None:
                    raise ConfigError(f"{self.path}: no credentials of {device[:80]!r}")

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(self.path.name + ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            users = self.users()
            yield users
            _replace(self.path, "".join(f"{user}:{users[user]}\n" for user in sorted(users)), 0o600)


def write_rules(path: Path) -> bool:
    """Add the rules of devices to an ACL file, made if it is missing; False if it has them."""
    text = path.read_text("utf-8") if path.exists() else ""
    have = {" ".join(line.split()) for line in text.splitlines()}
    missing = [rule for rule in DEVICE_RULES if rule not in have]
    if not missing:
        return False
    # Patterns hold for all users wherever they stand; a topic line after them would not.
    block = "# Devices: each speaks for itself, and hears what is meant for it.\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, block + "\n".join(missing) + "\n" + ("\n" + text if text else ""), 0o644)
    return True


def _check(device: str) -> None:
    if USER.fullmatch(device) is None:
        raise ConfigError(
            f"{device[:80]!r} cannot be the user name of a device",
            hint="1 to 64 letters, digits and _ . -, the first a letter or digit",
        )
    if device in SERVICES:
        raise ConfigError(f"{device} is the name of a service", hint="call the device otherwise")


def _replace(path: Path, text: str, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
