"""Claims that are worked out from what changed are those that are worked out anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.model import Node, NodeId, NodeState, Spec, VolumeName
from tests.support.swarm_json import GIB, NODES, Json, mount, mounting, node, said, service, task
from watchers.claims import Claimant, Known, claims
from watchers.docker_json import services_from, tasks_from

NAMES = ("pg", "backup", "log")
SOURCES = ("pgdata", "wal", "log-{{.Node.Hostname}}", "data-{{.Task.Slot}}", "bad name", "x-{{.Service.Labels.stage}}")
VOLUMES = tuple(map(VolumeName, ("pgdata", "wal", "log-swarm01", "data-1", "data-2", "x-a")))


def either(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


MOUNTS = st.lists(
    st.builds(
        lambda source, driver, size: mount(source, driver, **({"size": size} if size else {})),
        either(*SOURCES),
        either("reberth", "", "local"),
        either("", "1g", "2g", "{{.Node.ID}}"),
    ),
    max_size=2,
)


def _service(name: str, replicas: int | None, mounts: list[Json], stage: str, order: str) -> Json:
    mode: Json = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    labels = {"stage": stage} if stage else {}
    spec = {"Mode": mode, "Labels": labels, "TaskTemplate": mounting(*mounts), "UpdateConfig": {"Order": order}}
    return service(name, **spec) | {"CreatedAt": f"2026-01-01T00:00:0{len(name)}Z"}


SERVICES = st.lists(
    st.builds(_service, either(*NAMES), either(None, 0, 1, 2), MOUNTS, either("", "a"), either("", "start-first")),
    max_size=3,
    unique_by=lambda each: each["ID"],
)


def _task(number: int, name: str, on: str | None, slot: int, states: tuple[str, str], mounts: list[Json]) -> Json:
    changes: Json = {"ServiceID": f"id-{name}", "Slot": slot, "DesiredState": states[0], "Status": {"State": states[1]}}
    return task(f"t{number}", on, **changes, Spec=mounting(*mounts))


TASKS = st.lists(
    st.builds(
        _task,
        st.integers(0, 9),
        either(*NAMES),
        either(None, "n1", "n2", "n3"),
        either(0, 1, 2),
        either(("running", "running"), ("running", "pending"), ("ready", "ready"), ("shutdown", "running")),
        MOUNTS,
    ),
    max_size=4,
    unique_by=lambda each: each["ID"],
)
SPECS = st.dictionaries(either(*VOLUMES), either(Spec(GIB), Spec(2 * GIB)))
HOLDERS = st.dictionaries(either(*VOLUMES), either(*NAMES))
DOWN = {name: replace(each, state=NodeState.DOWN) for name, each in NODES.items()}
NODE_LISTS = either(
    NODES, DOWN, NODES | {NodeId("n3"): node("n3", "swarm01")}, {NodeId("n1"): node("n1", "renamed")}, {}
)
PARTS = {"services": SERVICES, "tasks": TASKS, "nodes": NODE_LISTS, "specs": SPECS, "holders": HOLDERS}


@given(st.lists(st.lists(either(*PARTS), max_size=2), min_size=1, max_size=6), st.data())
def test_after_any_changes_the_claims_are_those_of_who_knows_nothing_of_before(
    changes: list[list[str]], data: st.DataObject
) -> None:
    again = Claimant()
    now: dict[str, Any] = {name: data.draw(each, name) for name, each in PARTS.items()}
    for changed in changes:
        now |= {name: data.draw(PARTS[name], name) for name in changed}
        services, tasks = said(*now["services"]), said(*now["tasks"])
        known = Known(dict(now["specs"]), dict(now["holders"]))
        anew = claims(services_from(services), tasks_from(tasks), now["nodes"], known)

        assert again(services_from(services), tasks_from(tasks), now["nodes"], known) == anew


def _asked(again: Claimant, tasks: list[Json], nodes: dict[NodeId, Node] = NODES) -> Any:
    services = [service("pg"), service("backup")]
    return again(
        services_from(said(*services)), tasks_from(said(*tasks)), nodes, Known({VolumeName("pgdata"): Spec(GIB)})
    )


def test_a_node_that_goes_down_gives_the_very_same_claims() -> None:
    again, running = Claimant(), [task()]

    assert _asked(again, running) is _asked(again, running, DOWN)


def test_a_node_that_gets_another_name_changes_the_names_that_speak_of_it() -> None:
    again, named = Claimant(), [task(Spec=mounting(mount("log-{{.Node.Hostname}}")))]
    renamed = {name: replace(each, hostname="renamed") for name, each in NODES.items()}

    assert set(_asked(again, named)) >= {"log-swarm01"}
    assert set(_asked(again, named, renamed)) >= {"log-renamed"}


def test_a_task_of_another_service_leaves_a_claim_the_very_same() -> None:
    again, other = Claimant(), mounting(mount("wal"))
    before = _asked(again, [task(), task("t2", ServiceID="id-backup", Spec=other)])
    after = _asked(again, [task(), task("t3", ServiceID="id-backup", Spec=other)])

    assert after["pgdata"] is before["pgdata"]
    assert [each.id for each in after["wal"].tasks] == ["t3"]
