"""A model behind a daemon: arrays in, arrays out."""

from __future__ import annotations

import base64
import importlib
import io
import json
import operator
import os
import random
import ssl
import urllib.parse
from dataclasses import dataclass
from types import TracebackType
from typing import (TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Set, SupportsIndex, Tuple,
                    Type, Union, overload)

import numpy as np

from . import _responses
from ._errors import PixelCNNError
from ._http import JSON, NPY, NPZ, PATIENCE, Transport
from ._responses import Expected

if TYPE_CHECKING:
    from typing_extensions import Literal, Self

    import numpy.typing as npt

    Integers = npt.NDArray[np.integer[Any]]
    Floats = npt.NDArray[np.float32]
    # What becomes an array: also tensors of PyTorch.
    Arrays = Any
    Label = Union[SupportsIndex, str, None]


@dataclass(frozen=True, eq=False)
class Row:
    """A finished row of an image that is being drawn."""

    index: int
    """The image's index under the seed."""
    row: int
    """From 0 at the top."""
    values: Integers
    """(C, W)."""


@dataclass(frozen=True, eq=False)
class Image:
    """A finished image."""

    index: int
    """Its index under the seed."""
    image: Integers
    """(C, H, W)."""
    log_prob: Optional[float] = None
    """Its log-probability under the model in nats, if that was asked for."""
    log_q: Optional[float] = None
    """The same under the distribution that it was drawn from, which is the model's unless parameters change it."""


class Samples(Tuple["Integers", "Floats"]):
    """(images, log_q): what `log_prob=True` returns."""

    log_prob: Floats
    """The log-probability of each value under the model, in nats: float32 (n, C, H, W), those of Model.log_prob."""

    def __new__(cls, images: Integers, log_q: Floats, log_prob: Floats) -> Samples:
        self = super().__new__(cls, (images, log_q))
        self.log_prob = log_prob
        return self

    def __getnewargs__(self) -> Tuple[Integers, Floats, Floats]:
        return self.images, self.log_q, self.log_prob

    @property
    def images(self) -> Integers:
        """Integers (n, C, H, W)."""
        return self[0]

    @property
    def log_q(self) -> Floats:
        """The log-probability of each value under the distribution that it was drawn from: that of log_prob, unless
        temperature, top_k or top_p change it."""
        return self[1]


def connect(address: Union[str, os.PathLike[str], None] = None, *, patience: float = PATIENCE,
            headers: Optional[Mapping[str, str]] = None, context: Optional[ssl.SSLContext] = None) -> Model:
    """The model that a running daemon serves.

    address: the path of a Unix socket (unix:// may stand before it), or the URL of a proxy (https://host); by default
        where the client looks: $PIXELCNN_SOCKET, else $XDG_RUNTIME_DIR/pixelcnn.sock (without that variable
        /run/user/UID/pixelcnn.sock), else /run/pixelcnn/pixelcnn.sock.
    patience: seconds for which a request is sent again while the daemon is busy, or restarts.
    headers: sent with every request, such as {"Authorization": "Bearer …"}.
    context: an ssl.SSLContext, for certificates that are not publicly signed.
    """
    candidates = [os.fspath(address)] if address else default_sockets()
    reasons = []
    for candidate in candidates:
        path = candidate[len("unix://"):] if candidate.startswith("unix://") else candidate
        transport = Transport(path, headers=headers, context=context)
        try:
            model = Model(transport)
        except OSError as error:
            reasons.append(f"{candidate} ({error.strerror or error})")
        else:
            transport.patience = patience
            return model
    raise ConnectionError(f"no daemon at {' or '.join(reasons)}: start pixelcnnd, or give its address")


def default_sockets() -> List[str]:
    """Where the client looks, in order."""
    if os.environ.get("PIXELCNN_SOCKET"):
        return [os.environ["PIXELCNN_SOCKET"]]
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    if not folder.startswith("/"):  # of cron, say, or behind su; the XDG specification has relative values ignored
        folder = f"/run/user/{os.getuid()}"
    return [os.path.join(folder, "pixelcnn.sock"), "/run/pixelcnn/pixelcnn.sock"]


class Model:
    """A model that a daemon serves; `pixelcnnd.load` and `pixelcnnd.connect` make it.

    An object may be used by several threads, by forked processes, and by others that it is sent to (pickle), as long as
    the process that loaded it keeps it.
    """

    description: Dict[str, Any]
    """What `GET /v1/model` says: hyperparameters, file, classes, limits."""
    in_shape: Tuple[int, int, int]
    """(C, H, W) of the model's images."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.description = _responses.description(transport.request("GET", "/v1/model", JSON))
        self.in_shape = (self.description["channels"], self.description["height"], self.description["width"])

    def __repr__(self) -> str:
        size = " × ".join(map(str, self.in_shape))
        return f"<pixelcnnd.Model of {self.description['file']}: {size}, {self.description['n_colors']} values>"

    def close(self) -> None:
        """Ends the daemon, if it is the object's own. Deleting the object does it, too."""
        if self._transport.daemon:
            self._transport.daemon.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: Optional[Type[BaseException]], __: Optional[BaseException],
                 ___: Optional[TracebackType]) -> None:
        self.close()

    # Drawing

    @overload
    def sample(self, n: int = ..., *, log_prob: Literal[False] = ..., seed: Optional[int] = ..., first_index: int = ...,
               label: Label = ..., temperature: float = ..., top_k: Optional[int] = ..., top_p: Optional[float] = ...,
               height: Optional[int] = ..., width: Optional[int] = ..., progress: bool = ...) -> Integers: ...

    @overload
    def sample(self, n: int = ..., *, log_prob: Literal[True], seed: Optional[int] = ..., first_index: int = ...,
               label: Label = ..., temperature: float = ..., top_k: Optional[int] = ..., top_p: Optional[float] = ...,
               height: Optional[int] = ..., width: Optional[int] = ..., progress: bool = ...) -> Samples: ...

    def sample(self, n: int = 1, *, log_prob: bool = False, seed: Optional[int] = None, first_index: int = 0,
               label: Label = None, temperature: float = 1.0, top_k: Optional[int] = None,
               top_p: Optional[float] = None, height: Optional[int] = None, width: Optional[int] = None,
               progress: bool = False) -> Union[Integers, Samples]:
        """Draws n images: integers (n, C, H, W), values 0 … n_colors − 1.

        log_prob: also returns the log-probability of each value: (images, log_q); see Samples.
        seed: random if None; the same seed gives the same images, however they are split by first_index.
        label: the class, by number or name, if the model has classes.
        temperature, top_k, top_p: draw from more probable values, or from the most probable ones only.
        height, width: the size of the images; the model's by default.
        progress: shows a bar, if tqdm is installed.
        """
        parameters = _parameters(label, temperature, top_k, top_p, height=height, width=width)
        return self._draw(n, seed, first_index, parameters, log_prob, progress)

    @overload
    def complete(self, image: Arrays, *, rows: Optional[int] = ..., mask: Arrays = ..., n: int = ...,
                 log_prob: Literal[False] = ..., seed: Optional[int] = ..., first_index: int = ..., label: Label = ...,
                 temperature: float = ..., top_k: Optional[int] = ..., top_p: Optional[float] = ...,
                 progress: bool = ...) -> Integers: ...

    @overload
    def complete(self, image: Arrays, *, rows: Optional[int] = ..., mask: Arrays = ..., n: int = ...,
                 log_prob: Literal[True], seed: Optional[int] = ..., first_index: int = ..., label: Label = ...,
                 temperature: float = ..., top_k: Optional[int] = ..., top_p: Optional[float] = ...,
                 progress: bool = ...) -> Samples: ...

    def complete(self, image: Arrays, *, rows: Optional[int] = None, mask: Arrays = None, n: int = 1,
                 log_prob: bool = False, seed: Optional[int] = None, first_index: int = 0, label: Label = None,
                 temperature: float = 1.0, top_k: Optional[int] = None, top_p: Optional[float] = None,
                 progress: bool = False) -> Union[Integers, Samples]:
        """Keeps a part of an image and draws the rest, n times: integers (n, C, H, W).

        image: integers (C, H, W).
        rows: keep that many rows, from the top; or
        mask: (H, W), keep the pixels that are not 0.
        The others are those of `sample`; log-probabilities are 0 where a pixel is kept.
        """
        if (rows is None) == (mask is None):
            raise TypeError("give one of rows and mask: it says which pixels are kept")
        given: Dict[str, Any] = {"image": _base64(_array(image))}
        if rows is not None:
            given["rows"] = operator.index(rows)
        else:
            given["mask"] = _base64(_array(mask) != 0)
        parameters = dict(_parameters(label, temperature, top_k, top_p), given=given)
        size = _array(image).shape[-2:]
        return self._draw(n, seed, first_index, parameters, log_prob, progress, size)

    def stream(self, n: int = 1, *, rows: bool = True, log_prob: bool = False, seed: Optional[int] = None,
               first_index: int = 0, label: Label = None, temperature: float = 1.0, top_k: Optional[int] = None,
               top_p: Optional[float] = None, height: Optional[int] = None,
               width: Optional[int] = None) -> Iterator[Union[Row, Image]]:
        """Draws n images, and yields each Row as it is finished, and each Image; not in the images' order.

        rows: False for images alone.
        log_prob: images have their log-probabilities.
        The others are those of `sample`. If a stream breaks, the request is sent again, and what is missing follows.
        """
        parameters = _parameters(label, temperature, top_k, top_p, height=height, width=width)
        parameters.update(format="npy", **({"stream_rows": True} if rows else {}),
                          **({"log_prob": True} if log_prob else {}))
        for part, expected in self._parts(n, seed, first_index, parameters):
            seen: Set[object] = set()
            for name, data in self._events(part):
                if name == "row":
                    index, row, values = expected.row(data)
                    if (index, row) not in seen:
                        seen.add((index, row))
                        yield Row(index, row, values)
                elif name == "image":
                    index, arrays = expected.image(data, "npy")
                    if index not in seen:
                        seen.add(index)
                        yield Image(index, arrays["samples"], *(expected.log_probabilities(data) if log_prob else ()))
            expected.require_all(seen)

    # Scoring

    def log_prob(self, images: Arrays, *, label: Label = None) -> Floats:
        """The log-probability of each value in nats, given those before it: float32 (n, C, H, W).

        images: integers (n, C, H, W) or (C, H, W), with one channel also (n, H, W).
        """
        parts = [_responses.log_prob(response, piece) for response, piece in self._scores(images, label, NPY)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def bits_per_dim(self, images: Arrays, *, label: Label = None) -> npt.NDArray[np.float64]:
        """How well the model predicts each image: −log₂ p per value, float64 (n)."""
        return np.concatenate([_responses.bits_per_dim(response, len(piece) if self._is_stack(piece) else 1)
                               for response, piece in self._scores(images, label, JSON)])

    def _is_stack(self, images: npt.NDArray[Any]) -> bool:
        """Whether its first axis counts images."""
        return images.ndim > 3 or images.ndim == 3 and self.in_shape[0] == 1

    # Requests

    def _draw(self, n: int, seed: Optional[int], first_index: int, parameters: Dict[str, Any], log_prob: bool,
              progress: bool, size: Optional[Tuple[int, ...]] = None) -> Union[Integers, Samples]:
        if log_prob:
            parameters = dict(parameters, log_prob=True)
        parts = list(self._parts(n, seed, first_index, parameters, size))
        bar = _progress_bar() if progress else None
        if bar is not None:
            drawn = self._watch(parts, bar)
        elif log_prob:
            drawn = [expected.archive(self._request(part, NPZ)) for part, expected in parts]
        else:
            drawn = [{"samples": expected.images(self._request(part, NPY))} for part, expected in parts]
        arrays = {
            name: drawn[0][name] if len(drawn) == 1 else np.concatenate([part[name] for part in drawn])
            for name in drawn[0]
        }
        if not log_prob:
            images: Integers = arrays["samples"]
            return images
        return Samples(arrays["samples"], arrays.get("log_q", arrays["log_prob"]), arrays["log_prob"])

    def _watch(self, parts: List[Tuple[Dict[str, Any], Expected]], bar: Any) -> List[Dict[str, Any]]:
        """Draws by event streams, which say how far they are."""
        total, drawn = sum(expected.n for _, expected in parts), []
        layout = "{l_bar}{bar}| {n:.1f}/{total_fmt} [{elapsed}<{remaining}]"
        with bar(total=total, unit="image", bar_format=layout) as bar:
            before = 0
            for part, expected in parts:
                kind = "npz" if part.get("log_prob") else "npy"
                images: Dict[int, Any] = {}
                for name, data in self._events(dict(part, format=kind)):
                    if name == "progress":
                        bar.n = before + expected.images_done(data)
                        bar.refresh()
                    elif name == "image":
                        index, arrays = expected.image(data, kind)
                        images[index] = arrays
                expected.require_all(images)
                before += expected.n
                bar.n = before
                bar.refresh()
                ordered = [images[index] for index in sorted(images)]
                drawn.append({name: np.stack([image[name] for image in ordered]) for name in ordered[0]})
        return drawn

    def _parts(self, n: int, seed: Optional[int], first_index: int, parameters: Dict[str, Any],
               size: Optional[Tuple[int, ...]] = None) -> Iterator[Tuple[Dict[str, Any], Expected]]:
        """The requests that together draw n images, each within the daemon's limits, and what their responses are."""
        n, first_index = operator.index(n), operator.index(first_index)
        seed = random.SystemRandom().randrange(1 << 53) if seed is None else operator.index(seed)
        channels, height, width = self.in_shape
        height, width = size or (parameters.get("height", height), parameters.get("width", width))
        colors, limits = self.description["n_colors"], self.description["limits"]
        has_log_q = (parameters.get("temperature", 1) != 1 or parameters.get("top_k", colors) < colors
                     or parameters.get("top_p", 1) < 1)
        most = max(1, min(limits["max_images"], limits["max_values"] // max(1, channels * height * width)))
        for start in range(0, max(1, n), most):
            part = dict(parameters, n=min(most, n - start), seed=str(seed), first_index=str(first_index + start))
            yield part, Expected(part["n"], first_index + start, (channels, height, width), colors, has_log_q)

    def _request(self, part: Dict[str, Any], accept: str) -> bytes:
        return self._transport.request("POST", "/v1/samples", accept, _encode(part), JSON)

    def _events(self, part: Dict[str, Any]) -> Iterator[Tuple[str, Any]]:
        """The events of a request, some of them again where it had to be sent again."""
        body = _encode(part)
        for attempt in self._transport.attempts():
            with attempt:
                yield from self._transport.events("/v1/samples", body)

    def _scores(self, images: Arrays, label: Label, accept: str) -> Iterator[Tuple[bytes, npt.NDArray[Any]]]:
        """The responses to requests that together score the images, each with its images."""
        array = _array(images)
        path = "/v1/score" if label is None else f"/v1/score?label={urllib.parse.quote(str(label), safe='')}"
        limits = self.description["limits"]
        is_stack = self._is_stack(array)
        size = max(1, array[0].size if is_stack and len(array) else array.size)
        itemsize = max(1, array.itemsize)
        part = max(1, min(limits["max_values"] // size, (limits["max_body"] - 1024) // (size * itemsize)))
        pieces = [array[start:start + part] for start in range(0, len(array), part)] if is_stack else [array]
        for piece in pieces or [array]:
            yield self._transport.request("POST", path, accept, _npy(piece), NPY), piece


def log_likelihood_ratio(images: Arrays, model: Model, against: Model, *,
                         label: Label = None) -> npt.NDArray[np.float64]:
    """How much more probable each image is under one model than under another one, in nats: float64 (n).

    Outliers are the images with the lowest ratios: bits per dimension also say how simple an image is, the ratio of two
    models does not.
    label: the images' class, for those of the models that have classes.
    """
    def bits(scorer: Model) -> npt.NDArray[np.float64]:
        return scorer.bits_per_dim(images, label=label if scorer.description["labels"] else None)

    own, other = bits(model), bits(against)
    values = _array(images).size // len(own)
    ratio: npt.NDArray[np.float64] = (other - own) * (values * np.log(2))
    return ratio


# Arrays and JSON

def _parameters(label: Label, temperature: float, top_k: Optional[int], top_p: Optional[float],
                **sizes: Optional[int]) -> Dict[str, Any]:
    """The fields of a request that are not at their defaults."""
    fields = dict(sizes, label=label, top_k=top_k, top_p=top_p, temperature=None if temperature == 1 else temperature)
    return {name: value for name, value in fields.items() if value is not None}


def _array(images: Arrays) -> npt.NDArray[Any]:
    """An array, of whatever becomes one; values that fit are bytes, which are less to send."""
    if hasattr(images, "detach"):  # a tensor of PyTorch, which may be on another device
        images = images.detach().cpu().numpy()
    array = np.asarray(images)
    if array.dtype.kind in "iu" and array.itemsize > 1 and array.size and 0 <= array.min() and array.max() < 256:
        array = array.astype(np.uint8)
    return array


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(_npy(array)).decode()


def _encode(fields: Dict[str, Any]) -> bytes:
    return json.dumps(fields, default=lambda number: number.item()).encode()  # NumPy's numbers


def _progress_bar() -> Any:
    try:
        return importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        return None
