#!/usr/bin/env python3
"""Clients disconnect at random moments: while queued, while computed, or in the middle of their PNG, array or event
stream. Each time nothing is in flight within 100 ms, and at the end the daemon has no more memory, descriptors or
threads than before. Prints figures."""

import asyncio
import random
import time

import harness
from harness import Client, Daemon, require

IDLE_SECONDS = 0.1
MEMORY_BYTES = 16 << 20

KINDS = {
    "png": dict(accept="image/png", n=24, height=48, width=48),
    "npy": dict(accept="application/x-npy", n=400, height=16, width=16),
    "stream": dict(accept="text/event-stream", n=64, height=24, width=24, stream_rows=True),
    "small": dict(accept="image/png", n=1),
}


async def leave(daemon, watcher, kind, generator):
    """One client sends a request and disconnects; returns the seconds until nothing is in flight."""
    connection = harness.connect(daemon.socket)
    connection.send(harness.sample(**KINDS[kind]))
    await asyncio.sleep(generator.random() ** 2 * 0.4)
    if generator.random() < 0.5:
        try:
            connection.recv(generator.randrange(1, 4096))  # part of the response, if there is one
        except BlockingIOError:
            pass
    connection.close()
    start = time.monotonic()
    while True:
        status = (await watcher.send("GET", "/v1/status")).json()
        if status["images_in_flight"] == 0 and status["images_queued"] == 0:
            return time.monotonic() - start
        require(time.monotonic() - start < harness.TIMEOUT, f"long after a client of {kind} left: {status}")
        await asyncio.sleep(0.001)  # without a pause, polling would take the cores from the compute threads


async def main(options):
    generator = random.Random(options.seed)
    with Daemon(options.daemon, "--cache-size", "0") as daemon:  # cached rows are not a leak
        async with Client(daemon.socket) as watcher:
            await harness.request(daemon.socket, "GET", "/healthz")
            # After a first round, everything that is allocated once exists, and the allocator's own caches are filled.
            kinds = list(KINDS)
            for _ in range(options.disconnects // 4):
                await leave(daemon, watcher, generator.choice(kinds), generator)
            descriptors, threads, resident = daemon.descriptors, daemon.threads, daemon.resident
            seconds = {kind: [] for kind in kinds}
            for _ in range(options.disconnects):
                kind = generator.choice(kinds)
                seconds[kind].append(await leave(daemon, watcher, kind, generator))
            await daemon.settles(descriptors, threads + 1)
            growth = daemon.resident - resident
            for kind, values in seconds.items():
                if values:
                    times = harness.milliseconds(values)
                    print(f"{len(values)} clients of {kind} left; nothing in flight after {times}")
            print(f"memory {resident / 1e6:.0f} MB, {growth / 1e6:+.1f} MB; descriptors and threads as before")
            require(growth < MEMORY_BYTES, f"memory grew by {growth / 1e6:.1f} MB")
            if not options.quick:
                slowest = max(max(values) for values in seconds.values() if values)
                require(slowest <= IDLE_SECONDS, f"{slowest * 1e3:.0f} ms until nothing was in flight; allowed are 100")


if __name__ == "__main__":
    harness.run(main(harness.arguments(__doc__, disconnects=200, seed=1)))
