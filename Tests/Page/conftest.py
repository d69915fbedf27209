"""Real daemons, each behind a loopback port that socat forwards to its socket, and a real browser. Whatever a test
does, the page must ask for nothing elsewhere, and the browser's console must stay empty."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from browser import SECONDS, Browser, Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "Tests/Scale"))  # its nginx
BUILD = Path(os.environ.get("PIXELCNN_BUILD", ROOT / ".build/release"))
FIXTURES = ROOT / "Tests/Fixtures"
sys.dont_write_bytecode = True


def eventually(condition: Callable[[], Any]) -> Any:
    """Waits until a condition is true; what it returns."""
    end = time.monotonic() + SECONDS
    while not (result := condition()):
        assert time.monotonic() < end, f"not after {SECONDS} s"
        time.sleep(0.02)
    return result


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Daemon:
    """A pixelcnnd with a copy of a model, and a port that leads to it, also while it is restarted."""

    def __init__(self, model: Path, *options: str, name: str = "") -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="pixelcnn-page-", dir="/tmp")
        self.path = Path(self.folder.name)
        self.path.chmod(0o755)  # nginx's workers run as another user
        self.model = self.path / (name or model.name)
        shutil.copy(model, self.model)
        self.socket = self.path / "s"
        self.options = options
        self.start()
        port = free_port()
        self.address = f"http://127.0.0.1:{port}/"
        self.proxy = subprocess.Popen(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=128",
                                       f"UNIX-CONNECT:{self.socket}"], stderr=subprocess.DEVNULL)
        eventually(self.is_ready)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [BUILD / "pixelcnnd", "--model", self.model, "--socket", self.socket, "--threads", "1", "--log-level",
             "warning", *self.options])

    def is_ready(self) -> bool:
        assert self.process.poll() is None, "the daemon has ended"
        try:
            return bool(urllib.request.urlopen(self.address + "readyz").status == 200)
        except OSError:
            return False

    def get(self, path: str) -> Dict[str, Any]:
        return dict(json.load(urllib.request.urlopen(self.address + path)))

    def run(self, command: str) -> None:
        """Runs a command of pixelcnn in the daemon's folder."""
        program, *arguments = shlex.split(command)
        subprocess.run([BUILD / program, *arguments, "--quiet", "--socket", self.socket], cwd=self.path, check=True)

    def close(self) -> None:
        for process in (self.proxy, self.process):
            process.kill()
            process.wait()
        self.folder.cleanup()


@pytest.fixture
def daemon() -> Iterator[Callable[..., Daemon]]:
    """Starts daemons."""
    daemons: List[Daemon] = []

    def start(model: str = "tiny.pt", *options: str, name: str = "") -> Daemon:
        daemons.append(Daemon(FIXTURES / model, *options, name=name))
        return daemons[-1]

    yield start
    for one in daemons:
        one.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, daemon: object) -> Iterator[Page]:
    """A tab, which is closed before the daemons are. Browsers report failed requests in their console: a test in which
    some fail says which, `page.expected`."""
    page = browser.page()
    yield page
    own = {address.split("/")[2].split("@")[-1] for _, address in page.requests() if address.startswith("http")}
    assert len(own) <= 1 and all(address.startswith(("http", "data:", "blob:")) for _, address in page.requests())
    assert [line for line in page.complaints() if page.expected is None or page.expected not in line] == []
    page.close()
