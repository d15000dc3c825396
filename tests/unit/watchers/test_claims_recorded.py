"""Docker's JSON -> nodes and claims: on answers recorded from a real dockerd 20.10.24."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from controller.model import Node, NodeId, NodeState, Spec, VolumeName
from tests.support.swarm_json import (
    GIB,
    recorded,
    said,
)
from watchers.claims import Known, claims, decode_node, leader_of, may_mount
from watchers.docker_json import (
    DecodeError,
    info_from,
    nodes_from,
    services_from,
    tasks_from,
)


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
    assert swarm.cluster is not None
    assert swarm.cluster.id == "dcaqsv77yyy1ygqsol6tcx1ak"


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


def test_the_label_of_a_dead_node_is_seen_only_with_its_value_and_under_its_name() -> None:
    def labelled(labels: Mapping[str, str] | None, name: str = "reberth") -> bool:
        (raw,) = nodes_from(said({"ID": "n1", "Spec": {"Labels": labels}}))
        return decode_node(raw, name).labelled

    assert labelled({"reberth": "down", "rack": "7"})
    assert not labelled({"reberth": "up"})
    assert not labelled(None)
    assert not labelled({"reberth": "down"}, "other")
    assert not labelled({"": "down"}, "")
