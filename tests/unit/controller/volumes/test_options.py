"""driver_opts: what they mean, and the answer to what they cannot mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.model import (
    DiskId,
    FencePolicy,
    Handout,
    Phase,
    Snapshot,
    Snapshots,
    SnapshotState,
    Source,
    Spec,
    VolumeKey,
    VolumeName,
    VolumeRecord,
)
from controller.volumes.handout_options import safe
from controller.volumes.options import BadOptions, difference, parse_copy, parse_new, parse_options, unusable

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
        ({"size": "10"}, "has no unit, so it would be bytes: write 10GiB"),
        ({"size": "1g", "uid": "grafana"}, "uid 'grafana' is not a number"),
        ({"size": "1g", "gid": "4294967295"}, "not a number from 0 to 4294967294"),
        ({"size": "1g", "mode": "488"}, 'not octal: write four digits in quotes, for example mode: "0750"'),
        ({"size": "1g", "mode": "504"}, "not octal"),
        ({"size": "1g", "mount-options": "noatime,suid"}, "mount option 'suid' is not among those allowed: noatime"),
        ({"size": "100m", "fstype": "xfs"}, "at least 300MiB"),
        ({"size": "63TiB"}, "at most 62TiB"),
        ({"size": "99999999999999999999t"}, "at most 62TiB"),
        ({"size": "1g", "fstype": "btrfs"}, "use ext4 or xfs"),
        ({"size": "1g", "policy": "kill"}, "use detach, power-off or hold"),
        ({"sise": "1g"}, "did you mean 'size'?"),
        ({"size": "1g", "colour": "red"}, "the options are size, fstype, policy, clone-from"),
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


SOURCE = VolumeRecord(
    VolumeName("a"),
    VolumeKey("a-1"),
    Spec(GIB, "xfs", FencePolicy.HOLD),
    "own-uuid",
    Phase.READY,
    DiskId("disk-a"),
    True,
)
COPY = {"clone-from": "a"}
MADE = Source(VolumeName("a"), DiskId("disk-a"), "own-uuid", "own-uuid")
B = VolumeName("b")


def test_a_copy_has_size_and_file_system_of_its_source_but_a_policy_of_its_own() -> None:
    assert parse_copy(COPY, B, SOURCE) == Spec(GIB, "xfs", None, MADE)
    said = parse_copy(COPY | {"size": "1g", "fstype": "xfs", "policy": "detach"}, B, SOURCE)
    assert said == Spec(GIB, "xfs", FencePolicy.DETACH, MADE)


def test_the_copy_of_a_copy_knows_the_file_system_that_came_down_and_the_label_of_its_own_source() -> None:
    copy = replace(SOURCE, name=B, fs_uuid="label-b", disk=DiskId("disk-b"), spec=Spec(GIB, "xfs", source=MADE))

    found = parse_copy({"clone-from": "b"}, VolumeName("c"), copy)

    assert isinstance(found, Spec)
    assert found.source == Source(B, DiskId("disk-b"), "own-uuid", "label-b")


@pytest.mark.parametrize(
    ("options", "source", "why"),
    [
        (COPY, None, "there is no volume a to copy"),
        ({"clone-from": "b"}, SOURCE, "names the volume itself"),
        (COPY, replace(SOURCE, phase=Phase.DELETING), "is being deleted"),
        (COPY, replace(SOURCE, phase=Phase.CREATING, disk=None), "still being made"),
        (COPY, replace(SOURCE, formatted=False), "was never used"),
        (COPY | {"size": "2g"}, SOURCE, f"has {GIB} bytes and xfs: leave size and fstype out"),
        (COPY | {"fstype": "ext4"}, SOURCE, "leave size and fstype out"),
        (COPY | {"policy": "kill"}, SOURCE, "use detach, power-off or hold"),
    ],
    ids=str,
)
def test_what_cannot_be_copied_is_refused_with_the_cure(
    options: dict[str, str], source: VolumeRecord | None, why: str
) -> None:
    refused = parse_copy(options, B, source)

    assert isinstance(refused, BadOptions)
    assert why in refused.why


def test_a_copy_agrees_with_the_name_of_its_source_also_when_that_is_gone_and_with_no_other() -> None:
    spec = Spec(GIB, source=MADE)

    assert difference(COPY, spec) is None
    assert difference({"size": "1g"}, spec) is None
    assert "clone-from is a and not c" in str(difference({"clone-from": "c"}, spec))
    assert "clone-from is nothing and not a" in str(difference(COPY, Spec(GIB)))


def test_a_read_only_volume_is_a_copy_and_never_a_new_one_that_would_stay_empty() -> None:
    alone, copy = {"size": "1g", "access": "read-only"}, COPY | {"access": "read-only"}
    assert "is for a copy" in str(unusable(alone))
    assert isinstance(parse_new(alone), BadOptions)
    assert parse_new({"size": "1g", "access": "read-write"}) == Spec(GIB)
    assert unusable(copy) is None
    assert parse_copy(copy, B, SOURCE) == Spec(GIB, "xfs", None, MADE, read_only=True)
    assert "use read-write or read-only" in str(unusable({"size": "1g", "access": "ro"}))


def test_access_that_is_said_must_be_that_of_the_volume() -> None:
    spec = Spec(GIB, source=MADE, read_only=True)
    assert difference(COPY | {"access": "read-only"}, spec) is None
    assert difference({"access": "read-only"}, spec) is None
    assert "access is read-only and not read-write" in str(difference({"access": "read-write"}, spec))
    assert "access is read-write and not read-only" in str(difference({"access": "read-only"}, Spec(GIB)))


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("context=system_u:object_r:container_file_t:s0", True),
        ("context=system_u:object_r:container_file_t:s0:c1.c1023", True),
        ("context=x", False),
        ("context=a:b:c:s0,suid", False),
        ("fscontext=system_u:object_r:container_file_t:s0", False),
        ("context=a:b:c:s0 -o suid", False),
    ],
)
def test_a_context_for_selinux_is_allowed_in_one_form(said: str, *, allowed: bool) -> None:
    found = parse_options({"size": "1g", "mount-options": said})
    assert (found == Spec(GIB, handout=Handout(mount_options=(said,)))) == allowed
    assert safe((said,)) == ((said,) if allowed else ())


def test_options_of_a_copy_are_judged_without_its_source_as_far_as_they_can_be() -> None:
    assert unusable(COPY) is None
    assert unusable(COPY | {"fstype": "xfs"}) is None
    assert "clone-from is empty" in str(unusable({"clone-from": ""}))
    assert "no size" in str(unusable({"fstype": "xfs"}))


OWNED = {"size": "1g", "uid": "472", "gid": "0", "mode": "0750", "mount-options": "noexec, noatime"}


def test_owner_mode_and_mount_options_are_taken_over() -> None:
    assert parse_options(OWNED) == Spec(GIB, handout=Handout(472, 0, 0o750, ("noatime", "noexec")))


def test_another_owner_than_the_volume_was_made_with_is_told_and_the_same_is_not() -> None:
    spec = parse_options(OWNED)
    assert isinstance(spec, Spec)

    assert difference({**OWNED, "mount-options": "noatime,noexec"}, spec) is None
    told = difference({**OWNED, "uid": "1000", "mode": "0755"}, spec)
    assert told is not None
    assert "uid is 472 and not 1000, mode is 0750 and not 0755" in told
    assert "uid is nothing and not 472" in (difference({"uid": "472"}, Spec(GIB)) or "")


THEN = Snapshot("nightly", "0a1b2c3d", SnapshotState.THERE, 1.0, GIB // 2, DiskId("snap-a"))
KEPT = replace(SOURCE, snapshots=Snapshots((THEN, replace(THEN, name="half", state=SnapshotState.WANTED))))
OF_THEN = COPY | {"clone-snapshot": "nightly"}


def test_a_copy_of_a_snapshot_has_the_size_that_its_volume_had_then_and_the_label_of_its_volume() -> None:
    copied = replace(MADE, disk=DiskId("snap-a"))
    assert parse_copy(OF_THEN, B, KEPT) == Spec(GIB // 2, "xfs", None, copied, from_snapshot="nightly")
    assert parse_copy(COPY, B, KEPT) == Spec(GIB, "xfs", None, MADE)


@pytest.mark.parametrize("name", ["half", "another"])
def test_a_snapshot_that_is_not_there_is_not_copied(name: str) -> None:
    refused = parse_copy(COPY | {"clone-snapshot": name}, B, KEPT)
    assert isinstance(refused, BadOptions)
    assert "it has: nightly" in refused.why


def test_a_snapshot_is_said_with_its_volume_and_agrees_with_that_of_the_copy_alone() -> None:
    spec = Spec(GIB, source=MADE, from_snapshot="nightly")
    assert difference(OF_THEN, spec) is None
    assert difference(COPY, spec) is None
    assert "clone-snapshot is nightly and not other" in str(difference(COPY | {"clone-snapshot": "other"}, spec))
    assert "clone-snapshot is the volume itself" in str(difference(OF_THEN, Spec(GIB, source=MADE)))
    assert "name that volume in clone-from" in str(unusable({"size": "1g", "clone-snapshot": "nightly"}))
