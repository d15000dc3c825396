"""Answers for the terminal: tables and sentences."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from controller.explain import Explanation, StatusView

_COLOURS = {"ok": "green", "working": "cyan", "waiting": "yellow", "refused": "red", "ALARM": "bold red"}


def show_status(console: Console, status: StatusView) -> None:
    console.print(f"Acting: {escape(status.holder)}, epoch {status.epoch}, looked at {_time(status.looked_at)}")
    if status.paused is not None:
        console.print(f"[yellow]Paused: {escape(status.paused)}[/] (`reberth resume` ends that)")
    for unread in status.unread:
        console.print(f"[red]{escape(unread)}[/]")
    table = Table("VOLUME", "NODE", "VM", "STATE", "REASON", box=None, pad_edge=False)
    for line in status.volumes:
        word = f"[{_COLOURS.get(line.state, 'default')}]{line.state}[/]"
        table.add_row(escape(line.volume), escape(line.node), line.vm, word, escape(line.reason))
    console.print(table if status.volumes else "No volumes.")
    show_nodes(console, status)


def show_nodes(console: Console, status: StatusView) -> None:
    table = Table("NODE", "STATE", "VM", "HEARD", "GATE", box=None, pad_edge=False)
    for line in status.nodes:
        heard = "never" if line.heard is None else f"{line.heard:.0f} s ago"
        table.add_row(escape(line.node), line.state, line.vm or "unknown", heard, escape(line.gate))
    console.print()
    console.print(table)
    for line in status.nodes:
        for concern in line.concerns:
            console.print(f"[yellow]{escape(line.node)}: {escape(concern)}[/]", soft_wrap=True)


def show_explanation(console: Console, found: Explanation) -> None:
    word = f"[{_COLOURS.get(found.state, 'default')}]{found.state}[/]"
    console.print(f"[bold]{escape(found.volume)}[/]: {word} ({escape(found.decision)}, {escape(found.placement)})")
    _line(console, "Why", found.why)
    _line(console, "To do", found.cure)
    if found.setback:
        _line(console, "Last attempt", found.setback)
    _line(console, "Wanted by", found.claim)
    for why in found.refused:
        _line(console, "Refused", why)
    where = ", ".join(f"{each.node or '?'} (VM {each.vm}, {each.state.value})" for each in found.attachments)
    _line(console, "Disk", f"{found.disk or 'none yet'}, {found.size_bytes} bytes, on {where or 'no VM'}")
    if found.copy_of is not None:
        _line(console, "Began as", f"a copy of volume {found.copy_of}")
    for grant in found.grants:
        taken = ", taken back" if grant.revoked else ""
        _line(console, "Permission", f"task {grant.task} on {grant.node}, serial {grant.serial}{taken}")
    for proof in found.evidence:
        _line(console, "Evidence", f"{proof.kind.value}: {proof.text} (by {proof.source}, {_time(proof.at)})")
    for unread in found.unread:
        _line(console, "Unread", unread)
    table = Table("TIME", "WHAT", "NODE", "EPOCH", "DETAILS", box=None, pad_edge=False)
    for each in found.history:
        table.add_row(_time(each.at), each.moment.value, escape(each.node), str(each.epoch), escape(each.text))
    console.print(table if found.history else "No history.")


def _line(console: Console, word: str, text: str) -> None:
    console.print(f"{word + ':':<13} {escape(text)}", soft_wrap=True)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="milliseconds")
