"""Send samples, and models, to the HTTP API of boards; needs nothing but the standard library."""

import http.client
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgeflow.config import settings
from edgeflow.errors import ConfigError, EngineError, UnreachableError

__all__ = ["McuClient"]

MAX_ANSWER = 256 << 20
_TYPES = {".json": "application/json"}


class McuClient:
    """One server of boards. Every call has a connection of its own.

    Args:
        url: ``http://host:port``, with or without a path behind.
        timeout: seconds without a byte; a request that flashes a board is long.
        token: for servers that want one; ``EDGEFLOW_TOKEN`` if not given.

    Raises:
        ConfigError: the URL is none.
    """

    def __init__(self, url: str, *, timeout: float = 600.0, token: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            parts, self._host = urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not self._host:
            raise ConfigError(f"{url!r} is no URL", hint="give http://HOST:PORT")
        self._secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/")
        self._timeout = timeout
        self._token = settings.TOKEN if token is None else token

    def infer(
        self, samples: Path, model: Path | None = None, meta: Path | None = None
    ) -> dict[str, Any]:
        """Post the files and return the answer of ``/v2/infer``.

        Raises:
            UnreachableError: nobody answers, or not in time.
            EngineError: the server refuses; the message has its words.
            ConfigError: a file cannot be read.
        """
        answer = self._post("/v2/infer", samples, model, meta)
        try:
            read = json.loads(answer)
        except ValueError as error:
            raise EngineError(f"{self._host} answers no JSON", hint="is it this API?") from error
        if not isinstance(read, dict):
            raise EngineError(f"{self._host} answers no object", hint="is it this API?")
        return read

    def infer_npy(
        self, samples: Path, model: Path | None = None, meta: Path | None = None
    ) -> bytes:
        """Post the files and return the .npy file that ``/v2/infer_npy`` answers.

        Raises:
            UnreachableError, EngineError, ConfigError: as ``infer``.
        """
        return self._post("/v2/infer_npy", samples, model, meta)

    def _post(self, route: str, samples: Path, model: Path | None, meta: Path | None) -> bytes:
        files = {"input_npy": samples, "model_bin": model, "model_meta": meta}
        body, kind = _form({name: file for name, file in files.items() if file is not None})
        headers = {"content-type": kind}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        path = self._path if self._path.endswith(route) else self._path + route
        made = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = made(self._host, self._port, timeout=self._timeout)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            where = f"{self._host}:{connection.port}"
            raise UnreachableError(
                f"{where} does not answer: {error or type(error).__name__}",
                hint="start it with edgeflow mcu serve",
            ) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise EngineError(f"{path}: {response.status} {_words(answer)}")
        if len(answer) > MAX_ANSWER:
            raise EngineError(f"{path}: an answer of more than {MAX_ANSWER} bytes")
        return answer


def _form(files: Mapping[str, Path]) -> tuple[bytes, str]:
    """Return the body of a form with files, and its content type."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, file in files.items():
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}", hint="give a file to send") from error
        kind = _TYPES.get(file.suffix, "application/octet-stream")
        head = (
            f"--{boundary}\r\n"
            f'content-disposition: form-data; name="{name}"; filename="{name}{file.suffix}"\r\n'
            f"content-type: {kind}\r\n\r\n"
        )
        parts += [head.encode(), content, b"\r\n"]
    return b"".join(
        parts
    ) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _words(answer: bytes) -> str:
    """Return what a refusal says, as short as can be."""
    try:
        detail = json.loads(answer)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.decode(errors="replace")
    return str(detail)[:500]
