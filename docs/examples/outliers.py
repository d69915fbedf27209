#!/usr/bin/env python3
"""Finds the images that are not of a model's kind, by likelihood ratios (Ren et al., Likelihood Ratios for
Out-of-Distribution Detection, 2019): how much more probable an image is under the model than under one that was trained
on the same images with some of their values replaced at random. The second model knows how simple images look, but not
what is in them; so the ratio leaves the simplicity out, which the likelihood alone does not.

    outliers.py mutate train.npy mutated.npy                      # what the second model is trained on
    pixelcnn-train --data mutated.npy --output background.pt …    # with the options of the first
    outliers.py find model.pt background.pt images.npy            # the least likely first, the ratio in nats
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt

import pixelcnnd


def mutate(images: npt.NDArray[Any], share: float, seed: int) -> npt.NDArray[Any]:
    """The images, with that share of their values replaced by others, at random."""
    generator = np.random.default_rng(seed)
    others = generator.integers(int(images.max()) + 1, size=images.shape, dtype=images.dtype)
    return np.where(generator.random(images.shape) < share, others, images)


def log_likelihood(model: pixelcnnd.Model, images: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The log-likelihood of each image in nats; if the model has classes, of whichever class, each as probable."""
    labels = range(model.description["labels"]) or [None]
    of_classes = np.stack([model.log_prob(images, label=label).sum((1, 2, 3), dtype=np.float64) for label in labels])
    result: npt.NDArray[np.float64] = np.logaddexp.reduce(of_classes, 0) - np.log(len(of_classes))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="finds the images that are not of a model's kind")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("mutate", help="writes what the second model is trained on")
    command.add_argument("images", help="the first model's training images, .npy")
    command.add_argument("output", help=".npy")
    command.add_argument("--share", type=float, default=0.3, help="of the values that are replaced (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command = commands.add_parser("find", help="prints images, those first that are least of the model's kind")
    command.add_argument("model", help="model file, or the socket of a daemon (.sock)")
    command.add_argument("background", help="the second model, likewise")
    command.add_argument("images", help=".npy, (n, C, H, W)")
    command.add_argument("--most", type=int, default=10, help="so many are printed (%(default)s)")
    arguments = parser.parse_args()

    images = np.load(arguments.images)
    if arguments.command == "mutate":
        np.save(arguments.output, mutate(images, arguments.share, arguments.seed))
        return
    models = [
        pixelcnnd.connect(name) if name.endswith(".sock") else pixelcnnd.load(name)
        for name in (arguments.model, arguments.background)]
    ratio = np.subtract(*(log_likelihood(model, images) for model in models))
    for index in np.argsort(ratio)[:arguments.most]:
        print(f"{index:6}  {ratio[index]:10.2f}")


if __name__ == "__main__":
    main()
