"""Clients of a daemon in trouble. Honest ones repeat a request until it is answered and compare every byte with what a
daemon in peace has answered; others stall, leave and lie; and the command `pixelcnn` writes files, some to a disk that
is full."""

import asyncio
import base64
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import harness
from harness import Client, require
from surroundings import ANSWERS

# No request here takes as long, whatever happens to the daemon meanwhile.
SECONDS = 300
# What the command draws, as fields of a request and as its options.
DRAWN = dict(n=20, seed=77, label=1, height=12, width=12)
SAMPLE = ["sample", "-q", "-n", str(DRAWN["n"])] + [f"--{name}={DRAWN[name]}" for name in DRAWN if name != "n"]
SHARD = 4
USAGE = 64  # the exit status of a command that cannot go on with a folder as it is


def npy(shape, values):
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(values)


def requests(seed, count=30):
    """The bytes of requests of all kinds, small enough to be answered in a moment."""
    generator = random.Random(f"{seed}: requests")
    result = []
    for _ in range(count):
        sizes = dict(height=generator.randrange(1, 12), width=generator.randrange(1, 12))
        fields = dict(n=generator.randrange(1, 4), seed=generator.randrange(1 << 60), label=generator.randrange(9))
        kind = generator.choice(["png", "npy", "stream", "given", "score", "array"])
        if kind in ("png", "npy"):
            accept = "image/png" if kind == "png" else "application/x-npy"
            result.append(harness.sample(accept, **fields, **sizes, temperature=generator.choice([0.9, 1])))
        elif kind == "stream":
            result.append(harness.sample("text/event-stream", **fields, **sizes, format="npy"))
        elif kind == "given":
            image = base64.b64encode(npy((3, 8, 8), generator.randbytes(192))).decode()
            given = {"image": image, "rows": generator.randrange(1, 8)}
            result.append(harness.sample("application/x-npy", **fields, given=given))
        else:
            n = generator.randrange(1, 4)
            result.append(harness.message(
                "POST", f"/v1/score?label={fields['label']}", npy((n, 3, 6, 6), generator.randbytes(n * 108)),
                Accept="application/json" if kind == "score" else "application/x-npy",
                Content_Type="application/x-npy"))
    return result


def canonical(response):
    """The part of a response that is the same whenever it is given: of a stream, its pictures."""
    if response.headers["content-type"].startswith("text/event-stream"):
        events = [dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
                  for event in response.body.decode().split("\n\n")]
        images = [json.loads(event["data"]) for event in events if event.get("event") == "image"]
        require(any(event.get("event") == "done" for event in events), f"a stream without end: {events[-2:]}")
        return sorted((image["index"], image["npy"]) for image in images)
    return response.body


async def expected(daemon, requests):
    """What a daemon in peace answers: the SHA-256 of its model, and a result per request."""
    results = []
    async with Client(daemon.socket) as client:
        for data in requests:
            response = await client.exchange(data)
            require(response.status == 200, f"in peace: {response.status} {response.body!r}")
            results.append(canonical(response))
        shards = await client.exchange(harness.sample("application/x-npy", **DRAWN))
    return response.headers["pixelcnn-model"], (results, shards.body)


class Clients:
    def __init__(self, surroundings, program, requests, answers, seed):
        self.surroundings, self.program, self.seed = surroundings, program, seed
        self.requests, self.answers = requests, answers
        self.count = surroundings.count

    # Honest clients

    async def honest(self, number, until):
        """One request after the other on a kept connection, each until it is answered."""
        generator = random.Random(f"{self.seed}: honest {number}")
        client = None
        while time.monotonic() < until:
            client = await self.answered(client, generator.randrange(len(self.requests)))
            await asyncio.sleep(generator.random() ** 4)

    async def answered(self, client, index):
        """Sends a request until it is answered, and compares. Returns the connection if it can be used again."""
        end = time.monotonic() + SECONDS
        while True:
            require(time.monotonic() < end, f"request {index} is not answered in {SECONDS} s")
            kills, is_reused = self.surroundings.kills, client is not None
            try:
                client = client or await Client(self.surroundings.socket).__aenter__()
                response = await asyncio.wait_for(client.exchange(self.requests[index]), SECONDS)
            except asyncio.TimeoutError:
                raise harness.Failure(f"request {index} hangs") from None
            except (OSError, EOFError) as error:
                # Only a killed daemon loses a request; a kept connection may be closed before the next is read.
                unread = not isinstance(error, asyncio.IncompleteReadError) or not error.partial
                require(kills != self.surroundings.kills or (is_reused and unread),
                        f"request {index} is lost: {error!r}")
                self.count("lost to SIGKILL" if kills != self.surroundings.kills else "kept connections closed")
                client = None
                continue
            is_kept = response.headers.get("connection", "").lower() != "close"
            if not is_kept:
                client.writer.close()
                client = None
            if response.status in (429, 503):
                require("retry-after" in response.headers, f"{response.status} without Retry-After")
                self.count(f"answers {response.status}")
                await asyncio.sleep(0.1)
                continue
            require(response.status == 200, f"request {index}: {response.status} {response.body[:300]!r}")
            results = self.answers.get(response.headers["pixelcnn-model"])
            require(results is not None, f"a model that was never good: {response.headers['pixelcnn-model']}")
            require(canonical(response) == results[0][index], f"request {index} has another answer than in peace")
            self.count(ANSWERS)
            return client

    # Clients that stall, leave and lie

    async def rude(self, number, until):
        generator = random.Random(f"{self.seed}: rude {number}")
        while time.monotonic() < until:
            kind = generator.choice([self.stall, self.leave, self.lie])
            self.count(f"clients that {kind.__name__}")
            connection = harness.connect(self.surroundings.socket)
            try:
                await kind(connection, generator)
            except (OSError, asyncio.TimeoutError):
                pass  # the daemon has had enough of this client, or was killed
            connection.close()
            await asyncio.sleep(generator.random() * 0.3)

    async def stall(self, connection, generator):
        """Half a request, or a stream that nobody reads, for longer than the daemon waits for a client, or less."""
        data = generator.choice([
            generator.choice(self.requests)[:generator.randrange(1, 200)],
            harness.sample("text/event-stream", n=40, label=1, height=32, width=32, stream_rows=True)])
        await asyncio.get_running_loop().sock_sendall(connection, data)
        await asyncio.sleep(generator.random() ** 3 * 14)

    async def leave(self, connection, generator):
        """A whole request for much, then a part of the response, then gone."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, harness.sample(n=30, label=generator.randrange(9)))
        await asyncio.sleep(generator.random() * 0.2)
        if generator.random() < 0.3:
            await asyncio.wait_for(loop.sock_recv(connection, 100), 2)

    async def lie(self, connection, generator):
        """What is not what it says."""
        lies = [
            generator.randbytes(generator.randrange(1, 3000)),
            b"POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775808\r\n\r\n",
            b"POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\n{}",
            b"POST /v1/samples HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff;" + b"x" * 20000,
            b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-npy\r\nContent-Length: 40\r\n\r\n"
            + npy((2, 3, 8, 8), b"")[:40],
            harness.sample(n=1, label=1, given={"image": "AAAA", "rows": 1}),
            harness.sample("text/event-stream", n=2, label=1, height=5, width=5) * 3,
            b"GET /v1/status HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        ]
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, generator.choice(lies))
        answer = await asyncio.wait_for(loop.sock_recv(connection, 4096), 1)
        require(not answer or answer.startswith(b"HTTP/1."), f"a lie gets {answer[:100]!r}")

    # The command

    async def command(self, *arguments):
        """Runs `pixelcnn`; returns its exit status and what it says on standard error."""
        process = await asyncio.create_subprocess_exec(
            self.program, *arguments, "--socket", self.surroundings.socket, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL)
        try:
            _, errors = await asyncio.wait_for(process.communicate(), SECONDS * 4)
        except asyncio.TimeoutError:
            process.kill()
            raise harness.Failure(f"pixelcnn {' '.join(arguments)} hangs") from None
        require(0 <= process.returncode < 128, f"pixelcnn {arguments} ends with {process.returncode}: {errors!r}")
        return process.returncode, errors.decode()

    async def files(self, until):
        """`pixelcnn sample` to one file: whole and right, or not there."""
        while time.monotonic() < until:
            with tempfile.TemporaryDirectory(dir=self.surroundings.folder.name) as folder:
                file = Path(folder) / "x.npy"
                status, errors = await self.command(*SAMPLE, "-o", str(file))
                found = sorted(path.name for path in Path(folder).iterdir())
                require(found == (["x.npy"] if status == 0 else []), f"exit {status}: {found} is left: {errors}")
                if status == 0:
                    data = file.read_bytes()
                    require(any(data == shards for _, shards in self.answers.values()), "a file with other bytes")
                self.count(f"files written with exit {status}")
            await asyncio.sleep(0.5)

    async def shards(self, until):
        """`pixelcnn sample --output-dir` on a disk that fills; then there is room, and the same command goes on."""
        if os.geteuid() != 0:
            return self.count("no small disk without root")
        while time.monotonic() < until:
            with tempfile.TemporaryDirectory(dir=self.surroundings.folder.name) as disk:
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", disk], check=True)
                try:
                    await self.fill(disk)
                finally:
                    subprocess.run(["umount", "-l", disk], check=True)
            await asyncio.sleep(1)

    async def fill(self, disk):
        folder = Path(disk) / "shards"
        for attempt in range(20):
            status, errors = await self.command(*SAMPLE, f"--shard-size={SHARD}", "--output-dir", str(folder))
            if status == 0:
                break
            if status == USAGE:  # a reload came between: these shards are another model's
                shutil.rmtree(folder)
                self.count("jobs begun again with another model")
            else:
                self.count(f"shards stopped with exit {status}")
            if attempt == 1:
                subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        require(status == 0, f"shards are not finished, exit {status}: {errors}")
        names = sorted(path.name for path in folder.rglob("*"))
        shards = sorted(folder.rglob("*.npy"))
        require(len(shards) == DRAWN["n"] // SHARD, f"other files than shards: {names}")
        values = b"".join(shard.read_bytes().split(b"\n", 1)[1] for shard in shards)
        require(any(values == whole.split(b"\n", 1)[1] for _, whole in self.answers.values()),
                "shards have other values than in peace")
        require(not [name for name in names if name.startswith(".")], f"something is left: {names}")
        self.count("sharded jobs finished")
