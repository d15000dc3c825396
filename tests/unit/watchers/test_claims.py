"""Tasks and services -> who should have each volume."""

from __future__ import annotations

import pytest

from controller.model import Spec, VolumeName
from tests.support.swarm_json import (
    GIB,
    NODES,
    Json,
    conflict,
    mount,
    mounting,
    only,
    said,
    seen,
    service,
    task,
    task_ids,
)
from watchers.claims import Known, SwarmSnapshot, claims
from watchers.docker_json import (
    services_from,
    sortable_time,
    tasks_from,
)


def test_the_claims_of_one_snapshot_follow_the_records() -> None:
    """An external volume, of no driver that Swarm knows, is ours once there is a record of it."""
    raw = tasks_from(said(task(Spec={"ContainerSpec": {"Mounts": [mount(driver="")]}})))
    snapshot = SwarmSnapshot(NODES, None, services_from(said(service())), raw)

    assert list(snapshot.claims({})) == []
    assert list(snapshot.claims({VolumeName("pgdata"): Spec(GIB)})) == ["pgdata"]


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
    """Its container may mount it twice, which is no second container."""
    (wish,) = only(seen([task(Spec=mounting(mount(), mount()))])).tasks

    assert (wish.id, wish.mounts) == ("t1", 2)


def test_a_task_says_how_long_its_container_may_take_to_stop() -> None:
    """Whoever waits for its end is told until when: Docker's default where the service says nothing."""
    patient = {"ContainerSpec": {"Mounts": [mount()], "StopGracePeriod": 300_000_000_000}}

    assert only(seen([task(Spec=patient)])).tasks[0].stop_grace == 300.0
    assert only(seen([task()])).tasks[0].stop_grace == 10.0


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


def test_one_bad_volume_leaves_the_others_alone() -> None:
    found = seen([task(Spec=mounting(mount(), mount("wal", sise="1g")))])

    assert {name for name, claim in found.items() if claim.conflict} == {"wal"}


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


def test_a_claim_knows_the_constraints_of_its_service_however_they_are_spaced() -> None:
    template = {"ContainerSpec": {"Mounts": [mount()]}, "Placement": {"Constraints": ["node.labels.reberth != down"]}}
    found = claims(services_from(said(service(TaskTemplate=template))), tasks_from(said(task())), NODES, Known())
    assert found[VolumeName("pgdata")].tasks[0].constraints == ("node.labels.reberth!=down",)


@pytest.mark.parametrize(
    ("tasks", "replicas", "given_up"),
    [
        ([], 1, ("pg",)),
        ([task(DesiredState="shutdown", Status={"State": "failed"})], 1, ("pg",)),
        ([task(Status={"State": "failed"})], 1, ()),
        ([], 0, ()),
    ],
    ids=["no task", "its last task failed", "its task is being replaced", "scaled to 0"],
)
def test_a_service_that_asks_for_replicas_and_gets_no_task_any_more_was_given_up(
    tasks: list[Json], replicas: int, given_up: tuple[str, ...]
) -> None:
    """restart_policy max_attempts: copied everywhere, and the service is dead for good after an outage."""
    mounts = {"ContainerSpec": {"Mounts": [mount()]}}
    raw = service(TaskTemplate=mounts, Mode={"Replicated": {"Replicas": replicas}})
    known = Known({VolumeName("pgdata"): Spec(GIB)})
    found = claims(services_from(said(raw)), tasks_from(said(*tasks)), NODES, known)

    assert (only(found).services, only(found).given_up) == (("pg",), given_up)
