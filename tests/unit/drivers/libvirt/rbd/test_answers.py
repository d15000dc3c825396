"""What Ceph says; the texts are those of Ceph 16.2.15."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.rbd import answers
from drivers.shared.faults import Doubt

NOW = datetime(2026, 11, 26, 13, 0, tzinfo=UTC)
A, B = "10.0.0.2:0/1234", "10.0.0.3:0/99"
LISTED = (
    f'\n[{{"addr":"{A}","until":"2058-08-04T15:06:21.419423+0000"}},'
    f'{{"addr":"{B}","until":"2026-11-26T14:00:00.000000+0000"}}][{{"range":"10.0.0.0/8"}}]'
)


def test_only_an_entry_that_no_frozen_client_outlives_is_a_fence() -> None:
    """One of an hour is none, nor is a range, whose end is not ours."""
    found = answers.blocklist(LISTED)
    assert found.holds(A, NOW)
    assert not found.holds(B, NOW)
    assert not found.holds("10.0.0.4:0/1", NOW)
    assert 2 * answers.LONG.total_seconds() < answers.FENCE_SECONDS


def test_an_entry_of_nearly_ten_years_is_no_fence() -> None:
    entries = {A: NOW + answers.LONG, B: NOW + answers.LONG + timedelta(seconds=1)}
    assert [answers.Blocklist(entries).holds(each, NOW) for each in (A, B)] == [False, True]


@pytest.mark.parametrize("text", ["", "listed 0 entries", '[{"addr":"x"}][]', '[{"addr":"x","until":"soon"}]'])
def test_a_blocklist_that_is_not_understood_is_no_empty_one(text: str) -> None:
    with pytest.raises(Doubt):
        answers.blocklist(text)


def test_all_clients_count_and_not_the_first_alone() -> None:
    """A killed one is a watcher for 30 s, beside the living."""
    assert answers.addresses([A, B]) == [A, B]


@pytest.mark.parametrize("address", ["", "10.0.0.2", "-", "10.0.0.2:0/x", "10.0.0.2:0/1/2"])
def test_an_address_that_is_not_understood_is_an_error(address: str) -> None:
    """Blocklisting it would fence nobody, or everybody."""
    with pytest.raises(Doubt):
        answers.addresses([A, address])


def test_an_image_without_metadata_has_no_notes_and_other_metadata_is_none() -> None:
    assert answers.noted([]) == []
    assert answers.noted(["conf_x", f"{answers.NOTE}{A}"]) == [A]


@pytest.mark.parametrize(("code", "kind"), [(2, Kind.NO_VOLUME), (16, Kind.BUSY), (17, Kind.EXISTS), (13, Kind.DENIED)])
def test_an_answer_of_ceph_s_is_a_refusal(code: int, kind: Kind) -> None:
    error = answers.failed(code, "no", "rbd mv")
    assert isinstance(error, Fault)
    assert error.kind is kind


@pytest.mark.parametrize("code", [110, 108, 5, -9])
def test_no_answer_is_a_doubt(code: int) -> None:
    assert isinstance(answers.failed(code, "", "rbd mv"), Doubt)
