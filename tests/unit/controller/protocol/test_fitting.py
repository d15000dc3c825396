"""What is sent is cut to what a controller takes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from controller.protocol.bounds import LONGEST_SENTENCE, MOST_USERS, MOST_VOLUMES
from controller.protocol.fitting import fitting
from controller.protocol.messages import Sync, VolumeReport


def test_what_a_gate_found_is_cut_where_a_controller_would_refuse_the_whole_report() -> None:
    """One volume's long complaint, or impossible name, must not silence all others of its node."""
    long = VolumeReport("data", "mounted", 7, problem="x" * 5000)
    sent = fitting(Sync("vm", "boot", "1", (long, VolumeReport("n" * 256, "unmounted", 1))))
    (kept,) = msgspec.json.decode(msgspec.json.encode(sent), type=Sync).volumes
    assert kept.problem is not None
    assert (kept.serial, len(kept.problem)) == (7, LONGEST_SENTENCE)


def test_of_too_many_volumes_those_in_use_are_told() -> None:
    many = tuple(VolumeReport(f"v{number}", "unmounted", number) for number in range(MOST_VOLUMES + 50))
    sent = fitting(Sync("vm", "boot", "1", (*many, VolumeReport("used", "mounted", 1))))
    assert len(sent.volumes) == MOST_VOLUMES
    assert sent.volumes[0].name == "used"
    assert msgspec.json.decode(msgspec.json.encode(sent), type=Sync) == sent


@pytest.mark.parametrize(
    "change",
    [
        {"serial": 2**63},
        {"serial": -1},
        {"floor": 10**40},
        {"epoch": 2**64},
        {"used": -4096},
        {"problem": "\udcff"},
        {"users": (1,) * (MOST_USERS + 1)},
    ],
)
def test_a_word_that_cannot_be_is_about_its_volume_alone(change: dict[str, Any]) -> None:
    """The controller would refuse the whole report, and know nothing more of this node; in use is never wrong."""
    odd = msgspec.structs.replace(VolumeReport("data", "unmounted", 7, floor=7), **change)
    sent = fitting(Sync("vm", "boot", "1", (odd, VolumeReport("web", "unmounted", 1))))
    data, web = msgspec.json.decode(msgspec.json.encode(sent), type=Sync).volumes
    assert (data.state, data.serial, data.users, data.floor) == ("mounted", 0, (0,), 0)
    assert web == VolumeReport("web", "unmounted", 1)
