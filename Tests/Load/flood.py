#!/usr/bin/env python3
"""A thousand clients at once against a queue for 32 images: each gets a response, its image or 429 with a Retry-After,
and the 429s come at once. Then there are more connections than the daemon may have descriptors: it waits for free ones
without spinning, and serves again as soon as there are some. Prints figures."""

import asyncio
import selectors
import time

import harness
from harness import Daemon, require

REJECTION_SECONDS = 0.05


def flood(daemon, clients, data):
    """Sends `data` on each of `clients` open connections; returns the responses and the seconds that each took. Uses
    one thread and at most one system call per step, so that it measures the daemon and not itself."""
    connections = [harness.connect(daemon.socket) for _ in range(clients)]
    accepted = 0
    while accepted != (accepted := daemon.descriptors):
        time.sleep(0.1)
    selector = selectors.DefaultSelector()
    starts, received, seconds = {}, {}, {}
    for connection in connections:
        selector.register(connection, selectors.EVENT_READ)
        received[connection] = bytearray()
    for connection in connections:
        starts[connection] = time.monotonic()
        connection.send(data)
    end = time.monotonic() + harness.TIMEOUT
    while len(seconds) < clients:
        require(time.monotonic() < end, f"{clients - len(seconds)} of {clients} clients got no response")
        for key, _ in selector.select(1):
            connection = key.fileobj
            # A buffer of a megabyte would take 14 us to make, as long as the daemon takes to reject a request.
            piece = connection.recv(1 << 16)
            require(piece, f"closed after {bytes(received[connection])!r}")
            received[connection] += piece
            # A 429 is short and comes in one piece; to parse it now would take time from the daemon.
            if piece.startswith(b"HTTP/1.1 429") or is_whole(received[connection]):
                seconds[connection] = time.monotonic() - starts[connection]
                selector.unregister(connection)
    for connection in connections:
        connection.close()
    return [(bytes(received[connection]), seconds[connection]) for connection in connections]


def is_whole(response):
    head, separator, body = response.partition(b"\r\n\r\n")
    return bool(separator) and len(body) >= int(header(head, b"content-length"))


def header(head, name):
    for line in head.split(b"\r\n"):
        found, _, value = line.partition(b": ")
        if found.lower() == name:
            return value
    return b""


async def many_clients(program, clients, is_timed):
    one = harness.sample(n=1, label=0)
    with Daemon(program, "--max-queue", "32", model=harness.BUNDLED_MODEL) as daemon:
        await daemon.idle()
        flood(daemon, 20, one)  # allocates what is allocated only once
        await daemon.idle()
        await asyncio.sleep(0.2)
        descriptors, threads = daemon.descriptors, daemon.threads
        responses = flood(daemon, clients, one)
        served, rejected = [], []
        for response, seconds in responses:
            head, _, body = response.partition(b"\r\n\r\n")
            status = head.split()[1]
            if status == b"200":
                require(body.startswith(b"\x89PNG"), f"no picture: {response[:300]!r}")
                served.append(seconds)
            else:
                require(status == b"429" and is_whole(response), f"neither 200 nor 429: {response[:300]!r}")
                require(int(header(head, b"retry-after")) >= 1, f"no Retry-After: {head!r}")
                require(b'"status":429' in body, f"no problem document: {body!r}")
                rejected.append(seconds)
        require(len(served) >= 32 and rejected, f"{len(served)} served, {len(rejected)} rejected")
        await daemon.idle()
        await daemon.settles(descriptors, threads)
        print(f"{clients} clients: {len(served)} served ({harness.milliseconds(served)}), "
              f"{len(rejected)} rejected ({harness.milliseconds(rejected)}); descriptors and threads as before")
        if is_timed:
            p99 = harness.quantile(rejected, 0.99)
            require(p99 <= REJECTION_SECONDS, f"a 429 takes {p99 * 1e3:.0f} ms (p99); allowed are 50 ms")


async def too_few_descriptors(program, is_timed):
    with Daemon(program, descriptors=64) as daemon:
        await daemon.idle()
        await asyncio.sleep(0.2)
        descriptors = daemon.descriptors
        connections = [harness.connect(daemon.socket) for _ in range(200)]
        await asyncio.sleep(0.5)
        open_descriptors, cpu = daemon.descriptors, daemon.cpu_seconds
        await asyncio.sleep(2)
        share = (daemon.cpu_seconds - cpu) / 2
        for connection in connections:
            connection.close()
        start = time.monotonic()
        response = await asyncio.wait_for(harness.request(daemon.socket, "GET", "/healthz"), harness.TIMEOUT)
        seconds = time.monotonic() - start
        require(response.status == 200, "no response once there are descriptors again")
        require(open_descriptors <= 64 - 8, f"{open_descriptors} of 64 descriptors are open: too few are left")
        await daemon.settles(descriptors)
        print(f"200 connections, 64 descriptors: {open_descriptors} open, {share * 100:.1f} % of a core while waiting; "
              f"a response {seconds * 1e3:.0f} ms after the others left")
        if is_timed:
            require(share < 0.05, f"waiting for descriptors takes {share * 100:.0f} % of a core")


async def main(options):
    await many_clients(options.daemon, options.clients, not options.quick)
    await too_few_descriptors(options.daemon, not options.quick)


if __name__ == "__main__":
    harness.raise_descriptor_limit()
    harness.run(main(harness.arguments(__doc__, clients=1000)))
