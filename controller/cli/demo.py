"""
`reberth demo`: a node dies, and the planner moves its volume, on a storage system in memory. It changes nothing.

What is real: the decisions (`controller.planner.plan`), and the driver's contract (`drivers.memory`, which passes the
conformance suite). What is played: Swarm, the gates and the clock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum

from controller.model import (
    BootId,
    Claim,
    ClaimTask,
    DiskId,
    Epoch,
    GateView,
    GateVolume,
    Grant,
    MountState,
    Node,
    NodeId,
    NodeState,
    Phase,
    Policy,
    Power,
    Serial,
    Spec,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
    World,
)
from controller.planner.actions import Action, Attach, Detach, Fence, GrantMount, Wait, reason
from controller.planner.foresight.foresee import applied, older
from controller.planner.foresight.supposed import node_died
from controller.planner.plan import plan
from drivers.base import Created
from drivers.memory import MemoryDriver
from drivers.memory_storage import MemoryStorage

VOLUME, EPOCH = VolumeName("shop-data"), Epoch(7)
NOTICED = 15.0  # seconds until Swarm calls a silent node down, by its defaults
_MOST = 40  # decisions; a failover has some ten

Say = Callable[[str], None]
Sleep = Callable[[float], Awaitable[None]]


class Trouble(Enum):
    POWER = "power"
    NETWORK = "network"
    HOST = "host"


_STORIES = {
    Trouble.POWER: "node1 loses its power.",
    Trouble.NETWORK: "node1 is cut off from the network. Its VM runs on, and its database still writes.",
    Trouble.HOST: "the host under node1 vanishes from the hypervisor's sight. Nobody can say whether its VM runs.",
}


@dataclass
class Stage:
    storage: MemoryStorage
    driver: MemoryDriver
    disk: DiskId
    world: World
    policy: Policy
    at: float = 0.0
    most_writers: int = 0

    def writers(self) -> tuple[VmId, ...]:
        """VMs that have the disk open, by the storage's own account."""
        found = self.storage.writers(self.disk)
        self.most_writers = max(self.most_writers, len(found))
        return found


async def set_up() -> Stage:
    storage = MemoryStorage()
    driver = MemoryDriver(storage)
    for number in (1, 2, 3):
        storage.add_vm(_vm(number))
    made = await driver.create(VolumeKey(VOLUME), Spec(10 << 30))
    if not isinstance(made, Created):
        msg = f"the storage in memory made no disk: {made}"
        raise TypeError(msg)
    await driver.attach([made.disk], _vm(1), EPOCH)
    storage.write(_vm(1), made.disk)
    policy = Policy(capabilities=driver.capabilities)
    return await _read(Stage(storage, driver, made.disk, _world(made.disk), policy))


def _vm(number: int) -> VmId:
    return VmId(f"vm-{number}")


def _world(disk: DiskId) -> World:
    nodes = [
        Node(NodeId(f"n{n}"), f"node{n}", NodeState.READY, manager=True, vm=_vm(n), boot=BootId(f"boot-{n}"))
        for n in (1, 2, 3)
    ]
    first = nodes[0]
    grant = Grant(TaskId("t1"), first.id, _vm(1), BootId("boot-1"), EPOCH, Serial(1))
    record = VolumeRecord(
        VOLUME, VolumeKey(VOLUME), Spec(10 << 30), "uuid", Phase.READY, disk, formatted=True, serial=Serial(1),
        grants=(grant,), service="shop",
    )  # fmt: skip
    task = ClaimTask(TaskId("t1"), "shop", first.id, started=True)
    mounted = GateVolume(VOLUME, MountState.MOUNTED, Serial(1), users=(Serial(1),))
    gates = {
        _vm(n): GateView(NodeId(f"n{n}"), _vm(n), BootId(f"boot-{n}"), 1.0, {VOLUME: mounted} if n == 1 else {})
        for n in (1, 2, 3)
    }
    return World(
        epoch=EPOCH,
        nodes={node.id: node for node in nodes},
        claims={VOLUME: Claim(VOLUME, first.id, (task,), services=("shop",))},
        volumes={VOLUME: record},
        attachments=(),
        power={},
        gates=gates,
    )


async def _read(stage: Stage) -> Stage:
    """What the storage and the hypervisor say now."""
    listing = await stage.driver.list_attachments()
    power = await stage.driver.power([_vm(1)]) if stage.at else {}
    stage.world = replace(stage.world, attachments=listing.attachments, power=power)
    return stage


async def play(stage: Stage, trouble: Trouble, say: Say, sleep: Sleep) -> bool:
    """Whether the volume moved. A second of the story is as long as ``sleep`` makes it."""
    say("Three nodes, one volume: service shop runs on node1, its disk is on VM vm-1.")
    stage.writers()
    await sleep(2.0)
    say(f"\nNow {_STORIES[trouble]}")
    _break(stage, trouble)
    await sleep(2.0)
    stage.at = NOTICED
    first = (stage.world.nodes or {})[NodeId("n1")]
    stage.world = node_died(stage.world, first, Power.UNKNOWN)
    await _read(stage)
    say(f"+{stage.at:5.1f} s  Swarm calls node1 down, and starts the task on another node. Its Mount waits there.\n")
    return await _decide(stage, say, sleep)


def _break(stage: Stage, trouble: Trouble) -> None:
    if trouble is Trouble.POWER:
        stage.storage.switch(_vm(1), Power.OFF)
    if trouble is Trouble.HOST:
        stage.storage.vms[_vm(1)].connected = False


async def _decide(stage: Stage, say: Say, sleep: Sleep) -> bool:
    told = None
    for _ in range(_MOST):
        (decision,) = plan(stage.world, stage.policy)
        if decision != told:
            told = decision
            say(f"+{stage.at:5.1f} s  {decision.action.kind:<12} {reason(decision.action)}")
            await sleep(1.0)
        action = decision.action
        if isinstance(action, Wait) and action.counting and action.until:
            stage.at += action.until
            stage.world = older(stage.world, action.until)
        elif action.quiet:
            return stage.writers() not in {(), (_vm(1),)}
        else:
            await _do(stage, action)
            stage.writers()
    return False


async def _do(stage: Stage, action: Action) -> None:
    """On the storage in memory where it is the storage's, else in the World."""
    match action:
        case Detach():
            stage.world = applied(stage.world, action)  # the record
            await stage.driver.detach([action.disk], action.vm, stage.world.epoch)
        case Attach():
            await stage.driver.attach([action.disk], action.vm, stage.world.epoch)
        case Fence():
            await stage.driver.power_off(action.vm)
        case _:
            stage.world = applied(stage.world, action)
    if isinstance(action, GrantMount):
        stage.storage.write(action.vm, stage.disk)
    await _read(stage)


def verdict(stage: Stage, *, moved: bool) -> str:
    where = ", ".join(stage.writers()) or "nobody"
    end = "The volume moved." if moved else "The volume stays where it is until there is proof, or a person's word."
    return f"\n{end} Who can write now: {where}. At most {stage.most_writers} VM could at any moment."
