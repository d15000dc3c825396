"""The swarm itself is lost: brought back from an old backup, or made anew on the same machines."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deploy.drill.swarm.cluster import wait_for
from deploy.lab import swarm
from deploy.lab.lab import LabNode
from deploy.lab.names import Layout
from tests.drills.disasters import WITHIN, Disaster


class Told(msgspec.Struct, frozen=True):
    epoch: int | None


def epoch(disaster: Disaster) -> int:
    """Of the controller that acts."""
    told = msgspec.json.decode(disaster.scenario.cluster.ask_controller("status", "--json"), type=Told)
    return told.epoch or 0


def back_up(disaster: Disaster, node: str, folder: Path) -> None:
    """A copy of a manager's Raft, as the manual says with the engine stopped: here it stands still for a moment."""
    disaster.lab.freeze(node)
    try:
        shutil.copytree(_raft(disaster, node), folder, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    finally:
        disaster.lab.thaw(node)


def raise_epoch(disaster: Disaster) -> int:
    """Each death of the acting controller makes the next one take a new epoch, which is stamped on the disk's VM."""
    before = epoch(disaster)
    disaster.scenario.kill_controllers()
    wait_for(lambda: "" if epoch(disaster) > before else "no newer epoch", WITHIN)
    disaster.scenario.stacks.restart_database(disaster.scenario.cluster.database_service())
    wait_for(disaster.testbed.answers, WITHIN)
    return epoch(disaster)


def restore(disaster: Disaster, node: str, folder: Path) -> None:
    """All managers are lost; one comes back with the backup, the others join it as new ones."""
    disaster.power_off_all()
    for each in disaster.lab.nodes:
        shutil.rmtree(_raft(disaster, each.name))
    shutil.copytree(folder, _raft(disaster, node), symlinks=True)
    _start(disaster, node)
    address = disaster.lab.node(node).address
    said = disaster.docker("swarm", "init", "--force-new-cluster", "--advertise-addr", address, node=node)
    assert "initialized" in said, said
    for each in disaster.lab.nodes:
        if each.name != node:
            disaster.docker("node", "demote", each.name, node=node)
            disaster.docker("node", "rm", "--force", each.name, node=node)
            _start(disaster, each.name)
    _form_from(disaster, node)


def make_anew(disaster: Disaster) -> None:
    """Everybody leaves, and a new swarm is made of the same machines, with the same stacks."""
    for each in disaster.lab.nodes:
        disaster.docker("swarm", "leave", "--force", node=each.name)
        # Docker makes no volume on a node where an ended container has that name still (docs/ordinary-days.md).
        disaster.docker("container", "prune", "--force", node=each.name)
    _form_from(disaster, disaster.lab.nodes[0].name)
    disaster.scenario.stacks.deploy_system()
    disaster.scenario.ready(WITHIN)
    disaster.scenario.stacks.deploy_database()


def _raft(disaster: Disaster, node: str) -> Path:
    """The folder that the manual says to back up, as the machine under the lab sees it."""
    return Layout(disaster.lab.spec.name).node_store(node) / "docker" / "swarm"


def _start(disaster: Disaster, node: str) -> None:
    disaster.lab.power_on(node)
    wait_for(lambda: disaster.answers(node), WITHIN)


def _formed(ordered: Sequence[LabNode], heartbeat: str) -> str:
    """Again where an engine went away once more: who is in the swarm already is left alone."""
    swarm.form(ordered, heartbeat, lambda _: None)
    return ""


def _form_from(disaster: Disaster, node: str) -> None:
    """The others join the manager ``node``, which has a swarm or makes one."""
    ordered = sorted(disaster.lab.nodes, key=lambda each: each.name != node)
    wait_for(lambda: _formed(ordered, disaster.testbed.settings.heartbeat), WITHIN)
    swarm.wait_until_ready(disaster.lab.node(node), len(ordered))
