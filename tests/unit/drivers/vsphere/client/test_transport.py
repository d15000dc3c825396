"""What is said where vCenter's certificate is not taken."""

from __future__ import annotations

import ssl

import pytest

from drivers.vsphere.client.transport import why_not


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (9, "set the clock"),
        (10, "renew it"),
        (62, "set host to a name"),
        (64, "set host to a name"),
        (20, "set ca_file"),
    ],
)
def test_a_certificate_that_is_not_taken_comes_with_the_cure_for_just_that(code: int, cure: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "its reason"
    assert "(its reason)" in why_not(error)
    assert cure in why_not(error)


def test_another_error_is_told_as_it_is_also_one_without_a_text() -> None:
    assert (why_not(ConnectionRefusedError(111, "refused")), why_not(OSError())) == ("[Errno 111] refused", "OSError")
