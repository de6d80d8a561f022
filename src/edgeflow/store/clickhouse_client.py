"""A connection to ClickHouse that is made when it is needed, to a server or to chdb."""

import contextlib
import importlib.util
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from edgeflow.errors import MissingExtraError, StoreError, did_you_mean

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

__all__ = ["ClickHouse", "ClickHousePlace"]

CONNECT_SECONDS = 3
ANSWER_SECONDS = 30
UNKNOWN_DATABASE = 81
EXAMPLES = "clickhouse://user:password@host:8123/iot or chdb:///climate.chdb"
_OPTIONS = ("keep_days", "secure")


@dataclass(frozen=True, slots=True)
class ClickHousePlace:
    """Where tables are.

    Attributes:
        path: of chdb's folder; empty for a server.
        keep_days: rows older than so many days go; 0 keeps them.
    """

    path: str = ""
    host: str = ""
    port: int = 8123
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "default"
    secure: bool = False
    keep_days: int = 0

    @classmethod
    def from_url(cls, url: str) -> "ClickHousePlace":
        """Of ``clickhouse://user:password@host:8123/database`` or ``chdb:///path``.

        ``?keep_days=400`` lets old rows go, ``?secure=true`` speaks TLS. Like SQLite's, a path
        with one more slash begins at the root.

        Raises:
            StoreError: the URL makes no sense.
        """
        try:
            parts = urlsplit(url)
            options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
            for name in options:
                if name not in _OPTIONS:
                    raise ValueError(f"no option {name!r}; {did_you_mean(name, _OPTIONS)}")
            keep_days = int(options.get("keep_days", "0"))
            if not 0 <= keep_days <= 36_500:
                raise ValueError("keep_days is 0 to 36500")
            if parts.scheme == "chdb":
                path = unquote(parts.netloc + parts.path.removeprefix("/"))
                if not path or parts.netloc:
                    raise ValueError("it names no folder")
                return cls(path=path, keep_days=keep_days)
            secure = options.get("secure", "false") == "true"
            return cls(
                host=parts.hostname or "127.0.0.1",
                port=parts.port or (8443 if secure else 8123),
                user=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                database=unquote(parts.path.strip("/")) or "default",
                secure=secure,
                keep_days=keep_days,
            )
        except ValueError as error:
            scheme = url.partition("://")[0]
            raise StoreError(f"a {scheme} URL: {error}", hint=f"for example {EXAMPLES}") from error

    def __str__(self) -> str:
        if self.path:
            return f"chdb:{self.path}"
        return f"clickhouse://{self.host}:{self.port}/{self.database}"


class ClickHouse:
    """One engine for reading, and one for writing beside it. Thread-safe.

    Raises:
        MissingExtraError: a package is missing.
    """

    def __init__(self, place: ClickHousePlace) -> None:
        for module in ("clickhouse_connect", *(("chdb",) if place.path else ())):
            if importlib.util.find_spec(module) is None:
                extra = "chdb" if place.path else "clickhouse"
                raise MissingExtraError(module, extra)
        self._place = place
        self._connecting = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._is_closed = False

    def __str__(self) -> str:
        return str(self._place)

    def command(self, statement: str, settings: Mapping[str, Any] | None = None) -> None:
        """Run a statement that answers nothing; raises StoreError, as all of these do."""
        with self._errors():
            self._client("write").command(statement, settings=dict(settings or {}))

    def read(
        self, question: str, values: Mapping[str, Any] | None = None, *, beside: bool = True
    ) -> list[tuple[Any, ...]]:
        """Rows of a question with ``{name:Type}`` for values; ``beside`` what is written."""
        with self._errors():
            client = self._client("read" if beside else "write")
            found = client.query(question, parameters=dict(values or {}))
            return [tuple(row) for row in found.result_rows]

    def write(
        self,
        table: str,
        names: Sequence[str],
        types: Sequence[str],
        rows: Sequence[Sequence[Any]],
        settings: Mapping[str, Any],
    ) -> None:
        """Insert rows as one block."""
        with self._errors():
            self._client("write").insert(
                table,
                rows,
                column_names=list(names),
                column_type_names=list(types),
                settings=dict(settings),
            )

    def close(self) -> None:
        """Close what is open. Idempotent."""
        with self._connecting:
            self._is_closed = True
            clients, self._clients = self._clients, {}
        for client in {id(each): each for each in clients.values()}.values():
            client.close()

    def _client(self, use: str) -> "Client":
        # A server's client may be shared by threads; one of chdb does one thing at a time.
        key = use if self._place.path else "shared"
        with self._connecting:
            if self._is_closed:
                raise StoreError(f"{self} is closed")
            if key not in self._clients:
                self._clients[key] = _connected(self._place)
            return self._clients[key]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        from clickhouse_connect.driver.exceptions import ClickHouseError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except (ClickHouseError, HTTPError, OSError) as error:
            raise StoreError(f"{self}: {_short(error)}", hint=_hint(error)) from error


def _connected(place: ClickHousePlace) -> "Client":
    from clickhouse_connect.driver.exceptions import DatabaseError

    if place.path:
        import clickhouse_connect

        Path(place.path).mkdir(parents=True, exist_ok=True)
        return clickhouse_connect.get_client(interface="chdb", path=place.path)
    try:
        return _of_server(place, place.database)
    except DatabaseError as error:
        if getattr(error, "code", None) != UNKNOWN_DATABASE:
            raise
    asking = _of_server(place, "default")
    try:
        asking.command(f"CREATE DATABASE IF NOT EXISTS `{place.database.replace('`', '')}`")
    finally:
        asking.close()
    return _of_server(place, place.database)


def _of_server(place: ClickHousePlace, database: str) -> "Client":
    import clickhouse_connect

    return clickhouse_connect.get_client(
        host=place.host,
        port=place.port,
        username=place.user,
        password=place.password,
        database=database,
        interface="https" if place.secure else "http",
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=ANSWER_SECONDS,
        autogenerate_session_id=False,
        form_encode_query_params=True,
    )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _hint(error: Exception) -> str:
    if "already initialized" in str(error):
        return "one process has one folder of chdb open at a time"
    if "Error initializing EmbeddedServer" in str(error):
        return "another process has it open; a server takes many"
    return ""
