"""Writes a small file of each other published network, as its project saves it, and PyTorch's results for it.

    pip install torch numpy
    python3 Tests/Fixtures/make_published.py FOLDER

Each NAME gives a model file and
    NAME-images.npy     (N, C, H, W) uint8, or uint16 where d > 256
    NAME-logits.npy     (N, d, C, H, W) float32, computed in float64
    NAME-log-prob.npy   (N, C, H, W) float32, in nats
    NAME-labels.npy     (N,) uint8, the images' classes, if the network is conditional
Weights under masks are not zero, as some projects leave them.
"""
import pathlib
import sys
from collections import OrderedDict

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Oracle"))
import published_networks as networks  # noqa: E402


def ordered(model):
    return OrderedDict((k, v.clone()) for k, v in model.state_dict().items())


def trainer(model):
    """EugenHotaj's trainer_state_N.ckpt, with the state of Adam."""
    parameters = [torch.nn.Parameter(p.detach().clone()) for p in model.parameters()]
    adam = torch.optim.Adam(parameters, lr=0.0)
    for p in parameters:
        p.grad = torch.full_like(p, 0.01)
    adam.step()
    return {"model": ordered(model), "optimizer": adam.state_dict(), "step": 469, "epoch": 1,
            "examples_processed": 60000, "time_taken": 12.5, "lr_scheduler": {"last_epoch": 1}}


def lightning(model):
    """What a Lightning ModelCheckpoint(save_weights_only=True) writes, its loops cut short."""
    return {"epoch": 0, "global_step": 0, "pytorch-lightning_version": "2.6.6", "state_dict": ordered(model),
            "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 0, "completed": 0}}}},
            "hparams_name": "kwargs", "hyper_parameters": {"c_in": model.size["C"], "c_hidden": model.size["F"]}}


def epoch(model):
    """kamenbliznashki's checkpoint.pt."""
    return {"epoch": 9, "global_step": 37500, "state_dict": ordered(model)}


def replicas(model):
    """DistributedDataParallel: every name begins with module."""
    return OrderedDict(("module." + k, v.clone()) for k, v in model.state_dict().items())


MODELS = {
    # name: family, sizes, images (N, H, W), form
    "vqvae-prior.pt": (networks.VQPrior, dict(d=280, F=8, L=3, classes=5, hidden=20), (2, 6, 9), ordered),
    "anordertoreclaim.pth": (networks.Skips, dict(d=4, F=12, L=3, k=3), (2, 8, 9), ordered),
    "pytorch-generative.ckpt": (networks.Generative, dict(F=8, L=3, hidden=8, H=10, W=12), (3, 10, 12), trainer),
    "pytorch-generative-colour.pt": (
        networks.Generative, dict(C=3, out=3, F=6, L=2, hidden=8, H=8, W=9), (2, 8, 9), replicas),
    "uva-tutorial.ckpt": (networks.Tutorial, dict(F=6, d=32), (2, 10, 12), lightning),
    "uva-tutorial-colour.pt": (networks.Tutorial, dict(C=3, F=6, d=16), (1, 9, 7), ordered),
    "pixel_models.pt": (networks.BatchNormed, dict(d=16, F=12, hidden=18, k=5, L=3, classes=4), (2, 8, 9), epoch),
    "pixel_models-uneven.pt": (networks.BatchNormed, dict(d=8, F=8, hidden=10, k=3, L=2), (2, 8, 9), epoch),
    "pixel_models-plain.pt": (
        networks.BatchNormed, dict(C=1, d=16, F=6, hidden=8, k=3, L=2, norm=False), (2, 8, 9), epoch),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (file, (family, sizes, (count, height, width), form)) in enumerate(MODELS.items()):
        name = file[:file.rindex(".")]
        model = networks.randomise(family(**sizes), 100 + seed, weight=1.5, bias=0.3)
        torch.save(form(model), folder / file)
        again = networks.load(torch.load(folder / file, weights_only=True)).double()
        channels, colors = model.size.get("C", 1), model.size.get("d", 2)
        generator = np.random.default_rng(200 + seed)
        images = generator.integers(0, colors, (count, channels, height, width))
        labels = None
        if model.size.get("classes"):
            labels = torch.from_numpy(generator.integers(0, model.size["classes"], count))
            np.save(folder / f"{name}-labels.npy", labels.numpy().astype(np.uint8))
        np.save(folder / f"{name}-images.npy", images.astype(np.uint8 if colors <= 256 else np.uint16))
        x = torch.from_numpy(images)
        np.save(folder / f"{name}-logits.npy", again.logits(x, labels).numpy().astype(np.float32))
        np.save(folder / f"{name}-log-prob.npy", again.log_prob(x, labels).numpy().astype(np.float32))


if __name__ == "__main__":
    main()
