"""Writes model files, and PyTorch's results for them.

    pip install torch numpy safetensors
    python3 Tests/Fixtures/make_fixtures.py [--all] FOLDER

Each NAME gives one model file and
    NAME-images.npy     (N, C, H, W) uint8
    NAME-logits.npy     (N, d, C, H, W) float32
    NAME-log-prob.npy   (N, C, H, W) float32, in nats
    NAME-labels.npy     (N,) uint8, the images' classes, if the network is conditional
The files beside this script were made without --all, and so without large ones. With it, every model is written as
NAME.pt (the whole module), NAME-state.pt (its state_dict) and NAME.safetensors, including `default`, the published
size, and `conditional-large`.
"""
import argparse
import pathlib
import sys

import numpy as np
import safetensors.torch
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Oracle"))
from gated_pixelcnn import PixelCNN, spread  # noqa: E402

NAMES = ["circle", "square", "cross", "star", "stripes"]  # of `conditional`'s classes, in NAME.pt

MODELS = {
    # name: (in_shape, n_colors, n_blocks, filters, kernel_size[, n_labels]), scale, images, committed form
    # At scale 2 the deep default model amplifies float rounding past the tolerance in PyTorch itself.
    "tiny": (((3, 8, 8), 256, 3, 12, 3), 2.0, 2, ".pt"),
    "wide-kernel": (((3, 7, 9), 16, 4, 18, 5), 2.0, 3, "-state.pt"),
    "gray": (((1, 8, 8), 17, 3, 12, 3), 2.0, 4, ".safetensors"),
    "default": (((3, 32, 32), 256, 15, 120, 3), 1.0, 1, None),
    "conditional": (((3, 8, 8), 16, 3, 12, 3, 5), 2.0, 5, ".pt"),
    "conditional-large": (((3, 16, 16), 256, 8, 60, 3, 9), 1.0, 8, None),
}


def save(model, path):
    if path.name.endswith("-state.pt"):
        torch.save(model.state_dict(), path)
    elif path.suffix == ".pt":
        torch.save(model, path)
    else:
        safetensors.torch.save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)


def main():
    parser = argparse.ArgumentParser(description="write model files and PyTorch's results for them")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="every form of every model, the default size included")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (config, scale, count, form)) in enumerate(MODELS.items()):
        forms = [".pt", "-state.pt", ".safetensors"] if arguments.all else [form]
        if forms == [None]:
            continue
        model = spread(PixelCNN(*config), scale, seed)
        if name == "conditional":
            model.label_names = NAMES
        for ending in forms:
            save(model, arguments.folder / f"{name}{ending}")
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(0, config[1], (count, *config[0]), generator=generator)
        labels = torch.arange(count) % model.n_labels if model.n_labels else None
        with torch.no_grad():
            results = {"logits": model(images, labels).numpy(), "log-prob": model.log_prob(images, labels).numpy()}
        if model.n_labels:
            np.save(arguments.folder / f"{name}-labels.npy", labels.numpy().astype(np.uint8))
        np.save(arguments.folder / f"{name}-images.npy", images.numpy().astype(np.uint8))
        for kind, result in results.items():
            np.save(arguments.folder / f"{name}-{kind}.npy", np.ascontiguousarray(result))


if __name__ == "__main__":
    main()
