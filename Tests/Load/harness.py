"""What the load scripts share: a real daemon on its own socket, HTTP over that socket, and what /proc says about the
daemon. Needs only Python's standard library."""

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TINY_MODEL = ROOT / "Tests/Fixtures/tiny.pt"
# How long anything may take in seconds, against hanging. What is measured has its own limits.
TIMEOUT = 600.0
BUNDLED_MODEL = ROOT / "Models/emoji32.safetensors"


def arguments(description, **extra):
    """The command line of a script; `extra` are further options with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--daemon", default=str(ROOT / ".build/release/pixelcnnd"), help="the program")
    parser.add_argument("--quick", action="store_true", help="a few seconds, for the tests: nothing is timed")
    for name, default in extra.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default)
    return parser.parse_args()


class Failure(Exception):
    """A requirement that does not hold."""


def require(condition, message):
    if not condition:
        raise Failure(message)


def run(main):
    """Runs a script's coroutine; exit status 1 and one line if a requirement does not hold."""
    try:
        asyncio.run(main)
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        sys.exit(1)


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Daemon:
    """A running pixelcnnd; use it with `with`."""

    def __init__(self, program, *options, model=TINY_MODEL, descriptors=None):
        self.folder = tempfile.TemporaryDirectory(prefix="pixelcnn-load-", dir="/tmp")
        self.socket = self.folder.name + "/s"
        self.log = open(self.folder.name + "/log", "w+")
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors,) * 2)) if descriptors else None
        self.process = subprocess.Popen(
            [program, "--socket", self.socket, "--model", str(model), "--log-level", "warning", *options],
            stderr=self.log, preexec_fn=limit)

    def __enter__(self):
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                connect(self.socket).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.log.seek(0)
                    raise Failure(f"the daemon does not start: {self.log.read()}")
                time.sleep(0.02)

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.log.seek(0)
        log = self.log.read()
        self.log.close()
        self.folder.cleanup()
        if kind is None:
            require(status == 0, f"the daemon ended with {status}: {log}")

    def _stat(self):
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()

    @property
    def resident(self):
        """Bytes of memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def threads(self):
        return int(self._stat()[17])

    @property
    def cpu_seconds(self):
        stat = self._stat()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    async def status(self):
        return (await request(self.socket, "GET", "/v1/status")).json()

    async def idle(self):
        """Waits until nothing is in flight or queued; returns the seconds which that took."""
        start = time.monotonic()
        async with Client(self.socket) as client:
            while True:
                status = (await client.send("GET", "/v1/status")).json()
                if status["images_in_flight"] == 0 and status["images_queued"] == 0:
                    return time.monotonic() - start
                require(time.monotonic() - start < TIMEOUT, f"not idle after {TIMEOUT} s: {status}")
                await asyncio.sleep(0.001)

    async def settles(self, descriptors, threads=None):
        """Waits until no more descriptors are open, and no more threads run, than before."""
        end = time.monotonic() + TIMEOUT
        while self.descriptors > descriptors or (threads is not None and self.threads > threads):
            require(
                time.monotonic() < end,
                f"{self.descriptors} descriptors and {self.threads} threads; before {descriptors} and {threads}")
            await asyncio.sleep(0.01)


def connect(address):
    """A socket that is connected to the path of a Unix socket, or to a host and port. Connecting blocks while the
    listener's queue is full; asyncio would mishandle EAGAIN."""
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    connection.settimeout(TIMEOUT)
    connection.connect(address)
    connection.setblocking(False)
    return connection


def message(method, target, body=b"", **headers):
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in ({"Host": "localhost"} | headers).items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sample(accept="image/png", **fields):
    """The bytes of a request for samples."""
    return message(
        "POST", "/v1/samples", json.dumps(fields).encode(), Accept=accept, Content_Type="application/json")


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Client:
    """One connection, kept alive."""

    def __init__(self, address):
        self.address = address

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(sock=connect(self.address))
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def send(self, method, target, body=b"", **headers):
        return await self.exchange(message(method, target, body, **headers))

    async def exchange(self, data):
        self.writer.write(data)
        await self.writer.drain()
        return await self.receive()

    async def receive(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        try:
            return await self.receive_body(head.decode().split("\r\n"))
        except asyncio.IncompleteReadError as error:
            # Whoever catches it sees that a response had begun.
            raise asyncio.IncompleteReadError(head + error.partial, error.expected) from None

    async def receive_body(self, head):
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readuntil(b"\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:size]
            await self.reader.readuntil(b"\n")
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Response(int(head[0].split()[1]), headers, body)


async def request(path, method, target, body=b"", **headers):
    """One request on its own connection."""
    async with Client(path) as client:
        return await client.send(method, target, body, **headers)


def quantile(values, share):
    values = sorted(values)
    return values[min(int(len(values) * share), len(values) - 1)]


def milliseconds(values):
    """`median, p99, most` for a person."""
    return (f"median {quantile(values, 0.5) * 1e3:.1f} ms, p99 {quantile(values, 0.99) * 1e3:.1f} ms, "
            f"most {max(values) * 1e3:.1f} ms")
