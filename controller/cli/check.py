"""`reberth status --check`: one line and a code, as monitoring plug-ins of Nagios, Icinga and CheckMK say it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from controller.protocol.views import StatusView

_BAD = {"refused", "waiting", "starting", "unknown"}  # starting: its container does not run; it may never
_QUOTED = 3  # reasons in the line; the others are counted


class Health(IntEnum):
    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


def judged(status: StatusView) -> tuple[Health, str]:
    """
    Critical: a volume needs a person, or a part could not be read, so that no failover could happen now. Warning: a
    volume waits, is refused or nearly full, its snapshot or container is late; or a person has paused all or a part.
    """
    critical = [*_alarms(status), *status.unread]
    worries = list(_worries(status))
    health = Health.CRITICAL if critical else Health.WARNING if worries else Health.OK
    return health, f"REBERTH {health.name} - {_told([*critical, *worries], status)} | {_numbers(status)}"


def _alarms(status: StatusView) -> Iterator[str]:
    return (f"{each.volume}: {each.reason}" for each in status.volumes if each.state == "ALARM")


def _worries(status: StatusView) -> Iterator[str]:
    if status.paused is not None:
        yield f"paused: {status.paused}"
    yield from (f"{each.kind} {each.name} paused: {each.reason}" for each in status.paused_parts)
    yield from (f"{each.volume} {each.state}: {each.reason}" for each in status.volumes if each.state in _BAD)
    yield from (each.warnings[0] for each in status.volumes if each.full and each.warnings)
    yield from (each.overdue for each in status.volumes if each.overdue)


def _told(reasons: list[str], status: StatusView) -> str:
    if not reasons:
        return f"{len(status.volumes)} volumes, {status.holder} acts"
    more = len(reasons) - _QUOTED
    text = "; ".join(reasons[:_QUOTED]) + (f"; and {more} more" if more > 0 else "")
    return text.replace("|", "/").replace("\n", " ")  # what comes after a bar is numbers


def _numbers(status: StatusView) -> str:
    alarms = sum(1 for _ in _alarms(status))
    return f"volumes={len(status.volumes)} alarms={alarms} unread={len(status.unread)}"
