#!/usr/bin/env python3
"""A daemon under mixed load, while its surroundings fail at random: the log's reader stalls; reloads find good, bad,
truncated and vanishing files; the daemon is stopped, continued, ended, killed and started again; descriptors and
memory are taken away; clients stall, leave and lie; the disk is full. Then everything is put in order. Every answer
that was given is right to the byte, every file is whole, all gauges are 0, memory and descriptors are as at the start.
The seed of a failure is printed; with --seed it injects the same faults again."""

import asyncio
import json
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Load"))
import harness  # noqa: E402
from clients import Clients, expected, requests  # noqa: E402
from harness import require  # noqa: E402
from surroundings import ANSWERS, Surroundings  # noqa: E402

HONEST, RUDE = 6, 4
MEMORY_BYTES = 48 << 20


def other_model(source, path):
    """The same network with other weights: some numbers of the head change their sign."""
    data = bytearray(source.read_bytes())
    length = struct.unpack("<Q", data[:8])[0]
    begin, end = json.loads(data[8:8 + length])["out_conv.0.weight"]["data_offsets"]
    for number in range(begin, end, 40):
        data[8 + length + number + 3] ^= 0x80
    path.write_bytes(data)


async def main(options):
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 32)
    minutes = 0.5 if options.quick else options.minutes
    print(f"seed {seed}, {minutes} minutes", flush=True)
    models = {"a": harness.BUNDLED_MODEL}
    daemon = Surroundings(options.daemon, models, seed)
    try:
        models["b"] = daemon.path / "other.safetensors"
        other_model(models["a"], models["b"])
        await run(daemon, options, seed, minutes)
    except BaseException:
        print("\n".join(["The last events:"] + daemon.events[-12:]), file=sys.stderr)
        kept = Path(f"/tmp/pixelcnn-chaos-{seed}.log")
        kept.write_bytes((daemon.path / "log").read_bytes())
        print(f"The daemon's log: {kept}; again: {sys.argv[0]} --seed {seed} --minutes {minutes}", file=sys.stderr)
        raise
    finally:
        daemon.close()


async def run(daemon, options, seed, minutes):
    all_requests = requests(seed)
    daemon.put("b")
    await daemon.started()
    answers = dict([await expected(daemon, all_requests)])
    daemon.put("a")
    await daemon.reload("done")
    answers |= dict([await expected(daemon, all_requests)])
    require(len(answers) == 2, "the two models are the same")

    program = str(Path(options.daemon).with_name("pixelcnn"))
    clients = Clients(daemon, program, all_requests, answers, seed)
    # What a daemon needs after some seconds of load in peace is what it may need at the end.
    await together(clients, time.monotonic() + min(minutes * 6, 10))
    await quiet(daemon)
    descriptors, threads, resident = daemon.descriptors, daemon.threads, daemon.resident

    until = time.monotonic() + minutes * 60
    await together(clients, until, daemon.fail(until), daemon.fail_log(until), progress(daemon, until))
    daemon.note("in order again")
    await daemon.calm()
    await quiet(daemon)
    await daemon.settles(descriptors + 2, threads + 2)
    growth = daemon.resident - resident
    require(growth <= MEMORY_BYTES, f"memory grew by {growth / 1e6:.1f} MB")
    await together(clients, time.monotonic() + 2)  # and it still answers
    for name, count in sorted(daemon.counts.items()):
        print(f"{count:8d} {name}")
    dropped = (await daemon.metrics()).get("pixelcnnd_log_lines_dropped_total", 0)
    print(f"{dropped:8.0f} lines of the log dropped by the last process; memory {resident / 1e6:.1f} → "
          f"{daemon.resident / 1e6:.1f} MB, {descriptors} → {daemon.descriptors} descriptors")
    require(daemon.counts.get(ANSWERS, 0) > 0, "no answer was compared")


async def together(clients, until, *others):
    """All clients until then, and these; the first failure ends all."""
    work = [clients.honest(number, until) for number in range(HONEST)]
    work += [clients.rude(number, until) for number in range(RUDE)]
    work += [clients.files(until), clients.shards(until), *others]
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def quiet(daemon):
    """Waits until all gauges are 0."""
    end = time.monotonic() + harness.TIMEOUT
    names = ["images_in_flight", "images_queued", "jobs_in_flight", "jobs_queued", "request_memory_bytes"]
    while True:
        metrics = await daemon.metrics()
        busy = {name: metrics[f"pixelcnnd_{name}"] for name in names if metrics[f"pixelcnnd_{name}"] != 0}
        busy |= {"requests": 1} if metrics["pixelcnnd_http_requests_in_flight"] > 1 else {}
        if not busy:
            return
        require(time.monotonic() < end, f"not 0 after the end: {busy}")
        await asyncio.sleep(0.1)


async def progress(daemon, until):
    while time.monotonic() < until:
        await asyncio.sleep(min(30, max(until - time.monotonic(), 0)))
        kinds = daemon.counts.get(ANSWERS, 0)
        print(f"{time.monotonic() - daemon.start_time:6.0f} s  {kinds} answers compared, "
              f"{len(daemon.events)} faults", flush=True)


if __name__ == "__main__":
    harness.run(main(harness.arguments(__doc__, minutes=10.0, seed=0)))
