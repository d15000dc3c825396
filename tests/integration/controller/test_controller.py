"""The controller's process against a real swarm: started, asked, stopped and killed as in life."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.cli.remote import FOLDER, HOST
from controller.protocol.client import ControllerClient, ControllerRefused
from controller.protocol.identity import client_context
from controller.protocol.messages import Hello, Sync
from tests.support.dockerd import OneNodeSwarm
from tests.support.operators import People
from tests.support.ports import free_port

VM = "00000000-0000-4000-8000-00000000000a"
CONFIG = """\
listen = "127.0.0.1"
advertise = "127.0.0.1:{port}"
port = {port}
metrics_port = 0
door = "{folder}/run/door.sock"
docker = "{docker}"
certificates = "{certificates}"
{extra}
"""
MEMORY = f'[storage]\ndriver = "memory"\n[storage.memory]\nvms = ["{VM}"]'


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    port: int
    certificates: Path

    def cli(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "controller.cli.main", *arguments],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def until_acting(self) -> dict[str, object]:
        deadline = time.monotonic() + 60
        while True:
            answer = self.cli("status", "--json")
            if answer.returncode == 0:
                return dict(json.loads(answer.stdout))
            assert time.monotonic() < deadline, answer.stderr
            assert self.process.poll() is None, "the controller ended"

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ControllerClient]:
        made = ControllerClient(lambda: [f"127.0.0.1:{self.port}"], lambda: client_context(self.certificates))
        try:
            yield made
        finally:
            await made.close()


@contextmanager
def controller(swarm: OneNodeSwarm, folder: Path, extra: str = MEMORY) -> Iterator[Running]:
    port = free_port()
    config = folder / "reberth.toml"
    config.write_text(
        CONFIG.format(port=port, folder=folder, docker=swarm.url, certificates=swarm.certificates, extra=extra)
    )
    environment = {**os.environ, "REBERTH_CONFIG": str(config)}
    process = subprocess.Popen([sys.executable, "-m", "controller.cli.main", "controller"], env=environment)
    try:
        yield Running(process, environment, port, swarm.certificates)
    finally:
        process.kill()
        process.wait()


async def settled(running: Running, volume: str) -> Any:
    """What `explain` says once nothing is under way: the record is there first, and the disk is made after it."""
    async with asyncio.timeout(20):
        while True:
            found = json.loads(running.cli("explain", volume, "--json").stdout)
            if found["decision"] == "converged":
                return found
            await asyncio.sleep(0.1)


async def test_a_volume_is_made_told_about_and_removed(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    with controller(swarm, tmp_path) as running:
        assert running.until_acting()["volumes"] == []
        async with running.client() as client:
            await client.hello(Hello(VM, "boot-1", "controller"))
            made = await client.create("data", {"size": "1GiB"})
            assert (made.name, made.size_bytes) == ("data", 2**30)
            with pytest.raises(ControllerRefused, match="size is 1073741824 bytes and not 2147483648 bytes"):
                await client.create("data", {"size": "2GiB"})
            found = await settled(running, "data")
            assert found["phase"] == "ready"
            assert [each["moment"] for each in found["history"]] == ["created"]
            assert found["why"] == "No task wants volume data; its disk stays on no VM."
            assert "data" in running.cli("status").stdout
            assert "created" in running.cli("explain", "data").stdout
            await client.remove("data")
            async with asyncio.timeout(20):
                while (await client.volumes()).volumes:  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.1)
            async with asyncio.timeout(20):
                while running.cli("explain", "data").returncode == 0:  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.1)
        missing = running.cli("explain", "data")
        assert (missing.returncode, "there is no volume 'data'" in missing.stderr) == (3, True)


def test_a_person_with_a_certificate_asks_from_afar_and_is_named(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    """The manager is known by the certificate that a real Swarm gave it."""
    people = People.with_ca(tmp_path / "operators", swarm.certificates / "swarm-root-ca.crt")
    port, alice, bob = free_port(), people.issue("alice", "operator"), people.issue("bob")
    extra = f'operators_file = "{people.file}"\noperators_port = {port}\n{MEMORY}'
    with controller(swarm, tmp_path, extra) as running:
        running.until_acting()
        far = {HOST: f"127.0.0.1:{port}", "REBERTH_CONFIG": "", "REBERTH_DOOR": "/nowhere"}
        looking = running.cli("pause", "--reason", "x", **far, **{FOLDER: str(bob)})
        assert (looking.returncode, "is for looking only" in looking.stderr) == (1, True), looking
        acting = running.cli("pause", "--reason", "new switches", **far, **{FOLDER: str(alice)})
        assert acting.returncode == 0, acting.stderr
        for told in (running.cli("status"), running.cli("status", **far, **{FOLDER: str(bob)})):
            assert "new switches, says alice (certificate)" in told.stdout, told
        assert running.cli("resume", **far, **{FOLDER: str(alice)}).returncode == 0


async def test_a_stop_ends_long_polls_and_the_process_within_seconds(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    with controller(swarm, tmp_path) as running:
        running.until_acting()
        async with running.client() as client, asyncio.TaskGroup() as group:
            polling = group.create_task(client.sync(Sync(VM, "boot-1", "test", wait=20.0)))
            await asyncio.sleep(1)
            running.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(running.process.wait, 15) == 0
        assert polling.done()


def test_each_process_acts_under_a_higher_epoch_also_after_a_kill(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    epochs: list[int] = []
    for _ in range(2):
        with controller(swarm, tmp_path) as running:
            epochs.append(int(str(running.until_acting()["epoch"])))
    assert epochs[1] > epochs[0]


async def test_without_storage_it_runs_and_says_what_to_configure(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    with controller(swarm, tmp_path, extra="") as running:
        running.until_acting()
        async with running.client() as client:
            with pytest.raises(ControllerRefused, match=r"no storage is configured: put `driver"):
                await client.create("data", {"size": "1GiB"})


def test_a_pause_is_shown_and_survives_the_process(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    with controller(swarm, tmp_path) as running:
        running.until_acting()
        assert running.cli("pause", "--reason", "storage work").returncode == 0
    with controller(swarm, tmp_path) as running:
        assert running.until_acting()["paused"] == "storage work"
        assert running.cli("resume").returncode == 0
        assert running.until_acting()["paused"] is None


def test_the_dead_are_confirmed_only_where_swarm_does_not_see_them_live(swarm: OneNodeSwarm, tmp_path: Path) -> None:
    with controller(swarm, tmp_path) as running:
        running.until_acting()
        ready = running.cli("confirm-dead", "manager-1", "--reason", "sure")
        assert (ready.returncode, "is ready: its VM lives" in ready.stderr) == (1, True)
        unknown = running.cli("confirm-dead", "nobody", "--reason", "sure")
        assert (unknown.returncode, "known nodes: manager-1" in unknown.stderr) == (3, True)


def test_programs_and_browsers_read_on_the_metrics_port(
    swarm: OneNodeSwarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("REBERTH_METRICS_PORT", str(port))

    def read(path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return bytes(answer.read())

    with controller(swarm, tmp_path) as running:
        acting = running.until_acting()
        assert json.loads(read("/v1/status"))["epoch"] == acting["epoch"]
        assert json.loads(read("/v1/volumes")) == {"volumes": []}
        assert b"acts under epoch" in read("/ui")
        assert "/v1/history" in json.loads(read("/v1/openapi.json"))["paths"]
        assert b"reberth_acting 1.0" in read("/metrics")


def test_each_reading_command_answers_and_the_moving_ones_refuse_what_cannot_be(
    swarm: OneNodeSwarm, tmp_path: Path
) -> None:
    with controller(swarm, tmp_path) as running:
        running.until_acting()
        checked = running.cli("status", "--check")
        assert (checked.returncode, checked.stdout[:12]) == (0, "REBERTH OK -")
        assert "No moves." in running.cli("history").stdout
        assert running.cli("events").returncode == 0
        assert "Nothing is done." in running.cli("plan", "--node-down", "manager-1").stdout
        alone = running.cli("evacuate", "manager-1", "--yes")
        assert (alone.returncode, "run this on another manager" in alone.stderr) == (1, True)
        assert running.cli("move", "nothing", "manager-1", "--yes").returncode == 3
        assert running.cli("support-bundle", str(tmp_path / "bundle.tar.gz")).returncode == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('polcy = "hold"', "unknown key polcy: did you mean policy?"),
        ('[storage.memory]\ncertificates = "x"\n[loop]\nresync = 0', "loop.resync"),
    ],
)
def test_a_mistake_in_the_settings_ends_the_process_with_the_key(
    swarm: OneNodeSwarm, tmp_path: Path, extra: str, message: str
) -> None:
    config = tmp_path / "reberth.toml"
    config.write_text(extra)
    ended = subprocess.run(
        [sys.executable, "-m", "controller.cli.main", "controller"],
        env={**os.environ, "REBERTH_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, message in ended.stdout) == (1, True)
