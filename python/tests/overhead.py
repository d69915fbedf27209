#!/usr/bin/env python3
"""The cost of the package over the engine, for one 32 × 32 image on a running daemon: a request all of whose pixels are
given computes nothing. At most 2 ms. Prints figures; `make load` runs it with PIXELCNN_PYTHON."""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

import conftest
import pixelcnnd

REQUESTS = 1000
ALLOWED = 2.0  # ms


def main() -> None:
    with conftest.Daemon() as daemon:
        model = pixelcnnd.connect(daemon.socket)
        image = np.zeros((3, 32, 32), np.uint8)
        milliseconds = []
        for _ in range(REQUESTS):
            start = time.perf_counter()
            model.complete(image, rows=32, seed=1)
            milliseconds.append((time.perf_counter() - start) * 1e3)
    median = statistics.median(milliseconds)
    slow = np.quantile(milliseconds, 0.99)
    print(f"pixelcnnd for Python, one 32 × 32 image: median {median:.2f} ms, 99 % {slow:.2f} ms")
    if median > ALLOWED:
        sys.exit(f"the median is above {ALLOWED} ms")


if __name__ == "__main__":
    main()
