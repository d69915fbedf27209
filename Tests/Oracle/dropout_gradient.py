"""The loss of images under a network with dropout, and its gradient, by autograd. What is dropped is given.

    python3 Tests/Oracle/dropout_gradient.py FOLDER LABEL...

FOLDER has model.safetensors; images, uint16 (n, C, H, W); and masks, float32 (n, blocks, H, W, filters), by which the
units of each block's horizontal gate are multiplied before `htoh`. gradient.safetensors is written there, with the mean
of −ln p per value in its metadata.
"""
import sys
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from gated_pixelcnn import MaskConv2d, PixelCNN

folder = Path(sys.argv[1])
labels = torch.tensor([int(label) for label in sys.argv[2:]])
with safetensors.safe_open(folder / "model.safetensors", "pt") as file:
    size = {key.removeprefix("pixelcnn."): int(value) for key, value in file.metadata().items()
            if key.startswith("pixelcnn.") and value.isdigit()}
channels, filters, hidden, colors = (size[key] for key in ("channels", "filters", "hidden", "colors"))
shape = channels, size["height"], size["width"]
model = PixelCNN(shape, colors, size["blocks"], filters, size["kernel_size"], size["labels"])
model.out_conv = nn.Sequential(
    MaskConv2d("B", filters, hidden, 1, channels), nn.ReLU(), MaskConv2d("B", hidden, colors * channels, 1, channels))
model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
images = torch.from_numpy(np.fromfile(folder / "images", "<u2").astype(np.int64).reshape(-1, *shape))
masks = torch.from_numpy(np.fromfile(folder / "masks", "<f4").reshape(len(images), size["blocks"], *shape[1:], filters))
for block, mask in zip(model.gated_layers, masks.movedim(-1, 2).unbind(1)):
    block.htoh.register_forward_pre_hook(lambda module, inputs, mask=mask: (inputs[0] * mask,))
loss = -model.log_prob(images, labels).mean()
loss.backward()
# The last vertical norm feeds nothing and has no gradient.
gradient = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in model.named_parameters()}
safetensors.torch.save_file(gradient, folder / "gradient.safetensors", {"loss": repr(loss.item())})
