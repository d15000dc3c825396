"""Volume names: what is accepted, and the keys made from them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model import VolumeKey, VolumeName
from controller.volumes.naming import (
    BadName,
    disk_key,
    is_own_key,
    label_of,
    life_prefix,
    restored_key,
    snapshot_key,
    unseen,
    volume_key,
    volume_name,
)


@given(st.text(min_size=1, max_size=80).filter(lambda text: "\ud800" not in text))
def test_every_key_fits_into_a_config_name_and_a_file_name(text: str) -> None:
    key = volume_key(VolumeName(text.encode("utf-8", "replace").decode()))

    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", key)
    assert len(f"reberth.volume.{key}") <= 64


def test_the_key_shows_the_name() -> None:
    assert volume_key(VolumeName("shop_pgdata")).startswith("shop-pgdata-")


def test_a_long_name_keeps_its_beginning() -> None:
    assert volume_key(VolumeName("a" * 255)) == volume_key(VolumeName("a" * 255))
    assert volume_key(VolumeName("a" * 255)).startswith("a" * 24 + "-")


@pytest.mark.parametrize("pair", [("Data", "data"), ("a_b", "a-b"), ("é", "e"), ("a" * 254, "a" * 255)])
def test_names_that_look_alike_have_different_keys(pair: tuple[str, str]) -> None:
    assert volume_key(VolumeName(pair[0])) != volume_key(VolumeName(pair[1]))


def test_the_key_of_a_name_never_changes_between_versions() -> None:
    """Disks are found by it: a change would lose every disk."""
    assert volume_key(VolumeName("pgdata")) == "pgdata-ff85234373f5"


def test_the_disk_of_a_record_has_a_name_of_its_own_that_never_changes() -> None:
    """A volume made anew gets another disk; the same record finds its own again, also by a later version."""
    key = VolumeKey("pgdata-ff85234373f5")

    assert disk_key(key, "76a1d3e0-0000-4000-8000-000000000001") == "pgdata-ff85234373f5-161f4317"
    assert disk_key(key, "76a1d3e0-0000-4000-8000-000000000002") != "pgdata-ff85234373f5-161f4317"


@pytest.mark.parametrize("name", ["a", "a" * 255, "späte Daten", "x/y", "データ", "a.b_c-d"], ids=ascii)
def test_odd_names_are_accepted(name: str) -> None:
    assert volume_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty: give the mount a source"),
        ("a" * 256, "this one has 256"),
        ("a\nb", "control characters"),
        ("a\x00", "control characters"),
        (" a", "starts or ends with a space"),
        ("data-{{.Task.Slot}}", "not expanded"),
        ("data-<no value>", "not expanded"),
    ],
    ids=ascii,
)
def test_a_bad_name_is_refused_with_the_reason(name: str, why: str) -> None:
    refused = volume_name(name)

    assert isinstance(refused, BadName)
    assert why in refused.why


@pytest.mark.parametrize("name", ["data\u200b", "\ufeffdata", "pg\u00a0data", "a\u2028b", "a\u202eb"], ids=ascii)
def test_a_name_that_cannot_be_told_from_another_by_eye_gets_no_new_volume(name: str) -> None:
    """A volume that has it already keeps it."""
    assert "that nobody sees" in (unseen(VolumeName(name)) or "")
    assert volume_name(name) == name
    assert unseen(VolumeName("pg data \u30c7\u30fc\u30bf")) is None


def test_a_snapshot_is_no_disk_of_an_earlier_life_and_a_restored_disk_is_its_volumes_own() -> None:
    """Both end as the volume's first disk: what is on them bears its label, also where the records are lost."""
    key, uuid = VolumeKey("pgdata-ff85234373f5"), "76a1d3e0-0000-4000-8000-000000000001"
    kept, restored = snapshot_key(key, uuid, "0a1b2c3d"), restored_key(key, uuid, "0a1b2c3d")

    assert kept == "snap-pgdata-ff85234373f5-0a1b2c3d-161f4317"
    assert restored == "pgdata-ff85234373f5-0a1b2c3d-161f4317"
    assert not kept.startswith(life_prefix(key))
    assert label_of(kept) == label_of(restored) == label_of(disk_key(key, uuid))
    assert [is_own_key(each, key, uuid) for each in (disk_key(key, uuid), restored, kept)] == [True, True, False]
    assert restored_key(key, label_of(kept) or "", "0a1b2c3d") == restored
