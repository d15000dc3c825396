"""With which options each node's Docker may make a volume: what the specs of the tasks on it say."""

from __future__ import annotations

import json
from typing import Any

from controller.model import Node, NodeId, NodeState, VolumeName
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
