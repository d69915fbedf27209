"""A daemon and everything around it that can fail: who reads its log, its files, its limits, its life. The listening
socket belongs to this process, as it belongs to systemd in service, so connections wait while no daemon runs."""

import asyncio
import fcntl
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import harness
from harness import Failure, require

SETTINGS = """\
model: {model}
max_queue: 64
cache_size: {cache}
client_timeout: 10
drain_timeout: 60
log_level: debug
"""
# A mapping whose keys are aliases: small to read, exponential to compose.
BOMB = "a: &a [1, 2]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} {{? [{', '.join(['*' + chr(97 + i)] * 9)}] : 1}}\n" for i in range(20))
CACHE_BYTES = 8 << 20
ANSWERS = "answers compared"
STALL_SECONDS = 90
NO_RESOURCES = 71  # the exit status of a daemon that cannot start for a limit of the machine


class LogSink:
    """Reads the daemon's standard error, and at times does not."""

    def __init__(self, path):
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)  # fills after a few dozen lines
        self.flows = threading.Event()
        self.flows.set()
        self.file = open(path, "ab", buffering=0)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            self.flows.wait()
            data = os.read(self.reading, 65536)
            if not data:
                return
            self.file.write(data)


class Surroundings(harness.Daemon):
    """The daemon, started again whenever it has ended, and the faults to inject."""

    def __init__(self, program, models, seed):
        self.program, self.models = program, models
        self.folder = tempfile.TemporaryDirectory(prefix="pixelcnn-chaos-", dir="/tmp")
        self.socket, self.path = self.folder.name + "/s", Path(self.folder.name)
        self.random = random.Random(f"{seed}: surroundings")
        self.log = LogSink(self.path / "log")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(1024)
        self.counts, self.kills, self.events = {}, 0, []
        self.start_time = time.monotonic()
        self.settings = self.path / "settings.yaml"
        self.model = self.path / "model.safetensors"
        self.process = None

    # The daemon's life

    def put(self, name):
        """Puts a whole model file, and good settings, in place, each at once."""
        copy = self.path / "copy"
        shutil.copy(self.models[name], copy)
        os.rename(copy, self.model)
        copy.write_text(SETTINGS.format(model=self.model, cache=CACHE_BYTES))
        os.rename(copy, self.settings)

    def start(self, address_space=None):
        """Starts the daemon with the socket as systemd passes it."""
        def prepare():
            os.dup2(self.listener.fileno(), 3)
            if address_space:
                resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', self.program,
             "--config", str(self.settings)],
            stderr=self.log.writing, preexec_fn=prepare, pass_fds=(3,))

    async def ready(self):
        """Waits until the daemon serves. Returns its exit status if it has ended instead, else None."""
        end = time.monotonic() + harness.TIMEOUT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return self.process.returncode
            try:
                # A daemon that dies leaves the question in the socket's queue to the next: time out and ask again.
                response = await asyncio.wait_for(harness.request(self.socket, "GET", "/readyz"), 5)
                if response.status == 200:
                    return None
            except (OSError, EOFError, asyncio.TimeoutError):
                pass
            await asyncio.sleep(0.02)
        raise Failure("the daemon does not become ready")

    async def started(self):
        self.start()
        status = await self.ready()
        require(status is None, f"the daemon ended at its start, with {status}")

    async def ended(self, expected):
        """Waits for the end of the daemon, without blocking the clients."""
        end = time.monotonic() + harness.TIMEOUT
        while self.process.poll() is None:
            require(time.monotonic() < end, "the daemon does not end")
            await asyncio.sleep(0.01)
        require(self.process.returncode == expected,
                f"the daemon ended with {self.process.returncode}, not {expected}")

    async def metrics(self):
        """The values by name, with their labels."""
        response = await asyncio.wait_for(harness.request(self.socket, "GET", "/metrics"), harness.TIMEOUT)
        lines = [line for line in response.body.decode().split("\n") if line and line[0] != "#"]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async def reload(self, *outcomes):
        """Sends SIGHUP and waits for the end of the reload; its outcome must be one of these."""
        before = await self._reloads()
        self.process.send_signal(signal.SIGHUP)
        await self._reloaded(before, outcomes)

    async def _reloaded(self, before, outcomes):
        end = time.monotonic() + harness.TIMEOUT
        while True:
            now = await self._reloads()
            new = [outcome for outcome in now if now[outcome] > before[outcome]]
            if new:
                require(set(new) <= set(outcomes), f"a reload {new[0]}; expected: {' or '.join(outcomes)}")
                return
            require(time.monotonic() < end, "a reload does not end")
            await asyncio.sleep(0.05)

    async def _reloads(self):
        metrics = await self.metrics()
        return {outcome: metrics.get(f'pixelcnnd_reloads_total{{outcome="{outcome}"}}', 0)
                for outcome in ("done", "failed")}

    # Faults

    async def good_reload(self):
        self.put(self.random.choice(list(self.models)))
        await self.reload("done")

    async def bad_model(self):
        """Something else where the model was."""
        kind = self.random.choice(["rubbish", "empty", "half", "folder", "fifo", "nothing"])
        self.model.unlink()
        whole = self.models["a"].read_bytes()
        if kind == "rubbish":
            self.model.write_bytes(self.random.randbytes(5000))
        elif kind in ("empty", "half"):
            self.model.write_bytes(whole[:len(whole) // 2 if kind == "half" else 0])
        elif kind == "folder":
            self.model.mkdir()
        elif kind == "fifo":
            os.mkfifo(self.model)
        await self.reload("failed")
        if kind == "folder":
            self.model.rmdir()
        self.put("a")

    async def model_cut_in_place(self):
        """The model is cut short and written again under the reload's eyes, as `cp new.safetensors model` does."""
        data = self.models["b"].read_bytes()
        before = await self._reloads()
        self.process.send_signal(signal.SIGHUP)
        for _ in range(self.random.randrange(1, 6)):
            await asyncio.sleep(self.random.random() * 0.03)
            with open(self.model, "r+b") as file:
                file.truncate(self.random.randrange(len(data)))
            await asyncio.sleep(self.random.random() * 0.03)
            with open(self.model, "r+b") as file:
                file.write(data)
        await self._reloaded(before, ("done", "failed"))
        self.put("a")
        await self.reload("done")

    async def bad_settings(self):
        text = self.random.choice([BOMB, "model: [1, 2]\n", "modle: x\n", "max_queue: -5\n", "\t:", "{" * 10000, ""])
        if not text:
            self.settings.unlink()
        else:
            self.settings.write_text(text)
        await self.reload("failed")
        self.put("a")

    async def log_stall(self):
        """Nobody reads the log until the pipe has long been full, and requests are answered all the same."""
        self.log.flows.clear()
        before, start = self.counts.get(ANSWERS, 0), time.monotonic()
        while (answers := self.counts.get(ANSWERS, 0) - before) < 100 and time.monotonic() < self.until:
            require(answers > 0 or time.monotonic() - start < STALL_SECONDS,
                    f"nothing is answered in {STALL_SECONDS} s while nobody reads the log")
            await asyncio.sleep(0.05)
        self.log.flows.set()

    async def stop_and_continue(self):
        self.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self.random.random() ** 2 * 3)
        self.process.send_signal(signal.SIGCONT)

    async def kill(self):
        self.kills += 1
        self.process.send_signal(signal.SIGKILL)
        await self.ended(-signal.SIGKILL)
        await self.started()

    async def restart(self):
        self.process.send_signal(signal.SIGTERM)
        await self.ended(0)
        await self.started()

    async def few_descriptors(self):
        limits = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        few = self.descriptors + 6 + self.random.randrange(3)  # some are opened for a moment now and then
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (few, limits[1]))
        await asyncio.sleep(self.random.random() * 2)
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, limits)

    async def little_memory(self):
        """A restart in an address space that is enough, or is not: then it says so, and never dies of it later."""
        self.process.send_signal(signal.SIGTERM)
        await self.ended(0)
        self.start(address_space=self.random.randrange(150, 1500) << 20)
        status = await self.ready()
        if status is not None:
            require(status == NO_RESOURCES, f"the daemon ended with {status} in a small address space")
            self.count("starts refused in a small address space")
            return await self.started()
        await asyncio.sleep(self.random.random() * 3)
        await self.restart()

    FAULTS = [
        good_reload, good_reload, bad_model, bad_model, model_cut_in_place, bad_settings, stop_and_continue, kill,
        restart, few_descriptors, little_memory,
    ]

    # The course of a run

    def count(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    def note(self, text):
        self.events.append(f"{time.monotonic() - self.start_time:8.3f} s  {text}")

    async def fail(self, until):
        """One fault after the other, with pauses."""
        while time.monotonic() < until:
            await self.inject(self.random.choice(self.FAULTS))
            await asyncio.sleep(self.random.random() ** 2 * 3)

    async def fail_log(self, until):
        """The log's reader stalls at any time, also during other faults."""
        self.until = until
        while time.monotonic() < until:
            await self.inject(Surroundings.log_stall)
            await asyncio.sleep(self.random.random() * 8)

    async def inject(self, fault):
        name = fault.__name__.replace("_", " ")
        self.note(name)
        self.count(name)
        await fault(self)

    async def calm(self):
        """Puts all in order."""
        self.log.flows.set()
        self.put("a")
        await self.reload("done")

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.listener.close()
        self.folder.cleanup()
