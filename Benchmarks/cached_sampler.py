"""The strongest peer: the same caches in PyTorch. Exact; prints one line of JSON.

    python3 Benchmarks/cached_sampler.py --images 1 --threads 1

The vertical stack runs once per row, the horizontal stack once per pixel, one colour group per value; weights are
masked, cut by colour group and transposed beforehand, so that every step is a plain matrix product.
"""
import argparse
import json
import pathlib
import sys
import time

import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Oracle"))
from gated_pixelcnn import PixelCNN  # noqa: E402


class CachedSampler:
    def __init__(self, model):
        self.model, (self.channels, self.height, self.width) = model, model.in_shape
        self.group, self.reach = model.filters // self.channels, model.kernel_size // 2
        groups = [slice(c * self.group, (c + 1) * self.group) for c in range(self.channels)]
        effective = lambda conv: (conv.weight * conv.mask).detach()
        self.input = [effective(model.in_conv[0])[own].flatten(1).t().contiguous() for own in groups]
        self.blocks = []
        for block in model.gated_layers:
            h = effective(block.h_conv)[:, :, 0, : self.reach + 1].transpose(1, 2).flatten(1)  # (2F, (p + 1) F)
            self.blocks.append({
                "h": [torch.cat([h[0::2][own], h[1::2][own]]).t().contiguous() for own in groups],
                "htoh": [effective(block.htoh)[own, : own.stop, 0, 0].t().contiguous() for own in groups],
                "v1": effective(block.v1toh)[:, :, 0, 0].t().contiguous(),
                "v2": effective(block.v2toh)[:, :, 0, 0].t().contiguous(),
            })
        self.output = []
        first, last = (effective(model.out_conv[i])[:, :, 0, 0] for i in (0, 2))
        width, d = first.shape[0] // self.channels, model.n_colors
        for c, own in enumerate(groups):
            hidden, colors = slice(c * width, (c + 1) * width), slice(c * d, (c + 1) * d)
            self.output.append((
                first[hidden, : own.stop].t().contiguous(), model.out_conv[0].bias[hidden].detach(),
                last[colors, : hidden.stop].t().contiguous(), model.out_conv[2].bias[colors].detach()))

    def norm(self, layer, x):
        grouped = x.unflatten(-1, (-1, self.group))
        return functional.layer_norm(grouped, (self.group,), layer.weight, layer.bias).flatten(-2)

    @torch.no_grad()
    def sample(self, n, rows=None, probe=None):
        """Images (n, C, rows, W); `probe(logits, row, column, c)` sees the logits (n, d) of each value."""
        model, p, channels = self.model, self.reach, self.channels
        rows, width, filters = rows or self.height, self.width, model.filters
        centre = (model.n_colors - 1) / 2
        image = torch.zeros(n, channels, rows, width, dtype=torch.long)
        pixels = torch.zeros(n, channels, rows + 3, width + 6)  # normalised, three rows and columns of zeros around
        inputs = [torch.zeros(n, filters, rows + p, width) for _ in self.blocks]  # vertical inputs, p zero rows above
        for r in range(rows):
            passed = []  # what each block's vertical stack passes on, (n, W, 2, F)
            for i, (block, packed) in enumerate(zip(model.gated_layers, self.blocks)):
                seen = inputs[i][:, :, r : r + block.v_conv.weight.shape[2]]
                u = functional.conv2d(seen, block.v_conv.weight, padding=(0, p))[:, :, 0].transpose(1, 2)
                u1, u2 = u.chunk(2, -1)
                passed.append(torch.stack([u1 @ packed["v1"], u2 @ packed["v2"]], 2))
                if i + 1 < len(self.blocks):
                    v = self.norm(model.v_norm_layers[i], torch.tanh(u1) * torch.sigmoid(u2))
                    inputs[i + 1][:, :, r + p] = v.transpose(1, 2)
            left = [torch.zeros(n, width + p, filters) for _ in range(len(self.blocks) + 1)]
            for column in range(width):
                gates = [torch.zeros(n, filters) for _ in self.blocks]
                hidden = []
                for c in range(channels):
                    own = slice(c * self.group, (c + 1) * self.group)
                    patch = pixels[:, :, r : r + 7, column : column + 7]
                    if patch.shape[2] < 7:
                        patch = functional.pad(patch, (0, 0, 0, 7 - patch.shape[2]))
                    x = torch.relu(torch.addmm(model.in_conv[0].bias[own], patch.flatten(1), self.input[c]))
                    inputs[0][:, own, r + p, column] = x
                    left[0][:, column + p, own] = x
                    for i, packed in enumerate(self.blocks):
                        q = left[i][:, column : column + p + 1].flatten(1) @ packed["h"][c]
                        a, b = q.chunk(2, -1)
                        a, b = a + passed[i][:, column, 0, own], b + passed[i][:, column, 1, own]
                        gates[i][:, own] = torch.tanh(a) * torch.sigmoid(b)
                        h = gates[i][:, : own.stop] @ packed["htoh"][c] + left[i][:, column + p, own]
                        left[i + 1][:, column + p, own] = self.norm(model.h_norm_layers[i], h)
                    first, first_bias, last, last_bias = self.output[c]
                    hidden.append(torch.relu(torch.addmm(first_bias, left[-1][:, column + p, : own.stop], first)))
                    logits = torch.addmm(last_bias, torch.cat(hidden, 1), last)
                    if probe:
                        probe(logits, r, column, c)
                    value = torch.multinomial(logits.softmax(1), 1)[:, 0]
                    image[:, c, r, column] = value
                    pixels[:, c, r + 3, column + 3] = (value - centre) / centre
        return image


def main():
    parser = argparse.ArgumentParser(description="time the cached sampler in PyTorch, published size")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=32, help="rows drawn; the time is scaled to 32")
    parser.add_argument("--runs", type=int, default=3, help="the median counts")
    parser.add_argument("--wait", action="store_true", help="print \"ready\", and start when standard input ends")
    parser.add_argument("--check", action="store_true", help="compare its logits with the whole network's instead")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.check:
        model = PixelCNN((3, 6, 7), 16, 3, 12, 5).eval()
        seen = {}
        image = CachedSampler(model).sample(2, probe=lambda logits, r, w, c: seen.update({(c, r, w): logits}))
        whole = model(image)
        worst = max((whole[:, :, c, r, w] - logits).abs().max().item() for (c, r, w), logits in seen.items())
        print(f"largest difference of logits: {worst:.2e}")
        sys.exit(worst > 1e-4)
    sampler = CachedSampler(PixelCNN().eval())
    sampler.sample(arguments.images, rows=1)
    if arguments.wait:
        print("ready", flush=True)
        sys.stdin.read()
    times = []
    for _ in range(arguments.runs):
        start = time.perf_counter()
        sampler.sample(arguments.images, rows=arguments.rows)
        times.append((time.perf_counter() - start) * 32 / arguments.rows)
    seconds = sorted(times)[len(times) // 2]
    print(json.dumps({"images": arguments.images, "threads": arguments.threads, "seconds": round(seconds, 4),
                      "images_per_second": round(arguments.images / seconds, 3)}))


if __name__ == "__main__":
    main()
