"""Arrays in and out, against the command's and PyTorch's, from real daemons; PyTorch's results are Tests/Fixtures'."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pixelcnnd
from conftest import BUILD, FIXTURES, ROOT, Daemon


def test_the_bundled_model_draws_what_the_original_would() -> None:
    with Daemon(model=ROOT / "Models/emoji32.safetensors") as daemon:
        images = pixelcnnd.connect(daemon.socket).sample(2, label=1)
    assert images.shape == (2, 3, 32, 32) and images.dtype == np.uint8
    assert len(np.unique(images)) > 10


def test_a_seed_gives_the_same_images_in_parts_streamed_or_by_the_command(tmp_path: Path) -> None:
    with Daemon("--max-images", "3") as daemon:
        model = pixelcnnd.connect(daemon.socket)
        images = model.sample(8, seed=1)
        assert images.shape == (8, 3, 8, 8)
        daemon.client("sample", "-n", "8", "--seed", "1", "-o", str(tmp_path / "images.npy"))
        np.testing.assert_array_equal(images, np.load(tmp_path / "images.npy"))
        np.testing.assert_array_equal(images[5:7], model.sample(2, seed=1, first_index=5))
        np.testing.assert_array_equal(images, model.sample(8, seed=1, progress=True))
        assert not np.array_equal(model.sample(2), model.sample(2))
        assert model.sample(2, height=5, width=7, temperature=0).shape == (2, 3, 5, 7)

        streamed, rows = {}, {}
        for event in model.stream(8, seed=1):
            if isinstance(event, pixelcnnd.Row):
                rows[event.index, event.row] = event.values
            else:
                streamed[event.index] = event.image
        assert sorted(streamed) == list(range(8)) and len(rows) == 64
        for i, image in enumerate(images):
            np.testing.assert_array_equal(image, streamed[i])
            np.testing.assert_array_equal(image, np.stack([rows[i, row] for row in range(8)], axis=1))
        assert all(isinstance(event, pixelcnnd.Image) for event in model.stream(2, rows=False))


def test_log_probabilities_are_the_scores_and_pytorchs(model: pixelcnnd.Model) -> None:
    images, expected = (np.load(FIXTURES / f"tiny-{name}.npy") for name in ("images", "log-prob"))
    log_prob = model.log_prob(images)
    assert log_prob.dtype == np.float32 and log_prob.shape == images.shape
    np.testing.assert_allclose(log_prob, expected.reshape(log_prob.shape), atol=1e-3)
    bits = -log_prob.reshape(len(images), -1).mean(1) / np.log(2)
    np.testing.assert_allclose(model.bits_per_dim(images), bits, rtol=1e-5)
    np.testing.assert_allclose(model.bits_per_dim(images[0].astype(np.int64)), bits[:1], rtol=1e-5)

    drawn, log_q = samples = model.sample(3, seed=2, log_prob=True)
    np.testing.assert_array_equal(drawn, model.sample(3, seed=2))
    np.testing.assert_array_equal(log_q, model.log_prob(drawn))  # every bit
    np.testing.assert_array_equal(samples.log_prob, log_q)


def test_log_q_is_that_of_the_changed_distribution(model: pixelcnnd.Model, tiny: Daemon, tmp_path: Path) -> None:
    samples = model.sample(3, seed=2, temperature=0.7, top_k=50, log_prob=True)
    np.testing.assert_array_equal(samples.log_prob, model.log_prob(samples.images))
    assert not np.array_equal(samples.log_q, samples.log_prob)
    file = str(tmp_path / "s.npz")
    tiny.client("sample", "-n", "3", "--seed", "2", "--temperature", "0.7", "--top-k", "50", "-o", file)
    with np.load(file) as arrays:
        for name, array in [("samples", samples.images), ("log_prob", samples.log_prob), ("log_q", samples.log_q)]:
            np.testing.assert_array_equal(arrays[name], array)
    watched = model.sample(3, seed=2, temperature=0.7, top_k=50, log_prob=True, progress=True)
    for one, other in [(watched.images, samples.images), (watched.log_q, samples.log_q)]:
        np.testing.assert_array_equal(one, other)
    for event in model.stream(3, seed=2, temperature=0.7, top_k=50, log_prob=True, rows=False):
        assert isinstance(event, pixelcnnd.Image)
        assert np.isclose(event.log_prob or 0, samples.log_prob[event.index].sum(dtype=np.float64), rtol=1e-12)
        assert np.isclose(event.log_q or 0, samples.log_q[event.index].sum(dtype=np.float64), rtol=1e-12)
    again = pickle.loads(pickle.dumps(samples))
    np.testing.assert_array_equal(again.log_prob, samples.log_prob)
    np.testing.assert_array_equal(again.log_q, samples.log_q)


def test_greedy_draws_have_probability_one(model: pixelcnnd.Model) -> None:
    images, log_q = model.sample(2, seed=1, temperature=0, log_prob=True)
    assert (log_q == 0).all() and (images[0] == images[1]).all()


def test_log_q_agrees_with_pytorch(model: pixelcnnd.Model) -> None:
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(ROOT / "Tests/Oracle"))  # the class that the file names
    importlib.import_module("gated_pixelcnn")
    network = torch.load(FIXTURES / "tiny.pt", weights_only=False)
    images, log_q = model.sample(4, seed=6, temperature=0.8, log_prob=True)
    with torch.no_grad():
        logits = network(torch.as_tensor(images))  # (n, d, C, H, W)
    expected = torch.log_softmax(logits / 0.8, 1).gather(1, torch.as_tensor(images).long()[:, None])[:, 0]
    np.testing.assert_allclose(log_q, expected.numpy(), atol=1e-3)


def test_a_part_of_an_image_is_kept(model: pixelcnnd.Model, tiny: Daemon, tmp_path: Path) -> None:
    image = model.sample(1, seed=3)[0]
    completed = model.complete(image, rows=3, n=4, seed=9)
    assert completed.shape == (4, 3, 8, 8)
    assert (completed[:, :, :3] == image[:, :3]).all() and not (completed[:, :, 3:] == image[:, 3:]).all()
    np.save(tmp_path / "image.npy", image)
    tiny.client("complete", str(tmp_path / "image.npy"), "--rows", "3", "-n", "4", "--seed", "9", "-o",
                str(tmp_path / "completed.npy"))
    np.testing.assert_array_equal(completed, np.load(tmp_path / "completed.npy"))
    keep = np.arange(64).reshape(8, 8) % 2 == 0
    masked, log_q = model.complete(image, mask=keep, n=2, log_prob=True)
    assert (masked[:, :, keep] == image[:, keep]).all()
    assert (log_q[:, :, keep] == 0).all() and (log_q[:, :, ~keep] < 0).any()
    np.testing.assert_array_equal(log_q[:, :, ~keep], model.log_prob(masked)[:, :, ~keep])
    with pytest.raises(TypeError, match="one of rows and mask"):
        model.complete(image)


def test_tensors_are_taken_as_arrays(model: pixelcnnd.Model) -> None:
    torch = pytest.importorskip("torch")
    images = model.sample(2, seed=4)
    tensor = torch.as_tensor(images).long()
    np.testing.assert_array_equal(model.log_prob(tensor), model.log_prob(images))
    np.testing.assert_array_equal(
        model.complete(tensor[0], mask=torch.ones(8, 8), n=1, seed=1), images[:1])


def test_classes_are_drawn_and_scored() -> None:
    with Daemon(model=FIXTURES / "conditional.pt") as daemon:
        model = pixelcnnd.connect(daemon.socket)
        star = model.sample(2, seed=3, label="star")
        np.testing.assert_array_equal(star, model.sample(2, seed=3, label=3))
        numbers: Any = (np.int64(2), np.uint8(3))
        np.testing.assert_array_equal(star, model.sample(numbers[0], seed=3, label=numbers[1]))
        assert not np.array_equal(model.bits_per_dim(star, label="star"), model.bits_per_dim(star, label="cross"))


def test_many_images_are_scored_in_parts() -> None:
    with Daemon("--max-values", "600", "--max-body", "3000") as daemon:
        model = pixelcnnd.connect(daemon.socket)
        images = model.sample(8, seed=1)
        assert model.log_prob(images).shape == (8, 3, 8, 8)
        np.testing.assert_array_equal(model.log_prob(images)[5:6], model.log_prob(images[5]))
        assert model.bits_per_dim(images).shape == (8,)


def test_one_channel_needs_no_axis() -> None:
    with Daemon(model=FIXTURES / "gray.safetensors") as daemon:
        model = pixelcnnd.connect(daemon.socket)
        images = model.sample(3, seed=1)
        np.testing.assert_array_equal(model.log_prob(images[:, 0]), model.log_prob(images))


def test_errors_name_the_field(model: pixelcnnd.Model) -> None:
    with pytest.raises(pixelcnnd.PixelCNNError, match="n is 0") as caught:
        model.sample(0)
    assert (caught.value.status, caught.value.field) == (422, "n")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (str(error), error.status, error.field) == (str(caught.value), 422, "n")
    with pytest.raises(pixelcnnd.PixelCNNError, match="top_k is 999"):
        list(model.stream(2, top_k=999))
    with pytest.raises(pixelcnnd.PixelCNNError, match="integer dtype"):
        model.bits_per_dim(np.zeros((3, 8, 8)))
    with pytest.raises(ConnectionError, match="/nowhere/s .No such file"):
        pixelcnnd.connect("/nowhere/s")


def test_two_models_give_likelihood_ratios(model: pixelcnnd.Model) -> None:
    images = model.sample(3, seed=1) % 16  # values that both have
    with Daemon(model=FIXTURES / "conditional.pt") as daemon:
        other = pixelcnnd.connect(daemon.socket)
        ratio = pixelcnnd.log_likelihood_ratio(images, model, other, label="star")
        expected = model.log_prob(images) - other.log_prob(images, label="star")
        np.testing.assert_allclose(ratio, expected.sum((1, 2, 3), dtype=np.float64), rtol=1e-6)


def test_a_request_to_a_busy_daemon_is_sent_again() -> None:
    with Daemon("--max-queue", "1", "--threads", "1") as daemon:
        model = pixelcnnd.connect(daemon.socket)
        expected, drawn = model.sample(8, seed=2), {}

        def draw(first: int) -> None:
            drawn[first] = model.sample(1, seed=2, first_index=first)[0]
        threads = [threading.Thread(target=draw, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(expected, np.stack([drawn[i] for i in range(8)]))


def test_what_a_killed_daemon_was_drawing_is_drawn_by_the_next() -> None:
    with Daemon("--threads", "1") as daemon:
        model = pixelcnnd.connect(daemon.socket)
        expected = model.sample(300, seed=4)
        streamed = {}
        for event in model.stream(300, seed=4, rows=False):
            assert isinstance(event, pixelcnnd.Image) and event.index not in streamed
            streamed[event.index] = event.image
            if len(streamed) == 1:
                daemon.kill()
                daemon.start()
        np.testing.assert_array_equal(expected, np.stack([streamed[i] for i in range(300)]))
        daemon.kill()
        later = threading.Timer(0.5, daemon.start)
        later.start()
        np.testing.assert_array_equal(expected[:9], model.sample(9, seed=4))
        later.join()


def test_a_daemon_is_found_where_the_client_looks(
        tiny: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pixelcnnd.connect(tiny.socket).sample(1, seed=1)
    monkeypatch.setenv("PIXELCNN_SOCKET", f"unix://{tiny.socket}")
    np.testing.assert_array_equal(pixelcnnd.connect().sample(1, seed=1), expected)
    monkeypatch.delenv("PIXELCNN_SOCKET")
    (tmp_path / "pixelcnn.sock").symlink_to(tiny.socket)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    np.testing.assert_array_equal(pixelcnnd.connect().sample(1, seed=1), expected)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    with pytest.raises(ConnectionError, match=f"/run/user/{os.getuid()}/pixelcnn.sock"):
        pixelcnnd.connect()


def test_without_numpy_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['numpy'] = None; import pixelcnnd"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stderr.endswith("returns NumPy arrays: pip install numpy\n"), result.stderr


def test_progress_needs_no_tqdm(tiny: Daemon) -> None:
    script = (f"import sys; sys.modules['tqdm'] = sys.modules['tqdm.auto'] = None; import pixelcnnd; "
              f"print(pixelcnnd.connect({tiny.socket!r}).sample(2, progress=True).shape)")
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "(2, 3, 8, 8)\n" and result.stderr == ""


def test_the_version_is_the_programs() -> None:
    said = subprocess.run([BUILD / "pixelcnnd", "--version"], capture_output=True, text=True, check=True).stdout
    assert said == f"pixelcnnd {pixelcnnd.__version__}\n"
