import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from controller.model import EvidenceKind, Moment
from deploy.drill.report import data, html
from deploy.drill.report.data import Commits, Details, EvidenceReport, Report, Writers
from deploy.drill.report.files import write_json
from deploy.drill.report.svg import Scale, timeline
from deploy.drill.report.timeline import Seconds
from deploy.drill.swarm.controller_answers import HistoryRow
from deploy.drill.workload.compare import compare
from deploy.drill.workload.probe import Reading, Span, Writer

GOOD = Report(
    fault="power-off",
    lab="namespaces",
    verdict="pass",
    seconds=Seconds(13.5, 13.6, 13.7, 13.8, 14.0, 14.4, 19.2),
    evidence=EvidenceReport(EvidenceKind.POWERED_OFF, "seen off on a <connected> host"),
    commits=Commits(acknowledged=410, present=411),
    writers=Writers(0),
    settings={"heartbeat": "5s"},
    details=Details(
        fault_at=1_700_000_000.0,
        fault_text="The machine loses its power.",
        moved=("swarm02", "swarm03"),
        rate_from=-3.0,
        rate=(2, 3, 0, 1),
        gap=(-0.1, 19.2),
        writers=(
            data.WriterSpan(1, "old", "swarm02", -5.0, 0.0, 20),
            data.WriterSpan(1, "new", "swarm03", 15.0, 22.0, 30),
        ),
        history=(HistoryRow(Moment.EVIDENCE, 1_700_000_013.7, 1, "powered off", "swarm02", EvidenceKind.POWERED_OFF),),
    ),
)


class Outline(HTMLParser):
    """Every tag that is opened is closed, and nothing is fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [f"{name}={value}" for name, value in attrs if name in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text)
    assert found.open == []
    return found


def test_the_page_is_one_whole_document_that_fetches_nothing() -> None:
    text = html.page(GOOD)

    assert outline(text).fetched == []
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_says_in_a_sentence_how_long_it_took_and_that_nothing_is_lost() -> None:
    words = " ".join(outline(html.page(GOOD)).words)

    assert "moved from swarm02 to swarm03 and acknowledged commits again 19.2 s after the fault" in words
    assert "410 commits were acknowledged, none of them is lost" in words
    assert "seen off on a <connected> host" in words
    assert "no commit for 19.30 s" in words


def test_the_page_of_a_drill_that_failed_says_why_and_what_did_not_happen() -> None:
    failed = msgspec.structs.replace(
        GOOD, verdict="fail", seconds=Seconds(node_down=13.0), why=("waits <for> swarm02",), writers=Writers(None)
    )

    words = " ".join(outline(html.page(failed)).words)

    assert "did not come back" in words
    assert "waits <for> swarm02" in words
    assert "not measured" in words
    assert words.count("did not happen") == 6


def test_lost_rows_are_shouted_in_the_sentence() -> None:
    lost = msgspec.structs.replace(GOOD, commits=Commits(acknowledged=10, present=8, lost=2))

    assert "2 of them are LOST" in html.sentence(lost)


def test_a_drawing_without_any_commit_or_phase_is_still_a_drawing() -> None:
    empty = msgspec.structs.replace(GOOD, seconds=Seconds(), details=Details())

    assert outline(timeline(empty)).fetched == []


def test_everything_drawn_lies_within_the_picture() -> None:
    numbers = [float(x) for x in re.findall(r' x="([-0-9.]+)"', timeline(GOOD))]

    assert min(numbers) >= 0
    assert max(numbers) <= 1000


@pytest.mark.parametrize(("start", "end", "most"), [(-3.0, 20.0, 15), (-0.5, 1.5, 15), (-3.0, 4000.0, 15)])
def test_the_axis_has_few_round_ticks(start: float, end: float, most: int) -> None:
    ticks = list(Scale(start, end).ticks())

    assert 2 <= len(ticks) <= most
    assert all(start <= tick <= end for tick in ticks)


def test_the_report_has_the_fields_that_it_promises(tmp_path: Path) -> None:
    write_json(tmp_path / "sub" / "report.json", GOOD)

    found = msgspec.json.decode((tmp_path / "sub" / "report.json").read_bytes())

    assert {"fault", "lab", "verdict", "seconds", "evidence", "commits", "writers", "settings"} <= set(found)
    assert list(found["seconds"]) == [
        "node_down",
        "assigned",
        "evidence",
        "detached",
        "attached",
        "mounted",
        "accepting",
    ]
    assert found["evidence"] == {"kind": "powered-off", "text": "seen off on a <connected> host"}
    assert found["commits"] == {"acknowledged": 410, "present": 411, "lost": 0, "invented": 0}
    assert found["writers"] == {"overlaps": 0}


def test_commits_are_counted_in_tenths_of_a_second_around_the_fault() -> None:
    start, counts = data.rate([99.95, 99.96, 100.01, 100.25], 100.0)

    assert start == -0.1
    assert counts == (2, 1, 0, 1)
    assert data.rate([], 100.0) == (0.0, ())


def test_the_gap_is_the_longest_time_without_a_commit() -> None:
    assert data.gap([99.0, 100.0, 119.0, 119.5], 100.0) == (0.0, 19.0)
    assert data.gap([99.0], 100.0) is None


def test_the_summary_has_median_and_maximum_and_passes_only_if_all_did() -> None:
    slow = msgspec.structs.replace(GOOD, seconds=Seconds(accepting=30.0))
    bad = msgspec.structs.replace(slow, verdict="fail", why=("2 acknowledged commits are lost",))

    assert data.summarize([GOOD, slow]).verdict == "pass"
    found = data.summarize([GOOD, slow, bad])
    assert (found.verdict, found.passed, found.rounds) == ("fail", 2, 3)
    assert found.seconds["accepting"] == data.PhaseStatistics(3, 30.0, 30.0)
    assert found.seconds["node_down"].rounds == 1
    assert found.why == ("round 3: 2 acknowledged commits are lost",)
    assert "round 3" in " ".join(outline(html.summary_page(found, [GOOD, slow, bad])).words)


def test_counts_and_spans_come_from_what_was_measured() -> None:
    assert data.commits(compare([1, 2, 3], [1, 2], [2, 9])) == Commits(2, 2, 1, 1)
    reading = Reading(spans=(Span(Writer(4, "t", "n"), 99.0, 101.5, 12),))
    assert data.spans(reading, 100.0) == (data.WriterSpan(4, "t", "n", -1.0, 1.5, 12),)
