"""A swarm from outside, in the shape of a lab."""

from __future__ import annotations

import pytest

from deploy.drill.chaos.outside.faults import faults
from deploy.drill.chaos.outside.refusals import Seen
from deploy.drill.chaos.outside.settings import OutsideSettings
from deploy.drill.chaos.outside.stack import ours
from deploy.drill.chaos.outside.swarm import OutsideLab, made_of
from deploy.drill.chaos.outside.switch import Switched
from deploy.drill.errors import DrillError
from tests.support.outside import node


class Button:
    """A switch that remembers, and may be broken."""

    def __init__(self) -> None:
        self.pressed: list[str] = []
        self.problem = ""

    def __call__(self, node: Switched) -> None:
        self.pressed.append(f"{node.name} {node.address} {node.vm}")
        if self.problem:
            raise DrillError(self.problem)


def lab(off: Button | None, on: Button | None) -> OutsideLab:
    nodes = [made_of(node(name), {"a": "192.0.2.1"}) for name in ("a", "b")]
    return OutsideLab(nodes, frozenset({"a"}), off, on, {}, {"a": "vm-a"})


def test_a_node_that_was_not_named_is_never_switched() -> None:
    off = Button()
    made = lab(off, off)

    with pytest.raises(DrillError, match="b is not among the nodes that may be broken"):
        made.power_off("b")
    with pytest.raises(DrillError, match="b is not among the nodes that may be broken"):
        made.power_on("b")
    assert off.pressed == []


def test_a_node_counts_as_off_until_it_was_switched_on_also_if_the_switch_said_that_it_failed() -> None:
    off, on = Button(), Button()
    made = lab(off, on)
    off.problem = on.problem = "no answer"

    with pytest.raises(DrillError, match="no answer"):
        made.power_off("a")
    assert made.power("a") == "off"
    with pytest.raises(DrillError, match="no answer"):
        made.power_on("a")
    assert made.power("a") == "off"
    on.problem = ""
    made.power_on("a")

    assert made.power("a") == "on"
    assert off.pressed == ["a 192.0.2.1 vm-a"]


def test_without_a_switch_no_fault_needs_one() -> None:
    assert faults(switched=True).keys() - faults(switched=False).keys() == {"power-off", "power-cycle"}
    with pytest.raises(DrillError, match="nobody said"):
        lab(None, None).power_off("a")


def test_no_fault_touches_services_of_reberth() -> None:
    assert not {"controllers-update", "nodes-update"} & faults(switched=True).keys()


def test_the_address_is_the_one_that_was_said_then_that_of_raft_then_the_one_that_swarm_has() -> None:
    told = {**node("w", "worker"), "Status": {"State": "ready", "Addr": "198.51.100.7"}}
    itself = {**node("m"), "Status": {"Addr": "0.0.0.0"}, "ManagerStatus": {"Addr": "198.51.100.8:2377"}}

    assert made_of(told, {}).address == "198.51.100.7"
    assert made_of(itself, {}).address == "198.51.100.8"
    assert made_of(itself, {"m": "192.0.2.9"}).address == "192.0.2.9"


def test_services_run_where_it_was_said_under_names_and_ports_of_their_own() -> None:
    seen = Seen([node("a"), node("b"), node("c")], [], [], [])
    settings = OutsideSettings(run_on="a,c", stack="mine", port=9000, volume_options="size=1GiB,thin=yes")

    postgres, beside = ours(settings, seen, "run1")

    everything = [postgres, *beside]
    assert [each.volume for each in everything] == ["mine-postgres", "mine-append", "mine-stubborn", "mine-sqlite"]
    assert [each.service for each in everything] == ["mine_postgres", "mine_append", "mine_stubborn", "mine_sqlite"]
    assert [each.published for each in everything] == [9000, 9001, 9002, 9003]
    for each in everything:
        template = each.template("reberth")
        (mount,) = template["ContainerSpec"]["Mounts"]
        assert template["Placement"]["Constraints"] == ["node.labels.reberth != down", "node.hostname != b"]
        assert mount["VolumeOptions"]["DriverConfig"]["Options"] == {
            "fstype": "xfs" if each.name == "stubborn" else "ext4",
            "size": "1GiB",
            "thin": "yes",
        }
        assert each.labels["reberth.chaos"] == "run1"
