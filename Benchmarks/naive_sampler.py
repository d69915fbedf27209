"""The usual sampler in PyTorch: the whole network for every value. Times passes, and scales to an image's 3,072.

    python3 Benchmarks/naive_sampler.py                       # one image, and the best batch, at the best thread count
    python3 Benchmarks/naive_sampler.py --images 1 --threads 2

A pass takes the same time whatever the values are, so an image's time is that of a pass times the number of values.
"""
import argparse
import json
import os
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Oracle"))
from gated_pixelcnn import PixelCNN  # noqa: E402


def pass_seconds(model, images, threads, passes):
    """Seconds of a pass over `images` images: the median of `passes`, after one that does not count."""
    torch.set_num_threads(threads)
    batch = torch.zeros(images, *model.in_shape)
    times = []
    with torch.no_grad():
        model(batch)
        for _ in range(passes):
            start = time.perf_counter()
            model(batch)
            times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def result(model, images, threads, passes):
    values = model.in_shape[0] * model.in_shape[1] * model.in_shape[2]
    seconds = pass_seconds(model, images, threads, passes) * values
    return {"images": images, "threads": threads, "passes": passes, "seconds": round(seconds, 2),
            "images_per_second": round(images / seconds, 6)}


def at_its_best(model, batches, threads, passes, trial_passes):
    """One image and the best batch, each at its best number of threads: short trials choose, `passes` passes count."""
    trials = []
    for images in batches:
        for count in threads:
            print(f"measuring: naive PyTorch, trial, {images} images, {count} threads", file=sys.stderr)
            trials.append(result(model, images, count, trial_passes))
    fastest = lambda some: max(some, key=lambda trial: trial["images_per_second"])
    one, many = fastest([trial for trial in trials if trial["images"] == 1]), fastest(trials)
    print(f"measuring: naive PyTorch, {passes} passes of 1 image, then of {many['images']}", file=sys.stderr)
    return {"trials": trials, "one_image": result(model, 1, one["threads"], passes),
            "best_batch": result(model, many["images"], many["threads"], passes)}


def main():
    parser = argparse.ArgumentParser(description="time the naive sampler in PyTorch, published size")
    parser.add_argument("--images", type=int, help="only this batch")
    parser.add_argument("--threads", type=int, help="only this number of threads")
    parser.add_argument("--passes", type=int, default=20, help="passes timed; the median counts")
    parser.add_argument("--quick", action="store_true", help="fewer batches, three passes each")
    arguments = parser.parse_args()
    model = PixelCNN().eval()
    cores = len(os.sched_getaffinity(0))
    if arguments.images:
        print(json.dumps(result(model, arguments.images, arguments.threads or cores, arguments.passes)))
        return
    threads = [arguments.threads] if arguments.threads else sorted({1, cores})
    batches, passes, trial = ([1, 8], 3, 1) if arguments.quick else ([1, 8, 16, 32, 64], arguments.passes, 3)
    print(json.dumps(at_its_best(model, batches, threads, passes, trial)))


if __name__ == "__main__":
    main()
