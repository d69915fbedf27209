#!/usr/bin/env python3
"""The README's first line beside the one that it replaces, on this machine.

    Benchmarks/one_line.py [--images 1 36] [--turns 7] [--fill README.md]

Ours is the whole line, with the daemon that it starts and ends: pixelcnnd.load("pixelcnn.pt").sample(n, seed=0). The
original's is its sampling loop in PyTorch, the whole network for each of 3,072 values, which takes too long to run
often: in each turn, after our line, one pass of the network over the n images is timed on all cores, and multiplied by
3,072; neither loading nor drawing counts there. Both are in one process, at the same time of day, and see the same
neighbours. Prints a table in Markdown: medians, and the median of the turns' ratios; --fill puts it between a page's
two "line" comments. The network is the published one, with random weights. $PIXELCNND names the daemon,
.build/release/pixelcnnd if it is not set. Needs torch, numpy.
"""
import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

# As in Benchmarks/run: they would slow down PyTorch's kernels; read when its libraries are loaded.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

import torch  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "Tests/Oracle")]
os.environ.setdefault("PIXELCNND", str(ROOT / ".build/release/pixelcnnd"))
import pixelcnnd  # noqa: E402
from gated_pixelcnn import PixelCNN  # noqa: E402
from naive_sampler import pass_seconds  # noqa: E402
from report import fill, markdown, processor  # noqa: E402


def ours(path, images):
    """Seconds of the line."""
    start = time.perf_counter()
    pixelcnnd.load(path).sample(images, seed=0)
    return time.perf_counter() - start


def duration(seconds):
    """Two digits, in the unit that a person would use."""
    if seconds >= 5400:
        return f"{seconds / 3600:.2g} h"
    return f"{seconds / 60:.2g} min" if seconds >= 90 else f"{seconds:.2g} s"


def main():
    parser = argparse.ArgumentParser(description="time the README's first line beside the original's")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 36])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--fill", type=pathlib.Path, help="the page whose table is replaced")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = PixelCNN().eval()
    values = model.in_shape[0] * model.in_shape[1] * model.in_shape[2]
    threads = len(os.sched_getaffinity(0))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pixelcnn.pt")
        torch.save(model, path)
        ours(path, 1)  # the file's pages, and the program's
        for images in arguments.images:
            turns = [(ours(path, images), pass_seconds(model, images, threads, 1) * values)
                     for _ in range(arguments.turns)]
            here, there = (statistics.median(side) for side in zip(*turns))
            ratio = statistics.median(theirs / our for our, theirs in turns)
            rows.append((f"n = {images}", duration(here), duration(there), f"{ratio:,.0f} ×"))
    names = ["", '`pixelcnnd.load("pixelcnn.pt").sample(n, seed=0)`', "the original in PyTorch", "ratio"]
    table = markdown(names, rows)
    text = (f"{table}\n\n*{processor()}; {threads} cores, PyTorch {torch.__version__}; medians of {arguments.turns} "
            "turns.\nOur time includes starting the daemon and loading the file.*\n")
    print(text)
    if arguments.fill:
        fill(arguments.fill, {"line": text})


if __name__ == "__main__":
    main()
