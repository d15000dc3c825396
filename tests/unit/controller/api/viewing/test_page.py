"""The page says all in words, and what a name contains is text."""

from __future__ import annotations

import msgspec

from controller.api.viewing.page import MOST_MOVES, Shown, page
from controller.model import EvidenceKind
from controller.protocol.views import Explanation, FindingView, MoveView, NodeLine, PausedView, StatusView, VolumeLine

MOVE = MoveView(
    "data", 0.0, "n1", "n2", EvidenceKind.POWERED_OFF, "seen off", planned=False,
    seconds={"evidence": 0.0, "detached": 1.0, "mounted": 4.0}, total=4.0,
)  # fmt: skip
HELD = Explanation(
    "data", "ALARM", "held", "alarm", "its VM runs", "power it off", "ready", "d", 1, "ext4", formatted=True, claim="db"
)
STATUS = StatusView(
    7,
    "m1",
    None,
    0.0,
    (VolumeLine("data", "n1", "vm1", "ALARM", "its VM runs"), VolumeLine("fine", "", "", "ok", "")),
    (NodeLine("n1", "id", "down", None, "running", None, ("no UUID",), labelled=True),),
)


def test_an_alarm_is_told_by_words_with_its_cure_in_the_title_and_in_its_own_section() -> None:
    text = page(Shown(STATUS, held=(HELD,)))
    assert "<title>Reberth: 1 alarms</title>" in text
    for words in ("data: ALARM", "its VM runs", "power it off", "down, labelled dead", "no UUID", "no node"):
        assert words in text
    assert page(Shown(STATUS)).count("Held or under way") == 0


def test_a_pause_and_what_is_unread_stand_at_the_top() -> None:
    text = page(Shown(msgspec.structs.replace(STATUS, paused="storage work", unread=("no answer of vCenter",))))
    assert text.index("Paused: storage work") < text.index("no answer of vCenter") < text.index("<h2>Volumes</h2>")


def test_what_is_paused_alone_stands_at_the_top_with_the_command_that_ends_it() -> None:
    text = page(Shown(msgspec.structs.replace(STATUS, paused_parts=(PausedView("node", "<n1>", "mended"),))))
    told = "Paused: node &lt;n1&gt;: mended. <code>reberth resume --node &lt;n1&gt;</code> ends that."
    assert text.index(told) < text.index("<h2>Volumes</h2>")


def test_a_move_is_drawn_and_told() -> None:
    text = page(Shown(STATUS, (MOVE,)))
    assert "data: n1 to n2, 4.00 s" in text
    assert "failover, powered-off. seen off" in text
    assert "evidence 0.00 s, detached 1.00 s, mounted 4.00 s" in text
    assert '<rect x="250.0" y="2" width="750.0"' in text
    going_on = msgspec.structs.replace(MOVE, total=None, seconds={}, evidence=None, planned=True, target="")
    assert "data: n1 to ?, not over" in page(Shown(STATUS, (going_on,)))


def test_of_many_moves_the_newest_are_shown() -> None:
    many = tuple(msgspec.structs.replace(MOVE, volume=f"v{n}") for n in range(MOST_MOVES + 1))
    text = page(Shown(STATUS, many))
    assert (f"v{MOST_MOVES - 1}:" in text, f"v{MOST_MOVES}:" in text) == (True, False)


def test_findings_have_their_cures_and_no_finding_is_said() -> None:
    finding = FindingView("clock", "warning", "n1", "its clock is late", "run chrony")
    assert "run chrony" in page(Shown(STATUS, findings=(finding,)))
    assert "Nothing found." in page(Shown(STATUS))
    assert "Swarm does not answer" in page(Shown(STATUS, findings="Swarm does not answer"))


def test_without_a_controller_the_page_says_why() -> None:
    text = page(Shown(None, why="no controller acts just now"))
    assert "<title>Reberth: no answer</title>" in text
    assert "no controller acts just now" in text


def test_what_comes_from_others_is_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script>\"'&"
    line = VolumeLine(evil, evil, evil, "ALARM", evil)
    node = NodeLine(evil, evil, evil, evil, evil, None, (evil,))
    status = StatusView(7, evil, evil, 0.0, (line,), (node,), (evil,))
    held = msgspec.structs.replace(HELD, volume=evil, why=evil, cure=evil, claim=evil, setback=evil, state=evil)
    move = msgspec.structs.replace(MOVE, volume=evil, source=evil, target=evil, why=evil, seconds={evil: 1.0})
    finding = FindingView(evil, evil, evil, evil, evil)
    for shown in (Shown(status, (move,), (finding,), (held,)), Shown(status, findings=evil), Shown(None, why=evil)):
        assert "<script" not in page(shown)


def test_it_comes_again_by_itself_unless_it_is_held() -> None:
    assert 'http-equiv="refresh"' in page(Shown(STATUS))
    assert 'http-equiv="refresh"' not in page(Shown(STATUS), still=True)
