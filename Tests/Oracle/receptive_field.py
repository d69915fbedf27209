"""Receptive fields by autograd, as the original plots them, of a model and of a stack of only masked convolutions.

    receptive_field.py STATE.pt FOLDER CHANNELS HEIGHT WIDTH COLORS BLOCKS FILTERS KERNEL

Writes positions.npy, (n, 3): channel, row and column of each prediction; gradients.npy, (n, C, H, W): of the logit of
value 0 with respect to an image of ones; masked.npy, likewise, of a stack of masked convolutions of the same depth,
without anything in between and with positive weights, so that nothing cancels.
"""
import sys

import numpy as np
import torch
from torch import nn

from gated_pixelcnn import MaskConv2d, PixelCNN

state_file, folder = sys.argv[1:3]
channels, height, width, colors, blocks, filters, kernel = map(int, sys.argv[3:])
state = torch.load(state_file, weights_only=False)
state = state.state_dict() if isinstance(state, nn.Module) else state
model = PixelCNN((channels, height, width), colors, blocks, filters, kernel)
model.load_state_dict(state)

masked = nn.Sequential(
    MaskConv2d("A", channels, filters, 7, channels),
    *[MaskConv2d("B", filters, filters, kernel, channels) for _ in range(blocks)],
    MaskConv2d("B", filters, filters, 1, channels), MaskConv2d("B", filters, colors * channels, 1, channels))
for layer in masked:
    nn.init.uniform_(layer.weight, 0.5, 1)

places = [(0, 0), (height // 2, width // 2), (height - 1, width - 2), (2, width - 1)]
positions = [(c, *place) for c in range(channels) for place in places]


def gradients(network):
    found = []
    for c, row, column in positions:
        x = torch.ones(1, channels, height, width, requires_grad=True)
        network(x)[0, 0, c, row, column].backward()
        found.append(x.grad[0].numpy())
    return np.stack(found)


np.save(folder + "/positions.npy", np.array(positions, dtype=np.uint8))
np.save(folder + "/gradients.npy", gradients(model))
np.save(folder + "/masked.npy", gradients(
    lambda x: masked(x).reshape(1, channels, colors, height, width).transpose(1, 2)))
