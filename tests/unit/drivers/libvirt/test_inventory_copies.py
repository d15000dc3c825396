"""Which files of a pool are disks while copies are made."""

from __future__ import annotations

from controller.model import VolumeKey
from drivers.libvirt.inventory import key_of, keys_of, mark, marks_of, parse_written

DATA, COPY = VolumeKey("data-0123"), VolumeKey("data-4567")
FILES = ["reberth-data-0123.qcow2", "reberth-data-4567.raw", "of somebody else.qcow2", "reberth-database-89ab.qcow2"]


def test_a_copy_that_may_not_be_whole_is_no_disk() -> None:
    half = [*FILES, mark(COPY, "abc")]

    assert keys_of(FILES, "data-") == [DATA, COPY]
    assert keys_of(half, "data-") == [DATA]


def test_a_mark_belongs_to_one_key_and_begins_like_no_disk() -> None:
    files = [mark(COPY, "abc"), mark(COPY, "def"), mark(VolumeKey("data"), "abc")]

    assert marks_of([*FILES, *files], COPY) == files[:2]
    assert keys_of(files, "") == []


def test_a_disk_is_known_by_its_key_whatever_its_folder_and_format() -> None:
    assert key_of("/srv/reberth/reberth-data-0123.qcow2") == key_of("reberth-data-0123.raw") == DATA


def test_the_time_of_the_last_write_is_read_to_the_nanosecond() -> None:
    times = "<atime>1.5</atime><mtime>1700000000.123456789</mtime>"
    text = f"<volume><target><timestamps>{times}</timestamps></target></volume>"

    assert parse_written(text) == "1700000000.123456789"
