"""Compares our training step with PyTorch's: the published network, the same batch sizes, all cores, in one run.

    python3 Benchmarks/training.py [PIXELCNN_BENCH] [--images 16 64] [--runs 3]

Each side runs in its own processes, in turns; the first step does not count, the median of the others does. Both
include forward and backward pass, clipping and Adam. Exits with 1 if PyTorch is faster, or ours takes more than 4 GB.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PEAK = 4e9


def pytorch_step(images, runs):
    """Prints the median seconds of PyTorch's step and the process's peak memory, as JSON."""
    import torch
    sys.path.insert(0, str(HERE.parent / "Tests" / "Oracle"))
    from gated_pixelcnn import PixelCNN
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = PixelCNN().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    batch = torch.randint(0, 256, (images, *model.in_shape))
    times = []
    for _ in range(1 + runs):
        start = time.perf_counter()
        loss = -model.log_prob(batch).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter() - start)
    seconds = sorted(times[1:])[runs // 2]
    with open("/proc/self/status", encoding="ascii") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024
    print(json.dumps({"pytorch": torch.__version__, "seconds": seconds, "images_per_second": images / seconds,
                      "peak_bytes": peak}))


def run(command):
    print("measuring:", *command, file=sys.stderr, flush=True)
    return json.loads(subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser(description="compare a training step with PyTorch's")
    parser.add_argument("bench", nargs="?", type=pathlib.Path,
                        default=HERE.parent / ".build" / "release" / "pixelcnn-bench")
    parser.add_argument("--images", type=int, nargs="+", default=[16, 64], help="images per step")
    parser.add_argument("--runs", type=int, default=3, help="steps timed on each side")
    parser.add_argument("--pytorch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pytorch:
        pytorch_step(arguments.images[0], arguments.runs)
        return
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)  # they would slow down numpy's and PyTorch's kernels
    failures = []
    print("images  ours, images/s  PyTorch, images/s  ratio  ours, peak MB  PyTorch, peak MB")
    for images in arguments.images:
        ours = run([arguments.bench.resolve(), "train", "--images", images, "--runs", arguments.runs])
        theirs = run([sys.executable, __file__, "--pytorch", "--images", images, "--runs", arguments.runs])
        ratio = ours["images_per_second"] / theirs["images_per_second"]
        print(f"{images:6}  {ours['images_per_second']:14.2f}  {theirs['images_per_second']:17.2f}  {ratio:5.2f}  "
              f"{ours['peak_bytes'] / 1e6:13.0f}  {theirs['peak_bytes'] / 1e6:16.0f}", flush=True)
        if ratio < 1:
            failures.append(f"PyTorch is faster at {images} images per step")
        if ours["peak_bytes"] > PEAK:
            failures.append(f"more than {PEAK / 1e9:.0f} GB at {images} images per step")
    sys.exit("; ".join(failures) or 0)


if __name__ == "__main__":
    main()
