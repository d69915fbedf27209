#!/usr/bin/env python3
"""docs/PRIORS.md, with fewer steps: from pictures to a VQ-VAE, its codes, a prior, drawn codes and their pictures.

    priors_test.py BUILD_FOLDER
"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Oracle"))
sys.dont_write_bytecode = True
import published_networks as networks  # noqa: E402

COLORS = 64


def shapes(count):
    """Discs and squares in one of three colours on a light or a dark ground, and which it is."""
    generator = np.random.default_rng(1)
    rows, columns = np.mgrid[:32, :32]
    pictures = np.empty((count, 3, 32, 32), np.uint8)
    kinds = generator.integers(2, size=count)
    for picture, kind in zip(pictures, kinds):
        y, x = abs(rows - generator.uniform(12, 20)), abs(columns - generator.uniform(12, 20))
        inside = (np.hypot(y, x) if kind == 0 else np.maximum(y, x)) < generator.uniform(6, 10)
        ground, colour = np.array([[20, 20, 60], [230, 230, 200]])[generator.integers(2)], np.array(
            [[200, 40, 40], [40, 160, 60], [240, 180, 30]])[generator.integers(3)]
        picture[:] = np.where(inside, colour[:, None, None], ground[:, None, None])
    return pictures, kinds.astype(np.uint8)


def distances(pictures, known):
    """Of each picture, the root mean square of the difference from the nearest known one, in levels."""
    a, b = (torch.from_numpy(x).float().flatten(1) for x in (pictures, known))
    return torch.cdist(a, b).min(1).values.numpy() / a.shape[1] ** 0.5


def main():
    build = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="pixelcnn-priors-", dir="/tmp") as folder:
        def run(*command):
            subprocess.run(list(map(str, command)), cwd=folder, check=True)

        def vqvae(*arguments):
            run(sys.executable, ROOT / "docs/examples/vqvae.py", *arguments)

        folder = Path(folder)
        known, kinds = shapes(2000)
        np.save(folder / "pictures.npy", known)
        np.save(folder / "codes-labels.npy", kinds)
        vqvae("train", "pictures.npy", "vqvae.pt", "--colors", COLORS, "--width", 32, "--steps", 400)
        vqvae("encode", "vqvae.pt", "pictures.npy", "codes.npy")
        assert np.load(folder / "codes.npy").shape == (2000, 1, 8, 8)
        run(build / "pixelcnn-train", "--network", "vqvae-prior", "--data", "codes.npy", "--colors", COLORS,
            "--conditional", "--blocks", 4, "--filters", 32, "--epochs", 12, "--lr", "1e-3", "--output", "prior.pt")

        # The file is that of the published class: every name and shape, nothing else.
        state = torch.load(folder / "prior.pt", weights_only=True)
        prior = networks.VQPrior(d=COLORS, F=32, L=4, classes=2)
        prior.load_state_dict(state, strict=True)

        daemon = subprocess.Popen(
            [build / "pixelcnnd", "--socket", folder / "s", "--model", "prior.pt", "--height", "8", "--width", "8",
             "--log-level", "warning"], cwd=folder)
        try:
            end = time.monotonic() + 60
            while not (folder / "s").exists() and daemon.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            for label in (0, 1):
                run(build / "pixelcnn", "sample", "--socket", "s", "-n", 128, "--seed", 1, "--label", label, "-q",
                    "-o", f"drawn-{label}.npy")
        finally:
            daemon.terminate()
            daemon.wait()

        drawn = np.concatenate([np.load(folder / f"drawn-{label}.npy") for label in (0, 1)])
        # Up to 256 codes are bytes.
        assert drawn.dtype == np.uint8 and drawn.shape == (256, 1, 8, 8), (drawn.dtype, drawn.shape)
        np.save(folder / "drawn.npy", drawn)
        np.save(folder / "any.npy", np.random.default_rng(2).integers(COLORS, size=drawn.shape).astype(np.uint16))
        vqvae("decode", "vqvae.pt", "drawn.npy", "new.npy")
        vqvae("decode", "vqvae.pt", "any.npy", "noise.npy")
        new, noise = np.load(folder / "new.npy"), np.load(folder / "noise.npy")
        assert new.dtype == np.uint8 and new.shape == (256, 3, 32, 32)
        near, far = np.median(distances(new, known)), np.median(distances(noise, known))
        print(f"new pictures are {near:.0f} levels from the nearest known one, pictures of random codes {far:.0f}")
        assert near < far / 2
        # And they are of the class that was asked for.
        a, b = (torch.from_numpy(x).float().flatten(1) for x in (new, known))
        found = kinds[torch.cdist(a, b).argmin(1).numpy()]
        right = np.mean(found == np.repeat([0, 1], 128))
        print(f"{right:.0%} are nearest to one of their class")
        assert right > 0.65


if __name__ == "__main__":
    main()
