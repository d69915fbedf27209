#!/usr/bin/env python3
"""The cost of HTTP and JSON: a request for one image of one pixel, which costs the engine almost nothing, on a kept
connection and on a new one; and, for comparison, a request that needs no engine. At most 2 ms. Prints figures."""

import time

import harness
from harness import Client, Daemon, require

OVERHEAD_SECONDS = 0.002


async def timed(count, call):
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        response = await call()
        seconds.append(time.perf_counter() - start)
        require(response.status == 200, f"status {response.status}: {response.body[:300]!r}")
    return seconds


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


if __name__ == "__main__":
    options = harness.arguments(__doc__, requests=1000)
    if options.quick:
        options.requests = 50
    harness.run(main(options))
