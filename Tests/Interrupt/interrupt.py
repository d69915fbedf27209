#!/usr/bin/env python3
"""interrupt.py FOLDER: stops training in every way that a terminal can, and has it go on each time.

FOLDER has the programs. In an interactive bash on a terminal of its own, `pixelcnn-train … 2>&1 | tee log` is
stopped by Ctrl-C (of which tee dies, too), by SIGTERM, and by the loss of the terminal, ROUNDS times each. Each
time the exit status is 128 and the signal's number, the checkpoint has the steps that were taken, and the same
command with --resume goes on from it. At the end the model has the same bytes as that of a run which nobody has
stopped. `| head -n 1` stops nothing. Two Ctrl-C that come together are one; a second one after a second ends the run
at once, in the middle of a step.

With --published the network has the published size; then no run is taken to its end.
"""

import argparse
import ctypes
import fcntl
import json
import os
import pty
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

ROUNDS = 5
SECONDS = 300  # against a run that hangs
PROMPT = "READY> "


def images(path, count, side):
    """Random pictures, (count, 3, side, side)."""
    values = random.Random(1).randbytes(count * 3 * side * side)
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 3, {side}, {side}), }}"
    header = header.ljust((-len(header) - 11) % 64 + len(header)) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values)


def until(what, condition):
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"interrupt.py: {what}: not after {SECONDS} s")
        time.sleep(0.01)
    return found


class Shell:
    """An interactive bash on a terminal of its own."""

    def __init__(self, build, folder):
        self.output = b""
        environment = {
            "PATH": f"{build}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb", "PS1": PROMPT,
            "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            # Whoever ran this may ignore or block some of them, and so would all that begins here.
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
        self.wait_for(PROMPT)

    def read(self):
        while select.select([self.terminal], [], [], 0)[0]:
            try:
                more = os.read(self.terminal, 65536)
            except OSError:  # the last process has left it
                return
            if not more:
                return
            self.output += more

    def wait_for(self, text, start=0):
        def found():
            self.read()
            return text.encode() in self.output[start:]
        until(f"{text!r} in {self.output[-500:]!r}", found)

    def type(self, line):
        """Types a line; returns where its output begins."""
        self.read()
        start = len(self.output)
        os.write(self.terminal, line.encode() + b"\n")
        return start

    def run(self, line):
        """Runs a command to its end, and returns the status of the first program of its pipeline."""
        self.type(line)
        return self.status()

    def status(self):
        start = self.type('echo "status=${PIPESTATUS[0]}="')
        self.wait_for("\nstatus=", start)
        self.wait_for("=\r", self.output.index(b"\nstatus=", start))
        return int(self.output[start:].split(b"\nstatus=")[1].split(b"=")[0])

    def training(self):
        """The training program that runs in this session."""
        for entry in Path("/proc").iterdir():
            try:
                text = (entry / "stat").read_text()
            except (OSError, ValueError):
                continue
            name, fields = text.split("(", 1)[1].rsplit(")", 1)
            if name == "pixelcnn-train" and int(fields.split()[3]) == self.process and fields.split()[0] != "Z":
                return int(entry.name)
        return None

    def close(self):
        os.close(self.terminal)
        self.terminal = None


def steps(folder):
    """The steps that a checkpoint has; 0 where there is none."""
    try:
        file = (folder / "run.checkpoint.safetensors").read_bytes()
    except FileNotFoundError:
        return 0
    length = struct.unpack("<Q", file[:8])[0]
    return int(json.loads(file[8:8 + length])["__metadata__"]["training.steps"])


def logged(folder):
    """The last step in a run's log."""
    try:
        lines = (folder / "run.log.jsonl").read_text().split("\n")[:-1]
    except FileNotFoundError:
        return 0
    return json.loads(lines[-1])["step"] if lines else 0


def interrupt(build, folder, command, number):
    """Stops a run after a few steps, by a signal; returns its exit status, None where its shell took it."""
    shell = Shell(build, folder)
    before = steps(folder)
    start = shell.type(f"{command} 2>&1 | tee log")
    until(f"steps after {before}", lambda: (shell.read(), logged(folder) > before + 1)[1])
    process = shell.training()
    if number == signal.SIGHUP:
        shell.close()
    elif number == signal.SIGTERM:
        os.kill(process, number)
    else:
        os.write(shell.terminal, b"\x03")
    if number != signal.SIGHUP:
        shell.wait_for("\n" + PROMPT, start)
        status = shell.status()
        shell.run("rm -f log")
        shell.close()
    else:
        # Its shell goes, and it becomes a child of ours; unless it ends first, and the shell takes its status.
        def ended():
            above = parent(process)
            if above is None:
                return [None]
            found, status = os.waitpid(process, os.WNOHANG) if above == os.getpid() else (0, 0)
            return [os.waitstatus_to_exitcode(status)] if found else None
        status = until("the run's end", ended)[0]
    until("the shell's end", lambda: os.waitpid(shell.process, os.WNOHANG)[0])
    return status


def twice(build, folder, size, apart):
    """Sends two SIGINT to a run in the middle of a step; returns its exit status and the steps of its checkpoint.

    APART is a time, or None for a second after the run has said that it will save.
    """
    folder.mkdir()
    # A step takes a while; only the end of an epoch, of six, and signals write a checkpoint.
    command = [f"{build}/pixelcnn-train", "--data", "../images.npy", *size.split(), "--batch-size", "2000",
               "--epochs", "1000", "--samples", "0", "--output", "run.safetensors"]
    with open(folder / "errors", "wb") as errors:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        until("a run that has begun", lambda: " parameters, " in (folder / "errors").read_text())
        if apart is not None:
            until("a step", lambda: logged(folder) > 0)
        process.send_signal(signal.SIGINT)
        if apart is None:
            until("a run that saves", lambda: "saving after this step" in (folder / "errors").read_text())
        time.sleep(1.1 if apart is None else apart)
        process.send_signal(signal.SIGINT)
        return process.wait(SECONDS), steps(folder)
    finally:
        process.kill()
        process.wait()


def parent(process):
    """None where the process is no more."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--published", action="store_true")
    options = parser.parse_args()
    build = str(Path(options.build).resolve())
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    folder = Path(tempfile.mkdtemp(prefix="pixelcnn-interrupt-"))
    try:
        images(folder / "images.npy", *((4000, 32) if options.published else (12000, 6)))
        size = "" if options.published else "--blocks 1 --filters 6 --colors 16"
        command = (f"pixelcnn-train --data images.npy {size} --batch-size 2 --epochs 1 --samples 0 --threads 2 "
                   "--verbose --output run.safetensors")
        resume = ""
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] * ROUNDS:
            before = steps(folder)
            status = interrupt(build, folder, command + resume, number)
            name = signal.Signals(number).name
            if status not in (None, 128 + number):
                raise SystemExit(f"interrupt.py: {name}: exit status {status}")
            if not steps(folder) > before or steps(folder) != logged(folder):
                raise SystemExit(
                    f"interrupt.py: {name}: the checkpoint has {steps(folder)} steps after {before}, the log "
                    f"{logged(folder)}")
            if left := [path.name for path in folder.iterdir() if ".tmp-" in path.name or path.suffix == ".lock"]:
                raise SystemExit(f"interrupt.py: {name}: left {left}")
            print(f"{name}: status {status}, {steps(folder)} steps", flush=True)
            resume = " --resume"
        if options.published:
            return
        shell = Shell(build, folder)
        # Nobody reads on, and there is more to do.
        for line in [command + resume + " 2>&1 | head -n 1",
                     command.replace("run.safetensors", "whole.safetensors") + " | true"]:
            status = shell.run(line)
            if status != 0:
                raise SystemExit(f"interrupt.py: {line}: exit status {status}: {shell.output.decode()}")
        shell.close()
        if (folder / "run.safetensors").read_bytes() != (folder / "whole.safetensors").read_bytes():
            raise SystemExit("interrupt.py: the models differ")
        # On a busy machine two signals may be handled late, and further apart than they were sent.
        found = (None, 0)
        for i in range(ROUNDS):
            together = folder / f"together-{i}"
            found = twice(build, together, "--blocks 2 --filters 24", 0.1)
            if 0 < found[1] < 6:
                break
        if found[0] != 130 or not 0 < found[1] < 6 or found[1] != logged(together):
            raise SystemExit(f"interrupt.py: two SIGINT together: status {found[0]}, {found[1]} steps saved")
        found = twice(build, folder / "apart", "", None)  # of the published network, whose step is long
        if found != (130, 0):
            raise SystemExit(f"interrupt.py: a second SIGINT: status {found[0]}, {found[1]} steps saved")
        print("two SIGINT together save, a later one ends the run")
        # What only prints ends as others do that lose their reader.
        status = subprocess.run(
            ["bash", "-c", f"{build}/pixelcnn-train inspect run.safetensors | true; echo ${{PIPESTATUS[0]}}"],
            cwd=folder, capture_output=True, text=True)
        if status.stdout not in ("141\n", "0\n") or status.stderr:
            raise SystemExit(f"interrupt.py: inspect | true: {status.stdout}{status.stderr}")
        print("the models are the same")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
