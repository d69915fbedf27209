"""Requests to a daemon: over a Unix socket, or over HTTP and HTTPS where a proxy is in front of it; sent again while it
is busy or restarts. Every request here may be repeated: the seed determines the images, whichever daemon draws them.
Each has a connection of its own, so that nothing is shared between threads, or with processes that were forked."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import time
import urllib.parse
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping, Optional, Tuple, Type

from ._errors import LoadError, PixelCNNError, problem, unknown_protocol
from ._version import version

if TYPE_CHECKING:
    from ._daemon import OwnDaemon

NPY, NPZ = "application/x-npy", "application/x-npz"
JSON, EVENTS = "application/json", "text/event-stream"

BUSY = (429, 502, 503)
PATIENCE = 300.0


class Transport:
    """Where a daemon is, and how it is reached.

    address: the path of a Unix socket, or a URL.
    patience: seconds for which a request is sent again while the daemon is busy, or restarts.
    daemon: the one behind the socket, if nobody will restart it.
    """

    def __init__(self, address: str, patience: float = 0.0, headers: Optional[Mapping[str, str]] = None,
                 context: Optional[ssl.SSLContext] = None, daemon: Optional[OwnDaemon] = None) -> None:
        self.address = address
        self.patience = patience
        self.headers = {"User-Agent": f"pixelcnnd-python/{version()}", **(headers or {})}
        self.context = context
        self.daemon = daemon
        self.restarts = daemon is None

    def __getstate__(self) -> Dict[str, Any]:
        """For another process, which does not own the daemon."""
        return dict(self.__dict__, daemon=None)

    def request(self, method: str, path: str, accept: str, body: Optional[bytes] = None,
                content_type: Optional[str] = None) -> bytes:
        """The body of the response."""
        for attempt in self.attempts():
            with attempt, self.open(method, path, accept, body, content_type) as response:
                return response.read()
        raise AssertionError("the last attempt raises")

    def events(self, path: str, body: bytes) -> Iterator[Tuple[str, Any]]:
        """The (name, data) of each event of one attempt. Raises if the stream ends without `done`."""
        with self.open("POST", path, EVENTS, body, JSON) as response:
            name, is_done = "", False
            for line in response:  # to its end, so that the daemon does not see a disconnect
                key, _, value = line.decode(errors="replace").rstrip("\r\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    try:
                        data = json.loads(value)
                        error = problem(data) if name == "error" else None
                    except (ValueError, KeyError, TypeError) as wrong:
                        raise unknown_protocol(f"its event {name[:20]}: {wrong}") from wrong
                    if error:
                        raise error
                    is_done = name == "done"
                    yield name, data
            if not is_done:
                raise ConnectionResetError("the event stream ended early")

    def open(self, method: str, path: str, accept: str, body: Optional[bytes] = None,
             content_type: Optional[str] = None) -> Response:
        """Sends a request once."""
        headers = dict(self.headers, Accept=accept)
        if content_type:
            headers["Content-Type"] = content_type
        url = urllib.parse.urlsplit(self.address)
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            connection = http.client.HTTPSConnection(url.netloc, context=self.context)
        elif url.scheme == "http":
            connection = http.client.HTTPConnection(url.netloc)
        else:
            connection = UnixConnection(self.address)
        return Response(connection, method, path, body, headers)

    def attempts(self) -> Iterator[Attempt]:
        """Attempts, until one succeeds or `patience` seconds have passed since the first failure."""
        end = time.monotonic() if self.patience == 0 else None
        pause = 0.1
        while True:
            begin = time.monotonic()
            attempt = Attempt(self, is_last=end is not None and begin >= end)
            yield attempt
            if attempt.succeeded:
                return
            if end is None or time.monotonic() - begin > self.patience:  # it went well for that long
                end = time.monotonic() + self.patience
            # A random extra delay, so that clients rejected together do not come back together.
            seconds = (attempt.retry_after or pause) * random.uniform(1, 1.25)
            time.sleep(max(0.0, min(seconds, end - time.monotonic())))
            pause = min(2 * pause, 5)


class Attempt:
    """One attempt; swallows errors which another attempt may overcome."""

    def __init__(self, transport: Transport, is_last: bool) -> None:
        self.transport = transport
        self.is_last = is_last
        self.succeeded = False
        self.retry_after: Optional[float] = None

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, _: Optional[Type[BaseException]], error: Optional[BaseException],
                 __: Optional[TracebackType]) -> bool:
        self.succeeded = error is None
        self.retry_after = getattr(error, "retry_after", None)
        is_busy = isinstance(error, PixelCNNError) and error.status in BUSY
        is_lost = isinstance(error, (OSError, http.client.HTTPException))
        if is_lost and self.transport.daemon:
            self.transport.daemon.check()
        if not self.transport.restarts and isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            raise LoadError("the process that loaded the model has closed it, or has ended") from error
        return (is_busy or is_lost) and not self.is_last


class Response:
    """The response to one request, on its own connection."""

    def __init__(self, connection: http.client.HTTPConnection, method: str, path: str, body: Optional[bytes],
                 headers: Mapping[str, str]) -> None:
        self.connection = connection
        try:
            connection.request(method, path, body, dict(headers))
            self.response = connection.getresponse()
            if self.response.status != 200:
                raise self.problem()
            found, wanted = self.response.headers.get_content_type(), headers["Accept"]
            if wanted not in (found, "*/*"):
                raise unknown_protocol(f"its Content-Type is {found}; requested was {wanted}")
        except BaseException:
            connection.close()
            raise

    def problem(self) -> PixelCNNError:
        """The problem reported by the daemon, or by a proxy in front of it."""
        try:
            error = problem(json.loads(self.response.read()))
        except (ValueError, KeyError, TypeError):
            error = PixelCNNError(f"status {self.response.status} {self.response.reason}", self.response.status)
        seconds = self.response.headers.get("Retry-After", "")
        error.retry_after = float(seconds) if seconds.isdigit() else None
        return error

    def __enter__(self) -> http.client.HTTPResponse:
        return self.response

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self.connection.close()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.path)
        except BaseException:
            connection.close()
            raise
        self.sock = connection
