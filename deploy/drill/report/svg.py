"""The timeline of a drill as inline SVG: phases as steps, commits per 100 ms, the gap, and who wrote. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from deploy.drill.report.data import Details, Report
from deploy.drill.report.timeline import PHASES

WIDTH = 1000.0
LEFT = 150.0  # room for the rows' names
RIGHT = 60.0
ROW = 22.0
BARS = 90.0  # height of the commits
BUCKET = 0.1

MEANING = {
    "node_down": "Swarm calls the node down",
    "assigned": "Swarm gives the task to another node",
    "evidence": "the old machine is proven unable to write",
    "detached": "the disk is off the old machine",
    "attached": "the disk is on the new machine",
    "mounted": "the file system is mounted for the task",
    "accepting": "PostgreSQL acknowledges a commit again",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds from the fault to pixels."""

    start: float
    end: float

    def x(self, seconds: float) -> float:
        share = (min(max(seconds, self.start), self.end) - self.start) / (self.end - self.start)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> Iterator[float]:
        """Round numbers, about ten of them."""
        span = self.end - self.start
        step = next(s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600) if span / s <= 14 or s == 3600)
        tick = int(self.start / step) * step
        while tick <= self.end:
            if tick >= self.start:
                yield tick
            tick += step


def scale(report: Report) -> Scale:
    """From the first commit shown to the last thing that happened."""
    details = report.details
    times = [value for phase in PHASES if (value := getattr(report.seconds, phase)) is not None]
    ends = [*times, details.rate_from + len(details.rate) * BUCKET, 1.0]
    if details.gap is not None:
        ends.append(details.gap[1])
    return Scale(start=min(-0.5, details.rate_from), end=max(ends) + 0.2)


def timeline(report: Report) -> str:
    """One ``<svg>`` element; colours are the page's CSS variables."""
    axis = scale(report)
    y = 26.0
    parts: list[str] = []
    phases, y = _phases(report, axis, y)
    bars, y = _commits(report.details, axis, y + 14)
    writers, y = _writers(report.details, axis, y + 14)
    parts += [*_grid(axis, y), *phases, *bars, *writers]
    height = y + 24
    title = escape(f"Timeline of the drill {report.fault}, seconds from the fault")
    return f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    tip = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect x="{x}" y="{y}" width="{max(width, 1.5):.1f}" height="{height:.1f}" class="{kind}">{tip}</rect>'


def _line(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" class="{kind}"/>'


def _grid(axis: Scale, bottom: float) -> Iterator[str]:
    for tick in axis.ticks():
        yield _line(axis.x(tick), 20, bottom, "grid")
        yield _text(axis.x(tick), bottom + 16, f"{tick:g} s", "axis", "middle")
    yield _line(axis.x(0), 16, bottom, "fault")
    yield _text(axis.x(0), 13, "fault", "fault-name", "middle")


def _phases(report: Report, axis: Scale, y: float) -> tuple[list[str], float]:
    """One row a phase, in the order of time: from the moment before it to its own."""
    found = [(value, phase) for phase in PHASES if (value := getattr(report.seconds, phase)) is not None]
    parts: list[str] = []
    before = 0.0
    for value, phase in sorted(found):
        start, end = axis.x(min(before, value)), axis.x(value)
        parts.append(_text(LEFT - 10, y + 15, phase.replace("_", " "), "row", "end"))
        parts.append(_rect(start, y + 3, end - start, ROW - 6, f"phase {phase}", f"{MEANING[phase]}: {value:.2f} s"))
        parts.append(_text(end + 5, y + 15, f"{value:.2f} s", "value"))
        y += ROW
        before = value
    return parts, y


def _commits(details: Details, axis: Scale, y: float) -> tuple[list[str], float]:
    bottom = y + BARS
    most = max(details.rate, default=0)
    parts = [_text(LEFT - 10, y + 12, "commits", "row", "end"), _text(LEFT - 10, y + 26, "per 100 ms", "axis", "end")]
    if details.gap is not None:
        start, end = (axis.x(at) for at in details.gap)
        length = details.gap[1] - details.gap[0]
        parts.append(_rect(start, y, end - start, BARS, "gap", f"no commit for {length:.2f} s"))
        parts.append(_text((start + end) / 2, y + BARS / 2, f"no commit for {length:.2f} s", "gap-name", "middle"))
    for n, count in enumerate(details.rate):
        if count:
            at = details.rate_from + n * BUCKET
            height = count / most * (BARS - 4)
            width = max(axis.x(at + BUCKET) - axis.x(at) - 0.3, 0.8)
            parts.append(_rect(axis.x(at), round(bottom - height, 1), width, height, "bar", f"{at:.1f} s: {count}"))
    return parts, bottom


def _writers(details: Details, axis: Scale, y: float) -> tuple[list[str], float]:
    """One row for each node that wrote into the volume in the time shown."""
    shown = [span for span in details.writers if span.last >= axis.start]
    parts: list[str] = []
    for row, node in enumerate(dict.fromkeys(span.node for span in shown)):
        top = y + row * ROW
        parts.append(_text(LEFT - 10, top + 15, f"written by {node}"[:24], "row", "end"))
        for span in (span for span in shown if span.node == node):
            start, end = axis.x(span.first), axis.x(span.last)
            title = f"task {span.task} under epoch {span.epoch}: {span.records} records"
            parts.append(_rect(start, top + 5, end - start, ROW - 10, f"writer w{row % 4}", title))
    return parts, y + ROW * len({span.node for span in shown})
