"""Options that only some storage drivers have: kept as they were said, and refused before anything is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import DiskId, DriverOption, Source, Spec, VolumeName
from controller.volumes.driver_options import refusal, with_place
from controller.volumes.options import BadOptions, difference, parse_options

THICK = {"size": "1GiB", "diskformat": "eagerzeroedthick"}
DECLARED = (DriverOption("diskformat", ("thin", "eagerzeroedthick"), "thin", "of the disk"),)
PLACED = (DriverOption("datastore", ("DS", "SAN 2"), "DS", "of the disk", copies=True),)
SOURCE = Source(VolumeName("a"), DiskId("disk-a"), "uuid-a", "uuid-a")


def spec(options: dict[str, str]) -> Spec:
    found = parse_options(options)
    assert isinstance(found, Spec)
    return found


def test_what_was_said_is_kept() -> None:
    assert spec(THICK).for_driver == (("diskformat", "eagerzeroedthick"),)
    assert spec({"size": "1GiB"}).for_driver == ()


@pytest.mark.parametrize(
    ("wanted", "declared", "words"),
    [
        (spec(THICK), (), "has no option diskformat: leave it out"),
        (spec({**THICK, "diskformat": "thick"}), DECLARED, "'thick' is unknown: use thin or eagerzeroedthick"),
        (replace(spec(THICK), source=SOURCE), DECLARED, "cannot be chosen for a copy"),
    ],
    ids=["no such option", "no such value", "of a copy"],
)
def test_what_the_driver_does_not_have_is_refused_with_the_cure(
    wanted: Spec, declared: tuple[DriverOption, ...], words: str
) -> None:
    assert words in str(refusal(wanted, declared))


def test_what_the_driver_has_is_taken() -> None:
    assert refusal(spec(THICK), DECLARED) is None
    assert refusal(spec({"size": "1GiB"}), ()) is None


def test_another_one_than_the_volumes_is_told() -> None:
    assert difference(THICK, spec(THICK)) is None
    assert difference({"size": "1GiB"}, spec(THICK)) is None
    told = difference({**THICK, "diskformat": "thin"}, spec(THICK))
    assert "diskformat is eagerzeroedthick and not thin" in str(told)
    assert "diskformat is the driver's settings' and not thin" in str(difference({"diskformat": "thin"}, Spec(2**30)))


@pytest.mark.parametrize(
    ("name", "options", "found"),
    [
        ("data@SAN 2", {}, {"datastore": "SAN 2"}),
        ("a@b@DS", {}, {"datastore": "DS"}),
        ("data@DS", {"datastore": "SAN 2"}, {"datastore": "SAN 2"}),
        ("data", {}, {}),
        ("@DS", {}, {}),
        ("data@", {}, {}),
    ],
)
def test_a_name_with_a_place_says_where_the_disk_is_made(
    name: str, options: dict[str, str], found: dict[str, str]
) -> None:
    assert with_place(name, options, PLACED) == found


def test_a_pool_is_a_place_as_a_datastore_is() -> None:
    pools = (DriverOption("pool", ("main", "fast"), "main", "of the disk", copies=True),)
    assert with_place("data@fast", {}, pools) == {"pool": "fast"}
    assert refusal(spec({"size": "1GiB", "pool": "fast"}), pools, "data@fast") is None
    assert "say one of them" in str(refusal(spec({"size": "1GiB", "pool": "main"}), pools, "data@fast"))
    assert "pool 'slow' is unknown: use main or fast" in str(refusal(spec({"size": "1GiB", "pool": "slow"}), pools))


def test_where_no_driver_has_places_a_name_with_an_at_sign_is_one_like_any_other() -> None:
    assert with_place("data@DS", {}, DECLARED) == {}
    assert refusal(Spec(2**30), DECLARED, "data@DS") is None


def test_a_place_that_is_unknown_or_that_the_name_contradicts_is_refused() -> None:
    wanted = spec({"size": "1GiB", "datastore": "SAN 2"})
    assert refusal(wanted, PLACED, "data@SAN 2") is None
    assert "say one of them" in str(refusal(wanted, PLACED, "data@DS"))
    unknown = spec({"size": "1GiB", "datastore": "NFS"})
    assert "datastore 'NFS' is unknown: use DS or SAN 2" in str(refusal(unknown, PLACED, "data@NFS"))


def test_a_copy_may_be_made_in_another_place() -> None:
    assert refusal(replace(spec({"size": "1GiB", "datastore": "DS"}), source=SOURCE), PLACED) is None


def test_vdvs_name_of_the_storage_policy_means_the_same() -> None:
    old = {"size": "1GiB", "vsan-policy-name": "gold"}
    assert spec(old).for_driver == (("storage-policy", "gold"),)
    for options in (old, {"size": "1GiB", "storage-policy": "gold"}, {**old, "storage-policy": "gold"}):
        assert difference(options, spec(old)) is None
    told = difference({"vsan-policy-name": "silver"}, spec(old))
    assert "storage-policy is gold and not silver" in str(told)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"storage-policy": "gold", "vsan-policy-name": "silver"}, "leave one out"),
        ({"storage-policy": " "}, "storage-policy is empty"),
        ({"vsan-policy-name": ""}, "vsan-policy-name is empty"),
        ({"datastore": ""}, "datastore is empty"),
    ],
)
def test_what_cannot_be_meant_for_a_driver_is_refused(options: dict[str, str], words: str) -> None:
    found = parse_options({"size": "1GiB", **options})
    assert isinstance(found, BadOptions)
    assert words in found.why


def test_an_option_without_values_takes_any_text() -> None:
    declared = (DriverOption("storage-policy", (), "none", "a policy", copies=True),)
    wanted = spec({"size": "1GiB", "storage-policy": "vSAN Default Storage Policy"})
    assert refusal(wanted, declared) is None
    assert refusal(replace(wanted, source=SOURCE), declared) is None
