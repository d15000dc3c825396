"""The swarm itself is lost: brought back from an old backup, or made anew on the same machines."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Trouble, wait_for
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
    cluster = disaster.scenario.cluster
    container = cluster.place().container
    disaster.scenario.stacks.restart_database(cluster.database_service())
    wait_for(lambda: "the old container answers" if container == cluster.place().container else "", WITHIN)
    wait_for(disaster.testbed.answers, WITHIN)
    return epoch(disaster)


def move(disaster: Disaster, node: str) -> str:
    """The database leaves that node, which takes tasks again afterwards. Gives the node that has it."""
    disaster.docker("node", "update", "--availability", "drain", node)
    wait_for(lambda: "" if disaster.scenario.cluster.place().node != node else f"still on {node}", WITHIN)
    wait_for(disaster.testbed.answers, WITHIN)
    disaster.docker("node", "update", "--availability", "active", node)
    return disaster.scenario.cluster.place().node


def restore(disaster: Disaster, node: str, folder: Path, cut_off: str = "") -> None:
    """
    The managers are lost; one comes back with the backup, the others join it as new ones.

    The one that is cut off runs on, and belongs to no swarm that anybody can reach.
    """
    lost = [each.name for each in disaster.lab.nodes if each.name != cut_off]
    for each in lost:
        disaster.lab.power_off(each)
        shutil.rmtree(_raft(disaster, each))
    shutil.copytree(folder, _raft(disaster, node), symlinks=True)
    _start(disaster, node)
    address = disaster.lab.node(node).address
    said = disaster.docker("swarm", "init", "--force-new-cluster", "--advertise-addr", address, node=node)
    assert "initialized" in said, said
    for name in (each.name for each in disaster.lab.nodes if each.name != node):
        disaster.docker("node", "demote", name, node=node)
        disaster.docker("node", "rm", "--force", name, node=node)
        if name != cut_off:
            _start(disaster, name)
    _form_from(disaster, node, cut_off)


def unasked(disaster: Disaster) -> str:
    """Empty when a person is asked about a disk that is where the record did not bring it."""
    try:
        told = disaster.scenario.cluster.explain(disaster.volume)
    except (DrillError, *Trouble) as error:
        return str(error)
    asked = "the record does not know how it came there" in told.why and "power that VM off" in told.cure
    return "" if asked else f"{told.why} CURE: {told.cure}"


def make_anew(disaster: Disaster) -> None:
    """Everybody leaves, and a new swarm is made of the same machines, with the same stacks."""
    form_anew(disaster)
    disaster.scenario.stacks.deploy_database()


def form_anew(disaster: Disaster) -> None:
    """With Reberth, and without any service that uses it."""
    for each in disaster.lab.nodes:
        disaster.docker("swarm", "leave", "--force", node=each.name)
        # Docker makes no volume on a node where an ended container has that name still (docs/ordinary-days.md).
        disaster.docker("container", "prune", "--force", node=each.name)
    _form_from(disaster, disaster.lab.nodes[0].name)
    disaster.scenario.stacks.deploy_system()
    disaster.scenario.ready(WITHIN)


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


def _form_from(disaster: Disaster, node: str, without: str = "") -> None:
    """The others join the manager ``node``, which has a swarm or makes one."""
    members = [each for each in disaster.lab.nodes if each.name != without]
    ordered = sorted(members, key=lambda each: each.name != node)
    wait_for(lambda: _formed(ordered, disaster.testbed.settings.heartbeat), WITHIN)
    swarm.wait_until_ready(disaster.lab.node(node), len(ordered))
