"""Settings, errors, the binding and the threads of the libvirt driver."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from drivers.libvirt.binding import _load
from drivers.libvirt.faults import Doubt, Fault, Kind, NotSent, fault_from
from drivers.libvirt.settings import Settings, SettingsError
from drivers.libvirt.threads import Threads


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({}, "uris"),
        ({"uris": []}, "name each host"),
        ({"uris": ["kvm1"]}, "write it like"),
        ({"uris": ["qemu:///system", "qemu:///system"]}, "twice"),
        ({"uris": ["qemu:///system"], "format": "vmdk"}, "format"),
        ({"uris": ["qemu:///system"], "cache": "writeback"}, "cache"),
        ({"uris": ["qemu:///system"], "pool": " "}, "pool is empty"),
        ({"uris": ["qemu:///system"], "uri": "x"}, "uri"),
    ],
)
def test_wrong_settings_are_errors_that_name_the_key(raw: dict[str, object], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        Settings.parse(raw)


def test_hosts_in_a_variable_are_separated_by_spaces() -> None:
    assert Settings.parse({"uris": "qemu+tls://a/system qemu+tls://b/system"}).uris == (
        "qemu+tls://a/system",
        "qemu+tls://b/system",
    )


def test_an_error_of_the_connection_is_doubt_and_never_an_answer() -> None:
    assert isinstance(fault_from(38, 7, "Cannot write data: Broken pipe"), Doubt)
    assert isinstance(fault_from(1, 13, "client socket is closed"), Doubt)


def test_the_lock_of_an_image_is_known_by_qemu_s_words() -> None:
    words = "internal error: unable to execute QEMU command 'device_add': Failed to get \"write\" lock"
    fault = fault_from(1, 10, words)
    assert isinstance(fault, Fault)
    assert fault.kind is Kind.LOCKED


def test_a_missing_binding_is_an_error_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="apt-get install python3-libvirt"):
        _load("libvirtmod_of_nobody", [str(tmp_path)])


def test_only_the_module_asked_for_is_taken_from_the_distribution(tmp_path: Path) -> None:
    (tmp_path / "taken_for_reberth.py").write_text("value = 7")
    before = list(sys.path)
    assert _load("taken_for_reberth", [str(tmp_path)]).value == 7
    assert sys.path == before
    del sys.modules["taken_for_reberth"]


async def test_a_call_that_does_not_answer_in_time_is_in_doubt_and_too_many_are_not_sent() -> None:
    free = threading.Event()
    threads = Threads("host", most=2)
    for _ in range(2):
        with pytest.raises(Doubt, match="did not answer within"):
            await threads.run(free.wait, 0.01)
    with pytest.raises(NotSent, match="still have no answer"):
        await threads.run(lambda: 1, 10)
    free.set()
    async with asyncio.timeout(10):
        while threads._running:  # noqa: ASYNC110 - real threads end
            await asyncio.sleep(0)
    assert await threads.run(lambda: 1, 10) == 1


async def test_an_error_in_the_thread_is_raised_where_it_is_awaited() -> None:
    def fails() -> None:
        raise Fault(Kind.BUSY, "busy")

    with pytest.raises(Fault, match="busy"):
        await Threads("host").run(fails, 10)
