"""Daemons of one's own: they are there with the object and gone with it, whatever becomes of the process."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import numpy as np
import pytest

import pixelcnnd
from conftest import BUILD, FIXTURES, ROOT, TINY, Daemon

CYCLES = int(os.environ.get("PIXELCNN_CYCLES", "100"))


def daemons() -> List[int]:
    """The processes of pixelcnnd whose sockets are in folders of this test's."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.startswith(b"--socket=" + os.fsencode(tempfile.gettempdir())) for word in words):
                found.append(int(entry))
    return found


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, no descriptor, no file after a test; each has a temporary folder of its own, of a short name."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="own-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        before = descriptors()
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            yield
            gc.collect()
        eventually(lambda: not daemons())
        assert descriptors() == before
        leftover = [entry for entry in os.listdir(folder) if os.listdir(os.path.join(folder, entry))]
        assert leftover == [], "sockets or files are left"


def eventually(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.01)


def test_a_model_is_there_with_its_object_and_gone_with_it(tiny: Daemon) -> None:
    expected = pixelcnnd.connect(tiny.socket).sample(4, seed=1)
    model = pixelcnnd.load(TINY, threads=1)
    assert len(daemons()) == 1 and model.description["threads"] == 1 and "tiny.pt" in repr(model)
    np.testing.assert_array_equal(model.sample(4, seed=1), expected)
    del model
    assert daemons() == []
    with pixelcnnd.load(str(TINY)) as model:
        np.testing.assert_array_equal(model.sample(4, seed=1), expected)
    assert daemons() == []
    with pytest.raises(pixelcnnd.LoadError, match="closed"):
        model.sample()


def test_options_are_the_daemons() -> None:
    with pixelcnnd.load(FIXTURES / "wide-kernel-state.pt", height=7, width=9, precision="i16") as model:
        assert model.in_shape == (3, 7, 9) and model.description["precision"] == "i16"


def test_what_cannot_be_served_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    for path, words in [(tmp_path / "none.pt", "no such file"), (tmp_path / "notes.txt", "notes.txt")]:
        said = subprocess.run([BUILD / "pixelcnnd", "--model", path, "--check"], capture_output=True, text=True).stderr
        with pytest.raises(pixelcnnd.LoadError) as caught:
            pixelcnnd.load(path)
        assert f"pixelcnnd: {caught.value}\n" == said and words in said.lower()
    with pytest.raises(pixelcnnd.LoadError, match='--threads is "0"; allowed is 1…1024'):
        pixelcnnd.load(TINY, threads=0)
    monkeypatch.setenv("PIXELCNND", "/nowhere/pixelcnnd")
    with pytest.raises(pixelcnnd.LoadError, match=r"\$PIXELCNND is /nowhere/pixelcnnd"):
        pixelcnnd.load(TINY)
    monkeypatch.delenv("PIXELCNND")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pixelcnnd.LoadError, match="no pixelcnnd on the PATH"):
        pixelcnnd.load(TINY)


def test_the_program_on_the_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIXELCNND")
    monkeypatch.setenv("PATH", f"{BUILD}:{os.environ['PATH']}")
    with pixelcnnd.load(TINY) as model:
        assert model.sample(seed=1).shape == (1, 3, 8, 8)


def test_models_come_and_go_without_a_trace() -> None:
    for _ in range(CYCLES):
        pixelcnnd.load(TINY, threads=1)
        assert daemons() == []


def test_several_models_live_side_by_side() -> None:
    models = [pixelcnnd.load(TINY, threads=1) for _ in range(5)]
    images = [model.sample(2, seed=7) for model in models]
    assert len(daemons()) == 5 and all((image == images[0]).all() for image in images)
    with pixelcnnd.load(FIXTURES / "conditional.pt") as other:
        ratio = pixelcnnd.log_likelihood_ratio(images[0] % 16, other, models[0], label=1)
    assert ratio.shape == (2,)


def test_a_daemon_that_was_killed_is_no_endless_wait() -> None:
    model = pixelcnnd.load(TINY)
    os.kill(daemons()[0], signal.SIGKILL)
    with pytest.raises(pixelcnnd.LoadError, match="signal 9"):
        model.sample()


def python(script: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(TINY), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.PIPE, text=True, **options)


SLOW = "import sys, pixelcnnd; model = pixelcnnd.load(sys.argv[1]); print('loaded', flush=True); "


@pytest.mark.parametrize("number, ending", [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, ""),
                                            (signal.SIGKILL, "")])
def test_a_process_that_is_ended_while_it_draws_leaves_no_daemon(number: signal.Signals, ending: str) -> None:
    process = python(SLOW + "model.sample(64, height=1000, width=20)")
    assert process.stdout and process.stdout.readline() == "loaded\n"
    assert len(daemons()) == 1
    time.sleep(0.1)  # it draws
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode != 0 and ending in errors
    eventually(lambda: not daemons())


def test_control_c_while_a_model_loads_leaves_no_daemon() -> None:
    for _ in range(5):
        process = python("import sys, pixelcnnd; print('begins', flush=True)\nwhile True: pixelcnnd.load(sys.argv[1])")
        assert process.stdout and process.stdout.readline() == "begins\n"
        time.sleep(0.05)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)  # Python ignores one that comes while an object is dropped
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        _, errors = process.communicate()
        assert "KeyboardInterrupt" in errors
        eventually(lambda: not daemons())


def test_an_interrupted_call_leaves_the_model_usable() -> None:
    """As in a notebook: the kernel's process group gets SIGINT, and the cell ends."""
    script = SLOW + """
try:
    model.sample(64, height=1000, width=20)
except KeyboardInterrupt:
    print(model.sample(4, seed=1).sum(), flush=True)
"""
    process = python(script, start_new_session=True)
    assert process.stdout and process.stdout.readline() == "loaded\n"
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate()
    with pixelcnnd.load(TINY) as model:
        assert output == f"{model.sample(4, seed=1).sum()}\n", errors


def test_an_ending_without_goodbye_leaves_no_daemon() -> None:
    for end in ["", "import os; os._exit(0)", "raise ValueError", "import gc; gc.disable(); model.me = model"]:
        process = python(SLOW + end)
        process.communicate()
        eventually(lambda: not daemons())


def test_other_threads_load_and_draw() -> None:
    """In a notebook, code may run in a thread that is not the main one, and end with it."""
    results: List[Tuple[int, pixelcnnd.Model]] = []

    def work() -> None:
        model = pixelcnnd.load(TINY)
        results.append((int(model.sample(4, seed=1).sum()), model))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    total, model = results.pop()
    assert model.sample(4, seed=1).sum() == total  # the daemon does not end with the thread that started it


def test_signal_handlers_and_threads_are_left_alone() -> None:
    def state() -> Any:
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)], set(
            threading.enumerate())
    before = state()
    with pixelcnnd.load(TINY) as model:
        model.sample(2, log_prob=True)
        assert state() == before


def test_a_fork_shares_the_model_and_does_not_end_it() -> None:
    model = pixelcnnd.load(TINY)
    expected = model.sample(4, seed=1)
    for use in ["sample", "del", "close", "exit"]:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if use == "del":
                    del model
                    status = 0
                elif use == "close":
                    model.close()
                    status = 0
                elif use == "exit":
                    status = 0
                    sys.exit()
                else:
                    status = 0 if (model.sample(4, seed=1) == expected).all() else 1
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0, use
        np.testing.assert_array_equal(model.sample(4, seed=1), expected)
    assert len(daemons()) == 1


def test_a_forked_process_that_outlives_its_parents_model_is_told() -> None:
    model = pixelcnnd.load(TINY)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(writing)
            os.read(reading, 1)
            model.sample()
        except pixelcnnd.LoadError:
            status = 0
        finally:
            os._exit(status)
    os.close(reading)
    model.close()
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0


def test_another_process_gets_it_by_pickle() -> None:
    model = pixelcnnd.load(TINY)
    script = "import pickle, sys; print(pickle.load(sys.stdin.buffer).sample(4, seed=1).sum())"
    result = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(model), capture_output=True, check=True)
    assert int(result.stdout) == model.sample(4, seed=1).sum()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader_workers_use_it(method: str) -> None:
    pytest.importorskip("torch")
    script = """
import sys
import numpy, pixelcnnd, torch

class Drawn(torch.utils.data.Dataset):
    def __init__(self, model): self.model = model
    def __len__(self): return 12
    def __getitem__(self, i): return self.model.sample(1, seed=3, first_index=i)[0]

if __name__ == "__main__":
    model = pixelcnnd.load(sys.argv[1])
    loader = torch.utils.data.DataLoader(Drawn(model), batch_size=4, num_workers=2, multiprocessing_context=sys.argv[2])
    for _ in range(2):
        images = torch.cat(list(loader)).numpy()
        numpy.testing.assert_array_equal(images, model.sample(12, seed=3))
    print("right")
"""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="loader-") as folder:
        file = Path(folder, "loader.py")
        file.write_text(script)
        result = subprocess.run([sys.executable, file, TINY, method], capture_output=True, text=True)
    assert result.stdout == "right\n", result.stderr


def test_a_service_managers_words_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    with pixelcnnd.load(TINY) as model:
        assert model.sample(seed=1).shape == (1, 3, 8, 8)


def test_a_long_temporary_folder_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pixelcnnd.load(TINY) as model:
        assert model.sample(seed=1).shape == (1, 3, 8, 8)


def test_the_folder_is_for_the_user_alone() -> None:
    with pixelcnnd.load(TINY):
        [folder] = [entry for entry in os.scandir(tempfile.gettempdir()) if entry.name.startswith("pixelcnnd-")]
        assert folder.stat().st_mode & 0o777 == 0o700
