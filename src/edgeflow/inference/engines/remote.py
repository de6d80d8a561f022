"""A model on a server as an engine: ``tcp://host:port/model``."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import numpy.typing as npt

from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, ProtocolError
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors
from edgeflow.inference.engines.declared import Declared, read_tensors
from edgeflow.inference.requests import InferRequest

__all__ = ["RemoteEngine"]

_DEFAULT_PORT = 8008
_HINT = "write it as tcp://host:port/model or tcp://host:port/model?version=3"


class RemoteEngine(Engine):
    """A model that a tensor server runs. Each thread that calls it has its own connection.

    Args:
        model: ``tcp://host:port/model``; ``?version=`` asks for one, ``&protocol=1`` for the old
            protocol.
        inputs, outputs: its tensors, which a server that only speaks version 1 cannot tell.
        timeout_s: longest wait for an answer, tries on fresh sockets included.
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
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        url = _split(str(model))
        self.name = str(model)
        if device != "auto":
            raise ConfigError(f"{self.name}: the server decides where it runs, not {device!r}")
        self._model = unquote(url.path.strip("/"))
        options = parse_qs(url.query)
        self._version = options.get("version", [None])[0]
        protocol = options.get("protocol", [None])[0]
        if protocol not in (None, "1", "2"):
            raise ConfigError(f"{self.name}: there is no version {protocol} of the protocol")
        self._address = (url.hostname or "127.0.0.1", url.port or _DEFAULT_PORT)
        self.device = f"{self._address[0]}:{self._address[1]}"
        self._protocol = int(protocol) if protocol else None
        self._timeout = timeout_s
        self._lock = threading.Lock()
        self._idle: list[TensorClient] = []
        self._closed = False
        self._declared: dict[str, EngineSpec] = {}
        if inputs is not None and outputs is not None:
            self.spec = EngineSpec(
                read_tensors(inputs, self.name), read_tensors(outputs, self.name)
            )
            self._declared[self._model] = self.spec
        else:
            self.spec = self._ask_spec()

    def close(self) -> None:
        """Hang up; calls that are running finish. Idempotent."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        client = self._borrow()
        try:
            answer = client.infer(InferRequest(self._model, inputs, self._version))
        except EngineError:
            raise
        except EdgeFlowError as error:
            raise EngineError(f"{self.name}: {error}") from error
        finally:
            self._give_back(client)
        return answer.outputs

    def _ask_spec(self) -> EngineSpec:
        client = self._borrow()
        try:
            spec = client.info(self._model, self._version).spec
        except EdgeFlowError as error:
            client.close()
            if isinstance(error, ProtocolError):
                raise ConfigError(
                    f"{self.name}: {error.message}", hint="give the options inputs and outputs"
                ) from error
            raise
        self._give_back(client)
        return spec

    def _borrow(self) -> TensorClient:
        with self._lock:
            if self._closed:
                raise EngineError(f"{self.name}: the engine is closed")
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


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ConfigError(f"{text}: {error}", hint=_HINT) from None
    if url.scheme != "tcp" or not url.path.strip("/") or port == 0:
        raise ConfigError(f"{text}: no engine opens this", hint=_HINT)
    return url
