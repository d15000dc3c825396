"""Where a storage copies a disk in use, a snapshot that is wanted changes nothing for its volume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import MountState, World
from tests.support.plans import DOWN_LONG, MOVED, OFF, ON, SNAPPED, act
from tests.support.worlds import GUARDED, POLICY, claim, gate, grant, on, record, world

ABLE = replace(POLICY, capabilities=replace(GUARDED, snapshots=True))
HELD = {"nodes": [DOWN_LONG], "gates": [gate(1, MountState.MOUNTED, 1, age=50.0)]}


@pytest.mark.parametrize(
    "w",
    [
        world(on(1), volume=record()),
        world(volume=record(), wanted=claim(1)),
        world(on(1), volume=record(), wanted=MOVED),
        world(on(1), volume=record(grant(1)), wanted=claim(1), gates=[gate(1, MountState.MOUNTED, 1)]),
        world(on(1), volume=record(grant(1)), wanted=MOVED, power=OFF, **HELD),  # type: ignore[arg-type]
        world(on(1), volume=record(grant(1)), wanted=MOVED, power=ON, **HELD),  # type: ignore[arg-type]
    ],
    ids=["idle", "wanted", "wanted elsewhere", "in use", "its VM is off", "its node hangs"],
)
def test_what_is_decided_is_the_same_with_a_snapshot_under_way(w: World) -> None:
    (name,) = w.volumes or {}
    before = (w.volumes or {})[name]
    snapped = replace(w, volumes={name: replace(before, snapshots=SNAPPED.snapshots)})

    assert act(snapped, ABLE) == act(w, ABLE)
