"""Writes the small model files beside this script, in every form the loader reads; tests compare each with its twin.

    pip install torch numpy safetensors
    python3 make_files.py

The network is the gated PixelCNN in miniature (3 x 5 x 4, 4 values a channel, 2 blocks, 6 filters, hidden 12), defined
here in as few lines as its pickle needs. `plain.f32` holds the parameters and `plain.masks` the masks as nothing but
their numbers, one tensor after another in the state_dict's order: the values expected of all others.
"""
import argparse
import collections
import pathlib
import sys
import types

import numpy as np
import safetensors.torch
import torch
from torch import nn

FOLDER = pathlib.Path(__file__).parent
C, H, W, D, L, F, K, HIDDEN = 3, 5, 4, 4, 2, 6, 3, 12
NAMES = ["circle", "square", "Fünfeck", "3", "say \"\\\""]


class MaskConv2d(nn.Conv2d):
    def __init__(self, kind, inputs, outputs, kernel, groups_of=C, **options):
        super().__init__(inputs, outputs, kernel, padding="same", **options)
        rows, columns = self.kernel_size
        mask = torch.ones_like(self.weight)
        mask[:, :, rows // 2 + 1:] = 0
        mask[:, :, rows // 2, columns // 2 + 1:] = 0
        o = torch.arange(outputs)[:, None] // (outputs // groups_of)
        i = torch.arange(inputs)[None] // (inputs // groups_of)
        mask[:, :, rows // 2, columns // 2] = (i < o if kind == "A" else i <= o).float()
        self.register_buffer("mask", mask.bool())


class GatedConv2d(nn.Module):
    def __init__(self, kind, labels=None):
        super().__init__()
        self.v_conv = nn.Conv2d(F, 2 * F, (K // 2 + (kind == "B"), K), padding=K // 2, bias=False)
        self.h_conv = MaskConv2d(kind, F, 2 * F, (1, K), bias=False)
        self.v1toh = MaskConv2d("B", F, F, 1, bias=False)
        self.v2toh = MaskConv2d("B", F, F, 1, bias=False)
        self.htoh = MaskConv2d("B", F, F, 1, bias=False)
        if labels:
            self.v_label = nn.Linear(labels, 2 * F, bias=False)
            self.h_label = nn.Linear(labels, 2 * F, bias=False)


class PositionalNorm(nn.LayerNorm):
    def __init__(self, data_format, normalized_shape):
        super().__init__(normalized_shape)
        self.data_format = data_format


class PixelCNN(nn.Module):
    def __init__(self, labels=None):
        super().__init__()
        if labels:
            self.n_labels = labels
        self.in_shape, self.n_colors, self.n_blocks, self.filters, self.kernel_size = (C, H, W), D, L, F, K
        self.in_conv = nn.Sequential(MaskConv2d("A", C, F, 7), nn.ReLU())
        self.gated_layers = nn.ModuleList(GatedConv2d("AB"[i > 0], labels) for i in range(L))
        self.v_norm_layers = nn.ModuleList(PositionalNorm("channels_first", F // C) for _ in range(L))
        self.h_norm_layers = nn.ModuleList(PositionalNorm("channels_first", F // C) for _ in range(L))
        self.out_conv = nn.Sequential(MaskConv2d("B", F, HIDDEN, 1), nn.ReLU(), MaskConv2d("B", HIDDEN, D * C, 1))


class GatedPixelCNN(nn.Module):
    """Another network, which must be rejected by name."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 6, 7), nn.ReLU())


for path, kind in (("conv2d_mask", MaskConv2d), ("conv2d_gated", GatedConv2d), ("positional_norm", PositionalNorm),
                   ("pixelcnn", PixelCNN), ("pixelcnn", GatedPixelCNN)):
    setattr(sys.modules.setdefault(path, types.ModuleType(path)), kind.__name__, kind)
    kind.__module__ = path


def seeded(model):
    """Weights from a seed, norms included, so that no tensor equals another."""
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model.eval()


def save(name, value, **options):
    torch.save(value, FOLDER / name, **options)


def converted(state, dtype):
    return collections.OrderedDict((k, v if v.dtype == torch.bool else v.to(dtype)) for k, v in state.items())


def save_legacy(model, state, shared):
    """The form before PyTorch 1.6, without ZIP. A whole module's classes come with their source there; it is cut short
    and its path left out, so that the files are small and the same everywhere."""
    options = {"_use_new_zipfile_serialization": False}
    torch.serialization.get_source_lines_and_file = lambda kind, *_: (
        [f"class {kind.__name__}:\n", "    ...\n"], 1, f"{kind.__module__}.py")
    save("legacy.pt", state, **options)
    save("legacy-protocol4.pt", state, pickle_protocol=4, **options)
    save("legacy-module.pt", model, **options)
    loss = torch.tensor(2.5, dtype=torch.complex64)
    save("legacy-checkpoint.pt", {"epoch": 3, "model_state_dict": state, "loss": loss}, **options)
    save("legacy-shared.pt", shared, **options)
    save("legacy-f16.pt", converted(state, torch.float16), **options)


def main():
    torch.manual_seed(0)
    model = seeded(PixelCNN())
    state = model.state_dict()
    for name, dtype in (("plain.f32", torch.float32), ("plain.masks", torch.bool)):
        tensors = [v for v in state.values() if v.dtype == dtype]
        (FOLDER / name).write_bytes(b"".join(v.numpy().tobytes() for v in tensors))

    save("module.pt", model)
    save("module-protocol4.pt", model, pickle_protocol=4)
    save("module-protocol5.pt", model, pickle_protocol=5)
    save("state.pt", state)
    save("state-protocol4.pt", state, pickle_protocol=4)
    safetensors.torch.save_file(dict(state), FOLDER / "python.safetensors")

    # Checkpoints, with what people keep in them.
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    extras = {"epoch": 12, "loss": torch.tensor(2.5), "lr": 1e-3, "note": "a text", "history": [3.5, 2.5],
              "seed": 2 ** 80, "size": torch.Size([3, 5, 4]), "device": torch.device("cpu"),
              "optimizer": optimizer.state_dict()}
    save("checkpoint-state_dict.pt", {**extras, "state_dict": state})
    save("checkpoint-model_state_dict.pt", {"model_state_dict": state, **extras})
    save("checkpoint-model.pt", {"model": model, "epoch": 3})
    for prefix in ("module.", "_orig_mod.", "module._orig_mod.", "model."):
        save(f"prefix-{prefix.strip('.')}.pt", {prefix + k: v for k, v in state.items()})

    # Other element types, and the float32 numbers they stand for.
    for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16), ("f64", torch.float64)):
        values = converted(state, dtype)
        save(f"{name}.pt", values)
        safetensors.torch.save_file(dict(values), FOLDER / f"{name}.safetensors")
        if name != "f64":  # its numbers are the plain ones
            save(f"{name}-as-f32.pt", converted(values, torch.float32))

    # Views: transposed storages, every parameter in one storage, and a gap between elements.
    save("strided.pt", {k: v.permute(*reversed(range(v.dim()))).contiguous().permute(*reversed(range(v.dim())))
                        for k, v in state.items()})
    flat = torch.cat([v.reshape(-1) for v in state.values() if v.dtype == torch.float32])
    shared, offset = {}, 0
    for k, v in state.items():
        if v.dtype == torch.float32:
            shared[k] = flat[offset:offset + v.numel()].view(v.shape)
            offset += v.numel()
        else:
            shared[k] = v
    save("shared.pt", shared)
    save("gaps.pt", {k: torch.stack([v, v], -1)[..., 0] for k, v in state.items()})

    save_legacy(model, state, shared)

    # As saved from a GPU, without one: only the storages' location differs, so a location is all that is made up.
    torch.serialization.register_package(1, lambda storage: "cuda:0", lambda storage, location: None)
    save("cuda.pt", state)
    torch.serialization._package_registry[:] = [
        entry for entry in torch.serialization._package_registry if entry[0] != 1]

    # Conditional on one of five classes, without names for them, and with names in each place that may have them.
    conditional = seeded(PixelCNN(5))
    state = seeded(PixelCNN(5)).state_dict()
    (FOLDER / "conditional.f32").write_bytes(
        b"".join(v.numpy().tobytes() for v in state.values() if v.dtype == torch.float32))
    save("conditional-module.pt", conditional)
    save("conditional-state.pt", state)
    save("conditional-checkpoint.pt", {"state_dict": state, "label_names": NAMES})
    save("conditional-checkpoint-model.pt", {"label_names": tuple(NAMES), "model": conditional})
    state.label_names = NAMES
    save("conditional-named-state.pt", state)
    conditional.label_names = NAMES
    save("conditional-named-module.pt", conditional)

    # Files to be rejected by name.
    state = model.state_dict()
    save("other-module.pt", GatedPixelCNN())
    save("other-kwargs.pt", {"kwargs": {"dim": 6}, "state_dict": GatedPixelCNN().state_dict()})
    save("numpy.pt", {"state_dict": state, "loss": np.float64(1.5)})
    save("complex.pt", {**state, "in_conv.0.bias": state["in_conv.0.bias"].to(torch.complex64)})
    save("expanded.pt", {**state, "in_conv.0.bias": torch.zeros(1).expand(F)})
    wide = torch.zeros(1).expand(18000, 9000, 1, 3)
    save("repeated-pruned.pt", {**state, **{f"gated_layers.0.v_conv.weight_{k}": wide for k in ("orig", "mask")}})
    save("repeated.pt", {"in_conv.0.weight": torch.zeros(1).expand(9000, 3, 7, 7), **{
        k: torch.zeros(1).expand(v) for k, v in {
            "in_conv.0.bias": (9000,), "out_conv.0.weight": (3, 9000, 1, 1), "out_conv.0.bias": (3,),
            "out_conv.2.weight": (12, 3, 1, 1), "out_conv.2.bias": (12,), "gated_layers.0.v_conv.weight":
            (18000, 9000, 1, 3), "gated_layers.0.h_conv.weight": (18000, 9000, 1, 3),
            **{f"gated_layers.0.{name}.weight": (9000, 9000, 1, 1) for name in ("v1toh", "v2toh", "htoh")},
            **{f"{stack}_norm_layers.0.{name}": (3000,) for stack in "vh" for name in ("weight", "bias")}}.items()}})
    epsilon = seeded(PixelCNN())
    epsilon.h_norm_layers[1].eps = 1e-3
    save("other-epsilon.pt", epsilon)
    activation = seeded(PixelCNN())
    activation.in_conv[1] = nn.GELU()
    save("other-activation.pt", activation)
    save("list.pt", [1, 2, 3])
    save("no-tensors.pt", {"epoch": 3})

    # As people have them; Tests/Oracle/checkpoints.py makes many more where PyTorch is.
    half = {k: v if v.dtype == torch.bool else v / 2 for k, v in state.items()}
    save("copies.pt", {"model": state, "ema": half})
    values = {"schedule": collections.Counter([3, 5]), "args": argparse.Namespace(lr=1e-3), "bytes": b"\x00\xff",
              "history": [2.5] * 1100, "sparse": torch.eye(3).to_sparse(), "path": pathlib.PurePosixPath("/data")}
    save("beside.pt", {**values, "net": {**{f"module.{k}": v for k, v in state.items()},
                                         "extra": torch.ones(2, dtype=torch.uint16)}})
    bias = state["out_conv.2.bias"]
    negated = torch.view_as_complex(torch.stack([torch.zeros_like(bias), -bias], -1)).conj().imag
    save("negated.pt", {**state, "out_conv.2.bias": negated})
    earlier = seeded(PixelCNN())
    earlier.input_shape = earlier.in_shape
    del earlier.in_shape
    save("input_shape.pt", earlier)
    save("original-save.pt", {"kwargs": {"input_shape": (C, H, W), "color_depth": D}, "state_dict": state})


if __name__ == "__main__":
    main()
