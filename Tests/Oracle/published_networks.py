"""Five published gated two-stack PixelCNNs as one network with options: the oracle for docs/MODEL.md's other networks.

`run` is the whole forward pass. A family only says which tensors its files hold (`tensors`), how hyperparameters follow
from their shapes (`sizes`), and which options its blocks have (`describe`). Parameters and buffers have the published
names, so `load_state_dict(..., strict=True)` takes the published files. `Network` in PublishedNetworks.swift has the
same five.

    model = load(torch.load("prior.pt"))         # whichever family it is
    model.logits(x, label)                       # (N, d, C, H, W); x integers (N, C, H, W), 0 ... d - 1
    model.log_prob(x, label)                     # (N, C, H, W), nats
"""
from __future__ import annotations
import inspect
import math
import re
from dataclasses import dataclass, field
from typing import Callable, Optional
import torch
import torch.nn as nn
import torch.nn.functional as F

Tensor = torch.Tensor

# ---------------------------------------------------------------------------------------------- the common description


@dataclass
class Conv:
    """Row r, column c of the result sees rows r - up + i * dilation, columns c - left + j * dilation, zeros outside."""
    weight: Tensor                      # effective: whatever is masked is zero
    bias: Optional[Tensor] = None
    up: int = 0
    left: int = 0
    dilation: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2:]
        down, right = ((n - 1) * self.dilation - before
                       for n, before in zip(self.weight.shape[2:], (self.up, self.left)))
        x = F.pad(x, (self.left, max(right, 0), self.up, max(down, 0)))
        return F.conv2d(x, self.weight, self.bias, dilation=self.dilation)[:, :, :rows, :columns]


@dataclass
class Block:
    vertical: list                      # one Conv, or two of which the second is taken of the first
    link: Conv                          # 1 x 1, 2F -> 2F
    horizontal: Conv
    out: Conv                           # 1 x 1, F -> F
    link_of: str = "conv"               # the link sees "conv", the vertical convolution, or "sum", all of u
    link_above: bool = False            # of the row above; above row 0, the bias of the vertical convolution
    point: Optional[Conv] = None        # 1 x 1 of the vertical input at the same pixel, added before the vertical gate
    v_label: Optional[Tensor] = None    # (classes, 2F)
    h_label: Optional[Tensor] = None
    residual: bool = True               # of the horizontal stack
    v_residual: bool = False
    skip: Optional[Conv] = None         # 1 x 1 of the gated horizontal features
    v_norm: Callable = lambda x: x
    h_norm: Callable = lambda x: x


@dataclass
class Head:
    layers: list                        # 1 x 1 convolutions
    between: str = "relu"               # "relu", or "gate", which halves the channels
    before: str = "none"                # "none", "relu", "elu": of what goes in
    of_skips: bool = False              # the sum of all skips goes in rather than h
    label: Optional[Tensor] = None      # (classes, F), added to that
    order: str = "dC"                   # logit j of channel c: "dC", j * C + c; "Cd", c * d + j; "bernoulli", c


@dataclass
class Description:
    C: int
    d: int
    input: str                          # "signed", 2x / (d - 1) - 1; "unit", x / (d - 1); "table"
    blocks: list
    head: Head
    table: Optional[Tensor] = None      # (d, F)
    stem: list = field(default_factory=list)   # none, one Conv for both stacks, or one for v and one for h
    stem_then: str = "none"             # "none", "relu", "gate"
    stem_label: Optional[Tensor] = None


def gate(u: Tensor) -> Tensor:
    a, b = u.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


ACT = {"none": lambda x: x, "relu": F.relu, "elu": F.elu, "gate": gate}


def run(net: Description, x: Tensor, label: Optional[Tensor], trace: Optional[list] = None) -> Tensor:
    def of_class(table):                # (N, channels, 1, 1), or 0 where there are no classes
        return 0 if table is None or label is None else table[label][:, :, None, None]

    if net.input == "table":
        x = net.table[x[:, 0]].permute(0, 3, 1, 2)
    else:
        x = x.to(net.head.layers[0].weight.dtype) / (net.d - 1)
        x = 2 * x - 1 if net.input == "signed" else x
    v, h = x, x
    if net.stem:
        v, h = (ACT[net.stem_then](conv(x) + of_class(net.stem_label)) for conv in (net.stem[0], net.stem[-1]))

    skips = 0
    for b in net.blocks:
        u = v
        for conv in b.vertical:
            u = conv(u)
        source = u
        if b.point:
            u = u + b.point(v)
        u = u + of_class(b.v_label)
        if b.link_of == "sum":
            source = u
        if b.link_above:
            first = b.vertical[-1].bias[None, :, None, None].expand_as(source[:, :, :1])
            source = torch.cat([first, source[:, :, :-1]], 2)
        if trace is not None:
            trace.append(source)
        z = gate(b.horizontal(h) + b.link(source) + of_class(b.h_label))
        if b.skip:
            skips = skips + b.skip(z)
        h = b.h_norm(b.out(z) + (h if b.residual else 0))
        v = b.v_norm(gate(u) + (v if b.v_residual else 0))

    x = (skips if net.head.of_skips else h) + of_class(net.head.label)
    x = ACT[net.head.before](x)
    for conv in net.head.layers[:-1]:
        x = ACT[net.head.between](conv(x))
    x = net.head.layers[-1](x)
    n, _, rows, columns = x.shape
    if net.head.order == "dC":
        return x.reshape(n, net.d, net.C, rows, columns)
    if net.head.order == "Cd":
        return x.reshape(n, net.C, net.d, rows, columns).transpose(1, 2)
    return torch.stack([torch.zeros_like(x), x], 1)             # Bernoulli: values 0 and 1, logits 0 and l


# -------------------------------------------------------------------------------------------------- masks and channels


def mod(n, C):                          # interleaved colour groups
    return torch.arange(n) % C


def colour_mask(kind, out_groups, in_groups):
    """(out, in, 1, 1): A, a group sees those before it; B, its own too."""
    o, i = out_groups[:, None], in_groups[None]
    return ((i < o) if kind == "A" else (i <= o)).float()[:, :, None, None]


def causal(weight_shape, centre):
    """Below the centre row 0, right of the centre in it 0, at the centre `centre`, else 1."""
    mask = torch.ones(weight_shape)
    r, c = weight_shape[2] // 2, weight_shape[3] // 2
    mask[:, :, r + 1:] = 0
    mask[:, :, r, c + 1:] = 0
    mask[:, :, r, c] = mask[:, :, r, c] * centre[..., 0, 0]
    return mask


# -------------------------------------------------------------------------------------------------- a family of files


class Variant(nn.Module):
    """Subclasses give `tensors`, `sizes` and `describe`. Modules in between are empty: only the names count."""
    sees = ()                           # names that tell the family from the others

    def __init__(self, **sizes):
        super().__init__()
        defaults = {k: p.default for k, p in inspect.signature(self.tensors).parameters.items()}
        self.size = {**defaults, **sizes}
        for name, value in self.tensors(**sizes).items():
            owner = self
            *path, last = name.split(".")
            for part in path:
                if part not in owner._modules:
                    owner.add_module(part, nn.Module())
                owner = owner._modules[part]
            if isinstance(value, tuple):
                owner.register_parameter(last, nn.Parameter(torch.zeros(value), requires_grad=False))
            else:
                owner.register_buffer(last, value.clone())

    @classmethod
    def of(cls, state, **more):
        """From a state_dict, strictly. Stored masks must be the derived ones."""
        model = cls(**{**cls.sizes(state), **more})
        derived = {k: v.clone() for k, v in model.state_dict().items() if k.endswith("mask")}
        model.load_state_dict(state, strict=True)
        for k, v in derived.items():
            if not torch.equal(model.state_dict()[k], v):
                raise ValueError(f"{k} is not the mask of {cls.__name__}")
        return model

    def conv(self, name, mask=None, keep=None, **where):
        """Conv from NAME.weight and, where there is one, NAME.bias; `keep` drops rows or columns of the kernel."""
        t = self.t
        weight = t[name + ".weight"]
        if name + ".mask" in t:
            weight = weight * t[name + ".mask"]
        if mask is not None:
            weight = weight * mask
        if keep is not None:
            weight = weight[(slice(None), slice(None)) + keep]
        return Conv(weight, t.get(name + ".bias"), **where)

    def description(self):
        self.t = self.state_dict()
        return self.describe()

    @torch.no_grad()
    def logits(self, x, label=None):
        return run(self.description(), x, label)

    def log_prob(self, x, label=None):
        """Nats per value, (N, C, H, W)."""
        logits = self.logits(x, label).double().log_softmax(1)
        return logits.gather(1, x[:, None].long())[:, 0]


def count(state, pattern):
    """One more than the largest number that `pattern` finds in the names, 0 if none."""
    return 1 + max([int(m.group(1)) for m in (re.match(pattern, k) for k in state) if m], default=-1)


class VQPrior(Variant):
    """ritheshkumar95/pytorch-vqvae and MishaLaskin/vqvae: GatedPixelCNN."""
    sees = ("embedding.weight", "layers.0.class_cond_embedding.weight")

    @staticmethod
    def tensors(d=512, F=64, L=15, classes=10, hidden=512, first=7, k=3):
        t = {"embedding.weight": (d, F)}
        for i in range(L):
            n, p = (k, k // 2) if i else (first, first // 2)
            b = f"layers.{i}."
            t |= {b + "class_cond_embedding.weight": (classes, 2 * F),
                  b + "vert_stack.weight": (2 * F, F, p + 1, n), b + "vert_stack.bias": (2 * F,),
                  b + "vert_to_horiz.weight": (2 * F, 2 * F, 1, 1), b + "vert_to_horiz.bias": (2 * F,),
                  b + "horiz_stack.weight": (2 * F, F, 1, p + 1), b + "horiz_stack.bias": (2 * F,),
                  b + "horiz_resid.weight": (F, F, 1, 1), b + "horiz_resid.bias": (F,)}
        return t | {"output_conv.0.weight": (hidden, F, 1, 1), "output_conv.0.bias": (hidden,),
                    "output_conv.2.weight": (d, hidden, 1, 1), "output_conv.2.bias": (d,)}

    @staticmethod
    def sizes(s):
        d, F = s["embedding.weight"].shape
        L = count(s, r"layers\.(\d+)\.")
        return dict(d=d, F=F, L=L, classes=len(s["layers.0.class_cond_embedding.weight"]),
                    hidden=len(s["output_conv.0.bias"]), first=s["layers.0.vert_stack.weight"].shape[3],
                    k=s[f"layers.{L - 1}.vert_stack.weight"].shape[3] if L > 1 else 3)

    def describe(self):
        blocks = []
        for i in range(self.size["L"]):
            b = f"layers.{i}."
            p = self.t[b + "vert_stack.weight"].shape[3] // 2
            rows = (slice(0, p + (i > 0)), slice(None))                 # type A: the last row, the last column are 0
            columns = (slice(None), slice(0, p + (i > 0)))
            label = self.t[b + "class_cond_embedding.weight"]
            blocks.append(Block([self.conv(b + "vert_stack", keep=rows, up=p, left=p)], self.conv(b + "vert_to_horiz"),
                                self.conv(b + "horiz_stack", keep=columns, left=p), self.conv(b + "horiz_resid"),
                                v_label=label, h_label=label, residual=i > 0))
        return Description(1, self.size["d"], "table", blocks,
                           Head([self.conv("output_conv.0"), self.conv("output_conv.2")]),
                           table=self.t["embedding.weight"])


class Skips(Variant):
    """anordertoreclaim/PixelCNN."""
    sees = ("causal_conv.v_conv.weight", "hidden_conv.0.h_skip.weight")

    @staticmethod
    def tensors(d=2, F=30, L=6, hidden=10, first=7, k=7, C=3, classes=10):
        t = {}

        def conv(name, o, i, rows, n, mask=None):
            t[name + ".weight"], t[name + ".bias"] = (o, i, rows, n), (o,)
            if mask:
                t[name + ".mask"] = causal((o, i, rows, n), colour_mask(mask, mod(o, C), mod(i, C)))

        for i in range(-1, L):
            b, f, n, kind = (f"hidden_conv.{i}.", F, k, "B") if i >= 0 else ("causal_conv.", C, first, "A")
            conv(b + "v_conv", 2 * F, f, n // 2 + 1, n)
            conv(b + "v_fc", 2 * F, f, 1, 1)
            conv(b + "v_to_h", 2 * F, 2 * F, 1, 1, "B" if i >= 0 else None)
            conv(b + "h_conv", 2 * F, f, 1, n, kind)
            conv(b + "h_fc", F, F, 1, 1, kind)
            if i >= 0:
                conv(b + "h_skip", F, F, 1, 1, "B")
                t[b + "label_embedding.weight"] = (classes, 2 * F)
        t["label_embedding.weight"] = (classes, F)
        conv("out_hidden_conv", hidden, F, 1, 1, "B")
        conv("out_conv", C * d, hidden, 1, 1, "B")
        return t

    @staticmethod
    def sizes(s):
        v = s["causal_conv.v_conv.weight"].shape
        classes, F = s["label_embedding.weight"].shape
        return dict(C=v[1], d=len(s["out_conv.bias"]) // v[1], F=F, L=count(s, r"hidden_conv\.(\d+)\."),
                    classes=classes, hidden=len(s["out_hidden_conv.bias"]), first=v[3],
                    k=s["hidden_conv.0.v_conv.weight"].shape[3])

    def describe(self):
        blocks = []
        for i in range(-1, self.size["L"]):
            b = f"hidden_conv.{i}." if i >= 0 else "causal_conv."
            n = self.size["k" if i >= 0 else "first"]
            p = n // 2
            label = self.t.get(b + "label_embedding.weight")
            blocks.append(Block([self.conv(b + "v_conv", up=p, left=p)], self.conv(b + "v_to_h"),
                                self.conv(b + "h_conv", left=p), self.conv(b + "h_fc"), link_of="sum",
                                link_above=True, point=self.conv(b + "v_fc"),
                                v_label=label, h_label=label, residual=i >= 0, v_residual=i >= 0,
                                skip=self.conv(b + "h_skip") if i >= 0 else None))
        head = Head([self.conv("out_hidden_conv"), self.conv("out_conv")], before="relu", of_skips=True,
                    label=self.t["label_embedding.weight"])
        return Description(self.size["C"], self.size["d"], "unit", blocks, head)


class Generative(Variant):
    """EugenHotaj/pytorch-generative: GatedPixelCNN. `_c`, `_h`, `_w` are there once the model has seen an image."""
    sees = ("_input._vstack_1xN.weight", "_head.1.weight")

    @staticmethod
    def tensors(C=1, out=1, F=128, L=10, hidden=32, first=7, k=3, H=None, W=None):
        t = {} if H is None else {"_c": torch.tensor(C), "_h": torch.tensor(H), "_w": torch.tensor(W)}
        for i in range(-1, L):
            b, f, n = (f"_gated_layers.{i}.", F, k) if i >= 0 else ("_input.", C, first)
            p = n // 2
            for name, shape in (("_vstack_1xN", (F, f, 1, n)), ("_vstack_Nx1", (2 * F, F, p + 1, 1)),
                                ("_vstack_1x1", (2 * F, f, 1, 1)),
                                ("_link", (2 * F, 2 * F, 1, 1)), ("_hstack_1xN", (2 * F, f, 1, p + 1)),
                                ("_hstack_residual", (F, F, 1, 1)), ("_hstack_skip", (F, F, 1, 1))):
                t[b + name + ".weight"], t[b + name + ".bias"] = shape, shape[:1]
        return t | {"_head.1.weight": (hidden, F, 1, 1), "_head.1.bias": (hidden,),
                    "_head.3.weight": (out, hidden, 1, 1), "_head.3.bias": (out,)}

    @staticmethod
    def sizes(s):
        F, C, _, first = s["_input._vstack_1xN.weight"].shape
        size = dict(C=C, out=len(s["_head.3.bias"]), F=F, L=count(s, r"_gated_layers\.(\d+)\."),
                    hidden=len(s["_head.1.bias"]), first=first, k=s["_gated_layers.0._vstack_1xN.weight"].shape[3])
        return size | ({"H": int(s["_h"]), "W": int(s["_w"])} if "_h" in s else {})

    def describe(self):
        if self.size["out"] != self.size["C"]:
            raise ValueError("out_channels other than in_channels: the file does not say of which distribution")
        blocks = []
        for i in range(-1, self.size["L"]):
            b = f"_gated_layers.{i}." if i >= 0 else "_input."
            p = self.size["k" if i >= 0 else "first"] // 2
            blocks.append(Block([self.conv(b + "_vstack_1xN", left=p), self.conv(b + "_vstack_Nx1", up=p + 1)],
                                self.conv(b + "_link"), self.conv(b + "_hstack_1xN", left=p + (i < 0)),
                                self.conv(b + "_hstack_residual"), point=self.conv(b + "_vstack_1x1"),
                                residual=i >= 0, skip=self.conv(b + "_hstack_skip")))
        head = Head([self.conv("_head.1"), self.conv("_head.3")], before="relu", of_skips=True, order="bernoulli")
        return Description(self.size["C"], 2, "unit", blocks, head)


class Tutorial(Variant):
    """phlippe/uvadlc_notebooks, tutorial 12. The dilations are in no file; the published class has these seven."""
    sees = ("conv_vstack.conv.weight", "conv_layers.0.conv_vert.conv.weight")
    DILATIONS = (1, 2, 1, 4, 1, 2, 1)

    @staticmethod
    def tensors(C=1, F=64, d=256, k=3, dilations=DILATIONS):
        t = {}

        def conv(name, o, i, rows, first):                              # the buffer comes before the convolution
            mask = torch.ones(1, 1, rows, k)
            mask[..., rows // 2 + 1:, :] = 0
            if rows == 1:
                mask[..., k // 2 + 1 - first:] = 0
            elif first:
                mask[..., rows // 2, :] = 0
            t[name + ".mask"], t[name + ".conv.weight"], t[name + ".conv.bias"] = mask, (o, i, rows, k), (o,)

        conv("conv_vstack", F, C, k, 1)
        conv("conv_hstack", F, C, 1, 1)
        for i in range(len(dilations)):
            b = f"conv_layers.{i}."
            conv(b + "conv_vert", 2 * F, F, k, 0)
            conv(b + "conv_horiz", 2 * F, F, 1, 0)
            t |= {b + "conv_vert_to_horiz.weight": (2 * F, 2 * F, 1, 1), b + "conv_vert_to_horiz.bias": (2 * F,),
                  b + "conv_horiz_1x1.weight": (F, F, 1, 1), b + "conv_horiz_1x1.bias": (F,)}
        return t | {"conv_out.weight": (C * d, F, 1, 1), "conv_out.bias": (C * d,)}

    @classmethod
    def sizes(cls, s):
        F, C, _, k = s["conv_vstack.conv.weight"].shape
        L = count(s, r"conv_layers\.(\d+)\.")
        if L != len(cls.DILATIONS):
            raise ValueError(f"{L} blocks, whose dilations the file does not say")
        return dict(C=C, F=F, k=k, d=len(s["conv_out.bias"]) // C)

    def masked(self, name, dilation=1):
        mask = self.t[name + ".mask"]
        k = mask.shape[3]
        p = k // 2 * dilation
        return self.conv(name + ".conv", mask=mask, up=p if mask.shape[2] > 1 else 0, left=p, dilation=dilation)

    def describe(self):
        blocks = []
        for i, dilation in enumerate(self.size["dilations"]):
            b = f"conv_layers.{i}."
            blocks.append(Block([self.masked(b + "conv_vert", dilation)], self.conv(b + "conv_vert_to_horiz"),
                                self.masked(b + "conv_horiz", dilation), self.conv(b + "conv_horiz_1x1")))
        return Description(self.size["C"], self.size["d"], "signed", blocks,
                           Head([self.conv("conv_out")], before="elu"),
                           stem=[self.masked("conv_vstack"), self.masked("conv_hstack")])


class BatchNormed(Variant):
    """kamenbliznashki/pixel_models: PixelCNN. Labels enter the first convolution only; a block's proj_h is dead."""
    sees = ("input_conv.mask", "res_layers.0.v2h.mask", "conv_out1.weight")

    @staticmethod
    def tensors(C=3, d=16, F=128, hidden=1024, k=5, L=12, classes=0, norm=True, first=7):
        t = {}

        def conv(name, o, i, rows, n, kind, gated=False):
            out = mod(o // 2, C).repeat(2) if gated else mod(o, C)      # both halves alike; inputs always by index
            centre = torch.ones(1, 1, 1, 1) if kind == "vstack" else colour_mask(kind, out, mod(i, C))
            mask = causal((o, i, rows, n), centre)
            if kind == "vstack":
                mask[:, :, rows // 2] = 0
            t[name + ".weight"], t[name + ".bias"], t[name + ".mask"] = (o, i, rows, n), (o,), mask

        conv("input_conv", 2 * F, C, first, first, "A", True)
        for i in range(L):
            b = f"res_layers.{i}."
            conv(b + "v", 2 * F, F, k, k, "vstack", True)
            conv(b + "h", 2 * F, F, 1, k, "B", True)
            conv(b + "v2h", 2 * F, 2 * F, 1, 1, "B", True)
            conv(b + "h2h", F, F, 1, 1, "B")
            if classes:
                t |= {b + "proj_h.weight": (2 * F, classes), b + "proj_h.bias": (2 * F,)}
            for s in ("v", "h") if norm else ():
                n = b + f"norm_layer_{s}."
                t |= {n + "weight": (F,), n + "bias": (F,), n + "running_mean": torch.zeros(F),
                      n + "running_var": torch.ones(F), n + "num_batches_tracked": torch.tensor(0)}
        conv("conv_out1", 2 * hidden, F, 1, 1, "B", True)
        conv("conv_out2", 2 * hidden, hidden, 1, 1, "B", True)
        conv("output", C * d, hidden, 1, 1, "B")
        return t | ({"proj_h.weight": (2 * F, classes), "proj_h.bias": (2 * F,)} if classes else {})

    @staticmethod
    def sizes(s):
        F2, C, first, _ = s["input_conv.weight"].shape
        return dict(C=C, d=len(s["output.bias"]) // C, F=F2 // 2, hidden=s["output.weight"].shape[1],
                    k=s["res_layers.0.v.weight"].shape[3], L=count(s, r"res_layers\.(\d+)\."),
                    classes=s["proj_h.weight"].shape[1] if "proj_h.weight" in s else 0,
                    norm="res_layers.0.norm_layer_v.weight" in s, first=first)

    def norm(self, name):
        if name + ".weight" not in self.t:
            return lambda x: x
        weight, bias, mean, var = (self.t[f"{name}.{s}"] for s in ("weight", "bias", "running_mean", "running_var"))
        scale = weight / torch.sqrt(var + 1e-5)
        shift = bias - mean * scale
        return lambda x: x * scale[:, None, None] + shift[:, None, None]

    def describe(self):
        p = self.size["k"] // 2
        above = (slice(0, p), slice(None))
        blocks = []
        for i in range(self.size["L"]):
            b = f"res_layers.{i}."
            blocks.append(Block([self.conv(b + "v", keep=above, up=p, left=p)], self.conv(b + "v2h"),
                                self.conv(b + "h", left=p), self.conv(b + "h2h"),
                                v_norm=self.norm(b + "norm_layer_v"), h_norm=self.norm(b + "norm_layer_h")))
        q = self.size["first"] // 2
        label = self.t["proj_h.weight"].T + self.t["proj_h.bias"] if "proj_h.weight" in self.t else None
        return Description(self.size["C"], self.size["d"], "signed", blocks,
                           Head([self.conv("conv_out1"), self.conv("conv_out2"), self.conv("output")], between="gate"),
                           stem=[self.conv("input_conv", up=q, left=q)], stem_then="gate", stem_label=label)


FAMILIES = (VQPrior, Skips, Generative, Tutorial, BatchNormed)


def state_dict_in(file):
    """The tensors of a state_dict, a checkpoint dictionary, or a Lightning checkpoint, without a common prefix."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(file.get(key), dict):
            file = file[key]
    for prefix in ("module.", "_orig_mod."):
        if all(k.startswith(prefix) for k in file):
            file = {k[len(prefix):]: v for k, v in file.items()}
    return dict(file)


def family_of(state):
    found = [f for f in FAMILIES if all(name in state for name in f.sees)]
    if len(found) != 1:
        raise ValueError("no family of " + ", ".join(list(state)[:4]))
    return found[0]


def load(file, **more):
    state = state_dict_in(file)
    return family_of(state).of(state, **more)


@torch.no_grad()
def randomise(model, seed, weight=1.0, bias=0.1):
    """Weights of a size that keeps features alive in every block; also under masks, where anything may be left."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        fan_in = p[0].numel() if p.dim() > 1 else 0
        if re.search(r"norm\w*\.(\d+\.)?weight$", name):
            p.copy_(1 + 0.2 * torch.randn(p.shape, generator=g))
        elif re.search(r"embedding|label", name):
            p.copy_(0.5 * torch.randn(p.shape, generator=g))
        else:
            p.copy_(torch.randn(p.shape, generator=g) * (weight / math.sqrt(fan_in) if fan_in else bias))
    for name, b in model.named_buffers():
        if name.endswith("running_mean"):
            b.copy_(0.1 * torch.randn(b.shape, generator=g))
        elif name.endswith("running_var"):
            b.copy_(0.1 + 0.4 * torch.rand(b.shape, generator=g))
        elif name.endswith("num_batches_tracked"):
            b.fill_(1000)
    return model
