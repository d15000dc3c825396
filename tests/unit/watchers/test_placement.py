"""What a planned move changes about a service is exactly one constraint, and is taken back whole."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model import NodeId
from watchers.placement import LABEL, obstacle, pinned, unpinned

NODE = {
    "ID": "n2",
    "Spec": {"Role": "worker", "Labels": {"disk": "ssd"}},
    "Description": {"Hostname": "swarm02", "Platform": {"OS": "linux"}, "Engine": {"Labels": {"gpu": "1"}}},
}


def spec(*constraints: str, replicas: int | None = 1, **labels: str) -> dict[str, Any]:
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    template = {"ContainerSpec": {"Image": "db"}, "Placement": {"Constraints": list(constraints), "MaxReplicas": 1}}
    return {"Name": "db", "Labels": labels, "Mode": mode, "TaskTemplate": template}


def constraints(found: dict[str, Any]) -> list[str]:
    return list(found["TaskTemplate"]["Placement"]["Constraints"])


@pytest.mark.parametrize("before", [spec(), spec("node.role==worker", owner="me")])
def test_a_pin_is_one_constraint_and_a_label_and_both_go_again(before: dict[str, Any]) -> None:
    found = pinned(before, NodeId("n2"))
    assert constraints(found) == [*constraints(before), "node.id==n2"]
    assert found["Labels"] == {**before["Labels"], LABEL: "n2"}
    assert found["TaskTemplate"]["ContainerSpec"] == before["TaskTemplate"]["ContainerSpec"]
    assert found["TaskTemplate"]["Placement"]["MaxReplicas"] == 1
    assert unpinned(found) == before


def test_a_constraint_that_somebody_else_wrote_stays() -> None:
    own = spec("node.id==n2")
    assert unpinned(own) == own
    assert constraints(unpinned(pinned(spec("node.id==n1"), NodeId("n2")))) == ["node.id==n1"]


def test_a_spec_without_labels_and_placement_is_pinned_too() -> None:
    assert constraints(pinned({"Name": "db", "TaskTemplate": {}}, NodeId("n2"))) == ["node.id==n2"]


@pytest.mark.parametrize(
    "constraint",
    [
        "node.hostname == swarm02",
        "node.id!=n1",
        "node.role==worker",
        "node.labels.disk==ssd",
        "node.labels.reberth!=down",
        "engine.labels.gpu==1",
        "node.platform.os==Linux",
    ],
)
def test_constraints_that_the_node_fits_are_no_obstacle(constraint: str) -> None:
    assert obstacle(spec(constraint), NODE) is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (spec("node.hostname==swarm01"), "does not allow node swarm02"),
        (spec("node.labels.disk!=ssd"), "does not allow node swarm02"),
        (spec("node.labels.none==x"), "does not allow node swarm02"),
        (spec("node.moon==full"), "is not understood here"),
        (spec("nonsense"), "is not understood here"),
        (spec(replicas=3), "not exactly one replica"),
        (spec(replicas=0), "not exactly one replica"),
        (spec(replicas=None), "not exactly one replica"),
    ],
)
def test_where_the_task_would_find_no_node_it_is_said_before_it_loses_the_old_one(
    found: dict[str, Any], why: str
) -> None:
    said = obstacle(found, NODE)
    assert said is not None
    assert why in said
