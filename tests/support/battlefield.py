"""A swarm in which a service runs that an attacker may hurt, who may attack it, and what each asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from controller.model import Node, NodeId, NodeState, VmId
from controller.protocol import endpoints, operator
from controller.protocol.beats import Beat
from controller.protocol.messages import (
    CreateVolume,
    Empty,
    GetVolume,
    Hello,
    KnownNames,
    MountGrant,
    Orders,
    RemoveVolume,
    VolumeReport,
)
from tests.support.api_site import Site, mount, site, swarm_ca, sync
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA

# Who asks. "victim" is the volume of node b, where its task runs.
OTHER_WORKER, REMOVED, DEMOTED, DOWN, MANAGER = "c", "gone", "demoted", "down", "m2"


def requests(node: str) -> dict[str, msgspec.Struct]:
    """What an attacker asks at each endpoint, so that it hurts if it is granted."""
    return {
        endpoints.CREATE_VOLUME.path: CreateVolume("loot", {"clone-from": DATA}),
        endpoints.GET_VOLUME.path: GetVolume(DATA),
        endpoints.INSPECT_VOLUME.path: GetVolume(DATA),
        endpoints.LIST_VOLUMES.path: Empty(),
        endpoints.NAMES.path: KnownNames(),
        endpoints.REMOVE_VOLUME.path: RemoveVolume(DATA),
        endpoints.MOUNT.path: mount(node),
        endpoints.SYNC.path: sync(node),
        endpoints.HELLO.path: Hello(f"vm-{node}", f"boot-{node}-1", f"host-{node}"),
        endpoints.BEAT.path: Beat(f"vm-{node}", f"boot-{node}-1"),
        operator.STATUS.path: Empty(),
        operator.DOCTOR.path: Empty(),
        operator.UPGRADE.path: Empty(),
        operator.EXPLAIN.path: operator.Explain(DATA),
        operator.HISTORY.path: operator.History(DATA),
        operator.EVENTS.path: operator.Events(),
        operator.PLAN.path: operator.Plan("host-b"),
        operator.MOVE.path: operator.Move(DATA, "host-down"),
        operator.END_MOVE.path: operator.EndMove(DATA),
        operator.EVACUATE.path: operator.Evacuate(node),
        operator.CONFIRM.path: operator.Confirm("host-down", "it is dead, believe me"),
        operator.WOULD_CONFIRM.path: operator.WouldConfirm("host-down"),
        operator.FENCE.path: operator.Fence("host-b", "power it off"),
        operator.WOULD_FENCE.path: operator.WouldFence("host-b"),
        operator.PAUSE.path: operator.Pause("nothing moves any more"),
        operator.UNDELETE.path: operator.Undelete(DATA),
        operator.ADOPT.path: operator.Adopt("loot", f"{DATA}-0123abcd", "1GiB"),
        operator.EXPORT.path: Empty(),
        operator.IMPORT.path: operator.Import(10**12, (), by="an attacker"),
        operator.GROW.path: operator.Grow(DATA, "512MiB"),
        operator.DRIVER.path: Empty(),
        operator.MAKE_SNAPSHOT.path: operator.MakeSnapshot(DATA, "loot"),
        operator.SNAPSHOTS.path: operator.ListSnapshots(),
        operator.DELETE_SNAPSHOT.path: operator.DeleteSnapshot(DATA, "loot"),
        operator.RESTORE_SNAPSHOT.path: operator.RestoreSnapshot(DATA, "loot"),
    }


def attackers_ca(folder: Path) -> SwarmCa:
    made = swarm_ca(folder)
    made.issue(REMOVED, "swarm-worker")
    made.issue(DEMOTED)
    made.issue(DOWN, "swarm-worker")
    made.issue(MANAGER)
    return made


@asynccontextmanager
async def battlefield(ca: SwarmCa, folder: Path) -> AsyncIterator[Site]:
    async with site(ca, folder) as place:
        for name, manager, state in (
            (DEMOTED, False, NodeState.READY),
            (DOWN, False, NodeState.DOWN),
            (MANAGER, True, NodeState.READY),
        ):
            node = NodeId(name)
            place.cluster.swarm.nodes[node] = Node(node, f"host-{name}", state, manager=manager)
            place.cluster.storage.add_vm(VmId(f"vm-{name}"))
        await place.look()
        assert await place.ask(DOWN, endpoints.HELLO, requests(DOWN)[endpoints.HELLO.path]) == Empty()
        await place.granted("b")
        yield place


async def goes_on(place: Site) -> bool:
    """Whether the victim's next container is let in."""
    said = sync("b", VolumeReport(DATA, "unmounted", place.cluster.record().serial))
    assert isinstance(await place.ask("b", endpoints.SYNC, said), Orders)
    return isinstance(await place.ask("b", endpoints.MOUNT, mount("b", wait=10.0)), MountGrant)
