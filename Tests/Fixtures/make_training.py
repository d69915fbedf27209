"""Writes what PyTorch's Adam does to a small model in a few steps.

    pip install torch numpy safetensors
    python3 Tests/Fixtures/make_training.py NAME FOLDER

NAME is one of MODELS and gives
    NAME-start.safetensors, NAME-end.safetensors    the model before and after STEPS steps
    NAME-gradient.safetensors                       the gradient of the first step, before it is clipped
    NAME-batches.npy                                (STEPS, N, C, H, W) uint8
    NAME-labels.npy                                 (STEPS, N) uint8, if the network is conditional
    NAME-losses.npy                                 (STEPS, 2) float32: loss in nats, norm of the gradient
`training` and `training-conditional`, which are committed beside this script, are small; `training-tiny` has 256
colours.
"""
import argparse
import pathlib
import sys

import numpy as np
import safetensors.torch
import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Oracle"))
from gated_pixelcnn import MaskConv2d, PixelCNN, spread  # noqa: E402

STEPS, BATCH, RATE, CLIP = 5, 8, 3e-4, 1.0
MODELS = {
    # name: (in_shape, n_colors, n_blocks, filters, kernel_size[, n_labels]), hidden, seed
    "training": (((3, 5, 6), 20, 3, 15, 5), 27, 5),
    "training-conditional": (((3, 4, 5), 8, 2, 15, 3, 4), 9, 6),
    "training-tiny": (((3, 8, 8), 256, 3, 12, 3), 768, 3),
}


def main():
    parser = argparse.ArgumentParser(description="write a few training steps of PyTorch's")
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    config, hidden, seed = MODELS[arguments.name]
    (colors, *_), n_colors, _, filters = config[:4]
    model = PixelCNN(*config)
    model.out_conv = nn.Sequential(
        MaskConv2d("B", filters, hidden, 1, colors), nn.ReLU(), MaskConv2d("B", hidden, n_colors * colors, 1, colors))
    model = spread(model, 1.0, seed).train()
    generator = torch.Generator().manual_seed(seed)
    batches = torch.randint(0, n_colors, (STEPS, BATCH, *config[0]), generator=generator)
    labels = torch.randint(0, model.n_labels, (STEPS, BATCH), generator=generator) if model.n_labels else [None] * STEPS

    def save(kind, tensors):
        path = arguments.folder / f"{arguments.name}-{kind}.safetensors"
        size = {"channels": colors, "height": config[0][1], "width": config[0][2], "colors": n_colors,
                "blocks": config[2], "filters": filters, "kernel_size": config[4], "hidden": hidden}
        if model.n_labels:
            size["labels"] = model.n_labels
        metadata = {f"pixelcnn.{key}": str(value) for key, value in size.items()}
        safetensors.torch.save_file({k: v.detach().contiguous() for k, v in tensors.items()}, path, metadata)

    save("start", model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    losses = []
    for step, (batch, label) in enumerate(zip(batches, labels)):
        loss = -model.log_prob(batch, label).mean()
        optimizer.zero_grad()
        loss.backward()
        if step == 0:  # the last vertical norm feeds nothing and has no gradient
            save("gradient", {k: torch.zeros_like(p) if p.grad is None else p.grad
                              for k, p in model.named_parameters()})
        losses.append([loss.item(), nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()])
        optimizer.step()
    save("end", model.state_dict())
    np.save(arguments.folder / f"{arguments.name}-batches.npy", batches.numpy().astype(np.uint8))
    if model.n_labels:
        np.save(arguments.folder / f"{arguments.name}-labels.npy", labels.numpy().astype(np.uint8))
    np.save(arguments.folder / f"{arguments.name}-losses.npy", np.array(losses, dtype=np.float32))


if __name__ == "__main__":
    main()
