"""The report of a chaos run: JSON, and one page."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One episode and what was found after it."""

    number: int
    text: str
    faults: tuple[str, ...]
    seconds: float  # until all was well again, after the last cure
    wrong: tuple[str, ...] = ()
    held: dict[str, str] = {}
    told: tuple[str, ...] = ()  # what people were told about volumes meanwhile, each once
    said: tuple[str, ...] = ()  # what could not be broken or cured at that moment


class Trend(msgspec.Struct, frozen=True):
    """A process that was seen for some time: first and last reading, and what it grows in an hour."""

    node: str
    minutes: float
    kibibytes: tuple[int, int]
    files: tuple[int, int]
    hourly: tuple[float, float] = (0, 0)  # KiB, files


class ChaosReport(msgspec.Struct, frozen=True):
    seed: int
    lab: str
    verdict: str
    minutes: float
    entries: tuple[Entry, ...]
    acknowledged: int
    numbers: dict[str, int]  # lines of each writer
    trends: tuple[Trend, ...] = ()
    smallest: str = ""  # of the episode that failed, when it was made smaller
    unaudited: dict[str, str] = {}  # what cannot be looked at there, and why
    left: tuple[str, ...] = ()  # what could not be cleaned up

    def by_fault(self) -> dict[str, tuple[int, float, float, int]]:
        """Times, median and longest seconds of the episodes with it, and how many of them failed."""
        counts = Counter(fault for entry in self.entries for fault in entry.faults)
        return {fault: (count, *self._numbers(fault)) for fault, count in sorted(counts.items())}

    def _numbers(self, fault: str) -> tuple[float, float, int]:
        entries = [entry for entry in self.entries if fault in entry.faults]
        seconds = [entry.seconds for entry in entries]
        return round(statistics.median(seconds), 1), max(seconds), sum(1 for entry in entries if entry.wrong)


def write(folder: Path, report: ChaosReport) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chaos.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    (folder / "chaos.html").write_text(page(report))


def page(report: ChaosReport) -> str:
    style = files("deploy.drill").joinpath("report.css").read_text()
    rows = [
        (entry.number, entry.text, f"{entry.seconds:.0f} s", "; ".join(entry.wrong) or "well")
        for entry in report.entries
    ]
    kinds = [(fault, *numbers) for fault, numbers in report.by_fault().items()]
    trends = [
        (
            each.node,
            f"{each.minutes:.0f}",
            "{} to {}".format(*each.kibibytes),
            "{} to {}".format(*each.files),
            "{:+g} KiB, {:+g} files".format(*each.hourly),
        )
        for each in report.trends
    ]
    body = [
        f"<h1>Chaos, seed {report.seed}: {report.verdict}</h1>",
        f'<p class="lead">{escape(sentence(report))}</p>',
        f"<p>The smallest that fails: {escape(report.smallest)}</p>" if report.smallest else "",
        _table("Faults", ("fault", "episodes with it", "median s", "longest s", "failed"), kinds),
        _table("Episodes", ("number", "what was broken", "well again after", "audit"), rows),
        _table("Not audited here", ("what", "why"), list(report.unaudited.items())) if report.unaudited else "",
        _table("Left behind", ("what",), [(each,) for each in report.left]) if report.left else "",
        _table("Processes", ("program", "minutes", "KiB", "open files", "an hour"), trends),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Chaos</title><style>{style}</style>'
    return f"{head}<main>{''.join(body)}</main></html>\n"


def sentence(report: ChaosReport) -> str:
    wrong = sum(1 for entry in report.entries if entry.wrong)
    lines = ", ".join(f"{name} {number}" for name, number in report.numbers.items())
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"{day}, {report.minutes:.0f} minutes on {report.lab}: {len(report.entries)} episodes, {wrong} with "
        f"something wrong. {report.acknowledged} commits acknowledged; lines written: {lines}."
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    cells = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{top}</tr>{cells}</table>"
