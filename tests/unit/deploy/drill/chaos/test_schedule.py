"""Episodes from a seed, and how one is made smaller."""

from __future__ import annotations

from itertools import islice

import pytest

from deploy.drill.chaos.schedule import Episode, Kind, Planned, episode, episodes, shrink, smaller

KINDS = (Kind("power-off", 3), Kind("cut"), Kind("kill", lasts=False))
NODES = ("swarm01", "swarm02", "swarm03")


def test_a_seed_gives_the_same_episodes_and_each_can_be_made_alone() -> None:
    first = list(islice(episodes(7, KINDS, NODES), 20))

    assert first == list(islice(episodes(7, KINDS, NODES), 20))
    assert first[12] == episode(7, 13, KINDS, NODES)
    assert first != list(islice(episodes(8, KINDS, NODES), 20))


def test_faults_overlap_and_each_is_cured_within_a_minute() -> None:
    found = list(islice(episodes(1, KINDS, NODES), 200))

    assert {len(each.faults) for each in found} == {1, 2, 3}
    assert {fault.fault for each in found for fault in each.faults} == {kind.name for kind in KINDS}
    assert all(0 <= fault.begins <= fault.ends <= 60 for each in found for fault in each.faults)
    assert any(a.begins < b.begins < a.ends for each in found for a in each.faults for b in each.faults)


def test_a_heavier_kind_is_chosen_more_often() -> None:
    faults = [fault.fault for each in islice(episodes(1, KINDS, NODES), 200) for fault in each.faults]

    assert faults.count("power-off") > 2 * faults.count("cut")


def test_what_is_over_at_once_ends_when_it_begins_and_the_moments_are_in_order() -> None:
    found = Episode(1, (Planned("power-off", "swarm01", 0.0, 10.0), Planned("kill", "swarm02", 5.0, 5.0)))

    assert [(at, begins, each.fault) for at, begins, each in found.moments()] == [
        (0.0, True, "power-off"),
        (5.0, True, "kill"),
        (5.0, False, "kill"),
        (10.0, False, "power-off"),
    ]


LONG = Episode(
    3,
    (
        Planned("cut", "swarm01", 2.0, 4.0),
        Planned("power-off", "swarm02", 8.0, 48.0),
        Planned("kill", "swarm03", 9.0, 9.0),
    ),
)


def test_a_failing_episode_is_made_smaller_to_what_still_fails() -> None:
    found = shrink(LONG, lambda each: any(fault.fault == "power-off" for fault in each.faults), tries=50)

    assert found.number == 3
    assert found.faults == (Planned("power-off", "swarm02", 0.0, 5.0),)


@pytest.mark.parametrize("tries", [0, 1, 3, 7])
def test_no_more_episodes_are_played_than_it_may(tries: int) -> None:
    played: list[Episode] = []

    def fails(each: Episode) -> bool:
        played.append(each)
        return False

    shrink(LONG, fails, tries=tries)

    assert len(played) <= tries


def test_the_last_fault_is_never_left_out() -> None:
    one = Episode(1, (Planned("kill", "swarm01", 0.0, 0.0),))

    assert list(smaller(one)) == []


def test_an_episode_reads_as_a_sentence() -> None:
    assert str(LONG) == "episode 3: 2 s: cut swarm01 for 2 s; 8 s: power-off swarm02 for 40 s; 9 s: kill swarm03"
