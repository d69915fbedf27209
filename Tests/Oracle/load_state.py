"""Loads state_dicts as a user of the original would: weights_only, strictly; checks that a safetensors file has the
same tensors, bit for bit. LABELS, the number of classes, is 0 for an unconditional network; the names of classes are an
attribute of a state_dict, JSON in a safetensors file, and must be those that follow LABELS.

    python3 Tests/Oracle/load_state.py STATE.pt SAME.safetensors HIDDEN CHANNELS HEIGHT WIDTH COLORS BLOCKS FILTERS \
        KERNEL [LABELS [NAME...]]
"""
import json
import sys

import safetensors.torch
import torch
from torch import nn

from gated_pixelcnn import MaskConv2d, PixelCNN

state_file, same_file = sys.argv[1:3]
hidden, channels, height, width, colors, blocks, filters, kernel, labels = map(int, (sys.argv[3:] + ["0"])[:9])
names = sys.argv[12:]
model = PixelCNN((channels, height, width), colors, blocks, filters, kernel, labels)
model.out_conv = nn.Sequential(
    MaskConv2d("B", filters, hidden, 1, channels), nn.ReLU(), MaskConv2d("B", hidden, colors * channels, 1, channels))
expected = list(model.state_dict())
state = torch.load(state_file, weights_only=True)
assert list(state) == expected, "another order"
assert list(torch.load(state_file, weights_only=True, mmap=True)) == expected
model.load_state_dict(state, strict=True)
same = safetensors.torch.load_file(same_file)
assert same.keys() == state.keys()
assert getattr(state, "label_names", []) == names
with safetensors.safe_open(same_file, "pt") as file:
    assert json.loads(file.metadata().get("pixelcnn.label_names", "[]")) == names
for name, tensor in state.items():
    assert tensor.dtype == same[name].dtype and torch.equal(tensor, same[name]), name
