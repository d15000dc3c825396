"""The gate as dockerd meets it: a process, a socket, and often nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

PROGRAM = "from controller.gate.app import main; raise SystemExit(main())"


@contextmanager
def process(directory: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A gate with every path below ``directory``, where at first there is nothing."""
    own = {
        "REBERTH_DOCKER_ROOT": f"{directory}/docker",
        "REBERTH_GATE_SOCKET": f"{directory}/run/reberth.sock",
        "REBERTH_MOUNT_ROOT": f"{directory}/volumes",
        "REBERTH_GATE_STATE": f"{directory}/state/gate.json",
        "REBERTH_VM_UUID_FILE": f"{directory}/vm-uuid",
        "REBERTH_BOOT_ID_FILE": f"{directory}/boot-id",
        **environment,
    }
    started = subprocess.Popen([sys.executable, "-c", PROGRAM], env={**os.environ, **own}, stdout=subprocess.DEVNULL)
    try:
        wait_for(directory / "run" / "reberth.sock")
        yield started
    finally:
        started.kill()
        started.wait()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def wait_for(path: Path) -> None:
    ends = time.monotonic() + 20
    while not answers(path):
        assert time.monotonic() < ends, f"{path} does not appear"
        time.sleep(0.02)


async def call(directory: Path, method: str, **body: object) -> dict[str, object]:
    connector = aiohttp.UnixConnector(path=f"{directory}/run/reberth.sock")
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"http://plugin/{method}", data=json.dumps(body)) as response,
    ):
        assert response.status == 200
        found: dict[str, object] = json.loads(await response.read())
        return found


def identify(directory: Path) -> None:
    (directory / "vm-uuid").write_text("4C4C4544-0051-3010-8054-B7C04F565831\n")
    (directory / "boot-id").write_text("8b1f7c3e-7f8c-4a43-9d35-8f7f2d1f0a11\n")


async def test_gate_starts_with_nothing_at_all_and_says_what_is_missing(tmp_path: Path) -> None:
    """No identity, no swarm, no certificate: Docker finds a plugin, and each call answers with the cure."""
    with process(tmp_path):
        assert (await call(tmp_path, "Plugin.Activate"))["Implements"] == ["VolumeDriver"]
        assert (await call(tmp_path, "VolumeDriver.Capabilities"))["Capabilities"] == {"Scope": "global"}
        await asyncio.sleep(0.2)
        for method in ("Create", "Remove", "Mount", "Unmount", "Path", "Get", "List"):
            answer = await call(tmp_path, f"VolumeDriver.{method}", Name="data", ID="a")
            assert "give the VM an SMBIOS UUID" in str(answer["Err"])

        identify(tmp_path)
        async with asyncio.timeout(10):
            while (answer := await call(tmp_path, "VolumeDriver.List"))["Err"]:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.1)
        assert answer == {"Err": "", "Volumes": []}
        answer = await call(tmp_path, "VolumeDriver.Get", Name="data")
        assert answer["Err"] == "no such volume: data"
        answer = await call(tmp_path, "VolumeDriver.Remove", Name="data")
        assert "docker swarm join" in str(answer["Err"])


async def test_gate_with_a_bad_setting_starts_and_names_it(tmp_path: Path) -> None:
    """A plugin that does not start would take dockerd with it."""
    identify(tmp_path)
    with process(tmp_path, REBERTH_PORT="seven"):
        await asyncio.sleep(0.3)
        answer = await call(tmp_path, "VolumeDriver.Remove", Name="data")
        assert "REBERTH_PORT is 'seven'" in str(answer["Err"])


async def test_gate_survives_requests_that_are_no_requests(tmp_path: Path) -> None:
    """A sentence for whatever comes."""
    identify(tmp_path)
    with process(tmp_path):
        assert "not understood" in str((await call(tmp_path, "VolumeDriver.Mount", Name=7))["Err"])
        assert (await call(tmp_path, "Plugin.Activate"))["Err"] == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_gate_ends_when_it_is_told_and_starts_over_its_old_socket(tmp_path: Path, number: signal.Signals) -> None:
    """Docker stops plugins with SIGTERM; what a killed one left does not keep the next from starting."""
    identify(tmp_path)
    for _ in range(2):
        with process(tmp_path) as gate:
            assert asyncio.run(call(tmp_path, "Plugin.Activate"))["Err"] == ""
            gate.send_signal(number)
            assert gate.wait(timeout=20) == 0
