"""Loads state_dicts as a user of the original would: weights_only, strictly; checks that the same tensors lie in a
safetensors file, bit for bit.

    python3 Tests/Oracle/load_state.py STATE.pt SAME.safetensors HIDDEN CHANNELS HEIGHT WIDTH COLORS BLOCKS FILTERS KERNEL
"""
import sys

import safetensors.torch
import torch
from torch import nn

from gated_pixelcnn import MaskConv2d, PixelCNN

state_file, same_file = sys.argv[1:3]
hidden, channels, height, width, colors, blocks, filters, kernel = map(int, sys.argv[3:])
model = PixelCNN((channels, height, width), colors, blocks, filters, kernel)
model.out_conv = nn.Sequential(
    MaskConv2d("B", filters, hidden, 1, channels), nn.ReLU(), MaskConv2d("B", hidden, colors * channels, 1, channels))
expected = list(model.state_dict())
state = torch.load(state_file, weights_only=True)
assert list(state) == expected, "another order"
assert list(torch.load(state_file, weights_only=True, mmap=True)) == expected
model.load_state_dict(state, strict=True)
same = safetensors.torch.load_file(same_file)
assert same.keys() == state.keys()
for name, tensor in state.items():
    assert tensor.dtype == same[name].dtype and torch.equal(tensor, same[name]), name
