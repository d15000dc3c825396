"""Answers for the terminal: tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from controller.model import QuotaUse
from controller.protocol.views import DoctorView, DriverView, Explanation, SnapshotsView, StatusView
from controller.volumes.catalogue import OPTIONS

_PAGE = 3000  # columns; `-o wide` has more
_FINE = "ok"

_COLOURS = {
    "ok": "green",
    "starting": "cyan",
    "working": "cyan",
    "waiting": "yellow",
    "paused": "yellow",
    "refused": "red",
    "ALARM": "bold red",
    "there": "green",
    "wanted": "cyan",
    "failed": "red",
    "leaving": "yellow",
}


def show_status(console: Console, status: StatusView) -> None:
    console.print(f"Acting: {escape(status.holder)}, epoch {status.epoch}, looked at {time_of(status.looked_at)}")
    if status.paused is not None:
        console.print(f"[yellow]Paused: {escape(status.paused)}[/] (`reberth resume` ends that)")
    for part in status.paused_parts:
        text = f"[yellow]Paused: {part.kind} {escape(part.name)}: {escape(part.reason)}[/]"
        console.print(f"{text} (`reberth resume --{part.kind} {escape(part.name)}` ends that)", soft_wrap=True)
    for unread in status.unread:
        console.print(f"[red]{escape(unread)}[/]")
    console.print(_volumes(status, wide=console.width > _PAGE) if status.volumes else "No volumes.")
    for room in _rooms(status):
        console.print(room, soft_wrap=True)
    for warning in (each for line in status.volumes for each in line.warnings):
        console.print(f"[yellow]{escape(warning)}[/]", soft_wrap=True)
    show_nodes(console, status)


def _volumes(status: StatusView, *, wide: bool) -> Table:
    """Where all is well the reason says nothing more, and is left to ``-o wide``."""
    more = ("SERVICE", "SIZE", "USED", "ALLOCATED", "FSTYPE", "VM", "DISK") if wide else ()
    table = table_of("VOLUME", "NODE", "STATE", *more, last="REASON")
    for line in status.volumes:
        word = f"[{_COLOURS.get(line.state, 'default')}]{line.state}[/]"
        used = f"{line.used_bytes / (line.used_bytes + line.available_bytes):.0%}" if line.used_bytes else ""
        spec = (escape(line.service), size_text(line.size_bytes), used, size_text(line.allocated_bytes or 0))
        cells = (*spec, line.fstype, line.vm, escape(line.disk))
        reason = escape(line.reason) if wide or line.state != _FINE else ""
        table.add_row(escape(line.volume), escape(line.node), word, *(cells if wide else ()), reason)
    return table


def table_of(*columns: str, last: str) -> Table:
    """Only the ``last`` column is broken into lines: a name or a number that is cut helps nobody."""
    table = Table(box=None, pad_edge=False)
    for each in columns:
        table.add_column(each, no_wrap=True, overflow="ignore")
    table.add_column(last, overflow="fold", min_width=20)
    return table


def size_text(size: int) -> str:
    return f"{size / 2**30:.4g} GiB" if size else ""


def _rooms(status: StatusView) -> Iterator[str]:
    """Of the storage, and of the quotas."""
    for room in status.rooms:
        text = f"{escape(room.name)}: {room.free_bytes / 2**30:.4g} of {room.size_bytes / 2**30:.4g} GiB free"
        yield f"[yellow]{text}: make room, or more of it[/]" if room.scarce else text
    for quota in status.quotas:
        text = f"Quota {escape(quota.selector)}: {_quota_text(quota)}"
        yield f"[yellow]{text}: nothing more is made[/]" if quota.full else text


def _quota_text(quota: QuotaUse) -> str:
    size = f"{quota.bytes / 2**30:.4g}"
    most = " GiB" if quota.most_bytes is None else f" of {quota.most_bytes / 2**30:.4g} GiB"
    many = "" if quota.most_volumes is None else f" of {quota.most_volumes}"
    return f"{size}{most}, {quota.volumes}{many} volumes"


def show_nodes(console: Console, status: StatusView) -> None:
    table = table_of("NODE", "STATE", "VM", "HEARD", last="GATE")
    for line in status.nodes:
        heard = "never" if line.heard is None else f"{line.heard:.0f} s ago"
        state = f"{line.state}, labelled dead" if line.labelled else line.state
        table.add_row(escape(line.node), state, line.vm or "unknown", heard, escape(line.gate))
    console.print()
    console.print(table)
    for line in status.nodes:
        for concern in line.concerns:
            console.print(f"[yellow]{escape(line.node)}: {escape(concern)}[/]", soft_wrap=True)
    for advice in status.advice:
        console.print(escape(advice), soft_wrap=True)


def show_options(console: Console, found: DriverView) -> None:
    console.print(f"Storage driver {escape(found.name)}: {', '.join(found.can) or 'nothing beyond attach and detach'}")
    table = table_of("OPTION", "FORM", "DEFAULT", last="WHAT FOR")
    for each in OPTIONS:
        about = each.about if not each.needs or each.needs in found.can else "not with this driver"
        table.add_row(escape(each.key), escape(each.form), escape(each.default), escape(about))
    for own in found.options:
        table.add_row(escape(own.key), escape(own.form), escape(own.default), escape(own.about))
    console.print(table)


def show_snapshots(console: Console, found: SnapshotsView) -> None:
    if not found.snapshots:
        console.print("No snapshots.")
        return
    table = table_of("VOLUME", "SNAPSHOT", "STATE", "TIME", "SIZE", last="REASON")
    for each in found.snapshots:
        word = f"[{_COLOURS.get(each.state, 'default')}]{each.state}[/]"
        state = f"{word}{', by schedule' if each.scheduled else ''}{', being restored' if each.restoring else ''}"
        size = size_text(each.size_bytes)
        table.add_row(escape(each.volume), escape(each.name), state, clock_of(each.at), size, escape(each.why))
    console.print(table)


def show_findings(console: Console, found: DoctorView) -> None:
    colours = {"error": "bold red", "warning": "yellow", "note": "cyan"}
    for each in found.findings:
        word = f"[{colours.get(each.severity, 'default')}]{each.severity.upper()}[/]"
        console.print(f"{word} {escape(each.subject)}: {escape(each.text)} ({each.code})", soft_wrap=True)
        console.print(f"    {escape(each.cure)}", soft_wrap=True)
    if not found.findings:
        console.print("Nothing found.")


def show_explanation(console: Console, found: Explanation) -> None:
    word = f"[{_COLOURS.get(found.state, 'default')}]{found.state}[/]"
    console.print(f"[bold]{escape(found.volume)}[/]: {word} ({escape(found.decision)}, {escape(found.placement)})")
    for what, text in _facts(found):
        _line(console, what, text)
    table = table_of(f"TIME ({_zone()})", "WHAT", "NODE", "EPOCH", last="DETAILS")
    for each in found.history:
        table.add_row(clock_of(each.at), each.moment.value, escape(each.node), str(each.epoch), escape(each.text))
    console.print(table if found.history else "No history.")


def _facts(found: Explanation) -> Iterator[tuple[str, str]]:
    yield "Why", found.why
    yield "To do", found.cure
    if found.setback:
        yield "Last attempt", found.setback
    yield "Wanted by", found.claim
    yield from (("Refused", why) for why in found.refused)
    used = f" ({found.used_bytes} used, {found.available_bytes} available)" * bool(found.used_bytes)
    yield "Disk", f"{found.disk or 'none yet'}, {found.size_bytes} bytes{used}, on {_where(found)}"
    if found.copy_of is not None:
        yield "Began as", f"a copy of volume {found.copy_of}"
    for grant in found.grants:
        taken = ", taken back" if grant.revoked else ""
        yield "Permission", f"task {grant.task} on {grant.node}, serial {grant.serial}{taken}"
    for proof in found.evidence:
        yield "Evidence", f"{proof.kind.value}: {proof.text} (by {proof.source}, {time_of(proof.at)})"
    yield from _kept(found)
    several = (("Label", found.labels), ("Beware", found.warnings), ("Unread", found.unread), ("Quicker", found.advice))
    for word, sentences in several:
        yield from ((word, each) for each in sentences)


def _kept(found: Explanation) -> Iterator[tuple[str, str]]:
    if found.snapshots or found.schedule:
        yield "Snapshots", f"{found.snapshots} there; by schedule: {found.schedule or 'none'}"


def _where(found: Explanation) -> str:
    places = (f"{each.node or '?'} (VM {each.vm}, {each.state.value})" for each in found.attachments)
    return ", ".join(places) or "no VM"


def _line(console: Console, word: str, text: str) -> None:
    console.print(f"{word + ':':<13} {escape(text)}", soft_wrap=True)


def _zone() -> str:
    return datetime.now().astimezone().tzname() or "local"


def clock_of(at: float) -> str:
    """In the zone that the column's head names."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def time_of(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="milliseconds")
