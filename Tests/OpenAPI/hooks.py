"""What Schemathesis cannot know: how to write pictures and arrays, which types a response may have, and that a test
should not draw images for an hour."""

import base64
import math
import random
import struct
import zlib

import schemathesis
from hypothesis import strategies

CHANNELS = 3  # of the tiny model
PIXELS = 4096


@strategies.composite
def arrays(draw):
    n, height, width = (draw(strategies.integers(1, most)) for most in (3, 9, 9))
    return draw(array(draw(strategies.sampled_from([(n, CHANNELS, height, width), (CHANNELS, height, width)]))))


@strategies.composite
def array(draw, shape):
    size = math.prod(shape)
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    values = draw(strategies.binary(min_size=size, max_size=size))
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + values


@strategies.composite
def pictures(draw):
    height, width = (draw(strategies.integers(1, 9)) for _ in range(2))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + draw(strategies.binary(min_size=width * 3, max_size=width * 3)) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def text(files):
    return files.map(lambda file: base64.b64encode(file).decode())


# A picture of 5 x 4 pixels fits a mask of 5 x 4; the others show what happens if they do not fit.
schemathesis.openapi.format("image-base64", text(pictures() | array((CHANNELS, 5, 4))))
schemathesis.openapi.format("mask-base64", text(array((5, 4))))
schemathesis.openapi.media_type("application/x-npy", arrays())
schemathesis.openapi.media_type("image/png", pictures())
schemathesis.openapi.media_type("application/octet-stream", arrays() | pictures())


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict):
        shrink(body)
        drop_label(body, body)
    drop_label(case.query, body)
    types = [
        media_type
        for response in case.operation.definition.raw["responses"].values()
        for media_type in response.get("content", {})
        if media_type != "application/problem+json"
    ]
    types = measured(body, types)
    if isinstance(body, dict) and (body.get("format") is not None or body.get("stream_rows") is True):
        types = ["text/event-stream"]  # these two fields are only for event streams
    if types and "Accept" not in (case.headers or {}):
        # The response's type depends only on the request, so that a failure can be reproduced.
        case.headers["Accept"] = random.Random(repr(body)).choice(types)


def measured(body, types):
    """The types of a response with log-probabilities, or of one without; images as NPZ are only for the former."""
    if isinstance(body, dict) and body.get("format") == "npz" and body.get("log_prob", False) is False:
        body["log_prob"] = True
    if isinstance(body, dict) and body.get("log_prob") is True:
        return ["application/x-npz", "text/event-stream"]
    return [media_type for media_type in types if media_type != "application/x-npz"]


def drop_label(fields, body):
    """Removes valid labels from most requests: the tiny model has no classes and rejects all of them."""
    label = (fields or {}).get("label")
    is_number = isinstance(label, int) and not isinstance(label, bool) and label >= 0
    if (is_number or isinstance(label, str) and label) and random.Random(repr(body)).random() < 0.9:
        del fields["label"]


def shrink(body):
    """Makes valid requests for many images smaller and gives them enough time: 504 is a correct response, but
    Schemathesis takes it for a failure."""

    def number(name, default, most):
        value = body.get(name)
        value = default if value is None else value
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        return value if is_integer and 1 <= value <= most else None

    n, height, width = number("n", 1, 4096), number("height", 8, 1024), number("width", 8, 1024)
    if n and height and width and n * height * width > PIXELS:
        for name, most in (("n", 4), ("height", 32), ("width", 32)):
            if body.get(name) is not None:
                body[name] = min(body[name], most)
    if number("deadline_ms", 0, 86_400_000):
        body["deadline_ms"] = max(body["deadline_ms"], 60_000)
