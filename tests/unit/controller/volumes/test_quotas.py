"""What volumes may have together: how a quota is said, which volumes it is about, and what counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import Phase, Restoring, Snapshot, Snapshots, SnapshotState, Spec, VolumeKey, VolumeName
from controller.model import VolumeRecord as Record
from controller.volumes.quotas import BadQuota, Quota, Taken, Wanted, parse_quotas, refusal, taken

GIB = 1 << 30
RED = (("team", "red"),)
SHOP = Quota("shop_*", 10 * GIB, 3)


def record(name: str, gib: int = 1, labels: tuple[tuple[str, str], ...] = ()) -> Record:
    return Record(VolumeName(name), VolumeKey(name), Spec(gib * GIB, labels=labels), "uuid", Phase.READY)


def known(*records: Record) -> dict[VolumeName, Record]:
    return {each.name: each for each in records}


def snapshot(state: SnapshotState) -> Snapshot:
    return Snapshot(state.value, "t", state, 0.0, GIB)


def test_lines_say_bytes_volumes_or_both_of_names_or_of_a_label() -> None:
    found = parse_quotas("\n  shop_*: 10GiB, 3 volumes\nteam=red: 2GiB ; *: 1 volume\n")
    assert found == (SHOP, Quota("team=red", 2 * GIB), Quota("*", None, 1))
    assert parse_quotas(" \n") == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("shop_*", "is no quota"),
        ("5GiB", "is no quota: write"),
        (": 5GiB", "is no quota: write"),
        ("shop_*: lots", "is not a size"),
        ("shop_*: 5GiB, 6GiB", "is no quota: write"),
        ("shop_*: 5 volumes, 6 volumes", "is no quota: write"),
        ("shop_*:", "is no quota"),
        ("a: 5GiB; a: 6GiB", "a stands there twice"),
    ],
)
def test_what_cannot_be_meant_is_told_with_what_can(line: str, words: str) -> None:
    with pytest.raises(BadQuota, match=words):
        parse_quotas(line)


@pytest.mark.parametrize(
    ("selector", "name", "labels", "fits"),
    [
        ("shop_*", "shop_data", (), True),
        ("shop_*", "shopping", (), False),
        ("shop_*", "a_shop_data", (), False),
        ("*", "anything", (), True),
        ("data", "data", (), True),
        ("data", "data2", (), False),
        ("a.c", "abc", (), False),
        ("team=red", "x", RED, True),
        ("team=red", "x", (("team", "redder"),), False),
        ("team=*", "x", RED, True),
        ("team=red", "team=red", (), False),
    ],
)
def test_a_quota_is_about_names_or_about_a_label(
    selector: str, name: str, labels: tuple[tuple[str, str], ...], fits: bool
) -> None:
    assert Quota(selector).fits(VolumeName(name), labels) is fits


def test_snapshots_and_a_restore_count_and_what_is_removed_does_not() -> None:
    there, wanted, failed, leaving = map(snapshot, SnapshotState)
    assert [each.state for each in (there, wanted, failed, leaving)] == list(SnapshotState)
    full = replace(record("shop_a", 2), snapshots=Snapshots((there, wanted, failed, leaving)))
    assert taken(SHOP, known(full, record("other"))) == Taken(4 * GIB, 1)
    restored = replace(full, snapshots=replace(full.snapshots, restoring=Restoring("a", "t")))
    assert taken(SHOP, known(restored)) == Taken(6 * GIB, 1)
    assert taken(SHOP, known(replace(full, phase=Phase.DELETING))) == Taken()
    assert taken(SHOP, known(full), {full.name: 5 * GIB}) == Taken(7 * GIB, 1)
    assert taken(SHOP, known(full), {full.name: GIB}) == Taken(4 * GIB, 1)


@pytest.mark.parametrize(
    ("more", "volumes", "words"),
    [
        (4, 1, None),
        (5, 1, "6 GiB of 10 GiB are taken, and it needs 5 GiB more"),
        (4, 2, "2 of 3 volumes are there"),
        (4, 0, None),
        (0, 0, None),
    ],
)
def test_what_does_not_fit_is_refused_with_numbers_and_the_cure(more: int, volumes: int, words: str | None) -> None:
    wanted = Wanted(VolumeName("shop_c"), (), Taken(more * GIB, volumes))
    found = refusal([SHOP], known(record("shop_a", 2), record("shop_b", 4)), wanted)
    assert (found is None) is (words is None)
    if words is not None and found is not None:
        assert words in found
        assert "remove a volume or a snapshot of them" in found
        assert "[volumes] quotas" in found


def test_where_there_are_too_many_volumes_those_that_are_there_may_take_more() -> None:
    wanted = Wanted(VolumeName("a"), (), Taken(GIB, 0))
    assert refusal([Quota("*", None, 1)], known(record("a"), record("b")), wanted) is None


def test_each_quota_that_a_volume_fits_has_to_allow_it() -> None:
    quotas = (SHOP, Quota("team=red", GIB))
    wanted = Wanted(VolumeName("shop_c"), RED, Taken(2 * GIB, 1))
    found = refusal(quotas, {}, wanted)
    assert found is not None
    assert "the quota of team=red" in found
    assert refusal(quotas, {}, replace(wanted, labels=())) is None


def test_of_what_a_lowered_quota_is_full_nothing_is_asked_that_takes_no_room() -> None:
    full = known(record("shop_a", 20))
    assert refusal([SHOP], full, Wanted(VolumeName("shop_a"), (), Taken())) is None
    assert refusal([SHOP], full, Wanted(VolumeName("shop_a"), (), Taken(1, 0))) is not None
