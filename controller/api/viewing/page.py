"""
The page `/ui` as HTML: swarm, volumes, what is held and why, moves as a timeline, the doctor's findings. Pure.

It is whole as it comes: no script, nothing from elsewhere. Every state is a word, never only a colour.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

from controller.api.viewing.timeline import timeline
from controller.protocol.views import Explanation, FindingView, MoveView, NodeLine, StatusView, VolumeLine

REFRESH = 5  # seconds
MOST_MOVES = 20

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 75rem; margin: 0 auto; padding: 0 1rem 3rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8886; }
.bad { font-weight: bold; border-left: .4rem solid; padding-left: .5rem; } svg { width: 100%; height: 1.4rem; }
rect { fill: #8888; stroke: currentColor; } rect.odd { fill: none; } dt { font-weight: bold; } code { font-size: 1em; }
""".strip()

_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_BAD = {"ALARM", "refused"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page is made of. ``status`` None: no controller acts, ``why`` says it. ``findings``: or why not."""

    status: StatusView | None
    moves: tuple[MoveView, ...] = ()
    findings: tuple[FindingView, ...] | str = ()
    held: tuple[Explanation, ...] = ()
    why: str = ""


def page(shown: Shown, *, still: bool = False) -> str:
    """``still``: it does not come again by itself."""
    again = "" if still else f'<meta http-equiv="refresh" content="{REFRESH}">'
    body = f"<p class=bad>{escape(shown.why)}</p>" if shown.status is None else "".join(_sections(shown, shown.status))
    link = '<a href="/ui">Show news by itself</a>' if still else '<a href="/ui?still">Hold the page as it is</a>'
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_title(shown.status)}</title><style>{STYLE}</style></head><body><main><h1>Reberth</h1>"
        f"{body}</main><footer><p>{link}</p></footer></body></html>"
    )


def _title(status: StatusView | None) -> str:
    alarms = 0 if status is None else sum(each.state == "ALARM" for each in status.volumes)
    return "Reberth: no answer" if status is None else f"Reberth: {alarms} alarms" if alarms else "Reberth"


def _sections(shown: Shown, status: StatusView) -> Iterator[str]:
    yield f"<p>{escape(status.holder)} acts under epoch {status.epoch}; looked at {_time(status.looked_at)}.</p>"
    if status.paused is not None:
        yield f"<p class=bad>Paused: {escape(status.paused)}. <code>reberth resume</code> ends that.</p>"
    for part in status.paused_parts:
        name = escape(part.name)
        end = f"<code>reberth resume --{part.kind} {name}</code> ends that."
        yield f"<p class=bad>Paused: {part.kind} {name}: {escape(part.reason)}. {end}</p>"
    yield from (f"<p class=bad>{escape(each)}</p>" for each in status.unread)
    if shown.held:
        yield "<h2>Held or under way</h2>" + "".join(map(_held, shown.held))
    yield "<h2>Volumes</h2>" + _table("Volumes", ("Volume", "Node", "State", "Reason"), map(_volume, status.volumes))
    yield "<h2>Moves</h2>" + (_moves(shown.moves) or "<p>None yet.</p>")
    yield "<h2>Nodes</h2>" + _table("Nodes", ("Node", "State", "VM", "Gate", "Heard"), map(_node, status.nodes))
    yield "<h2>Doctor</h2>" + _findings(shown.findings)


def _volume(line: VolumeLine) -> tuple[str, ...]:
    state = f"<span class=bad>{escape(line.state)}</span>" if line.state in _BAD else escape(line.state)
    return escape(line.volume), escape(line.node) or "no node", state, escape(line.reason)


def _node(line: NodeLine) -> tuple[str, ...]:
    heard = "never" if line.heard is None else f"{line.heard:.0f} s ago"
    state = f"{line.state}, labelled dead" if line.labelled else line.state
    concerns = "".join(f"<br>{escape(each)}" for each in line.concerns)
    return escape(line.node), escape(state), escape(line.vm or "unknown"), escape(line.gate) + concerns, heard


def _held(told: Explanation) -> str:
    facts = {"Why": told.why, "To do": told.cure, "Wanted by": told.claim, "Last attempt": told.setback or ""}
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text)
    return f"<h3>{escape(told.volume)}: {escape(told.state)}</h3><dl>{rows}</dl>"


def _moves(moves: tuple[MoveView, ...]) -> str:
    return "".join(map(_move, moves[:MOST_MOVES]))


def _move(move: MoveView) -> str:
    word = "no evidence yet" if move.evidence is None else move.evidence.value
    kind = "planned move" if move.planned else "failover"
    took = "not over" if move.total is None else f"{move.total:.2f} s"
    where = f"{escape(move.source) or '?'} to {escape(move.target) or '?'}"
    head = f"<h3>{escape(move.volume)}: {where}, {took}</h3>"
    return f"{head}<p>{_time(move.at)}, {kind}, {word}. {escape(move.why)}</p>{timeline(move.seconds)}"


def _findings(found: tuple[FindingView, ...] | str) -> str:
    if isinstance(found, str):
        return f"<p class=bad>{escape(found)}</p>"
    rows = ((escape(each.severity), escape(each.subject), escape(each.text), escape(each.cure)) for each in found)
    return _table("Findings", ("Severity", "About", "What", "Cure"), rows) if found else "<p>Nothing found.</p>"


def _table(name: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """It scrolls by itself on a narrow screen, with the keyboard, too."""
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class=wide role="region" aria-label="{name}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _time(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
    return f"<time>{moment}</time>"
