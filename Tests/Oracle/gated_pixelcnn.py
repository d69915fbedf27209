"""The network in PyTorch, after docs/MODEL.md: the oracle for the Swift code, and the naive sampler.

Class paths, attributes and parameter names are those of published `pixelcnn.pt` files, so that
`torch.save(model, path)` writes a file of the same form. Needs torch 1.13 or newer.
"""
import sys
import types

import torch
from torch import nn
from torch.nn import functional


class MaskConv2d(nn.Conv2d):
    """A 'same' convolution that sees rows above, columns left, and at the centre only some colour groups."""

    def __init__(self, mask_type, in_channels, out_channels, kernel_size, colors, bias=True):
        super().__init__(in_channels, out_channels, kernel_size, padding="same", bias=bias)
        rows, columns = self.kernel_size
        mask = torch.zeros(self.weight.shape, dtype=torch.bool)
        mask[:, :, : rows // 2] = True
        mask[:, :, rows // 2, : columns // 2] = True
        for o in range(out_channels):
            own = o * colors // out_channels  # the colour group of output o
            seen = own if mask_type == "A" else own + 1
            mask[o, : seen * in_channels // colors, rows // 2, columns // 2] = True
        self.register_buffer("mask", mask)

    def forward(self, x):
        return functional.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class GatedConv2d(nn.Module):
    """A gated block: vertical and horizontal features to vertical and horizontal features."""

    def __init__(self, mask_type, filters, kernel_size, colors, labels=None):
        super().__init__()
        rows = kernel_size // 2 + (mask_type == "B")
        self.v_conv = nn.Conv2d(filters, 2 * filters, (rows, kernel_size), padding=kernel_size // 2, bias=False)
        self.h_conv = MaskConv2d(mask_type, filters, 2 * filters, (1, kernel_size), colors, bias=False)
        self.v1toh = MaskConv2d("B", filters, filters, 1, colors, bias=False)
        self.v2toh = MaskConv2d("B", filters, filters, 1, colors, bias=False)
        self.htoh = MaskConv2d("B", filters, filters, 1, colors, bias=False)
        if labels:
            self.v_label = nn.Linear(labels, 2 * filters, bias=False)
            self.h_label = nn.Linear(labels, 2 * filters, bias=False)

    def forward(self, v, h, label=None):
        u = self.v_conv(v)[:, :, : v.shape[2]]  # the surplus rows at the bottom see too much
        q = self.h_conv(h)
        if hasattr(self, "v_label"):  # a class attribute None would hide the module
            u = u + self.v_label.weight.t()[label][:, :, None, None]
            q = q + self.h_label.weight.t()[label][:, :, None, None]
        u1, u2 = u.chunk(2, dim=1)
        a, b = q[:, 0::2] + self.v1toh(u1), q[:, 1::2] + self.v2toh(u2)
        return torch.tanh(u1) * torch.sigmoid(u2), self.htoh(torch.tanh(a) * torch.sigmoid(b)) + h


class PositionalNorm(nn.LayerNorm):
    """Layer norm over the channels of each colour group at each position."""

    def __init__(self, data_format, normalized_shape):
        super().__init__(normalized_shape)
        self.data_format = data_format

    def forward(self, x):
        n, f, h, w = x.shape
        groups = x.reshape(n, -1, self.normalized_shape[0], h, w).movedim(2, -1)
        return super().forward(groups).movedim(-1, 2).reshape(n, f, h, w)


class PixelCNN(nn.Module):
    """Logits (n, d, C, H, W) of images (n, C, H, W) with values 0 ... d - 1; of the classes `label` (n), if the
    network is conditional on one of `n_labels`."""

    n_labels = None

    def __init__(self, in_shape=(3, 32, 32), n_colors=256, n_blocks=15, filters=120, kernel_size=3, n_labels=None):
        super().__init__()
        if n_labels:
            self.n_labels = n_labels
        self.in_shape, self.n_colors, self.n_blocks = in_shape, n_colors, n_blocks
        self.filters, self.kernel_size = filters, kernel_size
        colors = in_shape[0]
        self.in_conv = nn.Sequential(MaskConv2d("A", colors, filters, 7, colors), nn.ReLU())
        self.gated_layers = nn.ModuleList(
            GatedConv2d("B" if i else "A", filters, kernel_size, colors, n_labels) for i in range(n_blocks))
        norms = [nn.ModuleList(PositionalNorm("channels_first", filters // colors) for _ in range(n_blocks))
                 for _ in range(2)]
        self.v_norm_layers, self.h_norm_layers = norms
        self.out_conv = nn.Sequential(
            MaskConv2d("B", filters, 768, 1, colors), nn.ReLU(), MaskConv2d("B", 768, n_colors * colors, 1, colors))

    def forward(self, x, label=None):
        centre = (self.n_colors - 1) / 2
        v = h = self.in_conv((x.float() - centre) / centre)
        for block, v_norm, h_norm in zip(self.gated_layers, self.v_norm_layers, self.h_norm_layers):
            v, h = block(v, h, label)
            v, h = v_norm(v), h_norm(h)
        n, c, height, width = x.shape
        return self.out_conv(h).reshape(n, c, self.n_colors, height, width).transpose(1, 2)

    def log_prob(self, x, label=None):
        """Log-probability of every value in nats, (n, C, H, W)."""
        return torch.log_softmax(self(x, label), dim=1).gather(1, x.long()[:, None])[:, 0]

    @torch.no_grad()
    def sample(self, n=1, label=None):
        """The naive sampler: the whole network for every value, C * H * W times."""
        channels, height, width = self.in_shape
        x = torch.zeros(n, *self.in_shape)
        for row in range(height):
            for column in range(width):
                for c in range(channels):
                    probabilities = self(x, label)[:, :, c, row, column].softmax(1)
                    x[:, c, row, column] = torch.multinomial(probabilities, 1)[:, 0].float()
        return x.int()


# The names of these classes in published files.
for _cls, _path in ((MaskConv2d, "conv2d_mask"), (GatedConv2d, "conv2d_gated"),
                    (PositionalNorm, "positional_norm"), (PixelCNN, "pixelcnn")):
    _module = sys.modules.setdefault(_path, types.ModuleType(_path))
    setattr(_module, _cls.__name__, _cls)
    _cls.__module__ = _path


def spread(model, scale, seed):
    """Random weights, `scale` times as wide as usual: distributions far from uniform, so that mistakes show."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            parameter.data += 0.3 * noise
        else:
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 8
            parameter.data = noise * scale / fan_in ** 0.5
    return model.eval()
