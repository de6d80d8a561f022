"""A headless Chromium, driven over the DevTools protocol."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get install chromium"
CALL_SECONDS = 30
PATIENCE_SECONDS = 25.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def find() -> str | None:
    """Return the browser's path, or None when there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Session:
    """Commands to one target of the browser, and the events that come between the answers."""

    def __init__(self, socket: ClientConnection) -> None:
        self.on_event: Callable[[dict[str, Any]], None] = lambda event: None
        self._socket = socket
        self._last = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                text = self._socket.recv(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"no answer in {CALL_SECONDS} s: {method}") from None
            message = json.loads(text)
            if message.get("id") == self._last:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            if "method" in message:
                self.on_event(message)


class Page:
    """One tab.

    Attributes:
        problems: exceptions that scripts of the page did not catch, and errors on its console.
        failed: what the browser says of requests that failed.
        requested: addresses the page asked for.
    """

    def __init__(self, session: Session) -> None:
        self.problems: list[str] = []
        self.failed: list[str] = []
        self.requested: list[str] = []
        self.call = session.call
        session.on_event = self._note
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def _note(self, event: dict[str, Any]) -> None:
        params = event["params"]
        match event["method"]:
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                self.problems.append(json.dumps(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.failed.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requested.append(params["url"])

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 700,
        )

    def prefer(self, **features: str) -> None:
        """Set media features: ``prefer(color_scheme="dark")``."""
        listed = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        self.call("Emulation.setEmulatedMedia", features=listed)

    def goto(self, url: str) -> None:
        """Open ``url``; return once its document is there."""
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        self.until("location.href !== 'about:blank' && document.readyState !== 'loading'")

    def evaluate(self, script: str) -> Any:
        """Return what ``script`` gives, as JSON; an element is ``True``."""
        answer = self._evaluate(script)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _evaluate(self, script: str) -> dict[str, Any]:
        return self.call(
            "Runtime.evaluate",
            expression=f"Promise.resolve({script}).then(v => v instanceof Node ? true : v)",
            returnByValue=True,
            awaitPromise=True,
        )

    def until(self, script: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """Evaluate ``script`` until it is true; return its value."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self._evaluate(script)
            value = answer["result"].get("value")
            if value and "exceptionDetails" not in answer:
                return value
            assert time.monotonic() < deadline, (
                f"not true in {seconds} s: {script}\nanswer: {answer}\npage: {self.text()[:600]}"
            )
            time.sleep(0.05)

    def text(self) -> str:
        return str(self.evaluate("document.body?.innerText ?? ''"))

    def sees(self, text: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until ``text`` is on the page."""
        self.until(f"document.body?.innerText.includes({json.dumps(text)})", seconds)

    def click(self, selector: str) -> None:
        """Click into the middle of an element, as a person would."""
        quoted = json.dumps(selector)
        self.until(f"document.querySelector({quoted})")
        script = (
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2] }})(document.querySelector({quoted}))"
        )
        x, y = self.evaluate(script)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        codes = {"Escape": 27, "Enter": 13, "Tab": 9}
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = codes.get(key, ord(key[0].upper()))
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def press_until(self, key: str, script: str) -> None:
        """Press ``key`` until ``script`` is true: scripts listen only once the page is painted."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.evaluate(script):
            assert time.monotonic() < deadline, f"{key} had no effect: {script}"
            self.press(key)
            time.sleep(0.1)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


class Chromium:
    """The browser's process; ``page()`` opens a tab with nothing remembered."""

    def __init__(self, path: str, profile: Path) -> None:
        self._log = profile / "log"
        self._sockets = ExitStack()
        profile.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [path, *FLAGS, f"--user-data-dir={profile / 'data'}", "about:blank"],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "TMPDIR": str(profile)},
                start_new_session=True,
            )
        self._host = self._wait_for_host()
        socket = self._sockets.enter_context(self._connect(self._version()["webSocketDebuggerUrl"]))
        self._browser = Session(socket)

    def _wait_for_host(self) -> str:
        deadline = time.monotonic() + 30
        while True:
            text = self._log.read_text(errors="replace")
            if found := re.search(r"DevTools listening on ws://([^/]+)/", text):
                return found[1]
            assert self._process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def _version(self) -> dict[str, str]:
        with urlopen(f"http://{self._host}/json/version", timeout=10) as answer:
            return dict(json.load(answer))

    def _connect(self, url: str) -> ClientConnection:
        return connect(url, max_size=64 * 2**20, compression=None, proxy=None, ping_interval=None)

    @contextmanager
    def page(self) -> Iterator[Page]:
        """A tab that shares nothing with others, and is gone afterwards."""
        context = self._browser.call("Target.createBrowserContext")["browserContextId"]
        try:
            opened = self._browser.call(
                "Target.createTarget", url="about:blank", browserContextId=context
            )
            with self._connect(f"ws://{self._host}/devtools/page/{opened['targetId']}") as socket:
                yield Page(Session(socket))
        finally:
            self._browser.call("Target.disposeBrowserContext", browserContextId=context)

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sockets.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)
