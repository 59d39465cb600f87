"""A browser without a window that a test steers: real keys, real clicks, and what it complained of.

It speaks the DevTools protocol over a pair of pipes, so that no port is opened.

Source: https://chromedevtools.github.io/devtools-protocol/; Chromium reads it from file 3 and
writes to file 4 where it is given ``--remote-debugging-pipe``.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (found := shutil.which(name))
    ),
    None,
)

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
"""Nothing on the screen, and nothing that the browser asks of its makers."""

WAIT_S = 60.0
"""Longest that an answer may take on a busy machine."""

KEYS = {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "PageUp": 33,
    "PageDown": 34, "Tab": 9, "Enter": 13,
}  # fmt: skip
"""Windows virtual key codes, which the protocol wants beside a key's name."""


class Browser:
    """One page in a browser of its own; to be used in a ``with`` statement."""

    def __init__(self, profile: Path, address: str, size: tuple[int, int] = (1200, 900)) -> None:
        """Open a page.

        Args:
            profile: Empty folder that the browser may fill.
            address: Of the page.
            size: Width and height of the window.
        """
        to_read, self.commands = os.pipe()
        self.answers, to_write = os.pipe()
        self.events: list[dict[str, Any]] = []
        self.rest, self.count = b"", 0
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", str(CHROMIUM), *QUIET,
             f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self.session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(*size)
        self.call("Page.navigate", url=address)
        self.await_event("Page.loadEventFired")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (got := self.receive()).get("id") != self.count:
            self.events.append(got)
        assert "error" not in got, (method, got["error"])
        return got["result"]

    def receive(self) -> dict[str, Any]:
        """The next message of the browser."""
        end = time.monotonic() + WAIT_S
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the browser said nothing for {WAIT_S:g} s"
            chunk = os.read(self.answers, 1 << 16)
            assert chunk, "the browser has ended"
            self.rest += chunk
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def await_event(self, method: str) -> None:
        """Wait until the browser has told of an event."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def resize(self, width: int, height: int) -> None:
        """Make the window another size; a narrow one is a phone's, with touch."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 700)  # fmt: skip

    def ask(self, script: str) -> Any:
        """What an expression is worth in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys one after the other, as ``KeyboardEvent.key`` names them."""
        for key in keys:
            code = KEYS.get(key, ord(key.upper()[0]))
            event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift}
            text = (
                {"text": {"Enter": "\r"}.get(key, key)} if len(key) == 1 or key == "Enter" else {}
            )
            self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def drag(self, start: tuple[float, float], *stops: tuple[float, float]) -> None:
        """Press the mouse at a place of the window, move it, and let go; without stops: click."""
        x, y = start
        button = {"button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **button)
        for x, y in stops:
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left")
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **button)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        self.drag(self.middle(selector))

    def middle(self, selector: str) -> tuple[float, float]:
        """Where in the window the middle of an element is, once it was brought there."""
        x, y = self.ask(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2];"
            "})()"
        )
        return x, y

    def shoot(self, path: Path, whole: bool = False) -> None:
        """Keep a picture of the window, or of the whole page."""
        got = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(got["data"]))

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Errors and warnings: of scripts, of the console and of the policy."""
        return [
            event for event in self.events
            if event["method"] == "Runtime.exceptionThrown"
            or (event["method"] == "Log.entryAdded"
                and event["params"]["entry"]["level"] in ("error", "warning"))
            or (event["method"] == "Runtime.consoleAPICalled"
                and event["params"]["type"] in ("error", "warning", "assert"))
        ]  # fmt: skip

    @property
    def requests(self) -> list[str]:
        """Addresses that the page asked for, those within it left out."""
        sent = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        addresses = [event["params"]["request"]["url"] for event in sent]
        return [address for address in addresses if not address.startswith("data:")]
