"""Samples and scores images with a gated PixelCNN, as fast as pixelcnnd does.

    import pixelcnnd

    model = pixelcnnd.load("pixelcnn.pt")                  # a daemon of its own, which ends with the object
    images = model.sample(36, seed=0)                      # (36, 3, 32, 32) uint8
    images, log_q = model.sample(36, log_prob=True)        # with the log-probability of each value, in nats
    images = model.complete(images[0], rows=16, n=8)       # keeps the first rows, draws the rest
    bits = model.bits_per_dim(images)                      # (8,)

    model = pixelcnnd.connect()                            # a daemon that runs already
"""

try:
    import numpy as _numpy  # noqa: F401
except ImportError as error:
    raise ImportError("pixelcnnd returns NumPy arrays: pip install numpy") from error

from ._daemon import load
from ._errors import LoadError, PixelCNNError
from ._model import Image, Model, Row, Samples, connect, log_likelihood_ratio
from ._version import version as _version

__all__ = [
    "Image", "LoadError", "Model", "PixelCNNError", "Row", "Samples", "connect", "load", "log_likelihood_ratio",
]

__version__ = _version()
