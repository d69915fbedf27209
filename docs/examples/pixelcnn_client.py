"""A client of pixelcnnd for Python, in one file to copy: the standard library, and NumPy for what it returns.

    from pixelcnn_client import Model

    model = Model()                            # where the daemon listens by default
    image = model.sample()                     # (1, 3, 32, 32), integers
    images = model.sample(36, seed=0)          # (36, 3, 32, 32), the same ones each time
    for index, image in model.stream(100):     # (3, 32, 32), each as soon as it is drawn
        ...
    bits = model.score(images)                 # (36,), bits/dim

With the original, `model = torch.load("pixelcnn.pt")` and `model.sample(36)` returned the same as a tensor. To show an
image with Matplotlib: `plt.imshow(images[0].transpose(1, 2, 0))`.
"""

import base64
import http.client
import io
import json
import operator
import os
import random
import socket
import time
import urllib.parse

try:
    import numpy as np
except ImportError as error:
    raise ImportError("pixelcnn_client returns NumPy arrays: pip install numpy") from error

__all__ = ["Model", "PixelCNNError"]

NPY, JSON, EVENTS = "application/x-npy", "application/json", "text/event-stream"


class PixelCNNError(Exception):
    """A problem which the daemon reports: `status` (HTTP), `field` (the one to correct, or None), and a description."""

    def __init__(self, status, detail, field=None):
        super().__init__(detail)
        self.status, self.field = status, field


class Model:
    """The model that a daemon serves.

    address: the path of a Unix socket, or the URL of a proxy (https://host); by default $PIXELCNN_SOCKET, else
        $XDG_RUNTIME_DIR/pixelcnn.sock, else /run/pixelcnn/pixelcnn.sock.
    patience: seconds for which a request is sent again while the daemon is busy, or restarts.
    headers: sent with every request, such as {"Authorization": "Bearer …"}.
    context: an ssl.SSLContext, for certificates that are not publicly signed.
    """

    def __init__(self, address=None, *, patience=300.0, headers=None, context=None):
        self.headers = dict(headers or {})
        self.context = context
        self.patience = 0.0
        candidates = [os.fspath(address)] if address else default_sockets()
        for self.address in candidates:
            try:
                self.description = json.loads(self._request("GET", "/v1/model", JSON))
                break
            except OSError as error:
                reason = error
        else:
            places = " or ".join(candidates)
            raise ConnectionError(f"no daemon at {places} ({reason}): start pixelcnnd, or give its address")
        self.patience = patience
        self.in_shape = tuple(self.description[side] for side in ("channels", "height", "width"))

    def sample(self, n=1, *, seed=None, first_index=0, **parameters):
        """Draws n images: integers (n, C, H, W), values 0 … n_colors − 1.

        seed: random if None; the same seed gives the same images, however they are split by first_index.
        parameters: fields of the request, such as label, temperature, top_p, height, width (docs/API.md).
        """
        parts = self._parts(n, seed, first_index, parameters)
        return np.concatenate([load(self._request("POST", "/v1/samples", NPY, encode(part), JSON)) for part in parts])

    def stream(self, n=1, *, seed=None, first_index=0, **parameters):
        """Draws n images, and yields (index, image) as each is finished, not in order; image: integers (C, H, W).

        If a stream breaks, the request is sent again, and the missing images follow.
        """
        seen = set()
        for part in self._parts(n, seed, first_index, dict(parameters, format="npy")):
            for attempt in self._attempts():
                with attempt:
                    for name, data in self._events(encode(part)):
                        if name == "image" and data["index"] not in seen:
                            seen.add(data["index"])
                            yield data["index"], load(base64.b64decode(data["npy"]))

    def score(self, images, *, label=None):
        """Bits per dimension of each image: floats (n). images: integers (n, C, H, W) or (C, H, W)."""
        return np.array(json.loads(self._score(images, label, JSON))["bits_per_dim"])

    def log_prob(self, images, *, label=None):
        """The log-probability of each value in nats: float32 (n, C, H, W)."""
        return load(self._score(images, label, NPY))

    def _parts(self, n, seed, first_index, parameters):
        """The requests that together draw n images, each within the daemon's limits."""
        n = operator.index(n)
        seed = random.SystemRandom().randrange(1 << 53) if seed is None else seed
        channels, height, width = self.in_shape
        values = channels * parameters.get("height", height) * parameters.get("width", width)
        limits = self.description["limits"]
        part = max(1, min(limits["max_images"], limits["max_values"] // max(1, values)))
        for start in range(0, max(1, n), part):
            yield dict(parameters, n=min(part, n - start), seed=str(seed), first_index=str(first_index + start))

    def _score(self, images, label, accept):
        file = io.BytesIO()
        np.save(file, np.asarray(images), allow_pickle=False)
        path = "/v1/score" if label is None else f"/v1/score?label={urllib.parse.quote(str(label))}"
        return self._request("POST", path, accept, file.getvalue(), NPY)

    # Every request here may be sent again: the seed determines the images, whichever daemon draws them.

    def _request(self, method, path, accept, body=None, content_type=None):
        for attempt in self._attempts():
            with attempt, self._open(method, path, accept, body, content_type) as response:
                return response.read()

    def _events(self, body):
        """The (name, data) of each event. Raises if the stream ends without `done`."""
        with self._open("POST", "/v1/samples", EVENTS, body, JSON) as response:
            name, is_done = None, False
            for line in response:  # to its end, so that the daemon does not see a disconnect
                key, _, value = line.decode().rstrip("\r\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    data = json.loads(value)
                    if name == "error":
                        raise problem(data)
                    is_done = name == "done"
                    yield name, data
            if not is_done:
                raise ConnectionResetError("the event stream ended early")

    def _open(self, method, path, accept, body, content_type):
        headers = dict(self.headers, Accept=accept)
        if content_type:
            headers["Content-Type"] = content_type
        url = urllib.parse.urlsplit(self.address)
        if url.scheme == "https":
            connection = http.client.HTTPSConnection(url.netloc, context=self.context)
        elif url.scheme == "http":
            connection = http.client.HTTPConnection(url.netloc)
        else:
            connection = UnixConnection(self.address)
        return Response(connection, method, path, body, headers)

    def _attempts(self):
        """Attempts, until one succeeds or `patience` seconds have passed since the first failure."""
        end = time.monotonic() if self.patience == 0 else None
        pause = 0.1
        while True:
            begin = time.monotonic()
            attempt = Attempt(is_last=end is not None and begin >= end)
            yield attempt
            if attempt.succeeded:
                return
            if end is None or time.monotonic() - begin > self.patience:  # it went well for that long
                end = time.monotonic() + self.patience
            # A random extra delay, so that clients rejected together do not come back together.
            seconds = (attempt.retry_after or pause) * random.uniform(1, 1.25)
            time.sleep(max(0, min(seconds, end - time.monotonic())))
            pause = min(2 * pause, 5)


class Attempt:
    """One attempt; swallows errors which another attempt may overcome."""

    def __init__(self, is_last):
        self.is_last = is_last
        self.succeeded = False
        self.retry_after = None

    def __enter__(self):
        return self

    def __exit__(self, _, error, __):
        self.succeeded = error is None
        self.retry_after = getattr(error, "retry_after", None)
        is_busy = isinstance(error, PixelCNNError) and error.status in (429, 502, 503)
        is_lost = isinstance(error, (OSError, http.client.HTTPException))
        return (is_busy or is_lost) and not self.is_last


class Response:
    """The response to one request, on its own connection."""

    def __init__(self, connection, method, path, body, headers):
        self.connection = connection
        try:
            connection.request(method, path, body, headers)
            self.response = connection.getresponse()
            if self.response.status != 200:
                raise self.problem()
        except BaseException:
            connection.close()
            raise

    def problem(self):
        """The problem reported by the daemon, or by a proxy in front of it."""
        try:
            error = problem(json.loads(self.response.read()))
        except (ValueError, KeyError):
            error = PixelCNNError(self.response.status, f"status {self.response.status} {self.response.reason}")
        seconds = self.response.headers.get("Retry-After", "")
        error.retry_after = float(seconds) if seconds.isdigit() else None
        return error

    def __enter__(self):
        return self.response

    def __exit__(self, *_):
        self.connection.close()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def default_sockets():
    if os.environ.get("PIXELCNN_SOCKET"):
        return [os.environ["PIXELCNN_SOCKET"]]
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    own = [os.path.join(folder, "pixelcnn.sock")] if folder.startswith("/") else []
    return own + ["/run/pixelcnn/pixelcnn.sock"]


def encode(value):
    return json.dumps(value, default=lambda number: number.item()).encode()  # NumPy's numbers


def load(npy):
    return np.load(io.BytesIO(npy), allow_pickle=False)


def problem(details):
    return PixelCNNError(details["status"], details["detail"], details.get("field"))
