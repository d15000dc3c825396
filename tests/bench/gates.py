"""
What the gates' signs of life cost the controller that acts, while nothing happens.

Real API, real TLS on connections that stay open; the gates are played by another process, and say that a volume is
still mounted, again and again. Each says so every 20 s in life, so 1,000 of them are 50 in a second.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import msgspec

from controller.gate.reporter import POLL_SECONDS
from controller.names import MANAGER_NAME
from controller.protocol import endpoints
from controller.protocol.identity import client_context
from controller.protocol.messages import VolumeReport
from tests.bench.reconcile import quiet
from tests.support.api_site import site, swarm_ca, sync
from tests.support.shell import DATA

GATES = 1_000
CONNECTIONS = 20
ROUNDS = 5
SYNCS = 1_000  # in a round


class Spoken(msgspec.Struct, frozen=True):
    """``cpu``: milliseconds of the controller's for one sign of life, one for each round. ``idle``: % of a core."""

    cpu: list[float]
    idle: float


async def speak(folder: Path, port: int, syncs: int) -> None:
    """As node b. After each round a line is written, and one awaited."""
    body = msgspec.json.encode(sync("b", VolumeReport(DATA, "mounted", 1, mounts=1)))
    url = f"https://127.0.0.1:{port}{endpoints.SYNC.path}"
    context = client_context(folder / "b")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:

        async def one_gate(times: int) -> None:
            for _ in range(times):
                async with session.post(url, data=body, ssl=context, server_hostname=MANAGER_NAME) as answer:
                    await answer.read()
                    answer.raise_for_status()

        for _ in range(ROUNDS + 1):  # the first one opens the connections
            await asyncio.gather(*(one_gate(syncs // CONNECTIONS) for _ in range(CONNECTIONS)))
            sys.stdout.write("spoken\n")
            sys.stdout.flush()
            sys.stdin.readline()


async def listen(syncs: int) -> Spoken:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ca = swarm_ca(folder / "ca")
        async with site(ca, folder) as made:
            await made.granted("b")
            words = (sys.executable, "-m", "tests.bench.gates", "--speak", str(ca.folder), str(made.port), str(syncs))
            speaker = await asyncio.create_subprocess_exec(*words, stdin=-1, stdout=-1)
            assert speaker.stdin is not None
            assert speaker.stdout is not None
            spent = list[float]()
            for _ in range(ROUNDS + 1):
                before = time.process_time()
                if await speaker.stdout.readline() != b"spoken\n":
                    raise RuntimeError("the gates' process ended")
                spent.append(1000 * (time.process_time() - before) / syncs)
                speaker.stdin.write(b"\n")
            await speaker.wait()
    cpu = spent[1:]
    return Spoken(cpu, min(cpu) * GATES / POLL_SECONDS / 10)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--speak", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    quiet()
    if chosen.speak:
        folder, port, syncs = chosen.speak
        asyncio.run(speak(Path(folder), int(port), int(syncs)))
        return
    sys.stdout.write(msgspec.json.encode(asyncio.run(listen(SYNCS))).decode() + "\n")


if __name__ == "__main__":
    main()
