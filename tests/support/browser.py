"""A real browser for end-to-end tests: Debian's Chromium, without a window.

It is spoken to in its own protocol (DevTools) with aiohttp, which is here anyway: no driver, no further package.
"""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from support.processes import running, wait_for

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # its sandbox does not work for root, whom continuous integration runs as
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
_DOMAINS = ("Page", "Runtime", "Log", "Network", "Audits")
_COMPLAINTS = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded",
               "Network.loadingFailed")  # fmt: skip
_PATIENCE_S = 30.0


class Page:
    """A tab; what happens in it is kept as events, by their names."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[tuple[str, dict[str, Any]]] = []

    async def _receive(self) -> dict[str, Any]:
        """Return the next message; keep it if it is an event."""
        message = await self._socket.receive_json(timeout=_PATIENCE_S)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (answer := await self._receive()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return dict(answer["result"])

    async def happened(self, name: str) -> None:
        """Wait for an event since a page began to load."""
        while not self.all(name):
            await self._receive()

    def all(self, name: str) -> list[dict[str, Any]]:
        return [params for event, params in self.events if event == name]

    @contextlib.asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Forget what happened; wait at the end for a page to be loaded, and for what comes with it."""
        self.events.clear()
        yield
        await self.happened("Page.loadEventFired")
        await self.evaluate("document.readyState")

    async def go(self, url: str) -> None:
        async with self.loading():
            answer = await self.send("Page.navigate", url=url)
            assert "errorText" not in answer, answer

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page, of a promise what it promises."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def click(self, text: str) -> None:
        """Follow the link with this text."""
        async with self.loading():
            await self.evaluate(f"[...document.links].find(link => link.text === {json.dumps(text)}).click()")

    async def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key, and let it go."""
        for kind in ("keyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, text=text, windowsVirtualKeyCode=code)

    async def look_like(self, width: int, scheme: str = "light") -> None:
        """Be a window of this width, on a system with this colour scheme."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def complaints(self) -> list[object]:
        """Return what stands in the console, and what was refused or has failed."""
        return [params for name in _COMPLAINTS for params in self.all(name)]


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Callable[[], contextlib.AbstractAsyncContextManager[Page]]]:
    """Run a browser with nothing remembered; yield what opens a tab."""
    profile = folder / "profile"
    command = ["chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with running(command, folder / "chromium.log"):
        port_file = profile / "DevToolsActivePort"
        port = wait_for("the browser", lambda: port_file.is_file() and port_file.read_text().split())[0]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield lambda: _tab(session)


@contextlib.asynccontextmanager
async def _tab(session: aiohttp.ClientSession) -> AsyncIterator[Page]:
    async with session.put("/json/new?about:blank") as answer:
        target = await answer.json()
    async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
        page = Page(socket)
        for domain in _DOMAINS:
            await page.send(f"{domain}.enable")
        yield page
        await page.send("Page.close")
