"""Swarm's own: its leader, its quorum, and a node that leaves and joins again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

from docker.errors import APIError

from deploy.drill.chaos.faults.base import Act, Breaker, ChaosFault, if_on
from deploy.drill.chaos.faults.switches import cut, freeze, heal, power_off, power_on
from deploy.drill.chaos.schedule import Kind
from deploy.drill.errors import DrillError
from deploy.drill.swarm.cluster import Trouble, wait_for

SETTLED = 30.0  # seconds for Swarm to choose a leader, or to take a change of a node's role


def _on_leader(name: str, act: Callable[[Breaker, str], None]) -> Act:
    """The leader at this moment is noted, for the cure: another may lead then."""

    def on_leader(breaker: Breaker, node: str) -> None:
        leader = breaker.scenario.cluster.leader() or node
        breaker.notes[f"{name} {node}"] = leader
        act(breaker, leader)

    return on_leader


def _noted(name: str, act: Act) -> Act:
    def on_noted(breaker: Breaker, node: str) -> None:
        if noted := breaker.notes.get(f"{name} {node}"):
            act(breaker, noted)

    return on_noted


def _others(act: Act) -> Act:
    def on_others(breaker: Breaker, node: str) -> None:
        for name in breaker.others(node):
            act(breaker, name)

    return on_others


def _leave(breaker: Breaker, node: str) -> None:
    """As a person does it in good order: demoted first, so that the others keep their quorum."""
    cluster = breaker.scenario.cluster
    _set_role(breaker, node, "worker")
    wait_for(lambda: f"{node} is a manager still" if _manages(cluster.node_api(node)) else "", SETTLED)
    with closing(breaker.lab.docker(node)) as client:
        client.swarm.leave(force=True)


def _set_role(breaker: Breaker, node: str, role: str) -> None:
    api = breaker.scenario.cluster.node_api(_other_manager(breaker, node))
    for found in api.nodes(filters={"name": node}):
        api.update_node(found["ID"], found["Version"]["Index"], {**found["Spec"], "Role": role})


def _other_manager(breaker: Breaker, node: str) -> str:
    """One that answers and knows a leader. Another fault may just have taken that one: the next is waited for."""
    found: list[str] = []

    def complaint() -> str:
        found[:] = islice(_answering(breaker, node), 1)
        return "" if found else f"no manager but {node} answers"

    wait_for(complaint, SETTLED)
    return found[0]


def _manages(api: Any) -> bool:
    return bool(api.info()["Swarm"].get("ControlAvailable"))


def _answering(breaker: Breaker, node: str) -> Iterator[str]:
    for name in breaker.others(node):
        try:
            if _manages(breaker.scenario.cluster.node_api(name)):
                breaker.scenario.cluster.node_api(name).inspect_swarm()
                yield name
        except (DrillError, *Trouble):  # the next one is asked
            continue


def _join(breaker: Breaker, node: str) -> None:
    """Its old self is taken out, it joins if it is not in, and is a manager again."""
    if breaker.lab.power(node) == "off":
        breaker.lab.power_on(node)
    manager = _other_manager(breaker, node)
    own = breaker.scenario.cluster.node_api(node).info()["Swarm"]
    api = breaker.scenario.cluster.node_api(manager)
    if own["LocalNodeState"] in {"inactive", ""}:
        with closing(breaker.lab.docker(node)) as client:
            address = breaker.lab.node(node).address
            client.swarm.join(
                remote_addrs=[f"{breaker.lab.node(manager).address}:2377"],
                join_token=api.inspect_swarm()["JoinTokens"]["Worker"],
                advertise_addr=address,
                listen_addr=f"{address}:2377",
            )
        own = breaker.scenario.cluster.node_api(node).info()["Swarm"]
    for old in api.nodes(filters={"name": node}):
        if old["ID"] != own["NodeID"]:
            _remove(api, old)
    if own["LocalNodeState"] != "active":
        raise DrillError(f"{node} is {own['LocalNodeState']} in the swarm")
    if breaker.lab.node(node).manager:
        _set_role(breaker, node, "manager")


def _remove(api: Any, old: dict[str, object]) -> None:
    try:
        api.remove_node(old["ID"], force=True)
    except APIError as error:
        if error.status_code != 404:
            raise


def _led(name: str, text: str, act: Act, cure: Act) -> ChaosFault:
    return ChaosFault(Kind(name, 2), text, _on_leader(name, act), _noted(name, cure))


FAULTS = (
    _led("leader-off", "The machine of Swarm's leader loses its power.", power_off, power_on),
    _led("leader-freeze", "The machine of Swarm's leader hangs.", freeze, power_on),
    _led("leader-cut", "The network of Swarm's leader is cut.", cut, heal),
    ChaosFault(Kind("quorum-cut"), "All machines but one are cut: no quorum.", _others(if_on(cut)), _others(heal)),
    ChaosFault(Kind("rejoin"), "The node leaves the swarm, and joins it again.", if_on(_leave), _join),
)
