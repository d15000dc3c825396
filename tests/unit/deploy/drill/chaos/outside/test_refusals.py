"""A swarm that is not to be broken so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deploy.drill.chaos.outside.refusals import Seen, record_of, refusals
from deploy.drill.chaos.outside.settings import OutsideSettings
from tests.support.outside import node, service

SWITCHED = OutsideSettings(nodes="c", switch_off="off {node}", switch_on="on {node}")


CONTROLLER = service("store_controller", {"reberth.role": "controller"})
WHOLE = Seen(
    nodes=[node("a"), node("b"), node("c"), node("d", "worker")], services=[CONTROLLER], configs=[], secrets=[]
)


def said(seen: Seen = WHOLE, settings: OutsideSettings = SWITCHED) -> str:
    return "; ".join(refusals(seen, settings))


def test_a_whole_swarm_and_nodes_whom_it_can_do_without_are_taken() -> None:
    assert said() == ""
    assert said(settings=replace(SWITCHED, nodes="c,d")) == ""


@pytest.mark.parametrize("option", ["nodes", "run_on", "address"])
def test_a_node_that_the_swarm_does_not_have_is_refused_with_those_it_has(option: str) -> None:
    strange = "x=192.0.2.1" if option == "address" else "x"
    flag = f"--{option.replace('_', '-')}"
    assert f"{flag} names x, which the swarm does not have; it has a, b, c, d" in said(
        settings=replace(SWITCHED, **{option: strange})  # type: ignore[arg-type]
    )


def test_so_many_managers_that_the_quorum_goes_are_refused_unless_it_is_said() -> None:
    both = replace(SWITCHED, nodes="b,c")
    assert "b, c are 2 of 3 managers" in said(settings=both)
    assert said(settings=replace(both, lose_quorum=True)) == ""
    assert said(settings=replace(both, switch_off="", switch_on="")) == ""


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (node("d", "worker", state="down"), "d is down"),
        ({**node("d"), "ManagerStatus": {"Reachability": "unreachable"}}, "d is ready and unreachable"),
        (node("c", "worker"), "several nodes are called c"),
    ],
    ids=["down", "unreachable", "twice"],
)
def test_only_a_whole_swarm_is_broken(other: dict[str, Any], words: str) -> None:
    assert words in said(replace(WHOLE, nodes=[*WHOLE.nodes[:3], other]))


def test_a_node_that_somebody_has_drained_is_not_taken_as_it_would_be_active_at_the_end() -> None:
    assert "c is set to drain" in said(replace(WHOLE, nodes=[node("a"), node("b"), node("c", availability="drain")]))


def test_the_machine_that_this_runs_on_is_not_switched_off() -> None:
    itself = replace(WHOLE, itself="c")
    assert "the machine that this runs on" in said(itself)
    assert said(itself, replace(SWITCHED, switch_off="", switch_on="")) == ""


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (replace(WHOLE, services=[CONTROLLER, service("chaos_append")]), "a service chaos_append"),
        (replace(WHOLE, services=[CONTROLLER, service("web", port=7483)]), "web has the port 7483 already"),
        (replace(WHOLE, configs=[record_of("chaos-sqlite")]), "a volume chaos-sqlite"),
        (replace(WHOLE, secrets=["chaos-postgres-password"]), "a secret chaos-postgres-password"),
        (replace(WHOLE, services=[service("store_controller")]), "Reberth is not on this swarm"),
    ],
    ids=["service", "port", "volume", "secret", "no Reberth"],
)
def test_what_others_have_is_not_taken(seen: Seen, words: str) -> None:
    assert words in said(seen)


def test_what_only_looks_like_ours_is_no_reason() -> None:
    others = replace(
        WHOLE,
        services=[CONTROLLER, service("chaosmonkey_x"), service("web", port=7484)],
        configs=[record_of("chaos-sqlite2")],
        secrets=["chaosmonkey"],
    )
    assert said(others) == ""
