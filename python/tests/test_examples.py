"""The examples that are Python, run as people run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, List

import numpy as np
import numpy.typing as npt

import pixelcnnd
from conftest import BUILD, ROOT

DIGITS = ROOT / "Models/digits8"
OUTLIERS = ROOT / "docs/examples/outliers.py"


def run(*arguments: Any) -> str:
    return subprocess.run(list(map(str, arguments)), check=True, capture_output=True, text=True).stdout


def as_digits(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pictures of 3 × 32 × 32 levels, dark on white, as digits are: 8 × 8 values 0 … 16, light on black."""
    gray = 255 - images.mean(1, keepdims=True)
    small = gray.reshape(len(images), 1, 8, 4, 8, 4).mean((3, 5))
    result: npt.NDArray[Any] = np.rint(small * 16 / 255).astype(np.uint8)
    return result


def test_outliers_finds_emoji_among_digits(tmp_path: Path) -> None:
    levels = np.load(DIGITS / "digits-test.npy")[:150].astype(np.uint16)
    with pixelcnnd.load("emoji") as bundled:
        emoji = as_digits(np.concatenate([bundled.sample(5, seed=1, label=label) for label in range(9)]))
    digits = np.rint(levels * 16 / 255).astype(np.uint8)
    order = np.random.default_rng(1).permutation(len(digits) + len(emoji))
    np.save(tmp_path / "images.npy", np.concatenate([digits, emoji])[order])

    run(sys.executable, OUTLIERS, "mutate", DIGITS / "digits-train.npy", tmp_path / "mutated.npy")
    run(BUILD / "pixelcnn-train", "--seed", 0, "--data", tmp_path / "mutated.npy", "--colors", 17, "--blocks", 4,
        "--filters", 24, "--epochs", 3, "--output", tmp_path / "background.safetensors")
    found: List[int] = []
    for line in run(sys.executable, OUTLIERS, "find", ROOT / "Models/digits8.safetensors",
                    tmp_path / "background.safetensors", tmp_path / "images.npy", "--most", len(emoji)).splitlines():
        index, ratio = line.split()
        found.append(int(index))
    assert len(found) == len(emoji)
    right = sum(order[index] >= len(digits) for index in found)
    assert right >= 0.9 * len(emoji), f"{right} of {len(emoji)} are emoji"
