"""A daemon of its own for a model file: started on a private socket, and ended with the object that it belongs to. It
holds a pipe whose other end is this process's, so it ends with this process, too, however that ends: by an exception, a
signal, or SIGKILL. Nothing else is needed for that: no thread, no signal handler."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import weakref
from typing import IO, List, Optional, Union

from ._errors import LoadError, PixelCNNError
from ._http import PATIENCE, Transport
from ._model import Model

PROGRAM = "pixelcnnd"
SOCKET = "s"
# What a service manager says to this process alone.
FOREIGN_VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
                     "JOURNAL_STREAM")


def load(path: Union[str, os.PathLike[str], None] = None, *, threads: Optional[int] = None,
         precision: Optional[str] = None, height: Optional[int] = None, width: Optional[int] = None,
         weights: Optional[str] = None) -> Model:
    """Serves a model file by a daemon of its own, which ends with the object, or with a `with` block.

    path: what PyTorch saved, or a safetensors file, or a bundled model: "digits" (the default) or "emoji".
    threads: compute threads; as many as there are processors by default.
    precision: "f32", or "i16", which computes in 16-bit integers and is faster.
    height, width: the size of an image, if the file does not say it.
    weights: which copy of the network, if the file has several, such as "ema".

    Raises LoadError, in the daemon's words, if the model cannot be served. The program is $PIXELCNND if that is set,
    else the one inside this package, if it was installed with one, else the first pixelcnnd on the PATH.
    """
    options = {"model": path, "threads": threads, "precision": precision, "height": height, "width": width,
               "weights": weights}
    command = [find_program(), "--log-level", "warning"]
    for name, value in options.items():
        if value is not None:
            command.append(f"--{name}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    daemon = OwnDaemon(command)
    try:
        daemon.wait_until_ready()
        return Model(Transport(daemon.socket, patience=PATIENCE, daemon=daemon))
    except BaseException:  # also Ctrl-C
        daemon.end()
        raise


def find_program() -> str:
    """The path of pixelcnnd."""
    named = os.environ.get("PIXELCNND")
    if named:
        if shutil.which(named) is None:
            raise LoadError(f"$PIXELCNND is {named}, which is no program that can be run")
        return named
    for folder in (os.path.join(os.path.dirname(__file__), "bin"), None):  # None: the PATH
        found = shutil.which(PROGRAM, path=folder)
        if found:
            return found
    raise LoadError("there is no pixelcnnd on the PATH: install it, or set PIXELCNND to the program's path")


class OwnDaemon:
    """The process, its socket in a private folder, and the pipe that it holds."""

    def __init__(self, command: List[str]) -> None:
        self.folder = private_folder()
        self.socket = os.path.join(self.folder, SOCKET)
        # A file that has no name any more: what the daemon writes needs nobody who reads.
        self.errors: IO[bytes] = tempfile.TemporaryFile(dir=self.folder)
        held, lifeline = os.pipe()
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}
        try:
            self.process = subprocess.Popen(
                [*command, f"--socket={self.socket}", f"--lifeline={held}"], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=self.errors, pass_fds=[held], env=environment,
                start_new_session=True)  # the terminal's Ctrl-C is for this process
        except BaseException as error:
            os.close(lifeline)
            self.errors.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise LoadError(f"cannot start {command[0]}: {error}") from error
            raise
        finally:
            os.close(held)
        self.owner = os.getpid()
        self.end = weakref.finalize(self, end, self.owner, self.process, lifeline, self.errors, self.folder)

    def wait_until_ready(self) -> None:
        """Waits for the socket, which is there when the model is loaded and verified."""
        transport = Transport(self.socket)
        pause = 0.002
        while True:
            try:
                transport.request("GET", "/readyz", "*/*")
                return
            except OSError:
                self.check()
            except PixelCNNError as error:
                if error.status != 503:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def check(self) -> None:
        """Raises if it has ended; why, only the process that started it can know."""
        if not self.end.alive:
            raise LoadError("the model is closed")
        if self.owner == os.getpid() and self.process.poll() is not None:
            raise LoadError(self.last_words())

    def last_words(self) -> str:
        """What the daemon said before it ended."""
        self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, self.errors.tell() - 4096))
        lines = self.errors.read().decode(errors="replace").splitlines()
        prefix = f"{PROGRAM}: "
        own = [line[len(prefix):] for line in lines if line.startswith(prefix)]
        status = self.process.returncode
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return (own or lines or [f"the daemon ended without a word ({how})"])[-1]


def end(owner: int, process: subprocess.Popen[bytes], lifeline: int, errors: IO[bytes], folder: str) -> None:
    """Ends a daemon, and removes what belongs to it. A process that was forked has copies of the descriptors alone."""
    try:
        if owner == os.getpid():
            process.kill()  # nothing is lost: no request is left whose result anybody waits for
            process.wait()
        else:
            process.returncode = 0  # it is not the child of this one, which must not wait for it
    finally:  # also after Ctrl-C
        if owner == os.getpid():
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lifeline)
        errors.close()


def private_folder() -> str:
    """A folder for this user alone, whose path leaves room for a socket's name: 107 bytes are allowed."""
    for parent in (tempfile.gettempdir(), "/tmp"):
        if len(os.fsencode(parent)) < 80:
            return tempfile.mkdtemp(prefix="pixelcnnd-", dir=parent)
    return tempfile.mkdtemp(prefix="pixelcnnd-", dir="/tmp")
