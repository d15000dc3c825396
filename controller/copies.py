"""What a volume waits for that is to begin as a copy of another one (``clone-from``). Pure."""

from __future__ import annotations

from controller.case import Case
from controller.evidence import who
from controller.model import Operation


def must_wait(case: Case) -> bool:
    """
    Whether the storage must not be asked for the copy now.

    If it was asked before, and nobody knows what came of it, it may be asked while the source is attached: it can find
    the copy that was made, and cannot begin one.
    """
    source, intent = case.entry.spec.source, case.entry.intent
    asked = intent is not None and intent.operation is Operation.CREATE
    only_finds = asked and source is not None and source.disk in case.index.disks
    return bool(source_users(case)) and not only_finds


def source_users(case: Case) -> str:
    """What keeps the disk that this volume is to copy, in words; empty when it can be copied."""
    source, service = case.entry.spec.source, source_service(case)
    if service:
        return f"service {service} uses it"
    held = () if source is None else case.index.disks.get(source.disk, ())
    return f"its disk is still on {', '.join(who(case, each.vm) for each in held)}" if held else ""


def source_service(case: Case) -> str:
    """The service with a task that wants the volume that this one is to copy; empty when there is none."""
    source = case.entry.spec.source
    if source is None:
        return ""
    claim = (case.index.world.claims or {}).get(source.volume)
    original = (case.index.world.volumes or {}).get(source.volume)
    same = original is not None and original.disk == source.disk  # and not one made anew under its name
    return claim.tasks[0].service if same and claim is not None and claim.tasks else ""


def lent(case: Case) -> bool:
    """Whether this volume's disk is to be taken from where it is, so that it can be copied: nobody wants it itself."""
    return case.where is not None and case.copier is not None and (case.claim is None or not case.claim.tasks)
