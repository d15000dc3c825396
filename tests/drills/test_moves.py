"""Planned moves as a person asks for them, on real daemons: the plan, the move, the empty node, the history."""

from __future__ import annotations

import json
import subprocess

import pytest

from deploy.lab.lab import Lab
from tests.drills.tiny import Tiny, Village
from tests.support.labs import until

pytestmark = pytest.mark.timeout(600)

MANAGER, WORKER = "swarm01", "swarm02"


def reberth(village: Village, *words: str) -> subprocess.CompletedProcess[str]:
    (container,) = village.cli(MANAGER, "ps", "-q", "-f", "name=reberth_controller").stdout.split()
    return village.cli(MANAGER, "exec", container, "reberth", *words)


def place(village: Village, volume: str) -> str:
    listed = json.loads(reberth(village, "status", "-o", "json").stdout)["volumes"]
    return next(str(each["node"]) for each in listed if each["volume"] == volume)


def test_a_person_moves_a_volume_and_empties_a_node(village: Village, lab: Lab) -> None:
    service = "mover"
    village.make(Tiny(service, "moved", node=""))
    village.runs(service)
    first = place(village, "moved")
    other = WORKER if first == MANAGER else MANAGER

    foreseen = reberth(village, "plan", "--node-down", first)
    assert (foreseen.returncode, f"ends: ok, on {other}" in foreseen.stdout) == (0, True), foreseen.stdout
    moved = reberth(village, "move", "moved", other, "--yes")
    assert moved.returncode == 0, moved.stdout + moved.stderr
    assert place(village, "moved") == other
    spec = village.api.inspect_service(service)["Spec"]
    assert (spec["TaskTemplate"]["Placement"].get("Constraints") or [], spec["Labels"]) == ([], {})
    village.runs(service)
    (task,) = village.states(service)
    assert task.endswith(f" on {other}")

    if other == MANAGER:
        assert reberth(village, "move", "moved", WORKER, "--yes").returncode == 0
    until(lambda: place(village, "moved") == WORKER, "the volume is on the worker")
    own = reberth(village, "evacuate", MANAGER, "--yes")
    assert (own.returncode, "run this on another manager" in own.stderr) == (1, True)
    emptied = reberth(village, "evacuate", WORKER, "--yes")
    assert (emptied.returncode, f"no volume is on node {WORKER}" in emptied.stdout) == (0, True), emptied.stderr
    until(lambda: place(village, "moved") == MANAGER, "the volume is on the manager")
    assert village.cli(MANAGER, "node", "update", "--availability", "active", WORKER).returncode == 0

    rows = json.loads(reberth(village, "history", "moved", "-o", "json").stdout)["moves"]
    assert next(each["evidence"] for each in rows if each["total"] is not None) == "released"
    assert all(each["planned"] for each in rows)
    checked = reberth(village, "status", "--check")
    assert checked.stdout.startswith("REBERTH ")
