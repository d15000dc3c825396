"""Whether our programs grow over a run."""

from __future__ import annotations

import pytest

from deploy.drill.chaos.growth import Usage, growing, slope, trends
from deploy.drill.chaos.report import Trend

MINUTE = 60.0


def hour(kibibytes: float, files: float, minutes: int = 60) -> list[Usage]:
    """A controller that grows by so much an hour, seen each minute."""
    return [
        Usage(at * MINUTE, "swarm01", "controller", 7, round(1000 + kibibytes * at / 60), round(20 + files * at / 60))
        for at in range(minutes + 1)
    ]


def test_growth_is_the_slope_that_most_pairs_have_whatever_one_look_saw() -> None:
    points = [(float(second), 10.0 + second) for second in range(20)]

    assert slope(points) == pytest.approx(3600)
    assert slope([*points, (20.0, 9000.0)]) == pytest.approx(3600)
    assert slope(points[:1]) == 0


def test_a_flat_program_is_well_also_with_a_high_look() -> None:
    flat = hour(0, 0)
    flat[30] = Usage(30 * MINUTE, "swarm01", "controller", 7, 900_000, 900)

    assert list(growing(flat)) == []


@pytest.mark.parametrize(
    ("kibibytes", "files", "words"),
    [(40_960, 0, ["grows by 40 MiB an hour"]), (0, 60, ["opens 60 files more an hour"]), (10_240, 6, [])],
)
def test_a_program_that_grows_is_named_with_its_rate(kibibytes: float, files: float, words: list[str]) -> None:
    found = list(growing(hour(kibibytes, files)))

    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_program_that_was_seen_for_a_short_time_is_not_judged_and_another_process_is_another_program() -> None:
    assert list(growing(hour(90_000, 900, minutes=20))) == []
    later = [Usage(each.at + 3600, each.node, each.program, 8, each.kibibytes, each.files) for each in hour(0, 0)]
    assert list(growing([*hour(0, 0), *later])) == []


def test_what_it_fills_in_its_first_minutes_is_not_counted() -> None:
    filled = [Usage(at, "swarm01", "gate", 7, 100, 5) for at in (0.0, 60.0, 120.0)]
    flat = [Usage(each.at + 300, "swarm01", "gate", 7, 50_000, 5) for each in hour(0, 0)]

    (found,) = trends([*filled, *flat])
    assert found == Trend("swarm01 gate", 60.0, (50_000, 50_000), (5, 5), (0, 0))
