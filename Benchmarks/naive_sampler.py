"""The usual sampler in PyTorch: the whole network for every value. Times passes, and scales to an image's 3,072.

    python3 Benchmarks/naive_sampler.py --images 1 --threads 2
"""
import argparse
import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Oracle"))
from gated_pixelcnn import PixelCNN  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="time the naive sampler in PyTorch, published size")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--passes", type=int, default=20, help="passes timed; the median counts")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = PixelCNN().eval()
    images = torch.zeros(arguments.images, *model.in_shape)
    times = []
    with torch.no_grad():
        model(images)
        for _ in range(arguments.passes):
            start = time.perf_counter()
            model(images)
            times.append(time.perf_counter() - start)
    seconds = sorted(times)[len(times) // 2] * images[0].numel()
    print(json.dumps({"images": arguments.images, "threads": arguments.threads, "seconds": round(seconds, 1),
                      "images_per_second": round(arguments.images / seconds, 5)}))


if __name__ == "__main__":
    main()
