from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from controller.settings import parse as parse_file
from drivers.bmc import fence_agent, ipmi, redfish
from drivers.bmc.base import Timing, check_vms, parse

DOCUMENT = (Path(__file__).parents[4] / "docs/power.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
KINDS: dict[str, Any] = {"redfish": redfish.Settings, "ipmi": ipmi.Settings, "fence-agent": fence_agent.Settings}


def test_each_driver_has_an_example_in_its_document() -> None:
    assert [parse_file(each, {}).power.driver for each in EXAMPLES] == list(KINDS)


@pytest.mark.parametrize("text", EXAMPLES, ids=list(KINDS))
def test_what_the_document_says_can_be_used(text: str) -> None:
    power = parse_file(text, {}).power
    settings: Any = parse(power.own(), KINDS[power.driver or ""])
    check_vms(each.vm for each in settings.machines if each.vm is not None)


def test_the_document_tells_the_times_that_hold() -> None:
    times = Timing()
    assert re.findall(r"\| `(\w+)` \| ([\d.]+) s \|", DOCUMENT) == [
        (name, f"{getattr(times, name):g}") for name in ("deadline", "off_deadline", "watch_every")
    ]
