"""An upgrade on the terminal: parts, steps in their order, what is in the way, and the verdict last."""

from __future__ import annotations

import io

from rich.console import Console

from controller.cli.show_upgrade import show_upgrade
from controller.protocol.views import UpgradePart, UpgradeStep, UpgradeView


def drawn(found: UpgradeView) -> list[str]:
    out = io.StringIO()
    show_upgrade(Console(file=out, width=200), found)
    return out.getvalue().splitlines()


def test_all_of_it_is_told_and_what_others_wrote_is_no_markup() -> None:
    found = UpgradeView(
        "wait",
        "0.2.0",
        "m1",
        ("Volume [red]x is working: because",),
        (UpgradeStep("controllers", "done", "all run r:2"), UpgradeStep("gates", "now", "w1: see")),
        (UpgradePart("gate", "w1", "0.1.0", "", "waits", "container [b]db"),),
    )
    lines = drawn(found)
    assert lines[0] == "Acting: m1, version 0.2.0"
    assert lines[1].split() == ["PART", "NODE", "VERSION", "IMAGE", "STATE", "WHY"]
    assert lines[2].split() == ["gate", "w1", "0.1.0", "-", "waits", "container", "[b]db"]
    assert lines[3:6] == ["1. controllers: done: all run r:2", "2. gates: now: w1: see", found.holds[0]]
    assert lines[6].startswith("Not now")


def test_what_is_not_known_is_said_and_not_left_empty() -> None:
    assert drawn(UpgradeView("done", "", ""))[0] == "Acting: not known, version not known"
