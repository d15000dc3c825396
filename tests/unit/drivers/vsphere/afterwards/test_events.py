"""The words of events."""

from __future__ import annotations

from controller.model import Epoch
from drivers.vsphere.afterwards.events import sentence


def test_many_volumes_are_counted_after_the_first_ten() -> None:
    said = sentence("attached", [f"v{number}" for number in range(12)], Epoch(3))
    assert said == "reberth: volumes v0, v1, v2, v3, v4, v5, v6, v7, v8, v9 and 2 more attached (epoch 3)"
