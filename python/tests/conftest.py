"""Real daemons for the tests: those that were built, which PIXELCNND names, or .build/release has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Iterator, List, Optional, Type, Union

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "docs/examples")]
sys.dont_write_bytecode = True
os.environ.setdefault("PIXELCNND", str(ROOT / ".build/release/pixelcnnd"))
# A shell's background job, as a test run may be, ignores Ctrl-C, and so would what tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# For processes that tests start.
os.environ.update(PYTHONPATH=str(ROOT / "python"), PYTHONDONTWRITEBYTECODE="1")

import pixelcnnd  # noqa: E402

BUILD = Path(os.environ["PIXELCNND"]).parent
FIXTURES = ROOT / "Tests/Fixtures"
TINY = FIXTURES / "tiny.pt"  # 8 × 8 pixels of 3 channels of 256 values


class Daemon:
    """A pixelcnnd that can be killed and started again on its socket."""

    def __init__(self, *options: str, model: Path = TINY) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="pixelcnn-python-", dir="/tmp")
        self.socket = self.folder.name + "/s"
        self.command: List[Union[str, Path]] = [
            BUILD / "pixelcnnd", "--socket", self.socket, "--model", model, "--log-level", "warning", *options]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Daemon:
        self.start()
        end = time.monotonic() + 100
        while True:
            try:
                pixelcnnd.connect(self.socket)
                return self
            except (OSError, pixelcnnd.PixelCNNError):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def __exit__(self, _: Optional[Type[BaseException]], __: Optional[BaseException],
                 ___: Optional[TracebackType]) -> None:
        self.kill()
        self.folder.cleanup()

    def client(self, *arguments: str) -> None:
        """Runs a command of pixelcnn."""
        subprocess.run([BUILD / "pixelcnn", *arguments, "--quiet", "--socket", self.socket], check=True)


@pytest.fixture(scope="session")
def tiny() -> Iterator[Daemon]:
    """A daemon with the tiny model, which tests leave alone."""
    with Daemon() as daemon:
        yield daemon


@pytest.fixture
def model(tiny: Daemon) -> pixelcnnd.Model:
    return pixelcnnd.connect(tiny.socket)
