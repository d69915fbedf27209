"""The loss of codes under a VQ-VAE's prior, and its gradient, by autograd.

    python3 Tests/Oracle/prior_gradient.py FOLDER HEIGHT WIDTH LABEL...

FOLDER has prior.pt and codes, uint16 (n, HEIGHT, WIDTH); gradient.safetensors is written there, with the mean of −ln p
per code in its metadata.
"""
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

import published_networks as networks

folder, height, width = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
labels = torch.tensor([int(label) for label in sys.argv[4:]])
prior = networks.load(torch.load(folder / "prior.pt", weights_only=True))
codes = np.fromfile(folder / "codes", "<u2").astype(np.int64).reshape(-1, 1, height, width)
tensors = prior.t = {name: tensor.detach().requires_grad_(True) for name, tensor in prior.state_dict().items()}
values = torch.from_numpy(codes)
logits = networks.run(prior.describe(), values, labels)
loss = -logits.log_softmax(1).gather(1, values[:, None]).mean()
loss.backward()
safetensors.torch.save_file({name: tensor.grad for name, tensor in tensors.items()}, folder / "gradient.safetensors",
                            {"loss": repr(loss.item())})
