#!/usr/bin/env python3
"""The cost of HTTP and JSON: a request for one image of one pixel, which costs the engine almost nothing, on a kept
connection and on a new one; and, for comparison, a request that needs no engine. At most 2 ms. And what `pixelcnn open`
adds, with and without it in turns: at most 1 ms. Prints figures."""

import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import harness
from harness import Client, Daemon, require

OVERHEAD_SECONDS = 0.002
PROXY_SECONDS = 0.001


async def timed(count, call):
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        response = await call()
        seconds.append(time.perf_counter() - start)
        require(response.status == 200, f"status {response.status}: {response.body[:300]!r}")
    return seconds


class Proxy:
    """A running `pixelcnn open`; use it with `with`."""

    def __init__(self, program, socket):
        self.process = subprocess.Popen(
            [program, "open", "--no-browser", "--socket", socket], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True)
        address = urlsplit(self.process.stdout.readline().strip())
        self.address = (address.hostname, address.port)
        token = address.query.removeprefix("token=")
        self.headers = {"Host": address.netloc, "Cookie": f"pixelcnn-{address.port}={token}"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()


async def measure_proxy(options, daemon, calls):
    with Proxy(Path(options.daemon).with_name("pixelcnn"), daemon.socket) as proxy:
        async with Client(daemon.socket) as direct, Client(proxy.address) as proxied:
            for name, call in calls.items():
                added = []
                for _ in range(options.requests):
                    [without] = await timed(1, lambda: direct.send(*call))
                    [by_proxy] = await timed(1, lambda: proxied.send(*call, **proxy.headers))
                    added.append(by_proxy - without)
                print(f"{name}, added by pixelcnn open: {harness.milliseconds(added)}")
                if not options.quick:
                    median = harness.quantile(added, 0.5)
                    require(median <= PROXY_SECONDS, f"{name} takes {median * 1e3:.1f} ms more; allowed is 1 ms")


async def main(options):
    pixel = b'{"height":1,"width":1,"seed":1}'
    with Daemon(options.daemon) as daemon:
        async with Client(daemon.socket) as client:
            calls = {
                "GET /healthz, kept connection": lambda: client.send("GET", "/healthz"),
                "one pixel, kept connection": lambda: client.send("POST", "/v1/samples", pixel),
                "one pixel, new connection": lambda: harness.request(daemon.socket, "POST", "/v1/samples", pixel),
            }
            for name, call in calls.items():
                await timed(options.requests // 10 + 1, call)
                seconds = await timed(options.requests, call)
                print(f"{name}: {harness.milliseconds(seconds)}")
                if not options.quick:
                    median = harness.quantile(seconds, 0.5)
                    require(median <= OVERHEAD_SECONDS, f"{name} takes {median * 1e3:.1f} ms; allowed are 2 ms")
        proxied = {"GET /v1/model": ("GET", "/v1/model"), "one pixel": ("POST", "/v1/samples", pixel)}
        await measure_proxy(options, daemon, proxied)


if __name__ == "__main__":
    options = harness.arguments(__doc__, requests=1000)
    if options.quick:
        options.requests = 50
    harness.run(main(options))
