"""Draws each value of the given samples again, with PyTorch's probabilities and an independent Philox.

    check_samples.py MODEL.pt SAMPLES.npy --seed S --first-index I [--temperature T] [--top-k K] [--top-p P]
                     [--label Y] [--given IMAGE.npy --mask MASK.npy]

The model is a whole module, or a file of another published network.
If an image (C, H, W) and a mask (H, W) are given, pixels where the mask is true must be the image's.

Logits may differ by 1e-4 * max(1, sigma of the logits), which moves a boundary F of the distribution by at most half
of that, since dF = 2 e F (1 - F) if logits on either side of it move by e against each other. Values whose u is that
near a boundary are left out; at most 5 % may be. Prints the counts; exits with 1 if another value differs or too many
are left out.
"""
import argparse
import sys

import numpy as np
import torch

import gated_pixelcnn  # noqa: F401  (the class paths that the file names)
import published_networks


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011) on Python integers."""
    mask = 0xFFFFFFFF
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * counter[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * counter[2], 1 << 32)
        counter = (high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0)
        key = ((key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask)
    return counter


def uniform(seed, index, position):
    words = philox((position & 0xFFFFFFFF, position >> 32, index & 0xFFFFFFFF, index >> 32),
                   (seed & 0xFFFFFFFF, seed >> 32))
    return (words[0] >> 8) / (1 << 24)


def expected_value(logits, u, arguments, tolerance):
    """(value, whether a boundary is within the tolerance) for float64 logits (d,)."""
    temperature = arguments.temperature
    near, slack = False, tolerance / temperature / 2
    weights = np.exp((logits - logits.max()) / temperature)
    order = sorted(range(len(logits)), key=lambda v: (-logits[v], v))
    if arguments.top_k:
        cut = arguments.top_k
        near |= cut < len(order) and logits[order[cut - 1]] - logits[order[cut]] < tolerance
        order = order[:cut]
    if arguments.top_p:
        shares = np.cumsum(weights[order]) / weights[order].sum()
        near |= bool((np.abs(shares - arguments.top_p) < slack).any())
        order = order[:int(np.argmax(shares >= arguments.top_p)) + 1]
    kept = np.zeros(len(logits), dtype=bool)
    kept[order] = True
    prefix = np.cumsum(np.where(kept, weights, 0))
    prefix /= prefix[-1]
    near |= bool((np.abs(prefix[kept] - u) < slack).any())
    above = np.flatnonzero(kept & (prefix > u))
    return (int(above[0]) if len(above) else int(max(order))), near


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("samples")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--first-index", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=1)
    parser.add_argument("--top-k", type=int)
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--label", type=int)
    parser.add_argument("--given")
    parser.add_argument("--mask")
    arguments = parser.parse_args()

    model = torch.load(arguments.model, weights_only=False)
    model = model.eval() if isinstance(model, torch.nn.Module) else published_networks.load(model).logits
    label = () if arguments.label is None else (torch.tensor([arguments.label]),)
    samples = np.load(arguments.samples)
    given = np.load(arguments.given) if arguments.given else None
    kept = np.load(arguments.mask).astype(bool) if arguments.given else np.zeros(samples.shape[2:], dtype=bool)
    wrong = excluded = 0
    for i, image in enumerate(samples):
        with torch.no_grad():
            logits = model(torch.from_numpy(image.astype(np.int64))[None], *label)[0].double().numpy()  # (d, C, H, W)
        tolerance = 1e-4 * max(1, logits.std())
        channels, height, width = image.shape
        for c, row, column in np.ndindex(image.shape):
            if kept[row, column]:
                if image[c, row, column] != given[c, row, column]:
                    wrong += 1
                    print(f"image {i}, channel {c}, row {row}, column {column}: not the given value")
                continue
            u = uniform(arguments.seed, arguments.first_index + i, (row * width + column) * channels + c)
            value, near = expected_value(logits[:, c, row, column], u, arguments, tolerance)
            excluded += near
            if not near and value != image[c, row, column]:
                wrong += 1
                print(f"image {i}, channel {c}, row {row}, column {column}: {image[c, row, column]}, not {value}")
    drawn = len(samples) * samples.shape[1] * int((~kept).sum())
    print(f"{samples.size} values, {drawn} drawn, {wrong} wrong, {excluded} too near a boundary to tell")
    sys.exit(int(wrong > 0 or excluded > 0.05 * drawn))


if __name__ == "__main__":
    main()
