"""With which options each node's Docker may make a volume: what the specs of the tasks on it say."""

from __future__ import annotations

import json
from typing import Any

from controller.model import Node, NodeId, NodeState, Spec, VolumeName
from watchers.claims import Known, claims
from watchers.docker_json import services_from, tasks_from

NODES = {NodeId(name): Node(NodeId(name), f"host-{name}", NodeState.READY) for name in ("n1", "n2")}


def task(service: str, on: str, source: str = "data", **options: str) -> dict[str, Any]:
    driver = {"Name": "reberth", "Options": options}
    mount = {"Type": "volume", "Source": source, "Target": "/d", "VolumeOptions": {"DriverConfig": driver}}
    return {
        "ID": f"t-{service}-{on}",
        "ServiceID": service,
        "NodeID": on,
        "DesiredState": "running",
        "CreatedAt": "2026-01-01T00:00:00Z",
        "Status": {"State": "preparing"},
        "Spec": {"ContainerSpec": {"Mounts": [mount]}},
    }


def test_each_node_may_ask_what_its_own_tasks_say_also_where_they_will_not_get_the_volume() -> None:
    """So that a task with other options is told by Docker's Create what differs, and not that it is nobody's."""
    services: list[dict[str, Any]] = [
        {"ID": name, "Spec": {"Name": name, "Mode": {"Global": {}}}} for name in ("one", "two")
    ]
    tasks = [task("one", "n1", size="1GiB"), task("two", "n2", size="9GiB"), task("two", "n1", size="9GiB")]
    found = claims(services_from(json.dumps(services).encode()), tasks_from(json.dumps(tasks).encode()), NODES, Known())
    asked = found[VolumeName("data")].asked
    assert sorted(each["size"] for each in asked[NodeId("n1")]) == ["1GiB", "9GiB"]
    assert asked[NodeId("n2")] == ({"size": "9GiB"},)


def test_templates_in_options_are_expanded_as_docker_does_before_it_asks() -> None:
    services: list[dict[str, Any]] = [{"ID": "one", "Spec": {"Name": "one", "Mode": {"Global": {}}}}]
    tasks = [task("one", "n1", "data-{{.Node.Hostname}}", **{"clone-from": "base-{{.Node.Hostname}}"})]
    found = claims(services_from(json.dumps(services).encode()), tasks_from(json.dumps(tasks).encode()), NODES, Known())
    assert found[VolumeName("data-host-n1")].asked == {NodeId("n1"): ({"clone-from": "base-host-n1"},)}


def test_a_container_that_has_it_twice_may_ask_what_either_mount_says() -> None:
    """Docker makes it with what the first one with a driver says."""
    both = task("one", "n1", size="1GiB")
    mounts = both["Spec"]["ContainerSpec"]["Mounts"]
    mounts.insert(0, {"Type": "volume", "Source": "data", "Target": "/e"})
    services: list[dict[str, Any]] = [{"ID": "one", "Spec": {"Name": "one", "Mode": {"Replicated": {"Replicas": 1}}}}]
    known = Known({VolumeName("data"): Spec(1 << 30)})
    found = claims(services_from(json.dumps(services).encode()), tasks_from(json.dumps([both]).encode()), NODES, known)
    assert found[VolumeName("data")].asked[NodeId("n1")] == ({}, {"size": "1GiB"})
    assert [each.mounts for each in found[VolumeName("data")].tasks] == [2]
