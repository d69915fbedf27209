"""What a daemon says and cannot be is refused by an exception, and nothing of it becomes an array: a real daemon's
responses, each with one lie."""

from __future__ import annotations

import base64
import http.client
import http.server
import io
import json
import socketserver
import tempfile
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional

import numpy as np
import pytest

import pixelcnnd
from conftest import Daemon
from pixelcnnd._http import UnixConnection

Lie = Callable[[bytes], bytes]


class Liar(socketserver.ThreadingUnixStreamServer):
    """Passes requests on to a daemon, and its responses back: a file in them becomes `lie(file)`."""

    daemon_threads = True

    def __init__(self, socket: str, daemon: str) -> None:
        super().__init__(socket, Handler)
        self.path = socket
        self.daemon = daemon
        self.lie: Lie = lambda file: file
        self.type: Optional[str] = None


class Handler(http.server.BaseHTTPRequestHandler):
    server: Liar

    def do_GET(self) -> None:
        connection = UnixConnection(self.server.daemon)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection.request(self.command, self.path, body, dict(self.headers))
        response = connection.getresponse()
        kind = response.headers["Content-Type"]
        body = self.changed(kind, response.read())
        self.send_response(response.status)
        self.send_header("Content-Type", self.server.type or kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    do_POST = do_GET

    def changed(self, kind: str, body: bytes) -> bytes:
        if self.path == "/v1/model" and self.server.lie not in LIES_OF_THE_MODEL:
            return body
        if kind != "text/event-stream":
            return self.server.lie(body)
        lines: List[str] = []
        for line in body.decode().splitlines():
            key, _, value = line.partition(": ")
            data = json.loads(value) if key == "data" else {}
            for name in {"npy", "npz"} & data.keys():
                data[name] = base64.b64encode(self.server.lie(base64.b64decode(data[name]))).decode()
            lines.append(f"data: {json.dumps(data)}" if key == "data" else line)
        return "\n".join([*lines, ""]).encode()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def liar(tiny: Daemon) -> Iterator[Liar]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, Liar(folder + "/s", tiny.socket) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        yield server
        server.shutdown()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def arrays(change: Callable[[Dict[str, Any]], object]) -> Lie:
    """An archive of which the arrays are changed."""
    def lie(npz: bytes) -> bytes:
        contents, file = dict(np.load(io.BytesIO(npz))), io.BytesIO()
        change(contents)
        np.savez(file, **contents)
        return file.getvalue()
    return lie


def array(change: Callable[[Any], Any]) -> Lie:
    return lambda file: npy(change(np.load(io.BytesIO(file))))


def flipped(file: bytes) -> bytes:
    middle = len(file) // 2
    return file[:middle] + bytes([file[middle] ^ 1]) + file[middle + 1:]


LIES_OF_ARCHIVES = [
    arrays(lambda a: a.pop("log_prob")), arrays(lambda a: a.pop("log_q")), arrays(lambda a: a.pop("samples")),
    arrays(lambda a: a.clear()),
    arrays(lambda a: a.update(log_prob=a["log_prob"][..., 1:])),
    arrays(lambda a: a.update(log_prob=a["log_prob"].sum((-1, -2, -3)))),
    arrays(lambda a: a.update(log_prob=a["log_prob"] * np.nan)), arrays(lambda a: a.update(log_q=a["log_q"] * np.nan)),
    arrays(lambda a: a.update(log_prob=-a["log_prob"])), arrays(lambda a: a.update(log_prob=a["samples"])),
    arrays(lambda a: a.update(log_q=a["log_q"].astype(np.float64))), arrays(lambda a: a.update(log_q=a["log_q"][0])),
    arrays(lambda a: a.update(samples=a["samples"][..., 1:, :])), arrays(lambda a: a.update(samples=a["log_q"])),
    arrays(lambda a: a.update(samples=a["samples"] + np.uint16(256))),
    flipped, lambda file: file[:-30], lambda file: b"", lambda file: b"<html></html>",
]

LIES_OF_ARRAYS = [
    array(lambda a: a[..., 1:]), array(lambda a: a[0]), array(lambda a: a * np.float32(np.nan)),
    array(lambda a: a.astype(object)), array(lambda a: a.astype(np.complex64)), lambda file: file[:-1],
    lambda file: b"", lambda file: b"<html></html>",
]

LIES_OF_SCORES = [b"{}", b"[]", b"", b"{\"bits_per_dim\":[]}", b"{\"bits_per_dim\":[1]}", b"{\"bits_per_dim\":[1,NaN]}",
                  b"{\"bits_per_dim\":[1,\"x\"]}", b"{\"bits_per_dim\":[1,-7]}", b"{\"bits_per_dim\":[[1,1]]}"]

LIES_OF_THE_MODEL: List[Lie] = [
    lambda body: b"{}", lambda body: b"<html></html>", lambda body: body.replace(b'"height":8', b'"height":-8'),
    lambda body: body.replace(b'"n_colors":256', b'"n_colors":"256"'), lambda body: body.replace(b'"limits"', b'"l"'),
]


def refused() -> Any:
    return pytest.raises(pixelcnnd.PixelCNNError, match="is not what pixelcnnd")


def test_the_truth_is_taken(liar: Liar) -> None:
    model = pixelcnnd.connect(liar.path)
    for progress in (False, True):
        images, log_q = model.sample(2, seed=1, temperature=0.9, log_prob=True, progress=progress)
        np.testing.assert_array_equal(images, model.sample(2, seed=1, temperature=0.9))
    assert len(list(model.stream(2, log_prob=True))) == 2 * 9
    assert model.bits_per_dim(images).shape == (2,) and model.log_prob(images).shape == log_q.shape


@pytest.mark.parametrize("lie", LIES_OF_ARCHIVES)
def test_an_archive_that_cannot_be_is_refused(liar: Liar, lie: Lie) -> None:
    model = pixelcnnd.connect(liar.path)
    liar.lie = lie
    for progress in (False, True):
        with refused():
            model.sample(2, seed=1, temperature=0.9, log_prob=True, progress=progress)


@pytest.mark.parametrize("lie", LIES_OF_ARRAYS)
def test_an_array_that_cannot_be_is_refused(liar: Liar, lie: Lie) -> None:
    model = pixelcnnd.connect(liar.path)
    images = model.sample(2, seed=1)
    liar.lie = lie
    for draw in (lambda: model.sample(2), lambda: model.sample(2, progress=True), lambda: list(model.stream(2)),
                 lambda: model.complete(images[0], rows=3, n=2), lambda: model.log_prob(images)):
        with refused():
            draw()


@pytest.mark.parametrize("scores", LIES_OF_SCORES)
def test_scores_that_cannot_be_are_refused(liar: Liar, scores: bytes) -> None:
    model = pixelcnnd.connect(liar.path)
    images = model.sample(2, seed=1)
    liar.lie = lambda file: scores
    with refused():
        model.bits_per_dim(images)


@pytest.mark.parametrize("lie", LIES_OF_THE_MODEL)
def test_a_model_that_cannot_be_is_refused(liar: Liar, lie: Lie) -> None:
    liar.lie = lie
    with refused():
        pixelcnnd.connect(liar.path)


def test_a_web_server_is_no_daemon(liar: Liar) -> None:
    liar.type = "text/html"
    with refused():
        pixelcnnd.connect(liar.path)
