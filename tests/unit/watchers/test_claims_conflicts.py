"""Tasks that cannot all have what they mount: the claim says why."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from controller.model import Claim, FencePolicy, Spec, VolumeName
from tests.support.swarm_json import (
    GIB,
    Json,
    conflict,
    mount,
    mounting,
    only,
    seen,
    service,
    task,
    task_ids,
)


def test_during_a_move_the_claim_is_the_new_task_and_no_conflict() -> None:
    """The old node is dead: its task stays seen running for hours."""
    claim = only(seen([task("t1", DesiredState="shutdown"), task("t2", on="n2", Status={"State": "assigned"})]))

    assert (claim.node, task_ids(claim), claim.conflict) == ("n2", ["t2"], None)


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


def both_of(mode: Json, first: int = 0, second: int = 0) -> Mapping[VolumeName, Claim]:
    tasks = [task("t1", on="n1", Slot=first), task("t2", on="n2", Slot=second)]
    return seen(tasks, [service(Mode=mode)])


@pytest.mark.parametrize("mode", [{"Global": {}}, {"GlobalJob": {}}])
def test_a_global_service_on_one_volume_is_told_that_it_is_global_and_what_to_do(mode: Json) -> None:
    assert "is global, with a task for each node" in conflict(both_of(mode))
    assert "mode: replicated" in conflict(both_of(mode))
    assert only(seen([task(Slot=0)], [service(Mode=mode)])).conflict is None, "on one node only"


def test_a_job_with_several_tasks_at_once_on_one_volume_is_told_how_to_run_one_after_the_other() -> None:
    mode = {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 4}}
    assert "--max-concurrent 1" in conflict(both_of(mode, 1, 2))
    assert only(seen([task(Slot=3)], [service(Mode=mode)])).conflict is None


@pytest.mark.parametrize("source", ["log-{{.Task.ID}}", "{{ .Task.Name }}"])
def test_a_name_that_only_one_task_ever_has_is_a_conflict(source: str) -> None:
    """What takes its place would begin with an empty volume."""
    assert "use a name without .Task.ID and .Task.Name" in conflict(seen([task(Spec=mounting(mount(source)))]))


def test_a_job_s_first_task_gets_no_volume_by_its_slot() -> None:
    """Swarm counts them from 0, and has the node's ID for that: on another node it would begin empty."""
    spec = mounting(mount("part-{{.Task.Slot}}"))
    job = service(Mode={"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}})
    assert "another, empty one on each node" in conflict(seen([task(Slot=0, Spec=spec)], [job]))
    assert only(seen([task(Slot=1, Spec=spec)], [job])).conflict is None
    assert only(seen([task(Slot=0, Spec=spec)], [service(Mode={"Global": {}})])).conflict is None


def test_what_a_second_mount_of_the_volume_says_counts_like_the_first() -> None:
    """Docker makes it with what one of them says, and the other would be silently something else."""
    specs = {VolumeName("pgdata"): Spec(GIB)}
    both = task(Spec=mounting(mount(size="1g"), mount(size="2g")))
    assert "size is 1073741824 bytes and not 2147483648" in conflict(seen([both], specs=specs))
    assert "did you mean 'size'?" in conflict(seen([task(Spec=mounting(mount(size="1g"), mount(sise="1g")))]))
    assert "not supported" in conflict(seen([task(Spec=mounting(mount(size="1g"), mount(size="{{.Size}}")))]))
    assert only(seen([task(Spec=mounting(mount(size="1g"), mount(driver="")))], specs=specs)).conflict is None
