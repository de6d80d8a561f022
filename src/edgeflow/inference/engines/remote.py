"""A model on a server as an engine: ``tcp://host:port/model`` or ``http://host:port/model``."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import numpy.typing as npt

from edgeflow.config import settings
from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, ProtocolError
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors
from edgeflow.inference.engines.declared import Declared, read_tensors
from edgeflow.inference.requests import InferRequest

__all__ = ["RemoteEngine"]

_PORTS = {"tcp": 8008, "http": 8009, "https": 443}
_HINT = "write it as tcp://host:port/model or http://host:port/model, with ?version=3 if you like"


class RemoteEngine(Engine):
    """A model that a server runs, over the tensor protocol or the Open Inference Protocol (HTTP).

    Each thread that calls it has its own connection.

    Args:
        model: ``tcp://host:port/model``, or ``http://host:port/model`` (``https`` too, and
            ``/v2/models/model`` as path); ``?version=`` asks for one, ``&protocol=1`` for the
            old tensor protocol.
        inputs, outputs: its tensors, which a server that only speaks version 1 cannot tell.
        timeout_s: longest wait for an answer, tries on fresh sockets included.
        token: for HTTP servers that want one; ``EDGEFLOW_TOKEN`` if not given.
        device: ``auto``; the server decides.
        threads: not used; the server decides.

    Raises:
        ConfigError: the URL cannot be used, or the tensors are needed and not declared.
        UnknownModelError: the server does not have the model.
        UnreachableError: it does not answer.
    """

    kind = "remote"
    platform = "remote"

    def __init__(
        self,
        model: Path | str,
        *,
        inputs: Declared | Iterable[Declared] | None = None,
        outputs: Declared | Iterable[Declared] | None = None,
        timeout_s: float = 3.0,
        token: str | None = None,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        self.name = str(model)
        url = _split(self.name)
        if device != "auto":
            raise ConfigError(f"{self.name}: the server decides where it runs, not {device!r}")
        self.device = f"{url.hostname}:{url.port or _PORTS[url.scheme]}"
        declared = None
        if inputs is not None and outputs is not None:
            declared = EngineSpec(read_tensors(inputs, self.name), read_tensors(outputs, self.name))
        self._closed = False
        self._model = _open(url, declared, timeout_s, token or settings.TOKEN)
        self.spec = declared or self._ask_spec()

    def close(self) -> None:
        """Hang up; calls that are running finish. Idempotent."""
        self._closed = True
        self._model.close()

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        if self._closed:
            raise EngineError(f"{self.name}: the engine is closed")
        try:
            return self._model.infer(inputs)
        except EngineError:
            raise
        except EdgeFlowError as error:
            raise EngineError(f"{self.name}: {error}") from error

    def _ask_spec(self) -> EngineSpec:
        try:
            return self._model.spec()
        except ProtocolError as error:
            self.close()
            raise ConfigError(
                f"{self.name}: {error.message}", hint="give the options inputs and outputs"
            ) from error
        except BaseException:
            self.close()
            raise


class _Model(Protocol):
    """One model on one server; any thread may call it."""

    def spec(self) -> EngineSpec: ...

    def infer(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]: ...

    def close(self) -> None: ...


class _TensorModel:
    """Asks over the tensor protocol, on as many connections as there are calls at once."""

    def __init__(
        self, url: SplitResult, declared: EngineSpec | None, timeout: float, protocol: int | None
    ) -> None:
        self._name = unquote(url.path.strip("/"))
        self._version = _option(url, "version")
        self._address = (url.hostname or "127.0.0.1", url.port or _PORTS["tcp"])
        self._declared = {} if declared is None else {self._name: declared}
        self._timeout = timeout
        self._protocol = protocol
        self._lock = threading.Lock()
        self._idle: list[TensorClient] = []
        self._closed = False

    def spec(self) -> EngineSpec:
        """Ask for the model's tensors."""
        client = self._borrow()
        try:
            return client.info(self._name, self._version).spec
        finally:
            self._give_back(client)

    def infer(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Run the model."""
        client = self._borrow()
        try:
            return client.infer(InferRequest(self._name, inputs, self._version)).outputs
        finally:
            self._give_back(client)

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    def _borrow(self) -> TensorClient:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return TensorClient(
            *self._address,
            timeout=self._timeout,
            protocol=self._protocol,
            declared=self._declared,
        )

    def _give_back(self, client: TensorClient) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(client)
                return
        client.close()


def _open(
    url: SplitResult, declared: EngineSpec | None, timeout: float, token: str | None
) -> _Model:
    if url.scheme == "tcp":
        protocol = _option(url, "protocol")
        if protocol not in (None, "1", "2"):
            raise ConfigError(f"{url.geturl()}: there is no version {protocol} of the protocol")
        return _TensorModel(url, declared, timeout, int(protocol) if protocol else None)
    from edgeflow.inference.engines.remote_http import HttpModel

    parts = [unquote(part) for part in url.path.strip("/").split("/")]
    version = _option(url, "version")
    if parts[:2] == ["v2", "models"] and len(parts) > 2:
        version = parts[4] if len(parts) > 4 and parts[3] == "versions" else version
        parts = parts[2:3]
    server = f"{url.scheme}://{url.hostname}:{url.port or _PORTS[url.scheme]}"
    return HttpModel(server, "/".join(parts), version, timeout, token)


def _option(url: SplitResult, name: str) -> str | None:
    found = parse_qs(url.query).get(name)
    return found[0] if found else None


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ConfigError(f"{text}: {error}", hint=_HINT) from None
    if url.scheme not in _PORTS or not url.hostname or not url.path.strip("/") or port == 0:
        raise ConfigError(f"{text}: no engine opens this", hint=_HINT)
    return url
