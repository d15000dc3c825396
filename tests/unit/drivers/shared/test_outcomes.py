"""What a call ended in, in the words of the contract."""

from __future__ import annotations

import pytest

from drivers.base import DriverError, InDoubt, Refused, Unreachable
from drivers.shared.faults import Doubt, Fault, NotSent
from drivers.shared.outcomes import failure, reading


class Odd(Fault):
    in_doubt = True


class Slow(Fault):
    pause = 7.0


def test_only_what_was_never_sent_is_unreachable_and_only_an_error_of_the_storage_is_a_refusal() -> None:
    assert failure(NotSent("no wire")) == Unreachable("no wire")
    assert failure(Doubt("no answer")) == InDoubt("no answer")
    assert failure(Fault("no")) == Refused("no")
    assert failure(Slow("not now")) == Refused("not now", 7.0)


def test_an_error_after_which_it_may_have_happened_all_the_same_is_in_doubt() -> None:
    assert failure(Odd("host lost")) == InDoubt("host lost")


@pytest.mark.parametrize("error", [NotSent("x"), Doubt("x"), Fault("x")])
def test_a_reading_that_ended_badly_says_what_could_not_be_read(error: Exception) -> None:
    with pytest.raises(DriverError, match=r"^the list cannot be read: x$"), reading("the list cannot be read"):
        raise error
