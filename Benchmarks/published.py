#!/usr/bin/env python3
"""One image and 64 of each other published network, here and by that project's own sampling loop in PyTorch.

    Benchmarks/published.py .build/release/pixelcnn-bench

The networks have the sizes of their projects' scripts and random weights; what is drawn does not change what is
computed. A project's loop computes the whole network for every value, or for every pixel where its loop does. A few of
these passes are timed on all cores and multiplied by their number: a loop of 3,072 takes too long to run. Prints a
table in Markdown. Needs torch, numpy.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Oracle"))
import published_networks as networks  # noqa: E402

# name, family, sizes, side, passes of the project's loop per image
CASES = [
    ("vqvae-prior, 8 × 8", networks.VQPrior, dict(), 8, 64),
    ("vqvae-prior, 32 × 32", networks.VQPrior, dict(), 32, 1024),
    ("anordertoreclaim, MNIST", networks.Skips, dict(), 28, 3 * 784),
    ("pytorch-generative, MNIST", networks.Generative, dict(H=28, W=28), 28, 784),
    ("uva-tutorial, MNIST", networks.Tutorial, dict(), 28, 784),
    ("pixel_models, CIFAR-10", networks.BatchNormed, dict(), 32, 3 * 1024),
]


@torch.no_grad()
def seconds_per_pass(model, images, side):
    """The median of some passes over whole images, weights masked beforehand."""
    channels, colors, classes = model.size.get("C", 1), model.size.get("d", 2), model.size.get("classes", 0)
    x = torch.randint(0, colors, (images, channels, side, side))
    label = torch.zeros(images, dtype=torch.long) if classes else None
    description = model.description()
    networks.run(description, x, label)
    times = []
    while len(times) < 3 or (sum(times) < 4 and len(times) < 20):
        start = time.monotonic()
        networks.run(description, x, label)
        times.append(time.monotonic() - start)
    return statistics.median(times)


def seconds_here(bench, model, images, side, threads):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.pt")
        torch.save(model.state_dict(), path)
        line = subprocess.run(
            [bench, "time", "--model", path, "--size", str(side), "--images", str(images), "--threads", str(threads),
             "--runs", "5"], check=True, capture_output=True, text=True).stdout
        return json.loads(line)["seconds"]


def main():
    bench = sys.argv[1]
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    print(f"{threads} threads, PyTorch {torch.__version__}\n")
    print("| network | images | here | its loop in PyTorch | ratio |\n|---|---|---|---|---|")
    for name, family, sizes, side, passes in CASES:
        model = networks.randomise(family(**sizes), 1)
        for images in (1, 64):
            ours = seconds_here(bench, model, images, side, min(threads, 2) if images == 1 else threads)
            theirs = passes * seconds_per_pass(model, images, side)
            print(f"| {name} | {images} | {1000 * ours:.3g} ms | {theirs:.3g} s | {theirs / ours:,.0f} × |", flush=True)


if __name__ == "__main__":
    main()
