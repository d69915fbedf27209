"""PyTorch's side of `make bench`: both samplers at their best, as one JSON document. Progress goes to stderr.

    python3 Benchmarks/peers.py [--quick]

The cached sampler is fastest as one single-threaded process per core, since PyTorch's own threads make its small
products slower; the processes warm up, wait for one another, and run at the same time.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent


def cached(images, processes, rows, runs):
    """The images per second of `processes` processes together, each drawing `images` images."""
    print(f"measuring: cached PyTorch, {processes} x {images} images", file=sys.stderr, flush=True)
    command = [sys.executable, HERE / "cached_sampler.py", "--images", images, "--threads", 1, "--rows", rows,
               "--runs", runs, "--wait"]
    running = [subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True) for _ in range(processes)]
    for process in running:
        if process.stdout.readline() != "ready\n":
            sys.exit("peers.py: cached_sampler.py failed")
    for process in running:
        process.stdin.close()
    results = [json.loads(process.stdout.readline()) for process in running]
    for process in running:
        process.wait()
    return {"images": images, "processes": processes, "runs": runs, "rows": rows,
            "seconds": max(result["seconds"] for result in results),
            "images_per_second": round(sum(result["images_per_second"] for result in results), 3)}


def main():
    parser = argparse.ArgumentParser(description="time the PyTorch samplers, published size")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    cores = len(os.sched_getaffinity(0))
    naive = subprocess.run([sys.executable, str(HERE / "naive_sampler.py")] + ["--quick"] * quick, check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    rows, runs = (4, 1) if quick else (32, 3)
    peers = [cached(1, 1, rows, runs), cached(64, 1, rows, runs)]
    if cores > 1:
        peers += [cached(1, cores, rows, runs), cached(64, cores, rows, runs)]
    print(json.dumps({"pytorch": torch.__version__, "naive": json.loads(naive), "cached": peers}))


if __name__ == "__main__":
    main()
