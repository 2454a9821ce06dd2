"""A real browser for tests: Debian's Chromium without a window, spoken to over its DevTools protocol. It reaches no network.

async with Browser.opened() as browser:
    await browser.open(Path("page.html"))
    assert await browser.value("document.title") == "..."
"""

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

__all__ = ["CHROMIUM", "Browser"]

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The browser's program; `None` where none is installed."""

_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--remote-debugging-port=0",
)


class Browser:
    """One page. `requests` are the URLs that it asked for, `complaints` what it wrote to its console as warnings and errors."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.complaints: list[str] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Self]:
        """A browser with an empty page; it ends with the block."""
        assert CHROMIUM is not None
        root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            process = await asyncio.create_subprocess_exec(
                CHROMIUM,
                *_FLAGS,
                *root,
                f"--user-data-dir={profile}",
                "about:blank",
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            try:
                async with aiohttp.ClientSession() as http:
                    async with http.get(f"http://{await _listening(process)}/json/list") as answer:
                        page = next(each for each in await answer.json() if each["type"] == "page")
                    async with http.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                        browser = cls(socket)
                        listening = asyncio.create_task(browser._listen())
                        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
                            await browser.send(f"{domain}.enable")
                        await browser.send("Emulation.setFocusEmulationEnabled", enabled=True)
                        yield browser
                        listening.cancel()
            finally:
                os.killpg(process.pid, signal.SIGKILL)  # its own children too: they hold the pipe
                await process.communicate()

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        answered = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await asyncio.wait_for(answered, 30)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, path: Path) -> None:
        """Show a file, and wait until it is loaded."""
        self._loaded.clear()
        await self.send("Page.navigate", url=path.as_uri())
        await asyncio.wait_for(self._loaded.wait(), 30)

    async def value(self, expression: str) -> Any:
        """What an expression of JavaScript comes to, once it is settled."""
        found = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def click(self, selector: str) -> None:
        """Press the mouse on the middle of an element."""
        place = await self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def look(self, width: int, scheme: str) -> None:
        """Be this many CSS pixels wide, and prefer a light or dark colour scheme."""
        await self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def screenshot(self, path: Path) -> None:
        """The whole page as a PNG."""
        taken = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(taken["data"]))

    async def _listen(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
                continue
            match told["method"], told["params"]:
                case "Page.loadEventFired", _:
                    self._loaded.set()
                case "Network.requestWillBeSent", params:
                    self.requests.append(params["request"]["url"])
                case "Log.entryAdded", params if params["entry"]["level"] in ("warning", "error"):
                    self.complaints.append(params["entry"]["text"])
                case "Runtime.exceptionThrown", params:
                    self.complaints.append(params["exceptionDetails"]["text"])


async def _listening(process: asyncio.subprocess.Process) -> str:
    """Where the browser listens, as it says on stderr."""
    assert process.stderr is not None
    while line := (await asyncio.wait_for(process.stderr.readline(), 60)).decode():
        if "DevTools listening on ws://" in line:
            return line.split("ws://")[1].split("/")[0]
    raise AssertionError("the browser did not start")
