"""Docker's JSON -> nodes and claims: on answers recorded from a real dockerd 20.10.24, and on variations of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.model import Claim, FencePolicy, Node, NodeId, NodeState, Spec, VolumeName
from watchers.decode import Known, SwarmSnapshot, claims, decode_node, leader_of, may_mount
from watchers.docker_json import (
    DecodeError,
    Remembered,
    info_from,
    nodes_from,
    services_from,
    sortable_time,
    tasks_from,
)

RECORDED = Path(__file__).parents[1] / "fixtures" / "docker"
GIB = 1 << 30
Json = dict[str, Any]


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def said(*objects: Json) -> bytes:
    """A list as Docker sends it."""
    return json.dumps(objects).encode()


def node(name: str, hostname: str) -> Node:
    return Node(NodeId(name), hostname, NodeState.READY)


NODES = {found.id: found for found in (node("n1", "swarm01"), node("n2", "swarm02"))}


def service(name: str = "pg", **changes: Any) -> Json:
    return {"ID": f"id-{name}", "Spec": {"Name": name, "Mode": {"Replicated": {"Replicas": 1}}, **changes}}


def mount(source: str = "pgdata", driver: str = "reberth", **options: str) -> Json:
    return {
        "Type": "volume",
        "Source": source,
        "Target": "/d",
        "VolumeOptions": {"DriverConfig": {"Name": driver, "Options": options}},
    }


def task(name: str = "t1", on: str | None = "n1", **changes: Any) -> Json:
    """A running task of service pg; keys of the JSON can be changed."""
    made: Json = {
        "ID": name,
        "ServiceID": "id-pg",
        "Slot": 1,
        "DesiredState": "running",
        "CreatedAt": f"2026-01-01T00:00:0{name[-1]}Z",
        "Status": {"State": "running"},
        "Spec": {"ContainerSpec": {"Mounts": [mount()]}},
    }
    if on is not None:
        made["NodeID"] = on
    return made | changes


def mounting(*mounts: Json) -> Json:
    return {"ContainerSpec": {"Mounts": list(mounts)}}


def seen(
    tasks: list[Json],
    services: list[Json] | None = None,
    specs: Mapping[VolumeName, Spec] | None = None,
    holders: Mapping[VolumeName, str] | None = None,
) -> Mapping[VolumeName, Claim]:
    known = Known(specs or {}, holders or {})
    return claims(services_from(said(*(services or [service()]))), tasks_from(said(*tasks)), NODES, known)


def only(found: Mapping[VolumeName, Claim]) -> Claim:
    (claim,) = found.values()
    return claim


def task_ids(claim: Claim) -> list[str]:
    return [found.id for found in claim.tasks]


def conflict(found: Mapping[VolumeName, Claim]) -> str:
    said = only(found).conflict
    assert said is not None
    return said


# --- recorded answers


def test_a_real_node_is_decoded() -> None:
    (raw,) = nodes_from(recorded("nodes"))

    assert decode_node(raw) == Node(
        id=NodeId("vrwv0nkbolch83n2y0iixnahv"),
        hostname="swarm01",
        state=NodeState.READY,
        manager=True,
        available=True,
        address="127.0.0.1",
    )
    assert leader_of([raw]) == "vrwv0nkbolch83n2y0iixnahv"


def test_real_info_tells_the_own_node() -> None:
    swarm = info_from(recorded("info")).swarm

    assert (swarm.node_id, swarm.control_available) == ("vrwv0nkbolch83n2y0iixnahv", True)


def test_real_services_that_may_mount_volumes_of_ours_are_found() -> None:
    names = {found.spec.name for found in services_from(recorded("services")) if may_mount(found)}

    assert names == {"shop_pg", "shards", "everywhere", "eager", "outside", "crashing"}


def test_real_tasks_in_the_middle_of_an_update_give_one_claim_for_each_volume() -> None:
    nodes = {raw.id: decode_node(raw) for raw in nodes_from(recorded("nodes"))}
    external = {VolumeName("external"): Spec(GIB)}
    found = claims(
        services_from(recorded("services")),
        tasks_from(recorded("tasks")),
        {NodeId(name): value for name, value in nodes.items()},
        Known(external),
    )

    assert set(found) == {"pgdata", "data-1", "data-2", "log-swarm01", "eager", "external", "crash"}
    assert {name for name, claim in found.items() if claim.conflict} == {"eager"}
    assert {name for name, claim in found.items() if claim.node is None} == {"data-1", "data-2"}
    # The old task still runs, but is wanted no more: the claim is the new one, which is not started yet.
    assert [(made.service, made.created) for made in found[VolumeName("pgdata")].tasks] == [
        ("shop_pg", "2026-11-22T15:59:15.526041160Z")
    ]


# --- nodes


@pytest.mark.parametrize("state", list(NodeState))
def test_every_node_state_of_swarm_is_known(state: NodeState) -> None:
    (raw,) = nodes_from(said({"ID": "n1", "Status": {"State": state.value}}))

    assert decode_node(raw).state is state


def test_a_node_state_that_swarm_may_invent_is_not_down() -> None:
    (raw,) = nodes_from(said({"ID": "n1", "Status": {"State": "melted"}}))

    assert decode_node(raw).state is NodeState.UNKNOWN


@pytest.mark.parametrize(("availability", "available"), [("active", True), ("pause", False), ("drain", False)])
def test_only_an_active_node_is_available(availability: str, available: bool) -> None:
    (raw,) = nodes_from(said({"ID": "n1", "Spec": {"Availability": availability, "Role": "worker"}}))

    assert (decode_node(raw).available, decode_node(raw).manager) == (available, False)


def test_a_managers_address_is_the_one_that_others_reach() -> None:
    status = {"Addr": "10.0.0.5:2377", "Leader": False, "Reachability": "reachable"}
    (raw,) = nodes_from(said({"ID": "n1", "Status": {"Addr": "0.0.0.0"}, "ManagerStatus": status}))

    assert (decode_node(raw).address, leader_of([raw])) == ("10.0.0.5", None)


def test_an_answer_of_another_form_is_told() -> None:
    with pytest.raises(DecodeError, match="/nodes"):
        nodes_from(said({"id": "n1"}))


def test_only_an_answer_that_changed_is_read_again() -> None:
    answers: list[bytes] = []

    def note(answer: bytes) -> str:
        answers.append(answer)
        return answer.decode()

    read = Remembered(note)

    assert [read(b"a"), read(b"a"), read(b"b"), read(b"a")] == ["a", "a", "b", "a"]
    assert answers == [b"a", b"b", b"a"]


def test_the_claims_of_one_snapshot_follow_the_records() -> None:
    """An external volume, of no driver that Swarm knows, is ours once there is a record of it."""
    raw = tasks_from(said(task(Spec={"ContainerSpec": {"Mounts": [mount(driver="")]}})))
    snapshot = SwarmSnapshot(NODES, None, services_from(said(service())), raw)

    assert list(snapshot.claims({})) == []
    assert list(snapshot.claims({VolumeName("pgdata"): Spec(GIB)})) == ["pgdata"]


# --- which task claims


def test_a_running_task_claims_its_volume_for_its_node() -> None:
    claim = only(seen([task()]))

    assert (claim.volume, claim.node, task_ids(claim), claim.conflict) == ("pgdata", "n1", ["t1"], None)


def test_a_task_without_a_node_claims_without_a_node() -> None:
    claim = only(seen([task(on=None, Status={"State": "pending"})]))

    assert (claim.node, claim.tasks[0].node) == (None, None)


@pytest.mark.parametrize("desired", ["ready", "accepted", "complete"])
def test_a_task_that_is_about_to_run_claims(desired: str) -> None:
    assert task_ids(only(seen([task(DesiredState=desired, Status={"State": "preparing"})]))) == ["t1"]


@pytest.mark.parametrize("desired", ["shutdown", "remove"])
def test_a_task_that_is_wanted_no_more_does_not_claim_though_it_is_seen_running(desired: str) -> None:
    assert seen([task(DesiredState=desired)]) == {}


@pytest.mark.parametrize("state", ["complete", "shutdown", "failed", "rejected", "remove", "orphaned"])
def test_a_task_that_ended_does_not_claim(state: str) -> None:
    assert seen([task(Status={"State": state})]) == {}


def test_during_a_move_the_claim_is_the_new_task_and_no_conflict() -> None:
    """The old node is dead: its task stays seen running for hours."""
    claim = only(seen([task("t1", DesiredState="shutdown"), task("t2", on="n2", Status={"State": "assigned"})]))

    assert (claim.node, task_ids(claim), claim.conflict) == ("n2", ["t2"], None)


def test_of_two_wanted_tasks_of_one_slot_the_newest_claims() -> None:
    times = {"t1": "2026-01-01T00:00:01.5Z", "t2": "2026-01-01T00:00:01.25Z"}
    found = seen([task(name, CreatedAt=created) for name, created in times.items()])

    assert task_ids(only(found)) == ["t1"]


def test_a_task_of_a_service_that_is_gone_does_not_claim() -> None:
    assert seen([task(ServiceID="gone")]) == {}


def test_two_services_on_one_node_share_a_volume_newest_first() -> None:
    both = [task("t1"), task("t2", ServiceID="id-backup")]
    claim = only(seen(both, [service(), service("backup")]))

    assert (claim.node, task_ids(claim), claim.conflict) == ("n1", ["t2", "t1"], None)


def test_two_mounts_of_one_volume_in_one_task_are_one_wish() -> None:
    assert task_ids(only(seen([task(Spec=mounting(mount(), mount()))]))) == ["t1"]


def test_a_task_with_two_volumes_claims_both() -> None:
    assert set(seen([task(Spec=mounting(mount("data"), mount("wal")))])) == {"data", "wal"}


@pytest.mark.parametrize("driver", ["local", "reberth2", "vsphere:latest", "reberth:dev"])
def test_volumes_of_other_drivers_are_not_ours(driver: str) -> None:
    assert seen([task(Spec=mounting(mount(driver=driver)))]) == {}


def test_a_bind_mount_is_not_ours() -> None:
    assert seen([task(Spec=mounting(mount() | {"Type": "bind"}))]) == {}


def test_the_plugins_full_reference_is_our_driver_too() -> None:
    assert set(seen([task(Spec=mounting(mount(driver="reberth:latest")))])) == {"pgdata"}


def test_an_external_volume_is_ours_when_there_is_a_record_of_it() -> None:
    plain = {"Type": "volume", "Source": "pgdata", "Target": "/d"}

    assert seen([task(Spec=mounting(plain))]) == {}
    assert set(seen([task(Spec=mounting(plain))], specs={VolumeName("pgdata"): Spec(GIB)})) == {"pgdata"}


def test_each_replica_claims_the_volume_of_its_slot() -> None:
    spec = mounting(mount("data-{{.Task.Slot}}"))
    both = [task("t1", Spec=spec), task("t2", on="n2", Slot=2, Spec=spec)]
    found = seen(both, [service(Mode={"Replicated": {"Replicas": 2}})])

    assert {name: (claim.node, claim.conflict) for name, claim in found.items()} == {
        "data-1": ("n1", None),
        "data-2": ("n2", None),
    }


def test_a_name_that_depends_on_the_node_is_claimed_once_the_node_is_known() -> None:
    spec = mounting(mount("log-{{.Node.Hostname}}"))

    assert seen([task(on=None, Spec=spec)]) == {}
    assert set(seen([task(Spec=spec)])) == {"log-swarm01"}


def test_each_node_of_a_global_service_claims_its_own() -> None:
    spec = mounting(mount("log-{{.Node.Hostname}}"))
    both = [task("t1", Slot=0, Spec=spec), task("t2", on="n2", Slot=0, Spec=spec)]

    assert set(seen(both, [service(Mode={"Global": {}})])) == {"log-swarm01", "log-swarm02"}


# --- conflicts


def test_a_fixed_name_in_a_global_service_on_two_nodes_is_a_conflict() -> None:
    both = [task("t1", Slot=0), task("t2", on="n2", Slot=0)]

    assert "wanted on 2 nodes" in conflict(seen(both, [service(Mode={"Global": {}})]))


@pytest.mark.parametrize("started", [["t1"], ["t1", "t2"]], ids=len)
def test_replicas_on_one_volume_are_a_conflict_also_before_the_second_one_starts(started: list[str]) -> None:
    tasks = [task(name, Slot=slot) for slot, name in enumerate(started, start=1)]
    said = conflict(seen(tasks, [service(Mode={"Replicated": {"Replicas": 2}})]))

    assert "runs 2 replicas on this one volume: set replicas: 1, or put {{.Task.Slot}}" in said


def test_replicas_that_meet_on_one_node_under_a_name_of_the_node_are_a_conflict() -> None:
    spec = mounting(mount("log-{{.Node.Hostname}}"))
    both = [task("t1", Spec=spec), task("t2", Slot=2, Spec=spec)]

    assert "runs 2 replicas" in conflict(seen(both, [service(Mode={"Replicated": {"Replicas": 2}})]))


@pytest.mark.parametrize("section", ["UpdateConfig", "RollbackConfig"])
def test_start_first_is_a_conflict_that_names_the_section(section: str) -> None:
    changed = service()
    changed["Spec"][section] = {"Order": "start-first"}
    said = conflict(seen([task()], [changed]))

    assert "order: stop-first in deploy." + {"UpdateConfig": "update", "RollbackConfig": "rollback"}[section] in said


def test_stop_first_is_none() -> None:
    assert only(seen([task()], [service(UpdateConfig={"Order": "stop-first"})])).conflict is None


def test_bad_options_are_a_conflict_before_there_is_a_record() -> None:
    assert "did you mean 'size'?" in conflict(seen([task(Spec=mounting(mount(sise="1g")))]))


def test_other_options_than_the_records_are_a_conflict() -> None:
    specs = {VolumeName("pgdata"): Spec(GIB, policy=FencePolicy.HOLD)}

    assert "with other options" in conflict(seen([task(Spec=mounting(mount(size="2g")))], specs=specs))


def test_the_same_options_as_the_records_are_none() -> None:
    specs = {VolumeName("pgdata"): Spec(GIB, policy=FencePolicy.HOLD)}

    assert only(seen([task(Spec=mounting(mount(size="1g", policy="hold")))], specs=specs)).conflict is None


def test_an_option_with_a_template_is_expanded() -> None:
    labelled = service(Labels={"size": "2g"})
    spec = mounting(mount(size="{{.Service.Labels.size}}"))

    assert only(seen([task(Spec=spec)], [labelled], {VolumeName("pgdata"): Spec(2 * GIB)})).conflict is None


@pytest.mark.parametrize(
    ("source", "why"),
    [('{{join "-" "a" "b"}}', "not supported"), ("a" * 256, "1 to 255 characters"), ("a\tb", "control characters")],
    ids=["function", "long", "control"],
)
def test_a_name_that_cannot_be_told_is_a_conflict_under_the_name_as_written(source: str, why: str) -> None:
    found = seen([task(Spec=mounting(mount(source)))])

    assert set(found) == {source}
    assert why in conflict(found)


def test_one_bad_volume_leaves_the_others_alone() -> None:
    found = seen([task(Spec=mounting(mount(), mount("wal", sise="1g")))])

    assert {name for name, claim in found.items() if claim.conflict} == {"wal"}


# --- times


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("2026-01-01T00:00:01.25Z", "2026-01-01T00:00:01.5Z"), ("2026-01-01T00:00:01Z", "2026-01-01T00:00:01.1Z")],
)
def test_times_without_trailing_zeros_sort_by_time(earlier: str, later: str) -> None:
    assert sortable_time(earlier) < sortable_time(later)


def test_a_claim_on_a_node_that_is_not_listed_names_its_id() -> None:
    both = [task("t1", on="n9", Slot=0), task("t2", Slot=0)]
    found = seen(both, [service(Mode={"Global": {}})])

    assert "pg on n9" in conflict(found)
