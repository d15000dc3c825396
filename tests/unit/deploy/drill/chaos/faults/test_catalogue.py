"""All that chaos can break, and the page that tells of it."""

from __future__ import annotations

from deploy.drill.chaos.faults.base import ChaosFault
from deploy.drill.chaos.faults.catalogue import FAULTS, KINDS
from deploy.drill.chaos.schedule import LONGEST, SHORTEST
from tests.references import ROOT

PAGE = ROOT / "docs/chaos.md"


def row(fault: ChaosFault) -> str:
    lasts = f"{SHORTEST:g} to {LONGEST:g} s" if fault.kind.lasts else "at once"
    return f"| `{fault.kind.name}` | {fault.text} | {lasts} | {fault.kind.weight} |"


def test_each_fault_has_its_own_name_and_a_sentence() -> None:
    assert len(FAULTS) == len(KINDS)
    assert all(fault.text.endswith(".") for fault in FAULTS.values())


def test_the_page_has_a_row_for_each_fault_in_the_order_of_the_catalogue() -> None:
    told = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert told == [row(fault) for fault in FAULTS.values()]
