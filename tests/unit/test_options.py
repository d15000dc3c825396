"""driver_opts: what they mean, and the answer to what they cannot mean."""

from __future__ import annotations

import pytest

from controller.model import FencePolicy, Spec
from controller.options import BadOptions, difference, parse_options

GIB, MIB = 1024**3, 1024**2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GiB", 10 * GIB),
        ("10g", 10 * GIB),
        ("10 G", 10 * GIB),
        ("1.5TiB", 1536 * GIB),
        ("512m", 512 * MIB),
        ("500MB", 477 * MIB),
        ("1GB", 954 * MIB),
        ("1073741824", GIB),
        ("1073741825", GIB + MIB),
    ],
)
def test_a_size_is_read_in_its_unit_and_rounded_up_to_a_mib(text: str, size: int) -> None:
    assert parse_options({"size": text}) == Spec(size_bytes=size)


def test_all_options_are_taken_over() -> None:
    found = parse_options({"size": "1g", "fstype": "xfs", "policy": "power-off"})

    assert found == Spec(size_bytes=GIB, fstype="xfs", policy=FencePolicy.POWER_OFF)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "no size"),
        ({"size": ""}, "not a size"),
        ({"size": "ten"}, "10GiB or 500MB"),
        ({"size": "10PB"}, "not a size"),
        ({"size": "-1g"}, "not a size"),
        ({"size": "1e3"}, "not a size"),
        ({"size": "0"}, "at least 16MiB"),
        ({"size": "100m", "fstype": "xfs"}, "at least 300MiB"),
        ({"size": "63TiB"}, "at most 62TiB"),
        ({"size": "99999999999999999999t"}, "at most 62TiB"),
        ({"size": "1g", "fstype": "btrfs"}, "use ext4 or xfs"),
        ({"size": "1g", "policy": "kill"}, "use detach, power-off or hold"),
        ({"sise": "1g"}, "did you mean 'size'?"),
        ({"size": "1g", "colour": "red"}, "the options are size, fstype, policy"),
    ],
    ids=str,
)
def test_options_that_cannot_be_meant_are_refused_with_the_cure(options: dict[str, str], why: str) -> None:
    refused = parse_options(options)

    assert isinstance(refused, BadOptions)
    assert why in refused.why


@pytest.mark.parametrize("options", [{}, {"size": "1024m"}, {"size": "1GiB", "fstype": "ext4"}], ids=str)
def test_the_same_options_in_other_words_are_no_difference(options: dict[str, str]) -> None:
    assert difference(options, Spec(size_bytes=GIB)) is None


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"size": "2g"}, f"size is {GIB} bytes and not {2 * GIB} bytes"),
        ({"fstype": "xfs"}, "fstype is ext4 and not xfs"),
        ({"policy": "hold"}, "policy is the cluster's and not hold"),
        ({"fstype": "zfs"}, "not supported"),
    ],
    ids=str,
)
def test_other_options_than_the_volumes_are_told(options: dict[str, str], why: str) -> None:
    assert why in str(difference(options, Spec(size_bytes=GIB)))
