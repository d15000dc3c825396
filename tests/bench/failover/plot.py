"""The rounds as a plot: one row for each situation and service, a dot for each round, a bar to the median. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from tests.bench.failover.results import (
    LABELLED,
    MEANING,
    PLAIN,
    SERVICES,
    STATELESS,
    Round,
    seconds,
    situations,
    spread,
)

WIDTH, LEFT, RIGHT, ROW, TOP = 900.0, 330.0, 60.0, 20.0, 30.0
COLOURS = {STATELESS: "#8a8f98", PLAIN: "#c98a2b", LABELLED: "#2b7fc9"}
_TEXT = 'font-family="sans-serif" font-size="12" fill="#333"'


def svg(rounds: Sequence[Round]) -> str:
    """Light and dark pages both: the plot has a lab of its own."""
    groups = list(situations(rounds).items())
    most = max((time for name in SERVICES for time in seconds(rounds, name)), default=1.0)
    height = TOP + sum(ROW * (len(SERVICES) + 1.6) for _ in groups) + 10
    body = [*_axis(most, height)]
    top = TOP
    for (fault, role, delay, _), found in groups:
        title = f"{fault} of a {role}, restart delay {delay} ({len(found)} rounds)"
        body.append(f'<text x="10" y="{top + 14:.0f}" {_TEXT} font-weight="bold">{escape(title)}</text>')
        for number, name in enumerate(SERVICES, 1):
            body += _row(seconds(found, name), name, top + number * ROW, most)
        top += ROW * (len(SERVICES) + 1.6)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" '
        'aria-label="Seconds from the fault to the next commit">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(body)}</svg>\n'
    )


def _row(times: Sequence[float], name: str, top: float, most: float) -> Iterator[str]:
    middle = top + ROW / 2
    yield f'<text x="24" y="{middle + 4:.0f}" {_TEXT}>{escape(MEANING[name])}</text>'
    found = spread(times)
    if found is None:
        return
    end = _x(found.median, most)
    yield (
        f'<rect x="{LEFT}" y="{top + 3:.1f}" width="{end - LEFT:.1f}" height="{ROW - 6}" '
        f'fill="{COLOURS[name]}" fill-opacity="0.35"/>'
    )
    for time in times:
        yield f'<circle cx="{_x(time, most):.1f}" cy="{middle:.1f}" r="3" fill="{COLOURS[name]}"/>'
    yield f'<text x="{_x(found.most, most) + 8:.1f}" y="{middle + 4:.0f}" {_TEXT}>{found.median:.1f} s</text>'


def _axis(most: float, height: float) -> Iterator[str]:
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100) if most / each <= 12 or each == 100)
    for tick in range(0, int(most) + 1, step):
        x = _x(tick, most)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 8:.0f}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" {_TEXT}>{tick} s</text>'


def _x(value: float, most: float) -> float:
    return LEFT + value / most * (WIDTH - LEFT - RIGHT)
