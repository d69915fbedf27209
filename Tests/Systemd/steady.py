#!/usr/bin/env python3
"""Requests images from a daemon without a break while a command disturbs it repeatedly, and verifies every response:
`steady.py SOCKET --requests 1000 --times 20 -- systemctl reload pixelcnnd`.

Eight clients alternate between all kinds of requests that a disturbance could lose: a small request on its own
connection; a large one that is computed meanwhile; an event stream; a connection that sends its request late; and
several requests on a kept connection, which may be closed between two of them, but not unannounced in the middle. A
client never retries. Each seed has one right response for each model; a header says which model it came from. Needs
only Python's standard library."""

import argparse
import base64
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

CLIENTS = 8
SEEDS = 8
SMALL = {"n": 1, "height": 4, "width": 4}
LARGE = {"n": 32, "height": 64, "width": 64}


class Wrong(Exception):
    """A response that is not right."""


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(600)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.is_open = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, fields, accept="application/x-npy"):
        body = json.dumps(fields).encode()
        self.socket.sendall(
            b"POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + f"Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    def receive(self):
        """Status, model and body."""
        line = self.file.readline()
        if not line:
            raise Wrong("closed without a response")
        headers = {}
        while (field := self.file.readline().strip()):
            name, _, value = field.decode().partition(": ")
            headers[name.lower()] = value
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.file.readline(), 16):
                body += self.file.read(size + 2)[:size]
            self.file.readline()
        else:
            body = self.file.read(int(headers["content-length"]))
            if len(body) < int(headers["content-length"]):
                raise Wrong(f"a response ends after {len(body)} of {headers['content-length']} bytes")
        self.is_open = headers.get("connection") != "close"
        status = int(line.split()[1])
        if status != 200:
            raise Wrong(f"{status}: {body[:300]!r}")
        return headers["pixelcnn-model"], body


class Steady:
    def __init__(self, path, fields):
        self.path = path
        self.fields = fields
        self.lock = threading.Lock()
        self.responses = {}  # (model, size, seed): the bytes
        self.counts = Counter()
        self.models = Counter()
        self.wrong = []
        self.is_over = False

    def learn(self):
        """Records the responses of the model that is served now."""
        for name, size in (("small", SMALL), ("large", LARGE)):
            for seed in range(SEEDS):
                with Connection(self.path) as connection:
                    connection.send(self.fields | size | {"seed": seed})
                    model, body = connection.receive()
                    self.responses[model, name, seed] = body

    def compare(self, kind, name, seed, model, body):
        with self.lock:
            if (model, name, seed) not in self.responses:
                raise Wrong(f"a response of a model that was never served: {model}")
            if self.responses[model, name, seed] != body:
                raise Wrong(f"{len(body)} bytes that are not those of seed {seed} of model {model}")
            self.counts[kind] += 1
            self.models[model[:12]] += 1

    def small(self, chance):
        with Connection(self.path) as connection:
            self.request(connection, "small", SMALL, chance)

    def large(self, chance):
        with Connection(self.path) as connection:
            self.request(connection, "large", LARGE, chance)

    def late(self, chance):
        with Connection(self.path) as connection:
            time.sleep(chance.uniform(0.1, 1.2))
            self.request(connection, "late", SMALL, chance)

    def kept(self, chance):
        with Connection(self.path) as connection:
            for _ in range(8):
                self.request(connection, "kept", SMALL, chance)
                if not connection.is_open:
                    break

    def request(self, connection, kind, size, chance):
        seed = chance.randrange(SEEDS)
        connection.send(self.fields | size | {"seed": seed})
        model, body = connection.receive()
        self.compare(kind, "large" if size is LARGE else "small", seed, model, body)

    def stream(self, chance):
        seed = chance.randrange(SEEDS)
        with Connection(self.path) as connection:
            connection.send(self.fields | SMALL | {"seed": seed, "format": "npy"}, accept="text/event-stream")
            model, body = connection.receive()
        events = dict(event.split("\n", 1) for event in body.decode().strip().split("\n\n"))
        if "event: done" not in events:
            raise Wrong(f"a stream without its end: {body[-300:]!r}")
        image = json.loads(events["event: image"].removeprefix("data: "))
        # The stream has (C, H, W), the array (1, C, H, W): the values are the last bytes of either.
        values, response = base64.b64decode(image["npy"]), self.responses.get((model, "small", seed), b"")
        if response[128:] != values[128:]:
            raise Wrong(f"a stream's values are not those of seed {seed} of model {model}")
        self.compare("stream", "small", seed, model, response)

    def client(self, number):
        chance = random.Random(number)
        kinds = [self.small] * 4 + [self.large, self.late, self.kept, self.stream]
        while not self.is_over:
            kind = chance.choice(kinds)
            try:
                kind(chance)
            except (Wrong, OSError, ValueError, KeyError) as error:
                with self.lock:
                    self.wrong.append(f"{time.monotonic():.2f} {kind.__name__}: {error!r}")

    def run(self, requests, times, command, interval):
        clients = [threading.Thread(target=self.client, args=(i,)) for i in range(CLIENTS)]
        for client in clients:
            client.start()
        start, done = time.monotonic(), 0
        while (done < times or self.counts.total() < requests) and not self.wrong:
            if done < times:
                time.sleep(interval)
                status = subprocess.run(command).returncode
                if status != 0:
                    self.wrong.append(f"{' '.join(command)} ended with {status}")
                done += 1
            else:
                time.sleep(0.05)
            if time.monotonic() - start > 600:
                self.wrong.append("not done after 600 s")
        self.is_over = True
        for client in clients:
            client.join()
        by_kind = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
        by_model = ", ".join(f"{count} by {model}" for model, count in self.models.items())
        print(f"  {self.counts.total()} responses ({by_kind}; {by_model}) during {done} times "
              f"{' '.join(command)}, {time.monotonic() - start:.0f} s; {len(self.wrong)} wrong or lost")
        for line in self.wrong[:10]:
            print("   ", line)
        return not self.wrong and self.counts.total() >= requests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--interval", type=float, default=0.3, help="seconds between two disturbances")
    parser.add_argument("--learn", default="", help="a command that loads another model, whose responses are recorded")
    parser.add_argument("--fields", type=json.loads, default={}, help="further fields of each request, as JSON")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    steady = Steady(options.socket, options.fields)
    steady.learn()
    if options.learn:
        subprocess.run(options.learn, shell=True, check=True)
        steady.learn()
    sys.exit(0 if steady.run(options.requests, options.times, options.command, options.interval) else 1)


if __name__ == "__main__":
    main()
