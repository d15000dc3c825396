"""The report as one self-contained page: a sentence first, then the drawing, then all that an engineer asks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from deploy.drill.report import svg
from deploy.drill.report.data import Report, Summary
from deploy.drill.report.timeline import PHASES

STYLE = files("deploy.drill").joinpath("report.css").read_text()


def page(report: Report) -> str:
    body = [
        _head(f"Drill: {report.fault}", report.verdict),
        f'<p class="lead">{escape(sentence(report))}</p>',
        _why(report.why),
        _tiles(report),
        f"<h2>What happened</h2><figure>{svg.timeline(report)}</figure>",
        _phases(report),
        _evidence(report),
        _rows(report),
        _history(report),
        _table("Settings", ("setting", "value"), ((name, _plain(value)) for name, value in report.settings.items())),
        _foot(report.details.fault_at),
    ]
    return _document(f"Reberth drill: {report.fault}: {report.verdict}", body)


def sentence(report: Report) -> str:
    """What a manager wants to know."""
    details, commits = report.details, report.commits
    start = details.fault_text or f"Fault: {report.fault}."
    if report.seconds.accepting is None:
        return f"{start} PostgreSQL on {details.moved[0]} did not come back within the time of the drill."
    moved = f"from {details.moved[0]} to {details.moved[1]}" if details.moved[0] != details.moved[1] else ""
    where = f"moved {moved} and acknowledged" if moved else f"stayed on {details.moved[1]} and acknowledged"
    lost = "none of them is lost" if commits.lost == 0 else f"{commits.lost} of them are LOST"
    return (
        f"{start} PostgreSQL {where} commits again {report.seconds.accepting:.1f} s after the fault. "
        f"{commits.acknowledged} commits were acknowledged, {lost}."
    )


def summary_page(summary: Summary, reports: Sequence[Report]) -> str:
    numbers = ((name, str(n.rounds), f"{n.median:.2f}", f"{n.maximum:.2f}") for name, n in summary.seconds.items())
    rounds = (
        (str(n), found.verdict, *(_seconds(getattr(found.seconds, phase)) for phase in PHASES), str(found.commits.lost))
        for n, found in enumerate(reports, 1)
    )
    body = [
        _head(f"{summary.rounds} drills: {summary.fault}", summary.verdict),
        f'<p class="lead">{summary.passed} of {summary.rounds} rounds passed.</p>',
        _why(summary.why),
        _table("Seconds after the fault", ("phase", "rounds", "median", "maximum"), numbers),
        _table("Rounds", ("round", "verdict", *(phase.replace("_", " ") for phase in PHASES), "lost"), rounds),
        _table("Settings", ("setting", "value"), ((name, _plain(value)) for name, value in summary.settings.items())),
    ]
    return _document(f"Reberth drills: {summary.fault}: {summary.verdict}", body)


def _document(title: str, body: Iterable[str]) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<style>{STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _head(title: str, verdict: str) -> str:
    return f'<header><h1>{escape(title)}</h1><span class="verdict {verdict}">{verdict.upper()}</span></header>'


def _why(why: Sequence[str]) -> str:
    if not why:
        return ""
    return f'<ul class="why">{"".join(f"<li>{escape(text)}</li>" for text in why)}</ul>'


def _tiles(report: Report) -> str:
    commits, overlaps = report.commits, report.writers.overlaps
    tiles = (
        (
            _seconds(report.seconds.accepting, " s"),
            "from the fault to the next commit",
            report.seconds.accepting is None,
        ),
        (str(commits.lost), "acknowledged commits lost", commits.lost > 0),
        (str(commits.invented), "rows that nobody sent", commits.invented > 0),
        ("not measured" if overlaps is None else str(overlaps), "records of two writers at once", overlaps != 0),
    )
    cells = (
        f'<div class="tile{" bad" if bad else ""}"><b>{escape(value)}</b><span>{escape(text)}</span></div>'
        for value, text, bad in tiles
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _phases(report: Report) -> str:
    found = sorted((v, phase) for phase in PHASES if (v := getattr(report.seconds, phase)) is not None)
    missing = [phase for phase in PHASES if getattr(report.seconds, phase) is None]
    rows: list[tuple[str, ...]] = []
    before = 0.0
    for value, phase in found:
        rows.append((phase.replace("_", " "), svg.MEANING[phase], f"{value:.2f}", f"{value - before:+.2f}"))
        before = value
    rows += [(phase.replace("_", " "), svg.MEANING[phase], "did not happen", "") for phase in missing]
    return _table("Phases", ("phase", "what it means", "seconds after the fault", "after the one before"), rows)


def _evidence(report: Report) -> str:
    if report.evidence.kind is None:
        return "<h2>Evidence</h2><p>The disk changed hands without any, or did not change hands.</p>"
    kind, text = escape(report.evidence.kind.value), escape(report.evidence.text)
    return f"<h2>Evidence</h2><p>Why the old machine could not write any more: <b>{kind}</b>. {text}</p>"


def _rows(report: Report) -> str:
    commits, details = report.commits, report.details
    rows = [
        ("acknowledged", str(commits.acknowledged), "the client has PostgreSQL's answer"),
        ("in the table", str(commits.present), "read back after the recovery"),
        ("lost", str(commits.lost), "acknowledged and absent" + _some(details.lost_numbers)),
        ("invented", str(commits.invented), "present and never sent, or twice" + _some(details.invented_numbers)),
        ("in doubt", str(details.in_doubt), f"the answer was lost; {details.in_doubt_present} of them are there"),
        ("probe records missing", str(details.probe_holes), "numbers that nobody wrote, or that were written over"),
        ("probe slots unreadable", str(details.probe_unreadable), "something else than a record"),
    ]
    return _table("Rows and writers", ("", "count", "meaning"), rows)


def _some(numbers: Sequence[int]) -> str:
    return f": {', '.join(map(str, numbers[:10]))} ..." if numbers else ""


def _history(report: Report) -> str:
    rows = (
        (f"{row.at - report.details.fault_at:+.2f}", row.moment.value, row.node, str(row.epoch), row.text)
        for row in report.details.history
    )
    return _table("History of the volume", ("seconds", "moment", "node", "epoch", "what the controller wrote"), rows)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _seconds(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.2f}{unit}"


def _plain(value: object) -> str:
    return "-" if value is None else str(value)


def _foot(at: float) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    return f"<footer>Fault at {when}. The same numbers are in report.json beside this page.</footer>"
