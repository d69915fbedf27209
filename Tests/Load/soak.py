#!/usr/bin/env python3
"""Mixed load for some minutes: samples as PNG, array and stream, scores, descriptions, metrics, clients that
disconnect, bytes that are not a request. Every response is right, and memory is flat: resident memory at the end is at
most 2 % more than after the first fifth (two minutes of ten). Prints a line now and then."""

import asyncio
import random
import struct
import time

import harness
from harness import Client, Daemon, require

MEMORY_SHARE = 0.02


def npy(shape, values):
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(values)


class Load:
    def __init__(self, daemon, seed, ends):
        self.daemon, self.ends, self.counts = daemon, ends, {}
        self.generator = random.Random(seed)

    def count(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    async def polite(self):
        """One kept connection with requests of all kinds."""
        async with Client(self.daemon.socket) as client:
            while time.monotonic() < self.ends:
                name = self.generator.choice(["png", "npy", "stream", "score", "model", "status", "metrics", "wrong"])
                await getattr(self, name)(client)
                self.count(name)

    async def sampled(self, client, accept, **fields):
        response = await client.exchange(harness.sample(accept, **fields))
        require(response.status in (200, 429), f"{accept} gets {response.status}: {response.body[:300]!r}")
        return response if response.status == 200 else None

    async def png(self, client):
        response = await self.sampled(client, "image/png", n=self.generator.randrange(1, 9))
        require(not response or response.body.startswith(b"\x89PNG"), "no PNG")

    async def npy(self, client):
        response = await self.sampled(client, "application/x-npy", n=3, height=self.generator.randrange(1, 20))
        require(not response or response.body.startswith(b"\x93NUMPY"), "no array")

    async def stream(self, client):
        data = harness.sample("text/event-stream", n=4, stream_rows=True)
        response = await client.exchange(data)
        require(response.status in (200, 406, 422, 429), f"a stream gets {response.status}")
        is_finished = response.status != 200 or b"event: done" in response.body
        require(is_finished, f"an unfinished stream: {response.body[-300:]!r}")

    async def score(self, client):
        n = self.generator.randrange(1, 5)
        body = npy((n, 3, 8, 8), self.generator.randbytes(n * 192))
        response = await client.send("POST", "/v1/score", body, Content_Type="application/x-npy")
        require(response.status in (200, 429), f"a score gets {response.status}: {response.body!r}")
        require(response.status != 200 or len(response.json()["bits_per_dim"]) == n, "not as many scores as images")

    async def model(self, client):
        require((await client.send("GET", "/v1/model")).json()["channels"] == 3, "another model")

    async def status(self, client):
        require((await client.send("GET", "/v1/status")).json()["state"] == "ready", "not ready")

    async def metrics(self, client):
        response = await client.send("GET", "/metrics")
        require(b"pixelcnnd_images_completed_total" in response.body, f"no metrics: {response.status}")

    async def wrong(self, client):
        response = await client.exchange(harness.sample(n=0))
        require(response.status == 422 and response.json()["field"] == "n", f"n = 0 gets {response.status}")

    async def rude(self):
        """Connections that end too early, and bytes that are not a request."""
        while time.monotonic() < self.ends:
            connection = harness.connect(self.daemon.socket)
            try:
                if self.generator.random() < 0.5:
                    connection.send(harness.sample(n=50, height=30, width=30))
                    await asyncio.sleep(self.generator.random() * 0.05)
                    self.count("left")
                else:
                    connection.send(self.generator.randbytes(self.generator.randrange(1, 5000)))
                    await asyncio.sleep(0.01)
                    self.count("malformed")
            except OSError:
                pass  # closed by the daemon meanwhile
            connection.close()
            await asyncio.sleep(0.02)


async def watch(daemon, load, start, minutes):
    """The resident bytes at the end of the first fifth, and at the end."""
    settled, step = None, max(minutes * 60 / 20, 1)
    while time.monotonic() < load.ends:
        await asyncio.sleep(min(step, max(load.ends - time.monotonic(), 0)))
        passed = time.monotonic() - start
        if settled is None and passed >= minutes * 12:
            settled = daemon.resident
        print(f"{passed:5.0f} s  {sum(load.counts.values()):7d} requests  {daemon.resident / 1e6:6.1f} MB  "
              f"{daemon.descriptors:3d} descriptors  {daemon.threads:2d} threads", flush=True)
    return settled or daemon.resident, daemon.resident


async def main(options):
    minutes = 0.1 if options.quick else options.minutes
    with Daemon(options.daemon, "--max-queue", "200", "--cache-size", str(16 << 20)) as daemon:  # soon full
        await daemon.idle()
        descriptors = daemon.descriptors
        start = time.monotonic()
        load = Load(daemon, options.seed, start + minutes * 60)
        work = [load.polite() for _ in range(6)] + [load.rude() for _ in range(2)]
        results = await asyncio.gather(watch(daemon, load, start, minutes), *work)
        await daemon.idle()
        await daemon.settles(descriptors + 2)
        settled, last = results[0]
        counts = ", ".join(f"{count} {name}" for name, count in sorted(load.counts.items()))
        growth = (last - settled) / settled
        print(f"{counts}; memory {settled / 1e6:.1f} → {last / 1e6:.1f} MB ({growth * 100:+.1f} %)")
        if not options.quick:
            require(growth <= MEMORY_SHARE, f"memory grew by {growth * 100:.1f} %; allowed are 2 %")


if __name__ == "__main__":
    harness.run(main(harness.arguments(__doc__, minutes=10.0, seed=1)))
