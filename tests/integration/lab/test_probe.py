"""The probe itself, as the image starts it, read back as the drill reads it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from deploy.drill.workload.probe import Reading, Record, parse, read

PROBE = Path(__file__).resolve().parents[3] / "deploy" / "lab" / "postgres" / "probe"


def start(folder: Path, task: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "REBERTH_TASK": task, "REBERTH_NODE": f"node-{task}"}
    return subprocess.Popen(["sh", str(PROBE), str(folder)], env=environment, stderr=subprocess.DEVNULL)


def stop(*probes: subprocess.Popen[bytes]) -> None:
    for probe in probes:
        probe.kill()
        probe.wait(10)


def records(folder: Path, task: str) -> list[Record]:
    file = folder / "probe.bin"
    return [found for found in parse(file.read_bytes())[0] if found.writer.task == task] if file.exists() else []


def until_written(folder: Path, task: str, count: int) -> None:
    end = time.monotonic() + 60
    while len(records(folder, task)) < count:
        assert time.monotonic() < end, f"{task} wrote no {count} records"
        time.sleep(0.1)


def reading(folder: Path) -> Reading:
    return read((folder / "probe.bin").read_bytes())


def test_two_probes_one_after_the_other_are_two_writers_without_an_overlap(tmp_path: Path) -> None:
    for task in ("a", "b"):
        probe = start(tmp_path, task)
        try:
            until_written(tmp_path, task, 3)
        finally:
            stop(probe)

    found = reading(tmp_path)
    assert (found.overlaps, found.holes, found.unreadable) == (0, 0, 0)
    assert [span.writer.node for span in found.spans] == ["node-a", "node-b"]


def test_two_probes_at_once_are_found_out(tmp_path: Path) -> None:
    first = start(tmp_path, "a")
    probes = [first]
    try:
        until_written(tmp_path, "a", 2)
        probes.append(start(tmp_path, "b"))
        until_written(tmp_path, "b", 2)
        until_written(tmp_path, "a", len(records(tmp_path, "a")) + 2)
    finally:
        stop(*probes)

    assert reading(tmp_path).overlaps > 0
