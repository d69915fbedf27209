#!/usr/bin/env python3
"""docs/examples/pixelcnn_client.py against real daemons: `client_test.py BUILD_FOLDER`. PyTorch's results are in
Tests/Fixtures."""

import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs/examples"))
sys.dont_write_bytecode = True
from pixelcnn_client import Model, PixelCNNError  # noqa: E402

BUILD = ROOT / ".build/release"
FIXTURES = ROOT / "Tests/Fixtures"


class Daemon:
    """A pixelcnnd that can be killed and started again on its socket."""

    def __init__(self, *options, model=FIXTURES / "tiny.pt"):
        self.folder = tempfile.TemporaryDirectory(prefix="pixelcnn-client-", dir="/tmp")
        self.socket = self.folder.name + "/s"
        self.command = [BUILD / "pixelcnnd", "--socket", self.socket, "--model", model, "--log-level", "warning",
                        *options]

    def start(self):
        self.process = subprocess.Popen(self.command)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        end = time.monotonic() + 100
        while True:
            try:
                Model(self.socket)
                return self
            except (OSError, PixelCNNError):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()


class ClientTests(unittest.TestCase):
    def test_sample_gives_what_the_original_gave(self):
        with Daemon(model=ROOT / "Models/emoji32.safetensors") as daemon:
            images = Model(daemon.socket).sample(2, label=1)
        self.assertEqual(images.shape, (2, 3, 32, 32))
        self.assertTrue(np.issubdtype(images.dtype, np.integer))
        self.assertGreater(len(np.unique(images)), 10)

    def test_a_seed_gives_the_same_images_in_parts_streamed_or_by_the_command(self):
        with Daemon("--max-images", "3") as daemon:
            model = Model(daemon.socket)
            images = model.sample(8, seed=1)
            self.assertEqual(images.shape, (8, 3, 8, 8))
            file = daemon.folder.name + "/images.npy"
            subprocess.run([BUILD / "pixelcnn", "sample", "--quiet", "--socket", daemon.socket, "-n", "8", "--seed",
                            "1", "-o", file], check=True)
            np.testing.assert_array_equal(images, np.load(file))
            np.testing.assert_array_equal(images[5:7], model.sample(2, seed=1, first_index=5))
            streamed = dict(model.stream(8, seed=1))
            self.assertEqual(sorted(streamed), list(range(8)))
            np.testing.assert_array_equal(images, np.stack([streamed[i] for i in range(8)]))
            self.assertFalse(np.array_equal(model.sample(2), model.sample(2)))
            self.assertEqual(model.sample(2, height=5, width=7, temperature=0).shape, (2, 3, 5, 7))

    def test_scores_are_pytorchs(self):
        images, expected = (np.load(FIXTURES / f"tiny-{name}.npy") for name in ("images", "log-prob"))
        with Daemon() as daemon:
            model = Model(daemon.socket)
            log_prob = model.log_prob(images)
            np.testing.assert_allclose(log_prob, expected.reshape(log_prob.shape), atol=1e-3)
            bits = -log_prob.reshape(len(images), -1).mean(1) / np.log(2)
            np.testing.assert_allclose(model.score(images), bits, rtol=1e-5)
            np.testing.assert_allclose(model.score(images[0]), bits[:1], rtol=1e-5)

    def test_classes_are_drawn_and_scored(self):
        with Daemon(model=FIXTURES / "conditional.pt") as daemon:
            model = Model(daemon.socket)
            star = model.sample(2, seed=3, label="star")
            np.testing.assert_array_equal(star, model.sample(2, seed=3, label=3))
            np.testing.assert_array_equal(star, model.sample(np.int64(2), seed=3, label=np.uint8(3)))
            self.assertFalse(np.array_equal(model.score(star, label="star"), model.score(star, label="cross")))

    def test_errors_name_the_field(self):
        with Daemon() as daemon:
            model = Model(daemon.socket)
            with self.assertRaisesRegex(PixelCNNError, "n is 0") as caught:
                model.sample(0)
            self.assertEqual((caught.exception.status, caught.exception.field), (422, "n"))
            with self.assertRaisesRegex(PixelCNNError, "top_k is 999"):
                list(model.stream(2, top_k=999))
        with self.assertRaisesRegex(ConnectionError, daemon.socket):
            Model(daemon.socket)

    def test_a_request_to_a_busy_daemon_is_sent_again(self):
        with Daemon("--max-queue", "1", "--threads", "1") as daemon:
            model = Model(daemon.socket)
            expected, drawn = model.sample(8, seed=2), {}

            def draw(first):
                drawn[first] = model.sample(1, seed=2, first_index=first)[0]
            threads = [threading.Thread(target=draw, args=(first,)) for first in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            np.testing.assert_array_equal(expected, np.stack([drawn[i] for i in range(8)]))

    def test_what_a_killed_daemon_was_drawing_is_drawn_by_the_next(self):
        with Daemon("--threads", "1") as daemon:
            model = Model(daemon.socket)
            expected = model.sample(300, seed=4)
            streamed = {}
            for index, image in model.stream(300, seed=4):
                self.assertNotIn(index, streamed)
                streamed[index] = image
                if len(streamed) == 1:
                    daemon.kill()
                    daemon.start()
            np.testing.assert_array_equal(expected, np.stack([streamed[i] for i in range(300)]))
            daemon.kill()
            later = threading.Timer(0.5, daemon.start)
            later.start()
            np.testing.assert_array_equal(expected[:9], model.sample(9, seed=4))
            later.join()

    def test_without_numpy_it_says_what_to_install(self):
        script = "import sys; sys.modules['numpy'] = None; import pixelcnn_client"
        result = subprocess.run([sys.executable, "-B", "-c", script], cwd=ROOT / "docs/examples", capture_output=True,
                                text=True)
        self.assertTrue(result.stderr.endswith("returns NumPy arrays: pip install numpy\n"), result.stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BUILD = Path(sys.argv.pop(1))
    unittest.main()
