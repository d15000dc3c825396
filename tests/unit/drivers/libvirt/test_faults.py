"""libvirt's errors by what they say about the call."""

from __future__ import annotations

from drivers.libvirt.faults import Fault, Kind, fault_from
from drivers.shared.faults import Doubt


def test_an_error_of_the_connection_is_doubt_and_never_an_answer() -> None:
    assert isinstance(fault_from(38, 7, "Cannot write data: Broken pipe"), Doubt)
    assert isinstance(fault_from(1, 13, "client socket is closed"), Doubt)


def test_the_lock_of_an_image_is_known_by_qemu_s_words() -> None:
    words = "internal error: unable to execute QEMU command 'device_add': Failed to get \"write\" lock"
    fault = fault_from(1, 10, words)
    assert isinstance(fault, Fault)
    assert fault.kind is Kind.LOCKED
