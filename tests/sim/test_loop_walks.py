"""Random walks of the whole loop: real planner, executor and records in memory, faults and deaths at every call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import looptime
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from controller.api.node_registry import Believing
from controller.model import NodeId, Operation, VmId
from controller.planner.invariants import violations
from controller.planner.plan import plan
from controller.protocol.answers import Rejection
from controller.protocol.messages import CreateVolume
from controller.reconciler.reconciler import Planner
from controller.records import memory
from drivers import memory_storage
from tests.sim.beside import Beside
from tests.sim.careless import believed, without
from tests.sim.liar import lie, pose
from tests.sim.loop import RoughCluster

LARGE = os.environ.get("REBERTH_SEARCH") == "large"
CHANGING = (Operation.ATTACH, Operation.DETACH, Operation.POWER_OFF, Operation.CREATE, Operation.DELETE)
MENDED = 600.0  # seconds in which everything has to be served after the last fault


@dataclass(frozen=True)
class Event:
    """What happens, and the seconds until the next event."""

    what: str
    number: int  # says which node, and which volume
    pause: float
    call: int = 0
    after: bool = False
    storage: tuple[Operation | memory_storage.Reading, memory_storage.Fault] = (
        Operation.ATTACH,
        memory_storage.Fault.LATE,
    )
    record: tuple[memory.Call, memory.Fault] = (
        memory.Call.REPLACE_VOLUME,
        memory.Fault.LOST_AFTER,
    )


def _node(life: RoughCluster, event: Event) -> NodeId:
    nodes = list(life.gates)
    return nodes[event.number % len(nodes)]


def _crash(life: RoughCluster, event: Event) -> None:
    life.crash_node(_node(life, event))


def _boot(life: RoughCluster, event: Event) -> None:
    life.boot_node(_node(life, event))


def _cut(life: RoughCluster, event: Event) -> None:
    gate = life.gate(_node(life, event))
    gate.cut = not gate.cut


def _hide(life: RoughCluster, event: Event) -> None:
    vm = life.storage.vms[VmId(f"vm-{_node(life, event)}")]
    vm.connected = not vm.connected


def _slow(life: RoughCluster, event: Event) -> None:
    gate = life.gate(_node(life, event))
    gate.slow, gate.lingers = (0.0, 9.0) if event.after else (8.0, 0.0)


def _away(life: RoughCluster, _event: Event) -> None:
    life.storage.away = not life.storage.away


def _move(life: RoughCluster, event: Event) -> None:
    volume = life.names[event.call % len(life.names)]
    if volume in life.swarm.wants:
        life.place(volume, _node(life, event))


def _share(life: RoughCluster, event: Event) -> None:
    life.share(life.names[event.call % len(life.names)], anew=event.after)


def _remove(life: RoughCluster, event: Event) -> None:
    life.remove(life.names[event.call % len(life.names)])


def _storage(life: RoughCluster, event: Event) -> None:
    operation, fault = event.storage
    life.storage.fail(operation, fault)


def _record(life: RoughCluster, event: Event) -> None:
    call, fault = event.record
    life.processes[-1].controller.records.fail(call, fault)


def _kill(life: RoughCluster, event: Event) -> None:
    life.processes[-1].life.end_at(event.call, after=event.after)


def _lie(life: RoughCluster, event: Event) -> None:
    lie(life, _node(life, event))


def _pose(life: RoughCluster, event: Event) -> None:
    pose(life, life.names[event.call % len(life.names)], "" if event.after else "10.0.99.9")


def _stray(life: RoughCluster, event: Event) -> None:
    life.stray(life.names[event.call % len(life.names)])


def _miss(life: RoughCluster, event: Event) -> None:
    life.miss(_node(life, event))


def _rival(life: RoughCluster, _event: Event) -> None:
    life.spawn(life.take_over())


HAPPENS: dict[str, Callable[[RoughCluster, Event], None]] = {
    "crash": _crash, "boot": _boot, "cut": _cut, "hide": _hide, "slow": _slow, "away": _away, "move": _move,
    "storage": _storage, "record": _record, "kill": _kill, "rival": _rival, "remove": _remove,
    "lie": _lie, "pose": _pose, "stray": _stray, "share": _share, "miss": _miss,
}  # fmt: skip
WEIGHED = [*HAPPENS, "share", "record", *2 * ("crash", "move", "kill"), *3 * ("storage",)]
RECORD_CALLS = [memory.Call.VOLUMES, memory.Call.LEADERSHIP] + [memory.Call.REPLACE_VOLUME] * 3

EVENTS = st.builds(
    Event,
    what=st.sampled_from(WEIGHED),
    number=st.integers(0, 49),
    pause=st.sampled_from([0.0, 0.03, 0.2, 1.0, 6.0, 15.0, 40.0]),
    call=st.integers(0, 25),
    after=st.booleans(),
    storage=st.tuples(st.sampled_from([*CHANGING, *memory_storage.Reading]), st.sampled_from(memory_storage.Fault)),
    record=st.tuples(st.sampled_from(RECORD_CALLS), st.sampled_from(memory.Fault)),
)


async def _served(life: RoughCluster) -> None:
    """Until every volume is served, and still is after what was late has come."""
    for _ in range(int(MENDED / 5)):
        await asyncio.sleep(5)
        if not life.unserved():
            break
    await asyncio.sleep(20)
    assert life.unserved() == []


@dataclass(frozen=True)
class Laws:
    """
    What decides in a walk: the planner with its rules, and the registry's rules on who speaks for which VM. Without a
    planner: the real one, with the decisions that stand, checked beside one that decides anew.
    """

    planner: Planner | None = None
    believing: Believing = field(default_factory=Believing)


def lawless(rule: str) -> Laws:
    """All laws but one."""
    if rule in {"binding", "located"}:
        return Laws(believing=replace(Believing(), **{rule: believed}))  # type: ignore[arg-type]
    return Laws(planner=lambda index, _: plan(index.world, index.policy, without(rule)))


async def walk(size: tuple[int, int], events: list[Event], laws: Laws) -> None:
    """Nodes and volumes. A broken law ends it with an AssertionError."""
    async with asyncio.TaskGroup() as group:
        life = RoughCluster(group, volumes=size[1], nodes=size[0])
        beside = Beside()
        life.planner, life.believing = laws.planner or beside, laws.believing
        life.begin()
        await asyncio.sleep(2)
        for number, name in enumerate(life.names):
            made = await life.processes[-1].controller.volume_requests.create(CreateVolume(name, {"size": "1GiB"}))
            assert not isinstance(made, Rejection), made.why
            life.place(name, list(life.gates)[number % size[0]])
        await asyncio.sleep(10)
        for event in events:
            life.notice_fences()
            HAPPENS[event.what](life, event)
            await asyncio.sleep(event.pause)
        life.mend()
        await _served(life)
        look = life.processes[-1].controller.state.look
        assert look is not None
        assert violations(look.world) == ()
        assert life.judge.broken == []
        assert beside.differences == []
        assert laws.planner is not None or beside.stood > 0
        life.end()


def run(size: tuple[int, int], events: list[Event], laws: Laws = Laws()) -> None:
    """
    One walk in a time of its own: seconds cost nothing.

    Nothing is outside of it that could answer: so its clock goes on as soon as nobody has anything to do.
    """
    with capture_logs(), asyncio.Runner(loop_factory=partial(looptime.new_event_loop, noop_cycles=0)) as runner:
        runner.run(walk(size, events, laws))


SIZE = settings(
    max_examples=400 if LARGE else 15,
    derandomize=not LARGE,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
WALK = {
    "size": st.tuples(st.just(3), st.integers(1, 3)),
    "events": st.lists(EVENTS, max_size=30 if LARGE else 15),
}
WIDE = {
    "size": st.tuples(st.integers(5, 50), st.integers(20, 100)) if LARGE else st.just((8, 24)),
    "events": st.lists(EVENTS, min_size=5, max_size=30 if LARGE else 15),
}


@SIZE
@given(**WALK)
# Its machine is fenced between its gate's question and the mount.
@example((3, 2), [Event("crash", 0, 0.0), Event("boot", 0, 0.0), Event("miss", 0, 15.0)])
def test_whatever_fails_on_the_way_one_writes_and_in_the_end_the_claim_does(
    size: tuple[int, int], events: list[Event]
) -> None:
    """At no moment two VMs write or a writer loses its disk; once faults stop, every volume is where it should be."""
    run(size, events)


@settings(SIZE, max_examples=4 if LARGE else 2)
@given(**WIDE)
def test_the_same_holds_for_many_nodes_and_many_volumes(size: tuple[int, int], events: list[Event]) -> None:
    """Calls for one VM go together, and what fails for one volume fails for all of a call."""
    run(size, events)


SHORT = {  # for each rule the shortest walk on which a controller without it breaks a law
    "evidence": [Event("cut", 0, 0.0), Event("kill", 0, 15.0)],  # the next leader finds a writer whom nobody hears
    "holder": [Event("crash", 0, 40.0)],
    "seen_off": [Event("hide", 0, 0.0), Event("cut", 0, 15.0)],  # a host that the hypervisor does not see
    "in_doubt": [  # the driver meets a bug after its detach, which comes once more when the VM has the disk again
        Event("storage", 0, 0.0, storage=(Operation.DETACH, memory_storage.Fault.BROKEN)),
        Event("move", 1, 2.0),
        Event("move", 0, 15.0),
    ],
    "binding": [Event("cut", 0, 12.0), Event("lie", 0, 40.0)],  # a new node says: I am that VM, started again
    "located": [Event("pose", 0, 15.0)],  # a new node says: I am that VM, which is somebody else's
    "strangers": [  # the second service's next task, while the container of its last one takes its time to end
        Event("share", 0, 15.0, after=True),
        Event("slow", 0, 0.0, after=True),
        Event("share", 0, 15.0, after=True),
    ],
}


@pytest.mark.parametrize("rule", SHORT)
def test_a_short_walk_meets_what_a_controller_without_a_rule_does(rule: str) -> None:
    """The judges of the walks see it; with all rules nothing happens on the same walk."""
    run((3, 1), SHORT[rule])
    with pytest.raises(ExceptionGroup) as caught:
        run((3, 1), SHORT[rule], lawless(rule))
    assert caught.group_contains(AssertionError)


@pytest.mark.parametrize("rule", ["holder", *(["evidence", "seen_off"] if LARGE else [])])
def test_the_walks_meet_what_a_careless_planner_does(rule: str) -> None:
    """Random walks are worth something only if they reach trouble: with a planner that lacks a rule they do."""

    @settings(SIZE, max_examples=600, phases=[Phase.generate], report_multiple_bugs=False, derandomize=True)
    @given(**WALK)
    def careless(size: tuple[int, int], events: list[Event]) -> None:
        run(size, events, lawless(rule))

    with pytest.raises(ExceptionGroup) as caught:
        careless()
    assert caught.group_contains(AssertionError)


def test_a_copy_that_named_a_machine_while_it_was_off_does_not_silence_it_for_ever() -> None:
    run((3, 1), [Event("crash", 0, 40.0), Event("lie", 0, 0.03)])
