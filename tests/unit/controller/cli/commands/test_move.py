"""A move is waited for until each volume is in its place and well, an evacuation until each has left."""

from __future__ import annotations

import pytest

from controller.cli.commands.move import not_there, still_on
from controller.protocol.views import NodeLine, StatusView, VolumeLine

NODE = NodeLine("n1", "id1", "ready", "vm1", "running", None)


def status(*lines: tuple[str, str, str]) -> StatusView:
    return StatusView(1, "m", None, 0.0, tuple(VolumeLine(v, n, "", s, "why") for v, n, s in lines), (NODE,))


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (("a", "n2", "ok"), []),
        (("a", "n2", "starting"), []),
        (("a", "n1", "ok"), ["a: why"]),
        (("a", "n2", "working"), ["a: why"]),
        (("a", "", "working"), ["a: why"]),
        (("b", "n1", "ok"), []),
    ],
)
def test_a_volume_has_arrived_when_it_is_well_on_its_node(line: tuple[str, str, str], left: list[str]) -> None:
    assert not_there(status(line), {"a": "n2"}) == left


@pytest.mark.parametrize("name", ["n1", "id1", "vm1"])
def test_a_node_is_empty_when_none_of_its_volumes_is_there_under_whatever_name_it_was_asked(name: str) -> None:
    assert still_on(status(("a", "n1", "ok"), ("b", "n1", "ok")), name, {"a"}) == ["a: why"]
    assert still_on(status(("a", "n2", "ok"), ("b", "n1", "ok")), name, {"a"}) == []
