"""Law 4, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.gate.kernel.disk_check import (
    ROUNDING_BYTES,
    Findings,
    Format,
    Label,
    Ours,
    Signature,
    Stranger,
    Wanted,
    judge,
)
from controller.model import VolumeKey
from controller.volumes.naming import disk_key, label_of

UUID = "0d6a3b0c-9f1e-4a53-8a8f-2c7c3f5f4b11"
OTHER = "11111111-2222-4333-8444-555555555555"
GIB = 1 << 30
BLANK = Findings(size=GIB, signatures=(), ambivalent=False, head_zero=True, tail_zero=True)
OURS = replace(BLANK, signatures=(Signature("ext4", UUID, 0x438),) * 2, head_zero=False)
NEVER_FORMATTED = Wanted("ext4", UUID, GIB, may_format=True)
FORMATTED = replace(NEVER_FORMATTED, may_format=False)
LABEL = "22222222-2222-4333-8444-555555555555"  # of a copy
COPIED = replace(OURS, tail_zero=False, tail=UUID)
COPY = replace(FORMATTED, label=LABEL)
NEVER_MOUNTED = replace(COPY, source_label=UUID)
ADOPTED = Wanted("ext4", "", GIB, may_format=False, label=label_of(disk_key(VolumeKey("data"), UUID)) or "")
ADOPTED_COPY = Wanted("ext4", "", GIB, may_format=False, label=LABEL, source_label=ADOPTED.label)
HALF_XFS = replace(COPIED, signatures=(Signature("xfs", UUID),), xfs_in_progress=True)
XFS = replace(NEVER_FORMATTED, fstype="xfs")

CASES = {
    "blank": (BLANK, NEVER_FORMATTED, Format()),
    "blank and rounded up": (replace(BLANK, size=GIB + ROUNDING_BYTES), NEVER_FORMATTED, Format()),
    "a larger LUN that was given to it": (replace(BLANK, size=4 * GIB, given=GIB), NEVER_FORMATTED, Format()),
    "ours": (OURS, FORMATTED, Ours()),
    "ours, before the record knows": (OURS, NEVER_FORMATTED, Ours()),
    "ours, and grown": (replace(OURS, size=4 * GIB), FORMATTED, Ours()),
    "ours, in capitals": (replace(OURS, signatures=(Signature("ext4", UUID.upper()),)), FORMATTED, Ours()),
    "ours cut off": (replace(BLANK, head_zero=False, tail_zero=False, tail=UUID), NEVER_FORMATTED, Format(resume=True)),
    "ours with its label": (COPIED, FORMATTED, Ours()),
    "a new copy": (COPIED, NEVER_MOUNTED, Label()),
    "a new copy of a copy": (replace(COPIED, tail=OTHER), replace(NEVER_MOUNTED, source_label=OTHER), Label()),
    "a new copy of what had no label": (OURS, NEVER_MOUNTED, Label()),
    "a copy cut off after its label": (replace(COPIED, tail=LABEL.upper()), NEVER_MOUNTED, Label()),
    "a copy": (replace(COPIED, tail=LABEL), COPY, Ours()),
    "adopted": (replace(COPIED, tail=UUID.upper()), ADOPTED, Ours()),
    "a new copy of what was adopted": (COPIED, ADOPTED_COPY, Label()),
    "a copy of what was adopted": (replace(COPIED, tail=LABEL), replace(ADOPTED_COPY, source_label=""), Ours()),
    "our xfs cut off": (HALF_XFS, XFS, Format(resume=True)),
    "our xfs cut off before there were labels": (replace(HALF_XFS, tail=None), XFS, Format(resume=True)),
    "ours cut off at once": (replace(BLANK, tail_zero=False, tail=UUID), NEVER_FORMATTED, Format(resume=True)),
}
REFUSED = {
    "blank, but formatted before": (BLANK, FORMATTED, "no file system"),
    "adopted, without a label": (OURS, ADOPTED, "has no label"),
    "adopted, of another label": (replace(COPIED, tail=OTHER), ADOPTED, f"is labelled {OTHER}"),
    "adopted, another file system": (COPIED, replace(ADOPTED, fstype="xfs"), "expected xfs of any UUID"),
    "adopted, blank": (BLANK, ADOPTED, "was adopted, but the disk has no file system"),
    "adopted, two file systems": (
        replace(COPIED, signatures=(Signature("ext4", UUID), Signature("ext4", OTHER))),
        ADOPTED,
        "expected ext4 of any UUID",
    ),
    "blank, too small": (replace(BLANK, size=GIB - 1), NEVER_FORMATTED, "less than"),
    "blank, too large": (replace(BLANK, size=GIB + ROUNDING_BYTES + 1), NEVER_FORMATTED, "more than"),
    "a larger LUN of another volume": (replace(BLANK, size=4 * GIB, given=GIB // 2), NEVER_FORMATTED, "more than"),
    "ours, shrunk": (replace(OURS, size=GIB - 1), FORMATTED, "less than"),
    "another's": (replace(OURS, signatures=(Signature("ext4", OTHER),)), NEVER_FORMATTED, OTHER),
    "ours under another type": (replace(OURS, signatures=(Signature("xfs", UUID),)), NEVER_FORMATTED, "found xfs"),
    "ours and a second signature": (
        replace(OURS, signatures=(*OURS.signatures, Signature("swap", OTHER))),
        FORMATTED,
        "swap",
    ),
    "ours, but ambivalent": (replace(OURS, ambivalent=True), FORMATTED, "contradicting"),
    "blank, but ambivalent": (replace(BLANK, ambivalent=True), NEVER_FORMATTED, "contradicting"),
    "data at the start": (replace(BLANK, head_zero=False), NEVER_FORMATTED, "first MiB is not empty"),
    "data at the end": (replace(BLANK, tail_zero=False), NEVER_FORMATTED, "last MiB is not empty"),
    "another's cut off": (replace(BLANK, tail_zero=False, tail=OTHER), NEVER_FORMATTED, "not empty"),
    "ours, but a copy of it": (replace(COPIED, tail=LABEL), FORMATTED, f"labelled {LABEL} and not {UUID}"),
    "a copy, but its source": (COPIED, COPY, f"labelled {UUID} and not {LABEL}"),
    "a copy, but another copy": (replace(COPIED, tail=OTHER), COPY, f"labelled {OTHER}"),
    "a new copy, but another copy": (replace(COPIED, tail=OTHER), NEVER_MOUNTED, f"labelled {OTHER}"),
    "a copy without its label": (OURS, COPY, "has no label"),
    "a copy with another file system": (replace(COPIED, signatures=(Signature("ext4", OTHER),)), NEVER_MOUNTED, OTHER),
    "a copy of another type": (replace(COPIED, signatures=(Signature("xfs", UUID),)), NEVER_MOUNTED, "found xfs"),
    "a blank copy": (BLANK, NEVER_MOUNTED, "is a copy of another, but the disk has no file system"),
    "a blank copy that may be formatted, if one believes the message": (
        BLANK,
        replace(NEVER_MOUNTED, may_format=True),
        "is a copy of another",
    ),
    "our xfs cut off, but the record knows better": (HALF_XFS, replace(XFS, may_format=False), "never finished"),
    "our xfs cut off, but a copy": (replace(HALF_XFS, tail=OTHER), XFS, f"labelled {OTHER}"),
    "our xfs cut off, but wanted is a copy": (HALF_XFS, replace(XFS, label=LABEL), "is a copy of another"),
    "ours cut off, but the record knows better": (replace(BLANK, tail=UUID), FORMATTED, "no file system"),
}


@pytest.mark.parametrize(("found", "wanted", "judgement"), CASES.values(), ids=CASES.keys())
def test_disk_that_may_be_used(found: Findings, wanted: Wanted, judgement: Format | Label | Ours) -> None:
    """Blank, ours, or a new copy that is to become ours."""
    assert judge(found, wanted) == judgement


@pytest.mark.parametrize(("found", "wanted", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_disk_that_may_not_be_used(found: Findings, wanted: Wanted, why: str) -> None:
    """Refused with what was found, and with a cure."""
    judgement = judge(found, wanted)

    assert isinstance(judgement, Stranger)
    assert why in judgement.why
    assert "look at the disk" in judgement.why


SIGNATURES = st.lists(
    st.builds(Signature, st.sampled_from(["ext4", "xfs", "swap", "dos"]), st.sampled_from([UUID, OTHER, ""])),
    max_size=3,
).map(tuple)


@given(
    found=st.builds(
        Findings,
        size=st.integers(0, 2 * GIB),
        signatures=SIGNATURES,
        ambivalent=st.booleans(),
        head_zero=st.booleans(),
        tail_zero=st.booleans(),
        tail=st.sampled_from([None, UUID, OTHER, LABEL]),
        xfs_in_progress=st.booleans(),
    ),
    wanted=st.builds(
        Wanted,
        st.sampled_from(["ext4", "xfs"]),
        st.just(UUID),
        st.integers(1, 2 * GIB),
        may_format=st.booleans(),
        label=st.sampled_from(["", LABEL]),
        source_label=st.sampled_from(["", UUID, OTHER]),
    ),
)
def test_nothing_foreign_is_ever_formatted(found: Findings, wanted: Wanted) -> None:
    """Whatever is found: a format needs the record's leave, and a disk that is blank or carries our own remains."""
    judgement = judge(found, wanted)

    if isinstance(judgement, Format):
        assert wanted.may_format
        assert not found.ambivalent
        assert found.size >= wanted.size_bytes
        assert all(one.uuid == UUID for one in found.signatures)
        assert judgement.resume or (found.head_zero and found.tail_zero and not found.signatures)
        assert not wanted.copied
        assert found.tail in {None, UUID} or (found.head_zero and found.tail_zero)
    if isinstance(judgement, Ours | Label):
        assert {(one.type, one.uuid) for one in found.signatures} == {(wanted.fstype, UUID)}
    if isinstance(judgement, Ours):
        assert found.tail == (wanted.label or UUID) or (found.tail is None and not wanted.copied)
    if isinstance(judgement, Label):
        assert wanted.source_label
        assert found.tail in {None, wanted.source_label, wanted.label or UUID}
