"""What the scripts of this folder and of Container share: daemons that are killed and restarted, and nginx in its own
folder."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PIXELCNN_BUILD", ROOT / ".build/release"))
TINY = ROOT / "Tests/Fixtures/tiny.pt"
SECONDS = 100  # a generous limit for what takes a moment

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "python"))
from pixelcnnd import connect  # noqa: E402


def eventually(what, condition):
    """Waits until the condition is true."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"FAILED: not after {SECONDS} s: {what}")
        time.sleep(0.01)


def require(condition, message):
    if not condition:
        sys.exit(f"FAILED: {message}")


def is_listening(path):
    """Whether a process listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Folder:
    """The folder of one test, and the processes that end with it."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="pixelcnn-scale-", dir="/tmp")
        self.path = Path(self.temporary.name)
        self.path.chmod(0o755)  # nginx's workers run as another user
        self.processes = []

    def start(self, *command, **options):
        process = subprocess.Popen([str(word) for word in command], **options)
        self.processes.append(process)
        return process

    def daemon(self, name, *options, model=TINY, threads=1):
        """Starts a daemon on the socket `name`, and waits until it listens."""
        path = self.path / name
        process = self.start(BUILD / "pixelcnnd", "--model", model, "--socket", path, "--threads", threads,
                             "--log-level", "warning", *options)
        eventually(f"pixelcnnd on {name} listens", lambda: is_listening(path) or process.poll() is not None)
        path.chmod(0o666)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.temporary.cleanup()


def nginx(folder, configuration, ready, prefix=()):
    """Runs nginx with a configuration for conf.d, whose paths are those of the folder; waits until `ready` is true."""
    (folder.path / "conf.d").mkdir()
    (folder.path / "conf.d/pixelcnnd.conf").write_text(configuration)
    (folder.path / "nginx.conf").write_text(f"""
        worker_processes 2; pid {folder.path}/nginx.pid; error_log {folder.path}/error.log warn; daemon off;
        events {{}}
        http {{
            log_format attempts '$status $upstream_status'; access_log {folder.path}/access.log attempts;
            client_body_temp_path {folder.path}/body; proxy_temp_path {folder.path}/proxy;
            fastcgi_temp_path {folder.path}/fastcgi; uwsgi_temp_path {folder.path}/uwsgi;
            scgi_temp_path {folder.path}/scgi;
            include {folder.path}/conf.d/*.conf;
        }}""")
    process = folder.start(*prefix, "nginx", "-e", folder.path / "error.log", "-c", folder.path / "nginx.conf")
    eventually("nginx is ready", lambda: ready() or process.poll() is not None)
    require(process.poll() is None, (folder.path / "error.log").read_text())
    return process


class NginxExample:
    """docs/examples/nginx.conf with a folder's paths and a free port, the certificate and the password that it needs,
    and a client; `sockets` is what the names of its daemons' sockets begin with."""

    def __init__(self, folder, sockets=""):
        self.port = free_port()
        text = (ROOT / "docs/examples/nginx.conf").read_text()
        text = text.replace("/run/pixelcnn/pixelcnn@", f"{folder.path}/{sockets}")
        self.configuration = text.replace("/etc/nginx", str(folder.path)).replace(
            "listen 443", f"listen 127.0.0.1:{self.port}")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder.path / "pixelcnn.key",
             "-out", folder.path / "pixelcnn.crt"], check=True, capture_output=True)
        password = subprocess.run(["openssl", "passwd", "-apr1", "secret"], check=True, capture_output=True, text=True)
        (folder.path / "pixelcnn.htpasswd").write_text("someone:" + password.stdout)
        self.context = ssl.create_default_context(cafile=folder.path / "pixelcnn.crt")

    def is_listening(self):
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def connect(self, headers={"Authorization": "Basic c29tZW9uZTpzZWNyZXQ="}, **options):  # someone:secret
        """The model behind it."""
        return connect(f"https://localhost:{self.port}", context=self.context, headers=headers, **options)
