"""How far an upgrade is, what comes next, and why to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from controller.doctor.findings import Facts
from controller.doctor.upgrading import examined
from controller.model import (
    DiskId,
    Epoch,
    HistoryEntry,
    Intent,
    Moment,
    NodeId,
    Operation,
    PausedPart,
    Phase,
    Restoring,
    Snapshot,
    Snapshots,
    SnapshotState,
    Source,
    VolumeName,
)
from controller.protocol.views import UpgradeView, VolumeLine
from tests.support.healthy_swarm import (
    DATA,
    DB,
    HEALTHY,
    KEEPER,
    RECORD,
    Fault,
    also,
    described,
    one_node,
    own,
    reported,
    spec,
    swarm,
    update_failed,
    without_report,
    world,
)
from watchers.docker_json import ManagerStatus, NodeStatus, TaskStatus
from watchers.swarm_facts import Platform, ServiceFacts, TaskContainer, TaskFacts, TaskSpec

NOW = 1_700_000_000.0
FINE = VolumeLine("data", "w1", "vm-w1", "ok", "")
NEW, OLD = "reg/reberth:2@sha256:0123456789abcdef", "reg/reberth:1@sha256:ffff"
RUNNING = TaskStatus("running")


def service(role: str, image: str) -> ServiceFacts:
    found = own(role)
    container = msgspec.structs.replace(found.task.container_spec, image=image)
    task = msgspec.structs.replace(found.task, container_spec=container)
    return msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, task_template=task))


def task(role: str, node: str, image: str = NEW, state: str = "running") -> TaskFacts:
    return TaskFacts(role, node, "running", TaskStatus(state), TaskSpec(TaskContainer(image)))


CONTROLLERS = tuple(task("controller", name) for name in ("m1", "m2", "m3"))
NODES = tuple(task("node", name) for name in ("m1", "m2", "m3", "w1"))
DONE: Facts = swarm(
    services=(service("controller", NEW), service("node", NEW), DB, KEEPER), tasks=(*CONTROLLERS, *NODES)
)(HEALTHY)


def old_task(role: str, node: str) -> Fault:
    """A task that was not exchanged yet."""

    def fault(facts: Facts) -> Facts:
        kept = tuple(each for each in facts.swarm.tasks if (each.service_id, each.node_id) != (role, node))
        return swarm(tasks=(*kept, task(role, node, OLD)))(facts)

    return fault


def without_task(role: str, node: str) -> Fault:
    return lambda facts: swarm(
        tasks=tuple(each for each in facts.swarm.tasks if (each.service_id, each.node_id) != (role, node))
    )(facts)


def look(facts: Facts, *lines: VolumeLine, growing: Sequence[str] = ()) -> UpgradeView:
    return examined(facts, NodeId("m1"), lines or (FINE,), growing, NOW)


def parts(found: UpgradeView) -> dict[tuple[str, str], tuple[str, str]]:
    """Those that are not current."""
    return {(each.part, each.node): (each.state, each.why) for each in found.parts if each.state != "current"}


def states(found: UpgradeView) -> list[str]:
    return [each.state for each in found.steps]


def test_where_all_run_one_version_nothing_is_to_be_waited_for() -> None:
    found = look(DONE)
    assert (found.verdict, found.holds, states(found), parts(found)) == ("done", (), ["done"] * 3, {})
    assert [each.part for each in found.steps] == ["controllers", "node services", "gates"]
    assert (found.version, found.holder) == ("0.1.0", "m1")


def test_versions_and_images_are_told_as_far_as_they_are_known() -> None:
    """Of controllers only the acting one tells its version; digests are shortened."""
    told = {(each.part, each.node): (each.version, each.image) for each in look(DONE).parts}
    assert told["controller", "m1"] == ("0.1.0", "reg/reberth:2@sha256:0123456789ab")
    assert told["controller", "m2"] == ("", "reg/reberth:2@sha256:0123456789ab")
    assert told["gate", "w1"] == ("0.1.0", "")
    assert len(told) == 3 + 4 + 4


def test_what_comes_first_is_now_and_what_comes_after_it_later() -> None:
    found = look(also(old_task("controller", "m2"), old_task("node", "w1"))(DONE))
    assert (found.verdict, states(found)) == ("go on", ["now", "later", "done"])
    assert found.steps[0].text == "m2: `docker service ps --no-trunc reberth_controller` shows how far Swarm is"
    assert set(parts(found)) == {("controller", "m2"), ("node service", "w1")}
    assert "reberth_node is to run reg/reberth:2" in parts(found)["node service", "w1"][1]


def test_a_gate_waits_for_the_containers_that_its_node_service_names() -> None:
    why = "running, an upgrade waits until the containers that use its volumes have ended: db.1"
    found = look(also(reported("w1", gate=why, gate_version="0.0.9"))(DONE))
    assert (found.verdict, states(found)) == ("go on", ["done", "done", "now"])
    assert parts(found) == {("gate", "w1"): ("waits", why)}
    assert "`reberth evacuate w1`" in found.steps[2].text


@pytest.mark.parametrize(
    ("fault", "state", "why"),
    [
        (reported("w1", gate_version="0.0.9"), "waits", "it follows its node service"),
        (reported("w1", gate_version=""), "unknown", "has not spoken"),
        (without_report, "unknown", "was not heard yet"),
        (one_node("w1", lambda n: msgspec.structs.replace(n, status=NodeStatus("down"))), "unknown", "is back"),
    ],
    ids=["older", "silent", "unheard", "down"],
)
def test_a_gate_that_is_not_surely_current_is_told_as_that(fault: Fault, state: str, why: str) -> None:
    found = look(fault(DONE))
    assert found.verdict == "go on"
    assert parts(found)["gate", "w1"][0] == state
    assert why in parts(found)["gate", "w1"][1]


def test_gates_that_are_newer_make_the_acting_controller_wait_not_themselves() -> None:
    found = look(reported("w1", gate_version="0.2.0")(DONE))
    assert set(parts(found)) == {("controller", "m1")}
    assert states(found) == ["now", "done", "done"]
    assert "gates are newer: w1" in parts(found)["controller", "m1"][1]


def test_a_manager_without_a_controller_waits_and_a_drained_one_is_no_part() -> None:
    bare = without_task("controller", "m2")(DONE)
    assert "no task of reberth_controller runs there" in parts(look(bare))["controller", "m2"][1]
    drained = spec("m2", availability="drain")(bare)
    assert parts(look(drained)) == {}
    assert ("controller", "m2") not in {(each.part, each.node) for each in look(drained).parts}


def test_a_drained_node_has_no_node_service_and_its_older_gate_waits_for_the_node() -> None:
    """Swarm takes the task of a global service from a node that is drained; its gate stays."""
    drained = also(spec("w1", availability="drain"), without_task("node", "w1"))(DONE)
    assert (look(drained).verdict, parts(look(drained))) == ("done", {})
    older = look(reported("w1", gate_version="0.0.9")(drained))
    assert parts(older) == {("gate", "w1"): ("waits", "its node is drained or paused: until it is active again")}
    assert "active" not in parts(look(reported("w1", gate_version="0.0.9")(DONE)))["gate", "w1"][1]


def test_parts_stand_in_the_order_of_their_nodes_names() -> None:
    nodes = [each.node for each in look(swarm(nodes=DONE.swarm.nodes[::-1])(DONE)).parts]
    assert nodes == ["m1", "m2", "m3", *("m1", "m2", "m3", "w1") * 2]


def test_a_task_that_starts_still_is_not_there_yet() -> None:
    starting = swarm(tasks=(*CONTROLLERS, *NODES[:3], task("node", "w1", NEW, "starting")))(DONE)
    assert set(parts(look(starting))) == {("node service", "w1")}


def test_a_node_that_is_no_linux_has_no_gate_and_no_node_service() -> None:
    assert "w1" not in {each.node for each in look(described("w1", platform=Platform("windows"))(DONE)).parts}


def test_without_our_services_nothing_is_called_current() -> None:
    found = look(swarm(services=(DB, KEEPER))(DONE))
    assert states(found) == ["now", "later", "done"]
    assert {each.state for each in found.parts if each.part != "gate"} == {"unknown"}


def record(**changes: object) -> Fault:
    return world(volumes={DATA: replace(RECORD, **changes)})  # type: ignore[arg-type]


SOURCE = Source(VolumeName("src"), DiskId("s"), "uuid", "label")
WANTED = Snapshot("nightly", "0a1b", SnapshotState.WANTED, 0.0, 1)
UNREACHABLE = one_node("m2", lambda n: msgspec.structs.replace(n, manager_status=ManagerStatus(False, "unreachable")))
DOWN = one_node("m2", lambda n: msgspec.structs.replace(n, status=NodeStatus("down")))


@pytest.mark.parametrize(
    ("fault", "hold"),
    [
        (lambda facts: replace(facts, world=None), "has not looked"),
        (world(unread=("vCenter does not answer",)), "vCenter does not answer"),
        (world(paused="works"), "`reberth resume`"),
        (world(paused_parts=(PausedPart("works", volume=DATA),)), "`reberth resume --volume data`"),
        (UNREACHABLE, "Manager m2 is not there"),
        (DOWN, "Manager m2 is not there"),
        (
            record(phase=Phase.CREATING, spec=replace(RECORD.spec, source=SOURCE)),
            "a copy of src",
        ),
        (record(snapshots=Snapshots((WANTED,))), "is being copied for a snapshot"),
        (record(snapshots=Snapshots((), Restoring("nightly", "4e5f"))), "or restored from one"),
        (record(intent=Intent(Operation.DETACH, Epoch(3))), "an end of its detach"),
        (record(history=(HistoryEntry(Moment.GROWN, NOW - 59, Epoch(3), ""),)), "made larger"),
    ],
    ids=[
        "no look",
        "unread",
        "paused",
        "part",
        "unreachable",
        "down",
        "copy",
        "snapshot",
        "restore",
        "intent",
        "grown",
    ],
)
def test_what_is_under_way_or_away_is_waited_for_and_said(fault: Fault, hold: str) -> None:
    found = look(fault(DONE))
    assert found.verdict == "wait"
    assert len(found.holds) == 1
    assert hold in found.holds[0]


def test_a_volume_that_grew_long_ago_holds_nothing() -> None:
    assert look(record(history=(HistoryEntry(Moment.GROWN, NOW - 61, Epoch(3), ""),))(DONE)).holds == ()


def test_a_disk_that_grows_now_is_waited_for() -> None:
    assert look(DONE, growing=("data",)).holds == ("Volume data is being made larger.",)


@pytest.mark.parametrize("state", ["starting", "working", "waiting", "ALARM", "unknown"])
def test_a_volume_that_moves_or_waits_is_waited_for_with_its_reason(state: str) -> None:
    found = look(DONE, VolumeLine("data", "", "", state, "node w1 is down"))
    assert found.holds == (f"Volume data is {state}: node w1 is down",)


def test_a_pause_of_everything_is_said_once_and_not_again_of_each_volume() -> None:
    waits = VolumeLine("data", "", "", "waiting", "Reberth is paused")
    assert len(look(world(paused="works")(DONE), waits).holds) == 1
    assert len(look(world(paused="works")(DONE), msgspec.structs.replace(waits, state="ALARM")).holds) == 2


@pytest.mark.parametrize("state", ["ok", "kept", "refused", "paused"])
def test_a_volume_with_which_nothing_happens_is_not_waited_for(state: str) -> None:
    assert look(DONE, VolumeLine("data", "", "", state, "why")).verdict == "done"


def test_an_update_that_got_stuck_is_seen_to_first() -> None:
    (hold,) = look(update_failed(DONE)).holds
    assert "reberth_node did not go through (paused: task failed)" in hold
