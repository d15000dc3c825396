"""What is sent is cut to what a controller takes."""

from __future__ import annotations

import msgspec

from controller.protocol.bounds import LONGEST_SENTENCE, MOST_VOLUMES
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
