#!/usr/bin/env python3
"""A small VQ-VAE, whose codes a PixelCNN learns and draws (docs/PRIORS.md). Needs torch and numpy.

    vqvae.py train  pictures.npy vqvae.pt      pictures (n, C, H, W) of uint8; H and W are multiples of 4
    vqvae.py encode vqvae.pt pictures.npy codes.npy      codes (n, 1, H / 4, W / 4) of uint16
    vqvae.py decode vqvae.pt codes.npy pictures.npy

Van den Oord, Vinyals, Kavukcuoglu: Neural Discrete Representation Learning, 2017. The codebook follows the encoder by
moving averages (its appendix A.1), and codes that nothing is near to start again from an encoded patch.
"""
import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Residual(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1))

    def forward(self, x):
        return x + super().forward(x)


class VQVAE(nn.Module):
    def __init__(self, channels, colors, width, depth):
        super().__init__()
        self.options = dict(channels=channels, colors=colors, width=width, depth=depth)
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1), Residual(width), nn.ReLU(), nn.Conv2d(width, depth, 1))
        self.decoder = nn.Sequential(
            nn.Conv2d(depth, width, 3, padding=1), Residual(width), nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1))
        self.register_buffer("codebook", torch.randn(colors, depth))
        self.register_buffer("uses", torch.ones(colors))
        self.register_buffer("sums", self.codebook.clone())

    def nearest(self, z):
        """The codes (n, h, w) of encoded pictures (n, depth, h, w)."""
        flat = z.movedim(1, -1).flatten(0, -2)
        distance = self.codebook.square().sum(1) - 2 * flat @ self.codebook.T
        return distance.argmin(1).view(z.shape[0], *z.shape[2:])

    def vectors(self, codes):
        """(n, h, w) → (n, depth, h, w)."""
        return F.embedding(codes, self.codebook).movedim(-1, 1)

    def forward(self, pictures):
        """What the decoder makes of the pictures' codes, and how far the encoder is from them."""
        z = self.encoder(pictures)
        codes = self.nearest(z)
        if self.training:
            self.follow(z.detach().movedim(1, -1).flatten(0, -2), codes.flatten())
        q = self.vectors(codes)
        return self.decoder(z + (q - z).detach()), F.mse_loss(z, q)

    @torch.no_grad()
    def follow(self, z, codes, decay=0.97):
        chosen = F.one_hot(codes, len(self.codebook)).to(z.dtype)
        self.uses.lerp_(chosen.sum(0), 1 - decay)
        self.sums.lerp_(chosen.T @ z, 1 - decay)
        unused = self.uses < 0.05
        patches = z[torch.randint(len(z), (int(unused.sum()),))]
        self.uses[unused], self.sums[unused] = 1, patches
        self.codebook.copy_(self.sums / self.uses[:, None])


def scaled(pictures):
    """uint8 as −1 … 1."""
    return torch.from_numpy(pictures).float() / 127.5 - 1


def train(options):
    pictures = np.load(options.pictures)
    torch.manual_seed(options.seed)
    model = VQVAE(pictures.shape[1], options.colors, options.width, options.depth)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(1, options.steps + 1):
        batch = scaled(pictures[np.random.default_rng([options.seed, step]).integers(len(pictures), size=64)])
        decoded, distance = model(batch)
        error = F.mse_loss(decoded, batch)
        optimizer.zero_grad()
        (error + 0.25 * distance).backward()
        optimizer.step()
        if step % 100 == 0 or step == options.steps:
            in_use = len(model.nearest(model.encoder(batch)).unique())
            print(f"step {step}: squared error {error:.4f}, {in_use} codes in this batch", flush=True)
    torch.save({"options": model.options, "state_dict": model.state_dict()}, options.model)


def load(path):
    saved = torch.load(path, weights_only=True)
    model = VQVAE(**saved["options"])
    model.load_state_dict(saved["state_dict"])
    return model.eval()


@torch.no_grad()
def encode(options):
    model, parts = load(options.model), np.array_split(np.load(options.pictures), 16)
    codes = [model.nearest(model.encoder(scaled(part))) for part in parts if len(part)]
    np.save(options.codes, torch.cat(codes)[:, None].numpy().astype(np.uint16))


@torch.no_grad()
def decode(options):
    model = load(options.model)
    codes = torch.from_numpy(np.load(options.codes).astype(np.int64))[:, 0]
    pictures = model.decoder(model.vectors(codes)).clamp(-1, 1)
    np.save(options.pictures, ((pictures + 1) * 127.5).round().byte().numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for act, names in ((train, ("pictures", "model")), (encode, ("model", "pictures", "codes")),
                       (decode, ("model", "codes", "pictures"))):
        command = commands.add_parser(act.__name__)
        command.set_defaults(act=act)
        for name in names:
            command.add_argument(name)
        if act is train:
            for name, default in (("colors", 512), ("width", 64), ("depth", 16), ("steps", 2000), ("seed", 1)):
                command.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    options.act(options)


if __name__ == "__main__":
    main()
