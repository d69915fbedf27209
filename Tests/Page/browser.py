"""Debian's chromium without a window, driven by its own protocol: JSON objects between zero bytes, on its file
descriptors 3 and 4. What it asks for, and what it complains about, is kept."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

SECONDS = 100  # a generous limit for what takes a moment
Message = Dict[str, Any]


class Browser:
    """A chromium with a profile of its own, which ends with the object."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="pixelcnn-page-", dir="/tmp")
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", "chromium", "--headless=new",
             "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--hide-scrollbars",
             "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
             "--ignore-certificate-errors", f"--user-data-dir={self.folder.name}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.output, self.input = os.fdopen(ours_out, "wb", 0), os.fdopen(ours_in, "rb", 0)
        self.numbers = itertools.count(1)
        self.changed = threading.Condition()
        self.responses: Dict[int, Message] = {}
        self.events: List[Message] = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        rest = b""
        while piece := self.input.read(1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            with self.changed:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self.responses[message["id"]] = message
                    else:
                        self.events.append(message)
                self.changed.notify_all()

    def call(self, method: str, session: Optional[str] = None, **parameters: Any) -> Message:
        """Sends a command, and waits for its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self.output.write(json.dumps(message).encode() + b"\0")
        with self.changed:
            assert self.changed.wait_for(lambda: number in self.responses, SECONDS), f"no response to {method}"
            response = self.responses.pop(number)
        assert "error" not in response, f"{method}: {response['error']}"
        return dict(response["result"])

    def page(self) -> Page:
        return Page(self)

    def close(self) -> None:
        self.call("Browser.close")  # which waits for its processes; after a signal some still write to the folder
        self.process.wait()
        self.reader.join()
        self.folder.cleanup()


class Page:
    """A tab."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.expected: Optional[str] = None
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.resize(1280, 900)

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)

    def call(self, method: str, **parameters: Any) -> Message:
        return self.browser.call(method, self.session, **parameters)

    def events(self, method: str) -> List[Message]:
        """The parameters of all events of a kind."""
        with self.browser.changed:
            return [event["params"] for event in self.browser.events
                    if event["method"] == method and event.get("sessionId") == self.session]

    # What is seen

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, f"{expression}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """Waits until an expression is true; its value."""
        end = time.monotonic() + SECONDS
        while (value := self.evaluate(expression)) in (None, False, 0, ""):
            assert time.monotonic() < end, f"not after {SECONDS} s: {expression}; {self.text('body')}"
            time.sleep(0.02)
        return value

    def text(self, selector: str) -> str:
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def requests(self) -> List[Tuple[float, str]]:
        """Everything that was asked for: when, in seconds, and the address."""
        return [(event["timestamp"], event["request"]["url"]) for event in self.events("Network.requestWillBeSent")]

    def complaints(self) -> List[str]:
        """What the console has, but for advice on how to read canvases, which tests alone do."""
        logged = [f"{event['entry']['level']}: {event['entry']['text']} {event['entry'].get('url', '')}"
                  for event in self.events("Log.entryAdded") if "willReadFrequently" not in event["entry"]["text"]]
        printed = [json.dumps(event["args"]) for event in self.events("Runtime.consoleAPICalled")]
        thrown = [json.dumps(event["exceptionDetails"]) for event in self.events("Runtime.exceptionThrown")]
        return logged + printed + thrown

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    # What a person does

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width: int, height: int, scale: float = 1, mobile: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                  mobile=mobile)

    def prefer(self, **features: str) -> None:
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def place(self, selector: str, x: float = 0.5, y: float = 0.5) -> Tuple[float, float]:
        """Where an element is, scrolled into view; x and y are parts of its width and height."""
        left, top, width, height = self.until(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)}); if (!found) return null;"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect();"
            "return box.width ? [box.left, box.top, box.width, box.height] : null; })()")
        return left + x * width, top + y * height

    def mouse(self, kind: str, at: Tuple[float, float], buttons: int) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], buttons=buttons,
                  button="left" if buttons or kind == "mouseReleased" else "none", clickCount=1)

    def drag(self, selector: str, *parts: Tuple[float, float]) -> None:
        """Presses at the first place within an element, moves to the others, and releases."""
        places = [self.place(selector, *part) for part in parts]
        self.mouse("mousePressed", places[0], 1)
        for place in places[1:]:
            self.mouse("mouseMoved", place, 1)
        self.mouse("mouseReleased", places[-1], 0)

    def click(self, selector: str) -> None:
        self.drag(selector, (0.5, 0.5))

    KEYS = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38,
            "ArrowRight": 39, "ArrowDown": 40}

    def press(self, *keys: str, control: bool = False) -> None:
        for key in keys:
            code = self.KEYS.get(key) or ord(key.upper())
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 and not control else "")
            common = dict(key=key, windowsVirtualKeyCode=code, modifiers=2 if control else 0)
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def fill(self, selector: str, value: str) -> None:
        """Types into a field in place of what it has; chooses in a list; moves a slider."""
        self.evaluate(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)});"
            f"field.value = {json.dumps(value)};"
            "for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {bubbles: true})); })()")

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Chooses files in a field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])
