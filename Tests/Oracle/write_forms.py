"""Writes the network in forms that other parts of PyTorch give it, into FOLDER: reparametrised weights, each beside
PyTorch's own removal (NAME.pt, NAME-removed.pt), and files that are no state_dict but hold the weights (in `foreign`),
beside the state_dict, state.pt.

    python3 Tests/Oracle/write_forms.py FOLDER
"""
import json
import pathlib
import pickle
import sys
import warnings

import numpy as np
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm
from torch.nn.utils import remove_spectral_norm, remove_weight_norm

from gated_pixelcnn import PixelCNN, spread

warnings.simplefilter("ignore")
folder = pathlib.Path(sys.argv[1])
foreign = folder / "foreign"
foreign.mkdir()


def network():
    return spread(PixelCNN((3, 6, 5), 8, 2, 12, 3), 2, 5)


def convolutions(model):
    return [m for m in model.modules() if isinstance(m, nn.Conv2d)]


def parametrised(model, register):
    for m in convolutions(model):
        register(m)
    # A norm as it was computed from the weight changes nothing: other values do.
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if name.endswith(("weight_g", "original0")):
            parameter.data *= 0.5 + torch.rand(parameter.shape, generator=generator)
    return model.eval()


def unparametrised(model):
    for m in convolutions(model):
        parametrize.remove_parametrizations(m, "weight")
    return model


def old(remove):
    def removed(model):
        for m in convolutions(model):
            remove(m)
        return model
    return removed


def trained_spectral(register):
    """A few power iterations in training, as a training run leaves them: far from the singular vectors."""
    def apply(m):
        register(m)
        m.train()
        m.weight if hasattr(m, "parametrizations") else m(torch.zeros(1, m.in_channels, 8, 8))
        m.eval()
    return apply


FORMS = {
    "weight_norm": (lambda m: weight_norm(m), old(remove_weight_norm)),
    "weight_norm-dim1": (lambda m: weight_norm(m, dim=1), old(remove_weight_norm)),
    "weight_norm-all": (lambda m: weight_norm(m, dim=None), old(remove_weight_norm)),
    "weight_norm-new": (parametrizations.weight_norm, unparametrised),
    "weight_norm-new-dim3": (lambda m: parametrizations.weight_norm(m, dim=3), unparametrised),
    "spectral_norm": (trained_spectral(spectral_norm), old(remove_spectral_norm)),
    "spectral_norm-new": (trained_spectral(parametrizations.spectral_norm), unparametrised),
    "pruned": (lambda m: prune.l1_unstructured(m, "weight", 0.4), old(lambda m: prune.remove(m, "weight"))),
    "pruned-channels": (lambda m: prune.ln_structured(m, "weight", 0.3, 2, 0),
                        old(lambda m: prune.remove(m, "weight"))),
}

for name, (register, remove) in FORMS.items():
    model = parametrised(network(), register)
    torch.save(model.state_dict(), folder / f"{name}.pt")
    torch.save(remove(model).state_dict(), folder / f"{name}-removed.pt")

# Parametrised in a way that no tensor says.
model = network()
parametrizations.orthogonal(model.in_conv[0], "weight")
torch.save(model.state_dict(), folder / "orthogonal.pt")

# Weights in other containers, under the state_dict's names.
model = network()
state = model.state_dict()
torch.save(state, folder / "state.pt")
torch.jit.save(torch.jit.trace(model, torch.zeros(1, 3, 6, 5)), foreign / "torchscript.pt")
torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 6, 5),)), foreign / "exported.pt2")
np.savez(foreign / "weights.npz", **{k: v.numpy() for k, v in state.items()})
np.savez_compressed(foreign / "packed.npz", **{k: v.numpy() for k, v in state.items()})
with open(foreign / "tensors.pkl", "wb") as file:
    pickle.dump(dict(state), file)
with open(foreign / "arrays.pkl", "wb") as file:
    pickle.dump({k: v.numpy() for k, v in state.items()}, file)
torch.save({**state, "in_conv.0.weight": state["in_conv.0.weight"].to_sparse()}, foreign / "sparse.pt")

halves = [dict(list(state.items())[i::2]) for i in range(2)]
for kind, write in (("safetensors", safetensors.torch.save_file), ("bin", torch.save)):
    parts = [f"{kind}-{i + 1:05}-of-00002.{kind}" for i in range(2)]
    for half, part in zip(halves, parts):
        write(half, foreign / part)
    index = {"metadata": {}, "weight_map": {name: part for half, part in zip(halves, parts) for name in half}}
    (foreign / f"{kind}.index.json").write_text(json.dumps(index, indent=2))
