"""What a daemon's responses hold, checked before it is returned: whatever listens at an address may be broken, of
another version, or no pixelcnnd at all. PixelCNNError names what is not as it must be."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Container, Dict, Iterator, Mapping, Tuple

import numpy as np

from ._errors import unknown_protocol

if TYPE_CHECKING:
    import numpy.typing as npt

# Rounding may leave the most certain value a little above 0.
CERTAINTY = 0.01


@dataclass(frozen=True)
class Expected:
    """What the response to a request for samples must be.

    n: images, from first_index on.
    shape: (C, H, W).
    colors: values are 0 … colors − 1.
    has_log_q: whether what they are drawn from is not the model's own distribution.
    """

    n: int
    first_index: int
    shape: Tuple[int, ...]
    colors: int
    has_log_q: bool

    def images(self, npy: bytes) -> npt.NDArray[np.integer[Any]]:
        """(n, C, H, W)."""
        return self._integers(npy, (self.n, *self.shape))

    def archive(self, npz: bytes) -> Dict[str, Any]:
        """The arrays `samples`, `log_prob` and, if it differs, `log_q`, each (n, C, H, W)."""
        return self._arrays(npz, (self.n, *self.shape))

    def image(self, event: Mapping[str, Any], kind: str) -> Tuple[int, Dict[str, Any]]:
        """The index and the arrays, each (C, H, W), of an `image` event; kind: "npy" or "npz"."""
        with understood("an image event"):
            index, file = self._index(event), base64.b64decode(event[kind], validate=True)
        return index, self._arrays(file, self.shape) if kind == "npz" else {"samples": self._integers(file, self.shape)}

    def log_probabilities(self, event: Mapping[str, Any]) -> Tuple[float, float]:
        """The sums log_prob and log_q of an `image` event, one number where they do not differ."""
        with understood("an image event"):
            log_prob = float(event["log_prob"])
            log_q = float(event["log_q"]) if self.has_log_q else log_prob
            if not max(log_prob, log_q) <= CERTAINTY * math.prod(self.shape):
                raise ValueError("its log-probability is above 0, or no number")
        return log_prob, log_q

    def row(self, event: Mapping[str, Any]) -> Tuple[int, int, npt.NDArray[np.integer[Any]]]:
        """The index, the row, and the values (C, W) of a `row` event."""
        channels, height, width = self.shape
        with understood("a row event"):
            index, row, dtype = self._index(event), event["row"], np.dtype(event["dtype"])
            if dtype.kind != "u" or type(row) is not int or not 0 <= row < height:
                raise ValueError(f"row {row} of {dtype}")
            values = np.frombuffer(base64.b64decode(event["values"], validate=True), dtype)
            return index, row, self._in_range(values.reshape(channels, width))

    def images_done(self, event: Mapping[str, Any]) -> float:
        """How many images' values a `progress` event counts."""
        with understood("a progress event"):
            done = self.n * float(event["done"] / event["total"])
            if not 0 <= done <= self.n:
                raise ValueError(f"{done} of {self.n} images are done")
        return done

    def require_all(self, indices: Container[object]) -> None:
        """Raises unless the images' indices are all there."""
        if not all(index in indices for index in range(self.first_index, self.first_index + self.n)):
            raise unknown_protocol("its stream ended before all images had come")

    def _index(self, event: Mapping[str, Any]) -> int:
        index = event["index"]
        if type(index) is not int or not 0 <= index - self.first_index < self.n:
            raise ValueError(f"image {index} was not requested")
        return index

    def _arrays(self, npz: bytes, shape: Tuple[int, ...]) -> Dict[str, Any]:
        with understood("its archive"), np.load(io.BytesIO(npz), allow_pickle=False) as archive:
            arrays: Dict[str, Any] = {"samples": self._in_range(array_of(archive["samples"], "iu", shape))}
            for name in ["log_prob"] + ["log_q"] * self.has_log_q:
                arrays[name] = probable(array_of(archive[name], "f", shape))
            return arrays

    def _integers(self, npy: bytes, shape: Tuple[int, ...]) -> npt.NDArray[np.integer[Any]]:
        with understood("its array"):
            return self._in_range(array_of(np.load(io.BytesIO(npy), allow_pickle=False), "iu", shape))

    def _in_range(self, array: npt.NDArray[Any]) -> npt.NDArray[np.integer[Any]]:
        if not (0 <= array.min() and array.max() < self.colors):
            raise ValueError(f"it has values outside 0…{self.colors - 1}")
        return array


def description(response: bytes) -> Dict[str, Any]:
    """What `GET /v1/model` says."""
    with understood("its model"):
        model: Dict[str, Any] = json.loads(response)
        limits = model["limits"]
        numbers = [*(model[name] for name in ("channels", "height", "width", "n_colors")),
                   *(limits[name] for name in ("max_images", "max_values", "max_body"))]
        if not all(type(number) is int and number > 0 for number in numbers):
            raise ValueError("sizes and limits are not numbers above 0")
        if not {"file", "labels"} <= model.keys():
            raise ValueError("it has no file or no classes")
        return model


def log_prob(npy: bytes, images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The scores (n, C, H, W) of all values of images."""
    with understood("its array"):
        array = np.load(io.BytesIO(npy), allow_pickle=False)
        if array.size != images.size or array.ndim != 4 or array.shape[2:] != images.shape[-2:]:
            raise ValueError(f"{array.shape}; requested was that of {images.shape}")
        return probable(array_of(array, "f", array.shape))


def bits_per_dim(response: bytes, count: int) -> npt.NDArray[np.float64]:
    """The scores of `count` images."""
    with understood("its scores"):
        bits = np.array(json.loads(response)["bits_per_dim"], dtype=np.float64)
        if bits.shape != (count,) or not np.isfinite(bits).all() or bits.min() < -CERTAINTY:
            raise ValueError(f"{bits.shape}, or a score that is none; requested was ({count},)")
        return bits


def array_of(array: npt.NDArray[Any], kinds: str, shape: Tuple[int, ...]) -> npt.NDArray[Any]:
    """An array of those kinds of numbers and that shape."""
    if array.shape != shape or array.dtype.kind not in kinds:
        raise ValueError(f"{array.shape} {array.dtype}; requested was {shape}")
    return array


def probable(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """An array of log-probabilities."""
    if array.dtype != np.float32 or not (array <= CERTAINTY).all():
        raise ValueError("a log-probability is above 0, or no number")
    return array


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """What is read here are a response's bytes alone: whatever cannot be done is due to them."""
    try:
        yield
    except Exception as error:  # each library has its own
        raise unknown_protocol(f"{what}: {error}") from error
