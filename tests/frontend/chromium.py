"""A headless Chromium, driven over the DevTools protocol."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get install chromium"
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


class Page:
    """One tab.

    Attributes:
        problems: exceptions that scripts of the page did not catch.
        requested: addresses the page asked for.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.problems: list[str] = []
        self.requested: list[str] = []
        self._socket = socket
        self._last = 0
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=20))
            if message.get("id") == self._last:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        if event["method"] == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(event["params"]["exceptionDetails"]))
        elif event["method"] == "Network.requestWillBeSent":
            self.requested.append(event["params"]["request"]["url"])

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
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 15.0) -> Any:
        """Evaluate ``script`` until it is true; return its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            assert time.monotonic() < deadline, (
                f"not true in {seconds} s: {script}\npage: {self.text()[:600]}"
            )
            time.sleep(0.05)
        return value

    def text(self) -> str:
        return str(self.evaluate("document.body?.innerText ?? ''"))

    def sees(self, text: str, seconds: float = 15.0) -> None:
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
        self._opened = 0
        profile.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [path, *FLAGS, f"--user-data-dir={profile / 'data'}", "about:blank"],
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self._host = self._wait_for_host()
        self._browser = self._connect(self._version()["webSocketDebuggerUrl"])

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
        self._opened += 1
        client = connect(url, max_size=64 * 2**20, compression=None, proxy=None)
        return self._sockets.enter_context(client)

    def page(self) -> Page:
        browser = Page.__new__(Page)
        browser._socket, browser._last = self._browser, self._opened * 1000
        context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)[
            "targetId"
        ]
        return Page(self._connect(f"ws://{self._host}/devtools/page/{target}"))

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
