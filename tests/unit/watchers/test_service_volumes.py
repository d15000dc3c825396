"""A service keeps its volumes while it has no task."""

from __future__ import annotations

from controller.model import Spec, VolumeName
from tests.support.swarm_json import GIB, Json, mount, mounting, seen, service, task


def users(name: str, *services: Json, tasks: list[Json] | None = None) -> tuple[str, ...]:
    found = seen(tasks or [], list(services), {VolumeName(name): Spec(GIB)})
    claim = found.get(VolumeName(name))
    if claim is not None and not tasks:
        assert (claim.node, claim.tasks, claim.conflict) == (None, (), None)
    return () if claim is None else claim.services


def scaled(replicas: int, source: str = "pgdata", name: str = "pg", **changes: object) -> Json:
    return service(name, TaskTemplate=mounting(mount(source)), Mode={"Replicated": {"Replicas": replicas}}, **changes)


def test_a_service_scaled_to_0_is_a_user_of_its_volume() -> None:
    assert users("pgdata", scaled(0)) == ("pg",)


def test_a_volume_that_no_service_mentions_has_no_users() -> None:
    assert users("other", scaled(0), scaled(0, "othe{{.Task.Slot}}", "half")) == ()


def test_all_services_are_named_beside_those_with_tasks() -> None:
    assert users("pgdata", scaled(1), scaled(0, name="backup"), tasks=[task()]) == ("backup", "pg")


def test_a_slot_within_the_replicas_or_of_a_service_scaled_to_0_has_a_user() -> None:
    source = "data-{{.Task.Slot}}"

    assert users("data-2", scaled(2, source)) == ("pg",)
    assert users("data-2", scaled(0, source)) == ("pg",)


def test_the_volume_of_a_slot_that_was_scaled_away_may_go() -> None:
    assert users("data-3", scaled(2, "data-{{.Task.Slot}}")) == ()


def test_a_job_keeps_the_volumes_of_its_tasks_also_between_two_of_them() -> None:
    """Each has a slot of its own, and none is wanted when it has ended."""
    job = scaled(0, "part-{{.Task.Slot}}")
    job["Spec"]["Mode"] = {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 4}}

    assert users("part-3", job) == ("pg",)
    assert users("part-n1", job) == ("pg",), "the first one's"


def test_a_name_of_the_node_has_a_user_while_such_a_node_is_in_the_swarm() -> None:
    everywhere = service(TaskTemplate=mounting(mount("log-{{.Node.Hostname}}")), Mode={"Global": {}})

    assert users("log-swarm02", everywhere) == ("pg",)
    assert users("log-swarm09", everywhere) == ()


def test_an_external_volume_has_a_user_too() -> None:
    plain = {"Type": "volume", "Source": "pgdata", "Target": "/d"}

    assert users("pgdata", service(TaskTemplate=mounting(plain))) == ("pg",)


def test_volumes_of_other_drivers_are_not_ours_to_keep() -> None:
    assert users("pgdata", service(TaskTemplate=mounting(mount(driver="local")))) == ()
