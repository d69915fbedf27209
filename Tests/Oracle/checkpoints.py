"""Writes model files as people have them, into FOLDER: what training scripts, trainers and old and new PyTorch versions
save, each by the library itself. FOLDER/cases.json says of each what is expected:

    file         its name
    weights      what --weights says, or null
    weights_only whether torch.load(weights_only=True) takes the file
    state        a file with the parameters as PyTorch reads them, float32, one after another; null where it is refused
    size         [height, width] that the file says, or null
    says         texts that the warnings, or the error, hold

    python3 Tests/Oracle/checkpoints.py FOLDER

Lightning's and accelerate's files are written where those are installed.
"""
import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import io
import json
import pathlib
import random
import struct
import sys
import types
import uuid
import warnings
import zipfile

import numpy as np
import safetensors.torch
import torch
from torch import nn

from gated_pixelcnn import PixelCNN, spread

warnings.simplefilter("ignore")
FOLDER = pathlib.Path(sys.argv[1])
SHAPE, OPTIONS = (3, 5, 4), dict(n_colors=4, n_blocks=2, filters=6)
HIDDEN = 12


def network(seed=1):
    model = PixelCNN(SHAPE, **OPTIONS)
    # The published width between the output layers makes files of 50 kB that show nothing more.
    from gated_pixelcnn import MaskConv2d
    model.out_conv = nn.Sequential(MaskConv2d("B", 6, HIDDEN, 1, 3), nn.ReLU(), MaskConv2d("B", HIDDEN, 12, 1, 3))
    return spread(model, 1.0, seed)


MODEL = network()
STATE = MODEL.state_dict()
AVERAGE = {name: tensor if tensor.dtype == torch.bool else tensor / 2 for name, tensor in STATE.items()}
NAMES = [name for name, tensor in STATE.items() if tensor.dtype != torch.bool]
CASES = []


def write_state(name, state):
    """The parameters of a state_dict of plain names, as PyTorch has them."""
    numbers = b"".join(
        torch.as_tensor(state[key]).detach().resolve_neg().float().contiguous().numpy().tobytes() for key in NAMES)
    (FOLDER / f"{name}.f32").write_bytes(numbers)


def case(name, read, *says, file=None, weights=None, size=None):
    """`read` takes the state_dict out of what torch.load gives; None where the file must be refused."""
    file = file or f"{name}.pt"
    path = FOLDER / file
    loads = False
    if file.endswith(".safetensors"):
        loaded = safetensors.torch.load_file(path) if read else None
    else:
        try:
            torch.load(path, weights_only=True)
            loads = True
        except Exception:
            pass
        loaded = torch.load(path, weights_only=loads) if read else None
    state = None
    if read:
        state = f"{name}.f32"
        write_state(name, read(loaded))
    CASES.append(dict(file=file, weights=weights, weights_only=loads, state=state, size=size, says=list(says)))


def save(name, value, read, *says, weights=None, size=None, **options):
    torch.save(value, FOLDER / f"{name}.pt", **options)
    case(name, read, *says, weights=weights, size=size)


def prefixed(prefix, state=None):
    return {prefix + key: value for key, value in (state or STATE).items()}


def without(prefix):
    return lambda state: {key.removeprefix(prefix): value for key, value in state.items()}


def at(*keys):
    return lambda loaded: functools.reduce(lambda value, key: value[key], keys, loaded)


# What else a script's classes are; their module has a name of its own, as scripts that are imported have.
class EasyDict(dict):
    def __init__(self, **items):
        super().__init__(**items)
        self.__dict__ = self


class Schedule:
    def __call__(self, epoch):
        return 0.9 ** epoch


@dataclasses.dataclass
class Configuration:
    lr: float = 1e-3
    layers: tuple = (1, 2)


class Phase(enum.Enum):
    TRAIN = 1


class Scaled(torch.Tensor):
    pass


class OtherPixelCNN(PixelCNN):
    pass


class Lit(nn.Module):
    """As a whole LightningModule is saved: a module of another class around the network."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.loss = nn.CrossEntropyLoss()


Record = collections.namedtuple("Record", "epoch loss")
script = sys.modules["script"] = types.ModuleType("script")
for kind in (EasyDict, Schedule, Configuration, Phase, Scaled, OtherPixelCNN, Lit, Record):
    kind.__module__ = "script"
    setattr(script, kind.__name__, kind)


class Pickled:
    """Pickled as a call of a constructor with these arguments, and perhaps a state: as older versions did."""

    def __init__(self, call, *arguments, state=None):
        self.value = (call, arguments) if state is None else (call, arguments, state)

    def __reduce__(self):
        return self.value


def beside():
    """A checkpoint with one more value, which is not the network's."""
    parameters = list(network().parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()

    def scheduler(kind, *arguments, **options):
        return kind(torch.optim.SGD(parameters, lr=0.1), *arguments, **options)

    lr = torch.optim.lr_scheduler
    values = {
        "multisteplr": scheduler(lr.MultiStepLR, [3, 5, 5]).state_dict(),
        "onecyclelr": scheduler(lr.OneCycleLR, max_lr=0.1, total_steps=9).state_dict(),
        "lambdalr": scheduler(lr.LambdaLR, Schedule()).state_dict(),
        "whole-scheduler": scheduler(lr.StepLR, 3),
        "whole-optimizer": optimizer,
        "optimizer": optimizer.state_dict(),
        "bytes": b"\x00\xff" * 40, "bytearray": bytearray(b"abc"), "set": {1, 2}, "complex": 2 + 3j,
        "dtype": torch.float8_e5m2, "device": torch.device("cuda:1"), "size": torch.Size([1, 2]),
        "large-integer": 2 ** 100, "surrogate": "\ud800", "history": [float(i) for i in range(300_000)],
        "long-text": "x" * 200_000, "deep": functools.reduce(lambda value, _: [value], range(60), []),
        "rng": torch.get_rng_state(),
        "uint16": torch.ones(2, dtype=torch.uint16), "uint64": torch.ones(2, dtype=torch.uint64),
        "complex-conjugate": torch.ones(3, dtype=torch.complex64).conj(),
        "negated-complex": (torch.ones(3, dtype=torch.complex64).conj()).imag,
        "meta": torch.ones(3, device="meta"), "rank-9": torch.ones([1] * 9), "empty": torch.ones(0, 3),
        "buffer": nn.Buffer(torch.ones(2)), "scalar": torch.tensor(2.5),
        "defaultdict": collections.defaultdict(list, a=[1]), "namespace": argparse.Namespace(lr=1e-3, data="x"),
        "simple-namespace": types.SimpleNamespace(lr=1e-3), "path": pathlib.PurePosixPath("/data"),
        "datetime": datetime.datetime(2026, 1, 2), "decimal": decimal.Decimal("1.5"), "uuid": uuid.UUID(int=1),
        "numpy-scalar": np.float64(1.5), "numpy-array": np.arange(40_000.0), "numpy-rng": np.random.get_state(),
        "python-rng": random.getstate(), "easydict": EasyDict(lr=1e-3), "dataclass": Configuration(),
        "enum": Phase.TRAIN, "partial": functools.partial(max, 1), "function": max, "deque": collections.deque([1, 2]),
        "namedtuple": Record(1, 2.0), "frozenset": frozenset([1]), "range": range(3), "exception": ValueError("x"),
        "class": Schedule, "module": nn.CrossEntropyLoss(),
    }
    values["sparse"] = torch.eye(3).to_sparse()
    values["csr"] = torch.eye(3).to_sparse_csr()
    values["quantised"] = torch.quantize_per_tensor(torch.ones(3), 0.1, 3, torch.qint8)
    values["quantised-by-channel"] = torch.quantize_per_channel(
        torch.ones(3, 2), torch.ones(3), torch.zeros(3), 0, torch.quint8)
    values["nested"] = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    for name, value in values.items():
        save(f"beside-{name}", {"epoch": 3, "value": value, "state_dict": STATE, "also": {"more": [value]}},
             at("state_dict"))
    for name in ("uint16", "complex-conjugate", "meta", "rank-9", "sparse", "quantised", "nested", "negated-complex"):
        save(f"among-{name}", {**STATE, "extra": values[name]}, lambda state: state, "“extra”")


def names():
    save("plain", STATE, lambda state: state)
    for prefix in ("module.", "_orig_mod.", "module._orig_mod.", "model.", "net.", "model.net.module.",
                   "_fsdp_wrapped_module.", "_forward_module."):
        save(f"prefix-{prefix}", prefixed(prefix), without(prefix))
        safetensors.torch.save_file(prefixed(prefix), FOLDER / f"prefix-{prefix}.safetensors")
        case(f"prefix-{prefix}safetensors", without(prefix), file=f"prefix-{prefix}.safetensors")
    save("data-parallel", nn.DataParallel(network()).state_dict(), without("module."))
    save("averaged-model", torch.optim.swa_utils.AveragedModel(network()).state_dict(), without("module."),
         "“n_averaged”")
    save("compiled", torch.compile(network()).state_dict(), without("_orig_mod."))
    parts = network()
    parts.gated_layers = nn.ModuleList(torch.compile(layer) for layer in parts.gated_layers)
    parts.in_conv = torch.compile(parts.in_conv)
    save("compiled-parts", parts.state_dict(),
         lambda state: {key.replace("_orig_mod.", ""): value for key, value in state.items()})
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
    parts = network()
    parts.gated_layers = nn.ModuleList(checkpoint_wrapper(layer) for layer in parts.gated_layers)
    save("activation-checkpointing", {
        key.replace("v_conv", "_checkpoint_wrapped_module.v_conv"): value for key, value in STATE.items()},
        lambda state: {key.replace("_checkpoint_wrapped_module.", ""): value for key, value in state.items()})
    save("activation-checkpointing-whole", {"model": parts}, lambda loaded: loaded["model"].state_dict(), size=[5, 4])
    for key in ("net", "network", "generator", "weights", "params", "pixelcnn", "module"):
        save(f"under-{key}", {key: STATE, "loss": torch.tensor(1.5), "epoch": 3}, at(key))
    save("deep-inside", {"a": {"checkpoint": {"model": prefixed("module.")}}, "b": [1]},
         lambda loaded: without("module.")(loaded["a"]["checkpoint"]["model"]))
    save("in-a-tuple", (3, STATE, 0.5), at(1))
    save("in-a-namespace", argparse.Namespace(model=STATE), lambda loaded: loaded.model)
    save("in-an-easydict", EasyDict(state_dict=EasyDict(**STATE)), at("state_dict"))
    save("in-a-defaultdict", collections.defaultdict(int, STATE), lambda state: state)


def copies():
    both = {"model": STATE, "ema": AVERAGE}
    save("model-and-ema", both, at("model"), "takes “model” and leaves “ema”")
    save("model-and-ema-chosen", both, at("ema"), "takes “ema” and leaves “model”", weights="ema")
    save("ema-first", {"ema_state_dict": AVERAGE, "state_dict": STATE}, at("state_dict"),
         "takes “state_dict” and leaves “ema_state_dict”")
    save("ema-first-chosen", {"ema_state_dict": AVERAGE, "state_dict": STATE}, at("ema_state_dict"), weights="ema")
    save("timm", {"state_dict": STATE, "state_dict_ema": AVERAGE}, at("state_dict"), "leaves “state_dict_ema”")
    save("timm-chosen", {"state_dict": STATE, "state_dict_ema": AVERAGE}, at("state_dict_ema"),
         weights="state_dict_ema")
    library = {"initted": torch.tensor(True), "step": torch.tensor(7), **prefixed("ema_model.", AVERAGE),
               **prefixed("online_model.")}
    save("ema-pytorch", library, lambda state: {
        key.removeprefix("online_model."): value for key, value in state.items() if key.startswith("online_model.")},
        "takes “online_model” and leaves “ema_model”")
    for name, weights in (("part", "ema_model"), ("beginning", "ema"), ("dot", "ema_model.")):
        save(f"ema-pytorch-chosen-by-{name}", library, lambda state: {
            key.removeprefix("ema_model."): value for key, value in state.items() if key.startswith("ema_model.")},
            weights=weights)
    save("lightning-ema", {"state_dict": {**prefixed("model_ema.module.", AVERAGE), **prefixed("model.")}},
         lambda loaded: {key.removeprefix("model."): value for key, value in loaded["state_dict"].items()
                         if key.startswith("model.")}, "takes “state_dict.model”", "“state_dict.model_ema.module”")
    save("only-ema", {"ema": AVERAGE}, at("ema"), "“ema”, an average")
    parameters = {"decay": 0.9, "num_updates": 3, "shadow_params": [AVERAGE[name] for name in NAMES],
                  "collected_params": None}
    save("shadow", {"model": STATE, "ema": parameters}, at("model"), "leaves “ema.shadow_params”")
    save("shadow-chosen", {"model": STATE, "ema": parameters},
         lambda loaded: dict(zip(NAMES, loaded["ema"]["shadow_params"])), weights="ema")
    save("without-a-path-chosen", {**STATE, **prefixed("average.", AVERAGE)}, lambda state: state, weights=".")
    save("no-such-copy", both, None, "“teacher”", "“model”, “ema”", weights="teacher")
    save("several-such-copies", {"ema1": AVERAGE, "ema2": dict(AVERAGE), "model": STATE}, None, "“ema1”, “ema2”",
         weights="ema")


def tensors():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        save(f"of-{dtype}", {key: value if value.dtype == torch.bool else value.to(dtype)
                             for key, value in STATE.items()}, lambda state: state)
    bias = STATE["out_conv.2.bias"]
    negative = torch.view_as_complex(torch.stack([torch.zeros_like(bias), -bias], -1)).conj().imag
    assert negative.is_neg() and torch.equal(negative.resolve_neg(), bias)
    save("negated", {**STATE, "out_conv.2.bias": negative}, lambda state: state)
    save("negated-legacy", {**STATE, "out_conv.2.bias": negative}, lambda state: state,
         _use_new_zipfile_serialization=False)
    half = negative.clone(memory_format=torch.preserve_format).resolve_neg().double()
    half = torch.view_as_complex(torch.stack([torch.zeros_like(half), -half], -1)).conj().imag
    save("negated-float64", {**STATE, "out_conv.2.bias": half}, lambda state: state)
    save("negated-parameter", {**STATE, "out_conv.2.bias": nn.Parameter(negative)}, lambda state: state)
    save("permuted", {key: value.permute(*reversed(range(value.dim()))).contiguous().permute(
        *reversed(range(value.dim()))) for key, value in STATE.items()}, lambda state: state)
    save("expanded", {**STATE, "v_norm_layers.0.weight": torch.ones(1).expand(2)}, lambda state: state)
    save("tied", {**STATE, **{f"h_norm_layers.{i}.weight": STATE["v_norm_layers.0.weight"] for i in range(2)}},
         lambda state: state)
    save("aliases", {**STATE, **{f"alias.{i}": STATE["in_conv.0.weight"] for i in range(80)}}, lambda state: state)
    save("keep-vars", network().state_dict(keep_vars=True), lambda state: state)
    attributed = network().state_dict(keep_vars=True)
    attributed["in_conv.0.weight"].is_initialised = True
    save("parameter-with-attribute", attributed, lambda state: state)
    buffered = {key: nn.Buffer(value) for key, value in STATE.items()}
    save("buffers", buffered, lambda state: state)
    for protocol in (1, 3, 4, 5):
        save(f"protocol-{protocol}", {"state_dict": STATE, "yes": True, "large": 2 ** 70}, at("state_dict"),
             pickle_protocol=protocol)
        save(f"protocol-{protocol}-module", network(), lambda model: model.state_dict(), pickle_protocol=protocol,
             size=[5, 4])
        save(f"legacy-protocol-{protocol}", {"state_dict": STATE}, at("state_dict"), pickle_protocol=protocol,
             _use_new_zipfile_serialization=False)
    save("legacy-beside", {"state_dict": STATE, "counter": collections.Counter("ab"),
                           "sparse": torch.eye(3).to_sparse(), "complex": torch.ones(2, dtype=torch.complex128),
                           "config": argparse.Namespace(lr=1)}, at("state_dict"), _use_new_zipfile_serialization=False)

    def parts(tensor):
        return tensor._typed_storage(), tensor.storage_offset(), tuple(tensor.size()), tensor.stride()

    def old(make):
        return collections.OrderedDict((key, make(value)) for key, value in STATE.items())

    save("rebuild-tensor", old(lambda value: Pickled(torch._utils._rebuild_tensor, *parts(value))), lambda state: state)
    save("parameter-call", old(lambda value: Pickled(nn.Parameter, value, False)), lambda state: state)
    save("tensor-from-cpu", old(lambda value: Pickled(
        torch._utils._rebuild_device_tensor_from_cpu_tensor, value, value.dtype, "cpu", False)), lambda state: state)
    save("set-afterwards", old(lambda value: Pickled(
        torch._utils._rebuild_tensor_v2, *parts(torch.zeros_like(value)), False, collections.OrderedDict(),
        state=parts(value))), lambda state: state)
    save("python2-pairs", Pickled(collections.OrderedDict, [[key, value] for key, value in STATE.items()]),
         lambda state: state)
    big_endian()


def big_endian():
    """A file as a big-endian machine writes it: every number the other way round."""
    data = io.BytesIO()
    torch.save(collections.OrderedDict(STATE), data)
    widths = [value.element_size() for value in STATE.values()]
    with zipfile.ZipFile(data) as source, zipfile.ZipFile(FOLDER / "big-endian.pt", "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if "/data/" in name:
                width = widths[int(name.rsplit("/", 1)[1])]
                content = np.frombuffer(content, f"V{width}").view("u1").reshape(-1, width)[:, ::-1].tobytes()
            target.writestr(name, b"big" if name.endswith("/byteorder") else content)
    case("big-endian", lambda state: state)


def modules():
    whole = lambda model: model.state_dict()  # noqa: E731
    save("module", network(), whole, size=[5, 4])
    earlier = network()
    earlier.input_shape = earlier.in_shape
    del earlier.in_shape
    save("module-input_shape", earlier, whole, size=[5, 4])
    save("module-in-checkpoint", {"model": network(), "args": argparse.Namespace(lr=1)},
         lambda loaded: loaded["model"].state_dict(), size=[5, 4])
    save("module-data-parallel", nn.DataParallel(network()), lambda model: model.module.state_dict(), size=[5, 4])
    save("module-in-another", Lit(network()), lambda model: model.model.state_dict(), "“script.Lit”", size=[5, 4])
    options = {"input_shape": SHAPE, "color_depth": 4, "n_blocks": 2, "filters": 6}
    save("original-save", {"kwargs": options, "state_dict": STATE}, at("state_dict"), size=[5, 4])
    save("original-save-list", {"kwargs": {**options, "input_shape": list(SHAPE)}, "state_dict": STATE},
         at("state_dict"), size=[5, 4])
    save("hyper-parameters", {"state_dict": prefixed("model."), "hyper_parameters": {"in_shape": SHAPE, "lr": 1e-3},
                              "pytorch-lightning_version": "2.6.0"},
         lambda loaded: without("model.")(loaded["state_dict"]), size=[5, 4])
    save("hyper-parameters-namespace", {"state_dict": STATE, "hparams": argparse.Namespace(input_shape=SHAPE)},
         at("state_dict"), size=[5, 4])
    save("hyper-parameters-of-other", {"state_dict": STATE, "hyper_parameters": {"in_shape": (28, 28, 1)}},
         at("state_dict"), "32 × 32")


def refused():
    other = OtherPixelCNN(SHAPE, **OPTIONS)
    save("other-class", other, None, "“script.OtherPixelCNN”", "python3 -c")
    save("other-class-in-checkpoint", {"epoch": 3, "net": other}, None, "“script.OtherPixelCNN”", "python3 -c")
    weight = STATE["in_conv.0.weight"]
    for name, value, says in (
            ("float8", weight.to(torch.float8_e4m3fn), "float8_e4m3fn"), ("complex", weight.to(torch.complex64),
                                                                         "complex64"),
            ("sparse", weight.to_sparse(), "sparse"), ("meta", weight.to("meta"), "meta"),
            ("quantised", torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8), "qint8"),
            ("uint16", weight.to(torch.uint16), "uint16"), ("int64", weight.long(), "i64"),
            ("numpy", weight.numpy(), "numpy"), ("subclass", weight.as_subclass(Scaled), "“script.Scaled”"),
            ("uninitialised", nn.UninitializedParameter(), "uninitialised"), ("none", None, "“in_conv.0.weight”")):
        save(f"weight-{name}", {**STATE, "in_conv.0.weight": value}, None, says, "in_conv.0.weight")
    save("no-tensors", {"epoch": 3, "lr": np.float64(1)}, None, "“epoch”")
    save("a-number", 3, None, "holds 3")
    safetensors.torch.save_file({**STATE, "extra": torch.ones(2, dtype=torch.uint32),
                                 "more": torch.ones(2).to(torch.float8_e4m3fn)}, FOLDER / "among.safetensors")
    case("among-safetensors", lambda state: state, "“extra”", "“more”", file="among.safetensors")
    safetensors.torch.save_file({**STATE, "in_conv.0.weight": weight.to(torch.float8_e5m2)},
                                FOLDER / "float8.safetensors")
    case("float8-safetensors", None, "F8_E5M2", "in_conv.0.weight", file="float8.safetensors")


def lightning():
    try:
        import lightning.pytorch as pl
        from lightning.pytorch.callbacks import WeightAveraging
    except ImportError:
        return

    class LitPixelCNN(pl.LightningModule):
        def __init__(self, in_shape, lr=1e-3):
            super().__init__()
            self.save_hyperparameters()
            self.model = network()

        def training_step(self, batch, _):
            return self.model(batch[0]).square().mean()

        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
            return [optimizer], [torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])]

    images = torch.zeros(2, *SHAPE)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=1)
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                 accelerator="cpu", max_epochs=1)
    import logging
    for name in ("lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    trainer = pl.Trainer(**quiet)
    trainer.fit(LitPixelCNN(in_shape=SHAPE), data)
    trainer.save_checkpoint(FOLDER / "lightning.pt")
    case("lightning", lambda loaded: without("model.")(loaded["state_dict"]), size=[5, 4])
    trainer = pl.Trainer(callbacks=[WeightAveraging(use_buffers=False)], **quiet)
    trainer.fit(LitPixelCNN(in_shape=SHAPE), data)
    trainer.save_checkpoint(FOLDER / "lightning-averaging.pt")
    case("lightning-averaging", lambda loaded: without("model.")(loaded["state_dict"]),
         "takes “state_dict.model”", "“current_model_state.model”", size=[5, 4])
    from lightning.fabric import Fabric
    fabric = Fabric(accelerator="cpu", devices=1)
    model = fabric.setup(network())
    fabric.save(FOLDER / "fabric.pt", {"model": model, "step": 3})
    case("fabric", at("model"))


def accelerate():
    try:
        import accelerate
    except ImportError:
        return
    accelerator = accelerate.Accelerator(cpu=True)
    model = accelerator.prepare(network())
    accelerator.save_state(FOLDER / "state", safe_serialization=False)
    (FOLDER / "state" / "pytorch_model.bin").rename(FOLDER / "accelerate.pt")
    case("accelerate", lambda state: state)
    accelerator.save_model(model, FOLDER / "model")
    (FOLDER / "model" / "model.safetensors").rename(FOLDER / "accelerate.safetensors")
    case("accelerate-safetensors", lambda state: state, file="accelerate.safetensors")
    accelerator.save({"model": accelerator.get_state_dict(model), "step": 3}, FOLDER / "accelerate-saved.pt")
    case("accelerate-saved", at("model"))


for part in (beside, names, copies, tensors, modules, refused, lightning, accelerate):
    part()
(FOLDER / "cases.json").write_text(json.dumps(CASES))
print(f"{len(CASES)} files, {sum(c['weights_only'] for c in CASES)} taken by weights_only=True")
