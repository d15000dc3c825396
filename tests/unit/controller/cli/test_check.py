"""The line for monitoring: what is worst gives the code, and its reasons come first."""

from __future__ import annotations

import msgspec
import pytest

from controller.cli.check import Health, judged
from controller.protocol.views import PausedView, StatusView, VolumeLine


def line(state: str, name: str = "data") -> VolumeLine:
    return VolumeLine(name, "n1", "vm1", state, f"reason of {name}")


def status(*volumes: VolumeLine, paused: str | None = None, unread: tuple[str, ...] = ()) -> StatusView:
    return StatusView(7, "m1", paused, 0.0, volumes, unread=unread)


def parted() -> StatusView:
    return msgspec.structs.replace(status(line("paused")), paused_parts=(PausedView("node", "n7", "mended"),))


@pytest.mark.parametrize(
    ("found", "health", "words"),
    [
        (status(line("ok"), line("working"), line("kept")), Health.OK, "3 volumes, m1 acts"),
        (status(line("waiting")), Health.WARNING, "data waiting: reason of data"),
        (status(line("starting")), Health.WARNING, "data starting: reason of data"),
        (status(line("refused")), Health.WARNING, "data refused: reason of data"),
        (status(line("unknown")), Health.WARNING, "data unknown"),
        (status(paused="storage work"), Health.WARNING, "paused: storage work"),
        (status(msgspec.structs.replace(line("ok"), overdue="no snapshot")), Health.WARNING, "- no snapshot |"),
        (parted(), Health.WARNING, "node n7 paused: mended"),
        (status(unread=("no storage",)), Health.CRITICAL, "- no storage |"),
        (status(line("waiting", "a"), line("ALARM", "b")), Health.CRITICAL, "- b: reason of b; a waiting"),
    ],
)
def test_the_worst_decides(found: StatusView, health: Health, words: str) -> None:
    code, text = judged(found)
    assert (code, text.startswith(f"REBERTH {health.name} - ")) == (health, True)
    assert words in text


def test_the_numbers_stand_behind_the_only_bar_and_all_of_it_is_one_line() -> None:
    odd = msgspec.structs.replace(line("ALARM"), reason="a|b\nc")
    assert judged(status(odd))[1] == "REBERTH CRITICAL - data: a/b c | volumes=1 alarms=1 unread=0"


def test_many_reasons_are_counted_and_not_listed() -> None:
    text = judged(status(*(line("ALARM", f"v{n}") for n in range(9))))[1]
    assert "v2: reason" in text
    assert "v3" not in text
    assert "; and 6 more" in text
